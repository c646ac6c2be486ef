//! Names: certificates, identities, unique items, and what may be called how.

use mvs_primitives::address::{Address, AddressFormat};
use mvs_primitives::attachment::{Cert, CertStatus, CertType, DidStatus, MitStatus, Payload};
use mvs_primitives::output::Output;
use mvs_primitives::symbol::SENSITIVE_WORDS;
use mvs_primitives::transaction::Transaction;

use super::rules::{Brought, address, is_plain};
use super::{No, Oracle, Place, must};

/// chain.md 7.2.5 and 3.6.
pub(super) fn check_new_name(version: u32, output: &Output) -> Result<(), No> {
    let (name, more, upper_only, words) = match &output.attachment.payload {
        Payload::AssetDetail(detail) if detail.threshold.byte() < 128 => {
            (detail.symbol.as_bytes(), "", version >= 4, version >= 4)
        }
        Payload::Cert(cert) => (cert.symbol.as_bytes(), "", version >= 4, version >= 4),
        Payload::Did(did) if did.status == DidStatus::Register => {
            (did.symbol.as_bytes(), "@_-", false, true)
        }
        Payload::Mit(mit) if matches!(mit.status, MitStatus::Register { .. }) => {
            (mit.symbol.as_bytes(), "@_-", false, true)
        }
        _ => return Ok(()),
    };
    must((1..=64).contains(&name.len()), "length of a name")?;
    let text = std::str::from_utf8(name).map_err(|_| "bytes of a name")?;
    for letter in text.chars() {
        let fits = letter.is_ascii_alphanumeric() || letter == '.' || more.contains(letter);
        must(fits, "letter of a name")?;
        must(!upper_only || !letter.is_ascii_lowercase(), "lower case in a name")?;
    }
    let upper = text.to_uppercase();
    let has_word = SENSITIVE_WORDS.iter().any(|word| upper.contains(word));
    must(!words || !has_word, "a word in a name")?;
    let is_did = matches!(output.attachment.payload, Payload::Did(_));
    let is_address = Address::parse(text, &AddressFormat::MAINNET).is_ok();
    must(!is_did || !is_address, "an address for a name")
}

/// chain.md 3.5.
pub(super) fn is_valid(output: &Output) -> bool {
    match &output.attachment.payload {
        Payload::Etp | Payload::EtpAward { .. } => true,
        Payload::AssetDetail(d) => {
            let creates = d.maximum_supply.units() != 0 || d.threshold.byte() >= 128;
            let length = d.symbol.len() + d.issuer.len() + d.address.len() + d.description.len();
            !d.symbol.is_empty() && creates && length + 16 <= 268
        }
        Payload::AssetTransfer(t) => (1..=63).contains(&t.symbol.len()) && t.quantity.units() != 0,
        Payload::Message(text) => (1..=252).contains(&text.len()),
        Payload::Did(did) => {
            !did.symbol.is_empty() && did.symbol.len() + did.address.len() + 2 <= 128
        }
        Payload::Cert(cert) => {
            let (content, most) = cert.content().map_or((0, 197), |c| (c.len() + 1, 261));
            let length = cert.symbol.len() + cert.owner.len() + cert.address.len() + 3 + 5;
            !cert.symbol.is_empty()
                && !cert.owner.is_empty()
                && cert.cert_type().number() != 0
                && length + content <= most
        }
        Payload::Mit(mit) => {
            let length = mit.symbol.len() + mit.address.len() + 3;
            let fits = match &mit.status {
                MitStatus::Register { content } => length + content.wire_len() <= 385,
                MitStatus::Transfer => length <= 129,
                MitStatus::Other(_) => false,
            };
            !mit.symbol.is_empty() && !mit.address.is_empty() && fits
        }
        _ => false,
    }
}

fn certs(tx: &Transaction) -> Vec<&Cert> {
    let mut found = Vec::new();
    for output in &tx.outputs {
        if let Payload::Cert(cert) = &output.attachment.payload {
            found.push(&**cert);
        }
    }
    found
}

fn domain(symbol: &[u8]) -> &[u8] {
    let end = symbol.iter().position(|byte| *byte == b'.').unwrap_or(symbol.len());
    &symbol[..end]
}

