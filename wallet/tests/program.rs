//! The program: keystore, addresses, exit codes.

#![allow(clippy::unwrap_used, clippy::panic)] // a panic is how a test fails, in its helpers too

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A folder with a password, which goes away again.
struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mvs-wallet-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("password"), "correct horse\n").unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn command(&self, keystore: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mvs-wallet"));
        command.args(["--network", "devnet", "--json", "--keystore", &self.path(keystore)]);
        command.args(["--password-file", &self.path("password")]);
        // Settings of whoever runs the tests must not matter.
        command.env_clear().env("HOME", &self.0).args(arguments).stdin(Stdio::null());
        command
    }

    fn run(&self, keystore: &str, arguments: &[&str]) -> Value {
        let output = self.command(keystore, arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn fail(&self, keystore: &str, arguments: &[&str]) -> (i32, String) {
        let output = self.command(keystore, arguments).output().unwrap();
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().unwrap(), said)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap()
}

#[test]
fn a_wallet_is_made_grows_and_is_made_again_from_its_words() {
    let home = Home::new("words");
    let made = home.run("a/wallet.keys", &["new"]);
    let words = text(&made, "words").to_owned();
    assert_eq!(words.split(' ').count(), 24);
    let second = home.run("a/wallet.keys", &["address", "new"]);
    let listed = home.run("a/wallet.keys", &["address", "list"]);
    let listed: Vec<&str> =
        listed["addresses"].as_array().unwrap().iter().map(|one| text(one, "address")).collect();
    assert_eq!(listed, [text(&made, "address"), text(&second, "address")]);

    let mut child = home
        .command("b/wallet.keys", &["restore", "--addresses", "2"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(words.to_uppercase().as_bytes()).unwrap();
    let restored = child.wait_with_output().unwrap();
    assert!(restored.status.success());
    let restored: Value = serde_json::from_slice(&restored.stdout).unwrap();
    assert_eq!(restored["address"], made["address"]);
    assert!(!restored.to_string().contains(&words), "only `new` shows words");
    assert_eq!(
        home.run("b/wallet.keys", &["address", "list"])["addresses"].as_array().unwrap().len(),
        2
    );
    let (code, _) = home.fail("a/wallet.keys", &["new"]);
    assert_eq!(code, 2, "a keystore is never overwritten");
    assert_eq!(
        home.run("c.keys", &["new", "--words", "12"])["words"].as_str().unwrap().split(' ').count(),
        12
    );
}

#[test]
fn each_failure_has_its_code() {
    let home = Home::new("codes");
    let keys = "wallet.keys";
    assert_eq!(home.fail(keys, &["address", "list"]).0, 4, "there is none");
    home.run(keys, &["new"]);
    assert_eq!(home.fail("other.keys", &["new", "--words", "13"]).0, 2);
    assert_eq!(home.fail(keys, &["stake", "deposit", "1e9"]).0, 2);
    assert_eq!(home.fail(keys, &["stake", "status", "--address", "nobody"]).0, 2);
    let main = ["--network", "mainnet", "address", "list"];
    let output = Command::new(env!("CARGO_BIN_EXE_mvs-wallet"))
        .args(["--keystore", &home.path(keys), "--password-file", &home.path("password")])
        .args(main)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "the wallet is for another network");

    std::fs::write(home.path("password"), "wrong horse").unwrap();
    assert_eq!(home.fail(keys, &["address", "list"]).0, 5);
    std::fs::write(home.path("password"), "").unwrap();
    assert_eq!(home.fail(keys, &["address", "list"]).0, 5, "no password");
    std::fs::write(home.path("password"), "correct horse").unwrap();

    let mut bytes = std::fs::read(home.path(keys)).unwrap();
    bytes[90] ^= 1;
    std::fs::write(home.path("damaged.keys"), bytes).unwrap();
    assert_eq!(home.fail("damaged.keys", &["address", "list"]).0, 4);

    // Nobody answers, and then somebody who is no node.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let folder = home.path("");
    let ask = ["--node", &address, "--node-data-dir", &folder, "stake", "status"];
    let (code, said) = home.fail(keys, &ask);
    assert_eq!(code, 8, "{said}");
    assert!(said.contains(".cookie"), "{said}");
    std::fs::write(home.path(".cookie"), "cookie:x").unwrap();
    let strange = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut line = String::new();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while reader.read_line(&mut line).unwrap() > 2 {
            line.clear();
        }
        let body = r#"{"jsonrpc":"2.0","id":1,"result":{"height":"seven"}}"#;
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    });
    assert_eq!(home.fail(keys, &ask).0, 6);
    strange.join().unwrap();
    assert_eq!(home.fail(keys, &ask).0, 8, "nobody listens any more");
}

