//! Public keys and their addresses.

use std::fmt;

use mvs_primitives::address::Address;
use mvs_primitives::hash::hash160;

/// Bytes that are no public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a compressed public key: 33 bytes, the first 02 or 03, and a point of the curve")]
pub struct PublicKeyError;

impl PublicKeyError {
    /// Every code that [`PublicKeyError::code`] can give.
    pub const CODES: [&'static str; 1] = ["public_key.invalid"];

    /// Returns the stable code of this error.
    pub const fn code(&self) -> &'static str {
        "public_key.invalid"
    }
}

/// A public key in its compressed form of 33 bytes, the only one the network's wallets make.
///
/// Keys are ordered by these bytes, which is the order of keys in a multisig script.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 33]);

impl PublicKey {
    /// Wraps bytes that are a point of the curve.
    ///
    /// # Errors
    /// [`PublicKeyError`] when they are none.
    pub fn from_bytes(bytes: [u8; 33]) -> Result<Self, PublicKeyError> {
        secp256k1::PublicKey::from_byte_array_compressed(bytes).map_err(|_| PublicKeyError)?;
        Ok(Self(bytes))
    }

    /// Reads 66 hexadecimal digits.
    ///
    /// # Errors
    /// [`PublicKeyError`] when they are no key.
    pub fn from_hex(text: &str) -> Result<Self, PublicKeyError> {
        let mut bytes = [0; 33];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| PublicKeyError)?;
        Self::from_bytes(bytes)
    }

    /// Returns the bytes.
    pub const fn as_bytes(&self) -> &[u8; 33] {
        &self.0
    }

    /// Returns the address that the key alone can spend from.
    pub fn address(&self) -> Address {
        Address::KeyHash(hash160(&self.0))
    }

    pub(crate) fn from_point(point: &secp256k1::PublicKey) -> Self {
        Self(point.serialize())
    }

    pub(crate) fn point(&self) -> secp256k1::PublicKey {
        secp256k1::PublicKey::from_byte_array_compressed(self.0).expect("checked when it was made")
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}
