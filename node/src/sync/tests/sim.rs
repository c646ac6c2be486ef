//! A network of scripted peers in virtual time.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use mvs_consensus::branch::replaces;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::header::Header;
use mvs_primitives::height::Height;

use crate::chain::bodies::Losses;
use crate::chain::index::{BlockIndex, HeadersAfter, Limits, UndoneHeader, headers_after, locator};
use crate::chain::intake::{HeadersStop, place, screen};
use crate::chain::testing::{NOW, TestChain, WRONG_BITS, check, params};
use crate::chain::trunk::Trunk;
use crate::p2p::api::PeerId;
use crate::sync::{Action, ChainNow, HeadersEnd, HeadersOutcome, PeerView, Planner, Settings};

pub(super) const BLOCK_BYTES: usize = 1_000;
/// On the way of an announcement, which nobody has to make up first.
const ANNOUNCEMENT_DELAY: Duration = Duration::from_millis(20);

/// How a peer behaves.
#[derive(Debug, Clone)]
pub(super) struct Script {
    pub(super) chain: TestChain,
    /// The height that it claims; by default that of its chain.
    pub(super) claims: Option<u32>,
    /// Until an answer begins.
    pub(super) latency: Duration,
    /// From one block to the next.
    pub(super) per_block: Duration,
    /// Headers in a reply, by the height that we claimed.
    pub(super) like_first_node: bool,
    /// Most headers in a reply.
    pub(super) most_headers: usize,
    /// Answers with headers that break a rule.
    pub(super) breaks_rules: bool,
    /// Never answers a request for headers.
    pub(super) no_headers: bool,
    /// Never sends a block.
    pub(super) no_blocks: bool,
    /// Has bodies only below this height.
    pub(super) bodies_below: u32,
    /// Never sends the block at this height.
    pub(super) withholds: Option<u32>,
    /// Sends bodies of other blocks.
    pub(super) mutates: bool,
    /// Loses requests that come before this time.
    pub(super) deaf_until: Duration,
    pub(super) is_outbound: bool,
    pub(super) is_manual: bool,
}

impl Script {
    pub(super) fn honest(chain: &TestChain) -> Self {
        Self {
            chain: chain.clone(),
            claims: None,
            latency: Duration::from_millis(20),
            per_block: Duration::from_micros(500),
            like_first_node: false,
            most_headers: 2_000,
            breaks_rules: false,
            no_headers: false,
            no_blocks: false,
            bodies_below: u32::MAX,
            withholds: None,
            mutates: false,
            deaf_until: Duration::ZERO,
            is_outbound: true,
            is_manual: false,
        }
    }
}

#[derive(Debug)]
enum Event {
    Headers(PeerId, Vec<Header>),
    Block(PeerId, BlockHash),
    NotFound(PeerId, BlockHash),
    Tick,
}

#[derive(Debug)]
struct Timed(Duration, u64, Event);

impl PartialEq for Timed {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}
impl Eq for Timed {}
impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Timed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

#[derive(Debug)]
struct SimPeer {
    script: Script,
    our_start_height: u32,
    /// When its line is free again.
    busy_until: Duration,
}

pub(super) struct Sim {
    pub(super) now: Duration,
    pub(super) planner: Planner,
    pub(super) index: BlockIndex,
    pub(super) trunk: TestChain,
    pub(super) bodies: HashSet<BlockHash>,
    pub(super) invalid: HashSet<BlockHash>,
    pub(super) dropped: BTreeMap<PeerId, &'static str>,
    pub(super) reconnected: BTreeSet<PeerId>,
    /// Blocks that each peer delivered first.
    pub(super) delivered: BTreeMap<PeerId, usize>,
    /// Times that each peer was asked for headers.
    pub(super) asked_headers: BTreeMap<PeerId, usize>,
    /// Times that the planner asked whether a body is held.
    pub(super) looks: Cell<usize>,
    losses: Losses,
    pub(super) duplicates: usize,
    pub(super) most_held: usize,
    peers: BTreeMap<PeerId, SimPeer>,
    queue: BinaryHeap<Reverse<Timed>>,
    sequence: u64,
    next_peer: u64,
    /// Chains of all peers that ever were, to build the trunk from.
    chains: Vec<TestChain>,
}

impl Sim {
    pub(super) fn new(trunk: &TestChain) -> Self {
        Self::with_settings(trunk, Settings::default())
    }

    pub(super) fn with_settings(trunk: &TestChain, settings: Settings) -> Self {
        let mut sim = Self {
            now: Duration::ZERO,
            planner: Planner::new(settings),
            index: BlockIndex::new(Limits::default()),
            trunk: trunk.clone(),
            bodies: HashSet::new(),
            invalid: HashSet::new(),
            dropped: BTreeMap::new(),
            reconnected: BTreeSet::new(),
            delivered: BTreeMap::new(),
            asked_headers: BTreeMap::new(),
            looks: Cell::new(0),
            losses: Losses::default(),
            duplicates: 0,
            most_held: 0,
            peers: BTreeMap::new(),
            queue: BinaryHeap::new(),
            sequence: 0,
            next_peer: 1,
            chains: vec![trunk.clone()],
        };
        sim.schedule(Duration::from_millis(100), Event::Tick);
        sim
    }

