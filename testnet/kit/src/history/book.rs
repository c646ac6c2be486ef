//! What everybody holds: the generator's own bookkeeping, which asks no rule.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mvs_primitives::attachment::{DidStatus, Payload};
use mvs_primitives::input::OutPoint;
use mvs_primitives::output::Output;
use mvs_primitives::script::{Opcode, PatternKind, Script, ScriptBuilder};
use mvs_primitives::text::{DidName, Symbol};
use mvs_primitives::transaction::Transaction;

use crate::people::Person;

/// Who can spend an output, and how.
#[derive(Debug, Clone)]
pub(super) enum Lock {
    /// Signature and key: the key-hash family.
    Key(usize),
    /// Signature alone.
    PublicKey(usize),
    /// Two signatures.
    Multisig([usize; 2]),
    /// Two signatures and the redeem script.
    ScriptHash([usize; 2], Script),
    /// Whoever knows the data.
    Data([u8; 8]),
}

/// An output that somebody can spend.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) outpoint: OutPoint,
    pub(super) output: Output,
    pub(super) lock: Lock,
    /// Height of its block.
    pub(super) height: u32,
}

impl Held {
    /// The person of an ordinary lock.
    pub(super) const fn person(&self) -> Option<usize> {
        if let Lock::Key(person) = self.lock { Some(person) } else { None }
    }

    pub(super) fn unlock(
        &self,
        people: &[Person],
        transaction: &Transaction,
        input: usize,
    ) -> Script {
        let sign =
            |person: usize, code: &Script| people[person].sign(transaction, input, code.as_bytes());
        let script = &self.output.script;
        let both = |[a, b]: [usize; 2], code: &Script| {
            let zero = ScriptBuilder::new().op(Opcode::PUSH_0);
            zero.push(&sign(a, code)).push(&sign(b, code))
        };
        match &self.lock {
            Lock::Key(person) => people[*person].unlock(transaction, input, script),
            Lock::PublicKey(person) => ScriptBuilder::new().push(&sign(*person, script)).build(),
            Lock::Multisig(signers) => both(*signers, script).build(),
            Lock::ScriptHash(signers, redeem) => {
                both(*signers, redeem).push(redeem.as_bytes()).build()
            }
            Lock::Data(data) => ScriptBuilder::new().push(data).build(),
        }
    }
}

/// An issued asset.
#[derive(Debug, Clone)]
pub(super) struct Issued {
    pub(super) threshold: u8,
    pub(super) supply: u64,
    pub(super) height: u32,
    /// It has a mining certificate.
    pub(super) is_mined: bool,
}

/// All holdings. Lists hold what was there when the block began; what the block makes goes to
/// `fresh` and joins them at its end.
#[derive(Debug, Clone, Default)]
pub(super) struct Book {
    /// Plain coin, spendable.
    pub(super) coins: Vec<Held>,
    pub(super) assets: Vec<Held>,
    /// Assets under an attenuation lock.
    pub(super) locked: Vec<Held>,
    pub(super) certs: Vec<Held>,
    pub(super) dids: Vec<Held>,
    pub(super) mits: Vec<Held>,
    /// Coinbase outputs, oldest first.
    pub(super) immature: VecDeque<Held>,
    pub(super) fresh: Vec<Held>,
    /// The identity at each person's address.
    pub(super) homes: BTreeMap<usize, DidName>,
    /// People whose identity changes in this block.
    pub(super) moving: BTreeSet<usize>,
    pub(super) issued: BTreeMap<Symbol, Issued>,
    pub(super) fresh_issues: Vec<(Symbol, Issued)>,
    /// Assets that coinbases may mint from the next block on.
    pub(super) fresh_mines: Vec<Symbol>,
    pub(super) mines: Vec<Symbol>,
    /// Counts the names given so far.
    pub(super) names: u32,
}

impl Book {
    /// Files what may be spent in the block at `height`.
    pub(super) fn ripen(&mut self, height: u32, maturity: u32) {
        while self.immature.front().is_some_and(|held| height - held.height >= maturity) {
            let held = self.immature.pop_front().expect("there is a first one");
            self.file(held);
        }
    }

    /// Ends the block: what it made is there for the next one.
    pub(super) fn settle(&mut self, people: &[Person]) {
        for held in std::mem::take(&mut self.fresh) {
            if let Payload::Did(did) = &held.output.attachment.payload {
                let person = held.person().expect("identities are at plain addresses");
                debug_assert_eq!(held.output.script, people[person].pay());
                if did.status == DidStatus::Transfer {
                    self.homes.retain(|_, name| *name != did.symbol);
                }
                self.homes.insert(person, did.symbol.clone());
            }
            self.file(held);
        }
        self.moving.clear();
        self.mines.append(&mut self.fresh_mines);
        for (symbol, mut issued) in std::mem::take(&mut self.fresh_issues) {
            issued.is_mined |= self.issued.get(&symbol).is_some_and(|known| known.is_mined);
            self.issued.insert(symbol, issued);
        }
    }

    fn file(&mut self, held: Held) {
        let is_locked =
            || held.output.script.pattern().kind() == PatternKind::PayKeyHashWithAttenuationModel;
        match &held.output.attachment.payload {
            Payload::AssetDetail(_) | Payload::AssetTransfer(_) if is_locked() => {
                self.locked.push(held);
            }
            Payload::AssetDetail(_) | Payload::AssetTransfer(_) => self.assets.push(held),
            Payload::Cert(_) => self.certs.push(held),
            Payload::Did(_) => self.dids.push(held),
            Payload::Mit(_) => self.mits.push(held),
            _ => self.coins.push(held),
        }
    }
}
