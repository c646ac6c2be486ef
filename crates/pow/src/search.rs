//! The search for nonces whose final hash is low enough.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::backend::Isa;
use crate::hash::{Attempt, BATCH, Seal, finish, light_mixes, seeds};
use crate::node::{Mix, Node};
use crate::{Backend, Dataset, LightCache, threads};

/// Light hashes that the portable path computes between two looks at the cancel flag: 10 ms or so.
const PORTABLE_BATCH: usize = 8;

/// What to search for, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Job {
    /// The hash of the header without its seal (spec `chain.md` section 1.3).
    pub seal_hash: [u8; 32],
    /// The largest final hash wanted, big-endian; see [`crate::boundary`].
    pub boundary: [u8; 32],
    /// The first nonce to try.
    pub start: u64,
    /// How many nonces to try. After the largest nonce comes 0.
    pub count: u64,
}

/// How to search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Threads to start. One, or zero, is the caller's own.
    pub threads: usize,
    /// Whether each thread is kept on one processor. Then none is the caller's own.
    pub pinned: bool,
    /// Ends the search once this many nonces are found: 1 for a miner of blocks, many for a miner
    /// of pool shares.
    pub max_found: usize,
}

impl Default for Effort {
    /// The caller's thread, until the first nonce is found.
    fn default() -> Self {
        Self { threads: 1, pinned: false, max_found: 1 }
    }
}

/// A nonce that is good, with its hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Found {
    /// The nonce.
    pub nonce: u64,
    /// The mix hash for the header, and the final hash.
    pub seal: Seal,
}

/// What a search came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The good nonces, in the order of the range. When the search ended early there may be a few
    /// more of them than asked for, and good nonces among the untried ones.
    pub found: Vec<Found>,
    /// How many nonces were tried.
    pub tried: u64,
}

/// Searches with the full dataset. Looks at the cancel flag about every millisecond or more often.
pub fn search(dataset: &Dataset, job: &Job, effort: &Effort, cancel: &AtomicBool) -> Outcome {
    run(dataset.isa(), BATCH, &|seeds| dataset.mixes(seeds), job, effort, cancel)
}

/// Searches with the light cache alone: a hundred times slower, but there is no dataset to build.
/// For difficulties so small that a few thousand tries do. Looks at the cancel flag every 10 ms or
/// more often.
pub fn search_light(
    cache: &LightCache,
    job: &Job,
    effort: &Effort,
    cancel: &AtomicBool,
) -> Outcome {
    let batch = if cache.backend() == Backend::Portable { PORTABLE_BATCH } else { BATCH };
    run(cache.isa(), batch, &|seeds| light_mixes(cache, seeds), job, effort, cancel)
}

fn run(
    isa: Isa,
    batch: usize,
    mixes: &(dyn Fn(&[Node]) -> Vec<Mix> + Sync),
    job: &Job,
    effort: &Effort,
    cancel: &AtomicBool,
) -> Outcome {
    // Offsets from the start: the first that no thread has taken yet.
    let next = Mutex::new(0u64);
    let take = || {
        let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
        let first = *next;
        let length = (batch as u64).min(job.count - first);
        *next += length;
        (length > 0).then_some((first, length))
    };
    let found = Mutex::new(Vec::new());
    let (found_count, tried) = (AtomicUsize::new(0), AtomicU64::new(0));
    let ended = || {
        cancel.load(Ordering::Relaxed) || found_count.load(Ordering::Relaxed) >= effort.max_found
    };
    threads::run("pow-search", effort.threads, effort.pinned, || {
        while !ended() {
            let Some((first, length)) = take() else { break };
            let attempts: Vec<_> = (first..first + length)
                .map(|i| Attempt { seal_hash: job.seal_hash, nonce: job.start.wrapping_add(i) })
                .collect();
            let seeds = seeds(isa, &attempts);
            let seals = finish(isa, &seeds, &mixes(&seeds));
            tried.fetch_add(length, Ordering::Relaxed);
            for (seal, attempt) in seals.into_iter().zip(attempts) {
                if seal.final_hash <= job.boundary {
                    found_count.fetch_add(1, Ordering::Relaxed);
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    found.push(Found { nonce: attempt.nonce, seal });
                }
            }
        }
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|found| found.nonce.wrapping_sub(job.start));
    Outcome { found, tried: tried.into_inner() }
}

#[cfg(test)]
mod tests;
