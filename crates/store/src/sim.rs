//! A disk in memory for tests: it remembers what was synced, and forgets, reorders and tears the rest.
//!
//! [`SimDisk::crash_image`] gives a disk as a power cut might have left it: of each 512-byte sector
//! any version since its last sync, of each new name whether it is there. [`SimDisk::fail`] makes
//! a chosen call fail, [`SimDisk::cut_power_after`] makes every call fail from some moment on. No
//! system calls are made, so Miri runs over it.
//!
//! Assumed, as of real disks: a sector of 512 bytes is written whole or not at all; what a successful sync
//! covered stays; a sync that failed leaves sectors on the disk or forgets them for ever (the
//! next sync does not write them again).

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::backing::{Backing, Disk, LINE_BYTES, Line, Lines, Unreadable};

/// What a disk writes whole.
const SECTOR: usize = 512;

/// Versions of an unsynced sector that are remembered; beyond, one in the middle is forgotten.
const VERSIONS_MAX: usize = 6;

/// A kind of call that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    /// [`Disk::create`], [`Disk::create_table`], [`Disk::create_folder`].
    Create,
    /// [`Disk::open`], [`Disk::open_table`].
    Open,
    /// [`Disk::remove`], [`Disk::rename`].
    Unlink,
    /// [`Disk::sync_folder`].
    SyncFolder,
    /// [`Backing::write`].
    Write,
    /// [`Backing::grow`].
    Grow,
    /// [`Backing::sync`], [`Lines::sync`].
    Sync,
    /// [`Lines::store`]. On a real disk it cannot fail, but a power cut may come before it.
    Store,
}

/// All kinds of call.
pub const CALLS: [Call; 8] = [
    Call::Create,
    Call::Open,
    Call::Unlink,
    Call::SyncFolder,
    Call::Write,
    Call::Grow,
    Call::Sync,
    Call::Store,
];

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The disk is full.
    NoSpace,
    /// The disk fails. A sync that fails forgets some of what it should have written.
    Io,
    /// Half of a write is done before the disk fails.
    Short,
}

/// Small generator (SplitMix64); the quality that tests need, and the same numbers everywhere.
#[derive(Clone, Debug)]
pub struct SimRng(u64);

impl SimRng {
    /// Numbers that follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound` (0 for a bound of 0).
    pub fn below(&mut self, bound: u64) -> u64 {
        // The bias is of no importance to tests.
        self.next_u64().checked_rem(bound).unwrap_or(0)
    }
}

type Sector = Box<[u8; SECTOR]>;

#[derive(Clone, Default)]
struct FileState {
    /// As a running program sees it.
    data: Vec<u8>,
    /// As of the last sync, where it differs: sector number to its versions, oldest (the durable
    /// one) first. The present version is in `data`.
    unsynced: BTreeMap<usize, Vec<Sector>>,
    /// Sectors that a failed sync forgot: what is on the disk. Cleared when they are written again.
    forgotten: BTreeMap<usize, Sector>,
    durable_len: usize,
    /// A sector that cannot be read.
    spoilt: Option<usize>,
}

fn sector_of(data: &[u8], sector: usize) -> Sector {
    let mut bytes = Box::new([0; SECTOR]);
    let start = sector * SECTOR;
    if let Some(from) = data.get(start..data.len().min(start + SECTOR)) {
        bytes[..from.len()].copy_from_slice(from);
    }
    bytes
}

fn put_sector(data: &mut [u8], sector: usize, bytes: &Sector) {
    let start = sector * SECTOR;
    let end = data.len().min(start + SECTOR);
    if let Some(to) = data.get_mut(start..end) {
        to.copy_from_slice(&bytes[..to.len()]);
    }
}

