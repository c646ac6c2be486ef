//! What the program says to people and programs.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use serde_json::Value;

use super::exit::{Declined, Usage};

/// Prints an answer: as JSON on one line, or as lines of names and values.
#[expect(clippy::print_stdout, reason = "this is the program's answer")]
pub(super) fn answer(is_json: bool, value: &Value) {
    if is_json {
        println!("{value}");
        return;
    }
    print!("{}", lines(value, 0));
}

/// Says something beside the answer.
#[expect(clippy::print_stderr, reason = "news for the person at the terminal")]
pub(super) fn note(text: &str) {
    eprintln!("{text}");
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
        Value::String(text) => text.clone(),
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
    use super::lines;
    use serde_json::json;

    #[test]
    fn an_answer_as_lines() {
        let value = json!({"a": "x", "list": [{"b": 1, "c": "y"}, 7], "inner": {"d": null}});
        assert_eq!(lines(&value, 0), "a x\ninner\n  d null\nlist\n  b 1, c y\n  7\n");
    }
}
