//! The difficulty that a header must state (chain.md 6.6).

use ethnum::U256;
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::header::BlockVersion;
use mvs_primitives::height::Height;
use mvs_primitives::time::Timestamp;

use crate::error::Fault;
use crate::header_view::{HeaderInfo, HeaderView};
use crate::params::{Params, PowDifficulty, RetargetParams};

/// First formula: one step down when the block came at or after the target interval, else one up.
///
/// # Consensus
/// chain.md 6.6, v1: `t = last.bits -+ last.bits/1024`, result `max(min, t)`. QUIRK: the sum of the
/// last timestamp and the target wraps around in 32 bits.
pub fn retarget_v1(
    numbers: &RetargetParams,
    last: &HeaderInfo,
    timestamp: Timestamp,
    min: Difficulty,
) -> Difficulty {
    let step = last.bits.value() / U256::from(numbers.v1_step_divisor);
    let due = last.timestamp.unix_secs().wrapping_add(numbers.v1_target_secs);
    let target = if timestamp.unix_secs() >= due {
        last.bits.value() - step // a step is at most the whole
    } else {
        last.bits.value().saturating_add(step)
    };
    Difficulty::new(target).max(min)
}

/// Second formula for work blocks: the interval is that of the block being judged.
pub fn retarget_v2_pow(
    numbers: &RetargetParams,
    last: &HeaderInfo,
    timestamp: Timestamp,
    min: Difficulty,
) -> Difficulty {
    let interval = interval_secs(last.timestamp, timestamp);
    retarget_v2(numbers, last.bits, interval, numbers.v2_pow_offset, min)
}

/// Second formula for stake blocks: the interval is that between the two stake blocks before.
pub fn retarget_v2_pos(
    numbers: &RetargetParams,
    last: &HeaderInfo,
    before_last: &HeaderInfo,
    min: Difficulty,
) -> Difficulty {
    let interval = interval_secs(before_last.timestamp, last.timestamp);
    retarget_v2(numbers, last.bits, interval, numbers.v2_pos_offset, min)
}

/// Seconds from one timestamp to another, as the 32-bit difference read with a sign.
const fn interval_secs(from: Timestamp, to: Timestamp) -> i32 {
    to.unix_secs().wrapping_sub(from.unix_secs()).cast_signed()
}

/// # Consensus
/// chain.md 6.6, v2: `a = max(offset - i/10, -99)`, result `last + (last/2048)*a`, at least `min`,
/// at most 2^256 - 1. Divisions truncate toward zero, and the division by 2048 comes first.
fn retarget_v2(
    numbers: &RetargetParams,
    last: Difficulty,
    interval: i32,
    offset: i32,
    min: Difficulty,
) -> Difficulty {
    // In 64 bits nothing here can overflow; a unit of zero is refused with the parameters.
    let units = i64::from(interval).checked_div(i64::from(numbers.v2_interval_unit_secs));
    let steps = (i64::from(offset) - units.unwrap_or(0)).max(i64::from(numbers.v2_min_steps));
    let step = last.value() / U256::from(numbers.v2_step_divisor);
    let change = step.saturating_mul(U256::from(steps.unsigned_abs()));
    let target = if steps < 0 {
        last.value().saturating_sub(change)
    } else {
        last.value().saturating_add(change)
    };
    Difficulty::new(target).max(min)
}

/// Returns the most recent block of `version` below `height`.
///
/// # Consensus
/// chain.md 6.6: the direct parent is accepted even if it is the genesis block; further back only
/// heights from 1 on are searched, and for stake blocks none below the stake era.
fn last_below(
    params: &Params,
    view: &impl HeaderView,
    version: BlockVersion,
    height: Height,
) -> Result<Option<(Height, HeaderInfo)>, Fault> {
    let Some(parent_height) = height.previous() else { return Ok(None) };
    let Some(parent) = view.header_at(parent_height)? else { return Ok(None) };
    if parent.version == version {
        return Ok(Some((parent_height, parent)));
    }
    let Some(highest) = parent_height.previous() else { return Ok(None) };
    let lowest = if version == BlockVersion::POS { params.pos_enabled_height.max(1) } else { 1 };
    view.last_of_version(version, highest, Height::new(lowest))
}

