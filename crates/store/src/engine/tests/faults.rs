//! Each call of each kind fails once: the answer is an error, writing ends or can be resumed, and
//! the store opens again with what was acknowledged.

use super::model::{Chain, Model, assert_same, assert_sound, nothing, perform, plan};
use super::*;
use crate::sim::{CALLS, Call, Fault, SimDisk};

/// Outcome of a run with one fault.
struct Run {
    acked: Model,
    begun: Option<Model>,
    /// The first error, and whether writing could go on after it.
    error: Option<(EngineError, bool)>,
}

fn run(disk: &SimDisk, options: &Options, seed: u64, batches: u64) -> Run {
    let mut rng = SimRng::new(seed);
    let mut run = Run { acked: Model::default(), begun: None, error: None };
    let opened = Engine::open(disk.clone(), options.clone(), &mut Chain::default());
    let mut engine = match opened {
        Ok((engine, _)) => engine,
        Err(error) => {
            run.error = Some((error, false));
            return run;
        }
    };
    for _ in 0..batches {
        let (plan, after) = plan(&run.acked, options.undo_horizon, &mut rng);
        let done = (|| {
            let mut batch = engine.batch()?;
            perform(&mut batch, &run.acked, &plan)?;
            if rng.below(7) == 0 {
                return Ok(false);
            }
            run.begun = Some(after.clone());
            batch.commit(&[])?;
            Ok(true)
        })();
        match done {
            Ok(true) => (run.acked, run.begun) = (after, None),
            Ok(false) => {}
            Err(error) => {
                let resumable = engine.batch().is_ok();
                if resumable {
                    // What the engine says is what it was before.
                    run.begun = None;
                    assert_same(&engine, &run.acked);
                    disk.heal();
                    assert_sound(&engine);
                    let mut batch = engine.batch().unwrap();
                    perform(&mut batch, &run.acked, &plan).unwrap();
                    batch.commit(&[]).unwrap();
                    run.acked = after;
                } else {
                    assert!(matches!(engine.batch(), Err(EngineError::Poisoned)));
                    let snapshot = engine.snapshot();
                    let keys: Vec<Key> = run.acked.coins.keys().copied().collect();
                    let mut out = Lookups::new();
                    if snapshot.tip() == run.acked.tip() && snapshot.find(&keys, &mut out).is_ok() {
                        assert!((0..keys.len()).all(|i| out.found(i).is_some()));
                    }
                    assert!(engine.close(Vec::new(), nothing()).is_err());
                    run.error = Some((error, false));
                    return run;
                }
                run.error = Some((error, resumable));
            }
        }
        if engine.checkpoint_due() {
            let aux = Chain::of(&run.acked).aux();
            if let Err(error) = engine.checkpoint(aux, nothing()) {
                let resumable = engine.batch().is_ok();
                run.error = Some((error, resumable));
                if !resumable {
                    return run;
                }
                disk.heal();
            }
        }
    }
    run
}

fn open_again(disk: &SimDisk, options: &Options, run: &Run, what: &str) {
    for image in [disk.kill_image(), disk.crash_image(1), disk.crash_image(2)] {
        let mut chain = Chain::default();
        let opened = Engine::open(image, options.clone(), &mut chain);
        let (engine, _) = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
        let model = [Some(&run.acked), run.begun.as_ref()]
            .into_iter()
            .flatten()
            .find(|model| model.tip() == engine.tip())
            .unwrap_or_else(|| panic!("{what}: neither the acknowledged nor the begun batch"));
        assert_same(&engine, model);
        assert_sound(&engine);
        assert_eq!(chain.0, Chain::of(model).0, "{what}");
    }
}

