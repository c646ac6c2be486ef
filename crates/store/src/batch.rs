//! Blocks on their way into the store.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use mvs_consensus::block::ConnectedBlock;
use mvs_consensus::error::Fault;
use mvs_consensus::header_view::{HeaderInfo, HeaderView};
use mvs_consensus::state::{
    AssetState, CertKey, CertState, Coin, DidState, MitState, StakeDeposit, StateDelta, StateView,
};
use mvs_primitives::address::Address;
use mvs_primitives::attachment::CertType;
use mvs_primitives::difficulty::Work;
use mvs_primitives::encode::Encode;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::header::{BlockVersion, Header};
use mvs_primitives::height::Height;
use mvs_primitives::input::OutPoint;
use mvs_primitives::text::{DidName, MitSymbol, Symbol};

use crate::backing::Disk;
use crate::block_info::{BlockInfo, version_slot};
use crate::blocks::Position;
use crate::chain_view::{ChainView, Tip, answer_from_chain_view};
use crate::codec::encode_coin;
use crate::engine::{self, BlockEntry, BodyRef, CoinDigest, Found, Key, Lookups, NewCoin};
use crate::error::StoreError;
use crate::extra::Extra;
use crate::registry::{Registry, RegistryDelta, answer_names_from_registry};
use crate::snapshot::decode_all;
use crate::store::{Chain, entries_of_connected};

/// Blocks on their way into the store: taken back and applied in memory, made durable as one.
///
/// It answers as the state inside: after what was applied and undone so far. Dropped without
/// [`Batch::commit`], nothing has happened. After an error it can only be dropped.
pub struct Batch<'a, D: Disk> {
    inner: engine::Batch<'a, D>,
    chain: &'a mut Chain<D>,
    view: ChainView<D>,
    position: Position,
    /// The lowest height whose block changed.
    lowest: Option<Height>,
    /// Block files that were written.
    touched: BTreeSet<u32>,
    asked: RefCell<Asked>,
    buffers: Buffers,
    has_failed: bool,
}

/// The last question for many coins, and its answers: connecting a block asks for exactly the coins
/// that applying it spends, so they need not be looked up again.
#[derive(Default)]
struct Asked {
    keys: Vec<Key>,
    lookups: Lookups,
    single: Lookups,
}

impl Asked {
    fn forget(&mut self) {
        self.keys.clear();
    }
}

/// Memory that blocks use one after the other.
#[derive(Default)]
struct Buffers {
    values: Vec<u8>,
    spent_keys: Vec<Key>,
    spent: Vec<Found>,
    lookups: Lookups,
    extra: Vec<u8>,
}

/// A block that was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndoneBlock {
    /// What was kept of it.
    pub info: BlockInfo,
    /// Its bytes, in wire form.
    pub block: Vec<u8>,
}

impl<'a, D: Disk> Batch<'a, D> {
    pub(crate) fn new(inner: engine::Batch<'a, D>, chain: &'a mut Chain<D>) -> Self {
        let view = chain.view.clone();
        let position = chain.position;
        Self {
            inner,
            chain,
            view,
            position,
            lowest: None,
            touched: BTreeSet::new(),
            asked: RefCell::default(),
            buffers: Buffers::default(),
            has_failed: false,
        }
    }

    /// Returns the tip inside the batch; `None` only while a store is being made.
    pub const fn tip(&self) -> Option<Tip> {
        self.view.tip
    }

    /// Applies a block that was connected on the state inside this batch, or on an equal one.
    ///
    /// # Errors
    /// [`StoreError::NotOnTip`], [`StoreError::OtherState`], no space, or the disk's.
    pub fn apply(&mut self, block: &ConnectedBlock) -> Result<Tip, StoreError> {
        self.usable()?;
        self.has_failed = true;
        let tip = self.apply_here(block).map_err(|error| self.view.files.note(error))?;
        self.has_failed = false;
        Ok(tip)
    }

