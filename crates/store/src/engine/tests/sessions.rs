//! Sessions without faults: batches, reorganisations, aborts, checkpoints, cleaning, snapshots.

use super::model::{
    Chain, Model, assert_same, assert_snapshot, assert_sound, nothing, perform, plan,
};
use super::*;
use crate::backing::Disk;
use crate::sim::SimDisk;

/// Coins moved, segments removed, batches replayed, moved coins put back by undoing.
fn session<D: Disk>(disk: &D, options: &Options, seed: u64, batches: u64) -> [u64; 4] {
    let mut rng = SimRng::new(seed);
    let mut model = Model::default();
    let (mut engine, opened) =
        Engine::open(disk.clone(), options.clone(), &mut Chain::default()).unwrap();
    assert!(opened.created);
    let mut snapshots: Vec<(CoinSnapshot<D>, Model)> = Vec::new();
    let mut counts = [0; 4];
    for _ in 0..batches {
        let (steps, after) = plan(&model, options.undo_horizon, &mut rng);
        let mut batch = engine.batch().unwrap();
        perform(&mut batch, &model, &steps).unwrap();
        if rng.below(5) == 0 {
            drop(batch);
        } else {
            batch.commit(&[]).unwrap();
            model = after;
        }
        if engine.checkpoint_due() {
            engine.checkpoint(Chain::of(&model).aux(), nothing()).unwrap();
        }
        if rng.below(4) == 0 {
            snapshots.push((engine.snapshot(), model.clone()));
        }
        if snapshots.len() > 3 {
            snapshots.remove(rng.below(3) as usize);
        }
        for (snapshot, then) in &snapshots {
            match snapshot
                .find(&[], &mut Lookups::new())
                .and(snapshot.find(&[[0; 36]], &mut Lookups::new()))
            {
                Err(error) => assert_eq!(error.code(), "store.snapshot_expired"),
                Ok(()) => assert_snapshot(snapshot, then),
            }
        }
        if rng.below(6) == 0 {
            assert_same(&engine, &model);
            assert_sound(&engine);
            if rng.below(2) == 0 {
                count(&mut counts, &engine);
                snapshots.clear();
                let clean = rng.below(2) == 0;
                if clean {
                    engine.close(Chain::of(&model).aux(), nothing()).unwrap();
                } else {
                    drop(engine);
                }
                let mut chain = Chain::default();
                let (again, opened) =
                    Engine::open(disk.clone(), options.clone(), &mut chain).unwrap();
                assert_eq!(
                    opened.clean && opened.batches == 0,
                    clean || opened.batches == 0 && opened.clean
                );
                counts[2] += opened.batches;
                assert_eq!(chain.0, Chain::of(&model).0);
                engine = again;
                assert_same(&engine, &model);
                assert_sound(&engine);
            }
        }
    }
    assert_same(&engine, &model);
    assert_sound(&engine);
    count(&mut counts, &engine);
    counts
}

fn count<D: Disk>(counts: &mut [u64; 4], engine: &Engine<D>) {
    let stats = engine.stats();
    counts[0] += stats.moved_coins;
    counts[1] += stats.removed_segments;
    counts[3] += stats.translated_coins;
}

#[test]
fn engine_is_as_the_model() {
    let mut sums = [0; 4];
    for seed in 0..times(40, 2) {
        let options = tiny(&mut SimRng::new(seed));
        let counts = session(&SimDisk::new(seed), &options, seed, times(120, 25));
        sums = std::array::from_fn(|i| sums[i] + counts[i]);
    }
    let [moved, removed, replayed, translated] = sums;
    eprintln!("moved {moved}, removed {removed}, replayed {replayed}, put back {translated}");
    assert!(cfg!(miri) || sums.iter().all(|&sum| sum > 10), "{sums:?}");
}

#[test]
fn threads_make_no_difference() {
    for seed in 100..100 + times(10, 1) {
        let options = Options { background: true, ..tiny(&mut SimRng::new(seed)) };
        session(&SimDisk::new(seed), &options, seed, times(80, 10));
    }
}

