//! What the program says to people and programs.

use std::io::{self, BufRead as _, IsTerminal as _, Write};

use anyhow::Context as _;
use serde_json::Value;

use super::exit::{Declined, Usage};
use crate::link::{printable, steers};

/// Prints an answer: as JSON on one line, or as lines of names and values.
pub(super) fn answer(is_json: bool, value: &Value) -> anyhow::Result<()> {
    let text = if is_json { json_line(value) } else { lines(value, 0) };
    write_to(&mut io::stdout().lock(), &text).context("cannot write the answer")
}

/// Says something beside the answer. Nobody may be there to hear it; the work goes on.
pub(super) fn note(text: &str) {
    let _nobody_listens = writeln!(io::stderr().lock(), "{text}");
}

fn write_to(out: &mut impl Write, text: &str) -> io::Result<()> {
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes a value so that programs can read it, and terminals are not steered by texts in it.
fn json_line(value: &Value) -> String {
    let mut line = String::new();
    for one in value.to_string().chars() {
        // Outside of texts JSON holds none of these, and all are below 2^16.
        if steers(one) {
            line.push_str(&format!("\\u{:04x}", u32::from(one)));
        } else {
            line.push(one);
        }
    }
    line.push('\n');
    line
}

fn lines(value: &Value, indent: usize) -> String {
    let space = " ".repeat(indent);
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| match value {
                Value::Object(_) | Value::Array(_) => {
                    format!("{space}{name}\n{}", lines(value, indent + 2))
                }
                _ => format!("{space}{name} {}\n", plain(value)),
            })
            .collect(),
        Value::Array(items) => items
            .iter()
            .map(|item| match item {
                Value::Object(members) => {
                    let parts: Vec<String> = members
                        .iter()
                        .map(|(name, value)| format!("{name} {}", plain(value)))
                        .collect();
                    format!("{space}{}\n", parts.join(", "))
                }
                _ => format!("{space}{}\n", plain(item)),
            })
            .collect(),
        _ => format!("{space}{}\n", plain(value)),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text),
        other => other.to_string(),
    }
}

/// Asks the person at the terminal.
pub(super) fn confirm(question: &str) -> anyhow::Result<()> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Usage("nobody is there to be asked; give --yes".to_owned()).into());
    }
    let mut err = std::io::stderr();
    write!(err, "{question} Type yes: ")?;
    err.flush()?;
    let mut line = String::new();
    stdin.lock().read_line(&mut line)?;
    if line.trim() == "yes" { Ok(()) } else { Err(Declined.into()) }
}

#[cfg(test)]
mod tests {
    use super::{json_line, lines, write_to};
    use serde_json::{Value, json};

    #[test]
    fn texts_of_others_steer_no_terminal() {
        let value = json!({"a": "\u{1b}[2J\u{9b}1m\u{202e}\n", "b": "\u{e9}"});
        assert_eq!(lines(&value, 0), "a \\u{1b}[2J\\u{9b}1m\\u{202e}\\n\nb \u{e9}\n");
        let line = json_line(&value);
        assert!(!line.trim_end().chars().any(super::steers));
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
        let long = lines(&json!(["x".repeat(5_000)]), 0);
        assert_eq!(long.len(), 1_004);
    }

    #[test]
    fn an_answer_that_nobody_takes_is_an_error_and_no_panic() {
        let full = std::fs::File::options().write(true).open("/dev/full");
        let Ok(mut full) = full else {
            let _ = std::io::Write::write_all(&mut std::io::stderr(), b"SKIPPED: no /dev/full\n");
            return;
        };
        assert!(write_to(&mut full, "x").is_err());
    }

    #[test]
    fn an_answer_as_lines() {
        let value = json!({"a": "x", "list": [{"b": 1, "c": "y"}, 7], "inner": {"d": null}});
        assert_eq!(lines(&value, 0), "a x\ninner\n  d null\nlist\n  b 1, c y\n  7\n");
    }
}
