//! Batches commit while a checkpoint is being written: its head is of one moment, the tables were synced at later
//! ones. The power goes between any two calls of the checkpoint, or inside a commit beside it.

use super::crash::{Cut, recovered};
use super::model::{Chain, Model, nothing, perform, plan};
use super::*;
use crate::sim::SimDisk;

const THREAD: &str = "store-checkpoint";

/// What the images were taken of.
#[derive(Debug, Default)]
struct Seen {
    images: u64,
    checkpoints: u64,
    calls: u64,
    commits: u64,
    cut_in_commit: u64,
    doublings: u64,
    cleanings: u64,
}

struct Run {
    rng: SimRng,
    options: Options,
    disk: SimDisk,
    engine: Engine<SimDisk>,
    model: Model,
    what: String,
}

impl Run {
    /// Goes on until the checkpoint waits before its next call; `false` when there is none any more.
    fn meet(&mut self) -> bool {
        loop {
            if self.disk.is_waiting() {
                return true;
            }
            // An error is that of a cut.
            let _ = self.engine.poll_checkpoint();
            if self.engine.running.is_none() {
                return false;
            }
            std::thread::yield_now();
        }
    }

    fn commit(&mut self, cut_after: Option<u64>) -> Option<Model> {
        let (steps, after) = plan(&self.model, self.options.undo_horizon, &mut self.rng);
        let mut batch = self.engine.batch().unwrap();
        perform(&mut batch, &self.model, &steps).unwrap();
        if let Some(calls) = cut_after {
            self.disk.cut_power_after(self.disk.steps() + calls);
        }
        if batch.commit(&[]).is_err() {
            assert!(cut_after.is_some(), "{}", self.what);
            return Some(after);
        }
        self.model = after;
        None
    }

    /// Opens what a cut now might leave; one of the images and what it holds.
    fn look(&mut self, begun: Option<Model>, count: u64, seen: &mut Seen) -> (SimDisk, Model) {
        let cut = Cut { disk: self.disk.clone(), acked: self.model.clone(), begun };
        let options = Options { background: false, ..self.options.clone() };
        let mut one = None;
        for _ in 0..count.max(1) {
            seen.images += 1;
            let seed = self.rng.next_u64();
            let image = self.disk.crash_image(seed);
            // Recovery changes the image.
            match recovered(&image, &options, &cut) {
                Ok(model) => one = Some((image, model)),
                Err(what) => panic!("{what}: {}, {seen:?} {:?}", self.what, self.options),
            }
        }
        one.unwrap()
    }

    /// A checkpoint with one to three commits beside it; the last may be cut.
    fn checkpoint(&mut self, cut: bool, seen: &mut Seen) -> Option<Model> {
        seen.checkpoints += 1;
        let before = self.engine.stats();
        self.disk.hold(THREAD);
        self.engine.checkpoint(Chain::of(&self.model).aux(), nothing()).unwrap();
        let mut commits = 1 + self.rng.below(3);
        // All before its first sync, or anywhere.
        let early = self.rng.below(2) == 0;
        let mut goes_on = self.meet();
        assert!(goes_on);
        while goes_on {
            while commits > 0 && (early || self.rng.below(5) == 0) {
                commits -= 1;
                let cut_after = (cut && commits == 0).then(|| self.rng.below(40));
                if let Some(begun) = self.commit(cut_after) {
                    seen.cut_in_commit += 1;
                    return Some(begun);
                }
                self.disk.cut_power_after(u64::MAX);
                seen.commits += 1;
                self.look(None, times(2, 1), seen);
            }
            self.disk.let_pass();
            goes_on = self.meet();
            seen.calls += 1;
            self.look(None, 1, seen);
        }
        self.disk.let_go();
        let after = self.engine.stats();
        seen.doublings += u64::from(after.index_slots > before.index_slots);
        seen.cleanings += u64::from(after.moved_coins > before.moved_coins);
        None
    }
}

#[test]
fn a_power_cut_during_a_checkpoint_with_commits_beside_it() {
    let mut seen = Seen::default();
    for seed in 0..times(24, 1) {
        let mut rng = SimRng::new(seed ^ 0x7275_6e6e);
        let options = Options { background: true, ..tiny(&mut rng) };
        let mut disk = SimDisk::new(seed);
        let mut model = Model::default();
        for life in 0..times(3, 1) {
            let mut chain = Chain::default();
            let (engine, _) = Engine::open(disk.clone(), options.clone(), &mut chain).unwrap();
            assert_eq!(chain.0, Chain::of(&model).0);
            let what = format!("seed {seed} life {life}");
            let rng = SimRng::new(rng.next_u64());
            let mut run = Run { rng, options: options.clone(), disk, engine, model, what };
            let mut begun = None;
            let rounds = if cfg!(miri) { 1 } else { 4 };
            for round in 1..=rounds {
                for _ in 0..run.rng.below(6) {
                    assert!(run.commit(None).is_none());
                }
                begun = run.checkpoint(round == rounds, &mut seen);
            }
            let (image, now) = run.look(begun, times(4, 1), &mut seen);
            run.disk.let_go();
            (disk, model) = (image, now);
        }
    }
    eprintln!("{seen:?}");
    assert!(cfg!(miri) || seen.cut_in_commit > 10 && seen.doublings > 10 && seen.cleanings > 10);
}
