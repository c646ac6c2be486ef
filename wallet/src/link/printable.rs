//! Texts of others, made fit for a terminal.

/// Longest text of somebody else that is shown, in characters.
pub const MOST_CHARS: usize = 1_000;

/// Tells whether a character steers a terminal, or turns the order of others around.
pub(crate) fn steers(one: char) -> bool {
    one.is_control()
        || matches!(
            one,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

/// Escapes what steers a terminal, and cuts what is longer than [`MOST_CHARS`].
pub fn printable(text: &str) -> String {
    let (mut shown, mut chars) = (String::new(), 0usize);
    for one in text.chars() {
        // An escape is as many characters as bytes.
        let escaped = steers(one).then(|| one.escape_default().to_string());
        chars = chars.saturating_add(escaped.as_ref().map_or(1, String::len));
        if chars > MOST_CHARS {
            shown.push_str("...");
            break;
        }
        match escaped {
            Some(escaped) => shown.push_str(&escaped),
            None => shown.push(one),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::{MOST_CHARS, printable, steers};

    #[test]
    fn what_steers_a_terminal_is_escaped_and_what_is_long_is_cut() {
        assert_eq!(printable("no \u{e9}\u{4e00} \"x\" \\"), "no \u{e9}\u{4e00} \"x\" \\");
        assert_eq!(printable("\u{1b}[2J\r\n\t"), "\\u{1b}[2J\\r\\n\\t");
        assert_eq!(printable("\u{9b}1m\u{7f}\u{202e}"), "\\u{9b}1m\\u{7f}\\u{202e}");
        assert_eq!(printable(&"\u{e9}".repeat(MOST_CHARS)), "\u{e9}".repeat(MOST_CHARS));
        assert_eq!(printable(&"a".repeat(9_999)), format!("{}...", "a".repeat(MOST_CHARS)));
        assert_eq!(printable(&"\0".repeat(9_999)).matches("\\u{0}").count(), MOST_CHARS / 5);
    }

    proptest! {
        #[test]
        fn nothing_that_steers_is_left(text in "\\PC*|.*") {
            let shown = printable(&text);
            prop_assert!(!shown.chars().any(steers));
            prop_assert!(shown.chars().count() <= MOST_CHARS + 3);
        }
    }
}
