//! The clauses, grouped by what they look at. Every function stops at the first broken clause.

use mvs_primitives::attachment::{Attachment, Payload};
use mvs_primitives::output::Output;
use mvs_primitives::transaction::Transaction;

use crate::check::{Context, Network};
use crate::clause::Broken;

mod attachment;
mod basic;
mod cert;
mod did;
mod issue;
mod mit;
mod output;
mod transfer;

/// The first transaction version with strict attachments and symbols.
const STRICT_VERSION: u32 = 4;

/// Checks an attachment by itself.
///
/// # Errors
/// The first clause that it breaks.
pub fn check_attachment(attachment: &Attachment, context: &Context) -> Result<(), Broken> {
    attachment::check_symbol(attachment, context.tx_version, context.network)?;
    attachment::check_body(attachment, context.tx_version)?;
    if let Payload::AssetDetail(detail) = &attachment.payload {
        issue::check_threshold(detail)?;
    }
    attachment::check_binding(attachment)
}

/// Checks an output by itself: script and value, then its attachment, then its address.
///
/// # Errors
/// The first clause that it breaks.
pub fn check_output(output: &Output, context: &Context) -> Result<(), Broken> {
    output::check_script(output, context.tx_version)?;
    output::check_value(output)?;
    check_attachment(&output.attachment, context)?;
    output::check_address(output, context.network)
}

/// Checks a transaction, in the order in which the chain's first node looks at it.
///
/// # Errors
/// The first clause that it breaks.
pub fn check_transaction(transaction: &Transaction, network: Network) -> Result<(), Broken> {
    basic::check(transaction, network)?;
    issue::check_issue(transaction, network)?;
    cert::check_alone(transaction)?;
    issue::check_secondary(transaction, network)?;
    mit::check(transaction, network)?;
    for (index, output) in transaction.outputs.iter().enumerate() {
        output::check_address(output, network).map_err(|broken| broken.at(index))?;
    }
    did::check(transaction)?;
    for (index, output) in transaction.outputs.iter().enumerate() {
        attachment::check_binding(&output.attachment).map_err(|broken| broken.at(index))?;
    }
    if !transaction.is_coinbase() {
        basic::check_no_award(transaction)?;
        transfer::check(transaction)?;
        cert::check_together(transaction)?;
    }
    Ok(())
}

/// Turns a condition into an outcome.
fn demand(holds: bool, otherwise: impl FnOnce() -> Broken) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
