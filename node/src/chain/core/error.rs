//! What ends the node, or makes it wait: never anybody else's fault.

use mvs_consensus::error::Fault;
use mvs_store::StoreError;

/// Our own failure.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A rule could not be asked, or parts of this program disagree.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl ChainError {
    /// Returns the stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Fault(Fault::Storage(_)) => "chain.storage",
            Self::Fault(_) => "chain.fault",
        }
    }

    /// Tells whether the same may succeed once there is room on the disk.
    pub const fn is_no_space(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_no_space())
    }
}
