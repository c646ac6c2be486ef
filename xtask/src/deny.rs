//! `cargo xtask deny`: licences, sources, banned and doubled dependencies, by `deny.toml`.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::process;

/// The version that `.ci/run` installs. Named here for the message; the script holds the same.
const VERSION: &str = "0.20.2";

/// Runs cargo-deny. Without it: an error in CI, a loud skip elsewhere.
#[expect(clippy::print_stderr, reason = "a skipped check must be seen")]
pub(crate) fn run() -> Result<ExitCode> {
    let Some(program) = find() else {
        let hint =
            format!("cargo install cargo-deny --version {VERSION} --locked --root target/tools");
        if std::env::var_os("CI").is_some() {
            bail!("cargo-deny is missing; install it with: {hint}");
        }
        eprintln!("SKIPPED: cargo-deny is missing, so licences and sources were NOT checked.");
        eprintln!("         Install it with: {hint}");
        return Ok(ExitCode::SUCCESS);
    };
    let mut command = Command::new(program);
    // No advisories: their database is fetched from outside, which CI cannot do.
    command.args(["--workspace", "--locked", "check", "bans", "licenses", "sources"]);
    command.current_dir(crate::workspace_root());
    let status = process::status(&mut command)?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Looks for cargo-deny where `.ci/run` puts it, then on the path.
fn find() -> Option<PathBuf> {
    let name = format!("cargo-deny{}", std::env::consts::EXE_SUFFIX);
    let tools = crate::workspace_root().join("target/tools/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::iter::once(tools)
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(&name))
        .find(|candidate| candidate.is_file())
}
