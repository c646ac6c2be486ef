//! `genesis.json`: the three genesis blocks.

use mvs_consensus::params::Params;
use mvs_primitives::encode::{Decode, Encode};
use mvs_primitives::merkle::compute_root;
use serde_json::Value;

mod common;

use common::{Outcome, equal, list, number, run, text};

/// Checks every genesis block of the file.
fn check_genesis(value: &Value) -> Vec<Outcome> {
    list(value, "vectors")
        .iter()
        .map(|case| {
            let network = text(case, "network");
            (format!("genesis {network}"), check_one(network, case))
        })
        .collect()
}

fn check_one(network: &str, case: &Value) -> Result<(), String> {
    let name = if network == "private" { "devnet" } else { network };
    let params = Params::builtin(name).ok_or_else(|| format!("unknown network {network}"))?;
    let block = &params.genesis;
    let coinbase = block.transactions.first().ok_or("no coinbase")?;
    let header = &block.header;
    equal("hash", header.hash().to_string(), text(case, "hash"))?;
    equal("header", hex::encode(header.to_array()), text(case, "raw_header_hex"))?;
    equal("coinbase", hex::encode(coinbase.to_bytes()), text(case, "raw_coinbase_hex"))?;
    equal("block", hex::encode(block.to_bytes()), text(case, "raw_block_hex"))?;
    equal("merkle", header.merkle.to_string(), text(case, "merkle_root"))?;
    equal("root", compute_root(&block.txids()).root.to_string(), text(case, "merkle_root"))?;
    equal("txid", coinbase.txid().to_string(), text(case, "coinbase_txid"))?;
    let output = coinbase.outputs.first().ok_or("no output")?;
    let address = output.script.address().ok_or("no address")?;
    equal("address", address.to_text(&params.addresses), text(case, "coinbase_output_address"))?;
    equal("value", output.value.units(), number(case, "coinbase_output_value")?)?;
    equal("checkpoint", params.checkpoints[0].hash.to_string(), text(case, "hash"))?;
    equal("decoded", mvs_primitives::block::Block::decode(&block.to_bytes()), Ok(block.clone()))
}

#[test]
fn genesis_vectors() {
    run(include_str!("data/genesis.json"), check_genesis, 3);
}

#[test]
fn every_genesis_block_gives_back_its_fields() {
    for name in ["mainnet", "testnet", "devnet"] {
        let block = Params::builtin(name).unwrap().genesis;
        let fields = mvs_consensus::params::genesis::GenesisFields::of(&block).unwrap();
        assert_eq!(fields.block(), block);
        let mut other = block;
        other.header.nonce = 1;
        assert_eq!(mvs_consensus::params::genesis::GenesisFields::of(&other), None);
    }
}
