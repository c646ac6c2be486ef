//! A file of sorted entries, written once.
//!
//! ```text
//! file  = page 0 (head, zeros), pages
//! page  = xxh3-64 of the rest, seeded with run and page, 8 | entries u16 | entries | zeros; 4,096 in all
//! entry = key length u8 | value length u8 | key | value
//! ```
//!
//! Every page that is read is compared with its checksum.

use std::sync::{Arc, OnceLock};

use mvs_primitives::hash::BlockHash;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::view::Order;
use super::{FOLDER, Pair};
use crate::backing::{Backing, Disk};
use crate::error::StoreError;
use crate::file_head::{FileHead, HEAD_BYTES};

const KIND: [u8; 8] = *b"MVSIXRUN";

/// Length of a page.
const PAGE_BYTES: usize = 4_096;
const PAGE: u64 = PAGE_BYTES as u64; // widening
const PAGE_HEAD: usize = 10;

/// Pages that are written at a time.
const WRITE_PAGES: usize = 64;

/// What the manifest says of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RunMeta {
    pub(super) number: u32,
    pub(super) pages: u32,
    /// Heights that it covers, without gaps.
    pub(super) first: u32,
    pub(super) last: u32,
    /// The block at the last of them.
    pub(super) last_hash: BlockHash,
}

/// A run.
pub(crate) struct Run<D: Disk> {
    pub(super) meta: RunMeta,
    file: D::File,
    /// How the first key of each page begins, once the page was read: a search then reads no page but
    /// the ones that it wants.
    fences: Box<[OnceLock<Fence>]>,
}

/// The first bytes of a key, with zeros behind a shorter one. Only where two differ do they say which
/// key is below the other.
type Fence = [u8; 16];

fn fence_of(key: &[u8]) -> Fence {
    let mut fence = Fence::default();
    fence.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    fence
}

fn no_fences(meta: &RunMeta) -> Box<[OnceLock<Fence>]> {
    (0..meta.pages).map(|_| OnceLock::new()).collect()
}

pub(super) fn run_name(number: u32) -> String {
    format!("{FOLDER}/{number:08}.run")
}

fn head(network: u32, number: u32) -> FileHead {
    FileHead { kind: KIND, network, number, record_bytes: PAGE_BYTES as u32 } // 4,096
}

fn seed(run: u32, page: u32) -> u64 {
    (u64::from(run) << 32) | u64::from(page)
}

/// The entries of a page, as places in its bytes.
struct Page<'a> {
    entries: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Page<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (_, rest) = bytes.split_first_chunk::<8>()?;
        let (count, mut rest) = rest.split_first_chunk()?;
        let count = u16::from_le_bytes(*count);
        let mut entries = Vec::with_capacity(usize::from(count).min(PAGE_BYTES / 2));
        for _ in 0..count {
            let ([key_len, value_len], after) = rest.split_first_chunk()?;
            let (key, after) = after.split_at_checked(usize::from(*key_len))?;
            let (value, after) = after.split_at_checked(usize::from(*value_len))?;
            entries.push((key, value));
            rest = after;
        }
        Some(Self { entries })
    }
}

impl<D: Disk> Run<D> {
    pub(super) fn open(disk: &D, network: u32, meta: RunMeta) -> Result<Self, StoreError> {
        let name = run_name(meta.number);
        let capacity = (u64::from(meta.pages) + 1) * PAGE;
        let file =
            disk.open(&name, capacity).map_err(|error| StoreError::io("open", &name, error))?;
        head(network, meta.number).check(&file, &name)?;
        if file.len() < capacity {
            return Err(StoreError::corrupt(
                name,
                file.len(),
                "the run is shorter than it must be",
            ));
        }
        Ok(Self { meta, file, fences: no_fences(&meta) })
    }

