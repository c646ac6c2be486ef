//! Real bytes: everything in `data/` decodes, encodes byte for byte, and hashes to its names.

#![allow(clippy::unwrap_used)] // a panic is how a test fails, in its helpers too

use std::fs;
use std::path::Path;

use mvs_primitives::block::{Block, BlockProof};
use mvs_primitives::encode::{Decode, Encode};
use mvs_primitives::header::Header;
use mvs_primitives::input::OutPoint;
use mvs_primitives::merkle::compute_root;
use mvs_primitives::transaction::Transaction;
use serde_json::Value;

fn vectors(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(file);
    let json: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    json["vectors"].as_array().unwrap().clone()
}

fn bytes_of(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

/// Decodes, encodes and compares a transaction; returns it.
fn exact_transaction(raw: &[u8], txid: &str) -> Transaction {
    let transaction = Transaction::decode(raw).unwrap();
    assert_eq!(transaction.to_bytes(), raw, "{txid}");
    assert_eq!(transaction.encoded_len(), raw.len());
    assert_eq!(transaction.txid().to_string(), txid);
    transaction
}

/// The same for a block.
fn exact_block(raw: &[u8], hash: &str) -> Block {
    let (block, ids) = Block::decode_with_ids(raw).unwrap();
    assert_eq!(block.to_bytes(), raw, "{hash}");
    assert_eq!(block.header.hash().to_string(), hash);
    assert_eq!(block.txids(), ids);
    let root = compute_root(&ids);
    assert_eq!(root.root, block.header.merkle, "{hash}");
    assert!(!root.is_malleated);
    block
}

#[test]
fn transactions() {
    let all = vectors("transactions.json");
    for vector in &all {
        let txid = vector["txid"].as_str().unwrap();
        let transaction = exact_transaction(&bytes_of(&vector["raw_hex"]), txid);
        let decoded = &vector["decoded"];
        assert_eq!(u64::from(transaction.version), decoded["version"]);
        assert_eq!(u64::from(transaction.locktime), decoded["locktime"]);
        let inputs = decoded["inputs"].as_array().unwrap();
        assert_eq!(inputs.len(), transaction.inputs.len());
        for (input, expected) in transaction.inputs.iter().zip(inputs) {
            assert_eq!(input.previous.txid.to_string(), *expected["prev_hash"].as_str().unwrap());
            assert_eq!(u64::from(input.previous.index), expected["prev_index"]);
            assert_eq!(hex::encode(input.script.as_bytes()), expected["script"].as_str().unwrap());
            assert_eq!(u64::from(input.sequence), expected["sequence"]);
        }
        let outputs = decoded["outputs"].as_array().unwrap();
        assert_eq!(outputs.len(), transaction.outputs.len());
        for (output, expected) in transaction.outputs.iter().zip(outputs) {
            assert_eq!(output.value.units(), expected["value"]);
            assert_eq!(hex::encode(output.script.as_bytes()), expected["script"].as_str().unwrap());
            assert_eq!(u64::from(output.attachment.type_number()), expected["attachment"]["type"]);
            assert_eq!(
                u64::from(output.attachment.version.number()),
                expected["attachment"]["version"]
            );
        }
    }
    assert_eq!(all.len(), 57);
}

#[test]
fn genesis_blocks() {
    let all = vectors("genesis.json");
    for vector in &all {
        let raw = bytes_of(&vector["raw_block_hex"]);
        let block = exact_block(&raw, vector["hash"].as_str().unwrap());
        assert_eq!(block.header.merkle.to_string(), *vector["merkle_root"].as_str().unwrap());
        let coinbase = exact_transaction(
            &bytes_of(&vector["raw_coinbase_hex"]),
            vector["coinbase_txid"].as_str().unwrap(),
        );
        assert!(coinbase.is_coinbase());
        assert_eq!(block.transactions, [coinbase]);
        assert_eq!(block.header.to_bytes(), bytes_of(&vector["raw_header_hex"]));
    }
    assert_eq!(all.len(), 3);
}

#[test]
fn headers_and_blocks() {
    let (mut blocks, mut seals, mut stakes) = (0, 0, 0);
    for vector in vectors("blocks.json") {
        let hash = vector["hash"].as_str().unwrap();
        let block = vector.get("raw_block_hex").map(|raw| exact_block(&bytes_of(raw), hash));
        blocks += usize::from(block.is_some());
        let header = match &block {
            Some(block) => block.header.clone(),
            None => Header::decode(&bytes_of(&vector["raw_header_hex"])).unwrap(),
        };
        assert_eq!(header.hash().to_string(), hash);
        assert_eq!(Header::decode(&header.to_bytes()).as_ref(), Ok(&header));
        let expected = &vector["header"];
        assert_eq!(header.previous.to_string(), *expected["prev"].as_str().unwrap());
        assert_eq!(header.merkle.to_string(), *expected["merkle"].as_str().unwrap());
        assert_eq!(header.mix_hash.to_string(), *expected["mixhash"].as_str().unwrap());
        assert_eq!(header.bits.to_string(), expected["bits"].to_string().replace('"', ""));
        assert_eq!(header.nonce.to_string(), expected["nonce"].to_string().replace('"', ""));
        assert_eq!(u64::from(header.number.value()), expected["number"]);
        if let Some(boundary) = vector["boundary_hex"].as_str() {
            assert_eq!(hex::encode(header.bits.boundary().to_be_bytes()), boundary);
        }
        if let Some(preimage) = vector["ethash"]["seal_preimage_hex"].as_str() {
            assert_eq!(hex::encode(header.seal_preimage()), preimage);
            assert_eq!(
                header.seal_hash().to_string(),
                *vector["ethash"]["seal_hash"].as_str().unwrap()
            );
            seals += 1;
        }
        if let Some(txs) = vector["raw_txs_hex"].as_array() {
            let txids = vector["txids"].as_array().unwrap();
            // A transaction whose bytes the source does not give is null.
            for (raw, txid) in txs.iter().zip(txids).filter(|(raw, _)| !raw.is_null()) {
                exact_transaction(&bytes_of(raw), txid.as_str().unwrap());
            }
        }
        let Some(pos) = vector.get("pos") else { continue };
        let stake = &pos["stake_outpoint"];
        let stake = OutPoint::new(
            stake["hash"].as_str().unwrap().parse().unwrap(),
            stake["index"].as_u64().unwrap().try_into().unwrap(),
        );
        assert_eq!(
            hex::encode(header.stake_preimage(&stake)),
            pos["pos_preimage_hex"].as_str().unwrap()
        );
        if let Some(Block { proof: BlockProof::Stake(signature), .. }) = &block {
            let compact = hex::encode(signature.to_compact());
            assert_eq!(compact[..64], *pos["blocksig_r"].as_str().unwrap());
            assert_eq!(compact[64..], *pos["blocksig_s"].as_str().unwrap());
            stakes += 1;
        }
    }
    assert!(blocks >= 4 && seals >= 4 && stakes >= 2, "{blocks} {seals} {stakes}");
}

#[test]
fn blocks_of_the_reference_chains() {
    let all = vectors("reference-blocks.json");
    for vector in &all {
        let raw = bytes_of(&vector["raw_block_hex"]);
        let block = exact_block(&raw, vector["hash"].as_str().unwrap());
        assert_eq!(u64::from(block.header.number.value()), vector["height"]);
        for transaction in &block.transactions {
            exact_transaction(&transaction.to_bytes(), &transaction.txid().to_string());
        }
    }
    assert_eq!(all.len(), 5);
}
