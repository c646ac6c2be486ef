//! The coins at one tip, while the writer goes on.
//!
//! A snapshot reads the present index and takes back what was changed since: each commit leaves a
//! layer of net changes for as long as a snapshot from before it lives. Segments stay because
//! the snapshot holds them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::EngineError;
use super::find::{Groups, Paces, Seeds, hash_all, look_up, read_coin};
use super::log::SegmentSet;
use super::table::{Table, TableView, Touched};
use super::types::{Found, Key, Lookups, Pending, Tip};
use crate::backing::Disk;

/// What the writer shares with readers.
pub(super) struct Shared<D: Disk> {
    pub(super) seeds: Seeds,
    pub(super) index: Table<D>,
    pub(super) pace: Paces,
    /// Held by the writer while it brings the index from one tip to the next.
    published: Mutex<Published<D>>,
    layers: Mutex<Layers>,
    poisoned: AtomicBool,
    /// The index is between two tips and stays there: nothing can be looked up any more.
    torn: AtomicBool,
}

pub(super) struct Published<D: Disk> {
    pub(super) tip: Option<Tip>,
    pub(super) segments: Arc<SegmentSet<D>>,
    /// Where the index's lines are, as of `doublings`: good for asking the processor for them without a lock.
    hints: Arc<TableView<D>>,
    doublings: u64,
}

impl<D: Disk> Published<D> {
    /// Follows the index after it has grown.
    pub(super) fn follow(&mut self, index: &Table<D>) {
        let doublings = index.doublings();
        if self.doublings != doublings {
            self.doublings = doublings;
            self.hints = Arc::new(index.view());
        }
    }
}

/// Changes since old snapshots.
#[derive(Default)]
struct Layers {
    /// Number of the first layer in the list.
    first: u64,
    list: VecDeque<Arc<Vec<Touched>>>,
    /// Snapshots by the number of the first layer that they have to take back.
    holders: BTreeMap<u64, usize>,
    changes: usize,
}

impl Layers {
    fn end(&self) -> u64 {
        self.first + self.list.len() as u64
    }

    fn pop(&mut self) {
        if let Some(layer) = self.list.pop_front() {
            self.first += 1;
            self.changes -= layer.len();
        }
    }

    /// Drops the layers that no snapshot needs.
    fn prune(&mut self) {
        let oldest = self.holders.keys().next().copied().unwrap_or(u64::MAX);
        while self.first < oldest && !self.list.is_empty() {
            self.pop();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here panics between two changes that belong together.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<D: Disk> Shared<D> {
    pub(super) fn new(
        seeds: Seeds,
        index: Table<D>,
        tip: Option<Tip>,
        segments: Arc<SegmentSet<D>>,
    ) -> Self {
        let (doublings, hints) = (index.doublings(), Arc::new(index.view()));
        Self {
            seeds,
            index,
            pace: Paces::default(),
            published: Mutex::new(Published { tip, segments, hints, doublings }),
            layers: Mutex::default(),
            poisoned: AtomicBool::new(false),
            torn: AtomicBool::new(false),
        }
    }

    pub(super) fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
    }

    /// A commit stopped while it changed the index.
    pub(super) fn tear(&self) {
        self.torn.store(true, Ordering::Release);
        self.poison();
    }

    pub(super) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    pub(super) fn published(&self) -> MutexGuard<'_, Published<D>> {
        lock(&self.published)
    }

    /// A layer's changes under all hashes that the index cannot tell apart from this one.
    fn changes_in<'a>(&self, layer: &'a [Touched], hash: u64) -> &'a [Touched] {
        let shift = self.index.hash_shift();
        let start = layer.partition_point(|change| change.hash >> shift < hash >> shift);
        let rest = &layer[start..];
        &rest[..rest.partition_point(|change| change.hash >> shift == hash >> shift)]
    }

    /// Keeps what is about to change for the snapshots that there are. The caller holds
    /// [`Shared::published`], so none is taken meanwhile.
    pub(super) fn keep_layer(&self, changes: impl Iterator<Item = Touched>, changes_max: usize) {
        if lock(&self.layers).holders.is_empty() {
            return;
        }
        let mut layer: Vec<Touched> = changes.collect();
        layer.sort_unstable_by_key(|change| change.hash);
        let mut layers = lock(&self.layers);
        layers.changes += layer.len();
        layers.list.push_back(Arc::new(layer));
        layers.prune();
        while layers.changes > changes_max && !layers.list.is_empty() {
            layers.pop();
        }
    }
}

/// Takes snapshots from any thread.
pub struct Reader<D: Disk> {
    pub(super) shared: Arc<Shared<D>>,
}

impl<D: Disk> Clone for Reader<D> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<D: Disk> Reader<D> {
    /// The coins as of the last commit. Waits while a commit changes the index.
    pub fn snapshot(&self) -> CoinSnapshot<D> {
        let published = self.shared.published();
        let mut layers = lock(&self.shared.layers);
        let from = layers.end();
        *layers.holders.entry(from).or_default() += 1;
        CoinSnapshot {
            held: Held { shared: Arc::clone(&self.shared), from },
            tip: published.tip,
            segments: Arc::clone(&published.segments),
            hints: Arc::clone(&published.hints),
        }
    }

    /// Whether an earlier failure ended writing.
    pub fn is_poisoned(&self) -> bool {
        self.shared.is_poisoned()
    }
}

