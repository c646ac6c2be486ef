//! Whom to ask for which loose transactions.
//!
//! A peer that names a transaction gets a place in line for it. Each is asked of one peer at a time;
//! when that one has not got it, stays silent or goes away, the next in line is asked. Everything is
//! counted for each peer by itself, so that none can use up what the others need.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use mvs_primitives::hash::TxId;

use crate::p2p::api::PeerId;

/// Transactions that one peer may be in line for: as many as the pool of the first node holds.
const MOST_ANNOUNCED: usize = 4_096;
/// Transactions that one peer owes at a time, those included that wait to be verified.
const MOST_ASKED: usize = 256;
/// Peers in line for one transaction.
const MOST_ANNOUNCERS: usize = 3;
/// After this time a transaction is asked of the next one in line.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Announced transactions, and who is asked for them.
///
/// # Invariants
/// A transaction is in `wanted` exactly as long as somebody is in line for it, and each that is in
/// line has it in `holds`; at most one of them owes it.
#[derive(Debug, Default)]
pub(super) struct TxRequests {
    wanted: HashMap<TxId, Wanted>,
    peers: BTreeMap<PeerId, Announcer>,
}

#[derive(Debug, Default)]
struct Wanted {
    /// In the order in which they named it.
    announcers: Vec<PeerId>,
    asked: Option<PeerId>,
}

#[derive(Debug, Default)]
struct Announcer {
    /// What it is in line for.
    holds: HashSet<TxId>,
    /// What it is to be asked for; some of it was asked of others or has come since.
    queue: VecDeque<TxId>,
    /// What it owes, and since when.
    owes: BTreeMap<TxId, Duration>,
}

impl Announcer {
    /// Bounds the queue: what was settled leaves it late.
    fn tidy(&mut self) {
        if self.queue.len() > 2 * MOST_ANNOUNCED {
            let mut seen = HashSet::new();
            self.queue.retain(|txid| self.holds.contains(txid) && seen.insert(*txid));
        }
    }
}

impl TxRequests {
    /// A peer named a transaction that is neither known nor refused.
    pub(super) fn announced(&mut self, peer: PeerId, txid: TxId) {
        let announcer = self.peers.entry(peer).or_default();
        if announcer.holds.len() >= MOST_ANNOUNCED {
            return;
        }
        let wanted = self.wanted.entry(txid).or_default();
        if wanted.announcers.len() >= MOST_ANNOUNCERS || !announcer.holds.insert(txid) {
            return;
        }
        wanted.announcers.push(peer);
        if wanted.asked.is_none() {
            announcer.queue.push_back(txid);
            announcer.tidy();
        }
    }

    /// A transaction came, from whomever, or is not wanted any more.
    pub(super) fn settled(&mut self, txid: &TxId) {
        let Some(wanted) = self.wanted.remove(txid) else { return };
        for peer in wanted.announcers {
            if let Some(announcer) = self.peers.get_mut(&peer) {
                announcer.holds.remove(txid);
                announcer.owes.remove(txid);
            }
        }
    }

    /// A peer has not got what it named; what others say does not count.
    pub(super) fn failed(&mut self, peer: PeerId, txid: &TxId) {
        let Some(announcer) = self.peers.get_mut(&peer) else { return };
        if !announcer.holds.remove(txid) {
            return;
        }
        announcer.owes.remove(txid);
        self.leave(peer, txid);
    }

    /// A peer left.
    pub(super) fn peer_gone(&mut self, peer: PeerId) {
        let Some(announcer) = self.peers.remove(&peer) else { return };
        for txid in &announcer.holds {
            self.leave(peer, txid);
        }
    }

