//! Power cuts at any call: what comes back is a commit, whole, in every part of the store.

use mvs_consensus::block::ConnectedBlock;
use mvs_store::sim::{Call, Fault, SimDisk, SimRng};
use mvs_store::{Store, StoreError};

use crate::model::{
    Model, SHORT, Step, Sums, advance, assert_same, assert_sound, commit, genesis, options,
};

const HORIZON: u32 = 60;

/// The story in commits of a few blocks.
fn commits() -> Vec<Step> {
    let mut commits = Vec::new();
    for step in &SHORT.steps {
        if step.undo > 0 {
            commits.push(Step { undo: step.undo, apply: step.apply.clone() });
        } else {
            for chunk in step.apply.chunks(3 + commits.len() % 7) {
                commits.push(Step { undo: 0, apply: chunk.to_vec() });
            }
        }
    }
    commits
}

fn open(disk: &SimDisk, genesis: &ConnectedBlock) -> Result<Store<SimDisk>, StoreError> {
    Ok(Store::open(disk.clone(), options(HORIZON), genesis)?.0)
}

/// Commits until one fails; the model after that one.
fn go_on<'a>(
    store: &mut Store<SimDisk>,
    model: &mut Model,
    steps: impl Iterator<Item = &'a Step>,
) -> Option<Model> {
    for step in steps {
        let mut next = model.clone();
        advance(&mut next, step);
        if commit(store, step).is_err() {
            return Some(next);
        }
        *model = next;
    }
    None
}

/// A disk after some commits, as the death of the process would leave it.
struct Base {
    disk: SimDisk,
    model: Model,
    next: usize,
}

fn bases(commits: &[Step], with_index: bool) -> Vec<Base> {
    let genesis = genesis();
    let disk = SimDisk::new(77);
    let mut store = open(&disk, &genesis).unwrap();
    if with_index {
        store.build_index(&mut |_| true).unwrap();
    }
    let mut model = Model::new(&genesis);
    let mut bases = Vec::new();
    for (number, step) in commits.iter().enumerate() {
        if number % 5 == 0 {
            bases.push(Base { disk: disk.kill_image(), model: model.clone(), next: number });
        }
        commit(&mut store, step).unwrap();
        advance(&mut model, step);
    }
    bases
}

