//! A chain of 2,000 blocks in which everything happens, with reorganisations on the way.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use mvs_consensus::block::ConnectedBlock;
use mvs_consensus::params::Params;
use mvs_consensus::state::{MemoryState, StateView};
use mvs_pow::CacheSet;
use mvs_primitives::block::Block;
use mvs_primitives::encode::Encode;
use mvs_primitives::hash::TxId;
use mvs_primitives::height::Height;
use mvs_primitives::input::OutPoint;
use testkit::chain::{FAR_FUTURE, MemoryChain, Moved};
use testkit::history::{History, census};

const SEED: u64 = 0x4d56_5343;
const BLOCKS: u32 = 2_000;

static CACHES: LazyLock<Arc<CacheSet>> = LazyLock::new(|| Arc::new(CacheSet::new(1)));

fn empty_chain() -> MemoryChain {
    MemoryChain::new(Params::devnet(), Arc::clone(&CACHES))
}

fn append(chain: &mut MemoryChain, blocks: &[Vec<u8>]) {
    if let Err((index, refusal)) = chain.append_all(blocks, FAR_FUTURE) {
        panic!("block {index} after the tip: {}: {refusal}", refusal.code());
    }
}

/// What the two branches of a reorganisation fight for.
#[derive(Debug, Default)]
struct Conflicts {
    /// Outputs that both spend, in different transactions.
    spends: usize,
    /// Names of assets, certificates, identities and items that both register, with another record.
    names: usize,
}

fn conflicts(one: &[ConnectedBlock], other: &[ConnectedBlock]) -> Conflicts {
    let spenders = |blocks: &[ConnectedBlock]| -> HashMap<OutPoint, TxId> {
        let of_block = |block: &ConnectedBlock| {
            let checked = block.block();
            let pairs = checked.txids().iter().zip(&checked.block().transactions);
            let inputs = pairs.flat_map(|(txid, tx)| tx.inputs.iter().map(|i| (i.previous, *txid)));
            inputs.filter(|(previous, _)| !previous.is_null()).collect::<Vec<_>>()
        };
        blocks.iter().flat_map(of_block).collect()
    };
    let names = |blocks: &[ConnectedBlock]| -> BTreeMap<String, String> {
        let of_block = |block: &ConnectedBlock| {
            let delta = block.delta();
            let mut names = Vec::new();
            let new = |before: bool| !before;
            for change in delta.assets.iter().filter(|c| new(c.before.is_some())) {
                names.push((format!("asset {}", change.key), format!("{:?}", change.after)));
            }
            for change in delta.certs.iter().filter(|c| new(c.before.is_some())) {
                names.push((format!("cert {:?}", change.key), format!("{:?}", change.after)));
            }
            for did in delta.dids.iter().filter(|d| new(d.change.before.is_some())) {
                let change = &did.change;
                names.push((format!("did {}", change.key), format!("{:?}", change.after)));
            }
            for change in delta.mits.iter().filter(|c| new(c.before.is_some())) {
                names.push((format!("mit {}", change.key), format!("{:?}", change.after)));
            }
            names
        };
        blocks.iter().flat_map(of_block).collect()
    };
    let (one_spends, other_spends) = (spenders(one), spenders(other));
    let (one_names, other_names) = (names(one), names(other));
    Conflicts {
        spends: one_spends
            .iter()
            .filter(|(o, id)| other_spends.get(o).is_some_and(|other| other != *id))
            .count(),
        names: one_names
            .iter()
            .filter(|(name, record)| other_names.get(*name).is_some_and(|other| other != *record))
            .count(),
    }
}

/// Grows a chain by `depth` blocks, then moves it to another branch from the same fork that is one
/// block longer, and follows that branch from there on.
fn reorganise(history: &mut History, chain: &mut MemoryChain, depth: u32, seed: u64) -> Conflicts {
    let fork = chain.tip().height;
    let at_fork = chain.state().clone();
    let mut rival = history.fork(seed);
    append(chain, &history.extend(depth));
    let old_tip = chain.tip();
    let old_state = chain.state().clone();
    let above = fork.value() as usize + 1;
    let old_blocks = chain.blocks()[above..].to_vec();

    let branch = rival.extend(depth + 1);
    // As heavy is not heavier: the first seen stays.
    let equal = chain.offer_branch(fork, &branch[..depth as usize], FAR_FUTURE).unwrap();
    assert_eq!(equal, Moved { moved: false, connected: depth as usize });
    assert_eq!(chain.tip().hash, old_tip.hash);
    assert_eq!(*chain.state(), old_state, "a branch that does not win leaves no trace");
    let moved = chain.offer_branch(fork, &branch, FAR_FUTURE).unwrap();
    assert_eq!(moved, Moved { moved: true, connected: depth as usize + 1 });
    assert_eq!(chain.tip().height, rival.height());

    // The way there over the fork, one block at a time, ends in the same state.
    let mut walked = old_state;
    for block in old_blocks.iter().rev() {
        walked.undo(block.delta()).unwrap();
    }
    assert_eq!(walked, at_fork);
    for block in &chain.blocks()[above..] {
        walked.apply(block.delta()).unwrap();
    }
    assert_eq!(walked, *chain.state());
    *history = rival;
    conflicts(&old_blocks, &chain.blocks()[above..])
}

/// The chain with what was seen on its way, made once.
struct Story {
    chain: MemoryChain,
    conflicts: Vec<(u32, Conflicts)>,
}

