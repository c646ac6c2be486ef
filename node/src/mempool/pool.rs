//! The pool itself: what it holds, and what comes in and goes out.

use std::collections::HashMap;

use mvs_consensus::error::Rejection;
use mvs_consensus::script::CacheUse;
use mvs_consensus::state::Coin;
use mvs_consensus::tx::{PoolClaims, PoolConflict};
use mvs_primitives::amount::Amount;
use mvs_primitives::attachment::Payload;
use mvs_primitives::hash::TxId;
use mvs_primitives::height::Height;
use mvs_primitives::input::OutPoint;
use mvs_primitives::text::Symbol;
use mvs_primitives::transaction::Transaction;

use super::accept::{self, Staged, Verdict, Verified, make_loose_coin};
use super::entry::{Entry, Id, LooseTx, Totals, usage_of};
use super::evict::Floor;
use super::graph::Graph;
use super::policy::PolicyConfig;
use super::rate::FeeRate;
use super::reject::{AcceptError, Reject, RejectCache};
use super::tip::Tip;
use super::update::Era;

/// How large the pool may grow, and what it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MempoolConfig {
    /// What is relayed.
    pub policy: PolicyConfig,
    /// Most memory of all entries together, in bytes.
    pub max_bytes: usize,
    /// Seconds after which a transaction that no block took is dropped.
    pub expiry_secs: u64,
    /// Most transactions of a chain of unconfirmed ones that end in one, itself included.
    pub max_ancestors: u32,
    /// Most bytes of these.
    pub max_ancestor_bytes: u64,
    /// Most transactions that depend on one, itself included.
    pub max_descendants: u32,
    /// Most bytes of these.
    pub max_descendant_bytes: u64,
    /// Most rejections of each kind that are remembered.
    pub remembered_rejections: usize,
}

impl Default for MempoolConfig {
    fn default() -> Self {
        Self {
            policy: PolicyConfig::default(),
            max_bytes: 64 << 20,
            expiry_secs: 72 * 3_600,
            max_ancestors: 25,
            max_ancestor_bytes: 400_000,
            max_descendants: 25,
            max_descendant_bytes: 400_000,
            remembered_rejections: 10_000,
        }
    }
}

/// Who offers a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A peer: what was refused before is not looked at again.
    Peer,
    /// The operator or a wallet of his: it is looked at in any case.
    Local,
}

/// Why a transaction left the pool without a block.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemovalReason {
    /// A block spends the same output.
    Conflict,
    /// It waited too long.
    Expired,
    /// The pool was full of transactions that pay more.
    Evicted,
    /// At the new tip it is refused.
    Refused(Reject),
    /// The operator wanted it.
    Asked,
}

impl RemovalReason {
    /// Returns the word that RPC uses.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Expired => "expired",
            Self::Evicted => "evicted",
            Self::Refused(_) => "refused",
            Self::Asked => "asked",
        }
    }
}

/// A transaction that left the pool without a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// The transaction.
    pub tx: LooseTx,
    /// Why.
    pub reason: RemovalReason,
}

/// A transaction that entered the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// Its id.
    pub txid: TxId,
    /// What had to go to make room.
    pub evicted: Vec<Removed>,
}

/// Numbers about the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MempoolStats {
    /// Transactions.
    pub transactions: usize,
    /// Sums over all of them.
    pub total: Totals,
    /// Memory in bytes, as it is counted against the limit.
    pub usage_bytes: usize,
    /// The limit.
    pub max_bytes: usize,
    /// The rate that a newcomer must pay now.
    pub floor: FeeRate,
    /// Rejections that are remembered.
    pub remembered_rejections: usize,
    /// Counts every change of the pool since the start; templates and pages compare it.
    pub changes: u64,
}

/// Transactions that wait for a block.
///
/// # Ordering
/// One thread owns it. After each change of the chain it is told with [`Mempool::update_tip`] before
/// anything else; every tip that it is given later must be that one.
#[derive(Debug)]
pub struct Mempool {
    pub(super) config: MempoolConfig,
    pub(super) graph: Graph,
    pub(super) claims: PoolClaims,
    /// What secondary issues of the pool add to each asset, and how many they are.
    pub(super) issued: HashMap<Symbol, (u128, usize)>,
    pub(super) rejects: RejectCache,
    pub(super) floor: Floor,
    pub(super) changes: u64,
    pub(super) era: Option<Era>,
    /// Evicted for a newcomer that then had to go too: reported with the next change.
    pub(super) unreported: Vec<Removed>,
}

