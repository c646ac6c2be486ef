//! Keys and bytes on disk: the log, the index, one commit point, and recovery.
//!
//! The engine knows 36-byte keys, value bytes, one opaque `extra` per block, and nothing of coins.
//!
//! ```text
//! Batch --records--> log (segments) --fdatasync--> durable --drain--> index, live maps
//!   |                                                                      |
//!   +-- overlay: what the batch changed                 checkpoint: sync, then a head
//! ```

mod error;
mod options;
mod table;
mod types;

pub use error::EngineError;
pub use options::{Options, TableOptions};
pub use table::{Candidates, HASH_BITS, Table, TableState, Touched};
pub use types::{
    BlockEntry, BodyRef, CoinDigest, Found, Key, Lookups, NewCoin, Opened, Recovery, ReplayedBlock,
    Stats, Tip, Undone,
};

use crate::backing::Disk;

/// The writer. One for each open store.
pub struct Engine<D: Disk> {
    disk: D,
}

impl<D: Disk> Engine<D> {
    /// Opens the store in `disk`, or creates one in an empty folder, and brings it to the last
    /// committed batch that is whole.
    ///
    /// `recovery` hears, in order: [`Recovery::checkpoint`] once (not for a new store), then each
    /// block that the log holds beyond it.
    ///
    /// # Errors
    /// [`EngineError::Locked`], [`EngineError::NotAStore`], [`EngineError::UnknownVersion`],
    /// [`EngineError::OtherNetwork`], [`EngineError::Corrupt`], [`EngineError::NoSpace`],
    /// [`EngineError::Io`], or what `recovery` answers.
    pub fn open(
        disk: D,
        options: Options,
        recovery: &mut dyn Recovery,
    ) -> Result<(Self, Opened), EngineError> {
        let _ = (&disk, &options, recovery);
        todo!()
    }

    /// The last committed block; none in an empty store.
    pub fn tip(&self) -> Option<Tip> {
        todo!()
    }

    /// The greatest height that can no longer be undone; none while all can. Never falls.
    pub fn undo_floor(&self) -> Option<u32> {
        todo!()
    }

    /// Starts a batch. Dropped without [`Batch::commit`], nothing has happened.
    ///
    /// # Errors
    /// [`EngineError::Poisoned`].
    pub fn batch(&mut self) -> Result<Batch<'_, D>, EngineError> {
        todo!()
    }

    /// A handle from which other threads take snapshots while the writer works.
    pub fn reader(&self) -> Reader<D> {
        todo!()
    }

    /// The coins as of the last commit; see [`Reader::snapshot`].
    pub fn snapshot(&self) -> CoinSnapshot<D> {
        todo!()
    }

    /// Whether so much log has been written since the last checkpoint that it is time for another.
    pub fn checkpoint_due(&self) -> bool {
        todo!()
    }

    /// Starts a checkpoint as of the present tip and returns at once; with
    /// [`Options::background`] off, when it is done. If one is running, waits for it first.
    ///
    /// `aux` comes back from [`Recovery::checkpoint`]. `also_sync` runs before the checkpoint
    /// counts: syncs of the caller's own tables and files as of this tip.
    ///
    /// # Errors
    /// [`EngineError::Poisoned`]; an error of the checkpoint before this one, or of this one when it does
    /// not run in the background.
    pub fn checkpoint(&mut self, aux: Vec<u8>, also_sync: SyncJob) -> Result<(), EngineError> {
        let _ = (aux, also_sync);
        todo!()
    }

    /// Number of checkpoints made durable so far in the life of the store. When it has risen after
    /// [`Engine::checkpoint`], files that only older checkpoints need may go.
    ///
    /// # Errors
    /// What the checkpoint in the background answered, once.
    pub fn poll_checkpoint(&mut self) -> Result<u64, EngineError> {
        todo!()
    }

    /// Makes a last checkpoint, marked as a clean close, and lets the folder go.
    ///
    /// # Errors
    /// As [`Engine::checkpoint`]. The store is then as after a crash: whole.
    pub fn close(self, aux: Vec<u8>, also_sync: SyncJob) -> Result<(), EngineError> {
        let _ = (aux, also_sync);
        todo!()
    }

    /// Visits every coin, in no order: key, value.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`], [`EngineError::Io`], or what `visit` answers.
    pub fn for_each_coin(
        &self,
        visit: &mut dyn FnMut(&Key, &[u8]) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let _ = visit;
        todo!()
    }

    /// Reads everything: each record, each line, each coin, the sums, and that index and live maps
    /// agree. Calls `found` for each thing that is wrong and goes on where it can.
    ///
    /// `progress` hears bytes done and bytes in all.
    ///
    /// # Errors
    /// [`EngineError::Io`] when the disk itself fails.
    pub fn check(
        &self,
        progress: &mut dyn FnMut(u64, u64),
        found: &mut dyn FnMut(EngineError),
    ) -> Result<(), EngineError> {
        let _ = (progress, found);
        todo!()
    }

    /// Builds the index and the live maps of a store anew from its log, then makes a checkpoint whose aux is
    /// the last one's followed by a replay from there; the store is opened as usual afterwards.
    ///
    /// # Errors
    /// As [`Engine::open`]; [`EngineError::Corrupt`] if the log itself is damaged.
    pub fn rebuild_index(disk: D, options: Options) -> Result<(), EngineError> {
        let _ = (disk, options);
        todo!()
    }

    /// Sizes and counts.
    pub fn stats(&self) -> Stats {
        todo!()
    }
}

