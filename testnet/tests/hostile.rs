//! Peers that mean harm. They come from `::1`; the honest ones from `127.0.0.1`.
//!
//! In each scenario the node follows honest blocks during and after the attack, those that it was connected
//! for and those that a miner brings to it, and passes them on; so with honest transactions. It keeps its
//! honest peers, takes a new one, and uses at most 256 MiB more memory than before.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use mvs_consensus::params::Params;
use mvs_pow::CacheSet;
use mvs_primitives::block::Block;
use mvs_primitives::encode::{Decode, Encode};
use mvs_primitives::height::Height;
use mvs_primitives::input::OutPoint;
use testkit::build::BlockDraft;
use testkit::build::person::{ALICE, MINER};
use testkit::build::tx::TxDraft;
use testkit::chain::{FAR_FUTURE, MemoryChain};
use testkit::history::Rng;
use testnet::make_chain::empty_branch;
use testnet::node::{Network, Node, Setup, loudly, program_or_skip};
use testnet::peer::{Introduction, PATIENCE, Peer};
use testnet::scenario::{SYNC_LIMIT, alone, honest, offer};
use testnet::scripted::{FirstNode, Habits};
use testnet::served::Served;
use testnet::usage::{disk_bytes, forget_peak};
use testnet::wire::{self, HEADER_BYTES, INV_BLOCK, INV_TX, MAGIC, Wire};

/// How much more memory an attack may cost, in bytes.
const MEMORY_LIMIT: u64 = 256 << 20;
/// Blocks before the attack.
const BEFORE: usize = 300;
/// How long one honest block may take to arrive, whatever else goes on.
const FOLLOW_LIMIT: Duration = Duration::from_secs(30);

/// How long an enemy tries to send to somebody who does not read.
const GIVE_UP: Duration = Duration::from_millis(300);

static CHAIN: LazyLock<MemoryChain> = LazyLock::new(|| {
    let caches = Arc::new(CacheSet::new(1));
    let mut chain = MemoryChain::new(Params::devnet(), caches);
    for block in empty_branch(&chain.clone(), Height::GENESIS, 320, 0).unwrap() {
        chain.append(&block, FAR_FUTURE).unwrap();
    }
    chain
});

static BLOCKS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    CHAIN.blocks().iter().skip(1).map(|block| block.block().block().to_bytes()).collect()
});

/// A node under attack, and those that wish it well.
struct Siege {
    node: Node,
    /// The node connects to this one.
    friend: FirstNode,
    /// This one connects to the node.
    guest: Peer,
    /// Height of the honest chain.
    told: usize,
    /// Transactions that the guest has sent.
    paid: usize,
    name: &'static str,
    resident: u64,
}

impl Siege {
    fn lay(name: &'static str) -> Option<Self> {
        let program = program_or_skip(name)?;
        let tree = Served::with(&Params::devnet().genesis.to_bytes(), &BLOCKS[..BEFORE]).unwrap();
        let friend = FirstNode::start(tree, Habits::default()).unwrap();
        let setup = Setup::on(Network::devnet()).connect(friend.address());
        let node = Node::start(&program, setup).unwrap();
        node.wait_for_tip(&wire::display(&friend.tip().1), SYNC_LIMIT).unwrap();
        let guest = honest(&node, MAGIC).unwrap();
        node.wait_for_peers(2, PATIENCE).unwrap();
        node.wait_for("the node to have caught up", PATIENCE, |status| status.phase == "synced")
            .unwrap();
        let resident = node.memory().unwrap().resident;
        forget_peak(node.pid().unwrap()).unwrap();
        Some(Self { node, friend, guest, told: BEFORE, paid: 0, name, resident })
    }

    /// Connects as an enemy.
    fn enemy(&self) -> anyhow::Result<Peer> {
        let introduction = Introduction::default().at(BEFORE as u32);
        let peer = Peer::connect(self.node.address_v6(), &introduction)?;
        // Whoever is not read from any more has failed.
        peer.wire.set_write_limit(GIVE_UP)?;
        Ok(peer)
    }

