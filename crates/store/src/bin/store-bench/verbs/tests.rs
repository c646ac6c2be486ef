use std::path::Path;

use anyhow::{Result, bail};

use super::{Phase, Rhythm, apply_workload, open_timed, query, verify};
use crate::coin_store::{CoinStore, Found, Visit};
use crate::feed::Feed;
use crate::generate::tests::TempFile;
use crate::generate::{Plan, generate};
use crate::ram::RamStore;
use crate::workload::{Key, Reader};

const RHYTHM: Rhythm = Rhythm { fill_every: 3, tip_blocks: 4, every: 5 };

/// Seven fill blocks and fifteen steady ones: tip 7 to 10, ibd 11 to 21.
fn workload(name: &str) -> TempFile {
    let file = TempFile::new(name);
    let plan = Plan { target: 65_000, steady_blocks: 15, queries: 500, seed: 11 };
    generate(&file.0, &plan).unwrap();
    file
}

fn lines(out: &[u8]) -> Vec<String> {
    String::from_utf8(out.to_vec()).unwrap().lines().map(str::to_owned).collect()
}

/// Applies a whole workload to what `store` is, and returns the output.
fn applied(store: Box<dyn CoinStore>, workload: &Path) -> Vec<String> {
    let mut out = Vec::new();
    let store = open_timed(|| Ok(store), &mut out).unwrap();
    apply_workload(store, workload, &RHYTHM, &mut out).unwrap();
    lines(&out)
}

/// Applies the first blocks by hand.
fn filled(workload: &Path, height: u32) -> RamStore {
    let mut store = RamStore::new(10);
    let mut reader = Reader::open(workload, 0).unwrap();
    let (mut block, mut figures) = Default::default();
    let mut feed = Feed::new(&mut reader, &mut block, &mut figures, height);
    store.apply(&mut feed).unwrap();
    assert_eq!(feed.finish().unwrap(), height - 1);
    store
}

fn committed(lines: &[String]) -> Vec<u32> {
    lines.iter().filter_map(|line| line.strip_prefix("committed=")?.parse().ok()).collect()
}

/// Returns the names of the words of a line.
fn names(line: &str) -> Vec<&str> {
    line.split(' ').map(|word| word.split_once('=').map_or(word, |(name, _)| name)).collect()
}

#[test]
fn commits_stand_where_the_protocol_wants_them() {
    let file = workload("commits");
    let lines = applied(Box::new(RamStore::new(10)), &file.0);
    assert_eq!(committed(&lines), [2, 5, 6, 7, 8, 9, 10, 15, 20, 21]);
}

#[test]
fn output_lines_have_the_words_of_the_protocol() {
    let file = workload("lines");
    let lines = applied(Box::new(RamStore::new(10)), &file.0);
    assert_eq!(names(&lines[0]), ["open_s", "tip"]);
    assert!(lines[0].ends_with(" tip=-1"));
    let phase = |name: &str| {
        let start = format!("phase={name} ");
        lines.iter().find(|line| line.starts_with(&start)).unwrap()
    };
    for (name, blocks, coin_ops) in [("fill", 7, 65_000), ("tip", 4, 32_000), ("ibd", 11, 88_000)] {
        let line = phase(name);
        assert!(line.contains(&format!(" blocks={blocks} coin_ops={coin_ops} ")), "{line}");
        assert_eq!(
            names(line),
            [
                "phase",
                "blocks",
                "coin_ops",
                "store_s",
                "blocks_per_s",
                "ops_per_s",
                "block_p50_ms",
                "block_p99_ms",
                "block_max_ms",
                "cpu_s",
                "written_mib"
            ]
        );
    }
    assert_eq!(names(phase("query")), ["phase", "lookups_per_s", "lookup_p50_us", "lookup_p99_us"]);
    assert!(lines.iter().any(|line| line.starts_with("close_s=")));
}

#[test]
fn a_run_resumes_after_the_tip_with_the_phase_s_own_rhythm() {
    let file = workload("resume");
    for (height, rest) in [
        (1, vec![2, 5, 6, 7, 8, 9, 10, 15, 20, 21]),
        (6, vec![6, 7, 8, 9, 10, 15, 20, 21]),
        (9, vec![9, 10, 15, 20, 21]),
        (12, vec![15, 20, 21]),
        (22, vec![]),
    ] {
        let lines = applied(Box::new(filled(&file.0, height)), &file.0);
        assert!(lines[0].ends_with(&format!(" tip={}", height - 1)));
        assert_eq!(committed(&lines), rest);
        assert!(lines.iter().any(|line| line.starts_with("phase=query ")));
    }
}

