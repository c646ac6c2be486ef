//! Writes runs, merges them, and remembers which ones count.

use std::sync::Arc;

use mvs_primitives::hash::BlockHash;

use super::run::{Run, RunCursor, RunMeta, run_name};
use super::view::IndexView;
use super::{FOLDER, manifest};
use crate::backing::{Backing, Disk};
use crate::error::StoreError;
use crate::file_head::{FileHead, HEAD_BYTES};

/// A run is written when this much is in memory, ...
const FLUSH_BYTES: usize = 4 << 20;
/// ... or this many blocks are.
const FLUSH_BLOCKS: usize = 1_000;

/// A file that is there when the index is damaged and must be built anew.
const LOST: &str = "lost";

/// Runs of like size that are merged into one.
const MERGE_RUNS: usize = 8;
/// Runs of this many pages are not merged any more: 256 MiB.
const MERGE_PAGES_MAX: u32 = 65_536;

/// Writes the index of one store.
pub(crate) struct IndexWriter<D: Disk> {
    disk: D,
    network: u32,
    generation: u64,
    next_number: u32,
}

impl<D: Disk> IndexWriter<D> {
    /// Opens the index in a store's folder; `None` when none is kept. Runs that are not those of the
    /// chain, of which `hash_at` tells the hashes, are dropped, with all above them.
    ///
    /// # Errors
    /// [`StoreError::IndexLost`]; damage to the manifests; what `hash_at` answers; the disk's.
    pub(crate) fn open(
        disk: &D,
        network: u32,
        hash_at: &mut dyn FnMut(u32) -> Result<Option<BlockHash>, StoreError>,
    ) -> Result<Option<(Self, IndexView<D>)>, StoreError> {
        if names(disk)?.iter().any(|name| name == LOST) {
            return Err(StoreError::IndexLost { reason: "found at an earlier opening".into() });
        }
        let Some((generation, metas)) = manifest::read(disk, network)? else { return Ok(None) };
        let mut runs = Vec::new();
        let mut next = 0;
        let mut next_number = 0;
        for meta in &metas {
            next_number = next_number.max(meta.number.saturating_add(1));
        }
        for meta in metas {
            if meta.first != next || meta.last < meta.first {
                break;
            }
            if hash_at(meta.last)? != Some(meta.last_hash) {
                break;
            }
            // What cannot be opened is made again.
            let Ok(run) = Run::open(disk, network, meta) else { break };
            next = meta.last.saturating_add(1);
            runs.push(Arc::new(run));
        }
        let writer = Self { disk: disk.clone(), network, generation, next_number };
        let view = IndexView::new(runs);
        writer.remove_others(&view)?;
        Ok(Some((writer, view)))
    }

    /// Starts an index in a store's folder, in place of what is left of another.
    pub(crate) fn create(disk: &D, network: u32) -> Result<(Self, IndexView<D>), StoreError> {
        Self::remove(disk)?;
        disk.create_folder(FOLDER).map_err(|error| StoreError::io("create", FOLDER, error))?;
        disk.sync_folder("").map_err(|error| StoreError::io("sync", FOLDER, error))?;
        let mut writer = Self { disk: disk.clone(), network, generation: 0, next_number: 0 };
        let view = IndexView::new(Vec::new());
        writer.write_manifest(&view)?;
        Ok((writer, view))
    }

    /// Removes the index in a store's folder, if there is one.
    pub(crate) fn remove(disk: &D) -> Result<(), StoreError> {
        let mut names = names(disk)?;
        if names.is_empty() {
            return Ok(());
        }
        // The manifests first: without one there is no index. The mark last, when they are gone for good.
        names.sort_unstable_by_key(|name| (name == LOST, !name.starts_with("manifest")));
        let sync =
            || disk.sync_folder(FOLDER).map_err(|error| StoreError::io("sync", FOLDER, error));
        for name in names {
            if name == LOST {
                sync()?;
            }
            let name = format!("{FOLDER}/{name}");
            disk.remove(&name).map_err(|error| StoreError::io("remove", &name, error))?;
        }
        sync()
    }

    /// Lets the index go: it is damaged.
    pub(crate) fn lose(self) {
        Self::mark_lost(&self.disk, self.network);
    }

    /// Leaves a mark that the index in a store's folder is damaged.
    pub(crate) fn mark_lost(disk: &D, network: u32) {
        let name = format!("{FOLDER}/{LOST}");
        let head = FileHead { kind: *b"MVSIXLST", network, number: 0, record_bytes: 0 };
        let mark = || -> Result<(), StoreError> {
            let io = |error| StoreError::io("write", &name, error);
            let file = disk.create(&name, HEAD_BYTES).map_err(io)?;
            file.grow(HEAD_BYTES).map_err(io)?;
            head.write(&file, &name)?;
            file.sync().map_err(io)?;
            disk.sync_folder(FOLDER).map_err(io)
        };
        // Without the mark the next opening uses the index until it meets the damage itself.
        let _ = mark();
    }

    /// Removes runs that are not part of the index.
    fn remove_others(&self, view: &IndexView<D>) -> Result<(), StoreError> {
        for name in names(&self.disk)? {
            let Some(number) = name.strip_suffix(".run").and_then(|n| n.parse::<u32>().ok()) else {
                continue;
            };
            if view.runs.iter().all(|run| run.meta.number != number) {
                let name = run_name(number);
                self.disk.remove(&name).map_err(|error| StoreError::io("remove", &name, error))?;
            }
        }
        Ok(())
    }

