//! The stores, each durable by its own means.
//!
//! All keep the same: coins by their 36-byte key, the tip, and for the last blocks what undoes them. All
//! check the same: a spent coin is there, a created one is not.

use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;

use crate::coin_store::CoinStore;
use crate::ram::RamStore;

mod fjall;
mod lmdb;
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;
mod undo;

/// Blocks below the tip that can be undone.
pub const UNDO_HORIZON: u32 = 1_000;

/// A store to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The project's store.
    Ours,
    /// LMDB, through `heed`.
    Lmdb,
    /// RocksDB, the system's library.
    Rocksdb,
    /// fjall.
    Fjall,
    /// redb.
    Redb,
    /// A `HashMap` in memory: not durable.
    Ram,
}

impl Kind {
    /// All that this program was built with.
    pub const fn built() -> &'static [Self] {
        if cfg!(feature = "rocksdb") {
            &[Self::Ours, Self::Lmdb, Self::Rocksdb, Self::Fjall, Self::Redb, Self::Ram]
        } else {
            &[Self::Ours, Self::Lmdb, Self::Fjall, Self::Redb, Self::Ram]
        }
    }

    /// The name in output lines and folders.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Lmdb => "lmdb",
            Self::Rocksdb => "rocksdb",
            Self::Fjall => "fjall",
            Self::Redb => "redb",
            Self::Ram => "ram",
        }
    }

    /// Whether what is committed survives the process.
    pub const fn is_durable(self) -> bool {
        !matches!(self, Self::Ram)
    }

    /// Opens or creates the store in a folder. `cache_bytes` is for those that keep a cache of
    /// their own beside the system's.
    pub fn open(self, dir: &Path, cache_bytes: usize) -> Result<Box<dyn CoinStore>> {
        Ok(match self {
            Self::Ours => crate::engine_store::open(dir, UNDO_HORIZON)?,
            Self::Lmdb => Box::new(lmdb::Store::open(dir)?),
            #[cfg(feature = "rocksdb")]
            Self::Rocksdb => Box::new(rocksdb::Store::open(dir, cache_bytes)?),
            #[cfg(not(feature = "rocksdb"))]
            Self::Rocksdb => anyhow::bail!("built without RocksDB: give cargo --features rocksdb"),
            Self::Fjall => Box::new(fjall::Store::open(dir, cache_bytes)?),
            Self::Redb => Box::new(redb::Store::open(dir, cache_bytes)?),
            Self::Ram => Box::new(RamStore::new(usize::try_from(UNDO_HORIZON)?)),
        })
    }
}
