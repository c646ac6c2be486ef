//! Certificates (chain.md 7.7).

use std::collections::HashSet;

use mvs_primitives::attachment::{Cert, CertStatus, CertType, Payload};
use mvs_primitives::symbol::domain;
use mvs_primitives::text::Symbol;
use mvs_primitives::transaction::Transaction;

use super::is_etp_or_message;
use crate::error::{Rejection, TxRuleError, broken, demand};
use crate::state::CertKey;
use crate::tx::{InputSymbols, TxContext};

/// What the symbols of witness certificates begin with (chain.md 7.7 A 4, 9.3).
pub(crate) const WITNESS_PREFIX: &str = "MVS.WITNESS.";

fn certs(transaction: &Transaction) -> impl Iterator<Item = (usize, &Cert)> {
    transaction.outputs.iter().enumerate().filter_map(|(index, output)| {
        match &output.attachment.payload {
            Payload::Cert(cert) => Some((index, &**cert)),
            _ => None,
        }
    })
}

/// chain.md 7.7 A: a certificate that is issued or transferred by itself.
pub(crate) fn check_single(
    context: &TxContext<'_>,
    transaction: &Transaction,
) -> Result<(), Rejection<TxRuleError>> {
    let count = |status| certs(transaction).filter(move |(_, cert)| cert.status == status).count();
    let (issues, transfers) = (count(CertStatus::ISSUE), count(CertStatus::TRANSFER));
    if issues + transfers == 0 {
        return Ok(());
    }
    demand(issues + transfers == 1, TxRuleError::CertSingle).map_err(broken)?;

    let mut issued: Option<&Cert> = None;
    let mut support: Option<&Cert> = None;
    for (index, output) in transaction.outputs.iter().enumerate() {
        let not_here = TxRuleError::CertOutputs { output: index };
        let Payload::Cert(cert) = &output.attachment.payload else {
            demand(is_etp_or_message(&output.attachment.payload), not_here).map_err(broken)?;
            continue;
        };
        match cert.status {
            CertStatus::ISSUE => {
                let exists = context.state.cert(&CertKey::of(cert))?.is_some();
                demand(!exists, TxRuleError::CertExists).map_err(broken)?;
                issued = Some(cert);
            }
            CertStatus::TRANSFER => {}
            _ => {
                // Only what the issued certificate stands on may come along, and only after it.
                let supports = match cert.cert_type() {
                    CertType::DOMAIN => issued.map(Cert::cert_type) == Some(CertType::NAMING),
                    CertType::WITNESS => issued.map(Cert::cert_type) == Some(CertType::WITNESS),
                    _ => false,
                };
                demand(supports && support.is_none(), not_here).map_err(broken)?;
                let owner = context.state.did(&cert.owner)?;
                let is_home = owner.is_some_and(|did| {
                    did.address.is_text(&cert.address, &context.params.addresses)
                });
                demand(is_home, TxRuleError::CertOwner { output: index }).map_err(broken)?;
                support = Some(cert);
            }
        }
    }
    match issued {
        Some(issued) => check_issued(context, issued, support),
        None => Ok(()),
    }
}

/// chain.md 7.7 A 4.
fn check_issued(
    context: &TxContext<'_>,
    issued: &Cert,
    support: Option<&Cert>,
) -> Result<(), Rejection<TxRuleError>> {
    match issued.cert_type() {
        CertType::NONE => Err(broken(TxRuleError::CertNoType)),
        CertType::NAMING => {
            let wanted = domain(issued.symbol.as_bytes());
            let found = support.is_some_and(|cert| cert.symbol.as_bytes() == wanted);
            demand(found, TxRuleError::CertNamingDomain).map_err(broken)
        }
        CertType::WITNESS => {
            let Some(primary) = primary_witness(&issued.symbol) else {
                return Err(broken(TxRuleError::CertWitnessPrimary));
            };
            let found = support.is_some_and(|cert| cert.symbol.as_bytes() == primary);
            demand(found, TxRuleError::CertWitnessPrimary).map_err(broken)?;
            let living = count_secondary_witnesses(context, primary)?;
            let max = usize::try_from(context.params.witness.max_secondary).unwrap_or(usize::MAX);
            demand(living < max, TxRuleError::CertWitnessFull).map_err(broken)
        }
        // QUIRK: other types can be issued by anybody, as long as they are new.
        _ => Ok(()),
    }
}

