//! What this node relays and mines, beside what the rules allow. Nothing here can refuse a block.
//!
//! Each check has a switch or a number in [`PolicyConfig`]; [`PolicyConfig::PERMISSIVE`] leaves only
//! those that bound our own work.

use mvs_consensus::params::Params;
use mvs_consensus::script::{MAX_OPS, count_p2sh_sigops, count_sigops};
use mvs_consensus::state::Coin;
use mvs_primitives::amount::Amount;
use mvs_primitives::attachment::{DidStatus, Payload};
use mvs_primitives::input::Input;
use mvs_primitives::output::Output;
use mvs_primitives::script::{Instruction, Opcode, Pattern, PatternKind, Script};
use mvs_primitives::transaction::Transaction;

use super::rate::FeeRate;
use super::reject::Reject;

/// The operator's choice of what to relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyConfig {
    /// Most bytes of a transaction.
    pub max_tx_bytes: u64,
    /// Most signature operations of a transaction, of each of the two counts (chain.md 2.2).
    pub max_tx_sigops: u32,
    /// Most bytes that verifying a transaction may hash: about its size for each signature.
    pub max_hash_bytes: u64,
    /// Least fee rate. The rules demand a flat fee of 10,000 units whatever the size (chain.md 6.7);
    /// at the default this rate asks for more only above 100,000 bytes.
    pub min_rate: FeeRate,
    /// An output must hold three times what spending it costs at this rate.
    pub dust_rate: FeeRate,
    /// Only usual forms of payment are relayed and spent.
    pub usual_forms_only: bool,
    /// Issues and registrations must pay the special fees (chain.md 6.7).
    pub special_fees: bool,
}

impl PolicyConfig {
    /// Takes what the rules allow, within bounds on our own work: for tests and private chains.
    pub const PERMISSIVE: Self = Self {
        max_tx_bytes: u64::MAX,
        max_tx_sigops: 20_000,
        max_hash_bytes: 1_000_000_000,
        min_rate: FeeRate::ZERO,
        dust_rate: FeeRate::ZERO,
        usual_forms_only: false,
        special_fees: false,
    };
}

impl Default for PolicyConfig {
    /// What a node of a public network relays.
    ///
    /// * The chain's wallets put up to 677 inputs into a transaction, about 100,000 bytes, for the
    ///   flat fee; hashing for it takes 68 million bytes.
    fn default() -> Self {
        let rate = FeeRate::from_units_per_thousand_bytes(100);
        Self {
            max_tx_bytes: 200_000,
            max_tx_sigops: 4_000,
            max_hash_bytes: 100_000_000,
            min_rate: rate,
            dust_rate: rate,
            usual_forms_only: true,
            special_fees: true,
        }
    }
}

/// What a transaction costs to carry and to verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Costs {
    /// Nominal or real bytes, whichever are more: the nominal size of old attachments can be far
    /// below the real one (chain.md 3.4).
    pub(super) bytes: u64,
    /// Signature operations in its own scripts (chain.md 4.5).
    pub(super) sigops: u32,
    /// Signature operations in redeem scripts.
    pub(super) p2sh_sigops: u32,
    /// Upper bound of the bytes that verification hashes.
    pub(super) hash_bytes: u64,
}

/// Returns the bytes that a transaction counts.
pub(super) fn size_of(transaction: &Transaction) -> u64 {
    use mvs_primitives::encode::Encode;
    transaction.nominal_size().max(transaction.encoded_len() as u64) // widening
}

/// Counts what a transaction costs; `spent` are the coins of its inputs, in order.
///
/// # Errors
/// [`Reject::RedeemScript`], which no block may hold.
pub(super) fn count_costs(transaction: &Transaction, spent: &[Coin]) -> Result<Costs, Reject> {
    let bytes = size_of(transaction);
    let (mut sigops, mut p2sh_sigops, mut hashes) = (0u32, 0u32, 0u64);
    for (index, (input, coin)) in transaction.inputs.iter().zip(spent).enumerate() {
        let previous = &coin.output.script;
        let own = count_sigops(&input.script);
        let redeem = count_p2sh_sigops(&input.script, previous)
            .map_err(|_| Reject::RedeemScript { input: index })?;
        sigops = sigops.saturating_add(own);
        p2sh_sigops = p2sh_sigops.saturating_add(redeem);
        hashes = hashes.saturating_add(count_hashes(input, previous, redeem));
    }
    for output in &transaction.outputs {
        sigops = sigops.saturating_add(count_sigops(&output.script));
    }
    Ok(Costs { bytes, sigops, p2sh_sigops, hash_bytes: bytes.saturating_mul(hashes) })
}

