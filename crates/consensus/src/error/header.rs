//! Rules on headers.

use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::height::Height;

use super::rules;

rules! {
    /// A header that breaks a rule.
    pub enum HeaderRuleError {
        /// The version is 1 (work) or 2 (stake, where the network knows stake blocks).
        #[error("block version {found} is not accepted on this network")]
        #[rule("header.version", "chain.md 1.1, 8.1.2, 8.2", "genesis")]
        Version {
            /// Version of the header.
            found: u32,
        },
        /// A work block's ethash seal is right: the mix is the one that hashimoto gives.
        #[error("the ethash mix is not the one that this header and nonce give")]
        #[rule("header.seal_mix", "chain.md 1.4", "genesis")]
        SealMix,
        /// A work block's ethash seal is strong enough: the final hash is within the boundary.
        #[error("the ethash result is above the boundary of difficulty {bits}")]
        #[rule("header.seal_boundary", "chain.md 1.4", "genesis")]
        SealBoundary {
            /// Difficulty of the header.
            bits: Difficulty,
        },
        /// A work block's number belongs to an epoch that ethash can have.
        #[error("block number {number} is beyond the last ethash epoch")]
        #[rule("header.seal_epoch", "chain.md 1.5, 8.1", "genesis")]
        SealEpoch {
            /// Number of the header.
            number: Height,
        },
        /// The number is the parent's plus one. The reference does not ask (docs/decisions/0007).
        #[error("header number {found} on a parent of height {parent}")]
        #[rule("header.number", "chain.md 8.1", "genesis")]
        Number {
            /// Number of the header.
            found: Height,
            /// Height of the parent.
            parent: Height,
        },
        /// A block at a checkpoint height is the known one.
        #[error("the block at checkpoint height {height} must be {expected}")]
        #[rule("header.checkpoint", "chain.md 6.8, 8.1.4", "genesis")]
        Checkpoint {
            /// Height of the checkpoint.
            height: Height,
            /// Hash of the known block.
            expected: BlockHash,
        },
        /// The difficulty is the one that the retarget rule gives.
        #[error("difficulty {found}, but {required} is required")]
        #[rule("header.bits", "chain.md 6.6, 8.2", "genesis")]
        Bits {
            /// Difficulty of the header.
            found: Difficulty,
            /// Difficulty that the rule gives.
            required: Difficulty,
        },
        /// Time does not run back from parent to child.
        #[error("timestamp {found} is before the parent's {parent}")]
        #[rule("header.time_backwards", "chain.md 8.1.5", "1,030,000")]
        TimeBackwards {
            /// Timestamp of the header.
            found: u32,
            /// Timestamp of the parent.
            parent: u32,
        },
        /// There are no more than 60 work blocks in a row.
        #[error("{run} work blocks in a row, at most {max} are allowed")]
        #[rule("header.pow_run", "chain.md 8.1.3", "1,934,001")]
        PowRun {
            /// Length of the run with this block.
            run: u32,
            /// Longest run allowed.
            max: u32,
        },
        /// There are no more than 24 stake blocks in a row.
        #[error("{run} stake blocks in a row, at most {max} are allowed")]
        #[rule("header.pos_run", "chain.md 8.1.3", "1,934,001")]
        PosRun {
            /// Length of the run with this block.
            run: u32,
            /// Longest run allowed.
            max: u32,
        },
        /// Stake blocks begin with the stake era (docs/decisions/0008).
        #[error("a stake block at height {height}, before the stake era at {first}")]
        #[rule("header.stake_too_early", "chain.md 9.1", "genesis")]
        StakeTooEarly {
            /// Height of the block.
            height: Height,
            /// First height of the stake era.
            first: u32,
        },
    }
}

impl HeaderRuleError {
    /// Returns the stable code.
    pub const fn code(&self) -> &'static str {
        self.own_code()
    }
}

/// A header or block that cannot be judged now but may be later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotYet {
    /// The parent is not known.
    #[error("the parent {parent} is not known")]
    NoParent {
        /// Hash of the parent.
        parent: BlockHash,
    },
    /// The timestamp is too far ahead of the clock (chain.md 8.1.5).
    #[error("timestamp {timestamp} is more than {limit_secs} s ahead of the clock at {now}")]
    TooEarly {
        /// Timestamp of the header.
        timestamp: u32,
        /// Our clock.
        now: u64,
        /// How far ahead it may be.
        limit_secs: u32,
    },
}

impl NotYet {
    /// Every code that [`NotYet::code`] can give.
    pub const CODES: [&'static str; 2] = ["not_yet.no_parent", "not_yet.too_early"];

    /// Returns the stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoParent { .. } => "not_yet.no_parent",
            Self::TooEarly { .. } => "not_yet.too_early",
        }
    }
}