    /// Connects as an enemy that says nothing by itself.
    fn bare(&self) -> anyhow::Result<Wire> {
        Wire::dial(self.node.address_v6(), MAGIC, PATIENCE)
    }

    /// Somebody has a new block, and the node and the friend follow; so with a transaction.
    fn an_honest_block_arrives(&mut self) {
        let block = &BLOCKS[self.told];
        self.told += 1;
        let hash = wire::block_hash(block);
        if self.told.is_multiple_of(2) {
            self.friend.mine(&[block]).unwrap();
        } else {
            offer(&mut self.guest, &[block], FOLLOW_LIMIT)
                .unwrap_or_else(|error| panic!("{}: a miner's block: {error:#}", self.name));
        }
        self.node.wait_for_tip(&wire::display(&hash), FOLLOW_LIMIT).unwrap();
        self.friend
            .wait_for_tip(&hash, FOLLOW_LIMIT)
            .unwrap_or_else(|error| panic!("{}: passing on a block: {error:#}", self.name));
        self.an_honest_transaction_passes();
    }

    /// The guest pays, and the friend hears of it.
    fn an_honest_transaction_passes(&mut self) {
        self.paid += 1;
        let reward = CHAIN.blocks()[self.paid].block().block().transactions[0].clone();
        let payment = TxDraft::new(1)
            .spend(OutPoint::new(reward.txid(), 0))
            .pay(ALICE.units(1_000_000))
            .rest(MINER)
            .sign(&|_| Some(reward.outputs[0].clone()));
        self.guest.send("tx", &payment.to_bytes()).unwrap();
        self.friend
            .wait_for_transaction(payment.txid().as_bytes(), FOLLOW_LIMIT)
            .unwrap_or_else(|error| panic!("{}: passing on a payment: {error:#}", self.name));
    }

    /// What must hold after every attack.
    fn stands(mut self) {
        self.an_honest_block_arrives();
        assert_eq!(self.friend.endings(), 0, "{}: the friend was dropped", self.name);
        self.guest.settle().unwrap_or_else(|error| panic!("{}: guest: {error:#}", self.name));
        honest(&self.node, MAGIC).unwrap().settle().unwrap();
        self.an_honest_block_arrives();
        assert!(self.friend.complaints().is_empty(), "{:?}", self.friend.complaints());
        let peak = self.node.memory().unwrap().peak;
        let more = peak.saturating_sub(self.resident) >> 20;
        loudly(&format!("{}: {} MiB before, {more} MiB more", self.name, self.resident >> 20));
        assert!(peak <= self.resident + MEMORY_LIMIT, "{}: {more} MiB more", self.name);
    }
}

