//! What [`ChainCore::advance`](super::ChainCore::advance) did.

use mvs_consensus::block::ConnectedBlock;
use mvs_consensus::error::BlockRuleError;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::height::Height;
use mvs_store::{Tip, UndoneBlock};

use crate::p2p::api::PeerId;

/// One step.
#[derive(Debug)]
pub enum Step {
    /// The chain moved, durably.
    Moved(Moved),
    /// A block is invalid, with all that builds on it. The chain is where it was.
    Invalid(InvalidBlock),
    /// There is nothing to do, or the stop token is set.
    Idle,
}

/// A durable change of the chain.
#[derive(Debug)]
pub struct Moved {
    /// Blocks that left the chain, highest first. After the first 32 MiB they have no bytes.
    pub undone: Vec<UndoneBlock>,
    /// Blocks that joined it, lowest first.
    pub connected: Vec<ConnectedBlock>,
    /// Who sent the latter.
    pub senders: Vec<Option<PeerId>>,
    /// The tip now.
    pub tip: Tip,
}

/// A block that breaks a rule.
#[derive(Debug)]
pub struct InvalidBlock {
    /// Its hash.
    pub hash: BlockHash,
    /// Its height.
    pub height: Height,
    /// The rule.
    pub error: BlockRuleError,
    /// Who sent it.
    pub from: Option<PeerId>,
    /// It and its descendants that were known.
    pub gone: Vec<BlockHash>,
}
