//! Live maps: for each segment one bit for 16 bytes, set where an entry starts that is needed.
//!
//! Needed is a coin that is live, or was spent by a block that can still be undone. An entry is at
//! least 16 bytes long, so two never share a bit.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::EngineError;
use super::log::Segment;
use crate::backing::{Backing, Disk, Line, Lines};
use crate::layout::live::{FIRST_BIT, LINE_BITS, UNIT_BYTES};

const CHECKSUM_MASK: u64 = 0xffff_ffff;

/// Lines of the map of a segment of that capacity.
pub(super) fn line_count(capacity: u32) -> u64 {
    u64::from(capacity.div_ceil(UNIT_BYTES).div_ceil(LINE_BITS).max(1))
}

fn checksum(salt: u64, segment: u16, number: u64, line: &Line) -> u64 {
    let mut bytes = [0; 64];
    for (to, word) in bytes.chunks_exact_mut(8).zip(line) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    // The top bit keeps these apart from lines of the index.
    let seed = salt ^ (1 << 63 | u64::from(segment) << 32 | number);
    xxh3_64_with_seed(&bytes, seed) & CHECKSUM_MASK
}

fn sealed(salt: u64, segment: u16, number: u64, mut line: Line) -> Line {
    line[0] &= !CHECKSUM_MASK;
    line[0] |= checksum(salt, segment, number, &line);
    line
}

/// Makes a map with no bit set.
pub(super) fn create<D: Disk>(
    disk: &D,
    name: &str,
    segment: u16,
    capacity: u32,
    salt: u64,
) -> Result<D::Table, EngineError> {
    let lines = line_count(capacity);
    let table = disk.create_table(name, lines).map_err(|e| EngineError::io("create", name, e))?;
    for number in 0..lines {
        table
            .store(number, &sealed(salt, segment, number, [0; 8]))
            .map_err(|e| EngineError::io("write", name, e))?;
    }
    Ok(table)
}

fn load<D: Disk>(segment: &Segment<D>, number: u64) -> Result<Line, EngineError> {
    let name = || Segment::<D>::live_name(segment.number);
    let line = segment.live.load(number).map_err(|e| EngineError::io("read", &name(), e))?;
    let mut bare = line;
    bare[0] &= !CHECKSUM_MASK;
    if checksum(segment.salts.maps, segment.number, number, &bare) != line[0] & CHECKSUM_MASK {
        return Err(EngineError::Corrupt {
            file: name(),
            offset: number * 64,
            what: "checksum of a line",
        });
    }
    Ok(bare)
}

/// What a map shows of a batch that is not in the log.
pub(super) const LEARNT: &str = "it knows of a batch that is not in the log";

/// Bits set in the map of a segment that is used up to an offset. A bit behind that is
/// [`EngineError::Corrupt`].
///
/// Read without the mapping first: also the opening of a store that was closed cleanly counts, and a sector that
/// cannot be read must not end the process before `check` can name it.
pub(super) fn count<D: Disk>(segment: &Segment<D>, used: u32) -> Result<u32, EngineError> {
    let name = || Segment::<D>::live_name(segment.number);
    segment.live.probe().map_err(|place| EngineError::unreadable(&name(), &place))?;
    let units = u64::from(used.div_ceil(UNIT_BYTES));
    let mut bits = 0;
    for number in 0..segment.live.lines() {
        let first = number * u64::from(LINE_BITS);
        // Below 512, so is every shift.
        let end = u64::from(FIRST_BIT) + units.saturating_sub(first).min(u64::from(LINE_BITS));
        for (word, before) in load(segment, number)?.into_iter().zip((0..).step_by(64)) {
            let allowed = end.saturating_sub(before).min(64);
            if allowed < 64 && word >> allowed != 0 {
                let (file, offset) = (name(), number * 64);
                return Err(EngineError::Corrupt { file, offset, what: LEARNT });
            }
            bits += word.count_ones();
        }
    }
    Ok(bits)
}

