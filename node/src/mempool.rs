//! Transactions that wait for a block.
//!
//! ```text
//! stranger --stage--> Staged --verify (any thread)--> Verdict --admit--> Entry --> block template
//!                                                                  ^
//! chain owner --update_tip (blocks taken back and connected)------'
//! ```
//!
//! The rules are those of the chain: `check_tx` and `connect_tx` of the consensus crate, asked as if
//! the transaction came into the next block together with its unconfirmed parents. Policy is kept
//! apart ([`PolicyConfig`]) and can never refuse a block. Every refusal has a stable code and says
//! how long it holds ([`Reject`], [`Holds`]).
//!
//! It knows no disk but in `persist`, no socket, no clock (time is an argument) and no thread.
//! Start reading in `mempool/accept.rs`, `mempool/pool.rs` and `mempool/update.rs`.

mod accept;
mod entry;
mod evict;
mod graph;
mod orphans;
mod persist;
mod policy;
mod pool;
mod rate;
mod reject;
mod select;
mod tip;
mod update;

pub use accept::{Staged, Verdict};
pub use entry::{Entry, LooseTx, Totals};
pub use orphans::{OrphanConfig, Orphans};
pub use persist::{LoadWarning, Loaded, PersistError, Saved, load};
pub use policy::PolicyConfig;
pub use pool::{Admitted, Mempool, MempoolConfig, MempoolStats, Origin, RemovalReason, Removed};
pub use rate::FeeRate;
pub use reject::{AcceptError, Holds, Reject};
pub use select::Room;
pub use tip::Tip;
pub use update::{BlockTxs, Confirmed, TipChange, TipOutcome, TipUpdate};
