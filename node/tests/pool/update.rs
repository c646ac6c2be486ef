//! What a new tip does to the pool: confirmation, conflicts, names, locks, reorganisations.

use mvs_consensus::params::Fork;
use mvs_node::mempool::{Reject, RemovalReason, Removed};
use mvs_primitives::attachment::DidStatus;
use mvs_primitives::encode::Encode;
use mvs_primitives::hash::TxId;
use mvs_primitives::input::OutPoint;
use mvs_primitives::transaction::Transaction;
use testkit::build::BlockDraft;
use testkit::build::person::{ALICE, bound};
use testkit::build::tx::TxDraft;

use super::support::{World, params, permissive};

const FEE: u64 = 10_000;

fn ids(removed: &[Removed]) -> Vec<TxId> {
    removed.iter().map(|removed| removed.tx.txid()).collect()
}

fn codes(removed: &[Removed]) -> Vec<&'static str> {
    let code = |removed: &Removed| match &removed.reason {
        RemovalReason::Refused(reject) => reject.code(),
        RemovalReason::Conflict => "conflict",
        other => panic!("{other:?}"),
    };
    removed.iter().map(code).collect()
}

/// A chain of payments from a coin.
fn chain(world: &mut World, coin: usize, len: usize) -> Vec<Transaction> {
    let mut previous = world.coins[coin];
    (0..len)
        .map(|_| {
            let tx = world.pay(&[previous], 1, FEE);
            previous = world.take(&tx);
            tx
        })
        .collect()
}

#[test]
fn a_block_takes_the_first_of_a_chain_and_leaves_the_rest() {
    let mut world = World::new(permissive());
    let txs = chain(&mut world, 0, 5);
    let outcome = world.mine(txs[..2].to_vec());
    assert_eq!(outcome.confirmed.len(), 2);
    assert_eq!(outcome.confirmed[0].height, world.chain.tip().height);
    assert!(outcome.removed.is_empty());
    assert_eq!(world.pool.get(&txs[2].txid()).unwrap().ancestors().count, 1);
    assert_eq!(world.pool.get(&txs[4].txid()).unwrap().ancestors().count, 3);
}

#[test]
fn a_block_may_hold_a_child_before_its_parent() {
    let mut world = World::new(permissive());
    let mut txs = chain(&mut world, 0, 4);
    let last = txs.pop().unwrap();
    txs.reverse();
    let outcome = world.mine(txs);
    assert_eq!(outcome.confirmed.len(), 3);
    assert_eq!(world.pool.get(&last.txid()).unwrap().ancestors().count, 1);
}

#[test]
fn what_conflicts_with_a_block_leaves_with_its_following() {
    let mut world = World::new(permissive());
    let txs = chain(&mut world, 0, 4);
    let other = chain(&mut world, 1, 2);
    let rival = world.pay(&world.coins[..1], 3, FEE);
    let outcome = world.mine(vec![rival]);
    assert_eq!(ids(&outcome.removed), txs.iter().map(Transaction::txid).collect::<Vec<_>>());
    assert!(outcome.removed.iter().all(|r| r.reason == RemovalReason::Conflict));
    assert_eq!(world.pool.len(), other.len());
}

#[test]
fn a_name_that_a_block_takes_is_lost_for_the_pool() {
    let mut world = World::new(permissive());
    let register = |world: &World, coin: usize, outputs: usize| {
        let draft = TxDraft::new(4)
            .spend(world.coins[coin])
            .pay(ALICE.did("alice", DidStatus::Register))
            .pay_all((0..outputs).map(|_| ALICE.etp(1)));
        world.sign(draft.rest(ALICE))
    };
    let loose = register(&world, 0, 1);
    let previous = world.take(&loose);
    let child = world.pay(&[OutPoint { index: 1, ..previous }], 1, FEE);
    world.take(&child);
    let bystander = chain(&mut world, 5, 1).remove(0);
    let outcome = world.mine(vec![register(&world, 1, 2)]);
    assert_eq!(ids(&outcome.removed), [loose.txid(), child.txid()]);
    assert_eq!(codes(&outcome.removed), ["tx.did.name_taken", "tx.input_missing"]);
    assert!(world.pool.contains(&bystander.txid()));
    // The claim left with it: the name may move.
    assert_eq!(world.refused(&register(&world, 2, 3)).code(), "tx.did.name_taken");
}

