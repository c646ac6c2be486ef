//! Staking over the RPC of the program itself: a wallet's part is played here.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is the failure")]

#[path = "rpc/client.rs"]
#[expect(dead_code, reason = "each test program uses a part of the helpers")]
mod client;
#[path = "processes/program.rs"]
#[expect(dead_code, reason = "each test program uses a part of the helpers")]
mod program;
#[path = "rpc/schema.rs"]
mod schema;

use client::Client;
use mvs_consensus::params::chain_spec::ChainSpec;
use mvs_consensus::stake::kernel_meets;
use mvs_primitives::block::{Block, BlockProof, BlockSig};
use mvs_primitives::encode::{Decode as _, Encode as _};
use mvs_primitives::hash::TxId;
use mvs_primitives::header::{BlockVersion, Header};
use mvs_primitives::merkle::compute_root;
use mvs_primitives::output::Output;
use mvs_primitives::script::ScriptBuilder;
use mvs_primitives::time::Timestamp;
use mvs_primitives::transaction::Transaction;
use program::{Folder, Running, program};
use serde_json::{Value, json};
use testkit::build::person::{ALICE, BOB, Person};
use testkit::build::tx::sign_input;
use testkit::cases::base::Bases;

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}

fn unhex(value: &Value, key: &str) -> Vec<u8> {
    hex::decode(text(value, key)).unwrap()
}

/// Does what a wallet does; returns the parameters of `stake_submit` and the block's hash.
fn sign(template: &Value, person: Person) -> (Value, String) {
    let header = Header::decode(&unhex(template, "header")).unwrap();
    let mut coinstake = Transaction::decode(&unhex(template, "coinstake")).unwrap();
    let weight = template["weight"].as_u64().unwrap();
    let first = template["first_timestamp"].as_u64().unwrap() as u32;
    let last = template["last_timestamp"].as_u64().unwrap() as u32;
    assert!(first < last && header.timestamp.unix_secs() == first);
    let stake = coinstake.inputs[0].previous;
    let timestamp = (first..=last)
        .map(Timestamp::from_unix_secs)
        .find(|timestamp| {
            let header = Header { timestamp: *timestamp, ..header.clone() };
            kernel_meets(&header.stake_kernel(&stake), weight, header.bits)
        })
        .expect("the chain is old, so many times are allowed");
    for (index, coin) in template["spent"].as_array().unwrap().iter().enumerate() {
        let output = Output::decode(&unhex(coin, "output")).unwrap();
        let signature = sign_input(&coinstake, index, &output.script, person);
        let script = ScriptBuilder::new().push(&signature).push(&person.key()).build();
        coinstake.inputs[index].script = script;
    }
    let txids = template["txids"].as_array().unwrap();
    let mut txids: Vec<TxId> =
        txids.iter().map(|id| id.as_str().unwrap().parse().unwrap()).collect();
    txids[1] = coinstake.txid();
    let header = Header { merkle: compute_root(&txids).root, timestamp, ..header };
    let signature = person.sign(*header.hash().as_bytes()).serialize_compact();
    let params = json!({
        "template": template["template"],
        "coinstake": hex::encode(coinstake.to_bytes()),
        "timestamp": timestamp.unix_secs(),
        "signature": hex::encode(BlockSig::from_compact(signature).as_bytes()),
    });
    (params, header.hash().to_string())
}

