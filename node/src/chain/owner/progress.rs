//! How far the node is, and what is done now and then.

use std::time::Duration;

use mvs_pow::Epoch;
use mvs_primitives::height::Height;

use super::{Owner, unix_now};
use crate::chain::command::SyncStatus;
use crate::chain::core::ChainError;

/// How often the status is published at most.
const STATUS_PAUSE: Duration = Duration::from_millis(200);
/// How often old things are thrown away.
const UPKEEP_PAUSE: Duration = Duration::from_secs(5);
/// Blocks behind the headers that are backed at which the node still counts as having caught up.
const SYNCED_DISTANCE: u32 = 3;
/// The cache of an epoch is made so many headers before the first seal of that epoch is verified:
/// more than one message brings.
const CACHE_AHEAD: u32 = 2_500;

impl Owner {
    pub(super) fn upkeep(&mut self) -> Result<(), ChainError> {
        let now = self.now();
        if self.last_status.is_none_or(|last| now.saturating_sub(last) >= STATUS_PAUSE) {
            self.last_status = Some(now);
            self.publish_status();
        }
        if now.saturating_sub(self.last_upkeep) < UPKEEP_PAUSE {
            return Ok(());
        }
        self.last_upkeep = now;
        let expired = self.mempool.expire(unix_now());
        self.tell_dropped(&expired);
        if !expired.is_empty() {
            tracing::debug!(target: "chain", count = expired.len(), "loose transactions expired");
        }
        self.orphans.expire(unix_now());
        self.block_replies.retain(|_, replies| {
            replies.retain(|reply| !reply.is_closed());
            !replies.is_empty()
        });
        self.tx_replies.retain(|_, replies| {
            replies.retain(|reply| !reply.is_closed());
            !replies.is_empty()
        });
        self.solutions.retain(|hash, _| self.block_replies.contains_key(hash));
        self.answer_all_forgotten()
    }

    /// Has the ethash cache of the next epoch made before the headers get there. That of the present
    /// one is made when the first seal of it comes.
    fn prepare_epoch(&mut self, best: Height) {
        let ahead = Height::new(best.value().saturating_add(CACHE_AHEAD));
        let epoch = |height: Height| Epoch::of_block(height.value().into()).ok();
        let next = epoch(ahead).filter(|next| epoch(best) != Some(*next));
        if next.is_some() && self.prepared != next {
            self.prepared = next;
            self.core.tools().prepare_seals(ahead);
        }
    }

    pub(super) fn publish_status(&mut self) {
        let tip = self.core.tip();
        let best = self.core.index.best(self.core.trunk());
        let claimed = self.planner.claimed_height();
        let behind = self.core.index.backed_ahead(self.core.trunk());
        let claims_more =
            claimed.is_some_and(|claimed| claimed.blocks_since(best.height) > SYNCED_DISTANCE);
        self.prepare_epoch(best.height);
        let enough_peers = !self.peers.is_empty() || self.config.synced_without_peers;
        let was_synced = self.status.borrow().is_synced;
        // Once it has caught up, a peer's claim alone does not change that.
        let is_synced = behind <= SYNCED_DISTANCE && enough_peers && (was_synced || !claims_more);
        let status = SyncStatus {
            height: tip.height,
            header_height: best.height,
            claimed,
            is_synced,
            work_done: share(tip.work.value(), best.work.value()),
            in_flight: self.planner.blocks_in_flight(),
            waiting: self.core.bodies.len() + self.core.bodies.checking(),
            peers: self.peers.len(),
            reading_headers: self.planner.is_reading_headers(),
            is_disk_full: self.disk_full_since.is_some(),
            loose: self.mempool.len(),
        };
        if is_synced && !was_synced {
            self.ask_pools();
        }
        self.status.send_if_modified(|old| {
            let changed = *old != status;
            *old = status;
            changed
        });
    }
}

/// `part` of `whole` in millionths.
fn share(part: ethnum::U256, whole: ethnum::U256) -> u32 {
    const MILLION: u32 = 1_000_000;
    if part >= whole {
        return MILLION;
    }
    // Work is far below 2^200, so the product does not overflow; if it did, 0 is shown.
    let scaled = part.checked_mul(ethnum::U256::from(MILLION)).unwrap_or_default();
    u32::try_from(scaled / whole).unwrap_or(MILLION)
}

#[cfg(test)]
mod tests {
    use super::share;
    use ethnum::U256;

    #[test]
    fn shares() {
        let share = |a: u64, b: u64| share(U256::from(a), U256::from(b));
        assert_eq!(share(0, 0), 1_000_000);
        assert_eq!(share(1, 3), 333_333);
        assert_eq!(share(3, 3), 1_000_000);
        assert_eq!(share(0, 3), 0);
    }
}
