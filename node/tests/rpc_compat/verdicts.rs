//! `sendrawtx` judges the recorded transactions as the first node did, in its words.

use std::collections::BTreeMap;

use mvs_node::rpc::compat::Version;
use serde_json::json;

use super::support::{chain_a, document};

/// Cases in which the reply is another one, and why.
const KNOWN: &[(&str, &str)] = &[
    ("asset transfer: u64 wrap in the sum", "assets are conserved: docs/decisions/0013"),
    ("asset transfer: known symbol without asset input", "one rule of ours, two words there"),
    ("cert: two certs issued", "one rule of ours, two words there"),
    ("multisig: wrong redeem script", "the first node says so only after it sorted signatures"),
    ("wire form: trailing byte", "nothing may follow: docs/decisions/0002"),
    ("wire form: output count huge", "the first node runs out of memory"),
];

#[test]
fn recorded_transactions_get_their_recorded_replies() {
    let node = &chain_a();
    let recorded = document("reference-chain/verdicts-tx.json");
    let known: BTreeMap<&str, &str> = KNOWN.iter().copied().collect();
    let (mut equal, mut wrong) = (0, Vec::new());
    let mut seen = 0;
    for verdict in recorded["verdicts"].as_array().unwrap() {
        node.empty_pool();
        let name = verdict["name"].as_str().unwrap();
        let reply = node.reply(Version::V3, "sendrawtx", json!([verdict["raw_hex"]]));
        let ours = match reply.get("error") {
            Some(error) => json!([error["code"], error["message"], null]),
            None => json!([0, "", reply["result"]]),
        };
        let theirs = json!([verdict["code"], verdict["message"], verdict.get("txid")]);
        let is_equal = ours == theirs;
        equal += usize::from(is_equal);
        seen += usize::from(known.contains_key(name));
        if is_equal == known.contains_key(name) {
            wrong.push(format!("{name}\n    ours     {ours}\n    recorded {theirs}"));
        }
    }
    node.empty_pool();
    let total = recorded["verdicts"].as_array().unwrap().len();
    println!("verdicts: {equal} of {total} recorded replies are equal");
    assert_eq!(seen, KNOWN.len(), "a named case is not among the recorded ones");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
