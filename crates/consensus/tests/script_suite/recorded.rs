//! Real signatures, and spends that the reference node judged.

use mvs_primitives::encode::Decode;
use mvs_primitives::script::{Pattern, Script};
use mvs_primitives::transaction::Transaction;

use crate::support::verify_both;

const SPENDS: &str = include_str!("../data/script/reference_spends.json");
const PUBLIC: &str = include_str!("../data/script/public_spends.json");

/// Input, script code, and how many valid signatures there are.
type Signed = (usize, String, usize);

#[test]
fn signatures_of_public_transactions() {
    let cases: Vec<(String, Vec<Signed>)> = serde_json::from_str(PUBLIC).unwrap();
    let mut verified = 0;
    for (raw, inputs) in cases {
        let transaction = Transaction::decode(&hex::decode(raw).unwrap()).unwrap();
        for (index, code, signatures) in inputs {
            verified += signatures;
            // The code is the previous script, but for script hashes, where it is the redeem script.
            let code = Script::from_bytes(hex::decode(code).unwrap());
            let (previous, required) = match code.pattern() {
                Pattern::PayMultisig { required, .. } => (
                    Script::pay_script_hash(&mvs_primitives::hash::hash160(code.as_bytes())),
                    usize::from(required),
                ),
                _ => (code, 1),
            };
            let id = transaction.txid();
            let verdict = verify_both(&transaction, index, &previous);
            assert_eq!(verdict.is_ok(), signatures >= required, "{id}: {verdict:?}");

            let mut changed = transaction.clone();
            changed.locktime ^= 1;
            assert!(verify_both(&changed, index, &previous).is_err(), "{id}");
        }
    }
    assert_eq!(verified, 123);
}

#[test]
fn spends_judged_by_the_reference() {
    let cases: Vec<(String, String, Vec<String>, bool, String)> =
        serde_json::from_str(SPENDS).unwrap();
    assert_eq!(cases.len(), 72);
    for (name, raw, previous, in_block, message) in cases {
        let transaction = Transaction::decode(&hex::decode(raw).unwrap()).unwrap();
        let spends = previous.iter().enumerate().all(|(index, script)| {
            let previous = Script::from_bytes(hex::decode(script).unwrap());
            verify_both(&transaction, index, &previous).is_ok()
        });
        // Other reasons to refuse a transaction are not about scripts.
        let expected = in_block || !message.contains("validation of inputs failed");
        assert_eq!(spends, expected, "{name}: {message}");
    }
}
