//! Blocks on their way into the store.

use std::collections::HashMap;

use super::codec::{
    self, BlockHead, BlockRecord, EntryWriter, MoveRecord, Spent, coin_digest, offset_of,
    offsets_in, segment_of, spent_in, walk_entries,
};
use super::find::{Finder, read_coin};
use super::log::{LogKind, Mark, record_must_be};
use super::overlay::Overlay;
use super::table::TableView;
use super::types::{BlockEntry, Key, Lookups, Tip, Undone};
use super::{Engine, EngineError};
use crate::backing::Disk;
use crate::layout::{VALUE_BYTES_MAX, record};

/// Marks a position whose bit in the live map is to be set rather than cleared.
pub(super) const SET: u64 = 1 << 63;

/// Blocks on their way into the store. See [`Engine::batch`].
pub struct Batch<'e, D: Disk> {
    pub(super) engine: &'e mut Engine<D>,
    pub(super) id: u64,
    mark: Mark,
    pub(super) overlay: Overlay,
    /// The index as it is until the commit changes it.
    pub(super) index: TableView<D>,
    pub(super) tip: Option<Tip>,
    /// Blocks of the engine's ring that the batch has not undone.
    pub(super) kept: usize,
    /// Blocks that the batch has added after those.
    pub(super) added: Vec<u64>,
    /// Changes of live maps, in order: positions, with [`SET`].
    pub(super) bits: Vec<u64>,
    /// Records written to segments.
    pub(super) notes: Vec<Note>,
    pub(super) records: u32,
    pub(super) failed: bool,
    pub(super) done: bool,
    pub(super) buf: Vec<u8>,
    /// New offsets of spent coins, by the move record that keeps them.
    limbo: HashMap<u64, HashMap<u32, u64>>,
}

/// A record written, for the books of its segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Note {
    pub(super) segment: u16,
    pub(super) end: u32,
    pub(super) entries: u32,
    /// With the heads of their groups.
    pub(super) entry_bytes: u32,
    pub(super) heights: u64,
}

impl<'e, D: Disk> Batch<'e, D> {
    pub(super) fn new(engine: &'e mut Engine<D>) -> Self {
        engine.batches += 1;
        Self {
            id: engine.batches,
            mark: engine.log.mark(),
            overlay: Overlay::with_room(engine.last_changes),
            index: engine.shared.index.view(),
            tip: engine.tip,
            kept: engine.ring.len(),
            added: Vec::new(),
            bits: Vec::new(),
            notes: Vec::new(),
            records: 0,
            failed: false,
            done: false,
            buf: Vec::new(),
            limbo: HashMap::new(),
            engine,
        }
    }

    /// The tip inside the batch.
    pub fn tip(&self) -> Option<Tip> {
        self.tip
    }

