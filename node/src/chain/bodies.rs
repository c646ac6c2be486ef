//! Blocks whose headers are placed and that wait to be connected.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use mvs_consensus::block::CheckedBlock;
use mvs_primitives::encode::Encode as _;
use mvs_primitives::hash::BlockHash;

use crate::p2p::api::PeerId;

/// A block that waits.
#[derive(Debug, Clone)]
pub enum Body {
    /// Its body fits its header and shows nothing wrong by itself.
    Checked {
        /// The block.
        block: Arc<CheckedBlock>,
        /// Its length on the wire.
        bytes: usize,
    },
    /// Its bytes: it was connected before, or decoded it took too much room.
    Raw(Bytes),
}

#[derive(Debug)]
struct Held {
    body: Body,
    from: Option<PeerId>,
}

/// Decoded, a block takes about this many times its bytes.
const DECODED_FACTOR: usize = 4;

/// Blocks that wait to be connected, and those being checked on the way here.
#[derive(Debug, Default)]
pub struct Bodies {
    held: HashMap<BlockHash, Held>,
    /// Being checked: from whom.
    checking: HashMap<BlockHash, Option<PeerId>>,
    wire_bytes: usize,
    memory_bytes: usize,
    losses: Losses,
}

/// Changes whenever a block is not there any more that was held or being checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Losses {
    count: u64,
    /// The block whose check has ended, unless it was added: then nothing was lost.
    ended: Option<BlockHash>,
}

impl Losses {
    /// Notes that a block was let go.
    pub(crate) const fn note(&mut self) {
        self.count = self.count.saturating_add(1);
    }
}

impl Bodies {
    /// Notes that a block is being checked.
    pub fn start_check(&mut self, hash: BlockHash, from: Option<PeerId>) {
        self.checking.insert(hash, from);
    }

    /// Notes that the check has ended. Tells whether it was still wanted, and who sent the block.
    pub fn end_check(&mut self, hash: &BlockHash) -> Option<Option<PeerId>> {
        let from = self.checking.remove(hash)?;
        if self.losses.ended.replace(*hash).is_some() {
            self.losses.note();
        }
        Some(from)
    }

    /// Returns what tells whether a block was lost since another look.
    pub const fn losses(&self) -> Losses {
        self.losses
    }

    /// Returns how many are being checked.
    pub fn checking(&self) -> usize {
        self.checking.len()
    }

    /// Adds a block.
    pub fn insert(&mut self, hash: BlockHash, body: Body, from: Option<PeerId>) {
        if self.losses.ended == Some(hash) {
            self.losses.ended = None;
        }
        self.take(&hash);
        self.wire_bytes = self.wire_bytes.saturating_add(wire_bytes(&body));
        self.memory_bytes = self.memory_bytes.saturating_add(memory_bytes(&body));
        self.held.insert(hash, Held { body, from });
    }

    /// Tells whether a block is held or being checked: it need not be asked for.
    pub fn has(&self, hash: &BlockHash) -> bool {
        self.held.contains_key(hash) || self.checking.contains_key(hash)
    }

    /// Tells whether a block is held, so that it can be connected.
    pub fn is_ready(&self, hash: &BlockHash) -> bool {
        self.held.contains_key(hash)
    }

    /// Returns a block.
    pub fn get(&self, hash: &BlockHash) -> Option<&Body> {
        self.held.get(hash).map(|held| &held.body)
    }

    /// Returns who sent a block.
    pub fn sender(&self, hash: &BlockHash) -> Option<PeerId> {
        self.held.get(hash).and_then(|held| held.from)
    }

    /// Takes a block out.
    pub fn remove(&mut self, hash: &BlockHash) -> Option<Body> {
        let body = self.take(hash)?;
        self.losses.note();
        Some(body)
    }

    fn take(&mut self, hash: &BlockHash) -> Option<Body> {
        let held = self.held.remove(hash)?;
        self.wire_bytes = self.wire_bytes.saturating_sub(wire_bytes(&held.body));
        self.memory_bytes = self.memory_bytes.saturating_sub(memory_bytes(&held.body));
        Some(held.body)
    }

    /// Lets go of a block in whatever state it is.
    pub fn forget(&mut self, hash: &BlockHash) {
        self.remove(hash);
        if self.checking.remove(hash).is_some() {
            self.losses.note();
        }
    }

    /// Keeps only blocks that somebody still wants.
    pub fn retain(&mut self, wanted: impl Fn(&BlockHash) -> bool) {
        let gone: Vec<BlockHash> = self.held.keys().filter(|hash| !wanted(hash)).copied().collect();
        for hash in gone {
            self.remove(&hash);
        }
    }

    /// Returns how many are held.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Tells whether none is held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Returns their length on the wire.
    pub const fn wire_bytes(&self) -> usize {
        self.wire_bytes
    }

    /// Estimates the memory that they take.
    pub const fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Returns which are held.
    pub fn hashes(&self) -> impl Iterator<Item = &BlockHash> {
        self.held.keys()
    }

    /// Keeps a block as its bytes from now on: it is checked again when it is connected.
    pub fn pack(&mut self, hash: &BlockHash) {
        let Some(Held { body: Body::Checked { block, .. }, from }) = self.held.get(hash) else {
            return;
        };
        let (bytes, from) = (Bytes::from(block.block().to_bytes()), *from);
        self.insert(*hash, Body::Raw(bytes), from);
    }
}

fn memory_bytes(body: &Body) -> usize {
    match body {
        Body::Checked { bytes, .. } => bytes.saturating_mul(DECODED_FACTOR),
        Body::Raw(bytes) => bytes.len(),
    }
}

fn wire_bytes(body: &Body) -> usize {
    match body {
        Body::Checked { bytes, .. } => *bytes,
        Body::Raw(bytes) => bytes.len(),
    }
}
