//! Equal to the recorded answers of the first node, but for the differences that are named here.
//!
//! Source of the data: `testnet/kit/data/reference-chain` and `reference-chain-pos` (see the README
//! files there). Lists that come out of hash tables there are compared without their order.

use std::collections::{BTreeMap, BTreeSet};

use mvs_node::rpc::compat::Version;
use serde_json::{Value, json};

use super::support::{Recorded, chain_a, document};

/// Compares answers and keeps the names of those that differ.
#[derive(Default)]
struct Comparison {
    equal: usize,
    different: BTreeMap<String, String>,
}

impl Comparison {
    fn ordered(&mut self, name: impl Into<String>, ours: &Value, recorded: &Value) {
        if ours == recorded {
            self.equal += 1;
        } else {
            let text = format!("ours     {ours}\n    recorded {recorded}");
            self.different.insert(name.into(), text);
        }
    }

    /// Lists without their order.
    fn unordered(&mut self, name: impl Into<String>, ours: &Value, recorded: &Value) {
        self.ordered(name, &sorted(ours), &sorted(recorded));
    }

    fn not_answered(&mut self, name: impl Into<String>) {
        self.different.insert(name.into(), "not answered".to_owned());
    }

    /// Demands that exactly the known differences are there.
    fn finish(self, what: &str, known: &[(&str, &str)]) {
        let known: BTreeSet<&str> = known.iter().map(|(name, _)| *name).collect();
        let mut wrong = Vec::new();
        for (name, text) in &self.different {
            if !known.contains(name.as_str()) {
                wrong.push(format!("{name} differs:\n    {text}"));
            }
        }
        for name in known {
            if !self.different.contains_key(name) {
                wrong.push(format!("{name} is a known difference, but is equal now"));
            }
        }
        let total = self.equal + self.different.len();
        println!("{what}: {} of {total} recorded answers are equal", self.equal);
        assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    }
}

fn sorted(list: &Value) -> Value {
    let Value::Array(items) = list else { return list.clone() };
    let mut items = items.clone();
    items.sort_by_key(Value::to_string);
    Value::Array(items)
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().unwrap().iter()
}

/// What the first node answers although the outputs are spent: wallet.md 7, "Do not copy".
const GAP: &str = "the first node overlooks spends by unusual scripts";
const NO_V1: &str = "version 1 is not offered";
const WALLET: &str = "lists by account belong to the wallet";

const KNOWN_A: &[(&str, &str)] = &[
    ("etp/34VJrm5AAXSyMiJi3W9tSeck7URJmbjgzM", GAP),
    ("etp/38zmecTFrgvF6m2AcNC66xtMZ4By6RPGd7", GAP),
    ("etp/3B95d2Nm8ZBMiENnxkTHRaHE8RhUxhd9KK", GAP),
    ("etp/3DhosSHXZMsBE5jQVETx8pWu8YR7VcbEu2", GAP),
    ("etp/3Kn2BRD2Bdu8LRNPWbFLsQjmNtvf9HYjz1", GAP),
    ("etp/MFay4i6zi86HTuUc3y9QePkDwxuZKG7uxX", GAP),
    ("utxos/3B95d2Nm8ZBMiENnxkTHRaHE8RhUxhd9KK", GAP),
    ("listtxs/MAZcEqWkxCGDRoddMBnAqEYeAHgGzTJ4Zn", WALLET),
    ("listtxs/MDdrddED3NKSQoat6AGUojZ1bA5hoxmE1P", WALLET),
    ("listtxs/MFPruWbEyEUyNZQRvgV42CRgY3LMeunXnN", WALLET),
    ("listtxs/MSKFnUNc1njquyo9vGNgFnE7QuR8ygfA4s", WALLET),
    ("listtxs/MTKdwVBeXKvPVaNxR34b8EEcX3ShZnErsZ", WALLET),
    ("listtxs/MVazverbZySt7XUdBjEgAoADHLc2tGML3o", WALLET),
    ("gettx/0ba23b7da28d3f127b1a953cb447985462eb492c6da5b64181f3b1b2526a2487/v1", NO_V1),
    ("gettx/95aa8598d73db1f9c54edc31bc3d3d992612fe3b0c780c037f335f0f3a64617a/v1", NO_V1),
    ("gettx/c2c99bf11fd128716bf77b1e34b864c5fe434ca81f129ae121a0c0d0c6704eef/v1", NO_V1),
    ("gettx/ebbdf1d3cc12a4822be8750de9ea1e71251d02f3b16284697706089e9d1238e2/v1", NO_V1),
    ("getblock/1/v1", NO_V1),
    ("getblock/3166/v1", NO_V1),
    ("getblock/645/v1", NO_V1),
];

