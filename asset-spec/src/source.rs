//! Where the bytes come from: text with one hexadecimal item per line.

use std::io::Read;

use crate::clause::{Broken, Rule};

/// The largest input in bytes: room for one item of the largest size in hexadecimal, and comments.
pub const MAX_INPUT_BYTES: usize = 4 * 1024 * 1024;

/// Input that cannot be taken apart into items.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// It cannot be read.
    #[error("cannot read the input: {0}")]
    Io(#[from] std::io::Error),
    /// It is too large.
    #[error("the input is larger than {MAX_INPUT_BYTES} bytes; split it")]
    TooLarge,
    /// There is nothing in it.
    #[error("the input holds no item: every line is empty or a comment")]
    Nothing,
}

/// One item: the text of its hexadecimal digits and the line on which it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Line number, from 1.
    pub line: usize,
    text: String,
}

/// Reads input up to [`MAX_INPUT_BYTES`].
///
/// # Errors
/// [`SourceError`] when reading fails or there is more.
pub fn read(reader: impl Read) -> Result<Vec<u8>, SourceError> {
    let mut bytes = Vec::new();
    let limit = MAX_INPUT_BYTES as u64 + 1; // widening
    reader.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_INPUT_BYTES { Err(SourceError::TooLarge) } else { Ok(bytes) }
}

/// Takes input apart: one item per line, or with `single` one item in all lines together. Empty
/// lines and what follows a `#` are left out. A lone carriage return ends a line too: else a comment
/// would hide every item behind it.
///
/// # Errors
/// [`SourceError::Nothing`] when no item is left.
pub fn items(input: &[u8], single: bool) -> Result<Vec<Item>, SourceError> {
    let text = String::from_utf8_lossy(input);
    let mut items: Vec<Item> = Vec::new();
    let text = text.replace("\r\n", "\n");
    for (index, line) in text.split(['\n', '\r']).enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        if line.trim().is_empty() {
            continue;
        }
        match items.last_mut().filter(|_| single) {
            Some(item) => {
                item.text.push('\n');
                item.text.push_str(line);
            }
            None => items.push(Item { line: index + 1, text: line.to_owned() }),
        }
    }
    if items.is_empty() { Err(SourceError::Nothing) } else { Ok(items) }
}

impl Item {
    /// Reads the digits; white space between them does not count.
    ///
    /// # Errors
    /// `input.hex` with the first character that is no digit, or with an odd number of digits.
    pub fn bytes(&self) -> Result<Vec<u8>, Broken> {
        let mut digits = String::with_capacity(self.text.len());
        for (index, line) in self.text.split('\n').enumerate() {
            for (column, character) in line.chars().enumerate() {
                if character.is_ascii_hexdigit() {
                    digits.push(character);
                } else if !character.is_whitespace() {
                    let place = match index {
                        0 => String::new(),
                        lines => format!(", {lines} lines below the item's first"),
                    };
                    return Err(Rule::InputHex.broken(format!(
                        "{character:?} in column {}{place} is not a hexadecimal digit",
                        column + 1
                    )));
                }
            }
        }
        hex::decode(&digits).map_err(|_| {
            Rule::InputHex
                .broken(format!("{} hexadecimal digits do not make whole bytes", digits.len()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Item, MAX_INPUT_BYTES, SourceError, items, read};

    #[test]
    fn lines_comments_and_blanks() {
        let input = b"# two items\n\n 01 02 # first\r\n\t0aFF\n";
        let found = items(input, false).unwrap();
        assert_eq!(found.iter().map(|item| item.line).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(found[0].bytes(), Ok(vec![1, 2]));
        assert_eq!(found[1].bytes(), Ok(vec![0x0a, 0xff]));
        let joined = items(input, true).unwrap();
        assert_eq!(joined.len(), 1);
        assert_eq!(joined[0].bytes(), Ok(vec![1, 2, 0x0a, 0xff]));
        assert!(matches!(items(b" \n# x\n", false), Err(SourceError::Nothing)));
    }

    #[test]
    fn what_is_not_hexadecimal_is_named() {
        let message =
            |text: &str| Item { line: 1, text: text.to_owned() }.bytes().unwrap_err().message;
        assert!(message("01 0x02").contains("'x' in column 5"));
        assert!(message("012").contains("3 hexadecimal digits"));
        assert!(message("01\n0g").contains("'g' in column 2, 1 lines below"));
        let garbage = String::from_utf8_lossy(&[0xff, 0x00]).into_owned();
        assert!(message(&garbage).contains("column 1"));
    }

    #[test]
    fn size_is_bounded() {
        assert!(matches!(read(std::io::repeat(b'0')), Err(SourceError::TooLarge)));
        assert_eq!(read(&vec![b'0'; MAX_INPUT_BYTES][..]).unwrap().len(), MAX_INPUT_BYTES);
    }
}
