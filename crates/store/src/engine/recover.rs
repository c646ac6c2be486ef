//! Opening: from the last checkpoint to the last batch that is whole.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::codec::{
    BlockRecord, CommitRecord, MoveRecord, RecordHeader, UndoRecord, cold_entries, offset_of,
    offsets_in, position_of, segment_of, spent_in, walk_entries, walk_keys,
};
use super::find::Seeds;
use super::head::{self, HeadBody, HeadFile, Limbo};
use super::live::{self, LiveEditor};
use super::log::{
    LIVE_FOLDER, LOG_FOLDER, Log, LogKind, Place, Salts, Segment, SegmentSet, known_record,
    record_at, record_must_be,
};
use super::snapshot::Shared;
use super::table::{Table, Touched};
use super::tail::Mark;
use super::types::{BodyRef, Opened, Recovery, ReplayedBlock, Tip};
use super::{Damaged, Engine, EngineError, Note, Options, tail};
use crate::backing::{Backing, Disk};
use crate::layout::{record, segment};

const INDEX_FOLDER: &str = "index";

/// A checkpoint found on disk.
struct Start {
    generation: u64,
    body: HeadBody,
    /// Whether the other checkpoint is not whole.
    damaged: bool,
}

/// What the log holds behind the checkpoint.
struct Scanned {
    /// Records of whole batches.
    accepted: Vec<u64>,
    /// Where among them the last batch begins.
    last: usize,
    /// Where that batch goes on in another segment.
    left: Vec<Place>,
    batches: u64,
}

impl<D: Disk> Engine<D> {
    /// Opens the store in `disk`, or creates one in an empty folder, and brings it to the last
    /// committed batch that is whole.
    ///
    /// `recovery` hears, in order: [`Recovery::checkpoint`] once (not for a new store), then each
    /// block that the log holds beyond it.
    ///
    /// # Errors
    /// [`EngineError::Locked`], [`EngineError::NotAStore`], [`EngineError::UnknownVersion`],
    /// [`EngineError::OtherNetwork`], [`EngineError::Corrupt`], [`EngineError::NoSpace`],
    /// [`EngineError::Io`], or what `recovery` answers.
    pub fn open(
        disk: D,
        options: Options,
        recovery: &mut dyn Recovery,
    ) -> Result<(Self, Opened), EngineError> {
        Self::open_with(disk, options, recovery, None)
    }

    pub(super) fn open_with(
        disk: D,
        options: Options,
        recovery: &mut dyn Recovery,
        damaged_part: Option<Damaged>,
    ) -> Result<(Self, Opened), EngineError> {
        let lock = prepare(&disk, &options)?;
        match newest_head(&disk, &options)? {
            None => Self::create(disk, options, lock),
            Some(start) => {
                // Before anything goes that only the older one needs: the process that wrote this one may
                // have died before it synced it.
                head::make_durable(&disk, start.generation)?;
                let Start { generation, mut body, damaged } = start;
                let index = if damaged_part == Some(Damaged::Index) {
                    body.index_salt = super::bytes::u64_at(&random(&disk)?, 0);
                    Table::create(&disk, INDEX_FOLDER, options.index, body.index_salt)?
                } else {
                    let state = &body.index;
                    Table::open(&disk, INDEX_FOLDER, options.index, body.index_salt, state)?
                };
                let aux = std::mem::take(&mut body.aux);
                let clean = body.clean;
                let maps = damaged_part == Some(Damaged::LiveMaps);
                if maps {
                    body.maps_salt = super::bytes::u64_at(&random(&disk)?, 0);
                }
                let mut engine =
                    Self::from_head(disk, options, lock, generation, body, index, maps)?;
                recovery.checkpoint(engine.tip, &aux)?;
                drop(aux);
                let opened = engine.replay(recovery, clean, damaged_part)?;
                if damaged {
                    // Cut short while it was written; the next checkpoint takes its name.
                    let name = head::name(generation + 1);
                    engine.disk.remove(name).map_err(|e| EngineError::io("remove", name, e))?;
                }
                Ok((engine, opened))
            }
        }
    }

