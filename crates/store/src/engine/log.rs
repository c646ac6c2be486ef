//! Segments of the log, and the two places where it grows.

use std::collections::BTreeSet;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::bytes::{Reader, put_at, u64_at};
use super::codec::{RecordHeader, offset_of, position_of, seal, segment_of};
use super::{EngineError, Options, head, live};
use crate::backing::{Backing, Disk};
use crate::layout::{FORMAT_VERSION, position, record, segment};

pub(super) const LOG_FOLDER: &str = "log";
pub(super) const LIVE_FOLDER: &str = "live";

/// Which of the two logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogKind {
    /// What batches write.
    Blocks,
    /// What cleaning moves: coins that live long.
    Cold,
}

impl LogKind {
    pub(super) fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Blocks),
            1 => Some(Self::Cold),
            _ => None,
        }
    }

    pub(super) fn number(self) -> u32 {
        match self {
            Self::Blocks => 0,
            Self::Cold => 1,
        }
    }
}

/// Seeds of checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Salts {
    /// Of segments and records.
    pub(super) log: u64,
    /// Of live maps. It changes when they are built anew: files left half-done are then no maps.
    pub(super) maps: u64,
}

/// One file of the log with its live map.
pub(super) struct Segment<D: Disk> {
    pub(super) number: u16,
    pub(super) kind: LogKind,
    /// The segment of the same kind before it.
    pub(super) before: Option<u16>,
    pub(super) capacity: u32,
    pub(super) name: String,
    pub(super) file: D::File,
    pub(super) live: D::Table,
    pub(super) salts: Salts,
}

impl<D: Disk> Segment<D> {
    pub(super) fn log_name(number: u16) -> String {
        format!("{LOG_FOLDER}/{number:08}.seg")
    }

    pub(super) fn live_name(number: u16) -> String {
        format!("{LIVE_FOLDER}/{number:08}.map")
    }

    /// Number of a segment from the name of a file in its folder.
    pub(super) fn number_in(name: &str) -> Option<u16> {
        name.strip_suffix(".seg").or(name.strip_suffix(".map"))?.parse().ok()
    }

    pub(super) fn corrupt(&self, offset: u64, what: &'static str) -> EngineError {
        EngineError::Corrupt { file: self.name.clone(), offset, what }
    }

    pub(super) fn read_error(&self, error: std::io::Error) -> EngineError {
        EngineError::io("read", &self.name, error)
    }

    /// Opens a segment and its live map; a map that is not there or has another length is an error.
    pub(super) fn open(
        disk: &D,
        options: &Options,
        salts: Salts,
        number: u16,
    ) -> Result<Self, EngineError> {
        let (file, head) = Self::open_file(disk, options, salts.log, number)?;
        let live_name = Self::live_name(number);
        let lines = live::line_count(head.capacity);
        let live = disk
            .open_table(&live_name, lines)
            .map_err(|e| missing(&live_name, e, "live map is missing"))?;
        Ok(Self::with(file, live, head, number, salts))
    }

    /// Opens a segment that no checkpoint knows, with a new live map.
    pub(super) fn open_fresh(
        disk: &D,
        options: &Options,
        salts: Salts,
        number: u16,
    ) -> Result<Self, EngineError> {
        let (file, head) = Self::open_file(disk, options, salts.log, number)?;
        let live =
            live::create::<D>(disk, &Self::live_name(number), number, head.capacity, salts.maps)?;
        Ok(Self::with(file, live, head, number, salts))
    }

    fn with(file: D::File, live: D::Table, head: Head, number: u16, salts: Salts) -> Self {
        let name = Self::log_name(number);
        let Head { kind, before, capacity } = head;
        Self { number, kind, before, capacity, name, file, live, salts }
    }

    /// Reads the header again; whether it says what it must.
    pub(super) fn header_is_whole(&self, options: &Options) -> Result<bool, EngineError> {
        let mut bytes = [0; segment::HEADER_BYTES];
        self.file.read(0, &mut bytes).map_err(|e| self.read_error(e))?;
        let head = Head::from_disk(&bytes, options, self.salts.log, self.number);
        Ok(head.is_some_and(|head| {
            (head.kind, head.before, head.capacity) == (self.kind, self.before, self.capacity)
        }))
    }

