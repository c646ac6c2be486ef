//! The rules and the conservation oracle agree on thousands of valid and spoilt transactions.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use mvs_consensus::params::Params;
use mvs_pow::CacheSet;
use mvs_primitives::address::AddressFormat;
use mvs_primitives::amount::{Amount, AssetAmount};
use mvs_primitives::attachment::{
    Attachment, AttachmentVersion, Cert, CertStatus, CertType, DidStatus, IssueThreshold, Mit,
    MitStatus, Payload, UnknownType,
};
use mvs_primitives::block::Block;
use mvs_primitives::encode::{Decode, Encode};
use mvs_primitives::hash::TxId;
use mvs_primitives::input::{Input, OutPoint};
use mvs_primitives::output::Output;
use mvs_primitives::script::{Pattern, Script};
use mvs_primitives::text::{AddressText, DidName, MitSymbol, Symbol, Text};
use mvs_primitives::transaction::Transaction;
use testkit::build::BlockDraft;
use testkit::chain::{FAR_FUTURE, MemoryChain};
use testkit::history::{History, Rng};
use testkit::oracle::{Oracle, SUBSIDY};
use testkit::people::Person;

static CACHES: LazyLock<Arc<CacheSet>> = LazyLock::new(|| Arc::new(CacheSet::new(1)));

fn both() -> (MemoryChain, Oracle) {
    let params = Params::devnet();
    let oracle = Oracle::new(&params.genesis);
    (MemoryChain::new(params, Arc::clone(&CACHES)), oracle)
}

/// Spoils transactions.
struct Vandal<'a> {
    rng: Rng,
    people: HashMap<[u8; 20], &'a Person>,
    crowd: &'a [Person],
    spent: Vec<OutPoint>,
}

/// The ways to spoil a transaction. Some of them leave it valid, which is as good a test.
const WAYS: &[&str] = &[
    "value",
    "quantity",
    "wrap",
    "symbol",
    "drop output",
    "drop input",
    "double input",
    "double output",
    "unknown coin",
    "spent coin",
    "foreign coin",
    "more coin",
    "version",
    "script",
    "address",
    "cert",
    "identity",
    "item",
    "detail",
    "payload",
    "swap",
    "binding",
    "sequence",
    "order",
];

/// Quantities at which something may turn.
const EDGES: [u64; 8] =
    [0, 1, 9_999, 10_000, 10_000_000_000_000_000, 10_000_000_000_000_001, u64::MAX, 1 << 63];

impl<'a> Vandal<'a> {
    fn new(seed: u64, crowd: &'a [Person]) -> Self {
        let people = crowd.iter().map(|person| (*person.key_hash(), person)).collect();
        Self { rng: Rng::new(seed), people, crowd, spent: Vec::new() }
    }

    fn number(&mut self, near: u64) -> u64 {
        match self.rng.below(5) {
            0 => near.wrapping_add(1),
            1 => near.wrapping_sub(1),
            2 => near / 2,
            3 => near.wrapping_add(self.rng.below(100_000)),
            _ => self.rng.pick(&EDGES),
        }
    }

    fn any_coin(&mut self, oracle: &Oracle) -> OutPoint {
        let count = oracle.unspent().count();
        *oracle.unspent().nth(self.rng.index(count)).unwrap().0
    }

    /// A name that is taken, free, or not allowed.
    fn any_name(&mut self, oracle: &Oracle) -> String {
        let taken: Vec<String> =
            oracle.issued_units().keys().map(|n| String::from_utf8_lossy(n).into()).collect();
        match self.rng.below(8) {
            0 => "ETP".into(),
            1 => String::new(),
            2 => "X".repeat(63 + self.rng.index(3)),
            3 => "W1.".into(),
            4 => "lower".into(),
            5 => "WHAT?".into(),
            6 => format!("FREE.{}", self.rng.below(1_000)),
            _ => taken.get(self.rng.index(taken.len())).cloned().unwrap_or_default(),
        }
    }

