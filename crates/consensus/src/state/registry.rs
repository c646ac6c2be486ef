//! What is registered by name.

use mvs_primitives::address::Address;
use mvs_primitives::amount::{Amount, AssetAmount};
use mvs_primitives::attachment::{AssetDetail, Cert, CertType};
use mvs_primitives::height::Height;
use mvs_primitives::input::OutPoint;
use mvs_primitives::text::{Symbol, Text};

/// An issued asset after its latest issue record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetState {
    /// The latest record: the issue, or a secondary issue.
    pub detail: Box<AssetDetail>,
    /// Height of the latest record.
    pub height: Height,
    /// Height of the original issue.
    pub issue_height: Height,
    /// Sum of what all records created.
    pub supply: AssetAmount,
}

/// Names a certificate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertKey {
    /// Symbol.
    pub symbol: Symbol,
    /// Type.
    pub cert_type: CertType,
}

impl CertKey {
    /// Returns the name of a certificate.
    pub fn of(cert: &Cert) -> Self {
        Self { symbol: cert.symbol.clone(), cert_type: cert.cert_type() }
    }
}

/// The latest issue of a certificate. Passing it on does not change the record; its holder is whoever
/// owns the unspent output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertState {
    /// The record.
    pub cert: Box<Cert>,
    /// Its height.
    pub height: Height,
}

/// Where an identity lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DidState {
    /// Its current address.
    pub address: Address,
    /// Height of the latest record; `None` for the identity `BLACKHOLE`, which every node knows
    /// from the start without a block (chain.md 3.6).
    pub height: Option<Height>,
    /// It has moved since its registration.
    pub is_transferred: bool,
}

/// The latest record of a unique item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MitState {
    /// Its current address.
    pub address: Address,
    /// Height of the latest record.
    pub height: Height,
    /// It has been transferred.
    pub is_transferred: bool,
    /// What it says, from its registration.
    pub content: Text,
}

/// An unspent output that may entitle its owner to stake (chain.md 9.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StakeDeposit {
    /// The output.
    pub outpoint: OutPoint,
    /// Its value.
    pub value: Amount,
    /// Height of its block.
    pub height: Height,
    /// The script's raw lock number.
    pub lock: i64,
}
