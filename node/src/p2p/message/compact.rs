//! Compact blocks: our extension, after BIP 152, for peers with [`Services::EXTENSIONS`] only.
//!
//! A short id is the low 48 bits of SipHash-2-4 over the transaction id, keyed with the first 16 bytes
//! of `sha256(header ‖ nonce)`. Unlike BIP 152 there is no witness variant, no negotiation beyond the
//! service bit, and the signature fields of a stake block follow the transactions, as they do in
//! `block`.
//!
//! [`Services::EXTENSIONS`]: super::Services::EXTENSIONS

use bitcoin_hashes::siphash24;
use mvs_primitives::block::{BlockProof, BlockSig};
use mvs_primitives::encode::{CompactSize, Decode, DecodeError, Decoder, Encode, Sink};
use mvs_primitives::hash::{BlockHash, TxId, sha256};
use mvs_primitives::header::{BlockVersion, HEADER_BYTES, Header};
use mvs_primitives::transaction::Transaction;

/// A transaction that the receiver is not expected to have, the coinbase above all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefilled {
    /// Its place in the block.
    pub index: u32,
    /// The transaction.
    pub transaction: Transaction,
}

/// A block whose transactions the receiver mostly has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactBlock {
    /// The header.
    pub header: Header,
    /// Makes the short ids of every sender different.
    pub nonce: u64,
    /// Ids of the transactions that are not prefilled, in block order.
    pub short_ids: Vec<[u8; 6]>,
    /// The others, by rising place.
    pub prefilled: Vec<Prefilled>,
    /// The block's signature fields.
    pub proof: BlockProof,
}

/// The key of a compact block's short ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShortIdKey(u64, u64);

impl ShortIdKey {
    /// Derives the key of a block.
    pub fn new(header: &Header, nonce: u64) -> Self {
        let mut preimage = [0u8; HEADER_BYTES + 8];
        let bytes = header.to_array().into_iter().chain(nonce.to_le_bytes());
        for (place, byte) in preimage.iter_mut().zip(bytes) {
            *place = byte;
        }
        let [k0, k1] = first_words(sha256(&preimage));
        Self(k0, k1)
    }

    /// Computes the short id of a transaction.
    pub fn short_id(&self, id: &TxId) -> [u8; 6] {
        let hash = siphash24::Hash::hash_to_u64_with_keys(self.0, self.1, id.as_bytes());
        let [a, b, c, d, e, f, ..] = hash.to_le_bytes();
        [a, b, c, d, e, f]
    }
}

fn first_words(digest: [u8; 32]) -> [u64; 2] {
    let word = |at: usize| {
        let bytes = digest.get(at..).and_then(<[u8]>::first_chunk);
        u64::from_le_bytes(bytes.copied().unwrap_or_default())
    };
    [word(0), word(8)]
}

impl CompactBlock {
    /// Returns the key of the short ids.
    pub fn key(&self) -> ShortIdKey {
        ShortIdKey::new(&self.header, self.nonce)
    }

    /// Returns the number of transactions of the block.
    pub const fn transaction_count(&self) -> usize {
        self.short_ids.len() + self.prefilled.len() // lists in memory: cannot overflow
    }
}

impl Decode for CompactBlock {
    const MIN_BYTES: usize = HEADER_BYTES + 8 + 1 + 1;

    fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let header = Header::decode_from(decoder)?;
        let nonce = decoder.u64_le("compact block nonce")?;
        let short_ids = decoder.list("short ids", 6, |d| d.array("short id"))?;
        let mut next = 0;
        let prefilled = decoder.list("prefilled", 1 + Transaction::MIN_BYTES, |d| {
            let index = rising_index(d, &mut next)?;
            Ok(Prefilled { index, transaction: Transaction::decode_from(d)? })
        })?;
        let mut signature = || decoder.array("block signature").map(BlockSig::from_bytes);
        let proof = match header.version {
            BlockVersion::POS => BlockProof::Stake(signature()?),
            BlockVersion::DPOS => {
                let signature = signature()?;
                BlockProof::Delegate(signature, decoder.array("block public key")?)
            }
            _ => BlockProof::None,
        };
        Ok(Self { header, nonce, short_ids, prefilled, proof })
    }
}

impl Encode for CompactBlock {
    fn encode<S: Sink>(&self, sink: &mut S) {
        self.header.encode(sink);
        sink.put(&self.nonce.to_le_bytes());
        CompactSize::new(self.short_ids.len() as u64).encode(sink); // widening
        for id in &self.short_ids {
            sink.put(id);
        }
        CompactSize::new(self.prefilled.len() as u64).encode(sink); // widening
        let mut next = 0;
        for Prefilled { index, transaction } in &self.prefilled {
            put_rising_index(*index, &mut next, sink);
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

/// Asks for the transactions of a block that a receiver of its short ids does not have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TransactionsRequest {
    /// The block.
    pub block: BlockHash,
    /// Places in the block, rising.
    pub indexes: Vec<u32>,
}

impl Decode for TransactionsRequest {
    const MIN_BYTES: usize = 32 + 1;

    fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let block = BlockHash::from_bytes(decoder.array("block hash")?);
        let mut next = 0;
        let indexes = decoder.list("indexes", 1, |d| rising_index(d, &mut next))?;
        Ok(Self { block, indexes })
    }
}

impl Encode for TransactionsRequest {
    fn encode<S: Sink>(&self, sink: &mut S) {
        sink.put(self.block.as_bytes());
        CompactSize::new(self.indexes.len() as u64).encode(sink); // widening
        let mut next = 0;
        for index in &self.indexes {
            put_rising_index(*index, &mut next, sink);
        }
    }
}

/// The transactions that were asked for, in the order of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockTransactions {
    /// The block.
    pub block: BlockHash,
    /// The transactions.
    pub transactions: Vec<Transaction>,
}

impl Decode for BlockTransactions {
    const MIN_BYTES: usize = 32 + 1;

    fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let block = BlockHash::from_bytes(decoder.array("block hash")?);
        let transactions =
            decoder.list("transactions", Transaction::MIN_BYTES, Transaction::decode_from)?;
        Ok(Self { block, transactions })
    }
}

impl Encode for BlockTransactions {
    fn encode<S: Sink>(&self, sink: &mut S) {
        sink.put(self.block.as_bytes());
        CompactSize::new(self.transactions.len() as u64).encode(sink); // widening
        for transaction in &self.transactions {
            transaction.encode(sink);
        }
    }
}

/// Reads a place that is written as the distance from the one before it.
///
/// `next` is the smallest possible place, as u64 so that it can stand behind the last one.
fn rising_index(decoder: &mut Decoder<'_>, next: &mut u64) -> Result<u32, DecodeError> {
    let distance = decoder.compact_size("index")?;
    let index = next.checked_add(distance).and_then(|index| u32::try_from(index).ok());
    let index = index.ok_or(DecodeError::Count {
        what: "places in a block",
        count: distance,
        remaining: decoder.remaining(),
    })?;
    *next = u64::from(index) + 1; // below 2^33
    Ok(index)
}

/// Writes a place as the distance from the one before it. A place that does not rise is written as
/// distance 0: whoever builds the list sorts it.
fn put_rising_index<S: Sink>(index: u32, next: &mut u64, sink: &mut S) {
    CompactSize::new(u64::from(index).saturating_sub(*next)).encode(sink);
    *next = u64::from(index) + 1; // below 2^33
}
