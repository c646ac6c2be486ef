//! Optional index of transactions and addresses, for explorers and exchanges.
//!
//! ```text
//! recent blocks (memory, sorted each)  --flush-->  runs (files of sorted entries)  --merge--> fewer
//! ```
//!
//! The index is derived: everything in it follows from the blocks. So no commit waits for it. A run
//! holds the entries of a range of heights, is written once and synced before a manifest names it.
//! What is above the last run is in memory and is read again from the blocks when a store is opened.
//! A block that is undone is dropped from memory, or its run is dropped and the blocks of the run that
//! stay are read again; only runs of blocks that can no longer be undone are merged.

mod builder;
mod entry;
mod manifest;
mod run;
mod view;
mod writer;

pub(crate) use self::builder::OutputCache;
pub use self::entry::{AddressEntry, EntryCursor, TxPlace};
pub(crate) use self::entry::{
    address_bounds, asset_bounds, asset_entry, entries_of_block, tx_bounds, tx_place,
};
pub use self::view::Order;
pub(crate) use self::view::{BlockEntries, IndexView};
pub(crate) use self::writer::IndexWriter;

/// The sub-folder.
const FOLDER: &str = "lookup";

/// A sorted entry: key and value.
pub(crate) type Pair = (Box<[u8]>, Box<[u8]>);
