//! A mapped hash table of 64-byte lines: keyed 64-bit hash to 42-bit payload.

mod lines;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use self::lines::Shape;
use super::find::Groups;
use super::{EngineError, TableOptions};
use crate::backing::{Disk, Line, Lines};
use crate::layout::line::{PAYLOAD_BITS, TAG_BITS};

/// Bits of a hash that a table tells apart at most, from the top.
pub const HASH_BITS: u32 = 30;

/// A table in files of its own, `<folder>/<shard>-<line bits>`.
///
/// It holds (hash, payload) pairs, of which it keeps at most the top [`HASH_BITS`] bits of the hash:
/// candidates are told apart by the caller, who looks at what the payload points to. A payload is 1
/// to 2^42 - 1.
///
/// # Invariants
/// The write-ahead rule is the caller's part: change the table only after what is to be replayed is
/// durable. After a crash, [`Table::open`] with the state of a checkpoint (whose files were synced after
/// the state was taken), then [`Table::replay`] with every pair touched since, give the right table,
/// whatever mixture of lines reached the disk. That holds because a pair never moves
/// between lines of a file, so a line only differs from what it was in pairs that were touched.
///
/// # Locking
/// One lock for each shard, held for one line or one shard's changes. One thread changes, any number
/// look up.
pub struct Table<D: Disk> {
    disk: D,
    folder: String,
    options: TableOptions,
    shards: Vec<RwLock<Shard<D>>>,
    /// Files that took the place of others.
    doublings: AtomicU64,
}

struct Shard<D: Disk> {
    file: Arc<D::Table>,
    shape: Shape,
    pairs: u64,
    /// More pairs than this double the shard.
    pairs_max: u64,
}

/// The files of a [`Table`] at one moment, for a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableState {
    /// For each shard: line bits of its file and number of pairs.
    pub shards: Vec<(u8, u64)>,
}

impl TableState {
    /// Appends the state's bytes: number of shards u16, then for each line bits u8, pairs u64.
    pub fn to_disk(&self, out: &mut Vec<u8>) {
        // At most 256 shards.
        out.extend((self.shards.len() as u16).to_le_bytes());
        for &(bits, pairs) in &self.shards {
            out.push(bits);
            out.extend(pairs.to_le_bytes());
        }
    }

    /// Reads a state from the front of `bytes`, and takes it off; nothing if it is no state.
    pub fn from_disk(bytes: &mut &[u8]) -> Option<Self> {
        let (count, mut rest) = bytes.split_first_chunk::<2>()?;
        let mut shards = Vec::with_capacity(usize::from(u16::from_le_bytes(*count)));
        for _ in 0..u16::from_le_bytes(*count) {
            let (bits, after) = rest.split_first()?;
            let (pairs, after) = after.split_first_chunk::<8>()?;
            shards.push((*bits, u64::from_le_bytes(*pairs)));
            rest = after;
        }
        *bytes = rest;
        Some(Self { shards })
    }
}

/// A pair touched since a checkpoint, and whether it is to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touched {
    /// The hash; only its top [`HASH_BITS`] bits count.
    pub hash: u64,
    /// The payload.
    pub payload: u64,
    /// Whether the pair is in the table after the replay.
    pub present: bool,
}

/// Payloads that may belong to a hash.
#[derive(Debug, Default)]
pub struct Candidates {
    first: [u64; 6],
    count: usize,
    more: Vec<u64>,
}

impl Candidates {
    #[inline]
    fn push(&mut self, payload: u64) {
        match self.first.get_mut(self.count) {
            Some(place) => *place = payload,
            None => self.more.push(payload),
        }
        self.count += 1;
    }

