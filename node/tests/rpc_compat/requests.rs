//! Requests: envelope, errors by number, commands that change something.

use std::net::{IpAddr, Ipv4Addr};

use mvs_node::rpc::compat::{Version, answer, parse_error, right};
use mvs_primitives::encode::Encode;
use mvs_primitives::hash::{MixHash, SealHash};
use mvs_rpc_api::methods::Right;
use serde_json::{Value, json};

use super::support::{PAYEE, Recorded, chain_a};

#[test]
fn replies_have_the_envelope() {
    let node = chain_a();
    let ask = |request: Value| answer(Version::V2, &node, &request);
    let reply = ask(json!({ "jsonrpc": "2.0", "id": "17", "method": "fetch-height" }));
    assert_eq!(reply, json!({ "id": 17, "jsonrpc": "2.0", "result": 3166 }));
    let reply = ask(json!({ "jsonrpc": "3.0", "method": "getheight", "params": ["", ""] }));
    assert_eq!(reply, json!({ "id": 0, "jsonrpc": "2.0", "result": 3166 }));
    assert_eq!(ask(json!([{}]))["error"]["code"], -32_700);
    assert_eq!(parse_error()["error"]["code"], -32_700);
    assert_eq!(ask(json!({ "id": 5, "method": "getheight" }))["error"]["code"], -32_600);
    let reply = ask(json!({ "jsonrpc": "2.0", "method": "getheight", "params": "x" }));
    assert_eq!(reply["error"]["code"], -32_602);
    assert_eq!(
        node.v3("getblock", json!(["--help"])),
        json!("Usage: getblock HASH_OR_HEIGH [json] [tx_json]")
    );
}

#[test]
fn each_error_has_its_number() {
    let node = chain_a();
    let zeros = "00".repeat(32);
    for (code, method, params) in [
        (1_000, "getbalance", json!(["name", "password"])),
        (1_000, "listassets", json!(["name", "password"])),
        (1_000, "setminingaccount", json!(["a", "b", "MVPD8mfhJESMz4b7k3ZK8NmcjiZNQsQyYV"])),
        (1_020, "popblock", json!([1])),
        (1_020, "eth_submitHashrate", json!([])),
        (1_021, "getheight", json!(["a", "b", "c"])),
        (1_021, "getblock", json!([])),
        (1_021, "gettx", json!(["zz"])),
        (1_021, "getblockheader", json!([{ "height": 1.5 }])),
        (1_021, "decoderawtx", json!(["0"])),
        (1_021, "getblock", json!(["1", "perhaps"])),
        (2_003, "listdids", json!([{ "limit": 101 }])),
        (2_003, "listdids", json!([{ "index": 2 }])),
        (2_003, "getmit", json!(["--trace"])),
        (2_003, "addnode", json!(["localhost:5251"])),
        (2_003, "addnode", json!(["127.0.0.1:5251", "-o", "reseed"])),
        (2_003, "submitwork", json!(["nonce", zeros, zeros])),
        (4_017, "getdid", json!(["34VJrm5AAXSyMiJi3W9tSeck7URJmbjgzM"])),
        (5_101, "getblock", json!(["3167"])),
        (5_101, "getblock", json!([zeros])),
        (5_101, "getblock", json!(["not a hash but long"])),
        (5_105, "getblockheader", json!([{ "hash": zeros }])),
        (5_105, "fetchheaderext", json!(["a", "b", "99999"])),
        (5_306, "gettx", json!([zeros])),
        (7_006, "getdid", json!(["nobody"])),
        (7_006, "getaddressasset", json!(["nobody"])),
    ] {
        assert_eq!(node.code(method, params.clone()), code, "{method} {params}");
    }
}

#[test]
fn without_the_index_the_answer_says_so() {
    let node = Recorded::new("reference-chain", &[], false);
    let id = node.v3("getblock", json!(["1"]))["transactions"][0]["hash"].take();
    for (method, params) in [
        ("gettx", json!([id])),
        ("getaddressetp", json!([PAYEE])),
        ("getaddressasset", json!([PAYEE])),
    ] {
        assert_eq!(node.code(method, params), 1_024, "{method}");
    }
    assert_eq!(node.v3("getheight", json!([])), 3166);
}

#[test]
fn addresses_of_each_kind_are_told_apart() {
    let node = chain_a();
    for (address, kind, is_valid) in [
        (PAYEE, "p2kh(main-net)", true),
        ("34VJrm5AAXSyMiJi3W9tSeck7URJmbjgzM", "p2sh(multi-signature)", true),
        ("1111111111111111111114oLvT2", "p2blackhole", true),
        ("tBELxsiiaMVGQcY2Apf7hmzAaipD4YWTTj", "p2kh(test-net)", false),
        ("tBELxsiiaMVGQcY2Apf7hmzAaipD4YWTTx", "none", false),
        ("", "none", false),
    ] {
        let answer = node.v3("validateaddress", json!([address]));
        assert_eq!(answer["address_type"], kind, "{address}");
        assert_eq!(answer["is_valid"], is_valid, "{address}");
    }
    // An identity stands for its address.
    let by_name = node.v3("getaddressetp", json!(["wil.EXZFZ"]));
    assert_eq!(by_name, node.v3("getaddressetp", json!([PAYEE])));
}

