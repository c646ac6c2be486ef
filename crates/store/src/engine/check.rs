//! Reading everything, and building the index anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::codec::{BlockRecord, offset_of, position_of, segment_of, spent_in, walk_entries};
use super::find::read_coin;
use super::head::{self, HeadFile};
use super::live::{self, LiveEditor};
use super::log::{record_at, record_must_be};
use super::types::{CoinDigest, Key};
use super::{Engine, EngineError};
use crate::backing::{Backing, Disk, Lines};
use crate::layout::live::UNIT_BYTES;
use crate::layout::{record, segment};

/// Positions of coins, one bit for 16 bytes of log as in the live maps: no two entries share one.
#[derive(Default)]
struct Positions {
    segments: BTreeMap<u16, Vec<u64>>,
}

impl Positions {
    /// Word of a segment's bits, and the bit in it.
    fn place(position: u64) -> (usize, u64) {
        let unit = offset_of(position) / UNIT_BYTES;
        (unit as usize / 64, 1 << (unit % 64)) // below 2^22
    }

    /// Adds a position; whether it is in the log and was not there before.
    fn insert(&mut self, position: u64) -> bool {
        let (word, bit) = Self::place(position);
        let bits = self.segments.get_mut(&segment_of(position));
        let Some(word) = bits.and_then(|bits| bits.get_mut(word)) else { return false };
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    fn contains(&self, position: u64) -> bool {
        let (word, bit) = Self::place(position);
        let bits = self.segments.get(&segment_of(position));
        bits.and_then(|bits| bits.get(word)).is_some_and(|word| word & bit != 0)
    }
}

/// What is done with a coin's key and value.
pub type VisitCoin<'a> = dyn FnMut(&Key, &[u8]) -> Result<(), EngineError> + 'a;

impl<D: Disk> Engine<D> {
    /// Visits every coin, in no order: key, value.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`], [`EngineError::Io`], or what `visit` answers.
    pub fn for_each_coin(&self, visit: &mut VisitCoin<'_>) -> Result<(), EngineError> {
        self.shared.index.for_each(&mut |_, position| {
            let coin = read_coin(&self.log.segments, position)?;
            visit(&coin.key, coin.value())
        })
    }

    /// Reads everything: checkpoints, each record and coin, each line, the sums, and that index and
    /// live maps agree. Calls `found` for each thing that is wrong and goes on where it can.
    ///
    /// Bytes that hold nothing are not looked at: space taken ahead behind the last record of a segment.
    /// `progress` hears bytes done and bytes in all.
    ///
    /// First all is read without the mappings: where the disk does not give bytes back, a mapping ends the process. If
    /// there is such a place, nothing else is looked at.
    ///
    /// # Errors
    /// [`EngineError::Io`] when the disk itself fails.
    pub fn check(
        &self,
        progress: &mut dyn FnMut(u64, u64),
        found: &mut dyn FnMut(EngineError),
    ) -> Result<(), EngineError> {
        let (_, index_bytes, _) = self.shared.index.sizes();
        let used: u64 = self.books.values().map(|book| u64::from(book.used)).sum();
        let all = index_bytes + used;
        progress(0, all);
        if self.probe(found) {
            return Ok(());
        }
        for generation in [self.generation, self.generation + 1] {
            // The older one may be on its way to becoming the newer.
            if generation > self.generation && self.running.is_some() {
                continue;
            }
            let name = head::name(generation);
            match head::read(&self.disk, self.options.network_id, name) {
                Ok(HeadFile::Damaged(error)) => found(error),
                Ok(_) => {}
                Err(error) => pass_on(error, found)?,
            }
        }
        if let Some(error) = self.mark.check(self.durable)? {
            found(error);
        }
        self.shared.index.check(found)?;
        let mut done = index_bytes;
        progress(done, all);
        let mut needed = self.check_coins(found)?;
        for at in &self.ring {
            match self.spent_by(*at) {
                Ok(positions) => positions.into_iter().for_each(|at| {
                    needed.insert(at);
                }),
                Err(error) => pass_on(error, found)?,
            }
        }
        for book in self.books.values() {
            if let Some(segment) = self.log.segments.get(book.number) {
                live::check(segment, found)?;
                if !segment.header_is_whole(&self.options)? {
                    found(segment.corrupt(0, "header of a segment"));
                }
                let segment = Arc::clone(segment);
                match self.check_segment(&segment, book.used, book.cursor, &needed) {
                    Ok(bits) if bits == book.needed => {}
                    Ok(_) => found(segment.corrupt(0, "bits of the live map")),
                    Err(error) => pass_on(error, found)?,
                }
            }
            done += u64::from(book.used);
            progress(done, all);
        }
        Ok(())
    }

