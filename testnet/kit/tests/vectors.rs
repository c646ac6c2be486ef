//! Every vector in `data/` passes, and as many are found as are there.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a panic is the failure")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use testkit::vectors::{FOLDER_KINDS, KINDS, Report, check_document, check_paths};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
}

fn document(name: &str) -> Value {
    serde_json::from_slice(&fs::read(data(name)).unwrap()).unwrap()
}

fn assert_passes(report: &Report, expected: usize) {
    assert_eq!(report.failures(), [""; 0]);
    assert_eq!(report.errors(), [""; 0]);
    assert_eq!(report.passed(), expected);
}

#[test]
fn each_file_passes_with_all_its_vectors() {
    for (name, expected) in [
        ("genesis.json", 3),
        ("blocks.json", 8),
        ("transactions.json", 57),
        ("attachments.json", 16 + 3),
        ("scripts.json", 12),
        ("addresses.json", 17 + 2 + 2 + 5),
        ("symbols.json", 2),
        ("difficulty.json", 1 + 54 + 132 + 132 + 12 + 9 + 11),
        ("subsidy.json", 6 + 46 + 30),
        ("attenuation.json", 7 + 57 + 25 + 204 + 127 + 12 + 5),
        ("p2p/server-getdata.json", 31),
        ("p2p/server-announce-block.json", 18),
    ] {
        println!("{name}");
        assert_passes(&check_paths(&[data(name)], KINDS, FOLDER_KINDS), expected);
    }
}

/// All of `ethash.json` but the cache of epoch 2047, which has 285 MB.
#[test]
fn ethash_passes_on_every_code_path() {
    let mut document = document("ethash.json");
    let caches = document.pointer_mut("/light_cache/vectors").unwrap().as_array_mut().unwrap();
    caches.retain(|vector| vector["epoch"].as_u64().unwrap() < 1000);
    assert_eq!(caches.len(), 2);
    let mut report = Report::default();
    check_document("ethash", &document, KINDS, &mut report);
    assert_passes(&report, 5 + 40 + 5 + 10 + 22 + (2 + 2) + 16 + 1);
}

#[test]
#[ignore = "slow: generates a cache of 285 MB on every code path"]
fn ethash_passes_on_every_code_path_with_its_largest_cache() {
    assert_passes(&check_paths(&[data("ethash.json")], KINDS, FOLDER_KINDS), 104);
}

#[test]
fn recorded_chain_with_every_attachment() {
    assert_passes(&check_paths(&[data("reference-chain")], KINDS, FOLDER_KINDS), 4126);
}

#[test]
fn recorded_chain_with_stake_blocks() {
    assert_passes(&check_paths(&[data("reference-chain-pos")], KINDS, FOLDER_KINDS), 3242);
}

/// Folders in folders, some of them one vector set as a whole.
#[test]
fn a_folder_is_its_files() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("a_folder_is_its_files");
    fs::create_dir_all(folder.join("deep/er")).unwrap();
    fs::create_dir_all(folder.join("chain")).unwrap();
    for (from, to) in [
        ("symbols.json", "symbols.json"),
        ("README.md", "README.md"),
        ("genesis.json", "deep/genesis.json"),
        ("scripts.json", "deep/er/any name.json"),
    ] {
        fs::copy(data(from), folder.join(to)).unwrap();
    }
    for name in ["blocks.bin.gz", "params.json", "expected.json"] {
        fs::copy(data("reference-chain-pos").join(name), folder.join("chain").join(name)).unwrap();
    }
    let chain = check_paths(&[folder.join("chain")], KINDS, FOLDER_KINDS);
    assert!(chain.passed() > 1560);
    let all = check_paths(&[&folder], KINDS, FOLDER_KINDS);
    assert_passes(&all, 2 + 3 + 12 + chain.passed());
}

/// Verdicts without the chain that they are about cannot be checked, and it is said so.
#[test]
fn a_lone_part_of_a_recorded_chain_is_an_error() {
    for name in [
        "reference-chain-pos/params.json",
        "reference-chain-pos/verdicts.json",
        "reference-chain-pos/expected.json",
        "reference-chain-pos/forks.json",
        "reference-chain-pos/siblings.json",
        "reference-chain/verdicts-tx.json",
        "reference-chain/verdicts-block.json.gz",
        "reference-chain/reorg.json",
    ] {
        let report = check_paths(&[data(name)], KINDS, FOLDER_KINDS);
        assert_eq!((report.passed(), report.failures().len()), (0, 0), "{name}");
        assert!(report.errors()[0].contains("name the folder"), "{:?}", report.errors());
    }
}
