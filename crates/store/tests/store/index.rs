//! The optional index against what the blocks say.

use std::collections::{BTreeMap, HashMap};

use mvs_consensus::block::ConnectedBlock;
use mvs_consensus::state::{MemoryState, StateView};
use mvs_primitives::address::Address;
use mvs_primitives::hash::TxId;
use mvs_primitives::input::OutPoint;
use mvs_primitives::output::Output;
use mvs_store::sim::SimDisk;
use mvs_store::{AddressEntry, EntryCursor, Order, Snapshot, Store, TxPlace};

use crate::model::{Model, SHORT, assert_sound, genesis, options, play};

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