    fn create(disk: D, options: Options, lock: D::Lock) -> Result<(Self, Opened), EngineError> {
        let names = disk.list(LOG_FOLDER).map_err(|e| EngineError::io("list", LOG_FOLDER, e))?;
        if names.iter().any(|name| Segment::<D>::number_in(name).is_some()) {
            return Err(EngineError::NotAStore("there is a log, but no checkpoint"));
        }
        for folder in [LOG_FOLDER, LIVE_FOLDER, INDEX_FOLDER] {
            disk.create_folder(folder).map_err(|e| EngineError::io("create", folder, e))?;
        }
        disk.sync_folder("").map_err(|e| EngineError::io("sync", "", e))?;
        let word = |bytes: &[u8; 16], at: usize| super::bytes::u64_at(bytes, at);
        let (first, second) = (random(&disk)?, random(&disk)?);
        let seeds = Seeds { hash: [word(&first, 0), word(&first, 8)], salt: word(&second, 0) };
        let third = random(&disk)?;
        let (maps_salt, index_salt) = (word(&third, 0), word(&third, 8));
        let index = Table::create(&disk, INDEX_FOLDER, options.index, index_salt)?;
        let body = HeadBody {
            seeds,
            clean: false,
            floor: None,
            tip: None,
            blocks: Place::default(),
            cold: Place::default(),
            before: 0,
            next: 0,
            batch: 0,
            segments: Vec::new(),
            ring: Vec::new(),
            limbo: Vec::new(),
            maps_salt,
            index_salt,
            index: index.state(),
            aux: Vec::new(),
        };
        let mut engine = Self::from_head(disk, options, lock, 0, body, index, false)?;
        engine.mark.set(0)?;
        // Before the first segment, so that a log without a checkpoint is never an unfinished start.
        engine.start_checkpoint(Vec::new(), Box::new(|| Ok(())), false)?;
        engine.wait_checkpoint()?;
        let opened = Opened { created: true, clean: true, batches: 0, replayed_bytes: 0 };
        Ok((engine, opened))
    }

    /// The store as of a checkpoint. With `fresh_maps`, live maps are made anew.
    pub(super) fn from_head(
        disk: D,
        options: Options,
        lock: D::Lock,
        generation: u64,
        body: HeadBody,
        index: Table<D>,
        fresh_maps: bool,
    ) -> Result<Self, EngineError> {
        let salts = Salts { log: body.seeds.salt, maps: body.maps_salt };
        let random = random(&disk)?;
        let epoch = super::bytes::u64_at(&random, 0);
        let mark = Mark::open(&disk, salts.log)?;
        let mut log = Log::new(disk.clone(), options.clone(), salts, epoch);
        let mut books = BTreeMap::new();
        for entry in &body.segments {
            let segment = if fresh_maps {
                Segment::open_fresh(&disk, &options, salts, entry.number)?
            } else {
                Segment::open(&disk, &options, salts, entry.number)?
            };
            if u64::from(entry.used) > segment.file.len() {
                let len = segment.file.len();
                return Err(segment.corrupt(len, "shorter than the checkpoint says"));
            }
            log.add(segment);
            books.insert(entry.number, *entry);
        }
        log.blocks = body.blocks;
        log.cold = body.cold;
        log.before = body.before;
        log.next = body.next;
        let segments = Arc::clone(&log.segments);
        Ok(Self {
            disk,
            options,
            _lock: lock,
            shared: Arc::new(Shared::new(body.seeds, index, body.tip, segments)),
            log,
            books,
            ring: VecDeque::from(body.ring),
            floor: body.floor,
            tip: body.tip,
            limbo: body.limbo,
            batches: body.batch,
            durable: 0,
            mark,
            last_changes: 0,
            since_checkpoint: 0,
            generation,
            running: None,
            moved_coins: 0,
            removed_segments: 0,
            translated_coins: 0,
            index_salt: body.index_salt,
        })
    }

