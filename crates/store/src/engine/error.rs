//! What can go wrong in the engine.

use std::io;

/// An answer other than success. [`EngineError::code`] is stable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The disk failed. Writing ends until the store is opened again.
    #[error("{action} {file}: {source}")]
    Io {
        /// What was attempted: `read`, `write`, `sync`, ...
        action: &'static str,
        /// Name within the store's folder.
        file: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The disk is full. Nothing has changed; the same call may succeed once there is space.
    #[error("no space left for {file}")]
    NoSpace {
        /// Name within the store's folder.
        file: String,
    },
    /// An earlier failure ended writing; reading goes on.
    #[error("writing ended after an earlier failure; open the store again")]
    Poisoned,
    /// Bytes on the disk are not what was written there.
    #[error("{file} is damaged at byte {offset}: {what}")]
    Corrupt {
        /// Name within the store's folder.
        file: String,
        /// Byte offset within the file.
        offset: u64,
        /// What does not hold.
        what: &'static str,
    },
    /// Another process, or another store of this one, has the folder open.
    #[error("another process has this store open")]
    Locked,
    /// The folder holds files, but none of them says that it is a store.
    #[error("the folder is not a store: {0}")]
    NotAStore(&'static str),
    /// The format is one that this program does not know.
    #[error("store has format version {found}, this program knows {known}")]
    UnknownVersion {
        /// In the file.
        found: u32,
        /// Of this program.
        known: u32,
    },
    /// The store belongs to another network.
    #[error("store belongs to network {found:#010x}, not {expected:#010x}")]
    OtherNetwork {
        /// In the file.
        found: u32,
        /// Asked for.
        expected: u32,
    },
    /// A block was given whose height does not follow the tip.
    #[error("block of height {found} does not follow the tip; expected {expected}")]
    NotNext {
        /// Height given.
        found: u32,
        /// Height that follows the tip.
        expected: u32,
    },
    /// A block creates a coin that is there, or the same coin twice.
    #[error("the block creates a coin that exists")]
    CoinExists {
        /// Its key.
        key: super::Key,
    },
    /// A block spends a coin that an earlier block of the batch or the same block has spent.
    #[error("the block spends a coin that is spent already")]
    CoinSpent {
        /// Number within the block's list of spends.
        index: usize,
    },
    /// A [`super::Found`] was used with another batch than the one it came from.
    #[error("a look-up's result was used outside its batch")]
    StaleHandle,
    /// An earlier call on this batch failed; it can only be dropped.
    #[error("an earlier call on this batch failed")]
    BatchFailed,
    /// The tip cannot be undone: there is none, or it is beyond the undo horizon.
    #[error("the tip cannot be undone")]
    BeyondHorizon,
    /// A value, extra data or a whole record is longer than the format allows.
    #[error("{what} of {bytes} bytes is more than {max}")]
    TooLarge {
        /// Which quantity.
        what: &'static str,
        /// Its length in bytes.
        bytes: u64,
        /// The most that is allowed.
        max: u64,
    },
    /// All segment numbers are used up (65,535 segments written in the life of the store).
    #[error("the log has used up its segment numbers")]
    LogExhausted,
    /// The snapshot is older than the changes that are kept; take a new one.
    #[error("the snapshot is too old")]
    SnapshotExpired,
    /// An option has a value that cannot work.
    #[error("option {0}")]
    BadOption(&'static str),
}

impl EngineError {
    /// A stable name for logs and replies.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "store.io",
            Self::NoSpace { .. } => "store.no_space",
            Self::Poisoned => "store.poisoned",
            Self::Corrupt { .. } => "store.corrupt",
            Self::Locked => "store.locked",
            Self::NotAStore(_) => "store.not_a_store",
            Self::UnknownVersion { .. } => "store.unknown_version",
            Self::OtherNetwork { .. } => "store.other_network",
            Self::NotNext { .. } => "store.not_next",
            Self::CoinExists { .. } => "store.coin_exists",
            Self::CoinSpent { .. } => "store.coin_spent",
            Self::StaleHandle => "store.stale_handle",
            Self::BatchFailed => "store.batch_failed",
            Self::BeyondHorizon => "store.beyond_horizon",
            Self::TooLarge { .. } => "store.too_large",
            Self::LogExhausted => "store.log_exhausted",
            Self::SnapshotExpired => "store.snapshot_expired",
            Self::BadOption(_) => "store.bad_option",
        }
    }

    /// What [`EngineError::Corrupt`] says of a sector that the disk does not give back.
    pub(crate) const UNREADABLE: &'static str = "the disk does not give it back";

    /// Damage that shows when the disk is asked.
    pub(crate) fn unreadable(file: &str, place: &crate::backing::Unreadable) -> Self {
        Self::Corrupt { file: file.to_owned(), offset: place.offset, what: Self::UNREADABLE }
    }

    pub(crate) fn is_unreadable(&self) -> bool {
        matches!(self, Self::Corrupt { what, .. } if *what == Self::UNREADABLE)
    }

    /// Turns an error of the disk into one that names the file; a full disk is told apart.
    ///
    /// Not so for a sync: what it could not write is lost, whatever the reason, and the next sync would
    /// not try again.
    pub fn io(action: &'static str, file: &str, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded if action != "sync" => {
                Self::NoSpace { file: file.to_owned() }
            }
            // Reading beyond the end means a length that lies, not a disk that fails.
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
                Self::Corrupt { file: file.to_owned(), offset: 0, what: "shorter than it must be" }
            }
            _ => Self::Io { action, file: file.to_owned(), source },
        }
    }
}