    fn open_file(
        disk: &D,
        options: &Options,
        salt: u64,
        number: u16,
    ) -> Result<(D::File, Head), EngineError> {
        let name = Self::log_name(number);
        let file = disk
            .open(&name, u64::from(segment::BYTES_MAX))
            .map_err(|e| missing(&name, e, "segment is missing"))?;
        let mut bytes = [0; segment::HEADER_BYTES];
        file.read(0, &mut bytes).map_err(|e| EngineError::io("read", &name, e))?;
        let head = Head::from_disk(&bytes, options, salt, number);
        head.map(|head| (file, head)).ok_or(EngineError::Corrupt {
            file: name,
            offset: 0,
            what: "header of a segment",
        })
    }
}

/// The header of a segment.
struct Head {
    kind: LogKind,
    before: Option<u16>,
    capacity: u32,
}

impl Head {
    fn to_disk(&self, options: &Options, salt: u64, number: u16) -> [u8; segment::HEADER_BYTES] {
        let mut bytes = [0; segment::HEADER_BYTES];
        put_at(&mut bytes, segment::AT_MAGIC, &segment::MAGIC);
        put_at(&mut bytes, segment::AT_VERSION, &FORMAT_VERSION.to_le_bytes());
        put_at(&mut bytes, segment::AT_NETWORK, &options.network_id.to_le_bytes());
        put_at(&mut bytes, segment::AT_NUMBER, &u32::from(number).to_le_bytes());
        put_at(&mut bytes, segment::AT_KIND, &self.kind.number().to_le_bytes());
        let before = self.before.map_or(u32::MAX, u32::from);
        put_at(&mut bytes, segment::AT_BEFORE, &before.to_le_bytes());
        put_at(&mut bytes, segment::AT_CAPACITY, &self.capacity.to_le_bytes());
        let sum = xxh3_64_with_seed(&bytes[..segment::AT_CHECKSUM], salt);
        put_at(&mut bytes, segment::AT_CHECKSUM, &sum.to_le_bytes());
        bytes
    }

    fn from_disk(bytes: &[u8], options: &Options, salt: u64, number: u16) -> Option<Self> {
        let sum = xxh3_64_with_seed(bytes.get(..segment::AT_CHECKSUM)?, salt);
        let mut reader = Reader(bytes);
        if sum != u64_at(bytes, segment::AT_CHECKSUM)
            || reader.array()? != segment::MAGIC
            || reader.u32()? != FORMAT_VERSION
            || reader.u32()? != options.network_id
            || reader.u32()? != u32::from(number)
        {
            return None;
        }
        let kind = LogKind::from_number(reader.u32()?)?;
        let before = match reader.u32()? {
            u32::MAX => None,
            before => Some(u16::try_from(before).ok()?),
        };
        let capacity = reader.u32()?;
        (capacity <= segment::BYTES_MAX).then_some(Self { kind, before, capacity })
    }
}

fn missing(name: &str, error: std::io::Error, what: &'static str) -> EngineError {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            EngineError::Corrupt { file: name.to_owned(), offset: 0, what }
        }
        _ => EngineError::io("open", name, error),
    }
}

/// All segments at one moment; cheap to keep.
pub(super) struct SegmentSet<D: Disk> {
    by_number: Vec<Option<Arc<Segment<D>>>>,
}

impl<D: Disk> SegmentSet<D> {
    #[inline]
    pub(super) fn get(&self, number: u16) -> Option<&Arc<Segment<D>>> {
        self.by_number.get(usize::from(number))?.as_ref()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Segment<D>>> {
        self.by_number.iter().flatten()
    }
}

impl<D: Disk> Clone for SegmentSet<D> {
    fn clone(&self) -> Self {
        Self { by_number: self.by_number.clone() }
    }
}

impl<D: Disk> Default for SegmentSet<D> {
    fn default() -> Self {
        Self { by_number: Vec::new() }
    }
}

/// Where a log goes on: behind its last record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: Option<u16>,
    pub(super) offset: u32,
}

/// The state to which a batch that is dropped goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    blocks: Place,
    cold: Place,
    before: u64,
    next: u32,
}

/// The writing side of both logs.
pub(super) struct Log<D: Disk> {
    disk: D,
    options: Options,
    salts: Salts,
    epoch: u64,
    pub(super) segments: Arc<SegmentSet<D>>,
    pub(super) blocks: Place,
    pub(super) cold: Place,
    /// Checksum of the last record of the block log.
    pub(super) before: u64,
    /// Number of the next segment.
    pub(super) next: u32,
    /// Segments with records that are not synced.
    unsynced: BTreeSet<u16>,
    folder_unsynced: bool,
}

impl<D: Disk> Log<D> {
    pub(super) fn new(disk: D, options: Options, salts: Salts, epoch: u64) -> Self {
        Self {
            disk,
            options,
            salts,
            epoch,
            segments: Arc::default(),
            blocks: Place::default(),
            cold: Place::default(),
            before: 0,
            next: 0,
            unsynced: BTreeSet::new(),
            folder_unsynced: false,
        }
    }