    /// Brings the store from its checkpoint to the end of the log.
    pub(super) fn replay(
        &mut self,
        recovery: &mut dyn Recovery,
        clean: bool,
        damaged_part: Option<Damaged>,
    ) -> Result<Opened, EngineError> {
        let learnt = self.learnt()?;
        let Scanned { accepted, last, left, batches } = self.scan(recovery)?;
        if !accepted.is_empty() {
            let bodies = self.rewrite(accepted.get(last..).unwrap_or_default())?;
            for place in left {
                self.log.cross_out(place)?;
            }
            recovery.sync_bodies(&bodies)?;
            // All segments behind the checkpoint's end; cold ones may be older.
            let mut written: BTreeSet<u16> = accepted.iter().map(|&at| segment_of(at)).collect();
            written.extend(self.log.cold.segment);
            let newest = self.log.segments.iter().filter(|s| !self.books.contains_key(&s.number));
            written.extend(newest.map(|segment| segment.number));
            self.log.sync_found(&written)?;
        }
        self.mark.set(self.durable)?;
        let changes = self.replay_books(&accepted, recovery)?;
        self.refuse_learnt(&learnt)?;
        self.remove_strangers()?;
        self.log.end_here()?;
        if !accepted.is_empty() {
            // A process that died may have left records in memory alone. From here on they count: a later
            // batch elsewhere, or a checkpoint, would be durable without them.
            self.log.sync(&[])?;
        }
        if accepted.is_empty() && damaged_part.is_none() {
            // Also of a store that was closed cleanly: it may have been opened and written to since.
            self.recount(true)?;
            return Ok(Opened { created: false, clean, batches: 0, replayed_bytes: 0 });
        }
        if damaged_part != Some(Damaged::Index) {
            self.replay_index(&accepted, changes)?;
        }
        if let Some(part) = damaged_part {
            self.rebuild(part)?;
        }
        self.recount(false)?;
        let (_, _, pairs) = self.shared.index.sizes();
        if pairs != self.tip.map_or(0, |tip| tip.coins) {
            // Learnt from a batch that is not in the log.
            return Err(EngineError::Corrupt {
                file: INDEX_FOLDER.into(),
                offset: 0,
                what: live::LEARNT,
            });
        }
        let mut published = self.shared.published();
        published.follow(&self.shared.index);
        published.tip = self.tip;
        published.segments = Arc::clone(&self.log.segments);
        drop(published);
        let replayed_bytes = self.since_checkpoint;
        Ok(Opened { created: false, clean: false, batches, replayed_bytes })
    }

    /// Finds the records behind the checkpoint whose batches are whole, and sets the end of the log.
    ///
    /// What follows that end must be what a power cut may leave of batches that were never acknowledged.
    /// If it is more, the log is damaged: [`EngineError::Corrupt`], and nothing of the log has been touched.
    fn scan(&mut self, recovery: &mut dyn Recovery) -> Result<Scanned, EngineError> {
        let mut unknown = self.unknown_segments()?;
        let mut accepted = Vec::new();
        let (mut batches, mut last) = (0, 0);
        let mut group: Vec<(u64, RecordHeader)> = Vec::new();
        // The place of the next record, and what it must name as the one before it.
        let (mut at, mut before) = (self.log.blocks, self.log.before);
        let (mut left, mut group_left) = (Vec::new(), Vec::new());
        let stop = loop {
            let here = at;
            let Some((position, header)) = self.next_record(&mut at, before, &mut unknown)? else {
                break (at.segment.unwrap_or(0), at.offset);
            };
            let fits = match group.first() {
                None => header.number == 0 && header.batch > self.batches,
                Some((_, first)) => {
                    header.epoch == first.epoch
                        && header.batch == first.batch
                        && header.number as usize == group.len()
                }
            };
            if !fits {
                break (segment_of(position), offset_of(position));
            }
            if at.segment != here.segment {
                group_left.push(here);
            }
            before = header.checksum;
            at.offset += header.bytes;
            group.push((position, header));
            if header.kind != record::KIND_COMMIT {
                continue;
            }
            if let Some(position) = self.first_lacking(&group, &mut unknown, recovery)? {
                break (segment_of(position), offset_of(position));
            }
            last = accepted.len();
            left = std::mem::take(&mut group_left);
            accepted.extend(group.iter().map(|(position, _)| *position));
            self.batches = header.batch;
            self.log.blocks = at;
            self.log.before = before;
            batches += 1;
            group.clear();
        };
        let marked = self.mark.batch()?;
        // What was found is synced before anything else is written. The checkpoint's number may be that of a batch that
        // was dropped: to call it durable would condemn the log in the eyes of the older checkpoint.
        self.durable = if accepted.is_empty() { marked } else { self.batches };
        if self.last_durable_behind(&accepted)?.max(marked) > self.batches {
            return Err(EngineError::Corrupt {
                file: Segment::<D>::log_name(stop.0),
                offset: u64::from(stop.1),
                what: "the log breaks off here, but a batch behind this place was acknowledged",
            });
        }
        Ok(Scanned { accepted, last, left, batches })
    }

