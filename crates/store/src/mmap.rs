//! The real disk: files in a folder, mapped. The only module of the crate with `unsafe`.
//!
//! Files that grow are mapped once, with address space for their whole capacity, and reached only
//! up to their present length; so they never have to be mapped again. Space is always taken with
//! `fallocate` before it is written, since the first write to a mapped page without space behind
//! it would end the process with SIGBUS instead of giving an error.

#![allow(unsafe_code)]

use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use memmap2::{Advice, MmapMut, MmapOptions, MmapRaw, UncheckedAdvice};
use rustix::fs::{FallocateFlags, FlockOperation};

use crate::backing::{Backing, Disk, LINE_BYTES, LINE_WORDS, Line, Lines, Unreadable};

/// Name of the file that is locked.
const LOCK_NAME: &str = "LOCK";

/// How long a lock that somebody holds is tried again.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// File systems over a network: mappings of one machine's writes are not what another wrote, and an
/// unplugged cable is a SIGBUS. Magic numbers from `linux/magic.h` and the file systems' headers.
const NETWORK_FILE_SYSTEMS: [(i64, &str); 6] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x5346_414f, "AFS"),
    (0x7375_7245, "Coda"),
];

/// A folder of the real file system.
#[derive(Clone, Debug)]
pub struct MapDisk {
    root: Arc<PathBuf>,
}

impl MapDisk {
    /// The folder at `root`, created if it is not there.
    ///
    /// # Errors
    /// What the system answers; [`io::ErrorKind::Unsupported`] for a network file system.
    pub fn open(root: impl AsRef<Path>) -> io::Result<Self> {
        let root = root.as_ref();
        fs::create_dir_all(root)?;
        let folder = File::open(root)?;
        let kind = rustix::fs::fstatfs(&folder)?.f_type;
        for (magic, name) in NETWORK_FILE_SYSTEMS {
            if i128::from(kind) == i128::from(magic) {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    format!("a store cannot lie on a network file system ({name})"),
                ));
            }
        }
        // The folder's own name must be as durable as what is put into it.
        folder.sync_all()?;
        if let Some(parent) = root.parent().filter(|p| !p.as_os_str().is_empty()) {
            File::open(parent)?.sync_all()?;
        }
        Ok(Self { root: Arc::new(root.to_owned()) })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.root.as_ref().clone() } else { self.root.join(name) }
    }

    fn create_new(&self, name: &str) -> io::Result<File> {
        // Not truncated in place: somebody may still have the old file mapped.
        self.remove(name)?;
        OpenOptions::new().read(true).write(true).create_new(true).open(self.path(name))
    }

    fn open_existing(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(self.path(name))
    }
}

impl Disk for MapDisk {
    type File = MapFile;
    type Table = MapTable;
    type Lock = DirLock;

    fn lock(&self) -> io::Result<DirLock> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.path(LOCK_NAME))?;
        // A process that another thread is starting holds a copy of each open file until it has become a
        // program of its own, and with it the lock of a store that was closed meanwhile.
        let deadline = Instant::now() + LOCK_PATIENCE;
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Err(rustix::io::Errno::AGAIN) if Instant::now() < deadline => {
                    std::thread::sleep(LOCK_PATIENCE / 100);
                }
                Err(rustix::io::Errno::INTR) => {}
                other => {
                    other?;
                    return Ok(DirLock { _file: file });
                }
            }
        }
    }

    fn create(&self, name: &str, capacity: u64) -> io::Result<MapFile> {
        MapFile::new(self.create_new(name)?, 0, capacity)
    }

    fn open(&self, name: &str, capacity: u64) -> io::Result<MapFile> {
        let file = self.open_existing(name)?;
        let len = file.metadata()?.len();
        MapFile::new(file, len, capacity.max(len))
    }

    fn create_table(&self, name: &str, lines: u64) -> io::Result<MapTable> {
        let file = self.create_new(name)?;
        let bytes = table_bytes(lines)?;
        if let Err(error) = take_space(&file, bytes) {
            drop(file);
            // A file without its space is of no use, and its space may be what is missing.
            self.remove(name)?;
            return Err(error);
        }
        MapTable::new(file, lines)
    }

    fn open_table(&self, name: &str, lines: u64) -> io::Result<MapTable> {
        let file = self.open_existing(name)?;
        if file.metadata()?.len() != table_bytes(lines)? {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "table of another length"));
        }
        // A copy of a store may have holes where zeros were.
        take_space(&file, table_bytes(lines)?)?;
        MapTable::new(file, lines)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.path(folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                // A name that is no text is none of ours.
                names.extend(entry.file_name().into_string());
            }
        }
        Ok(names)
    }

    fn create_folder(&self, folder: &str) -> io::Result<()> {
        fs::create_dir_all(self.path(folder))
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        File::open(self.path(folder))?.sync_all()
    }

    fn random(&self) -> io::Result<[u8; 16]> {
        let mut bytes = [0; 16];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            filled += rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty())?;
        }
        Ok(bytes)
    }
}

