//! Block timestamps.

use std::fmt;

/// Unix time in whole seconds, as headers carry it (u32, chain.md 1.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u32);

impl Timestamp {
    /// Wraps seconds since the Unix epoch.
    pub const fn from_unix_secs(secs: u32) -> Self {
        Self(secs)
    }

    /// Returns seconds since the Unix epoch.
    pub const fn unix_secs(self) -> u32 {
        self.0
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({})", self.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
