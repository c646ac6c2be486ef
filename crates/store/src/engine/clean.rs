//! Cleaning: coins that are still needed leave a segment, which can then go.
//!
//! A little is done in each commit, as much as the batch calls for. Live coins go to the cold log.
//! Coins that were spent, but by a block that can still be undone, are copied into the move
//! record itself: they need no bookkeeping, since all of them are useless once the height of the
//! move can no longer be undone, which is before that record's segment is cleaned in turn.

use std::sync::Arc;

use super::batch::{Batch, Note};
use super::codec::{
    BlockRecord, Entry, EntryWriter, MoveRecord, cold_entries, position_of, walk_entries,
};
use super::commit::Moved;
use super::find::Groups;
use super::head::{Limbo, SegmentEntry};
use super::live::LiveEditor;
use super::log::{LogKind, Segment, record_at};
use super::overlay::Change;
use super::{Engine, EngineError};
use crate::backing::{Backing, Disk};
use crate::layout::{cold, record, segment};

/// A segment with more than this share (in percent) still needed is not worth moving.
const NEEDED_PERCENT_MAX: u64 = 85;

/// Log bytes looked at for each byte that a batch wrote, at most.
const SCAN_FACTOR: u64 = 3;

/// Bytes of a book that are still needed, as far as counts can tell.
pub(super) fn needed_bytes(book: &SegmentEntry) -> u64 {
    let product = u64::from(book.entry_bytes) * u64::from(book.needed);
    product.checked_div(u64::from(book.entries)).unwrap_or(0)
}

/// Bytes not cleaned yet.
fn left_bytes(book: &SegmentEntry) -> u64 {
    u64::from(book.used.saturating_sub(book.cursor))
}

impl<D: Disk> Engine<D> {
    /// Whether the segment may be cleaned: it is not written any more, and no block or move in it
    /// can be undone.
    fn may_clean(&self, book: &SegmentEntry) -> bool {
        let settled = book.heights <= self.floor.map_or(0, |height| u64::from(height) + 1);
        settled
            && Some(book.number) != self.log.blocks.segment
            && Some(book.number) != self.log.cold.segment
            && book.cursor < book.used
    }

    /// The segment to clean: the one begun, or the one with the least to move; none of `done`.
    fn victim(&self, done: &[u16]) -> Option<SegmentEntry> {
        let mut best: Option<(u64, &SegmentEntry)> = None;
        for book in self.books.values().filter(|book| self.may_clean(book)) {
            if done.contains(&book.number) {
                continue;
            }
            if book.cursor > 0 {
                return Some(*book);
            }
            let percent = needed_bytes(book) * 100 / u64::from(book.used.max(1));
            if percent <= NEEDED_PERCENT_MAX && best.is_none_or(|(least, _)| percent < least) {
                best = Some((percent, book));
            }
        }
        best.map(|(_, book)| *book)
    }

    /// How many bytes of waste there are too many.
    fn surplus(&self) -> u64 {
        let (used, needed) = self.books.values().fold((0, 0), |(used, needed), book| {
            (used + left_bytes(book), needed + needed_bytes(book))
        });
        let allowed = used * u64::from(self.options.waste_percent) / 100;
        // A store of a few segments is left alone.
        let allowed = allowed.max(u64::from(self.options.segment_bytes));
        used.saturating_sub(needed).saturating_sub(allowed)
    }
}

/// A coin on the move.
struct Moving<'v> {
    entry: Entry<'v>,
    hash: u64,
    live: bool,
}