    /// Writes the records of the last batch over themselves; the bodies that it names. The sync after which the
    /// process before would have acknowledged it may have failed: then the system shows records that are not on
    /// the disk, thinks that they are, and would not write them with the next sync. Of the batches before it
    /// the sync has succeeded, or the last one would not have been written.
    fn rewrite(&self, records: &[u64]) -> Result<Vec<BodyRef>, EngineError> {
        let mut bodies = Vec::new();
        for &at in records {
            self.log.rewrite(at)?;
            let segments = &self.log.segments;
            let Some(segment) = segments.get(segment_of(at)) else { continue };
            let Some((header, view)) = known_record(segment, offset_of(at))? else { continue };
            match header.kind {
                record::KIND_BLOCK => {
                    bodies.extend(BlockRecord::from_disk(&view).map(|block| block.body));
                }
                record::KIND_MOVE => match MoveRecord::from_disk(&view) {
                    Some(moved) if moved.cold != 0 => self.log.rewrite(moved.cold)?,
                    _ => {}
                },
                _ => {}
            }
        }
        Ok(bodies)
    }

    /// The last batch that was durable as far as files tell which the scan has not passed: the rest of the
    /// segment where the log ends, and all segments that no checkpoint knows, also those without a header.
    fn last_durable_behind(&self, accepted: &[u64]) -> Result<u64, EngineError> {
        let passed: BTreeSet<u16> = accepted.iter().map(|&at| segment_of(at)).collect();
        let salt = self.log.salts().log;
        let mut last = 0;
        let names =
            self.disk.list(LOG_FOLDER).map_err(|e| EngineError::io("list", LOG_FOLDER, e))?;
        for number in names.iter().filter_map(|name| Segment::<D>::number_in(name)) {
            let from = if self.log.blocks.segment == Some(number) {
                self.log.blocks.offset
            } else if u32::from(number) >= self.log.next && !passed.contains(&number) {
                0
            } else {
                continue;
            };
            let name = Segment::<D>::log_name(number);
            let found = match self.log.segments.get(number) {
                Some(segment) => tail::last_durable(&segment.file, &name, from.into(), salt)?,
                None => {
                    let file = self.disk.open(&name, 0);
                    let file = file.map_err(|e| EngineError::io("open", &name, e))?;
                    tail::last_durable(&file, &name, from.into(), salt)?
                }
            };
            last = last.max(found);
        }
        Ok(last)
    }

    /// Segments on disk that the checkpoint does not name, each opened once with a new live map. One whose
    /// header never reached the disk is left out: it ends the log like a record that did not.
    fn unknown_segments(&self) -> Result<BTreeMap<u16, Segment<D>>, EngineError> {
        let names =
            self.disk.list(LOG_FOLDER).map_err(|e| EngineError::io("list", LOG_FOLDER, e))?;
        let salts = self.log.salts();
        let mut unknown = BTreeMap::new();
        for number in names.iter().filter_map(|name| Segment::<D>::number_in(name)) {
            if u32::from(number) < self.log.next {
                continue;
            }
            match Segment::open_fresh(&self.disk, &self.options, salts, number) {
                Err(EngineError::Corrupt { .. }) => {}
                opened => {
                    unknown.insert(number, opened?);
                }
            }
        }
        Ok(unknown)
    }

    /// Of each segment that no checkpoint knows, the last entry of which its live map tells.
    fn learnt(&self) -> Result<BTreeMap<u16, u32>, EngineError> {
        let names =
            self.disk.list(LIVE_FOLDER).map_err(|e| EngineError::io("list", LIVE_FOLDER, e))?;
        let numbers = names.iter().filter_map(|name| Segment::<D>::number_in(name));
        let new = numbers.filter(|&number| u32::from(number) >= self.log.next);
        let salt = self.log.salts().maps;
        let last = |number| Some((number, live::last_bit(&self.disk, salt, number)?));
        Ok(new.filter_map(last).collect())
    }

    /// Refuses what live maps have learnt of a batch that is not in the log: a bit is set when its batch is durable,
    /// so that batch has been lost since.
    fn refuse_learnt(&self, learnt: &BTreeMap<u16, u32>) -> Result<(), EngineError> {
        for (&number, &offset) in learnt {
            if self.books.get(&number).is_some_and(|book| offset < book.used) {
                continue;
            }
            // The map has been made anew; the next opening must find there what this one found.
            let segment = Segment::open(&self.disk, &self.options, self.log.salts(), number);
            if let Ok(segment) = segment {
                let mut live = LiveEditor::new();
                live.set(&Arc::new(segment), offset, true)?;
                live.flush()?;
            }
            let file = Segment::<D>::live_name(number);
            return Err(EngineError::Corrupt { file, offset: 0, what: live::LEARNT });
        }
        Ok(())
    }

