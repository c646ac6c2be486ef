//! What enters, and what does not: a scenario for each reason of the pool's own.

use std::collections::BTreeSet;

use mvs_consensus::error::Rejection;
use mvs_consensus::script::{CacheUse, SigCache};
use mvs_consensus::tx::PoolConflict;
use mvs_node::mempool::{
    FeeRate, Holds, LooseTx, MempoolConfig, Origin, PolicyConfig, Reject, RemovalReason,
};
use mvs_primitives::address::Address;
use mvs_primitives::amount::Amount;
use mvs_primitives::attachment::DidStatus;
use mvs_primitives::hash::hash160;
use mvs_primitives::input::OutPoint;
use mvs_primitives::output::Output;
use mvs_primitives::script::{Opcode, Script, ScriptBuilder};
use mvs_primitives::transaction::Transaction;
use testkit::build::BlockDraft;
use testkit::build::person::{ALICE, BOB, CAROL, MINER, Person, bound, etp};
use testkit::build::tx::TxDraft;

use super::check;
use super::support::{World, params, permissive, tip_of};

/// One unit above the least fee.
const FEE: u64 = 10_001;

#[test]
fn a_chain_of_payments_enters_and_is_mined() {
    let mut world = World::new(permissive());
    let coin = world.coins[0];
    let first = world.pay(&[coin], 2, FEE);
    let output = world.take(&first);
    let second = world.pay(&[output], 1, 20_000);
    world.take(&second);
    check::consistent(&world);
    assert_eq!(world.pool.len(), 2);
    let entry = world.pool.get(&second.txid()).unwrap();
    assert_eq!(entry.ancestors().count, 2);
    assert_eq!(entry.ancestors().fees, Amount::from_units(FEE + 20_000));
    assert_eq!((entry.first_seen_secs(), entry.fee().units()), (world.now, 20_000));
    let outcome = world.mine(vec![first, second]);
    assert_eq!(outcome.confirmed.len(), 2);
    assert!(outcome.removed.is_empty() && world.pool.is_empty());
}

#[test]
fn a_good_payment_passes_the_policy_of_a_public_node() {
    let mut world = World::new(MempoolConfig::default());
    let usual = world.pay(&world.coins[..2], 2, 10_000);
    world.take(&usual);
    let many = world.pay(&world.coins[2..200], 1, 10_000);
    world.take(&many);
    let entry = world.pool.get(&many.txid()).unwrap();
    assert!(entry.rate() < FeeRate::from_units_per_thousand_bytes(1_000));
}

type Scenario = fn() -> Reject;

/// A scenario for each of [`Reject::CODES`] that a transaction can meet. (`pool.claims_twice` cannot
/// be met as long as the rules on single transactions are what they are; a unit test asks it.)
const SCENARIOS: &[(&str, Holds, Scenario)] = &[
    ("pool.known", Holds::Tip, known),
    ("pool.confirmed", Holds::Chain, confirmed),
    ("pool.double_spend", Holds::Tip, double_spend),
    ("pool.no_such_output", Holds::Always, no_such_output),
    ("pool.redeem_script", Holds::Always, redeem_script),
    ("pool.supply_overflow", Holds::Tip, supply_overflow),
    ("pool.unconfirmed_time_lock", Holds::Tip, unconfirmed_time_lock),
    ("pool.size", Holds::Policy, size),
    ("pool.output_form", Holds::Policy, output_form),
    ("pool.input_form", Holds::Policy, input_form),
    ("pool.spent_form", Holds::Policy, spent_form),
    ("pool.sigops", Holds::Policy, sigops),
    ("pool.hash_cost", Holds::Policy, hash_cost),
    ("pool.dust", Holds::Policy, dust),
    ("pool.fee_rate", Holds::Policy, fee_rate),
    ("pool.special_fee", Holds::Policy, special_fee),
    ("pool.miner_share", Holds::Policy, miner_share),
    ("pool.fee_floor", Holds::Tip, fee_floor),
    ("pool.full", Holds::Tip, full),
    ("pool.ancestors", Holds::Tip, ancestors),
    ("pool.ancestor_bytes", Holds::Tip, ancestor_bytes),
    ("pool.descendants", Holds::Tip, descendants),
    ("pool.descendant_bytes", Holds::Tip, descendant_bytes),
    ("pool.claimed", Holds::Tip, claimed),
    ("pool.did_in_motion", Holds::Tip, did_in_motion),
    ("pool.did_in_use", Holds::Tip, did_in_use),
    ("script.eval_false", Holds::Always, bad_script),
];

