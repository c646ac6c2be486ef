//! The core of the chain owner on a store: extension, reorganisation, invalid blocks, files.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a panic is the failure")]

use std::io::Cursor;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use mvs_consensus::block::{BlockBody, check_block};
use mvs_consensus::params::Params;
use mvs_consensus::script::SigCache;
use mvs_node::chain::bodies::Body;
use mvs_node::chain::core::{ChainCore, Slice, Step, Tools};
use mvs_node::chain::import::{BlockFile, ImportError, export, import};
use mvs_node::chain::index::{Known, Limits};
use mvs_node::chain::intake::{place, screen};
use mvs_node::chain::stop::Stop;
use mvs_node::chain::verify::VerifyPool;
use mvs_pow::CacheSet;
use mvs_primitives::block::Block;
use mvs_primitives::encode::Decode;
use mvs_primitives::height::Height;
use mvs_store::backing::Disk;
use mvs_store::sim::SimDisk;
use mvs_store::{Options, Tip};
use testkit::chain::{FAR_FUTURE, MemoryChain};
use testkit::history::History;
use testkit::vectors::recorded_chain;

static CACHES: LazyLock<Arc<CacheSet>> = LazyLock::new(|| Arc::new(CacheSet::new(2)));
static POOL: LazyLock<Arc<VerifyPool>> = LazyLock::new(|| Arc::new(VerifyPool::new(2).unwrap()));

fn tools(params: &Params) -> Tools {
    Tools {
        params: Arc::new(params.clone()),
        caches: Arc::clone(&CACHES),
        signatures: Arc::new(SigCache::new([7; 32], 1024)),
        pool: Arc::clone(&POOL),
    }
}

fn options() -> Options {
    let mut options = Options::new(7, 10_000);
    options.block_file_bytes = 1 << 20;
    options.engine.segment_bytes = 1 << 20;
    options.engine.grow_bytes = 64 << 10;
    options.engine.background = false;
    options
}

fn open<D: Disk>(disk: D, params: &Params) -> ChainCore<D> {
    ChainCore::open(disk, options(), tools(params), Limits::default()).unwrap().0
}

fn feed_headers<D: Disk>(core: &mut ChainCore<D>, blocks: &[Vec<u8>]) {
    let headers = blocks.iter().map(|bytes| Block::decode(bytes).unwrap().header).collect();
    let (index, trunk, tools) = core.index_and_trunk();
    let screened = screen(&tools.params, index, trunk, headers, FAR_FUTURE).unwrap();
    assert!(screened.stop.is_none(), "{:?}", screened.stop);
    let hashes: Vec<_> = screened.fresh.iter().map(|header| header.hash()).collect();
    let checked =
        mvs_consensus::header::check_headers(&tools.params, &tools.caches, screened.fresh);
    let list = hashes.into_iter().zip(checked).collect();
    let placed = place(&tools.params, index, trunk, list, FAR_FUTURE).unwrap();
    assert!(placed.stop.is_none(), "{:?}", placed.stop);
    core.touch();
}

fn feed_body<D: Disk>(core: &mut ChainCore<D>, bytes: &[u8]) {
    let body = BlockBody::decode(bytes).unwrap();
    let hash = body.block().header.hash();
    let Some(Known::Placed(placed)) = core.index.get(&hash) else { return };
    let block = check_block(core.params(), placed.clone(), body).unwrap();
    core.bodies.insert(hash, Body::Checked { block, bytes: bytes.len() }, None);
    core.touch();
}

fn feed<D: Disk>(core: &mut ChainCore<D>, blocks: &[Vec<u8>]) {
    feed_headers(core, blocks);
    blocks.iter().for_each(|bytes| feed_body(core, bytes));
}

/// Lets the core do all that it can; returns what was invalid.
fn settle<D: Disk>(core: &mut ChainCore<D>, slice: Slice) -> Vec<&'static str> {
    let mut invalid = Vec::new();
    loop {
        match core.advance(&slice, &Stop::new()).unwrap() {
            Step::Moved(_) => {}
            Step::Invalid(block) => invalid.push(block.error.code()),
            Step::Idle => return invalid,
        }
    }
}

/// What a chain in memory that only saw these blocks has at its tip.
fn expected(params: &Params, blocks: &[Vec<u8>]) -> Tip {
    let mut core = open(SimDisk::new(99), params);
    feed(&mut core, blocks);
    assert!(settle(&mut core, Slice::BULK).is_empty());
    core.tip()
}

fn file_of(blocks: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for block in blocks {
        file.extend((block.len() as u32).to_le_bytes());
        file.extend(block);
    }
    file
}

fn recorded(name: &str) -> (Params, Vec<Vec<u8>>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testnet/kit/data").join(name);
    recorded_chain(&folder).unwrap()
}

