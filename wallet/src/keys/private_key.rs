//! Private keys: WIF text both ways, signatures.

use mvs_primitives::address::{Address, AddressError, AddressFormat};
use mvs_primitives::hash::hash160;
use mvs_primitives::wif::Wif;
use secp256k1::ecdsa::RecoverableSignature;
use secp256k1::{Message, SecretKey};

use crate::keys::network::Network;
use crate::keys::public_key::PublicKey;
use crate::keys::secret::{RandomError, Secret};

/// WIF version byte that JavaScript wallets use on the test network (wallet.md 3).
const JS_TESTNET_WIF: u8 = 0xef;

/// Something that is no private key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateKeyError {
    /// The number is zero or not below the order of the curve.
    #[error("not a private key: the number is zero or too large")]
    Range,
    /// The text is no WIF at all.
    #[error("not a private key in WIF: it is not Base58 text of 37 or 38 bytes")]
    Form,
    /// The text is mistyped.
    #[error("the private key is mistyped: its checksum does not match")]
    Checksum,
    /// The text is a key of another network.
    #[error("the private key's version byte 0x{found:02x} is none of {}'s", network.name())]
    Network {
        /// The version byte of the text.
        found: u8,
        /// Where the key was meant to be used.
        network: Network,
    },
}

impl PrivateKeyError {
    /// Every code that [`PrivateKeyError::code`] can give.
    pub const CODES: [&'static str; 4] =
        ["private_key.range", "private_key.form", "private_key.checksum", "private_key.network"];

    /// Returns the stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Range => Self::CODES[0],
            Self::Form => Self::CODES[1],
            Self::Checksum => Self::CODES[2],
            Self::Network { .. } => Self::CODES[3],
        }
    }
}

/// A private key, and which form of its public key makes the address.
#[derive(Debug)]
pub struct PrivateKey {
    secret: Secret<[u8; 32]>,
    compressed: bool,
}

impl PrivateKey {
    /// Wraps 32 big-endian bytes. `compressed` is true for every key that a wallet derives.
    ///
    /// # Errors
    /// [`PrivateKeyError::Range`] when they are no key.
    pub fn from_secret(
        secret: Secret<[u8; 32]>,
        compressed: bool,
    ) -> Result<Self, PrivateKeyError> {
        let mut key =
            SecretKey::from_secret_bytes(*secret.reveal()).map_err(|_| PrivateKeyError::Range)?;
        key.non_secure_erase();
        Ok(Self { secret, compressed })
    }

    /// Returns a new random key.
    ///
    /// # Errors
    /// [`RandomError`] when the system gives no random bytes.
    pub fn random() -> Result<Self, RandomError> {
        loop {
            if let Ok(key) = Self::from_secret(Secret::random()?, true) {
                return Ok(key);
            }
        }
    }

    /// Reads WIF text. Version byte 0x80 is good on every network, 0xef on all but the main one.
    ///
    /// # Errors
    /// [`PrivateKeyError`] tells what is wrong with the text.
    pub fn from_wif(text: &str, network: Network) -> Result<Self, PrivateKeyError> {
        let format = network.address_format();
        let js = AddressFormat { wif: JS_TESTNET_WIF, ..*format };
        let wif = match Wif::parse(text.trim(), format) {
            Err(AddressError::Version { found: JS_TESTNET_WIF }) if network != Network::Mainnet => {
                Wif::parse(text.trim(), &js)
            }
            other => other,
        };
        let wif = wif.map_err(|error| match error {
            AddressError::Checksum => PrivateKeyError::Checksum,
            AddressError::Version { found } => PrivateKeyError::Network { found, network },
            _ => PrivateKeyError::Form,
        })?;
        Self::from_secret(Secret::copy_of(wif.reveal_secret()), wif.is_compressed())
    }

    /// Returns the key as WIF text, in the form that existing wallets read.
    pub fn reveal_wif(&self, network: Network) -> Secret<str> {
        let wif = Wif::new(*self.secret.reveal(), self.compressed);
        Secret::from_string(wif.reveal_text(network.address_format()))
    }

    /// Returns the key's 32 big-endian bytes.
    pub const fn reveal_secret(&self) -> &[u8; 32] {
        self.secret.reveal()
    }

    /// Tells whether the address is made from the compressed public key.
    pub const fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// Returns the public key.
    pub fn public_key(&self) -> PublicKey {
        self.with_key(|key| PublicKey::from_point(&key.public_key()))
    }

