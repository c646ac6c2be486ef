//! A bounded number of light caches, each built once, shared by all threads that verify.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::backend::Isa;
use crate::{Backend, Epoch, LightCache, PowError, Work, verify_many};

/// Caches of the epochs in use.
///
/// It never holds more than its capacity, those being built included; the least recently used gives
/// way. A cache that a caller still holds lives on beside the set until dropped.
///
/// # Locking
/// One lock, held only to look and to note, never while a cache is being built. Whoever finds an
/// epoch absent builds it; others who want the same one sleep until it is there. A builder waits for
/// nobody while its places are taken, so waiting always ends. If a builder fails or panics its places are freed
/// and one of the sleepers builds.
pub struct CacheSet {
    isa: Isa,
    /// Builds caches: [`LightCache::build_with`], or what a test puts in its place.
    generate: Box<Generate>,
    capacity: usize,
    places: Mutex<Places>,
    changed: Condvar,
}

type Generate = dyn Fn(Isa, &[Epoch]) -> Result<Vec<LightCache>, PowError> + Send + Sync;

#[derive(Debug, Default)]
struct Places {
    taken: Vec<Place>,
    clock: u64,
}

#[derive(Debug)]
struct Place {
    epoch: Epoch,
    last_used: u64,
    /// Absent while it is being built.
    cache: Option<LightCache>,
}

impl CacheSet {
    /// An empty set for at most this many caches (at least one), on the fastest code path.
    pub fn new(capacity: usize) -> Self {
        Self::with_isa(Isa::best(), capacity)
    }

    /// An empty set that works on a code path of the caller's choice.
    ///
    /// # Errors
    /// [`PowError::BackendUnavailable`].
    pub fn on(backend: Backend, capacity: usize) -> Result<Self, PowError> {
        Ok(Self::with_isa(Isa::new(backend)?, capacity))
    }

    fn with_isa(isa: Isa, capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self {
            isa,
            generate: Box::new(LightCache::build_with),
            capacity,
            places: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// The most caches held at a time.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The epochs whose caches are ready, least recently used first.
    pub fn ready(&self) -> Vec<Epoch> {
        let mut places = self.lock();
        places.taken.sort_by_key(|place| place.last_used);
        let ready = places.taken.iter().filter(|place| place.cache.is_some());
        ready.map(|place| place.epoch).collect()
    }

    /// The cache of an epoch; builds it, or waits for whoever is building it.
    ///
    /// # Errors
    /// [`PowError::OutOfMemory`] if it had to be built.
    pub fn get(&self, epoch: Epoch) -> Result<LightCache, PowError> {
        let mut places = self.lock();
        loop {
            if let Some(place) = places.find(epoch) {
                if let Some(cache) = &place.cache {
                    return Ok(cache.clone());
                }
            } else if places.claim(epoch, self.capacity) {
                drop(places);
                return Ok(self.build(&[epoch])?.remove(0));
            }
            places = self.changed.wait(places).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Builds the caches of these epochs that are absent, as many together as there is room for.
    ///
    /// To build the next epoch ahead, call this from a thread of your own with that epoch, on a set
    /// with room for two. Epochs beyond the capacity are left for later.
    ///
    /// # Errors
    /// [`PowError::OutOfMemory`].
    pub fn prepare(&self, epochs: &[Epoch]) -> Result<(), PowError> {
        let mut wanted = Vec::new();
        for epoch in epochs {
            if wanted.len() < self.capacity && !wanted.contains(epoch) {
                wanted.push(*epoch);
            }
        }
        let mut places = self.lock();
        // Touched first, so that those already there do not give way to the others.
        let absent: Vec<_> = wanted.into_iter().filter(|e| places.find(*e).is_none()).collect();
        let claimed: Vec<_> =
            absent.into_iter().filter(|e| places.claim(*e, self.capacity)).collect();
        drop(places);
        if claimed.is_empty() { Ok(()) } else { self.build(&claimed).map(drop) }
    }

    /// Checks many seals of any epochs. Gives one answer per seal, in order.
    ///
    /// Seals of one epoch are checked together; absent caches are built together as far as the
    /// capacity goes.
    ///
    /// # Errors
    /// Those of [`crate::verify`] and of [`CacheSet::get`], each in its place.
    pub fn verify_many(&self, works: &[Work]) -> Vec<Result<(), PowError>> {
        let mut verdicts: Vec<_> = works.iter().map(crate::quick_check).collect();
        let mut passed: Vec<usize> = (0..works.len()).filter(|i| verdicts[*i].is_ok()).collect();
        passed.sort_by_key(|i| works[*i].epoch);
        let groups: Vec<_> = passed.chunk_by(|a, b| works[*a].epoch == works[*b].epoch).collect();
        for groups in groups.chunks(self.capacity) {
            let epochs: Vec<_> = groups.iter().map(|group| works[group[0]].epoch).collect();
            // A failure is seen again, and reported in its place, by `get`.
            let _ = self.prepare(&epochs);
            for (group, epoch) in groups.iter().zip(epochs) {
                match self.get(epoch) {
                    Ok(cache) => {
                        let batch: Vec<_> = group.iter().map(|i| works[*i]).collect();
                        for (i, verdict) in group.iter().zip(verify_many(&cache, &batch)) {
                            verdicts[*i] = verdict;
                        }
                    }
                    Err(PowError::OutOfMemory { bytes }) => {
                        for i in *group {
                            verdicts[*i] = Err(PowError::OutOfMemory { bytes });
                        }
                    }
                    Err(other) => {
                        unreachable!("building a cache can only run out of memory: {other}")
                    }
                }
            }
        }
        verdicts
    }

    /// Builds the claimed epochs together and fills their places, or frees them.
    fn build(&self, claimed: &[Epoch]) -> Result<Vec<LightCache>, PowError> {
        let guard = Claim { set: self, epochs: claimed };
        let built = (self.generate)(self.isa, claimed)?;
        let mut places = self.lock();
        for (epoch, cache) in claimed.iter().zip(&built) {
            if let Some(place) = places.find(*epoch) {
                place.cache = Some(cache.clone());
            }
        }
        drop(places);
        drop(guard);
        Ok(built)
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        // Every change under the lock is a single step: a panic elsewhere leaves nothing half done.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for CacheSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CacheSet").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

impl Places {
    /// The place of an epoch, now the most recently used.
    fn find(&mut self, epoch: Epoch) -> Option<&mut Place> {
        self.clock += 1;
        let place = self.taken.iter_mut().find(|place| place.epoch == epoch)?;
        place.last_used = self.clock;
        Some(place)
    }

    /// Takes a place for an epoch that has none; not if all are being built.
    fn claim(&mut self, epoch: Epoch, capacity: usize) -> bool {
        if self.taken.len() >= capacity {
            let finished = self.taken.iter().enumerate().filter(|(_, p)| p.cache.is_some());
            let Some((oldest, _)) = finished.min_by_key(|(_, p)| p.last_used) else {
                return false;
            };
            self.taken.swap_remove(oldest);
        }
        self.clock += 1;
        self.taken.push(Place { epoch, last_used: self.clock, cache: None });
        true
    }
}

/// On drop, frees the claimed places that were not filled and wakes the sleepers.
struct Claim<'a> {
    set: &'a CacheSet,
    epochs: &'a [Epoch],
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut places = self.set.lock();
        places.taken.retain(|p| p.cache.is_some() || !self.epochs.contains(&p.epoch));
        drop(places);
        self.set.changed.notify_all();
    }
}

#[cfg(test)]
mod tests;