/// Returns the difficulty that a header at `height` must state.
///
/// The header that is judged is given by its version and timestamp; `view` holds the branch below
/// it. A delegated block repeats its parent's difficulty; whether such a block is allowed is another
/// rule's matter. A version that does not exist, and a height whose parent is not in the view, get
/// `None`.
///
/// # Errors
/// [`Fault`] when the headers cannot be read.
pub fn required_bits(
    params: &Params,
    view: &impl HeaderView,
    version: BlockVersion,
    timestamp: Timestamp,
    height: Height,
) -> Result<Option<Difficulty>, Fault> {
    let Some(parent) =
        height.previous().map(|parent| view.header_at(parent)).transpose()?.flatten()
    else {
        return Ok(None);
    };
    let numbers = &params.retarget;
    let min = match (version, params.pow_difficulty) {
        (BlockVersion::POW, PowDifficulty::Fixed(fixed)) => return Ok(Some(fixed)),
        (BlockVersion::POW, PowDifficulty::Retarget { min }) => min,
        (BlockVersion::POS, _) => params.stake.min_difficulty,
        (BlockVersion::DPOS, _) => return Ok(Some(parent.bits)),
        _ => return Ok(None),
    };
    let Some((last_height, last)) = last_below(params, view, version, height)? else {
        return Ok(Some(min));
    };
    if !params.is_pos_era(height) {
        return Ok(Some(retarget_v1(numbers, &last, timestamp, min)));
    }
    if version == BlockVersion::POW {
        return Ok(Some(retarget_v2_pow(numbers, &last, timestamp, min)));
    }
    // chain.md 6.6: the block before the last is only looked up above height 2.
    if last_height.value() <= 2 {
        return Ok(Some(min));
    }
    let before_last = last_below(params, view, version, last_height)?;
    Ok(Some(
        before_last
            .map_or(min, |(_, before_last)| retarget_v2_pos(numbers, &last, &before_last, min)),
    ))
}

#[cfg(test)]
mod tests {
    use ethnum::U256;
    use mvs_primitives::difficulty::Difficulty;
    use mvs_primitives::header::BlockVersion;
    use mvs_primitives::height::Height;
    use mvs_primitives::time::Timestamp;

    use super::{required_bits, retarget_v1, retarget_v2_pow};
    use crate::header_view::{HeaderChain, HeaderInfo};
    use crate::params::{Params, PowDifficulty};

    fn info(version: BlockVersion, secs: u32, bits: u64) -> HeaderInfo {
        HeaderInfo {
            version,
            timestamp: Timestamp::from_unix_secs(secs),
            bits: Difficulty::from_u64(bits),
        }
    }

    const MIN: Difficulty = Difficulty::from_u64(1);

    #[test]
    fn v1_adds_the_target_in_32_bits() {
        let numbers = Params::mainnet().retarget;
        let last = info(BlockVersion::POW, u32::MAX - 5, 2048);
        // u32::MAX - 5 + 24 wraps to 18: a block at the same second already counts as late.
        let at = |secs| retarget_v1(&numbers, &last, Timestamp::from_unix_secs(secs), MIN);
        assert_eq!(at(u32::MAX - 5), Difficulty::from_u64(2046));
        assert_eq!(at(17), Difficulty::from_u64(2050));
        assert_eq!(at(18), Difficulty::from_u64(2046));
    }