impl FileState {
    /// Whether reading these bytes meets the sector that cannot be read.
    fn is_spoilt(&self, range: &std::ops::Range<usize>) -> bool {
        self.spoilt.is_some_and(|at| at * SECTOR < range.end && range.start < (at + 1) * SECTOR)
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        for sector in offset / SECTOR..=(offset + bytes.len() - 1) / SECTOR {
            let before = sector_of(&self.data, sector);
            let forgotten = self.forgotten.remove(&sector);
            let versions = self.unsynced.entry(sector).or_default();
            versions.extend(forgotten);
            versions.push(before);
            if versions.len() > VERSIONS_MAX {
                versions.remove(VERSIONS_MAX / 2);
            }
        }
        self.data[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn sync(&mut self) {
        self.unsynced.clear();
        self.durable_len = self.data.len();
    }

    /// A sync that fails: some sectors made it, the others never will.
    fn sync_badly(&mut self, rng: &mut SimRng) {
        for (sector, versions) in std::mem::take(&mut self.unsynced) {
            if rng.below(2) == 0
                && let Some(durable) = versions.into_iter().next()
            {
                self.forgotten.insert(sector, durable);
            }
        }
    }

    fn image(&self, rng: &mut SimRng) -> Vec<u8> {
        let mut data = self.data.clone();
        for (&sector, durable) in &self.forgotten {
            put_sector(&mut data, sector, durable);
        }
        for (&sector, versions) in &self.unsynced {
            // One more than the old versions: the present one.
            let pick = rng.below(versions.len() as u64 + 1) as usize;
            if let Some(version) = versions.get(pick) {
                put_sector(&mut data, sector, version);
            }
        }
        if data.len() > self.durable_len && rng.below(2) == 0 {
            data.truncate(self.durable_len);
        }
        data
    }
}

#[derive(Clone)]
enum NameChange {
    Create(String, usize),
    Remove(String),
    Rename(String, String),
}

#[derive(Default)]
struct State {
    files: Vec<FileState>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    unsynced_names: Vec<NameChange>,
    locked: bool,
    random: u64,
    calls: BTreeMap<Call, u64>,
    faults: Vec<(Call, u64, Fault)>,
    steps: u64,
    power_until: Option<u64>,
    space: Option<u64>,
    held: Option<Held>,
    /// What the system was asked to read soon, by file; nothing is noted unless somebody wants to know.
    asked: Option<Vec<(usize, u64, u64)>>,
}

/// A thread whose calls wait for leave.
struct Held {
    thread: String,
    /// Calls that it may still make.
    leave: u64,
    waits: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    leave: Condvar,
}

/// A folder in memory. A clone stands for the same folder.
#[derive(Clone)]
pub struct SimDisk {
    shared: Arc<Shared>,
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::new(0)
    }
}

fn folder_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn apply_name_change(names: &mut BTreeMap<String, usize>, change: &NameChange) {
    match change {
        NameChange::Create(name, file) => {
            names.insert(name.clone(), *file);
        }
        NameChange::Remove(name) => {
            names.remove(name);
        }
        NameChange::Rename(from, to) => {
            if let Some(file) = names.remove(from) {
                names.insert(to.clone(), file);
            }
        }
    }
}

impl NameChange {
    fn folder(&self) -> &str {
        match self {
            Self::Create(name, _) | Self::Remove(name) | Self::Rename(name, _) => folder_of(name),
        }
    }
}

impl State {
    /// Counts a call and says how it is to fail, if it is.
    fn step(&mut self, call: Call) -> io::Result<Option<Fault>> {
        self.steps += 1;
        if self.power_until.is_some_and(|until| self.steps > until) {
            return Err(io::Error::other("the power is cut"));
        }
        let count = self.calls.entry(call).or_default();
        let number = *count;
        *count += 1;
        Ok(self.faults.iter().find(|f| f.0 == call && f.1 == number).map(|f| f.2))
    }

    /// As [`State::step`], for calls that have no half-done state.
    fn step_or_fail(&mut self, call: Call) -> io::Result<()> {
        match self.step(call)? {
            None => Ok(()),
            Some(fault) => Err(fault.into()),
        }
    }

