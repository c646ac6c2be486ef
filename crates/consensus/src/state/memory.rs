//! The state in memory, with the history of every name.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use mvs_primitives::address::Address;
use mvs_primitives::attachment::CertType;
use mvs_primitives::hash::TxId;
use mvs_primitives::input::OutPoint;
use mvs_primitives::text::{DidName, MitSymbol, Symbol};

use super::StateView;
use super::coin::Coin;
use super::delta::{Change, StateDelta};
use super::registry::{AssetState, CertKey, CertState, DidState, MitState, StakeDeposit};
use crate::error::Fault;

/// The name of the identity that every node knows from the start.
const BLACKHOLE_DID: &str = "BLACKHOLE";

/// A whole state in memory: for tests, tools and small chains.
///
/// It keeps every record of every name, oldest first, so that histories can be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryState {
    coins: HashMap<OutPoint, Coin>,
    assets: BTreeMap<Symbol, Vec<AssetState>>,
    certs: BTreeMap<CertKey, Vec<CertState>>,
    dids: BTreeMap<DidName, Vec<DidState>>,
    dids_on: HashMap<Address, Vec<DidName>>,
    mits: BTreeMap<MitSymbol, Vec<MitState>>,
    deposits: HashMap<Address, BTreeMap<OutPoint, StakeDeposit>>,
}

impl Default for MemoryState {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryState {
    /// Makes the state before the genesis block: nothing but the identity `BLACKHOLE`.
    pub fn new() -> Self {
        let name = DidName::new(BLACKHOLE_DID).expect("the name has no NUL");
        let state = DidState { address: Address::Blackhole, height: None, is_transferred: false };
        Self {
            coins: HashMap::new(),
            assets: BTreeMap::new(),
            certs: BTreeMap::new(),
            dids: BTreeMap::from([(name.clone(), vec![state])]),
            dids_on: HashMap::from([(Address::Blackhole, vec![name])]),
            mits: BTreeMap::new(),
            deposits: HashMap::new(),
        }
    }

    /// Applies what a block changes.
    ///
    /// # Errors
    /// [`Fault::Broken`] when the delta does not belong on this state; the state is then unusable.
    pub fn apply(&mut self, delta: &StateDelta) -> Result<(), Fault> {
        for (outpoint, coin) in &delta.spent {
            self.remove_coin(outpoint, coin)?;
        }
        for (outpoint, coin) in &delta.created {
            self.insert_coin(*outpoint, coin)?;
        }
        for change in &delta.assets {
            push(self.assets.entry(change.key.clone()).or_default(), change)?;
        }
        for change in &delta.certs {
            push(self.certs.entry(change.key.clone()).or_default(), change)?;
        }
        for did in &delta.dids {
            let names = self.dids_on.entry(*did.address()).or_default();
            if names.last() != did.displaced.as_ref() {
                return Err(Fault::Broken("an identity change does not fit the address"));
            }
            names.push(did.change.key.clone());
            push(self.dids.entry(did.change.key.clone()).or_default(), &did.change)?;
        }
        for change in &delta.mits {
            push(self.mits.entry(change.key.clone()).or_default(), change)?;
        }
        Ok(())
    }

    /// Takes back what a block changed: the exact inverse of [`MemoryState::apply`].
    ///
    /// # Errors
    /// [`Fault::Broken`] when the delta is not the last one applied; the state is then unusable.
    pub fn undo(&mut self, delta: &StateDelta) -> Result<(), Fault> {
        for change in delta.mits.iter().rev() {
            pop_entry(&mut self.mits, change)?;
        }
        for did in delta.dids.iter().rev() {
            pop_entry(&mut self.dids, &did.change)?;
            let Some(names) = self.dids_on.get_mut(did.address()) else {
                return Err(Fault::Broken("an identity to take back is not on its address"));
            };
            if names.pop().as_ref() != Some(&did.change.key) {
                return Err(Fault::Broken("an identity to take back is not the last"));
            }
            if names.is_empty() {
                self.dids_on.remove(did.address());
            }
        }
        for change in delta.certs.iter().rev() {
            pop_entry(&mut self.certs, change)?;
        }
        for change in delta.assets.iter().rev() {
            pop_entry(&mut self.assets, change)?;
        }
        for (outpoint, coin) in &delta.created {
            self.remove_coin(outpoint, coin)?;
        }
        for (outpoint, coin) in &delta.spent {
            self.insert_coin(*outpoint, coin)?;
        }
        Ok(())
    }

    fn insert_coin(&mut self, outpoint: OutPoint, coin: &Coin) -> Result<(), Fault> {
        if self.coins.insert(outpoint, coin.clone()).is_some() {
            return Err(Fault::Broken("a coin is created twice"));
        }
        if let Some((address, deposit)) = coin.stake_deposit(outpoint) {
            self.deposits.entry(address).or_default().insert(outpoint, deposit);
        }
        Ok(())
    }

