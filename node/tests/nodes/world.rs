//! Nodes, and waiting for what they do.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mvs_consensus::params::Params;
use mvs_consensus::script::SigCache;
use mvs_node::chain::command::{ChainHandle, Command};
use mvs_node::chain::core::{ChainCore, ChainError, Tools};
use mvs_node::chain::import::{BlockFile, import};
use mvs_node::chain::index::Limits;
use mvs_node::chain::owner::{Owner, OwnerConfig};
use mvs_node::chain::stop::Stop;
use mvs_node::chain::verify::VerifyPool;
use mvs_node::mining::{Payout, WorkTemplate};
use mvs_node::p2p::codec::Magic;
use mvs_node::p2p::message::RawBlock;
use mvs_node::p2p::network::Network;
use mvs_node::p2p::peers::{NetworkConfig, Started};
use mvs_pow::{CacheSet, Effort, Epoch, Job, boundary, search_light};
use mvs_primitives::block::Block;
use mvs_primitives::hash::MixHash;
use mvs_primitives::script::Script;
use mvs_store::mmap::MapDisk;
use mvs_store::{Options, Tip};
use testkit::chain::FAR_FUTURE;
use testkit::history::History;
use tokio::runtime::Runtime;

static CACHES: LazyLock<Arc<CacheSet>> = LazyLock::new(|| Arc::new(CacheSet::new(2)));
static POOL: LazyLock<Arc<VerifyPool>> = LazyLock::new(|| Arc::new(VerifyPool::new(2).unwrap()));

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits for a condition.
pub(crate) fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn history(seed: u64) -> History {
    History::new(seed, Arc::clone(&CACHES))
}

pub(crate) fn feed(bytes: &[u8]) -> RawBlock {
    RawBlock::from_wire(bytes.to_vec().into()).unwrap()
}

fn tools() -> Tools {
    Tools {
        params: Arc::new(Params::devnet()),
        caches: Arc::clone(&CACHES),
        signatures: Arc::new(SigCache::new([7; 32], 1024)),
        pool: Arc::clone(&POOL),
    }
}

fn open(folder: &std::path::Path) -> ChainCore<MapDisk> {
    let disk = MapDisk::open(folder).unwrap();
    ChainCore::open(disk, Options::new(7, 10_000), tools(), Limits::default()).unwrap().0
}

/// A node that runs.
pub(crate) struct Node {
    pub(crate) chain: ChainHandle,
    pub(crate) network: Network,
    folder: PathBuf,
    keep: Arc<AtomicBool>,
    address: SocketAddr,
    runtime: Runtime,
    stop: Stop,
    thread: Option<JoinHandle<Result<(), ChainError>>>,
}

impl Node {
    /// A new node that knows the genesis block.
    pub(crate) fn start(name: &str, connect: &[SocketAddr]) -> Self {
        Self::run(Self::folder(name), connect, |_| {})
    }

    /// A new node that knows these blocks.
    pub(crate) fn with_blocks(name: &str, blocks: &[Vec<u8>]) -> Self {
        Self::with_blocks_and(name, blocks, |_| {})
    }

    /// The same, with other settings of the network.
    pub(crate) fn with_blocks_and(
        name: &str,
        blocks: &[Vec<u8>],
        configure: impl FnOnce(&mut NetworkConfig),
    ) -> Self {
        let folder = Self::folder(name);
        let mut core = open(&folder);
        let mut file = Vec::new();
        for block in blocks {
            file.extend((block.len() as u32).to_le_bytes());
            file.extend(block);
        }
        let file = BlockFile::new(std::io::Cursor::new(file)).unwrap();
        import(&mut core, file, || FAR_FUTURE, &Stop::new(), |_| {}).unwrap();
        core.close().unwrap();
        Self::run(folder, &[], configure)
    }

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("mvs-node-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    fn run(
        folder: PathBuf,
        connect: &[SocketAddr],
        configure: impl FnOnce(&mut NetworkConfig),
    ) -> Self {
        let core = open(&folder);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let params = Params::devnet();
        let mut config = NetworkConfig::new(Magic::from_number(params.magic));
        config.listen = vec!["127.0.0.1:0".parse().unwrap()];
        config.add_peers = connect.to_vec();
        config.allow_local = true;
        configure(&mut config);
        let Started { network, mut events, listening } = {
            let _inside = runtime.enter();
            Network::start(config, core.tip().height).unwrap()
        };
        let stop = Stop::new();
        let (owner, chain) =
            Owner::new(core, OwnerConfig::default(), network.clone(), stop.clone());
        let forward = chain.clone();
        runtime.spawn(async move {
            while let Some(event) = events.recv().await {
                if forward.send(Command::Network(event)).await.is_err() {
                    return;
                }
            }
        });
        let (ticks, stopped) = (chain.clone(), stop.clone());
        runtime.spawn(async move {
            while !stopped.is_set() {
                tokio::time::sleep(Duration::from_millis(50)).await;
                ticks.try_send(Command::Tick);
            }
            ticks.try_send(Command::Tick);
        });
        let thread = std::thread::spawn(move || owner.run());
        Self {
            chain,
            network,
            folder,
            keep: Arc::default(),
            address: listening[0],
            runtime,
            stop,
            thread: Some(thread),
        }
    }

    /// Stops cleanly and starts again.
    pub(crate) fn restart(self, connect: &[SocketAddr]) -> Self {
        let folder = self.folder.clone();
        self.keep.store(true, Ordering::SeqCst);
        drop(self);
        Self::run(folder, connect, |_| {})
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn tip(&self) -> Tip {
        self.chain.tip().tip
    }

    pub(crate) fn height(&self) -> u32 {
        self.tip().height.value()
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub(crate) fn work(&self) -> Work {
        let payout = Payout::to(Script::pay_key_hash(&[9; 20]));
        Work(self.block_on(self.chain.work(payout)).unwrap().unwrap())
    }

    /// Finds a block by a template and hands it in.
    pub(crate) fn mine(&self) {
        let work = self.work();
        let (nonce, mix_hash) = work.search();
        let verdict = self.block_on(self.chain.submit_work(work.0.seal_hash(), nonce, mix_hash));
        assert!(verdict.unwrap().unwrap().is_on_chain);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.set();
        self.chain.try_send(Command::Tick);
        let result = self.thread.take().unwrap().join();
        // What is left of it ends with the runtime.
        let _ = self.runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(2), self.network.stop()).await
        });
        if !self.keep.load(Ordering::SeqCst) {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
        // A second panic would hide the first.
        if !std::thread::panicking() {
            result.unwrap().unwrap();
        }
    }
}

pub(crate) struct Work(Arc<WorkTemplate>);

impl Work {
    fn search(&self) -> (u64, MixHash) {
        let header = self.0.header();
        let epoch = Epoch::of_block(u64::from(header.number.value())).unwrap();
        let job = Job {
            seal_hash: *self.0.seal_hash().as_bytes(),
            boundary: boundary(header.bits.value()),
            start: 0,
            count: 1 << 32,
        };
        let cache = CACHES.get(epoch).unwrap();
        let found = search_light(&cache, &job, &Effort::default(), &AtomicBool::new(false));
        let found = *found.found.first().unwrap();
        (found.nonce, MixHash::from_bytes(found.seal.mix_hash))
    }

    pub(crate) fn solve_here(&self) -> Block {
        let (nonce, mix_hash) = self.search();
        self.0.solve(nonce, mix_hash)
    }
}
