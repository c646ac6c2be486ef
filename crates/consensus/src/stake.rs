//! The arithmetic of stakes (chain.md 9.2, rules 3 and 5), without any state.

use ethnum::U256;
use mvs_primitives::amount::{Amount, UNITS_PER_ETP};
use mvs_primitives::difficulty::Difficulty;

use crate::params::StakeParams;

/// Points of the age curve that lie exactly in the middle of two integers and that the protocol's
/// double arithmetic rounds *down* (988 and 1000 would be the rounded values). The other two such
/// points of the curve, 15 and 399, go up. Source: chain.md 9.2.3, `difficulty.json`.
const AGE_POINTS_ROUNDED_DOWN: [u64; 2] = [79, 1999];

/// The `age_scale` that [`AGE_POINTS_ROUNDED_DOWN`] belongs to.
const RECORDED_AGE_SCALE: u32 = 1000;

/// Returns how many blocks old a staked output must be: `M(bits)`.
///
/// # Consensus
/// chain.md 9.2.3: `v = floor(bits/10^8)`, `x = 1000 / (1 + exp(-ln v))` in doubles (`v = 0`: `x = 0`),
/// `M = max(250, round(x))`. Mathematically `x = 1000 v/(v+1)`, which is what this computes, in integers.
/// The two agree for every `v` but 79 and 1999, which go down: a test compares them up to 100,000;
/// from 2000 on both are 1000, since `x` is at least 999.5002 there and the doubles' error is below
/// 10^-12. Other values of `age_scale` than 1000 are this node's own; there halves go up.
pub fn min_stake_age(params: &StakeParams, bits: Difficulty) -> u32 {
    let scale = u64::from(params.age_scale);
    // A divisor of zero is refused with the parameters.
    let units = bits.value().checked_div(U256::from(params.age_divisor)).unwrap_or(U256::ZERO);
    // Beyond this, x rounds to the scale whatever the exact value.
    let most = scale.saturating_mul(4);
    let units = u64::try_from(units).map_or(most, |units| units.min(most));
    let divisor = 2 * (u128::from(units) + 1);
    // round(a/b) = floor((2a + b) / 2b); a below 2^67.
    let rounded = (2 * u128::from(scale) * u128::from(units) + divisor / 2) / divisor;
    let is_exception =
        params.age_scale == RECORDED_AGE_SCALE && AGE_POINTS_ROUNDED_DOWN.contains(&units);
    let rounded = if is_exception { rounded - 1 } else { rounded };
    // At most the scale, which has 32 bits.
    u32::try_from(rounded).unwrap_or(params.age_scale).max(params.min_age)
}

/// Returns the weight of a staked value: how much larger the kernel may be.
///
/// # Consensus
/// chain.md 9.2.5: `amount = max(1, floor(value / 10^8))`, `s = round(log2(amount))`,
/// `weight = trunc(s*s*s * 30)`. In integers: `log2(amount)` is at least `f + 1/2`, `f` its integer
/// part, exactly when `amount^2 >= 2^(2f+1)`; it is never equal.
pub fn stake_weight(params: &StakeParams, value: Amount) -> u64 {
    let amount = (value.units() / UNITS_PER_ETP).max(1);
    let floor = amount.ilog2(); // at most 37
    let square = u128::from(amount) * u128::from(amount);
    let rounded = u64::from(floor) + u64::from(square >> (2 * floor + 1) != 0);
    (rounded * rounded * rounded).saturating_mul(params.weight_factor)
}

/// Tells whether a kernel meets the difficulty.
///
/// `kernel` is the digest of [`mvs_primitives::header::Header::stake_kernel`].
///
/// # Consensus
/// chain.md 9.2.5: `floor(k / weight) <= boundary(bits)`, `k` the digest read little endian. A weight
/// of zero (a stake below 2 coins, which no network allows) never meets it.
pub fn kernel_meets(kernel: &[u8; 32], weight: u64, bits: Difficulty) -> bool {
    U256::from_le_bytes(*kernel)
        .checked_div(U256::from(weight))
        .is_some_and(|weighted| weighted <= bits.boundary())
}

#[cfg(test)]
mod tests {
    use ethnum::U256;
    use mvs_primitives::amount::Amount;
    use mvs_primitives::difficulty::Difficulty;

    use super::{kernel_meets, min_stake_age, stake_weight};
    use crate::params::Params;

    #[test]
    fn age_at_the_exact_halves_and_at_the_ends() {
        let stake = Params::mainnet().stake;
        let age = |units: u64| min_stake_age(&stake, Difficulty::from_u64(units * 100_000_000));
        assert_eq!([age(15), age(79), age(399), age(1999)], [938, 987, 998, 999]);
        assert_eq!([age(0), age(1), age(2000)], [250, 500, 1000]);
        assert_eq!(min_stake_age(&stake, Difficulty::new(U256::MAX)), 1000);
    }

    #[test]
    fn age_equals_the_double_formula_of_this_platform() {
        let stake = Params::mainnet().stake;
        for units in 1..=100_000u64 {
            let x = 1000.0 / (1.0 + (-(units as f64).ln()).exp());
            let expected = (x.round() as u32).max(250);
            let bits = Difficulty::from_u64(units * 100_000_000);
            assert_eq!(min_stake_age(&stake, bits), expected, "{units}");
        }
    }

    #[test]
    fn weight_equals_the_rounded_logarithm() {
        let stake = Params::mainnet().stake;
        let check = |coins: u64| {
            let s = (coins as f64).log2().round() as u64;
            let weight = stake_weight(&stake, Amount::from_etp(coins).unwrap());
            assert_eq!(weight, s * s * s * 30, "{coins}");
        };
        (1..100_000).for_each(check);
        for power in 1..37 {
            // Around 2^(power + 1/2), where the rounding turns, and around 2^power.
            let turn = U256::new(1u128 << (2 * power + 1)).as_f64().sqrt() as u64;
            (turn - 2..=turn + 2).filter(|coins| *coins > 0).for_each(check);
            ((1u64 << power) - 1..=(1 << power) + 1).for_each(check);
        }
        assert_eq!(stake_weight(&stake, Amount::ZERO), 0);
        assert_eq!(stake_weight(&stake, Amount::from_units(u64::MAX)), 37 * 37 * 37 * 30);
    }

    #[test]
    fn kernel_at_its_boundary() {
        let bits = Difficulty::from_u64(1 << 20);
        let kernel = |k: U256| k.to_le_bytes();
        // The largest k whose weighted value is the boundary.
        let top = bits.boundary() * U256::new(30) + U256::new(29);
        assert!(kernel_meets(&kernel(top), 30, bits));
        assert!(!kernel_meets(&kernel(top + U256::ONE), 30, bits));
        assert!(!kernel_meets(&kernel(U256::ZERO), 0, bits), "no weight");
        assert!(kernel_meets(&kernel(U256::ZERO), 1, Difficulty::from_u64(0)));
        assert!(!kernel_meets(&kernel(U256::ONE), 1, Difficulty::from_u64(0)));
    }
}
