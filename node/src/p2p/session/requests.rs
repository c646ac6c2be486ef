//! What we asked of a peer and what it asked of us.

use std::collections::VecDeque;
use std::time::Instant;

use mvs_primitives::encode::Decode;

use super::limits::{MAX_WAITING_REQUESTS, PORTION_ITEMS, PORTION_TIMEOUT};
use crate::p2p::codec::Command;
use crate::p2p::message::{Encoded, Inventory, MAX_INVENTORY};

/// Counts of what we asked for and what has not come.
///
/// Only counts: which block or transaction it is, the node knows. They tell an answer from something
/// unasked, which is limited.
#[derive(Debug, Default)]
pub(super) struct Expected {
    blocks: usize,
    transactions: usize,
    headers: usize,
}

impl Expected {
    /// Takes note of a message to the peer.
    pub(super) fn sent(&mut self, message: &Encoded) {
        let payload = &message.parts().1[..];
        match message.command() {
            Command::GETHEADERS => self.headers = (self.headers + 1).min(64),
            Command::GETDATA => {
                // Our own encoding: a count and whole items.
                let items = payload.len() / Inventory::MIN_BYTES;
                let start = payload.len().saturating_sub(items * Inventory::MIN_BYTES);
                for item in payload.get(start..).unwrap_or_default().chunks(Inventory::MIN_BYTES) {
                    match Inventory::decode(item) {
                        Ok(Inventory::Tx(_)) => self.transactions += 1,
                        Ok(Inventory::Block(_) | Inventory::CompactBlock(_)) => self.blocks += 1,
                        Ok(Inventory::Other { .. }) | Err(_) => {}
                    }
                }
                self.blocks = self.blocks.min(MAX_INVENTORY);
                self.transactions = self.transactions.min(MAX_INVENTORY);
            }
            Command::GETBLOCKTXN => self.blocks = (self.blocks + 1).min(MAX_INVENTORY),
            _ => {}
        }
    }

    /// Tells whether a block was asked for, and counts it down.
    pub(super) const fn take_block(&mut self) -> bool {
        take_one(&mut self.blocks)
    }

    /// Tells whether a transaction was asked for, and counts it down.
    pub(super) const fn take_transaction(&mut self) -> bool {
        take_one(&mut self.transactions)
    }

    /// Tells whether headers were asked for, and counts them down.
    pub(super) const fn take_headers(&mut self) -> bool {
        take_one(&mut self.headers)
    }

    /// Takes note of what the peer does not have.
    pub(super) fn not_found(&mut self, items: &[Inventory]) {
        for item in items {
            match item {
                Inventory::Tx(_) => take_one(&mut self.transactions),
                _ => take_one(&mut self.blocks),
            };
        }
    }
}

const fn take_one(count: &mut usize) -> bool {
    match count.checked_sub(1) {
        Some(less) => {
            *count = less;
            true
        }
        None => false,
    }
}

/// Items that the peer asked for, handed to the node in portions.
#[derive(Debug, Default)]
pub(super) struct Serving {
    waiting: VecDeque<Inventory>,
    /// Items of the last portion that the node has not answered, and when it got them.
    open: usize,
    since: Option<Instant>,
}

impl Serving {
    /// Takes a request; tells whether there was room.
    pub(super) fn push(&mut self, items: impl ExactSizeIterator<Item = Inventory>) -> bool {
        if self.waiting.len().saturating_add(items.len()) > MAX_WAITING_REQUESTS {
            return false;
        }
        self.waiting.extend(items);
        true
    }

    /// Returns how many items wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Takes note of an answer of the node.
    pub(super) fn answered(&mut self, message: &Encoded, now: Instant) {
        let items = match message.command() {
            Command::BLOCK | Command::TX | Command::CMPCTBLOCK => 1,
            Command::NOTFOUND => message.parts().1.len() / Inventory::MIN_BYTES,
            _ => return,
        };
        self.open = self.open.saturating_sub(items);
        self.since = Some(now);
    }

    /// Returns the next portion when its time has come; one item of it if `careful`.
    pub(super) fn next(&mut self, now: Instant, careful: bool) -> Option<Vec<Inventory>> {
        if self.waiting.is_empty() || self.due_at().is_some_and(|due| due > now) {
            return None;
        }
        let count = if careful { 1 } else { PORTION_ITEMS };
        let portion: Vec<_> = self.waiting.drain(..count.min(self.waiting.len())).collect();
        self.open = portion.len();
        self.since = Some(now);
        Some(portion)
    }

    /// Returns when the next portion follows even without answers; `None` when none are missing.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let since = self.since.filter(|_| self.open > 0 && !self.waiting.is_empty())?;
        Some(since + PORTION_TIMEOUT)
    }
}
