//! Digests: the functions, and one type for each thing that is named by a digest.
//!
//! Digest *bytes* are in the order in which the hash function gives them; that order is on the wire.
//! Digest *text* is the hex of the reversed bytes, Bitcoin's display order (chain.md, conventions).
//! [`SealHash`] and [`MixHash`] are the exception: ethash shows them in plain byte order.

use std::fmt;
use std::str::FromStr;

use bitcoin_hashes::{hash160 as h160, sha256 as s256, sha256d as s256d};
use sha3::{Digest, Keccak256};

/// Computes SHA-256 of SHA-256.
pub fn sha256d(data: &[u8]) -> [u8; 32] {
    s256d::Hash::hash(data).to_byte_array()
}

/// Computes SHA-256.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    s256::Hash::hash(data).to_byte_array()
}

/// Computes RIPEMD-160 of SHA-256, the hash behind addresses (chain.md 5.3).
pub fn hash160(data: &[u8]) -> [u8; 20] {
    h160::Hash::hash(data).to_byte_array()
}

/// Computes the original Keccak-256 (pad byte 0x01), not NIST SHA-3.
pub fn keccak256(data: &[u8]) -> [u8; 32] {
    Keccak256::digest(data).into()
}

/// A digest text that does not stand for 32 bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hex digits, found {0:?}")]
pub struct ParseHashError(String);

macro_rules! digest {
    ($(#[$doc:meta])* $name:ident, $reversed:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name([u8; 32]);

        impl $name {
            /// All bytes zero: the null value (for example the parent of a genesis block).
            pub const ZERO: Self = Self([0; 32]);

            /// Wraps digest bytes in wire order.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// Returns the digest bytes in wire order.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut bytes = self.0;
                if $reversed {
                    bytes.reverse();
                }
                f.write_str(&hex::encode(bytes))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = ParseHashError;

            /// Parses the display form.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut bytes = [0u8; 32];
                hex::decode_to_slice(text, &mut bytes)
                    .map_err(|_| ParseHashError(text.chars().take(80).collect()))?;
                if $reversed {
                    bytes.reverse();
                }
                Ok(Self(bytes))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

digest! {
    /// Names a block: `sha256d` of its 148 header bytes (chain.md 1.2).
    BlockHash, true
}
digest! {
    /// Names a transaction: `sha256d` of its whole serialization, signatures and attachments
    /// included, so it is malleable (chain.md 3.1).
    TxId, true
}
digest! {
    /// The root of a block's transaction tree (chain.md 2.3).
    MerkleRoot, true
}
digest! {
    /// The hash that ethash seals (chain.md 1.3). Shown in plain byte order.
    SealHash, false
}
digest! {
    /// The ethash mix that a header claims (chain.md 1.1, field 7). Shown in plain byte order.
    MixHash, false
}

#[cfg(test)]
mod tests {
    use super::{SealHash, TxId, keccak256, sha256d};

    #[test]
    fn display_order_is_reversed_for_ids_and_plain_for_ethash() {
        let mut bytes = [0u8; 32];
        bytes[0] = 0xab;
        assert!(TxId::from_bytes(bytes).to_string().ends_with("ab"));
        assert!(SealHash::from_bytes(bytes).to_string().starts_with("ab"));
        let id = TxId::from_bytes(sha256d(b"x"));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("abc".parse::<TxId>().is_err());
        assert!(id.to_string()[..62].parse::<TxId>().is_err());
    }

    #[test]
    fn keccak_is_the_original() {
        assert_eq!(
            hex::encode(keccak256(b"")),
            "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
        );
    }
}
