//! Brings this layer's files to the tip of the log when a store is opened.

use std::collections::BTreeSet;
use std::sync::Arc;

use mvs_primitives::hash::BlockHash;
use mvs_primitives::height::Height;

use super::aux::Aux;
use super::{Chain, HASH_TABLE, HASHES, Options};
use crate::backing::Disk;
use crate::block_info::BlockInfo;
use crate::blocks::{Blocks, Position};
use crate::chain_view::{ChainView, Files, Tip, payload_of_height};
use crate::engine::{self, BodyRef, EngineError, Recovery, ReplayedBlock, Table, Touched};
use crate::error::StoreError;
use crate::extra::Extra;
use crate::heights::Heights;
use crate::registry::Registry;

/// Hears what the log holds beyond the last checkpoint.
///
/// Entries of heights are not read before the end: those of blocks that were undone after the
/// checkpoint may have been overwritten.
pub(super) struct Replay<D: Disk> {
    disk: D,
    network: u32,
    undo_horizon: u32,
    blocks: Blocks<D>,
    /// Block files that the replayed blocks lie in.
    touched: BTreeSet<u32>,
    registry: Registry,
    aux: Option<Aux>,
    /// How many blocks of the checkpoint's chain are still on it: their entries are in the file.
    kept: u32,
    /// The blocks above them.
    applied: Vec<BlockInfo>,
    final_count: u32,
    position: Position,
    error: Option<StoreError>,
}

impl<D: Disk> Replay<D> {
    pub(super) fn new(disk: D, options: &Options) -> Self {
        let network = options.engine.network_id;
        Self {
            blocks: Blocks::new(disk.clone(), network, options.block_file_bytes),
            disk,
            network,
            undo_horizon: options.engine.undo_horizon,
            touched: BTreeSet::new(),
            registry: Registry::new(),
            aux: None,
            kept: 0,
            applied: Vec::new(),
            final_count: 0,
            position: Position::START,
            error: None,
        }
    }

    /// Returns what went wrong here, if it was here.
    pub(super) const fn take_error(&mut self) -> Option<StoreError> {
        self.error.take()
    }

    /// Keeps an error of this layer, and gives the engine one of its own in its place.
    fn keep(&mut self, error: StoreError) -> EngineError {
        if let StoreError::Engine(error) = error {
            return error;
        }
        self.error = Some(error);
        StoreError::BatchFailed.into_engine()
    }

    fn start(&mut self, tip: Option<engine::Tip>, aux: &[u8]) -> Result<(), StoreError> {
        if aux.is_empty() {
            return Ok(()); // made, but not yet handed out
        }
        let (aux, registry) = Aux::from_disk(aux)?;
        self.final_count = aux.final_count;
        self.position = aux.position;
        self.kept = tip.map_or(0, |tip| tip.height.saturating_add(1));
        self.registry = registry;
        self.aux = Some(aux);
        Ok(())
    }

    fn blocks_now(&self) -> u32 {
        // The chain's heights have 32 bits, so have the replayed ones.
        self.kept.saturating_add(u32::try_from(self.applied.len()).unwrap_or(u32::MAX))
    }

    fn apply(&mut self, block: &ReplayedBlock<'_>) -> Result<(), StoreError> {
        let height = Height::new(block.height);
        let disagree = |what| StoreError::Disagree { height, what };
        let Extra { mut info, delta } = Extra::from_disk(block.extra, height)?;
        let tip = block.tip.ok_or(disagree("a block was applied, but there is no tip"))?;
        if block.height != self.blocks_now()
            || *info.hash.as_bytes() != block.hash
            || info.place != block.body
        {
            return Err(disagree("the log's record is of another block"));
        }
        self.registry.redo(&delta).map_err(|_| disagree("the registry does not fit the log"))?;
        if self.registry.digest() != info.registry_digest {
            return Err(disagree("the registry's digest is not that of the log"));
        }
        info.coins = tip.coins;
        info.coin_digest = tip.digest;
        self.position = self.position.max(Position::after(&info.place));
        self.applied.push(info);
        Ok(())
    }

    fn undo(&mut self, block: &ReplayedBlock<'_>) -> Result<(), StoreError> {
        let height = Height::new(block.height);
        let disagree = |what| StoreError::Disagree { height, what };
        if block.height.checked_add(1) != Some(self.blocks_now()) {
            return Err(disagree("the log undoes a block that is not the tip"));
        }
        let Extra { delta, .. } = Extra::from_disk(block.extra, height)?;
        self.registry.undo(&delta).map_err(|_| disagree("the registry does not fit the log"))?;
        if self.applied.pop().is_none() {
            self.kept = self.kept.saturating_sub(1);
        }
        Ok(())
    }