    /// The record that follows, where `at` is or at the start of a segment that no checkpoint knows.
    fn next_record(
        &mut self,
        at: &mut Place,
        before: u64,
        unknown: &mut BTreeMap<u16, Segment<D>>,
    ) -> Result<Option<(u64, RecordHeader)>, EngineError> {
        let here = at.segment.and_then(|number| self.log.segments.get(number));
        if let Some(segment) = here
            && let Some((header, _)) = record_at(segment, at.offset)?
            && header.before == before
            && header.kind != record::KIND_COLD
        {
            return Ok(Some((position_of(segment.number, at.offset), header)));
        }
        let offset = segment::HEADER_BYTES as u32;
        let mut next = None;
        for (number, segment) in &*unknown {
            if segment.kind == LogKind::Blocks
                && segment.before == at.segment
                && let Some((header, _)) = record_at(segment, offset)?
                && header.before == before
            {
                next = Some((*number, header));
                break;
            }
        }
        let Some((number, header)) = next else { return Ok(None) };
        if let Some(segment) = unknown.remove(&number) {
            self.log.add(segment);
        }
        *at = Place { segment: Some(number), offset };
        Ok(Some((position_of(number, offset), header)))
    }

    /// The first record of a batch, which ends with a commit record, of which not all is there; none if the
    /// batch is whole.
    fn first_lacking(
        &mut self,
        group: &[(u64, RecordHeader)],
        unknown: &mut BTreeMap<u16, Segment<D>>,
        recovery: &mut dyn Recovery,
    ) -> Result<Option<u64>, EngineError> {
        for (position, header) in group {
            let segments = Arc::clone(&self.log.segments);
            let Some(segment) = segments.get(segment_of(*position)) else {
                return Ok(Some(*position));
            };
            let Some((_, view)) = known_record(segment, offset_of(*position))? else {
                return Ok(Some(*position));
            };
            let whole = match header.kind {
                record::KIND_BLOCK => match BlockRecord::from_disk(&view) {
                    Some(block) => recovery.body_is_intact(&block.body)?,
                    None => false,
                },
                record::KIND_UNDO => UndoRecord::from_disk(&view).is_some(),
                record::KIND_MOVE => match MoveRecord::from_disk(&view) {
                    Some(moved) => self.cold_is_whole(&moved, unknown)?,
                    None => false,
                },
                record::KIND_COMMIT => CommitRecord::from_disk(&view)
                    .is_some_and(|commit| commit.records as usize == group.len() - 1),
                _ => false,
            };
            if !whole {
                return Ok(Some(*position));
            }
        }
        Ok(None)
    }

    /// Whether the live coins of a move are in the cold log; takes up a new segment of it.
    fn cold_is_whole(
        &mut self,
        moved: &MoveRecord<'_>,
        unknown: &mut BTreeMap<u16, Segment<D>>,
    ) -> Result<bool, EngineError> {
        if moved.cold == 0 {
            return Ok(true);
        }
        let number = segment_of(moved.cold);
        if let Some(segment) = unknown.remove(&number) {
            self.log.add(segment);
        }
        let Some(segment) = self.log.segments.get(number) else { return Ok(false) };
        Ok(match record_at(segment, offset_of(moved.cold))? {
            Some((header, view)) => {
                header.kind == record::KIND_COLD
                    && header.checksum == moved.cold_checksum
                    && cold_entries(&view).is_some()
            }
            None => false,
        })
    }

    /// Removes files of segments that are no part of the log, and forgets those opened in vain.
    fn remove_strangers(&mut self) -> Result<(), EngineError> {
        let kept: Vec<u16> = self.books.keys().copied().collect();
        let open: Vec<u16> = self.log.segments.iter().map(|s| s.number).collect();
        for number in open {
            if !kept.contains(&number) {
                self.log.forget(number);
            }
        }
        for folder in [LOG_FOLDER, LIVE_FOLDER] {
            let names = self.disk.list(folder).map_err(|e| EngineError::io("list", folder, e))?;
            for name in names {
                if Segment::<D>::number_in(&name).is_some_and(|number| kept.contains(&number)) {
                    continue;
                }
                let name = format!("{folder}/{name}");
                self.disk.remove(&name).map_err(|e| EngineError::io("remove", &name, e))?;
            }
        }
        let next = kept.iter().max().map_or(0, |&number| u32::from(number) + 1);
        self.log.next = self.log.next.max(next);
        Ok(())
    }

    fn corrupt_at(position: u64, what: &'static str) -> EngineError {
        EngineError::Corrupt {
            file: Segment::<D>::log_name(segment_of(position)),
            offset: u64::from(offset_of(position)),
            what,
        }
    }

