//! The chain on disk.
//!
//! ```text
//! state layer: coins as values, registry, headers, blocks   knows the chain
//! engine:      log, index, commit, recovery, checkpoints    knows keys and bytes
//! ```

pub mod backing;
mod batch;
mod block_info;
mod blocks;
mod chain_view;
mod check;
pub mod codec;
pub mod engine;
mod error;
mod extra;
mod file_head;
mod header_archive;
mod heights;
mod index;
pub mod layout;
pub mod mmap;
pub mod registry;
mod repair;
pub mod sim;
mod snapshot;
mod stats;
mod store;

pub use batch::{Batch, UndoneBlock};
pub use block_info::BlockInfo;
pub use chain_view::Tip;
pub use check::{CheckPart, CheckProgress, CheckReport};
pub use error::StoreError;
pub use header_archive::{ArchiveReport, HeaderArchive};
pub use index::{AddressEntry, EntryCursor, Order, TxPlace};
pub use repair::{Connect, RepairProgress, RepairReport};
pub use snapshot::{Snapshot, UnspentPage};
pub use stats::Stats;
pub use store::{IndexProgress, OpenReport, Options, Store};
