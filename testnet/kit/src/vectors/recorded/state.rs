//! The state in which a recorded chain ends, as the reference reports it.
//!
//! Only what follows from the blocks is compared: sums, sets and histories. What depends on a node's
//! interface (how many confirmations make a coin "available", paging, order out of hash tables) is
//! not.

use std::collections::BTreeMap;

use mvs_consensus::state::{AssetState, CertState, Coin, DidState, MitState};
use mvs_primitives::address::{Address, AddressFormat};
use mvs_primitives::attachment::{CertType, Payload};
use mvs_primitives::difficulty::Work;
use mvs_primitives::encode::Encode;
use mvs_primitives::hash::sha256;
use mvs_primitives::header::BlockVersion;
use mvs_primitives::height::Height;
use mvs_primitives::input::OutPoint;
use serde_json::{Value, json};

use crate::chain::MemoryChain;
use crate::vectors::fields::{LIST, NUMBER};
use crate::vectors::report::{Case, Report};

/// Checks every part of a state that is known.
///
/// `gaps` names addresses of which the reference reports more than the UTXO set holds, because its
/// address index missed spends up to the tip of the recorded chain.
pub(super) fn check(
    chain: &MemoryChain,
    document: &Value,
    gaps: Option<&Value>,
    report: &mut Report,
) {
    let Some(parts) = document.as_object() else { return report.error("no state") };
    let facts = Facts::of(chain);
    for (key, expected) in parts {
        match key.as_str() {
            "tip"
            | "tip_hash"
            | "tip_height"
            | "total_work_above_genesis"
            | "pow_blocks"
            | "pos_blocks"
            | "utxo_count"
            | "utxo_value" => {
                report.case(key, |case| check_tip(chain, key, expected, case));
            }
            "counts" => report.case(key, |case| check_counts(chain, expected, case)),
            "utxo_set" => report.case(key, |case| check_utxo_set(chain, expected, case)),
            "blocks" => check_rows(chain, expected, report),
            "addresses" | "balances" => {
                each(expected, key, report, |address, value, case| {
                    let gap = gaps.and_then(|gaps| gaps.get(address));
                    facts.check_address(address, value, gap, case);
                });
            }
            "stake_deposits" => {
                report.case(key, |case| check_deposits(chain, expected, case));
            }
            "getasset" => each(expected, key, report, |symbol, value, case| {
                let records = facts.assets.get(symbol).cloned().unwrap_or_default();
                same_list(&records, value, case);
            }),
            "assets" | "listassets" => {
                let all: Vec<Value> = facts.assets.values().flatten().cloned().collect();
                report.case(key, |case| same_set(&all, expected, case));
            }
            "getasset_cert" => each(expected, key, report, |symbol, value, case| {
                let of_symbol: Vec<Value> =
                    facts.certs.iter().filter(|cert| cert["symbol"] == symbol).cloned().collect();
                same_set(&of_symbol, value, case);
            }),
            "certs" | "listassets_cert" => {
                report.case(key, |case| same_set(&facts.certs, expected, case));
            }
            "getdid" | "identities" => each(expected, key, report, |name, value, case| {
                same_list(facts.dids.get(name).map_or(&[], Vec::as_slice), value, case);
            }),
            "getdid_by_address" => each(expected, key, report, |address, value, case| {
                facts.check_did_of(address, value, case);
            }),
            "dids" | "listdids" => {
                let all = facts.listed_dids();
                report.case(key, |case| same_set(&all, expected, case));
            }
            "getmit" | "mit" => each(expected, key, report, |symbol, value, case| {
                facts.check_mit(symbol, value, case);
            }),
            "mits" | "listmits" => {
                // The reference lists registrations, wherever the item is now.
                let all: Vec<Value> =
                    facts.mits.values().filter_map(|trace| trace.last()).cloned().collect();
                report.case(key, |case| same_set(&all, expected, case));
            }
            "utxos_sample" => each(expected, key, report, |address, value, case| {
                if gaps.and_then(|gaps| gaps.get(address)).is_some() {
                    // Some of its rows are spent; the index missed it.
                    return case.that(true, String::new);
                }
                facts.check_sample(address, value, case);
            }),
            _ => {}
        }
    }
}

