//! The thread that owns the chain: store, index, pool and templates. Nothing here is shared, so
//! nothing is locked.
//!
//! Commands come through one bounded channel and are answered through one-shot replies. Work that
//! takes long (seals, bodies, scripts, loose transactions) goes to the verification threads; their
//! results come back through a second channel, which is bounded by the jobs that are allowed to be
//! out. Between two commands the owner connects a slice of blocks at most.

mod announcements;
mod blocks;
mod headers;
mod jobs;
mod mining;
mod peers;
mod progress;
mod relay;
mod requests;
mod room;
mod saved_pool;
mod serve;
mod transactions;
mod tx_queue;
mod verdict;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mvs_consensus::error::Fault;
use mvs_consensus::params::Params;
use mvs_pow::Epoch;
use mvs_primitives::hash::{BlockHash, TxId};
use mvs_store::mmap::MapDisk;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use self::announcements::Announcements;
use self::blocks::WaitingBlock;
use self::jobs::JobResult;
use self::peers::PeerState;
use self::requests::TxRequests;
use self::saved_pool::SavedPool;
use self::serve::Server;
use self::tx_queue::TxQueue;
use super::command::{
    BlockRefusal, BlockVerdict, COMMAND_QUEUE, ChainHandle, Command, PoolEntry, PoolOrder,
    PoolPage, RateAhead, SyncStatus, TxRefusal,
};
use super::core::{ChainCore, ChainError, Moved, Slice, Step};
use super::events::{ChainEvent, EVENT_QUEUE, TipView};
use super::journal::{Journal, StaleBlock};
use super::stop::Stop;
use crate::mempool::{Mempool, MempoolConfig, OrphanConfig, Orphans};
use crate::mining::{Solution, TemplateConfig, Templates};
use crate::p2p::api::PeerId;
use crate::p2p::network::Network;
use crate::p2p::session::Random;
use crate::sync::{Planner, Settings};

/// Commands that are handled before the chain is looked at again.
const COMMANDS_IN_A_ROW: usize = 64;
/// Blocks behind the headers that are backed from which on many are made durable together.
const BULK_DISTANCE: u32 = 12;
/// In bulk, blocks that are worth a sync of the disk by themselves.
const BULK_BLOCKS: usize = 64;
/// In bulk, the longest time that blocks wait for others to share a sync with. It is looked at when
/// something happens, so at the latest when time passes ([`Command::Tick`]).
const BULK_WAIT: Duration = Duration::from_millis(50);
/// Time between two attempts to write while the disk is full.
const DISK_FULL_PAUSE: Duration = Duration::from_secs(10);

/// How the owner behaves.
#[derive(Debug, Clone)]
pub struct OwnerConfig {
    /// Numbers of the synchronisation.
    pub sync: Settings,
    /// The pool.
    pub mempool: MempoolConfig,
    /// Loose transactions without parents.
    pub orphans: OrphanConfig,
    /// Block templates.
    pub templates: TemplateConfig,
    /// Where the pool is kept from one run to the next; nowhere when unset.
    pub pool_file: Option<PathBuf>,
    /// Where blocks that left the chain are remembered from one run to the next; nowhere when unset.
    pub journal_file: Option<PathBuf>,
    /// Whether loose transactions are taken from peers and relayed.
    pub relay: bool,
    /// Whether a node without any peer counts as having caught up.
    pub synced_without_peers: bool,
}

impl Default for OwnerConfig {
    fn default() -> Self {
        Self {
            sync: Settings::default(),
            mempool: MempoolConfig::default(),
            orphans: OrphanConfig::default(),
            templates: TemplateConfig::default(),
            pool_file: None,
            journal_file: None,
            relay: true,
            synced_without_peers: true,
        }
    }
}

type BlockReply = oneshot::Sender<Result<BlockVerdict, BlockRefusal>>;
type TxReply = oneshot::Sender<Result<TxId, TxRefusal>>;

