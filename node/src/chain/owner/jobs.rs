//! What the verification threads do for the owner.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use mvs_consensus::block::{BlockBody, BodyRejection, CheckedBlock, check_block};
use mvs_consensus::error::{HeaderRuleError, Rejection};
use mvs_consensus::header::{CheckedHeader, PlacedHeader, check_headers};
use mvs_primitives::encode::DecodeError;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::header::Header;

use super::Owner;
use crate::chain::command::{Command, TestReply};
use crate::chain::core::{ChainError, Tools};
use crate::chain::intake::HeadersStop;
use crate::mempool::Verdict;
use crate::p2p::api::{Charge, PeerId};
use crate::p2p::message::RawBlock;

/// Seals that one thread verifies together.
const SEALS: usize = 64;
/// Seals of a list that are verified before all others: a list of false ones costs no more than these.
pub(super) const PILOT: usize = 16;

/// What goes before what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// A block of our own: every moment that the others hear of it later costs.
    OwnBlock,
    /// Headers and blocks of peers.
    Chain,
    /// Loose transactions.
    Loose,
}

/// Whose headers they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderSource {
    /// A `headers` message of a peer.
    Peer(PeerId),
    /// The header of a block that waits.
    Block(BlockHash),
}

/// A list of headers on its way through the seals.
#[derive(Debug)]
pub(super) struct HeaderList {
    pub(super) source: HeaderSource,
    /// The first one.
    pub(super) first: Option<BlockHash>,
    /// Headers in the message.
    pub(super) count: usize,
    /// The last one that was known before.
    pub(super) last_known: Option<BlockHash>,
    /// Why the message was not taken to its end.
    pub(super) stop: Option<HeadersStop>,
}

pub(super) type Seal = (BlockHash, Result<CheckedHeader, Rejection<HeaderRuleError>>);

/// A body that is refused.
#[derive(Debug)]
pub(super) enum BodyFault {
    /// No block at all.
    Garbage(DecodeError),
    /// A block that does not fit its header, or breaks a rule by itself.
    Refused(BodyRejection),
}

/// What comes back.
#[derive(Debug)]
pub(super) enum JobResult {
    /// Seals were verified, as far as the first false one.
    Headers(HeaderList, Vec<Seal>),
    /// The first seals of a list hold; these headers are left.
    Pilot(HeaderList, Vec<Seal>, Vec<Header>),
    /// A body was checked.
    Body { hash: BlockHash, bytes: usize, result: Result<Arc<CheckedBlock>, BodyFault> },
    /// A loose transaction was verified.
    Tx { verdict: Box<Verdict>, from: Option<PeerId> },
    /// A transaction that is only tested was verified.
    Test { verdict: Box<Verdict>, reply: TestReply },
    /// A job panicked: our bug.
    Panicked,
}

impl Owner {
    /// Runs a job on some thread; its result comes back to [`Owner::take_result`].
    pub(super) fn spawn(
        &self,
        urgency: Urgency,
        job: impl FnOnce() -> Option<JobResult> + Send + 'static,
    ) {
        let results = self.results_in.clone();
        let wake = self.wake.clone();
        let job = move || {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
            let result = match outcome {
                Ok(Some(result)) => result,
                Ok(None) => return,
                Err(_) => JobResult::Panicked,
            };
            // The owner may be gone. If its queue is full it is awake and will look here.
            let _ = results.send(result);
            if let Some(wake) = wake.upgrade() {
                let _ = wake.try_send(Command::Wake);
            }
        };
        let pool = &self.core.tools().pool;
        match urgency {
            Urgency::OwnBlock => pool.spawn_urgent(job),
            Urgency::Chain => pool.spawn(job),
            Urgency::Loose => pool.spawn_last(job),
        }
    }

