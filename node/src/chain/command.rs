//! What the chain owner is asked, and the handle that asks it.

use std::sync::Arc;
use std::time::Duration;

use mvs_primitives::amount::Amount;
use mvs_primitives::block::Block;
use mvs_primitives::hash::{BlockHash, MixHash, SealHash, TxId};
use mvs_primitives::height::Height;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::events::{ChainEvent, TipView};
use super::journal::Journal;
use crate::mempool::{Entry, FeeRate, LooseTx, Mempool, MempoolStats, Reject};
use crate::mining::{
    Payout, StakeRequest, StakeTemplate, SubmitError, TemplateError, WorkTemplate,
};
use crate::p2p::api::NetworkEvent;
use crate::p2p::message::RawBlock;

/// Most commands that wait for the owner. When it is full the network is not read and local callers
/// wait.
pub const COMMAND_QUEUE: usize = 256;

/// A question or order to the chain owner.
#[derive(Debug)]
#[non_exhaustive]
pub enum Command {
    /// Something happened among the peers.
    Network(NetworkEvent),
    /// Time has passed.
    Tick,
    /// A result of the verification threads waits.
    Wake,
    /// A block of our own making.
    SubmitBlock {
        /// The block.
        block: RawBlock,
        /// Gets the answer.
        reply: oneshot::Sender<Result<BlockVerdict, BlockRefusal>>,
    },
    /// A transaction of our own.
    SubmitTx {
        /// The transaction.
        tx: LooseTx,
        /// Gets the answer.
        reply: oneshot::Sender<Result<TxId, TxRefusal>>,
    },
    /// Asks for work.
    Work {
        /// Whom the block shall pay.
        payout: Payout,
        /// Gets the answer.
        reply: oneshot::Sender<Result<Arc<WorkTemplate>, TemplateError>>,
    },
    /// A solution of work.
    SubmitWork {
        /// Name of the work.
        work: SealHash,
        /// The nonce.
        nonce: u64,
        /// The mix.
        mix_hash: MixHash,
        /// Gets the answer.
        reply: oneshot::Sender<Result<BlockVerdict, BlockRefusal>>,
    },
    /// Asks for a stake block that lacks time and signatures.
    Stake {
        /// What is staked.
        request: StakeRequest,
        /// Gets the answer.
        reply: oneshot::Sender<Result<StakeTemplate, TemplateError>>,
    },
    /// Asks for a loose transaction.
    LooseTx {
        /// Its id.
        txid: TxId,
        /// Gets the answer.
        reply: oneshot::Sender<Option<LooseTx>>,
    },
    /// Asks for the ids of all loose transactions, parents first.
    LooseIds {
        /// Gets the answer.
        reply: oneshot::Sender<Vec<TxId>>,
    },
    /// Asks for an entry of the pool.
    PoolEntry {
        /// Its id.
        txid: TxId,
        /// Gets the answer.
        reply: oneshot::Sender<Option<PoolEntry>>,
    },
    /// Asks for a part of the pool.
    PoolPage {
        /// Which.
        ask: PageAsk,
        /// Gets the answer; `None` when there is no such place.
        reply: oneshot::Sender<Option<PoolPage>>,
    },
    /// Asks what would become of a transaction.
    TestTx {
        /// The transaction.
        tx: LooseTx,
        /// Gets fee and bytes, or why it would be refused.
        reply: TestReply,
    },
    /// Asks which rate leaves so many bytes ahead.
    RateBehind {
        /// Bytes.
        bytes: u64,
        /// Gets the answer.
        reply: oneshot::Sender<RateAhead>,
    },
    /// Asks for numbers about the pool.
    PoolStats {
        /// Gets the answer.
        reply: oneshot::Sender<MempoolStats>,
    },
}

/// Whoever waits for the verdict on a transaction that is only tested.
pub type TestReply = oneshot::Sender<Result<(Amount, u64), TxRefusal>>;

/// An entry of the pool, as it was when it was asked for.
#[derive(Debug, Clone)]
pub struct PoolEntry {
    /// The transaction.
    pub tx: LooseTx,
    /// Its fee.
    pub fee: Amount,
    /// Bytes that it counts.
    pub bytes: u64,
    /// Its rate.
    pub rate: FeeRate,
    /// When this node first saw it, in Unix seconds.
    pub first_seen_secs: u64,
    /// Height of the tip when it entered.
    pub entered_at: Height,
    /// Transactions that it needs, itself included.
    pub ancestors: u32,
    /// Transactions that need it, itself included.
    pub descendants: u32,
    /// Its parents in the pool.
    pub parents: Vec<TxId>,
    /// Its children in the pool.
    pub children: Vec<TxId>,
}

