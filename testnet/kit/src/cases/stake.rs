//! Stake blocks (chain.md 9), and what the stake-era chain is made of.

use std::sync::Arc;

use mvs_consensus::params::Params;
use mvs_primitives::attachment::{CertStatus, CertType, DidStatus};
use mvs_primitives::block::Block;
use mvs_primitives::input::{Input, OutPoint};
use mvs_primitives::output::Output;
use mvs_primitives::script::{Script, ScriptBuilder};
use mvs_primitives::transaction::Transaction;

use super::Cases;
use super::base::{Base, Bases, Builder};
use crate::build::person::{ALICE, BOB, FOUNDATION, Person, etp, under};
use crate::build::stake::{Kernel, StakeDraft};
use crate::build::tx::TxDraft;

/// Blocks of the lock of Alice's deposit.
const DEPOSIT_BLOCKS: u32 = 1000;

/// Block 7: Alice deposits, and two identities register.
pub(super) fn deposits(builder: &mut Builder) -> Vec<Transaction> {
    let lock = Script::pay_key_hash_with_sequence_lock(DEPOSIT_BLOCKS, &ALICE.key_hash());
    let deposit = TxDraft::new(4)
        .spend(builder.coin("alice.0"))
        .pay(under(ALICE.etp(2000), lock))
        .rest(ALICE);
    let did = |builder: &Builder, who: Person, name: &str| {
        TxDraft::new(4)
            .spend(builder.coin(&format!("{name}.1")))
            .pay(who.did(name, DidStatus::Register))
            .rest(who)
    };
    let (alice, foundation) =
        (did(builder, ALICE, "alice"), did(builder, FOUNDATION, "foundation"));
    // A lock of 4 blocks, so short that it entitles to nothing.
    let short = Script::pay_key_hash_with_sequence_lock(4, &ALICE.key_hash());
    let short = TxDraft::new(4)
        .spend(builder.coin("alice.2"))
        .pay(under(ALICE.etp(2000), short))
        .rest(ALICE);
    vec![
        builder.sign(deposit, &["deposit", "alice.young"]),
        builder.sign(alice, &["did.alice"]),
        builder.sign(foundation, &["did.foundation"]),
        builder.sign(short, &["short", ""]),
    ]
}

/// Blocks 11 and 12: the first stake block, with the foundation's transaction, and another.
pub(super) fn first_stake_blocks(builder: &mut Builder) {
    let genesis = genesis(builder.chain.params(), "first");
    let txid = genesis.txid();
    for number in 1..=2 {
        builder.coins.insert(format!("witness.{number}"), OutPoint::new(txid, number));
    }
    let staked = builder.coin("alice.3");
    let first = StakeDraft::on(&builder.chain, ALICE, staked, 0, vec![genesis]);
    builder.append(&first.finish(&builder.chain));
    let staked = builder.coin("alice.4");
    let second = StakeDraft::on(&builder.chain, ALICE, staked, 0, Vec::new());
    builder.append(&second.finish(&builder.chain));
}

/// Block 15: the one secondary certificate that this network allows for each primary one.
pub(super) fn secondary_witness(builder: &mut Builder) -> Transaction {
    let draft = witness_draft(|name| builder.coin(name), 1, "ONE", "foundation.0");
    builder.sign(draft, &["", "witness.1"])
}

/// Issues a secondary witness certificate of a primary one.
pub(super) fn witness_draft(
    coin: impl Fn(&str) -> OutPoint,
    primary: u32,
    component: &str,
    fee: &str,
) -> TxDraft {
    let primary_symbol = format!("MVS.WITNESS.{primary}");
    let symbol = format!("{primary_symbol}.{component}");
    TxDraft::new(4)
        .spend(coin(&format!("witness.{primary}")))
        .spend(coin(fee))
        .pay(ALICE.cert(&symbol, CertType::WITNESS, CertStatus::ISSUE, "alice"))
        .pay(FOUNDATION.cert(&primary_symbol, CertType::WITNESS, CertStatus::NORMAL, "foundation"))
        .rest(FOUNDATION)
}

/// The foundation's transaction in the first stake block (chain.md 9.3).
pub(super) fn genesis(params: &Params, text: &str) -> Transaction {
    let reward = Output::etp(params.pos_genesis.reward, FOUNDATION.script());
    let certs = (1..=params.pos_genesis.witness_certs).map(|number| {
        let symbol = format!("MVS.WITNESS.{number}");
        FOUNDATION.cert(&symbol, CertType::WITNESS, CertStatus::AUTO_ISSUE, "foundation")
    });
    let script = Script::from_bytes(text.as_bytes());
    let input = Input { previous: OutPoint::NULL, script, sequence: 0 };
    let outputs = std::iter::once(reward).chain(certs).collect();
    Transaction { version: 0, inputs: vec![input], outputs, locktime: 0 }
}

