//! Makes chains and measures nodes.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to people")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use testnet::make_chain::{self, Plan};
use testnet::{bench, node};

/// Networks of real node processes: makes chains and measures.
#[derive(Parser)]
#[command(name = "testnet", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes a chain of mixed transactions from a seed; consensus runs over every block.
    #[command(after_help = "Example: testnet make-chain --blocks 20000 --seed 7 --out chain.gz\n\
        The chain's parameters are those of data/long-devnet.toml; below height 5000 devnet's are \
        the same.")]
    MakeChain {
        /// Blocks above genesis.
        #[arg(long)]
        blocks: u32,
        /// The same seed gives the same bytes on every machine.
        #[arg(long)]
        seed: u64,
        /// The file to write.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Two branches above the last block, of these lengths, in FILE.one and FILE.two.
        #[arg(long, value_name = "ONE,TWO", value_parser = parse_branches)]
        branches: Option<(u32, u32)>,
    },
    /// Measures: prints lines `bench=NAME value=N unit=U reference=N ratio=R`.
    #[command(subcommand)]
    Bench(Bench),
}

#[derive(Subcommand)]
enum Bench {
    /// Sync of 20,000 blocks between two nodes, against the import of the same file.
    Sync {
        /// A file of `make-chain`; made and kept in the temporary folder if not given.
        #[arg(long, value_name = "FILE")]
        chain: Option<PathBuf>,
    },
    /// Sync of the recorded chain, against the first node: speed, processor, memory, disk.
    Reference,
    /// Verification of headers in batches, against one at a time, on one core.
    Headers,
    /// How much later the second of two nodes announces a block.
    Relay {
        /// Blocks to relay.
        #[arg(long, default_value_t = 200)]
        blocks: u32,
    },
    /// A reorganisation over the wire whose transactions go back to the pool.
    Reorganisation {
        /// Blocks that are taken back.
        #[arg(long, default_value_t = 8_000)]
        depth: u32,
    },
    /// Answers a second by HTTP on the recorded chain, against the first node's on one thread.
    Rpc {
        /// How long each question is asked.
        #[arg(long, default_value_t = 5)]
        secs: u64,
    },
    /// What an idle node with eight peers moves.
    Idle {
        /// How long to watch.
        #[arg(long, default_value_t = 600)]
        secs: u64,
    },
}

fn measure(bench: &Bench) -> Result<()> {
    let program = || node::program()?.context("this tree has no mvs-node program yet");
    let figures = match bench {
        Bench::Sync { chain } => bench::sync(&program()?, chain.as_deref())?,
        Bench::Reference => bench::reference(&program()?)?,
        Bench::Headers => bench::headers()?,
        Bench::Relay { blocks } => bench::relay(&program()?, *blocks)?,
        Bench::Reorganisation { depth } => bench::reorganisation(&program()?, *depth)?,
        Bench::Rpc { secs } => bench::rpc(&program()?, Duration::from_secs(*secs))?,
        Bench::Idle { secs } => bench::idle(&program()?, Duration::from_secs(*secs))?,
    };
    figures.iter().for_each(|figure| println!("{figure}"));
    Ok(())
}

fn parse_branches(text: &str) -> Result<(u32, u32)> {
    let (one, two) = text.split_once(',').context("two numbers with a comma between them")?;
    Ok((one.trim().parse()?, two.trim().parse()?))
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Bench(bench) => measure(&bench),
        Command::MakeChain { blocks, seed, out, branches } => {
            let start = Instant::now();
            let plan = Plan { blocks, seed, branches };
            let made = make_chain::make(&plan, &out, |done| {
                let secs = start.elapsed().as_secs_f64();
                eprint!("\r{done} blocks, {secs:.0} s ");
            })?;
            eprintln!();
            for made in made {
                println!(
                    "file={} height={} tip={} coins={} value={} transactions={} bytes={}",
                    made.path.display(),
                    made.height,
                    made.tip,
                    made.coins,
                    made.value,
                    made.transactions,
                    made.bytes
                );
            }
            println!("made in {:.1} s", start.elapsed().as_secs_f64());
            Ok(())
        }
    }
}
