//! The parts that judge a node, against each other and against what the first node said.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use mvs_consensus::params::Params;
use mvs_primitives::encode::Encode;
use testnet::peer::{Introduction, PATIENCE, Peer};
use testnet::proxy::Proxy;
use testnet::scripted::{FirstNode, Habits};
use testnet::served::Served;
use testnet::transcript::{Demand, load, replay};
use testnet::{chain_file, wire};

static CHAIN_A: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("kit/data/reference-chain");
    chain_file::read(&data.join("chain-a.bin.gz")).unwrap()
});

fn genesis() -> Vec<u8> {
    Params::devnet().genesis.to_bytes()
}

fn first_node(blocks: usize) -> FirstNode {
    let tree = Served::with(&genesis(), &CHAIN_A[..blocks]).unwrap();
    FirstNode::start(tree, Habits::default()).unwrap()
}

#[test]
fn the_scripted_node_says_what_the_first_node_said() {
    let node = first_node(CHAIN_A.len());
    let recordings = [
        ("server-handshake", 0),
        ("server-handshake-order", 1),
        ("server-getheaders-startheight0", 6),
        ("server-getheaders-startheight-tip", 8),
        ("server-getheaders-limit-boundary", 2),
        ("server-getheaders-unknown-last", 2),
        ("server-getblocks", 12),
        ("server-getdata", 11),
        ("server-getaddr-ping-mempool-empty", 2),
    ];
    for (name, answers) in recordings {
        let compared = replay(&load(name).unwrap(), node.address(), Demand::Same).unwrap();
        assert_eq!(compared, answers, "{name}");
    }
    assert!(node.complaints().is_empty(), "{:?}", node.complaints());
}

#[test]
fn one_scripted_node_follows_another_through_a_proxy() {
    let source = first_node(700);
    let proxy = Proxy::start(source.address()).unwrap();
    let follower = first_node(0);
    follower.dial(proxy.address()).unwrap();
    let waited = follower.wait_for_tip(&source.tip().1, PATIENCE);
    assert!(
        waited.is_ok(),
        "{waited:?} {:?} {:?} {:?} {:?}",
        source.heard(),
        follower.heard(),
        source.complaints(),
        follower.complaints()
    );
    assert_eq!(follower.tip().0, 700);

    // What is announced arrives; what is announced during a partition arrives when it heals.
    source.mine(&CHAIN_A[700..702]).unwrap();
    follower.wait_for_tip(&source.tip().1, PATIENCE).unwrap();
    proxy.cut();
    source.mine(&CHAIN_A[702..703]).unwrap();
    proxy.open();
    follower.dial(proxy.address()).unwrap();
    follower.wait_for_tip(&source.tip().1, PATIENCE).unwrap();
    let (_, back) = proxy.bytes();
    let blocks: usize = CHAIN_A[..703].iter().map(Vec::len).sum();
    assert!(back as usize > blocks, "{back} bytes for {blocks}");
    for node in [&source, &follower] {
        assert!(node.complaints().is_empty(), "{:?}", node.complaints());
    }
}

/// Each of these cost the tester its connection to the first node.
#[test]
fn the_scripted_node_is_as_strict_as_the_first_node() {
    let node = first_node(100);
    let good = wire::frame(wire::MAGIC, "ping", &[1; 8]);
    let mut corrupt = good.clone();
    *corrupt.last_mut().unwrap() ^= 1;
    let offences = [
        ("an unknown command", wire::frame(wire::MAGIC, "foobar", b"")),
        ("feefilter", wire::frame(wire::MAGIC, "feefilter", &[0; 8])),
        ("a byte behind getaddr", wire::frame(wire::MAGIC, "getaddr", b"x")),
        ("a byte behind ping", wire::frame(wire::MAGIC, "ping", &[1; 9])),
        ("a short ping", wire::frame(wire::MAGIC, "ping", &[1; 4])),
        ("a wrong checksum", corrupt),
        ("a huge length", wire::frame_as(wire::MAGIC, "block", b"", 1_800_004, [0; 4])),
        ("a wrong nonce", wire::frame(wire::MAGIC, "pong", &[9; 8])),
        ("a wrong magic", wire::frame(*b"tmvs", "ping", &[1; 8])),
        ("a long locator", {
            let hashes: Vec<_> = (0..40).map(|n| [n; 32]).collect();
            wire::frame(wire::MAGIC, "getheaders", &wire::locator(&hashes, [0; 32]))
        }),
    ];
    for (index, (what, bytes)) in offences.iter().enumerate() {
        let mut peer = Peer::connect(node.address(), &Introduction::default()).unwrap();
        peer.expect("mempool").unwrap();
        peer.wire.send_raw(bytes).unwrap();
        peer.until_closed(PATIENCE).unwrap_or_else(|error| panic!("{what}: {error:#}"));
        testnet::wait::until("a complaint", PATIENCE, || {
            let count = node.complaints().len();
            testnet::wait::Seen::so(count == index + 1, || format!("{:?}", node.complaints()))
        })
        .unwrap();
    }
    let mut peer = Peer::connect(node.address(), &Introduction::default()).unwrap();
    peer.expect("mempool").unwrap();
    peer.send("sendheaders", b"").unwrap();
    peer.settle().unwrap();
    assert!(peer.until_closed(Duration::from_millis(50)).is_err(), "sendheaders is harmless");
}

#[test]
fn half_of_a_first_nodes_addresses_are_empty() {
    let hosts = vec!["127.0.0.1:5251".parse().unwrap(), "127.0.0.1:5252".parse().unwrap()];
    let tree = Served::new(&genesis());
    let node = FirstNode::start(tree, Habits { hosts, ..Habits::default() }).unwrap();
    let mut peer = Peer::connect(node.address(), &Introduction::default()).unwrap();
    peer.expect("mempool").unwrap();
    peer.send("getaddr", b"").unwrap();
    let payload = peer.expect("addr").unwrap();
    assert_eq!(payload.len(), 1 + 4 * 30);
    assert_eq!(payload[13..29], [0; 16]);
    peer.send("getaddr", b"").unwrap();
    assert!(peer.settle().unwrap().is_empty(), "the second one stays unanswered");
}
