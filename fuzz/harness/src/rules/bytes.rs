//! Reads choices from bytes.

/// The bytes that are left; when there are none, every choice is the first.
pub(super) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Takes at most `length` bytes.
    pub(super) fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Chooses one of `count` things.
    pub(super) fn choose(&mut self, count: usize) -> usize {
        self.take(1).first().map_or(0, |byte| usize::from(*byte) % count.max(1))
    }

    /// Reads up to 8 bytes.
    pub(super) fn number(&mut self) -> u64 {
        self.take(8).iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}
