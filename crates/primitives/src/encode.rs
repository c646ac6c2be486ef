//! The wire encoding: [`Encode`] writes into a [`Sink`], [`Decode`] reads from a [`Decoder`].
//!
//! Decoding never trusts a length. A [`Decoder`] works on a slice that is already in memory and is
//! refused when longer than its byte budget; every count is compared with the bytes that are left
//! before anything is allocated for it; and collections reserve at most as many bytes as the input
//! still holds.
//!
//! # Canonical form
//! The chain's first node reads some bytes that it would not write: longer CompactSize forms than
//! needed, text after a NUL byte, and script opcode 0xbb (chain.md, conventions and 3.4). It then
//! hashes what it would write. So does this decoder: it accepts such bytes, keeps the canonical
//! value, and counts them in [`Decoder::departures`].

use bitcoin_hashes::{HashEngine, sha256d as s256d};

use crate::hash::TxId;

mod compact_size;

pub use compact_size::CompactSize;

/// The largest payload of a network message, and so of anything that is decoded here: 3 + 36·50,000
/// bytes. Source: p2p.md, framing.
pub const MAX_PAYLOAD_BYTES: usize = 1_800_003;

/// Bytes that are not what they claim to be: garbage, in the four kinds of answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The input ends inside a field.
    #[error("input ends inside {what}: {needed} bytes needed, {remaining} left")]
    Truncated {
        /// The field.
        what: &'static str,
        /// How many bytes the field takes.
        needed: u64,
        /// How many bytes were left.
        remaining: usize,
    },
    /// Bytes follow the value.
    #[error("{remaining} bytes follow the value")]
    Trailing {
        /// How many bytes were left over.
        remaining: usize,
    },
    /// The input is longer than its budget.
    #[error("input of {len} bytes is over the budget of {budget}")]
    OverBudget {
        /// Bytes offered.
        len: usize,
        /// Bytes allowed.
        budget: usize,
    },
    /// A count promises more items than the rest of the input can hold.
    #[error("{count} {what} announced, but {remaining} bytes are left")]
    Count {
        /// The kind of item.
        what: &'static str,
        /// The announced count.
        count: u64,
        /// How many bytes were left.
        remaining: usize,
    },
    /// An asset attachment whose status is neither 1 (detail) nor 2 (transfer): the whole
    /// transaction does not parse (chain.md 3.3).
    #[error("asset status {0} is neither 1 (detail) nor 2 (transfer)")]
    AssetStatus(u32),
    /// An identity attachment whose status is neither 1 (register) nor 2 (transfer).
    #[error("identity status {0} is neither 1 (register) nor 2 (transfer)")]
    DidStatus(u32),
}

impl DecodeError {
    /// Every code that [`DecodeError::code`] can give.
    pub const CODES: [&'static str; 6] = [
        "decode.truncated",
        "decode.trailing",
        "decode.over_budget",
        "decode.count",
        "decode.asset_status",
        "decode.did_status",
    ];

    /// Returns the stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "decode.truncated",
            Self::Trailing { .. } => "decode.trailing",
            Self::OverBudget { .. } => "decode.over_budget",
            Self::Count { .. } => "decode.count",
            Self::AssetStatus(_) => "decode.asset_status",
            Self::DidStatus(_) => "decode.did_status",
        }
    }
}

/// Where encoded bytes go: a buffer, a hash, or a mere counter.
pub trait Sink {
    /// Takes the next bytes.
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// A sink that only counts.
#[derive(Debug, Default)]
struct Counter(usize);

impl Sink for Counter {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len(); // sums lengths of slices that exist in memory: cannot overflow
    }
}

/// A sink that computes `sha256d` of what it is given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sha256dSink(s256d::HashEngine);

impl Sha256dSink {
    pub(crate) fn finish(self) -> [u8; 32] {
        s256d::Hash::from_engine(self.0).to_byte_array()
    }
}

impl Sink for Sha256dSink {
    fn put(&mut self, bytes: &[u8]) {
        self.0.input(bytes);
    }
}

/// A value with a wire form.
pub trait Encode {
    /// Writes the canonical wire form.
    fn encode<S: Sink>(&self, sink: &mut S);

    /// Returns the canonical wire form.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.encoded_len());
        self.encode(&mut bytes);
        bytes
    }

    /// Returns the length of the canonical wire form in bytes.
    fn encoded_len(&self) -> usize {
        let mut counter = Counter::default();
        self.encode(&mut counter);
        counter.0
    }
}

/// A value that can be read from its wire form.
pub trait Decode: Sized {
    /// The fewest bytes that one value takes on the wire; bounds counts before allocation.
    const MIN_BYTES: usize;

    /// Reads one value.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes do not form a value.
    fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError>;

    /// Reads exactly one value from `bytes`, with [`MAX_PAYLOAD_BYTES`] as budget.
    ///
    /// # Errors
    /// [`DecodeError`]; bytes left over are [`DecodeError::Trailing`].
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(bytes, MAX_PAYLOAD_BYTES)?;
        let value = Self::decode_from(&mut decoder)?;
        decoder.finish()?;
        Ok(value)
    }

    /// Reads one value from the front of `bytes` and returns how many bytes it took.
    ///
    /// # Errors
    /// [`DecodeError`] when the front does not form a value.
    fn decode_prefix(bytes: &[u8]) -> Result<(Self, usize), DecodeError> {
        let mut decoder = Decoder::new(bytes, MAX_PAYLOAD_BYTES)?;
        let value = Self::decode_from(&mut decoder)?;
        Ok((value, decoder.position()))
    }
}

/// A cursor over bytes from outside.
#[derive(Debug, Clone)]
pub struct Decoder<'a> {
    all: &'a [u8],
    position: usize,
    departures: u32,
}

