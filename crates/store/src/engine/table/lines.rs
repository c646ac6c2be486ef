//! Lines in memory: where a pair goes, and what a line's words mean.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::backing::Line;
use crate::layout::line::{
    CHECKSUM_MASK, DISTANCE_MAX, PASSED_MAX, PASSED_SHIFT, PAYLOAD_BITS, SLOTS, TAG_BITS,
};

pub(super) const PAYLOAD_MASK: u64 = (1 << PAYLOAD_BITS) - 1;

/// Size and place of a shard: all that says which line a hash belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) number: u16,
    pub(super) line_bits: u8,
    shard_bits: u8,
    salt: u64,
}

impl Shape {
    pub(super) fn new(number: u16, line_bits: u8, shard_bits: u8, salt: u64) -> Self {
        // A line that is read from another shard or another size of it does not pass.
        let salt = salt ^ (u64::from(number) << 48 | u64::from(line_bits) << 40);
        Self { number, line_bits, shard_bits, salt }
    }

    /// `None` at the largest size.
    pub(super) fn doubled(self) -> Option<Self> {
        let salt = self.salt ^ (u64::from(self.number) << 48 | u64::from(self.line_bits) << 40);
        (!self.is_largest())
            .then(|| Self::new(self.number, self.line_bits + 1, self.shard_bits, salt))
    }

    pub(super) fn is_largest(self) -> bool {
        u32::from(self.line_bits) >= TAG_BITS
    }

    pub(super) fn line_count(self) -> usize {
        1 << self.line_bits
    }

    pub(super) fn slots(self) -> u64 {
        (SLOTS as u64) << self.line_bits
    }

    /// The bits of a hash after those that chose the shard.
    #[inline]
    pub(super) fn tag(self, hash: u64) -> u64 {
        hash << self.shard_bits >> (64 - TAG_BITS)
    }

    /// The top bits of a hash with this tag, of this shard; the others zero.
    pub(super) fn hash(self, tag: u64) -> u64 {
        let shard =
            u64::from(self.number).checked_shl(64 - u32::from(self.shard_bits)).unwrap_or(0);
        shard | tag << (64 - TAG_BITS) >> self.shard_bits
    }

    /// The line of first choice.
    #[inline]
    pub(super) fn home(self, tag: u64) -> u64 {
        tag >> (TAG_BITS - u32::from(self.line_bits))
    }

    /// All lines where a pair may lie, in order.
    #[inline]
    pub(super) fn path(self, tag: u64) -> impl Iterator<Item = u64> {
        let mask = (1_u64 << self.line_bits) - 1;
        let home = self.home(tag);
        (0..=DISTANCE_MAX.min(mask)).map(move |distance| (home + distance) & mask)
    }

    /// For each line whether it is on the path of one of the tags, which come in ascending order: whether a
    /// pair with such a tag, put in or taken out, may have changed it.
    pub(super) fn reach(self, tags: impl Iterator<Item = u64>) -> Vec<bool> {
        let lines = self.line_count() as u64;
        let mask = lines - 1;
        let mut reached = vec![false; self.line_count()];
        let mut done = 0;
        for tag in tags {
            let home = self.home(tag);
            let end = home + DISTANCE_MAX.min(mask) + 1;
            for number in home.max(done)..end {
                // Below the count of lines, which are in memory.
                reached[(number & mask) as usize] = true;
            }
            done = end.max(done);
        }
        reached
    }

    #[inline]
    fn checksum(self, number: u64, line: &Line) -> u64 {
        let mut bytes = [0; 64];
        for (to, word) in bytes.chunks_exact_mut(8).zip(line) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        xxh3_64_with_seed(&bytes, self.salt ^ number) & CHECKSUM_MASK
    }

    /// The line with its checksum.
    #[inline]
    pub(super) fn sealed(self, number: u64, mut line: Line) -> Line {
        line[0] &= !CHECKSUM_MASK;
        line[0] |= self.checksum(number, &line);
        line
    }

    #[inline]
    pub(super) fn is_whole(self, number: u64, line: &Line) -> bool {
        let mut bare = *line;
        bare[0] &= !CHECKSUM_MASK;
        self.checksum(number, &bare) == line[0] & CHECKSUM_MASK
    }

    /// Puts a slot into the first line with room; whether there was one.
    pub(super) fn put(self, lines: &mut [Line], slot: u64) -> bool {
        let tag = slot >> PAYLOAD_BITS;
        // Lines in memory: their numbers fit.
        let distance = self.path(tag).position(|number| put(&mut lines[number as usize], slot));
        let Some(distance) = distance else { return false };
        for number in self.path(tag).take(distance) {
            add_passed(&mut lines[number as usize], 1);
        }
        true
    }

    /// Sets the counts of passed pairs from where the pairs lie. `false` if some pair lies where
    /// no look-up goes.
    pub(super) fn count_passed(self, lines: &mut [Line]) -> bool {
        let mut all_placed = true;
        for line in &mut *lines {
            line[0] &= !(PASSED_MAX << PASSED_SHIFT);
        }
        for at in 0..lines.len() {
            for i in 1..=SLOTS {
                let slot = lines[at][i];
                let tag = slot >> PAYLOAD_BITS;
                if slot == 0 || self.home(tag) == at as u64 {
                    continue;
                }
                match self.path(tag).position(|number| number == at as u64) {
                    Some(distance) => {
                        for number in self.path(tag).take(distance) {
                            add_passed(&mut lines[number as usize], 1);
                        }
                    }
                    None => all_placed = false,
                }
            }
        }
        all_placed
    }
}

/// How many pairs lie in later lines because this one was full.
#[inline]
pub(super) fn passed(line: &Line) -> u64 {
    line[0] >> PASSED_SHIFT & PASSED_MAX
}

/// Changes that count. At most 63 lines of 7 pairs pass a line, so it cannot overflow; a count
/// that would fall below zero stays, which [`super::Table::check`] shows.
pub(super) fn add_passed(line: &mut Line, more: i64) {
    let count = passed(line).saturating_add_signed(more).min(PASSED_MAX);
    line[0] = line[0] & !(PASSED_MAX << PASSED_SHIFT) | count << PASSED_SHIFT;
}

/// Puts a slot into a free place of the line; whether there was one.
#[inline]
pub(super) fn put(line: &mut Line, slot: u64) -> bool {
    match line[1..].iter_mut().find(|place| **place == 0) {
        Some(place) => {
            *place = slot;
            true
        }
        None => false,
    }
}

/// Takes a slot out of the line; whether it was there.
#[inline]
pub(super) fn take(line: &mut Line, slot: u64) -> bool {
    match line[1..].iter_mut().find(|place| **place == slot) {
        Some(place) => {
            *place = 0;
            true
        }
        None => false,
    }
}