    fn used(&self) -> u64 {
        self.names.values().filter_map(|&f| self.files.get(f)).map(|f| f.data.len() as u64).sum()
    }

    fn take_space(&self, more: u64) -> io::Result<()> {
        if self.space.is_some_and(|space| self.used().saturating_add(more) > space) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn new_file(&mut self, name: &str, bytes: usize) -> usize {
        let number = self.files.len();
        self.files.push(FileState { data: vec![0; bytes], ..FileState::default() });
        let change = NameChange::Create(name.to_owned(), number);
        apply_name_change(&mut self.names, &change);
        self.unsynced_names.push(change);
        number
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NoSpace => io::ErrorKind::StorageFull.into(),
            Fault::Io => io::Error::other("the disk fails (test)"),
            Fault::Short => io::ErrorKind::WriteZero.into(),
        }
    }
}

impl SimDisk {
    /// An empty folder. `seed` decides what [`Disk::random`] gives.
    pub fn new(seed: u64) -> Self {
        Self::of(State { random: seed, ..State::default() })
    }

    fn of(state: State) -> Self {
        Self { shared: Arc::new(Shared { state: Mutex::new(state), leave: Condvar::new() }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked elsewhere leaves the state whole: no method here stops half-way.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`SimDisk::state`], for a call that changes something or opens a file: a thread that is held waits here.
    fn turn(&self) -> MutexGuard<'_, State> {
        let mut state = self.state();
        loop {
            let Some(held) = &mut state.held else { return state };
            if std::thread::current().name() != Some(&held.thread) {
                return state;
            }
            held.waits = held.leave == 0;
            if !held.waits {
                held.leave -= 1;
                return state;
            }
            state = self.shared.leave.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Holds the thread of this name before its next call that changes something or opens a file, until
    /// [`SimDisk::let_pass`] or [`SimDisk::let_go`].
    pub fn hold(&self, thread: &str) {
        self.state().held = Some(Held { thread: thread.to_owned(), leave: 0, waits: false });
    }

    /// Lets the held thread make one more call.
    pub fn let_pass(&self) {
        if let Some(held) = &mut self.state().held {
            held.leave += 1;
            held.waits = false;
        }
        self.shared.leave.notify_all();
    }

    /// Holds no thread any more.
    pub fn let_go(&self) {
        self.state().held = None;
        self.shared.leave.notify_all();
    }

    /// Whether the held thread stands before a call that it may not make yet.
    pub fn is_waiting(&self) -> bool {
        self.state().held.as_ref().is_some_and(|held| held.waits)
    }

    /// What the system was asked to read soon since the last time this was called: files, offsets, lengths in
    /// bytes. The first time there is nothing: noting begins then.
    pub fn will_needed(&self) -> Vec<(String, u64, u64)> {
        let mut state = self.state();
        let asked = state.asked.replace(Vec::new()).unwrap_or_default();
        let name = |number: usize| state.names.iter().find(|(_, n)| **n == number);
        asked
            .into_iter()
            .map(|(file, offset, len)| {
                (name(file).map_or_else(String::new, |(name, _)| name.clone()), offset, len)
            })
            .collect()
    }

    fn note_will_need(&self, file: usize, offset: u64, len: u64) {
        if let Some(asked) = &mut self.state().asked {
            asked.push((file, offset, len));
        }
    }

    /// Lets call number `nth` (from 0, counted since the disk was made) of a kind fail.
    pub fn fail(&self, call: Call, nth: u64, fault: Fault) {
        self.state().faults.push((call, nth, fault));
    }

    /// No call fails any more, unless the power is cut.
    pub fn heal(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.space = None;
    }

    /// The calls of a kind so far.
    pub fn calls(&self, call: Call) -> u64 {
        self.state().calls.get(&call).copied().unwrap_or(0)
    }

    /// All calls that change something or open a file, so far.
    pub fn steps(&self) -> u64 {
        self.state().steps
    }

    /// Lets every call after the first `steps` (counted since the disk was made) fail and do nothing.
    pub fn cut_power_after(&self, steps: u64) {
        self.state().power_until = Some(steps);
    }

    /// Limits the bytes of all files that have a name.
    pub fn set_space(&self, bytes: Option<u64>) {
        self.state().space = bytes;
    }

    /// Bytes of all files that have a name.
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// The disk as a power cut now might leave it; `seed` decides what reached it. Unlocked, and with
    /// no faults.
    pub fn crash_image(&self, seed: u64) -> Self {
        let state = self.state();
        let mut rng = SimRng::new(seed);
        let mut names = state.durable_names.clone();
        // Of some images all or nothing: the extremes are where careful code goes wrong too.
        let mode = rng.below(8);
        for change in &state.unsynced_names {
            if mode == 0 || (mode != 1 && rng.below(2) == 0) {
                apply_name_change(&mut names, change);
            }
        }
        Self::of_names(&state, &names, |file| match mode {
            0 => file.image_latest(),
            1 => file.image_oldest(),
            _ => file.image(&mut rng),
        })
    }

    /// The disk as the death of the process now would leave it: everything as last written.
    pub fn kill_image(&self) -> Self {
        let state = self.state();
        Self::of_names(&state, &state.names, |file| file.data.clone())
    }

    fn of_names(
        state: &State,
        names: &BTreeMap<String, usize>,
        mut data_of: impl FnMut(&FileState) -> Vec<u8>,
    ) -> Self {
        let mut copy = State { random: state.random.wrapping_add(1 << 32), ..State::default() };
        for (name, &number) in names {
            let Some(file) = state.files.get(number) else { continue };
            let data = data_of(file);
            let durable_len = data.len();
            copy.names.insert(name.clone(), copy.files.len());
            copy.files.push(FileState { data, durable_len, ..FileState::default() });
        }
        copy.durable_names = copy.names.clone();
        Self::of(copy)
    }

    /// Names and lengths of all files.
    pub fn files(&self) -> Vec<(String, u64)> {
        let state = self.state();
        let len = |number: usize| state.files.get(number).map_or(0, |f| f.data.len() as u64);
        state.names.iter().map(|(name, &number)| (name.clone(), len(number))).collect()
    }

    /// Makes the sector unreadable that holds this byte; whether the file is there. Reading it without the mapping
    /// fails; through the mapping it ends the process: here, with a panic.
    pub fn spoil(&self, name: &str, offset: u64) -> bool {
        let mut guard = self.state();
        let state = &mut *guard;
        let file = state.names.get(name).and_then(|&number| state.files.get_mut(number));
        let sector = usize::try_from(offset).map(|offset| offset / SECTOR).ok();
        file.map(|file| file.spoilt = sector).is_some()
    }

    /// Changes one byte of a file behind everybody's back; whether it was there.
    pub fn corrupt(&self, name: &str, offset: u64, xor: u8) -> bool {
        let mut guard = self.state();
        let state = &mut *guard;
        let byte = state
            .names
            .get(name)
            .and_then(|&number| state.files.get_mut(number))
            .and_then(|file| file.data.get_mut(usize::try_from(offset).ok()?));
        match byte {
            Some(byte) => {
                *byte ^= xor;
                true
            }
            None => false,
        }
    }
}

impl FileState {
    fn image_latest(&self) -> Vec<u8> {
        let mut data = self.data.clone();
        for (&sector, durable) in &self.forgotten {
            put_sector(&mut data, sector, durable);
        }
        data
    }

    fn image_oldest(&self) -> Vec<u8> {
        let mut data = self.image_latest();
        for (&sector, versions) in &self.unsynced {
            if let Some(durable) = versions.first() {
                put_sector(&mut data, sector, durable);
            }
        }
        data.truncate(self.durable_len);
        data
    }
}

impl Disk for SimDisk {
    type File = SimFile;
    type Table = SimTable;
    type Lock = SimLock;

    fn lock(&self) -> io::Result<SimLock> {
        let mut state = self.state();
        if std::mem::replace(&mut state.locked, true) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(SimLock { disk: self.clone() })
    }

    fn create(&self, name: &str, capacity: u64) -> io::Result<SimFile> {
        let mut state = self.turn();
        state.step_or_fail(Call::Create)?;
        let number = state.new_file(name, 0);
        Ok(SimFile { disk: self.clone(), number, capacity })
    }

    fn open(&self, name: &str, capacity: u64) -> io::Result<SimFile> {
        let mut state = self.turn();
        state.step_or_fail(Call::Open)?;
        let &number = state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        let len = state.files.get(number).map_or(0, |f| f.data.len() as u64);
        Ok(SimFile { disk: self.clone(), number, capacity: capacity.max(len) })
    }

    fn create_table(&self, name: &str, lines: u64) -> io::Result<SimTable> {
        let mut state = self.turn();
        state.step_or_fail(Call::Create)?;
        let bytes = lines.checked_mul(LINE_BYTES as u64).ok_or(io::ErrorKind::InvalidInput)?;
        state.take_space(bytes)?;
        let bytes = usize::try_from(bytes).map_err(|_| io::ErrorKind::InvalidInput)?;
        let number = state.new_file(name, bytes);
        Ok(SimTable { disk: self.clone(), number, lines })
    }

    fn open_table(&self, name: &str, lines: u64) -> io::Result<SimTable> {
        let mut state = self.turn();
        state.step_or_fail(Call::Open)?;
        let &number = state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        let len = state.files.get(number).map_or(0, |f| f.data.len() as u64);
        if lines.checked_mul(LINE_BYTES as u64) != Some(len) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "table of another length"));
        }
        Ok(SimTable { disk: self.clone(), number, lines })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.turn();
        state.step_or_fail(Call::Unlink)?;
        if state.names.contains_key(name) {
            let change = NameChange::Remove(name.to_owned());
            apply_name_change(&mut state.names, &change);
            state.unsynced_names.push(change);
        }
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.turn();
        state.step_or_fail(Call::Unlink)?;
        if !state.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let change = NameChange::Rename(from.to_owned(), to.to_owned());
        apply_name_change(&mut state.names, &change);
        state.unsynced_names.push(change);
        Ok(())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let state = self.state();
        let here = state.names.keys().filter(|name| folder_of(name) == folder);
        Ok(here.map(|name| name.rsplit('/').next().unwrap_or(name).to_owned()).collect())
    }

