//! Damage behind the last checkpoint: never taken for the torn end of a log where a later batch was
//! acknowledged.

use super::model::{Chain, Model, assert_same, nothing, perform, plan};
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
