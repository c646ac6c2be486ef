//! The one file that holds a wallet's secrets.
//!
//! Its key is made from a password by Argon2id; everything behind the header is sealed with
//! XChaCha20-Poly1305, and the header with it. The README of this crate has the format byte by byte.
//! A thief is kept out by what a guess costs, not by counting guesses.
//!
//! Saving never touches the old file before the new one is complete and on disk.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::keys::secret::Secret;
use crate::password::Password;

pub mod error;
pub mod header;
pub mod kdf;
pub mod lock;
pub mod record;
pub mod vault;

mod save;
mod seal;

use error::KeystoreError;
use header::Header;
use kdf::KdfParams;
use lock::FolderLock;
use save::Target;
use vault::Vault;

/// What making the key from the password takes at least when a keystore is created.
pub const STRETCH: Duration = Duration::from_millis(250);

/// An open keystore: its content, and the key to seal it again. The folder is locked while it lives.
#[derive(Debug)]
pub struct Keystore {
    path: PathBuf,
    params: KdfParams,
    salt: [u8; 32],
    key: Secret<[u8; 32]>,
    vault: Vault,
    // Kept for its lock.
    _lock: FolderLock,
}

impl Keystore {
    /// Writes a new keystore. The cost of the password is measured here, so that each guess takes at
    /// least [`STRETCH`] on this machine.
    ///
    /// # Errors
    /// [`KeystoreError::Exists`] when the file is there already: it is never overwritten. Others when
    /// the folder is locked or not writable.
    pub fn create(path: &Path, password: &Password, vault: Vault) -> Result<Self, KeystoreError> {
        Self::create_new(path, vault, |salt| kdf::stretch_for(password, salt, STRETCH))
    }

    /// Writes a new keystore with given parameters, for machines that differ from the one on which it
    /// will be opened.
    ///
    /// # Errors
    /// As [`Keystore::create`], and [`KeystoreError::Parameters`] when they are out of bounds.
    pub fn create_with(
        path: &Path,
        password: &Password,
        vault: Vault,
        params: KdfParams,
    ) -> Result<Self, KeystoreError> {
        params.check()?;
        Self::create_new(path, vault, |salt| Ok((params, kdf::stretch(password, salt, params)?)))
    }

    fn create_new(
        path: &Path,
        vault: Vault,
        stretch: impl FnOnce(&[u8; 32]) -> Result<(KdfParams, Secret<[u8; 32]>), KeystoreError>,
    ) -> Result<Self, KeystoreError> {
        let lock = FolderLock::acquire(save::folder_of(path))?;
        if path.symlink_metadata().is_ok() {
            return Err(KeystoreError::Exists { path: path.to_owned() });
        }
        let salt = *Secret::random()?.reveal();
        let (params, key) = stretch(&salt)?;
        let keystore = Self { path: path.to_owned(), params, salt, key, vault, _lock: lock };
        keystore.write(Target::New)?;
        Ok(keystore)
    }

    /// Opens a keystore.
    ///
    /// # Errors
    /// [`KeystoreError::WrongPassword`]; [`KeystoreError::Damaged`] and its relatives when the file is
    /// not as it was written; others when it cannot be read or another program has it open.
    pub fn open(path: &Path, password: &Password) -> Result<Self, KeystoreError> {
        let lock = FolderLock::acquire(save::folder_of(path))?;
        let bytes = save::read(path)?;
        let header = Header::parse(&bytes)?;
        let key = kdf::stretch(password, &header.salt, header.params)?;
        let vault = seal::open(&bytes, &header, &key)?;
        Ok(Self {
            path: path.to_owned(),
            params: header.params,
            salt: header.salt,
            key,
            vault,
            _lock: lock,
        })
    }

    /// Returns what the header of a keystore says, without a password.
    ///
    /// # Errors
    /// As [`Keystore::open`], but for the password.
    pub fn inspect(path: &Path) -> Result<Header, KeystoreError> {
        Header::parse(&save::read(path)?)
    }

    /// Returns where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what a guess of the password costs.
    pub const fn params(&self) -> KdfParams {
        self.params
    }

    /// Returns the content.
    pub const fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Lets the content be changed. It is not on disk before [`Keystore::save`].
    pub const fn vault_mut(&mut self) -> &mut Vault {
        &mut self.vault
    }

    /// Writes the content to disk, sealed anew under a fresh nonce.
    ///
    /// # Errors
    /// [`KeystoreError`] when it could not be written; the old file is then still there, unless the
    /// step was `sync folder`: then either is there, complete.
    pub fn save(&self) -> Result<(), KeystoreError> {
        self.write(Target::Replace)
    }

    /// Changes the password, and measures its cost anew.
    ///
    /// # Errors
    /// [`KeystoreError::WrongPassword`] when `old` is not the present one; others as with
    /// [`Keystore::save`]. After an error the old password holds.
    pub fn change_password(&mut self, old: &Password, new: &Password) -> Result<(), KeystoreError> {
        self.change_key(old, |salt| kdf::stretch_for(new, salt, STRETCH))
    }

    /// Changes the password and the parameters.
    ///
    /// # Errors
    /// As [`Keystore::change_password`], and [`KeystoreError::Parameters`].
    pub fn change_password_with(
        &mut self,
        old: &Password,
        new: &Password,
        params: KdfParams,
    ) -> Result<(), KeystoreError> {
        params.check()?;
        self.change_key(old, |salt| Ok((params, kdf::stretch(new, salt, params)?)))
    }

    fn change_key(
        &mut self,
        old: &Password,
        stretch: impl FnOnce(&[u8; 32]) -> Result<(KdfParams, Secret<[u8; 32]>), KeystoreError>,
    ) -> Result<(), KeystoreError> {
        let present = kdf::stretch(old, &self.salt, self.params)?;
        // Not a comparison with a stored secret that somebody can time: both are in this process.
        if present.reveal() != self.key.reveal() {
            return Err(KeystoreError::WrongPassword);
        }
        let salt = *Secret::random()?.reveal();
        let (params, key) = stretch(&salt)?;
        let before = (self.params, self.salt, std::mem::replace(&mut self.key, key));
        (self.params, self.salt) = (params, salt);
        let saved = self.write(Target::Replace);
        if saved.is_err() {
            (self.params, self.salt, self.key) = before;
        }
        saved
    }

    fn write(&self, target: Target) -> Result<(), KeystoreError> {
        let bytes = seal::seal(&self.vault, self.params, self.salt, &self.key)?;
        save::write(&self.path, &bytes, target, &mut |_| Ok(()))
    }
}

#[cfg(test)]
mod tests;
