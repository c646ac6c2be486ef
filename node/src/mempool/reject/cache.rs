//! Remembers what was refused, for as long as that holds.

use std::collections::{HashMap, VecDeque};

use mvs_primitives::hash::TxId;

use super::{Holds, Reject};

/// Rejections of one kind, oldest out first.
#[derive(Debug)]
struct Shelf {
    codes: HashMap<TxId, &'static str>,
    order: VecDeque<TxId>,
    capacity: usize,
}

impl Shelf {
    fn new(capacity: usize) -> Self {
        Self { codes: HashMap::new(), order: VecDeque::new(), capacity }
    }

    fn insert(&mut self, txid: TxId, code: &'static str) {
        if self.capacity == 0 || self.codes.insert(txid, code).is_some() {
            return;
        }
        self.order.push_back(txid);
        if self.order.len() > self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.codes.remove(&oldest);
        }
    }

    fn clear(&mut self) {
        self.codes.clear();
        self.order.clear();
    }
}

/// What was refused lately, by id. An id names a transaction with its signatures, so an answer
/// about an id is an answer about those very bytes.
///
/// # Invariants
/// Each of the four kinds holds at most the capacity; the oldest leave first.
#[derive(Debug)]
pub(crate) struct RejectCache {
    shelves: [(Holds, Shelf); 4],
}

impl RejectCache {
    /// Makes a cache for at most this many rejections of each kind.
    pub(crate) fn new(capacity: usize) -> Self {
        let kinds = [Holds::Always, Holds::Chain, Holds::Policy, Holds::Tip];
        Self { shelves: kinds.map(|holds| (holds, Shelf::new(capacity))) }
    }

    /// Remembers a rejection. What was refused for want of a parent is not kept, nor what a mere look
    /// finds out again.
    pub(crate) fn insert(&mut self, txid: TxId, reject: &Reject) {
        let is_cheap =
            matches!(reject, Reject::Known | Reject::Cached { .. } | Reject::DoubleSpend { .. });
        if is_cheap || reject.is_missing_parent() {
            return;
        }
        let wanted = reject.holds();
        for (holds, shelf) in &mut self.shelves {
            if *holds == wanted {
                shelf.insert(txid, reject.code());
            }
        }
    }

    /// Returns a rejection that still holds.
    pub(crate) fn get(&self, txid: &TxId) -> Option<Reject> {
        self.shelves.iter().find_map(|(holds, shelf)| {
            let code = shelf.codes.get(txid)?;
            Some(Reject::Cached { code, holds: *holds })
        })
    }

    /// Forgets what held at the old tip; with blocks taken back, also what held in the old chain.
    pub(crate) fn forget(&mut self, blocks_taken_back: bool) {
        for (holds, shelf) in &mut self.shelves {
            if *holds == Holds::Tip || (*holds == Holds::Chain && blocks_taken_back) {
                shelf.clear();
            }
        }
    }

    /// Returns how many rejections are remembered.
    pub(crate) fn len(&self) -> usize {
        self.shelves.iter().map(|(_, shelf)| shelf.order.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use mvs_consensus::error::TxRuleError;
    use mvs_primitives::hash::TxId;
    use mvs_primitives::input::OutPoint;

    use super::super::{Holds, Reject};
    use super::RejectCache;

    fn id(byte: u8) -> TxId {
        TxId::from_bytes([byte; 32])
    }

    fn one_of_each() -> RejectCache {
        let mut cache = RejectCache::new(10);
        cache.insert(id(1), &Reject::Rule(TxRuleError::SequenceLocked));
        cache.insert(id(2), &Reject::Rule(TxRuleError::DidNameTaken));
        cache.insert(id(3), &Reject::Rule(TxRuleError::Empty));
        cache.insert(id(4), &Reject::OutputForm { output: 0 });
        cache
    }

    #[test]
    fn each_kind_lives_as_long_as_it_holds() {
        let mut cache = one_of_each();
        let known = |cache: &RejectCache| {
            [1, 2, 3, 4].map(|n| cache.get(&id(n)).map(|reject| (reject.code(), reject.holds())))
        };
        assert_eq!(
            known(&cache),
            [
                Some(("tx.sequence_locked", Holds::Tip)),
                Some(("tx.did.name_taken", Holds::Chain)),
                Some(("tx.empty", Holds::Always)),
                Some(("pool.output_form", Holds::Policy)),
            ]
        );
        cache.forget(false);
        assert_eq!(known(&cache).map(|known| known.is_some()), [false, true, true, true]);
        cache.forget(true);
        assert_eq!(known(&cache).map(|known| known.is_some()), [false, false, true, true]);
    }

    #[test]
    fn what_waits_for_a_parent_is_not_kept() {
        let mut cache = RejectCache::new(10);
        let missing = TxRuleError::InputMissing { input: 0, previous: OutPoint::new(id(9), 0) };
        cache.insert(id(1), &Reject::Rule(missing));
        cache.insert(id(2), &Reject::Known);
        assert_eq!(cache.len(), 0);
    }

    #[test]
    fn the_oldest_leave_first() {
        let mut cache = RejectCache::new(3);
        for n in 1..=5 {
            cache.insert(id(n), &Reject::ClaimsTwice);
            cache.insert(id(n), &Reject::ClaimsTwice);
        }
        assert_eq!(cache.len(), 3);
        assert!(cache.get(&id(2)).is_none() && cache.get(&id(3)).is_some());
        assert_eq!(RejectCache::new(0).len(), 0);
    }
}
