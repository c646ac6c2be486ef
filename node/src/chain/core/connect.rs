//! From headers and bodies to a longer chain, or another one (chain.md 8.3, 8.4).

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use mvs_consensus::block::{
    BlockBody, CheckedBlock, ConnectedBlock, PendingBlock, check_block, connect_block,
    connect_checkpointed_block, is_vouched_for,
};
use mvs_consensus::branch::replaces;
use mvs_consensus::checkpoint::Vouched;
use mvs_consensus::error::{BlockRuleError, Fault, Rejection};
use mvs_consensus::header::{Parent, accept_header, check_headers};
use mvs_consensus::script::CacheUse;
use mvs_primitives::difficulty::Work;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::header::Header;
use mvs_primitives::height::Height;
use mvs_store::backing::Disk;
use mvs_store::{Batch, UndoneBlock};

use super::{ChainCore, ChainError, InvalidBlock, Moved, Slice, Step, Tools};
use crate::chain::bodies::Body;
use crate::chain::index::{BlockIndex, Known, Path, UndoneHeader};
use crate::chain::stop::Stop;

/// How many bytes of blocks that leave the chain are kept, newest first: for the pool and in case
/// the chain moves back.
pub(super) const UNDONE_BYTES: usize = 32 << 20;

/// Fewer scripts than this are run where they are.
const FEW_SCRIPTS: usize = 4;

/// A clock that no header is ahead of: the time of a header that is held was judged when it came.
const JUDGED_BEFORE: u64 = u64::MAX;

/// Why connecting stopped.
enum Halt {
    Invalid(BlockHash, Height, BlockRuleError),
    Ours(ChainError),
    Stopped,
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Ours(fault.into())
    }
}

impl From<mvs_store::StoreError> for Halt {
    fn from(error: mvs_store::StoreError) -> Self {
        Self::Ours(error.into())
    }
}

impl<D: Disk> ChainCore<D> {
    /// Does the next step: connects what can be connected, or moves to a heavier branch whose blocks
    /// are all there, and makes it durable.
    ///
    /// # Errors
    /// [`ChainError`]: ours. After [`ChainError::is_no_space`] the chain is where it was and the call
    /// may be repeated later; after any other error the node must stop.
    pub fn advance(&mut self, slice: &Slice, stop: &Stop) -> Result<Step, ChainError> {
        if !self.is_dirty {
            return Ok(Step::Idle);
        }
        let Some((path, top)) = self.choose(slice)? else {
            self.is_dirty = false;
            return Ok(Step::Idle);
        };
        if path.fork == self.tip().height {
            self.extend(&path, top, slice, stop)
        } else {
            self.reorganise(&path, top, slice, stop)
        }
    }

    /// Tells whether at least so many blocks could be connected in a row, on the heaviest branch.
    pub fn has_ready(&self, count: usize) -> bool {
        if self.bodies.len() < count {
            return false;
        }
        let best = self.index.best(&self.trunk);
        let Some(path) = self.index.path_to(&best.hash) else { return false };
        let walk = self.index.walk(&path, Height::GENESIS);
        walk.take_while(|(_, known)| self.bodies.is_ready(&known.hash()))
            .nth(count.saturating_sub(1))
            .is_some()
    }

    /// The heaviest branch of which enough blocks are there, and up to where they are.
    fn choose(&mut self, slice: &Slice) -> Result<Option<(Path, Height)>, ChainError> {
        let tip = self.tip();
        for end in self.index.heavier_than(tip.work) {
            let Some(path) = self.index.path_to(&end.hash) else { continue };
            let extends = path.fork == tip.height;
            // What cannot be undone is no fork.
            let lowest = path.fork.next().unwrap_or(path.fork);
            if !extends && lowest < self.store.undo_floor() {
                continue;
            }
            // Blocks come in order, nearly: as long as the one that makes the branch heavier is missing,
            // there is no need to look at all that lead up to it.
            if !extends && !self.is_ready_to_win(&path, tip.work) {
                continue;
            }
            let most = if extends { slice.blocks } else { usize::MAX };
            let ready = self
                .index
                .walk(&path, Height::GENESIS)
                .take_while(|(_, known)| self.bodies.is_ready(&known.hash()))
                .take(most)
                .last();
            let Some((top, _)) = ready else { continue };
            let heavier = self.index.work_on(&path, top).is_some_and(|w| replaces(w, tip.work));
            if heavier && self.is_vouched_up_to(&path)? {
                return Ok(Some((path, top)));
            }
        }
        Ok(None)
    }

