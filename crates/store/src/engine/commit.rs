//! The commit: one sync, then the index learns.

use std::sync::Arc;

use super::batch::{Batch, Note, SET};
use super::codec::{self, BlockRecord, offset_of, segment_of, spent_in};
use super::find::Groups;
use super::head::Limbo;
use super::live::LiveEditor;
use super::log::{SegmentSet, record_must_be};
use super::overlay::Overlay;
use super::table::Touched;
use super::types::Tip;
use super::{Engine, EngineError};
use crate::backing::{Backing, Disk};
use crate::layout::record;

/// A finished move of cleaning, not yet in the live maps.
pub(super) struct Moved {
    pub(super) victim: u16,
    pub(super) to: u32,
    /// Old positions of all coins that were needed.
    pub(super) old: Vec<u64>,
    /// New positions of the live ones.
    pub(super) new: Vec<u64>,
    pub(super) limbo: Option<Limbo>,
}

impl<D: Disk> Batch<'_, D> {
    /// Makes the batch durable as one: after a crash all of it is there or, if this has not
    /// returned, perhaps none. `bodies` are files of the caller's that must be durable with it.
    ///
    /// # Errors
    /// [`EngineError::CoinExists`] and [`EngineError::NoSpace`] (nothing has happened), [`EngineError::Io`] (writing ends; whether
    /// the batch is there shows when the store is opened again).
    pub fn commit(mut self, bodies: &[&D::File]) -> Result<Option<Tip>, EngineError> {
        self.guarded(|batch| batch.try_commit(bodies))
    }

    fn try_commit(&mut self, bodies: &[&D::File]) -> Result<Option<Tip>, EngineError> {
        if self.records == 0 {
            return Ok(self.tip);
        }
        let undoable = self.kept + self.added.len();
        let horizon = usize::try_from(self.engine.options.undo_horizon).unwrap_or(usize::MAX);
        let expiring = undoable.saturating_sub(horizon);
        // Heights in the ring have no gaps, and the last is the tip's.
        let below = self.tip.and_then(|tip| {
            let left = u32::try_from(undoable - expiring).ok()?;
            (expiring > 0).then(|| tip.height.checked_sub(left)).flatten()
        });
        let floor = self.engine.floor.max(below);
        self.check_expiring(expiring)?;
        // Segments that a checkpoint finished since the batch began no longer names go before more are written.
        self.engine.poll_checkpoint()?;
        let moves = self.clean()?;
        let more = self.check_added()?;
        self.engine.shared.index.reserve(&more)?;
        let mut buf = std::mem::take(&mut self.buf);
        let durable = self.engine.durable;
        codec::CommitRecord { records: self.records, floor, durable }.to_disk(&mut buf);
        let note = Note { segment: 0, end: 0, entries: 0, entry_bytes: 0, heights: 0 };
        self.write(&mut buf, record::KIND_COMMIT, note)?;
        drop(buf);
        if self.engine.options.write_ahead {
            self.sync(bodies)?;
        }
        // From here on the batch is durable: what fails now is made good by opening again.
        self.done = true;
        self.learn(expiring, floor, moves)?;
        if !self.engine.options.write_ahead {
            self.sync(bodies)?;
        }
        Ok(self.tip)
    }

    /// Reads the block records that the batch pushes out of reach of undoing. They are old, so they may have to come
    /// from the disk; and what is damaged is better met now than when the batch is durable.
    fn check_expiring(&self, expiring: usize) -> Result<(), EngineError> {
        /// About the length of a full block's record.
        const RECORD_BYTES: u64 = 512 << 10;
        let segments = &self.engine.log.segments;
        let kept = self.engine.ring.iter().take(self.kept);
        let expiring = || kept.clone().chain(&self.added).take(expiring).copied();
        for at in expiring() {
            if let Some(segment) = segments.get(segment_of(at)) {
                segment.file.will_need(offset_of(at).into(), RECORD_BYTES);
            }
        }
        for at in expiring() {
            record_must_be(segments, at, record::KIND_BLOCK)?;
        }
        Ok(())
    }

    fn sync(&mut self, bodies: &[&D::File]) -> Result<(), EngineError> {
        let synced = self.engine.log.sync(bodies);
        if synced.is_err() {
            // Whether the batch is there is known when the store is opened again. Its records must
            // stay as they are until then.
            self.engine.shared.poison();
            self.done = true;
            return synced;
        }
        self.engine.durable = self.id;
        let marked = self.engine.mark.set(self.id);
        if marked.is_err() {
            self.engine.shared.poison();
            self.done = true;
        }
        marked
    }

    /// Looks whether the index holds a coin that the batch adds, in the index's order; for each
    /// shard, by how many pairs it grows at most while the changes are made in that order.
    fn check_added(&self) -> Result<Vec<u32>, EngineError> {
        let finder = self.finder();
        let mut counts = vec![(0_i64, 0_i64); self.engine.shared.index.shard_count()];
        let bits = counts.len().trailing_zeros();
        in_pieces(&self.overlay, |piece| {
            if finder.pace.index.is_slow() {
                piece.iter().for_each(|change| self.index.will_need(change.hash));
            }
            for group in Groups::of(piece.len()) {
                for change in piece[group.next].iter().filter(|change| change.present) {
                    self.index.prefetch(change.hash);
                }
                for change in &piece[group.now] {
                    // The top bits: at most 8.
                    let shard = change.hash.checked_shr(64 - bits).unwrap_or(0) as usize;
                    let (now, most) = &mut counts[shard];
                    if !change.present {
                        *now -= 1;
                        continue;
                    }
                    *now += 1;
                    *most = (*most).max(*now);
                    if let Some(key) = finder.collides(change.hash, change.payload)? {
                        return Err(EngineError::CoinExists { key });
                    }
                }
            }
            Ok(())
        })?;
        Ok(counts.iter().map(|&(_, most)| u32::try_from(most).unwrap_or(u32::MAX)).collect())
    }

    /// Brings index, live maps and books to the state after the batch.
    fn learn(
        &mut self,
        expiring: usize,
        floor: Option<u32>,
        moves: Vec<Moved>,
    ) -> Result<(), EngineError> {
        let shared = Arc::clone(&self.engine.shared);
        let mut published = shared.published();
        shared.keep_layer(self.overlay.changes(), self.engine.options.snapshot_changes_max);
        let learned = self.learn_all(expiring, floor, moves);
        match &learned {
            Ok(()) => {
                published.follow(&shared.index);
                published.tip = self.engine.tip;
                published.segments = Arc::clone(&self.engine.log.segments);
            }
            Err(_) => shared.tear(),
        }
        learned.map_err(|error| match error {
            // The batch is durable: this is no refusal after which nothing has happened. `reserve`
            // has taken the space, unless hashes crowd as they never should.
            EngineError::NoSpace { file } => EngineError::Io {
                action: "grow",
                file,
                source: std::io::ErrorKind::StorageFull.into(),
            },
            other => other,
        })
    }

    fn learn_all(
        &mut self,
        expiring: usize,
        floor: Option<u32>,
        moves: Vec<Moved>,
    ) -> Result<(), EngineError> {
        in_pieces(&self.overlay, |piece| self.engine.shared.index.change(piece))?;
        self.engine.last_changes = self.overlay.len();

        let engine = &mut *self.engine;
        engine.ring.truncate(self.kept);
        engine.ring.extend(&self.added);
        for note in &self.notes {
            engine.book_record(note);
        }
        let segments = Arc::clone(&engine.log.segments);
        let mut live = LiveEditor::new();
        for &bit in &self.bits {
            engine.set_live(&mut live, &segments, bit & !SET, bit & SET != 0)?;
        }
        for moved in moves {
            for &old in &moved.old {
                engine.set_live(&mut live, &segments, old, false)?;
            }
            for &new in &moved.new {
                engine.set_live(&mut live, &segments, new, true)?;
            }
            engine.moved_coins += moved.new.len() as u64;
            engine.limbo.extend(moved.limbo);
            engine.book_move(moved.victim, moved.to);
        }
        for _ in 0..expiring {
            if let Some(at) = engine.ring.pop_front() {
                engine.expire(&mut live, &segments, at)?;
            }
        }
        live.flush()?;
        engine.set_floor(floor);
        engine.tip = self.tip;
        Ok(())
    }
}

