//! Writes a file so that it is always there, whole: the old one or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::keystore::error::KeystoreError;
use crate::keystore::header::MAX_FILE;

/// Bytes that are written between two looks at whether the test wants to interrupt.
const CHUNK: usize = 256;

/// What may be where the file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// Nothing; a file that is there stays, and it is an error.
    New,
    /// The old file.
    Replace,
}

/// A step of saving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    RemoveStale,
    Create,
    /// The next bytes, from this offset on.
    Write(usize),
    SyncFile,
    Compare,
    Rename,
    SyncFolder,
}

impl Step {
    const fn name(self) -> &'static str {
        match self {
            Self::RemoveStale => "remove the stale",
            Self::Create => "create",
            Self::Write(_) => "write",
            Self::SyncFile => "sync",
            Self::Compare => "read back",
            Self::Rename => "rename to",
            Self::SyncFolder => "sync folder",
        }
    }
}

/// Opens files that only their owner may read.
pub(crate) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

/// Returns the folder of a file.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Returns where the new file is while it is not complete.
pub(crate) fn temporary_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

/// Writes a file.
///
/// In this order: remove what an interrupted save left; create a new file beside the old one; write;
/// sync; read back and compare; rename over the old one; sync the folder. `before` is asked before each
/// step, and its error is treated like one of the step: this is how tests interrupt.
pub(crate) fn write(
    path: &Path,
    bytes: &[u8],
    target: Target,
    before: &mut dyn FnMut(Step) -> io::Result<()>,
) -> Result<(), KeystoreError> {
    let temporary = temporary_of(path);
    let mut step = |step: Step, path: &Path, act: &mut dyn FnMut() -> io::Result<()>| {
        before(step).and_then(|()| act()).map_err(|source| KeystoreError::Io {
            step: step.name(),
            path: path.to_owned(),
            source,
        })
    };
    step(Step::RemoveStale, &temporary, &mut || match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    })?;
    let mut prepare = || {
        let mut created: Option<File> = None;
        step(Step::Create, &temporary, &mut || {
            created = Some(private_file().create_new(true).open(&temporary)?);
            Ok(())
        })?;
        let Some(mut file) = created else { return Ok(()) };
        for (number, chunk) in bytes.chunks(CHUNK).enumerate() {
            step(Step::Write(number * CHUNK), &temporary, &mut || file.write_all(chunk))?;
        }
        step(Step::SyncFile, &temporary, &mut || file.sync_all())?;
        step(Step::Compare, &temporary, &mut || {
            if fs::read(&temporary)? == bytes {
                Ok(())
            } else {
                Err(io::ErrorKind::InvalidData.into())
            }
        })?;
        step(Step::Rename, path, &mut || match target {
            Target::Replace => fs::rename(&temporary, path),
            // A link never replaces, unlike a rename.
            Target::New => {
                fs::hard_link(&temporary, path).and_then(|()| fs::remove_file(&temporary))
            }
        })
    };
    if let Err(error) = prepare() {
        // What is left is sealed, and the next save removes it; that this fails changes nothing.
        let _ = fs::remove_file(&temporary);
        return Err(match error {
            KeystoreError::Io { source, path, .. }
                if target == Target::New && source.kind() == io::ErrorKind::AlreadyExists =>
            {
                KeystoreError::Exists { path }
            }
            error => error,
        });
    }
    step(Step::SyncFolder, folder_of(path), &mut || File::open(folder_of(path))?.sync_all())
}

/// Reads a file of at most the size of a keystore.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, KeystoreError> {
    let io = |source| KeystoreError::Io { step: "read", path: path.to_owned(), source };
    // Opening a pipe would wait for its other end.
    if !fs::metadata(path).map_err(io)?.is_file() {
        return Err(KeystoreError::NotAKeystore);
    }
    let limit = u64::try_from(MAX_FILE + 1).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    File::open(path).map_err(io)?.take(limit).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() > MAX_FILE {
        return Err(KeystoreError::TooLarge { most: MAX_FILE });
    }
    Ok(bytes)
}
