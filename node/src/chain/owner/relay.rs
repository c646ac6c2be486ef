//! Which loose transactions a peer is to hear of, gathered for a moment: one message names many, and who
//! listens to several of our connections cannot tell from the times where a transaction came from.
//!
//! What a peer does not read in time it does not hear of; it costs no memory.

use std::collections::VecDeque;
use std::time::Duration;

use mvs_primitives::hash::TxId;

use super::Owner;
use crate::p2p::api::PeerId;
use crate::p2p::message::{Inventory, Message};
use crate::p2p::session::Random;

/// Transactions that are told without waiting any longer, and most in one message.
const MOST_TOLD: usize = 1_000;
/// Transactions that wait for one peer; of more the oldest are not told.
const MOST_GATHERED: usize = 4 * MOST_TOLD;
/// Shortest and longest time from a peer's first transaction to the message.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(500));

/// Transactions that one peer is to hear of.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    waiting: VecDeque<TxId>,
    due: Duration,
}

impl Gathered {
    fn add(&mut self, txid: TxId, now: Duration, random: &mut Random) {
        if self.waiting.is_empty() {
            let (shortest, longest) = PAUSES;
            let range = usize::try_from((longest - shortest).as_millis()).unwrap_or(usize::MAX);
            let more = u64::try_from(random.below(range)).unwrap_or(u64::MAX);
            self.due = now + shortest + Duration::from_millis(more);
        } else if self.waiting.len() >= MOST_GATHERED {
            self.waiting.pop_front();
        }
        self.waiting.push_back(txid);
    }

    /// Takes what is to be told at a time.
    fn take(&mut self, now: Duration) -> Vec<TxId> {
        if self.waiting.len() < MOST_TOLD && now < self.due {
            return Vec::new();
        }
        self.waiting.drain(..self.waiting.len().min(MOST_TOLD)).collect()
    }
}

impl Owner {
    /// Has the peers hear of a transaction of the pool, but not the one that sent it.
    pub(super) fn relay(&mut self, txid: TxId, from: Option<PeerId>) {
        if !self.config.relay {
            return;
        }
        let now = self.now();
        for (peer, state) in &mut self.peers {
            if let Some(gathered) = state.gathered.as_mut().filter(|_| Some(*peer) != from) {
                gathered.add(txid, now, &mut self.random);
            }
        }
    }

    /// Tells the peers of transactions whose time has come, as far as they pay what the peer asks for and
    /// are still there.
    pub(super) fn tell_transactions(&mut self) {
        let now = self.now();
        for (peer, state) in &mut self.peers {
            let Some(gathered) = &mut state.gathered else { continue };
            let mut items = gathered.take(now);
            items.retain(|txid| {
                self.mempool.get(txid).is_some_and(|entry| {
                    entry.rate().units_per_million_bytes() / 1_000 >= state.fee_filter
                })
            });
            if items.is_empty() {
                continue;
            }
            let message = Message::Inv(items.into_iter().map(Inventory::Tx).collect());
            if let Err(error) = self.network.try_send(*peer, &message) {
                tracing::debug!(target: "chain", %peer, %error, "transactions are not told");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mvs_primitives::hash::TxId;

    use super::{Gathered, MOST_GATHERED, MOST_TOLD, PAUSES};
    use crate::p2p::session::Random;

    const START: Duration = Duration::from_secs(3);

    fn txid(number: usize) -> TxId {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
        TxId::from_bytes(bytes)
    }

    #[test]
    fn a_few_wait_for_a_moment_and_go_together() {
        let mut random = Random::from_key((1, 2));
        let mut pauses = Vec::new();
        for _ in 0..100 {
            let mut gathered = Gathered::default();
            (0..5).for_each(|number| gathered.add(txid(number), START, &mut random));
            pauses.push(gathered.due - START);
            let almost = gathered.due - Duration::from_millis(1);
            assert!(gathered.take(almost).is_empty());
            assert_eq!(gathered.take(gathered.due), (0..5).map(txid).collect::<Vec<_>>());
            assert!(gathered.take(START * 2).is_empty());
        }
        assert!(pauses.iter().all(|pause| *pause >= PAUSES.0 && *pause < PAUSES.1));
        assert!(pauses.iter().max() > pauses.iter().min());
    }

    #[test]
    fn many_go_at_once_and_too_many_are_forgotten() {
        let mut random = Random::from_key((1, 2));
        let mut gathered = Gathered::default();
        for number in 0..10_000 {
            gathered.add(txid(number), START, &mut random);
        }
        assert_eq!(gathered.waiting.len(), MOST_GATHERED);
        let told = gathered.take(START);
        assert_eq!(told.len(), MOST_TOLD);
        assert_eq!(told[0], txid(10_000 - MOST_GATHERED));
    }
}
