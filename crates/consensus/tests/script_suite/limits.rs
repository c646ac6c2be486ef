//! Both sides of each limit.

use mvs_primitives::script::{Opcode, Script, ScriptBuilder};

use crate::support::{asm, run};

pub(crate) const COVERED: [&str; 5] = [
    "script.script_size",
    "script.push_size",
    "script.op_count",
    "script.stack_size",
    "script.key_count",
];

fn repeat(opcode: Opcode, count: usize) -> Vec<u8> {
    vec![opcode.byte(); count]
}

fn script(parts: &[&[u8]]) -> Script {
    Script::from_bytes(parts.concat())
}

#[test]
fn operations() {
    let one = asm("1");
    assert_eq!(run(&one, &script(&[&repeat(Opcode::NOP, 201)])), "ok");
    assert_eq!(run(&one, &script(&[&repeat(Opcode::NOP, 202)])), "script.op_count");
    // Those that are not executed count; each script counts for itself; pushes are free.
    let skipped = |nops| script(&[&[0x00, 0x63], &repeat(Opcode::NOP, nops), &[0x68]]);
    assert_eq!(run(&one, &skipped(199)), "ok");
    assert_eq!(run(&one, &skipped(200)), "script.op_count");
    let input = script(&[&[0x51], &repeat(Opcode::NOP, 201)]);
    assert_eq!(run(&input, &script(&[&repeat(Opcode::NOP, 201)])), "ok");
    let pushes = script(&[&repeat(Opcode::OP_1, 500), &repeat(Opcode::NOP, 201)]);
    assert_eq!(run(&one, &pushes), "ok");
    let reserved = script(&[&[0x00, 0x63], &repeat(Opcode::RESERVED, 300), &[0x68]]);
    assert_eq!(run(&one, &reserved), "ok");
    // Keys of a multisig count, when it is executed.
    let multisig = |nops, keys: &str| {
        let check =
            asm(&format!("zero zero {} {keys} checkmultisig", "1 ".repeat(keys.parse().unwrap())));
        script(&[&repeat(Opcode::NOP, nops), check.as_bytes()])
    };
    assert_eq!(run(&one, &multisig(200 - 15, "15")), "ok");
    assert_eq!(run(&one, &multisig(201 - 15, "15")), "script.op_count");
}

#[test]
fn pushed_bytes() {
    let push = |len| ScriptBuilder::new().push(&vec![1; len]).build();
    assert_eq!(run(&push(520), &asm("")), "ok");
    assert_eq!(run(&push(521), &asm("")), "script.push_size");
    let skipped = |len| script(&[&[0x00, 0x63], push(len).as_bytes(), &[0x68]]);
    assert_eq!(run(&asm("1"), &skipped(520)), "ok");
    assert_eq!(run(&asm("1"), &skipped(521)), "script.push_size");
}

#[test]
fn script_bytes() {
    let of_len = |len: usize| {
        let mut bytes = asm("1").as_bytes().to_vec();
        while bytes.len() + 523 <= len - 5 {
            bytes.extend([0x4d, 0x08, 0x02]);
            bytes.extend([0; 520]);
        }
        while bytes.len() + 1 < len {
            bytes.push(0x51);
        }
        bytes.push(0x51);
        Script::from_bytes(bytes)
    };
    assert_eq!(of_len(10_000).len(), 10_000);
    assert_eq!(run(&asm(""), &of_len(10_000)), "ok");
    assert_eq!(run(&asm(""), &of_len(10_001)), "script.script_size");
    assert_eq!(run(&of_len(10_001), &asm("1")), "script.script_size");
}

#[test]
fn stack_items() {
    let ones = |count| script(&[&repeat(Opcode::OP_1, count)]);
    assert_eq!(run(&ones(1000), &asm("")), "ok");
    assert_eq!(run(&ones(1001), &asm("")), "script.stack_size");
    assert_eq!(run(&ones(999), &asm("dup")), "ok");
    assert_eq!(run(&ones(1000), &asm("dup")), "script.stack_size");
    // Both stacks count together.
    let both = |more| script(&[&repeat(Opcode::TOALTSTACK, 100), &repeat(Opcode::OP_1, more)]);
    assert_eq!(run(&ones(900), &both(100)), "ok");
    assert_eq!(run(&ones(900), &both(101)), "script.stack_size");
    // The largest stack there can be: 1000 items of 520 bytes.
    let mut wide = ScriptBuilder::new().push(&[1; 520]).build().as_bytes().to_vec();
    wide.extend(repeat(Opcode::DUP3, 0));
    let fill = [asm("dup dup").as_bytes(), &repeat(Opcode::DUP3, 199)].concat();
    assert_eq!(run(&Script::from_bytes(wide), &Script::from_bytes(fill)), "ok");
}

#[test]
fn multisig_keys() {
    let multisig = |keys: usize| {
        let keys_text = "1 ".repeat(keys);
        asm(&format!("zero zero {keys_text} {} checkmultisig", keys))
    };
    assert_eq!(run(&asm(""), &multisig(20)), "ok");
    assert_eq!(run(&asm(""), &multisig(21)), "script.key_count");
}
