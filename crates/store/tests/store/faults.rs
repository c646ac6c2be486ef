//! Each call of each kind fails once, in every part of the store, the optional index too: the answer is an error or the
//! fault is made good, and the store opens again at what was acknowledged.

use mvs_consensus::block::ConnectedBlock;
use mvs_store::sim::{CALLS, Call, Fault, SimDisk};
use mvs_store::{Store, StoreError};

use crate::model::{Model, SHORT, Step, Sums, advance, assert_sound, commit, genesis, options};

const HORIZON: u32 = 12;

/// Commits with two reorganisations.
fn commits() -> Vec<Step> {
    let steps = |from: &Step, size: usize, most: usize| {
        let chunks = from.apply.chunks(size).take(most);
        chunks.map(|chunk| Step { undo: 0, apply: chunk.to_vec() }).collect::<Vec<_>>()
    };
    let mut commits = steps(&SHORT.steps[0], 9, usize::MAX);
    commits.extend(steps(&SHORT.steps[1], 9, usize::MAX));
    commits.push(Step { undo: SHORT.steps[2].undo, apply: SHORT.steps[2].apply.clone() });
    commits.extend(steps(&SHORT.steps[3], 8, usize::MAX));
    commits.extend(steps(&SHORT.steps[4], 6, usize::MAX));
    commits.push(Step { undo: SHORT.steps[5].undo, apply: SHORT.steps[5].apply.clone() });
    commits
}

fn open(disk: &SimDisk, genesis: &ConnectedBlock) -> Result<Store<SimDisk>, StoreError> {
    let mut options = options(HORIZON);
    options.block_file_bytes = 1;
    options.engine.checkpoint_bytes = 60 << 10;
    options.engine.segment_bytes = 32 << 10;
    options.engine.grow_bytes = 4 << 10;
    Ok(Store::open(disk.clone(), options, genesis)?.0)
}

/// Outcome of a run with one fault.
struct Run {
    acked: Model,
    begun: Option<Model>,
    /// Building the index was acknowledged.
    has_index: bool,
    errors: Vec<StoreError>,
    /// No error ended writing.
    resumed: bool,
    /// The optional index was let go, which is told beside the answers.
    index_lost: bool,
}

impl Run {
    fn look(&mut self, store: &Store<SimDisk>) {
        if store.index_lost().is_some() {
            self.index_lost = true;
            self.has_index = false;
        }
    }
}

/// Works, and goes on after each error that leaves the store writable.
fn run(disk: &SimDisk, commits: &[Step], genesis: &ConnectedBlock) -> Run {
    let acked = Model::new(genesis);
    let mut run = Run {
        acked,
        begun: None,
        has_index: false,
        errors: Vec::new(),
        resumed: true,
        index_lost: false,
    };
    let mut store = match open(disk, genesis) {
        Ok(store) => store,
        Err(error) => {
            run.errors.push(error);
            run.resumed = false;
            return run;
        }
    };
    for (number, step) in commits.iter().enumerate() {
        if number == 3 {
            // A fault at one call does not meet a second attempt.
            for _ in 0..2 {
                match store.build_index(&mut |_| true) {
                    Ok(()) => run.has_index = true,
                    Err(error) => run.errors.push(error),
                }
            }
        }
        let mut next = run.acked.clone();
        advance(&mut next, step);
        if let Err(error) = commit(&mut store, step) {
            run.errors.push(error);
            if store.batch().is_err() {
                // Reading goes on at one of the two, or is refused.
                assert!(Sums::of(&store) == run.acked.now() || Sums::of(&store) == next.now());
                run.begun = Some(next);
                run.resumed = false;
                return run;
            }
            assert_eq!(Sums::of(&store), run.acked.now(), "nothing has happened");
            disk.heal();
            assert_sound(&store);
            commit(&mut store, step).unwrap();
        }
        run.acked = next;
        run.look(&store);
        if number % 4 == 2
            && let Err(error) = store.checkpoint()
        {
            run.errors.push(error);
            if store.batch().is_err() {
                run.resumed = false;
                return run;
            }
        }
        if number % 7 == 5 {
            if let Err(error) = store.close() {
                run.errors.push(error);
            }
            store = match open(disk, genesis) {
                Ok(store) => store,
                Err(error) => {
                    run.errors.push(error);
                    run.resumed = false;
                    return run;
                }
            };
        }
    }
    run.look(&store);
    if let Err(error) = store.close() {
        run.errors.push(error);
    }
    run
}

