//! Reads everything and tells what is wrong.

use std::cell::RefCell;

use mvs_consensus::state::Coin;
use mvs_primitives::block::Block;
use mvs_primitives::hash::TxId;
use mvs_primitives::height::Height;
use mvs_primitives::input::OutPoint;
use mvs_primitives::merkle::compute_root;
use xxhash_rust::xxh3::Xxh3;

use crate::backing::Disk;
use crate::block_info::{BlockInfo, version_slot};
use crate::chain_view::Tip;
use crate::codec::decode_coin;
use crate::engine::{CoinDigest, EngineError, Key};
use crate::error::StoreError;
use crate::registry::{Registry, deposit_digest};
use crate::store::Store;

/// What is being checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckPart {
    /// Log, index and live maps; counted in bytes.
    Log,
    /// Every coin: its bytes, the digest, the stake deposits; counted in coins.
    Coins,
    /// Every block: its entry, its bytes, its place in the chain; counted in blocks.
    Blocks,
}

/// How far a check has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckProgress {
    /// What is being checked.
    pub part: CheckPart,
    /// How much of it is done.
    pub done: u64,
    /// How much there is.
    pub total: u64,
}

/// What a check saw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Things that are wrong.
    pub errors: u64,
    /// Coins that were read.
    pub coins: u64,
    /// Blocks that were read.
    pub blocks: u64,
}

/// How many coins or blocks pass between two reports of progress.
const STEP: u64 = 4_096;

impl<D: Disk> Store<D> {
    /// Reads every record, every coin, every entry and every block, computes all digests anew and
    /// compares the parts with each other. `found` hears each thing that is wrong; `progress` may end
    /// the check by answering `false`.
    ///
    /// Not looked at: `headers.log`, which is no part of the store's state and tells what is damaged when it is opened;
    /// and whether the older of two checkpoints or lists of the optional index is there, since opening goes on
    /// without one that a power cut tore.
    ///
    /// # Errors
    /// [`StoreError::Cancelled`], or the disk's when nothing more can be read.
    pub fn check(
        &self,
        progress: &mut dyn FnMut(CheckProgress) -> bool,
        found: &mut dyn FnMut(StoreError),
    ) -> Result<CheckReport, StoreError> {
        let mut report = CheckReport::default();
        let errors = RefCell::new((0u64, found));
        let tell = |error: StoreError| {
            let (count, found) = &mut *errors.borrow_mut();
            *count += 1;
            found(error);
        };
        let (mut cancelled, mut unreadable) = (false, false);
        self.chain.view.files.hashes.probe(&mut |error| {
            unreadable = true;
            tell(error.into());
        });
        self.engine.check(
            &mut |done, total| {
                cancelled |= !progress(CheckProgress { part: CheckPart::Log, done, total });
            },
            &mut |error| {
                unreadable |= error.is_unreadable();
                tell(error.into());
            },
        )?;
        if cancelled {
            return Err(StoreError::Cancelled);
        }
        if unreadable {
            // Through the mappings the rest is not safe to read.
            report.errors = errors.borrow().0;
            return Ok(report);
        }
        report.coins = self.check_coins(progress, &tell)?;
        check_registry(&self.chain.view.registry, self.tip(), &tell);
        report.blocks = self.check_blocks(progress, &tell)?;
        if let Some(reason) = self.index_lost() {
            tell(StoreError::IndexLost { reason: reason.into() });
        }
        if let (Some(index), Some(writer)) = (&self.chain.view.index, &self.chain.index_writer) {
            for error in [index.check(), writer.check(index)].into_iter().filter_map(Result::err) {
                tell(error);
            }
        }
        report.errors = errors.borrow().0;
        Ok(report)
    }

    fn check_coins(
        &self,
        progress: &mut dyn FnMut(CheckProgress) -> bool,
        tell: &dyn Fn(StoreError),
    ) -> Result<u64, StoreError> {
        let tip = self.tip();
        let height = tip.height;
        let (mut coins, mut digest) = (0u64, CoinDigest::EMPTY);
        let (mut deposits, mut deposit_sum) = (0usize, 0u128);
        let mut cancelled = false;
        let visited = self.engine.for_each_coin(&mut |key, value| {
            coins += 1;
            digest = digest.plus(coin_hash(key, value));
            match decode_coin(value) {
                Ok(coin) => {
                    if coin.height > height {
                        tell(StoreError::Disagree { height, what: "a coin is above the tip" });
                    }
                    if let Some(sum) = deposit_of(key, &coin) {
                        deposits += 1;
                        deposit_sum = deposit_sum.wrapping_add(sum);
                    }
                }
                Err(error) => tell(error.into()),
            }
            if coins.is_multiple_of(STEP) {
                let at = CheckProgress { part: CheckPart::Coins, done: coins, total: tip.coins };
                cancelled = !progress(at);
                if cancelled {
                    return Err(EngineError::BadOption("cancelled"));
                }
            }
            Ok(())
        });
        if cancelled {
            return Err(StoreError::Cancelled);
        }
        if let Err(error) = visited {
            tell(error.into());
            return Ok(coins);
        }
        if digest != tip.coin_digest || coins != tip.coins {
            tell(StoreError::Disagree { height, what: "the coins are not those of the digest" });
        }
        let registry = &self.chain.view.registry;
        let expected = registry.deposits().fold(0u128, |sum, (address, deposit)| {
            sum.wrapping_add(deposit_digest(address, deposit))
        });
        if deposits != registry.deposit_count() || deposit_sum != expected {
            tell(StoreError::Disagree {
                height,
                what: "stake deposits are not those of the coins",
            });
        }
        Ok(coins)
    }

