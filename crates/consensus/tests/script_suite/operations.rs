//! Every operation: what it does, when it fails, and how many items it needs.

use mvs_consensus::script::ScriptError;
use mvs_primitives::script::{Opcode, Script, ScriptBuilder};

use crate::support::{asm, run};

/// Input script, previous script, outcome.
const CASES: &[(&str, &str, &str)] = &[
    // Pushes and truth.
    ("1", "nop", "ok"),
    ("", "1", "ok"),
    ("", "", "script.eval_false"),
    ("", "zero", "script.eval_false"),
    ("[00]", "", "script.eval_false"),
    ("[80]", "", "script.eval_false"),
    ("[0000000080]", "", "script.eval_false"),
    ("[8000]", "", "ok"),
    ("[0100]", "", "ok"),
    ("-1", "", "ok"),
    ("-1", "[81] equal", "ok"),
    ("1 16", "[10] equalverify [01] equal", "ok"),
    ("0x4c0107", "[07] equal", "ok"),
    ("0x4d010007", "[07] equal", "ok"),
    ("0x4e0100000007", "[07] equal", "ok"),
    ("1", "0x0201", "script.truncated_push"),
    ("0x4c", "1", "script.truncated_push"),
    ("1", "0x4d01", "script.truncated_push"),
    ("1", "0x4effffffff00", "script.truncated_push"),
    ("1", "zero if 0x05 endif", "script.truncated_push"),
    ("1", "return 0x05", "script.op_return"),
    // The input script runs on its own: conditionals and the other stack do not carry over.
    ("1 if", "endif 1", "script.unbalanced_conditional"),
    ("1 toaltstack", "fromaltstack", "script.alt_stack_underflow"),
    ("1 return", "1", "script.op_return"),
    // No operation.
    ("1", "nop1 nop5 0xb5 0xb6 0xb7 0xb8 nop10", "ok"),
    ("1", "0xba", "script.bad_opcode"),
    ("1", "0xbb", "script.bad_opcode"),
    ("1", "0xff", "script.bad_opcode"),
    ("1", "zero if 0xba 0xff endif", "ok"),
    ("1", "reserved", "script.bad_opcode"),
    ("1", "ver", "script.bad_opcode"),
    ("1", "reserved1", "script.bad_opcode"),
    ("1", "reserved2", "script.bad_opcode"),
    ("1", "zero if reserved ver reserved1 reserved2 endif", "ok"),
    ("1", "zero if verif endif", "script.bad_opcode"),
    ("1", "zero if vernotif endif", "script.bad_opcode"),
    ("1", "verif", "script.bad_opcode"),
    // Flow.
    ("1", "if 2 else zero endif", "ok"),
    ("zero", "if zero else 2 endif", "ok"),
    ("zero", "notif 2 else zero endif", "ok"),
    ("1", "notif zero else 2 endif", "ok"),
    ("[0200]", "if 1 else zero endif", "ok"),
    ("[0080]", "if zero else 1 endif", "ok"),
    ("1", "if 1 else zero else 2 endif 2 equalverify", "ok"),
    ("1", "zero if 1 if zero verify else zero verify endif else 1 endif", "ok"),
    ("1", "if 1", "script.unbalanced_conditional"),
    ("1", "else 1", "script.unbalanced_conditional"),
    ("1", "endif 1", "script.unbalanced_conditional"),
    ("", "if 1 endif", "script.stack_underflow"),
    ("", "notif 1 endif", "script.stack_underflow"),
    ("1", "zero if if endif endif", "ok"),
    ("1", "1 verify", "ok"),
    ("1", "zero verify", "script.verify"),
    ("", "verify", "script.stack_underflow"),
    ("1", "zero if return endif", "ok"),
    // Stacks.
    ("1 2", "toaltstack zero fromaltstack 2 equalverify zero equalverify", "ok"),
    ("", "toaltstack", "script.stack_underflow"),
    ("1", "fromaltstack", "script.alt_stack_underflow"),
    ("1 2 3", "2drop 1 equal", "ok"),
    ("1", "2drop", "script.stack_underflow"),
    ("1 2", "2dup 2 equalverify 1 equalverify 2 equalverify 1 equal", "ok"),
    ("1", "2dup", "script.stack_underflow"),
    ("1 2 3", "3dup 3 equalverify 2 equalverify 1 equalverify depth 3 equal", "ok"),
    ("1 2", "3dup", "script.stack_underflow"),
    ("1 2 3 4", "2over 2 equalverify 1 equalverify depth 4 equal", "ok"),
    ("1 2 3", "2over", "script.stack_underflow"),
    ("1 2 3 4 5 6", "2rot 2 equalverify 1 equalverify 6 equalverify depth 3 equal", "ok"),
    ("1 2 3 4 5", "2rot", "script.stack_underflow"),
    ("1 2 3 4", "2swap 2 equalverify 1 equalverify 4 equalverify 3 equal", "ok"),
    ("1 2 3", "2swap", "script.stack_underflow"),
    ("2", "ifdup equal", "ok"),
    ("zero", "ifdup depth 1 equal", "ok"),
    ("", "ifdup", "script.stack_underflow"),
    ("", "depth zero equal", "ok"),
    ("1 1", "drop depth 1 equalverify", "ok"),
    ("", "drop", "script.stack_underflow"),
    ("7", "dup equal", "ok"),
    ("", "dup", "script.stack_underflow"),
    ("1 2", "nip 2 equalverify depth zero equal", "ok"),
    ("1", "nip", "script.stack_underflow"),
    ("1 2", "over 1 equalverify depth 2 equal", "ok"),
    ("1", "over", "script.stack_underflow"),
    ("5 6 7", "2 pick 5 equalverify depth 3 equal", "ok"),
    ("5 6 7", "zero pick 7 equal", "ok"),
    ("5 6 7", "3 pick", "script.stack_underflow"),
    ("5 6 7", "-1 pick", "script.stack_underflow"),
    ("1", "pick", "script.stack_underflow"),
    ("5 6 7", "2 roll 5 equalverify 7 equalverify 6 equal", "ok"),
    ("5 6 7", "3 roll", "script.stack_underflow"),
    ("5 6 7", "-1 roll", "script.stack_underflow"),
    ("1", "roll", "script.stack_underflow"),
    ("5 6", "[0100000000] pick", "script.number_size"),
    ("1 2 3", "rot 1 equalverify 3 equalverify 2 equal", "ok"),
    ("1 2", "rot", "script.stack_underflow"),
    ("1 2", "swap 1 equalverify 2 equal", "ok"),
    ("1", "swap", "script.stack_underflow"),
    ("1 2", "tuck 2 equalverify 1 equalverify 2 equal", "ok"),
    ("1", "tuck", "script.stack_underflow"),
    ("[070707]", "size 3 equalverify [070707] equal", "ok"),
    ("zero", "size zero equalverify", "script.eval_false"),
    ("", "size", "script.stack_underflow"),
    // Comparison of bytes.
    ("[0100]", "1 equal", "script.eval_false"),
    ("1", "equal", "script.stack_underflow"),
    ("1", "1 2 equalverify", "script.equal_verify"),
    ("1", "equalverify", "script.stack_underflow"),
    // Numbers.
    ("1", "1add 2 equal", "ok"),
    ("", "1add", "script.stack_underflow"),
    ("zero", "1sub -1 equal", "ok"),
    ("", "1sub", "script.stack_underflow"),
    ("5", "negate -5 equal", "ok"),
    ("[80]", "negate zero equal", "ok"),
    ("", "negate", "script.stack_underflow"),
    ("-5", "abs 5 equal", "ok"),
    ("", "abs", "script.stack_underflow"),
    ("zero", "not", "ok"),
    ("[0080]", "not", "ok"),
    ("2", "not", "script.eval_false"),
    ("", "not", "script.stack_underflow"),
    ("-7", "0notequal 1 equal", "ok"),
    ("zero", "0notequal", "script.eval_false"),
    ("", "0notequal", "script.stack_underflow"),
    ("2 3", "add 5 equal", "ok"),
    ("2147483647 2147483647", "add 4294967294 equal", "ok"),
    ("2147483647 2147483647", "add 1add", "script.number_size"),
    ("[0200000000]", "not", "script.number_size"),
    ("[02000000]", "2 numequal", "ok"),
    ("2", "add", "script.stack_underflow"),
    ("2 3", "sub -1 equal", "ok"),
    ("2", "sub", "script.stack_underflow"),
    ("1 2", "booland", "ok"),
    ("zero 2", "booland", "script.eval_false"),
    ("1", "booland", "script.stack_underflow"),
    ("zero 2", "boolor", "ok"),
    ("zero [80]", "boolor", "script.eval_false"),
    ("1", "boolor", "script.stack_underflow"),
    ("[0100] 1", "numequal", "ok"),
    ("2 1", "numequal", "script.eval_false"),
    ("1", "numequal", "script.stack_underflow"),
    ("1 2 2", "numequalverify", "ok"),
    ("1 2 3", "numequalverify", "script.num_equal_verify"),
    ("1", "numequalverify", "script.stack_underflow"),
    ("1 2", "numnotequal", "ok"),
    ("1 1", "numnotequal", "script.eval_false"),
    ("1", "numnotequal", "script.stack_underflow"),
    ("-1 zero", "lessthan", "ok"),
    ("1 1", "lessthan", "script.eval_false"),
    ("1", "lessthan", "script.stack_underflow"),
    ("1 zero", "greaterthan", "ok"),
    ("1 1", "greaterthan", "script.eval_false"),
    ("1", "greaterthan", "script.stack_underflow"),
    ("1 1", "lessthanorequal", "ok"),
    ("2 1", "lessthanorequal", "script.eval_false"),
    ("1", "lessthanorequal", "script.stack_underflow"),
    ("1 1", "greaterthanorequal", "ok"),
    ("zero 1", "greaterthanorequal", "script.eval_false"),
    ("1", "greaterthanorequal", "script.stack_underflow"),
    ("3 -2", "min -2 equal", "ok"),
    ("1", "min", "script.stack_underflow"),
    ("3 -2", "max 3 equal", "ok"),
    ("1", "max", "script.stack_underflow"),
    ("1 1 2", "within", "ok"),
    ("2 1 2", "within", "script.eval_false"),
    ("zero 1 2", "within", "script.eval_false"),
    ("1 2", "within", "script.stack_underflow"),
    // Hashes.
    ("zero", "ripemd160 [9c1185a5c5e9fc54612808977ee8f548b2258d31] equal", "ok"),
    ("", "ripemd160", "script.stack_underflow"),
    ("zero", "sha1 [da39a3ee5e6b4b0d3255bfef95601890afd80709] equal", "ok"),
    ("", "sha1", "script.stack_underflow"),
    (
        "zero",
        "sha256 [e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855] equal",
        "ok",
    ),
    ("", "sha256", "script.stack_underflow"),
    ("zero", "nop hash160 [b472a266d0bd89c13706a4132ccfb16f7c3b9fcb] equal", "ok"),
    ("", "hash160", "script.stack_underflow"),
    (
        "zero",
        "hash256 [5df6e0e2761359d30a8275058e299fcc0381534545f55cf43e41983f5d4c9456] equal",
        "ok",
    ),
    ("", "hash256", "script.stack_underflow"),
    // Signatures (more in signatures.rs).
    ("1", "codeseparator", "ok"),
    ("1", "checksig", "script.stack_underflow"),
    ("1", "checksigverify", "script.stack_underflow"),
    ("zero zero", "checksig not", "ok"),
    ("1 zero zero", "checksigverify", "script.check_sig_verify"),
    ("1 [07]", "checksig", "script.sig_der"),
    ("1 [07] [02]", "checksig", "script.sig_der"),
    ("", "checkmultisig", "script.stack_underflow"),
    ("zero", "checkmultisig", "script.stack_underflow"),
    ("zero zero", "checkmultisig", "script.stack_underflow"),
    ("zero zero zero", "checkmultisig", "ok"),
    ("1 zero zero zero", "checkmultisigverify", "ok"),
    ("zero zero 1 zero 1", "checkmultisig not", "ok"),
    ("zero zero 1 zero 1", "checkmultisigverify", "script.check_multisig_verify"),
    ("zero [07] 1 zero 1", "checkmultisig", "script.sig_der"),
    ("zero zero -1", "checkmultisig", "script.key_count"),
    ("zero 1 1 1", "checkmultisig", "script.stack_underflow"),
    ("zero -1 zero", "checkmultisig", "script.sig_count"),
    ("zero 1 zero", "checkmultisig", "script.sig_count"),
    ("zero zero 2 zero 1", "checkmultisig", "script.sig_count"),
    ("zero zero [0000000000]", "checkmultisig", "script.number_size"),
    ("zero [0000000000] zero", "checkmultisig", "script.number_size"),
    // Models of locked assets: both items go.
    ("1 [504e3d303b] [00]", "checkattenuationverify depth 1 equalverify", "ok"),
    ("1 [00] [504e3d303b]", "checkattenuationverify", "script.attenuation_model"),
    ("1 zero zero", "checkattenuationverify", "script.attenuation_model"),
    ("[504e3d303b]", "checkattenuationverify", "script.stack_underflow"),
    ("1", "zero if checkattenuationverify endif", "ok"),
];