    /// Brings tip, books and live maps up to date, and tells `recovery`; the number of changes of
    /// the index.
    fn replay_books(
        &mut self,
        accepted: &[u64],
        recovery: &mut dyn Recovery,
    ) -> Result<u64, EngineError> {
        let segments = Arc::clone(&self.log.segments);
        let mut live = LiveEditor::storing_all();
        let mut changes = 0;
        for &at in accepted {
            let Some(segment) = segments.get(segment_of(at)) else {
                return Err(Self::corrupt_at(at, "segment is missing"));
            };
            let Some((header, view)) = record_at(segment, offset_of(at))? else {
                return Err(Self::corrupt_at(at, "record"));
            };
            let mut note = Note {
                segment: segment.number,
                end: offset_of(at) + header.bytes,
                entries: 0,
                entry_bytes: 0,
                heights: 0,
            };
            let corrupt = || Self::corrupt_at(at, "record");
            match header.kind {
                record::KIND_BLOCK => {
                    let block = BlockRecord::from_disk(&view).ok_or_else(corrupt)?;
                    if block.before != self.tip {
                        return Err(corrupt());
                    }
                    self.replay_entries(&mut live, &segments, at, &mut note, &block)?;
                    changes += u64::from(note.entries);
                    changes += spent_in(block.spent).len() as u64;
                    note.heights = u64::from(block.height) + 1;
                    self.ring.push_back(at);
                    self.tip = Some(block.after);
                    recovery.applied(&replayed(&block, self.tip))?;
                }
                record::KIND_UNDO => {
                    let undo = UndoRecord::from_disk(&view).ok_or_else(corrupt)?;
                    if self.ring.pop_back() != Some(undo.block) {
                        return Err(corrupt());
                    }
                    let view = record_must_be(&segments, undo.block, record::KIND_BLOCK)?;
                    let block = BlockRecord::from_disk(&view).ok_or_else(corrupt)?;
                    for coin in spent_in(undo.restored) {
                        self.set_live(&mut live, &segments, coin.position, true)?;
                        changes += 1;
                    }
                    walk_entries(block.created, block.created_at, |entry| {
                        changes += 1;
                        let position = undo.block + u64::from(entry.at);
                        self.set_live(&mut live, &segments, position, false)
                    })?;
                    self.tip = block.before;
                    recovery.undone(&replayed(&block, self.tip))?;
                }
                record::KIND_MOVE => {
                    let moved = MoveRecord::from_disk(&view).ok_or_else(corrupt)?;
                    changes += 2 * offsets_in(moved.live).len() as u64;
                    note.heights = u64::from(moved.stamp) + 1;
                    self.replay_move(&mut live, &segments, at, &mut note, &moved)?;
                }
                record::KIND_COMMIT => {
                    let commit = CommitRecord::from_disk(&view).ok_or_else(corrupt)?;
                    self.replay_floor(&mut live, &segments, commit.floor)?;
                }
                _ => return Err(corrupt()),
            }
            self.log.doubt(note.segment);
            self.book_record(&note);
        }
        live.flush()?;
        Ok(changes)
    }

    fn replay_entries(
        &mut self,
        live: &mut LiveEditor<D>,
        segments: &SegmentSet<D>,
        at: u64,
        note: &mut Note,
        block: &BlockRecord<'_>,
    ) -> Result<(), EngineError> {
        let well_formed = walk_entries(block.created, block.created_at, |entry| {
            note.entries += 1;
            self.set_live(live, segments, at + u64::from(entry.at), true)
        })?;
        // A list within a record: below 2^26.
        note.entry_bytes = block.created.len() as u32;
        if well_formed && note.entries == block.created_count {
            Ok(())
        } else {
            Err(Self::corrupt_at(at, "created coins"))
        }
    }