#[test]
fn each_reason_is_given_and_says_how_long_it_holds() {
    for (code, holds, scenario) in SCENARIOS {
        let reject = scenario();
        assert_eq!((reject.code(), reject.holds()), (*code, *holds), "{reject}");
        assert_eq!(reject.is_policy(), code.starts_with("pool."), "{code}");
        assert_eq!(reject.is_misbehaviour(), code.starts_with("script."), "{code}");
    }
    let found: BTreeSet<&str> = SCENARIOS.iter().map(|(code, ..)| *code).collect();
    let all: BTreeSet<&str> = Reject::CODES.iter().chain(&PoolConflict::CODES).copied().collect();
    let missing: Vec<_> = all.difference(&found).collect();
    assert_eq!(missing, [&"pool.claims_twice"]);
}

fn policy(change: impl FnOnce(&mut PolicyConfig)) -> MempoolConfig {
    let mut config = permissive();
    change(&mut config.policy);
    config
}

fn known() -> Reject {
    let mut world = World::new(permissive());
    let tx = world.pay(&world.coins[..1], 1, FEE);
    world.take(&tx);
    world.refused(&tx)
}

fn confirmed() -> Reject {
    let mut world = World::new(permissive());
    let tx = world.pay(&world.coins[..1], 1, FEE);
    world.mine(vec![tx.clone()]);
    world.refused(&tx)
}

fn double_spend() -> Reject {
    let mut world = World::new(permissive());
    let first = world.pay(&world.coins[..2], 1, FEE);
    world.take(&first);
    let second = world.pay(&world.coins[1..3], 1, 50 * FEE);
    world.refused(&second)
}

fn no_such_output() -> Reject {
    let mut world = World::new(permissive());
    let parent = world.pay(&world.coins[..1], 1, FEE);
    let previous = world.take(&parent);
    let draft = TxDraft::new(4).spend(world.coins[1]).spend(OutPoint { index: 1, ..previous });
    let tx = world.sign(draft.pay(ALICE.etp(1)));
    world.refused(&tx)
}

/// A redeem script that ends inside a push: no block may spend it (chain.md 4.5).
fn redeem_script() -> Reject {
    let redeem = [0x02, 0x01];
    let (mut world, previous) = holding(permissive(), Script::pay_script_hash(&hash160(&redeem)));
    let script = ScriptBuilder::new().push(&redeem).build();
    let tx = world.sign(TxDraft::new(4).spend_with(previous, script).pay(ALICE.etp(1)));
    world.refused(&tx)
}

/// A world where a block pays 10 coins to a script.
fn holding(config: MempoolConfig, script: Script) -> (World, OutPoint) {
    let mut world = World::new(config);
    let draft = TxDraft::new(1).spend(world.coins[0]);
    let tx = world.sign(draft.pay(Output::etp(etp(10), script)).rest(ALICE));
    let previous = OutPoint::new(tx.txid(), 0);
    world.mine(vec![tx]);
    (world, previous)
}

/// Free secondary issues of version 1 need no certificate, so several fit into one block.
fn supply_overflow() -> Reject {
    let mut world = World::new(permissive());
    let issue = |world: &World, coin: usize, supply: u64, threshold: u8| {
        let draft = TxDraft::new(1).spend(world.coins[coin]);
        world.sign(draft.pay(ALICE.issue("FREE", supply, threshold, "alice")).rest(ALICE))
    };
    let first = issue(&world, 0, 10, 127);
    world.mine(vec![first]);
    let second = issue(&world, 1, u64::MAX - 20, 127 + 128);
    world.take(&second);
    let third = issue(&world, 2, 10, 127 + 128);
    world.take(&third);
    let fourth = issue(&world, 3, 1, 127 + 128);
    let reject = world.refused(&fourth);
    // The same fits once there is room again, and the block with the first two is good.
    world.pool.remove(&third.txid());
    assert!(world.offer_from(&fourth, Origin::Local).is_ok());
    world.mine(vec![second, third]);
    reject
}

