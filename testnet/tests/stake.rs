//! Two wallets stake and a node mines: 300 blocks of both kinds, with a partition and a crash.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::path::Path;
use std::time::{Duration, Instant};

use mvs_consensus::params::{Fork, Params};
use mvs_primitives::amount::Amount;
use mvs_primitives::block::Block;
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::encode::Decode;
use mvs_primitives::header::BlockVersion;
use mvs_primitives::height::Height;
use mvs_primitives::script::Pattern;
use testkit::people::Person;
use testnet::chain_file;
use testnet::node::{Network, Node, Program, Setup, loudly, program_or_skip};
use testnet::proxy::Proxy;
use testnet::scenario::{SYNC_LIMIT, agree, alone};
use testnet::wait::{Seen, until};
use testnet::wallet::{Door, Staker, Wallet};

/// First height of the stake era.
const ERA: u32 = 50;
/// Blocks that each staker mines for himself before.
const SHARE: u32 = 20;
/// Blocks of both kinds.
const BLOCKS: u32 = 300;
/// Time between two work blocks at least.
const MINE: Duration = Duration::from_millis(20);
/// Longest runs of either kind: they take turns.
const RUN: u32 = 1;
/// How often a node is killed.
const KILLS: u32 = 3;
/// Partitions that are tried until one begins behind a work block.
const TRIES: u32 = 8;
/// How often wallets look at their node: seldom enough that the tip is a work block most of the time.
const STAKE: [&str; 2] = ["--poll-ms", "400"];

/// The main network's rules of stakes, in small: the same formulas, a low era, young coins, and runs so
/// short that work and stake alternate. A stake of 1,500 coins meets the least difficulty at one time
/// in three, and with each block that comes at once the difficulty grows by 0.9 percent, as anywhere.
/// Nothing about time is changed: no block is more than 38 s ahead of the clock. That so many blocks fit
/// into half a minute is because blocks may have equal times, and because many coins are tried at each.
fn params() -> Params {
    let mut params = Params::devnet();
    params.name = "stake-net".to_owned();
    params.magic = 0x7374_616b;
    params.coinbase_maturity = 3;
    params.pos_enabled_height = ERA;
    params.version_4_required = Fork::From(ERA);
    params.sequence_locks_allowed = Fork::From(ERA);
    params.subsidy.bucket_blocks = 1_000;
    params.subsidy.decay = 0.5;
    params.subsidy.pow_base = 3_000.0;
    params.subsidy.pow_late_base = 3_000.0;
    let stake = &mut params.stake;
    stake.min_difficulty = Difficulty::from_u64(120_000);
    stake.vote_maturity = 3;
    stake.deposit_min_lock = 10_000;
    stake.deposit_gap = 100;
    stake.min_age = 4;
    stake.max_pow_run = RUN;
    stake.max_pos_run = RUN;
    stake.run_limits_above = Height::new(ERA);
    params
}

/// Mines for an address until a height.
fn mine(node: &mut Node, address: &str, until: u32) {
    node.setup.mine = Some((address.to_owned(), Duration::from_millis(1)));
    node.restart().unwrap();
    node.wait_for_height(until, SYNC_LIMIT).unwrap();
    assert!(node.stop().unwrap().0.success());
    node.setup.mine = None;
}

/// Reads the chain of a node that is stopped.
fn export(program: &Program, network: &Network, node: &Node) -> Vec<Block> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chain.bin");
    let data = node.data_dir();
    let arguments = [Path::new("--data-dir"), &data, &file];
    let output = program.run("export", network, &arguments, SYNC_LIMIT).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let blocks = chain_file::read(&file).unwrap();
    blocks.iter().map(|bytes| Block::decode(bytes).unwrap()).collect()
}

/// The hash of the key that staked a block.
fn staker_of(block: &Block) -> Option<[u8; 20]> {
    let coinstake = block.transactions.get(1)?;
    match coinstake.outputs.get(1)?.script.pattern() {
        Pattern::PayKeyHash(hash) => Some(*hash),
        _ => None,
    }
}

