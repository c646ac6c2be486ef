//! Certificates.

use std::fmt;

use super::len64;
use crate::encode::{Decode, DecodeError, Decoder, Encode, Sink};
use crate::text::{AddressText, DidName, Symbol, Text};

/// The type number of a certificate (chain.md 3.3). Bit 30: content present; bit 31: custom.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertType(u32);

impl CertType {
    /// No type; never valid.
    pub const NONE: Self = Self(0);
    /// The right to issue more of an asset.
    pub const ISSUE: Self = Self(1);
    /// The right to a domain: the part of a symbol before its first dot.
    pub const DOMAIN: Self = Self(2);
    /// The right to issue one symbol inside somebody's domain.
    pub const NAMING: Self = Self(3);
    /// The rule by which an asset is minted in coinbases; has content.
    pub const MINING: Self = Self(0x6000_0004);
    /// A witness of the delegated-stake era.
    pub const WITNESS: Self = Self(5);
    /// Custom type "marriage".
    pub const MARRIAGE: Self = Self(0x8000_0000);
    /// Custom type "KYC".
    pub const KYC: Self = Self(0x8000_0001);

    const CONTENT_BIT: u32 = 0x4000_0000;

    /// Wraps a type number; any is possible on the wire.
    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// Returns the type number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Tells whether a content string follows.
    pub const fn has_content(self) -> bool {
        self.0 & Self::CONTENT_BIT != 0
    }

    /// Tells whether the type is a custom one.
    pub const fn is_custom(self) -> bool {
        self.0 & 0x8000_0000 != 0
    }

    /// Returns the name that the node's interface shows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NONE => "none",
            Self::ISSUE => "issue",
            Self::DOMAIN => "domain",
            Self::NAMING => "naming",
            Self::MINING => "mining",
            Self::WITNESS => "witness",
            Self::MARRIAGE => "marriage",
            Self::KYC => "KYC",
            _ if self.is_custom() => "custom",
            _ => "unknown",
        }
    }
}

impl fmt::Debug for CertType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertType({} 0x{:x})", self.name(), self.0)
    }
}

/// What an output does with its certificate. The parser takes any byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertStatus(u8);

impl CertStatus {
    /// Passed on unchanged inside another operation.
    pub const NORMAL: Self = Self(0);
    /// Newly issued by itself.
    pub const ISSUE: Self = Self(1);
    /// Moved to a new owner.
    pub const TRANSFER: Self = Self(2);
    /// Newly issued together with an asset.
    pub const AUTO_ISSUE: Self = Self(3);

    /// Wraps the raw byte.
    pub const fn from_byte(byte: u8) -> Self {
        Self(byte)
    }

    /// Returns the raw byte.
    pub const fn byte(self) -> u8 {
        self.0
    }
}

/// Content and the type's content bit disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("certificate type 0x{0:x}: content must be present exactly when bit 30 of the type is set")]
pub struct CertContentError(pub u32);

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cert {
    /// Name of the certificate.
    pub symbol: Symbol,
    /// Identity of the owner.
    pub owner: DidName,
    /// Address of the output, as text; must equal the output script's.
    pub address: AddressText,
    /// What the output does.
    pub status: CertStatus,
    cert_type: CertType,
    content: Text,
}

impl Cert {
    /// Puts a certificate together.
    ///
    /// # Errors
    /// [`CertContentError`] unless `content` is given exactly when the type says so.
    pub fn new(
        symbol: Symbol,
        owner: DidName,
        address: AddressText,
        cert_type: CertType,
        status: CertStatus,
        content: Option<Text>,
    ) -> Result<Self, CertContentError> {
        if content.is_some() != cert_type.has_content() {
            return Err(CertContentError(cert_type.number()));
        }
        Ok(Self { symbol, owner, address, status, cert_type, content: content.unwrap_or_default() })
    }

    /// Returns the type.
    pub const fn cert_type(&self) -> CertType {
        self.cert_type
    }

    /// Returns the content, if the type has one.
    pub fn content(&self) -> Option<&Text> {
        self.cert_type.has_content().then_some(&self.content)
    }

    /// Sum of the string lengths with their length bytes, type and status.
    pub(super) fn counted_len(&self) -> u64 {
        let content = self.content().map_or(0, |content| len64(content) + 1);
        len64(&self.symbol) + len64(&self.owner) + len64(&self.address) + 3 + 5 + content
    }

    /// QUIRK (chain.md 3.4): the ceiling for certificates with content is computed and discarded by
    /// the reference, so 197 holds for all.
    pub(super) fn nominal_size(&self) -> u64 {
        self.counted_len().min(197)
    }
}

impl Encode for Cert {
    fn encode<S: Sink>(&self, sink: &mut S) {
        self.symbol.encode(sink);
        self.owner.encode(sink);
        self.address.encode(sink);
        sink.put(&self.cert_type.number().to_le_bytes());
        sink.put(&[self.status.byte()]);
        if let Some(content) = self.content() {
            content.encode(sink);
        }
    }
}

impl Decode for Cert {
    const MIN_BYTES: usize = 8;

    fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let symbol = Symbol::decode_from(decoder)?;
        let owner = DidName::decode_from(decoder)?;
        let address = AddressText::decode_from(decoder)?;
        let cert_type = CertType::from_number(decoder.u32_le("certificate type")?);
        let status = CertStatus::from_byte(decoder.u8("certificate status")?);
        let content =
            if cert_type.has_content() { Text::decode_from(decoder)? } else { Text::default() };
        Ok(Self { symbol, owner, address, status, cert_type, content })
    }
}
