//! `cargo xtask rules`: the list of rules with their cases, from the code.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::process;

/// What to do with the list.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Compares the file with the list instead of writing it.
    #[arg(long)]
    check: bool,
}

fn path() -> PathBuf {
    crate::workspace_root().join("crates/consensus/RULES.md")
}

/// Writes or compares the list.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if options.check {
        return check();
    }
    let path = path();
    std::fs::write(&path, generate()?).with_context(|| format!("{}", path.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Compares the file with the list: 0 when they are equal, else 1.
#[expect(clippy::print_stdout, reason = "the finding is for the person who runs the check")]
pub(crate) fn check() -> Result<ExitCode> {
    let path = path();
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let expected = generate()?;
    if found == expected {
        return Ok(ExitCode::SUCCESS);
    }
    let line = found.lines().zip(expected.lines()).take_while(|(a, b)| a == b).count() + 1;
    println!("{} differs from the code from line {line} on", path.display());
    println!("run `cargo xtask rules` and commit the file");
    Ok(ExitCode::FAILURE)
}

/// Asks the program in `testkit`, which sees the real code.
fn generate() -> Result<String> {
    let mut command = process::cargo(&["run", "--quiet", "-p", "testkit", "--bin", "rules"]);
    let output =
        command.stderr(std::process::Stdio::inherit()).output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("the list cannot be generated");
    }
    String::from_utf8(output.stdout).context("the list is not text")
}
