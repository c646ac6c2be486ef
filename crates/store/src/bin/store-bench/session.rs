//! A store that does one slice of the workload at a time, so that a harness can let several take
//! turns on the same stretch.
//!
//! Each line of the input is a command; its answer ends with a line `done`.
//!
//! ```text
//! apply N          the next N blocks, at most to the end of the phase    next=HEIGHT
//! report           what the blocks since the last report have cost       phase=...
//! query N          the next N queries, each timed alone
//! batch N SIZE     the next N queries, SIZE at once                      batch lookups=N s=SECONDS
//! queries          what the single queries have cost                     phase=query ...
//! sync N BYTES     writes BYTES and syncs them, N times: a reference     sync p50_ms=... p99_ms=...
//! size             memory and disk                                       size rss_anon_mib=... disk_bytes=...
//! close            closes the store and ends                             close_s=...
//! ```

use std::fs::File;
use std::io::{BufRead, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{FallocateFlags, fallocate, fdatasync};

use crate::coin_store::CoinStore;
use crate::feed::Figures;
use crate::meter;
use crate::verbs::{self, Phase, Rhythm};
use crate::workload::{Key, Reader};

/// The most bytes that one reference write has.
const MAX_SYNC_BYTES: usize = 64 << 20;

/// Runs commands until the input ends or says `close`.
pub(crate) fn run(
    store: Box<dyn CoinStore>,
    workload: &Path,
    dir: &Path,
    rhythm: &Rhythm,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> Result<()> {
    let next = store.tip()?.map_or(0, |tip| tip.saturating_add(1));
    let reader = Reader::open(workload, next)?;
    let phases = Phase::all(&reader, rhythm)?;
    let queries = Reader::open(workload, 0)?.into_queries(u32::MAX)?;
    let mut session = Session {
        store,
        reader,
        phases,
        figures: Default::default(),
        queries,
        asked: 0,
        times: Vec::new(),
        dir,
    };
    let mut line = String::new();
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        if words == ["close"] {
            let start = Instant::now();
            session.store.close()?;
            writeln!(out, "close_s={:.4}\ndone", start.elapsed().as_secs_f64())?;
            return Ok(out.flush()?);
        }
        session.command(&words, out).with_context(|| format!("command {line:?}"))?;
        writeln!(out, "done")?;
        out.flush()?;
    }
}

struct Session<'a> {
    store: Box<dyn CoinStore>,
    reader: Reader,
    phases: [Phase; 3],
    /// For each phase, what its blocks have cost.
    figures: [Figures; 3],
    queries: Vec<(Key, bool)>,
    /// Place of the next query.
    asked: usize,
    times: Vec<Duration>,
    dir: &'a Path,
}

impl Session<'_> {
    fn command(&mut self, words: &[&str], out: &mut dyn Write) -> Result<()> {
        match *words {
            ["apply", count] => self.apply(count.parse()?, out)?,
            ["report"] => {
                for (phase, figures) in self.phases.iter().zip(&mut self.figures) {
                    verbs::print_phase(phase.name, &std::mem::take(figures), out)?;
                }
            }
            ["query", count] => {
                let slice = next_queries(&self.queries, &mut self.asked, count.parse()?);
                verbs::ask_singly(&*self.store, slice, &mut self.times)?;
            }
            ["queries"] => {
                verbs::print_queries(&mut self.times, out)?;
                self.times.clear();
            }
            ["batch", count, size] => {
                let slice = next_queries(&self.queries, &mut self.asked, count.parse()?);
                let time = verbs::ask_in_batches(&*self.store, slice, size.parse()?)?;
                writeln!(out, "batch lookups={} s={:.6}", slice.len(), time.as_secs_f64())?;
            }
            ["sync", count, bytes] => {
                let mut times = sync_times(self.dir, count.parse()?, bytes.parse()?)?;
                times.sort_unstable();
                let ms = |percent| verbs::quantile(&times, percent).as_secs_f64() * 1e3;
                writeln!(out, "sync p50_ms={:.3} p99_ms={:.3}", ms(50), ms(99))?;
            }
            ["size"] => {
                let anonymous = verbs::mib(meter::anonymous_bytes()?);
                let disk = meter::disk_bytes(self.dir)?;
                writeln!(out, "size rss_anon_mib={anonymous:.1} disk_bytes={disk}")?;
            }
            _ => bail!("not a command"),
        }
        Ok(())
    }

    fn apply(&mut self, count: u32, out: &mut dyn Write) -> Result<()> {
        let next = self.reader.next_height();
        let mut phases = self.phases.iter().zip(&mut self.figures);
        let found = phases.find(|(phase, _)| (phase.first..phase.end).contains(&next));
        let (phase, figures) = found.context("the workload is at its end")?;
        let end = next.saturating_add(count);
        verbs::apply(&mut *self.store, &mut self.reader, phase, end, figures, &mut |_| Ok(()))?;
        Ok(writeln!(out, "next={}", self.reader.next_height())?)
    }
}

