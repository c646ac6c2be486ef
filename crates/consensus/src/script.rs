//! Scripts: whether an input may spend an output (chain.md 4.1), and how many signature operations
//! it counts (chain.md 4.5).
//!
//! Scripts look at their transaction and at the output they spend, at nothing else. The rules are
//! those of Bitcoin with P2SH, strict DER signatures and absolute locks, and with two operations of
//! this chain's own: `CHECKATTENUATIONVERIFY` (0xb2) and a `CHECKSEQUENCEVERIFY` with wider masks
//! (0xb3). They hold at every height.
//!
//! ```text
//! verify_input ─────────────────────────────────────────────> verdict
//! collect_input ──> SigChecks ──> verify_checks (any thread) ──> all hold: the verdict stands
//!                                                            └─> one fails: verify_input tells
//! ```
//!
//! Both ways give the same verdict. [`collect_input`] runs the scripts as if every signature that
//! may hold did, and records it. The scripts are deterministic and see nothing of a signature but
//! the answer, so when all recorded signatures hold, the run was the very run that verifying at
//! once would have been. A run that fails on the strength of an assumption is repeated at once with
//! verification, so an error is always final.
//!
//! # Cost of hashing
//! What a signature signs is the whole transaction, once for each input (chain.md 4.2): a
//! transaction of `n` inputs hashes `n` times its length, whatever a node does. Within an input
//! nothing is hashed twice: a multisig of 20 signatures, or 200 `CHECKSIG` in a row, hash once for
//! each hash type. Only `CODESEPARATOR`s and signatures inside the code make different codes, hence
//! new hashes; their number is bounded by the signature operations that a block may have. In
//! `benches/script.rs` a transaction of a million bytes with 20,000 operations takes 3 s where
//! hashing for each takes 70 s, and with a separator before each it takes 74 s (measured on one of
//! two cores under load).
//!
//! Start reading in `script/interpreter.rs`, then `script/judge.rs`.

use std::borrow::Cow;

use mvs_primitives::input::Input;
use mvs_primitives::script::{Instruction, Opcode, Script};
use mvs_primitives::sighash::{SighashType, signature_hash};
use mvs_primitives::transaction::Transaction;

mod cache;
mod der;
mod error;
mod interpreter;
mod judge;
mod locks;
mod operations;
mod signing;
mod sigops;
mod stack;
#[cfg(test)]
mod tests;

pub use cache::SigCache;
pub use error::ScriptError;
pub use judge::{CacheUse, SigCheck, chunks, verify_checks};
pub use sigops::{UnparsableRedeemScript, count_p2sh_sigops, count_sigops};

use judge::{Judge, Stop};
use stack::{Stack, is_true};

/// Bytes of a script that is executed (chain.md 4.1).
pub const MAX_SCRIPT_BYTES: usize = 10_000;
/// Bytes of a pushed item (chain.md 4.1).
pub const MAX_ITEM_BYTES: usize = 520;
/// Operations of a script: pushes are free, the keys of each multisig executed are added
/// (chain.md 4.1).
pub const MAX_OPS: usize = 201;
/// Keys of a multisig (chain.md 4.1).
pub const MAX_MULTISIG_KEYS: usize = 20;
/// Items on both stacks together (chain.md 4.1).
pub const MAX_STACK_ITEMS: usize = 1000;

type SignatureHash = fn(&Transaction, usize, &[u8], SighashType) -> [u8; 32];

/// What the scripts of one input may look at.
#[derive(Debug, Clone, Copy)]
pub struct InputContext<'t> {
    transaction: &'t Transaction,
    index: usize,
    own: &'t Input,
    previous_script: &'t Script,
    attenuation_is_model: fn(&[u8]) -> bool,
    signature_hash: SignatureHash,
}

