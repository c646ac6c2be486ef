//! Coin and assets.

use std::collections::{BTreeMap, BTreeSet};

use mvs_primitives::address::AddressFormat;
use mvs_primitives::attachment::{CertType, MitStatus, Payload};
use mvs_primitives::hash::hash160;
use mvs_primitives::input::OutPoint;
use mvs_primitives::output::Output;
use mvs_primitives::script::{Pattern, PatternKind};
use mvs_primitives::sighash::{SighashType, signature_hash};
use mvs_primitives::transaction::Transaction;
use secp256k1::{Message, PublicKey, ecdsa};

use super::{DEPOSITS, MATURITY, No, Oracle, Place, Unspent, is_null, must};

/// chain.md 6.1.
const MAX_MONEY: u128 = 10_000_000_000_000_000;
/// chain.md 6.7.
const MIN_FEE: u128 = 10_000;

/// The symbol and units of an asset.
pub(super) fn asset(output: &Output) -> Option<(&[u8], u64)> {
    match &output.attachment.payload {
        Payload::AssetDetail(detail) => {
            Some((detail.symbol.as_bytes(), detail.maximum_supply.units()))
        }
        Payload::AssetTransfer(moved) => Some((moved.symbol.as_bytes(), moved.quantity.units())),
        _ => None,
    }
}

/// The lock and the rate of a deposit.
pub(super) fn deposit_of(output: &Output) -> Option<(i64, u64)> {
    let Pattern::PayKeyHashWithLockHeight { lock_height, .. } = output.script.pattern() else {
        return None;
    };
    let mut lock = 0i64;
    for byte in lock_height.iter().rev() {
        lock = lock * 256 + i64::from(*byte);
    }
    DEPOSITS.into_iter().find(|(known, _)| *known == lock)
}

/// The text of an output's address; none reads as the blackhole (chain.md 5.4).
pub(super) fn address(output: &Output) -> Vec<u8> {
    output.script.address_text(&AddressFormat::MAINNET).as_bytes().to_vec()
}

pub(super) fn is_plain(payload: &Payload) -> bool {
    matches!(payload, Payload::Etp | Payload::Message(_))
}

/// chain.md 7.2.4.
pub(super) fn check_values(transaction: &Transaction) -> Result<(), No> {
    let mut sum = 0u128;
    for output in &transaction.outputs {
        sum += u128::from(output.value.units());
        must(sum <= MAX_MONEY, "outputs above the money limit")?;
    }
    Ok(())
}

/// chain.md 3.6, last part.
pub(super) fn check_once_a_block(all: &[Transaction]) -> Result<(), No> {
    let mut seen = BTreeSet::new();
    for output in all.iter().flat_map(|transaction| &transaction.outputs) {
        let mut names = Vec::new();
        match &output.attachment.payload {
            Payload::AssetDetail(detail) if detail.threshold.byte() < 128 => {
                names.push((0, detail.symbol.as_bytes().to_vec()));
            }
            Payload::Cert(cert) => {
                let mut name = cert.cert_type().number().to_le_bytes().to_vec();
                name.extend_from_slice(cert.symbol.as_bytes());
                names.push((1, name));
            }
            Payload::Mit(mit) => names.push((2, mit.symbol.as_bytes().to_vec())),
            Payload::Did(did) => {
                names.push((3, did.symbol.as_bytes().to_vec()));
                names.push((4, address(output)));
            }
            _ => {}
        }
        for name in names {
            must(seen.insert(name), "a name twice in a block")?;
        }
    }
    Ok(())
}

/// What the inputs of a transaction bring.
pub(super) struct Brought<'a> {
    pub(super) all: Vec<&'a Unspent>,
    /// The one name of all assets, items and identities.
    pub(super) name: Option<&'a [u8]>,
    /// The one symbol of all certificates, and their types.
    pub(super) cert_symbol: Option<&'a [u8]>,
    pub(super) cert_types: BTreeSet<u32>,
    pub(super) certs: usize,
}

