//! What the planner remembers of one peer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mvs_primitives::hash::BlockHash;
use mvs_primitives::height::Height;

use super::{PeerView, Settings};
use crate::p2p::message::MAX_HEADERS_EXTENDED;

/// Headers in a reply of the first node to a peer that claimed to be near its tip (p2p.md 7.1).
pub(super) const SMALL_REPLY: usize = 10;
/// Headers in a reply of the first node otherwise.
pub(super) const LARGE_REPLY: usize = 500;
/// The first node gives large replies when we claimed to be more than this below it.
pub(super) const LARGE_REPLY_DISTANCE: u32 = 2_000;
/// The first node announces nothing to peers farther off, and they should not ask it.
pub(super) const TOO_FAR: u32 = 20_000;

/// Blocks that a newcomer is asked for at first.
const FIRST_BLOCKS: usize = 16;
/// Blocks that came from others first, of which it is remembered that it still owes them.
const MOST_LATE: usize = 256;
/// A peer's pace is tried anew after this time: lines get better.
const PACE_HOLDS: Duration = Duration::from_secs(600);
/// A pause before leading again grows to 16 times the first.
const MOST_DOUBLINGS: u32 = 4;
/// Even the slowest peer is asked for so many.
const FEWEST_BLOCKS: usize = 2;

/// Where a peer is with telling us headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeadersState {
    /// It is to be asked at the next opportunity.
    Due,
    /// It was asked.
    Asked { since: Duration, repeated: bool },
    /// It is to be asked after this time.
    Idle { until: Duration },
}

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) view: PeerView,
    pub(super) headers: HeadersState,
    /// The heaviest header that it told us.
    pub(super) best: Option<BlockHash>,
    /// It has not been caught lacking blocks below the height that it claimed.
    pub(super) trusted_height: bool,
    /// Its last reply was as long as replies get: more follows.
    pub(super) more: bool,
    /// Its last reply was a small one although it claimed to have much more.
    pub(super) small_replies: u32,
    /// Times it did not bring the headers that it claimed to have.
    pub(super) header_stalls: u32,
    /// Since when headers of it are being judged.
    pub(super) answered: Option<Duration>,
    /// It does not lead before this time.
    pub(super) rest_until: Duration,
    /// Times in a row that it had to rest.
    rests: u32,
    /// Headers that it brought in its last period as leader when it was replaced, and when that was.
    pace: Option<(usize, Duration)>,
    /// Blocks asked of it, and when.
    pub(super) in_flight: BTreeMap<BlockHash, Duration>,
    /// Blocks that it was asked for and that others brought first.
    late: BTreeSet<BlockHash>,
    /// Most blocks to ask of it.
    pub(super) limit: usize,
    /// Since when it owes blocks and has sent none.
    pub(super) silent_since: Option<Duration>,
    /// It held up the others and has sent nothing since: it gets no new work.
    pub(super) is_stalled: bool,
    /// Time from asking for a block to having it, averaged.
    pub(super) latency: Duration,
}

impl Peer {
    pub(super) const fn new(view: PeerView) -> Self {
        Self {
            view,
            headers: HeadersState::Due,
            best: None,
            trusted_height: true,
            more: false,
            small_replies: 0,
            header_stalls: 0,
            answered: None,
            rest_until: Duration::ZERO,
            rests: 0,
            pace: None,
            in_flight: BTreeMap::new(),
            late: BTreeSet::new(),
            limit: FIRST_BLOCKS,
            silent_since: None,
            is_stalled: false,
            latency: Duration::ZERO,
        }
    }

    /// Tells whether it claims blocks above a height.
    pub(super) fn claims_above(&self, height: Height) -> bool {
        self.more || self.claims_more_than(height)
    }

    /// The same, by the height that it claimed alone.
    pub(super) fn claims_more_than(&self, height: Height) -> bool {
        self.trusted_height && self.view.start_height > height
    }

    /// Keeps it from leading for a while, longer each time.
    pub(super) fn rest(&mut self, now: Duration, settings: &Settings) {
        let pause = settings.leader_pause.saturating_mul(1 << self.rests.min(MOST_DOUBLINGS));
        self.rests = self.rests.saturating_add(1);
        self.rest_until = now + pause;
    }

