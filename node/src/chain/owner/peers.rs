//! What peers say, and what is said to them.

use std::time::{Duration, Instant};

use mvs_consensus::block::ConnectedBlock;
use mvs_primitives::hash::BlockHash;

use super::Owner;
use super::headers::WaitingHeaders;
use super::relay::Gathered;
use super::serve::Request;
use crate::chain::core::ChainError;
use crate::chain::index::{Source, locator};
use crate::p2p::addresses::Group;
use crate::p2p::api::{Direction, NetworkEvent, PeerFacts, PeerId, PeerMessage};
use crate::p2p::message::{HeaderEntry, Inventory, Locator, Message, PROTOCOL_VERSION};
use crate::sync::{Action, ChainNow, PeerView};
use crate::telemetry::Gate;

/// Anybody can connect and be slow.
static DROPPED: Gate = Gate::new(5, Duration::from_secs(60));

/// What the owner knows of a peer.
#[derive(Debug)]
pub(super) struct PeerState {
    /// Headers of it are being verified.
    pub(super) is_verifying: bool,
    /// Headers that came in the meantime.
    pub(super) headers: WaitingHeaders,
    /// The least fee in units per 1000 bytes that it wants to hear of.
    pub(super) fee_filter: u64,
    /// Stands for the group of its address.
    pub(super) source: Source,
    /// Transactions that it is to hear of; `None` if it wants none.
    pub(super) gathered: Option<Gathered>,
}

impl PeerState {
    pub(super) fn new(source: Source, wants_transactions: bool) -> Self {
        Self {
            is_verifying: false,
            headers: WaitingHeaders::default(),
            fee_filter: 0,
            source,
            gathered: wants_transactions.then(Gathered::default),
        }
    }
}

/// The protocol from which on `mempool` is known; older peers hang up (p2p.md 5).
const MEMPOOL_VERSION: u32 = 60_002;

impl Owner {
    pub(super) fn on_network(&mut self, event: NetworkEvent) -> Result<(), ChainError> {
        match event {
            NetworkEvent::Connected(facts) => self.on_connected(&facts),
            NetworkEvent::Disconnected { peer, reason } => {
                tracing::debug!(target: "chain", %peer, %reason, "peer gone");
                self.peers.remove(&peer);
                self.planner.peer_gone(peer);
                self.tx_requests.peer_gone(peer);
                self.tx_queue.peer_gone(peer);
                self.server.peer_gone(peer);
                self.orphans.forget_peer(peer.number());
            }
            NetworkEvent::Message { peer, message, charge } => {
                if !self.peers.contains_key(&peer) {
                    return Ok(());
                }
                match message {
                    PeerMessage::Headers(entries) => self.on_headers(peer, entries)?,
                    PeerMessage::Block(block) => self.on_block(peer, block, charge)?,
                    PeerMessage::Tx(tx) => self.on_tx(peer, &tx, charge),
                    PeerMessage::Inv(items) => self.on_inv(peer, &items),
                    PeerMessage::NotFound(items) => self.on_not_found(peer, &items),
                    PeerMessage::GetHeaders(locator) => {
                        self.learn_from_locator(peer, &locator)?;
                        self.server.push(Request::Headers { peer, locator });
                    }
                    PeerMessage::GetBlocks(locator) => {
                        self.learn_from_locator(peer, &locator)?;
                        self.server.push(Request::Blocks { peer, locator });
                    }
                    PeerMessage::GetData(items) => self.on_get_data(peer, items),
                    PeerMessage::MemPool => self.on_mempool(peer),
                    PeerMessage::FeeFilter(rate) => {
                        if let Some(state) = self.peers.get_mut(&peer) {
                            state.fee_filter = rate;
                        }
                    }
                    // We announce by headers, so nobody sends these in answer to us.
                    PeerMessage::CompactBlock(_)
                    | PeerMessage::GetBlockTransactions(_)
                    | PeerMessage::BlockTransactions(_) => {}
                }
            }
        }
        Ok(())
    }

    fn on_connected(&mut self, facts: &PeerFacts) {
        let view = PeerView {
            start_height: facts.start_height,
            our_start_height: facts.our_start_height,
            is_outbound: facts.direction.is_outbound(),
            is_manual: facts.direction == Direction::Manual,
            has_extensions: facts.has_extensions(),
        };
        tracing::debug!(target: "chain", peer = %facts.id, height = %facts.start_height,
            "peer connected");
        if facts.serves_headers() {
            self.planner.peer_connected(facts.id, view);
        }
        let peer = facts.id;
        let source = Group::of(facts.address).number();
        self.peers.insert(peer, PeerState::new(source, facts.wants_transactions));
        if self.takes_transactions() && facts.version >= MEMPOOL_VERSION {
            self.send(peer, &Message::MemPool);
        }
    }

    /// Asks all peers for their loose transactions, which the first node tells once for each
    /// connection (p2p.md 4).
    pub(super) fn ask_pools(&self) {
        if self.config.relay {
            self.network.broadcast(&Message::MemPool, |facts| facts.version >= MEMPOOL_VERSION);
        }
    }

