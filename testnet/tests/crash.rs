//! A node that is killed again and again while it syncs.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use testkit::history::Rng;
use testnet::node::{Node, Setup, program_or_skip};
use testnet::proxy::Proxy;
use testnet::scenario::{Recorded, SYNC_LIMIT, alone};
use testnet::wait::{Seen, until};

const KILLS: u32 = 50;
/// Slow enough that the chain does not arrive at once, in bytes a second.
const RATE: u64 = 1_500_000;

#[test]
fn a_syncing_node_survives_fifty_kills() {
    let Some(program) = program_or_skip("a_syncing_node_survives_fifty_kills") else { return };
    let _alone = alone();
    let chain = Recorded::chain_a().unwrap();
    let source = chain.imported(&program).unwrap();
    let end = source.status().unwrap();
    let proxy = Proxy::start(source.address()).unwrap();
    proxy.set_rate(Some(RATE));
    let setup = Setup::on(chain.network().unwrap()).connect(proxy.address());
    let mut node = Node::prepare(&program, setup).unwrap();
    let total: usize = chain.blocks.iter().map(Vec::len).sum();
    let total = total as u64;

    let mut rng = Rng::new(50);
    let mut syncs = 0;
    for kill in 0..KILLS {
        let before = proxy.bytes().1;
        if kill % 5 == 4 {
            // In the middle of its start.
            node.spawn().unwrap();
            until("its first words", SYNC_LIMIT, || {
                let length = std::fs::metadata(node.log()).map_or(0, |data| data.len());
                Seen::so(length > 0, || "silence".into())
            })
            .unwrap();
            node.kill().unwrap();
            continue;
        }
        node.restart().unwrap_or_else(|error| panic!("kill {kill}: {error:#}"));
        let started_at = node.status().unwrap().height;
        // Sometimes at once, sometimes after a good part of the chain.
        let wanted = before + rng.below(total / 8);
        let status = until("bytes of the chain", SYNC_LIMIT, || {
            let status = node.status().unwrap();
            let is_there = status.tip == end.tip;
            if proxy.bytes().1 >= wanted || is_there {
                return Seen::Done(status);
            }
            Seen::NotYet(format!("{} of {wanted} bytes, {status:?}", proxy.bytes().1))
        })
        .unwrap();
        assert!(status.height >= started_at, "{status:?} after a start at {started_at}");
        node.kill().unwrap();
        if status.tip == end.tip {
            // It has all of it: from nothing again.
            syncs += 1;
            std::fs::remove_dir_all(node.data_dir()).unwrap();
            continue;
        }
        // What was shown as committed is still there.
        node.restart().unwrap_or_else(|error| panic!("kill {kill}: {error:#}"));
        let after = node.status().unwrap();
        assert!(after.height >= status.height, "kill {kill}: {after:?} after {status:?}");
        node.kill().unwrap();
    }
    proxy.set_rate(None);
    node.restart().unwrap();
    let status = node.wait_for_tip(&end.tip, SYNC_LIMIT).unwrap();
    assert_eq!(status.chain(), end.chain(), "after {KILLS} kills and {syncs} whole syncs");
    assert_eq!(status.work, end.work);
}

#[test]
fn a_killed_node_keeps_what_it_had() {
    let Some(program) = program_or_skip("a_killed_node_keeps_what_it_had") else { return };
    let _alone = alone();
    let chain = Recorded::chain_a().unwrap();
    let mut node = chain.imported(&program).unwrap();
    let before = node.status().unwrap();
    for _ in 0..3 {
        node.kill().unwrap();
        node.restart().unwrap();
        assert_eq!(node.status().unwrap().chain(), before.chain());
    }
}
