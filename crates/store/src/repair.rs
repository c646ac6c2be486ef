//! Puts a store together again from what is left of it.

use std::collections::HashMap;

use mvs_consensus::block::ConnectedBlock;
use mvs_primitives::difficulty::Work;
use mvs_primitives::encode::Decode;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::header::{HEADER_BYTES, Header};
use mvs_primitives::height::Height;

use crate::backing::Disk;
use crate::batch::Batch;
use crate::blocks::{Blocks, Passed, RecordHead, is_of_disk};
use crate::chain_view::Tip;
use crate::check::CheckProgress;
use crate::engine::{BodyRef, Damaged, EngineError};
use crate::error::StoreError;
use crate::store::{Options, Store};

/// Blocks that are made durable together.
const COMMIT_BLOCKS: usize = 100;

/// What a repair from the blocks did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairReport {
    /// Blocks whose bytes are whole, of all branches.
    pub found_blocks: u64,
    /// Blocks that were connected again.
    pub connected: u64,
    /// The tip now.
    pub tip: Tip,
    /// Why the next block was not connected, if there is one.
    pub stopped: Option<String>,
    /// Block files that were not looked at, and why: one line for each.
    pub skipped_files: Vec<String>,
    /// Reads of block files that the disk has refused; blocks that lie there are lost.
    pub unreadable: u64,
}

/// Runs the rules on a block: gets the state that the block builds on and its bytes in wire form, and
/// answers with the connected block or with what is wrong.
pub type Connect<'c, D> = dyn FnMut(&Batch<'_, D>, Vec<u8>) -> Result<ConnectedBlock, String> + 'c;

/// How far a repair has come, in blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepairProgress {
    /// Blocks done.
    pub done: u64,
    /// Blocks in all; 0 while they are still being looked for.
    pub total: u64,
}

/// A block found in the files.
struct Node {
    parent: Option<usize>,
    work: Work,
    place: BodyRef,
}

/// The part of the engine's tables that an error is about.
fn damaged_part(error: &StoreError) -> Option<Damaged> {
    match error {
        StoreError::Engine(EngineError::Corrupt { file, .. }) => match file.split('/').next() {
            Some("index") => Some(Damaged::Index),
            Some("live") => Some(Damaged::LiveMaps),
            _ => None,
        },
        _ => None,
    }
}

/// Whether an error is about the optional index, on which nothing depends.
fn is_of_index(error: &StoreError) -> bool {
    match error {
        StoreError::IndexLost { .. } => true,
        StoreError::Engine(EngineError::Corrupt { file, .. }) => file.starts_with("lookup/"),
        _ => false,
    }
}

impl<D: Disk> Store<D> {
    /// Checks the closed store in `disk` and, if its index or its live maps are damaged, builds that
    /// part anew from the other one and the log, which takes seconds where connecting the blocks
    /// again takes hours. `None` when nothing was wrong.
    ///
    /// `progress` may end it by answering `false`; the store is then no worse than before.
    ///
    /// # Errors
    /// Damage elsewhere, or to both: [`Store::rebuild_from_blocks`] is left. [`StoreError::IndexLost`] when only
    /// the optional index is damaged. Or the disk's.
    pub fn repair_tables(
        disk: &D,
        options: &Options,
        genesis: &ConnectedBlock,
        progress: &mut dyn FnMut(CheckProgress) -> bool,
    ) -> Result<Option<Damaged>, StoreError> {
        let mut found = Vec::new();
        match Self::open(disk.clone(), options.clone(), genesis) {
            Ok((store, _)) => {
                store.check(progress, &mut |error| found.push(error))?;
            }
            Err(error) => found.push(error),
        }
        let index = found.iter().position(is_of_index).map(|at| found.swap_remove(at));
        found.retain(|error| !is_of_index(error));
        if let (true, Some(error)) = (found.is_empty(), index) {
            return Err(StoreError::IndexLost { reason: error.to_string() });
        }
        let is_hit = |part| found.iter().any(|error| damaged_part(error) == Some(part));
        let part = match (is_hit(Damaged::Index), is_hit(Damaged::LiveMaps)) {
            (true, false) => Damaged::Index,
            (false, true) => Damaged::LiveMaps,
            _ => return found.into_iter().next().map_or(Ok(None), Err),
        };
        let (store, _) = Self::open_with(disk.clone(), options.clone(), genesis, Some(part))?;
        let mut left = None;
        // Not to be ended any more: until it is closed, that part of the files is not whole.
        store.check(&mut |_| true, &mut |error| {
            left = left.take().or(Some(error).filter(|error| !is_of_index(error)));
        })?;
        if let Some(error) = left {
            return Err(error);
        }
        store.close()?;
        Ok(Some(part))
    }