fn each(expected: &Value, key: &str, report: &mut Report, check: impl Fn(&str, &Value, &mut Case)) {
    if !expected.is_object() {
        report.case(key, |case| case.fail(format!("no object: {expected}")));
    }
    for (name, value) in expected.as_object().into_iter().flatten() {
        report.case(&format!("{key}[{name}]"), |case| check(name, value, case));
    }
}

/// Tells whether every key of `expected` that our view has is equal in it.
fn agrees(ours: &Value, expected: &Value) -> bool {
    let (Some(ours), Some(expected)) = (ours.as_object(), expected.as_object()) else {
        return ours == expected;
    };
    ours.iter().all(|(key, value)| expected.get(key).is_none_or(|found| found == value))
        && ours.keys().any(|key| expected.contains_key(key))
}

fn same_list(ours: &[Value], expected: &Value, case: &mut Case) {
    let Some(list) = expected.as_array() else {
        return case.fail(format!("no list: {expected}"));
    };
    let same = ours.len() == list.len() && ours.iter().zip(list).all(|(a, b)| agrees(a, b));
    case.that(same, || format!("ours {}, recorded {expected}", json!(ours)));
}

fn same_set(ours: &[Value], expected: &Value, case: &mut Case) {
    let Some(list) = expected.as_array() else {
        return case.fail(format!("no list: {expected}"));
    };
    for wanted in list {
        let found = ours.iter().any(|value| agrees(value, wanted));
        case.that(found, || format!("recorded {wanted} is missing"));
    }
    for value in ours {
        let found = list.iter().any(|wanted| agrees(value, wanted));
        case.that(found, || format!("ours {value} is not recorded"));
    }
    case.that(ours.len() == list.len(), || {
        format!("{} entries, recorded are {}", ours.len(), list.len())
    });
}

fn check_tip(chain: &MemoryChain, key: &str, expected: &Value, case: &mut Case) {
    let tip = chain.tip();
    let count = |version| {
        let is = |block: &&mvs_consensus::block::ConnectedBlock| {
            block.block().header().header().version == version
        };
        json!(chain.blocks().iter().skip(1).filter(is).count())
    };
    let found = match key {
        "tip" => json!({"hash": tip.hash, "height": tip.height.value()}),
        "tip_hash" => json!(tip.hash),
        "tip_height" => json!(tip.height.value()),
        "total_work_above_genesis" => json!(total_work(chain).to_string()),
        "pow_blocks" => count(BlockVersion::POW),
        "pos_blocks" => count(BlockVersion::POS),
        // The genesis output is left out of the recorded counts.
        "utxo_count" => json!(spendable(chain).count()),
        _ => json!(spendable(chain).map(|(_, coin)| coin.output.value.units()).sum::<u64>()),
    };
    case.that(found == *expected, || format!("ours {found}, recorded {expected}"));
}

fn total_work(chain: &MemoryChain) -> Work {
    let bits = chain.blocks().iter().skip(1).map(|block| block.block().header().header().bits);
    mvs_consensus::branch::work_of(bits)
}

/// All unspent outputs but the genesis block's.
fn spendable(chain: &MemoryChain) -> impl Iterator<Item = (&OutPoint, &Coin)> {
    chain.state().coins().filter(|(_, coin)| coin.height > Height::GENESIS)
}

fn check_counts(chain: &MemoryChain, expected: &Value, case: &mut Case) {
    let state = chain.state();
    let blocks = &chain.blocks()[1..];
    let transactions: usize =
        blocks.iter().map(|block| block.block().block().transactions.len()).sum();
    let bytes: usize = blocks.iter().map(|block| block.block().block().encoded_len()).sum();
    for (key, found) in [
        ("blocks", blocks.len()),
        ("transactions_including_coinbase", transactions),
        ("block_bytes", bytes),
        ("mits", state.mits().count()),
        ("certs", state.certs().count()),
    ] {
        case.number(expected, key, found as u64);
    }
}

