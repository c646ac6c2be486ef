//! Fee rates: what a transaction pays for the room that it takes.

use std::fmt;

use mvs_primitives::amount::Amount;

/// Units of fee for a million bytes.
///
/// Rates order transactions and are compared with limits; a million bytes leave enough digits that
/// a difference of one unit in the fee of any transaction below a million bytes is seen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FeeRate(u64);

/// Bytes that a rate speaks of.
const RATE_BYTES: u64 = 1_000_000;

impl FeeRate {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Wraps units for a million bytes.
    pub const fn from_units_per_million_bytes(units: u64) -> Self {
        Self(units)
    }

    /// Wraps units for a thousand bytes.
    pub const fn from_units_per_thousand_bytes(units: u64) -> Self {
        Self(units.saturating_mul(1_000))
    }

    /// Returns units for a million bytes.
    pub const fn units_per_million_bytes(self) -> u64 {
        self.0
    }

    /// Returns the rate of a fee for so many bytes, rounded down; absurd fees saturate. No bytes
    /// count as one.
    pub fn of(fee: Amount, bytes: u64) -> Self {
        let scaled = u128::from(fee.units()) * u128::from(RATE_BYTES);
        let rate = scaled / u128::from(bytes.max(1));
        Self(u64::try_from(rate).unwrap_or(u64::MAX))
    }

    /// Returns the least fee for so many bytes at this rate, rounded up; saturates.
    pub fn fee_for(self, bytes: u64) -> Amount {
        let fee = (u128::from(self.0) * u128::from(bytes)).div_ceil(u128::from(RATE_BYTES));
        Amount::from_units(u64::try_from(fee).unwrap_or(u64::MAX))
    }

    /// Adds two rates; saturates.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for FeeRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} units per million bytes", self.0)
    }
}

impl fmt::Debug for FeeRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FeeRate({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::FeeRate;
    use mvs_primitives::amount::Amount;

    #[test]
    fn a_fee_at_a_rate_has_that_rate() {
        for (units, bytes) in [(0, 1), (10_000, 250), (1, 999_999), (u64::MAX / 2_000_000, 61)] {
            let rate = FeeRate::of(Amount::from_units(units), bytes);
            let least = rate.fee_for(bytes);
            assert!(least.units() <= units, "{units} {bytes}");
            assert!(FeeRate::of(least, bytes) >= rate || bytes > 1_000_000, "{units} {bytes}");
        }
        assert_eq!(FeeRate::from_units_per_thousand_bytes(100).fee_for(1_001).units(), 101);
    }

    #[test]
    fn ends_saturate() {
        assert_eq!(
            FeeRate::of(Amount::from_units(u64::MAX), 0).units_per_million_bytes(),
            u64::MAX
        );
        let most = FeeRate::from_units_per_million_bytes(u64::MAX);
        assert_eq!(most.fee_for(u64::MAX).units(), u64::MAX);
        assert_eq!(most.plus(most), most);
    }
}
