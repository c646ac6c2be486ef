//! Signed messages: proof that somebody holds the key of an address (wallet.md 12).

use mvs_primitives::address::Address;
use mvs_primitives::encode::{CompactSize, Encode};
use mvs_primitives::hash::{hash160, sha256d};
use secp256k1::Message;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::keys::private_key::PrivateKey;

/// What is hashed before the message, so that a signed message can never be a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessagePrefix {
    /// Bitcoin's, which the network's first node has in its library.
    Bitcoin,
    /// That of the JavaScript wallets. QUIRK: its length byte says 24, though the text has 26 bytes.
    Metaverse,
}

impl MessagePrefix {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Bitcoin, Self::Metaverse];

    const fn bytes(self) -> &'static [u8] {
        match self {
            Self::Bitcoin => b"\x18Bitcoin Signed Message:\n",
            Self::Metaverse => b"\x18Metaverse Signed Message:\n",
        }
    }
}

/// A text that is no signature of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Not 65 bytes in Base64 or hexadecimal.
    #[error("not a message signature: it is not 65 bytes in Base64 or hexadecimal")]
    Form,
    /// The first byte is none of 27 to 34.
    #[error("not a message signature: its first byte is {found}, not one of 27 to 34")]
    Header {
        /// The first byte.
        found: u8,
    },
    /// No key could have made this signature.
    #[error("no key can have made this signature")]
    Impossible,
    /// Another key, or another message.
    #[error("the signature is not of this message by this address")]
    Mismatch,
    /// The address is not one of a single key.
    #[error("only addresses of single keys sign messages")]
    NoKeyAddress,
}

impl MessageError {
    /// Every code that [`MessageError::code`] can give.
    pub const CODES: [&'static str; 5] = [
        "message.form",
        "message.header",
        "message.impossible",
        "message.mismatch",
        "message.no_key_address",
    ];

    /// Returns the stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Form => Self::CODES[0],
            Self::Header { .. } => Self::CODES[1],
            Self::Impossible => Self::CODES[2],
            Self::Mismatch => Self::CODES[3],
            Self::NoKeyAddress => Self::CODES[4],
        }
    }
}

/// The signature of a message.
///
/// 65 bytes: 27 plus the number of the candidate key (0 to 3), plus 4 if the key is compressed; r; s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageSignature([u8; 65]);

impl MessageSignature {
    /// Signs a message.
    pub fn sign(message: &[u8], prefix: MessagePrefix, key: &PrivateKey) -> Self {
        let (id, compact) = key.sign_recoverable(digest(message, prefix));
        let mut bytes = [0; 65];
        bytes[0] = 27 + id + if key.is_compressed() { 4 } else { 0 };
        bytes[1..].copy_from_slice(&compact);
        Self(bytes)
    }

    /// Checks that the holder of an address signed the message.
    ///
    /// # Errors
    /// [`MessageError::Mismatch`] when not; others when the signature or address cannot be one.
    pub fn verify(
        &self,
        message: &[u8],
        prefix: MessagePrefix,
        address: &Address,
    ) -> Result<(), MessageError> {
        let Address::KeyHash(expected) = address else { return Err(MessageError::NoKeyAddress) };
        if self.recover_key_hash(message, prefix)? == *expected {
            Ok(())
        } else {
            Err(MessageError::Mismatch)
        }
    }

