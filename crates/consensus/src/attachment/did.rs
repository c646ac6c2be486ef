//! Identities, and attachments that name identities and addresses (chain.md 7.11).

use std::collections::HashSet;

use mvs_primitives::address::Address;
use mvs_primitives::attachment::{Did, DidStatus, Payload};
use mvs_primitives::output::Output;
use mvs_primitives::text::{AddressText, DidName};
use mvs_primitives::transaction::Transaction;

use super::is_etp_or_message;
use crate::error::{Rejection, TxRuleError, broken, demand};
use crate::state::Coin;
use crate::tx::TxContext;

/// chain.md 7.11, for every output of every transaction.
pub(crate) fn check(
    context: &TxContext<'_>,
    transaction: &Transaction,
    spent: &[Coin],
) -> Result<(), Rejection<TxRuleError>> {
    let mut dids = 0usize;
    let mut senders = Senders { spent, owners: None };
    for (index, output) in transaction.outputs.iter().enumerate() {
        check_address(context, index, output).map_err(broken)?;
        check_binding(context, index, output, &mut senders)?;
        if let Payload::Did(did) = &output.attachment.payload {
            dids += 1;
            demand(dids == 1, TxRuleError::DidSingle).map_err(broken)?;
            check_did(context, did, output, spent)?;
        }
    }
    Ok(())
}

/// Returns the address that an attachment names, for the kinds where it must be the script's.
fn named_address(payload: &Payload) -> Option<&AddressText> {
    match payload {
        Payload::AssetDetail(detail) => Some(&detail.address),
        Payload::Mit(mit) => Some(&mit.address),
        Payload::Cert(cert) => Some(&cert.address),
        Payload::Did(did) => Some(&did.address),
        _ => None,
    }
}

/// chain.md 7.11.1.
fn check_address(
    context: &TxContext<'_>,
    index: usize,
    output: &Output,
) -> Result<(), TxRuleError> {
    let Some(named) = named_address(&output.attachment.payload) else { return Ok(()) };
    let same = *named == output.script.address_text(&context.params.addresses);
    demand(same, TxRuleError::AddressMismatch { output: index })
}

/// chain.md 7.11.2, 7.11.3 and 7.11.6. `senders` are the owners of the spent coins.
fn check_binding(
    context: &TxContext<'_>,
    index: usize,
    output: &Output,
    senders: &mut Senders<'_>,
) -> Result<(), Rejection<TxRuleError>> {
    let Some(binding) = output.attachment.version.binding() else { return Ok(()) };
    if !binding.to_did.is_empty() {
        let home = home_of(context, &binding.to_did)?;
        let lives = home == Some(super::owner_of(output));
        demand(lives, TxRuleError::ToDidUnbound { output: index }).map_err(broken)?;
    }
    if !binding.from_did.is_empty() {
        let home = home_of(context, &binding.from_did)?;
        let lives = home.is_some_and(|home| senders.contains(&home));
        demand(lives, TxRuleError::FromDidUnbound { output: index }).map_err(broken)?;
    }
    let owner = match &output.attachment.payload {
        Payload::AssetDetail(detail) => Some(&detail.issuer),
        Payload::Cert(cert) => Some(&cert.owner),
        _ => None,
    };
    let same = owner.is_none_or(|owner| *owner == binding.to_did);
    demand(same, TxRuleError::OwnerMismatch { output: index }).map_err(broken)
}

/// Returns where an identity lives. A script without an address passes for the blackhole (QUIRK,
/// chain.md 5.4).
fn home_of(
    context: &TxContext<'_>,
    name: &DidName,
) -> Result<Option<Address>, Rejection<TxRuleError>> {
    Ok(context.state.did(name)?.map(|did| did.address))
}

/// The owners of the spent coins, collected when first asked for: a large transaction with many
/// bound outputs must not look at every input for every output.
struct Senders<'a> {
    spent: &'a [Coin],
    owners: Option<HashSet<Address>>,
}

impl Senders<'_> {
    fn contains(&mut self, address: &Address) -> bool {
        let spent = self.spent;
        self.owners
            .get_or_insert_with(|| spent.iter().map(|coin| super::owner_of(&coin.output)).collect())
            .contains(address)
    }
}

/// chain.md 7.11.4 and 7.11.5.
fn check_did(
    context: &TxContext<'_>,
    did: &Did,
    output: &Output,
    spent: &[Coin],
) -> Result<(), Rejection<TxRuleError>> {
    let address = super::owner_of(output);
    if did.status == DidStatus::Register {
        // QUIRK (chain.md 3.6): the identity that every node knows from the start has no block, so
        // a block may register its name; the pool may not.
        let is_taken = context
            .state
            .did(&did.symbol)?
            .is_some_and(|known| known.height.is_some() || context.place == crate::tx::Place::Pool);
        demand(!is_taken, TxRuleError::DidNameTaken).map_err(broken)?;
    }
    let holds_one = context.state.did_of(&address)?.is_some();
    demand(!holds_one, TxRuleError::DidAddressTaken).map_err(broken)?;

    let pays =
        spent.iter().any(|coin| coin.output.is_etp() && super::owner_of(&coin.output) == address);
    let fits = match did.status {
        DidStatus::Register => pays,
        DidStatus::Transfer => {
            let moves = spent.iter().any(|coin| {
                matches!(&coin.output.attachment.payload, Payload::Did(d) if d.symbol == did.symbol)
            });
            pays && moves && spent.len() == 2
        }
    };
    demand(fits, TxRuleError::DidInputs).map_err(broken)
}

/// chain.md 7.10.8: beside an identity transfer.
///
/// That the identity is the one that comes in was asked in [`check`], and that it is the only one.
pub(crate) fn check_transfer(transaction: &Transaction) -> Result<(), TxRuleError> {
    let is_transfer = |output: &Output| matches!(&output.attachment.payload, Payload::Did(did) if did.status == DidStatus::Transfer);
    if !transaction.outputs.iter().any(is_transfer) {
        return Ok(());
    }
    for (index, output) in transaction.outputs.iter().enumerate() {
        let payload = &output.attachment.payload;
        let fits = matches!(payload, Payload::Did(_)) || is_etp_or_message(payload);
        demand(fits, TxRuleError::DidOutputs { output: index })?;
    }
    Ok(())
}
