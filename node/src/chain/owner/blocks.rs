//! Blocks from peers and of our own.

use std::time::{Duration, Instant};

use mvs_consensus::block::BodyRejection;
use mvs_consensus::branch::replaces;
use mvs_consensus::error::Rejection;
use mvs_consensus::header::{HeaderRejection, PlacedHeader, accept_header, check_headers};
use mvs_primitives::hash::BlockHash;
use mvs_primitives::header::Header;

use super::jobs::{BodyFault, HeaderSource, Urgency};
use super::{BlockReply, Owner, broken, verdict};
use crate::chain::bodies::Body;
use crate::chain::command::{BlockRefusal, BlockVerdict};
use crate::chain::core::{ChainError, InvalidBlock};
use crate::chain::index::{Known, Standing};
use crate::chain::intake::HeadersStop;
use crate::p2p::api::{Charge, Merit, PeerId, Penalty};
use crate::p2p::message::RawBlock;
use crate::telemetry::Gate;

/// On a chain that is cheap to mine anybody can make invalid blocks.
static INVALID: Gate = Gate::new(5, Duration::from_secs(60));

/// Blocks that wait for the verdict on their header. They came without being asked for.
pub(super) const MOST_WAITING: usize = 32;
/// Bodies that may be checked at a time; more are dropped and asked for again.
const MOST_CHECKS: usize = 4_096;

/// Blocks of our own that may be in judgement beyond what strangers may have there.
const MOST_OWN: usize = 64;

/// Whether so many of something in judgement leave no room for a block. Strangers must not keep out
/// what we found.
fn is_full(there: usize, most: usize, from: Option<PeerId>) -> bool {
    there >= if from.is_some() { most } else { most + MOST_OWN }
}

/// A block whose header is being judged.
#[derive(Debug)]
pub(super) struct WaitingBlock {
    block: RawBlock,
    from: Option<PeerId>,
    charge: Charge,
}

impl Owner {
    pub(super) fn on_block(
        &mut self,
        peer: PeerId,
        block: RawBlock,
        charge: Charge,
    ) -> Result<(), ChainError> {
        let (hash, bytes) = (block.hash(), block.bytes().len());
        let now = self.now();
        let was_asked = self.planner.block_arrived(peer, &hash, bytes, now);
        match self.core.index.standing(self.core.trunk(), &hash)? {
            Standing::Trunk(_) => {}
            Standing::Invalid => {
                verdict::refused(&hash, "block.known_invalid");
                self.network.penalise(peer, Penalty::BAN, "block.known_invalid");
            }
            Standing::Beside(_) => {
                // Nobody makes us hold bodies of branches that cannot win.
                let tip = self.core.tip().work;
                let may_win = self.core.index.work(&hash).is_some_and(|work| replaces(work, tip));
                if was_asked || may_win {
                    self.start_body(block, Some(peer), charge)?;
                }
            }
            Standing::Unknown => self.judge_header_first(block, Some(peer), charge)?,
        }
        Ok(())
    }

    fn judge_header_first(
        &mut self,
        block: RawBlock,
        from: Option<PeerId>,
        charge: Charge,
    ) -> Result<(), ChainError> {
        let (hash, header) = (block.hash(), block.header().clone());
        if let Some(waiting) = self.waiting.get_mut(&hash) {
            // Bytes of our own are worth more than a stranger's under the same header.
            if from.is_none() {
                *waiting = WaitingBlock { block, from, charge };
            }
            return Ok(());
        }
        if is_full(self.waiting.len(), MOST_WAITING, from) {
            self.answer_block(&hash, Err(BlockRefusal::Busy));
            return Ok(());
        }
        self.waiting.insert(hash, WaitingBlock { block, from, charge });
        self.start_headers(HeaderSource::Block(hash), vec![header])
    }

    /// Tells whether a block that waits for the verdict on its header is of our own making.
    pub(super) fn is_own_block(&self, hash: &BlockHash) -> bool {
        self.waiting.get(hash).is_some_and(|waiting| waiting.from.is_none())
    }

    /// Returns who sent a block that waits for the verdict on its header.
    pub(super) fn sender_of_waiting(&self, hash: &BlockHash) -> Option<PeerId> {
        self.waiting.get(hash).and_then(|waiting| waiting.from)
    }

