//! The operations that look at nothing but the stack.

use std::borrow::Cow;

use bitcoin_hashes::{ripemd160, sha1};
use mvs_primitives::hash::{hash160, sha256, sha256d};
use mvs_primitives::script::Opcode;

use super::error::ScriptError;
use super::stack::Stack;

/// Applies an operation to the stack.
///
/// # Errors
/// [`ScriptError::BadOpcode`] when there is no such operation, else why it fails.
pub(super) fn apply(opcode: Opcode, stack: &mut Stack<'_>) -> Result<(), ScriptError> {
    match opcode {
        Opcode::NEGATIVE_1 => stack.push_number(-1),
        Opcode::NOP | Opcode::NOP1 => {}
        Opcode::DROP2
        | Opcode::DUP2
        | Opcode::DUP3
        | Opcode::OVER2
        | Opcode::ROT2
        | Opcode::SWAP2
        | Opcode::IFDUP
        | Opcode::DEPTH
        | Opcode::DROP
        | Opcode::DUP
        | Opcode::NIP
        | Opcode::OVER
        | Opcode::PICK
        | Opcode::ROLL
        | Opcode::ROT
        | Opcode::SWAP
        | Opcode::TUCK
        | Opcode::SIZE => rearrange(opcode, stack)?,
        Opcode::EQUAL => {
            let equal = pop_equal(opcode, stack)?;
            stack.push_bool(equal);
        }
        Opcode::EQUALVERIFY => {
            if !pop_equal(opcode, stack)? {
                return Err(ScriptError::EqualVerify);
            }
        }
        Opcode::ADD1
        | Opcode::SUB1
        | Opcode::NEGATE
        | Opcode::ABS
        | Opcode::NOT
        | Opcode::NOTEQUAL0 => unary(opcode, stack)?,
        Opcode::ADD
        | Opcode::SUB
        | Opcode::BOOLAND
        | Opcode::BOOLOR
        | Opcode::NUMEQUAL
        | Opcode::NUMEQUALVERIFY
        | Opcode::NUMNOTEQUAL
        | Opcode::LESSTHAN
        | Opcode::GREATERTHAN
        | Opcode::LESSTHANOREQUAL
        | Opcode::GREATERTHANOREQUAL
        | Opcode::MIN
        | Opcode::MAX => binary(opcode, stack)?,
        Opcode::WITHIN => {
            stack.need(opcode, 3)?;
            let above = stack.pop_number(opcode)?;
            let from = stack.pop_number(opcode)?;
            let value = stack.pop_number(opcode)?;
            stack.push_bool(from <= value && value < above);
        }
        Opcode::RIPEMD160 | Opcode::SHA1 | Opcode::SHA256 | Opcode::HASH160 | Opcode::HASH256 => {
            hash(opcode, stack)?
        }
        _ => match opcode.small_number() {
            Some(number) => stack.push_number(i64::from(number)),
            None if (Opcode::NOP5..=Opcode::NOP10).contains(&opcode) => {}
            None => return Err(ScriptError::BadOpcode { opcode }),
        },
    }
    Ok(())
}

fn rearrange(opcode: Opcode, stack: &mut Stack<'_>) -> Result<(), ScriptError> {
    match opcode {
        Opcode::DROP2 => stack.drop_top(opcode, 2)?,
        Opcode::DUP2 => copy_times(opcode, stack, 1, 2)?,
        Opcode::DUP3 => copy_times(opcode, stack, 2, 3)?,
        Opcode::OVER2 => copy_times(opcode, stack, 3, 2)?,
        Opcode::ROT2 => {
            stack.need(opcode, 6)?;
            stack.raise(opcode, 5)?;
            stack.raise(opcode, 5)?;
        }
        Opcode::SWAP2 => {
            stack.need(opcode, 4)?;
            stack.raise(opcode, 3)?;
            stack.raise(opcode, 3)?;
        }
        Opcode::IFDUP => {
            if super::stack::is_true(stack.peek(opcode, 0)?) {
                stack.copy(opcode, 0)?;
            }
        }
        Opcode::DEPTH => {
            let depth = i64::try_from(stack.len()).expect("at most 1000 items");
            stack.push_number(depth);
        }
        Opcode::DROP => stack.drop_top(opcode, 1)?,
        Opcode::DUP => stack.copy(opcode, 0)?,
        Opcode::NIP => {
            stack.remove(opcode, 1)?;
        }
        Opcode::OVER => stack.copy(opcode, 1)?,
        Opcode::PICK | Opcode::ROLL => {
            stack.need(opcode, 2)?;
            let depth = usize::try_from(stack.pop_number(opcode)?)
                .map_err(|_| ScriptError::StackUnderflow { opcode })?;
            if opcode == Opcode::PICK {
                stack.copy(opcode, depth)?;
            } else {
                stack.raise(opcode, depth)?;
            }
        }
        Opcode::ROT => stack.raise(opcode, 2)?,
        Opcode::SWAP => stack.raise(opcode, 1)?,
        Opcode::TUCK => stack.tuck(opcode)?,
        _ => {
            debug_assert_eq!(opcode, Opcode::SIZE);
            let size = i64::try_from(stack.peek(opcode, 0)?.len()).expect("at most 520 bytes");
            stack.push_number(size);
        }
    }
    Ok(())
}

