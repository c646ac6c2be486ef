//! `blocks/NNNNN.blk`: the bytes of the blocks, appended in the order in which they are applied.
//!
//! ```text
//! file   = head 64, records
//! record = magic 8 | length u32 | height u32 | hash 32 | checksum of the bytes u64 |
//!          checksum of the 56 bytes before, seeded with file and offset, u64 | bytes | zeros to 8
//! ```
//!
//! A record is written before the log's record that names it, and synced together with it. Bytes
//! behind the last committed record are written again after a restart or a dropped batch; the seed
//! keeps what is left of them from parsing.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use mvs_primitives::encode::MAX_PAYLOAD_BYTES;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::height::Height;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::backing::{Backing, Disk};
use crate::engine::BodyRef;
use crate::error::StoreError;
use crate::file_head::{FileHead, HEAD_BYTES};

/// The sub-folder.
pub(crate) const FOLDER: &str = "blocks";

const KIND: [u8; 8] = *b"MVSBLOCK";
const MAGIC: [u8; 8] = *b"mvsblock";

/// Length of a record's head.
const RECORD_HEAD: u64 = 64;

/// Space is taken in steps: an eighth of what is there, between these.
const GROW_MIN: u64 = 256 << 10;
const GROW_MAX: u64 = 8 << 20;

/// Where the next record goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) file: u32,
    pub(crate) offset: u64,
}

impl Position {
    pub(crate) const START: Self = Self { file: 0, offset: HEAD_BYTES };

    /// The end of a record.
    pub(crate) fn after(place: &BodyRef) -> Self {
        Self { file: place.file, offset: place.offset + record_bytes(place.bytes) }
    }
}

fn record_bytes(len: u32) -> u64 {
    (RECORD_HEAD + u64::from(len)).next_multiple_of(8)
}

/// What the head of a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordHead {
    pub(crate) height: Height,
    pub(crate) hash: BlockHash,
    pub(crate) place: BodyRef,
}

fn seed(file: u32, offset: u64) -> u64 {
    (u64::from(file) << 32) ^ offset
}

fn head_bytes(head: &RecordHead) -> [u8; 64] {
    let mut bytes = [0u8; 64];
    let mut rest = &mut bytes[..];
    for part in [
        &MAGIC[..],
        &head.place.bytes.to_le_bytes(),
        &head.height.value().to_le_bytes(),
        head.hash.as_bytes(),
        &head.place.checksum.to_le_bytes(),
    ] {
        let (here, after) = rest.split_at_mut(part.len());
        here.copy_from_slice(part);
        rest = after;
    }
    let (covered, checksum) = bytes.split_at_mut(56);
    let seed = seed(head.place.file, head.place.offset);
    checksum.copy_from_slice(&xxh3_64_with_seed(covered, seed).to_le_bytes());
    bytes
}

fn parse_head(bytes: &[u8; 64], file: u32, offset: u64) -> Option<RecordHead> {
    let rest = bytes.strip_prefix(&MAGIC)?;
    let (len, rest) = rest.split_first_chunk()?;
    let (height, rest) = rest.split_first_chunk()?;
    let (hash, rest) = rest.split_first_chunk()?;
    let (checksum, _) = rest.split_first_chunk()?;
    let head = RecordHead {
        height: Height::new(u32::from_le_bytes(*height)),
        hash: BlockHash::from_bytes(*hash),
        place: BodyRef {
            file,
            offset,
            bytes: u32::from_le_bytes(*len),
            checksum: u64::from_le_bytes(*checksum),
        },
    };
    (head_bytes(&head) == *bytes).then_some(head)
}

fn name(file: u32) -> String {
    format!("{FOLDER}/{file:05}.blk")
}

/// What the disk writes and loses at a time.
const SECTOR: u64 = 512;

/// What a scan has passed over.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    /// Why files were not looked at, one line for each.
    pub(crate) files: Vec<String>,
    /// Reads that the disk has refused.
    pub(crate) unreadable: u64,
}

/// Whether the disk does not give back what was asked for.
pub(crate) const fn is_of_disk(error: &StoreError) -> bool {
    matches!(error, StoreError::Engine(crate::engine::EngineError::Io { .. }))
}