#[test]
fn verify_finds_the_state_of_any_tip_right() {
    let file = workload("verify");
    for height in [1, 8, 22] {
        let mut out = Vec::new();
        assert!(verify(&filled(&file.0, height), &file.0, &mut out).unwrap());
        let line = &lines(&out)[0];
        let live = if height == 1 { 10_000 } else { 65_000 };
        let tip = height - 1;
        assert_eq!(line, &format!("verified=ok tip={tip} live={live} expected={live}"));
    }
    let mut out = Vec::new();
    assert!(verify(&RamStore::new(1), &file.0, &mut out).unwrap());
    assert_eq!(lines(&out), ["verified=ok tip=-1 live=0 expected=0"]);
}

#[test]
fn query_wants_a_complete_store() {
    let file = workload("query");
    let mut out = Vec::new();
    assert!(query(&filled(&file.0, 21), &file.0, &mut out).is_err());
    query(&filled(&file.0, 22), &file.0, &mut out).unwrap();
    assert!(lines(&out)[0].starts_with("phase=query "));
}

/// A store with a fault.
struct Faulty {
    inner: RamStore,
    fault: Fault,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// One bit of one value is wrong.
    Bit,
    /// A coin is missing.
    Lost,
    /// Blocks are applied without their sums.
    NoSum,
    /// The commit comes before the last block.
    Early,
}

impl CoinStore for Faulty {
    fn tip(&self) -> Result<Option<u32>> {
        self.inner.tip()
    }

    fn apply(&mut self, feed: &mut Feed<'_>) -> Result<()> {
        match self.fault {
            Fault::NoSum => while feed.next()?.is_some() {},
            Fault::Early => {
                feed.next()?;
                feed.spent(0)?;
            }
            Fault::Bit | Fault::Lost => self.inner.apply(feed)?,
        }
        Ok(())
    }

    fn find(&self, keys: &[Key], found: Found<'_>) -> Result<()> {
        self.inner.find(keys, &mut |at, _| found(at, None))
    }

    fn visit(&self, visit: Visit<'_>) -> Result<()> {
        let mut count = 0;
        self.inner.visit(&mut |key, value| {
            count += 1;
            match (self.fault, count) {
                (Fault::Lost, 100) => Ok(()),
                (Fault::Bit, 100) => {
                    let mut value = value.to_vec();
                    value[7] ^= 4;
                    visit(key, &value)
                }
                (Fault::Bit | Fault::Lost, _) => visit(key, value),
                _ => bail!("not asked"),
            }
        })
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_wrong_state_is_called_bad() {
    let file = workload("bad");
    for fault in [Fault::Bit, Fault::Lost] {
        let faulty = Faulty { inner: filled(&file.0, 22), fault };
        let mut out = Vec::new();
        assert!(!verify(&faulty, &file.0, &mut out).unwrap());
        assert!(lines(&out)[0].starts_with("verified=BAD tip=21 "), "{out:?}");
        let mut out = Vec::new();
        assert!(query(&faulty, &file.0, &mut out).is_err(), "answers none to every query");
    }
}

#[test]
fn a_store_that_skips_work_is_found_out() {
    let file = workload("skips");
    for fault in [Fault::NoSum, Fault::Early] {
        let faulty = Faulty { inner: RamStore::new(1), fault };
        let run = apply_workload(Box::new(faulty), &file.0, &RHYTHM, &mut Vec::new());
        assert!(run.is_err());
    }
}

#[test]
fn phases_cover_every_block_once() {
    let file = workload("phases");
    let reader = Reader::open(&file.0, 0).unwrap();
    for tip_blocks in [0, 4, 15, 100] {
        let rhythm = Rhythm { tip_blocks, ..RHYTHM };
        let phases = Phase::all(&reader, &rhythm).unwrap();
        assert_eq!(phases[0].first, 0);
        assert_eq!(phases[2].end, 22);
        assert!(phases.windows(2).all(|pair| pair[0].end == pair[1].first));
    }
    assert!(Phase::all(&reader, &Rhythm { every: 0, ..RHYTHM }).is_err());
}
