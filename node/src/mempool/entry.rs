//! One transaction of the pool.

use std::sync::Arc;

use mvs_primitives::amount::Amount;
use mvs_primitives::attachment::{DidStatus, Payload};
use mvs_primitives::encode::Encode;
use mvs_primitives::hash::TxId;
use mvs_primitives::height::Height;
use mvs_primitives::input::Input;
use mvs_primitives::output::Output;
use mvs_primitives::transaction::Transaction;

use super::rate::FeeRate;

/// A loose transaction with its id, which is computed once. Cheap to copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LooseTx {
    transaction: Arc<Transaction>,
    txid: TxId,
}

impl LooseTx {
    /// Takes a transaction whose id is known, as [`Transaction::decode_with_id`] gives it.
    pub const fn new(transaction: Arc<Transaction>, txid: TxId) -> Self {
        Self { transaction, txid }
    }

    /// Returns the transaction.
    pub const fn transaction(&self) -> &Arc<Transaction> {
        &self.transaction
    }

    /// Returns its id.
    pub const fn txid(&self) -> TxId {
        self.txid
    }
}

impl From<Transaction> for LooseTx {
    fn from(transaction: Transaction) -> Self {
        Self { txid: transaction.txid(), transaction: Arc::new(transaction) }
    }
}

/// Sums over a transaction and those around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Transactions.
    pub count: u32,
    /// Bytes.
    pub bytes: u64,
    /// Fees in units.
    pub fees: Amount,
    /// Signature operations in own scripts.
    pub sigops: u32,
    /// Signature operations in redeem scripts.
    pub p2sh_sigops: u32,
}

impl Totals {
    /// Adds. Sums of a bounded number of transactions, whose coin is below the money limit: they
    /// saturate only if a promise is broken.
    pub(super) fn add(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.bytes = self.bytes.saturating_add(other.bytes);
        let fees = self.fees.units().saturating_add(other.fees.units());
        self.fees = Amount::from_units(fees);
        self.sigops = self.sigops.saturating_add(other.sigops);
        self.p2sh_sigops = self.p2sh_sigops.saturating_add(other.p2sh_sigops);
    }

    /// Takes away what was added.
    pub(super) fn subtract(&mut self, other: &Self) {
        self.count = self.count.saturating_sub(other.count);
        self.bytes = self.bytes.saturating_sub(other.bytes);
        let fees = self.fees.units().saturating_sub(other.fees.units());
        self.fees = Amount::from_units(fees);
        self.sigops = self.sigops.saturating_sub(other.sigops);
        self.p2sh_sigops = self.p2sh_sigops.saturating_sub(other.p2sh_sigops);
    }

    /// Returns fees over bytes.
    pub fn rate(&self) -> FeeRate {
        FeeRate::of(self.fees, self.bytes)
    }
}

/// What may change the verdict on a transaction, beside its coins being spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sensitivity {
    /// It registers, moves or names something that the state knows by name.
    pub(super) names: bool,
    /// A rule counts blocks or time from one of its coins, or waits for a height or a time.
    pub(super) locks: bool,
}

/// Tells whether rules ask the state about a name for this transaction (chain.md 7.5 to 7.9, 7.11).
pub(super) fn touches_names(transaction: &Transaction) -> bool {
    transaction.outputs.iter().any(|output| {
        output.attachment.version.binding().is_some()
            || matches!(
                output.attachment.payload,
                Payload::AssetDetail(_) | Payload::Cert(_) | Payload::Did(_) | Payload::Mit(_)
            )
    })
}

