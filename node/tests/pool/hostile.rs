//! People who mean harm: floods, crowds of conflicts, dear scripts, long reorganisations.

use mvs_consensus::error::Rejection;
use mvs_node::mempool::{FeeRate, MempoolConfig, PolicyConfig, Reject, RemovalReason};
use mvs_primitives::amount::Amount;
use mvs_primitives::attachment::DidStatus;
use mvs_primitives::hash::hash160;
use mvs_primitives::input::OutPoint;
use mvs_primitives::output::Output;
use mvs_primitives::script::{Opcode, Script, ScriptBuilder};
use mvs_primitives::text::Text;
use mvs_primitives::transaction::Transaction;
use testkit::build::person::{ALICE, etp};
use testkit::build::tx::TxDraft;

use super::check;
use super::support::{World, params, permissive};

const FEE: u64 = 10_000;

#[test]
fn a_flood_stays_within_the_limit_and_gets_dearer() {
    let max_bytes = 100_000;
    let config = MempoolConfig { max_bytes, ..MempoolConfig::default() };
    let mut world = World::with_params(params(), config, 600);
    let (mut evicted, mut below_floor, mut full) = (0, 0, 0);
    let start = world.pool.floor_rate(world.now);
    for coin in 0..600 {
        // Fees all over the place, none above ten times the least.
        let fee = FEE + coin as u64 * 7_919 % 600 * 150;
        let tx = world.pay(&world.coins[coin..=coin], 1, fee);
        match world.offer(&tx) {
            Ok(admitted) => evicted += admitted.evicted.len(),
            Err(Rejection::Rule(Reject::FeeFloor { .. })) => below_floor += 1,
            Err(Rejection::Rule(Reject::Full)) => full += 1,
            Err(other) => panic!("{other}"),
        }
        let stats = world.pool.stats(world.now);
        assert!(stats.usage_bytes <= max_bytes, "{stats:?}");
    }
    check::consistent(&world);
    assert!(evicted + below_floor + full > 400, "{evicted} {below_floor} {full}");
    assert!(below_floor > 50 && world.pool.floor_rate(world.now) > start);
    // Once it is over, the price falls to what it was.
    assert_eq!(world.pool.floor_rate(world.now + 24 * 3_600), start);
}

#[test]
fn what_pays_well_is_not_driven_out_by_its_poor_following() {
    let probe = {
        let mut world = World::new(permissive());
        let tx = world.pay(&world.coins[..1], 1, FEE);
        world.take(&tx);
        world.pool.get(&tx.txid()).unwrap().usage_bytes()
    };
    let config = MempoolConfig { max_bytes: 12 * probe, ..permissive() };
    let mut world = World::new(config);
    let rich = world.pay(&world.coins[..1], 1, 50 * FEE);
    let mut previous = world.take(&rich);
    let mut tail = Vec::new();
    for _ in 0..8 {
        let tx = world.pay(&[previous], 1, FEE);
        previous = world.take(&tx);
        tail.push(tx);
    }
    for coin in 1..12 {
        let tx = world.pay(&world.coins[coin..=coin], 1, 5 * FEE);
        world.take(&tx);
    }
    check::consistent(&world);
    assert!(world.pool.contains(&rich.txid()), "it pays ten times as much as the newcomers");
    assert!(!world.pool.contains(&tail[7].txid()), "the end of its tail pays least of all");
}

#[test]
fn one_coin_is_spent_once_however_many_try() {
    let mut world = World::new(permissive());
    let first = world.pay(&world.coins[..1], 1, FEE);
    world.take(&first);
    for coin in 1..200 {
        let inputs = [world.coins[coin], world.coins[0]];
        let tx = world.pay(&inputs, 1, FEE + coin as u64);
        assert_eq!(world.refused(&tx).code(), "pool.double_spend");
    }
    assert_eq!(world.pool.len(), 1);
    assert_eq!(world.pool.stats(world.now).remembered_rejections, 0);
}

