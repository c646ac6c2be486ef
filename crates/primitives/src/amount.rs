//! Quantities of the coin and of issued assets, which never mix.

use std::fmt;

/// Base units ("satoshi") in one ETP.
///
/// Source: chain.md, conventions.
pub const UNITS_PER_ETP: u64 = 100_000_000;

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(u64);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);

            /// Wraps a count of smallest units.
            pub const fn from_units(units: u64) -> Self {
                Self(units)
            }

            /// Returns the count of smallest units.
            pub const fn units(self) -> u64 {
                self.0
            }

            /// Adds, or returns `None` when the sum does not fit 64 bits.
            #[must_use]
            pub const fn checked_add(self, other: Self) -> Option<Self> {
                match self.0.checked_add(other.0) {
                    Some(sum) => Some(Self(sum)),
                    None => None,
                }
            }

            /// Subtracts, or returns `None` when `other` is larger.
            #[must_use]
            pub const fn checked_sub(self, other: Self) -> Option<Self> {
                match self.0.checked_sub(other.0) {
                    Some(difference) => Some(Self(difference)),
                    None => None,
                }
            }

            /// Sums an iterator, or returns `None` on overflow.
            pub fn checked_sum(items: impl IntoIterator<Item = Self>) -> Option<Self> {
                items.into_iter().try_fold(Self::ZERO, Self::checked_add)
            }

            /// Tells whether there is nothing.
            pub const fn is_zero(self) -> bool {
                self.0 == 0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

quantity! {
    /// An amount of coin in base units (1 ETP = 10^8 units).
    ///
    /// It holds any 64-bit value because the wire does: an output above the money limit is a broken
    /// *rule* (chain.md 7.2.4), not garbage. The limit itself is a chain parameter and is checked
    /// by `mvs-consensus`. Arithmetic is checked; there is no conversion to [`AssetAmount`].
    Amount
}

quantity! {
    /// A quantity of an issued asset (MST) in its smallest units.
    ///
    /// The number of decimals is a display matter of the asset and lives in its issue record.
    AssetAmount
}

impl Amount {
    /// Converts whole coins to base units, or returns `None` when that does not fit 64 bits.
    pub const fn from_etp(etp: u64) -> Option<Self> {
        match etp.checked_mul(UNITS_PER_ETP) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Amount, AssetAmount};

    #[test]
    fn arithmetic_is_checked_at_both_ends() {
        let max = Amount::from_units(u64::MAX);
        assert_eq!(max.checked_add(Amount::from_units(1)), None);
        assert_eq!(Amount::ZERO.checked_sub(Amount::from_units(1)), None);
        assert_eq!(
            Amount::from_units(2).checked_add(Amount::from_units(3)),
            Some(Amount::from_units(5))
        );
        assert_eq!(Amount::checked_sum([max, Amount::ZERO]), Some(max));
        assert_eq!(AssetAmount::checked_sum([AssetAmount::from_units(u64::MAX); 2]), None);
    }

    #[test]
    fn whole_coins_convert_or_refuse() {
        assert_eq!(Amount::from_etp(1), Some(Amount::from_units(100_000_000)));
        assert_eq!(Amount::from_etp(u64::MAX), None);
    }
}
