//! Transactions: bytes, id, every field, and the signatures of the inputs.

use mvs_primitives::encode::Decoder;
use mvs_primitives::hash::hash160;
use mvs_primitives::script::{Pattern, Script};
use mvs_primitives::sighash::{SighashType, signature_hash};
use mvs_primitives::transaction::Transaction;
use serde_json::Value;

use super::fields::{LIST, NUMBER, OBJECT, TRUTH, get, has_any, to_number};
use super::report::{Case, Report};
use super::{Claim, Kind, attachment, signature};

pub(super) const KIND: Kind = Kind { name: "transaction", detect, check };

fn detect(value: &Value) -> Claim {
    let is_known = has_any(value, &["txid", "decoded", "signature_checks"]);
    // With a verdict it is a transaction to be judged on a chain, perhaps in a broken form.
    let is_judged = has_any(value, &["accepted"]);
    if is_known && !is_judged && has_any(value, &["raw_hex"]) {
        Claim::Whole
    } else {
        Claim::Nothing
    }
}

fn check(vector: &Value, report: &mut Report) {
    report.case("", |case| {
        case.demand(vector, &["decoded"], OBJECT);
        case.demand(vector, &["signature_checks"], LIST);
        let Some(transaction) = case.decoded::<Transaction>(vector, "raw_hex") else { return };
        check_id(vector, &transaction, case);
        if let Some(decoded) = get(vector, "decoded") {
            check_decoded(decoded, &transaction, case);
        }
        let checks = get(vector, "signature_checks").and_then(Value::as_array);
        for check in checks.into_iter().flatten() {
            check_signature(check, &transaction, case);
        }
    });
}

fn check_id(vector: &Value, transaction: &Transaction, case: &mut Case) {
    case.digits(vector, "txid", transaction.txid());
    case.digits(vector, "expected_txid_in_source", transaction.txid());
    // The other way to an id: in one pass with decoding.
    let Some(bytes) = case.bytes(vector, "raw_hex") else { return };
    let with_id = Decoder::new(&bytes, bytes.len())
        .and_then(|mut decoder| Transaction::decode_with_id(&mut decoder));
    case.that(with_id.is_ok_and(|(_, id)| id == transaction.txid()), || {
        "decode_with_id gives another id".to_owned()
    });
}

fn check_decoded(decoded: &Value, transaction: &Transaction, case: &mut Case) {
    case.number(decoded, "version", transaction.version);
    case.number(decoded, "locktime", transaction.locktime);
    let inputs = case.list(decoded, "inputs", transaction.inputs.len());
    case.demand_objects("inputs", inputs);
    for (expected, input) in inputs.iter().zip(&transaction.inputs) {
        case.digits(expected, "prev_hash", input.previous.txid);
        case.number(expected, "prev_index", input.previous.index);
        case.hex(expected, "script", input.script.as_bytes());
        case.number(expected, "sequence", input.sequence);
    }
    let outputs = case.list(decoded, "outputs", transaction.outputs.len());
    case.demand_objects("outputs", outputs);
    for (expected, output) in outputs.iter().zip(&transaction.outputs) {
        case.number(expected, "value", output.value.units());
        case.hex(expected, "script", output.script.as_bytes());
        case.demand(expected, &["attachment"], OBJECT);
        if let Some(fields) = get(expected, "attachment") {
            attachment::check_decoded(fields, &output.attachment, case);
        }
    }
}

fn check_signature(check: &Value, transaction: &Transaction, case: &mut Case) {
    case.demand(check, &["valid"], TRUTH);
    case.demand(check, &["sighash_type"], NUMBER);
    let index = get(check, "input").and_then(to_number).and_then(|n| usize::try_from(n).ok());
    let signature = case.bytes(check, "signature_der_with_type");
    let own_type = signature.as_ref().and_then(|signature| signature.last().copied());
    let given_type =
        get(check, "sighash_type").and_then(to_number).and_then(|n| u8::try_from(n).ok());
    let (Some(index), Some(code), Some(sighash_type)) =
        (index, case.bytes(check, "script_code"), given_type.or(own_type))
    else {
        return case.fail(format!("a signature check without input, script code or type: {check}"));
    };
    let digest = signature_hash(transaction, index, &code, SighashType::from_byte(sighash_type));
    case.hex(check, "sighash", &digest);

    let (Some(signature), Some(key)) = (signature, case.bytes(check, "pubkey")) else { return };
    let Some((own_type, der)) = signature.split_last() else {
        return case.fail("an empty signature");
    };
    case.that(*own_type == sighash_type, || {
        format!("sighash_type: expected {sighash_type}, the signature says {own_type}")
    });
    let verdict = signature::verify_der(&key, digest, der);
    let expected = get(check, "valid").and_then(Value::as_bool).unwrap_or(true);
    case.that(verdict.is_ok() == expected, || {
        format!("signature of input {index}: expected valid = {expected}, found {verdict:?}")
    });
    if expected {
        check_key(&code, &key, case);
    }
}

/// A valid signature's key must be one that the script asks for.
fn check_key(code: &[u8], key: &[u8], case: &mut Case) {
    let script = Script::from_bytes(code);
    let asked = match script.pattern() {
        Pattern::PayKeyHash(hash)
        | Pattern::PayKeyHashWithLockHeight { key_hash: hash, .. }
        | Pattern::PayKeyHashWithSequenceLock { key_hash: hash, .. }
        | Pattern::PayKeyHashWithAttenuationModel { key_hash: hash, .. } => *hash == hash160(key),
        Pattern::PayPublicKey(asked) => asked == key,
        Pattern::PayMultisig { keys, .. } => keys.contains(&key),
        _ => return,
    };
    case.that(asked, || "the script code does not ask for this key".to_owned());
}
