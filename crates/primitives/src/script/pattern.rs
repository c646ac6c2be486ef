//! The standard patterns and the address each stands for (chain.md 4.3 and 5.4).

use super::instruction::{Instruction, Instructions};
use super::opcode::Opcode;
use crate::address::Address;
use crate::hash::hash160;

/// Which standard pattern a script has, without its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PatternKind {
    /// `RETURN <data>`.
    NullData,
    /// `OP_m <keys> OP_n CHECKMULTISIG`.
    PayMultisig,
    /// `<key> CHECKSIG`.
    PayPublicKey,
    /// `DUP HASH160 <hash> EQUALVERIFY CHECKSIG`.
    PayKeyHash,
    /// A deposit.
    PayKeyHashWithLockHeight,
    /// `HASH160 <hash> EQUAL`.
    PayScriptHash,
    /// Input script of a multisig spend.
    SignMultisig,
    /// Input script of a pay-to-key spend.
    SignPublicKey,
    /// Input script of a pay-to-key-hash spend.
    SignKeyHash,
    /// Input script of a deposit spend.
    SignKeyHashWithLockHeight,
    /// Input script of a pay-to-script-hash spend.
    SignScriptHash,
    /// A lone `RETURN`.
    PayBlackholeAddress,
    /// A locked asset.
    PayKeyHashWithAttenuationModel,
    /// A relative lock.
    PayKeyHashWithSequenceLock,
    /// Anything else, the empty script included.
    NonStandard,
}

impl PatternKind {
    /// Returns the name as chain.md 4.3 writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NullData => "null_data",
            Self::PayMultisig => "pay_multisig",
            Self::PayPublicKey => "pay_public_key",
            Self::PayKeyHash => "pay_key_hash",
            Self::PayKeyHashWithLockHeight => "pay_key_hash_with_lock_height",
            Self::PayScriptHash => "pay_script_hash",
            Self::SignMultisig => "sign_multisig",
            Self::SignPublicKey => "sign_public_key",
            Self::SignKeyHash => "sign_key_hash",
            Self::SignKeyHashWithLockHeight => "sign_key_hash_with_lock_height",
            Self::SignScriptHash => "sign_script_hash",
            Self::PayBlackholeAddress => "pay_blackhole_address",
            Self::PayKeyHashWithAttenuationModel => "pay_key_hash_with_attenuation_model",
            Self::PayKeyHashWithSequenceLock => "pay_key_hash_with_sequence_lock",
            Self::NonStandard => "non_standard",
        }
    }
}

