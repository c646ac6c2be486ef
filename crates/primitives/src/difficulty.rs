//! Difficulty, boundary and accumulated work.

use std::fmt;
use std::str::FromStr;

use ethnum::U256;

/// A header's `bits`: the difficulty itself, a 256-bit integer (chain.md 1.1).
///
/// It is neither Bitcoin's compact form nor a target. The same number is the block's weight in
/// chain selection (chain.md 8.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Difficulty(U256);

impl Difficulty {
    /// Wraps a difficulty.
    pub const fn new(value: U256) -> Self {
        Self(value)
    }

    /// Wraps a small difficulty.
    pub const fn from_u64(value: u64) -> Self {
        Self(U256::new(value as u128)) // widening, exact
    }

    /// Reads the 32 big-endian header bytes.
    pub fn from_be_bytes(bytes: [u8; 32]) -> Self {
        Self(U256::from_be_bytes(bytes))
    }

    /// Returns the 32 big-endian header bytes.
    pub fn to_be_bytes(self) -> [u8; 32] {
        self.0.to_be_bytes()
    }

    /// Returns the integer.
    pub const fn value(self) -> U256 {
        self.0
    }

    /// Returns the largest 256-bit value that a seal's final hash may have:
    /// `floor((2^256 - 1) / bits)`, and 0 for `bits` = 0 (chain.md 1.4, rule 4).
    pub fn boundary(self) -> U256 {
        if self.0 == U256::ZERO { U256::ZERO } else { U256::MAX / self.0 }
    }
}

impl fmt::Debug for Difficulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Difficulty({})", self.0)
    }
}

impl fmt::Display for Difficulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A text that is no decimal number of 256 bits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a decimal number below 2^256, found {0:?}")]
pub struct ParseDifficultyError(String);

impl FromStr for Difficulty {
    type Err = ParseDifficultyError;

    /// Parses decimal digits, and nothing else.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseDifficultyError(text.chars().take(80).collect());
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(error());
        }
        U256::from_str_radix(text, 10).map(Self).map_err(|_| error())
    }
}

/// The summed difficulty of a stretch of chain (chain.md 8.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Work(U256);

impl Work {
    /// No blocks.
    pub const ZERO: Self = Self(U256::ZERO);

    /// Adds one block's difficulty.
    ///
    /// The sum saturates: 2^256 cannot be reached by blocks whose seals were checked, and a
    /// saturated sum still compares as "at least as heavy as anything".
    #[must_use]
    pub fn plus(self, difficulty: Difficulty) -> Self {
        Self(self.0.saturating_add(difficulty.value()))
    }

    /// Returns the integer.
    pub const fn value(self) -> U256 {
        self.0
    }

    /// Wraps an integer read back from storage.
    pub const fn from_value(value: U256) -> Self {
        Self(value)
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Work({})", self.0)
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use ethnum::U256;

    use super::{Difficulty, Work};

    #[test]
    fn boundary_uses_two_to_the_256_minus_one() {
        assert_eq!(Difficulty::from_u64(0).boundary(), U256::ZERO);
        assert_eq!(Difficulty::from_u64(1).boundary(), U256::MAX);
        assert_eq!(Difficulty::from_u64(2).boundary(), U256::MAX >> 1);
    }

    #[test]
    fn text_is_digits_only() {
        assert_eq!("12".parse(), Ok(Difficulty::from_u64(12)));
        let largest = Difficulty::new(U256::MAX);
        assert_eq!(largest.to_string().parse(), Ok(largest));
        for bad in ["", "+1", "-1", "0x1", "1 ", &format!("{}0", U256::MAX)] {
            assert!(bad.parse::<Difficulty>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn work_saturates() {
        let top = Work::from_value(U256::MAX);
        assert_eq!(top.plus(Difficulty::from_u64(1)), top);
        assert_eq!(Work::ZERO.plus(Difficulty::from_u64(7)).value(), U256::new(7));
    }
}