impl PoolEntry {
    /// Copies an entry.
    pub fn of(pool: &Mempool, entry: &Entry) -> Self {
        Self {
            tx: entry.tx().clone(),
            fee: entry.fee(),
            bytes: entry.bytes(),
            rate: entry.rate(),
            first_seen_secs: entry.first_seen_secs(),
            entered_at: entry.entered_at(),
            ancestors: entry.ancestors().count,
            descendants: entry.descendants().count,
            parents: pool.parents(entry),
            children: pool.children(entry),
        }
    }
}

/// Which part of the pool is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageAsk {
    /// Begin behind this one.
    pub after: Option<TxId>,
    /// Most entries.
    pub limit: usize,
    /// With all that is known of each; else the ids alone.
    pub is_full: bool,
}

/// A part of the pool, parents before children.
#[derive(Debug, Clone)]
pub struct PoolPage {
    /// Numbers about the whole.
    pub stats: MempoolStats,
    /// The ids.
    pub ids: Vec<TxId>,
    /// Where the next page begins behind; it may have left the pool.
    pub last: Option<TxId>,
    /// The entries, if they were asked for.
    pub entries: Vec<PoolEntry>,
    /// There are more.
    pub has_more: bool,
}

impl PoolPage {
    /// Copies a part of the pool; `None` when it should begin behind one that is not there.
    pub fn of(pool: &Mempool, order: &PoolOrder, ask: &PageAsk, now_secs: u64) -> Option<Self> {
        let start = match ask.after {
            None => 0,
            Some(after) => order.ids.iter().position(|id| *id == after)?.saturating_add(1),
        };
        let rest = order.ids.get(start..).unwrap_or_default();
        let shown = rest.get(..ask.limit.min(rest.len())).unwrap_or_default();
        // Some may have left since they were put in order.
        let here: Vec<&Entry> = shown.iter().filter_map(|txid| pool.get(txid)).collect();
        let entries = match ask.is_full {
            true => here.iter().map(|entry| PoolEntry::of(pool, entry)).collect(),
            false => Vec::new(),
        };
        Some(Self {
            stats: pool.stats(now_secs),
            ids: here.iter().map(|entry| entry.txid()).collect(),
            last: shown.last().copied(),
            entries,
            has_more: rest.len() > shown.len(),
        })
    }
}

/// A pool from which on its order may be [`STALE_ORDER`] old.
const LARGE_POOL: usize = 10_000;
/// How old the order of a large pool may be: sorting it takes a while.
const STALE_ORDER: Duration = Duration::from_secs(1);

/// The ids of the pool, parents before children, kept from one question to the next.
#[derive(Debug, Default)]
pub struct PoolOrder {
    ids: Vec<TxId>,
    changes: Option<u64>,
    /// Time since the start.
    made_at: Duration,
}

impl PoolOrder {
    /// Puts the pool in order again, unless what there is will do.
    pub fn follow(&mut self, pool: &Mempool, now: Duration) {
        let is_same = self.changes == Some(pool.changes());
        let is_young = now.saturating_sub(self.made_at) < STALE_ORDER;
        if is_same || (self.changes.is_some() && is_young && pool.len() > LARGE_POOL) {
            return;
        }
        self.ids = pool.in_order().iter().map(|entry| entry.txid()).collect();
        self.changes = Some(pool.changes());
        self.made_at = now;
    }
}

/// Which rate leaves so many bytes of the pool ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateAhead {
    /// The rate.
    pub rate: FeeRate,
    /// The least that the pool takes now.
    pub floor: FeeRate,
    /// Bytes that pay more.
    pub ahead_bytes: u64,
}