/// The owner. [`Owner::run`] is its thread.
pub struct Owner {
    core: ChainCore<MapDisk>,
    config: OwnerConfig,
    planner: Planner,
    network: Network,
    peers: BTreeMap<PeerId, PeerState>,
    mempool: Mempool,
    orphans: Orphans,
    templates: Templates,
    server: Server,
    inbox: mpsc::Receiver<Command>,
    results: Receiver<JobResult>,
    results_in: Sender<JobResult>,
    wake: mpsc::WeakSender<Command>,
    /// A [`Command::Wake`] is on its way: results that come before it is handled need no other.
    is_woken: Arc<AtomicBool>,
    tip: watch::Sender<Arc<TipView>>,
    status: watch::Sender<SyncStatus>,
    events: broadcast::Sender<ChainEvent>,
    journal: Journal,
    stop: Stop,
    started: Instant,
    /// Blocks whose header is being judged.
    waiting: HashMap<BlockHash, WaitingBlock>,
    /// Who waits for the verdict on a block of our own.
    block_replies: HashMap<BlockHash, Vec<BlockReply>>,
    /// Solutions of work that are being judged, by their block.
    solutions: HashMap<BlockHash, Solution>,
    /// Who waits for the verdict on a transaction of our own.
    tx_replies: HashMap<TxId, Vec<TxReply>>,
    /// Transactions that wait to be verified.
    tx_queue: TxQueue,
    /// Transactions that peers named.
    tx_requests: TxRequests,
    /// Transactions that are being tested for those who asked.
    tests: usize,
    pool_order: PoolOrder,
    disk_full_since: Option<Duration>,
    /// Since when blocks wait for others to share a sync of the disk with.
    gathering_since: Option<Duration>,
    /// The last epoch whose ethash cache was asked for ahead.
    prepared: Option<Epoch>,
    last_upkeep: Duration,
    last_room: Duration,
    last_status: Option<Duration>,
    announcements: Announcements,
    random: Random,
    /// What is left of the saved pool.
    saved_pool: SavedPool,
}

impl Owner {
    /// Takes over the chain and the peers.
    pub fn new(
        core: ChainCore<MapDisk>,
        config: OwnerConfig,
        network: Network,
        stop: Stop,
    ) -> (Self, ChainHandle) {
        let (commands, inbox) = mpsc::channel(COMMAND_QUEUE);
        let (results_in, results) = channel();
        let view = Arc::new(TipView::new(core.trunk().clone()));
        let (tip, tip_out) = watch::channel(view);
        let (status, status_out) = watch::channel(SyncStatus::default());
        let (events, _) = broadcast::channel(EVENT_QUEUE);
        let journal = open_journal(config.journal_file.as_deref());
        network.set_height(core.tip().height);
        let server = Server::start(network.clone(), tip_out.clone(), stop.clone());
        let owner = Self {
            planner: Planner::new(config.sync),
            mempool: Mempool::new(config.mempool.clone()),
            orphans: Orphans::new(config.orphans.clone()),
            templates: Templates::new(config.templates.clone()),
            server,
            core,
            config,
            network,
            peers: BTreeMap::new(),
            inbox,
            results,
            results_in,
            wake: commands.downgrade(),
            is_woken: Arc::default(),
            tip,
            status,
            events: events.clone(),
            journal: journal.clone(),
            stop,
            started: Instant::now(),
            waiting: HashMap::new(),
            block_replies: HashMap::new(),
            solutions: HashMap::new(),
            tx_replies: HashMap::new(),
            tx_queue: TxQueue::default(),
            tx_requests: TxRequests::default(),
            tests: 0,
            pool_order: PoolOrder::default(),
            disk_full_since: None,
            gathering_since: None,
            prepared: None,
            last_upkeep: Duration::ZERO,
            last_room: Duration::ZERO,
            last_status: None,
            announcements: Announcements::default(),
            random: Random::from_os().unwrap_or_else(|error| {
                tracing::warn!(target: "chain", %error, "transactions are told at times that can be foreseen");
                Random::from_key((0, 0))
            }),
            saved_pool: SavedPool::default(),
        };
        let handle = ChainHandle { commands, tip: tip_out, status: status_out, events, journal };
        (owner, handle)
    }

