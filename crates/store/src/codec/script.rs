//! Output scripts by template.

use mvs_primitives::encode::{CompactSize, Encode};

use super::{Bytes, CodecError};

/// `DUP HASH160 push(20)`.
const KEY_HASH_HEAD: [u8; 3] = [0x76, 0xa9, 20];
/// `EQUALVERIFY CHECKSIG`.
const KEY_HASH_TAIL: [u8; 2] = [0x88, 0xac];
/// `HASH160 push(20)`.
const SCRIPT_HASH_HEAD: [u8; 2] = [0xa9, 20];
/// `EQUAL`.
const EQUAL: u8 = 0x87;
/// `CHECKSEQUENCEVERIFY DROP`.
const SEQUENCE_LOCK: [u8; 2] = [0xb3, 0x75];
/// `NUMEQUALVERIFY`.
const LOCK_HEIGHT: [u8; 1] = [0x9d];
/// `push(33)`.
const PUBLIC_KEY_HEAD: u8 = 33;
/// `CHECKSIG`.
const CHECKSIG: u8 = 0xac;

/// Length of `DUP HASH160 push(20) [20] EQUALVERIFY CHECKSIG`.
const KEY_HASH_BYTES: usize = 25;

/// The longest number that a lock's template keeps; a longer one is kept as bytes.
const MAX_NUMBER_BYTES: usize = 8;

/// A script, taken apart where its bytes are those of a standard one.
///
/// The form says nothing but bytes: whether a script is standard is for the rules to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScriptForm<'a> {
    /// Any other bytes.
    Bytes(&'a [u8]),
    /// `DUP HASH160 [20] EQUALVERIFY CHECKSIG`.
    KeyHash(&'a [u8; 20]),
    /// `HASH160 [20] EQUAL`.
    ScriptHash(&'a [u8; 20]),
    /// `[number] CHECKSEQUENCEVERIFY DROP` and the key hash form.
    SequenceLock(&'a [u8], &'a [u8; 20]),
    /// `[number] NUMEQUALVERIFY` and the key hash form.
    LockHeight(&'a [u8], &'a [u8; 20]),
    /// `[33] CHECKSIG`.
    PublicKey(&'a [u8; 33]),
}

impl<'a> ScriptForm<'a> {
    /// Takes a script apart.
    pub fn of(script: &'a [u8]) -> Self {
        if let Some(hash) = key_hash(script) {
            return Self::KeyHash(hash);
        }
        match script {
            [a, b, hash @ .., last]
                if [*a, *b] == SCRIPT_HASH_HEAD && *last == EQUAL && hash.len() == 20 =>
            {
                hash.first_chunk().map_or(Self::Bytes(script), Self::ScriptHash)
            }
            [head, key @ .., last]
                if *head == PUBLIC_KEY_HEAD && *last == CHECKSIG && key.len() == 33 =>
            {
                key.first_chunk().map_or(Self::Bytes(script), Self::PublicKey)
            }
            [len, rest @ ..] => Self::lock(*len, rest).unwrap_or(Self::Bytes(script)),
            [] => Self::Bytes(script),
        }
    }

    fn lock(len: u8, rest: &'a [u8]) -> Option<Self> {
        let len = usize::from(len);
        if !(1..=MAX_NUMBER_BYTES).contains(&len) {
            return None;
        }
        let (number, tail) = rest.split_at_checked(len)?;
        if let Some(tail) = tail.strip_prefix(&SEQUENCE_LOCK) {
            return Some(Self::SequenceLock(number, key_hash(tail)?));
        }
        Some(Self::LockHeight(number, key_hash(tail.strip_prefix(&LOCK_HEIGHT)?)?))
    }

    pub(super) const fn tag(&self) -> u8 {
        match self {
            Self::Bytes(_) => 0,
            Self::KeyHash(_) => 1,
            Self::ScriptHash(_) => 2,
            Self::SequenceLock(..) => 3,
            Self::LockHeight(..) => 4,
            Self::PublicKey(_) => 5,
        }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Bytes(bytes) => {
                CompactSize::new(bytes.len() as u64).encode(out); // widening
                out.extend_from_slice(bytes);
            }
            Self::KeyHash(hash) | Self::ScriptHash(hash) => out.extend_from_slice(*hash),
            Self::SequenceLock(number, hash) | Self::LockHeight(number, hash) => {
                out.push(number.len() as u8); // at most MAX_NUMBER_BYTES
                out.extend_from_slice(number);
                out.extend_from_slice(*hash);
            }
            Self::PublicKey(key) => out.extend_from_slice(*key),
        }
    }

    pub(super) fn decode(tag: u8, rest: &mut Bytes<'a>) -> Result<Self, CodecError> {
        match tag {
            0 => {
                let len = compact_size(rest)?;
                let len = usize::try_from(len).map_err(|_| CodecError::Length("script"))?;
                let bytes = rest.take(len, "script")?;
                match Self::of(bytes) {
                    raw @ Self::Bytes(_) => Ok(raw),
                    _ => Err(CodecError::NotCanonical("script")),
                }
            }
            1 => rest.array_ref("script").map(Self::KeyHash),
            2 => rest.array_ref("script").map(Self::ScriptHash),
            3 | 4 => {
                let [len] = rest.array("script")?;
                let len = usize::from(len);
                if !(1..=MAX_NUMBER_BYTES).contains(&len) {
                    return Err(CodecError::NotCanonical("script"));
                }
                let number = rest.take(len, "script")?;
                let hash = rest.array_ref("script")?;
                let is_sequence = tag == 3;
                Ok(if is_sequence {
                    Self::SequenceLock(number, hash)
                } else {
                    Self::LockHeight(number, hash)
                })
            }
            5 => rest.array_ref("script").map(Self::PublicKey),
            _ => Err(CodecError::NotCanonical("script")),
        }
    }

    /// Returns the script's bytes.
    pub fn to_bytes(&self) -> Box<[u8]> {
        let mut out = Vec::with_capacity(KEY_HASH_BYTES + 2 + MAX_NUMBER_BYTES + 1);
        self.write_to(&mut out);
        out.into()
    }

    /// Appends the script's bytes.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        match self {
            Self::Bytes(bytes) => out.extend_from_slice(bytes),
            Self::KeyHash(hash) => out.extend_from_slice(&pay_key_hash(hash)),
            Self::ScriptHash(hash) => {
                out.extend_from_slice(&SCRIPT_HASH_HEAD);
                out.extend_from_slice(*hash);
                out.push(EQUAL);
            }
            Self::SequenceLock(number, hash) => write_lock(number, &SEQUENCE_LOCK, hash, out),
            Self::LockHeight(number, hash) => write_lock(number, &LOCK_HEIGHT, hash, out),
            Self::PublicKey(key) => {
                out.push(PUBLIC_KEY_HEAD);
                out.extend_from_slice(*key);
                out.push(CHECKSIG);
            }
        }
    }
}

