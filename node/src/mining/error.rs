//! Why there is no template, and why a solution is not taken.

use mvs_consensus::block::TemplateRejection;
use mvs_consensus::error::{Fault, StakeRuleError};
use mvs_primitives::hash::SealHash;

/// Why no template can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// The payout asks for something that no coinbase can hold.
    #[error("{found} bytes of coinbase data, at most {max} are allowed")]
    CoinbaseData {
        /// Bytes found.
        found: usize,
        /// Limit.
        max: usize,
    },
    /// The asset cannot be mined: not issued, or without a mining certificate (chain.md 6.5).
    #[error("the asset {0} cannot be mined")]
    AssetNotMinable(String),
    /// Nobody may extend the chain by such a block now (chain.md 8.1.3), or not at all.
    #[error("no such block may come next: {0}")]
    NotAllowed(TemplateRejection),
    /// The block would be refused even without transactions.
    #[error("the template breaks a rule: {0}")]
    Refused(TemplateRejection),
    /// The staked output does not exist or is spent, in a block or in the pool.
    #[error("the staked output does not exist or is spent")]
    StakeMissing,
    /// The staked output does not belong to the key.
    #[error("the staked output does not belong to the key")]
    StakeOwner,
    /// The stake does not entitle its owner now (chain.md 9.2).
    #[error("the stake does not entitle its owner: {0}")]
    Stake(StakeRuleError),
    /// A coinstake has this many inputs at least and at most.
    #[error("{found} inputs of a coinstake, 1 to {max} are allowed")]
    StakeInputs {
        /// Inputs found.
        found: usize,
        /// Limit.
        max: usize,
    },
    /// Our own failure.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl TemplateError {
    /// Returns the stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::CoinbaseData { .. } => "template.coinbase_data",
            Self::AssetNotMinable(_) => "template.asset_not_minable",
            Self::NotAllowed(error) | Self::Refused(error) => error.code(),
            Self::StakeMissing => "template.stake_missing",
            Self::StakeOwner => "template.stake_owner",
            Self::Stake(rule) => rule.code(),
            Self::StakeInputs { .. } => "template.stake_inputs",
            Self::Fault(_) => "fault",
        }
    }
}

/// Why a solution is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// No template that is remembered has this hash.
    #[error("there is no work {0}")]
    UnknownWork(SealHash),
    /// The chain has moved on since.
    #[error("the work {0} builds on a block that is the tip no more")]
    Stale(SealHash),
    /// The very same solution was submitted before.
    #[error("this solution was submitted before")]
    Duplicate,
}

impl SubmitError {
    /// Returns the stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownWork(_) => "work.unknown",
            Self::Stale(_) => "work.stale",
            Self::Duplicate => "work.duplicate",
        }
    }
}
