//! Identities (chain.md 7.10.8, 7.11.4, 7.11.5).

use mvs_primitives::attachment::{DidStatus, Payload};
use mvs_primitives::transaction::Transaction;

use super::demand;
use crate::clause::{Broken, Rule};

/// How many inputs an identity transfer has: the identity, and the coin of its new address.
const TRANSFER_INPUTS: usize = 2;

pub(super) fn check(transaction: &Transaction) -> Result<(), Broken> {
    let mut dids =
        transaction.outputs.iter().enumerate().filter_map(|(index, output)| {
            match &output.attachment.payload {
                Payload::Did(did) => Some((index, did)),
                _ => None,
            }
        });
    let Some((at, did)) = dids.next() else { return Ok(()) };
    if let Some((index, _)) = dids.next() {
        return Err(Rule::DidCount.broken("a second identity output").at(index));
    }
    if did.status == DidStatus::Register {
        return Ok(());
    }
    demand(transaction.inputs.len() == TRANSFER_INPUTS, || {
        Rule::DidTransferInputs.broken(format!("{} inputs", transaction.inputs.len())).at(at)
    })?;
    for (index, output) in transaction.outputs.iter().enumerate() {
        let fits =
            index == at || matches!(output.attachment.payload, Payload::Etp | Payload::Message(_));
        demand(fits, || {
            let name = output.attachment.type_name();
            Rule::DidCompanion.broken(format!("{name} beside an identity transfer")).at(index)
        })?;
    }
    Ok(())
}
