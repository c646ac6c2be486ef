//! Every number of the rules, as data (chain.md sections 5, 6 and 9).
//!
//! A network is a [`Params`] value. Forks are values that answer one question, checkpoints are a
//! list, and rules never compare heights with literals.

use mvs_primitives::address::{Address, AddressFormat};
use mvs_primitives::amount::Amount;
use mvs_primitives::block::Block;
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::height::Height;

pub mod chain_spec;
pub mod genesis;
mod networks;
mod validate;

/// When a rule holds. Ask [`Fork::is_active`]; do not read the number.
///
/// Some rules look at the height of the block in question, others at the height of the chain's tip
/// before it (`TIP` in chain.md). Each field that is a fork says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fork {
    /// From the first block on.
    Always,
    /// From this height on, the height included.
    From(u32),
    /// Never.
    Never,
}

impl Fork {
    /// Tells whether the rule holds at a height.
    pub const fn is_active(self, height: Height) -> bool {
        match self {
            Self::Always => true,
            Self::From(first) => height.value() >= first,
            Self::Never => false,
        }
    }
}

/// A block that is known to be part of the chain (chain.md 6.8), or to be accepted although it
/// breaks a rule (chain.md 6.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownBlock {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: BlockHash,
}

/// How the difficulty of work blocks is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowDifficulty {
    /// The same at every height (private chains).
    Fixed(Difficulty),
    /// Retargeted (chain.md 6.6), never below this.
    Retarget {
        /// The least difficulty.
        min: Difficulty,
    },
}

/// Numbers of the retarget formulas (chain.md 6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetargetParams {
    /// First formula: at or beyond this many seconds after the last block the difficulty falls.
    pub v1_target_secs: u32,
    /// First formula: one step is the difficulty divided by this.
    pub v1_step_divisor: u32,
    /// Second formula: one step is the difficulty divided by this.
    pub v2_step_divisor: u32,
    /// Second formula: seconds of one unit of the interval.
    pub v2_interval_unit_secs: i32,
    /// Second formula, work blocks: steps at an interval of zero.
    pub v2_pow_offset: i32,
    /// Second formula, stake blocks: steps at an interval of zero.
    pub v2_pos_offset: i32,
    /// Second formula: the fewest steps.
    pub v2_min_steps: i32,
}

/// Numbers of the subsidy (chain.md 6.3). The protocol evaluates them as IEEE-754 doubles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SubsidyParams {
    /// Blocks in one bucket; the subsidy decays from bucket to bucket.
    pub bucket_blocks: u32,
    /// Decay from one bucket to the next.
    pub decay: f64,
    /// Work blocks: coins in bucket 0, and the cap of the second formula.
    pub pow_base: f64,
    /// Work blocks, second formula: base from [`SubsidyParams::pow_late_from_bucket`] on.
    pub pow_late_base: f64,
    /// First bucket that uses the late base.
    pub pow_late_from_bucket: u32,
    /// Stake blocks: coins in bucket 0, and the cap.
    pub pos_base: f64,
}

/// One deposit period (chain.md 6.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DepositPeriod {
    /// Lock in blocks.
    pub lock_height: u32,
    /// Reward per 10^8 units of value.
    pub rate: u64,
}

/// Numbers of the stake rules (chain.md 9.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StakeParams {
    /// Least difficulty of a stake block.
    pub min_difficulty: Difficulty,
    /// Blocks that a stake deposit must be old (`vote_maturity`).
    pub vote_maturity: u32,
    /// Least value of a stake deposit.
    pub deposit_min_value: Amount,
    /// Least height lock of a stake deposit in blocks.
    pub deposit_min_lock: u32,
    /// A deposit stops to entitle this many blocks before its lock ends.
    pub deposit_gap: u32,
    /// Least value of the staked output.
    pub stake_min_value: Amount,
    /// Least age of the staked output in blocks.
    pub min_age: u32,
    /// Upper end of the age curve in blocks (1000).
    pub age_scale: u32,
    /// Difficulty that is one unit of the age curve (10^8).
    pub age_divisor: u64,
    /// Factor of the stake weight (30).
    pub weight_factor: u64,
    /// Longest run of work blocks.
    pub max_pow_run: u32,
    /// Longest run of stake blocks.
    pub max_pos_run: u32,
    /// The run limits hold above this height.
    pub run_limits_above: Height,
}

/// Which stake blocks count as coming "before any stake block" (chain.md 9.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PosGenesisRule {
    /// Blocks up to this height, whatever came before (main network).
    UpTo(Height),
    /// Blocks without an earlier stake block above the stake height.
    FirstInChain,
}

/// Numbers of the first stake block (chain.md 9.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PosGenesisParams {
    /// When the rule applies.
    pub rule: PosGenesisRule,
    /// What the foundation receives.
    pub reward: Amount,
    /// How many witness certificates follow.
    pub witness_certs: u32,
}

/// Rules in which this node is stricter than the chain's first node (docs/decisions). Each is on
/// for every network; switching one off serves only to reproduce recorded verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strictness {
    /// Each extra coinbase must belong to a deposit output (chain.md 2.4, QUIRK).
    pub matched_extra_coinbases: bool,
    /// The header's number must be its height (chain.md 8.1).
    pub header_number: bool,
    /// Sums of asset quantities must not wrap around (chain.md 7.6, 7.10.7).
    pub asset_sums: bool,
    /// The certificates of the stake genesis transaction carry no coin (chain.md 9.3).
    pub empty_genesis_certs: bool,
}