    /// Writes a run of sorted entries and makes it durable.
    pub(super) fn write(
        disk: &D,
        network: u32,
        mut meta: RunMeta,
        pairs: &mut dyn FnMut() -> Result<Option<Pair>, StoreError>,
        pages_max: u32,
    ) -> Result<Self, StoreError> {
        let name = run_name(meta.number);
        let io = |error| StoreError::io("write", &name, error);
        let file = disk.create(&name, (u64::from(pages_max) + 1) * PAGE).map_err(io)?;
        file.grow(PAGE).map_err(io)?;
        head(network, meta.number).write(&file, &name)?;
        let mut out =
            PageWriter { run: meta.number, done: 0, page: Vec::new(), count: 0, ready: Vec::new() };
        let flush = |out: &mut PageWriter| -> Result<(), StoreError> {
            let pages = out.ready.len() / PAGE_BYTES;
            let start = PAGE * (1 + u64::from(out.done) - pages as u64); // widening
            file.grow(PAGE * (1 + u64::from(out.done))).map_err(io)?;
            file.write(start, &out.ready).map_err(io)?;
            out.ready.clear();
            Ok(())
        };
        while let Some((key, value)) = pairs()? {
            out.push(&key, &value)
                .ok_or_else(|| StoreError::corrupt(&name, 0, "an entry is longer than any"))?;
            if out.ready.len() >= WRITE_PAGES * PAGE_BYTES {
                flush(&mut out)?;
            }
        }
        out.end_page();
        if !out.ready.is_empty() {
            flush(&mut out)?;
        }
        file.sync().map_err(io)?;
        disk.sync_folder(FOLDER).map_err(io)?;
        meta.pages = out.done;
        Ok(Self { meta, file, fences: no_fences(&meta) })
    }