/// Answers whatever is asked with the status of a node, so many times; the connection after ends it.
fn answer_with_status(listener: &TcpListener, is_synced: bool, times: usize) {
    let status = serde_json::json!({"jsonrpc": "2.0", "id": 1, "result": {
        "version": "0", "network": "devnet", "uptime_secs": 1, "height": 1, "headers": 9,
        "is_synced": is_synced, "is_disk_full": false, "peers": 0, "mempool": 0,
    }})
    .to_string();
    for _ in 0..times {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap() > 2 {
            line.clear();
        }
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{status}", status.len())
            .unwrap();
    }
}

#[test]
fn a_staker_pauses_while_its_node_is_behind_and_says_so_once() {
    let home = Home::new("behind");
    home.run("wallet.keys", &["new"]);
    std::fs::write(home.path(".cookie"), "cookie:x").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let folder = home.path("");
    let run = ["--node", &address, "--node-data-dir", &folder, "stake", "run", "--poll-ms", "10"];
    let mut child = home
        .command("wallet.keys", &run)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    answer_with_status(&listener, false, 5);
    let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let said: Vec<String> =
        BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap).collect();
    assert!(said[0].starts_with("staking for M"), "{said:?}");
    assert_eq!(said[1..], ["pausing: the node has not caught up", "stopped"]);
    // What can be told without the node is told before anything is asked.
    let small = [&run[..], &["--split-from", "1999"]].concat();
    let (code, text) = home.fail("wallet.keys", &small);
    assert!(code == 2 && text.contains("--split-from 1999"), "{code}: {text}");
}

#[test]
fn nobody_who_listens_is_no_panic() {
    let home = Home::new("deaf");
    home.run("wallet.keys", &["new"]);
    let full = || std::fs::File::options().write(true).open("/dev/full").map(Stdio::from);
    let Ok(out) = full() else {
        let _ = std::io::stderr().write_all(b"SKIPPED: this system has no /dev/full\n");
        return;
    };
    let output = home.command("wallet.keys", &["address", "list"]).stdout(out).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write the answer") && !said.contains("panicked"), "{said}");
    let mut deaf = home.command("none.keys", &["address", "list"]);
    let output = deaf.stdout(full().unwrap()).stderr(full().unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "the exit code tells what failed all the same");
}

#[test]
fn a_password_file_of_two_lines_is_refused() {
    let home = Home::new("lines");
    home.run("wallet.keys", &["new"]);
    std::fs::write(home.path("password"), "correct horse\nbattery staple\n").unwrap();
    let (code, said) = home.fail("wallet.keys", &["address", "list"]);
    assert!(code == 5 && said.contains("more than one line"), "{code}: {said}");
}

#[test]
fn a_staker_waits_for_its_node_and_stops_cleanly() {
    let home = Home::new("staker");
    home.run("wallet.keys", &["new"]);
    std::fs::write(home.path(".cookie"), "cookie:x").unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let folder = home.path("");
    for signal in [Signal::INT, Signal::TERM] {
        let mut child = home
            .command("wallet.keys", &["--node", &port, "--node-data-dir", &folder, "stake", "run"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        assert!(said.next().unwrap().unwrap().starts_with("staking for M"));
        assert!(said.next().unwrap().unwrap().starts_with("waiting for the node"));
        // The keystore is closed meanwhile: another command opens it.
        home.run("wallet.keys", &["address", "list"]);
        let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert_eq!(said.next().unwrap().unwrap(), "stopped");
    }
}
