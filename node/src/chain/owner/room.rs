//! Memory for blocks that wait on side branches.
//!
//! Ahead of the tip the planner asks for no more than there is room for. A branch that leaves the chain
//! below its tip must be there as a whole before it can win, whatever it takes: the one for which most was
//! worked is kept, as bytes if need be, which is as much as it takes on disk, and as far as the work pays
//! for it; others give way to it.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::time::Duration;

use mvs_primitives::difficulty::Work;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::height::Height;

use super::Owner;

/// Memory that blocks may take before others than those of the heaviest branch are let go.
const MOST_BYTES: usize = 128 << 20;
/// Blocks of the best branch that are kept, whatever was worked for it.
const LEAST_KEPT: usize = 16;
/// Time between two looks: what is left may be above the limit, and looking takes time.
const PAUSE: Duration = Duration::from_millis(500);

impl Owner {
    /// Keeps blocks as bytes, and if that is not enough lets them go until they take less than the limit:
    /// those of the branch that cost its makers least first. What the heaviest branch has is kept.
    pub(super) fn make_room_for_bodies(&mut self) {
        let now = self.now();
        if now.saturating_sub(self.last_room) >= PAUSE {
            self.last_room = now;
            self.keep_bodies_below(MOST_BYTES);
        }
    }

    pub(super) fn keep_bodies_below(&mut self, most: usize) {
        if self.core.bodies.memory_bytes() <= most {
            return;
        }
        // Weight alone is no reason to keep a branch: headers of stake blocks cost nothing.
        let best = self.core.index.best_backed(self.core.trunk());
        let on_best: Vec<BlockHash> =
            self.core.index.path_to(&best.hash).map_or_else(Vec::new, |path| {
                let most = self.core.index.blocks_worth_holding(&path).max(LEAST_KEPT);
                let path = self.core.index.walk(&path, Height::GENESIS);
                path.take(most).map(|(_, known)| known.hash()).collect()
            });
        let kept: HashSet<&BlockHash> = on_best.iter().collect();
        // As bytes they take less, and are checked again when their time comes: the highest at last.
        let others = self.core.bodies.hashes().filter(|hash| !kept.contains(hash));
        let others: Vec<BlockHash> = others.copied().collect();
        for hash in others.iter().chain(on_best.iter().rev()) {
            if self.core.bodies.memory_bytes() <= most {
                return;
            }
            self.core.bodies.pack(hash);
        }
        let index = &self.core.index;
        let worth = |hash: &BlockHash| index.end_of(hash).map_or(Work::ZERO, |(_, worth)| worth);
        let mut others: Vec<(Work, Reverse<Work>, BlockHash)> = others
            .into_iter()
            .map(|hash| (worth(&hash), Reverse(index.work(&hash).unwrap_or(Work::ZERO)), hash))
            .collect();
        others.sort_unstable();
        let mut gone = Vec::new();
        for (_, _, hash) in others {
            if self.core.bodies.memory_bytes() <= most {
                break;
            }
            // Whoever told of the branch is not asked for it again until it tells more.
            gone.extend(self.core.index.end_of(&hash).map(|(end, _)| end.hash));
            self.core.bodies.forget(&hash);
            gone.push(hash);
        }
        if !gone.is_empty() {
            tracing::debug!(target: "chain", count = gone.len(), "blocks of side branches let go");
            self.planner.forget_blocks(&gone);
        }
    }
}
