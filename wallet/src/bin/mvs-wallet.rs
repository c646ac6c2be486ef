//! The wallet's program.

use std::process::ExitCode;

fn main() -> ExitCode {
    mvs_wallet::app::main()
}
