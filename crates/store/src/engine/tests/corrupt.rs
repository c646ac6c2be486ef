//! A byte that changed on the disk is found by `check`, and no look-up takes it for a coin or for no
//! coin.

use super::model::{Chain, Model, Step, assert_same, assert_sound, nothing, perform, plan};
use super::*;
use crate::backing::{Backing, Disk};
use crate::sim::SimDisk;

fn filled(seed: u64, clean: bool) -> (SimDisk, Options, Model) {
    let options = tiny(&mut SimRng::new(seed));
    let disk = SimDisk::new(seed);
    let mut rng = SimRng::new(seed);
    let mut model = Model::default();
    let (mut engine, _) =
        Engine::open(disk.clone(), options.clone(), &mut Chain::default()).unwrap();
    for _ in 0..times(30, 6) {
        let (plan, after) = plan(&model, options.undo_horizon, &mut rng);
        let mut batch = engine.batch().unwrap();
        perform(&mut batch, &model, &plan).unwrap();
        batch.commit(&[]).unwrap();
        model = after;
        if engine.checkpoint_due() {
            engine.checkpoint(Chain::of(&model).aux(), nothing()).unwrap();
        }
    }
    if clean {
        engine.close(Chain::of(&model).aux(), nothing()).unwrap();
    }
    (disk, options, model)
}

/// Whether the byte belongs to something: not to space taken ahead, nor to a file nobody reads.
fn holds_something(engine: &Engine<SimDisk>, name: &str, offset: u64) -> bool {
    let Some((folder, file)) = name.split_once('/') else { return true };
    match folder {
        "log" => {
            let number = file[..8].parse().unwrap();
            engine.books.get(&number).is_some_and(|book| offset < u64::from(book.used))
        }
        "live" => {
            let number: u16 = file[..8].parse().unwrap();
            engine.books.contains_key(&number)
        }
        "index" => {
            let state = engine.shared.index.state();
            let shard: usize = usize::from_str_radix(&file[..2], 16).unwrap();
            file[3..].parse::<u8>().unwrap() == state.shards[shard].0
        }
        _ => true,
    }
}

fn assert_answers(engine: &Engine<SimDisk>, model: &Model, what: &str) {
    let mut out = Lookups::new();
    let snapshot = engine.snapshot();
    let gone = model.gone.iter().map(|gone| &gone.0);
    for key in model.coins.keys().chain(gone) {
        match snapshot.find(&[*key], &mut out) {
            Ok(()) => assert_eq!(out.value(0), model.coins.get(key).map(|v| &v[..]), "{what}"),
            Err(error) => assert_eq!(error.code(), "store.corrupt", "{what}"),
        }
    }
}

/// While the store is open.
#[test]
fn any_damaged_byte_is_found_and_never_believed() {
    for seed in 0..times(3, 1) {
        let (disk, options, model) = filled(seed, true);
        let (engine, _) = Engine::open(disk.clone(), options, &mut Chain::default()).unwrap();
        let mut rng = SimRng::new(seed);
        let stride = if cfg!(miri) { 997 } else { 7 };
        for (name, len) in disk.files() {
            let mut offset = rng.below(stride);
            while offset < len {
                let what = format!("seed {seed} {name} byte {offset}");
                let mask = 1 << rng.below(8);
                assert!(disk.corrupt(&name, offset, mask));
                let mut found = 0;
                engine.check(&mut |_, _| {}, &mut |_| found += 1).unwrap();
                assert_eq!(found > 0, holds_something(&engine, &name, offset), "{what}");
                if rng.below(8) == 0 {
                    assert_answers(&engine, &model, &what);
                }
                disk.corrupt(&name, offset, mask);
                offset += 1 + rng.below(2 * stride);
            }
        }
        engine.check(&mut |_, _| {}, &mut |error| panic!("{error}")).unwrap();
    }
}

