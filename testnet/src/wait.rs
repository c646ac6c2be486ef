//! Waiting for a condition with a deadline.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Time between two looks at a condition that cannot wake us.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Looks at a condition until it gives a value, at most for `limit`.
///
/// # Errors
/// When the time is up; the error names the condition and the last thing that was seen.
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Seen<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        let seen = match look() {
            Seen::Done(value) => return Ok(value),
            Seen::NotYet(seen) => seen,
        };
        if start.elapsed() >= limit {
            bail!("waited {:.1} s for {what}; last seen: {seen}", limit.as_secs_f64());
        }
        std::thread::park_timeout(LOOK_AGAIN);
    }
}

/// What a look at a condition gives.
#[derive(Debug)]
pub enum Seen<T> {
    /// It holds.
    Done(T),
    /// It does not hold yet; what there is instead.
    NotYet(String),
}

impl<T> Seen<T> {
    /// Makes the answer out of an option.
    pub fn maybe(value: Option<T>, otherwise: impl FnOnce() -> String) -> Self {
        value.map_or_else(|| Self::NotYet(otherwise()), Self::Done)
    }
}

impl Seen<()> {
    /// Makes the answer out of a truth value.
    pub fn so(holds: bool, otherwise: impl FnOnce() -> String) -> Self {
        Self::maybe(holds.then_some(()), otherwise)
    }
}

/// A value that others change and somebody waits for.
#[derive(Debug, Default)]
pub struct Watched<T> {
    value: Mutex<T>,
    changed: Condvar,
}

impl<T> Watched<T> {
    /// Starts with a value.
    pub const fn new(value: T) -> Self {
        Self { value: Mutex::new(value), changed: Condvar::new() }
    }

    /// Changes the value and wakes who waits. A panic of another holder is ignored: the test that
    /// panicked fails by itself.
    pub fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut value);
        drop(value);
        self.changed.notify_all();
        result
    }

    /// Looks at the value.
    pub fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.value.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until the value gives something, at most for `limit`.
    ///
    /// # Errors
    /// When the time is up.
    pub fn wait<R>(
        &self,
        what: &str,
        limit: Duration,
        mut look: impl FnMut(&T) -> Seen<R>,
    ) -> Result<R> {
        let end = Instant::now() + limit;
        let mut value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let seen = match look(&value) {
                Seen::Done(result) => return Ok(result),
                Seen::NotYet(seen) => seen,
            };
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("waited {:.1} s for {what}; last seen: {seen}", limit.as_secs_f64());
            }
            let woken = self.changed.wait_timeout(value, left);
            value = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_condition_that_never_holds_says_what_was_seen() {
        let error = until::<()>("rain", Duration::ZERO, || Seen::NotYet("sun".into())).unwrap_err();
        assert!(error.to_string().contains("rain") && error.to_string().contains("sun"));
        let watched = Watched::new(3);
        let error = watched
            .wait("four", Duration::ZERO, |n| Seen::so(*n == 4, || n.to_string()))
            .unwrap_err();
        assert!(error.to_string().ends_with("last seen: 3"), "{error}");
    }

    #[test]
    fn a_change_wakes_who_waits() {
        let watched = Arc::new(Watched::new(0));
        let other = Arc::clone(&watched);
        let changer = std::thread::spawn(move || (0..4).for_each(|_| other.change(|n| *n += 1)));
        let found =
            watched.wait("four", Duration::from_secs(60), |n| Seen::so(*n == 4, || n.to_string()));
        changer.join().unwrap();
        found.unwrap();
    }
}
