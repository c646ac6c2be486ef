//! Loose transactions: from peers and of our own, into the pool and on to others.

use std::sync::Arc;

use bytes::Bytes;
use mvs_consensus::block::ConnectedBlock;
use mvs_consensus::error::{Fault, Rejection, TxRuleError};
use mvs_consensus::header::Parent;
use mvs_consensus::script::CacheUse;
use mvs_consensus::state::StateView as _;
use mvs_primitives::block::Block;
use mvs_primitives::encode::Encode;
use mvs_primitives::hash::{TxId, sha256d};
use mvs_primitives::transaction::Transaction;
use mvs_store::UndoneBlock;

use super::jobs::{JobResult, Urgency};
use super::tx_queue::Waiting;
use super::{Owner, TxReply, unix_now, verdict};
use crate::chain::command::{TestReply, TxRefusal};
use crate::chain::core::ChainError;
use crate::chain::events::ChainEvent;
use crate::chain::journal::PoolChange;
use crate::mempool::{BlockTxs, LooseTx, Origin, Reject, Removed, Staged, Tip, TipChange, Verdict};
use crate::p2p::api::{Charge, Merit, PeerId, Penalty};
use crate::p2p::message::{Inventory, Message, RawTx};

/// Transactions that are out for verification at a time, for each thread: one runs, one is next.
const JOBS_OF_THREAD: usize = 2;
/// Why a transaction left the pool that is in a block now.
const CONFIRMED: &str = "confirmed";
/// Transactions that are tested at a time for those who ask; more are told to ask later.
const MOST_TESTS: usize = 64;

impl Owner {
    /// Tells whether loose transactions are taken from peers: only at the tip, where they can be
    /// judged.
    pub(super) fn takes_transactions(&self) -> bool {
        self.config.relay && self.status.borrow().is_synced
    }