    /// Tells whether the block is there with which a path becomes heavier than something.
    fn is_ready_to_win(&self, path: &Path, work: Work) -> bool {
        let wins = |height: u32| {
            let sum = self.index.work_on(path, Height::new(height));
            sum.is_some_and(|sum| replaces(sum, work))
        };
        let (mut below, mut at) = (path.fork.value(), path.top().value());
        while at.saturating_sub(below) > 1 {
            let middle = below + (at - below) / 2; // at is more
            if wins(middle) {
                at = middle;
            } else {
                below = middle;
            }
        }
        let winner = self.index.walk(path, Height::new(at)).next();
        winner.is_some_and(|(_, known)| self.bodies.is_ready(&known.hash()))
    }

    /// Below a checkpoint nothing is connected before the headers lead up to it.
    fn is_vouched_up_to(&mut self, path: &Path) -> Result<bool, ChainError> {
        let Some(checkpoint) = self.next_checkpoint() else { return Ok(true) };
        let first = path.fork.next().ok_or(Fault::Broken("heights have 32 bits"))?;
        let Some(lowest) = self.index.walk(path, first).next().map(|(_, known)| known.hash())
        else {
            return Ok(false);
        };
        if self.vouched.covers(first, &lowest) {
            return Ok(true);
        }
        if path.top() < checkpoint {
            return Ok(false);
        }
        let headers = self
            .index
            .walk(path, first)
            .take_while(|(height, _)| *height <= checkpoint)
            .map(|(_, known)| known.header());
        match Vouched::by_checkpoint(&self.tools.params, first, headers) {
            Some(vouched) => {
                self.vouched = vouched;
                Ok(true)
            }
            // Headers at the height of a checkpoint are compared with it when they come.
            None => Err(Fault::Broken("a branch passes a checkpoint by").into()),
        }
    }

    fn extend(
        &mut self,
        path: &Path,
        top: Height,
        slice: &Slice,
        stop: &Stop,
    ) -> Result<Step, ChainError> {
        let mut connected = Vec::new();
        let mut batch = self.store.batch()?;
        let run = Run {
            tools: &self.tools,
            vouched: &self.vouched,
            index: &self.index,
            bodies: &self.bodies,
            stop,
        };
        let limit = Limit { slice: *slice, started: Instant::now() };
        let halt = run.connect_up_to(path, top, &mut batch, &mut connected, |_, bytes| {
            limit.is_reached(bytes)
        });
        let (path, fork) = (path.clone(), path.fork);
        match halt {
            Err(Halt::Ours(error)) => return Err(error),
            // The blocks before it hold; the invalid one is met again at once.
            Err(Halt::Invalid(hash, height, error)) if connected.is_empty() => {
                drop(batch);
                return Ok(Step::Invalid(self.mark_invalid(hash, height, error)));
            }
            Err(Halt::Stopped) if connected.is_empty() => {
                drop(batch);
                return Ok(Step::Idle);
            }
            Err(Halt::Invalid(..) | Halt::Stopped) | Ok(()) => {}
        }
        batch.commit()?;
        self.moved(&path, fork, Vec::new(), connected).map(Step::Moved)
    }