    pub(super) fn waiting_header_judged(
        &mut self,
        hash: BlockHash,
        stop: Option<HeadersStop>,
    ) -> Result<(), ChainError> {
        let Some(WaitingBlock { block, from, charge }) = self.waiting.remove(&hash) else {
            return Ok(());
        };
        if self.core.index.get(&hash).is_some() {
            if let Some(peer) = from {
                let (index, trunk) = (&self.core.index, self.core.trunk());
                self.planner.peer_has(index, trunk, peer, hash)?;
            }
            return self.start_body(block, from, charge);
        }
        if let Some(stop) = stop {
            if let Some(peer) = from {
                match stop {
                    // Its ancestors are unknown: ask for their headers.
                    HeadersStop::NoParent { .. } => self.planner.blocks_announced(peer),
                    HeadersStop::Rule { .. } | HeadersStop::KnownInvalid { .. } => {
                        self.network.penalise(peer, Penalty::BAN, stop.code());
                    }
                    _ => {}
                }
            }
            self.answer_block(&hash, Err(stop.into()));
            return Ok(());
        }
        self.answer_forgotten(&hash)
    }

    /// Has a body checked whose header is held.
    fn start_body(
        &mut self,
        block: RawBlock,
        from: Option<PeerId>,
        charge: Charge,
    ) -> Result<(), ChainError> {
        let hash = block.hash();
        if self.core.bodies.has(&hash) {
            return self.answer_forgotten(&hash);
        }
        if is_full(self.core.bodies.checking(), MOST_CHECKS, from) {
            self.answer_block(&hash, Err(BlockRefusal::Busy));
            return Ok(());
        }
        let placed = match self.core.index.get(&hash) {
            Some(Known::Placed(placed)) => placed.clone(),
            Some(Known::Stored { header, .. }) => {
                let header = header.clone();
                let placed = self.place_again(header)?;
                self.core.index.set_placed(placed.clone());
                placed
            }
            None => return self.answer_forgotten(&hash),
        };
        self.core.bodies.start_check(hash, from);
        let urgency = if from.is_none() { Urgency::OwnBlock } else { Urgency::Chain };
        self.check_body(urgency, placed, block, charge);
        Ok(())
    }

    /// A header that came back from the connected chain; it was judged before.
    fn place_again(&self, header: Header) -> Result<PlacedHeader, ChainError> {
        let gone = || broken("a header that is held has no place any more");
        let tools = self.core.tools();
        let parent = header.previous;
        let checked = check_headers(&tools.params, &tools.caches, vec![header]).pop();
        let checked = match checked {
            Some(Ok(checked)) => checked,
            Some(Err(Rejection::Fault(fault))) => return Err(fault.into()),
            _ => return Err(gone()),
        };
        let view = self.core.index.view_to(self.core.trunk(), &parent)?;
        let (parent, view) = view.ok_or_else(gone)?;
        match accept_header(&tools.params, &view, parent, checked, u64::MAX) {
            Ok(placed) => Ok(placed),
            Err(HeaderRejection::Fault(fault)) => Err(fault.into()),
            Err(_) => Err(gone()),
        }
    }

    pub(super) fn body_checked(
        &mut self,
        hash: BlockHash,
        bytes: usize,
        result: Result<std::sync::Arc<mvs_consensus::block::CheckedBlock>, BodyFault>,
    ) -> Result<(), ChainError> {
        let Some(from) = self.core.bodies.end_check(&hash) else {
            return self.answer_forgotten(&hash);
        };
        if self.core.index.get(&hash).is_none() {
            return self.answer_forgotten(&hash);
        }
        match result {
            Ok(block) => {
                self.core.bodies.insert(hash, Body::Checked { block, bytes }, from);
                self.core.touch();
                self.answer_side_block(&hash);
            }
            Err(BodyFault::Garbage(error)) => {
                self.wrong_body(&hash, from, error.code(), error.to_string(), Penalty::BAN);
            }
            Err(BodyFault::Refused(BodyRejection::Mismatch(error))) => {
                // The header stays good, and others have the right body.
                let penalty = Penalty::of_points(50);
                self.wrong_body(&hash, from, error.code(), error.to_string(), penalty);
            }
            Err(BodyFault::Refused(BodyRejection::Rule(error))) => {
                let Some(height) = self.core.index.get(&hash).map(|known| known.header().number)
                else {
                    return Ok(());
                };
                let mut invalid = self.core.mark_invalid(hash, height, error);
                invalid.from = from;
                self.on_invalid(&invalid);
            }
        }
        Ok(())
    }

    fn wrong_body(
        &mut self,
        hash: &BlockHash,
        from: Option<PeerId>,
        code: &'static str,
        text: String,
        penalty: Penalty,
    ) {
        verdict::refused(hash, code);
        tracing::debug!(target: "chain", %hash, code, text, "body dropped");
        if let Some(peer) = from {
            self.planner.body_was_wrong(peer);
            self.network.penalise(peer, penalty, code);
        }
        self.answer_block(hash, Err(BlockRefusal::Refused { code, text }));
    }