/// The files.
#[derive(Debug)]
pub(crate) struct Blocks<D: Disk> {
    disk: D,
    network: u32,
    file_bytes: u64,
    files: RwLock<BTreeMap<u32, Arc<D::File>>>,
}

impl<D: Disk> Blocks<D> {
    /// `file_bytes` is the length at which a file is full; one block may pass it.
    pub(crate) fn new(disk: D, network: u32, file_bytes: u32) -> Self {
        let file_bytes = u64::from(file_bytes).max(GROW_MIN);
        Self { disk, network, file_bytes, files: RwLock::default() }
    }

    fn capacity(&self) -> u64 {
        self.file_bytes + GROW_MAX + MAX_PAYLOAD_BYTES as u64 // widening
    }

    fn head(&self, number: u32) -> FileHead {
        FileHead { kind: KIND, network: self.network, number, record_bytes: 0 }
    }

    /// Returns an open file.
    pub(crate) fn file(&self, number: u32) -> Result<Arc<D::File>, StoreError> {
        let known = self.files.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned();
        if let Some(file) = known {
            return Ok(file);
        }
        let name = name(number);
        let file = self
            .disk
            .open(&name, self.capacity())
            .map_err(|error| StoreError::io("open", &name, error))?;
        self.head(number).check(&file, &name)?;
        let file = Arc::new(file);
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(files.entry(number).or_insert(file)))
    }

    fn create(&self, number: u32) -> Result<Arc<D::File>, StoreError> {
        let name = name(number);
        let io = |error| StoreError::io("create", &name, error);
        self.disk.create_folder(FOLDER).map_err(io)?;
        let file = self.disk.create(&name, self.capacity()).map_err(io)?;
        file.grow(GROW_MIN).map_err(io)?;
        self.head(number).write(&file, &name)?;
        file.sync().map_err(io)?;
        self.disk.sync_folder(FOLDER).map_err(io)?;
        self.disk.sync_folder("").map_err(io)?;
        let file = Arc::new(file);
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        files.insert(number, Arc::clone(&file));
        Ok(file)
    }

    /// Opens the file that is written next, or makes it.
    fn file_for(&self, at: Position) -> Result<Arc<D::File>, StoreError> {
        // A file of that number may be left from before a crash; what is in it is not needed.
        if at == Position::START || at.offset == HEAD_BYTES {
            let known = self.files.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(file) = known.get(&at.file) {
                return Ok(Arc::clone(file));
            }
            drop(known);
            return self.create(at.file);
        }
        self.file(at.file)
    }

    /// Appends a block's bytes and moves the position behind them.
    pub(crate) fn append(
        &self,
        at: &mut Position,
        height: Height,
        hash: BlockHash,
        bytes: &[u8],
    ) -> Result<BodyRef, StoreError> {
        let len = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= MAX_PAYLOAD_BYTES);
        let len = len.ok_or(crate::engine::EngineError::TooLarge {
            what: "block",
            bytes: bytes.len() as u64,     // widening
            max: MAX_PAYLOAD_BYTES as u64, // widening
        })?;
        let mut here = *at;
        let is_first = here.offset == HEAD_BYTES;
        if !is_first && here.offset + record_bytes(len) > self.file_bytes {
            let file = here.file.checked_add(1).ok_or_else(|| {
                StoreError::corrupt(name(here.file), 0, "block files have used up their numbers")
            })?;
            here = Position { file, offset: HEAD_BYTES };
        }
        let file = self.file_for(here)?;
        let name = name(here.file);
        let io = |action| {
            let name = &name;
            move |error: io::Error| StoreError::io(action, name, error)
        };
        let end = here.offset + record_bytes(len);
        let present = file.len();
        if present < end {
            let step = (present / 8).clamp(GROW_MIN, GROW_MAX);
            let wanted = end.max((present + step).min(self.file_bytes));
            file.grow(wanted).or_else(|_| file.grow(end)).map_err(io("grow"))?;
        }
        let place =
            BodyRef { file: here.file, offset: here.offset, bytes: len, checksum: xxh3_64(bytes) };
        let mut record = Vec::with_capacity(bytes.len() + 72);
        record.extend_from_slice(&head_bytes(&RecordHead { height, hash, place }));
        record.extend_from_slice(bytes);
        record.resize(record.len().next_multiple_of(8), 0);
        file.write(here.offset, &record).map_err(io("write"))?;
        *at = Position { file: here.file, offset: end };
        Ok(place)
    }

    /// Reads a block's bytes and compares them with their checksum.
    pub(crate) fn read(&self, place: &BodyRef) -> Result<(RecordHead, Vec<u8>), StoreError> {
        let corrupt = |what| StoreError::corrupt(name(place.file), place.offset, what);
        let head = self.head_at(place.file, place.offset)?.ok_or(corrupt("no block is there"))?;
        if head.place != *place {
            return Err(corrupt("another block is there"));
        }
        let bytes = self.bytes(place)?;
        if xxh3_64(&bytes) != place.checksum {
            return Err(corrupt("the block has a wrong checksum"));
        }
        Ok((head, bytes))
    }

    /// Demands that nothing stands between a block's bytes and the end of its record.
    pub(crate) fn check_padding(&self, place: &BodyRef) -> Result<(), StoreError> {
        let name = name(place.file);
        let used = RECORD_HEAD + u64::from(place.bytes);
        let mut padding = [0u8; 8];
        let len = usize::try_from(record_bytes(place.bytes) - used).unwrap_or_default(); // below 8
        let at = place.offset.saturating_add(used);
        if let Some(padding) = padding.get_mut(..len) {
            let file = self.file(place.file)?;
            file.read(at, padding).map_err(|error| StoreError::io("read", &name, error))?;
        }
        if padding == [0; 8] {
            return Ok(());
        }
        Err(StoreError::corrupt(name, at, "something stands where nothing should"))
    }

    fn bytes(&self, place: &BodyRef) -> Result<Vec<u8>, StoreError> {
        let name = name(place.file);
        let len = usize::try_from(place.bytes).ok().filter(|len| *len <= MAX_PAYLOAD_BYTES);
        let len = len.ok_or_else(|| {
            StoreError::corrupt(name.clone(), place.offset, "the block is longer than any")
        })?;
        let at = place.offset.saturating_add(RECORD_HEAD);
        let file = self.file(place.file)?;
        // Not through the mapping, where a sector that the disk does not give back ends the process.
        if at.saturating_add(u64::from(place.bytes)) > file.len() {
            return Err(StoreError::corrupt(name, at, "the block is longer than its file"));
        }
        let mut bytes = vec![0; len];
        file.read(at, &mut bytes).map_err(|error| StoreError::io("read", &name, error))?;
        Ok(bytes)
    }

    /// Reads the head of a record; `None` when there is none at that place.
    fn head_at(&self, number: u32, offset: u64) -> Result<Option<RecordHead>, StoreError> {
        let file = self.file(number)?;
        if offset.saturating_add(RECORD_HEAD) > file.len() {
            return Ok(None);
        }
        let mut bytes = [0u8; 64];
        file.read(offset, &mut bytes)
            .map_err(|error| StoreError::io("read", &name(number), error))?;
        Ok(parse_head(&bytes, number, offset))
    }

    /// Tells whether a block's bytes are whole. A disk that fails is an error here: when a store is opened, a block
    /// that cannot be read now is not taken for one that was never written.
    pub(crate) fn is_intact(&self, place: &BodyRef) -> Result<bool, StoreError> {
        use crate::engine::EngineError;
        match self.read(place) {
            Ok(_) => Ok(true),
            Err(StoreError::Engine(EngineError::Corrupt { .. })) => Ok(false),
            // A file that a power cut made vanish, or one too short.
            Err(StoreError::Engine(EngineError::Io { source, .. }))
                if source.kind() == io::ErrorKind::NotFound =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Visits the head of every record that can be found, file by file, in order: also those of
    /// blocks that were undone, and those behind damage. A place that the disk does not give back is passed over
    /// like a damaged one.
    pub(crate) fn scan(
        &self,
        visit: &mut dyn FnMut(RecordHead) -> Result<(), StoreError>,
    ) -> Result<Passed, StoreError> {
        let mut passed = Passed::default();
        for number in self.numbers()? {
            let file = match self.file(number) {
                Ok(file) => file,
                Err(error) => {
                    passed.files.push(error.to_string());
                    continue;
                }
            };
            let mut offset = HEAD_BYTES;
            while offset.saturating_add(RECORD_HEAD) <= file.len() {
                let head = match self.head_at(number, offset) {
                    Err(error) if is_of_disk(&error) => {
                        passed.unreadable += 1;
                        // Either this sector or the next: every head that begins before that one meets it too.
                        offset = (offset + 1).next_multiple_of(SECTOR);
                        continue;
                    }
                    other => other?,
                };
                let Some(head) = head else {
                    offset += 8;
                    continue;
                };
                let is_whole = match self.is_intact(&head.place) {
                    Err(error) if is_of_disk(&error) => {
                        passed.unreadable += 1;
                        false
                    }
                    other => other?,
                };
                // A head whose bytes are damaged does not say where the next one is.
                offset += if is_whole { record_bytes(head.place.bytes) } else { 8 };
                if is_whole {
                    visit(head)?;
                }
            }
        }
        Ok(passed)
    }

    /// Writes a block's record over itself: the next sync then writes it to the disk, whatever the system thinks
    /// of it after one that failed.
    pub(crate) fn rewrite(&self, place: &BodyRef) -> Result<(), StoreError> {
        let file = self.file(place.file)?;
        let bytes = record_bytes(place.bytes);
        Ok(crate::engine::rewrite(file.as_ref(), &name(place.file), place.offset, bytes)?)
    }

    /// Makes a file durable.
    pub(crate) fn sync(&self, number: u32) -> Result<(), StoreError> {
        let file = self.file(number)?;
        file.sync().map_err(|error| StoreError::io("sync", &name(number), error))
    }

    /// Numbers of the files that are there, in order.
    pub(crate) fn numbers(&self) -> Result<Vec<u32>, StoreError> {
        let names =
            self.disk.list(FOLDER).map_err(|error| StoreError::io("list", FOLDER, error))?;
        let mut numbers: Vec<u32> =
            names.iter().filter_map(|name| name.strip_suffix(".blk")?.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Removes the files behind a position: they hold nothing that was committed.
    pub(crate) fn remove_after(&self, at: Position) -> Result<(), StoreError> {
        for number in self.numbers()?.into_iter().filter(|number| *number > at.file) {
            let name = name(number);
            self.files.write().unwrap_or_else(PoisonError::into_inner).remove(&number);
            self.disk.remove(&name).map_err(|error| StoreError::io("remove", &name, error))?;
        }
        Ok(())
    }

    /// Bytes taken on the disk.
    pub(crate) fn disk_bytes(&self) -> Result<u64, StoreError> {
        let mut bytes = 0u64;
        for number in self.numbers()? {
            bytes = bytes.saturating_add(self.file(number)?.len());
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use mvs_primitives::hash::BlockHash;
    use mvs_primitives::height::Height;

    use super::{Blocks, Passed, Position, RecordHead};
    use crate::sim::SimDisk;

    fn bytes(number: u32) -> Vec<u8> {
        vec![number as u8; 40_000 + number as usize]
    }

    fn write(blocks: &Blocks<SimDisk>, at: &mut Position, number: u32) -> RecordHead {
        let hash = BlockHash::from_bytes([number as u8; 32]);
        let height = Height::new(number);
        let place = blocks.append(at, height, hash, &bytes(number)).unwrap();
        RecordHead { height, hash, place }
    }

    fn found(blocks: &Blocks<SimDisk>) -> Vec<RecordHead> {
        scanned(blocks).0
    }

    fn scanned(blocks: &Blocks<SimDisk>) -> (Vec<RecordHead>, Passed) {
        let mut found = Vec::new();
        let passed = blocks
            .scan(&mut |head| {
                found.push(head);
                Ok(())
            })
            .unwrap();
        (found, passed)
    }

    #[test]
    fn what_the_disk_does_not_give_back_is_stepped_over() {
        let disk = SimDisk::new(5);
        let blocks = Blocks::new(disk.clone(), 7, 1 << 20);
        let mut at = Position::START;
        let written: Vec<_> = (0..5).map(|number| write(&blocks, &mut at, number)).collect();
        let name = "blocks/00000.blk";
        let end = |head: &RecordHead| Position::after(&head.place).offset;
        for sector in (512..end(&written[4])).step_by(512) {
            assert!(disk.spoil(name, sector));
            let (found, passed) = scanned(&blocks);
            let meets = |head: &RecordHead| {
                let bytes = head.place.offset + 64 + u64::from(head.place.bytes);
                head.place.offset < sector + 512 && sector < bytes
            };
            let left: Vec<_> = written.iter().filter(|head| !meets(head)).cloned().collect();
            assert!(left.len() >= 3 && left.len() < written.len());
            assert_eq!(found, left, "sector at {sector}");
            assert!(passed.unreadable > 0 && passed.files.is_empty());
        }
        // A file whose own head cannot be read is told.
        assert!(disk.spoil(name, 0));
        let (found, passed) = scanned(&Blocks::new(disk, 7, 1 << 20));
        assert!(found.is_empty());
        assert!(matches!(&passed.files[..], [line] if line.contains(name)), "{passed:?}");
    }

    #[test]
    fn blocks_come_back_from_files_of_bounded_length() {
        let disk = SimDisk::new(1);
        let blocks = Blocks::new(disk.clone(), 7, 256 << 10);
        let mut at = Position::START;
        let written: Vec<_> = (0..20).map(|number| write(&blocks, &mut at, number)).collect();
        assert!(blocks.numbers().unwrap().len() >= 4);
        for (name, len) in disk.files() {
            assert!(len <= 256 << 10, "{name}: {len}");
        }
        let again = Blocks::new(disk, 7, 256 << 10);
        for head in &written {
            let expected = (head.clone(), bytes(head.height.value()));
            assert_eq!(again.read(&head.place).unwrap(), expected);
            assert_eq!(Position::after(&head.place).file, head.place.file);
        }
        assert_eq!(found(&again), written);
    }

    #[test]
    fn what_was_overwritten_is_not_found_again() {
        let disk = SimDisk::new(2);
        let blocks = Blocks::new(disk, 7, 256 << 10);
        let mut at = Position::START;
        let first = write(&blocks, &mut at, 0);
        let (mut other, after) = (at, at);
        (1..12).for_each(|number| {
            write(&blocks, &mut at, number);
        });
        blocks.remove_after(after).unwrap();
        let second = write(&blocks, &mut other, 50);
        let heads = found(&blocks);
        assert_eq!(heads[..2], [first, second]);
        // Records behind it parse only where they were written.
        for head in &heads[2..] {
            assert_eq!(blocks.read(&head.place).unwrap().1, bytes(head.height.value()));
        }
    }

    #[test]
    fn damage_is_found_and_stepped_over() {
        let disk = SimDisk::new(3);
        let blocks = Blocks::new(disk.clone(), 7, 1 << 20);
        let mut at = Position::START;
        let written: Vec<_> = (0..5).map(|number| write(&blocks, &mut at, number)).collect();
        let place = written[2].place;
        for at in [place.offset + 3, place.offset + 60, place.offset + 30_000] {
            assert!(disk.corrupt("blocks/00000.blk", at, 1));
            assert!(!blocks.is_intact(&place).unwrap());
            assert_eq!(blocks.read(&place).unwrap_err().code(), "store.corrupt");
            assert_eq!(found(&blocks), [&written[..2], &written[3..]].concat());
            assert!(disk.corrupt("blocks/00000.blk", at, 1));
        }
        let padding = place.offset + 64 + u64::from(place.bytes);
        assert!(padding % 8 != 0);
        blocks.check_padding(&place).unwrap();
        assert!(disk.corrupt("blocks/00000.blk", padding, 1));
        assert!(blocks.check_padding(&place).is_err());
        let mut elsewhere = place;
        elsewhere.offset += 8;
        assert!(!blocks.is_intact(&elsewhere).unwrap());
        elsewhere.file = 9;
        assert!(!blocks.is_intact(&elsewhere).unwrap());
    }

    #[test]
    fn another_network_is_refused() {
        let disk = SimDisk::new(4);
        let head = write(&Blocks::new(disk.clone(), 7, 0), &mut Position::START.clone(), 1);
        let error = Blocks::new(disk, 8, 0).read(&head.place).unwrap_err();
        assert_eq!(error.code(), "store.other_network");
    }
}
