//! Reading and comparing the fields of a vector.
//!
//! An absent or null field is skipped. A present one is either compared, which counts as a check, or
//! has the wrong form, which is a problem.

use std::fmt::Display;

use ethnum::U256;
use mvs_primitives::encode::{Decode, Encode};
use serde_json::Value;

use super::report::Case;

/// Returns a field that is present and not null.
pub(super) fn get<'v>(of: &'v Value, key: &str) -> Option<&'v Value> {
    of.get(key).filter(|value| !value.is_null())
}

/// Returns a field's text.
pub(super) fn text<'v>(of: &'v Value, key: &str) -> Option<&'v str> {
    of.get(key)?.as_str()
}

/// Tells whether an object has one of the keys.
pub(super) fn has_any(of: &Value, keys: &[&str]) -> bool {
    keys.iter().any(|key| get(of, key).is_some())
}

/// Reads a number: a JSON integer, or text in decimal or, after `0x`, in hex.
pub(super) fn to_number(value: &Value) -> Option<U256> {
    if let Some(number) = value.as_u64() {
        return Some(U256::from(number));
    }
    let text = value.as_str()?;
    match text.strip_prefix("0x") {
        Some(digits) => U256::from_str_radix(digits, 16).ok(),
        None => U256::from_str_radix(text, 10).ok(),
    }
}

/// Returns hex digits without the `0x` that they may begin with.
fn digits(text: &str) -> &str {
    text.strip_prefix("0x").unwrap_or(text)
}

/// The forms that a field can have, with their names.
pub(super) type Form = (fn(&Value) -> bool, &'static str);
pub(super) const TEXT: Form = (Value::is_string, "text");
pub(super) const TRUTH: Form = (Value::is_boolean, "true or false");
pub(super) const LIST: Form = (Value::is_array, "list");
pub(super) const OBJECT: Form = (Value::is_object, "object");
pub(super) const NUMBER: Form = (|value| to_number(value).is_some(), "unsigned number");

impl Case {
    /// Demands of fields that decide what is checked, and are not compared themselves, that they
    /// have their form where they are present: else the check would silently be another.
    pub(super) fn demand(&mut self, of: &Value, keys: &[&str], (is_so, form): Form) {
        for key in keys {
            if let Some(value) = get(of, key).filter(|value| !is_so(value)) {
                self.fail(format!("{key} is no {form}: {value}"));
            }
        }
    }

    /// Demands that every item of a list is an object.
    pub(super) fn demand_objects(&mut self, what: &str, items: &[Value]) {
        if let Some(item) = items.iter().find(|item| !item.is_object()) {
            self.fail(format!("{what} holds {item}"));
        }
    }

    /// Compares a text field exactly.
    pub(super) fn text(&mut self, of: &Value, key: &str, found: &str) {
        let Some(value) = get(of, key) else { return };
        match value.as_str() {
            Some(expected) => self.equal(key, expected, found),
            None => self.fail(format!("{key} is no text: {value}")),
        }
    }

    /// Compares a field of hex digits, of either case and with or without `0x`, with something that
    /// displays as hex.
    pub(super) fn digits(&mut self, of: &Value, key: &str, found: impl Display) {
        let Some(value) = get(of, key) else { return };
        match value.as_str() {
            Some(expected) => {
                self.equal(key, &digits(expected).to_ascii_lowercase(), &found.to_string());
            }
            None => self.fail(format!("{key} is no hex text: {value}")),
        }
    }

    /// Compares a field of hex digits with bytes.
    pub(super) fn hex(&mut self, of: &Value, key: &str, found: &[u8]) {
        self.digits(of, key, hex::encode(found));
    }

    /// Compares a number.
    pub(super) fn number(&mut self, of: &Value, key: &str, found: impl Into<U256>) {
        let Some(value) = get(of, key) else { return };
        let found = found.into();
        match to_number(value) {
            Some(expected) => {
                self.that(expected == found, || {
                    format!("{key}: expected {expected}, found {found}")
                });
            }
            None => self.fail(format!("{key} is no unsigned number: {value}")),
        }
    }

    /// Compares the length of a list field and returns its items.
    pub(super) fn list<'v>(&mut self, of: &'v Value, key: &str, found: usize) -> &'v [Value] {
        let Some(value) = get(of, key) else { return &[] };
        let Some(items) = value.as_array() else {
            self.fail(format!("{key} is no list"));
            return &[];
        };
        self.that(items.len() == found, || {
            format!("{key}: expected {} entries, found {found}", items.len())
        });
        items
    }

    /// Reads a field of hex digits as input for a check.
    pub(super) fn bytes(&mut self, of: &Value, key: &str) -> Option<Vec<u8>> {
        let value = get(of, key)?;
        let bytes = value.as_str().and_then(|text| hex::decode(digits(text)).ok());
        if bytes.is_none() {
            self.fail(format!("{key} is no hex text"));
        }
        bytes
    }

    /// Reads a field of hex digits of a fixed length as input for a check.
    pub(super) fn array<const N: usize>(&mut self, of: &Value, key: &str) -> Option<[u8; N]> {
        let bytes = self.bytes(of, key)?;
        let array = bytes.try_into().ok();
        if array.is_none() {
            self.fail(format!("{key} is not {N} bytes of hex"));
        }
        array
    }

    /// Decodes a field of hex digits and checks that encoding gives the same bytes again.
    pub(super) fn decoded<T: Decode + Encode>(&mut self, of: &Value, key: &str) -> Option<T> {
        let bytes = self.bytes(of, key)?;
        self.round_trip(key, &bytes)
    }

    /// Decodes bytes and checks that encoding gives the same bytes again.
    pub(super) fn round_trip<T: Decode + Encode>(&mut self, what: &str, bytes: &[u8]) -> Option<T> {
        match T::decode(bytes) {
            Ok(value) => {
                self.equal(
                    &format!("{what} encoded again"),
                    &hex::encode(bytes),
                    &hex::encode(value.to_bytes()),
                );
                let (len, counted) = (bytes.len(), value.encoded_len());
                self.that(len == counted, || format!("{what}: {len} bytes, counted {counted}"));
                Some(value)
            }
            Err(error) => {
                self.fail(format!("{what} does not decode: {error} [{}]", error.code()));
                None
            }
        }
    }

    /// Compares two texts; long ones are shown around the first difference.
    pub(super) fn equal(&mut self, what: &str, expected: &str, found: &str) {
        const SHOWN: usize = 80;
        self.that(expected == found, || {
            let same = expected.bytes().zip(found.bytes()).take_while(|(a, b)| a == b).count();
            let show = |text: &str| {
                let skip = if text.len() > SHOWN { same.saturating_sub(SHOWN / 2) } else { 0 };
                let bytes = text.as_bytes().get(skip..).unwrap_or_default();
                let part =
                    String::from_utf8_lossy(bytes.get(..SHOWN).unwrap_or(bytes)).into_owned();
                if part.len() < text.len() { format!("…{part}…") } else { part }
            };
            format!(
                "{what}: expected {}, found {} (they differ at character {same})",
                show(expected),
                show(found)
            )
        });
    }
}