impl<D: Disk> Batch<'_, D> {
    /// Cleans as much as this batch calls for.
    pub(super) fn clean(&mut self) -> Result<Vec<Moved>, EngineError> {
        let mut moves = Vec::new();
        let Some(tip) = self.tip else { return Ok(moves) };
        let mut surplus = self.engine.surplus();
        if surplus == 0 {
            return Ok(moves);
        }
        let mut budget = u64::from(self.engine.options.clean_step_bytes)
            .saturating_add(self.written().saturating_mul(SCAN_FACTOR));
        let mut begun: Option<SegmentEntry> = None;
        // Books change at the end of the commit; what is done in this one is kept here.
        let mut done = Vec::new();
        while budget > 0 && surplus > 0 {
            let victim = match begun.take().or_else(|| self.engine.victim(&done)) {
                Some(victim) => victim,
                None => break,
            };
            let written = self.written();
            let moved = self.clean_some(&victim, tip.height, &mut budget)?;
            let freed = u64::from(moved.to - victim.cursor);
            surplus = surplus.saturating_sub(freed.saturating_sub(self.written() - written));
            let left = SegmentEntry { cursor: moved.to, ..victim };
            if left.cursor < left.used {
                begun = Some(left);
            } else {
                done.push(left.number);
            }
            moves.push(moved);
        }
        Ok(moves)
    }

    /// Bytes of coins that the batch has written.
    fn written(&self) -> u64 {
        self.notes.iter().map(|note| u64::from(note.entry_bytes)).sum()
    }

    /// Moves what is needed out of the victim's next records, about as many as the budget and one
    /// move record allow.
    fn clean_some(
        &mut self,
        victim: &SegmentEntry,
        height: u32,
        budget: &mut u64,
    ) -> Result<Moved, EngineError> {
        // One step's coins, all of which are held in memory at once.
        const STEP_BYTES: u32 = 1 << 20;
        let segment = self.engine.log.segments.get(victim.number).map(Arc::clone);
        let Some(segment) = segment else {
            return Err(EngineError::Corrupt {
                file: Segment::<D>::log_name(victim.number),
                offset: 0,
                what: "segment is missing",
            });
        };
        let from = victim.cursor.max(segment::HEADER_BYTES as u32);
        let mut at = from;
        segment.file.will_need(from.into(), STEP_BYTES.into());
        let mut views = Vec::new();
        while at < victim.used && at - from < STEP_BYTES && *budget > 0 {
            let Some((header, view)) = record_at(&segment, at)? else {
                return Err(segment.corrupt(u64::from(at), "record"));
            };
            views.push((at, header.kind, view));
            *budget = budget.saturating_sub(u64::from(header.bytes));
            at += header.bytes;
        }
        let mut live = LiveEditor::new();
        let mut moving = Vec::new();
        for (at, kind, view) in &views {
            let Some((list, base)) = entries_of(*kind, view) else { continue };
            walk_entries(list, at + base, |entry| {
                if live.get(&segment, entry.at)? {
                    let hash = self.engine.shared.seeds.hash(&entry.key);
                    moving.push(Moving { entry, hash, live: false });
                }
                Ok(())
            })
            .and_then(|well_formed| {
                if well_formed { Ok(()) } else { Err(segment.corrupt(u64::from(*at), "record")) }
            })?;
        }
        self.tell_live(&mut moving, victim.number)?;
        let moved = self.write_moved(&moving, victim.number, from, at, height)?;
        Ok(moved)
    }

    /// Finds out which coins are live in the state inside the batch.
    fn tell_live(&self, moving: &mut [Moving<'_>], number: u16) -> Result<(), EngineError> {
        let index = &self.index;
        for group in Groups::of(moving.len()) {
            let next = &moving[group.next];
            self.overlay.touch(next.iter().map(|coin| coin.hash));
            next.iter().for_each(|coin| index.prefetch(coin.hash));
            for coin in &mut moving[group.now] {
                let position = position_of(number, coin.entry.at);
                let change = self.overlay.of(coin.hash).find(|change| {
                    matches!(*change, Change::Present(at) | Change::Absent(at) if at == position)
                });
                coin.live = match change {
                    Some(Change::Present(_)) => true,
                    Some(Change::Absent(_)) => false,
                    None => {
                        let mut is_there = false;
                        index.for_each_candidate(coin.hash, |at| is_there |= at == position)?;
                        is_there
                    }
                };
            }
        }
        Ok(())
    }

    /// Writes the live coins to the cold log and the rest into a move record.
    fn write_moved(
        &mut self,
        moving: &[Moving<'_>],
        victim: u16,
        from: u32,
        to: u32,
        height: u32,
    ) -> Result<Moved, EngineError> {
        let mut cold_buf = vec![0; cold::AT_LIST];
        let mut kept_buf = Vec::new();
        let (mut cold_writer, mut kept_writer) = (EntryWriter::default(), EntryWriter::default());
        let (mut live_olds, mut spent_olds) = (Vec::new(), Vec::new());
        let mut places = Vec::new();
        let mut old = Vec::with_capacity(moving.len());
        for Moving { entry, live, .. } in moving {
            old.push(position_of(victim, entry.at));
            let bytes = entry.at.to_le_bytes();
            if *live {
                live_olds.extend_from_slice(&bytes);
                places.push(cold_writer.push(&mut cold_buf, &entry.key, entry.value, entry.digest));
            } else {
                spent_olds.extend_from_slice(&bytes);
                kept_writer.push(&mut kept_buf, &entry.key, entry.value, entry.digest);
            }
        }
        let (mut at, mut checksum) = (0, 0);
        if !places.is_empty() {
            // Coins of one segment: below 2^22.
            let count = (places.len() as u32).to_le_bytes();
            super::bytes::put_at(&mut cold_buf, cold::AT_COUNT, &count);
            (at, checksum) = self.engine.log.append(
                LogKind::Cold,
                &mut cold_buf,
                record::KIND_COLD,
                0,
                self.id,
            )?;
            let note = Note {
                segment: 0,
                end: 0,
                entries: places.len() as u32,
                // The record is at most 2^26 bytes long.
                entry_bytes: (cold_buf.len() - cold::AT_LIST) as u32,
                heights: 0,
            };
            self.note(at, cold_buf.len(), note);
        }
        let mut new = Vec::with_capacity(places.len());
        let mut next = places.iter();
        for group in Groups::of(moving.len()) {
            self.overlay.touch(moving[group.next].iter().map(|coin| coin.hash));
            for coin in moving[group.now].iter().filter(|coin| coin.live) {
                let place = next.next().copied().unwrap_or(0);
                let position = position_of(victim, coin.entry.at);
                let to = at + u64::from(place);
                // Not in the overlay means in the index: `tell_live` has looked.
                let taken = self.overlay.take(coin.hash, position, true);
                if !(taken && self.overlay.add(coin.hash, to)) {
                    return Err(EngineError::Corrupt {
                        file: Segment::<D>::log_name(victim),
                        offset: u64::from(coin.entry.at),
                        what: "a coin on the move",
                    });
                }
                new.push(to);
            }
        }
        let moved = MoveRecord {
            victim,
            from,
            to,
            stamp: height,
            cold: at,
            cold_checksum: checksum,
            live: &live_olds,
            spent: &spent_olds,
            entries: &kept_buf,
            entries_at: 0,
        };
        let mut buf = std::mem::take(&mut self.buf);
        moved.to_disk(&mut buf);
        let note = Note {
            segment: 0,
            end: 0,
            // Coins of one segment: below 2^22.
            entries: (spent_olds.len() / 4) as u32,
            entry_bytes: kept_buf.len() as u32,
            heights: u64::from(height) + 1,
        };
        let record = self.write(&mut buf, record::KIND_MOVE, note)?;
        self.buf = buf;
        let limbo =
            (!spent_olds.is_empty()).then_some(Limbo { victim, from, to, stamp: height, record });
        Ok(Moved { victim, to, old, new, limbo })
    }
}

/// The coin entries of a record of any kind, and their offset in it.
pub(super) fn entries_of(kind: u32, bytes: &[u8]) -> Option<(&[u8], u32)> {
    match kind {
        record::KIND_BLOCK => {
            BlockRecord::from_disk(bytes).map(|block| (block.created, block.created_at))
        }
        record::KIND_MOVE => {
            MoveRecord::from_disk(bytes).map(|moved| (moved.entries, moved.entries_at))
        }
        record::KIND_COLD => cold_entries(bytes),
        _ => None,
    }
}
