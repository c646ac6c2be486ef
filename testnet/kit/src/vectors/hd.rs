//! Hierarchical keys: BIP39 words or a seed, BIP32 paths, and the keys and addresses that follow.
//!
//! A list of such vectors names the words once; they hold until the next that names some.
//!
//! The derivation here is the checker's own, on public libraries; the wallet's will be compared
//! with it.

use std::borrow::Cow;

use base58ck::Base58CkString;
use bip39::Mnemonic;
use bitcoin_hashes::hmac::HmacEngine;
use bitcoin_hashes::{HashEngine, sha512};
use mvs_primitives::address::AddressFormat;
use mvs_primitives::hash::hash160;
use mvs_primitives::wif::Wif;
use secp256k1::{PublicKey, Scalar, SecretKey};
use serde_json::Value;

use super::fields::{TEXT, has_any, text};
use super::report::{Case, Report};
use super::{Claim, Kind, wif};

pub(super) const KIND: Kind = Kind { name: "hd key", detect, check };

/// Version bytes of extended keys (chain.md 5.1).
const XPRV_VERSION: [u8; 4] = [0x04, 0x88, 0xad, 0xe4];
const XPUB_VERSION: [u8; 4] = [0x04, 0x88, 0xb2, 0x1e];
/// Added to an index to make it a hardened one (BIP32).
const HARDENED: u32 = 1 << 31;

fn detect(value: &Value) -> Claim {
    // An extended key whose root is missing must fail, not pass for another kind of vector.
    let is_one = |value: &Value| names_root(value) || has_any(value, &["xprv", "xpub"]);
    let is_known = match value {
        Value::Array(items) => items.iter().any(is_one),
        other => is_one(other),
    };
    if is_known { Claim::Whole } else { Claim::Nothing }
}

/// Tells whether a vector names the root of its keys itself.
fn names_root(value: &Value) -> bool {
    let keys = ["path", "xprv", "xpub", "wif", "secret_hex", "pubkey", "mainnet_address"];
    let has_both = has_any(value, &["mnemonic"]) && has_any(value, &["seed_hex"]);
    has_both || (has_any(value, &["mnemonic", "seed_hex"]) && has_any(value, &keys))
}

fn check(value: &Value, report: &mut Report) {
    let Some(items) = value.as_array() else {
        return report.case("", |case| check_one(value, value, case));
    };
    let mut root = value;
    for (index, item) in items.iter().enumerate() {
        if has_any(item, &["mnemonic", "seed_hex"]) {
            root = item;
        }
        report.case(&format!("[{index}]"), |case| check_one(item, root, case));
    }
}

fn check_one(vector: &Value, root: &Value, case: &mut Case) {
    case.demand(root, &["mnemonic", "passphrase"], TEXT);
    case.demand(vector, &["path"], TEXT);
    let Some(seed) = seed(root, case) else { return };
    case.hex(vector, "seed_hex", &seed);
    let key = master(&seed).and_then(|master| derive(master, text(vector, "path").unwrap_or("m")));
    let key = match key {
        Ok(key) => key,
        Err(error) => return case.fail(error),
    };
    case.text(vector, "xprv", &key.to_xprv());
    case.text(vector, "xpub", &key.to_xpub());
    let as_wif = Wif::new(key.secret.to_secret_bytes(), true);
    case.text(vector, "wif", &as_wif.reveal_text(&AddressFormat::MAINNET));
    wif::check_key(vector, &as_wif, case);
}

fn seed(root: &Value, case: &mut Case) -> Option<Vec<u8>> {
    let Some(words) = text(root, "mnemonic") else { return case.bytes(root, "seed_hex") };
    match Mnemonic::parse(words) {
        Ok(mnemonic) => {
            let passphrase = Cow::from(text(root, "passphrase").unwrap_or_default());
            Some(mnemonic.to_seed(passphrase).to_vec())
        }
        Err(error) => {
            case.fail(format!("mnemonic: {error}"));
            None
        }
    }
}

/// An extended private key (BIP32).
struct Extended {
    secret: SecretKey,
    chain_code: [u8; 32],
    depth: u8,
    parent_fingerprint: [u8; 4],
    index: u32,
}