    fn with_page<R>(&self, page: u32, look: impl FnOnce(&Page<'_>) -> R) -> Result<R, StoreError> {
        let name = run_name(self.meta.number);
        let at = PAGE * (1 + u64::from(page));
        // Not through the mapping, where a sector that the disk does not give back ends the process: the node does
        // not depend on the index.
        let mut bytes = [0; PAGE_BYTES];
        self.file.read(at, &mut bytes).map_err(|error| StoreError::io("read", &name, error))?;
        let (checksum, covered) = bytes.split_at(8);
        if xxh3_64_with_seed(covered, seed(self.meta.number, page)).to_le_bytes() != checksum {
            return Err(StoreError::corrupt(name, at, "a page of the index has a wrong checksum"));
        }
        let page = Page::parse(&bytes)
            .filter(|page| !page.entries.is_empty())
            .ok_or_else(|| StoreError::corrupt(name, at, "a page of the index does not parse"))?;
        Ok(look(&page))
    }

    /// Tells whether the first key of a page is below `key`.
    fn begins_below(&self, page: u32, key: &[u8]) -> Result<bool, StoreError> {
        let wanted = fence_of(key);
        let fence = usize::try_from(page).ok().and_then(|page| self.fences.get(page));
        if let Some(known) = fence.and_then(OnceLock::get)
            && *known != wanted
        {
            return Ok(*known < wanted);
        }
        self.with_page(page, |found| {
            let Some((first, _)) = found.entries.first() else { return false };
            if let Some(fence) = fence {
                fence.get_or_init(|| fence_of(first));
            }
            *first < key
        })
    }

    /// Returns the number of the first page whose first key is not below `key`.
    fn first_page_from(&self, key: &[u8]) -> Result<u32, StoreError> {
        let (mut low, mut high) = (0, self.meta.pages);
        while low < high {
            let middle = low + (high - low) / 2;
            let below = self.begins_below(middle, key)?;
            if below { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// Appends entries with `from <= key < to`, in order, until `out` has `limit`.
    pub(super) fn collect(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        limit: usize,
        out: &mut Vec<Pair>,
    ) -> Result<(), StoreError> {
        let mut take = |page: &Page<'_>| {
            let inside = |(key, _): &&(&[u8], &[u8])| from <= *key && *key < to;
            let copy = |(key, value): &(&[u8], &[u8])| ((*key).into(), (*value).into());
            let room = limit.saturating_sub(out.len());
            match order {
                Order::OldestFirst => {
                    out.extend(page.entries.iter().filter(inside).take(room).map(copy));
                }
                Order::NewestFirst => {
                    out.extend(page.entries.iter().rev().filter(inside).take(room).map(copy));
                }
            }
            out.len() >= limit
        };
        // The page before the first one that begins inside may end inside.
        let first = self.first_page_from(from)?.saturating_sub(1);
        let end = self.first_page_from(to)?;
        match order {
            Order::OldestFirst => {
                for page in first..end {
                    if self.with_page(page, &mut take)? {
                        break;
                    }
                }
            }
            Order::NewestFirst => {
                for page in (first..end).rev() {
                    if self.with_page(page, &mut take)? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Compares every page with its checksum, and the order of all keys.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let name = run_name(self.meta.number);
        let mut gap = [0u8; PAGE_BYTES - HEAD_BYTES as usize]; // 4,032
        self.file
            .read(HEAD_BYTES, &mut gap)
            .map_err(|error| StoreError::io("read", &name, error))?;
        if gap.iter().any(|byte| *byte != 0) {
            let what = "something stands where nothing should";
            return Err(StoreError::corrupt(name, HEAD_BYTES, what));
        }
        let mut last: Option<Vec<u8>> = None;
        for page in 0..self.meta.pages {
            let in_order = self.with_page(page, |page| {
                page.entries.iter().all(|(key, _)| {
                    let follows = last.as_deref().is_none_or(|last| last < *key);
                    last = Some(key.to_vec());
                    follows
                })
            })?;
            if !in_order {
                return Err(StoreError::corrupt(name, 0, "keys of the index are out of order"));
            }
        }
        Ok(())
    }
}

/// Fills pages.
struct PageWriter {
    run: u32,
    /// Pages that were ended.
    done: u32,
    page: Vec<u8>,
    count: u16,
    ready: Vec<u8>,
}

impl PageWriter {
    fn push(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let (key_len, value_len) = (u8::try_from(key.len()).ok()?, u8::try_from(value.len()).ok()?);
        let len = 2 + key.len() + value.len(); // at most 512
        if PAGE_HEAD + self.page.len() + len > PAGE_BYTES {
            self.end_page();
        }
        self.page.extend_from_slice(&[key_len, value_len]);
        self.page.extend_from_slice(key);
        self.page.extend_from_slice(value);
        self.count += 1; // a page has fewer than 2,048 entries
        Some(())
    }

    fn end_page(&mut self) {
        if self.count == 0 {
            return;
        }
        let mut covered = Vec::with_capacity(PAGE_BYTES);
        covered.extend_from_slice(&self.count.to_le_bytes());
        covered.append(&mut self.page);
        covered.resize(PAGE_BYTES - 8, 0);
        let checksum = xxh3_64_with_seed(&covered, seed(self.run, self.done));
        self.ready.extend_from_slice(&checksum.to_le_bytes());
        self.ready.extend_from_slice(&covered);
        self.done = self.done.saturating_add(1);
        self.count = 0;
    }
}

/// Steps through all entries of a run.
pub(super) struct RunCursor<D: Disk> {
    run: Arc<Run<D>>,
    page: u32,
    ready: std::vec::IntoIter<Pair>,
}

impl<D: Disk> RunCursor<D> {
    pub(super) fn new(run: Arc<Run<D>>) -> Self {
        Self { run, page: 0, ready: Vec::new().into_iter() }
    }

    /// Returns the next entry without taking it.
    pub(super) fn peek(&mut self) -> Result<Option<&Pair>, StoreError> {
        if self.ready.len() == 0 && self.page < self.run.meta.pages {
            let pairs: Vec<Pair> = self.run.with_page(self.page, |page| {
                page.entries.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
            })?;
            self.ready = pairs.into_iter();
            self.page += 1;
        }
        Ok(self.ready.as_slice().first())
    }

    pub(super) fn next(&mut self) -> Option<Pair> {
        self.ready.next()
    }
}