impl Oracle {
    pub(super) fn judge_at(
        &self,
        tx: &Transaction,
        own: &BTreeMap<OutPoint, Unspent>,
        place: Place,
    ) -> Result<u64, No> {
        // 7.1, 7.2
        must(matches!(tx.version, 0 | 1 | 2 | 4), "version")?;
        must(!tx.inputs.is_empty() && !tx.outputs.is_empty(), "nothing in or out")?;
        let inputs: BTreeSet<_> = tx.inputs.iter().map(|input| input.previous).collect();
        must(inputs.len() == tx.inputs.len(), "an input twice")?;
        must(!inputs.iter().any(is_null), "a null input")?;
        check_values(tx)?;
        for output in &tx.outputs {
            let kind = output.script.pattern().kind();
            must(tx.version < 2 || kind != PatternKind::NonStandard, "script form")?;
            must(kind != PatternKind::PayKeyHashWithSequenceLock, "sequence lock")?;
            let is_deposit = kind == PatternKind::PayKeyHashWithLockHeight;
            must(!is_deposit || deposit_of(output).is_some(), "deposit period")?;
            must(!matches!(output.attachment.payload, Payload::EtpAward { .. }), "an award")?;
            super::names::check_new_name(tx.version, output)?;
            must(tx.version < 4 || super::names::is_valid(output), "attachment")?;
        }
        // 7.10
        let mut brought = Brought {
            all: Vec::new(),
            name: None,
            cert_symbol: None,
            cert_types: BTreeSet::new(),
            certs: 0,
        };
        let height = self.next_height();
        for (index, input) in tx.inputs.iter().enumerate() {
            let found = self.coins.get(&input.previous).or_else(|| own.get(&input.previous));
            let coin = found.ok_or("no such coin")?;
            let from = if place == Place::Pool { height - 1 } else { height };
            must(!coin.is_coinbase || from - coin.height >= MATURITY, "immature")?;
            must(is_signed(tx, index, &coin.output), "not signed by the owner")?;
            take(&mut brought, coin)?;
        }
        self.check_relative_locks(tx, &brought)?;
        let sum = |outputs: &mut dyn Iterator<Item = &Output>| -> u128 {
            outputs.map(|output| u128::from(output.value.units())).sum()
        };
        let (incoming, outgoing) =
            (sum(&mut brought.all.iter().map(|coin| &coin.output)), sum(&mut tx.outputs.iter()));
        must(incoming <= MAX_MONEY, "inputs above the money limit")?;
        must(incoming >= outgoing + MIN_FEE, "coin out of nothing, or no fee")?;

        self.check_issue(tx)?;
        self.check_more(tx, &brought)?;
        check_transfer(tx, &brought)?;
        self.check_certs(tx, &brought)?;
        self.check_items(tx, &brought)?;
        self.check_identities(tx, &brought, place)?;
        u64::try_from(incoming - outgoing).map_err(|_| "a fee of more than there is")
    }

    /// 7.4.
    fn check_relative_locks(&self, tx: &Transaction, brought: &Brought<'_>) -> Result<(), No> {
        if tx.version < 2 {
            return Ok(());
        }
        let height = self.next_height();
        let mut recent: Vec<u32> = self.times.iter().rev().take(11).copied().collect();
        recent.sort_unstable();
        let median = u64::from(recent[recent.len() / 2]);
        for (input, coin) in tx.inputs.iter().zip(&brought.all) {
            if input.sequence >= 1 << 31 {
                continue;
            }
            let value = u64::from(input.sequence % (1 << 20));
            if input.sequence & (1 << 22) == 0 {
                let first = u64::from(coin.height) + value;
                must(u64::from(height) >= first, "relative lock in blocks")?;
            } else if let Some(time) = self.times.get(coin.height as usize) {
                // widening, above
                let first = u64::from(*time) + value * 32;
                must(median >= first, "relative lock in time")?;
            } else {
                // Made in this very block, whose time is not before the median's.
                must(false, "relative lock in time on a coin of the same block")?;
            }
        }
        Ok(())
    }

