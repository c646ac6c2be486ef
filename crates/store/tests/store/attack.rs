//! Ways in which a store might lose or misread what it was given.

use mvs_consensus::block::ConnectedBlock;
use mvs_consensus::state::{Coin, StateView};
use mvs_primitives::amount::Amount;
use mvs_primitives::attachment::{Attachment, Payload};
use mvs_primitives::height::Height;
use mvs_primitives::output::Output;
use mvs_primitives::script::Script;
use mvs_primitives::text::Text;
use mvs_store::Store;
use mvs_store::codec::{MAX_VALUE_BYTES, decode_coin, encode_coin};
use mvs_store::engine::{self, BlockEntry, BodyRef, Engine, Lookups, NewCoin};
use mvs_store::sim::{Call, Fault, SimDisk, SimRng};

use crate::model::{SHORT, assert_sound, genesis, options};

/// The blocks above the genesis block, of the chain that won.
fn blocks() -> &'static [ConnectedBlock] {
    &SHORT.chain.blocks()[1..]
}

fn open(disk: &SimDisk, horizon: u32) -> Store<SimDisk> {
    Store::open(disk.clone(), options(horizon), &genesis()).unwrap().0
}

fn commit(store: &mut Store<SimDisk>, blocks: &[ConnectedBlock]) {
    let mut batch = store.batch().unwrap();
    for block in blocks {
        batch.apply(block).unwrap();
    }
    batch.commit().unwrap();
}

fn assert_hashes(store: &Store<SimDisk>) {
    let snapshot = store.snapshot();
    for block in SHORT.chain.blocks().iter().take(store.tip().height.value() as usize + 1) {
        let header = block.block().header();
        assert_eq!(snapshot.height_of(&header.hash()).unwrap(), Some(header.height()));
    }
}

/// The floor moves once for each commit, not with each block that a commit applies and takes back.
#[test]
fn the_floor_is_the_same_after_a_replay() {
    let disk = SimDisk::new(1);
    let mut store = open(&disk, 10);
    let blocks = blocks();
    commit(&mut store, &blocks[..40]);
    store.checkpoint().unwrap();
    let mut batch = store.batch().unwrap();
    for block in &blocks[40..70] {
        batch.apply(block).unwrap();
    }
    (0..28).for_each(|_| drop(batch.undo().unwrap()));
    batch.commit().unwrap();
    let (tip, floor) = (store.tip(), store.undo_floor());
    drop(store);
    let store = open(&disk, 10);
    assert_eq!((store.tip(), store.undo_floor()), (tip, floor));
    store.close().unwrap();
    let mut store = open(&disk, 10);
    commit(&mut store, &blocks[42..80]);
    assert_hashes(&store);
    store.close().unwrap();
    let store = open(&disk, 10);
    assert_hashes(&store);
    assert_sound(&store);
}

/// Opened with another horizon than the one under which the log was written.
#[test]
fn another_horizon_keeps_the_floor() {
    for (before, after) in [(5, 60), (60, 5)] {
        let disk = SimDisk::new(2);
        let mut store = open(&disk, before);
        blocks()[..100].chunks(7).for_each(|blocks| commit(&mut store, blocks));
        let floor = store.undo_floor();
        drop(store);
        let mut store = open(&disk, after);
        assert_eq!(store.undo_floor(), floor, "{before} {after}");
        assert_sound(&store);
        blocks()[100..200].chunks(7).for_each(|blocks| commit(&mut store, blocks));
        let floor = store.undo_floor();
        drop(store);
        let mut store = open(&disk, before);
        assert_eq!(store.undo_floor(), floor);
        assert_hashes(&store);
        assert_sound(&store);
        let undoable = store.tip().height.value() + 1 - floor.value();
        let mut batch = store.batch().unwrap();
        (0..undoable).for_each(|_| drop(batch.undo().unwrap()));
        assert_eq!(batch.undo().unwrap_err().code(), "store.beyond_horizon");
    }
}

/// The process dies, the next one opens and closes the store, then the power goes.
#[test]
fn what_was_opened_after_a_kill_survives_a_power_cut() {
    let blocks = blocks();
    let base = SimDisk::new(3);
    let mut store = open(&base, 20);
    commit(&mut store, &blocks[..40]);
    drop(store);
    let mut rng = SimRng::new(9);
    for round in 0..60 {
        let disk = base.kill_image();
        let mut store = open(&disk, 20);
        disk.cut_power_after(disk.steps() + rng.below(60));
        for chunk in blocks[40..64].chunks(6) {
            let Ok(mut batch) = store.batch() else { break };
            if chunk.iter().any(|block| batch.apply(block).is_err()) || batch.commit().is_err() {
                break;
            }
        }
        drop(store);
        disk.cut_power_after(u64::MAX);
        let store = open(&disk, 20);
        let tip = store.tip();
        if round % 2 == 0 {
            store.close().unwrap();
        }
        for seed in 0..4 {
            let image = disk.crash_image(rng.next_u64());
            let store = open(&image, 20);
            assert_eq!(store.tip(), tip, "round {round} image {seed}");
            assert_sound(&store);
        }
    }
}

