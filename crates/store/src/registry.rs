//! What is registered by name: assets, certificates, identities, unique items, stake deposits.
//!
//! A [`Registry`] lives in memory, in persistent maps: a clone costs nothing and stays as it is
//! while the original goes on, which is what a snapshot needs. It reaches the disk in two forms:
//!
//! - [`RegistryDelta`], what one block changes, in the block's record of the log: enough to redo the
//!   block and to take it back;
//! - the whole, in each checkpoint ([`Registry::to_disk`]).
//!
//! Every name keeps all of its records, oldest first. An address keeps the identities that were
//! recorded on it, in order. The registry holds the same facts as consensus'
//! `MemoryState` (its coins apart) and refuses the same changes.
//!
//! # Digest
//! A wrapping 128-bit sum over all records: what is added can be taken away, in any order, so it is
//! carried along block by block. Equal registries have equal digests on every machine. It finds
//! corruption and divergence; it is no commitment against somebody who chooses the records.

mod delta;
mod disk;
mod histories;
mod record;

use std::ops::Bound;

use mvs_consensus::error::Fault;
use mvs_consensus::state::{
    AssetState, CertKey, CertState, Change, DidState, MitState, StakeDeposit, StateDelta,
};
use mvs_primitives::address::Address;
use mvs_primitives::attachment::CertType;
use mvs_primitives::hash::TxId;
use mvs_primitives::input::OutPoint;
use mvs_primitives::text::{DidName, MitSymbol, Symbol};
use rpds::RedBlackTreeMapSync;

pub use self::delta::RegistryDelta;
pub use self::disk::RegistryError;
pub use self::histories::{Histories, History};
use self::record::{Kind, digest_of};

/// The name of the identity that every node knows from the start.
const BLACKHOLE_DID: &str = "BLACKHOLE";

