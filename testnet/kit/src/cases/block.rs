//! Blocks: limits, coinbases, rewards, what a block may touch once (chain.md 2.2, 2.4, 3.6, 8.3).

use std::sync::Arc;

use mvs_consensus::params::PosGenesisRule;
use mvs_primitives::amount::Amount;
use mvs_primitives::attachment::{CertStatus, CertType, DidStatus};
use mvs_primitives::output::Output;
use mvs_primitives::script::{Opcode, Script, ScriptBuilder};
use mvs_primitives::transaction::Transaction;

use super::base::things::deposit;
use super::base::{Base, Bases, coin_value};
use super::{Cases, script};
use crate::build::coinbase;
use crate::build::person::{ALICE, CAROL, DAVE, MINER, Person, under};
use crate::build::tx::{MIN_FEE, TxDraft};

pub(super) fn add(bases: &Bases, cases: &mut Cases) {
    let work = &bases.work;
    limits(work, cases);
    order(bases, cases);
    coinbases(work, cases);
    deposits(work, cases);
    redeem_scripts(work, cases);
    rewards(work, cases);
    uniqueness(work, cases);
    repeated_coinbase(bases, cases);
}

/// A plain payment of Alice's.
fn pay(work: &Base, coin: &str) -> Transaction {
    work.sign(TxDraft::new(1).spend(work.coin(coin)).rest(ALICE))
}

fn limits(work: &Arc<Base>, cases: &mut Cases) {
    let mut empty = work.draft(Vec::new());
    empty.transactions.clear();
    cases.bad("no-transactions", "block.no_transactions", work, &work.seal(empty));

    // What follows the height in a coinbase script is free, and counts. Its length takes 5 bytes
    // instead of 1 when the script is that long.
    let small = work.block(Vec::new());
    let sized = |bytes: usize| {
        let mut draft = work.draft(Vec::new());
        let input = &mut draft.transactions[0].inputs[0];
        let mut script = input.script.as_bytes().to_vec();
        let now = usize::try_from(small.nominal_size()).expect("small");
        script.resize(script.len() + bytes - now - 4, 0);
        input.script = Script::from_bytes(script);
        work.seal(draft)
    };
    let max = usize::try_from(work.params().limits.block_bytes).expect("a million");
    cases.bad("block-too-large", "block.size", work, &sized(max + 1));
    cases.good("block-as-large-as-allowed", work, &sized(max));

    let (a, b) = (pay(work, "alice.20"), pay(work, "alice.21"));
    let twice = work.block(vec![a.clone(), b, a]);
    cases.bad("transaction-twice", "block.duplicate_tx", work, &twice);

    // The coinbase's output counts 1.
    let counted = |single: usize| {
        let code = [vec![0xae; 999], vec![0xac; single]].concat();
        let output = under(ALICE.etp(1), Script::from_bytes(code));
        let value = coin_value() - output.value.units() - MIN_FEE;
        let burn = under(ALICE.units(value), Script::pay_blackhole());
        let tx = work.sign(TxDraft::new(1).spend(work.coin("alice.20")).pay(output).pay(burn));
        work.block(vec![tx])
    };
    cases.bad("too-many-sigops", "block.sigops", work, &counted(20));
    cases.good("as-many-sigops-as-allowed", work, &counted(19));
}

/// chain.md 2.4: which transactions stand where.
fn order(bases: &Bases, cases: &mut Cases) {
    let work = &bases.work;
    let mut draft = work.draft(vec![pay(work, "alice.20")]);
    draft.transactions.remove(0);
    cases.bad("no-coinbase", "block.coinbase_missing", work, &work.seal(draft));
    let late = work.extra_coinbase(MINER.units(0));
    let block = work.block(vec![pay(work, "alice.20"), late]);
    cases.bad("coinbase-after-payment", "block.coinbase_position", work, &block);
    let coinstake = work
        .sign(TxDraft::new(1).spend(work.coin("alice.20")).pay(Output::null()).rest_but(ALICE, 0));
    let block = work.block(vec![coinstake]);
    cases.bad("coinstake-in-work-block", "block.coinstake_position", work, &block);

    let base = &bases.on_stake;
    let coinstake = base
        .sign(TxDraft::new(1).spend(base.coin("alice.20")).pay(Output::null()).rest_but(ALICE, 0));
    let block = super::stake::plain(base, vec![coinstake]);
    cases.bad("second-coinstake", "block.coinstake_position", base, &block);
    let mut draft = super::stake::draft(base, Vec::new());
    draft.transactions.truncate(1);
    let block = draft.finish(base.chain());
    cases.bad("stake-block-without-coinstake", "block.coinstake_missing", base, &block);
}

