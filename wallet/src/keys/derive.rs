//! The tree of keys (BIP32).

use std::fmt;

use base58ck::Base58CkString;
use bitcoin_hashes::{HashEngine, HmacEngine, sha512};
use mvs_primitives::hash::hash160;
use secp256k1::Scalar;
use zeroize::{Zeroize, Zeroizing};

use crate::keys::path::{ChildNumber, DerivationPath};
use crate::keys::private_key::PrivateKey;
use crate::keys::public_key::PublicKey;
use crate::keys::secret::Secret;

/// Version bytes of `xprv`, on every network of this family (wallet.md 2).
const XPRV: [u8; 4] = [0x04, 0x88, 0xad, 0xe4];
/// Version bytes of `xpub`.
const XPUB: [u8; 4] = [0x04, 0x88, 0xb2, 0x1e];
/// Bytes of an extended key: version, depth, parent, child number, chain code, key.
const LEN: usize = 78;
/// No extended key's text is longer: 82 bytes with the checksum.
const MAX_TEXT: usize = 112;

/// A derivation that is not possible, or a text that is no extended key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeriveError {
    /// Seeds have 16 to 64 bytes.
    #[error("a seed has 16 to 64 bytes, not {found}")]
    SeedLength {
        /// Bytes of the seed.
        found: usize,
    },
    /// The tree has no key at this place (one in 2^127): take the next child.
    #[error("the tree has no key at child {child}; take the next one")]
    NoKey {
        /// The step that failed, as it is written in paths.
        child: String,
    },
    /// A public key cannot take a hardened step.
    #[error("child {child} is hardened: the public key alone cannot derive it")]
    Hardened {
        /// The step, as it is written in paths.
        child: String,
    },
    /// The tree is 255 levels deep.
    #[error("the tree of keys has at most 255 levels")]
    TooDeep,
    /// The text is no extended key.
    #[error("not an extended key: it is not Base58 text of 82 bytes")]
    Form,
    /// The text is mistyped.
    #[error("the extended key is mistyped: its checksum does not match")]
    Checksum,
    /// A private key where a public one was expected, or the other way round, or neither.
    #[error("the text is not an {expected}")]
    Kind {
        /// `xprv` or `xpub`.
        expected: &'static str,
    },
    /// The key in the text is no key of the curve, or its fields contradict each other.
    #[error("the extended key's content is not valid")]
    Content,
}

impl DeriveError {
    /// Every code that [`DeriveError::code`] can give.
    pub const CODES: [&'static str; 8] = [
        "derive.seed_length",
        "derive.no_key",
        "derive.hardened",
        "derive.too_deep",
        "derive.form",
        "derive.checksum",
        "derive.kind",
        "derive.content",
    ];

    /// Returns the stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::SeedLength { .. } => Self::CODES[0],
            Self::NoKey { .. } => Self::CODES[1],
            Self::Hardened { .. } => Self::CODES[2],
            Self::TooDeep => Self::CODES[3],
            Self::Form => Self::CODES[4],
            Self::Checksum => Self::CODES[5],
            Self::Kind { .. } => Self::CODES[6],
            Self::Content => Self::CODES[7],
        }
    }
}

/// Names a key: the first four bytes of its `hash160`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 4]);