/// Hands the overlay's changes on in pieces, so that no copy of all is made.
fn in_pieces(
    overlay: &Overlay,
    mut visit: impl FnMut(&[Touched]) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    const PIECE: usize = 4096;
    let mut piece: Vec<Touched> = Vec::with_capacity(PIECE.min(overlay.len()));
    for change in overlay.changes() {
        piece.push(change);
        if piece.len() == PIECE {
            visit(&piece)?;
            piece.clear();
        }
    }
    visit(&piece)
}

impl<D: Disk> Engine<D> {
    /// Sets or clears one bit; a segment that is gone has none.
    pub(super) fn set_live(
        &mut self,
        live: &mut LiveEditor<D>,
        segments: &SegmentSet<D>,
        position: u64,
        on: bool,
    ) -> Result<(), EngineError> {
        let number = segment_of(position);
        let Some(segment) = segments.get(number) else { return Ok(()) };
        if live.set(segment, offset_of(position), on)?
            && let Some(book) = self.books.get_mut(&number)
        {
            book.needed = if on { book.needed + 1 } else { book.needed.saturating_sub(1) };
        }
        Ok(())
    }

    /// A block can no longer be undone: what it spent is needed no longer.
    pub(super) fn expire(
        &mut self,
        live: &mut LiveEditor<D>,
        segments: &SegmentSet<D>,
        at: u64,
    ) -> Result<(), EngineError> {
        let view = record_must_be(segments, at, record::KIND_BLOCK)?;
        let block = BlockRecord::from_disk(&view).ok_or_else(|| EngineError::Corrupt {
            file: super::log::Segment::<D>::log_name(segment_of(at)),
            offset: u64::from(offset_of(at)),
            what: "block record",
        })?;
        for spent in spent_in(block.spent) {
            self.set_live(live, segments, spent.position, false)?;
        }
        Ok(())
    }

    pub(super) fn set_floor(&mut self, floor: Option<u32>) {
        self.floor = floor;
        if let Some(floor) = floor {
            self.limbo.retain(|limbo| limbo.stamp > floor);
        }
    }
}