fn coinbases(work: &Arc<Base>, cases: &mut Cases) {
    let first = |outputs: Vec<Output>| {
        let mut draft = work.draft(Vec::new());
        draft.transactions[0].outputs = outputs;
        work.seal(draft)
    };
    let bad = "block.coinbase_first_output";
    cases.bad("coinbase-begins-with-message", bad, work, &first(vec![MINER.message("hello")]));
    cases.bad("coinbase-without-outputs", bad, work, &first(Vec::new()));
    let two = first(vec![MINER.etp(1), MINER.etp(1)]);
    cases.bad("coinbase-pays-twice", "block.coinbase_outputs", work, &two);
    cases.good("coinbase-pays-less", work, &first(vec![MINER.etp(1)]));

    let height = work.next_height();
    let extra = coinbase(height, vec![MINER.units(0), MINER.units(0)]);
    let block = work.block(vec![extra]);
    cases.bad("extra-coinbase-pays-twice", "block.extra_coinbase_outputs", work, &block);

    let named = |script: Script| {
        let mut draft = work.draft(Vec::new());
        draft.transactions[0].inputs[0].script = script;
        work.seal(draft)
    };
    let bad = "block.coinbase_height";
    let other = ScriptBuilder::new().push_number(i64::from(height.value()) + 1).build();
    cases.bad("coinbase-names-next-height", bad, work, &named(other));
    let opcode = ScriptBuilder::new().op(Opcode::OP_1).build();
    cases.bad("coinbase-height-as-opcode", bad, work, &named(opcode));
    cases.bad("coinbase-script-empty", bad, work, &named(Script::default()));
    let free = ScriptBuilder::new().push_number(i64::from(height.value())).push(&[7; 200]).build();
    cases.good("coinbase-says-more", work, &named(free));
}

/// chain.md 6.4: a deposit and its reward.
fn deposits(work: &Arc<Base>, cases: &mut Cases) {
    let tx =
        work.sign(TxDraft::new(1).spend(work.coin("alice.20")).pay(deposit(100, 3)).rest(ALICE));
    let with = |rewards: Vec<Output>| {
        let rewards = rewards.into_iter().zip(0..).map(|(output, number)| {
            let mut reward = work.extra_coinbase(output);
            reward.locktime = number; // so that two are not the same transaction
            reward
        });
        work.block(rewards.chain([tx.clone()]).collect())
    };
    let bad = "block.deposit_reward";
    cases.bad("deposit-without-reward", bad, work, &with(Vec::new()));
    cases.bad("deposit-reward-too-high", bad, work, &with(vec![deposit(6, 3)]));
    cases.bad("deposit-reward-of-another-lock", bad, work, &with(vec![deposit(5, 4)]));
    cases.bad("deposit-reward-unlocked", bad, work, &with(vec![ALICE.etp(5)]));
    cases.good("deposit-with-reward", work, &with(vec![deposit(5, 3)]));
    let bad = "block.extra_coinbase";
    cases.bad("reward-paid-twice", bad, work, &with(vec![deposit(5, 3), deposit(5, 3)]));
    let block = work.block(vec![work.extra_coinbase(MINER.etp(1_000_000))]);
    cases.bad("extra-coinbase-for-nothing", bad, work, &block);
}

fn redeem_scripts(work: &Arc<Base>, cases: &mut Cases) {
    let spend = |count: usize| {
        let redeem = script::many_sigops();
        let unlock = ScriptBuilder::new().push(redeem.as_bytes()).build();
        let inputs = (0..count).fold(TxDraft::new(1), |draft, number| {
            draft.spend_with(work.coin(&format!("sigops.{number}")), unlock.clone())
        });
        work.block(vec![work.sign(inputs.rest(ALICE))])
    };
    cases.bad("too-many-p2sh-sigops", "block.p2sh_sigops", work, &spend(6));
    cases.good("p2sh-sigops-within-limit", work, &spend(5));
    let unlock = ScriptBuilder::new().push(script::CUT_SHORT).build();
    let tx = work.sign(TxDraft::new(1).spend_with(work.coin("p2sh.cut"), unlock).rest(ALICE));
    cases.bad("redeem-script-cut-short", "block.redeem_script", work, &work.block(vec![tx]));
}

