//! Headers first, then blocks: decides what to ask of whom.
//!
//! [`Planner`] is a state machine without I/O and without a clock: it is told what happened and at
//! what time, and says what to do. It knows hashes and heights, never bytes; what is valid is the
//! chain owner's affair.
//!
//! ```text
//! one leader tells headers, the others are asked when it is done
//! every peer that may have them sends blocks, out of a window above the connected chain
//! ```
//!
//! It works with the chain's first node (p2p.md 7): no reply when nothing follows, 10 or 500 headers
//! for a request, announcements by unsolicited `headers`, requests before the end of the handshake
//! lost.

mod blocks;
mod headers;
mod peer;
mod planner;
#[cfg(test)]
mod tests;

use std::time::Duration;

use mvs_primitives::hash::BlockHash;
use mvs_primitives::height::Height;

use crate::p2p::api::PeerId;

pub use planner::{ChainNow, Planner};

/// Numbers of the planner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How far above the connected chain blocks are asked for.
    pub window: u32,
    /// Most blocks asked of one peer at a time. The first node drops a connection on which more than
    /// 500 messages wait (p2p.md 3, item 6).
    pub peer_blocks: usize,
    /// About how many bytes of blocks are asked of one peer at a time.
    pub peer_bytes: usize,
    /// About how many bytes of blocks may wait to be connected, those asked for included. Decoded, a
    /// block takes about four times as much.
    pub body_bytes: usize,
    /// After this time the block that holds up the others is asked of a second peer.
    pub stall_after: Duration,
    /// A peer that was asked for blocks and sends none for so long is dropped, if there are others.
    pub block_timeout: Duration,
    /// The same if there are no others.
    pub lone_block_timeout: Duration,
    /// A request for headers is repeated once after this time: early ones get lost (p2p.md 7.1).
    pub headers_retry: Duration,
    /// After this time a peer that promised headers is passed over.
    pub headers_timeout: Duration,
    /// A leader must bring at least [`Settings::leader_headers`] in this time, or another one leads
    /// that may be faster. The time that we take to judge what it brought is not counted.
    pub leader_period: Duration,
    /// See [`Settings::leader_period`].
    pub leader_headers: usize,
    /// A leader that was too slow, did not answer or was refused does not lead again before this time,
    /// which doubles each time, up to 16 fold.
    pub leader_pause: Duration,
    /// A leader that waits for blocks to be connected gives up its place when none is for so long.
    pub leader_wait: Duration,
    /// Each peer is asked for news after this time, in case an announcement got lost (the first node
    /// does the same every 100 s).
    pub refresh: Duration,
    /// Time between two reconnections for the sake of larger replies.
    pub reconnect_pause: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            window: 1_024,
            peer_blocks: 128,
            peer_bytes: 4 << 20,
            body_bytes: 24 << 20,
            stall_after: Duration::from_secs(2),
            block_timeout: Duration::from_secs(20),
            lone_block_timeout: Duration::from_secs(60),
            headers_retry: Duration::from_secs(3),
            headers_timeout: Duration::from_secs(8),
            leader_period: Duration::from_secs(10),
            leader_headers: 2_000,
            leader_pause: Duration::from_secs(30),
            leader_wait: Duration::from_secs(60),
            refresh: Duration::from_secs(100),
            reconnect_pause: Duration::from_secs(60),
        }
    }
}

/// What the planner knows of a peer from its handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerView {
    /// The height that it claimed.
    pub start_height: Height,
    /// The height that we claimed to it.
    pub our_start_height: Height,
    /// Whether we opened the connection.
    pub is_outbound: bool,
    /// Whether the operator named it: it is never dropped for being slow.
    pub is_manual: bool,
    /// It understands our extensions, so its replies are full at another count.
    pub has_extensions: bool,
}

/// What came of a `headers` message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadersOutcome {
    /// How many headers it had.
    pub count: usize,
    /// How many of them were new.
    pub held: usize,
    /// The last one that is known now.
    pub last: Option<BlockHash>,
    /// What it ended with.
    pub end: HeadersEnd,
}

/// How a `headers` message ended, as far as it matters for what to ask next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadersEnd {
    /// All taken.
    Taken,
    /// The first one builds on something unknown: ask for what lies between.
    NoParent,
    /// No room: go on when blocks were connected.
    Full,
    /// Not to be taken further from this peer (a rule broken, too deep, ahead of the clock).
    Refused,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Ask a peer for headers, with the locator of the branch that ends in `from`.
    AskHeaders {
        /// Whom.
        peer: PeerId,
        /// The end of the branch.
        from: BlockHash,
        /// A height that the peer has at least: bounds the locator.
        peer_height: Height,
    },
    /// Ask a peer for blocks, in this order.
    AskBlocks {
        /// Whom.
        peer: PeerId,
        /// Which.
        hashes: Vec<BlockHash>,
    },
    /// Close a connection.
    Disconnect {
        /// Whose.
        peer: PeerId,
        /// Why: a stable code.
        reason: &'static str,
    },
    /// Close a connection and open it again, to claim our present height.
    Reconnect {
        /// Whose.
        peer: PeerId,
    },
}