    pub(super) fn genesis() -> TestChain {
        TestChain::new(&Arc::new(params()))
    }

    fn schedule(&mut self, after: Duration, event: Event) {
        self.sequence += 1;
        self.queue.push(Reverse(Timed(self.now + after, self.sequence, event)));
    }

    pub(super) fn connect(&mut self, script: Script) -> PeerId {
        let id = PeerId::new(self.next_peer);
        self.next_peer += 1;
        let our_start_height = self.trunk.height();
        self.chains.push(script.chain.clone());
        let view = PeerView {
            start_height: Height::new(script.claims.unwrap_or(script.chain.height())),
            our_start_height: Height::new(our_start_height),
            is_outbound: script.is_outbound,
            is_manual: script.is_manual,
            has_extensions: !script.like_first_node,
        };
        self.peers.insert(id, SimPeer { script, our_start_height, busy_until: Duration::ZERO });
        self.planner.peer_connected(id, view);
        self.poll();
        id
    }

    pub(super) fn disconnect(&mut self, id: PeerId) {
        self.peers.remove(&id);
        self.planner.peer_gone(id);
        self.poll();
    }

    pub(super) fn peer_ids(&self) -> Vec<PeerId> {
        self.peers.keys().copied().collect()
    }

    /// A peer finds blocks and announces them by an unsolicited `headers`.
    pub(super) fn extend(&mut self, id: PeerId, count: u32, salt: u8) {
        let peer = self.peers.get_mut(&id).expect("connected");
        let old = peer.script.chain.height();
        peer.script.chain = peer.script.chain.clone().grow(count, salt);
        let headers = peer.script.chain.all_above(old);
        let chain = peer.script.chain.clone();
        self.chains.push(chain);
        self.schedule(ANNOUNCEMENT_DELAY, Event::Headers(id, headers));
    }

    /// A peer finds blocks and does not announce them.
    pub(super) fn extend_in_silence(&mut self, id: PeerId, count: u32, salt: u8) {
        let peer = self.peers.get_mut(&id).expect("connected");
        peer.script.chain = peer.script.chain.clone().grow(count, salt);
        self.chains.push(peer.script.chain.clone());
    }

