//! What must hold of a pool at every time, computed the slow way.

use std::collections::{BTreeSet, HashMap, HashSet};

use mvs_consensus::script::CacheUse;
use mvs_node::mempool::{Entry, Mempool, Origin, Totals};
use mvs_node::mining::{Payout, TemplateConfig, WorkTemplate};
use mvs_primitives::amount::Amount;
use mvs_primitives::encode::Encode as _;
use mvs_primitives::hash::TxId;
use testkit::build::person::MINER;
use testkit::build::seal_header;
use testkit::chain::FAR_FUTURE;

use super::support::{World, permissive};

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

/// Checks that all of a pool holds at its tip: another pool takes it anew, scripts and all.
pub(crate) fn all_hold(world: &World) {
    let mut config = permissive();
    config.max_bytes = usize::MAX;
    config.max_ancestors = u32::MAX;
    config.max_ancestor_bytes = u64::MAX;
    config.max_descendants = u32::MAX;
    config.max_descendant_bytes = u64::MAX;
    let mut other = Mempool::new(config);
    let tip = world.tip();
    for entry in world.pool.in_order() {
        let cache = CacheUse::Read(&world.signatures);
        let taken = other.accept(&tip, entry.tx().clone(), Origin::Local, cache, world.now);
        let txid = entry.txid();
        assert!(taken.is_ok(), "{txid}: {taken:?}");
        let again = other.get(&txid).expect("it was taken");
        assert_eq!(again.fee(), entry.fee());
        assert_eq!(again.own(), entry.own());
        assert_eq!(again.ancestors(), entry.ancestors());
        assert_eq!(again.usage_bytes(), entry.usage_bytes());
    }
}

/// Checks that a block made of the pool is one that the chain takes, scripts and seal included.
pub(crate) fn template_connects(world: &World) -> WorkTemplate {
    let config = TemplateConfig::default();
    let payout = Payout::to(MINER.script());
    let template = WorkTemplate::build(&world.tip(), &world.pool, &config, &payout, world.clock())
        .expect("a work block may come");
    assert!(template.refused().is_empty(), "{:?} were refused", template.refused());
    let mut header = template.header().clone();
    seal_header(&mut header, world.chain.caches());
    let block = template.solve(header.nonce, header.mix_hash);
    let connected = world.chain.judge(&block.to_bytes(), FAR_FUTURE).expect("the block is good");
    assert_eq!(connected.fees(), template.fees());
    assert!(block.nominal_size() <= world.chain.params().limits.block_bytes);
    template
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
