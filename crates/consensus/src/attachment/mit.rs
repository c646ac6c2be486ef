//! Unique items (chain.md 7.9).

use std::collections::HashSet;

use mvs_primitives::attachment::{MitStatus, Payload};
use mvs_primitives::text::AddressText;
use mvs_primitives::transaction::Transaction;

use super::First;
use crate::error::{Rejection, TxRuleError, broken, demand};
use crate::state::Coin;
use crate::tx::{InputSymbols, TxContext};

/// chain.md 7.9.1 to 7.9.4.
pub(crate) fn check(
    context: &TxContext<'_>,
    transaction: &Transaction,
    spent: &[Coin],
) -> Result<(), Rejection<TxRuleError>> {
    let is_mit = |payload: &Payload| matches!(payload, Payload::Mit(_));
    if !transaction.outputs.iter().any(|output| is_mit(&output.attachment.payload)) {
        return Ok(());
    }
    let format = &context.params.addresses;
    let mut common: First<AddressText> = First::default();
    let mut symbol = None;
    let mut symbols = HashSet::new();
    let (mut registers, mut transfers) = (0usize, 0usize);
    for (index, output) in transaction.outputs.iter().enumerate() {
        let elsewhere = TxRuleError::MitAddress { output: index };
        match &output.attachment.payload {
            Payload::Mit(mit) => {
                // No block may hold two (chain.md 3.6); a loose transaction that did would spoil
                // every template that it gets into.
                let new = symbols.insert(&mit.symbol);
                demand(new, TxRuleError::MitTwice { output: index }).map_err(broken)?;
                symbol = Some(&mit.symbol);
                match mit.status {
                    MitStatus::Register { .. } => {
                        registers += 1;
                        let same = common.is_same(mit.address.clone());
                        demand(same, elsewhere).map_err(broken)?;
                        let exists = context.state.mit(&mit.symbol)?.is_some();
                        demand(!exists, TxRuleError::MitExists { output: index })
                            .map_err(broken)?;
                    }
                    MitStatus::Transfer => transfers += 1,
                    // Neither a registration nor a transfer, so it does not belong here (7.9.3).
                    MitStatus::Other(_) => {
                        return Err(broken(TxRuleError::MitOutputs { output: index }));
                    }
                }
            }
            Payload::Etp => {
                let same = common.is_same(output.script.address_text(format));
                demand(same, elsewhere).map_err(broken)?;
            }
            Payload::Message(_) => {}
            _ => return Err(broken(TxRuleError::MitOutputs { output: index })),
        }
    }
    let is_formed = matches!((registers, transfers), (1.., 0) | (0, 1));
    demand(is_formed, TxRuleError::MitForm).map_err(broken)?;

    for (input, coin) in spent.iter().enumerate() {
        let fits = match &coin.output.attachment.payload {
            Payload::Etp => common.get() == Some(&coin.output.script.address_text(format)),
            Payload::Mit(mit) => Some(&mit.symbol) == symbol,
            _ => true,
        };
        demand(fits, TxRuleError::MitInputs { input }).map_err(broken)?;
    }
    let moves = spent.iter().any(|coin| is_mit(&coin.output.attachment.payload));
    demand(transfers == 0 || moves, TxRuleError::MitNotInInputs).map_err(broken)
}

/// chain.md 7.9.5: with a transfer, the symbol of the outputs is that of the inputs.
///
/// That there is one transfer output and nothing but coin and messages beside it was asked in
/// [`check`].
pub(crate) fn check_transfer(
    transaction: &Transaction,
    inputs: &InputSymbols<'_>,
) -> Result<(), TxRuleError> {
    for output in &transaction.outputs {
        if let Payload::Mit(mit) = &output.attachment.payload
            && mit.status == MitStatus::Transfer
        {
            let same = inputs.named == Some(mit.symbol.as_bytes());
            demand(same, TxRuleError::MitNotInInputs)?;
        }
    }
    Ok(())
}