fn key_hash(script: &[u8]) -> Option<&[u8; 20]> {
    let hash = script.strip_prefix(&KEY_HASH_HEAD)?.strip_suffix(&KEY_HASH_TAIL)?;
    hash.try_into().ok()
}

fn pay_key_hash(hash: &[u8; 20]) -> [u8; KEY_HASH_BYTES] {
    let mut script = [0u8; KEY_HASH_BYTES];
    let (head, rest) = script.split_at_mut(KEY_HASH_HEAD.len());
    let (middle, tail) = rest.split_at_mut(hash.len());
    head.copy_from_slice(&KEY_HASH_HEAD);
    middle.copy_from_slice(hash);
    tail.copy_from_slice(&KEY_HASH_TAIL);
    script
}

fn write_lock(number: &[u8], lock: &[u8], hash: &[u8; 20], out: &mut Vec<u8>) {
    out.push(number.len() as u8); // at most MAX_NUMBER_BYTES
    out.extend_from_slice(number);
    out.extend_from_slice(lock);
    out.extend_from_slice(&pay_key_hash(hash));
}

/// Reads a CompactSize in its shortest form.
fn compact_size(rest: &mut Bytes<'_>) -> Result<u64, CodecError> {
    let what = "script";
    let [first] = rest.array(what)?;
    let (value, shortest_from) = match first {
        0xfd => (u64::from(u16::from_le_bytes(rest.array(what)?)), 0xfd),
        0xfe => (u64::from(u32::from_le_bytes(rest.array(what)?)), 0x1_0000),
        0xff => (u64::from_le_bytes(rest.array(what)?), 0x1_0000_0000),
        short => (u64::from(short), 0),
    };
    if value < shortest_from {
        return Err(CodecError::NotCanonical(what));
    }
    Ok(value)
}