/// How strictly a transaction is asked to enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entrance {
    /// A newcomer: everything is asked.
    New,
    /// It was here before, or in a block: what newcomers pay is not asked.
    Back,
}

/// Where a transaction would stand in the pool.
struct Place {
    verified: Verified,
    parents: Vec<Id>,
    ancestors: Vec<Id>,
}

/// What is remembered of an entry's past.
#[derive(Debug, Clone, Copy)]
pub(super) struct Past {
    pub(super) first_seen_secs: u64,
    pub(super) entered_at: Height,
}

impl Mempool {
    /// Makes an empty pool.
    pub fn new(config: MempoolConfig) -> Self {
        Self {
            rejects: RejectCache::new(config.remembered_rejections),
            config,
            graph: Graph::default(),
            claims: PoolClaims::new(),
            issued: HashMap::new(),
            floor: Floor::default(),
            changes: 0,
            era: None,
            unreported: Vec::new(),
        }
    }

    /// Returns the limits and the policy.
    pub const fn config(&self) -> &MempoolConfig {
        &self.config
    }

    /// Returns how many transactions it holds.
    pub fn len(&self) -> usize {
        self.graph.len()
    }

    /// Tells whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns an entry.
    pub fn get(&self, txid: &TxId) -> Option<&Entry> {
        self.graph.by_txid(txid)
    }

    /// Tells whether it holds a transaction.
    pub fn contains(&self, txid: &TxId) -> bool {
        self.graph.id_of(txid).is_some()
    }

