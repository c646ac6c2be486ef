//! Blocks, headers, transactions, the pool.

use mvs_consensus::header_view::HeaderView;
use mvs_primitives::address::AddressFormat;
use mvs_primitives::block::{Block, BlockProof};
use mvs_primitives::encode::Encode;
use mvs_primitives::hash::{BlockHash, TxId};
use mvs_primitives::header::BlockVersion;
use mvs_primitives::height::Height;
use mvs_primitives::transaction::Transaction;
use mvs_store::backing::Disk;
use mvs_store::layout::FORMAT_VERSION;
use mvs_store::{BlockInfo, Snapshot, StoreError};
use serde_json::{Map, Value, json};

use super::error::RpcError;
use super::numbers::read_u32;
use super::source::Source;
use super::{Context, Version, object, shapes};
use crate::mempool::LooseTx;
use crate::p2p::message::PROTOCOL_VERSION;

/// An argument of fewer characters is a height, any other a hash.
const HASH_CHARS_MIN: usize = 18;
/// The most loose transactions that are listed.
const MAX_LOOSE: usize = 10_000;

/// Reads the block at a height with the ids of its transactions; `None` above the tip.
pub(super) fn read_block<D: Disk>(
    snapshot: &Snapshot<D>,
    height: Height,
) -> Result<Option<(Block, Vec<TxId>)>, StoreError> {
    let Some(bytes) = snapshot.block(height)? else { return Ok(None) };
    let what = "the bytes are no block";
    Block::decode_with_ids(&bytes).map(Some).map_err(|_| StoreError::Disagree { height, what })
}

