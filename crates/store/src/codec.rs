//! How an unspent output is kept: compact, self-contained, canonical bytes.
//!
//! ```text
//! flags 1   bits 0..2  attachment: 0 ETP of version 1, 1 ETP of version 0, 2 bytes, 3 asset transfer
//!           bits 2..5  script: 0 bytes, 1 key hash, 2 script hash, 3 sequence lock, 4 lock height,
//!                      5 public key
//!           bit 5      of a coinbase
//!           bit 6      an open lock time follows
//!           bit 7      opaque: all that follows stands for itself (never a coin)
//! sizes 1   low nibble: bytes of the height (0..=4), high nibble: bytes of the amount (0..=8)
//! height, amount   little endian, without leading zeros
//! open lock time   4 bytes, if bit 6 is set; never 0
//! script           0: CompactSize and bytes; 1, 2: 20 bytes; 3, 4: length of the number (1..=8), the
//!                  number, 20 bytes; 5: 33 bytes
//! attachment       0, 1: nothing; 2: the wire form, to the end; 3: the wire form without its first
//!                  12 bytes, to the end
//! ```
//!
//! Canonical: a coin has one encoding, and decoding refuses every other, so that equal states have
//! equal digests. Scripts and attachments are kept byte for byte, whatever they are; the templates
//! only shorten. [`CoinParts`] is the form below [`Coin`] that knows bytes alone.

mod attachment;
mod opaque;
mod script;

use mvs_consensus::state::Coin;
use mvs_primitives::amount::Amount;
use mvs_primitives::attachment::Attachment;
use mvs_primitives::encode::{Decode, DecodeError, Decoder, Encode, MAX_PAYLOAD_BYTES};
use mvs_primitives::height::Height;
use mvs_primitives::output::Output;
use mvs_primitives::script::Script;

pub use self::attachment::AttachmentForm;
pub use self::opaque::{decode_workload_value, encode_workload_value};
pub use self::script::ScriptForm;

const ATTACHMENT_MASK: u8 = 0b0000_0011;
const SCRIPT_SHIFT: u32 = 2;
const SCRIPT_MASK: u8 = 0b0000_0111;
const COINBASE: u8 = 1 << 5;
const OPEN_LOCKTIME: u8 = 1 << 6;
const OPAQUE: u8 = 1 << 7;

/// The longest value that is read: an output cannot be longer than the message that brought it.
pub const MAX_VALUE_BYTES: usize = MAX_PAYLOAD_BYTES;

// A coin that a valid block creates must never be one that the log refuses.
const _: () = assert!(MAX_VALUE_BYTES <= crate::layout::VALUE_BYTES_MAX);

