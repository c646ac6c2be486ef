//! The coins at one tip, while the writer goes on.
//!
//! A snapshot reads the present index and takes back what was changed since: each commit leaves a
//! layer of net changes for as long as a snapshot from before it lives. Segments stay because
//! the snapshot holds them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::EngineError;
use super::codec::{offset_of, segment_of};
use super::find::{Seeds, read_coin};
use super::log::SegmentSet;
use super::table::{Candidates, Table, Touched};
use super::types::{Found, Key, Lookups, Tip};
use crate::backing::{Backing, Disk};

/// What the writer shares with readers.
pub(super) struct Shared<D: Disk> {
    pub(super) seeds: Seeds,
    pub(super) index: Table<D>,
    /// Held by the writer while it brings the index from one tip to the next.
    published: Mutex<Published<D>>,
    layers: Mutex<Layers>,
    poisoned: AtomicBool,
}

pub(super) struct Published<D: Disk> {
    pub(super) tip: Option<Tip>,
    pub(super) segments: Arc<SegmentSet<D>>,
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
        Self {
            seeds,
            index,
            published: Mutex::new(Published { tip, segments }),
            layers: Mutex::default(),
            poisoned: AtomicBool::new(false),
        }
    }

    pub(super) fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
    }

    pub(super) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    pub(super) fn published(&self) -> MutexGuard<'_, Published<D>> {
        lock(&self.published)
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
        Self { held: self.held.clone(), tip: self.tip, segments: Arc::clone(&self.segments) }
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
    /// [`EngineError::SnapshotExpired`].
    pub fn find(&self, keys: &[Key], out: &mut Lookups) -> Result<(), EngineError> {
        const GROUP: usize = 32;
        let shared = &*self.held.shared;
        out.found.clear();
        out.values.clear();
        out.found.reserve(keys.len());
        for group in keys.chunks(GROUP) {
            let mut steps: [(u64, Candidates); GROUP] = std::array::from_fn(|_| Default::default());
            for (key, step) in group.iter().zip(&mut steps) {
                step.0 = shared.seeds.hash(key);
                shared.index.prefetch(step.0);
            }
            for (hash, candidates) in steps.iter_mut().take(group.len()) {
                *candidates = shared.index.candidates(*hash)?;
                if let Some(position) = candidates.iter().next()
                    && let Some(segment) = self.segments.get(segment_of(position))
                {
                    segment.file.prefetch(u64::from(offset_of(position)));
                    segment.file.prefetch(u64::from(offset_of(position)) + 64);
                }
            }
            // After the index was read: whatever changed it before that is in these layers.
            let layers = self.layers()?;
            for (key, (hash, candidates)) in group.iter().zip(&steps) {
                let found = self.resolve(key, *hash, candidates, &layers, out)?;
                out.found.push(found);
            }
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

    fn resolve(
        &self,
        key: &Key,
        hash: u64,
        candidates: &Candidates,
        layers: &[Arc<Vec<Touched>>],
        out: &mut Lookups,
    ) -> Result<Option<Found>, EngineError> {
        // The oldest change of a position tells whether it was there before.
        // Changes under all hashes that the index cannot tell apart from this one count.
        let shift = self.held.shared.index.hash_shift();
        let mut changed: Vec<Touched> = Vec::new();
        for layer in layers {
            let start = layer.partition_point(|change| change.hash >> shift < hash >> shift);
            for change in layer[start..].iter().take_while(|c| c.hash >> shift == hash >> shift) {
                if !changed.iter().any(|c| c.payload == change.payload) {
                    changed.push(*change);
                }
            }
        }
        let removed = changed.iter().filter(|c| !c.present).map(|c| c.payload);
        let kept =
            candidates.iter().filter(|position| !changed.iter().any(|c| c.payload == *position));
        for position in removed.chain(kept) {
            let coin = read_coin(&self.segments, position)?;
            if coin.key == *key {
                let value_start = out.values.len();
                out.values.extend_from_slice(coin.value());
                return Ok(Some(Found {
                    hash,
                    position,
                    digest: coin.digest,
                    batch: 0,
                    in_index: true,
                    value_start,
                    value_bytes: out.values.len() - value_start,
                }));
            }
        }
        Ok(None)
    }
}
