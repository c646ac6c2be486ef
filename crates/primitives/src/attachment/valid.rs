//! Validity of an attachment by itself (chain.md 3.5).

use super::{CertType, MitStatus, Payload};

/// The clause of chain.md 3.5 that an attachment breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttachmentError {
    /// A type number of 7 or more.
    #[error("attachment type {0} is unknown")]
    Type(u32),
    /// No symbol.
    #[error("the symbol is empty")]
    SymbolEmpty,
    /// An issue that creates nothing.
    #[error("the issue creates nothing: its supply is 0")]
    SupplyZero,
    /// A transfer of nothing.
    #[error("the transfer moves nothing: its quantity is 0")]
    QuantityZero,
    /// A message without text.
    #[error("the message is empty")]
    MessageEmpty,
    /// A certificate without an owner.
    #[error("the certificate has no owner")]
    OwnerEmpty,
    /// A certificate of type 0.
    #[error("the certificate has no type")]
    CertTypeNone,
    /// A unique item without an address.
    #[error("the address is empty")]
    AddressEmpty,
    /// A unique item whose status is neither 1 nor 2.
    #[error("item status {0} is neither 1 (register) nor 2 (transfer)")]
    MitStatus(u8),
    /// Too long altogether.
    #[error("the attachment counts {found} bytes, at most {max} are allowed")]
    TooLong {
        /// Counted size in bytes.
        found: u64,
        /// Limit in bytes.
        max: u64,
    },
}

impl AttachmentError {
    /// Every code that [`AttachmentError::code`] can give.
    pub const CODES: [&'static str; 10] = [
        "attachment.type",
        "attachment.symbol_empty",
        "attachment.supply_zero",
        "attachment.quantity_zero",
        "attachment.message_empty",
        "attachment.owner_empty",
        "attachment.cert_type_none",
        "attachment.address_empty",
        "attachment.mit_status",
        "attachment.too_long",
    ];

    /// Returns the stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Type(_) => "attachment.type",
            Self::SymbolEmpty => "attachment.symbol_empty",
            Self::SupplyZero => "attachment.supply_zero",
            Self::QuantityZero => "attachment.quantity_zero",
            Self::MessageEmpty => "attachment.message_empty",
            Self::OwnerEmpty => "attachment.owner_empty",
            Self::CertTypeNone => "attachment.cert_type_none",
            Self::AddressEmpty => "attachment.address_empty",
            Self::MitStatus(_) => "attachment.mit_status",
            Self::TooLong { .. } => "attachment.too_long",
        }
    }
}

fn at_most(found: u64, max: u64) -> Result<(), AttachmentError> {
    if found <= max { Ok(()) } else { Err(AttachmentError::TooLong { found, max }) }
}

fn demand(holds: bool, otherwise: AttachmentError) -> Result<(), AttachmentError> {
    if holds { Ok(()) } else { Err(otherwise) }
}

pub(super) fn check(payload: &Payload) -> Result<(), AttachmentError> {
    match payload {
        Payload::Etp | Payload::EtpAward { .. } => Ok(()),
        Payload::AssetDetail(detail) => {
            demand(!detail.symbol.is_empty(), AttachmentError::SymbolEmpty)?;
            let creates = !detail.maximum_supply.is_zero() || detail.threshold.is_secondary();
            demand(creates, AttachmentError::SupplyZero)?;
            at_most(detail.counted_len(), 268)
        }
        Payload::AssetTransfer(transfer) => {
            demand(!transfer.symbol.is_empty(), AttachmentError::SymbolEmpty)?;
            demand(!transfer.quantity.is_zero(), AttachmentError::QuantityZero)?;
            at_most(super::len64(&transfer.symbol) + 1, 64)
        }
        Payload::Message(text) => {
            demand(!text.is_empty(), AttachmentError::MessageEmpty)?;
            at_most(super::len64(text), 252)
        }
        Payload::Did(did) => {
            demand(!did.symbol.is_empty(), AttachmentError::SymbolEmpty)?;
            at_most(did.counted_len(), 128)
        }
        Payload::Cert(cert) => {
            demand(!cert.symbol.is_empty(), AttachmentError::SymbolEmpty)?;
            demand(!cert.owner.is_empty(), AttachmentError::OwnerEmpty)?;
            demand(cert.cert_type() != CertType::NONE, AttachmentError::CertTypeNone)?;
            at_most(cert.counted_len(), if cert.content().is_some() { 261 } else { 197 })
        }
        Payload::Mit(mit) => {
            demand(!mit.symbol.is_empty(), AttachmentError::SymbolEmpty)?;
            demand(!mit.address.is_empty(), AttachmentError::AddressEmpty)?;
            match &mit.status {
                MitStatus::Register { .. } => at_most(mit.counted_len(), 385),
                MitStatus::Transfer => at_most(mit.counted_len(), 129),
                MitStatus::Other(_) => Err(AttachmentError::MitStatus(mit.status.byte())),
            }
        }
        Payload::Unknown(number) => Err(AttachmentError::Type(number.number())),
    }
}
