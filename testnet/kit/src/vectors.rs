//! Checks vector files against the real code.
//!
//! A file holds vectors of one or several kinds, and each kind is told by the *content*: the keys
//! and the shape of an object, at any depth. File names mean nothing. A vector is checked as far as
//! its keys go: absent keys are skipped, unknown ones ignored, and one in which nothing could be
//! checked fails.
//!
//! ```text
//! paths --source--> JSON --walk--> Kind::check --> Report: N passed, N failed
//! ```
//!
//! # A new kind
//! One file beside the others with a `pub(super) const KIND: Kind`, one line in [`KINDS`] (or
//! [`FOLDER_KINDS`]), the vectors in `data/`, and a row in `tests/corrupted.rs` that breaks one of
//! its fields.

use std::path::Path;

use mvs_consensus::params::Params;
use serde_json::Value;

mod address;
mod attachment;
mod attenuation;
mod block;
mod difficulty;
mod ethash;
mod fields;
mod genesis;
mod hd;
mod network;
mod recorded;
mod report;
mod rows;
mod script;
mod signature;
mod source;
mod subsidy;
mod symbols;
mod transaction;
mod transcript;
mod wif;

pub use recorded::recorded_chain;
pub use report::{Case, Report};

/// What part of a JSON value a kind recognises as its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Nothing: the value is of another kind, or none.
    Nothing,
    /// The value with everything in it.
    Whole,
    /// These members of an object; the others may belong to other kinds.
    Members(&'static [&'static str]),
}

/// A kind of vector inside JSON.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Shown beside each failure.
    pub name: &'static str,
    /// Tells by its content what of a value is of this kind. Must be cheap: every value is asked.
    pub detect: fn(&Value) -> Claim,
    /// Checks what `detect` claimed: one [`Report::case`] for each vector.
    pub check: fn(&Value, &mut Report),
}

/// A kind of vector that is a whole folder of files, such as a recorded chain with its verdicts.
#[derive(Debug, Clone, Copy)]
pub struct FolderKind {
    /// Shown beside each failure.
    pub name: &'static str,
    /// Tells by the files in it whether a folder is of this kind.
    pub detect: fn(&Path) -> bool,
    /// Checks the folder: one [`Report::case`] for each vector in it.
    pub check: fn(&Path, &mut Report),
}

/// Every kind inside JSON, in the order in which they are asked: the first that claims a value
/// whole gets it.
pub const KINDS: &[Kind] = &[
    genesis::KIND,
    block::KIND,
    transaction::KIND,
    attachment::KIND,
    script::KIND,
    wif::KIND,
    hd::KIND,
    address::KIND,
    symbols::KIND,
    transcript::KIND,
    ethash::KIND,
    difficulty::KIND,
    subsidy::KIND,
    attenuation::KIND,
];

/// Every kind that is a folder.
pub const FOLDER_KINDS: &[FolderKind] = &[recorded::KIND];

/// Reads the constants that come with a recorded chain (its `params.json`).
///
/// # Errors
/// What is wrong with them.
pub fn recorded_params(document: &Value) -> Result<Params, String> {
    recorded::params_of(document)
}

/// Checks files and folders with the given kinds.
pub fn check_paths<P: AsRef<Path>>(
    paths: &[P],
    kinds: &[Kind],
    folder_kinds: &[FolderKind],
) -> Report {
    let mut report = Report::default();
    for path in paths {
        source::check_path(path.as_ref(), kinds, folder_kinds, &mut report);
    }
    report
}

/// Checks one JSON document; `label` names it in failures.
pub fn check_document(label: &str, document: &Value, kinds: &[Kind], report: &mut Report) {
    let mut walk = Walk { kinds, strangers: Vec::new() };
    let known = report.within(label.to_owned(), |report| {
        let known = walk.value(document, document.is_array(), report);
        if !known {
            report.error("no known kind of vector in it");
        }
        known
    });
    // A stranger among known vectors is a vector that was not checked.
    if known {
        for path in walk.strangers {
            report.failed_at(path, "no known kind of vector");
        }
    }
}

/// One walk through a document.
struct Walk<'k> {
    kinds: &'k [Kind],
    /// Paths of what stands where vectors are expected and is of no known kind.
    strangers: Vec<String>,
}