#[cfg(not(miri))]
#[test]
fn real_files_behave_alike() {
    for seed in 200..200 + times(4, 0) {
        let path =
            std::env::temp_dir().join(format!("mvs-store-engine-{}-{seed}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        let disk = crate::mmap::MapDisk::open(&path).unwrap();
        let options = Options { background: seed % 2 == 0, ..tiny(&mut SimRng::new(seed)) };
        session(&disk, &options, seed, 60);
        std::fs::remove_dir_all(path).unwrap();
    }
}

/// What a batch must refuse, and that nothing has happened afterwards.
#[test]
fn impossible_blocks_are_refused() {
    let options = Options { undo_horizon: 2, ..tiny(&mut SimRng::new(1)) };
    let disk = SimDisk::new(1);
    let (mut engine, _) = Engine::open(disk, options, &mut ()).unwrap();
    let key = |n: u8| [n; 36];
    let body = BodyRef::default();
    let block = |height: u32| BlockEntry {
        height,
        hash: [height as u8; 32],
        body,
        spent: &[],
        created: &[],
        extra: &[],
    };
    let coin = |n: u8| NewCoin { key: key(n), value: b"value" };
    let mut batch = engine.batch().unwrap();
    batch.apply(&BlockEntry { created: &[coin(1), coin(2)], ..block(5) }).unwrap();
    batch.commit(&[]).unwrap();
    let tip = engine.tip();

    let code = |result: Result<Tip, EngineError>| result.err().map(|e| e.code());
    let mut out = Lookups::new();
    let mut batch = engine.batch().unwrap();
    assert_eq!(code(batch.apply(&block(5))), Some("store.not_next"));
    assert_eq!(code(batch.apply(&block(6))), Some("store.batch_failed"));
    assert_eq!(batch.commit(&[]).err().map(|e| e.code()), Some("store.batch_failed"));

    // Twice in a block, in two blocks, and over a coin from before the batch.
    let mut batch = engine.batch().unwrap();
    let twice = BlockEntry { created: &[coin(3), coin(3)], ..block(6) };
    assert_eq!(code(batch.apply(&twice)), Some("store.coin_exists"));
    drop(batch);
    let mut batch = engine.batch().unwrap();
    batch.apply(&BlockEntry { created: &[coin(3)], ..block(6) }).unwrap();
    let again = BlockEntry { created: &[coin(3)], ..block(7) };
    assert_eq!(code(batch.apply(&again)), Some("store.coin_exists"));
    drop(batch);
    let mut batch = engine.batch().unwrap();
    batch.apply(&BlockEntry { created: &[coin(2)], ..block(6) }).unwrap();
    assert_eq!(batch.commit(&[]).err().map(|e| e.code()), Some("store.coin_exists"));

    // Spent twice, spent with an old handle; spending and creating again in one block is allowed.
    let mut batch = engine.batch().unwrap();
    batch.find(&[key(1), key(9)], &mut out).unwrap();
    assert!(out.found(1).is_none() && out.value(1).is_none());
    let found = out.found(0).unwrap();
    let twice = BlockEntry { spent: &[found, found], ..block(6) };
    assert_eq!(code(batch.apply(&twice)), Some("store.coin_spent"));
    drop(batch);
    let mut batch = engine.batch().unwrap();
    let old = BlockEntry { spent: &[found], ..block(6) };
    assert_eq!(code(batch.apply(&old)), Some("store.stale_handle"));
    drop(batch);
    assert_eq!(engine.tip(), tip);
    let mut batch = engine.batch().unwrap();
    batch.find(&[key(1)], &mut out).unwrap();
    let found = out.found(0).unwrap();
    let renewed = BlockEntry { spent: &[found], created: &[coin(1)], ..block(6) };
    batch.apply(&renewed).unwrap();
    // Its handle is of the coin that is gone.
    assert_eq!(
        code(batch.apply(&BlockEntry { spent: &[found], ..block(7) })),
        Some("store.coin_spent")
    );
    drop(batch);
    let mut batch = engine.batch().unwrap();
    batch.find(&[key(1)], &mut out).unwrap();
    let found = out.found(0).unwrap();
    batch.apply(&BlockEntry { spent: &[found], created: &[coin(1)], ..block(6) }).unwrap();
    for height in 7..10 {
        batch.apply(&block(height)).unwrap();
    }
    batch.commit(&[]).unwrap();
    assert_eq!(engine.undo_floor(), Some(7));
    let mut batch = engine.batch().unwrap();
    batch.undo().unwrap();
    batch.undo().unwrap();
    assert_eq!(batch.undo().err().map(|e| e.code()), Some("store.beyond_horizon"));
    drop(batch);
    assert_eq!(engine.tip().map(|tip| (tip.height, tip.coins)), Some((9, 2)));
    let value = vec![0; crate::layout::VALUE_BYTES_MAX + 1];
    let big = [NewCoin { key: key(7), value: &value }];
    let mut batch = engine.batch().unwrap();
    let too_large = BlockEntry { created: &big, ..block(10) };
    assert_eq!(code(batch.apply(&too_large)), Some("store.too_large"));
    drop(batch);
    assert_sound(&engine);
}