#[test]
fn peers_are_added_banned_and_listed() {
    let node = chain_a();
    assert_eq!(node.v2("addnode", json!(["127.0.0.1:5251"])), "success");
    assert_eq!(node.v3("addnode", json!(["10.0.0.1:99", { "operation": "ban" }])), "success");
    {
        let heard = node.heard.lock().unwrap();
        assert_eq!(heard.added, ["127.0.0.1:5251".parse().unwrap()]);
        assert_eq!(heard.banned, [IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))]);
    }
    let list = node.v3("addnode", json!(["-o", "list"]));
    assert_eq!(list["banned"], json!(["10.0.0.1:0, timestamp:1795000000"]));
    assert_eq!(list["peers"], json!(["127.0.0.1:5251", "[::1]:5252"]));
    assert_eq!((&list["manual_banned"], &list["seeds"]), (&json!([]), &json!([])));
    for (name, needed) in [
        ("addnode", Right::All),
        ("sendrawtx", Right::All),
        ("eth_submitWork", Right::Mine),
        ("getwork", Right::Mine),
        ("getblock", Right::Any),
        ("fetchheaderext", Right::Any),
        ("gettx", Right::Read),
        ("getpeerinfo", Right::Read),
        ("fetch-height", Right::Any),
        ("nothing", Right::Any),
    ] {
        assert_eq!(right(name), needed, "{name}");
    }
}

#[test]
fn work_is_given_out_and_solutions_reach_the_node() {
    let node = chain_a();
    let work = node.v3("eth_getWork", json!([]));
    assert_eq!(work, node.v2("getwork", json!(["", ""])));
    let field = |index: usize| work[index].as_str().unwrap().to_owned();
    assert!((0..3).all(|index| field(index).len() == 66 && field(index).starts_with("0x")));
    // Epoch 0; difficulty 10.
    assert_eq!(field(1), format!("0x{}", "00".repeat(32)));
    assert_eq!(field(2), format!("0x1{}", "9".repeat(63)));
    let pending = node.v3("fetchheaderext", json!(["name", "password", "pending"]));
    assert_eq!((&pending["number"], &pending["bits"]), (&json!(3167), &json!("10")));
    let mix = format!("0x{}", "ab".repeat(32));
    let nonce = 0x0102_0304_0506_0708_u64;
    let v3 = json!([format!("0x{nonce:016x}"), field(0), mix]);
    assert_eq!(node.v3("eth_submitWork", v3), true);
    let masked = nonce ^ 0x6675_636b_6d65_7461;
    assert_eq!(node.v2("submitwork", json!([format!("{masked:016x}"), field(0), mix])), true);
    // What is no hash, or in other letters, is no solution and no error.
    let upper = field(0).to_uppercase().replace("0X", "0x");
    for hash in ["", "0x00", &upper] {
        assert_eq!(node.v3("submitwork", json!(["0x1", hash, mix])), false, "{hash}");
    }
    let heard = node.heard.lock().unwrap();
    let seal: SealHash = field(0)[2..].parse().unwrap();
    let solution = (seal, nonce, MixHash::from_bytes([0xab; 32]));
    assert_eq!(heard.solved, [solution, solution]);
}

#[test]
fn the_mining_account_is_taken_when_it_is_the_configured_one() {
    let node = chain_a();
    let text = node.v2("setminingaccount", json!(["name", "password", PAYEE]));
    assert_eq!(text, format!("setting address [{PAYEE}] successfully."));
    let other = json!(["name", "password", PAYEE, { "symbol": "SOME.ASSET" }]);
    assert_eq!(node.code("setminingaccount", other), 1_000);
}

#[test]
fn a_sent_transaction_is_in_the_pool() {
    let node = chain_a();
    let verdicts = super::support::document("reference-chain/verdicts-tx.json");
    let verdicts = verdicts["verdicts"].as_array().unwrap();
    let good = verdicts.iter().find(|verdict| verdict["name"] == "basic: control: plain send");
    let good = good.unwrap();
    let txid = good["txid"].as_str().unwrap();
    let hash = node.v2("sendrawtx", json!([good["raw_hex"]]));
    assert_eq!(hash, json!({ "hash": txid }));
    let tx = node.v3("gettx", json!([txid]));
    assert_eq!((&tx["height"], &tx["hash"]), (&json!(0), &json!(txid)));
    let pool = node.v3("getmemorypool", json!([]));
    assert_eq!(pool.as_array().unwrap().len(), 1);
    assert_eq!(pool[0]["hash"], txid);
    let raw = node.v3("getmemorypool", json!([{ "json": false }]));
    assert_eq!(raw, json!([good["raw_hex"]]));
    let raw = node.v2("getmemorypool", json!(["-j", "false"]));
    assert_eq!(raw, json!({ "transactions": [{ "raw": good["raw_hex"] }] }));
    // Once more: the pool has it.
    assert_eq!(node.code("sendrawtx", json!([good["raw_hex"]])), 5_304);
    let pool = node.pool.lock().unwrap();
    let entry = pool.in_order()[0].transaction().to_bytes();
    assert_eq!(json!(hex::encode(entry)), good["raw_hex"]);
}
