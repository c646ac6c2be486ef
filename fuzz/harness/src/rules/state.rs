//! The small state, and attachments that speak of what is in it.

use std::sync::OnceLock;

use mvs_consensus::params::Params;
use mvs_consensus::state::{
    AssetState, CertKey, CertState, Change, Coin, DidChange, DidState, MemoryState, MitState,
    StateDelta,
};
use mvs_primitives::address::{Address, AddressFormat};
use mvs_primitives::amount::{Amount, AssetAmount};
use mvs_primitives::attachment::{
    AssetDetail, AssetTransfer, Attachment, AttachmentVersion, Cert, CertStatus, CertType, Did,
    DidStatus, IssueThreshold, Mit, MitStatus, Payload,
};
use mvs_primitives::hash::TxId;
use mvs_primitives::height::Height;
use mvs_primitives::input::OutPoint;
use mvs_primitives::output::Output;
use mvs_primitives::script::{Opcode, Script, ScriptBuilder};
use mvs_primitives::text::{AddressText, DidName, MitSymbol, Symbol, Text};

use super::bytes::Bytes;

/// A state with one of everything, which belongs to `ALICE` unless it says otherwise.
pub(super) struct Small {
    pub(super) devnet: Params,
    pub(super) mainnet: Params,
    pub(super) state: MemoryState,
    /// Height of the block after which it is the state.
    pub(super) tip: u32,
    /// Its coins.
    pub(super) coins: Vec<OutPoint>,
    /// Scripts of `ALICE`, of `BOB` and of nobody known.
    pub(super) scripts: [Script; 3],
}

const SUPPLY: AssetAmount = AssetAmount::from_units(9_000);
/// Locks all of the supply.
pub(super) const MODEL: &[u8] = b"PN=0;LH=20000;TYPE=1;LQ=9000;LP=60000;UN=3";

fn symbol(text: &str) -> Symbol {
    Symbol::new(text).expect("no NUL")
}

fn did(text: &str) -> DidName {
    DidName::new(text).expect("no NUL")
}

fn text(text: &str) -> Text {
    Text::new(text).expect("no NUL")
}

fn address_text(who: u8) -> AddressText {
    let address = Address::KeyHash([who; 20]).to_text(&AddressFormat::MAINNET);
    AddressText::new(address).expect("no NUL")
}

fn attached(payload: Payload) -> Attachment {
    Attachment { version: AttachmentVersion::NORMAL, payload }
}

fn detail(symbol_text: &str, threshold: u8, supply: AssetAmount) -> AssetDetail {
    AssetDetail {
        symbol: symbol(symbol_text),
        maximum_supply: supply,
        decimal_number: 2,
        threshold: IssueThreshold::from_byte(threshold),
        unused: [0; 2],
        issuer: did("ALICE"),
        address: address_text(1),
        description: text("an asset"),
    }
}

fn cert(symbol_text: &str, cert_type: CertType, status: CertStatus) -> Cert {
    let content = cert_type.has_content().then(|| text("initial:3000,interval:500000,base:0.95"));
    Cert::new(symbol(symbol_text), did("ALICE"), address_text(1), cert_type, status, content)
        .expect("it has content if the type asks for it")
}

fn transfer(units: u64) -> Payload {
    let quantity = AssetAmount::from_units(units);
    Payload::AssetTransfer(AssetTransfer { symbol: symbol("ALICE.COIN"), quantity })
}

fn did_record(name: &str, status: DidStatus, who: u8) -> Payload {
    Payload::Did(Box::new(Did { status, symbol: did(name), address: address_text(who) }))
}

fn mit(name: &str, status: MitStatus) -> Payload {
    let symbol = MitSymbol::new(name).expect("no NUL");
    Payload::Mit(Box::new(Mit { status, symbol, address: address_text(1) }))
}

