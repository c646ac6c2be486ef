//! The form of a dataset file: a header page, then the dataset as it is in memory.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `MVSDAG1\n` |
//! | 8 | 4 | epoch, little-endian |
//! | 12 | 4 | number of pages, little-endian |
//! | 16 | 32 | seed of the epoch |
//! | 48 | 32 | Keccak-256 of the 48 bytes before and of the digests of all pieces of the dataset |
//! | 80 | 4016 | zero |
//! | 4096 | 128 per page | the dataset |
//!
//! A piece is 1 MiB (the last may be shorter), its digest Keccak-256; pieces, not the whole, so that
//! code paths and threads can work on several at a time.

use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::Build;
use crate::backend::Isa;
use crate::epoch::PAGE_BYTES;
use crate::keccak::RATE_256;
use crate::sponge::hash_many;
use crate::{Epoch, PowError, keccak256, threads};

/// The first bytes of every file of this form.
const MAGIC: &[u8; 8] = b"MVSDAG1\n";

/// Bytes before the dataset: one memory page, so that the dataset can be mapped.
pub(super) const HEADER_BYTES: usize = 4096;

/// Bytes of the header before the checksum.
const IDENTITY_BYTES: usize = 48;

/// Bytes hashed as one piece.
const PIECE_BYTES: usize = 1 << 20;

/// Pieces that a thread hashes at a time.
const PIECES: usize = 8;

/// Size of the file of a dataset with this many pages.
pub(super) fn file_bytes(pages: u32) -> u64 {
    HEADER_BYTES as u64 + u64::from(pages) * PAGE_BYTES as u64
}

/// What identifies a dataset: the header up to the checksum.
fn identity(epoch: Epoch, pages: u32) -> [u8; IDENTITY_BYTES] {
    let mut identity = [0; IDENTITY_BYTES];
    identity[..8].copy_from_slice(MAGIC);
    identity[8..12].copy_from_slice(&epoch.number().to_le_bytes());
    identity[12..16].copy_from_slice(&pages.to_le_bytes());
    identity[16..].copy_from_slice(&epoch.seed());
    identity
}

/// The header of a file with this dataset.
pub(super) fn header(
    isa: Isa,
    epoch: Epoch,
    dataset: &[u8],
    build: &Build<'_>,
) -> Result<[u8; HEADER_BYTES], PowError> {
    // A dataset is built for a 32-bit number of pages.
    let identity = identity(epoch, (dataset.len() / PAGE_BYTES) as u32);
    let mut header = [0; HEADER_BYTES];
    header[..IDENTITY_BYTES].copy_from_slice(&identity);
    header[IDENTITY_BYTES..][..32].copy_from_slice(&checksum(isa, &identity, dataset, build)?);
    Ok(header)
}

/// Whether a file is one of the wanted dataset, by its first bytes (zeros if it has fewer) and its
/// length; tells apart what else it may be.
pub(super) fn check_header(
    header: &[u8; HEADER_BYTES],
    found: u64,
    path: &Path,
    epoch: Epoch,
    pages: u32,
) -> Result<(), PowError> {
    let foreign = || PowError::ForeignFile { path: path.into() };
    let required = file_bytes(pages);
    let wrong_length = || PowError::WrongFileLength { path: path.into(), found, required };
    if !header.starts_with(MAGIC) {
        return Err(foreign());
    }
    if found < HEADER_BYTES as u64 {
        return Err(wrong_length());
    }
    check_epoch_number(u32::from_le_bytes([header[8], header[9], header[10], header[11]]), epoch)?;
    if !header.starts_with(&identity(epoch, pages)) {
        return Err(foreign());
    }
    if found == required { Ok(()) } else { Err(wrong_length()) }
}

fn check_epoch_number(found: u32, epoch: Epoch) -> Result<(), PowError> {
    let required = epoch.number();
    if found == required { Ok(()) } else { Err(PowError::WrongEpoch { found, required }) }
}

/// Whether the dataset is the one that the header was written for.
pub(super) fn check_content(
    isa: Isa,
    header: &[u8; HEADER_BYTES],
    path: &Path,
    dataset: &[u8],
    build: &Build<'_>,
) -> Result<(), PowError> {
    let sum = checksum(isa, &header[..IDENTITY_BYTES], dataset, build)?;
    if header[IDENTITY_BYTES..][..32] != sum
        || header[IDENTITY_BYTES + 32..].iter().any(|b| *b != 0)
    {
        return Err(PowError::ChecksumMismatch { path: path.into() });
    }
    Ok(())
}

fn checksum(
    isa: Isa,
    identity: &[u8],
    dataset: &[u8],
    build: &Build<'_>,
) -> Result<[u8; 32], PowError> {
    let pieces: Vec<&[u8]> = dataset.chunks(PIECE_BYTES).collect();
    let digests = Mutex::new(vec![[0; 32]; pieces.len()]);
    let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
    threads::run("pow-checksum", build.threads, false, || {
        while build.check_cancel().is_ok() {
            let first = next.fetch_add(PIECES, Ordering::Relaxed);
            let Some(rest) = pieces.get(first..).filter(|rest| !rest.is_empty()) else { break };
            let group = &rest[..rest.len().min(PIECES)];
            let hashed = hash_many(isa, group, RATE_256);
            let mut digests = digests.lock().unwrap_or_else(PoisonError::into_inner);
            digests[first..][..hashed.len()].copy_from_slice(&hashed);
            drop(digests);
            let bytes = group.iter().map(|piece| piece.len() as u64).sum();
            let done = done.fetch_add(bytes, Ordering::Relaxed) + bytes;
            (build.progress)(done, dataset.len() as u64);
        }
    });
    if done.into_inner() < dataset.len() as u64 {
        return Err(PowError::Cancelled);
    }
    let digests = digests.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(keccak256(&[identity, digests.as_flattened()].concat()))
}

/// Writes header and dataset.
pub(super) fn write(
    mut out: impl Write,
    path: &Path,
    header: &[u8; HEADER_BYTES],
    dataset: &[u8],
    build: &Build<'_>,
) -> Result<(), PowError> {
    out.write_all(header).map_err(|source| io_error(path, source))?;
    let mut written = 0;
    for piece in dataset.chunks(PIECE_BYTES) {
        build.check_cancel()?;
        out.write_all(piece).map_err(|source| io_error(path, source))?;
        written += piece.len() as u64;
        (build.progress)(written, dataset.len() as u64);
    }
    out.flush().map_err(|source| io_error(path, source))
}

/// Tells a full disk from other failures.
pub(super) fn io_error(path: &Path, source: std::io::Error) -> PowError {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    let path = path.into();
    match source.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => PowError::DiskFull { path, source },
        _ => PowError::Io { path, source },
    }
}
