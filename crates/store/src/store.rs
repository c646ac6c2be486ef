//! The store: one writer, any number of snapshots.

mod aux;
mod indexing;
mod recovery;

use std::sync::Arc;
use std::time::{Duration, Instant};

use mvs_consensus::block::ConnectedBlock;
use mvs_primitives::height::Height;

use self::aux::Aux;
pub use self::indexing::IndexProgress;
pub(crate) use self::indexing::entries_of_connected;
use self::recovery::Replay;
use crate::backing::Disk;
use crate::batch::Batch;
use crate::blocks::{self, Position};
use crate::chain_view::{ChainView, Tip, payload_of_height};
use crate::engine::{self, Damaged, Engine, EngineError, SyncJob, TableOptions, TableState};
use crate::error::StoreError;
use crate::index::IndexWriter;
use crate::snapshot::Snapshot;

/// Sub-folder of the table from hash to height.
pub(crate) const HASHES: &str = "hashes";

/// Shape of that table: small at first, doubled in pieces.
pub(crate) const HASH_TABLE: TableOptions =
    TableOptions { shard_bits: 4, first_line_bits: 2, load_percent: 75 };

/// How a [`Store`] is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Network, undo horizon, and the sizes of log and index.
    pub engine: engine::Options,
    /// Length in bytes at which a file of blocks is full.
    pub block_file_bytes: u32,
}

impl Options {
    /// Returns the options of a node: blocks can be undone down to `undo_horizon` below the tip.
    pub fn new(network_id: u32, undo_horizon: u32) -> Self {
        let engine = engine::Options { network_id, undo_horizon, ..engine::Options::default() };
        Self { engine, block_file_bytes: 64 << 20 }
    }
}

/// What opening found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenReport {
    /// The store was made just now.
    pub created: bool,
    /// It was closed cleanly before, so nothing had to be replayed.
    pub clean: bool,
    /// Commits that were replayed from the log.
    pub replayed_commits: u64,
    /// Bytes of the log that were replayed.
    pub replayed_bytes: u64,
    /// An index of transactions and addresses was kept, and is damaged: the store has opened without it, see
    /// [`Store::index_lost`].
    pub index_lost: bool,
    /// How long it took.
    pub took: Duration,
    /// The tip.
    pub tip: Tip,
}

/// What the writer knows beside the engine.
pub(crate) struct Chain<D: Disk> {
    pub(crate) view: ChainView<D>,
    pub(crate) position: Position,
    undo_horizon: u32,
    pub(crate) index_writer: Option<IndexWriter<D>>,
    /// Why the optional index was let go.
    pub(crate) index_lost: Option<String>,
    /// Tables of the checkpoint that is being made: their older files go when it is durable.
    pending_tables: Option<(u64, TableState)>,
}

impl<D: Disk> Chain<D> {
    /// Takes over what a batch made durable. Its blocks at heights from `lowest` on are new.
    pub(crate) fn adopt(
        &mut self,
        view: ChainView<D>,
        position: Position,
        lowest: Height,
    ) -> Result<(), StoreError> {
        self.view = view;
        self.position = position;
        let files = Arc::clone(&self.view.files);
        self.write_entries(lowest).map_err(|error| files.note(error.after_the_fact()))?;
        self.follow_index(false);
        Ok(())
    }

    /// Writes the entries of heights from `lowest` on, then lets go of what has become final.
    fn write_entries(&mut self, lowest: Height) -> Result<(), StoreError> {
        let Some(tip) = self.view.tip else { return Ok(()) };
        let files = Arc::clone(&self.view.files);
        for height in lowest.value()..=tip.height.value() {
            let height = Height::new(height);
            self.view.with_info(height, |info| files.heights.write(info))?.transpose_ok()?;
        }
        let blocks = tip.height.value().saturating_add(1);
        self.finish_until(blocks.saturating_sub(self.undo_horizon))
    }