#[test]
fn a_wallet_stakes_over_the_rpc() {
    let bases = Bases::build();
    let base = &bases.after_stake;
    let folder = Folder::new("rpc-stake");
    let (spec, file, data) =
        (folder.path("chain.toml"), folder.path("blocks"), folder.path("data"));
    std::fs::write(&spec, ChainSpec::to_toml(base.params()).unwrap()).unwrap();
    let mut bytes = Vec::new();
    for block in base.blocks() {
        bytes.extend((block.len() as u32).to_le_bytes());
        bytes.extend(block);
    }
    std::fs::write(&file, bytes).unwrap();
    let import = program(&data, &["import", "--chain-spec", &spec, &file]);
    assert_eq!(import.code, 0, "{}", import.stderr);
    let node = Running::start(&data, &["--chain-spec", &spec, "--index"]);
    let client = Client::new(node.rpc_address(), &data);
    let document: Value = serde_json::from_str(&client.get("/openrpc.json").body).unwrap();
    let as_said = |method: &str, answer: &Value| {
        let methods = document["methods"].as_array().unwrap();
        let method = methods.iter().find(|one| one["name"] == method).unwrap();
        schema::check(answer, &method["result"]["schema"], &document).unwrap();
    };

    let address = ALICE.address().to_text(&base.params().addresses);
    let status = client.call("stake_status", json!([address])).unwrap();
    as_said("stake_status", &status);
    assert_eq!(
        (&status["is_entitled"], &status["is_open"]),
        (&json!(true), &json!(true)),
        "{status}"
    );
    assert!(status["coins"]["mature"].as_u64().unwrap() > 0, "{status}");
    assert!(status["expected_secs"].as_u64().is_some(), "{status}");
    let other = BOB.address().to_text(&base.params().addresses);
    let stranger = client.call("stake_status", json!([other])).unwrap();
    assert_eq!(stranger["is_entitled"], false);
    assert!(stranger.get("expected_secs").is_none());
    let refused = client.call("stake_template", json!([hex::encode(BOB.key())])).unwrap_err();
    assert_eq!(refused["data"]["rule"], "stake.deposit", "{refused}");

    let key = hex::encode(ALICE.key());
    let mut height = status["height"].as_u64().unwrap();
    for (round, split) in [false, true, false].into_iter().enumerate() {
        let mut params = json!({"public_key": key, "split": split, "payout": other});
        let chosen = client.call("stake_template", params.clone()).unwrap();
        as_said("stake_template", &chosen);
        // What the node chose can be asked for by name.
        let coin = &chosen["coins"][0];
        params["inputs"] = json!([format!("{}:{}", text(coin, "txid"), coin["index"])]);
        let template = client.call("stake_template", params).unwrap();
        for field in ["previous", "bits", "weight", "coinstake", "coinbase", "target"] {
            assert_eq!(template[field], chosen[field], "{field}");
        }
        let (submit, hash) = sign(&template, ALICE);

        // A signature of somebody else is not hers.
        let mut wrong = submit.clone();
        wrong["signature"] = json!("11".repeat(64));
        let refused = client.call("stake_submit", wrong).unwrap_err();
        assert_eq!(refused["data"]["name"], "block_refused", "{refused}");

        let verdict = client.call("stake_submit", submit).unwrap();
        assert_eq!(verdict, json!({"hash": hash, "is_on_chain": true}), "round {round}");
        height += 1;

        // What explorers see.
        let block = client.call("chain_block", json!([hash, "full"])).unwrap();
        as_said("chain_block", &block);
        assert_eq!(block["header"]["height"], height);
        assert_eq!(block["header"]["version"], 2);
        assert_eq!(block["public_key"], key);
        let raw = client.call("chain_block", json!([hash, "hex"])).unwrap();
        let raw = Block::decode(&hex::decode(raw.as_str().unwrap()).unwrap()).unwrap();
        let BlockProof::Stake(signature) = &raw.proof else { panic!("no stake block") };
        assert_eq!(block["signature"], hex::encode(signature.as_bytes()));
        let coinstake = &block["transactions"][1];
        assert_eq!(coinstake["txid"], raw.transactions[1].txid().to_string());
        assert_eq!(coinstake["outputs"].as_array().unwrap().len(), if split { 3 } else { 2 });
        assert_eq!(coinstake["outputs"][1]["script"]["address"], address);
        let paid = &block["transactions"][0]["outputs"][0];
        assert_eq!(paid["script"]["address"], other);
        let header = client.call("chain_header", json!([hash])).unwrap();
        assert_eq!(header["version"], BlockVersion::POS.number());
    }
    node.terminate();
}
