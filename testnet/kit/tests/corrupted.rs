//! A checker that cannot fail checks nothing: for each kind, one field of a good vector is changed
//! and the change must be found, in that vector and in no other.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is the failure")]

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use testkit::vectors::{KINDS, Report, check_document};

fn document(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name);
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn check(document: &Value) -> Report {
    let mut report = Report::default();
    check_document("it", document, KINDS, &mut report);
    report
}

/// Changes a value a little: another last digit, another number, the other truth.
fn change(value: &mut Value) {
    *value = match &*value {
        Value::Bool(truth) => json!(!truth),
        Value::Number(number) => json!(number.as_u64().unwrap() ^ 1),
        Value::String(text) => {
            let (rest, last) = text.split_at(text.len() - 1);
            json!(format!("{rest}{}", if last == "1" { "2" } else { "1" }))
        }
        other => panic!("cannot change {other}"),
    };
}

#[track_caller]
fn assert_found(name: &str, pointer: &str, change: impl Fn(&mut Value)) {
    let mut document = document(name);
    let before = check(&document);
    assert!(before.failures().is_empty());
    change(document.pointer_mut(pointer).unwrap_or_else(|| panic!("{name} has no {pointer}")));
    let after = check(&document);
    assert_eq!(after.failures().len(), 1, "{name} {pointer}: {:?}", after.failures());
    assert_eq!(after.passed(), before.passed() - 1, "{name} {pointer}");
}

/// Fields of good vectors whose content is compared.
const COMPARED: &[(&str, &[&str])] = &[
    (
        "genesis.json",
        &[
            "/vectors/0/raw_block_hex",
            "/vectors/0/raw_header_hex",
            "/vectors/0/raw_coinbase_hex",
            "/vectors/0/hash",
            "/vectors/1/merkle_root",
            "/vectors/1/coinbase_txid",
            "/vectors/1/header/timestamp",
            "/vectors/1/coinbase_input_text",
            "/vectors/2/coinbase_output_address",
            "/vectors/2/coinbase_output_value",
        ],
    ),
    (
        "blocks.json",
        &[
            "/vectors/0/height",
            "/vectors/0/hash",
            "/vectors/0/txids/0",
            "/vectors/0/merkle_root",
            "/vectors/0/boundary_hex",
            "/vectors/0/header/version",
            "/vectors/0/header/prev",
            "/vectors/0/header/merkle",
            "/vectors/0/header/bits",
            "/vectors/0/header/nonce",
            "/vectors/0/header/mixhash",
            "/vectors/0/header/number",
            "/vectors/0/ethash/epoch",
            "/vectors/0/ethash/seal_preimage_hex",
            "/vectors/0/ethash/seal_hash",
            "/vectors/0/ethash/mix_hash",
            "/vectors/0/ethash/final_hash",
            "/vectors/1/pos/blocksig_hex",
            "/vectors/1/pos/blocksig_r",
            "/vectors/1/pos/blocksig_s",
            "/vectors/1/pos/signer_pubkey",
            "/vectors/1/pos/signed_message_bytes",
            "/vectors/1/pos/stake_outpoint/hash",
            "/vectors/1/pos/stake_outpoint/index",
            "/vectors/1/pos/pos_preimage_hex",
            "/vectors/1/pos/pos_hash_int_hex",
            "/vectors/1/pos/stake_amount_etp",
            "/vectors/1/pos/s",
            "/vectors/1/pos/stake_weight",
            "/vectors/1/pos/pos_hash_div_weight_hex",
            "/vectors/1/pos/stake_owner_address",
            "/vectors/2/raw_header_hex",
            "/vectors/2/raw_txs_hex/0",
        ],
    ),
    (
        "transactions.json",
        &[
            "/vectors/0/raw_hex",
            "/vectors/0/txid",
            "/vectors/0/decoded/version",
            "/vectors/0/decoded/locktime",
            "/vectors/0/decoded/inputs/0/prev_hash",
            "/vectors/0/decoded/inputs/0/prev_index",
            "/vectors/0/decoded/inputs/0/script",
            "/vectors/0/decoded/inputs/0/sequence",
            "/vectors/0/decoded/outputs/0/value",
            "/vectors/0/decoded/outputs/0/script",
            "/vectors/0/decoded/outputs/0/attachment/type",
            "/vectors/0/signature_checks/0/script_code",
            "/vectors/0/signature_checks/0/sighash_type",
            "/vectors/0/signature_checks/0/sighash",
            "/vectors/0/signature_checks/0/pubkey",
            "/vectors/0/signature_checks/0/signature_der_with_type",
            "/vectors/0/signature_checks/0/valid",
        ],
    ),
    (
        "attachments.json",
        &[
            "/vectors/2/hex",
            "/vectors/2/decoded/version",
            "/vectors/2/decoded/to_did",
            "/vectors/2/decoded/from_did",
            "/vectors/2/decoded/status",
            "/vectors/2/decoded/symbol",
            "/vectors/2/decoded/address",
            "/vectors/2/decoded/content",
        ],
    ),
    (
        "scripts.json",
        &[
            "/vectors/0/script_hex",
            "/vectors/0/kind",
            "/vectors/0/address_mainnet",
            "/vectors/1/address",
            "/vectors/2/lock_height",
            "/vectors/4/sequence",
            "/vectors/4/effective_blocks",
            "/vectors/6/model_param",
            "/vectors/6/input_point_hex",
            "/vectors/6/hash160",
        ],
    ),
    (
        "addresses.json",
        &[
            "/valid/0/address",
            "/valid/0/version",
            "/valid/0/hash160",
            "/valid/0/kind",
            "/valid/0/script",
            "/wif/0/wif",
            "/wif/0/secret_hex",
            "/wif/0/pubkey",
            "/wif/0/mainnet_address",
            "/wif/0/testnet_address",
            "/hd_bip39_empty_passphrase/0/xprv",
            "/hd_bip39_empty_passphrase/1/path",
            "/hd_bip39_empty_passphrase/2/mainnet_address",
        ],
    ),
    ("symbols.json", &["/sensitive_substrings/0", "/forbidden_asset_symbols/0"]),
];