    /// 7.5.
    fn check_issue(&self, tx: &Transaction) -> Result<(), No> {
        let issue = |output: &&Output| matches!(&output.attachment.payload, Payload::AssetDetail(d) if d.threshold.byte() < 128);
        let issues: Vec<&Output> = tx.outputs.iter().filter(issue).collect();
        let Some(Payload::AssetDetail(detail)) = issues.first().map(|o| &o.attachment.payload)
        else {
            return Ok(());
        };
        must(issues.len() == 1, "two issues")?;
        must(matches!(detail.threshold.byte(), 0..=100 | 127), "threshold")?;
        let symbol = detail.symbol.as_bytes();
        must(!self.assets.contains_key(symbol), "asset exists")?;
        let domain = symbol.split(|byte| *byte == b'.').next().unwrap_or_default();
        let (mut issue_certs, mut domain_certs) = (0, 0);
        let mut has_owner = false;
        // The rules compare with the first symbol and address seen, which may be a certificate's;
        // since all of them must agree in the end, so they must with the asset's.
        let mut asset_seen = false;
        for output in &tx.outputs {
            match &output.attachment.payload {
                Payload::AssetDetail(found) => {
                    must(found.threshold.byte() < 128, "issue and secondary issue at once")?;
                    asset_seen = true;
                }
                payload if is_plain(payload) => {}
                Payload::Cert(cert) => {
                    let same_symbol = cert.symbol.as_bytes() == symbol;
                    match cert.cert_type() {
                        CertType::ISSUE => {
                            issue_certs += 1;
                            must(same_symbol, "issue cert of another asset")?;
                            let home = address(output) == detail.address.as_bytes();
                            must(home, "issue cert of somebody else")?;
                        }
                        CertType::DOMAIN => {
                            domain_certs += 1;
                            let fits = !asset_seen || cert.symbol.as_bytes() == domain;
                            must(fits, "another domain")?;
                            has_owner = !cert.owner.is_empty();
                        }
                        CertType::NAMING => {
                            domain_certs += 1;
                            must(same_symbol, "naming cert of another asset")?;
                            has_owner = !cert.owner.is_empty();
                        }
                        _ => return Err("a cert that does not belong to an issue"),
                    }
                }
                _ => return Err("an output that does not belong to an issue"),
            }
        }
        must(issue_certs <= 1 && domain_certs <= 1, "too many certs")?;
        if tx.version >= 4 {
            let needs_cert = detail.threshold.byte() != 0;
            must(!needs_cert || issue_certs == 1, "issue cert missing")?;
            must(domain.is_empty() || has_owner, "domain missing")?;
        }
        Ok(())
    }

