//! The chains that the first node recorded: imported, synced, served.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use testnet::chain_file;
use testnet::node::{Node, Setup, program_or_skip};
use testnet::scenario::{Recorded, SYNC_LIMIT, agree, alone};
use testnet::scripted::FirstNode;
use testnet::transcript::{Demand, load, replay};
use testnet::wire;

fn import_and_sync(program: &testnet::node::Program, chain: &Recorded) {
    let source = chain.imported(program).unwrap();
    assert_eq!(source.status().unwrap().tip, chain.tip());
    let setup = Setup::on(chain.network().unwrap()).connect(source.address());
    let second = Node::start(program, setup).unwrap();
    second.wait_for_tip(&chain.tip(), SYNC_LIMIT).unwrap();
    agree(&[&source, &second], SYNC_LIMIT).unwrap();
}

#[test]
fn the_work_chain_is_imported_and_synced() {
    let Some(program) = program_or_skip("the_work_chain_is_imported_and_synced") else { return };
    let _alone = alone();
    import_and_sync(&program, &Recorded::chain_a().unwrap());
}

#[test]
fn the_stake_chain_is_imported_and_synced() {
    let Some(program) = program_or_skip("the_stake_chain_is_imported_and_synced") else { return };
    let _alone = alone();
    import_and_sync(&program, &Recorded::stake_chain().unwrap());
}

#[test]
fn what_is_exported_is_what_was_imported() {
    let Some(program) = program_or_skip("what_is_exported_is_what_was_imported") else { return };
    let _alone = alone();
    let chain = Recorded::chain_a().unwrap();
    let mut node = chain.imported(&program).unwrap();
    assert!(node.stop().unwrap().0.success());
    let file = node.data_dir().with_file_name("exported.gz");
    let data_dir = node.data_dir();
    let arguments = [std::path::Path::new("--data-dir"), &data_dir, &file];
    let output = program.run("export", &node.setup.network, &arguments, SYNC_LIMIT).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(chain_file::read(&file).unwrap() == chain.blocks);
}

/// A first node alone is enough to sync from, whichever batches of headers it gives.
#[test]
fn a_node_syncs_from_a_first_node() {
    let Some(program) = program_or_skip("a_node_syncs_from_a_first_node") else { return };
    let _alone = alone();
    let chain = Recorded::chain_a().unwrap();
    for blocks in [600, chain.blocks.len()] {
        let server = chain.first_node(blocks).unwrap();
        let setup = Setup::on(chain.network().unwrap()).connect(server.address());
        let node = Node::start(&program, setup).unwrap();
        node.wait_for_tip(&wire::display(&chain.hash(blocks)), SYNC_LIMIT).unwrap();
        // It follows what is announced.
        if blocks < chain.blocks.len() {
            server.mine(&chain.blocks[blocks..blocks + 3]).unwrap();
            node.wait_for_tip(&wire::display(&chain.hash(blocks + 3)), SYNC_LIMIT).unwrap();
        }
        assert!(server.complaints().is_empty(), "{:?}", server.complaints());
        assert_eq!(server.endings(), 0);
    }
}

/// Two first nodes at different heights, both dialling us.
#[test]
fn a_node_follows_the_better_of_two_first_nodes() {
    let Some(program) = program_or_skip("a_node_follows_the_better_of_two_first_nodes") else {
        return;
    };
    let _alone = alone();
    let chain = Recorded::chain_a().unwrap();
    let node = Node::start(&program, Setup::on(chain.network().unwrap())).unwrap();
    let servers: Vec<FirstNode> =
        [700, 900].map(|blocks| chain.first_node(blocks).unwrap()).into_iter().collect();
    for server in &servers {
        server.dial(node.address()).unwrap();
    }
    node.wait_for_tip(&wire::display(&chain.hash(900)), SYNC_LIMIT).unwrap();
    // The one that was behind learns of it from us.
    servers[0].wait_for_tip(&chain.hash(900), SYNC_LIMIT).unwrap();
    for server in &servers {
        assert!(server.complaints().is_empty(), "{:?}", server.complaints());
    }
}

#[test]
fn a_first_node_syncs_from_a_node() {
    let Some(program) = program_or_skip("a_first_node_syncs_from_a_node") else { return };
    let _alone = alone();
    let chain = Recorded::chain_a().unwrap();
    let node = chain.imported(&program).unwrap();
    for blocks in [0, 1_500, 3_160] {
        let client = chain.first_node(blocks).unwrap();
        client.dial(node.address()).unwrap();
        client.wait_for_tip(&chain.hash(chain.blocks.len()), SYNC_LIMIT).unwrap();
        assert!(client.complaints().is_empty(), "{:?}", client.complaints());
    }
}

#[test]
fn a_node_answers_what_the_first_node_answered() {
    let Some(program) = program_or_skip("a_node_answers_what_the_first_node_answered") else {
        return;
    };
    let _alone = alone();
    let chain = Recorded::chain_a().unwrap();
    let node = chain.imported(&program).unwrap();
    let mut wrong = Vec::new();
    for name in [
        "server-handshake",
        "server-handshake-order",
        "server-getheaders-startheight0",
        "server-getheaders-startheight-tip",
        "server-getheaders-limit-boundary",
        "server-getheaders-unknown-last",
        "server-getblocks",
        "server-getdata",
        "server-getaddr-ping-mempool-empty",
    ] {
        if let Err(error) = replay(&load(name).unwrap(), node.address(), Demand::Sensible) {
            wrong.push(format!("{name}: {error:#}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