fn rewards(work: &Arc<Base>, cases: &mut Cases) {
    let taking = |more: u64| {
        let mut draft = work.draft(vec![pay(work, "alice.20")]);
        draft.add_to_coinbase(Amount::from_units(MIN_FEE + more));
        work.seal(draft)
    };
    cases.bad("coinbase-takes-too-much", "block.coinbase_value", work, &taking(1));
    cases.good("coinbase-takes-subsidy-and-fees", work, &taking(0));

    let minting = |symbol: &str, units: u64| {
        let mut draft = work.draft(Vec::new());
        draft.transactions[0].outputs.push(MINER.asset(symbol, units));
        work.seal(draft)
    };
    let unknown = "block.asset_reward_unknown";
    cases.bad("mints-asset-nobody-issued", unknown, work, &minting("NOBODY", 1));
    cases.bad("mints-asset-without-mining-cert", unknown, work, &minting("HALF", 1));
    cases.bad("mints-too-much", "block.asset_reward_amount", work, &minting("ALPHA", 101));
    cases.good("mints-what-the-cert-allows", work, &minting("ALPHA", 100));

    // Each fee is possible by itself; there is more coin than the money limit on this network.
    let burn = |coin: &str, keep: u64| {
        let tx = TxDraft::new(1).spend(work.coin(coin)).pay(ALICE.etp(keep));
        work.sign(tx)
    };
    let block = |keep| work.block(vec![burn("reward.2", 0), burn("reward.3", keep)]);
    cases.bad("fees-above-all-money", "block.fee_sum", work, &block(0));
    cases.good("fees-of-all-money", work, &block(20_000_000));
}

/// chain.md 3.6: what a block may touch once.
fn uniqueness(work: &Arc<Base>, cases: &mut Cases) {
    let spend = work.sign(TxDraft::new(1).spend(work.coin("alice.20")).rest(CAROL));
    let block = work.block(vec![pay(work, "alice.20"), spend]);
    cases.bad("coin-spent-twice", "block.double_spend", work, &block);

    let twice = |output: Output, other: Output| {
        let one = TxDraft::new(1).spend(work.coin("alice.20")).pay(output).rest(ALICE);
        let two = TxDraft::new(1).spend(work.coin("alice.21")).pay(other).rest(ALICE);
        work.block(vec![work.sign(one), work.sign(two)])
    };
    let issue = |symbol| ALICE.issue(symbol, 1, 0, "alice");
    cases.bad(
        "asset-issued-twice-in-block",
        "block.unique_asset",
        work,
        &twice(issue("NEW"), issue("NEW")),
    );
    cases.good("two-assets-in-block", work, &twice(issue("NEW"), issue("NEWER")));
    let cert = |symbol| ALICE.cert(symbol, CertType::KYC, CertStatus::ISSUE, "alice");
    cases.bad(
        "cert-issued-twice-in-block",
        "block.unique_cert",
        work,
        &twice(cert("NEW"), cert("NEW")),
    );
    cases.good("two-certs-in-block", work, &twice(cert("NEW"), cert("NEWER")));
    let mit = |symbol| ALICE.new_mit(symbol);
    cases.bad(
        "item-registered-twice-in-block",
        "block.unique_mit",
        work,
        &twice(mit("NEW"), mit("NEW")),
    );
    cases.good("two-items-in-block", work, &twice(mit("NEW"), mit("NEWER")));

    let dids = |carol: &str, other: &str, who: Person, coin: &str| {
        let one = TxDraft::new(1)
            .spend(work.coin("carol.0"))
            .pay(CAROL.did(carol, DidStatus::Register))
            .rest(CAROL);
        let two = TxDraft::new(1)
            .spend(work.coin(coin))
            .pay(who.did(other, DidStatus::Register))
            .rest(who);
        work.block(vec![work.sign(one), work.sign(two)])
    };
    let bad = "block.unique_did";
    cases.bad("identity-registered-twice-in-block", bad, work, &dids("new", "new", DAVE, "dave.0"));
    cases.bad(
        "address-takes-two-identities-in-block",
        bad,
        work,
        &dids("new", "newer", CAROL, "carol.1"),
    );
    cases.good("two-identities-in-block", work, &dids("new", "newer", DAVE, "dave.0"));
}

/// BIP-0030: only the stake era's first transaction is free of the height, so only it can repeat.
fn repeated_coinbase(bases: &Bases, cases: &mut Cases) {
    let base = super::changed(&bases.on_stake, |params| {
        params.pos_genesis.rule = PosGenesisRule::UpTo(bases.on_stake.next_height());
    });
    let block =
        |text: &str| super::stake::plain(&base, vec![super::stake::genesis(base.params(), text)]);
    cases.bad("coinbase-repeats-earlier-one", "block.tx_exists", &base, &block("first"));
    cases.good("coinbase-like-earlier-one", &base, &block("second"));
}
