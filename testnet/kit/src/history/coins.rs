//! Transactions that move coin.

use mvs_primitives::amount::Amount;
use mvs_primitives::attachment::{Attachment, AttachmentVersion, Payload};
use mvs_primitives::hash::{hash160, sha256};
use mvs_primitives::output::Output;
use mvs_primitives::script::{Opcode, Script, ScriptBuilder};
use mvs_primitives::text::{DidName, Text};

use super::book::{Held, Lock};
use super::maker::{Draft, MIN_FEE, Maker};

/// Bit of a sequence that counts time (BIP-0068), in units of 2^5 seconds (chain.md 4.4).
const TIME_BIT: u32 = 1 << 22;
const TIME_SHIFT: u32 = 5;
const VALUE_MASK: u32 = 0x000f_ffff;

impl Maker<'_> {
    fn any_version(&mut self) -> u32 {
        self.rng.pick(&[1, 2, 4, 4])
    }

    /// A part of what is left, never so much that the fee is missing.
    fn part(&mut self, draft: &Draft) -> u64 {
        let spare = draft.left().saturating_sub(50_000);
        self.rng.within(1, (spare / 2).max(1))
    }

    fn give(&mut self, draft: &mut Draft) {
        let (units, person) = (self.part(draft), self.someone());
        draft.put(self.pay(units, person), Some(Lock::Key(person)));
    }

    pub(super) fn payment(&mut self) -> Option<()> {
        let version = self.any_version();
        let mut draft = self.begin(version)?;
        for _ in 0..self.rng.below(3) {
            self.add_coin(&mut draft);
        }
        for _ in 0..self.rng.within(1, 2) {
            self.give(&mut draft);
        }
        if version < 4 && self.rng.chance(10) {
            draft.locktime = self.rng.below(1_000) as u32; // below 1,000
        }
        self.finish(draft);
        Some(())
    }

    pub(super) fn fan_out(&mut self) -> Option<()> {
        let version = self.any_version();
        let mut draft = self.begin(version)?;
        let count = self.rng.within(4, 10);
        // What is left over must pay the fee, from the smallest coin as well.
        let left = draft.left();
        let each = (left / (count + 1)).min(left.saturating_sub(MIN_FEE) / count);
        for _ in 0..count {
            let person = self.someone();
            draft.put(self.pay(each, person), Some(Lock::Key(person)));
        }
        self.finish(draft);
        Some(())
    }

    /// Two payments in one block, the second of which spends the first, in either order.
    pub(super) fn chained(&mut self) -> Option<()> {
        let version = self.any_version();
        let mut first = self.begin(version)?;
        let (units, person) = (self.part(&first).max(60_000), self.someone());
        if first.left() < units + 20_000 {
            self.finish(first);
            return Some(());
        }
        first.put(self.pay(units, person), Some(Lock::Key(person)));
        let mut made = self.finish_unfiled(first);
        let mut second = self.begin(version)?;
        second.spend(made.remove(0));
        self.book.fresh.extend(made);
        self.give(&mut second);
        self.finish(second);
        if self.rng.chance(50)
            && let [.., a, b] = self.done.as_mut_slice()
        {
            std::mem::swap(a, b);
        }
        Some(())
    }

    /// Outputs that need something else than a signature and a key.
    pub(super) fn pay_script(&mut self) -> Option<()> {
        let [a, b, c] = [self.someone(), self.someone(), self.someone()];
        let keys = [a, b, c].map(|person| *self.people[person].key());
        let redeem = Script::pay_multisig(2, &keys).expect("two of three");
        let data = self.rng.next_u64().to_le_bytes();
        let kind = self.rng.below(4);
        let (script, lock) = match kind {
            0 => {
                let script = Script::pay_script_hash(&hash160(redeem.as_bytes()));
                (script, Lock::ScriptHash([a, b], redeem))
            }
            1 => (redeem, Lock::Multisig([b, c])),
            2 => (Script::pay_public_key(&keys[0]), Lock::PublicKey(a)),
            // No standard pattern: only versions 0 and 1 may make it.
            _ => {
                let digest = sha256(&data);
                let builder = ScriptBuilder::new().op(Opcode::SHA256).push(&digest);
                (builder.op(Opcode::EQUAL).build(), Lock::Data(data))
            }
        };
        let version = if kind == 3 { self.rng.pick(&[0, 1]) } else { self.any_version() };
        let mut draft = self.begin(version)?;
        let units = self.part(&draft);
        draft.put(Output::etp(Amount::from_units(units), script), Some(lock));
        self.finish(draft);
        Some(())
    }

    pub(super) fn spend_script(&mut self) -> Option<()> {
        // Coins with an ordinary lock pay for transactions, so the place is looked up afterwards.
        let place = |held: &Held| held.person().is_none();
        self.book.coins.iter().find(|held| place(held))?;
        let version = self.any_version();
        let mut draft = self.begin(version)?;
        let found = self.book.coins.iter().position(place)?;
        draft.spend(self.book.coins.swap_remove(found));
        self.finish(draft);
        Some(())
    }

    pub(super) fn message(&mut self) -> Option<()> {
        let version = self.any_version();
        let mut draft = self.begin(version)?;
        let text = "no news ".repeat(self.rng.within(1, 31) as usize); // at most 248 bytes
        if self.rng.chance(30) {
            let script = Script::null_data(b"a note").expect("it is short");
            draft.put(Output::etp(Amount::ZERO, script), None);
        }
        let person = self.someone();
        let payload = Payload::Message(Text::new(text).expect("there is no NUL"));
        let output = self.carry(payload, self.people[person].pay());
        draft.put(output, Some(Lock::Key(person)));
        self.finish(draft);
        Some(())
    }

    /// Burns coin.
    pub(super) fn burn(&mut self) -> Option<()> {
        let version = self.any_version();
        let mut draft = self.begin(version)?;
        let units = self.rng.within(1, 20_000);
        draft.put(Output::etp(Amount::from_units(units), Script::pay_blackhole()), None);
        self.finish(draft);
        Some(())
    }

    /// Relative locks that have just, or long, run out.
    pub(super) fn relative(&mut self) -> Option<()> {
        let version = self.rng.pick(&[2, 4]);
        let mut draft = self.begin(version)?;
        let found = self.book.coins.iter().position(|held| held.person().is_some());
        if let Some(found) = found {
            let held = self.book.coins.swap_remove(found);
            let age = self.height - held.height;
            let created = self.times[held.height as usize]; // widening
            let sequence = if self.rng.chance(50) && self.median >= created {
                let units = (self.median - created) >> TIME_SHIFT;
                TIME_BIT | (self.rng.within(0, u64::from(units)) as u32 & VALUE_MASK)
            } else {
                self.rng.within(0, u64::from(age)) as u32 // at most the age
            };
            draft.spend_after(held, sequence);
        }
        self.give(&mut draft);
        self.finish(draft);
        Some(())
    }

    /// A deposit; its reward comes with the block's coinbases.
    pub(super) fn deposit(&mut self, lock_heights: &[u32]) -> Option<()> {
        let version = self.any_version();
        let mut draft = self.begin(version)?;
        let (units, person) = (self.part(&draft) / 4 + 1, self.someone());
        let lock = self.rng.pick(lock_heights);
        let script = Script::pay_key_hash_with_lock_height(lock, self.people[person].key_hash());
        draft.put(Output::etp(Amount::from_units(units), script), None);
        self.finish(draft);
        Some(())
    }

    /// A payment that names identities (attachment version 207).
    pub(super) fn bound(&mut self) -> Option<()> {
        let homes: Vec<(usize, DidName)> =
            self.book.homes.iter().map(|(person, name)| (*person, name.clone())).collect();
        let (to, to_name) = homes.get(self.rng.index(homes.len()))?.clone();
        let version = self.any_version();
        let mut draft = self.begin(version)?;
        let payer = self.book.homes.get(&draft.payer());
        let from_name = payer.cloned().unwrap_or_default();
        let units = self.rng.within(1, 20_000);
        let mut output = self.pay(units, to);
        output.attachment = Attachment {
            version: AttachmentVersion::bound(to_name, from_name),
            payload: Payload::Etp,
        };
        draft.put(output, Some(Lock::Key(to)));
        self.finish(draft);
        Some(())
    }
}
