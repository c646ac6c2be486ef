//! Makes transactions and signs them.
//!
//! A signature does not cover the value of what it spends (chain.md 4.2): a node that names a smaller
//! one makes a wallet give the rest away as fee. So every coin comes with the transaction that made
//! it, whose id is computed here ([`ProvenCoin`]).

mod coin;
mod plan;
mod sign;

pub use coin::ProvenCoin;
pub use plan::{MAX_INPUTS, Plan, PlanRules, plan, select};
pub use sign::sign_inputs;

use mvs_primitives::amount::Amount;
use mvs_primitives::encode::DecodeError;
use mvs_primitives::input::OutPoint;

/// Why a transaction is not made or not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AssembleError {
    /// The transaction that should prove a coin is none.
    #[error("the transaction of {} is none: {error}", show(coin))]
    Proof {
        /// The coin.
        coin: OutPoint,
        /// What is wrong.
        error: DecodeError,
    },
    /// The transaction that should prove a coin is another one, or has no such output.
    #[error("the node names a coin {} that its transaction does not hold", show(coin))]
    NotThere {
        /// The coin.
        coin: OutPoint,
    },
    /// A coin that this wallet does not spend: another's, or one that carries more than ETP.
    #[error("{} is not plain ETP of {address}", show(coin), address = hex::encode(owner))]
    NotPlain {
        /// The coin.
        coin: OutPoint,
        /// Hash of the key that was to spend it.
        owner: [u8; 20],
    },
    /// One coin twice.
    #[error("{} is spent twice", show(coin))]
    Twice {
        /// The coin.
        coin: OutPoint,
    },
    /// There is not enough.
    #[error("{needed} units are needed, {found} are there")]
    TooLittle {
        /// Units that are spent and the fee.
        needed: Amount,
        /// Units of the coins.
        found: Amount,
    },
    /// A sum exceeds what can exist.
    #[error("a sum of amounts is too large")]
    Overflow,
    /// The fee is outside its limits.
    #[error("a fee of {found} units; it must be from {least} to {most}")]
    Fee {
        /// The fee.
        found: Amount,
        /// The least.
        least: Amount,
        /// The ceiling.
        most: Amount,
    },
    /// More inputs than one transaction takes.
    #[error("{found} inputs; at most {MAX_INPUTS} fit")]
    Inputs {
        /// Inputs.
        found: usize,
    },
    /// Nothing is spent or nothing is made.
    #[error("the transaction would do nothing")]
    Nothing,
}

impl AssembleError {
    /// Every code that [`AssembleError::code`] can give.
    pub const CODES: [&'static str; 9] = [
        "assemble.proof",
        "assemble.not_there",
        "assemble.not_plain",
        "assemble.twice",
        "assemble.too_little",
        "assemble.overflow",
        "assemble.fee",
        "assemble.inputs",
        "assemble.nothing",
    ];

    /// Returns the stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Proof { .. } => Self::CODES[0],
            Self::NotThere { .. } => Self::CODES[1],
            Self::NotPlain { .. } => Self::CODES[2],
            Self::Twice { .. } => Self::CODES[3],
            Self::TooLittle { .. } => Self::CODES[4],
            Self::Overflow => Self::CODES[5],
            Self::Fee { .. } => Self::CODES[6],
            Self::Inputs { .. } => Self::CODES[7],
            Self::Nothing => Self::CODES[8],
        }
    }

    /// Tells whether a node told something that is not true.
    pub const fn is_lie(&self) -> bool {
        matches!(self, Self::Proof { .. } | Self::NotThere { .. })
    }
}

/// Writes an outpoint as people do.
pub fn show(coin: &OutPoint) -> String {
    format!("{}:{}", coin.txid, coin.index)
}