/// Needs a chain whose time stands still, else the rules themselves say no.
fn unconfirmed_time_lock() -> Reject {
    let mut world = World::new(permissive());
    for _ in 0..11 {
        let mut draft = BlockDraft::on(&world.chain, MINER.script(), Vec::new());
        draft.header.timestamp = world.tip().time();
        let block = draft.seal(world.chain.caches());
        world.append(&mvs_primitives::encode::Encode::to_bytes(&block));
    }
    let parent = world.pay(&world.coins[..1], 1, FEE);
    let previous = world.take(&parent);
    let waiting = |previous| TxDraft::new(4).spend_at(previous, 1 << 22).rest(ALICE);
    let confirmed = world.sign(waiting(world.coins[1]));
    world.take(&confirmed);
    let tx = world.sign(waiting(previous));
    world.refused(&tx)
}

fn size() -> Reject {
    let mut world = World::new(policy(|policy| policy.max_tx_bytes = 500));
    let small = world.pay(&world.coins[..2], 1, FEE);
    world.take(&small);
    let tx = world.pay(&world.coins[2..6], 1, FEE);
    world.refused(&tx)
}

/// A lone push is a pattern of the chain (chain.md 4.3), but pays nobody.
fn lone_push() -> Script {
    ScriptBuilder::new().op(Opcode::OP_1).build()
}

fn output_form() -> Reject {
    let mut world = World::new(MempoolConfig::default());
    let output = Output::etp(etp(1), lone_push());
    let tx = world.sign(TxDraft::new(4).spend(world.coins[0]).pay(output).rest(ALICE));
    world.refused(&tx)
}

fn input_form() -> Reject {
    let mut world = World::new(MempoolConfig::default());
    let mut tx = world.pay(&world.coins[..1], 1, FEE);
    let script = [tx.inputs[0].script.as_bytes(), &[Opcode::NOP.byte()]].concat();
    tx.inputs[0].script = Script::from_bytes(script);
    world.refused(&tx)
}

fn spent_form() -> Reject {
    let (mut world, previous) = holding(MempoolConfig::default(), lone_push());
    let tx = world.sign(TxDraft::new(4).spend_with(previous, Script::default()).pay(ALICE.etp(1)));
    world.refused(&tx)
}

fn sigops() -> Reject {
    let mut world = World::new(policy(|policy| policy.max_tx_sigops = 2));
    let two = world.pay(&world.coins[..1], 2, FEE);
    world.take(&two);
    let three = world.pay(&world.coins[1..2], 3, FEE);
    world.refused(&three)
}

fn hash_cost() -> Reject {
    // One input of about 150 bytes hashes once its size, three hash three times theirs.
    let mut world = World::new(policy(|policy| policy.max_hash_bytes = 1_000));
    let one = world.pay(&world.coins[..1], 1, FEE);
    world.take(&one);
    let three = world.pay(&world.coins[1..4], 1, FEE);
    world.refused(&three)
}

fn dust() -> Reject {
    let mut world = World::new(MempoolConfig::default());
    let pay = |world: &World, coin: usize, output: Output| {
        world.sign(TxDraft::new(4).spend(world.coins[coin]).pay(output).rest(ALICE))
    };
    let tx = pay(&world, 0, BOB.units(1));
    let reject = world.refused(&tx);
    let Reject::Dust { min, .. } = &reject else { return reject };
    let enough = pay(&world, 0, BOB.units(min.units()));
    world.take(&enough);
    // What carries something else, and what is burnt, needs no coin.
    let message = pay(&world, 1, BOB.message("hello"));
    world.take(&message);
    let burnt = ScriptBuilder::new().op(Opcode::RETURN).build();
    let burn = pay(&world, 2, Output::etp(Amount::ZERO, burnt));
    world.take(&burn);
    reject
}

fn fee_rate() -> Reject {
    let rate = FeeRate::from_units_per_thousand_bytes(100_000);
    let mut world = World::new(policy(|policy| policy.min_rate = rate));
    let tx = world.pay(&world.coins[..2], 1, FEE);
    let reject = world.refused(&tx);
    let Reject::FeeRate { min, .. } = &reject else { return reject };
    let min = min.units();
    // Signatures differ in length by a byte or two.
    let enough = world.pay(&world.coins[..2], 1, min + 500);
    world.take(&enough);
    reject
}

fn register(world: &World, fee: u64, share: u64) -> Transaction {
    let script = match params().developer_community {
        Address::KeyHash(hash) => Script::pay_key_hash(&hash),
        other => panic!("{other:?}"),
    };
    let mut draft =
        TxDraft::new(4).spend(world.coins[0]).pay(ALICE.did("alice", DidStatus::Register));
    if share > 0 {
        draft = draft.pay(Output::etp(Amount::from_units(share), script));
    }
    world.sign(draft.rest_but(ALICE, fee))
}

