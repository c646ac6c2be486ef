//! Keeps the optional index in step with the chain.

use mvs_consensus::block::ConnectedBlock;
use mvs_primitives::block::Block;
use mvs_primitives::height::Height;

use super::{Chain, Store};
use crate::backing::Disk;
use crate::chain_view::ChainView;
use crate::error::StoreError;
use crate::index::{BlockEntries, IndexWriter, OutputCache, entries_of_block};

/// Blocks that a commit or an opening reads again for the index at most; [`Store::build_index`] reads
/// them all.
const CATCH_UP_BLOCKS: u32 = 2_000;

/// How far an index has come, in blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexProgress {
    /// Blocks that are in it.
    pub done: u64,
    /// Blocks of the chain.
    pub total: u64,
}

/// Returns the entries of a block that was just connected: what it spends is at hand.
pub(crate) fn entries_of_connected(block: &ConnectedBlock) -> Result<BlockEntries, StoreError> {
    let placed = block.block().header();
    let mut outputs = OutputCache::default();
    outputs.add(block.block().block(), block.block().txids());
    for (outpoint, coin) in &block.delta().spent {
        outputs.add_output(*outpoint, &coin.output);
    }
    let height = placed.height();
    let missing = || StoreError::OtherState { height, what: "a spent coin is not in its change" };
    let pairs =
        entries_of_block(block.block().block(), block.block().txids(), height, |outpoint| {
            outputs.take(outpoint).ok_or_else(missing)
        })?;
    Ok(BlockEntries { height, hash: placed.hash(), pairs })
}

impl<D: Disk> ChainView<D> {
    /// Reads the next block that the index lacks into it; whether there was one.
    fn index_next(&mut self, outputs: &mut OutputCache) -> Result<bool, StoreError> {
        let Some(next) = self.index.as_ref().map(|index| Height::new(index.next_height())) else {
            return Ok(false);
        };
        let Some(bytes) = self.block(next)? else { return Ok(false) };
        let disagree = |what| StoreError::Disagree { height: next, what };
        let (block, txids) =
            Block::decode_with_ids(&bytes).map_err(|_| disagree("the bytes are no block"))?;
        let hash = block.header.hash();
        outputs.add(&block, &txids);
        let pairs =
            entries_of_block(&block, &txids, next, |outpoint| outputs.find(self, next, outpoint))?;
        if let Some(index) = &mut self.index {
            index.push(BlockEntries { height: next, hash, pairs });
        }
        Ok(true)
    }
}

impl<D: Disk> Chain<D> {
    /// Opens the index if one is kept, and brings it to the tip if it is near. Nothing but the questions that it
    /// answers depends on it: one that cannot be used is lost, and the store opens without it.
    pub(super) fn open_index(&mut self, disk: &D, network: u32) {
        let view = &self.view;
        let opened = IndexWriter::open(disk, network, &mut |height| {
            view.with_info(Height::new(height), |info| info.hash)
        });
        match opened {
            Ok(None) => {}
            Ok(Some((writer, index))) => {
                self.index_writer = Some(writer);
                self.view.index = Some(index);
                self.follow_index(false);
            }
            Err(error) => {
                IndexWriter::mark_lost(disk, network);
                self.index_lost = Some(error.to_string());
            }
        }
    }

    /// Brings the index up to the tip if it is near, and writes what is too much for memory. A full
    /// disk leaves it behind, to be tried again; after any other error it is lost. What was committed is not
    /// touched by that.
    pub(super) fn follow_index(&mut self, all: bool) {
        let mut outputs = OutputCache::default();
        let followed = (0..CATCH_UP_BLOCKS)
            .try_for_each(|_| match self.view.index_next(&mut outputs) {
                Ok(true) => self.maintain_index(false).map_err(Some),
                Ok(false) => Err(None),
                Err(error) => Err(Some(error)),
            })
            .or_else(|ended| ended.map_or(Ok(()), Err))
            .and_then(|()| self.maintain_index(all));
        if let Err(error) = followed
            && !error.is_no_space()
        {
            self.lose_index(&error);
        }
    }

    /// Lets go of the index, and leaves a mark that it must be built anew.
    fn lose_index(&mut self, error: &StoreError) {
        self.view.index = None;
        self.index_lost = Some(error.to_string());
        if let Some(writer) = self.index_writer.take() {
            writer.lose();
        }
    }

    fn maintain_index(&mut self, all: bool) -> Result<(), StoreError> {
        let final_count = self.view.final_count();
        match (&mut self.index_writer, &mut self.view.index) {
            (Some(writer), Some(index)) => writer.maintain(index, final_count, all),
            _ => Ok(()),
        }
    }
}

impl<D: Disk> Store<D> {
    /// Builds the index of transactions and addresses, or goes on with one that is not finished; a lost one is
    /// begun anew. From then on it is kept. `progress` may interrupt it by answering `false`; what was done
    /// stays, and new blocks are added once the rest is built.
    ///
    /// # Errors
    /// [`StoreError::Cancelled`], no space; or damage or the disk's, after which the index is lost.
    pub fn build_index(
        &mut self,
        progress: &mut dyn FnMut(IndexProgress) -> bool,
    ) -> Result<(), StoreError> {
        self.chain.view.files.check_writable()?;
        if self.chain.view.index.is_none() {
            let network = self.options.engine.network_id;
            let (writer, index) = IndexWriter::create(&self.disk, network)?;
            self.chain.index_writer = Some(writer);
            self.chain.view.index = Some(index);
            self.chain.index_lost = None;
        }
        let built = self.build_on(progress);
        if let Err(error) = &built
            && !error.is_no_space()
            && !matches!(error, StoreError::Cancelled)
        {
            self.chain.lose_index(error);
        }
        built
    }

    fn build_on(
        &mut self,
        progress: &mut dyn FnMut(IndexProgress) -> bool,
    ) -> Result<(), StoreError> {
        let total = u64::from(self.tip().height.value()) + 1;
        let mut outputs = OutputCache::default();
        while self.chain.view.index_next(&mut outputs)? {
            self.chain.maintain_index(false)?;
            let done = self.chain.view.index.as_ref().map_or(0, |index| index.next_height());
            if done.is_multiple_of(256) && !progress(IndexProgress { done: u64::from(done), total })
            {
                return Err(StoreError::Cancelled);
            }
        }
        self.chain.maintain_index(true)?;
        progress(IndexProgress { done: total, total });
        Ok(())
    }

    /// Why the index of transactions and addresses was lost, if it was: it is damaged, nothing reads it any more, and
    /// [`Store::build_index`] builds it anew.
    pub fn index_lost(&self) -> Option<&str> {
        self.chain.index_lost.as_deref()
    }

    /// Stops keeping the index and removes it.
    ///
    /// # Errors
    /// The disk's.
    pub fn drop_index(&mut self) -> Result<(), StoreError> {
        self.chain.view.index = None;
        self.chain.index_writer = None;
        IndexWriter::remove(&self.disk)?;
        self.chain.index_lost = None;
        Ok(())
    }
}
