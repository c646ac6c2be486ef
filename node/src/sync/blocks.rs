//! Whom to ask for which blocks.
//!
//! Blocks come from every peer that may have them, lowest first, out of a window that moves with the
//! connected chain. A peer that holds up the window does not hold it up for long: what is lowest is
//! asked of a second peer, and the first one is given less to do.

use std::collections::HashMap;
use std::time::Duration;

use mvs_consensus::error::Fault;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::height::Height;

use super::Action;
use super::planner::{ChainNow, Floor, Planner, place_of};
use crate::chain::index::{Path, Standing};
use crate::chain::trunk::Trunk;
use crate::p2p::api::PeerId;

/// Blocks of a peer that holds up the window which are asked of another one together.
const RESCUE: usize = 16;
/// Peers that are asked for one block at the same time.
const MOST_HOLDERS: usize = 2;
/// A block that two peers were asked for is asked of a third after this many times the stall time.
const GIVE_UP_AFTER: u32 = 4;

/// Blocks that are missing on the way to the end of a branch, lowest first, as far as the window
/// goes.
#[derive(Debug)]
struct Missing {
    blocks: Vec<(Height, BlockHash)>,
    /// Blocks that may be asked for in all, for the sake of memory.
    room: usize,
}

impl Planner {
    pub(super) fn poll_blocks<T: Trunk, H: Fn(&BlockHash) -> bool>(
        &mut self,
        chain: &ChainNow<'_, T, H>,
        now: Duration,
        actions: &mut Vec<Action>,
    ) -> Result<(), Fault> {
        let hungry: Vec<PeerId> = self
            .peers
            .iter()
            .filter(|(_, peer)| {
                let limit = peer.block_limit(self.average_bytes, &self.settings);
                !peer.is_stalled && peer.in_flight.len() <= limit / 2
            })
            .map(|(id, _)| *id)
            .collect();
        if hungry.is_empty() {
            return Ok(());
        }
        let best = chain.index.best(chain.trunk);
        let tip = chain.trunk.tip();
        let mut missing: HashMap<BlockHash, Missing> = HashMap::new();
        for id in hungry {
            let Some((target, up_to)) = self.target_of(chain, id, best.hash)? else { continue };
            let found = missing
                .entry(target)
                .or_insert_with(|| self.missing_to(chain, &target, tip.height));
            self.ask_blocks(id, found, up_to, now, actions);
        }
        self.rescue_lowest(chain, &best.hash, now, actions)
    }

    /// The end of the branch that a peer can help with, and up to which height it may have blocks.
    fn target_of<T: Trunk, H>(
        &self,
        chain: &ChainNow<'_, T, H>,
        id: PeerId,
        best: BlockHash,
    ) -> Result<Option<(BlockHash, Height)>, Fault> {
        let Some(peer) = self.peers.get(&id) else { return Ok(None) };
        let claimed = if peer.trusted_height { peer.view.start_height } else { Height::GENESIS };
        let Some(told) = peer.best else {
            return Ok((claimed > Height::GENESIS).then_some((best, claimed)));
        };
        match chain.index.standing(chain.trunk, &told)? {
            // What it told is connected: above it, only its claim counts.
            Standing::Trunk(height) => Ok((claimed > height).then_some((best, claimed))),
            Standing::Invalid | Standing::Unknown => Ok(None),
            Standing::Beside(height) => {
                let on_best = chain.index.path_to(&best).is_some_and(|path| {
                    let known = chain.index.walk(&path, height).next();
                    known.is_some_and(|(_, known)| known.hash() == told)
                });
                if on_best {
                    return Ok(Some((best, height.max(claimed))));
                }
                // A branch of its own is worth its blocks only if it would win.
                let tip = chain.trunk.tip().work;
                let wins = place_of(chain.index, chain.trunk, &told)?
                    .is_some_and(|(_, work)| mvs_consensus::branch::replaces(work, tip));
                Ok(wins.then_some((told, height)))
            }
        }
    }

    fn missing_to<T: Trunk, H: Fn(&BlockHash) -> bool>(
        &self,
        chain: &ChainNow<'_, T, H>,
        target: &BlockHash,
        tip: Height,
    ) -> Missing {
        let held = chain.held_bytes / self.average_bytes.max(1);
        let allowed = (self.settings.body_bytes / self.average_bytes.max(1)).max(16);
        let taken = held.saturating_add(self.requests.len());
        let mut missing = Missing { blocks: Vec::new(), room: allowed.saturating_sub(taken) };
        let Some(path) = chain.index.path_to(target) else { return missing };
        // A branch that leaves the chain below its tip must be held until it is heavier: there the
        // window begins at the first block that is missing.
        let is_beside = path.fork < tip;
        let mut window_start = (!is_beside).then_some(tip);
        let start = self.floor_on(chain, &path).map_or(Height::GENESIS, |floor| floor.height);
        let mut any_missing = false;
        let mut held_here = usize::try_from(start.blocks_since(path.fork)).unwrap_or(usize::MAX);
        for (height, known) in chain.index.walk(&path, start) {
            let hash = known.hash();
            if (chain.has_body)(&hash) {
                held_here = held_here.saturating_add(1);
                continue;
            }
            let is_lowest = !any_missing;
            any_missing = true;
            let start = *window_start.get_or_insert(height);
            if height.blocks_since(start) > self.settings.window {
                break;
            }
            // The lowest may always be asked for: without it nothing moves.
            if is_lowest && !self.requests.contains_key(&hash) {
                missing.room = missing.room.max(1);
            }
            if !self.requests.contains_key(&hash) {
                missing.blocks.push((height, hash));
            }
        }
        // Memory is not the limit for it, as far as somebody worked for it.
        if is_beside && held_here < chain.index.blocks_worth_holding(&path) {
            missing.room = missing.room.max(allowed / 4);
        }
        missing
    }

