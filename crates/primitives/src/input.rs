//! Transaction inputs and the outputs they name.

use std::fmt;
use std::str::FromStr;

use crate::encode::{Decode, DecodeError, Decoder, Encode, Sink};
use crate::hash::TxId;
use crate::script::Script;

/// Names an output: transaction and index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutPoint {
    /// The transaction.
    pub txid: TxId,
    /// Index among its outputs.
    pub index: u32,
}

impl OutPoint {
    /// The null outpoint: the only input of a coinbase has it.
    pub const NULL: Self = Self { txid: TxId::ZERO, index: u32::MAX };

    /// Names an output.
    pub const fn new(txid: TxId, index: u32) -> Self {
        Self { txid, index }
    }

    /// Tells whether this is the null outpoint.
    pub fn is_null(&self) -> bool {
        *self == Self::NULL
    }

    /// Returns the 36 wire bytes.
    pub fn to_array(&self) -> [u8; 36] {
        let mut bytes = [0u8; 36];
        let (txid, index) = bytes.split_at_mut(32);
        txid.copy_from_slice(self.txid.as_bytes());
        index.copy_from_slice(&self.index.to_le_bytes());
        bytes
    }
}

impl Encode for OutPoint {
    fn encode<S: Sink>(&self, sink: &mut S) {
        sink.put(self.txid.as_bytes());
        sink.put(&self.index.to_le_bytes());
    }
}

impl Decode for OutPoint {
    const MIN_BYTES: usize = 36;

    fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            txid: TxId::from_bytes(decoder.array("outpoint")?),
            index: decoder.u32_le("outpoint index")?,
        })
    }
}

impl fmt::Display for OutPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.txid, self.index)
    }
}

impl fmt::Debug for OutPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutPoint({self})")
    }
}

/// A text that names no output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected TXID:INDEX, found {0:?}")]
pub struct ParseOutPointError(String);

impl FromStr for OutPoint {
    type Err = ParseOutPointError;

    /// Parses `TXID:INDEX`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseOutPointError(text.chars().take(100).collect());
        let (txid, index) = text.split_once(':').ok_or_else(error)?;
        // `parse` alone would also take a plus sign.
        if !index.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(error());
        }
        Ok(Self {
            txid: txid.parse().map_err(|_| error())?,
            index: index.parse().map_err(|_| error())?,
        })
    }
}

/// Spends an output, or is the mark of a coinbase (chain.md 3.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Input {
    /// The output that is spent; null in a coinbase.
    pub previous: OutPoint,
    /// What satisfies the output's script; free data in a coinbase.
    pub script: Script,
    /// Relative lock, or 0xffffffff for final.
    pub sequence: u32,
}

impl Input {
    /// Sequence of an input without locks.
    pub const FINAL_SEQUENCE: u32 = u32::MAX;

    /// Makes an input that is still to be signed.
    pub fn unsigned(previous: OutPoint) -> Self {
        Self { previous, script: Script::default(), sequence: Self::FINAL_SEQUENCE }
    }

    /// Returns the size that counts towards the size limits.
    pub fn nominal_size(&self) -> u64 {
        40 + self.script.wire_len() as u64 // widening
    }
}

impl Encode for Input {
    fn encode<S: Sink>(&self, sink: &mut S) {
        self.previous.encode(sink);
        self.script.encode(sink);
        sink.put(&self.sequence.to_le_bytes());
    }
}

impl Decode for Input {
    const MIN_BYTES: usize = OutPoint::MIN_BYTES + Script::MIN_BYTES + 4;

    fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let previous = OutPoint::decode_from(decoder)?;
        let script = if previous.is_null() {
            Script::decode_data(decoder)?
        } else {
            Script::decode_code(decoder)?
        };
        Ok(Self { previous, script, sequence: decoder.u32_le("input sequence")? })
    }
}

#[cfg(test)]
mod tests {
    use super::OutPoint;
    use crate::hash::TxId;

    #[test]
    fn text_both_ways_and_nothing_else() {
        let outpoint = OutPoint::new(TxId::from_bytes([7; 32]), 5);
        let text = outpoint.to_string();
        assert_eq!(text.parse(), Ok(outpoint));
        let txid = outpoint.txid.to_string();
        for index in ["", "+5", "-1", "4294967296", "5 "] {
            assert!(format!("{txid}:{index}").parse::<OutPoint>().is_err(), "{index:?}");
        }
        assert!(txid.parse::<OutPoint>().is_err());
    }
}
