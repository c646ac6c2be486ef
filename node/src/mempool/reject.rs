//! Why a transaction does not enter the pool, and for how long that holds.

use mvs_consensus::error::{Rejection, TxRuleError};
use mvs_consensus::script::ScriptError;
use mvs_consensus::tx::PoolConflict;
use mvs_primitives::amount::Amount;
use mvs_primitives::hash::TxId;
use mvs_primitives::input::OutPoint;

use super::rate::FeeRate;

mod cache;

pub(super) use cache::RejectCache;

/// For how long a rejection holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Holds {
    /// Until the tip moves or the pool changes: a lock that has not run out, a full pool.
    Tip,
    /// As long as no block is taken back: a name that is taken.
    Chain,
    /// For ever: nothing that happens makes this transaction valid.
    Always,
    /// As long as the operator's settings stay: another node may well take it, and a block with it
    /// is good.
    Policy,
}

impl Holds {
    /// Returns the word that logs and RPC use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tip => "tip",
            Self::Chain => "chain",
            Self::Always => "always",
            Self::Policy => "policy",
        }
    }
}

/// The answer to a transaction that is not taken: a [`Reject`], or a fault of ours.
pub type AcceptError = Rejection<Reject>;

macro_rules! rejects {
    ($($(#[doc = $doc:literal])+ #[error($($message:tt)*)] #[reject($code:literal, $holds:ident)]
        $variant:ident $( { $($fields:tt)* } )?,)+) => {
        /// Why a transaction does not enter the pool.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        pub enum Reject {
            /// It breaks a rule of the chain.
            #[error(transparent)]
            Rule(TxRuleError),
            /// The scripts of an input do not allow the spend.
            #[error("input {input}: {error}")]
            Script {
                /// Index of the input.
                input: usize,
                /// What the scripts said.
                error: ScriptError,
            },
            /// The pool holds a transaction that claims the same name (chain.md 7.12).
            #[error(transparent)]
            Conflict(PoolConflict),
            /// It was refused before, and that still holds.
            #[error("refused before: {code}")]
            Cached {
                /// The code of that time.
                code: &'static str,
                /// For how long it holds.
                holds: Holds,
            },
            $($(#[doc = $doc])+ #[error($($message)*)] $variant $( { $($fields)* } )?,)+
        }

        impl Reject {
            /// The codes of the pool's own reasons, beside those of the rules (`tx.*`), of scripts
            /// (`script.*`) and of [`PoolConflict::CODES`].
            pub const CODES: &'static [&'static str] = &[$($code),+];

            /// Returns the stable code.
            pub const fn code(&self) -> &'static str {
                match self {
                    Self::Rule(rule) => rule.code(),
                    Self::Script { error, .. } => error.code(),
                    Self::Conflict(conflict) => conflict.code(),
                    Self::Cached { code, .. } => code,
                    $(Self::$variant { .. } => $code,)+
                }
            }

            /// Returns for how long it holds.
            pub const fn holds(&self) -> Holds {
                match self {
                    Self::Rule(rule) => rule_holds(rule),
                    Self::Script { .. } => Holds::Always,
                    Self::Conflict(_) => Holds::Tip,
                    Self::Cached { holds, .. } => *holds,
                    $(Self::$variant { .. } => Holds::$holds,)+
                }
            }
        }
    };
}

