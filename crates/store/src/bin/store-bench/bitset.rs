//! A set of numbers that finds the nearest member fast.

/// A set of numbers below a bound, one bit each, with a bit for each word that is not empty on the
/// level above, and so on up to a single word.
#[derive(Debug)]
pub(crate) struct BitSet {
    levels: Vec<Vec<u64>>,
}

impl BitSet {
    /// Makes an empty set of numbers below `bound`.
    pub(crate) fn new(bound: usize) -> Self {
        let mut levels = Vec::new();
        let mut words = bound.div_ceil(64).max(1);
        levels.push(vec![0; words]);
        while words > 1 {
            words = words.div_ceil(64);
            levels.push(vec![0; words]);
        }
        Self { levels }
    }

    /// Tells whether the number is in the set.
    pub(crate) fn contains(&self, number: usize) -> bool {
        self.word(0, number / 64) >> (number % 64) & 1 == 1
    }

    /// Adds a number below the bound.
    pub(crate) fn insert(&mut self, mut number: usize) {
        for level in &mut self.levels {
            level[number / 64] |= 1 << (number % 64);
            number /= 64;
        }
    }

    /// Takes a number below the bound out.
    pub(crate) fn remove(&mut self, mut number: usize) {
        for level in &mut self.levels {
            let word = &mut level[number / 64];
            *word &= !(1 << (number % 64));
            if *word != 0 {
                return;
            }
            number /= 64;
        }
    }

    /// Returns the greatest member up to `number`.
    pub(crate) fn at_or_before(&self, number: usize) -> Option<usize> {
        self.nearest(
            number,
            |word, bit| word & (u64::MAX >> (63 - bit)),
            |word| 63 - word.leading_zeros(),
            |number| number.checked_sub(1),
        )
    }

    /// Returns the smallest member from `number` on.
    pub(crate) fn at_or_after(&self, number: usize) -> Option<usize> {
        self.nearest(
            number,
            |word, bit| word & (u64::MAX << bit),
            u64::trailing_zeros,
            |number| number.checked_add(1),
        )
    }

    /// Climbs until a word has a member on the wanted side, then descends to the nearest one.
    fn nearest(
        &self,
        number: usize,
        side: impl Fn(u64, usize) -> u64,
        first: impl Fn(u64) -> u32,
        step: impl Fn(usize) -> Option<usize>,
    ) -> Option<usize> {
        let mut at = number;
        for level in 0..self.levels.len() {
            let word = side(self.word(level, at / 64), at % 64);
            if word != 0 {
                at = at / 64 * 64 + usize::try_from(first(word)).ok()?;
                for below in (0..level).rev() {
                    let word = self.word(below, at);
                    at = at * 64 + usize::try_from(first(word)).ok()?;
                }
                return Some(at);
            }
            at = step(at / 64)?;
        }
        None
    }

    fn word(&self, level: usize, index: usize) -> u64 {
        self.levels[level].get(index).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::BitSet;
    use crate::random::Random;

    #[test]
    fn agrees_with_a_tree() {
        const BOUND: usize = 300_000;
        let mut set = BitSet::new(BOUND);
        let mut tree = BTreeSet::new();
        let mut random = Random::of(7, 0);
        let mut draw = || random.below(BOUND as u64) as usize;
        for _ in 0..2_000 {
            let (added, taken, asked) = (draw(), draw(), draw());
            set.insert(added);
            tree.insert(added);
            let taken = tree.range(taken..).next().copied().unwrap_or(added);
            set.remove(taken);
            tree.remove(&taken);
            if tree.len() < 3 {
                set.insert(asked);
                tree.insert(asked);
            }
            assert_eq!(set.contains(asked), tree.contains(&asked));
            assert_eq!(set.at_or_before(asked), tree.range(..=asked).next_back().copied());
            assert_eq!(set.at_or_after(asked), tree.range(asked..).next().copied());
        }
    }

    #[test]
    fn finds_nothing_in_an_empty_set() {
        let set = BitSet::new(100_000);
        assert_eq!(set.at_or_before(99_999), None);
        assert_eq!(set.at_or_after(0), None);
    }
}
