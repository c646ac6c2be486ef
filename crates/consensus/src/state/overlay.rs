//! Changes in memory over a state that stays as it is.

use std::collections::{BTreeMap, HashMap};

use mvs_primitives::address::Address;
use mvs_primitives::attachment::CertType;
use mvs_primitives::input::OutPoint;
use mvs_primitives::text::{DidName, MitSymbol, Symbol};

use super::StateView;
use super::coin::Coin;
use super::delta::{Change, DidChange, StateDelta};
use super::registry::{AssetState, CertKey, CertState, DidState, MitState, StakeDeposit};
use crate::error::Fault;

/// A view with changes on top: blocks applied or taken back without touching the base.
///
/// A reorganisation takes back blocks of the old branch and applies those of the new one on an
/// overlay; only when every block holds is the whole written.
#[derive(Debug, Clone)]
pub struct Overlay<V> {
    base: V,
    coins: HashMap<OutPoint, Option<Coin>>,
    assets: HashMap<Symbol, Option<AssetState>>,
    certs: BTreeMap<CertKey, Option<CertState>>,
    dids: HashMap<DidName, Option<DidState>>,
    dids_on: HashMap<Address, Option<DidName>>,
    mits: HashMap<MitSymbol, Option<MitState>>,
    deposits: HashMap<Address, BTreeMap<OutPoint, Option<StakeDeposit>>>,
}

impl<V: StateView> Overlay<V> {
    /// Starts without changes.
    pub fn new(base: V) -> Self {
        Self {
            base,
            coins: HashMap::new(),
            assets: HashMap::new(),
            certs: BTreeMap::new(),
            dids: HashMap::new(),
            dids_on: HashMap::new(),
            mits: HashMap::new(),
            deposits: HashMap::new(),
        }
    }

    /// Returns the view below.
    pub const fn base(&self) -> &V {
        &self.base
    }

    /// Applies what a block changes. The delta must come from connecting a block on this very view.
    pub fn apply(&mut self, delta: &StateDelta) {
        for (outpoint, coin) in &delta.spent {
            self.set_coin(*outpoint, coin, false);
        }
        for (outpoint, coin) in &delta.created {
            self.set_coin(*outpoint, coin, true);
        }
        delta.assets.iter().for_each(|change| self.record_asset(change));
        delta.certs.iter().for_each(|change| self.record_cert(change));
        delta.dids.iter().for_each(|change| self.record_did(change));
        delta.mits.iter().for_each(|change| self.record_mit(change));
    }

    pub(crate) fn record_asset(&mut self, change: &Change<Symbol, AssetState>) {
        self.assets.insert(change.key.clone(), Some(change.after.clone()));
    }

    pub(crate) fn record_cert(&mut self, change: &Change<CertKey, CertState>) {
        self.certs.insert(change.key.clone(), Some(change.after.clone()));
    }

    pub(crate) fn record_did(&mut self, did: &DidChange) {
        self.dids.insert(did.change.key.clone(), Some(did.change.after));
        self.dids_on.insert(*did.address(), Some(did.change.key.clone()));
    }

    pub(crate) fn record_mit(&mut self, change: &Change<MitSymbol, MitState>) {
        self.mits.insert(change.key.clone(), Some(change.after.clone()));
    }

    /// Takes back what a block changed. The block must be the last one of this view.
    pub fn undo(&mut self, delta: &StateDelta) {
        for change in delta.mits.iter().rev() {
            self.mits.insert(change.key.clone(), change.before.clone());
        }
        for did in delta.dids.iter().rev() {
            self.dids.insert(did.change.key.clone(), did.change.before);
            self.dids_on.insert(*did.address(), did.displaced.clone());
        }
        for change in delta.certs.iter().rev() {
            self.certs.insert(change.key.clone(), change.before.clone());
        }
        for change in delta.assets.iter().rev() {
            self.assets.insert(change.key.clone(), change.before.clone());
        }
        for (outpoint, coin) in &delta.created {
            self.set_coin(*outpoint, coin, false);
        }
        for (outpoint, coin) in &delta.spent {
            self.set_coin(*outpoint, coin, true);
        }
    }

