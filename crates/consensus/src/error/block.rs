//! Rules on blocks.

use mvs_primitives::amount::Amount;
use mvs_primitives::hash::TxId;
use mvs_primitives::height::Height;

use super::rules;
use super::stake::StakeRuleError;
use super::tx::TxRuleError;
use crate::script::ScriptError;

rules! {
    /// A body that is not the one its header means. The header may be honest.
    pub enum BodyMismatch {
        /// The transactions hash to the header's merkle root.
        #[error("the transactions do not hash to the header's merkle root")]
        #[rule("body.merkle_root", "chain.md 2.3, 8.1.10", "genesis")]
        MerkleRoot,
        /// No transactions are repeated at the end of the list in a way that keeps the root.
        #[error("repeated transactions that leave the merkle root unchanged (CVE-2012-2459)")]
        #[rule("body.malleated", "chain.md 2.3, 8.1.8", "genesis")]
        Malleated,
        /// The signature fields are those of the header's version.
        #[error("the signature fields are not those of the header's version")]
        #[rule("body.proof_form", "chain.md 2.1", "genesis")]
        ProofForm,
        /// The body comes with the header that was asked for.
        #[error("the block comes with another header")]
        #[rule("body.header", "chain.md 2.1", "genesis")]
        Header,
        /// The stake block's signature is by the staker's key. No hash commits to the signature, so
        /// whoever relays the block can spoil it: a bad one says nothing about the header.
        #[error("the block signature is not by the staker's key")]
        #[rule("body.signature", "chain.md 2.1, 8.1.6", "stake era")]
        Signature,
    }
}

impl BodyMismatch {
    /// Returns the stable code.
    pub const fn code(&self) -> &'static str {
        self.own_code()
    }
}