#[test]
fn a_name_is_claimed_once_however_many_try() {
    let mut world = World::new(permissive());
    let claim = |world: &World, coin: usize| {
        let draft = TxDraft::new(4).spend(world.coins[coin]);
        world.sign(draft.pay(ALICE.did("wanted", DidStatus::Register)).rest(ALICE))
    };
    let first = claim(&world, 0);
    world.take(&first);
    for coin in 1..150 {
        let tx = claim(&world, coin);
        assert_eq!(world.refused(&tx).code(), "pool.claimed");
    }
    world.pool.remove(&first.txid());
    let next = claim(&world, 200);
    world.take(&next);
    assert_eq!(world.pool.len(), 1);
}

/// A signature that cannot hold: if the scripts were run, they would say so.
fn spoilt(mut tx: Transaction) -> Transaction {
    let output = tx.outputs.iter_mut().find(|output| output.value.units() > 0).unwrap();
    output.value = Amount::from_units(output.value.units() - 1);
    tx
}

#[test]
fn dear_hashing_is_refused_before_a_script_runs() {
    // 250 inputs of a transaction of 250 inputs and a text of 250 bytes for each: each input
    // hashes all of it.
    let config = MempoolConfig {
        policy: PolicyConfig { max_hash_bytes: 20_000_000, ..PolicyConfig::default() },
        ..MempoolConfig::default()
    };
    let mut world = World::new(config);
    let text = Text::new([b'x'; 250]).unwrap();
    let inputs: Vec<OutPoint> = world.coins[..250].to_vec();
    let mut draft = TxDraft::new(4);
    for input in &inputs {
        draft = draft.spend(*input);
        draft = draft.pay(ALICE.message(std::str::from_utf8(text.as_bytes()).unwrap()));
    }
    let tx = spoilt(world.sign(draft.pay(ALICE.etp(1)).rest_but(ALICE, 100 * FEE)));
    let reject = world.refused(&tx);
    let Reject::HashCost { found, .. } = reject else { panic!("{reject}") };
    assert!(found > 20_000_000 && found < 40_000_000, "{found}");
}

#[test]
fn old_scripts_full_of_signature_operations_are_counted_before_they_run() {
    // An output of the old days: hundreds of signature checks, each over a code of its own.
    let mut script = ScriptBuilder::new();
    for _ in 0..60 {
        script = script
            .op(Opcode::DUP)
            .op(Opcode::CODESEPARATOR)
            .push(&ALICE.key())
            .op(Opcode::CHECKSIG)
            .op(Opcode::DROP);
    }
    let crowded = script.op(Opcode::OP_1).build();
    let mut world = World::new(permissive());
    let draft = TxDraft::new(1).spend(world.coins[0]).pay(Output::etp(etp(10), crowded));
    let holder = world.sign(draft.rest(ALICE));
    let previous = OutPoint::new(holder.txid(), 0);
    world.mine(vec![holder]);
    let spend = TxDraft::new(4).spend_with(previous, ScriptBuilder::new().push(&[1; 20]).build());
    let tx = world.sign(spend.pay(ALICE.etp(1)));
    let bytes = tx.nominal_size();
    // A policy for usual forms does not touch it; one that takes everything still bounds the work.
    let mut strict = World::on(world.chain.clone(), super::support::pool(MempoolConfig::default()));
    assert_eq!(strict.refused(&tx).code(), "pool.spent_form");
    let policy = PolicyConfig { max_hash_bytes: 59 * bytes, ..PolicyConfig::PERMISSIVE };
    let config = MempoolConfig { policy, ..permissive() };
    let mut bounded = World::on(world.chain.clone(), super::support::pool(config));
    let reject = bounded.refused(&tx);
    assert_eq!(reject, Reject::HashCost { found: 60 * bytes, max: 59 * bytes });
}

