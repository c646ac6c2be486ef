//! What a transaction does to the state (chain.md 7, 8.3.6).

use mvs_primitives::amount::Amount;
use mvs_primitives::attachment::Payload;
use mvs_primitives::height::Height;
use mvs_primitives::time::Timestamp;
use mvs_primitives::transaction::Transaction;

use super::check::{TxKind, check_tx};
use super::{inputs, locks};
use crate::attachment::{asset, attenuation_rule, cert, did, mit};
use crate::error::{Fault, Rejection, TxRuleError, broken, demand};
use crate::header_view::HeaderView;
use crate::params::Params;
use crate::state::{Coin, StateView};

/// Where a transaction is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a block at [`TxContext::height`].
    Block,
    /// Loose, as if it came into the next block. Some rules are stricter (chain.md 7.10.3).
    Pool,
}

/// What the rules may look at.
///
/// `tip` is the parent's height. (The reference uses the height of its stored tip, which differs
/// during a reorganisation; then two of its nodes can disagree. See docs/decisions/0012.)
#[derive(Clone, Copy)]
pub struct TxContext<'a> {
    /// The network.
    pub params: &'a Params,
    /// Height of the block in question.
    pub height: Height,
    /// Height of its parent.
    pub tip: Height,
    /// Timestamp of the block in question; for a loose transaction, that of the tip.
    pub block_time: Timestamp,
    /// Median time past: of the up to 11 blocks before this one (chain.md 7.3).
    pub median_time_past: u32,
    /// The headers of the chain up to the parent.
    pub headers: &'a dyn HeaderView,
    /// The state after the parent. Names are looked up here; what the same block registers is not
    /// seen yet (chain.md 7.11).
    pub state: &'a dyn StateView,
    /// Block or pool.
    pub place: Place,
}

impl std::fmt::Debug for TxContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TxContext")
            .field("height", &self.height)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// What is known of a transaction that obeys every rule but the scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectedTx {
    /// What it is by its form.
    pub kind: TxKind,
    /// Units that inputs exceed outputs by; zero for a coinbase.
    pub fee: Amount,
}

/// Checks every rule on a transaction but the scripts of its inputs.
///
/// `spent` are the outputs that its inputs name, in order; empty for a coinbase.
///
/// # Errors
/// The first rule that is broken, or a fault of ours.
pub fn connect_tx(
    context: &TxContext<'_>,
    transaction: &Transaction,
    spent: &[Coin],
) -> Result<ConnectedTx, Rejection<TxRuleError>> {
    let kind = TxKind::of(transaction, &context.params.addresses);
    let wanted = if kind == TxKind::Coinbase { 0 } else { transaction.inputs.len() };
    if spent.len() != wanted {
        return Err(Fault::Broken("there must be one spent coin for each input").into());
    }
    check_place(context, kind).map_err(broken)?;
    check_tx(context.params, context.tip, transaction).map_err(broken)?;
    locks::check_deposits_unlocked(context, transaction, spent).map_err(broken)?;
    locks::check_final(context, transaction).map_err(broken)?;
    if kind != TxKind::Coinbase {
        locks::check_sequence_locks(context, transaction, spent)?;
    }
    asset::check_issue(context, transaction)?;
    cert::check_single(context, transaction)?;
    asset::check_secondary_issue(context, transaction, spent)?;
    mit::check(context, transaction, spent)?;
    did::check(context, transaction, spent)?;
    attenuation_rule::check(context, transaction, spent).map_err(broken)?;
    if kind == TxKind::Coinbase {
        return Ok(ConnectedTx { kind, fee: Amount::ZERO });
    }

    let symbols = inputs::collect_symbols(spent).map_err(broken)?;
    inputs::check_matured(context, spent).map_err(broken)?;
    check_no_award(transaction).map_err(broken)?;
    let fee = check_fee(context, kind, transaction, spent).map_err(broken)?;
    asset::check_conserved(context, transaction, &symbols).map_err(broken)?;
    cert::check_relation(transaction, &symbols).map_err(broken)?;
    mit::check_transfer(transaction, &symbols).map_err(broken)?;
    did::check_transfer(transaction).map_err(broken)?;
    Ok(ConnectedTx { kind, fee })
}

/// chain.md 7.12, 2.4.1: what may only come inside a block.
fn check_place(context: &TxContext<'_>, kind: TxKind) -> Result<(), TxRuleError> {
    match (context.place, kind) {
        (Place::Pool, TxKind::Coinbase) => Err(TxRuleError::LooseCoinbase),
        (Place::Pool, TxKind::Coinstake) => Err(TxRuleError::LooseCoinstake),
        _ => Ok(()),
    }
}

/// QUIRK (chain.md 3.3): the reference's script engine does not read the body of an award, so no
/// signature over such a transaction verifies there.
fn check_no_award(transaction: &Transaction) -> Result<(), TxRuleError> {
    match transaction
        .outputs
        .iter()
        .position(|output| matches!(output.attachment.payload, Payload::EtpAward { .. }))
    {
        None => Ok(()),
        Some(output) => Err(TxRuleError::AwardOutput { output }),
    }
}

/// chain.md 6.7, 7.10.6.
fn check_fee(
    context: &TxContext<'_>,
    kind: TxKind,
    transaction: &Transaction,
    spent: &[Coin],
) -> Result<Amount, TxRuleError> {
    let inputs = inputs::sum_values(context, spent)?;
    // The sum fits: every output and their sum were compared with the money limit.
    let outputs = transaction.output_value().unwrap_or(Amount::from_units(u64::MAX));
    let fee = inputs.checked_sub(outputs).ok_or(TxRuleError::ValueCreated { inputs, outputs })?;
    if kind == TxKind::Coinstake {
        demand(fee.is_zero(), TxRuleError::CoinstakeFee { found: fee })?;
    } else {
        let min = context.params.fees.min_fee;
        demand(fee >= min, TxRuleError::FeeTooLow { found: fee, min })?;
    }
    Ok(fee)
}