/// Sends until the node has had enough of it; tells how often.
fn flood(
    peer: &mut Peer,
    times: usize,
    mut message: impl FnMut(usize) -> (&'static str, Vec<u8>),
) -> usize {
    for time in 0..times {
        let (command, payload) = message(time);
        if peer.send(command, &payload).is_err() {
            return time;
        }
    }
    times
}

fn hashes(rng: &mut Rng, kind: u32, count: usize) -> Vec<u8> {
    let mut hash = || {
        let words = [rng.next_u64(), rng.next_u64(), rng.next_u64(), rng.next_u64()];
        let mut bytes = [0; 32];
        for (to, word) in bytes.chunks_mut(8).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    };
    wire::inventory((0..count).map(|_| (kind, hash())).collect::<Vec<_>>())
}

#[test]
fn addresses_without_end() {
    let _alone = alone();
    let Some(mut siege) = Siege::lay("addresses_without_end") else { return };
    let mut rng = Rng::new(1);
    for _ in 0..8 {
        let Ok(mut enemy) = siege.enemy() else { break };
        flood(&mut enemy, 100, |_| {
            let list: Vec<SocketAddr> = (0..1_000)
                .map(|_| {
                    let ip = Ipv4Addr::from_bits(rng.next_u64() as u32); // any bits
                    SocketAddr::from((ip, 5251))
                })
                .collect();
            ("addr", wire::addr(1_700_000_000, &list))
        });
        siege.an_honest_block_arrives();
    }
    siege.stands();
}

#[test]
fn inventories_without_end() {
    let _alone = alone();
    let Some(mut siege) = Siege::lay("inventories_without_end") else { return };
    let mut rng = Rng::new(2);
    for kind in [INV_TX, INV_BLOCK] {
        for _ in 0..4 {
            let Ok(mut enemy) = siege.enemy() else { break };
            flood(&mut enemy, 5, |_| ("inv", hashes(&mut rng, kind, 49_000)));
        }
        siege.an_honest_block_arrives();
    }
    siege.stands();
}

#[test]
fn connections_that_say_nothing() {
    let _alone = alone();
    let Some(mut siege) = Siege::lay("connections_that_say_nothing") else { return };
    let address = siege.node.address_v6();
    let mute: Vec<TcpStream> = (0..400)
        .filter_map(|_| TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok())
        .collect();
    siege.an_honest_block_arrives();
    // Half a handshake is no better.
    let version = wire::frame(MAGIC, "version", &Introduction::default().version());
    let half: Vec<Wire> = (0..100)
        .filter_map(|_| {
            let mut wire = Wire::dial(address, MAGIC, Duration::from_secs(2)).ok()?;
            wire.send_raw(&version).ok()?;
            Some(wire)
        })
        .collect();
    siege.an_honest_block_arrives();
    // A new honest peer finds a place while they are all there.
    honest(&siege.node, MAGIC).unwrap().settle().unwrap();
    drop((mute, half));
    siege.stands();
}

#[test]
fn peers_that_ask_and_never_read() {
    let _alone = alone();
    let Some(mut siege) = Siege::lay("peers_that_ask_and_never_read") else { return };
    let everything = wire::inventory(
        (0..40_000).map(|n| (INV_BLOCK, wire::block_hash(&BLOCKS[n % BEFORE]))).collect::<Vec<_>>(),
    );
    let locator = wire::locator(&[wire::block_hash(&Params::devnet().genesis.to_bytes())], [0; 32]);
    let mut enemies: Vec<Peer> = (0..12).filter_map(|_| siege.enemy().ok()).collect();
    for enemy in &mut enemies {
        // Nothing is ever read here. A send that blocks is given up after 30 s, so few and small.
        let mut bytes = wire::frame(MAGIC, "getdata", &everything);
        for _ in 0..50 {
            bytes.extend(wire::frame(MAGIC, "getheaders", &locator));
        }
        let writer = enemy.wire.writer().unwrap();
        std::thread::spawn(move || {
            let mut writer = writer;
            let _sent = writer.send_raw(&bytes);
        });
    }
    for _ in 0..3 {
        siege.an_honest_block_arrives();
    }
    drop(enemies);
    siege.stands();
}

#[test]
fn messages_again_and_out_of_order() {
    let _alone = alone();
    let Some(mut siege) = Siege::lay("messages_again_and_out_of_order") else { return };
    let version = Introduction::default().version();
    let locator = wire::locator(&[[0; 32]], [0; 32]);
    let header = wire::headers([(&BLOCKS[0][..HEADER_BYTES], 0)]);
    // Before and in place of the handshake.
    for first in [
        ("verack", Vec::new()),
        ("getheaders", locator.clone()),
        ("headers", header.clone()),
        ("block", BLOCKS[0].clone()),
        ("mempool", Vec::new()),
        ("pong", vec![0; 8]),
        ("foobar", Vec::new()),
    ] {
        let Ok(mut wire) = siege.bare() else { continue };
        for _ in 0..50 {
            if wire.send(first.0, &first.1).is_err() {
                break;
            }
        }
        let _answer = wire.read(Duration::from_millis(20));
    }
    siege.an_honest_block_arrives();
    // After it.
    let repeated: Vec<(&'static str, Vec<u8>)> = vec![
        ("version", version),
        ("verack", Vec::new()),
        ("pong", vec![1; 8]),
        ("headers", header),
        ("headers", wire::headers([])),
        ("block", BLOCKS[0].clone()),
        ("block", BLOCKS[BEFORE - 1].clone()),
        ("notfound", wire::inventory([(INV_BLOCK, [5; 32])])),
        ("getheaders", locator),
        ("getaddr", Vec::new()),
        ("mempool", Vec::new()),
        ("sendheaders", Vec::new()),
        ("ping", vec![2; 8]),
        ("reject", vec![0; 3]),
        ("filterload", vec![0; 10]),
        ("feefilter", vec![0; 8]),
        ("sendcmpct", vec![0; 9]),
    ];
    for (command, payload) in repeated {
        let Ok(mut enemy) = siege.enemy() else { continue };
        flood(&mut enemy, 500, |_| (command, payload.clone()));
        let _settled = enemy.settle();
    }
    siege.an_honest_block_arrives();
    // All at once, in no order.
    let mut rng = Rng::new(3);
    for _ in 0..20 {
        let Ok(mut enemy) = siege.enemy() else { continue };
        flood(&mut enemy, 200, |_| match rng.below(6) {
            0 => ("block", BLOCKS[rng.index(BEFORE)].clone()),
            1 => ("headers", wire::headers([(&BLOCKS[rng.index(320)][..HEADER_BYTES], 1)])),
            2 => ("inv", hashes(&mut rng, INV_BLOCK, 3)),
            3 => ("getdata", hashes(&mut rng, INV_TX, 3)),
            4 => ("ping", rng.next_u64().to_le_bytes().to_vec()),
            _ => ("tx", vec![0; 60]),
        });
    }
    siege.stands();
}

#[test]
fn counts_and_lengths_that_lie() {
    let _alone = alone();
    let Some(siege) = Siege::lay("counts_and_lengths_that_lie") else { return };
    let count = |count: u64, behind: usize| {
        let mut payload = Vec::new();
        wire::put_count(&mut payload, count);
        payload.resize(payload.len() + behind, 7);
        payload
    };
    let mut locator = 70_012u32.to_le_bytes().to_vec();
    locator.extend(count(u64::MAX, 64));
    let mut block = BLOCKS[0][..HEADER_BYTES].to_vec();
    block.extend(count(u64::MAX, 10));
    let mut payloads: Vec<(&str, Vec<u8>)> = vec![("getheaders", locator), ("block", block)];
    for command in ["inv", "getdata", "headers", "addr", "notfound", "tx", "merkleblock"] {
        for number in [0xfd, 1_001, 50_001, 1 << 32, u64::MAX] {
            payloads.push((command, count(number, 100)));
        }
        payloads.push((command, Vec::new()));
        payloads.push((command, vec![0xff; 3]));
    }
    for (command, payload) in payloads {
        if let Ok(mut enemy) = siege.enemy() {
            let _sent = enemy.send(command, &payload);
            let _settled = enemy.settle();
        }
    }
    for length in [1_800_003, 1_800_004, 0x7fff_ffff, u32::MAX] {
        for command in ["block", "tx", "headers", "foobar"] {
            let Ok(mut wire) = siege.bare() else { continue };
            let _sent = wire.send_raw(&wire::frame_as(MAGIC, command, b"x", length, [0; 4]));
            std::mem::forget(wire.writer());
        }
    }
    siege.stands();
}

#[test]
fn garbage_and_foreign_networks() {
    let _alone = alone();
    let Some(mut siege) = Siege::lay("garbage_and_foreign_networks") else { return };
    let mut rng = Rng::new(4);
    for round in 0..60 {
        let Ok(mut wire) = siege.bare() else { continue };
        let bytes = match round % 4 {
            0 => (0..3_000).map(|_| rng.next_u64() as u8).collect(), // any byte
            1 => wire::frame(*b"tmvs", "version", &Introduction::default().version()),
            2 => {
                let mut bytes = wire::frame(MAGIC, "version", &Introduction::default().version());
                *bytes.last_mut().unwrap() ^= 1;
                bytes
            }
            _ => b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100),
        };
        let _sent = wire.send_raw(&bytes);
        let _answer = wire.read(Duration::from_millis(20));
    }
    siege.an_honest_block_arrives();
    for _ in 0..10 {
        let Ok(mut enemy) = siege.enemy() else { continue };
        let _sent = enemy.wire.send_raw(&wire::frame(*b"tmvs", "ping", &[0; 8]));
        let _end = enemy.until_closed(Duration::from_secs(1));
    }
    siege.stands();
}

