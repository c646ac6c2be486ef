//! Decides signatures: at once, or later.

use mvs_primitives::sighash::SighashType;
use secp256k1::{PublicKey, ecdsa};

use super::cache::SigCache;
use super::der::is_strict_der;
use super::error::ScriptError;
use super::signing::Hashes;

/// Why a script stops early.
#[derive(Debug)]
pub(super) enum Stop {
    /// It fails.
    Failed(ScriptError),
    /// Its verdict depends on a signature in a way that cannot be recorded.
    Undecided,
}

impl From<ScriptError> for Stop {
    fn from(error: ScriptError) -> Self {
        Self::Failed(error)
    }
}

/// How to use the memory of signatures that hold.
#[derive(Debug, Clone, Copy)]
pub enum CacheUse<'c> {
    /// Not at all.
    Off,
    /// Looks signatures up, for blocks: what is in a block is not asked for again.
    Read(&'c SigCache),
    /// Looks signatures up and remembers new ones, for the mempool.
    ReadWrite(&'c SigCache),
}

impl CacheUse<'_> {
    /// Tells whether a signature holds.
    fn holds(self, sighash: &[u8; 32], key: &Key, signature: &[u8; 64]) -> bool {
        let (look_up, remember) = match self {
            Self::Off => (None, None),
            Self::Read(cache) => (Some(cache), None),
            Self::ReadWrite(cache) => (Some(cache), Some(cache)),
        };
        if look_up.is_some_and(|cache| cache.contains(sighash, key.as_bytes(), signature)) {
            return true;
        }
        let holds = verify_ecdsa(sighash, key, signature);
        if let Some(cache) = remember.filter(|_| holds) {
            cache.insert(sighash, key.as_bytes(), signature);
        }
        holds
    }
}

fn verify_ecdsa(sighash: &[u8; 32], key: &Key, signature: &[u8; 64]) -> bool {
    let Ok(key) = PublicKey::from_slice(key.as_bytes()) else { return false };
    let Ok(signature) = ecdsa::Signature::from_compact(signature) else { return false };
    ecdsa::verify(&signature, secp256k1::Message::from_digest(*sighash), &key).is_ok()
}

/// The bytes of what has the form of a public key; it need not be on the curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    bytes: [u8; 65],
    len: u8,
}

impl Key {
    /// Accepts 33 bytes that begin with 2 or 3, and 65 bytes that begin with 4, 6 or 7. The last
    /// two are hybrid keys: uncompressed keys that also state the sign of y.
    fn new(key: &[u8]) -> Option<Self> {
        if !matches!((key.first()?, key.len()), (2 | 3, 33) | (4 | 6 | 7, 65)) {
            return None;
        }
        let mut bytes = [0; 65];
        bytes.get_mut(..key.len())?.copy_from_slice(key);
        Some(Self { bytes, len: u8::try_from(key.len()).ok()? })
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// Splits a strict DER signature with its hash type into type and `r || s`, s made low.
///
/// `None` for the empty signature, and when r or s is out of range: no key has such a signature.
fn split_signature(signature: &[u8]) -> Option<(SighashType, [u8; 64])> {
    let (sighash_type, der) = signature.split_last()?;
    let mut parsed = ecdsa::Signature::from_der_lax(der).ok()?;
    parsed.normalize_s();
    Some((SighashType::from_byte(*sighash_type), parsed.serialize_compact()))
}

/// A signature, or the signatures of a multisig, still to be verified.
///
/// Made by [`super::collect_input`]; what it holds depends on nothing else, so checks can be
/// verified in any order and on any thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigCheck(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    One { sighash: [u8; 32], key: Key, signature: [u8; 64] },
    Many(Box<Multisig>),
}

/// Signatures and keys in the order in which the operation compares them: last first.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Multisig {
    signatures: Vec<([u8; 32], [u8; 64])>,
    keys: Vec<Key>,
}

impl SigCheck {
    /// Tells whether all signatures hold.
    pub fn verify(&self, cache: CacheUse<'_>) -> bool {
        match &self.0 {
            Kind::One { sighash, key, signature } => cache.holds(sighash, key, signature),
            Kind::Many(multisig) => {
                let mut keys = multisig.keys.iter();
                let mut left = multisig.signatures.len();
                multisig.signatures.iter().all(|(sighash, signature)| {
                    // Fails without a look once there are more signatures than keys.
                    let holds =
                        keys.len() >= left && keys.any(|key| cache.holds(sighash, key, signature));
                    left -= 1; // one for each signature
                    holds
                })
            }
        }
    }

    /// Returns the number of signatures: a measure of the work.
    pub fn signatures(&self) -> usize {
        match &self.0 {
            Kind::One { .. } => 1,
            Kind::Many(multisig) => multisig.signatures.len(),
        }
    }
}