impl Oracle {
    /// 7.7.
    pub(super) fn check_certs(&self, tx: &Transaction, brought: &Brought<'_>) -> Result<(), No> {
        let certs = certs(tx);
        if certs.is_empty() {
            return Ok(());
        }
        let with = |status| certs.iter().filter(|cert| cert.status == status).count();
        let issues = with(CertStatus::ISSUE);
        let transfers = with(CertStatus::TRANSFER);
        if issues + transfers > 0 {
            must(issues + transfers == 1, "two certs at once")?;
            self.check_single_cert(tx)?;
        }
        // B
        let mut types = std::collections::BTreeSet::new();
        for cert in &certs {
            let kind = cert.cert_type();
            must(types.insert(kind.number()) || kind == CertType::WITNESS, "a cert type twice")?;
            let symbol = cert.symbol.as_bytes();
            let is_passed_on = !matches!(cert.status.byte(), 1 | 3);
            if brought.cert_types.contains(&CertType::DOMAIN.number()) && kind == CertType::NAMING {
                must(brought.cert_symbol == Some(domain(symbol)), "name outside the domain")?;
            } else if is_passed_on {
                must(brought.cert_symbol == Some(symbol), "another cert goes out")?;
            }
            if is_passed_on {
                must(brought.cert_types.contains(&kind.number()), "a cert from nowhere")?;
            }
        }
        let is_asset = |output: &Output| super::rules::asset(output).is_some();
        let has_issue = tx.outputs.iter().any(|output| {
            matches!(&output.attachment.payload, Payload::AssetDetail(d) if d.threshold.byte() < 128)
        });
        let has_asset = tx.outputs.iter().any(is_asset);
        for output in &tx.outputs {
            let payload = &output.attachment.payload;
            let fits = matches!(payload, Payload::Cert(_)) || is_asset(output) || is_plain(payload);
            must(fits, "does not belong beside a cert")?;
        }
        must(issues + transfers == 0 || !has_asset, "cert and asset")?;
        must(with(CertStatus::AUTO_ISSUE) == 0 || has_issue, "a cert along with nothing")?;
        must(transfers == 0 || (brought.certs == 1 && certs.len() == 1), "one in, one out")?;
        must(brought.cert_types.iter().all(|kind| types.contains(kind)), "a cert is lost")
    }

    /// 7.7 A.
    fn check_single_cert(&self, tx: &Transaction) -> Result<(), No> {
        let mut issued: Option<&Cert> = None;
        let mut domains = Vec::new();
        for output in &tx.outputs {
            let Payload::Cert(cert) = &output.attachment.payload else {
                must(is_plain(&output.attachment.payload), "does not belong beside a cert")?;
                continue;
            };
            match cert.status.byte() {
                1 => {
                    let key = (cert.symbol.as_bytes().to_vec(), cert.cert_type().number());
                    must(!self.certs.contains_key(&key), "cert exists")?;
                    issued = Some(cert);
                }
                2 => {}
                _ => {
                    let is_domain = cert.cert_type() == CertType::DOMAIN;
                    let for_name = issued.is_some_and(|c| c.cert_type() == CertType::NAMING);
                    must(is_domain && for_name, "another cert alongside")?;
                    let home = self.homes.get(cert.owner.as_bytes());
                    must(home.map(Vec::as_slice) == Some(cert.address.as_bytes()), "owner")?;
                    domains.push(cert.symbol.as_bytes());
                }
            }
        }
        must(domains.len() <= 1, "two domains")?;
        let Some(cert) = issued else { return Ok(()) };
        must(cert.cert_type().number() != 0, "a cert of no type")?;
        // Nobody has a primary witness certificate below the stake height.
        must(cert.cert_type() != CertType::WITNESS, "no primary witness")?;
        let needs = cert.cert_type() == CertType::NAMING;
        must(!needs || domains == [domain(cert.symbol.as_bytes())], "no domain")
    }

    /// 7.9.
    pub(super) fn check_items(&self, tx: &Transaction, brought: &Brought<'_>) -> Result<(), No> {
        let (mut new, mut moved, mut last) = (0, 0, None);
        let mut common: Option<Vec<u8>> = None;
        let is_item = |output: &Output| matches!(output.attachment.payload, Payload::Mit(_));
        if !tx.outputs.iter().any(is_item) {
            return Ok(());
        }
        for output in &tx.outputs {
            match &output.attachment.payload {
                Payload::Mit(mit) => {
                    // chain.md 3.6: no block may hold an item twice, so no transaction may.
                    let same = |output: &&Output| {
                        matches!(&output.attachment.payload,
                            Payload::Mit(other) if other.symbol == mit.symbol)
                    };
                    let times = tx.outputs.iter().filter(same).count();
                    must(times == 1, "an item stands twice")?;
                    last = Some(mit.symbol.as_bytes());
                    match mit.status.byte() {
                        1 => {
                            new += 1;
                            let home = mit.address.as_bytes().to_vec();
                            must(common.get_or_insert(home.clone()) == &home, "two addresses")?;
                            must(!self.items.contains(mit.symbol.as_bytes()), "item exists")?;
                        }
                        2 => moved += 1,
                        _ => return must(false, "an item of another status"),
                    }
                }
                Payload::Etp => {
                    let home = address(output);
                    must(common.get_or_insert(home.clone()) == &home, "coin elsewhere")?;
                }
                Payload::Message(_) => {}
                _ => return Err("does not belong beside an item"),
            }
        }
        must((new > 0 && moved == 0) || (new == 0 && moved == 1), "form of an item operation")?;
        let mut came = false;
        for coin in &brought.all {
            match &coin.output.attachment.payload {
                Payload::Etp => must(Some(address(&coin.output)) == common, "coin of another")?,
                Payload::Mit(mit) => {
                    came = true;
                    must(Some(mit.symbol.as_bytes()) == last, "another item comes in")?;
                }
                _ => {}
            }
        }
        must(moved == 0 || came, "no item comes in")
    }