/// Everything that is registered, after some block. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Registry {
    assets: Histories<Symbol, AssetState>,
    certs: Histories<CertKey, CertState>,
    dids: Histories<DidName, DidState>,
    /// The identities that were recorded on an address, the last one last.
    homes: Histories<Address, DidName>,
    mits: Histories<MitSymbol, MitState>,
    /// Ordered by address, then by outpoint.
    deposits: RedBlackTreeMapSync<(Address, OutPoint), StakeDeposit>,
    digest: u128,
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl Registry {
    /// Makes the registry before the genesis block: nothing but the identity `BLACKHOLE`.
    ///
    /// # Panics
    /// Never: the name has no NUL, and nothing can be missing in an empty registry.
    pub fn new() -> Self {
        let mut registry = Self::empty();
        let name = DidName::new(BLACKHOLE_DID).expect("the name has no NUL");
        let state = DidState { address: Address::Blackhole, height: None, is_transferred: false };
        registry.push_did(&name, state);
        registry
    }

    fn empty() -> Self {
        Self {
            assets: Histories::new(Kind::Asset),
            certs: Histories::new(Kind::Cert),
            dids: Histories::new(Kind::Did),
            homes: Histories::new(Kind::Home),
            mits: Histories::new(Kind::Mit),
            deposits: RedBlackTreeMapSync::new_sync(),
            digest: 0,
        }
    }

    /// Returns the digest of everything registered.
    pub const fn digest(&self) -> u128 {
        self.digest
    }

    /// Applies what a block changes. Nothing is changed when it does not fit.
    ///
    /// # Errors
    /// [`Fault::Broken`] when the delta does not belong on this registry.
    pub fn apply(&mut self, delta: &StateDelta) -> Result<(), Fault> {
        let mut next = self.clone();
        for (outpoint, coin) in &delta.spent {
            if let Some((address, deposit)) = coin.stake_deposit(*outpoint) {
                next.remove_deposit(address, &deposit)?;
            }
        }
        for (outpoint, coin) in &delta.created {
            if let Some((address, deposit)) = coin.stake_deposit(*outpoint) {
                next.insert_deposit(address, deposit)?;
            }
        }
        for change in &delta.assets {
            fits(next.assets.last(&change.key), change)?;
            next.digest = next.assets.push(&change.key, change.after.clone(), next.digest);
        }
        for change in &delta.certs {
            fits(next.certs.last(&change.key), change)?;
            next.digest = next.certs.push(&change.key, change.after.clone(), next.digest);
        }
        for did in &delta.dids {
            if next.homes.last(did.address()) != did.displaced.as_ref() {
                return Err(Fault::Broken("an identity change does not fit the address"));
            }
            fits(next.dids.last(&did.change.key), &did.change)?;
            next.push_did(&did.change.key, did.change.after);
        }
        for change in &delta.mits {
            fits(next.mits.last(&change.key), change)?;
            next.digest = next.mits.push(&change.key, change.after.clone(), next.digest);
        }
        *self = next;
        Ok(())
    }

    /// Applies a change that was read back from the log. Nothing is changed when it does not fit.
    ///
    /// # Errors
    /// [`Fault::Broken`] when the delta does not belong on this registry.
    pub fn redo(&mut self, delta: &RegistryDelta) -> Result<(), Fault> {
        let mut next = self.clone();
        for (address, deposit) in &delta.deposits_removed {
            next.remove_deposit(*address, deposit)?;
        }
        for (address, deposit) in &delta.deposits_added {
            next.insert_deposit(*address, *deposit)?;
        }
        for (key, state) in &delta.assets {
            next.digest = next.assets.push(key, state.clone(), next.digest);
        }
        for (key, state) in &delta.certs {
            next.digest = next.certs.push(key, state.clone(), next.digest);
        }
        for (name, state) in &delta.dids {
            next.push_did(name, *state);
        }
        for (key, state) in &delta.mits {
            next.digest = next.mits.push(key, state.clone(), next.digest);
        }
        *self = next;
        Ok(())
    }

    /// Takes back what a block changed: the exact inverse of [`Registry::apply`] and
    /// [`Registry::redo`]. Nothing is changed when it does not fit.
    ///
    /// # Errors
    /// [`Fault::Broken`] when the delta is not the last one applied.
    pub fn undo(&mut self, delta: &RegistryDelta) -> Result<(), Fault> {
        let mut next = self.clone();
        for (key, state) in delta.mits.iter().rev() {
            next.digest = next.mits.pop(key, state, next.digest)?;
        }
        for (name, state) in delta.dids.iter().rev() {
            next.digest = next.dids.pop(name, state, next.digest)?;
            next.digest = next.homes.pop(&state.address, name, next.digest)?;
        }
        for (key, state) in delta.certs.iter().rev() {
            next.digest = next.certs.pop(key, state, next.digest)?;
        }
        for (key, state) in delta.assets.iter().rev() {
            next.digest = next.assets.pop(key, state, next.digest)?;
        }
        for (address, deposit) in &delta.deposits_added {
            next.remove_deposit(*address, deposit)?;
        }
        for (address, deposit) in &delta.deposits_removed {
            next.insert_deposit(*address, *deposit)?;
        }
        *self = next;
        Ok(())
    }

    fn push_did(&mut self, name: &DidName, state: DidState) {
        self.digest = self.dids.push(name, state, self.digest);
        self.digest = self.homes.push(&state.address, name.clone(), self.digest);
    }

    fn insert_deposit(&mut self, address: Address, deposit: StakeDeposit) -> Result<(), Fault> {
        let key = (address, deposit.outpoint);
        if self.deposits.contains_key(&key) {
            return Err(Fault::Broken("a stake deposit is created twice"));
        }
        self.deposits.insert_mut(key, deposit);
        self.digest = self.digest.wrapping_add(deposit_digest(&address, &deposit));
        Ok(())
    }

    fn remove_deposit(&mut self, address: Address, deposit: &StakeDeposit) -> Result<(), Fault> {
        let key = (address, deposit.outpoint);
        if self.deposits.get(&key) != Some(deposit) {
            return Err(Fault::Broken("a stake deposit to remove is not there"));
        }
        self.deposits.remove_mut(&key);
        self.digest = self.digest.wrapping_sub(deposit_digest(&address, deposit));
        Ok(())
    }

    /// Returns all assets, by symbol.
    pub const fn assets(&self) -> &Histories<Symbol, AssetState> {
        &self.assets
    }

    /// Returns all certificates, by symbol, then type.
    pub const fn certs(&self) -> &Histories<CertKey, CertState> {
        &self.certs
    }

    /// Returns all identities, by name; a history tells where each has lived.
    pub const fn dids(&self) -> &Histories<DidName, DidState> {
        &self.dids
    }

    /// Returns the identities that were ever recorded on each address.
    pub const fn dids_on(&self) -> &Histories<Address, DidName> {
        &self.homes
    }

    /// Returns all unique items, by name.
    pub const fn mits(&self) -> &Histories<MitSymbol, MitState> {
        &self.mits
    }

    /// Iterates over all stake deposits, by address, then by outpoint.
    pub fn deposits(&self) -> impl Iterator<Item = (&Address, &StakeDeposit)> {
        self.deposits.iter().map(|((address, _), deposit)| (address, deposit))
    }

    /// Returns how many stake deposits there are.
    pub fn deposit_count(&self) -> usize {
        self.deposits.size()
    }

    /// Iterates over the stake deposits of an address, by outpoint.
    pub fn deposits_of(&self, address: &Address) -> impl Iterator<Item = &StakeDeposit> {
        let of = |txid, index| (*address, OutPoint::new(txid, index));
        let first = of(TxId::ZERO, 0);
        let last = of(TxId::from_bytes([0xff; 32]), u32::MAX);
        let range = (Bound::Included(first), Bound::Included(last));
        self.deposits.range(range).map(|(_, deposit)| deposit)
    }
}

