//! Runs one script on a stack.

use std::borrow::Cow;

use mvs_primitives::script::{Instruction, Instructions, Opcode};

use super::error::ScriptError;
use super::judge::{Judge, Stop};
use super::signing::SighashMemo;
use super::stack::{Item, Stack, is_true};
use super::{InputContext, MAX_ITEM_BYTES, MAX_OPS, MAX_SCRIPT_BYTES, MAX_STACK_ITEMS};
use super::{locks, operations};

/// Tells whether a script is exactly `HASH160 <20 bytes> EQUAL` (BIP16).
pub(super) fn is_pay_script_hash(script: &[u8]) -> bool {
    matches!(script, [0xa9, 20, hash @ .., 0x87] if hash.len() == 20)
}

/// Runs a script on a stack that an earlier script may have left.
///
/// # Errors
/// [`Stop::Failed`] when the script fails. A script that ends does not fail here, whatever it
/// leaves on the stack.
pub(super) fn run<'s>(
    input: &InputContext<'_>,
    judge: &mut Judge<'_>,
    script: &'s [u8],
    stack: &mut Stack<'s>,
) -> Result<(), Stop> {
    if script.len() > MAX_SCRIPT_BYTES {
        return Err(ScriptError::ScriptSize { found: script.len() }.into());
    }
    let mut frame = Frame {
        input,
        judge,
        script,
        stack,
        alternative: Vec::new(),
        branches: Branches::default(),
        operations: 0,
        code_start: 0,
        memo: SighashMemo::default(),
    };
    let mut instructions = Instructions::new(script);
    while let Some(instruction) = instructions.next() {
        let instruction = instruction.map_err(|_| ScriptError::TruncatedPush)?;
        frame.step(instruction, instructions.position())?;
    }
    if !frame.branches.taken.is_empty() {
        return Err(ScriptError::UnbalancedConditional.into());
    }
    Ok(())
}

/// The state of one script while it runs.
pub(super) struct Frame<'f, 'j, 's> {
    pub(super) input: &'f InputContext<'f>,
    pub(super) judge: &'f mut Judge<'j>,
    pub(super) script: &'s [u8],
    pub(super) stack: &'f mut Stack<'s>,
    alternative: Vec<Item<'s>>,
    branches: Branches,
    /// Operations so far, pushes left out, keys of multisigs included.
    operations: usize,
    /// Where the part that signatures cover begins: after the last `CODESEPARATOR` executed.
    pub(super) code_start: usize,
    pub(super) memo: SighashMemo<'s>,
}

impl<'s> Frame<'_, '_, 's> {
    /// Executes or skips one operation; `next` is the offset of the one after it.
    fn step(&mut self, instruction: Instruction<'s>, next: usize) -> Result<(), Stop> {
        let executing = self.branches.is_executing();
        match instruction {
            Instruction::Push { data, .. } => {
                if data.len() > MAX_ITEM_BYTES {
                    return Err(ScriptError::PushSize { found: data.len() }.into());
                }
                if executing {
                    self.stack.push(Cow::Borrowed(data));
                }
            }
            Instruction::Op(opcode) => {
                if opcode > Opcode::OP_16 {
                    self.count_operations(1)?;
                }
                if is_disabled(opcode) {
                    return Err(ScriptError::DisabledOpcode { opcode }.into());
                }
                if executing || is_flow_control(opcode) {
                    self.execute(opcode, executing, next)?;
                }
            }
        }
        let items = self.stack.len() + self.alternative.len(); // each far below any limit of usize
        if items > MAX_STACK_ITEMS {
            return Err(ScriptError::StackSize { found: items }.into());
        }
        Ok(())
    }

    /// Counts operations towards the limit.
    pub(super) fn count_operations(&mut self, count: usize) -> Result<(), ScriptError> {
        self.operations = self.operations.saturating_add(count);
        if self.operations > MAX_OPS {
            return Err(ScriptError::OpCount { found: self.operations });
        }
        Ok(())
    }

