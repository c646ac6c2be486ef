//! Attachments, the two most common kinds shortened.

use std::borrow::Cow;

use super::CodecError;

/// Wire form of ETP, version 1.
const ETP: [u8; 8] = [1, 0, 0, 0, 0, 0, 0, 0];
/// Wire form of ETP, version 0: coinbases, genesis blocks.
const ETP_ZERO: [u8; 8] = [0; 8];
/// How an asset transfer of version 1 begins: version, type 2, status 2.
const TRANSFER_HEAD: [u8; 12] = [1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0];

/// The wire form of an attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachmentForm<'a> {
    /// Nothing but coin, version 1.
    Etp,
    /// Nothing but coin, version 0.
    EtpZero,
    /// An asset transfer of version 1: what follows its first 12 bytes.
    AssetTransfer(&'a [u8]),
    /// Any other bytes.
    Bytes(&'a [u8]),
}

impl<'a> AttachmentForm<'a> {
    /// Takes the wire form of an attachment, or any other bytes.
    pub fn of(wire: &'a [u8]) -> Self {
        if wire == ETP {
            Self::Etp
        } else if wire == ETP_ZERO {
            Self::EtpZero
        } else if let Some(rest) = wire.strip_prefix(&TRANSFER_HEAD) {
            Self::AssetTransfer(rest)
        } else {
            Self::Bytes(wire)
        }
    }

    /// Returns the wire form.
    pub fn to_wire(self) -> Cow<'a, [u8]> {
        match self {
            Self::Etp => Cow::Borrowed(&ETP),
            Self::EtpZero => Cow::Borrowed(&ETP_ZERO),
            Self::AssetTransfer(rest) => Cow::Owned([&TRANSFER_HEAD[..], rest].concat()),
            Self::Bytes(wire) => Cow::Borrowed(wire),
        }
    }

    /// Appends the wire form.
    pub fn write_to(self, out: &mut Vec<u8>) {
        match self {
            Self::Etp => out.extend_from_slice(&ETP),
            Self::EtpZero => out.extend_from_slice(&ETP_ZERO),
            Self::AssetTransfer(rest) => {
                out.extend_from_slice(&TRANSFER_HEAD);
                out.extend_from_slice(rest);
            }
            Self::Bytes(wire) => out.extend_from_slice(wire),
        }
    }

    pub(super) const fn tag(&self) -> u8 {
        match self {
            Self::Etp => 0,
            Self::EtpZero => 1,
            Self::Bytes(_) => 2,
            Self::AssetTransfer(_) => 3,
        }
    }

    pub(super) const fn stored(&self) -> &'a [u8] {
        match self {
            Self::Etp | Self::EtpZero => &[],
            Self::AssetTransfer(bytes) | Self::Bytes(bytes) => bytes,
        }
    }

    pub(super) fn decode(tag: u8, rest: &'a [u8]) -> Result<Self, CodecError> {
        match tag {
            0 if rest.is_empty() => Ok(Self::Etp),
            1 if rest.is_empty() => Ok(Self::EtpZero),
            2 => match Self::of(rest) {
                form @ Self::Bytes(_) => Ok(form),
                _ => Err(CodecError::NotCanonical("attachment")),
            },
            3 => Ok(Self::AssetTransfer(rest)),
            _ => Err(CodecError::Length("attachment")),
        }
    }
}
