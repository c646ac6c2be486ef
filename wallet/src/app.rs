//! The program `mvs-wallet`: what is on the command line, and how the parts are wired.
//!
//! # Exit codes
//! | code | meaning |
//! |---|---|
//! | 0 | done, or stopped cleanly |
//! | 1 | something failed; the message says what |
//! | 2 | the command line, a chain spec, an amount or the words are wrong |
//! | 3 | another program has the wallet open |
//! | 4 | the keystore is damaged, or no keystore |
//! | 5 | the password is wrong, or none could be had |
//! | 6 | what the node says does not hold; nothing was signed |
//! | 7 | the node answered with an error |
//! | 8 | no node answers, or it does not let us in |
//! | 9 | the question was answered with no |

mod amount;
mod args;
mod exit;
mod home;
mod keys;
mod stake;
mod tell;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;

pub use exit::Exit;

/// Runs the program with the arguments and the environment of the process.
pub fn main() -> ExitCode {
    // clap prints usage errors and help by itself, and ends the process with 2 or 0.
    let arguments = args::Arguments::parse();
    match run(arguments) {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            tell::note(&format!("mvs-wallet: {error:#}"));
            Exit::of(&error).into()
        }
    }
}

fn run(arguments: args::Arguments) -> anyhow::Result<()> {
    crate::process::protect_memory().context("cannot protect the memory of this process")?;
    let home = home::Home::new(&arguments.settings)?;
    match arguments.command {
        args::Command::New(order) => keys::new(&home, &order),
        args::Command::Restore(order) => keys::restore(&home, &order),
        args::Command::Address(order) => keys::address(&home, &order),
        args::Command::Stake(order) => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .context("cannot start the runtime")?;
            runtime.block_on(stake::run(&home, order))
        }
    }
}
