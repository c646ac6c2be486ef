//! Numbers that follow from a seed alone, the same on every machine: no floating point.

/// SplitMix64: small, fast, and each output is a bijection of its state.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// Starts from a seed and the number of a thing, so that each thing has numbers of its own.
    pub(crate) fn of(seed: u64, number: u64) -> Self {
        Self(mix(mix(seed).wrapping_add(number)))
    }

    /// Returns 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Returns a number below `end`, which must not be 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // The high half of a product is below `end`, so nothing is cut off.
        u64::try_from((u128::from(self.bits()) * u128::from(end)) >> 64).unwrap_or(0)
    }

    /// Returns a number from `low` to `high`, each with a weight of one over itself, so that its
    /// logarithm is uniform. `low` is at least 1.
    ///
    /// An octave is drawn, then a number in it, which is kept with a probability of one over its
    /// place in the octave: exact, and in integers.
    pub(crate) fn log_uniform(&mut self, low: u64, high: u64) -> u64 {
        let low = low.max(1);
        if high <= low {
            return low;
        }
        let (first, last) = (u64::from(low.ilog2()), u64::from(high.ilog2()));
        loop {
            let start = 1 << (first + self.below(last - first + 1));
            let drawn = start + self.below(start);
            if (low..=high).contains(&drawn) && self.below(drawn) < start {
                return drawn;
            }
        }
    }

    /// Fills a slice with random bytes.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let bits = self.bits().to_le_bytes();
            chunk.copy_from_slice(&bits[..chunk.len()]);
        }
    }
}

fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn log_uniform_gives_each_number_its_share() {
        let mut random = Random::of(1, 2);
        let mut octaves = [0_u32; 16];
        for _ in 0..160_000 {
            let drawn = random.log_uniform(1, 65_535);
            octaves[drawn.ilog2() as usize] += 1;
        }
        let weight = |low: u32, high: u32| (low..high).map(|number| 1.0 / f64::from(number)).sum();
        let all: f64 = weight(1, 65_536);
        for (octave, &count) in octaves.iter().enumerate() {
            let share: f64 = weight(1 << octave, 2 << octave);
            let due = 160_000.0 * share / all;
            // Seven standard deviations.
            assert!((f64::from(count) - due).abs() < 7.0 * due.sqrt(), "{octave}: {count}, {due}");
        }
    }

    #[test]
    fn log_uniform_stays_within_its_bounds() {
        let mut random = Random::of(3, 4);
        for (low, high) in [(1, 1), (5, 5), (7, 9), (100, 1_000_000), (3, 2)] {
            for _ in 0..1_000 {
                let drawn = random.log_uniform(low, high);
                assert!(drawn >= low && drawn <= high.max(low));
            }
        }
    }

    #[test]
    fn numbers_follow_from_the_seed() {
        let drawn = |seed, number| Random::of(seed, number).bits();
        assert_eq!(drawn(1, 1), drawn(1, 1));
        assert_ne!(drawn(1, 1), drawn(1, 2));
        assert_ne!(drawn(1, 1), drawn(2, 1));
    }
}
