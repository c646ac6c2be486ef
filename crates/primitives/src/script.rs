//! Scripts: bytes, the operations in them, the standard patterns and their addresses (chain.md 4).
//!
//! Nothing here executes a script; the interpreter lives in `mvs-consensus`.

use std::fmt;

use crate::address::{Address, AddressFormat, text_or_blackhole};
use crate::encode::{Decode, DecodeError, Decoder, Encode, Sink, put_var_bytes};
use crate::text::AddressText;

mod builder;
mod instruction;
mod number;
mod opcode;
mod pattern;

pub use builder::ScriptBuilder;
pub use instruction::{Instruction, Instructions, TruncatedPush};
pub use number::{ScriptNumberError, parse_script_number, script_number};
pub use opcode::Opcode;
pub use pattern::{Pattern, PatternKind};

/// A script as bytes in canonical form.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Script {
    bytes: Box<[u8]>,
    /// The wire form held opcode 0xbb, see [`Script::decode_code`].
    had_marker: bool,
}

impl Script {
    /// Wraps bytes as they are.
    pub fn from_bytes(bytes: impl Into<Box<[u8]>>) -> Self {
        Self { bytes: bytes.into(), had_marker: false }
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the length in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Tells whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns the length with its CompactSize in bytes.
    pub fn wire_len(&self) -> usize {
        crate::encode::CompactSize::len_of(self.bytes.len() as u64) + self.bytes.len() // widening
    }

    /// Steps through the operations.
    pub fn instructions(&self) -> Instructions<'_> {
        Instructions::new(&self.bytes)
    }

    /// Reads a script that is code (an output script, or the input script of a spend).
    ///
    /// QUIRK (chain.md 3.4): the chain's first node takes scripts apart and puts them together
    /// again. Opcode byte 0xbb collides with a marker of its own and vanishes on the way; if it
    /// comes first, everything vanishes. A script whose last push is cut short is kept as it is.
    /// The remaining bytes decide hashes, but its pattern is still that of the script *with* the
    /// opcode, which no standard pattern has; [`Script::pattern`] remembers that.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when the input is shorter than it says.
    #[inline]
    pub fn decode_code(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let bytes = decoder.var_bytes("script")?;
        if bytes.contains(&Opcode::MARKER.byte())
            && let Some(stripped) = without_marker(bytes)
        {
            decoder.depart();
            return Ok(Self { bytes: stripped.into(), had_marker: true });
        }
        Ok(Self::from_bytes(bytes))
    }

    /// Reads a script that is data: the input script of a coinbase is never taken apart
    /// (chain.md 2.4, rule 7).
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when the input is shorter than it says.
    pub fn decode_data(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self::from_bytes(decoder.var_bytes("script")?))
    }

    /// Returns the standard pattern of the script: the first that matches, in the order of
    /// chain.md 4.3.
    pub fn pattern(&self) -> Pattern<'_> {
        if self.had_marker { Pattern::NonStandard } else { Pattern::of(&self.bytes) }
    }

    /// Returns the address that the script stands for, if any (chain.md 5.4).
    pub fn address(&self) -> Option<Address> {
        self.pattern().address()
    }

    /// Returns the address as text; a script without one gives the blackhole text (QUIRK,
    /// chain.md 5.4).
    pub fn address_text(&self, format: &AddressFormat) -> AddressText {
        text_or_blackhole(self.address().as_ref(), format)
    }

    /// Returns the script as it is after a trip through storage, where the marker is forgotten.
    #[must_use]
    pub fn without_marker_memory(&self) -> Self {
        Self::from_bytes(self.bytes.clone())
    }
}

/// Drops opcode 0xbb where it stands as an operation; `None` when the bytes stay as they are.
fn without_marker(bytes: &[u8]) -> Option<Vec<u8>> {
    // The byte is common inside signatures and keys, so nothing is copied before it is known to be
    // an operation. A cut-short script is raw data and stays verbatim, whatever comes before.
    let is_marker = |instruction: &Instruction<'_>| instruction.opcode() == Opcode::MARKER;
    let mut has_marker = false;
    for instruction in Instructions::new(bytes) {
        has_marker |= is_marker(&instruction.ok()?);
    }
    if !has_marker {
        return None;
    }
    if bytes.first() == Some(&Opcode::MARKER.byte()) {
        return Some(Vec::new());
    }
    let mut kept = Vec::with_capacity(bytes.len());
    let mut start = 0;
    let mut instructions = Instructions::new(bytes);
    while let Some(Ok(instruction)) = instructions.next() {
        let end = instructions.position();
        if !is_marker(&instruction) {
            kept.extend_from_slice(bytes.get(start..end)?);
        }
        start = end;
    }
    Some(kept)
}

impl Encode for Script {
    fn encode<S: Sink>(&self, sink: &mut S) {
        put_var_bytes(&self.bytes, sink);
    }
}

impl Decode for Script {
    const MIN_BYTES: usize = 1;

    fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Self::decode_code(decoder)
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Script({})", hex::encode(&self.bytes))
    }
}

impl fmt::Display for Script {
    /// Shows the script in words: `dup hash160 [ab…] equalverify checksig`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, instruction) in self.instructions().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            match instruction {
                Ok(Instruction::Push { data, .. }) => write!(f, "[{}]", hex::encode(data))?,
                Ok(Instruction::Op(opcode)) => write!(f, "{opcode}")?,
                Err(TruncatedPush) => return f.write_str("<truncated push>"),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{PatternKind, Script};
    use crate::encode::{Decode, Encode};

    fn wire(script: &[u8]) -> Vec<u8> {
        Script::from_bytes(script).to_bytes()
    }

    #[test]
    fn the_marker_opcode_vanishes_but_is_remembered() {
        let mut p2pkh = vec![0x76, 0xa9, 20];
        p2pkh.extend([0xbb; 20]); // inside a push the byte is data
        p2pkh.extend([0x88, 0xac]);
        let plain = Script::decode(&wire(&p2pkh)).unwrap();
        assert_eq!(plain.as_bytes(), p2pkh);
        assert_eq!(plain.pattern().kind(), PatternKind::PayKeyHash);

        let mut marked = p2pkh.clone();
        marked.push(0xbb);
        let script = Script::decode(&wire(&marked)).unwrap();
        assert_eq!(script.as_bytes(), p2pkh);
        assert_eq!(script.pattern().kind(), PatternKind::NonStandard);
        assert_eq!(script.without_marker_memory().pattern().kind(), PatternKind::PayKeyHash);

        let mut first = vec![0xbb];
        first.extend(&p2pkh);
        assert!(Script::decode(&wire(&first)).unwrap().is_empty());

        let truncated = [0x51, 0xbb, 0x4c, 0xff, 1];
        assert_eq!(Script::decode(&wire(&truncated)).unwrap().as_bytes(), truncated);
    }
}
