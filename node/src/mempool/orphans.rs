//! Transactions whose parents are not known yet: peers announce children and parents in any order.

use std::collections::{BTreeMap, HashMap, HashSet};

use mvs_primitives::hash::TxId;

use super::entry::{LooseTx, usage_of};

/// How much is kept of what cannot be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrphanConfig {
    /// Most transactions.
    pub max_count: usize,
    /// Most of one peer.
    pub max_of_peer: usize,
    /// Most memory of all together, in bytes.
    pub max_bytes: usize,
    /// Most memory of one, in bytes.
    pub max_bytes_each: usize,
    /// Seconds after which one is dropped.
    pub expiry_secs: u64,
}

impl Default for OrphanConfig {
    fn default() -> Self {
        Self {
            max_count: 200,
            max_of_peer: 50,
            max_bytes: 4 << 20,
            max_bytes_each: 200_000,
            expiry_secs: 600,
        }
    }
}

#[derive(Debug)]
struct Orphan {
    tx: LooseTx,
    peer: u64,
    since_secs: u64,
    bytes: usize,
    number: u64,
}

/// Transactions that wait for their parents.
///
/// # Invariants
/// Counts and bytes stay within [`OrphanConfig`]; for a newcomer the oldest leave, of its own peer
/// first.
#[derive(Debug)]
pub struct Orphans {
    config: OrphanConfig,
    by_txid: HashMap<TxId, Orphan>,
    /// Oldest first.
    by_age: BTreeMap<u64, TxId>,
    by_parent: HashMap<TxId, HashSet<TxId>>,
    of_peer: HashMap<u64, usize>,
    bytes: usize,
    next: u64,
}

impl Orphans {
    /// Starts without any.
    pub fn new(config: OrphanConfig) -> Self {
        Self {
            config,
            by_txid: HashMap::new(),
            by_age: BTreeMap::new(),
            by_parent: HashMap::new(),
            of_peer: HashMap::new(),
            bytes: 0,
            next: 0,
        }
    }

    /// Returns how many wait.
    pub fn len(&self) -> usize {
        self.by_txid.len()
    }

    /// Tells whether none waits.
    pub fn is_empty(&self) -> bool {
        self.by_txid.is_empty()
    }

    /// Returns the memory that they are counted with, in bytes.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Tells whether a transaction waits.
    pub fn contains(&self, txid: &TxId) -> bool {
        self.by_txid.contains_key(txid)
    }

    /// Keeps a transaction that was refused for want of a parent. Tells whether it was kept.
    pub fn add(&mut self, tx: LooseTx, peer: u64, now_secs: u64) -> bool {
        let bytes = usage_of(tx.transaction());
        if self.contains(&tx.txid()) || bytes > self.config.max_bytes_each {
            return false;
        }
        while self.of_peer.get(&peer).is_some_and(|count| *count >= self.config.max_of_peer.max(1))
        {
            let oldest = self.by_age.values().find(|txid| self.is_of(txid, peer)).copied();
            let Some(oldest) = oldest else { break };
            self.remove(&oldest);
        }
        while self.len() >= self.config.max_count.max(1)
            || self.bytes.saturating_add(bytes) > self.config.max_bytes
        {
            let Some(oldest) = self.by_age.first_key_value().map(|(_, txid)| *txid) else { break };
            self.remove(&oldest);
        }
        for input in &tx.transaction().inputs {
            self.by_parent.entry(input.previous.txid).or_default().insert(tx.txid());
        }
        let number = self.next;
        self.next += 1; // 2^64 never come
        self.by_age.insert(number, tx.txid());
        *self.of_peer.entry(peer).or_default() += 1;
        self.bytes += bytes; // within the limit
        self.by_txid.insert(tx.txid(), Orphan { tx, peer, since_secs: now_secs, bytes, number });
        true
    }

    fn is_of(&self, txid: &TxId, peer: u64) -> bool {
        self.by_txid.get(txid).is_some_and(|orphan| orphan.peer == peer)
    }

