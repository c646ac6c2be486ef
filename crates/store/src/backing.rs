//! What the store asks of a disk, as three small traits.
//!
//! The real implementation is [`crate::mmap`]; [`crate::sim`] is a disk in memory that forgets,
//! reorders and tears what was not synced, and fails where a test wants it to.
//!
//! Two kinds of file are told apart, because they are changed in different ways:
//! - [`Backing`]: bytes that are written once, at or near the end, and read through views. Written
//!   by ordinary writes. The log, block files and checkpoints are such files.
//! - [`Lines`]: a table of 64-byte lines that is changed in place, through the mapping. A line never
//!   straddles a sector, so after a power cut each line is one of its versions since the last sync,
//!   whole. The index and the live maps are such files.

use std::io;
use std::ops::Deref;

/// Words in a [`Line`].
pub const LINE_WORDS: usize = 8;

/// Length of a line, in bytes.
pub const LINE_BYTES: usize = 64;

/// One line of a table: eight little-endian 64-bit words.
pub type Line = [u64; LINE_WORDS];

/// A folder with the files of one store. Names are relative to it, with `/` between parts.
///
/// A clone stands for the same folder.
pub trait Disk: Clone + Send + Sync + 'static {
    /// An append-mostly file.
    type File: Backing;
    /// A table of lines.
    type Table: Lines;
    /// Held while this process owns the folder; dropping it lets the folder go.
    type Lock: Send + Sync + 'static;

    /// Takes the folder for this process alone.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if another process or another store of this one holds it.
    fn lock(&self) -> io::Result<Self::Lock>;

    /// Creates an empty file, replacing one of the same name. It can grow up to `capacity` bytes.
    fn create(&self, name: &str, capacity: u64) -> io::Result<Self::File>;

    /// Opens a file that exists ([`io::ErrorKind::NotFound`] otherwise), to grow up to `capacity`
    /// bytes or its present length, whichever is more.
    fn open(&self, name: &str, capacity: u64) -> io::Result<Self::File>;

    /// Creates a table of `lines` lines with all space taken, replacing one of the same name. Its
    /// lines read as zeros until stored.
    fn create_table(&self, name: &str, lines: u64) -> io::Result<Self::Table>;

    /// Opens a table that exists ([`io::ErrorKind::NotFound`] otherwise). One whose length is not
    /// exactly that of `lines` lines is refused with [`io::ErrorKind::InvalidData`].
    fn open_table(&self, name: &str, lines: u64) -> io::Result<Self::Table>;

    /// Removes a file; views and maps of it stay valid. A file that is not there is no error.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Renames a file, replacing one with the new name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Names (without the folder) of the files in a sub-folder, `""` for the top; in no order. A
    /// folder that is not there has none.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Creates a sub-folder; one that exists is no error.
    fn create_folder(&self, folder: &str) -> io::Result<()>;

    /// Makes creations, removals and renames in a sub-folder (`""` for the top) durable.
    fn sync_folder(&self, folder: &str) -> io::Result<()>;

    /// Sixteen unpredictable bytes (salts and hash keys).
    fn random(&self) -> io::Result<[u8; 16]>;
}

/// A place of a file that the disk does not give back.
#[derive(Debug)]
pub struct Unreadable {
    /// Offset of the first sector that cannot be read, in bytes.
    pub offset: u64,
    /// What the system answers.
    pub error: io::Error,
}

/// Reads `len` bytes by `read`, which fills a buffer from an offset, and tells where that fails first.
pub(crate) fn probe(
    len: u64,
    mut read: impl FnMut(u64, &mut [u8]) -> io::Result<()>,
) -> Result<(), Unreadable> {
    const CHUNK: u64 = 1 << 20;
    const SECTOR: u64 = 512;
    let mut buf = vec![0; len.min(CHUNK) as usize]; // at most a chunk
    let mut at = 0;
    let mut step = CHUNK;
    while at < len {
        let bytes = (len - at).min(step);
        let here = buf.get_mut(..bytes as usize).unwrap_or_default(); // at most a chunk
        match read(at, here) {
            Ok(()) => at += bytes,
            Err(_) if step > SECTOR => step = SECTOR,
            Err(error) => return Err(Unreadable { offset: at, error }),
        }
    }
    Ok(())
}

/// A file that is written at its end and read by views.
///
/// # Ordering
/// One thread writes. Bytes that a view covers are not written again while the view lives: the log
/// writes a range once before anyone knows its position.
pub trait Backing: Send + Sync + 'static {
    /// Bytes of the file, borrowed where the file is mapped.
    type View<'a>: Deref<Target = [u8]>
    where
        Self: 'a;

    /// Length in bytes, taken space included.
    fn len(&self) -> u64;

    /// Whether the file has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes `offset .. offset + len`.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if they are not all within the file.
    fn view(&self, offset: u64, len: usize) -> io::Result<Self::View<'_>>;

    /// Fills `buf` from `offset`; errors as [`Backing::view`].
    fn read(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;

    /// Writes within the present length.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if the range is not within the file. After any error
    /// the range holds anything.
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Takes space on the disk so that the length is at least `len`; new bytes are zeros.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] if the disk is full; [`io::ErrorKind::InvalidInput`] beyond the
    /// capacity. The length is then unchanged.
    fn grow(&self, len: u64) -> io::Result<()>;

    /// Makes all writes and the length durable.
    fn sync(&self) -> io::Result<()>;

    /// Reads the first `len` bytes without the mapping, where a sector that cannot be read ends the process
    /// (SIGBUS); tells where that fails.
    ///
    /// # Errors
    /// The first place that cannot be read.
    fn probe(&self, len: u64) -> Result<(), Unreadable> {
        probe(len.min(self.len()), |offset, buf| self.read(offset, buf))
    }

    /// Asks the processor to fetch the cache line at `offset`. Never fails, never blocks.
    fn prefetch(&self, offset: u64);

    /// Asks the system to read these bytes from the disk soon.
    fn will_need(&self, offset: u64, len: u64);
}

/// A table of 64-byte lines, changed in place.
///
/// # Ordering
/// Loads and stores of different lines may run in parallel. Two threads on the same line must be kept
/// apart by the caller, or a load may see a mixture.
pub trait Lines: Send + Sync + 'static {
    /// Number of lines.
    fn lines(&self) -> u64;

    /// One line.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] beyond the end.
    fn load(&self, line: u64) -> io::Result<Line>;

    /// Replaces one line; errors as [`Lines::load`].
    fn store(&self, line: u64, words: &Line) -> io::Result<()>;

    /// Makes all stores that happened before durable.
    fn sync(&self) -> io::Result<()>;

    /// As [`Backing::probe`], for the whole table.
    ///
    /// # Errors
    /// The first place that cannot be read.
    fn probe(&self) -> Result<(), Unreadable>;

    /// Asks the processor to fetch a line. Never fails, never blocks.
    fn prefetch(&self, line: u64);

    /// Asks the system to read lines from the disk soon.
    fn will_need(&self, line: u64, count: u64);
}
