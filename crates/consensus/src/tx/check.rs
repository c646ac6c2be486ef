//! What a transaction alone shows (chain.md 7.1 and 7.2).

use std::collections::HashSet;

use mvs_primitives::address::AddressFormat;
use mvs_primitives::amount::Amount;
use mvs_primitives::attachment::{DidStatus, MitStatus, Payload};
use mvs_primitives::height::Height;
use mvs_primitives::output::Output;
use mvs_primitives::script::{Pattern, PatternKind, parse_script_number};
use mvs_primitives::symbol::{SymbolError, check_asset_symbol, check_did_name, check_mit_symbol};
use mvs_primitives::transaction::Transaction;

use crate::error::{TxRuleError, demand};
use crate::params::Params;

/// What a transaction is by its form (chain.md 2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TxKind {
    /// One null input.
    Coinbase,
    /// The form of a coinstake; whether it may be one depends on its place.
    Coinstake,
    /// Anything else.
    Ordinary,
}

impl TxKind {
    /// Returns what a transaction is by its form.
    pub fn of(transaction: &Transaction, format: &AddressFormat) -> Self {
        if transaction.is_coinbase() {
            Self::Coinbase
        } else if transaction.is_coinstake(format) {
            Self::Coinstake
        } else {
            Self::Ordinary
        }
    }
}

/// Checks the rules that need nothing but the transaction, the network and the tip's height.
///
/// # Errors
/// The first rule that is broken.
pub fn check_tx(
    params: &Params,
    tip: Height,
    transaction: &Transaction,
) -> Result<(), TxRuleError> {
    let kind = TxKind::of(transaction, &params.addresses);
    check_version(params, tip, transaction.version, kind)?;
    check_scripts_standard(transaction, kind)?;
    check_form(params, transaction)?;
    check_distinct_inputs(transaction)?;
    check_output_values(params, transaction)?;
    check_symbols(params, transaction)?;
    check_attachments(transaction)?;
    if kind == TxKind::Coinbase {
        return demand(transaction.version < 4, TxRuleError::CoinbaseVersion);
    }
    check_no_null_input(transaction)?;
    check_locked_outputs(params, tip, transaction)
}

/// chain.md 3.2.
fn check_version(
    params: &Params,
    tip: Height,
    version: u32,
    kind: TxKind,
) -> Result<(), TxRuleError> {
    demand(version <= 4, TxRuleError::VersionUnknown { found: version })?;
    if kind != TxKind::Ordinary {
        return Ok(());
    }
    demand(version < 4 || params.version_4_allowed.is_active(tip), TxRuleError::Version4Early)?;
    demand(version != 3 || params.version_3_allowed, TxRuleError::Version3)?;
    demand(
        version == 4 || !params.version_4_required.is_active(tip),
        TxRuleError::Version4Required { found: version },
    )
}

/// chain.md 7.2.1.
fn check_scripts_standard(transaction: &Transaction, kind: TxKind) -> Result<(), TxRuleError> {
    if transaction.version < 2 {
        return Ok(());
    }
    let first = usize::from(kind == TxKind::Coinstake);
    match transaction
        .outputs
        .iter()
        .skip(first)
        .position(|output| output.script.pattern().kind() == PatternKind::NonStandard)
    {
        None => Ok(()),
        Some(position) => Err(TxRuleError::ScriptNotStandard { output: first + position }),
    }
}

/// chain.md 7.2.2.
fn check_form(params: &Params, transaction: &Transaction) -> Result<(), TxRuleError> {
    let has_both = !transaction.inputs.is_empty() && !transaction.outputs.is_empty();
    demand(has_both, TxRuleError::Empty)?;
    let (found, max) = (transaction.nominal_size(), params.limits.tx_bytes);
    demand(found <= max, TxRuleError::Size { found, max })
}

/// Up to so many inputs are compared with each other; more go through a set.
const FEW_INPUTS: usize = 12;

