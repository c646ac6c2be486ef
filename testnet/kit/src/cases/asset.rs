//! Assets: issue, secondary issue, conservation (chain.md 7.5, 7.6, 7.10.2, 7.10.7).

use std::sync::Arc;

use mvs_primitives::attachment::{Attachment, CertStatus, CertType, Payload, UnknownType};
use mvs_primitives::input::OutPoint;
use mvs_primitives::output::Output;

use super::Cases;
use super::base::things::locked_by;
use super::base::{Base, Bases};
use crate::build::person::{ALICE, BOB, Person, under};
use crate::build::tx::TxDraft;

/// A good first model of 1,000 units.
const GOOD_MODEL: &str = "PN=0;LH=5;TYPE=1;LQ=1000;LP=20;UN=4";
/// It begins in the second period.
const LATE_MODEL: &str = "PN=1;LH=5;TYPE=1;LQ=1000;LP=20;UN=4";
/// Marks a secondary issue in the threshold byte.
const SECONDARY: u8 = 128;

/// An output that carries something unknown, which version 1 lets pass.
pub(super) fn unknown() -> Output {
    let unknown = UnknownType::new(9).expect("above 6");
    Output { attachment: Attachment::new(Payload::Unknown(unknown)), ..ALICE.units(0) }
}

pub(super) fn add(bases: &Bases, cases: &mut Cases) {
    let work = &bases.work;
    issue(work, cases);
    certs_of_issue(bases, cases);
    secondary(work, cases);
    conservation(work, cases);
}

fn auto(symbol: &str, of: CertType) -> Output {
    ALICE.cert(symbol, of, CertStatus::AUTO_ISSUE, "alice")
}

/// Alice spends a coin and keeps the change; the first output is `output`.
fn with(base: &Base, version: u32, outputs: Vec<Output>) -> TxDraft {
    TxDraft::new(version).spend(base.coin("alice.20")).pay_all(outputs).rest(ALICE)
}

fn issue(work: &Arc<Base>, cases: &mut Cases) {
    let mut try_one = |name: &str, code: Option<&'static str>, outputs: Vec<Output>| {
        let tx = work.sign(with(work, 1, outputs));
        match code {
            Some(code) => cases.bad_tx(name, code, work, &tx),
            None => cases.good_tx(name, work, &tx),
        }
    };
    let new = |symbol: &str, threshold| ALICE.issue(symbol, 1000, threshold, "alice");
    let form = Some("tx.asset.issue_form");
    try_one("two-assets-at-once", form, vec![new("NEW", 0), new("NEWER", 0)]);
    try_one("issue-threshold-101", form, vec![new("NEW", 101)]);
    try_one("issue-threshold-100", None, vec![new("NEW", 100)]);
    try_one("asset-issued-before", Some("tx.asset.symbol_taken"), vec![new("ALPHA", 0)]);
    let locked = |model| under(new("NEW", 0), locked_by(model, &OutPoint::NULL));
    let model = Some("tx.asset.lock_model");
    try_one("issue-with-late-lock-model", model, vec![locked(LATE_MODEL)]);
    try_one("issue-with-no-lock-model", model, vec![locked("nothing")]);
    try_one("issue-with-good-lock-model", None, vec![locked(GOOD_MODEL)]);
    let outputs = Some("tx.asset.issue_outputs");
    try_one("issue-beside-transfer", outputs, vec![new("NEW", 0), ALICE.asset("NEW", 1)]);
    try_one("issue-beside-message", None, vec![new("NEW", 0), ALICE.message("hello")]);
    let other = vec![new("NEW", 0), auto("OTHER", CertType::ISSUE)];
    try_one("issue-beside-cert-of-another", outputs, other);
}

