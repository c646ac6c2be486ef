//! fjall: one atomic batch for each block; the commit is `persist(SyncData)` of its journal.
//!
//! Settings: the cache that the harness gives, values uncompressed (they are random bytes), look-ups
//! told to expect hits. A spend is `remove_weak`: a coin's key is written once.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::undo::{Undo, expired};
use crate::coin_store::{CoinStore, Found, Visit};
use crate::feed::Feed;
use crate::workload::{Key, amount_of};

/// fjall with three keyspaces.
pub struct Store {
    database: Database,
    coins: Keyspace,
    undo: Keyspace,
    meta: Keyspace,
}

impl Store {
    pub fn open(dir: &Path, cache_bytes: usize) -> Result<Self> {
        let database = Database::builder(dir).cache_size(u64::try_from(cache_bytes)?).open()?;
        let options = KeyspaceCreateOptions::default;
        let coins = database.keyspace("coins", || options().expect_point_read_hits(true))?;
        let undo = database.keyspace("undo", options)?;
        let meta = database.keyspace("meta", options)?;
        Ok(Self { database, coins, undo, meta })
    }
}

impl CoinStore for Store {
    fn tip(&self) -> Result<Option<u32>> {
        let tip = self.meta.get("tip")?;
        Ok(tip.map(|bytes| (*bytes).try_into().map(u32::from_be_bytes)).transpose()?)
    }

    fn apply(&mut self, feed: &mut Feed<'_>) -> Result<()> {
        let mut undo = Undo::default();
        while let Some(block) = feed.next()? {
            let height = block.height;
            let mut batch = self.database.batch();
            undo.clear();
            let mut amount: u64 = 0;
            for key in block.spends() {
                let value = self.coins.get(key)?.context("a spent coin is missing")?;
                amount = amount.wrapping_add(amount_of(&value)?);
                undo.spent(key, &value)?;
                batch.remove_weak(&self.coins, key.as_slice());
            }
            for (key, value) in block.creates() {
                ensure!(!self.coins.contains_key(key)?, "a created coin is there already");
                batch.insert(&self.coins, key.as_slice(), value);
                undo.created(key);
            }
            batch.insert(&self.undo, height.to_be_bytes(), undo.bytes());
            if let Some(expired) = expired(height) {
                batch.remove_weak(&self.undo, expired.to_be_bytes());
            }
            batch.insert(&self.meta, "tip", height.to_be_bytes());
            batch.commit()?;
            feed.spent(amount)?;
        }
        Ok(self.database.persist(PersistMode::SyncData)?)
    }

    fn find(&self, keys: &[Key], found: Found<'_>) -> Result<()> {
        for (at, key) in keys.iter().enumerate() {
            found(at, self.coins.get(key)?.as_deref())?;
        }
        Ok(())
    }

    fn visit(&self, visit: Visit<'_>) -> Result<()> {
        for coin in self.coins.iter() {
            let (key, value) = coin.into_inner()?;
            visit((*key).try_into()?, &value)?;
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }
}
