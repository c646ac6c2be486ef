//! A mapped hash table of 64-byte lines: keyed 64-bit hash to 42-bit payload.

use std::sync::Arc;

use super::{EngineError, TableOptions};
use crate::backing::Disk;

/// A table in files of its own, `<folder>/<shard>-<line bits>`.
///
/// It holds (hash, payload) pairs, of which it keeps 30 bits of the hash: candidates are told
/// apart by the caller, who looks at what the payload points to. A payload is 1 to 2^42 - 1.
///
/// # Invariants
/// The write-ahead rule is the caller's part: change the table only after what is to be replayed is
/// durable. [`Table::state`] as of a checkpoint, with its files synced after that state was taken, and every pair
/// touched since ([`Table::remove`] for all, then [`Table::insert`] for those that are to be there)
/// give the right table, whatever mixture of lines reached the disk.
pub struct Table<D: Disk> {
    disk: D,
}

/// The files of a [`Table`] at one moment, for a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableState {
    /// For each shard: line bits of its file and number of pairs.
    pub shards: Vec<(u8, u64)>,
}

impl TableState {
    /// Appends the state's bytes.
    pub fn to_disk(&self, out: &mut Vec<u8>) {
        let _ = out;
        todo!()
    }

    /// Reads a state from the front of `bytes`, and takes it off.
    pub fn from_disk(bytes: &mut &[u8]) -> Option<Self> {
        let _ = bytes;
        todo!()
    }
}

impl<D: Disk> Table<D> {
    /// Creates an empty table in `folder`, in place of any that is there. `salt` goes into the
    /// lines' checksums.
    pub fn create(
        disk: &D,
        folder: &str,
        options: TableOptions,
        salt: u64,
    ) -> Result<Self, EngineError> {
        let _ = (disk, folder, options, salt);
        todo!()
    }

    /// Opens the table as `state` describes it and removes files of other states.
    pub fn open(
        disk: &D,
        folder: &str,
        options: TableOptions,
        salt: u64,
        state: &TableState,
    ) -> Result<Self, EngineError> {
        let _ = (disk, folder, options, salt, state);
        todo!()
    }

    /// Asks the processor for the line where a look-up of `hash` starts.
    pub fn prefetch(&self, hash: u64) {
        let _ = hash;
        todo!()
    }

    /// The first payload stored under `hash` (or a hash that agrees in its top 30 bits) to which
    /// `is_it` says yes.
    pub fn find(
        &self,
        hash: u64,
        is_it: impl FnMut(u64) -> Result<bool, EngineError>,
    ) -> Result<Option<u64>, EngineError> {
        let _ = (hash, is_it);
        todo!()
    }

    /// Adds a pair. The caller knows that it is not there. May double the shard.
    pub fn insert(&self, hash: u64, payload: u64) -> Result<(), EngineError> {
        let _ = (hash, payload);
        todo!()
    }

    /// Takes a pair out; whether it was there.
    pub fn remove(&self, hash: u64, payload: u64) -> Result<bool, EngineError> {
        let _ = (hash, payload);
        todo!()
    }

    /// As [`Table::remove`], for replay: also finds pairs that a mixture of old and new lines has
    /// cut off, and keeps no counts. Afterwards the caller inserts survivors and sets counts.
    pub fn state(&self) -> TableState {
        todo!()
    }

    /// What a checkpoint has to sync for the state just taken, for [`super::SyncJob`].
    pub fn sync_job(&self) -> Box<dyn FnOnce() -> Result<(), EngineError> + Send> {
        todo!()
    }

    /// Removes files that are not part of `state` nor of the present table. To be called when a
    /// checkpoint with `state` has become durable.
    pub fn remove_obsolete(&self, state: &TableState) -> Result<(), EngineError> {
        let _ = state;
        todo!()
    }

    #[expect(dead_code, reason = "bodies follow")]
    fn disk(&self) -> &Arc<D> {
        todo!()
    }
}
