//! What one peer may do, and how long things may take. Every number with its reason.

use std::time::{Duration, Instant};

use super::bucket::{Bucket, Rate};

/// Both `version` and `verack` must arrive in this time (p2p.md 10: `channel_handshake_seconds`).
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// We ping a peer this often. The first node does every five minutes; a router forgets silent
/// connections sooner. 64 bytes each time: 46 KB a day.
pub const PING_INTERVAL: Duration = Duration::from_secs(120);
/// A pong must come in this time. The first node answers late while it connects a batch of blocks.
pub const PONG_TIMEOUT: Duration = Duration::from_secs(300);
/// Some byte must come in this time (p2p.md 10: inactivity).
pub const SILENCE_TIMEOUT: Duration = Duration::from_secs(600);
/// A frame that has begun must be complete in this time, plus a second for each
/// [`SLOWEST_BYTES_PER_SEC`] of it.
pub const FRAME_TIMEOUT: Duration = Duration::from_secs(30);
/// The slowest line over which the largest frame may come.
pub const SLOWEST_BYTES_PER_SEC: u32 = 8 * 1024;
/// Requests that the first node gets before it has finished the handshake on its side are lost
/// (p2p.md 7.1). We hold ours until it has said something, or for this time.
pub const REQUEST_HOLD: Duration = Duration::from_secs(3);
/// If the first `getheaders` of a connection stays without any `headers` for this time, it is repeated
/// once: it may have been lost, or the answer may have been empty and therefore unsent.
pub const REPEAT_AFTER: Duration = Duration::from_secs(20);
/// The node should answer a portion of requested items in this time; then the next portion follows
/// even if it left some out.
pub const PORTION_TIMEOUT: Duration = Duration::from_secs(5);
/// Items of `getdata` that are handed to the node at once. Eight blocks of a megabyte fit into the
/// queue of a peer.
pub const PORTION_ITEMS: usize = 8;
/// Items of `getdata` that may wait for one peer. The first node asks for at most 500 blocks at once,
/// or for the 4096 transactions that its own pool can hold.
pub const MAX_WAITING_REQUESTS: usize = 8192;
/// The next portion is handed over when less than this waits to be written.
pub const LOW_WATER_BYTES: usize = 512 * 1024;
/// Messages that may wait to be written, and bytes. The handle refuses long before; only answers that
/// the session makes itself can get here, to a peer that sends and does not read.
pub const MAX_OUTBOX_MESSAGES: usize = 1000;
/// See [`MAX_OUTBOX_MESSAGES`].
pub const MAX_OUTBOX_BYTES: usize = 16 * 1024 * 1024;
/// Longest pause in reading that a peer's own haste can cause. The first node closes a connection when
/// 500 messages wait on its side; a pause must end long before its ping would time out.
pub const MAX_PAUSE: Duration = Duration::from_secs(20);

/// The rates of one peer. What is over a rate is not refused but waits: the peer is not read.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Messages of any kind, without the blocks, transactions and headers that we asked for.
    pub messages: Rate,
    /// Items announced by `inv`. The first node names one transaction in each, and a whole pool of
    /// 4096 in answer to `mempool`.
    pub inventory: Rate,
    /// Addresses; what is over the rate is dropped. One answer to `getaddr` has at most 1000.
    pub addresses: Rate,
    /// Requests for headers or block hashes: each can cost reading 2000 headers.
    pub header_requests: Rate,
    /// `headers` that we did not ask for. The first node announces each block that it connects, so a
    /// syncing one sends hundreds a second for a while.
    pub announcements: Rate,
    /// Blocks that we did not ask for. Nobody sends any in earnest; what is over the rate is dropped.
    pub unasked_blocks: Rate,
    /// Transactions that we did not ask for.
    pub unasked_transactions: Rate,
    /// Commands that are not in the protocol; what is over the rate closes the connection.
    pub unknown_commands: Rate,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            messages: Rate::per_second(5000, 1000),
            inventory: Rate::per_second(20_000, 2000),
            addresses: Rate::every_secs(1000, 10),
            header_requests: Rate::per_second(100, 20),
            announcements: Rate::per_second(2000, 200),
            unasked_blocks: Rate::every_secs(20, 1),
            unasked_transactions: Rate::per_second(200, 20),
            unknown_commands: Rate::every_secs(20, 60),
        }
    }
}

/// The buckets of one peer.
#[derive(Debug)]
pub(super) struct Buckets {
    pub(super) messages: Bucket,
    pub(super) inventory: Bucket,
    pub(super) addresses: Bucket,
    pub(super) header_requests: Bucket,
    pub(super) announcements: Bucket,
    pub(super) unasked_blocks: Bucket,
    pub(super) unasked_transactions: Bucket,
    pub(super) unknown_commands: Bucket,
}

impl Buckets {
    pub(super) fn new(limits: &Limits, now: Instant) -> Self {
        let bucket = |rate| Bucket::new(rate, now);
        Self {
            messages: bucket(limits.messages),
            inventory: bucket(limits.inventory),
            addresses: bucket(limits.addresses),
            header_requests: bucket(limits.header_requests),
            announcements: bucket(limits.announcements),
            unasked_blocks: bucket(limits.unasked_blocks),
            unasked_transactions: bucket(limits.unasked_transactions),
            unknown_commands: bucket(limits.unknown_commands),
        }
    }

    /// Returns until when nothing should be read from the peer.
    pub(super) fn paused_until(&self, now: Instant) -> Option<Instant> {
        let waits = [
            &self.messages,
            &self.inventory,
            &self.header_requests,
            &self.announcements,
            &self.unasked_transactions,
        ];
        waits.iter().filter_map(|bucket| bucket.paid_at()).max().filter(|until| *until > now)
    }
}
