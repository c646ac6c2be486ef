//! Numbers that a peer must not foresee: connection nonces, ping nonces, choices.

use bitcoin_hashes::siphash24;

/// A stream of numbers that nobody can foresee who does not know its key.
///
/// SipHash-2-4 of a counter. Not for keys or signatures, of which a node has none.
#[derive(Debug, Clone)]
pub struct Random {
    key: (u64, u64),
    counter: u64,
}

impl Random {
    /// Makes the stream of a key; the same key gives the same stream, which tests use.
    pub const fn from_key(key: (u64, u64)) -> Self {
        Self { key, counter: 0 }
    }

    /// Makes a stream that the operating system's randomness seeds.
    ///
    /// # Errors
    /// When the operating system has none, as early in its own start.
    pub fn from_os() -> Result<Self, getrandom::Error> {
        Ok(Self::from_key((getrandom::u64()?, getrandom::u64()?)))
    }

    /// Returns the next number.
    pub fn next_u64(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(1);
        let Self { key: (k0, k1), counter } = *self;
        siphash24::Hash::hash_to_u64_with_keys(k0, k1, &counter.to_le_bytes())
    }

    /// Returns a number below `bound`; 0 when that is 0. The bias is below 2^-32 for the small bounds
    /// that occur.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64; // widening
        let number = self.next_u64().checked_rem(bound).unwrap_or(0);
        usize::try_from(number).unwrap_or(0) // below a usize
    }
}

/// Makes nonces for `version` messages by which the node recognises itself, and nobody else it.
///
/// The upper half is random, the lower half is its keyed hash. So no list of open connections is needed
/// to see that a peer is oneself, and two connections of one node cannot be linked by others.
#[derive(Debug, Clone, Copy)]
pub struct SelfNonce {
    key: (u64, u64),
}

impl SelfNonce {
    /// Makes the recogniser of a node.
    pub fn new(random: &mut Random) -> Self {
        Self { key: (random.next_u64(), random.next_u64()) }
    }

    /// Returns a new nonce; never 0.
    pub fn fresh(&self, random: &mut Random) -> u64 {
        loop {
            let upper = random.next_u64() & HALF << 32;
            let nonce = upper | self.lower(upper);
            if nonce != 0 {
                return nonce;
            }
        }
    }

    /// Tells whether this node made the nonce. Wrong once in 2^32 for others'.
    pub fn is_ours(&self, nonce: u64) -> bool {
        nonce & HALF == self.lower(nonce & HALF << 32)
    }

    fn lower(&self, upper: u64) -> u64 {
        let (k0, k1) = self.key;
        siphash24::Hash::hash_to_u64_with_keys(k0, k1, &upper.to_le_bytes()) & HALF
    }
}

/// The lower 32 bits.
const HALF: u64 = 0xffff_ffff;

#[cfg(test)]
mod tests {
    use super::{Random, SelfNonce};

    #[test]
    fn a_node_recognises_its_nonces_only() {
        let mut random = Random::from_key((1, 2));
        let [ours, other] = [SelfNonce::new(&mut random), SelfNonce::new(&mut random)];
        for _ in 0..100 {
            let nonce = ours.fresh(&mut random);
            assert!(ours.is_ours(nonce) && !other.is_ours(nonce));
            assert!(!ours.is_ours(nonce ^ 1));
        }
        assert_ne!(ours.fresh(&mut random), ours.fresh(&mut random));
        assert!((0..100).all(|_| random.below(7) < 7));
        assert_eq!(random.below(0), 0);
    }
}
