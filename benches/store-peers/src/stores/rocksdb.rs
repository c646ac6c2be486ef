//! RocksDB: one atomic batch for each block; the commit is a synced write-ahead log.
//!
//! Settings: the block cache that the harness gives, a bloom filter of 10 bits, 64 MiB write
//! buffers, two background jobs, no compression (values are random bytes). A spend is
//! `SingleDelete`: a coin's key is written once. The look-ups of a block are one batched `MultiGet`.
//! Coins, undo data and the tip are told apart by the length of their keys: 36, 4 and 3 bytes.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use self::sys::{Db, WriteBatch};
use super::undo::{Undo, expired};
use crate::coin_store::{CoinStore, Found, Visit};
use crate::feed::Feed;
use crate::workload::{Key, amount_of};

mod sys;

const TIP: &[u8] = b"tip";

/// RocksDB.
pub struct Store {
    db: Db,
}

impl Store {
    pub fn open(dir: &Path, cache_bytes: usize) -> Result<Self> {
        Ok(Self { db: Db::open(dir, cache_bytes)? })
    }
}

impl CoinStore for Store {
    fn tip(&self) -> Result<Option<u32>> {
        self.db.get(TIP, |value| {
            Ok(value.map(|v| v.try_into().map(u32::from_be_bytes)).transpose()?)
        })
    }

    fn apply(&mut self, feed: &mut Feed<'_>) -> Result<()> {
        let mut batch = WriteBatch::new();
        let mut undo = Undo::default();
        let mut created = Vec::new();
        while let Some(block) = feed.next()? {
            let height = block.height;
            batch.clear();
            undo.clear();
            let mut amount: u64 = 0;
            self.db.get_many(block.spends(), &mut |at, value| {
                let key = block.spends().get(at).context("an answer beyond the question")?;
                let value = value.context("a spent coin is missing")?;
                amount = amount.wrapping_add(amount_of(value)?);
                undo.spent(key, value)?;
                batch.single_delete(key);
                Ok(())
            })?;
            created.clear();
            created.extend(block.creates().map(|(key, _)| *key));
            self.db.get_many(&created, &mut |_, value| {
                ensure!(value.is_none(), "a created coin is there already");
                Ok(())
            })?;
            for (key, value) in block.creates() {
                batch.put(key, value);
                undo.created(key);
            }
            batch.put(&height.to_be_bytes(), undo.bytes());
            if let Some(expired) = expired(height) {
                batch.single_delete(&expired.to_be_bytes());
            }
            batch.put(TIP, &height.to_be_bytes());
            self.db.write(&batch)?;
            feed.spent(amount)?;
        }
        self.db.sync()
    }

    fn find(&self, keys: &[Key], found: Found<'_>) -> Result<()> {
        match keys {
            [key] => self.db.get(key, |value| found(0, value)),
            _ => self.db.get_many(keys, found),
        }
    }

    fn visit(&self, visit: Visit<'_>) -> Result<()> {
        self.db.for_each(&mut |key, value| match key.try_into() {
            Ok(key) => visit(key, value),
            Err(_) => Ok(()),
        })
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
