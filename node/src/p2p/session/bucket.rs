//! Token buckets: how much of something a peer may do at once and in the long run.

use std::time::{Duration, Instant};

use super::limits::MAX_PAUSE;

/// How many tokens fit, and how fast they come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Tokens in a full bucket: what may come at once.
    pub burst: u32,
    /// Tokens that come back in [`Rate::period`].
    pub refill: u32,
    /// The time for [`Rate::refill`].
    pub period: Duration,
}

impl Rate {
    /// Makes a rate of `refill` tokens a second.
    pub const fn per_second(burst: u32, refill: u32) -> Self {
        Self { burst, refill, period: Duration::from_secs(1) }
    }

    /// Makes a rate of one token in so many seconds.
    pub const fn every_secs(burst: u32, secs: u64) -> Self {
        Self { burst, refill: 1, period: Duration::from_secs(secs) }
    }
}

/// A bucket that starts full.
///
/// What was taken beyond the bottom is owed: nothing can be taken until time has paid for it. So a
/// single large message is not refused, but what follows it waits; at most [`MAX_PAUSE`].
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    rate: Rate,
    level: i64,
    /// When `level` was true. Moves by whole tokens only, so that no fraction is lost.
    at: Instant,
}

impl Bucket {
    /// Makes a full bucket.
    pub fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, level: i64::from(rate.burst), at: now }
    }

    /// Takes tokens, below the bottom if need be; tells whether they were there.
    pub fn take(&mut self, now: Instant, tokens: u32) -> bool {
        self.refill(now);
        let most_owed = MAX_PAUSE.as_nanos() / self.token_time().as_nanos();
        let lowest = i64::try_from(most_owed).unwrap_or(i64::MAX).max(1).saturating_neg();
        self.level = self.level.saturating_sub(i64::from(tokens)).max(lowest);
        self.level >= 0
    }

    /// Takes as many of `wanted` tokens as are there.
    pub fn take_up_to(&mut self, now: Instant, wanted: u32) -> u32 {
        self.refill(now);
        let there = u32::try_from(self.level.max(0)).unwrap_or(u32::MAX).min(wanted);
        self.level = self.level.saturating_sub(i64::from(there));
        there
    }

    /// Returns when nothing is owed any more; `None` when nothing is.
    pub fn paid_at(&self) -> Option<Instant> {
        let owed = u32::try_from(self.level.checked_neg()?).ok().filter(|owed| *owed > 0)?;
        Some(self.at + self.token_time().saturating_mul(owed))
    }

    fn token_time(&self) -> Duration {
        (self.rate.period / self.rate.refill.max(1)).max(Duration::from_nanos(1))
    }

    fn refill(&mut self, now: Instant) {
        let each = self.token_time();
        let passed = now.saturating_duration_since(self.at);
        let tokens = passed.as_nanos() / each.as_nanos();
        let full = i64::from(self.rate.burst);
        match i64::try_from(tokens).ok().and_then(|tokens| self.level.checked_add(tokens)) {
            Some(level) if level < full => {
                self.level = level;
                self.at += each.saturating_mul(u32::try_from(tokens).unwrap_or(u32::MAX));
            }
            _ => {
                self.level = full;
                self.at = now.max(self.at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Bucket, MAX_PAUSE, Rate};

    #[test]
    fn what_was_taken_comes_back_with_time() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut bucket = Bucket::new(Rate::per_second(10, 2), start);
        assert!(bucket.take(start, 10));
        assert!(bucket.paid_at().is_none());
        assert!(!bucket.take(start, 4));
        assert_eq!(bucket.paid_at(), Some(at(2000)));
        assert!(!bucket.take(at(1999), 0)); // three of the four are back
        assert!(bucket.take(at(2000), 0));
        assert!(bucket.take(at(2500), 1));
        assert_eq!(bucket.take_up_to(at(60_000), 25), 10);
        assert_eq!(bucket.take_up_to(at(60_500), 25), 1);
    }

    #[test]
    fn a_clock_that_stands_or_a_huge_debt_is_survived() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Rate::every_secs(1, 3600), start);
        for _ in 0..10 {
            bucket.take(start, u32::MAX);
        }
        assert_eq!(bucket.paid_at(), Some(start + Duration::from_secs(3600)));
        assert!(!bucket.take(start, 1));
        let mut bucket = Bucket::new(Rate::per_second(5, 10), start);
        bucket.take(start, 1_000_000);
        assert_eq!(bucket.paid_at(), Some(start + MAX_PAUSE));
    }
}