/// A script taken apart by its standard pattern; the parts borrow from the script.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pattern<'a> {
    /// `RETURN <data>`.
    NullData(&'a [u8]),
    /// `OP_m <keys> OP_n CHECKMULTISIG`.
    PayMultisig {
        /// How many signatures are needed.
        required: u8,
        /// The public keys.
        keys: Vec<&'a [u8]>,
    },
    /// `<key> CHECKSIG`.
    PayPublicKey(&'a [u8]),
    /// `DUP HASH160 <hash> EQUALVERIFY CHECKSIG`.
    PayKeyHash(&'a [u8; 20]),
    /// A deposit: `<n> NUMEQUALVERIFY …`.
    PayKeyHashWithLockHeight {
        /// The script number n as pushed.
        lock_height: &'a [u8],
        /// Whom it pays.
        key_hash: &'a [u8; 20],
    },
    /// `HASH160 <hash> EQUAL`.
    PayScriptHash(&'a [u8; 20]),
    /// Input script: `OP_0 <signatures> <last push>`.
    SignMultisig {
        /// The last push; the redeem script when the spend is a pay-to-script-hash one.
        redeem: &'a [u8],
    },
    /// Input script: one push.
    SignPublicKey,
    /// Input script: `<signature> <key>`.
    SignKeyHash {
        /// The public key.
        key: &'a [u8],
    },
    /// Input script: `<signature> <key> <n>`.
    SignKeyHashWithLockHeight {
        /// The public key.
        key: &'a [u8],
        /// The script number n as pushed.
        lock_height: &'a [u8],
    },
    /// Input script: pushes, the last of which is itself a standard output script.
    SignScriptHash {
        /// The redeem script.
        redeem: &'a [u8],
    },
    /// A lone `RETURN`.
    PayBlackholeAddress,
    /// A locked asset.
    PayKeyHashWithAttenuationModel {
        /// The model's parameter text.
        model: &'a [u8],
        /// The outpoint whose lock is carried on; 36 bytes in a script that makes sense. The
        /// reference takes any direct push here `[V]` (verdict "attenuation 35 byte point").
        point: &'a [u8],
        /// Whom it pays.
        key_hash: &'a [u8; 20],
    },
    /// A relative lock.
    PayKeyHashWithSequenceLock {
        /// The script number n as pushed.
        sequence: &'a [u8],
        /// Whom it pays.
        key_hash: &'a [u8; 20],
    },
    /// Anything else.
    NonStandard,
}

/// Tells whether bytes have the length of a public key (33 or 65).
const fn is_key(bytes: &[u8]) -> bool {
    matches!(bytes.len(), 33 | 65)
}

impl<'a> Pattern<'a> {
    /// Takes a script apart: the first pattern that matches, in the order of chain.md 4.3.
    pub fn of(script: &'a [u8]) -> Self {
        // By far the most common output, recognised without parsing. No earlier pattern of the
        // list can match these bytes.
        if let [0x76, 0xa9, 20, hash @ .., 0x88, 0xac] = script
            && let Ok(key_hash) = <&[u8; 20]>::try_from(hash)
        {
            return Self::PayKeyHash(key_hash);
        }
        let Some(shape) = Shape::of(script) else { return Self::NonStandard };
        early_payment(shape.all())
            .or_else(|| signing(&shape))
            .or_else(|| late_payment(shape.all()))
            .unwrap_or(Self::NonStandard)
    }

    /// Like [`Pattern::of`] for the patterns 1 to 6 alone. A redeem script is only ever asked for
    /// these, so scripts nested in scripts are not followed any deeper.
    fn of_redeem(redeem: &'a [u8]) -> Option<Self> {
        early_payment(Shape::of(redeem)?.all())
    }

    /// Returns the pattern without its parts.
    pub const fn kind(&self) -> PatternKind {
        match self {
            Self::NullData(_) => PatternKind::NullData,
            Self::PayMultisig { .. } => PatternKind::PayMultisig,
            Self::PayPublicKey(_) => PatternKind::PayPublicKey,
            Self::PayKeyHash(_) => PatternKind::PayKeyHash,
            Self::PayKeyHashWithLockHeight { .. } => PatternKind::PayKeyHashWithLockHeight,
            Self::PayScriptHash(_) => PatternKind::PayScriptHash,
            Self::SignMultisig { .. } => PatternKind::SignMultisig,
            Self::SignPublicKey => PatternKind::SignPublicKey,
            Self::SignKeyHash { .. } => PatternKind::SignKeyHash,
            Self::SignKeyHashWithLockHeight { .. } => PatternKind::SignKeyHashWithLockHeight,
            Self::SignScriptHash { .. } => PatternKind::SignScriptHash,
            Self::PayBlackholeAddress => PatternKind::PayBlackholeAddress,
            Self::PayKeyHashWithAttenuationModel { .. } => {
                PatternKind::PayKeyHashWithAttenuationModel
            }
            Self::PayKeyHashWithSequenceLock { .. } => PatternKind::PayKeyHashWithSequenceLock,
            Self::NonStandard => PatternKind::NonStandard,
        }
    }

    /// Returns the address that the script stands for (chain.md 5.4).
    pub fn address(&self) -> Option<Address> {
        match self {
            Self::PayPublicKey(key)
            | Self::SignKeyHash { key }
            | Self::SignKeyHashWithLockHeight { key, .. } => Some(Address::KeyHash(hash160(key))),
            Self::PayKeyHash(key_hash)
            | Self::PayKeyHashWithLockHeight { key_hash, .. }
            | Self::PayKeyHashWithAttenuationModel { key_hash, .. }
            | Self::PayKeyHashWithSequenceLock { key_hash, .. } => {
                Some(Address::KeyHash(**key_hash))
            }
            Self::PayScriptHash(script_hash) => Some(Address::ScriptHash(**script_hash)),
            Self::SignScriptHash { redeem } => Some(Address::ScriptHash(hash160(redeem))),
            Self::SignMultisig { redeem } => {
                matches!(Pattern::of_redeem(redeem), Some(Pattern::PayMultisig { .. }))
                    .then(|| Address::ScriptHash(hash160(redeem)))
            }
            Self::PayBlackholeAddress => Some(Address::Blackhole),
            Self::NullData(_)
            | Self::PayMultisig { .. }
            | Self::SignPublicKey
            | Self::NonStandard => None,
        }
    }
}

/// The most operations that a pattern of fixed length has: `OP_m`, 16 keys, `OP_n`, `CHECKMULTISIG`.
const MAX_FIXED_OPS: usize = 19;

/// What the patterns need to know of a script's operations, in memory of fixed size: a script of a
/// million one-byte operations must not become a list of a million entries.
struct Shape<'a> {
    head: [Instruction<'a>; MAX_FIXED_OPS],
    last: Instruction<'a>,
    count: usize,
    all_push: bool,
    /// Every operation but the first and the last is a direct push.
    middle_direct: bool,
}

impl<'a> Shape<'a> {
    /// Reads a script; `None` when its last push is cut short.
    fn of(script: &'a [u8]) -> Option<Self> {
        let none = Instruction::Op(Opcode::NOP);
        let mut shape = Self {
            head: [none; MAX_FIXED_OPS],
            last: none,
            count: 0,
            all_push: true,
            middle_direct: true,
        };
        for instruction in Instructions::new(script) {
            let instruction = instruction.ok()?;
            if let Some(slot) = shape.head.get_mut(shape.count) {
                *slot = instruction;
            }
            if shape.count >= 2 {
                // What was the last operation so far turns out to be a middle one.
                shape.middle_direct &= shape.last.direct_push().is_some();
            }
            shape.all_push &= instruction.opcode().is_push();
            shape.last = instruction;
            shape.count += 1;
        }
        Some(shape)
    }

    /// Returns all operations if they are few enough for a pattern of fixed length; else none.
    fn all(&self) -> &[Instruction<'a>] {
        self.head.get(..self.count).unwrap_or_default()
    }
}

/// Matches the tail `DUP HASH160 push(20) EQUALVERIFY CHECKSIG`.
fn key_hash_tail<'a>(ops: &[Instruction<'a>]) -> Option<&'a [u8; 20]> {
    match ops {
        [
            Instruction::Op(Opcode::DUP),
            Instruction::Op(Opcode::HASH160),
            hash,
            Instruction::Op(Opcode::EQUALVERIFY),
            Instruction::Op(Opcode::CHECKSIG),
        ] => hash.direct_push()?.try_into().ok(),
        _ => None,
    }
}