fn check_utxo_set(chain: &MemoryChain, expected: &Value, case: &mut Case) {
    let mut coins: Vec<_> = spendable(chain).collect();
    coins.sort_unstable_by_key(|(outpoint, _)| **outpoint);
    let mut bytes = Vec::new();
    let mut value = 0u64;
    for (outpoint, coin) in &coins {
        outpoint.encode(&mut bytes);
        coin.output.encode(&mut bytes);
        value += coin.output.value.units();
    }
    let found = json!({
        "count": coins.len(),
        "total_value": value,
        "sha256": hex::encode(sha256(&bytes)),
    });
    case.that(agrees(&found, expected), || format!("ours {found}, recorded {expected}"));
}

/// Rows of `[height, version, bits, timestamp, hash]`.
fn check_rows(chain: &MemoryChain, expected: &Value, report: &mut Report) {
    if !expected.is_array() {
        report.case("blocks", |case| case.fail(format!("no list: {expected}")));
    }
    for row in expected.as_array().into_iter().flatten() {
        report.case(&format!("blocks[{}]", row[0]), |case| {
            let height = row[0].as_u64().and_then(|height| usize::try_from(height).ok());
            let Some(block) = height.and_then(|height| chain.blocks().get(height)) else {
                return case.fail("there is no such block");
            };
            let placed = block.block().header();
            let header = placed.header();
            let found = json!([
                placed.height().value(),
                header.version.number(),
                header.bits.to_string(),
                header.timestamp.unix_secs(),
                placed.hash(),
            ]);
            case.that(found == *row, || format!("ours {found}, recorded {row}"));
        });
    }
}

fn check_deposits(chain: &MemoryChain, expected: &Value, case: &mut Case) {
    let format = &chain.params().addresses;
    let ours: Vec<Value> = chain
        .state()
        .all_stake_deposits()
        .map(|(address, deposit)| {
            json!({
                "tx": deposit.outpoint.txid,
                "index": deposit.outpoint.index,
                "height": deposit.height.value(),
                "address": address.to_text(format),
                "value": deposit.value.units(),
                "lock": deposit.lock,
            })
        })
        .collect();
    same_set(&ours, expected, case);
}

/// The state, as the reference's interface words it.
struct Facts<'c> {
    format: AddressFormat,
    coins: BTreeMap<Address, Vec<(&'c OutPoint, &'c Coin)>>,
    received: BTreeMap<Address, u64>,
    /// By symbol, newest record first.
    assets: BTreeMap<String, Vec<Value>>,
    certs: Vec<Value>,
    /// By name, newest address first.
    dids: BTreeMap<String, Vec<Value>>,
    did_of: BTreeMap<Address, String>,
    /// By symbol, newest record first.
    mits: BTreeMap<String, Vec<Value>>,
}

impl<'c> Facts<'c> {
    fn of(chain: &'c MemoryChain) -> Self {
        let format = chain.params().addresses;
        let state = chain.state();
        let mut coins: BTreeMap<Address, Vec<_>> = BTreeMap::new();
        for (outpoint, coin) in spendable(chain) {
            if let Some(address) = coin.output.script.address() {
                coins.entry(address).or_default().push((outpoint, coin));
            }
        }
        let newest_first = |mut list: Vec<Value>| {
            list.reverse();
            list
        };
        let assets = state
            .assets()
            .map(|(symbol, records)| {
                (symbol.to_string(), newest_first(records.iter().map(asset_json).collect()))
            })
            .collect();
        let mits = state
            .mits()
            .map(|(symbol, records)| {
                let view = |record| mit_json(&symbol.to_string(), record, &format);
                (symbol.to_string(), newest_first(records.iter().map(view).collect()))
            })
            .collect();
        let dids: BTreeMap<String, Vec<Value>> = state
            .dids()
            .map(|(name, records)| {
                let name = name.to_string();
                let addresses = did_history(&name, records, &format);
                (name, addresses)
            })
            .collect();
        let did_of = state
            .dids()
            .filter_map(|(name, records)| Some((records.last()?.address, name.to_string())))
            .collect();
        Self {
            format,
            coins,
            received: received(chain),
            assets,
            certs: issued_certs(chain),
            dids,
            did_of,
            mits,
        }
    }

