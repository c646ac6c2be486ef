//! What a block may create: subsidy, deposit rewards and asset rewards (chain.md 6.3 to 6.5).

use mvs_primitives::amount::{Amount, AssetAmount, UNITS_PER_ETP};
use mvs_primitives::header::BlockVersion;
use mvs_primitives::height::Height;

use crate::double::{pow, round_to_units, truncate_to_units};
use crate::params::{DepositPeriod, Params};

/// Base units of one coin as a double; exact.
const UNITS: f64 = UNITS_PER_ETP as f64;

/// Returns what a block at `height` may create beside fees; nothing for a version other than
/// work and stake.
///
/// # Consensus
/// chain.md 6.3. The double operations are done from left to right: `(base * 1e8) * decay^bucket`.
/// Work blocks before the stake era truncate, all others round half away from zero and are capped by
/// the value of bucket 0.
pub fn block_subsidy(params: &Params, version: BlockVersion, height: Height) -> Amount {
    let numbers = &params.subsidy;
    // A bucket size of zero is refused with the parameters.
    let bucket = height.value().checked_div(numbers.bucket_blocks).unwrap_or(0);
    let decay = pow(numbers.decay, bucket);
    let units = match version {
        BlockVersion::POW if !params.is_pos_era(height) => {
            truncate_to_units(numbers.pow_base * UNITS * decay)
        }
        BlockVersion::POW => {
            let base = if bucket >= numbers.pow_late_from_bucket {
                numbers.pow_late_base
            } else {
                numbers.pow_base
            };
            let cap = truncate_to_units(numbers.pow_base * UNITS);
            round_to_units(base * UNITS * decay).min(cap)
        }
        BlockVersion::POS => {
            let cap = truncate_to_units(numbers.pos_base * UNITS);
            round_to_units(numbers.pos_base * UNITS * decay).min(cap)
        }
        _ => 0,
    };
    Amount::from_units(units)
}

/// Returns the reward of a deposit, or `None` when no period has this lock.
///
/// # Consensus
/// chain.md 6.4: `trunc( ((double)R / 1e8) * (double)value )`.
pub fn deposit_reward(params: &Params, lock_height: u32, value: Amount) -> Option<Amount> {
    let DepositPeriod { rate, .. } =
        params.deposits.iter().find(|period| period.lock_height == lock_height)?;
    // Both casts round to the nearest double, as in C.
    let reward = (*rate as f64 / UNITS) * value.units() as f64;
    Some(Amount::from_units(truncate_to_units(reward)))
}

/// How much of an asset a block may create: the content of a mining certificate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MiningSchedule {
    initial: i32,
    interval: i32,
    base: f64,
}

/// The content of a mining certificate that says nothing usable (chain.md 6.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MiningScheduleError {
    /// No bytes, or more than allowed.
    #[error("content of {found} bytes; 1 to {} are allowed", MiningSchedule::MAX_BYTES)]
    Length {
        /// Bytes found.
        found: usize,
    },
    /// Fewer items than the three that are needed.
    #[error("{found} items; initial, interval and base are needed")]
    Items {
        /// Items found.
        found: usize,
    },
    /// An item that is not `key:value`.
    #[error("item {index} is not of the form key:value")]
    Form {
        /// Position of the item, from 0.
        index: usize,
    },
    /// A value that is no positive number of its kind.
    #[error("{key} must be a positive number of its kind")]
    Value {
        /// The key.
        key: &'static str,
    },
    /// A key that is needed and missing.
    #[error("{key} is missing")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A key that says two things.
    #[error("{key} is given twice")]
    Twice {
        /// The key.
        key: &'static str,
    },
}

impl MiningSchedule {
    /// The longest content in bytes (chain.md 6.5).
    pub const MAX_BYTES: usize = 64;

    /// Reads the content of a mining certificate, for example
    /// `initial:300000000,interval:500000,base:0.95`.
    ///
    /// # Consensus
    /// chain.md 6.5: comma separated `key:value` items, at least 3, each with exactly one `:`; keys
    /// `initial` (int32 > 0), `interval` (int32 > 0) and `base` (double > 0) are all needed; other
    /// keys are ignored; not empty and at most 64 bytes. Where the document is silent this reads
    /// strictly: a key may not come twice, numbers are nothing but a number, `base` is finite.
    ///
    /// # Errors
    /// [`MiningScheduleError`] with the first thing wrong.
    pub fn parse(content: &[u8]) -> Result<Self, MiningScheduleError> {
        if content.is_empty() || content.len() > Self::MAX_BYTES {
            return Err(MiningScheduleError::Length { found: content.len() });
        }
        let items: Vec<&[u8]> = content.split(|byte| *byte == b',').collect();
        if items.len() < 3 {
            return Err(MiningScheduleError::Items { found: items.len() });
        }
        let (mut initial, mut interval, mut base) = (None, None, None);
        for (index, item) in items.iter().enumerate() {
            let mut parts = item.split(|byte| *byte == b':');
            let (Some(key), Some(value), None) = (parts.next(), parts.next(), parts.next()) else {
                return Err(MiningScheduleError::Form { index });
            };
            match key {
                b"initial" => put(&mut initial, "initial", positive_i32(value))?,
                b"interval" => put(&mut interval, "interval", positive_i32(value))?,
                b"base" => put(&mut base, "base", positive_f64(value))?,
                _ => {}
            }
        }
        Ok(Self {
            initial: initial.ok_or(MiningScheduleError::Missing { key: "initial" })?,
            interval: interval.ok_or(MiningScheduleError::Missing { key: "interval" })?,
            base: base.ok_or(MiningScheduleError::Missing { key: "base" })?,
        })
    }