fn multisig<'a>(ops: &[Instruction<'a>]) -> Option<Pattern<'a>> {
    let [Instruction::Op(m), keys @ .., Instruction::Op(n), Instruction::Op(last)] = ops else {
        return None;
    };
    let required = m.small_number()?;
    let total = n.small_number()?;
    let keys = keys
        .iter()
        .map(|key| key.direct_push().filter(|key| is_key(key)))
        .collect::<Option<Vec<_>>>()?;
    (*last == Opcode::CHECKMULTISIG && required <= total && keys.len() == usize::from(total))
        .then_some(Pattern::PayMultisig { required, keys })
}

/// Patterns 1 to 6.
fn early_payment<'a>(ops: &[Instruction<'a>]) -> Option<Pattern<'a>> {
    match ops {
        [Instruction::Op(Opcode::RETURN), data] => data.direct_push().map(Pattern::NullData),
        [key, Instruction::Op(Opcode::CHECKSIG)] => {
            key.direct_push().filter(|key| is_key(key)).map(Pattern::PayPublicKey)
        }
        [Instruction::Op(Opcode::HASH160), hash, Instruction::Op(Opcode::EQUAL)] => {
            Some(Pattern::PayScriptHash(hash.direct_push()?.try_into().ok()?))
        }
        [lock, Instruction::Op(Opcode::NUMEQUALVERIFY), tail @ ..] => {
            Some(Pattern::PayKeyHashWithLockHeight {
                lock_height: lock.direct_push()?,
                key_hash: key_hash_tail(tail)?,
            })
        }
        [_, _, _, ..] => key_hash_tail(ops).map(Pattern::PayKeyHash).or_else(|| multisig(ops)),
        _ => None,
    }
}

