//! Stores put together again from what is left.

use std::sync::Arc;

use mvs_consensus::block::{BlockBody, ConnectedBlock, check_block, connect_block};
use mvs_consensus::header::{Parent, accept_header, check_headers};
use mvs_consensus::params::Params;
use mvs_consensus::script::CacheUse;
use mvs_store::backing::Disk;
use mvs_store::engine::Damaged;
use mvs_store::sim::SimDisk;
use mvs_store::{Batch, Store};
use testkit::chain::FAR_FUTURE;

use crate::model::{CACHES, Model, SHORT, assert_same, assert_sound, genesis, options, play};

fn store() -> SimDisk {
    let genesis = genesis();
    let disk = SimDisk::new(31);
    let (mut store, _) = Store::open(disk.clone(), options(60), &genesis).unwrap();
    let mut model = Model::new(&genesis);
    for step in &SHORT.steps {
        play(&mut store, &mut model, step);
    }
    store.close().unwrap();
    disk
}

/// Runs all rules on a block, as a node would.
fn connect(batch: &Batch<'_, SimDisk>, bytes: Vec<u8>) -> Result<ConnectedBlock, String> {
    let params = Params::devnet();
    let body = BlockBody::decode(&bytes).map_err(|error| error.to_string())?;
    let header = check_headers(&params, &CACHES, vec![body.block().header.clone()])
        .remove(0)
        .map_err(|error| error.to_string())?;
    let tip = batch.tip().unwrap();
    let parent = Parent { hash: tip.hash, height: tip.height };
    let placed = accept_header(&params, batch, parent, header, FAR_FUTURE)
        .map_err(|error| error.to_string())?;
    let block = check_block(&params, placed, body).map_err(|error| error.to_string())?;
    let pending =
        connect_block(&params, batch, batch, Arc::clone(&block)).map_err(|e| e.to_string())?;
    pending.finish_here(CacheUse::Off).map_err(|error| error.to_string())
}

#[test]
fn from_the_blocks_alone() {
    let disk = store();
    for (name, _) in disk.files() {
        if !name.starts_with("blocks/") {
            disk.remove(&name).unwrap();
        }
    }
    let genesis = genesis();
    // A new store here would write over them.
    let opened = Store::open(disk.clone(), options(60), &genesis);
    assert_eq!(opened.err().unwrap().code(), "store.not_a_store");
    let target = SimDisk::new(32);
    let build = |limit: u64| {
        Store::rebuild_from_blocks(
            &disk,
            target.clone(),
            options(60),
            &genesis,
            &mut connect,
            &mut |progress| progress.done < limit,
        )
    };
    // Interrupted, it goes on where it stopped.
    assert_eq!(build(150).err().unwrap().code(), "store.cancelled");
    let (store, report) = build(u64::MAX).unwrap();
    assert_eq!(report.stopped, None);
    assert!(report.found_blocks > report.tip.height.value().into(), "lost branches are there too");
    assert!(report.connected < u64::from(report.tip.height.value()));
    assert_same(&store.snapshot(), SHORT.chain.blocks(), SHORT.chain.state());
    assert_sound(&store);
}

#[test]
fn a_damaged_block_ends_the_chain_below_it() {
    let disk = store();
    assert!(disk.corrupt("blocks/00000.blk", 100_000, 8));
    let target = SimDisk::new(33);
    let (store, report) = Store::rebuild_from_blocks(
        &disk,
        target,
        options(60),
        &genesis(),
        &mut connect,
        &mut |_| true,
    )
    .unwrap();
    let blocks = &SHORT.chain.blocks()[..=report.tip.height.value() as usize];
    assert!(blocks.len() > 10 && blocks.len() < SHORT.chain.blocks().len());
    let hash = blocks.last().unwrap().block().header().hash();
    if report.tip.hash == hash {
        let mut model = Model::new(&blocks[0]);
        blocks[1..].iter().for_each(|block| model.push(block));
        assert_same(&store.snapshot(), blocks, &model.state());
    }
    assert_sound(&store);
}

/// A sector that the disk does not give back is a damaged block, not the end of the repair.
#[test]
fn an_unreadable_sector_ends_the_chain_below_it() {
    let rebuild = |disk: &SimDisk| {
        let target = SimDisk::new(35);
        Store::rebuild_from_blocks(disk, target, options(60), &genesis(), &mut connect, &mut |_| {
            true
        })
        .unwrap()
    };
    let disk = store();
    assert!(disk.spoil("blocks/00000.blk", 100_000));
    let (store, report) = rebuild(&disk);
    let blocks = report.tip.height.value() as usize + 1;
    assert!(blocks > 10 && blocks < SHORT.chain.blocks().len());
    assert!(report.unreadable > 0 && report.skipped_files.is_empty());
    assert_sound(&store);
    // A file of which not even the head can be read is told.
    assert!(disk.spoil("blocks/00000.blk", 0));
    let (store, report) = rebuild(&disk);
    assert_eq!(report.tip.height.value(), 0);
    assert!(matches!(&report.skipped_files[..], [line] if line.contains("blocks/00000.blk")));
    assert_sound(&store);
}

#[test]
fn the_index_or_the_live_maps_from_the_log() {
    let disk = store();
    let repair =
        |disk: &SimDisk| Store::repair_tables(disk, &options(60), &genesis(), &mut |_| true);
    assert_eq!(repair(&disk).unwrap(), None, "nothing is damaged yet");
    let damage = |disk: &SimDisk, folder: &str| {
        for (name, len) in disk.files() {
            if name.starts_with(folder) {
                (0..len).step_by(64).for_each(|at| assert!(disk.corrupt(&name, at + 9, 0x5a)));
            }
        }
    };
    for (folder, part) in [("index/", Damaged::Index), ("live/", Damaged::LiveMaps)] {
        let image = disk.kill_image();
        damage(&image, folder);
        assert_eq!(repair(&image).unwrap(), Some(part));
        assert_eq!(repair(&image).unwrap(), None, "it lasts");
        let (store, _) = Store::open(image, options(60), &genesis()).unwrap();
        assert_same(&store.snapshot(), SHORT.chain.blocks(), SHORT.chain.state());
        assert_sound(&store);
    }
    // Where more is damaged the blocks are left.
    let image = disk.kill_image();
    damage(&image, "index/");
    damage(&image, "live/");
    assert_eq!(repair(&image).err().unwrap().code(), "store.corrupt");
    let image = disk.kill_image();
    assert!(image.corrupt("heights.dat", 320 * 50, 1));
    assert!(repair(&image).is_err());
}

#[test]
fn a_folder_in_use_is_told_apart() {
    let disk = store();
    let open = Store::open(disk.clone(), options(60), &genesis()).unwrap();
    let target = SimDisk::new(34);
    let build = |target: SimDisk| {
        Store::rebuild_from_blocks(
            &disk,
            target,
            options(60),
            &genesis(),
            &mut connect,
            &mut |_| true,
        )
    };
    assert_eq!(build(target.clone()).err().unwrap().code(), "store.locked");
    drop(open);
    let in_use = Store::open(target.clone(), options(60), &genesis()).unwrap();
    assert_eq!(build(target.clone()).err().unwrap().code(), "store.locked");
    drop(in_use);
    build(target).unwrap();
}
