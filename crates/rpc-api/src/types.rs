//! What is asked and answered, by group.
//!
//! Hashes are 64 hex digits in display order, bytes are hex, times are Unix seconds, amounts are whole
//! base units (1 ETP is 10^8 of them), or decimal texts where the caller asks for these.

pub mod address;
pub mod chain;
pub mod control;
pub mod mempool;
pub mod mining;
pub mod names;
pub mod network;
pub mod stake;
pub mod subscription;
pub mod transaction;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Declares shapes with the same derives; an optional field may be left out.
macro_rules! shapes {
    ($($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)*
    })+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
        }
    )+};
}

/// Declares parameters: unknown ones are refused, optional ones may be left out, and their order is
/// that of positional parameters.
macro_rules! params {
    ($($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)*
        $(? $($(#[$option_meta:meta])* pub $option:ident: $option_type:ty,)+)?
    })+) => {$(
        $(#[$meta])*
        #[derive(
            Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
        )]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
            $($($(#[$option_meta])*
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub $option: Option<$option_type>,)+)?
        }
    )+};
    // Parameters that may all be left out.
    (optional $($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$option_meta:meta])* pub $option:ident: $option_type:ty,)*
    })+) => {$(
        $(#[$meta])*
        #[derive(
            Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize,
            schemars::JsonSchema,
        )]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$option_meta])*
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub $option: Option<$option_type>,)*
        }
    )+};
}

pub(crate) use {params, shapes};

params! { optional
    /// No parameters.
    pub struct Nothing {}
}

/// A text from the chain. Bytes that are not UTF-8 come as hex, so that nothing is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ChainText {
    /// A text; it may hold any character that a stranger put there.
    Text(String),
    /// Bytes that are no text.
    Bytes {
        /// The bytes.
        hex: String,
    },
}

/// A quantity: whole base units, or a decimal text if that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Quantity {
    /// Base units.
    Units(u64),
    /// Units of display, as decimal text.
    Decimal(String),
}

impl Quantity {
    /// Shows base units, with a decimal point before so many last digits if that was asked for.
    pub fn new(units: u64, decimals: u8, form: Option<AmountForm>) -> Self {
        if form != Some(AmountForm::Decimal) {
            return Self::Units(units);
        }
        let decimals = usize::from(decimals);
        if decimals == 0 {
            return Self::Decimal(units.to_string());
        }
        let digits = format!("{units:0>width$}", width = decimals.saturating_add(1));
        let (whole, part) = digits.split_at(digits.len().saturating_sub(decimals));
        Self::Decimal(format!("{whole}.{part}"))
    }

    /// Returns the base units; `None` when it is a decimal text.
    pub const fn units(&self) -> Option<u64> {
        match self {
            Self::Units(units) => Some(*units),
            Self::Decimal(_) => None,
        }
    }

    /// Writes it as decimal text, if it is not.
    pub fn into_decimal(self, decimals: u8) -> Self {
        match self {
            Self::Units(units) => Self::new(units, decimals, Some(AmountForm::Decimal)),
            decimal @ Self::Decimal(_) => decimal,
        }
    }
}

/// How quantities are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AmountForm {
    /// Whole base units, as a number.
    Units,
    /// Decimal text in units of display: "1.50000000".
    Decimal,
}

/// A block: by its height, or by its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a height from 0 to 4294967295, or a hash")]
pub enum BlockId {
    /// Its height.
    Height(u32),
    /// Its hash.
    Hash(String),
}

/// In which order a history is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// From the genesis block up.
    OldestFirst,
    /// From the tip down.
    NewestFirst,
}

#[cfg(test)]
mod tests {
    use super::{AmountForm, Quantity};

    #[test]
    fn decimals_stand_where_they_should() {
        let decimal = |units, decimals| Quantity::new(units, decimals, Some(AmountForm::Decimal));
        assert_eq!(decimal(150_000_000, 8), Quantity::Decimal("1.50000000".to_owned()));
        assert_eq!(decimal(1, 8), Quantity::Decimal("0.00000001".to_owned()));
        assert_eq!(decimal(7, 0), Quantity::Decimal("7".to_owned()));
        assert_eq!(decimal(u64::MAX, 19), Quantity::Decimal("1.8446744073709551615".to_owned()));
        assert_eq!(Quantity::new(5, 8, None), Quantity::Units(5));
    }
}
