//! Issued assets: issue, secondary issue, conservation (chain.md 7.5, 7.6, 7.10.7).

use mvs_primitives::amount::AssetAmount;
use mvs_primitives::attachment::{AssetDetail, CertType, Payload};
use mvs_primitives::output::Output;
use mvs_primitives::script::Pattern;
use mvs_primitives::symbol::domain;
use mvs_primitives::text::{AddressText, DidName, Symbol};
use mvs_primitives::transaction::Transaction;

use super::attenuation::AttenuationModel;
use super::{First, is_etp_or_message};
use crate::error::{Rejection, TxRuleError, broken, demand};
use crate::state::Coin;
use crate::subsidy::MiningSchedule;
use crate::tx::{InputSymbols, TxContext};

/// Returns the issue or secondary issue records of a transaction.
fn details(transaction: &Transaction, secondary: bool) -> impl Iterator<Item = &AssetDetail> {
    transaction.outputs.iter().filter_map(move |output| match &output.attachment.payload {
        Payload::AssetDetail(detail) if detail.threshold.is_secondary() == secondary => {
            Some(&**detail)
        }
        _ => None,
    })
}

/// Checks that a lock on newly created units starts as it must.
fn starts_right(output: &Output, quantity: AssetAmount) -> bool {
    match output.script.pattern() {
        Pattern::PayKeyHashWithAttenuationModel { model, .. } => {
            AttenuationModel::parse(model).is_ok_and(|model| model.check_initial(quantity).is_ok())
        }
        _ => true,
    }
}

/// chain.md 7.5.
pub(crate) fn check_issue(
    context: &TxContext<'_>,
    transaction: &Transaction,
) -> Result<(), Rejection<TxRuleError>> {
    let mut issues = details(transaction, false);
    let Some(detail) = issues.next() else { return Ok(()) };
    let is_single = issues.next().is_none() && detail.threshold.is_known();
    demand(is_single, TxRuleError::AssetIssueForm).map_err(broken)?;
    let taken = context.state.asset(&detail.symbol)?.is_some();
    demand(!taken, TxRuleError::AssetSymbolTaken).map_err(broken)?;
    check_issue_outputs(context, transaction, detail).map_err(broken)
}

/// What stands beside an issue. "Same symbol", "same address" and "same owner" compare with the
/// first one seen, in the order of the outputs (chain.md 7.5.4).
#[derive(Default)]
struct IssueOutputs<'a> {
    symbol: First<&'a Symbol>,
    address: First<AddressText>,
    owner: First<&'a DidName>,
    issue_certs: usize,
    domain_certs: usize,
    mining_certs: usize,
}

fn check_issue_outputs(
    context: &TxContext<'_>,
    transaction: &Transaction,
    detail: &AssetDetail,
) -> Result<(), TxRuleError> {
    let format = &context.params.addresses;
    let mut seen = IssueOutputs::default();
    for (index, output) in transaction.outputs.iter().enumerate() {
        let fits = match &output.attachment.payload {
            Payload::AssetDetail(found) if !found.threshold.is_secondary() => {
                let starts = starts_right(output, found.maximum_supply);
                demand(starts, TxRuleError::AssetLockModel)?;
                seen.symbol.is_same(&found.symbol) && seen.address.is_same(found.address.clone())
            }
            Payload::Cert(cert) => match cert.cert_type() {
                CertType::ISSUE => {
                    seen.issue_certs += 1;
                    seen.issue_certs == 1
                        && seen.symbol.is_same(&cert.symbol)
                        && seen.address.is_same(output.script.address_text(format))
                }
                CertType::DOMAIN => {
                    seen.domain_certs += 1;
                    seen.domain_certs == 1
                        && seen.symbol.get().is_none_or(|symbol| {
                            domain(symbol.as_bytes()) == cert.symbol.as_bytes()
                        })
                        && seen.owner.is_same(&cert.owner)
                }
                CertType::NAMING => {
                    seen.domain_certs += 1;
                    seen.domain_certs == 1
                        && seen.symbol.is_same(&cert.symbol)
                        && seen.owner.is_same(&cert.owner)
                }
                CertType::MINING => {
                    let allowed = context.params.is_pos_era(context.tip);
                    demand(allowed, TxRuleError::MiningCertEarly)?;
                    let parses = cert
                        .content()
                        .is_some_and(|content| MiningSchedule::parse(content.as_bytes()).is_ok());
                    demand(parses, TxRuleError::MiningCertContent)?;
                    seen.mining_certs += 1;
                    seen.mining_certs == 1
                        && seen.symbol.is_same(&cert.symbol)
                        && seen.address.is_same(output.script.address_text(format))
                }
                _ => false,
            },
            payload => is_etp_or_message(payload),
        };
        demand(fits, TxRuleError::AssetIssueOutputs { output: index })?;
    }
    if transaction.version < 4 {
        return Ok(());
    }
    let has_cert = !detail.threshold.allows_secondary_issue() || seen.issue_certs > 0;
    demand(has_cert, TxRuleError::AssetIssueCertMissing)?;
    let has_domain = domain(detail.symbol.as_bytes()).is_empty()
        || seen.owner.get().is_some_and(|owner| !owner.is_empty());
    demand(has_domain, TxRuleError::AssetDomainCertMissing)
}

