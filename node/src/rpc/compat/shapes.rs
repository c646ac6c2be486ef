//! How chain data looks (rpc.md 3).

use ethnum::U256;
use mvs_consensus::attachment::attenuation::AttenuationModel;
use mvs_primitives::address::AddressFormat;
use mvs_primitives::attachment::{
    AssetDetail, Attachment, Cert, CertType, DidStatus, Mit, Payload,
};
use mvs_primitives::encode::Encode;
use mvs_primitives::hash::{BlockHash, TxId};
use mvs_primitives::header::Header;
use mvs_primitives::input::Input;
use mvs_primitives::output::Output;
use mvs_primitives::script::{Instruction, Instructions, Pattern, parse_script_number};
use mvs_primitives::transaction::Transaction;
use serde_json::{Map, Value, json};

use super::Version;

/// A text of the chain. Bytes that are no UTF-8 become the replacement character.
pub(super) fn text(bytes: impl AsRef<[u8]>) -> Value {
    Value::String(String::from_utf8_lossy(bytes.as_ref()).into_owned())
}

/// A header (rpc.md 3.1).
pub(super) fn header(
    version: Version,
    header: &Header,
    hash: &BlockHash,
    transactions: u64,
) -> Map<String, Value> {
    let mix = U256::from_be_bytes(*header.mix_hash.as_bytes());
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
    put("bits", json!(header.bits.to_string()));
    put("hash", json!(hash.to_string()));
    put("merkle_tree_hash", json!(header.merkle.to_string()));
    put("mixhash", json!(mix.to_string()));
    put("nonce", json!(header.nonce.to_string()));
    put("number", json!(header.number.value()));
    put("previous_block_hash", json!(header.previous.to_string()));
    put(version.key("time_stamp", "timestamp"), json!(header.timestamp.unix_secs()));
    put("transaction_count", json!(transactions));
    put("version", json!(header.version.number()));
    out
}

/// Raw bytes of a transaction or block inside a list or under its name (rpc.md 3.9).
pub(super) fn raw(version: Version, bytes: &[u8]) -> Value {
    version.wrap("raw", json!(hex::encode(bytes)))
}

/// A transaction, in words or raw.
pub(super) fn transaction_or_raw(
    version: Version,
    tx: &Transaction,
    txid: &TxId,
    format: &AddressFormat,
    in_words: bool,
) -> Value {
    if in_words {
        Value::Object(transaction(tx, txid, format))
    } else {
        raw(version, &tx.to_bytes())
    }
}

/// A transaction (rpc.md 3.2); the same in versions 2 and 3.
pub(super) fn transaction(
    tx: &Transaction,
    txid: &TxId,
    format: &AddressFormat,
) -> Map<String, Value> {
    let inputs: Vec<Value> = tx.inputs.iter().map(|item| input(item, format)).collect();
    let outputs: Vec<Value> =
        tx.outputs.iter().enumerate().map(|(index, item)| output(index, item, format)).collect();
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
    put("hash", json!(txid.to_string()));
    put("inputs", Value::Array(inputs));
    // QUIRK: texts, also where everything around them is numbers.
    put("lock_time", json!(tx.locktime.to_string()));
    put("outputs", Value::Array(outputs));
    put("version", json!(tx.version.to_string()));
    out
}

fn input(input: &Input, format: &AddressFormat) -> Value {
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
    if !input.previous.is_null()
        && let Some(address) = Pattern::of(input.script.as_bytes()).address()
    {
        put("address", json!(address.to_text(format)));
    }
    let previous =
        json!({ "hash": input.previous.txid.to_string(), "index": input.previous.index });
    put("previous_output", previous);
    put("script", json!(script_text(input.script.as_bytes())));
    put("sequence", json!(input.sequence));
    Value::Object(out)
}

fn output(index: usize, output: &Output, format: &AddressFormat) -> Value {
    let pattern = Pattern::of(output.script.as_bytes());
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
    if let Some(address) = pattern.address() {
        put("address", json!(address.to_text(format)));
    }
    put("attachment", attachment(&output.attachment));
    if let Pattern::PayKeyHashWithAttenuationModel { model, .. } = &pattern
        && let Some(model) = attenuation(model)
    {
        put("attenuation_model_param", model);
    }
    put("index", json!(index));
    put("locked_height_range", json!(deposit_lock(&pattern).unwrap_or(0)));
    put("script", json!(script_text(output.script.as_bytes())));
    put("value", json!(output.value.units()));
    Value::Object(out)
}

