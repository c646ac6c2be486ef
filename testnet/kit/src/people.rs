//! Key holders with keys that anybody can derive again, and their signatures.

use mvs_primitives::address::{Address, AddressFormat};
use mvs_primitives::hash::{hash160, sha256};
use mvs_primitives::script::{Script, ScriptBuilder};
use mvs_primitives::sighash::{SighashType, signature_hash};
use mvs_primitives::text::AddressText;
use mvs_primitives::transaction::Transaction;
use secp256k1::{Message, PublicKey, SecretKey, ecdsa};

/// Somebody with one key. The key comes from a label and a number, so it is no secret at all.
#[derive(Debug, Clone, Copy)]
pub struct Person {
    secret: SecretKey,
    key: [u8; 33],
    key_hash: [u8; 20],
}

impl Person {
    /// Derives a person: the key is the SHA-256 of the label, a slash and the number.
    ///
    /// # Panics
    /// Only if a SHA-256 digest were no valid key, which has a chance of 2^-128.
    pub fn new(label: &str, number: usize) -> Self {
        let secret = SecretKey::from_secret_bytes(sha256(format!("{label}/{number}").as_bytes()))
            .expect("nearly every digest is a key");
        let key = PublicKey::from_secret_key(&secret).serialize();
        Self { secret, key, key_hash: hash160(&key) }
    }

    /// Derives many people with one label.
    pub fn crowd(label: &str, count: usize) -> Vec<Self> {
        (0..count).map(|number| Self::new(label, number)).collect()
    }

    /// Returns the compressed public key.
    pub const fn key(&self) -> &[u8; 33] {
        &self.key
    }

    /// Returns the hash of the public key.
    pub const fn key_hash(&self) -> &[u8; 20] {
        &self.key_hash
    }

    /// Returns the address.
    pub const fn address(&self) -> Address {
        Address::KeyHash(self.key_hash)
    }

    /// Returns the address as attachments name it.
    pub fn address_text(&self, format: &AddressFormat) -> AddressText {
        self.address().to_address_text(format)
    }

    /// Returns the ordinary script that pays this person.
    pub fn pay(&self) -> Script {
        Script::pay_key_hash(&self.key_hash)
    }

    /// Signs an input with hash type ALL: strict DER and the type byte. Deterministic (RFC 6979).
    pub fn sign(&self, transaction: &Transaction, input: usize, code: &[u8]) -> Vec<u8> {
        let digest = signature_hash(transaction, input, code, SighashType::ALL);
        let signature = self.sign_digest(digest);
        let mut bytes = signature.serialize_der().to_vec();
        bytes.push(SighashType::ALL.byte());
        bytes
    }

    /// Signs a digest.
    pub fn sign_digest(&self, digest: [u8; 32]) -> ecdsa::Signature {
        ecdsa::sign(Message::from_digest(digest), &self.secret)
    }

    /// Returns the input script that spends an output of the key-hash family.
    pub fn unlock(&self, transaction: &Transaction, input: usize, previous: &Script) -> Script {
        let signature = self.sign(transaction, input, previous.as_bytes());
        ScriptBuilder::new().push(&signature).push(&self.key).build()
    }
}
