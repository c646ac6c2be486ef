//! Makes chains and measures nodes.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to people")]

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use testnet::make_chain::{self, Plan};

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
}

fn parse_branches(text: &str) -> Result<(u32, u32)> {
    let (one, two) = text.split_once(',').context("two numbers with a comma between them")?;
    Ok((one.trim().parse()?, two.trim().parse()?))
}

fn main() -> Result<()> {
    match Cli::parse().command {
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
