//! Reading paths: JSON files, gzipped ones, and folders.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde_json::Value;

use super::report::Report;
use super::{FolderKind, Kind, check_document, recorded};

/// The largest file, and what one may unpack to. Recorded chains are a few megabytes; this stops a
/// file that would fill the memory, where JSON takes up to fifty times its length.
const MAX_DOCUMENT_BYTES: u64 = 64 << 20;

/// Checks a file, or a folder: as one vector set if a kind knows it, else each document in it.
pub(super) fn check_path(
    path: &Path,
    kinds: &[Kind],
    folder_kinds: &[FolderKind],
    report: &mut Report,
) {
    if path.is_dir() {
        if !check_folder(path, kinds, folder_kinds, &mut HashSet::new(), report) {
            let label = path.display().to_string();
            report.within(label, |report| report.error("no vector files in this folder"));
        }
        return;
    }
    check_file(path, kinds, report);
}

fn check_file(path: &Path, kinds: &[Kind], report: &mut Report) {
    let label = path.display().to_string();
    match read_document(path) {
        Ok(document) => match recorded::misplaced(&document) {
            Some(why) => report.within(label, |report| report.error(&why)),
            None => check_document(&format!("{label}:"), &document, kinds, report),
        },
        Err(error) => report.within(label, |report| report.error(&error)),
    }
}

/// Checks what is in a folder; returns whether there was anything. A folder to which several links
/// lead, perhaps from inside itself, is checked once.
fn check_folder(
    folder: &Path,
    kinds: &[Kind],
    folder_kinds: &[FolderKind],
    seen: &mut HashSet<PathBuf>,
    report: &mut Report,
) -> bool {
    let label = folder.display().to_string();
    match folder.canonicalize() {
        Ok(place) => {
            if !seen.insert(place) {
                return false;
            }
        }
        Err(error) => {
            report.within(label, |report| report.error(&error.to_string()));
            return true;
        }
    }
    if let Some(kind) = folder_kinds.iter().find(|kind| (kind.detect)(folder)) {
        report.within(format!("{label}:"), |report| {
            report.of_kind(kind.name, |report| (kind.check)(folder, report));
        });
        return true;
    }
    let entries = match entries(folder) {
        Ok(entries) => entries,
        Err(error) => {
            report.within(label, |report| report.error(&error));
            return true;
        }
    };
    let mut found = false;
    for entry in entries {
        if entry.is_dir() {
            found |= check_folder(&entry, kinds, folder_kinds, seen, report);
        } else {
            check_file(&entry, kinds, report);
            found = true;
        }
    }
    found
}

/// Lists the folders and documents in a folder, sorted.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() || name.ends_with(".json") || name.ends_with(".json.gz") {
            entries.push(path);
        }
    }
    entries.sort();
    Ok(entries)
}

/// Reads a JSON document; gzip is told by its magic bytes.
pub(super) fn read_document(path: &Path) -> Result<Value, String> {
    serde_json::from_slice(&read_file(path)?).map_err(|error| format!("no JSON: {error}"))
}

/// Reads a file, unpacked if it is gzip, whole or not at all.
fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let bytes = read_whole(File::open(path).map_err(|error| error.to_string())?)?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    // A gzip file may consist of several parts, one behind the other.
    read_whole(MultiGzDecoder::new(bytes.as_slice())).map_err(|error| format!("gzip: {error}"))
}

fn read_whole(reader: impl Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    reader
        .take(MAX_DOCUMENT_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    let length = u64::try_from(bytes.len()).map_err(|error| error.to_string())?;
    if length > MAX_DOCUMENT_BYTES {
        return Err(format!("larger than {MAX_DOCUMENT_BYTES} bytes"));
    }
    Ok(bytes)
}

/// Reads a file of blocks: repeated u32 little-endian length and raw block, plain or gzip.
pub(super) fn read_blocks(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let bytes = read_file(path)?;
    let mut blocks = Vec::new();
    let mut rest = bytes.as_slice();
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|e| e.to_string())?;
        let (block, tail) = tail
            .split_at_checked(length)
            .ok_or_else(|| format!("block {} is cut short", blocks.len()))?;
        blocks.push(block.to_vec());
        rest = tail;
    }
    if rest.is_empty() { Ok(blocks) } else { Err("bytes are left behind the last block".into()) }
}
