//! Whom to ask for headers.

use std::time::Duration;

use mvs_consensus::error::Fault;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::height::Height;

use super::Action;
use super::peer::{HeadersState, LARGE_REPLY, LARGE_REPLY_DISTANCE, Peer, SMALL_REPLY, TOO_FAR};
use super::planner::{ChainNow, Leader, Planner, place_of};
use crate::chain::index::IndexedTip;
use crate::chain::trunk::Trunk;
use crate::p2p::api::PeerId;

/// Small replies in a row before a connection is opened anew.
const SMALL_REPLIES: u32 = 3;
/// Times that a leader may fail before it is dropped, if there are others.
const LEADER_FAILURES: u32 = 2;

/// The block below one that is known.
fn parent_of<T: Trunk, H>(
    chain: &ChainNow<'_, T, H>,
    hash: BlockHash,
    height: Height,
) -> Result<BlockHash, Fault> {
    if let Some(known) = chain.index.get(&hash) {
        return Ok(known.header().previous);
    }
    match height.previous() {
        Some(below) => Ok(chain.trunk.hash_at(below)?.unwrap_or(hash)),
        None => Ok(hash),
    }
}

impl Planner {
    pub(super) fn poll_headers<T: Trunk, H: Fn(&BlockHash) -> bool>(
        &mut self,
        chain: &ChainNow<'_, T, H>,
        now: Duration,
        actions: &mut Vec<Action>,
    ) -> Result<(), Fault> {
        let best = chain.index.best(chain.trunk);
        self.end_waiting(&best, now, actions);
        self.review_leader(&best, now);
        self.resume_leader(chain, &best, now);
        self.choose_leader(&best, now);
        let tip = chain.trunk.tip();
        let is_beside = chain.index.path_to(&best.hash).is_some_and(|path| path.fork < tip.height);
        let parent = parent_of(chain, best.hash, best.height)?;
        let parent_of_tip = parent_of(chain, tip.hash, tip.height)?;
        let leader = self.leader;
        let mut ask = Vec::new();
        for (id, peer) in &self.peers {
            let is_leader = leader.is_some_and(|leader| leader.peer == *id);
            let due = match peer.headers {
                HeadersState::Due => true,
                HeadersState::Idle { until } => now >= until || is_leader,
                HeadersState::Asked { .. } => false,
            };
            // Others wait for the leader to be done, unless they told us something new.
            let waits = match leader {
                Some(leader) if is_leader => leader.paused.is_some(),
                Some(leader) if leader.paused.is_none() => peer.best.is_none() || !peer.more,
                // A leader that waits must not keep us from hearing of other branches.
                Some(_) | None => false,
            };
            let told = match peer.best {
                Some(told) => place_of(chain.index, chain.trunk, &told)?.map(|(height, _)| height),
                None => None,
            };
            let reached = told.unwrap_or_default().max(peer.view.start_height);
            let lag = best.height.blocks_since(reached);
            if !due || waits || lag > TOO_FAR {
                continue;
            }
            // A reply to the parent's locator shows whether the peer has our best block; that of a
            // branch on which more follows starts from the last header that it told.
            let from = match peer.best.filter(|_| peer.more) {
                // It may be a block of the trunk: a peer on a branch that forks deep down, with
                // small replies, tells of many such before it tells of the branch.
                Some(last) if told.is_some() => last,
                _ if is_leader => best.hash,
                // The best branch may be one that others never heard of and that cost nobody anything: its
                // locator would share with them only where it leaves the chain, deep down.
                Some(_) | None if is_beside => match (peer.best, told) {
                    (Some(last), Some(height)) => parent_of(chain, last, height)?,
                    _ => parent_of_tip,
                },
                _ => parent,
            };
            ask.push((*id, from));
        }
        for (id, from) in ask {
            self.ask_headers(id, from, false, now, actions);
        }
        self.reconnect_for_large_replies(chain, now, actions);
        Ok(())
    }

