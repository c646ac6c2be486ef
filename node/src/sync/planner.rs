//! What the planner is told, and what it says.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use mvs_consensus::error::Fault;
use mvs_primitives::difficulty::Work;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::height::Height;

use super::peer::{HeadersState, Peer, SMALL_REPLY};
use super::{Action, HeadersEnd, HeadersOutcome, PeerView, Settings};
use crate::chain::bodies::Losses;
use crate::chain::index::{BlockIndex, Standing};
use crate::chain::trunk::Trunk;
use crate::p2p::api::PeerId;

/// The chain as it is at a poll.
#[derive(Debug)]
pub struct ChainNow<'a, T, H> {
    /// The headers that are not connected.
    pub index: &'a BlockIndex,
    /// The connected chain.
    pub trunk: &'a T,
    /// Tells whether the body of a block is held already.
    pub has_body: H,
    /// Bytes of the bodies that are held.
    pub held_bytes: usize,
    /// Changes when a body is not held any more.
    pub losses: Losses,
}

/// A block up to which, from the fork on, every body of its branch was held.
#[derive(Debug, Clone, Copy)]
pub(super) struct Floor {
    pub(super) height: Height,
    pub(super) hash: BlockHash,
    pub(super) losses: Losses,
}

/// Bytes of a block before any was seen.
const GUESSED_BLOCK_BYTES: usize = 2_000;

/// Decides what to ask of whom. See the [module](super).
#[derive(Debug)]
pub struct Planner {
    pub(super) settings: Settings,
    pub(super) peers: BTreeMap<PeerId, Peer>,
    /// Blocks that were asked for, and of whom and when; at most two peers each.
    pub(super) requests: HashMap<BlockHash, Vec<(PeerId, Duration)>>,
    pub(super) leader: Option<Leader>,
    pub(super) last_reconnect: Option<Duration>,
    pub(super) average_bytes: usize,
    /// Spares a walk over all the blocks of a deep reorganisation for each that comes.
    pub(super) floor: Option<Floor>,
}

/// The peer that tells headers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leader {
    pub(super) peer: PeerId,
    /// Start of the period in which it must bring something.
    pub(super) since: Duration,
    /// Headers in this period.
    pub(super) brought: usize,
    /// Waits until blocks were connected: height of the chain when it last grew, and when that was.
    pub(super) paused: Option<(Height, Duration)>,
}