#[test]
fn chain_a_answers_as_recorded() {
    let node = &chain_a();
    let expected = document("reference-chain/chain-a-expected.json");
    let mut compare = Comparison::default();
    compare.ordered("tip/height", &node.v3("getheight", json!([])), &expected["tip"]["height"]);
    compare.ordered("tip/hash", &node.v3("getbestblockhash", json!([])), &expected["tip"]["hash"]);
    for (address, recorded) in entries(&expected["addresses"]) {
        let etp = node.v3("getaddressetp", json!([address]));
        compare.ordered(format!("etp/{address}"), &etp, &recorded["etp"]);
        let ask = |options: Value| node.v3("getaddressasset", json!([address, options]));
        compare.unordered(format!("assets/{address}"), &ask(json!({})), &recorded["assets"]);
        let certs = ask(json!({ "cert": null }));
        compare.unordered(format!("certs/{address}"), &certs, &recorded["certs"]);
        let locked = ask(json!({ "deposited": null }));
        compare.unordered(
            format!("assets_deposited/{address}"),
            &locked,
            &recorded["assets_deposited"],
        );
    }
    for (method, group, name) in [
        ("getaddressetp", "utxos_sample", "utxos"),
        ("getaddressasset", "asset_utxos_sample", "asset_utxos"),
    ] {
        for (address, recorded) in entries(&expected[group]) {
            let ours = node.v3(method, json!([address, "--utxo"]));
            compare.unordered(format!("{name}/{address}"), &ours, recorded);
            let amounts = |list: &Value| -> Vec<u64> {
                let rows = list.as_array().cloned().unwrap_or_default();
                rows.iter().map(|row| row["balance"].as_u64().unwrap()).collect()
            };
            assert!(amounts(&ours).is_sorted_by(|a, b| a >= b), "{ours}");
        }
    }
    for (name, ours) in [
        ("listassets", node.v3("listassets", json!([]))),
        ("listassets_cert", node.v3("listassets", json!(["--cert"]))),
        ("getasset_names", node.v3("getasset", json!([]))),
        ("getdid_names", node.v3("getdid", json!([]))),
        ("listdids", node.v3("listdids", json!([]))["dids"].take()),
        ("listmits", node.v3("listmits", json!([]))),
    ] {
        compare.unordered(name, &ours, &expected[name]);
    }
    for (symbol, recorded) in entries(&expected["getasset"]) {
        let ours = node.v3("getasset", json!([symbol]));
        compare.unordered(format!("getasset/{symbol}"), &ours, recorded);
    }
    for (symbol, recorded) in entries(&expected["getasset_cert"]) {
        let ours = node.v3("getasset", json!([symbol, { "cert": null }]));
        compare.unordered(format!("getasset_cert/{symbol}"), &ours, recorded);
    }
    for group in ["getdid", "getdid_by_address"] {
        for (name, recorded) in entries(&expected[group]) {
            let ours = node.v3("getdid", json!([name]));
            compare.ordered(format!("{group}/{name}"), &ours, recorded);
        }
    }
    mits(&mut compare, node, &expected["getmit"]);
    for (group, method) in
        [("gettx", "gettx"), ("getblock", "getblock"), ("getblockheader", "getblockheader")]
    {
        for (key, recorded) in entries(&expected[group]) {
            for (form, recorded) in entries(recorded) {
                let params = match (group, form.as_str()) {
                    ("getblockheader", _) => json!([{ "height": key }]),
                    (_, "v2" | "v3") => json!([key]),
                    (_, "v3_raw") => json!([key, "false"]),
                    (_, "v3_tx_raw") => json!([key, "true", "false"]),
                    (_, "v1") => {
                        compare.not_answered(format!("{group}/{key}/v1"));
                        continue;
                    }
                    (_, form) => panic!("{group}: {form} is a form that nothing here asks"),
                };
                let version = if form == "v2" { Version::V2 } else { Version::V3 };
                let ours = node.result(version, method, params);
                compare.ordered(format!("{group}/{key}/{form}"), &ours, recorded);
            }
        }
    }
    for recorded in expected["errors"].as_array().unwrap() {
        let (method, params) = recorded["request"].as_array().unwrap().split_first().unwrap();
        let ours = node.reply(Version::V3, method.as_str().unwrap(), json!(params));
        compare.ordered(format!("errors/{}", recorded["request"]), &ours, &recorded["reply"]);
    }
    assert_eq!(node.code("listtxs", json!([])), 1_000);
    for (address, _) in entries(&expected["listtxs_sample"]) {
        compare.not_answered(format!("listtxs/{address}"));
    }
    compare.finish("chain A", KNOWN_A);
    // Where we differ, we tell what is unspent.
    for (address, gap) in entries(&expected["known_index_gaps"]) {
        let ours = node.v3("getaddressetp", json!([address]));
        assert_eq!(ours["unspent"], gap["unspent_by_utxo_set"], "{address}");
    }
}

fn mits(compare: &mut Comparison, node: &Recorded, recorded: &Value) {
    for (symbol, recorded) in entries(recorded) {
        let current = node.v3("getmit", json!([symbol, "--current"]));
        compare.ordered(format!("getmit/{symbol}/current"), &current, &recorded["current"]);
        let trace = node.v3("getmit", json!([symbol, { "trace": null }]));
        compare.ordered(format!("getmit/{symbol}/trace"), &trace, &recorded["trace"]);
    }
}

