//! Questions of peers that wait for an answer, a line for each peer.
//!
//! The lines take turns, so that a peer that asks much holds up itself. What is over the length of a
//! line is dropped: whoever asked repeats it.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Request;
use crate::p2p::api::PeerId;

/// Questions of one peer that wait. The blocks that a peer asks for come in portions, the next one when
/// the last was answered; a peer that syncs asks for headers once at a time.
pub(super) const MOST_OF_PEER: usize = 16;

/// The lines, between the thread that puts and the one that takes.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lines: Mutex<Lines>,
    filled: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct Lines {
    /// None is empty.
    lines: BTreeMap<PeerId, VecDeque<Request>>,
    /// Whose turn it was last.
    last: Option<PeerId>,
    is_closed: bool,
}

impl Queue {
    /// Adds a question; tells whether one had to be dropped for it.
    pub(super) fn push(&self, request: Request) -> bool {
        let was_dropped = self.lock().push(request);
        self.filled.notify_one();
        was_dropped
    }

    /// Takes the next question, waiting for one at most so long. None is left when it is closed.
    pub(super) fn take(&self, patience: Duration) -> Option<Request> {
        let nothing = |lines: &mut Lines| lines.lines.is_empty() && !lines.is_closed;
        let waited = self.filled.wait_timeout_while(self.lock(), patience, nothing);
        waited.unwrap_or_else(PoisonError::into_inner).0.take()
    }

    /// Nobody asks any more.
    pub(super) fn close(&self) {
        let mut lines = self.lock();
        lines.lines.clear();
        lines.is_closed = true;
        self.filled.notify_all();
    }

    /// Tells whether nobody asks any more.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// A peer left: nobody waits for the answers.
    pub(super) fn peer_gone(&self, peer: PeerId) {
        self.lock().lines.remove(&peer);
    }

    /// Takes the lock; its holders leave nothing half done if they panic.
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    /// Of questions for headers the newest counts, so the oldest of the peer goes; a request for blocks
    /// does not repeat the one before, and stays.
    fn push(&mut self, request: Request) -> bool {
        let line = self.lines.entry(request.peer()).or_default();
        let is_full = line.len() >= MOST_OF_PEER;
        if is_full {
            let oldest = line.iter().position(|waiting| !matches!(waiting, Request::Data { .. }));
            match oldest {
                Some(oldest) => drop(line.remove(oldest)),
                None => return true,
            }
        }
        line.push_back(request);
        is_full
    }

    fn take(&mut self) -> Option<Request> {
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
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mvs_primitives::hash::BlockHash;

    use super::{MOST_OF_PEER, Queue};
    use crate::chain::owner::serve::Request;
    use crate::p2p::api::PeerId;
    use crate::p2p::message::{Locator, PROTOCOL_VERSION};

    fn headers(peer: u64) -> Request {
        let hashes = vec![BlockHash::ZERO];
        let locator = Locator { version: PROTOCOL_VERSION, hashes, stop: BlockHash::ZERO };
        Request::Headers { peer: PeerId::new(peer), locator }
    }

    fn data(peer: u64) -> Request {
        Request::Data { peer: PeerId::new(peer), blocks: vec![BlockHash::ZERO] }
    }

    fn turns(queue: &Queue, most: usize) -> Vec<u64> {
        let next = std::iter::from_fn(|| queue.take(Duration::ZERO));
        next.take(most).map(|request| request.peer().number()).collect()
    }

    #[test]
    fn a_flood_of_one_does_not_hold_up_the_others() {
        let queue = Queue::default();
        let dropped = (0..5_000).filter(|_| queue.push(headers(7))).count();
        assert_eq!(dropped, 5_000 - MOST_OF_PEER);
        assert!(!queue.push(data(3)) && !queue.push(data(9)) && !queue.push(data(9)));
        assert_eq!(turns(&queue, 5), [3, 7, 9, 7, 9]);
        assert_eq!(turns(&queue, 100), [7; MOST_OF_PEER - 2]);
        assert!(queue.lock().lines.is_empty());
    }

    #[test]
    fn of_a_full_line_the_oldest_question_for_headers_goes() {
        let queue = Queue::default();
        for _ in 0..MOST_OF_PEER - 1 {
            assert!(!queue.push(data(1)));
        }
        assert!(!queue.push(headers(1)));
        assert!(queue.push(data(1)), "in place of the question for headers");
        assert!(queue.push(data(1)), "there is none left");
        let left = std::iter::from_fn(|| queue.take(Duration::ZERO));
        let left: Vec<Request> = left.collect();
        assert!(left.iter().all(|request| matches!(request, Request::Data { .. })));
        assert_eq!(left.len(), MOST_OF_PEER);
    }

    #[test]
    fn a_line_leaves_with_its_peer() {
        let queue = Queue::default();
        queue.push(headers(1));
        queue.push(headers(2));
        queue.peer_gone(PeerId::new(1));
        assert_eq!(turns(&queue, 9), [2]);
    }

    #[test]
    fn whoever_waits_is_told_of_the_end() {
        let queue = std::sync::Arc::new(Queue::default());
        let waiting = std::sync::Arc::clone(&queue);
        let waits = std::thread::spawn(move || waiting.take(Duration::from_secs(3_600)).is_none());
        queue.push(headers(1));
        queue.close();
        // It got the question or the end.
        waits.join().unwrap();
        assert!(queue.is_closed() && queue.take(Duration::from_secs(3_600)).is_none());
    }
}
