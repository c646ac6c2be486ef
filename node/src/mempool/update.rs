//! What a change of the chain does to the pool.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use mvs_consensus::block::CheckedBlock;
use mvs_consensus::error::{Fault, Rejection};
use mvs_consensus::params::Params;
use mvs_consensus::tx::TxKind;
use mvs_primitives::amount::Amount;
use mvs_primitives::hash::{BlockHash, TxId};
use mvs_primitives::height::Height;
use mvs_primitives::transaction::Transaction;

use super::accept;
use super::entry::{Entry, Id, LooseTx, touches_names, usage_of};
use super::pool::{Entrance, Mempool, Past, RemovalReason, Removed};
use super::rate::FeeRate;
use super::reject::AcceptError;
use super::tip::Tip;

/// A block, as far as the pool looks at it.
#[derive(Debug, Clone, Copy)]
pub struct BlockTxs<'a> {
    /// Its hash.
    pub hash: BlockHash,
    /// Its height.
    pub height: Height,
    /// Its transactions, in order.
    pub transactions: &'a [Transaction],
    /// Their ids, in order.
    pub txids: &'a [TxId],
}

impl<'a> BlockTxs<'a> {
    /// Looks at a checked block.
    pub fn of(block: &'a CheckedBlock) -> Self {
        Self {
            hash: block.header().hash(),
            height: block.header().height(),
            transactions: &block.block().transactions,
            txids: block.txids(),
        }
    }

    fn pairs(&self) -> impl DoubleEndedIterator<Item = (&'a Transaction, TxId)> {
        self.transactions.iter().zip(self.txids.iter().copied())
    }
}

/// How the chain came from the old tip to the new one.
#[derive(Debug, Clone, Copy, Default)]
pub struct TipChange<'a> {
    /// Blocks taken back, highest first.
    pub disconnected: &'a [BlockTxs<'a>],
    /// Blocks connected, lowest first.
    pub connected: &'a [BlockTxs<'a>],
}

/// A transaction of the pool that a block took: what fee estimates learn from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    /// The transaction.
    pub tx: LooseTx,
    /// Its fee in units.
    pub fee: Amount,
    /// Its bytes.
    pub bytes: u64,
    /// Its fee rate.
    pub rate: FeeRate,
    /// Height of the tip when it entered the pool.
    pub entered_at: Height,
    /// When it was first seen, as Unix time.
    pub first_seen_secs: u64,
    /// Height of the block.
    pub height: Height,
}

/// What a change of the chain did to the pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TipOutcome {
    /// Transactions that are in a block now.
    pub confirmed: Vec<Confirmed>,
    /// Transactions that left without a block.
    pub removed: Vec<Removed>,
    /// Transactions that came back from blocks that were taken back.
    pub returned: Vec<LooseTx>,
}

/// What rules that switch at a height say at a tip, and the time that locks are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Era {
    switches: [bool; 5],
    median_time_past: u32,
}

impl Era {
    fn of(tip: &Tip<'_>) -> Self {
        let (params, at, next): (&Params, _, _) =
            (tip.params(), tip.block().height, tip.next_height());
        Self {
            switches: [
                params.version_4_allowed.is_active(at),
                params.version_4_required.is_active(at),
                params.sequence_locks_allowed.is_active(at),
                params.is_pos_era(at),
                params.is_pos_era(next),
            ],
            median_time_past: tip.median_time_past(),
        }
    }
}

/// A change of the chain under way, block by block, so that nobody needs to hold them all.
///
/// Blocks are taken back first, highest first; then others are connected, lowest first; then the
/// pool is told the new tip. In between it must not be asked anything else.
#[derive(Debug, Default)]
pub struct TipUpdate {
    /// Loose again, by block, highest first.
    returning: VecDeque<Vec<LooseTx>>,
    returning_bytes: usize,
    mined: HashSet<TxId>,
    /// Height of the last block that stays.
    fork: Option<Height>,
    names_changed: bool,
    outcome: TipOutcome,
}

/// Something that wants to come back.
struct Candidate {
    tx: LooseTx,
    past: Past,
    /// It was in the pool; else it was in a block.
    was_loose: bool,
}

