//! A block with the ids of its transactions.

use mvs_primitives::block::Block;
use mvs_primitives::encode::DecodeError;
use mvs_primitives::hash::TxId;

/// A block together with its transaction ids, which are computed once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockBody {
    block: Block,
    txids: Vec<TxId>,
}

impl BlockBody {
    /// Reads a block; the ids come from the same pass over the bytes.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes do not form exactly one block.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (block, txids) = Block::decode_with_ids(bytes)?;
        Ok(Self { block, txids })
    }

    /// Returns the block.
    pub const fn block(&self) -> &Block {
        &self.block
    }

    /// Returns the ids of its transactions, in order.
    pub fn txids(&self) -> &[TxId] {
        &self.txids
    }
}

impl From<Block> for BlockBody {
    fn from(block: Block) -> Self {
        Self { txids: block.txids(), block }
    }
}