    /// The payloads, in no order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.first.iter().take(self.count).chain(&self.more).copied()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<D: Disk> Table<D> {
    /// Creates an empty table in `folder`, in place of any that is there. `salt` goes into the
    /// lines' checksums. Durable after the first checkpoint.
    ///
    /// # Errors
    /// [`EngineError::BadOption`], [`EngineError::NoSpace`], [`EngineError::Io`].
    pub fn create(
        disk: &D,
        folder: &str,
        options: TableOptions,
        salt: u64,
    ) -> Result<Self, EngineError> {
        check_options(options)?;
        disk.create_folder(folder).map_err(|e| EngineError::io("create", folder, e))?;
        let mut table = Self {
            disk: disk.clone(),
            folder: folder.to_owned(),
            options,
            shards: Vec::new(),
            doublings: AtomicU64::new(0),
        };
        for number in 0..1_u16 << options.shard_bits {
            let shape = Shape::new(number, options.first_line_bits, options.shard_bits, salt);
            let shard = table.create_shard(shape, &vec![[0; 8]; shape.line_count()], 0)?;
            table.shards.push(RwLock::new(shard));
        }
        table.sync_folder()?;
        Ok(table)
    }

    /// Opens the table as `state` describes it and removes files of other states.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] if files are missing or of another length; [`EngineError::Io`].
    pub fn open(
        disk: &D,
        folder: &str,
        options: TableOptions,
        salt: u64,
        state: &TableState,
    ) -> Result<Self, EngineError> {
        check_options(options)?;
        let corrupt = |what| EngineError::Corrupt { file: folder.to_owned(), offset: 0, what };
        let count = state.shards.len();
        if !count.is_power_of_two() || count > 256 {
            return Err(corrupt("number of shards"));
        }
        // A power of two of at most 256.
        let shard_bits = count.trailing_zeros() as u8;
        let options = TableOptions { shard_bits, ..options };
        let mut table = Self {
            disk: disk.clone(),
            folder: folder.to_owned(),
            options,
            shards: Vec::new(),
            doublings: AtomicU64::new(0),
        };
        for (number, &(line_bits, pairs)) in (0_u16..).zip(&state.shards) {
            if u32::from(line_bits) > TAG_BITS {
                return Err(corrupt("size of a shard"));
            }
            let shape = Shape::new(number, line_bits, shard_bits, salt);
            let name = table.file_name(shape);
            let file =
                disk.open_table(&name, shape.line_count() as u64).map_err(|e| match e.kind() {
                    std::io::ErrorKind::NotFound => EngineError::Corrupt {
                        file: name.clone(),
                        offset: 0,
                        what: "file of the table is missing",
                    },
                    _ => EngineError::io("open", &name, e),
                })?;
            let pairs_max = table.pairs_max(shape);
            table.shards.push(RwLock::new(Shard { file: Arc::new(file), shape, pairs, pairs_max }));
        }
        table.remove_obsolete(state)?;
        Ok(table)
    }

    fn file_name(&self, shape: Shape) -> String {
        format!("{}/{}", self.folder, short_name(shape.number, shape.line_bits))
    }

    fn sync_folder(&self) -> Result<(), EngineError> {
        self.disk.sync_folder(&self.folder).map_err(|e| EngineError::io("sync", &self.folder, e))
    }

    /// Shards reach their limit at different times, so that not all double in the same commit.
    fn pairs_max(&self, shape: Shape) -> u64 {
        let slots = shape.slots();
        let spread = (u64::from(shape.number) * 7 % 256) * slots / 256 * 6 / 100;
        slots * u64::from(self.options.load_percent) / 100 + spread - slots * 3 / 100
    }

    /// Makes the file of a shard; `lines` without checksums.
    fn create_shard(
        &self,
        shape: Shape,
        lines: &[Line],
        pairs: u64,
    ) -> Result<Shard<D>, EngineError> {
        let name = self.file_name(shape);
        let file = self
            .disk
            .create_table(&name, lines.len() as u64)
            .map_err(|e| EngineError::io("create", &name, e))?;
        for (number, line) in (0..).zip(lines) {
            file.store(number, &shape.sealed(number, *line))
                .map_err(|e| EngineError::io("write", &name, e))?;
        }
        Ok(Shard { file: Arc::new(file), shape, pairs, pairs_max: self.pairs_max(shape) })
    }

    fn shard_of(&self, hash: u64) -> usize {
        // At most 8 bits are left.
        hash.checked_shr(64 - u32::from(self.options.shard_bits)).unwrap_or(0) as usize
    }