#[test]
fn each_operation() {
    for (input, previous, expected) in CASES {
        // "1 equalverify" style cases end with an empty stack on purpose only where so expected.
        let found = run(&asm(input), &asm(previous));
        assert_eq!(found, *expected, "{input} / {previous}");
    }
}

#[test]
fn disabled_operations_fail_where_they_are_not_executed() {
    let disabled = [
        "cat", "substr", "left", "right", "invert", "and", "or", "xor", "2mul", "2div", "mul",
        "div", "mod", "lshift", "rshift",
    ];
    for word in disabled {
        let skipped = format!("zero if {word} endif");
        for previous in [word, &skipped] {
            assert_eq!(run(&asm("1 1"), &asm(previous)), "script.disabled_opcode", "{previous}");
        }
    }
}

#[test]
fn script_hash_spends() {
    let previous_of = |redeem: &Script| {
        Script::pay_script_hash(&mvs_primitives::hash::hash160(redeem.as_bytes()))
    };
    let spend = |input: &str, redeem: &str| {
        let redeem = asm(redeem);
        let builder = ScriptBuilder::new().push(redeem.as_bytes()).build();
        let input = [asm(input).as_bytes(), builder.as_bytes()].concat();
        run(&Script::from_bytes(input), &previous_of(&redeem))
    };
    assert_eq!(spend("", "1"), "ok");
    assert_eq!(spend("2 3", "add 5 equal"), "ok");
    assert_eq!(spend("", ""), "script.eval_false");
    assert_eq!(spend("1", ""), "ok");
    assert_eq!(spend("", "zero"), "script.eval_false");
    assert_eq!(spend("", "0x05"), "script.truncated_push");
    assert_eq!(spend("nop", "1"), "script.input_not_push_only");
    assert_eq!(spend("1 drop", "1"), "script.input_not_push_only");
    assert_eq!(spend("", "return"), "script.op_return");
    // A wrong redeem script fails before it is run.
    assert_eq!(run(&asm("[6a]"), &previous_of(&asm("1"))), "script.eval_false");
    assert_eq!(run(&asm(""), &previous_of(&asm("1"))), "script.stack_underflow");
    // The last item counts, also when it is a number; and not below another script hash.
    let number = ScriptBuilder::new().op(Opcode::OP_1).build();
    let hash_of_number = Script::pay_script_hash(&mvs_primitives::hash::hash160(&[1]));
    assert_eq!(run(&number, &hash_of_number), "script.truncated_push"); // 0x01 is a cut push
    let inner = previous_of(&asm("return"));
    assert_eq!(spend("[6a]", &format!("0x{}", hex::encode(inner.as_bytes()))), "ok");
    // Any other form of the three operations is no script hash.
    let hash = mvs_primitives::hash::hash160(asm("return").as_bytes());
    let long = format!("hash160 0x4c14{} equal", hex::encode(hash));
    assert_eq!(run(&asm("[6a]"), &asm(&long)), "ok");
}

#[test]
fn every_error_has_a_case() {
    let mut covered: Vec<&str> = CASES.iter().map(|(_, _, outcome)| *outcome).collect();
    covered.extend(["script.disabled_opcode", "script.input_not_push_only"]); // above
    covered.extend(crate::limits::COVERED);
    covered.extend(crate::locks::COVERED);
    for code in ScriptError::CODES {
        assert!(covered.contains(code), "{code} has no case");
    }
    assert_eq!(ScriptError::CODES.len(), 27);
}
