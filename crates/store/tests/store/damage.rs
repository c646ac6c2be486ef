//! Changed bytes are found, and never taken for the chain.

use mvs_consensus::header_view::{HeaderView, median_time_past, run_length};
use mvs_primitives::encode::Encode;
use mvs_primitives::header::BlockVersion;
use mvs_primitives::height::Height;
use mvs_store::sim::{SimDisk, SimRng};
use mvs_store::{HeaderArchive, Store};

use crate::chains::first_blocks;
use crate::model::{Model, Step, Sums, genesis, options, play};

/// A closed store with everything in it, and where the last block's bytes end.
fn store() -> (SimDisk, Sums) {
    let genesis = genesis();
    let disk = SimDisk::new(9);
    let (mut store, _) = Store::open(disk.clone(), options(20), &genesis).unwrap();
    let mut model = Model::new(&genesis);
    store.build_index(&mut |_| true).unwrap();
    for chunk in first_blocks(80).chunks(9) {
        play(&mut store, &mut model, &Step { undo: 0, apply: chunk.to_vec() });
    }
    let sums = Sums::of(&store);
    store.close().unwrap();
    (disk, sums)
}

/// What became of a store with a changed byte.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Refused,
    Found,
    Unseen,
}

fn outcome(disk: &SimDisk, sums: Sums) -> Outcome {
    let Ok((store, _)) = Store::open(disk.clone(), options(20), &genesis()) else {
        return Outcome::Refused;
    };
    let mut found = 0;
    if store.check(&mut |_| true, &mut |_| found += 1).is_err() || found > 0 {
        return Outcome::Found;
    }
    assert_eq!(Sums::of(&store), sums);
    Outcome::Unseen
}

/// Where the bytes of a file end on which something depends; how many of them to try; whether opening makes good what is
/// changed, so that nothing is left to find.
///
/// What is left out, and why a change there is none: space taken ahead behind the last record of `log/*.seg` and of
/// `blocks/*.blk`, and behind the tip's entry of `heights.dat`. Whatever stands there is written over before it counts.
fn parts_in_use(
    name: &str,
    len: u64,
    log_bytes: u64,
    block_bytes: u64,
) -> (u64, u64, fn(u64) -> bool) {
    let never: fn(u64) -> bool = |_| false;
    let (folder, _) = name.rsplit_once('/').unwrap_or(("", name));
    match (folder, name) {
        // Opening goes by the other one and the log, and does away with the one that is damaged.
        ("", "head-0" | "head-1") => (len, 20, |_| true),
        // One line, which opening stores again once it knows what is durable.
        ("", "durable") => (len, 6, |_| true),
        ("", "heights.dat") => (82 * 320, 30, never),
        ("blocks", _) => (64 + block_bytes, 30, never),
        ("log", _) => (log_bytes, 50, never),
        ("live", _) => (len, 10, never),
        ("index" | "hashes", _) => (len, 3, never),
        // A run that cannot be opened is made again from the blocks; so is what the lost one of the two lists of runs
        // named and the other does not.
        ("lookup", name) if name.ends_with(".run") => (len, 16, |offset| offset < 64),
        ("lookup", "lookup/manifest-0" | "lookup/manifest-1") => (len, 8, |_| true),
        _ => panic!("{name}: say what check reads of it"),
    }
}

#[test]
fn every_changed_byte_of_every_file_is_found() {
    let (disk, sums) = store();
    assert_eq!(outcome(&disk.kill_image(), sums), Outcome::Unseen, "nothing is changed yet");
    let blocks = first_blocks(80).iter().map(|b| b.block().block().encoded_len() as u64);
    let genesis = genesis().block().block().encoded_len() as u64;
    let block_bytes: u64 = blocks.chain([genesis]).map(|len| (64 + len).next_multiple_of(8)).sum();
    let stats = {
        let (store, _) =
            Store::open(disk.kill_image(), options(20), &crate::model::genesis()).unwrap();
        store.stats().unwrap()
    };
    let is_one = |folder: &str| {
        disk.files().iter().filter(|(name, _)| name.starts_with(folder)).count() == 1
    };
    assert!(is_one("log/") && is_one("blocks/"), "or their ends are elsewhere: {:?}", disk.files());
    let factor: u64 =
        std::env::var("STORE_TEST_FACTOR").ok().and_then(|f| f.parse().ok()).unwrap_or(1);
    let mut rng = SimRng::new(1);
    let (mut tried, mut healed) = (0, 0);
    for (name, len) in disk.files() {
        let (used, count, is_healed) =
            parts_in_use(&name, len, stats.engine.used_bytes, block_bytes);
        assert!(used <= len, "{name}");
        let offsets =
            (0..count * factor).map(|_| rng.below(used)).chain((0..64.min(used)).step_by(24));
        for offset in offsets.collect::<Vec<_>>() {
            let image = disk.kill_image();
            assert!(image.corrupt(&name, offset, 1 << rng.below(8)));
            match outcome(&image, sums) {
                Outcome::Unseen if is_healed(offset) => healed += 1,
                Outcome::Unseen => panic!("{name} byte {offset} of {len}"),
                Outcome::Refused | Outcome::Found => {}
            }
            tried += 1;
        }
    }
    println!("{tried} bytes changed, {healed} of them made good by opening");
    assert!(tried > 200 && healed < tried / 3, "{tried}, {healed}: {:?}", disk.files());
}

