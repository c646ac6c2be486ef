//! What every transaction must show (chain.md 7.1, 7.2, 7.8).

use std::collections::HashSet;

use mvs_primitives::attachment::Payload;
use mvs_primitives::transaction::Transaction;

use super::output::{MAX_MONEY, check_script, check_value};
use super::{STRICT_VERSION, attachment, demand};
use crate::check::Network;
use crate::clause::{Broken, Rule};

/// The transaction version that only the test network knows.
const TESTNET_VERSION: u32 = 3;

/// The largest nominal size. Source: chain.md 7.2.2.
const MAX_NOMINAL_SIZE: u64 = 1_000_000;

pub(super) fn check(transaction: &Transaction, network: Network) -> Result<(), Broken> {
    check_version(transaction, network)?;
    check_scripts(transaction, network)?;
    demand(!transaction.inputs.is_empty() && !transaction.outputs.is_empty(), || {
        let (inputs, outputs) = (transaction.inputs.len(), transaction.outputs.len());
        Rule::TxEmpty.broken(format!("{inputs} inputs, {outputs} outputs"))
    })?;
    let size = transaction.nominal_size();
    demand(size <= MAX_NOMINAL_SIZE, || {
        Rule::TxSize.broken(format!("the nominal size is {size}, at most {MAX_NOMINAL_SIZE}"))
    })?;
    check_inputs_differ(transaction)?;
    check_values(transaction)?;
    for (index, output) in transaction.outputs.iter().enumerate() {
        attachment::check_symbol(&output.attachment, transaction.version, network)
            .map_err(|broken| broken.at(index))?;
    }
    for (index, output) in transaction.outputs.iter().enumerate() {
        attachment::check_body(&output.attachment, transaction.version)
            .map_err(|broken| broken.at(index))?;
    }
    let null = transaction.inputs.iter().position(|input| input.previous.is_null());
    match null {
        Some(index) if !transaction.is_coinbase() => {
            Err(Rule::TxNullInput.broken(format!("input {index} is null")))
        }
        _ => Ok(()),
    }
}

fn check_version(transaction: &Transaction, network: Network) -> Result<(), Broken> {
    let version = transaction.version;
    demand(version <= STRICT_VERSION, || {
        Rule::TxVersion.broken(format!("the version is {version}"))
    })?;
    if transaction.is_coinbase() {
        return demand(version < STRICT_VERSION, || {
            Rule::TxCoinbaseVersion.broken("a coinbase of version 4")
        });
    }
    let is_free = transaction.is_coinstake(network.address_format());
    demand(is_free || version != TESTNET_VERSION || network == Network::Testnet, || {
        Rule::TxVersion.broken("version 3 on the main network")
    })
}

fn check_scripts(transaction: &Transaction, network: Network) -> Result<(), Broken> {
    let is_coinstake = transaction.is_coinstake(network.address_format());
    for (index, output) in transaction.outputs.iter().enumerate() {
        if !(is_coinstake && index == 0) {
            check_script(output, transaction.version).map_err(|broken| broken.at(index))?;
        }
    }
    Ok(())
}

fn check_inputs_differ(transaction: &Transaction) -> Result<(), Broken> {
    let mut seen = HashSet::with_capacity(transaction.inputs.len());
    match transaction.inputs.iter().position(|input| !seen.insert(input.previous)) {
        None => Ok(()),
        Some(index) => Err(Rule::TxDuplicateInput.broken(format!(
            "input {index} spends {} once more",
            transaction.inputs[index].previous
        ))),
    }
}

fn check_values(transaction: &Transaction) -> Result<(), Broken> {
    for (index, output) in transaction.outputs.iter().enumerate() {
        check_value(output).map_err(|broken| broken.at(index))?;
    }
    let sum = transaction.output_value().map(|sum| sum.units());
    demand(sum.is_some_and(|sum| sum <= MAX_MONEY), || {
        let sum = sum.map_or_else(|| "beyond 64 bits".to_owned(), |sum| sum.to_string());
        Rule::TxValueSum.broken(format!("the sum is {sum}, at most {MAX_MONEY}"))
    })
}

/// An award is read in two ways by the chain's first node, so that no script check succeeds where
/// it occurs; a coinbase has none.
pub(super) fn check_no_award(transaction: &Transaction) -> Result<(), Broken> {
    let award = transaction
        .outputs
        .iter()
        .position(|output| matches!(output.attachment.payload, Payload::EtpAward { .. }));
    match award {
        None => Ok(()),
        Some(index) => Err(Rule::TxAward.broken("not a coinbase, but has an award").at(index)),
    }
}