#[test]
fn recorded_chains_go_in_and_out() {
    for name in ["reference-chain", "reference-chain-pos"] {
        let (params, blocks) = recorded(name);
        let mut memory = MemoryChain::new(params.clone(), Arc::clone(&CACHES));
        memory.append_all(&blocks, FAR_FUTURE).unwrap();
        let file = file_of(&blocks);
        let disk = SimDisk::new(1);
        let mut core = open(disk.clone(), &params);
        let input = BlockFile::new(Cursor::new(file.clone())).unwrap();
        let done = import(&mut core, input, || FAR_FUTURE, &Stop::new(), |_| {}).unwrap();
        assert_eq!(done.connected, blocks.len() as u64);
        assert_eq!(done.tip.hash, memory.tip().hash);
        assert!(core.index.is_empty() && core.bodies.is_empty());
        // Once more: everything is known.
        let input = BlockFile::new(Cursor::new(file.clone())).unwrap();
        let again = import(&mut core, input, || FAR_FUTURE, &Stop::new(), |_| {}).unwrap();
        assert_eq!((again.connected, again.known), (0, blocks.len() as u64));
        let mut out = Vec::new();
        let last = core.tip().height;
        export(core.trunk(), Height::new(1), last, &mut out, &Stop::new(), |_| {}).unwrap();
        assert!(out == file, "what comes out is what went in");
        let tip = core.tip();
        core.close().unwrap();
        assert_eq!(open(disk, &params).tip(), tip);
    }
}

#[test]
fn damaged_files_end_with_a_reason() {
    let (params, blocks) = recorded("reference-chain");
    let file = file_of(&blocks[..20]);
    let run = |file: Vec<u8>| {
        let mut core = open(SimDisk::new(1), &params);
        let input = BlockFile::new(Cursor::new(file)).unwrap();
        let result = import(&mut core, input, || FAR_FUTURE, &Stop::new(), |_| {});
        (result.unwrap_err().code(), core.tip().height.value())
    };
    let mut short = file.clone();
    short.truncate(file.len() - 3);
    assert_eq!(run(short), ("import.read", 19));
    let mut long = file.clone();
    long.extend([0xff, 0xff, 0xff, 0x7f]);
    assert_eq!(run(long), ("import.length", 20));
    let mut garbage = file.clone();
    garbage.extend([5, 0, 0, 0, 1, 2, 3, 4, 5]);
    let (code, height) = run(garbage);
    assert!(code.starts_with("decode."), "{code}");
    assert_eq!(height, 20);
    let mut gap = file_of(&blocks[..5]);
    gap.extend(file_of(&blocks[6..9]));
    assert_eq!(run(gap), ("headers.not_consecutive", 5));
    assert_eq!(run(file_of(&blocks[6..9])), ("not_yet.no_parent", 0));
}

/// A chain, and three branches that leave it.
struct World {
    common: Vec<Vec<u8>>,
    short: Vec<Vec<u8>>,
    long: Vec<Vec<u8>>,
    longest: Vec<Vec<u8>>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let mut history = History::new(3, Arc::clone(&CACHES));
    let common = history.extend(60);
    let (mut a, mut b, mut c) = (history.fork(1), history.fork(2), history.fork(3));
    World { common, short: a.extend(10), long: b.extend(20), longest: c.extend(30) }
});

fn with(blocks: &[&[Vec<u8>]]) -> Vec<Vec<u8>> {
    blocks.concat()
}

#[test]
fn the_chain_moves_to_the_heaviest_branch_and_back() {
    let params = Params::devnet();
    let world = &*WORLD;
    let disk = SimDisk::new(5);
    let mut core = open(disk.clone(), &params);
    feed(&mut core, &with(&[&world.common, &world.short]));
    assert!(settle(&mut core, Slice::TIP).is_empty());
    let on_short = core.tip();
    assert_eq!(on_short, expected(&params, &with(&[&world.common, &world.short])));

    feed(&mut core, &world.long);
    assert!(settle(&mut core, Slice::BULK).is_empty());
    let on_long = expected(&params, &with(&[&world.common, &world.long]));
    assert_eq!(core.tip(), on_long, "the state is that of a node that saw only this branch");
    assert_eq!(core.index.len(), world.short.len(), "the old branch is remembered");

    // The first branch grows again: its old blocks are still there.
    feed(&mut core, &world.longest);
    assert!(settle(&mut core, Slice::TIP).is_empty());
    assert_eq!(core.tip(), expected(&params, &with(&[&world.common, &world.longest])));
    let tip = core.tip();
    drop(core);
    assert_eq!(open(disk, &params).tip(), tip, "what was told is durable");
}

