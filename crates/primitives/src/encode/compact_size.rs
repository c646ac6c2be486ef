//! Bitcoin's variable-length integer.

use super::{Decode, DecodeError, Decoder, Encode, Sink};

/// A 64-bit number in 1, 3, 5 or 9 bytes (chain.md, conventions: `varint`).
///
/// Written in the shortest form; read in any form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CompactSize(u64);

impl CompactSize {
    /// Wraps a number.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// Returns the number.
    pub const fn value(self) -> u64 {
        self.0
    }

    /// Returns the length of the shortest form of `value` in bytes.
    pub const fn len_of(value: u64) -> usize {
        match value {
            0..=0xfc => 1,
            0xfd..=0xffff => 3,
            0x1_0000..=0xffff_ffff => 5,
            _ => 9,
        }
    }
}

impl Encode for CompactSize {
    fn encode<S: Sink>(&self, sink: &mut S) {
        let le = self.0.to_le_bytes();
        match (Self::len_of(self.0), le) {
            (1, [a, ..]) => sink.put(&[a]),
            (3, [a, b, ..]) => sink.put(&[0xfd, a, b]),
            (5, [a, b, c, d, ..]) => sink.put(&[0xfe, a, b, c, d]),
            (_, [a, b, c, d, e, f, g, h]) => sink.put(&[0xff, a, b, c, d, e, f, g, h]),
        }
    }
}

impl Decode for CompactSize {
    const MIN_BYTES: usize = 1;

    fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        decoder.compact_size("compact size").map(Self)
    }
}

/// Reads a number and tells whether its form was the shortest.
#[inline]
pub(super) fn read(
    decoder: &mut Decoder<'_>,
    what: &'static str,
) -> Result<(u64, bool), DecodeError> {
    let first = decoder.u8(what)?;
    let (value, len) = match first {
        0xfd => (u64::from(u16::from_le_bytes(decoder.array(what)?)), 3),
        0xfe => (u64::from(decoder.u32_le(what)?), 5),
        0xff => (decoder.u64_le(what)?, 9),
        _ => return Ok((u64::from(first), true)),
    };
    Ok((value, CompactSize::len_of(value) == len))
}

#[cfg(test)]
mod tests {
    use super::CompactSize;
    use crate::encode::{Decode, Decoder, Encode};

    #[test]
    fn edges_round_trip_in_the_shortest_form() {
        for (value, len) in [
            (0, 1),
            (0xfc, 1),
            (0xfd, 3),
            (0xffff, 3),
            (0x1_0000, 5),
            (0xffff_ffff, 5),
            (0x1_0000_0000, 9),
            (u64::MAX, 9),
        ] {
            let bytes = CompactSize::new(value).to_bytes();
            assert_eq!(bytes.len(), len);
            assert_eq!(CompactSize::decode(&bytes), Ok(CompactSize::new(value)));
        }
    }

    #[test]
    fn longer_forms_are_read_and_counted() {
        for bytes in [&[0xfd, 0xfc, 0][..], &[0xfe, 1, 0, 0, 0], &[0xff, 1, 0, 0, 0, 0, 0, 0, 0]] {
            let mut decoder = Decoder::new(bytes, 9).unwrap();
            decoder.compact_size("n").unwrap();
            assert_eq!(decoder.departures(), 1);
        }
        assert_eq!(CompactSize::decode(&[0xfd, 1]).unwrap_err().code(), "decode.truncated");
        assert_eq!(CompactSize::decode(&[]).unwrap_err().code(), "decode.truncated");
    }
}
