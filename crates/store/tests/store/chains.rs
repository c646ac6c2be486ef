//! Whole chains in and out.

use std::path::Path;
use std::sync::Arc;

use mvs_consensus::block::ConnectedBlock;
use mvs_store::backing::Disk;
use mvs_store::mmap::MapDisk;
use mvs_store::sim::SimDisk;
use mvs_store::{Store, StoreError};
use testkit::chain::{FAR_FUTURE, MemoryChain};
use testkit::vectors::recorded_chain;

use crate::model::{
    CACHES, Model, STORY, Step, Sums, assert_same, assert_sound, genesis, genesis_of, options, play,
};

/// A folder that goes away again.
pub(crate) struct Folder(pub(crate) std::path::PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mvs-store-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Splits a step so that commits are of many sizes; the first part holds all of the undoing.
fn parts(step: &Step, size: usize) -> Vec<Step> {
    let mut parts = Vec::new();
    let mut rest = &step.apply[..];
    let first = if step.undo > 0 { rest.len() } else { rest.len().min(size) };
    let mut undo = step.undo;
    let mut take = first;
    while !rest.is_empty() || undo > 0 {
        let (now, later) = rest.split_at(take);
        parts.push(Step { undo, apply: now.to_vec() });
        (rest, undo) = (later, 0);
        take = rest.len().min(size + parts.len() % 5);
    }
    parts
}

fn whole_story<D: Disk>(open: impl Fn() -> D) {
    let genesis = genesis();
    let (mut store, report) = Store::open(open(), options(600), &genesis).unwrap();
    assert!(report.created);
    let mut model = Model::new(&genesis);
    let mut since = 0;
    for (number, step) in STORY.steps.iter().enumerate() {
        for part in parts(step, 23 + number) {
            play(&mut store, &mut model, &part);
            since += part.apply.len();
            if since > 300 {
                since = 0;
                assert_same(&store.snapshot(), &model.blocks, &model.state());
            }
            // Half of the openings are after a clean close, half after a kill.
            if model.blocks.len().is_multiple_of(11) {
                if model.blocks.len().is_multiple_of(2) {
                    store.close().unwrap();
                } else {
                    drop(store);
                }
                let (again, report) = Store::open(open(), options(600), &genesis).unwrap();
                assert_eq!(report.clean, model.blocks.len().is_multiple_of(2));
                assert_eq!(Sums::of(&again), model.now());
                assert_eq!(again.snapshot().registry(), model.registry());
                store = again;
            }
        }
    }
    assert_same(&store.snapshot(), STORY.chain.blocks(), STORY.chain.state());
    assert_sound(&store);
    store.close().unwrap();
    let (store, report) = Store::open(open(), options(600), &genesis).unwrap();
    assert!(report.clean && report.replayed_bytes == 0);
    assert_same(&store.snapshot(), STORY.chain.blocks(), STORY.chain.state());
}

#[test]
fn a_history_with_reorganisations_on_a_simulated_disk() {
    let disk = SimDisk::new(1);
    whole_story(|| disk.clone());
}

#[test]
fn a_history_with_reorganisations_in_a_folder() {
    let folder = Folder::new("story");
    whole_story(|| MapDisk::open(&folder.0).unwrap());
}

#[test]
fn undoing_every_block_is_the_inverse_of_applying_it() {
    let genesis = genesis();
    let (mut store, _) = Store::open(SimDisk::new(2), options(3_000), &genesis).unwrap();
    let mut model = Model::new(&genesis);
    let blocks = STORY.chain.blocks();
    play(&mut store, &mut model, &Step { undo: 0, apply: blocks[1..].to_vec() });
    // To the genesis block and back, in steps of many sizes.
    let mut size = 1;
    while model.blocks.len() > 1 {
        let undo = size.min(model.blocks.len() - 1);
        play(&mut store, &mut model, &Step { undo, apply: Vec::new() });
        size = size * 3 % 211 + 1;
    }
    assert_same(&store.snapshot(), &blocks[..1], &model.state());
    assert!(matches!(store.batch().unwrap().undo(), Err(StoreError::NoParent)));
    play(&mut store, &mut model, &Step { undo: 0, apply: blocks[1..].to_vec() });
    assert_same(&store.snapshot(), blocks, STORY.chain.state());
    assert_sound(&store);
}

#[test]
fn an_old_snapshot_stays_as_it_was() {
    let genesis = genesis();
    let (mut store, _) = Store::open(SimDisk::new(3), options(600), &genesis).unwrap();
    let mut model = Model::new(&genesis);
    let mut old = Vec::new();
    for step in &STORY.steps {
        play(&mut store, &mut model, step);
        old.push((store.snapshot(), model.blocks.clone(), model.state()));
    }
    for (snapshot, blocks, state) in &old {
        assert_same(snapshot, blocks, state);
    }
}

#[test]
fn stores_with_other_seeds_and_other_commits_have_equal_digests() {
    let genesis = genesis();
    let blocks = &STORY.chain.blocks()[1..700];
    let mut sums = Vec::new();
    for (seed, size) in [(10, 1), (11, 50), (12, 699)] {
        let (mut store, _) = Store::open(SimDisk::new(seed), options(100), &genesis).unwrap();
        for chunk in blocks.chunks(size) {
            let mut batch = store.batch().unwrap();
            for block in chunk {
                batch.apply(block).unwrap();
            }
            batch.commit().unwrap();
        }
        assert_sound(&store);
        sums.push((Sums::of(&store), store.tip()));
    }
    assert!(sums.windows(2).all(|pair| pair[0] == pair[1]));
}

/// The state inside a batch is what the rules see: every block connects on it again.
#[test]
fn blocks_connect_on_the_state_inside_a_batch() {
    use mvs_consensus::block::connect_block;
    use mvs_consensus::script::CacheUse;
    let genesis = genesis();
    let (mut store, _) = Store::open(SimDisk::new(4), options(100), &genesis).unwrap();
    for chunk in STORY.chain.blocks()[1..400].chunks(33) {
        let mut batch = store.batch().unwrap();
        for known in chunk {
            let params = STORY.chain.params();
            let pending = connect_block(params, &batch, &batch, Arc::clone(known.block())).unwrap();
            let block = pending.finish_here(CacheUse::Off).unwrap();
            assert_eq!(block.delta(), known.delta());
            batch.apply(&block).unwrap();
        }
        batch.commit().unwrap();
    }
    assert_sound(&store);
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_no_trace() {
    let genesis = genesis();
    let (mut store, _) = Store::open(SimDisk::new(5), options(100), &genesis).unwrap();
    let blocks = STORY.chain.blocks();
    let mut batch = store.batch().unwrap();
    assert!(matches!(batch.apply(&blocks[2]), Err(StoreError::NotOnTip { .. })));
    assert!(matches!(batch.apply(&blocks[1]), Err(StoreError::BatchFailed)), "only to be dropped");
    assert!(matches!(batch.commit(), Err(StoreError::BatchFailed)));
    assert_eq!(store.tip().height, genesis.block().header().height());
    let mut batch = store.batch().unwrap();
    batch.apply(&blocks[1]).unwrap();
    drop(batch);
    assert_eq!(store.tip().hash, genesis.block().header().hash());
    let mut model = Model::new(&genesis);
    play(&mut store, &mut model, &Step { undo: 0, apply: blocks[1..300].to_vec() });
    let mut batch = store.batch().unwrap();
    for _ in 0..100 {
        batch.undo().unwrap();
    }
    let code = batch.undo().unwrap_err().code();
    assert_eq!(code, "store.beyond_horizon");
    drop(batch);
    assert_same(&store.snapshot(), &blocks[..300], &model.state());
    assert_sound(&store);
}

#[test]
fn another_chain_or_network_is_refused() {
    let disk = SimDisk::new(6);
    let genesis = genesis();
    let (store, _) = Store::open(disk.clone(), options(100), &genesis).unwrap();
    let code = |result: Result<(Store<SimDisk>, _), StoreError>| result.err().unwrap().code();
    assert_eq!(code(Store::open(disk.clone(), options(100), &genesis)), "store.locked");
    store.close().unwrap();
    let main = genesis_of(&mvs_consensus::params::Params::mainnet());
    assert_eq!(code(Store::open(disk.clone(), options(100), &main)), "store.other_genesis");
    let mut other = options(100);
    other.engine.network_id = 8;
    assert_eq!(code(Store::open(disk, other, &genesis)), "store.other_network");
}

fn recorded(folder: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testnet/kit/data").join(folder);
    let (params, raw) = recorded_chain(&path).unwrap();
    let genesis = genesis_of(&params);
    let mut chain = MemoryChain::new(params, Arc::clone(&CACHES));
    chain.append_all(&raw, FAR_FUTURE).map_err(|(index, why)| format!("{index}: {why}")).unwrap();
    let folder = Folder::new(folder);
    let open = || MapDisk::open(&folder.0).unwrap();
    let production = || mvs_store::Options::new(9, 10_000);
    let (mut store, _) = Store::open(open(), production(), &genesis).unwrap();
    let mut model = Model::new(&genesis);
    for chunk in chain.blocks()[1..].chunks(100) {
        play(&mut store, &mut model, &Step { undo: 0, apply: chunk.to_vec() });
    }
    assert_same(&store.snapshot(), chain.blocks(), chain.state());
    assert_sound(&store);
    store.close().unwrap();
    let bytes = disk_bytes(&folder.0);
    println!("{} blocks, {} coins: {bytes} bytes on disk", chain.blocks().len(), model.now().coins);
    assert!(bytes <= 10 << 20, "a small chain takes {bytes} bytes");
    let (store, report) = Store::open(open(), production(), &genesis).unwrap();
    assert!(report.clean);
    assert_same(&store.snapshot(), chain.blocks(), chain.state());
}

fn disk_bytes(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let meta = entry.metadata().unwrap();
        bytes += if meta.is_dir() { disk_bytes(&entry.path()) } else { meta.blocks() * 512 };
    }
    bytes
}

#[test]
fn the_recorded_work_chain() {
    recorded("reference-chain");
}

#[test]
fn the_recorded_stake_chain() {
    recorded("reference-chain-pos");
}

/// Blocks, for other tests that need some.
pub(crate) fn first_blocks(count: usize) -> &'static [ConnectedBlock] {
    &STORY.chain.blocks()[1..=count]
}
