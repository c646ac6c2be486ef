//! The program `vectors` run as a process: what it prints and how it ends.

#![allow(clippy::unwrap_used)] // a test may panic

use std::process::{Command, Output};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vectors")).args(args).output().unwrap()
}

#[test]
fn usage_is_shown_where_it_was_asked_for() {
    for (args, code) in
        [(&[][..], 2), (&["--help"], 0), (&["-h"], 0), (&["file.json", "--help"], 0)]
    {
        let output = run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        let (shown, silent) =
            if code == 0 { (output.stdout, output.stderr) } else { (output.stderr, output.stdout) };
        let shown = String::from_utf8(shown).unwrap();
        assert!(shown.starts_with("usage: vectors PATH...\n"), "{shown}");
        assert!(shown.contains("example: vectors "), "{shown}");
        assert!(silent.is_empty());
    }
}

#[test]
fn the_last_line_counts_and_the_exit_code_judges() {
    let last = |output: &Output| {
        String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().to_owned()
    };
    let good = run(&[concat!(env!("CARGO_MANIFEST_DIR"), "/data/genesis.json")]);
    assert_eq!((good.status.code(), last(&good)), (Some(0), "3 passed, 0 failed".into()));
    let missing = run(&["/nowhere/at/all"]);
    assert_eq!((missing.status.code(), last(&missing)), (Some(2), "0 passed, 0 failed".into()));
    assert!(String::from_utf8_lossy(&missing.stdout).contains("UNUSABLE "));
}