#[test]
#[ignore = "sometimes no partition begins behind a work block; run it by name"]
fn work_and_stake_alternate_for_three_hundred_blocks() {
    let name = "work_and_stake_alternate_for_three_hundred_blocks";
    let Some(program) = program_or_skip(name) else { return };
    let _alone = alone();
    let start = Instant::now();
    let params = params();
    let network = Network::of(&params).unwrap();
    // 0 mines, 1 and 2 have a staker each.
    let mut nodes: Vec<Node> =
        (0..3).map(|_| Node::prepare(&program, Setup::on(network.clone())).unwrap()).collect();
    let doors: Vec<Door> = nodes.iter_mut().map(|node| Door::of(node).unwrap()).collect();
    let wallets: Vec<Wallet> =
        (1..3).map(|index| Wallet::new(&network, doors[index].clone()).unwrap()).collect();

    // Each staker gets coins of 3,000, from before the era.
    mine(&mut nodes[0], wallets[0].address(), SHARE);
    mine(&mut nodes[0], wallets[1].address(), 2 * SHARE);
    let miner = Person::new("miner", 0).address().to_text(&params.addresses);
    nodes[0].setup.mine = Some((miner, MINE));
    nodes[0].restart().unwrap();
    // The first staker's node has both neighbours; the second's door can be shut.
    let proxy = Proxy::start(nodes[2].address()).unwrap();
    nodes[1].setup.connect = vec![nodes[0].address(), proxy.address()];
    nodes[2].restart().unwrap();
    nodes[1].restart().unwrap();
    for node in &nodes {
        node.wait_for_height(ERA, SYNC_LIMIT).unwrap();
    }

    // Nobody stakes without a deposit.
    let refused = wallets[0].fail(&["stake", "deposit", "999", "--yes"]).unwrap();
    assert_eq!(refused.0, Some(2), "{}", refused.1);
    for wallet in &wallets {
        let status = wallet.run(&["stake", "status"]).unwrap();
        assert_eq!((&status["is_entitled"], &status["is_open"]), (&false.into(), &true.into()));
        let sent = wallet.run(&["stake", "deposit", "1000", "--yes"]).unwrap();
        assert_eq!(sent["fee"], "0.00010000", "{sent}");
    }
    for wallet in &wallets {
        let status = until("a deposit that entitles", SYNC_LIMIT, || {
            let status = wallet.run(&["stake", "status"]).unwrap();
            let is_entitled = status["is_entitled"] == true;
            Seen::maybe(is_entitled.then(|| status.clone()), || status.to_string())
        })
        .unwrap();
        assert_eq!(status["deposits"][0]["value"], 100_000_000_000u64, "{status}");
        assert!(status["expected_secs"].as_u64().is_some(), "{status}");
    }
    let mut stakers: Vec<Staker> =
        wallets.iter().map(|wallet| wallet.stake(&STAKE).unwrap()).collect();
    for staker in &stakers {
        until("a first stake block", SYNC_LIMIT, || {
            Seen::so(!staker.blocks().is_empty(), || staker.said())
        })
        .unwrap();
    }
    let first = nodes[0].status().unwrap().height;
    loudly(&format!("both stake at height {first} after {:.1} s", start.elapsed().as_secs_f64()));

    // The second staker's side is alone, behind a work block: one stake block, and no more.
    nodes[0].wait_for_height(first + BLOCKS / 3, SYNC_LIMIT).unwrap();
    let mut tries = 0;
    let parted = loop {
        // Counted before: a block may come while the loss of the peer is being noticed.
        let stakes = stakers[1].blocks().len();
        proxy.cut();
        let parted = nodes[2].wait_for("no other node", SYNC_LIMIT, |now| now.peers == 0).unwrap();
        let found = until("a stake block of its own, or none to come", SYNC_LIMIT, || {
            if stakers[1].blocks().len() > stakes {
                return Seen::Done(true);
            }
            let status = wallets[1].run(&["stake", "status"]).unwrap();
            let is_over = status["is_open"] == false && stakers[1].blocks().len() == stakes;
            Seen::maybe(is_over.then_some(false), || status.to_string())
        });
        if found.unwrap() {
            break parted.height;
        }
        tries += 1;
        assert!(tries < TRIES, "every partition began behind a stake block");
        proxy.open();
        nodes[2].wait_for_peers(1, SYNC_LIMIT).unwrap();
    };
    let others = nodes[0].wait_for_height(parted + 30, SYNC_LIMIT).unwrap();
    let lonely = nodes[2].status().unwrap();
    assert!(lonely.height <= parted + RUN + 1, "{lonely:?} since {parted}");
    assert_ne!(lonely.tip, others.tip);
    proxy.open();
    nodes[2].wait_for_height(others.height, SYNC_LIMIT).unwrap();

    // A node dies while its wallet stakes; the wallet waits for it and goes on.
    nodes[0].wait_for_height(first + BLOCKS * 2 / 3, SYNC_LIMIT).unwrap();
    for kill in 0..KILLS {
        let found = stakers[0].blocks().len();
        until("one more stake block", SYNC_LIMIT, || {
            Seen::so(stakers[0].blocks().len() > found, || found.to_string())
        })
        .unwrap();
        let before = nodes[1].status().unwrap();
        nodes[1].kill().unwrap();
        let (told, waits) = (stakers[0].blocks(), kill as usize + 1);
        until("the staker to see it", SYNC_LIMIT, || {
            let said = stakers[0].said();
            Seen::so(said.matches("waiting for the node").count() >= waits, || said)
        })
        .unwrap();
        nodes[1].restart().unwrap();
        let after = nodes[1].status().unwrap();
        assert!(after.height >= before.height, "{after:?} after {before:?}");
        // What the wallet was told of is there: a block is answered for when it is durable.
        let last = told.iter().rev().find(|block| block["on_chain"] == true).unwrap();
        assert!(u64::from(after.height) >= last["height"].as_u64().unwrap(), "{after:?} {last}");
        until("a stake block after the crash", SYNC_LIMIT, || {
            Seen::so(stakers[0].blocks().len() > told.len(), || stakers[0].said())
        })
        .unwrap();
    }
    nodes[0].wait_for_height(first + BLOCKS, SYNC_LIMIT).unwrap();

    // The stakers stop. The miner puts one block on whatever stake block he has, so that no two tips
    // are of equal work, and that is the end.
    for staker in &mut stakers {
        assert!(staker.runs().unwrap(), "{}", staker.said());
        assert_eq!(staker.stop().unwrap().code(), Some(0), "{}", staker.said());
    }
    let all: Vec<&Node> = nodes.iter().collect();
    let end = until("a work block at the end of the chain", SYNC_LIMIT, || {
        let end = agree(&all, SYNC_LIMIT).unwrap();
        let status = wallets[0].run(&["stake", "status"]).unwrap();
        let is_last = status["tip"] == end.tip.as_str() && status["is_open"] == true;
        Seen::maybe(is_last.then_some(end), || status.to_string())
    })
    .unwrap();
    // One that was never there comes to the same.
    let setup = Setup::on(network.clone()).connect(nodes[2].address());
    let fresh = Node::start(&program, setup).unwrap();
    let reached = fresh.wait_for_height(end.height, SYNC_LIMIT).unwrap();
    let end = agree(&[&nodes[0], &nodes[1], &nodes[2], &fresh], SYNC_LIMIT).unwrap();
    assert!(reached.height <= end.height);

    // What the chain holds.
    for node in &mut nodes {
        assert!(node.stop().unwrap().0.success());
    }
    let blocks = export(&program, &network, &nodes[0]);
    let both = &blocks[first as usize..(first + BLOCKS) as usize];
    let stakes: Vec<&Block> =
        both.iter().filter(|block| block.header.version == BlockVersion::POS).collect();
    let own = |wallet: &Wallet| {
        let address = mvs_primitives::address::Address::parse(wallet.address(), &params.addresses);
        let mvs_primitives::address::Address::KeyHash(hash) = address.unwrap() else { panic!() };
        stakes.iter().filter(|block| staker_of(block) == Some(hash)).count()
    };
    let shares = [own(&wallets[0]), own(&wallets[1])];
    let (work, stake) = (both.len() - stakes.len(), stakes.len());
    loudly(&format!(
        "{BLOCKS} blocks: {work} of work, {stake} of stake, {shares:?} by staker; {:.1} s in all",
        start.elapsed().as_secs_f64()
    ));
    assert_eq!(shares.iter().sum::<usize>(), stake);
    assert!(shares.iter().all(|share| *share >= 5), "{shares:?}");
    assert_eq!((work, stake), (150, 150));
    for two in both.windows(2) {
        assert_ne!(two[0].header.version, two[1].header.version, "{}", two[1].header.number);
    }
    assert!(blocks.iter().all(|block| block.header.hash().to_string() != lonely.tip));
    // Each that a wallet was told of and that stayed is the wallet's.
    let hashes: Vec<String> = both.iter().map(|block| block.header.hash().to_string()).collect();
    for (staker, share) in stakers.iter().zip(shares) {
        let told = staker.blocks();
        let stayed =
            told.iter().filter(|block| hashes.iter().any(|hash| block["hash"] == hash.as_str()));
        // A kill between a block and its answer leaves one that nobody was told of.
        assert!(stayed.count() + KILLS as usize >= share, "{share}");
    }
    // Splits are those of the wallets' convention.
    let split = Amount::from_etp(2_000).unwrap();
    for block in stakes {
        let parts = &block.transactions[1].outputs[1..];
        let sum: u64 = parts.iter().map(|part| part.value.units()).sum();
        assert_eq!(parts.len() == 2, sum >= split.units(), "{sum}");
    }
}