#[test]
fn transactions_of_blocks_taken_back_return_before_their_children() {
    let mut world = World::new(permissive());
    let txs = chain(&mut world, 0, 6);
    world.now += 500;
    // The first block holds a child before its parent.
    world.mine(vec![txs[1].clone(), txs[0].clone()]);
    world.mine(vec![txs[2].clone(), txs[3].clone()]);
    assert_eq!(world.pool.len(), 2);
    let outcome = world.reorganise(2, vec![vec![], vec![], vec![]]);
    let returned: Vec<TxId> = outcome.returned.iter().map(|tx| tx.txid()).collect();
    assert_eq!(returned, txs[..4].iter().map(Transaction::txid).collect::<Vec<_>>());
    assert!(outcome.removed.is_empty());
    assert_eq!(world.pool.len(), 6);
    assert_eq!(world.pool.get(&txs[5].txid()).unwrap().ancestors().count, 6);
    // Those that were here keep their age.
    assert_eq!(world.pool.get(&txs[5].txid()).unwrap().first_seen_secs(), world.now - 500);
    assert_eq!(world.pool.get(&txs[0].txid()).unwrap().first_seen_secs(), world.now);
    world.mine(txs);
    assert!(world.pool.is_empty());
}

#[test]
fn a_branch_that_spends_otherwise_takes_the_place() {
    let mut world = World::new(permissive());
    let txs = chain(&mut world, 0, 3);
    world.mine(txs[..1].to_vec());
    let rival = world.pay(&[world.coins[1]], 1, FEE);
    // The rival of the first one, made on the state before.
    let outcome = {
        let draft = TxDraft::new(4).spend(world.coins[0]).pay(ALICE.etp(7));
        let taken_back = world.chain.pop();
        let double = world.sign(draft.rest(ALICE));
        world.chain.append(&World::block(&world.chain, vec![double, rival]), u64::MAX / 2).unwrap();
        let connected = world.chain.blocks().last().unwrap().clone();
        world.follow(&[taken_back], &[connected])
    };
    assert!(outcome.returned.is_empty());
    assert_eq!(ids(&outcome.removed), [txs[1].txid(), txs[2].txid()]);
    assert_eq!(codes(&outcome.removed), ["tx.input_missing", "tx.input_missing"]);
    assert!(world.pool.is_empty());
}

#[test]
fn a_coin_that_never_was_takes_its_spenders_along() {
    let mut world = World::new(permissive());
    // A coinbase that the reorganisation takes back, spent in the pool.
    world.mine_empty(3);
    let block = world.chain.blocks()[world.chain.blocks().len() - 3].clone();
    let coinbase = OutPoint::new(block.block().txids()[0], 0);
    let spend = world
        .sign(TxDraft::new(4).spend(coinbase).pay(testkit::build::person::MINER.units(1_000_000)));
    let previous = world.take(&spend);
    let child = world.pay(&[world.coins[0]], 1, FEE);
    world.take(&child);
    // The same coinbase may come again; another miner makes another one.
    let outcome = world.reorganise(2, vec![vec![], vec![], vec![]]);
    assert!(outcome.removed.is_empty() && world.pool.get(&previous.txid).is_some());
    let taken_back: Vec<_> = (0..4).map(|_| world.chain.pop()).collect();
    let mut connected = Vec::new();
    for _ in 0..5 {
        let draft = BlockDraft::on(&world.chain, ALICE.script(), Vec::new());
        let block = draft.seal(world.chain.caches()).to_bytes();
        world.chain.append(&block, u64::MAX / 2).unwrap();
        connected.push(world.chain.blocks().last().unwrap().clone());
    }
    let outcome = world.follow(&taken_back, &connected);
    assert_eq!(ids(&outcome.removed), [spend.txid()]);
    assert!(world.pool.contains(&child.txid()));
    assert_eq!(codes(&outcome.removed), ["tx.input_missing"]);
}

