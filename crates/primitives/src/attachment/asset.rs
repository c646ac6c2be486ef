//! Issued assets (MST).

use super::len64;
use crate::amount::AssetAmount;
use crate::encode::{Decode, DecodeError, Decoder, Encode, Sink};
use crate::text::{AddressText, DidName, Symbol, Text};

pub(super) const STATUS_DETAIL: u32 = 1;
pub(super) const STATUS_TRANSFER: u32 = 2;

/// The byte that says what share of the supply its owner must hold to issue more, and whether this
/// very record is such a secondary issue (chain.md 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct IssueThreshold(u8);

impl IssueThreshold {
    /// No secondary issue, ever.
    pub const FORBIDDEN: Self = Self(0);
    /// Secondary issue without any holding.
    pub const FREE: Self = Self(127);
    /// The bit that marks a record as a secondary issue.
    const SECONDARY_BIT: u8 = 0x80;

    /// Wraps the raw byte.
    pub const fn from_byte(byte: u8) -> Self {
        Self(byte)
    }

    /// Returns the raw byte.
    pub const fn byte(self) -> u8 {
        self.0
    }

    /// Tells whether the record is a secondary issue.
    pub const fn is_secondary(self) -> bool {
        self.0 & Self::SECONDARY_BIT != 0
    }

    /// Returns the threshold without the mark: 0 forbidden, 1 to 100 percent, 127 free; other
    /// values break a rule.
    pub const fn percent(self) -> u8 {
        self.0 & !Self::SECONDARY_BIT
    }

    /// Returns the same threshold, marked as a secondary issue.
    #[must_use]
    pub const fn as_secondary(self) -> Self {
        Self(self.0 | Self::SECONDARY_BIT)
    }

    /// Tells whether the threshold is one of the values that consensus accepts (chain.md 7.5).
    pub const fn is_known(self) -> bool {
        matches!(self.percent(), 0..=100 | 127)
    }

    /// Tells whether the threshold lets more be issued later.
    pub const fn allows_secondary_issue(self) -> bool {
        matches!(self.percent(), 1..=100 | 127)
    }
}

/// An asset's issue or secondary issue.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AssetDetail {
    /// Name of the asset.
    pub symbol: Symbol,
    /// How much this output creates.
    pub maximum_supply: AssetAmount,
    /// Decimals for display. The wallet allows 0 to 19; consensus allows anything.
    pub decimal_number: u8,
    /// Rule for issuing more, and the mark of a secondary issue.
    pub threshold: IssueThreshold,
    /// Two unused bytes, 0 by convention.
    pub unused: [u8; 2],
    /// Identity of the issuer.
    pub issuer: DidName,
    /// Address of the output, as text; must equal the output script's.
    pub address: AddressText,
    /// Free text.
    pub description: Text,
}

impl AssetDetail {
    /// Sum of the string lengths and 16 bytes of fixed fields.
    pub(super) fn counted_len(&self) -> u64 {
        len64(&self.symbol)
            + len64(&self.issuer)
            + len64(&self.address)
            + len64(&self.description)
            + 16
    }

    pub(super) fn nominal_size(&self) -> u64 {
        self.counted_len().min(268)
    }
}

impl Encode for AssetDetail {
    fn encode<S: Sink>(&self, sink: &mut S) {
        self.symbol.encode(sink);
        sink.put(&self.maximum_supply.units().to_le_bytes());
        let [unused2, unused3] = self.unused;
        sink.put(&[self.decimal_number, self.threshold.byte(), unused2, unused3]);
        self.issuer.encode(sink);
        self.address.encode(sink);
        self.description.encode(sink);
    }
}

impl Decode for AssetDetail {
    const MIN_BYTES: usize = 16;

    fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let symbol = Symbol::decode_from(decoder)?;
        let maximum_supply = AssetAmount::from_units(decoder.u64_le("asset supply")?);
        let [decimal_number, threshold, unused2, unused3] = decoder.array("asset detail")?;
        Ok(Self {
            symbol,
            maximum_supply,
            decimal_number,
            threshold: IssueThreshold::from_byte(threshold),
            unused: [unused2, unused3],
            issuer: DidName::decode_from(decoder)?,
            address: AddressText::decode_from(decoder)?,
            description: Text::decode_from(decoder)?,
        })
    }
}

/// A quantity of an asset.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AssetTransfer {
    /// Name of the asset.
    pub symbol: Symbol,
    /// How much.
    pub quantity: AssetAmount,
}

impl AssetTransfer {
    pub(super) fn nominal_size(&self) -> u64 {
        (len64(&self.symbol) + 9).min(72)
    }
}

impl Encode for AssetTransfer {
    fn encode<S: Sink>(&self, sink: &mut S) {
        self.symbol.encode(sink);
        sink.put(&self.quantity.units().to_le_bytes());
    }
}

impl Decode for AssetTransfer {
    const MIN_BYTES: usize = 9;

    fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            symbol: Symbol::decode_from(decoder)?,
            quantity: AssetAmount::from_units(decoder.u64_le("asset quantity")?),
        })
    }
}