    /// Returns how much of the asset a block at `height` may create.
    ///
    /// # Consensus
    /// chain.md 6.5: `round(initial * base^k)`, `k = floor((H - issue_height)/interval)`; nothing if
    /// the issue height is 0 or not below the block.
    pub fn limit(&self, issue_height: Height, height: Height) -> AssetAmount {
        if issue_height == Height::GENESIS || issue_height >= height {
            return AssetAmount::ZERO;
        }
        let age = height.blocks_since(issue_height);
        let buckets = age.checked_div(self.interval.unsigned_abs()).unwrap_or(0); // never zero
        let limit = f64::from(self.initial) * pow(self.base, buckets);
        AssetAmount::from_units(round_to_units(limit))
    }
}

fn put<T>(
    slot: &mut Option<T>,
    key: &'static str,
    value: Option<T>,
) -> Result<(), MiningScheduleError> {
    let value = value.ok_or(MiningScheduleError::Value { key })?;
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(MiningScheduleError::Twice { key }),
    }
}

fn positive_i32(text: &[u8]) -> Option<i32> {
    std::str::from_utf8(text).ok()?.parse().ok().filter(|number| *number > 0)
}

fn positive_f64(text: &[u8]) -> Option<f64> {
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (number.is_finite() && number > 0.0).then_some(number)
}

#[cfg(test)]
mod tests {
    use mvs_primitives::amount::{Amount, AssetAmount};
    use mvs_primitives::header::BlockVersion;
    use mvs_primitives::height::Height;

    use super::{MiningSchedule, MiningScheduleError, block_subsidy, deposit_reward};
    use crate::params::Params;

    #[test]
    fn versions_without_a_subsidy() {
        let main = Params::mainnet();
        for version in [0, 3, 4] {
            let subsidy = block_subsidy(&main, BlockVersion::new(version), Height::new(1));
            assert_eq!(subsidy, Amount::ZERO);
        }
    }

    #[test]
    fn a_lock_that_is_no_deposit_period() {
        let main = Params::mainnet();
        assert_eq!(deposit_reward(&main, 25_199, Amount::from_units(1)), None);
        assert_eq!(deposit_reward(&main, 25_200, Amount::ZERO), Some(Amount::ZERO));
    }

    #[test]
    fn mining_content_as_issued_on_the_chain() {
        let schedule =
            MiningSchedule::parse(b"initial:300000000,interval:500000,base:0.95").unwrap();
        let limit =
            |issued, height| schedule.limit(Height::new(issued), Height::new(height)).units();
        assert_eq!(limit(100, 101), 300_000_000);
        assert_eq!(limit(100, 500_099), 300_000_000);
        assert_eq!(limit(100, 500_100), 285_000_000);
        assert_eq!(limit(100, 1_500_100), 257_212_500, "rounded, where early work truncates");
        assert_eq!(limit(100, 100), 0);
        assert_eq!(limit(101, 100), 0);
        assert_eq!(limit(0, 100), 0);
    }

    #[test]
    fn mining_content_each_rule() {
        use MiningScheduleError::{Form, Items, Length, Missing, Twice, Value};
        let parse = |text: &str| MiningSchedule::parse(text.as_bytes());
        let good = "interval:5,base:1e0,initial:7";
        assert!(parse(good).is_ok());
        assert!(parse(&format!("{good},x:y")).is_ok(), "unknown keys are ignored");
        assert!(parse(&format!("{good},{}:", "x".repeat(64 - good.len() - 2))).is_ok());
        let long = format!("{good},{}:", "x".repeat(64 - good.len() - 1));
        for (text, error) in [
            ("", Length { found: 0 }),
            (long.as_str(), Length { found: 65 }),
            ("initial:1,interval:1", Items { found: 2 }),
            ("initial:1,interval:1,base", Form { index: 2 }),
            ("initial:1,interval:1,base:1:1", Form { index: 2 }),
            ("initial:1,interval:1,base:1,", Form { index: 3 }),
            ("initial:0,interval:1,base:1", Value { key: "initial" }),
            ("initial:2147483648,interval:1,base:1", Value { key: "initial" }),
            ("initial:1,interval:-1,base:1", Value { key: "interval" }),
            ("initial:1,interval: 1,base:1", Value { key: "interval" }),
            ("initial:1,interval:1,base:0", Value { key: "base" }),
            ("initial:1,interval:1,base:nan", Value { key: "base" }),
            ("initial:1,interval:1,base:inf", Value { key: "base" }),
            ("initial:1,interval:1,x:1", Missing { key: "base" }),
            ("initial:1,interval:1,base:1,base:1", Twice { key: "base" }),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
        assert!(MiningSchedule::parse(b"initial:1,interval:1,base:\xff").is_err());
    }

    #[test]
    fn growth_ends_in_nothing_rather_than_in_everything() {
        let schedule = MiningSchedule::parse(b"initial:1,interval:1,base:2").unwrap();
        let limit = |height| schedule.limit(Height::new(1), Height::new(height));
        assert_eq!(limit(64), AssetAmount::from_units(1 << 63));
        assert_eq!(limit(65), AssetAmount::ZERO);
        assert_eq!(limit(u32::MAX), AssetAmount::ZERO);
    }
}
