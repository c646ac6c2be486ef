//! Computes what a block changes.

use std::collections::HashMap;

use mvs_primitives::amount::AssetAmount;
use mvs_primitives::attachment::AssetDetail;
use mvs_primitives::attachment::{Cert, CertStatus, Did, DidStatus, Mit, MitStatus, Payload};
use mvs_primitives::hash::TxId;
use mvs_primitives::height::Height;
use mvs_primitives::input::OutPoint;
use mvs_primitives::output::Output;

use super::check::CheckedBlock;
use crate::attachment::owner_of;
use crate::error::{BlockRuleError, Fault, Rejection, TxRuleError, broken};
use crate::state::{
    AssetState, CertKey, CertState, Change, Coin, DidChange, DidState, MitState, Overlay,
    StateDelta, StateView,
};
use crate::tx::TxKind;

/// The coins that a block moves.
pub(super) struct MovedCoins {
    /// For each transaction, the coins that its inputs spend, in order; none for coinbases.
    pub(super) spent: Vec<Vec<Coin>>,
    /// Coins that leave the parent's state.
    pub(super) removed: Vec<(OutPoint, Coin)>,
    /// Coins that the block creates and does not spend.
    pub(super) created: Vec<(OutPoint, Coin)>,
}

/// Wraps a rule that a transaction of the block breaks.
pub(super) fn in_tx(block: &CheckedBlock, index: usize, error: TxRuleError) -> BlockRuleError {
    let txid = block.txids().get(index).copied().unwrap_or_default();
    BlockRuleError::Tx { index, txid, error: Box::new(error) }
}

/// The outputs of a block, found by the id of their transaction: ids are distinct, so one look per
/// transaction is enough.
struct OwnCoins {
    /// In block order.
    slots: Vec<OwnCoin>,
    /// For each transaction, where its outputs stand in `slots`.
    ranges: HashMap<TxId, std::ops::Range<usize>>,
}

struct OwnCoin {
    outpoint: OutPoint,
    coin: Coin,
    is_spent: bool,
}

impl OwnCoins {
    fn of(block: &CheckedBlock) -> Self {
        let transactions = &block.block().transactions;
        let height = block.header().height();
        let mut slots = Vec::with_capacity(transactions.iter().map(|tx| tx.outputs.len()).sum());
        let mut ranges = HashMap::with_capacity(transactions.len());
        for (transaction, txid) in transactions.iter().zip(block.txids()) {
            let start = slots.len();
            slots.extend((0u32..).zip(Coin::of_transaction(transaction, height)).map(
                |(index, coin)| OwnCoin {
                    outpoint: OutPoint::new(*txid, index),
                    coin,
                    is_spent: false,
                },
            ));
            ranges.insert(*txid, start..slots.len());
        }
        Self { slots, ranges }
    }

    /// Returns where an output stands, if the block has it.
    fn find(&self, outpoint: &OutPoint) -> Option<usize> {
        let range = self.ranges.get(&outpoint.txid)?;
        let slot = range.start.checked_add(usize::try_from(outpoint.index).ok()?)?;
        range.contains(&slot).then_some(slot)
    }
}

/// Finds every coin that the block spends: in the parent's state, or anywhere in the block itself
/// (QUIRK, chain.md 7: a transaction may spend an output of a later one).
pub(super) fn move_coins(
    state: &dyn StateView,
    block: &CheckedBlock,
) -> Result<MovedCoins, Rejection<BlockRuleError>> {
    let transactions = &block.block().transactions;
    let mut own = OwnCoins::of(block);
    let spenders =
        || transactions.iter().zip(block.kinds()).filter(|(_, kind)| **kind != TxKind::Coinbase);
    let inputs = spenders().map(|(transaction, _)| transaction.inputs.len()).sum();
    // For each input in order: where it stands in the block, or `None` for one from outside.
    let mut places = Vec::with_capacity(inputs);
    let mut outside = Vec::with_capacity(inputs);
    for (transaction, _) in spenders() {
        for input in &transaction.inputs {
            let place = own.find(&input.previous);
            if place.is_none() {
                outside.push(input.previous);
            }
            places.push(place);
        }
    }
    let mut fetched = state.coins(&outside)?.into_iter();
    let mut places = places.into_iter();

    let mut removed = Vec::with_capacity(outside.len());
    let mut spent = Vec::with_capacity(transactions.len());
    for (index, (transaction, kind)) in transactions.iter().zip(block.kinds()).enumerate() {
        let mut coins = Vec::new();
        if *kind != TxKind::Coinbase {
            coins.reserve_exact(transaction.inputs.len());
            for (number, input) in transaction.inputs.iter().enumerate() {
                let previous = input.previous;
                let place = places.next().ok_or(Fault::Broken("an input has no place"))?;
                // That no output is spent twice was asked of the checked block.
                let coin = match place.and_then(|place| own.slots.get_mut(place)) {
                    Some(slot) => {
                        slot.is_spent = true;
                        slot.coin.clone()
                    }
                    None => {
                        let coin = fetched.next().ok_or(Fault::Broken("a coin has no answer"))?;
                        // A null input has a rule of its own (chain.md 7.2.7).
                        let missing = if previous.is_null() {
                            TxRuleError::NullInput { input: number }
                        } else {
                            TxRuleError::InputMissing { input: number, previous }
                        };
                        coin.ok_or_else(|| broken(in_tx(block, index, missing)))?
                    }
                };
                if place.is_none() {
                    removed.push((previous, coin.clone()));
                }
                coins.push(coin);
            }
        }
        spent.push(coins);
    }
    let created = own
        .slots
        .into_iter()
        .filter(|slot| !slot.is_spent)
        .map(|slot| (slot.outpoint, slot.coin))
        .collect();
    Ok(MovedCoins { spent, removed, created })
}