    /// Runs until the stop token is set or something of ours fails; then saves the pool and closes
    /// the store. The token is set in any case when this returns.
    ///
    /// # Errors
    /// [`ChainError`]: ours. Nobody is to be blamed for it.
    pub fn run(mut self) -> Result<(), ChainError> {
        let stop = self.stop.clone();
        // However this ends, the rest of the node must end too.
        let _guard = SetOnDrop(stop);
        let result = self.load_pool().and_then(|()| self.work());
        if let Err(error) = &result {
            tracing::error!(target: "chain", code = error.code(), %error, "the node stops");
        }
        let closed = self.close();
        result.and(closed)
    }

    fn work(&mut self) -> Result<(), ChainError> {
        self.publish_status();
        while !self.stop.is_set() {
            let first = match self.has_work() {
                true => self.inbox.try_recv().ok(),
                false => match self.inbox.blocking_recv() {
                    Some(command) => Some(command),
                    None => break,
                },
            };
            let mut next = first;
            let mut handled = 0;
            while let Some(command) = next {
                self.handle(command)?;
                // What was verified makes room for what the next command brings.
                self.take_results()?;
                handled += 1;
                next = match handled < COMMANDS_IN_A_ROW {
                    true => self.inbox.try_recv().ok(),
                    false => None,
                };
            }
            self.take_results()?;
            self.advance()?;
            self.make_room_for_bodies();
            self.poll_planner()?;
            self.load_more_of_pool()?;
            self.ask_transactions();
            self.announce();
            self.tell_transactions();
            self.upkeep()?;
        }
        Ok(())
    }

    fn take_results(&mut self) -> Result<(), ChainError> {
        while let Ok(result) = self.results.try_recv() {
            self.take_result(result)?;
        }
        Ok(())
    }

    fn has_work(&self) -> bool {
        let is_waiting = self.disk_full_since.is_some() || self.gathering_since.is_some();
        (self.core.is_dirty() && !is_waiting) || !self.saved_pool.is_empty()
    }

    /// Time since the start.
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn params(&self) -> &Params {
        self.core.params()
    }

    fn handle(&mut self, command: Command) -> Result<(), ChainError> {
        match command {
            Command::Network(event) => self.on_network(event)?,
            Command::Tick => {}
            // Cleared before results are looked for: what comes from now on wakes us again.
            Command::Wake => self.is_woken.store(false, Ordering::SeqCst),
            Command::SubmitBlock { block, reply } => self.submit_block(block, reply)?,
            Command::SubmitTx { tx, reply } => self.submit_tx(tx, reply),
            Command::Work { payout, reply } => self.give_work(&payout, reply)?,
            Command::SubmitWork { work, nonce, mix_hash, reply } => {
                self.take_solution(work, nonce, mix_hash, reply)?;
            }
            Command::Stake { request, reply } => self.give_stake(&request, reply)?,
            Command::LooseTx { txid, reply } => {
                // Whoever asked may have gone; so with every reply.
                let _ = reply.send(self.mempool.get(&txid).map(|entry| entry.tx().clone()));
            }
            Command::LooseIds { reply } => {
                let ids = self.mempool.in_order().iter().map(|entry| entry.txid()).collect();
                let _ = reply.send(ids);
            }
            Command::PoolEntry { txid, reply } => {
                let entry = self.mempool.get(&txid);
                let _ = reply.send(entry.map(|entry| PoolEntry::of(&self.mempool, entry)));
            }
            Command::PoolPage { ask, reply } => {
                self.pool_order.follow(&self.mempool, self.started.elapsed());
                let page = PoolPage::of(&self.mempool, &self.pool_order, &ask, unix_now());
                let _ = reply.send(page);
            }
            Command::TestTx { tx, reply } => self.test_tx(tx, reply),
            Command::RateBehind { bytes, reply } => {
                let _ = reply.send(RateAhead::of(&self.mempool, bytes, unix_now()));
            }
            Command::PoolStats { reply } => {
                let _ = reply.send(self.mempool.stats(unix_now()));
            }
        }
        Ok(())
    }

