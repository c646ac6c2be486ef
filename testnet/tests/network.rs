//! Three nodes mine, relay, part, meet again and end on one chain; a fourth comes late.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::time::Duration;

use mvs_consensus::params::Params;
use mvs_primitives::amount::Amount;
use mvs_primitives::block::Block;
use mvs_primitives::encode::{Decode, Encode};
use mvs_primitives::input::{Input, OutPoint};
use mvs_primitives::output::Output;
use mvs_primitives::script::Script;
use mvs_primitives::transaction::Transaction;
use testkit::people::Person;
use testnet::node::{Network, Node, Setup, program_or_skip};
use testnet::proxy::Proxy;
use testnet::scenario::{SYNC_LIMIT, agree, alone};
use testnet::scripted::{FirstNode, Habits};
use testnet::served::Served;
use testnet::wire;

/// Often enough that branches grow, seldom enough that they meet.
const INTERVAL: Duration = Duration::from_millis(400);

/// Spends the coinbase of the block at height 1.
fn payment(observer: &FirstNode, people: &[Person]) -> Transaction {
    let block = observer.look(|tree| tree.block(&tree.main()[1]).unwrap().to_vec());
    let block = Block::decode(&block).unwrap();
    let coinbase = &block.transactions[0];
    let owner = people
        .iter()
        .find(|person| person.pay() == coinbase.outputs[0].script)
        .expect("one of the miners got the reward");
    let previous = OutPoint::new(coinbase.txid(), 0);
    let units = coinbase.outputs[0].value.units() - 20_000;
    let mut transaction = Transaction {
        version: 1,
        inputs: vec![Input { previous, script: Script::default(), sequence: u32::MAX }],
        outputs: vec![Output::etp(Amount::from_units(units), people[0].pay())],
        locktime: 0,
    };
    let script = owner.unlock(&transaction, 0, &coinbase.outputs[0].script);
    transaction.inputs[0].script = script;
    transaction
}

#[test]
fn three_nodes_part_and_meet_again() {
    let Some(program) = program_or_skip("three_nodes_part_and_meet_again") else { return };
    let _alone = alone();
    let params = Params::devnet();
    let people = Person::crowd("miner", 3);
    let network = Network::devnet();
    let mut nodes: Vec<Node> =
        (0..3).map(|_| Node::prepare(&program, Setup::on(network.clone())).unwrap()).collect();
    // Each connects to the next one, through a proxy.
    let proxies: Vec<Proxy> =
        (0..3).map(|index| Proxy::start(nodes[(index + 1) % 3].address()).unwrap()).collect();
    for (index, node) in nodes.iter_mut().enumerate() {
        let address = people[index].address().to_text(&params.addresses);
        node.setup.connect = vec![proxies[index].address()];
        node.setup.mine = Some((address, INTERVAL));
        proxies[index].set_latency(Duration::from_millis(5));
        node.restart().unwrap();
    }
    for node in &nodes {
        node.wait_for_peers(2, SYNC_LIMIT).unwrap();
    }

    // A peer with the first node's habits at either end.
    let genesis = params.genesis.to_bytes();
    let observers: Vec<FirstNode> = [0, 2]
        .into_iter()
        .map(|index: usize| {
            let observer = FirstNode::start(Served::new(&genesis), Habits::default()).unwrap();
            observer.dial(nodes[index].address()).unwrap();
            observer
        })
        .collect();

    // Blocks and transactions reach everybody.
    for node in &nodes {
        node.wait_for_height(params.coinbase_maturity + 3, SYNC_LIMIT).unwrap();
    }
    testnet::wait::until("the observer to follow", SYNC_LIMIT, || {
        let height = observers[0].tip().0;
        testnet::wait::Seen::so(height > params.coinbase_maturity + 1, || height.to_string())
    })
    .unwrap();
    let transaction = payment(&observers[0], &people);
    let txid = *transaction.txid().as_bytes();
    observers[0].pool(&transaction.to_bytes());
    testnet::wait::until("the payment on its way or in a block", SYNC_LIMIT, || {
        let is_mined = observers[1].look(|tree| {
            tree.main().iter().skip(1).any(|hash| {
                let block = Block::decode(tree.block(hash).unwrap()).unwrap();
                block.txids().iter().any(|id| *id.as_bytes() == txid)
            })
        });
        testnet::wait::Seen::so(is_mined, || "not mined".into())
    })
    .unwrap();

    // The third one is alone; both sides go on.
    proxies[1].cut();
    proxies[2].cut();
    nodes[2].wait_for("no other node", SYNC_LIMIT, |status| status.peers == 1).unwrap();
    let heights: Vec<u32> = nodes.iter().map(|node| node.status().unwrap().height).collect();
    let lonely = nodes[2].wait_for_height(heights[2] + 6, SYNC_LIMIT).unwrap();
    let others = nodes[0].wait_for_height(heights[0] + 8, SYNC_LIMIT).unwrap();
    assert_ne!(lonely.tip, others.tip);

    // They meet and go on for a while; then nobody mines any more.
    proxies[1].open();
    proxies[2].open();
    nodes[2].wait_for_peers(3, SYNC_LIMIT).unwrap();
    let height = nodes[2].status().unwrap().height;
    nodes[1].wait_for_height(height.max(others.height) + 3, SYNC_LIMIT).unwrap();
    // The first one mines last and alone, so that no two blocks of equal work are left over.
    for last in [false, true] {
        let stopping = if last { 0..1 } else { 1..3 };
        for node in &mut nodes[stopping] {
            let (status, took) = node.stop().unwrap();
            assert!(status.success() && took <= Duration::from_secs(3), "{status} after {took:?}");
            node.setup.mine = None;
            node.restart().unwrap();
        }
        for node in &nodes {
            node.wait_for_peers(2, SYNC_LIMIT).unwrap();
        }
        if !last {
            let heights = nodes.iter().map(|node| node.status().unwrap().height);
            let height = heights.max().unwrap();
            for node in &nodes {
                node.wait_for_height(height + 3, SYNC_LIMIT).unwrap();
            }
        }
    }
    let all: Vec<&Node> = nodes.iter().collect();
    let end = agree(&all, SYNC_LIMIT).unwrap();
    assert!(end.height >= height.max(others.height), "{end:?}");

    // One of the two branches is gone.
    let fresh = FirstNode::start(Served::new(&genesis), Habits::default()).unwrap();
    fresh.dial(nodes[1].address()).unwrap();
    testnet::wait::until("a first node to follow", SYNC_LIMIT, || {
        let (height, tip) = fresh.tip();
        testnet::wait::Seen::so(wire::display(&tip) == end.tip, || height.to_string())
    })
    .unwrap();
    let kept = fresh.look(|tree| {
        let main: Vec<String> = tree.main().iter().map(wire::display).collect();
        [&lonely.tip, &others.tip].map(|tip| main.contains(tip))
    });
    assert!(kept != [true, true], "both sides of a partition cannot stay: {kept:?}");

    // A fourth one starts from nothing.
    let setup = Setup::on(network).connect(nodes[0].address()).connect(nodes[2].address());
    let fourth = Node::start(&program, setup).unwrap();
    let status = fourth.wait_for_tip(&end.tip, SYNC_LIMIT).unwrap();
    assert_eq!(status.chain(), end.chain());
    assert_eq!(status.work, end.work);
    for observer in observers.iter().chain([&fresh]) {
        assert!(observer.complaints().is_empty(), "{:?}", observer.complaints());
    }
}