/// Returns how many blocks a deposit is locked; `None` for other outputs.
pub(super) fn deposit_lock(pattern: &Pattern<'_>) -> Option<u32> {
    let Pattern::PayKeyHashWithLockHeight { lock_height, .. } = pattern else { return None };
    u32::try_from(parse_script_number(lock_height, 4, false).ok()?).ok()
}

/// A script in words: `dup hash160 [ … ] equalverify checksig`. A script that ends inside a push is
/// shown as one piece of data.
pub(super) fn script_text(script: &[u8]) -> String {
    let mut words: Vec<String> = Vec::new();
    for instruction in Instructions::new(script) {
        words.push(match instruction {
            Ok(Instruction::Push { data: [], opcode }) => opcode.to_string(),
            Ok(Instruction::Push { data, .. }) => format!("[ {} ]", hex::encode(data)),
            Ok(Instruction::Op(opcode)) => opcode.to_string(),
            Err(_) => return format!("[ {} ]", hex::encode(script)),
        });
    }
    words.join(" ")
}

/// What an output carries (rpc.md 3.4).
fn attachment(attachment: &Attachment) -> Value {
    let mut out = match &attachment.payload {
        Payload::Etp => typed("etp"),
        Payload::EtpAward { .. } => typed("etp-award"),
        Payload::AssetDetail(detail) => {
            let mut out = asset_detail(detail);
            let quantity = out.remove("maximum_supply").unwrap_or_default();
            out.insert("quantity".to_owned(), quantity);
            with_type(out, "asset-issue")
        }
        Payload::AssetTransfer(transfer) => {
            let mut out = typed("asset-transfer");
            out.insert("quantity".to_owned(), json!(transfer.quantity.units()));
            out.insert("symbol".to_owned(), text(&transfer.symbol));
            out
        }
        Payload::Message(content) => {
            let mut out = typed("message");
            out.insert("content".to_owned(), text(content));
            out
        }
        Payload::Did(did) => {
            let mut out = typed(match did.status {
                DidStatus::Register => "did-register",
                DidStatus::Transfer => "did-transfer",
            });
            out.insert("address".to_owned(), text(&did.address));
            out.insert("symbol".to_owned(), text(&did.symbol));
            out
        }
        Payload::Cert(cert) => with_type(cert_row(cert), "asset-cert"),
        Payload::Mit(mit) => mit_attachment(mit),
        _ if *attachment == Attachment::NULL => typed("coinstake"),
        _ => typed("unknown"),
    };
    if let Some(binding) = attachment.version.binding() {
        out.insert("from_did".to_owned(), text(&binding.from_did));
        out.insert("to_did".to_owned(), text(&binding.to_did));
    }
    Value::Object(out)
}

fn typed(name: &str) -> Map<String, Value> {
    with_type(Map::new(), name)
}

fn with_type(mut out: Map<String, Value>, name: &str) -> Map<String, Value> {
    out.insert("type".to_owned(), json!(name));
    out
}

fn mit_attachment(mit: &Mit) -> Map<String, Value> {
    let mut out = typed("mit");
    let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
    put("address", text(&mit.address));
    if let Some(content) = mit.content() {
        put("content", text(content));
    }
    put("status", json!(mit_status(mit.status.byte())));
    put("symbol", text(&mit.symbol));
    out
}

/// The word for an item's status byte, as the first node spells it.
pub(super) const fn mit_status(byte: u8) -> &'static str {
    match byte {
        1 => "registered",
        2 => "transfered",
        _ => "none",
    }
}

