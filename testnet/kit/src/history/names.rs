//! Transactions about certificates, identities and unique items.

use mvs_primitives::attachment::{CertStatus, CertType, Did, DidStatus, Mit, MitStatus, Payload};
use mvs_primitives::symbol::domain;
use mvs_primitives::text::{DidName, MitSymbol, Symbol, Text};

use super::assets::symbol;
use super::book::Lock;
use super::maker::Maker;

/// A type that anybody may define (chain.md 3.3).
const CUSTOM: CertType = CertType::from_number(0x8000_0123);

impl Maker<'_> {
    /// Issues a certificate by itself.
    pub(super) fn issue_cert(&mut self) -> Option<()> {
        let kinds = [
            CertType::ISSUE,
            CertType::DOMAIN,
            CertType::MINING,
            CertType::MARRIAGE,
            CertType::KYC,
            CUSTOM,
        ];
        let kind = self.rng.pick(&kinds);
        let name = symbol(self.name());
        self.issue_cert_of(&name, kind)
    }

    fn issue_cert_of(&mut self, name: &Symbol, kind: CertType) -> Option<()> {
        let version = self.rng.pick(&[1, 2, 4, 4]);
        let mut draft = self.begin(version)?;
        let person = self.someone();
        self.put_cert(&mut draft, name, kind, CertStatus::ISSUE, person);
        self.finish(draft);
        Some(())
    }

    /// Gives an asset its mining certificate.
    pub(super) fn allow_mining(&mut self) -> Option<()> {
        let mut free = self.book.issued.iter().filter(|(_, issued)| !issued.is_mined);
        let name = free.next()?.0.clone();
        self.issue_cert_of(&name, CertType::MINING)?;
        if let Some(issued) = self.book.issued.get_mut(&name) {
            issued.is_mined = true;
        }
        // Blocks may mint from the next one on; the lookup in this block would come too early.
        self.book.fresh_mines.push(name);
        Some(())
    }

    /// Issues a naming certificate under a domain, whose certificate is passed on.
    pub(super) fn issue_naming(&mut self) -> Option<()> {
        let homes: Vec<usize> = self.book.homes.keys().copied().collect();
        let person = *homes.get(self.rng.index(homes.len()))?;
        let (held, cert) = self.take_cert(|cert| cert.cert_type() == CertType::DOMAIN)?;
        let Some(mut draft) = self.begin(4) else {
            self.book.certs.push(held);
            return None;
        };
        draft.spend(held);
        let name = symbol(format!("{}.{}", cert.symbol, self.name()));
        debug_assert_eq!(domain(name.as_bytes()), cert.symbol.as_bytes());
        self.put_cert(&mut draft, &name, CertType::NAMING, CertStatus::ISSUE, person);
        let passed_on = CertStatus::NORMAL;
        self.put_cert(&mut draft, &cert.symbol, CertType::DOMAIN, passed_on, person);
        self.finish(draft);
        Some(())
    }

    pub(super) fn move_cert(&mut self) -> Option<()> {
        let start = self.rng.index(self.book.certs.len());
        let held = self.book.certs.get(start)?.clone();
        let Payload::Cert(cert) = &held.output.attachment.payload else { return None };
        let version = self.rng.pick(&[1, 2, 4]);
        let mut draft = self.begin(version)?;
        self.book.certs.swap_remove(start);
        draft.spend(held.clone());
        let person = self.someone();
        let (name, kind) = (cert.symbol.clone(), cert.cert_type());
        self.put_cert(&mut draft, &name, kind, CertStatus::TRANSFER, person);
        self.finish(draft);
        Some(())
    }

    pub(super) fn register_did(&mut self) -> Option<()> {
        let person = self.someone();
        if self.book.homes.contains_key(&person) || !self.book.moving.insert(person) {
            return None;
        }
        let version = self.rng.pick(&[1, 2, 4]);
        let mut draft = self.begin_by(version, Some(person))?;
        let name = DidName::new(format!("person_{}", self.name())).expect("there is no NUL");
        let did = self.did(DidStatus::Register, name, person);
        draft.put(self.carry(did, self.people[person].pay()), Some(Lock::Key(person)));
        self.finish(draft);
        Some(())
    }

    fn did(&self, status: DidStatus, symbol: DidName, person: usize) -> Payload {
        let address = self.people[person].address_text(self.format);
        Payload::Did(Box::new(Did { status, symbol, address }))
    }

    pub(super) fn move_did(&mut self) -> Option<()> {
        let start = self.rng.index(self.book.dids.len());
        let held = self.book.dids.get(start)?.clone();
        let Payload::Did(did) = &held.output.attachment.payload else { return None };
        let (from, to) = (held.person()?, self.someone());
        let is_busy = |person| self.book.moving.contains(&person);
        if self.book.homes.contains_key(&to) || is_busy(from) || is_busy(to) {
            return None;
        }
        let version = self.rng.pick(&[1, 2, 4]);
        let mut draft = self.begin_by(version, Some(to))?;
        self.book.moving.extend([from, to]);
        self.book.dids.swap_remove(start);
        draft.spend(held.clone());
        let payload = self.did(DidStatus::Transfer, did.symbol.clone(), to);
        draft.put(self.carry(payload, self.people[to].pay()), Some(Lock::Key(to)));
        self.finish(draft);
        Some(())
    }

    fn mit(&self, status: MitStatus, symbol: MitSymbol, person: usize) -> Payload {
        let address = self.people[person].address_text(self.format);
        Payload::Mit(Box::new(Mit { status, symbol, address }))
    }

    /// Registers one or more unique items. All coin must be of one address.
    pub(super) fn register_mit(&mut self) -> Option<()> {
        let version = self.rng.pick(&[1, 2, 4]);
        let mut draft = self.begin(version)?;
        let person = draft.payer();
        for _ in 0..self.rng.within(1, 3) {
            let name = MitSymbol::new(format!("item-{}", self.name())).expect("there is no NUL");
            let length = self.rng.within(0, 200) as usize; // at most 200
            let content = Text::new("c".repeat(length)).expect("there is no NUL");
            let payload = self.mit(MitStatus::Register { content }, name, person);
            draft.put(self.carry(payload, self.people[person].pay()), Some(Lock::Key(person)));
        }
        self.finish(draft);
        Some(())
    }

    pub(super) fn move_mit(&mut self) -> Option<()> {
        let start = self.rng.index(self.book.mits.len());
        let held = self.book.mits.get(start)?.clone();
        let Payload::Mit(mit) = &held.output.attachment.payload else { return None };
        let version = self.rng.pick(&[1, 2, 4]);
        let mut draft = self.begin(version)?;
        self.book.mits.swap_remove(start);
        draft.spend(held.clone());
        let person = self.someone();
        let payload = self.mit(MitStatus::Transfer, mit.symbol.clone(), person);
        draft.put(self.carry(payload, self.people[person].pay()), Some(Lock::Key(person)));
        self.finish(draft);
        Some(())
    }
}