#[test]
fn a_lock_that_had_run_out_holds_again_on_a_shorter_branch() {
    let mut world = World::new(permissive());
    world.mine_empty(4);
    let waiting = world.sign(TxDraft::new(4).spend_at(world.coins[0], 5).rest(ALICE));
    world.take(&waiting);
    let plain = chain(&mut world, 1, 1).remove(0);
    // A heavier branch may be shorter; here all blocks weigh the same and nobody compares.
    let outcome = world.reorganise(2, vec![vec![]]);
    assert_eq!(ids(&outcome.removed), [waiting.txid()]);
    assert_eq!(codes(&outcome.removed), ["tx.sequence_locked"]);
    assert!(world.pool.contains(&plain.txid()));
}

#[test]
fn an_identity_taken_back_takes_along_who_names_it() {
    let mut world = World::new(permissive());
    world.mine_empty(1);
    let draft = TxDraft::new(4).spend(world.coins[0]);
    let register = world.sign(draft.pay(ALICE.did("alice", DidStatus::Register)).rest(ALICE));
    world.mine(vec![register.clone()]);
    let draft = TxDraft::new(4).spend(world.coins[1]);
    let naming = world.sign(draft.pay(bound(ALICE.etp(1), "alice", "alice")).rest(ALICE));
    world.take(&naming);
    let outcome = world.reorganise(1, vec![vec![], vec![]]);
    assert_eq!(ids(&outcome.removed), [naming.txid()]);
    assert_eq!(codes(&outcome.removed), ["tx.did.to_unbound"]);
    assert!(world.pool.contains(&register.txid()));
}

#[test]
fn what_a_new_era_forbids_leaves_when_it_begins() {
    let mut params = params();
    // The world starts with three blocks.
    params.version_4_required = Fork::From(6);
    let mut world = World::with_params(params, permissive(), 10);
    let old = world.sign(TxDraft::new(1).spend(world.coins[0]).rest(ALICE));
    let new = world.sign(TxDraft::new(4).spend(world.coins[1]).rest(ALICE));
    world.take(&old);
    world.take(&new);
    assert!(world.mine(Vec::new()).removed.is_empty());
    assert!(world.mine(Vec::new()).removed.is_empty());
    let outcome = world.mine(Vec::new());
    assert_eq!(ids(&outcome.removed), [old.txid()]);
    assert_eq!(codes(&outcome.removed), ["tx.version_4_required"]);
    // Back again below the height, it may come again.
    world.reorganise(2, vec![vec![]]);
    world.take(&old);
    assert!(world.pool.contains(&new.txid()));
}

#[test]
fn a_rejection_for_this_chain_is_forgotten_with_its_blocks() {
    let mut world = World::new(permissive());
    let register = |world: &World, coin: usize| {
        let draft = TxDraft::new(4).spend(world.coins[coin]);
        world.sign(draft.pay(ALICE.did("alice", DidStatus::Register)).rest(ALICE))
    };
    let (first, second) = (register(&world, 0), register(&world, 1));
    world.mine(vec![first]);
    assert_eq!(world.refused(&second).code(), "tx.did.name_taken");
    world.mine_empty(1);
    assert!(matches!(world.refused(&second), Reject::Cached { .. }));
    let outcome = world.reorganise(2, vec![vec![], vec![], vec![]]);
    assert_eq!(outcome.returned.len(), 1);
    // The first is back and claims the name in the pool.
    assert_eq!(world.refused(&second).code(), "pool.claimed");
}
