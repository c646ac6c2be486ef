//! Every vector in `data/` passes, and as many are found as are there.

use std::path::{Path, PathBuf};

use testkit::vectors::{FOLDER_KINDS, KINDS, Report, check_paths};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
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
    ] {
        println!("{name}");
        assert_passes(&check_paths(&[data(name)], KINDS, FOLDER_KINDS), expected);
    }
}

#[test]
fn a_folder_is_its_files() {
    assert_passes(&check_paths(&[data("")], KINDS, FOLDER_KINDS), 127);
}
