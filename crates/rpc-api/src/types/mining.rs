//! Work for miners.

use super::{params, shapes};

params! { optional
    /// Whom the block shall pay.
    pub struct MiningTemplateParams {
        /// Address; the configured one when left out.
        pub address: String,
        /// Free bytes for the coinbase, as hex.
        pub data: String,
        /// An asset that is mined beside coin.
        pub asset: String,
    }
    /// Over how many blocks.
    pub struct MiningInfoParams {
        /// Blocks that the estimate of the hash rate looks at, 1 to 10000; 120 when left out.
        pub blocks: u32,
    }
}

params! {
    /// A solution.
    pub struct MiningSubmitParams {
        /// Name of the work: its seal hash.
        pub work: String,
        /// The nonce, 16 hex digits.
        pub nonce: String,
        /// The mix.
        pub mix_hash: String,
    }
    /// A block.
    pub struct RawBlockParams {
        /// Its bytes.
        pub block: String,
    }
}

shapes! {
    /// Work.
    pub struct MiningTemplate {
        /// Name of the work: the hash that is to be sealed.
        pub work: String,
        /// Epoch seed of ethash.
        pub seed: String,
        /// The seal must not be above this number, 64 hex digits.
        pub boundary: String,
        /// Height of the block.
        pub height: u32,
        /// The block that it builds on.
        pub previous: String,
        /// Difficulty, as decimal text.
        pub bits: String,
        /// Time of the header.
        pub timestamp: u32,
        /// Transactions, coinbases included.
        pub transactions: u32,
        /// Fees that the block collects, in base units.
        pub fees: u64,
    }
    /// What became of a block.
    pub struct BlockVerdict {
        /// Its hash.
        pub hash: String,
        /// It is part of the chain; else it is kept on a side branch.
        pub is_on_chain: bool,
    }
    /// What miners want to know.
    pub struct MiningInfo {
        /// Height of the tip.
        pub height: u32,
        /// Difficulty of the latest work block, as decimal text.
        pub bits: String,
        /// Hashes a second of all miners of work blocks together, as the last blocks suggest.
        pub hashrate: u64,
        /// Blocks that the estimate looked at.
        pub blocks: u32,
        /// Transactions that wait.
        pub mempool: u64,
        /// The node has caught up, so work is worth while.
        pub is_synced: bool,
    }
}
