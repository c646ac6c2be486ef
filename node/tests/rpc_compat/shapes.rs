//! The shapes of rpc.md section 3, key by key and type by type, for real blocks and transactions.
//!
//! Real transactions: `testnet/kit/data/transactions.json` (main and test network); blocks: every
//! one of the recorded chains.

use mvs_node::rpc::compat::Version;
use mvs_primitives::address::{Address, AddressFormat};
use serde_json::{Map, Value, json};

use super::support::{Recorded, chain_a, document};

/// What a value must be.
#[derive(Clone, Copy)]
enum Kind {
    /// Any text.
    Text,
    /// A text of decimal digits.
    Decimal,
    /// A text of hex digits.
    Hex,
    /// 64 hex digits.
    Hash,
    Number,
    Bool,
    /// Something that is looked at by itself.
    Inner,
}

/// Keys of an object.
type Keys = &'static [(&'static str, Kind)];

use Kind::{Bool, Decimal, Hash, Hex, Inner, Number, Text};

fn is(value: &Value, kind: Kind) -> bool {
    let text = |test: &dyn Fn(&str) -> bool| value.as_str().is_some_and(test);
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match kind {
        Text => value.is_string(),
        Decimal => text(&|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())),
        Hex => text(&|text| text.len() % 2 == 0 && is_hex(text)),
        Hash => text(&|text| text.len() == 64 && is_hex(text)),
        Number => value.is_u64(),
        Bool => value.is_boolean(),
        Inner => true,
    }
}