    pub(super) fn salts(&self) -> Salts {
        self.salts
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { blocks: self.blocks, cold: self.cold, before: self.before, next: self.next }
    }

    /// Goes back to where a batch started. What it wrote stays behind the end of the log, where it is
    /// no record: it names another batch than what will be written over it.
    pub(super) fn rewind(&mut self, mark: &Mark) -> Result<(), EngineError> {
        let made: Vec<u16> = self
            .segments
            .iter()
            .map(|s| s.number)
            .filter(|&number| u32::from(number) >= mark.next)
            .collect();
        for number in made {
            self.forget(number);
            // A file left behind is removed when the store is opened.
            let _ = self.remove_files(number);
        }
        self.blocks = mark.blocks;
        self.cold = mark.cold;
        self.before = mark.before;
        self.next = mark.next;
        // What was crossed out and not synced before this batch began stays to be synced.
        let segments = &self.segments;
        self.unsynced.retain(|&number| segments.get(number).is_some());
        self.end_here()
    }

    /// Makes sure that no record follows the end of the block log: were the next batch to begin in
    /// a new segment, a leftover here would be taken for its place. Durable with the next batch,
    /// wherever that goes: also when it was crossed out before, by a process that did not sync it.
    pub(super) fn end_here(&mut self) -> Result<(), EngineError> {
        // Names of removed segments must be gone as well.
        self.folder_unsynced = true;
        self.cross_out(self.blocks)
    }

    /// Makes sure that no record begins at a place where the block log ends or goes on in another segment.
    pub(super) fn cross_out(&mut self, place: Place) -> Result<(), EngineError> {
        let Place { segment: Some(number), offset } = place else { return Ok(()) };
        let Some(segment) = self.segments.get(number) else { return Ok(()) };
        self.unsynced.insert(number);
        let at = u64::from(offset);
        let left = segment.file.len().saturating_sub(at).min(record::MAGIC.len() as u64);
        // At most four bytes. Also over zeros: those may never have reached the disk.
        let zeros = [0; record::MAGIC.len()];
        segment
            .file
            .write(at, &zeros[..left as usize])
            .map_err(|e| EngineError::io("write", &segment.name, e))
    }

    /// Has a segment synced with the next [`Log::sync`]: records were read from it that a process wrote
    /// which may have died before it synced them.
    pub(super) fn doubt(&mut self, number: u16) {
        self.unsynced.insert(number);
    }

    /// Writes a record that was read over itself, and the header of its segment; see [`head::rewrite`].
    pub(super) fn rewrite(&self, at: u64) -> Result<(), EngineError> {
        let Some(segment) = self.segments.get(segment_of(at)) else { return Ok(()) };
        let Some((header, view)) = known_record(segment, offset_of(at))? else { return Ok(()) };
        drop(view);
        head::rewrite(&segment.file, &segment.name, 0, segment::HEADER_BYTES as u64)?;
        head::rewrite(&segment.file, &segment.name, offset_of(at).into(), header.bytes.into())
    }

    /// Makes durable what recovery has found: the process before may have died with its last batch
    /// written but not synced. Before that, index and live maps must not learn of it.
    pub(super) fn sync_found(&mut self, numbers: &BTreeSet<u16>) -> Result<(), EngineError> {
        self.unsynced.extend(numbers);
        self.folder_unsynced = true;
        self.sync(&[])
    }

    /// Adds an open segment.
    pub(super) fn add(&mut self, segment: Segment<D>) {
        let set = Arc::make_mut(&mut self.segments);
        let number = usize::from(segment.number);
        if set.by_number.len() <= number {
            set.by_number.resize_with(number + 1, || None);
        }
        if let Some(place) = set.by_number.get_mut(number) {
            *place = Some(Arc::new(segment));
        }
    }

    /// Takes a segment out of the set; its file stays until [`Log::remove_files`].
    pub(super) fn forget(&mut self, number: u16) {
        if let Some(place) =
            Arc::make_mut(&mut self.segments).by_number.get_mut(usize::from(number))
        {
            *place = None;
        }
    }

    pub(super) fn remove_files(&self, number: u16) -> Result<(), EngineError> {
        for name in [Segment::<D>::log_name(number), Segment::<D>::live_name(number)] {
            self.disk.remove(&name).map_err(|e| EngineError::io("remove", &name, e))?;
        }
        Ok(())
    }

