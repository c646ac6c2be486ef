//! A recorded chain in a store, asked like a node.

use std::io::Cursor;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};

use mvs_consensus::block::connect_genesis;
use mvs_consensus::error::Rejection;
use mvs_consensus::header::Parent;
use mvs_consensus::params::Params;
use mvs_consensus::script::{CacheUse, SigCache};
use mvs_node::chain::core::{ChainCore, Tools};
use mvs_node::chain::import::{BlockFile, import};
use mvs_node::chain::index::Limits;
use mvs_node::chain::stop::Stop;
use mvs_node::chain::verify::VerifyPool;
use mvs_node::mempool::{LooseTx, Mempool, MempoolConfig, Origin, PolicyConfig, Reject, Tip};
use mvs_node::mining::{Payout, TemplateConfig, WorkTemplate};
use mvs_node::p2p::network::Ban;
use mvs_node::rpc::compat::{MiningView, Source, Unavailable, Version, answer};
use mvs_pow::CacheSet;
use mvs_primitives::hash::{MixHash, SealHash, TxId};
use mvs_primitives::script::Script;
use mvs_store::mmap::MapDisk;
use mvs_store::{Options, Snapshot, Store};
use serde_json::{Value, json};
use testkit::chain::FAR_FUTURE;
use testkit::vectors::recorded_chain;

static CACHES: LazyLock<Arc<CacheSet>> = LazyLock::new(|| Arc::new(CacheSet::new(2)));
static POOL: LazyLock<Arc<VerifyPool>> = LazyLock::new(|| Arc::new(VerifyPool::new(2).unwrap()));

/// The recorded chain, with the index of transactions and addresses.
pub(crate) fn chain_a() -> Recorded {
    Recorded::new("reference-chain", &[], true)
}

/// A time in the life of the recorded chains.
const NOW: u64 = 1_800_000_000;

/// The address that the work of [`Recorded`] pays.
pub(crate) const PAYEE: &str = "MFay4i6zi86HTuUc3y9QePkDwxuZKG7uxX";

pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testnet/kit/data").join(name)
}

pub(crate) fn document(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder(name)).unwrap()).unwrap()
}

fn options() -> Options {
    let mut options = Options::new(7, 10_000);
    options.block_file_bytes = 1 << 20;
    options.engine.segment_bytes = 1 << 20;
    options.engine.grow_bytes = 64 << 10;
    options.engine.background = false;
    options
}

/// What the node was told beside questions.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) added: Vec<SocketAddr>,
    pub(crate) banned: Vec<IpAddr>,
    pub(crate) solved: Vec<(SealHash, u64, MixHash)>,
}

pub(crate) struct Recorded {
    params: Params,
    snapshot: Snapshot<MapDisk>,
    pub(crate) pool: Mutex<Mempool>,
    signatures: SigCache,
    pub(crate) peers: Vec<SocketAddr>,
    pub(crate) heard: Mutex<Heard>,
    folder: PathBuf,
    _store: Store<MapDisk>,
}

impl Recorded {
    /// Imports a recorded chain into a store in a folder of its own, then each branch on top.
    pub(crate) fn new(name: &str, branches: &[&[Vec<u8>]], with_index: bool) -> Self {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let (params, blocks) = recorded_chain(&folder(name)).unwrap();
        let path =
            std::env::temp_dir().join(format!("mvs-rpc-compat-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        let tools = Tools {
            params: Arc::new(params.clone()),
            caches: Arc::clone(&CACHES),
            signatures: Arc::new(SigCache::new([7; 32], 1024)),
            pool: Arc::clone(&POOL),
        };
        let disk = || MapDisk::open(&path).unwrap();
        let mut core = ChainCore::open(disk(), options(), tools, Limits::default()).unwrap().0;
        for blocks in std::iter::once(&blocks[..]).chain(branches.iter().copied()) {
            let mut file = Vec::new();
            for block in blocks {
                file.extend(u32::try_from(block.len()).unwrap().to_le_bytes());
                file.extend(block);
            }
            let file = BlockFile::new(Cursor::new(file)).unwrap();
            import(&mut core, file, || FAR_FUTURE, &Stop::new(), |_| {}).unwrap();
        }
        core.close().unwrap();
        let genesis = connect_genesis(&params).unwrap();
        let (mut store, _) = Store::open(disk(), options(), &genesis).unwrap();
        if with_index {
            store.build_index(&mut |_| true).unwrap();
        }
        let snapshot = store.snapshot();
        Self {
            params,
            snapshot,
            pool: Mutex::new(permissive_pool()),
            signatures: SigCache::new([7; 32], 1 << 14),
            peers: vec!["127.0.0.1:5251".parse().unwrap(), "[::1]:5252".parse().unwrap()],
            heard: Mutex::default(),
            folder: path,
            _store: store,
        }
    }

    pub(crate) fn tip(&self) -> Tip<'_> {
        let tip = self.snapshot.tip();
        let parent = Parent { hash: tip.hash, height: tip.height };
        Tip::new(&self.params, parent, &self.snapshot, &self.snapshot).unwrap()
    }

