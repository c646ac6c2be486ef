//! `cargo xtask vectors`: hands over to the checker in `testkit`, which sees the real code.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::process;

/// What to check.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Vector files, or folders of them; the kind is told by the content.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// Runs the checker and passes its exit code on: 0 all passed, 1 a failure, 2 unusable input.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let mut command = process::cargo(&[
        "run",
        "--quiet",
        "--profile",
        "tool",
        "-p",
        "testkit",
        "--bin",
        "vectors",
        "--",
    ]);
    for path in &options.paths {
        // The checker runs in the workspace's root; paths are meant from where the user stands.
        command.arg(std::path::absolute(path)?);
    }
    let status = process::status(&mut command)?;
    // No code means that a signal ended it: certainly not a pass.
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(2);
    Ok(ExitCode::from(code))
}
