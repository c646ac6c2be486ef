//! Transactions, with the names that the chain's JSON views use.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ChainText, Quantity, shapes};

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
        /// ETP.
        pub value: Quantity,
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
        /// How much the record creates.
        pub maximum_supply: Quantity,
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
        /// How much.
        quantity: Quantity,
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

/// Decimals of ETP.
pub const ETP_DECIMALS: u8 = 8;

impl Output {
    /// Writes its quantities as decimal texts; `decimals_of` knows the decimals of assets.
    pub fn into_decimal(mut self, decimals_of: &dyn Fn(&ChainText) -> u8) -> Self {
        self.value = self.value.into_decimal(ETP_DECIMALS);
        self.attachment.payload = match self.attachment.payload {
            Payload::AssetTransfer { symbol, quantity } => {
                let quantity = quantity.into_decimal(decimals_of(&symbol));
                Payload::AssetTransfer { symbol, quantity }
            }
            Payload::AssetIssue(record) => Payload::AssetIssue(record.into_decimal()),
            Payload::AssetSecondaryissue(record) => {
                Payload::AssetSecondaryissue(record.into_decimal())
            }
            other => other,
        };
        self
    }
}

impl AssetRecord {
    fn into_decimal(mut self) -> Self {
        self.maximum_supply = self.maximum_supply.into_decimal(self.decimal_number);
        self
    }
}

impl Transaction {
    /// Writes its quantities as decimal texts; `decimals_of` knows the decimals of assets.
    pub fn into_decimal(mut self, decimals_of: &dyn Fn(&ChainText) -> u8) -> Self {
        self.outputs =
            self.outputs.into_iter().map(|output| output.into_decimal(decimals_of)).collect();
        self
    }
}
