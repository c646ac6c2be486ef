//! Stake blocks, for owners who keep their keys to themselves.

use super::{params, shapes};

params! {
    /// Whose stake it is.
    pub struct StakeStatusParams {
        /// The address that stakes.
        pub address: String,
        ?
        /// Stake blocks that the estimate of the network's weight looks at, 1 to 1000; 100 when left out.
        pub blocks: u32,
    }
    /// What is to be staked.
    pub struct StakeTemplateParams {
        /// Compressed public key of the coins' owner, 66 hex digits. The same key signs the block.
        pub public_key: String,
        ?
        /// Outputs, each as TXID:INDEX, at most 10. The first is staked, the others are joined with it. When left out the node takes the heaviest that may be staked, which needs the index.
        pub inputs: Vec<String>,
        /// The coins come back in two outputs; in one when left out.
        pub split: bool,
        /// Address for subsidy and fees; that of the key when left out.
        pub payout: String,
    }
    /// A stake block, as far as its owner made it.
    pub struct StakeSubmitParams {
        /// Name of the template.
        pub template: String,
        /// The signed coinstake.
        pub coinstake: String,
        /// Time of the header.
        pub timestamp: u32,
        /// Signature of the block, 64 bytes as blocks carry it.
        pub signature: String,
    }
}

shapes! {
    /// How somebody's stake does.
    pub struct StakeStatus {
        /// Hash of the tip.
        pub tip: String,
        /// Height of the tip.
        pub height: u32,
        /// First height of the stake era.
        pub era_height: u32,
        /// The next block may be a stake block, as far as the era and the limit of runs go.
        pub is_open: bool,
        /// The node has caught up.
        pub is_synced: bool,
        /// Difficulty of the next stake block, as decimal text.
        pub bits: String,
        /// A deposit of the address entitles it to make the next block.
        pub is_entitled: bool,
        /// Last height for which a deposit of the address entitles it; absent without one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub entitled_until: Option<u32>,
        /// Locked outputs of the address that do or will entitle it, at most 100.
        pub deposits: Vec<StakeDeposit>,
        /// The coins that may be staked; absent when the node keeps no index.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub coins: Option<StakeCoins>,
        /// What a stake needs on this chain.
        pub needs: StakeNeeds,
        /// Weight of all who stake together, as the latest stake blocks suggest; 0 when there are none.
        pub network_weight: u64,
        /// Stake blocks that the estimate looked at.
        pub blocks: u32,
        /// Seconds until the address finds a block on the average; absent when it cannot.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub expected_secs: Option<u64>,
    }
    /// A locked output.
    pub struct StakeDeposit {
        /// Transaction.
        pub txid: String,
        /// Output.
        pub index: u32,
        /// Base units.
        pub value: u64,
        /// Height of its block.
        pub height: u32,
        /// First height for which it entitles.
        pub first: u32,
        /// Last height for which it entitles.
        pub last: u32,
    }
    /// The plain coins of an address, by what staking makes of them.
    pub struct StakeCoins {
        /// Outputs that may be staked in the next block.
        pub mature: u32,
        /// Their base units.
        pub mature_value: u64,
        /// Their weights together.
        pub weight: u64,
        /// Outputs that are too young or still locked.
        pub immature: u32,
        /// Their base units.
        pub immature_value: u64,
        /// Outputs that are too small.
        pub small: u32,
        /// Their base units.
        pub small_value: u64,
        /// There are more outputs than were looked at.
        pub has_more: bool,
    }
    /// What a stake needs.
    pub struct StakeNeeds {
        /// Least base units of a staked output.
        pub value: u64,
        /// Blocks of age of a staked output, at the present difficulty.
        pub age: u32,
        /// Least base units of a deposit.
        pub deposit_value: u64,
        /// Least blocks of a deposit's lock.
        pub deposit_lock: u32,
        /// Blocks until a deposit entitles.
        pub deposit_age: u32,
        /// Blocks before the end of its lock at which a deposit stops to entitle.
        pub deposit_gap: u32,
    }
    /// A stake block that lacks time and signatures.
    pub struct StakeTemplate {
        /// Name of the template, for `stake_submit`.
        pub template: String,
        /// Height of the block.
        pub height: u32,
        /// The block that it builds on.
        pub previous: String,
        /// The header, 148 bytes; time and merkle root are to be set.
        pub header: String,
        /// Difficulty, as decimal text.
        pub bits: String,
        /// A kernel must not be above this number (64 hex digits) times the weight.
        pub target: String,
        /// Weight of the staked output.
        pub weight: u64,
        /// First time that is allowed.
        pub first_timestamp: u32,
        /// Last time that nodes would take now; one more with each second.
        pub last_timestamp: u32,
        /// The coinstake; its inputs are to be signed.
        pub coinstake: String,
        /// What it spends, in the order of its inputs.
        pub spent: Vec<SpentCoin>,
        /// The coinbase, which pays subsidy and fees.
        pub coinbase: String,
        /// Ids of all transactions in their order, from the coinbase on. The second stands for the coinstake, whose id follows from its signatures.
        pub txids: Vec<String>,
        /// Fees that the coinbase collects, in base units.
        pub fees: u64,
        /// What may be staked on this tip, heaviest first, at most 1000; all the same header serves to search for a time. Only the staked output when it was named.
        pub coins: Vec<StakeCoin>,
    }
    /// An output that a coinstake spends.
    pub struct SpentCoin {
        /// Transaction.
        pub txid: String,
        /// Output.
        pub index: u32,
        /// Height of its block.
        pub height: u32,
        /// The output's bytes.
        pub output: String,
    }
    /// An output that may be staked.
    pub struct StakeCoin {
        /// Transaction.
        pub txid: String,
        /// Output.
        pub index: u32,
        /// Base units.
        pub value: u64,
        /// Weight.
        pub weight: u64,
    }
}
