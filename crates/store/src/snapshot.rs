//! The chain as it is at one tip, for readers.

mod queries;

use mvs_consensus::error::Fault;
use mvs_consensus::header_view::{HeaderInfo, HeaderView};
use mvs_consensus::state::{
    AssetState, CertKey, CertState, Coin, DidState, MitState, StakeDeposit, StateView,
};
use mvs_primitives::address::Address;
use mvs_primitives::attachment::CertType;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::header::{BlockVersion, Header};
use mvs_primitives::height::Height;
use mvs_primitives::input::OutPoint;
use mvs_primitives::text::{DidName, MitSymbol, Symbol};

use crate::backing::Disk;
use crate::block_info::BlockInfo;
use crate::chain_view::{ChainView, Tip, answer_from_chain_view};
use crate::codec::decode_coin;
use crate::engine::{CoinSnapshot, Key, Lookups};
use crate::error::StoreError;
use crate::registry::{Registry, answer_names_from_registry};

pub use self::queries::UnspentPage;

/// The chain at one tip: coins, names, headers, blocks. It stays as it is while the store goes on.
///
/// Cheap to make and to clone; any number of threads may read it. An old one costs memory, and one
/// that is too old answers `store.snapshot_expired` when it is asked for coins: take a new one.
pub struct Snapshot<D: Disk> {
    coins: CoinSnapshot<D>,
    view: ChainView<D>,
}

impl<D: Disk> Clone for Snapshot<D> {
    fn clone(&self) -> Self {
        Self { coins: self.coins.clone(), view: self.view.clone() }
    }
}

impl<D: Disk> Snapshot<D> {
    pub(crate) const fn new(coins: CoinSnapshot<D>, view: ChainView<D>) -> Self {
        Self { coins, view }
    }

    /// Returns the tip.
    ///
    /// # Panics
    /// Never: a store holds at least the genesis block before anybody gets a snapshot.
    pub fn tip(&self) -> Tip {
        self.view.tip.expect("the genesis block is applied before the store is handed out")
    }

    /// Returns what is kept of the block at a height; `None` above the tip.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn info(&self, height: Height) -> Result<Option<BlockInfo>, StoreError> {
        self.view.with_info(height, BlockInfo::clone)
    }

    /// Returns the bytes of the block at a height, in wire form; `None` above the tip.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read or are damaged.
    pub fn block(&self, height: Height) -> Result<Option<Vec<u8>>, StoreError> {
        self.view.block(height)
    }

    /// Returns everything that is registered: lists, pages, histories.
    pub const fn registry(&self) -> &Registry {
        &self.view.registry
    }

    fn find(&self, outpoints: &[OutPoint]) -> Result<Vec<Option<Coin>>, StoreError> {
        let keys: Vec<Key> = outpoints.iter().map(OutPoint::to_array).collect();
        let mut lookups = Lookups::new();
        self.coins.find(&keys, &mut lookups)?;
        decode_all(&lookups)
    }
}

/// Decodes the answers of a look-up.
pub(crate) fn decode_all(lookups: &Lookups) -> Result<Vec<Option<Coin>>, StoreError> {
    (0..lookups.len())
        .map(|index| lookups.value(index).map(decode_coin).transpose().map_err(StoreError::from))
        .collect()
}

impl<D: Disk> StateView for Snapshot<D> {
    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, Fault> {
        Ok(self.find(std::slice::from_ref(outpoint))?.pop().flatten())
    }

    fn coins(&self, outpoints: &[OutPoint]) -> Result<Vec<Option<Coin>>, Fault> {
        Ok(self.find(outpoints)?)
    }

    answer_names_from_registry!();
}

answer_from_chain_view!(Snapshot<D>);