/// Work that a checkpoint does before it counts. It may run in another thread.
pub type SyncJob = Box<dyn FnOnce() -> Result<(), EngineError> + Send>;

/// Blocks on their way into the store. See [`Engine::batch`].
pub struct Batch<'e, D: Disk> {
    engine: &'e mut Engine<D>,
}

impl<D: Disk> Batch<'_, D> {
    /// The tip inside the batch.
    pub fn tip(&self) -> Option<Tip> {
        todo!()
    }

    /// Looks coins up in the state inside the batch. `out` is cleared, then gets one answer for each
    /// key, in order.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] or [`EngineError::Io`]; never a missing coin in their place.
    pub fn find(&self, keys: &[Key], out: &mut Lookups) -> Result<(), EngineError> {
        let _ = (keys, out);
        todo!()
    }

    /// Adds a block on the tip. Its spends come from [`Batch::find`] of this batch. Order of the lists
    /// is kept; neighbours in `created` with the same first 32 bytes of key share them on disk.
    ///
    /// A block that creates and spends the same coin leaves it out of both lists.
    ///
    /// # Errors
    /// [`EngineError::NotNext`], [`EngineError::CoinExists`], [`EngineError::CoinSpent`],
    /// [`EngineError::StaleHandle`], [`EngineError::TooLarge`], [`EngineError::NoSpace`],
    /// [`EngineError::LogExhausted`], [`EngineError::Corrupt`], [`EngineError::Io`]. After an error the batch
    /// is only good for dropping.
    pub fn apply(&mut self, block: &BlockEntry<'_>) -> Result<Tip, EngineError> {
        let _ = block;
        todo!()
    }

    /// Takes back the tip, whether this batch or an earlier one added it.
    ///
    /// # Errors
    /// [`EngineError::BeyondHorizon`], and as [`Batch::apply`].
    pub fn undo(&mut self) -> Result<Undone, EngineError> {
        todo!()
    }

    /// Makes the batch durable as one: after a crash all of it is there or, if this has not
    /// returned, perhaps none. `bodies` are files of the caller's that must be durable with it.
    ///
    /// # Errors
    /// [`EngineError::NoSpace`] (nothing has happened), [`EngineError::Io`] (writing ends; whether
    /// the batch is there shows when the store is opened again).
    pub fn commit(self, bodies: &[&D::File]) -> Result<Option<Tip>, EngineError> {
        let _ = bodies;
        todo!()
    }
}

/// Takes snapshots from any thread.
pub struct Reader<D: Disk> {
    _disk: D,
}

impl<D: Disk> Reader<D> {
    /// The coins as of the last commit. Waits while a commit changes the index.
    pub fn snapshot(&self) -> CoinSnapshot<D> {
        todo!()
    }
}

impl<D: Disk> Clone for Reader<D> {
    fn clone(&self) -> Self {
        Self { _disk: self._disk.clone() }
    }
}

/// The coins at one tip, for any number of threads, whatever the writer does.
///
/// Old snapshots cost memory: changes since are kept, up to [`Options::snapshot_changes_max`]; beyond,
/// the oldest answer [`EngineError::SnapshotExpired`].
pub struct CoinSnapshot<D: Disk> {
    _disk: D,
}

impl<D: Disk> Clone for CoinSnapshot<D> {
    fn clone(&self) -> Self {
        Self { _disk: self._disk.clone() }
    }
}

impl<D: Disk> CoinSnapshot<D> {
    /// The tip that it shows.
    pub fn tip(&self) -> Option<Tip> {
        todo!()
    }

    /// As [`Batch::find`]; the handles in `out` are no good for spending.
    ///
    /// # Errors
    /// As [`Batch::find`], and [`EngineError::SnapshotExpired`].
    pub fn find(&self, keys: &[Key], out: &mut Lookups) -> Result<(), EngineError> {
        let _ = (keys, out);
        todo!()
    }
}