    fn execute(&mut self, opcode: Opcode, executing: bool, next: usize) -> Result<(), Stop> {
        match opcode {
            Opcode::IF | Opcode::NOTIF => self.enter_branch(opcode, executing)?,
            Opcode::ELSE => {
                let taken = self.branches.leave()?;
                self.branches.enter(!taken);
            }
            Opcode::ENDIF => {
                self.branches.leave()?;
            }
            Opcode::VERIFY => {
                if !is_true(&self.stack.pop(opcode)?) {
                    return Err(ScriptError::Verify.into());
                }
            }
            Opcode::RETURN => return Err(ScriptError::OpReturn.into()),
            Opcode::TOALTSTACK => {
                let item = self.stack.pop(opcode)?;
                self.alternative.push(item);
            }
            Opcode::FROMALTSTACK => {
                let item = self.alternative.pop().ok_or(ScriptError::AltStackUnderflow)?;
                self.stack.push(item);
            }
            Opcode::CODESEPARATOR => self.code_start = next,
            Opcode::CHECKSIG => {
                let holds = self.check_sig(opcode)?;
                self.stack.push_bool(holds);
            }
            Opcode::CHECKSIGVERIFY => {
                if !self.check_sig(opcode)? {
                    return Err(ScriptError::CheckSigVerify.into());
                }
            }
            Opcode::CHECKMULTISIG => {
                let holds = self.check_multisig(opcode)?;
                self.stack.push_bool(holds);
            }
            Opcode::CHECKMULTISIGVERIFY => {
                if !self.check_multisig(opcode)? {
                    return Err(ScriptError::CheckMultisigVerify.into());
                }
            }
            Opcode::CHECKLOCKTIMEVERIFY => {
                locks::check_locktime(self.input, self.stack.peek(opcode, 0)?)?;
            }
            Opcode::CHECKSEQUENCEVERIFY => {
                locks::check_sequence(self.input, self.stack.peek(opcode, 0)?)?;
            }
            Opcode::CHECKATTENUATIONVERIFY => self.check_attenuation(opcode)?,
            _ => operations::apply(opcode, self.stack)?,
        }
        Ok(())
    }

    /// `IF` and `NOTIF`. Any item will do as the condition, not only 0 and 1.
    fn enter_branch(&mut self, opcode: Opcode, executing: bool) -> Result<(), ScriptError> {
        let taken = if executing {
            is_true(&self.stack.pop(opcode)?) == (opcode == Opcode::IF)
        } else {
            false
        };
        self.branches.enter(taken);
        Ok(())
    }

    /// Drops an outpoint and an attenuation model text, after a look at the text (chain.md 4.1).
    fn check_attenuation(&mut self, opcode: Opcode) -> Result<(), ScriptError> {
        let model = self.stack.peek(opcode, 1)?;
        if !(self.input.attenuation_is_model)(model) {
            return Err(ScriptError::AttenuationModel);
        }
        self.stack.drop_top(opcode, 2)
    }
}

/// Which branches of the enclosing conditionals are taken, the outermost first.
#[derive(Debug, Default)]
struct Branches {
    taken: Vec<bool>,
    /// How many are not taken.
    skipped: usize,
}

impl Branches {
    const fn is_executing(&self) -> bool {
        self.skipped == 0
    }

    fn enter(&mut self, taken: bool) {
        self.taken.push(taken);
        self.skipped += usize::from(!taken); // at most one for each operation
    }

    fn leave(&mut self) -> Result<bool, ScriptError> {
        let taken = self.taken.pop().ok_or(ScriptError::UnbalancedConditional)?;
        self.skipped -= usize::from(!taken); // it was added when the branch was entered
        Ok(taken)
    }
}

/// Operations that make a script fail even where it is not executed.
const fn is_disabled(opcode: Opcode) -> bool {
    matches!(
        opcode,
        Opcode::CAT
            | Opcode::SUBSTR
            | Opcode::LEFT
            | Opcode::RIGHT
            | Opcode::INVERT
            | Opcode::AND
            | Opcode::OR
            | Opcode::XOR
            | Opcode::MUL2
            | Opcode::DIV2
            | Opcode::MUL
            | Opcode::DIV
            | Opcode::MOD
            | Opcode::LSHIFT
            | Opcode::RSHIFT
    )
}

/// Operations that act in branches not taken as well. `VERIF` and `VERNOTIF` are among them and do
/// not exist, so they always fail.
const fn is_flow_control(opcode: Opcode) -> bool {
    matches!(opcode.byte(), 0x63..=0x68)
}
