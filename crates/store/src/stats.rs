//! Sizes and counts.

use crate::backing::Disk;
use crate::chain_view::Tip;
use crate::engine;
use crate::error::StoreError;
use crate::store::Store;

/// Sizes and counts of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// The tip.
    pub tip: Tip,
    /// Log, index, checkpoints.
    pub engine: engine::Stats,
    /// Bytes of `heights.dat`, space taken beforehand included.
    pub heights_bytes: u64,
    /// Bytes of the block files, space taken beforehand included.
    pub block_bytes: u64,
    /// Blocks whose entries are in memory because they can still be undone.
    pub recent_blocks: u64,
    /// Issued assets.
    pub assets: u64,
    /// Certificates.
    pub certs: u64,
    /// Identities, `BLACKHOLE` included.
    pub dids: u64,
    /// Unique items.
    pub mits: u64,
    /// Stake deposits.
    pub deposits: u64,
}

impl<D: Disk> Store<D> {
    /// Returns sizes and counts.
    ///
    /// # Errors
    /// [`StoreError`] when the files cannot be listed.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        let view = &self.chain.view;
        let registry = &view.registry;
        let count = |count: usize| count as u64; // widening
        Ok(Stats {
            tip: self.tip(),
            engine: self.engine.stats(),
            heights_bytes: view.files.heights.bytes(),
            block_bytes: view.files.blocks.disk_bytes()?,
            recent_blocks: count(view.recent_count()),
            assets: count(registry.assets().len()),
            certs: count(registry.certs().len()),
            dids: count(registry.dids().len()),
            mits: count(registry.mits().len()),
            deposits: count(registry.deposit_count()),
        })
    }
}
