//! Digital identities (DID, "avatars").

use super::len64;
use crate::encode::{Decode, DecodeError, Decoder, Encode, Sink};
use crate::text::{AddressText, DidName};

/// What an output does with its identity. Four bytes on the wire (chain.md 3.3; one library writes
/// a single byte, which the chain does not parse).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DidStatus {
    /// Registers the identity on the output's address (status 1).
    Register,
    /// Moves the identity to the output's address (status 2).
    Transfer,
}

impl DidStatus {
    const fn number(self) -> u32 {
        match self {
            Self::Register => 1,
            Self::Transfer => 2,
        }
    }
}

/// An identity.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Did {
    /// What the output does.
    pub status: DidStatus,
    /// Name of the identity.
    pub symbol: DidName,
    /// Address of the output, as text; must equal the output script's.
    pub address: AddressText,
}

impl Did {
    pub(super) fn counted_len(&self) -> u64 {
        len64(&self.symbol) + len64(&self.address) + 2
    }

    pub(super) fn nominal_size(&self) -> u64 {
        self.counted_len().min(128)
    }
}

impl Encode for Did {
    fn encode<S: Sink>(&self, sink: &mut S) {
        sink.put(&self.status.number().to_le_bytes());
        self.symbol.encode(sink);
        self.address.encode(sink);
    }
}

impl Decode for Did {
    const MIN_BYTES: usize = 6;

    fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let status = match decoder.u32_le("identity status")? {
            1 => DidStatus::Register,
            2 => DidStatus::Transfer,
            number => return Err(DecodeError::DidStatus(number)),
        };
        Ok(Self {
            status,
            symbol: DidName::decode_from(decoder)?,
            address: AddressText::decode_from(decoder)?,
        })
    }
}