    fn spoil(&mut self, way: &str, tx: &mut Transaction, oracle: &Oracle) {
        let at = self.rng.index(tx.outputs.len());
        let other = self.rng.index(tx.outputs.len());
        let input = self.rng.index(tx.inputs.len());
        let who = self.rng.pick(self.crowd);
        match way {
            "value" => {
                let value = self.number(tx.outputs[at].value.units());
                tx.outputs[at].value = Amount::from_units(value);
            }
            "quantity" => {
                for output in &mut tx.outputs {
                    if let Payload::AssetTransfer(t) = &mut output.attachment.payload {
                        t.quantity = AssetAmount::from_units(self.number(t.quantity.units()));
                        break;
                    }
                }
            }
            "wrap" => {
                // The outputs of one asset sum up to what comes in, and 2^64 on top.
                let moves = |o: &&Output| matches!(o.attachment.payload, Payload::AssetTransfer(_));
                if let Some(mut more) = tx.outputs.iter().find(moves).cloned()
                    && let Payload::AssetTransfer(t) = &mut more.attachment.payload
                {
                    t.quantity = AssetAmount::from_units(1 << 63);
                    tx.outputs.extend([more.clone(), more]);
                }
            }
            "symbol" => {
                let name = self.any_name(oracle);
                match &mut tx.outputs[at].attachment.payload {
                    Payload::AssetTransfer(t) => t.symbol = Symbol::new(name).unwrap(),
                    Payload::AssetDetail(d) => d.symbol = Symbol::new(name).unwrap(),
                    Payload::Cert(c) => c.symbol = Symbol::new(name).unwrap(),
                    Payload::Did(d) => d.symbol = DidName::new(name).unwrap(),
                    Payload::Mit(m) => m.symbol = MitSymbol::new(name).unwrap(),
                    Payload::Message(m) => *m = Text::new(name.repeat(5)).unwrap(),
                    _ => {}
                }
            }
            "drop output" => drop(tx.outputs.remove(at)),
            "drop input" => drop(tx.inputs.remove(input)),
            "double input" => tx.inputs.push(tx.inputs[input].clone()),
            "double output" => tx.outputs.push(tx.outputs[at].clone()),
            "unknown coin" => match self.rng.below(3) {
                0 => tx.inputs[input].previous.index ^= 7,
                1 => tx.inputs[input].previous.txid = TxId::ZERO,
                _ => tx.inputs[input].previous = OutPoint::NULL,
            },
            "spent coin" if !self.spent.is_empty() => {
                tx.inputs[input].previous = self.spent[self.rng.index(self.spent.len())];
            }
            // Not signed by its owner: [`Vandal::sign`] is not called for this way.
            "foreign coin" => tx.inputs[input].previous = self.any_coin(oracle),
            "more coin" => tx.inputs.push(Input::unsigned(self.any_coin(oracle))),
            "version" => tx.version = self.rng.below(7) as u32,
            "script" => {
                tx.outputs[at].script = match self.rng.below(6) {
                    0 => Script::pay_blackhole(),
                    1 => Script::from_bytes([0x51, 0x87, 0x99]),
                    2 => Script::pay_key_hash_with_lock_height(25_200, who.key_hash()),
                    3 => Script::pay_key_hash_with_lock_height(25_201, who.key_hash()),
                    4 => Script::pay_key_hash_with_sequence_lock(9, who.key_hash()),
                    _ => who.pay(),
                }
            }
            "address" => {
                let text = match self.rng.below(3) {
                    0 => AddressText::default(),
                    _ => who.address_text(&AddressFormat::MAINNET),
                };
                if self.rng.chance(50) {
                    tx.outputs[at].script = who.pay();
                }
                match &mut tx.outputs[at].attachment.payload {
                    Payload::AssetDetail(d) => d.address = text,
                    Payload::Cert(c) => c.address = text,
                    Payload::Did(d) => d.address = text,
                    Payload::Mit(m) => m.address = text,
                    _ => {}
                }
            }
            "cert" => self.spoil_cert(tx),
            "identity" => {
                for output in &mut tx.outputs {
                    if let Payload::Did(did) = &mut output.attachment.payload {
                        did.status = match did.status {
                            DidStatus::Register => DidStatus::Transfer,
                            DidStatus::Transfer => DidStatus::Register,
                        };
                        if self.rng.chance(30) {
                            did.symbol = DidName::new("BLACKHOLE").unwrap();
                        }
                    }
                }
            }
            "item" => {
                for output in &mut tx.outputs {
                    if let Payload::Mit(mit) = &mut output.attachment.payload {
                        mit.status = match mit.status {
                            MitStatus::Register { .. } => MitStatus::Transfer,
                            _ => MitStatus::Register { content: Text::default() },
                        };
                    }
                }
            }
            "detail" => {
                for output in &mut tx.outputs {
                    if let Payload::AssetDetail(d) = &mut output.attachment.payload {
                        match self.rng.below(4) {
                            0 => {
                                let byte = self.rng.pick(&[0, 1, 99, 100, 101, 126, 127, 255]);
                                d.threshold = IssueThreshold::from_byte(byte);
                            }
                            1 => {
                                let supply = self.number(d.maximum_supply.units());
                                d.maximum_supply = AssetAmount::from_units(supply);
                            }
                            2 => {
                                let byte = d.threshold.byte() ^ 0x80;
                                d.threshold = IssueThreshold::from_byte(byte);
                            }
                            _ => {
                                let length = self.rng.index(250);
                                d.description = Text::new("d".repeat(length)).unwrap();
                            }
                        }
                    }
                }
            }
            "payload" => {
                tx.outputs[at].attachment.payload = match self.rng.below(6) {
                    0 => Payload::Etp,
                    1 => Payload::Message(Text::new("instead").unwrap()),
                    2 => Payload::Message(Text::default()),
                    3 => Payload::Unknown(UnknownType::new(9).unwrap()),
                    4 => Payload::EtpAward { height: 1 },
                    _ => Payload::Mit(Box::new(Mit {
                        status: MitStatus::Transfer,
                        symbol: MitSymbol::new("item-1").unwrap(),
                        address: tx.outputs[at].script.address_text(&AddressFormat::MAINNET),
                    })),
                }
            }
            "swap" => {
                let payload = tx.outputs[at].attachment.clone();
                let there = std::mem::replace(&mut tx.outputs[other].attachment, payload);
                tx.outputs[at].attachment = there;
            }
            "binding" => {
                let name = |rng: &mut Rng| {
                    let text = format!("person_W{}", 1 + rng.below(120));
                    DidName::new(if rng.chance(40) { String::new() } else { text }).unwrap()
                };
                let version = AttachmentVersion::bound(name(&mut self.rng), name(&mut self.rng));
                let payload = tx.outputs[at].attachment.payload.clone();
                tx.outputs[at].attachment = Attachment { version, payload };
            }
            "sequence" => {
                let time = if self.rng.chance(50) { 1 << 22 } else { 0 };
                tx.inputs[input].sequence = time | self.rng.below(60) as u32;
            }
            "order" => tx.outputs.rotate_left(at),
            _ => {}
        }
    }