/// An issue record (rpc.md 3.5), without `status`.
pub(super) fn asset_detail(detail: &AssetDetail) -> Map<String, Value> {
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
    put("address", text(&detail.address));
    put("decimal_number", json!(detail.decimal_number));
    put("description", text(&detail.description));
    put("is_secondaryissue", json!(detail.threshold.is_secondary()));
    put("issuer", text(&detail.issuer));
    put("maximum_supply", json!(detail.maximum_supply.units()));
    // Recorded answers show it without the mark of a secondary issue.
    put("secondaryissue_threshold", json!(detail.threshold.percent()));
    put("symbol", text(&detail.symbol));
    out
}

/// A certificate (rpc.md 3.5).
pub(super) fn cert_row(cert: &Cert) -> Map<String, Value> {
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
    put("address", text(&cert.address));
    put("cert", json!(cert_name(cert.cert_type())));
    if let Some(content) = cert.content() {
        put("content", text(content));
    }
    put("owner", text(&cert.owner));
    put("symbol", text(&cert.symbol));
    out
}

/// The name of a certificate's type, or its number in hex.
pub(super) fn cert_name(cert_type: CertType) -> String {
    match cert_type.name() {
        "custom" | "unknown" => format!("{:#x}", cert_type.number()),
        name => name.to_owned(),
    }
}

/// The parameters of a lock model (rpc.md 3.4); `None` when the text is no model.
pub(super) fn attenuation(model: &[u8]) -> Option<Value> {
    AttenuationModel::parse(model).ok()?;
    let pairs: Vec<(&[u8], &[u8])> = model.split(|byte| *byte == b';').filter_map(pair).collect();
    let values =
        |key: &[u8]| pairs.iter().find(|(found, _)| *found == key).map(|(_, value)| *value);
    let mut out = Map::new();
    let numbers: [(&[u8], &str); 7] = [
        (b"PN", "current_period_nbr"),
        (b"IR", "inflation_rate"),
        (b"LP", "lock_period"),
        (b"LQ", "lock_quantity"),
        (b"LH", "next_interval"),
        (b"UN", "total_period_nbr"),
        (b"TYPE", "type"),
    ];
    for (key, name) in numbers {
        if let Some(value) = values(key).and_then(leading_number) {
            // QUIRK: the type counts modulo 256.
            let value = if key == b"TYPE" { value % 256 } else { value };
            out.insert(name.to_owned(), json!(value));
        }
    }
    let list = |key: &[u8]| -> Option<Vec<u64>> {
        Some(values(key)?.split(|byte| *byte == b',').filter_map(leading_number).collect())
    };
    if let (Some(periods), Some(quantities)) = (list(b"UC"), list(b"UQ")) {
        let locked = periods.iter().zip(&quantities);
        let locked =
            locked.map(|(number, quantity)| json!({ "number": number, "quantity": quantity }));
        out.insert("locked".to_owned(), locked.collect());
    }
    Some(Value::Object(out))
}

/// Splits `KEY=value`; a run of `=` counts as one. Absent values are no pair.
fn pair(piece: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = piece.iter().position(|byte| *byte == b'=')?;
    let (key, rest) = piece.split_at_checked(at)?;
    let run = rest.iter().take_while(|byte| **byte == b'=').count();
    let value = rest.get(run..)?;
    (!value.is_empty()).then_some((key, value))
}

/// Reads the digits in front; what follows them means nothing.
fn leading_number(value: &[u8]) -> Option<u64> {
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(value.get(..digits)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{attenuation, script_text};

    #[test]
    fn scripts_in_words() {
        assert_eq!(script_text(&[]), "");
        assert_eq!(script_text(&[0x00, 0x51, 0x4f, 0x6a]), "zero 1 -1 return");
        assert_eq!(script_text(&[0x02, 0x5e, 0x0c]), "[ 5e0c ]");
        assert_eq!(script_text(&[0x6a, 0x05, 0x01]), "[ 6a0501 ]");
    }

    #[test]
    fn models_show_what_they_have() {
        let shown = attenuation(b"PN=0;LH=20;TYPE=257;LQ==15;LP=60x;UN=3").unwrap();
        let expected = json!({
            "current_period_nbr": 0, "next_interval": 20, "type": 1, "lock_quantity": 15,
            "lock_period": 60, "total_period_nbr": 3,
        });
        assert_eq!(shown, expected);
        assert_eq!(attenuation(b"PN=0"), None);
    }
}