#[test]
fn a_redeem_script_that_counts_much_is_refused_before_it_runs() {
    // 15 multisigs of unknown size count 20 each.
    let mut redeem = ScriptBuilder::new();
    for _ in 0..15 {
        redeem = redeem.op(Opcode::CHECKMULTISIG);
    }
    let redeem = redeem.build();
    let lock = Script::pay_script_hash(&hash160(redeem.as_bytes()));
    let mut world = World::new(permissive());
    let draft = TxDraft::new(4).spend(world.coins[0]).pay(Output::etp(etp(10), lock));
    let holder = world.sign(draft.rest(ALICE));
    let previous = OutPoint::new(holder.txid(), 0);
    world.mine(vec![holder]);
    let policy = PolicyConfig { max_tx_sigops: 299, ..PolicyConfig::PERMISSIVE };
    let config = MempoolConfig { policy, ..permissive() };
    let mut world = World::on(world.chain, super::support::pool(config));
    let script = ScriptBuilder::new().push(redeem.as_bytes()).build();
    let tx = world.sign(TxDraft::new(4).spend_with(previous, script).pay(ALICE.etp(1)));
    assert_eq!(world.refused(&tx), Reject::Sigops { found: 300, max: 299 });
}

#[test]
fn a_wide_family_leaves_at_once() {
    let mut world = World::new(MempoolConfig {
        max_descendants: 300,
        max_descendant_bytes: 1_000_000,
        ..permissive()
    });
    let parent = world.pay(&world.coins[..1], 200, FEE);
    let first = world.take(&parent);
    for index in 0..199 {
        let tx = world.pay(&[OutPoint { index, ..first }], 1, FEE);
        world.take(&tx);
    }
    check::consistent(&world);
    let rival = world.pay(&world.coins[..1], 1, FEE);
    let outcome = world.mine(vec![rival]);
    assert_eq!(outcome.removed.len(), 200);
    assert_eq!(outcome.removed[0].tx.txid(), parent.txid());
    assert!(outcome.removed.iter().all(|removed| removed.reason == RemovalReason::Conflict));
}

#[test]
fn a_chain_of_payments_longer_than_allowed_comes_back_as_far_as_allowed() {
    let mut world = World::new(permissive());
    let mut previous = world.coins[0];
    for _ in 0..30 {
        let txs: Vec<Transaction> = (0..2)
            .map(|_| {
                let tx = world.pay(&[previous], 1, FEE);
                previous = OutPoint::new(tx.txid(), 0);
                world.offer(&tx).expect("it follows a confirmed one");
                tx
            })
            .collect();
        world.mine(txs);
    }
    let outcome = world.reorganise(30, (0..31).map(|_| Vec::new()).collect());
    assert_eq!(outcome.returned.len(), 25);
    assert_eq!(world.pool.len(), 25);
    check::all_hold(&world);
}

#[test]
fn a_long_reorganisation_brings_back_no_more_than_there_is_room() {
    let mut world = World::new(MempoolConfig { max_bytes: 40_000, ..permissive() });
    for block in 0..40 {
        let coins = 5 * block..5 * block + 5;
        let txs: Vec<Transaction> =
            coins.map(|coin| world.pay(&world.coins[coin..=coin], 1, FEE + coin as u64)).collect();
        world.mine(txs);
    }
    let outcome = world.reorganise(40, (0..41).map(|_| Vec::new()).collect());
    let stats = world.pool.stats(world.now);
    assert!(stats.usage_bytes <= 40_000 && stats.transactions > 20, "{stats:?}");
    assert_eq!(outcome.returned.len(), stats.transactions);
    check::all_hold(&world);
    check::template_connects(&world);
}

#[test]
fn a_fee_of_all_the_coin_there_is_breaks_nothing() {
    let mut world = World::new(permissive());
    let all = world.coins.clone();
    let tx = world.sign(
        all.iter().fold(TxDraft::new(4), |draft, coin| draft.spend(*coin)).pay(ALICE.units(1)),
    );
    world.take(&tx);
    let entry = world.pool.get(&tx.txid()).unwrap();
    assert_eq!(entry.fee(), Amount::from_units(all.len() as u64 * 100 * 100_000_000 - 1));
    assert!(entry.rate() > FeeRate::from_units_per_thousand_bytes(1_000_000));
    check::consistent(&world);
    check::template_connects(&world);
}
