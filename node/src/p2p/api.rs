//! What the rest of the node sees of its peers: events from them, and a handle to answer.
//!
//! The network layer owns handshakes, pings, addresses, bans, limits and byte budgets. Everything that
//! needs a chain or a pool arrives as a [`NetworkEvent`] in one bounded channel, in the order in which
//! each peer sent it; what the node has to say goes through [`Network`](super::network::Network).
//!
//! # Ordering
//! For every peer: one `Connected`, then its messages, then one `Disconnected`; nothing after it.
//!
//! # When the channel is full
//! Peers are not read until there is room again; nothing is dropped. Their senders wait, as TCP makes
//! them. Bytes that wait in the channel are bounded as well, see [`Charge`].

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mvs_primitives::height::Height;
use tokio::sync::OwnedSemaphorePermit;

use super::error::Severity;
use super::message::{
    BlockTransactions, CompactBlock, HeaderEntry, Inventory, Locator, RawBlock, RawTx, Services,
    TransactionsRequest,
};

/// Names one connection. Never used again in the life of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(u64);

impl PeerId {
    /// Wraps a number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "peer {}", self.0)
    }
}

/// Who opened a connection, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// The peer did. Gains least trust: anybody can open any number.
    Inbound,
    /// We did, to an address of the book.
    Outbound,
    /// We did, to an address that the operator named. Never banned, always tried again.
    Manual,
}

impl Direction {
    /// Tells whether we opened it.
    pub const fn is_outbound(self) -> bool {
        matches!(self, Self::Outbound | Self::Manual)
    }
}

/// What is known of a peer once its handshake is complete; it does not change afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerFacts {
    /// Names the connection.
    pub id: PeerId,
    /// The remote end of the connection.
    pub address: SocketAddr,
    /// Who opened it.
    pub direction: Direction,
    /// Protocol version that it announced; at least [`MIN_PEER_VERSION`](super::message::MIN_PEER_VERSION).
    pub version: u32,
    /// What it announced to offer.
    pub services: Services,
    /// Its program's name, printable, at most 256 characters. Anything can be claimed.
    pub user_agent: String,
    /// The height that it claimed when it connected. Never updated, and not to be trusted.
    pub start_height: Height,
    /// The height that we claimed to it: the first node serves 500 headers at a time if that was more
    /// than 2000 below its tip, else 10, and announces nothing across more than 20,000 (p2p.md 7).
    pub our_start_height: Height,
    /// Whether it wants transactions to be announced.
    pub wants_transactions: bool,
    /// Its clock less ours in seconds when it connected.
    pub clock_offset_secs: i64,
    /// When the handshake was complete.
    pub connected_at: Instant,
}

impl PeerFacts {
    /// Tells whether the peer understands our extensions: `feefilter`, and
    /// [`MAX_HEADERS_EXTENDED`](super::message::MAX_HEADERS_EXTENDED) headers in a message.
    pub const fn has_extensions(&self) -> bool {
        self.services.has(Services::EXTENSIONS)
    }

    /// Returns how many headers one message to this peer may carry.
    pub const fn max_headers(&self) -> usize {
        if self.has_extensions() {
            super::message::MAX_HEADERS_EXTENDED
        } else {
            super::message::MAX_HEADERS
        }
    }

    /// Tells whether `getheaders` works with this peer; older ones want `getblocks` (p2p.md 2).
    pub const fn serves_headers(&self) -> bool {
        self.version >= 31_800
    }
}

/// A message that needs a chain or a pool to be judged or answered.
///
/// Frames, counts and lengths are sound and the rate limits are kept; nothing else is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerMessage {
    /// Headers, asked for or not. At most [`PeerFacts::max_headers`]; the order is the peer's affair.
    Headers(Vec<HeaderEntry>),
    /// A block, asked for or not.
    Block(RawBlock),
    /// A transaction, asked for or not.
    Tx(RawTx),
    /// What the peer has; kinds without meaning are left out, and it is not empty.
    Inv(Vec<Inventory>),
    /// What the peer was asked for and does not have.
    NotFound(Vec<Inventory>),
    /// To be answered with `headers` unless that would be empty.
    GetHeaders(Locator),
    /// To be answered with an `inv` of blocks.
    GetBlocks(Locator),
    /// To be answered item by item with `block`, `tx`, `cmpctblock` or `notfound`.
    ///
    /// A long request arrives in portions: the next one when the peer has taken most of what was sent.
    /// So answering a whole portion at once never overfills the peer's queue.
    GetData(Vec<Inventory>),
    /// To be answered with an `inv` of the pool; comes at most once for each connection.
    MemPool,
    /// A block as short ids; only from peers with our extensions. Nobody has to send it
    /// (docs/extensions.md), and the node takes no notice of it.
    CompactBlock(CompactBlock),
    /// Asks for transactions of a compact block that we sent.
    GetBlockTransactions(TransactionsRequest),
    /// Answers our request for transactions of a compact block.
    BlockTransactions(BlockTransactions),
    /// The least fee in units per 1000 bytes that is worth announcing to this peer.
    FeeFilter(u64),
}

