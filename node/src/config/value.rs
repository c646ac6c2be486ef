//! Kinds of values.

use std::net::SocketAddr;
use std::path::PathBuf;

use toml::Value;

/// A kind of value that file, environment and flags can give.
pub trait Setting: Sized {
    /// What a value may be, for people.
    const EXPECTED: &'static str;
    /// Yes or no.
    const IS_SWITCH: bool = false;
    /// Several values.
    const IS_LIST: bool = false;

    /// Reads text from the environment or a flag.
    ///
    /// # Errors
    /// What is wrong.
    fn parse(text: &str) -> Result<Self, String>;

    /// Reads a value of the file.
    ///
    /// # Errors
    /// What is wrong.
    fn from_toml(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Self::parse(text),
            Value::Integer(number) => Self::parse(&number.to_string()),
            Value::Boolean(switch) => Self::parse(&switch.to_string()),
            other => Err(format!("{other} is no such value")),
        }
    }

    /// Writes it as the file would have it; an empty text for "nothing".
    fn to_toml(&self) -> String;
}

fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

impl Setting for bool {
    const EXPECTED: &'static str = "true or false";
    const IS_SWITCH: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "true" | "yes" | "1" | "on" => Ok(true),
            "false" | "no" | "0" | "off" => Ok(false),
            _ => Err(format!("{text:?} is neither true nor false")),
        }
    }

    fn to_toml(&self) -> String {
        self.to_string()
    }
}

impl Setting for u32 {
    const EXPECTED: &'static str = "a whole number";

    fn parse(text: &str) -> Result<Self, String> {
        text.replace('_', "").parse().map_err(|_| format!("{text:?} is no number below 2^32"))
    }

    fn to_toml(&self) -> String {
        self.to_string()
    }
}

impl Setting for String {
    const EXPECTED: &'static str = "a text";

    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn to_toml(&self) -> String {
        quoted(self)
    }
}

impl Setting for PathBuf {
    const EXPECTED: &'static str = "a path";

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self::from(text))
    }

    fn to_toml(&self) -> String {
        quoted(&self.to_string_lossy())
    }
}

impl Setting for SocketAddr {
    const EXPECTED: &'static str = "an address and a port, as 127.0.0.1:5251 or [::1]:5251";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("{text:?} is no address with a port"))
    }

    fn to_toml(&self) -> String {
        quoted(&self.to_string())
    }
}

impl<T: Setting> Setting for Vec<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    const IS_LIST: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(T::parse).collect()
    }

    fn from_toml(value: &Value) -> Result<Self, String> {
        match value {
            Value::Array(items) => items.iter().map(T::from_toml).collect(),
            other => Ok(vec![T::from_toml(other)?]),
        }
    }

    fn to_toml(&self) -> String {
        let items: Vec<String> = self.iter().map(T::to_toml).collect();
        format!("[{}]", items.join(", "))
    }
}

impl<T: Setting> Setting for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    const IS_SWITCH: bool = T::IS_SWITCH;
    const IS_LIST: bool = T::IS_LIST;

    fn parse(text: &str) -> Result<Self, String> {
        // A list may be given and be empty.
        if text.is_empty() && !T::IS_LIST { Ok(None) } else { T::parse(text).map(Some) }
    }

    fn from_toml(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(text) if text.is_empty() && !T::IS_LIST => Ok(None),
            other => T::from_toml(other).map(Some),
        }
    }

    fn to_toml(&self) -> String {
        self.as_ref().map(T::to_toml).unwrap_or_default()
    }
}

/// A number of bytes, with or without a unit: `1000`, `64 MiB`, `2 GB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(u64);

impl Bytes {
    /// Wraps a number of bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Returns the number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the number of bytes as far as memory goes.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

const UNITS: [(&str, u64); 8] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

impl Setting for Bytes {
    const EXPECTED: &'static str = "a number of bytes, as 1000, \"64 MiB\" or \"2 GB\"";

    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no number of bytes");
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.replace('_', "").parse().map_err(|_| wrong())?;
        let unit = unit.trim();
        let factor = match unit {
            "" | "B" => 1,
            _ => UNITS
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(unit))
                .map(|(_, factor)| *factor)
                .ok_or_else(wrong)?,
        };
        number.checked_mul(factor).map(Self).ok_or_else(wrong)
    }

    fn to_toml(&self) -> String {
        let binary =
            UNITS.iter().take(4).rev().find(|(_, f)| self.0 > 0 && self.0.is_multiple_of(*f));
        match binary {
            Some((name, factor)) => format!("\"{} {name}\"", self.0 / factor),
            None => self.0.to_string(),
        }
    }
}