impl<'t> InputContext<'t> {
    /// Names the input of a transaction and the script of the output that it spends.
    /// `attenuation_is_model` tells whether a text is an attenuation model (chain.md 7.8).
    ///
    /// `None` when the transaction has no such input.
    pub fn new(
        transaction: &'t Transaction,
        input_index: usize,
        previous_script: &'t Script,
        attenuation_is_model: fn(&[u8]) -> bool,
    ) -> Option<Self> {
        Some(Self {
            transaction,
            index: input_index,
            own: transaction.inputs.get(input_index)?,
            previous_script,
            attenuation_is_model,
            signature_hash,
        })
    }

    fn signature_hash(&self, script_code: &[u8], sighash_type: SighashType) -> [u8; 32] {
        (self.signature_hash)(self.transaction, self.index, script_code, sighash_type)
    }
}

/// Runs the scripts of an input and verifies its signatures at once.
///
/// # Consensus
/// The input script runs first, then the previous output's script on the stack that it leaves; the
/// last item must then be true. If the previous script is exactly `HASH160 <20 bytes> EQUAL`, the
/// input script must only push, and its last item is run as a script on what lies below (BIP16).
///
/// # Errors
/// [`ScriptError`] when the scripts do not allow the spend.
pub fn verify_input(input: &InputContext<'_>, cache: CacheUse<'_>) -> Result<(), ScriptError> {
    match run_scripts(input, &mut Judge::Now(cache)) {
        Ok(()) => Ok(()),
        Err(Stop::Failed(error)) => Err(error),
        Err(Stop::Undecided) => unreachable!("only recording leaves a verdict open"),
    }
}

/// Runs the scripts of an input and leaves the signatures for later, wherever that is possible.
///
/// After `Ok` the input is valid if every check that was appended holds; if one does not, only
/// [`verify_input`] tells the verdict (a script may well go on after a signature that does not
/// hold). An error is final, and appends nothing.
///
/// Spends of the standard families are never verified here. Others, such as scripts that demand
/// that a signature does *not* hold, may be; `cache` is for these.
///
/// # Errors
/// [`ScriptError`] when the scripts do not allow the spend: the error that [`verify_input`] gives.
pub fn collect_input(
    input: &InputContext<'_>,
    checks: &mut Vec<SigCheck>,
    cache: CacheUse<'_>,
) -> Result<(), ScriptError> {
    let before = checks.len();
    match run_scripts(input, &mut Judge::Later(checks)) {
        Ok(()) => Ok(()),
        // Nothing was assumed on the way.
        Err(Stop::Failed(error)) if checks.len() == before => Err(error),
        Err(Stop::Failed(_) | Stop::Undecided) => {
            checks.truncate(before);
            verify_input(input, cache)
        }
    }
}

fn run_scripts(input: &InputContext<'_>, judge: &mut Judge<'_>) -> Result<(), Stop> {
    let input_script = input.own.script.as_bytes();
    let previous_script = input.previous_script.as_bytes();
    let mut stack = Stack::with_capacity(8);
    interpreter::run(input, judge, input_script, &mut stack)?;

    let is_script_hash = interpreter::is_pay_script_hash(previous_script);
    let pushed = is_script_hash.then(|| stack.clone());
    interpreter::run(input, judge, previous_script, &mut stack)?;
    check_result(&stack)?;

    let Some(mut stack) = pushed else { return Ok(()) };
    if !is_push_only(&input.own.script) {
        return Err(ScriptError::InputNotPushOnly.into());
    }
    // The previous script took an item to hash, so there is one.
    let redeem_script = stack.pop_last().unwrap_or(Cow::Borrowed(&[]));
    interpreter::run(input, judge, &redeem_script, &mut stack)?;
    check_result(&stack)?;
    Ok(())
}

fn check_result(stack: &Stack<'_>) -> Result<(), ScriptError> {
    if stack.last().is_some_and(|item| is_true(item)) {
        Ok(())
    } else {
        Err(ScriptError::EvalFalse)
    }
}

/// Tells whether all operations are pushes, for which `RESERVED` passes here (it fails when run).
fn is_push_only(script: &Script) -> bool {
    script
        .instructions()
        .all(|instruction| instruction.is_ok_and(|op| Instruction::opcode(&op) <= Opcode::OP_16))
}