    fn check_blocks(
        &self,
        progress: &mut dyn FnMut(CheckProgress) -> bool,
        tell: &dyn Fn(StoreError),
    ) -> Result<u64, StoreError> {
        let tip = self.tip();
        let total = u64::from(tip.height.value()) + 1;
        if let Err(error) = self.chain.view.files.heights.check_gap() {
            tell(error);
        }
        self.chain.view.files.hashes.check(&mut |error| tell(error.into()))?;
        let mut parent: Option<BlockInfo> = None;
        let mut blocks = 0u64;
        for height in 0..=tip.height.value() {
            let height = Height::new(height);
            match self.check_block(height, parent.as_ref()) {
                Ok(info) => parent = Some(info),
                Err(error) => {
                    tell(error);
                    parent = self.chain.view.files.heights.read(height).ok();
                }
            }
            blocks += 1;
            if blocks.is_multiple_of(STEP)
                && !progress(CheckProgress { part: CheckPart::Blocks, done: blocks, total })
            {
                return Err(StoreError::Cancelled);
            }
        }
        let last = self.chain.view.files.heights.read(tip.height).map(|info| Tip::from(&info));
        if !matches!(last, Ok(last) if last == tip) {
            let what = "the last entry is not that of the tip";
            tell(StoreError::Disagree { height: tip.height, what });
        }
        Ok(blocks)
    }

    fn check_block(
        &self,
        height: Height,
        parent: Option<&BlockInfo>,
    ) -> Result<BlockInfo, StoreError> {
        let view = &self.chain.view;
        let info = view.files.heights.read(height)?;
        let demand = |holds: bool, what| {
            if holds { Ok(()) } else { Err(StoreError::Disagree { height, what }) }
        };
        let in_use = view.with_info(height, BlockInfo::clone)?;
        demand(in_use.as_ref() == Some(&info), "the entry in memory is another one")?;
        demand(info.hash == info.header.hash(), "the entry's hash is not that of its header")?;
        let (work, mut last) = parent.map_or_else(Default::default, |p| (p.work, p.last));
        if let Some(parent) = parent {
            demand(parent.hash == info.header.previous, "the entry does not build on its parent")?;
        }
        if parent.is_some() || height == Height::GENESIS {
            if let Some(slot) = version_slot(info.header.version).and_then(|s| last.get_mut(s)) {
                *slot = Some(height);
            }
            demand(info.work == work.plus(info.header.bits), "the entry's work is wrong")?;
            demand(info.last == last, "the entry's last blocks of each version are wrong")?;
        }
        demand(
            view.height_of(&info.hash)? == Some(height),
            "the hash does not lead to its height",
        )?;

        let bytes = view.block(height)?.ok_or(StoreError::Disagree { height, what: "no block" })?;
        view.files.blocks.check_padding(&info.place)?;
        let Ok((block, txids)) = Block::decode_with_ids(&bytes) else {
            return Err(StoreError::Disagree { height, what: "the bytes are no block" });
        };
        demand(block.header == info.header, "the block has another header than its entry")?;
        demand(compute_root(&txids).root == info.header.merkle, "the block has another root")?;
        let count = u32::try_from(txids.len()).ok();
        demand(count == Some(info.transactions), "the entry's count of transactions is wrong")?;
        Ok(info)
    }
}

fn coin_hash(key: &Key, value: &[u8]) -> u128 {
    let mut hasher = Xxh3::new();
    hasher.update(key);
    hasher.update(value);
    hasher.digest128()
}

fn deposit_of(key: &Key, coin: &Coin) -> Option<u128> {
    let (txid, index) = key.split_first_chunk()?;
    let index = u32::from_le_bytes(*index.first_chunk()?);
    let (address, deposit) = coin.stake_deposit(OutPoint::new(TxId::from_bytes(*txid), index))?;
    Some(deposit_digest(&address, &deposit))
}

fn check_registry(registry: &Registry, tip: Tip, tell: &dyn Fn(StoreError)) {
    let height = tip.height;
    if registry.digest() != tip.registry_digest {
        tell(StoreError::Disagree { height, what: "the registry's digest is not the tip's" });
    }
    // Reading the bytes back computes the digest over every record.
    match Registry::from_disk(&registry.to_disk()) {
        Ok(read) if read == *registry => {}
        Ok(_) => tell(StoreError::Disagree { height, what: "the registry does not come back" }),
        Err(error) => tell(error.into()),
    }
}