    /// Runs until a condition holds. Panics after so much virtual time.
    pub(super) fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) {
        let end = self.now + limit;
        while !done(self) {
            let Some(Reverse(Timed(at, _, event))) = self.queue.pop() else {
                panic!("nothing will happen any more")
            };
            assert!(
                at <= end,
                "not done at height {} of {} after {limit:?}",
                self.trunk.height(),
                self.index.best(&self.trunk).height
            );
            self.now = at;
            self.handle(event);
            self.poll();
        }
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.run_until(time * 2, |sim| sim.now >= end);
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Tick => self.schedule(Duration::from_millis(100), Event::Tick),
            Event::Headers(id, headers) if self.peers.contains_key(&id) => {
                self.take_headers(id, headers);
            }
            Event::Block(id, hash) if self.peers.contains_key(&id) => self.take_block(id, hash),
            Event::NotFound(id, hash) if self.peers.contains_key(&id) => {
                self.planner.not_found(id, &[hash]);
            }
            _ => {}
        }
    }

    fn take_headers(&mut self, id: PeerId, headers: Vec<Header>) {
        let count = headers.len();
        let params = Arc::clone(&self.trunk.params);
        let screened = screen(&params, &self.index, &self.trunk, headers, NOW).unwrap();
        let checked = check(&params, screened.fresh);
        let checked = checked.into_iter().map(|(hash, header)| (hash, Ok(header))).collect();
        let placed = place(&params, &mut self.index, &self.trunk, checked, NOW).unwrap();
        let end = match screened.stop {
            None => HeadersEnd::Taken,
            Some(HeadersStop::NoParent { .. }) => HeadersEnd::NoParent,
            Some(HeadersStop::Full) => HeadersEnd::Full,
            Some(_) => HeadersEnd::Refused,
        };
        let last = placed.last.or(screened.last_known);
        let outcome = HeadersOutcome { count, held: placed.held, last, end };
        self.planner.headers_judged(&self.index, &self.trunk, id, &outcome, self.now).unwrap();
    }

    /// Puts headers into the index, whoever told them.
    pub(super) fn offer(&mut self, headers: Vec<Header>) {
        let params = Arc::clone(&self.trunk.params);
        let checked = check(&params, headers);
        let checked = checked.into_iter().map(|(hash, header)| (hash, Ok(header))).collect();
        place(&params, &mut self.index, &self.trunk, checked, NOW).unwrap();
    }

    /// Tells the planner what came of a message.
    pub(super) fn tell(&mut self, id: PeerId, outcome: &HeadersOutcome) {
        self.planner.headers_judged(&self.index, &self.trunk, id, outcome, self.now).unwrap();
        self.poll();
    }

    fn take_block(&mut self, id: PeerId, hash: BlockHash) {
        self.planner.block_arrived(id, &hash, BLOCK_BYTES, self.now);
        if self.peers[&id].script.mutates {
            self.planner.body_was_wrong(id);
            return;
        }
        if self.index.get(&hash).is_none() || !self.bodies.insert(hash) {
            self.duplicates += 1;
            return;
        }
        *self.delivered.entry(id).or_default() += 1;
        self.most_held = self.most_held.max(self.bodies.len());
        self.connect_blocks();
    }

    /// What the chain owner does: moves to the heaviest branch whose blocks are there.
    fn connect_blocks(&mut self) {
        loop {
            let tip = self.trunk.tip();
            let mut moved = false;
            for end in self.index.heavier_than(tip.work) {
                let path = self.index.path_to(&end.hash).expect("an end has a path");
                let mut top = path.fork;
                let mut bad = None;
                for (height, known) in self.index.walk(&path, Height::GENESIS) {
                    if !self.bodies.contains(&known.hash()) {
                        break;
                    }
                    if self.invalid.contains(&known.hash()) {
                        bad = Some(known.hash());
                        break;
                    }
                    top = height;
                }
                let wins = top > path.fork
                    && replaces(self.index.work_on(&path, top).expect("on the path"), tip.work);
                if let Some(bad) = bad.filter(|_| wins || top >= tip.height) {
                    let gone = self.index.mark_invalid(&bad);
                    self.planner.forget_blocks(&gone);
                    moved = true;
                    break;
                }
                if !wins {
                    continue;
                }
                let headers: Vec<Header> = self
                    .index
                    .walk(&path, Height::GENESIS)
                    .take_while(|(height, _)| *height <= top)
                    .map(|(_, known)| known.header().clone())
                    .collect();
                let undone = self
                    .trunk
                    .all_above(path.fork.value())
                    .into_iter()
                    .map(|header| UndoneHeader { hash: header.hash(), header })
                    .collect();
                self.trunk.truncate(path.fork.value());
                for header in headers {
                    self.bodies.remove(&header.hash());
                    self.losses.note();
                    self.trunk.push(header);
                }
                self.index.follow(&self.trunk, path.fork, undone, &path, top).unwrap();
                moved = true;
                break;
            }
            if !moved {
                return;
            }
        }
    }

    pub(super) fn poll(&mut self) {
        let (bodies, looks) = (&self.bodies, &self.looks);
        let chain = ChainNow {
            index: &self.index,
            trunk: &self.trunk,
            has_body: |hash: &BlockHash| {
                looks.set(looks.get() + 1);
                bodies.contains(hash)
            },
            held_bytes: bodies.len() * BLOCK_BYTES,
            losses: self.losses,
        };
        let actions = self.planner.poll(&chain, self.now).unwrap();
        self.planner.assert_consistent();
        for action in actions {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::AskHeaders { peer, from, peer_height } => {
                let hashes = locator(&self.index, &self.trunk, &from, peer_height).unwrap();
                *self.asked_headers.entry(peer).or_default() += 1;
                let Some(sim) = self.peers.get(&peer) else { return };
                let script = &sim.script;
                if script.no_headers || self.now < script.deaf_until {
                    return;
                }
                let behind = script.chain.height().saturating_sub(sim.our_start_height);
                let most = match script.like_first_node {
                    true if behind > 2_000 => 500,
                    true => 10,
                    false => script.most_headers,
                };
                let answer = headers_after(&script.chain, &hashes, &BlockHash::ZERO, most).unwrap();
                if let HeadersAfter::Headers(mut headers) = answer {
                    if script.breaks_rules {
                        headers.iter_mut().for_each(|header| header.bits = WRONG_BITS);
                    }
                    self.schedule(script.latency, Event::Headers(peer, headers));
                }
            }
            Action::AskBlocks { peer, hashes } => {
                let Some(sim) = self.peers.get_mut(&peer) else { return };
                if sim.script.no_blocks {
                    return;
                }
                let mut at = sim.busy_until.max(self.now + sim.script.latency);
                let mut events = Vec::new();
                for hash in hashes {
                    let height = sim.script.chain.height_of(&hash).unwrap();
                    let has = height.is_some_and(|h| h.value() < sim.script.bodies_below);
                    at += sim.script.per_block;
                    if height.is_some_and(|h| Some(h.value()) == sim.script.withholds) {
                        continue;
                    }
                    events.push((
                        at,
                        if has { Event::Block(peer, hash) } else { Event::NotFound(peer, hash) },
                    ));
                }
                sim.busy_until = at;
                for (at, event) in events {
                    self.schedule(at - self.now, event);
                }
            }
            Action::Disconnect { peer, reason } => {
                self.dropped.insert(peer, reason);
                self.peers.remove(&peer);
            }
            Action::Reconnect { peer } => {
                self.reconnected.insert(peer);
                if let Some(sim) = self.peers.remove(&peer) {
                    self.connect(sim.script);
                }
            }
        }
    }
}