/// The archive stands for itself: opening reads all of it, and counts what is no header any more.
#[test]
fn every_changed_byte_of_the_header_archive_is_told() {
    let disk = SimDisk::new(3);
    let headers: Vec<_> =
        first_blocks(40).iter().map(|b| b.block().header().header().clone()).collect();
    let (mut archive, _) = HeaderArchive::open(disk.clone(), 7, &mut |_| {}).unwrap();
    archive.append(&headers).unwrap();
    archive.sync().unwrap();
    drop(archive);
    let mut rng = SimRng::new(4);
    for offset in 0..64 + 160 * 40 {
        let image = disk.kill_image();
        assert!(image.corrupt("headers.log", offset, 1 << rng.below(8)));
        let mut read = Vec::new();
        let opened = HeaderArchive::open(image, 7, &mut |header| read.push(header));
        if offset < 64 {
            assert!(opened.is_err() && read.is_empty(), "byte {offset} of the head");
            continue;
        }
        let (_, report) = opened.unwrap();
        let lost = usize::try_from((offset - 64) / 160).unwrap();
        assert_eq!((report.headers, report.damaged), (39, 1), "byte {offset}");
        assert_eq!(read, [&headers[..lost], &headers[lost + 1..]].concat(), "byte {offset}");
    }
}

#[test]
fn a_changed_byte_anywhere_is_never_another_state() {
    let (disk, sums) = store();
    let mut rng = SimRng::new(2);
    let mut seen = 0;
    let files = disk.files();
    for _ in 0..200 {
        let (name, len) = &files[rng.below(files.len() as u64) as usize];
        let image = disk.kill_image();
        if image.corrupt(name, rng.below(*len), 1 << rng.below(8)) {
            // Either it is seen, or it was a byte that nothing depends on: `outcome` compares sums.
            seen += u64::from(outcome(&image, sums) != Outcome::Unseen);
        }
    }
    println!("{seen} of 200 changed bytes were in use");
    assert!(seen > 0);
}

#[test]
fn the_header_archive_comes_back_and_passes_over_damage() {
    let disk = SimDisk::new(3);
    let headers: Vec<_> =
        first_blocks(300).iter().map(|b| b.block().header().header().clone()).collect();
    let (mut archive, report) = HeaderArchive::open(disk.clone(), 7, &mut |_| {}).unwrap();
    assert_eq!((report.headers, archive.len()), (0, 0));
    for chunk in headers.chunks(37) {
        archive.append(chunk).unwrap();
    }
    archive.sync().unwrap();
    drop(archive);
    let read = |disk: &SimDisk| {
        let mut read = Vec::new();
        let (archive, report) =
            HeaderArchive::open(disk.clone(), 7, &mut |header| read.push(header)).unwrap();
        (read, report, archive)
    };
    assert_eq!(read(&disk).0, headers);

    let image = disk.kill_image();
    assert!(image.corrupt("headers.log", 64 + 160 * 100 + 50, 1));
    let (kept, report, mut archive) = read(&image);
    assert_eq!((report.headers, report.damaged), (299, 1));
    assert_eq!([&headers[..100], &headers[101..]].concat(), kept);
    archive.append(&headers[100..101]).unwrap();
    assert_eq!(read(&image).1.headers, 300);

    // Unsynced headers may be lost, but nothing else.
    let (_, _, mut archive) = read(&disk);
    archive.append(&headers[..50]).unwrap();
    for seed in 0..20 {
        let (kept, _, _) = read(&disk.crash_image(seed));
        assert_eq!(kept[..300], headers);
        assert!(kept[300..].iter().all(|header| headers.contains(header)));
    }
    archive.rewrite(&headers[7..9]).unwrap();
    for seed in 0..20 {
        assert_eq!(read(&disk.crash_image(seed)).0, headers[7..9]);
    }
    let code = HeaderArchive::open(disk, 8, &mut |_| {}).err().unwrap().code();
    assert_eq!(code, "store.other_network");
}

fn ask(view: &impl HeaderView, height: u32, is_whole: bool) {
    let height = Height::new(height);
    assert_eq!(view.header_at(height).is_ok(), is_whole, "header {height}");
    let last = view.last_of_version(BlockVersion::POW, height, Height::GENESIS);
    assert_eq!(last.is_ok(), is_whole, "last of version at {height}");
    if is_whole {
        assert!(view.header_at(height).unwrap().is_some() && last.unwrap().is_some());
    }
    if height.value() > 1 {
        // The genesis block's entry is whole.
        assert_eq!(median_time_past(view, height).is_ok(), is_whole, "median at {height}");
    }
}

/// "Cannot be read" is never "is not there": a rule would go wrong by it.
#[test]
fn a_header_that_cannot_be_read_is_a_fault() {
    let (disk, _) = store();
    let (mut store, _) = Store::open(disk.clone(), options(20), &genesis()).unwrap();
    let final_height = store.undo_floor().value() - 1;
    assert!(final_height > 30, "entries that are read from the file");
    ask(&store.snapshot(), final_height, true);
    for height in 1..=final_height {
        assert!(disk.corrupt("heights.dat", 320 * (u64::from(height) + 1) + 4, 1));
    }
    let snapshot = store.snapshot();
    let batch = store.batch().unwrap();
    for height in 1..=final_height {
        ask(&snapshot, height, false);
        ask(&batch, height, false);
        assert!(snapshot.header(Height::new(height)).is_err());
        assert!(snapshot.block(Height::new(height)).is_err());
    }
    assert!(run_length(&snapshot, BlockVersion::POS, Height::new(final_height)).is_err());
    // Above the tip is another matter.
    assert_eq!(snapshot.header_at(Height::new(1_000)).unwrap(), None);
}
