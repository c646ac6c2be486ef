//! When a transaction may enter the chain (chain.md 7.2.8, 7.3, 7.4).

use mvs_primitives::height::Height;
use mvs_primitives::input::Input;
use mvs_primitives::script::{Pattern, parse_script_number};
use mvs_primitives::transaction::Transaction;

use super::connect::TxContext;
use crate::error::{Fault, Rejection, TxRuleError, broken, demand};
use crate::state::{Coin, LOCKTIME_THRESHOLD};

/// A sequence with this bit is no relative lock (BIP-0068).
const SEQUENCE_DISABLE_BIT: u32 = 1 << 31;
/// A sequence with this bit counts time, not blocks (BIP-0068).
const SEQUENCE_TIME_BIT: u32 = 1 << 22;
/// Value bits of a relative lock: 20, where BIP-0068 has 16 (chain.md 4.4).
const SEQUENCE_VALUE_MASK: u32 = 0x000f_ffff;
/// A time unit is 2^5 = 32 seconds, where BIP-0068 has 512 (chain.md 4.4).
const SEQUENCE_TIME_SHIFT: u32 = 5;

/// Tells whether a lock time has passed for a block of this height whose median time past is
/// given (chain.md 7.3).
pub(crate) fn is_final(transaction: &Transaction, height: u64, time: u64) -> bool {
    let locktime = transaction.locktime;
    let limit = if locktime < LOCKTIME_THRESHOLD { height } else { time };
    locktime == 0
        || u64::from(locktime) < limit
        || transaction.inputs.iter().all(|input| input.sequence == Input::FINAL_SEQUENCE)
}

/// chain.md 7.3: only from version 2 on and in the stake era.
pub(super) fn check_final(
    context: &TxContext<'_>,
    transaction: &Transaction,
) -> Result<(), TxRuleError> {
    let applies = transaction.version >= 2 && context.params.is_pos_era(context.height);
    let (height, time) = (context.height.value(), context.median_time_past);
    demand(
        !applies || is_final(transaction, u64::from(height), u64::from(time)),
        TxRuleError::NotFinal { locktime: transaction.locktime },
    )
}

/// chain.md 7.4.
pub(super) fn check_sequence_locks(
    context: &TxContext<'_>,
    transaction: &Transaction,
    spent: &[Coin],
) -> Result<(), Rejection<TxRuleError>> {
    if transaction.version < 2 {
        return Ok(());
    }
    let (mut min_height, mut min_time) = (0u64, 0u64);
    for (input, coin) in transaction.inputs.iter().zip(spent) {
        let sequence = input.sequence;
        if sequence & SEQUENCE_DISABLE_BIT != 0 {
            continue;
        }
        let value = u64::from(sequence & SEQUENCE_VALUE_MASK);
        // The sums stay far below 64 bits: a height or time of 32 and a lock of 25 bits. A parent
        // at height 0 with a lock of 0 blocks wraps in the reference; it would be the genesis
        // coinbase, and there the wrap means "never" (chain.md 7.4).
        if sequence & SEQUENCE_TIME_BIT == 0 {
            let created = u64::from(coin.height.value());
            min_height = min_height.max((created + value).checked_sub(1).unwrap_or(u64::MAX));
        } else {
            let created = u64::from(created_at(context, coin.height)?);
            let lock = value << SEQUENCE_TIME_SHIFT;
            min_time = min_time.max((created + lock).checked_sub(1).unwrap_or(u64::MAX));
        }
    }
    let passed = u64::from(context.median_time_past) > min_time
        && u64::from(context.height.value()) > min_height;
    demand(passed, TxRuleError::SequenceLocked).map_err(broken)
}

/// Returns the timestamp of the block that created an output. (BIP-0068 uses the median time before
/// it; this chain does not.)
fn created_at(context: &TxContext<'_>, height: Height) -> Result<u32, Fault> {
    if height >= context.height {
        return Ok(context.block_time.unix_secs());
    }
    context
        .headers
        .header_at(height)?
        .map(|header| header.timestamp.unix_secs())
        .ok_or(Fault::Broken("the header of a coin's block is missing"))
}

/// chain.md 7.2.8: a deposit's input script repeats its lock, and that many blocks have passed.
///
/// The rule looks at the input script alone, so it also binds other outputs that are spent by three
/// pushes of that form; not pay-to-script-hash ones.
pub(super) fn check_deposits_unlocked(
    context: &TxContext<'_>,
    transaction: &Transaction,
    spent: &[Coin],
) -> Result<(), TxRuleError> {
    for (index, (input, coin)) in transaction.inputs.iter().zip(spent).enumerate() {
        let Pattern::SignKeyHashWithLockHeight { lock_height, .. } = input.script.pattern() else {
            continue;
        };
        if matches!(coin.output.script.pattern(), Pattern::PayScriptHash(_)) {
            continue;
        }
        let age = i64::from(context.tip.blocks_since(coin.height));
        // A number that is longer or not minimal stops the reference itself; it cannot be valid.
        let unlocked = parse_script_number(lock_height, 4, true)
            .is_ok_and(|lock| lock.min(i64::from(i32::MAX)) <= age);
        demand(unlocked, TxRuleError::DepositLocked { input: index })?;
    }
    Ok(())
}