    /// 7.11 and the last part of 7.10.8.
    pub(super) fn check_identities(
        &self,
        tx: &Transaction,
        brought: &Brought<'_>,
        place: Place,
    ) -> Result<(), No> {
        let lives_at = |name: &[u8], home: &[u8]| self.homes.get(name).is_some_and(|h| h == home);
        let mut identities = 0;
        let mut moves = false;
        for output in &tx.outputs {
            let home = address(output);
            let payload = &output.attachment.payload;
            let (named, owner) = match payload {
                Payload::AssetDetail(d) => (Some(d.address.as_bytes()), Some(d.issuer.as_bytes())),
                Payload::Cert(c) => (Some(c.address.as_bytes()), Some(c.owner.as_bytes())),
                Payload::Mit(m) => (Some(m.address.as_bytes()), None),
                Payload::Did(d) => (Some(d.address.as_bytes()), None),
                _ => (None, None),
            };
            must(named.is_none_or(|named| named == home), "another address is named")?;
            if let Some(binding) = output.attachment.version.binding() {
                let (to, from) = (binding.to_did.as_bytes(), binding.from_did.as_bytes());
                must(to.is_empty() || lives_at(to, &home), "receiver lives elsewhere")?;
                let pays = |name| brought.all.iter().any(|c| lives_at(name, &address(&c.output)));
                must(from.is_empty() || pays(from), "sender does not pay")?;
                must(owner.is_none_or(|owner| owner == to), "another owner is named")?;
            }
            let Payload::Did(did) = payload else { continue };
            identities += 1;
            let known = self.homes.get(did.symbol.as_bytes());
            let guest = self.guests.get(&home);
            let is_home = guest.is_some_and(|name| self.homes.get(name) == Some(&home));
            must(!is_home, "the address has an identity")?;
            let pays = brought.all.iter().any(|coin| {
                matches!(coin.output.attachment.payload, Payload::Etp)
                    && address(&coin.output) == home
            });
            must(pays, "the new address pays nothing")?;
            if did.status == DidStatus::Register {
                // 3.6: a block may register the name that every node knows from the start.
                let is_preset = did.symbol.as_bytes() == b"BLACKHOLE" && place == Place::Block;
                must(known.is_none() || is_preset, "identity exists")?;
            } else {
                moves = true;
                let comes = brought.all.iter().any(|coin| {
                    matches!(&coin.output.attachment.payload, Payload::Did(d) if d.symbol == did.symbol)
                });
                must(comes && brought.all.len() == 2, "inputs of an identity transfer")?;
            }
        }
        must(identities <= 1, "two identities")?;
        if moves {
            for output in &tx.outputs {
                let payload = &output.attachment.payload;
                let fits = is_plain(payload) || matches!(payload, Payload::Did(_));
                must(fits, "does not belong beside an identity transfer")?;
            }
        }
        Ok(())
    }

    pub(super) fn record_names(&mut self, output: &Output, height: u32) {
        match &output.attachment.payload {
            Payload::AssetDetail(detail) => {
                let entry = self.assets.entry(detail.symbol.as_bytes().to_vec());
                entry.or_insert((height, 0)).1 += u128::from(detail.maximum_supply.units());
            }
            Payload::Cert(cert) if matches!(cert.status.byte(), 1 | 3) => {
                let key = (cert.symbol.as_bytes().to_vec(), cert.cert_type().number());
                let content = cert.content().map(|text| text.as_bytes().to_vec());
                self.certs.insert(key, content.unwrap_or_default());
            }
            Payload::Did(did) => {
                let name = did.symbol.as_bytes().to_vec();
                self.homes.insert(name.clone(), address(output));
                self.guests.insert(address(output), name);
            }
            Payload::Mit(mit) => {
                self.items.insert(mit.symbol.as_bytes().to_vec());
            }
            _ => {}
        }
    }
}
