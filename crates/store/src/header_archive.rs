//! `headers.log`: accepted headers of any branch, so that a node knows after a restart what it knew.
//!
//! ```text
//! file   = head 64, records
//! record = header 148 | zeros 4 | xxh3-64 of the 152 bytes before, seeded with the record's number, 8
//! ```
//!
//! The file stands for itself: no commit waits for it, and losing its end costs a download. What a
//! power cut or a bad disk leaves unreadable is counted and passed over, never taken for a header.

use mvs_primitives::encode::Decode;
use mvs_primitives::header::{HEADER_BYTES, Header};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::backing::{Backing, Disk};
use crate::error::StoreError;
use crate::file_head::{FileHead, HEAD_BYTES};

const FILE: &str = "headers.log";
const NEW_FILE: &str = "headers.new";
const KIND: [u8; 8] = *b"MVSHEADR";

/// Length of a record.
const RECORD_BYTES: u64 = 160;
/// What the checksum covers.
const COVERED_BYTES: usize = 152;

/// The most records that the file holds: a few branches of 2^25 blocks.
const RECORDS_MAX: u64 = 1 << 26;

const GROW_MIN: u64 = 64 << 10;
const GROW_MAX: u64 = 4 << 20;

/// Records that are read at a time.
const READ_RECORDS: u64 = 1024;

/// What [`HeaderArchive::open`] found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ArchiveReport {
    /// Headers that were read.
    pub headers: u64,
    /// Records that hold something, but no header with its checksum.
    pub damaged: u64,
}

/// The file, for its only writer.
pub struct HeaderArchive<D: Disk> {
    disk: D,
    network: u32,
    file: D::File,
    /// Number of the next record.
    next: u64,
}

fn offset(record: u64) -> u64 {
    HEAD_BYTES + record * RECORD_BYTES // at most 2^26 records
}

fn head(network: u32) -> FileHead {
    let record_bytes = RECORD_BYTES as u32; // 160
    FileHead { kind: KIND, network, number: 0, record_bytes }
}

impl<D: Disk> HeaderArchive<D> {
    /// Opens the archive in a store's folder, or makes one, and visits its headers in the order in
    /// which they were added. The store must be open: it holds the folder's lock.
    ///
    /// # Errors
    /// Another network or format, or the disk's.
    pub fn open(
        disk: D,
        network: u32,
        visit: &mut dyn FnMut(Header),
    ) -> Result<(Self, ArchiveReport), StoreError> {
        let file = match disk.open(FILE, offset(RECORDS_MAX)) {
            Ok(file) => {
                head(network).check(&file, FILE)?;
                file
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                create(&disk, network, FILE)?
            }
            Err(error) => return Err(StoreError::io("open", FILE, error)),
        };
        let mut archive = Self { disk, network, file, next: 0 };
        let report = archive.read_all(visit)?;
        Ok((archive, report))
    }

    fn read_all(&mut self, visit: &mut dyn FnMut(Header)) -> Result<ArchiveReport, StoreError> {
        let mut report = ArchiveReport::default();
        // Unreadable records count only if a readable one follows, or if they hold something.
        let records = self.file.len().saturating_sub(HEAD_BYTES) / RECORD_BYTES;
        let mut first = 0;
        while first < records {
            let count = READ_RECORDS.min(records - first);
            let len = usize::try_from(count * RECORD_BYTES).unwrap_or_default(); // 160 KiB at most
            let view = self
                .file
                .view(offset(first), len)
                .map_err(|error| StoreError::io("read", FILE, error))?;
            let step = RECORD_BYTES as usize; // 160
            for (record, number) in view.chunks_exact(step).zip(first..) {
                if let Some(header) = parse(record, number) {
                    report.headers += 1;
                    self.next = number + 1;
                    visit(header);
                } else if record.iter().any(|byte| *byte != 0) {
                    report.damaged += 1;
                    self.next = number + 1;
                }
            }
            first += count;
        }
        Ok(report)
    }

    /// Returns how many records there are, damaged ones included.
    pub const fn len(&self) -> u64 {
        self.next
    }

    /// Tells whether there is no record.
    pub const fn is_empty(&self) -> bool {
        self.next == 0
    }

    /// Adds headers. They are durable after the next [`HeaderArchive::sync`].
    ///
    /// # Errors
    /// No space, a full archive ([`HeaderArchive::rewrite`] it), or the disk's. What was not added may
    /// be added again.
    pub fn append(&mut self, headers: &[Header]) -> Result<(), StoreError> {
        let count = headers.len() as u64; // widening
        let end = self.next.saturating_add(count);
        if end > RECORDS_MAX {
            return Err(crate::engine::EngineError::TooLarge {
                what: "header archive",
                bytes: end.saturating_mul(RECORD_BYTES),
                max: RECORDS_MAX * RECORD_BYTES,
            }
            .into());
        }
        let present = self.file.len();
        if offset(end) > present {
            let step = (present / 8).clamp(GROW_MIN, GROW_MAX);
            let wanted = offset(end).max((present + step).min(offset(RECORDS_MAX)));
            self.file
                .grow(wanted)
                .or_else(|_| self.file.grow(offset(end)))
                .map_err(|error| StoreError::io("grow", FILE, error))?;
        }
        let mut bytes = Vec::with_capacity(headers.len() * RECORD_BYTES as usize); // 160 each
        for (header, number) in headers.iter().zip(self.next..) {
            put(header, number, &mut bytes);
        }
        self.file
            .write(offset(self.next), &bytes)
            .map_err(|error| StoreError::io("write", FILE, error))?;
        self.next = end;
        Ok(())
    }

    /// Makes what was added durable.
    ///
    /// # Errors
    /// The disk's.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.file.sync().map_err(|error| StoreError::io("sync", FILE, error))
    }

    /// Replaces all records by these headers, at once: after a crash there are the old ones or the new.
    ///
    /// # Errors
    /// No space, or the disk's; the archive is then as it was.
    pub fn rewrite(&mut self, headers: &[Header]) -> Result<(), StoreError> {
        let file = create(&self.disk, self.network, NEW_FILE)?;
        let mut fresh = Self { disk: self.disk.clone(), network: self.network, file, next: 0 };
        fresh.append(headers)?;
        fresh.sync()?;
        let io = |error| StoreError::io("rename", NEW_FILE, error);
        self.disk.rename(NEW_FILE, FILE).map_err(io)?;
        self.disk.sync_folder("").map_err(io)?;
        *self = fresh;
        Ok(())
    }
}

fn create<D: Disk>(disk: &D, network: u32, name: &str) -> Result<D::File, StoreError> {
    let io = |error| StoreError::io("create", name, error);
    let file = disk.create(name, offset(RECORDS_MAX)).map_err(io)?;
    file.grow(GROW_MIN).map_err(io)?;
    head(network).write(&file, name)?;
    file.sync().map_err(io)?;
    disk.sync_folder("").map_err(io)?;
    Ok(file)
}

fn put(header: &Header, number: u64, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&header.to_array());
    out.extend_from_slice(&[0; COVERED_BYTES - HEADER_BYTES]);
    let checksum = xxh3_64_with_seed(out.get(start..).unwrap_or_default(), number);
    out.extend_from_slice(&checksum.to_le_bytes());
}

fn parse(record: &[u8], number: u64) -> Option<Header> {
    let (covered, checksum) = record.split_at_checked(COVERED_BYTES)?;
    if xxh3_64_with_seed(covered, number).to_le_bytes() != checksum {
        return None;
    }
    Header::decode(covered.get(..HEADER_BYTES)?).ok()
}