    /// Brings the files to the tip that the engine found. `floor` is the greatest height that it can no
    /// longer undo.
    pub(super) fn finish(
        self,
        tip: Option<engine::Tip>,
        floor: Option<u32>,
        created: bool,
    ) -> Result<Chain<D>, StoreError> {
        let is_new = created || self.aux.is_none();
        let heights = Heights::open(&self.disk, self.network, is_new)?;
        let io = |error| StoreError::io("create", HASHES, error);
        let (hash_key, hashes) = match &self.aux {
            Some(aux) => {
                let salt = salt(&aux.hash_key);
                let table = Table::open(&self.disk, HASHES, HASH_TABLE, salt, &aux.hashes)?;
                (aux.hash_key, table)
            }
            None => {
                let key = self.disk.random().map_err(io)?;
                self.disk.create_folder(HASHES).map_err(io)?;
                (key, Table::create(&self.disk, HASHES, HASH_TABLE, salt(&key))?)
            }
        };
        let was_final = self.aux.as_ref().map_or(0, |aux| aux.final_count);
        // As it was told in the log: the horizon may have been another, and counts once for each commit.
        let now_final = self.final_count.max(floor.map_or(0, |floor| floor.saturating_add(1)));
        let total = self.blocks_now();
        let files = Arc::new(Files::new(Arc::new(heights), self.blocks, hashes, hash_key));
        files.blocks.remove_after(self.position)?;

        let mut view = ChainView::new(Arc::clone(&files), self.registry, now_final);
        // The entries of the log first: they make the file right again.
        if let Some(last) = self.applied.last() {
            files.heights.reserve(last.height)?;
        }
        for info in &self.applied {
            files.heights.write(info)?;
        }
        let mut finished: Vec<(BlockHash, u32)> = Vec::new();
        let mut applied = self.applied.into_iter();
        for number in was_final.min(self.kept)..total {
            let height = Height::new(number);
            let info = if number < self.kept {
                files.heights.read(height)?
            } else {
                match applied.next() {
                    Some(info) => info,
                    None => break,
                }
            };
            let follows = view.tip.is_none_or(|tip| tip.hash == info.header.previous);
            if !follows {
                let what = "an entry does not build on the one before it";
                return Err(StoreError::Disagree { height, what });
            }
            if number < now_final {
                if number >= was_final {
                    finished.push((info.hash, number));
                }
                view.tip = Some(Tip::from(&info));
            } else {
                view.push(info);
            }
        }
        let mut touched: Vec<Touched> = finished
            .iter()
            .map(|(hash, height)| Touched {
                hash: files.hash_of(hash),
                payload: payload_of_height(*height),
                present: true,
            })
            .collect();
        files.hashes.replay(&mut touched)?;
        // A tip right at the floor is in no window.
        if view.tip.is_none() && total > 0 {
            let info = files.heights.read(Height::new(total.saturating_sub(1)))?;
            view.tip = Some(Tip::from(&info));
        }
        check_tip(&view, tip)?;
        Ok(Chain {
            view,
            position: self.position,
            undo_horizon: self.undo_horizon,
            index_writer: None,
            index_lost: None,
            pending_tables: None,
        })
    }
}

/// The salt of a table's lines.
fn salt(key: &[u8; 16]) -> u64 {
    crate::chain_view::keyed_hash(key, b"lines")
}

/// Demands that this layer and the engine ended at the same tip.
fn check_tip<D: Disk>(view: &ChainView<D>, tip: Option<engine::Tip>) -> Result<(), StoreError> {
    let height = tip.map_or(Height::GENESIS, |tip| Height::new(tip.height));
    let disagree = |what| Err(StoreError::Disagree { height, what });
    match (view.tip, tip) {
        (None, None) => Ok(()),
        (Some(ours), Some(theirs)) => {
            if ours.height.value() != theirs.height || *ours.hash.as_bytes() != theirs.hash {
                disagree("the last entry is of another block than the log's tip")
            } else if ours.coin_digest != theirs.digest || ours.coins != theirs.coins {
                disagree("the last entry's coins are not those of the log")
            } else if ours.registry_digest != view.registry.digest() {
                disagree("the last entry's registry digest is not that of the registry")
            } else {
                Ok(())
            }
        }
        _ => disagree("only one of log and entries holds a block"),
    }
}

impl<D: Disk> Recovery for Replay<D> {
    fn body_is_intact(&mut self, body: &BodyRef) -> Result<bool, EngineError> {
        let is_intact = self.blocks.is_intact(body).map_err(|error| self.keep(error))?;
        if is_intact {
            self.touched.insert(body.file);
        }
        Ok(is_intact)
    }

    fn sync_bodies(&mut self, last: &[BodyRef]) -> Result<(), EngineError> {
        for body in last {
            self.blocks.rewrite(body).map_err(|error| self.keep(error))?;
        }
        // A process that died may have left these blocks in memory alone.
        let synced = self.touched.iter().try_for_each(|number| self.blocks.sync(*number));
        synced.map_err(|error| self.keep(error))
    }

    fn checkpoint(&mut self, tip: Option<engine::Tip>, aux: &[u8]) -> Result<(), EngineError> {
        self.start(tip, aux).map_err(|error| self.keep(error))
    }

    fn applied(&mut self, block: &ReplayedBlock<'_>) -> Result<(), EngineError> {
        self.apply(block).map_err(|error| self.keep(error))
    }

    fn undone(&mut self, block: &ReplayedBlock<'_>) -> Result<(), EngineError> {
        self.undo(block).map_err(|error| self.keep(error))
    }
}
