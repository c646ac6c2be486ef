//! Replays every committed seed and past finding, and keeps the three lists of targets equal.

#![allow(clippy::unwrap_used)] // a panic is how a test fails, in its helpers too

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use fuzz_harness::TARGETS;

fn fuzz_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn names_in(dir: &str) -> BTreeSet<String> {
    fs::read_dir(fuzz_dir().join(dir))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn every_target_has_a_file_an_entry_and_seeds() {
    let known: BTreeSet<_> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(known.len(), TARGETS.len(), "a name is used twice");
    assert_eq!(names_in("fuzz_targets"), known);
    assert_eq!(names_in("corpus"), known);
    let manifest = fs::read_to_string(fuzz_dir().join("Cargo.toml")).unwrap();
    let entries: BTreeSet<_> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""))
        .map(str::to_owned)
        .collect();
    assert_eq!(entries, known);
    for name in &known {
        let file = fuzz_dir().join(format!("fuzz_targets/{name}.rs"));
        let call = format!("fuzz_harness::run(\"{name}\", data)");
        assert!(fs::read_to_string(file).unwrap().contains(&call), "{name} runs another target");
    }
}

#[test]
fn the_corpus_holds() {
    for target in TARGETS {
        let mut seeds: Vec<_> = fs::read_dir(fuzz_dir().join("corpus").join(target.name))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        seeds.sort();
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        for path in seeds {
            println!("{}", path.display());
            let seed = fs::read(&path).unwrap();
            assert!(seed.len() <= target.max_len, "longer than the target's max_len");
            (target.run)(&seed);
        }
    }
}

/// A rough stand-in for the fuzzer where there is none: every seed cut at each length, and with
/// each byte changed in a few ways.
#[test]
fn the_corpus_mangled_holds() {
    for target in TARGETS {
        for entry in fs::read_dir(fuzz_dir().join("corpus").join(target.name)).unwrap() {
            let seed = fs::read(entry.unwrap().path()).unwrap();
            let step = seed.len() / 200 + 1;
            for position in (0..seed.len()).step_by(step) {
                (target.run)(&seed[..position]);
                for change in [0x01, 0x80, 0xff] {
                    let mut mangled = seed.clone();
                    mangled[position] ^= change;
                    (target.run)(&mangled);
                }
            }
        }
    }
}

/// Some systems cannot check out a file with a colon in its name, others trip over spaces.
#[test]
fn names_suit_every_file_system() {
    for target in TARGETS {
        for entry in fs::read_dir(fuzz_dir().join("corpus").join(target.name)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let suits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            assert!(name.bytes().all(suits) && name.len() <= 100, "{}: {name:?}", target.name);
        }
    }
}
