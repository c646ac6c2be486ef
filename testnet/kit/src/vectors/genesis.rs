//! Genesis blocks: a block vector that also describes its one transaction.

use mvs_primitives::block::Block;
use mvs_primitives::encode::Encode;
use mvs_primitives::transaction::Transaction;
use serde_json::Value;

use super::fields::{TEXT, has_any, text};
use super::network::{formats, text_like};
use super::report::{Case, Report};
use super::{Claim, Kind, block};

pub(super) const KIND: Kind = Kind { name: "genesis", detect, check };

const COINBASE_KEYS: &[&str] = &[
    "raw_coinbase_hex",
    "coinbase_txid",
    "coinbase_input_text",
    "coinbase_output_address",
    "coinbase_output_value",
];

fn detect(value: &Value) -> Claim {
    if has_any(value, COINBASE_KEYS) && has_any(value, &["raw_block_hex", "raw_header_hex"]) {
        Claim::Whole
    } else {
        Claim::Nothing
    }
}

fn check(vector: &Value, report: &mut Report) {
    report.case("", |case| {
        case.demand(vector, &["coinbase_output_address"], TEXT);
        let block = block::check_fields(vector, case);
        check_coinbase(vector, block.as_ref(), case);
    });
}

fn check_coinbase(vector: &Value, block: Option<&Block>, case: &mut Case) {
    let raw = case.decoded::<Transaction>(vector, "raw_coinbase_hex");
    let in_block = block.and_then(|block| block.transactions.first());
    if let (Some(raw), Some(in_block)) = (&raw, in_block) {
        case.equal(
            "coinbase in the block",
            &hex::encode(raw.to_bytes()),
            &hex::encode(in_block.to_bytes()),
        );
    }
    let Some(coinbase) = raw.as_ref().or(in_block) else { return };
    case.that(coinbase.is_coinbase(), || "its first transaction is no coinbase".to_owned());
    case.digits(vector, "coinbase_txid", coinbase.txid());
    if let Some(input) = coinbase.inputs.first() {
        case.text(vector, "coinbase_input_text", &String::from_utf8_lossy(input.script.as_bytes()));
    }
    let Some(output) = coinbase.outputs.first() else { return };
    case.number(vector, "coinbase_output_value", output.value.units());
    if let Some(wanted) = text(vector, "coinbase_output_address") {
        let found = output.script.address();
        let found = found.map(|address| text_like(&address, &formats(vector), wanted));
        case.equal("coinbase_output_address", wanted, &found.unwrap_or_default());
    }
}
