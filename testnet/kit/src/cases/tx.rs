//! Transactions by themselves: versions, form, inputs, locks, fees (chain.md 7.1 to 7.4, 7.10).

use std::sync::Arc;

use mvs_consensus::params::Fork;
use mvs_primitives::amount::Amount;
use mvs_primitives::attachment::{Attachment, Payload};
use mvs_primitives::hash::TxId;
use mvs_primitives::input::OutPoint;
use mvs_primitives::output::Output;
use mvs_primitives::script::Script;
use mvs_primitives::transaction::Transaction;

use super::base::things::deposit;
use super::base::{Base, Bases, coin_value};
use super::{Cases, changed};
use crate::build::coinbase;
use crate::build::person::{ALICE, MINER, under};
use crate::build::tx::{MIN_FEE, TxDraft};

/// A tenth more than the money limit, in units.
const ABOVE_ALL_MONEY: u64 = 11_000_000_000_000_000;

pub(super) fn add(bases: &Bases, cases: &mut Cases) {
    let work = &bases.work;
    versions(bases, cases);
    form(work, cases);
    inputs(work, cases);
    locks(bases, cases);
    values(work, cases);
}

fn pay(base: &Base, version: u32) -> Transaction {
    base.sign(TxDraft::new(version).spend(base.coin("alice.20")).rest(ALICE))
}

fn versions(bases: &Bases, cases: &mut Cases) {
    let work = &bases.work;
    for version in [0, 1, 2, 4] {
        cases.good_tx(&format!("version-{version}"), work, &pay(work, version));
    }
    cases.bad_tx("version-5", "tx.version_unknown", work, &pay(work, 5));
    cases.bad_tx("version-3", "tx.version_3", work, &pay(work, 3));
    let test = changed(work, |params| params.version_3_allowed = true);
    cases.good_tx("version-3-on-the-test-network", &test, &pay(work, 3));
    // By the height of the tip.
    let tip = work.next_height().value() - 1;
    let nova = |first| changed(work, |params| params.version_4_allowed = Fork::From(first));
    cases.bad_tx("version-4-too-early", "tx.version_4_early", &nova(tip + 1), &pay(work, 4));
    cases.good_tx("version-4-just-in-time", &nova(tip), &pay(work, 4));

    let stake = &bases.after_stake;
    for version in [0, 1, 2] {
        let name = format!("version-{version}-in-the-stake-era");
        cases.bad_tx(&name, "tx.version_4_required", stake, &pay(stake, version));
    }
    cases.good_tx("version-4-in-the-stake-era", stake, &pay(stake, 4));

    let mut draft = work.draft(Vec::new());
    draft.transactions[0].version = 4;
    cases.bad("coinbase-version-4", "tx.coinbase_version", work, &work.seal(draft));
    let mut draft = work.draft(Vec::new());
    draft.transactions[0].version = 3;
    cases.good("coinbase-version-3", work, &work.seal(draft));
}

fn form(work: &Arc<Base>, cases: &mut Cases) {
    let nonstandard = |version| {
        let odd = under(ALICE.etp(1), Script::from_bytes([0x61]));
        work.sign(TxDraft::new(version).spend(work.coin("alice.20")).pay(odd).rest(ALICE))
    };
    cases.bad_tx("odd-script-version-2", "tx.script_not_standard", work, &nonstandard(2));
    cases.good_tx("odd-script-version-1", work, &nonstandard(1));

    let no_outputs = work.sign(TxDraft::new(1).spend(work.coin("alice.20")));
    cases.bad_tx("no-outputs", "tx.empty", work, &no_outputs);
    let no_inputs = work.sign(TxDraft::new(1).pay(ALICE.units(0)));
    cases.bad_tx("no-inputs", "tx.empty", work, &no_inputs);

    // A block that holds such a transaction is too large itself, so the rule speaks on loose ones.
    // Signatures differ in length by a byte or two: the value is varied until the size fits.
    let with = |len: usize, units: u64| {
        let long = under(ALICE.units(units), Script::from_bytes(vec![0; len]));
        work.sign(TxDraft::new(1).spend(work.coin("alice.20")).pay(long).rest(ALICE))
    };
    let first = with(999_000, 1).nominal_size();
    let sized = |bytes: u64| {
        let more = usize::try_from(bytes - first).expect("below a million");
        let fits = |tx: &Transaction| tx.nominal_size() == bytes;
        (1..).map(|units| with(999_000 + more, units)).find(fits).expect("one in two fits")
    };
    let max = work.params().limits.tx_bytes;
    cases.bad_loose("transaction-too-large", "tx.size", work, &sized(max + 1));
    cases.good_loose("transaction-as-large-as-allowed", work, &sized(max));

    let award =
        Output { attachment: Attachment::new(Payload::EtpAward { height: 1 }), ..ALICE.etp(1) };
    let award = work.sign(TxDraft::new(1).spend(work.coin("alice.20")).pay(award).rest(ALICE));
    cases.bad_tx("award", "tx.award_output", work, &award);
}

