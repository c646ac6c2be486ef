//! The two lock operations.

use super::InputContext;
use super::error::ScriptError;
use super::stack::number;

/// Bytes of an operand: one more than other numbers have, for 32 bits without a sign.
const OPERAND_BYTES: usize = 5;
/// Locktimes below are heights, from here on Unix times (BIP65).
const LOCKTIME_THRESHOLD: i64 = 500_000_000;
/// An operand, or an input's sequence, with this bit demands nothing.
const SEQUENCE_DISABLED: u32 = 1 << 31;
/// A relative lock with this bit is in units of time, else in blocks.
const SEQUENCE_IS_TIME: u32 = 0x0040_0000;
/// The length of a relative lock. Bitcoin has 16 bits here, this chain 20 (chain.md 4.4).
const SEQUENCE_VALUE: u32 = 0x000f_ffff;

/// `CHECKLOCKTIMEVERIFY`.
///
/// # Consensus
/// BIP65: "the top item on the stack is less than 0; or the lock-time type (height vs. timestamp)
/// of the top stack item and the nLockTime field are not the same; or the top stack item is greater
/// than the transaction's nLockTime field; or the nSequence field of the txin is 0xffffffff" fails.
pub(super) fn check_locktime(input: &InputContext<'_>, operand: &[u8]) -> Result<(), ScriptError> {
    let required = number(operand, OPERAND_BYTES)?;
    if required < 0 {
        return Err(ScriptError::LocktimeNegative { found: required });
    }
    let (found, sequence) = (input.transaction.locktime, input.own.sequence);
    let locktime = i64::from(found);
    let same_kind = (required < LOCKTIME_THRESHOLD) == (locktime < LOCKTIME_THRESHOLD);
    if !same_kind || required > locktime || input.own.sequence == u32::MAX {
        return Err(ScriptError::LocktimeUnsatisfied { required, found, sequence });
    }
    Ok(())
}

/// `CHECKSEQUENCEVERIFY`.
///
/// # Consensus
/// BIP112 with this chain's masks (chain.md 4.1): "operand bit 31 set -> no-op; else needs tx
/// version >= 2, input sequence bit 31 clear, same type bit 22, and (operand & mask) <= (sequence &
/// mask), mask = 0x00400000 | 0x000fffff".
pub(super) fn check_sequence(input: &InputContext<'_>, operand: &[u8]) -> Result<(), ScriptError> {
    let required = number(operand, OPERAND_BYTES)?;
    if required < 0 {
        return Err(ScriptError::SequenceNegative { found: required });
    }
    if required & i64::from(SEQUENCE_DISABLED) != 0 {
        return Ok(());
    }
    let (found, version) = (input.own.sequence, input.transaction.version);
    let masked = |value: i64, mask: u32| value & i64::from(mask);
    let own = i64::from(found);
    let satisfied = version >= 2
        && found & SEQUENCE_DISABLED == 0
        && masked(required, SEQUENCE_IS_TIME) == masked(own, SEQUENCE_IS_TIME)
        && masked(required, SEQUENCE_VALUE) <= masked(own, SEQUENCE_VALUE);
    if !satisfied {
        return Err(ScriptError::SequenceUnsatisfied { required, found, version });
    }
    Ok(())
}