    fn spoil_cert(&mut self, tx: &mut Transaction) {
        for output in &mut tx.outputs {
            if let Payload::Cert(cert) = &mut output.attachment.payload {
                if self.rng.chance(50) {
                    cert.status = CertStatus::from_byte(self.rng.below(4) as u8);
                    continue;
                }
                let kinds = [0, 1, 2, 3, 0x6000_0004, 5, 0x8000_0000, 0x8000_0001];
                let kind = CertType::from_number(self.rng.pick(&kinds));
                let content = kind.has_content().then(|| Text::new("initial:1").unwrap());
                let (symbol, owner) = (cert.symbol.clone(), cert.owner.clone());
                let address = cert.address.clone();
                let other = Cert::new(symbol, owner, address, kind, cert.status, content);
                **cert = other.unwrap();
            }
        }
    }

    /// Signs again, each input by the owner of what it spends.
    fn sign(&self, tx: &mut Transaction, oracle: &Oracle) {
        for input in &mut tx.inputs {
            input.script = Script::default();
        }
        for index in 0..tx.inputs.len() {
            let Some(coin) = oracle.output(&tx.inputs[index].previous) else { continue };
            if let Pattern::PayKeyHash(owner) = coin.script.pattern()
                && let Some(person) = self.people.get(owner)
            {
                tx.inputs[index].script = person.unlock(tx, index, &coin.script);
            }
        }
    }
}

/// Codes by how often the rules gave them; `accepted` for none.
type Tally = BTreeMap<String, u32>;

fn compare(chain: &MemoryChain, oracle: &Oracle, tx: &Transaction, way: &str, tally: &mut Tally) {
    let rules = chain.judge_loose(tx);
    let verdict = oracle.judge(tx);
    let code = rules.as_ref().map_or_else(|refusal| refusal.code(), |_| "accepted");
    *tally.entry(code.to_owned()).or_default() += 1;
    match (&rules, &verdict) {
        (Ok(connected), Ok(fee)) => assert_eq!(connected.fee.units(), *fee, "{way}"),
        (Err(_), Err(_)) => {}
        _ => panic!("{way}: rules say {code}, oracle says {verdict:?} of {tx:#?}"),
    }
}

