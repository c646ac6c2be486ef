//! Starting other programs.

use std::process::{Command, ExitStatus};

use anyhow::{Context, Result};

/// Prepares a call of the cargo that runs this program, in the workspace's root.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(crate::workspace_root());
    command
}

/// Runs a command to its end; its output goes where ours goes.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    command.status().with_context(|| format!("cannot start {}", command.get_program().display()))
}
