//! The node as a process: it stops cleanly, guards its folder, and is quiet when nothing happens.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::time::Duration;

use rustix::process::Signal;
use testnet::bench;
use testnet::node::{Network, Node, Setup, program_or_skip};
use testnet::proxy::Proxy;
use testnet::scenario::{Recorded, SYNC_LIMIT, alone};
use testnet::wait::{Seen, until};

/// How long a clean stop may take.
const STOP_LIMIT: Duration = Duration::from_secs(3);
/// What an idle node may move a day, in bytes.
const IDLE_BYTES_A_DAY: f64 = 50.0 * 1_048_576.0;

#[test]
fn a_node_stops_within_three_seconds() {
    let Some(program) = program_or_skip("a_node_stops_within_three_seconds") else { return };
    let _alone = alone();
    for signal in [Signal::TERM, Signal::INT] {
        let mut node = Node::start(&program, Setup::on(Network::devnet())).unwrap();
        let (status, took) = node.stop_by(signal).unwrap();
        assert_eq!(status.code(), Some(0), "{signal:?}: {}", node.tail());
        assert!(took <= STOP_LIMIT, "{signal:?} took {took:?}");
    }
}

#[test]
fn a_syncing_node_stops_within_three_seconds_and_goes_on_where_it_was() {
    let name = "a_syncing_node_stops_within_three_seconds_and_goes_on_where_it_was";
    let Some(program) = program_or_skip(name) else { return };
    let _alone = alone();
    let chain = Recorded::chain_a().unwrap();
    let source = chain.imported(&program).unwrap();
    let proxy = Proxy::start(source.address()).unwrap();
    proxy.set_rate(Some(1_000_000));
    let setup = Setup::on(chain.network().unwrap()).connect(proxy.address());
    let mut node = Node::start(&program, setup).unwrap();
    for _ in 0..2 {
        let height = node.status().unwrap().height;
        let before = node.wait_for_height(height + 1, SYNC_LIMIT).unwrap();
        let (status, took) = node.stop().unwrap();
        assert_eq!(status.code(), Some(0), "{}", node.tail());
        assert!(took <= STOP_LIMIT, "took {took:?}");
        node.restart().unwrap();
        let after = node.status().unwrap();
        assert!(after.height >= before.height, "{after:?} after {before:?}");
    }
    proxy.set_rate(None);
    let status = node.wait_for_tip(&chain.tip(), SYNC_LIMIT).unwrap();
    assert_eq!(status.chain(), source.status().unwrap().chain());
}

#[test]
fn a_second_process_on_the_same_folder_is_refused() {
    let name = "a_second_process_on_the_same_folder_is_refused";
    let Some(program) = program_or_skip(name) else { return };
    let _alone = alone();
    let node = Node::start(&program, Setup::on(Network::devnet())).unwrap();
    let mut other = Node::prepare(&program, Setup::on(Network::devnet())).unwrap();
    // The same folder, other ports: the last flag given wins or is refused, so it is set outside.
    std::fs::remove_dir_all(other.data_dir()).unwrap_or_default();
    std::os::unix::fs::symlink(node.data_dir(), other.data_dir()).unwrap();
    other.spawn().unwrap();
    let end = until("the second process to end", Duration::from_secs(10), || match other.ended() {
        Ok(status) => Seen::maybe(status, || "it runs".into()),
        Err(error) => Seen::NotYet(format!("{error:#}")),
    })
    .unwrap();
    assert!(!end.success(), "{end}");
    let log = std::fs::read_to_string(other.log()).unwrap();
    assert!(log.contains("another process"), "{log}");
    assert!(log.contains(&other.data_dir().display().to_string()), "{log}");
    assert!(node.status().is_ok(), "the first one goes on");
}

#[test]
fn an_idle_node_is_quiet() {
    let Some(program) = program_or_skip("an_idle_node_is_quiet") else { return };
    let _alone = alone();
    let window = Duration::from_secs(8);
    let bytes = bench::idle_bytes(&program, window).unwrap();
    let allowed = IDLE_BYTES_A_DAY * window.as_secs_f64() / 86_400.0;
    assert!((bytes as f64) <= allowed, "{bytes} bytes in {window:?}, {allowed:.0} allowed");
}
