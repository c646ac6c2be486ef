//! Sessions without faults: batches, reorganisations, aborts, checkpoints, cleaning, snapshots.

use super::model::{
    Chain, Model, assert_same, assert_snapshot, assert_sound, nothing, perform, plan,
};
use super::*;
use crate::backing::Disk;
use crate::sim::SimDisk;

fn session<D: Disk>(disk: &D, options: &Options, seed: u64, batches: u64) -> (u64, u64, u64) {
    let mut rng = SimRng::new(seed);
    let mut model = Model::default();
    let (mut engine, opened) =
        Engine::open(disk.clone(), options.clone(), &mut Chain::default()).unwrap();
    assert!(opened.created);
    let mut snapshots: Vec<(CoinSnapshot<D>, Model)> = Vec::new();
    let (mut moved, mut removed, mut replayed) = (0, 0, 0);
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
                moved += engine.stats().moved_coins;
                removed += engine.stats().removed_segments;
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
                replayed += opened.batches;
                assert_eq!(chain.0, Chain::of(&model).0);
                engine = again;
                assert_same(&engine, &model);
                assert_sound(&engine);
            }
        }
    }
    assert_same(&engine, &model);
    assert_sound(&engine);
    (moved + engine.stats().moved_coins, removed + engine.stats().removed_segments, replayed)
}

#[test]
fn engine_is_as_the_model() {
    let (mut moved, mut removed, mut replayed) = (0, 0, 0);
    for seed in 0..times(40, 2) {
        let options = tiny(&mut SimRng::new(seed));
        let counts = session(&SimDisk::new(seed), &options, seed, times(120, 25));
        moved += counts.0;
        removed += counts.1;
        replayed += counts.2;
    }
    eprintln!("moved {moved} coins, removed {removed} segments, replayed {replayed} batches");
    assert!(cfg!(miri) || (moved > 100 && removed > 50 && replayed > 50));
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
