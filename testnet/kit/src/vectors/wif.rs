//! Private keys in WIF, with the public key and the addresses that follow.

use mvs_primitives::address::Address;
use mvs_primitives::hash::hash160;
use mvs_primitives::wif::Wif;
use secp256k1::{PublicKey, SecretKey};
use serde_json::Value;

use super::fields::{TEXT, TRUTH, get, has_any, text};
use super::network::{ALL, formats};
use super::report::{Case, Report};
use super::{Claim, Kind};

pub(super) const KIND: Kind = Kind { name: "wif", detect, check };

fn detect(value: &Value) -> Claim {
    // A derived key (see `hd`) may give its WIF among other things.
    if text(value, "wif").is_some() && !has_any(value, &["mnemonic", "seed_hex"]) {
        Claim::Whole
    } else {
        Claim::Nothing
    }
}

fn check(vector: &Value, report: &mut Report) {
    report.case("", |case| {
        case.demand(vector, &["network"], TEXT);
        case.demand(vector, &["valid"], TRUTH);
        let shown = text(vector, "wif").unwrap_or_default();
        let is_valid = get(vector, "valid").and_then(Value::as_bool);
        let refused = is_valid == Some(false)
            || (has_any(vector, &["reason"]) && !has_any(vector, &["secret_hex"]));
        for format in formats(vector) {
            match Wif::parse(shown, &format) {
                Ok(_) if refused => case.fail("must be refused, but reads as a key"),
                Ok(key) => {
                    case.equal("text again", shown, &key.reveal_text(&format));
                    check_key(vector, &key, case);
                }
                Err(error) => case.that(refused, || format!("refused: {error} [{}]", error.code())),
            }
        }
    });
}

/// Checks everything that a vector says of a private key.
pub(super) fn check_key(vector: &Value, key: &Wif, case: &mut Case) {
    case.hex(vector, "secret_hex", key.reveal_secret());
    case.demand(vector, &["compressed"], TRUTH);
    if let Some(compressed) = get(vector, "compressed").and_then(Value::as_bool) {
        case.that(compressed == key.is_compressed(), || "compressed: found the other".to_owned());
    }
    let public = match SecretKey::from_secret_bytes(*key.reveal_secret()) {
        Ok(secret) => PublicKey::from_secret_key(&secret),
        Err(error) => return case.fail(format!("no private key: {error}")),
    };
    let public = if key.is_compressed() {
        public.serialize().to_vec()
    } else {
        public.serialize_uncompressed().to_vec()
    };
    case.hex(vector, "pubkey", &public);
    let address = Address::KeyHash(hash160(&public));
    let [main, test] = ALL;
    case.text(vector, "mainnet_address", &address.to_text(&main));
    case.text(vector, "testnet_address", &address.to_text(&test));
}