rules! {
    /// A block that breaks a rule.
    pub enum BlockRuleError {
        /// There is at least one transaction.
        #[error("the block has no transactions")]
        #[rule("block.no_transactions", "chain.md 2.2, 8.1.1", "genesis")]
        NoTransactions,
        /// The nominal size is at most 1,000,000 bytes.
        #[error("the block counts {found} bytes, at most {max} are allowed")]
        #[rule("block.size", "chain.md 2.2, 8.1.1", "genesis")]
        Size {
            /// Nominal bytes.
            found: u64,
            /// Limit.
            max: u64,
        },
        /// All transaction ids are distinct.
        #[error("transaction {txid} stands in the block twice")]
        #[rule("block.duplicate_tx", "chain.md 2.2, 8.1.8", "genesis")]
        DuplicateTx {
            /// The repeated transaction.
            txid: TxId,
        },
        /// Legacy signature operations of inputs and outputs are at most 20,000.
        #[error("{found} signature operations, at most {max} are allowed")]
        #[rule("block.sigops", "chain.md 2.2, 4.5, 8.1.9", "genesis")]
        Sigops {
            /// Operations counted, at least.
            found: u64,
            /// Limit.
            max: u32,
        },
        /// The first transaction is a coinbase.
        #[error("the first transaction is not a coinbase")]
        #[rule("block.coinbase_missing", "chain.md 2.4.8", "genesis")]
        CoinbaseMissing,
        /// No coinbase comes after an ordinary transaction.
        #[error("transaction {index} is a coinbase after an ordinary transaction")]
        #[rule("block.coinbase_position", "chain.md 2.4.2", "genesis")]
        CoinbasePosition {
            /// Index in the block.
            index: usize,
        },
        /// A coinstake stands only at index 1 of a stake block.
        #[error("transaction {index} is a coinstake where none is allowed")]
        #[rule("block.coinstake_position", "chain.md 2.4.1", "genesis")]
        CoinstakePosition {
            /// Index in the block.
            index: usize,
        },
        /// A stake block has a coinstake.
        #[error("the stake block has no coinstake")]
        #[rule("block.coinstake_missing", "chain.md 2.4.8, 9.2.1", "stake era")]
        CoinstakeMissing,
        /// Every coinbase has an output, and its first carries only coin.
        #[error("output 0 of coinbase {index} is missing or carries an attachment")]
        #[rule("block.coinbase_first_output", "chain.md 2.4.3", "genesis")]
        CoinbaseFirstOutput {
            /// Index in the block.
            index: usize,
        },
        /// The first coinbase has one output, or a second one that is an asset transfer.
        #[error("the coinbase has {outputs} outputs, or a second one that is no asset transfer")]
        #[rule("block.coinbase_outputs", "chain.md 2.4.4", "genesis")]
        CoinbaseOutputs {
            /// Number of outputs.
            outputs: usize,
        },
        /// Every extra coinbase has exactly one output.
        #[error("extra coinbase {index} has {outputs} outputs instead of one")]
        #[rule("block.extra_coinbase_outputs", "chain.md 2.4.6", "genesis")]
        ExtraCoinbaseOutputs {
            /// Index in the block.
            index: usize,
            /// Number of outputs.
            outputs: usize,
        },
        /// Every coinbase script begins with the pushed height.
        #[error("the script of coinbase {index} does not begin with the push of height {height}")]
        #[rule("block.coinbase_height", "chain.md 2.4.7", "1")]
        CoinbaseHeight {
            /// Index in the block.
            index: usize,
            /// Height of the block.
            height: Height,
        },
        /// The first stake block's genesis transaction pays the foundation exactly.
        #[error("output {output} of the stake genesis transaction is not the prescribed one")]
        #[rule("block.pos_genesis", "chain.md 9.3", "stake era")]
        PosGenesis {
            /// Index of the wrong output; the number of outputs when that is wrong.
            output: usize,
        },
        /// The first input of a coinstake shows the staker's public key.
        #[error("the coinstake's first input shows no public key")]
        #[rule("block.stake_key", "chain.md 8.1.6", "stake era")]
        StakeKey,
        /// The supply of an asset stays within 64 bits, over all issues of a block.
        #[error("the issues of the block take an asset's supply beyond 64 bits")]
        #[rule("block.supply_overflow", "chain.md 7.6.5", "genesis")]
        SupplyOverflow,
        /// No transaction repeats the id of one with unspent outputs (docs/decisions/0009).
        #[error("transaction {txid} already exists and has unspent outputs")]
        #[rule("block.tx_exists", "chain.md 8.3.1, BIP-0030", "genesis")]
        TxExists {
            /// The repeated transaction.
            txid: TxId,
        },
        /// Every deposit is followed by its reward coinbase: same address, same lock, exact amount.
        #[error("deposit {number} of the block lacks its exact reward coinbase")]
        #[rule("block.deposit_reward", "chain.md 6.4, 8.3.2", "genesis, until 1,924,000")]
        DepositReward {
            /// Which deposit, counted from 0.
            number: usize,
        },
        /// Every extra coinbase belongs to a deposit. The reference does not ask
        /// (docs/decisions/0006).
        #[error("{coinbases} extra coinbases for {deposits} deposits")]
        #[rule("block.extra_coinbase", "chain.md 2.4 QUIRK", "genesis")]
        ExtraCoinbase {
            /// Extra coinbases in the block.
            coinbases: usize,
            /// Deposit outputs in the block.
            deposits: usize,
        },
        /// Signature operations in redeem scripts are at most 20,000.
        #[error("{found} signature operations in redeem scripts, at most {max} are allowed")]
        #[rule("block.p2sh_sigops", "chain.md 2.2, 4.5, 8.3.3", "genesis")]
        P2shSigops {
            /// Operations counted, at least.
            found: u64,
            /// Limit.
            max: u32,
        },
        /// A redeem script can be taken apart.
        #[error("a redeem script of transaction {index} does not parse")]
        #[rule("block.redeem_script", "chain.md 4.5", "genesis")]
        RedeemScript {
            /// Index in the block.
            index: usize,
        },
        /// The first coinbase takes at most the subsidy and the fees.
        #[error("the coinbase takes {found} units, at most {max} are allowed")]
        #[rule("block.coinbase_value", "chain.md 6.3, 8.3.4", "genesis")]
        CoinbaseValue {
            /// Units taken.
            found: Amount,
            /// Subsidy plus fees.
            max: Amount,
        },
        /// A minted asset exists and has a mining certificate.
        #[error("the coinbase mints an asset that has no mining certificate")]
        #[rule("block.asset_reward_unknown", "chain.md 6.5, 8.3.5", "stake era")]
        AssetRewardUnknown,
        /// A minted asset quantity is at most what its certificate allows.
        #[error("the coinbase mints {found} units of an asset, at most {max} are allowed")]
        #[rule("block.asset_reward_amount", "chain.md 6.5, 8.3.5", "stake era")]
        AssetRewardAmount {
            /// Units minted.
            found: u64,
            /// Units allowed.
            max: u64,
        },
        /// An output is spent at most once in a block.
        #[error("transaction {index} spends an output that the block already spends")]
        #[rule("block.double_spend", "chain.md 8.3.3", "genesis")]
        DoubleSpend {
            /// Index of the second spender.
            index: usize,
        },
        /// No two issues of one asset in a block.
        #[error("transaction {index} issues an asset that the block already issues")]
        #[rule("block.unique_asset", "chain.md 3.6", "genesis")]
        UniqueAsset {
            /// Index of the second one.
            index: usize,
        },
        /// No two outputs for one certificate in a block.
        #[error("transaction {index} touches a certificate that the block already touches")]
        #[rule("block.unique_cert", "chain.md 3.6", "genesis")]
        UniqueCert {
            /// Index of the second one.
            index: usize,
        },
        /// No two outputs for one unique item in a block.
        #[error("transaction {index} touches a unique item that the block already touches")]
        #[rule("block.unique_mit", "chain.md 3.6", "genesis")]
        UniqueMit {
            /// Index of the second one.
            index: usize,
        },
        /// No two outputs for one identity, or for one identity address, in a block.
        #[error("transaction {index} touches an identity or its address a second time")]
        #[rule("block.unique_did", "chain.md 3.6", "genesis")]
        UniqueDid {
            /// Index of the second one.
            index: usize,
        },
        /// The fees of a block add up to at most the money limit.
        #[error("the fees of the block do not add up to a valid amount")]
        #[rule("block.fee_sum", "chain.md 7.10.5, 8.3.4", "genesis")]
        FeeSum,
        /// Every stake block obeys the stake rules.
        #[error("stake: {0}")]
        #[rule("block.stake.*", "chain.md 9.2", "stake era")]
        Stake(StakeRuleError),
        /// Every transaction obeys the transaction rules.
        #[error("transaction {index} ({txid}): {error}")]
        #[rule("block.tx.*", "chain.md 7, 8.3.6", "genesis")]
        Tx {
            /// Index in the block.
            index: usize,
            /// Id of the transaction.
            txid: TxId,
            /// The rule that it breaks.
            error: Box<TxRuleError>,
        },
        /// Every input satisfies the script of the output that it spends.
        #[error("transaction {index}, input {input}: {error}")]
        #[rule("block.script.*", "chain.md 4, 7.10.4", "genesis")]
        Script {
            /// Index in the block.
            index: usize,
            /// Index of the input.
            input: usize,
            /// What the script engine says.
            error: ScriptError,
        },
    }
}

impl BlockRuleError {
    /// Returns the stable code of the rule that is broken: for a transaction, script or stake the
    /// inner one.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Tx { error, .. } => error.code(),
            Self::Script { error, .. } => error.code(),
            Self::Stake(error) => error.code(),
            other => other.own_code(),
        }
    }
}
