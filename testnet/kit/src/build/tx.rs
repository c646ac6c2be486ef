//! Transactions with real signatures.

use mvs_primitives::amount::Amount;
use mvs_primitives::input::{Input, OutPoint};
use mvs_primitives::output::Output;
use mvs_primitives::script::{Opcode, Pattern, Script, ScriptBuilder};
use mvs_primitives::sighash::{SighashType, signature_hash};
use mvs_primitives::transaction::Transaction;

use super::person::Person;

/// The least fee of every network, in units (chain.md 6.7).
pub const MIN_FEE: u64 = 10_000;

/// How an input is unlocked.
#[derive(Debug, Clone)]
enum Unlock {
    /// As the script of the output asks, by the person whom it pays.
    Owner,
    /// By a script that is given.
    Given(Script),
    /// As a multisig, by a redeem script and these people.
    Multisig(Script, Vec<Person>),
}

#[derive(Debug, Clone)]
struct DraftInput {
    previous: OutPoint,
    sequence: u32,
    unlock: Unlock,
}

/// A transaction before it is signed.
#[derive(Debug, Clone)]
pub struct TxDraft {
    version: u32,
    inputs: Vec<DraftInput>,
    outputs: Vec<Output>,
    locktime: u32,
    /// Where the rest goes, and the fee that it leaves.
    rest: Option<(Script, u64)>,
}

impl TxDraft {
    /// Starts a transaction.
    pub const fn new(version: u32) -> Self {
        Self { version, inputs: Vec::new(), outputs: Vec::new(), locktime: 0, rest: None }
    }

    fn input(mut self, previous: OutPoint, sequence: u32, unlock: Unlock) -> Self {
        self.inputs.push(DraftInput { previous, sequence, unlock });
        self
    }

    /// Spends an output as its owner.
    #[must_use]
    pub fn spend(self, previous: OutPoint) -> Self {
        self.input(previous, Input::FINAL_SEQUENCE, Unlock::Owner)
    }

    /// Spends an output as its owner, with a sequence.
    #[must_use]
    pub fn spend_at(self, previous: OutPoint, sequence: u32) -> Self {
        self.input(previous, sequence, Unlock::Owner)
    }

    /// Spends an output with an input script that is given.
    #[must_use]
    pub fn spend_with(self, previous: OutPoint, script: Script) -> Self {
        self.input(previous, Input::FINAL_SEQUENCE, Unlock::Given(script))
    }

    /// The same with a sequence.
    #[must_use]
    pub fn spend_with_at(self, previous: OutPoint, script: Script, sequence: u32) -> Self {
        self.input(previous, sequence, Unlock::Given(script))
    }

    /// Spends a multisig output that pays to the hash of a script.
    #[must_use]
    pub fn spend_multisig(self, previous: OutPoint, redeem: Script, signers: &[Person]) -> Self {
        let unlock = Unlock::Multisig(redeem, signers.to_vec());
        self.input(previous, Input::FINAL_SEQUENCE, unlock)
    }

    /// Adds an output.
    #[must_use]
    pub fn pay(mut self, output: Output) -> Self {
        self.outputs.push(output);
        self
    }

    /// Adds outputs.
    #[must_use]
    pub fn pay_all(mut self, outputs: impl IntoIterator<Item = Output>) -> Self {
        self.outputs.extend(outputs);
        self
    }

    /// Sends what the inputs hold beyond the other outputs and the least fee to somebody.
    #[must_use]
    pub fn rest(self, to: Person) -> Self {
        self.rest_but(to, MIN_FEE)
    }

    /// Sends what the inputs hold beyond the other outputs and a fee to somebody.
    #[must_use]
    pub fn rest_but(mut self, to: Person, fee: u64) -> Self {
        self.rest = Some((to.script(), fee));
        self
    }

    /// Sets the lock time.
    #[must_use]
    pub const fn locktime(mut self, locktime: u32) -> Self {
        self.locktime = locktime;
        self
    }

    /// Adds the rest and signs. `find` gives the outputs that inputs name; an input whose output is
    /// not known stays unsigned.
    ///
    /// # Panics
    /// When the inputs do not hold what the outputs and the fee need.
    pub fn sign(mut self, find: &dyn Fn(&OutPoint) -> Option<Output>) -> Transaction {
        let spent: Vec<_> = self.inputs.iter().map(|input| find(&input.previous)).collect();
        if let Some((script, fee)) = self.rest.take() {
            let units = |output: &Output| output.value.units();
            let inputs: u64 = spent.iter().flatten().map(units).sum();
            let outputs: u64 = self.outputs.iter().map(units).sum();
            let rest = inputs.checked_sub(outputs + fee).expect("the inputs hold enough");
            self.outputs.push(Output::etp(Amount::from_units(rest), script));
        }
        let inputs = self.inputs.iter().map(|input| Input {
            previous: input.previous,
            script: Script::default(),
            sequence: input.sequence,
        });
        let (version, locktime) = (self.version, self.locktime);
        let mut transaction =
            Transaction { version, inputs: inputs.collect(), outputs: self.outputs, locktime };
        for (index, (input, spent)) in self.inputs.iter().zip(&spent).enumerate() {
            let script = match &input.unlock {
                Unlock::Given(script) => script.clone(),
                Unlock::Multisig(redeem, signers) => {
                    sign_multisig(&transaction, index, redeem, signers)
                }
                Unlock::Owner => spent
                    .as_ref()
                    .map(|spent| sign_owner(&transaction, index, &spent.script))
                    .unwrap_or_default(),
            };
            transaction.inputs[index].script = script;
        }
        transaction
    }
}

/// Signs an input with SIGHASH_ALL.
pub fn sign_input(transaction: &Transaction, index: usize, code: &Script, by: Person) -> Vec<u8> {
    let digest = signature_hash(transaction, index, code.as_bytes(), SighashType::ALL);
    let mut signature = by.sign(digest).serialize_der().to_vec();
    signature.push(SighashType::ALL.byte());
    signature
}

/// Unlocks an output of the families that pay one key. An output that pays nobody we know, and one
/// that needs no key, gets an empty script.
fn sign_owner(transaction: &Transaction, index: usize, script: &Script) -> Script {
    let (hash, lock_height) = match script.pattern() {
        Pattern::PayKeyHashWithLockHeight { lock_height, key_hash } => {
            (key_hash, Some(lock_height))
        }
        Pattern::PayKeyHash(key_hash)
        | Pattern::PayKeyHashWithSequenceLock { key_hash, .. }
        | Pattern::PayKeyHashWithAttenuationModel { key_hash, .. } => (key_hash, None),
        _ => return Script::default(),
    };
    let Some(owner) = Person::of_key_hash(hash) else { return Script::default() };
    let signature = sign_input(transaction, index, script, owner);
    let builder = ScriptBuilder::new().push(&signature).push(&owner.key());
    match lock_height {
        Some(lock_height) => builder.push(lock_height).build(),
        None => builder.build(),
    }
}

fn sign_multisig(
    transaction: &Transaction,
    index: usize,
    redeem: &Script,
    signers: &[Person],
) -> Script {
    let builder = ScriptBuilder::new().op(Opcode::PUSH_0);
    let signed = signers.iter().fold(builder, |builder, signer| {
        builder.push(&sign_input(transaction, index, redeem, *signer))
    });
    signed.push(redeem.as_bytes()).build()
}