/// The body is not what the header means: the body is dropped, and the header waits for the right one.
#[test]
fn good_headers_with_other_bodies() {
    let _alone = alone();
    let Some(mut siege) = Siege::lay("good_headers_with_other_bodies") else { return };
    for kind in 0..4 {
        let good = BLOCKS[siege.told].clone();
        let mut block = Block::decode(&good).unwrap();
        let bad = match kind {
            0 => {
                // Another coinbase.
                block.transactions[0].locktime ^= 1;
                block.to_bytes()
            }
            1 => {
                // The merkle root holds for a repeated transaction as well.
                let last = block.transactions[0].clone();
                block.transactions.push(last);
                block.to_bytes()
            }
            2 => good[..good.len() - 1].to_vec(),
            _ => [good.as_slice(), &[0; 9]].concat(),
        };
        let Ok(mut enemy) = siege.enemy() else {
            panic!("kind {kind}: an enemy was turned away before it did anything, or for good")
        };
        enemy.expect("getheaders").unwrap();
        enemy.send("headers", &wire::headers([(&good[..HEADER_BYTES], 1)])).unwrap();
        let asked = enemy.find("a request for the block", FOLLOW_LIMIT, |message| {
            let wanted = (INV_BLOCK, wire::block_hash(&good));
            let items = wire::parse_inventory(&message.payload).unwrap_or_default();
            (message.command == "getdata" && items.contains(&wanted)).then_some(())
        });
        asked.unwrap_or_else(|error| panic!("kind {kind}: {error:#}"));
        enemy.send("block", &bad).unwrap();
        // Whether it drops the enemy or not, it has looked at the body then.
        let _settled = enemy.settle();
        siege.an_honest_block_arrives();
        if enemy.settle().is_err() && kind < 3 {
            // A ban of the address is in order; a fresh node takes the next kind.
            let name = siege.name;
            siege.stands();
            siege = Siege::lay(name).unwrap();
        }
    }
    siege.stands();
}