impl RateAhead {
    /// Looks through the pool, best first.
    pub fn of(pool: &Mempool, bytes: u64, now_secs: u64) -> Self {
        let floor = pool.floor_rate(now_secs);
        let mut ahead_bytes = 0u64;
        for (rate, size) in pool.rates() {
            let next = ahead_bytes.saturating_add(size);
            if next > bytes {
                // A thousandth of a unit more than who would still be behind.
                let rate = rate.plus(FeeRate::from_units_per_million_bytes(1_000)).max(floor);
                return Self { rate, floor, ahead_bytes };
            }
            ahead_bytes = next;
        }
        Self { rate: floor, floor, ahead_bytes }
    }
}

/// What became of a block that was submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockVerdict {
    /// Its hash.
    pub hash: BlockHash,
    /// Whether it is part of the chain now; else it is kept on a side branch.
    pub is_on_chain: bool,
}

/// Why a submitted block was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockRefusal {
    /// The solution fits no work.
    #[error(transparent)]
    Work(#[from] SubmitError),
    /// A rule is broken, or the parent is not known.
    #[error("{code}: {text}")]
    Refused {
        /// The stable code.
        code: &'static str,
        /// What is wrong.
        text: String,
    },
    /// The chain has it.
    #[error("the block is known")]
    Known,
    /// Too many blocks are being checked, or the node stops.
    #[error("busy")]
    Busy,
}

impl BlockRefusal {
    /// Returns the stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Work(error) => error.code(),
            Self::Refused { code, .. } => code,
            Self::Known => "block.known",
            Self::Busy => "node.busy",
        }
    }
}

/// Why a submitted transaction was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TxRefusal {
    /// By rules, policy or the pool.
    #[error(transparent)]
    Pool(#[from] Reject),
    /// Too many transactions are being checked, or the node stops.
    #[error("busy")]
    Busy,
}

impl TxRefusal {
    /// Returns the stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Pool(reject) => reject.code(),
            Self::Busy => "node.busy",
        }
    }
}

/// The owner is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the node is stopping")]
pub struct Stopping;

/// How far the node is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SyncStatus {
    /// Height of the connected chain.
    pub height: Height,
    /// Height of the heaviest header.
    pub header_height: Height,
    /// The greatest height that a peer claims; not to be trusted.
    pub claimed: Option<Height>,
    /// Whether the node has caught up: it relays transactions and gives out work only then.
    pub is_synced: bool,
    /// Summed work of the tip over that of the heaviest header, in millionths.
    pub work_done: u32,
    /// Blocks on their way from peers.
    pub in_flight: usize,
    /// Blocks that wait to be connected.
    pub waiting: usize,
    /// Connected peers.
    pub peers: usize,
    /// Headers are being read from a peer.
    pub reading_headers: bool,
    /// No block can be connected until there is room on the disk.
    pub is_disk_full: bool,
    /// Loose transactions.
    pub loose: usize,
}

/// Asks the chain owner. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ChainHandle {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) tip: watch::Receiver<Arc<TipView>>,
    pub(super) status: watch::Receiver<SyncStatus>,
    pub(super) events: broadcast::Sender<ChainEvent>,
    pub(super) journal: Journal,
}

impl ChainHandle {
    /// Returns the chain as it is now.
    pub fn tip(&self) -> Arc<TipView> {
        Arc::clone(&self.tip.borrow())
    }

    /// Returns a receiver that is told of every new tip, the latest only.
    pub fn watch_tip(&self) -> watch::Receiver<Arc<TipView>> {
        self.tip.clone()
    }

    /// Returns how far the node is.
    pub fn status(&self) -> SyncStatus {
        *self.status.borrow()
    }

    /// Returns what is remembered of blocks that left the chain, and of changes of the pool.
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Listens to changes, in order, from now on. A listener that falls behind by more than
    /// [`EVENT_QUEUE`](super::events::EVENT_QUEUE) is told so and has to start from a snapshot.
    pub fn listen(&self) -> broadcast::Receiver<ChainEvent> {
        self.events.subscribe()
    }

    /// Sends a command; waits while the queue is full.
    ///
    /// # Errors
    /// [`Stopping`].
    pub async fn send(&self, command: Command) -> Result<(), Stopping> {
        self.commands.send(command).await.map_err(|_| Stopping)
    }

