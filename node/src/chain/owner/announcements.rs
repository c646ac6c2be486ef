//! What peers are to hear of a new tip, and how often.
//!
//! A node of the first kind that hears of a header whose parent it lacks fetches the block all the
//! same and asks for headers again, each time. Told of a thousand blocks one by one while we catch up,
//! it would do little else. So while heavier headers are known, only the tip of the moment is told,
//! now and then; a tip that is the best that we know is told at once.

use std::collections::VecDeque;
use std::time::Duration;

use crate::p2p::message::HeaderEntry;

/// Announcements at once.
const BURST: u32 = 64;
/// After this time there is room for one more.
const PAUSE: Duration = Duration::from_millis(20);
/// While heavier headers are known, at least this time passes between two.
const SLOW_PAUSE: Duration = Duration::from_secs(1);
/// Headers in an announcement; the first node announces whatever one change of its chain brought.
const MOST: usize = 16;

/// Headers that peers have not heard of, and room for announcements.
#[derive(Debug)]
pub(super) struct Announcements {
    /// Consecutive; the last one is the tip.
    waiting: VecDeque<HeaderEntry>,
    room: u32,
    since: Duration,
    last: Option<Duration>,
}

impl Default for Announcements {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), room: BURST, since: Duration::ZERO, last: None }
    }
}

impl Announcements {
    /// Adds the header of the new tip.
    pub(super) fn push(&mut self, entry: HeaderEntry) {
        if self.waiting.len() >= MOST {
            self.waiting.pop_front();
        }
        self.waiting.push_back(entry);
    }

    /// Tells whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Forgets what waits: the chain went another way, or too much came at once.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// Takes what is to be told at a time; nothing if there is no room for it now.
    pub(super) fn take(&mut self, now: Duration, at_best: bool) -> Vec<HeaderEntry> {
        let too_soon = self.last.is_some_and(|last| now.saturating_sub(last) < SLOW_PAUSE);
        if self.waiting.is_empty() || (!at_best && too_soon) || !self.take_room(now) {
            return Vec::new();
        }
        self.last = Some(now);
        self.waiting.drain(..).collect()
    }

    fn take_room(&mut self, now: Duration) -> bool {
        while self.room < BURST && now.saturating_sub(self.since) >= PAUSE {
            self.room += 1;
            self.since += PAUSE;
        }
        if self.room == BURST {
            self.since = now;
        }
        let there = self.room > 0;
        self.room = self.room.saturating_sub(1);
        there
    }
}

#[cfg(test)]
mod tests {
    use super::{Announcements, BURST, MOST, PAUSE, SLOW_PAUSE};
    use crate::p2p::message::HeaderEntry;
    use mvs_consensus::params::Params;
    use std::time::Duration;

    fn entry() -> HeaderEntry {
        HeaderEntry { header: Params::devnet().genesis.header, transaction_count: 1 }
    }

    #[test]
    fn a_burst_passes_and_then_one_at_a_time() {
        let mut announcements = Announcements::default();
        let mut passed = |now, times: usize| {
            let told = (0..times).filter(|_| {
                announcements.push(entry());
                !announcements.take(now, true).is_empty()
            });
            told.count()
        };
        let start = Duration::from_secs(5);
        assert_eq!(passed(start, 100), BURST as usize);
        assert_eq!(passed(start + PAUSE / 2, 1), 0);
        assert_eq!(passed(start + PAUSE, 2), 1);
        assert_eq!(passed(start + PAUSE * 3, 5), 2);
        assert_eq!(passed(start + Duration::from_secs(3_600), 100), BURST as usize);
    }

    #[test]
    fn what_waits_is_told_together_and_seldom_while_more_is_known() {
        let mut announcements = Announcements::default();
        let start = Duration::from_secs(5);
        assert!(announcements.take(start, true).is_empty());
        for _ in 0..MOST + 3 {
            announcements.push(entry());
        }
        assert_eq!(announcements.take(start, false).len(), MOST);
        announcements.push(entry());
        assert!(announcements.take(start + SLOW_PAUSE / 2, false).is_empty());
        assert_eq!(announcements.take(start + SLOW_PAUSE / 2, true).len(), 1);
        announcements.push(entry());
        assert_eq!(announcements.take(start + SLOW_PAUSE * 2, false).len(), 1);
        announcements.push(entry());
        announcements.clear();
        assert!(announcements.take(start + SLOW_PAUSE * 9, true).is_empty());
    }
}