rejects! {
    /// The pool holds it.
    #[error("the transaction is already in the pool")]
    #[reject("pool.known", Tip)]
    Known,
    /// A block holds it.
    #[error("the transaction is already in the chain")]
    #[reject("pool.confirmed", Chain)]
    Confirmed,
    /// Another transaction of the pool spends the same output.
    #[error("{previous} is spent by transaction {holder} of the pool")]
    #[reject("pool.double_spend", Tip)]
    DoubleSpend {
        /// The output.
        previous: OutPoint,
        /// Who spends it.
        holder: TxId,
    },
    /// It names an output that its parent in the pool does not have.
    #[error("input {input}: transaction {} has no output {}", .previous.txid, .previous.index)]
    #[reject("pool.no_such_output", Always)]
    NoSuchOutput {
        /// Index of the input.
        input: usize,
        /// The output.
        previous: OutPoint,
    },
    /// It claims one name twice, which no block may (chain.md 3.6).
    #[error("the transaction touches one certificate twice")]
    #[reject("pool.claims_twice", Always)]
    ClaimsTwice,
    /// The redeem script of an input ends inside a push, which no block may hold (chain.md 4.5).
    #[error("the redeem script of input {input} ends inside a push")]
    #[reject("pool.redeem_script", Always)]
    RedeemScript {
        /// Index of the input.
        input: usize,
    },
    /// Together with other secondary issues of the pool it takes a supply beyond 64 bits.
    #[error("secondary issues of the pool together take the supply beyond 64 bits")]
    #[reject("pool.supply_overflow", Tip)]
    SupplyOverflow,
    /// An input waits for time to pass since an output that is in no block yet.
    #[error("input {input} counts time from an output that is in no block yet")]
    #[reject("pool.unconfirmed_time_lock", Tip)]
    UnconfirmedTimeLock {
        /// Index of the input.
        input: usize,
    },
    /// It is larger than this node relays.
    #[error("{found} bytes, at most {max} are relayed")]
    #[reject("pool.size", Policy)]
    Size {
        /// Bytes.
        found: u64,
        /// Limit.
        max: u64,
    },
    /// An output script is none of the usual forms of payment.
    #[error("output {output} has no usual form of payment")]
    #[reject("pool.output_form", Policy)]
    OutputForm {
        /// Index of the output.
        output: usize,
    },
    /// An input script does more than push, or is longer than usual forms need.
    #[error("the script of input {input} has no usual form")]
    #[reject("pool.input_form", Policy)]
    InputForm {
        /// Index of the input.
        input: usize,
    },
    /// An input spends an output without a usual form, or with an unusual redeem script.
    #[error("input {input} spends an output without a usual form")]
    #[reject("pool.spent_form", Policy)]
    SpentForm {
        /// Index of the input.
        input: usize,
    },
    /// More signature operations than this node relays.
    #[error("{found} signature operations, at most {max} are relayed")]
    #[reject("pool.sigops", Policy)]
    Sigops {
        /// Operations of either count.
        found: u32,
        /// Limit.
        max: u32,
    },
    /// Verifying it would hash more bytes than this node is willing to (chain.md 4.2: each input
    /// hashes the whole transaction).
    #[error("verification would hash {found} bytes, at most {max} are allowed")]
    #[reject("pool.hash_cost", Policy)]
    HashCost {
        /// Bytes.
        found: u64,
        /// Limit.
        max: u64,
    },
    /// An output holds less coin than spending it costs.
    #[error("output {output} holds {found} units, at least {min} are needed")]
    #[reject("pool.dust", Policy)]
    Dust {
        /// Index of the output.
        output: usize,
        /// Units found.
        found: Amount,
        /// Units needed.
        min: Amount,
    },
    /// The fee is below this node's least rate.
    #[error("a fee of {found} units, at least {min} are needed for this size")]
    #[reject("pool.fee_rate", Policy)]
    FeeRate {
        /// Units paid.
        found: Amount,
        /// Units needed.
        min: Amount,
    },
    /// An asset issue or the registration of an identity pays too little (chain.md 6.7).
    #[error("{found} units for an issue or registration, at least {min} are needed")]
    #[reject("pool.special_fee", Policy)]
    SpecialFee {
        /// Fee and community share together.
        found: Amount,
        /// Units needed.
        min: Amount,
    },
    /// Too little of the fee of an issue or registration goes to the miner (chain.md 6.7).
    #[error("{percent} % of the special fee go to the miner, at least {min} % are needed")]
    #[reject("pool.miner_share", Policy)]
    MinerShare {
        /// Percent.
        percent: u64,
        /// Percent needed.
        min: u64,
    },
    /// The pool was full lately, and transactions that paid more had to go.
    #[error("the fee rate is below {floor}, what the full pool asks at the moment")]
    #[reject("pool.fee_floor", Tip)]
    FeeFloor {
        /// The rate that is asked.
        floor: FeeRate,
    },
    /// The pool is full of transactions that pay more.
    #[error("the pool is full of transactions that pay more")]
    #[reject("pool.full", Tip)]
    Full,
    /// It depends on too many transactions that are in no block yet.
    #[error("it would be number {found} of a chain of unconfirmed transactions, at most {max} are allowed")]
    #[reject("pool.ancestors", Tip)]
    Ancestors {
        /// Transactions, this one included.
        found: u32,
        /// Limit.
        max: u32,
    },
    /// The transactions that it depends on, and itself, are too large.
    #[error("with what it depends on it has {found} bytes, at most {max} are allowed")]
    #[reject("pool.ancestor_bytes", Tip)]
    AncestorBytes {
        /// Bytes.
        found: u64,
        /// Limit.
        max: u64,
    },
    /// A transaction of the pool would get too many that depend on it.
    #[error("{found} transactions would depend on {ancestor}, at most {max} are allowed")]
    #[reject("pool.descendants", Tip)]
    Descendants {
        /// The transaction.
        ancestor: TxId,
        /// Transactions, the ancestor included.
        found: u32,
        /// Limit.
        max: u32,
    },
    /// A transaction of the pool would get too large a following.
    #[error("with its following {ancestor} would have {found} bytes, at most {max} are allowed")]
    #[reject("pool.descendant_bytes", Tip)]
    DescendantBytes {
        /// The transaction.
        ancestor: TxId,
        /// Bytes.
        found: u64,
        /// Limit.
        max: u64,
    },
}

