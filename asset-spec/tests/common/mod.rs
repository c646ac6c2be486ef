//! Helpers that the test programs share.
#![allow(dead_code)] // each test program uses its own part

use std::path::PathBuf;

use serde_json::Value;

/// The vector files and whether a case needs a stated kind.
pub(crate) const FILES: [&str; 6] = [
    "attachments.json",
    "outputs.json",
    "transactions.json",
    "real-attachments.json",
    "real-transactions.json",
    "reference-verdicts.json",
];

/// Returns a path inside this package.
pub(crate) fn package(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Reads a vector file.
pub(crate) fn load(file: &str) -> Value {
    let path = package("vectors").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// Returns the cases of a vector file.
pub(crate) fn cases(file: &str) -> Vec<Value> {
    load(file)["vectors"].as_array().unwrap().clone()
}

/// Returns a text field, or nothing.
pub(crate) fn text<'a>(case: &'a Value, field: &str) -> Option<&'a str> {
    case.get(field).map(|value| value.as_str().unwrap())
}