    #[test]
    fn v2_truncates_toward_zero_and_reads_the_interval_with_its_sign() {
        let numbers = Params::mainnet().retarget;
        let last = info(BlockVersion::POW, 1000, 2048 * 1000);
        let at = |secs| retarget_v2_pow(&numbers, &last, Timestamp::from_unix_secs(secs), MIN);
        let steps = |steps: i64| Difficulty::from_u64((2048 * 1000 + 1000 * steps) as u64);
        assert_eq!(at(1000), steps(2));
        assert_eq!(at(1000 - 9), steps(2), "-9/10 is 0");
        assert_eq!(at(1000 - 10), steps(3));
        assert_eq!(at(1000 + 1009), steps(-98));
        assert_eq!(at(1000 + 1_000_000), steps(-99));
        // 2^31 seconds later reads as 2^31 seconds earlier.
        assert_eq!(at(1000 + (1 << 31)), steps(2 + 214_748_364));
    }

    #[test]
    fn nothing_wraps_at_the_largest_difficulty() {
        let numbers = Params::mainnet().retarget;
        let top = HeaderInfo { bits: Difficulty::new(U256::MAX), ..info(BlockVersion::POW, 0, 0) };
        let now = Timestamp::from_unix_secs(0);
        assert_eq!(retarget_v1(&numbers, &top, now, MIN), top.bits);
        assert_eq!(retarget_v2_pow(&numbers, &top, now, MIN), top.bits);
        let early = Timestamp::from_unix_secs(1 << 31);
        assert_eq!(retarget_v2_pow(&numbers, &top, early, MIN), top.bits);
    }

    #[test]
    fn stake_blocks_need_two_before_them_in_their_era() {
        let mut params = Params::mainnet();
        params.pos_enabled_height = 5;
        params.stake.min_difficulty = Difficulty::from_u64(10_000);
        let mut chain = HeaderChain::new();
        // A stake block below the era is invisible, unless it is the parent.
        for version in [1, 1, 1, 2, 1] {
            chain.push(info(BlockVersion::new(version), 0, 4_096_000));
        }
        let need = |chain: &HeaderChain| {
            let height = Height::new(chain.tip().unwrap().value() + 1);
            required_bits(&params, chain, BlockVersion::POS, Timestamp::from_unix_secs(0), height)
                .unwrap()
        };
        let min = Some(Difficulty::from_u64(10_000));
        assert_eq!(need(&chain), min, "no stake block at all");
        chain.push(info(BlockVersion::POS, 100, 4_096_000));
        assert_eq!(need(&chain), min, "only one");
        chain.push(info(BlockVersion::POW, 200, 1));
        chain.push(info(BlockVersion::POS, 300, 4_096_000));
        // Interval 200 s between the two stake blocks: 18 - 20 = -2 steps of 2000.
        assert_eq!(need(&chain), Some(Difficulty::from_u64(4_092_000)));
    }

    #[test]
    fn work_blocks_above_genesis_and_other_versions() {
        let params = Params::testnet();
        let mut chain = HeaderChain::new();
        chain.push(info(BlockVersion::POW, 0, 1));
        let at = |chain: &HeaderChain, version, height| {
            let now = Timestamp::from_unix_secs(0);
            required_bits(&params, chain, version, now, Height::new(height)).unwrap()
        };
        let min = Some(Difficulty::from_u64(300_000));
        assert_eq!(at(&chain, BlockVersion::POW, 1), min);
        chain.push(info(BlockVersion::POS, 0, 7));
        assert_eq!(at(&chain, BlockVersion::POW, 2), min, "genesis is only seen as the parent");
        assert_eq!(at(&chain, BlockVersion::DPOS, 2), Some(Difficulty::from_u64(7)));
        assert_eq!(at(&chain, BlockVersion::new(4), 2), None);
        assert_eq!(at(&chain, BlockVersion::POW, 3), None, "no parent");
        assert_eq!(at(&chain, BlockVersion::POW, 0), None);
        let fixed = PowDifficulty::Fixed(Difficulty::from_u64(10));
        let params = Params { pow_difficulty: fixed, ..params };
        let bits = required_bits(
            &params,
            &chain,
            BlockVersion::POW,
            Timestamp::from_unix_secs(0),
            Height::new(2),
        )
        .unwrap();
        assert_eq!(bits, Some(Difficulty::from_u64(10)));
    }
}