/// Bounds how often an input's scripts hash the transaction: once for each signature that is checked,
/// since each may have a hash type of its own.
fn count_hashes(input: &Input, previous: &Script, redeem_sigops: u32) -> u64 {
    let spent = match previous.pattern() {
        Pattern::PayKeyHash(_)
        | Pattern::PayPublicKey(_)
        | Pattern::PayKeyHashWithLockHeight { .. }
        | Pattern::PayKeyHashWithAttenuationModel { .. }
        | Pattern::PayKeyHashWithSequenceLock { .. } => 1,
        Pattern::PayMultisig { required, .. } => u64::from(required),
        Pattern::PayScriptHash(_) => match redeem_of(input).map(|redeem| redeem.pattern_hashes()) {
            Some(Some(hashes)) => hashes,
            _ => u64::from(redeem_sigops),
        },
        _ => run_hashes(previous),
    };
    spent.saturating_add(run_hashes(&input.script))
}

/// Bounds how often running a script hashes. One that ends inside a push counts no signature
/// operations (chain.md 4.5) and still runs up to there.
fn run_hashes(script: &Script) -> u64 {
    let most = MAX_OPS as u64; // widening; keys of multisigs count as operations
    if script.instructions().any(|instruction| instruction.is_err()) {
        return most;
    }
    u64::from(count_sigops(script)).min(most)
}

/// The redeem script that an input shows.
struct Redeem(Script);

impl Redeem {
    /// Returns how often the usual redeem scripts hash.
    fn pattern_hashes(&self) -> Option<u64> {
        match self.0.pattern() {
            Pattern::PayKeyHash(_) | Pattern::PayPublicKey(_) => Some(1),
            Pattern::PayMultisig { required, .. } => Some(u64::from(required)),
            _ => None,
        }
    }

    /// Tells whether this is one of the usual redeem scripts.
    fn is_usual(&self) -> bool {
        is_payment(self.0.pattern().kind()) && self.0.pattern().kind() != PatternKind::PayScriptHash
    }
}

fn redeem_of(input: &Input) -> Option<Redeem> {
    let last = input.script.instructions().last()?.ok()?;
    Some(Redeem(Script::from_bytes(last.data())))
}

/// Tells whether a pattern is a form in which people pay. The other patterns of chain.md 4.3 are
/// those of input scripts.
const fn is_payment(kind: PatternKind) -> bool {
    matches!(
        kind,
        PatternKind::PayMultisig
            | PatternKind::PayPublicKey
            | PatternKind::PayKeyHash
            | PatternKind::PayKeyHashWithLockHeight
            | PatternKind::PayScriptHash
            | PatternKind::PayKeyHashWithAttenuationModel
            | PatternKind::PayKeyHashWithSequenceLock
    )
}

/// Longest usual input script in bytes: 15 signatures of a multisig with its redeem script.
const MAX_INPUT_SCRIPT_BYTES: usize = 1_650;

/// Asks what needs no coins, so that much bad cargo is refused before anything is fetched.
pub(super) fn check_form(config: &PolicyConfig, transaction: &Transaction) -> Result<(), Reject> {
    let (found, max) = (size_of(transaction), config.max_tx_bytes);
    demand(found <= max, Reject::Size { found, max })?;
    if config.usual_forms_only {
        check_input_forms(transaction)?;
        check_output_forms(transaction)?;
    }
    check_dust(config, transaction)
}

fn check_input_forms(transaction: &Transaction) -> Result<(), Reject> {
    for (index, input) in transaction.inputs.iter().enumerate() {
        let is_push = |op: Instruction<'_>| op.opcode() <= Opcode::OP_16;
        let usual = input.script.len() <= MAX_INPUT_SCRIPT_BYTES
            && input.script.instructions().all(|op| op.is_ok_and(is_push));
        demand(usual, Reject::InputForm { input: index })?;
    }
    Ok(())
}

