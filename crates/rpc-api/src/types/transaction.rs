//! Transactions, with the names that the chain's JSON views use.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ChainText, shapes};

shapes! {
    /// A transaction.
    pub struct Transaction {
        /// Id.
        pub txid: String,
        /// Version.
        pub version: u32,
        /// Bytes on the wire.
        pub size: u32,
        /// Inputs.
        pub inputs: Vec<Input>,
        /// Outputs.
        pub outputs: Vec<Output>,
        /// Lock time.
        pub locktime: u32,
    }
    /// A script.
    pub struct Script {
        /// The bytes.
        pub hex: String,
        /// The operations in words.
        pub text: String,
        /// Name of the usual pattern that it has.
        pub pattern: String,
        /// The address that it stands for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub address: Option<String>,
    }
    /// An input.
    pub struct Input {
        /// The spent transaction; absent in a coinbase.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub txid: Option<String>,
        /// The spent output's index; absent in a coinbase.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub index: Option<u32>,
        /// Free data of a coinbase.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub coinbase: Option<String>,
        /// The input script; absent in a coinbase.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub script: Option<Script>,
        /// Relative lock, or 4294967295.
        pub sequence: u32,
    }
    /// An output.
    pub struct Output {
        /// Base units of ETP.
        pub value: u64,
        /// Who may spend it.
        pub script: Script,
        /// What it carries beside ETP.
        pub attachment: Attachment,
    }
    /// What an output carries.
    pub struct Attachment {
        /// Version number.
        pub version: u32,
        /// Identity that the output is for (version 207).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub to_did: Option<ChainText>,
        /// Identity that sends it (version 207).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub from_did: Option<ChainText>,
        /// Type and body.
        #[serde(flatten)]
        pub payload: Payload,
    }
    /// An issue record of an asset.
    pub struct AssetRecord {
        /// Asset.
        pub symbol: ChainText,
        /// Smallest units that the record creates.
        pub maximum_supply: u64,
        /// Decimals for display.
        pub decimal_number: u8,
        /// 0 forbidden, 1 to 100 percent, 127 free.
        pub secondaryissue_threshold: u8,
        /// Identity of the issuer.
        pub issuer: ChainText,
        /// Where it lives.
        pub address: ChainText,
        /// Free text.
        pub description: ChainText,
    }
}

/// An attachment's body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Payload {
    /// Nothing but coin.
    Etp,
    /// A deposit award.
    EtpAward {
        /// The height in the body.
        height: u64,
    },
    /// An issue of an asset.
    AssetIssue(AssetRecord),
    /// A secondary issue of an asset.
    AssetSecondaryissue(AssetRecord),
    /// A quantity of an asset.
    AssetTransfer {
        /// Asset.
        symbol: ChainText,
        /// Smallest units.
        quantity: u64,
    },
    /// A text.
    Message {
        /// The text.
        content: ChainText,
    },
    /// A new identity.
    DidRegister {
        /// Name.
        symbol: ChainText,
        /// Where it lives.
        address: ChainText,
    },
    /// An identity that moves.
    DidTransfer {
        /// Name.
        symbol: ChainText,
        /// Where it moves.
        address: ChainText,
    },
    /// A certificate.
    AssetCert {
        /// Name.
        symbol: ChainText,
        /// Identity of the owner.
        owner: ChainText,
        /// Where it lives.
        address: ChainText,
        /// Type number.
        cert_type: u32,
        /// Type name.
        cert: String,
        /// 0 normal, 1 issue, 2 transfer, 3 auto-issue.
        status: u8,
        /// Content, for types that have one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content: Option<ChainText>,
    },
    /// A unique item.
    Mit {
        /// Name.
        symbol: ChainText,
        /// Where it lives.
        address: ChainText,
        /// 1 register, 2 transfer.
        status: u8,
        /// Content of a registration.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content: Option<ChainText>,
    },
    /// An unknown type.
    Unknown {
        /// Type number.
        number: u32,
    },
}
