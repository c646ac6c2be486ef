//! The program itself, as processes on loopback.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is the failure")]

#[expect(dead_code, reason = "each test program uses a part of the helpers")]
mod processes {
    pub(crate) mod program;
}

use std::time::{Duration, Instant};

use processes::program::{Folder, Running, block_file, program, soon};

const NETWORK: [&str; 2] = ["--network", "devnet"];

#[test]
fn import_export_check_and_a_second_process() {
    let folder = Folder::new("files");
    let file = block_file(&folder, 21, 120);
    let data = folder.path("data");
    let import = program(&data, &["import", &file]);
    assert_eq!(import.code, 0, "{}", import.stderr);
    assert_eq!(import.value("height"), "120");
    assert!(import.stdout.contains("blocks 120 connected, 0 known"), "{}", import.stdout);
    let state = import.value("state");
    // Packed and unpacked files hold the same.
    for name in ["out.bin", "out.bin.gz"] {
        let out = folder.path(name);
        assert_eq!(program(&data, &["export", &out]).code, 0);
        let copy = program(&folder.path(&format!("copy-{name}")), &["import", &out]);
        assert_eq!((copy.value("height"), copy.value("state")), ("120", state));
    }
    assert_eq!(std::fs::read(folder.path("out.bin")).unwrap(), std::fs::read(&file).unwrap());
    let check = program(&data, &["check"]);
    assert_eq!(check.code, 0, "{}{}", check.stdout, check.stderr);

    let node = Running::start(&data, &[]);
    let second = program(&data, &["check"]);
    assert_eq!(second.code, 3, "{}", second.stderr);
    node.terminate();
}

#[test]
fn mistakes_are_told_with_their_exit_code() {
    let folder = Folder::new("mistakes");
    let data = folder.path("data");
    assert_eq!(program(&data, &["import", "/no/such/file"]).code, 1);
    assert_eq!(program(&data, &["frobnicate"]).code, 2);
    let wrong = folder.path("wrong.toml");
    std::fs::write(&wrong, "[p2p]\nmax_inbond = 3\n").unwrap();
    let config = program(&data, &["--config", &wrong, "config"]);
    assert_eq!(config.code, 2);
    assert!(config.stderr.contains("did you mean `p2p.max_inbound`"), "{}", config.stderr);
    let bad = folder.path("bad.bin");
    std::fs::write(&bad, [5, 0, 0, 0, 1, 2, 3, 4, 5]).unwrap();
    assert_eq!(program(&data, &["import", &bad]).code, 6);
    let config = program(&data, &["config", "--max-inbound", "5"]);
    assert!(config.stdout.contains("max_inbound = 5    # flag --max-inbound"), "{}", config.stdout);

    let spec = folder.path("chain.toml");
    assert_eq!(program(&data, &["chain-spec", "create", "--name", "mine", &spec]).code, 0);
    assert_eq!(program(&data, &["chain-spec", "validate", &spec]).code, 0);
    assert_eq!(program(&data, &["chain-spec", "create", "--name", "mine", &spec]).code, 1);
    let print = program(&data, &["--chain-spec", &spec, "chain-spec", "print"]);
    assert!(print.stdout.contains("name = \"mine\""), "{}", print.stdout);
}

#[test]
fn three_processes_end_at_one_tip() {
    let folder = Folder::new("three");
    let file = block_file(&folder, 22, 300);
    let source = folder.path("a");
    let import = program(&source, &["import", &file]);
    assert_eq!(import.code, 0, "{}", import.stderr);
    let a = Running::start(&source, &[]);
    let b = Running::start(&folder.path("b"), &["--connect", a.peer_address()]);
    soon("b has all blocks", || b.metric("mvs_chain_height") == Some(300));
    soon("b is ready", || b.get("/ready").contains("200 OK"));
    let c = Running::start(&folder.path("c"), &["--connect", b.peer_address()]);
    soon("c has all blocks", || c.metric("mvs_chain_height") == Some(300));
    assert!(c.get("/healthy").contains("200 OK"));
    for node in [a, b, c] {
        let stopping = Instant::now();
        node.terminate();
        assert!(stopping.elapsed() < Duration::from_secs(3), "took {:?}", stopping.elapsed());
    }
    for name in ["a", "b", "c"] {
        let check = program(&folder.path(name), &["check"]);
        assert_eq!(check.code, 0, "{}{}", check.stdout, check.stderr);
        assert_eq!(check.value("state"), import.value("state"));
    }
}

/// A node that is killed again and again while it syncs goes on each time, and ends equal.
fn killed_while_syncing(times: u32, blocks: u32) {
    let folder = Folder::new(&format!("killed-{times}"));
    let file = block_file(&folder, 23, blocks);
    let import = program(&folder.path("a"), &["import", &file]);
    assert_eq!(import.code, 0, "{}", import.stderr);
    let a = Running::start(&folder.path("a"), &[]);
    let mut reached = 0;
    for round in 0..times {
        let b = Running::start(&folder.path("b"), &["--connect", a.peer_address()]);
        let goal = u64::from(blocks) * u64::from(round + 1) / u64::from(times + 1);
        soon("b gets on", || b.metric("mvs_chain_height").is_some_and(|height| height >= goal));
        let height = b.metric("mvs_chain_height").unwrap_or(goal);
        assert!(height >= reached, "what was told before the kill is durable");
        reached = height;
        b.kill();
    }
    let b = Running::start(&folder.path("b"), &["--connect", a.peer_address()]);
    soon("b has all blocks", || b.metric("mvs_chain_height") == Some(u64::from(blocks)));
    b.terminate();
    a.terminate();
    let check = program(&folder.path("b"), &["check"]);
    assert_eq!(check.code, 0, "{}{}", check.stdout, check.stderr);
    assert_eq!(check.value("state"), import.value("state"));
}

#[test]
fn a_node_that_is_killed_while_it_syncs_ends_equal() {
    killed_while_syncing(5, 400);
}

/// The long form: `cargo test -p mvs-node --test processes -- --ignored fifty`.
#[test]
#[ignore = "takes minutes; CI kills fifty times in testnet's scenario `crash`"]
fn a_node_that_is_killed_fifty_times_ends_equal() {
    killed_while_syncing(50, 2_000);
}

#[test]
fn nobody_answers_on_a_port_for_all() {
    let folder = Folder::new("metrics");
    let mut args = NETWORK.to_vec();
    args.extend(["--metrics-listen", "0.0.0.0:0", "--listen", ""]);
    let run = program(&folder.path("data"), &args);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("loopback"), "{}", run.stderr);
}
