//! What must hold of a pool at every time, computed the slow way.

use std::collections::{BTreeSet, HashMap, HashSet};

use mvs_node::mempool::{Entry, Totals};
use mvs_primitives::amount::Amount;
use mvs_primitives::hash::TxId;

use super::support::World;

/// Checks a pool against its chain and against itself.
pub(crate) fn consistent(world: &World) {
    let pool = &world.pool;
    let entries: HashMap<TxId, &Entry> = pool.iter().map(|entry| (entry.txid(), entry)).collect();
    assert_eq!(entries.len(), pool.len());
    let mut spent = HashSet::new();
    for entry in entries.values() {
        let mut parents = BTreeSet::new();
        for input in &entry.transaction().inputs {
            assert!(spent.insert(input.previous), "{} is spent twice", input.previous);
            assert_eq!(pool.spender(&input.previous).map(Entry::txid), Some(entry.txid()));
            assert!(world.find(&input.previous).is_some(), "{} is missing", input.previous);
            if entries.contains_key(&input.previous.txid) {
                parents.insert(input.previous.txid);
            }
        }
        assert_eq!(BTreeSet::from_iter(pool.parents(entry)), parents);
        for parent in parents {
            assert!(pool.children(entries[&parent]).contains(&entry.txid()));
        }
    }
    for entry in entries.values() {
        assert_eq!(*entry.ancestors(), family(&entries, entry, |entry| pool.parents(entry)));
        assert_eq!(*entry.descendants(), family(&entries, entry, |entry| pool.children(entry)));
        assert!(entry.ancestors().count <= pool.config().max_ancestors);
    }
    let stats = pool.stats(world.now);
    assert_eq!(stats.transactions, entries.len());
    assert_eq!(stats.usage_bytes, entries.values().map(|entry| entry.usage_bytes()).sum::<usize>());
    assert!(stats.usage_bytes <= stats.max_bytes);
    assert_eq!(stats.total, sum(entries.values().copied()));
    let order = pool.in_order();
    assert_eq!(order.len(), entries.len());
    let mut before = HashSet::new();
    for entry in order {
        assert!(pool.parents(entry).iter().all(|parent| before.contains(parent)));
        before.insert(entry.txid());
    }
}

fn sum<'a>(entries: impl Iterator<Item = &'a Entry>) -> Totals {
    let mut totals = Totals::default();
    let mut fees = 0;
    for entry in entries {
        totals.count += 1;
        totals.bytes += entry.bytes();
        totals.sigops += entry.own().sigops;
        totals.p2sh_sigops += entry.own().p2sh_sigops;
        fees += entry.fee().units();
    }
    Totals { fees: Amount::from_units(fees), ..totals }
}

fn family(
    entries: &HashMap<TxId, &Entry>,
    start: &Entry,
    next: impl Fn(&Entry) -> Vec<TxId>,
) -> Totals {
    let mut found = HashSet::from([start.txid()]);
    let mut open = vec![start.txid()];
    while let Some(txid) = open.pop() {
        for other in next(entries[&txid]) {
            if found.insert(other) {
                open.push(other);
            }
        }
    }
    sum(found.iter().map(|txid| entries[txid]))
}
