//! What one block changes in the registry, as it stands in the log.

use mvs_consensus::state::{
    AssetState, CertKey, CertState, DidState, MitState, StakeDeposit, StateDelta,
};
use mvs_primitives::address::Address;
use mvs_primitives::encode::Decoder;
use mvs_primitives::text::{DidName, MitSymbol, Symbol};

use super::disk::RegistryError;
use super::record::{put_list, take_list};

/// What one block changes in the registry: enough to redo it and to take it back. What a name said
/// before stands in its history.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegistryDelta {
    pub(super) assets: Vec<(Symbol, AssetState)>,
    pub(super) certs: Vec<(CertKey, CertState)>,
    pub(super) dids: Vec<(DidName, DidState)>,
    pub(super) mits: Vec<(MitSymbol, MitState)>,
    pub(super) deposits_added: Vec<(Address, StakeDeposit)>,
    pub(super) deposits_removed: Vec<(Address, StakeDeposit)>,
}

impl RegistryDelta {
    /// Returns the registry's part of what a block changes.
    pub fn of(delta: &StateDelta) -> Self {
        let deposits = |coins: &[(_, mvs_consensus::state::Coin)]| {
            coins.iter().filter_map(|(outpoint, coin)| coin.stake_deposit(*outpoint)).collect()
        };
        Self {
            assets: delta.assets.iter().map(|c| (c.key.clone(), c.after.clone())).collect(),
            certs: delta.certs.iter().map(|c| (c.key.clone(), c.after.clone())).collect(),
            dids: delta.dids.iter().map(|d| (d.change.key.clone(), d.change.after)).collect(),
            mits: delta.mits.iter().map(|c| (c.key.clone(), c.after.clone())).collect(),
            deposits_added: deposits(&delta.created),
            deposits_removed: deposits(&delta.spent),
        }
    }

    /// Tells whether the block changes nothing here.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Appends the form on disk: nothing for no change, else six counted lists.
    pub fn to_disk(&self, out: &mut Vec<u8>) {
        if self.is_empty() {
            return;
        }
        put_list(self.assets.iter(), out);
        put_list(self.certs.iter(), out);
        put_list(self.dids.iter(), out);
        put_list(self.mits.iter(), out);
        put_list(self.deposits_added.iter(), out);
        put_list(self.deposits_removed.iter(), out);
    }

    /// Reads what [`RegistryDelta::to_disk`] wrote.
    ///
    /// # Errors
    /// [`RegistryError`] for anything else.
    pub fn from_disk(bytes: &[u8]) -> Result<Self, RegistryError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let mut from = Decoder::new(bytes, bytes.len())?;
        let delta = Self {
            assets: take_list(&mut from)?,
            certs: take_list(&mut from)?,
            dids: take_list(&mut from)?,
            mits: take_list(&mut from)?,
            deposits_added: take_list(&mut from)?,
            deposits_removed: take_list(&mut from)?,
        };
        super::disk::finish(&from)?;
        Ok(delta)
    }
}
