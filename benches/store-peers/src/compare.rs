//! The comparison: every store does a slice of the workload, then the next slice, and so on.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::child::{Child, Setup, number, verify};
use crate::generate::{self, generate};
use crate::limit::{Limit, forget};
use crate::report::{Better, Report, line, ms};
use crate::session::sync_times;
use crate::stores::Kind;
use crate::verbs::quantile;
use crate::workload::{Header, Reader};

/// Blocks in a slice of the fill and of the bulk phase, and in each of their commits.
const GROUP: u32 = 100;

/// Blocks in a slice of the tip phase.
const TIP_SLICE: u32 = 10;

/// Queries in a slice, and in a batched look-up: the inputs of a block.
const QUERY_SLICE: u32 = 20_000;
const QUERY_BATCH: u32 = 4_000;

/// Log that a block writes, roughly: the size of the reference writes.
const SYNC_BYTES: usize = 300_000;

/// What to compare.
#[derive(Debug, Args)]
pub struct Plan {
    /// Live coins.
    #[arg(long, default_value_t = 1_000_000)]
    coins: u64,
    /// Blocks of 4,000 spends after the fill; as many spends as coins, and at least 500, if not given.
    #[arg(long)]
    steady_blocks: Option<u32>,
    /// How many of them are committed one by one.
    #[arg(long, default_value_t = 100)]
    tip_blocks: u32,
    /// Which stores; all that this program was built with if not given.
    #[arg(long, value_delimiter = ',')]
    stores: Vec<Kind>,
    /// Where files are put; a folder in target/ if not given. It needs about 1.7 KiB for each coin.
    #[arg(long, env = "STORE_PEERS_FOLDER")]
    folder: Option<PathBuf>,
    /// Size of the cache of stores that keep one of their own.
    #[arg(long, default_value_t = 512)]
    cache_mib: usize,
    /// Runs what comes after the fill within so much memory, page cache included.
    #[arg(long)]
    memory_limit_mib: Option<u64>,
    /// What the workload follows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs the comparison and prints its lines.
pub fn run(plan: &Plan) -> Result<()> {
    let folder = plan.folder.clone().unwrap_or_else(|| PathBuf::from("target/store-peers-data"));
    fs::create_dir_all(&folder)?;
    let (workload, header) = workload(plan, &folder)?;
    let kinds = if plan.stores.is_empty() { Kind::built().to_vec() } else { plan.stores.clone() };
    if !Kind::built().contains(&Kind::Rocksdb) {
        eprintln!("SKIPPED: RocksDB, since this program was built without it (--features rocksdb)");
    }
    let setup = Setup {
        workload,
        folder: folder.join(format!("run-{}", std::process::id())),
        fill_every: GROUP,
        tip_blocks: plan.tip_blocks,
        every: GROUP,
        cache_mib: plan.cache_mib,
    };
    println!(
        "# {} coins, {} steady blocks, {} of them at the tip; cache {} MiB; limit {:?} MiB",
        plan.coins, header.steady_blocks, plan.tip_blocks, plan.cache_mib, plan.memory_limit_mib
    );
    let mut comparison = Comparison {
        plan,
        header,
        setup: &setup,
        report: Report::default(),
        children: Vec::new(),
        peaks: BTreeMap::new(),
        syncs: Vec::new(),
    };
    let result = comparison.run(&kinds);
    comparison.children.clear();
    comparison.report.print();
    if setup.folder.exists() {
        fs::remove_dir_all(&setup.folder)?;
    }
    result
}

/// Generates the workload, unless the same one is there.
fn workload(plan: &Plan, folder: &std::path::Path) -> Result<(PathBuf, Header)> {
    let least = u32::try_from(plan.coins.div_ceil(4_000))?.max(500);
    let steady_blocks = plan.steady_blocks.unwrap_or(least);
    let name = format!("workload-{}-{steady_blocks}-{}.utxowl01", plan.coins, plan.seed);
    let path = folder.join(name);
    if let Ok(reader) = Reader::open(&path, 0) {
        return Ok((path, *reader.header()));
    }
    eprintln!("generating {}", path.display());
    let what =
        generate::Plan { target: plan.coins, steady_blocks, queries: 200_000, seed: plan.seed };
    let header = generate(&path, &what)?;
    Ok((path, header))
}

struct Comparison<'a> {
    plan: &'a Plan,
    header: Header,
    setup: &'a Setup,
    report: Report,
    children: Vec<Child>,
    /// The most anonymous memory seen of each store, in MiB.
    peaks: BTreeMap<&'static str, f64>,
    /// How long the machine's own syncs took during the tip phase.
    syncs: Vec<Duration>,
}