/// The lock on a store's folder, let go when dropped or when the process ends.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

/// Takes space on the disk up to `len` bytes of the file.
fn take_space(file: &File, len: u64) -> io::Result<()> {
    if len == 0 {
        return Ok(());
    }
    loop {
        match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, len) {
            Err(rustix::io::Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

fn table_bytes(lines: u64) -> io::Result<u64> {
    lines.checked_mul(LINE_BYTES as u64).ok_or(io::ErrorKind::InvalidInput.into())
}

fn address_bytes(bytes: u64) -> io::Result<usize> {
    usize::try_from(bytes).map_err(|_| io::ErrorKind::OutOfMemory.into())
}

/// The range `offset .. offset + len` if it lies within `limit` bytes.
fn range_within(offset: u64, len: usize, limit: u64) -> io::Result<Range<usize>> {
    let eof = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let end = offset.checked_add(len as u64).filter(|&end| end <= limit).ok_or_else(eof)?;
    Ok(usize::try_from(offset).map_err(|_| eof())?..usize::try_from(end).map_err(|_| eof())?)
}

#[inline(always)]
fn prefetch(address: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing and faults never, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = address;
}

/// A file that is written with `pwrite` and read through a mapping.
#[derive(Debug)]
pub struct MapFile {
    file: File,
    map: MmapRaw,
    len: AtomicU64,
    capacity: u64,
}

impl MapFile {
    fn new(file: File, len: u64, capacity: u64) -> io::Result<Self> {
        let capacity = capacity.max(1);
        let map = MmapOptions::new().len(address_bytes(capacity)?).map_raw_read_only(&file)?;
        // Look-ups go anywhere; reading ahead would only push useful pages out of memory.
        map.advise(Advice::Random)?;
        Ok(Self { file, map, len: AtomicU64::new(len), capacity })
    }

    /// The mapped bytes of a range.
    fn mapped(&self, offset: u64, len: usize) -> io::Result<&[u8]> {
        let range = range_within(offset, len, self.len())?;
        // SAFETY: the range lies within `len`, which is at most the length of the mapping, and the
        // file has space behind all of it, because `len` only grows after `fallocate` succeeded and no
        // code of ours truncates a file (the folder is locked against other processes that would).
        // The mapping lives as long as `self`. The bytes do not change while the slice lives: the
        // mapping itself is read-only, and by the contract of `Backing` a range that is viewed is
        // not written again.
        Ok(unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(range.start), len) })
    }
}

impl Backing for MapFile {
    type View<'a> = &'a [u8];

    #[inline]
    fn len(&self) -> u64 {
        self.len.load(Ordering::Acquire)
    }

    #[inline]
    fn view(&self, offset: u64, len: usize) -> io::Result<&[u8]> {
        self.mapped(offset, len)
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        range_within(offset, buf.len(), self.len())?;
        std::os::unix::fs::FileExt::read_exact_at(&self.file, buf, offset)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        range_within(offset, bytes.len(), self.len())?;
        std::os::unix::fs::FileExt::write_all_at(&self.file, bytes, offset)
    }

    fn grow(&self, len: u64) -> io::Result<()> {
        if len <= self.len() {
            return Ok(());
        }
        if len > self.capacity {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        take_space(&self.file, len)?;
        self.len.store(len, Ordering::Release);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    #[inline]
    fn prefetch(&self, offset: u64) {
        if offset < self.capacity {
            // The offset is below the capacity, which fits the address space.
            prefetch(self.map.as_ptr().wrapping_add(offset as usize));
        }
    }

    fn will_need(&self, offset: u64, len: u64) {
        advise_will_need(&self.map, offset, len.min(self.len().saturating_sub(offset)));
    }
}

fn advise_will_need(map: &MmapRaw, offset: u64, len: u64) {
    if let (Ok(offset), Ok(len)) = (usize::try_from(offset), usize::try_from(len))
        && len > 0
    {
        // Advice only: when it is not taken, the page is read when it is needed.
        let _ = map.advise_range(Advice::WillNeed, offset, len);
    }
}

/// A table that is read and changed through its mapping.
#[derive(Debug)]
pub struct MapTable {
    file: File,
    map: MmapRaw,
    lines: u64,
}

impl MapTable {
    fn new(file: File, lines: u64) -> io::Result<Self> {
        let map = MmapOptions::new().len(address_bytes(table_bytes(lines)?)?).map_raw(&file)?;
        map.advise(Advice::Random)?;
        Ok(Self { file, map, lines })
    }

    #[inline(always)]
    fn words(&self, line: u64) -> io::Result<&[AtomicU64; LINE_WORDS]> {
        if line >= self.lines {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // Below `lines`, whose bytes fit the address space.
        let offset = line as usize * LINE_BYTES;
        // SAFETY: the mapping has `lines * LINE_BYTES` bytes and lives as long as `self`; it is
        // page-aligned, so a line is aligned for eight words. All access to the mapping goes through
        // these atomics, so threads that race see a mixture at worst. The file has space behind every
        // page (taken with `fallocate` when created and when opened) and is never truncated.
        Ok(unsafe { &*self.map.as_mut_ptr().add(offset).cast::<[AtomicU64; LINE_WORDS]>() })
    }
}

impl Lines for MapTable {
    #[inline]
    fn lines(&self) -> u64 {
        self.lines
    }

    #[inline(always)]
    fn load(&self, line: u64) -> io::Result<Line> {
        let words = self.words(line)?;
        Ok(std::array::from_fn(|i| u64::from_le(words[i].load(Ordering::Relaxed))))
    }

    #[inline(always)]
    fn store(&self, line: u64, words: &Line) -> io::Result<()> {
        for (to, from) in self.words(line)?.iter().zip(words) {
            to.store(from.to_le(), Ordering::Relaxed);
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        // The kernel takes each dirty page out of all processors' page caches, one interrupt for every page,
        // before it writes it. Taken out all at once they cost a few; readers map them again, many in a fault.
        // SAFETY: this is a shared mapping of a file. What was stored stays in the file's pages, which are
        // marked dirty as they leave the mapping, and the next access maps the same pages again: no
        // load sees anything else than before.
        let _ = unsafe { self.map.unchecked_advise(UncheckedAdvice::DontNeed) };
        // Writes the dirty pages of shared mappings too.
        self.file.sync_data()
    }

    fn probe(&self) -> Result<(), Unreadable> {
        crate::backing::probe(self.lines * LINE_BYTES as u64, |offset, buf| {
            std::os::unix::fs::FileExt::read_exact_at(&self.file, buf, offset)
        })
    }

    #[inline]
    fn prefetch(&self, line: u64) {
        if line < self.lines {
            // Below `lines`, whose bytes fit the address space.
            prefetch(self.map.as_ptr().wrapping_add(line as usize * LINE_BYTES));
        }
    }

    fn will_need(&self, line: u64, count: u64) {
        if line < self.lines {
            let count = count.min(self.lines - line);
            advise_will_need(&self.map, line * LINE_BYTES as u64, count * LINE_BYTES as u64);
        }
    }
}

/// Pairs of words in memory of this process, zero at first. Many of them lie in large pages where the system
/// has any to give: a table that is read all over then costs fewer look-ups of pages.
pub(crate) struct Pairs {
    memory: Memory,
    len: usize,
}

enum Memory {
    Heap(Vec<[u64; 2]>),
    Mapped(MmapMut),
}

impl Pairs {
    /// Below this length large pages would mostly be empty.
    const LARGE_MIN: usize = (2 << 20) / size_of::<[u64; 2]>();

    /// So many pairs of zeros.
    pub(crate) fn zeroed(len: usize) -> Self {
        if cfg!(miri) || len < Self::LARGE_MIN {
            return Self::on_heap(len);
        }
        let bytes = len.checked_mul(size_of::<[u64; 2]>());
        let Some(Ok(map)) = bytes.map(MmapMut::map_anon) else { return Self::on_heap(len) };
        // Advice only: in small pages it works all the same.
        let _ = map.advise(Advice::HugePage);
        Self { memory: Memory::Mapped(map), len }
    }

    fn on_heap(len: usize) -> Self {
        Self { memory: Memory::Heap(vec![[0; 2]; len]), len }
    }
}

impl std::ops::Deref for Pairs {
    type Target = [[u64; 2]];

    #[inline(always)]
    fn deref(&self) -> &[[u64; 2]] {
        match &self.memory {
            Memory::Heap(pairs) => pairs,
            // SAFETY: the mapping has `len` pairs of bytes that belong to it alone, starts on a page and so
            // is aligned, lives as long as `self`, and any bytes are valid words.
            Memory::Mapped(map) => unsafe {
                std::slice::from_raw_parts(map.as_ptr().cast(), self.len)
            },
        }
    }
}

impl std::ops::DerefMut for Pairs {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [[u64; 2]] {
        match &mut self.memory {
            Memory::Heap(pairs) => pairs,
            // SAFETY: as above, and `self` is borrowed for writing.
            Memory::Mapped(map) => unsafe {
                std::slice::from_raw_parts_mut(map.as_mut_ptr().cast(), self.len)
            },
        }
    }
}

#[cfg(test)]
#[cfg(not(miri))]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_zero_at_first_and_keep_what_is_put() {
        for len in [0, 1, 1000, Pairs::LARGE_MIN, Pairs::LARGE_MIN + 1] {
            let mut pairs = Pairs::zeroed(len);
            assert_eq!(matches!(pairs.memory, Memory::Mapped(_)), len >= Pairs::LARGE_MIN);
            assert_eq!(pairs.len(), len);
            assert!(pairs.iter().all(|pair| *pair == [0, 0]));
            for (i, pair) in (0..).zip(&mut *pairs) {
                *pair = [i, !i];
            }
            assert!((0..).zip(&*pairs).all(|(i, pair)| *pair == [i, !i]));
        }
    }

    fn folder(name: &str) -> (PathBuf, MapDisk) {
        let path =
            std::env::temp_dir().join(format!("mvs-store-mmap-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        let disk = MapDisk::open(&path).unwrap();
        (path, disk)
    }

    #[test]
    fn file_grows_is_written_and_read_back() {
        let (path, disk) = folder("file");
        let file = disk.create("f", 1 << 20).unwrap();
        assert!(file.is_empty());
        assert_eq!(file.write(0, b"x").unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        file.grow(8192).unwrap();
        file.write(4090, b"0123456789").unwrap();
        assert_eq!(file.view(4090, 10).unwrap(), b"0123456789");
        assert_eq!(file.view(8190, 3).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(file.view(u64::MAX, 3).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(file.grow((1 << 20) + 1).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        file.prefetch(u64::MAX);
        file.will_need(0, u64::MAX);
        file.sync().unwrap();
        drop(file);
        let file = disk.open("f", 0).unwrap();
        assert_eq!(file.len(), 8192);
        let mut buf = [0; 4];
        file.read(4092, &mut buf).unwrap();
        assert_eq!(&buf, b"2345");
        disk.rename("f", "g").unwrap();
        assert_eq!(disk.list("").unwrap(), ["g"]);
        disk.remove("g").unwrap();
        disk.remove("g").unwrap();
        assert_eq!(disk.open("g", 0).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(file.view(4090, 1).unwrap(), b"0");
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn table_lines_are_stored_and_bounded() {
        let (path, disk) = folder("table");
        disk.create_folder("t").unwrap();
        let table = disk.create_table("t/a", 130).unwrap();
        assert_eq!(table.load(129).unwrap(), [0; 8]);
        table.store(129, &[1, 2, 3, 4, 5, 6, 7, u64::MAX]).unwrap();
        assert!(table.load(130).is_err() && table.store(130, &[0; 8]).is_err());
        table.sync().unwrap();
        disk.sync_folder("t").unwrap();
        drop(table);
        assert_eq!(disk.open_table("t/a", 129).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let table = disk.open_table("t/a", 130).unwrap();
        assert_eq!(table.load(129).unwrap()[7], u64::MAX);
        // A copy with holes has its space taken before anything is stored.
        let hole = File::create(path.join("t/hole")).unwrap();
        hole.set_len(64 << 10).unwrap();
        drop(hole);
        disk.open_table("t/hole", 1 << 10).unwrap();
        let taken =
            std::os::unix::fs::MetadataExt::blocks(&fs::metadata(path.join("t/hole")).unwrap());
        assert!(taken * 512 >= 64 << 10, "{taken} sectors");
        let raw = fs::read(path.join("t/a")).unwrap();
        assert_eq!(raw[129 * 64..129 * 64 + 9], [1, 0, 0, 0, 0, 0, 0, 0, 2]);
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn folder_is_locked_once() {
        let (path, disk) = folder("lock");
        let lock = disk.lock().unwrap();
        assert_eq!(disk.lock().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        // Let go while another waits: by a process that is being started, say.
        let (waits, told) = std::sync::mpsc::channel();
        let holder = std::thread::spawn(move || {
            told.recv().unwrap();
            std::thread::sleep(LOCK_PATIENCE / 20);
            drop(lock);
        });
        waits.send(()).unwrap();
        disk.lock().unwrap();
        holder.join().unwrap();
        assert_ne!(disk.random().unwrap(), disk.random().unwrap());
        fs::remove_dir_all(path).unwrap();
    }
}
