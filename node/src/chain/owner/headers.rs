//! Headers from peers, and of blocks that wait.

use mvs_primitives::header::Header;

use super::jobs::{HeaderList, HeaderSource, Seal};
use super::{Owner, unix_now, verdict};
use crate::chain::command::BlockRefusal;
use crate::chain::core::ChainError;
use crate::chain::index::Source;
use crate::chain::intake::{HeadersStop, place, screen};
use crate::p2p::api::{PeerId, Penalty};
use crate::p2p::message::{HeaderEntry, MAX_HEADERS_EXTENDED};
use crate::sync::{HeadersEnd, HeadersOutcome};

impl Owner {
    pub(super) fn on_headers(
        &mut self,
        peer: PeerId,
        entries: Vec<HeaderEntry>,
    ) -> Result<(), ChainError> {
        let headers: Vec<Header> = entries.into_iter().map(|entry| entry.header).collect();
        let now = self.now();
        let others: usize = self.peers.values().map(|state| state.headers.len()).sum();
        let Some(state) = self.peers.get_mut(&peer) else { return Ok(()) };
        self.planner.headers_came(peer, now);
        if state.is_verifying {
            // No offence: a first node that syncs announces hundreds a second.
            let most = if others < MOST_OF_ALL { MAX_HEADERS_EXTENDED } else { MOST_WHEN_FULL };
            state.headers.put(headers, most);
            return Ok(());
        }
        self.start_headers(HeaderSource::Peer(peer), headers)
    }

    /// Screens headers and has the seals of the new ones verified.
    pub(super) fn start_headers(
        &mut self,
        source: HeaderSource,
        headers: Vec<Header>,
    ) -> Result<(), ChainError> {
        let (first, count) = (headers.first().map(Header::hash), headers.len());
        let (index, trunk, tools) = self.core.index_and_trunk();
        let screened = screen(&tools.params, index, trunk, headers, unix_now())?;
        let list = HeaderList {
            source,
            first,
            count,
            last_known: screened.last_known,
            stop: screened.stop,
            early: 0,
        };
        if screened.fresh.is_empty() {
            return self.headers_verified(list, Vec::new());
        }
        if let HeaderSource::Peer(peer) = source
            && let Some(state) = self.peers.get_mut(&peer)
        {
            state.is_verifying = true;
        }
        self.verify_seals(list, screened.fresh);
        Ok(())
    }

    /// Returns on whose share of the index headers are counted; nobody's for our own.
    pub(super) fn who_pays(&self, source: HeaderSource) -> Option<Source> {
        let told_by = match source {
            HeaderSource::Peer(peer) => Some(peer),
            HeaderSource::Block(hash) => self.sender_of_waiting(&hash),
        };
        // Of one that left in the meantime no more is known.
        told_by.map(|peer| self.peers.get(&peer).map_or(0, |state| state.source))
    }

    /// Gives headers their place and tells the planner.
    pub(super) fn headers_verified(
        &mut self,
        list: HeaderList,
        seals: Vec<Seal>,
    ) -> Result<(), ChainError> {
        let source = self.who_pays(list.source);
        let (index, trunk, tools) = self.core.index_and_trunk();
        index.set_source(source);
        let placed = place(&tools.params, index, trunk, seals, unix_now())?;
        index.set_source(None);
        let HeaderList { source, first, count, last_known, stop, early } = list;
        // What was found wrong first in the list's order.
        let stop = placed.stop.or(stop);
        if let Some((stop, hash)) =
            stop.as_ref().and_then(|stop| Some((stop, stop.hash().or(first)?)))
        {
            verdict::refused(&hash, stop.code());
        }
        if placed.held > 0 {
            self.core.touch();
        }
        match source {
            HeaderSource::Block(hash) => self.waiting_header_judged(hash, stop)?,
            HeaderSource::Peer(peer) => {
                let end = match &stop {
                    None => HeadersEnd::Taken,
                    Some(HeadersStop::NoParent { .. }) => HeadersEnd::NoParent,
                    Some(HeadersStop::Full) => HeadersEnd::Full,
                    Some(_) => HeadersEnd::Refused,
                };
                let last = placed.last.or(last_known);
                let outcome = HeadersOutcome { count, held: placed.held + early, last, end };
                let now = self.now();
                let (index, trunk) = (&self.core.index, self.core.trunk());
                self.planner.headers_judged(index, trunk, peer, &outcome, now)?;
                if let Some(stop) = stop {
                    self.judge_sender(peer, &stop);
                }
                self.next_headers(peer)?;
            }
        }
        Ok(())
    }

    /// Goes on with what a peer sent in the meantime.
    fn next_headers(&mut self, peer: PeerId) -> Result<(), ChainError> {
        let now = self.now();
        let Some(state) = self.peers.get_mut(&peer) else { return Ok(()) };
        state.is_verifying = false;
        let (next, was_dropped) = state.headers.take();
        if let Some(headers) = next {
            self.planner.headers_came(peer, now);
            self.start_headers(HeaderSource::Peer(peer), headers)?;
        }
        if was_dropped {
            self.planner.headers_missed(peer);
        }
        Ok(())
    }