/// Headers that cost their maker something, on branches that will not win.
#[test]
fn cheap_branches() {
    let _alone = alone();
    let Some(mut siege) = Siege::lay("cheap_branches") else { return };
    let disk = disk_bytes(&siege.node.data_dir()).unwrap();
    let branches: Vec<Vec<Vec<u8>>> =
        (1..6).map(|n| empty_branch(&CHAIN, Height::GENESIS, 120, n).unwrap()).collect();
    for branch in &branches {
        let Ok(mut enemy) = siege.enemy() else { break };
        let payload = wire::headers(branch.iter().map(|block| (&block[..HEADER_BYTES], 1)));
        flood(&mut enemy, 20, |_| ("headers", payload.clone()));
        let _settled = enemy.settle();
    }
    siege.an_honest_block_arrives();
    // Many siblings at one height.
    let fork = CHAIN.headers().tip().unwrap();
    let mut parent = CHAIN.clone();
    while parent.tip().height.value() > 200 {
        parent.pop();
    }
    assert!(fork.value() > 200);
    let siblings: Vec<Vec<u8>> = (0..300)
        .map(|number| {
            let mut draft = BlockDraft::on(&parent, MINER.script(), Vec::new());
            draft.transactions[0].locktime = number + 1;
            draft.seal(parent.caches()).to_bytes()
        })
        .collect();
    if let Ok(mut enemy) = siege.enemy() {
        flood(&mut enemy, siblings.len(), |time| {
            ("headers", wire::headers([(&siblings[time][..HEADER_BYTES], 1)]))
        });
        let _settled = enemy.settle();
    }
    let more = disk_bytes(&siege.node.data_dir()).unwrap().saturating_sub(disk);
    assert!(more <= 1 << 20, "low-work branches cost {more} bytes of disk");
    siege.stands();
}

