//! Names with all of their records, in persistent maps.

use std::ops::Bound;

use mvs_consensus::error::Fault;
use rpds::{RedBlackTreeMapSync, VectorSync};

use super::record::{Kind, Record, digest_of};

/// All records of one name, oldest first. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History<S>(VectorSync<S>);

impl<S> History<S> {
    /// Returns the latest record.
    pub fn last(&self) -> Option<&S> {
        self.0.last()
    }

    /// Returns how many records there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether there is no record, which cannot be.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns a record by its number, the oldest being 0.
    pub fn get(&self, index: usize) -> Option<&S> {
        self.0.get(index)
    }

    /// Iterates over the records, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &S> {
        self.0.iter()
    }
}

/// Names in order, each with its records.
#[derive(Debug, Clone)]
pub struct Histories<K: Ord, S> {
    kind: Kind,
    map: RedBlackTreeMapSync<K, History<S>>,
}

impl<K: Ord, S: PartialEq> PartialEq for Histories<K, S> {
    fn eq(&self, other: &Self) -> bool {
        self.map == other.map
    }
}

impl<K: Ord, S> Histories<K, S> {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, map: RedBlackTreeMapSync::new_sync() }
    }

    /// Returns how many names there are.
    pub fn len(&self) -> usize {
        self.map.size()
    }

    /// Tells whether there is no name.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Returns the records of a name.
    pub fn get(&self, key: &K) -> Option<&History<S>> {
        self.map.get(key)
    }

    /// Returns the latest record of a name.
    pub fn last(&self, key: &K) -> Option<&S> {
        self.map.get(key)?.last()
    }

    /// Iterates over all names in order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &History<S>)> {
        self.map.iter()
    }

    /// Iterates over the names in order, from a bound on.
    pub fn iter_from(&self, from: Bound<K>) -> impl Iterator<Item = (&K, &History<S>)> {
        self.map.range((from, Bound::Unbounded))
    }

    /// Returns at most `limit` names with their latest records, in order: the first ones, or those
    /// after a name.
    pub fn page(&self, after: Option<&K>, limit: usize) -> Vec<(K, S)>
    where
        K: Clone,
        S: Clone,
    {
        let from = after.map_or(Bound::Unbounded, |key| Bound::Excluded(key.clone()));
        self.iter_from(from)
            .filter_map(|(key, history)| Some((key.clone(), history.last()?.clone())))
            .take(limit)
            .collect()
    }
}

impl<K: Ord + Clone + Record, S: Clone + PartialEq + Record> Histories<K, S> {
    /// Appends a record; returns the digest with it.
    pub(super) fn push(&mut self, key: &K, state: S, digest: u128) -> u128 {
        let index = self.map.get(key).map_or(0, History::len);
        let digest = digest.wrapping_add(digest_of(self.kind, key, index, &state));
        match self.map.get_mut(key) {
            Some(history) => history.0.push_back_mut(state),
            None => {
                let mut history = VectorSync::new_sync();
                history.push_back_mut(state);
                self.map.insert_mut(key.clone(), History(history));
            }
        }
        digest
    }

    /// Takes the last record away, which must be the given one; returns the digest without it.
    pub(super) fn pop(&mut self, key: &K, state: &S, digest: u128) -> Result<u128, Fault> {
        let history =
            self.map.get_mut(key).ok_or(Fault::Broken("a record to take back is not there"))?;
        if history.last() != Some(state) {
            return Err(Fault::Broken("a record to take back is not the last"));
        }
        history.0.drop_last_mut();
        let index = history.len();
        if index == 0 {
            self.map.remove_mut(key);
        }
        Ok(digest.wrapping_sub(digest_of(self.kind, key, index, state)))
    }
}