impl Reject {
    /// Tells whether nothing but this node's choice speaks against the transaction. Nobody is to be
    /// blamed for sending it.
    pub const fn is_policy(&self) -> bool {
        !matches!(self, Self::Rule(_) | Self::Script { .. } | Self::Cached { .. })
            || matches!(self, Self::Cached { holds: Holds::Policy, .. })
    }

    /// Tells whether whoever relays this relays what no honest node can have accepted, at any tip.
    pub const fn is_misbehaviour(&self) -> bool {
        matches!(self, Self::Rule(_) | Self::Script { .. }) && matches!(self.holds(), Holds::Always)
    }

    /// Tells whether the transaction spends an output that is not known: its parent may be on the
    /// way.
    pub const fn is_missing_parent(&self) -> bool {
        matches!(self, Self::Rule(TxRuleError::InputMissing { .. }))
    }
}

/// For how long a broken rule holds. Whatever is not named as certain is asked again at the next
/// tip.
const fn rule_holds(rule: &TxRuleError) -> Holds {
    use TxRuleError as R;
    match rule {
        // Heights pass, and so do locks; parents arrive; identities move.
        R::InputMissing { .. }
        | R::Version4Early
        | R::SequenceLockEarly { .. }
        | R::MiningCertEarly
        | R::DepositLocked { .. }
        | R::NotFinal { .. }
        | R::SequenceLocked
        | R::CoinbaseImmature { .. }
        | R::AttenuationTooEarly { .. }
        | R::AttenuationLocked { .. }
        | R::CertOwner { .. }
        | R::CertWitnessFull
        | R::ToDidUnbound { .. }
        | R::FromDidUnbound { .. }
        | R::DidAddressTaken
        | R::SecondaryUnknown => Holds::Tip,
        // Eras do not end and names are not freed, unless blocks are taken back; supplies grow.
        R::Version4Required { .. }
        | R::DepositEnded { .. }
        | R::AssetSymbolTaken
        | R::CertExists
        | R::MitExists { .. }
        | R::DidNameTaken
        | R::ShareTooSmall { .. }
        | R::SupplyOverflow => Holds::Chain,
        // All of these are asked of the transaction and of the outputs that it names, and an output
        // is fixed by its name.
        R::VersionUnknown { .. }
        | R::Version3
        | R::ScriptNotStandard { .. }
        | R::Empty
        | R::Size { .. }
        | R::DuplicateInput { .. }
        | R::OutputValue { .. }
        | R::Symbol { .. }
        | R::Attachment { .. }
        | R::NullInput { .. }
        | R::DepositPeriod { .. }
        | R::AssetIssueForm
        | R::AssetLockModel
        | R::AssetIssueOutputs { .. }
        | R::MiningCertContent
        | R::AssetIssueCertMissing
        | R::AssetDomainCertMissing
        | R::SecondaryForm
        | R::SecondaryLockModel
        | R::SecondaryOutputs { .. }
        | R::SecondaryCertMissing
        | R::SecondaryInputs { .. }
        | R::AssetNotConserved { .. }
        | R::AssetSymbolMismatch { .. }
        | R::AssetTransferOutputs { .. }
        | R::AttenuationModel { .. }
        | R::AttenuationRemainder { .. }
        | R::CoinbaseVersion
        | R::CertSingle
        | R::CertOutputs { .. }
        | R::CertNoType
        | R::CertNamingDomain
        | R::CertWitnessPrimary
        | R::CertTypeTwice { .. }
        | R::CertSymbolMismatch { .. }
        | R::CertNotInInputs { .. }
        | R::CertMixedOutputs { .. }
        | R::CertAutoIssueAlone
        | R::CertTransferCount { .. }
        | R::CertLost
        | R::MitForm
        | R::MitTwice { .. }
        | R::MitAddress { .. }
        | R::MitOutputs { .. }
        | R::MitInputs { .. }
        | R::MitNotInInputs
        | R::AddressMismatch { .. }
        | R::DidSingle
        | R::DidInputs
        | R::DidOutputs { .. }
        | R::OwnerMismatch { .. }
        | R::InputValue { .. }
        | R::InputSymbols { .. }
        | R::InputAssetEtp { .. }
        | R::LooseCoinbase
        | R::LooseCoinstake
        | R::AwardOutput { .. }
        | R::ValueCreated { .. }
        | R::FeeTooLow { .. }
        | R::CoinstakeFee { .. } => Holds::Always,
        _ => Holds::Tip,
    }
}
