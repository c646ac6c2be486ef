//! Whole nodes in this process, on loopback sockets and stores in temporary folders.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is the failure")]

mod nodes {
    pub(crate) mod stranger;
    pub(crate) mod world;
}

use std::time::{Duration, Instant};

use mvs_node::chain::command::BlockRefusal;
use mvs_node::chain::events::ChainEvent;
use mvs_node::mempool::LooseTx;
use mvs_node::p2p::message::{HeaderEntry, Inventory, Message, RawTx};
use mvs_primitives::block::Block;
use mvs_primitives::encode::{Decode, Encode};
use mvs_primitives::hash::TxId;
use mvs_primitives::height::Height;
use mvs_primitives::input::OutPoint;
use mvs_primitives::transaction::Transaction;
use nodes::stranger::Stranger;
use nodes::world::{Node, feed, history, soon};

/// Two nodes at one tip have one state.
fn assert_same(a: &Node, b: &Node) {
    assert_eq!(a.tip(), b.tip());
}

#[test]
fn a_node_syncs_from_another_and_follows_it() {
    let blocks = history(7).extend(400);
    let a = Node::with_blocks("sync-a", &blocks);
    let b = Node::start("sync-b", &[a.address()]);
    soon("b has all blocks", || b.tip() == a.tip());
    assert_same(&a, &b);
    assert_eq!(b.height(), 400);
    soon("both count as synced", || a.chain.status().is_synced && b.chain.status().is_synced);

    // New blocks on either side reach the other.
    for height in 401..404 {
        a.mine();
        soon("b follows a", || b.height() == height);
    }
    b.mine();
    soon("a follows b", || a.height() == 404);
    assert_same(&a, &b);
}

#[test]
fn a_third_node_gets_blocks_through_the_second() {
    let a = Node::with_blocks("chain-a", &history(7).extend(60));
    let b = Node::start("chain-b", &[a.address()]);
    let c = Node::start("chain-c", &[b.address()]);
    soon("c has all blocks", || c.tip() == a.tip());
    for _ in 0..5 {
        a.mine();
        soon("c follows", || c.tip() == a.tip());
    }
    assert_same(&b, &c);
}

#[test]
fn two_halves_meet_again() {
    let mut common = history(11);
    let shared = common.extend(50);
    let (mut left, mut right) = (common.fork(1), common.fork(2));
    let (left, right) = (left.extend(30), right.extend(45));
    let a = Node::with_blocks("halves-a", &[shared.clone(), left].concat());
    let b = Node::with_blocks("halves-b", &[shared, right].concat());
    assert_eq!((a.height(), b.height()), (80, 95));
    let mut events = a.chain.listen();
    a.network.add_peer(b.address()).unwrap();
    soon("a moves to the heavier branch", || a.tip() == b.tip());
    // Taken back from the top, then connected from the fork, all of it after it was durable.
    let mut heights = Vec::new();
    soon("all is told", || {
        while let Ok(event) = events.try_recv() {
            match event {
                ChainEvent::Disconnected { height, .. } => {
                    heights.push(-i64::from(height.value()));
                }
                ChainEvent::Connected { block } => {
                    heights.push(i64::from(block.header().height().value()));
                }
                ChainEvent::Loose { .. } | ChainEvent::Dropped { .. } => {}
            }
        }
        heights.last() == Some(&95)
    });
    let expected: Vec<i64> = (51..=80).rev().map(|h| -h).chain(51..=95).collect();
    assert_eq!(heights, expected);
    // Events go out with the commit, the status with the round of the owner that follows it.
    soon("a counts as synced", || a.chain.status().is_synced);
}

#[test]
fn a_restarted_node_goes_on_where_it_stopped() {
    let blocks = history(7).extend(300);
    let a = Node::with_blocks("restart-a", &blocks);
    let mut b = Node::with_blocks("restart-b", &blocks[..120]);
    for _ in 0..3 {
        b = b.restart(&[a.address()]);
        let before = b.height();
        soon("b gets on", || b.height() > before.min(299));
    }
    soon("b has all blocks", || b.tip() == a.tip());
    let stopping = Instant::now();
    let b = b.restart(&[]);
    assert!(stopping.elapsed() < Duration::from_secs(3), "took {:?}", stopping.elapsed());
    assert_same(&a, &b);
}