fn open_again(disk: &SimDisk, genesis: &ConnectedBlock, run: &Run, what: &str) {
    for image in [disk.kill_image(), disk.crash_image(1), disk.crash_image(5)] {
        let mut store = open(&image, genesis).unwrap_or_else(|error| panic!("{what}: {error}"));
        let model = [Some(&run.acked), run.begun.as_ref()]
            .into_iter()
            .flatten()
            .find(|model| Sums::of(&store) == model.now())
            .unwrap_or_else(|| panic!("{what}: neither the acknowledged nor the begun batch"));
        let last = model.blocks.last().unwrap().block().header();
        assert_eq!(store.tip().hash, last.hash(), "{what}");
        assert_eq!(store.snapshot().registry(), model.registry(), "{what}");
        if store.index_lost().is_some() {
            store.build_index(&mut |_| true).unwrap();
        }
        assert_sound(&store);
        let height = store.snapshot().index_height();
        assert!(!run.has_index || height == store.tip().height.next(), "{what}: {height:?}");
    }
}

#[test]
fn every_call_may_fail() {
    let genesis = genesis();
    let commits = commits();
    let disk = SimDisk::new(1);
    let healthy = run(&disk, &commits, &genesis);
    assert!(healthy.errors.is_empty() && healthy.has_index);
    open_again(&disk, &genesis, &healthy, "no fault");
    let factor = std::env::var("STORE_TEST_FACTOR").ok().and_then(|f| f.parse().ok()).unwrap_or(1);
    let wanted: u64 = 6 * factor;
    let (mut resumed, mut ended, mut unnoticed) = (0, 0, 0);
    for call in CALLS {
        let faults: &[Fault] = match call {
            // Stores to a mapping do not fail.
            Call::Store => &[],
            Call::Write => &[Fault::Io, Fault::Short, Fault::NoSpace],
            Call::Create | Call::Grow => &[Fault::NoSpace, Fault::Io],
            Call::Open | Call::Unlink | Call::SyncFolder | Call::Sync => &[Fault::Io],
        };
        let total = disk.calls(call);
        let stride = total.div_ceil(wanted).max(1);
        for (shift, &fault) in (0..).zip(faults) {
            // Other calls for each fault.
            let first = (shift * 7 + 3) % stride;
            for nth in (first..total).step_by(usize::try_from(stride).unwrap()) {
                let what = format!("{call:?} {nth} of {total} {fault:?}");
                let disk = SimDisk::new(1);
                disk.fail(call, nth, fault);
                let mut run = run(&disk, &commits, &genesis);
                disk.heal();
                if run.errors.is_empty() {
                    // An index that was let go while the store was closed is told when it is opened.
                    run.look(&open(&disk.kill_image(), &genesis).unwrap());
                }
                match run.errors.first() {
                    // Clearing away may fail unnoticed, and a full disk leaves the index behind or is met
                    // by growing less far ahead.
                    None => {
                        unnoticed += 1;
                        let may = fault == Fault::NoSpace
                            || run.index_lost
                            || matches!(call, Call::Unlink | Call::Open);
                        assert!(may, "{what} is not told");
                    }
                    Some(error) if fault == Fault::NoSpace => {
                        // Not even an old record could be crossed out: writing ends.
                        let ended = call == Call::Write && !run.resumed;
                        assert!(error.is_no_space() || ended, "{what}: {error}");
                    }
                    Some(_) => {}
                }
                if !run.errors.is_empty() {
                    *(if run.resumed { &mut resumed } else { &mut ended }) += 1;
                }
                open_again(&disk, &genesis, &run, &what);
            }
        }
    }
    println!("{resumed} faults resumed, {ended} ended writing, {unnoticed} made good unnoticed");
    assert!(resumed > 5 && ended > 10, "{resumed} {ended}");
}
