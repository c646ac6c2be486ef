//! Room: what the full pool asks of newcomers.

use super::rate::FeeRate;

/// Seconds in which the rate that a full pool asks falls by half, once nothing is evicted any more.
const HALF_LIFE_SECS: u64 = 600;

/// The rate below which nothing enters, because transactions that paid more had to go lately.
///
/// Without it, cheap transactions could come and go for ever, and be relayed each time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Floor {
    rate: FeeRate,
    set_at_secs: u64,
}

impl Floor {
    /// Notes that something worth `rate` was evicted; `step` more is asked from now on.
    pub(super) fn raise(&mut self, rate: FeeRate, step: FeeRate, now_secs: u64) {
        let asked = rate.plus(step);
        if asked > self.at(step, now_secs) {
            *self = Self { rate: asked, set_at_secs: now_secs };
        }
    }

    /// Returns what is asked at a time: nothing once it has fallen below half of `step`.
    pub(super) fn at(&self, step: FeeRate, now_secs: u64) -> FeeRate {
        let halvings = now_secs.saturating_sub(self.set_at_secs) / HALF_LIFE_SECS;
        let units = u32::try_from(halvings)
            .ok()
            .and_then(|halvings| self.rate.units_per_million_bytes().checked_shr(halvings))
            .unwrap_or(0);
        if units < step.units_per_million_bytes() / 2 {
            FeeRate::ZERO
        } else {
            FeeRate::from_units_per_million_bytes(units)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FeeRate, Floor, HALF_LIFE_SECS};

    #[test]
    fn the_floor_rises_at_once_and_falls_by_half() {
        let rate = FeeRate::from_units_per_million_bytes;
        let step = rate(100);
        let mut floor = Floor::default();
        assert_eq!(floor.at(step, 5), FeeRate::ZERO);
        floor.raise(rate(900), step, 1_000);
        assert_eq!(floor.at(step, 1_000), rate(1_000));
        floor.raise(rate(800), step, 1_000);
        assert_eq!(floor.at(step, 1_000), rate(1_000), "a lower one changes nothing");
        assert_eq!(floor.at(step, 999), rate(1_000), "a clock that runs back changes nothing");
        assert_eq!(floor.at(step, 1_000 + HALF_LIFE_SECS), rate(500));
        assert_eq!(floor.at(step, 1_000 + 4 * HALF_LIFE_SECS), rate(62));
        assert_eq!(floor.at(step, 1_000 + 5 * HALF_LIFE_SECS), FeeRate::ZERO);
        assert_eq!(floor.at(step, u64::MAX), FeeRate::ZERO);
    }
}
