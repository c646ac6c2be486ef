//! `kill -9` at random moments of a process that commits, reorganises, checkpoints, grows and cleans.
//!
//! The parent starts this very test program again as the child (`works_until_killed`). The child tells
//! through a pipe, which outlives it, what it is about to do and what it has done.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::model::{Chain, Model, Step, assert_same, assert_sound, nothing, perform, plan};
use super::*;
use crate::mmap::MapDisk;

const DIR: &str = "MVS_STORE_KILL_DIR";
const SEED: &str = "MVS_STORE_KILL_SEED";
const DONE: &str = "MVS_STORE_KILL_DONE";

/// Batches that follow from a seed, whoever works them out.
struct Work {
    seed: u64,
    options: Options,
    model: Model,
    done: u64,
}

impl Work {
    fn new(seed: u64) -> Self {
        let options = Options { background: true, ..tiny(&mut SimRng::new(seed)) };
        Self { seed, options, model: Model::default(), done: 0 }
    }

    fn next(&self) -> (Vec<Step>, Model) {
        let mut rng = SimRng::new(self.seed.rotate_left(32) ^ self.done);
        plan(&self.model, self.options.undo_horizon, &mut rng)
    }

    fn advance(&mut self) {
        self.model = self.next().1;
        self.done += 1;
    }
}

fn say(words: std::fmt::Arguments<'_>) {
    // Not `println!`, which the test harness may keep to itself.
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n#{words}\n").as_bytes()).and_then(|()| out.flush()).unwrap();
}

#[test]
#[ignore = "the child of the test below"]
fn works_until_killed() {
    let var = |name: &str| std::env::var(name).ok();
    let (Some(dir), Some(seed), Some(done)) = (var(DIR), var(SEED), var(DONE)) else {
        eprintln!("SKIPPED: only the test `killed_at_any_moment_nothing_is_lost` starts this one");
        return;
    };
    let mut work = Work::new(seed.parse().unwrap());
    let done: u64 = done.parse().unwrap();
    while work.done < done {
        work.advance();
    }
    let disk = MapDisk::open(Path::new(&dir)).unwrap();
    say(format_args!("opening"));
    let opened = Engine::open(disk, work.options.clone(), &mut Chain::default());
    let (mut engine, _) = opened.unwrap();
    assert_eq!(engine.tip(), work.model.tip());
    let mut rng = SimRng::new(work.seed ^ done);
    let mut slots = engine.stats().index_slots;
    // Far more than the parent waits for.
    for _ in 0..10_000 {
        let (steps, _) = work.next();
        if rng.below(6) == 0 {
            let mut aborted = engine.batch().unwrap();
            perform(&mut aborted, &work.model, &steps).unwrap();
        }
        let mut batch = engine.batch().unwrap();
        perform(&mut batch, &work.model, &steps).unwrap();
        say(format_args!("begin {}", work.done + 1));
        batch.commit(&[]).unwrap();
        work.advance();
        say(format_args!("acked {}", work.done));
        let stats = engine.stats();
        if stats.moved_coins > 0 {
            say(format_args!("moved"));
        }
        if stats.index_slots > slots {
            slots = stats.index_slots;
            say(format_args!("grown"));
        }
        if engine.checkpoint_due() || rng.below(9) == 0 {
            say(format_args!("checkpoint"));
            engine.checkpoint(Chain::of(&work.model).aux(), nothing()).unwrap();
            say(format_args!("started"));
        }
    }
}

/// What was seen of the children, and when they died.
#[derive(Debug, Default)]
struct Seen {
    cycles: u64,
    in_commit: u64,
    kept_unacknowledged: u64,
    in_opening: u64,
    in_checkpoint: u64,
    commits: u64,
    undone_blocks: u64,
    grown: u64,
    cycles_that_cleaned: u64,
}

/// When the child is to die: at this many lines of a kind, and a little later.
struct Moment {
    word: &'static str,
    count: u64,
    later: Duration,
}

impl Moment {
    fn random(rng: &mut SimRng) -> Self {
        let (word, count) = match rng.below(10) {
            0 => ("opening", 1),
            1 => ("checkpoint", 1 + rng.below(3)),
            2..=5 => ("acked", 1 + rng.below(16)),
            _ => ("begin", 1 + rng.below(16)),
        };
        let most = [1, 200, 2_000, 8_000][rng.below(4) as usize];
        Self { word, count, later: Duration::from_micros(rng.below(most)) }
    }
}

