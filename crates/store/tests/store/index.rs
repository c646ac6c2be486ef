//! The optional index against what the blocks say.

use std::collections::{BTreeMap, HashMap};

use mvs_consensus::block::ConnectedBlock;
use mvs_consensus::state::{Coin, MemoryState, StateView};
use mvs_primitives::address::Address;
use mvs_primitives::hash::TxId;
use mvs_primitives::input::OutPoint;
use mvs_primitives::output::Output;
use mvs_store::sim::SimDisk;
use mvs_store::{AddressEntry, EntryCursor, Order, Snapshot, Store, TxPlace};

use crate::model::{Model, SHORT, STORY, Sums, assert_sound, genesis, options, play};

/// Place, transaction, output spent, and the output in question.
type Line = (EntryCursor, TxId, Option<OutPoint>, Output);

fn histories(blocks: &[ConnectedBlock]) -> BTreeMap<Address, Vec<Line>> {
    let mut outputs: HashMap<OutPoint, Output> = HashMap::new();
    for block in blocks {
        let block = block.block();
        for (transaction, txid) in block.block().transactions.iter().zip(block.txids()) {
            for (output, index) in transaction.outputs.iter().zip(0..) {
                outputs.insert(OutPoint::new(*txid, index), output.clone());
            }
        }
    }
    let mut lines: BTreeMap<Address, Vec<Line>> = BTreeMap::new();
    let mut add = |output: &Output, cursor, txid, spends| {
        if let Some(address) = output.script.without_marker_memory().address() {
            lines.entry(address).or_default().push((cursor, txid, spends, output.clone()));
        }
    };
    for block in blocks {
        let height = block.block().header().height();
        let block = block.block();
        for ((transaction, txid), number) in
            block.block().transactions.iter().zip(block.txids()).zip(0..)
        {
            let place = TxPlace { height, number };
            for (input, index) in transaction.inputs.iter().zip(0..) {
                if !input.previous.is_null() {
                    let cursor = EntryCursor { place, is_output: false, index };
                    add(&outputs[&input.previous], cursor, *txid, Some(input.previous));
                }
            }
            for (output, index) in transaction.outputs.iter().zip(0..) {
                add(output, EntryCursor { place, is_output: true, index }, *txid, None);
            }
        }
    }
    lines
}

fn assert_line(entry: &AddressEntry, (cursor, txid, spends, output): &Line) {
    assert_eq!((&entry.cursor, &entry.txid, &entry.spends), (cursor, txid, spends));
    assert_eq!(entry.value, output.value);
    if let Some((symbol, quantity)) = output.attachment.asset() {
        assert_eq!(*entry.symbol, *symbol.as_bytes());
        assert_eq!(entry.quantity, quantity);
        assert_eq!(entry.attachment_type, 2);
    }
}