/// A transaction of the pool with what the pool knows of it.
#[derive(Debug, Clone)]
pub struct Entry {
    pub(super) tx: LooseTx,
    pub(super) fee: Amount,
    pub(super) first_seen_secs: u64,
    pub(super) entered_at: Height,
    pub(super) own: Totals,
    pub(super) ancestors: Totals,
    pub(super) descendants: Totals,
    pub(super) sensitivity: Sensitivity,
    /// Height of the youngest confirmed coin that it spends.
    pub(super) youngest_coin: Height,
    pub(super) usage_bytes: usize,
    pub(super) parents: Vec<Id>,
    pub(super) children: Vec<Id>,
    /// Counts entries as they come: orders those of equal rate.
    pub(super) sequence: u64,
}

/// Place of an entry in the pool's table; used again after the entry has left.
pub(super) type Id = u32;

impl Entry {
    /// Returns the transaction.
    pub const fn transaction(&self) -> &Arc<Transaction> {
        self.tx.transaction()
    }

    /// Returns transaction and id.
    pub const fn tx(&self) -> &LooseTx {
        &self.tx
    }

    /// Returns the id.
    pub const fn txid(&self) -> TxId {
        self.tx.txid()
    }

    /// Returns the fee in units.
    pub const fn fee(&self) -> Amount {
        self.fee
    }

    /// Returns the bytes that the transaction counts: nominal or real ones, whichever are more.
    pub const fn bytes(&self) -> u64 {
        self.own.bytes
    }

    /// Returns the fee rate of the transaction alone.
    pub fn rate(&self) -> FeeRate {
        self.own.rate()
    }

    /// Returns when this node first saw it, as Unix time.
    pub const fn first_seen_secs(&self) -> u64 {
        self.first_seen_secs
    }

    /// Returns the height of the tip when it entered.
    pub const fn entered_at(&self) -> Height {
        self.entered_at
    }

    /// Returns what it counts by itself.
    pub const fn own(&self) -> &Totals {
        &self.own
    }

    /// Returns the sums over it and all it depends on in the pool.
    pub const fn ancestors(&self) -> &Totals {
        &self.ancestors
    }

    /// Returns the sums over it and all that depends on it in the pool.
    pub const fn descendants(&self) -> &Totals {
        &self.descendants
    }

    /// Returns the memory that it is counted with, in bytes.
    pub const fn usage_bytes(&self) -> usize {
        self.usage_bytes
    }
}

/// Memory of one place in a hash map or ordered set, beside key and value: an estimate on the high
/// side, since tables are never quite full.
const PLACE_BYTES: usize = 24;

/// Estimates the memory that a transaction takes with all of the pool's indices to it.
///
/// It depends on nothing but the transaction, so the pool's sum stays exact whatever happens around.
pub(super) fn usage_of(transaction: &Transaction) -> usize {
    let inputs: usize = transaction
        .inputs
        .iter()
        .map(|input| {
            // The input, its script, its place among the spent outputs, and two links.
            size_of::<Input>() + allocation(input.script.len()) + 40 + PLACE_BYTES + 16
        })
        .sum();
    let outputs: usize = transaction
        .outputs
        .iter()
        .map(|output| {
            size_of::<Output>() + allocation(output.script.len()) + attachment_bytes(output)
        })
        .sum();
    let shared = size_of::<Transaction>() + 2 * size_of::<usize>();
    // Place by id, and two places in ordered sets.
    let places = 36 + 2 * 32 + 3 * PLACE_BYTES;
    size_of::<Option<Entry>>() + shared + places + inputs + outputs
}

fn attachment_bytes(output: &Output) -> usize {
    let attachment = &output.attachment;
    if output.is_etp() && attachment.version.binding().is_none() {
        return 0;
    }
    // The texts, boxes for them, and claims of names with their places.
    let claims = match &attachment.payload {
        Payload::Did(did) if did.status == DidStatus::Register => 4,
        Payload::Etp | Payload::Message(_) | Payload::AssetTransfer(_) => 1,
        _ => 3,
    };
    256 + claims * (attachment.encoded_len() + PLACE_BYTES + 64)
}

/// Bytes that an allocator takes for a slice.
const fn allocation(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { bytes.next_multiple_of(16) + 16 }
}
