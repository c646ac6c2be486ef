//! The index at one tip. Cheap to clone.

use std::sync::Arc;

use mvs_primitives::hash::BlockHash;
use mvs_primitives::height::Height;
use rpds::VectorSync;

use super::Pair;
use super::run::Run;
use crate::backing::Disk;
use crate::error::StoreError;

/// In which order a history is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// From the genesis block up.
    OldestFirst,
    /// From the tip down.
    NewestFirst,
}

/// The entries of one block, sorted.
#[derive(Debug)]
pub(crate) struct BlockEntries {
    pub(crate) height: Height,
    pub(crate) hash: BlockHash,
    pub(crate) pairs: Vec<Pair>,
}

impl BlockEntries {
    pub(super) fn bytes(&self) -> usize {
        self.pairs.iter().map(|(key, value)| key.len() + value.len() + 32).sum()
    }

    fn collect(&self, from: &[u8], to: &[u8], order: Order, limit: usize, out: &mut Vec<Pair>) {
        let start = self.pairs.partition_point(|(key, _)| **key < *from);
        let end = self.pairs.partition_point(|(key, _)| **key < *to);
        let found = self.pairs.get(start..end).unwrap_or_default();
        let room = limit.saturating_sub(out.len());
        match order {
            Order::OldestFirst => out.extend(found.iter().take(room).cloned()),
            Order::NewestFirst => out.extend(found.iter().rev().take(room).cloned()),
        }
    }
}

/// The index at one tip.
pub(crate) struct IndexView<D: Disk> {
    /// In order of heights.
    pub(super) runs: Arc<Vec<Arc<Run<D>>>>,
    /// The blocks above the last run, lowest first.
    pub(super) recent: VectorSync<Arc<BlockEntries>>,
    pub(super) recent_bytes: usize,
}

impl<D: Disk> Clone for IndexView<D> {
    fn clone(&self) -> Self {
        Self {
            runs: Arc::clone(&self.runs),
            recent: self.recent.clone(),
            recent_bytes: self.recent_bytes,
        }
    }
}

impl<D: Disk> IndexView<D> {
    pub(super) fn new(runs: Vec<Arc<Run<D>>>) -> Self {
        Self { runs: Arc::new(runs), recent: VectorSync::new_sync(), recent_bytes: 0 }
    }

    /// Returns the lowest height that is not in the index.
    pub(crate) fn next_height(&self) -> u32 {
        match (self.recent.last(), self.runs.last()) {
            (Some(block), _) => block.height.value().saturating_add(1),
            (None, Some(run)) => run.meta.last.saturating_add(1),
            (None, None) => 0,
        }
    }

    /// Adds a block if it is the next one; if blocks below it are missing they are read later.
    pub(crate) fn push(&mut self, block: BlockEntries) {
        if block.height.value() == self.next_height() {
            self.recent_bytes = self.recent_bytes.saturating_add(block.bytes());
            self.recent.push_back_mut(Arc::new(block));
        }
    }

    /// Takes a block away, if it is there; the blocks below it in the same run then are missing.
    pub(crate) fn pop(&mut self, height: Height) {
        while self.next_height() > height.value() {
            if let Some(block) = self.recent.last() {
                self.recent_bytes = self.recent_bytes.saturating_sub(block.bytes());
                self.recent.drop_last_mut();
            } else {
                Arc::make_mut(&mut self.runs).pop();
            }
        }
    }

    /// Returns entries with `from <= key < to`, in the order of heights.
    pub(crate) fn collect(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        let mut out = Vec::new();
        match order {
            Order::OldestFirst => {
                for run in self.runs.iter() {
                    run.collect(from, to, order, limit, &mut out)?;
                }
                for block in self.recent.iter() {
                    block.collect(from, to, order, limit, &mut out);
                }
            }
            Order::NewestFirst => {
                for index in (0..self.recent.len()).rev() {
                    if let Some(block) = self.recent.get(index) {
                        block.collect(from, to, order, limit, &mut out);
                    }
                }
                for run in self.runs.iter().rev() {
                    run.collect(from, to, order, limit, &mut out)?;
                }
            }
        }
        Ok(out)
    }

    /// Compares every page of every run with its checksum.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        self.runs.iter().try_for_each(|run| run.check())
    }
}
