//! The chain at one tip, apart from its coins: blocks by height and hash, and the registry.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mvs_consensus::header_view::HeaderInfo;
use mvs_primitives::difficulty::Work;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::header::BlockVersion;
use mvs_primitives::height::Height;
use rpds::{HashTrieMapSync, RedBlackTreeMapSync};
use siphasher::sip::SipHasher13;

use crate::backing::Disk;
use crate::block_info::{BlockInfo, version_slot};
use crate::blocks::Blocks;
use crate::engine::{CoinDigest, EngineError, Table};
use crate::error::StoreError;
use crate::heights::Heights;
use crate::index::IndexView;
use crate::registry::Registry;

/// The block in which a chain ends, and what is true after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: BlockHash,
    /// Sum of the difficulties from the genesis block on.
    pub work: Work,
    /// How many coins there are.
    pub coins: u64,
    /// Digest of the coins.
    pub coin_digest: CoinDigest,
    /// Digest of the registry.
    pub registry_digest: u128,
}

impl From<&BlockInfo> for Tip {
    fn from(info: &BlockInfo) -> Self {
        Self {
            height: info.height,
            hash: info.hash,
            work: info.work,
            coins: info.coins,
            coin_digest: info.coin_digest,
            registry_digest: info.registry_digest,
        }
    }
}

/// The files of this layer, shared by the writer and all snapshots.
pub(crate) struct Files<D: Disk> {
    pub(crate) heights: Arc<Heights<D::File>>,
    pub(crate) blocks: Blocks<D>,
    /// Hash to height, of the blocks that can no longer be undone. A payload is the height plus one.
    pub(crate) hashes: Table<D>,
    pub(crate) hash_key: [u8; 16],
    /// A write failed: nothing is written any more.
    write_failed: AtomicBool,
}

impl<D: Disk> Files<D> {
    pub(crate) const fn new(
        heights: Arc<Heights<D::File>>,
        blocks: Blocks<D>,
        hashes: Table<D>,
        hash_key: [u8; 16],
    ) -> Self {
        Self { heights, blocks, hashes, hash_key, write_failed: AtomicBool::new(false) }
    }

    pub(crate) fn hash_of(&self, hash: &BlockHash) -> u64 {
        keyed_hash(&self.hash_key, hash.as_bytes())
    }

    /// Ends writing if the disk failed or what it holds is damaged; a full disk and a block that
    /// does not fit end nothing.
    pub(crate) fn note(&self, error: StoreError) -> StoreError {
        let is_ours = match &error {
            StoreError::Engine(engine) => {
                matches!(engine, EngineError::Io { .. } | EngineError::Corrupt { .. })
            }
            StoreError::Coin(_) | StoreError::Registry(_) | StoreError::Disagree { .. } => true,
            _ => false,
        };
        if is_ours {
            self.write_failed.store(true, Ordering::Release);
        }
        error
    }

    /// Demands that nothing has failed before.
    pub(crate) fn check_writable(&self) -> Result<(), StoreError> {
        if self.write_failed.load(Ordering::Acquire) {
            return Err(EngineError::Poisoned.into());
        }
        Ok(())
    }
}

/// Hashes with a key of the store's own, so that nobody can make names that collide.
pub(crate) fn keyed_hash(key: &[u8; 16], bytes: &[u8]) -> u64 {
    SipHasher13::new_with_key(key).hash(bytes)
}

/// The chain at one tip, coins apart. A clone costs nothing and stays as it is.
///
/// Blocks that can still be undone are in memory; the files answer for those below.
pub(crate) struct ChainView<D: Disk> {
    pub(crate) files: Arc<Files<D>>,
    pub(crate) registry: Registry,
    /// Transactions and addresses, if they are kept.
    pub(crate) index: Option<IndexView<D>>,
    /// `None` only before the genesis block is applied.
    pub(crate) tip: Option<Tip>,
    /// The blocks at heights from `final_count` to the tip.
    recent: RedBlackTreeMapSync<u32, BlockInfo>,
    recent_hashes: HashTrieMapSync<BlockHash, Height>,
    /// How many blocks can no longer be undone.
    final_count: u32,
}

impl<D: Disk> Clone for ChainView<D> {
    fn clone(&self) -> Self {
        Self {
            files: Arc::clone(&self.files),
            registry: self.registry.clone(),
            index: self.index.clone(),
            tip: self.tip,
            recent: self.recent.clone(),
            recent_hashes: self.recent_hashes.clone(),
            final_count: self.final_count,
        }
    }
}

impl<D: Disk> ChainView<D> {
    /// Starts with a number of blocks that cannot be undone; the recent ones are pushed.
    pub(crate) fn new(files: Arc<Files<D>>, registry: Registry, final_count: u32) -> Self {
        Self {
            files,
            registry,
            index: None,
            tip: None,
            recent: RedBlackTreeMapSync::new_sync(),
            recent_hashes: HashTrieMapSync::new_sync(),
            final_count,
        }
    }

    pub(crate) const fn final_count(&self) -> u32 {
        self.final_count
    }

    /// Returns how many blocks are held in memory.
    pub(crate) fn recent_count(&self) -> usize {
        self.recent.size()
    }

    /// Appends a block.
    pub(crate) fn push(&mut self, info: BlockInfo) {
        self.tip = Some(Tip::from(&info));
        self.recent_hashes.insert_mut(info.hash, info.height);
        self.recent.insert_mut(info.height.value(), info);
    }

