//! The RPC of the program itself, on loopback.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is the failure")]

#[path = "rpc/client.rs"]
mod client;
#[path = "processes/program.rs"]
#[expect(dead_code, reason = "each test program uses a part of the helpers")]
mod program;
#[path = "rpc/schema.rs"]
mod schema;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};

use client::Client;
use mvs_pow::{CacheSet, Effort, Epoch, Job, search_light};
use mvs_primitives::block::Block;
use mvs_primitives::encode::{Decode as _, Encode as _};
use mvs_rpc_api::error::ErrorCode;
use program::{Folder, Running, program, soon};
use serde_json::{Value, json};
use testkit::history::History;

static CACHES: LazyLock<Arc<CacheSet>> = LazyLock::new(|| Arc::new(CacheSet::new(2)));

fn history(seed: u64) -> History {
    History::new(seed, Arc::clone(&CACHES))
}

/// A node that knows these blocks, and a client with its cookie.
fn node(folder: &Folder, blocks: &[Vec<u8>], args: &[&str]) -> (Running, Client, String) {
    let data = folder.path("data");
    if !blocks.is_empty() {
        let mut file = Vec::new();
        for block in blocks {
            file.extend((block.len() as u32).to_le_bytes());
            file.extend(block);
        }
        let path = folder.path("blocks.bin");
        std::fs::write(&path, file).unwrap();
        let import = program(&data, &["import", &path]);
        assert_eq!(import.code, 0, "{}", import.stderr);
    }
    let node = Running::start(&data, args);
    let client = Client::new(node.rpc_address(), &data);
    (node, client, data)
}

fn submit(client: &Client, block: &[u8]) -> Value {
    client.call("mining_submit_block", json!([hex::encode(block)])).unwrap()
}

/// The first name of a list.
fn first(client: &Client, method: &str, list: &str, name: &str) -> String {
    let answer = client.call(method, json!({"limit": 1})).unwrap();
    answer[list][0][name].as_str().unwrap_or_else(|| panic!("{method}: {answer}")).to_owned()
}

/// An address that was paid.
fn paid_address(client: &Client, height: u32) -> String {
    let block = client.call("chain_block", json!([height, "full"])).unwrap();
    let output = &block["transactions"][0]["outputs"][0];
    output["script"]["address"].as_str().unwrap().to_owned()
}