fn certs_of_issue(bases: &Bases, cases: &mut Cases) {
    let work = &bases.work;
    let new = |threshold| ALICE.issue("NEW", 1000, threshold, "alice");
    let mining = |content| {
        let status = CertStatus::AUTO_ISSUE;
        ALICE.cert_with("NEW", CertType::MINING, status, "alice", Some(content))
    };
    let good = "initial:100,interval:1000,base:0.5";
    let mut try_one = |name: &str, code: Option<&'static str>, base: &Arc<Base>, more| {
        let tx = base.sign(with(base, 4, more));
        match code {
            Some(code) => cases.bad_tx(name, code, base, &tx),
            None => cases.good_tx(name, base, &tx),
        }
    };
    let domain = || auto("NEW", CertType::DOMAIN);
    let all = |content| vec![new(0), domain(), mining(content)];
    let early = Some("tx.asset.mining_cert_early");
    try_one("mining-cert-in-the-work-era", early, work, all(good));
    let stake = &bases.after_stake;
    let content = Some("tx.asset.mining_cert_content");
    try_one("mining-cert-says-nothing-useful", content, stake, all("initial:100"));
    try_one("mining-cert-in-the-stake-era", None, stake, all(good));
    let missing = Some("tx.asset.issue_cert_missing");
    try_one("reissuable-asset-without-cert", missing, work, vec![new(50), domain()]);
    let issue = auto("NEW", CertType::ISSUE);
    try_one("reissuable-asset-with-cert", None, work, vec![new(50), issue, domain()]);
    let missing = Some("tx.asset.domain_cert_missing");
    try_one("asset-without-domain-cert", missing, work, vec![new(0)]);
    try_one("asset-with-naming-cert", None, work, vec![new(0), auto("NEW", CertType::NAMING)]);
}

/// chain.md 7.6.
fn secondary(work: &Arc<Base>, cases: &mut Cases) {
    // Alice shows 400 of the 1,000 units of HALF, whose threshold is 50 %.
    let more = |threshold| ALICE.issue("HALF", 100, SECONDARY + threshold, "alice");
    let cert = || ALICE.cert("HALF", CertType::ISSUE, CertStatus::NORMAL, "alice");
    let shown = |units| ALICE.asset("HALF", units);
    let spend = |version, outputs: Vec<Output>| {
        TxDraft::new(version)
            .spend(work.coin("HALF.alice"))
            .spend(work.coin("issue.HALF"))
            .spend(work.coin("alice.20"))
            .pay_all(outputs)
            .rest(ALICE)
    };
    let mut try_one = |name: &str, code: Option<&'static str>, draft: TxDraft| {
        let tx = work.sign(draft);
        match code {
            Some(code) => cases.bad_tx(name, code, work, &tx),
            None => cases.good_tx(name, work, &tx),
        }
    };
    let good = spend(4, vec![more(40), shown(400), cert()]);
    try_one("more-with-enough-share", None, good);
    let form = Some("tx.asset.secondary_form");
    try_one("more-twice", form, spend(4, vec![more(40), more(40), shown(400), cert()]));
    try_one("more-with-threshold-101", form, spend(4, vec![more(101), shown(400), cert()]));
    let locked = |model| under(more(40), locked_by(model, &OutPoint::NULL));
    let model = Some("tx.asset.secondary_lock_model");
    try_one(
        "more-with-late-lock-model",
        model,
        spend(4, vec![locked(LATE_MODEL), shown(400), cert()]),
    );
    let small = "PN=0;LH=5;TYPE=1;LQ=100;LP=20;UN=4";
    try_one("more-with-good-lock-model", None, spend(4, vec![locked(small), shown(400), cert()]));
    let outputs = Some("tx.asset.secondary_outputs");
    let other = ALICE.asset("ALPHA", 1);
    try_one("more-beside-another-asset", outputs, spend(4, vec![more(40), other, cert()]));
    let missing = Some("tx.asset.secondary_cert_missing");
    try_one("more-without-cert", missing, spend(4, vec![more(40), shown(400)]));
    let share = Some("tx.asset.share_too_small");
    try_one("more-with-too-small-share", share, spend(4, vec![more(50), shown(400), cert()]));
    try_one("more-of-closed-asset", share, spend(4, vec![more(0), shown(400), cert()]));

    let never = ALICE.issue("NOBODY", 1, SECONDARY + 127, "alice");
    try_one("more-of-nothing", Some("tx.asset.secondary_unknown"), with(work, 1, vec![never]));
    let free = |units| {
        let more = ALICE.issue("FREE", units, SECONDARY + 127, "alice");
        let cert = ALICE.cert("FREE", CertType::ISSUE, CertStatus::NORMAL, "alice");
        TxDraft::new(4)
            .spend(work.coin("issue.FREE"))
            .spend(work.coin("alice.20"))
            .pay(more)
            .pay(cert)
            .rest(ALICE)
    };
    try_one("supply-beyond-64-bits", Some("tx.asset.supply_overflow"), free(11));
    try_one("supply-of-64-bits", None, free(10));
    supply_of_a_block(work, cases);
    let mut try_one = |name: &str, code: Option<&'static str>, draft: TxDraft| {
        cases.bad_tx(name, code.expect("only bad ones follow"), work, &work.sign(draft));
    };
    // Bob signs too, but his units are not at the issuer's address.
    let draft = spend(4, vec![more(40), shown(700), cert()]).spend(work.coin("HALF.bob"));
    try_one("share-borrowed-from-bob", Some("tx.asset.secondary_inputs"), draft);
}

