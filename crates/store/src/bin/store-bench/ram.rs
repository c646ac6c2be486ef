//! A plain map in memory: what the stores are compared with, and what tests run on. Not durable.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use anyhow::{Context, Result, bail};

use crate::coin_store::{CoinStore, Found, Visit};
use crate::feed::Feed;
use crate::workload::{Key, amount_of};

/// Coins in a `HashMap`, with what the last blocks spent and created.
#[derive(Debug, Default)]
pub(crate) struct RamStore {
    coins: HashMap<Key, Box<[u8]>>,
    tip: Option<u32>,
    undo: VecDeque<Undo>,
    horizon: usize,
}

/// What takes a block back.
#[derive(Debug)]
struct Undo {
    #[expect(dead_code, reason = "kept as a node would keep it; its memory is part of the figure")]
    spent: Vec<(Key, Box<[u8]>)>,
    #[expect(dead_code, reason = "the same")]
    created: Vec<Key>,
}

impl RamStore {
    /// Makes an empty store that keeps undo data for so many blocks.
    pub(crate) fn new(horizon: usize) -> Self {
        Self { horizon, ..Self::default() }
    }
}

impl CoinStore for RamStore {
    fn tip(&self) -> Result<Option<u32>> {
        Ok(self.tip)
    }

    fn apply(&mut self, feed: &mut Feed<'_>) -> Result<()> {
        while let Some(block) = feed.next()? {
            let mut amount: u64 = 0;
            let mut spent = Vec::with_capacity(block.spends().len());
            for key in block.spends() {
                let coin = self.coins.remove_entry(key).context("a spent coin is missing")?;
                amount = amount.wrapping_add(amount_of(&coin.1)?);
                spent.push(coin);
            }
            let mut created = Vec::with_capacity(block.created_count());
            for (key, value) in block.creates() {
                match self.coins.entry(*key) {
                    Entry::Occupied(_) => bail!("a created coin is there already"),
                    Entry::Vacant(place) => place.insert(value.into()),
                };
                created.push(*key);
            }
            self.undo.push_back(Undo { spent, created });
            if self.undo.len() > self.horizon {
                self.undo.pop_front();
            }
            self.tip = Some(block.height);
            feed.spent(amount)?;
        }
        Ok(())
    }

    fn find(&self, keys: &[Key], found: Found<'_>) -> Result<()> {
        for (at, key) in keys.iter().enumerate() {
            found(at, self.coins.get(key).map(|value| &**value))?;
        }
        Ok(())
    }

    fn visit(&self, visit: Visit<'_>) -> Result<()> {
        self.coins.iter().try_for_each(|(key, value)| visit(key, value))
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