    fn apply_here(&mut self, block: &ConnectedBlock) -> Result<Tip, StoreError> {
        let placed = block.block().header();
        let (height, hash) = (placed.height(), placed.hash());
        let header = placed.header();
        let fits = match &self.view.tip {
            None => height == Height::GENESIS,
            Some(tip) => header.previous == tip.hash && tip.height.next() == Some(height),
        };
        if !fits {
            return Err(StoreError::NotOnTip { height });
        }
        let delta = block.delta();
        let mut registry = self.view.registry.clone();
        registry
            .apply(delta)
            .map_err(|_| StoreError::OtherState { height, what: "names do not fit" })?;
        self.find_spent(height, delta)?;

        let bytes = block.block().block().to_bytes();
        let files = Arc::clone(&self.view.files);
        let place = files.blocks.append(&mut self.position, height, hash, &bytes)?;
        self.touched.insert(place.file);
        files.heights.reserve(height)?;

        let mut info = self.info_of(block, place)?;
        info.registry_digest = registry.digest();
        self.buffers.extra.clear();
        Extra { info: info.clone(), delta: RegistryDelta::of(delta) }
            .to_disk(&mut self.buffers.extra);

        self.buffers.values.clear();
        let mut ends = Vec::with_capacity(delta.created.len());
        for (_, coin) in &delta.created {
            encode_coin(coin, &mut self.buffers.values);
            ends.push(self.buffers.values.len());
        }
        let mut rest = &self.buffers.values[..];
        let mut start = 0;
        let mut created = Vec::with_capacity(ends.len());
        for ((outpoint, _), end) in delta.created.iter().zip(ends) {
            let (value, after) = rest.split_at(end - start);
            created.push(NewCoin { key: outpoint.to_array(), value });
            (rest, start) = (after, end);
        }
        let entry = BlockEntry {
            height: height.value(),
            hash: *hash.as_bytes(),
            body: place,
            spent: &self.buffers.spent,
            created: &created,
            extra: &self.buffers.extra,
        };
        let after = self.inner.apply(&entry)?;
        info.coins = after.coins;
        info.coin_digest = after.digest;
        self.view.registry = registry;
        if let Some(index) = &mut self.view.index
            && index.next_height() == height.value()
        {
            index.push(entries_of_connected(block)?);
        }
        let tip = Tip::from(&info);
        self.view.push(info);
        self.lowest = Some(self.lowest.map_or(height, |lowest| lowest.min(height)));
        self.asked.get_mut().forget();
        Ok(tip)
    }

    /// Gets handles of the coins that a block spends, and compares the coins with those that the
    /// block was connected with.
    fn find_spent(&mut self, height: Height, delta: &StateDelta) -> Result<(), StoreError> {
        let Buffers { spent_keys, spent, lookups, values, .. } = &mut self.buffers;
        spent_keys.clear();
        spent_keys.extend(delta.spent.iter().map(|(outpoint, _)| outpoint.to_array()));
        let asked = self.asked.get_mut();
        let answers = if asked.keys == *spent_keys {
            &asked.lookups
        } else {
            self.inner.find(spent_keys, lookups)?;
            lookups
        };
        spent.clear();
        for (index, (_, coin)) in delta.spent.iter().enumerate() {
            values.clear();
            encode_coin(coin, values);
            match answers.found(index) {
                Some(found) if answers.value(index) == Some(values) => spent.push(found),
                Some(_) => {
                    return Err(StoreError::OtherState { height, what: "a spent coin differs" });
                }
                None => {
                    return Err(StoreError::OtherState { height, what: "a spent coin is missing" });
                }
            }
        }
        Ok(())
    }

    fn info_of(&self, block: &ConnectedBlock, place: BodyRef) -> Result<BlockInfo, StoreError> {
        let placed = block.block().header();
        let header = placed.header().clone();
        let height = placed.height();
        let (work, mut last) = match height.previous() {
            None => (Work::ZERO, [None; 3]),
            Some(parent) => self
                .view
                .with_info(parent, |info| (info.work, info.last))?
                .ok_or(StoreError::NotOnTip { height })?,
        };
        if let Some(slot) = version_slot(header.version).and_then(|slot| last.get_mut(slot)) {
            *slot = Some(height);
        }
        // A block has far fewer transactions than its bytes.
        let transactions = u32::try_from(block.block().txids().len()).unwrap_or(u32::MAX);
        Ok(BlockInfo {
            hash: placed.hash(),
            height,
            work: work.plus(header.bits),
            header,
            fees: block.fees(),
            transactions,
            coins: 0,
            coin_digest: CoinDigest::EMPTY,
            registry_digest: 0,
            last,
            place,
        })
    }

