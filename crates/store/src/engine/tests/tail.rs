//! Damage behind the last checkpoint: never taken for the torn end of a log where a later batch was
//! acknowledged.

use super::model::{Block, Chain, Model, Step, assert_same, assert_sound, nothing, perform, plan};
use super::*;
use crate::backing::{Backing, Disk};
use crate::sim::SimDisk;

/// A store with a checkpoint, some batches of its own epoch and of the one after it behind that, as the
/// death of the process leaves it; and the states after each of these batches, the last one last.
struct Tail {
    disk: SimDisk,
    options: Options,
    states: Vec<Model>,
    /// Where the log ended at the checkpoint.
    from: (u32, u64),
    /// Where the last batch begins in the block log, and in the cold log.
    last: [(u32, u64); 2],
}

fn ends(engine: &Engine<SimDisk>) -> [(u32, u64); 2] {
    let end = |place: super::super::log::Place| {
        (place.segment.map_or(0, u32::from), u64::from(place.offset))
    };
    [end(engine.log.blocks), end(engine.log.cold)]
}

fn tail(seed: u64) -> Tail {
    let mut rng = SimRng::new(seed);
    let options = Options { checkpoint_bytes: u64::MAX, ..tiny(&mut rng) };
    let disk = SimDisk::new(seed);
    let mut model = Model::default();
    let (mut engine, _) =
        Engine::open(disk.clone(), options.clone(), &mut Chain::default()).unwrap();
    let mut states = Vec::new();
    let (mut from, mut last) = ((0, 0), [(0, 0); 2]);
    for number in 0..times(22, 8) {
        let (plan, after) = plan(&model, options.undo_horizon, &mut rng);
        last = ends(&engine);
        let mut batch = engine.batch().unwrap();
        perform(&mut batch, &model, &plan).unwrap();
        if rng.below(4) == 0 {
            drop(batch); // leftovers
            batch = engine.batch().unwrap();
            perform(&mut batch, &model, &plan).unwrap();
        }
        batch.commit(&[]).unwrap();
        model = after;
        if number == times(8, 2) {
            engine.checkpoint(Chain::of(&model).aux(), nothing()).unwrap();
            from = ends(&engine)[0];
            states.clear();
        }
        states.push(model.clone());
        if number == times(14, 4) {
            drop(engine);
            let opened = Engine::open(disk.clone(), options.clone(), &mut Chain::default());
            engine = opened.unwrap().0;
        }
    }
    drop(engine);
    Tail { disk, options, states, from, last }
}

/// The log and the checkpoints, byte for byte.
fn contents(disk: &SimDisk) -> Vec<(String, Vec<u8>)> {
    let kept = |name: &str| name.starts_with("log/") || name.starts_with("head-");
    disk.files()
        .into_iter()
        .filter(|(name, _)| kept(name))
        .map(|(name, len)| {
            let mut bytes = vec![0; usize::try_from(len).unwrap()];
            disk.open(&name, len).unwrap().read(0, &mut bytes).unwrap();
            (name, bytes)
        })
        .collect()
}

/// The seed of an image of which no table shows what was not synced.
fn nothing_unsynced() -> u64 {
    (0..).find(|seed| SimRng::new(*seed).below(8) == 1).unwrap()
}

#[test]
fn a_damaged_byte_behind_the_checkpoint_never_takes_back_an_acknowledged_batch() {
    let (mut refused, mut rolled_back, mut whole) = (0, 0, 0);
    for seed in 0..times(2, 1) {
        let tail = tail(seed);
        let mut rng = SimRng::new(seed);
        let newest = tail.states.last().unwrap();
        let before = &tail.states[tail.states.len() - 2];
        for (name, len) in tail.disk.files() {
            let Some(number) = name.strip_prefix("log/") else { continue };
            let number: u32 = number[..8].parse().unwrap();
            let mut kind = [0; 4];
            let file = tail.disk.open(&name, len).unwrap();
            file.read(crate::layout::segment::AT_KIND as u64, &mut kind).unwrap();
            let is_cold = kind != [0; 4];
            let mut offset = if number == tail.from.0 { tail.from.1 } else { 0 };
            while offset < len {
                let what = format!("seed {seed}, {name} byte {offset}");
                // After the death of a process the mark names the last batch; after a power cut it may be old, and
                // nothing tells of that batch.
                let power_cut = rng.below(2) == 0;
                let image = if power_cut {
                    tail.disk.crash_image(nothing_unsynced())
                } else {
                    tail.disk.kill_image()
                };
                if !image.corrupt(&name, offset, 1 << rng.below(8)) {
                    break;
                }
                let at = (number, offset);
                offset += if cfg!(miri) { 61 } else { 1 };
                let was = contents(&image);
                let opened =
                    Engine::open(image.clone(), tail.options.clone(), &mut Chain::default());
                match opened {
                    Ok((engine, _)) if engine.tip() == newest.tip() => whole += 1,
                    Ok((engine, _)) => {
                        assert_eq!(engine.tip(), before.tip(), "{what}");
                        assert!(power_cut, "{what}");
                        // In a segment of the last batch alone, or behind where it begins.
                        let begins = tail.last[usize::from(is_cold)];
                        assert!(at >= begins, "{what}: the last batch begins at {begins:?}");
                        assert_same(&engine, before);
                        rolled_back += 1;
                    }
                    Err(EngineError::Corrupt { file, .. }) => {
                        assert!(contents(&image) == was, "{what}: changed");
                        assert!(
                            image.files().iter().any(|(name, _)| *name == file),
                            "{what}: {file}"
                        );
                        refused += 1;
                    }
                    Err(error) => panic!("{what}: {error}"),
                }
            }
        }
    }
    eprintln!("{refused} refused, {rolled_back} without the last batch, {whole} whole");
    assert!(refused > 0 && whole > 0 && (cfg!(miri) || rolled_back > 0));
}