    fn read_shard(&self, number: usize) -> RwLockReadGuard<'_, Shard<D>> {
        // A panic while a shard is locked is a bug; lines are whole and checksummed all the same.
        self.shards[number].read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write_shard(&self, number: usize) -> RwLockWriteGuard<'_, Shard<D>> {
        self.shards[number].write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Asks the processor for the line where a look-up of `hash` starts.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        let shard = self.read_shard(self.shard_of(hash));
        shard.file.prefetch(shard.shape.home(shard.shape.tag(hash)));
    }

    /// The payloads stored under hashes that agree with `hash` in the bits that are kept.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] if a line on the way is damaged; [`EngineError::Io`].
    #[inline]
    pub fn candidates(&self, hash: u64) -> Result<Candidates, EngineError> {
        let mut found = Candidates::default();
        self.for_each_candidate(hash, |payload| found.push(payload))?;
        Ok(found)
    }

    /// Visits what [`Table::candidates`] returns.
    ///
    /// # Errors
    /// As [`Table::candidates`].
    #[inline]
    pub fn for_each_candidate(&self, hash: u64, visit: impl FnMut(u64)) -> Result<(), EngineError> {
        let shard = self.read_shard(self.shard_of(hash));
        for_each_candidate_in::<D>(&self.folder, &shard.file, shard.shape, hash, visit)
    }

    /// How often a shard has got another file since the table was opened: a [`Table::view`] of another
    /// number does not show where all lines are.
    pub(super) fn doublings(&self) -> u64 {
        self.doublings.load(Ordering::Relaxed)
    }

    /// The table for the thread that changes it: look-ups without locks, until its next change.
    pub(super) fn view(&self) -> TableView<D> {
        let shards = (0..self.shards.len()).map(|number| {
            let shard = self.read_shard(number);
            (Arc::clone(&shard.file), shard.shape)
        });
        TableView {
            folder: self.folder.clone(),
            shard_bits: self.options.shard_bits,
            shards: shards.collect(),
        }
    }

    #[inline]
    fn load(&self, shard: &Shard<D>, number: u64) -> Result<Line, EngineError> {
        load::<D>(&self.folder, &shard.file, shard.shape, number)
    }

    fn store(&self, shard: &Shard<D>, number: u64, line: Line) -> Result<(), EngineError> {
        shard
            .file
            .store(number, &shard.shape.sealed(number, line))
            .map_err(|e| EngineError::io("write", &self.file_name(shard.shape), e))
    }

    /// The first payload stored under `hash` (or a hash that agrees in the bits that are kept) to which
    /// `is_it` says yes.
    ///
    /// # Errors
    /// As [`Table::candidates`], and what `is_it` answers.
    pub fn find(
        &self,
        hash: u64,
        mut is_it: impl FnMut(u64) -> Result<bool, EngineError>,
    ) -> Result<Option<u64>, EngineError> {
        for payload in self.candidates(hash)?.iter() {
            if is_it(payload)? {
                return Ok(Some(payload));
            }
        }
        Ok(None)
    }

    /// Adds a pair. The caller knows that it is not there. May double the shard.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`], [`EngineError::NoSpace`], [`EngineError::Io`].
    pub fn insert(&self, hash: u64, payload: u64) -> Result<(), EngineError> {
        self.change(&[Touched { hash, payload, present: true }])
    }

    /// Takes a pair out.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`], also if the pair is not there; [`EngineError::Io`].
    pub fn remove(&self, hash: u64, payload: u64) -> Result<(), EngineError> {
        self.change(&[Touched { hash, payload, present: false }])
    }

    /// Adds and takes out pairs, in order. Fastest when they come in the order of their hashes.
    ///
    /// # Errors
    /// As [`Table::insert`] and [`Table::remove`]; some are then done and some not.
    pub fn change(&self, changes: &[Touched]) -> Result<(), EngineError> {
        let mut rest = changes;
        while let Some(first) = rest.first() {
            let number = self.shard_of(first.hash);
            let here = rest.iter().take_while(|c| self.shard_of(c.hash) == number).count();
            let (run, after) = rest.split_at(here);
            let mut shard = self.write_shard(number);
            for group in Groups::of(run.len()) {
                for change in &run[group.next] {
                    shard.file.prefetch(shard.shape.home(shard.shape.tag(change.hash)));
                }
                for change in &run[group.now] {
                    let slot = shard.shape.tag(change.hash) << PAYLOAD_BITS | change.payload;
                    if change.present {
                        self.insert_slot(&mut shard, slot)?;
                    } else {
                        self.remove_slot(&mut shard, slot)?;
                    }
                }
            }
            rest = after;
        }
        Ok(())
    }

    fn insert_slot(&self, shard: &mut Shard<D>, slot: u64) -> Result<(), EngineError> {
        loop {
            if shard.pairs < shard.pairs_max || shard.shape.is_largest() {
                let tag = slot >> PAYLOAD_BITS;
                let home = shard.shape.home(tag);
                // The usual case: room in the first line.
                let mut line = self.load(shard, home)?;
                if lines::put(&mut line, slot) {
                    self.store(shard, home, line)?;
                    shard.pairs += 1;
                    return Ok(());
                }
                // First look for room, so that nothing is changed when there is none.
                let mut room = None;
                for (distance, number) in shard.shape.path(tag).enumerate().skip(1) {
                    let mut line = self.load(shard, number)?;
                    if lines::put(&mut line, slot) {
                        room = Some((distance, number, line));
                        break;
                    }
                }
                if let Some((distance, number, line)) = room {
                    for passed in shard.shape.path(tag).take(distance) {
                        let mut line = self.load(shard, passed)?;
                        lines::add_passed(&mut line, 1);
                        self.store(shard, passed, line)?;
                    }
                    self.store(shard, number, line)?;
                    shard.pairs += 1;
                    return Ok(());
                }
            }
            self.double(shard)?;
        }
    }

    fn remove_slot(&self, shard: &mut Shard<D>, slot: u64) -> Result<(), EngineError> {
        let tag = slot >> PAYLOAD_BITS;
        for (distance, number) in shard.shape.path(tag).enumerate() {
            let mut line = self.load(shard, number)?;
            if lines::take(&mut line, slot) {
                self.store(shard, number, line)?;
                for passed in shard.shape.path(tag).take(distance) {
                    let mut line = self.load(shard, passed)?;
                    lines::add_passed(&mut line, -1);
                    self.store(shard, passed, line)?;
                }
                shard.pairs -= 1;
                return Ok(());
            }
            if lines::passed(&line) == 0 {
                break;
            }
        }
        Err(EngineError::Corrupt {
            file: self.file_name(shard.shape),
            offset: shard.shape.home(tag) * 64,
            what: "a pair that must be there is missing",
        })
    }

    fn all_lines(&self, shard: &Shard<D>) -> Result<Vec<Line>, EngineError> {
        (0..shard.shape.line_count() as u64).map(|number| self.load(shard, number)).collect()
    }

    /// Puts the shard into a file of twice the size. The old one stays until a checkpoint no
    /// longer needs it.
    fn double(&self, shard: &mut Shard<D>) -> Result<(), EngineError> {
        let old = self.all_lines(shard)?;
        let (shape, lines) = self.doubled(shard.shape, &old)?;
        *shard = self.create_shard(shape, &lines, shard.pairs)?;
        self.doublings.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn doubled(&self, shape: Shape, old: &[Line]) -> Result<(Shape, Vec<Line>), EngineError> {
        let mut shape = shape;
        loop {
            shape = shape.doubled().ok_or(EngineError::TooLarge {
                what: "a shard",
                bytes: old.len() as u64 * 64,
                max: old.len() as u64 * 64,
            })?;
            let mut lines = vec![[0; 8]; shape.line_count()];
            let slots = old.iter().flat_map(|line| &line[1..]).filter(|&&slot| slot != 0);
            if slots.into_iter().all(|&slot| shape.put(&mut lines, slot)) {
                return Ok((shape, lines));
            }
        }
    }

    /// Doubles shards now that would double while `more` pairs for each shard are added: what fails
    /// for want of space fails here.
    ///
    /// # Errors
    /// [`EngineError::NoSpace`] (nothing has changed that matters); as [`Table::insert`].
    pub fn reserve(&self, more: &[u32]) -> Result<(), EngineError> {
        for (number, &more) in more.iter().enumerate().take(self.shards.len()) {
            if more == 0 {
                continue;
            }
            let mut shard = self.write_shard(number);
            while shard.pairs + u64::from(more) > shard.pairs_max && !shard.shape.is_largest() {
                self.double(&mut shard)?;
            }
        }
        Ok(())
    }

    /// What hashes are shifted right by to leave the bits that are kept.
    pub(super) fn hash_shift(&self) -> u32 {
        64 - TAG_BITS - u32::from(self.options.shard_bits)
    }

    /// Number of shards.
    pub fn shard_count(&self) -> usize {
        self.shards.len()
    }

    /// Brings the table up to date after a crash: every pair touched since the checkpoint, each
    /// once, in any order.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] for a damaged line, [`EngineError::NoSpace`], [`EngineError::Io`].
    pub fn replay(&self, touched: &mut [Touched]) -> Result<(), EngineError> {
        touched.sort_unstable_by_key(|t| t.hash);
        let mut rest = &*touched;
        while let Some(first) = rest.first() {
            let number = self.shard_of(first.hash);
            let here = rest.partition_point(|t| self.shard_of(t.hash) <= number);
            let (run, after) = rest.split_at(here);
            self.replay_shard(&mut self.write_shard(number), run)?;
            rest = after;
        }
        Ok(())
    }

    fn replay_shard(&self, shard: &mut Shard<D>, touched: &[Touched]) -> Result<(), EngineError> {
        let before = self.all_lines(shard)?;
        let shard_shape = shard.shape;
        let mut shape = shard_shape;
        let mut lines = before.clone();
        // Tags do not depend on the size.
        let slot_of = |t: &Touched| shard_shape.tag(t.hash) << PAYLOAD_BITS | t.payload;
        // Wherever they lie: lines that say that nothing passed them may be older or newer.
        let mut slots: Vec<u64> = touched.iter().map(slot_of).collect();
        slots.sort_unstable();
        // A small filter first: most slots were not touched.
        let mut filter = vec![0_u64; 1024];
        let bit = |slot: u64| (slot.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize;
        for &slot in &slots {
            filter[bit(slot) / 64] |= 1 << (bit(slot) % 64);
        }
        for place in lines.iter_mut().flat_map(|line| &mut line[1..]) {
            let slot = *place;
            let maybe = slot != 0 && filter[bit(slot) / 64] >> (bit(slot) % 64) & 1 != 0;
            if maybe && slots.binary_search(&slot).is_ok() {
                *place = 0;
            }
        }
        shape.count_passed(&mut lines);
        for slot in touched.iter().filter(|t| t.present).map(slot_of) {
            while !shape.put(&mut lines, slot) {
                (shape, lines) = self.doubled(shape, &lines)?;
            }
        }
        let pairs = lines.iter().flat_map(|line| &line[1..]).filter(|&&slot| slot != 0).count();
        if shape != shard.shape {
            *shard = self.create_shard(shape, &lines, pairs as u64)?;
            self.doublings.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        shard.pairs = pairs as u64;
        let touched = shape.reach(touched.iter().map(|t| shape.tag(t.hash)));
        for (number, ((line, before), touched)) in (0..).zip(lines.iter().zip(&before).zip(touched))
        {
            // Also lines that need no change: the process before may have changed them, and after a failed
            // sync the system may show what is not on the disk, and thinks it is.
            let changed = line[1..] != before[1..] || lines::passed(line) != lines::passed(before);
            if changed || touched {
                self.store(shard, number, *line)?;
            }
        }
        Ok(())
    }

    /// What a checkpoint needs to know of the table.
    pub fn state(&self) -> TableState {
        let shards = (0..self.shards.len()).map(|number| {
            let shard = self.read_shard(number);
            (shard.shape.line_bits, shard.pairs)
        });
        TableState { shards: shards.collect() }
    }

    /// What a checkpoint has to sync for the state of this moment, for [`super::SyncJob`].
    pub fn sync_job(&self) -> Box<dyn FnOnce() -> Result<(), EngineError> + Send> {
        let files: Vec<_> = (0..self.shards.len())
            .map(|number| {
                let shard = self.read_shard(number);
                (self.file_name(shard.shape), Arc::clone(&shard.file))
            })
            .collect();
        let (disk, folder) = (self.disk.clone(), self.folder.clone());
        Box::new(move || {
            for (name, file) in files {
                file.sync().map_err(|e| EngineError::io("sync", &name, e))?;
            }
            disk.sync_folder(&folder).map_err(|e| EngineError::io("sync", &folder, e))
        })
    }

    /// Removes files that are part neither of `state` nor of the present table. To be called when a
    /// checkpoint with `state` has become durable.
    ///
    /// # Errors
    /// [`EngineError::Io`].
    pub fn remove_obsolete(&self, state: &TableState) -> Result<(), EngineError> {
        let mut kept: Vec<String> =
            (0_u16..).zip(&state.shards).map(|(n, s)| short_name(n, s.0)).collect();
        kept.extend((0_u16..).zip(&self.state().shards).map(|(n, s)| short_name(n, s.0)));
        kept.sort_unstable();
        let names =
            self.disk.list(&self.folder).map_err(|e| EngineError::io("list", &self.folder, e))?;
        for name in names.iter().filter(|name| kept.binary_search(name).is_err()) {
            let name = format!("{}/{name}", self.folder);
            self.disk.remove(&name).map_err(|e| EngineError::io("remove", &name, e))?;
        }
        Ok(())
    }

    /// Visits every pair: hash (its top bits, the others zero), payload.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`], [`EngineError::Io`], and what `visit` answers.
    pub fn for_each(
        &self,
        visit: &mut dyn FnMut(u64, u64) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        for number in 0..self.shards.len() {
            let (shape, lines) = {
                let shard = self.read_shard(number);
                (shard.shape, self.all_lines(&shard)?)
            };
            for &slot in lines.iter().flat_map(|line| &line[1..]).filter(|&&slot| slot != 0) {
                visit(shape.hash(slot >> PAYLOAD_BITS), slot & lines::PAYLOAD_MASK)?;
            }
        }
        Ok(())
    }

    /// Checks every line: its checksum, that each pair can be found where it lies, and the counts.
    ///
    /// # Errors
    /// [`EngineError::Io`]; what is wrong goes to `found`.
    pub fn check(&self, found: &mut dyn FnMut(EngineError)) -> Result<(), EngineError> {
        for number in 0..self.shards.len() {
            let shard = self.read_shard(number);
            let mut lines = Vec::with_capacity(shard.shape.line_count());
            let mut torn = false;
            for number in 0..shard.shape.line_count() as u64 {
                lines.push(match self.load(&shard, number) {
                    Ok(line) => line,
                    Err(error @ EngineError::Corrupt { .. }) => {
                        torn = true;
                        found(error);
                        [0; 8]
                    }
                    Err(error) => return Err(error),
                });
            }
            let mut counted = lines.clone();
            let placed = shard.shape.count_passed(&mut counted);
            let pairs = lines.iter().flat_map(|line| &line[1..]).filter(|&&slot| slot != 0).count();
            let same =
                lines.iter().zip(&counted).all(|(a, b)| lines::passed(a) == lines::passed(b));
            let sound = placed && same && pairs as u64 == shard.pairs;
            if !torn && !sound {
                let file = self.file_name(shard.shape);
                found(EngineError::Corrupt { file, offset: 0, what: "pairs or counts of a shard" });
            }
        }
        Ok(())
    }

    /// Calls `found` for each file of which something cannot be read.
    pub fn probe(&self, found: &mut dyn FnMut(EngineError)) {
        for number in 0..self.shards.len() {
            let shard = self.read_shard(number);
            if let Err(place) = shard.file.probe() {
                found(EngineError::unreadable(&self.file_name(shard.shape), &place));
            }
        }
    }

    /// Slots and bytes of the present files, and pairs in them.
    pub fn sizes(&self) -> (u64, u64, u64) {
        (0..self.shards.len()).fold((0, 0, 0), |(slots, bytes, pairs), number| {
            let shard = self.read_shard(number);
            let lines = shard.shape.line_count() as u64;
            (slots + shard.shape.slots(), bytes + lines * 64, pairs + shard.pairs)
        })
    }
}

#[inline]
fn load<D: Disk>(
    folder: &str,
    file: &D::Table,
    shape: Shape,
    number: u64,
) -> Result<Line, EngineError> {
    let name = || format!("{folder}/{}", short_name(shape.number, shape.line_bits));
    match file.load(number) {
        Ok(line) if shape.is_whole(number, &line) => Ok(line),
        Ok(_) => Err(EngineError::Corrupt {
            file: name(),
            offset: number * 64,
            what: "checksum of a line",
        }),
        Err(error) => Err(EngineError::io("read", &name(), error)),
    }
}

#[inline]
fn for_each_candidate_in<D: Disk>(
    folder: &str,
    file: &D::Table,
    shape: Shape,
    hash: u64,
    mut visit: impl FnMut(u64),
) -> Result<(), EngineError> {
    let tag = shape.tag(hash);
    for number in shape.path(tag) {
        let line = load::<D>(folder, file, shape, number)?;
        for &slot in &line[1..] {
            if slot >> PAYLOAD_BITS == tag && slot != 0 {
                visit(slot & lines::PAYLOAD_MASK);
            }
        }
        if lines::passed(&line) == 0 {
            break;
        }
    }
    Ok(())
}

/// See [`Table::view`].
pub(super) struct TableView<D: Disk> {
    folder: String,
    shard_bits: u8,
    shards: Vec<(Arc<D::Table>, Shape)>,
}

impl<D: Disk> TableView<D> {
    #[inline]
    fn shard(&self, hash: u64) -> &(Arc<D::Table>, Shape) {
        // At most 8 bits are left, and there are as many shards.
        &self.shards[hash.checked_shr(64 - u32::from(self.shard_bits)).unwrap_or(0) as usize]
    }

    /// As [`Table::prefetch`].
    #[inline]
    pub(super) fn prefetch(&self, hash: u64) {
        let (file, shape) = self.shard(hash);
        file.prefetch(shape.home(shape.tag(hash)));
    }

    /// Asks the system for the page where a look-up of `hash` starts, when memory is short.
    pub(super) fn will_need(&self, hash: u64) {
        let (file, shape) = self.shard(hash);
        file.will_need(shape.home(shape.tag(hash)), 1);
    }

    /// As [`Table::candidates`].
    #[inline]
    pub(super) fn candidates(&self, hash: u64) -> Result<Candidates, EngineError> {
        let mut found = Candidates::default();
        self.for_each_candidate(hash, |payload| found.push(payload))?;
        Ok(found)
    }

    /// As [`Table::for_each_candidate`].
    #[inline]
    pub(super) fn for_each_candidate(
        &self,
        hash: u64,
        visit: impl FnMut(u64),
    ) -> Result<(), EngineError> {
        let (file, shape) = self.shard(hash);
        for_each_candidate_in::<D>(&self.folder, file, *shape, hash, visit)
    }
}

fn check_options(options: TableOptions) -> Result<(), EngineError> {
    if options.shard_bits > 8 {
        return Err(EngineError::BadOption("shard_bits is more than 8"));
    }
    if u32::from(options.first_line_bits) > TAG_BITS {
        return Err(EngineError::BadOption("first_line_bits is more than 22"));
    }
    if !(10..=90).contains(&options.load_percent) {
        return Err(EngineError::BadOption("load_percent is not 10 to 90"));
    }
    Ok(())
}

fn short_name(shard: u16, line_bits: u8) -> String {
    format!("{shard:02x}-{line_bits:02}")
}

#[cfg(test)]
mod tests;
