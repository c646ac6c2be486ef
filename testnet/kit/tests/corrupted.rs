//! A checker that cannot fail checks nothing: for each kind, one field of a good vector is changed
//! and the change must be found, in that vector and in no other.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is the failure")]

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use testkit::vectors::{FOLDER_KINDS, KINDS, Report, check_document, check_paths};

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
    assert_found_in(name, document(name), pointer, change);
}

#[track_caller]
fn assert_found_in(name: &str, mut document: Value, pointer: &str, change: impl Fn(&mut Value)) {
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

/// The same for kinds whose fields may have several forms.
const COMPARED_ALONE: &[(&str, &[&str])] = &[
    (
        "difficulty.json",
        &[
            "/observed/0/bits",
            "/retarget/v1_pow/3/expected_bits",
            "/retarget/v2_pow/40/expected_bits",
            "/retarget/v2_pos/40/expected_bits",
            "/boundary/1/boundary_hex",
            "/boundary/1/bits",
            "/stake_maturity/1/maturity_blocks",
            "/stake_weight/0/weight",
            "/stake_weight/0/s",
        ],
    ),
    (
        "subsidy.json",
        &[
            "/observed/0/coinbase_value",
            "/observed/0/fees",
            "/observed/5/computed",
            "/computed/6/pow",
            "/computed/6/pos",
            "/deposit_reward/1/reward",
            "/deposit_reward/1/mainnet_lock_height",
            "/deposit_reward/1/testnet_lock_height",
        ],
    ),
    (
        "attenuation.json",
        &[
            "/from_libraries/0/available",
            "/from_libraries/0/new_model_param",
            "/derived/0/available",
            "/derived/0/new_model_param",
            "/recorded_from_reference/format_ok/0/ok",
            "/recorded_from_reference/initial_check/0/ok",
            "/recorded_from_reference/running_check/0/ok",
            "/recorded_from_reference/distance/0/distance",
            "/recorded_from_reference/wallet_make_initial/0/ok",
            "/recorded_from_reference/wallet_make_initial/0/result",
        ],
    ),
    ("p2p/server-getdata.json", &["/steps/9/command", "/steps/18/command"]),
];

#[test]
fn a_changed_field_is_found() {
    for (name, pointers) in COMPARED.iter().chain(COMPARED_ALONE) {
        for pointer in *pointers {
            assert_found(name, pointer, change);
        }
    }
}

/// One vector of each section at a time: each is evaluated on every code path.
#[test]
fn a_changed_field_of_ethash_is_found() {
    let document = document("ethash.json");
    for (section, fields) in [
        ("hashimoto", &["block_number", "header_hash", "nonce", "mix_hash", "final_hash"][..]),
        ("sizes", &["epoch", "cache_bytes", "dataset_bytes"]),
        ("epoch_seeds", &["epoch", "seed"]),
        ("dataset_items", &["index128", "half0", "half1"]),
        ("difficulty_boundary", &["difficulty", "boundary_mvs", "boundary_floor_2p256"]),
        ("light_cache", &["keccak256_of_cache"]),
        ("keccak", &["keccak256", "keccak512"]),
    ] {
        let vectors = document[section]["vectors"].as_array().unwrap();
        // The second one where it costs no other epoch: the first is often all zeros.
        let index = usize::from(!matches!(section, "light_cache" | "dataset_items"));
        let mut vector = vectors[index].clone();
        if section == "hashimoto" {
            // Epoch 0 instead of 0 again: a digit that changes must change the epoch.
            vector["epoch"] = json!(0);
            vector.as_object_mut().unwrap().remove("block_number");
        }
        for field in fields {
            let field = if *field == "block_number" { "epoch" } else { field };
            let document = json!({ "of": { section: [vector.clone()] } });
            let pointer = format!("/of/{section}/0/{field}");
            assert_found_in("ethash.json", document, &pointer, change);
        }
    }
    let trace = [
        "seed512",
        "page_indices/63",
        "mix_after_access_0",
        "mix_after_access_63",
        "mix_hash",
        "final_hash",
    ];
    for field in trace {
        let document = json!([document["trace"].clone()]);
        assert_found_in("trace", document, &format!("/0/{field}"), change);
    }
    for field in ["epoch0_first_item", "epoch0_last_item"] {
        let mut caches = document["light_cache"].clone();
        caches.as_object_mut().unwrap().remove("vectors");
        assert_found_in("light_cache", caches, &format!("/{field}"), change);
    }
}

#[test]
fn a_message_that_is_cut_short_is_found() {
    let cut = |payload: &mut Value| {
        let text = payload.as_str().unwrap();
        *payload = json!(text[..text.len() - 2]);
    };
    // block, notfound, tx, ping; headers
    for step in [9, 13, 18, 34] {
        assert_found("p2p/server-getdata.json", &format!("/steps/{step}/payload_hex"), cut);
    }
    let name = "p2p/server-announce-block.json";
    let transcript = document(name);
    let steps = transcript["steps"].as_array().unwrap();
    let is_full = |step: &&Value| step["command"] == "headers" && step["payload_hex"].is_string();
    let headers = steps.iter().position(|step| is_full(&step)).unwrap();
    assert_found(name, &format!("/steps/{headers}/payload_hex"), cut);
}

#[test]
fn a_claim_that_is_said_to_be_invalid_must_be() {
    let good = document("ethash.json")["hashimoto"]["vectors"][0].clone();
    let failures = |changes: &[(&str, Value)]| {
        let mut vector = good.clone();
        for (key, value) in changes {
            vector[*key] = value.clone();
        }
        check(&json!([vector])).failures().len()
    };
    let wrong = json!("00".repeat(32));
    assert_eq!(failures(&[("valid", json!(true)), ("difficulty", json!("1"))]), 0);
    assert_eq!(failures(&[("valid", json!(false))]), 1);
    assert_eq!(failures(&[("valid", json!(false)), ("mix_hash", wrong.clone())]), 0);
    assert_eq!(failures(&[("valid", json!(false)), ("final_hash", wrong.clone())]), 0);
    assert_eq!(failures(&[("boundary", wrong.clone())]), 1);
    assert_eq!(failures(&[("valid", json!(false)), ("boundary", wrong)]), 0);
    let epoch = json!(40_000);
    assert_eq!(failures(&[("epoch", epoch)]), 1);
}

/// The code path that differs is named, and each is asked.
#[test]
fn failures_name_the_code_path() {
    let mut vector = document("ethash.json")["hashimoto"]["vectors"][0].clone();
    change(&mut vector["mix_hash"]);
    let report = check(&json!([vector]));
    for backend in mvs_pow::Backend::available() {
        let start = format!("{backend}: mix_hash: expected");
        assert!(report.failures()[0].contains(&start), "{:?}", report.failures());
    }
}

/// A copy of the recorded stake chain, with a file changed.
struct ChangedChain(PathBuf);

impl ChangedChain {
    fn new(name: &str) -> Self {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/reference-chain-pos");
        let to = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("corrupted-{name}"));
        fs::create_dir_all(&to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
        Self(to)
    }

    fn change(&self, file: &str, pointer: &str, change: impl Fn(&mut Value)) {
        let path = self.0.join(file);
        let mut document: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(document.pointer_mut(pointer).unwrap_or_else(|| panic!("{file} has no {pointer}")));
        fs::write(path, document.to_string()).unwrap();
    }

    fn check(&self) -> Report {
        check_paths(&[&self.0], KINDS, FOLDER_KINDS)
    }
}

/// Vectors in the recorded stake chain.
const STAKE_CHAIN: usize = 3242;

#[test]
fn changes_of_a_recorded_chain_are_found() {
    let chain = ChangedChain::new("facts");
    // In one go, as each replays the chain: every change must be a failure of its own.
    let changes = [
        ("verdicts.json", "/0/accepted"),
        ("verdicts.json", "/5/accepted"),
        ("expected.json", "/utxo_count"),
        ("expected.json", "/utxo_value"),
        ("expected.json", "/stake_deposits/0/value"),
        ("expected.json", "/balances/MAYCYibxnD2hs9HaUNfhAbqdcS7kdPq8VP/unspent"),
        ("expected.json", "/balances/MAwLwVGwJyFsTBfNj2j5nCUrQXGVRvHzPh/confirmed"),
        ("expected.json", "/assets/0/issuer"),
        ("expected.json", "/mits/0/content"),
        ("expected.json", "/dids/1/address"),
        ("expected.json", "/certs/0/owner"),
        ("expected.json", "/blocks/70/4"),
        ("forks.json", "/0/reference_best_after"),
    ];
    for (file, pointer) in changes {
        chain.change(file, pointer, change);
    }
    let report = chain.check();
    assert_eq!(report.errors(), [""; 0]);
    assert_eq!(report.failures().len(), changes.len(), "{:#?}", report.failures());
    assert_eq!(report.passed(), STAKE_CHAIN - changes.len());
}

#[test]
fn a_changed_constant_of_a_recorded_chain_is_found() {
    let chain = ChangedChain::new("constant");
    chain.change("params.json", "/coinbase_maturity", |maturity| *maturity = json!(100_000));
    assert!(!chain.check().failures().is_empty());
}

#[test]
fn a_changed_byte_of_a_recorded_block_is_found() {
    let chain = ChangedChain::new("byte");
    let path = chain.0.join("blocks.bin.gz");
    let mut blocks = Vec::new();
    GzDecoder::new(fs::File::open(&path).unwrap()).read_to_end(&mut blocks).unwrap();
    let middle = blocks.len() / 2;
    blocks[middle] ^= 1;
    let mut packed = GzEncoder::new(fs::File::create(&path).unwrap(), Compression::fast());
    packed.write_all(&blocks).unwrap();
    packed.finish().unwrap();
    let report = chain.check();
    assert_eq!(report.failures().len(), 1, "{:?}", report.failures());
    assert!(report.errors()[0].contains("the chain stops"), "{:?}", report.errors());
    assert!(report.passed() < STAKE_CHAIN);
}

#[test]
fn a_changed_digest_of_the_unspent_outputs_is_found() {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/reference-chain");
    let to = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("corrupted-digest");
    fs::create_dir_all(&to).unwrap();
    fs::copy(from.join("chain-a.bin.gz"), to.join("chain-a.bin.gz")).unwrap();
    let expected = fs::read(from.join("chain-a-expected.json")).unwrap();
    let mut expected: Value = serde_json::from_slice(&expected).unwrap();
    change(&mut expected["utxo_set"]["sha256"]);
    fs::write(to.join("expected.json"), expected.to_string()).unwrap();
    let report = check_paths(&[&to], KINDS, FOLDER_KINDS);
    assert_eq!(report.failures().len(), 1, "{:?}", report.failures());
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