#[test]
fn submitted_blocks_are_judged() {
    let blocks = history(7).extend(30);
    let a = Node::with_blocks("submit-a", &blocks[..29]);
    let good = feed(&blocks[29]);
    let verdict = a.block_on(a.chain.submit_block(good.clone())).unwrap().unwrap();
    assert!(verdict.is_on_chain);
    assert_eq!(a.height(), 30);
    assert_eq!(a.block_on(a.chain.submit_block(good)).unwrap(), Err(BlockRefusal::Known));
    // A seal that does not hold.
    let mut bytes = blocks[29].clone();
    bytes[112] ^= 1;
    let refusal = a.block_on(a.chain.submit_block(feed(&bytes))).unwrap().unwrap_err();
    assert!(refusal.code().starts_with("header.seal"), "{refusal}");
    // A body that is not the header's; then the right one.
    let work = a.work();
    let mut block = work.solve_here();
    let right = block.clone();
    block.transactions[0].locktime = 7;
    let wrong = a.block_on(a.chain.submit_block(feed(&block.to_bytes()))).unwrap().unwrap_err();
    assert_eq!(wrong.code(), "body.merkle_root");
    let verdict = a.block_on(a.chain.submit_block(feed(&right.to_bytes()))).unwrap().unwrap();
    assert!(verdict.is_on_chain);
    assert_eq!(a.tip().height, Height::new(31));
}

#[test]
fn a_transaction_that_spends_what_its_pooled_parent_lacks_is_refused_once() {
    let blocks = history(7).extend(80);
    let a = Node::with_blocks("lacking", &blocks[..40]);
    let offer =
        |tx: &Transaction| a.block_on(a.chain.submit_tx(LooseTx::from(tx.clone()))).unwrap();
    let later = blocks[40..]
        .iter()
        .flat_map(|bytes| Block::decode(bytes).unwrap().transactions.into_iter().skip(1));
    let parent = later.into_iter().find(|tx| offer(tx).is_ok()).unwrap();
    let mut child = parent.clone();
    child.inputs.truncate(1);
    child.inputs[0].previous = OutPoint::new(parent.txid(), 99);
    // Its parent is in the pool, and will never have that output.
    let refusal = offer(&child).unwrap_err();
    assert_eq!(refusal.code(), "pool.no_such_output", "{refusal}");
}

#[test]
fn a_peer_that_announces_block_after_block_in_haste_is_kept() {
    let blocks = history(7).extend(300);
    let a = Node::with_blocks("haste", &blocks[..10]);
    let mut peer = Stranger::connect(a.address(), 300);
    // As the first node does while it syncs; each is on its way before the one before it was judged.
    for block in &blocks[10..] {
        let header = feed(block).header().clone();
        peer.send(&Message::Headers(vec![HeaderEntry { header, transaction_count: 1 }]));
    }
    peer.settle();
    soon("all headers are known", || {
        peer.answer_headers(&blocks);
        a.chain.status().header_height == Height::new(300)
    });
    assert_eq!(a.network.peer_count(), 1);
    assert_eq!(a.network.peers()[0].score, 0);
}

/// The transactions that a peer is asked for.
fn asked_for(message: &Message) -> Vec<TxId> {
    let Message::GetData(items) = message else { return Vec::new() };
    let txid = |item: &Inventory| match item {
        Inventory::Tx(txid) => Some(*txid),
        _ => None,
    };
    items.iter().filter_map(txid).collect()
}

/// A loose transaction that spends what the first blocks made.
fn loose(blocks: &[Vec<u8>], offer: impl Fn(&Transaction) -> bool) -> Transaction {
    let later = blocks.iter().flat_map(|bytes| Block::decode(bytes).unwrap().transactions);
    later.into_iter().find(offer).unwrap()
}