impl Walk<'_> {
    /// Checks a value and what is in it; returns whether any kind was found. `is_list` tells that
    /// the value is a list whose items are meant to be vectors.
    fn value(&mut self, value: &Value, is_list: bool, report: &mut Report) -> bool {
        let mut known = false;
        let mut taken: Vec<&str> = Vec::new();
        for kind in self.kinds {
            match (kind.detect)(value) {
                Claim::Nothing => {}
                Claim::Whole => {
                    report.of_kind(kind.name, |report| (kind.check)(value, report));
                    return true;
                }
                Claim::Members(names) => {
                    report.of_kind(kind.name, |report| (kind.check)(value, report));
                    known = true;
                    taken.extend(names);
                }
            }
        }
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    if !taken.contains(&name.as_str()) {
                        known |= report.within(format!(".{name}"), |r| {
                            self.value(member, name == "vectors", r)
                        });
                    }
                }
            }
            Value::Array(items) => known |= self.items(items, is_list, report),
            _ => {}
        }
        known
    }

    fn items(&mut self, items: &[Value], is_list: bool, report: &mut Report) -> bool {
        let mut strangers = Vec::new();
        let mut known = false;
        for (index, item) in items.iter().enumerate() {
            report.within(format!("[{index}]"), |report| {
                if self.value(item, false, report) {
                    known = true;
                } else if is_list || item.is_object() {
                    strangers.push(report.path());
                }
            });
        }
        if is_list || known {
            self.strangers.append(&mut strangers);
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Claim, FolderKind, Kind, Report, check_document, check_paths};

    const EVEN: Kind = Kind {
        name: "even",
        detect: |value| if value["even"].is_u64() { Claim::Whole } else { Claim::Nothing },
        check: |value, report| {
            report.case("", |case| {
                case.that(value["even"].as_u64().unwrap().is_multiple_of(2), || "odd".to_owned());
            });
        },
    };

    fn run(document: &Value) -> (usize, usize, usize) {
        let mut report = Report::default();
        check_document("x", document, &[EVEN], &mut report);
        (report.passed(), report.failures().len(), report.errors().len())
    }

    #[test]
    fn vectors_are_found_at_any_depth_and_beside_unknown_things() {
        assert_eq!(run(&json!([{ "even": 2 }, { "even": 3 }])), (1, 1, 0));
        assert_eq!(run(&json!({ "even": 2 })), (1, 0, 0));
        let deep = json!({ "a": { "b": [[{ "even": 2, "more": { "even": 3 } }]] }, "note": [1] });
        assert_eq!(run(&deep), (1, 0, 0));
    }

    #[test]
    fn a_document_without_a_known_kind_is_an_error_not_an_empty_pass() {
        assert_eq!(run(&json!({ "vectors": [{ "odd": 1 }] })), (0, 0, 1));
        assert_eq!(run(&json!([])), (0, 0, 1));
        assert_eq!(run(&json!(1)), (0, 0, 1));
    }

    #[test]
    fn a_stranger_among_vectors_fails() {
        assert_eq!(run(&json!([{ "even": 2 }, { "ever": 2 }])), (1, 1, 0));
        assert_eq!(run(&json!({ "even-list": [{ "even": 2 }, {}] })), (1, 1, 0));
        assert_eq!(run(&json!({ "vectors": [{ "even": 2 }, "2", [4]] })), (1, 2, 0));
        assert_eq!(run(&json!({ "even-list": [{ "even": 2 }, "remark"] })), (1, 0, 0));
        let lists = json!({ "good": [{ "even": 2 }], "part": { "vectors": [{ "ever": 2 }] } });
        assert_eq!(run(&lists), (1, 1, 0));
    }

    #[test]
    fn a_panicking_check_is_a_failed_vector() {
        const BAD: Kind = Kind { check: |_, report| report.case("", |_| panic!("boom")), ..EVEN };
        let mut report = Report::default();
        check_document("x", &json!([{ "even": 2 }, { "even": 2 }]), &[BAD], &mut report);
        assert_eq!((report.passed(), report.failures().len()), (0, 2));
    }

    #[test]
    fn a_panic_between_vectors_is_a_failure_too() {
        const BAD: Kind = Kind { check: |_, _| panic!("boom"), ..EVEN };
        let mut report = Report::default();
        check_document("x", &json!([{ "even": 2 }, { "even": 2 }]), &[BAD], &mut report);
        assert_eq!((report.passed(), report.failures().len()), (0, 2));
        assert!(report.failures()[1].starts_with("x[1] (even): "), "{:?}", report.failures());
    }

    #[test]
    fn unreadable_paths_are_errors_and_folders_can_be_a_kind() {
        const FOLDER: FolderKind = FolderKind {
            name: "folder",
            detect: |path| path.join("Cargo.toml").is_file(),
            check: |path, report| report.case("it", |case| case.that(path.is_dir(), String::new)),
        };
        let here = env!("CARGO_MANIFEST_DIR");
        let report = check_paths(&["/nowhere/at/all", here], &[EVEN], &[FOLDER]);
        assert_eq!((report.passed(), report.errors().len()), (1, 1));
        let report = check_paths(&[format!("{here}/src")], &[EVEN], &[]);
        assert_eq!((report.passed(), report.errors().len()), (0, 1));
    }
}
