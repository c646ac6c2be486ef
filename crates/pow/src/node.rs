//! The 64-byte unit of caches and datasets, and the arithmetic on it.

use crate::epoch::NODE_BYTES;

// Nodes are read from memory and files as they are; on a big-endian machine every one of them would
// have to be converted, and no such machine is served.
#[cfg(target_endian = "big")]
compile_error!("mvs-pow keeps nodes in memory in their little-endian wire form");

/// The FNV prime of Ethash (spec `ethash.md` section 1).
pub(crate) const FNV_PRIME: u32 = 0x0100_0193;

/// 16 little-endian words: one cache item, or half a dataset page.
///
/// Aligned to a cache line, so that reading one never touches two lines.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Node(pub(crate) [u32; 16]);

impl Node {
    pub(crate) fn from_bytes(bytes: &[u8; NODE_BYTES]) -> Self {
        let mut words = [0; 16];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        Self(words)
    }

    pub(crate) fn to_bytes(self) -> [u8; NODE_BYTES] {
        let mut bytes = [0; NODE_BYTES];
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(self.0) {
            *bytes = word.to_le_bytes();
        }
        bytes
    }

    /// The eight 64-bit lanes that Keccak sees.
    #[inline(always)]
    pub(crate) fn to_lanes(self) -> [u64; 8] {
        let w = self.0;
        std::array::from_fn(|i| u64::from(w[2 * i]) | u64::from(w[2 * i + 1]) << 32)
    }

    #[inline(always)]
    pub(crate) fn from_lanes(lanes: &[u64]) -> Self {
        // Truncation is the point: even words are the low halves.
        Self(std::array::from_fn(|i| (lanes[i / 2] >> (32 * (i % 2))) as u32))
    }
}

/// `fnv(a, b)`: multiplies the first, mixes in the second (FNV-1, spec section 1).
#[inline(always)]
pub(crate) fn fnv(a: u32, b: u32) -> u32 {
    a.wrapping_mul(FNV_PRIME) ^ b
}

/// A dataset page: nodes 2p and 2p + 1.
pub(crate) type Page = [Node; 2];

/// A compressed mix: what a seal carries as its mix hash.
pub(crate) type Mix = [u8; 32];

/// Items that are looked up modulo their number.
///
/// # Invariants
/// The reducer's divisor is the number of items: every reduced index lies inside. The SIMD kernels
/// rely on it.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a, T> {
    items: &'a [T],
    reducer: Reducer,
}

impl<'a, T> Table<'a, T> {
    /// # Panics
    /// When there are fewer than 2 or more than 2^31 - 1 items: a caller's bug, no epoch is so.
    pub(crate) fn new(items: &'a [T]) -> Self {
        let count = u32::try_from(items.len()).expect("an epoch's items are counted in 32 bits");
        Self { items, reducer: Reducer::new(count) }
    }

    pub(crate) fn items(self) -> &'a [T] {
        self.items
    }

    pub(crate) fn reducer(self) -> Reducer {
        self.reducer
    }

    /// The item at this index modulo their number.
    #[inline(always)]
    pub(crate) fn at(self, t: u32) -> &'a T {
        &self.items[self.reducer.reduce(t) as usize]
    }
}

/// A cache to generate: its epoch's seed, and the memory for its items.
pub(crate) struct FillJob<'a> {
    pub(crate) seed: [u8; 32],
    pub(crate) items: &'a mut [Node],
}

/// Remainder by a fixed divisor without a division (spec section 8, fact 3).
///
/// # Invariants
/// The divisor lies in 2 ..= 2^31 - 1; then the estimated quotient is right or one too small, and a
/// remainder below twice the divisor does not overflow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reducer {
    pub(crate) divisor: u32,
    pub(crate) reciprocal: u32,
}

impl Reducer {
    /// # Panics
    /// When the divisor is outside 2 ..= 2^31 - 1: a caller's bug, no epoch has such a size.
    pub(crate) fn new(divisor: u32) -> Self {
        assert!((2..1 << 31).contains(&divisor), "divisor {divisor} outside 2..2^31");
        // floor(2^32 / divisor) is below 2^32 for a divisor above 1.
        Self { divisor, reciprocal: ((1u64 << 32) / u64::from(divisor)) as u32 }
    }

    /// `t mod divisor`.
    #[inline(always)]
    pub(crate) fn reduce(self, t: u32) -> u32 {
        // The high half of a 32 by 32 bit product fits 32 bits.
        let quotient = ((u64::from(t) * u64::from(self.reciprocal)) >> 32) as u32;
        let rest = t.wrapping_sub(quotient.wrapping_mul(self.divisor));
        rest.min(rest.wrapping_sub(self.divisor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reduce_is_remainder() {
        let divisors =
            [2, 3, 5, 4099, 262_139, 8_388_593, 67_107_839, 2_147_418_107, (1 << 31) - 1];
        for divisor in divisors {
            let reducer = Reducer::new(divisor);
            let multiples = (0..20).flat_map(|k| {
                let m = (u32::MAX / divisor).saturating_sub(k).wrapping_mul(divisor);
                [m.wrapping_sub(1), m, m.wrapping_add(1)]
            });
            let spread = (0..1000u32).map(|i| i.wrapping_mul(0x9e37_79b9));
            for t in multiples.chain(spread).chain([0, 1, divisor, u32::MAX]) {
                assert_eq!(reducer.reduce(t), t % divisor, "{t} mod {divisor}");
            }
        }
    }

    #[test]
    fn nodes_and_lanes() {
        let bytes: [u8; 64] = std::array::from_fn(|i| i as u8);
        let node = Node::from_bytes(&bytes);
        assert_eq!(node.0[1], 0x0706_0504);
        assert_eq!(node.to_lanes()[0], 0x0706_0504_0302_0100);
        assert_eq!(Node::from_lanes(&node.to_lanes()), node);
        assert_eq!(node.to_bytes(), bytes);
    }
}
