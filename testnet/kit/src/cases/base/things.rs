//! What the work-era chain holds: identities, assets, certificates, items, locks.

use mvs_primitives::attachment::{CertStatus, CertType, DidStatus};
use mvs_primitives::input::OutPoint;
use mvs_primitives::output::Output;
use mvs_primitives::script::Script;
use mvs_primitives::transaction::Transaction;

use super::{Builder, split};
use crate::build::coinbase;
use crate::build::person::{ALICE, BOB, CAROL, etp, under};
use crate::build::tx::TxDraft;

/// The lock of the asset `LOCK`: a quarter of 1,000 units every 5 blocks.
pub(in crate::cases) const LOCK_MODEL: &str = "PN=0;LH=5;TYPE=1;LQ=1000;LP=20;UN=4";

/// A deposit of Alice.
pub(in crate::cases) fn deposit(coins: u64, blocks: u32) -> Output {
    Output::etp(etp(coins), Script::pay_key_hash_with_lock_height(blocks, &ALICE.key_hash()))
}

/// Block 3: coins for everybody, and four deposits with their rewards.
pub(super) fn first_coins(builder: &mut Builder) {
    let (mut draft, mut names) = split(builder);
    let deposits = [(100, 3), (100, 50), (20_000_000, 4), (20_000_000, 4)];
    for (number, (coins, blocks)) in deposits.into_iter().enumerate() {
        draft = draft.pay(deposit(coins, blocks));
        names.push(format!("deposit.{number}"));
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let first = builder.sign(draft.rest(ALICE), &names);
    let height = builder.chain.tip().height.next().expect("the chain is short");
    let mut transactions = Vec::new();
    // Rewards: 5 % of 100, 8 % of 100, three times 20,000,000.
    let rewards = [(5, 3), (8, 50), (60_000_000, 4), (60_000_000, 4)];
    for (number, (coins, blocks)) in rewards.into_iter().enumerate() {
        let mut reward = coinbase(height, vec![deposit(coins, blocks)]);
        // The last two would be the same transaction.
        reward.locktime = u32::try_from(number).expect("there are four");
        let name = format!("reward.{number}");
        builder.coins.insert(name, OutPoint::new(reward.txid(), 0));
        transactions.push(reward);
    }
    transactions.push(first);
    builder.mine(transactions);
}

/// Block 4: one of everything that has a name.
pub(super) fn names(builder: &mut Builder) -> Vec<Transaction> {
    let auto = |symbol, of| ALICE.cert(symbol, of, CertStatus::AUTO_ISSUE, "alice");
    let from = |builder: &Builder, number: u32, version| {
        TxDraft::new(version).spend(builder.coin(&format!("alice.{number}")))
    };
    let mut made = Vec::new();
    let mut make = |builder: &mut Builder, draft: TxDraft, names: &[&str]| {
        let transaction = builder.sign(draft.rest(ALICE), names);
        made.push(transaction);
    };
    let did = from(builder, 1, 4).pay(ALICE.did("alice", DidStatus::Register));
    make(builder, did, &["did.alice"]);
    let draft = from(builder, 2, 4)
        .pay(ALICE.issue("ALPHA", 1000, 0, "alice"))
        .pay(auto("ALPHA", CertType::DOMAIN));
    make(builder, draft, &["asset.ALPHA", "domain.ALPHA"]);
    let draft = from(builder, 3, 4)
        .pay(ALICE.issue("HALF", 1000, 50, "alice"))
        .pay(auto("HALF", CertType::ISSUE))
        .pay(auto("HALF", CertType::DOMAIN));
    make(builder, draft, &["asset.HALF", "issue.HALF", "domain.HALF"]);
    let draft = from(builder, 4, 4)
        .pay(ALICE.issue("FREE", u64::MAX - 10, 127, "alice"))
        .pay(auto("FREE", CertType::ISSUE))
        .pay(auto("FREE", CertType::DOMAIN));
    make(builder, draft, &["asset.FREE", "issue.FREE", "domain.FREE"]);
    let locked =
        under(ALICE.issue("LOCK", 1000, 0, "alice"), locked_by(LOCK_MODEL, &OutPoint::NULL));
    let draft = from(builder, 5, 4).pay(locked).pay(auto("LOCK", CertType::DOMAIN));
    make(builder, draft, &["asset.LOCK", "domain.LOCK"]);
    let draft = from(builder, 6, 1).pay(ALICE.issue("ETP", 1000, 0, "alice"));
    make(builder, draft, &["asset.ETP"]);
    let draft = from(builder, 7, 4).pay(ALICE.new_mit("SWORD"));
    make(builder, draft, &["mit.SWORD"]);
    let mining = ALICE.cert_with(
        "ALPHA",
        CertType::MINING,
        CertStatus::ISSUE,
        "alice",
        Some("initial:100,interval:1000,base:0.5"),
    );
    make(builder, from(builder, 8, 4).pay(mining), &["mining.ALPHA"]);
    let did = TxDraft::new(4).spend(builder.coin("bob.0")).pay(BOB.did("bob", DidStatus::Register));
    made.push(builder.sign(did.rest(BOB), &["did.bob"]));
    made
}

/// Block 5: some of the assets go to others.
pub(super) fn shares(builder: &mut Builder) -> Vec<Transaction> {
    let mut made = Vec::new();
    for (symbol, number) in [("ALPHA", 9), ("HALF", 10)] {
        let draft = TxDraft::new(4)
            .spend(builder.coin(&format!("asset.{symbol}")))
            .spend(builder.coin(&format!("alice.{number}")))
            .pay(ALICE.asset(symbol, 400))
            .pay(BOB.asset(symbol, 300))
            .pay(CAROL.asset(symbol, 300))
            .rest(ALICE);
        let names = ["alice", "bob", "carol"].map(|who| format!("{symbol}.{who}"));
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        made.push(builder.sign(draft, &names));
    }
    made
}

/// Alice's script with a lock that carries on the one at `point`.
pub(in crate::cases) fn locked_by(model: &str, point: &OutPoint) -> Script {
    Script::pay_key_hash_with_attenuation(model.as_bytes(), &point.to_array(), &ALICE.key_hash())
}