impl Mempool {
    /// Follows the chain to a new tip: confirmed and conflicting transactions leave, what the change
    /// may have made invalid is asked again, and transactions of blocks taken back return.
    ///
    /// Rules are asked again of all that depends on what changed: on names, when a block registers
    /// or moves any; on coins of blocks taken back; on locks, when blocks are taken back or the
    /// median time falls; of everything, when a rule switches on or off between the tips. Scripts
    /// are not run again, since they see nothing of the chain. Nor are those of transactions from
    /// blocks taken back, which were run when the block was connected; blocks for which a
    /// checkpoint or an exception vouches return nothing.
    ///
    /// For a change of many blocks use [`Mempool::disconnect`], [`Mempool::connect`] and
    /// [`Mempool::finish_update`].
    ///
    /// # Errors
    /// A fault of ours: the pool may then have lost transactions.
    pub fn update_tip(
        &mut self,
        tip: &Tip<'_>,
        change: &TipChange<'_>,
        now_secs: u64,
    ) -> Result<TipOutcome, Fault> {
        let mut update = TipUpdate::default();
        for block in change.disconnected {
            self.disconnect(&mut update, tip.params(), block);
        }
        for block in change.connected {
            self.connect(&mut update, block);
        }
        self.finish_update(update, tip, now_secs)
    }

    /// Notes a block that is taken back. Its transactions are kept for [`Mempool::finish_update`], as
    /// far as the pool's limit allows; of too many, those of the highest blocks are dropped.
    pub fn disconnect(&mut self, update: &mut TipUpdate, params: &Params, block: &BlockTxs<'_>) {
        update.fork = block.height.previous();
        update.names_changed |= block.transactions.iter().any(touches_names);
        let is_vouched = block.height <= params.last_checkpoint()
            || params.exceptions.iter().any(|known| known.hash == block.hash);
        let mut loose = Vec::new();
        for (transaction, txid) in block.pairs() {
            if !is_vouched && TxKind::of(transaction, &params.addresses) == TxKind::Ordinary {
                update.returning_bytes += usage_of(transaction); // within the limit, and a block
                loose.push(LooseTx::new(Arc::new(transaction.clone()), txid));
            }
        }
        update.returning.push_back(loose);
        while update.returning_bytes > self.config.max_bytes {
            let Some(highest) = update.returning.pop_front() else { break };
            let bytes: usize = highest.iter().map(|tx| usage_of(tx.transaction())).sum();
            update.returning_bytes = update.returning_bytes.saturating_sub(bytes);
        }
    }

    /// Notes a block that is connected: what it holds, and what spends the same, leaves.
    pub fn connect(&mut self, update: &mut TipUpdate, block: &BlockTxs<'_>) {
        update.names_changed |= block.transactions.iter().any(touches_names);
        if update.returning_bytes > 0 {
            update.mined.extend(block.txids);
        }
        self.take_mined(block, &mut update.outcome);
    }

    /// Ends a change of the chain. `tip` is the new one.
    ///
    /// # Errors
    /// A fault of ours: the pool may then have lost transactions.
    pub fn finish_update(
        &mut self,
        mut update: TipUpdate,
        tip: &Tip<'_>,
        now_secs: u64,
    ) -> Result<TipOutcome, Fault> {
        self.rejects.forget(update.fork.is_some());
        let mut candidates = update.take_returning(tip.block().height, now_secs);
        candidates.extend(self.take_doubtful(tip, &update));
        let mut outcome = update.outcome;
        for candidate in candidates {
            self.try_return(tip, candidate, &mut outcome, now_secs)?;
        }
        match self.make_room(None, now_secs) {
            Ok(evicted) => outcome.removed.extend(evicted),
            Err(Rejection::Fault(fault)) => return Err(fault),
            Err(Rejection::Rule(_)) => {} // only said of a newcomer
        }
        outcome.returned.retain(|tx| self.contains(&tx.txid()));
        Ok(outcome)
    }

    /// Takes out what a block holds and what spends the same as it.
    fn take_mined(&mut self, block: &BlockTxs<'_>, outcome: &mut TipOutcome) {
        for (transaction, txid) in block.pairs() {
            if let Some(id) = self.graph.id_of(&txid) {
                self.take_confirmed(id, block.height, outcome);
            }
            if !transaction.is_coinbase() {
                for input in &transaction.inputs {
                    outcome.removed.extend(self.remove_spender(&input.previous));
                }
            }
        }
    }

    fn take_confirmed(&mut self, id: Id, height: Height, outcome: &mut TipOutcome) {
        let children = self.graph.get(id).map(|entry| entry.children.clone()).unwrap_or_default();
        for child in children {
            self.graph.note_coin_height(child, height);
        }
        let Some(entry) = self.graph.remove_alone(id) else { return };
        self.forget(&entry);
        outcome.confirmed.push(Confirmed {
            fee: entry.fee,
            bytes: entry.bytes(),
            rate: entry.rate(),
            entered_at: entry.entered_at,
            first_seen_secs: entry.first_seen_secs,
            height,
            tx: entry.tx,
        });
    }

