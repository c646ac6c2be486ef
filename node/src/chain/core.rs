//! Connects blocks: the only part that writes to the store.
//!
//! It is told headers and bodies and moves to the heaviest branch whose blocks are there. Whoever
//! drives it (the owner thread, an import) feeds it and hears what happened; it knows no peers beyond
//! their numbers, no pool and no clock.

mod connect;
mod error;
mod outcome;

use std::sync::Arc;
use std::time::Duration;

use mvs_consensus::block::connect_genesis;
use mvs_consensus::checkpoint::Vouched;
use mvs_consensus::params::Params;
use mvs_consensus::script::SigCache;
use mvs_pow::{CacheSet, Epoch};
use mvs_primitives::height::Height;
use mvs_store::backing::Disk;
use mvs_store::{IndexProgress, OpenReport, Options, Snapshot, Store, Tip};

pub use error::ChainError;
pub use outcome::{InvalidBlock, Moved, Step};

use super::bodies::Bodies;
use super::index::{BlockIndex, Limits};
use super::verify::VerifyPool;

/// What rules and threads the core works with; shared by all parts of the node.
#[derive(Debug, Clone)]
pub struct Tools {
    /// The network.
    pub params: Arc<Params>,
    /// Ethash caches.
    pub caches: Arc<CacheSet>,
    /// Signatures that were verified before.
    pub signatures: Arc<SigCache>,
    /// Threads that verify.
    pub pool: Arc<VerifyPool>,
}

impl Tools {
    /// Has the ethash cache of a height made on some thread, so that it is there when seals are to be
    /// verified: it takes a third of a second or more, and nothing can be verified before.
    pub fn prepare_seals(&self, height: Height) {
        let Ok(epoch) = Epoch::of_block(height.value().into()) else { return };
        let caches = Arc::clone(&self.caches);
        self.pool.spawn(move || {
            // Whoever verifies meets the failure again, and reports it.
            let _ = caches.prepare(&[epoch]);
        });
    }
}

/// How much one [`ChainCore::advance`] does before it makes it durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// Most blocks of a plain extension.
    pub blocks: usize,
    /// After this time a plain extension is committed.
    pub time: Duration,
    /// Most bytes of blocks, on the wire, in a plain extension.
    pub bytes: usize,
}

impl Slice {
    /// While far behind: one sync of the disk for many blocks. Half as many as listeners may be behind.
    pub const BULK: Self = Self { blocks: 256, time: Duration::from_millis(250), bytes: 16 << 20 };
    /// At the tip: each block by itself.
    pub const TIP: Self = Self { blocks: 1, time: Duration::from_secs(60), bytes: usize::MAX };
}

/// Headers beyond a checkpoint for which there is room.
const CHECKPOINT_ROOM: u32 = 2_000;

/// The chain, its unconnected headers and the blocks that wait.
pub struct ChainCore<D: Disk> {
    tools: Tools,
    store: Store<D>,
    /// The connected chain, as of the last commit.
    trunk: Snapshot<D>,
    /// Headers that are not connected.
    pub index: BlockIndex,
    /// Blocks that wait to be connected.
    pub bodies: Bodies,
    vouched: Vouched,
    /// Whether anything changed since nothing could be connected.
    is_dirty: bool,
}

impl<D: Disk> ChainCore<D> {
    /// Opens the store in a folder, or makes one.
    ///
    /// # Errors
    /// [`ChainError`] when the network's genesis block is unusable, or the store does not open.
    pub fn open(
        disk: D,
        options: Options,
        tools: Tools,
        limits: Limits,
    ) -> Result<(Self, OpenReport), ChainError> {
        let genesis = connect_genesis(&tools.params)?;
        let (store, report) = Store::open(disk, options, &genesis)?;
        Ok((Self::with_store(store, tools, limits), report))
    }

    /// Takes over an open store.
    pub fn with_store(store: Store<D>, tools: Tools, limits: Limits) -> Self {
        let trunk = store.snapshot();
        let mut core = Self {
            tools,
            store,
            trunk,
            index: BlockIndex::new(limits),
            bodies: Bodies::default(),
            vouched: Vouched::nothing(),
            is_dirty: true,
        };
        core.make_room_to_checkpoint();
        core
    }

    /// Headers up to the next checkpoint must fit, or no block below it could ever be connected.
    fn make_room_to_checkpoint(&mut self) {
        if let Some(checkpoint) = self.next_checkpoint() {
            let ahead = checkpoint.blocks_since(self.tip().height).saturating_add(CHECKPOINT_ROOM);
            self.index.make_room_ahead(usize::try_from(ahead).unwrap_or(usize::MAX));
        }
    }

    /// Returns rules and threads.
    pub const fn tools(&self) -> &Tools {
        &self.tools
    }

    /// Returns the network.
    pub fn params(&self) -> &Params {
        &self.tools.params
    }

    /// Returns the connected chain as of the last commit.
    pub const fn trunk(&self) -> &Snapshot<D> {
        &self.trunk
    }

    /// Returns the tip as of the last commit.
    pub fn tip(&self) -> Tip {
        self.trunk.tip()
    }

    /// Returns the store.
    pub const fn store(&self) -> &Store<D> {
        &self.store
    }

    /// Builds the index of transactions and addresses, or goes on with it; from then on it is kept.
    /// `progress` may interrupt by answering `false`.
    ///
    /// # Errors
    /// [`ChainError`] when it was interrupted, or the disk's.
    pub fn build_index(
        &mut self,
        progress: &mut dyn FnMut(IndexProgress) -> bool,
    ) -> Result<(), ChainError> {
        let built = self.store.build_index(progress);
        self.trunk = self.store.snapshot();
        Ok(built?)
    }

    /// Returns index and trunk, to change the one while reading the other.
    pub const fn index_and_trunk(&mut self) -> (&mut BlockIndex, &Snapshot<D>, &Tools) {
        (&mut self.index, &self.trunk, &self.tools)
    }

    /// Notes that headers or bodies came: [`ChainCore::advance`] looks again.
    pub const fn touch(&mut self) {
        self.is_dirty = true;
    }

    /// Tells whether [`ChainCore::advance`] may find something to do.
    pub const fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// Returns the lowest checkpoint above the tip: blocks up to it are connected only when their
    /// headers lead to it (chain.md 6.8).
    pub fn next_checkpoint(&self) -> Option<Height> {
        let tip = self.tip().height;
        let mut heights = self.params().checkpoints.iter().map(|known| known.height);
        heights.find(|height| *height > tip)
    }

    /// Closes the store.
    ///
    /// # Errors
    /// [`ChainError`]; the store is then as after a crash, which is whole.
    pub fn close(self) -> Result<(), ChainError> {
        Ok(self.store.close()?)
    }

    /// Returns the open store, without its index.
    pub fn into_store(self) -> Store<D> {
        self.store
    }
}

impl<D: Disk> std::fmt::Debug for ChainCore<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChainCore").field("tip", &self.tip()).finish_non_exhaustive()
    }
}
