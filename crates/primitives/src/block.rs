//! Blocks.

use crate::encode::{CompactSize, Decode, DecodeError, Decoder, Encode, Sink};
use crate::hash::TxId;
use crate::header::{BlockVersion, HEADER_BYTES, Header};
use crate::transaction::Transaction;

/// A block signature: `r` and `s` as 32 **little-endian** bytes each (chain.md 2.1).
///
/// That is how libsecp256k1 keeps a signature in memory; it is neither DER nor its compact form.
/// The signed message is the 32 digest bytes of the block hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockSig([u8; 64]);

impl BlockSig {
    /// Wraps the wire bytes.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Returns the wire bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// Returns the signature in the usual compact form: `r` and `s` big endian.
    pub fn to_compact(&self) -> [u8; 64] {
        Self::swap_halves(self.0)
    }

    /// Makes a block signature from the usual compact form.
    pub fn from_compact(compact: [u8; 64]) -> Self {
        Self(Self::swap_halves(compact))
    }

    fn swap_halves(mut bytes: [u8; 64]) -> [u8; 64] {
        let (r, s) = bytes.split_at_mut(32);
        r.reverse();
        s.reverse();
        bytes
    }
}

/// What follows a block's transactions, by its version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum BlockProof {
    /// Nothing: the seal is in the header.
    None,
    /// Version 2: the staker's signature.
    Stake(BlockSig),
    /// Version 3: a delegate's signature and compressed public key.
    Delegate(BlockSig, [u8; 33]),
}

impl BlockProof {
    const fn encoded_len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Stake(_) => 64,
            Self::Delegate(..) => 64 + 33,
        }
    }
}

/// A block (chain.md 2.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// The transactions, coinbase first.
    pub transactions: Vec<Transaction>,
    /// Signature fields. Decoding makes them match the header's version.
    pub proof: BlockProof,
}

impl Block {
    /// Reads a block together with the ids of its transactions, in one pass over the input.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes do not form exactly one block.
    pub fn decode_with_ids(bytes: &[u8]) -> Result<(Self, Vec<TxId>), DecodeError> {
        let mut decoder = Decoder::new(bytes, crate::encode::MAX_PAYLOAD_BYTES)?;
        let read = Self::read_with_ids(&mut decoder)?;
        decoder.finish()?;
        Ok(read)
    }

    fn read_with_ids(decoder: &mut Decoder<'_>) -> Result<(Self, Vec<TxId>), DecodeError> {
        let mut ids = Vec::new();
        let block = Self::read(decoder, |decoder| {
            let (transaction, id) = Transaction::decode_with_id(decoder)?;
            ids.push(id);
            Ok(transaction)
        })?;
        Ok((block, ids))
    }

    fn read(
        decoder: &mut Decoder<'_>,
        transaction: impl FnMut(&mut Decoder<'_>) -> Result<Transaction, DecodeError>,
    ) -> Result<Self, DecodeError> {
        let header = Header::decode_from(decoder)?;
        let transactions = decoder.list("transactions", Transaction::MIN_BYTES, transaction)?;
        let mut signature = || decoder.array("block signature").map(BlockSig);
        let proof = match header.version {
            BlockVersion::POS => BlockProof::Stake(signature()?),
            BlockVersion::DPOS => {
                let signature = signature()?;
                BlockProof::Delegate(signature, decoder.array("block public key")?)
            }
            _ => BlockProof::None,
        };
        Ok(Self { header, transactions, proof })
    }

    /// Computes the ids of the transactions.
    pub fn txids(&self) -> Vec<TxId> {
        self.transactions.iter().map(Transaction::txid).collect()
    }

    /// Returns the size that counts towards the block size limit (chain.md 2.2 and 3.4).
    pub fn nominal_size(&self) -> u64 {
        let count = CompactSize::len_of(self.transactions.len() as u64); // widening
        let transactions: u64 = self.transactions.iter().map(Transaction::nominal_size).sum();
        (HEADER_BYTES + count + self.proof.encoded_len()) as u64 + transactions // widening
    }
}

impl Encode for Block {
    fn encode<S: Sink>(&self, sink: &mut S) {
        self.header.encode(sink);
        CompactSize::new(self.transactions.len() as u64).encode(sink); // widening
        for transaction in &self.transactions {
            transaction.encode(sink);
        }
        match &self.proof {
            BlockProof::None => {}
            BlockProof::Stake(signature) => sink.put(signature.as_bytes()),
            BlockProof::Delegate(signature, key) => {
                sink.put(signature.as_bytes());
                sink.put(key);
            }
        }
    }
}

impl Decode for Block {
    const MIN_BYTES: usize = HEADER_BYTES + 1;

    fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Self::read(decoder, Transaction::decode_from)
    }
}

#[cfg(test)]
mod tests {
    use super::BlockSig;

    #[test]
    fn signature_halves_are_each_reversed() {
        let mut bytes = [0u8; 64];
        bytes[0] = 1;
        bytes[63] = 2;
        let compact = BlockSig::from_bytes(bytes).to_compact();
        assert_eq!((compact[31], compact[32]), (1, 2));
        assert_eq!(BlockSig::from_compact(compact).as_bytes(), &bytes);
    }
}
