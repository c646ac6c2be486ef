//! The program run as a process: exit codes, input from a file and from standard input, output for
//! machines and for people.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking, its helpers too

#[path = "common/mod.rs"]
mod common;

use std::io::Write;
use std::process::{Command, Output, Stdio};

use asset_spec::clause;
use common::{FILES, cases, text};
use serde_json::Value;

fn run(args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_asset-spec"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input); // a program that refuses early closes its end
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn reports(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn complaint(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn good_bad_and_unusable() {
    let good = run(&["check", "-"], b"0100000000000000\n");
    assert_eq!(code(&good), 0);
    assert!(good.stdout.ends_with(b"line 1: good attachment\n"));

    let bad = run(&["check", "-"], b"01000000ffffffff\n");
    assert_eq!(code(&bad), 1);
    let shown = String::from_utf8(bad.stdout).unwrap();
    assert!(shown.contains("line 1: bad attachment: attachment.type: "));
    assert!(shown.contains("clause attachment.type: In transaction version 4"));

    for args in [
        &["check"][..],
        &["check", "/nowhere/at/all"],
        &["check", "-", "--kind", "block"],
        &["check", "-", "--tx-version", "5"],
        &["check", "-", "--network", "moon"],
        &["chekc", "-"],
        &[],
    ] {
        assert_eq!(code(&run(args, b"0100000000000000")), 2, "{args:?}");
    }
    let empty = run(&["check", "-"], b" \n# nothing\n");
    assert_eq!(code(&empty), 2);
    assert!(complaint(&empty).contains("standard input: the input holds no item"));
    // What cannot be read is named: nothing, and a folder.
    for path in ["/nowhere/at/all", env!("CARGO_MANIFEST_DIR")] {
        let output = run(&["check", path], b"");
        assert_eq!(code(&output), 2);
        assert!(complaint(&output).contains(&format!("{path}: cannot read")), "{path}");
    }
}

/// The examples of the help texts run: each is a pipe or a call without files.
#[test]
fn help_has_examples_that_run() {
    for (args, examples) in
        [(&["--help"][..], 2), (&["check", "--help"], 1), (&["codes", "--help"], 2)]
    {
        let help = run(args, b"");
        assert_eq!(code(&help), 0);
        let help = String::from_utf8(help.stdout).unwrap();
        let (_, shown) = help.split_once("Examples:\n").unwrap();
        let mut ran = 0;
        for line in shown.lines().map(str::trim).take_while(|line| !line.is_empty()) {
            let (input, call) = match line.split_once(" | asset-spec ") {
                Some((echo, call)) => (echo.strip_prefix("echo ").unwrap(), call),
                None => ("", line.strip_prefix("asset-spec ").unwrap()),
            };
            let call = call.split(" | ").next().unwrap();
            if call.ends_with("items.txt") {
                continue;
            }
            let words: Vec<_> = call.split(' ').collect();
            assert_eq!(code(&run(&words, input.as_bytes())), 0, "{line}");
            ran += 1;
        }
        assert_eq!(ran, examples, "{args:?}");
    }
}

#[test]
fn reports_for_machines() {
    let output =
        run(&["check", "--json", "-"], b"# two\n0100000000000000\n010000000200000003000000");
    assert_eq!(code(&output), 1);
    let reports = reports(&output);
    assert_eq!(
        reports[0],
        serde_json::json!({"line": 2, "ok": true, "kind": "attachment",
                           "value": {"version": 1, "type": "etp"}})
    );
    assert_eq!(reports[1]["line"], 3);
    assert_eq!(reports[1]["ok"], false);
    assert_eq!(reports[1]["code"], "decode.asset_status");
    assert_eq!(reports[1]["value"], Value::Null);
    assert!(reports[1]["clause"].as_str().unwrap().contains("1 (detail) or 2 (transfer)"));
    assert_eq!(reports.len(), 2);
}

#[test]
fn hexadecimal_is_read_with_spaces_and_refused_precisely() {
    let output = run(&["check", "--json", "-"], b"01000000 00 000000\n0x01\n01F\nff\xff");
    let reports = reports(&output);
    assert_eq!(code(&output), 1);
    assert_eq!(reports[0]["ok"], true);
    for report in &reports[1..] {
        assert_eq!(report["code"], "input.hex");
        assert_eq!(report["kind"], Value::Null);
    }
    assert!(reports[1]["message"].as_str().unwrap().contains("'x' in column 2"));
    assert!(reports[2]["message"].as_str().unwrap().contains("3 hexadecimal digits"));
    let joined = run(&["check", "--single", "-"], b"01000000\r\n\r\n00000000 # type\r\n");
    assert_eq!(code(&joined), 0);
}

#[test]
fn sizes_are_bounded() {
    let huge = run(&["check", "-"], &vec![b'0'; 4 * 1024 * 1024 + 1]);
    assert_eq!(code(&huge), 2);
    assert!(complaint(&huge).contains("larger than 4194304 bytes"));
    let long = run(&["check", "--json", "-"], &vec![b'0'; 2 * 1_800_004]);
    assert_eq!(code(&long), 1);
    assert_eq!(reports(&long)[0]["code"], "decode.over_budget");
    // 23,810 outputs of nominal size 42 are over a million.
    let output = format!("0000000000000000 19 76a914{}88ac 0100000000000000", "00".repeat(20));
    let input = format!("{} 00000000 00 ffffffff", "01".repeat(32));
    let big = format!("04000000 01 {input} fd025d {} 00000000", output.repeat(23_810));
    let refused = run(&["check", "--json", "-"], big.as_bytes());
    assert_eq!(code(&refused), 1);
    assert_eq!(reports(&refused)[0]["code"], "tx.size");
}

#[test]
fn the_network_and_the_transaction_version_count() {
    for file in FILES {
        let special =
            |case: &&Value| case.get("network").is_some() || case.get("tx_version").is_some();
        for case in cases(file).iter().filter(special).take(12) {
            let version = case.get("tx_version").map_or(4, |version| version.as_u64().unwrap());
            let output = run(
                &[
                    "check",
                    "--json",
                    "--kind",
                    text(case, "kind").unwrap(),
                    "--network",
                    text(case, "network").unwrap_or("mainnet"),
                    "--tx-version",
                    &version.to_string(),
                    "-",
                ],
                text(case, "hex").unwrap().as_bytes(),
            );
            assert_eq!(code(&output) == 0, case["ok"] == true, "{file}: {case}");
            assert_eq!(reports(&output)[0].get("code"), case.get("code"), "{file}: {case}");
        }
    }
}

#[test]
fn every_vector_through_the_program_at_once() {
    for (file, kind) in [
        ("attachments.json", "attachment"),
        ("outputs.json", "output"),
        ("reference-verdicts.json", "transaction"),
    ] {
        let cases: Vec<_> = cases(file)
            .into_iter()
            .filter(|case| case.get("network").is_none() && case.get("tx_version").is_none())
            .filter(|case| text(case, "hex") != Some(""))
            .collect();
        let path = std::env::temp_dir().join(format!("asset-spec-{}-{file}", std::process::id()));
        let lines: Vec<_> = cases.iter().map(|case| text(case, "hex").unwrap()).collect();
        std::fs::write(&path, lines.join("\n")).unwrap();
        let output = run(&["check", "--json", "--kind", kind, path.to_str().unwrap()], b"");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(code(&output), 1);
        let reports = reports(&output);
        assert_eq!(reports.len(), cases.len());
        for (case, report) in cases.iter().zip(reports) {
            assert_eq!(
                (case.get("code"), &case["ok"]),
                (report.get("code"), &report["ok"]),
                "{case}"
            );
            assert_eq!(case.get("canonical_hex"), report.get("canonical_hex"), "{case}");
        }
    }
}

/// Version 1, type message, and a text that clears the screen in three ways: ESC, the one-character
/// CSI, and DEL, then turns around what follows.
const HOSTILE_MESSAGE: &str = "01000000 03000000 0d 1b5b324a c29b324a 7f e280ae 41";

#[test]
fn what_strangers_wrote_does_not_reach_the_terminal() {
    for tx_version in ["1", "4"] {
        let args = ["check", "-", "--tx-version", tx_version];
        let shown = run(&args, HOSTILE_MESSAGE.as_bytes());
        let shown = std::str::from_utf8(&shown.stdout).unwrap();
        let loose = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!shown.contains(loose), "{shown:?}");
    }
    let json = run(&["check", "--json", "-"], HOSTILE_MESSAGE.as_bytes());
    assert!(!String::from_utf8_lossy(&json.stdout).contains(['\u{7f}', '\u{9b}', '\u{202e}']));
    // The same text for a machine.
    assert_eq!(reports(&json)[0]["value"]["content"], "\u{1b}[2J\u{9b}2J\u{7f}\u{202e}A");
}

#[test]
fn a_lone_carriage_return_ends_a_line() {
    // Else the comment would swallow the bad item, and everything would pass for good.
    let output = run(&["check", "--json", "-"], b"# two\r0100000000000000\r01000000ffffffff\r");
    assert_eq!(code(&output), 1);
    let lines: Vec<_> = reports(&output).iter().map(|report| report["line"].clone()).collect();
    assert_eq!(lines, [2, 3]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_device_is_a_failure_and_no_panic() {
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = |args: &[&str], to_out: bool| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_asset-spec"));
        program.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if to_out {
            program.stdout(full())
        } else {
            program.stderr(full())
        };
        program.status().unwrap().code()
    };
    assert_eq!(status(&["codes"], true), Some(2));
    assert_eq!(status(&["check", "/nowhere/at/all"], false), Some(2));
}

#[test]
fn codes_are_listed() {
    let output = run(&["codes"], b"");
    assert_eq!(code(&output), 0);
    let listed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(listed.lines().count(), clause::all().count());
    for (line, clause) in listed.lines().zip(clause::all()) {
        assert!(line.starts_with(clause.code) && line.ends_with(clause.text), "{line}");
    }
    let json = reports(&run(&["codes", "--json"], b""));
    assert_eq!(json.len(), clause::all().count());
    assert_eq!(json[0]["code"], "decode.truncated");
}
