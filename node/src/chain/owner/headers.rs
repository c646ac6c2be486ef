//! Headers from peers, and of blocks that wait.

use mvs_primitives::header::Header;

use super::jobs::{HeaderList, HeaderSource, Seal};
use super::{Owner, unix_now, verdict};
use crate::chain::command::BlockRefusal;
use crate::chain::core::ChainError;
use crate::chain::intake::{HeadersStop, place, screen};
use crate::p2p::api::{PeerId, Penalty};
use crate::p2p::message::HeaderEntry;
use crate::sync::{HeadersEnd, HeadersOutcome};

/// Messages of one peer that wait while another one of it is being verified. An honest peer sends
/// the answer to our one request, and an announcement now and then.
const MOST_WAITING: usize = 8;

impl Owner {
    pub(super) fn on_headers(
        &mut self,
        peer: PeerId,
        entries: Vec<HeaderEntry>,
    ) -> Result<(), ChainError> {
        let headers: Vec<Header> = entries.into_iter().map(|entry| entry.header).collect();
        let Some(state) = self.peers.get_mut(&peer) else { return Ok(()) };
        if state.is_verifying {
            if state.headers.len() >= MOST_WAITING {
                self.network.penalise(peer, Penalty::WASTEFUL, "headers.too_many");
            } else {
                state.headers.push_back(headers);
            }
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

    /// Gives headers their place and tells the planner.
    pub(super) fn headers_verified(
        &mut self,
        list: HeaderList,
        seals: Vec<Seal>,
    ) -> Result<(), ChainError> {
        let (index, trunk, tools) = self.core.index_and_trunk();
        let placed = place(&tools.params, index, trunk, seals, unix_now())?;
        let HeaderList { source, first, count, last_known, stop } = list;
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
                let outcome = HeadersOutcome { count, held: placed.held, last, end };
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
        let Some(state) = self.peers.get_mut(&peer) else { return Ok(()) };
        state.is_verifying = false;
        match state.headers.pop_front() {
            Some(headers) => self.start_headers(HeaderSource::Peer(peer), headers),
            None => Ok(()),
        }
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

impl From<HeadersStop> for BlockRefusal {
    fn from(stop: HeadersStop) -> Self {
        Self::Refused { code: stop.code(), text: stop.to_string() }
    }
}
