//! Finds the outputs that inputs spend, for blocks that are read again.

use std::collections::HashMap;

use mvs_primitives::block::Block;
use mvs_primitives::hash::TxId;
use mvs_primitives::height::Height;
use mvs_primitives::input::OutPoint;
use mvs_primitives::output::Output;

use super::entry::{OutputSummary, tx_bounds, tx_place};
use super::view::Order;
use crate::backing::Disk;
use crate::chain_view::ChainView;
use crate::error::StoreError;

/// Outputs kept in memory at most.
const OUTPUTS_MAX: usize = 200_000;

/// Outputs that were seen lately.
#[derive(Default)]
pub(crate) struct OutputCache {
    outputs: HashMap<OutPoint, OutputSummary>,
}

impl OutputCache {
    /// Remembers the outputs of a block.
    pub(crate) fn add(&mut self, block: &Block, txids: &[TxId]) {
        if self.outputs.len() > OUTPUTS_MAX {
            self.outputs.clear();
        }
        for (transaction, txid) in block.transactions.iter().zip(txids) {
            for (output, index) in transaction.outputs.iter().zip(0u32..) {
                self.outputs.insert(OutPoint::new(*txid, index), OutputSummary::of(output));
            }
        }
    }

    /// Remembers an output.
    pub(crate) fn add_output(&mut self, outpoint: OutPoint, output: &Output) {
        self.outputs.insert(outpoint, OutputSummary::of(output));
    }

    /// Returns an output from memory, once.
    pub(crate) fn take(&mut self, outpoint: &OutPoint) -> Option<OutputSummary> {
        self.outputs.remove(outpoint)
    }

    /// Returns an output of the chain up to `height`: from memory, or from its block by the index of
    /// transactions.
    pub(crate) fn find<D: Disk>(
        &mut self,
        view: &ChainView<D>,
        height: Height,
        outpoint: &OutPoint,
    ) -> Result<OutputSummary, StoreError> {
        if let Some(summary) = self.outputs.remove(outpoint) {
            return Ok(summary);
        }
        let missing = StoreError::Disagree { height, what: "an output that is spent is not found" };
        let Some(index) = &view.index else { return Err(StoreError::NoIndex) };
        let (from, to) = tx_bounds(&outpoint.txid);
        // Of two transactions with one id the later one took the place of the earlier.
        for (key, _) in index.collect(&from, &to, Order::NewestFirst, 16)? {
            let Some(place) = tx_place(&key) else { continue };
            let Some(bytes) = view.block(place.height)? else { continue };
            let Ok((block, txids)) = Block::decode_with_ids(&bytes) else { continue };
            self.add(&block, &txids);
            if let Some(summary) = self.outputs.remove(outpoint) {
                return Ok(summary);
            }
        }
        Err(missing)
    }
}