/// What a registration costs (chain.md 6.7).
const REGISTRATION: u64 = 100_000_000;

fn special_fee() -> Reject {
    let mut world = World::new(MempoolConfig::default());
    let short = register(&world, REGISTRATION / 2, REGISTRATION / 2 - 1);
    let reject = world.refused(&short);
    let alone = register(&world, REGISTRATION - 1, 0);
    assert_eq!(world.refused(&alone).code(), "pool.special_fee");
    let good = register(&world, REGISTRATION, 0);
    world.take(&good);
    reject
}

fn miner_share() -> Reject {
    let mut world = World::new(MempoolConfig::default());
    // The share is rounded up: just above 19 % counts as 20.
    let fee = REGISTRATION / 100 * 19;
    let tx = register(&world, fee, REGISTRATION - fee);
    let reject = world.refused(&tx);
    let good = register(&world, fee + 1, REGISTRATION - fee - 1);
    world.take(&good);
    reject
}

/// Room for two payments.
fn small_pool() -> World {
    let mut world = World::new(permissive());
    let tx = world.pay(&world.coins[..1], 1, FEE);
    world.take(&tx);
    let each = world.pool.get(&tx.txid()).unwrap().usage_bytes();
    let max_bytes = 2 * each + each / 2;
    World::new(MempoolConfig { max_bytes, ..permissive() })
}

fn fee_floor() -> Reject {
    let mut world = small_pool();
    for (coin, fee) in [(0, 2 * FEE), (1, 3 * FEE)] {
        let tx = world.pay(&world.coins[coin..=coin], 1, fee);
        world.take(&tx);
    }
    let better = world.pay(&world.coins[2..3], 1, 4 * FEE);
    let admitted = world.offer(&better).unwrap();
    let reasons: Vec<_> = admitted.evicted.iter().map(|removed| &removed.reason).collect();
    assert_eq!(reasons, [&RemovalReason::Evicted]);
    let worse = world.pay(&world.coins[3..4], 1, FEE);
    world.refused(&worse)
}

fn full() -> Reject {
    let mut world = small_pool();
    for (coin, fee) in [(0, 2 * FEE), (1, 3 * FEE)] {
        let tx = world.pay(&world.coins[coin..=coin], 1, fee);
        world.take(&tx);
    }
    let worse = world.pay(&world.coins[3..4], 1, FEE);
    let reject = world.refused(&worse);
    assert_eq!(world.pool.len(), 2);
    reject
}

/// Offers a chain of payments, each spending the one before; returns the first refusal.
fn chain(config: MempoolConfig) -> Reject {
    let mut world = World::new(config);
    let mut previous = world.coins[0];
    for _ in 0..100 {
        let tx = world.pay(&[previous], 1, FEE);
        match world.offer(&tx) {
            Ok(admitted) => previous = OutPoint::new(admitted.txid, 0),
            Err(Rejection::Rule(reject)) => {
                check::consistent(&world);
                return reject;
            }
            Err(Rejection::Fault(fault)) => panic!("{fault}"),
        }
    }
    panic!("a chain without end")
}

fn ancestors() -> Reject {
    let reject = chain(permissive());
    assert_eq!(reject, Reject::Ancestors { found: 26, max: 25 });
    reject
}

fn ancestor_bytes() -> Reject {
    chain(MempoolConfig { max_ancestor_bytes: 1_000, ..permissive() })
}

/// Offers children of one transaction until one is refused.
fn children(config: MempoolConfig) -> Reject {
    let mut world = World::new(config);
    let parent = world.pay(&world.coins[..1], 60, FEE);
    let first = world.take(&parent);
    for index in 0..60 {
        let previous = OutPoint { index, ..first };
        let tx = world.pay(&[previous, world.coins[10 + index as usize]], 1, FEE);
        if let Err(Rejection::Rule(reject)) = world.offer(&tx) {
            check::consistent(&world);
            return reject;
        }
    }
    panic!("children without end")
}

fn descendants() -> Reject {
    let reject = children(permissive());
    assert!(matches!(reject, Reject::Descendants { found: 26, max: 25, .. }), "{reject}");
    reject
}

fn descendant_bytes() -> Reject {
    children(MempoolConfig { max_descendant_bytes: 10_000, ..permissive() })
}

fn did(world: &World, coin: usize, person: Person, name: &str) -> Transaction {
    let draft = TxDraft::new(4).spend(world.coins[coin]);
    world.sign(draft.pay(person.did(name, DidStatus::Register)).rest(ALICE))
}

