//! Identities, and attachments that name them (chain.md 7.11).

use mvs_primitives::attachment::{CertStatus, CertType, DidStatus};
use mvs_primitives::output::Output;

use super::Cases;
use super::asset::unknown;
use super::base::Bases;
use crate::build::person::{ALICE, BOB, CAROL, DAVE, bound, under};
use crate::build::tx::TxDraft;

pub(super) fn add(bases: &Bases, cases: &mut Cases) {
    let work = &bases.work;
    let mut one = |name: &str, code: Option<&'static str>, coins: &[&str], outputs: Vec<Output>| {
        let draft = coins.iter().fold(TxDraft::new(1), |draft, coin| draft.spend(work.coin(coin)));
        let tx = work.sign(draft.pay_all(outputs).rest(DAVE));
        match code {
            Some(code) => cases.bad_tx(name, code, work, &tx),
            None => cases.good_tx(name, work, &tx),
        }
    };
    let register = |name| CAROL.did(name, DidStatus::Register);
    let carol = &["carol.0"][..];
    one("identity-registered", None, carol, vec![register("carol")]);
    one("identity-name-taken", Some("tx.did.name_taken"), carol, vec![register("alice")]);
    let second = vec![ALICE.did("second", DidStatus::Register)];
    one("address-has-identity", Some("tx.did.address_taken"), &["alice.20"], second);
    let two = vec![register("carol"), DAVE.did("dave", DidStatus::Register)];
    one("two-identities-at-once", Some("tx.did.single"), &["carol.0", "dave.0"], two);
    let inputs = Some("tx.did.inputs");
    one("identity-paid-by-another", inputs, &["bob.1"], vec![register("carol")]);
    let elsewhere = under(register("carol"), DAVE.script());
    one("identity-at-another-address", Some("tx.did.address_mismatch"), carol, vec![elsewhere]);

    let to_carol = |name| CAROL.did(name, DidStatus::Transfer);
    let moved = &["did.alice", "carol.0"][..];
    one("identity-transferred", None, moved, vec![to_carol("alice")]);
    one(
        "identity-transferred-by-three",
        inputs,
        &["did.alice", "carol.0", "carol.1"],
        vec![to_carol("alice")],
    );
    one("identity-from-nothing", inputs, &["carol.0", "carol.1"], vec![to_carol("alice")]);
    one("identity-becomes-another", inputs, moved, vec![to_carol("bob")]);
    let beside = vec![to_carol("alice"), unknown()];
    one("identity-beside-unknown", Some("tx.did.outputs"), moved, beside);

    let alice = &["alice.20"][..];
    one("coin-between-identities", None, alice, vec![bound(BOB.etp(1), "bob", "alice")]);
    let to = Some("tx.did.to_unbound");
    one("receiver-lives-elsewhere", to, alice, vec![bound(CAROL.etp(1), "bob", "alice")]);
    one("receiver-unknown", to, alice, vec![bound(BOB.etp(1), "nobody", "alice")]);
    let from = Some("tx.did.from_unbound");
    one("sender-lives-elsewhere", from, alice, vec![bound(BOB.etp(1), "bob", "bob")]);
    let cert = |owner| {
        let cert = ALICE.cert("NEW", CertType::KYC, CertStatus::ISSUE, owner);
        vec![bound(cert, "alice", "alice")]
    };
    one("owner-is-the-receiver", None, alice, cert("alice"));
    one("owner-is-not-the-receiver", Some("tx.did.owner_mismatch"), alice, cert("bob"));
}
