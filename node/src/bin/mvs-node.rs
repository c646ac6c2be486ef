//! The full node.

use std::process::ExitCode;

fn main() -> ExitCode {
    mvs_node::app::main()
}
