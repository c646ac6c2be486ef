//! Prints the list of rules with their cases: what `cargo xtask rules` writes to `RULES.md`.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let text = testkit::cases::rules::markdown(&testkit::cases::all());
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
