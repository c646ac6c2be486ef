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
    #[command(after_help = check::help())]
    Check(check::Options),
    /// Compares `layers.toml` with the dependencies that the crates really have.
    #[command(after_help = "Example: cargo xtask layers")]
    Layers,
    /// Checks licences, sources and banned or doubled dependencies with cargo-deny.
    #[command(after_help = "Example: cargo xtask deny")]
    Deny,
    /// Writes the list of rules with their cases, `crates/consensus/RULES.md`, or checks it.
    #[command(after_help = "Example: cargo xtask rules --check")]
    Rules(rules::Options),
    /// Checks vector files against the code: last line `N passed, N failed`.
    #[command(after_help = "Example: cargo xtask vectors testnet/kit/data/blocks.json")]
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn every_command_has_an_example_in_its_help() {
        let mut cli = Cli::command();
        cli.build();
        for command in cli.get_subcommands_mut().filter(|command| command.get_name() != "help") {
            let name = command.get_name().to_owned();
            let help = command.render_help().to_string();
            let (_, example) = help.split_once("Example: cargo ").expect("an example");
            let words = example.lines().next().expect("a line").split(' ');
            let parsed = Cli::command().try_get_matches_from(words);
            let parsed = parsed.expect("the example parses");
            assert_eq!(parsed.subcommand_name(), Some(&*name));
        }
    }
}