/// Starts a stake block of Alice's on the tip.
pub(super) fn draft(base: &Base, transactions: Vec<Transaction>) -> StakeDraft {
    StakeDraft::on(base.chain(), ALICE, base.coin("alice.10"), 0, transactions)
}

/// Makes a stake block of Alice's on the tip.
pub(super) fn plain(base: &Base, transactions: Vec<Transaction>) -> Block {
    draft(base, transactions).finish(base.chain())
}

pub(super) fn add(bases: &Bases, cases: &mut Cases) {
    let base = &bases.before_stake;
    let staking = |who: Person, coin: &str, fee: u64| {
        StakeDraft::on(base.chain(), who, base.coin(coin), fee, Vec::new()).finish(base.chain())
    };
    cases.good("stake-block", base, &staking(ALICE, "alice.10", 0));
    cases.bad("staker-without-deposit", "stake.deposit", base, &staking(BOB, "bob.0", 0));
    let fee = staking(ALICE, "alice.10", 1);
    cases.bad("coinstake-pays-a-fee", "tx.coinstake_fee", base, &fee);
    let small = super::changed(base, |params| {
        params.stake.stake_min_value = etp(1000);
    });
    cases.bad("stake-too-small", "stake.value", &small, &staking(ALICE, "alice.small", 0));
    let large = super::changed(base, |params| params.stake.stake_min_value = etp(999));
    cases.good("stake-as-small-as-allowed", &large, &staking(ALICE, "alice.small", 0));
    ages(base, cases);
    cases.bad("staked-output-is-locked", "stake.locked", base, &staking(ALICE, "deposit", 0));
    cases.good("staked-output-was-locked", base, &with_sequence(base));

    // The coinstake's form needs the same address in script and output; nobody's will do.
    let mut keyless = draft(base, Vec::new());
    keyless.transactions[1].inputs[0].script = ScriptBuilder::new().push(b"no key").build();
    keyless.transactions[1].outputs[1].script = Script::null_data(b"no address").expect("short");
    let block = keyless.finish(base.chain());
    cases.bad("coinstake-shows-no-key", "block.stake_key", base, &block);

    let mut missing = draft(base, Vec::new());
    missing.kernel = Kernel::Misses;
    let block = missing.finish(base.chain());
    cases.bad("kernel-above-its-target", "stake.kernel", base, &block);
    first_block(base, cases);
}

/// Alice's change at height 7 is 4 blocks old at height 11.
fn ages(base: &Arc<Base>, cases: &mut Cases) {
    let block = StakeDraft::on(base.chain(), ALICE, base.coin("alice.young"), 0, Vec::new())
        .finish(base.chain());
    let aged = |blocks| super::changed(base, |params| params.stake.min_age = blocks);
    cases.bad("staked-output-too-young", "stake.age", &aged(5), &block);
    cases.good("staked-output-just-old-enough", &aged(4), &block);
}

/// Stakes an output whose lock of 4 blocks has passed: its script wants the sequence to say so.
fn with_sequence(base: &Base) -> Block {
    let mut draft = StakeDraft::on(base.chain(), ALICE, base.coin("short"), 0, Vec::new());
    draft.transactions[1] = base.sign(
        TxDraft::new(2).spend_at(base.coin("short"), 4).pay(Output::null()).pay(ALICE.etp(2000)),
    );
    draft.finish(base.chain())
}

/// chain.md 9.3.
fn first_block(base: &Arc<Base>, cases: &mut Cases) {
    let with = |edit: &dyn Fn(&mut Vec<Output>)| {
        let mut genesis = genesis(base.params(), "first");
        edit(&mut genesis.outputs);
        plain(base, vec![genesis])
    };
    let bad = "block.pos_genesis";
    cases.good("foundation-is-paid", base, &with(&|_| {}));
    cases.bad(
        "foundation-is-paid-more",
        bad,
        base,
        &with(&|outputs| {
            outputs[0].value = etp(17_264_527);
        }),
    );
    cases.bad(
        "somebody-else-is-paid",
        bad,
        base,
        &with(&|outputs| {
            outputs[0].script = ALICE.script();
        }),
    );
    cases.bad(
        "witness-cert-left-out",
        bad,
        base,
        &with(&|outputs| {
            outputs.pop();
        }),
    );
    cases.bad(
        "witness-cert-of-another-name",
        bad,
        base,
        &with(&|outputs| {
            outputs[1] = FOUNDATION.cert(
                "MVS.WITNESS.24",
                CertType::WITNESS,
                CertStatus::AUTO_ISSUE,
                "foundation",
            );
        }),
    );
}
