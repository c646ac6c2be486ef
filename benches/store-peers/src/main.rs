//! Runs one UTXO workload over the project's store and over its peers, in turn on the same stretch.
//!
//! ```text
//! store-peers compare --coins N [--steady-blocks N] [--stores ours,lmdb,...] [--memory-limit-mib N]
//! store-peers store NAME apply-workload|verify|query|session ...
//! ```
//!
//! The figures come as lines `bench=NAME value=N unit=U reference=N ratio=R`. See README.md.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use stores::Kind;

// The workload, its verbs and the adapter of the project's store are those of `store-bench`.
#[path = "../../../crates/store/src/bin/store-bench/bitset.rs"]
mod bitset;
#[path = "../../../crates/store/src/bin/store-bench/cli.rs"]
mod cli;
#[path = "../../../crates/store/src/bin/store-bench/coin_store.rs"]
mod coin_store;
#[path = "../../../crates/store/src/bin/store-bench/engine_store.rs"]
mod engine_store;
#[path = "../../../crates/store/src/bin/store-bench/feed.rs"]
mod feed;
#[path = "../../../crates/store/src/bin/store-bench/generate.rs"]
mod generate;
#[path = "../../../crates/store/src/bin/store-bench/meter.rs"]
mod meter;
#[path = "../../../crates/store/src/bin/store-bench/ram.rs"]
mod ram;
#[path = "../../../crates/store/src/bin/store-bench/random.rs"]
mod random;
#[path = "../../../crates/store/src/bin/store-bench/session.rs"]
mod session;
#[path = "../../../crates/store/src/bin/store-bench/verbs.rs"]
mod verbs;
#[path = "../../../crates/store/src/bin/store-bench/workload.rs"]
mod workload;

mod child;
mod compare;
mod limit;
mod report;
mod stores;

/// Compares stores on a UTXO workload.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compares stores, each in a process of its own.
    Compare(compare::Plan),
    /// Runs one store.
    Store {
        /// Which.
        kind: Kind,
        /// Size of the cache of stores that keep one of their own.
        #[arg(long, default_value_t = 512)]
        cache_mib: usize,
        #[command(subcommand)]
        verb: cli::Verb,
    },
}

fn main() -> ExitCode {
    match Options::parse().command {
        Command::Compare(plan) => match compare::run(&plan) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        },
        Command::Store { kind, cache_mib, verb } => {
            cli::run(&verb, &|dir| kind.open(dir, cache_mib << 20))
        }
    }
}
