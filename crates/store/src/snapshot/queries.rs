//! What the optional index answers.

use mvs_consensus::state::Coin;
use mvs_primitives::address::Address;
use mvs_primitives::block::Block;
use mvs_primitives::encode::Decode;
use mvs_primitives::hash::TxId;
use mvs_primitives::height::Height;
use mvs_primitives::input::OutPoint;
use mvs_primitives::transaction::Transaction;

use super::Snapshot;
use crate::backing::Disk;
use crate::error::StoreError;
use crate::index::{
    AddressEntry, EntryCursor, IndexView, Order, TxPlace, address_bounds, asset_bounds,
    asset_entry, tx_bounds, tx_place,
};

/// The most entries of one answer.
const LIMIT_MAX: usize = 10_000;
/// Entries that are looked at together for unspent outputs.
const SCAN_STEP: usize = 1_000;
/// Entries that one question for unspent outputs looks at.
const SCAN_MAX: usize = 100_000;

/// Some unspent outputs of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnspentPage {
    /// The outputs, oldest first.
    pub coins: Vec<(OutPoint, Coin)>,
    /// Where to go on; `None` at the end.
    pub next: Option<EntryCursor>,
}

impl<D: Disk> Snapshot<D> {
    fn index(&self) -> Result<&IndexView<D>, StoreError> {
        self.view.index.as_ref().ok_or(StoreError::NoIndex)
    }

    /// Returns the lowest height that the index of transactions and addresses lacks; `None` when no
    /// index is kept. It is one above the tip when the index is complete.
    pub fn index_height(&self) -> Option<Height> {
        self.view.index.as_ref().map(|index| Height::new(index.next_height()))
    }

    /// Returns where a transaction of this chain stands; of several with one id, the last.
    ///
    /// # Errors
    /// [`StoreError::NoIndex`], or when the index cannot be read.
    pub fn transaction_place(&self, txid: &TxId) -> Result<Option<TxPlace>, StoreError> {
        let (from, to) = tx_bounds(txid);
        let found = self.index()?.collect(&from, &to, Order::NewestFirst, 1)?;
        Ok(found.first().and_then(|(key, _)| tx_place(key)))
    }

    /// Returns a transaction of this chain with its place.
    ///
    /// # Errors
    /// [`StoreError::NoIndex`], or when index or block cannot be read.
    pub fn transaction(&self, txid: &TxId) -> Result<Option<(TxPlace, Transaction)>, StoreError> {
        let Some(place) = self.transaction_place(txid)? else { return Ok(None) };
        let height = place.height;
        let disagree = |what| StoreError::Disagree { height, what };
        let bytes = self.block(height)?.ok_or(disagree("the index names a block above the tip"))?;
        let block = Block::decode(&bytes).map_err(|_| disagree("the bytes are no block"))?;
        let number = usize::try_from(place.number).unwrap_or(usize::MAX);
        let mut transactions = block.transactions;
        if transactions.get(number).map(Transaction::txid).as_ref() != Some(txid) {
            return Err(disagree("the index names another transaction"));
        }
        Ok(Some((place, transactions.swap_remove(number))))
    }

    /// Returns lines of an address's history: the first `limit`, or those behind a place. At most
    /// 10,000 at a time.
    ///
    /// # Errors
    /// [`StoreError::NoIndex`], or when the index cannot be read.
    pub fn address_history(
        &self,
        address: &Address,
        order: Order,
        after: Option<EntryCursor>,
        limit: usize,
    ) -> Result<Vec<AddressEntry>, StoreError> {
        let (mut from, mut to) = address_bounds(address);
        match (order, after) {
            (_, None) => {}
            (Order::OldestFirst, Some(after)) => {
                from = after.key(address);
                from.push(0);
            }
            (Order::NewestFirst, Some(after)) => to = after.key(address),
        }
        let broken = || StoreError::corrupt("index", 0, "an entry does not parse");
        self.index()?
            .collect(&from, &to, order, limit.min(LIMIT_MAX))?
            .iter()
            .map(|(key, value)| AddressEntry::from_pair(key, value).ok_or_else(broken))
            .collect()
    }

    /// Returns unspent outputs of an address, oldest first: at most `limit`, from a place on.
    ///
    /// One question looks at no more than 100,000 lines of the history, so an answer may be short
    /// and still name a place to go on from.
    ///
    /// # Errors
    /// [`StoreError::NoIndex`], or when index or coins cannot be read.
    pub fn address_unspent(
        &self,
        address: &Address,
        after: Option<EntryCursor>,
        limit: usize,
    ) -> Result<UnspentPage, StoreError> {
        self.unspent(after, limit, |after| {
            let lines = self.address_history(address, Order::OldestFirst, after, SCAN_STEP)?;
            Ok(lines.iter().map(|line| (line.cursor, line.txid)).collect())
        })
    }

    /// Returns unspent outputs that hold some of an asset, oldest first: at most `limit`, from a place
    /// on.
    ///
    /// One question looks at no more than 100,000 outputs, so an answer may be short and still name a
    /// place to go on from.
    ///
    /// # Errors
    /// [`StoreError::NoIndex`], or when index or coins cannot be read.
    pub fn asset_unspent(
        &self,
        symbol: &[u8],
        after: Option<EntryCursor>,
        limit: usize,
    ) -> Result<UnspentPage, StoreError> {
        let index = self.index()?;
        let broken = || StoreError::corrupt("index", 0, "an entry does not parse");
        self.unspent(after, limit, |after| {
            // No output holds what cannot be named.
            let Some((from, to)) = asset_bounds(symbol, after) else { return Ok(Vec::new()) };
            index
                .collect(&from, &to, Order::OldestFirst, SCAN_STEP)?
                .iter()
                .map(|(key, value)| asset_entry(key, value).ok_or_else(broken))
                .collect()
        })
    }

    /// Looks at lines, a step of them at a time, for outputs that are unspent.
    fn unspent(
        &self,
        after: Option<EntryCursor>,
        limit: usize,
        step: impl Fn(Option<EntryCursor>) -> Result<Vec<(EntryCursor, TxId)>, StoreError>,
    ) -> Result<UnspentPage, StoreError> {
        let limit = limit.clamp(1, LIMIT_MAX);
        let mut page = UnspentPage { coins: Vec::new(), next: after };
        for _ in 0..SCAN_MAX / SCAN_STEP {
            let lines = step(page.next)?;
            let is_end = lines.len() < SCAN_STEP;
            let outputs: Vec<&(EntryCursor, TxId)> =
                lines.iter().filter(|(cursor, _)| cursor.is_output).collect();
            let outpoints: Vec<OutPoint> =
                outputs.iter().map(|(cursor, txid)| OutPoint::new(*txid, cursor.index)).collect();
            let coins = self.find(&outpoints)?;
            for (((cursor, _), outpoint), coin) in outputs.iter().zip(outpoints).zip(coins) {
                // The same outpoint may have been there before, in a transaction with the same id.
                let coin = coin.filter(|coin| coin.height == cursor.place.height);
                let Some(coin) = coin else { continue };
                page.coins.push((outpoint, coin));
                if page.coins.len() == limit {
                    page.next = Some(*cursor);
                    return Ok(page);
                }
            }
            page.next = lines.last().map(|(cursor, _)| *cursor).or(page.next);
            if is_end {
                page.next = None;
                break;
            }
        }
        Ok(page)
    }
}
