//! What the chain owner tells: changes of the chain, in order, after they are durable.

use std::sync::Arc;

use bytes::Bytes;
use mvs_consensus::block::CheckedBlock;
use mvs_primitives::hash::{BlockHash, TxId};
use mvs_primitives::height::Height;
use mvs_store::mmap::MapDisk;
use mvs_store::{Snapshot, Tip};

/// Most events that wait for a slow listener. One that is further behind is told so and starts
/// again from a snapshot.
pub const EVENT_QUEUE: usize = 512;

/// A change of the chain or the pool.
#[derive(Debug, Clone)]
pub enum ChainEvent {
    /// A block joined the chain.
    Connected {
        /// The block.
        block: Arc<CheckedBlock>,
    },
    /// The tip left the chain.
    Disconnected {
        /// Its height.
        height: Height,
        /// Its hash.
        hash: BlockHash,
        /// Its bytes.
        block: Bytes,
    },
    /// A transaction entered the pool.
    Loose {
        /// Its id.
        txid: TxId,
    },
    /// A transaction left the pool, and not into a block.
    Dropped {
        /// Its id.
        txid: TxId,
        /// Why, in a word.
        reason: &'static str,
    },
}

/// The chain at one tip, for readers on any thread.
#[derive(Clone)]
pub struct TipView {
    /// The state, headers and blocks.
    pub snapshot: Snapshot<MapDisk>,
    /// The tip.
    pub tip: Tip,
}

impl TipView {
    /// Wraps a snapshot.
    pub fn new(snapshot: Snapshot<MapDisk>) -> Self {
        Self { tip: snapshot.tip(), snapshot }
    }
}

impl std::fmt::Debug for TipView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TipView").field("tip", &self.tip).finish_non_exhaustive()
    }
}
