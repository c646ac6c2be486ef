//! What an output carries beside coin: assets, certificates, identities, unique items, messages
//! (chain.md 3.3 to 3.5).

use crate::amount::AssetAmount;
use crate::encode::{Decode, DecodeError, Decoder, Encode, Sink};
use crate::text::{DidName, Symbol, Text};

mod asset;
mod cert;
mod did;
mod mit;
mod valid;

pub use asset::{AssetDetail, AssetTransfer, IssueThreshold};
pub use cert::{Cert, CertContentError, CertStatus, CertType};
pub use did::{Did, DidStatus};
pub use mit::{Mit, MitStatus, OtherMitStatus};
pub use valid::AttachmentError;

/// The attachment version that binds identities to an output.
pub const DID_BINDING_VERSION: u32 = 207;

/// Type number of the null attachment that a coinstake's first output carries.
pub const NULL_TYPE: u32 = 0xffff_ffff;

/// The version number of an attachment, with the identities that version 207 adds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AttachmentVersion(Version);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Version {
    Plain(u32),
    Bound(Box<DidBinding>),
}

/// The identities of an attachment of version 207.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct DidBinding {
    /// Whom the output is for; empty when not stated. First on the wire.
    pub to_did: DidName,
    /// Who sends it; empty when not stated.
    pub from_did: DidName,
}

impl AttachmentVersion {
    /// Version 1, the ordinary one.
    pub const NORMAL: Self = Self(Version::Plain(1));
    /// Version 0, seen in coinbases, genesis blocks and coinstakes.
    pub const ZERO: Self = Self(Version::Plain(0));

    /// Wraps a version number without identities; `None` for 207.
    pub const fn plain(version: u32) -> Option<Self> {
        if version == DID_BINDING_VERSION { None } else { Some(Self(Version::Plain(version))) }
    }

    /// Makes version 207 with its identities.
    pub fn bound(to_did: DidName, from_did: DidName) -> Self {
        Self(Version::Bound(Box::new(DidBinding { to_did, from_did })))
    }

    /// Returns the version number.
    pub const fn number(&self) -> u32 {
        match self.0 {
            Version::Plain(version) => version,
            Version::Bound(_) => DID_BINDING_VERSION,
        }
    }

    /// Returns the identities of version 207.
    pub fn binding(&self) -> Option<&DidBinding> {
        match &self.0 {
            Version::Plain(_) => None,
            Version::Bound(binding) => Some(binding),
        }
    }
}

/// The body of an attachment, one variant per type number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Payload {
    /// Type 0: nothing but coin.
    Etp,
    /// Type 1: a deposit award.
    ///
    /// QUIRK (chain.md 3.3): the reference's script engine reads no body for this type, so a
    /// transaction that carries it fails script verification unless it is a coinbase.
    EtpAward {
        /// The height in the body.
        height: u64,
    },
    /// Type 2, status 1: an asset's issue or secondary issue.
    AssetDetail(Box<AssetDetail>),
    /// Type 2, status 2: a quantity of an asset.
    AssetTransfer(AssetTransfer),
    /// Type 3: a text.
    Message(Text),
    /// Type 4: an identity.
    Did(Box<Did>),
    /// Type 5: a certificate.
    Cert(Box<Cert>),
    /// Type 6: a unique item.
    Mit(Box<Mit>),
    /// Type 7 and above: no body. Parses, but is never valid.
    Unknown(UnknownType),
}

/// A type number of 7 or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UnknownType(u32);

impl UnknownType {
    /// The type of a coinstake's null output.
    pub const NULL: Self = Self(NULL_TYPE);

    /// Wraps a type number; `None` when it is a known one (0 to 6).
    pub const fn new(number: u32) -> Option<Self> {
        if number >= 7 { Some(Self(number)) } else { None }
    }

    /// Returns the type number.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// An attachment: version, and what is attached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attachment {
    /// Version number, and identities for version 207.
    pub version: AttachmentVersion,
    /// Type and body.
    pub payload: Payload,
}

impl Attachment {
    /// Nothing but coin, version 1: what an ordinary payment carries.
    pub const ETP: Self = Self { version: AttachmentVersion::NORMAL, payload: Payload::Etp };

    /// What the first output of a coinstake carries (chain.md 2.4).
    pub const NULL: Self =
        Self { version: AttachmentVersion::ZERO, payload: Payload::Unknown(UnknownType::NULL) };

    /// Wraps a body in version 1.
    pub const fn new(payload: Payload) -> Self {
        Self { version: AttachmentVersion::NORMAL, payload }
    }

    /// Returns the type number.
    pub const fn type_number(&self) -> u32 {
        match &self.payload {
            Payload::Etp => 0,
            Payload::EtpAward { .. } => 1,
            Payload::AssetDetail(_) | Payload::AssetTransfer(_) => 2,
            Payload::Message(_) => 3,
            Payload::Did(_) => 4,
            Payload::Cert(_) => 5,
            Payload::Mit(_) => 6,
            Payload::Unknown(number) => number.0,
        }
    }

