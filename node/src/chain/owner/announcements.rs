//! How often peers are told of a new tip.
//!
//! A node of the first kind that hears of a header whose parent it lacks fetches the block all the
//! same and asks for headers again, each time. Told of a thousand blocks one by one while we catch up,
//! it would do little else. So a few are told at once, and beyond that only the tip of the moment.

use std::time::Duration;

/// Announcements at once.
const BURST: u32 = 16;
/// After this time there is room for one more.
const PAUSE: Duration = Duration::from_millis(250);

/// Room for announcements, and whether one is due.
#[derive(Debug)]
pub(super) struct Announcements {
    room: u32,
    since: Duration,
    is_owed: bool,
}

impl Default for Announcements {
    fn default() -> Self {
        Self { room: BURST, since: Duration::ZERO, is_owed: false }
    }
}

impl Announcements {
    /// Takes room for one at a time; tells whether there was any.
    pub(super) fn take(&mut self, now: Duration) -> bool {
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

    /// Notes that peers have not heard of the tip.
    pub(super) const fn owe(&mut self) {
        self.is_owed = true;
    }

    /// Notes that they have.
    pub(super) const fn paid(&mut self) {
        self.is_owed = false;
    }

    /// Tells whether peers have not heard of the tip.
    pub(super) const fn is_owed(&self) -> bool {
        self.is_owed
    }
}

#[cfg(test)]
mod tests {
    use super::{Announcements, BURST, PAUSE};
    use std::time::Duration;

    #[test]
    fn a_burst_passes_and_then_one_at_a_time() {
        let mut announcements = Announcements::default();
        let start = Duration::from_secs(5);
        let passed = (0..100).filter(|_| announcements.take(start)).count();
        assert_eq!(passed, BURST as usize);
        assert!(!announcements.take(start + PAUSE / 2));
        assert!(announcements.take(start + PAUSE));
        assert!(!announcements.take(start + PAUSE));
        assert!(announcements.take(start + PAUSE * 3));
        assert!(announcements.take(start + PAUSE * 3));
        assert!(!announcements.take(start + PAUSE * 3));
        let later = start + Duration::from_secs(3_600);
        let passed = (0..100).filter(|_| announcements.take(later)).count();
        assert_eq!(passed, BURST as usize);
    }
}
