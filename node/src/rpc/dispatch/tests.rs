//! The errors that a healthy node does not give.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use mvs_consensus::params::Params;
use mvs_consensus::script::SigCache;
use mvs_pow::CacheSet;
use mvs_rpc_api::error::ErrorCode;
use mvs_store::Options;
use mvs_store::mmap::MapDisk;
use serde_json::{Value, json};
use testkit::chain::FAR_FUTURE;
use testkit::history::History;

use super::{answer, answer_within};
use crate::chain::core::{ChainCore, Tools};
use crate::chain::import::{BlockFile, import};
use crate::chain::index::Limits;
use crate::chain::owner::{Owner, OwnerConfig};
use crate::chain::stop::Stop;
use crate::chain::verify::VerifyPool;
use crate::p2p::codec::Magic;
use crate::p2p::network::Network;
use crate::p2p::peers::NetworkConfig;
use crate::rpc::context::Context;
use crate::rpc::users::Grant;
use crate::telemetry::LogControl;

static CACHES: LazyLock<Arc<CacheSet>> = LazyLock::new(|| Arc::new(CacheSet::new(1)));

/// Pays to a key hash of nines.
fn address() -> String {
    mvs_primitives::address::Address::KeyHash([9; 20]).to_text(&Params::devnet().addresses)
}

/// A node of some blocks whose owner does nothing.
struct Asleep {
    context: Context,
    owner: Option<Owner>,
    folder: PathBuf,
}

impl Asleep {
    fn new(name: &str, blocks: u32, index: impl FnOnce(&mut ChainCore<MapDisk>)) -> Self {
        let folder = std::env::temp_dir().join(format!("mvs-rpc-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let params = Arc::new(Params::devnet());
        let tools = Tools {
            params: Arc::clone(&params),
            caches: Arc::clone(&CACHES),
            signatures: Arc::new(SigCache::new([7; 32], 64)),
            pool: Arc::new(VerifyPool::new(1).unwrap()),
        };
        let disk = MapDisk::open(&folder).unwrap();
        let options = Options::new(7, 100);
        let mut core = ChainCore::open(disk, options, tools, Limits::default()).unwrap().0;
        let mut file = Vec::new();
        for block in History::new(38, Arc::clone(&CACHES)).extend(blocks) {
            file.extend((block.len() as u32).to_le_bytes());
            file.extend(block);
        }
        let file = BlockFile::new(std::io::Cursor::new(file)).unwrap();
        import(&mut core, file, || FAR_FUTURE, &Stop::new(), |_| {}).unwrap();
        index(&mut core);
        let mut config = NetworkConfig::new(Magic::from_number(params.magic));
        config.listen = Vec::new();
        config.seeds = Vec::new();
        let network = Network::start(config, core.tip().height).unwrap().network;
        let stop = Stop::new();
        let (owner, chain) =
            Owner::new(core, OwnerConfig::default(), network.clone(), stop.clone());
        let logs = LogControl::detached();
        let context = Context::new(chain, network, params, stop, logs, None, false);
        Self { context, owner: Some(owner), folder }
    }

    async fn ask(&self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let said = answer(&self.context, Grant::All, body.to_string().as_bytes(), None).await;
        serde_json::from_slice(&said.unwrap()).unwrap()
    }

    async fn error(&self, method: &str, params: Value) -> i64 {
        let said = self.ask(method, params).await;
        said["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error: {said}"))
    }
}

impl Drop for Asleep {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn number(code: ErrorCode) -> i64 {
    code.number().into()
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_does_not_answer_is_given_up() {
    let mut node = Asleep::new("timeout", 3, |_| {});
    assert!(node.ask("chain_tip", json!([])).await["result"].is_object());
    let work = ("mining_template", json!([address()]));
    assert_eq!(node.error(work.0, work.1.clone()).await, number(ErrorCode::Timeout));
    drop(node.owner.take());
    assert_eq!(node.error(work.0, work.1).await, number(ErrorCode::Stopping));
    node.context.stop.set();
    assert_eq!(node.error("chain_tip", json!([])).await, number(ErrorCode::Stopping));
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_turn_is_told_to_ask_again() {
    let node = Asleep::new("busy", 3, |_| {});
    let all = node.context.take_all_turns();
    assert_eq!(node.error("asset_list", json!([])).await, number(ErrorCode::Busy));
    // What walks an address's coins has turns of its own, and leaves these to small questions.
    assert!(node.ask("stake_status", json!([address()])).await["result"].is_object());
    let template = node.error("stake_template", json!([format!("02{}", "11".repeat(32))])).await;
    assert_eq!(template, number(ErrorCode::IndexMissing));
    drop(all);
    assert!(node.ask("asset_list", json!([])).await["result"].is_object());
}

#[tokio::test]
async fn a_failure_of_the_node_is_told_as_one() {
    let node = Asleep::new("internal", 3, |_| {});
    let logs = ("control_log", json!(["info"]));
    assert_eq!(node.error(logs.0, logs.1).await, number(ErrorCode::Internal));
    let panicked = node.context.block_on::<()>(|| panic!("on purpose")).await.unwrap_err();
    assert!(panicked.is(ErrorCode::Internal));
    assert_eq!(panicked.data.unwrap().rule.as_deref(), Some("rpc.panicked"));
}

#[tokio::test]
async fn an_index_that_is_not_complete_is_told_from_none() {
    let address = address();
    let none = Asleep::new("no-index", 3, |_| {});
    let balance = || json!([address]);
    assert_eq!(none.error("address_balance", balance()).await, number(ErrorCode::IndexMissing));
    // It asks whether to go on after each 256 blocks.
    let part = Asleep::new("part-index", 300, |core| {
        core.build_index(&mut |_| false).unwrap_err();
    });
    assert_eq!(part.error("address_balance", balance()).await, number(ErrorCode::IndexIncomplete));
    let txid = json!(["11".repeat(32)]);
    let whole = Asleep::new("index", 3, |core| core.build_index(&mut |_| true).unwrap());
    assert!(whole.ask("address_balance", balance()).await["result"].is_object());
    // Neither in the chain nor, as nobody answers for the pool any more, told of it.
    drop(part);
    let mut whole = whole;
    drop(whole.owner.take());
    assert_eq!(whole.error("chain_transaction", txid).await, number(ErrorCode::Stopping));
}

#[tokio::test]
async fn a_batch_ends_where_its_answers_are_too_long() {
    let node = Asleep::new("batch", 3, |_| {});
    let one = json!({"jsonrpc": "2.0", "id": 1, "method": "chain_header"});
    let body = json!([one, one, {"jsonrpc": "2.0", "method": "chain_header"}, one]).to_string();
    let said = answer_within(300, &node.context, Grant::Read, body.as_bytes(), None).await;
    let said: Vec<Value> = serde_json::from_slice(&said.unwrap()).unwrap();
    assert_eq!(said.len(), 3, "a notification is not answered");
    assert!(said[0]["result"].is_object());
    for late in &said[1..] {
        assert_eq!(late["error"]["code"], number(ErrorCode::TooMuch), "{late}");
    }
}
