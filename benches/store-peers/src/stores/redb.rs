//! redb: one write transaction for each commit, durability `Immediate` (its default).
//!
//! Settings: the cache that the harness gives. The operations of a block are sorted by key, which a
//! B-tree likes. Look-ups share one read transaction until the next commit.

use std::cell::RefCell;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use redb::{
    Builder, Database, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition, TableError,
};

use super::undo::{Undo, expired};
use crate::coin_store::{CoinStore, Found, Visit};
use crate::feed::Feed;
use crate::workload::{Key, amount_of};

const COINS: TableDefinition<'_, &Key, &[u8]> = TableDefinition::new("coins");
const UNDO: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("undo");
const META: TableDefinition<'_, &str, u32> = TableDefinition::new("meta");

/// redb with three tables.
pub struct Store {
    database: Database,
    reading: RefCell<Option<ReadOnlyTable<&'static Key, &'static [u8]>>>,
}

impl Store {
    pub fn open(dir: &Path, cache_bytes: usize) -> Result<Self> {
        let database = Builder::new().set_cache_size(cache_bytes).create(dir.join("coins.redb"))?;
        Ok(Self { database, reading: RefCell::new(None) })
    }
}

impl CoinStore for Store {
    fn tip(&self) -> Result<Option<u32>> {
        match self.database.begin_read()?.open_table(META) {
            Ok(table) => Ok(table.get("tip")?.map(|height| height.value())),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn apply(&mut self, feed: &mut Feed<'_>) -> Result<()> {
        self.reading.replace(None);
        let txn = self.database.begin_write()?;
        let mut coins = txn.open_table(COINS)?;
        let mut undos = txn.open_table(UNDO)?;
        let mut meta = txn.open_table(META)?;
        let mut undo = Undo::default();
        let (mut spends, mut creates) = (Vec::new(), Vec::new());
        while let Some(block) = feed.next()? {
            let height = block.height;
            undo.clear();
            spends.clear();
            spends.extend_from_slice(block.spends());
            spends.sort_unstable();
            let mut amount: u64 = 0;
            for key in &spends {
                let value = coins.remove(key)?.context("a spent coin is missing")?;
                amount = amount.wrapping_add(amount_of(value.value())?);
                undo.spent(key, value.value())?;
            }
            creates.clear();
            creates.extend(block.creates().map(|(key, value)| {
                undo.created(key);
                (*key, value.to_vec())
            }));
            creates.sort_unstable();
            for (key, value) in &creates {
                let old = coins.insert(key, &**value)?;
                ensure!(old.is_none(), "a created coin is there already");
            }
            undos.insert(height, undo.bytes())?;
            if let Some(expired) = expired(height) {
                undos.remove(expired)?;
            }
            meta.insert("tip", height)?;
            feed.spent(amount)?;
        }
        drop((coins, undos, meta));
        Ok(txn.commit()?)
    }

    fn find(&self, keys: &[Key], found: Found<'_>) -> Result<()> {
        let mut reading = self.reading.borrow_mut();
        let coins = match &mut *reading {
            Some(coins) => coins,
            none => none.insert(self.database.begin_read()?.open_table(COINS)?),
        };
        for (at, key) in keys.iter().enumerate() {
            let value = coins.get(key)?;
            found(at, value.as_ref().map(|value| value.value()))?;
        }
        Ok(())
    }

    fn visit(&self, visit: Visit<'_>) -> Result<()> {
        for coin in self.database.begin_read()?.open_table(COINS)?.iter()? {
            let (key, value) = coin?;
            visit(key.value(), value.value())?;
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
