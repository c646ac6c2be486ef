//! Scripts: pattern, its parts, addresses, and the builder that makes the same bytes again.

use mvs_primitives::address::Address;
use mvs_primitives::encode::{Decode, Encode};
use mvs_primitives::script::{Pattern, Script, parse_script_number};
use serde_json::Value;

use super::fields::{TEXT, has_any, text};
use super::network::{ALL, formats, text_like};
use super::report::{Case, Report};
use super::{Claim, Kind};

pub(super) const KIND: Kind = Kind { name: "script", detect, check };

/// Bit of a relative lock that makes it a time (chain.md 4.4).
const TIME_BIT: u32 = 0x0040_0000;
/// Bits of a relative lock that hold its length (chain.md 4.4).
const LENGTH_MASK: u32 = 0x000f_ffff;

fn detect(value: &Value) -> Claim {
    if has_any(value, &["script_hex"]) { Claim::Whole } else { Claim::Nothing }
}

fn check(vector: &Value, report: &mut Report) {
    report.case("", |case| {
        let texts = ["kind", "pattern", "address", "address_mainnet", "address_testnet", "network"];
        case.demand(vector, &texts, TEXT);
        let Some(bytes) = case.bytes(vector, "script_hex") else { return };
        let script = Script::from_bytes(bytes);
        let wire = script.to_bytes();
        case.that(Script::decode(&wire).as_ref() == Ok(&script), || {
            "the wire form does not give the same script".to_owned()
        });
        let pattern = script.pattern();
        for key in ["kind", "pattern"] {
            // A remark may follow the name: "non_standard for the node: …".
            if let Some(wanted) = text(vector, key) {
                let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
                let name = wanted.split(|c| !is_part(c)).next().unwrap_or_default();
                case.equal(key, name, pattern.kind().name());
            }
        }
        check_addresses(vector, script.address(), case);
        check_parts(vector, &pattern, case);
        if let Some(rebuilt) = rebuild(&pattern) {
            case.equal(
                "built again from its parts",
                &hex::encode(script.as_bytes()),
                &hex::encode(rebuilt.as_bytes()),
            );
        }
    });
}

fn check_addresses(vector: &Value, address: Option<Address>, case: &mut Case) {
    let [main, test] = ALL;
    for (key, formats) in [
        ("address", formats(vector)),
        ("address_mainnet", vec![main]),
        ("address_testnet", vec![test]),
    ] {
        if let Some(wanted) = text(vector, key) {
            let found = address.map(|address| text_like(&address, &formats, wanted));
            case.equal(key, wanted, &found.unwrap_or_default());
        }
    }
}

fn check_parts(vector: &Value, pattern: &Pattern<'_>, case: &mut Case) {
    let mut missing = vec!["lock_height", "sequence", "model_param", "input_point_hex", "hash160"];
    let mut has = |key: &str| missing.retain(|other| *other != key);
    match pattern {
        Pattern::PayKeyHash(hash) | Pattern::PayScriptHash(hash) => {
            has("hash160");
            case.hex(vector, "hash160", *hash);
        }
        Pattern::PayKeyHashWithLockHeight { lock_height, key_hash } => {
            has("hash160");
            has("lock_height");
            case.hex(vector, "hash160", *key_hash);
            case.number(vector, "lock_height", lock(lock_height).unwrap_or_default());
        }
        Pattern::SignKeyHashWithLockHeight { lock_height, .. } => {
            has("lock_height");
            case.number(vector, "lock_height", lock(lock_height).unwrap_or_default());
        }
        Pattern::PayKeyHashWithSequenceLock { sequence, key_hash } => {
            has("hash160");
            has("sequence");
            case.hex(vector, "hash160", *key_hash);
            let sequence = lock(sequence).unwrap_or_default();
            case.number(vector, "sequence", sequence);
            let length = sequence & LENGTH_MASK;
            let is_time = sequence & TIME_BIT != 0;
            if has_any(vector, &["effective_blocks"]) {
                case.that(!is_time, || "effective_blocks of a lock by time".to_owned());
                case.number(vector, "effective_blocks", length);
            }
            if has_any(vector, &["effective_seconds"]) {
                case.that(is_time, || "effective_seconds of a lock by height".to_owned());
                case.number(vector, "effective_seconds", u64::from(length) << 5);
            }
        }
        Pattern::PayKeyHashWithAttenuationModel { model, point, key_hash } => {
            has("hash160");
            has("model_param");
            has("input_point_hex");
            case.hex(vector, "hash160", *key_hash);
            case.text(vector, "model_param", &String::from_utf8_lossy(model));
            case.hex(vector, "input_point_hex", point);
        }
        Pattern::PayMultisig { required, keys } => {
            case.number(vector, "required", *required);
            let listed = case.list(vector, "keys", keys.len());
            for (expected, key) in listed.iter().zip(keys) {
                let expected = expected.as_str().unwrap_or_default();
                case.equal("keys", &expected.to_ascii_lowercase(), &hex::encode(key));
            }
        }
        _ => {}
    }
    if let Some(key) = missing.iter().find(|key| has_any(vector, &[key])) {
        case.fail(format!("{key}: a {} script has no such part", pattern.kind().name()));
    }
}

/// Reads the number of a lock, if it is in its shortest form and not negative.
fn lock(bytes: &[u8]) -> Option<u32> {
    parse_script_number(bytes, 5, true).ok().and_then(|number| u32::try_from(number).ok())
}

/// Builds the script again; `None` where the builders make another, equally good form.
fn rebuild(pattern: &Pattern<'_>) -> Option<Script> {
    Some(match pattern {
        Pattern::PayKeyHash(hash) => Script::pay_key_hash(hash),
        Pattern::PayScriptHash(hash) => Script::pay_script_hash(hash),
        Pattern::PayPublicKey(key) => Script::pay_public_key(key),
        Pattern::PayMultisig { required, keys } => Script::pay_multisig(*required, keys)?,
        Pattern::NullData(data) => Script::null_data(data)?,
        Pattern::PayBlackholeAddress => Script::pay_blackhole(),
        Pattern::PayKeyHashWithLockHeight { lock_height, key_hash } => {
            Script::pay_key_hash_with_lock_height(lock(lock_height)?, key_hash)
        }
        Pattern::PayKeyHashWithSequenceLock { sequence, key_hash } => {
            Script::pay_key_hash_with_sequence_lock(lock(sequence)?, key_hash)
        }
        Pattern::PayKeyHashWithAttenuationModel { model, point, key_hash } => {
            Script::pay_key_hash_with_attenuation(model, (*point).try_into().ok()?, key_hash)
        }
        _ => return None,
    })
}
