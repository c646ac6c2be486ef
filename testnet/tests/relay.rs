//! Loose transactions between real nodes: given to one, passed on by another, mined by a third.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeSet;
use std::time::Duration;

use mvs_primitives::block::Block;
use mvs_primitives::encode::{Decode, Encode};
use testkit::build::person::MINER;
use testnet::chain_file;
use testnet::node::{Network, Node, Setup, program_or_skip};
use testnet::scenario::{Rivals, SYNC_LIMIT, agree, alone, honest, pool_of};
use testnet::scripted::{FirstNode, Habits};
use testnet::served::Served;
use testnet::wait::{Seen, until};
use testnet::wire::{self, Hash, INV_TX};

/// Often enough that the test is short.
const INTERVAL: Duration = Duration::from_millis(100);

#[test]
fn transactions_reach_a_miner_two_nodes_away() {
    let name = "transactions_reach_a_miner_two_nodes_away";
    let Some(program) = program_or_skip(name) else { return };
    let _alone = alone();
    let rivals = Rivals::make(40).unwrap();
    let magic = rivals.params.magic.to_le_bytes();
    let network = Network::of(&rivals.params).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trunk");
    chain_file::write(&file, &rivals.trunk).unwrap();
    let mut nodes: Vec<Node> = Vec::new();
    for _ in 0..3 {
        let mut setup = Setup::on(network.clone());
        setup.connect.extend(nodes.last().map(Node::address));
        let mut node = Node::prepare(&program, setup).unwrap();
        program.import(&network, &node.data_dir(), &file, SYNC_LIMIT).unwrap();
        node.restart().unwrap();
        nodes.push(node);
    }
    for (node, peers) in nodes.iter().zip([1, 2, 1]) {
        node.wait_for_peers(peers, SYNC_LIMIT).unwrap();
    }

    // A peer of the first one announces them, and sends what it is asked for.
    let wanted: BTreeSet<Hash> =
        rivals.transactions.iter().map(|tx| *tx.txid().as_bytes()).collect();
    let mut giver = honest(&nodes[0], magic).unwrap();
    let mut left = wanted.clone();
    giver.send("inv", &wire::inventory(wanted.iter().map(|id| (INV_TX, *id)))).unwrap();
    while !left.is_empty() {
        let payload = giver.expect("getdata").unwrap();
        for (_, id) in wire::parse_inventory(&payload).unwrap() {
            let tx = rivals.transactions.iter().find(|tx| *tx.txid().as_bytes() == id).unwrap();
            giver.send("tx", &tx.to_bytes()).unwrap();
            left.remove(&id);
        }
    }
    for node in &nodes {
        let all = |status: &testnet::status::Status| status.mempool == wanted.len();
        node.wait_for("all transactions in the pool", SYNC_LIMIT, all).unwrap();
    }
    assert_eq!(pool_of(&nodes[2], magic, wanted.len()).unwrap(), wanted);

    // The last one stops, keeps its pool, and mines it. The first one hears of the blocks.
    let blocks = [rivals.trunk.as_slice(), &[]].concat();
    let genesis = rivals.params.genesis.to_bytes();
    let observer =
        FirstNode::start(Served::with(&genesis, &blocks).unwrap(), Habits::default()).unwrap();
    observer.dial(nodes[0].address()).unwrap();
    assert!(nodes[2].stop().unwrap().0.success());
    let address = MINER.address().to_text(&rivals.params.addresses);
    nodes[2].setup.mine = Some((address, INTERVAL));
    nodes[2].restart().unwrap();
    for node in &nodes {
        node.wait_for("an empty pool", SYNC_LIMIT, |status| status.mempool == 0).unwrap();
    }
    until("all transactions in blocks", SYNC_LIMIT, || {
        let mined: BTreeSet<Hash> = observer.look(|tree| {
            let blocks = tree.main().iter().skip(rivals.trunk.len() + 1);
            let blocks = blocks.map(|hash| Block::decode(tree.block(hash).unwrap()).unwrap());
            blocks.flat_map(|block| block.txids()).map(|id| *id.as_bytes()).collect()
        });
        Seen::so(wanted.is_subset(&mined), || format!("{} mined", mined.len()))
    })
    .unwrap();
    assert!(nodes[2].stop().unwrap().0.success());
    nodes[2].setup.mine = None;
    nodes[2].restart().unwrap();
    agree(&nodes.iter().collect::<Vec<_>>(), SYNC_LIMIT).unwrap();
    assert!(observer.complaints().is_empty(), "{:?}", observer.complaints());
}