fn count(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn assert_is(store: &Store<SimDisk>, model: &Model, when: &str) {
    assert_eq!(Sums::of(store), model.now(), "{when}");
    let snapshot = store.snapshot();
    assert_eq!(snapshot.registry(), model.registry(), "{when}");
    for block in &model.blocks {
        let header = block.block().header();
        assert_eq!(snapshot.hash(header.height()).unwrap(), Some(header.hash()), "{when}");
    }
    assert_sound(store);
}

#[test]
fn after_a_power_cut_every_part_is_at_one_commit() {
    let genesis = genesis();
    let commits = commits();
    // A tenth of all images; the engine's own tests look at the others.
    let images = count("MVS_STORE_IMAGES", 500) / 10;
    let (mut in_flight, mut lost) = (0, 0);
    for with_index in [false, true] {
        let bases = bases(&commits, with_index);
        for seed in 0..images / 2 {
            let mut rng = SimRng::new(seed ^ (u64::from(with_index) << 32));
            let base = &bases[rng.below(bases.len() as u64) as usize];
            let disk = base.disk.kill_image();
            // One cut in four falls anywhere, most of them while the store is opened.
            let anywhere = rng.below(4) == 0;
            let calls = rng.below(300);
            if anywhere {
                disk.cut_power_after(disk.steps() + calls);
            }
            let mut model = base.model.clone();
            let mut hoped = None;
            if let Ok(mut store) = open(&disk, &genesis) {
                if !anywhere {
                    disk.cut_power_after(disk.steps() + calls);
                }
                hoped = go_on(&mut store, &mut model, commits.iter().skip(base.next).take(5));
                if hoped.is_none() && rng.below(2) == 0 {
                    let _ = store.close();
                }
            }
            let image = disk.crash_image(seed);
            let when = format!("seed {seed}, index {with_index}, base {}", base.next);
            let mut store = open(&image, &genesis).unwrap_or_else(|e| panic!("{when}: {e}"));
            if let Some(hoped) = hoped {
                in_flight += 1;
                if Sums::of(&store) == hoped.now() && store.tip().hash == tip_hash(&hoped) {
                    model = hoped;
                } else {
                    lost += 1;
                }
            }
            assert_is(&store, &model, &when);
            assert_eq!(store.snapshot().index_height().is_some(), with_index);
            // Life goes on.
            let at = commits.iter().enumerate().skip(base.next).find(|(_, step)| {
                step.undo == 0
                    && step
                        .apply
                        .first()
                        .is_some_and(|b| b.block().header().header().previous == tip_hash(&model))
            });
            if let Some((_, step)) = at {
                commit(&mut store, step).unwrap();
                advance(&mut model, step);
                assert_eq!(Sums::of(&store), model.now(), "{when}");
            }
        }
    }
    println!("{images} images, {in_flight} of a commit under way, {lost} of these without it");
    assert!(in_flight * 5 >= images, "too few cuts land inside a commit");
}

fn tip_hash(model: &Model) -> mvs_primitives::hash::BlockHash {
    model.blocks.last().unwrap().block().header().hash()
}

#[test]
fn a_full_disk_is_told_apart_and_the_store_goes_on() {
    let genesis = genesis();
    let disk = SimDisk::new(5);
    let mut store = open(&disk, &genesis).unwrap();
    let mut model = Model::new(&genesis);
    let mut refused = 0;
    for step in commits() {
        if model.blocks.len().is_multiple_of(3) {
            disk.set_space(Some(disk.used() + 10));
            match commit(&mut store, &step) {
                Ok(()) => {
                    disk.set_space(None);
                    advance(&mut model, &step);
                    continue;
                }
                Err(error) => {
                    assert!(error.is_no_space(), "{error}");
                    assert_eq!(Sums::of(&store), model.now());
                    refused += 1;
                }
            }
            disk.set_space(None);
        }
        commit(&mut store, &step).unwrap();
        advance(&mut model, &step);
        assert_eq!(Sums::of(&store), model.now());
    }
    assert!(refused > 0, "the disk was never full");
    assert_same(&store.snapshot(), &model.blocks, &model.state());
    assert_sound(&store);
}

#[test]
fn after_a_failed_call_nothing_is_written_and_reading_goes_on() {
    let genesis = genesis();
    let commits = commits();
    let bases = bases(&commits, false);
    let mut failed = 0;
    for (number, call) in [Call::Write, Call::Sync, Call::Grow, Call::SyncFolder, Call::Create]
        .into_iter()
        .cycle()
        .take(40)
        .enumerate()
    {
        let base = &bases[number % bases.len()];
        let disk = base.disk.kill_image();
        let mut store = open(&disk, &genesis).unwrap();
        disk.fail(call, disk.calls(call) + number as u64 % 9, Fault::Io);
        let mut model = base.model.clone();
        for step in commits.iter().skip(base.next).take(6) {
            let before = Sums::of(&store);
            assert_eq!(before, model.now());
            let done = commit(&mut store, step);
            let mut next = model.clone();
            advance(&mut next, step);
            if done.is_err() {
                failed += 1;
                // Reading goes on, at the old tip or at the new one.
                let now = Sums::of(&store);
                assert!(now == before || now == next.now());
                let tip = store.tip();
                assert_eq!(store.snapshot().height_of(&tip.hash).unwrap(), Some(tip.height));
                drop(store);
                disk.heal();
                store = open(&disk, &genesis).unwrap();
                if store.tip().hash == tip_hash(&next) {
                    model = next;
                }
                break;
            }
            model = next;
        }
        disk.heal();
        // A checkpoint that failed half-way may have left a head that does not parse.
        store.checkpoint().unwrap();
        assert_is(&store, &model, &format!("{call:?} fails, number {number}"));
    }
    assert!(failed > 10, "only {failed} calls failed");
}

/// A sync fails and the process ends, but the machine goes on: the next process must not take for written what the
/// system only remembers.
#[test]
fn what_a_failed_sync_forgot_is_written_again_in_every_part() {
    let genesis = genesis();
    let commits = commits();
    let bases = bases(&commits, false);
    let mut failed = 0;
    for seed in 0..count("MVS_STORE_IMAGES", 500) / 10 {
        let mut rng = SimRng::new(seed);
        let base = &bases[rng.below(bases.len() as u64) as usize];
        let disk = base.disk.kill_image();
        let nth = disk.calls(Call::Sync) + rng.below(40);
        disk.fail(Call::Sync, nth, Fault::Io);
        let mut model = base.model.clone();
        let mut hoped = None;
        if let Ok(mut store) = open(&disk, &genesis) {
            hoped = go_on(&mut store, &mut model, commits.iter().skip(base.next).take(6));
        }
        failed += u64::from(disk.calls(Call::Sync) > nth);
        disk.heal();
        let when = format!("seed {seed}, base {}", base.next);
        let store = open(&disk, &genesis).unwrap_or_else(|e| panic!("{when}: {e}"));
        if let Some(hoped) = hoped
            && store.tip().hash == tip_hash(&hoped)
        {
            model = hoped;
        }
        assert_is(&store, &model, &when);
        if rng.below(3) == 0 {
            store.close().unwrap();
        } else {
            drop(store);
        }
        for image in 0..3 {
            let image = disk.crash_image(rng.next_u64() ^ image);
            let store = open(&image, &genesis).unwrap_or_else(|e| panic!("{when}: {e}"));
            assert_is(&store, &model, &when);
        }
    }
    println!("{failed} syncs failed");
    assert!(failed > 10, "only {failed} syncs failed");
}

/// A checkpoint that found no room is made once there is some.
#[test]
fn a_checkpoint_that_found_no_space_does_not_end_writing() {
    let genesis = genesis();
    for background in [false, true] {
        let disk = SimDisk::new(6);
        let mut options = options(HORIZON);
        options.engine.background = background;
        let (mut store, _) = Store::open(disk.clone(), options, &genesis).unwrap();
        let mut model = Model::new(&genesis);
        let mut refused = 0;
        for step in commits() {
            let before = store.stats().unwrap().engine.checkpoints;
            commit(&mut store, &step).unwrap();
            advance(&mut model, &step);
            // Nothing more is to be had, not even for a head; what is missing for the log was taken ahead.
            disk.set_space(Some(0));
            for _ in 0..3 {
                if let Err(error) = store.checkpoint().and_then(|()| store.batch().map(drop)) {
                    assert!(error.is_no_space(), "{error}");
                    refused += 1;
                }
            }
            disk.set_space(None);
            // One that was under way in the background may tell of its failure once.
            if let Err(error) = store.batch().map(drop) {
                assert!(background && error.is_no_space(), "{error}");
            }
            store.batch().map(drop).unwrap();
            store.checkpoint().unwrap();
            drop(store.batch().unwrap());
            assert!(background || store.stats().unwrap().engine.checkpoints > before);
        }
        assert!(refused > 10, "{refused}");
        assert_is(&store, &model, "no space");
    }
}
