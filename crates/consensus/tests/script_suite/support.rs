//! Transactions to run scripts in, and a small assembler.

use mvs_consensus::script::{
    CacheUse, InputContext, ScriptError, collect_input, verify_checks, verify_input,
};
use mvs_primitives::amount::Amount;
use mvs_primitives::hash::TxId;
use mvs_primitives::input::{Input, OutPoint};
use mvs_primitives::output::Output;
use mvs_primitives::script::{Opcode, Script, ScriptBuilder};
use mvs_primitives::sighash::{SighashType, signature_hash};
use mvs_primitives::transaction::Transaction;
use secp256k1::{Message, PublicKey, SecretKey, ecdsa};

/// A transaction of two inputs and two outputs; the second input is the one under test.
pub(crate) fn transaction(input_script: Script) -> Transaction {
    let input = |byte, script| Input {
        previous: OutPoint::new(TxId::from_bytes([byte; 32]), u32::from(byte)),
        script,
        sequence: 10,
    };
    Transaction {
        version: 2,
        inputs: vec![input(1, Script::default()), input(2, input_script)],
        outputs: vec![
            Output::etp(Amount::from_units(5), Script::pay_key_hash(&[1; 20])),
            Output::etp(Amount::from_units(6), Script::pay_key_hash(&[2; 20])),
        ],
        locktime: 1000,
    }
}

pub(crate) const INDEX: usize = 1;

/// Stands in for the model parser.
pub(crate) fn is_model(text: &[u8]) -> bool {
    text.starts_with(b"PN=") && text.contains(&b';')
}

/// Verifies an input in both ways, which must agree.
pub(crate) fn verify_both(
    transaction: &Transaction,
    index: usize,
    previous: &Script,
) -> Result<(), ScriptError> {
    let input = InputContext::new(transaction, index, previous, is_model).unwrap();
    let verdict = verify_input(&input, CacheUse::Off);
    let mut checks = Vec::new();
    match collect_input(&input, &mut checks, CacheUse::Off) {
        Ok(()) if verify_checks(&checks, CacheUse::Off).is_none() => assert_eq!(verdict, Ok(())),
        Ok(()) => {} // the exact run tells, and that is the verdict above
        Err(error) => {
            assert_eq!(verdict, Err(error));
            assert!(checks.is_empty());
        }
    }
    verdict
}

/// Runs an input script and a previous script; returns the code of the failure, or "ok".
pub(crate) fn run(input_script: &Script, previous: &Script) -> &'static str {
    code(verify_both(&transaction(input_script.clone()), INDEX, previous))
}

pub(crate) fn code(verdict: Result<(), ScriptError>) -> &'static str {
    verdict.map_or_else(|error| error.code(), |()| "ok")
}

/// Assembles words: operations by name, decimal numbers, `[hex]` pushes and `0xhex` raw bytes.
pub(crate) fn asm(text: &str) -> Script {
    let mut builder = ScriptBuilder::new();
    for word in text.split_whitespace() {
        let named = (0..=u8::MAX).map(Opcode::new).find(|op| op.to_string() == word);
        builder = if let Some(raw) = word.strip_prefix("0x") {
            hex::decode(raw).unwrap().into_iter().fold(builder, |b, byte| b.op(Opcode::new(byte)))
        } else if let Some(data) = word.strip_prefix('[') {
            builder.push(&hex::decode(data.strip_suffix(']').unwrap()).unwrap())
        } else if let Some(op) = named {
            builder.op(op)
        } else {
            builder.push_number(word.parse().unwrap_or_else(|_| panic!("word {word}")))
        };
    }
    builder.build()
}

pub(crate) fn secret(seed: u8) -> SecretKey {
    SecretKey::from_secret_bytes([seed; 32]).unwrap()
}

pub(crate) fn key(seed: u8) -> Vec<u8> {
    PublicKey::from_secret_key(&secret(seed)).serialize().to_vec()
}

/// Signs the input under test. Input scripts are not signed, so any transaction of the same shape
/// will do.
pub(crate) fn sign(seed: u8, script_code: &Script, sighash_type: u8) -> Vec<u8> {
    let sighash = signature_hash(
        &transaction(Script::default()),
        INDEX,
        script_code.as_bytes(),
        SighashType::from_byte(sighash_type),
    );
    let signature = ecdsa::sign(Message::from_digest(sighash), &secret(seed));
    let mut bytes = signature.serialize_der().to_vec();
    bytes.push(sighash_type);
    bytes
}

/// Makes an input script of pushes.
pub(crate) fn pushes(items: &[&[u8]]) -> Script {
    items.iter().fold(ScriptBuilder::new(), |builder, item| builder.push(item)).build()
}
