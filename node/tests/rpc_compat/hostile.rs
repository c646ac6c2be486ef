//! Any JSON in, a reply out.

use mvs_node::rpc::compat::{Version, answer};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof};
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

use super::support::{Recorded, chain_a};

/// Methods of every kind, and some that are none.
const METHODS: &[&str] = &[
    "getinfo",
    "getheight",
    "getblock",
    "getblockheader",
    "getbestblockhash",
    "fetchheaderext",
    "gettx",
    "fetch-tx",
    "getmemorypool",
    "getpeerinfo",
    "addnode",
    "sendrawtx",
    "decoderawtx",
    "validateaddress",
    "getaddressetp",
    "getaddressasset",
    "listassets",
    "getasset",
    "listdids",
    "getdid",
    "listmits",
    "getmit",
    "getmininginfo",
    "getwork",
    "submitwork",
    "setminingaccount",
    "getbalance",
    "popblock",
    "",
    "--help",
];

/// Words that commands look at.
const WORDS: &[&str] = &[
    "",
    "-",
    "--",
    "---",
    "-h",
    "--=",
    "--json",
    "--json=",
    "--height",
    "--hash=00",
    "-t",
    "-1",
    "0",
    "1",
    "3166",
    "4294967295",
    "18446744073709551615",
    "-9223372036854775809",
    "1:2",
    "2:1",
    "--range",
    "--utxo",
    "-d",
    "--limit",
    "--index",
    "--trace",
    "--symbol",
    "-x",
    "pending",
    "latest",
    "MFay4i6zi86HTuUc3y9QePkDwxuZKG7uxX",
    "wil.EXZFZ",
    "BLACKHOLE",
    "1111111111111111111114oLvT2",
    "0xffffffffffffffff",
    "0x0000000000000000000000000000000000000000000000000000000000000000",
    "37d32b75970b6243fbb25765e517dd579daf42728c39bb998852dc15acc827ff",
    "04000000000000000000",
    "\u{0}",
    "\u{202e}\u{1f600}",
    "127.0.0.1:1",
    "list",
    "false",
];

/// Names of options, and one that is none.
const OPTIONS: &[&str] =
    &["height", "hash", "limit", "index", "utxo", "range", "cert", "json", "symbol", "o"];

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(|value| json!(value)),
        any::<i64>().prop_map(|value| json!(value)),
        any::<u64>().prop_map(|value| json!(value)),
        any::<f64>().prop_map(|value| json!(value)),
        ".{0,40}".prop_map(|text| json!(text)),
        prop::sample::select(WORDS).prop_map(|text| json!(text)),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::btree_map(".{0,12}", inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Requests that get further than the envelope.
fn request() -> impl Strategy<Value = Value> {
    let words = || prop::sample::select(WORDS).prop_map(|text| json!(text));
    let options = prop::collection::btree_map(prop::sample::select(OPTIONS), json_value(), 0..3)
        .prop_map(|fields| {
            let fields: Map<String, Value> =
                fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            Value::Object(fields)
        });
    let param = prop_oneof![6 => words(), 2 => json_value(), 1 => options];
    let params = prop::collection::vec(param, 0..6).prop_map(Value::Array);
    (prop::sample::select(METHODS), params, json_value()).prop_map(|(method, params, id)| {
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
    })
}

fn check(node: &Recorded, request: &Value) {
    for version in [Version::V2, Version::V3] {
        let reply = answer(version, node, request);
        let fields = reply.as_object().unwrap();
        assert_eq!(fields.len(), 3, "{reply}");
        assert!(fields["id"].is_i64() || fields["id"].is_u64(), "{reply}");
        assert_eq!(fields["jsonrpc"], "2.0");
        match fields.get("error") {
            None => assert!(fields.contains_key("result")),
            Some(error) => {
                assert!(error["code"].is_i64() && error["message"].is_string(), "{reply}");
            }
        }
        // What is sent is JSON again.
        let text = serde_json::to_string(&reply).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), reply);
    }
}

#[test]
fn any_json_gets_a_reply() {
    let node = chain_a();
    let mut runner = TestRunner::new(ProptestConfig::with_cases(2_000));
    let values = prop_oneof![1 => json_value(), 4 => request()];
    runner
        .run(&values, |value| {
            check(&node, &value);
            Ok(())
        })
        .unwrap();
}

#[test]
fn every_method_bears_every_word() {
    let node = chain_a();
    for method in METHODS.iter().filter(|method| !method.starts_with("listm")) {
        for first in WORDS {
            for second in ["", "--json", "1", "-1"] {
                let params = json!([first, second]);
                check(&node, &json!({ "jsonrpc": "2.0", "method": method, "params": params }));
            }
        }
    }
}
