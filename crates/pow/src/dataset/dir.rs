//! A directory that keeps datasets across restarts.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file::{self, HEADER_BYTES, io_error};
use super::{Build, Dataset};
use crate::backend::Isa;
use crate::pages::NodeBuf;
use crate::{Epoch, LightCache, PowError};

/// Bytes read from a file between two looks at the cancel flag.
const READ_BYTES: usize = 16 << 20;

/// Temporary files of one epoch and process id that may be left over before storing gives up.
const MAX_TEMPORARIES: u32 = 100;

/// Where a dataset that comes from a file is to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residence {
    /// Copied into memory, in 2 MiB pages where possible: the search is faster.
    Memory,
    /// Mapped: the system keeps in memory what fits and shares it between processes. Nobody must
    /// change or shorten the file meanwhile.
    Mapped,
}

/// A directory of dataset files, one per epoch, to be used by programs of ours only.
///
/// # Invariants
/// A file under its final name was complete and synced to disk when it got that name.
#[derive(Clone, Debug)]
pub struct DatasetDir {
    path: PathBuf,
}

impl DatasetDir {
    /// Uses this directory; it is created when the first file is stored.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        // The parent of a bare file name is empty; it means the current directory, but the system
        // neither lists nor syncs a directory without a name.
        Self { path: if path.as_os_str().is_empty() { ".".into() } else { path } }
    }

    /// The file of an epoch, there or not.
    pub fn file_of(&self, epoch: Epoch) -> PathBuf {
        self.path.join(format!("ethash-{:05}.dataset", epoch.number()))
    }

    /// Writes a dataset under a temporary name, syncs it, and renames it. On any failure the
    /// temporary file is removed and an older file of the epoch stays as it was.
    ///
    /// # Errors
    /// [`PowError::DiskFull`], [`PowError::Io`], [`PowError::Cancelled`].
    pub fn store(&self, dataset: &Dataset, build: &Build<'_>) -> Result<(), PowError> {
        let header = file::header(dataset.isa(), dataset.epoch(), dataset.as_bytes(), build)?;
        fs::create_dir_all(&self.path).map_err(|source| io_error(&self.path, source))?;
        let path = self.file_of(dataset.epoch());
        let (out, temporary) = self.create_temporary(dataset.epoch())?;
        fill(&out, &temporary.0, &header, dataset, build)?;
        drop(out);
        fs::rename(&temporary.0, &path).map_err(|source| io_error(&path, source))?;
        sync_directory(&self.path).map_err(|source| io_error(&self.path, source))
    }

    /// Creates a file that nobody else has: another thread may be storing the same epoch, or a
    /// program whose process id is the same because it runs in another container.
    fn create_temporary(&self, epoch: Epoch) -> Result<(File, Temporary), PowError> {
        let mut attempt = 0;
        loop {
            let path = self.path.join(temporary_name(epoch, attempt));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok((file, Temporary(path))),
                Err(e) if e.kind() == ErrorKind::AlreadyExists && attempt < MAX_TEMPORARIES => {
                    attempt += 1;
                }
                Err(source) => return Err(io_error(&path, source)),
            }
        }
    }

    /// Reads the dataset of an epoch, checks it against its checksum, and makes it ready to search on
    /// the fastest code path.
    ///
    /// # Errors
    /// [`PowError::Io`] (of kind `NotFound` when there is none), [`PowError::ForeignFile`],
    /// [`PowError::WrongEpoch`], [`PowError::WrongFileLength`], [`PowError::ChecksumMismatch`],
    /// [`PowError::OutOfMemory`], [`PowError::Cancelled`].
    pub fn load(
        &self,
        epoch: Epoch,
        residence: Residence,
        build: &Build<'_>,
    ) -> Result<Dataset, PowError> {
        self.load_prefix(epoch, epoch.dataset_items(), residence, build)
    }

    /// As [`DatasetDir::load`], for a file of the first so many pages.
    pub(super) fn load_prefix(
        &self,
        epoch: Epoch,
        pages: u32,
        residence: Residence,
        build: &Build<'_>,
    ) -> Result<Dataset, PowError> {
        let isa = Isa::best();
        let path = self.file_of(epoch);
        let fail = |source| io_error(&path, source);
        // Asked before opening, which waits for ever if it is a pipe.
        if !fs::metadata(&path).map_err(fail)?.is_file() {
            return Err(PowError::ForeignFile { path });
        }
        let mut source = File::open(&path).map_err(fail)?;
        let found = source.metadata().map_err(fail)?.len();
        let mut header = [0; HEADER_BYTES];
        match source.read_exact(&mut header) {
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => {} // told by the length
            other => other.map_err(fail)?,
        }
        file::check_header(&header, found, &path, epoch, pages)?;
        let count = 2 * pages as usize;
        let nodes = match residence {
            Residence::Mapped => NodeBuf::map_file(&source, HEADER_BYTES, count).map_err(fail)?,
            Residence::Memory => {
                let mut nodes = NodeBuf::zeroed(count)?;
                for part in nodes.bytes_mut().chunks_mut(READ_BYTES) {
                    build.check_cancel()?;
                    source.read_exact(part).map_err(fail)?;
                }
                nodes
            }
        };
        file::check_content(isa, &header, &path, nodes.bytes(), build)?;
        Ok(Dataset { epoch, isa, nodes: Arc::new(nodes) })
    }

    /// The dataset of an epoch: read if there is a good file, else built and stored.
    ///
    /// A file that is damaged or foreign is replaced. The second value says why the dataset could not
    /// be stored, if so: mining goes on, but the next start builds it again.
    ///
    /// # Errors
    /// [`PowError::OutOfMemory`], [`PowError::Cancelled`].
    pub fn load_or_build(
        &self,
        epoch: Epoch,
        residence: Residence,
        build: &Build<'_>,
    ) -> Result<(Dataset, Option<PowError>), PowError> {
        let cache = || LightCache::build(epoch);
        self.load_or_build_prefix(epoch, epoch.dataset_items(), cache, residence, build)
    }

    /// As [`DatasetDir::load_or_build`], of the first so many pages. The cache is asked for only when
    /// there is something to build.
    pub(super) fn load_or_build_prefix(
        &self,
        epoch: Epoch,
        pages: u32,
        cache: impl FnOnce() -> Result<LightCache, PowError>,
        residence: Residence,
        build: &Build<'_>,
    ) -> Result<(Dataset, Option<PowError>), PowError> {
        match self.load_prefix(epoch, pages, residence, build) {
            Ok(dataset) => return Ok((dataset, None)),
            Err(error @ (PowError::OutOfMemory { .. } | PowError::Cancelled)) => return Err(error),
            Err(_) => {}
        }
        let dataset = Dataset::build_prefix(&cache()?, pages, build)?;
        match self.store(&dataset, build) {
            Err(PowError::Cancelled) => Err(PowError::Cancelled),
            stored => Ok((dataset, stored.err())),
        }
    }

    /// Builds and stores the dataset of an epoch that is yet to come, unless a file for it is there
    /// (its content is checked when it is loaded). Needs the memory of a second dataset meanwhile.
    ///
    /// # Errors
    /// [`PowError::OutOfMemory`], [`PowError::Cancelled`], [`PowError::DiskFull`], [`PowError::Io`].
    pub fn prepare(&self, epoch: Epoch, build: &Build<'_>) -> Result<(), PowError> {
        self.prepare_prefix(epoch, epoch.dataset_items(), || LightCache::build(epoch), build)
    }

    /// As [`DatasetDir::prepare`], of the first so many pages. The cache is asked for only when there
    /// is something to build.
    pub(super) fn prepare_prefix(
        &self,
        epoch: Epoch,
        pages: u32,
        cache: impl FnOnce() -> Result<LightCache, PowError>,
        build: &Build<'_>,
    ) -> Result<(), PowError> {
        let required = file::file_bytes(pages);
        if fs::metadata(self.file_of(epoch)).is_ok_and(|found| found.len() == required) {
            return Ok(());
        }
        self.store(&Dataset::build_prefix(&cache()?, pages, build)?, build)
    }

    /// Removes the files of all other epochs, and temporary ones that a killed program left. Not to
    /// be called while another program stores into the directory.
    ///
    /// # Errors
    /// [`PowError::Io`].
    pub fn keep_only(&self, epochs: &[Epoch]) -> Result<(), PowError> {
        let fail = |source| io_error(&self.path, source);
        let kept: Vec<_> = epochs.iter().map(|epoch| self.file_of(*epoch)).collect();
        let entries = match fs::read_dir(&self.path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            other => other.map_err(fail)?,
        };
        for entry in entries {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let ours = name.starts_with("ethash-")
                && (name.ends_with(".dataset") || name.ends_with(".tmp"));
            if ours && !kept.contains(&entry.path()) {
                match fs::remove_file(entry.path()) {
                    Err(e) if e.kind() == ErrorKind::NotFound => {} // another program was quicker
                    other => other.map_err(|e| io_error(&entry.path(), e))?,
                }
            }
        }
        Ok(())
    }
}