    /// Returns the bytes of the public key as a spending input shows them: 33, or 65 if the key is
    /// not compressed.
    pub fn public_key_bytes(&self) -> Vec<u8> {
        let point = self.public_key().point();
        if self.compressed {
            point.serialize().to_vec()
        } else {
            point.serialize_uncompressed().to_vec()
        }
    }

    /// Returns the address that the key can spend from.
    pub fn address(&self) -> Address {
        Address::KeyHash(hash160(&self.public_key_bytes()))
    }

    /// Signs a digest: DER, nonce by RFC 6979, the lower of the two possible `s`.
    pub fn sign_digest(&self, digest: [u8; 32]) -> Vec<u8> {
        self.with_key(|key| key.sign_ecdsa(Message::from_digest(digest)).serialize_der().to_vec())
    }

    /// Signs a digest: r and s as 32 big-endian bytes each, otherwise as [`PrivateKey::sign_digest`].
    pub fn sign_compact(&self, digest: [u8; 32]) -> [u8; 64] {
        self.with_key(|key| key.sign_ecdsa(Message::from_digest(digest)).serialize_compact())
    }

    /// Signs a digest so that the public key follows from the signature: the number of the
    /// candidate (0 to 3), and r and s.
    pub(crate) fn sign_recoverable(&self, digest: [u8; 32]) -> (u8, [u8; 64]) {
        self.with_key(|key| {
            let message = Message::from_digest(digest);
            let signature = RecoverableSignature::sign_ecdsa_recoverable(message, key);
            let (id, bytes) = signature.serialize_compact();
            (id.to_u8(), bytes)
        })
    }

    pub(crate) fn with_key<R>(&self, use_key: impl FnOnce(&SecretKey) -> R) -> R {
        let mut key =
            SecretKey::from_secret_bytes(*self.secret.reveal()).expect("checked when it was made");
        let result = use_key(&key);
        key.non_secure_erase();
        result
    }
}

#[cfg(test)]
mod tests {
    use super::PrivateKey;
    use crate::keys::network::Network;
    use crate::keys::secret::Secret;
    use mvs_primitives::address::AddressFormat;
    use mvs_primitives::wif::Wif;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    #[test]
    fn wif_is_checked_and_bound_to_networks() {
        let text = "KzdBb5qX6RGnFeaJ8Paf1R2wxJBVzqFmsLN21Xhf2KatQdiDeWUX";
        for network in Network::ALL {
            let key = PrivateKey::from_wif(&format!(" {text}\n"), network).unwrap();
            assert_eq!(key.reveal_wif(network).reveal(), text);
        }
        let mistyped = text.replace("KzdBb5", "KzdBb6");
        let code = |text: &str, network| PrivateKey::from_wif(text, network).unwrap_err().code();
        assert_eq!(code(&mistyped, Network::Mainnet), "private_key.checksum");
        assert_eq!(code("hello", Network::Mainnet), "private_key.form");
        let js = AddressFormat { wif: 0xef, ..AddressFormat::TESTNET };
        let js_text = Wif::new([7; 32], true).reveal_text(&js);
        assert!(PrivateKey::from_wif(&js_text, Network::Testnet).is_ok());
        assert_eq!(code(&js_text, Network::Mainnet), "private_key.network");
        let zero = Wif::new([0; 32], true).reveal_text(&AddressFormat::MAINNET);
        assert_eq!(code(&zero, Network::Mainnet), "private_key.range");
        let large = Wif::new([0xff; 32], true).reveal_text(&AddressFormat::MAINNET);
        assert_eq!(code(&large, Network::Mainnet), "private_key.range");
    }

    #[test]
    fn an_uncompressed_key_has_another_address() {
        let make =
            |compressed| PrivateKey::from_secret(Secret::copy_of(&[7; 32]), compressed).unwrap();
        assert_eq!(make(false).public_key_bytes().len(), 65);
        assert_ne!(make(false).address(), make(true).address());
        assert_eq!(make(true).address(), make(true).public_key().address());
        assert!(!format!("{:?}", make(true)).contains('7'));
        assert!(PrivateKey::random().is_ok());
    }

    proptest! {
        #[test]
        fn wif_both_ways(bytes in any::<[u8; 32]>(), compressed: bool, which in 0usize..3) {
            let network = Network::ALL[which];
            if let Ok(key) = PrivateKey::from_secret(Secret::copy_of(&bytes), compressed) {
                let text = key.reveal_wif(network);
                let again = PrivateKey::from_wif(text.reveal(), network).unwrap();
                prop_assert_eq!(again.reveal_secret(), &bytes);
                prop_assert_eq!(again.is_compressed(), compressed);
                prop_assert_eq!(again.address(), key.address());
            }
        }
    }
}