fn claimed() -> Reject {
    let mut world = World::new(permissive());
    let first = did(&world, 0, ALICE, "alice");
    world.take(&first);
    // Another name for the same address.
    let second = did(&world, 1, ALICE, "other");
    world.refused(&second)
}

/// A world in which Alice and Bob have identities.
fn with_identities() -> World {
    let mut world = World::new(permissive());
    let alice = did(&world, 0, ALICE, "alice");
    let coins = world.sign(TxDraft::new(4).spend(world.coins[1]).pay(BOB.etp(50)).rest(ALICE));
    let previous = OutPoint::new(coins.txid(), 0);
    let identity = OutPoint::new(alice.txid(), 0);
    world.mine(vec![alice, coins]);
    let draft = TxDraft::new(4).spend(previous).pay(BOB.did("bob", DidStatus::Register));
    let bob = world.sign(draft.rest(BOB));
    world.mine(vec![bob]);
    world.coins[0] = identity;
    world
}

fn to_bob(world: &World) -> Transaction {
    let output = bound(BOB.etp(1), "bob", "alice");
    world.sign(TxDraft::new(4).spend(world.coins[2]).pay(output).rest(ALICE))
}

fn to_carol(world: &mut World) -> Transaction {
    let coins = world.sign(TxDraft::new(4).spend(world.coins[3]).pay(CAROL.etp(50)).rest(ALICE));
    let previous = OutPoint::new(coins.txid(), 0);
    world.mine(vec![coins]);
    let draft = TxDraft::new(4).spend(world.coins[0]).spend(previous);
    world.sign(draft.pay(CAROL.did("alice", DidStatus::Transfer)).rest(CAROL))
}

fn did_in_motion() -> Reject {
    let mut world = with_identities();
    let moving = to_carol(&mut world);
    world.take(&moving);
    let named = to_bob(&world);
    world.refused(&named)
}

fn did_in_use() -> Reject {
    let mut world = with_identities();
    let named = to_bob(&world);
    world.take(&named);
    let moving = to_carol(&mut world);
    world.refused(&moving)
}

fn bad_script() -> Reject {
    let mut world = World::new(permissive());
    let mut tx = world.pay(&world.coins[..1], 2, FEE);
    tx.outputs[1].value = Amount::from_units(5);
    world.refused(&tx)
}

#[test]
fn what_was_refused_is_not_looked_at_again_until_it_may_hold() {
    let mut world = World::new(permissive());
    let mut bad = world.pay(&world.coins[..1], 2, FEE);
    bad.outputs[1].value = Amount::from_units(5);
    assert_eq!(world.refused(&bad).code(), "script.eval_false");
    for _ in 0..2 {
        let again = world.refused(&bad);
        assert_eq!(again, Reject::Cached { code: "script.eval_false", holds: Holds::Always });
        assert_eq!(again.code(), "script.eval_false");
        world.mine_empty(1);
    }
    // The operator gets the whole answer.
    let whole = world.offer_from(&bad, Origin::Local).unwrap_err();
    assert!(matches!(whole, Rejection::Rule(Reject::Script { input: 0, .. })), "{whole}");

    let held = world.pay(&world.coins[1..2], 1, FEE);
    let holder = world.pay(&world.coins[1..3], 1, FEE);
    world.take(&holder);
    assert_eq!(world.refused(&held).code(), "pool.double_spend");
    world.pool.remove(&holder.txid());
    world.take(&held); // to find that out costs a look, so it is not remembered

    let early = world.sign(TxDraft::new(4).spend_at(world.coins[5], 5).rest(ALICE));
    assert_eq!(world.refused(&early).code(), "tx.sequence_locked");
    let cached = Reject::Cached { code: "tx.sequence_locked", holds: Holds::Tip };
    assert_eq!(world.refused(&early), cached);
    world.mine_empty(4);
    world.take(&early);
}

#[test]
fn a_missing_parent_is_asked_for_again_at_once() {
    let mut world = World::new(permissive());
    let parent = world.pay(&world.coins[..1], 1, FEE);
    world.take(&parent);
    let child = world.pay(&[OutPoint::new(parent.txid(), 0)], 1, FEE);
    world.pool.remove(&parent.txid());
    let reject = world.refused(&child);
    assert!(reject.is_missing_parent() && !reject.is_misbehaviour(), "{reject}");
    assert_eq!((reject.code(), reject.holds()), ("tx.input_missing", Holds::Tip));
    world.take(&parent);
    world.take(&child);
}