    /// Takes the space that blocks of a view need in the table when they become final.
    pub(crate) fn reserve_final(&self, view: &ChainView<D>) -> Result<(), StoreError> {
        let blocks = view.tip.map_or(0, |tip| tip.height.value().saturating_add(1));
        let mut more = vec![0u32; view.files.hashes.shard_count()];
        for height in view.final_count()..blocks.saturating_sub(self.undo_horizon) {
            let hash =
                view.with_info(Height::new(height), |info| view.files.hash_of(&info.hash))?;
            let shard = hash.map_or(0, |hash| hash >> (64 - u32::from(HASH_TABLE.shard_bits)));
            if let Some(count) = usize::try_from(shard).ok().and_then(|shard| more.get_mut(shard)) {
                *count = count.saturating_add(1);
            }
        }
        Ok(view.files.hashes.reserve(&more)?)
    }

    /// Makes blocks final until `count` of them are.
    pub(crate) fn finish_until(&mut self, count: u32) -> Result<(), StoreError> {
        let files = Arc::clone(&self.view.files);
        while self.view.final_count() < count {
            let height = self.view.final_count();
            if let Some(hash) = self.view.with_info(Height::new(height), |info| info.hash)? {
                files.hashes.insert(files.hash_of(&hash), payload_of_height(height))?;
            }
            self.view.finish_lowest();
        }
        Ok(())
    }

    fn aux(&self) -> (Vec<u8>, TableState) {
        let files = &self.view.files;
        let tables = files.hashes.state();
        let aux = Aux {
            hash_key: files.hash_key,
            final_count: self.view.final_count(),
            position: self.position,
            hashes: tables.clone(),
        };
        (aux.to_disk(&self.view.registry), tables)
    }

    fn sync_job(&self) -> SyncJob {
        let files = Arc::clone(&self.view.files);
        let hashes = files.hashes.sync_job();
        let heights = Arc::clone(&files.heights);
        Box::new(move || {
            heights.sync().map_err(StoreError::into_engine)?;
            hashes()
        })
    }
}

/// Refuses a folder with block files but no checkpoint: a store made there would write over the blocks
/// from which the chain can be put together again.
fn refuse_lost_log<D: Disk>(disk: &D) -> Result<(), StoreError> {
    let list = |folder: &str| disk.list(folder).map_err(|e| StoreError::io("list", folder, e));
    if list("")?.iter().any(|name| name.starts_with("head-")) || list(blocks::FOLDER)?.is_empty() {
        return Ok(());
    }
    Err(EngineError::NotAStore("block files without a checkpoint").into())
}

/// `Option<Result<(), E>>` to `Result<(), E>`.
trait TransposeOk<E> {
    fn transpose_ok(self) -> Result<(), E>;
}

impl<E> TransposeOk<E> for Option<Result<(), E>> {
    fn transpose_ok(self) -> Result<(), E> {
        self.unwrap_or(Ok(()))
    }
}

/// The chain on disk. One for each folder; it is the only writer.
pub struct Store<D: Disk> {
    pub(crate) engine: Engine<D>,
    pub(crate) chain: Chain<D>,
    pub(crate) disk: D,
    pub(crate) options: Options,
}

impl<D: Disk> Store<D> {
    /// Opens the store in a folder, or makes one in an empty folder, with this genesis block. It is brought
    /// to the last commit that is whole.
    ///
    /// # Errors
    /// In use by somebody else, unknown format, another network or genesis block, no space, damage,
    /// or the disk's.
    pub fn open(
        disk: D,
        options: Options,
        genesis: &ConnectedBlock,
    ) -> Result<(Self, OpenReport), StoreError> {
        Self::open_with(disk, options, genesis, None)
    }

