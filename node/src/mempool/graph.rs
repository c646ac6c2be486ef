//! The transactions of the pool, how they depend on each other, and in which order they come.
//!
//! Nothing here knows a rule. What enters is known to spend no output that another entry spends.

use std::collections::{BTreeSet, HashMap};

use mvs_primitives::hash::TxId;
use mvs_primitives::input::OutPoint;
use mvs_primitives::transaction::Transaction;

use super::entry::{Entry, Id, Totals};
use super::rate::FeeRate;

/// Entries with their links and indices.
///
/// # Invariants
/// * No output is spent by two entries.
/// * An entry enters after its parents and leaves with its descendants, or after its ancestors.
/// * `ancestors` and `descendants` of each entry are the sums over what the links reach, each
///   entry once, itself included.
/// * `usage_bytes` and `total` are the sums over all entries.
#[derive(Debug, Default)]
pub(super) struct Graph {
    slots: Vec<Option<Entry>>,
    free: Vec<Id>,
    by_txid: HashMap<TxId, Id>,
    spenders: HashMap<OutPoint, Id>,
    /// Worst first: by the better of own rate and rate with all descendants; of equals the
    /// youngest.
    by_worth: BTreeSet<(FeeRate, std::cmp::Reverse<u64>, Id)>,
    /// Best last: by rate with all ancestors; of equals the oldest.
    by_package: BTreeSet<(FeeRate, std::cmp::Reverse<u64>, Id)>,
    total: Totals,
    usage_bytes: usize,
    sequence: u64,
}

impl Graph {
    pub(super) fn len(&self) -> usize {
        self.by_txid.len()
    }

    pub(super) const fn usage_bytes(&self) -> usize {
        self.usage_bytes
    }

    pub(super) const fn total(&self) -> &Totals {
        &self.total
    }

    pub(super) fn id_of(&self, txid: &TxId) -> Option<Id> {
        self.by_txid.get(txid).copied()
    }

    pub(super) fn get(&self, id: Id) -> Option<&Entry> {
        self.slots.get(slot(id))?.as_ref()
    }

    pub(super) fn by_txid(&self, txid: &TxId) -> Option<&Entry> {
        self.get(self.id_of(txid)?)
    }

    /// Returns who spends an output.
    pub(super) fn spender(&self, outpoint: &OutPoint) -> Option<Id> {
        self.spenders.get(outpoint).copied()
    }

