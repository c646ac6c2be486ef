//! Files and folders that are made to mislead: what cannot be checked must never count as passed.
#![allow(clippy::unwrap_used)] // a test fails by panicking, its helpers too

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use testkit::vectors::{FOLDER_KINDS, KINDS, Report, check_document, check_paths};

/// A good vector, and the same with a wrong address.
fn vectors() -> [Value; 2] {
    let good = json!({
        "address": "1111111111111111111114oLvT2",
        "hash160": "0000000000000000000000000000000000000000",
    });
    let mut bad = good.clone();
    bad["hash160"] = json!("0000000000000000000000000000000000000001");
    [good, bad]
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A folder of its own for each test, removed afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("testkit-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Self {
        fs::write(self.0.join(name), bytes).unwrap();
        self
    }

    fn check(&self) -> Report {
        check_paths(&[&self.0], KINDS, FOLDER_KINDS)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_gzip_file_is_read_to_its_end() {
    let text = serde_json::to_vec(&json!(vectors())).unwrap();
    let (head, tail) = text.split_at(20);
    let scratch = Scratch::new("gzip");
    let report = scratch.write("two.json.gz", [gzip(head), gzip(tail)].concat()).check();
    assert_eq!((report.passed(), report.failures().len(), report.errors().len()), (1, 1, 0));

    // One part is a whole document; what follows it must not be lost.
    let good = gzip(&serde_json::to_vec(&json!(vectors()[..1])).unwrap());
    for rest in [gzip(b"[]"), b"garbage".to_vec(), good[..good.len() / 2].to_vec()] {
        let report = scratch.write("two.json.gz", [good.clone(), rest].concat()).check();
        assert_eq!((report.passed(), report.errors().len()), (0, 1));
    }
}

#[test]
fn a_file_that_would_fill_the_memory_is_refused() {
    let mut text = serde_json::to_vec(&json!(vectors()[..1])).unwrap();
    text.resize(65 << 20, b' ');
    let scratch = Scratch::new("bomb");
    let report = scratch.write("bomb.json.gz", gzip(&text)).check();
    assert_eq!((report.passed(), report.errors().len()), (0, 1));
    fs::remove_file(scratch.0.join("bomb.json.gz")).unwrap();
    // Nothing on the disk, but long.
    let file = fs::File::create(scratch.0.join("plain.json")).unwrap();
    file.set_len(65 << 20).unwrap();
    assert!(scratch.check().errors()[0].contains("larger than"));
}

#[test]
#[cfg(unix)]
fn folders_that_link_to_each_other_are_checked_once() {
    let scratch = Scratch::new("links");
    scratch.write("good.json", serde_json::to_vec(&vectors()[0]).unwrap());
    for name in ["a", "b", "c"] {
        std::os::unix::fs::symlink(&scratch.0, scratch.0.join(name)).unwrap();
    }
    let report = scratch.check();
    assert_eq!((report.passed(), report.errors().len()), (1, 0));
    fs::remove_file(scratch.0.join("good.json")).unwrap();
    assert_eq!(scratch.check().errors().len(), 1, "nothing in it");
}

#[test]
fn deep_nesting_and_huge_numbers_are_no_json() {
    let scratch = Scratch::new("deep");
    for text in ["[".repeat(100_000), format!("[1{}]", "0".repeat(100_000)), "{\"a\":1e999}".into()]
    {
        let report = scratch.write("it.json", text).check();
        assert_eq!((report.passed(), report.errors().len()), (0, 1));
    }
}

#[test]
fn names_from_a_file_stay_on_their_line() {
    let [_, bad] = vectors();
    let name = "x\n9 passed, 0 failed\u{1b}[2J\u{9b}2J\u{202e}";
    let mut report = Report::default();
    check_document(name, &json!({ name: [bad, { name: name }] }), KINDS, &mut report);
    check_document(name, &json!(name), KINDS, &mut report);
    assert_eq!((report.failures().len(), report.errors().len()), (2, 1));
    for line in report.failures().iter().chain(report.errors()) {
        assert!(!line.contains(|c: char| c.is_control() || c == '\u{202e}'), "{line:?}");
    }
}

#[test]
fn parts_of_a_recorded_chain_in_the_wrong_form_are_found() {
    let verdict = |raw: &str| json!([{ "block": null, "raw_hex": raw, "accepted": false, "parent_height": 0 }]);
    for (part, found) in [
        (verdict("00"), false),
        (verdict("no hex"), true),
        (json!({ "verdicts": 5 }), true),
        (json!({ "verdicts": [] }), true),
        (json!({ "parent_height": 0, "steps": 5 }), true),
    ] {
        let scratch = Scratch::new("recorded");
        let text = serde_json::to_vec(&part).unwrap();
        let report = scratch.write("chain.bin", "").write("part.json", text).check();
        let is_found = !report.failures().is_empty() || !report.errors().is_empty();
        assert_eq!(is_found, found, "{part}");
    }
    for (part, problems) in [
        (json!({ "tip_height": 0 }), 0),
        (json!({ "tip_height": 0, "getdid": { "nobody": [] } }), 0),
        (json!({ "tip_height": 0, "getdid": { "nobody": 5 } }), 1),
        (json!({ "tip_height": 0, "getdid": 5 }), 1),
        (json!({ "tip_height": 0, "blocks": 5 }), 1),
        (json!({ "tip_height": 0, "certs": 5 }), 1),
        (json!({ "tip_height": 0, "utxos_sample": { "nobody": 5 } }), 1),
        (json!({ "tip_height": 0, "counts": { "blocks": "many", "mits": 0 } }), 1),
        (
            json!({ "tip_height": 0, "addresses": { "nobody": { "unspent": "x", "received": 0 } } }),
            1,
        ),
    ] {
        let mut part = part;
        part["tip_hash"] = Value::Null; // marks a state; it is not compared with success
        let scratch = Scratch::new("state");
        let text = serde_json::to_vec(&part).unwrap();
        let report = scratch.write("chain.bin", "").write("part.json", text).check();
        let found: Vec<_> = report.failures().iter().filter(|f| !f.contains("tip_hash")).collect();
        assert_eq!(found.len() + report.errors().len(), problems, "{part}: {found:?}");
    }
}
