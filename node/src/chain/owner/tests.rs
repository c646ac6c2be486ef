//! The owner without its thread, with verification that waits until it is let go.

use std::sync::mpsc::channel;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use mvs_consensus::params::Params;
use mvs_consensus::script::SigCache;
use mvs_pow::CacheSet;
use mvs_primitives::block::Block;
use mvs_primitives::encode::{Decode as _, Encode as _};
use mvs_primitives::header::Header;
use mvs_primitives::transaction::Transaction;
use mvs_store::Options;
use mvs_store::mmap::MapDisk;
use testkit::history::History;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::jobs::{HeaderSource, JobResult, PILOT};
use super::peers::PeerState;
use super::{BULK_WAIT, Owner, OwnerConfig};
use crate::chain::command::BlockRefusal;
use crate::chain::core::{ChainCore, Tools};
use crate::chain::index::Limits;
use crate::chain::stop::Stop;
use crate::chain::verify::VerifyPool;
use crate::mempool::{LooseTx, Saved};
use crate::p2p::api::{Charge, CloseReason, NetworkEvent, PeerId};
use crate::p2p::codec::Magic;
use crate::p2p::message::{RawBlock, RawTx};
use crate::p2p::network::Network;
use crate::p2p::peers::NetworkConfig;

/// How long a job may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where a nonce is in the bytes of a header.
const NONCE: usize = 104;

struct World {
    owner: Owner,
    stop: Stop,
    /// Lets the only verification thread go.
    gate: Option<mpsc::Sender<()>>,
    blocks: Vec<Vec<u8>>,
    folder: std::path::PathBuf,
    _runtime: Runtime,
}

