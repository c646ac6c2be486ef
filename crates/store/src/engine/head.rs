//! Checkpoints as bytes: two files, written in turns.

use xxhash_rust::xxh3::xxh3_64;

use super::EngineError;
use super::bytes::{Reader, put_at, u64_at};
use super::find::Seeds;
use super::log::Place;
use super::table::TableState;
use super::types::{CoinDigest, Tip};
use crate::backing::{Backing, Disk};
use crate::layout::{FORMAT_VERSION, head};

/// What is known of a segment besides its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SegmentEntry {
    pub(super) number: u16,
    /// End of the last record.
    pub(super) used: u32,
    /// Coin entries written into it, and their bytes with the heads of their groups.
    pub(super) entries: u32,
    pub(super) entry_bytes: u32,
    /// Bits set in its live map.
    pub(super) needed: u32,
    /// Greatest height (or stamp of a move) of its records plus one; 0 if there is none. It is not
    /// cleaned while that can be undone.
    pub(super) heights: u64,
    /// All before this offset has been cleaned; 0 if cleaning has not begun.
    pub(super) cursor: u32,
}

/// Spent coins of a cleaned segment, kept in a move record of the block log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limbo {
    pub(super) victim: u16,
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) stamp: u32,
    /// Position of the move record.
    pub(super) record: u64,
}

/// All that a checkpoint says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeadBody {
    pub(super) seeds: Seeds,
    pub(super) clean: bool,
    pub(super) floor: Option<u32>,
    pub(super) tip: Option<Tip>,
    pub(super) blocks: Place,
    pub(super) cold: Place,
    /// Checksum of the last record.
    pub(super) before: u64,
    pub(super) next: u32,
    pub(super) batch: u64,
    pub(super) segments: Vec<SegmentEntry>,
    /// Positions of the block records that can be undone, lowest first.
    pub(super) ring: Vec<u64>,
    pub(super) limbo: Vec<Limbo>,
    /// Goes into the checksums of live maps; see [`super::log::Salts`].
    pub(super) maps_salt: u64,
    /// Goes into the checksums of the index, and changes when it is built anew: files left half-done are
    /// then no index.
    pub(super) index_salt: u64,
    pub(super) index: TableState,
    pub(super) aux: Vec<u8>,
}

fn put_place(out: &mut Vec<u8>, place: &Place) {
    out.extend(place.segment.map_or(u32::MAX, u32::from).to_le_bytes());
    out.extend(place.offset.to_le_bytes());
}

fn place_from(reader: &mut Reader<'_>) -> Option<Place> {
    let segment = match reader.u32()? {
        u32::MAX => None,
        number => Some(u16::try_from(number).ok()?),
    };
    Some(Place { segment, offset: reader.u32()? })
}

fn put_tip(out: &mut Vec<u8>, tip: Option<Tip>) {
    out.push(u8::from(tip.is_some()));
    if let Some(tip) = tip {
        out.extend(tip.height.to_le_bytes());
        out.extend(tip.hash);
        out.extend(tip.digest.to_u128().to_le_bytes());
        out.extend(tip.coins.to_le_bytes());
    }
}

fn tip_from(reader: &mut Reader<'_>) -> Option<Option<Tip>> {
    Some(match reader.u8()? {
        0 => None,
        _ => Some(Tip {
            height: reader.u32()?,
            hash: reader.array()?,
            digest: CoinDigest::from_u128(reader.u128()?),
            coins: reader.u64()?,
        }),
    })
}