    /// Opens; builds a part of the engine's tables anew, if one is named, instead of reading it.
    pub(crate) fn open_with(
        disk: D,
        options: Options,
        genesis: &ConnectedBlock,
        damaged: Option<Damaged>,
    ) -> Result<(Self, OpenReport), StoreError> {
        let start = Instant::now();
        refuse_lost_log(&disk)?;
        let mut replay = Replay::new(disk.clone(), &options);
        let (folder, engine) = (disk.clone(), options.engine.clone());
        let opened = match damaged {
            None => Engine::open(folder, engine, &mut replay),
            Some(part) => Engine::open_rebuilding(folder, engine, part, &mut replay),
        };
        let (engine, opened) = match opened {
            Ok(opened) => opened,
            // What this layer found says more than what the engine made of it.
            Err(error) => return Err(replay.take_error().unwrap_or(error.into())),
        };
        let mut chain = replay.finish(engine.tip(), engine.undo_floor(), opened.created)?;
        chain.open_index(&disk, options.engine.network_id);
        let mut store = Self { engine, chain, disk, options };
        let expected = genesis.block().header().hash();
        let found = store.chain.view.with_info(Height::GENESIS, |info| info.hash)?;
        match found {
            Some(found) if found != expected => {
                return Err(StoreError::OtherGenesis { found, expected });
            }
            Some(_) => {}
            None => {
                let mut batch = store.batch()?;
                batch.apply(genesis)?;
                batch.commit()?;
                store.checkpoint()?;
            }
        }
        let report = OpenReport {
            created: opened.created,
            clean: opened.clean,
            replayed_commits: opened.batches,
            replayed_bytes: opened.replayed_bytes,
            index_lost: store.index_lost().is_some(),
            took: start.elapsed(),
            tip: store.tip(),
        };
        Ok((store, report))
    }

    /// Returns the tip, which is durable.
    ///
    /// # Panics
    /// Never: opening puts the genesis block in.
    pub fn tip(&self) -> Tip {
        self.chain.view.tip.expect("opening puts the genesis block in")
    }

    /// Returns the options that the store was opened with.
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// Returns the lowest height whose block can still be undone. It never falls.
    pub fn undo_floor(&self) -> Height {
        Height::new(self.chain.view.final_count().max(1))
    }

    /// Starts a batch, after a checkpoint if one is due.
    ///
    /// # Errors
    /// [`StoreError`] when an earlier failure ended writing.
    pub fn batch(&mut self) -> Result<Batch<'_, D>, StoreError> {
        self.chain.view.files.check_writable()?;
        if self.engine.checkpoint_due() {
            self.checkpoint()?;
        }
        self.drop_old_tables()?;
        Ok(Batch::new(self.engine.batch()?, &mut self.chain))
    }

    /// Returns the chain as it is now, for readers.
    pub fn snapshot(&self) -> Snapshot<D> {
        Snapshot::new(self.engine.snapshot(), self.chain.view.clone())
    }

    /// Starts a checkpoint: from its tip on, opening replays. One is made by itself when it is due.
    ///
    /// # Errors
    /// [`StoreError`] when an earlier failure ended writing, or the disk's.
    pub fn checkpoint(&mut self) -> Result<(), StoreError> {
        self.chain.view.files.check_writable()?;
        // The one under way must not be taken for the one that starts here.
        let before = self.engine.finish_checkpoint()?;
        self.drop_old_tables()?;
        let (aux, tables) = self.chain.aux();
        self.engine.checkpoint(aux, self.chain.sync_job())?;
        self.chain.pending_tables = Some((before, tables));
        self.drop_old_tables()
    }

    /// Removes files of the table that no checkpoint needs any more.
    fn drop_old_tables(&mut self) -> Result<(), StoreError> {
        if let Some((before, tables)) = self.chain.pending_tables.take() {
            if self.engine.poll_checkpoint()? > before {
                self.chain.view.files.hashes.remove_obsolete(&tables)?;
            } else {
                self.chain.pending_tables = Some((before, tables));
            }
        }
        Ok(())
    }

    /// Makes a last checkpoint and lets the folder go: the next opening has nothing to replay.
    ///
    /// # Errors
    /// [`StoreError`]; the store is then as after a crash, which is whole.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.chain.view.files.check_writable()?;
        self.chain.follow_index(true);
        let (aux, _) = self.chain.aux();
        let job = self.chain.sync_job();
        Ok(self.engine.close(aux, job)?)
    }
}
