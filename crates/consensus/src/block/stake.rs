//! Whether a stake block's stake entitles it (chain.md 9.2).

use std::ops::RangeInclusive;

use mvs_primitives::address::Address;
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::height::Height;
use mvs_primitives::script::{Pattern, parse_script_number};

use super::check::CheckedBlock;
use crate::error::{Fault, Rejection, StakeRuleError, broken, demand};
use crate::params::Params;
use crate::stake::{kernel_meets, min_stake_age, stake_weight};
use crate::state::{Coin, LOCKTIME_THRESHOLD, StakeDeposit, StateView};

/// Bit of a sequence lock that counts time, not blocks.
const TIME_BIT: i64 = 1 << 22;
/// Value bits of a sequence lock.
const VALUE_MASK: i64 = 0x000f_ffff;

/// chain.md 9.2. `staked` is the coin that the coinstake's first input spends.
///
/// "Unspent" is asked of the state at the parent. (The reference asks its stored tip, which is the
/// same but during a reorganisation; docs/decisions/0012.)
pub(super) fn check_stake(
    params: &Params,
    state: &dyn StateView,
    block: &CheckedBlock,
    staked: &Coin,
) -> Result<(), Rejection<StakeRuleError>> {
    let placed = block.header();
    let header = placed.header();
    let Some(input) = block.block().transactions.get(1).and_then(|tx| tx.inputs.first()) else {
        return Err(Fault::Broken("a stake block has no coinstake").into());
    };
    let height = placed.height();
    check_staked_coin(params, staked, header.bits, height).map_err(broken)?;
    let weight = stake_weight(&params.stake, staked.output.value);
    let kernel = header.stake_kernel(&input.previous);
    demand(kernel_meets(&kernel, weight, header.bits), StakeRuleError::Kernel).map_err(broken)?;
    // Last, because an address may hold many locked outputs.
    let owner = input.script.address().unwrap_or(Address::Blackhole);
    check_stake_deposit(params, state, &owner, height)
}

/// Checks that a coin may be staked in a block of this height and difficulty (chain.md 9.2, rules 3
/// and 4).
///
/// # Errors
/// The first rule that is broken.
pub fn check_staked_coin(
    params: &Params,
    staked: &Coin,
    bits: Difficulty,
    height: Height,
) -> Result<(), StakeRuleError> {
    let (found, min) = (staked.output.value, params.stake.stake_min_value);
    demand(found >= min, StakeRuleError::Value { found, min })?;
    let (created, needed) = (staked.height, min_stake_age(&params.stake, bits));
    let old_enough = u64::from(created.value()) + u64::from(needed) <= u64::from(height.value());
    demand(old_enough, StakeRuleError::Age { created, needed })?;
    demand(is_spendable(params, staked, height), StakeRuleError::Locked)
}

/// Checks that the owner of a stake has a deposit that entitles him to make the block at this height
/// (chain.md 9.2, rule 2).
///
/// # Errors
/// The rule, or a fault of ours.
pub fn check_stake_deposit(
    params: &Params,
    state: &dyn StateView,
    owner: &Address,
    height: Height,
) -> Result<(), Rejection<StakeRuleError>> {
    let entitled = state.any_stake_deposit(owner, &|deposit| entitles(params, deposit, height))?;
    demand(entitled, StakeRuleError::Deposit).map_err(broken)
}

/// chain.md 9.2.2. Time locks never count.
fn entitles(params: &Params, deposit: &StakeDeposit, height: Height) -> bool {
    let stake = &params.stake;
    let parent = u64::from(height.value()).saturating_sub(1);
    let created = u64::from(deposit.height.value());
    let lock = if deposit.lock & TIME_BIT == 0 {
        u64::try_from(deposit.lock & VALUE_MASK).unwrap_or(0)
    } else {
        0
    };
    deposit.value >= stake.deposit_min_value
        && created + u64::from(stake.vote_maturity) <= parent
        && lock >= u64::from(stake.deposit_min_lock)
        && (created + lock).saturating_sub(u64::from(stake.deposit_gap)) > parent
}

/// Returns the heights of the blocks that a deposit entitles its owner to make (chain.md 9.2.2); `None`
/// when it never does. What [`check_stake_deposit`] asks, as a window for people.
pub fn deposit_window(params: &Params, deposit: &StakeDeposit) -> Option<RangeInclusive<u64>> {
    let created = u64::from(deposit.height.value());
    let first = created + u64::from(params.stake.vote_maturity) + 1;
    let lock = u64::try_from(deposit.lock & VALUE_MASK).unwrap_or(0);
    let last = (created + lock).saturating_sub(u64::from(params.stake.deposit_gap));
    let is_one =
        u32::try_from(first).is_ok_and(|first| entitles(params, deposit, Height::new(first)));
    is_one.then_some(first..=last)
}

/// chain.md 9.2.4.
fn is_spendable(params: &Params, coin: &Coin, height: Height) -> bool {
    let age = height.blocks_since(coin.height);
    let number = |bytes| parse_script_number(bytes, 4, false).ok();
    match coin.output.script.pattern() {
        Pattern::PayKeyHashWithLockHeight { lock_height, .. } => {
            number(lock_height).is_some_and(|lock| lock <= i64::from(age))
        }
        Pattern::PayKeyHashWithSequenceLock { sequence, .. } => {
            number(sequence).is_some_and(|lock| sequence_lock_passed(coin, height, lock))
        }
        _ if coin.is_coinbase => age >= params.coinbase_maturity,
        _ => {
            // A transaction of version 2 or above that was not final at its own height, below the
            // stake era; `open_locktime` is 0 for all others. Time locks count as passed, but for
            // the largest.
            let lock = coin.open_locktime;
            let limit =
                if lock < LOCKTIME_THRESHOLD { height.value().saturating_add(1) } else { u32::MAX };
            lock == 0 || lock < limit
        }
    }
}

/// QUIRK (chain.md 9.2.4): for a time lock the reference compares with the time of the block *as
/// stored*, which it is not yet, so the time counts as 0 and a time lock has never passed.
fn sequence_lock_passed(coin: &Coin, height: Height, lock: i64) -> bool {
    lock & TIME_BIT == 0
        && i64::from(coin.height.value()) + (lock & VALUE_MASK) <= i64::from(height.value())
}

#[cfg(test)]
mod tests {
    use mvs_primitives::amount::Amount;
    use mvs_primitives::hash::TxId;
    use mvs_primitives::height::Height;
    use mvs_primitives::input::OutPoint;

    use super::{TIME_BIT, deposit_window, entitles};
    use crate::params::Params;
    use crate::state::StakeDeposit;

    #[test]
    fn the_window_of_a_deposit_is_where_it_entitles() {
        let mut params = Params::devnet();
        params.stake.deposit_gap = 10;
        params.stake.deposit_min_lock = 20;
        let least = params.stake.deposit_min_value;
        for created in 0..40u32 {
            for lock in [0, 1, 19, 20, 21, 30, 200, TIME_BIT | 200, -1] {
                for value in [least, Amount::from_units(least.units() - 1)] {
                    let deposit = StakeDeposit {
                        outpoint: OutPoint::new(TxId::ZERO, 0),
                        value,
                        height: Height::new(created),
                        lock,
                    };
                    let window = deposit_window(&params, &deposit);
                    for height in 1..300u32 {
                        let is_in = window.as_ref().is_some_and(|w| w.contains(&height.into()));
                        let expected = entitles(&params, &deposit, Height::new(height));
                        assert_eq!(is_in, expected, "{created} {lock} {height}");
                    }
                }
            }
        }
    }
}
