//! Checks vector files against the real code: `vectors PATH...`.
//!
//! Prints the failures and, as its last line, `N passed, N failed`. Exit code 0: all passed; 1: a
//! vector failed; 2: an input could not be read or holds no known kind of vector.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to people")]

use std::process::ExitCode;

use testkit::vectors::{FOLDER_KINDS, KINDS, check_paths};

const USAGE: &str = "\
usage: vectors PATH...

Checks vector files, or all files in folders, against the code; the kind is told by the content.
The last line is `N passed, N failed`. Exit code: 0 all passed, 1 a vector failed, 2 an input is
unusable.

example: vectors testnet/kit/data";

fn main() -> ExitCode {
    let paths: Vec<_> = std::env::args_os().skip(1).collect();
    if paths.is_empty() {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    }
    if paths.iter().any(|path| path == "--help" || path == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let report = check_paths(&paths, KINDS, FOLDER_KINDS);
    for error in report.errors() {
        println!("UNUSABLE {error}");
    }
    for failure in report.failures() {
        println!("FAILED {failure}");
    }
    println!("{} passed, {} failed", report.passed(), report.failures().len());
    if !report.failures().is_empty() {
        ExitCode::from(1)
    } else if !report.errors().is_empty() {
        ExitCode::from(2)
    } else {
        ExitCode::SUCCESS
    }
}
