//! Names and attachments by themselves (chain.md 3.5, 3.6).

use std::sync::Arc;

use mvs_primitives::attachment::{
    Attachment, CertStatus, CertType, DidStatus, Mit, MitStatus, OtherMitStatus, Payload,
    UnknownType,
};
use mvs_primitives::output::Output;
use mvs_primitives::text::{AddressText, MitSymbol};

use super::Cases;
use super::base::{Base, Bases};
use crate::build::person::{ALICE, BOB, CAROL, Person};
use crate::build::tx::TxDraft;

pub(super) fn add(bases: &Bases, cases: &mut Cases) {
    let work = &bases.work;
    let mut named = |name: &str, code: Option<&'static str>, version, who: Person, coin, output| {
        one(cases, work, name, code, version, who, coin, output);
    };
    let issue = |symbol: &str| ALICE.issue(symbol, 1, 0, "alice");
    let long = "L".repeat(65);
    let coin = "alice.20";
    named("asset-without-name", Some("symbol.empty"), 1, ALICE, coin, issue(""));
    named("asset-name-of-65", Some("symbol.too_long"), 1, ALICE, coin, issue(&long));
    named("asset-name-of-64", None, 1, ALICE, coin, issue(&long[1..]));
    named("asset-name-with-dash", Some("symbol.character"), 1, ALICE, coin, issue("A-B"));
    named("asset-name-with-dot", None, 1, ALICE, coin, issue("A.B"));
    let lower = Some("symbol.lower_case");
    named("lower-case-in-version-4", lower, 4, ALICE, coin, issue("ALPHa"));
    named("lower-case-in-version-1", None, 1, ALICE, coin, issue("ALPHa"));
    let word = Some("symbol.sensitive_word");
    named("word-in-version-4", word, 4, ALICE, coin, issue("MYUSD"));
    named("word-in-version-1", None, 1, ALICE, coin, issue("MYUSD"));
    let cert = |symbol| ALICE.cert(symbol, CertType::KYC, CertStatus::ISSUE, "alice");
    named("cert-name-with-dash", Some("symbol.character"), 1, ALICE, coin, cert("A-B"));
    named("cert-name", None, 1, ALICE, coin, cert("A.B"));
    named("item-name-with-word", word, 1, ALICE, coin, ALICE.new_mit("myusd"));
    named("item-name-with-dash", None, 1, ALICE, coin, ALICE.new_mit("my-own"));
    let did = |name: &str| CAROL.did(name, DidStatus::Register);
    let coin = "carol.0";
    named("identity-with-word", word, 4, CAROL, coin, did("myusd"));
    named("identity-with-at", None, 4, CAROL, coin, did("carol@home"));
    let address = BOB.address().to_text(&work.params().addresses);
    named("identity-is-an-address", Some("symbol.is_address"), 1, CAROL, coin, did(&address));
    attachments(work, cases);
}

/// chain.md 3.5, from version 4 on.
fn attachments(work: &Arc<Base>, cases: &mut Cases) {
    let item = |status, address| {
        let symbol = MitSymbol::new("NEW").expect("no NUL");
        ALICE.carrying(Payload::Mit(Box::new(Mit { status, symbol, address })))
    };
    let unknown = Output {
        attachment: Attachment::new(Payload::Unknown(UnknownType::new(9).expect("above 6"))),
        ..ALICE.units(0)
    };
    let status = MitStatus::Other(OtherMitStatus::new(3).expect("neither 1 nor 2"));
    for (name, code, output) in [
        ("unknown-attachment", "attachment.type", unknown),
        ("transfer-of-nameless-asset", "attachment.symbol_empty", ALICE.asset("", 1)),
        ("issue-of-nothing", "attachment.supply_zero", ALICE.issue("NEW", 0, 0, "alice")),
        ("transfer-of-nothing", "attachment.quantity_zero", ALICE.asset("ALPHA", 0)),
        ("empty-message", "attachment.message_empty", ALICE.message("")),
        (
            "cert-without-owner",
            "attachment.owner_empty",
            ALICE.cert("NEW", CertType::KYC, CertStatus::ISSUE, ""),
        ),
        (
            "cert-without-type",
            "attachment.cert_type_none",
            ALICE.cert("NEW", CertType::NONE, CertStatus::ISSUE, "alice"),
        ),
        (
            "item-without-address",
            "attachment.address_empty",
            item(MitStatus::Transfer, AddressText::default()),
        ),
        ("item-status-3", "attachment.mit_status", item(status, ALICE.address_text())),
        ("message-of-253", "attachment.too_long", ALICE.message(&"m".repeat(253))),
    ] {
        one(cases, work, name, Some(code), 4, ALICE, "alice.20", output);
    }
    let whole = ALICE.message(&"m".repeat(252));
    one(cases, work, "message-of-252", None, 4, ALICE, "alice.20", whole);
    let old = ALICE.message("");
    one(cases, work, "empty-message-in-version-1", None, 1, ALICE, "alice.20", old);
}

/// A transaction with one output beside the change.
#[expect(clippy::too_many_arguments, reason = "each line of a table is one call")]
fn one(
    cases: &mut Cases,
    base: &Arc<Base>,
    name: &str,
    code: Option<&'static str>,
    version: u32,
    who: Person,
    coin: &str,
    output: Output,
) {
    let tx = base.sign(TxDraft::new(version).spend(base.coin(coin)).pay(output).rest(who));
    match code {
        Some(code) => cases.bad_tx(name, code, base, &tx),
        None => cases.good_tx(name, base, &tx),
    }
}