fn inputs(work: &Arc<Base>, cases: &mut Cases) {
    let coin = work.coin("alice.20");
    let twice = work.sign(TxDraft::new(1).spend(coin).spend(coin).pay(ALICE.etp(15_000)));
    cases.bad_tx("coin-spent-twice-by-one", "tx.duplicate_input", work, &twice);
    let null = work.sign(TxDraft::new(1).spend(coin).spend(OutPoint::NULL).pay(ALICE.etp(1)));
    cases.bad("null-input-beside-another", "tx.null_input", work, &work.block(vec![null]));
    let loose = coinbase(work.next_height(), vec![MINER.etp(1)]);
    cases.bad_loose("loose-coinbase", "tx.loose_coinbase", work, &loose);
    let stake = TxDraft::new(2).spend(coin).pay(Output::null()).pay(ALICE.etp(15_000));
    cases.bad_loose("loose-coinstake", "tx.loose_coinstake", work, &work.sign(stake));

    let nowhere = OutPoint::new(TxId::from_bytes([7; 32]), 0);
    let missing = work.sign(TxDraft::new(1).spend(nowhere).pay(ALICE.etp(1)));
    cases.bad_tx("coin-of-nobody", "tx.input_missing", work, &missing);
    let beyond = OutPoint::new(coin.txid, 10_000);
    let beyond = work.sign(TxDraft::new(1).spend(beyond).pay(ALICE.etp(1)));
    cases.bad_tx("output-that-a-transaction-lacks", "tx.input_missing", work, &beyond);

    // Maturity 3. A block at height 11 may spend a coinbase of height 8; the pool, which counts from
    // the tip, one of height 7.
    let reward = |height: usize| {
        let block = work.chain().blocks()[height].block();
        let coin = OutPoint::new(block.txids()[0], 0);
        let find = |_: &OutPoint| Some(block.block().transactions[0].outputs[0].clone());
        TxDraft::new(1).spend(coin).rest(MINER).sign(&find)
    };
    let bad = "tx.coinbase_immature";
    cases.bad("coinbase-too-young", bad, work, &work.block(vec![reward(9)]));
    cases.good("coinbase-just-matured", work, &work.block(vec![reward(8)]));
    cases.bad_loose("coinbase-too-young-for-the-pool", bad, work, &reward(8));
    cases.good_loose("coinbase-just-matured-for-the-pool", work, &reward(7));
}