    /// Connects one slice of blocks.
    fn advance(&mut self) -> Result<(), ChainError> {
        let now = self.now();
        if let Some(since) = self.disk_full_since {
            if now.saturating_sub(since) < DISK_FULL_PAUSE {
                return Ok(());
            }
            self.disk_full_since = None;
            self.core.touch();
        }
        if !self.core.is_dirty() {
            return Ok(());
        }
        let is_bulk = self.core.index.backed_ahead(self.core.trunk()) > BULK_DISTANCE;
        if is_bulk && self.is_gathering(now) {
            return Ok(());
        }
        self.gathering_since = None;
        let slice = if is_bulk { Slice::BULK } else { Slice::TIP };
        let stop = self.stop.clone();
        match self.core.advance(&slice, &stop) {
            Ok(Step::Idle) => {}
            Ok(Step::Moved(moved)) => self.on_moved(moved, is_bulk)?,
            Ok(Step::Invalid(invalid)) => self.on_invalid(&invalid),
            Err(error) if error.is_no_space() => {
                tracing::error!(target: "chain", code = error.code(), %error,
                    "the disk is full; blocks wait until there is room");
                self.disk_full_since = Some(now);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Tells whether, in bulk, more blocks are to be waited for before any is connected. Each sync of
    /// the disk costs about as much as connecting ten blocks.
    fn is_gathering(&mut self, now: Duration) -> bool {
        let is_more_coming = self.planner.blocks_in_flight() + self.core.bodies.checking() > 0;
        let bodies = &self.core.bodies;
        if !is_more_coming || bodies.is_empty() || self.core.has_ready(BULK_BLOCKS) {
            return false;
        }
        let since = *self.gathering_since.get_or_insert(now);
        now.saturating_sub(since) < BULK_WAIT
    }

    /// Follows a durable change of the chain.
    fn on_moved(&mut self, moved: Moved, is_bulk: bool) -> Result<(), ChainError> {
        let Moved { undone, connected, senders, tip } = moved;
        let stale: Vec<StaleBlock> = undone
            .iter()
            .map(|block| StaleBlock {
                height: block.info.height,
                hash: block.info.hash,
                parent: block.info.header.previous,
            })
            .collect();
        self.journal.note_stale(&stale);
        let view = Arc::new(TipView::new(self.core.trunk().clone()));
        self.tip.send_replace(view);
        self.network.set_height(tip.height);
        if !undone.is_empty() {
            tracing::warn!(target: "chain", undone = undone.len(), connected = connected.len(),
                height = %tip.height, hash = %tip.hash, "the chain was reorganised");
        } else if !is_bulk {
            tracing::info!(target: "chain", height = %tip.height, hash = %tip.hash, "new tip");
        }
        let is_reorganised = !undone.is_empty();
        self.update_pool(&undone, &connected)?;
        for block in undone {
            let (height, hash) = (block.info.height, block.info.hash);
            // Nobody may be listening; so with every event.
            let block = block.block.into();
            let _ = self.events.send(ChainEvent::Disconnected { height, hash, block });
        }
        for block in &connected {
            let block = Arc::clone(block.block());
            let _ = self.events.send(ChainEvent::Connected { block });
        }
        for block in &connected {
            let hash = block.block().header().hash();
            verdict::accepted(&hash);
            self.answer_block(&hash, Ok(BlockVerdict { hash, is_on_chain: true }));
        }
        if !is_bulk {
            senders.into_iter().for_each(|from| self.note_merit(from));
        }
        if is_bulk || is_reorganised {
            self.announcements.clear();
        }
        self.note_for_peers(&connected, is_bulk);
        self.announce();
        Ok(())
    }

    fn close(mut self) -> Result<(), ChainError> {
        self.save_pool();
        self.inbox.close();
        let Self { core, server, .. } = self;
        server.join();
        core.close()
    }
}

impl std::fmt::Debug for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Owner").field("core", &self.core).finish_non_exhaustive()
    }
}

fn open_journal(file: Option<&Path>) -> Journal {
    let Some(file) = file else { return Journal::default() };
    Journal::open(file).unwrap_or_else(|error| {
        tracing::warn!(target: "chain", file = %file.display(), %error,
            "blocks that left the chain before are not known, and new ones are forgotten at the end");
        Journal::default()
    })
}

struct SetOnDrop(Stop);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}

/// Our clock in Unix seconds; 0 when it stands before 1970.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A promise between parts of the owner.
const fn broken(what: &'static str) -> ChainError {
    ChainError::Fault(Fault::Broken(what))
}

#[cfg(test)]
mod tests;