#[test]
fn every_call_may_fail() {
    let batches = times(40, 4);
    for seed in 0..times(3, 1) {
        let options = tiny(&mut SimRng::new(seed));
        let disk = SimDisk::new(seed);
        assert!(run(&disk, &options, seed, batches).error.is_none());
        let totals: Vec<(Call, u64)> =
            CALLS.into_iter().map(|call| (call, disk.calls(call))).collect();
        let (mut resumed, mut ended) = (0, 0);
        for (call, total) in totals {
            let faults: &[Fault] = match call {
                // Stores to a mapping do not fail.
                Call::Store => &[],
                Call::Write => &[Fault::Io, Fault::Short, Fault::NoSpace],
                Call::Create | Call::Grow => &[Fault::NoSpace, Fault::Io],
                Call::Open | Call::Unlink | Call::SyncFolder | Call::Sync => &[Fault::Io],
            };
            let wanted = times(60, 2);
            let stride = total.div_ceil(wanted).max(1);
            for &fault in faults {
                for nth in (0..total).step_by(usize::try_from(stride).unwrap()) {
                    let what = format!("seed {seed} {call:?} {nth} {fault:?}");
                    let disk = SimDisk::new(seed);
                    disk.fail(call, nth, fault);
                    let run = run(&disk, &options, seed, batches);
                    match &run.error {
                        // Clearing away what nobody needs may fail unnoticed, and where there is no
                        // room for growing ahead, there may be for what is needed now.
                        None => assert!(
                            matches!(
                                (call, fault),
                                (Call::Unlink | Call::Open, _) | (Call::Grow, Fault::NoSpace)
                            ),
                            "{what}"
                        ),
                        Some((error, resumable)) => {
                            if fault == Fault::NoSpace {
                                // Not even an old record could be crossed out: writing ends.
                                let ended = call == Call::Write && error.code() == "store.poisoned";
                                assert!(
                                    ended || error.code() == "store.no_space",
                                    "{what}: {error}"
                                );
                            }
                            if *resumable {
                                resumed += 1;
                            } else {
                                ended += 1;
                            }
                        }
                    }
                    disk.heal();
                    open_again(&disk, &options, &run, &what);
                }
            }
        }
        eprintln!("seed {seed}: {resumed} faults resumed, {ended} ended writing");
        assert!(cfg!(miri) || (resumed > 20 && ended > 20));
    }
}

/// A disk that is full stays full until somebody makes room; then work goes on.
#[test]
fn full_disk_is_resumed_when_there_is_room() {
    for seed in 0..times(20, 1) {
        let options = tiny(&mut SimRng::new(seed));
        let disk = SimDisk::new(seed);
        let (mut engine, _) =
            Engine::open(disk.clone(), options.clone(), &mut Chain::default()).unwrap();
        let mut rng = SimRng::new(seed);
        let mut model = Model::default();
        let mut refused = 0;
        disk.set_space(Some(disk.used() + 2000));
        for _ in 0..times(60, 6) {
            let (plan, after) = plan(&model, options.undo_horizon, &mut rng);
            let mut batch = engine.batch().unwrap();
            let done = perform(&mut batch, &model, &plan).and_then(|()| batch.commit(&[]));
            match done {
                Ok(_) => model = after,
                Err(EngineError::NoSpace { .. }) => {
                    refused += 1;
                    assert_same(&engine, &model);
                    disk.set_space(Some(disk.used() + 3000));
                }
                Err(error) => panic!("{error}"),
            }
            if engine.checkpoint_due() {
                match engine.checkpoint(Chain::of(&model).aux(), nothing()) {
                    Ok(()) => {}
                    Err(EngineError::NoSpace { .. }) => {
                        disk.set_space(Some(disk.used() + 20_000));
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }
        assert!(cfg!(miri) || refused > 0);
        assert_same(&engine, &model);
        assert_sound(&engine);
        drop(engine);
        disk.heal();
        let (engine, _) = Engine::open(disk, options, &mut Chain::default()).unwrap();
        assert_same(&engine, &model);
    }
}

/// Found by fuzzing: what fails once the batch is durable is no refusal.
#[test]
fn a_store_that_fails_behind_the_sync_is_no_refusal() {
    for nth in 0..times(12, 2) {
        let options = tiny(&mut SimRng::new(5));
        let disk = SimDisk::new(5);
        let (mut engine, _) =
            Engine::open(disk.clone(), options.clone(), &mut Chain::default()).unwrap();
        let (plan, after) = plan(&Model::default(), options.undo_horizon, &mut SimRng::new(5));
        let mut batch = engine.batch().unwrap();
        perform(&mut batch, &Model::default(), &plan).unwrap();
        disk.fail(Call::Store, disk.calls(Call::Store) + nth, Fault::NoSpace);
        let done = batch.commit(&[]);
        drop(engine);
        let (engine, _) =
            Engine::open(disk.crash_image(0), options, &mut Chain::default()).unwrap();
        match done {
            Err(EngineError::NoSpace { .. }) => assert_eq!(engine.tip(), None, "store {nth}"),
            Err(error) => assert_eq!(error.code(), "store.io", "store {nth}"),
            Ok(_) => assert_eq!(engine.tip(), after.tip(), "store {nth}"),
        }
    }
}