    pub(super) fn with_tip<T>(&self, look: impl FnOnce(&Tip<'_>) -> T) -> Result<T, Fault> {
        let trunk = self.core.trunk();
        let tip = trunk.tip();
        let parent = Parent { hash: tip.hash, height: tip.height };
        let tip = Tip::new(self.core.params(), parent, trunk, trunk)?;
        Ok(look(&tip))
    }

    /// Puts a peer in line for what it named.
    pub(super) fn note_announced(&mut self, peer: PeerId, items: &[Inventory]) {
        if !self.takes_transactions() {
            return;
        }
        for item in items {
            let Inventory::Tx(txid) = item else { continue };
            let is_known = self.mempool.contains(txid)
                || self.orphans.contains(txid)
                || self.tx_queue.is_pending(txid);
            if !is_known && self.mempool.refusal(txid).is_none() {
                self.tx_requests.announced(peer, *txid);
            }
        }
    }

    /// Asks for what was announced.
    pub(super) fn ask_transactions(&mut self) {
        let (now, queue) = (self.now(), &self.tx_queue);
        for (peer, txids) in self.tx_requests.poll(now, |peer| queue.waiting_of(peer)) {
            self.send(peer, &Message::GetData(txids.into_iter().map(Inventory::Tx).collect()));
        }
    }

    pub(super) fn on_tx(&mut self, peer: PeerId, tx: &RawTx, charge: Charge) {
        if !self.takes_transactions() {
            return;
        }
        let (transaction, txid) = match tx.decode() {
            Ok(read) => read,
            Err(error) => {
                // Bytes without an id go by their own hash.
                let id = TxId::from_bytes(sha256d(tx.bytes()));
                verdict::refused(&id, error.code());
                self.network.penalise(peer, Penalty::BAN, error.code());
                return;
            }
        };
        self.tx_requests.settled(&txid);
        self.offer(LooseTx::new(Arc::new(transaction), txid), Some(peer), charge);
    }

    pub(super) fn submit_tx(&mut self, tx: LooseTx, reply: TxReply) {
        self.tx_replies.entry(tx.txid()).or_default().push(reply);
        self.offer(tx, None, Charge::none());
    }

    fn offer(&mut self, tx: LooseTx, from: Option<PeerId>, charge: Charge) {
        let txid = tx.txid();
        if self.tx_queue.push(Waiting { tx, from, charge }) {
            self.start_transactions();
        } else if from.is_none() {
            self.answer_tx(&txid, Err(TxRefusal::Busy));
        }
    }

    /// Has what waits verified, as far as threads are free.
    fn start_transactions(&mut self) {
        let most = JOBS_OF_THREAD * self.core.tools().pool.threads();
        while let Some(Waiting { tx, from, charge }) = self.tx_queue.take(most) {
            let txid = tx.txid();
            let origin = if from.is_some() { Origin::Peer } else { Origin::Local };
            match self.mempool.stage(tx, origin) {
                Ok(staged) => self.verify_tx(staged, from, charge),
                Err(reject) => {
                    self.tx_queue.done(&txid);
                    verdict::refused(&txid, reject.code());
                    self.answer_tx(&txid, Err(reject.into()));
                }
            }
        }
    }

    /// Says what would become of a transaction, and keeps nothing of it.
    pub(super) fn test_tx(&mut self, tx: LooseTx, reply: TestReply) {
        // Nobody may be waiting any more; so with every answer.
        let _ = match self.mempool.stage(tx, Origin::Local) {
            Ok(_) if self.tests >= MOST_TESTS => reply.send(Err(TxRefusal::Busy)),
            Ok(staged) => {
                self.tests += 1;
                self.verify(staged, move |verdict| JobResult::Test { verdict, reply });
                Ok(())
            }
            Err(reject) => reply.send(Err(reject.into())),
        };
    }

    pub(super) fn tx_tested(
        &mut self,
        verdict: Verdict,
        reply: TestReply,
    ) -> Result<(), ChainError> {
        self.tests = self.tests.saturating_sub(1);
        let now = unix_now();
        let answer = match self.with_tip(|tip| self.mempool.test(tip, verdict, now))? {
            Ok(found) => Ok(found),
            Err(Rejection::Rule(reject)) => Err(TxRefusal::Pool(reject)),
            Err(Rejection::Fault(fault)) => return Err(fault.into()),
        };
        let _ = reply.send(answer);
        Ok(())
    }

    fn verify_tx(&self, staged: Staged, from: Option<PeerId>, charge: Charge) {
        self.verify(staged, move |verdict| {
            drop(charge);
            JobResult::Tx { verdict, from }
        });
    }

    fn verify(
        &self,
        staged: Staged,
        result: impl FnOnce(Box<Verdict>) -> JobResult + Send + 'static,
    ) {
        let trunk = self.core.trunk().clone();
        let tools = self.core.tools().clone();
        let policy = self.mempool.config().policy.clone();
        self.spawn(Urgency::Loose, move || {
            let tip = trunk.tip();
            let parent = Parent { hash: tip.hash, height: tip.height };
            // A tip that cannot be read shows when the owner looks at it itself.
            let Ok(tip) = Tip::new(&tools.params, parent, &trunk, &trunk) else {
                return Some(JobResult::Panicked);
            };
            let cache = CacheUse::ReadWrite(&tools.signatures);
            Some(result(Box::new(staged.verify(&tip, &policy, cache))))
        });
    }

    pub(super) fn tx_verified(
        &mut self,
        verdict: Verdict,
        from: Option<PeerId>,
    ) -> Result<(), ChainError> {
        let tx = verdict.tx().clone();
        let txid = tx.txid();
        self.tx_queue.done(&txid);
        match self.admit(verdict)? {
            Ok(()) => {
                verdict::accepted(&txid);
                if let Some(peer) = from {
                    self.network.note_merit(peer, Merit::Tx);
                }
                self.answer_tx(&txid, Ok(txid));
                self.relay(txid, from);
                self.tell_added(txid);
                for (child, peer) in self.orphans.take_children(&txid) {
                    self.offer(child, Some(PeerId::new(peer)), Charge::none());
                }
            }
            // The parent came in while this one was being verified: nobody would wake it as an orphan.
            Err(reject) if self.has_arrived(&reject)? => self.offer(tx, from, Charge::none()),
            Err(reject) => {
                verdict::refused(&txid, reject.code());
                // One that left has no share in the orphans any more.
                if let Some(peer) = from.filter(|peer| self.peers.contains_key(peer)) {
                    if reject.is_missing_parent() {
                        self.orphans.add(tx, peer.number(), unix_now());
                    } else if reject.is_misbehaviour() {
                        self.network.penalise(peer, Penalty::WASTEFUL, reject.code());
                    }
                }
                self.answer_tx(&txid, Err(reject.into()));
            }
        }
        self.start_transactions();
        Ok(())
    }

    /// Tells whether an output that was missing is there now.
    fn has_arrived(&self, reject: &Reject) -> Result<bool, ChainError> {
        let Reject::Rule(TxRuleError::InputMissing { previous, .. }) = reject else {
            return Ok(false);
        };
        if let Some(parent) = self.mempool.get(&previous.txid) {
            // An output that its parent does not have stays missing, however often one looks.
            let index = usize::try_from(previous.index).unwrap_or(usize::MAX);
            return Ok(parent.transaction().outputs.len() > index);
        }
        Ok(self.core.trunk().coin(previous)?.is_some())
    }

    pub(super) fn admit(&mut self, verdict: Verdict) -> Result<Result<(), Reject>, ChainError> {
        let trunk = self.core.trunk().clone();
        let tip = trunk.tip();
        let parent = Parent { hash: tip.hash, height: tip.height };
        let tip = Tip::new(self.core.params(), parent, &trunk, &trunk)?;
        match self.mempool.admit(&tip, verdict, unix_now()) {
            Ok(admitted) => {
                self.tell_dropped(&admitted.evicted);
                Ok(Ok(()))
            }
            Err(Rejection::Rule(reject)) => Ok(Err(reject)),
            Err(Rejection::Fault(fault)) => Err(fault.into()),
        }
    }

    fn tell_added(&self, txid: TxId) {
        self.journal.note_pool(PoolChange::Added(txid));
        // Nobody may be listening; so with every event.
        let _ = self.events.send(ChainEvent::Loose { txid });
    }

    pub(super) fn tell_dropped(&self, removed: &[Removed]) {
        for Removed { tx, reason } in removed {
            let (txid, reason) = (tx.txid(), reason.name());
            self.journal.note_pool(PoolChange::Removed(txid, reason));
            let _ = self.events.send(ChainEvent::Dropped { txid, reason });
        }
    }

    fn answer_tx(&mut self, txid: &TxId, answer: Result<TxId, TxRefusal>) {
        for reply in self.tx_replies.remove(txid).unwrap_or_default() {
            let _ = reply.send(answer.clone());
        }
    }

    pub(super) fn on_mempool(&self, peer: PeerId) {
        let all = self.mempool.in_order();
        let most = crate::p2p::message::MAX_INVENTORY;
        let items: Vec<_> =
            all.iter().take(most).map(|entry| Inventory::Tx(entry.txid())).collect();
        // The first node sends nothing when its pool is empty (p2p.md 4).
        if !items.is_empty() {
            self.send(peer, &Message::Inv(items));
        }
    }

    /// Tells the pool how the chain changed.
    pub(super) fn update_pool(
        &mut self,
        undone: &[UndoneBlock],
        connected: &[ConnectedBlock],
    ) -> Result<(), ChainError> {
        // Those that are kept without bytes are the oldest; what was in them is lost to the pool.
        let with_bytes: Vec<&UndoneBlock> =
            undone.iter().take_while(|block| !block.block.is_empty()).collect();
        let mut decoded = Vec::with_capacity(with_bytes.len());
        for block in &with_bytes {
            let broken = Fault::Broken("a block of the chain does not decode");
            decoded.push(Block::decode_with_ids(&block.block).map_err(|_| broken)?);
        }
        let disconnected: Vec<BlockTxs<'_>> = with_bytes
            .iter()
            .zip(&decoded)
            .map(|(undone, (block, txids))| BlockTxs {
                hash: undone.info.hash,
                height: undone.info.height,
                transactions: &block.transactions,
                txids,
            })
            .collect();
        let joined: Vec<BlockTxs<'_>> =
            connected.iter().map(|block| BlockTxs::of(block.block())).collect();
        let change = TipChange { disconnected: &disconnected, connected: &joined };
        let trunk = self.core.trunk().clone();
        let tip = trunk.tip();
        let parent = Parent { hash: tip.hash, height: tip.height };
        let params = Arc::clone(&self.core.tools().params);
        let tip = Tip::new(&params, parent, &trunk, &trunk)?;
        let outcome = self.mempool.update_tip(&tip, &change, unix_now())?;
        if !undone.is_empty() {
            tracing::info!(target: "chain", confirmed = outcome.confirmed.len(),
                removed = outcome.removed.len(), returned = outcome.returned.len(),
                "the pool followed the reorganisation");
        }
        for confirmed in &outcome.confirmed {
            self.journal.note_pool(PoolChange::Removed(confirmed.tx.txid(), CONFIRMED));
        }
        self.tell_dropped(&outcome.removed);
        for tx in &outcome.returned {
            self.tell_added(tx.txid());
            self.relay(tx.txid(), None);
        }
        // A block may bring the parent of an orphan.
        if !self.orphans.is_empty() {
            for txid in joined.iter().flat_map(|block| block.txids) {
                for (child, peer) in self.orphans.take_children(txid) {
                    self.offer(child, Some(PeerId::new(peer)), Charge::none());
                }
            }
        }
        Ok(())
    }
}

/// The wire form of a transaction.
pub(super) fn raw_tx(transaction: &Transaction) -> Option<RawTx> {
    RawTx::from_wire(Bytes::from(transaction.to_bytes())).ok()
}
