//! Small helpers of the vector tests: each checker turns a JSON document into labelled outcomes.

#![allow(dead_code, reason = "each test file uses some of them")]

use std::fmt::Debug;

use serde_json::Value;

/// One case of a vector file and how it went.
pub(crate) type Outcome = (String, Result<(), String>);

/// Runs a checker over a document; all cases must pass, and there must be `count` of them.
pub(crate) fn run(json: &str, check: impl Fn(&Value) -> Vec<Outcome>, count: usize) {
    let outcomes = check(&serde_json::from_str(json).expect("the file is JSON"));
    let failed: Vec<String> = outcomes
        .iter()
        .filter_map(|(label, outcome)| {
            outcome.as_ref().err().map(|error| format!("{label}: {error}"))
        })
        .collect();
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), outcomes.len(), failed.join("\n"));
    assert_eq!(outcomes.len(), count, "number of cases");
}

/// Compares, naming the thing.
pub(crate) fn equal<A: Debug + PartialEq<B>, B: Debug>(
    what: &str,
    found: A,
    expected: B,
) -> Result<(), String> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: found {found:?}, expected {expected:?}"))
    }
}

/// A list of the document; empty when it is missing.
pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// A string of a case; empty when it is missing.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// A whole number of a case, written as a number or as decimal text.
pub(crate) fn number(value: &Value, key: &str) -> Result<u64, String> {
    let value = &value[key];
    value
        .as_u64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
        .ok_or_else(|| format!("{key}: {value} is not a whole number"))
}