    fn reorganise(
        &mut self,
        path: &Path,
        top: Height,
        slice: &Slice,
        stop: &Stop,
    ) -> Result<Step, ChainError> {
        let old = self.store.tip();
        let mut connected = Vec::new();
        let mut undone = Vec::new();
        let mut batch = self.store.batch()?;
        let mut kept = 0usize;
        while batch.tip().is_some_and(|tip| tip.height > path.fork) {
            if stop.is_set() {
                return Ok(Step::Idle);
            }
            let mut block = batch.undo()?;
            kept = kept.saturating_add(block.block.len());
            if kept > UNDONE_BYTES {
                block.block = Vec::new();
            }
            undone.push(block);
        }
        let run = Run {
            tools: &self.tools,
            vouched: &self.vouched,
            index: &self.index,
            bodies: &self.bodies,
            stop,
        };
        // Once the branch is heavier it may be made durable, and the rest is a plain extension.
        let mut above = 0usize;
        let halt = run.connect_up_to(path, top, &mut batch, &mut connected, |height, _| {
            let work = self.index.work_on(path, height);
            above += usize::from(work.is_some_and(|work| replaces(work, old.work)));
            above >= slice.blocks
        });
        let path = path.clone();
        match halt {
            Ok(()) => {}
            Err(Halt::Ours(error)) => return Err(error),
            Err(Halt::Stopped) => {
                drop(batch);
                return Ok(Step::Idle);
            }
            Err(Halt::Invalid(hash, height, error)) => {
                // Nothing has happened. What is left of the branch is weighed again.
                drop(batch);
                return Ok(Step::Invalid(self.mark_invalid(hash, height, error)));
            }
        }
        batch.commit()?;
        self.moved(&path, path.fork, undone, connected).map(Step::Moved)
    }

    /// Follows a commit.
    fn moved(
        &mut self,
        path: &Path,
        fork: Height,
        undone: Vec<UndoneBlock>,
        connected: Vec<ConnectedBlock>,
    ) -> Result<Moved, ChainError> {
        self.trunk = self.store.snapshot();
        let tip = self.trunk.tip();
        let headers = undone
            .iter()
            .rev()
            .map(|block| UndoneHeader { header: block.info.header.clone(), hash: block.info.hash })
            .collect();
        self.index.follow(&self.trunk, fork, headers, path, tip.height)?;
        let mut senders = Vec::with_capacity(connected.len());
        for block in &connected {
            let hash = block.block().header().hash();
            senders.push(self.bodies.sender(&hash));
            self.bodies.remove(&hash);
        }
        for block in undone.iter().filter(|block| !block.block.is_empty()) {
            let bytes = Bytes::copy_from_slice(&block.block);
            self.bodies.insert(block.info.hash, Body::Raw(bytes), None);
        }
        let index = &self.index;
        self.bodies.retain(|hash| index.get(hash).is_some());
        self.make_room_to_checkpoint();
        self.is_dirty = true;
        Ok(Moved { undone, connected, senders, tip })
    }

    /// Marks a block and what builds on it as invalid.
    pub fn mark_invalid(
        &mut self,
        hash: BlockHash,
        height: Height,
        error: BlockRuleError,
    ) -> InvalidBlock {
        let from = self.bodies.sender(&hash);
        let gone = self.index.mark_invalid(&hash);
        for hash in &gone {
            self.bodies.forget(hash);
        }
        self.is_dirty = true;
        InvalidBlock { hash, height, error, from, gone }
    }
}

/// When a plain extension is committed.
struct Limit {
    slice: Slice,
    started: Instant,
}

impl Limit {
    fn is_reached(&self, bytes: usize) -> bool {
        bytes >= self.slice.bytes || self.started.elapsed() >= self.slice.time
    }
}

/// What connecting reads, apart from the batch.
struct Run<'a> {
    tools: &'a Tools,
    vouched: &'a Vouched,
    index: &'a BlockIndex,
    bodies: &'a crate::chain::bodies::Bodies,
    stop: &'a Stop,
}