#[test]
fn a_verdict_from_an_older_tip_or_pool_is_asked_again() {
    let mut world = World::new(permissive());
    let parent = world.pay(&world.coins[..1], 1, FEE);
    let child_of = |world: &World| world.pay(&[OutPoint::new(parent.txid(), 0)], 1, FEE);
    world.take(&parent);
    let child = child_of(&world);
    let verify = |world: &World| {
        let staged = world.pool.stage(LooseTx::from(child.clone()), Origin::Peer).unwrap();
        staged.verify(&world.tip(), &world.pool.config().policy, CacheUse::Off)
    };
    // The parent is mined in the meantime: the child's coin is in the chain now.
    let verdict = verify(&world);
    world.mine(vec![parent.clone()]);
    let tip = tip_of(&world.chain);
    world.pool.admit(&tip, verdict, world.now).expect("it is still good");
    check::consistent(&world);

    // The parent leaves in the meantime.
    let mut world = World::new(permissive());
    world.take(&parent);
    let verdict = verify(&world);
    world.pool.remove(&parent.txid());
    let tip = tip_of(&world.chain);
    let refused = world.pool.admit(&tip, verdict, world.now).unwrap_err();
    assert!(matches!(refused, Rejection::Rule(ref reject) if reject.is_missing_parent()));

    // A block spends its coin in the meantime.
    let mut world = World::new(permissive());
    let (loose, mined) =
        (world.pay(&world.coins[..1], 1, FEE), world.pay(&world.coins[..1], 2, FEE));
    let staged = world.pool.stage(LooseTx::from(loose), Origin::Peer).unwrap();
    let verdict = staged.verify(&world.tip(), &world.pool.config().policy, CacheUse::Off);
    world.mine(vec![mined]);
    let tip = tip_of(&world.chain);
    let refused = world.pool.admit(&tip, verdict, world.now).unwrap_err();
    assert!(matches!(refused, Rejection::Rule(ref reject) if reject.is_missing_parent()));

    // Another transaction of the pool spends it in the meantime.
    let mut world = World::new(permissive());
    let (one, other) = (world.pay(&world.coins[..1], 1, FEE), world.pay(&world.coins[..1], 2, FEE));
    let staged = world.pool.stage(LooseTx::from(one), Origin::Peer).unwrap();
    let verdict = staged.verify(&world.tip(), &world.pool.config().policy, CacheUse::Off);
    world.take(&other);
    let tip = tip_of(&world.chain);
    let refused = world.pool.admit(&tip, verdict, world.now).unwrap_err();
    assert!(matches!(refused, Rejection::Rule(Reject::DoubleSpend { .. })));
}

#[test]
fn signatures_are_remembered_for_the_block() {
    let mut world = World::new(permissive());
    world.signatures = SigCache::new([9; 32], 1 << 10);
    let tx = world.pay(&world.coins[..3], 1, FEE);
    world.take(&tx);
    // With the cache filled by the pool, the block is judged without a signature operation that
    // could fail: spoil none, and read the cache.
    let block = World::block(&world.chain, vec![tx.clone()]);
    world.append(&block);
    let mut empty = World::new(permissive());
    let staged = empty.pool.stage(LooseTx::from(tx), Origin::Peer).unwrap();
    let verdict =
        staged.verify(&empty.tip(), &PolicyConfig::PERMISSIVE, CacheUse::Read(&world.signatures));
    assert!(verdict.error().is_none());
    empty.take(verdict.tx().transaction());
}

#[test]
fn old_transactions_expire_with_what_depends_on_them() {
    let mut world = World::new(MempoolConfig { expiry_secs: 100, ..permissive() });
    let parent = world.pay(&world.coins[..1], 1, FEE);
    let previous = world.take(&parent);
    world.now += 60;
    let child = world.pay(&[previous], 1, FEE);
    world.take(&child);
    let other = world.pay(&world.coins[1..2], 1, FEE);
    world.take(&other);
    world.now += 40;
    assert!(world.pool.expire(world.now).is_empty());
    world.now += 1;
    let removed = world.pool.expire(world.now);
    let ids: Vec<_> = removed.iter().map(|removed| removed.tx.txid()).collect();
    assert_eq!(ids, [parent.txid(), child.txid()]);
    assert!(removed.iter().all(|removed| removed.reason == RemovalReason::Expired));
    check::consistent(&world);
    assert!(world.pool.contains(&other.txid()));
}
