//! Strings of the wire, and one type for each kind of name.

use std::fmt;

use crate::encode::{Decode, DecodeError, Decoder, Encode, Sink, put_var_bytes};

/// Bytes that cannot be a wire string because they hold a NUL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a NUL byte at position {position} would cut the string there")]
pub struct NulError {
    /// Index of the first NUL byte.
    pub position: usize,
}

/// A string of the wire: any bytes but NUL, no character set, no length limit of its own.
///
/// QUIRK (chain.md 3.4): the chain's first node cuts a string at its first NUL byte when reading and
/// hashes the cut form, so decoding does the same and NUL can never be inside.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text(Box<[u8]>);

impl Text {
    /// Wraps bytes.
    ///
    /// # Errors
    /// [`NulError`] when a NUL byte is among them.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, NulError> {
        let bytes = bytes.as_ref();
        match bytes.iter().position(|byte| *byte == 0) {
            None => Ok(Self(bytes.into())),
            Some(position) => Err(NulError { position }),
        }
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the length of the wire form (with its CompactSize) in bytes.
    pub fn wire_len(&self) -> usize {
        crate::encode::CompactSize::len_of(self.0.len() as u64) + self.0.len() // widening
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Encode for Text {
    fn encode<S: Sink>(&self, sink: &mut S) {
        put_var_bytes(&self.0, sink);
    }
}

impl Decode for Text {
    const MIN_BYTES: usize = 1;

    fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let bytes = decoder.var_bytes("string")?;
        Ok(match bytes.split(|byte| *byte == 0).next() {
            Some(cut) if cut.len() < bytes.len() => {
                decoder.depart();
                Self(cut.into())
            }
            _ => Self(bytes.into()),
        })
    }
}

/// Tells whether a character, shown to people, does something else than to leave ink: a control
/// character, a line or paragraph separator, or a mark that turns around the text behind it, so that
/// a name or an amount reads as another.
pub fn is_hazardous(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(character, '\u{2066}'..='\u{2069}')
}

impl fmt::Display for Text {
    /// Shows the text; bytes that are not UTF-8, and [hazardous](is_hazardous) characters, appear as
    /// `\xNN`: the text comes from strangers and must not move a terminal's cursor, add lines to a
    /// log, or turn around what stands beside it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escape = |f: &mut fmt::Formatter<'_>, bytes: &[u8]| {
            bytes.iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))
        };
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                if is_hazardous(character) {
                    escape(f, character.encode_utf8(&mut [0; 4]).as_bytes())?;
                } else {
                    fmt::Write::write_char(f, character)?;
                }
            }
            escape(f, chunk.invalid())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl serde::Serialize for Text {
    /// A string; `{"hex": …}` when the bytes are not UTF-8, so that nothing is lost.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        if let Ok(text) = std::str::from_utf8(&self.0) {
            return serializer.serialize_str(text);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("hex", &hex::encode(&self.0))?;
        map.end()
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(Text);

        impl $name {
            /// Wraps bytes as this kind of name. Its characters are a consensus matter
            /// ([`crate::symbol`]); only NUL is impossible.
            ///
            /// # Errors
            /// [`NulError`] when a NUL byte is among them.
            pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, NulError> {
                Text::new(bytes).map(Self)
            }

            /// Returns the bytes.
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }

            /// Returns the name as text.
            pub const fn as_text(&self) -> &Text {
                &self.0
            }

            /// Returns the length in bytes.
            pub fn len(&self) -> usize {
                self.0.len()
            }

            /// Tells whether the name is empty.
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }

        impl Encode for $name {
            fn encode<S: Sink>(&self, sink: &mut S) {
                self.0.encode(sink);
            }
        }

        impl Decode for $name {
            const MIN_BYTES: usize = 1;

            fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
                Text::decode_from(decoder).map(Self)
            }
        }

        impl From<Text> for $name {
            fn from(text: Text) -> Self {
                Self(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), self.0)
            }
        }
    };
}

name! {
    /// The name of an issued asset (MST) or of a certificate.
    Symbol
}
name! {
    /// The name of a unique item (MIT).
    MitSymbol
}
name! {
    /// The name of a digital identity (DID, "avatar").
    DidName
}
name! {
    /// An address as text inside an attachment. It is compared as text (chain.md 7.11.1) and need
    /// not parse.
    AddressText
}

#[cfg(test)]
mod tests {
    use super::Text;
    use crate::encode::{Decode, Decoder, Encode};

    #[test]
    fn nul_cuts_on_reading_and_is_refused_on_building() {
        let wire = [5, b'a', b'b', 0, b'c', b'd'];
        let mut decoder = Decoder::new(&wire, 6).unwrap();
        let text = Text::decode_from(&mut decoder).unwrap();
        assert_eq!(text.as_bytes(), b"ab");
        assert_eq!(decoder.departures(), 1);
        assert_eq!(text.to_bytes(), [2, b'a', b'b']);
        assert_eq!(Text::new(b"ab\0c").unwrap_err().position, 2);
    }

    #[test]
    fn bytes_outside_utf8_survive_in_json() {
        let text = Text::new([0xff, b'a']).unwrap();
        assert_eq!(text.to_string(), "\\xffa");
        assert_eq!(Text::new("a\x1b[2J\nb").unwrap().to_string(), "a\\x1b[2J\\x0ab");
        let turned = Text::new("a\u{202e}b\u{9b}\u{2028}\u{2066}").unwrap();
        assert_eq!(turned.to_string(), "a\\xe2\\x80\\xaeb\\xc2\\x9b\\xe2\\x80\\xa8\\xe2\\x81\\xa6");
        assert_eq!(Text::new("中文 é").unwrap().to_string(), "中文 é");
        assert_eq!(serde_json::to_string(&text).unwrap(), r#"{"hex":"ff61"}"#);
        assert_eq!(serde_json::to_string(&Text::new("né").unwrap()).unwrap(), "\"né\"");
    }
}
