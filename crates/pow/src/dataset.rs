//! The full dataset of an epoch: every page computed once, for miners.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::backend::Isa;
use crate::epoch::PAGE_BYTES;
use crate::hash::{Attempt, BATCH, Seal, finish, seeds};
use crate::node::{Mix, Node, Page, Table};
use crate::pages::NodeBuf;
use crate::{Backend, Epoch, LightCache, PowError, threads};

mod dir;
mod file;
#[cfg(test)]
mod tests;

pub use dir::{DatasetDir, Residence};

/// Pages that a thread computes at a time: the grain of progress and of cancelling, a few
/// milliseconds (40 on the portable path).
const GRAIN_PAGES: usize = 1024;

/// How a long piece of work runs, tells how far it is, and is stopped.
#[derive(Clone, Copy)]
pub struct Build<'a> {
    /// Threads to start. One, or zero, is the caller's own.
    pub threads: usize,
    /// Called from any of the threads with the units done and the units in all (pages when
    /// building, bytes when checking or writing a file). Must be quick.
    pub progress: &'a (dyn Fn(u64, u64) + Sync),
    /// Set it from anywhere to give up; the work ends with [`PowError::Cancelled`].
    pub cancel: &'a AtomicBool,
}

impl Build<'static> {
    /// On this many threads, unobserved, never cancelled.
    pub fn on_threads(threads: usize) -> Self {
        static NEVER: AtomicBool = AtomicBool::new(false);
        Self { threads, progress: &|_, _| (), cancel: &NEVER }
    }
}

impl Build<'_> {
    pub(crate) fn check_cancel(&self) -> Result<(), PowError> {
        if self.cancel.load(Ordering::Relaxed) { Err(PowError::Cancelled) } else { Ok(()) }
    }
}

/// The dataset of one epoch, and the code path that searches it.
///
/// Clones share the memory.
#[derive(Clone, Debug)]
pub struct Dataset {
    epoch: Epoch,
    isa: Isa,
    nodes: Arc<NodeBuf>,
}

impl Dataset {
    /// Computes all pages from the epoch's cache, on the cache's code path.
    ///
    /// # Errors
    /// [`PowError::OutOfMemory`], [`PowError::Cancelled`].
    pub fn build(cache: &LightCache, build: &Build<'_>) -> Result<Self, PowError> {
        Self::build_prefix(cache, cache.epoch().dataset_items(), build)
    }

    /// Computes the first so many pages.
    pub(crate) fn build_prefix(
        cache: &LightCache,
        pages: u32,
        build: &Build<'_>,
    ) -> Result<Self, PowError> {
        let mut nodes = NodeBuf::zeroed(2 * pages as usize)?;
        let done = AtomicU64::new(0);
        // The first nodes of the grains, and the grains, handed to whichever thread comes next.
        let firsts = (0..2 * pages).step_by(2 * GRAIN_PAGES);
        let grains = Mutex::new(firsts.zip(nodes.nodes_mut().chunks_mut(2 * GRAIN_PAGES)));
        threads::run("pow-dataset", build.threads, false, || {
            let mut indices = Vec::with_capacity(2 * GRAIN_PAGES);
            while build.check_cancel().is_ok() {
                let next = grains.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((first, grain)) = next else { break };
                indices.clear();
                indices.extend((first..).take(grain.len()));
                cache.isa().dataset_nodes(cache.table(), &indices, grain);
                let computed = grain.len() as u64 / 2;
                let done = done.fetch_add(computed, Ordering::Relaxed) + computed;
                (build.progress)(done, u64::from(pages));
            }
        });
        if done.into_inner() < u64::from(pages) {
            return Err(PowError::Cancelled);
        }
        Ok(Self { epoch: cache.epoch(), isa: cache.isa(), nodes: Arc::new(nodes) })
    }

    /// The same dataset, searched by another code path.
    ///
    /// # Errors
    /// [`PowError::BackendUnavailable`].
    pub fn on(&self, backend: Backend) -> Result<Self, PowError> {
        Ok(Self { isa: Isa::new(backend)?, ..self.clone() })
    }

    /// The epoch it belongs to.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The code path that searches it.
    pub fn backend(&self) -> Backend {
        self.isa.backend()
    }

    /// All pages in their wire form.
    pub fn as_bytes(&self) -> &[u8] {
        self.nodes.bytes()
    }

    /// Number of pages.
    pub fn page_count(&self) -> u32 {
        self.table().reducer().divisor
    }

    /// A page, if it lies within the dataset.
    pub fn page(&self, page: u32) -> Option<[u8; PAGE_BYTES]> {
        let pages: &[[u8; PAGE_BYTES]] = self.as_bytes().as_chunks().0;
        pages.get(page as usize).copied()
    }

    /// Computes some pages again, the first and the last among them, and compares. The salt decides
    /// which: one that differs from time to time finds in the end what any single check may miss.
    ///
    /// # Errors
    /// [`PowError::WrongPage`], or [`PowError::WrongEpoch`] when the cache is of another epoch.
    pub fn self_check(&self, cache: &LightCache, samples: u32, salt: u64) -> Result<(), PowError> {
        check_epoch(cache.epoch(), self.epoch)?;
        let last = self.page_count() - 1;
        let mut state = salt;
        let spread = (0..samples).map(|_| {
            // A step of SplitMix64; the high half, scaled, is a page.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            self.table().reducer().reduce((z >> 32) as u32)
        });
        let pages: Vec<u32> = [0, last].into_iter().chain(spread).collect();
        for pages in pages.chunks(GRAIN_PAGES) {
            let computed = cache.dataset_pages(pages)?;
            let wrong =
                pages.iter().zip(computed).find(|(page, right)| self.page(**page) != Some(*right));
            if let Some((&page, _)) = wrong {
                return Err(PowError::WrongPage { page });
            }
        }
        Ok(())
    }

    pub(crate) fn isa(&self) -> Isa {
        self.isa
    }

    fn table(&self) -> Table<'_, Page> {
        Table::new(self.nodes.nodes().as_chunks().0)
    }

    /// Runs the accesses of a batch of hashes.
    pub(crate) fn mixes(&self, seeds: &[Node]) -> Vec<Mix> {
        let mut mixes = vec![[0; 32]; seeds.len()];
        self.isa.full_mixes(self.table(), seeds, &mut mixes);
        mixes
    }
}

/// One hash from the full dataset. [`hashimoto_full_many`] is ten times as fast per hash.
pub fn hashimoto_full(dataset: &Dataset, attempt: &Attempt) -> Seal {
    hashimoto_full_many(dataset, &[*attempt])[0]
}

/// Hashes from the full dataset, 32 side by side.
pub fn hashimoto_full_many(dataset: &Dataset, attempts: &[Attempt]) -> Vec<Seal> {
    let mut seals = Vec::with_capacity(attempts.len());
    for batch in attempts.chunks(BATCH) {
        let seeds = seeds(dataset.isa(), batch);
        seals.extend(finish(dataset.isa(), &seeds, &dataset.mixes(&seeds)));
    }
    seals
}

pub(crate) fn check_epoch(found: Epoch, required: Epoch) -> Result<(), PowError> {
    if found == required {
        return Ok(());
    }
    Err(PowError::WrongEpoch { found: found.number(), required: required.number() })
}