/// Fields that decide what is checked.
const DECIDING: &[(&str, &[&str])] = &[
    ("genesis.json", &["/vectors/0/network"]),
    (
        "blocks.json",
        &[
            "/vectors/0/header",
            "/vectors/0/txids",
            "/vectors/0/ethash",
            "/vectors/1/pos",
            "/vectors/1/pos/stake_outpoint",
            "/vectors/1/pos/stake_value",
            "/vectors/2/raw_txs_hex",
        ],
    ),
    (
        "transactions.json",
        &[
            "/vectors/0/decoded",
            "/vectors/0/decoded/inputs",
            "/vectors/0/decoded/inputs/0",
            "/vectors/0/decoded/outputs",
            "/vectors/0/decoded/outputs/0",
            "/vectors/0/decoded/outputs/0/attachment",
            "/vectors/0/signature_checks",
            "/vectors/0/signature_checks/0",
            "/vectors/0/signature_checks/0/input",
        ],
    ),
    ("attachments.json", &["/not_compatible", "/not_compatible/0", "/vectors/2/decoded"]),
    (
        "addresses.json",
        &[
            "/valid",
            "/valid/0",
            "/valid/0/network",
            "/invalid",
            "/hd_bip39_empty_passphrase/0",
            "/hd_bip39_empty_passphrase/0/mnemonic",
        ],
    ),
    ("symbols.json", &["/sensitive_substrings", "/forbidden_asset_symbols"]),
];

#[test]
fn a_changed_field_is_found() {
    for (name, pointers) in COMPARED {
        for pointer in *pointers {
            assert_found(name, pointer, change);
        }
    }
}

#[test]
fn a_field_of_the_wrong_form_is_found() {
    let mut missed = Vec::new();
    for (name, pointers) in COMPARED.iter().chain(DECIDING) {
        let whole = document(name);
        for pointer in *pointers {
            let good = whole.pointer(pointer).unwrap_or_else(|| panic!("{name} has no {pointer}"));
            for wrong in [json!(true), json!("zz"), json!({ "odd": [] }), json!(-1), json!(1e300)] {
                if std::mem::discriminant(good) == std::mem::discriminant(&wrong) {
                    continue;
                }
                let mut document = whole.clone();
                *document.pointer_mut(pointer).unwrap() = wrong.clone();
                let report = check(&document);
                if report.failures().is_empty() && report.errors().is_empty() {
                    missed.push(format!("{name} {pointer} = {wrong}"));
                }
            }
        }
    }
    assert_eq!(missed, [""; 0]);
}

#[test]
fn a_good_one_among_the_bad_is_found() {
    let good = document("attachments.json")["vectors"][0].clone();
    assert_found("attachments.json", "/not_compatible/0", |bad| *bad = good.clone());
    let good = document("addresses.json")["valid"][0]["address"].clone();
    assert_found("addresses.json", "/invalid/0/address", |bad| *bad = good.clone());
}

#[test]
fn wrong_networks_are_found() {
    assert_found("addresses.json", "/valid/0/network", |network| *network = json!("testnet"));
    assert_found("genesis.json", "/vectors/0/network", |network| *network = json!("testnet"));
}

#[test]
fn an_emptied_vector_fails() {
    assert_found("scripts.json", "/vectors/0", |vector| *vector = json!({ "note": "nothing" }));
    assert_found("attachments.json", "/not_compatible/0", |vector| *vector = json!({}));
    assert_found("addresses.json", "/invalid/0", |vector| *vector = json!({}));
}

#[test]
fn absent_fields_are_no_failure_and_unknown_ones_are_ignored() {
    let mut document = json!({ "vectors": [document("blocks.json")["vectors"][0].clone()] });
    let vector = document["vectors"][0].as_object_mut().unwrap();
    for key in ["raw_block_hex", "raw_header_hex", "txids", "merkle_root", "ethash", "source"] {
        vector.remove(key);
    }
    vector.insert("mood".to_owned(), json!("sunny"));
    let report = check(&document);
    assert_eq!((report.passed(), report.failures().len()), (1, 0), "{:?}", report.failures());
}

#[test]
fn several_kinds_in_one_document_are_told_apart() {
    let all: Vec<Value> =
        ["genesis.json", "scripts.json", "symbols.json", "addresses.json"].map(document).into();
    let report = check(&json!({ "x": { "deep": all.clone() }, "y": all }));
    assert_eq!(report.failures(), [""; 0]);
    assert_eq!(report.passed(), 2 * (3 + 12 + 2 + 26));
}
