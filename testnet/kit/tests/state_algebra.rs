//! The algebra of states: apply and undo are inverse, and an overlay is what it stands for.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use mvs_consensus::state::{
    AssetState, CertKey, CertState, Change, Coin, DidChange, DidState, MemoryState, MitState,
    Overlay, StateDelta, StateView,
};
use mvs_primitives::address::Address;
use mvs_primitives::amount::{Amount, AssetAmount};
use mvs_primitives::attachment::{AssetDetail, Cert, CertStatus, CertType, IssueThreshold};
use mvs_primitives::hash::{TxId, sha256};
use mvs_primitives::height::Height;
use mvs_primitives::input::OutPoint;
use mvs_primitives::output::Output;
use mvs_primitives::script::Script;
use mvs_primitives::text::{AddressText, DidName, MitSymbol, Symbol, Text};
use testkit::history::Rng;

/// Few names, so that histories of one name grow long.
const NAMES: u64 = 6;
const CERT_TYPES: [CertType; 3] = [CertType::DOMAIN, CertType::ISSUE, CertType::WITNESS];

fn outpoint(number: u64) -> OutPoint {
    OutPoint::new(TxId::from_bytes(sha256(&(number / 3).to_le_bytes())), (number % 3) as u32)
}

fn address(number: u64) -> Address {
    match number {
        0 => Address::Blackhole,
        1 => Address::ScriptHash([1; 20]),
        _ => Address::KeyHash([number as u8; 20]),
    }
}

fn name(number: u64) -> String {
    // One is the beginning of another.
    ["A", "A.B", "A.B.C", "MVS.WITNESS.1", "MVS.WITNESS.10", "BLACKHOLE"][number as usize].into()
}

/// Makes random deltas that fit a state, as connecting a block would.
struct Maker {
    rng: Rng,
    height: u32,
}

impl Maker {
    fn coin(&mut self) -> Coin {
        let hash = [2 + self.rng.below(3) as u8; 20];
        let script = match self.rng.below(3) {
            // Two of three are stake deposits.
            0 => Script::pay_key_hash(&hash),
            _ => Script::pay_key_hash_with_sequence_lock(10_000 + self.height, &hash),
        };
        Coin {
            output: Output::etp(Amount::from_units(self.rng.below(1_000)), script),
            height: Height::new(self.height),
            is_coinbase: self.rng.chance(20),
            open_locktime: self.rng.below(3) as u32,
        }
    }

    fn coins(&mut self, state: &MemoryState, delta: &mut StateDelta) {
        for number in 0..30 {
            let outpoint = outpoint(number);
            match state.coin(&outpoint).unwrap() {
                Some(coin) if self.rng.chance(30) => delta.spent.push((outpoint, coin)),
                None if self.rng.chance(30) => {
                    let coin = self.coin();
                    delta.created.push((outpoint, coin));
                }
                _ => {}
            }
        }
    }

