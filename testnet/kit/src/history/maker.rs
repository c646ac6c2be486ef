//! Makes the transactions of one block.

use mvs_primitives::address::AddressFormat;
use mvs_primitives::amount::{Amount, AssetAmount};
use mvs_primitives::attachment::{AssetTransfer, Attachment, Payload};
use mvs_primitives::input::{Input, OutPoint};
use mvs_primitives::output::Output;
use mvs_primitives::script::Script;
use mvs_primitives::text::Symbol;
use mvs_primitives::transaction::Transaction;

use super::book::{Book, Held, Lock};
use super::rng::Rng;
use crate::people::Person;

/// Least coin that a transaction is begun with: enough for its fee and a little change.
const BEGIN_WITH: u64 = 100_000;
/// The consensus minimum fee (chain.md 6.7); drafts pay it or somewhat more.
pub(super) const MIN_FEE: u64 = 10_000;

/// A transaction in the making: what it spends, what it makes and who can spend that.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) version: u32,
    pub(super) locktime: u32,
    /// With the sequence of each input.
    inputs: Vec<(Held, u32)>,
    outputs: Vec<(Output, Option<Lock>)>,
    /// Who gets the change.
    change: usize,
}

impl Draft {
    pub(super) fn spend(&mut self, held: Held) {
        self.inputs.push((held, Input::FINAL_SEQUENCE));
    }

    pub(super) fn spend_after(&mut self, held: Held, sequence: u32) {
        self.inputs.push((held, sequence));
    }

    pub(super) fn inputs(&self) -> impl Iterator<Item = &Held> {
        self.inputs.iter().map(|(held, _)| held)
    }

    pub(super) fn put(&mut self, output: Output, lock: Option<Lock>) {
        self.outputs.push((output, lock));
    }

    /// Who pays: the owner of the first coin.
    pub(super) const fn payer(&self) -> usize {
        self.change
    }

    /// Coin that comes in and is not given away yet.
    pub(super) fn left(&self) -> u64 {
        let sum = |units: u64, output: &Output| units + output.value.units();
        let inputs = self.inputs.iter().fold(0, |units, (held, _)| sum(units, &held.output));
        let outputs = self.outputs.iter().fold(0, |units, (output, _)| sum(units, output));
        inputs - outputs
    }
}

/// What the transactions of one block are made of.
pub(super) struct Maker<'a> {
    pub(super) people: &'a [Person],
    pub(super) format: &'a AddressFormat,
    pub(super) book: &'a mut Book,
    pub(super) rng: &'a mut Rng,
    /// Height of the block.
    pub(super) height: u32,
    /// Timestamps of the blocks before it, genesis first.
    pub(super) times: &'a [u32],
    /// Median time past.
    pub(super) median: u32,
    pub(super) fees: u64,
    pub(super) done: Vec<Transaction>,
}

impl Maker<'_> {
    pub(super) fn someone(&mut self) -> usize {
        self.rng.index(self.people.len())
    }

    /// Returns a name that no other name of this history equals, of whatever kind. Two histories
    /// that part give the same names, so their branches fight for them.
    pub(super) fn name(&mut self) -> String {
        self.book.names += 1;
        format!("W{}", self.book.names)
    }

    pub(super) fn pay(&self, units: u64, person: usize) -> Output {
        Output::etp(Amount::from_units(units), self.people[person].pay())
    }

    pub(super) fn carry(&self, payload: Payload, script: Script) -> Output {
        Output { value: Amount::ZERO, script, attachment: Attachment::new(payload) }
    }

    pub(super) fn transfer(&self, symbol: &Symbol, units: u64, script: Script) -> Output {
        let quantity = AssetAmount::from_units(units);
        let payload = Payload::AssetTransfer(AssetTransfer { symbol: symbol.clone(), quantity });
        self.carry(payload, script)
    }

    /// Takes a coin with an ordinary lock, of this person if one is named.
    fn take_coin(&mut self, owner: Option<usize>) -> Option<(Held, usize)> {
        let coins = &mut self.book.coins;
        let start = self.rng.index(coins.len());
        let fits = |held: &Held| {
            held.output.value.units() >= BEGIN_WITH
                && held.person().is_some_and(|person| owner.is_none_or(|owner| owner == person))
        };
        let found = (start..coins.len()).chain(0..start).find(|index| fits(&coins[*index]))?;
        let held = coins.swap_remove(found);
        let person = held.person()?;
        Some((held, person))
    }

    /// Begins a transaction with a coin that pays for it.
    pub(super) fn begin(&mut self, version: u32) -> Option<Draft> {
        self.begin_by(version, None)
    }

    /// The same with a coin of one person, who also gets the change.
    pub(super) fn begin_by(&mut self, version: u32, owner: Option<usize>) -> Option<Draft> {
        let (held, person) = self.take_coin(owner)?;
        let inputs = vec![(held, Input::FINAL_SEQUENCE)];
        Some(Draft { version, locktime: 0, inputs, outputs: Vec::new(), change: person })
    }

    /// Adds coin from another input.
    pub(super) fn add_coin(&mut self, draft: &mut Draft) {
        if let Some((held, _)) = self.take_coin(None) {
            draft.spend(held);
        }
    }

    /// Signs a transaction and files what it makes.
    pub(super) fn finish(&mut self, draft: Draft) {
        let held = self.finish_unfiled(draft);
        self.book.fresh.extend(held);
    }

    /// Signs a transaction and returns what it makes.
    pub(super) fn finish_unfiled(&mut self, mut draft: Draft) -> Vec<Held> {
        let left = draft.left();
        let fee = left.min(MIN_FEE + self.rng.below(5_000)).max(MIN_FEE);
        if left > fee {
            let change = self.pay(left - fee, draft.change);
            draft.put(change, Some(Lock::Key(draft.change)));
        }
        self.fees += fee;
        let input = |(held, sequence): &(Held, u32)| Input {
            previous: held.outpoint,
            script: Script::default(),
            sequence: *sequence,
        };
        let mut transaction = Transaction {
            version: draft.version,
            inputs: draft.inputs.iter().map(input).collect(),
            outputs: draft.outputs.iter().map(|(output, _)| output.clone()).collect(),
            locktime: draft.locktime,
        };
        for (index, (held, _)) in draft.inputs.iter().enumerate() {
            let script = held.unlock(self.people, &transaction, index);
            transaction.inputs[index].script = script;
        }
        let txid = transaction.txid();
        self.done.push(transaction);
        let height = self.height;
        (0u32..)
            .zip(draft.outputs)
            .filter_map(|(index, (output, lock))| {
                Some(Held { outpoint: OutPoint::new(txid, index), output, lock: lock?, height })
            })
            .collect()
    }
}