/// Answers the signature operations of a script.
#[derive(Debug)]
pub(super) enum Judge<'j> {
    /// Verifies each signature when it is asked for.
    Now(CacheUse<'j>),
    /// Says yes to each signature that may hold, and records it.
    Later(&'j mut Vec<SigCheck>),
}

impl Judge<'_> {
    /// Judges one signature.
    ///
    /// # Errors
    /// [`ScriptError::SigDer`].
    pub(super) fn single(
        &mut self,
        hashes: &mut Hashes<'_, '_>,
        signature: &[u8],
        key: &[u8],
    ) -> Result<bool, ScriptError> {
        check_encoding(signature)?;
        let (Some(key), Some((sighash_type, signature))) =
            (Key::new(key), split_signature(signature))
        else {
            return Ok(false);
        };
        let sighash = hashes.get(sighash_type);
        match self {
            Self::Now(cache) => Ok(cache.holds(&sighash, &key, &signature)),
            Self::Later(checks) => {
                checks.push(SigCheck(Kind::One { sighash, key, signature }));
                Ok(true)
            }
        }
    }

    /// Judges a multisig. Signatures and keys come in the order of comparison, last first.
    ///
    /// # Errors
    /// [`ScriptError::SigDer`] when the comparison reaches a signature that is not strict DER.
    pub(super) fn multi(
        &mut self,
        hashes: &mut Hashes<'_, '_>,
        signatures: &[&[u8]],
        keys: &[&[u8]],
    ) -> Result<bool, Stop> {
        match self {
            Self::Now(cache) => Ok(compare(*cache, hashes, signatures, keys)?),
            Self::Later(checks) => {
                if signatures.is_empty() {
                    return Ok(true);
                }
                checks.push(record(hashes, signatures, keys).ok_or(Stop::Undecided)?);
                Ok(true)
            }
        }
    }
}

/// Compares signatures with keys, in the one order that decides which malformed signature is met.
fn compare(
    cache: CacheUse<'_>,
    hashes: &mut Hashes<'_, '_>,
    signatures: &[&[u8]],
    keys: &[&[u8]],
) -> Result<bool, ScriptError> {
    let mut signatures = signatures;
    let mut keys = keys;
    while let [signature, later_signatures @ ..] = signatures {
        if signatures.len() > keys.len() {
            return Ok(false);
        }
        let [key, later_keys @ ..] = keys else { return Ok(false) };
        check_encoding(signature)?;
        if let (Some(key), Some((sighash_type, signature))) =
            (Key::new(key), split_signature(signature))
            && cache.holds(&hashes.get(sighash_type), &key, &signature)
        {
            signatures = later_signatures;
        }
        keys = later_keys;
    }
    Ok(true)
}

/// Records a multisig; `None` when it cannot succeed, so that only an exact comparison tells how
/// it fails. Things that cannot be keys are left out: no signature is compared with them.
fn record(hashes: &mut Hashes<'_, '_>, signatures: &[&[u8]], keys: &[&[u8]]) -> Option<SigCheck> {
    let keys: Vec<Key> = keys.iter().filter_map(|key| Key::new(key)).collect();
    if signatures.len() > keys.len() {
        return None;
    }
    let signatures = signatures
        .iter()
        .map(|signature| {
            check_encoding(signature).ok()?;
            let (sighash_type, signature) = split_signature(signature)?;
            Some((hashes.get(sighash_type), signature))
        })
        .collect::<Option<_>>()?;
    Some(SigCheck(Kind::Many(Box::new(Multisig { signatures, keys }))))
}

/// Accepts the empty signature, which holds for no key, and strict DER (BIP66).
fn check_encoding(signature: &[u8]) -> Result<(), ScriptError> {
    if signature.is_empty() || is_strict_der(signature) {
        return Ok(());
    }
    Err(ScriptError::SigDer)
}

/// Verifies checks in order and returns the index of the first that fails.
///
/// To use many cores, split the slice with [`chunks`] and give each thread its chunks.
pub fn verify_checks(checks: &[SigCheck], cache: CacheUse<'_>) -> Option<usize> {
    checks.iter().position(|check| !check.verify(cache))
}

/// Splits checks into chunks of about equal work, each with the index of its first check.
///
/// `signatures_per_chunk` is in signatures; at around 32 a chunk takes about a millisecond, long
/// enough to hide the cost of handing it to another thread.
pub fn chunks(
    checks: &[SigCheck],
    signatures_per_chunk: usize,
) -> impl Iterator<Item = (usize, &[SigCheck])> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = checks.get(start..).filter(|rest| !rest.is_empty())?;
        let mut work = 0usize;
        let len = rest
            .iter()
            .take_while(|check| {
                let goes_on = work < signatures_per_chunk.max(1);
                work = work.saturating_add(check.signatures());
                goes_on
            })
            .count();
        let first = start;
        start += len; // within the slice
        Some((first, rest.get(..len)?))
    })
}