#[test]
fn an_old_branch_that_grows_comes_back_without_being_sent_again() {
    let params = Params::devnet();
    let mut history = History::new(3, Arc::clone(&CACHES));
    let common = history.extend(40);
    let (mut a, mut b) = (history.fork(1), history.fork(2));
    let (first, rival, rest) = (a.extend(5), b.extend(8), a.extend(12));
    let mut core = open(SimDisk::new(5), &params);
    feed(&mut core, &with(&[&common, &first]));
    settle(&mut core, Slice::BULK);
    feed(&mut core, &rival);
    settle(&mut core, Slice::BULK);
    assert_eq!(core.tip().height.value(), 48);
    feed(&mut core, &rest);
    assert!(settle(&mut core, Slice::BULK).is_empty());
    assert_eq!(core.tip(), expected(&params, &with(&[&common, &first, &rest])));
}

#[test]
fn bodies_come_in_any_order() {
    let params = Params::devnet();
    let world = &*WORLD;
    let all = with(&[&world.common, &world.longest]);
    let mut core = open(SimDisk::new(5), &params);
    feed_headers(&mut core, &all);
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|n| (n * 7919) % 97);
    for n in order {
        feed_body(&mut core, &all[n]);
        assert!(settle(&mut core, Slice::BULK).is_empty());
    }
    assert_eq!(core.tip(), expected(&params, &all));
    assert!(core.bodies.is_empty());
}

#[test]
fn an_invalid_block_in_a_branch_leaves_the_chain_where_it_was() {
    let params = Params::devnet();
    let world = &*WORLD;
    let mut memory = MemoryChain::new(params.clone(), Arc::clone(&CACHES));
    memory.append_all(&world.common, FAR_FUTURE).unwrap();
    // Blocks that pay themselves too much, on top of right ones of a branch that would win.
    let good = &world.longest[..11];
    memory.append_all(good, FAR_FUTURE).unwrap();
    let script = mvs_primitives::script::Script::pay_key_hash(&[1; 20]);
    let mut draft = testkit::build::BlockDraft::on(&memory, script, Vec::new());
    draft.add_to_coinbase(mvs_primitives::amount::Amount::from_units(1));
    let bad = mvs_primitives::encode::Encode::to_bytes(&draft.seal(&CACHES));

    let mut core = open(SimDisk::new(5), &params);
    feed(&mut core, &with(&[&world.common, &world.short]));
    settle(&mut core, Slice::BULK);
    let before = core.tip();
    // The part before the bad block is heavier than the current branch by itself: it wins.
    feed(&mut core, &with(&[good, std::slice::from_ref(&bad)]));
    assert_eq!(settle(&mut core, Slice::BULK), ["block.coinbase_value"]);
    assert_eq!(core.tip(), expected(&params, &with(&[&world.common, good])));
    assert_ne!(core.tip(), before);

    // Where it is not, nothing moves, and the next best branch is tried.
    let mut core = open(SimDisk::new(6), &params);
    feed(&mut core, &with(&[&world.common, &world.long]));
    settle(&mut core, Slice::BULK);
    let before = core.tip();
    feed(&mut core, &with(&[good, std::slice::from_ref(&bad)]));
    assert!(settle(&mut core, Slice::BULK).is_empty());
    assert_eq!(core.tip(), before);
}

#[test]
fn a_stop_in_the_middle_of_a_reorganisation_changes_nothing() {
    let params = Params::devnet();
    let world = &*WORLD;
    let mut core = open(SimDisk::new(5), &params);
    feed(&mut core, &with(&[&world.common, &world.short]));
    settle(&mut core, Slice::BULK);
    let before = core.tip();
    feed(&mut core, &world.long);
    let stop = Stop::new();
    stop.set();
    assert!(matches!(core.advance(&Slice::BULK, &stop), Ok(Step::Idle)));
    assert_eq!(core.tip(), before);
    assert!(settle(&mut core, Slice::BULK).is_empty());
    assert_ne!(core.tip(), before);
}

#[test]
fn an_import_can_be_stopped_and_repeated() {
    let (params, blocks) = recorded("reference-chain");
    let file = file_of(&blocks);
    let mut core = open(SimDisk::new(1), &params);
    let stop = Stop::new();
    let input = BlockFile::new(Cursor::new(file.clone())).unwrap();
    let result = import(
        &mut core,
        input,
        || FAR_FUTURE,
        &stop,
        |tip| {
            if tip.height.value() > 500 {
                stop.set();
            }
        },
    );
    assert!(matches!(result, Err(ImportError::Stopped)));
    let reached = core.tip().height.value();
    assert!(reached > 500 && reached < blocks.len() as u32);
    let input = BlockFile::new(Cursor::new(file)).unwrap();
    let done = import(&mut core, input, || FAR_FUTURE, &Stop::new(), |_| {}).unwrap();
    assert_eq!(done.tip.height.value(), blocks.len() as u32);
}