    /// Takes a peer out of the line for a transaction; if it was its turn, it is the others' now.
    fn leave(&mut self, peer: PeerId, txid: &TxId) {
        let Some(wanted) = self.wanted.get_mut(txid) else { return };
        wanted.announcers.retain(|announcer| *announcer != peer);
        if wanted.announcers.is_empty() {
            self.wanted.remove(txid);
        } else if wanted.asked == Some(peer) {
            wanted.asked = None;
            for announcer in &wanted.announcers {
                if let Some(announcer) = self.peers.get_mut(announcer) {
                    announcer.queue.push_front(*txid);
                    announcer.tidy();
                }
            }
        }
    }

    /// Says what to ask of whom now. `unread` tells how many transactions of a peer wait to be
    /// verified.
    pub(super) fn poll(
        &mut self,
        now: Duration,
        unread: impl Fn(PeerId) -> usize,
    ) -> Vec<(PeerId, Vec<TxId>)> {
        self.end_waiting(now);
        let mut asks = Vec::new();
        for (peer, announcer) in &mut self.peers {
            if announcer.queue.is_empty() {
                continue;
            }
            let mut list = Vec::new();
            let room = MOST_ASKED.saturating_sub(unread(*peer));
            while announcer.owes.len() < room
                && let Some(txid) = announcer.queue.pop_front()
            {
                // In a queue may still be what came, or was asked of another; that one's failure
                // brings it back.
                let is_ours = announcer.holds.contains(&txid);
                let Some(wanted) = self.wanted.get_mut(&txid).filter(|_| is_ours) else { continue };
                if wanted.asked.is_none() {
                    wanted.asked = Some(*peer);
                    announcer.owes.insert(txid, now);
                    list.push(txid);
                }
            }
            if !list.is_empty() {
                asks.push((*peer, list));
            }
        }
        self.peers.retain(|_, announcer| !announcer.holds.is_empty());
        asks
    }

    fn end_waiting(&mut self, now: Duration) {
        let mut late = Vec::new();
        for (peer, announcer) in &self.peers {
            let is_late = |since: &Duration| now.saturating_sub(*since) >= TIMEOUT;
            let owed = announcer.owes.iter().filter(|(_, since)| is_late(since));
            late.extend(owed.map(|(txid, _)| (*peer, *txid)));
        }
        for (peer, txid) in late {
            self.failed(peer, &txid);
        }
    }

