//! A running node behind the interface.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use mvs_consensus::params::Params;
use mvs_node::mining::Payout;
use mvs_node::rpc::compat::{NodeSource, Payee, Version, answer};
use mvs_pow::{CacheSet, Effort, Epoch, Job, search_light};
use mvs_primitives::address::Address;
use mvs_primitives::script::Script;
use serde_json::{Value, json};

use super::world::{Node, soon};

fn source(node: &Node, payee: Option<Payee>) -> NodeSource {
    let params = Arc::new(Params::devnet());
    NodeSource::new(params, node.chain.clone(), node.network.clone(), payee, false)
}

fn ask(source: &NodeSource, version: Version, method: &str, params: Value) -> Value {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    answer(version, source, &request)
}

fn bytes(value: &Value) -> [u8; 32] {
    let mut bytes = [0; 32];
    hex::decode_to_slice(&value.as_str().unwrap()[2..], &mut bytes).unwrap();
    bytes
}

#[test]
fn a_pool_mines_on_a_running_node() {
    let node = Node::start("compat", &[]);
    soon("it counts as synced", || node.chain.status().is_synced);
    let address = Address::KeyHash([9; 20]).to_text(&Params::devnet().addresses);
    let payout = Payout::to(Script::pay_key_hash(&[9; 20]));
    let poor = source(&node, None);
    assert_eq!(ask(&poor, Version::V3, "getwork", json!([]))["error"]["code"], 1_024);
    let source = source(&node, Some(Payee { payout, address: address.clone() }));
    let set = ask(&source, Version::V2, "setminingaccount", json!(["pool", "x", address]));
    assert!(set.get("error").is_none(), "{set}");
    for (height, version) in [(1, Version::V2), (2, Version::V3)] {
        let pending = ask(&source, version, "fetchheaderext", json!(["pool", "x", "pending"]));
        assert_eq!(pending["result"]["number"], height);
        let work = ask(&source, version, "eth_getWork", json!([]))["result"].take();
        let job =
            Job { seal_hash: bytes(&work[0]), boundary: bytes(&work[2]), start: 0, count: 1 << 32 };
        let cache = CacheSet::new(1).get(Epoch::new(0).unwrap()).unwrap();
        let found = search_light(&cache, &job, &Effort::default(), &AtomicBool::new(false));
        let found = *found.found.first().unwrap();
        let nonce = match version {
            Version::V2 => format!("{:016x}", found.nonce ^ 0x6675_636b_6d65_7461),
            Version::V3 => format!("0x{:016x}", found.nonce),
        };
        let solution = json!([nonce, work[0], format!("0x{}", hex::encode(found.seal.mix_hash))]);
        let verdict = ask(&source, version, "eth_submitWork", solution.clone());
        assert_eq!(verdict["result"], true, "{verdict}");
        assert_eq!(ask(&source, version, "getheight", json!([]))["result"], height);
        // The same once more is no new block.
        assert_eq!(ask(&source, version, "submitwork", solution)["result"], false);
    }
    let info = ask(&source, Version::V3, "getinfo", json!([]))["result"].take();
    assert_eq!((&info["height"], &info["peers"]), (&json!(2), &json!(0)));
    assert_eq!(ask(&source, Version::V3, "getmemorypool", json!([]))["result"], json!([]));
    let zeros = "00".repeat(32);
    assert_eq!(ask(&source, Version::V3, "gettx", json!([zeros]))["error"]["code"], 1_024);
    let list = ask(&source, Version::V3, "addnode", json!(["-o", "list"]));
    assert_eq!(list["result"]["banned"], json!([]));
}

#[test]
fn it_answers_inside_a_task_of_a_runtime_too() {
    let node = Node::start("compat-task", &[]);
    let source = source(&node, None);
    let reply = node.block_on(async move {
        // Not how it should be called, but it must not panic.
        ask(&source, Version::V3, "getmemorypool", json!([]))
    });
    assert_eq!(reply["result"], json!([]));
}
