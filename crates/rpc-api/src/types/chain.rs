//! Blocks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::transaction::Transaction;
use super::{AmountForm, BlockId, params, shapes};

params! { optional
    /// Names a block.
    pub struct BlockParams {
        /// Height or hash; the tip when left out.
        pub block: BlockId,
    }
    /// Names a block, and how it is shown.
    pub struct ShowBlockParams {
        /// Height or hash; the tip when left out.
        pub block: BlockId,
        /// How much is shown; ids of transactions when left out.
        pub verbosity: Verbosity,
        /// How quantities are written.
        pub amounts: AmountForm,
    }
}

params! {
    /// Names a transaction.
    pub struct TransactionParams {
        /// Its id.
        pub txid: String,
        ?
        /// The block that holds it, for nodes without an index of transactions.
        pub block: BlockId,
        /// How it is shown; in full when left out.
        pub verbosity: TransactionVerbosity,
        /// How quantities are written.
        pub amounts: AmountForm,
    }
    /// Names an output.
    pub struct CoinParams {
        /// The transaction's id.
        pub txid: String,
        /// The output's index.
        pub index: u32,
        ?
        /// How quantities are written.
        pub amounts: AmountForm,
    }
}

/// How much of a block is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verbosity {
    /// The bytes.
    Hex,
    /// The header and the ids of the transactions.
    Ids,
    /// Everything.
    Full,
}

/// How much of a transaction is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransactionVerbosity {
    /// The bytes.
    Hex,
    /// Everything.
    Full,
}

shapes! {
    /// The end of the connected chain.
    pub struct ChainTip {
        /// Height.
        pub height: u32,
        /// Hash.
        pub hash: String,
        /// Time of its header.
        pub timestamp: u32,
        /// Summed difficulty, as decimal text.
        pub work: String,
        /// Height of the heaviest header, which may be ahead.
        pub headers: u32,
        /// The node has caught up with its peers.
        pub is_synced: bool,
    }
    /// A header.
    pub struct Header {
        /// Hash.
        pub hash: String,
        /// Height.
        pub height: u32,
        /// Blocks from this one to the tip, both counted.
        pub confirmations: u32,
        /// Kind of seal: 1 work, 2 stake, 3 delegate.
        pub version: u32,
        /// The parent's hash.
        pub previous: String,
        /// Hash of the block above; absent at the tip.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub next: Option<String>,
        /// Root of the transaction tree.
        pub merkle: String,
        /// Time.
        pub timestamp: u32,
        /// Difficulty, as decimal text: it can pass 2^53.
        pub bits: String,
        /// Nonce, 16 hex digits.
        pub nonce: String,
        /// Ethash mix.
        pub mix_hash: String,
        /// Summed difficulty up to this block, as decimal text.
        pub work: String,
    }
    /// A block.
    pub struct Block {
        /// Its header.
        pub header: Header,
        /// Bytes on the wire.
        pub size: u32,
        /// Its transactions: ids, or everything.
        pub transactions: Transactions,
        /// Signature of a stake or delegate block.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub signature: Option<String>,
        /// Public key that the signature is checked with. A stake block shows it in its coinstake, the second transaction.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub public_key: Option<String>,
    }
    /// A transaction and where it stands.
    pub struct PlacedTransaction {
        /// The transaction.
        pub transaction: Transaction,
        /// The block that holds it; absent while it waits in the pool.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub place: Option<Place>,
    }
    /// Where a transaction stands.
    pub struct Place {
        /// Height of the block.
        pub height: u32,
        /// Hash of the block.
        pub hash: String,
        /// Number of the transaction in the block.
        pub number: u32,
        /// Blocks from this one to the tip, both counted.
        pub confirmations: u32,
    }
    /// An unspent output.
    pub struct CoinAnswer {
        /// The tip at which it is unspent.
        pub tip: String,
        /// The output.
        pub output: super::transaction::Output,
        /// Height of the block that made it.
        pub height: u32,
        /// Its transaction is a coinbase.
        pub is_coinbase: bool,
    }
    /// Numbers about a block.
    pub struct BlockStatistics {
        /// Height.
        pub height: u32,
        /// Hash.
        pub hash: String,
        /// Time.
        pub timestamp: u32,
        /// Seconds since the block below; absent for the genesis block. It may be negative.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub interval_secs: Option<i64>,
        /// Transactions.
        pub transactions: u32,
        /// Bytes on the wire.
        pub size: u32,
        /// Fees of its transactions in base units.
        pub fees: u64,
        /// Difficulty, as decimal text.
        pub bits: String,
        /// Summed difficulty up to this block, as decimal text.
        pub work: String,
        /// Unspent outputs after it.
        pub coins: u64,
    }
    /// The state after a block, as numbers that are equal on every machine with the same chain.
    pub struct ChainDigest {
        /// Height.
        pub height: u32,
        /// Hash.
        pub hash: String,
        /// Unspent outputs.
        pub coins: u64,
        /// Digest of the unspent outputs: 32 hex digits.
        pub coin_digest: String,
        /// Digest of what is registered: 32 hex digits.
        pub registry_digest: String,
    }
}

/// Transactions of a block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Transactions {
    /// Their ids.
    Ids(Vec<String>),
    /// Everything.
    Full(Vec<Transaction>),
}

/// A block in the form that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum BlockAnswer {
    /// Its bytes.
    Hex(String),
    /// The block.
    Block(Box<Block>),
}

/// A transaction in the form that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum TransactionAnswer {
    /// Its bytes.
    Hex(String),
    /// The transaction.
    Transaction(Box<PlacedTransaction>),
}