/// What happens among the peers.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all events are messages; a box each gains nothing"
)]
pub enum NetworkEvent {
    /// A handshake is complete.
    Connected(Arc<PeerFacts>),
    /// A connected peer is gone.
    Disconnected {
        /// Who.
        peer: PeerId,
        /// Why.
        reason: CloseReason,
    },
    /// A peer sent something.
    Message {
        /// Who.
        peer: PeerId,
        /// What.
        message: PeerMessage,
        /// Its share of the memory for messages that wait; dropped with the event.
        charge: Charge,
    },
}

/// A share of the memory that messages on their way may take, given back when dropped.
///
/// Keep it beside the message for as long as the message's bytes wait for anything.
#[derive(Debug, Default)]
pub struct Charge(Option<OwnedSemaphorePermit>);

impl Charge {
    /// Returns a charge of nothing, for messages that no peer sent.
    pub const fn none() -> Self {
        Self(None)
    }

    /// Returns the bytes that are charged; 0 for small messages.
    pub fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |permit| permit.num_permits().saturating_mul(1024))
    }

    /// Wraps permits of a KiB each.
    pub(super) const fn of(permit: Option<OwnedSemaphorePermit>) -> Self {
        Self(permit)
    }
}

/// Why a connection ended, or was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer closed it or the line broke.
    #[error("closed by the peer")]
    Remote,
    /// Bytes or messages against the protocol.
    #[error("protocol: {code}: {text}")]
    Protocol {
        /// The stable code of the offence.
        code: &'static str,
        /// What it was.
        text: String,
    },
    /// Something did not come in time.
    #[error("no {0} in time")]
    Timeout(&'static str),
    /// The node called [`penalise`](super::network::Network::penalise), and this was enough.
    #[error("misbehaved: {0}")]
    Misbehaved(&'static str),
    /// More answers wait than the peer reads.
    #[error("does not read what it asked for")]
    SlowReader,
    /// It is ourselves.
    #[error("connected to itself")]
    SelfConnection,
    /// The announced version is too old.
    #[error("protocol version {0} is too old")]
    Obsolete(u32),
    /// Another connection to the same address and port exists.
    #[error("already connected")]
    Duplicate,
    /// Its address is banned.
    #[error("banned")]
    Banned,
    /// It made room for another inbound peer.
    #[error("evicted for a newcomer")]
    Evicted,
    /// No inbound place is free.
    #[error("no place free")]
    Full,
    /// The upload budget of the day is used up.
    #[error("upload budget used up")]
    UploadBudget,
    /// The node asked for it.
    #[error("asked to: {0}")]
    Requested(&'static str),
    /// The node stops.
    #[error("stopping")]
    Stopping,
}

impl CloseReason {
    /// Returns the stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Remote => "p2p.close.remote",
            Self::Protocol { code, .. } | Self::Misbehaved(code) => code,
            Self::Timeout(_) => "p2p.close.timeout",
            Self::SlowReader => "p2p.close.slow_reader",
            Self::SelfConnection => "p2p.close.self",
            Self::Obsolete(_) => "p2p.close.obsolete",
            Self::Duplicate => "p2p.close.duplicate",
            Self::Banned => "p2p.close.banned",
            Self::Evicted => "p2p.close.evicted",
            Self::Full => "p2p.close.full",
            Self::UploadBudget => "p2p.close.upload_budget",
            Self::Requested(_) => "p2p.close.requested",
            Self::Stopping => "p2p.close.stopping",
        }
    }
}

