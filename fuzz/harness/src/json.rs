//! The JSON views of anything that decodes.

use mvs_primitives::address::AddressFormat;
use mvs_primitives::block::Block;
use mvs_primitives::encode::{Decode, Encode};
use mvs_primitives::json::{BlockJson, TransactionJson};
use mvs_primitives::transaction::Transaction;
use serde_json::Value;

/// Tries the input as a transaction and as a block.
pub(crate) fn json(data: &[u8]) {
    if let Ok((transaction, _)) = Transaction::decode_prefix(data) {
        check(&TransactionJson::new(&transaction, &AddressFormat::MAINNET), &transaction);
    }
    if let Ok((block, _)) = Block::decode_prefix(data) {
        let shown = check(&BlockJson::new(&block, &AddressFormat::TESTNET), &block);
        assert_eq!(shown["header"]["hash"], block.header.hash().to_string());
        assert_eq!(shown["transactions"].as_array().map(Vec::len), Some(block.transactions.len()));
    }
}

/// A view is written without error, reads back as JSON, and is not out of proportion.
fn check<V: serde::Serialize>(view: &V, shown: &impl Encode) -> Value {
    let text = serde_json::to_string(view).expect("views are always writable");
    assert!(text.len() <= 4096 + 64 * shown.encoded_len(), "{} bytes of JSON", text.len());
    let value: Value = serde_json::from_str(&text).expect("views are valid JSON");
    if let Some(size) = value.get("size") {
        assert_eq!(*size, shown.encoded_len());
    }
    value
}
