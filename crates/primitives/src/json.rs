//! JSON views: one place that decides how chain data looks to people, used by RPC, command lines
//! and tests.
//!
//! Amounts are integers in base units, hashes are in display order, attachments have names, and
//! bytes are hex. The views borrow what they show.

use serde::Serialize;

use crate::address::AddressFormat;
use crate::attachment::{Attachment, Payload};
use crate::block::{Block, BlockProof};
use crate::encode::Encode;
use crate::hash::{BlockHash, MerkleRoot, MixHash, TxId};
use crate::header::Header;
use crate::input::Input;
use crate::output::Output;
use crate::script::{PatternKind, Script};
use crate::text::{AddressText, DidName, MitSymbol, Symbol, Text};
use crate::transaction::Transaction;

/// A header.
#[derive(Debug, Clone, Serialize)]
pub struct HeaderJson {
    /// Block hash.
    pub hash: BlockHash,
    /// Kind of seal.
    pub version: u32,
    /// The parent's hash.
    pub previous: BlockHash,
    /// Root of the transaction tree.
    pub merkle: MerkleRoot,
    /// Unix time in seconds.
    pub timestamp: u32,
    /// Difficulty as decimal text: it can pass 2^53.
    pub bits: String,
    /// Nonce as 16 hex digits, the way miners write it.
    pub nonce: String,
    /// Ethash mix, in plain byte order.
    pub mix_hash: MixHash,
    /// Height.
    pub number: u32,
}

impl HeaderJson {
    /// Shows a header.
    pub fn new(header: &Header) -> Self {
        Self {
            hash: header.hash(),
            version: header.version.number(),
            previous: header.previous,
            merkle: header.merkle,
            timestamp: header.timestamp.unix_secs(),
            bits: header.bits.to_string(),
            nonce: format!("{:016x}", header.nonce),
            mix_hash: header.mix_hash,
            number: header.number.value(),
        }
    }
}

/// A script.
#[derive(Debug, Clone, Serialize)]
pub struct ScriptJson {
    /// The bytes.
    pub hex: String,
    /// The operations in words.
    pub text: String,
    /// The standard pattern.
    pub pattern: PatternKind,
    /// The address that it stands for.
    pub address: Option<String>,
}

impl ScriptJson {
    /// Shows a script with addresses of a network.
    pub fn new(script: &Script, format: &AddressFormat) -> Self {
        let pattern = script.pattern();
        Self {
            hex: hex::encode(script.as_bytes()),
            text: script.to_string(),
            pattern: pattern.kind(),
            address: pattern.address().map(|address| address.to_text(format)),
        }
    }
}

/// An input.
#[derive(Debug, Clone, Serialize)]
pub struct InputJson {
    /// The spent transaction; absent in a coinbase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub txid: Option<TxId>,
    /// The spent output's index; absent in a coinbase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Free data of a coinbase, as hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coinbase: Option<String>,
    /// The input script; absent in a coinbase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<ScriptJson>,
    /// Relative lock, or 4294967295.
    pub sequence: u32,
}

impl InputJson {
    /// Shows an input with addresses of a network.
    pub fn new(input: &Input, format: &AddressFormat) -> Self {
        if input.previous.is_null() {
            return Self {
                txid: None,
                index: None,
                coinbase: Some(hex::encode(input.script.as_bytes())),
                script: None,
                sequence: input.sequence,
            };
        }
        Self {
            txid: Some(input.previous.txid),
            index: Some(input.previous.index),
            coinbase: None,
            script: Some(ScriptJson::new(&input.script, format)),
            sequence: input.sequence,
        }
    }
}