    fn create_folder(&self, _folder: &str) -> io::Result<()> {
        self.turn().step_or_fail(Call::Create)
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        let mut state = self.turn();
        state.step_or_fail(Call::SyncFolder)?;
        let (here, others) = std::mem::take(&mut state.unsynced_names)
            .into_iter()
            .partition(|change| change.folder() == folder);
        state.unsynced_names = others;
        for change in &here {
            apply_name_change(&mut state.durable_names, change);
        }
        Ok(())
    }

    fn random(&self) -> io::Result<[u8; 16]> {
        let mut state = self.state();
        let mut rng = SimRng::new(state.random);
        let (a, b) = (rng.next_u64(), rng.next_u64());
        state.random = state.random.wrapping_add(0x1234_5678_9abc_def1);
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&a.to_le_bytes());
        bytes[8..].copy_from_slice(&b.to_le_bytes());
        Ok(bytes)
    }
}

/// The lock on a [`SimDisk`].
pub struct SimLock {
    disk: SimDisk,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.state().locked = false;
    }
}

/// A file of a [`SimDisk`].
pub struct SimFile {
    disk: SimDisk,
    number: usize,
    capacity: u64,
}

fn bounds(offset: u64, len: usize, limit: usize) -> io::Result<std::ops::Range<usize>> {
    let start = usize::try_from(offset).ok();
    let end = start.and_then(|start| start.checked_add(len)).filter(|&end| end <= limit);
    match (start, end) {
        (Some(start), Some(end)) => Ok(start..end),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

impl Backing for SimFile {
    type View<'a> = Vec<u8>;

    fn len(&self) -> u64 {
        self.disk.state().files[self.number].data.len() as u64
    }

    fn view(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let state = self.disk.state();
        let file = &state.files[self.number];
        let range = bounds(offset, len, file.data.len())?;
        assert!(
            !file.is_spoilt(&range),
            "SIGBUS: an unreadable sector was read through the mapping"
        );
        Ok(file.data[range].to_vec())
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let state = self.disk.state();
        let file = &state.files[self.number];
        let range = bounds(offset, buf.len(), file.data.len())?;
        if file.is_spoilt(&range) {
            return Err(Fault::Io.into());
        }
        buf.copy_from_slice(&file.data[range]);
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.turn();
        let fault = state.step(Call::Write)?;
        let file = &mut state.files[self.number];
        let range = bounds(offset, bytes.len(), file.data.len())?;
        match fault {
            None => {
                file.write(range.start, bytes);
                Ok(())
            }
            Some(fault) => {
                if fault == Fault::Short {
                    file.write(range.start, &bytes[..bytes.len() / 2]);
                }
                Err(fault.into())
            }
        }
    }

    fn grow(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.turn();
        state.step_or_fail(Call::Grow)?;
        let before = state.files[self.number].data.len() as u64;
        if len <= before {
            return Ok(());
        }
        if len > self.capacity {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        state.take_space(len - before)?;
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::InvalidInput)?;
        state.files[self.number].data.resize(len, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        sync(&self.disk, self.number)
    }

    fn prefetch(&self, _offset: u64) {}

    fn will_need(&self, offset: u64, len: u64) {
        self.disk.note_will_need(self.number, offset, len);
    }
}

fn sync(disk: &SimDisk, number: usize) -> io::Result<()> {
    let mut state = disk.turn();
    let fault = state.step(Call::Sync)?;
    let mut rng = SimRng::new(state.steps);
    let file = &mut state.files[number];
    match fault {
        None => {
            file.sync();
            Ok(())
        }
        Some(fault) => {
            file.sync_badly(&mut rng);
            Err(fault.into())
        }
    }
}

/// A table of a [`SimDisk`].
pub struct SimTable {
    disk: SimDisk,
    number: usize,
    lines: u64,
}

impl SimTable {
    fn offset(&self, line: u64) -> io::Result<usize> {
        let start = usize::try_from(line).ok().filter(|_| line < self.lines);
        start.map(|line| line * LINE_BYTES).ok_or(io::ErrorKind::UnexpectedEof.into())
    }
}

impl Lines for SimTable {
    fn lines(&self) -> u64 {
        self.lines
    }

    fn load(&self, line: u64) -> io::Result<Line> {
        let offset = self.offset(line)?;
        let state = self.disk.state();
        let file = &state.files[self.number];
        let range = offset..offset + LINE_BYTES;
        assert!(
            !file.is_spoilt(&range),
            "SIGBUS: an unreadable sector was read through the mapping"
        );
        let data = &file.data;
        Ok(std::array::from_fn(|i| {
            let mut word = [0; 8];
            word.copy_from_slice(&data[offset + 8 * i..offset + 8 * i + 8]);
            u64::from_le_bytes(word)
        }))
    }

    fn store(&self, line: u64, words: &Line) -> io::Result<()> {
        let offset = self.offset(line)?;
        let mut bytes = [0; LINE_BYTES];
        for (to, word) in bytes.chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        let mut state = self.disk.turn();
        state.step_or_fail(Call::Store)?;
        state.files[self.number].write(offset, &bytes);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        sync(&self.disk, self.number)
    }

    fn probe(&self) -> Result<(), Unreadable> {
        let state = self.disk.state();
        let file = &state.files[self.number];
        crate::backing::probe(self.lines * LINE_BYTES as u64, |offset, buf| {
            let range = bounds(offset, buf.len(), file.data.len())?;
            if file.is_spoilt(&range) { Err(Fault::Io.into()) } else { Ok(()) }
        })
    }

    fn prefetch(&self, _line: u64) {}

    fn will_need(&self, line: u64, count: u64) {
        let bytes = LINE_BYTES as u64;
        self.disk.note_will_need(self.number, line * bytes, count * bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crash_keeps_what_was_synced_and_any_version_of_the_rest() {
        let disk = SimDisk::new(1);
        let file = disk.create("a", 4096).unwrap();
        file.grow(2048).unwrap();
        file.write(0, &[1; 2048]).unwrap();
        file.sync().unwrap();
        disk.sync_folder("").unwrap();
        file.write(500, &[2; 100]).unwrap();
        file.write(500, &[3; 100]).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let image = disk.crash_image(seed);
            let view = image.open("a", 0).unwrap().view(0, 2048).unwrap();
            assert!(view[..500].iter().chain(&view[600..]).all(|&b| b == 1));
            assert!(view[500..512].iter().all(|&b| b == view[500]));
            assert!(view[512..600].iter().all(|&b| b == view[512]));
            seen.insert((view[500], view[512]));
        }
        assert_eq!(seen.len(), 9, "each sector is old, middle or new, independently: {seen:?}");
        assert_eq!(disk.kill_image().open("a", 0).unwrap().view(500, 1).unwrap(), [3]);
    }

    #[test]
    fn names_are_durable_after_the_folder_is_synced() {
        let disk = SimDisk::new(1);
        disk.create("d/a", 0).unwrap();
        disk.create("b", 0).unwrap();
        disk.sync_folder("").unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..50 {
            let image = disk.crash_image(seed);
            assert_eq!(image.list("").unwrap(), ["b"]);
            seen.insert(image.list("d").unwrap().len());
        }
        assert_eq!(seen.len(), 2);
    }

    #[test]
    fn failed_sync_is_not_made_good_by_the_next() {
        let disk = SimDisk::new(1);
        let file = disk.create("a", 64 * 512).unwrap();
        file.grow(64 * 512).unwrap();
        file.sync().unwrap();
        disk.sync_folder("").unwrap();
        file.write(0, &vec![7; 64 * 512]).unwrap();
        disk.fail(Call::Sync, 1, Fault::Io);
        assert!(file.sync().is_err());
        file.sync().unwrap();
        let view = disk.crash_image(0).open("a", 0).unwrap().view(0, 64 * 512).unwrap();
        assert!(view.contains(&0) && view.contains(&7));
    }

    #[test]
    fn chosen_calls_fail_and_the_power_is_cut() {
        let disk = SimDisk::new(1);
        let file = disk.create("a", 4096).unwrap();
        disk.fail(Call::Grow, 0, Fault::NoSpace);
        assert_eq!(file.grow(10).unwrap_err().kind(), io::ErrorKind::StorageFull);
        file.grow(10).unwrap();
        disk.fail(Call::Write, 0, Fault::Short);
        assert!(file.write(0, &[9; 10]).is_err());
        assert_eq!(file.view(0, 10).unwrap(), [9, 9, 9, 9, 9, 0, 0, 0, 0, 0]);
        disk.set_space(Some(20));
        assert!(file.grow(30).is_err() && disk.create_table("t", 1).is_err());
        disk.heal();
        file.grow(30).unwrap();
        disk.cut_power_after(disk.steps() + 1);
        file.write(0, &[1]).unwrap();
        assert!(file.write(0, &[2]).is_err() && file.sync().is_err());
        assert!(disk.lock().is_ok());
        let lock = disk.lock().unwrap();
        assert!(disk.lock().is_err());
        drop(lock);
    }
}