    /// Takes out all about which the change leaves doubt, with what depends on it: parents first.
    fn take_doubtful(&mut self, tip: &Tip<'_>, update: &TipUpdate) -> Vec<Candidate> {
        let era = Era::of(tip);
        let before = self.era.replace(era);
        let (fork, names_changed) = (update.fork, update.names_changed);
        // Without a memory of the tip before, everything is in doubt.
        let all = before.is_none_or(|before| before.switches != era.switches);
        let time_fell = before.is_none_or(|before| before.median_time_past > era.median_time_past);
        let doubtful = |entry: &Entry| {
            all || (entry.sensitivity.names && names_changed)
                || (entry.sensitivity.locks && (time_fell || fork.is_some()))
                || fork.is_some_and(|fork| entry.youngest_coin > fork)
        };
        let ids: Vec<TxId> = self.iter().filter(|entry| doubtful(entry)).map(Entry::txid).collect();
        let mut taken: Vec<Entry> = Vec::new();
        for txid in ids {
            if let Some(id) = self.graph.id_of(&txid) {
                taken.extend(self.take_family(id));
            }
        }
        taken.sort_by_key(|entry| (entry.ancestors.count, entry.sequence));
        taken
            .into_iter()
            .map(|entry| Candidate {
                past: Past { first_seen_secs: entry.first_seen_secs, entered_at: entry.entered_at },
                tx: entry.tx,
                was_loose: true,
            })
            .collect()
    }

    fn try_return(
        &mut self,
        tip: &Tip<'_>,
        candidate: Candidate,
        outcome: &mut TipOutcome,
        now_secs: u64,
    ) -> Result<(), Fault> {
        let Candidate { tx, past, was_loose } = candidate;
        if self.graph.usage_bytes() > self.config.max_bytes {
            // What has come back already is more than there is room for.
            if let Ok(evicted) = self.make_room(None, now_secs) {
                outcome.removed.extend(evicted);
            }
        }
        match self.return_one(tip, tx.clone(), past, now_secs) {
            Ok(()) if !was_loose => outcome.returned.push(tx),
            Ok(()) => {}
            Err(Rejection::Fault(fault)) => return Err(fault),
            Err(Rejection::Rule(reject)) if was_loose => {
                outcome.removed.push(Removed { tx, reason: RemovalReason::Refused(reject) });
            }
            Err(Rejection::Rule(_)) => {}
        }
        Ok(())
    }

    fn return_one(
        &mut self,
        tip: &Tip<'_>,
        tx: LooseTx,
        past: Past,
        now_secs: u64,
    ) -> Result<(), AcceptError> {
        accept::check_alone(tip, tx.transaction()).map_err(Rejection::Rule)?;
        let parents = self.loose_parents(tx.transaction());
        let verified = accept::connect(tip, &tx, &parents)?.verified;
        self.enter(tip, tx, verified, past, Entrance::Back, now_secs)
    }
}

impl TipUpdate {
    /// Takes the transactions of blocks taken back that no new block holds, parents first.
    fn take_returning(&mut self, tip: Height, now_secs: u64) -> Vec<Candidate> {
        let past = Past { first_seen_secs: now_secs, entered_at: tip };
        let blocks = std::mem::take(&mut self.returning);
        let loose: Vec<LooseTx> = blocks
            .into_iter()
            .rev()
            .flatten()
            .filter(|tx| !self.mined.contains(&tx.txid()))
            .collect();
        let order = in_order(&loose);
        let candidates = order.into_iter().filter_map(|index| {
            Some(Candidate { tx: loose.get(index)?.clone(), past, was_loose: false })
        });
        candidates.collect()
    }
}

/// Orders transactions so that each comes after those that it spends from. A block may hold them
/// in another order (QUIRK, chain.md 7).
fn in_order(transactions: &[LooseTx]) -> Vec<usize> {
    let places: HashMap<TxId, usize> =
        transactions.iter().enumerate().map(|(index, tx)| (tx.txid(), index)).collect();
    let mut order = Vec::with_capacity(transactions.len());
    let mut is_done = vec![false; transactions.len()];
    // A walk down without recursion: chains may be as long as a block.
    for start in 0..transactions.len() {
        let mut stack = vec![(start, false)];
        while let Some((index, parents_done)) = stack.pop() {
            let Some(tx) = transactions.get(index) else { continue };
            if is_done.get(index).copied().unwrap_or(true) {
                continue;
            }
            if parents_done {
                if let Some(done) = is_done.get_mut(index) {
                    *done = true;
                }
                order.push(index);
                continue;
            }
            stack.push((index, true));
            let inputs = &tx.transaction().inputs;
            let parents = inputs.iter().filter_map(|i| places.get(&i.previous.txid).copied());
            stack.extend(parents.map(|parent| (parent, false)));
        }
    }
    order
}