    /// Returns the name of the type as the spec writes it.
    pub const fn type_name(&self) -> &'static str {
        match &self.payload {
            Payload::Etp => "etp",
            Payload::EtpAward { .. } => "etp-award",
            Payload::AssetDetail(detail) if detail.threshold.is_secondary() => {
                "asset-secondaryissue"
            }
            Payload::AssetDetail(_) => "asset-issue",
            Payload::AssetTransfer(_) => "asset-transfer",
            Payload::Message(_) => "message",
            Payload::Did(did) => match did.status {
                DidStatus::Register => "did-register",
                DidStatus::Transfer => "did-transfer",
            },
            Payload::Cert(_) => "asset-cert",
            Payload::Mit(_) => "mit",
            Payload::Unknown(_) => "unknown",
        }
    }

    /// Returns the asset quantity that the output holds, with its symbol: of a transfer, or the
    /// supply that an issue creates.
    pub fn asset(&self) -> Option<(&Symbol, AssetAmount)> {
        match &self.payload {
            Payload::AssetDetail(detail) => Some((&detail.symbol, detail.maximum_supply)),
            Payload::AssetTransfer(transfer) => Some((&transfer.symbol, transfer.quantity)),
            _ => None,
        }
    }

    /// Returns the size that counts towards the limits on blocks and transactions (chain.md 3.4).
    ///
    /// It is not the length on the wire: each type has a ceiling. The status field of assets and
    /// identities (4 bytes) is counted outside their ceiling; see
    /// `docs/decisions/0003-nominal-sizes.md`.
    pub fn nominal_size(&self) -> u64 {
        let binding = match self.version.binding() {
            Some(binding) => len64(&binding.to_did) + len64(&binding.from_did) + 2,
            None => 0,
        };
        let body = match &self.payload {
            Payload::Etp | Payload::Unknown(_) => 0,
            Payload::EtpAward { .. } => 8,
            Payload::AssetDetail(detail) => 4 + detail.nominal_size(),
            Payload::AssetTransfer(transfer) => 4 + transfer.nominal_size(),
            Payload::Message(text) => (text.wire_len() as u64).min(256), // widening
            Payload::Did(did) => 4 + did.nominal_size(),
            Payload::Cert(cert) => cert.nominal_size(),
            Payload::Mit(mit) => mit.nominal_size(),
        };
        8 + binding + body
    }

    /// Checks the body against chain.md 3.5.
    ///
    /// Consensus asks for this in transactions of version 4 and above; the null-output test asks
    /// for it in every version.
    ///
    /// # Errors
    /// The clause that the body breaks.
    pub fn check_valid(&self) -> Result<(), AttachmentError> {
        valid::check(&self.payload)
    }
}

fn len64<T: AsRef<[u8]>>(bytes: &T) -> u64 {
    bytes.as_ref().len() as u64 // widening
}

impl Encode for Attachment {
    fn encode<S: Sink>(&self, sink: &mut S) {
        sink.put(&self.version.number().to_le_bytes());
        sink.put(&self.type_number().to_le_bytes());
        if let Some(binding) = self.version.binding() {
            binding.to_did.encode(sink);
            binding.from_did.encode(sink);
        }
        match &self.payload {
            Payload::Etp | Payload::Unknown(_) => {}
            Payload::EtpAward { height } => sink.put(&height.to_le_bytes()),
            Payload::AssetDetail(detail) => {
                sink.put(&asset::STATUS_DETAIL.to_le_bytes());
                detail.encode(sink);
            }
            Payload::AssetTransfer(transfer) => {
                sink.put(&asset::STATUS_TRANSFER.to_le_bytes());
                transfer.encode(sink);
            }
            Payload::Message(text) => text.encode(sink),
            Payload::Did(did) => did.encode(sink),
            Payload::Cert(cert) => cert.encode(sink),
            Payload::Mit(mit) => mit.encode(sink),
        }
    }
}

impl Decode for Attachment {
    const MIN_BYTES: usize = 8;

    fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let version = decoder.u32_le("attachment version")?;
        let type_number = decoder.u32_le("attachment type")?;
        let version = match AttachmentVersion::plain(version) {
            Some(plain) => plain,
            None => {
                let to_did = DidName::decode_from(decoder)?;
                AttachmentVersion::bound(to_did, DidName::decode_from(decoder)?)
            }
        };
        let payload = match type_number {
            0 => Payload::Etp,
            1 => Payload::EtpAward { height: decoder.u64_le("award height")? },
            2 => match decoder.u32_le("asset status")? {
                asset::STATUS_DETAIL => {
                    Payload::AssetDetail(Box::new(AssetDetail::decode_from(decoder)?))
                }
                asset::STATUS_TRANSFER => {
                    Payload::AssetTransfer(AssetTransfer::decode_from(decoder)?)
                }
                status => return Err(DecodeError::AssetStatus(status)),
            },
            3 => Payload::Message(Text::decode_from(decoder)?),
            4 => Payload::Did(Box::new(Did::decode_from(decoder)?)),
            5 => Payload::Cert(Box::new(Cert::decode_from(decoder)?)),
            6 => Payload::Mit(Box::new(Mit::decode_from(decoder)?)),
            number => Payload::Unknown(UnknownType(number)),
        };
        Ok(Self { version, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::{Attachment, AttachmentVersion, UnknownType};
    use crate::encode::{Decode, Encode};

    #[test]
    fn bad_statuses_fail_the_parse_and_unknown_types_do_not() {
        let code = |hex_text: &str| {
            Attachment::decode(&hex::decode(hex_text).unwrap()).unwrap_err().code()
        };
        assert_eq!(code("010000000200000003000000"), "decode.asset_status");
        assert_eq!(code("010000000400000009000000"), "decode.did_status");
        assert_eq!(code("0100000002000000"), "decode.truncated");
        let unknown = Attachment::decode(&hex::decode("0100000008000000").unwrap()).unwrap();
        assert_eq!(unknown.type_number(), 8);
        assert_eq!(unknown.check_valid().unwrap_err().code(), "attachment.type");
        assert_eq!(UnknownType::new(6), None);
        assert_eq!(AttachmentVersion::plain(207), None);
    }

    #[test]
    fn the_null_attachment_is_the_recorded_one() {
        assert_eq!(hex::encode(Attachment::NULL.to_bytes()), "00000000ffffffff");
        assert_eq!(hex::encode(Attachment::ETP.to_bytes()), "0100000000000000");
    }
}
