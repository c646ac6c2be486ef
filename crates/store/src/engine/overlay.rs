//! What a batch has changed and the index does not know yet.
//!
//! An open-addressed table whose slots follow the order of hashes, so that reading it from front to
//! back visits the index almost in order.

use super::table::Touched;
use crate::mmap::Pairs;

/// Slots at first; a power of two.
const SLOTS_MIN: usize = 1 << 10;

/// Set in a slot's second word when the pair is to be added to the index.
const PRESENT: u64 = 1 << 62;
/// Set in a slot's second word when the pair is to be taken out of the index.
const ABSENT: u64 = 1 << 63;

/// Changes against the index: for each (hash, position) at most one.
///
/// # Invariants
/// A pair that is `Present` is not in the index; one that is `Absent` is. A change back to what the
/// index holds removes the entry.
pub(super) struct Overlay {
    /// Hash, and position with a flag; zeros when free.
    slots: Pairs,
    len: usize,
}

/// What the overlay says of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Present(u64),
    Absent(u64),
}

impl Overlay {
    /// With room for about `changes` changes.
    pub(super) fn with_room(changes: usize) -> Self {
        let slots = (changes / 5).saturating_mul(8).next_power_of_two().max(SLOTS_MIN);
        Self { slots: Pairs::zeroed(slots), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn home(&self, hash: u64) -> usize {
        // At least 2^10 slots and at most as many as fit the address space.
        (hash >> (64 - self.slots.len().trailing_zeros())) as usize
    }

    #[inline]
    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }

    /// Reads the slots where look-ups of these hashes start, so that they are in the cache: the reads
    /// do not wait for each other, as those of look-ups one after the other do.
    #[inline]
    pub(super) fn touch(&self, hashes: impl Iterator<Item = u64>) {
        let sum = hashes.fold(0, |sum, hash| sum ^ self.slots[self.home(hash)][1]);
        std::hint::black_box(sum);
    }

    /// All changes under a hash.
    #[inline]
    pub(super) fn of(&self, hash: u64) -> impl Iterator<Item = Change> + '_ {
        let mut at = self.home(hash);
        std::iter::from_fn(move || {
            loop {
                let [slot_hash, state] = self.slots[at];
                if state == 0 {
                    return None;
                }
                at = self.next(at);
                if slot_hash == hash {
                    return Some(if state & ABSENT != 0 {
                        Change::Absent(state & !ABSENT)
                    } else {
                        Change::Present(state & !PRESENT)
                    });
                }
            }
        })
    }

    fn find(&self, hash: u64, state: u64) -> Option<usize> {
        let mut at = self.home(hash);
        loop {
            let slot = self.slots[at];
            if slot == [hash, state] {
                return Some(at);
            }
            if slot[1] == 0 {
                return None;
            }
            at = self.next(at);
        }
    }

    fn insert(&mut self, hash: u64, state: u64) {
        if self.len >= self.slots.len() / 8 * 5 {
            let bigger = Pairs::zeroed(self.slots.len() * 2);
            let old = std::mem::replace(&mut self.slots, bigger);
            for &[hash, state] in old.iter().filter(|slot| slot[1] != 0) {
                self.put(hash, state);
            }
        }
        self.put(hash, state);
        self.len += 1;
    }

    fn put(&mut self, hash: u64, state: u64) {
        let mut at = self.home(hash);
        while self.slots[at][1] != 0 {
            at = self.next(at);
        }
        self.slots[at] = [hash, state];
    }

    /// Frees a slot, and moves later ones of the run up so that all can still be found.
    fn free(&mut self, mut hole: usize) {
        let mask = self.slots.len() - 1;
        let mut at = hole;
        loop {
            at = self.next(at);
            let [hash, state] = self.slots[at];
            if state == 0 {
                break;
            }
            // It may move into the hole unless its home lies between the hole and itself.
            let home = self.home(hash);
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.slots[hole] = [hash, state];
                hole = at;
            }
        }
        self.slots[hole] = [0, 0];
        self.len -= 1;
    }

    /// Adds the pair; `false` if the overlay says already that it is there.
    #[must_use]
    pub(super) fn add(&mut self, hash: u64, position: u64) -> bool {
        if let Some(at) = self.find(hash, position | ABSENT) {
            self.free(at);
            return true;
        }
        if self.find(hash, position | PRESENT).is_some() {
            return false;
        }
        self.insert(hash, position | PRESENT);
        true
    }

    /// Takes the pair out; `in_index` says whether the index holds it. `false` if it is out already.
    #[must_use]
    pub(super) fn take(&mut self, hash: u64, position: u64, in_index: bool) -> bool {
        if let Some(at) = self.find(hash, position | PRESENT) {
            self.free(at);
            return true;
        }
        if !in_index || self.find(hash, position | ABSENT).is_some() {
            return false;
        }
        self.insert(hash, position | ABSENT);
        true
    }

    /// All changes, almost in the order of their hashes.
    pub(super) fn changes(&self) -> impl Iterator<Item = Touched> + '_ {
        self.slots.iter().filter(|slot| slot[1] != 0).map(|&[hash, state]| Touched {
            hash,
            payload: state & !(PRESENT | ABSENT),
            present: state & PRESENT != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::sim::SimRng;

    #[test]
    fn behaves_as_a_map_of_net_changes() {
        let mut rng = SimRng::new(5);
        let mut overlay = Overlay::with_room(0);
        let mut index: BTreeMap<u64, u64> = BTreeMap::new();
        // Few different hashes, so that runs and wrapping at the end are met.
        let hash_of = |n: u64| u64::MAX - (n % 700) * (u64::MAX / 900);
        let mut live: BTreeMap<u64, u64> = BTreeMap::new();
        for n in 0..300 {
            index.insert(n, hash_of(n));
            live.insert(n, hash_of(n));
        }
        for _ in 0..if cfg!(miri) { 300 } else { 20_000 } {
            let n = rng.below(1200);
            let hash = hash_of(n);
            if live.remove(&n).is_some() {
                assert!(overlay.take(hash, n, index.contains_key(&n)));
                assert!(!overlay.take(hash, n, index.contains_key(&n)));
            } else {
                assert!(overlay.add(hash, n));
                live.insert(n, hash);
            }
        }
        let mut net = index.clone();
        for change in overlay.changes() {
            if change.present {
                assert!(net.insert(change.payload, change.hash).is_none());
            } else {
                assert_eq!(net.remove(&change.payload), Some(change.hash));
            }
        }
        assert_eq!(net, live);
        assert_eq!(overlay.changes().count(), overlay.len());
        for (&n, &hash) in &live {
            let here = overlay.of(hash).any(|c| c == Change::Present(n));
            assert_eq!(here, !index.contains_key(&n));
        }
    }
}
