//! Loose transactions that wait to be verified, a line for each peer.
//!
//! Few are out at a time, so that blocks find the threads free; the lines take turns, so that a peer
//! with many holds up itself.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::ops::Bound;

use mvs_primitives::hash::TxId;

use crate::mempool::LooseTx;
use crate::p2p::api::{Charge, PeerId};

/// Transactions of one peer that may wait: those that it was asked for, and some that it was not.
const MOST_OF_PEER: usize = 512;
/// Transactions of our own that may wait.
const MOST_OWN: usize = 1_024;

/// A transaction, who sent it, and its share of the memory for messages.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) tx: LooseTx,
    /// Nobody is ourselves.
    pub(super) from: Option<PeerId>,
    pub(super) charge: Charge,
}

/// The lines.
#[derive(Debug, Default)]
pub(super) struct TxQueue {
    own: VecDeque<Waiting>,
    /// None is empty.
    lines: BTreeMap<PeerId, VecDeque<Waiting>>,
    /// Whose turn it was last.
    last: Option<PeerId>,
    /// What waits or is being verified.
    pending: HashSet<TxId>,
    out: usize,
}

impl TxQueue {
    /// Adds a transaction unless its line is full; tells whether there was room. One of a peer that is
    /// there already is not added again.
    pub(super) fn push(&mut self, waiting: Waiting) -> bool {
        let txid = waiting.tx.txid();
        let Some(peer) = waiting.from else {
            let has_room = self.own.len() < MOST_OWN;
            if has_room {
                self.pending.insert(txid);
                self.own.push_back(waiting);
            }
            return has_room;
        };
        if self.is_pending(&txid) {
            return true;
        }
        let line = self.lines.entry(peer).or_default();
        let has_room = line.len() < MOST_OF_PEER;
        if has_room {
            self.pending.insert(txid);
            line.push_back(waiting);
        }
        has_room
    }

    /// Takes the next one out, unless `most` are out: our own first, then the peers in turn.
    pub(super) fn take(&mut self, most: usize) -> Option<Waiting> {
        if self.out >= most {
            return None;
        }
        let next = self.own.pop_front().or_else(|| self.take_of_peers())?;
        self.out += 1;
        Some(next)
    }

    fn take_of_peers(&mut self) -> Option<Waiting> {
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let mut turns = self.lines.range((after, Bound::Unbounded)).chain(self.lines.iter());
        let peer = *turns.next()?.0;
        self.last = Some(peer);
        let line = self.lines.get_mut(&peer)?;
        let next = line.pop_front();
        if line.is_empty() {
            self.lines.remove(&peer);
        }
        next
    }

    /// One that was out was judged.
    pub(super) fn done(&mut self, txid: &TxId) {
        self.out = self.out.saturating_sub(1);
        self.pending.remove(txid);
    }

    /// A peer left: what it sent is not worth the time any more.
    pub(super) fn peer_gone(&mut self, peer: PeerId) {
        for waiting in self.lines.remove(&peer).unwrap_or_default() {
            self.pending.remove(&waiting.tx.txid());
        }
    }

    /// Tells whether a transaction waits or is being verified.
    pub(super) fn is_pending(&self, txid: &TxId) -> bool {
        self.pending.contains(txid)
    }

    /// Returns how many of a peer wait.
    pub(super) fn waiting_of(&self, peer: PeerId) -> usize {
        self.lines.get(&peer).map_or(0, VecDeque::len)
    }
}

#[cfg(test)]
mod tests {
    use mvs_consensus::params::Params;

    use super::{MOST_OF_PEER, TxQueue, Waiting};
    use crate::mempool::LooseTx;
    use crate::p2p::api::{Charge, PeerId};

    fn waiting(from: Option<u64>, number: u32) -> Waiting {
        let mut tx = Params::devnet().genesis.transactions[0].clone();
        tx.locktime = number;
        Waiting { tx: LooseTx::from(tx), from: from.map(PeerId::new), charge: Charge::none() }
    }

    fn turns(queue: &mut TxQueue, most: usize) -> Vec<Option<u64>> {
        let next = std::iter::from_fn(|| queue.take(most));
        next.map(|waiting| waiting.from.map(PeerId::number)).collect()
    }

    #[test]
    fn our_own_come_first_and_peers_take_turns() {
        let mut queue = TxQueue::default();
        for number in 0..4 {
            assert!(queue.push(waiting(Some(9), number)));
        }
        assert!(queue.push(waiting(Some(3), 10)) && queue.push(waiting(Some(5), 11)));
        assert!(queue.push(waiting(None, 12)));
        assert_eq!(turns(&mut queue, 3), [None, Some(3), Some(5)]);
        assert!(queue.take(3).is_none(), "enough are out");
        assert_eq!(turns(&mut queue, 10), [Some(9); 4]);
        assert!(queue.lines.is_empty());
    }

    #[test]
    fn lines_are_bounded_and_leave_with_their_peer() {
        let mut queue = TxQueue::default();
        let taken = (0..1_000).filter(|number| queue.push(waiting(Some(1), *number))).count();
        assert_eq!((taken, queue.waiting_of(PeerId::new(1))), (MOST_OF_PEER, MOST_OF_PEER));
        assert!(queue.push(waiting(Some(2), 5_000)));
        // The same again is no second job.
        assert!(queue.push(waiting(Some(2), 7)));
        assert_eq!(queue.waiting_of(PeerId::new(2)), 1);
        queue.peer_gone(PeerId::new(1));
        assert_eq!(turns(&mut queue, 10), [Some(2)]);
        queue.done(&waiting(None, 5_000).tx.txid());
        assert!(queue.pending.is_empty() && queue.out == 0);
    }
}
