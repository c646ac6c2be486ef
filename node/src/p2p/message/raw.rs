//! Blocks and transactions as they came.

use bytes::Bytes;
use mvs_primitives::block::Block;
use mvs_primitives::encode::{Decode, DecodeError, Decoder, MAX_PAYLOAD_BYTES};
use mvs_primitives::hash::{BlockHash, TxId};
use mvs_primitives::header::{HEADER_BYTES, Header};
use mvs_primitives::transaction::Transaction;

/// The bytes of a block. The header is read, the transactions are not.
#[derive(Clone, PartialEq, Eq)]
pub struct RawBlock {
    bytes: Bytes,
    header: Header,
    hash: BlockHash,
}

impl RawBlock {
    /// Takes the payload of a `block`.
    ///
    /// # Errors
    /// [`DecodeError`] when there is no header and no transaction count, or too much of anything.
    pub fn from_wire(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(&bytes, MAX_PAYLOAD_BYTES)?;
        let header = Header::decode_from(&mut decoder)?;
        decoder.compact_size("transactions")?;
        let hash = header.hash();
        Ok(Self { bytes, header, hash })
    }

    /// Returns the bytes.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns the header.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the hash of the header.
    pub const fn hash(&self) -> BlockHash {
        self.hash
    }

    /// Reads the whole block and the ids of its transactions.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not exactly one block.
    pub fn decode(&self) -> Result<(Block, Vec<TxId>), DecodeError> {
        Block::decode_with_ids(&self.bytes)
    }
}

impl std::fmt::Debug for RawBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RawBlock({}, {} bytes)", self.hash, self.bytes.len())
    }
}

/// The bytes of a transaction, unread.
///
/// Its id is that of its *canonical* form (chain.md 3.1), so it is not known before decoding.
#[derive(Clone, PartialEq, Eq)]
pub struct RawTx {
    bytes: Bytes,
}

impl RawTx {
    /// Takes the payload of a `tx`.
    ///
    /// # Errors
    /// [`DecodeError`] when it is too short or too long to be one.
    pub fn from_wire(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(&bytes, MAX_PAYLOAD_BYTES)?;
        decoder.take(Transaction::MIN_BYTES as u64, "transaction")?; // widening
        Ok(Self { bytes })
    }

    /// Returns the bytes.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Reads the transaction and its id.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not exactly one transaction.
    pub fn decode(&self) -> Result<(Transaction, TxId), DecodeError> {
        let mut decoder = Decoder::new(&self.bytes, MAX_PAYLOAD_BYTES)?;
        let read = Transaction::decode_with_id(&mut decoder)?;
        decoder.finish()?;
        Ok(read)
    }
}

impl std::fmt::Debug for RawTx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RawTx({} bytes)", self.bytes.len())
    }
}

/// A block has at least its header and a count.
const _: () = assert!(Block::MIN_BYTES == HEADER_BYTES + 1);