#[test]
fn loose_transactions_get_the_same_verdict() {
    let mut history = History::new(11, Arc::clone(&CACHES)).with_max_transactions(14);
    let crowd = history.people().to_vec();
    let mut vandal = Vandal::new(12, &crowd);
    let (mut chain, mut oracle) = both();
    let mut tally = Tally::new();
    let mut judged = 0;
    for _ in 0..220 {
        let raw = history.next_block();
        let block = Block::decode(&raw).unwrap();
        for tx in block.transactions.iter().filter(|tx| !tx.is_coinbase() && oracle.is_mine(tx)) {
            if tx.inputs.iter().any(|input| oracle.output(&input.previous).is_none()) {
                continue; // it spends an output of its own block
            }
            compare(&chain, &oracle, tx, "as it is", &mut tally);
            for _ in 0..6 {
                let mut spoilt = tx.clone();
                let way = vandal.rng.pick(WAYS);
                vandal.spoil(way, &mut spoilt, &oracle);
                if vandal.rng.chance(20) && !spoilt.outputs.is_empty() && !spoilt.inputs.is_empty()
                {
                    let second = vandal.rng.pick(WAYS);
                    vandal.spoil(second, &mut spoilt, &oracle);
                }
                if way != "foreign coin" {
                    vandal.sign(&mut spoilt, &oracle);
                }
                if oracle.is_mine(&spoilt) {
                    compare(&chain, &oracle, &spoilt, way, &mut tally);
                    judged += 1;
                }
            }
        }
        vandal.spent.extend(
            block.transactions.iter().flat_map(|tx| tx.inputs.iter().map(|input| input.previous)),
        );
        chain.append(&raw, FAR_FUTURE).unwrap();
        oracle.record(&block);
    }
    for (code, count) in &tally {
        println!("{count:6} {code}");
    }
    assert!(judged > 4_000, "only {judged} spoilt transactions");
    assert!(tally["accepted"] > 1_000);
    assert!(tally.len() > 40, "only {} kinds of answers", tally.len());
}

/// Coin in a state, whoever can spend it.
fn coin_of(chain: &MemoryChain) -> u128 {
    chain.state().coins().map(|(_, coin)| u128::from(coin.output.value.units())).sum()
}

#[test]
fn supply_follows_the_schedule_block_by_block() {
    let mut history = History::new(21, Arc::clone(&CACHES)).with_max_transactions(12);
    let (mut chain, mut oracle) = both();
    let mut expected = coin_of(&chain);
    assert_eq!(expected, 5_000_000_000_000_000, "chain.md 6.2");
    let (mut rewards, mut unclaimed) = (0, 0);
    for _ in 0..200 {
        let raw = history.next_block();
        let block = Block::decode(&raw).unwrap();
        let accounts = oracle.judge_block(&block).unwrap();
        let mut after = chain.clone();
        after.append(&raw, FAR_FUTURE).unwrap();
        oracle.record(&block);
        chain = after;
        expected += u128::from(SUBSIDY) + u128::from(accounts.rewards);
        expected -= u128::from(accounts.unclaimed);
        rewards += accounts.rewards;
        unclaimed += accounts.unclaimed;
        assert_eq!(coin_of(&chain), expected, "block {}", block.header.number);
        assert_eq!(oracle.coin(), expected);
    }
    assert!(rewards > 0 && unclaimed > 0);
    // What exists of an asset was issued or minted; some of it was lost on the way.
    let issued = oracle.issued_units();
    let mines: Vec<_> = chain
        .state()
        .certs()
        .filter(|(key, _)| key.cert_type == CertType::MINING)
        .map(|(key, _)| key.symbol.as_bytes().to_vec())
        .collect();
    let existing = oracle.asset_units();
    assert!(existing.len() > 20);
    for (symbol, units) in existing.iter().filter(|(symbol, _)| !mines.contains(symbol)) {
        assert!(units <= &issued[symbol], "{units} units, {} issued", issued[symbol]);
    }
}

/// Ways to spoil a block.
const BLOCK_WAYS: &[&str] = &[
    "nothing",
    "coinbase + 1",
    "coinbase - 1",
    "coinbase max",
    "claim all",
    "reward + 1",
    "drop reward",
    "double reward",
    "swap rewards",
    "double spend",
    "double transaction",
    "drop transaction",
    "late coinbase",
    "no coinbase",
    "mint more",
    "reverse",
    "two coinbase outputs",
    "coinbase version 4",
    "coinbase height",
    "spoilt transaction",
];

