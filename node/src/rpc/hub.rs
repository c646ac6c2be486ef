//! Follows the chain for subscribers.
//!
//! The chain owner's events go to one task here, which keeps what a snapshot cannot tell: the blocks
//! that left the chain, and the latest changes of the pool. Subscribers pull from that and from a
//! snapshot at their own pace, so that a slow one costs nobody but itself.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mvs_primitives::encode::Decode as _;
use mvs_primitives::hash::{BlockHash, TxId};
use mvs_primitives::header::{HEADER_BYTES, Header};
use mvs_primitives::height::Height;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use super::cursor::{ChainCursor, PoolCursor};
use crate::chain::command::ChainHandle;
use crate::chain::events::{ChainEvent, TipView};
use crate::chain::stop::Stop;

/// Blocks that left the chain and are remembered: as many as a reorganisation can undo by default,
/// twice.
const MOST_STALE: usize = 20_000;
/// Changes of the pool that are remembered.
const MOST_CHANGES: usize = 20_000;

/// A change of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PoolChange {
    Added(TxId),
    Removed(TxId, &'static str),
}

/// Follows the chain. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub {
    shared: Arc<Shared>,
    view: watch::Receiver<Arc<TipView>>,
    pool: watch::Receiver<u64>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    stale: HashMap<BlockHash, (Height, BlockHash)>,
    /// In the order in which they left.
    order: VecDeque<BlockHash>,
    changes: VecDeque<PoolChange>,
    epoch: u64,
    /// Number of the next change.
    next: u64,
}

impl Shared {
    /// Never held across anything that waits.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note_stale(&mut self, hash: BlockHash, height: Height, parent: BlockHash) {
        if self.stale.insert(hash, (height, parent)).is_none() {
            self.order.push_back(hash);
        }
        while self.order.len() > MOST_STALE {
            if let Some(oldest) = self.order.pop_front() {
                self.stale.remove(&oldest);
            }
        }
    }

    fn note_change(&mut self, change: PoolChange) {
        self.changes.push_back(change);
        self.next = self.next.saturating_add(1);
        if self.changes.len() > MOST_CHANGES {
            self.changes.pop_front();
        }
    }

    /// Changes were lost: nobody can go on from an earlier cursor.
    fn lose_changes(&mut self) {
        self.changes.clear();
        self.epoch = self.epoch.wrapping_add(1);
    }
}

impl Hub {
    /// Starts to follow. Must be called inside the runtime.
    pub fn start(chain: &ChainHandle, stop: Stop) -> Self {
        // Listening begins before the first look, so that nothing falls in between.
        let events = chain.listen();
        let first = chain.tip();
        let mut epoch = [0; 8];
        // Without random numbers the epoch is 0: an old cursor might be taken, and tells less.
        let _ = getrandom::fill(&mut epoch);
        let state = State {
            stale: HashMap::new(),
            order: VecDeque::new(),
            changes: VecDeque::new(),
            epoch: u64::from_le_bytes(epoch),
            next: 0,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state) });
        let (view_in, view) = watch::channel(Arc::clone(&first));
        let (pool_in, pool) = watch::channel(0);
        let follower = Follower {
            shared: Arc::clone(&shared),
            chain: chain.clone(),
            tip: first.tip.hash,
            view: view_in,
            pool: pool_in,
        };
        tokio::spawn(follower.run(events, stop));
        Self { shared, view, pool }
    }

    /// Returns the chain as the hub knows it: every block that left it before is remembered.
    pub(super) fn view(&self) -> Arc<TipView> {
        Arc::clone(&self.view.borrow())
    }

    /// Returns receivers that are told of a new view, and of changes of the pool.
    pub(super) fn watch(&self) -> (watch::Receiver<Arc<TipView>>, watch::Receiver<u64>) {
        (self.view.clone(), self.pool.clone())
    }

    /// Returns the parent of a block that left the chain; `None` when it is not remembered.
    pub(super) fn parent_of(&self, stale: &ChainCursor) -> Option<ChainCursor> {
        let (height, parent) = self.shared.state().stale.get(&stale.hash).copied()?;
        let below = height.previous().filter(|_| height == stale.height)?;
        Some(ChainCursor { height: below, hash: parent })
    }

    /// Returns where changes of the pool go on from now.
    pub(super) fn pool_cursor(&self) -> PoolCursor {
        let state = self.shared.state();
        PoolCursor { epoch: state.epoch, next: state.next }
    }

    /// Returns changes of the pool from a cursor on; `None` when it leads nowhere.
    pub(super) fn changes(&self, from: &PoolCursor, most: usize) -> Option<Vec<PoolChange>> {
        let state = self.shared.state();
        let behind = state.next.checked_sub(from.next)?;
        let behind = usize::try_from(behind).ok()?;
        let start = state.changes.len().checked_sub(behind)?;
        (from.epoch == state.epoch)
            .then(|| state.changes.iter().skip(start).take(most).copied().collect())
    }
}