    pub(super) fn finder(&self) -> Finder<'_, D> {
        Finder {
            seeds: &self.engine.shared.seeds,
            index: &self.index,
            segments: &self.engine.log.segments,
            overlay: Some(&self.overlay),
            batch: self.id,
            pace: &self.engine.shared.pace,
        }
    }

    /// Looks coins up in the state inside the batch. `out` is cleared, then gets one answer for each
    /// key, in order.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] or [`EngineError::Io`]; never a missing coin in their place.
    pub fn find(&self, keys: &[Key], out: &mut Lookups) -> Result<(), EngineError> {
        self.finder().find(keys, out)
    }

    /// Adds a block on the tip. Its spends come from [`Batch::find`] of this batch. Order of the
    /// lists is kept; neighbours in `created` with the same first 32 bytes of key share them on disk.
    ///
    /// A block that creates and spends the same coin leaves it out of both lists. Whether a created coin
    /// exists from before the batch shows at [`Batch::commit`].
    ///
    /// # Errors
    /// [`EngineError::NotNext`], [`EngineError::CoinExists`], [`EngineError::CoinSpent`],
    /// [`EngineError::StaleHandle`], [`EngineError::TooLarge`], [`EngineError::NoSpace`],
    /// [`EngineError::LogExhausted`], [`EngineError::Corrupt`], [`EngineError::Io`]. After an
    /// error the batch is only good for dropping.
    pub fn apply(&mut self, block: &BlockEntry<'_>) -> Result<Tip, EngineError> {
        self.guarded(|batch| batch.try_apply(block))
    }

    /// Takes back the tip, whether this batch or an earlier one added it.
    ///
    /// # Errors
    /// [`EngineError::BeyondHorizon`], and as [`Batch::apply`].
    pub fn undo(&mut self) -> Result<Undone, EngineError> {
        self.guarded(Self::try_undo)
    }

    pub(super) fn guarded<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        if self.failed {
            return Err(EngineError::BatchFailed);
        }
        self.engine.writable()?;
        let done = work(self);
        if let Err(error) = &done {
            self.failed = true;
            self.engine.note_error(error);
        }
        done
    }

    fn try_apply(&mut self, block: &BlockEntry<'_>) -> Result<Tip, EngineError> {
        let expected = self.tip.map_or(Some(block.height), |tip| tip.height.checked_add(1));
        if expected != Some(block.height) || block.height == u32::MAX {
            let expected = expected.unwrap_or(u32::MAX);
            return Err(EngineError::NotNext { found: block.height, expected });
        }
        let mut buf = std::mem::take(&mut self.buf);
        let head = BlockHead {
            height: block.height,
            hash: &block.hash,
            body: &block.body,
            before: self.tip,
        };
        codec::start_block(&mut buf, &head);
        let before = self.tip.unwrap_or_default();
        let mut digest = before.digest;
        for chunk in block.spent.chunks(64) {
            self.overlay.touch(chunk.iter().map(|found| found.hash));
            for (index, found) in chunk.iter().enumerate() {
                if found.batch != self.id {
                    return Err(EngineError::StaleHandle);
                }
                if !self.overlay.take(found.hash, found.position, found.in_index) {
                    return Err(EngineError::CoinSpent { index });
                }
                digest = digest.minus(found.digest);
                Spent::push(&mut buf, found.hash, found.position);
            }
        }
        let created_at = buf.len();
        let mut writer = EntryWriter::default();
        let mut places = Vec::with_capacity(block.created.len());
        for coin in block.created {
            if coin.value.len() > VALUE_BYTES_MAX {
                return Err(EngineError::TooLarge {
                    what: "a value",
                    bytes: coin.value.len() as u64,
                    max: VALUE_BYTES_MAX as u64,
                });
            }
            let coin_digest = coin_digest(&coin.key, coin.value);
            digest = digest.plus(coin_digest);
            places.push(writer.push(&mut buf, &coin.key, coin.value, coin_digest));
        }
        let created_bytes = buf.len() - created_at;
        buf.extend_from_slice(block.extra);
        codec::finish_block(
            &mut buf,
            digest,
            block.spent.len(),
            block.created.len(),
            created_bytes,
            block.extra.len(),
        );
        let coins = before
            .coins
            .checked_add(block.created.len() as u64)
            .and_then(|coins| coins.checked_sub(block.spent.len() as u64));
        let Some(coins) = coins else { return Err(EngineError::CoinSpent { index: 0 }) };
        let note = Note {
            // The record is at most 2^26 bytes long, or is refused.
            entries: block.created.len() as u32,
            entry_bytes: created_bytes as u32,
            heights: u64::from(block.height) + 1,
            segment: 0,
            end: 0,
        };
        let position = self.write(&mut buf, record::KIND_BLOCK, note)?;
        self.buf = buf;
        self.add_created(block, &places, position)?;
        self.added.push(position);
        let tip = Tip { height: block.height, hash: block.hash, digest, coins };
        self.tip = Some(tip);
        Ok(tip)
    }

    /// Makes the created coins known, and refuses those that the batch has made before. Whether the
    /// index holds them is looked up in one sweep when the batch is committed.
    fn add_created(
        &mut self,
        block: &BlockEntry<'_>,
        places: &[u32],
        position: u64,
    ) -> Result<(), EngineError> {
        self.bits.reserve(places.len());
        for (coins, places) in block.created.chunks(64).zip(places.chunks(64)) {
            let mut hashes = [0; 64];
            for (hash, coin) in hashes.iter_mut().zip(coins) {
                *hash = self.engine.shared.seeds.hash(&coin.key);
            }
            self.overlay.touch(hashes[..coins.len()].iter().copied());
            for ((coin, place), &hash) in coins.iter().zip(places).zip(&hashes) {
                if self.finder().made(&coin.key, hash)? {
                    return Err(EngineError::CoinExists { key: coin.key });
                }
                let position = position + u64::from(*place);
                if !self.overlay.add(hash, position) {
                    return Err(EngineError::CoinExists { key: coin.key });
                }
                self.bits.push(position | SET);
            }
        }
        Ok(())
    }

    /// Writes a record of the batch to the block log.
    pub(super) fn write(
        &mut self,
        buf: &mut [u8],
        kind: u32,
        note: Note,
    ) -> Result<u64, EngineError> {
        let (position, _) =
            self.engine.log.append(LogKind::Blocks, buf, kind, self.records, self.id)?;
        self.records += 1;
        self.note(position, buf.len(), note);
        Ok(position)
    }

    pub(super) fn note(&mut self, position: u64, bytes: usize, note: Note) {
        // A record ends within its segment.
        let end = offset_of(position) + bytes as u32;
        self.notes.push(Note { segment: segment_of(position), end, ..note });
    }

    fn try_undo(&mut self) -> Result<Undone, EngineError> {
        let at = self.added.last().or_else(|| self.engine.ring.get(self.kept.checked_sub(1)?));
        let at = *at.ok_or(EngineError::BeyondHorizon)?;
        let segments = std::sync::Arc::clone(&self.engine.log.segments);
        let view = record_must_be(&segments, at, record::KIND_BLOCK)?;
        let corrupt = || EngineError::Corrupt {
            file: super::log::Segment::<D>::log_name(segment_of(at)),
            offset: u64::from(offset_of(at)),
            what: "block record",
        };
        let block = BlockRecord::from_disk(&view).ok_or_else(corrupt)?;
        if self.tip != Some(block.after) {
            return Err(corrupt());
        }
        let well_formed = walk_entries(block.created, block.created_at, |entry| {
            let position = at + u64::from(entry.at);
            if !self.overlay.take(self.engine.shared.seeds.hash(&entry.key), position, true) {
                return Err(corrupt());
            }
            self.bits.push(position);
            Ok(())
        })?;
        if !well_formed {
            return Err(corrupt());
        }
        let mut restored = Vec::with_capacity(block.spent.len() / record::SPENT_BYTES);
        for spent in spent_in(block.spent) {
            let position = self.translate(spent.position)?;
            let coin = read_coin(&segments, position)?;
            let hash = self.engine.shared.seeds.hash(&coin.key);
            if hash >> 34 != spent.hash >> 34 || !self.overlay.add(hash, position) {
                return Err(corrupt());
            }
            self.bits.push(position | SET);
            restored.push(Spent { hash, position });
        }
        let mut buf = std::mem::take(&mut self.buf);
        codec::write_undo(&mut buf, at, &restored);
        let note = Note { segment: 0, end: 0, entries: 0, entry_bytes: 0, heights: 0 };
        self.write(&mut buf, record::KIND_UNDO, note)?;
        self.buf = buf;
        if self.added.pop().is_none() {
            self.kept -= 1;
        }
        self.tip = block.before;
        Ok(Undone {
            height: block.height,
            hash: block.hash,
            body: block.body,
            extra: block.extra.to_vec(),
            tip: self.tip,
        })
    }

    /// Where a spent coin is now: cleaning may have moved it.
    fn translate(&mut self, position: u64) -> Result<u64, EngineError> {
        let (number, offset) = (segment_of(position), offset_of(position));
        let stays = self.engine.log.segments.get(number).is_some()
            && self.engine.books.get(&number).is_none_or(|book| offset >= book.cursor);
        if stays {
            return Ok(position);
        }
        let corrupt = || EngineError::Corrupt {
            file: super::log::Segment::<D>::log_name(number),
            offset: u64::from(offset),
            what: "a spent coin is lost",
        };
        let limbo = self
            .engine
            .limbo
            .iter()
            .find(|l| l.victim == number && (l.from..l.to).contains(&offset))
            .copied()
            .ok_or_else(corrupt)?;
        if !self.limbo.contains_key(&limbo.record) {
            let kept = kept_coins(&self.engine.log.segments, limbo.record)?;
            self.limbo.insert(limbo.record, kept);
        }
        self.engine.translated_coins += 1;
        let kept = self.limbo.get(&limbo.record);
        kept.and_then(|kept| kept.get(&offset)).copied().ok_or_else(corrupt)
    }
}