    fn remove_coin(&mut self, outpoint: &OutPoint, coin: &Coin) -> Result<(), Fault> {
        if self.coins.remove(outpoint).as_ref() != Some(coin) {
            return Err(Fault::Broken("a coin to remove is not there"));
        }
        if let Some((address, _)) = coin.stake_deposit(*outpoint)
            && let Some(deposits) = self.deposits.get_mut(&address)
        {
            deposits.remove(outpoint);
            if deposits.is_empty() {
                self.deposits.remove(&address);
            }
        }
        Ok(())
    }

    /// Iterates over all unspent outputs, in no order.
    pub fn coins(&self) -> impl Iterator<Item = (&OutPoint, &Coin)> {
        self.coins.iter()
    }

    /// Iterates over all assets by symbol, with every record, oldest first.
    pub fn assets(&self) -> impl Iterator<Item = (&Symbol, &[AssetState])> {
        self.assets.iter().map(|(symbol, records)| (symbol, records.as_slice()))
    }

    /// Iterates over all certificates by name, with every record, oldest first.
    pub fn certs(&self) -> impl Iterator<Item = (&CertKey, &[CertState])> {
        self.certs.iter().map(|(key, records)| (key, records.as_slice()))
    }

    /// Iterates over all identities by name, with every record, oldest first.
    pub fn dids(&self) -> impl Iterator<Item = (&DidName, &[DidState])> {
        self.dids.iter().map(|(name, records)| (name, records.as_slice()))
    }

    /// Iterates over all unique items by name, with every record, oldest first.
    pub fn mits(&self) -> impl Iterator<Item = (&MitSymbol, &[MitState])> {
        self.mits.iter().map(|(symbol, records)| (symbol, records.as_slice()))
    }

    /// Iterates over all stake deposits.
    pub fn all_stake_deposits(&self) -> impl Iterator<Item = (&Address, &StakeDeposit)> {
        self.deposits
            .iter()
            .flat_map(|(address, deposits)| deposits.values().map(move |d| (address, d)))
    }

    /// Tells whether any output of a transaction is unspent. Linear; for tests.
    pub fn has_coins_of(&self, txid: &TxId) -> bool {
        self.coins.keys().any(|outpoint| outpoint.txid == *txid)
    }
}

fn push<K, S: Clone + PartialEq>(records: &mut Vec<S>, change: &Change<K, S>) -> Result<(), Fault> {
    if records.last() != change.before.as_ref() {
        return Err(Fault::Broken("a change does not fit the record before it"));
    }
    records.push(change.after.clone());
    Ok(())
}

fn pop_entry<K: Ord + Hash, S: PartialEq>(
    map: &mut BTreeMap<K, Vec<S>>,
    change: &Change<K, S>,
) -> Result<(), Fault> {
    let records =
        map.get_mut(&change.key).ok_or(Fault::Broken("a record to take back is not there"))?;
    if records.pop().as_ref() != Some(&change.after) || records.last() != change.before.as_ref() {
        return Err(Fault::Broken("a record to take back is not the last"));
    }
    if records.is_empty() {
        map.remove(&change.key);
    }
    Ok(())
}

impl StateView for MemoryState {
    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, Fault> {
        Ok(self.coins.get(outpoint).cloned())
    }

    fn asset(&self, symbol: &Symbol) -> Result<Option<AssetState>, Fault> {
        Ok(self.assets.get(symbol).and_then(|records| records.last()).cloned())
    }

    fn cert(&self, key: &CertKey) -> Result<Option<CertState>, Fault> {
        Ok(self.certs.get(key).and_then(|records| records.last()).cloned())
    }

    fn certs_with_prefix(
        &self,
        cert_type: CertType,
        prefix: &[u8],
    ) -> Result<Vec<(Symbol, CertState)>, Fault> {
        // Names are ordered by symbol first, so those with a prefix stand together.
        let Ok(symbol) = Symbol::new(prefix) else { return Ok(Vec::new()) };
        let first = CertKey { symbol, cert_type: CertType::NONE };
        Ok(self
            .certs
            .range(first..)
            .take_while(|(key, _)| key.symbol.as_bytes().starts_with(prefix))
            .filter(|(key, _)| key.cert_type == cert_type)
            .filter_map(|(key, records)| Some((key.symbol.clone(), records.last()?.clone())))
            .collect())
    }

    fn did(&self, name: &DidName) -> Result<Option<DidState>, Fault> {
        Ok(self.dids.get(name).and_then(|records| records.last()).copied())
    }

    fn last_did_on(&self, address: &Address) -> Result<Option<DidName>, Fault> {
        Ok(self.dids_on.get(address).and_then(|names| names.last()).cloned())
    }

    fn mit(&self, symbol: &MitSymbol) -> Result<Option<MitState>, Fault> {
        Ok(self.mits.get(symbol).and_then(|records| records.last()).cloned())
    }

    fn stake_deposits(&self, address: &Address) -> Result<Vec<StakeDeposit>, Fault> {
        Ok(self
            .deposits
            .get(address)
            .map(|deposits| deposits.values().copied().collect())
            .unwrap_or_default())
    }

    fn any_stake_deposit(
        &self,
        address: &Address,
        test: &dyn Fn(&StakeDeposit) -> bool,
    ) -> Result<bool, Fault> {
        Ok(self.deposits.get(address).is_some_and(|deposits| deposits.values().any(test)))
    }
}