impl PartialEq for Registry {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
            && self.assets == other.assets
            && self.certs == other.certs
            && self.dids == other.dids
            && self.homes == other.homes
            && self.mits == other.mits
            && self.deposits == other.deposits
    }
}

impl Eq for Registry {}

/// Returns what a stake deposit adds to the digest.
pub(crate) fn deposit_digest(address: &Address, deposit: &StakeDeposit) -> u128 {
    digest_of(Kind::Deposit, address, 0, deposit)
}

fn fits<K, S: PartialEq>(last: Option<&S>, change: &Change<K, S>) -> Result<(), Fault> {
    if last == change.before.as_ref() {
        Ok(())
    } else {
        Err(Fault::Broken("a change does not fit the record before it"))
    }
}

/// The questions of `StateView` about names.
impl Registry {
    pub(crate) fn asset(&self, symbol: &Symbol) -> Option<AssetState> {
        self.assets.last(symbol).cloned()
    }

    pub(crate) fn cert(&self, key: &CertKey) -> Option<CertState> {
        self.certs.last(key).cloned()
    }

    pub(crate) fn certs_with_prefix(
        &self,
        cert_type: CertType,
        prefix: &[u8],
    ) -> Vec<(Symbol, CertState)> {
        // Names are ordered by symbol first, so those with a prefix stand together.
        let Ok(symbol) = Symbol::new(prefix) else { return Vec::new() };
        let first = CertKey { symbol, cert_type: CertType::NONE };
        self.certs
            .iter_from(Bound::Included(first))
            .take_while(|(key, _)| key.symbol.as_bytes().starts_with(prefix))
            .filter(|(key, _)| key.cert_type == cert_type)
            .filter_map(|(key, history)| Some((key.symbol.clone(), history.last()?.clone())))
            .collect()
    }

    pub(crate) fn did(&self, name: &DidName) -> Option<DidState> {
        self.dids.last(name).copied()
    }

    pub(crate) fn last_did_on(&self, address: &Address) -> Option<DidName> {
        self.homes.last(address).cloned()
    }

    pub(crate) fn mit(&self, symbol: &MitSymbol) -> Option<MitState> {
        self.mits.last(symbol).cloned()
    }
}

/// Answers [`StateView`]'s questions about names from a registry.
macro_rules! answer_names_from_registry {
    () => {
        fn asset(&self, symbol: &Symbol) -> Result<Option<AssetState>, Fault> {
            Ok(self.registry().asset(symbol))
        }
        fn cert(&self, key: &CertKey) -> Result<Option<CertState>, Fault> {
            Ok(self.registry().cert(key))
        }
        fn certs_with_prefix(
            &self,
            cert_type: CertType,
            prefix: &[u8],
        ) -> Result<Vec<(Symbol, CertState)>, Fault> {
            Ok(self.registry().certs_with_prefix(cert_type, prefix))
        }
        fn did(&self, name: &DidName) -> Result<Option<DidState>, Fault> {
            Ok(self.registry().did(name))
        }
        fn last_did_on(&self, address: &Address) -> Result<Option<DidName>, Fault> {
            Ok(self.registry().last_did_on(address))
        }
        fn mit(&self, symbol: &MitSymbol) -> Result<Option<MitState>, Fault> {
            Ok(self.registry().mit(symbol))
        }
        fn stake_deposits(&self, address: &Address) -> Result<Vec<StakeDeposit>, Fault> {
            Ok(self.registry().deposits_of(address).copied().collect())
        }
        fn any_stake_deposit(
            &self,
            address: &Address,
            test: &dyn Fn(&StakeDeposit) -> bool,
        ) -> Result<bool, Fault> {
            Ok(self.registry().deposits_of(address).any(test))
        }
    };
}
pub(crate) use answer_names_from_registry;

#[cfg(test)]
mod tests;
