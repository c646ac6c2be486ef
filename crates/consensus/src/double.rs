//! Powers of IEEE-754 doubles, the same on every platform (docs/decisions/0010-doubles.md).
//!
//! The protocol says "`pow` of the C library". C libraries differ in the last bit, and so may the
//! platform's `f64::powf`. Here only integer arithmetic is used, and the result is the double nearest
//! to the true power: what glibc gave when the chain was made.

use ethnum::U256;

/// Fraction bits of a double, without the leading one.
const FRACTION_BITS: u32 = 52;
/// What the exponent field holds for exponent 0.
const EXPONENT_BIAS: i32 = 1023;

/// A positive number `mantissa * 2^exponent`; the mantissa's top bit is set.
#[derive(Debug, Clone, Copy)]
struct Wide {
    mantissa: u128,
    exponent: i64,
    /// Bits were cut off below the mantissa.
    is_cut: bool,
}

impl Wide {
    const ONE: Self = Self { mantissa: 1 << 127, exponent: -127, is_cut: false };

    /// Reads a positive finite double.
    fn of(value: f64) -> Self {
        let bits = value.to_bits();
        let field = (bits >> FRACTION_BITS) & 0x7ff;
        let fraction = bits & ((1 << FRACTION_BITS) - 1);
        // Subnormal numbers have no leading one and the exponent of the smallest normal number.
        let (mantissa, field) =
            if field == 0 { (fraction, 1) } else { (fraction | 1 << FRACTION_BITS, field) };
        let exponent = i64::from(field as u32) // eleven bits
            - i64::from(EXPONENT_BIAS)
            - i64::from(FRACTION_BITS);
        let shift = u128::from(mantissa).leading_zeros();
        Self {
            mantissa: u128::from(mantissa) << shift,
            exponent: exponent - i64::from(shift),
            is_cut: false,
        }
    }

    /// Multiplies and keeps the upper 128 bits: wrong by less than one part in 2^127.
    fn times(self, other: Self) -> Self {
        let product = U256::new(self.mantissa) * U256::new(other.mantissa);
        // Both top bits are set, so the product has 255 or 256 bits.
        let shift = 128 - product.leading_zeros();
        let kept = product >> shift;
        Self {
            mantissa: kept.as_u128(),
            // Bounded by 2^32 squarings of numbers below 2^1024: far inside 64 bits.
            exponent: self.exponent.saturating_add(other.exponent).saturating_add(shift.into()),
            is_cut: self.is_cut || other.is_cut || kept << shift != product,
        }
    }

    /// Rounds to the nearest double, ties to even. Numbers below the smallest normal double become
    /// zero: the callers multiply by less than 2^64 and round to whole units.
    fn to_double(self) -> f64 {
        let mut top = (self.mantissa >> 75) as u64; // 53 bits are left
        let rest = self.mantissa & ((1 << 75) - 1);
        let half = 1u128 << 74;
        let is_odd = top & 1 == 1;
        if rest > half || (rest == half && (self.is_cut || is_odd)) {
            top += 1; // at most 2^53
        }
        let mut exponent = self.exponent.saturating_add(75 + i64::from(FRACTION_BITS));
        if top >> 53 == 1 {
            top >>= 1;
            exponent = exponent.saturating_add(1);
        }
        match exponent {
            ..=-1023 => 0.0,
            1024.. => f64::INFINITY,
            _ => {
                let field = (exponent + i64::from(EXPONENT_BIAS)).unsigned_abs(); // 1 to 2046
                f64::from_bits((field << FRACTION_BITS) | (top & ((1 << FRACTION_BITS) - 1)))
            }
        }
    }
}