    /// 7.6.
    fn check_more(&self, tx: &Transaction, brought: &Brought<'_>) -> Result<(), No> {
        let more = |output: &&Output| matches!(&output.attachment.payload, Payload::AssetDetail(d) if d.threshold.byte() >= 128);
        let found: Vec<&Output> = tx.outputs.iter().filter(more).collect();
        let Some(Payload::AssetDetail(detail)) = found.first().map(|o| &o.attachment.payload)
        else {
            return Ok(());
        };
        must(found.len() == 1, "two secondary issues")?;
        let percent = detail.threshold.byte() - 128;
        must(matches!(percent, 0..=100 | 127), "threshold")?;
        let (symbol, home) = (detail.symbol.as_bytes(), detail.address.as_bytes());
        let (mut own, mut certs) = (0u128, 0);
        for output in &tx.outputs {
            match &output.attachment.payload {
                Payload::AssetDetail(found) => {
                    must(found.threshold.byte() >= 128, "issue and secondary issue at once")?;
                }
                Payload::AssetTransfer(shown) => {
                    own += u128::from(shown.quantity.units());
                    must(shown.symbol.as_bytes() == symbol, "share of another asset")?;
                    must(address(output) == home, "share of somebody else")?;
                }
                Payload::Cert(cert) => {
                    certs += 1;
                    let fits = cert.cert_type() == CertType::ISSUE;
                    must(fits && cert.symbol.as_bytes() == symbol, "another cert")?;
                }
                payload => must(is_plain(payload), "does not belong to a secondary issue")?,
            }
        }
        must(certs <= 1 && (tx.version < 4 || certs == 1), "issue cert")?;
        let (_, total) = *self.assets.get(symbol).ok_or("no such asset")?;
        let after = total + u128::from(detail.maximum_supply.units());
        must(after < 1 << 64, "supply beyond 64 bits")?;
        if percent != 127 {
            must(percent != 0, "no secondary issue allowed")?;
            let needed = (total as f64 / 100.0 * f64::from(percent)) as u128;
            must(own + 1 >= needed, "share too small")?;
        }
        for coin in &brought.all {
            match &coin.output.attachment.payload {
                Payload::AssetDetail(_) | Payload::AssetTransfer(_) => {
                    must(address(&coin.output) == home, "units of somebody else come in")?;
                }
                Payload::Cert(cert) => {
                    let fits = cert.cert_type() == CertType::ISSUE;
                    must(fits && cert.symbol.as_bytes() == symbol, "another cert comes in")?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// 7.10.2.
fn take<'a>(brought: &mut Brought<'a>, coin: &'a Unspent) -> Result<(), No> {
    let name = match &coin.output.attachment.payload {
        Payload::AssetDetail(_) | Payload::AssetTransfer(_) => {
            let (symbol, _) = asset(&coin.output).expect("it is an asset");
            must(symbol != b"ETP", "an asset called ETP")?;
            Some(symbol)
        }
        Payload::Mit(mit) => Some(mit.symbol.as_bytes()),
        Payload::Did(did) => Some(did.symbol.as_bytes()),
        Payload::Cert(cert) => {
            let symbol = cert.symbol.as_bytes();
            must(brought.cert_symbol.is_none_or(|known| known == symbol), "two cert symbols")?;
            brought.cert_symbol = Some(symbol);
            brought.cert_types.insert(cert.cert_type().number());
            brought.certs += 1;
            None
        }
        _ => None,
    };
    if name.is_some() {
        must(brought.name.is_none_or(|known| Some(known) == name), "two names come in")?;
        brought.name = name;
    }
    brought.all.push(coin);
    Ok(())
}

/// 7.10.7, 7.9.5 and the first part of 7.10.8, without what 7.7 says of certificates.
fn check_transfer(tx: &Transaction, brought: &Brought<'_>) -> Result<(), No> {
    let moves = |output: &Output| matches!(&output.attachment.payload, Payload::AssetTransfer(t) if t.quantity.units() > 0);
    if tx.outputs.iter().any(moves) {
        let (mut incoming, mut outgoing) = (0u128, 0u128);
        for coin in &brought.all {
            incoming += asset(&coin.output).map_or(0, |(_, units)| u128::from(units));
        }
        for output in &tx.outputs {
            match &output.attachment.payload {
                Payload::AssetDetail(_) | Payload::AssetTransfer(_) => {
                    let (symbol, units) = asset(output).expect("it is an asset");
                    must(brought.name == Some(symbol), "another asset goes out")?;
                    let is_more = matches!(&output.attachment.payload,
                        Payload::AssetDetail(d) if d.threshold.byte() >= 128);
                    outgoing += if is_more { 0 } else { u128::from(units) };
                }
                Payload::Cert(_) => {}
                payload => must(is_plain(payload), "does not belong to a transfer")?,
            }
        }
        must(incoming == outgoing, "units out of nothing, or lost")?;
    }
    for output in &tx.outputs {
        if let Payload::Mit(mit) = &output.attachment.payload
            && mit.status == MitStatus::Transfer
        {
            must(brought.name == Some(mit.symbol.as_bytes()), "another item goes out")?;
        }
    }
    Ok(())
}

/// 7.10.4, for the key-hash family; other scripts are not this oracle's matter.
fn is_signed(tx: &Transaction, index: usize, previous: &Output) -> bool {
    let owner = match previous.script.pattern() {
        Pattern::PayKeyHash(owner) => owner,
        // No deposit of a short history has run out, and nobody opens the blackhole.
        Pattern::PayKeyHashWithLockHeight { .. }
        | Pattern::PayBlackholeAddress
        | Pattern::NullData(_) => return false,
        _ => return true,
    };
    let Pattern::SignKeyHash { key } = tx.inputs[index].script.pattern() else { return false };
    let script = tx.inputs[index].script.as_bytes();
    let length = usize::from(script[0]);
    let Some((_, signature)) = script.get(1..=length).and_then(|bytes| bytes.split_last()) else {
        return false;
    };
    let code = previous.script.as_bytes();
    let digest = signature_hash(tx, index, code, SighashType::ALL);
    let key_fits = hash160(key) == *owner;
    let parsed = ecdsa::Signature::from_der(signature).ok().zip(PublicKey::from_slice(key).ok());
    key_fits
        && parsed.is_some_and(|(signature, key)| {
            ecdsa::verify(&signature, Message::from_digest(digest), &key).is_ok()
        })
}
