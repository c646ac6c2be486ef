use mvs_consensus::error::Fault;
use mvs_consensus::state::{
    AssetState, CertKey, CertState, Change, Coin, DidChange, DidState, MitState, StateDelta,
};
use mvs_primitives::address::Address;
use mvs_primitives::amount::{Amount, AssetAmount};
use mvs_primitives::attachment::{AssetDetail, Cert, CertStatus, CertType, IssueThreshold};
use mvs_primitives::hash::TxId;
use mvs_primitives::height::Height;
use mvs_primitives::input::OutPoint;
use mvs_primitives::output::Output;
use mvs_primitives::script::Script;
use mvs_primitives::text::{AddressText, DidName, MitSymbol, Symbol, Text};

use super::{Registry, RegistryDelta, RegistryError};

const ALICE: Address = Address::KeyHash([1; 20]);
const BOB: Address = Address::ScriptHash([2; 20]);

fn asset(symbol: &str, height: u32, supply: u64) -> AssetState {
    let detail = AssetDetail {
        symbol: Symbol::new(symbol).unwrap(),
        maximum_supply: AssetAmount::from_units(supply),
        decimal_number: 2,
        unused: [0; 2],
        threshold: IssueThreshold::FREE,
        issuer: DidName::new("alice").unwrap(),
        address: AddressText::new("MAlice").unwrap(),
        description: Text::new("a thing").unwrap(),
    };
    AssetState {
        detail: Box::new(detail),
        height: Height::new(height),
        issue_height: Height::new(1),
        supply: AssetAmount::from_units(supply),
    }
}

fn cert(symbol: &str, cert_type: CertType) -> (CertKey, CertState) {
    let symbol = Symbol::new(symbol).unwrap();
    let cert = Cert::new(
        symbol.clone(),
        DidName::new("alice").unwrap(),
        AddressText::new("MAlice").unwrap(),
        cert_type,
        CertStatus::ISSUE,
        cert_type.has_content().then(|| Text::new("{}").unwrap()),
    );
    let state = CertState { cert: Box::new(cert.unwrap()), height: Height::new(3) };
    (CertKey { symbol, cert_type }, state)
}

fn did(address: Address, height: u32) -> DidState {
    DidState { address, height: Some(Height::new(height)), is_transferred: height > 1 }
}

fn deposit_coin(number: u8, key_hash: [u8; 20]) -> (OutPoint, Coin) {
    let script = Script::pay_key_hash_with_sequence_lock(1_000, &key_hash);
    let coin = Coin {
        output: Output::etp(Amount::from_units(100), script),
        height: Height::new(1),
        is_coinbase: false,
        open_locktime: 0,
    };
    (OutPoint::new(TxId::from_bytes([number; 32]), u32::from(number)), coin)
}

fn first_block() -> StateDelta {
    let (key, state) = cert("MVS.A", CertType::KYC);
    let (other, other_state) = cert("MVS", CertType::DOMAIN);
    let name = DidName::new("alice").unwrap();
    let item = MitSymbol::new("item").unwrap();
    let mit = MitState {
        address: ALICE,
        height: Height::new(1),
        is_transferred: false,
        content: Text::new("words").unwrap(),
    };
    StateDelta {
        spent: Vec::new(),
        created: vec![deposit_coin(1, [1; 20]), deposit_coin(2, [1; 20]), deposit_coin(3, [9; 20])],
        assets: vec![
            Change {
                key: Symbol::new("MVS.A").unwrap(),
                before: None,
                after: asset("MVS.A", 1, 5),
            },
            Change {
                key: Symbol::new("MVS.A").unwrap(),
                before: Some(asset("MVS.A", 1, 5)),
                after: asset("MVS.A", 1, 9),
            },
        ],
        certs: vec![
            Change { key, before: None, after: state },
            Change { key: other, before: None, after: other_state },
        ],
        dids: vec![DidChange {
            change: Change { key: name, before: None, after: did(ALICE, 1) },
            displaced: None,
        }],
        mits: vec![Change { key: item, before: None, after: mit }],
    }
}

fn second_block() -> StateDelta {
    let alice = DidName::new("alice").unwrap();
    let bob = DidName::new("bob").unwrap();
    StateDelta {
        spent: vec![deposit_coin(2, [1; 20])],
        dids: vec![
            DidChange {
                change: Change {
                    key: alice.clone(),
                    before: Some(did(ALICE, 1)),
                    after: did(BOB, 2),
                },
                displaced: None,
            },
            DidChange {
                change: Change { key: bob, before: None, after: did(ALICE, 2) },
                displaced: Some(alice),
            },
        ],
        ..StateDelta::default()
    }
}

fn after_both() -> Registry {
    let mut registry = Registry::new();
    registry.apply(&first_block()).unwrap();
    registry.apply(&second_block()).unwrap();
    registry
}