/// Headers without a seal: nothing may be spent on them.
#[test]
fn headers_without_seals() {
    let _alone = alone();
    let Some(mut siege) = Siege::lay("headers_without_seals") else { return };
    let mut rng = Rng::new(6);
    let tip = BLOCKS[BEFORE - 1][..HEADER_BYTES].to_vec();
    let before = siege.node.processor_time().unwrap();
    for round in 0..100 {
        let Ok(mut enemy) = siege.enemy() else { break };
        let mut previous = wire::block_hash(&tip);
        let list: Vec<Vec<u8>> = (0..500u32)
            .map(|index| {
                let mut header = tip.clone();
                header[4..36].copy_from_slice(&previous);
                header[104..112].copy_from_slice(&rng.next_u64().to_be_bytes());
                header[144..148].copy_from_slice(&(BEFORE as u32 + 1 + index).to_le_bytes());
                previous = wire::block_hash(&header);
                header
            })
            .collect();
        let payload = wire::headers(list.iter().map(|header| (header.as_slice(), 0)));
        flood(&mut enemy, 3, |_| ("headers", payload.clone()));
        let _end = enemy.until_closed(Duration::from_millis(50));
        if round % 50 == 0 {
            siege.an_honest_block_arrives();
        }
    }
    let spent = siege.node.processor_time().unwrap() - before;
    loudly(&format!("headers_without_seals: {:.1} s of processor time", spent.as_secs_f64()));
    siege.stands();
}

#[test]
fn transactions_without_end() {
    let _alone = alone();
    let Some(mut siege) = Siege::lay("transactions_without_end") else { return };
    let coinbase = CHAIN.blocks()[1].block().block().transactions[0].clone();
    for round in 0..4u32 {
        let Ok(mut enemy) = siege.enemy() else { break };
        flood(&mut enemy, 2_000, |time| {
            let mut transaction = coinbase.clone();
            transaction.locktime = round * 10_000 + time as u32;
            // A part spends what is not there; the rest is a coinbase, which nobody may send.
            if time % 2 == 0 {
                let input = &mut transaction.inputs[0];
                input.previous = OutPoint::new(coinbase.txid(), time as u32);
            }
            ("tx", transaction.to_bytes())
        });
        siege.an_honest_block_arrives();
    }
    // The status is a moment old; more than the payments would never go away again.
    let paid = siege.paid;
    siege
        .node
        .wait_for("the payments alone in the pool", PATIENCE, |status| status.mempool == paid)
        .unwrap();
    siege.stands();
}

#[test]
fn questions_without_end() {
    let _alone = alone();
    let Some(mut siege) = Siege::lay("questions_without_end") else { return };
    let genesis = wire::block_hash(&Params::devnet().genesis.to_bytes());
    let locator = wire::locator(&[genesis], [0; 32]);
    for (command, payload) in [
        ("ping", vec![1; 8]),
        ("getheaders", locator.clone()),
        ("getblocks", locator),
        ("getaddr", Vec::new()),
        ("mempool", Vec::new()),
    ] {
        let Ok(mut enemy) = siege.enemy() else { continue };
        let mut writer = enemy.wire.writer().unwrap();
        let asker = std::thread::spawn(move || {
            for _ in 0..5_000 {
                if writer.send(command, &payload).is_err() {
                    return;
                }
            }
        });
        while !asker.is_finished() {
            let _answer = enemy.next(Duration::from_millis(20));
        }
        asker.join().unwrap();
        siege.an_honest_block_arrives();
    }
    let here = SocketAddr::from((Ipv6Addr::LOCALHOST, siege.node.address().port()));
    assert_eq!(here, siege.node.address_v6());
    siege.stands();
}