/// Offset of the last entry for which the map of a segment that no checkpoint knows has a bit set, if it has any.
/// Lines that are not whole have none: such a map is made anew when its segment is opened.
pub(super) fn last_bit<D: Disk>(disk: &D, salt: u64, segment: u16) -> Option<u32> {
    const LINES: usize = 64;
    let file = disk.open(&Segment::<D>::live_name(segment), 0).ok()?;
    let lines = usize::try_from(file.len() / 64).ok()?;
    let mut bytes = [0; 64 * LINES];
    for first in (0..lines).step_by(LINES).rev() {
        let count = LINES.min(lines - first);
        let chunk = bytes.get_mut(..64 * count)?;
        file.read(first as u64 * 64, chunk).ok()?;
        for at in (0..count).rev() {
            let number = (first + at) as u64;
            let bytes = chunk.get(64 * at..64 * (at + 1))?;
            if bytes.get(4..)? == [0; 60] {
                continue;
            }
            let mut line: Line = [0; 8];
            for (word, bytes) in line.iter_mut().zip(bytes.chunks_exact(8)) {
                *word = super::bytes::u64_at(bytes, 0);
            }
            if sealed(salt, segment, number, line) != line {
                continue;
            }
            line[0] &= !CHECKSUM_MASK;
            let words = line.iter().zip((0..).step_by(64)).filter(|(word, _)| **word != 0);
            let last = words.map(|(word, before)| before + word.ilog2()).last()?;
            let unit = number * u64::from(LINE_BITS) + u64::from(last - FIRST_BIT);
            return u32::try_from(unit * u64::from(UNIT_BYTES)).ok();
        }
    }
    None
}

/// Calls `found` for each damaged line.
pub(super) fn check<D: Disk>(
    segment: &Segment<D>,
    found: &mut dyn FnMut(EngineError),
) -> Result<(), EngineError> {
    for number in 0..segment.live.lines() {
        match load(segment, number) {
            Ok(_) => {}
            Err(error @ EngineError::Corrupt { .. }) => found(error),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads and changes bits, one line in hand: cheap when neighbours follow each other.
pub(super) struct LiveEditor<D: Disk> {
    hand: Option<Hand<D>>,
    stores_all: bool,
}

struct Hand<D: Disk> {
    segment: Arc<Segment<D>>,
    number: u64,
    line: Line,
    changed: bool,
}

impl<D: Disk> LiveEditor<D> {
    pub(super) fn new() -> Self {
        Self { hand: None, stores_all: false }
    }

    /// For replay: also stores lines whose bits are as they should be. After a failed sync the system may show
    /// what is not on the disk, and thinks it is.
    pub(super) fn storing_all() -> Self {
        Self { hand: None, stores_all: true }
    }

    fn take_up(
        &mut self,
        segment: &Arc<Segment<D>>,
        offset: u32,
    ) -> Result<(&mut Hand<D>, usize, u64), EngineError> {
        let unit = offset / UNIT_BYTES;
        let number = u64::from(unit / LINE_BITS);
        let bit = FIRST_BIT + unit % LINE_BITS;
        let held = self
            .hand
            .as_ref()
            .is_some_and(|h| h.number == number && Arc::ptr_eq(&h.segment, segment));
        if !held {
            self.flush()?;
            let line = load(segment, number)?;
            self.hand = Some(Hand { segment: Arc::clone(segment), number, line, changed: false });
        }
        match &mut self.hand {
            // A bit's number is below 512.
            Some(hand) => Ok((hand, bit as usize / 64, 1 << (bit % 64))),
            None => Err(segment.corrupt(u64::from(offset), "live map")),
        }
    }

    /// Whether the bit of the entry at `offset` is set.
    pub(super) fn get(
        &mut self,
        segment: &Arc<Segment<D>>,
        offset: u32,
    ) -> Result<bool, EngineError> {
        let (hand, word, mask) = self.take_up(segment, offset)?;
        Ok(hand.line[word] & mask != 0)
    }

    /// Sets or clears the bit of the entry at `offset`; whether that changed it.
    pub(super) fn set(
        &mut self,
        segment: &Arc<Segment<D>>,
        offset: u32,
        on: bool,
    ) -> Result<bool, EngineError> {
        let stores_all = self.stores_all;
        let (hand, word, mask) = self.take_up(segment, offset)?;
        let before = hand.line[word];
        let after = if on { before | mask } else { before & !mask };
        hand.line[word] = after;
        hand.changed |= stores_all || before != after;
        Ok(before != after)
    }

    /// Writes the line in hand. Changes are not in the map before.
    pub(super) fn flush(&mut self) -> Result<(), EngineError> {
        if let Some(hand) = self.hand.take().filter(|hand| hand.changed) {
            let segment = &hand.segment;
            let line = sealed(segment.salts.maps, segment.number, hand.number, hand.line);
            segment.live.store(hand.number, &line).map_err(|e| {
                EngineError::io("write", &Segment::<D>::live_name(segment.number), e)
            })?;
        }
        Ok(())
    }
}