impl Fingerprint {
    fn of(key: &PublicKey) -> Self {
        let [a, b, c, d, ..] = hash160(key.as_bytes());
        Self([a, b, c, d])
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Where an extended key comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Origin {
    depth: u8,
    parent: Fingerprint,
    child: ChildNumber,
}

impl Origin {
    const MASTER: Self =
        Self { depth: 0, parent: Fingerprint([0; 4]), child: ChildNumber::from_u32(0) };

    fn below(&self, parent: &PublicKey, child: ChildNumber) -> Result<Self, DeriveError> {
        let depth = self.depth.checked_add(1).ok_or(DeriveError::TooDeep)?;
        Ok(Self { depth, parent: Fingerprint::of(parent), child })
    }

    fn write(&self, version: [u8; 4], chain_code: &[u8; 32], out: &mut [u8; LEN]) {
        out[..4].copy_from_slice(&version);
        out[4] = self.depth;
        out[5..9].copy_from_slice(&self.parent.0);
        out[9..13].copy_from_slice(&self.child.to_u32().to_be_bytes());
        out[13..45].copy_from_slice(chain_code);
    }

    fn read(bytes: &[u8; LEN]) -> Result<Self, DeriveError> {
        let [_, _, _, _, depth, p0, p1, p2, p3, c0, c1, c2, c3, ..] = *bytes;
        let origin = Self {
            depth,
            parent: Fingerprint([p0, p1, p2, p3]),
            child: ChildNumber::from_u32(u32::from_be_bytes([c0, c1, c2, c3])),
        };
        if depth == 0 && origin != Self::MASTER { Err(DeriveError::Content) } else { Ok(origin) }
    }
}

/// HMAC-SHA512 in two halves: what is added to the key, and the chain code.
fn hmac(key: &[u8], parts: &[&[u8]]) -> (Secret<[u8; 32]>, Secret<[u8; 32]>) {
    let mut engine = HmacEngine::<sha512::HashEngine>::new(key);
    for part in parts {
        engine.input(part);
    }
    let hash = engine.finalize();
    let bytes: &[u8] = hash.as_ref();
    let half = |range: std::ops::Range<usize>| {
        let half = bytes.get(range).and_then(|half| half.try_into().ok());
        Secret::copy_of(half.expect("SHA-512 has 64 bytes"))
    };
    (half(0..32), half(32..64))
}

fn scalar(bytes: &Secret<[u8; 32]>) -> Option<Scalar> {
    Scalar::from_be_bytes(*bytes.reveal()).ok()
}

fn decode_text(
    text: &str,
    version: [u8; 4],
    expected: &'static str,
) -> Result<Zeroizing<[u8; LEN]>, DeriveError> {
    let text = text.trim();
    if text.len() > MAX_TEXT {
        return Err(DeriveError::Form);
    }
    let bytes = base58ck::decode_check(text).map_err(|error| {
        if error.incorrect_checksum().is_some() { DeriveError::Checksum } else { DeriveError::Form }
    })?;
    let bytes = Zeroizing::new(bytes);
    let mut fixed = Zeroizing::new([0; LEN]);
    if bytes.len() != LEN {
        return Err(DeriveError::Form);
    }
    fixed.copy_from_slice(&bytes);
    if fixed.starts_with(&version) { Ok(fixed) } else { Err(DeriveError::Kind { expected }) }
}

/// A private key from which all keys below it follow.
pub struct ExtendedPrivateKey {
    origin: Origin,
    chain_code: Secret<[u8; 32]>,
    key: PrivateKey,
}

impl ExtendedPrivateKey {
    /// Returns the master key of a seed of 16 to 64 bytes; BIP39 seeds have 64.
    ///
    /// # Errors
    /// [`DeriveError::SeedLength`], and [`DeriveError::NoKey`] for one seed in 2^127.
    pub fn master(seed: &[u8]) -> Result<Self, DeriveError> {
        if !(16..=64).contains(&seed.len()) {
            return Err(DeriveError::SeedLength { found: seed.len() });
        }
        let (key, chain_code) = hmac(b"Bitcoin seed", &[seed]);
        let key = PrivateKey::from_secret(key, true)
            .map_err(|_| DeriveError::NoKey { child: "m".to_owned() })?;
        Ok(Self { origin: Origin::MASTER, chain_code, key })
    }

    /// Derives one child.
    ///
    /// # Errors
    /// [`DeriveError::TooDeep`], and [`DeriveError::NoKey`] for one child in 2^127.
    pub fn child(&self, child: ChildNumber) -> Result<Self, DeriveError> {
        let public = self.key.public_key();
        let origin = self.origin.below(&public, child)?;
        let number = child.to_u32().to_be_bytes();
        let chain_code = self.chain_code.reveal();
        let (tweak, chain_code) = if child.is_hardened() {
            hmac(chain_code, &[&[0], self.key.reveal_secret(), &number])
        } else {
            hmac(chain_code, &[public.as_bytes(), &number])
        };
        let no_key = || DeriveError::NoKey { child: child.to_string() };
        let mut tweak = scalar(&tweak).ok_or_else(no_key)?;
        let derived = self.key.with_key(|key| key.add_tweak(&tweak));
        tweak.non_secure_erase();
        let mut derived = derived.map_err(|_| no_key())?;
        let secret = Secret::copy_of(derived.as_secret_bytes());
        derived.non_secure_erase();
        let key = PrivateKey::from_secret(secret, true).map_err(|_| no_key())?;
        Ok(Self { origin, chain_code, key })
    }

    /// Derives along steps.
    ///
    /// # Errors
    /// Those of [`ExtendedPrivateKey::child`].
    pub fn derive(&self, steps: &[ChildNumber]) -> Result<Self, DeriveError> {
        let mut key = self.duplicate();
        for step in steps {
            key = key.child(*step)?;
        }
        Ok(key)
    }

    /// Derives along a path, which is meant from this key on.
    ///
    /// # Errors
    /// Those of [`ExtendedPrivateKey::child`].
    pub fn derive_path(&self, path: &DerivationPath) -> Result<Self, DeriveError> {
        self.derive(path.steps())
    }

    fn duplicate(&self) -> Self {
        Self {
            origin: self.origin,
            chain_code: Secret::copy_of(self.chain_code.reveal()),
            key: PrivateKey::from_secret(Secret::copy_of(self.key.reveal_secret()), true)
                .expect("it is a key already"),
        }
    }

    /// Returns the public side: what a watch-only wallet needs.
    pub fn to_public(&self) -> ExtendedPublicKey {
        ExtendedPublicKey {
            origin: self.origin,
            chain_code: *self.chain_code.reveal(),
            key: self.key.public_key(),
        }
    }

    /// Returns the private key at this place of the tree.
    pub const fn private_key(&self) -> &PrivateKey {
        &self.key
    }

    /// Returns the private key at this place of the tree, and forgets the rest.
    pub fn into_private_key(self) -> PrivateKey {
        self.key
    }

    /// Returns the name of this key.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.key.public_key())
    }

    /// Reads an `xprv`.
    ///
    /// # Errors
    /// [`DeriveError`] tells what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, DeriveError> {
        let bytes = decode_text(text, XPRV, "xprv")?;
        let origin = Origin::read(&bytes)?;
        let [.., 0] = bytes[..46] else { return Err(DeriveError::Content) };
        let mut secret = Secret::copy_of(&[0; 32]);
        secret.reveal_mut().copy_from_slice(&bytes[46..]);
        let mut chain_code = Secret::copy_of(&[0; 32]);
        chain_code.reveal_mut().copy_from_slice(&bytes[13..45]);
        let key = PrivateKey::from_secret(secret, true).map_err(|_| DeriveError::Content)?;
        Ok(Self { origin, chain_code, key })
    }