    fn coins_of(&self, address: &str) -> &[(&'c OutPoint, &'c Coin)] {
        Address::parse(address, &self.format)
            .ok()
            .and_then(|address| self.coins.get(&address))
            .map_or(&[], Vec::as_slice)
    }

    fn check_address(&self, address: &str, expected: &Value, gap: Option<&Value>, case: &mut Case) {
        let coins = self.coins_of(address);
        let unspent: u64 = coins.iter().map(|(_, coin)| coin.output.value.units()).sum();
        let parsed = Address::parse(address, &self.format).unwrap_or(Address::Blackhole);
        let etp = expected.get("etp").unwrap_or(expected);
        case.demand(etp, &["unspent", "confirmed", "received"], NUMBER);
        case.demand(expected, &["assets"], LIST);
        // At the end of a recording nothing waits unconfirmed.
        for key in ["unspent", "confirmed"] {
            let Some(recorded) = etp.get(key).and_then(Value::as_u64) else { continue };
            // The reference's address index misses some spends; the UTXO-set value is given beside.
            let missed = gap.and_then(|gap| {
                let reported = gap.get("unspent_reported")?.as_u64()?;
                reported.checked_sub(gap.get("unspent_by_utxo_set")?.as_u64()?)
            });
            let recorded = recorded.saturating_sub(missed.unwrap_or(0));
            case.that(unspent == recorded, || format!("{key} {unspent}, recorded {recorded}"));
        }
        if let Some(recorded) = etp.get("received").and_then(Value::as_u64) {
            let received = self.received.get(&parsed).copied().unwrap_or(0);
            case.that(received == recorded, || format!("received {received}, not {recorded}"));
        }
        if let Some(assets) = expected.get("assets").and_then(Value::as_array)
            && gap.is_none()
        {
            self.check_assets(coins, assets, case);
        }
        if let Some(certs) = expected.get("certs")
            && gap.is_none()
        {
            let ours: Vec<Value> = coins.iter().filter_map(|(_, coin)| cert_json(coin)).collect();
            same_set(&ours, certs, case);
        }
        match expected.get("identity") {
            Some(Value::Null) => {
                let none = !self.did_of.contains_key(&parsed);
                case.that(none, || "an identity where none is recorded".into());
            }
            Some(identity) => self.check_did_of(address, identity, case),
            None => {}
        }
    }

    fn check_assets(&self, coins: &[(&OutPoint, &Coin)], expected: &[Value], case: &mut Case) {
        let mut ours: BTreeMap<String, u64> = BTreeMap::new();
        for (_, coin) in coins {
            if let Some((symbol, quantity)) = coin.output.attachment.asset() {
                *ours.entry(symbol.to_string()).or_default() += quantity.units();
            }
        }
        let mut recorded: BTreeMap<String, u64> = BTreeMap::new();
        for asset in expected {
            let symbol = asset["symbol"].as_str().unwrap_or_default().to_owned();
            *recorded.entry(symbol).or_default() += asset["quantity"].as_u64().unwrap_or(0);
        }
        // The reference leaves out holdings of nothing, and hides an asset named ETP.
        ours.retain(|symbol, quantity| *quantity > 0 && symbol != "ETP");
        recorded.retain(|_, quantity| *quantity > 0);
        case.that(ours == recorded, || format!("assets {ours:?}, recorded {recorded:?}"));
    }

    fn check_did_of(&self, address: &str, expected: &Value, case: &mut Case) {
        let parsed = Address::parse(address, &self.format).ok();
        let found = parsed.and_then(|address| self.did_of.get(&address));
        let list = match expected {
            Value::Array(list) => list.as_slice(),
            one => std::slice::from_ref(one),
        };
        let current = list.iter().find(|did| did["status"] != "history").or_else(|| list.first());
        let name = current.map(|did| did.get("symbol").unwrap_or(did)).and_then(Value::as_str);
        case.that(found.map(String::as_str) == name, || {
            format!("identity {found:?}, recorded {name:?}")
        });
    }