impl Run<'_> {
    /// Connects the blocks of a path up to a height. After each one, `enough` may end it.
    fn connect_up_to<D: Disk>(
        &self,
        path: &Path,
        top: Height,
        batch: &mut Batch<'_, D>,
        connected: &mut Vec<ConnectedBlock>,
        mut enough: impl FnMut(Height, usize) -> bool,
    ) -> Result<(), Halt> {
        let mut total = 0usize;
        for (height, known) in self.index.walk(path, Height::GENESIS) {
            if height > top {
                break;
            }
            if self.stop.is_set() {
                return Err(Halt::Stopped);
            }
            let (block, bytes) = self.block_of(known, batch)?;
            let done = self.connect(block, batch).map_err(|rejection| match rejection {
                Rejection::Fault(fault) => Halt::from(fault),
                Rejection::Rule(rule) => Halt::Invalid(known.hash(), height, rule),
            })?;
            batch.apply(&done)?;
            connected.push(done);
            total = total.saturating_add(bytes);
            if enough(height, total) {
                break;
            }
        }
        Ok(())
    }

    /// The block of a header, with its length on the wire.
    fn block_of<D: Disk>(
        &self,
        known: &Known,
        batch: &Batch<'_, D>,
    ) -> Result<(Arc<CheckedBlock>, usize), Halt> {
        match self.bodies.get(&known.hash()) {
            Some(Body::Checked { block, bytes }) => Ok((Arc::clone(block), *bytes)),
            Some(Body::Raw(bytes)) => Ok((self.check_raw(known, bytes, batch)?, bytes.len())),
            None => Err(Fault::Broken("a block that is to be connected is gone").into()),
        }
    }

    /// A block that was connected before: it returns from its bytes, and is judged anew.
    fn check_raw<D: Disk>(
        &self,
        known: &Known,
        bytes: &[u8],
        batch: &Batch<'_, D>,
    ) -> Result<Arc<CheckedBlock>, Halt> {
        let broken = Fault::Broken("a block that was held does not check again");
        let placed = match known {
            Known::Placed(placed) => placed.clone(),
            Known::Stored { header, .. } => self.place_again(header, batch)?,
        };
        let body = BlockBody::decode(bytes).map_err(|_| Halt::from(broken))?;
        let broken = Fault::Broken("a block that was held does not check again");
        check_block(&self.tools.params, placed, body).map_err(|_| Halt::from(broken))
    }

    fn place_again<D: Disk>(
        &self,
        header: &Header,
        batch: &Batch<'_, D>,
    ) -> Result<mvs_consensus::header::PlacedHeader, Halt> {
        let tip = batch.tip().ok_or(Fault::Broken("a batch has a tip"))?;
        let parent = Parent { hash: tip.hash, height: tip.height };
        let params = &self.tools.params;
        let checked = check_headers(params, &self.tools.caches, vec![header.clone()]).pop();
        let checked = match checked {
            Some(Ok(checked)) => checked,
            Some(Err(Rejection::Fault(fault))) => return Err(fault.into()),
            _ => return Err(Fault::Broken("a header that was held has no seal").into()),
        };
        accept_header(params, batch, parent, checked, JUDGED_BEFORE)
            .map_err(|_| Fault::Broken("a header that was held has no place").into())
    }

    fn connect<D: Disk>(
        &self,
        block: Arc<CheckedBlock>,
        batch: &Batch<'_, D>,
    ) -> Result<ConnectedBlock, Rejection<BlockRuleError>> {
        let params = &self.tools.params;
        if is_vouched_for(params, self.vouched, &block) {
            return connect_checkpointed_block(params, self.vouched, batch, block);
        }
        let pending = connect_block(params, batch, batch, block)?;
        finish(self.tools, pending)
    }
}

/// Runs the scripts of a block on all threads.
fn finish(
    tools: &Tools,
    pending: PendingBlock,
) -> Result<ConnectedBlock, Rejection<BlockRuleError>> {
    let jobs = pending.jobs();
    if jobs.len() < FEW_SCRIPTS {
        return pending.finish_here(CacheUse::Read(&tools.signatures));
    }
    let parts = (tools.pool.threads() * 4).clamp(1, jobs.len() / 2);
    let per_part = jobs.len().div_ceil(parts);
    let pending = Arc::new(pending);
    let shared = Arc::clone(&pending);
    let cache = Arc::clone(&tools.signatures);
    let count = jobs.len().div_ceil(per_part);
    let answers = tools.pool.run_all(count, move |part| {
        let part = jobs.iter().skip(part * per_part).take(per_part);
        part.map(|job| shared.run(*job, CacheUse::Read(&cache))).collect::<Vec<_>>()
    });
    let mut verdicts = Vec::new();
    for answer in answers {
        verdicts.extend(answer.ok_or(Fault::Broken("running scripts panicked"))?);
    }
    let pending = Arc::try_unwrap(pending)
        .map_err(|_| Fault::Broken("a block is still in use after its scripts ran"))?;
    pending.finish(verdicts)
}