/// chain.md 7.2.3 (CVE-2018-17144).
fn check_distinct_inputs(transaction: &Transaction) -> Result<(), TxRuleError> {
    let inputs = transaction.inputs.as_slice();
    let twice = if inputs.len() <= FEW_INPUTS {
        let earlier = |index| inputs.iter().take(index);
        inputs.iter().enumerate().find_map(|(index, input)| {
            earlier(index).any(|other| other.previous == input.previous).then_some(input)
        })
    } else {
        let mut seen = HashSet::with_capacity(inputs.len());
        inputs.iter().find(|input| !seen.insert(&input.previous))
    };
    match twice {
        None => Ok(()),
        Some(twice) => Err(TxRuleError::DuplicateInput { previous: twice.previous }),
    }
}

/// chain.md 7.2.4 (CVE-2010-5139).
fn check_output_values(params: &Params, transaction: &Transaction) -> Result<(), TxRuleError> {
    let mut sum = Amount::ZERO;
    for (index, output) in transaction.outputs.iter().enumerate() {
        // A value above the limit makes the sum exceed it or not fit at all.
        sum = sum
            .checked_add(output.value)
            .filter(|sum| *sum <= params.max_money)
            .ok_or(TxRuleError::OutputValue { output: index })?;
    }
    Ok(())
}

/// chain.md 7.2.5.
fn check_symbols(params: &Params, transaction: &Transaction) -> Result<(), TxRuleError> {
    let strict = transaction.version >= 4;
    for (index, output) in transaction.outputs.iter().enumerate() {
        check_symbol(params, strict, output)
            .map_err(|error| TxRuleError::Symbol { output: index, error })?;
    }
    Ok(())
}

fn check_symbol(params: &Params, strict: bool, output: &Output) -> Result<(), SymbolError> {
    match &output.attachment.payload {
        Payload::AssetDetail(detail) if !detail.threshold.is_secondary() => {
            check_asset_symbol(detail.symbol.as_bytes(), strict)
        }
        Payload::Cert(cert) => check_asset_symbol(cert.symbol.as_bytes(), strict),
        Payload::Did(did) if did.status == DidStatus::Register => {
            check_did_name(did.symbol.as_bytes(), params.did_word_check, &params.addresses)
        }
        Payload::Mit(mit) if matches!(mit.status, MitStatus::Register { .. }) => {
            check_mit_symbol(mit.symbol.as_bytes())
        }
        _ => Ok(()),
    }
}

/// chain.md 7.2.6.
fn check_attachments(transaction: &Transaction) -> Result<(), TxRuleError> {
    if transaction.version < 4 {
        return Ok(());
    }
    for (index, output) in transaction.outputs.iter().enumerate() {
        output
            .attachment
            .check_valid()
            .map_err(|error| TxRuleError::Attachment { output: index, error })?;
    }
    Ok(())
}

/// chain.md 7.2.7.
fn check_no_null_input(transaction: &Transaction) -> Result<(), TxRuleError> {
    match transaction.inputs.iter().position(|input| input.previous.is_null()) {
        None => Ok(()),
        Some(input) => Err(TxRuleError::NullInput { input }),
    }
}

/// chain.md 7.2.9.
fn check_locked_outputs(
    params: &Params,
    tip: Height,
    transaction: &Transaction,
) -> Result<(), TxRuleError> {
    for (index, output) in transaction.outputs.iter().enumerate() {
        match output.script.pattern() {
            Pattern::PayKeyHashWithLockHeight { lock_height, .. } => {
                let is_over = params.is_pos_era(tip);
                demand(!is_over, TxRuleError::DepositEnded { output: index })?;
                let known = deposit_period(params, lock_height).is_some();
                demand(known, TxRuleError::DepositPeriod { output: index })?;
            }
            Pattern::PayKeyHashWithSequenceLock { .. } => {
                let allowed = params.sequence_locks_allowed.is_active(tip);
                demand(allowed, TxRuleError::SequenceLockEarly { output: index })?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Returns the lock of a deposit if it is one of the network's periods.
pub(crate) fn deposit_period(params: &Params, lock_height: &[u8]) -> Option<u32> {
    let lock = parse_script_number(lock_height, 4, true).ok()?;
    params
        .deposits
        .iter()
        .find(|period| i64::from(period.lock_height) == lock)
        .map(|period| period.lock_height)
}
