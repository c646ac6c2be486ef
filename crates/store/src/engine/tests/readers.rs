//! Snapshots read by several threads on real files, while the writer commits, doubles shards, cleans and makes
//! checkpoints, and after it is gone.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::model::{Chain, Model, assert_same, assert_sound, nothing, perform, plan};
use super::*;
use crate::mmap::MapDisk;

const READERS: u64 = 3;

/// What the threads share: the model of each tip that there was, and what was seen.
#[derive(Default)]
struct Common {
    models: Mutex<HashMap<[u8; 32], Arc<Model>>>,
    /// The writer's engine is gone, and another is at work.
    gone: AtomicBool,
    end: AtomicBool,
    reads: AtomicU64,
    old_reads: AtomicU64,
    expired: AtomicU64,
    refused: AtomicU64,
}

fn bump(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Looks some keys up and compares; `false` if the snapshot is of no use any more.
fn compare(
    common: &Common,
    snapshot: &CoinSnapshot<MapDisk>,
    model: &Model,
    rng: &mut SimRng,
) -> bool {
    let everything: Vec<Key> =
        model.coins.keys().chain(model.gone.iter().map(|(key, _)| key)).copied().collect();
    let count = [1, 3, 40, 200][rng.below(4) as usize];
    let keys: Vec<Key> = (0..count)
        .map(|_| match everything.len() {
            0 => [1; 36],
            len => everything[rng.below(len as u64) as usize],
        })
        .collect();
    // Read before the look-up: afterwards the writer may have gone meanwhile.
    let gone = common.gone.load(Ordering::Acquire);
    let mut out = Lookups::new();
    match snapshot.find(&keys, &mut out) {
        Ok(()) => {
            assert!(!gone, "a snapshot answers although another writer is at work");
            bump(&common.reads);
            for (i, key) in keys.iter().enumerate() {
                let expected = model.coins.get(key).map(|value| &value[..]);
                assert_eq!(out.value(i), expected, "coin {i} of {count}");
            }
            true
        }
        Err(EngineError::SnapshotExpired) => {
            bump(&common.expired);
            false
        }
        Err(EngineError::Poisoned) => {
            bump(&common.refused);
            false
        }
        Err(error) => panic!("{error}"),
    }
}

fn read(common: &Common, reader: &Reader<MapDisk>, seed: u64) {
    let mut rng = SimRng::new(seed);
    let mut held: Vec<(CoinSnapshot<MapDisk>, Arc<Model>)> = Vec::new();
    while !common.end.load(Ordering::Acquire) {
        let snapshot = reader.snapshot();
        if let Some(tip) = snapshot.tip() {
            // The writer has put it there before anybody could see the tip.
            let model = common.models.lock().unwrap().get(&tip.hash).cloned();
            let model = model.expect("each tip is one of the writer's");
            assert_eq!(model.tip(), Some(tip));
            compare(common, &snapshot, &model, &mut rng);
            if rng.below(20) == 0 {
                held.push((snapshot, model));
            }
        }
        if held.len() > 5 {
            held.swap_remove(1 + rng.below(held.len() as u64 - 1) as usize);
        }
        for number in (0..held.len()).rev() {
            let (snapshot, model) = &held[number];
            // A copy has a place of its own among the layers; sometimes it outlives the first.
            let (copy, model) = (snapshot.clone(), Arc::clone(model));
            // The oldest stays until it expires.
            let goes = number > 0 && rng.below(50) == 0;
            if goes {
                drop(held.swap_remove(number));
            }
            bump(&common.old_reads);
            if !compare(common, &copy, &model, &mut rng) {
                if !goes {
                    held.swap_remove(number);
                }
            } else if goes && rng.below(2) == 0 {
                held.push((copy, model));
            }
        }
    }
}

/// What the writer's part brought about.
#[derive(Debug, Default)]
struct Done {
    doublings: u64,
    moved: u64,
    removed: u64,
    checkpoints: u64,
}

fn write(
    common: &Common,
    engine: &mut Engine<MapDisk>,
    model: &mut Model,
    rng: &mut SimRng,
    batches: u64,
) {
    let horizon = engine.options.undo_horizon;
    for _ in 0..batches {
        let (steps, mut after) = plan(model, horizon, rng);
        // Enough to look up in vain.
        let surplus = after.gone.len().saturating_sub(300);
        after.gone.drain(..surplus);
        let mut batch = engine.batch().unwrap();
        perform(&mut batch, model, &steps).unwrap();
        if rng.below(8) == 0 {
            continue;
        }
        let hash = after.tip().unwrap().hash;
        common.models.lock().unwrap().insert(hash, Arc::new(after.clone()));
        batch.commit(&[]).unwrap();
        *model = after;
        if engine.checkpoint_due() {
            engine.checkpoint(Chain::of(model).aux(), nothing()).unwrap();
        }
    }
}

/// Ends the readers also when the writer panics.
struct End<'a>(&'a Common);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.end.store(true, Ordering::Release);
    }
}