/// An attachment's body.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PayloadJson<'a> {
    /// Nothing but coin.
    Etp,
    /// A deposit award.
    EtpAward {
        /// The height in the body.
        height: u64,
    },
    /// An issue of an asset.
    AssetIssue(AssetDetailJson<'a>),
    /// A secondary issue of an asset.
    AssetSecondaryissue(AssetDetailJson<'a>),
    /// A quantity of an asset.
    AssetTransfer {
        /// Asset.
        symbol: &'a Symbol,
        /// Smallest units.
        quantity: u64,
    },
    /// A text.
    Message {
        /// The text.
        content: &'a Text,
    },
    /// A new identity.
    DidRegister {
        /// Name.
        symbol: &'a DidName,
        /// Where it lives.
        address: &'a AddressText,
    },
    /// An identity that moves.
    DidTransfer {
        /// Name.
        symbol: &'a DidName,
        /// Where it moves.
        address: &'a AddressText,
    },
    /// A certificate.
    AssetCert {
        /// Name.
        symbol: &'a Symbol,
        /// Identity of the owner.
        owner: &'a DidName,
        /// Where it lives.
        address: &'a AddressText,
        /// Type number.
        cert_type: u32,
        /// Type name.
        cert: &'static str,
        /// 0 normal, 1 issue, 2 transfer, 3 auto-issue.
        status: u8,
        /// Content, for types that have one.
        #[serde(skip_serializing_if = "Option::is_none")]
        content: Option<&'a Text>,
    },
    /// A unique item.
    Mit {
        /// Name.
        symbol: &'a MitSymbol,
        /// Where it lives.
        address: &'a AddressText,
        /// 1 register, 2 transfer.
        status: u8,
        /// Content of a registration.
        #[serde(skip_serializing_if = "Option::is_none")]
        content: Option<&'a Text>,
    },
    /// An unknown type.
    Unknown {
        /// Type number.
        number: u32,
    },
}

/// An issue record.
#[derive(Debug, Clone, Serialize)]
pub struct AssetDetailJson<'a> {
    /// Asset.
    pub symbol: &'a Symbol,
    /// Smallest units that the output creates.
    pub maximum_supply: u64,
    /// Decimals for display.
    pub decimal_number: u8,
    /// 0 forbidden, 1 to 100 percent, 127 free.
    pub secondaryissue_threshold: u8,
    /// Identity of the issuer.
    pub issuer: &'a DidName,
    /// Where it lives.
    pub address: &'a AddressText,
    /// Free text.
    pub description: &'a Text,
    /// The two unused bytes, where they are not 0 as they should be.
    #[serde(skip_serializing_if = "is_unused")]
    pub unused: [u8; 2],
}

/// Tells whether the unused bytes of an issue record are as they should be.
fn is_unused(bytes: &[u8; 2]) -> bool {
    *bytes == [0; 2]
}

/// An attachment.
#[derive(Debug, Clone, Serialize)]
pub struct AttachmentJson<'a> {
    /// Version number.
    pub version: u32,
    /// Whom the output is for (version 207).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_did: Option<&'a DidName>,
    /// Who sends it (version 207).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_did: Option<&'a DidName>,
    /// Type and body.
    #[serde(flatten)]
    pub payload: PayloadJson<'a>,
}

impl<'a> AttachmentJson<'a> {
    /// Shows an attachment.
    pub fn new(attachment: &'a Attachment) -> Self {
        let binding = attachment.version.binding();
        Self {
            version: attachment.version.number(),
            to_did: binding.map(|binding| &binding.to_did),
            from_did: binding.map(|binding| &binding.from_did),
            payload: payload(&attachment.payload),
        }
    }
}