    /// Returns the `xprv` text: every key below it follows from it.
    pub fn reveal_text(&self) -> Secret<str> {
        let mut bytes = Zeroizing::new([0; LEN]);
        self.origin.write(XPRV, self.chain_code.reveal(), &mut bytes);
        bytes[46..].copy_from_slice(self.key.reveal_secret());
        Secret::from_string(to_text(&bytes))
    }
}

impl fmt::Debug for ExtendedPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExtendedPrivateKey({}, ***)", self.fingerprint())
    }
}

fn to_text(bytes: &[u8; LEN]) -> String {
    Base58CkString::encode_unbounded(bytes).as_str().to_owned()
}

/// A public key from which the public keys of all unhardened places below it follow.
///
/// It spends nothing, yet shows every address; and with any one private key below it the private key
/// at its own place can be computed. So `Debug` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub struct ExtendedPublicKey {
    origin: Origin,
    chain_code: [u8; 32],
    key: PublicKey,
}

impl ExtendedPublicKey {
    /// Derives one child.
    ///
    /// # Errors
    /// [`DeriveError::Hardened`], [`DeriveError::TooDeep`], and [`DeriveError::NoKey`] for one
    /// child in 2^127.
    pub fn child(&self, child: ChildNumber) -> Result<Self, DeriveError> {
        if child.is_hardened() {
            return Err(DeriveError::Hardened { child: child.to_string() });
        }
        let origin = self.origin.below(&self.key, child)?;
        let number = child.to_u32().to_be_bytes();
        let (tweak, chain_code) = hmac(&self.chain_code, &[self.key.as_bytes(), &number]);
        let no_key = || DeriveError::NoKey { child: child.to_string() };
        let tweak = scalar(&tweak).ok_or_else(no_key)?;
        let point = self.key.point().add_exp_tweak(&tweak).map_err(|_| no_key())?;
        Ok(Self { origin, chain_code: *chain_code.reveal(), key: PublicKey::from_point(&point) })
    }

    /// Derives along steps.
    ///
    /// # Errors
    /// Those of [`ExtendedPublicKey::child`].
    pub fn derive(&self, steps: &[ChildNumber]) -> Result<Self, DeriveError> {
        steps.iter().try_fold(self.clone(), |key, step| key.child(*step))
    }

    /// Returns the public key at this place of the tree.
    pub const fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// Returns the name of this key.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.key)
    }

    /// Returns how many steps below the master it is.
    pub const fn depth(&self) -> u8 {
        self.origin.depth
    }

    /// Reads an `xpub`.
    ///
    /// # Errors
    /// [`DeriveError`] tells what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, DeriveError> {
        Self::from_bytes(&*decode_text(text, XPUB, "xpub")?)
    }

    /// Returns the `xpub` text.
    pub fn to_text(&self) -> String {
        to_text(&self.to_bytes())
    }

    /// Returns the bytes behind the text: version, depth, parent, child, chain code, key.
    pub fn to_bytes(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        self.origin.write(XPUB, &self.chain_code, &mut bytes);
        bytes[45..].copy_from_slice(self.key.as_bytes());
        bytes
    }

    /// Reads what [`ExtendedPublicKey::to_bytes`] gave.
    ///
    /// # Errors
    /// [`DeriveError::Kind`] or [`DeriveError::Content`].
    pub fn from_bytes(bytes: &[u8; LEN]) -> Result<Self, DeriveError> {
        if !bytes.starts_with(&XPUB) {
            return Err(DeriveError::Kind { expected: "xpub" });
        }
        let origin = Origin::read(bytes)?;
        let mut chain_code = [0; 32];
        chain_code.copy_from_slice(&bytes[13..45]);
        let mut key = [0; 33];
        key.copy_from_slice(&bytes[45..]);
        let key = PublicKey::from_bytes(key).map_err(|_| DeriveError::Content)?;
        Ok(Self { origin, chain_code, key })
    }
}

impl Drop for ExtendedPublicKey {
    fn drop(&mut self) {
        self.chain_code.zeroize();
    }
}

impl fmt::Debug for ExtendedPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExtendedPublicKey({})", self.fingerprint())
    }
}
