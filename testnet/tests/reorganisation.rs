//! Deep reorganisations over the wire. 8,000 blocks: `testnet bench reorganisation --depth 8000`.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use mvs_consensus::params::Params;
use mvs_primitives::encode::Encode;
use testnet::node::{Node, Setup, program_or_skip};
use testnet::scenario::{Recorded, Rivals, SYNC_LIMIT, alone, kit_data};
use testnet::scripted::FirstNode;
use testnet::served::Served;
use testnet::wire;

const DEPTH: u32 = 1_000;

#[test]
fn a_thousand_blocks_are_taken_back_and_their_transactions_wait_again() {
    let name = "a_thousand_blocks_are_taken_back_and_their_transactions_wait_again";
    let Some(program) = program_or_skip(name) else { return };
    let _alone = alone();
    Rivals::make(DEPTH).unwrap().play(&program, SYNC_LIMIT).unwrap();
}

/// Both branches spend the same coins and fight for the same names; the first node went this way.
#[test]
fn the_recorded_reorganisation() {
    let Some(program) = program_or_skip("the_recorded_reorganisation") else { return };
    let _alone = alone();
    let chain = Recorded::chain_a().unwrap();
    let text = std::fs::read_to_string(kit_data("reference-chain/reorg.json")).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let branch = |name: &str| -> Vec<Vec<u8>> {
        let list = document[name].as_array().or_else(|| document[name]["blocks"].as_array());
        list.unwrap().iter().map(|block| hex::decode(block.as_str().unwrap()).unwrap()).collect()
    };
    let (one, two) = (branch("branch_one"), branch("branch_two"));
    assert!(one.len() == 5 && two.len() == 7);
    let tree = |branch: &[Vec<u8>]| {
        let blocks = [chain.blocks.as_slice(), branch].concat();
        Served::with(&Params::devnet().genesis.to_bytes(), &blocks).unwrap()
    };
    let first = FirstNode::start(tree(&one), chain.habits()).unwrap();
    let second = FirstNode::start(tree(&two), chain.habits()).unwrap();
    let node = chain.imported(&program).unwrap();
    first.dial(node.address()).unwrap();
    node.wait_for_tip(&wire::display(&first.tip().1), SYNC_LIMIT).unwrap();
    second.dial(node.address()).unwrap();
    let moved = node.wait_for_tip(&wire::display(&second.tip().1), SYNC_LIMIT).unwrap();

    let setup = Setup::on(chain.network().unwrap()).connect(second.address());
    let fresh = Node::start(&program, setup).unwrap();
    let status = fresh.wait_for_tip(&moved.tip, SYNC_LIMIT).unwrap();
    assert_eq!(status.chain(), moved.chain());
    for peer in [&first, &second] {
        assert!(peer.complaints().is_empty(), "{:?}", peer.complaints());
    }
}
