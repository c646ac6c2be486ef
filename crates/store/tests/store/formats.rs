//! The example of the README, byte by byte.

use std::fmt::Write as _;

use mvs_store::Store;
use mvs_store::backing::{Backing, Disk};
use mvs_store::engine::TableOptions;
use mvs_store::sim::SimDisk;

use crate::model::{genesis, options};

/// All files of a folder: name and length, then lines of 32 bytes; lines of zeros are left out.
fn dump(disk: &SimDisk) -> String {
    let mut text = String::new();
    for (name, len) in disk.files() {
        if name.starts_with("hashes/") && !name.starts_with("hashes/00") {
            continue; // as the first, with other checksums
        }
        writeln!(text, "{name}, {len} bytes").unwrap();
        let mut bytes = vec![0; usize::try_from(len).unwrap()];
        disk.open(&name, len).unwrap().read(0, &mut bytes).unwrap();
        for (number, line) in bytes.chunks(32).enumerate() {
            if line.iter().any(|byte| *byte != 0) {
                writeln!(text, "{:06x} {}", number * 32, hex::encode(line)).unwrap();
            }
        }
    }
    text
}

#[test]
fn the_example_of_the_readme() {
    let disk = SimDisk::new(1);
    let mut options = options(10);
    options.engine.segment_bytes = 4096;
    options.engine.grow_bytes = 1024;
    options.engine.index = TableOptions { shard_bits: 0, first_line_bits: 0, load_percent: 75 };
    let (store, _) = Store::open(disk.clone(), options, &genesis()).unwrap();
    store.close().unwrap();
    let readme =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let dumped = dump(&disk);
    let example = readme.split("<!-- example -->\n```text\n").nth(1);
    let example = example.and_then(|text| text.split("```").next()).unwrap_or_default();
    if example != dumped {
        println!("{dumped}");
    }
    assert!(example == dumped, "the files are not those of the README; they are printed above");
}