impl Planner {
    /// A planner without peers.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            peers: BTreeMap::new(),
            requests: HashMap::new(),
            leader: None,
            last_reconnect: None,
            average_bytes: GUESSED_BLOCK_BYTES,
            floor: None,
        }
    }

    /// A handshake is complete.
    pub fn peer_connected(&mut self, peer: PeerId, view: PeerView) {
        self.peers.insert(peer, Peer::new(view));
    }

    /// A peer is gone; what was asked of it is free for others.
    pub fn peer_gone(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
        self.free_requests(peer);
        if self.leader.is_some_and(|leader| leader.peer == peer) {
            self.leader = None;
        }
    }

    /// What was asked of a peer is free for others.
    pub(super) fn free_requests(&mut self, peer: PeerId) {
        self.requests.retain(|_, holders| {
            holders.retain(|(holder, _)| *holder != peer);
            !holders.is_empty()
        });
    }

    /// Returns the number of peers.
    pub fn peer_count(&self) -> usize {
        self.peers.len()
    }

    /// Returns the number of blocks that are on their way.
    pub fn blocks_in_flight(&self) -> usize {
        self.requests.len()
    }

    /// Tells whether somebody leads us through headers.
    pub fn is_reading_headers(&self) -> bool {
        self.leader.is_some_and(|leader| leader.paused.is_none())
    }

    /// Returns the greatest height that a peer claimed and was not caught lacking.
    pub fn claimed_height(&self) -> Option<Height> {
        let trusted = self.peers.values().filter(|peer| peer.trusted_height);
        trusted.map(|peer| peer.view.start_height).max()
    }

    /// A `headers` message came; judging it may take a while, for which the peer is not blamed.
    pub fn headers_came(&mut self, id: PeerId, now: Duration) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.answered.get_or_insert(now);
        }
    }

    /// A `headers` message was judged.
    ///
    /// # Errors
    /// [`Fault`] when the trunk cannot be read.
    pub fn headers_judged<T: Trunk>(
        &mut self,
        index: &BlockIndex,
        trunk: &T,
        id: PeerId,
        outcome: &HeadersOutcome,
        now: Duration,
    ) -> Result<(), Fault> {
        let told = match outcome.last {
            Some(last) => place_of(index, trunk, &last)?.map(|place| (last, place)),
            None => None,
        };
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        // What found no room is gone already: to ask for what follows would bring it again.
        let was_kept = outcome.held > 0 && told.is_some();
        let mut progress = was_kept;
        if let Some((last, (_, work))) = told {
            let old = match peer.best {
                Some(old) => place_of(index, trunk, &old)?.map(|(_, work)| work),
                None => None,
            };
            if old.is_none_or(|old| work >= old) {
                progress |= peer.best != Some(last);
                peer.best = Some(last);
            }
        }
        let judged_for = peer.answered.take().map_or(Duration::ZERO, |at| now.saturating_sub(at));
        if let Some(leader) = self.leader.as_mut().filter(|leader| leader.peer == id) {
            // Verifying takes our time, not the leader's.
            leader.since += judged_for;
            // What costs nothing counts only if it leads us on.
            let is_worth =
                |last: &BlockHash| !index.is_free(last) || index.best(trunk).hash == *last;
            if told.is_some_and(|(last, _)| is_worth(&last)) {
                leader.brought = leader.brought.saturating_add(outcome.held);
            }
        }
        let was_asked = matches!(peer.headers, HeadersState::Asked { .. });
        if was_asked && outcome.end == HeadersEnd::NoParent {
            // An answer begins at a block of our locator. This is the announcement of a block whose
            // ancestors we are asking for: the answer is still to come.
            return Ok(());
        }
        // A reply that ends below the claimed height is cut off, whatever its length; one that tells
        // nothing new would only be repeated.
        let told_height = told.map_or(Height::GENESIS, |(_, (height, _))| height);
        let cut_off = peer.is_cut_off(outcome.count) || peer.claims_more_than(told_height);
        let taken = outcome.end == HeadersEnd::Taken;
        peer.more = taken && cut_off && progress;
        if was_asked && taken && !peer.more {
            // Now it is known what it has.
            peer.trusted_height = false;
        }
        if was_asked && outcome.count == SMALL_REPLY {
            peer.small_replies = peer.small_replies.saturating_add(1);
        } else if was_asked {
            peer.small_replies = 0;
        }
        if was_kept {
            peer.header_stalls = 0;
        }
        let later = HeadersState::Idle { until: now + self.settings.refresh };
        peer.headers = match outcome.end {
            HeadersEnd::Taken if peer.more => HeadersState::Due,
            // An announcement that does not connect: ask, but not more often than it may help.
            HeadersEnd::NoParent if !was_asked => HeadersState::Due,
            _ => later,
        };
        if outcome.end == HeadersEnd::Refused {
            peer.rest(now, &self.settings);
        }
        if let Some(leader) = self.leader.as_mut().filter(|leader| leader.peer == id) {
            match outcome.end {
                HeadersEnd::Full => leader.paused = Some((trunk.tip().height, now)),
                HeadersEnd::Taken if peer.more => {}
                _ => self.leader = None,
            }
        }
        Ok(())
    }

    /// A peer named blocks by `inv`: ask it for the headers.
    pub fn blocks_announced(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(&id)
            && !matches!(peer.headers, HeadersState::Asked { .. })
        {
            peer.headers = HeadersState::Due;
        }
    }

    /// Headers of a peer were dropped unread because it sends more than is verified: ask it again, even
    /// if that was the answer that is waited for.
    pub fn headers_missed(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.headers = HeadersState::Due;
            peer.answered = None;
        }
    }

    /// A peer showed that it has a block, for example by its locator.
    ///
    /// # Errors
    /// [`Fault`] when the trunk cannot be read.
    pub fn peer_has<T: Trunk>(
        &mut self,
        index: &BlockIndex,
        trunk: &T,
        id: PeerId,
        hash: BlockHash,
    ) -> Result<(), Fault> {
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        let Some((_, work)) = place_of(index, trunk, &hash)? else { return Ok(()) };
        let old = match peer.best {
            Some(old) => place_of(index, trunk, &old)?.map(|(_, work)| work),
            None => None,
        };
        if old.is_none_or(|old| work > old) {
            peer.best = Some(hash);
        }
        Ok(())
    }

    /// Tells whether a block is the heaviest that a peer told us of: it need not hear of it.
    pub fn told_us(&self, id: PeerId, hash: &BlockHash) -> bool {
        self.peers.get(&id).is_some_and(|peer| peer.best == Some(*hash))
    }

    /// A block came. Tells whether it was asked for.
    pub fn block_arrived(
        &mut self,
        id: PeerId,
        hash: &BlockHash,
        bytes: usize,
        now: Duration,
    ) -> bool {
        self.average_bytes = (self.average_bytes.saturating_mul(15).saturating_add(bytes)) / 16;
        let settings = &self.settings;
        let asked = self.peers.get_mut(&id).and_then(|peer| peer.brought(hash, now, settings));
        for (holder, _) in self.requests.remove(hash).unwrap_or_default() {
            if let Some(peer) = self.peers.get_mut(&holder) {
                peer.was_beaten(hash);
            }
        }
        asked.is_some()
    }

    /// The body that came was not the one that the header means: it must be asked for again, and
    /// not of the same peer if there are others.
    pub fn body_was_wrong(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.trusted_height = false;
            peer.best = None;
        }
    }

    /// A peer does not have blocks that it was asked for.
    pub fn not_found(&mut self, id: PeerId, hashes: &[BlockHash]) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        for hash in hashes {
            if !peer.lacks(hash) {
                continue;
            }
            // It claimed more than it has, or is on another branch.
            peer.trusted_height = false;
            peer.best = None;
            if let Some(holders) = self.requests.get_mut(hash) {
                holders.retain(|(holder, _)| *holder != id);
                if holders.is_empty() {
                    self.requests.remove(hash);
                }
            }
        }
    }

    /// Blocks were found invalid or their branch was given up: they are not waited for any more.
    pub fn forget_blocks(&mut self, hashes: &[BlockHash]) {
        for hash in hashes {
            self.requests.remove(hash);
            for peer in self.peers.values_mut() {
                // The bodies may come still, or never: nobody is blamed for either.
                peer.release(hash);
                if peer.best == Some(*hash) {
                    peer.best = None;
                }
            }
        }
    }

    /// Says what to do now. Cheap when nothing is to be done; call it after every event and at least
    /// a few times a second.
    ///
    /// # Errors
    /// [`Fault`] when the trunk cannot be read.
    pub fn poll<T: Trunk, H: Fn(&BlockHash) -> bool>(
        &mut self,
        chain: &ChainNow<'_, T, H>,
        now: Duration,
    ) -> Result<Vec<Action>, Fault> {
        let mut actions = Vec::new();
        self.poll_headers(chain, now, &mut actions)?;
        self.poll_stalls(now, &mut actions);
        self.poll_blocks(chain, now, &mut actions)?;
        for action in &actions {
            if let Action::Disconnect { peer, .. } | Action::Reconnect { peer } = action {
                self.peer_gone(*peer);
            }
        }
        Ok(actions)
    }

    #[cfg(test)]
    pub(super) fn assert_consistent(&self) {
        for (id, peer) in &self.peers {
            assert!(peer.in_flight.len() <= self.settings.peer_blocks + 16, "{id}");
            assert_eq!(peer.silent_since.is_some(), peer.owes(), "{id}");
            for hash in peer.in_flight.keys() {
                let holders = self.requests.get(hash).expect("a block in flight is a request");
                assert!(holders.iter().any(|(holder, _)| holder == id));
            }
        }
        for (hash, holders) in &self.requests {
            assert!(!holders.is_empty() && holders.len() <= 2);
            for (holder, _) in holders {
                assert!(self.peers[holder].in_flight.contains_key(hash));
            }
        }
    }
}

/// Height of a block, and summed difficulty up to it, wherever it is known.
pub(super) fn place_of(
    index: &BlockIndex,
    trunk: &impl Trunk,
    hash: &BlockHash,
) -> Result<Option<(Height, Work)>, Fault> {
    Ok(match index.standing(trunk, hash)? {
        Standing::Beside(height) => index.work(hash).map(|work| (height, work)),
        Standing::Trunk(height) => trunk.work_at(height)?.map(|work| (height, work)),
        Standing::Invalid | Standing::Unknown => None,
    })
}