/// A commit that is durable is not reported as one that has not happened.
#[test]
fn no_space_after_the_commit_is_no_refusal() {
    let disk = SimDisk::new(4);
    let mut store = open(&disk, 20);
    let blocks = blocks();
    commit(&mut store, &blocks[..10]);
    let probe = disk.kill_image();
    let mut other = open(&probe, 20);
    let before = probe.calls(Call::Write);
    commit(&mut other, &blocks[10..12]);
    let writes = probe.calls(Call::Write) - before;
    let tip = other.tip();
    // The last write is that of an entry, after the log was synced.
    disk.fail(Call::Write, disk.calls(Call::Write) + writes - 1, Fault::NoSpace);
    let mut batch = store.batch().unwrap();
    for block in &blocks[10..12] {
        batch.apply(block).unwrap();
    }
    let error = batch.commit().unwrap_err();
    assert!(!error.is_no_space(), "{error}");
    assert!(store.batch().is_err());
    drop(store);
    disk.heal();
    let store = open(&disk, 20);
    assert_eq!(store.tip(), tip);
    assert_sound(&store);
}

/// A snapshot that outlives its store must not answer from what the next one writes.
#[test]
fn snapshots_of_a_closed_store_do_not_lie() {
    let disk = SimDisk::new(5);
    let mut store = open(&disk, 20);
    let blocks = blocks();
    commit(&mut store, &blocks[..100]);
    let old = store.snapshot();
    let spent: Vec<_> = blocks[100..200]
        .iter()
        .flat_map(|block| block.delta().spent.iter().map(|(outpoint, _)| *outpoint))
        .collect();
    let then: Vec<_> = spent.iter().map(|outpoint| old.coin(outpoint).unwrap()).collect();
    assert!(then.iter().any(Option::is_some));
    store.close().unwrap();
    let mut store = open(&disk, 20);
    blocks[100..200].chunks(9).for_each(|blocks| commit(&mut store, blocks));
    for (outpoint, then) in spent.iter().zip(then) {
        if let Ok(now) = old.coin(outpoint) {
            assert_eq!(now, then);
        }
    }
}

#[test]
fn a_check_reads_the_whole_table_of_hashes() {
    let disk = SimDisk::new(6);
    let mut store = open(&disk, 5);
    commit(&mut store, &blocks()[..12]);
    store.checkpoint().unwrap();
    for (name, bytes) in disk.files().iter().filter(|(name, _)| name.starts_with("hashes/")) {
        for offset in (3..*bytes).step_by(64) {
            assert!(disk.corrupt(name, offset, 1));
            let report = store.check(&mut |_| true, &mut |_| {}).unwrap();
            assert!(report.errors > 0, "{name} {offset}");
            disk.corrupt(name, offset, 1);
        }
    }
}

/// A message counts as 256 bytes towards the limits of transactions and blocks, however long it is.
#[test]
fn the_longest_coin_that_a_block_can_bring_is_kept() {
    let mut message = Attachment::ETP;
    message.payload = Payload::Message(Text::new(vec![b'm'; MAX_VALUE_BYTES - 300]).unwrap());
    let script = Script::from_bytes(vec![0x6a_u8]);
    let output = Output { value: Amount::from_units(1), script, attachment: message };
    assert!(output.nominal_size() < 400);
    let coin = Coin { output, height: Height::new(1), is_coinbase: false, open_locktime: u32::MAX };
    let mut value = Vec::new();
    encode_coin(&coin, &mut value);
    let disk = SimDisk::new(7);
    let (mut engine, _) = Engine::open(disk.clone(), engine::Options::default(), &mut ()).unwrap();
    let mut batch = engine.batch().unwrap();
    let created = [NewCoin { key: [9; 36], value: &value }];
    let body = BodyRef::default();
    let entry =
        BlockEntry { height: 1, hash: [1; 32], body, spent: &[], created: &created, extra: &[] };
    batch.apply(&entry).unwrap();
    batch.commit(&[]).unwrap();
    drop(engine);
    let (engine, _) = Engine::open(disk, engine::Options::default(), &mut ()).unwrap();
    let mut out = Lookups::new();
    engine.snapshot().find(&[[9; 36]], &mut out).unwrap();
    assert_eq!(decode_coin(out.value(0).unwrap()).unwrap(), coin);
}
