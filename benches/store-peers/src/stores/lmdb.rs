//! LMDB through `heed`: one write transaction for each commit, synced by `mdb_txn_commit`.
//!
//! Settings: defaults (copy-on-write, no `WRITEMAP`, full sync), `NO_READ_AHEAD` as its documentation
//! advises for random reads, a 1 TiB map. The operations of a block are sorted by key, which a B-tree
//! likes. Look-ups share one read transaction until the next commit.

use std::cell::RefCell;
use std::convert::Infallible;
use std::path::Path;

use anyhow::{Context, Result};
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, PutFlags, RoTxn, WithoutTls};

use super::undo::{Undo, expired};
use crate::coin_store::{CoinStore, Found, Visit};
use crate::feed::Feed;
use crate::workload::{Key, amount_of};

const TIP: &[u8] = b"tip";

type Table = Database<'static, Bytes, Bytes>;

/// LMDB with three tables.
pub struct Store {
    env: Env<WithoutTls>,
    coins: Table,
    undo: Table,
    meta: Table,
    reading: RefCell<Option<RoTxn<'static, WithoutTls>>>,
}

impl Store {
    pub fn open(dir: &Path) -> Result<Self> {
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(1 << 40).max_dbs(3);
        // SAFETY: the flag changes what is read ahead, not what is safe; the folder is this
        // program's alone, and nobody else changes the file while it is mapped.
        let env = unsafe { options.flags(EnvFlags::NO_READ_AHEAD).open(dir)? };
        let tables = env.create_databases_and_commit(env.write_txn()?, |opener, txn| {
            let mut table = |name| opener.create_database::<Bytes, Bytes>(txn, Some(name));
            let tables = [table("coins")?, table("undo")?, table("meta")?];
            Ok::<_, heed::Error>(CommitOrAbort::<_, Infallible>::Commit(tables))
        })?;
        let [coins, undo, meta] = tables.unwrap_commit();
        Ok(Self { env, coins, undo, meta, reading: RefCell::new(None) })
    }
}

impl CoinStore for Store {
    fn tip(&self) -> Result<Option<u32>> {
        let txn = self.env.read_txn()?;
        let tip = self.meta.get(&txn, TIP)?;
        Ok(tip.map(|bytes| bytes.try_into().map(u32::from_be_bytes)).transpose()?)
    }

    fn apply(&mut self, feed: &mut Feed<'_>) -> Result<()> {
        self.reading.replace(None);
        let mut txn = self.env.write_txn()?;
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
                let value = self.coins.get(&txn, key)?.context("a spent coin is missing")?;
                amount = amount.wrapping_add(amount_of(value)?);
                undo.spent(key, value)?;
                self.coins.delete(&mut txn, key)?;
            }
            creates.clear();
            creates.extend(block.creates().map(|(key, value)| {
                undo.created(key);
                (*key, value.to_vec())
            }));
            creates.sort_unstable();
            for (key, value) in &creates {
                let put = self.coins.put_with_flags(&mut txn, PutFlags::NO_OVERWRITE, key, value);
                put.context("a created coin")?;
            }
            self.undo.put(&mut txn, &height.to_be_bytes(), undo.bytes())?;
            if let Some(expired) = expired(height) {
                self.undo.delete(&mut txn, &expired.to_be_bytes())?;
            }
            self.meta.put(&mut txn, TIP, &height.to_be_bytes())?;
            feed.spent(amount)?;
        }
        Ok(txn.commit()?)
    }

    fn find(&self, keys: &[Key], found: Found<'_>) -> Result<()> {
        let mut reading = self.reading.borrow_mut();
        let txn = match &mut *reading {
            Some(txn) => txn,
            none => none.insert(self.env.clone().static_read_txn()?),
        };
        for (at, key) in keys.iter().enumerate() {
            found(at, self.coins.get(txn, key)?)?;
        }
        Ok(())
    }

    fn visit(&self, visit: Visit<'_>) -> Result<()> {
        let txn = self.env.read_txn()?;
        for coin in self.coins.iter(&txn)? {
            let (key, value) = coin?;
            visit(key.try_into()?, value)?;
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        let Self { env, reading, .. } = *self;
        drop(reading);
        env.prepare_for_closing().wait();
        Ok(())
    }
}
