//! Block heights.

use std::fmt;

/// The position of a block in its chain; the genesis block has height 0.
///
/// Headers store it as 32 bits (chain.md 1.1), so that is its width everywhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Height(u32);

impl Height {
    /// The genesis block.
    pub const GENESIS: Self = Self(0);

    /// Wraps a height.
    pub const fn new(height: u32) -> Self {
        Self(height)
    }

    /// Returns the number.
    pub const fn value(self) -> u32 {
        self.0
    }

    /// Returns the height of a child block, or `None` at the end of the 32-bit range.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(height) => Some(Self(height)),
            None => None,
        }
    }

    /// Returns the height of the parent, or `None` for the genesis block.
    #[must_use]
    pub const fn previous(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(height) => Some(Self(height)),
            None => None,
        }
    }

    /// Returns how many blocks `self` lies above `earlier`; zero when it does not.
    pub const fn blocks_since(self, earlier: Self) -> u32 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Debug for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Height({})", self.0)
    }
}

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::Height;

    #[test]
    fn ends_of_the_range() {
        assert_eq!(Height::GENESIS.previous(), None);
        assert_eq!(Height::new(u32::MAX).next(), None);
        assert_eq!(Height::new(5).next(), Some(Height::new(6)));
        assert_eq!(Height::new(5).blocks_since(Height::new(7)), 0);
        assert_eq!(Height::new(7).blocks_since(Height::new(5)), 2);
    }
}