/// Demands exactly these keys, but for those that may be absent, each of its kind.
fn check(value: &Value, needed: &[(&str, Kind)], allowed: &[(&str, Kind)]) {
    let fields = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
    for (key, kind) in needed {
        let found = fields.get(*key).unwrap_or_else(|| panic!("{key} is missing: {value}"));
        assert!(is(found, *kind), "{key}: {found}");
    }
    for (key, found) in fields {
        let kind = needed.iter().chain(allowed).find(|(known, _)| known == key);
        let (_, kind) = kind.unwrap_or_else(|| panic!("{key} does not belong here: {value}"));
        assert!(is(found, *kind), "{key}: {found}");
    }
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

const HEADER: [(&str, Kind); 9] = [
    ("hash", Hash),
    ("merkle_tree_hash", Hash),
    ("previous_block_hash", Hash),
    ("bits", Decimal),
    ("mixhash", Decimal),
    ("nonce", Decimal),
    ("version", Number),
    ("number", Number),
    ("transaction_count", Number),
];

fn header_keys(version: Version) -> Vec<(&'static str, Kind)> {
    let time = match version {
        Version::V2 => "time_stamp",
        Version::V3 => "timestamp",
    };
    [&HEADER[..], &[(time, Number)]].concat()
}

fn check_tx(tx: &Value, more: &[(&str, Kind)]) {
    let needed = [
        ("hash", Hash),
        ("lock_time", Decimal),
        ("version", Decimal),
        ("inputs", Inner),
        ("outputs", Inner),
    ];
    check(tx, &[&needed[..], more].concat(), &[]);
    for input in list(&tx["inputs"]) {
        let needed = [("previous_output", Inner), ("script", Text), ("sequence", Number)];
        check(input, &needed, &[("address", Text)]);
        check(&input["previous_output"], &[("hash", Hash), ("index", Number)], &[]);
    }
    for (index, output) in list(&tx["outputs"]).iter().enumerate() {
        let needed = [
            ("index", Number),
            ("script", Text),
            ("value", Number),
            ("locked_height_range", Number),
            ("attachment", Inner),
        ];
        check(output, &needed, &[("address", Text), ("attenuation_model_param", Inner)]);
        assert_eq!(output["index"], json!(index));
        check_attachment(&output["attachment"]);
        if let Some(model) = output.get("attenuation_model_param") {
            check_model(model);
        }
    }
}

fn check_attachment(attachment: &Value) {
    let own: (Keys, Keys) = match attachment["type"].as_str().unwrap() {
        "etp" | "coinstake" => (&[], &[]),
        "asset-issue" => (
            &[
                ("symbol", Text),
                ("issuer", Text),
                ("address", Text),
                ("description", Text),
                ("quantity", Number),
                ("decimal_number", Number),
                ("secondaryissue_threshold", Number),
                ("is_secondaryissue", Bool),
            ],
            &[],
        ),
        "asset-transfer" => (&[("symbol", Text), ("quantity", Number)], &[]),
        "asset-cert" => (
            &[("symbol", Text), ("owner", Text), ("address", Text), ("cert", Text)],
            &[("content", Text)],
        ),
        "did-register" | "did-transfer" => (&[("symbol", Text), ("address", Text)], &[]),
        "mit" => {
            let is_new = attachment["status"] == "registered";
            assert_eq!(attachment.get("content").is_some(), is_new, "{attachment}");
            (&[("symbol", Text), ("address", Text), ("status", Text)], &[("content", Text)])
        }
        "message" => (&[("content", Text)], &[]),
        other => panic!("{other} is no type of an attachment"),
    };
    let bound = attachment.get("to_did").is_some();
    let binding: &[(&str, Kind)] =
        if bound { &[("from_did", Text), ("to_did", Text)] } else { &[] };
    check(attachment, &[own.0, binding, &[("type", Text)]].concat(), own.1);
}

fn check_model(model: &Value) {
    let needed = [
        ("type", Number),
        ("lock_quantity", Number),
        ("lock_period", Number),
        ("total_period_nbr", Number),
        ("current_period_nbr", Number),
        ("next_interval", Number),
    ];
    check(model, &needed, &[("inflation_rate", Number), ("locked", Inner)]);
    assert_eq!(model.get("inflation_rate").is_some(), model["type"] == 3);
    assert_eq!(model.get("locked").is_some(), model["type"] != 1);
    for step in model.get("locked").map_or(&Vec::new(), list) {
        check(step, &[("number", Number), ("quantity", Number)], &[]);
    }
}

/// Keys stand in the order of the alphabet, at every depth.
fn check_order(value: &Value) {
    match value {
        Value::Object(fields) => {
            assert!(fields.keys().is_sorted(), "{value}");
            fields.values().for_each(check_order);
        }
        Value::Array(items) => items.iter().for_each(check_order),
        _ => {}
    }
}

fn check_blocks(node: &Recorded) {
    let tip = node.v3("getheight", json!([])).as_u64().unwrap();
    for height in 0..=tip {
        let v3 = node.v3("getblock", json!([height]));
        let more: &[(&str, Kind)] = match v3["version"].as_u64().unwrap() {
            1 => &[],
            2 => &[("blocksig", Hex)],
            _ => &[("blocksig", Hex), ("public_key", Hex)],
        };
        let keys = header_keys(Version::V3);
        check(&v3, &[&keys[..], &[("transactions", Inner)], more].concat(), &[]);
        let v2 = node.v2("getblock", json!([v3["hash"]]));
        check(&v2, &[("header", Inner), ("txs", Inner)], &[]);
        check(&v2["header"], &[("result", Inner)], &[]);
        check(&v2["header"]["result"], &header_keys(Version::V2), &[]);
        check(&v2["txs"], &[("transactions", Inner)], &[]);
        assert_eq!(v2["txs"]["transactions"], v3["transactions"]);
        assert_eq!(json!(list(&v3["transactions"]).len()), v3["transaction_count"]);
        list(&v3["transactions"]).iter().for_each(|tx| check_tx(tx, &[]));
        check_order(&v2);
        check_order(&v3);
        let header = node.v3("getblockheader", json!(["-s", v3["hash"]]));
        assert!(header.as_object().unwrap().iter().all(|(key, value)| v3[key] == *value));
        assert_eq!(node.v3("fetchheaderext", json!(["", "", height.to_string()])), header);
    }
}

#[test]
fn every_block_of_the_recorded_chains_has_the_shape() {
    check_blocks(&chain_a());
    check_blocks(&Recorded::new("reference-chain-pos", &[], false));
}

#[test]
fn real_transactions_have_the_shape() {
    let node = chain_a();
    let document = document("transactions.json");
    let vectors = document["vectors"].as_array().unwrap();
    assert!(vectors.len() > 50);
    for vector in vectors {
        let raw = &vector["raw_hex"];
        let v3 = node.v3("decoderawtx", json!([raw]));
        check_tx(&v3, &[]);
        check_order(&v3);
        assert_eq!(v3["hash"], vector["txid"]);
        assert_eq!(node.v2("decoderawtx", json!([raw])), json!({ "transaction": v3 }));
    }
}

#[test]
fn transactions_by_id_and_raw() {
    let node = chain_a();
    let id = list(&node.v3("getblock", json!(["561"]))["transactions"])[0]["hash"].clone();
    let tx = node.v3("gettx", json!([id]));
    check_tx(&tx, &[("height", Number)]);
    assert_eq!(tx["height"], 561);
    assert_eq!(node.v2("gettx", json!([id])), tx);
    assert_eq!(node.v2("fetch-tx", json!([id, true])), tx);
    let raw = node.v3("gettransaction", json!([id, "false"]));
    assert!(is(&raw, Hex));
    let wrapped = json!({ "transaction": { "raw": raw } });
    assert_eq!(node.v2("gettx", json!([id, false])), wrapped);
    let block = node.v3("getblock", json!(["561", false]));
    assert!(is(&block, Hex));
    assert_eq!(node.v2("getblock", json!(["561", false])), json!({ "raw": block }));
    let with_raw = node.v2("getblock", json!(["561", "true", "false"]));
    check(&with_raw["txs"]["transactions"][0], &[("raw", Hex)], &[]);
}

/// The keys of a whole answer and their kinds, for answers of which no recording exists.
#[test]
fn answers_about_the_node_have_the_shape() {
    let node = chain_a();
    let info = node.v2("getinfo", json!([]));
    let needed = [
        ("protocol-version", Number),
        ("wallet-version", Text),
        ("database-version", Text),
        ("testnet", Bool),
        ("peers", Number),
        ("network-assets-count", Number),
        ("wallet-account-count", Number),
        ("height", Number),
        ("difficulty", Decimal),
        ("is-mining", Bool),
        ("hash-rate", Number),
    ];
    check(&info, &needed, &[]);
    let info = node.v3("getinfo", json!(["", ""]));
    let needed = [
        ("protocol_version", Number),
        ("wallet_version", Text),
        ("database_version", Text),
        ("testnet", Bool),
        ("peers", Number),
        ("asset_count", Number),
        ("wallet_account_count", Number),
        ("height", Number),
        ("difficulty", Decimal),
        ("is_mining", Bool),
        ("hash_rate", Number),
    ];
    check(&info, &needed, &[]);
    assert_eq!((&info["height"], &info["asset_count"]), (&json!(3166), &json!(35)));
    assert_eq!((&info["difficulty"], &info["peers"]), (&json!("10"), &json!(2)));
    let mining = node.v2("getmininginfo", json!([]));
    check(&mining, &[("mining-info", Inner)], &[]);
    let needed =
        [("is-mining", Bool), ("height", Decimal), ("rate", Decimal), ("difficulty", Decimal)];
    check(&mining["mining-info"], &needed, &[]);
    let needed = [
        ("is_mining", Bool),
        ("height", Decimal),
        ("rate", Decimal),
        ("difficulty", Decimal),
        ("payment_address", Text),
        ("mining_mst", Text),
        ("block_type", Text),
    ];
    check(&node.v3("getmininginfo", json!([])), &needed, &[]);
    let peers = json!(["127.0.0.1:5251", "[::1]:5252"]);
    assert_eq!(node.v3("getpeerinfo", json!([])), peers);
    assert_eq!(node.v2("getpeerinfo", json!([])), json!({ "peers": peers }));
    assert_eq!(node.v2("getmemorypool", json!([])), json!({ "transactions": [] }));
    for (version, keys) in [
        (
            Version::V2,
            [("address-type", Text), ("test-net", Bool), ("is-valid", Bool), ("message", Text)],
        ),
        (
            Version::V3,
            [("address_type", Text), ("testnet", Bool), ("is_valid", Bool), ("message", Text)],
        ),
    ] {
        check(&node.result(version, "validateaddress", json!(["x"])), &keys, &[]);
    }
}

#[test]
fn empty_lists_are_null_in_version_2_only() {
    let mut node = chain_a();
    node.peers.clear();
    assert_eq!(node.v2("getpeerinfo", json!([])), json!({ "peers": null }));
    assert_eq!(node.v3("getpeerinfo", json!([])), json!([]));
    let nothing = json!(["NOT.THERE"]);
    assert_eq!(node.v2("getasset", nothing.clone()), json!({ "assets": null }));
    assert_eq!(node.v3("getasset", nothing), json!([]));
    let unused = Address::KeyHash([0x5a; 20]).to_text(&AddressFormat::MAINNET);
    for flag in ["utxo", "deposited"] {
        let params = json!([unused, { flag: null }]);
        assert_eq!(node.v3("getaddressetp", params.clone()), json!(null));
        assert_eq!(node.v2("getaddressetp", params), json!({ "balance": null }));
    }
}

#[test]
fn names_of_version_2_are_wrapped() {
    let node = chain_a();
    for (method, name, params) in [
        ("listassets", "assets", json!([])),
        ("listassets", "assetcerts", json!(["-c"])),
        ("getasset", "assets", json!([])),
        ("getasset", "assetcerts", json!(["--cert"])),
        ("getdid", "dids", json!([])),
        ("listmits", "mits", json!([])),
        ("getmit", "mits", json!([])),
    ] {
        let bare = node.v3(method, params.clone());
        let wrapped = node.v2(method, params);
        let fields: &Map<String, Value> = wrapped.as_object().unwrap();
        assert_eq!(fields.keys().collect::<Vec<_>>(), [name], "{method}");
        if method != "listmits" {
            assert_eq!(wrapped[name], bare);
        }
        assert!(!list(&bare).is_empty());
    }
    let history = node.v2("getdid", json!(["IVY_EXHFZ"]));
    check(&history, &[("did", Text), ("addresses", Inner)], &[]);
    check(&history["addresses"][0], &[("address", Text), ("status", Text)], &[]);
    let page = node.v3("listdids", json!([{ "limit": 5, "index": 7 }]));
    let needed = [
        ("total_count", Number),
        ("total_page", Number),
        ("current_page", Number),
        ("dids", Inner),
    ];
    check(&page, &needed, &[]);
    assert_eq!(page, node.v2("listdids", json!(["-l", "5", "-i", "7"])));
    assert_eq!((&page["total_count"], &page["total_page"]), (&json!(32), &json!(7)));
    assert_eq!(list(&page["dids"]).len(), 2);
    let item = node.v2("listmits", json!([]))["mits"][0].take();
    let needed = [
        ("height", Number),
        ("time_stamp", Number),
        ("to_did", Text),
        ("symbol", Text),
        ("address", Text),
        ("status", Text),
        ("content", Text),
    ];
    check(&item, &needed, &[]);
}