/// Returns the symbol of the primary certificate that a secondary witness certificate stands on:
/// `MVS.WITNESS.` and the first component.
fn primary_witness(symbol: &Symbol) -> Option<&[u8]> {
    let rest = symbol.as_bytes().strip_prefix(WITNESS_PREFIX.as_bytes())?;
    let end = WITNESS_PREFIX.len() + domain(rest).len();
    symbol.as_bytes().get(..end)
}

/// Tells whether a witness certificate is a secondary one: it has a component after the first.
fn is_secondary_witness(symbol: &Symbol) -> bool {
    primary_witness(symbol).is_some_and(|primary| primary.len() < symbol.len())
}

/// QUIRK: counted by plain prefix, so `MVS.WITNESS.1` also counts those of `MVS.WITNESS.10`.
fn count_secondary_witnesses(
    context: &TxContext<'_>,
    primary: &[u8],
) -> Result<usize, Rejection<TxRuleError>> {
    let expiry = context.params.witness.expiry_blocks;
    let found = context.state.certs_with_prefix(CertType::WITNESS, primary)?;
    let is_living = |symbol: &Symbol, height| {
        is_secondary_witness(symbol) && context.height.blocks_since(height) < expiry
    };
    Ok(found.iter().filter(|(symbol, state)| is_living(symbol, state.height)).count())
}

/// chain.md 7.7 B: what comes in and what goes out.
pub(crate) fn check_relation(
    transaction: &Transaction,
    inputs: &InputSymbols<'_>,
) -> Result<(), TxRuleError> {
    let mut types = HashSet::new();
    let (mut automatic, mut transfers, mut total) = (false, false, 0usize);
    for (index, cert) in certs(transaction) {
        total += 1;
        let cert_type = cert.cert_type();
        let is_new_type = types.insert(cert_type) || cert_type == CertType::WITNESS;
        demand(is_new_type, TxRuleError::CertTypeTwice { output: index })?;
        // Statuses other than these four are not restricted by the parser and only seen refused
        // when nothing came in; they count as passed on (docs/decisions/0011).
        let is_passed_on = !matches!(cert.status, CertStatus::ISSUE | CertStatus::AUTO_ISSUE);
        let names_in_domain =
            inputs.cert_types.contains(&CertType::DOMAIN) && cert_type == CertType::NAMING;
        let fits = if names_in_domain {
            inputs.cert.map(Symbol::as_bytes) == Some(domain(cert.symbol.as_bytes()))
        } else {
            // Without any certificate input there is nothing to compare with; the next rule speaks.
            !is_passed_on || inputs.cert.is_none_or(|symbol| *symbol == cert.symbol)
        };
        demand(fits, TxRuleError::CertSymbolMismatch { output: index })?;
        let came_in = !is_passed_on || inputs.cert_types.contains(&cert_type);
        demand(came_in, TxRuleError::CertNotInInputs { output: index })?;
        automatic |= cert.status == CertStatus::AUTO_ISSUE;
        transfers |= cert.status == CertStatus::TRANSFER;
    }
    if total == 0 {
        return Ok(());
    }
    check_beside(transaction, automatic)?;
    if transfers {
        let (inputs, outputs) = (inputs.cert_types.len(), total);
        let one_to_one = inputs == 1 && outputs == 1;
        demand(one_to_one, TxRuleError::CertTransferCount { inputs, outputs })?;
    }
    // QUIRK: without any certificate output this is not asked, so certificates can be lost.
    let none_lost = inputs.cert_types.iter().all(|cert_type| types.contains(cert_type));
    demand(none_lost, TxRuleError::CertLost)
}

/// chain.md 7.7 B 4. That certificates of status 1 and 2 have no assets beside them was asked in
/// [`check_single`].
fn check_beside(transaction: &Transaction, automatic: bool) -> Result<(), TxRuleError> {
    let mut has_issue = false;
    for (index, output) in transaction.outputs.iter().enumerate() {
        match &output.attachment.payload {
            Payload::Cert(_) | Payload::AssetTransfer(_) => {}
            Payload::AssetDetail(detail) => has_issue |= !detail.threshold.is_secondary(),
            payload => {
                let fits = is_etp_or_message(payload);
                demand(fits, TxRuleError::CertMixedOutputs { output: index })?;
            }
        }
    }
    demand(!automatic || has_issue, TxRuleError::CertAutoIssueAlone)
}
