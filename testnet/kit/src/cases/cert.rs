//! Certificates (chain.md 7.7).

use std::sync::Arc;

use mvs_primitives::attachment::{CertStatus, CertType};
use mvs_primitives::output::Output;

use super::Cases;
use super::asset::unknown;
use super::base::{Base, Bases};
use super::stake::witness_draft;
use crate::build::person::{ALICE, BOB, FOUNDATION};
use crate::build::tx::TxDraft;

pub(super) fn add(bases: &Bases, cases: &mut Cases) {
    alone(&bases.work, cases);
    witnesses(&bases.after_stake, cases);
    relation(&bases.work, cases);
}

fn try_one(
    cases: &mut Cases,
    base: &Arc<Base>,
    name: &str,
    code: Option<&'static str>,
    coins: &[&str],
    outputs: Vec<Output>,
) {
    let draft = coins.iter().fold(TxDraft::new(1), |draft, coin| draft.spend(base.coin(coin)));
    let tx = base.sign(draft.spend(base.coin("alice.20")).pay_all(outputs).rest(ALICE));
    match code {
        Some(code) => cases.bad_tx(name, code, base, &tx),
        None => cases.good_tx(name, base, &tx),
    }
}

fn alice(symbol: &str, of: CertType, status: CertStatus) -> Output {
    ALICE.cert(symbol, of, status, "alice")
}

/// chain.md 7.7 A.
fn alone(work: &Arc<Base>, cases: &mut Cases) {
    use CertStatus as S;
    use CertType as T;
    let mut one = |name: &str, code, coins: &[&str], outputs| {
        try_one(cases, work, name, code, coins, outputs);
    };
    let kyc = |symbol| alice(symbol, T::KYC, S::ISSUE);
    one("cert-issued", None, &[], vec![kyc("NEW")]);
    one("two-certs-at-once", Some("tx.cert.single"), &[], vec![kyc("NEW"), kyc("NEWER")]);
    let taken = alice("ALPHA", T::DOMAIN, S::ISSUE);
    one("cert-issued-before", Some("tx.cert.exists"), &[], vec![taken]);
    let beside = vec![kyc("NEW"), alice("ALPHA", T::DOMAIN, S::NORMAL)];
    one("cert-beside-needless-one", Some("tx.cert.outputs"), &["domain.ALPHA"], beside);
    let beside = vec![kyc("NEW"), ALICE.asset("ALPHA", 400)];
    one("cert-beside-asset", Some("tx.cert.outputs"), &["ALPHA.alice"], beside);
    let none = alice("NEW", T::NONE, S::ISSUE);
    one("cert-of-no-type", Some("tx.cert.no_type"), &[], vec![none]);

    let naming = || alice("ALPHA.HOME", T::NAMING, S::ISSUE);
    let domain = |owner: &str| ALICE.cert("ALPHA", T::DOMAIN, S::NORMAL, owner);
    let named = vec![naming(), domain("alice")];
    one("naming-cert-with-domain", None, &["domain.ALPHA"], named);
    let missing = Some("tx.cert.naming_domain");
    one("naming-cert-without-domain", missing, &[], vec![naming()]);
    let owner = Some("tx.cert.owner");
    let unknown = vec![naming(), domain("nobody")];
    one("domain-of-unknown-owner", owner, &["domain.ALPHA"], unknown);
    let elsewhere = vec![naming(), domain("bob")];
    one("domain-of-owner-elsewhere", owner, &["domain.ALPHA"], elsewhere);
}

/// chain.md 7.7 A 4: witness certificates.
fn witnesses(base: &Arc<Base>, cases: &mut Cases) {
    let issue =
        |primary| base.sign(witness_draft(|n| base.coin(n), primary, "TWO", "foundation.2"));
    cases.good_tx("first-secondary-witness", base, &issue(2));
    cases.bad_tx("second-secondary-witness", "tx.cert.witness_full", base, &issue(1));
    let alone = ALICE.cert("MVS.WITNESS.2.ONE", CertType::WITNESS, CertStatus::ISSUE, "alice");
    let tx = TxDraft::new(4).spend(base.coin("foundation.2")).pay(alone).rest(FOUNDATION);
    cases.bad_tx("witness-without-primary", "tx.cert.witness_primary", base, &base.sign(tx));
    let odd = ALICE.cert("WITNESS", CertType::WITNESS, CertStatus::ISSUE, "alice");
    let tx = TxDraft::new(4).spend(base.coin("foundation.2")).pay(odd).rest(FOUNDATION);
    cases.bad_tx("witness-of-another-name", "tx.cert.witness_primary", base, &base.sign(tx));
}

/// chain.md 7.7 B.
fn relation(work: &Arc<Base>, cases: &mut Cases) {
    use CertStatus as S;
    use CertType as T;
    let mut one = |name: &str, code, coins: &[&str], outputs| {
        try_one(cases, work, name, code, coins, outputs);
    };
    let domain = |status| alice("HALF", T::DOMAIN, status);
    let issue = |status| alice("HALF", T::ISSUE, status);
    let both = ["domain.HALF", "issue.HALF"];
    one("certs-passed-on", None, &both, vec![domain(S::NORMAL), issue(S::NORMAL)]);
    let twice = vec![domain(S::NORMAL), domain(S::NORMAL)];
    one("cert-doubled", Some("tx.cert.type_twice"), &["domain.HALF"], twice);
    let other = vec![alice("ALPHA", T::DOMAIN, S::NORMAL)];
    one("cert-becomes-another", Some("tx.cert.symbol_mismatch"), &["domain.HALF"], other);
    let absent = Some("tx.cert.not_in_inputs");
    one("cert-from-nothing", absent, &[], vec![domain(S::NORMAL)]);
    let mixed = vec![domain(S::NORMAL), unknown()];
    one("cert-beside-unknown", Some("tx.cert.mixed_outputs"), &["domain.HALF"], mixed);
    let auto = vec![alice("NEW", T::KYC, S::AUTO_ISSUE)];
    one("automatic-cert-without-asset", Some("tx.cert.auto_issue_alone"), &[], auto);
    let lost = Some("tx.cert.lost");
    one("cert-left-behind", lost, &both, vec![domain(S::NORMAL)]);
    one("certs-lost-without-outputs", None, &both, Vec::new());

    let to_bob = || BOB.cert("HALF", T::DOMAIN, S::TRANSFER, "bob");
    one("cert-transferred", None, &["domain.HALF"], vec![to_bob()]);
    let count = Some("tx.cert.transfer_count");
    one("cert-transferred-with-another", count, &both, vec![to_bob()]);
}