    fn replay_move(
        &mut self,
        live: &mut LiveEditor<D>,
        segments: &SegmentSet<D>,
        at: u64,
        note: &mut Note,
        moved: &MoveRecord<'_>,
    ) -> Result<(), EngineError> {
        for old in offsets_in(moved.live).chain(offsets_in(moved.spent)) {
            self.set_live(live, segments, position_of(moved.victim, old), false)?;
        }
        // Lists within records: below 2^26.
        note.entries = offsets_in(moved.spent).len() as u32;
        note.entry_bytes = moved.entries.len() as u32;
        if moved.cold != 0 {
            let view = record_must_be(segments, moved.cold, record::KIND_COLD)?;
            let (list, base) =
                cold_entries(&view).ok_or_else(|| Self::corrupt_at(moved.cold, "record"))?;
            let mut cold = Note {
                segment: segment_of(moved.cold),
                end: offset_of(moved.cold) + view.len() as u32,
                entries: 0,
                entry_bytes: list.len() as u32,
                heights: 0,
            };
            walk_entries(list, base, |entry| {
                cold.entries += 1;
                self.set_live(live, segments, moved.cold + u64::from(entry.at), true)
            })?;
            self.log.cold = Place { segment: Some(cold.segment), offset: cold.end };
            self.log.doubt(cold.segment);
            self.book_record(&cold);
        }
        if !moved.spent.is_empty() {
            let MoveRecord { victim, from, to, stamp, .. } = *moved;
            self.limbo.push(Limbo { victim, from, to, stamp, record: at });
        }
        self.book_move(moved.victim, moved.to);
        Ok(())
    }

    /// Expires the blocks up to `floor`.
    fn replay_floor(
        &mut self,
        live: &mut LiveEditor<D>,
        segments: &SegmentSet<D>,
        floor: Option<u32>,
    ) -> Result<(), EngineError> {
        while let (Some(floor), Some(tip)) = (floor, self.tip) {
            // Heights in the ring have no gaps, and the last is the tip's.
            let lowest = (u64::from(tip.height) + 1).checked_sub(self.ring.len() as u64);
            match self.ring.front() {
                Some(&at) if lowest.is_some_and(|lowest| lowest <= u64::from(floor)) => {
                    self.ring.pop_front();
                    self.expire(live, segments, at)?;
                }
                _ => break,
            }
        }
        self.set_floor(floor);
        Ok(())
    }

    /// Brings the index up to date by net effect, in as many passes over the log as memory asks for.
    fn replay_index(&mut self, accepted: &[u64], changes: u64) -> Result<(), EngineError> {
        let passes = changes.div_ceil(self.options.replay_changes_max.max(1) as u64).max(1);
        for pass in 0..passes {
            // Hashes are spread evenly, so parts of equal width hold about equally many.
            let part = |hash: u64| ((u128::from(hash) * u128::from(passes)) >> 64) as u64;
            // Sorted as numbers: the hash's top 30 bits, 42 of the position, 33 of the order in which it
            // happened, and one for what happened.
            let mut seen: Vec<u128> = Vec::new();
            let mut order = 0_u64;
            for &at in accepted {
                self.changes_of(at, &mut |hash, position, present| {
                    if part(hash >> 34 << 34) == pass {
                        order += 1;
                        let pair = u128::from(hash >> 34) << 42 | u128::from(position);
                        seen.push(pair << 34 | u128::from(order << 1 | u64::from(present)));
                    }
                })?;
            }
            seen.sort_unstable();
            // The last change of a pair is what counts.
            let last = seen
                .iter()
                .enumerate()
                .filter(|&(i, mark)| seen.get(i + 1).is_none_or(|next| next >> 34 != mark >> 34));
            let mut touched: Vec<Touched> = Vec::new();
            for (_, mark) in last {
                // The bits that were put together above.
                let pair = mark >> 34;
                let change = Touched {
                    hash: ((pair >> 42) as u64) << 34,
                    payload: pair as u64 & ((1 << 42) - 1),
                    present: mark & 1 != 0,
                };
                if touched.last().is_some_and(|other| other.hash >> 56 != change.hash >> 56) {
                    self.shared.index.replay(&mut touched)?;
                    touched.clear();
                }
                touched.push(change);
            }
            self.shared.index.replay(&mut touched)?;
        }
        Ok(())
    }