#[test]
fn undo_is_the_inverse_of_apply_and_redo_is_apply() {
    let mut registry = Registry::new();
    let mut seen = vec![registry.clone()];
    let mut redone = Registry::new();
    for delta in [first_block(), second_block()] {
        registry.apply(&delta).unwrap();
        let mut bytes = Vec::new();
        RegistryDelta::of(&delta).to_disk(&mut bytes);
        redone.redo(&RegistryDelta::from_disk(&bytes).unwrap()).unwrap();
        assert_eq!(redone, registry);
        assert!(seen.iter().all(|earlier| earlier.digest() != registry.digest()));
        seen.push(registry.clone());
    }
    assert_eq!(Some(&registry), seen.pop().as_ref());
    for delta in [second_block(), first_block()] {
        registry.undo(&RegistryDelta::of(&delta)).unwrap();
        assert_eq!(Some(&registry), seen.pop().as_ref());
    }
    assert_eq!(registry, Registry::new());
}

#[test]
fn a_change_that_does_not_fit_leaves_no_trace() {
    let mut registry = Registry::new();
    let before = registry.clone();
    assert!(matches!(registry.apply(&second_block()), Err(Fault::Broken(_))));
    assert!(registry.undo(&RegistryDelta::of(&first_block())).is_err());
    assert_eq!(registry, before);
    registry.apply(&first_block()).unwrap();
    let before = registry.clone();
    assert!(registry.apply(&first_block()).is_err());
    let mut wrong = second_block();
    wrong.dids[1].displaced = None;
    assert!(registry.apply(&wrong).is_err());
    assert!(registry.redo(&RegistryDelta::of(&first_block())).is_err(), "deposits are there");
    assert_eq!(registry, before);
}

#[test]
fn a_snapshot_stays_as_it_is() {
    let mut registry = Registry::new();
    registry.apply(&first_block()).unwrap();
    let snapshot = registry.clone();
    let bytes = snapshot.to_disk();
    registry.apply(&second_block()).unwrap();
    assert_eq!(snapshot.to_disk(), bytes);
    assert_eq!(snapshot.did(&DidName::new("alice").unwrap()), Some(did(ALICE, 1)));
    assert_eq!(registry.did(&DidName::new("alice").unwrap()), Some(did(BOB, 2)));
    assert_eq!(registry.last_did_on(&ALICE), DidName::new("bob").ok());
}

#[test]
fn names_come_in_order_and_in_pages() {
    let registry = after_both();
    let names = |page: Vec<(DidName, DidState)>| -> Vec<String> {
        page.into_iter().map(|(name, _)| name.to_string()).collect()
    };
    assert_eq!(names(registry.dids().page(None, 2)), ["BLACKHOLE", "alice"]);
    let alice = DidName::new("alice").unwrap();
    assert_eq!(names(registry.dids().page(Some(&alice), 9)), ["bob"]);
    let homes: Vec<_> = registry.dids().get(&alice).unwrap().iter().copied().collect();
    assert_eq!(homes, [did(ALICE, 1), did(BOB, 2)]);
    let found = registry.certs_with_prefix(CertType::KYC, b"MVS");
    assert_eq!(found.len(), 1);
    assert_eq!(registry.certs_with_prefix(CertType::DOMAIN, b"MVS.").len(), 0);
    assert_eq!(registry.deposits_of(&ALICE).count(), 1);
    assert_eq!(registry.deposits_of(&Address::KeyHash([9; 20])).count(), 1);
    assert_eq!(registry.deposits_of(&BOB).count(), 0);
    assert_eq!(registry.deposit_count(), 2);
}

#[test]
fn the_whole_comes_back_from_its_bytes() {
    for registry in [Registry::new(), after_both()] {
        let bytes = registry.to_disk();
        let read = Registry::from_disk(&bytes).unwrap();
        assert_eq!(read, registry);
        assert_eq!(read.to_disk(), bytes);
        for len in 0..bytes.len() {
            assert!(Registry::from_disk(&bytes[..len]).is_err());
        }
    }
}

/// The digest is over every byte, so no single one can change unseen.
#[test]
fn every_changed_byte_is_found() {
    let bytes = after_both().to_disk();
    for at in 0..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            let mut bad = bytes.clone();
            bad[at] ^= flip;
            assert!(Registry::from_disk(&bad).is_err(), "byte {at} ^ {flip:02x}");
        }
    }
    let mut format = bytes;
    format[0] = 9;
    assert_eq!(Registry::from_disk(&format), Err(RegistryError::Format(9)));
}

#[test]
fn a_delta_is_read_in_one_form_only() {
    for delta in [first_block(), second_block(), StateDelta::default()] {
        let delta = RegistryDelta::of(&delta);
        let mut bytes = Vec::new();
        delta.to_disk(&mut bytes);
        assert_eq!(RegistryDelta::from_disk(&bytes).as_ref(), Ok(&delta));
        for len in 1..bytes.len() {
            assert!(RegistryDelta::from_disk(&bytes[..len]).is_err());
        }
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 0x55;
            if let Ok(read) = RegistryDelta::from_disk(&other) {
                let mut again = Vec::new();
                read.to_disk(&mut again);
                assert_eq!(again, other);
            }
        }
    }
}

/// Fixed, so that a change of format or hash does not go unseen.
#[test]
fn the_digest_of_the_first_registry_is_known() {
    let digest = Registry::new().digest();
    assert_eq!(Registry::from_disk(&Registry::new().to_disk()).unwrap().digest(), digest);
    assert_eq!(format!("{digest:032x}"), "174b6e47ca9a804d8b9004bda29a64ee");
}