/// A whole segment gone from the middle.
#[test]
fn a_lost_segment_behind_the_checkpoint_is_damage() {
    let mut refused = 0;
    for seed in 0..times(6, 2) {
        let tail = tail(seed);
        let newest = tail.states.last().unwrap();
        for (name, _) in tail.disk.files() {
            let Some(number) = name.strip_prefix("log/") else { continue };
            let number: u32 = number[..8].parse().unwrap();
            if number >= tail.last[0].0 || number >= tail.last[1].0 {
                continue;
            }
            let image = tail.disk.kill_image();
            image.remove(&name).unwrap();
            match Engine::open(image, tail.options.clone(), &mut Chain::default()) {
                Ok((engine, _)) => assert_eq!(engine.tip(), newest.tip(), "seed {seed}, {name}"),
                Err(error) => {
                    assert_eq!(error.code(), "store.corrupt", "{error}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 0);
}

/// A block that spends as many coins as it creates.
fn even_block(model: &Model, rng: &mut SimRng) -> Block {
    let height = model.chain.last().map_or(0, |last| last.height + 1);
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&rng.next_u64().to_le_bytes());
    let spent: Vec<_> =
        model.coins.iter().take(2).map(|(key, value)| (*key, value.clone())).collect();
    let created = (0..spent.len() as u32).map(|index| {
        let mut key = [0; 36];
        key[..32].copy_from_slice(&hash);
        key[32..].copy_from_slice(&index.to_le_bytes());
        (key, vec![5; 30])
    });
    Block { height, hash, created: created.collect(), spent, extra: vec![7; 3] }
}

/// Puts files back as they were, as a disk does that has lost what came later.
fn take_back(disk: &SimDisk, files: &[(String, Vec<u8>)], is_lost: &dyn Fn(&str) -> bool) {
    for (name, len) in disk.files() {
        if !is_lost(&name) {
            continue;
        }
        match files.iter().find(|(other, _)| *other == name) {
            None => disk.remove(&name).unwrap(),
            Some((_, bytes)) => {
                let file = disk.open(&name, len).unwrap();
                file.write(0, &vec![0; usize::try_from(len).unwrap()]).unwrap();
                file.write(0, bytes).unwrap();
            }
        }
    }
}

/// The log's last batch is lost and the mark is old, but index and live maps have learnt of that batch: the
/// coins that it spent are missing, and just as many are there that no block has made.
#[test]
fn tables_ahead_of_a_log_that_lost_its_last_batch_are_damage() {
    let all = |disk: &SimDisk| -> Vec<(String, Vec<u8>)> {
        let read = |(name, len): (String, u64)| {
            let mut bytes = vec![0; usize::try_from(len).unwrap()];
            disk.open(&name, len).unwrap().read(0, &mut bytes).unwrap();
            (name, bytes)
        };
        disk.files().into_iter().map(read).collect()
    };
    let (mut replayed, mut not_replayed, mut own_segment) = (0, 0, 0);
    for seed in 0..times(40, 2) {
        let mut rng = SimRng::new(seed);
        let options = Options { checkpoint_bytes: u64::MAX, ..tiny(&mut rng) };
        let disk = SimDisk::new(seed);
        let mut model = Model::default();
        let open = |disk: &SimDisk| {
            Engine::open(disk.clone(), options.clone(), &mut Chain::default())
                .map(|opened| opened.0)
        };
        let mut engine = open(&disk).unwrap();
        // Where the checkpoint is: after the last batch but one, or some batches before.
        let behind = seed % 3;
        let mut before = Vec::new();
        for number in 0..=8 {
            let (steps, after) = if number < 8 {
                plan(&model, options.undo_horizon, &mut rng)
            } else {
                let block = even_block(&model, &mut rng);
                let mut after = model.clone();
                after.apply(&block);
                after.committed(options.undo_horizon);
                (vec![Step::Apply(block)], after)
            };
            before = all(&disk);
            let mut batch = engine.batch().unwrap();
            perform(&mut batch, &model, &steps).unwrap();
            batch.commit(&[]).unwrap();
            if number == 8 {
                break;
            }
            model = after;
            if number + behind == 7 {
                match seed % 2 {
                    0 => engine.checkpoint(Chain::of(&model).aux(), nothing()).unwrap(),
                    // A store closed cleanly and opened again is no other.
                    _ => {
                        engine.close(Chain::of(&model).aux(), nothing()).unwrap();
                        engine = open(&disk).unwrap();
                    }
                }
            }
        }
        drop(engine);
        if model.coins.is_empty() {
            continue;
        }
        let image = disk.kill_image();
        take_back(&image, &before, &|name| name.starts_with("log/") || name == "durable");
        let logs = |files: &[(String, Vec<u8>)]| {
            files.iter().filter(|(name, _)| name.starts_with("log/")).count()
        };
        own_segment += u64::from(logs(&before) < logs(&all(&disk)));
        // Not once but always: nothing that tells of it goes when it is refused.
        for _ in 0..2 {
            match open(&image) {
                Err(EngineError::Corrupt { .. }) => {}
                Err(error) => panic!("seed {seed}: {error}"),
                Ok(_) => panic!("seed {seed}: opened"),
            }
        }
        *(if behind > 0 { &mut replayed } else { &mut not_replayed }) += 1;
        // Without what the tables have learnt it is a batch that was never acknowledged.
        take_back(&image, &before, &|_| true);
        let engine = open(&image).unwrap();
        assert_same(&engine, &model);
        assert_sound(&engine);
    }
    eprintln!("{replayed} after a replay, {not_replayed} without, {own_segment} in a new segment");
    assert!(replayed > 0 && not_replayed > 0 && (cfg!(miri) || own_segment > 0));
}

/// What a checkpoint makes durable of the tables is never ahead of the mark.
#[test]
fn a_checkpoint_makes_the_mark_durable() {
    for seed in 0..times(8, 1) {
        let mut rng = SimRng::new(seed);
        let options = Options { checkpoint_bytes: u64::MAX, ..tiny(&mut rng) };
        let disk = SimDisk::new(seed);
        let mut model = Model::default();
        let (mut engine, _) =
            Engine::open(disk.clone(), options.clone(), &mut Chain::default()).unwrap();
        for _ in 0..5 {
            let (steps, after) = plan(&model, options.undo_horizon, &mut rng);
            let mut batch = engine.batch().unwrap();
            perform(&mut batch, &model, &steps).unwrap();
            batch.commit(&[]).unwrap();
            model = after;
        }
        engine.checkpoint(Chain::of(&model).aux(), nothing()).unwrap();
        let image = disk.crash_image(nothing_unsynced());
        let mark = super::super::tail::Mark::open(&image, engine.shared.seeds.salt).unwrap();
        assert_eq!(mark.batch().unwrap(), engine.durable, "seed {seed}");
        assert!(engine.durable > 0);
    }
}

/// The number of a batch that was dropped is in the checkpoint, and is not called durable: the older checkpoint knows of
/// no such batch.
#[test]
fn dropped_batches_do_not_condemn_the_log() {
    for seed in 0..times(12, 1) {
        let mut rng = SimRng::new(seed);
        let options = Options { checkpoint_bytes: u64::MAX, undo_horizon: 20, ..tiny(&mut rng) };
        let disk = SimDisk::new(seed);
        let mut model = Model::default();
        let open = || {
            Engine::open(disk.clone(), options.clone(), &mut Chain::default())
                .map(|opened| opened.0)
        };
        let mut engine = open().unwrap();
        for number in 0..4 {
            let block = even_block(&model, &mut rng);
            let mut batch = engine.batch().unwrap();
            perform(&mut batch, &model, &[Step::Apply(block.clone())]).unwrap();
            if number < 3 {
                batch.commit(&[]).unwrap();
                model.apply(&block);
            }
        }
        // One that is empty as well.
        engine.batch().unwrap().commit(&[]).unwrap();
        engine.checkpoint(Chain::of(&model).aux(), nothing()).unwrap();
        let newest = super::super::head::name(engine.generation);
        drop(engine);
        drop(open().unwrap());
        assert!(disk.corrupt(newest, 100, 1));
        let engine = open().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_same(&engine, &model);
        assert_sound(&engine);
    }
}
