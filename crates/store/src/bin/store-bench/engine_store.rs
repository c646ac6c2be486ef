//! The store's engine under the workload. Values go through the codec of coins both ways.

use std::cell::RefCell;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use mvs_store::codec::{decode_workload_value, encode_workload_value};
use mvs_store::engine::{
    BlockEntry, BodyRef, CoinSnapshot, Engine, EngineError, Found as Handle, Lookups, NewCoin,
    Options,
};
use mvs_store::mmap::MapDisk;

use crate::coin_store::{CoinStore, Found, Visit};
use crate::feed::Feed;
use crate::workload::{Block, Key, amount_of};

/// Opens or creates the store in a folder.
pub(crate) fn open(dir: &Path, undo_horizon: u32) -> Result<Box<dyn CoinStore>> {
    let options = Options { undo_horizon, ..Options::default() };
    let (engine, _) = Engine::open(MapDisk::open(dir)?, options, &mut ())?;
    let snapshot = engine.snapshot();
    Ok(Box::new(EngineStore { engine, snapshot: Some(snapshot), scratch: RefCell::default() }))
}

/// The engine, and buffers that look-ups use again.
struct EngineStore {
    engine: Engine<MapDisk>,
    /// What look-ups read: the last commit. `None` while blocks are applied, so that the engine
    /// keeps nothing for its sake.
    snapshot: Option<CoinSnapshot<MapDisk>>,
    scratch: RefCell<Scratch>,
}

#[derive(Default)]
struct Scratch {
    lookups: Lookups,
    value: Vec<u8>,
}

impl CoinStore for EngineStore {
    fn tip(&self) -> Result<Option<u32>> {
        Ok(self.engine.tip().map(|tip| tip.height))
    }

    fn apply(&mut self, feed: &mut Feed<'_>) -> Result<()> {
        self.snapshot = None;
        let scratch = self.scratch.get_mut();
        let mut batch = self.engine.batch()?;
        let mut handles: Vec<Handle> = Vec::new();
        let mut values = Vec::new();
        let mut ends = Vec::new();
        while let Some(block) = feed.next()? {
            let keys = block.spends();
            batch.find(keys, &mut scratch.lookups)?;
            handles.clear();
            let mut amount: u64 = 0;
            for at in 0..keys.len() {
                let handle = scratch.lookups.found(at).context("a spent coin is missing")?;
                let value = scratch.lookups.value(at).context("a spent coin has no value")?;
                amount = amount.wrapping_add(amount_of(decoded(value, &mut scratch.value)?)?);
                handles.push(handle);
            }
            let created = encode_created(block, &mut values, &mut ends);
            batch.apply(&BlockEntry {
                height: block.height,
                hash: block_hash(block.height),
                body: BodyRef::default(),
                spent: &handles,
                created: &created,
                extra: &[],
            })?;
            feed.spent(amount)?;
        }
        batch.commit(&[])?;
        if self.engine.checkpoint_due() {
            self.engine.checkpoint(Vec::new(), Box::new(|| Ok(())))?;
        }
        self.snapshot = Some(self.engine.snapshot());
        Ok(())
    }

    fn find(&self, keys: &[Key], found: Found<'_>) -> Result<()> {
        let snapshot = self.snapshot.as_ref().context("an earlier error ended the store")?;
        let Scratch { lookups, value } = &mut *self.scratch.borrow_mut();
        snapshot.find(keys, lookups)?;
        ensure!(lookups.len() == keys.len(), "the store gave {} answers", lookups.len());
        for at in 0..keys.len() {
            match lookups.value(at) {
                Some(bytes) => found(at, Some(decoded(bytes, value)?))?,
                None => found(at, None)?,
            }
        }
        Ok(())
    }

    fn visit(&self, visit: Visit<'_>) -> Result<()> {
        let mut value = Vec::new();
        let mut failed = Ok(());
        let visited = self.engine.for_each_coin(&mut |key, bytes| {
            failed = decoded(bytes, &mut value).and_then(|value| visit(key, value));
            // Any error of the engine's will do to end the visit; the one that counts is beside it.
            if failed.is_ok() { Ok(()) } else { Err(EngineError::Poisoned) }
        });
        failed?;
        Ok(visited?)
    }

    fn close(self: Box<Self>) -> Result<()> {
        let Self { engine, snapshot, .. } = *self;
        drop(snapshot);
        Ok(engine.close(Vec::new(), Box::new(|| Ok(())))?)
    }
}

/// Encodes the values of the coins that a block creates.
fn encode_created<'a>(
    block: &Block,
    values: &'a mut Vec<u8>,
    ends: &mut Vec<usize>,
) -> Vec<NewCoin<'a>> {
    values.clear();
    ends.clear();
    for (_, value) in block.creates() {
        encode_workload_value(value, values);
        ends.push(values.len());
    }
    let mut start = 0;
    let mut created = Vec::with_capacity(block.created_count());
    for ((key, _), &end) in block.creates().zip(&*ends) {
        created.push(NewCoin { key: *key, value: values.get(start..end).unwrap_or_default() });
        start = end;
    }
    created
}

/// Returns the workload's form of a stored value.
fn decoded<'a>(bytes: &[u8], value: &'a mut Vec<u8>) -> Result<&'a [u8]> {
    value.clear();
    decode_workload_value(bytes, value)?;
    Ok(value)
}

/// A hash for a block of the workload, which has none.
fn block_hash(height: u32) -> [u8; 32] {
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&height.to_le_bytes());
    hash
}