/// Why a message was not taken for sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The peer is gone.
    #[error("the peer is gone")]
    Gone,
    /// Its queue is full: it does not read fast enough. Send later or leave it; if it stays so, the
    /// connection is closed.
    #[error("the peer's queue is full")]
    Full,
    /// The peer would close the connection on this command (p2p.md 3, items 3 and 4).
    #[error("the peer does not understand the command")]
    NotUnderstood,
    /// The payload is longer than its command allows.
    #[error("the payload is too long")]
    TooLarge,
}

/// How bad something is that a peer sent and only the node could judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Penalty {
    points: u32,
}

impl Penalty {
    /// From here on a peer is banned (for manual peers and, by default, on this machine: closed).
    pub const LIMIT: u32 = 100;
    /// A rule of the chain is broken and no honest program does that: an invalid block, a false seal.
    pub const BAN: Self = Self { points: Self::LIMIT };
    /// Against good manners: a transaction that no node would relay, a useless announcement.
    pub const ANNOYING: Self = Self { points: 1 };
    /// Work wasted on purpose or by a broken program, ten times in a while.
    pub const WASTEFUL: Self = Self { points: 10 };

    /// Makes a penalty of so many points.
    pub const fn of_points(points: u32) -> Self {
        Self { points }
    }

    /// Returns the points. A peer loses one in [`Penalty::FORGIVEN_EVERY`].
    pub const fn points(self) -> u32 {
        self.points
    }

    /// How long it takes to forgive one point.
    pub const FORGIVEN_EVERY: Duration = Duration::from_secs(60);
}

impl From<Severity> for Penalty {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Ignore => Self::ANNOYING,
            Severity::Disconnect => Self::WASTEFUL,
            Severity::Ban => Self::BAN,
        }
    }
}

/// Something good that a peer did; peers that do are kept when places run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merit {
    /// It was the first to bring a block that became part of our chain.
    Block,
    /// It was the first to bring a transaction that entered the pool.
    Tx,
}

/// What bytes were spent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrafficClass {
    /// `headers`, `getheaders`, `getblocks`.
    Headers,
    /// `block`, `cmpctblock` and what belongs to it.
    Blocks,
    /// `tx`.
    Transactions,
    /// `inv`, `getdata`, `notfound`, `mempool`.
    Inventory,
    /// `addr`, `getaddr`.
    Addresses,
    /// Handshakes, pings and the rest.
    Control,
}

/// Bytes by class, one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByteCounts {
    counts: [u64; TrafficClass::ALL.len()],
}

impl TrafficClass {
    /// Every class.
    pub const ALL: [Self; 6] = [
        Self::Headers,
        Self::Blocks,
        Self::Transactions,
        Self::Inventory,
        Self::Addresses,
        Self::Control,
    ];

    /// Returns the name used in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Headers => "headers",
            Self::Blocks => "blocks",
            Self::Transactions => "transactions",
            Self::Inventory => "inventory",
            Self::Addresses => "addresses",
            Self::Control => "control",
        }
    }
}

impl ByteCounts {
    /// Adds bytes to a class.
    pub fn add(&mut self, class: TrafficClass, bytes: u64) {
        if let Some(count) = self.counts.get_mut(class as usize) {
            *count = count.saturating_add(bytes);
        }
    }

    /// Adds all counts of `other`.
    pub fn merge(&mut self, other: &Self) {
        for class in TrafficClass::ALL {
            self.add(class, other.of(class));
        }
    }

    /// Returns the bytes of a class.
    pub fn of(&self, class: TrafficClass) -> u64 {
        self.counts.get(class as usize).copied().unwrap_or_default()
    }

    /// Returns the bytes of all classes.
    pub fn total(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// A peer and how it is doing.
#[derive(Debug, Clone)]
pub struct PeerStats {
    /// Who.
    pub facts: Arc<PeerFacts>,
    /// Bytes from the peer, frame headers included.
    pub received: ByteCounts,
    /// Bytes to the peer, frame headers included.
    pub sent: ByteCounts,
    /// Best round trip of a ping so far.
    pub best_ping: Option<Duration>,
    /// Last round trip of a ping.
    pub last_ping: Option<Duration>,
    /// Penalty points now.
    pub score: u32,
    /// Messages that wait to be sent.
    pub queued_messages: usize,
    /// Bytes that wait to be sent.
    pub queued_bytes: usize,
    /// When it last brought a block that counted.
    pub last_block: Option<Instant>,
    /// When it last brought a transaction that counted.
    pub last_tx: Option<Instant>,
}
