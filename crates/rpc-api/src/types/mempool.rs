//! Transactions that wait for a block.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::transaction::Transaction;
use super::{AmountForm, params, shapes};

params! { optional
    /// Which part of the pool.
    pub struct MempoolListParams {
        /// Go on behind this id, in the order of the last answer.
        pub after: String,
        /// Most entries, 1 to 1000; 1000 when left out.
        pub limit: u32,
        /// How much is shown; ids when left out.
        pub verbosity: ListVerbosity,
    }
}

params! {
    /// Names a transaction of the pool.
    pub struct MempoolEntryParams {
        /// Its id.
        pub txid: String,
        ?
        /// How quantities in the transaction are written.
        pub amounts: AmountForm,
    }
    /// A transaction.
    pub struct RawTransactionParams {
        /// Its bytes.
        pub transaction: String,
    }
}

/// How much of each entry is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ListVerbosity {
    /// The id.
    Ids,
    /// What the pool knows of it.
    Full,
}

/// Entries of the pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum MempoolEntries {
    /// Their ids.
    Ids(Vec<String>),
    /// What the pool knows of them.
    Full(Vec<MempoolSummary>),
}

shapes! {
    /// The pool.
    pub struct MempoolList {
        /// Transactions.
        pub count: u64,
        /// Their bytes.
        pub bytes: u64,
        /// Their fees in base units.
        pub fees: u64,
        /// Memory that they take, in bytes.
        pub usage_bytes: u64,
        /// Most memory that they may take, in bytes.
        pub max_bytes: u64,
        /// The least fee for a thousand bytes that a newcomer must pay, in base units.
        pub floor_rate: u64,
        /// Differs after each change.
        pub changes: u64,
        /// The entries, parents before children.
        pub entries: MempoolEntries,
        /// There are more; go on behind this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub next: Option<String>,
    }
    /// What the pool knows of a transaction.
    pub struct MempoolSummary {
        /// Id.
        pub txid: String,
        /// Fee in base units.
        pub fee: u64,
        /// Bytes that it counts.
        pub bytes: u64,
        /// Fee for a thousand bytes, in base units.
        pub rate: u64,
        /// When this node first saw it.
        pub first_seen: u64,
        /// Height of the tip when it entered.
        pub entered_at: u32,
        /// Transactions of the pool that it needs, itself included.
        pub ancestors: u32,
        /// Transactions of the pool that need it, itself included.
        pub descendants: u32,
    }
    /// A transaction of the pool.
    pub struct MempoolEntry {
        /// What the pool knows of it.
        pub summary: MempoolSummary,
        /// Ids of its parents in the pool.
        pub parents: Vec<String>,
        /// Ids of its children in the pool.
        pub children: Vec<String>,
        /// The transaction.
        pub transaction: Transaction,
    }
    /// What would become of a transaction.
    pub struct MempoolVerdict {
        /// Id.
        pub txid: String,
        /// It would enter the pool.
        pub is_accepted: bool,
        /// Fee in base units, where it is accepted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub fee: Option<u64>,
        /// Bytes that it counts, where it is accepted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub bytes: Option<u64>,
        /// The stable code of the rule that refuses it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub rule: Option<String>,
        /// Why it is refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub reason: Option<String>,
        /// For how long: `tip`, `chain`, `always` or `policy`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub holds: Option<String>,
    }
    /// A transaction that entered the pool.
    pub struct Submitted {
        /// Its id.
        pub txid: String,
    }
}