impl Strictness {
    /// Everything on: what every network uses.
    pub const STRICT: Self = Self {
        matched_extra_coinbases: true,
        header_number: true,
        asset_sums: true,
        empty_genesis_certs: true,
    };
    /// Everything off: what the chain's first node does.
    pub const REFERENCE: Self = Self {
        matched_extra_coinbases: false,
        header_number: false,
        asset_sums: false,
        empty_genesis_certs: false,
    };
}

/// What transactions cost (chain.md 6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeeParams {
    /// Least fee of an ordinary transaction; consensus.
    pub min_fee: Amount,
    /// Least total fee of an asset issue; policy only.
    pub asset_issue: Amount,
    /// Least total fee of an identity registration; policy only.
    pub did_register: Amount,
    /// Least share of a special fee that goes to the miner, in percent; policy only.
    pub miner_percent: u8,
}

/// Limits on sizes and counts (chain.md 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitParams {
    /// Nominal bytes of a block.
    pub block_bytes: u64,
    /// Nominal bytes of a transaction.
    pub tx_bytes: u64,
    /// Signature operations of a block, for each of the two counts.
    pub block_sigops: u32,
}

/// Numbers of the witness certificates (chain.md 7.7 A 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WitnessParams {
    /// How many unexpired secondary certificates a primary one may have.
    pub max_secondary: u32,
    /// Blocks after which a secondary certificate expires.
    pub expiry_blocks: u32,
}

/// All rules' numbers of one network.
#[derive(Debug, Clone, PartialEq)]
pub struct Params {
    /// Name of the network.
    pub name: String,
    /// Message magic as a u32; its little-endian bytes are on the wire.
    pub magic: u32,
    /// Port for peers.
    pub p2p_port: u16,
    /// Hosts (`host:port`) that tell about peers. May be empty.
    pub seeds: Vec<String>,
    /// Version bytes of addresses and keys.
    pub addresses: AddressFormat,
    /// The first block; its seal is not checked.
    pub genesis: Block,
    /// Known blocks in ascending order, genesis first. Blocks at or below the last one are
    /// connected without script checks and transaction rules (chain.md 6.8).
    pub checkpoints: Vec<KnownBlock>,
    /// Blocks that are accepted although they break a rule that needs the state (chain.md 6.10). The
    /// body must still be the one that the header means (docs/decisions/0016).
    pub exceptions: Vec<KnownBlock>,
    /// Whom the stake-era genesis transaction pays.
    pub foundation: Address,
    /// Whom the community share of special fees pays.
    pub developer_community: Address,

    /// The most coin that can exist, and the most that an output or a sum may hold.
    pub max_money: Amount,
    /// Blocks before a coinbase may be spent.
    pub coinbase_maturity: u32,
    /// Size limits.
    pub limits: LimitParams,
    /// Fees.
    pub fees: FeeParams,
    /// Seconds from one block to the next that the chain aims at; information for people.
    pub target_spacing_secs: u32,

    /// Before [`Params::strict_time`]: how far ahead of the clock a block may be, in seconds.
    pub loose_future_secs: u32,
    /// By header number: time may not run back, and the tighter future limit holds.
    pub strict_time: Fork,
    /// From [`Params::strict_time`] on: how far ahead of the clock a block may be, in seconds.
    pub strict_future_secs: u32,
    /// The same from [`Params::pos_enabled_height`] on.
    pub pos_future_secs: u32,

    /// By tip: transactions of version 4 are allowed.
    pub version_4_allowed: Fork,
    /// By tip: version 4 is the only one.
    pub version_4_required: Fork,
    /// Transactions of version 3 are allowed (test network only).
    pub version_3_allowed: bool,
    /// Identity names are checked for sensitive words (all networks but the test network).
    pub did_word_check: bool,
    /// By tip: outputs with a sequence lock are allowed.
    pub sequence_locks_allowed: Fork,

    /// The stake era (`MPC1`) begins: by height for difficulty, subsidy, locktime and future limit;
    /// by tip for deposits and mining certificates.
    pub pos_enabled_height: u32,
    /// Stake blocks are allowed at all.
    pub pos_allowed: bool,
    /// Difficulty of work blocks.
    pub pow_difficulty: PowDifficulty,
    /// Numbers of the retarget formulas.
    pub retarget: RetargetParams,
    /// Numbers of the subsidy.
    pub subsidy: SubsidyParams,
    /// Deposit periods, shortest first.
    pub deposits: Vec<DepositPeriod>,
    /// Stake rules.
    pub stake: StakeParams,
    /// The first stake block.
    pub pos_genesis: PosGenesisParams,
    /// Witness certificates.
    pub witness: WitnessParams,
    /// Where this node is stricter than the chain's first node.
    pub strictness: Strictness,
}

impl Params {
    /// Returns the height of the last checkpoint.
    pub fn last_checkpoint(&self) -> Height {
        self.checkpoints.last().map_or(Height::GENESIS, |known| known.height)
    }

    /// Returns the hash that a block at a checkpoint height must have.
    pub fn checkpoint_at(&self, height: Height) -> Option<&BlockHash> {
        self.checkpoints.iter().find(|known| known.height == height).map(|known| &known.hash)
    }

    /// Returns how many seconds ahead of the clock a block may be (chain.md 8.1, rule 5).
    pub const fn future_limit_secs(&self, number: Height) -> u32 {
        if !self.strict_time.is_active(number) {
            self.loose_future_secs
        } else if self.is_pos_era(number) {
            self.pos_future_secs
        } else {
            self.strict_future_secs
        }
    }

    /// Tells whether the stake era has begun at a height (of a block or of a tip, as the rule says).
    pub const fn is_pos_era(&self, height: Height) -> bool {
        height.value() >= self.pos_enabled_height
    }
}
