//! The registry against consensus' state in memory, over a history in which everything happens.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fmt::Debug;
use std::sync::Arc;

use mvs_consensus::params::Params;
use mvs_consensus::state::MemoryState;
use mvs_pow::CacheSet;
use mvs_store::codec::{decode_coin, encode_coin};
use mvs_store::registry::{Histories, Registry, RegistryDelta};
use testkit::chain::{FAR_FUTURE, MemoryChain};
use testkit::history::History;

const BLOCKS: u32 = 2_000;

fn chain(seed: u64, blocks: u32) -> MemoryChain {
    let caches = Arc::new(CacheSet::new(1));
    let mut chain = MemoryChain::new(Params::devnet(), Arc::clone(&caches));
    let raw = History::generate(seed, blocks, caches);
    if let Err((index, refusal)) = chain.append_all(&raw, FAR_FUTURE) {
        panic!("block {index}: {refusal}");
    }
    chain
}

fn histories<'a, K: Ord + Debug + PartialEq + 'a, S: Debug + PartialEq + Clone + 'a>(
    ours: impl Iterator<Item = (&'a K, Vec<S>)>,
    theirs: impl Iterator<Item = (&'a K, &'a [S])>,
) {
    let ours: Vec<_> = ours.collect();
    let theirs: Vec<_> = theirs.map(|(key, records)| (key, records.to_vec())).collect();
    assert_eq!(ours, theirs);
}

fn each<K: Ord, S: Clone>(all: &Histories<K, S>) -> impl Iterator<Item = (&K, Vec<S>)> {
    all.iter().map(|(key, history)| (key, history.iter().cloned().collect()))
}

fn assert_same(registry: &Registry, state: &MemoryState) {
    histories(each(registry.assets()), state.assets());
    histories(each(registry.certs()), state.certs());
    histories(each(registry.dids()), state.dids());
    histories(each(registry.mits()), state.mits());
    let mut theirs: Vec<_> = state.all_stake_deposits().collect();
    theirs.sort_unstable_by_key(|(address, deposit)| (**address, deposit.outpoint));
    assert_eq!(registry.deposits().collect::<Vec<_>>(), theirs);
}

#[test]
fn the_registry_is_that_of_the_state_in_memory() {
    let chain = chain(0x0051_0e55, BLOCKS);
    let mut state = MemoryState::new();
    let mut registry = Registry::new();
    let mut redone = Registry::new();
    let mut digests = vec![registry.digest()];
    let mut changed = 0;
    for (number, block) in chain.blocks().iter().enumerate() {
        let delta = block.delta();
        registry.apply(delta).unwrap();
        state.apply(delta).unwrap();
        let mut bytes = Vec::new();
        RegistryDelta::of(delta).to_disk(&mut bytes);
        changed += usize::from(!bytes.is_empty());
        redone.redo(&RegistryDelta::from_disk(&bytes).unwrap()).unwrap();
        assert_eq!(redone.digest(), registry.digest());
        digests.push(registry.digest());
        if number % 250 == 0 {
            assert_same(&registry, &state);
            assert_eq!(redone, registry);
            assert_eq!(Registry::from_disk(&registry.to_disk()).unwrap(), registry);
        }
    }
    assert!(changed > 1_000, "only {changed} blocks change the registry");
    assert_same(&registry, &state);
    assert_eq!(redone, registry);
    for (number, block) in chain.blocks().iter().enumerate().rev() {
        assert_eq!(Some(registry.digest()), digests.pop());
        registry.undo(&RegistryDelta::of(block.delta())).unwrap();
        state.undo(block.delta()).unwrap();
        if number % 250 == 0 {
            assert_same(&registry, &state);
        }
    }
    assert_eq!(registry, Registry::new());
    assert_eq!(state, MemoryState::new());
}

#[test]
fn every_coin_of_a_history_comes_back_and_is_small() {
    let chain = chain(0x0051_0e55, 600);
    let (mut coins, mut bytes) = (0u64, 0u64);
    for (_, coin) in chain.state().coins() {
        let mut stored = Vec::new();
        encode_coin(coin, &mut stored);
        assert_eq!(decode_coin(&stored).unwrap(), *coin);
        coins += 1;
        bytes += stored.len() as u64;
    }
    println!("{coins} coins, {} bytes each on average", bytes / coins);
    assert!(coins > 300);
    // Attachments with long texts and multisig scripts are over-represented in made-up histories.
    assert!(bytes / coins < 120, "{}", bytes / coins);
}