/// Answers on a branch above the recorded chain.
fn branch_state(compare: &mut Comparison, name: &str, node: &Recorded, recorded: &Value) {
    for (group, value) in entries(recorded) {
        match group.as_str() {
            "tip" => {
                let height = node.v3("getheight", json!([]));
                compare.ordered(format!("{name}/height"), &height, &value["height"]);
                let hash = node.v3("getbestblockhash", json!([]));
                compare.ordered(format!("{name}/hash"), &hash, &value["hash"]);
            }
            "memory_pool" => {
                let pool = node.v3("getmemorypool", json!([]));
                compare.ordered(format!("{name}/memory_pool"), &pool, value);
            }
            "listassets" | "listmits" => {
                let ours = node.v3(group, json!([]));
                compare.unordered(format!("{name}/{group}"), &ours, value);
            }
            "listassets_cert" => {
                let ours = node.v3("listassets", json!(["--cert"]));
                compare.unordered(format!("{name}/{group}"), &ours, value);
            }
            "mit" => mits(compare, node, value),
            "identities" => {
                for (did, recorded) in entries(value) {
                    let ours = node.reply(Version::V3, "getdid", json!([did]));
                    compare.ordered(format!("{name}/did/{did}"), &ours["result"], recorded);
                }
            }
            "addresses" => {
                for (address, recorded) in entries(value) {
                    let identity = node.reply(Version::V3, "getdid", json!([address]));
                    let key = |what: &str| format!("{name}/{what}/{address}");
                    compare.ordered(key("identity"), &identity["result"], &recorded["identity"]);
                    let etp = node.v3("getaddressetp", json!([address]));
                    compare.ordered(key("etp"), &etp, &recorded["etp"]);
                    let assets = node.v3("getaddressasset", json!([address]));
                    compare.unordered(key("assets"), &assets, &recorded["assets"]);
                    let certs = node.v3("getaddressasset", json!([address, "--cert"]));
                    compare.unordered(key("certs"), &certs, &recorded["certs"]);
                }
            }
            other => panic!("{other} is a group that nothing here asks"),
        }
    }
}

const KNOWN_REORG: &[(&str, &str)] = &[
    ("one/etp/MFay4i6zi86HTuUc3y9QePkDwxuZKG7uxX", GAP),
    ("after/etp/MFay4i6zi86HTuUc3y9QePkDwxuZKG7uxX", GAP),
    ("two/etp/MFay4i6zi86HTuUc3y9QePkDwxuZKG7uxX", GAP),
];

#[test]
fn both_branches_answer_as_recorded() {
    let recorded = document("reference-chain/reorg.json");
    let branch = |name: &str| -> Vec<Vec<u8>> {
        let list = recorded[name].as_array().unwrap().iter();
        list.map(|block| hex::decode(block.as_str().unwrap()).unwrap()).collect()
    };
    let (one, two) = (branch("branch_one"), branch("branch_two"));
    let mut compare = Comparison::default();
    let before = Recorded::new("reference-chain", &[&one], true);
    branch_state(&mut compare, "one", &before, &recorded["state_on_branch_one"]);
    let after = Recorded::new("reference-chain", &[&one, &two], true);
    branch_state(&mut compare, "after", &after, &recorded["state_after_reorganisation"]);
    let state = &recorded["state_of_a_node_that_only_saw_branch_two"];
    branch_state(&mut compare, "two", &after, state);
    compare.finish("reorganisation", KNOWN_REORG);
}

const KNOWN_POS: &[(&str, &str)] = &[];

#[test]
fn the_stake_chain_answers_as_recorded() {
    let node = Recorded::new("reference-chain-pos", &[], true);
    let expected = document("reference-chain-pos/expected.json");
    let mut compare = Comparison::default();
    compare.ordered("height", &node.v3("getheight", json!([])), &expected["tip_height"]);
    compare.ordered("hash", &node.v3("getbestblockhash", json!([])), &expected["tip_hash"]);
    for (address, recorded) in entries(&expected["balances"]) {
        let mut ours = node.v3("getaddressetp", json!([address]));
        ours.as_object_mut().unwrap().remove("address");
        compare.ordered(format!("balances/{address}"), &ours, recorded);
    }
    for (name, ours) in [
        ("dids", node.v3("listdids", json!([]))["dids"].take()),
        ("assets", node.v3("listassets", json!([]))),
        ("mits", node.v3("listmits", json!([]))),
        ("certs", node.v3("listassets", json!(["--cert"]))),
    ] {
        compare.unordered(name, &ours, &expected[name]);
    }
    for row in expected["blocks"].as_array().unwrap() {
        let header = node.v3("getblockheader", json!(["--height", row[0]]));
        let ours = json!([
            header["number"],
            header["version"],
            header["bits"],
            header["timestamp"],
            header["hash"],
        ]);
        compare.ordered(format!("blocks/{}", row[0]), &ours, row);
    }
    compare.finish("stake chain", KNOWN_POS);
}
