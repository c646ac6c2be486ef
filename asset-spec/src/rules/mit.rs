//! Unique items (chain.md 7.9).

use std::collections::HashSet;

use mvs_primitives::attachment::{MitStatus, Payload};
use mvs_primitives::text::AddressText;
use mvs_primitives::transaction::Transaction;

use super::demand;
use crate::check::Network;
use crate::clause::{Broken, Rule};

pub(super) fn check(transaction: &Transaction, network: Network) -> Result<(), Broken> {
    let is_mit = |payload: &Payload| matches!(payload, Payload::Mit(_));
    if !transaction.outputs.iter().any(|output| is_mit(&output.attachment.payload)) {
        return Ok(());
    }
    let mut common: Option<AddressText> = None;
    let mut symbols = HashSet::new();
    let mut transfers = 0u32;
    for (index, output) in transaction.outputs.iter().enumerate() {
        let address = match &output.attachment.payload {
            Payload::Mit(mit) => match &mit.status {
                MitStatus::Register { .. } => {
                    demand(symbols.insert(&mit.symbol), || {
                        Rule::MitSymbolTwice.broken(format!("{} once more", mit.symbol)).at(index)
                    })?;
                    mit.address.clone()
                }
                MitStatus::Transfer => {
                    transfers += 1; // at most the number of outputs
                    demand(transfers == 1, || {
                        Rule::MitCount.broken("a second item is transferred").at(index)
                    })?;
                    continue;
                }
                MitStatus::Other(_) => continue,
            },
            Payload::Etp => output.script.address_text(network.address_format()),
            Payload::Message(_) => continue,
            _ => {
                let name = output.attachment.type_name();
                return Err(Rule::MitCompanion
                    .broken(format!("{name} beside a unique item"))
                    .at(index));
            }
        };
        let first = common.get_or_insert_with(|| address.clone());
        demand(*first == address, || {
            Rule::MitAddress.broken(format!("{address}, but {first} before")).at(index)
        })?;
    }
    demand(symbols.is_empty() != (transfers == 0), || {
        Rule::MitMixed
            .broken(format!("{} items registered, {transfers} transferred", symbols.len()))
    })
}
