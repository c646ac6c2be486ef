//! Which runs the index consists of: two files that are written in turn.
//!
//! ```text
//! head 64 | generation u64 | runs u32 | runs: number 4, pages 4, first 4, last 4, hash 32 | checksum u64
//! ```

use mvs_primitives::hash::BlockHash;
use xxhash_rust::xxh3::xxh3_64;

use super::FOLDER;
use super::run::RunMeta;
use crate::backing::{Backing, Disk};
use crate::error::StoreError;
use crate::file_head::{FileHead, HEAD_BYTES};

const KIND: [u8; 8] = *b"MVSINDEX";

/// What the runs hold: 0 had no entries of assets. An index of another content is built anew.
const CONTENT: u32 = 1;

/// The most runs: merged ones are at least 64 MiB long, so this is far more than a disk holds.
const RUNS_MAX: u32 = 65_536;

fn name(generation: u64) -> String {
    format!("{FOLDER}/manifest-{}", generation % 2)
}

fn head(network: u32) -> FileHead {
    FileHead { kind: KIND, network, number: CONTENT, record_bytes: 48 }
}

/// Makes a list of runs durable.
pub(super) fn write<D: Disk>(
    disk: &D,
    network: u32,
    generation: u64,
    runs: &[RunMeta],
) -> Result<(), StoreError> {
    let name = name(generation);
    let io = |error| StoreError::io("write", &name, error);
    let mut bytes = generation.to_le_bytes().to_vec();
    let count = u32::try_from(runs.len()).ok().filter(|count| *count <= RUNS_MAX);
    let count =
        count.ok_or_else(|| StoreError::corrupt(&name, 0, "the index has too many runs"))?;
    bytes.extend_from_slice(&count.to_le_bytes());
    for run in runs {
        for number in [run.number, run.pages, run.first, run.last] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(run.last_hash.as_bytes());
    }
    bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
    let len = HEAD_BYTES + bytes.len() as u64; // widening
    let file = disk.create(&name, len).map_err(io)?;
    file.grow(len).map_err(io)?;
    head(network).write(&file, &name)?;
    file.write(HEAD_BYTES, &bytes).map_err(io)?;
    file.sync().map_err(io)?;
    disk.sync_folder(FOLDER).map_err(io)
}

/// Reads the newer of the two that is whole: generation and runs. `None` when there is neither.
///
/// # Errors
/// Damage, when there is one and none is whole; the disk's.
pub(super) fn read<D: Disk>(
    disk: &D,
    network: u32,
) -> Result<Option<(u64, Vec<RunMeta>)>, StoreError> {
    let mut best: Option<(u64, Vec<RunMeta>)> = None;
    let mut damaged = None;
    for slot in 0..2 {
        let name = name(slot);
        let file = match disk.open(&name, 0) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(StoreError::io("open", &name, error)),
        };
        match read_one(&file, network, &name) {
            Err(error) => damaged = Some(error),
            Ok(read) if best.as_ref().is_none_or(|(generation, _)| *generation < read.0) => {
                best = Some(read);
            }
            Ok(_) => {}
        }
    }
    match (best, damaged) {
        (None, Some(error)) => Err(error),
        (best, _) => Ok(best),
    }
}

/// Demands that the newer of the two is whole and begins with these runs; later ones may be of blocks that were
/// undone.
pub(super) fn check<D: Disk>(
    disk: &D,
    network: u32,
    generation: u64,
    runs: &[RunMeta],
) -> Result<(), StoreError> {
    let name = name(generation);
    let file = disk.open(&name, 0).map_err(|error| StoreError::io("open", &name, error))?;
    let (found, listed) = read_one(&file, network, &name)?;
    if found == generation && listed.starts_with(runs) {
        return Ok(());
    }
    Err(StoreError::corrupt(name, HEAD_BYTES, "another list of runs"))
}

fn read_one<F: Backing>(
    file: &F,
    network: u32,
    name: &str,
) -> Result<(u64, Vec<RunMeta>), StoreError> {
    head(network).check(file, name)?;
    let max = 20 + u64::from(RUNS_MAX) * 48;
    let len = file.len().saturating_sub(HEAD_BYTES).min(max);
    let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()]; // about 3 MB at most
    // Not through the mapping, where a sector that the disk does not give back ends the process.
    file.read(HEAD_BYTES, &mut bytes).map_err(|error| StoreError::io("read", name, error))?;
    parse(&bytes).ok_or_else(|| StoreError::corrupt(name, HEAD_BYTES, "list of runs"))
}

fn parse(bytes: &[u8]) -> Option<(u64, Vec<RunMeta>)> {
    let (generation, rest) = bytes.split_first_chunk()?;
    let (count, rest) = rest.split_first_chunk()?;
    let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
    let (runs, rest) = rest.split_at_checked(count.checked_mul(48)?)?;
    let covered = bytes.get(..12 + runs.len())?;
    if xxh3_64(covered).to_le_bytes() != *rest.first_chunk::<8>()? {
        return None;
    }
    let runs = runs.chunks_exact(48).map(|run| {
        let (number, rest) = run.split_first_chunk()?;
        let (pages, rest) = rest.split_first_chunk()?;
        let (first, rest) = rest.split_first_chunk()?;
        let (last, rest) = rest.split_first_chunk()?;
        Some(RunMeta {
            number: u32::from_le_bytes(*number),
            pages: u32::from_le_bytes(*pages),
            first: u32::from_le_bytes(*first),
            last: u32::from_le_bytes(*last),
            last_hash: BlockHash::from_bytes(*rest.first_chunk()?),
        })
    });
    Some((u64::from_le_bytes(*generation), runs.collect::<Option<_>>()?))
}