/// The coins at one tip, for any number of threads, whatever the writer does.
///
/// Old snapshots cost memory: changes since are kept, up to
/// [`super::Options::snapshot_changes_max`]; beyond, the oldest answer
/// [`EngineError::SnapshotExpired`]. They also keep the disk space of segments that were cleaned
/// meanwhile.
pub struct CoinSnapshot<D: Disk> {
    held: Held<D>,
    tip: Option<Tip>,
    segments: Arc<SegmentSet<D>>,
    hints: Arc<TableView<D>>,
}

/// A snapshot's place among the layers.
struct Held<D: Disk> {
    shared: Arc<Shared<D>>,
    from: u64,
}

impl<D: Disk> Clone for Held<D> {
    fn clone(&self) -> Self {
        *lock(&self.shared.layers).holders.entry(self.from).or_default() += 1;
        Self { shared: Arc::clone(&self.shared), from: self.from }
    }
}

impl<D: Disk> Drop for Held<D> {
    fn drop(&mut self) {
        let mut layers = lock(&self.shared.layers);
        if let Some(count) = layers.holders.get_mut(&self.from) {
            *count -= 1;
            if *count == 0 {
                layers.holders.remove(&self.from);
            }
        }
        layers.prune();
    }
}

impl<D: Disk> Clone for CoinSnapshot<D> {
    fn clone(&self) -> Self {
        Self {
            held: self.held.clone(),
            tip: self.tip,
            segments: Arc::clone(&self.segments),
            hints: Arc::clone(&self.hints),
        }
    }
}

impl<D: Disk> CoinSnapshot<D> {
    /// The tip that it shows.
    pub fn tip(&self) -> Option<Tip> {
        self.tip
    }

    /// Looks coins up. `out` is cleared, then gets one answer for each key, in order; the handles
    /// are no good for spending.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] or [`EngineError::Io`], never a missing coin in their place;
    /// [`EngineError::SnapshotExpired`]; [`EngineError::Poisoned`] if the disk failed in the middle of
    /// a change of the index.
    pub fn find(&self, keys: &[Key], out: &mut Lookups) -> Result<(), EngineError> {
        let shared = &*self.held.shared;
        look_up(
            (&self.segments, &shared.pace),
            keys,
            out,
            |keys, pending| self.locate(keys, pending),
            |key, step, out| match step.several {
                false => self.read(key, step.hash, step.position, out),
                true => self.resolve_slowly(key, step.hash, out),
            },
        )
    }

    fn not_torn(&self) -> Result<(), EngineError> {
        if self.held.shared.torn.load(Ordering::Acquire) {
            Err(EngineError::Poisoned)
        } else {
            Ok(())
        }
    }

    /// Finds what the present index has for all keys, and which of them were touched since.
    fn locate(&self, keys: &[Key], pending: &mut Vec<Pending>) -> Result<(), EngineError> {
        self.not_torn()?;
        let shared = &*self.held.shared;
        hash_all(&shared.seeds, keys, pending);
        if shared.pace.index.is_slow() {
            pending.iter().for_each(|step| self.hints.will_need(step.hash));
        }
        for group in Groups::of(keys.len()) {
            // A key alone would only be asked for twice.
            for step in pending[group.next].iter().filter(|_| keys.len() > 1) {
                self.hints.prefetch(step.hash);
            }
            for step in &mut pending[group.now] {
                shared.index.for_each_candidate(step.hash, |position| {
                    step.several |= step.position != 0;
                    step.position = position;
                })?;
            }
        }
        // After the index was read: whatever changed it before that is in these layers.
        let layers = self.layers()?;
        self.not_torn()?;
        for step in pending.iter_mut().filter(|_| !layers.is_empty()) {
            let mut lists = layers.iter().map(|layer| shared.changes_in(layer, step.hash));
            step.several |= lists.any(|changes| !changes.is_empty());
        }
        Ok(())
    }

    fn layers(&self) -> Result<Vec<Arc<Vec<Touched>>>, EngineError> {
        let layers = lock(&self.held.shared.layers);
        let Some(skip) = self.held.from.checked_sub(layers.first) else {
            return Err(EngineError::SnapshotExpired);
        };
        Ok(usize::try_from(skip)
            .map_or(Vec::new(), |skip| layers.list.iter().skip(skip).map(Arc::clone).collect()))
    }

    /// Looks at every candidate, and at what was taken out since.
    #[cold]
    fn resolve_slowly(
        &self,
        key: &Key,
        hash: u64,
        out: &mut Lookups,
    ) -> Result<Option<Found>, EngineError> {
        let shared = &*self.held.shared;
        let candidates = shared.index.candidates(hash)?;
        let layers = self.layers()?;
        self.not_torn()?;
        // The oldest change of a position tells whether it was there before.
        let mut changed: Vec<Touched> = Vec::new();
        for layer in &layers {
            for change in shared.changes_in(layer, hash) {
                if !changed.iter().any(|c| c.payload == change.payload) {
                    changed.push(*change);
                }
            }
        }
        let removed = changed.iter().filter(|c| !c.present).map(|c| c.payload);
        let kept =
            candidates.iter().filter(|position| !changed.iter().any(|c| c.payload == *position));
        for position in removed.chain(kept) {
            if let Some(found) = self.read(key, hash, position, out)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The coin at a position, if it is that of the key.
    #[inline]
    fn read(
        &self,
        key: &Key,
        hash: u64,
        position: u64,
        out: &mut Lookups,
    ) -> Result<Option<Found>, EngineError> {
        let coin = read_coin(&self.segments, position)?;
        if coin.key != *key {
            return Ok(None);
        }
        Ok(Some(coin.found((hash, position, true), 0, out)))
    }
}
