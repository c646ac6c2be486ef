//! Ethash, the proof of work of this chain (revision 23): epochs, the light cache, the full dataset,
//! verification of one and of many seals, and the search for new ones.
//!
//! It knows hashes, nonces and heights, but no headers, blocks or networks, and reads no clock.
//! Threads are started only where a thread count is asked for: dataset build and search.
//!
//! ```text
//! Epoch ──▶ LightCache ──▶ verify, verify_many, search_light      (a cache: 16 MiB and more)
//!               │
//!               └────────▶ Dataset ──▶ search                     (a dataset: 1 GiB and more)
//! ```
//!
//! Start reading at `verify.rs`, then `hash.rs`, then `portable.rs`: the whole algorithm in plain
//! Rust. `avx2.rs` and `avx512.rs` do the same with SIMD, chosen at run time; see [`Backend`].

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod backend;
mod cache;
mod cache_set;
mod dataset;
mod epoch;
mod error;
mod hash;
mod keccak;
#[cfg(target_arch = "x86_64")]
mod kernels;
mod node;
mod pages;
mod portable;
mod search;
mod sponge;
mod threads;
mod verify;

pub use backend::Backend;
pub use cache::LightCache;
pub use cache_set::CacheSet;
pub use dataset::{Build, Dataset, DatasetDir, Residence, hashimoto_full, hashimoto_full_many};
pub use epoch::{EPOCH_LENGTH, Epoch, NODE_BYTES, PAGE_BYTES};
pub use error::PowError;
pub use hash::{Attempt, Seal, Trace, hashimoto_light, hashimoto_light_many, trace_light};
pub use keccak::{keccak256, keccak512};
pub use search::{Effort, Found, Job, Outcome, search, search_light};
pub use verify::{Work, boundary, quick_check, verify, verify_many};
