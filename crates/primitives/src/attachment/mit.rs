//! Unique items (MIT).

use super::len64;
use crate::encode::{Decode, DecodeError, Decoder, Encode, Sink};
use crate::text::{AddressText, MitSymbol, Text};

/// What an output does with its item; one byte on the wire. Content exists only at registration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MitStatus {
    /// Creates the item (status 1).
    Register {
        /// What the item says.
        content: Text,
    },
    /// Moves the item (status 2).
    Transfer,
    /// Another status byte: parses, but is never valid.
    Other(OtherMitStatus),
}

/// A status byte that is neither 1 nor 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OtherMitStatus(u8);

impl OtherMitStatus {
    /// Wraps a byte; `None` for 1 and 2.
    pub const fn new(byte: u8) -> Option<Self> {
        if matches!(byte, 1 | 2) { None } else { Some(Self(byte)) }
    }
}

impl MitStatus {
    /// Returns the status byte.
    pub const fn byte(&self) -> u8 {
        match self {
            Self::Register { .. } => 1,
            Self::Transfer => 2,
            Self::Other(other) => other.0,
        }
    }
}

/// A unique item.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mit {
    /// What the output does.
    pub status: MitStatus,
    /// Name of the item.
    pub symbol: MitSymbol,
    /// Address of the output, as text; must equal the output script's.
    pub address: AddressText,
}

impl Mit {
    /// Returns the content of a registration.
    pub const fn content(&self) -> Option<&Text> {
        match &self.status {
            MitStatus::Register { content } => Some(content),
            MitStatus::Transfer | MitStatus::Other(_) => None,
        }
    }

    pub(super) fn counted_len(&self) -> u64 {
        let content = self.content().map_or(0, |content| content.wire_len() as u64); // widening
        len64(&self.symbol) + len64(&self.address) + 3 + content
    }

    pub(super) fn nominal_size(&self) -> u64 {
        self.counted_len().min(if self.content().is_some() { 385 } else { 129 })
    }
}

impl Encode for Mit {
    fn encode<S: Sink>(&self, sink: &mut S) {
        sink.put(&[self.status.byte()]);
        self.symbol.encode(sink);
        self.address.encode(sink);
        if let Some(content) = self.content() {
            content.encode(sink);
        }
    }
}

impl Decode for Mit {
    const MIN_BYTES: usize = 3;

    fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let status = decoder.u8("item status")?;
        let symbol = MitSymbol::decode_from(decoder)?;
        let address = AddressText::decode_from(decoder)?;
        let status = match OtherMitStatus::new(status) {
            Some(other) => MitStatus::Other(other),
            None if status == 1 => MitStatus::Register { content: Text::decode_from(decoder)? },
            None => MitStatus::Transfer,
        };
        Ok(Self { status, symbol, address })
    }
}
