//! What waits to be written to one peer.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::{Duration, Instant};

use crate::p2p::codec::FRAME_HEADER_BYTES;
use crate::p2p::message::Encoded;

/// Messages on their way out, in order, with a bound on their number and bytes.
#[derive(Debug)]
pub(super) struct Outbox {
    messages: VecDeque<Encoded>,
    /// Bytes of the first message that are written already.
    written: usize,
    /// Bytes not yet written, of all messages.
    bytes: usize,
    window: Window,
}

/// How much was written while something waited.
#[derive(Debug, Clone, Copy)]
struct Window {
    since: Instant,
    bytes: usize,
}

/// How long a window is in which a peer must read.
pub const READ_WINDOW: Duration = Duration::from_secs(60);
/// What a peer must read in a window if so much waits; it is 0.5 KiB a second, slower than any line
/// over which blocks could be followed.
pub const READ_WINDOW_BYTES: usize = 32 * 1024;

impl Outbox {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            messages: VecDeque::new(),
            written: 0,
            bytes: 0,
            window: Window { since: now, bytes: 0 },
        }
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, message: Encoded, now: Instant) {
        if self.messages.is_empty() {
            self.window = Window { since: now, bytes: 0 };
        }
        self.bytes = self.bytes.saturating_add(message.wire_len());
        self.messages.push_back(message);
    }

    /// Fills `slices` with what is to be written next; returns how many were filled.
    pub(super) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut skip = self.written;
        let parts = self.messages.iter().flat_map(|message| {
            let (header, payload) = message.parts();
            [&header[..], &payload[..]]
        });
        let mut filled = 0;
        for part in parts {
            let rest = part.get(skip.min(part.len())..).unwrap_or_default();
            skip = skip.saturating_sub(part.len());
            if rest.is_empty() {
                continue;
            }
            let Some(place) = slices.get_mut(filled) else { break };
            *place = IoSlice::new(rest);
            filled += 1;
        }
        filled
    }

    /// Takes note of bytes that were written; calls `done` for each message that is complete.
    pub(super) fn advance(&mut self, written: usize, now: Instant, mut done: impl FnMut(&Encoded)) {
        let written = written.min(self.bytes);
        self.bytes -= written; // the minimum of both
        self.written += written; // lengths of messages in memory
        self.window.bytes = self.window.bytes.saturating_add(written);
        while let Some(first) = self.messages.front()
            && self.written >= first.wire_len()
        {
            self.written -= first.wire_len(); // just compared
            done(first);
            self.messages.pop_front();
        }
        if now.saturating_duration_since(self.window.since) >= READ_WINDOW
            && self.window.bytes >= READ_WINDOW_BYTES
        {
            self.window = Window { since: now, bytes: 0 };
        }
    }

    /// Returns when the peer will have read too little for too long; `None` when nothing waits.
    pub(super) fn stalled_at(&self) -> Option<Instant> {
        let enough = self.window.bytes >= READ_WINDOW_BYTES;
        let windows = if enough { 2 } else { 1 };
        (!self.messages.is_empty()).then(|| self.window.since + READ_WINDOW * windows)
    }
}

/// The header is written even when the payload is empty.
const _: () = assert!(FRAME_HEADER_BYTES > 0);

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::time::{Duration, Instant};

    use super::{Outbox, READ_WINDOW, READ_WINDOW_BYTES};
    use crate::p2p::codec::{Command, Magic};
    use crate::p2p::message::{Encoded, Message};

    fn message(len: usize) -> Encoded {
        let payload = vec![7u8; len].into();
        Message::Inert { command: Command::MERKLEBLOCK, payload }.encode(Magic::from_number(1))
    }

    fn gathered(outbox: &Outbox) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 16];
        let filled = outbox.slices(&mut slices);
        slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn any_split_of_writes_gives_the_same_bytes() {
        let now = Instant::now();
        for step in [1, 7, 23, 24, 25, 1000] {
            let mut outbox = Outbox::new(now);
            for len in [0, 3, 100] {
                outbox.push(message(len), now);
            }
            let whole = gathered(&outbox);
            assert_eq!(whole.len(), outbox.bytes());
            let (mut seen, mut done) = (Vec::new(), 0);
            while outbox.bytes() > 0 {
                let next = gathered(&outbox);
                let taken = step.min(next.len());
                seen.extend_from_slice(&next[..taken]);
                outbox.advance(taken, now, |_| done += 1);
            }
            assert_eq!((seen, done, outbox.len()), (whole, 3, 0));
        }
    }

    #[test]
    fn a_peer_must_read_while_something_waits() {
        let start = Instant::now();
        let mut outbox = Outbox::new(start);
        assert_eq!(outbox.stalled_at(), None);
        let later = start + Duration::from_secs(1000);
        outbox.push(message(100_000), later);
        assert_eq!(outbox.stalled_at(), Some(later + READ_WINDOW));
        outbox.advance(READ_WINDOW_BYTES - 1, later + READ_WINDOW, |_| ());
        assert_eq!(outbox.stalled_at(), Some(later + READ_WINDOW));
        outbox.advance(1, later + READ_WINDOW, |_| ());
        assert_eq!(outbox.stalled_at(), Some(later + READ_WINDOW * 2));
        outbox.advance(1_000_000, later + READ_WINDOW, |_| ());
        assert_eq!(outbox.stalled_at(), None);
    }
}