/// Bytes that are no coin as this store writes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The bytes end inside a field, or bytes follow the last one.
    #[error("a coin's {0} does not fit its bytes")]
    Length(&'static str),
    /// The bytes mean something, but not in the one form that is written.
    #[error("a coin's {0} is not in its canonical form")]
    NotCanonical(&'static str),
    /// The attachment does not parse.
    #[error("a coin's attachment: {0}")]
    Attachment(#[from] DecodeError),
    /// Longer than any output can be.
    #[error("a coin of {0} bytes is longer than any output")]
    TooLong(usize),
}

/// A coin as bytes: what is needed of an output and its transaction, uninterpreted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoinParts<'a> {
    /// Height of the block that created it.
    pub height: u32,
    /// Amount in base units.
    pub amount: u64,
    /// Its transaction is a coinbase.
    pub is_coinbase: bool,
    /// The lock time that still matters; 0 for none.
    pub open_locktime: u32,
    /// The output script.
    pub script: ScriptForm<'a>,
    /// The attachment's wire form.
    pub attachment: AttachmentForm<'a>,
}

impl<'a> CoinParts<'a> {
    /// Writes the canonical bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut flags = self.attachment.tag() | (self.script.tag() << SCRIPT_SHIFT);
        if self.is_coinbase {
            flags |= COINBASE;
        }
        if self.open_locktime != 0 {
            flags |= OPEN_LOCKTIME;
        }
        let height = self.height.to_le_bytes();
        let amount = self.amount.to_le_bytes();
        let (height, amount) = (minimal(&height), minimal(&amount));
        // At most 4 and 8, so both fit a nibble.
        let sizes = (height.len() | (amount.len() << 4)) as u8;
        out.reserve(2 + height.len() + amount.len() + 4 + 64);
        out.extend_from_slice(&[flags, sizes]);
        out.extend_from_slice(height);
        out.extend_from_slice(amount);
        if self.open_locktime != 0 {
            out.extend_from_slice(&self.open_locktime.to_le_bytes());
        }
        self.script.encode(out);
        out.extend_from_slice(self.attachment.stored());
    }

    /// Reads what [`CoinParts::encode`] wrote.
    ///
    /// # Errors
    /// [`CodecError`] for anything else.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, CodecError> {
        if bytes.len() > MAX_VALUE_BYTES {
            return Err(CodecError::TooLong(bytes.len()));
        }
        let mut rest = Bytes(bytes);
        let [flags, sizes] = rest.array("head")?;
        if flags & OPAQUE != 0 {
            return Err(CodecError::NotCanonical("head"));
        }
        let height = rest.number(sizes & 0x0f, 4, "height")?;
        // At most 4 bytes were read.
        let height = u32::try_from(height).map_err(|_| CodecError::Length("height"))?;
        let amount = rest.number(sizes >> 4, 8, "amount")?;
        let open_locktime = if flags & OPEN_LOCKTIME == 0 {
            0
        } else {
            match u32::from_le_bytes(rest.array("lock time")?) {
                0 => return Err(CodecError::NotCanonical("lock time")),
                open => open,
            }
        };
        let script = ScriptForm::decode((flags >> SCRIPT_SHIFT) & SCRIPT_MASK, &mut rest)?;
        let attachment = AttachmentForm::decode(flags & ATTACHMENT_MASK, rest.0)?;
        let is_coinbase = flags & COINBASE != 0;
        Ok(Self { height, amount, is_coinbase, open_locktime, script, attachment })
    }

    /// Makes a coin of the parts.
    ///
    /// # Errors
    /// [`CodecError`] when the attachment is not one in canonical wire form.
    pub fn to_coin(&self) -> Result<Coin, CodecError> {
        let attachment = match self.attachment {
            AttachmentForm::Etp => Attachment::ETP,
            other => {
                let wire = other.to_wire();
                let mut decoder = Decoder::new(&wire, MAX_PAYLOAD_BYTES)?;
                let attachment = Attachment::decode_from(&mut decoder)?;
                decoder.finish()?;
                if decoder.departures() != 0 {
                    return Err(CodecError::NotCanonical("attachment"));
                }
                attachment
            }
        };
        Ok(Coin {
            output: Output {
                value: Amount::from_units(self.amount),
                script: Script::from_bytes(self.script.to_bytes()),
                attachment,
            },
            height: Height::new(self.height),
            is_coinbase: self.is_coinbase,
            open_locktime: self.open_locktime,
        })
    }
}

/// Appends the canonical bytes of a coin.
pub fn encode_coin(coin: &Coin, out: &mut Vec<u8>) {
    let wire;
    let attachment = if coin.output.attachment == Attachment::ETP {
        AttachmentForm::Etp
    } else {
        wire = coin.output.attachment.to_bytes();
        AttachmentForm::of(&wire)
    };
    CoinParts {
        height: coin.height.value(),
        amount: coin.output.value.units(),
        is_coinbase: coin.is_coinbase,
        open_locktime: coin.open_locktime,
        script: ScriptForm::of(coin.output.script.as_bytes()),
        attachment,
    }
    .encode(out);
}

/// Reads a coin.
///
/// # Errors
/// [`CodecError`] unless the bytes are those that [`encode_coin`] writes for some coin.
pub fn decode_coin(bytes: &[u8]) -> Result<Coin, CodecError> {
    CoinParts::decode(bytes)?.to_coin()
}

/// Returns little-endian bytes without the zeros at their upper end.
fn minimal(bytes: &[u8]) -> &[u8] {
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.get(..used).unwrap_or_default()
}

/// What is left to read.
pub(crate) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], CodecError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(CodecError::Length(what))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], CodecError> {
        self.array_ref(what).copied()
    }

    fn array_ref<const N: usize>(&mut self, what: &'static str) -> Result<&'a [u8; N], CodecError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(CodecError::Length(what))?;
        self.0 = rest;
        Ok(taken)
    }

    /// Reads a number of `len` bytes without leading zeros.
    fn number(&mut self, len: u8, most: u8, what: &'static str) -> Result<u64, CodecError> {
        if len > most {
            return Err(CodecError::NotCanonical(what));
        }
        let bytes = self.take(usize::from(len), what)?;
        if bytes.last() == Some(&0) {
            return Err(CodecError::NotCanonical(what));
        }
        let mut wide = [0u8; 8];
        for (to, from) in wide.iter_mut().zip(bytes) {
            *to = *from;
        }
        Ok(u64::from_le_bytes(wide))
    }
}

#[cfg(test)]
mod tests;
