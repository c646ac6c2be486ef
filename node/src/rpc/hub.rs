//! What subscribers pull from: the view of the chain, and the owner's journal.
//!
//! The owner notes a block that leaves before it shows the view without it, so from every block that was
//! ever shown there is a way to every later view. Nobody is told anything here: each subscriber reads at its
//! own pace, and a slow one costs nobody but itself.

use std::sync::Arc;

use tokio::sync::watch;

use super::cursor::{ChainCursor, PoolCursor};
use crate::chain::command::ChainHandle;
use crate::chain::events::TipView;
use crate::chain::journal::{Journal, PoolChange};

/// The chain, for subscribers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub {
    journal: Journal,
    view: watch::Receiver<Arc<TipView>>,
}

impl Hub {
    /// Reads what this owner writes.
    pub fn new(chain: &ChainHandle) -> Self {
        Self { journal: chain.journal().clone(), view: chain.watch_tip() }
    }

    /// Returns the chain as it is now.
    pub(super) fn view(&self) -> Arc<TipView> {
        Arc::clone(&self.view.borrow())
    }

    /// Returns receivers that are told of a new view, and of changes of the pool.
    pub(super) fn watch(&self) -> (watch::Receiver<Arc<TipView>>, watch::Receiver<u64>) {
        (self.view.clone(), self.journal.watch_pool())
    }

    /// Returns the parent of a block that left the chain; `None` when it is not remembered.
    pub(super) fn parent_of(&self, stale: &ChainCursor) -> Option<ChainCursor> {
        let parent = self.journal.parent_of(stale.height, &stale.hash)?;
        Some(ChainCursor { height: stale.height.previous()?, hash: parent })
    }

    /// Returns where changes of the pool go on from now.
    pub(super) fn pool_cursor(&self) -> PoolCursor {
        let (epoch, next) = self.journal.pool_end();
        PoolCursor { epoch, next }
    }

    /// Returns changes of the pool from a cursor on; `None` when it leads nowhere.
    pub(super) fn changes(&self, from: &PoolCursor, most: usize) -> Option<Vec<PoolChange>> {
        self.journal.changes(from.epoch, from.next, most)
    }
}
