//! `CHECKLOCKTIMEVERIFY` and `CHECKSEQUENCEVERIFY` at their edges.

use mvs_primitives::script::Script;

use crate::support::{INDEX, asm, code, transaction, verify_both};

pub(crate) const COVERED: [&str; 4] = [
    "script.locktime_negative",
    "script.locktime_unsatisfied",
    "script.sequence_negative",
    "script.sequence_unsatisfied",
];

fn locktime(operand: &str, locktime: u32, sequence: u32) -> &'static str {
    let mut transaction = transaction(Script::default());
    transaction.locktime = locktime;
    transaction.inputs[INDEX].sequence = sequence;
    let previous = asm(&format!("{operand} checklocktimeverify drop 1"));
    code(verify_both(&transaction, INDEX, &previous))
}

fn sequence(operand: &str, sequence: u32, version: u32) -> &'static str {
    let mut transaction = transaction(Script::default());
    transaction.version = version;
    transaction.inputs[INDEX].sequence = sequence;
    let previous = asm(&format!("{operand} checksequenceverify drop 1"));
    code(verify_both(&transaction, INDEX, &previous))
}

#[test]
fn locktimes() {
    const OPEN: &str = "script.locktime_unsatisfied";
    for (operand, tx_locktime, tx_sequence, expected) in [
        ("100", 100, 0, "ok"),
        ("100", 101, 0, "ok"),
        ("100", 99, 0, OPEN),
        ("100", 100, 0xffff_fffe, "ok"),
        ("100", 100, 0xffff_ffff, OPEN),
        ("zero", 0, 0, "ok"),
        ("-1", 100, 0, "script.locktime_negative"),
        ("[ffffffffff]", 100, 0, "script.locktime_negative"),
        ("[010000000000]", 100, 0, "script.number_size"),
        ("[6400000000]", 100, 0, "ok"), // not in its shortest form
        ("499999999", 499_999_999, 0, "ok"),
        ("499999999", 500_000_000, 0, OPEN),
        ("500000000", 500_000_000, 0, "ok"),
        ("500000000", 499_999_999, 0, OPEN),
        ("4294967295", u32::MAX, 0, "ok"),
        ("4294967296", u32::MAX, 0, OPEN),
        ("2147483648", 0x8000_0000, 0, "ok"),
    ] {
        let found = locktime(operand, tx_locktime, tx_sequence);
        assert_eq!(found, expected, "{operand} {tx_locktime} {tx_sequence:x}");
    }
    assert_eq!(
        code(verify_both(&transaction(asm("")), INDEX, &asm("checklocktimeverify"))),
        "script.stack_underflow"
    );
}

#[test]
fn sequences() {
    const OPEN: &str = "script.sequence_unsatisfied";
    for (operand, tx_sequence, version, expected) in [
        ("10", 10, 2, "ok"),
        ("10", 11, 4, "ok"),
        ("10", 9, 2, OPEN),
        ("10", 10, 1, OPEN),
        ("10", 10, 0, OPEN),
        ("10", 10, u32::MAX, "ok"),
        ("10", 0x8000_000a, 2, OPEN),
        ("10", 0xffff_ffff, 2, OPEN),
        ("10", 0x0040_000a, 2, OPEN),
        ("4194314", 0x0040_000a, 2, "ok"),
        ("4194314", 0x0040_0009, 2, OPEN),
        ("4194314", 10, 2, OPEN),
        // Twenty bits count, on both sides.
        ("1048575", 0x000f_ffff, 2, "ok"),
        ("1048575", 0x000f_fffe, 2, OPEN),
        ("65536", 0xffff, 2, OPEN),
        ("65536", 0x1_0000, 2, "ok"),
        ("1048576", 0, 2, "ok"),
        ("10", 0x0010_0000, 2, OPEN),
        ("10", 0x7fbf_ffff, 2, "ok"),
        // Bit 31 of the operand switches the check off, higher bits are ignored.
        ("2147483648", 0, 1, "ok"),
        ("2147483658", 0xffff_ffff, 0, "ok"),
        ("4294967306", 10, 2, "ok"),
        ("4294967306", 9, 2, OPEN),
        ("-1", 10, 2, "script.sequence_negative"),
        ("[010000000000]", 10, 2, "script.number_size"),
        ("zero", 0, 2, "ok"),
        ("zero", 0, 1, OPEN),
        ("zero", 0x0040_0000, 2, OPEN),
    ] {
        let found = sequence(operand, tx_sequence, version);
        assert_eq!(found, expected, "{operand} {tx_sequence:x} v{version}");
    }
    assert_eq!(
        code(verify_both(&transaction(asm("")), INDEX, &asm("checksequenceverify"))),
        "script.stack_underflow"
    );
}
