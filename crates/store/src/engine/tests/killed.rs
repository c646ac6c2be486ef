//! What was written and not synced is not durable, whoever wrote it.

use super::crash::{recovered, work_until_cut};
use super::model::{Chain, Model, nothing};
use super::*;
use crate::sim::{Call, Fault, SimDisk};

/// Opens what a dead process left and tells which of the two models it is.
fn reopened(
    disk: &SimDisk,
    options: &Options,
    models: [Option<&Model>; 2],
) -> (Engine<SimDisk>, Model) {
    disk.cut_power_after(u64::MAX);
    let (engine, _) =
        Engine::open(disk.clone(), options.clone(), &mut Chain::default()).expect("opens");
    let model = models.into_iter().flatten().find(|model| model.tip() == engine.tip());
    let model = model.expect("one of the two").clone();
    (engine, model)
}

#[test]
fn what_was_opened_after_a_kill_survives_a_power_cut() {
    for seed in 0..times(60, 1) {
        let mut rng = SimRng::new(seed ^ 0x6b69_6c6c);
        let options = tiny(&mut rng);
        let disk = SimDisk::new(seed);
        let mut model = Model::default();
        for life in 0..times(6, 2) {
            let most = [40, 200, 900][rng.below(3) as usize];
            let steps = 10 + rng.below(most);
            let cut = work_until_cut(disk.clone(), &options, model, seed << 8 | life, steps);
            for image in 0..times(4, 1) {
                let image_disk = cut.disk.crash_image(rng.next_u64());
                if let Err(what) = recovered(&image_disk, &options, &cut) {
                    panic!("{what}: seed {seed} life {life} image {image} {options:?}");
                }
            }
            let (engine, now) = reopened(&disk, &options, [Some(&cut.acked), cut.begun.as_ref()]);
            model = now;
            if rng.below(3) == 0 {
                engine.close(Chain::of(&model).aux(), nothing()).unwrap();
            }
        }
    }
}

/// A block that makes one coin of so many bytes.
fn apply(batch: &mut Batch<'_, SimDisk>, height: u32, bytes: usize) {
    let value = vec![height as u8; bytes];
    batch
        .apply(&BlockEntry {
            height,
            hash: [height as u8; 32],
            body: BodyRef { checksum: 4, ..BodyRef::default() },
            spent: &[],
            created: &[NewCoin { key: [height as u8; 36], value: &value }],
            extra: &[],
        })
        .unwrap();
}

/// What a dropped batch left behind the end must stay crossed out, also when no record follows it there.
#[test]
fn leftovers_of_dropped_batches_stay_dropped() {
    let options = Options { segment_bytes: 2048, undo_horizon: 6, ..tiny(&mut SimRng::new(0)) };
    let disk = SimDisk::new(3);
    let (mut engine, _) = Engine::open(disk.clone(), options.clone(), &mut ()).unwrap();
    let mut batch = engine.batch().unwrap();
    apply(&mut batch, 1, 100);
    batch.commit(&[]).unwrap();
    // Fits into the first segment; the others do not.
    apply(&mut engine.batch().unwrap(), 2, 50);
    apply(&mut engine.batch().unwrap(), 2, 1700);
    let mut batch = engine.batch().unwrap();
    apply(&mut batch, 2, 1800);
    let tip = batch.commit(&[]).unwrap();
    for seed in 0..times(100, 2) {
        let image = disk.crash_image(seed);
        let (engine, _) = Engine::open(image, options.clone(), &mut ()).unwrap();
        assert_eq!(engine.tip(), tip, "image {seed}");
    }
}

/// As above, but the process dies before the last batch is synced; the next one finds it, and then the power goes.
#[test]
fn leftovers_stay_dropped_behind_a_batch_that_was_found() {
    let options = Options { segment_bytes: 2048, undo_horizon: 6, ..tiny(&mut SimRng::new(0)) };
    let mut found = 0;
    for calls in (0..12).step_by(if cfg!(miri) { 5 } else { 1 }) {
        let disk = SimDisk::new(3);
        let (mut engine, _) = Engine::open(disk.clone(), options.clone(), &mut ()).unwrap();
        let mut batch = engine.batch().unwrap();
        apply(&mut batch, 1, 100);
        let first = batch.commit(&[]).unwrap();
        apply(&mut engine.batch().unwrap(), 2, 50);
        let mut batch = engine.batch().unwrap();
        apply(&mut batch, 2, 1800);
        disk.cut_power_after(disk.steps() + calls);
        let _ = batch.commit(&[]);
        drop(engine);
        disk.cut_power_after(u64::MAX);
        let (engine, _) = Engine::open(disk.clone(), options.clone(), &mut ()).unwrap();
        let tip = engine.tip();
        found += u64::from(tip != first);
        for seed in 0..times(100, 2) {
            let image = disk.crash_image(seed);
            let (engine, _) = Engine::open(image, options.clone(), &mut ()).unwrap();
            assert_eq!(engine.tip(), tip, "killed after {calls} calls, image {seed}");
        }
    }
    assert!(cfg!(miri) || found > 5, "{found}");
}

/// A sync that fails has lost what it was to write, even if the reason is a full disk.
#[test]
fn a_sync_that_finds_no_space_ends_writing() {
    let options = tiny(&mut SimRng::new(1));
    for nth in 0..times(4, 1) {
        let disk = SimDisk::new(4);
        let (mut engine, _) = Engine::open(disk.clone(), options.clone(), &mut ()).unwrap();
        for height in 1..9 {
            let mut batch = engine.batch().unwrap();
            apply(&mut batch, height, 20);
            batch.commit(&[]).unwrap();
        }
        let tip = engine.tip();
        disk.fail(Call::Sync, disk.calls(Call::Sync) + nth, Fault::NoSpace);
        let failed = engine.checkpoint(Vec::new(), nothing()).unwrap_err();
        assert_eq!(failed.code(), "store.io");
        assert!(engine.checkpoint(Vec::new(), nothing()).is_err(), "sync {nth} is tried again");
        drop(engine);
        for seed in 0..times(10, 1) {
            let image = disk.crash_image(seed);
            let (engine, _) = Engine::open(image, options.clone(), &mut ()).unwrap();
            assert_eq!(engine.tip(), tip);
            super::model::assert_sound(&engine);
        }
    }
}
