//! How far something is: a bar on a terminal, a line every ten seconds otherwise.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::chain::command::SyncStatus;

/// Time between two lines.
const LINE_PAUSE: Duration = Duration::from_secs(10);
/// The bar is drawn this often at most.
const DRAWS_PER_SECOND: u8 = 4;

/// Something that can be told how far it is.
pub(super) trait Report {
    /// So many are done.
    fn set(&mut self, done: u64);
    /// So many of a part are done.
    fn set_part(&mut self, part: &str, done: u64, total: u64);
    /// It is over.
    fn finish(&mut self);
}

/// Counts one thing.
pub(super) struct Counter {
    name: &'static str,
    bar: Option<ProgressBar>,
    pace: Pace,
    last_line: Instant,
    total: Option<u64>,
}

fn terminal_bar(template: &str) -> Option<ProgressBar> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let bar = ProgressBar::with_draw_target(
        Some(0),
        ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND),
    );
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    Some(bar)
}

impl Counter {
    pub(super) fn new(name: &'static str, total: Option<u64>) -> Self {
        let bar = terminal_bar("{prefix} {msg} {pos}/{len} {wide_bar} {per_sec}");
        if let Some(bar) = &bar {
            bar.set_prefix(name);
            bar.set_length(total.unwrap_or(0));
        }
        let now = Instant::now();
        Self { name, bar, pace: Pace::new(now), last_line: now, total }
    }

    fn update(&mut self, part: &str, done: u64) {
        let now = Instant::now();
        if let Some(bar) = &self.bar {
            bar.set_message(part.to_owned());
            bar.set_position(done);
            return;
        }
        if now.saturating_duration_since(self.last_line) < LINE_PAUSE {
            return;
        }
        self.last_line = now;
        self.pace.note(now, done as f64); // for people: exact up to 2^53
        let rate = self.pace.rate();
        let total = self.total.unwrap_or(0);
        tracing::info!(target: "app", part, done, total, rate = format!("{rate:.0}/s"), "{}", self.name);
    }
}

impl Report for Counter {
    fn set(&mut self, done: u64) {
        self.update("", done);
    }

    fn set_part(&mut self, part: &str, done: u64, total: u64) {
        self.total = Some(total);
        if let Some(bar) = &self.bar {
            bar.set_length(total);
        }
        self.update(part, done);
    }

    fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// How fast something goes, over about the last half minute.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    last: Instant,
    done: Option<f64>,
    rate: f64,
}

/// Seconds over which the rate is averaged.
const PACE_SECS: f64 = 30.0;

impl Pace {
    pub(super) const fn new(now: Instant) -> Self {
        Self { last: now, done: None, rate: 0.0 }
    }

    /// Notes that so much is done.
    pub(super) fn note(&mut self, now: Instant, done: f64) {
        let secs = now.saturating_duration_since(self.last).as_secs_f64();
        let Some(before) = self.done else {
            (self.last, self.done) = (now, Some(done));
            return;
        };
        if secs <= 0.0 {
            return;
        }
        let rate = (done - before).max(0.0) / secs;
        let weight = if self.rate == 0.0 { 1.0 } else { (secs / PACE_SECS).min(1.0) };
        self.rate += (rate - self.rate) * weight;
        (self.last, self.done) = (now, Some(done));
    }

    /// Returns how much is done in a second.
    pub(super) const fn rate(&self) -> f64 {
        self.rate
    }

    /// Returns how long the rest takes, if it goes on so.
    pub(super) fn time_left(&self, rest: f64) -> Option<Duration> {
        let secs = rest / self.rate;
        // A year is as good as never.
        (self.rate > 0.0 && secs < 31_536_000.0).then(|| Duration::from_secs_f64(secs))
    }
}

/// Shows how the synchronisation goes: phase, share of the work, rate, time left.
pub(super) struct SyncProgress {
    bar: Option<ProgressBar>,
    blocks: Pace,
    work: Pace,
    last_line: Option<Instant>,
    was_synced: bool,
}

/// The work of the whole chain, in the units of [`SyncStatus::work_done`].
const ALL_WORK: u32 = 1_000_000;

impl SyncProgress {
    pub(super) fn new(now: Instant) -> Self {
        let bar = terminal_bar("{prefix} {wide_bar} {msg}");
        if let Some(bar) = &bar {
            bar.set_length(ALL_WORK.into());
        }
        Self {
            bar,
            blocks: Pace::new(now),
            work: Pace::new(now),
            last_line: None,
            was_synced: false,
        }
    }

