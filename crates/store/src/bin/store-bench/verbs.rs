//! The verbs of the workload protocol: apply, verify, query.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::coin_store::CoinStore;
use crate::feed::{Feed, Figures};
use crate::meter;
use crate::workload::{Block, Key, Reader, coin_hash};

/// How many queries the verb `query` runs.
const COLD_QUERIES: u32 = 20_000;

/// Queries asked at a time: the inputs of a block.
const BATCH: usize = 4_000;

/// Bytes in a MiB, for figures.
const MIB: f64 = 1_048_576.0;

/// When to commit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rhythm {
    /// Every so many blocks of the fill.
    pub(crate) fill_every: u32,
    /// So many steady blocks one by one.
    pub(crate) tip_blocks: u32,
    /// Every so many of the rest.
    pub(crate) every: u32,
}

/// A run of blocks with one rhythm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Phase {
    /// What output lines call it.
    pub(crate) name: &'static str,
    /// Its first height.
    pub(crate) first: u32,
    /// The height after its last.
    pub(crate) end: u32,
    /// Blocks in a commit, counted from `first`.
    pub(crate) every: u32,
}

impl Phase {
    /// Returns the phases of a workload, in order. Some may be empty.
    pub(crate) fn all(reader: &Reader, rhythm: &Rhythm) -> Result<[Self; 3]> {
        let header = reader.header();
        let (fill, end) = (header.fill_blocks, header.blocks()?);
        let tip = fill + rhythm.tip_blocks.min(header.steady_blocks);
        let phase = |name, first, end, every| {
            ensure!(every > 0, "a commit after each 0 blocks");
            Ok(Self { name, first, end, every })
        };
        Ok([
            phase("fill", 0, fill, rhythm.fill_every)?,
            phase("tip", fill, tip, 1)?,
            phase("ibd", tip, end, rhythm.every)?,
        ])
    }

    /// Returns the height after the commit that `next` belongs to.
    fn commit_end(&self, next: u32) -> u32 {
        let done = next.saturating_sub(self.first);
        let group = done - done % self.every;
        self.first.saturating_add(group).saturating_add(self.every).min(self.end)
    }
}

/// Opens a store through `open` and prints how long that took.
pub(crate) fn open_timed(
    open: impl FnOnce() -> Result<Box<dyn CoinStore>>,
    out: &mut dyn Write,
) -> Result<Box<dyn CoinStore>> {
    let start = Instant::now();
    let store = open()?;
    let took = start.elapsed();
    let tip = store.tip()?.map_or(-1, i64::from);
    writeln!(out, "open_s={:.4} tip={tip}", took.as_secs_f64())?;
    out.flush()?;
    Ok(store)
}

/// Applies what the store lacks of the workload, then asks all queries and closes the store.
pub(crate) fn apply_workload(
    mut store: Box<dyn CoinStore>,
    workload: &Path,
    rhythm: &Rhythm,
    out: &mut dyn Write,
) -> Result<()> {
    let next = store.tip()?.map_or(Ok(0), next_height)?;
    let mut reader = Reader::open(workload, next)?;
    for phase in Phase::all(&reader, rhythm)? {
        let mut figures = Figures::default();
        apply(&mut *store, &mut reader, &phase, phase.end, &mut figures, &mut |height| {
            writeln!(out, "committed={height}")?;
            Ok(out.flush()?)
        })?;
        print_phase(phase.name, &figures, out)?;
    }
    let queries = reader.into_queries(u32::MAX)?;
    let mut times = Vec::new();
    ask_singly(&*store, &queries, &mut times)?;
    print_queries(&mut times, out)?;
    print_batches(&*store, &queries, out)?;
    let anonymous = meter::anonymous_bytes()?;
    let start = Instant::now();
    store.close()?;
    writeln!(out, "close_s={:.4}", start.elapsed().as_secs_f64())?;
    writeln!(out, "memory rss_anon_mib={:.1}", mib(anonymous))?;
    Ok(out.flush()?)
}

/// Applies blocks of a phase up to `end`, and adds what that costs to the figures.
pub(crate) fn apply(
    store: &mut dyn CoinStore,
    reader: &mut Reader,
    phase: &Phase,
    end: u32,
    figures: &mut Figures,
    committed: &mut dyn FnMut(u32) -> Result<()>,
) -> Result<()> {
    let end = end.min(phase.end);
    let mut block = Block::default();
    let (cpu, written) = (meter::process_cpu(), meter::written_bytes()?);
    while reader.next_height() < end {
        let commit_end = phase.commit_end(reader.next_height()).min(end);
        let mut feed = Feed::new(reader, &mut block, figures, commit_end);
        store.apply(&mut feed)?;
        committed(feed.finish()?)?;
    }
    figures.cpu += meter::process_cpu().saturating_sub(cpu);
    figures.written += meter::written_bytes()?.saturating_sub(written);
    Ok(())
}

/// Visits every coin and compares the whole with what the workload says of the tip.
pub(crate) fn verify(store: &dyn CoinStore, workload: &Path, out: &mut dyn Write) -> Result<bool> {
    let (mut digest, mut live) = (0, 0_u64);
    let mut scratch = Vec::new();
    store.visit(&mut |key, value| {
        digest ^= coin_hash(key, value, &mut scratch);
        live += 1;
        Ok(())
    })?;
    let tip = store.tip()?;
    let expected = match tip {
        None => (0, 0),
        Some(height) => {
            let mut block = Block::default();
            ensure!(Reader::open(workload, height)?.read(&mut block)?, "no block at {height}");
            (block.digest_after, block.live_after)
        }
    };
    let is_right = (digest, live) == expected;
    let word = if is_right { "ok" } else { "BAD" };
    let tip = tip.map_or(-1, i64::from);
    writeln!(out, "verified={word} tip={tip} live={live} expected={}", expected.1)?;
    out.flush()?;
    Ok(is_right)
}