    pub(super) fn take_result(&mut self, result: JobResult) -> Result<(), ChainError> {
        match result {
            JobResult::Headers(list, seals) => self.headers_verified(list, seals),
            JobResult::Pilot(list, seals, rest) => {
                // Nobody waits for the rest if its sender left.
                if let HeaderSource::Peer(peer) = list.source
                    && !self.peers.contains_key(&peer)
                {
                    return self.headers_verified(list, seals);
                }
                self.verify_rest(list, seals, rest);
                Ok(())
            }
            JobResult::Body { hash, bytes, result } => self.body_checked(hash, bytes, result),
            JobResult::Tx { verdict, from } => self.tx_verified(*verdict, from),
            JobResult::Test { verdict, reply } => self.tx_tested(*verdict, reply),
            JobResult::Panicked => Err(super::broken("a verification job panicked")),
        }
    }

    /// Verifies seals: a few, and if those hold the others.
    pub(super) fn verify_seals(&self, list: HeaderList, mut headers: Vec<Header>) {
        let urgency = match list.source {
            HeaderSource::Block(hash) if self.is_own_block(&hash) => Urgency::OwnBlock,
            _ => Urgency::Chain,
        };
        let rest = headers.split_off(headers.len().min(PILOT));
        let tools = self.core.tools().clone();
        self.spawn(urgency, move || {
            let seals = check_seals(&tools, headers);
            let holds = seals.iter().all(|(_, seal)| seal.is_ok());
            Some(match holds && !rest.is_empty() {
                true => JobResult::Pilot(list, seals, rest),
                false => JobResult::Headers(list, seals),
            })
        });
    }

    /// Verifies the seals behind the first ones, in parts on several threads.
    fn verify_rest(&self, list: HeaderList, pilot: Vec<Seal>, headers: Vec<Header>) {
        let parts: Vec<Vec<Header>> = headers.chunks(SEALS).map(<[Header]>::to_vec).collect();
        let task = Arc::new(SealTask {
            left: AtomicUsize::new(parts.len()),
            state: Mutex::new(SealParts {
                list: Some(list),
                pilot,
                done: parts.iter().map(|_| None).collect(),
            }),
        });
        for (number, part) in parts.into_iter().enumerate() {
            let task = Arc::clone(&task);
            let tools = self.core.tools().clone();
            self.spawn(Urgency::Chain, move || task.put(number, check_seals(&tools, part)));
        }
    }

    /// Checks a body against its header.
    pub(super) fn check_body(
        &self,
        urgency: Urgency,
        placed: PlacedHeader,
        block: RawBlock,
        charge: Charge,
    ) {
        let params = Arc::clone(&self.core.tools().params);
        self.spawn(urgency, move || {
            let hash = block.hash();
            let result = match BlockBody::decode(block.bytes()) {
                Ok(body) => check_block(&params, placed, body).map_err(BodyFault::Refused),
                Err(error) => Err(BodyFault::Garbage(error)),
            };
            drop(charge);
            Some(JobResult::Body { hash, bytes: block.bytes().len(), result })
        });
    }
}

fn check_seals(tools: &Tools, headers: Vec<Header>) -> Vec<Seal> {
    let hashes: Vec<BlockHash> = headers.iter().map(Header::hash).collect();
    hashes.into_iter().zip(check_headers(&tools.params, &tools.caches, headers)).collect()
}

/// A list of headers in parts; whoever finishes the last part hands it in.
struct SealTask {
    left: AtomicUsize,
    state: Mutex<SealParts>,
}

struct SealParts {
    list: Option<HeaderList>,
    pilot: Vec<Seal>,
    done: Vec<Option<Vec<Seal>>>,
}

impl SealTask {
    fn put(&self, number: usize, seals: Vec<Seal>) -> Option<JobResult> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = state.done.get_mut(number) {
            *place = Some(seals);
        }
        if self.left.fetch_sub(1, Ordering::AcqRel) > 1 {
            return None;
        }
        let list = state.list.take()?;
        let mut all = std::mem::take(&mut state.pilot);
        for part in state.done.drain(..) {
            match part {
                Some(part) => all.extend(part),
                None => return Some(JobResult::Panicked),
            }
        }
        Some(JobResult::Headers(list, all))
    }
}
