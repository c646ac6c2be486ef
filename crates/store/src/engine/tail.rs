//! Whether the log ends where it was torn, or where it was damaged.
//!
//! A batch is acknowledged when its sync has returned, and the next one is written only then. So a commit
//! record that says "batch N was durable" proves, wherever it lies and whoever wrote it, that no
//! loss of unsynced writes explains a log that ends before batch N: not a lost or torn sector, nor
//! any order in which they reached the disk. What dropped batches and those that a power cut took
//! have left behind says no such thing: what was durable then is still there.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::EngineError;
use super::codec::{CommitRecord, RecordHeader, is_whole};
use crate::backing::{Backing, Disk, Line, Lines};
use crate::layout::{commit, record};

/// Bytes looked at in one go.
const CHUNK: usize = if cfg!(miri) { 1 << 13 } else { 1 << 20 };

/// Most of a log's end is space taken ahead: so many zeros are passed over at a time.
const PIECE: usize = 4096;

/// What each commit record begins with.
fn beginning() -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..record::AT_KIND].copy_from_slice(&record::MAGIC);
    bytes[record::AT_KIND..].copy_from_slice(&record::KIND_COMMIT.to_le_bytes());
    bytes
}

/// The last batch that whole commit records from `offset` on say was durable; 0 if there are none. They are
/// found wherever they begin, since what is before them may be damaged.
pub(super) fn last_durable<F: Backing>(
    file: &F,
    name: &str,
    offset: u64,
    salt: u64,
) -> Result<u64, EngineError> {
    let beginning = beginning();
    let mut last = 0;
    let mut at = offset;
    let mut chunk = Vec::new();
    while at < file.len() {
        // At most a chunk.
        let len = (file.len() - at).min(CHUNK as u64) as usize;
        chunk.resize(len, 0);
        file.read(at, &mut chunk).map_err(|e| EngineError::io("read", name, e))?;
        let mut from = 0;
        while let Some(rest) = chunk.get(from..).filter(|rest| rest.len() >= commit::BYTES) {
            let piece = rest.get(..PIECE).unwrap_or(rest);
            if piece.iter().fold(0, |all, byte| all | byte) != 0 {
                for here in rest.windows(commit::BYTES).take(PIECE) {
                    if here.starts_with(&beginning) {
                        last = last.max(durable_of(here, salt).unwrap_or(0));
                    }
                }
            }
            from += PIECE;
        }
        if len < CHUNK {
            break;
        }
        // A record may lie across the end of the chunk.
        at += (CHUNK - commit::BYTES) as u64;
    }
    Ok(last)
}

/// What a commit record says was durable, if it is whole.
fn durable_of(bytes: &[u8], salt: u64) -> Option<u64> {
    let header = RecordHeader::from_disk(bytes)?;
    let fits = header.bytes as usize == bytes.len() && is_whole(bytes, salt);
    CommitRecord::from_disk(bytes).filter(|_| fits).map(|commit| commit.durable)
}

/// File of the mark.
const MARK: &str = "durable";

/// The number of the last durable batch, in one mapped line that is stored once the batch's sync has returned.
/// Whatever version of it reaches the disk is true. It speaks for the last batch, of which no
/// later record tells. No commit syncs it; a checkpoint does, after each kind of table that it syncs: what those then
/// hold of later batches is not on the disk without the mark that tells of them.
pub(super) struct Mark<D: Disk> {
    line: Arc<D::Table>,
    salt: u64,
}

fn marked(batch: u64, salt: u64) -> Line {
    let sum = xxh3_64_with_seed(&batch.to_le_bytes(), salt);
    [sum, batch, 0, 0, 0, 0, 0, 0]
}

