//! Transaction outputs.

use crate::amount::Amount;
use crate::attachment::{Attachment, Payload};
use crate::encode::{Decode, DecodeError, Decoder, Encode, Sink};
use crate::script::Script;

/// Coin, the script that guards it, and what is attached (chain.md 3.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Output {
    /// Coin in base units.
    pub value: Amount,
    /// Who may spend it.
    pub script: Script,
    /// What it carries beside coin.
    pub attachment: Attachment,
}

impl Output {
    /// The first output of a coinstake.
    pub fn null() -> Self {
        Self { value: Amount::ZERO, script: Script::default(), attachment: Attachment::NULL }
    }

    /// Makes an output that carries nothing but coin.
    pub const fn etp(value: Amount, script: Script) -> Self {
        Self { value, script, attachment: Attachment::ETP }
    }

    /// Tells whether this is a null output: no value, no script and no valid attachment
    /// (chain.md 2.4).
    pub fn is_null(&self) -> bool {
        self.value.is_zero() && self.script.is_empty() && self.attachment.check_valid().is_err()
    }

    /// Tells whether the attachment's type is ETP (type 0).
    pub const fn is_etp(&self) -> bool {
        matches!(self.attachment.payload, Payload::Etp)
    }

    /// Returns the size that counts towards the size limits (chain.md 3.4).
    pub fn nominal_size(&self) -> u64 {
        8 + self.script.wire_len() as u64 + self.attachment.nominal_size() // widening
    }
}

impl Encode for Output {
    fn encode<S: Sink>(&self, sink: &mut S) {
        sink.put(&self.value.units().to_le_bytes());
        self.script.encode(sink);
        self.attachment.encode(sink);
    }
}

impl Decode for Output {
    const MIN_BYTES: usize = 8 + Script::MIN_BYTES + Attachment::MIN_BYTES;

    fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            value: Amount::from_units(decoder.u64_le("output value")?),
            script: Script::decode_code(decoder)?,
            attachment: Attachment::decode_from(decoder)?,
        })
    }
}