impl HeadBody {
    fn to_disk(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.aux.len() + self.ring.len() * 8 + 8192);
        for seed in [self.seeds.hash[0], self.seeds.hash[1], self.seeds.salt] {
            out.extend(seed.to_le_bytes());
        }
        out.push(u8::from(self.clean));
        out.extend(self.floor.map_or(0, |height| u64::from(height) + 1).to_le_bytes());
        put_tip(&mut out, self.tip);
        put_place(&mut out, &self.blocks);
        put_place(&mut out, &self.cold);
        out.extend(self.before.to_le_bytes());
        out.extend(self.next.to_le_bytes());
        out.extend(self.batch.to_le_bytes());
        // At most 65,536 segments; the ring and the limbo are bounded by the undo horizon, a u32.
        out.extend((self.segments.len() as u32).to_le_bytes());
        for segment in &self.segments {
            out.extend(segment.number.to_le_bytes());
            for word in
                [segment.used, segment.entries, segment.entry_bytes, segment.needed, segment.cursor]
            {
                out.extend(word.to_le_bytes());
            }
            out.extend(segment.heights.to_le_bytes());
        }
        out.extend((self.ring.len() as u64).to_le_bytes());
        for position in &self.ring {
            out.extend(position.to_le_bytes());
        }
        out.extend((self.limbo.len() as u64).to_le_bytes());
        for limbo in &self.limbo {
            out.extend(limbo.victim.to_le_bytes());
            out.extend(limbo.from.to_le_bytes());
            out.extend(limbo.to.to_le_bytes());
            out.extend(limbo.stamp.to_le_bytes());
            out.extend(limbo.record.to_le_bytes());
        }
        out.extend(self.maps_salt.to_le_bytes());
        out.extend(self.index_salt.to_le_bytes());
        self.index.to_disk(&mut out);
        out.extend((self.aux.len() as u64).to_le_bytes());
        out.extend(&self.aux);
        out
    }

    fn from_disk(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let seeds = Seeds { hash: [reader.u64()?, reader.u64()?], salt: reader.u64()? };
        let clean = reader.u8()? != 0;
        let floor = match reader.u64()? {
            0 => None,
            next => Some(u32::try_from(next - 1).ok()?),
        };
        let tip = tip_from(&mut reader)?;
        let blocks = place_from(&mut reader)?;
        let cold = place_from(&mut reader)?;
        let before = reader.u64()?;
        let next = reader.u32()?;
        let batch = reader.u64()?;
        let mut segments = Vec::new();
        for _ in 0..reader.u32()? {
            segments.push(SegmentEntry {
                number: reader.u16()?,
                used: reader.u32()?,
                entries: reader.u32()?,
                entry_bytes: reader.u32()?,
                needed: reader.u32()?,
                cursor: reader.u32()?,
                heights: reader.u64()?,
            });
        }
        let mut ring = Vec::new();
        for _ in 0..reader.u64()? {
            ring.push(reader.u64()?);
        }
        let mut limbo = Vec::new();
        for _ in 0..reader.u64()? {
            limbo.push(Limbo {
                victim: reader.u16()?,
                from: reader.u32()?,
                to: reader.u32()?,
                stamp: reader.u32()?,
                record: reader.u64()?,
            });
        }
        let (maps_salt, index_salt) = (reader.u64()?, reader.u64()?);
        let index = TableState::from_disk(&mut reader.0)?;
        let aux_bytes = usize::try_from(reader.u64()?).ok()?;
        let aux = reader.take(aux_bytes)?.to_vec();
        reader.0.is_empty().then_some(Self {
            seeds,
            clean,
            floor,
            tip,
            blocks,
            cold,
            before,
            next,
            batch,
            segments,
            ring,
            limbo,
            maps_salt,
            index_salt,
            index,
            aux,
        })
    }
}

/// Name of the file for a generation.
pub(super) fn name(generation: u64) -> &'static str {
    if generation.is_multiple_of(2) { "head-0" } else { "head-1" }
}

/// Writes a checkpoint and makes it durable.
pub(super) fn write<D: Disk>(
    disk: &D,
    network_id: u32,
    generation: u64,
    body: &HeadBody,
) -> Result<(), EngineError> {
    let name = name(generation);
    let mut bytes = vec![0; head::HEADER_BYTES];
    let body = body.to_disk();
    put_at(&mut bytes, head::AT_MAGIC, &head::MAGIC);
    put_at(&mut bytes, head::AT_VERSION, &FORMAT_VERSION.to_le_bytes());
    put_at(&mut bytes, head::AT_NETWORK, &network_id.to_le_bytes());
    put_at(&mut bytes, head::AT_GENERATION, &generation.to_le_bytes());
    put_at(&mut bytes, head::AT_BODY_BYTES, &(body.len() as u64).to_le_bytes());
    put_at(&mut bytes, head::AT_BODY_CHECKSUM, &xxh3_64(&body).to_le_bytes());
    let sum = xxh3_64(&bytes[..head::AT_CHECKSUM]);
    put_at(&mut bytes, head::AT_CHECKSUM, &sum.to_le_bytes());
    bytes.extend(body);
    let file =
        disk.create(name, bytes.len() as u64).map_err(|e| EngineError::io("create", name, e))?;
    if let Err(error) = file.grow(bytes.len() as u64) {
        // An empty file would look like damage; if it cannot go either, it does.
        let _ = disk.remove(name);
        return Err(EngineError::io("grow", name, error));
    }
    file.write(0, &bytes).map_err(|e| EngineError::io("write", name, e))?;
    file.sync().map_err(|e| EngineError::io("sync", name, e))?;
    disk.sync_folder("").map_err(|e| EngineError::io("sync", "", e))
}

/// Makes durable a checkpoint that was read, by writing its bytes over themselves: the process that wrote it may have
/// died before it synced them, or the sync failed and the system takes them for written.
pub(super) fn make_durable<D: Disk>(disk: &D, generation: u64) -> Result<(), EngineError> {
    let name = name(generation);
    let file = disk.open(name, 0).map_err(|e| EngineError::io("open", name, e))?;
    rewrite(&file, name, 0, file.len())?;
    file.sync().map_err(|e| EngineError::io("sync", name, e))?;
    disk.sync_folder("").map_err(|e| EngineError::io("sync", "", e))
}

