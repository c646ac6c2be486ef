//! Bytes that all peers share: memory, and what may be uploaded in a day.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::p2p::codec::Command;

/// Messages up to this length take no share of the memory pools; what a peer can have of them is bounded
/// by the one frame in progress and the length of the event queue.
pub(super) const FREE_FRAME_BYTES: u32 = 64 * 1024;
/// Memory for larger messages of inbound peers, from their header on until the node has used them.
pub(super) const INBOUND_POOL_KIB: u32 = 48 * 1024;
/// The same for peers that we chose: strangers cannot take it from them.
pub(super) const OUTBOUND_POOL_KIB: u32 = 48 * 1024;
/// When more than this waits to be written to all peers together, each gets one item at a time.
pub(super) const CONGESTED_BYTES: usize = 48 * 1024 * 1024;

/// A day, in which the upload budget holds.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What all peer tasks share.
#[derive(Debug)]
pub(super) struct Budgets {
    inbound: Arc<Semaphore>,
    outbound: Arc<Semaphore>,
    queued: AtomicUsize,
    upload: Upload,
}

impl Budgets {
    pub(super) fn new(max_upload_bytes_per_day: Option<u64>, now: Instant) -> Self {
        let pool = |kib: u32| Arc::new(Semaphore::new(kib as usize)); // 49,152
        Self {
            inbound: pool(INBOUND_POOL_KIB),
            outbound: pool(OUTBOUND_POOL_KIB),
            queued: AtomicUsize::new(0),
            upload: Upload::new(max_upload_bytes_per_day, now),
        }
    }

    /// Returns the pool of a direction.
    pub(super) fn pool(&self, is_outbound: bool) -> Arc<Semaphore> {
        Arc::clone(if is_outbound { &self.outbound } else { &self.inbound })
    }

    /// Replaces what one task had queued by what it has now, and tells whether all have too much.
    pub(super) fn requeue(&self, before: usize, after: usize) -> bool {
        let old = if after >= before {
            self.queued.fetch_add(after - before, Ordering::Relaxed)
        } else {
            self.queued.fetch_sub(before - after, Ordering::Relaxed)
        };
        old > CONGESTED_BYTES
    }

    pub(super) const fn upload(&self) -> &Upload {
        &self.upload
    }
}

/// Returns the share that a frame takes of a pool, `None` when it is small.
pub(super) fn share_kib(command: Command, len: u32) -> Option<u32> {
    // These are decoded at once, and a transaction can be larger in memory than on the wire.
    let swells = command == Command::CMPCTBLOCK || command == Command::BLOCKTXN;
    let bytes = if swells { len.saturating_mul(8) } else { len };
    (bytes > FREE_FRAME_BYTES).then(|| bytes.div_ceil(1024).min(INBOUND_POOL_KIB))
}

/// How much was uploaded in the running day.
#[derive(Debug)]
pub(super) struct Upload {
    limit: Option<u64>,
    window: Mutex<(Instant, u64)>,
}

impl Upload {
    const fn new(limit: Option<u64>, now: Instant) -> Self {
        Self { limit, window: Mutex::new((now, 0)) }
    }

    /// Counts bytes.
    pub(super) fn note(&self, now: Instant, bytes: u64) {
        if self.limit.is_some() && bytes > 0 {
            let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
            if now.saturating_duration_since(window.0) >= DAY {
                *window = (now, 0);
            }
            window.1 = window.1.saturating_add(bytes);
        }
    }

    /// Tells whether nothing is left for those who want the history of the chain.
    pub(super) fn is_used_up(&self, now: Instant) -> bool {
        let Some(limit) = self.limit else { return false };
        let (since, bytes) = *self.window.lock().unwrap_or_else(PoisonError::into_inner);
        bytes >= limit && now.saturating_duration_since(since) < DAY
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Budgets, CONGESTED_BYTES, DAY, share_kib};
    use crate::p2p::codec::Command;

    #[test]
    fn the_upload_budget_comes_back_after_a_day() {
        let start = Instant::now();
        let budgets = Budgets::new(Some(100), start);
        budgets.upload().note(start, 99);
        assert!(!budgets.upload().is_used_up(start));
        budgets.upload().note(start, 1);
        assert!(budgets.upload().is_used_up(start + DAY - Duration::from_secs(1)));
        assert!(!budgets.upload().is_used_up(start + DAY));
        budgets.upload().note(start + DAY, 50);
        assert!(!budgets.upload().is_used_up(start + DAY));

        let free = Budgets::new(None, start);
        free.upload().note(start, u64::MAX);
        assert!(!free.upload().is_used_up(start));
    }

    #[test]
    fn large_frames_and_full_queues_are_seen() {
        assert_eq!(share_kib(Command::BLOCK, 64 * 1024), None);
        assert_eq!(share_kib(Command::BLOCK, 64 * 1024 + 1), Some(65));
        assert_eq!(share_kib(Command::BLOCKTXN, 1_800_003), Some(14_063));
        let budgets = Budgets::new(None, Instant::now());
        assert!(!budgets.requeue(0, CONGESTED_BYTES + 1));
        assert!(budgets.requeue(5, 5));
        budgets.requeue(CONGESTED_BYTES + 1, 0);
        assert!(!budgets.requeue(0, 0));
    }
}