    /// Space is taken in pieces that grow with the segment, so that a small chain stays small.
    fn piece(&self, used: u32, capacity: u32) -> u32 {
        used.clamp(self.options.grow_bytes, (capacity / 8).max(self.options.grow_bytes))
    }

    fn create(&mut self, kind: LogKind, bytes: u32) -> Result<(), EngineError> {
        let number = u16::try_from(self.next).map_err(|_| EngineError::LogExhausted)?;
        let needed = bytes.saturating_add(segment::HEADER_BYTES as u32);
        let capacity = needed.max(self.options.segment_bytes);
        let before = match kind {
            LogKind::Blocks => self.blocks.segment,
            LogKind::Cold => self.cold.segment,
        };
        let head = Head { kind, before, capacity };
        let made = self.create_files(&head, number, needed);
        match made {
            Ok(segment) => {
                self.add(segment);
                self.next += 1;
                self.folder_unsynced = true;
                let place = Place { segment: Some(number), offset: segment::HEADER_BYTES as u32 };
                match kind {
                    LogKind::Blocks => self.blocks = place,
                    LogKind::Cold => self.cold = place,
                }
                Ok(())
            }
            Err(error) => {
                let _ = self.remove_files(number);
                Err(error)
            }
        }
    }

    fn create_files(
        &self,
        head: &Head,
        number: u16,
        needed: u32,
    ) -> Result<Segment<D>, EngineError> {
        let name = Segment::<D>::log_name(number);
        let file = self
            .disk
            .create(&name, u64::from(head.capacity))
            .map_err(|e| EngineError::io("create", &name, e))?;
        let bytes = needed.max(self.piece(0, head.capacity)).min(head.capacity);
        file.grow(u64::from(bytes)).map_err(|e| EngineError::io("grow", &name, e))?;
        file.write(0, &head.to_disk(&self.options, self.salts.log, number))
            .map_err(|e| EngineError::io("write", &name, e))?;
        let live = live::create::<D>(
            &self.disk,
            &Segment::<D>::live_name(number),
            number,
            head.capacity,
            self.salts.maps,
        )?;
        let head = Head { ..*head };
        Ok(Segment::with(file, live, head, number, self.salts))
    }

    /// Appends a record whose header is filled in here: its position and checksum.
    pub(super) fn append(
        &mut self,
        kind: LogKind,
        buf: &mut [u8],
        record_kind: u32,
        number: u32,
        batch: u64,
    ) -> Result<(u64, u64), EngineError> {
        let max = u64::from(segment::BYTES_MAX) - segment::HEADER_BYTES as u64;
        let bytes = u32::try_from(buf.len()).ok().filter(|&bytes| u64::from(bytes) <= max);
        let Some(bytes) = bytes else {
            return Err(EngineError::TooLarge { what: "a record", bytes: buf.len() as u64, max });
        };
        let before = if kind == LogKind::Blocks { self.before } else { 0 };
        let header = RecordHeader {
            kind: record_kind,
            bytes,
            number,
            epoch: self.epoch,
            batch,
            before,
            checksum: 0,
        };
        let sum = seal(buf, &header, self.salts.log);
        let (segment, offset) = self.place(kind, bytes)?;
        let end = offset + bytes;
        if u64::from(end) > segment.file.len() {
            let piece = self.piece(end, segment.capacity);
            let len = end.saturating_add(piece).min(segment.capacity).max(end);
            let grown = match segment.file.grow(u64::from(len)) {
                Err(e) if e.kind() == std::io::ErrorKind::StorageFull => {
                    segment.file.grow(u64::from(end))
                }
                other => other,
            };
            grown.map_err(|e| EngineError::io("grow", &segment.name, e))?;
        }
        segment
            .file
            .write(u64::from(offset), buf)
            .map_err(|e| EngineError::io("write", &segment.name, e))?;
        self.unsynced.insert(segment.number);
        match kind {
            LogKind::Blocks => {
                self.blocks.offset = end;
                self.before = sum;
            }
            LogKind::Cold => self.cold.offset = end,
        }
        Ok((position_of(segment.number, offset), sum))
    }

    fn place(&mut self, kind: LogKind, bytes: u32) -> Result<(Arc<Segment<D>>, u32), EngineError> {
        for _ in 0..2 {
            let place = match kind {
                LogKind::Blocks => self.blocks,
                LogKind::Cold => self.cold,
            };
            let segment = place.segment.and_then(|number| self.segments.get(number));
            if let Some(segment) = segment
                && place.offset.checked_add(bytes).is_some_and(|end| end <= segment.capacity)
            {
                return Ok((Arc::clone(segment), place.offset));
            }
            self.create(kind, bytes)?;
        }
        Err(EngineError::LogExhausted)
    }

