//! Keys and bytes on disk: the log, the index, one commit point, and recovery.
//!
//! The engine knows 36-byte keys, value bytes, one opaque `extra` per block, and nothing of coins'
//! meaning.
//!
//! ```text
//! Batch --records--> log (segments) --fdatasync--> durable --learn--> index, live maps
//!   |                     ^                                                |
//!   +-- overlay           +-- Snapshot, Batch::find read coins here        v
//!       (what it changed)                                    checkpoint: sync, then a head
//! ```
//!
//! Start reading at [`Batch`] (what a block does), `commit` (when it counts) and `recover` (what a
//! crash leaves).

mod batch;
mod bytes;
mod check;
mod checkpoint;
mod clean;
mod codec;
mod commit;
mod error;
mod find;
mod head;
mod live;
mod log;
mod options;
mod overlay;
mod rebuild;
mod recover;
mod snapshot;
mod table;
mod tail;
mod types;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

pub use batch::Batch;
pub use check::VisitCoin;
pub use error::EngineError;
pub(crate) use head::rewrite;
pub use options::{Options, TableOptions};
pub use rebuild::Damaged;
pub(crate) use recover::lock;
pub use snapshot::{CoinSnapshot, Reader};
pub use table::{Candidates, HASH_BITS, Table, TableState, Touched};
pub use types::{
    BlockEntry, BodyRef, CoinDigest, Found, Key, Lookups, NewCoin, Opened, Recovery, ReplayedBlock,
    Stats, Tip, Undone,
};

use self::batch::Note;
use self::checkpoint::Running;
use self::clean::needed_bytes;
use self::head::{Limbo, SegmentEntry};
use self::log::Log;
use self::snapshot::Shared;
use self::tail::Mark;
use crate::backing::Disk;

/// Work that a checkpoint does before it counts. It may run in another thread.
pub type SyncJob = Box<dyn FnOnce() -> Result<(), EngineError> + Send>;

/// The writer. One for each open store.
pub struct Engine<D: Disk> {
    disk: D,
    options: Options,
    _lock: D::Lock,
    shared: Arc<Shared<D>>,
    log: Log<D>,
    /// What is known of each segment.
    books: BTreeMap<u16, SegmentEntry>,
    /// Positions of the block records that can be undone, lowest first; heights have no gaps, the
    /// last is the tip's.
    ring: VecDeque<u64>,
    floor: Option<u32>,
    tip: Option<Tip>,
    limbo: Vec<Limbo>,
    /// Number of the last batch.
    batches: u64,
    /// Number of the last batch that is known to be on the disk: each commit record says it, and opening holds
    /// it against where the log ends.
    durable: u64,
    mark: Mark<D>,
    /// Changes of the last batch: room for the next.
    last_changes: usize,
    since_checkpoint: u64,
    generation: u64,
    running: Option<Running>,
    moved_coins: u64,
    removed_segments: u64,
    translated_coins: u64,
    index_salt: u64,
}

impl<D: Disk> Engine<D> {
    /// The last committed block; none in an empty store.
    pub fn tip(&self) -> Option<Tip> {
        self.tip
    }

    /// The greatest height that can no longer be undone; none while all can. Never falls.
    pub fn undo_floor(&self) -> Option<u32> {
        self.floor
    }

    /// Starts a batch. Dropped without [`Batch::commit`], nothing has happened.
    ///
    /// # Errors
    /// [`EngineError::Poisoned`]; what a checkpoint in the background answered.
    pub fn batch(&mut self) -> Result<Batch<'_, D>, EngineError> {
        self.poll_checkpoint()?;
        self.writable()?;
        Ok(Batch::new(self))
    }

    /// A handle from which other threads take snapshots while the writer works.
    pub fn reader(&self) -> Reader<D> {
        Reader { shared: Arc::clone(&self.shared) }
    }

    /// The coins as of the last commit; see [`Reader::snapshot`].
    pub fn snapshot(&self) -> CoinSnapshot<D> {
        self.reader().snapshot()
    }

    /// The disk that the store lies on.
    pub fn disk(&self) -> &D {
        &self.disk
    }

    /// Sixteen bytes of this store's own randomness for one use of the caller's, which `what` names: salts and
    /// hash keys that stay the same for the life of the store.
    pub fn derived_seed(&self, what: &str) -> [u64; 2] {
        let seeds = &self.shared.seeds;
        let hash = |key: u64| {
            siphasher::sip::SipHasher13::new_with_keys(seeds.hash[0] ^ key, seeds.salt)
                .hash(what.as_bytes())
        };
        [hash(1), hash(2)]
    }

    fn writable(&self) -> Result<(), EngineError> {
        if self.shared.is_poisoned() { Err(EngineError::Poisoned) } else { Ok(()) }
    }

    /// Ends writing if the disk has failed.
    fn note_error(&self, error: &EngineError) {
        if matches!(error, EngineError::Io { .. }) {
            self.shared.poison();
        }
    }

    fn book_record(&mut self, note: &Note) {
        let book = self.books.entry(note.segment).or_default();
        book.number = note.segment;
        let begun = book.used.max(crate::layout::segment::HEADER_BYTES as u32);
        self.since_checkpoint += u64::from(note.end.saturating_sub(begun));
        book.used = note.end;
        // Within one segment: below 2^26.
        book.entries += note.entries;
        book.entry_bytes += note.entry_bytes;
        book.heights = book.heights.max(note.heights);
    }

    fn book_move(&mut self, victim: u16, to: u32) {
        if let Some(book) = self.books.get_mut(&victim) {
            book.cursor = to;
        }
    }

    /// Segments with nothing left in them.
    fn doomed(&self) -> impl Iterator<Item = &SegmentEntry> {
        self.books.values().filter(|book| book.cursor != 0 && book.cursor >= book.used)
    }

    /// Sizes and counts.
    pub fn stats(&self) -> Stats {
        let (index_slots, index_bytes, coins) = self.shared.index.sizes();
        Stats {
            coins,
            index_slots,
            index_bytes,
            segments: self.log.segments.iter().count() as u64,
            log_bytes: self.log.bytes(),
            used_bytes: self.books.values().map(|book| u64::from(book.used)).sum(),
            needed_bytes: self.books.values().map(needed_bytes).sum(),
            since_checkpoint_bytes: self.since_checkpoint,
            checkpoints: self.generation,
            moved_coins: self.moved_coins,
            removed_segments: self.removed_segments,
            translated_coins: self.translated_coins,
        }
    }
}

impl<D: Disk> Drop for Engine<D> {
    fn drop(&mut self) {
        // The lock must not go before the thread that writes the checkpoint. Its result matters no
        // more: the store is then opened as after a crash.
        let _ = self.wait_checkpoint();
        // Snapshots that are left would read what the next writer changes, of which they hear nothing.
        self.shared.tear();
    }
}

#[cfg(test)]
mod tests;
