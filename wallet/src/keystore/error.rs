//! What can go wrong with a keystore.

use std::io;
use std::path::PathBuf;

use crate::keys::secret::RandomError;
use crate::keystore::record::RecordError;

/// A keystore that could not be read, opened or written. No text of it holds a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeystoreError {
    /// Another kind of file.
    #[error("this file is no keystore of this wallet")]
    NotAKeystore,
    /// Written by a newer program, or the number is damaged.
    #[error("the keystore has version {found}; this program knows version 1: use a newer one")]
    Version {
        /// The version in the file.
        found: u16,
    },
    /// An unknown way of making the key or sealing.
    #[error("the keystore uses the unknown {what} number {found}")]
    Algorithm {
        /// `key function` or `cipher`.
        what: &'static str,
        /// The number in the file.
        found: u8,
    },
    /// Parameters of the key function that are too cheap to protect, or too dear to be honest.
    #[error("the keystore's {what} is {found}; it must be from {least} to {most}")]
    Parameters {
        /// Which parameter.
        what: &'static str,
        /// Its value.
        found: u64,
        /// The least value.
        least: u64,
        /// The largest value.
        most: u64,
    },
    /// The file is not as it was written.
    #[error(
        "the keystore is damaged: {what}; restore it from a copy, or the wallet from its words"
    )]
    Damaged {
        /// What does not fit.
        what: &'static str,
    },
    /// The password is wrong (or somebody altered the file with care).
    #[error("wrong password")]
    WrongPassword,
    /// The content is sealed well, but cannot be understood.
    #[error("the keystore's content cannot be read: {0}")]
    Record(#[from] RecordError),
    /// A file of that name is there already.
    #[error("{} exists already and is not overwritten", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Another program has the folder's wallet open.
    #[error("another program uses the wallet in {}; close it first", folder.display())]
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// The machine has not enough memory to make the key.
    #[error("not enough memory: {needed_kib} KiB are needed to open this keystore")]
    Memory {
        /// What is needed, in KiB.
        needed_kib: u32,
    },
    /// More content than a keystore can hold.
    #[error("the keystore would be larger than {most} bytes")]
    TooLarge {
        /// The most bytes.
        most: usize,
    },
    /// The system's random generator failed.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// A file operation failed.
    #[error("cannot {step} {}: {source}", path.display())]
    Io {
        /// What was being done.
        step: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl KeystoreError {
    /// Every code that [`KeystoreError::code`] can give.
    pub const CODES: [&'static str; 13] = [
        "keystore.not_a_keystore",
        "keystore.version",
        "keystore.algorithm",
        "keystore.parameters",
        "keystore.damaged",
        "keystore.wrong_password",
        "keystore.record",
        "keystore.exists",
        "keystore.locked",
        "keystore.memory",
        "keystore.too_large",
        "keystore.random",
        "keystore.io",
    ];

    /// Returns the stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAKeystore => Self::CODES[0],
            Self::Version { .. } => Self::CODES[1],
            Self::Algorithm { .. } => Self::CODES[2],
            Self::Parameters { .. } => Self::CODES[3],
            Self::Damaged { .. } => Self::CODES[4],
            Self::WrongPassword => Self::CODES[5],
            Self::Record(_) => Self::CODES[6],
            Self::Exists { .. } => Self::CODES[7],
            Self::Locked { .. } => Self::CODES[8],
            Self::Memory { .. } => Self::CODES[9],
            Self::TooLarge { .. } => Self::CODES[10],
            Self::Random(_) => Self::CODES[11],
            Self::Io { .. } => Self::CODES[12],
        }
    }
}