    /// Iterates over all entries, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Id, &Entry)> {
        (0..).zip(&self.slots).filter_map(|(id, slot)| Some((id, slot.as_ref()?)))
    }

    /// Iterates over all entries, that with the best package rate first.
    pub(super) fn best_first(&self) -> impl Iterator<Item = (FeeRate, Id)> {
        self.by_package.iter().rev().map(|(rate, _, id)| (*rate, *id))
    }

    /// Returns the entry that the pool can best do without, and what it is worth.
    pub(super) fn worst(&self) -> Option<(FeeRate, Id)> {
        self.by_worth.first().map(|(rate, _, id)| (*rate, *id))
    }

    /// Returns the parents that a transaction has in the pool, each once.
    pub(super) fn parents_of(&self, transaction: &Transaction) -> Vec<Id> {
        let mut parents: Vec<Id> =
            transaction.inputs.iter().filter_map(|i| self.id_of(&i.previous.txid)).collect();
        parents.sort_unstable();
        parents.dedup();
        parents
    }

    /// Collects all that the given entries depend on, these included, each once; stops when there
    /// are more than `most`.
    pub(super) fn with_ancestors(&self, start: &[Id], most: usize) -> Vec<Id> {
        self.reach(start, most, |entry| &entry.parents)
    }

    /// Collects all that depends on the given entries, these included, each once.
    pub(super) fn with_descendants(&self, start: &[Id]) -> Vec<Id> {
        self.reach(start, usize::MAX, |entry| &entry.children)
    }

    fn reach<'a>(
        &'a self,
        start: &[Id],
        most: usize,
        next: impl Fn(&'a Entry) -> &'a Vec<Id>,
    ) -> Vec<Id> {
        let mut found = start.to_vec();
        // Chains are short, so looking through the list is enough; long lists get a set.
        let mut seen = std::collections::HashSet::new();
        let mut position = 0;
        while let Some(id) = found.get(position).copied() {
            position += 1;
            let Some(entry) = self.get(id) else { continue };
            for other in next(entry) {
                let is_new = if found.len() <= 32 {
                    !found.contains(other)
                } else {
                    if seen.is_empty() {
                        seen.extend(found.iter().copied());
                    }
                    seen.insert(*other)
                };
                if is_new {
                    found.push(*other);
                }
                if found.len() > most {
                    return found;
                }
            }
        }
        found
    }

    /// Adds an entry whose parents are there and whose children are not. `parents` are those of
    /// [`Graph::parents_of`], `ancestors` all that they reach, themselves included. Sums, links and
    /// sequence of the entry are set here.
    pub(super) fn insert(&mut self, mut entry: Entry, parents: Vec<Id>, ancestors: &[Id]) -> Id {
        let id = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            // Each entry takes hundreds of bytes of a pool whose bytes are bounded.
            Id::try_from(self.slots.len() - 1).unwrap_or(Id::MAX)
        });
        let own = entry.own;
        entry.ancestors = own;
        entry.descendants = own;
        entry.sequence = self.sequence;
        self.sequence += 1; // 2^64 entries never come
        for ancestor in ancestors {
            if let Some(ancestor) = self.get(*ancestor) {
                entry.ancestors.add(&ancestor.own);
            }
            self.change(*ancestor, |ancestor| ancestor.descendants.add(&own));
        }
        for parent in &parents {
            if let Some(Some(parent)) = self.slots.get_mut(slot(*parent)) {
                parent.children.push(id);
            }
        }
        entry.parents = parents;
        self.by_txid.insert(entry.txid(), id);
        for input in &entry.transaction().inputs {
            self.spenders.insert(input.previous, id);
        }
        self.total.add(&own);
        self.usage_bytes += entry.usage_bytes;
        self.by_worth.insert(worth_key(&entry, id));
        self.by_package.insert(package_key(&entry, id));
        if let Some(place) = self.slots.get_mut(slot(id)) {
            *place = Some(entry);
        }
        id
    }

    /// Changes the sums of an entry and puts it in its new place in the orders.
    fn change(&mut self, id: Id, change: impl FnOnce(&mut Entry)) {
        let Some(Some(entry)) = self.slots.get_mut(slot(id)) else { return };
        let (worth, package) = (worth_key(entry, id), package_key(entry, id));
        change(entry);
        let (new_worth, new_package) = (worth_key(entry, id), package_key(entry, id));
        if worth != new_worth {
            self.by_worth.remove(&worth);
            self.by_worth.insert(new_worth);
        }
        if package != new_package {
            self.by_package.remove(&package);
            self.by_package.insert(new_package);
        }
    }

    /// Takes out an entry with all that depends on it, parents before children.
    pub(super) fn remove_with_descendants(&mut self, id: Id) -> Vec<Entry> {
        let mut leaving = self.with_descendants(&[id]);
        leaving.sort_by_key(|id| self.get(*id).map_or(0, |entry| entry.ancestors.count));
        for gone in leaving.iter().rev() {
            // From the last child up, so that no entry here is left with a child.
            self.detach_leaf(*gone);
        }
        leaving.into_iter().filter_map(|id| self.take(id)).collect()
    }

    /// Subtracts an entry without children from all that it depends on, and unlinks it.
    fn detach_leaf(&mut self, id: Id) {
        let Some(entry) = self.get(id) else { return };
        let (own, parents) = (entry.own, entry.parents.clone());
        for ancestor in self.with_ancestors(&parents, usize::MAX) {
            self.change(ancestor, |ancestor| ancestor.descendants.subtract(&own));
        }
        for parent in parents {
            if let Some(Some(parent)) = self.slots.get_mut(slot(parent)) {
                parent.children.retain(|child| *child != id);
            }
        }
    }

    /// Takes out an entry and leaves what depends on it: a block holds it now. What depended on its
    /// parents through it goes on to do so.
    pub(super) fn remove_alone(&mut self, id: Id) -> Option<Entry> {
        let entry = self.get(id)?;
        let (own, parents, children) = (entry.own, entry.parents.clone(), entry.children.clone());
        for descendant in self.with_descendants(&children) {
            self.change(descendant, |descendant| descendant.ancestors.subtract(&own));
        }
        for ancestor in self.with_ancestors(&parents, usize::MAX) {
            self.change(ancestor, |ancestor| ancestor.descendants.subtract(&own));
        }
        for child in &children {
            if let Some(Some(child)) = self.slots.get_mut(slot(*child)) {
                relink(&mut child.parents, id, &parents);
            }
        }
        for parent in &parents {
            if let Some(Some(parent)) = self.slots.get_mut(slot(*parent)) {
                relink(&mut parent.children, id, &children);
            }
        }
        self.take(id)
    }

    /// Takes an entry out of all indices.
    fn take(&mut self, id: Id) -> Option<Entry> {
        let entry = self.slots.get_mut(slot(id))?.take()?;
        self.free.push(id);
        self.by_txid.remove(&entry.txid());
        for input in &entry.transaction().inputs {
            self.spenders.remove(&input.previous);
        }
        self.by_worth.remove(&worth_key(&entry, id));
        self.by_package.remove(&package_key(&entry, id));
        self.total.subtract(&entry.own);
        self.usage_bytes = self.usage_bytes.saturating_sub(entry.usage_bytes);
        Some(entry)
    }

    /// Notes that a coin of an entry is in a block now.
    pub(super) fn note_coin_height(&mut self, id: Id, height: mvs_primitives::height::Height) {
        if let Some(Some(entry)) = self.slots.get_mut(slot(id)) {
            entry.youngest_coin = entry.youngest_coin.max(height);
        }
    }
}

/// Replaces a link by others, each once.
fn relink(links: &mut Vec<Id>, gone: Id, instead: &[Id]) {
    links.retain(|link| *link != gone);
    for link in instead {
        if !links.contains(link) {
            links.push(*link);
        }
    }
}

/// Ids are places in a table in memory.
const fn slot(id: Id) -> usize {
    id as usize // widening on every platform that runs a node
}

fn worth_key(entry: &Entry, id: Id) -> (FeeRate, std::cmp::Reverse<u64>, Id) {
    let worth = entry.own.rate().max(entry.descendants.rate());
    (worth, std::cmp::Reverse(entry.sequence), id)
}

fn package_key(entry: &Entry, id: Id) -> (FeeRate, std::cmp::Reverse<u64>, Id) {
    (entry.ancestors.rate(), std::cmp::Reverse(entry.sequence), id)
}