impl World {
    fn new(name: &str) -> Self {
        let caches = Arc::new(CacheSet::new(1));
        let blocks = History::new(7, Arc::clone(&caches)).extend(40);
        let pool = VerifyPool::new(1).unwrap();
        let (gate, closed) = channel();
        // It ends when the sender is gone.
        pool.spawn(move || {
            let _ = closed.recv();
        });
        let tools = Tools {
            params: Arc::new(Params::devnet()),
            caches,
            signatures: Arc::new(SigCache::new([7; 32], 1024)),
            pool: Arc::new(pool),
        };
        let folder = std::env::temp_dir().join(format!("mvs-owner-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let disk = MapDisk::open(&folder).unwrap();
        let options = Options::new(7, 10_000);
        let (core, _) = ChainCore::open(disk, options, tools, Limits::default()).unwrap();
        let runtime = Runtime::new().unwrap();
        let network = {
            let _inside = runtime.enter();
            let config = NetworkConfig::new(Magic::from_number(Params::devnet().magic));
            Network::start(config, core.tip().height).unwrap().network
        };
        let stop = Stop::new();
        let (owner, _) = Owner::new(core, OwnerConfig::default(), network, stop.clone());
        Self { owner, stop, gate: Some(gate), blocks, folder, _runtime: runtime }
    }

    fn block(&self, number: usize) -> RawBlock {
        RawBlock::from_wire(self.blocks[number].clone().into()).unwrap()
    }

    /// Block 1 with another nonce: its seal is false, which costs a look to find out.
    fn false_seal(&self, number: u64) -> RawBlock {
        let mut bytes = self.blocks[0].clone();
        bytes[NONCE..NONCE + 8].copy_from_slice(&number.to_le_bytes());
        RawBlock::from_wire(bytes.into()).unwrap()
    }

    /// Takes one result of the verification thread.
    fn step(&mut self) {
        self.gate = None;
        let result = self.owner.results.recv_timeout(PATIENCE).unwrap();
        self.owner.take_result(result).unwrap();
        self.owner.advance().unwrap();
    }

    fn end(self) {
        self.stop.set();
        drop(self.gate);
        self.owner.close().unwrap();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn strangers_do_not_hold_up_a_block_of_our_own() {
    let mut world = World::new("own-block");
    for number in 0..100 {
        let block = world.false_seal(number);
        world.owner.on_block(PeerId::new(number), block, Charge::none()).unwrap();
    }
    assert_eq!(world.owner.waiting.len(), super::blocks::MOST_WAITING);
    let (reply, mut answer) = oneshot::channel();
    world.owner.submit_block(world.block(0), reply).unwrap();
    // It goes before all the others.
    world.step();
    assert_eq!(world.owner.core.index.len(), 1);
    let verdict = loop {
        match answer.try_recv() {
            Ok(verdict) => break verdict,
            Err(_) => world.step(),
        }
    };
    assert!(verdict.unwrap().is_on_chain);
    assert_eq!(world.owner.core.tip().height.value(), 1);
    world.end();
}

#[test]
fn loose_transactions_do_not_hold_up_headers() {
    let mut world = World::new("loose");
    let peer = PeerId::new(1);
    world.owner.publish_status();
    let coinbase = Block::decode(&world.blocks[0]).unwrap().transactions.remove(0);
    for number in 0..100 {
        let tx = Transaction { locktime: number, ..coinbase.clone() };
        let tx = RawTx::from_wire(tx.to_bytes().into()).unwrap();
        world.owner.on_tx(peer, &tx, Charge::none());
    }
    // What waits stays here, so that it can leave with its peer.
    assert_eq!(world.owner.tx_queue.waiting_of(peer), 98);
    let header = world.block(0).header().clone();
    world.owner.start_headers(HeaderSource::Peer(peer), vec![header]).unwrap();
    world.step();
    assert_eq!(world.owner.core.index.len(), 1);
    let reason = CloseReason::Remote;
    world.owner.on_network(NetworkEvent::Disconnected { peer, reason }).unwrap();
    assert_eq!(world.owner.tx_queue.waiting_of(peer), 0);
    world.end();
}

#[test]
fn every_submission_is_answered() {
    let mut world = World::new("answers");
    let block = world.block(0);
    let (reply, mut answer) = oneshot::channel();
    world.owner.submit_block(block.clone(), reply).unwrap();
    world.owner.answer_all_forgotten().unwrap();
    assert!(answer.try_recv().is_err(), "it is still being judged");
    // Its branch is given up while its body is being checked.
    world.step();
    assert_eq!(world.owner.core.bodies.checking(), 1);
    world.owner.core.index = crate::chain::index::BlockIndex::new(Limits::default());
    world.step();
    let refusal = answer.try_recv().unwrap().unwrap_err();
    assert_eq!(refusal.code(), "block.forgotten");
    // It may come again.
    let (reply, mut answer) = oneshot::channel();
    world.owner.submit_block(block.clone(), reply).unwrap();
    world.step();
    world.step();
    assert!(answer.try_recv().unwrap().unwrap().is_on_chain);
    let (reply, mut answer) = oneshot::channel();
    world.owner.submit_block(block, reply).unwrap();
    assert_eq!(answer.try_recv().unwrap(), Err(BlockRefusal::Known));
    world.end();
}

#[test]
fn headers_with_seals_put_us_behind_until_they_are_connected() {
    let mut world = World::new("behind");
    let peer = PeerId::new(1);
    let headers: Vec<Header> = (0..3).map(|number| world.block(number).header().clone()).collect();
    world.owner.start_headers(HeaderSource::Peer(peer), headers).unwrap();
    world.step();
    let behind = |world: &World| world.owner.core.index.backed_ahead(world.owner.core.trunk());
    for number in 0..3 {
        assert_eq!(behind(&world), 3 - number);
        let block = world.block(number as usize);
        world.owner.on_block(peer, block, Charge::none()).unwrap();
        world.step();
    }
    assert_eq!((behind(&world), world.owner.core.tip().height.value()), (0, 3));
    world.end();
}

#[test]
fn far_behind_blocks_wait_for_others_to_share_a_sync_with() {
    let mut world = World::new("gather");
    let peer = PeerId::new(1);
    world.owner.peers.insert(peer, PeerState::new(1, true));
    let count = world.blocks.len();
    let headers: Vec<Header> = (0..count).map(|at| world.block(at).header().clone()).collect();
    world.owner.start_headers(HeaderSource::Peer(peer), headers).unwrap();
    world.step();
    world.step();
    let offer = |world: &mut World, number| {
        let block = world.block(number);
        world.owner.on_block(peer, block, Charge::none()).unwrap();
    };
    (0..3).for_each(|number| offer(&mut world, number));
    let height = |world: &World| world.owner.core.tip().height.value();
    for left in [2, 1] {
        // The clock does not get there.
        world.owner.gathering_since = Some(Duration::MAX);
        world.step();
        assert_eq!((world.owner.core.bodies.checking(), height(&world)), (left, 0));
        assert!(!world.owner.has_work(), "the owner sleeps until something happens");
    }
    world.step();
    assert_eq!(height(&world), 3, "nothing else is on its way");
    // However long the others take, a block waits only so long.
    (3..5).for_each(|number| offer(&mut world, number));
    world.owner.gathering_since = Some(Duration::ZERO);
    world.owner.started = Instant::now().checked_sub(BULK_WAIT).unwrap();
    world.step();
    assert_eq!((world.owner.core.bodies.checking(), height(&world)), (1, 4));
    world.step();
    world.end();
}

#[test]
fn a_list_whose_first_seal_is_false_costs_few() {
    let mut world = World::new("pilot");
    let peer = PeerId::new(1);
    let facts = world.owner.peers.insert(peer, PeerState::new(1, true));
    assert!(facts.is_none());
    // Headers that follow each other; the first has a false seal.
    let mut headers = vec![world.false_seal(5).header().clone()];
    for number in 1..world.blocks.len() {
        let mut header = world.block(number).header().clone();
        header.previous = headers[number - 1].hash();
        headers.push(header);
    }
    world.owner.start_headers(HeaderSource::Peer(peer), headers).unwrap();
    world.gate = None;
    match world.owner.results.recv_timeout(PATIENCE).unwrap() {
        JobResult::Headers(_, seals) => assert_eq!(seals.len(), PILOT),
        other => panic!("{other:?}"),
    }
    world.end();
}

#[test]
fn a_long_list_of_good_headers_is_taken_whole() {
    let mut world = World::new("long");
    let peer = PeerId::new(1);
    world.owner.peers.insert(peer, PeerState::new(1, true));
    let count = world.blocks.len();
    let headers: Vec<Header> = (0..count).map(|at| world.block(at).header().clone()).collect();
    world.owner.start_headers(HeaderSource::Peer(peer), headers).unwrap();
    world.step();
    assert!(world.owner.core.index.is_empty(), "the first ones wait for the others");
    world.step();
    assert_eq!(world.owner.core.index.len(), count);
    world.end();
}

#[test]
fn blocks_of_the_heaviest_branch_stay_and_others_give_way() {
    let mut world = World::new("room");
    let peer = PeerId::new(1);
    world.owner.peers.insert(peer, PeerState::new(1, true));
    // The first block is missing, so none of the others is connected.
    let headers = (0..40).map(|at| world.block(at).header().clone()).collect();
    world.owner.start_headers(HeaderSource::Peer(peer), headers).unwrap();
    while world.owner.core.index.len() < 40 {
        world.step();
    }
    for at in 1..40 {
        let block = world.block(at);
        world.owner.on_block(peer, block, Charge::none()).unwrap();
    }
    while world.owner.core.bodies.len() < 39 {
        world.step();
    }
    let (wire, memory) =
        (world.owner.core.bodies.wire_bytes(), world.owner.core.bodies.memory_bytes());
    assert_eq!(memory, wire * 4);
    // Half of them as bytes is enough.
    world.owner.keep_bodies_below(memory / 2);
    let bodies = &world.owner.core.bodies;
    assert!(bodies.memory_bytes() <= memory / 2 && bodies.memory_bytes() > wire);
    // Only then the body of a branch that nobody knows goes.
    let stray = mvs_primitives::hash::BlockHash::from_bytes([9; 32]);
    let body = crate::chain::bodies::Body::Raw(vec![0; 100].into());
    world.owner.core.bodies.insert(stray, body, None);
    world.owner.keep_bodies_below(wire + 100);
    assert!(world.owner.core.bodies.has(&stray));
    world.owner.keep_bodies_below(0);
    assert!(!world.owner.core.bodies.has(&stray));
    // The others stay as bytes, and connect.
    assert_eq!((world.owner.core.bodies.len(), world.owner.core.bodies.memory_bytes()), (39, wire));
    let first = world.block(0);
    world.owner.on_block(peer, first, Charge::none()).unwrap();
    world.step();
    while world.owner.core.is_dirty() {
        world.owner.advance().unwrap();
    }
    assert_eq!(world.owner.core.tip().height.value(), 40);
    world.end();
}

#[test]
fn the_saved_pool_returns_in_parts_and_is_not_lost_before() {
    let mut world = World::new("saved");
    let path = world.folder.join("pool");
    let coinbase = Block::decode(&world.blocks[0]).unwrap().transactions.remove(0);
    let saved = (0..3).map(|number| Saved {
        tx: LooseTx::from(Transaction { locktime: number, ..coinbase.clone() }),
        first_seen_secs: 1,
    });
    world.owner.config.pool_file = Some(path.clone());
    world.owner.load_pool().unwrap();
    world.owner.saved_pool.left = saved.collect();
    for left in [2, 1, 0] {
        assert!(world.owner.has_work());
        // What was not offered again is saved with what is here.
        world.owner.save_pool();
        let genesis = world.owner.params().genesis.header.hash();
        let saved = crate::mempool::load(&path, &genesis, 1 << 20).unwrap();
        assert_eq!((saved.transactions.len(), saved.warnings.len()), (left + 1, 0));
        // Commands are looked at after each part.
        world.owner.load_part(Duration::ZERO).unwrap();
        assert_eq!(world.owner.saved_pool.left.len(), left);
    }
    world.owner.save_pool();
    assert!(path.exists());
    world.end();
}

#[test]
fn the_owner_ends_although_nobody_told_it_to_stop() {
    let world = World::new("fault");
    // As after a fault: the token is set when all is closed.
    assert!(!world.stop.is_set());
    drop(world.gate);
    world.owner.close().unwrap();
    let _ = std::fs::remove_dir_all(&world.folder);
}