    fn set_coin(&mut self, outpoint: OutPoint, coin: &Coin, is_unspent: bool) {
        self.coins.insert(outpoint, is_unspent.then(|| coin.clone()));
        if let Some((address, deposit)) = coin.stake_deposit(outpoint) {
            let entry = self.deposits.entry(address).or_default();
            entry.insert(outpoint, is_unspent.then_some(deposit));
        }
    }
}

/// Returns the change on top if there is one, else what the base says.
fn layered<S: Clone>(
    change: Option<&Option<S>>,
    base: impl FnOnce() -> Result<Option<S>, Fault>,
) -> Result<Option<S>, Fault> {
    change.map_or_else(base, |change| Ok(change.clone()))
}

impl<V: StateView> StateView for Overlay<V> {
    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, Fault> {
        layered(self.coins.get(outpoint), || self.base.coin(outpoint))
    }

    fn coins(&self, outpoints: &[OutPoint]) -> Result<Vec<Option<Coin>>, Fault> {
        let below: Vec<OutPoint> =
            outpoints.iter().filter(|o| !self.coins.contains_key(o)).copied().collect();
        let mut found = self.base.coins(&below)?.into_iter();
        Ok(outpoints
            .iter()
            .map(|outpoint| match self.coins.get(outpoint) {
                Some(change) => change.clone(),
                None => found.next().flatten(),
            })
            .collect())
    }

    fn asset(&self, symbol: &Symbol) -> Result<Option<AssetState>, Fault> {
        layered(self.assets.get(symbol), || self.base.asset(symbol))
    }

    fn cert(&self, key: &CertKey) -> Result<Option<CertState>, Fault> {
        layered(self.certs.get(key), || self.base.cert(key))
    }

    fn certs_with_prefix(
        &self,
        cert_type: CertType,
        prefix: &[u8],
    ) -> Result<Vec<(Symbol, CertState)>, Fault> {
        let mut found: BTreeMap<Symbol, CertState> =
            self.base.certs_with_prefix(cert_type, prefix)?.into_iter().collect();
        for (key, change) in &self.certs {
            if key.cert_type == cert_type && key.symbol.as_bytes().starts_with(prefix) {
                match change {
                    Some(cert) => found.insert(key.symbol.clone(), cert.clone()),
                    None => found.remove(&key.symbol),
                };
            }
        }
        Ok(found.into_iter().collect())
    }

    fn did(&self, name: &DidName) -> Result<Option<DidState>, Fault> {
        layered(self.dids.get(name), || self.base.did(name))
    }

    fn last_did_on(&self, address: &Address) -> Result<Option<DidName>, Fault> {
        layered(self.dids_on.get(address), || self.base.last_did_on(address))
    }

    fn mit(&self, symbol: &MitSymbol) -> Result<Option<MitState>, Fault> {
        layered(self.mits.get(symbol), || self.base.mit(symbol))
    }

    fn stake_deposits(&self, address: &Address) -> Result<Vec<StakeDeposit>, Fault> {
        let mut found = self.base.stake_deposits(address)?;
        if let Some(changes) = self.deposits.get(address) {
            found.retain(|deposit| !changes.contains_key(&deposit.outpoint));
            found.extend(changes.values().flatten());
            found.sort_unstable_by_key(|deposit| deposit.outpoint);
        }
        Ok(found)
    }

    fn any_stake_deposit(
        &self,
        address: &Address,
        test: &dyn Fn(&StakeDeposit) -> bool,
    ) -> Result<bool, Fault> {
        let Some(changes) = self.deposits.get(address) else {
            return self.base.any_stake_deposit(address, test);
        };
        let unchanged =
            |deposit: &StakeDeposit| !changes.contains_key(&deposit.outpoint) && test(deposit);
        Ok(changes.values().flatten().any(test)
            || self.base.any_stake_deposit(address, &unchanged)?)
    }
}
