//! What the verification threads do for the owner.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use mvs_consensus::block::{BlockBody, BodyRejection, CheckedBlock, check_block};
use mvs_consensus::error::{HeaderRuleError, Rejection};
use mvs_consensus::header::{CheckedHeader, PlacedHeader, check_headers};
use mvs_primitives::encode::DecodeError;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::header::Header;

use super::{Owner, unix_now};
use crate::chain::command::{Command, TestReply};
use crate::chain::core::{ChainError, Tools};
use crate::chain::intake::{HeadersStop, place};
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
    /// Headers in bulk: blocks whose headers are known go first, so that the chain does not wait.
    Ahead,
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
    /// How many were handed in before the rest, as [`JobResult::Prefix`].
    pub(super) early: usize,
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
    /// More headers of a list, behind those before: their blocks can be asked for while the seals of
    /// the others are verified. The list as a whole comes again.
    Prefix(HeaderSource, Vec<CheckedHeader>),
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
        let (wake, is_woken) = (self.wake.clone(), Arc::clone(&self.is_woken));
        let job = move || {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
            let result = match outcome {
                Ok(Some(result)) => result,
                Ok(None) => return,
                Err(_) => JobResult::Panicked,
            };
            // The owner may be gone. If its queue is full it is awake and will look here.
            let _ = results.send(result);
            if !is_woken.swap(true, Ordering::SeqCst)
                && wake.upgrade().is_none_or(|wake| wake.try_send(Command::Wake).is_err())
            {
                is_woken.store(false, Ordering::SeqCst);
            }
        };
        let pool = &self.core.tools().pool;
        match urgency {
            Urgency::OwnBlock => pool.spawn_urgent(job),
            Urgency::Chain => pool.spawn(job),
            Urgency::Ahead => pool.spawn_later(job),
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
            JobResult::Prefix(source, headers) => self.place_early(source, headers),
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

    /// Gives headers their place before the rest of their list. What is wrong with them, or with their
    /// order, shows when the list is complete.
    fn place_early(
        &mut self,
        source: HeaderSource,
        headers: Vec<CheckedHeader>,
    ) -> Result<(), ChainError> {
        let seals = headers.into_iter().map(|header| (header.hash(), Ok(header))).collect();
        let source = self.who_pays(source);
        let (index, trunk, tools) = self.core.index_and_trunk();
        index.set_source(source);
        let placed = place(&tools.params, index, trunk, seals, unix_now())?;
        index.set_source(None);
        if placed.held > 0 {
            self.core.touch();
        }
        Ok(())
    }

    /// Verifies the seals behind the first ones, in parts on several threads.
    fn verify_rest(&self, list: HeaderList, pilot: Vec<Seal>, headers: Vec<Header>) {
        let parts: Vec<Vec<Header>> = headers.chunks(SEALS).map(<[Header]>::to_vec).collect();
        let task = Arc::new(SealTask::new(list, pilot, parts.len()));
        for (number, part) in parts.into_iter().enumerate() {
            let task = Arc::clone(&task);
            let tools = self.core.tools().clone();
            self.spawn(Urgency::Ahead, move || task.put(number, check_seals(&tools, part)));
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
    state: Mutex<SealParts>,
}

struct SealParts {
    list: Option<HeaderList>,
    /// The first ones, and those of all parts up to the first that is not done.
    seals: Vec<Seal>,
    /// How many of them were handed in early.
    early: usize,
    /// Parts that are done but the one before them is not.
    done: VecDeque<Option<Vec<Seal>>>,
    /// The part at the front of `done`.
    next: usize,
}

impl SealTask {
    fn new(list: HeaderList, first: Vec<Seal>, parts: usize) -> Self {
        let done = (0..parts).map(|_| None).collect();
        let state = SealParts { list: Some(list), seals: first, early: 0, done, next: 0 };
        Self { state: Mutex::new(state) }
    }

    fn put(&self, number: usize, seals: Vec<Seal>) -> Option<JobResult> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        let place = number.checked_sub(state.next).and_then(|place| state.done.get_mut(place))?;
        *place = Some(seals);
        while let Some(Some(seals)) = state.done.front_mut().map(Option::take) {
            state.done.pop_front();
            state.next += 1;
            state.seals.extend(seals);
        }
        if state.done.is_empty() {
            let list = HeaderList { early: state.early, ..state.list.take()? };
            return Some(JobResult::Headers(list, std::mem::take(&mut state.seals)));
        }
        let fresh = state.seals.iter().skip(state.early).map_while(|(_, seal)| seal.as_ref().ok());
        let headers: Vec<CheckedHeader> = fresh.cloned().collect();
        state.early += headers.len();
        let source = state.list.as_ref()?.source;
        (!headers.is_empty()).then_some(JobResult::Prefix(source, headers))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mvs_consensus::error::{HeaderRuleError, Rejection};
    use mvs_consensus::header::check_headers;

    use super::{HeaderList, HeaderSource, JobResult, Seal, SealTask};
    use crate::chain::testing::{TestChain, params};
    use crate::p2p::api::PeerId;

    fn list() -> HeaderList {
        let source = HeaderSource::Peer(PeerId::new(1));
        HeaderList { source, first: None, count: 8, last_known: None, stop: None, early: 0 }
    }

    fn seals(from: u32, to: u32) -> Vec<Seal> {
        let params = Arc::new(params());
        let headers = TestChain::new(&params).grow(8, 1).headers(from, to);
        let checked = check_headers(&params, &mvs_pow::CacheSet::new(1), headers);
        checked.into_iter().map(|seal| (seal.as_ref().unwrap().hash(), seal)).collect()
    }

    fn heights(result: Option<JobResult>) -> Vec<u32> {
        match result {
            Some(JobResult::Prefix(_, headers)) => {
                headers.iter().map(|header| header.header().number.value()).collect()
            }
            None => Vec::new(),
            Some(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn parts_are_handed_in_as_soon_as_those_before_them_are_done() {
        let task = SealTask::new(list(), seals(0, 2), 3);
        assert_eq!(heights(task.put(1, seals(4, 6))), [1, 2], "the part before it is missing");
        assert_eq!(heights(task.put(0, seals(2, 4))), [3, 4, 5, 6]);
        let Some(JobResult::Headers(list, all)) = task.put(2, seals(6, 8)) else { panic!() };
        assert_eq!((list.early, all.len()), (6, 8));
    }

    #[test]
    fn nothing_behind_a_false_seal_is_handed_in_early() {
        let task = SealTask::new(list(), Vec::new(), 4);
        let mut part = seals(0, 2);
        part[1].1 = Err(Rejection::Rule(HeaderRuleError::SealMix));
        assert_eq!(heights(task.put(0, part)), [1]);
        assert!(task.put(1, seals(2, 4)).is_none() && task.put(2, seals(4, 6)).is_none());
        let Some(JobResult::Headers(list, all)) = task.put(3, seals(6, 8)) else { panic!() };
        assert_eq!((list.early, all.len()), (1, 8));
    }
}
