//! Addresses: text, parts and script both ways, and texts that are none.

use mvs_primitives::address::{Address, AddressFormat};
use mvs_primitives::script::Script;
use serde_json::Value;

use super::fields::{LIST, TEXT, get, has_any, text};
use super::network::{ALL, formats};
use super::report::{Case, Report};
use super::{Claim, Kind};

pub(super) const KIND: Kind = Kind { name: "address", detect, check };

fn detect(value: &Value) -> Claim {
    if !has_any(value, &["address"]) {
        return match (is_address_list(value, "valid"), is_address_list(value, "invalid")) {
            (true, true) => Claim::Members(&["valid", "invalid"]),
            (true, false) => Claim::Members(&["valid"]),
            (false, true) => Claim::Members(&["invalid"]),
            (false, false) => Claim::Nothing,
        };
    }
    let is_whole = has_any(value, &["hash160", "reason"])
        || (has_any(value, &["version"]) && text(value, "kind").is_some());
    if is_whole { Claim::Whole } else { Claim::Nothing }
}

fn is_address_list(value: &Value, key: &str) -> bool {
    let list = get(value, key).and_then(Value::as_array);
    list.into_iter().flatten().any(|item| item.is_string() || has_any(item, &["address"]))
}

fn check(value: &Value, report: &mut Report) {
    if has_any(value, &["address"]) {
        let refused = has_any(value, &["reason"]) && !has_any(value, &["hash160"]);
        return report.case("", |case| check_one(value, !refused, case));
    }
    for (key, is_valid) in [("valid", true), ("invalid", false)] {
        if get(value, key).is_some_and(|list| !list.is_array()) {
            report.case(&format!(".{key}"), |case| case.demand(value, &[key], LIST));
        }
        if !is_address_list(value, key) {
            continue;
        }
        for (index, vector) in
            get(value, key).and_then(Value::as_array).into_iter().flatten().enumerate()
        {
            report.case(&format!(".{key}[{index}]"), |case| check_one(vector, is_valid, case));
        }
    }
}

fn check_one(vector: &Value, is_valid: bool, case: &mut Case) {
    let Some(shown) = vector.as_str().or_else(|| text(vector, "address")) else {
        return case.fail("no address text in it");
    };
    case.demand(vector, &["network"], TEXT);
    let formats = formats(vector);
    if is_valid {
        for format in &formats {
            check_valid(vector, shown, format, case);
        }
    } else {
        for format in &formats {
            let parsed = Address::parse(shown, format);
            case.that(parsed.is_err(), || format!("must be refused, but reads as {parsed:?}"));
        }
    }
}

fn check_valid(vector: &Value, shown: &str, format: &AddressFormat, case: &mut Case) {
    // An address whose network the vector does not name need not be one of both networks.
    let is_named = text(vector, "network").is_some_and(|network| network != "any");
    let address = match Address::parse(shown, format) {
        Ok(address) => address,
        Err(_) if !is_named && ALL.iter().any(|other| Address::parse(shown, other).is_ok()) => {
            return;
        }
        Err(error) => return case.fail(format!("{shown} is refused: {error} [{}]", error.code())),
    };
    case.equal("text again", shown, &address.to_text(format));
    let (kind, version, hash) = match address {
        Address::KeyHash(hash) => ("p2pkh", format.p2pkh, hash),
        Address::ScriptHash(hash) => ("p2sh", format.p2sh, hash),
        Address::Blackhole => ("blackhole", 0, [0; 20]),
    };
    case.text(vector, "kind", kind);
    case.number(vector, "version", version);
    case.hex(vector, "hash160", &hash);
    let script = match address {
        Address::KeyHash(hash) => Script::pay_key_hash(&hash),
        Address::ScriptHash(hash) => Script::pay_script_hash(&hash),
        Address::Blackhole => Script::pay_blackhole(),
    };
    case.hex(vector, "script", script.as_bytes());
    case.equal("address of the script", shown, &script.address_text(format).to_string());
    // A key hash address belongs to one network only.
    if matches!(address, Address::KeyHash(_)) {
        for other in ALL.iter().filter(|other| other.p2pkh != format.p2pkh) {
            case.that(Address::parse(shown, other).is_err(), || {
                "the other network takes it too".to_owned()
            });
        }
    }
}
