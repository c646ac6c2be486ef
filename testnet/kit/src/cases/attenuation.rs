//! Spending locked assets (chain.md 7.8).

use mvs_primitives::input::OutPoint;
use mvs_primitives::output::Output;

use super::Cases;
use super::base::Bases;
use super::base::things::locked_by;
use crate::build::person::{ALICE, under};
use crate::build::tx::TxDraft;

/// The rest of the lock's model, which never changes.
const CONSTANT: &str = ";TYPE=1;LQ=1000;LP=20;UN=4";

/// The lock was made at height 4 and the tip is at 10: a quarter is free, and of the second period
/// one block has passed.
pub(super) fn add(bases: &Bases, cases: &mut Cases) {
    let work = &bases.work;
    let lock = work.coin("asset.LOCK");
    let rest = |head: &str, units, point: &OutPoint| {
        under(ALICE.asset("LOCK", units), locked_by(&format!("{head}{CONSTANT}"), point))
    };
    let mut try_one = |name: &str, code: Option<&'static str>, version, outputs: Vec<Output>| {
        let draft = TxDraft::new(version).spend(lock).spend(work.coin("alice.20"));
        let tx = work.sign(draft.pay_all(outputs).rest(ALICE));
        match code {
            Some(code) => cases.bad_tx(name, code, work, &tx),
            None => cases.good_tx(name, work, &tx),
        }
    };
    let free = |units| ALICE.asset("LOCK", units);
    try_one("quarter-released", None, 4, vec![rest("PN=1;LH=5", 750, &lock), free(250)]);
    try_one("quarter-and-a-block", None, 4, vec![rest("PN=1;LH=4", 750, &lock), free(250)]);
    try_one("lock-carried-on-whole", None, 4, vec![rest("PN=0;LH=5", 1000, &lock)]);

    let early = Some("tx.attenuation.too_early");
    let outputs = vec![rest("PN=1;LH=3", 750, &lock), free(250)];
    try_one("lock-runs-ahead", early, 4, outputs);
    let wrong = Some("tx.attenuation.remainder");
    let outputs = vec![rest("PN=1;LH=5", 749, &lock), free(251)];
    try_one("more-than-released", wrong, 4, outputs);
    let model = Some("tx.attenuation.model");
    let outputs = vec![rest("PN=4;LH=5", 750, &lock), free(250)];
    try_one("lock-of-a-fifth-period", model, 4, outputs);
    let elsewhere = work.coin("alice.20");
    let outputs = vec![rest("PN=1;LH=5", 750, &elsewhere), free(250)];
    try_one("lock-of-no-input", model, 4, outputs);
    let locked = Some("tx.attenuation.locked");
    try_one("lock-thrown-off", locked, 4, vec![free(1000)]);
    // QUIRK: below version 4 nobody asks.
    try_one("lock-thrown-off-in-version-1", None, 1, vec![free(1000)]);
}
