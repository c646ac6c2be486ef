//! The connected chain: what is on disk and judged in full.

use mvs_consensus::error::Fault;
use mvs_consensus::header_view::HeaderView;
use mvs_primitives::difficulty::Work;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::header::Header;
use mvs_primitives::height::Height;
use mvs_store::Snapshot;
use mvs_store::backing::Disk;

/// The last block of the connected chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrunkTip {
    /// Its hash.
    pub hash: BlockHash,
    /// Its height.
    pub height: Height,
    /// Summed difficulty from the genesis block on, both included.
    pub work: Work,
}

/// Reads the connected chain at one moment.
///
/// `Ok(None)` means "not on the connected chain"; what cannot be read is a [`Fault`].
pub trait Trunk: HeaderView {
    /// Returns the last block.
    fn tip(&self) -> TrunkTip;

    /// Returns the hash of the block at a height.
    ///
    /// # Errors
    /// [`Fault`] when the disk cannot be read.
    fn hash_at(&self, height: Height) -> Result<Option<BlockHash>, Fault>;

    /// Returns the height of a block.
    ///
    /// # Errors
    /// [`Fault`] when the disk cannot be read.
    fn height_of(&self, hash: &BlockHash) -> Result<Option<Height>, Fault>;

    /// Returns the whole header at a height.
    ///
    /// # Errors
    /// [`Fault`] when the disk cannot be read.
    fn full_header(&self, height: Height) -> Result<Option<Header>, Fault>;

    /// Returns the summed difficulty up to a height, that block included.
    ///
    /// # Errors
    /// [`Fault`] when the disk cannot be read.
    fn work_at(&self, height: Height) -> Result<Option<Work>, Fault>;
}

impl<D: Disk> Trunk for Snapshot<D> {
    fn tip(&self) -> TrunkTip {
        let tip = Self::tip(self);
        TrunkTip { hash: tip.hash, height: tip.height, work: tip.work }
    }

    fn hash_at(&self, height: Height) -> Result<Option<BlockHash>, Fault> {
        Ok(self.hash(height)?)
    }

    fn height_of(&self, hash: &BlockHash) -> Result<Option<Height>, Fault> {
        Ok(Self::height_of(self, hash)?)
    }

    fn full_header(&self, height: Height) -> Result<Option<Header>, Fault> {
        Ok(self.header(height)?)
    }

    fn work_at(&self, height: Height) -> Result<Option<Work>, Fault> {
        Ok(self.info(height)?.map(|info| info.work))
    }
}
