//! Compares the store with its peers: builds and starts `benches/store-peers`, a workspace of its own, so
//! that nobody else compiles the peers.
//!
//! ```text
//! cargo bench -p mvs-store                          # 1 M coins, a few minutes
//! cargo bench -p mvs-store -- --coins 10000000      # the table in README.md, half an hour
//! cargo bench -p mvs-store -- --help                # all flags
//! ```
//!
//! RocksDB takes part when `pkg-config` finds its library. `STORE_PEERS_PROFILE` names the build profile:
//! `release` if not set.

#![expect(clippy::print_stderr, reason = "a program that talks to people")]

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benches/store-peers");
    let manifest = folder.join("Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let profile = std::env::var("STORE_PEERS_PROFILE").unwrap_or_else(|_| "release".to_owned());
    let mut command = Command::new(cargo);
    command.args(["run", "--quiet", "--profile", &profile, "--manifest-path"]).arg(manifest);
    if has_rocksdb() {
        command.args(["--features", "rocksdb"]);
    } else {
        eprintln!("SKIPPED: RocksDB, since pkg-config finds no library of it");
    }
    command.args(["--", "compare"]);
    // Cargo adds `--bench` for harnesses of another kind.
    command.args(std::env::args_os().skip(1).filter(|argument| argument != "--bench"));
    if std::env::var_os("STORE_PEERS_FOLDER").is_none() {
        command.env("STORE_PEERS_FOLDER", folder.join("target/data"));
    }
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(status) => {
            eprintln!("error: the comparison ended with {status}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: cannot start cargo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn has_rocksdb() -> bool {
    let mut probe = Command::new("pkg-config");
    probe.args(["--exists", "rocksdb"]).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}