/// The name that a file of an epoch has before it is complete.
pub(super) fn temporary_name(epoch: Epoch, attempt: u32) -> String {
    format!("ethash-{:05}.{}-{attempt}.tmp", epoch.number(), std::process::id())
}

/// Writes a dataset into an empty file and syncs it.
pub(super) fn fill(
    out: &File,
    path: &Path,
    header: &[u8; HEADER_BYTES],
    dataset: &Dataset,
    build: &Build<'_>,
) -> Result<(), PowError> {
    let fail = |source| io_error(path, source);
    reserve(out, file::file_bytes(dataset.page_count())).map_err(fail)?;
    file::write(out, path, header, dataset.as_bytes(), build)?;
    out.sync_all().map_err(fail)
}

/// Takes the disk space beforehand, so that a full disk shows at once and not after a gigabyte.
#[cfg(target_os = "linux")]
fn reserve(file: &File, bytes: u64) -> std::io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        // Not every file system can; then the writes will tell.
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::NODEV) => Ok(()),
        other => other.map_err(Into::into),
    }
}

#[cfg(not(target_os = "linux"))]
fn reserve(_file: &File, _bytes: u64) -> std::io::Result<()> {
    Ok(())
}

/// Makes a rename last.
fn sync_directory(path: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    File::open(path)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// A file that is removed unless it was renamed.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // After the rename there is nothing under this name.
        let _ = fs::remove_file(&self.0);
    }
}