    /// A block breaks a rule: it and its descendants are out, and its sender did not judge it.
    pub(super) fn on_invalid(&mut self, invalid: &InvalidBlock) {
        let (code, error) = (invalid.error.code(), &invalid.error);
        verdict::refused(&invalid.hash, code);
        if let Some(held_back) = INVALID.pass(Instant::now()) {
            tracing::warn!(target: "chain", height = %invalid.height, hash = %invalid.hash, code,
                %error, held_back, "invalid block");
        }
        self.planner.forget_blocks(&invalid.gone);
        if let Some(peer) = invalid.from {
            self.network.penalise(peer, Penalty::BAN, code);
        }
        for hash in &invalid.gone {
            let text = error.to_string();
            self.answer_block(hash, Err(BlockRefusal::Refused { code, text }));
        }
    }

    pub(super) fn submit_block(
        &mut self,
        block: RawBlock,
        reply: BlockReply,
    ) -> Result<(), ChainError> {
        let hash = block.hash();
        let refuse = |reply: BlockReply, refusal| drop(reply.send(Err(refusal)));
        match self.core.index.standing(self.core.trunk(), &hash)? {
            Standing::Trunk(_) => refuse(reply, BlockRefusal::Known),
            Standing::Invalid => {
                let text = "the block is known to be invalid".to_owned();
                refuse(reply, BlockRefusal::Refused { code: "headers.known_invalid", text });
            }
            Standing::Beside(_) if self.core.bodies.is_ready(&hash) => {
                refuse(reply, BlockRefusal::Known);
            }
            Standing::Beside(_) => {
                self.block_replies.entry(hash).or_default().push(reply);
                self.start_body(block, None, Charge::none())?;
            }
            Standing::Unknown => {
                self.block_replies.entry(hash).or_default().push(reply);
                self.judge_header_first(block, None, Charge::none())?;
            }
        }
        Ok(())
    }

    /// A block of ours that was found right but does not win.
    fn answer_side_block(&mut self, hash: &BlockHash) {
        let tip = self.core.tip().work;
        let wins = self.core.index.work(hash).is_some_and(|work| replaces(work, tip));
        if !wins {
            self.answer_block(hash, Ok(BlockVerdict { hash: *hash, is_on_chain: false }));
        }
    }

    /// Answers whoever waits for the verdict on a block that nothing more will happen to: it is there
    /// already, or its branch was given up in the meantime.
    pub(super) fn answer_forgotten(&mut self, hash: &BlockHash) -> Result<(), ChainError> {
        if !self.block_replies.contains_key(hash) || self.waiting.contains_key(hash) {
            return Ok(());
        }
        match self.core.index.standing(self.core.trunk(), hash)? {
            Standing::Trunk(_) => {
                self.answer_block(hash, Ok(BlockVerdict { hash: *hash, is_on_chain: true }));
            }
            Standing::Beside(_) if self.core.bodies.is_ready(hash) => self.answer_side_block(hash),
            // Its body is being checked, or to be handed in again.
            Standing::Beside(_) if self.core.bodies.has(hash) => {}
            Standing::Beside(_) => self.answer_block(hash, Err(BlockRefusal::Busy)),
            Standing::Invalid | Standing::Unknown => {
                let (code, text) = ("block.forgotten", "its branch was given up".to_owned());
                self.answer_block(hash, Err(BlockRefusal::Refused { code, text }));
            }
        }
        Ok(())
    }

    /// The same for all: branches are also given up when others need their place.
    pub(super) fn answer_all_forgotten(&mut self) -> Result<(), ChainError> {
        let waiting: Vec<BlockHash> = self.block_replies.keys().copied().collect();
        waiting.iter().try_for_each(|hash| self.answer_forgotten(hash))
    }

    pub(super) fn answer_block(
        &mut self,
        hash: &BlockHash,
        answer: Result<BlockVerdict, BlockRefusal>,
    ) {
        if let Some(solution) = self.solutions.remove(hash)
            && answer.is_ok()
        {
            self.templates.taken(solution);
        }
        for reply in self.block_replies.remove(hash).unwrap_or_default() {
            let _ = reply.send(answer.clone());
        }
    }

    /// Notes who brought blocks that joined the chain.
    pub(super) fn note_merit(&self, from: Option<PeerId>) {
        if let Some(peer) = from {
            self.network.note_merit(peer, Merit::Block);
        }
    }
}