    pub(crate) fn empty_pool(&self) {
        *self.pool.lock().unwrap() = permissive_pool();
    }

    /// Answers with the whole reply.
    pub(crate) fn reply(&self, version: Version, method: &str, params: Value) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        answer(version, self, &request)
    }

    /// Answers with the result; an error is a failure.
    pub(crate) fn result(&self, version: Version, method: &str, params: Value) -> Value {
        let mut reply = self.reply(version, method, params.clone());
        assert!(reply.get("error").is_none(), "{method} {params}: {reply}");
        reply["result"].take()
    }

    pub(crate) fn v2(&self, method: &str, params: Value) -> Value {
        self.result(Version::V2, method, params)
    }

    pub(crate) fn v3(&self, method: &str, params: Value) -> Value {
        self.result(Version::V3, method, params)
    }

    /// Answers with the number of the error that both versions give.
    pub(crate) fn code(&self, method: &str, params: Value) -> i64 {
        let code = |version| {
            let reply = self.reply(version, method, params.clone());
            reply["error"]["code"].as_i64().unwrap_or_else(|| panic!("{method}: {reply}"))
        };
        assert_eq!(code(Version::V2), code(Version::V3), "{method} {params}");
        code(Version::V3)
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn permissive_pool() -> Mempool {
    let policy = PolicyConfig::PERMISSIVE;
    Mempool::new(MempoolConfig { policy, ..MempoolConfig::default() })
}

impl Source for Recorded {
    type Disk = MapDisk;

    fn params(&self) -> &Params {
        &self.params
    }

    fn snapshot(&self) -> Snapshot<MapDisk> {
        self.snapshot.clone()
    }

    fn loose_txs(&self, limit: usize) -> Result<Vec<LooseTx>, Unavailable> {
        let pool = self.pool.lock().unwrap();
        Ok(pool.in_order().into_iter().take(limit).map(|entry| entry.tx().clone()).collect())
    }

    fn loose_tx(&self, txid: TxId) -> Result<Option<LooseTx>, Unavailable> {
        Ok(self.pool.lock().unwrap().get(&txid).map(|entry| entry.tx().clone()))
    }

    fn submit_tx(&self, tx: LooseTx) -> Result<Result<TxId, Reject>, Unavailable> {
        let cache = CacheUse::ReadWrite(&self.signatures);
        let mut pool = self.pool.lock().unwrap();
        match pool.accept(&self.tip(), tx, Origin::Local, cache, NOW) {
            Ok(admitted) => Ok(Ok(admitted.txid)),
            Err(Rejection::Rule(reject)) => Ok(Err(reject)),
            Err(Rejection::Fault(fault)) => panic!("{fault}"),
        }
    }

    fn peers(&self) -> Vec<SocketAddr> {
        self.peers.clone()
    }

    fn add_peer(&self, address: SocketAddr) -> Result<(), Unavailable> {
        self.heard.lock().unwrap().added.push(address);
        Ok(())
    }

    fn ban(&self, ip: IpAddr) -> Result<(), Unavailable> {
        self.heard.lock().unwrap().banned.push(ip);
        Ok(())
    }

    fn bans(&self) -> Result<Vec<Ban>, Unavailable> {
        let heard = self.heard.lock().unwrap();
        Ok(heard.banned.iter().map(|ip| Ban { ip: *ip, until_unix_secs: 1_795_000_000 }).collect())
    }

    fn mining(&self) -> MiningView {
        MiningView { payment_address: PAYEE.to_owned(), ..MiningView::default() }
    }

    fn work(&self) -> Result<Arc<WorkTemplate>, Unavailable> {
        let payout = Payout::to(Script::pay_key_hash(&[9; 20]));
        let config = TemplateConfig::default();
        let pool = self.pool.lock().unwrap();
        WorkTemplate::build(&self.tip(), &pool, &config, &payout, NOW)
            .map(Arc::new)
            .map_err(|error| Unavailable::NoWork(error.to_string()))
    }

    fn submit_work(
        &self,
        work: SealHash,
        nonce: u64,
        mix_hash: MixHash,
    ) -> Result<bool, Unavailable> {
        self.heard.lock().unwrap().solved.push((work, nonce, mix_hash));
        Ok(true)
    }
}