struct Follower {
    shared: Arc<Shared>,
    chain: ChainHandle,
    /// The tip as the events tell it.
    tip: BlockHash,
    view: watch::Sender<Arc<TipView>>,
    pool: watch::Sender<u64>,
}

impl Follower {
    async fn run(mut self, mut events: broadcast::Receiver<ChainEvent>, stop: Stop) {
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                () = stop.wait() => return,
            };
            match event {
                Ok(event) => self.note(&event),
                Err(RecvError::Lagged(_)) => self.resync(),
                Err(RecvError::Closed) => return,
            }
            // A reorganisation shows as a whole, or not at all.
            let view = self.chain.tip();
            if view.tip.hash == self.tip && self.view.borrow().tip.hash != self.tip {
                self.view.send_replace(view);
            }
            let next = self.shared.state().next;
            self.pool.send_if_modified(|seen| std::mem::replace(seen, next) != next);
        }
    }

    fn note(&mut self, event: &ChainEvent) {
        match event {
            ChainEvent::Connected { block } => self.tip = block.header().hash(),
            ChainEvent::Disconnected { height, hash, block } => {
                // The oldest of a long reorganisation come without bytes; nobody can go on from them.
                let header = block.get(..HEADER_BYTES).and_then(|head| Header::decode(head).ok());
                if let Some(header) = header {
                    self.shared.state().note_stale(*hash, *height, header.previous);
                    self.tip = header.previous;
                }
            }
            ChainEvent::Loose { txid } => {
                self.shared.state().note_change(PoolChange::Added(*txid));
            }
            ChainEvent::Dropped { txid, reason } => {
                self.shared.state().note_change(PoolChange::Removed(*txid, reason));
            }
        }
    }

    /// Events were lost. Blocks that left the chain among them are not remembered, which whoever waits
    /// on one of them is told; changes of the pool cannot be gone on from.
    fn resync(&mut self) {
        tracing::debug!(target: "rpc", "events were lost");
        self.shared.state().lose_changes();
        self.pool.send_modify(|_| {});
        self.tip = self.chain.tip().tip.hash;
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_CHANGES, MOST_STALE, PoolChange, State};
    use mvs_primitives::hash::{BlockHash, TxId};
    use mvs_primitives::height::Height;
    use std::collections::{HashMap, VecDeque};

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut state = State {
            stale: HashMap::new(),
            order: VecDeque::new(),
            changes: VecDeque::new(),
            epoch: 1,
            next: 0,
        };
        for number in 0..(MOST_STALE as u32 + 50) {
            let mut hash = [0; 32];
            hash[..4].copy_from_slice(&number.to_le_bytes());
            state.note_stale(BlockHash::from_bytes(hash), Height::new(number), BlockHash::ZERO);
            state.note_change(PoolChange::Added(TxId::from_bytes(hash)));
        }
        assert_eq!((state.stale.len(), state.order.len()), (MOST_STALE, MOST_STALE));
        assert_eq!(state.changes.len(), MOST_CHANGES);
        assert_eq!(state.next, MOST_STALE as u64 + 50);
        state.lose_changes();
        assert!(state.changes.is_empty() && state.epoch == 2);
    }
}