/// Before it is opened, after a crash and after a clean close: opening answers with an error, or
/// with a store that never answers wrongly about the blocks that it says it has.
#[test]
fn damage_met_while_opening_is_refused_or_harmless() {
    for seed in 10..10 + times(4, 1) {
        let (disk, options, model) = filled(seed, seed % 2 == 0);
        let mut rng = SimRng::new(seed);
        let (mut refused, mut opened) = (0, 0);
        for (name, len) in disk.files() {
            for _ in 0..times(40, 2).min(len) {
                let offset = rng.below(len);
                let image = disk.kill_image();
                assert!(image.corrupt(&name, offset, 1 << rng.below(8)));
                match Engine::open(image, options.clone(), &mut Chain::default()) {
                    Err(error) => {
                        assert_eq!(error.code(), "store.corrupt", "{name} {offset}: {error}");
                        refused += 1;
                    }
                    Ok((engine, _)) => {
                        opened += 1;
                        if engine.tip() == model.tip() {
                            assert_answers(&engine, &model, &format!("{name} {offset}"));
                        }
                    }
                }
            }
        }
        eprintln!("seed {seed}: {refused} refused, {opened} opened");
    }
}

#[test]
fn other_formats_networks_and_folders_are_refused() {
    let (disk, options, _) = filled(3, true);
    let other = Options { network_id: 8, ..options.clone() };
    let code = |disk: &SimDisk, options: &Options| {
        Engine::open(disk.kill_image(), options.clone(), &mut ()).err().map(|e| e.code())
    };
    assert_eq!(code(&disk, &other), Some("store.other_network"));
    let bad = Options { segment_bytes: 1 << 27, ..options.clone() };
    assert_eq!(code(&disk, &bad), Some("store.bad_option"));
    let lost = disk.kill_image();
    lost.remove("head-0").unwrap();
    lost.remove("head-1").unwrap();
    assert_eq!(code(&lost, &options), Some("store.not_a_store"));
    let open = Engine::open(disk.clone(), options.clone(), &mut ()).unwrap();
    let second = Engine::open(disk.clone(), options.clone(), &mut ());
    assert_eq!(second.err().map(|e| e.code()), Some("store.locked"));
    drop(open);
    Engine::open(disk, options, &mut ()).unwrap();
}

/// Index and live maps are each built anew from the other and the log, after a crash too.
#[test]
fn damaged_tables_are_rebuilt() {
    for seed in 20..20 + times(8, 1) {
        let (disk, options, model) = filled(seed, seed % 3 == 0);
        for (part, folder) in [(Damaged::Index, "index/"), (Damaged::LiveMaps, "live/")] {
            let image = disk.kill_image();
            for (name, len) in image.files().iter().filter(|(name, _)| name.starts_with(folder)) {
                for offset in (0..*len).step_by(50) {
                    image.corrupt(name, offset, 0xff);
                }
            }
            assert_damaged(&image, &options, &model);
            let mut chain = Chain::default();
            let rebuilt = Engine::open_rebuilding(image.clone(), options.clone(), part, &mut chain);
            let (mut engine, _) = rebuilt.unwrap();
            assert_same(&engine, &model);
            assert_sound(&engine);
            assert_eq!(chain.0, Chain::of(&model).0);
            // Without the checkpoint, what is half-done is never taken for whole.
            assert_damaged(&image.kill_image(), &options, &model);
            engine.checkpoint(chain.aux(), nothing()).unwrap();
            drop(engine);
            let (engine, _) = Engine::open(image, options.clone(), &mut ()).unwrap();
            assert_same(&engine, &model);
            assert_sound(&engine);
        }
    }
}

fn assert_damaged(image: &SimDisk, options: &Options, model: &Model) {
    match Engine::open(image.kill_image(), options.clone(), &mut ()) {
        Err(error) => assert_eq!(error.code(), "store.corrupt"),
        Ok((engine, _)) => {
            let mut found = 0;
            engine.check(&mut |_, _| {}, &mut |_| found += 1).unwrap();
            assert!(found > 0 || model.coins.is_empty());
        }
    }
}

/// Where a sector cannot be read a mapping ends the process: `check` must find it before.
#[test]
fn an_unreadable_sector_is_found_and_not_read_through_a_mapping() {
    for seed in 30..30 + times(4, 1) {
        let (disk, options, _) = filled(seed, true);
        let mut rng = SimRng::new(seed);
        let (engine, _) = Engine::open(disk.clone(), options, &mut Chain::default()).unwrap();
        for (name, len) in disk.files().into_iter().step_by(if cfg!(miri) { 11 } else { 1 }) {
            let at = rng.below(len);
            let is_read =
                name.starts_with("log/") || name.starts_with("live/") || name.starts_with("index/");
            if !is_read || !holds_something(&engine, &name, at / 512 * 512) {
                continue;
            }
            assert!(disk.spoil(&name, at));
            let mut found = Vec::new();
            engine.check(&mut |_, _| {}, &mut |error| found.push(error)).unwrap();
            match &found[..] {
                [EngineError::Corrupt { file, offset, .. }] => {
                    assert_eq!((file, *offset), (&name, at / 512 * 512));
                }
                other => panic!("{name} {at}: {other:?}"),
            }
            assert!(disk.spoil(&name, 1 << 40)); // nowhere
        }
        engine.check(&mut |_, _| {}, &mut |error| panic!("{error}")).unwrap();
    }
}