fn locks(bases: &Bases, cases: &mut Cases) {
    let work = &bases.work;
    let spend = |name: &str| work.sign(TxDraft::new(1).spend(work.coin(name)).rest(ALICE));
    cases.bad_tx("deposit-spent-early", "tx.deposit_locked", work, &spend("deposit.1"));
    cases.good_tx("deposit-spent-in-time", work, &spend("deposit.0"));
    // In a block, an unknown period has no reward that could be paid.
    let odd =
        work.sign(TxDraft::new(1).spend(work.coin("alice.20")).pay(deposit(100, 5)).rest(ALICE));
    cases.bad_loose("deposit-of-unknown-period", "tx.deposit_period", work, &odd);
    let known =
        work.sign(TxDraft::new(1).spend(work.coin("alice.20")).pay(deposit(100, 3)).rest(ALICE));
    cases.good_loose("deposit-of-known-period", work, &known);

    let stake = &bases.after_stake;
    let late =
        stake.sign(TxDraft::new(4).spend(stake.coin("alice.20")).pay(deposit(100, 3)).rest(ALICE));
    let reward = stake.extra_coinbase(deposit(5, 3));
    let block = stake.block(vec![reward, late.clone()]);
    cases.bad("deposit-in-the-stake-era", "tx.deposit_ended", stake, &block);
    cases.bad_loose("deposit-in-the-stake-era-loose", "tx.deposit_ended", stake, &late);

    let locked = |base: &Base| {
        let lock = Script::pay_key_hash_with_sequence_lock(100, &ALICE.key_hash());
        let output = under(ALICE.etp(1), lock);
        base.sign(TxDraft::new(4).spend(base.coin("alice.20")).pay(output).rest(ALICE))
    };
    cases.bad_tx("sequence-lock-in-the-work-era", "tx.sequence_lock_early", work, &locked(work));
    cases.good_tx("sequence-lock-in-the-stake-era", stake, &locked(stake));

    let at = |base: &Base, locktime| {
        let draft = TxDraft::new(4).spend_at(base.coin("alice.20"), u32::MAX - 1);
        base.sign(draft.locktime(locktime).rest(ALICE))
    };
    let height = stake.next_height().value();
    cases.bad_tx("lock-time-not-passed", "tx.not_final", stake, &at(stake, height));
    cases.good_tx("lock-time-just-passed", stake, &at(stake, height - 1));
    let height = work.next_height().value();
    cases.good_tx("lock-time-in-the-work-era", work, &at(work, height + 100));

    // Coins of height 3, a block of height 11.
    let relative =
        |sequence| work.sign(TxDraft::new(2).spend_at(work.coin("alice.20"), sequence).rest(ALICE));
    cases.bad_tx("relative-lock-not-passed", "tx.sequence_locked", work, &relative(9));
    cases.good_tx("relative-lock-just-passed", work, &relative(8));
    let seconds = |units: u32| relative(1 << 22 | units);
    cases.bad_tx("relative-time-lock-not-passed", "tx.sequence_locked", work, &seconds(1000));
    cases.good_tx("relative-time-lock-passed", work, &seconds(1));
}

fn values(work: &Arc<Base>, cases: &mut Cases) {
    let pay = |outputs: Vec<u64>| {
        let outputs = outputs.into_iter().map(|units| ALICE.units(units));
        work.sign(TxDraft::new(1).spend(work.coin("alice.20")).pay_all(outputs))
    };
    let bad = "tx.output_value";
    cases.bad_tx("output-above-all-money", bad, work, &pay(vec![ABOVE_ALL_MONEY]));
    cases.bad_tx("sum-above-all-money", bad, work, &pay(vec![ABOVE_ALL_MONEY / 2 + 1; 2]));
    // CVE-2010-5139.
    cases.bad_tx("sum-wraps-around", bad, work, &pay(vec![1 << 63, 1 << 63]));
    let created = pay(vec![coin_value() + 1]);
    cases.bad_tx("more-out-than-in", "tx.value_created", work, &created);
    let low = pay(vec![coin_value() - MIN_FEE + 1]);
    cases.bad_tx("fee-too-low", "tx.fee_too_low", work, &low);
    cases.good_tx("fee-as-low-as-allowed", work, &pay(vec![coin_value() - MIN_FEE]));

    // Both rewards together hold more than the money limit.
    let both = TxDraft::new(1).spend(work.coin("reward.2")).spend(work.coin("reward.3"));
    let both = work.sign(both.pay(ALICE.etp(1)));
    cases.bad_tx("inputs-above-all-money", "tx.input_value", work, &both);
    let one = TxDraft::new(1)
        .spend(work.coin("reward.2"))
        .pay(Output::etp(Amount::from_units(1), ALICE.script()));
    cases.good_tx("one-large-input", work, &work.sign(one));
}
