//! Rules on transactions.

use mvs_primitives::amount::Amount;
use mvs_primitives::attachment::AttachmentError;
use mvs_primitives::height::Height;
use mvs_primitives::input::OutPoint;
use mvs_primitives::symbol::SymbolError;

use super::rules;

rules! {
    /// A transaction that breaks a rule.
    pub enum TxRuleError {
        /// The version is at most 4.
        #[error("transaction version {found} is unknown")]
        #[rule("tx.version_unknown", "chain.md 3.2 a", "genesis")]
        VersionUnknown {
            /// Version found.
            found: u32,
        },
        /// Version 4 comes with "nova".
        #[error("transaction version 4 is not allowed yet")]
        #[rule("tx.version_4_early", "chain.md 3.2 c", "until 1,270,001")]
        Version4Early,
        /// Version 3 exists on the test network only.
        #[error("transaction version 3 is not allowed on this network")]
        #[rule("tx.version_3", "chain.md 3.2 d", "genesis")]
        Version3,
        /// Version 4 is the only one in the stake era.
        #[error("transaction version {found}, but version 4 is required")]
        #[rule("tx.version_4_required", "chain.md 3.2 e", "1,924,001")]
        Version4Required {
            /// Version found.
            found: u32,
        },
        /// From version 2 on, every output script has a standard pattern.
        #[error("the script of output {output} has no standard pattern")]
        #[rule("tx.script_not_standard", "chain.md 7.2.1", "genesis")]
        ScriptNotStandard {
            /// Index of the output.
            output: usize,
        },
        /// There is an input and an output.
        #[error("the transaction has no inputs or no outputs")]
        #[rule("tx.empty", "chain.md 7.2.2", "genesis")]
        Empty,
        /// The nominal size is at most 1,000,000 bytes.
        #[error("the transaction counts {found} bytes, at most {max} are allowed")]
        #[rule("tx.size", "chain.md 7.2.2", "genesis")]
        Size {
            /// Nominal bytes.
            found: u64,
            /// Limit.
            max: u64,
        },
        /// No two inputs spend the same output.
        #[error("the inputs spend {previous} twice")]
        #[rule("tx.duplicate_input", "chain.md 7.2.3", "genesis")]
        DuplicateInput {
            /// The output.
            previous: OutPoint,
        },
        /// Each output, and their sum, is at most the money limit.
        #[error("the value of output {output}, or the sum up to it, is above the money limit")]
        #[rule("tx.output_value", "chain.md 7.2.4", "genesis")]
        OutputValue {
            /// Index of the output.
            output: usize,
        },
        /// A new name has the allowed characters, length and words.
        #[error("output {output}: {error}")]
        #[rule("tx.symbol.*", "chain.md 7.2.5, 3.6", "genesis")]
        Symbol {
            /// Index of the output.
            output: usize,
            /// What is wrong with the name.
            error: SymbolError,
        },
        /// In version 4, every attachment is valid.
        #[error("output {output}: {error}")]
        #[rule("tx.attachment.*", "chain.md 7.2.6, 3.5", "version 4")]
        Attachment {
            /// Index of the output.
            output: usize,
            /// What is wrong with the attachment.
            error: AttachmentError,
        },
        /// Only a coinbase has a null input.
        #[error("input {input} is null in a transaction that is no coinbase")]
        #[rule("tx.null_input", "chain.md 7.2.7", "genesis")]
        NullInput {
            /// Index of the input.
            input: usize,
        },
        /// A deposit is spent after its lock.
        #[error("input {input} spends a deposit before its lock has run out")]
        #[rule("tx.deposit_locked", "chain.md 7.2.8, 4.4", "genesis")]
        DepositLocked {
            /// Index of the input.
            input: usize,
        },
        /// There are no new deposits in the stake era.
        #[error("output {output} is a deposit; the stake era allows none")]
        #[rule("tx.deposit_ended", "chain.md 7.2.9", "1,924,001")]
        DepositEnded {
            /// Index of the output.
            output: usize,
        },
        /// A deposit has one of the five lock periods.
        #[error("output {output} is a deposit with an unknown period")]
        #[rule("tx.deposit_period", "chain.md 7.2.9", "until 1,924,000")]
        DepositPeriod {
            /// Index of the output.
            output: usize,
        },
        /// Sequence locks come with the stake era.
        #[error("output {output} has a sequence lock, which is not allowed yet")]
        #[rule("tx.sequence_lock_early", "chain.md 7.2.9", "until 1,924,001")]
        SequenceLockEarly {
            /// Index of the output.
            output: usize,
        },
        /// The lock time has passed.
        #[error("lock time {locktime} has not passed")]
        #[rule("tx.not_final", "chain.md 7.3", "1,924,000")]
        NotFinal {
            /// Lock time of the transaction.
            locktime: u32,
        },
        /// The relative locks of the inputs have passed (BIP-0068 with this chain's masks).
        #[error("a relative lock of an input has not passed")]
        #[rule("tx.sequence_locked", "chain.md 7.4", "genesis, version 2")]
        SequenceLocked,

        /// A transaction issues at most one asset.
        #[error("more than one asset issue, or an issue threshold that is not 0 to 100 or 127")]
        #[rule("tx.asset.issue_form", "chain.md 7.5.1", "genesis")]
        AssetIssueForm,
        /// The symbol of a new asset is free.
        #[error("the asset symbol is already issued")]
        #[rule("tx.asset.symbol_taken", "chain.md 7.5.2", "genesis")]
        AssetSymbolTaken,
        /// The lock model of a new asset is a good initial one.
        #[error("the lock model of the issue is not a valid initial one")]
        #[rule("tx.asset.lock_model", "chain.md 7.5.3, 7.8", "genesis")]
        AssetLockModel,
        /// An issue has no outputs but coin, message and its own certificates.
        #[error("output {output} does not belong in an asset issue")]
        #[rule("tx.asset.issue_outputs", "chain.md 7.5.4", "genesis")]
        AssetIssueOutputs {
            /// Index of the output.
            output: usize,
        },
        /// A mining certificate in an issue comes with the stake era.
        #[error("a mining certificate in an issue is not allowed yet")]
        #[rule("tx.asset.mining_cert_early", "chain.md 7.5.4", "until 1,924,001")]
        MiningCertEarly,
        /// The content of a mining certificate is well formed.
        #[error("the content of the mining certificate is malformed")]
        #[rule("tx.asset.mining_cert_content", "chain.md 7.5.4, 6.5", "stake era")]
        MiningCertContent,
        /// An asset that can be issued again comes with its issue certificate.
        #[error("the asset allows secondary issue but no issue certificate comes with it")]
        #[rule("tx.asset.issue_cert_missing", "chain.md 7.5.5 a", "version 4")]
        AssetIssueCertMissing,
        /// A new asset comes with the certificate of its domain, or one naming it.
        #[error("neither a domain nor a naming certificate comes with the issue")]
        #[rule("tx.asset.domain_cert_missing", "chain.md 7.5.5 b", "version 4")]
        AssetDomainCertMissing,

        /// A transaction makes at most one secondary issue, with a known threshold.
        #[error("more than one secondary issue, or a threshold that is not 0 to 100 or 127")]
        #[rule("tx.asset.secondary_form", "chain.md 7.6.1", "genesis")]
        SecondaryForm,
        /// The lock model of a secondary issue is a good initial one.
        #[error("the lock model of the secondary issue is not a valid initial one")]
        #[rule("tx.asset.secondary_lock_model", "chain.md 7.6.1, 7.8", "genesis")]
        SecondaryLockModel,
        /// A secondary issue has no outputs but coin, message, its certificate and the holding.
        #[error("output {output} does not belong in a secondary issue")]
        #[rule("tx.asset.secondary_outputs", "chain.md 7.6.2, 7.6.3", "genesis")]
        SecondaryOutputs {
            /// Index of the output.
            output: usize,
        },
        /// A secondary issue carries the issue certificate.
        #[error("the secondary issue carries no issue certificate")]
        #[rule("tx.asset.secondary_cert_missing", "chain.md 7.6.4", "version 4")]
        SecondaryCertMissing,
        /// Only an issued asset can be issued again.
        #[error("the asset of the secondary issue was never issued")]
        #[rule("tx.asset.secondary_unknown", "chain.md 7.6.5", "genesis")]
        SecondaryUnknown,
        /// The supply stays within 64 bits.
        #[error("the secondary issue takes the supply beyond 64 bits")]
        #[rule("tx.asset.supply_overflow", "chain.md 7.6.5", "genesis")]
        SupplyOverflow,
        /// The issuer of more holds the share that the threshold demands.
        #[error("the issuer shows {own} of the {needed} units that the threshold demands")]
        #[rule("tx.asset.share_too_small", "chain.md 7.6.6", "genesis")]
        ShareTooSmall {
            /// Units shown in outputs.
            own: u64,
            /// Units demanded.
            needed: u64,
        },
        /// The inputs of a secondary issue are the issuer's holding and the issue certificate.
        #[error("input {input} does not belong in this secondary issue")]
        #[rule("tx.asset.secondary_inputs", "chain.md 7.6.7", "genesis")]
        SecondaryInputs {
            /// Index of the input.
            input: usize,
        },

        /// A transfer conserves the asset: inputs equal outputs.
        #[error("{inputs} units of the asset come in, {outputs} go out")]
        #[rule("tx.asset.not_conserved", "chain.md 7.10.7", "genesis")]
        AssetNotConserved {
            /// Units in.
            inputs: u128,
            /// Units out.
            outputs: u128,
        },
        /// A transfer moves one asset: that of its inputs.
        #[error("output {output} carries another asset than the inputs")]
        #[rule("tx.asset.symbol_mismatch", "chain.md 7.10.7", "genesis")]
        AssetSymbolMismatch {
            /// Index of the output.
            output: usize,
        },
        /// A transfer has no outputs but assets, certificates, coin and messages.
        #[error("output {output} does not belong in an asset transfer")]
        #[rule("tx.asset.transfer_outputs", "chain.md 7.10.7", "genesis")]
        AssetTransferOutputs {
            /// Index of the output.
            output: usize,
        },

        /// A remainder carries on one of the locks that are spent, with a model that can run.
        #[error("output {output}: the lock model cannot run, or carries on no lock of the inputs")]
        #[rule("tx.attenuation.model", "chain.md 7.8", "version 4")]
        AttenuationModel {
            /// Index of the output.
            output: usize,
        },
        /// A lock is carried on no faster than blocks pass.
        #[error("output {output}: the lock has run further than blocks have passed")]
        #[rule("tx.attenuation.too_early", "chain.md 7.8", "version 4")]
        AttenuationTooEarly {
            /// Index of the output.
            output: usize,
        },
        /// Exactly what a lock has set free is taken.
        #[error("output {output}: the remainder is not the locked rest, or its model is another")]
        #[rule("tx.attenuation.remainder", "chain.md 7.8", "version 4")]
        AttenuationRemainder {
            /// Index of the output.
            output: usize,
        },
        /// A lock that is not carried on has run out.
        #[error("input {input} is still locked and not carried on")]
        #[rule("tx.attenuation.locked", "chain.md 7.8", "version 4")]
        AttenuationLocked {
            /// Index of the input.
            input: usize,
        },
        /// A coinbase has a version below 4.
        #[error("a coinbase of version 4 or above")]
        #[rule("tx.coinbase_version", "chain.md 3.2, 7.8", "genesis")]
        CoinbaseVersion,

        /// A transaction issues or transfers at most one certificate by itself.
        #[error("more than one certificate is issued or transferred")]
        #[rule("tx.cert.single", "chain.md 7.7 A 1", "genesis")]
        CertSingle,
        /// A certificate that is issued by itself is new.
        #[error("the certificate already exists")]
        #[rule("tx.cert.exists", "chain.md 7.7 A 1", "genesis")]
        CertExists,
        /// A certificate that is issued or transferred by itself comes with the certificates that it
        /// needs, coin and messages, and nothing else.
        #[error("output {output} does not belong in this certificate operation")]
        #[rule("tx.cert.outputs", "chain.md 7.7 A 2, A 3, B 4", "genesis")]
        CertOutputs {
            /// Index of the output.
            output: usize,
        },
        /// A supporting certificate is at the current address of its registered owner.
        #[error("output {output}: the certificate's owner is not registered at its address")]
        #[rule("tx.cert.owner", "chain.md 7.7 A 2", "genesis")]
        CertOwner {
            /// Index of the output.
            output: usize,
        },
        /// An issued certificate has a type.
        #[error("the issued certificate has no type")]
        #[rule("tx.cert.no_type", "chain.md 7.7 A 4", "genesis")]
        CertNoType,
        /// A naming certificate is issued by the holder of the domain.
        #[error("the domain certificate of the naming certificate is missing")]
        #[rule("tx.cert.naming_domain", "chain.md 7.7 A 4", "genesis")]
        CertNamingDomain,
        /// A secondary witness certificate is issued by the holder of the primary one.
        #[error("the primary witness certificate is missing")]
        #[rule("tx.cert.witness_primary", "chain.md 7.7 A 4", "genesis")]
        CertWitnessPrimary,
        /// A primary witness certificate has fewer than 46 living secondary ones.
        #[error("the primary witness certificate has all its secondary ones")]
        #[rule("tx.cert.witness_full", "chain.md 7.7 A 4", "genesis")]
        CertWitnessFull,
        /// No certificate type appears twice in the outputs.
        #[error("output {output} repeats a certificate type")]
        #[rule("tx.cert.type_twice", "chain.md 7.7 B 1", "genesis")]
        CertTypeTwice {
            /// Index of the output.
            output: usize,
        },
        /// A certificate that is passed on is the one that came in; a naming certificate belongs
        /// to the domain that came in.
        #[error("output {output}: the certificate's symbol does not fit the inputs")]
        #[rule("tx.cert.symbol_mismatch", "chain.md 7.7 B 2", "genesis")]
        CertSymbolMismatch {
            /// Index of the output.
            output: usize,
        },
        /// A certificate that is passed on came in.
        #[error("output {output}: no input has this certificate type")]
        #[rule("tx.cert.not_in_inputs", "chain.md 7.7 B 3", "genesis")]
        CertNotInInputs {
            /// Index of the output.
            output: usize,
        },
        /// Certificates are not mixed with identities, unique items or awards.
        #[error("output {output} cannot stand beside certificates")]
        #[rule("tx.cert.mixed_outputs", "chain.md 7.7 B 4", "genesis")]
        CertMixedOutputs {
            /// Index of the output.
            output: usize,
        },
        /// A certificate is issued automatically only with an asset.
        #[error("a certificate is issued automatically without an asset issue")]
        #[rule("tx.cert.auto_issue_alone", "chain.md 7.7 B 4", "genesis")]
        CertAutoIssueAlone,
        /// A transfer moves one certificate from one input to one output.
        #[error("a certificate transfer with {inputs} certificate inputs and {outputs} outputs")]
        #[rule("tx.cert.transfer_count", "chain.md 7.7 B 5", "genesis")]
        CertTransferCount {
            /// Certificate inputs.
            inputs: usize,
            /// Certificate outputs.
            outputs: usize,
        },
        /// Every certificate that came in goes out.
        #[error("a certificate of the inputs is missing in the outputs")]
        #[rule("tx.cert.lost", "chain.md 7.7 B 6", "genesis")]
        CertLost,

        /// Unique items are registered, or one is transferred.
        #[error("item registrations and transfers mixed, or several transfers, or neither")]
        #[rule("tx.mit.form", "chain.md 7.9.1", "genesis")]
        MitForm,
        /// A registered item is new.
        #[error("the unique item of output {output} already exists")]
        #[rule("tx.mit.exists", "chain.md 7.9.1", "genesis")]
        MitExists {
            /// Index of the output.
            output: usize,
        },
        /// No unique item appears twice in a transaction.
        #[error("output {output} repeats a unique item")]
        #[rule("tx.mit.twice", "chain.md 3.6", "genesis")]
        MitTwice {
            /// Index of the second output.
            output: usize,
        },
        /// Registered items and coin go to one address.
        #[error("output {output} goes to another address than the rest")]
        #[rule("tx.mit.address", "chain.md 7.9.1, 7.9.2", "genesis")]
        MitAddress {
            /// Index of the output.
            output: usize,
        },
        /// There are no outputs but items, coin and messages.
        #[error("output {output} does not belong beside a unique item")]
        #[rule("tx.mit.outputs", "chain.md 7.9.3, 7.9.5", "genesis")]
        MitOutputs {
            /// Index of the output.
            output: usize,
        },
        /// The fee is paid from the common address, and item inputs are the item that moves.
        #[error("input {input} is another item, or coin from another address")]
        #[rule("tx.mit.inputs", "chain.md 7.9.4", "genesis")]
        MitInputs {
            /// Index of the input.
            input: usize,
        },
        /// A transferred item comes in.
        #[error("the transferred item is not among the inputs")]
        #[rule("tx.mit.not_in_inputs", "chain.md 7.9.4, 7.9.5", "genesis")]
        MitNotInInputs,

        /// The address in an attachment is that of its output script.
        #[error("output {output}: the attachment's address is not that of the script")]
        #[rule("tx.did.address_mismatch", "chain.md 7.11.1", "genesis")]
        AddressMismatch {
            /// Index of the output.
            output: usize,
        },
        /// The receiving identity lives at the output's address.
        #[error("output {output}: the receiving identity does not live at the output's address")]
        #[rule("tx.did.to_unbound", "chain.md 7.11.2", "genesis")]
        ToDidUnbound {
            /// Index of the output.
            output: usize,
        },
        /// The sending identity lives at the address of an input.
        #[error("output {output}: the sending identity lives at the address of no input")]
        #[rule("tx.did.from_unbound", "chain.md 7.11.3", "genesis")]
        FromDidUnbound {
            /// Index of the output.
            output: usize,
        },
        /// The name of a new identity is free.
        #[error("the identity is already registered")]
        #[rule("tx.did.name_taken", "chain.md 7.11.4", "genesis")]
        DidNameTaken,
        /// The address of an identity holds no other.
        #[error("the address already holds an identity")]
        #[rule("tx.did.address_taken", "chain.md 7.11.4, 7.11.5", "genesis")]
        DidAddressTaken,
        /// A transaction has at most one identity output.
        #[error("more than one identity output")]
        #[rule("tx.did.single", "chain.md 7.11.4, 7.11.5", "genesis")]
        DidSingle,
        /// The address of an identity pays for it, and an identity that moves is the one that
        /// comes in.
        #[error("the inputs do not fit the identity operation")]
        #[rule("tx.did.inputs", "chain.md 7.10.8, 7.11.4, 7.11.5", "genesis")]
        DidInputs,
        /// An identity transfer has no outputs but the identity, coin and messages.
        #[error("output {output} does not belong beside an identity transfer")]
        #[rule("tx.did.outputs", "chain.md 7.10.8", "genesis")]
        DidOutputs {
            /// Index of the output.
            output: usize,
        },
        /// In version 207, issuer or owner is the receiving identity.
        #[error("output {output}: issuer or owner is not the receiving identity")]
        #[rule("tx.did.owner_mismatch", "chain.md 7.11.6", "genesis")]
        OwnerMismatch {
            /// Index of the output.
            output: usize,
        },

        /// The output that an input spends exists.
        #[error("input {input} spends {previous}, which does not exist or is spent")]
        #[rule("tx.input_missing", "chain.md 7.10.1", "genesis")]
        InputMissing {
            /// Index of the input.
            input: usize,
            /// The output.
            previous: OutPoint,
        },
        /// The inputs' values, and their sum, are at most the money limit.
        #[error("the value of input {input}, or the sum up to it, is above the money limit")]
        #[rule("tx.input_value", "chain.md 7.10.1, 7.10.5", "genesis")]
        InputValue {
            /// Index of the input.
            input: usize,
        },
        /// All assets, items and identities that come in have one symbol; all certificates one.
        #[error("input {input} carries another symbol than those before it")]
        #[rule("tx.input_symbols", "chain.md 7.10.2", "genesis")]
        InputSymbols {
            /// Index of the input.
            input: usize,
        },
        /// An asset with the symbol `ETP` cannot be spent.
        #[error("input {input} is an asset named ETP")]
        #[rule("tx.input_asset_etp", "chain.md 7.10.2", "genesis")]
        InputAssetEtp {
            /// Index of the input.
            input: usize,
        },
        /// A coinbase is spent after it has matured.
        #[error("input {input} spends a coinbase of height {created} too early")]
        #[rule("tx.coinbase_immature", "chain.md 7.10.3", "genesis")]
        CoinbaseImmature {
            /// Index of the input.
            input: usize,
            /// Height of the coinbase.
            created: Height,
        },
        /// A coinbase comes only in a block.
        #[error("a loose coinbase")]
        #[rule("tx.loose_coinbase", "chain.md 7.12", "genesis, pool only")]
        LooseCoinbase,
        /// A coinstake comes only in a block: loose, it would be relayed for nothing.
        #[error("a loose coinstake")]
        #[rule("tx.loose_coinstake", "chain.md 2.4.1, 6.7", "genesis, pool only")]
        LooseCoinstake,
        /// No transaction with an award output can be spent in a script (QUIRK of the reference's
        /// engine).
        #[error("output {output} is an award, which no signed transaction can carry")]
        #[rule("tx.award_output", "chain.md 3.3", "genesis")]
        AwardOutput {
            /// Index of the output.
            output: usize,
        },
        /// The outputs are worth no more than the inputs.
        #[error("outputs of {outputs} units exceed inputs of {inputs} units")]
        #[rule("tx.value_created", "chain.md 7.10.6", "genesis")]
        ValueCreated {
            /// Units in.
            inputs: Amount,
            /// Units out.
            outputs: Amount,
        },
        /// The fee is at least 10,000 units.
        #[error("a fee of {found} units, at least {min} are needed")]
        #[rule("tx.fee_too_low", "chain.md 6.7, 7.10.6", "genesis")]
        FeeTooLow {
            /// Units paid.
            found: Amount,
            /// Units needed.
            min: Amount,
        },
        /// A coinstake pays no fee.
        #[error("the coinstake pays a fee of {found} units")]
        #[rule("tx.coinstake_fee", "chain.md 6.7, 7.10.6", "stake era")]
        CoinstakeFee {
            /// Units paid.
            found: Amount,
        },
    }
}

impl TxRuleError {
    /// Returns the stable code: of the name or attachment rule where one of those is broken.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Symbol { error, .. } => error.code(),
            Self::Attachment { error, .. } => error.code(),
            other => other.own_code(),
        }
    }
}