fn check_output_forms(transaction: &Transaction) -> Result<(), Reject> {
    for (index, output) in transaction.outputs.iter().enumerate() {
        let kind = output.script.pattern().kind();
        let usual = is_payment(kind)
            || matches!(kind, PatternKind::NullData | PatternKind::PayBlackholeAddress);
        demand(usual, Reject::OutputForm { output: index })?;
    }
    Ok(())
}

/// Bytes of a usual input that spends an output: outpoint, signature, key, sequence.
const SPENDING_BYTES: u64 = 148;

/// Outputs that carry something beside coin, and those that nobody can spend, are no dust.
fn check_dust(config: &PolicyConfig, transaction: &Transaction) -> Result<(), Reject> {
    for (index, output) in transaction.outputs.iter().enumerate() {
        let is_burnt = || {
            let kind = output.script.pattern().kind();
            matches!(kind, PatternKind::NullData | PatternKind::PayBlackholeAddress)
        };
        if !output.is_etp() {
            continue;
        }
        let min = dust_limit(config, output);
        let found = output.value;
        let enough = found >= min || is_burnt();
        demand(enough, Reject::Dust { output: index, found, min })?;
    }
    Ok(())
}

fn dust_limit(config: &PolicyConfig, output: &Output) -> Amount {
    config.dust_rate.fee_for(3 * (output.nominal_size() + SPENDING_BYTES)) // of one script: small
}

/// Asks what needs the coins.
pub(super) fn check_spending(
    config: &PolicyConfig,
    params: &Params,
    transaction: &Transaction,
    spent: &[Coin],
    costs: &Costs,
    fee: Amount,
) -> Result<(), Reject> {
    let max = config.max_tx_sigops;
    let found = costs.sigops.max(costs.p2sh_sigops);
    demand(found <= max, Reject::Sigops { found, max })?;
    let (found, max) = (costs.hash_bytes, config.max_hash_bytes);
    demand(found <= max, Reject::HashCost { found, max })?;
    if config.usual_forms_only {
        check_spent_forms(transaction, spent)?;
    }
    let min = config.min_rate.fee_for(costs.bytes);
    demand(fee >= min, Reject::FeeRate { found: fee, min })?;
    if config.special_fees {
        check_special_fees(params, transaction, fee)?;
    }
    Ok(())
}

fn check_spent_forms(transaction: &Transaction, spent: &[Coin]) -> Result<(), Reject> {
    for (index, (input, coin)) in transaction.inputs.iter().zip(spent).enumerate() {
        let kind = coin.output.script.pattern().kind();
        let usual = match kind {
            PatternKind::PayScriptHash => redeem_of(input).is_some_and(|redeem| redeem.is_usual()),
            _ => is_payment(kind),
        };
        demand(usual, Reject::SpentForm { input: index })?;
    }
    Ok(())
}

/// chain.md 6.7: what an asset issue and the registration of an identity pay.
fn check_special_fees(
    params: &Params,
    transaction: &Transaction,
    fee: Amount,
) -> Result<(), Reject> {
    let community = |output: &Output| output.script.address() == Some(params.developer_community);
    for output in &transaction.outputs {
        let min = match &output.attachment.payload {
            Payload::AssetDetail(detail) if !detail.threshold.is_secondary() => {
                params.fees.asset_issue
            }
            Payload::Did(did) if did.status == DidStatus::Register => params.fees.did_register,
            _ => continue,
        };
        if community(output) {
            continue;
        }
        let share = transaction.outputs.iter().filter(|o| o.is_etp() && community(o));
        let most = Amount::from_units(u64::MAX);
        let share = Amount::checked_sum(share.map(|output| output.value)).unwrap_or(most);
        let found = fee.checked_add(share).unwrap_or(most);
        demand(found >= min, Reject::SpecialFee { found, min })?;
        if !share.is_zero() {
            let least = u64::from(params.fees.miner_percent);
            // The total is at least the share, hence not zero.
            let percent = (u128::from(fee.units()) * 100).div_ceil(u128::from(found.units()));
            let percent = u64::try_from(percent).unwrap_or(u64::MAX);
            demand(percent >= least, Reject::MinerShare { percent, min: least })?;
        }
    }
    Ok(())
}

fn demand(holds: bool, otherwise: Reject) -> Result<(), Reject> {
    if holds { Ok(()) } else { Err(otherwise) }
}