/// Computes `base` to the power `exponent` as the nearest double.
///
/// Results below the smallest normal double are zero, results above the largest are infinite.
/// `base` must be positive and finite; anything else gives NaN.
///
/// # Consensus
/// chain.md 6.3 and 6.5 ("doubles IEEE-754, `pow` = C library"). The mantissas hold 128 bits, so the
/// result's relative error before the last rounding is below `exponent * 2^-126`. The rounding is that
/// of the true power unless the latter lies that close to the middle of two doubles (for an exponent of
/// 200, one chance in 2^65). When the power is exactly such a middle it has at most 54 bits and nothing
/// was cut off before.
pub fn pow(base: f64, exponent: u32) -> f64 {
    if !(base.is_finite() && base > 0.0) {
        return f64::NAN;
    }
    let mut result = Wide::ONE;
    let mut square = Wide::of(base);
    let mut left = exponent;
    while left > 0 {
        if left & 1 == 1 {
            result = result.times(square);
        }
        square = square.times(square);
        left >>= 1;
    }
    result.to_double()
}

/// Rounds half away from zero to whole units, as C's `round` followed by a cast.
///
/// A negative number gives zero. A number that does not fit 64 bits gives zero too: the C++ cast is
/// undefined there, and nothing is the one reading that creates no coin or asset.
pub fn round_to_units(value: f64) -> u64 {
    to_units(value.round())
}

/// Cuts off the fraction; otherwise like [`round_to_units`].
pub fn truncate_to_units(value: f64) -> u64 {
    to_units(value.trunc())
}

fn to_units(whole: f64) -> u64 {
    const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;
    if (0.0..TWO_TO_64).contains(&whole) { whole as u64 } else { 0 } // whole and in range: exact
}

#[cfg(test)]
mod tests {
    use super::{pow, round_to_units, truncate_to_units};

    #[test]
    fn exact_powers_are_exact() {
        for exponent in 0..=1023 {
            assert_eq!(pow(2.0, exponent), f64::from_bits((1023 + u64::from(exponent)) << 52));
            assert_eq!(pow(1.0, exponent), 1.0);
        }
        for exponent in 0..=1022 {
            assert_eq!(pow(0.5, exponent), f64::from_bits((1023 - u64::from(exponent)) << 52));
        }
        for exponent in 0..=22 {
            assert_eq!(pow(10.0, exponent), format!("1e{exponent}").parse::<f64>().unwrap());
        }
        assert_eq!(pow(1.0, u32::MAX), 1.0);
        assert_eq!(pow(0.3, 0), 1.0);
        assert_eq!(pow(0.3, 1), 0.3);
    }

    #[test]
    fn ties_go_to_even() {
        // 3^34 has 54 bits: exactly in the middle of two doubles.
        assert_eq!(3u64.pow(34) >> 53, 1);
        assert_eq!(pow(3.0, 34), 3u64.pow(34) as f64);
        // (2^27 + 1)^2 = 2^54 + 2^28 + 1 lies just above a representable number.
        let base = (1u64 << 27) + 1;
        assert_eq!(pow(base as f64, 2), (base * base) as f64);
    }

    #[test]
    fn ends_of_the_range() {
        assert_eq!(pow(2.0, 1024), f64::INFINITY);
        assert_eq!(pow(0.5, 1023), 0.0, "subnormal numbers are not made");
        assert_eq!(pow(f64::MAX, u32::MAX), f64::INFINITY);
        assert_eq!(pow(f64::from_bits(1), u32::MAX), 0.0);
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(pow(bad, 2).is_nan());
        }
    }

    #[test]
    fn conversions_to_units() {
        assert_eq!(round_to_units(2.5), 3);
        assert_eq!(round_to_units(2.499_999_999), 2);
        assert_eq!(truncate_to_units(2.999), 2);
        for out_of_range in [-1.0, f64::NAN, f64::INFINITY, 18_446_744_073_709_551_616.0] {
            assert_eq!(round_to_units(out_of_range), 0);
            assert_eq!(truncate_to_units(out_of_range), 0);
        }
        assert_eq!(round_to_units(9_223_372_036_854_775_808.0), 1 << 63);
    }
}