/// Whatever a slot of the index says, no byte outside the file is asked for: behind a mapping's file there is
/// SIGBUS.
#[test]
fn no_position_reads_outside_a_segment() {
    let (disk, options, _) = filled(40, true);
    let (engine, _) = Engine::open(disk, options, &mut Chain::default()).unwrap();
    let segments = &engine.log.segments;
    for segment in segments.iter() {
        let len = segment.file.len() as u32;
        for offset in (0..len + 200).step_by(if cfg!(miri) { 37 } else { 1 }) {
            match super::super::find::read_coin(
                segments,
                super::super::codec::position_of(segment.number, offset),
            ) {
                Ok(coin) => assert!(coin.value().len() < len as usize),
                Err(error) => assert_eq!(error.code(), "store.corrupt", "{error}"),
            }
        }
    }
}

/// A damaged byte in the record that the next block pushes out of reach of undoing: found before the block is
/// durable, so that nothing has happened.
#[test]
fn a_damaged_record_that_expires_stops_the_commit_before_it_counts() {
    let mut tried = 0;
    for seed in 50..50 + times(20, 6) {
        let (disk, options, model) = filled(seed, true);
        let mut rng = SimRng::new(seed + 1000);
        let (mut engine, _) = Engine::open(disk.clone(), options, &mut Chain::of(&model)).unwrap();
        engine.options.undo_horizon = engine.ring.len() as u32;
        // In some, nothing can be undone any more.
        let Some(&at) = engine.ring.front() else { continue };
        tried += 1;
        let name = log::Segment::<SimDisk>::log_name(codec::segment_of(at));
        let offset = u64::from(codec::offset_of(at)) + 60;
        assert!(disk.corrupt(&name, offset, 4));
        let block = model.random_block(&mut rng);
        let mut batch = engine.batch().unwrap();
        perform(&mut batch, &model, &[Step::Apply(block)]).unwrap();
        assert_eq!(batch.commit(&[]).unwrap_err().code(), "store.corrupt");
        assert_eq!(engine.tip(), model.tip());
        disk.corrupt(&name, offset, 4);
        assert_same(&engine, &model);
        assert_sound(&engine);
        // And it goes on.
        let block = model.random_block(&mut rng);
        let mut batch = engine.batch().unwrap();
        perform(&mut batch, &model, &[Step::Apply(block)]).unwrap();
        batch.commit(&[]).unwrap();
    }
    assert!(tried > 0);
}

/// With a length that the checkpoint contradicts nothing is read through the mapping.
#[test]
fn a_segment_that_is_cut_short_is_refused() {
    let mut refused = 0;
    for seed in 50..50 + times(4, 1) {
        let (disk, options, _) = filled(seed, true);
        let used: Vec<(String, u64)> = {
            let opened = Engine::open(disk.clone(), options.clone(), &mut Chain::default());
            let (engine, _) = opened.unwrap();
            engine
                .books
                .values()
                .map(|book| (format!("log/{:08}.seg", book.number), book.used.into()))
                .collect()
        };
        for (name, used) in used {
            for (len, is_whole) in [(used, true), (used - 1, false), (64, false)] {
                let image = disk.kill_image();
                let mut bytes = vec![0; usize::try_from(len).unwrap()];
                disk.open(&name, 0).unwrap().read(0, &mut bytes).unwrap();
                let file = image.create(&name, 1 << 26).unwrap();
                file.grow(len).unwrap();
                file.write(0, &bytes).unwrap();
                match Engine::open(image, options.clone(), &mut Chain::default()) {
                    Ok(_) => assert!(is_whole, "{name} of {len} bytes"),
                    Err(EngineError::Corrupt { file, offset, .. }) => {
                        assert!(!is_whole);
                        assert_eq!((file, offset), (name.clone(), len));
                        refused += 1;
                    }
                    Err(error) => panic!("{name} of {len} bytes: {error}"),
                }
            }
        }
    }
    assert!(refused > 0);
}