/// chain.md 7.6.
pub(crate) fn check_secondary_issue(
    context: &TxContext<'_>,
    transaction: &Transaction,
    spent: &[Coin],
) -> Result<(), Rejection<TxRuleError>> {
    let mut records = details(transaction, true);
    let Some(detail) = records.next() else { return Ok(()) };
    let is_single = records.next().is_none() && detail.threshold.is_known();
    demand(is_single, TxRuleError::SecondaryForm).map_err(broken)?;
    let own = check_secondary_outputs(context, transaction, detail).map_err(broken)?;

    let asset = context.state.asset(&detail.symbol)?;
    let total = asset.ok_or(broken(TxRuleError::SecondaryUnknown))?.supply;
    let fits = total.checked_add(detail.maximum_supply).is_some();
    demand(fits, TxRuleError::SupplyOverflow).map_err(broken)?;
    check_share(detail, total, own).map_err(broken)?;
    check_secondary_inputs(context, detail, spent).map_err(broken)
}

/// chain.md 7.6.1 to 7.6.4; returns the quantity that the issuer shows to hold.
fn check_secondary_outputs(
    context: &TxContext<'_>,
    transaction: &Transaction,
    detail: &AssetDetail,
) -> Result<u64, TxRuleError> {
    let format = &context.params.addresses;
    let (mut own, mut certs) = (AssetAmount::ZERO, 0usize);
    for (index, output) in transaction.outputs.iter().enumerate() {
        let fits = match &output.attachment.payload {
            Payload::AssetDetail(found) if found.threshold.is_secondary() => {
                let starts = starts_right(output, found.maximum_supply);
                demand(starts, TxRuleError::SecondaryLockModel)?;
                true
            }
            Payload::AssetTransfer(transfer) => {
                // A sum beyond 64 bits cannot be conserved either; refuse it here.
                match own.checked_add(transfer.quantity) {
                    Some(sum) => own = sum,
                    None => return Err(TxRuleError::SupplyOverflow),
                }
                transfer.symbol == detail.symbol
                    && output.script.address_text(format) == detail.address
            }
            Payload::Cert(cert) => {
                certs += 1;
                certs == 1 && cert.cert_type() == CertType::ISSUE && cert.symbol == detail.symbol
            }
            payload => is_etp_or_message(payload),
        };
        demand(fits, TxRuleError::SecondaryOutputs { output: index })?;
    }
    demand(transaction.version < 4 || certs > 0, TxRuleError::SecondaryCertMissing)?;
    Ok(own.units())
}

/// chain.md 7.6.6. The threshold is the one that this very record writes (QUIRK): nothing compares
/// it with the original issue.
fn check_share(detail: &AssetDetail, total: AssetAmount, own: u64) -> Result<(), TxRuleError> {
    let percent = detail.threshold.percent();
    match percent {
        127 => Ok(()),
        1..=100 => {
            let needed = needed_share(total.units(), percent);
            let enough = needed == 0 || own >= needed - 1; // needed is at least 1 here
            demand(enough, TxRuleError::ShareTooSmall { own, needed })
        }
        _ => Err(TxRuleError::ShareTooSmall { own, needed: u64::MAX }),
    }
}

/// `trunc((double)total / 100 * threshold)`: the protocol computes with doubles here.
///
/// Rust's `as` saturates where the result does not fit 64 bits; with a percentage of at most 100
/// that is only 2^64 itself.
fn needed_share(total: u64, percent: u8) -> u64 {
    (total as f64 / 100.0 * f64::from(percent)) as u64
}

/// chain.md 7.6.7.
fn check_secondary_inputs(
    context: &TxContext<'_>,
    detail: &AssetDetail,
    spent: &[Coin],
) -> Result<(), TxRuleError> {
    let format = &context.params.addresses;
    for (input, coin) in spent.iter().enumerate() {
        let fits = match &coin.output.attachment.payload {
            Payload::AssetDetail(_) | Payload::AssetTransfer(_) => {
                coin.output.script.address_text(format) == detail.address
            }
            Payload::Cert(cert) => {
                cert.cert_type() == CertType::ISSUE && cert.symbol == detail.symbol
            }
            _ => true,
        };
        demand(fits, TxRuleError::SecondaryInputs { input })?;
    }
    Ok(())
}

/// chain.md 7.10.7.
///
/// QUIRK: without a transfer output of more than nothing, nothing is conserved: assets can be
/// burned by spending them in a transaction without asset outputs.
pub(crate) fn check_conserved(
    context: &TxContext<'_>,
    transaction: &Transaction,
    symbols: &InputSymbols<'_>,
) -> Result<(), TxRuleError> {
    let has_transfer = transaction.outputs.iter().any(|output| {
        matches!(&output.attachment.payload, Payload::AssetTransfer(t) if !t.quantity.is_zero())
    });
    if !has_transfer {
        return Ok(());
    }
    let mut sum = 0u128;
    for (index, output) in transaction.outputs.iter().enumerate() {
        match &output.attachment.payload {
            payload @ (Payload::AssetDetail(_) | Payload::AssetTransfer(_)) => {
                let Some((symbol, quantity)) = output.attachment.asset() else { continue };
                let same = symbols.named == Some(symbol.as_bytes());
                demand(same, TxRuleError::AssetSymbolMismatch { output: index })?;
                let is_new = matches!(payload,
                    Payload::AssetDetail(detail) if detail.threshold.is_secondary());
                if !is_new {
                    sum += u128::from(quantity.units()); // at most 2^32 outputs of 2^64 units
                }
            }
            Payload::Cert(_) => {}
            payload => {
                let fits = is_etp_or_message(payload);
                demand(fits, TxRuleError::AssetTransferOutputs { output: index })?;
            }
        }
    }
    let (inputs, outputs) = (symbols.asset_sum, sum);
    let conserved = if context.params.strictness.asset_sums {
        inputs == outputs
    } else {
        // QUIRK: the reference's sums are 64 bits wide and wrap around.
        inputs as u64 == outputs as u64
    };
    demand(conserved, TxRuleError::AssetNotConserved { inputs, outputs })
}
