//! Answers as tables for people.

use std::fmt::Write as _;

use mvs_primitives::text::is_hazardous;
use serde_json::{Map, Value};

/// Shows an answer: names beside values, and lists of alike objects as tables.
pub(super) fn table(answer: &Value) -> String {
    let mut out = String::new();
    match answer {
        // Help comes with lines of its own.
        Value::String(text) => {
            for line in text.lines() {
                let _ = writeln!(out, "{}", safe(line));
            }
        }
        other => put(&mut out, other, 0),
    }
    out
}

fn put(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(members) => put_object(out, members, depth),
        Value::Array(items) => put_list(out, items, depth),
        other => {
            let _ = writeln!(out, "{}{}", indent(depth), word(other));
        }
    }
}

fn put_object(out: &mut String, members: &Map<String, Value>, depth: usize) {
    let width = members.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    for (name, value) in members {
        let is_short = matches!(value, Value::Object(inner) if inner.is_empty())
            || matches!(value, Value::Array(inner) if inner.is_empty());
        if (value.is_object() || value.is_array()) && !is_short {
            let _ = writeln!(out, "{}{}", indent(depth), safe(name));
            put(out, value, depth.saturating_add(1));
        } else {
            let _ = writeln!(out, "{}{:width$}  {}", indent(depth), safe(name), word(value));
        }
    }
}

/// Alike objects without parts of their own become rows.
fn put_list(out: &mut String, items: &[Value], depth: usize) {
    let mut columns: Vec<&str> = Vec::new();
    let mut is_table = !items.is_empty();
    for item in items {
        match item {
            Value::Object(members) => {
                for (name, value) in members {
                    is_table &= !value.is_object() && !value.is_array();
                    if !columns.contains(&name.as_str()) {
                        columns.push(name);
                    }
                }
            }
            _ => is_table = false,
        }
    }
    if !is_table {
        for (number, item) in items.iter().enumerate() {
            if item.is_object() || item.is_array() {
                let _ = writeln!(out, "{}- {number}", indent(depth));
                put(out, item, depth.saturating_add(1));
            } else {
                put(out, item, depth);
            }
        }
        return;
    }
    let mut rows: Vec<Vec<String>> = vec![columns.iter().map(|name| safe(name)).collect()];
    for item in items {
        let cell = |name: &&str| item.get(*name).map(word).unwrap_or_default();
        rows.push(columns.iter().map(cell).collect());
    }
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    for row in &rows {
        let mut line = indent(depth);
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

fn indent(depth: usize) -> String {
    "  ".repeat(depth)
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => safe(text),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Texts come from strangers and must not move the cursor.
fn safe(text: &str) -> String {
    let plain = |c: char| if is_hazardous(c) { '\u{fffd}' } else { c };
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::table;
    use serde_json::json;

    #[test]
    fn answers_are_laid_out() {
        let answer =
            json!({"height": 7, "peers": [{"id": 1, "address": "a"}, {"id": 22}], "x": {"y": []}});
        let expected = "height  7\npeers\n  address  id\n  a        1\n           22\nx\n  y  []\n";
        assert_eq!(table(&answer), expected);
        assert_eq!(table(&json!("a\nb\u{1b}[2J")), "a\nb\u{fffd}[2J\n");
        assert_eq!(table(&json!(["p", "q"])), "p\nq\n");
    }
}