impl<D: Disk> Mark<D> {
    /// Opens the mark; one that is not there or not whole says 0.
    pub(super) fn open(disk: &D, salt: u64) -> Result<Self, EngineError> {
        let line = match disk.open_table(MARK, 1) {
            Err(e)
                if matches!(
                    e.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::InvalidData
                ) =>
            {
                disk.create_table(MARK, 1)
            }
            other => other,
        };
        let line = line.map_err(|e| EngineError::io("open", MARK, e))?;
        Ok(Self { line: Arc::new(line), salt })
    }

    /// The batch that it names; 0 if it names none.
    pub(super) fn batch(&self) -> Result<u64, EngineError> {
        let line = self.line.load(0).map_err(|e| EngineError::io("read", MARK, e))?;
        Ok(if line == marked(line[1], self.salt) { line[1] } else { 0 })
    }

    /// To be called with a batch whose sync has returned, before anything else learns of it. An error is never
    /// [`EngineError::NoSpace`], after which nothing would have happened.
    pub(super) fn set(&self, batch: u64) -> Result<(), EngineError> {
        let line = marked(batch, self.salt);
        self.line.store(0, &line).map_err(|source| EngineError::Io {
            action: "write",
            file: MARK.into(),
            source,
        })
    }

    /// Makes it durable, as it is when that is called; for the thread of a checkpoint.
    pub(super) fn sync_job(&self) -> impl Fn() -> Result<(), EngineError> + use<D> {
        let line = Arc::clone(&self.line);
        move || line.sync().map_err(|e| EngineError::io("sync", MARK, e))
    }

    /// Whether it says what it must.
    pub(super) fn check(&self, batch: u64) -> Result<Option<EngineError>, EngineError> {
        let line = self.line.load(0).map_err(|e| EngineError::io("read", MARK, e))?;
        Ok((line != marked(batch, self.salt)).then(|| EngineError::Corrupt {
            file: MARK.into(),
            offset: 0,
            what: "number of the last durable batch",
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backing::Disk;
    use crate::engine::codec::seal;
    use crate::sim::SimDisk;

    fn sealed(durable: u64, salt: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        CommitRecord { records: 3, floor: None, durable }.to_disk(&mut bytes);
        let header = RecordHeader {
            kind: record::KIND_COMMIT,
            bytes: bytes.len() as u32,
            number: 3,
            epoch: 9,
            batch: durable + 5,
            before: 1,
            checksum: 0,
        };
        seal(&mut bytes, &header, salt);
        bytes
    }

    #[test]
    fn a_commit_record_is_found_wherever_it_lies_and_only_if_it_is_whole() {
        let disk = SimDisk::new(1);
        let len = 2 * CHUNK as u64 + 77;
        let file = disk.create("a", len).unwrap();
        file.grow(len).unwrap();
        let record = sealed(7, 5);
        let bytes = record.len() as u64;
        let near = |at: u64| (at - bytes - 2..at + 3).step_by(3);
        let places = (0..3).chain(near(PIECE as u64)).chain(near(CHUNK as u64));
        for place in places.chain([len - bytes]) {
            file.write(place, &record).unwrap();
            assert_eq!(last_durable(&file, "a", 0, 5).unwrap(), 7, "at {place}");
            assert_eq!(last_durable(&file, "a", place, 5).unwrap(), 7, "at {place}");
            assert_eq!(last_durable(&file, "a", place + 1, 5).unwrap(), 0, "behind {place}");
            assert_eq!(last_durable(&file, "a", 0, 6).unwrap(), 0, "of another store");
            file.write(place, &vec![0; record.len()]).unwrap();
        }
        for bit in (0..8 * record.len()).step_by(if cfg!(miri) { 67 } else { 1 }) {
            let mut damaged = record.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            file.write(100, &damaged).unwrap();
            assert_eq!(last_durable(&file, "a", 100, 5).unwrap(), 0, "bit {bit}");
        }
        file.write(100, &record).unwrap();
        file.write(5000, &sealed(9, 5)).unwrap();
        assert_eq!(last_durable(&file, "a", 0, 5).unwrap(), 9);
    }
}