    /// Demands that the manifest names the runs of a view.
    pub(crate) fn check(&self, view: &IndexView<D>) -> Result<(), StoreError> {
        let metas: Vec<RunMeta> = view.runs.iter().map(|run| run.meta).collect();
        manifest::check(&self.disk, self.network, self.generation, &metas)
    }

    fn write_manifest(&mut self, view: &IndexView<D>) -> Result<(), StoreError> {
        let metas: Vec<RunMeta> = view.runs.iter().map(|run| run.meta).collect();
        self.generation = self.generation.saturating_add(1);
        manifest::write(&self.disk, self.network, self.generation, &metas)
    }

    fn take_number(&mut self) -> u32 {
        let number = self.next_number;
        self.next_number = self.next_number.saturating_add(1);
        number
    }

    /// Writes what is in memory into a run if it is much, or if `all` asks for it, and merges runs of
    /// blocks below `final_count`.
    pub(crate) fn maintain(
        &mut self,
        view: &mut IndexView<D>,
        final_count: u32,
        all: bool,
    ) -> Result<(), StoreError> {
        let is_much = view.recent_bytes >= FLUSH_BYTES || view.recent.len() >= FLUSH_BLOCKS;
        if (is_much || all) && !view.recent.is_empty() {
            self.flush(view)?;
            while self.merge(view, final_count)? {}
        }
        Ok(())
    }

    fn flush(&mut self, view: &mut IndexView<D>) -> Result<(), StoreError> {
        let (Some(first), Some(last)) = (view.recent.first(), view.recent.last()) else {
            return Ok(());
        };
        let mut pairs: Vec<_> =
            view.recent.iter().flat_map(|block| block.pairs.iter().cloned()).collect();
        pairs.sort_unstable();
        let bytes: u64 = pairs.iter().map(|(k, v)| (k.len() + v.len() + 2) as u64).sum(); // widening
        let meta = RunMeta {
            number: self.next_number,
            pages: 0,
            first: first.height.value(),
            last: last.height.value(),
            last_hash: last.hash,
        };
        self.take_number();
        let pages_max = u32::try_from(bytes / 3_500 + 2).unwrap_or(u32::MAX);
        let mut pairs = pairs.into_iter();
        let run = Run::write(&self.disk, self.network, meta, &mut || Ok(pairs.next()), pages_max)?;
        let mut next = view.clone();
        Arc::make_mut(&mut next.runs).push(Arc::new(run));
        next.recent = rpds::VectorSync::new_sync();
        next.recent_bytes = 0;
        self.write_manifest(&next)?;
        *view = next;
        self.remove_others(view)
    }

    /// Merges the last runs of like size, if there are enough of them; whether it did.
    fn merge(&mut self, view: &mut IndexView<D>, final_count: u32) -> Result<bool, StoreError> {
        let Some(start) = to_merge(&view.runs, final_count) else { return Ok(false) };
        let Some(group) = view.runs.get(start..start + MERGE_RUNS) else { return Ok(false) };
        let (Some(first), Some(last)) = (group.first(), group.last()) else { return Ok(false) };
        let meta = RunMeta {
            number: self.next_number,
            pages: 0,
            first: first.meta.first,
            last: last.meta.last,
            last_hash: last.meta.last_hash,
        };
        let pages: u64 = group.iter().map(|run| u64::from(run.meta.pages)).sum();
        let pages_max = u32::try_from(pages + pages / 8 + 2).unwrap_or(u32::MAX);
        let mut cursors: Vec<RunCursor<D>> =
            group.iter().map(|run| RunCursor::new(Arc::clone(run))).collect();
        self.take_number();
        let mut next_pair = || -> Result<_, StoreError> {
            let mut least: Option<(usize, Box<[u8]>)> = None;
            for (index, cursor) in cursors.iter_mut().enumerate() {
                if let Some((key, _)) = cursor.peek()?
                    && least.as_ref().is_none_or(|(_, least)| key < least)
                {
                    least = Some((index, key.clone()));
                }
            }
            Ok(least.and_then(|(index, _)| cursors.get_mut(index)?.next()))
        };
        let run = Run::write(&self.disk, self.network, meta, &mut next_pair, pages_max)?;
        let mut next = view.clone();
        Arc::make_mut(&mut next.runs).splice(start..start + MERGE_RUNS, [Arc::new(run)]);
        self.write_manifest(&next)?;
        *view = next;
        self.remove_others(view)?;
        Ok(true)
    }
}

fn names<D: Disk>(disk: &D) -> Result<Vec<String>, StoreError> {
    disk.list(FOLDER).map_err(|error| StoreError::io("list", FOLDER, error))
}

/// Returns where a group of runs of one size class begins, all of blocks that cannot be undone.
fn to_merge<D: Disk>(runs: &[Arc<Run<D>>], final_count: u32) -> Option<usize> {
    let class = |run: &Arc<Run<D>>| run.meta.pages.max(1).ilog2() / 3; // a factor of eight
    (0..=runs.len().checked_sub(MERGE_RUNS)?).rev().find(|start| {
        runs.get(*start..*start + MERGE_RUNS).is_some_and(|group| {
            let largest = group.iter().map(class).max();
            group.iter().all(|run| {
                run.meta.last < final_count
                    && run.meta.pages < MERGE_PAGES_MAX
                    && largest.is_some_and(|largest| class(run) + 1 >= largest)
            })
        })
    })
}