fn payload(payload: &Payload) -> PayloadJson<'_> {
    match payload {
        Payload::Etp => PayloadJson::Etp,
        Payload::EtpAward { height } => PayloadJson::EtpAward { height: *height },
        Payload::AssetDetail(detail) => {
            let shown = AssetDetailJson {
                symbol: &detail.symbol,
                maximum_supply: detail.maximum_supply.units(),
                decimal_number: detail.decimal_number,
                secondaryissue_threshold: detail.threshold.percent(),
                issuer: &detail.issuer,
                address: &detail.address,
                description: &detail.description,
                unused: detail.unused,
            };
            if detail.threshold.is_secondary() {
                PayloadJson::AssetSecondaryissue(shown)
            } else {
                PayloadJson::AssetIssue(shown)
            }
        }
        Payload::AssetTransfer(transfer) => PayloadJson::AssetTransfer {
            symbol: &transfer.symbol,
            quantity: transfer.quantity.units(),
        },
        Payload::Message(content) => PayloadJson::Message { content },
        Payload::Did(did) => {
            let (symbol, address) = (&did.symbol, &did.address);
            match did.status {
                crate::attachment::DidStatus::Register => {
                    PayloadJson::DidRegister { symbol, address }
                }
                crate::attachment::DidStatus::Transfer => {
                    PayloadJson::DidTransfer { symbol, address }
                }
            }
        }
        Payload::Cert(cert) => PayloadJson::AssetCert {
            symbol: &cert.symbol,
            owner: &cert.owner,
            address: &cert.address,
            cert_type: cert.cert_type().number(),
            cert: cert.cert_type().name(),
            status: cert.status.byte(),
            content: cert.content(),
        },
        Payload::Mit(mit) => PayloadJson::Mit {
            symbol: &mit.symbol,
            address: &mit.address,
            status: mit.status.byte(),
            content: mit.content(),
        },
        Payload::Unknown(number) => PayloadJson::Unknown { number: number.number() },
    }
}

/// An output.
#[derive(Debug, Clone, Serialize)]
pub struct OutputJson<'a> {
    /// Base units.
    pub value: u64,
    /// Who may spend it.
    pub script: ScriptJson,
    /// What it carries.
    pub attachment: AttachmentJson<'a>,
}

impl<'a> OutputJson<'a> {
    /// Shows an output with addresses of a network.
    pub fn new(output: &'a Output, format: &AddressFormat) -> Self {
        Self {
            value: output.value.units(),
            script: ScriptJson::new(&output.script, format),
            attachment: AttachmentJson::new(&output.attachment),
        }
    }
}

/// A transaction.
#[derive(Debug, Clone, Serialize)]
pub struct TransactionJson<'a> {
    /// Id.
    pub txid: TxId,
    /// Version.
    pub version: u32,
    /// Length on the wire in bytes.
    pub size: usize,
    /// Inputs.
    pub inputs: Vec<InputJson>,
    /// Outputs.
    pub outputs: Vec<OutputJson<'a>>,
    /// Lock time.
    pub locktime: u32,
}

impl<'a> TransactionJson<'a> {
    /// Shows a transaction with addresses of a network.
    pub fn new(transaction: &'a Transaction, format: &AddressFormat) -> Self {
        Self {
            txid: transaction.txid(),
            version: transaction.version,
            size: transaction.encoded_len(),
            inputs: transaction.inputs.iter().map(|i| InputJson::new(i, format)).collect(),
            outputs: transaction.outputs.iter().map(|o| OutputJson::new(o, format)).collect(),
            locktime: transaction.locktime,
        }
    }
}

/// A block.
#[derive(Debug, Clone, Serialize)]
pub struct BlockJson<'a> {
    /// The header.
    pub header: HeaderJson,
    /// Length on the wire in bytes.
    pub size: usize,
    /// Transactions.
    pub transactions: Vec<TransactionJson<'a>>,
    /// Signature of a stake or delegate block, in wire order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Public key of a delegate block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
}

impl<'a> BlockJson<'a> {
    /// Shows a block with addresses of a network.
    pub fn new(block: &'a Block, format: &AddressFormat) -> Self {
        let (signature, public_key) = match &block.proof {
            BlockProof::None => (None, None),
            BlockProof::Stake(signature) => (Some(hex::encode(signature.as_bytes())), None),
            BlockProof::Delegate(signature, key) => {
                (Some(hex::encode(signature.as_bytes())), Some(hex::encode(key)))
            }
        };
        Self {
            header: HeaderJson::new(&block.header),
            size: block.encoded_len(),
            transactions: block
                .transactions
                .iter()
                .map(|transaction| TransactionJson::new(transaction, format))
                .collect(),
            signature,
            public_key,
        }
    }
}