    /// What a record did to the index: hash (its top 30 bits count), position, added or taken out.
    fn changes_of(&self, at: u64, emit: &mut dyn FnMut(u64, u64, bool)) -> Result<(), EngineError> {
        let segments = &self.log.segments;
        let seeds = &self.shared.seeds;
        let corrupt = || Self::corrupt_at(at, "record");
        let Some(segment) = segments.get(segment_of(at)) else { return Err(corrupt()) };
        let (header, view) = known_record(segment, offset_of(at))?.ok_or_else(corrupt)?;
        match header.kind {
            record::KIND_BLOCK => {
                let block = BlockRecord::from_disk(&view).ok_or_else(corrupt)?;
                for coin in spent_in(block.spent) {
                    emit(coin.hash, coin.position, false);
                }
                walk_keys(block.created, block.created_at, |entry, key| {
                    emit(seeds.hash(key), at + u64::from(entry), true);
                });
            }
            record::KIND_UNDO => {
                let undo = UndoRecord::from_disk(&view).ok_or_else(corrupt)?;
                let block_view = record_must_be(segments, undo.block, record::KIND_BLOCK)?;
                let block = BlockRecord::from_disk(&block_view).ok_or_else(corrupt)?;
                walk_entries(block.created, block.created_at, |entry| {
                    emit(seeds.hash(&entry.key), undo.block + u64::from(entry.at), false);
                    Ok::<(), EngineError>(())
                })?;
                for coin in spent_in(undo.restored) {
                    emit(coin.hash, coin.position, true);
                }
            }
            record::KIND_MOVE => {
                let moved = MoveRecord::from_disk(&view).ok_or_else(corrupt)?;
                if moved.cold == 0 {
                    return Ok(());
                }
                let cold_view = record_must_be(segments, moved.cold, record::KIND_COLD)?;
                let (list, base) = cold_entries(&cold_view).ok_or_else(corrupt)?;
                let mut olds = offsets_in(moved.live);
                walk_entries(list, base, |entry| {
                    let hash = seeds.hash(&entry.key);
                    let old = olds.next().ok_or_else(corrupt)?;
                    emit(hash, position_of(moved.victim, old), false);
                    emit(hash, moved.cold + u64::from(entry.at), true);
                    Ok(())
                })?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Counts the live maps: after a crash they may be ahead of the books, though never of the log. With
    /// `exact` they must say what the books say.
    fn recount(&mut self, exact: bool) -> Result<(), EngineError> {
        for (number, book) in &mut self.books {
            if let Some(segment) = self.log.segments.get(*number) {
                let needed = live::count(segment, book.used)?;
                if exact && needed != book.needed {
                    return Err(EngineError::Corrupt {
                        file: Segment::<D>::live_name(*number),
                        offset: 0,
                        what: live::LEARNT,
                    });
                }
                book.needed = needed;
            }
        }
        Ok(())
    }
}

fn replayed<'a>(block: &BlockRecord<'a>, tip: Option<Tip>) -> ReplayedBlock<'a> {
    ReplayedBlock {
        height: block.height,
        hash: block.hash,
        body: block.body,
        extra: block.extra,
        tip,
    }
}

fn random<D: Disk>(disk: &D) -> Result<[u8; 16], EngineError> {
    disk.random().map_err(|e| EngineError::io("read", "random numbers", e))
}

/// Checks the options and takes the folder.
pub(super) fn prepare<D: Disk>(disk: &D, options: &Options) -> Result<D::Lock, EngineError> {
    if options.segment_bytes > segment::BYTES_MAX || options.segment_bytes < 1024 {
        return Err(EngineError::BadOption("segment_bytes is not 1 KiB to 64 MiB"));
    }
    if !(5..=95).contains(&options.waste_percent) {
        return Err(EngineError::BadOption("waste_percent is not 5 to 95"));
    }
    lock(disk)
}

/// Takes the folder for this process.
pub(crate) fn lock<D: Disk>(disk: &D) -> Result<D::Lock, EngineError> {
    disk.lock().map_err(|e| match e.kind() {
        std::io::ErrorKind::WouldBlock => EngineError::Locked,
        _ => EngineError::io("lock", "LOCK", e),
    })
}

/// The newest checkpoint that is whole; none in a folder without any.
fn newest_head<D: Disk>(disk: &D, options: &Options) -> Result<Option<Start>, EngineError> {
    let mut newest: Option<Start> = None;
    let mut damaged = None;
    for name in [head::name(0), head::name(1)] {
        match head::read(disk, options.network_id, name)? {
            HeadFile::Missing => {}
            HeadFile::Damaged(error) => damaged = Some(error),
            HeadFile::Whole(generation, body) => {
                if newest.as_ref().is_none_or(|start| start.generation < generation) {
                    newest = Some(Start { generation, body: *body, damaged: false });
                }
            }
        }
    }
    match (newest, damaged) {
        (None, Some(error)) => {
            // The very first checkpoint may have been cut short; then there is nothing yet.
            let names =
                disk.list(LOG_FOLDER).map_err(|e| EngineError::io("list", LOG_FOLDER, e))?;
            if names.is_empty() { Ok(None) } else { Err(error) }
        }
        (newest, damaged) => Ok(newest.map(|start| Start { damaged: damaged.is_some(), ..start })),
    }
}