    /// Takes back the tip and returns it.
    ///
    /// # Errors
    /// [`StoreError::NoParent`] for the genesis block, `store.beyond_horizon`, or the disk's.
    pub fn undo(&mut self) -> Result<UndoneBlock, StoreError> {
        self.usable()?;
        let tip = self.view.tip.ok_or(StoreError::NoParent)?;
        if tip.height == Height::GENESIS {
            return Err(StoreError::NoParent);
        }
        if tip.height.value() < self.view.final_count() {
            return Err(engine::EngineError::BeyondHorizon.into());
        }
        self.has_failed = true;
        let undone = self.undo_here(tip).map_err(|error| self.view.files.note(error))?;
        self.has_failed = false;
        Ok(undone)
    }

    fn undo_here(&mut self, tip: Tip) -> Result<UndoneBlock, StoreError> {
        let height = tip.height;
        let disagree = |what| StoreError::Disagree { height, what };
        let info = self
            .view
            .with_info(height, BlockInfo::clone)?
            .ok_or(disagree("the tip has no entry"))?;
        let block = self.view.block(height)?.ok_or(disagree("the tip has no bytes"))?;
        let undone = self.inner.undo()?;
        if undone.height != height.value() || undone.hash != *info.hash.as_bytes() {
            return Err(disagree("the log undid another block"));
        }
        let extra = Extra::from_disk(&undone.extra, height)?;
        self.view
            .registry
            .undo(&extra.delta)
            .map_err(|_| disagree("the registry cannot be taken back"))?;
        self.view.pop()?;
        if let Some(index) = &mut self.view.index {
            index.pop(height);
        }
        let fits = self.view.tip.zip(undone.tip).is_some_and(|(ours, theirs)| {
            ours.registry_digest == self.view.registry.digest()
                && ours.coin_digest == theirs.digest
                && *ours.hash.as_bytes() == theirs.hash
        });
        if !fits {
            return Err(disagree("the state below the tip is another one"));
        }
        self.lowest = Some(self.lowest.map_or(height, |lowest| lowest.min(height)));
        self.asked.get_mut().forget();
        Ok(UndoneBlock { info, block })
    }

    /// Makes the batch durable, as one.
    ///
    /// # Errors
    /// No space: nothing has happened. Otherwise writing ends, and whether the batch is there shows
    /// when the store is opened again.
    pub fn commit(self) -> Result<Tip, StoreError> {
        self.usable()?;
        let Self { inner, chain, view, position, lowest, touched, .. } = self;
        let tip = view.tip.ok_or(StoreError::NoParent)?;
        let Some(lowest) = lowest else { return Ok(tip) };
        let files = Arc::clone(&view.files);
        let commit = || -> Result<(), StoreError> {
            chain.reserve_final(&view)?;
            let bodies =
                touched.iter().map(|n| files.blocks.file(*n)).collect::<Result<Vec<_>, _>>()?;
            let bodies: Vec<&D::File> = bodies.iter().map(|file| &**file).collect();
            inner.commit(&bodies)?;
            Ok(())
        };
        commit().map_err(|error| files.note(error))?;
        chain.adopt(view, position, lowest)?;
        Ok(tip)
    }

    fn usable(&self) -> Result<(), StoreError> {
        if self.has_failed {
            return Err(StoreError::BatchFailed);
        }
        self.view.files.check_writable()
    }

    const fn registry(&self) -> &Registry {
        &self.view.registry
    }

    fn find(&self, outpoints: &[OutPoint]) -> Result<Vec<Option<Coin>>, StoreError> {
        let mut asked = self.asked.borrow_mut();
        let Asked { keys, lookups, .. } = &mut *asked;
        keys.clear();
        let wanted: Vec<Key> = outpoints.iter().map(OutPoint::to_array).collect();
        self.inner.find(&wanted, lookups)?;
        *keys = wanted;
        decode_all(lookups)
    }
}

impl<D: Disk> StateView for Batch<'_, D> {
    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, Fault> {
        let mut asked = self.asked.borrow_mut();
        let key = outpoint.to_array();
        self.inner.find(&[key], &mut asked.single).map_err(StoreError::from)?;
        Ok(decode_all(&asked.single)?.pop().flatten())
    }

    fn coins(&self, outpoints: &[OutPoint]) -> Result<Vec<Option<Coin>>, Fault> {
        Ok(self.find(outpoints)?)
    }

    answer_names_from_registry!();
}

answer_from_chain_view!(Batch<'_, D>);
