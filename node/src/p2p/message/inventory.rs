//! What `inv`, `getdata` and `notfound` list.

use mvs_primitives::encode::{Decode, DecodeError, Decoder, Encode, Sink};
use mvs_primitives::hash::{BlockHash, TxId};

/// A kind and a hash: 36 bytes.
///
/// Kind 3 (filtered block) has no meaning on this network; the first node skips it (p2p.md 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Inventory {
    /// Kind 1.
    Tx(TxId),
    /// Kind 2.
    Block(BlockHash),
    /// Kind 4, between nodes with our extensions: a block as short ids.
    CompactBlock(BlockHash),
    /// Any other kind: to be skipped.
    Other {
        /// The kind.
        kind: u32,
        /// The hash.
        hash: [u8; 32],
    },
}

impl Inventory {
    const fn parts(&self) -> (u32, &[u8; 32]) {
        match self {
            Self::Tx(id) => (1, id.as_bytes()),
            Self::Block(hash) => (2, hash.as_bytes()),
            Self::CompactBlock(hash) => (4, hash.as_bytes()),
            Self::Other { kind, hash } => (*kind, hash),
        }
    }
}

impl Decode for Inventory {
    const MIN_BYTES: usize = 36;

    fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let kind = decoder.u32_le("inventory kind")?;
        let hash = decoder.array("inventory hash")?;
        Ok(match kind {
            1 => Self::Tx(TxId::from_bytes(hash)),
            2 => Self::Block(BlockHash::from_bytes(hash)),
            4 => Self::CompactBlock(BlockHash::from_bytes(hash)),
            _ => Self::Other { kind, hash },
        })
    }
}

impl Encode for Inventory {
    fn encode<S: Sink>(&self, sink: &mut S) {
        let (kind, hash) = self.parts();
        sink.put(&kind.to_le_bytes());
        sink.put(hash);
    }
}