impl Comparison<'_> {
    fn run(&mut self, kinds: &[Kind]) -> Result<()> {
        for &kind in kinds {
            fs::create_dir_all(self.setup.dir(kind))?;
            self.children.push(Child::start(kind, self.setup, None)?.0);
        }
        self.slices("fill", self.header.fill_blocks, GROUP)?;
        self.report_phase("fill")?;
        self.report_disk("after_fill")?;
        let limits = self.apply_limit()?;

        let tip_blocks = self.plan.tip_blocks.min(self.header.steady_blocks);
        self.slices("tip", tip_blocks, TIP_SLICE)?;
        self.report_phase("tip")?;
        self.report_syncs();

        let bulk = self.header.steady_blocks - tip_blocks;
        // The last blocks are applied between a clean opening and the kill.
        let reserve = (bulk / 4).min(400) / GROUP * GROUP;
        self.slices("bulk", bulk - reserve, GROUP)?;
        self.report_phase("ibd")?;

        if limits.is_empty() {
            self.close_and_open()?;
            self.slices("before the kill", reserve, GROUP)?;
            self.kill_and_open()?;
            self.look_up()?;
            self.report_disk("at_end")?;
        } else {
            self.slices("rest", reserve, GROUP)?;
            self.look_up()?;
            for (kind, limit) in &limits {
                let peak = limit.peak_bytes()? as f64 / 1_048_576.0;
                self.report.add("limited_peak_memory", "MiB", Better::Less, *kind, peak);
            }
        }
        self.report_memory()?;
        for child in std::mem::take(&mut self.children) {
            let kind = child.kind();
            let seconds = child.close()?;
            self.report.add("close_at_end", "s", Better::Less, kind, seconds);
            if kind.is_durable() {
                verify(kind, self.setup)?;
            }
        }
        Ok(())
    }

    /// Lets the stores take turns until each has applied so many blocks.
    fn slices(&mut self, what: &str, blocks: u32, slice: u32) -> Result<()> {
        let mut done = 0;
        while done < blocks {
            let count = slice.min(blocks - done);
            for mut child in std::mem::take(&mut self.children) {
                match self.apply(&mut child, count) {
                    Ok(()) => self.children.push(child),
                    Err(error) if self.plan.memory_limit_mib.is_some() => {
                        eprintln!("OUT: {} within the limit: {error:#}", child.kind().name());
                    }
                    Err(error) => return Err(error),
                }
            }
            ensure!(!self.children.is_empty(), "no store is left");
            if what == "tip" {
                let count = usize::try_from(count)?;
                self.syncs.extend(sync_times(&self.setup.folder, count, SYNC_BYTES)?);
            }
            done += count;
            eprintln!("{what}: {done} of {blocks} blocks");
        }
        Ok(())
    }

    fn apply(&mut self, child: &mut Child, count: u32) -> Result<()> {
        child.ask(&format!("apply {count}"))?;
        let anonymous = child.ask_number("size", "rss_anon_mib=")?;
        let peak = self.peaks.entry(child.kind().name()).or_default();
        *peak = peak.max(anonymous);
        Ok(())
    }

    fn report_phase(&mut self, phase: &str) -> Result<()> {
        let limited = if phase == "fill" { "" } else { self.limited() };
        let name = if phase == "ibd" { "bulk" } else { phase };
        for child in &mut self.children {
            let lines = child.ask("report")?;
            let start = format!("phase={phase} ");
            let Some(figures) = lines.iter().find(|line| line.starts_with(&start)) else {
                continue;
            };
            eprintln!("{}: {figures}", child.kind().name());
            let reading = lines.iter().find(|line| line.starts_with("reading "));
            let reading = number(reading.context("no reading line")?, "cpu_s=")?;
            let blocks = number(figures, "blocks=")?;
            let mut add = |what: &str, unit, better, value| {
                let name = format!("{limited}{name}_{what}");
                self.report.add(&name, unit, better, child.kind(), value);
            };
            add("blocks", "blocks/s", Better::More, number(figures, "blocks_per_s=")?);
            let cpu = (number(figures, "cpu_s=")? - reading) * 1e3 / blocks;
            add("cpu", "ms/block", Better::Less, cpu);
            let written = number(figures, "written_mib=")? * 1024.0 / blocks;
            add("written", "KiB/block", Better::Less, written);
            if phase == "tip" {
                add("p50", "ms", Better::Less, number(figures, "block_p50_ms=")?);
                add("p99", "ms", Better::Less, number(figures, "block_p99_ms=")?);
                add("max", "ms", Better::Less, number(figures, "block_max_ms=")?);
            }
        }
        Ok(())
    }

    /// Prints what the machine takes to sync so much, and the tip's figures of ours beside it.
    fn report_syncs(&mut self) {
        let limited = self.limited();
        self.syncs.sort_unstable();
        for (name, percent) in [("p50", 50), ("p99", 99)] {
            let sync = ms(quantile(&self.syncs, percent));
            line(&format!("fdatasync_{name}"), sync, "ms", None);
            if let Some(ours) = self.report.value(&format!("{limited}tip_{name}"), Kind::Ours) {
                let name = format!("{limited}tip_{name}_ours_against_fdatasync");
                line(&name, ours, "ms", Some(sync));
            }
        }
    }

    /// Returns what the names of figures measured within the limit start with.
    fn limited(&self) -> &'static str {
        if self.plan.memory_limit_mib.is_some() { "limited_" } else { "" }
    }

    fn report_disk(&mut self, when: &str) -> Result<()> {
        for child in self.children.iter_mut().filter(|child| child.kind().is_durable()) {
            let bytes = child.ask_number("size", "disk_bytes=")?;
            let coins = self.plan.coins as f64;
            let name = format!("disk_{when}");
            self.report.add(&name, "B/coin", Better::Less, child.kind(), bytes / coins);
        }
        Ok(())
    }

    fn report_memory(&mut self) -> Result<()> {
        for child in &mut self.children {
            let now = child.ask_number("size", "rss_anon_mib=")?;
            let peak = self.peaks.get(child.kind().name()).copied().unwrap_or(0.0).max(now);
            self.report.add("anonymous_memory_now", "MiB", Better::Less, child.kind(), now);
            self.report.add("anonymous_memory_peak", "MiB", Better::Less, child.kind(), peak);
        }
        Ok(())
    }

    /// Puts every store into a control group of its own, if a limit was asked for.
    fn apply_limit(&mut self) -> Result<Vec<(Kind, Limit)>> {
        let mut limits = Vec::new();
        let Some(mib) = self.plan.memory_limit_mib else { return Ok(limits) };
        let mut children = Vec::new();
        for child in std::mem::take(&mut self.children) {
            let kind = child.kind();
            if !kind.is_durable() {
                eprintln!("SKIPPED: {} cannot be closed and opened within a limit", kind.name());
                continue;
            }
            child.close()?;
            forget(&self.setup.dir(kind))?;
            match Limit::new(kind.name(), mib) {
                Ok(limit) => {
                    children.push(Child::start(kind, self.setup, Some(&limit))?.0);
                    limits.push((kind, limit));
                }
                Err(error) => eprintln!("SKIPPED: {} within {mib} MiB: {error:#}", kind.name()),
            }
        }
        ensure!(!children.is_empty(), "no store runs within the limit");
        self.peaks.clear();
        self.children = children;
        Ok(limits)
    }

    fn close_and_open(&mut self) -> Result<()> {
        for child in std::mem::take(&mut self.children) {
            let kind = child.kind();
            if !kind.is_durable() {
                self.children.push(child);
                continue;
            }
            let seconds = child.close()?;
            self.report.add("close", "s", Better::Less, kind, seconds);
            let (child, opened) = Child::start(kind, self.setup, None)?;
            self.report.add("open_clean", "s", Better::Less, kind, opened);
            self.children.push(child);
        }
        Ok(())
    }

    fn kill_and_open(&mut self) -> Result<()> {
        for child in std::mem::take(&mut self.children) {
            let kind = child.kind();
            if !kind.is_durable() {
                self.children.push(child);
                continue;
            }
            child.kill()?;
            let (child, opened) = Child::start(kind, self.setup, None)?;
            self.report.add("open_after_kill", "s", Better::Less, kind, opened);
            self.children.push(child);
        }
        Ok(())
    }

    /// Asks all queries in turns, after a round that warms the caches.
    fn look_up(&mut self) -> Result<()> {
        let limited = self.limited();
        let all = self.header.query_count;
        let slices = all.div_ceil(QUERY_SLICE);
        for child in &mut self.children {
            child.ask(&format!("batch {all} {QUERY_BATCH}"))?;
        }
        for _ in 0..slices {
            for child in &mut self.children {
                child.ask(&format!("query {QUERY_SLICE}"))?;
            }
        }
        let mut batched: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        for _ in 0..slices {
            for child in &mut self.children {
                let answer = child.ask(&format!("batch {QUERY_SLICE} {QUERY_BATCH}"))?.join(" ");
                let sum = batched.entry(child.kind().name()).or_default();
                sum.0 += number(&answer, "lookups=")?;
                sum.1 += number(&answer, "s=")?;
            }
        }
        for child in &mut self.children {
            let kind = child.kind();
            let single = child.ask("queries")?.join(" ");
            let mut add = |what: &str, unit, better, value| {
                self.report.add(&format!("{limited}{what}"), unit, better, kind, value);
            };
            add("lookup_single", "1/s", Better::More, number(&single, "lookups_per_s=")?);
            add("lookup_single_p50", "us", Better::Less, number(&single, "lookup_p50_us=")?);
            add("lookup_single_p99", "us", Better::Less, number(&single, "lookup_p99_us=")?);
            if let Some((count, seconds)) = batched.get(kind.name()) {
                add("lookup_batched", "1/s", Better::More, count / seconds);
            }
        }
        Ok(())
    }
}
