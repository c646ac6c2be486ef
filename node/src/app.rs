//! The program `mvs-node`: what is on the command line, and how the parts are wired.
//!
//! # Exit codes
//! | code | meaning |
//! |---|---|
//! | 0 | done, or stopped cleanly |
//! | 1 | something failed; the message says what |
//! | 2 | the command line, the configuration or a chain spec is wrong |
//! | 3 | the data folder is in use by another process |
//! | 4 | the store is damaged, or belongs to another network or format |
//! | 5 | the disk failed or is full |
//! | 6 | `check` found something wrong, or `import` met a block that is refused |
//! | 7 | `cli`: the node answered with an error |
//! | 8 | `cli`: no node answers, or it does not let us in |
//! | 130 | ended by the third Ctrl-C, without a clean stop |

/// Writes a line to standard output. Who reads it may have gone (`| head`), which is no failure of
/// the command.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

/// Writes a text to standard output, as [`say`] does.
macro_rules! say_text {
    ($text:expr) => {{
        use std::io::Write as _;
        let _ = write!(std::io::stdout(), "{}", $text);
    }};
}

mod args;
mod cli;
mod exit;
mod files;
mod maintenance;
mod mine;
mod progress;
mod rpc;
mod run;
mod setup;
mod shell;
mod signals;
mod spec;
mod web;

use std::process::ExitCode;

pub use exit::Exit;

/// Runs the program with the arguments and the environment of the process.
#[expect(clippy::print_stderr, reason = "the program's last word when it fails")]
pub fn main() -> ExitCode {
    let invocation = match args::read() {
        Ok(invocation) => invocation,
        Err(exit) => return exit.into(),
    };
    match dispatch(invocation) {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            eprintln!("mvs-node: {error:#}");
            Exit::of(&error).into()
        }
    }
}

fn dispatch(invocation: args::Invocation) -> anyhow::Result<()> {
    let args::Invocation { effective, command } = invocation;
    match command {
        args::Command::Run => run::run(&effective),
        args::Command::Config => setup::print_config(&effective),
        args::Command::Check => maintenance::check(&effective.config),
        args::Command::Repair => maintenance::repair(&effective.config),
        args::Command::Export { file, first, last } => {
            files::export(&effective.config, &file, first, last)
        }
        args::Command::Import { file } => files::import(&effective.config, &file),
        args::Command::Cli(order) => cli::run(&effective.config, &order),
        args::Command::RpcUser { name, grant } => rpc::make_user(&name, grant),
        args::Command::Completions { shell } => shell::completions(shell),
        args::Command::Man { folder } => shell::man_pages(&folder),
        args::Command::Spec(order) => spec::run(&effective.config, order),
    }
}
