//! Fixed-width and variable-length numbers in byte strings.

/// Takes values off the front of a byte string; nothing where it is too short.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(first)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    #[inline]
    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    #[inline]
    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }

    /// A number of up to 32 bits, seven to a byte, low ones first, the top bit of a byte set if
    /// more follow. Only the shortest form is taken.
    #[inline]
    pub(super) fn varint(&mut self) -> Option<u32> {
        let (&first, rest) = self.0.split_first()?;
        if first < 0x80 {
            self.0 = rest;
            return Some(u32::from(first));
        }
        let mut value = u64::from(first & 0x7f);
        for (i, &byte) in (1..5).zip(rest) {
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                self.0 = rest.get(i..)?;
                return if byte == 0 { None } else { u32::try_from(value).ok() };
            }
        }
        None
    }
}

/// Appends what [`Reader::varint`] reads.
#[inline]
pub(super) fn push_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        // The low seven bits.
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A number at a fixed place of a byte string that is known to be long enough.
#[inline]
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u32::from_le_bytes(*b))
}

/// As [`u32_at`].
#[inline]
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u64::from_le_bytes(*b))
}

/// Overwrites bytes at a fixed place of a byte string that is known to be long enough.
#[inline]
pub(super) fn put_at(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_have_one_form() {
        for value in [0, 1, 127, 128, 16383, 16384, 1 << 21, u32::MAX - 1, u32::MAX] {
            let mut out = Vec::new();
            push_varint(&mut out, value);
            out.push(7);
            let mut reader = Reader(&out);
            assert_eq!(reader.varint(), Some(value));
            assert_eq!(reader.0, [7]);
        }
        for bad in [&[][..], &[0x80], &[0x80, 0], &[0xff; 6], &[0xff, 0xff, 0xff, 0xff, 0x10]] {
            assert_eq!(Reader(bad).varint(), None, "{bad:?}");
        }
    }
}
