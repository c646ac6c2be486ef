//! Unique items (chain.md 7.9).

use mvs_primitives::attachment::MitStatus;
use mvs_primitives::output::Output;

use super::Cases;
use super::asset::unknown;
use super::base::Bases;
use crate::build::person::{ALICE, BOB, Person};
use crate::build::tx::TxDraft;

pub(super) fn add(bases: &Bases, cases: &mut Cases) {
    let work = &bases.work;
    let mut one =
        |name: &str, code: Option<&'static str>, coins: &[&str], outputs, rest: Person| {
            let draft =
                coins.iter().fold(TxDraft::new(1), |draft, coin| draft.spend(work.coin(coin)));
            let outputs: Vec<Output> = outputs;
            let tx = work.sign(draft.pay_all(outputs).rest(rest));
            match code {
                Some(code) => cases.bad_tx(name, code, work, &tx),
                None => cases.good_tx(name, work, &tx),
            }
        };
    let coin = &["alice.20"][..];
    let new = |symbol| ALICE.new_mit(symbol);
    let to_bob = |symbol| BOB.mit(symbol, MitStatus::Transfer);
    let sword = &["mit.SWORD", "alice.20"][..];
    one("items-registered", None, coin, vec![new("NEW"), new("NEWER")], ALICE);
    one("item-transferred", None, sword, vec![to_bob("SWORD")], ALICE);
    let form = Some("tx.mit.form");
    one("item-made-and-moved", form, sword, vec![new("NEW"), to_bob("SWORD")], ALICE);
    one("two-items-moved", form, sword, vec![to_bob("SWORD"), to_bob("SHIELD")], ALICE);
    let twice = Some("tx.mit.twice");
    one("item-moved-twice", twice, sword, vec![to_bob("SWORD"), to_bob("SWORD")], ALICE);
    one("item-registered-twice", twice, coin, vec![new("NEW"), new("NEW")], ALICE);
    one("item-registered-before", Some("tx.mit.exists"), coin, vec![new("SWORD")], ALICE);
    let address = Some("tx.mit.address");
    one("item-change-to-another", address, coin, vec![new("NEW")], BOB);
    one("items-at-two-addresses", address, coin, vec![new("NEW"), BOB.new_mit("NEWER")], ALICE);
    let outputs = Some("tx.mit.outputs");
    one("item-beside-unknown", outputs, coin, vec![new("NEW"), unknown()], ALICE);
    let inputs = Some("tx.mit.inputs");
    one("item-paid-by-another", inputs, &["alice.20", "bob.1"], vec![new("NEW")], ALICE);
    one("item-becomes-another", inputs, sword, vec![to_bob("SHIELD")], ALICE);
    let absent = Some("tx.mit.not_in_inputs");
    one("item-from-nothing", absent, coin, vec![to_bob("SWORD")], ALICE);
}