    /// Makes all records durable, with the files given. Several files are synced at the same time if
    /// the options allow threads.
    pub(super) fn sync(&mut self, bodies: &[&D::File]) -> Result<(), EngineError> {
        let segments: Vec<Arc<Segment<D>>> =
            self.unsynced.iter().filter_map(|&number| self.segments.get(number).cloned()).collect();
        let sync_segment = |segment: &Segment<D>| {
            segment.file.sync().map_err(|e| EngineError::io("sync", &segment.name, e))
        };
        let sync_body =
            |file: &D::File| file.sync().map_err(|e| EngineError::io("sync", "blocks", e));
        let sync_folder = || {
            if !self.folder_unsynced {
                return Ok(());
            }
            self.disk.sync_folder(LOG_FOLDER).map_err(|e| EngineError::io("sync", LOG_FOLDER, e))
        };
        if !self.options.background || segments.len() + bodies.len() == 1 {
            segments.iter().try_for_each(|s| sync_segment(s))?;
            bodies.iter().try_for_each(|file| sync_body(file))?;
            sync_folder()?;
        } else {
            type Job<'a> = Box<dyn Fn() -> Result<(), EngineError> + Send + Sync + 'a>;
            let mut syncs: Vec<Job<'_>> = Vec::new();
            for segment in segments.iter().skip(1) {
                syncs.push(Box::new(|| sync_segment(segment)));
            }
            for file in bodies {
                syncs.push(Box::new(|| sync_body(file)));
            }
            std::thread::scope(|scope| {
                let mut others = Vec::new();
                let mut here = Vec::new();
                for sync in &syncs {
                    // The system may have no thread to give: then one after the other.
                    match std::thread::Builder::new().spawn_scoped(scope, sync) {
                        Ok(other) => others.push(other),
                        Err(_) => here.push(sync),
                    }
                }
                let first = segments.first().map_or(Ok(()), |s| sync_segment(s));
                let folder = sync_folder();
                let rest = here.into_iter().try_for_each(|sync| sync());
                for other in others {
                    other.join().unwrap_or(Err(EngineError::Poisoned))?;
                }
                first.and(folder).and(rest)
            })?;
        }
        self.unsynced.clear();
        self.folder_unsynced = false;
        Ok(())
    }

    /// Bytes taken by all segments.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|s| s.file.len()).sum()
    }
}

/// Bytes of a file of the log.
pub(super) type View<'a, D> = <<D as Disk>::File as Backing>::View<'a>;

/// The record at an offset, if its header makes sense and it lies within the file. Its checksum is
/// checked.
pub(super) fn record_at<D: Disk>(
    segment: &Segment<D>,
    offset: u32,
) -> Result<Option<(RecordHeader, View<'_, D>)>, EngineError> {
    let found = known_record(segment, offset)?;
    Ok(found.filter(|(_, view)| super::codec::is_whole(view, segment.salts.log)))
}

/// As [`record_at`], for a record whose checksum has been checked a moment ago.
pub(super) fn known_record<D: Disk>(
    segment: &Segment<D>,
    offset: u32,
) -> Result<Option<(RecordHeader, View<'_, D>)>, EngineError> {
    let left = segment.file.len().saturating_sub(u64::from(offset));
    if left < record::HEADER_BYTES as u64 {
        return Ok(None);
    }
    let head = segment
        .file
        .view(u64::from(offset), record::HEADER_BYTES)
        .map_err(|e| segment.read_error(e))?;
    let Some(header) = RecordHeader::from_disk(&head) else { return Ok(None) };
    if u64::from(header.bytes) > left || header.bytes > segment.capacity {
        return Ok(None);
    }
    let view = segment
        .file
        .view(u64::from(offset), header.bytes as usize)
        .map_err(|e| segment.read_error(e))?;
    Ok(Some((header, view)))
}

/// As [`record_at`], where a record must be.
pub(super) fn record_must_be<D: Disk>(
    segments: &SegmentSet<D>,
    at: u64,
    kind: u32,
) -> Result<View<'_, D>, EngineError> {
    let (number, offset) = (super::codec::segment_of(at), super::codec::offset_of(at));
    let Some(segment) = segments.get(number) else {
        return Err(EngineError::Corrupt {
            file: Segment::<D>::log_name(number),
            offset: at & position::OFFSET_MASK,
            what: "segment is missing",
        });
    };
    match record_at(segment, offset)? {
        Some((header, view)) if header.kind == kind => Ok(view),
        _ => Err(segment.corrupt(u64::from(offset), "record")),
    }
}