/// Copies `count` neighbouring items, the lowest of them `depth` below the top, to the top.
fn copy_times(
    opcode: Opcode,
    stack: &mut Stack<'_>,
    depth: usize,
    count: usize,
) -> Result<(), ScriptError> {
    for _ in 0..count {
        stack.copy(opcode, depth)?; // each copy moves the next item to the same depth
    }
    Ok(())
}

fn pop_equal(opcode: Opcode, stack: &mut Stack<'_>) -> Result<bool, ScriptError> {
    stack.need(opcode, 2)?;
    Ok(stack.pop(opcode)? == stack.pop(opcode)?)
}

/// Operations on one number. A result may have five bytes; it can then not be computed with again.
fn unary(opcode: Opcode, stack: &mut Stack<'_>) -> Result<(), ScriptError> {
    let value = stack.pop_number(opcode)?; // four bytes: below 2^31, so nothing below overflows
    match opcode {
        Opcode::ADD1 => stack.push_number(value + 1),
        Opcode::SUB1 => stack.push_number(value - 1),
        Opcode::NEGATE => stack.push_number(-value),
        Opcode::ABS => stack.push_number(value.abs()),
        Opcode::NOT => stack.push_bool(value == 0),
        _ => {
            debug_assert_eq!(opcode, Opcode::NOTEQUAL0);
            stack.push_bool(value != 0);
        }
    }
    Ok(())
}

/// Operations on two numbers.
fn binary(opcode: Opcode, stack: &mut Stack<'_>) -> Result<(), ScriptError> {
    let left = stack.peek_number(opcode, 1)?;
    let right = stack.peek_number(opcode, 0)?;
    stack.drop_top(opcode, 2)?;
    match opcode {
        Opcode::ADD => stack.push_number(left + right), // each below 2^31
        Opcode::SUB => stack.push_number(left - right), // each below 2^31
        Opcode::BOOLAND => stack.push_bool(left != 0 && right != 0),
        Opcode::BOOLOR => stack.push_bool(left != 0 || right != 0),
        Opcode::NUMEQUAL => stack.push_bool(left == right),
        Opcode::NUMEQUALVERIFY => {
            if left != right {
                return Err(ScriptError::NumEqualVerify);
            }
        }
        Opcode::NUMNOTEQUAL => stack.push_bool(left != right),
        Opcode::LESSTHAN => stack.push_bool(left < right),
        Opcode::GREATERTHAN => stack.push_bool(left > right),
        Opcode::LESSTHANOREQUAL => stack.push_bool(left <= right),
        Opcode::GREATERTHANOREQUAL => stack.push_bool(left >= right),
        Opcode::MIN => stack.push_number(left.min(right)),
        _ => {
            debug_assert_eq!(opcode, Opcode::MAX);
            stack.push_number(left.max(right));
        }
    }
    Ok(())
}

fn hash(opcode: Opcode, stack: &mut Stack<'_>) -> Result<(), ScriptError> {
    let item = stack.pop(opcode)?;
    let digest = match opcode {
        Opcode::RIPEMD160 => ripemd160::Hash::hash(&item).to_byte_array().to_vec(),
        Opcode::SHA1 => sha1::Hash::hash(&item).to_byte_array().to_vec(),
        Opcode::SHA256 => sha256(&item).to_vec(),
        Opcode::HASH160 => hash160(&item).to_vec(),
        _ => {
            debug_assert_eq!(opcode, Opcode::HASH256);
            sha256d(&item).to_vec()
        }
    };
    stack.push(Cow::Owned(digest));
    Ok(())
}