/// Old offsets and new positions of the spent coins in a move record.
fn kept_coins<D: Disk>(
    segments: &super::log::SegmentSet<D>,
    at: u64,
) -> Result<HashMap<u32, u64>, EngineError> {
    let view = record_must_be(segments, at, record::KIND_MOVE)?;
    let corrupt = || EngineError::Corrupt {
        file: super::log::Segment::<D>::log_name(segment_of(at)),
        offset: u64::from(offset_of(at)),
        what: "move record",
    };
    let moved = MoveRecord::from_disk(&view).ok_or_else(corrupt)?;
    let mut olds = offsets_in(moved.spent);
    let mut kept = HashMap::with_capacity(olds.len());
    let well_formed = walk_entries(moved.entries, moved.entries_at, |entry| {
        kept.insert(olds.next().ok_or_else(corrupt)?, at + u64::from(entry.at));
        Ok(())
    })?;
    if well_formed && olds.next().is_none() { Ok(kept) } else { Err(corrupt()) }
}

impl<D: Disk> Drop for Batch<'_, D> {
    fn drop(&mut self) {
        // Nothing was written without a record.
        let wrote = self.engine.log.mark() != self.mark;
        if !self.done && wrote && self.engine.log.rewind(&self.mark).is_err() {
            // A leftover could be taken for a record.
            self.engine.shared.poison();
        }
    }
}
