//! Every vector gets the answer that its file states, and the generated files are up to date.
//!
//! `ASSET_SPEC_WRITE=1 cargo test -p asset-spec --test vectors` writes the generated files anew.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking, its helpers too

#[path = "common/mod.rs"]
mod common;
#[path = "common/generate.rs"]
mod generate;

use std::collections::HashSet;

use asset_spec::check::{Context, Kind, Network, check};
use asset_spec::clause;
use common::{FILES, cases, load, package, text};
use serde_json::Value;

fn context_of(case: &Value) -> Context {
    let mut context = Context::default();
    if text(case, "network") == Some("testnet") {
        context.network = Network::Testnet;
    }
    if let Some(version) = case.get("tx_version") {
        context.tx_version = version.as_u64().unwrap().try_into().unwrap();
    }
    context
}

fn kind_of(case: &Value) -> Kind {
    match text(case, "kind").unwrap() {
        "attachment" => Kind::Attachment,
        "output" => Kind::Output,
        "transaction" => Kind::Transaction,
        other => panic!("kind {other}"),
    }
}

fn name_of(case: &Value) -> &str {
    text(case, "name").or(text(case, "txid")).or(text(case, "hex")).unwrap()
}

#[test]
fn generated_files_are_up_to_date() {
    let made = [
        ("attachments.json", generate::attachments()),
        ("outputs.json", generate::outputs()),
        ("transactions.json", generate::transactions()),
    ];
    for (file, content) in made {
        let path = package("vectors").join(file);
        if std::env::var_os("ASSET_SPEC_WRITE").is_some() {
            std::fs::write(&path, &content).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == content, "{file} is not what tests/common/generate.rs makes");
    }
}

#[test]
fn every_vector_gets_its_answer() {
    let mut failures = Vec::new();
    for file in FILES {
        for case in cases(file) {
            let name = format!("{file}: {}", name_of(&case));
            let bytes = hex::decode(text(&case, "hex").unwrap()).unwrap();
            let verdict = check(&bytes, Some(kind_of(&case)), &context_of(&case));
            let code = verdict.broken.as_ref().map(|broken| broken.code);
            if case["ok"] != Value::Bool(code.is_none()) || text(&case, "code") != code {
                failures.push(format!("{name}: found {code:?}, expected {:?}", case.get("code")));
            }
            let canonical = verdict.canonical.as_ref().map(hex::encode);
            if text(&case, "canonical_hex") != canonical.as_deref() {
                failures.push(format!("{name}: canonical form {canonical:?}"));
            }
            if let Some(expected) = case.get("value")
                && verdict.value.as_ref() != Some(expected)
            {
                failures.push(format!("{name}: shows {:?}", verdict.value));
            }
            if let Some(txid) = text(&case, "txid")
                && verdict.value.as_ref().unwrap()["txid"] != txid
            {
                failures.push(format!("{name}: another txid"));
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn good_vectors_are_recognised_without_their_kind() {
    for file in FILES {
        for case in cases(file).iter().filter(|case| case["ok"] == true) {
            let bytes = hex::decode(text(case, "hex").unwrap()).unwrap();
            let verdict = check(&bytes, None, &context_of(case));
            assert_eq!(verdict.kind, Some(kind_of(case)), "{file}: {}", name_of(case));
            assert!(verdict.is_good());
        }
    }
}

#[test]
fn whatever_the_reference_takes_into_a_block_is_good() {
    let cases = cases("reference-verdicts.json");
    let taken: Vec<_> = cases.iter().filter(|case| case["block_accepts"] == true).collect();
    assert!(taken.len() > 80);
    assert!(taken.iter().all(|case| case["ok"] == true));
}

#[test]
fn every_clause_has_a_vector() {
    let mut seen = HashSet::new();
    for file in FILES {
        seen.extend(cases(file).iter().filter_map(|case| text(case, "code").map(str::to_owned)));
    }
    // Too large for a vector file, or not a matter of bytes; tests/program.rs has them.
    seen.extend(["decode.over_budget", "tx.size", "input.hex"].map(str::to_owned));
    let missing: Vec<_> =
        clause::all().map(|clause| clause.code).filter(|code| !seen.contains(*code)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_word_list_is_the_one_in_the_program() {
    let symbols = load("symbols.json");
    let words: Vec<_> = symbols["sensitive_substrings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    assert_eq!(words, mvs_primitives::symbol::SENSITIVE_WORDS);
}