    /// Whether something cannot be read; `found` hears of each file of which that is so.
    fn probe(&self, found: &mut dyn FnMut(EngineError)) -> bool {
        let mut any = false;
        self.shared.index.probe(&mut |error| {
            any = true;
            found(error);
        });
        for book in self.books.values() {
            let Some(segment) = self.log.segments.get(book.number) else { continue };
            if let Err(place) = segment.file.probe(book.used.into()) {
                any = true;
                found(EngineError::unreadable(&segment.name, &place));
            }
            if let Err(place) = segment.live.probe() {
                any = true;
                let name = super::log::Segment::<D>::live_name(segment.number);
                found(EngineError::unreadable(&name, &place));
            }
        }
        any
    }

    /// Reads each coin of the index and compares the sums with the tip's; all positions.
    fn check_coins(&self, found: &mut dyn FnMut(EngineError)) -> Result<Positions, EngineError> {
        let mut positions = Positions::default();
        for book in self.books.values() {
            let units = (book.used / UNIT_BYTES) as usize + 1; // below 2^22
            positions.segments.insert(book.number, vec![0; units.div_ceil(64)]);
        }
        let mut coins = 0_u64;
        let mut digest = CoinDigest::EMPTY;
        let mut damaged = false;
        let shift = self.shared.index.hash_shift();
        let walked = self.shared.index.for_each(&mut |hash, position| {
            coins += u64::from(positions.insert(position));
            match read_coin(&self.log.segments, position) {
                Ok(coin) => {
                    digest = digest.plus(coin.digest);
                    if self.shared.seeds.hash(&coin.key) >> shift != hash >> shift {
                        damaged = true;
                        found(Self::no_coin(position));
                    }
                    Ok(())
                }
                Err(error) => {
                    damaged = true;
                    pass_on(error, found)
                }
            }
        });
        if let Err(error) = walked {
            // The index's own check has named the line.
            damaged = true;
            if !matches!(error, EngineError::Corrupt { .. }) {
                return Err(error);
            }
        }
        let tip = self.tip.unwrap_or_default();
        if !damaged && (digest, coins) != (tip.digest, tip.coins) {
            found(EngineError::Corrupt {
                file: "index".into(),
                offset: 0,
                what: "sum of all coins",
            });
        }
        Ok(positions)
    }

    fn no_coin(position: u64) -> EngineError {
        EngineError::Corrupt {
            file: super::log::Segment::<D>::log_name(segment_of(position)),
            offset: u64::from(offset_of(position)),
            what: "coin of another key than the index says",
        }
    }

    /// Positions of the coins that a block which can be undone has spent.
    pub(super) fn spent_by(&self, at: u64) -> Result<Vec<u64>, EngineError> {
        let view = record_must_be(&self.log.segments, at, record::KIND_BLOCK)?;
        let block = BlockRecord::from_disk(&view).ok_or_else(|| Self::no_coin(at))?;
        Ok(spent_in(block.spent).map(|spent| spent.position).collect())
    }

    /// Walks a segment; the number of its bits that are set. Each entry's bit must say whether the entry
    /// is needed, unless cleaning has passed it.
    fn check_segment(
        &self,
        segment: &Arc<super::log::Segment<D>>,
        used: u32,
        cursor: u32,
        needed: &Positions,
    ) -> Result<u32, EngineError> {
        let mut live = LiveEditor::new();
        let mut at = segment::HEADER_BYTES as u32;
        let mut bits = 0;
        while at < used {
            let corrupt = || segment.corrupt(u64::from(at), "record");
            let (header, view) = record_at(segment, at)?.ok_or_else(corrupt)?;
            if let Some((list, base)) = super::clean::entries_of(header.kind, &view) {
                let well_formed = walk_entries(list, at + base, |entry| {
                    let bit = live.get(segment, entry.at)?;
                    bits += u32::from(bit);
                    let position = position_of(segment.number, entry.at);
                    let right = if at < cursor { !bit } else { bit == needed.contains(position) };
                    if right {
                        Ok(())
                    } else {
                        Err(segment.corrupt(u64::from(entry.at), "bit of the live map"))
                    }
                })?;
                if !well_formed {
                    return Err(corrupt());
                }
            }
            at += header.bytes;
        }
        if at != used {
            return Err(segment.corrupt(u64::from(at), "end of a segment"));
        }
        Ok(bits)
    }
}

fn pass_on(error: EngineError, found: &mut dyn FnMut(EngineError)) -> Result<(), EngineError> {
    match error {
        EngineError::Io { .. } => Err(error),
        other => {
            found(other);
            Ok(())
        }
    }
}
