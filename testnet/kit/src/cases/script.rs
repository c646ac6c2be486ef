//! Scripts (chain.md 4): one output for each way to fail, spent by a transaction that keeps every
//! other rule.

use std::sync::Arc;

use mvs_primitives::hash::hash160;
use mvs_primitives::script::{Script, ScriptBuilder};
use mvs_primitives::transaction::Transaction;

use super::Cases;
use super::base::{Base, Bases, Builder};
use crate::build::person::{ALICE, BOB, CAROL, under};
use crate::build::tx::TxDraft;

/// A redeem script that ends inside a push.
pub(super) const CUT_SHORT: &[u8] = &[0x51, 0x05, 0x01];
/// A redeem script that is true.
const TRUE: &[u8] = &[0x51];

/// A redeem script with 196 multisigs of unknown size that are not executed: 3,920 operations.
pub(super) fn many_sigops() -> Script {
    Script::from_bytes([vec![0x00, 0x63], vec![0xae; 196], vec![0x68, 0x51]].concat())
}

/// A bare output script that no input script can satisfy, and the code of why.
struct Failing {
    name: &'static str,
    code: &'static str,
    script: Vec<u8>,
}

fn failing() -> Vec<Failing> {
    let key = ALICE.key();
    let with_key = |before: &[u8], after: &[u8]| [before, &[33], &key, after].concat();
    let of = |name, code, script: &[u8]| Failing { name, code, script: script.to_vec() };
    vec![
        of("ends-false", "script.eval_false", &[0x00]),
        of("script-of-10001", "script.script_size", &[0x61; 10_001]),
        of("push-of-521", "script.push_size", &[&[0x4d, 0x09, 0x02][..], &[1; 521]].concat()),
        of("push-cut-short", "script.truncated_push", &[0x51, 0x05, 0x01]),
        of("operations-202", "script.op_count", &[&[0x61; 202][..], &[0x51]].concat()),
        of("items-1001", "script.stack_size", &[0x51; 1001]),
        of("cat", "script.disabled_opcode", &[0x51, 0x51, 0x7e]),
        of("reserved", "script.bad_opcode", &[0x50]),
        of("dup-of-nothing", "script.stack_underflow", &[0x76]),
        of("from-empty-alt-stack", "script.alt_stack_underflow", &[0x6c]),
        of("endif-alone", "script.unbalanced_conditional", &[0x51, 0x68]),
        of("return", "script.op_return", &[0x51, 0x6a, 0x51]),
        of("verify-false", "script.verify", &[0x00, 0x69, 0x51]),
        of("equalverify", "script.equal_verify", &[0x51, 0x52, 0x88, 0x51]),
        of("numequalverify", "script.num_equal_verify", &[0x51, 0x52, 0x9d, 0x51]),
        of("checksigverify", "script.check_sig_verify", &with_key(&[0x00], &[0xad, 0x51])),
        of(
            "checkmultisigverify",
            "script.check_multisig_verify",
            &with_key(&[0x00, 0x00, 0x51], &[0x51, 0xaf, 0x51]),
        ),
        of("number-of-5-bytes", "script.number_size", &[0x05, 1, 2, 3, 4, 5, 0x8b]),
        of("multisig-of-21", "script.key_count", &[0x01, 21, 0xae]),
        of("more-signatures-than-keys", "script.sig_count", &[0x00, 0x51, 0x00, 0xae]),
        of("signature-not-der", "script.sig_der", &with_key(&[0x03, 1, 2, 3], &[0xac])),
        of("lock-time-negative", "script.locktime_negative", &[0x4f, 0xb1]),
        of("lock-time-not-reached", "script.locktime_unsatisfied", &[0x01, 100, 0xb1]),
        of("relative-lock-negative", "script.sequence_negative", &[0x4f, 0xb3]),
        of("relative-lock-not-reached", "script.sequence_unsatisfied", &[0x55, 0xb3]),
        of("no-attenuation-model", "script.attenuation_model", &[0x51, 0x51, 0xb2, 0x51]),
    ]
}

/// Two of three.
fn multisig() -> Script {
    let keys = [ALICE.key(), BOB.key(), CAROL.key()];
    Script::pay_multisig(2, &keys).expect("two of three")
}