#[test]
fn every_method_answers_as_the_document_says() {
    let folder = Folder::new("rpc-methods");
    let mut history = history(31);
    let blocks = history.extend(120);
    let next = history.next_block();
    let (node, client, _) = node(&folder, &blocks, &["--index"]);
    let document: Value = serde_json::from_str(&client.get("/openrpc.json").body).unwrap();

    let (symbol, did, mit) = (
        first(&client, "asset_list", "assets", "symbol"),
        {
            // The first name of all is the one that every node knows.
            let answer = client.call("did_list", json!({"limit": 2})).unwrap();
            answer["dids"][1]["name"].as_str().unwrap().to_owned()
        },
        first(&client, "mit_list", "mits", "symbol"),
    );
    let address = paid_address(&client, 20);
    let home = client.call("did_show", json!([did])).unwrap()["address"].clone();
    let block = client.call("chain_block", json!([100])).unwrap();
    let txid = block["transactions"][0].clone();
    let loose: Vec<String> = {
        let block = Block::decode(&next).unwrap();
        let ordinary = block.transactions.iter().filter(|tx| !tx.is_coinbase());
        ordinary.map(|tx| hex::encode(tx.to_bytes())).collect()
    };
    let submitted = loose
        .iter()
        .find_map(|tx| client.call("mempool_submit", json!([tx])).ok())
        .expect("the pool takes some transaction of a block");
    let coin_txid = client.call("address_unspent", json!([address])).unwrap();
    let coin = &coin_txid["coins"][0];
    let work = client.call("mining_template", json!([address])).unwrap();

    // Each with parameters that work, and whether the answer is the same in every run.
    let calls = [
        ("chain_tip", json!([]), false),
        ("chain_block", json!([100]), true),
        ("chain_block", json!([block["header"]["hash"], "full"]), true),
        ("chain_block", json!([3, "hex"]), true),
        ("chain_block", json!([90, "full", "decimal"]), true),
        ("chain_header", json!([0]), true),
        ("chain_header", json!([]), true),
        ("chain_transaction", json!([txid]), true),
        ("chain_transaction", json!([txid, 100, "hex"]), true),
        ("chain_transaction", json!([submitted["txid"]]), true),
        ("chain_coin", json!([coin["txid"], coin["index"]]), true),
        ("chain_statistics", json!([60]), true),
        ("chain_digest", json!([]), true),
        ("chain_digest", json!([60]), true),
        ("mempool_list", json!([]), false),
        ("mempool_list", json!([null, 1, "full"]), false),
        ("mempool_entry", json!([submitted["txid"]]), false),
        ("mempool_test", json!([loose[0]]), true),
        ("address_history", json!([address, "newest_first", null, 3, "decimal"]), true),
        ("address_history", json!([address]), true),
        ("address_unspent", json!([address, null, 2]), true),
        ("address_unspent", json!([address, null, 2, "decimal"]), true),
        ("chain_coin", json!([coin["txid"], coin["index"], "decimal"]), true),
        ("address_balance", json!([address, "decimal"]), true),
        ("address_balance", json!([address]), true),
        ("asset_list", json!([null, 3]), true),
        ("asset_show", json!([symbol]), true),
        ("asset_show", json!([symbol, "decimal"]), true),
        ("asset_issues", json!([symbol]), true),
        ("asset_holders", json!([symbol]), true),
        ("asset_holders", json!([symbol, 2, "decimal"]), true),
        ("asset_certificates", json!([symbol]), true),
        ("did_show", json!([did]), true),
        ("did_list", json!([null, 3]), true),
        ("did_of_address", json!([home]), true),
        ("did_history", json!([did]), true),
        ("mit_show", json!([mit]), true),
        ("mit_list", json!([null, 3]), true),
        ("mit_trace", json!([mit]), true),
        ("mining_template", json!([address, "0102"]), false),
        ("mining_info", json!([50]), false),
        ("stake_status", json!([address]), true),
        ("stake_status", json!([address, 10]), true),
        ("network_peers", json!([]), true),
        ("network_add", json!(["127.0.0.1:1"]), true),
        ("network_add", json!(["127.0.0.1:1", true]), true),
        ("network_ban", json!(["192.0.2.7", 60]), true),
        ("network_bans", json!([]), false),
        ("network_ban", json!(["192.0.2.7", 0]), true),
        ("network_traffic", json!([]), false),
        ("fee_estimate", json!([1]), true),
        ("control_status", json!([]), false),
        ("control_log", json!(["info,rpc=debug"]), true),
        ("control_help", json!(["chain_block"]), true),
    ];
    let mut golden = BTreeMap::new();
    let mut called: BTreeSet<String> = BTreeSet::new();
    let methods: BTreeMap<&str, &Value> = document["methods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|method| (method["name"].as_str().unwrap(), method))
        .collect();
    for (name, params, is_same) in &calls {
        let method = methods[name];
        let answer = client.call(name, params.clone());
        let answer = answer.unwrap_or_else(|error| panic!("{name} {params}: {error}"));
        schema::check(&answer, &method["result"]["schema"], &document)
            .unwrap_or_else(|error| panic!("{name} {params}: {error}"));
        // By name, as the document names them.
        let named: serde_json::Map<String, Value> = method["params"]
            .as_array()
            .unwrap()
            .iter()
            .zip(params.as_array().unwrap())
            .map(|(param, value)| (param["name"].as_str().unwrap().to_owned(), value.clone()))
            .collect();
        let again = client.call(name, Value::Object(named)).unwrap();
        if *is_same {
            assert_eq!(again, answer, "{name} {params}");
            golden.insert(format!("{name} {params}"), answer);
        }
        called.insert((*name).to_owned());
    }
    // What changes the node; the end comes last.
    let fits = |name: &str, answer: &Value| {
        schema::check(answer, &methods[name]["result"]["schema"], &document)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    };
    fits("mempool_submit", &submitted);
    let refused =
        client.call("mining_submit", json!([work["work"], "0000000000000000", "00".repeat(32)]));
    assert_eq!(refused.unwrap_err()["data"]["name"], "block_refused");
    // Stake blocks have a test of their own (`stake.rs`): this chain is below their era.
    let key = format!("02{}", "11".repeat(32));
    let refused = client.call("stake_template", json!([key])).unwrap_err();
    assert_eq!(refused["data"]["rule"], "template.stake_none");
    let none = json!(["00".repeat(32), loose[0], 1, "00".repeat(64)]);
    let refused = client.call("stake_submit", none).unwrap_err();
    assert_eq!(refused["data"]["rule"], "work.unknown");
    let verdict = submit(&client, &next);
    assert_eq!(verdict["is_on_chain"], true);
    fits("mining_submit_block", &verdict);
    let work = client.call("mining_template", json!([address])).unwrap();
    let solved = solve(&work);
    let verdict = client.call("mining_submit", solved).unwrap();
    assert_eq!((&verdict["is_on_chain"], work["height"].as_u64()), (&json!(true), Some(122)));
    fits("mining_submit", &verdict);
    let tip = client.call("chain_tip", json!([])).unwrap();
    assert_eq!((&tip["height"], &tip["hash"]), (&json!(122), &verdict["hash"]));
    soon("the pool is told of the block", || {
        client.call("mempool_list", json!([])).unwrap()["count"] == 0
    });
    let mut socket = client.socket();
    let subscribed = socket.call("event_subscribe", json!(["tip"])).unwrap();
    fits("event_subscribe", &subscribed);
    let number = json!([subscribed["subscription"]]);
    fits("event_unsubscribe", &socket.call("event_unsubscribe", number).unwrap());
    let stopped = client.call("control_stop", json!([])).unwrap();
    assert_eq!(stopped, json!({"done": true}));
    fits("control_stop", &stopped);
    for name in ["mining_submit", "mempool_submit", "mining_submit_block", "event_subscribe"] {
        called.insert(name.to_owned());
    }
    called.extend(["event_unsubscribe".to_owned(), "control_stop".to_owned()]);
    called.extend(["stake_template".to_owned(), "stake_submit".to_owned()]);
    let all: BTreeSet<String> = methods.keys().map(|name| (*name).to_owned()).collect();
    assert_eq!(called, all);
    assert_eq!(node.ended(), Some(0));
    compare("methods", &json!(golden));
}

/// Finds the solution of work, as parameters of `mining_submit`.
fn solve(work: &Value) -> Value {
    let bytes = |name: &str| -> [u8; 32] {
        let mut bytes = [0; 32];
        hex::decode_to_slice(work[name].as_str().unwrap(), &mut bytes).unwrap();
        bytes
    };
    let (seal_hash, boundary) = (bytes("work"), bytes("boundary"));
    let job = Job { seal_hash, boundary, start: 0, count: 1 << 32 };
    let cache = CACHES.get(Epoch::new(0).unwrap()).unwrap();
    let found = search_light(&cache, &job, &Effort::default(), &AtomicBool::new(false));
    let found = found.found.first().unwrap();
    json!([work["work"], format!("{:016x}", found.nonce), hex::encode(found.seal.mix_hash)])
}

/// Compares with the recorded answers; `BLESS=1` records them anew.
fn compare(name: &str, found: &Value) {
    let path = format!("{}/tests/rpc/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = serde_json::to_string_pretty(found).unwrap() + "\n";
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(std::path::Path::new(&path).parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        return;
    }
    let expected: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    for (call, answer) in expected.as_object().unwrap() {
        assert_eq!(&found[call], answer, "{call}");
    }
    assert_eq!(found.as_object().unwrap().len(), expected.as_object().unwrap().len());
}

/// Those that need a broken node, minutes, or a large chain: `rpc::dispatch::tests` has them.
const NOT_PRODUCED: [ErrorCode; 6] = [
    ErrorCode::Internal,
    ErrorCode::Busy,
    ErrorCode::Stopping,
    ErrorCode::Timeout,
    ErrorCode::IndexIncomplete,
    ErrorCode::TooMuch,
];

#[test]
fn every_error_has_its_number() {
    let folder = Folder::new("rpc-errors");
    let users = folder.path("users");
    let mut lines = String::new();
    for (name, right) in [("reader", "read"), ("miner", "mine")] {
        let mut make = Command::new(env!("CARGO_BIN_EXE_mvs-node"))
            .args(["rpc-user", name, right])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        make.stdin.take().unwrap().write_all(b"correct horse\n").unwrap();
        let made = make.wait_with_output().unwrap();
        assert!(made.status.success());
        lines += &String::from_utf8(made.stdout).unwrap();
    }
    std::fs::write(&users, lines).unwrap();
    let blocks = history(32).extend(30);
    let (node, client, _) = node(&folder, &blocks, &["--rpc-users", &users]);
    let reader = client.as_user("reader:correct horse");
    let miner = client.as_user("miner:correct horse");
    let (hash, address) = ("00".repeat(32), paid_address(&client, 3));
    let tip = client.call("chain_block", json!([30])).unwrap();
    let coinbase = client.call("chain_transaction", json!([tip["transactions"][0], 30, "hex"]));

    let mut seen = BTreeMap::new();
    let mut expect = |code: ErrorCode, number: i64| {
        assert_eq!(number, i64::from(code.number()), "{}", code.name());
        seen.insert(code.number(), ());
    };
    let body = |body: &str| -> i64 {
        let answer: Value = serde_json::from_str(&client.post(body).body).unwrap();
        answer["error"]["code"].as_i64().unwrap()
    };
    expect(ErrorCode::Parse, body("{"));
    expect(ErrorCode::InvalidRequest, body("[]"));
    expect(ErrorCode::MethodNotFound, client.error("weather", json!([])));
    expect(ErrorCode::MethodNotFound, client.error("control_help", json!(["weather"])));
    expect(ErrorCode::InvalidParams, client.error("chain_block", json!(["nonsense"])));
    expect(ErrorCode::InvalidParams, client.error("address_balance", json!(["M123"])));
    expect(ErrorCode::InvalidParams, client.error("mempool_test", json!(["00"])));
    expect(ErrorCode::InvalidParams, client.error("control_log", json!(["=!="])));
    expect(ErrorCode::Rights, reader.error("control_stop", json!([])));
    expect(ErrorCode::Rights, reader.error("mempool_submit", json!(["00"])));
    expect(ErrorCode::Rights, reader.error("mining_template", json!([address])));
    expect(ErrorCode::Rights, miner.error("chain_coin", json!([hash, 0])));
    // What a pool asks beside work.
    assert!(miner.call("chain_tip", json!([])).is_ok());
    assert!(miner.call("chain_header", json!([3])).is_ok());
    assert!(reader.call("chain_tip", json!([])).is_ok());
    assert!(miner.call("mining_template", json!([address])).is_ok());
    assert!(miner.call("mining_info", json!([])).is_ok());
    expect(ErrorCode::NeedsSocket, client.error("event_subscribe", json!(["tip"])));
    expect(ErrorCode::NeedsSocket, client.error("event_unsubscribe", json!([1])));
    expect(ErrorCode::BlockNotFound, client.error("chain_block", json!([31])));
    expect(ErrorCode::BlockNotFound, client.error("chain_header", json!([hash])));
    let missing = json!([hash, 30]);
    expect(ErrorCode::TransactionNotFound, client.error("chain_transaction", missing));
    expect(ErrorCode::TransactionNotFound, client.error("mempool_entry", json!([hash])));
    expect(ErrorCode::CoinNotFound, client.error("chain_coin", json!([hash, 0])));
    expect(ErrorCode::AssetNotFound, client.error("asset_show", json!(["NO.SUCH"])));
    expect(ErrorCode::AssetNotFound, client.error("asset_issues", json!(["NO.SUCH"])));
    expect(ErrorCode::DidNotFound, client.error("did_show", json!(["nobody"])));
    expect(ErrorCode::MitNotFound, client.error("mit_trace", json!(["nothing"])));
    expect(ErrorCode::IndexMissing, client.error("chain_transaction", json!([hash])));
    expect(ErrorCode::IndexMissing, client.error("address_balance", json!([address])));
    let refused = client.call("mempool_submit", json!([coinbase.unwrap()])).unwrap_err();
    assert!(refused["data"]["rule"].as_str().unwrap().starts_with("tx."), "{refused}");
    expect(ErrorCode::TransactionRefused, refused["code"].as_i64().unwrap());
    let known = client.call("mining_submit_block", json!([hex::encode(&blocks[29])]));
    let known = known.unwrap_err();
    assert_eq!(known["data"]["rule"], "block.known", "{known}");
    expect(ErrorCode::BlockRefused, known["code"].as_i64().unwrap());
    let unknown = client.call("mining_submit", json!([hash, "00".repeat(8), hash])).unwrap_err();
    assert_eq!(unknown["data"]["rule"], "work.unknown", "{unknown}");
    expect(ErrorCode::NoWork, client.error("mining_template", json!([address, "", "NO.SUCH"])));
    expect(ErrorCode::NoPayout, client.error("mining_template", json!([])));

    let mut socket = client.socket();
    let mut refused = |params: Value| {
        let error = socket.call("event_subscribe", params).unwrap_err();
        error["code"].as_i64().unwrap()
    };
    expect(ErrorCode::CursorGone, refused(json!(["blocks", null, format!("29:{hash}")])));
    expect(ErrorCode::CursorGone, refused(json!(["mempool", null, "0000000000000000:0"])));
    expect(ErrorCode::InvalidParams, refused(json!(["blocks", null, "yesterday"])));
    expect(ErrorCode::IndexMissing, refused(json!(["address", address])));
    for _ in 0..64 {
        socket.call("event_subscribe", json!(["tip"])).unwrap();
    }
    let many = socket.call("event_subscribe", json!(["tip"])).unwrap_err();
    expect(ErrorCode::TooManySubscriptions, many["code"].as_i64().unwrap());
    let none = socket.call("event_unsubscribe", json!([99])).unwrap_err();
    expect(ErrorCode::SubscriptionNotFound, none["code"].as_i64().unwrap());

    for code in ErrorCode::ALL {
        let is_seen = seen.contains_key(&code.number());
        assert_ne!(is_seen, NOT_PRODUCED.contains(code), "{}", code.name());
    }
    node.terminate();
}

#[test]
fn batches_are_answered_in_order() {
    let folder = Folder::new("rpc-batch");
    let (node, client, _) = node(&folder, &[], &[]);
    let batch = json!([
        {"jsonrpc": "2.0", "id": "a", "method": "chain_header", "params": [0]},
        {"jsonrpc": "2.0", "method": "chain_tip"},
        7,
        {"jsonrpc": "2.0", "id": null, "method": "chain_tip"},
    ]);
    let said = client.post(&batch.to_string());
    let answers: Vec<Value> = serde_json::from_str(&said.body).unwrap();
    assert_eq!(answers.len(), 3, "a notification is not answered");
    assert_eq!(answers[0]["id"], "a");
    assert_eq!(answers[0]["result"]["height"], 0);
    assert_eq!(answers[1]["error"]["code"], -32600);
    assert!(answers[2]["id"].is_null() && answers[2]["result"].is_object());
    let said = client.post(r#"{"jsonrpc":"2.0","method":"chain_tip"}"#);
    assert_eq!((said.status, said.body.as_str()), (204, ""));
    let many = vec![json!({"jsonrpc": "2.0", "id": 1, "method": "chain_tip"}); 101];
    let said = client.post(&json!(many).to_string());
    let answer: Value = serde_json::from_str(&said.body).unwrap();
    assert_eq!(answer["error"]["code"], -32600);
    // What watches the node is on the same port.
    assert!(client.get("/metrics").body.contains("mvs_chain_height 0"));
    assert_eq!(client.get("/healthy").status, 200);
    soon("ready", || client.get("/ready").status == 200);
    node.terminate();
}

/// The first node's interface by HTTP; what its answers look like is tested without a port.
#[test]
fn scripts_of_the_first_node_are_answered() {
    let folder = Folder::new("rpc-compat");
    let blocks = history(37).extend(40);
    let data = folder.path("address");
    let address = {
        let (node, client, _) = node(&folder, &blocks, &[]);
        let address = paid_address(&client, 20);
        node.terminate();
        address
    };
    std::fs::rename(folder.path("data"), &data).unwrap();
    let asks = |path: &str, client: &Client, more: &[(&str, &str)], body: &str| {
        client.request(&format!("POST {path}"), more, body)
    };
    let body = |method: &str, params: Value| {
        json!({"jsonrpc": "2.0", "id": 5, "method": method, "params": params}).to_string()
    };
    let answer = |said: &client::Said| -> Value {
        assert_eq!(said.status, 200, "{said:?}");
        serde_json::from_str(&said.body).unwrap()
    };
    let height = body("getheight", json!([]));

    // Nobody may ask without a password unless the operator lets guests.
    let closed = Running::start(&data, &["--index", "--payout", &address]);
    let client = Client::new(closed.rpc_address(), &data);
    assert_eq!(asks("/rpc/v2", &client, &[("Authorization", "")], &height).status, 401);
    for path in ["/rpc/v2", "/rpc/v3"] {
        let said = answer(&asks(path, &client, &[], &height));
        assert_eq!(said, json!({"id": 5, "jsonrpc": "2.0", "result": 40}));
    }
    let block = answer(&asks("/rpc/v2", &client, &[], &body("getblock", json!(["7"]))));
    assert_eq!(block["result"]["header"]["result"]["number"], 7, "{block}");
    let block = answer(&asks("/rpc/v3", &client, &[], &body("getblock", json!([7]))));
    let txid = block["result"]["transactions"][0]["hash"].as_str().unwrap().to_owned();
    let shown = answer(&asks("/rpc/v3", &client, &[], &body("gettx", json!([txid]))));
    assert_eq!((&shown["result"]["height"], &shown["result"]["hash"]), (&json!(7), &json!(txid)));
    // What waits for the chain's thread, and what only its pool can tell.
    let unknown = answer(&asks("/rpc/v3", &client, &[], &body("gettx", json!(["00".repeat(32)]))));
    assert_eq!(unknown["error"]["code"], 5306, "{unknown}");
    let work = answer(&asks("/rpc/v2", &client, &[], &body("getwork", json!([]))));
    assert_eq!(work["result"].as_array().unwrap().len(), 3, "{work}");
    let info = answer(&asks("/rpc/v3", &client, &[], &body("getmininginfo", json!([]))));
    assert_eq!(info["result"]["payment_address"], address, "{info}");
    // Only these paths, and only to be asked.
    assert_eq!(asks("/rpc/v4", &client, &[], &height).status, 404);
    assert_eq!(asks("/rpc/v2/x", &client, &[], &height).status, 404);
    assert_eq!(client.request("GET /rpc/v2", &[], "").status, 405);
    closed.terminate();

    let open = Running::start(&data, &["--rpc-guest", "read"]);
    let client = Client::new(open.rpc_address(), &data);
    let guest = [("Authorization", "")];
    assert_eq!(answer(&asks("/rpc/v2", &client, &guest, &height))["result"], 40);
    // What command lines send by default, or nothing; a form's other kinds are refused.
    for (kind, status) in [
        ("application/x-www-form-urlencoded", 200),
        ("", 200),
        ("text/plain", 415),
        ("multipart/form-data", 415),
    ] {
        let more = [guest[0], ("Content-Type", kind)];
        assert_eq!(asks("/rpc/v2", &client, &more, &height).status, status, "{kind}");
    }
    // Guests do not get further than they are let, and wrong passwords make nobody a guest.
    for (method, params) in
        [("sendrawtx", json!(["00"])), ("addnode", json!(["127.0.0.1:1"])), ("getwork", json!([]))]
    {
        let said = answer(&asks("/rpc/v2", &client, &guest, &body(method, params)));
        let message = said["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains("needs the right"), "{method}: {said}");
        assert_eq!(said["id"], 5);
    }
    assert_eq!(asks("/rpc/v2", &client.as_user("a:b"), &[], &height).status, 401);
    assert_eq!(asks("/rpc", &client, &guest, &height).status, 401, "our own needs a password");
    // Pages, and bodies that are none.
    for page in [("Origin", "https://evil.example"), ("Host", "evil.example")] {
        for body in
            [&height, &body("sendrawtx", json!(["00"])), &body("addnode", json!(["127.0.0.1:1"]))]
        {
            assert_eq!(asks("/rpc/v2", &client, &[guest[0], page], body).status, 403);
            assert_eq!(asks("/rpc/v3", &client, &[page], body).status, 403);
        }
    }
    let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
    for bad in ["", "{", "7", "[]", &deep, "\u{0}"] {
        let said = answer(&asks("/rpc/v3", &client, &guest, bad));
        assert_eq!(said["error"]["code"], -32700, "{bad}: {said}");
    }
    let large = format!("{height}{}", " ".repeat(1 << 20));
    assert_eq!(asks("/rpc/v2", &client, &guest, &large).status, 413);
    assert_eq!(answer(&asks("/rpc/v3", &client, &guest, &height))["result"], 40);
    open.terminate();
}

#[test]
fn web_pages_and_strangers_change_nothing() {
    let folder = Folder::new("rpc-hostile");
    let (node, client, data) = node(&folder, &[], &[]);
    let stop = r#"{"jsonrpc":"2.0","id":1,"method":"control_stop"}"#;
    let post = |more: &[(&str, &str)], body: &str| client.request("POST /rpc", more, body).status;
    // A form of a page: the browser knows the password, the page chooses the body.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
        assert_eq!(post(&[("Content-Type", kind)], stop), 415, "{kind}");
    }
    for origin in ["https://evil.example", "null", "http://127.0.0.1:8820"] {
        assert_eq!(post(&[("Origin", origin)], stop), 403, "{origin}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example", "evil.example:8820"] {
        assert_eq!(post(&[("Host", host)], stop), 403, "{host}");
        let page = [("Host", host)];
        assert_eq!(client.request("GET /metrics", &page, "").status, 403, "{host}");
        assert_eq!(client.request("GET /openrpc.json", &page, "").status, 403, "{host}");
    }
    assert_eq!(post(&[("Host", "")], stop), 400);
    assert_eq!(client.request("GET /rpc", &[], stop).status / 100, 4);
    // A WebSocket of a page.
    let upgrade = [
        ("Connection", "close, Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Content-Length", ""),
        ("Content-Type", ""),
        ("Origin", "https://evil.example"),
    ];
    assert_eq!(client.request("GET /rpc", &upgrade, "").status, 403);
    // Strangers.
    for (credentials, status) in [("__cookie__:00", 401), ("admin:admin", 401), ("", 401)] {
        let stranger = client.as_user(credentials);
        let said = stranger.post(stop);
        assert_eq!(said.status, status, "{credentials}");
        assert!(said.head.to_ascii_lowercase().contains("www-authenticate: basic"));
    }
    assert_eq!(post(&[("Authorization", "")], stop), 401);
    let mut no_password = upgrade[..6].to_vec();
    no_password.push(("Authorization", ""));
    assert_eq!(client.request("GET /rpc", &no_password, "").status, 401);
    // Bodies.
    let large = format!("{stop}{}", " ".repeat(1 << 20));
    assert_eq!(post(&[], &large), 413);
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"control_stop","params":{}1{}}}"#,
        "[".repeat(40),
        "]".repeat(40)
    );
    let answer: Value = serde_json::from_str(&client.post(&deep).body).unwrap();
    assert_eq!(answer["error"]["code"], -32700);
    for body in
        ["", "{", "nonsense", "\u{0}", "[[[[", r#"{"jsonrpc":"2.0","id":1,"method":"control_stop""#]
    {
        let answer: Value = serde_json::from_str(&client.post(body).body).unwrap();
        assert_eq!(answer["error"]["code"], -32700, "{body}");
    }
    let not_text = [
        b"POST /rpc HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
        Content-Type: application/json\r\nContent-Length: 2\r\nAuthorization: "
            .to_vec(),
        client.authorization().into_bytes(),
        b"\r\n\r\n\xff\xfe".to_vec(),
    ]
    .concat();
    let answer: Value = serde_json::from_str(&client.raw(&not_text).body).unwrap();
    assert_eq!(answer["error"]["code"], -32700);
    // All that was for nothing: the node runs, and a new start makes a new cookie.
    assert!(client.call("chain_tip", json!([])).is_ok());
    node.terminate();
    assert!(!std::path::Path::new(&format!("{data}/.cookie")).exists());
    let again = Running::start(&data, &[]);
    let old = Client { address: again.rpc_address().to_owned(), ..client };
    assert_eq!(old.post(stop).status, 401);
    again.terminate();
}

#[test]
fn subscribers_miss_nothing_over_reorganisations() {
    let folder = Folder::new("rpc-events");
    let mut common = history(33);
    let shared = common.extend(20);
    let (mut left_branch, mut right) = (common.fork(1), common.fork(2));
    let (left, right) = (left_branch.extend(4), right.extend(6));
    let (node, client, data) = node(&folder, &shared, &["--index"]);
    let hash = |height: u32| client.call("chain_header", json!([height])).unwrap()["hash"].clone();
    let address = paid_address(&client, 20);

    let mut socket = client.socket();
    let blocks = socket.call("event_subscribe", json!(["blocks"])).unwrap();
    assert_eq!(blocks["cursor"], format!("20:{}", hash(20).as_str().unwrap()));
    for block in &left[..3] {
        submit(&client, block);
    }
    let mut chain: Vec<Value> = Vec::new();
    let mut cursor = String::new();
    for height in 21..24 {
        let told = socket.event();
        assert_eq!(told["event"]["type"], "connected", "{told}");
        assert_eq!(
            (&told["event"]["height"], &told["event"]["hash"]),
            (&json!(height), &hash(height))
        );
        chain.push(told["event"]["hash"].clone());
        cursor = told["cursor"].as_str().unwrap().to_owned();
    }
    drop(socket);
    let told_before: Vec<Value> = chain.clone();

    // The chain goes on, then moves to the other branch, while nobody listens.
    submit(&client, &left[3]);
    for block in &right {
        submit(&client, block);
    }
    soon("the chain is reorganised", || {
        client.call("chain_tip", json!([])).unwrap()["height"] == 26
    });
    let mut socket = client.socket();
    let params = json!({"topic": "blocks", "cursor": cursor});
    let number = socket.call("event_subscribe", params).unwrap()["subscription"].clone();
    for height in (21..24).rev() {
        let told = socket.event();
        assert_eq!(told["subscription"], number);
        assert_eq!(
            told["event"],
            json!({"type": "disconnected", "height": height, "hash": chain.pop().unwrap()})
        );
    }
    for height in 21..27 {
        let told = socket.event();
        assert_eq!(
            (&told["event"]["type"], &told["event"]["hash"]),
            (&json!("connected"), &hash(height))
        );
    }
    socket.call("event_unsubscribe", json!([number])).unwrap();

    // A tip alone is told from any cursor.
    let tip = socket.call("event_subscribe", json!({"topic": "tip", "cursor": cursor})).unwrap();
    let told = socket.event();
    assert_eq!(told["event"], json!({"type": "tip", "height": 26, "hash": hash(26)}));
    socket.call("event_unsubscribe", json!([tip["subscription"]])).unwrap();

    // An address, from the genesis block on: as its history says.
    let genesis = format!("0:{}", hash(0).as_str().unwrap());
    let params = json!({"topic": "address", "address": address, "cursor": genesis});
    socket.call("event_subscribe", params).unwrap();
    let history =
        client.call("address_history", json!({"address": address, "limit": 1000})).unwrap();
    let expected = history["entries"].as_array().unwrap();
    let mut found = Vec::new();
    while found.len() < expected.len() {
        let told = socket.event();
        assert_eq!(told["event"]["type"], "activity", "{told}");
        found.extend(told["event"]["entries"].as_array().unwrap().clone());
    }
    assert_eq!(&found, expected);
    // A second one listens to everything from the start, with all that there is.
    let mut other = client.socket();
    other.call("event_subscribe", json!({"topic": "blocks", "cursor": genesis})).unwrap();
    for height in 1..27 {
        assert_eq!(other.event()["event"]["hash"], hash(height));
    }

    // The way back from a block that left is known after a restart too; nothing of it is lost.
    let expected: Vec<Value> = (21..27).map(&hash).collect();
    node.terminate();
    let node = Running::start(&data, &["--index"]);
    let client = Client::new(node.rpc_address(), &data);
    let mut socket = client.socket();
    socket.call("event_subscribe", json!({"topic": "blocks", "cursor": cursor})).unwrap();
    for (height, left) in (21..24).zip(&told_before).rev() {
        let event = json!({"type": "disconnected", "height": height, "hash": left});
        assert_eq!(socket.event()["event"], event);
    }
    for hash in &expected {
        assert_eq!(socket.event()["event"]["hash"], *hash);
    }

    // The chain moves back while blocks, tip and an address are listened to.
    let mut address_socket = client.socket();
    address_socket.call("event_subscribe", json!(["address", address])).unwrap();
    let longer = left_branch.extend(4);
    // What stood beside the chain is not kept over a restart.
    for block in left.iter().chain(&longer) {
        submit(&client, block);
    }
    soon("the chain is reorganised again", || {
        client.call("chain_tip", json!([])).unwrap()["height"] == 28
    });
    let hash = |height: u32| client.call("chain_header", json!([height])).unwrap()["hash"].clone();
    for (height, left) in (21..27).zip(&expected).rev() {
        let event = json!({"type": "disconnected", "height": height, "hash": left});
        assert_eq!(socket.event()["event"], event);
        assert_eq!(address_socket.event()["event"], event);
    }
    for height in 21..29 {
        let told = socket.event()["event"].clone();
        assert_eq!((&told["type"], &told["hash"]), (&json!("connected"), &hash(height)));
    }
    // Of what the address did on the other branch it is told what stands there.
    let after = format!("20:{}", hash(20).as_str().unwrap());
    let whole = client.call("address_history", json!({"address": address, "limit": 1000})).unwrap();
    let whole = whole["entries"].as_array().unwrap();
    let of_branch: Vec<&Value> =
        whole.iter().filter(|line| line["height"].as_u64().unwrap() > 20).collect();
    let mut found = Vec::new();
    while found.len() < of_branch.len() {
        let told = address_socket.event();
        assert_eq!(told["event"]["type"], "activity", "{told} behind {after}");
        found.extend(told["event"]["entries"].as_array().unwrap().clone());
    }
    assert!(found.iter().eq(of_branch));
    node.terminate();
}

#[test]
fn the_pool_is_told_from_a_cursor_on() {
    let folder = Folder::new("rpc-pool");
    let mut history = history(34);
    let blocks = history.extend(60);
    let more: Vec<Vec<u8>> = history.extend(3);
    let (node, client, data) = node(&folder, &blocks, &[]);
    let mut socket = client.socket();
    let start = socket.call("event_subscribe", json!(["mempool"])).unwrap();
    let mut taken: Vec<Value> = Vec::new();
    for block in &more {
        let decoded = Block::decode(block).unwrap();
        for tx in decoded.transactions.iter().filter(|tx| !tx.is_coinbase()) {
            let bytes = hex::encode(tx.to_bytes());
            let test = client.call("mempool_test", json!([bytes])).unwrap();
            let submitted = client.call("mempool_submit", json!([bytes]));
            assert_eq!(test["is_accepted"], submitted.is_ok(), "{test}");
            if let Ok(submitted) = submitted {
                assert!(test["fee"].is_u64(), "{test}");
                taken.push(submitted["txid"].clone());
            } else {
                assert_eq!(test["rule"], submitted.unwrap_err()["data"]["rule"]);
            }
        }
        submit(&client, block);
    }
    assert!(!taken.is_empty());
    let mut cursor = start["cursor"].clone();
    for txid in &taken[..1] {
        let told = socket.event();
        assert_eq!(told["event"], json!({"type": "added", "txid": txid}));
        cursor = told["cursor"].clone();
    }
    let mut again = client.socket();
    again.call("event_subscribe", json!({"topic": "mempool", "cursor": cursor})).unwrap();
    let (mut added, mut confirmed) = (vec![taken[0].clone()], Vec::new());
    while confirmed.len() < taken.len() {
        let told = again.event();
        let txid = told["event"]["txid"].clone();
        match told["event"]["type"].as_str().unwrap() {
            "added" => added.push(txid),
            "removed" => {
                assert_eq!(told["event"]["reason"], "confirmed", "{told}");
                assert!(added.contains(&txid) && !confirmed.contains(&txid), "{told}");
                confirmed.push(txid);
            }
            _ => panic!("{told}"),
        }
    }
    assert_eq!(added, taken);
    // A place in the pool's changes ends with the node.
    let end = again.call("event_subscribe", json!(["mempool"])).unwrap()["cursor"].clone();
    node.terminate();
    let node = Running::start(&data, &[]);
    let client = Client::new(node.rpc_address(), &data);
    let gone = client.socket().call("event_subscribe", json!(["mempool", null, end]));
    assert_eq!(gone.unwrap_err()["data"]["name"], "cursor_gone");
    node.terminate();
}

#[test]
fn the_command_line_finds_the_cookie() {
    let folder = Folder::new("rpc-cli");
    let (node, _, data) = node(&folder, &history(35).extend(5), &[]);
    let at = node.rpc_address().to_owned();
    let cli = |args: &[&str]| program(&data, &[&["--rpc-listen", &at, "cli"], args].concat());
    let json: Value = serde_json::from_str(&cli(&["chain_tip", "--json"]).stdout).unwrap();
    assert_eq!(json["height"], 5);
    let table = cli(&["chain_header", "3"]);
    assert_eq!(table.code, 0, "{}", table.stderr);
    assert!(table.stdout.lines().any(|line| line.trim() == "height         3"), "{}", table.stdout);
    assert!(cli(&["control_help"]).stdout.contains("chain_block [block] [verbosity]"));
    assert_eq!(cli(&["chain_header", "block=6"]).code, 7);
    let typo = cli(&["chain_tipp"]);
    assert_eq!(typo.code, 2);
    assert!(typo.stderr.contains("did you mean chain_tip?"), "{}", typo.stderr);
    assert_eq!(cli(&["chain_coin"]).code, 7, "the node says what is missing");
    assert_eq!(cli(&["chain_header", "1", "2"]).code, 2);
    assert_eq!(cli(&["control_stop"]).code, 0);
    assert_eq!(node.ended(), Some(0));
    let gone = cli(&["chain_tip"]);
    assert_eq!(gone.code, 8, "{}", gone.stderr);
}

#[test]
fn completions_and_pages_name_every_method() {
    let folder = Folder::new("rpc-shell");
    let data = folder.path("data");
    for shell in ["bash", "zsh", "fish"] {
        let script = program(&data, &["completions", shell]);
        assert_eq!(script.code, 0, "{}", script.stderr);
        // The generator names values of positions for two of the shells only.
        let methods = ["chain_block", "address_unspent", "event_subscribe"];
        let methods = methods.iter().filter(|_| shell != "fish");
        for name in methods.chain(&["rpc-listen"]) {
            assert!(script.stdout.contains(name), "{shell}: {name}");
        }
        // The shell itself reads it, where there is one.
        let path = folder.path(shell);
        std::fs::write(&path, &script.stdout).unwrap();
        match Command::new(shell).args(["-n", &path]).output() {
            Ok(read) => assert!(read.status.success(), "{read:?}"),
            Err(_) => eprintln!("SKIPPED: there is no {shell} to read its completions"),
        }
    }
    assert_eq!(program(&data, &["completions", "tcsh"]).code, 2);
    let pages = folder.path("man");
    assert_eq!(program(&data, &["man", &pages]).code, 0);
    let page = std::fs::read_to_string(format!("{pages}/mvs-node-cli.1")).unwrap();
    assert!(page.contains("chain_block") && page.contains("Exit codes"), "{page}");
    assert!(std::path::Path::new(&format!("{pages}/mvs-node.1")).is_file());
}

/// Runs the session of the manual: what follows `$ ` is done, what follows that is what it says.
#[test]
fn the_manual_tells_the_truth() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no curl on this machine; the manual is not checked");
        return;
    }
    let folder = Folder::new("rpc-manual");
    let (node, client, data) = node(&folder, &[], &[]);
    soon("synced", || client.call("chain_tip", json!([])).unwrap()["is_synced"] == true);
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/rpc.md");
    let manual = std::fs::read_to_string(manual).unwrap();
    let session = manual.split("```console\n").nth(1).unwrap().split("```").next().unwrap();
    let mut count = 0;
    for step in session.split("$ ").skip(1) {
        let (mut command, mut expected) = (String::new(), String::new());
        let mut is_command = true;
        for line in step.lines() {
            if is_command {
                is_command = line.ends_with('\\');
                command += line;
                command.push('\n');
            } else {
                expected += line;
                expected.push('\n');
            }
        }
        let output = Command::new("sh")
            .args(["-c", &command])
            .env("NODE", client.address.clone())
            .env("DATA", &data)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            said.trim(),
            expected.trim(),
            "{command}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        count += 1;
    }
    assert!(count >= 4, "{count} steps");
    node.terminate();
}

#[test]
fn a_client_in_javascript_works() {
    if Command::new("node").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no JavaScript on this machine; docs/examples is not run");
        return;
    }
    let folder = Folder::new("rpc-javascript");
    let (node, client, data) = node(&folder, &history(36).extend(10), &[]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/examples/rpc.mjs");
    let run = |method: &str, params: Value| {
        let (url, cookie) = (format!("http://{}", client.address), format!("{data}/.cookie"));
        let args = [script, &url, &cookie, method, &params.to_string()];
        Command::new("node").args(args).output().unwrap()
    };
    for (method, params) in [
        ("chain_block", json!({"block": 7, "verbosity": "full"})),
        ("asset_list", json!({"amounts": "decimal"})),
        ("control_help", json!({})),
    ] {
        let output = run(method, params.clone());
        let said: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{method}: {}", String::from_utf8_lossy(&output.stderr)));
        assert_eq!(said, client.call(method, params).unwrap(), "{method}");
    }
    let refused = run("chain_header", json!({"block": 11}));
    assert!(String::from_utf8_lossy(&refused.stderr).starts_with("2001 "), "{refused:?}");
    assert_eq!(refused.status.code(), Some(1));
    node.terminate();
}
