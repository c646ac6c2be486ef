//! Completions and man pages, from the command line that the program reads.

use std::path::Path;

use anyhow::Context as _;
use clap::builder::PossibleValuesParser;
use clap_complete::Shell;
use mvs_rpc_api::methods::Method;

use super::args;

/// The command line with what `cli` may be asked, for completions and pages only: a name that is
/// mistyped is answered better by `cli` itself.
fn command() -> clap::Command {
    let names = Method::ALL.iter().map(|method| {
        let about = method.doc().lines().next().unwrap_or_default().trim().to_owned();
        clap::builder::PossibleValue::new(method.name()).help(about)
    });
    args::command().mut_subcommand("cli", |cli| {
        cli.mut_arg("method", |arg| arg.value_parser(PossibleValuesParser::new(names)))
    })
}

/// Prints completions.
pub(super) fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "mvs-node", &mut script);
    use std::io::Write as _;
    std::io::stdout().write_all(&script).context("cannot write the completions")
}

/// Writes a page for the program and one for each of its commands.
pub(super) fn man_pages(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    clap_mangen::generate_to(command(), folder)
        .with_context(|| format!("cannot write man pages into {}", folder.display()))
}
