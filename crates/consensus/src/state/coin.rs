//! Unspent outputs.

use mvs_primitives::address::Address;
use mvs_primitives::height::Height;
use mvs_primitives::output::Output;
use mvs_primitives::script::{Pattern, parse_script_number};
use mvs_primitives::transaction::Transaction;

use super::registry::StakeDeposit;
use mvs_primitives::input::OutPoint;

/// Lock times below this are heights, the others Unix times (BIP-0065).
pub(crate) const LOCKTIME_THRESHOLD: u32 = 500_000_000;

/// An unspent output with what the rules ask about its transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coin {
    /// The output.
    pub output: Output,
    /// Height of the block that created it.
    pub height: Height,
    /// Its transaction is a coinbase.
    pub is_coinbase: bool,
    /// Lock time of its transaction, when that was not final at its own height: possible below the
    /// stake era, and asked only of staked outputs (chain.md 9.2.4). Otherwise 0.
    pub open_locktime: u32,
}

impl Coin {
    /// Makes the coins of a transaction in a block of the given height, in order of their outputs.
    pub fn of_transaction(
        transaction: &Transaction,
        height: Height,
    ) -> impl Iterator<Item = Self> + '_ {
        let is_coinbase = transaction.is_coinbase();
        let open_locktime = open_locktime(transaction, height);
        transaction.outputs.iter().map(move |output| Self {
            output: Output {
                value: output.value,
                script: output.script.without_marker_memory(),
                attachment: output.attachment.clone(),
            },
            height,
            is_coinbase,
            open_locktime,
        })
    }

    /// Returns the stake deposit that this coin may be: a sequence lock that carries only coin.
    pub fn stake_deposit(&self, outpoint: OutPoint) -> Option<(Address, StakeDeposit)> {
        if !self.output.is_etp() {
            return None;
        }
        let Pattern::PayKeyHashWithSequenceLock { sequence, key_hash } =
            self.output.script.pattern()
        else {
            return None;
        };
        let lock = parse_script_number(sequence, 4, false).ok()?;
        let deposit =
            StakeDeposit { outpoint, value: self.output.value, height: self.height, lock };
        Some((Address::KeyHash(*key_hash), deposit))
    }
}

fn open_locktime(transaction: &Transaction, height: Height) -> u32 {
    let Transaction { version, ref inputs, locktime, .. } = *transaction;
    let all_final = inputs.iter().all(|input| input.sequence == u32::MAX);
    let passed = locktime < LOCKTIME_THRESHOLD && locktime < height.value();
    if version < 2 || all_final || passed { 0 } else { locktime }
}
