//! What can go wrong in the store.

use mvs_consensus::error::Fault;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::height::Height;

use crate::codec::CodecError;
use crate::engine::EngineError;
use crate::registry::RegistryError;

/// An answer other than success. [`StoreError::code`] is stable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The files of keys and bytes: disk, space, locks, formats, damage.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A coin's bytes, whose checksum is right, are no coin.
    #[error("a stored coin does not parse: {0}")]
    Coin(#[from] CodecError),
    /// The registry's bytes, whose checksum is right, are no registry.
    #[error("the stored registry does not parse: {0}")]
    Registry(#[from] RegistryError),
    /// The store holds another chain.
    #[error("the store's first block is {found}, not {expected}")]
    OtherGenesis {
        /// In the store.
        found: BlockHash,
        /// Of the network.
        expected: BlockHash,
    },
    /// A block was given that does not build on the tip.
    #[error("block {height} does not build on the tip")]
    NotOnTip {
        /// Height of the block given.
        height: Height,
    },
    /// A block was connected on another state than the store's.
    #[error("block {height} was connected on another state: {what}")]
    OtherState {
        /// Height of the block given.
        height: Height,
        /// What does not fit.
        what: &'static str,
    },
    /// The genesis block stays.
    #[error("the first block cannot be taken back")]
    NoParent,
    /// An earlier call on this batch failed; it can only be dropped.
    #[error("an earlier step of this batch failed")]
    BatchFailed,
    /// Two parts of the store tell different things.
    #[error("the parts of the store disagree at height {height}: {what}")]
    Disagree {
        /// Where.
        height: Height,
        /// What does not fit.
        what: &'static str,
    },
    /// The caller ended a long task.
    #[error("ended on request")]
    Cancelled,
    /// An index that is not kept was asked.
    #[error("the index of transactions and addresses is not kept")]
    NoIndex,
    /// The index of transactions and addresses is damaged. The chain is not, and the store works without it.
    #[error("the index of transactions and addresses is damaged and must be built anew: {reason}")]
    IndexLost {
        /// What was found.
        reason: String,
    },
    /// A block that is to be put together again is refused by the rules.
    #[error("block {height} does not connect again: {reason}")]
    NotConnected {
        /// Its height.
        height: Height,
        /// What the rules say.
        reason: String,
    },
}

impl StoreError {
    /// A stable name for logs and replies.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Engine(error) => error.code(),
            Self::Coin(_) => "store.coin",
            Self::Registry(_) => "store.registry",
            Self::OtherGenesis { .. } => "store.other_genesis",
            Self::NotOnTip { .. } => "store.not_on_tip",
            Self::OtherState { .. } => "store.other_state",
            Self::NoParent => "store.no_parent",
            Self::BatchFailed => "store.batch_failed",
            Self::Disagree { .. } => "store.disagree",
            Self::Cancelled => "store.cancelled",
            Self::NoIndex => "store.no_index",
            Self::IndexLost { .. } => "store.index_lost",
            Self::NotConnected { .. } => "store.not_connected",
        }
    }

    /// Whether the same call may succeed once there is space on the disk.
    pub const fn is_no_space(&self) -> bool {
        matches!(self, Self::Engine(EngineError::NoSpace { .. }))
    }

    /// For what fails when a commit is durable: a full disk is then no refusal after which nothing has
    /// happened.
    pub(crate) fn after_the_fact(self) -> Self {
        match self {
            Self::Engine(EngineError::NoSpace { file }) => Self::Engine(EngineError::Io {
                action: "write",
                file,
                source: std::io::ErrorKind::StorageFull.into(),
            }),
            other => other,
        }
    }

    pub(crate) fn corrupt(file: impl Into<String>, offset: u64, what: &'static str) -> Self {
        Self::Engine(EngineError::Corrupt { file: file.into(), offset, what })
    }

    /// For the engine's ears: what is not its own becomes damage.
    pub(crate) fn into_engine(self) -> EngineError {
        match self {
            Self::Engine(error) => error,
            _ => EngineError::Corrupt {
                file: "state".into(),
                offset: 0,
                what: "the layer above does not accept what it reads",
            },
        }
    }

    pub(crate) fn io(action: &'static str, file: &str, source: std::io::Error) -> Self {
        Self::Engine(EngineError::io(action, file, source))
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Storage(format!("{}: {error}", error.code()))
    }
}