    /// Fills the store in `target` from the block files in `source`, whose log may be lost: the
    /// heaviest chain of whole blocks is put together, and `connect` runs the rules on each block
    /// again. An interrupted repair goes on where it stopped. Nothing in `source` is changed.
    ///
    /// `progress` may end the repair by answering `false`.
    ///
    /// Takes about 150 bytes of memory for each block.
    ///
    /// # Errors
    /// [`StoreError::Cancelled`], a store in use, or the disk's. A block that does not connect is no
    /// error: the chain below it stands.
    pub fn rebuild_from_blocks<S: Disk>(
        source: &S,
        target: D,
        options: Options,
        genesis: &ConnectedBlock,
        connect: &mut Connect<'_, D>,
        progress: &mut dyn FnMut(RepairProgress) -> bool,
    ) -> Result<(Self, RepairReport), StoreError> {
        let _lock = crate::engine::lock(source)?;
        let network = options.engine.network_id;
        let blocks = Blocks::new(source.clone(), network, options.block_file_bytes);
        let (mut store, _) = Self::open(target, options, genesis)?;
        let genesis_header = genesis.block().header();
        let (nodes, best, passed) =
            find_chain(&blocks, genesis_header.hash(), genesis_header.header(), progress)?;

        let mut report = RepairReport {
            found_blocks: nodes.len() as u64, // widening
            connected: 0,
            tip: store.tip(),
            stopped: None,
            skipped_files: passed.files,
            unreadable: passed.unreadable,
        };
        let path = path_to(&nodes, best);
        let total = path.len() as u64; // widening
        let done = usize::try_from(store.tip().height.value()).unwrap_or(usize::MAX);
        let mut rest = path.get(done..).unwrap_or_default();
        if done > 0 {
            let last = path.get(done - 1).and_then(|index| nodes.get(*index));
            let hash = last.map(|node| blocks.read(&node.place)).transpose()?;
            if hash.is_none_or(|(head, _)| head.hash != store.tip().hash) {
                let height = store.tip().height;
                return Err(StoreError::Disagree {
                    height,
                    what: "the target is on another chain",
                });
            }
        }
        while !rest.is_empty() && report.stopped.is_none() {
            let (now, later) = rest.split_at(rest.len().min(COMMIT_BLOCKS));
            rest = later;
            let mut batch = store.batch()?;
            for index in now {
                let Some(node) = nodes.get(*index) else { break };
                let (head, bytes) = match blocks.read(&node.place) {
                    Ok(read) => read,
                    // It was whole a moment ago.
                    Err(error) => {
                        report.stopped = Some(error.to_string());
                        break;
                    }
                };
                match connect(&batch, bytes) {
                    Ok(block) if block.block().header().hash() == head.hash => {
                        batch.apply(&block)?;
                        report.connected += 1;
                    }
                    Ok(_) => report.stopped = Some("another block was connected".into()),
                    Err(reason) => {
                        let height = head.height;
                        report.stopped =
                            Some(StoreError::NotConnected { height, reason }.to_string());
                    }
                }
                if report.stopped.is_some() {
                    break;
                }
            }
            report.tip = batch.commit()?;
            let done = u64::from(report.tip.height.value());
            if !progress(RepairProgress { done, total }) {
                return Err(StoreError::Cancelled);
            }
        }
        Ok((store, report))
    }
}

/// Finds every whole block that leads back to the genesis block, and the heaviest chain's last one.
/// Of two equally heavy ones the one first written wins, as it did when it was written.
fn find_chain<S: Disk>(
    blocks: &Blocks<S>,
    genesis: BlockHash,
    genesis_header: &Header,
    progress: &mut dyn FnMut(RepairProgress) -> bool,
) -> Result<(Vec<Node>, Option<usize>, Passed), StoreError> {
    let mut nodes: Vec<Node> = Vec::new();
    let mut known: HashMap<BlockHash, usize> = HashMap::new();
    let base = Work::ZERO.plus(genesis_header.bits);
    let mut best: Option<(Work, usize)> = None;
    let mut lost = 0;
    let mut passed = blocks.scan(&mut |head: RecordHead| {
        if head.height == Height::GENESIS || known.contains_key(&head.hash) {
            return Ok(());
        }
        let bytes = match blocks.read(&head.place) {
            Ok((_, bytes)) => bytes,
            Err(error) if is_of_disk(&error) => {
                lost += 1;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let header = bytes.get(..HEADER_BYTES).and_then(|bytes| Header::decode(bytes).ok());
        let Some(header) = header.filter(|header| header.hash() == head.hash) else {
            return Ok(());
        };
        // A block is written after its parent, so one whose parent is unknown has lost it.
        let (parent, work) = if header.previous == genesis {
            (None, base)
        } else {
            match known.get(&header.previous).and_then(|index| Some((*index, nodes.get(*index)?))) {
                Some((index, node)) => (Some(index), node.work),
                None => return Ok(()),
            }
        };
        let work = work.plus(header.bits);
        let index = nodes.len();
        known.insert(head.hash, index);
        nodes.push(Node { parent, work, place: head.place });
        if best.is_none_or(|(most, _)| work > most) {
            best = Some((work, index));
        }
        let done = nodes.len() as u64; // widening
        if done.is_multiple_of(1_000) && !progress(RepairProgress { done, total: 0 }) {
            return Err(StoreError::Cancelled);
        }
        Ok(())
    })?;
    passed.unreadable += lost;
    Ok((nodes, best.map(|(_, index)| index), passed))
}

/// The nodes from the block above genesis to the best one.
fn path_to(nodes: &[Node], best: Option<usize>) -> Vec<usize> {
    let mut path = Vec::new();
    let mut next = best;
    while let Some(index) = next {
        path.push(index);
        next = nodes.get(index).and_then(|node| node.parent);
    }
    path.reverse();
    path
}