    /// Takes the tip away.
    pub(crate) fn pop(&mut self) -> Result<(), StoreError> {
        let tip = self.tip.ok_or(StoreError::NoParent)?;
        let parent = tip.height.previous().ok_or(StoreError::NoParent)?;
        if tip.height.value() < self.final_count {
            return Err(EngineError::BeyondHorizon.into());
        }
        let parent = self.with_info(parent, |info| Tip::from(info))?.ok_or(StoreError::NoParent)?;
        self.recent.remove_mut(&tip.height.value());
        self.recent_hashes.remove_mut(&tip.hash);
        self.tip = Some(parent);
        Ok(())
    }

    /// Lets go of the lowest block in memory, which can no longer be undone.
    pub(crate) fn finish_lowest(&mut self) {
        if let Some(info) = self.recent.get(&self.final_count) {
            self.recent_hashes.remove_mut(&info.hash);
            self.recent.remove_mut(&self.final_count);
        }
        self.final_count = self.final_count.saturating_add(1);
    }

    /// Returns what `look` sees in the block at a height; `None` above the tip.
    pub(crate) fn with_info<R>(
        &self,
        height: Height,
        look: impl FnOnce(&BlockInfo) -> R,
    ) -> Result<Option<R>, StoreError> {
        if self.tip.is_none_or(|tip| height > tip.height) {
            return Ok(None);
        }
        match self.recent.get(&height.value()) {
            Some(info) => Ok(Some(look(info))),
            None => self.files.heights.read(height).map(|info| Some(look(&info))),
        }
    }

    /// Returns the height of a block of this chain.
    pub(crate) fn height_of(&self, hash: &BlockHash) -> Result<Option<Height>, StoreError> {
        if let Some(height) = self.recent_hashes.get(hash) {
            return Ok(Some(*height));
        }
        let found = self.files.hashes.find(self.files.hash_of(hash), |payload| {
            let Some(height) = height_of_payload(payload) else { return Ok(false) };
            match self.with_info(height, |info| info.hash == *hash) {
                Ok(is_it) => Ok(is_it.unwrap_or(false)),
                Err(StoreError::Engine(error)) => Err(error),
                Err(_) => Err(EngineError::Corrupt {
                    file: crate::heights::FILE.into(),
                    offset: 0,
                    what: "an entry cannot be read",
                }),
            }
        })?;
        Ok(found.and_then(height_of_payload))
    }

    /// Reads the bytes of the block at a height.
    pub(crate) fn block(&self, height: Height) -> Result<Option<Vec<u8>>, StoreError> {
        let Some((hash, place)) = self.with_info(height, |info| (info.hash, info.place))? else {
            return Ok(None);
        };
        let (head, bytes) = self.files.blocks.read(&place)?;
        if head.height != height || head.hash != hash {
            return Err(StoreError::Disagree { height, what: "another block's bytes" });
        }
        Ok(Some(bytes))
    }

    /// For header rules.
    pub(crate) fn header_at(&self, height: Height) -> Result<Option<HeaderInfo>, StoreError> {
        self.with_info(height, BlockInfo::header_info)
    }

    /// For header rules: from the entries, without walking.
    pub(crate) fn last_of_version(
        &self,
        version: BlockVersion,
        highest: Height,
        lowest: Height,
    ) -> Result<Option<(Height, HeaderInfo)>, StoreError> {
        let Some(tip) = self.tip.filter(|_| version_slot(version).is_some()) else {
            return Ok(None);
        };
        let found = self.with_info(tip.height.min(highest), |info| info.last_of(version))?;
        let Some(found) = found.flatten().filter(|found| *found >= lowest) else {
            return Ok(None);
        };
        Ok(self.header_at(found)?.map(|header| (found, header)))
    }
}

/// Returns the payload that stands for a height.
pub(crate) fn payload_of_height(height: u32) -> u64 {
    u64::from(height) + 1
}

fn height_of_payload(payload: u64) -> Option<Height> {
    payload.checked_sub(1).and_then(|height| u32::try_from(height).ok()).map(Height::new)
}

/// Answers questions about headers from the [`ChainView`] in the field `view`, by name and as
/// [`HeaderView`](mvs_consensus::header_view::HeaderView).
macro_rules! answer_from_chain_view {
    ($target:ty) => {
        impl<D: Disk> $target {
            /// Returns the header at a height; `None` above the tip.
            ///
            /// # Errors
            /// [`StoreError`] when it cannot be read.
            pub fn header(&self, height: Height) -> Result<Option<Header>, StoreError> {
                self.view.with_info(height, |info| info.header.clone())
            }

            /// Returns the hash of the block at a height; `None` above the tip.
            ///
            /// # Errors
            /// [`StoreError`] when it cannot be read.
            pub fn hash(&self, height: Height) -> Result<Option<BlockHash>, StoreError> {
                self.view.with_info(height, |info| info.hash)
            }

            /// Returns the height of a block; `None` when the chain does not hold it.
            ///
            /// # Errors
            /// [`StoreError`] when it cannot be read.
            pub fn height_of(&self, hash: &BlockHash) -> Result<Option<Height>, StoreError> {
                self.view.height_of(hash)
            }
        }

        impl<D: Disk> HeaderView for $target {
            fn header_at(&self, height: Height) -> Result<Option<HeaderInfo>, Fault> {
                Ok(self.view.header_at(height)?)
            }

            fn last_of_version(
                &self,
                version: BlockVersion,
                highest: Height,
                lowest: Height,
            ) -> Result<Option<(Height, HeaderInfo)>, Fault> {
                Ok(self.view.last_of_version(version, highest, lowest)?)
            }
        }
    };
}

pub(crate) use answer_from_chain_view;