/// Writes bytes over themselves, so that the next sync writes them to the disk whatever the system thinks of
/// them. A cut meanwhile does no harm: each sector holds what it held.
pub(crate) fn rewrite<F: Backing>(
    file: &F,
    name: &str,
    offset: u64,
    bytes: u64,
) -> Result<(), EngineError> {
    const CHUNK: u64 = 1 << 20;
    let mut buf = Vec::new();
    let end = offset.saturating_add(bytes);
    for at in (offset..end).step_by(CHUNK as usize) {
        // At most a chunk.
        buf.resize((end - at).min(CHUNK) as usize, 0);
        file.read(at, &mut buf).map_err(|e| EngineError::io("read", name, e))?;
        file.write(at, &buf).map_err(|e| EngineError::io("write", name, e))?;
    }
    Ok(())
}

/// What a file of a checkpoint turned out to be.
pub(super) enum HeadFile {
    Missing,
    /// Torn or damaged, as the one is that was being written when the power went.
    Damaged(EngineError),
    Whole(u64, Box<HeadBody>),
}

/// Reads one of the two files.
///
/// # Errors
/// [`EngineError::NotAStore`], [`EngineError::UnknownVersion`], [`EngineError::OtherNetwork`] if the file
/// says so and its checksum holds; [`EngineError::Io`].
pub(super) fn read<D: Disk>(
    disk: &D,
    network_id: u32,
    name: &str,
) -> Result<HeadFile, EngineError> {
    let file = match disk.open(name, 0) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(HeadFile::Missing),
        other => other.map_err(|e| EngineError::io("open", name, e))?,
    };
    let damaged = |offset, what| {
        Ok(HeadFile::Damaged(EngineError::Corrupt { file: name.to_owned(), offset, what }))
    };
    if file.len() < head::HEADER_BYTES as u64 {
        return damaged(0, "length of a checkpoint");
    }
    let mut bytes = [0; head::HEADER_BYTES];
    file.read(0, &mut bytes).map_err(|e| EngineError::io("read", name, e))?;
    if xxh3_64(&bytes[..head::AT_CHECKSUM]) != u64_at(&bytes, head::AT_CHECKSUM) {
        return damaged(0, "header of a checkpoint");
    }
    let mut reader = Reader(&bytes);
    let magic = reader.array::<8>();
    let (Some(version), Some(network), Some(generation), Some(body_bytes), Some(checksum)) =
        (reader.u32(), reader.u32(), reader.u64(), reader.u64(), reader.u64())
    else {
        return damaged(0, "header of a checkpoint");
    };
    if magic != Some(head::MAGIC) {
        return Err(EngineError::NotAStore("another magic number"));
    }
    if version != FORMAT_VERSION {
        return Err(EngineError::UnknownVersion { found: version, known: FORMAT_VERSION });
    }
    if network != network_id {
        return Err(EngineError::OtherNetwork { found: network, expected: network_id });
    }
    let start = head::HEADER_BYTES as u64;
    let fits = start.checked_add(body_bytes).is_some_and(|end| end <= file.len());
    let Some(len) = usize::try_from(body_bytes).ok().filter(|_| fits) else {
        return damaged(start, "length of a checkpoint");
    };
    let mut body = vec![0; len];
    file.read(start, &mut body).map_err(|e| EngineError::io("read", name, e))?;
    if xxh3_64(&body) != checksum {
        return damaged(start, "body of a checkpoint");
    }
    match HeadBody::from_disk(&body) {
        Some(body) => Ok(HeadFile::Whole(generation, Box::new(body))),
        None => damaged(start, "body of a checkpoint"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::SimDisk;

    fn body() -> HeadBody {
        let tip = Tip {
            height: 7,
            hash: [3; 32],
            digest: CoinDigest::from_u128(u128::MAX / 3),
            coins: 99,
        };
        HeadBody {
            seeds: Seeds { hash: [1, 2], salt: 3 },
            clean: true,
            floor: Some(0),
            tip: Some(tip),
            blocks: Place { segment: Some(4), offset: 5 },
            cold: Place::default(),
            before: 6,
            next: 7,
            batch: 8,
            segments: vec![SegmentEntry { number: 4, heights: 9, ..SegmentEntry::default() }; 2],
            ring: vec![10, 11],
            limbo: vec![Limbo { victim: 1, from: 2, to: 3, stamp: 4, record: 5 }],
            maps_salt: 66,
            index_salt: 77,
            index: TableState { shards: vec![(6, 100), (7, 200)] },
            aux: vec![1, 2, 3],
        }
    }

    #[test]
    fn heads_are_written_read_and_refused() {
        let disk = SimDisk::new(0);
        assert!(matches!(read(&disk, 5, "head-1").unwrap(), HeadFile::Missing));
        write(&disk, 5, 1, &body()).unwrap();
        match read(&disk, 5, "head-1").unwrap() {
            HeadFile::Whole(1, found) => assert_eq!(*found, body()),
            _ => panic!(),
        }
        assert!(matches!(read(&disk, 6, "head-1"), Err(EngineError::OtherNetwork { .. })));
        let len = disk.files().iter().find(|f| f.0 == "head-1").unwrap().1;
        for offset in 0..len {
            disk.corrupt("head-1", offset, 1);
            assert!(matches!(read(&disk, 5, "head-1").unwrap(), HeadFile::Damaged(_)));
            disk.corrupt("head-1", offset, 1);
        }
    }
}
