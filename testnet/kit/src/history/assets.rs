//! Transactions that issue, move, lock and burn assets.

use std::collections::BTreeSet;

use mvs_consensus::attachment::attenuation::AttenuationModel;
use mvs_primitives::amount::AssetAmount;
use mvs_primitives::attachment::{
    AssetDetail, Cert, CertStatus, CertType, IssueThreshold, Payload,
};
use mvs_primitives::input::OutPoint;
use mvs_primitives::output::Output;
use mvs_primitives::script::{Pattern, Script};
use mvs_primitives::text::{DidName, Symbol, Text};

use super::book::{Held, Issued, Lock};
use super::maker::{Draft, Maker};

/// What every mining certificate of a history says.
pub(super) const MINING_CONTENT: &str = "initial:1000,interval:300,base:0.5";

/// A symbol from text of this generator, which never holds a NUL.
pub(super) fn symbol(text: impl AsRef<[u8]>) -> Symbol {
    Symbol::new(text).expect("there is no NUL")
}

/// How a new asset shows that its issuer may use the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    /// A new domain comes with it.
    NewDomain,
    /// The issuer holds the domain.
    Domain,
    /// The issuer holds the certificate that names the asset.
    Naming,
    /// Nothing: before version 4 nobody asked.
    None,
}

impl Maker<'_> {
    /// Whom a certificate or an asset names: the identity at the address, if there is one.
    pub(super) fn owner_name(&self, person: usize) -> DidName {
        let nobody = || DidName::new("somebody").expect("there is no NUL");
        self.book.homes.get(&person).cloned().unwrap_or_else(nobody)
    }

    pub(super) fn cert(
        &self,
        name: &Symbol,
        cert_type: CertType,
        status: CertStatus,
        person: usize,
    ) -> Output {
        let content =
            cert_type.has_content().then(|| Text::new(MINING_CONTENT).expect("there is no NUL"));
        let who = &self.people[person];
        let address = who.address_text(self.format);
        let owner = self.owner_name(person);
        let cert = Cert::new(name.clone(), owner, address, cert_type, status, content)
            .expect("content is there when the type asks for it");
        self.carry(Payload::Cert(Box::new(cert)), who.pay())
    }

    pub(super) fn put_cert(
        &self,
        draft: &mut Draft,
        name: &Symbol,
        cert_type: CertType,
        status: CertStatus,
        person: usize,
    ) {
        draft.put(self.cert(name, cert_type, status, person), Some(Lock::Key(person)));
    }

    /// Takes a certificate that fits out of the book.
    pub(super) fn take_cert(&mut self, fits: impl Fn(&Cert) -> bool) -> Option<(Held, Cert)> {
        let cert_of = |held: &Held| match &held.output.attachment.payload {
            Payload::Cert(cert) if fits(cert) => Some(Cert::clone(cert)),
            _ => None,
        };
        let (certs, start) = (&self.book.certs, self.rng.index(self.book.certs.len()));
        let found =
            (start..certs.len()).chain(0..start).find(|index| cert_of(&certs[*index]).is_some())?;
        let held = self.book.certs.swap_remove(found);
        let cert = cert_of(&held)?;
        Some((held, cert))
    }

    /// The script of newly issued units: free, or locked by a model of the given type.
    fn issue_script(&mut self, supply: u64, locked: Option<u64>, person: usize) -> Script {
        let who = &self.people[person];
        match locked.map(|kind| self.new_model(kind, supply)) {
            None => who.pay(),
            Some(model) => {
                let point = OutPoint::NULL.to_array();
                Script::pay_key_hash_with_attenuation(model.as_bytes(), &point, who.key_hash())
            }
        }
    }

    /// A model that locks `amount`, all of it, for a few dozen blocks.
    fn new_model(&mut self, kind: u64, amount: u64) -> String {
        let period = self.rng.within(5, 30);
        if kind == 1 {
            let unlocks = self.rng.within(2, 5);
            let blocks = period * unlocks;
            return format!("PN=0;LH={period};TYPE=1;LQ={amount};LP={blocks};UN={unlocks}");
        }
        let second = if kind == 2 { self.rng.within(5, 30) } else { period };
        let first = amount / 3;
        let (blocks, rest) = (period + second, amount - first);
        let rate = if kind == 3 { "IR=8;" } else { "" };
        format!(
            "PN=0;LH={period};TYPE={kind};LQ={amount};LP={blocks};UN=2;{rate}\
             UC={period},{second};UQ={first},{rest}"
        )
    }

    pub(super) fn issue(&mut self, right: Right, locked: Option<u64>) -> Option<()> {
        let threshold = self.rng.pick(&[0, 50, 100, 127]);
        let held_type = match right {
            Right::Domain => Some(CertType::DOMAIN),
            Right::Naming => Some(CertType::NAMING),
            Right::NewDomain | Right::None => None,
        };
        let cert = match held_type {
            None => None,
            Some(wanted) => {
                let issued: BTreeSet<Symbol> = self.book.issued.keys().cloned().collect();
                let is_free = |cert: &Cert| {
                    let kind = cert.cert_type();
                    kind == wanted && (kind == CertType::DOMAIN || !issued.contains(&cert.symbol))
                };
                Some(self.take_cert(is_free)?)
            }
        };
        let version = if right == Right::None { self.rng.pick(&[1, 2]) } else { 4 };
        let Some(mut draft) = self.begin(version) else {
            self.book.certs.extend(cert.map(|(held, _)| held));
            return None;
        };
        let name = self.name();
        let asset = match (right, &cert) {
            (Right::Domain, Some((_, domain))) => symbol(format!("{}.{name}", domain.symbol)),
            (Right::Naming, Some((_, naming))) => naming.symbol.clone(),
            // Version 4 demands upper case, so this form is of its time.
            (Right::None, _) => symbol(name.to_lowercase()),
            _ => symbol(&name),
        };
        let person = self.someone();
        let supply = self.rng.within(1_000, 1_000_000_000);
        let who = &self.people[person];
        let detail = AssetDetail {
            symbol: asset.clone(),
            maximum_supply: AssetAmount::from_units(supply),
            decimal_number: self.rng.within(0, 19) as u8, // below 20
            threshold: IssueThreshold::from_byte(threshold),
            unused: [0; 2],
            issuer: self.owner_name(person),
            address: who.address_text(self.format),
            description: Text::new("made up").expect("there is no NUL"),
        };
        let script = self.issue_script(supply, locked, person);
        let output = self.carry(Payload::AssetDetail(Box::new(detail)), script);
        draft.put(output, Some(Lock::Key(person)));
        let auto = CertStatus::AUTO_ISSUE;
        if threshold != 0 && right != Right::None {
            self.put_cert(&mut draft, &asset, CertType::ISSUE, auto, person);
        }
        match right {
            Right::NewDomain => self.put_cert(&mut draft, &asset, CertType::DOMAIN, auto, person),
            Right::Domain | Right::Naming => {
                let (held, held_cert) = cert?;
                draft.spend(held);
                let (name, kind) = (held_cert.symbol.clone(), held_cert.cert_type());
                self.put_cert(&mut draft, &name, kind, CertStatus::NORMAL, person);
            }
            Right::None => {}
        }
        let issued = Issued { threshold, supply, height: self.height, is_mined: false };
        self.book.fresh_issues.push((asset, issued));
        self.finish(draft);
        Some(())
    }

    /// Issues more of an asset, showing the issue certificate and the demanded share.
    pub(super) fn issue_more(&mut self) -> Option<()> {
        let (held, cert) = self.take_cert(|cert| cert.cert_type() == CertType::ISSUE)?;
        let Some(issued) = self.book.issued.get(&cert.symbol).cloned() else {
            self.book.certs.push(held); // issued by itself, without an asset
            return None;
        };
        // The holder with the largest share shows it.
        let person = held.person()?;
        let is_share = |holding: &Held| {
            holding.person() == Some(person)
                && holding.output.attachment.asset().is_some_and(|(s, _)| *s == cert.symbol)
        };
        let own: u64 = self.book.assets.iter().filter(|held| is_share(held)).map(quantity).sum();
        let needed = u128::from(issued.supply) * u128::from(issued.threshold) / 100 + 1;
        let draft =
            if issued.threshold == 127 || u128::from(own) >= needed.min(issued.supply.into()) {
                self.begin(4)
            } else {
                None
            };
        let Some(mut draft) = draft else {
            self.book.certs.push(held);
            return None;
        };
        draft.spend(held);
        let assets = std::mem::take(&mut self.book.assets);
        let (shown, others): (Vec<Held>, Vec<Held>) = assets.into_iter().partition(is_share);
        self.book.assets = others;
        shown.into_iter().for_each(|held| draft.spend(held));
        let more = self.rng.within(1, 1_000_000);
        let locked = self.rng.chance(20).then_some(1);
        let who = &self.people[person];
        let detail = AssetDetail {
            symbol: cert.symbol.clone(),
            maximum_supply: AssetAmount::from_units(more),
            decimal_number: 8,
            threshold: IssueThreshold::from_byte(issued.threshold).as_secondary(),
            unused: [0; 2],
            issuer: self.owner_name(person),
            address: who.address_text(self.format),
            description: Text::default(),
        };
        let script = self.issue_script(more, locked, person);
        let output = self.carry(Payload::AssetDetail(Box::new(detail)), script);
        draft.put(output, Some(Lock::Key(person)));
        if own > 0 {
            let script = self.people[person].pay();
            draft.put(self.transfer(&cert.symbol, own, script), Some(Lock::Key(person)));
        }
        self.put_cert(&mut draft, &cert.symbol, CertType::ISSUE, CertStatus::NORMAL, person);
        let issued = Issued { supply: issued.supply + more, ..issued };
        self.book.fresh_issues.push((cert.symbol.clone(), issued));
        self.finish(draft);
        Some(())
    }

    /// Moves units of one asset, from one or more holders; some may be burnt or locked.
    pub(super) fn move_asset(&mut self) -> Option<()> {
        let start = self.rng.index(self.book.assets.len());
        let name = self.book.assets.get(start)?.output.attachment.asset()?.0.clone();
        let version = self.rng.pick(&[1, 2, 4, 4]);
        let mut draft = self.begin(version)?;
        draft.spend(self.book.assets.swap_remove(start));
        let same = |held: &Held| held.output.attachment.asset().is_some_and(|(s, _)| *s == name);
        while self.rng.chance(50)
            && let Some(next) = self.book.assets.iter().position(same)
        {
            draft.spend(self.book.assets.swap_remove(next));
        }
        let mut left = draft.asset_units();
        while left > 0 {
            let units = if self.rng.chance(60) { left } else { self.rng.within(1, left) };
            left -= units;
            let person = self.someone();
            let (script, lock) = match self.rng.below(10) {
                0 => (Script::pay_blackhole(), None),
                1 if units >= 10 && version == 4 => {
                    let kind = self.rng.within(1, 3);
                    (self.issue_script(units, Some(kind), person), Some(Lock::Key(person)))
                }
                _ => (self.people[person].pay(), Some(Lock::Key(person))),
            };
            draft.put(self.transfer(&name, units, script), lock);
        }
        if version < 4 && self.rng.chance(10) {
            // Nothing moves here, which only version 4 forbids.
            let person = self.someone();
            let script = self.people[person].pay();
            draft.put(self.transfer(&name, 0, script), None);
        }
        self.finish(draft);
        Some(())
    }

    /// Loses units: nothing is conserved without a transfer output (chain.md 7.10.7, QUIRK).
    pub(super) fn drop_asset(&mut self) -> Option<()> {
        let start = self.rng.index(self.book.assets.len());
        self.book.assets.get(start)?;
        let version = self.rng.pick(&[1, 2, 4]);
        let mut draft = self.begin(version)?;
        draft.spend(self.book.assets.swap_remove(start));
        self.finish(draft);
        Some(())
    }

    /// Takes what a lock has set free so far, or all of it at the end.
    pub(super) fn release(&mut self) -> Option<()> {
        let start = self.rng.index(self.book.locked.len());
        let held = self.book.locked.get(start)?.clone();
        let passed = u64::from(self.height - 1 - held.height);
        let (name, before) = held.output.attachment.asset()?;
        let Pattern::PayKeyHashWithAttenuationModel { model, .. } = held.output.script.pattern()
        else {
            return None;
        };
        let model = AttenuationModel::parse(model).expect("this generator made it");
        let run = if self.rng.chance(70) { passed } else { self.rng.within(0, passed) };
        let release = model.available(before, run).expect("its numbers are sound");
        let rest = before.checked_sub(release.available).expect("no more than there is");
        if let Some(text) = &release.parameter {
            let parsed = AttenuationModel::parse(text).expect("a remainder parses");
            // Of type 3 no part can be taken (chain.md 7.8, QUIRK).
            if parsed.check_running(rest).is_err() {
                return None;
            }
        }
        let person = self.someone();
        let mut draft = self.begin(4)?;
        self.book.locked.swap_remove(start);
        draft.spend(held.clone());
        let who = &self.people[person];
        if let Some(text) = &release.parameter {
            let point = held.outpoint.to_array();
            let script = Script::pay_key_hash_with_attenuation(text, &point, who.key_hash());
            draft.put(self.transfer(name, rest.units(), script), Some(Lock::Key(person)));
        }
        if !release.available.is_zero() {
            let free = self.transfer(name, release.available.units(), who.pay());
            draft.put(free, Some(Lock::Key(person)));
        }
        self.finish(draft);
        Some(())
    }
}

fn quantity(held: &Held) -> u64 {
    held.output.attachment.asset().map_or(0, |(_, quantity)| quantity.units())
}

impl Draft {
    fn asset_units(&self) -> u64 {
        self.inputs().map(quantity).sum()
    }
}