fn to_hash_of(redeem: &[u8]) -> Script {
    Script::pay_script_hash(&hash160(redeem))
}

/// The transaction that makes the outputs, in block 4 of the work-era chain.
pub(super) fn zoo(builder: &mut Builder) -> Vec<Transaction> {
    let mut scripts: Vec<(String, Script)> = failing()
        .into_iter()
        .map(|each| (format!("script.{}", each.name), Script::from_bytes(each.script)))
        .collect();
    let sigops = to_hash_of(many_sigops().as_bytes());
    scripts.extend((0..6).map(|number| (format!("sigops.{number}"), sigops.clone())));
    scripts.extend([
        ("p2sh.cut".to_owned(), to_hash_of(CUT_SHORT)),
        ("p2sh.true".to_owned(), to_hash_of(TRUE)),
        ("p2sh.multisig".to_owned(), to_hash_of(multisig().as_bytes())),
        ("bare.true".to_owned(), Script::from_bytes(TRUE)),
    ]);
    let outputs = scripts.iter().map(|(_, script)| under(ALICE.etp(1), script.clone()));
    let draft = TxDraft::new(1).spend(builder.coin("alice.0")).pay_all(outputs).rest(ALICE);
    let names: Vec<&str> = scripts.iter().map(|(name, _)| name.as_str()).collect();
    vec![builder.sign(draft, &names)]
}

pub(super) fn add(bases: &Bases, cases: &mut Cases) {
    let work = &bases.work;
    for each in failing() {
        let coin = work.coin(&format!("script.{}", each.name));
        let tx = work.sign(TxDraft::new(1).spend_with(coin, Script::default()).rest(ALICE));
        cases.bad_tx(&format!("script-{}", each.name), each.code, work, &tx);
    }
    good(work, cases);
    let coin = work.coin("p2sh.true");
    let pushes = ScriptBuilder::new().push(TRUE);
    let tx = work.sign(TxDraft::new(1).spend_with(coin, pushes.clone().build()).rest(ALICE));
    cases.good_tx("script-hash-spent", work, &tx);
    let nop = [&[0x61], pushes.build().as_bytes()].concat();
    let tx = work.sign(TxDraft::new(1).spend_with(coin, Script::from_bytes(nop)).rest(ALICE));
    cases.bad_tx("script-hash-spent-with-nop", "script.input_not_push_only", work, &tx);

    let by = |signers: &[_]| {
        let coin = work.coin("p2sh.multisig");
        work.sign(TxDraft::new(1).spend_multisig(coin, multisig(), signers).rest(ALICE))
    };
    cases.good_tx("multisig-in-order", work, &by(&[ALICE, CAROL]));
    cases.bad_tx("multisig-out-of-order", "script.eval_false", work, &by(&[CAROL, ALICE]));
    cases.bad_tx("multisig-signed-twice-by-one", "script.eval_false", work, &by(&[BOB, BOB]));
}

/// Spends of the same outputs that keep the rule, where there are any.
fn good(work: &Arc<Base>, cases: &mut Cases) {
    let bare = TxDraft::new(1).spend_with(work.coin("bare.true"), Script::default()).rest(ALICE);
    cases.good_tx("script-true", work, &work.sign(bare));
    let coin = work.coin("script.relative-lock-not-reached");
    let relative = TxDraft::new(2).spend_with_at(coin, Script::default(), 5).rest(ALICE);
    cases.good_tx("script-relative-lock-reached", work, &work.sign(relative));
    let coin = work.coin("script.lock-time-not-reached");
    let absolute = TxDraft::new(1).spend_with_at(coin, Script::default(), 0).locktime(100);
    cases.good_tx("script-lock-time-reached", work, &work.sign(absolute.rest(ALICE)));
    let stolen = TxDraft::new(1)
        .spend_with(work.coin("alice.20"), ScriptBuilder::new().push(&[0]).push(&BOB.key()).build())
        .rest(BOB);
    cases.bad_tx("coin-taken-with-another-key", "script.equal_verify", work, &work.sign(stolen));
    // Signed, but for other outputs.
    let mut changed = work.sign(TxDraft::new(1).spend(work.coin("alice.20")).rest(ALICE));
    changed.outputs[0].script = BOB.script();
    cases.bad_tx("output-changed-after-signing", "script.eval_false", work, &changed);
}
