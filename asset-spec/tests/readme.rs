//! The README is true: its examples run, its model rows are vectors, and it names every code.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking, its helpers too

#[path = "common/mod.rs"]
mod common;

use std::io::Write;
use std::process::{Command, Stdio};

use asset_spec::clause;
use common::{load, package};
use serde_json::Value;

fn readme() -> String {
    std::fs::read_to_string(package("README.md")).unwrap()
}

/// Returns the contents of the fenced blocks with a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let parts = text.split(&fence).skip(1);
    parts.map(|part| part.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn every_example_runs() {
    let mut examples = 0;
    for block in blocks(&readme(), "console") {
        for example in block.split("$ ").skip(1) {
            let (command, expected) = example.split_once('\n').unwrap();
            let (echo, program) = command.split_once(" | ").unwrap();
            let input = echo.strip_prefix("echo ").unwrap();
            let args = program.strip_prefix("asset-spec ").unwrap().split(' ');
            let mut child = Command::new(env!("CARGO_BIN_EXE_asset-spec"))
                .args(args)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
            let output = child.wait_with_output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), expected, "{command}");
            let is_bad = expected.contains("line 1: bad") || expected.contains("\"ok\":false");
            assert_eq!(output.status.code(), Some(i32::from(is_bad)), "{command}");
            examples += 1;
        }
    }
    assert!(examples >= 14, "{examples}");
}

#[test]
fn every_code_is_explained_and_no_other_is_named() {
    let readme = readme();
    for clause in clause::all() {
        assert!(readme.contains(&format!("`{}`", clause.code)), "{}", clause.code);
    }
    let prose = readme.split("```").step_by(2).collect::<String>();
    for quoted in prose.split('`').skip(1).step_by(2) {
        let group = quoted.split('.').next().unwrap_or_default();
        let is_code = quoted.contains('.')
            && clause::all().any(|clause| clause.code.split('.').next() == Some(group))
            && !quoted.ends_with(".json");
        assert!(!is_code || clause::text_of(quoted).is_some(), "{quoted}");
    }
}

/// Shows a row of the model blocks as its vector has it.
fn is_vector(vectors: &Value, row: &str) -> bool {
    let cells: Vec<_> = row.split('|').map(str::trim).collect();
    let recorded = &vectors["recorded_from_reference"];
    let all = |list: &Value| list.as_array().unwrap().clone();
    let number = |cell: &str| Value::from(cell.parse::<u64>().unwrap());
    let yes = |cell: &str| Value::from(cell == "yes");
    match cells[..] {
        ["available", model, amount, blocks, free, new] => {
            let new = if new == "all" { Value::Null } else { new.into() };
            [all(&vectors["from_libraries"]), all(&vectors["derived"])].concat().iter().any(|v| {
                v["model_param"] == model
                    && v["asset_amount"] == number(amount)
                    && v["diff_height"] == number(blocks)
                    && v["available"] == number(free)
                    && v["new_model_param"] == new
            })
        }
        ["wallet", asked, amount, model] => all(&recorded["wallet_make_initial"])
            .iter()
            .any(|v| v["input"] == asked && v["amount"] == number(amount) && v["result"] == model),
        ["distance", old, new, distance] => all(&recorded["distance"]).iter().any(|v| {
            let new = if new == "all" { "" } else { new };
            v["old"] == old && v["new"] == new && v["distance"] == distance
        }),
        ["parse", model, ok] => all(&recorded["format_ok"])
            .iter()
            .any(|v| v["model_param"] == model && v["ok"] == yes(ok)),
        ["initial", model, amount, ok] => all(&recorded["initial_check"]).iter().any(|v| {
            v["model_param"] == model && v["amount"] == number(amount) && v["ok"] == yes(ok)
        }),
        _ => panic!("unknown row {row}"),
    }
}

#[test]
fn every_model_row_is_a_vector() {
    let vectors = load("attenuation.json");
    let rows: Vec<_> = blocks(&readme(), "model")
        .iter()
        .flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert!(rows.len() > 20, "{}", rows.len());
    for row in rows {
        assert!(is_vector(&vectors, &row), "{row}");
    }
}
