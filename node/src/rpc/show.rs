//! Chain data as the API's types. It follows the views of `mvs_primitives::json`, which a test compares
//! it with.

use mvs_primitives::address::AddressFormat;
use mvs_primitives::attachment::{self, DidStatus};
use mvs_primitives::block::{Block, BlockProof};
use mvs_primitives::encode::Encode;
use mvs_primitives::hash::TxId;
use mvs_primitives::header;
use mvs_primitives::input;
use mvs_primitives::output;
use mvs_primitives::script;
use mvs_primitives::text::Symbol;
use mvs_primitives::transaction;
use mvs_rpc_api::types::transaction::{
    AssetRecord, Attachment, Input, Output, Payload, Script, Transaction,
};
use mvs_rpc_api::types::{AmountForm, ChainText, Quantity};

use crate::chain::events::TipView;

/// A text from the chain.
pub(super) fn text(bytes: impl AsRef<[u8]>) -> ChainText {
    let bytes = bytes.as_ref();
    match std::str::from_utf8(bytes) {
        Ok(text) => ChainText::Text(text.to_owned()),
        Err(_) => ChainText::Bytes { hex: hex::encode(bytes) },
    }
}

/// Bytes of something on the wire, as a number that fits: blocks are far below 2^32 bytes.
pub(super) fn size(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Returns the decimals of an asset, as far as the chain knows it.
pub(super) fn decimals_of(view: &TipView, symbol: &ChainText) -> u8 {
    let ChainText::Text(text) = symbol else { return 0 };
    let Ok(symbol) = Symbol::new(text) else { return 0 };
    let assets = view.snapshot.registry().assets();
    assets.last(&symbol).map_or(0, |asset| asset.detail.decimal_number)
}

/// Writes quantities as they are asked for.
pub(super) fn in_form<T>(
    shown: T,
    view: &TipView,
    form: Option<AmountForm>,
    into_decimal: impl FnOnce(T, &dyn Fn(&ChainText) -> u8) -> T,
) -> T {
    match form {
        Some(AmountForm::Decimal) => into_decimal(shown, &|symbol| decimals_of(view, symbol)),
        Some(AmountForm::Units) | None => shown,
    }
}

fn script(script: &script::Script, format: &AddressFormat) -> Script {
    let pattern = script.pattern();
    Script {
        hex: hex::encode(script.as_bytes()),
        text: script.to_string(),
        pattern: pattern.kind().name().to_owned(),
        address: pattern.address().map(|address| address.to_text(format)),
    }
}

fn input(input: &input::Input, format: &AddressFormat) -> Input {
    let sequence = input.sequence;
    if input.previous.is_null() {
        let coinbase = Some(hex::encode(input.script.as_bytes()));
        return Input { txid: None, index: None, coinbase, script: None, sequence };
    }
    Input {
        txid: Some(input.previous.txid.to_string()),
        index: Some(input.previous.index),
        coinbase: None,
        script: Some(script(&input.script, format)),
        sequence,
    }
}

pub(super) fn output(output: &output::Output, format: &AddressFormat) -> Output {
    Output {
        value: Quantity::Units(output.value.units()),
        script: script(&output.script, format),
        attachment: attachment(&output.attachment),
    }
}

fn attachment(attachment: &attachment::Attachment) -> Attachment {
    let binding = attachment.version.binding();
    Attachment {
        version: attachment.version.number(),
        to_did: binding.map(|binding| text(&binding.to_did)),
        from_did: binding.map(|binding| text(&binding.from_did)),
        payload: payload(attachment),
    }
}

fn payload(attachment: &attachment::Attachment) -> Payload {
    match &attachment.payload {
        attachment::Payload::Etp => Payload::Etp,
        attachment::Payload::EtpAward { height } => Payload::EtpAward { height: *height },
        attachment::Payload::AssetDetail(detail) => {
            let record = AssetRecord {
                symbol: text(&detail.symbol),
                maximum_supply: Quantity::Units(detail.maximum_supply.units()),
                decimal_number: detail.decimal_number,
                secondaryissue_threshold: detail.threshold.percent(),
                issuer: text(&detail.issuer),
                address: text(&detail.address),
                description: text(detail.description.as_bytes()),
            };
            if detail.threshold.is_secondary() {
                Payload::AssetSecondaryissue(record)
            } else {
                Payload::AssetIssue(record)
            }
        }
        attachment::Payload::AssetTransfer(transfer) => Payload::AssetTransfer {
            symbol: text(&transfer.symbol),
            quantity: Quantity::Units(transfer.quantity.units()),
        },
        attachment::Payload::Message(content) => {
            Payload::Message { content: text(content.as_bytes()) }
        }
        attachment::Payload::Did(did) => {
            let (symbol, address) = (text(&did.symbol), text(&did.address));
            match did.status {
                DidStatus::Register => Payload::DidRegister { symbol, address },
                DidStatus::Transfer => Payload::DidTransfer { symbol, address },
            }
        }
        attachment::Payload::Cert(cert) => Payload::AssetCert {
            symbol: text(&cert.symbol),
            owner: text(&cert.owner),
            address: text(&cert.address),
            cert_type: cert.cert_type().number(),
            cert: cert.cert_type().name().to_owned(),
            status: cert.status.byte(),
            content: cert.content().map(|content| text(content.as_bytes())),
        },
        attachment::Payload::Mit(mit) => Payload::Mit {
            symbol: text(&mit.symbol),
            address: text(&mit.address),
            status: mit.status.byte(),
            content: mit.content().map(|content| text(content.as_bytes())),
        },
        // Unknown ones, and kinds that come later.
        _ => Payload::Unknown { number: attachment.type_number() },
    }
}

/// A transaction whose id is known.
pub(super) fn transaction(
    transaction: &transaction::Transaction,
    txid: &TxId,
    format: &AddressFormat,
) -> Transaction {
    Transaction {
        txid: txid.to_string(),
        version: transaction.version,
        size: size(transaction.encoded_len()),
        inputs: transaction.inputs.iter().map(|one| input(one, format)).collect(),
        outputs: transaction.outputs.iter().map(|one| output(one, format)).collect(),
        locktime: transaction.locktime,
    }
}

/// Signature of a block, and the public key that it is checked with. A stake block shows its key where
/// the coinstake spends the stake (chain.md 8.1.6).
pub(super) fn proof(block: &Block) -> (Option<String>, Option<String>) {
    match &block.proof {
        BlockProof::None => (None, None),
        BlockProof::Stake(signature) => {
            (Some(hex::encode(signature.as_bytes())), stake_key(block).map(hex::encode))
        }
        BlockProof::Delegate(signature, key) => {
            (Some(hex::encode(signature.as_bytes())), Some(hex::encode(key)))
        }
    }
}

/// The last push of the coinstake's first input.
fn stake_key(block: &Block) -> Option<&[u8]> {
    let staked = block.transactions.get(1)?.inputs.first()?;
    let last = staked.script.instructions().last()?.ok()?;
    Some(last.data())
}

/// The nonce as miners write it.
pub(super) fn nonce(header: &header::Header) -> String {
    format!("{:016x}", header.nonce)
}

#[cfg(test)]
mod tests {
    use mvs_primitives::address::AddressFormat;
    use mvs_primitives::attachment::{Attachment, Payload};
    use mvs_primitives::json::TransactionJson;
    use mvs_primitives::output::Output;
    use mvs_primitives::script::Script;
    use mvs_primitives::text::Text;
    use mvs_primitives::transaction::Transaction;
    use serde_json::Value;

    fn without_nulls(value: Value) -> Value {
        match value {
            Value::Object(members) => Value::Object(
                members
                    .into_iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(key, value)| (key, without_nulls(value)))
                    .collect(),
            ),
            Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
            other => other,
        }
    }

    #[test]
    fn it_looks_like_the_view_of_the_primitives() {
        let params = mvs_consensus::params::Params::builtin("mainnet").unwrap();
        let format: &AddressFormat = &params.addresses;
        let mut all = params.genesis.transactions.clone();
        let message = Payload::Message(Text::new([0xff, 0x41]).unwrap());
        all.push(Transaction {
            version: 1,
            inputs: Vec::new(),
            outputs: vec![Output {
                attachment: Attachment::new(message),
                ..Output::etp(mvs_primitives::amount::Amount::ZERO, Script::pay_key_hash(&[7; 20]))
            }],
            locktime: 5,
        });
        for transaction in all {
            let shown = super::transaction(&transaction, &transaction.txid(), format);
            let expected =
                serde_json::to_value(TransactionJson::new(&transaction, format)).unwrap();
            assert_eq!(serde_json::to_value(shown).unwrap(), without_nulls(expected));
        }
    }
}
