//! Light caches, each generated once: vectors of one epoch tend to come together.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use mvs_pow::{Backend, Epoch, LightCache, keccak256};

/// What the caches that are kept may have together.
const KEPT_BYTES: u64 = 512 << 20;

/// A vector cannot make the checker take more than this for one cache: epoch 8,000 or so. Nobody
/// living will see that block.
const MAX_CACHE_BYTES: u64 = 1 << 30;

/// What is compared of a cache that one code path has generated.
#[derive(Debug, Clone)]
pub(super) struct Built {
    pub(super) keccak256: [u8; 32],
    pub(super) first: Vec<u8>,
    pub(super) last: Vec<u8>,
}

/// The least recently used first.
static KEPT: Mutex<Vec<LightCache>> = Mutex::new(Vec::new());
static BUILT: Mutex<Option<HashMap<(Epoch, Backend), Built>>> = Mutex::new(None);

/// Returns the cache of an epoch, generated on the fastest code path.
pub(super) fn get(epoch: Epoch) -> Result<LightCache, String> {
    check_size(epoch)?;
    // The lock is held while a cache is generated: who waits for it most likely wants the same one.
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let cache = match kept.iter().position(|cache| cache.epoch() == epoch) {
        Some(position) => kept.remove(position),
        None => LightCache::build(epoch).map_err(|error| error.to_string())?,
    };
    kept.push(cache.clone());
    let bytes = |kept: &[LightCache]| kept.iter().map(|c| c.epoch().cache_bytes()).sum::<u64>();
    while kept.len() > 1 && bytes(&kept) > KEPT_BYTES {
        kept.remove(0);
    }
    Ok(cache)
}

/// Returns what a code path generates as the cache of an epoch.
pub(super) fn built(epoch: Epoch, backend: Backend) -> Result<Built, String> {
    check_size(epoch)?;
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let built = built.get_or_insert_default();
    if let Some(known) = built.get(&(epoch, backend)) {
        return Ok(known.clone());
    }
    let cache = LightCache::build_many_on(backend, &[epoch]).map_err(|error| error.to_string())?;
    let cache = cache.first().ok_or("no cache")?.as_bytes();
    let result = Built {
        keccak256: keccak256(cache),
        first: cache.first_chunk::<64>().ok_or("an empty cache")?.to_vec(),
        last: cache.last_chunk::<64>().ok_or("an empty cache")?.to_vec(),
    };
    built.insert((epoch, backend), result.clone());
    Ok(result)
}

fn check_size(epoch: Epoch) -> Result<(), String> {
    let bytes = epoch.cache_bytes();
    if bytes > MAX_CACHE_BYTES {
        return Err(format!("the cache of epoch {epoch} has {bytes} bytes, too many to check"));
    }
    Ok(())
}
