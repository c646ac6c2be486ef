//! Answers what peers ask of the chain, on a thread of its own: reading blocks must not hold up the
//! owner. It reads the published tip.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use mvs_consensus::error::Fault;
use mvs_primitives::hash::BlockHash;
use tokio::sync::watch;

use crate::chain::core::ChainError;
use crate::chain::events::TipView;
use crate::chain::index::{HeadersAfter, headers_after};
use crate::chain::stop::Stop;
use crate::chain::trunk::Trunk;
use crate::p2p::api::{PeerId, Penalty};
use crate::p2p::message::{HeaderEntry, Inventory, Locator, Message, RawBlock};
use crate::p2p::network::Network;

/// Requests that wait. When it is full, more are dropped: whoever asked repeats it, and the limits of
/// each peer keep one from filling it.
const QUEUE: usize = 1_024;
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

/// The thread.
#[derive(Debug)]
pub(super) struct Server {
    requests: SyncSender<Request>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(network: Network, tip: watch::Receiver<Arc<TipView>>, stop: Stop) -> Self {
        let (requests, receiver) = sync_channel(QUEUE);
        let worker = Worker { network, tip, stop };
        let thread = std::thread::Builder::new()
            .name("serve".to_owned())
            .spawn(move || worker.run(&receiver))
            .inspect_err(|error| {
                tracing::error!(target: "chain", %error, "peers get no answers: no thread");
            })
            .ok();
        Self { requests, thread }
    }

    pub(super) fn push(&self, request: Request) {
        if self.requests.try_send(request).is_err() {
            tracing::debug!(target: "chain", "a request of a peer was dropped");
        }
    }

    pub(super) fn join(self) {
        let Self { requests, thread } = self;
        drop(requests);
        if let Some(thread) = thread {
            // It only reads; a panic was printed when it happened.
            let _ = thread.join();
        }
    }
}

struct Worker {
    network: Network,
    tip: watch::Receiver<Arc<TipView>>,
    stop: Stop,
}

impl Worker {
    fn run(&self, requests: &Receiver<Request>) {
        while !self.stop.is_set() {
            let request = match requests.recv_timeout(PAUSE) {
                Ok(request) => request,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            };
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
        let mut missing = Vec::new();
        for hash in blocks {
            if self.stop.is_set() {
                return Ok(());
            }
            let height = view.snapshot.height_of(hash)?;
            let bytes = match height {
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

fn unreadable() -> ChainError {
    ChainError::Fault(Fault::Broken("a stored block does not decode"))
}