/// Returns the next `count` queries; after the last comes the first again.
fn next_queries<'a>(
    queries: &'a [(Key, bool)],
    asked: &mut usize,
    count: usize,
) -> &'a [(Key, bool)] {
    if *asked >= queries.len() {
        *asked = 0;
    }
    let end = asked.saturating_add(count).min(queries.len());
    let slice = queries.get(*asked..end).unwrap_or(&[]);
    *asked = end;
    slice
}

/// Measures what the machine itself takes to make so many bytes durable: written into a file whose
/// space is taken already, then synced. Returns each time.
pub(crate) fn sync_times(dir: &Path, count: usize, bytes: usize) -> Result<Vec<Duration>> {
    ensure!((1..=MAX_SYNC_BYTES).contains(&bytes), "{bytes} bytes in one write");
    let path = dir.join("sync-reference");
    let file = File::create(&path)?;
    let len = u64::try_from(bytes)?;
    let all = len.checked_mul(u64::try_from(count.max(1))?).context("too much to write")?;
    fallocate(&file, FallocateFlags::empty(), 0, all)?;
    fdatasync(&file)?;
    let record = vec![0xa5; bytes];
    let mut times = Vec::with_capacity(count);
    let mut at = 0;
    for _ in 0..count {
        let start = Instant::now();
        file.write_all_at(&record, at)?;
        fdatasync(&file)?;
        times.push(start.elapsed());
        at += len;
    }
    std::fs::remove_file(&path)?;
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::run;
    use crate::generate::tests::TempFile;
    use crate::generate::{Plan, generate};
    use crate::ram::RamStore;
    use crate::verbs::Rhythm;

    /// Runs commands on an empty map and a workload of three fill blocks and five steady ones.
    fn answers(name: &str, commands: &str) -> anyhow::Result<Vec<String>> {
        let file = TempFile::new(name);
        let plan = Plan { target: 25_000, steady_blocks: 5, queries: 100, seed: 3 };
        generate(&file.0, &plan)?;
        let rhythm = Rhythm { fill_every: 2, tip_blocks: 2, every: 2 };
        let store = Box::new(RamStore::new(5));
        let dir = std::env::temp_dir();
        let mut out = Vec::new();
        run(store, &file.0, &dir, &rhythm, &mut commands.as_bytes(), &mut out)?;
        Ok(String::from_utf8(out)?.lines().map(str::to_owned).collect())
    }

    #[test]
    fn slices_end_with_their_phase_and_figures_are_told_once() {
        let script = "apply 2\napply 9\napply 1\napply 9\nreport\nreport\napply 9\nreport\n";
        let lines = answers("slices", script).unwrap();
        let nexts: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("next=")).collect();
        assert_eq!(nexts, ["2", "3", "4", "5", "8"]);
        let phases = lines.iter().filter_map(|line| line.strip_prefix("phase="));
        let phases: Vec<&str> = phases.map(|rest| rest.get(..12).unwrap_or(rest)).collect();
        assert_eq!(phases, ["fill blocks=", "tip blocks=2", "ibd blocks=3"]);
        assert_eq!(lines.iter().filter(|line| *line == "done").count(), 8);
    }

    #[test]
    fn queries_go_round_and_are_timed() {
        let script = "apply 3\napply 2\napply 3\nquery 60\nquery 60\nqueries\nbatch 100 7\nclose\n";
        let lines = answers("queries", script).unwrap();
        assert!(lines.iter().any(|line| line.starts_with("phase=query ")));
        assert!(lines.iter().any(|line| line.starts_with("batch lookups=100 s=")));
        assert!(lines.iter().any(|line| line.starts_with("close_s=")));
    }

    #[test]
    fn what_is_no_command_ends_the_session() {
        for script in
            ["fly\n", "apply\n", "apply x\n", "sync 1 0\n", "apply 3\napply 5\napply 5\napply 1\n"]
        {
            assert!(answers("nonsense", script).is_err(), "{script:?}");
        }
    }
}