/// What a block changes, and what came out on the way.
pub(super) struct Registered {
    /// The change of the state.
    pub(super) delta: StateDelta,
    /// For each transaction, the coins that its inputs spend.
    pub(super) spent: Vec<Vec<Coin>>,
    /// An asset's supply passed 64 bits.
    pub(super) supply_overflowed: bool,
}

/// Records what the outputs of a block register, in order.
pub(super) fn register(
    state: &dyn StateView,
    block: &CheckedBlock,
    coins: MovedCoins,
) -> Result<Registered, Fault> {
    let mut recorder = Recorder {
        height: block.header().height(),
        view: Overlay::new(state),
        delta: StateDelta { spent: coins.removed, created: coins.created, ..StateDelta::default() },
        overflowed: false,
    };
    for transaction in &block.block().transactions {
        for output in &transaction.outputs {
            match &output.attachment.payload {
                Payload::AssetDetail(detail) => recorder.asset(detail)?,
                // A certificate is recorded when it is issued. Passing it on leaves the record alone:
                // who holds it is a matter of unspent outputs.
                Payload::Cert(cert) if is_new(cert) => recorder.cert(cert)?,
                Payload::Did(did) => recorder.did(did, output)?,
                Payload::Mit(mit) => recorder.mit(mit, output)?,
                _ => {}
            }
        }
    }
    Ok(Registered {
        delta: recorder.delta,
        spent: coins.spent,
        supply_overflowed: recorder.overflowed,
    })
}

fn is_new(cert: &Cert) -> bool {
    matches!(cert.status, CertStatus::ISSUE | CertStatus::AUTO_ISSUE)
}

/// Writes records over a view that sees the block's earlier ones.
struct Recorder<'a> {
    height: Height,
    view: Overlay<&'a dyn StateView>,
    delta: StateDelta,
    /// A supply has passed 64 bits.
    overflowed: bool,
}

impl Recorder<'_> {
    fn asset(&mut self, detail: &AssetDetail) -> Result<(), Fault> {
        let before = self.view.asset(&detail.symbol)?;
        let after = AssetState {
            detail: Box::new(detail.clone()),
            height: self.height,
            issue_height: before.as_ref().map_or(self.height, |asset| asset.issue_height),
            supply: self.supply_with(before.as_ref(), detail.maximum_supply),
        };
        let change = Change { key: detail.symbol.clone(), before, after };
        self.view.record_asset(&change);
        self.delta.assets.push(change);
        Ok(())
    }

    /// Adds to a supply. The rules on single transactions look at the supply after the parent, so
    /// only here is it seen when several issues of one block pass 64 bits together.
    fn supply_with(&mut self, before: Option<&AssetState>, new: AssetAmount) -> AssetAmount {
        let Some(asset) = before else { return new };
        asset.supply.checked_add(new).unwrap_or_else(|| {
            self.overflowed = true;
            // QUIRK: the reference's sum is 64 bits wide and wraps around.
            AssetAmount::from_units(asset.supply.units().wrapping_add(new.units()))
        })
    }

    fn cert(&mut self, cert: &Cert) -> Result<(), Fault> {
        let key = CertKey::of(cert);
        let before = self.view.cert(&key)?;
        let after = CertState { cert: Box::new(cert.clone()), height: self.height };
        let change = Change { key, before, after };
        self.view.record_cert(&change);
        self.delta.certs.push(change);
        Ok(())
    }

    fn did(&mut self, did: &Did, output: &Output) -> Result<(), Fault> {
        let address = owner_of(output);
        let before = self.view.did(&did.symbol)?;
        let displaced = self.view.last_did_on(&address)?;
        let after = DidState {
            address,
            height: Some(self.height),
            is_transferred: did.status == DidStatus::Transfer,
        };
        let change = Change { key: did.symbol.clone(), before, after };
        let change = DidChange { change, displaced };
        self.view.record_did(&change);
        self.delta.dids.push(change);
        Ok(())
    }

    fn mit(&mut self, mit: &Mit, output: &Output) -> Result<(), Fault> {
        if matches!(mit.status, MitStatus::Other(_)) {
            return Ok(()); // neither registered nor moved; possible below a checkpoint only
        }
        let before = self.view.mit(&mit.symbol)?;
        let content = mit.content().cloned();
        let after = MitState {
            address: owner_of(output),
            height: self.height,
            is_transferred: !matches!(mit.status, MitStatus::Register { .. }),
            content: content
                .or_else(|| before.as_ref().map(|mit| mit.content.clone()))
                .unwrap_or_default(),
        };
        let change = Change { key: mit.symbol.clone(), before, after };
        self.view.record_mit(&change);
        self.delta.mits.push(change);
        Ok(())
    }
}
