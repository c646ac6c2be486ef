//! Numbers that look random and are the same on every machine.

/// SplitMix64 (Steele, Lea, Flood 2014): tiny, fast, any seed does. Nothing secret hangs on it.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// Starts a stream.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next 64 bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `bound`; 0 when the bound is 0. The bias is below 2^-32 for the
    /// bounds that tests use.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_u64().checked_rem(bound).unwrap_or(0)
    }

    /// Returns an index of a list of this length; 0 for an empty one.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("it is below a usize") // widening
    }

    /// Returns a number of `low..=high`.
    pub fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.below((high - low).saturating_add(1))
    }

    /// Says yes in `percent` of 100 cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Picks one of a list.
    ///
    /// # Panics
    /// When the list is empty.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        *items.get(self.index(items.len())).expect("the list is not empty")
    }
}