/// Patterns 7 to 11. An *output* of nothing but pushes can match them and so counts as standard.
fn signing<'a>(shape: &Shape<'a>) -> Option<Pattern<'a>> {
    if !shape.all_push {
        return None;
    }
    let [first, second, ..] = shape.head;
    let last = shape.last.data();
    match shape.count {
        0 => None,
        1 => Some(Pattern::SignPublicKey),
        _ if first.opcode() == Opcode::PUSH_0 && shape.middle_direct => {
            Some(Pattern::SignMultisig { redeem: last })
        }
        2 if is_key(last) => Some(Pattern::SignKeyHash { key: last }),
        3 if is_key(second.data()) => {
            Some(Pattern::SignKeyHashWithLockHeight { key: second.data(), lock_height: last })
        }
        _ => matches!(
            Pattern::of_redeem(last)?,
            Pattern::PayMultisig { .. }
                | Pattern::PayPublicKey(_)
                | Pattern::PayKeyHash(_)
                | Pattern::PayScriptHash(_)
                | Pattern::NullData(_)
        )
        .then_some(Pattern::SignScriptHash { redeem: last }),
    }
}

/// Patterns 12 to 14.
fn late_payment<'a>(ops: &[Instruction<'a>]) -> Option<Pattern<'a>> {
    match ops {
        [Instruction::Op(Opcode::RETURN)] => Some(Pattern::PayBlackholeAddress),
        [
            Instruction::Push { opcode: Opcode::PUSHDATA2, data: model },
            point,
            Instruction::Op(Opcode::CHECKATTENUATIONVERIFY),
            tail @ ..,
        ] => Some(Pattern::PayKeyHashWithAttenuationModel {
            model,
            point: point.direct_push()?,
            key_hash: key_hash_tail(tail)?,
        }),
        [
            number,
            Instruction::Op(Opcode::CHECKSEQUENCEVERIFY),
            Instruction::Op(Opcode::DROP),
            tail @ ..,
        ] => Some(Pattern::PayKeyHashWithSequenceLock {
            sequence: number.direct_push()?,
            key_hash: key_hash_tail(tail)?,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Pattern, PatternKind};
    use crate::address::Address;
    use crate::script::{Opcode, Script, ScriptBuilder};

    const HASH: [u8; 20] = [7; 20];
    const KEY: [u8; 33] = [2; 33];

    fn kind(script: &Script) -> PatternKind {
        script.pattern().kind()
    }

    #[test]
    fn each_builder_gives_its_pattern_and_address() {
        let owner = Some(Address::KeyHash(HASH));
        for (script, expected, address) in [
            (Script::pay_key_hash(&HASH), PatternKind::PayKeyHash, owner),
            (
                Script::pay_script_hash(&HASH),
                PatternKind::PayScriptHash,
                Some(Address::ScriptHash(HASH)),
            ),
            (
                Script::pay_key_hash_with_lock_height(25_200, &HASH),
                PatternKind::PayKeyHashWithLockHeight,
                owner,
            ),
            (
                Script::pay_key_hash_with_sequence_lock(10_000_000, &HASH),
                PatternKind::PayKeyHashWithSequenceLock,
                owner,
            ),
            (
                Script::pay_key_hash_with_attenuation(b"PN=0", &[0; 36], &HASH),
                PatternKind::PayKeyHashWithAttenuationModel,
                owner,
            ),
            (Script::pay_blackhole(), PatternKind::PayBlackholeAddress, Some(Address::Blackhole)),
            (Script::null_data(b"x").unwrap(), PatternKind::NullData, None),
            (Script::pay_multisig(1, &[KEY, KEY]).unwrap(), PatternKind::PayMultisig, None),
            (
                Script::pay_public_key(&KEY),
                PatternKind::PayPublicKey,
                Some(Address::KeyHash(crate::hash::hash160(&KEY))),
            ),
            (Script::default(), PatternKind::NonStandard, None),
        ] {
            assert_eq!(kind(&script), expected, "{script}");
            assert_eq!(script.address(), address, "{script}");
        }
        assert_eq!(Script::pay_multisig(3, &[KEY, KEY]), None);
        assert_eq!(Script::pay_multisig(0, &[KEY]), None);
        assert_eq!(Script::pay_multisig(1, &[KEY; 17]), None);
        assert_eq!(Script::null_data(&[0; 76]), None);
    }

    #[test]
    fn input_scripts() {
        let sig = [0x30; 71];
        let redeem = Script::pay_multisig(2, &[KEY, KEY]).unwrap();
        let b = ScriptBuilder::new;
        let multisig = b().op(Opcode::PUSH_0).push(&sig).push(&sig).push(redeem.as_bytes()).build();
        assert_eq!(kind(&multisig), PatternKind::SignMultisig);
        assert_eq!(
            multisig.address(),
            Some(Address::ScriptHash(crate::hash::hash160(redeem.as_bytes())))
        );
        let bare = b().op(Opcode::PUSH_0).push(&sig).push(&sig).build();
        assert_eq!(kind(&bare), PatternKind::SignMultisig);
        assert_eq!(bare.address(), None);
        assert_eq!(kind(&b().push(&sig).build()), PatternKind::SignPublicKey);
        assert_eq!(kind(&b().op(Opcode::OP_1).build()), PatternKind::SignPublicKey);
        assert_eq!(kind(&b().push(&sig).push(&KEY).build()), PatternKind::SignKeyHash);
        assert_eq!(
            kind(&b().push(&sig).push(&KEY).push_number(25_200).build()),
            PatternKind::SignKeyHashWithLockHeight
        );
        let p2sh = b().push(&sig).push(&KEY).push(&[1]).push(redeem.as_bytes()).build();
        assert_eq!(kind(&p2sh), PatternKind::SignScriptHash);
        assert_eq!(kind(&b().push(&[1]).push(&[2]).build()), PatternKind::NonStandard);
    }

    #[test]
    fn pushes_must_be_direct() {
        let long_push = [&[0x76, 0xa9, 0x4c, 20][..], &HASH, &[0x88, 0xac]].concat();
        assert_eq!(Pattern::of(&long_push), Pattern::NonStandard);
        let short_model = ScriptBuilder::new()
            .push(b"PN=0")
            .push(&[0; 36])
            .op(Opcode::CHECKATTENUATIONVERIFY)
            .op(Opcode::DUP)
            .op(Opcode::HASH160)
            .push(&HASH)
            .op(Opcode::EQUALVERIFY)
            .op(Opcode::CHECKSIG)
            .build();
        assert_eq!(kind(&short_model), PatternKind::NonStandard);
        assert_eq!(Pattern::of(&[0x6a, 0x00]), Pattern::NonStandard);
    }

    #[test]
    fn deep_nesting_and_long_scripts_are_harmless() {
        let mut script = Script::pay_key_hash(&HASH);
        for _ in 0..20_000 {
            script = ScriptBuilder::new().op(Opcode::OP_1).push(script.as_bytes()).build();
        }
        assert_eq!(kind(&script), PatternKind::NonStandard);
        assert_eq!(Pattern::of(&vec![0x61; 1_000_000]), Pattern::NonStandard);
        assert_eq!(Pattern::of(&vec![0x51; 1_000_000]), Pattern::NonStandard);
        let mut many = vec![0x00];
        many.extend([0x01, 0x07].repeat(1000));
        assert_eq!(kind(&Script::from_bytes(many)), PatternKind::SignMultisig);
    }
}
