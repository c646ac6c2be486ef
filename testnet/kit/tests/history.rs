//! tmp
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]
use std::sync::Arc;
use std::time::Instant;
use mvs_consensus::params::Params;
use mvs_pow::CacheSet;
use mvs_primitives::block::Block;
use mvs_primitives::encode::Decode;
use testkit::chain::{FAR_FUTURE, MemoryChain};
use testkit::history::{History, census};

#[test]
fn probe() {
    let caches = Arc::new(CacheSet::new(2));
    let t = Instant::now();
    let blocks = History::generate(1, 600, Arc::clone(&caches));
    println!("generate {:?}", t.elapsed());
    let t = Instant::now();
    let mut chain = MemoryChain::new(Params::devnet(), caches);
    if let Err((at, why)) = chain.append_all(&blocks, FAR_FUTURE) {
        panic!("{at}: {} {why}", why.code());
    }
    println!("validate {:?}", t.elapsed());
    let blocks: Vec<Block> = blocks.iter().map(|b| Block::decode(b).unwrap()).collect();
    for (k, v) in census(&blocks) { println!("{k}: {v}"); }
}