    fn judge_sender(&self, peer: PeerId, stop: &HeadersStop) {
        let code = stop.code();
        match stop {
            HeadersStop::Rule { .. } | HeadersStop::KnownInvalid { .. } => {
                tracing::debug!(target: "chain", %peer, code, %stop, "headers refused");
                self.network.penalise(peer, Penalty::BAN, code);
            }
            HeadersStop::NotConsecutive { .. } => {
                self.network.penalise(peer, Penalty::of_points(20), code);
            }
            HeadersStop::TooDeep { .. } => self.network.disconnect(peer, code),
            // Not its fault: the clock, or what we have not asked for yet.
            HeadersStop::NoParent { .. } | HeadersStop::TooEarly { .. } | HeadersStop::Full => {}
        }
    }
}

/// Headers that wait for the verification of others, of all peers together: 6 MB. More is taken only in
/// short lists.
const MOST_OF_ALL: usize = 20_000;
/// Headers of one peer that wait while there are too many: an announcement, with some to spare.
const MOST_WHEN_FULL: usize = 64;

/// Headers of a peer that came while others of it were being verified. One list at most, so that
/// haste costs neither memory nor anything else.
#[derive(Debug, Default)]
pub(super) struct WaitingHeaders {
    list: Vec<Header>,
    /// Some were dropped: the peer is to be asked for them.
    was_dropped: bool,
}

impl WaitingHeaders {
    /// Adds a list: announcements of one block after the other become one list. Of two that do not
    /// follow each other the longer stays, else the newer: a flow of announcements must not push out
    /// the answer that leads up to them.
    fn put(&mut self, headers: Vec<Header>, most: usize) {
        if self.list.len().max(headers.len()) > most {
            self.was_dropped = true;
            return;
        }
        let follows = match (self.list.last(), headers.first()) {
            (Some(last), Some(first)) => first.previous == last.hash(),
            _ => true,
        };
        if follows && self.list.len() + headers.len() <= most {
            self.list.extend(headers);
            return;
        }
        self.was_dropped = true;
        if !follows && headers.len() >= self.list.len() {
            self.list = headers;
        }
    }

    /// Returns how many wait.
    fn len(&self) -> usize {
        self.list.len()
    }

    /// Takes the list, and whether others were dropped since the last time.
    fn take(&mut self) -> (Option<Vec<Header>>, bool) {
        let list = std::mem::take(&mut self.list);
        ((!list.is_empty()).then_some(list), std::mem::take(&mut self.was_dropped))
    }
}

impl From<HeadersStop> for BlockRefusal {
    fn from(stop: HeadersStop) -> Self {
        Self::Refused { code: stop.code(), text: stop.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{MOST_WHEN_FULL, WaitingHeaders};
    use crate::chain::testing::{TestChain, params};
    use crate::p2p::message::MAX_HEADERS_EXTENDED;

    #[test]
    fn announcements_that_wait_become_one_list() {
        let chain = TestChain::new(&Arc::new(params())).grow(2_500, 1);
        let mut waiting = WaitingHeaders::default();
        for height in 0..2_500 {
            waiting.put(chain.headers(height, height + 1), MAX_HEADERS_EXTENDED);
        }
        let (list, was_dropped) = waiting.take();
        assert_eq!(list.unwrap(), chain.headers(0, MAX_HEADERS_EXTENDED as u32));
        assert!(was_dropped);
        assert_eq!(waiting.take(), (None, false));
    }

    #[test]
    fn an_answer_is_not_pushed_out_by_announcements() {
        let chain = TestChain::new(&Arc::new(params())).grow(700, 1);
        let mut waiting = WaitingHeaders::default();
        waiting.put(chain.headers(0, 500), MAX_HEADERS_EXTENDED);
        waiting.put(chain.headers(600, 601), MAX_HEADERS_EXTENDED);
        waiting.put(chain.headers(601, 602), MAX_HEADERS_EXTENDED);
        assert_eq!(waiting.take(), (Some(chain.headers(0, 500)), true));
        waiting.put(chain.headers(600, 601), MAX_HEADERS_EXTENDED);
        waiting.put(chain.headers(602, 603), MAX_HEADERS_EXTENDED);
        assert_eq!(waiting.take(), (Some(chain.headers(602, 603)), true));
    }

    #[test]
    fn when_there_is_little_room_only_short_lists_wait() {
        let chain = TestChain::new(&Arc::new(params())).grow(100, 1);
        let mut waiting = WaitingHeaders::default();
        waiting.put(chain.headers(0, MOST_WHEN_FULL as u32 + 1), MOST_WHEN_FULL);
        assert_eq!(waiting.take(), (None, true));
        waiting.put(chain.headers(0, 16), MOST_WHEN_FULL);
        assert_eq!(waiting.take(), (Some(chain.headers(0, 16)), false));
    }
}
