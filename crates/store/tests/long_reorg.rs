//! A reorganisation of 8,000 blocks in one batch. Alone in its process, so that its memory can be told.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::sync::Arc;

use mvs_consensus::block::connect_genesis;
use mvs_consensus::params::{Params, PowDifficulty};
use mvs_consensus::subsidy::block_subsidy;
use mvs_pow::CacheSet;
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::encode::Encode;
use mvs_primitives::hash::{MerkleRoot, MixHash};
use mvs_primitives::header::{BlockVersion, Header};
use mvs_primitives::output::Output;
use mvs_primitives::script::Script;
use mvs_primitives::time::Timestamp;
use mvs_store::mmap::MapDisk;
use mvs_store::{Options, Store};
use testkit::build::{BlockDraft, coinbase};
use testkit::chain::{FAR_FUTURE, MemoryChain};

const DEPTH: u32 = 8_000;

/// Extends a chain by blocks that pay a person; the first nonce seals each.
fn extend(chain: &mut MemoryChain, count: u32, person: u8) {
    let params = chain.params().clone();
    let caches = Arc::clone(chain.caches());
    let mut last = chain.blocks().last().unwrap().block().header().header().clone();
    let mut raw = Vec::new();
    for _ in 0..count {
        let number = last.number.next().unwrap();
        let reward = block_subsidy(&params, BlockVersion::POW, number);
        let output = Output::etp(reward, Script::pay_key_hash(&[person; 20]));
        let header = Header {
            version: BlockVersion::POW,
            previous: last.hash(),
            merkle: MerkleRoot::ZERO,
            timestamp: Timestamp::from_unix_secs(last.timestamp.unix_secs() + 30),
            bits: Difficulty::from_u64(1),
            nonce: 0,
            mix_hash: MixHash::ZERO,
            number,
        };
        let draft = BlockDraft { header, transactions: vec![coinbase(number, vec![output])] };
        let block = draft.seal(&caches);
        last = block.header.clone();
        raw.push(block.to_bytes());
    }
    chain.append_all(&raw, FAR_FUTURE).map_err(|(at, why)| format!("{at}: {why}")).unwrap();
}

/// Anonymous memory of this process, in KiB.
fn anonymous_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn eight_thousand_blocks_in_one_batch_within_bounded_memory() {
    let mut params = Params::devnet();
    params.pow_difficulty = PowDifficulty::Fixed(Difficulty::from_u64(1));
    let genesis = connect_genesis(&params).unwrap();
    let mut chain = MemoryChain::new(params, Arc::new(CacheSet::new(1)));
    extend(&mut chain, 10, 1);
    let mut rival = chain.clone();
    extend(&mut chain, DEPTH, 2);
    extend(&mut rival, DEPTH + 1, 3);

    let folder = std::env::temp_dir().join(format!("mvs-long-reorg-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let open = || Store::open(MapDisk::open(&folder).unwrap(), Options::new(7, 10_000), &genesis);
    let (mut store, _) = open().unwrap();
    let mut batch = store.batch().unwrap();
    for block in &chain.blocks()[1..] {
        batch.apply(block).unwrap();
    }
    batch.commit().unwrap();
    let old = store.snapshot();

    let before = anonymous_kib();
    let start = std::time::Instant::now();
    let mut batch = store.batch().unwrap();
    let mut most = 0;
    for expected in chain.blocks()[11..].iter().rev() {
        let undone = batch.undo().unwrap();
        assert_eq!(undone.info.hash, expected.block().header().hash());
        most = most.max(anonymous_kib().saturating_sub(before));
    }
    for block in &rival.blocks()[11..] {
        batch.apply(block).unwrap();
        most = most.max(anonymous_kib().saturating_sub(before));
    }
    batch.commit().unwrap();
    most = most.max(anonymous_kib().saturating_sub(before));
    println!("{DEPTH} blocks: {:?}, at most {most} KiB more than before", start.elapsed());
    assert!(most <= 48 << 10, "{most} KiB");

    assert_eq!(store.tip().hash, rival.tip().hash);
    assert_eq!(store.tip().coins, rival.state().coins().count() as u64);
    assert_eq!(old.tip().hash, chain.tip().hash);
    let depth = chain.blocks().len() / 2;
    let middle = chain.blocks()[depth].block().header();
    assert_eq!(old.hash(middle.height()).unwrap(), Some(middle.hash()));
    let mut found = 0;
    store.check(&mut |_| true, &mut |_| found += 1).unwrap();
    assert_eq!(found, 0);
    drop(store);
    let (store, report) = open().unwrap();
    println!("opened in {:?}, {} bytes replayed", report.took, report.replayed_bytes);
    assert_eq!(store.tip().hash, rival.tip().hash);
    drop(store);
    std::fs::remove_dir_all(&folder).unwrap();
}