    /// The names of a block are recorded one after the other, each over what came before it.
    fn names(&mut self, state: &MemoryState, delta: &mut StateDelta) {
        let height = Height::new(self.height);
        let mut view = state.clone();
        for _ in 0..self.rng.below(6) {
            let text = name(self.rng.below(NAMES));
            let mut one = StateDelta::default();
            match self.rng.below(4) {
                0 => {
                    let key = Symbol::new(&text).unwrap();
                    let before = view.asset(&key).unwrap();
                    let after = self.asset(&key, before.as_ref(), height);
                    one.assets.push(Change { key, before, after });
                }
                1 => {
                    let cert_type = self.rng.pick(&CERT_TYPES);
                    let key = CertKey { symbol: Symbol::new(&text).unwrap(), cert_type };
                    let before = view.cert(&key).unwrap();
                    let owner = DidName::new(name(self.rng.below(NAMES))).unwrap();
                    let (symbol, status) = (key.symbol.clone(), CertStatus::ISSUE);
                    let home = AddressText::default();
                    let cert = Cert::new(symbol, owner, home, cert_type, status, None).unwrap();
                    let after = CertState { cert: Box::new(cert), height };
                    one.certs.push(Change { key, before, after });
                }
                2 => {
                    let key = DidName::new(&text).unwrap();
                    let before = view.did(&key).unwrap();
                    let home = address(self.rng.below(NAMES));
                    let displaced = view.last_did_on(&home).unwrap();
                    let is_transferred = before.is_some();
                    let after = DidState { address: home, height: Some(height), is_transferred };
                    let change = Change { key, before, after };
                    one.dids.push(DidChange { change, displaced });
                }
                _ => {
                    let key = MitSymbol::new(&text).unwrap();
                    let before = view.mit(&key).unwrap();
                    let after = MitState {
                        address: address(self.rng.below(NAMES)),
                        height,
                        is_transferred: before.is_some(),
                        content: Text::new(format!("{}", self.rng.below(9))).unwrap(),
                    };
                    one.mits.push(Change { key, before, after });
                }
            }
            view.apply(&one).unwrap();
            delta.assets.append(&mut one.assets);
            delta.certs.append(&mut one.certs);
            delta.dids.append(&mut one.dids);
            delta.mits.append(&mut one.mits);
        }
    }

    fn asset(&mut self, key: &Symbol, before: Option<&AssetState>, height: Height) -> AssetState {
        let created = 1 + self.rng.below(100);
        let supply = before.map_or(0, |asset| asset.supply.units()) + created;
        let detail = AssetDetail {
            symbol: key.clone(),
            maximum_supply: AssetAmount::from_units(created),
            decimal_number: 8,
            threshold: IssueThreshold::FREE,
            unused: [0; 2],
            issuer: DidName::default(),
            address: AddressText::default(),
            description: Text::default(),
        };
        AssetState {
            detail: Box::new(detail),
            height,
            issue_height: before.map_or(height, |asset| asset.issue_height),
            supply: AssetAmount::from_units(supply),
        }
    }

    fn delta(&mut self, state: &MemoryState) -> StateDelta {
        self.height += 1;
        let mut delta = StateDelta::default();
        self.coins(state, &mut delta);
        self.names(state, &mut delta);
        delta
    }
}

/// Asks two views everything that there is to ask.
fn assert_same(one: &impl StateView, other: &impl StateView, when: &str) {
    let outpoints: Vec<OutPoint> = (0..33).map(outpoint).collect();
    for outpoint in &outpoints {
        assert_eq!(one.coin(outpoint).unwrap(), other.coin(outpoint).unwrap(), "{when}");
    }
    let batch = one.coins(&outpoints).unwrap();
    assert_eq!(batch, other.coins(&outpoints).unwrap(), "{when}");
    let single: Vec<_> = outpoints.iter().map(|outpoint| one.coin(outpoint).unwrap()).collect();
    assert_eq!(batch, single, "{when}");
    assert_eq!(one.coins(&[]).unwrap(), [], "{when}");
    for number in 0..NAMES {
        let text = name(number);
        let symbol = Symbol::new(&text).unwrap();
        assert_eq!(one.asset(&symbol).unwrap(), other.asset(&symbol).unwrap(), "{when}");
        for cert_type in CERT_TYPES {
            let key = CertKey { symbol: symbol.clone(), cert_type };
            assert_eq!(one.cert(&key).unwrap(), other.cert(&key).unwrap(), "{when}");
            for prefix in [text.as_bytes(), b"", b"MVS.", b"Z"] {
                let found = one.certs_with_prefix(cert_type, prefix).unwrap();
                assert_eq!(found, other.certs_with_prefix(cert_type, prefix).unwrap(), "{when}");
            }
        }
        let did = DidName::new(&text).unwrap();
        assert_eq!(one.did(&did).unwrap(), other.did(&did).unwrap(), "{when}");
        let mit = MitSymbol::new(&text).unwrap();
        assert_eq!(one.mit(&mit).unwrap(), other.mit(&mit).unwrap(), "{when}");
        let home = address(number);
        assert_eq!(one.last_did_on(&home).unwrap(), other.last_did_on(&home).unwrap(), "{when}");
        assert_eq!(one.did_of(&home).unwrap(), other.did_of(&home).unwrap(), "{when}");
        let sorted = |view: &dyn StateView| {
            let mut deposits = view.stake_deposits(&home).unwrap();
            deposits.sort_unstable_by_key(|deposit| deposit.outpoint);
            deposits
        };
        assert_eq!(sorted(one), sorted(other), "{when}");
    }
}

