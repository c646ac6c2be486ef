//! The command line that every program under test has.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

use crate::coin_store::CoinStore;
use crate::generate::{Plan, generate};
use crate::session;
use crate::verbs::{self, Rhythm};

/// Opens or creates a store in a folder.
pub(crate) type Open<'a> = &'a dyn Fn(&Path) -> Result<Box<dyn CoinStore>>;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Writes a workload file; the same seed gives the same file.
    Generate(Generate),
    /// Applies what the store lacks of a workload, then asks all its queries.
    ApplyWorkload(ApplyWorkload),
    /// Visits every coin and compares the whole with the workload's digest.
    Verify(Place),
    /// Asks the first 20,000 queries of a complete store.
    Query(Place),
    /// Does what lines on the input say, for a harness that runs several stores in turn.
    Session(ApplyWorkload),
}

/// Options of `generate`.
#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// The file to write.
    #[arg(long)]
    out: PathBuf,
    /// Coins that live after the fill, and ever after.
    #[arg(long)]
    target: u64,
    /// Blocks after the fill, of 4,000 spends and 4,000 creations each.
    #[arg(long)]
    steady_blocks: u32,
    /// All else follows from this number.
    #[arg(long)]
    seed: u64,
    /// Look-ups at the end: eight of ten find a coin.
    #[arg(long, default_value_t = 200_000)]
    queries: u32,
}

/// Where the workload and the store are.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The workload file.
    #[arg(long)]
    workload: PathBuf,
    /// The store's folder.
    #[arg(long)]
    dir: PathBuf,
}

/// Options of `apply-workload` and `session`.
#[derive(Debug, Args)]
pub(crate) struct ApplyWorkload {
    #[command(flatten)]
    place: Place,
    /// Commit after so many blocks of the fill.
    #[arg(long, default_value_t = 100)]
    fill_every: u32,
    /// So many steady blocks are committed one by one.
    #[arg(long, default_value_t = 100)]
    tip_blocks: u32,
    /// Commit after so many of the other blocks.
    #[arg(long, default_value_t = 100)]
    every: u32,
}

impl ApplyWorkload {
    fn rhythm(&self) -> Rhythm {
        Rhythm { fill_every: self.fill_every, tip_blocks: self.tip_blocks, every: self.every }
    }
}

/// Runs a verb on the store that `open` opens or creates in a folder.
pub(crate) fn run(verb: &Verb, open: Open<'_>) -> ExitCode {
    let mut out = io::stdout().lock();
    match run_verb(verb, open, &mut out) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nothing is left to tell when the error output is closed too.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_verb(verb: &Verb, open: Open<'_>, out: &mut dyn Write) -> Result<bool> {
    let open_at = |dir: &Path, out: &mut dyn Write| {
        std::fs::create_dir_all(dir).with_context(|| format!("folder {}", dir.display()))?;
        verbs::open_timed(|| open(dir), out)
    };
    match verb {
        Verb::Generate(options) => {
            let plan = Plan {
                target: options.target,
                steady_blocks: options.steady_blocks,
                queries: options.queries,
                seed: options.seed,
            };
            let header = generate(&options.out, &plan)?;
            writeln!(
                out,
                "generated={} fill_blocks={} steady_blocks={} live={} queries={}",
                options.out.display(),
                header.fill_blocks,
                header.steady_blocks,
                header.live_end,
                header.query_count
            )?;
        }
        Verb::ApplyWorkload(options) => {
            let store = open_at(&options.place.dir, out)?;
            verbs::apply_workload(store, &options.place.workload, &options.rhythm(), out)?;
        }
        Verb::Verify(place) => {
            let store = open_at(&place.dir, out)?;
            let is_right = verbs::verify(&*store, &place.workload, out)?;
            store.close()?;
            return Ok(is_right);
        }
        Verb::Query(place) => {
            let store = open_at(&place.dir, out)?;
            verbs::query(&*store, &place.workload, out)?;
            store.close()?;
        }
        Verb::Session(options) => {
            let store = open_at(&options.place.dir, out)?;
            let place = &options.place;
            let input = &mut io::stdin().lock();
            session::run(store, &place.workload, &place.dir, &options.rhythm(), input, out)?;
        }
    }
    Ok(true)
}