fn session(path: &Path, seed: u64, batches: u64) -> (Done, Common) {
    let mut rng = SimRng::new(seed);
    let disk = MapDisk::open(path).unwrap();
    let options = Options { background: true, snapshot_changes_max: 60, ..tiny(&mut rng) };
    let mut model = Model::default();
    let (mut engine, _) =
        Engine::open(disk.clone(), options.clone(), &mut Chain::default()).unwrap();
    let slots = engine.stats().index_slots;
    let common = Common::default();
    let mut done = Done::default();
    std::thread::scope(|scope| {
        let end = End(&common);
        let readers = (0..READERS).map(|number| {
            let (reader, common) = (engine.reader(), &common);
            scope.spawn(move || read(common, &reader, seed << 8 | number))
        });
        let readers: Vec<_> = readers.collect();
        let is_whole = || readers.iter().all(|reader| !reader.is_finished());
        write(&common, &mut engine, &mut model, &mut rng, batches);
        let stats = engine.stats();
        done = Done {
            doublings: (stats.index_slots / slots.max(1)).ilog2().into(),
            moved: stats.moved_coins,
            removed: stats.removed_segments,
            checkpoints: stats.checkpoints,
        };
        // Gone under the readers; the next writer changes what their snapshots stand on.
        drop(engine);
        common.gone.store(true, Ordering::Release);
        let refused = common.refused.load(Ordering::Acquire);
        let mut chain = Chain::default();
        let (mut engine, _) = Engine::open(disk.clone(), options.clone(), &mut chain).unwrap();
        assert_same(&engine, &model);
        let mut all = batches / 8;
        // All of them have met it.
        while is_whole() && (common.refused.load(Ordering::Acquire) < refused + 20 || all > 0) {
            all = all.saturating_sub(1);
            write(&common, &mut engine, &mut model, &mut rng, u64::from(all > 0));
            std::thread::yield_now();
        }
        drop(end);
        assert_same(&engine, &model);
        assert_sound(&engine);
    });
    (done, common)
}

#[test]
fn snapshots_of_several_threads_are_each_at_their_tip() {
    if cfg!(miri) {
        eprintln!("SKIPPED under Miri: needs mappings");
        return;
    }
    let (mut doublings, mut removed, mut old, mut expired) = (0, 0, 0, 0);
    for seed in 300..300 + times(2, 0) {
        let path = std::env::temp_dir().join(format!("mvs-readers-{}-{seed}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        let (done, common) = session(&path, seed, 120);
        std::fs::remove_dir_all(path).unwrap();
        let read = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        eprintln!(
            "seed {seed}: {done:?}; {} look-ups answered, {} of old snapshots, {} expired, {} refused",
            read(&common.reads),
            read(&common.old_reads),
            read(&common.expired),
            read(&common.refused)
        );
        doublings += done.doublings;
        removed += done.removed;
        old += read(&common.old_reads);
        expired += read(&common.expired);
        assert!(read(&common.reads) > 100 && done.checkpoints > 3 && done.moved > 0);
    }
    assert!(doublings > 0 && removed > 0 && old > 100 && expired > 0);
}