impl<S: Source> Context<'_, S> {
    pub(super) fn get_info(&self) -> Result<Value, RpcError> {
        let mining = self.source.mining();
        let key = |v2, v3| self.version.key(v2, v3);
        Ok(json!({
            key("protocol-version", "protocol_version"): PROTOCOL_VERSION,
            key("wallet-version", "wallet_version"): env!("CARGO_PKG_VERSION"),
            key("database-version", "database_version"): FORMAT_VERSION.to_string(),
            "testnet": self.is_testnet(),
            "peers": self.source.peers().len(),
            key("network-assets-count", "asset_count"): self.snapshot.registry().assets().len(),
            key("wallet-account-count", "wallet_account_count"): 0,
            "height": self.snapshot.tip().height.value(),
            "difficulty": self.difficulty()?,
            key("is-mining", "is_mining"): mining.is_mining,
            key("hash-rate", "hash_rate"): mining.hash_rate,
        }))
    }

    /// Tells whether addresses are those of the test network.
    pub(super) fn is_testnet(&self) -> bool {
        self.params().addresses == AddressFormat::TESTNET
    }

    /// Returns the difficulty of the last work block as text; empty when there is only the genesis
    /// block.
    pub(super) fn difficulty(&self) -> Result<String, RpcError> {
        let tip = self.snapshot.tip().height;
        let last = self.snapshot.last_of_version(BlockVersion::POW, tip, Height::new(1))?;
        Ok(last.map_or_else(String::new, |(_, header)| header.bits.to_string()))
    }

    fn header_of(&self, info: &BlockInfo) -> Map<String, Value> {
        shapes::header(self.version, &info.header, &info.hash, u64::from(info.transactions))
    }

    /// The header that the options name, else the tip's.
    fn wanted_header(&self) -> Result<BlockInfo, RpcError> {
        let height = match (self.args.block_hash("hash")?, self.args.u32("height")?) {
            (Some(hash), _) => self.snapshot.height_of(&hash)?.ok_or_else(RpcError::no_header)?,
            (None, Some(height)) => Height::new(height),
            (None, None) => self.snapshot.tip().height,
        };
        self.snapshot.info(height)?.ok_or_else(RpcError::no_header)
    }

    pub(super) fn get_block_header(&self) -> Result<Value, RpcError> {
        Ok(Value::Object(self.header_of(&self.wanted_header()?)))
    }

    pub(super) fn get_best_block_hash(&self) -> Result<Value, RpcError> {
        Ok(json!(self.wanted_header()?.hash.to_string()))
    }

    /// Account name and password are taken and not looked at: there are no accounts here, and pools
    /// learn height and difficulty by this command.
    pub(super) fn fetch_header_ext(&self) -> Result<Value, RpcError> {
        let height = match self.args.needed("NUMBER") {
            "pending" => return self.pending_header(),
            "earliest" => Height::GENESIS,
            "latest" => self.snapshot.tip().height,
            text => {
                read_u32(text).map(Height::new).ok_or_else(|| RpcError::argument("NUMBER", text))?
            }
        };
        let info = self.snapshot.info(height)?.ok_or_else(RpcError::no_header)?;
        Ok(Value::Object(self.header_of(&info)))
    }

    /// The header that miners work on; nonce and mix are zero.
    fn pending_header(&self) -> Result<Value, RpcError> {
        let work = self.work()?;
        let header = work.header();
        // A count of things in memory fits.
        let count = u64::try_from(work.transactions().len()).unwrap_or(u64::MAX);
        Ok(Value::Object(shapes::header(self.version, header, &header.hash(), count)))
    }

    pub(super) fn get_block(&self) -> Result<Value, RpcError> {
        let (in_words, txs_in_words) =
            (self.args.bool("json", true)?, self.args.bool("tx_json", true)?);
        let wanted = self.args.needed("HASH_OR_HEIGH");
        let height = if wanted.len() < HASH_CHARS_MIN {
            wanted.parse().ok().map(Height::new)
        } else {
            match wanted.parse::<BlockHash>() {
                Ok(hash) => self.snapshot.height_of(&hash)?,
                Err(_) => None,
            }
        };
        let height = height.ok_or_else(RpcError::no_block)?;
        if !in_words {
            let bytes = self.snapshot.block(height)?.ok_or_else(RpcError::no_block)?;
            return Ok(shapes::raw(self.version, &bytes));
        }
        let (block, txids) = read_block(&self.snapshot, height)?.ok_or_else(RpcError::no_block)?;
        let hash = self.snapshot.hash(height)?.ok_or_else(RpcError::no_block)?;
        let count = u64::try_from(txids.len()).unwrap_or(u64::MAX);
        let mut header = shapes::header(self.version, &block.header, &hash, count);
        let format = &self.params().addresses;
        let transactions = block.transactions.iter().zip(&txids);
        let transactions: Value = transactions
            .map(|(tx, id)| shapes::transaction_or_raw(self.version, tx, id, format, txs_in_words))
            .collect();
        if self.version == Version::V2 {
            let header = object([("result", Value::Object(header))]);
            let transactions = object([("transactions", transactions)]);
            return Ok(object([("header", header), ("txs", transactions)]));
        }
        header.insert("transactions".to_owned(), transactions);
        let (signature, key) = match &block.proof {
            BlockProof::None => (None, None),
            BlockProof::Stake(signature) => (Some(signature), None),
            BlockProof::Delegate(signature, key) => (Some(signature), Some(key)),
        };
        if let Some(signature) = signature {
            header.insert("blocksig".to_owned(), json!(hex::encode(signature.as_bytes())));
        }
        if let Some(key) = key {
            header.insert("public_key".to_owned(), json!(hex::encode(key)));
        }
        Ok(Value::Object(header))
    }

    /// Looks a transaction up: the chain, then the pool (height 0).
    fn find_tx(&self, txid: &TxId) -> Result<(Height, Transaction), RpcError> {
        let confirmed = match self.check_index() {
            Ok(()) => self.snapshot.transaction(txid).map_err(RpcError::from),
            Err(error) => Err(error),
        };
        // That the index is missing or broken must not read as "no such transaction".
        let missing = match confirmed {
            Ok(Some((place, tx))) => return Ok((place.height, tx)),
            Ok(None) => RpcError::no_tx(),
            Err(error) => error,
        };
        match self.source.loose_tx(*txid)? {
            Some(loose) => Ok((Height::GENESIS, Transaction::clone(loose.transaction()))),
            // A block may have taken it out of the pool since the chain was looked at.
            None if missing == RpcError::no_tx() => {
                let found = self.source.snapshot().transaction(txid)?;
                found.map(|(place, tx)| (place.height, tx)).ok_or(missing)
            }
            None => Err(missing),
        }
    }

    /// Demands an index of transactions and addresses that reaches the tip.
    pub(super) fn check_index(&self) -> Result<(), RpcError> {
        match self.snapshot.index_height() {
            None => Err(StoreError::NoIndex.into()),
            Some(next) if next <= self.snapshot.tip().height => {
                let text = "the index of transactions and addresses is being built";
                Err(RpcError::setting_missing(format!("{text}, it reaches block {next}")))
            }
            Some(_) => Ok(()),
        }
    }

    pub(super) fn get_tx(&self) -> Result<Value, RpcError> {
        let in_words = self.args.bool("json", true)?;
        let txid = self.args.txid("HASH")?;
        let (height, tx) = self.find_tx(&txid)?;
        if !in_words {
            let raw = shapes::raw(self.version, &tx.to_bytes());
            return Ok(self.version.wrap("transaction", raw));
        }
        let mut out = shapes::transaction(&tx, &txid, &self.params().addresses);
        out.insert("height".to_owned(), json!(height.value()));
        Ok(Value::Object(out))
    }

    pub(super) fn get_memory_pool(&self) -> Result<Value, RpcError> {
        let in_words = self.args.bool("json", true)?;
        let format = &self.params().addresses;
        let show = |loose: &LooseTx| {
            let (tx, txid) = (loose.transaction(), loose.txid());
            shapes::transaction_or_raw(self.version, tx, &txid, format, in_words)
        };
        let list: Value = self.source.loose_txs(MAX_LOOSE)?.iter().map(show).collect();
        // Lists of transactions are lists in every version, also when empty.
        Ok(self.version.wrap("transactions", list))
    }
}
