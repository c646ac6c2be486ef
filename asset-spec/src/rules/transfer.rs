//! Asset transfers (chain.md 7.10.2, 7.10.7). Sums need the inputs and are not checked here.

use mvs_primitives::attachment::Payload;
use mvs_primitives::text::Symbol;
use mvs_primitives::transaction::Transaction;

use super::demand;
use crate::clause::{Broken, Rule};

/// The asset symbol that no input may carry.
const UNSPENDABLE_SYMBOL: &[u8] = b"ETP";

pub(super) fn check(transaction: &Transaction) -> Result<(), Broken> {
    let moves = transaction.outputs.iter().any(|output| {
        matches!(&output.attachment.payload, Payload::AssetTransfer(transfer)
            if !transfer.quantity.is_zero())
    });
    if !moves {
        return Ok(());
    }
    let mut symbol: Option<&Symbol> = None;
    for (index, output) in transaction.outputs.iter().enumerate() {
        if let Some((found, _)) = output.attachment.asset() {
            let first = *symbol.get_or_insert(found);
            demand(first == found, || {
                Rule::TransferSymbol.broken(format!("{found}, but {first} before")).at(index)
            })?;
            demand(found.as_bytes() != UNSPENDABLE_SYMBOL, || {
                Rule::TransferEtp.broken("an asset called ETP").at(index)
            })?;
            continue;
        }
        let fits = matches!(
            output.attachment.payload,
            Payload::Cert(_) | Payload::Etp | Payload::Message(_)
        );
        demand(fits, || {
            let name = output.attachment.type_name();
            Rule::TransferCompanion.broken(format!("{name} beside an asset transfer")).at(index)
        })?;
    }
    Ok(())
}