    /// Notes where the node is.
    pub(super) fn note(&mut self, status: &SyncStatus, now: Instant) {
        self.blocks.note(now, status.height.value().into());
        let done = estimate(status);
        self.work.note(now, done.into());
        let text = self.describe(status, done);
        if let Some(bar) = &self.bar {
            bar.set_prefix(phase(status));
            bar.set_position(done.into());
            bar.set_message(text);
            return;
        }
        let is_due =
            self.last_line.is_none_or(|last| now.saturating_duration_since(last) >= LINE_PAUSE);
        let just_synced = status.is_synced && !self.was_synced;
        if (is_due && !status.is_synced) || just_synced {
            self.last_line = Some(now);
            tracing::info!(target: "app", "{}: {text}", phase(status));
        }
        self.was_synced = status.is_synced;
    }

    fn describe(&self, status: &SyncStatus, done: u32) -> String {
        let mut text = format!(
            "{:.2} %, height {} of {}, {} peers",
            f64::from(done) / 10_000.0,
            status.height,
            status.header_height.max(status.claimed.unwrap_or_default()),
            status.peers,
        );
        if !status.is_synced {
            text.push_str(&format!(", {:.0} blocks/s", self.blocks.rate()));
            if let Some(left) = self.work.time_left(f64::from(ALL_WORK - done)) {
                text.push_str(&format!(", {} left", readable(left)));
            }
        }
        if status.is_disk_full {
            text.push_str(", the disk is full");
        }
        text
    }

    pub(super) fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

const fn phase(status: &SyncStatus) -> &'static str {
    if status.is_synced {
        "synced"
    } else if status.peers == 0 {
        "waiting for peers"
    } else if status.reading_headers && status.in_flight == 0 && status.waiting == 0 {
        "headers"
    } else {
        "blocks"
    }
}

/// The share of the work that is done, in millionths. Of headers that peers only claim, each is taken
/// to be worth as much as one that is known.
fn estimate(status: &SyncStatus) -> u32 {
    let known = u64::from(status.header_height.value().max(1));
    let claimed = u64::from(status.claimed.unwrap_or_default().value()).max(known);
    if status.is_synced {
        return ALL_WORK;
    }
    let scaled = u64::from(status.work_done) * known / claimed;
    u32::try_from(scaled).unwrap_or(ALL_WORK).min(ALL_WORK)
}

fn readable(time: Duration) -> String {
    let secs = time.as_secs();
    match secs {
        0..60 => format!("{secs} s"),
        60..3_600 => format!("{} min", secs / 60),
        3_600..172_800 => format!("{} h {} min", secs / 3_600, secs % 3_600 / 60),
        _ => format!("{} days", secs / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::{Pace, SyncProgress, estimate, phase, readable};
    use crate::chain::command::SyncStatus;
    use mvs_primitives::height::Height;
    use std::time::{Duration, Instant};

    #[test]
    fn rate_and_time_left() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert_eq!(pace.time_left(1.0), None);
        for second in 0..100u32 {
            pace.note(start + Duration::from_secs(second.into()), f64::from(second) * 50.0);
        }
        assert!((pace.rate() - 50.0).abs() < 0.01);
        assert_eq!(pace.time_left(500.0).map(|left| left.as_secs()), Some(10));
    }

    #[test]
    fn headers_that_are_only_claimed_count() {
        let mut status = SyncStatus {
            height: Height::new(500),
            header_height: Height::new(1_000),
            claimed: Some(Height::new(2_000)),
            work_done: 500_000,
            peers: 1,
            ..SyncStatus::default()
        };
        assert_eq!(estimate(&status), 250_000);
        assert_eq!(phase(&status), "blocks");
        let text = SyncProgress::new(Instant::now()).describe(&status, 250_000);
        assert!(text.starts_with("25.00 %, height 500 of 2000, 1 peers"), "{text}");
        status.is_synced = true;
        assert_eq!(estimate(&status), 1_000_000);
    }

    #[test]
    fn times_for_people() {
        let text = |secs| readable(Duration::from_secs(secs));
        assert_eq!(
            [text(5), text(125), text(7_260), text(400_000)],
            ["5 s", "2 min", "2 h 1 min", "4 days"]
        );
    }
}