/// Asks the first queries of a complete store.
pub(crate) fn query(store: &dyn CoinStore, workload: &Path, out: &mut dyn Write) -> Result<()> {
    let reader = Reader::open(workload, 0)?;
    let next = store.tip()?.map_or(Ok(0), next_height)?;
    ensure!(
        next == reader.header().blocks()?,
        "the store is not complete: apply the workload first"
    );
    let mut times = Vec::new();
    ask_singly(store, &reader.into_queries(COLD_QUERIES)?, &mut times)?;
    print_queries(&mut times, out)
}

/// Asks queries one by one, each timed alone, and checks the answers.
pub(crate) fn ask_singly(
    store: &dyn CoinStore,
    queries: &[(Key, bool)],
    times: &mut Vec<Duration>,
) -> Result<()> {
    times.reserve(queries.len());
    for (key, is_live) in queries {
        let mut answer = None;
        let start = Instant::now();
        store.find(std::slice::from_ref(key), &mut |_, value| {
            answer = Some(value.is_some());
            Ok(())
        })?;
        times.push(start.elapsed());
        ensure!(answer == Some(*is_live), "a query has the wrong answer");
    }
    Ok(())
}

/// Asks queries in batches, and checks the answers. Returns the time without the checks.
pub(crate) fn ask_in_batches(
    store: &dyn CoinStore,
    queries: &[(Key, bool)],
    batch: usize,
) -> Result<Duration> {
    let mut time = Duration::ZERO;
    let mut keys: Vec<Key> = Vec::with_capacity(batch);
    let mut answers = vec![false; batch];
    for queries in queries.chunks(batch.max(1)) {
        keys.clear();
        keys.extend(queries.iter().map(|(key, _)| *key));
        let start = Instant::now();
        store.find(&keys, &mut |at, value| {
            *answers.get_mut(at).context("an answer beyond the batch")? = value.is_some();
            Ok(())
        })?;
        time += start.elapsed();
        let is_right = queries.iter().zip(&answers).all(|((_, live), answer)| live == answer);
        ensure!(is_right, "a query has the wrong answer");
    }
    Ok(time)
}

/// Prints what a phase has cost; nothing if it had no blocks.
pub(crate) fn print_phase(name: &str, figures: &Figures, out: &mut dyn Write) -> Result<()> {
    if figures.blocks.is_empty() {
        return Ok(());
    }
    let blocks = figures.blocks.len();
    let store_s = figures.store_time().as_secs_f64();
    let mut sorted = figures.blocks.clone();
    sorted.sort_unstable();
    let ms = |percent| quantile(&sorted, percent).as_secs_f64() * 1e3;
    writeln!(
        out,
        "phase={name} blocks={blocks} coin_ops={} store_s={store_s:.4} blocks_per_s={:.2} \
         ops_per_s={:.0} block_p50_ms={:.3} block_p99_ms={:.3} block_max_ms={:.3} cpu_s={:.4} \
         written_mib={:.2}",
        figures.coin_ops,
        per_second(blocks, store_s),
        as_f64(figures.coin_ops) / store_s.max(1e-9),
        ms(50),
        ms(99),
        ms(100),
        figures.cpu.as_secs_f64(),
        mib(figures.written),
    )?;
    writeln!(out, "reading phase={name} cpu_s={:.4}", figures.read_cpu.as_secs_f64())?;
    Ok(out.flush()?)
}

/// Prints how long queries took.
pub(crate) fn print_queries(times: &mut [Duration], out: &mut dyn Write) -> Result<()> {
    times.sort_unstable();
    let total: Duration = times.iter().sum();
    let us = |percent| quantile(times, percent).as_secs_f64() * 1e6;
    writeln!(
        out,
        "phase=query lookups_per_s={:.0} lookup_p50_us={:.3} lookup_p99_us={:.3}",
        per_second(times.len(), total.as_secs_f64()),
        us(50),
        us(99),
    )?;
    Ok(out.flush()?)
}

/// Asks the queries once more, as many at a time as a block has inputs.
fn print_batches(
    store: &dyn CoinStore,
    queries: &[(Key, bool)],
    out: &mut dyn Write,
) -> Result<()> {
    let time = ask_in_batches(store, queries, BATCH)?;
    let rate = per_second(queries.len(), time.as_secs_f64());
    writeln!(out, "phase=query-batched lookups_per_s={rate:.0} batch={BATCH}")?;
    Ok(out.flush()?)
}

/// Returns the value below which so many percent of a sorted list are (nearest rank).
pub(crate) fn quantile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(rank).copied().unwrap_or_default()
}

/// Returns bytes as MiB.
pub(crate) fn mib(bytes: u64) -> f64 {
    as_f64(bytes) / MIB
}

/// Returns a rate; a time of nothing gives a great one.
pub(crate) fn per_second(count: usize, seconds: f64) -> f64 {
    as_f64(u64::try_from(count).unwrap_or(u64::MAX)) / seconds.max(1e-9)
}

/// Returns a count for a figure that people read.
pub(crate) fn as_f64(count: u64) -> f64 {
    // Figures are rounded when printed: what a float loses above 2^53 does not matter.
    count as f64
}

fn next_height(tip: u32) -> Result<u32> {
    tip.checked_add(1).context("the tip is too high")
}

// The path is for `benches/store-peers`, which takes this file in by its path too.
#[cfg(test)]
#[path = "verbs/tests.rs"]
mod tests;
