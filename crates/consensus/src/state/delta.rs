//! What a block changes.

use mvs_primitives::address::Address;
use mvs_primitives::input::OutPoint;
use mvs_primitives::text::{DidName, MitSymbol, Symbol};

use super::coin::Coin;
use super::registry::{AssetState, CertKey, CertState, DidState, MitState};

/// One record that is written: the name, and what it said before and says after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<K, S> {
    /// The name.
    pub key: K,
    /// What was recorded before; `None` for a new name.
    pub before: Option<S>,
    /// What is recorded now.
    pub after: S,
}

/// An identity that is registered or moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DidChange {
    /// The identity.
    pub change: Change<DidName, DidState>,
    /// The identity that was recorded last on the new address.
    pub displaced: Option<DidName>,
}

impl DidChange {
    /// Returns the address on which the identity is recorded.
    pub const fn address(&self) -> &Address {
        &self.change.after.address
    }
}

/// What one block changes, with all that is needed to take it back.
///
/// # Invariants
/// `spent` holds coins of the parent's state, `created` coins that survive the block; a coin that is
/// created and spent inside the block is in neither. Lists of changes are in block order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StateDelta {
    /// Coins that leave the state.
    pub spent: Vec<(OutPoint, Coin)>,
    /// Coins that enter the state.
    pub created: Vec<(OutPoint, Coin)>,
    /// Issues and secondary issues.
    pub assets: Vec<Change<Symbol, AssetState>>,
    /// Issues of certificates.
    pub certs: Vec<Change<CertKey, CertState>>,
    /// Identity records.
    pub dids: Vec<DidChange>,
    /// Unique item records.
    pub mits: Vec<Change<MitSymbol, MitState>>,
}