impl<'a> Decoder<'a> {
    /// Starts at the front of `bytes`.
    ///
    /// # Errors
    /// [`DecodeError::OverBudget`] when there are more than `budget` bytes.
    pub fn new(bytes: &'a [u8], budget: usize) -> Result<Self, DecodeError> {
        if bytes.len() > budget {
            return Err(DecodeError::OverBudget { len: bytes.len(), budget });
        }
        Ok(Self { all: bytes, position: 0, departures: 0 })
    }

    /// Returns how many bytes were read.
    pub const fn position(&self) -> usize {
        self.position
    }

    /// Returns how many bytes are left.
    #[inline]
    pub const fn remaining(&self) -> usize {
        self.all.len() - self.position // position never passes the end
    }

    /// Returns in how many places the bytes read so far depart from the canonical form.
    pub const fn departures(&self) -> u32 {
        self.departures
    }

    /// Notes that the bytes depart from the canonical form here.
    pub(crate) const fn depart(&mut self) {
        self.departures = self.departures.saturating_add(1);
    }

    /// Returns the bytes read since `start`, an earlier [`Decoder::position`].
    pub(crate) fn since(&self, start: usize) -> &'a [u8] {
        self.all.get(start..self.position).unwrap_or_default()
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`DecodeError::Trailing`] when bytes are left.
    pub const fn finish(&self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            remaining => Err(DecodeError::Trailing { remaining }),
        }
    }

    /// Takes the next `len` bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when fewer are left.
    #[inline]
    pub fn take(&mut self, len: u64, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let remaining = self.remaining();
        let taken = usize::try_from(len)
            .ok()
            .and_then(|len| self.all.get(self.position..)?.get(..len))
            .ok_or(DecodeError::Truncated { what, needed: len, remaining })?;
        self.position += taken.len();
        Ok(taken)
    }

    /// Takes the next `N` bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when fewer are left.
    #[inline]
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        match self.all.get(self.position..).and_then(<[u8]>::first_chunk) {
            Some(chunk) => {
                self.position += N;
                Ok(*chunk)
            }
            None => Err(DecodeError::Truncated {
                what,
                needed: N as u64, // widening
                remaining: self.remaining(),
            }),
        }
    }

    /// Takes one byte.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] at the end.
    #[inline]
    pub fn u8(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        let [byte] = self.array(what)?;
        Ok(byte)
    }

    /// Takes a little-endian u32.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when fewer than 4 bytes are left.
    #[inline]
    pub fn u32_le(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    /// Takes a little-endian u64.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when fewer than 8 bytes are left.
    #[inline]
    pub fn u64_le(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// Takes a CompactSize. Longer forms than needed are accepted and counted as a departure.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] at the end of the input.
    #[inline]
    pub fn compact_size(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        let (value, minimal) = compact_size::read(self, what)?;
        if !minimal {
            self.depart();
        }
        Ok(value)
    }

    /// Takes a CompactSize length and that many bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when the input is shorter.
    #[inline]
    pub fn var_bytes(&mut self, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let len = self.compact_size(what)?;
        self.take(len, what)
    }

    /// Reads a counted list with `read_one`.
    ///
    /// # Errors
    /// [`DecodeError::Count`] when `count` items of `min_bytes` each cannot fit in what is left, so
    /// that no allocation is sized by an untrusted number; else the first item's error.
    pub fn list<T>(
        &mut self,
        what: &'static str,
        min_bytes: usize,
        mut read_one: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.compact_size(what)?;
        let remaining = self.remaining();
        let fits = (remaining / min_bytes.max(1)) as u64; // widening
        let Some(count_here) = usize::try_from(count).ok().filter(|_| count <= fits) else {
            return Err(DecodeError::Count { what, count, remaining });
        };
        // A list item can be larger in memory than on the wire; reserve no more memory than the
        // input still holds and let real items grow it from there.
        let reserve = count_here.min(remaining / size_of::<T>().max(1));
        let mut items = Vec::with_capacity(reserve);
        for _ in 0..count_here {
            items.push(read_one(self)?);
        }
        Ok(items)
    }
}

/// Writes a CompactSize length and the bytes.
pub(crate) fn put_var_bytes<S: Sink>(bytes: &[u8], sink: &mut S) {
    CompactSize::new(bytes.len() as u64).encode(sink); // widening
    sink.put(bytes);
}

impl Encode for TxId {
    fn encode<S: Sink>(&self, sink: &mut S) {
        sink.put(self.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::{DecodeError, Decoder};

    #[test]
    fn a_count_beyond_the_input_is_refused_before_allocating() {
        let bytes = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0];
        let mut decoder = Decoder::new(&bytes, 64).unwrap();
        let error = decoder.list("things", 1, |d| d.u8("thing")).unwrap_err();
        assert_eq!(error.code(), "decode.count");
    }

    #[test]
    fn budget_truncation_and_trailing() {
        assert_eq!(
            Decoder::new(&[0; 3], 2).unwrap_err(),
            DecodeError::OverBudget { len: 3, budget: 2 }
        );
        let mut decoder = Decoder::new(&[1, 2, 3], 3).unwrap();
        assert_eq!(decoder.u8("a"), Ok(1));
        assert_eq!(decoder.finish().unwrap_err().code(), "decode.trailing");
        assert_eq!(decoder.u32_le("b").unwrap_err().code(), "decode.truncated");
        assert_eq!(decoder.take(u64::MAX, "c").unwrap_err().code(), "decode.truncated");
        assert_eq!(decoder.position(), 1);
        assert_eq!(decoder.take(2, "d"), Ok(&[2, 3][..]));
        assert_eq!(decoder.finish(), Ok(()));
    }
}