fn hmac_sha512(key: &[u8], parts: &[&[u8]]) -> ([u8; 32], [u8; 32]) {
    let mut engine = HmacEngine::<sha512::HashEngine>::new(key);
    for part in parts {
        engine.input(part);
    }
    let digest = bitcoin_hashes::Hash::to_byte_array(engine.finalize());
    let (mut left, mut right) = ([0; 32], [0; 32]);
    left.copy_from_slice(&digest[..32]);
    right.copy_from_slice(&digest[32..]);
    (left, right)
}

fn master(seed: &[u8]) -> Result<Extended, String> {
    let (secret, chain_code) = hmac_sha512(b"Bitcoin seed", &[seed]);
    let secret = SecretKey::from_secret_bytes(secret).map_err(|error| error.to_string())?;
    Ok(Extended { secret, chain_code, depth: 0, parent_fingerprint: [0; 4], index: 0 })
}

fn derive(mut key: Extended, path: &str) -> Result<Extended, String> {
    let mut steps = path.split('/');
    if !matches!(steps.next(), Some("m" | "M")) {
        return Err(format!("path {path:?} does not start with m"));
    }
    for step in steps.filter(|step| !step.is_empty()) {
        let (digits, offset) = match step.strip_suffix(['\'', 'h', 'H']) {
            Some(digits) => (digits, HARDENED),
            None => (step, 0),
        };
        let index: u32 = digits.parse().map_err(|_| format!("path {path:?}: bad step {step:?}"))?;
        if index >= HARDENED {
            return Err(format!("path {path:?}: step {step:?} is too large"));
        }
        key = key.child(index + offset)?;
    }
    Ok(key)
}

impl Extended {
    fn public(&self) -> [u8; 33] {
        PublicKey::from_secret_key(&self.secret).serialize()
    }

    fn child(&self, index: u32) -> Result<Self, String> {
        let public = self.public();
        let number = index.to_be_bytes();
        let secret = self.secret.to_secret_bytes();
        let (tweak, chain_code) = if index >= HARDENED {
            hmac_sha512(&self.chain_code, &[&[0], &secret, &number])
        } else {
            hmac_sha512(&self.chain_code, &[&public, &number])
        };
        let tweak = Scalar::from_be_bytes(tweak).map_err(|error| error.to_string())?;
        let secret = self.secret.add_tweak(&tweak).map_err(|error| error.to_string())?;
        let [a, b, c, d, ..] = hash160(&public);
        Ok(Self {
            secret,
            chain_code,
            depth: self.depth.checked_add(1).ok_or("the path is too deep")?,
            parent_fingerprint: [a, b, c, d],
            index,
        })
    }

    fn to_xprv(&self) -> String {
        self.to_text(XPRV_VERSION, &[&[0], &self.secret.to_secret_bytes()[..]].concat())
    }

    fn to_xpub(&self) -> String {
        self.to_text(XPUB_VERSION, &self.public())
    }

    fn to_text(&self, version: [u8; 4], key: &[u8]) -> String {
        let index = self.index.to_be_bytes();
        let head = [&version[..], &[self.depth], &self.parent_fingerprint, &index].concat();
        let bytes = [&head, &self.chain_code[..], key].concat();
        Base58CkString::encode_unbounded(&bytes).as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{derive, master};

    /// BIP32, test vector 1.
    #[test]
    fn hardened_steps_follow_the_standard() {
        let seed = hex::decode("000102030405060708090a0b0c0d0e0f").unwrap();
        let key = derive(master(&seed).unwrap(), "m/0'").unwrap();
        assert_eq!(
            key.to_xprv(),
            "xprv9uHRZZhk6KAJC1avXpDAp4MDc3sQKNxDiPvvkX8Br5ngLNv1TxvUxt4cV1rGL5hj6KCesnDYUhd7oWgT11eZG7XnxHrnYeSvkzY7d2bhkJ7"
        );
        assert_eq!(
            key.to_xpub(),
            "xpub68Gmy5EdvgibQVfPdqkBBCHxA5htiqg55crXYuXoQRKfDBFA1WEjWgP6LHhwBZeNK1VTsfTFUHCdrfp1bgwQ9xv5ski8PX9rL2dZXvgGDnw"
        );
        assert!(derive(master(&seed).unwrap(), "m/x").is_err());
        assert!(derive(master(&seed).unwrap(), "0/1").is_err());
    }
}