#[test]
fn undo_is_the_inverse_of_apply() {
    for seed in 0..60 {
        let mut maker = Maker { rng: Rng::new(seed), height: 0 };
        let mut states = vec![MemoryState::new()];
        let mut deltas = Vec::new();
        for _ in 0..25 {
            let mut next = states.last().unwrap().clone();
            let delta = maker.delta(&next);
            next.apply(&delta).unwrap();
            deltas.push(delta);
            states.push(next);
        }
        let mut state = states.pop().unwrap();
        while let Some(delta) = deltas.pop() {
            state.undo(&delta).unwrap();
            assert_eq!(state, states.pop().unwrap(), "seed {seed}, {} left", deltas.len());
        }
        assert_eq!(state, MemoryState::new());
    }
}

#[test]
fn an_overlay_answers_like_the_state_that_it_stands_for() {
    for seed in 1_000..1_060 {
        let mut maker = Maker { rng: Rng::new(seed), height: 0 };
        let mut state = MemoryState::new();
        let mut deltas = Vec::new();
        for _ in 0..10 {
            let delta = maker.delta(&state);
            state.apply(&delta).unwrap();
            deltas.push(delta);
        }
        // A reorganisation, and another on top of it.
        let base = state.clone();
        let mut overlay = Overlay::new(&base);
        assert_same(&overlay, &state, "untouched");
        for step in 0..40 {
            let when = format!("seed {seed}, step {step}");
            if maker.rng.chance(45)
                && let Some(delta) = deltas.pop()
            {
                overlay.undo(&delta);
                state.undo(&delta).unwrap();
            } else {
                let delta = maker.delta(&state);
                overlay.apply(&delta);
                state.apply(&delta).unwrap();
                deltas.push(delta);
            }
            assert_same(&overlay, &state, &when);
        }
        // An overlay on an overlay is one more.
        let mut upper = Overlay::new(&overlay);
        while let Some(delta) = deltas.pop() {
            upper.undo(&delta);
            state.undo(&delta).unwrap();
            assert_same(&upper, &state, "the upper of two");
        }
        assert_eq!(state, MemoryState::new());
        assert_same(&upper, &MemoryState::new(), "all taken back");
    }
}

#[test]
fn a_delta_that_does_not_fit_is_refused() {
    let mut maker = Maker { rng: Rng::new(5), height: 0 };
    let mut state = MemoryState::new();
    let mut refused = [0; 5];
    for _ in 0..40 {
        let delta = maker.delta(&state);
        let mut after = state.clone();
        after.apply(&delta).unwrap();
        let empty = StateDelta::default();
        let parts = [
            StateDelta {
                spent: delta.spent.clone(),
                created: delta.created.clone(),
                ..empty.clone()
            },
            StateDelta { assets: delta.assets.clone(), ..empty.clone() },
            StateDelta { certs: delta.certs.clone(), ..empty.clone() },
            StateDelta { dids: delta.dids.clone(), ..empty.clone() },
            StateDelta { mits: delta.mits.clone(), ..empty.clone() },
        ];
        for (part, count) in parts.iter().zip(&mut refused) {
            if *part != empty {
                assert!(state.clone().undo(part).is_err(), "undone before it was applied");
                // A record that comes back to what it said before would fit a second time.
                *count += u32::from(after.clone().apply(part).is_err());
            }
        }
        state = after;
    }
    assert!(refused.iter().all(|count| *count > 5), "{refused:?}");
}
