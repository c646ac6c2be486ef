//! What the index knows of addresses.

use super::transaction::Output;
use super::{AmountForm, ChainText, Order, Quantity, params, shapes};

params! {
    /// Which part of an address's history.
    pub struct AddressHistoryParams {
        /// The address.
        pub address: String,
        ?
        /// Oldest first when left out.
        pub order: Order,
        /// Go on behind this place: `next` of the last answer.
        pub after: String,
        /// Most lines, 1 to 1000; 100 when left out.
        pub limit: u32,
        /// How quantities are written.
        pub amounts: AmountForm,
    }
    /// Which unspent outputs of an address.
    pub struct AddressUnspentParams {
        /// The address.
        pub address: String,
        ?
        /// Go on behind this place: `next` of the last answer.
        pub after: String,
        /// Most outputs, 1 to 1000; 100 when left out.
        pub limit: u32,
        /// How quantities are written.
        pub amounts: AmountForm,
    }
    /// Names an address.
    pub struct AddressBalanceParams {
        /// The address.
        pub address: String,
        ?
        /// How quantities are written.
        pub amounts: AmountForm,
    }
}

shapes! {
    /// Part of an address's history.
    pub struct AddressHistory {
        /// The tip that it belongs to.
        pub tip: String,
        /// Height of the tip.
        pub height: u32,
        /// The lines.
        pub entries: Vec<AddressEntry>,
        /// There is more; go on behind this place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub next: Option<String>,
    }
    /// One line: an output that pays the address, or an input that spends one.
    pub struct AddressEntry {
        /// Height of the block.
        pub height: u32,
        /// Number of the transaction in the block.
        pub number: u32,
        /// Id of the transaction.
        pub txid: String,
        /// It is an output; else an input.
        pub is_output: bool,
        /// Number of the output or input.
        pub index: u32,
        /// For an input: the transaction whose output it spends.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub spends_txid: Option<String>,
        /// For an input: the index of the output that it spends.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub spends_index: Option<u32>,
        /// ETP paid or spent.
        pub value: Quantity,
        /// Type number of the output's attachment; 7 stands for all unknown ones.
        pub attachment_type: u8,
        /// What the attachment names: asset, certificate, identity or item.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub symbol: Option<ChainText>,
        /// Quantity of the asset.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub quantity: Option<Quantity>,
    }
    /// Unspent outputs of an address.
    pub struct AddressUnspent {
        /// The tip at which they are unspent.
        pub tip: String,
        /// Height of the tip.
        pub height: u32,
        /// The outputs, oldest first.
        pub coins: Vec<UnspentCoin>,
        /// There may be more; go on behind this place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub next: Option<String>,
    }
    /// An unspent output.
    pub struct UnspentCoin {
        /// Id of the transaction.
        pub txid: String,
        /// Index of the output.
        pub index: u32,
        /// Height of the block that made it.
        pub height: u32,
        /// Its transaction is a coinbase.
        pub is_coinbase: bool,
        /// The output.
        pub output: Output,
    }
    /// What an address owns, without what waits in the pool.
    pub struct AddressBalance {
        /// The tip at which it does.
        pub tip: String,
        /// Height of the tip.
        pub height: u32,
        /// Unspent outputs.
        pub coins: u64,
        /// ETP in all of them.
        pub total: Quantity,
        /// ETP in outputs that are locked until a height to come, or are coinbases too young to be spent.
        pub locked: Quantity,
        /// ETP in the others.
        pub available: Quantity,
        /// Assets in all of them, whether they are locked or not.
        pub assets: Vec<AssetBalance>,
    }
    /// What an address owns of an asset.
    pub struct AssetBalance {
        /// The asset.
        pub symbol: ChainText,
        /// How much.
        pub quantity: Quantity,
        /// Decimals for display.
        pub decimal_number: u8,
    }
}
