//! Answers what peers ask of the chain, on a thread of its own: reading blocks must not hold up the
//! owner. It reads the published tip.

mod queue;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use mvs_consensus::error::Fault;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::height::Height;
use tokio::sync::watch;

use self::queue::Queue;
use crate::chain::core::ChainError;
use crate::chain::events::TipView;
use crate::chain::index::{HeadersAfter, headers_after};
use crate::chain::stop::Stop;
use crate::chain::trunk::Trunk;
use crate::p2p::api::{Direction, PeerId, Penalty};
use crate::p2p::message::{HeaderEntry, Inventory, Locator, Message, RawBlock};
use crate::p2p::network::Network;

/// Blocks so far below the tip are history, which is told only as long as the upload budget lasts: an
/// hour or less, so that whoever was cut off for a moment still catches up.
const RECENT_BLOCKS: u32 = 100;
/// How often the thread looks whether it is to stop.
const PAUSE: Duration = Duration::from_millis(100);

/// A question about the chain.
#[derive(Debug)]
pub(super) enum Request {
    /// `getheaders`.
    Headers { peer: PeerId, locator: Locator },
    /// `getblocks`.
    Blocks { peer: PeerId, locator: Locator },
    /// `getdata` for blocks.
    Data { peer: PeerId, blocks: Vec<BlockHash> },
}

impl Request {
    /// Returns who asks.
    const fn peer(&self) -> PeerId {
        match self {
            Self::Headers { peer, .. } | Self::Blocks { peer, .. } | Self::Data { peer, .. } => {
                *peer
            }
        }
    }
}

/// The thread.
#[derive(Debug)]
pub(super) struct Server {
    requests: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(network: Network, tip: watch::Receiver<Arc<TipView>>, stop: Stop) -> Self {
        let requests = Arc::new(Queue::default());
        let worker = Worker { network, tip, stop, requests: Arc::clone(&requests) };
        let thread = std::thread::Builder::new()
            .name("serve".to_owned())
            .spawn(move || worker.run())
            .inspect_err(|error| {
                tracing::error!(target: "chain", %error, "peers get no answers: no thread");
            })
            .ok();
        Self { requests, thread }
    }

    pub(super) fn push(&self, request: Request) {
        let peer = request.peer();
        if self.requests.push(request) {
            tracing::debug!(target: "chain", %peer, "a request of a peer was dropped");
        }
    }

    /// A peer left.
    pub(super) fn peer_gone(&self, peer: PeerId) {
        self.requests.peer_gone(peer);
    }

    /// Ends the thread and waits for it.
    pub(super) fn join(self) {
        self.requests.close();
        if let Some(thread) = self.thread {
            // It only reads; a panic was printed when it happened.
            let _ = thread.join();
        }
    }
}

struct Worker {
    network: Network,
    tip: watch::Receiver<Arc<TipView>>,
    stop: Stop,
    requests: Arc<Queue>,
}

impl Worker {
    fn run(&self) {
        while !self.stop.is_set() && !self.requests.is_closed() {
            let Some(request) = self.requests.take(PAUSE) else { continue };
            if let Err(error) = self.answer(&request) {
                // Ours, not the peer's. The owner meets the same disk and decides.
                tracing::error!(target: "chain", code = error.code(), %error,
                    "a peer's question cannot be answered");
            }
        }
    }

    fn answer(&self, request: &Request) -> Result<(), ChainError> {
        let view = Arc::clone(&self.tip.borrow());
        match request {
            Request::Headers { peer, locator } => self.answer_headers(&view, *peer, locator),
            Request::Blocks { peer, locator } => self.answer_blocks(&view, *peer, locator),
            Request::Data { peer, blocks } => self.answer_data(&view, *peer, blocks),
        }
    }

    fn answer_headers(
        &self,
        view: &TipView,
        peer: PeerId,
        locator: &Locator,
    ) -> Result<(), ChainError> {
        let Some(facts) = self.network.facts(peer) else { return Ok(()) };
        let most = facts.max_headers();
        match headers_after(&view.snapshot, &locator.hashes, &locator.stop, most)? {
            HeadersAfter::Headers(headers) => {
                let entry = |header| HeaderEntry { header, transaction_count: 0 };
                let entries = headers.into_iter().map(entry).collect();
                self.send(peer, &Message::Headers(entries));
            }
            HeadersAfter::Silence => {}
            HeadersAfter::TooLong => {
                self.network.penalise(peer, Penalty::WASTEFUL, "locator.too_long");
            }
        }
        Ok(())
    }

    /// Old peers only: `getblocks` is answered even when nothing follows (p2p.md 7.1).
    fn answer_blocks(
        &self,
        view: &TipView,
        peer: PeerId,
        locator: &Locator,
    ) -> Result<(), ChainError> {
        let most = crate::p2p::message::MAX_HEADERS;
        let known: Vec<BlockHash> = locator
            .hashes
            .iter()
            .take(crate::p2p::message::MAX_LOCATOR_HASHES)
            .filter_map(|hash| match Trunk::height_of(&view.snapshot, hash) {
                Ok(Some(_)) => Some(*hash),
                _ => None,
            })
            .take(1)
            .collect();
        let headers = match headers_after(&view.snapshot, &known, &locator.stop, most)? {
            HeadersAfter::Headers(headers) => headers,
            HeadersAfter::Silence | HeadersAfter::TooLong => Vec::new(),
        };
        let items = headers.iter().map(|header| Inventory::Block(header.hash())).collect();
        self.send(peer, &Message::Inv(items));
        Ok(())
    }

    fn answer_data(
        &self,
        view: &TipView,
        peer: PeerId,
        blocks: &[BlockHash],
    ) -> Result<(), ChainError> {
        let Some(facts) = self.network.facts(peer) else { return Ok(()) };
        let tip = view.snapshot.tip().height;
        let mut missing = Vec::new();
        for hash in blocks {
            if self.stop.is_set() {
                return Ok(());
            }
            let height = view.snapshot.height_of(hash)?;
            let is_refused = height.is_some_and(|height| {
                is_history(height, tip)
                    && facts.direction != Direction::Manual
                    && self.network.is_upload_used_up()
            });
            if is_refused && facts.direction == Direction::Inbound {
                // It finds another one that has some left.
                self.network.close_for_upload(peer);
                return Ok(());
            }
            let bytes = match height.filter(|_| !is_refused) {
                Some(height) => view.snapshot.block(height)?,
                None => None,
            };
            let Some(bytes) = bytes else {
                missing.push(Inventory::Block(*hash));
                continue;
            };
            let block = RawBlock::from_wire(bytes.into()).map_err(|_| unreadable())?;
            self.send(peer, &Message::Block(block));
        }
        // One for each, as the first node does (p2p.md 7.1).
        for item in missing {
            self.send(peer, &Message::NotFound(vec![item]));
        }
        Ok(())
    }

    fn send(&self, peer: PeerId, message: &Message) {
        if let Err(error) = self.network.try_send(peer, message) {
            tracing::debug!(target: "chain", %peer, command = %message.command(), %error,
                "answer not sent");
        }
    }
}

/// Tells whether a block is so old that only whoever reads the whole chain asks for it.
const fn is_history(height: Height, tip: Height) -> bool {
    tip.blocks_since(height) >= RECENT_BLOCKS
}

fn unreadable() -> ChainError {
    ChainError::Fault(Fault::Broken("a stored block does not decode"))
}
