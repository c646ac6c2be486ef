//! One program at a time.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::keystore::error::KeystoreError;
use crate::keystore::save;

/// Name of the file that is locked. It is empty and stays; the lock ends with the program, however
/// that ends.
pub const LOCK_FILE: &str = ".mvs-wallet.lock";

/// Holds a wallet's folder, so that no second program changes the same files.
#[derive(Debug)]
pub struct FolderLock {
    // Kept open: closing it frees the lock.
    _file: File,
    folder: PathBuf,
}

impl FolderLock {
    /// Locks a folder that exists.
    ///
    /// # Errors
    /// [`KeystoreError::Locked`] when another program, or another part of this one, has it.
    pub fn acquire(folder: &Path) -> Result<Self, KeystoreError> {
        let path = folder.join(LOCK_FILE);
        let io = |source| KeystoreError::Io { step: "lock", path: path.clone(), source };
        let file = save::private_file().create(true).truncate(false).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file, folder: folder.to_owned() }),
            Err(TryLockError::WouldBlock) => {
                Err(KeystoreError::Locked { folder: folder.to_owned() })
            }
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}
