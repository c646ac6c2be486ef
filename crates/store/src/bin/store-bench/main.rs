//! Runs a UTXO workload on the store's engine, and generates such workloads.
//!
//! ```text
//! store-bench generate       --out FILE --target N --steady-blocks N --seed S
//! store-bench apply-workload --workload FILE --dir DIR --fill-every N --tip-blocks N --every N
//! store-bench verify         --workload FILE --dir DIR
//! store-bench query          --workload FILE --dir DIR
//! ```
//!
//! Exit status: 0 when all went well, 1 when something failed or a verification was bad, 2 when the
//! arguments are wrong.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use coin_store::CoinStore;

mod bitset;
mod cli;
mod coin_store;
mod engine_store;
mod feed;
mod generate;
mod meter;
#[cfg(test)]
mod ram;
mod random;
mod session;
mod verbs;
mod workload;

/// Runs a UTXO workload on the store's engine, and generates such workloads.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    #[command(subcommand)]
    verb: cli::Verb,
}

fn main() -> ExitCode {
    cli::run(&Options::parse().verb, &open)
}

/// Blocks below the tip that can be undone.
const UNDO_HORIZON: u32 = 1_000;

fn open(dir: &Path) -> Result<Box<dyn CoinStore>> {
    engine_store::open(dir, UNDO_HORIZON)
}