    /// Iterates over all entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.graph.iter().map(|(_, entry)| entry)
    }

    /// Returns the entry that spends an output.
    pub fn spender(&self, outpoint: &OutPoint) -> Option<&Entry> {
        self.graph.get(self.graph.spender(outpoint)?)
    }

    /// Returns the coin that an output of the pool will be in the block above `tip`, spent by
    /// another entry or not.
    pub fn coin(&self, tip: &Tip<'_>, outpoint: &OutPoint) -> Option<Coin> {
        let entry = self.get(&outpoint.txid)?;
        let output = entry.transaction().outputs.get(usize::try_from(outpoint.index).ok()?)?;
        Some(make_loose_coin(output, tip.next_height()))
    }

    /// Returns the ids of the parents that an entry has in the pool.
    pub fn parents(&self, entry: &Entry) -> Vec<TxId> {
        entry.parents.iter().filter_map(|id| Some(self.graph.get(*id)?.txid())).collect()
    }

    /// Returns the ids of the entries that spend outputs of an entry.
    pub fn children(&self, entry: &Entry) -> Vec<TxId> {
        entry.children.iter().filter_map(|id| Some(self.graph.get(*id)?.txid())).collect()
    }

    /// Returns all transactions, each after its parents.
    pub fn in_order(&self) -> Vec<&Entry> {
        let mut all: Vec<&Entry> = self.iter().collect();
        all.sort_unstable_by_key(|entry| (entry.ancestors.count, entry.sequence));
        all
    }

    /// Returns numbers about the pool.
    pub fn stats(&self, now_secs: u64) -> MempoolStats {
        MempoolStats {
            transactions: self.len(),
            total: *self.graph.total(),
            usage_bytes: self.graph.usage_bytes(),
            max_bytes: self.config.max_bytes,
            floor: self.floor_rate(now_secs),
            remembered_rejections: self.rejects.len(),
            changes: self.changes,
        }
    }

    /// Returns a number that differs after each change of the pool.
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// Returns the least rate that a newcomer must pay: the policy's, or more while the pool is
    /// full. Peers may be told (`feefilter`-like extensions), wallets should be.
    pub fn floor_rate(&self, now_secs: u64) -> FeeRate {
        let least = self.config.policy.min_rate;
        self.floor.at(least, now_secs).max(least)
    }

    /// Returns how many bytes wait at which rates, best first: what fee estimates are made from.
    pub fn rates(&self) -> Vec<(FeeRate, u64)> {
        let entries = self.graph.best_first();
        entries.filter_map(|(rate, id)| Some((rate, self.graph.get(id)?.bytes()))).collect()
    }

    /// Returns why a transaction was refused lately, if that still holds: it need not be fetched.
    pub fn refusal(&self, txid: &TxId) -> Option<Reject> {
        self.rejects.get(txid)
    }

    /// First step for a transaction: what only the pool knows. Cheap.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn stage(&self, tx: LooseTx, origin: Origin) -> Result<Staged, Reject> {
        if self.contains(&tx.txid()) {
            return Err(Reject::Known);
        }
        if origin == Origin::Peer
            && let Some(known) = self.rejects.get(&tx.txid())
        {
            return Err(known);
        }
        let (found, max) = (tx.transaction().nominal_size(), self.config.policy.max_tx_bytes);
        if found > max {
            return Err(Reject::Size { found, max });
        }
        self.check_unspent(tx.transaction())?;
        let parents = self.loose_parents(tx.transaction());
        Ok(Staged { tx, parents, first_seen_secs: None })
    }

    /// First come, first served: nothing replaces what is in the pool.
    fn check_unspent(&self, transaction: &Transaction) -> Result<(), Reject> {
        for input in &transaction.inputs {
            if let Some(holder) = self.spender(&input.previous) {
                let (previous, holder) = (input.previous, holder.txid());
                return Err(Reject::DoubleSpend { previous, holder });
            }
        }
        Ok(())
    }

    pub(super) fn loose_parents(&self, transaction: &Transaction) -> Vec<(usize, LooseTx)> {
        let parent = |previous: &OutPoint| self.get(&previous.txid).map(|entry| entry.tx().clone());
        let inputs = transaction.inputs.iter().enumerate();
        inputs.filter_map(|(index, input)| Some((index, parent(&input.previous)?))).collect()
    }

    /// Last step for a transaction: lets it in if the pool can take it. `tip` is the present one,
    /// whatever it was when the transaction was verified.
    ///
    /// # Errors
    /// Why it is refused (which is remembered), or a fault of ours.
    pub fn admit(
        &mut self,
        tip: &Tip<'_>,
        verdict: Verdict,
        now_secs: u64,
    ) -> Result<Admitted, AcceptError> {
        let Verdict { tx, first_seen_secs, result } = verdict;
        let txid = tx.txid();
        let first_seen_secs = first_seen_secs.map_or(now_secs, |seen| seen.min(now_secs));
        let past = Past { first_seen_secs, entered_at: tip.block().height };
        let entered = result
            .and_then(|verified| self.enter(tip, tx, verified, past, Entrance::New, now_secs))
            .and_then(|()| self.make_room(Some(txid), now_secs));
        if let Err(Rejection::Rule(reject)) = &entered {
            self.rejects.insert(txid, reject);
        }
        entered.map(|evicted| Admitted { txid, evicted })
    }

    /// All three steps on this thread.
    ///
    /// # Errors
    /// Why the transaction is refused, or a fault of ours.
    pub fn accept(
        &mut self,
        tip: &Tip<'_>,
        tx: LooseTx,
        origin: Origin,
        cache: CacheUse<'_>,
        now_secs: u64,
    ) -> Result<Admitted, AcceptError> {
        let staged = self.stage(tx, origin).map_err(Rejection::Rule)?;
        let verdict = staged.verify(tip, &self.config.policy, cache);
        self.admit(tip, verdict, now_secs)
    }

    /// Lets a verified transaction in, without looking whether the pool grows too large.
    pub(super) fn enter(
        &mut self,
        tip: &Tip<'_>,
        tx: LooseTx,
        verified: Verified,
        past: Past,
        entrance: Entrance,
        now_secs: u64,
    ) -> Result<(), AcceptError> {
        let place = self.find_place(tip, &tx, verified, entrance, now_secs)?;
        let Place { verified, parents, ancestors } = place;
        let transaction = tx.transaction();
        self.claims.add(tx.txid(), transaction).map_err(conflict)?;
        self.note_issue(transaction);
        let own = Totals {
            count: 1,
            bytes: verified.costs.bytes,
            fees: verified.fee,
            sigops: verified.costs.sigops,
            p2sh_sigops: verified.costs.p2sh_sigops,
        };
        let entry = Entry {
            usage_bytes: usage_of(transaction),
            tx,
            fee: verified.fee,
            first_seen_secs: past.first_seen_secs,
            entered_at: past.entered_at,
            own,
            ancestors: own,
            descendants: own,
            sensitivity: verified.sensitivity,
            youngest_coin: verified.youngest_coin,
            parents: Vec::new(),
            children: Vec::new(),
            sequence: 0,
        };
        self.graph.insert(entry, parents, &ancestors);
        self.changes += 1; // 2^64 changes never come
        Ok(())
    }

    /// Asks whether a verified transaction could enter now, and finds its place.
    fn find_place(
        &self,
        tip: &Tip<'_>,
        tx: &LooseTx,
        mut verified: Verified,
        entrance: Entrance,
        now_secs: u64,
    ) -> Result<Place, AcceptError> {
        let transaction = tx.transaction();
        let refuse = |reject| Err(Rejection::Rule(reject));
        if self.contains(&tx.txid()) {
            return refuse(Reject::Known);
        }
        self.check_unspent(transaction).map_err(Rejection::Rule)?;
        let loose = self.loose_parents(transaction);
        let mut now: Vec<TxId> = loose.iter().map(|(_, parent)| parent.txid()).collect();
        now.sort_unstable();
        now.dedup();
        if verified.tip != tip.block().hash || verified.pool_parents != now {
            accept::check_alone(tip, transaction).map_err(Rejection::Rule)?;
            verified = accept::connect(tip, tx, &loose)?.verified;
        }
        let floor = self.floor.at(self.config.policy.min_rate, now_secs);
        if entrance == Entrance::New && FeeRate::of(verified.fee, verified.costs.bytes) < floor {
            return refuse(Reject::FeeFloor { floor });
        }
        let parents = self.graph.parents_of(transaction);
        let ancestors = self.check_family(&verified, &parents).map_err(Rejection::Rule)?;
        self.check_supply(tip, transaction)?;
        Ok(Place { verified, parents, ancestors })
    }

    /// Tells whether a transaction would be let in, and with what fee and bytes; nothing changes. A
    /// full pool may still evict one that just entered, which is not foreseen here.
    ///
    /// # Errors
    /// Why it would be refused, or a fault of ours.
    pub fn test(
        &self,
        tip: &Tip<'_>,
        verdict: Verdict,
        now_secs: u64,
    ) -> Result<(Amount, u64), AcceptError> {
        let Verdict { tx, result, .. } = verdict;
        let place = self.find_place(tip, &tx, result?, Entrance::New, now_secs)?;
        self.claims.check(tx.transaction()).map_err(conflict)?;
        Ok((place.verified.fee, place.verified.costs.bytes))
    }

    /// Asks the limits on chains of unconfirmed transactions; returns all ancestors.
    fn check_family(&self, verified: &Verified, parents: &[Id]) -> Result<Vec<Id>, Reject> {
        let config = &self.config;
        let bytes = verified.costs.bytes;
        // More ancestors than allowed need not be counted to the end.
        let most = usize::try_from(config.max_ancestors).unwrap_or(usize::MAX);
        let ancestors = self.graph.with_ancestors(parents, most);
        let found = u32::try_from(ancestors.len()).unwrap_or(u32::MAX).saturating_add(1);
        let max = config.max_ancestors;
        if found > max {
            return Err(Reject::Ancestors { found, max });
        }
        let entries = || ancestors.iter().filter_map(|id| self.graph.get(*id));
        let found = entries().map(Entry::bytes).fold(bytes, u64::saturating_add);
        let max = config.max_ancestor_bytes;
        if found > max && !ancestors.is_empty() {
            return Err(Reject::AncestorBytes { found, max });
        }
        for entry in entries() {
            let (ancestor, following) = (entry.txid(), &entry.descendants);
            let (found, max) = (following.count.saturating_add(1), config.max_descendants);
            if found > max {
                return Err(Reject::Descendants { ancestor, found, max });
            }
            let (found, max) = (following.bytes.saturating_add(bytes), config.max_descendant_bytes);
            if found > max {
                return Err(Reject::DescendantBytes { ancestor, found, max });
            }
        }
        Ok(ancestors)
    }

    /// The rules on single transactions compare a secondary issue with the supply of the chain; a
    /// block in which several of them together pass 64 bits is invalid.
    fn check_supply(&self, tip: &Tip<'_>, transaction: &Transaction) -> Result<(), AcceptError> {
        for (symbol, units) in secondary_issues(transaction) {
            let Some((pending, _)) = self.issued.get(symbol) else { continue };
            let supply = tip.state().asset(symbol)?.map_or(0, |asset| asset.supply.units());
            if u128::from(supply) + pending + u128::from(units) > u128::from(u64::MAX) {
                return Err(Rejection::Rule(Reject::SupplyOverflow));
            }
        }
        Ok(())
    }

    fn note_issue(&mut self, transaction: &Transaction) {
        for (symbol, units) in secondary_issues(transaction) {
            let (pending, count) = self.issued.entry(symbol.clone()).or_default();
            *pending += u128::from(units); // below 2^64 by the check before
            *count += 1;
        }
    }

    /// Undoes what an entry left outside the graph. For everything that leaves.
    pub(super) fn forget(&mut self, entry: &Entry) {
        self.changes += 1; // 2^64 changes never come
        let transaction = entry.transaction();
        self.claims.remove(entry.txid(), transaction);
        for (symbol, units) in secondary_issues(transaction) {
            if let Some((pending, count)) = self.issued.get_mut(symbol) {
                *pending = pending.saturating_sub(u128::from(units));
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.issued.remove(symbol);
                }
            }
        }
    }

    /// Takes out an entry with all that depends on it, parents first.
    pub(super) fn take_family(&mut self, id: Id) -> Vec<Entry> {
        let family = self.graph.remove_with_descendants(id);
        family.iter().for_each(|entry| self.forget(entry));
        family
    }

    fn remove_family(&mut self, id: Id, reason: &RemovalReason) -> Vec<Removed> {
        let family = self.take_family(id);
        family.into_iter().map(|entry| Removed { tx: entry.tx, reason: reason.clone() }).collect()
    }

    /// Drops the least worthy until the pool fits its limit.
    ///
    /// # Errors
    /// [`Reject::Full`] when `newcomer` itself had to go.
    pub(super) fn make_room(
        &mut self,
        newcomer: Option<TxId>,
        now_secs: u64,
    ) -> Result<Vec<Removed>, AcceptError> {
        let mut evicted = std::mem::take(&mut self.unreported);
        while self.graph.usage_bytes() > self.config.max_bytes {
            let Some((rate, id)) = self.graph.worst() else { break };
            self.floor.raise(rate, self.config.policy.min_rate, now_secs);
            evicted.extend(self.remove_family(id, &RemovalReason::Evicted));
        }
        match newcomer {
            Some(txid) if !self.contains(&txid) => {
                evicted.retain(|removed| removed.tx.txid() != txid);
                self.unreported = evicted;
                Err(Rejection::Rule(Reject::Full))
            }
            _ => Ok(evicted),
        }
    }

    /// Drops what has waited too long. To be called now and then; looks at every entry.
    pub fn expire(&mut self, now_secs: u64) -> Vec<Removed> {
        let limit = self.config.expiry_secs;
        let old = |entry: &Entry| now_secs.saturating_sub(entry.first_seen_secs) > limit;
        let ids: Vec<TxId> = self.iter().filter(|e| old(e)).map(Entry::txid).collect();
        let mut removed = std::mem::take(&mut self.unreported);
        for txid in ids {
            // It may have left with an ancestor.
            if let Some(id) = self.graph.id_of(&txid) {
                removed.extend(self.remove_family(id, &RemovalReason::Expired));
            }
        }
        removed
    }

    /// Drops a transaction with all that depends on it.
    pub fn remove(&mut self, txid: &TxId) -> Vec<Removed> {
        match self.graph.id_of(txid) {
            Some(id) => self.remove_family(id, &RemovalReason::Asked),
            None => Vec::new(),
        }
    }

    /// Drops what spends an output, with all that depends on it: a block does.
    pub(super) fn remove_spender(&mut self, outpoint: &OutPoint) -> Vec<Removed> {
        match self.graph.spender(outpoint) {
            Some(id) => self.remove_family(id, &RemovalReason::Conflict),
            None => Vec::new(),
        }
    }
}

fn conflict(conflict: PoolConflict) -> AcceptError {
    Rejection::Rule(Reject::Conflict(conflict))
}

/// Lists what a transaction adds to the supply of assets that exist.
fn secondary_issues(transaction: &Transaction) -> impl Iterator<Item = (&Symbol, u64)> {
    transaction.outputs.iter().filter_map(|output| match &output.attachment.payload {
        Payload::AssetDetail(detail) if detail.threshold.is_secondary() => {
            Some((&detail.symbol, detail.maximum_supply.units()))
        }
        _ => None,
    })
}