static STORY: LazyLock<Story> = LazyLock::new(|| {
    let mut history = History::new(SEED, Arc::clone(&CACHES));
    let mut chain = empty_chain();
    let mut conflicts = Vec::new();
    append(&mut chain, &history.extend(300));
    for (stretch, depth) in [(100, 1), (200, 10), (200, 500), (0, 1)] {
        append(&mut chain, &history.extend(stretch));
        conflicts.push((depth, reorganise(&mut history, &mut chain, depth, u64::from(depth))));
    }
    let left = BLOCKS - history.height().value();
    append(&mut chain, &history.extend(left));
    Story { chain, conflicts }
});

fn final_blocks() -> Vec<Block> {
    STORY.chain.blocks()[1..].iter().map(|block| block.block().block().clone()).collect()
}

#[test]
fn the_state_reached_over_reorganisations_is_that_from_scratch() {
    let story = &*STORY;
    assert_eq!(story.chain.tip().height, Height::new(BLOCKS));
    let raw: Vec<Vec<u8>> = final_blocks().iter().map(Encode::to_bytes).collect();
    let mut fresh = empty_chain();
    append(&mut fresh, &raw);
    assert_eq!(fresh.tip().hash, story.chain.tip().hash);
    assert_eq!(fresh.state(), story.chain.state());
    for (a, b) in fresh.blocks().iter().zip(story.chain.blocks()) {
        assert_eq!(a.delta(), b.delta(), "block {}", a.block().header().height());
        assert_eq!(a.fees(), b.fees());
    }
}

#[test]
fn taking_back_every_block_leaves_nothing() {
    let mut state = STORY.chain.state().clone();
    assert!(state.coins().count() > 1_000);
    for block in STORY.chain.blocks().iter().rev() {
        state.undo(block.delta()).unwrap();
    }
    assert_eq!(state, MemoryState::new());
}

#[test]
fn the_branches_fought_for_coins_and_names() {
    for (depth, conflicts) in &STORY.conflicts {
        println!("depth {depth}: {conflicts:?}");
    }
    let deep = |depth| {
        let found = STORY.conflicts.iter().find(|(d, _)| *d == depth);
        &found.unwrap().1
    };
    assert!(deep(10).spends >= 1 && deep(10).names >= 1);
    assert!(deep(500).spends >= 300 && deep(500).names >= 50);
}

#[test]
fn everything_happens() {
    let counts = census(&final_blocks());
    for (key, count) in &counts {
        println!("{count:6} {key}");
    }
    let at_least = |least: u32, keys: &[&str]| {
        for key in keys {
            let found = counts.get(*key).copied().unwrap_or_default();
            assert!(found >= least, "{key}: {found}, at least {least} wanted");
        }
    };
    at_least(4_000, &["transactions"]);
    at_least(1_000, &["version 1", "version 2", "version 4", "asset-transfer", "asset-cert"]);
    at_least(10, &["version 0"]);
    at_least(
        10,
        &[
            "deposit for 25200",
            "deposit for 108000",
            "deposit for 331200",
            "deposit for 655200",
            "deposit for 1314000",
            "issue with threshold 0",
            "issue with threshold 50",
            "issue with threshold 100",
            "issue with threshold 127",
            "more with threshold 50",
            "more with threshold 100",
            "more with threshold 127",
            "new lock TYPE=1",
            "new lock TYPE=2",
            "new lock TYPE=3",
            "carried lock TYPE=1",
            "carried lock TYPE=2",
            "relative lock in blocks",
            "relative lock in time",
            "binding",
            "did-register",
            "did-transfer",
            "message",
            "mit registered",
            "mit transferred",
            "asset burnt",
            "minted asset",
        ],
    );
    at_least(
        3,
        &[
            "cert KYC issued",
            "cert KYC transferred",
            "cert custom issued",
            "cert custom transferred",
            "cert domain issued",
            "cert domain issued along",
            "cert domain kept",
            "cert domain transferred",
            "cert issue issued",
            "cert issue issued along",
            "cert issue kept",
            "cert issue transferred",
            "cert marriage issued",
            "cert marriage transferred",
            "cert mining issued",
            "cert mining transferred",
            "cert naming issued",
            "cert naming kept",
            "cert naming transferred",
        ],
    );
    at_least(
        10,
        &[
            "script non_standard",
            "script null_data",
            "script pay_blackhole_address",
            "script pay_key_hash",
            "script pay_key_hash_with_attenuation_model",
            "script pay_key_hash_with_lock_height",
            "script pay_multisig",
            "script pay_public_key",
            "script pay_script_hash",
            "spend sign_key_hash",
            "spend sign_multisig",
            "spend sign_public_key",
        ],
    );
}

#[test]
fn identities_move_and_their_old_homes_get_new_ones() {
    let state = STORY.chain.state();
    let mut moved = 0;
    for (name, records) in state.dids() {
        for old in records.iter().rev().skip(1).filter(|old| old.height.is_some()) {
            let here_now = state.did_of(&old.address).unwrap();
            assert!(
                here_now.as_ref() != Some(name) || records.last().unwrap().address == old.address
            );
            moved += usize::from(here_now.is_some_and(|now| now != *name));
        }
    }
    assert!(moved > 10, "only {moved} old homes were taken again");
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let blocks = |seed| History::generate(seed, 40, Arc::clone(&CACHES));
    let first = blocks(7);
    assert_eq!(first, blocks(7));
    assert_ne!(first, blocks(8));
}