/// Starts a child, kills it at that moment, and gives the last batches that it began and finished.
fn cycle(dir: &Path, work: &Work, moment: &Moment, seen: &mut Seen) -> (u64, u64) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["engine::tests::kill::works_until_killed", "--exact", "--ignored", "--nocapture"])
        .env(DIR, dir)
        .env(SEED, work.seed.to_string())
        .env(DONE, work.done.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut begun, mut acked) = (work.done, work.done);
    let (mut left, mut cleaned, mut last) = (moment.count, false, String::new());
    for line in lines {
        let line = line.unwrap();
        let Some(words) = line.strip_prefix('#') else { continue };
        let (word, number) = words.split_once(' ').unwrap_or((words, "0"));
        let number: u64 = number.parse().unwrap();
        match word {
            "begin" => begun = number,
            "acked" => acked = number,
            "grown" => seen.grown += 1,
            "moved" => cleaned = true,
            _ => {}
        }
        if word == moment.word && left > 0 {
            left -= 1;
            if left == 0 {
                // The moment is what is random here; nothing is waited for.
                let end = Instant::now() + moment.later;
                while Instant::now() < end {
                    std::hint::spin_loop();
                }
                child.kill().unwrap();
            }
        }
        word.clone_into(&mut last);
    }
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(9), "the child ended by itself: {status}");
    seen.cycles += 1;
    seen.in_commit += u64::from(begun > acked);
    seen.in_opening += u64::from(last == "opening");
    seen.in_checkpoint += u64::from(last == "checkpoint" || last == "started");
    seen.cycles_that_cleaned += u64::from(cleaned);
    (begun, acked)
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.metadata().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Opens what the child left and brings the model to it.
fn compare(dir: &Path, work: &mut Work, begun: u64, acked: u64, seen: &mut Seen) {
    while work.done < acked {
        seen.undone_blocks +=
            work.next().0.iter().filter(|step| matches!(step, Step::Undo)).count() as u64;
        work.advance();
        seen.commits += 1;
    }
    let mut chain = Chain::default();
    let disk = MapDisk::open(dir).unwrap();
    let (engine, _) = Engine::open(disk, work.options.clone(), &mut chain).unwrap();
    if engine.tip() != work.model.tip() {
        assert_eq!(begun, acked + 1, "seed {}: an acknowledged batch is lost", work.seed);
        work.advance();
        seen.kept_unacknowledged += 1;
    }
    assert_same(&engine, &work.model);
    assert_eq!(chain.0, Chain::of(&work.model).0);
    assert_sound(&engine);
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mvs-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// 40 cycles; as many as `MVS_STORE_KILLS` says, if it does, less a fifth: those are of the chain's layer, whose test reads
/// the variable too.
#[test]
fn killed_at_any_moment_nothing_is_lost() {
    if cfg!(miri) {
        eprintln!("SKIPPED under Miri: needs processes and mappings");
        return;
    }
    let cycles: u64 =
        std::env::var("MVS_STORE_KILLS").ok().map_or(50, |text| text.parse().unwrap()) / 5 * 4;
    let folder = Folder::new("kill");
    let mut seen = Seen::default();
    let mut rng = SimRng::new(0x6b11);
    let mut seed = 0;
    while seen.cycles < cycles {
        seed += 1;
        let dir = folder.0.join(seed.to_string());
        std::fs::create_dir_all(&dir).unwrap();
        let mut work = Work::new(seed);
        for _ in 0..10 {
            let moment = Moment::random(&mut rng);
            let (begun, acked) = cycle(&dir, &work, &moment, &mut seen);
            if rng.below(2) == 0 {
                compare(&dir, &mut work, begun, acked, &mut seen);
            } else {
                // The next child is the first to open what this one left.
                let copy = folder.0.join("copy");
                copy_folder(&dir, &copy);
                compare(&copy, &mut work, begun, acked, &mut seen);
                std::fs::remove_dir_all(&copy).unwrap();
            }
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
    println!("nothing lost: {seen:?}");
    assert!(seen.in_commit * 5 >= seen.cycles, "too few inside a commit: {seen:?}");
    assert!(seen.in_opening > 0 && seen.in_checkpoint > 0, "{seen:?}");
    assert!(seen.grown > 0 && seen.cycles_that_cleaned > 0 && seen.undone_blocks > 0, "{seen:?}");
}