/// Two issues that fit one by one, but not together. Version 1 needs no certificate, which a block
/// could hold only once.
fn supply_of_a_block(work: &Arc<Base>, cases: &mut Cases) {
    let both = |units| {
        let more = || ALICE.issue("FREE", units, SECONDARY + 127, "alice");
        let from = |who: Person, coin: &str| {
            work.sign(TxDraft::new(1).spend(work.coin(coin)).pay(more()).rest(who))
        };
        work.block(vec![from(ALICE, "alice.20"), from(BOB, "bob.1")])
    };
    cases.bad("supply-beyond-64-bits-together", "block.supply_overflow", work, &both(6));
    cases.good("supply-of-64-bits-together", work, &both(5));
}

fn conservation(work: &Arc<Base>, cases: &mut Cases) {
    let mut try_one = |name: &str, code: Option<&'static str>, coins: &[&str], outputs| {
        let draft = coins.iter().fold(TxDraft::new(1), |draft, coin| draft.spend(work.coin(coin)));
        let tx = work.sign(draft.spend(work.coin("alice.20")).pay_all(outputs).rest(ALICE));
        match code {
            Some(code) => cases.bad_tx(name, code, work, &tx),
            None => cases.good_tx(name, work, &tx),
        }
    };
    let alpha = |units| ALICE.asset("ALPHA", units);
    try_one("asset-moves", None, &["ALPHA.alice"], vec![alpha(100), alpha(300)]);
    let lost = Some("tx.asset.not_conserved");
    try_one("asset-from-nothing", lost, &["ALPHA.alice"], vec![alpha(401)]);
    try_one("asset-lost", lost, &["ALPHA.alice"], vec![alpha(399)]);
    // The reference's sums are 64 bits wide: these outputs would wrap around to the input.
    let wrapped = vec![alpha(u64::MAX), alpha(401)];
    try_one("asset-sum-wraps-around", lost, &["ALPHA.alice"], wrapped);
    let mismatch = Some("tx.asset.symbol_mismatch");
    try_one("asset-becomes-another", mismatch, &["ALPHA.alice"], vec![ALICE.asset("HALF", 400)]);
    try_one("asset-without-inputs", mismatch, &[], vec![alpha(1)]);
    let outputs = Some("tx.asset.transfer_outputs");
    try_one("asset-beside-unknown", outputs, &["ALPHA.alice"], vec![alpha(400), unknown()]);
    let mixed = Some("tx.input_symbols");
    let two = ["ALPHA.alice", "HALF.alice"];
    try_one("two-assets-come-in", mixed, &two, vec![alpha(400)]);
    let certs = ["domain.ALPHA", "domain.HALF"];
    try_one("two-certs-come-in", mixed, &certs, Vec::new());
    try_one("asset-named-etp", Some("tx.input_asset_etp"), &["asset.ETP"], Vec::new());
    try_one("asset-burnt", None, &["ALPHA.alice"], Vec::new());
}
