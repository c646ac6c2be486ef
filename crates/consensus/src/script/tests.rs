//! Bitcoin Core's script tests, which need signatures over Bitcoin's own transaction format.

use mvs_primitives::amount::Amount;
use mvs_primitives::encode::Encode;
use mvs_primitives::hash::{TxId, sha256d};
use mvs_primitives::input::{Input, OutPoint};
use mvs_primitives::output::Output;
use mvs_primitives::script::{Instruction, Instructions, Opcode, Script};
use mvs_primitives::sighash::SighashType;
use mvs_primitives::transaction::Transaction;

use super::{CacheUse, InputContext, collect_input, verify_checks, verify_input};

const CASES: &str = include_str!("../../tests/data/script/core_script_tests.json");

/// Writes Core's two transactions: one that pays the script, one that spends it. They have one
/// input and one output, and no attachments.
fn bitcoin_transaction(previous: &OutPoint, input_script: &[u8], output: Option<&[u8]>) -> Vec<u8> {
    // An encoded script is its bytes after their length.
    let var_bytes = |bytes: &[u8]| Script::from_bytes(bytes).to_bytes();
    let mut bytes = vec![1, 0, 0, 0, 1];
    bytes.extend(previous.to_array());
    bytes.extend(var_bytes(input_script));
    bytes.extend([0xff; 4]);
    match output {
        Some(script) => {
            bytes.extend([1, 0, 0, 0, 0, 0, 0, 0, 0]);
            bytes.extend(var_bytes(script));
        }
        None => bytes.push(0),
    }
    bytes.extend([0; 4]);
    bytes
}

/// Bitcoin's signature hash for such a transaction; for its only input and output.
fn bitcoin_hash(
    transaction: &Transaction,
    index: usize,
    script_code: &[u8],
    sighash_type: SighashType,
) -> [u8; 32] {
    assert_eq!(index, 0);
    let mut code = Vec::new();
    let mut start = 0;
    let mut instructions = Instructions::new(script_code);
    while let Some(instruction) = instructions.next() {
        let end = instructions.position();
        if instruction != Ok(Instruction::Op(Opcode::CODESEPARATOR)) {
            code.extend_from_slice(&script_code[start..end]);
        }
        start = end;
    }
    // SINGLE covers the only output, like ALL; ANYONECANPAY covers the only input.
    let output = (sighash_type.byte() & 0x1f != 2).then_some(&[][..]);
    let mut bytes = bitcoin_transaction(&transaction.inputs[0].previous, &code, output);
    bytes.extend(u32::from(sighash_type.byte()).to_le_bytes());
    sha256d(&bytes)
}

/// The name that Core has for a failure.
fn core_name(code: &str) -> &str {
    match code {
        "script.eval_false" => "EVAL_FALSE",
        "script.script_size" => "SCRIPT_SIZE",
        "script.push_size" => "PUSH_SIZE",
        "script.op_count" => "OP_COUNT",
        "script.stack_size" => "STACK_SIZE",
        "script.disabled_opcode" => "DISABLED_OPCODE",
        "script.truncated_push" | "script.bad_opcode" => "BAD_OPCODE",
        "script.stack_underflow" => "INVALID_STACK_OPERATION",
        "script.alt_stack_underflow" => "INVALID_ALTSTACK_OPERATION",
        "script.unbalanced_conditional" => "UNBALANCED_CONDITIONAL",
        "script.op_return" => "OP_RETURN",
        "script.verify" => "VERIFY",
        "script.equal_verify" => "EQUALVERIFY",
        "script.num_equal_verify" => "NUMEQUALVERIFY",
        "script.check_sig_verify" => "CHECKSIGVERIFY",
        "script.check_multisig_verify" => "CHECKMULTISIGVERIFY",
        "script.number_size" => "SCRIPTNUM",
        "script.key_count" => "PUBKEY_COUNT",
        "script.sig_count" => "SIG_COUNT",
        "script.sig_der" => "SIG_DER",
        "script.input_not_push_only" => "SIG_PUSHONLY",
        "script.locktime_negative" | "script.sequence_negative" => "NEGATIVE_LOCKTIME",
        "script.locktime_unsatisfied" | "script.sequence_unsatisfied" => "UNSATISFIED_LOCKTIME",
        other => other,
    }
}

#[test]
fn bitcoin_core_script_tests() {
    let cases: Vec<[String; 4]> = serde_json::from_str(CASES).unwrap();
    assert!(cases.len() > 1000);
    for [input_script, previous_script, expected, comment] in &cases {
        let input_script = hex::decode(input_script).unwrap();
        let previous = Script::from_bytes(hex::decode(previous_script).unwrap());
        let paying = bitcoin_transaction(&OutPoint::NULL, &[0, 0], Some(previous.as_bytes()));
        let transaction = Transaction {
            version: 1,
            inputs: vec![Input {
                previous: OutPoint::new(TxId::from_bytes(sha256d(&paying)), 0),
                script: Script::from_bytes(input_script),
                sequence: u32::MAX,
            }],
            outputs: vec![Output::etp(Amount::ZERO, Script::default())],
            locktime: 0,
        };
        let mut input = InputContext::new(&transaction, 0, &previous, |_| false).unwrap();
        input.signature_hash = bitcoin_hash;

        let verdict = verify_input(&input, CacheUse::Off);
        let name = verdict.map_or_else(|error| core_name(error.code()), |()| "OK");
        let context = format!("{} / {previous}: {comment}", transaction.inputs[0].script);
        if expected == "FAIL" {
            assert!(verdict.is_err(), "{context}");
        } else {
            assert_eq!(name, expected, "{context}");
        }

        let mut checks = Vec::new();
        let deferred = collect_input(&input, &mut checks, CacheUse::Off);
        if deferred.is_err() || verify_checks(&checks, CacheUse::Off).is_none() {
            assert_eq!(deferred, verdict, "{context}");
        }
    }
}