#[test]
fn a_transaction_is_asked_of_the_next_when_the_first_who_named_it_leaves() {
    let blocks = history(7).extend(80);
    let a = Node::with_blocks("next-a", &blocks[..40]);
    let b = Node::with_blocks("next-b", &blocks[..40]);
    let offer =
        |tx: &Transaction| b.block_on(b.chain.submit_tx(LooseTx::from(tx.clone()))).unwrap();
    let tx = loose(&blocks[40..], |tx| offer(tx).is_ok());
    let txid = tx.txid();
    let announcement = Message::Inv(vec![Inventory::Tx(txid)]);
    soon("a takes transactions", || a.chain.status().is_synced);
    let mut liar = Stranger::connect(a.address(), 40);
    let mut honest = Stranger::connect(a.address(), 40);
    liar.send(&announcement);
    liar.find("a request", |message| asked_for(message).contains(&txid).then_some(()));
    honest.send(&announcement);
    honest.settle();
    drop(liar);
    honest.find("a request", |message| asked_for(message).contains(&txid).then_some(()));
    honest.send(&Message::Tx(RawTx::from_wire(tx.to_bytes().into()).unwrap()));
    soon("the pool has it", || a.block_on(a.chain.loose_tx(txid)).unwrap().is_some());
}

#[test]
fn all_of_a_large_pool_is_asked_for() {
    let blocks = history(7).extend(10);
    let a = Node::with_blocks("large-pool", &blocks);
    soon("a takes transactions", || a.chain.status().is_synced);
    let mut peer = Stranger::connect(a.address(), 10);
    let id =
        |number: u16| TxId::from_bytes([number.to_le_bytes(); 16].concat().try_into().unwrap());
    peer.send(&Message::Inv((0..1_500).map(|number| Inventory::Tx(id(number))).collect()));
    let mut asked = std::collections::HashSet::new();
    soon("all was asked for", || {
        let Some(message) = peer.next() else { return false };
        let list = asked_for(&message);
        asked.extend(list.iter().copied());
        if !list.is_empty() {
            peer.send(&Message::NotFound(list.into_iter().map(Inventory::Tx).collect()));
        }
        asked.len() == 1_500
    });
}

/// Asks for one block; `None` when the connection was closed instead.
fn ask_for(peer: &mut Stranger, block: &[u8]) -> Option<()> {
    let hash = feed(block).hash();
    peer.send(&Message::GetData(vec![Inventory::Block(hash)]));
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(60) {
        match peer.next_or_end() {
            Ok(Some(Message::Block(block))) if block.hash() == hash => return Some(()),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
    panic!("neither a block nor an end")
}

#[test]
fn history_is_told_one_by_one_until_the_upload_budget_is_used_up() {
    let blocks = history(7).extend(300);
    let budget = 40_000;
    let node = Node::with_blocks_and("upload", &blocks, |config| {
        config.max_upload_bytes_per_day = Some(budget);
    });
    let mut peer = Stranger::connect(node.address(), 300);
    let mut told = 0;
    for block in &blocks[..150] {
        if ask_for(&mut peer, block).is_none() {
            break;
        }
        told += block.len();
    }
    let sent: usize = blocks[..150].iter().map(Vec::len).sum();
    assert!(told > 20_000 && told < sent && told < 100_000, "{told} of {sent} bytes");
    assert!(node.network.is_upload_used_up());
    // New blocks and headers are told all the same.
    let mut peer = Stranger::connect(node.address(), 300);
    for block in &blocks[290..] {
        ask_for(&mut peer, block).unwrap();
    }
    let version = mvs_node::p2p::message::PROTOCOL_VERSION;
    let hashes = vec![feed(&blocks[0]).hash(), feed_genesis()];
    let stop = mvs_primitives::hash::BlockHash::ZERO;
    peer.send(&Message::GetHeaders(mvs_node::p2p::message::Locator { version, hashes, stop }));
    peer.find("headers", |message| matches!(message, Message::Headers(_)).then_some(()));
    assert!(ask_for(&mut peer, &blocks[0]).is_none());
}

fn feed_genesis() -> mvs_primitives::hash::BlockHash {
    mvs_consensus::params::Params::devnet().genesis.header.hash()
}