    fn ask_headers(
        &mut self,
        id: PeerId,
        from: BlockHash,
        repeated: bool,
        now: Duration,
        actions: &mut Vec<Action>,
    ) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.headers = HeadersState::Asked { since: now, repeated };
        let peer_height = peer.view.start_height;
        actions.push(Action::AskHeaders { peer: id, from, peer_height });
    }

    /// Requests that got no reply: none comes when nothing follows (p2p.md 7.1), so silence is a
    /// failure only of a peer that claimed more.
    fn end_waiting(&mut self, best: &IndexedTip, now: Duration, actions: &mut Vec<Action>) {
        let others = self.peers.len() > 1;
        let mut repeat = Vec::new();
        for (id, peer) in &mut self.peers {
            let HeadersState::Asked { since, repeated } = peer.headers else { continue };
            if peer.answered.is_some() {
                continue;
            }
            let age = now.saturating_sub(since);
            let owes = peer.claims_above(best.height);
            if owes && !repeated && age >= self.settings.headers_retry {
                repeat.push(*id);
            } else if age >= self.settings.headers_timeout {
                peer.headers = HeadersState::Idle { until: now + self.settings.refresh };
                peer.more = false;
                if self.leader.is_some_and(|leader| leader.peer == *id) {
                    self.leader = None;
                    peer.rest(now, &self.settings);
                }
                if !owes {
                    continue;
                }
                peer.header_stalls = peer.header_stalls.saturating_add(1);
                if peer.header_stalls >= LEADER_FAILURES {
                    // It claims what it does not show.
                    peer.trusted_height = false;
                    if others && !peer.view.is_manual {
                        let reason = "sync.no_headers";
                        actions.push(Action::Disconnect { peer: *id, reason });
                    }
                }
            }
        }
        for id in repeat {
            self.ask_headers(id, best.hash, true, now, actions);
        }
    }

    /// A leader that only drips is replaced, if another one may be faster; so of many slow ones the
    /// fastest leads in the end.
    fn review_leader(&mut self, best: &IndexedTip, now: Duration) {
        let Some(leader) = self.leader else { return };
        let is_judged = self.peers.get(&leader.peer).is_some_and(|peer| peer.answered.is_some());
        let too_soon = now.saturating_sub(leader.since) < self.settings.leader_period;
        if leader.paused.is_some() || is_judged || too_soon {
            return;
        }
        let is_slow = leader.brought < self.settings.leader_headers;
        let has_rival = self.peers.iter().any(|(rival, peer)| {
            *rival != leader.peer
                && peer.may_lead(best, now)
                && peer.hoped_pace(now) > leader.brought
        });
        self.leader = Some(Leader { since: now, brought: 0, ..leader });
        let Some(peer) = self.peers.get_mut(&leader.peer) else { return };
        if !is_slow {
            peer.led_well();
        } else if has_rival {
            peer.note_pace(leader.brought, now);
            peer.more = false;
            peer.headers = HeadersState::Idle { until: now + self.settings.refresh };
            peer.rest(now, &self.settings);
            self.leader = None;
        }
    }

    /// A leader that waited for room goes on when there is enough of it. If there is none for long, the
    /// blocks of its branch do not come, and it makes way for others.
    fn resume_leader<T: Trunk, H>(
        &mut self,
        chain: &ChainNow<'_, T, H>,
        best: &IndexedTip,
        now: Duration,
    ) {
        let Some(leader) = self.leader.as_mut() else { return };
        let Some((height, since)) = leader.paused else { return };
        let room = chain.index.room_ahead(chain.trunk, &best.hash);
        let tip = chain.trunk.tip().height;
        if room >= (chain.index.limits().ahead / 4).max(LARGE_REPLY) {
            leader.paused = None;
            leader.since = now;
            leader.brought = 0;
        } else if tip != height {
            leader.paused = Some((tip, now));
        } else if now.saturating_sub(since) >= self.settings.leader_wait {
            if let Some(peer) = self.peers.get_mut(&leader.peer) {
                peer.rest(now, &self.settings);
            }
            self.leader = None;
        }
    }

    fn choose_leader(&mut self, best: &IndexedTip, now: Duration) {
        if self.leader.is_some() {
            return;
        }
        let candidates = self.peers.iter().filter(|(_, peer)| peer.may_lead(best, now));
        let candidate = candidates.min_by_key(|(id, peer)| {
            let height = u32::MAX - peer.view.start_height.value();
            let pace = usize::MAX - peer.hoped_pace(now);
            (peer.header_stalls, pace, !peer.view.is_outbound, height, **id)
        });
        if let Some((id, _)) = candidate {
            let (peer, since) = (*id, now);
            self.leader = Some(Leader { peer, since, brought: 0, paused: None });
        }
    }

    /// The first node fixes the size of its replies by the height that we claimed when we connected:
    /// a connection that was opened near the tip, and fell behind since, is slow for ever.
    fn reconnect_for_large_replies<T: Trunk, H>(
        &mut self,
        chain: &ChainNow<'_, T, H>,
        now: Duration,
        actions: &mut Vec<Action>,
    ) {
        let pause = self.settings.reconnect_pause;
        if self.last_reconnect.is_some_and(|last| now.saturating_sub(last) < pause) {
            return;
        }
        let tip = chain.trunk.tip().height;
        let slow = self.peers.iter().find(|(_, peer)| {
            let distance = |height| peer.view.start_height.blocks_since(height);
            peer.view.is_outbound
                && peer.small_replies >= SMALL_REPLIES
                && distance(tip) > LARGE_REPLY_DISTANCE + SMALL_REPLY as u32 // 10
                && distance(peer.view.our_start_height) <= LARGE_REPLY_DISTANCE
        });
        if let Some((id, _)) = slow {
            self.last_reconnect = Some(now);
            actions.push(Action::Reconnect { peer: *id });
        }
    }
}

impl Peer {
    /// Tells whether it can lead us through headers now.
    fn may_lead(&self, best: &IndexedTip, now: Duration) -> bool {
        let free = match self.headers {
            HeadersState::Due => true,
            HeadersState::Idle { until } => self.header_stalls == 0 || now >= until,
            HeadersState::Asked { .. } => false,
        };
        free && now >= self.rest_until && self.claims_above(best.height)
    }
}