    /// Checks the message with both prefixes and returns the one that it was signed with.
    ///
    /// # Errors
    /// [`MessageError::Mismatch`] when neither fits; others as with [`MessageSignature::verify`].
    pub fn verify_any(
        &self,
        message: &[u8],
        address: &Address,
    ) -> Result<MessagePrefix, MessageError> {
        let mut last = MessageError::Mismatch;
        for prefix in MessagePrefix::ALL {
            match self.verify(message, prefix, address) {
                Ok(()) => return Ok(prefix),
                // A signature may be impossible with one prefix only.
                Err(MessageError::Impossible) => {}
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn recover_key_hash(
        &self,
        message: &[u8],
        prefix: MessagePrefix,
    ) -> Result<[u8; 20], MessageError> {
        let [header, compact @ ..] = &self.0;
        let found = *header;
        let flags = match found {
            27..=34 => found - 27,
            _ => return Err(MessageError::Header { found }),
        };
        let id = RecoveryId::from_u8_masked(flags);
        let signature = RecoverableSignature::from_compact(compact, id)
            .map_err(|_| MessageError::Impossible)?;
        let key = signature
            .recover_ecdsa(Message::from_digest(digest(message, prefix)))
            .map_err(|_| MessageError::Impossible)?;
        Ok(if flags >= 4 {
            hash160(&key.serialize())
        } else {
            hash160(&key.serialize_uncompressed())
        })
    }

    /// Reads a signature in Base64, as most wallets write it, or in hexadecimal, as the JavaScript
    /// wallets do.
    ///
    /// # Errors
    /// [`MessageError::Form`] or [`MessageError::Header`].
    pub fn parse(text: &str) -> Result<Self, MessageError> {
        let text = text.trim();
        let bytes = match text.len() {
            130 => hex::decode(text).map_err(|_| MessageError::Form)?,
            88 => BASE64.decode(text).map_err(|_| MessageError::Form)?,
            _ => return Err(MessageError::Form),
        };
        let bytes: [u8; 65] = bytes.try_into().map_err(|_| MessageError::Form)?;
        match bytes[0] {
            27..=34 => Ok(Self(bytes)),
            found => Err(MessageError::Header { found }),
        }
    }

    /// Returns the signature in Base64.
    pub fn to_base64(&self) -> String {
        BASE64.encode(self.0)
    }

    /// Returns the signature in hexadecimal.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }
}

/// The digest that is signed: prefix, length of the message, message.
fn digest(message: &[u8], prefix: MessagePrefix) -> [u8; 32] {
    let mut bytes = prefix.bytes().to_vec();
    bytes.extend(CompactSize::new(message.len() as u64).to_bytes()); // widening
    bytes.extend_from_slice(message);
    sha256d(&bytes)
}

#[cfg(test)]
mod tests {
    use super::{MessageError, MessagePrefix, MessageSignature};
    use crate::keys::private_key::PrivateKey;
    use crate::keys::secret::Secret;
    use mvs_primitives::address::Address;
    use mvs_primitives::hash::sha256d;

    fn key(compressed: bool) -> PrivateKey {
        PrivateKey::from_secret(Secret::copy_of(&[0x11; 32]), compressed).unwrap()
    }

    #[test]
    fn both_prefixes_and_both_kinds_of_keys() {
        for compressed in [true, false] {
            for prefix in MessagePrefix::ALL {
                for message in ["", "hello", &"x".repeat(300)] {
                    let message = message.as_bytes();
                    let key = key(compressed);
                    let signature = MessageSignature::sign(message, prefix, &key);
                    let address = key.address();
                    assert_eq!(signature.verify(message, prefix, &address), Ok(()));
                    assert_eq!(signature.verify_any(message, &address), Ok(prefix));
                    let other = signature.verify(b"other", prefix, &address);
                    assert_eq!(other, Err(MessageError::Mismatch));
                    for text in [signature.to_base64(), signature.to_hex()] {
                        assert_eq!(MessageSignature::parse(&text), Ok(signature));
                    }
                }
            }
        }
        let signature = MessageSignature::sign(b"a", MessagePrefix::Bitcoin, &key(true));
        let script = Address::ScriptHash([0; 20]);
        assert_eq!(signature.verify_any(b"a", &script), Err(MessageError::NoKeyAddress));
        let stranger = Address::KeyHash([0; 20]);
        assert_eq!(signature.verify_any(b"a", &stranger), Err(MessageError::Mismatch));
    }

    #[test]
    fn the_digests_are_the_written_bytes() {
        let bitcoin = sha256d(b"\x18Bitcoin Signed Message:\n\x02hi");
        assert_eq!(super::digest(b"hi", MessagePrefix::Bitcoin), bitcoin);
        // The wrong length byte 0x18 before 26 bytes of text (wallet.md 12).
        let metaverse = sha256d(b"\x18Metaverse Signed Message:\n\x02hi");
        assert_eq!(super::digest(b"hi", MessagePrefix::Metaverse), metaverse);
    }

    #[test]
    fn what_is_no_signature_is_told() {
        let code = |text: &str| MessageSignature::parse(text).unwrap_err().code();
        assert_eq!(code(""), "message.form");
        assert_eq!(code(&"z".repeat(130)), "message.form");
        assert_eq!(code(&"*".repeat(88)), "message.form");
        assert_eq!(code(&"00".repeat(65)), "message.header");
        let zero = MessageSignature::parse(&format!("1f{}", "00".repeat(64))).unwrap();
        let address = key(true).address();
        assert_eq!(
            zero.verify(b"", MessagePrefix::Bitcoin, &address),
            Err(MessageError::Impossible)
        );
        assert!(zero.verify_any(b"", &address).is_err());
    }
}
