//! Chooses what a block should hold: the packages that pay most for their room.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};

use mvs_primitives::input::OutPoint;
use mvs_primitives::script::PatternKind;
use mvs_primitives::transaction::Transaction;

use super::entry::{Entry, Id, Totals};
use super::pool::Mempool;
use super::rate::FeeRate;

/// The room that a block has for loose transactions.
#[derive(Debug, Clone)]
pub struct Room<'a> {
    /// Bytes.
    pub bytes: u64,
    /// Signature operations in own scripts.
    pub sigops: u32,
    /// Signature operations in redeem scripts.
    pub p2sh_sigops: u32,
    /// The least rate that is taken.
    pub min_rate: FeeRate,
    /// Bytes and signature operations that each deposit output takes beside, for its reward.
    pub deposit_reward: (u64, u32),
    /// Outputs that the block spends otherwise.
    pub taken: &'a HashSet<OutPoint>,
    /// Transactions that are not wanted; nor is what depends on them.
    pub unwanted: &'a HashSet<mvs_primitives::hash::TxId>,
}

/// Packages that do not fit are passed over; after so many in a row the block counts as full.
const MAX_MISSES: u32 = 500;

impl Mempool {
    /// Chooses transactions for a block, each after its parents: again and again the entry whose
    /// package (itself and all it depends on that is not chosen yet) has the best rate.
    pub fn select(&self, room: &Room<'_>) -> Vec<&Entry> {
        let mut chooser = Chooser::new(self, room);
        chooser.run();
        chooser.chosen.iter().filter_map(|id| self.graph.get(*id)).collect()
    }
}

/// What is known of entries some of whose ancestors are chosen.
type Rest = HashMap<Id, Totals>;

struct Chooser<'a> {
    pool: &'a Mempool,
    room: &'a Room<'a>,
    used: Totals,
    chosen: Vec<Id>,
    is_chosen: HashSet<Id>,
    is_out: HashSet<Id>,
    rest: Rest,
    /// Entries of `rest` by rate, best last.
    by_rate: BTreeSet<(FeeRate, Reverse<u64>, Id)>,
}

impl<'a> Chooser<'a> {
    fn new(pool: &'a Mempool, room: &'a Room<'a>) -> Self {
        let spenders = room.taken.iter().filter_map(|outpoint| pool.graph.spender(outpoint));
        let unwanted = room.unwanted.iter().filter_map(|txid| pool.graph.id_of(txid));
        let out: Vec<Id> = spenders.chain(unwanted).collect();
        Self {
            is_out: pool.graph.with_descendants(&out).into_iter().collect(),
            pool,
            room,
            used: Totals::default(),
            chosen: Vec::new(),
            is_chosen: HashSet::new(),
            rest: Rest::new(),
            by_rate: BTreeSet::new(),
        }
    }

    fn run(&mut self) {
        let pool = self.pool;
        let mut fresh = pool.graph.best_first().peekable();
        let mut misses = 0;
        while misses < MAX_MISSES {
            // Entries without chosen ancestors come from the pool's own order.
            while fresh.next_if(|(_, id)| self.is_settled(*id)).is_some() {}
            let from_rest = self.by_rate.last().map(|(rate, _, id)| (*rate, *id));
            let (rate, id) = match (fresh.peek().copied(), from_rest) {
                (Some(fresh), Some(rest)) if rest.0 > fresh.0 => rest,
                (Some(fresh), _) => fresh,
                (None, Some(rest)) => rest,
                (None, None) => return,
            };
            if rate < self.room.min_rate {
                return;
            }
            if self.try_package(id) {
                misses = 0;
            } else {
                self.forget_rest(id);
                self.is_out.insert(id);
                misses += 1;
            }
        }
    }

    /// Tells whether the pool's order has nothing more to say about an entry.
    fn is_settled(&self, id: Id) -> bool {
        self.is_chosen.contains(&id) || self.is_out.contains(&id) || self.rest.contains_key(&id)
    }

    /// Takes an entry with all that it needs, if there is room.
    fn try_package(&mut self, id: Id) -> bool {
        let graph = &self.pool.graph;
        let mut package = graph.with_ancestors(&[id], usize::MAX);
        package.retain(|id| !self.is_chosen.contains(id));
        let mut needs = Totals::default();
        for id in &package {
            let Some(entry) = graph.get(*id) else { return false };
            needs.add(&entry.own);
            needs.add(&self.rewards(entry.transaction()));
        }
        let mut used = self.used;
        used.add(&needs);
        let fits = used.bytes <= self.room.bytes
            && used.sigops <= self.room.sigops
            && used.p2sh_sigops <= self.room.p2sh_sigops
            && !package.iter().any(|id| self.is_out.contains(id));
        if !fits {
            return false;
        }
        self.used = used;
        package.sort_by_key(|id| graph.get(*id).map_or(0, |entry| entry.ancestors.count));
        for id in package {
            self.choose(id);
        }
        true
    }

    fn choose(&mut self, id: Id) {
        self.forget_rest(id);
        self.is_chosen.insert(id);
        self.chosen.push(id);
        let graph = &self.pool.graph;
        let Some(entry) = graph.get(id) else { return };
        for descendant in graph.with_descendants(&entry.children) {
            if self.is_chosen.contains(&descendant) || self.is_out.contains(&descendant) {
                continue;
            }
            let Some(other) = graph.get(descendant) else { continue };
            let before = self.rest.get(&descendant).copied();
            let mut rest = before.unwrap_or(other.ancestors);
            if before.is_some() {
                self.by_rate.remove(&(rest.rate(), Reverse(other.sequence), descendant));
            }
            rest.subtract(&entry.own);
            self.by_rate.insert((rest.rate(), Reverse(other.sequence), descendant));
            self.rest.insert(descendant, rest);
        }
    }

    fn forget_rest(&mut self, id: Id) {
        if let Some(rest) = self.rest.remove(&id)
            && let Some(entry) = self.pool.graph.get(id)
        {
            self.by_rate.remove(&(rest.rate(), Reverse(entry.sequence), id));
        }
    }

    /// What the rewards of a transaction's deposits take (chain.md 6.4).
    fn rewards(&self, transaction: &Transaction) -> Totals {
        let (bytes, sigops) = self.room.deposit_reward;
        let is_deposit = |kind: PatternKind| kind == PatternKind::PayKeyHashWithLockHeight;
        let outputs = transaction.outputs.iter();
        let deposits = outputs.filter(|output| is_deposit(output.script.pattern().kind())).count();
        let deposits = u32::try_from(deposits).unwrap_or(u32::MAX);
        Totals {
            bytes: bytes.saturating_mul(u64::from(deposits)),
            sigops: sigops.saturating_mul(deposits),
            ..Totals::default()
        }
    }
}
