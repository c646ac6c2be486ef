//! The operations that check signatures.

use std::borrow::Cow;

use mvs_primitives::script::{Instructions, Opcode};
use mvs_primitives::sighash::SighashType;

use super::error::ScriptError;
use super::interpreter::Frame;
use super::judge::Stop;
use super::{InputContext, MAX_MULTISIG_KEYS};

impl<'s> Frame<'_, '_, 's> {
    /// Takes a key and a signature off the stack and tells whether the signature holds.
    pub(super) fn check_sig(&mut self, opcode: Opcode) -> Result<bool, Stop> {
        self.stack.need(opcode, 2)?;
        let key = self.stack.pop(opcode)?;
        let signature = self.stack.pop(opcode)?;
        let code = without_signatures(self.code(), &[&signature]);
        let mut hashes = self.memo.of_code(self.input, code);
        Ok(self.judge.single(&mut hashes, &signature, &key)?)
    }

    /// Takes keys and signatures off the stack and tells whether each signature holds for a key,
    /// both in the same order.
    ///
    /// QUIRK: one item more than needed is taken; it may be anything.
    pub(super) fn check_multisig(&mut self, opcode: Opcode) -> Result<bool, Stop> {
        let found = self.stack.peek_number(opcode, 0)?;
        let keys = usize::try_from(found)
            .ok()
            .filter(|keys| *keys <= MAX_MULTISIG_KEYS)
            .ok_or(ScriptError::KeyCount { found })?;
        self.count_operations(keys)?;
        let found = self.stack.peek_number(opcode, keys + 1)?;
        let signatures = usize::try_from(found)
            .ok()
            .filter(|signatures| *signatures <= keys)
            .ok_or(ScriptError::SigCount { found, keys })?;
        let items = keys + signatures + 3; // both counts, and the item too many; all at most 20
        self.stack.need(opcode, items)?;

        self.stack.pop(opcode)?;
        let keys = self.pop_list(opcode, keys)?;
        self.stack.pop(opcode)?;
        let signatures = self.pop_list(opcode, signatures)?;
        self.stack.pop(opcode)?;

        let signatures: Vec<&[u8]> = signatures.iter().map(AsRef::as_ref).collect();
        let keys: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
        let code = without_signatures(self.code(), &signatures);
        let mut hashes = self.memo.of_code(self.input, code);
        self.judge.multi(&mut hashes, &signatures, &keys)
    }

    fn pop_list(
        &mut self,
        opcode: Opcode,
        count: usize,
    ) -> Result<Vec<super::stack::Item<'s>>, ScriptError> {
        (0..count).map(|_| self.stack.pop(opcode)).collect()
    }

    /// The part of the script that signatures cover.
    fn code(&self) -> &'s [u8] {
        self.script.get(self.code_start..).unwrap_or_default()
    }
}

/// Takes the pushes of signatures out of the code that they cover.
///
/// # Consensus
/// A signature cannot sign itself, so wherever an operation of the code begins with exactly the
/// bytes of a push of the signature, in the shortest byte form, these bytes are left out before
/// hashing. The empty signature counts: its push is `OP_0`.
fn without_signatures<'s>(code: &'s [u8], signatures: &[&[u8]]) -> Cow<'s, [u8]> {
    let mut kept = Cow::Borrowed(code);
    for signature in signatures {
        if let Some(shorter) = without_push(&kept, signature) {
            kept = Cow::Owned(shorter);
        }
    }
    kept
}

/// Returns `None` when there is nothing to take out.
fn without_push(code: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let (head, head_len) = push_head(data.len())?;
    let head = head.get(..head_len)?;
    let begins =
        |rest: &[u8]| rest.strip_prefix(head).is_some_and(|pushed| pushed.starts_with(data));
    // Nearly always the code is shorter than the push, or has nothing like it.
    let push_len = head_len + data.len(); // both at most a few hundred
    if !code.windows(push_len).any(begins) {
        return None;
    }
    let mut kept = Vec::with_capacity(code.len());
    let mut rest = code;
    loop {
        while begins(rest) {
            rest = rest.get(push_len..).unwrap_or_default();
        }
        let mut instructions = Instructions::new(rest);
        let Some(Ok(_)) = instructions.next() else {
            // The end, or a push cut short: what is left stays.
            kept.extend_from_slice(rest);
            break;
        };
        let (operation, after) = rest.split_at(instructions.position());
        kept.extend_from_slice(operation);
        rest = after;
    }
    (kept.len() < code.len()).then_some(kept)
}

/// Returns the bytes before the data of a push in its shortest byte form.
fn push_head(len: usize) -> Option<([u8; 3], usize)> {
    let [low, high] = u16::try_from(len).ok()?.to_le_bytes();
    Some(match len {
        0..=75 => ([low, 0, 0], 1),
        76..=0xff => ([Opcode::PUSHDATA1.byte(), low, 0], 2),
        _ => ([Opcode::PUSHDATA2.byte(), low, high], 3),
    })
}

/// The hashes that signatures of one input sign, so that none is computed twice in a row.
///
/// It remembers those of one script code. Within one script the code changes only at a
/// `CODESEPARATOR` and by the removal of a signature, so a multisig hashes once for each hash type
/// among its signatures and not once for each signature.
#[derive(Debug, Default)]
pub(super) struct SighashMemo<'s> {
    code: Cow<'s, [u8]>,
    known: Vec<(SighashType, [u8; 32])>,
}

impl<'s> SighashMemo<'s> {
    /// Prepares for signatures that cover this code.
    fn of_code<'m>(
        &'m mut self,
        input: &'m InputContext<'m>,
        code: Cow<'s, [u8]>,
    ) -> Hashes<'m, 's> {
        if self.code != code {
            self.code = code;
            self.known.clear();
        }
        Hashes { memo: self, input }
    }
}

/// The hashes that signatures over one script code sign.
pub(super) struct Hashes<'m, 's> {
    memo: &'m mut SighashMemo<'s>,
    input: &'m InputContext<'m>,
}

impl Hashes<'_, '_> {
    pub(super) fn get(&mut self, sighash_type: SighashType) -> [u8; 32] {
        if let Some((_, hash)) = self.memo.known.iter().find(|(known, _)| *known == sighash_type) {
            return *hash;
        }
        let hash = self.input.signature_hash(&self.memo.code, sighash_type);
        self.memo.known.push((sighash_type, hash));
        hash
    }
}