    fn remove(&mut self, txid: &TxId) -> Option<(LooseTx, u64)> {
        let orphan = self.by_txid.remove(txid)?;
        self.by_age.remove(&orphan.number);
        self.bytes = self.bytes.saturating_sub(orphan.bytes);
        if let Some(count) = self.of_peer.get_mut(&orphan.peer) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.of_peer.remove(&orphan.peer);
            }
        }
        for input in &orphan.tx.transaction().inputs {
            let parent = &input.previous.txid;
            if let Some(children) = self.by_parent.get_mut(parent) {
                children.remove(txid);
                if children.is_empty() {
                    self.by_parent.remove(parent);
                }
            }
        }
        Some((orphan.tx, orphan.peer))
    }

    /// Takes out those that spend from a transaction that has arrived, with the peers that sent them,
    /// to be offered again.
    pub fn take_children(&mut self, parent: &TxId) -> Vec<(LooseTx, u64)> {
        let children: Vec<TxId> =
            self.by_parent.get(parent).into_iter().flatten().copied().collect();
        children.iter().filter_map(|txid| self.remove(txid)).collect()
    }

    /// Drops what a peer sent.
    pub fn forget_peer(&mut self, peer: u64) {
        let of_peer: Vec<TxId> =
            self.by_txid.values().filter(|o| o.peer == peer).map(|o| o.tx.txid()).collect();
        of_peer.iter().for_each(|txid| drop(self.remove(txid)));
    }

    /// Drops what has waited too long.
    pub fn expire(&mut self, now_secs: u64) {
        let limit = self.config.expiry_secs;
        let old = |orphan: &&Orphan| now_secs.saturating_sub(orphan.since_secs) > limit;
        let old: Vec<TxId> = self.by_txid.values().filter(old).map(|o| o.tx.txid()).collect();
        old.iter().for_each(|txid| drop(self.remove(txid)));
    }
}

#[cfg(test)]
mod tests {
    use mvs_primitives::amount::Amount;
    use mvs_primitives::hash::TxId;
    use mvs_primitives::input::{Input, OutPoint};
    use mvs_primitives::output::Output;
    use mvs_primitives::script::Script;
    use mvs_primitives::transaction::Transaction;

    use super::{LooseTx, OrphanConfig, Orphans};

    fn child(parents: &[u8], value: u64) -> LooseTx {
        let input =
            |parent: &u8| Input::unsigned(OutPoint::new(TxId::from_bytes([*parent; 32]), 0));
        LooseTx::from(Transaction {
            version: 4,
            inputs: parents.iter().map(input).collect(),
            outputs: vec![Output::etp(Amount::from_units(value), Script::pay_key_hash(&[1; 20]))],
            locktime: 0,
        })
    }

    fn is_empty(orphans: &Orphans) -> bool {
        orphans.is_empty()
            && orphans.bytes == 0
            && orphans.by_age.is_empty()
            && orphans.by_parent.is_empty()
            && orphans.of_peer.is_empty()
    }

    #[test]
    fn children_come_out_with_any_of_their_parents() {
        let mut orphans = Orphans::new(OrphanConfig::default());
        assert!(orphans.add(child(&[1, 2], 1), 7, 0));
        assert!(orphans.add(child(&[1], 2), 8, 0));
        assert!(!orphans.add(child(&[1], 2), 9, 0), "it is there");
        assert!(orphans.contains(&child(&[1], 2).txid()));
        assert_eq!(orphans.take_children(&TxId::from_bytes([2; 32])), [(child(&[1, 2], 1), 7)]);
        assert_eq!(orphans.take_children(&TxId::from_bytes([1; 32])), [(child(&[1], 2), 8)]);
        assert!(is_empty(&orphans));
    }

    #[test]
    fn one_peer_drives_out_its_own() {
        let config = OrphanConfig { max_count: 10, max_of_peer: 3, ..OrphanConfig::default() };
        let mut orphans = Orphans::new(config);
        assert!(orphans.add(child(&[1], 0), 1, 0));
        for value in 1..100 {
            assert!(orphans.add(child(&[2], value), 2, 0));
        }
        assert_eq!(orphans.len(), 4);
        assert!(orphans.contains(&child(&[1], 0).txid()));
        for peer in 3..100 {
            assert!(orphans.add(child(&[3], peer), peer, 0));
        }
        assert_eq!(orphans.len(), 10);
        for peer in 1..100 {
            orphans.forget_peer(peer);
        }
        assert!(is_empty(&orphans));
    }

    #[test]
    fn memory_is_bounded() {
        let config =
            OrphanConfig { max_bytes: 5_000, max_bytes_each: 2_000, ..OrphanConfig::default() };
        let mut orphans = Orphans::new(config);
        assert!(!orphans.add(child(&[5; 100], 0), 1, 0), "too large");
        for value in 0..40 {
            assert!(orphans.add(child(&[2], value), 2, 0));
            assert!(orphans.bytes() <= 5_000);
        }
        assert!(orphans.len() > 2);
    }

    #[test]
    fn they_do_not_wait_for_ever() {
        let mut orphans = Orphans::new(OrphanConfig::default());
        orphans.add(child(&[1], 1), 1, 1_000);
        orphans.add(child(&[1], 2), 1, 1_500);
        orphans.expire(1_600);
        assert_eq!(orphans.len(), 2);
        orphans.expire(1_601);
        assert_eq!(orphans.len(), 1);
        orphans.expire(u64::MAX);
        assert!(is_empty(&orphans));
    }
}