fn assert_indexed(snapshot: &Snapshot<SimDisk>, blocks: &[ConnectedBlock], state: &MemoryState) {
    assert_eq!(snapshot.index_height(), snapshot.tip().height.next());
    let lines = histories(blocks);
    assert!(lines.len() > 20);
    for (address, lines) in &lines {
        for order in [Order::OldestFirst, Order::NewestFirst] {
            let mut found = Vec::new();
            let mut after = None;
            loop {
                let page = snapshot.address_history(address, order, after, 7).unwrap();
                after = page.last().map(|entry| entry.cursor);
                found.extend(page);
                if after.is_none() {
                    break;
                }
            }
            if order == Order::NewestFirst {
                found.reverse();
            }
            assert_eq!(found.len(), lines.len());
            found.iter().zip(lines).for_each(|(entry, line)| assert_line(entry, line));
        }
        let mut unspent = Vec::new();
        let mut after = None;
        loop {
            let page = snapshot.address_unspent(address, after, 5).unwrap();
            assert!(page.coins.len() <= 5);
            unspent.extend(page.coins);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        unspent.sort_unstable_by_key(|(outpoint, _)| *outpoint);
        let mut expected: Vec<_> = state
            .coins()
            .filter(|(_, coin)| coin.output.script.address() == Some(*address))
            .map(|(outpoint, coin)| (*outpoint, coin.clone()))
            .collect();
        expected.sort_unstable_by_key(|(outpoint, _)| *outpoint);
        assert_eq!(unspent, expected);
    }
    let mut holdings: BTreeMap<Vec<u8>, Vec<(OutPoint, Coin)>> = BTreeMap::new();
    for (outpoint, coin) in state.coins() {
        if let Some((symbol, _)) = coin.output.attachment.asset() {
            let outputs = holdings.entry(symbol.as_bytes().to_vec()).or_default();
            outputs.push((*outpoint, coin.clone()));
        }
    }
    for (symbol, expected) in &mut holdings {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = snapshot.asset_unspent(symbol, after, 3).unwrap();
            assert!(page.coins.len() <= 3);
            assert!(page.coins.is_sorted_by_key(|(_, coin)| coin.height), "oldest first");
            found.extend(page.coins);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        found.sort_unstable_by_key(|(outpoint, _)| *outpoint);
        expected.sort_unstable_by_key(|(outpoint, _)| *outpoint);
        assert_eq!(found, *expected);
        // A symbol that begins another one is another symbol.
        let shorter = symbol.split_last().map_or(&[][..], |(_, shorter)| shorter);
        let coins = snapshot.asset_unspent(shorter, None, 10).unwrap().coins;
        let holds = |coin: &Coin| coin.output.attachment.asset().map(|(held, _)| held.to_string());
        let named = String::from_utf8_lossy(shorter).into_owned();
        assert!(coins.iter().all(|(_, coin)| holds(coin).as_ref() == Some(&named)));
    }
    assert!(snapshot.asset_unspent(&[b'X'; 65], None, 1).unwrap().coins.is_empty());
    for block in blocks {
        let height = block.block().header().height();
        let block = block.block();
        for ((transaction, txid), number) in
            block.block().transactions.iter().zip(block.txids()).zip(0..)
        {
            let (place, found) = snapshot.transaction(txid).unwrap().unwrap();
            assert_eq!(place, TxPlace { height, number });
            assert_eq!(found, *transaction);
        }
    }
    assert_eq!(snapshot.transaction_place(&TxId::from_bytes([7; 32])).unwrap(), None);
    assert!(snapshot.coin(&OutPoint::new(TxId::from_bytes([7; 32]), 0)).unwrap().is_none());
}

#[test]
fn it_follows_the_chain_over_reorganisations_and_restarts() {
    let genesis = genesis();
    let disk = SimDisk::new(21);
    let open = || Store::open(disk.clone(), options(30), &genesis).unwrap().0;
    let mut store = open();
    store.build_index(&mut |_| true).unwrap();
    let mut model = Model::new(&genesis);
    let mut undone = Vec::new();
    for (number, step) in SHORT.steps.iter().enumerate() {
        undone.extend(model.blocks[model.blocks.len() - step.undo..].iter().cloned());
        let (first, rest) = step.apply.split_at(if step.undo > 0 { step.apply.len() } else { 0 });
        let first = crate::model::Step { undo: step.undo, apply: first.to_vec() };
        if first.undo > 0 {
            play(&mut store, &mut model, &first);
        }
        for chunk in rest.chunks(5) {
            play(&mut store, &mut model, &crate::model::Step { undo: 0, apply: chunk.to_vec() });
            // A clean close writes a run, a kill loses what is in memory.
            if model.blocks.len().is_multiple_of(3) {
                store.close().unwrap();
                store = open();
            } else if model.blocks.len().is_multiple_of(4) {
                drop(store);
                store = open();
            }
        }
        if number % 3 == 2 {
            assert_indexed(&store.snapshot(), &model.blocks, &model.state());
        }
    }
    assert_indexed(&store.snapshot(), SHORT.chain.blocks(), SHORT.chain.state());
    assert_sound(&store);
    // What only the lost branches held is not found.
    let snapshot = store.snapshot();
    let kept: Vec<_> =
        SHORT.chain.blocks().iter().flat_map(|b| b.block().txids().to_vec()).collect();
    let mut lost = 0;
    for txid in undone.iter().flat_map(|b| b.block().txids()) {
        if !kept.contains(txid) {
            lost += 1;
            assert_eq!(snapshot.transaction_place(txid).unwrap(), None);
        }
    }
    assert!(lost > 20, "{lost}");
}

#[test]
fn it_can_be_built_later_interrupted_and_dropped() {
    let genesis = genesis();
    let disk = SimDisk::new(22);
    let open = || Store::open(disk.clone(), options(30), &genesis).unwrap().0;
    let mut store = open();
    let mut model = Model::new(&genesis);
    for step in &SHORT.steps {
        play(&mut store, &mut model, step);
    }
    let address = Address::Blackhole;
    let ask = |store: &Store<SimDisk>| {
        store.snapshot().address_history(&address, Order::OldestFirst, None, 1).map(|_| ())
    };
    assert_eq!(ask(&store).unwrap_err().code(), "store.no_index");
    assert_eq!(store.snapshot().index_height(), None);
    let code = store.build_index(&mut |_| false).unwrap_err().code();
    assert_eq!(code, "store.cancelled");
    store.close().unwrap();
    let mut store = open();
    assert!(store.snapshot().index_height().is_some(), "it goes on where it stopped");
    let mut calls = 0;
    store
        .build_index(&mut |_| {
            calls += 1;
            true
        })
        .unwrap();
    assert!(calls > 0);
    assert_indexed(&store.snapshot(), SHORT.chain.blocks(), SHORT.chain.state());
    drop(store);
    let mut store = open();
    assert_indexed(&store.snapshot(), SHORT.chain.blocks(), SHORT.chain.state());
    store.drop_index().unwrap();
    assert_eq!(ask(&store).unwrap_err().code(), "store.no_index");
    drop(store);
    let store = open();
    assert_eq!(store.snapshot().index_height(), None);
    assert!(disk.files().iter().all(|(name, _)| !name.starts_with("lookup/0")), "no runs are left");
}

/// A store with an index of as many runs as there are chunks, and the model.
fn indexed(disk: &SimDisk, chunks: &[usize]) -> (Store<SimDisk>, Model) {
    let genesis = genesis();
    let open = || Store::open(disk.clone(), options(5), &genesis).unwrap().0;
    let mut store = open();
    store.build_index(&mut |_| true).unwrap();
    let mut model = Model::new(&genesis);
    for count in chunks {
        play_on(&mut store, &mut model, *count);
        store.close().unwrap();
        store = open();
    }
    (store, model)
}

fn play_on(store: &mut Store<SimDisk>, model: &mut Model, count: usize) {
    let from = model.blocks.len();
    let apply = STORY.chain.blocks()[from..from + count].to_vec();
    play(store, model, &crate::model::Step { undo: 0, apply });
}

fn run_files(disk: &SimDisk) -> Vec<(String, u64)> {
    disk.files().into_iter().filter(|(name, _)| name.ends_with(".run")).collect()
}

/// The index is gone, the store is not; and the index can be built again.
fn assert_lost(disk: &SimDisk, mut store: Store<SimDisk>, mut model: Model) {
    assert!(store.index_lost().is_some());
    assert_eq!(Sums::of(&store), model.now());
    assert_eq!(store.snapshot().index_height(), None);
    let asked = store.snapshot().transaction_place(&TxId::from_bytes([7; 32]));
    assert_eq!(asked.unwrap_err().code(), "store.no_index");
    let found = |store: &Store<SimDisk>| {
        let mut found = Vec::new();
        store.check(&mut |_| true, &mut |error| found.push(error.code())).unwrap();
        found
    };
    assert_eq!(found(&store), ["store.index_lost"]);
    // It goes on without, and the next opening remembers.
    play_on(&mut store, &mut model, 3);
    store.close().unwrap();
    let repaired = Store::repair_tables(&disk.kill_image(), &options(5), &genesis(), &mut |_| true);
    assert_eq!(repaired.unwrap_err().code(), "store.index_lost");
    let (mut store, report) = Store::open(disk.clone(), options(5), &genesis()).unwrap();
    assert!(report.index_lost && report.clean);
    assert_eq!(found(&store), ["store.index_lost"]);
    play_on(&mut store, &mut model, 3);
    store.build_index(&mut |_| true).unwrap();
    assert_eq!(store.index_lost(), None);
    assert_indexed(&store.snapshot(), &model.blocks, &model.state());
    assert_sound(&store);
    store.close().unwrap();
    let (store, report) = Store::open(disk.clone(), options(5), &genesis()).unwrap();
    assert!(!report.index_lost);
    assert_indexed(&store.snapshot(), &model.blocks, &model.state());
    assert_sound(&store);
}

/// The blocks that a kill made the index forget spend outputs that it must look up in its runs.
#[test]
fn a_bad_page_met_while_opening_costs_the_index_alone() {
    for spoil in [false, true] {
        let disk = SimDisk::new(23);
        let (mut store, mut model) = indexed(&disk, &[60, 40]);
        play_on(&mut store, &mut model, 80);
        drop(store);
        for (name, len) in run_files(&disk) {
            let pages = len / 4_096 - 1;
            if spoil {
                // Where each search in the run begins.
                assert!(disk.spoil(&name, (1 + pages / 2) * 4_096));
            } else {
                for page in 1..=pages {
                    assert!(disk.corrupt(&name, page * 4_096 + 100, 1));
                }
            }
        }
        let (store, report) = Store::open(disk.clone(), options(5), &genesis()).unwrap();
        assert!(report.index_lost && !report.clean);
        assert_lost(&disk, store, model);
    }
}

#[test]
fn a_bad_page_met_by_a_merge_costs_the_index_alone() {
    // Seven runs, and an eighth when it closes; then that of a commit.
    for at_commit in [false, true] {
        let disk = SimDisk::new(24);
        let (mut store, mut model) = indexed(&disk, &[30; 6]);
        // Blocks that can be undone are not merged; the first run is that of the genesis block.
        let runs = run_files(&disk);
        assert_eq!(runs.len(), 7, "{runs:?}");
        play_on(&mut store, &mut model, 30);
        store.close().unwrap();
        let mut store = Store::open(disk.clone(), options(5), &genesis()).unwrap().0;
        assert_eq!(run_files(&disk).len(), 8, "not merged yet");
        let (name, len) = run_files(&disk).swap_remove(3);
        assert!(disk.corrupt(&name, len - 4_096 + 100, 1));
        if at_commit {
            // So many that a run is written.
            play_on(&mut store, &mut model, 1_000);
        } else {
            play_on(&mut store, &mut model, 10);
            store.close().unwrap();
            store = Store::open(disk.clone(), options(5), &genesis()).unwrap().0;
        }
        assert_lost(&disk, store, model);
    }
}

#[test]
fn a_changed_byte_of_the_list_of_runs_is_found() {
    let disk = SimDisk::new(25);
    let (store, _) = indexed(&disk, &[20, 20]);
    assert_sound(&store);
    let found = || {
        let mut found = 0;
        store.check(&mut |_| true, &mut |_| found += 1).unwrap();
        found
    };
    let lists: Vec<_> =
        disk.files().into_iter().filter(|(name, _)| name.starts_with("lookup/man")).collect();
    assert_eq!(lists.len(), 2);
    let mut newer = 0;
    for (name, len) in &lists {
        let hits = (0..*len).filter(|at| {
            assert!(disk.corrupt(name, *at, 4));
            let hit = found() > 0;
            assert!(disk.corrupt(name, *at, 4));
            hit
        });
        let hits = hits.count() as u64;
        assert!(hits == 0 || hits == *len, "{hits} of {len} bytes of {name}");
        newer += hits;
    }
    assert!(newer > 0);
}