    /// Sends a command unless the queue is full or the owner is gone; tells whether it was sent.
    pub fn try_send(&self, command: Command) -> bool {
        self.commands.try_send(command).is_ok()
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Stopping> {
        let (reply, answer) = oneshot::channel();
        self.send(command(reply)).await?;
        answer.await.map_err(|_| Stopping)
    }

    /// Offers a block of our own making; answers when it was judged.
    ///
    /// # Errors
    /// [`Stopping`]; the inner one says why the block is refused.
    pub async fn submit_block(
        &self,
        block: RawBlock,
    ) -> Result<Result<BlockVerdict, BlockRefusal>, Stopping> {
        self.ask(|reply| Command::SubmitBlock { block, reply }).await
    }

    /// Offers a transaction; answers when it was judged.
    ///
    /// # Errors
    /// [`Stopping`]; the inner one says why the transaction is refused.
    pub async fn submit_tx(&self, tx: LooseTx) -> Result<Result<TxId, TxRefusal>, Stopping> {
        self.ask(|reply| Command::SubmitTx { tx, reply }).await
    }

    /// Asks for work.
    ///
    /// # Errors
    /// [`Stopping`]; the inner one says why there is none.
    pub async fn work(
        &self,
        payout: Payout,
    ) -> Result<Result<Arc<WorkTemplate>, TemplateError>, Stopping> {
        self.ask(|reply| Command::Work { payout, reply }).await
    }

    /// Hands in a solution.
    ///
    /// # Errors
    /// [`Stopping`]; the inner one says why it is refused.
    pub async fn submit_work(
        &self,
        work: SealHash,
        nonce: u64,
        mix_hash: MixHash,
    ) -> Result<Result<BlockVerdict, BlockRefusal>, Stopping> {
        self.ask(|reply| Command::SubmitWork { work, nonce, mix_hash, reply }).await
    }

    /// Asks for a stake block that lacks time and signatures.
    ///
    /// # Errors
    /// [`Stopping`]; the inner one says why there is none.
    pub async fn stake(
        &self,
        request: StakeRequest,
    ) -> Result<Result<StakeTemplate, TemplateError>, Stopping> {
        self.ask(|reply| Command::Stake { request, reply }).await
    }

    /// Returns a loose transaction.
    ///
    /// # Errors
    /// [`Stopping`].
    pub async fn loose_tx(&self, txid: TxId) -> Result<Option<LooseTx>, Stopping> {
        self.ask(|reply| Command::LooseTx { txid, reply }).await
    }

    /// Returns the ids of all loose transactions, parents first.
    ///
    /// # Errors
    /// [`Stopping`].
    pub async fn loose_ids(&self) -> Result<Vec<TxId>, Stopping> {
        self.ask(|reply| Command::LooseIds { reply }).await
    }

    /// Returns an entry of the pool.
    ///
    /// # Errors
    /// [`Stopping`].
    pub async fn pool_entry(&self, txid: TxId) -> Result<Option<PoolEntry>, Stopping> {
        self.ask(|reply| Command::PoolEntry { txid, reply }).await
    }

    /// Returns a part of the pool; `None` when it should begin behind one that is not there.
    ///
    /// # Errors
    /// [`Stopping`].
    pub async fn pool_page(&self, ask: PageAsk) -> Result<Option<PoolPage>, Stopping> {
        self.ask(|reply| Command::PoolPage { ask, reply }).await
    }

    /// Tells what would become of a transaction: fee and bytes, or why it would be refused.
    ///
    /// # Errors
    /// [`Stopping`].
    pub async fn test_tx(&self, tx: LooseTx) -> Result<Result<(Amount, u64), TxRefusal>, Stopping> {
        self.ask(|reply| Command::TestTx { tx, reply }).await
    }

    /// Returns the rate that leaves so many bytes of the pool ahead.
    ///
    /// # Errors
    /// [`Stopping`].
    pub async fn rate_behind(&self, bytes: u64) -> Result<RateAhead, Stopping> {
        self.ask(|reply| Command::RateBehind { bytes, reply }).await
    }

    /// Returns numbers about the pool.
    ///
    /// # Errors
    /// [`Stopping`].
    pub async fn pool_stats(&self) -> Result<MempoolStats, Stopping> {
        self.ask(|reply| Command::PoolStats { reply }).await
    }
}

/// Wraps a block of our own as the wire would carry it.
pub fn raw_block(block: &Block) -> Option<RawBlock> {
    use mvs_primitives::encode::Encode;
    RawBlock::from_wire(block.to_bytes().into()).ok()
}