fn spoil_block(vandal: &mut Vandal<'_>, way: &str, all: &mut Vec<Transaction>, oracle: &Oracle) {
    let coinbases = all.iter().take_while(|tx| tx.is_coinbase()).count();
    let ordinary = all.len() - coinbases;
    let pick = coinbases + vandal.rng.index(ordinary);
    let add = |tx: &mut Transaction, units: i64| {
        let value = tx.outputs[0].value.units().wrapping_add_signed(units);
        tx.outputs[0].value = Amount::from_units(value);
    };
    match way {
        "coinbase + 1" => add(&mut all[0], 1),
        "coinbase - 1" => add(&mut all[0], -1),
        "coinbase max" => all[0].outputs[0].value = Amount::from_units(u64::MAX),
        "claim all" => {
            // What is unclaimed can be taken, and not a unit more.
            let raw = Block {
                header: Params::devnet().genesis.header,
                transactions: all.clone(),
                proof: mvs_primitives::block::BlockProof::None,
            };
            let left = oracle.judge_block(&raw).map_or(0, |accounts| accounts.unclaimed);
            add(&mut all[0], i64::try_from(left).unwrap() + vandal.rng.below(2) as i64);
        }
        "reward + 1" if coinbases > 1 => add(&mut all[1], 1),
        "drop reward" if coinbases > 1 => drop(all.remove(1)),
        "double reward" if coinbases > 1 => {
            let mut more = all[1].clone();
            more.inputs[0].sequence = 7;
            all.insert(1, more);
        }
        "swap rewards" if coinbases > 2 => all.swap(1, 2),
        "double spend" if ordinary > 0 => {
            let mut again = all[pick].clone();
            again.locktime ^= 1;
            if oracle.is_mine(&again) {
                vandal.sign(&mut again, oracle);
            }
            all.push(again);
        }
        "double transaction" if ordinary > 0 => {
            let again = all[pick].clone();
            all.insert(coinbases, again);
        }
        "drop transaction" if ordinary > 0 => drop(all.remove(pick)),
        "late coinbase" if ordinary > 0 => {
            let coinbase = all.remove(0);
            all.push(coinbase);
        }
        "no coinbase" => drop(all.remove(0)),
        "mint more" => {
            if let Some(minted) = all[0].outputs.get_mut(1)
                && let Payload::AssetTransfer(t) = &mut minted.attachment.payload
            {
                let more = vandal.rng.pick(&[1_000, 1_001, u64::MAX]);
                t.quantity = AssetAmount::from_units(more);
            }
        }
        "reverse" => all[coinbases..].reverse(),
        "two coinbase outputs" => {
            let half = Output::etp(Amount::ZERO, Script::pay_blackhole());
            all[0].outputs.push(half);
        }
        "coinbase version 4" => all[0].version = 4,
        "coinbase height" => all[0].inputs[0].script = Script::from_bytes([1, 99]),
        "spoilt transaction" if ordinary > 0 && oracle.is_mine(&all[pick]) => {
            let way = vandal.rng.pick(WAYS);
            vandal.spoil(way, &mut all[pick], oracle);
            vandal.sign(&mut all[pick], oracle);
        }
        _ => {}
    }
}

#[test]
fn blocks_get_the_same_verdict() {
    let mut history = History::new(31, Arc::clone(&CACHES)).with_max_transactions(6);
    let crowd = history.people().to_vec();
    let mut vandal = Vandal::new(32, &crowd);
    let (mut chain, mut oracle) = both();
    let mut tally = Tally::new();
    let mut judged = 0;
    for round in 0..200 {
        let raw = history.next_block();
        let block = Block::decode(&raw).unwrap();
        for _ in 0..(if round > 40 { 5 } else { 0 }) {
            let mut all = block.transactions.clone();
            let way = vandal.rng.pick(BLOCK_WAYS);
            spoil_block(&mut vandal, way, &mut all, &oracle);
            if !all.iter().filter(|tx| !tx.is_coinbase()).all(|tx| oracle.is_mine(tx)) {
                continue;
            }
            let draft = BlockDraft { header: block.header.clone(), transactions: all };
            let spoilt = draft.seal(&CACHES);
            let rules = chain.judge(&spoilt.to_bytes(), FAR_FUTURE);
            let verdict = oracle.judge_block(&spoilt);
            let code = rules.as_ref().map_or_else(|refusal| refusal.code(), |_| "accepted");
            *tally.entry(code.to_owned()).or_default() += 1;
            assert_eq!(rules.is_ok(), verdict.is_ok(), "{way}: {code}, oracle: {verdict:?}");
            judged += 1;
        }
        chain.append(&raw, FAR_FUTURE).unwrap();
        oracle.record(&block);
    }
    for (code, count) in &tally {
        println!("{count:6} {code}");
    }
    assert!(judged > 200, "only {judged} blocks");
    assert!(tally["accepted"] > 30 && tally.len() > 12);
}