    /// Notes that it led well.
    pub(super) const fn led_well(&mut self) {
        self.rests = 0;
    }

    /// Notes how many headers it brought in the period after which another one leads.
    pub(super) const fn note_pace(&mut self, headers: usize, now: Duration) {
        self.pace = Some((headers, now));
    }

    /// Returns how many headers it can be hoped to bring in a period: any number unless it has shown
    /// something else lately.
    pub(super) fn hoped_pace(&self, now: Duration) -> usize {
        let fresh = self.pace.filter(|(_, at)| now.saturating_sub(*at) < PACE_HOLDS);
        fresh.map_or(usize::MAX, |(headers, _)| headers)
    }

    /// Tells whether a reply of this many headers is cut off.
    pub(super) const fn is_cut_off(&self, count: usize) -> bool {
        count == SMALL_REPLY || count == LARGE_REPLY || count >= MAX_HEADERS_EXTENDED
    }

    /// Notes that it is asked for a block.
    pub(super) fn asked(&mut self, hash: BlockHash, now: Duration) {
        self.silent_since.get_or_insert(now);
        self.late.remove(&hash);
        self.in_flight.insert(hash, now);
    }

    /// Notes that another peer brought a block that it was asked for as well.
    pub(super) fn was_beaten(&mut self, hash: &BlockHash) {
        if !self.in_flight.contains_key(hash) {
            return;
        }
        if self.late.len() < MOST_LATE {
            self.in_flight.remove(hash);
            self.late.insert(*hash);
        } else {
            self.release(hash);
        }
    }

    /// Takes a block off the list of what it owes; tells when it was asked for it.
    pub(super) fn brought(
        &mut self,
        hash: &BlockHash,
        now: Duration,
        settings: &Settings,
    ) -> Option<Duration> {
        let asked = self.in_flight.remove(hash);
        if asked.is_none() && !self.late.remove(hash) {
            return None;
        }
        self.is_stalled = false;
        self.silent_since = self.owes().then_some(now);
        if let Some(asked) = asked {
            self.delivered(asked, now, settings);
        }
        asked
    }

    /// Takes a block off the list of what it owes because it said that it lacks it; tells whether it
    /// was on the list of what is on its way.
    pub(super) fn lacks(&mut self, hash: &BlockHash) -> bool {
        let was_asked = self.in_flight.contains_key(hash);
        self.release(hash);
        was_asked
    }

    /// Takes a block off the list of what it owes: it is not waited for any more. Whoever owes nothing
    /// is not silent.
    pub(super) fn release(&mut self, hash: &BlockHash) {
        let was_asked = self.in_flight.remove(hash).is_some();
        let was_late = self.late.remove(hash);
        if (was_asked || was_late) && !self.owes() {
            self.silent_since = None;
            self.is_stalled = false;
        }
    }

    /// Forgets all that it owes, although it brought nothing for long: it is asked for blocks again when
    /// it has told of new ones.
    pub(super) fn forgive(&mut self) {
        self.in_flight.clear();
        self.late.clear();
        self.silent_since = None;
        self.is_stalled = false;
        self.limit = FEWEST_BLOCKS;
        self.trusted_height = false;
        self.best = None;
    }

    /// Tells whether it was asked for blocks that it has not sent.
    pub(super) fn owes(&self) -> bool {
        !self.in_flight.is_empty() || !self.late.is_empty()
    }

    /// Notes a delivered block.
    fn delivered(&mut self, asked: Duration, now: Duration, settings: &Settings) {
        let sample = now.saturating_sub(asked);
        self.latency = if self.latency.is_zero() {
            sample
        } else {
            (self.latency.saturating_mul(7) + sample) / 8
        };
        if sample < settings.stall_after {
            self.limit = (self.limit + 1).min(settings.peer_blocks);
        }
    }

    /// Notes that it held up the others.
    pub(super) fn stalled(&mut self) {
        self.limit = (self.limit / 2).max(FEWEST_BLOCKS);
        self.is_stalled = true;
    }

    /// Returns how many blocks may be asked of it, given their average size.
    pub(super) fn block_limit(&self, average_bytes: usize, settings: &Settings) -> usize {
        let by_bytes = settings.peer_bytes / average_bytes.max(1);
        self.limit.min(by_bytes).max(FEWEST_BLOCKS)
    }
}
