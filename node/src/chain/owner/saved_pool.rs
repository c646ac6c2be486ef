//! The pool from one run to the next. What was saved returns in small parts, so that blocks and peers are
//! not held up by it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mvs_consensus::script::CacheUse;

use super::Owner;
use crate::chain::core::ChainError;
use crate::mempool::{Origin, Saved, load};

/// The most of a pool file that is read.
const POOL_FILE_BYTES: u64 = 256 << 20;
/// How long saved transactions are verified between two looks at commands.
const PART: Duration = Duration::from_millis(20);

/// What was saved and has not been offered to the pool again.
#[derive(Debug, Default)]
pub(super) struct SavedPool {
    pub(super) left: VecDeque<Saved>,
    entered: usize,
}

impl SavedPool {
    pub(super) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }
}

impl Owner {
    /// Reads the saved pool; it is verified in parts.
    pub(super) fn load_pool(&mut self) -> Result<(), ChainError> {
        // The pool must know the tip before anything enters.
        self.update_pool(&[], &[])?;
        let Some(path) = self.config.pool_file.clone() else { return Ok(()) };
        let genesis = self.params().genesis.header.hash();
        let loaded = match load(&path, &genesis, POOL_FILE_BYTES) {
            Ok(loaded) => loaded,
            Err(error) => {
                tracing::warn!(target: "chain", %error, "the saved pool is not read");
                return Ok(());
            }
        };
        for warning in &loaded.warnings {
            tracing::warn!(target: "chain", %warning, path = %path.display(),
                "the saved pool is damaged");
        }
        self.saved_pool = SavedPool { left: loaded.transactions.into(), entered: 0 };
        Ok(())
    }

    /// Offers the next part of what was saved to the pool.
    pub(super) fn load_more_of_pool(&mut self) -> Result<(), ChainError> {
        self.load_part(PART)
    }

    /// Offers what was saved for so long; one transaction at least.
    pub(super) fn load_part(&mut self, time: Duration) -> Result<(), ChainError> {
        if self.saved_pool.is_empty() {
            return Ok(());
        }
        let start = Instant::now();
        let policy = self.mempool.config().policy.clone();
        let signatures = Arc::clone(&self.core.tools().signatures);
        while let Some(saved) = self.saved_pool.left.pop_front() {
            if let Ok(staged) = self.mempool.stage(saved.tx, Origin::Local) {
                let staged = staged.seen_at(saved.first_seen_secs);
                let cache = CacheUse::ReadWrite(&signatures);
                let verdict = self.with_tip(|tip| staged.verify(tip, &policy, cache))?;
                let has_entered = self.admit(verdict)?.is_ok();
                self.saved_pool.entered += usize::from(has_entered);
            }
            if start.elapsed() >= time {
                break;
            }
        }
        if self.saved_pool.is_empty() {
            let entered = self.saved_pool.entered;
            tracing::info!(target: "chain", entered, "pool loaded");
        }
        Ok(())
    }

    pub(super) fn save_pool(&self) {
        let Some(path) = &self.config.pool_file else { return };
        let genesis = self.params().genesis.header.hash();
        // What was not offered again yet is saved as it was.
        let left: Vec<&Saved> = self.saved_pool.left.iter().collect();
        match self.mempool.save_with(path, &genesis, &left) {
            Ok(count) => tracing::info!(target: "chain", count, "pool saved"),
            Err(error) => tracing::warn!(target: "chain", %error, "the pool is not saved"),
        }
    }
}
