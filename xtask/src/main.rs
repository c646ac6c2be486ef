//! The project's own commands: `cargo xtask <command>`.
//!
//! Each command is one file. This crate depends on none of ours, so that it runs when one of them
//! does not compile.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod check;
mod deny;
mod layers;
mod process;
mod rules;
mod vectors;

/// The project's checks and generators.
#[derive(Parser)]
#[command(name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs what CI runs, step by step.
    Check(check::Options),
    /// Compares `layers.toml` with the dependencies that the crates really have.
    Layers,
    /// Checks licences, sources and banned or doubled dependencies with cargo-deny.
    Deny,
    /// Writes the list of rules with their cases, `crates/consensus/RULES.md`, or checks it.
    Rules(rules::Options),
    /// Checks vector files against the code: last line `N passed, N failed`.
    Vectors(vectors::Options),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Check(options) => check::run(&options),
        Command::Layers => layers::run(),
        Command::Deny => deny::run(),
        Command::Rules(options) => rules::run(&options),
        Command::Vectors(options) => vectors::run(&options),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            report_error(&error);
            ExitCode::from(2)
        }
    }
}

#[expect(clippy::print_stderr, reason = "the one place where this program reports its failure")]
fn report_error(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}

/// Returns the root of the workspace.
fn workspace_root() -> PathBuf {
    // `cargo run` sets the variable to this crate's folder at run time; the value from build time
    // serves when the program is started directly.
    let here = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent().map(Path::to_path_buf).unwrap_or(here)
}