    /// Whoever asks with a locator shows what it has.
    fn learn_from_locator(&mut self, peer: PeerId, locator: &Locator) -> Result<(), ChainError> {
        for hash in locator.hashes.iter().take(2) {
            let (index, trunk) = (&self.core.index, self.core.trunk());
            self.planner.peer_has(index, trunk, peer, *hash)?;
        }
        Ok(())
    }

    fn on_not_found(&mut self, peer: PeerId, items: &[Inventory]) {
        let blocks: Vec<BlockHash> = items
            .iter()
            .filter_map(|item| match item {
                Inventory::Block(hash) | Inventory::CompactBlock(hash) => Some(*hash),
                _ => None,
            })
            .collect();
        self.planner.not_found(peer, &blocks);
        for item in items {
            if let Inventory::Tx(txid) = item {
                self.tx_requests.failed(peer, txid);
            }
        }
    }

    fn on_inv(&mut self, peer: PeerId, items: &[Inventory]) {
        let is_block =
            |item: &&Inventory| matches!(item, Inventory::Block(_) | Inventory::CompactBlock(_));
        let mut unknown = items.iter().filter(is_block).filter(|item| match item {
            Inventory::Block(hash) | Inventory::CompactBlock(hash) => {
                let standing = self.core.index.standing(self.core.trunk(), hash);
                matches!(standing, Ok(crate::chain::index::Standing::Unknown))
            }
            _ => false,
        });
        if unknown.next().is_some() {
            self.planner.blocks_announced(peer);
        }
        self.note_announced(peer, items);
    }

    fn on_get_data(&mut self, peer: PeerId, items: Vec<Inventory>) {
        let mut blocks = Vec::new();
        let mut missing = Vec::new();
        for item in items {
            match item {
                Inventory::Tx(txid) => match self.mempool.get(&txid) {
                    Some(entry) => {
                        let tx = super::transactions::raw_tx(entry.transaction());
                        if let Some(tx) = tx {
                            self.send(peer, &Message::Tx(tx));
                        }
                    }
                    None => missing.push(item),
                },
                Inventory::Block(hash) | Inventory::CompactBlock(hash) => blocks.push(hash),
                Inventory::Other { .. } => {}
            }
        }
        if !missing.is_empty() {
            self.send(peer, &Message::NotFound(missing));
        }
        if !blocks.is_empty() {
            self.server.push(Request::Data { peer, blocks });
        }
    }

    pub(super) fn send(&self, peer: PeerId, message: &Message) {
        if let Err(error) = self.network.try_send(peer, message) {
            tracing::debug!(target: "chain", %peer, command = %message.command(), %error,
                "not sent");
        }
    }

    /// Has the planner look, and does what it says.
    pub(super) fn poll_planner(&mut self) -> Result<(), ChainError> {
        let now = self.now();
        let actions = {
            let bodies = &self.core.bodies;
            let chain = ChainNow {
                index: &self.core.index,
                trunk: self.core.trunk(),
                has_body: |hash: &BlockHash| bodies.has(hash),
                held_bytes: bodies.wire_bytes(),
                losses: bodies.losses(),
            };
            self.planner.poll(&chain, now)?
        };
        for action in actions {
            match action {
                Action::AskHeaders { peer, from, peer_height } => {
                    let (index, trunk) = (&self.core.index, self.core.trunk());
                    let hashes = locator(index, trunk, &from, peer_height)?;
                    let locator =
                        Locator { version: PROTOCOL_VERSION, hashes, stop: BlockHash::ZERO };
                    self.send(peer, &Message::GetHeaders(locator));
                }
                Action::AskBlocks { peer, hashes } => {
                    let items = hashes.into_iter().map(Inventory::Block).collect();
                    self.send(peer, &Message::GetData(items));
                }
                Action::Disconnect { peer, reason } => {
                    if let Some(held_back) = DROPPED.pass(Instant::now()) {
                        tracing::info!(target: "chain", %peer, reason, held_back, "peer dropped");
                    }
                    self.network.disconnect(peer, reason);
                }
                Action::Reconnect { peer } => self.network.disconnect(peer, "sync.reconnect"),
            }
        }
        Ok(())
    }

    /// Keeps the headers of new blocks for the next announcement: of many at once only the last.
    pub(super) fn note_for_peers(&mut self, connected: &[ConnectedBlock], is_bulk: bool) {
        let first = if is_bulk { connected.len().saturating_sub(1) } else { 0 };
        for block in connected.iter().skip(first) {
            self.announcements.push(HeaderEntry {
                header: block.block().header().header().clone(),
                // A block has far fewer transactions.
                transaction_count: u32::try_from(block.block().txids().len()).unwrap_or(u32::MAX),
            });
        }
    }

    /// Tells the peers of new blocks, as the first node does: by their headers (p2p.md 7.2). Whoever is
    /// behind us asks once, and then waits until it hears of more.
    pub(super) fn announce(&mut self) {
        if self.announcements.is_empty() {
            return;
        }
        let tip = self.core.tip();
        let at_best = self.core.index.backed_ahead(self.core.trunk()) == 0;
        let entries = self.announcements.take(self.now(), at_best);
        if !entries.is_empty() {
            let message = Message::Headers(entries);
            self.network.broadcast(&message, |facts| !self.planner.told_us(facts.id, &tip.hash));
        }
    }
}