    /// The block up to which the bodies of a path are known to be held.
    fn floor_on<T: Trunk, H>(&self, chain: &ChainNow<'_, T, H>, path: &Path) -> Option<Floor> {
        let floor =
            self.floor.filter(|floor| floor.losses == chain.losses && floor.height > path.fork)?;
        let (height, known) = chain.index.walk(path, floor.height).next()?;
        (height == floor.height && known.hash() == floor.hash).then_some(floor)
    }

    fn ask_blocks(
        &mut self,
        id: PeerId,
        missing: &mut Missing,
        up_to: Height,
        now: Duration,
        actions: &mut Vec<Action>,
    ) {
        // Another target's list may have had them too.
        missing.blocks.retain(|(_, hash)| !self.requests.contains_key(hash));
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let limit = peer.block_limit(self.average_bytes, &self.settings);
        let count = limit
            .saturating_sub(peer.in_flight.len())
            .min(missing.room)
            .min(missing.blocks.iter().take_while(|(height, _)| *height <= up_to).count());
        if count == 0 {
            return;
        }
        let hashes: Vec<BlockHash> = missing.blocks.drain(..count).map(|(_, hash)| hash).collect();
        missing.room = missing.room.saturating_sub(count);
        for hash in &hashes {
            peer.asked(*hash, now);
            self.requests.insert(*hash, vec![(id, now)]);
        }
        actions.push(Action::AskBlocks { peer: id, hashes });
    }

    /// The lowest block of a path whose body is missing. Begins where the last look ended, if nothing was
    /// lost since.
    fn lowest_missing<T: Trunk, H: Fn(&BlockHash) -> bool>(
        &mut self,
        chain: &ChainNow<'_, T, H>,
        path: &Path,
    ) -> Option<(Height, BlockHash)> {
        let losses = chain.losses;
        let start = self.floor_on(chain, path).map_or(Height::GENESIS, |floor| floor.height);
        self.floor = None;
        for (height, known) in chain.index.walk(path, start) {
            let hash = known.hash();
            if !(chain.has_body)(&hash) {
                return Some((height, hash));
            }
            self.floor = Some(Floor { height, hash, losses });
        }
        None
    }

    /// If the lowest missing block of the best branch is late, asks another peer for it and its
    /// neighbours.
    fn rescue_lowest<T: Trunk, H: Fn(&BlockHash) -> bool>(
        &mut self,
        chain: &ChainNow<'_, T, H>,
        best: &BlockHash,
        now: Duration,
        actions: &mut Vec<Action>,
    ) -> Result<(), Fault> {
        let Some(path) = chain.index.path_to(best) else { return Ok(()) };
        let Some((height, hash)) = self.lowest_missing(chain, &path) else { return Ok(()) };
        let Some(holders) = self.requests.get(&hash) else { return Ok(()) };
        let Some(newest) = holders.iter().map(|(_, asked)| *asked).max() else { return Ok(()) };
        let stall = self.settings.stall_after;
        let patience = if holders.len() < MOST_HOLDERS { stall } else { stall * GIVE_UP_AFTER };
        if now.saturating_sub(newest) < patience {
            return Ok(());
        }
        let slow: Vec<PeerId> = holders.iter().map(|(holder, _)| *holder).collect();
        let mut rescuer = None;
        for (id, peer) in &self.peers {
            let busy = (peer.is_stalled, peer.in_flight.len());
            let able = !slow.contains(id)
                && self
                    .target_of(chain, *id, *best)?
                    .is_some_and(|(target, up_to)| target == *best && up_to >= height);
            if able && rescuer.is_none_or(|(_, least)| busy < least) {
                rescuer = Some((*id, busy));
            }
        }
        let Some((rescuer, _)) = rescuer else { return Ok(()) };
        let rescued: Vec<BlockHash> = chain
            .index
            .walk(&path, height)
            .take(self.settings.peer_blocks)
            .map(|(_, known)| known.hash())
            .filter(|hash| {
                let holders = self.requests.get(hash);
                holders
                    .is_some_and(|holders| holders.iter().all(|(holder, _)| slow.contains(holder)))
            })
            .take(RESCUE)
            .collect();
        for id in &slow {
            if let Some(peer) = self.peers.get_mut(id) {
                peer.stalled();
            }
        }
        for hash in &rescued {
            let Some(holders) = self.requests.get_mut(hash) else { continue };
            while holders.len() >= MOST_HOLDERS {
                let (gone, _) = holders.remove(0);
                if let Some(peer) = self.peers.get_mut(&gone) {
                    peer.release(hash);
                }
            }
            holders.push((rescuer, now));
            if let Some(peer) = self.peers.get_mut(&rescuer) {
                peer.asked(*hash, now);
            }
        }
        if !rescued.is_empty() {
            actions.push(Action::AskBlocks { peer: rescuer, hashes: rescued });
        }
        Ok(())
    }

    /// Drops peers that were asked for blocks and send none.
    pub(super) fn poll_stalls(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let others = self.peers.len() > 1;
        let timeout = match others {
            true => self.settings.block_timeout,
            false => self.settings.lone_block_timeout,
        };
        let is_silent = |since: Duration| now.saturating_sub(since) >= timeout;
        let silent: Vec<PeerId> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.silent_since.is_some_and(is_silent))
            .map(|(id, _)| *id)
            .collect();
        for id in silent {
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            if peer.view.is_manual {
                // The operator wants it: others are asked, and it may show later what it has.
                peer.forgive();
                self.free_requests(id);
                continue;
            }
            actions.push(Action::Disconnect { peer: id, reason: "sync.no_blocks" });
            self.peer_gone(id);
        }
    }
}
