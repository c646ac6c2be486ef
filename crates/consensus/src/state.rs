//! The state of the chain, and its algebra: views, changes, overlays.
//!
//! ```text
//! StateView (read) <- MemoryState, Overlay<V>, the store's snapshots
//! StateDelta       = what one block changes; apply then undo is the identity
//! ```
//!
//! A view answers for the state *after* some block. Rules only read views; a block's rules are
//! asked against the view at its parent.

mod coin;
mod delta;
mod memory;
mod overlay;
mod registry;

pub use coin::Coin;
pub(crate) use coin::LOCKTIME_THRESHOLD;
pub use delta::{Change, DidChange, StateDelta};
pub use memory::MemoryState;
pub use overlay::Overlay;
pub use registry::{AssetState, CertKey, CertState, DidState, MitState, StakeDeposit};

use mvs_primitives::address::Address;
use mvs_primitives::attachment::CertType;
use mvs_primitives::input::OutPoint;
use mvs_primitives::text::{DidName, MitSymbol, Symbol};

use crate::error::Fault;

/// Reads the state after some block.
///
/// `Ok(None)` means "there is none"; a state that cannot be read is a [`Fault`], never `None`.
pub trait StateView {
    /// Returns an unspent output.
    ///
    /// # Errors
    /// [`Fault`] when the state cannot be read.
    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, Fault>;

    /// Returns many unspent outputs at once; an implementation may fetch them together.
    ///
    /// # Errors
    /// [`Fault`] when the state cannot be read.
    fn coins(&self, outpoints: &[OutPoint]) -> Result<Vec<Option<Coin>>, Fault> {
        outpoints.iter().map(|outpoint| self.coin(outpoint)).collect()
    }

    /// Returns the state of an issued asset.
    ///
    /// # Errors
    /// [`Fault`] when the state cannot be read.
    fn asset(&self, symbol: &Symbol) -> Result<Option<AssetState>, Fault>;

    /// Returns the latest issue of a certificate. Spending a certificate does not remove it.
    ///
    /// # Errors
    /// [`Fault`] when the state cannot be read.
    fn cert(&self, key: &CertKey) -> Result<Option<CertState>, Fault>;

    /// Returns all certificates of a type whose symbol begins with `prefix`.
    ///
    /// # Errors
    /// [`Fault`] when the state cannot be read.
    fn certs_with_prefix(
        &self,
        cert_type: CertType,
        prefix: &[u8],
    ) -> Result<Vec<(Symbol, CertState)>, Fault>;

    /// Returns where an identity lives.
    ///
    /// # Errors
    /// [`Fault`] when the state cannot be read.
    fn did(&self, name: &DidName) -> Result<Option<DidState>, Fault>;

    /// Returns the identity that was last recorded on an address, whether or not it still lives
    /// there.
    ///
    /// # Errors
    /// [`Fault`] when the state cannot be read.
    fn last_did_on(&self, address: &Address) -> Result<Option<DidName>, Fault>;

    /// Returns the identity that lives at an address: the last one recorded on it, provided that it
    /// still lives there (chain.md 7.11).
    ///
    /// # Errors
    /// [`Fault`] when the state cannot be read.
    fn did_of(&self, address: &Address) -> Result<Option<DidName>, Fault> {
        let Some(name) = self.last_did_on(address)? else { return Ok(None) };
        let still_here = self.did(&name)?.is_some_and(|did| did.address == *address);
        Ok(still_here.then_some(name))
    }

    /// Returns the latest record of a unique item.
    ///
    /// # Errors
    /// [`Fault`] when the state cannot be read.
    fn mit(&self, symbol: &MitSymbol) -> Result<Option<MitState>, Fault>;

    /// Returns the unspent outputs with a sequence lock that carry only coin, of one address.
    ///
    /// # Errors
    /// [`Fault`] when the state cannot be read.
    fn stake_deposits(&self, address: &Address) -> Result<Vec<StakeDeposit>, Fault>;

    /// Tells whether one of an address's stake deposits passes a test. An implementation should stop
    /// at the first that does: anybody can lock many small outputs on anybody's address.
    ///
    /// # Errors
    /// [`Fault`] when the state cannot be read.
    fn any_stake_deposit(
        &self,
        address: &Address,
        test: &dyn Fn(&StakeDeposit) -> bool,
    ) -> Result<bool, Fault> {
        Ok(self.stake_deposits(address)?.iter().any(test))
    }
}

impl<V: StateView + ?Sized> StateView for &V {
    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, Fault> {
        (**self).coin(outpoint)
    }
    fn coins(&self, outpoints: &[OutPoint]) -> Result<Vec<Option<Coin>>, Fault> {
        (**self).coins(outpoints)
    }
    fn asset(&self, symbol: &Symbol) -> Result<Option<AssetState>, Fault> {
        (**self).asset(symbol)
    }
    fn cert(&self, key: &CertKey) -> Result<Option<CertState>, Fault> {
        (**self).cert(key)
    }
    fn certs_with_prefix(
        &self,
        cert_type: CertType,
        prefix: &[u8],
    ) -> Result<Vec<(Symbol, CertState)>, Fault> {
        (**self).certs_with_prefix(cert_type, prefix)
    }
    fn did(&self, name: &DidName) -> Result<Option<DidState>, Fault> {
        (**self).did(name)
    }
    fn last_did_on(&self, address: &Address) -> Result<Option<DidName>, Fault> {
        (**self).last_did_on(address)
    }
    fn mit(&self, symbol: &MitSymbol) -> Result<Option<MitState>, Fault> {
        (**self).mit(symbol)
    }
    fn stake_deposits(&self, address: &Address) -> Result<Vec<StakeDeposit>, Fault> {
        (**self).stake_deposits(address)
    }
    fn any_stake_deposit(
        &self,
        address: &Address,
        test: &dyn Fn(&StakeDeposit) -> bool,
    ) -> Result<bool, Fault> {
        (**self).any_stake_deposit(address, test)
    }
}