impl Small {
    /// Returns the one there is.
    pub(super) fn get() -> &'static Self {
        static SMALL: OnceLock<Small> = OnceLock::new();
        SMALL.get_or_init(Self::make)
    }

    fn make() -> Self {
        let scripts = [1, 2, 3].map(|who| Script::pay_key_hash(&[who; 20]));
        let locked =
            Script::pay_key_hash_with_attenuation(MODEL, &OutPoint::NULL.to_array(), &[1; 20]);
        let anyone = ScriptBuilder::new().op(Opcode::OP_1).build();
        let etp = |units: u64, script: &Script| (units, script.clone(), Payload::Etp);
        let own = |payload: Payload| (10_000, scripts[0].clone(), payload);
        let certs = [
            ("ALICE.COIN", CertType::ISSUE, CertStatus::AUTO_ISSUE),
            ("ALICE", CertType::DOMAIN, CertStatus::AUTO_ISSUE),
            ("ALICE.NAME", CertType::NAMING, CertStatus::ISSUE),
            ("ALICE.COIN", CertType::MINING, CertStatus::AUTO_ISSUE),
        ];
        let mut parts = vec![
            etp(100_000_000, &scripts[0]),
            etp(100_000_000, &scripts[1]),
            etp(1_000_000_000, &scripts[0]),
            etp(100_000_000, &anyone),
            etp(2_100_000_000, &anyone),
            etp(100_000_000, &Script::pay_key_hash_with_lock_height(10, &[1; 20])),
            etp(100_000_000, &Script::pay_key_hash_with_sequence_lock(900, &[1; 20])),
            own(Payload::AssetDetail(Box::new(detail("ALICE.COIN", 127, SUPPLY)))),
            own(transfer(5)),
            (10_000, anyone.clone(), transfer(7)),
            (10_000, locked, transfer(9_000)),
            own(did_record("ALICE", DidStatus::Register, 1)),
            own(mit("MIT.ONE", MitStatus::Register { content: text("one") })),
            own(Payload::Message(text("hello"))),
        ];
        parts.extend(
            certs.iter().map(|(name, kind, status)| {
                own(Payload::Cert(Box::new(cert(name, *kind, *status))))
            }),
        );
        parts.push(etp(100_000_000, &scripts[2]));
        let tip = 100;
        let created: Vec<(OutPoint, Coin)> = parts
            .into_iter()
            .zip(0u32..)
            .map(|((units, script, payload), index)| {
                let value = Amount::from_units(units);
                let output = Output { value, script, attachment: attached(payload) };
                // The second is a coinbase that is still young.
                let (height, is_coinbase) = if index == 1 {
                    (Height::new(tip - 1), true)
                } else {
                    (Height::new(50), false)
                };
                let coin = Coin { output, height, is_coinbase, open_locktime: 0 };
                (OutPoint::new(TxId::from_bytes([9; 32]), index), coin)
            })
            .collect();
        let coins = created.iter().map(|(outpoint, _)| *outpoint).collect();
        let mut state = MemoryState::new();
        let records = records(&certs);
        state.apply(&StateDelta { created, ..records }).expect("it fits the empty state");
        Self { devnet: Params::devnet(), mainnet: Params::mainnet(), state, tip, coins, scripts }
    }
}

fn records(certs: &[(&str, CertType, CertStatus)]) -> StateDelta {
    let height = Height::new(50);
    let home = |who: u8| DidState {
        address: Address::KeyHash([who; 20]),
        height: Some(height),
        is_transferred: false,
    };
    let identity = |name: &str, who: u8| DidChange {
        change: Change { key: did(name), before: None, after: home(who) },
        displaced: None,
    };
    let asset = AssetState {
        detail: Box::new(detail("ALICE.COIN", 127, SUPPLY)),
        height,
        issue_height: height,
        supply: SUPPLY,
    };
    let cert_change = |(name, kind, status): &(&str, CertType, CertStatus)| {
        let cert = cert(name, *kind, *status);
        let after = CertState { cert: Box::new(cert.clone()), height };
        Change { key: CertKey::of(&cert), before: None, after }
    };
    let item = MitState {
        address: Address::KeyHash([1; 20]),
        height,
        is_transferred: false,
        content: text("one"),
    };
    StateDelta {
        assets: vec![Change { key: symbol("ALICE.COIN"), before: None, after: asset }],
        certs: certs.iter().map(cert_change).collect(),
        dids: vec![identity("ALICE", 1), identity("BOB", 2)],
        mits: vec![Change {
            key: MitSymbol::new("MIT.ONE").expect("no NUL"),
            before: None,
            after: item,
        }],
        ..StateDelta::default()
    }
}

/// An attachment that names what is in the state, or something new.
pub(super) fn attachment_from(bytes: &mut Bytes<'_>) -> Attachment {
    let names = ["ALICE.COIN", "ALICE.NEW", "ALICE.NAME", "ALICE", "BOB.COIN", "NEW"];
    let name = names[bytes.choose(names.len())];
    let units = match bytes.choose(6) {
        0 => 5,
        1 => 7,
        2 => 12,
        3 => 9_000,
        4 => bytes.number() % 10_000,
        _ => bytes.number(),
    };
    let supply = AssetAmount::from_units(units);
    let payload = match bytes.choose(11) {
        0 | 1 => Payload::AssetTransfer(AssetTransfer { symbol: symbol(name), quantity: supply }),
        2 => Payload::AssetDetail(Box::new(detail(name, bytes.choose(256) as u8, supply))),
        3 => Payload::AssetDetail(Box::new(detail(name, 255, supply))),
        4 | 5 => {
            let types = [
                CertType::ISSUE,
                CertType::DOMAIN,
                CertType::NAMING,
                CertType::MINING,
                CertType::WITNESS,
                CertType::KYC,
            ];
            let kind = types[bytes.choose(types.len())];
            let status = CertStatus::from_byte(bytes.choose(5) as u8);
            Payload::Cert(Box::new(cert(name, kind, status)))
        }
        step @ (6 | 7) => {
            let name = ["ALICE", "BOB", "CAROL"][bytes.choose(3)];
            let status = if step == 6 { DidStatus::Register } else { DidStatus::Transfer };
            did_record(name, status, [1, 2, 3][bytes.choose(3)])
        }
        8 => mit(["MIT.ONE", "MIT.TWO"][bytes.choose(2)], MitStatus::Transfer),
        9 => {
            let content = MitStatus::Register { content: text("two") };
            mit(["MIT.ONE", "MIT.TWO"][bytes.choose(2)], content)
        }
        _ => Payload::Message(text("hello")),
    };
    let version = match bytes.choose(8) {
        0 => AttachmentVersion::bound(did("BOB"), did("ALICE")),
        1 => AttachmentVersion::ZERO,
        _ => AttachmentVersion::NORMAL,
    };
    Attachment { version, payload }
}
