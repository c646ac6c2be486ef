//! Keeps what a peer can trigger from filling the log.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lets a few lines through in each period and counts the rest.
#[derive(Debug)]
pub struct Gate {
    most: u32,
    period: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    since: Option<Instant>,
    passed: u32,
    held_back: u64,
}

impl Gate {
    /// Lets `most` lines through in each period.
    pub const fn new(most: u32, period: Duration) -> Self {
        let state = Mutex::new(State { since: None, passed: 0, held_back: 0 });
        Self { most, period, state }
    }

    /// Tells whether a line may pass at a time; if so, how many were held back since the last one.
    pub fn pass(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over =
            state.since.is_none_or(|since| now.saturating_duration_since(since) >= self.period);
        if is_over {
            (state.since, state.passed) = (Some(now), 0);
        }
        if state.passed >= self.most {
            state.held_back = state.held_back.saturating_add(1);
            return None;
        }
        state.passed += 1;
        Some(std::mem::take(&mut state.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::Gate;
    use std::time::{Duration, Instant};

    #[test]
    fn a_few_pass_and_the_rest_is_counted() {
        let gate = Gate::new(2, Duration::from_secs(10));
        let start = Instant::now();
        let passed: Vec<_> = (0..5).map(|_| gate.pass(start)).collect();
        assert_eq!(passed, [Some(0), Some(0), None, None, None]);
        assert_eq!(gate.pass(start + Duration::from_secs(10)), Some(3));
        assert_eq!(gate.pass(start + Duration::from_secs(11)), Some(0));
        assert_eq!(gate.pass(start + Duration::from_secs(12)), None);
    }
}