    #[cfg(test)]
    fn assert_consistent(&self) {
        for (txid, wanted) in &self.wanted {
            assert!((1..=MOST_ANNOUNCERS).contains(&wanted.announcers.len()));
            for peer in &wanted.announcers {
                let announcer = &self.peers[peer];
                assert!(announcer.holds.contains(txid));
                assert_eq!(announcer.owes.contains_key(txid), wanted.asked == Some(*peer));
                assert!(wanted.asked.is_some() || announcer.queue.contains(txid));
            }
            assert!(wanted.asked.is_none_or(|peer| wanted.announcers.contains(&peer)));
        }
        for (peer, announcer) in &self.peers {
            assert!(announcer.holds.len() <= MOST_ANNOUNCED && announcer.owes.len() <= MOST_ASKED);
            for txid in &announcer.holds {
                assert!(self.wanted[txid].announcers.contains(peer));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mvs_primitives::hash::TxId;
    use proptest::prelude::{any, proptest};

    use super::{MOST_ANNOUNCED, MOST_ASKED, TIMEOUT, TxRequests};
    use crate::p2p::api::PeerId;

    const LIAR: PeerId = PeerId::new(1);
    const HONEST: PeerId = PeerId::new(2);
    const START: Duration = Duration::from_secs(9);

    fn txid(number: u32) -> TxId {
        let mut bytes = [7; 32];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        TxId::from_bytes(bytes)
    }

    fn poll(requests: &mut TxRequests, now: Duration) -> Vec<(PeerId, Vec<TxId>)> {
        let asks = requests.poll(now, |_| 0);
        requests.assert_consistent();
        asks
    }

    #[test]
    fn whoever_stays_silent_denies_leaves_or_is_first_suppresses_nothing() {
        let ends: [fn(&mut TxRequests); 3] = [
            |_| {},
            |requests| requests.failed(LIAR, &txid(1)),
            |requests| requests.peer_gone(LIAR),
        ];
        for (number, end) in ends.into_iter().enumerate() {
            let mut requests = TxRequests::default();
            requests.announced(LIAR, txid(1));
            assert_eq!(poll(&mut requests, START), [(LIAR, vec![txid(1)])]);
            requests.announced(HONEST, txid(1));
            assert!(poll(&mut requests, START).is_empty());
            end(&mut requests);
            let now = if number == 0 { START + TIMEOUT } else { START };
            assert_eq!(poll(&mut requests, now), [(HONEST, vec![txid(1)])]);
            requests.settled(&txid(1));
            assert!(poll(&mut requests, now).is_empty() && requests.peers.is_empty());
        }
    }

    #[test]
    fn a_denial_by_somebody_else_does_not_count() {
        let mut requests = TxRequests::default();
        requests.announced(HONEST, txid(1));
        assert_eq!(poll(&mut requests, START), [(HONEST, vec![txid(1)])]);
        requests.failed(LIAR, &txid(1));
        requests.announced(LIAR, txid(1));
        assert!(poll(&mut requests, START).is_empty());
        requests.failed(LIAR, &txid(1));
        assert!(poll(&mut requests, START).is_empty());
        assert_eq!(requests.wanted[&txid(1)].asked, Some(HONEST));
    }

    #[test]
    fn what_one_peer_fills_is_its_own() {
        let mut requests = TxRequests::default();
        (0..100_000).for_each(|number| requests.announced(LIAR, txid(number)));
        assert_eq!(poll(&mut requests, START)[0].1.len(), MOST_ASKED);
        assert_eq!(requests.wanted.len(), MOST_ANNOUNCED);
        requests.announced(HONEST, txid(200_000));
        assert_eq!(poll(&mut requests, START), [(HONEST, vec![txid(200_000)])]);
    }

    #[test]
    fn a_whole_pool_is_fetched_piece_by_piece() {
        let mut requests = TxRequests::default();
        (0..4_000).for_each(|number| requests.announced(HONEST, txid(number)));
        let mut came = 0;
        while let Some((peer, list)) = poll(&mut requests, START).pop() {
            assert!(peer == HONEST && list.len() <= MOST_ASKED);
            came += list.len();
            list.iter().for_each(|txid| requests.settled(txid));
        }
        assert_eq!(came, 4_000);
    }

    #[test]
    fn a_peer_whose_transactions_wait_is_asked_for_no_more() {
        let mut requests = TxRequests::default();
        (0..10).for_each(|number| requests.announced(HONEST, txid(number)));
        assert!(requests.poll(START, |_| MOST_ASKED).is_empty());
        assert_eq!(requests.poll(START, |_| MOST_ASKED - 4)[0].1.len(), 4);
    }

    proptest! {
        /// Whatever happens in whatever order, what somebody is in line for is asked in the end.
        #[test]
        fn nothing_is_forgotten(steps in proptest::collection::vec(any::<(u8, u8, u8)>(), 0..200)) {
            let mut requests = TxRequests::default();
            let mut now = START;
            for (kind, peer, number) in steps {
                let (peer, txid) = (PeerId::new(u64::from(peer % 6)), txid(u32::from(number % 12)));
                match kind % 6 {
                    0 | 1 => requests.announced(peer, txid),
                    2 => requests.settled(&txid),
                    3 => requests.failed(peer, &txid),
                    4 => requests.peer_gone(peer),
                    _ => {
                        now += TIMEOUT / 3;
                        poll(&mut requests, now);
                    }
                }
                requests.assert_consistent();
            }
            poll(&mut requests, now);
            assert!(requests.wanted.values().all(|wanted| wanted.asked.is_some()));
        }
    }
}