    fn listed_dids(&self) -> Vec<Value> {
        self.dids
            .values()
            .filter_map(|addresses| addresses.first())
            .map(|did| json!({"symbol": did["symbol"], "address": did["address"]}))
            .collect()
    }

    fn check_mit(&self, symbol: &str, expected: &Value, case: &mut Case) {
        let trace = self.mits.get(symbol).map_or(&[][..], Vec::as_slice);
        if let Some(current) = expected.get("current") {
            let same = trace.first().is_some_and(|ours| agrees(ours, current));
            case.that(same, || format!("ours {:?}, recorded {current}", trace.first()));
        }
        if let Some(recorded) = expected.get("trace") {
            same_list(trace, recorded, case);
        }
    }

    fn check_sample(&self, address: &str, expected: &Value, case: &mut Case) {
        let coins = self.coins_of(address);
        // Null is an empty page, too.
        if !expected.is_array() && !expected.is_null() {
            return case.fail(format!("no list: {expected}"));
        }
        for row in expected.as_array().into_iter().flatten() {
            let found = coins.iter().any(|(outpoint, coin)| {
                agrees(
                    &json!({
                        "utxo_hash": outpoint.txid,
                        "utxo_index": outpoint.index,
                        "utxo_block": coin.height.value(),
                        "balance": coin.output.value.units(),
                    }),
                    row,
                )
            });
            case.that(found, || format!("recorded {row} is missing"));
        }
        // A page of an address without coins is empty, and that was compared.
        case.that(true, String::new);
    }
}

fn received(chain: &MemoryChain) -> BTreeMap<Address, u64> {
    let mut received = BTreeMap::new();
    for block in chain.blocks().iter().skip(1) {
        for transaction in &block.block().block().transactions {
            for output in &transaction.outputs {
                if let Some(address) = output.script.address() {
                    *received.entry(address).or_default() += output.value.units();
                }
            }
        }
    }
    received
}

fn asset_json(asset: &AssetState) -> Value {
    let detail = &asset.detail;
    json!({
        "symbol": detail.symbol,
        "address": detail.address,
        "issuer": detail.issuer,
        "description": detail.description,
        "decimal_number": detail.decimal_number,
        "maximum_supply": detail.maximum_supply.units(),
        "secondaryissue_threshold": detail.threshold.percent(),
        "is_secondaryissue": detail.threshold.is_secondary(),
    })
}

fn mit_json(symbol: &str, mit: &MitState, format: &AddressFormat) -> Value {
    json!({
        "symbol": symbol,
        "address": mit.address.to_text(format),
        "height": mit.height.value(),
        "status": if mit.is_transferred { "transfered" } else { "registered" },
        "content": mit.content,
    })
}

/// Addresses of an identity, newest first.
fn did_history(name: &str, records: &[DidState], format: &AddressFormat) -> Vec<Value> {
    records
        .iter()
        .rev()
        .enumerate()
        .map(|(index, record)| {
            json!({
                "symbol": name,
                "address": record.address.to_text(format),
                "status": if index == 0 { "current" } else { "history" },
            })
        })
        .collect()
}

fn cert_name(cert_type: CertType) -> String {
    match cert_type.name() {
        "custom" | "unknown" => format!("0x{:x}", cert_type.number()),
        name => name.to_owned(),
    }
}

fn cert_json(coin: &Coin) -> Option<Value> {
    let Payload::Cert(cert) = &coin.output.attachment.payload else { return None };
    Some(json!({
        "symbol": cert.symbol,
        "cert": cert_name(cert.cert_type()),
        "owner": cert.owner,
        "address": cert.address,
    }))
}

fn issued_certs(chain: &MemoryChain) -> Vec<Value> {
    chain
        .state()
        .certs()
        .filter_map(|(_, records)| records.last())
        .map(|CertState { cert, .. }| {
            json!({
                "symbol": cert.symbol,
                "cert": cert_name(cert.cert_type()),
                "owner": cert.owner,
                "address": cert.address,
            })
        })
        .collect()
}
