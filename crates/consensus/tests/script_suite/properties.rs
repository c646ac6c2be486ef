//! Random scripts: no panic, bounded memory, and one verdict whichever way it is reached.

use mvs_consensus::script::{
    CacheUse, InputContext, SigCache, collect_input, count_p2sh_sigops, count_sigops,
    verify_checks, verify_input,
};
use mvs_primitives::hash::hash160;
use mvs_primitives::script::{Opcode, Script, ScriptBuilder};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use proptest::{collection::vec, test_runner::TestCaseError};

use crate::support::{INDEX, is_model, key, sign, transaction, verify_both};

/// One step of a script that plays with signatures.
#[derive(Debug, Clone)]
enum Part {
    Op(u8),
    Bytes(Vec<u8>),
    /// A signature by a key over the previous script, with a hash type.
    Signature(u8, u8),
    Key(u8),
    /// `m` signatures' worth of multisig over keys 1 to `n`.
    Multisig(u8, u8),
}

fn part() -> impl Strategy<Value = Part> {
    let signing = prop_oneof![
        Just(0xacu8),
        Just(0xad),
        Just(0xae),
        Just(0xaf),
        Just(0xab),
        Just(0x63),
        Just(0x64),
        Just(0x67),
        Just(0x68),
        Just(0x91),
        Just(0x69),
        Just(0x76),
        Just(0x7c),
        Just(0x6e),
        Just(0x75),
        Just(0x9a),
        Just(0x9b),
        Just(0x00),
    ];
    prop_oneof![
        4 => signing.prop_map(Part::Op),
        1 => any::<u8>().prop_map(Part::Op),
        2 => (0x51u8..=0x54).prop_map(Part::Op),
        1 => vec(any::<u8>(), 0..40).prop_map(Part::Bytes),
        4 => (1u8..4, prop_oneof![4 => Just(1u8), 1 => any::<u8>()])
            .prop_map(|(seed, kind)| Part::Signature(seed, kind)),
        4 => (1u8..4).prop_map(Part::Key),
        2 => (0u8..4, 0u8..4).prop_map(|(m, n)| Part::Multisig(m, n)),
    ]
}

/// Builds a script; signatures sign `code`.
fn build(parts: &[Part], code: &Script) -> Script {
    let mut builder = ScriptBuilder::new();
    for part in parts {
        builder = match part {
            Part::Op(byte) => builder.op(Opcode::new(*byte)),
            Part::Bytes(bytes) => builder.push(bytes),
            Part::Signature(seed, kind) => builder.push(&sign(*seed, code, *kind)),
            Part::Key(seed) => builder.push(&key(*seed)),
            Part::Multisig(m, n) => {
                let mut builder = builder.push_number(i64::from(*m));
                for seed in 1..=*n {
                    builder = builder.push(&key(seed));
                }
                builder.push_number(i64::from(*n)).op(Opcode::CHECKMULTISIG)
            }
        };
    }
    builder.build()
}

/// The whole promise of deferring, cache included.
fn check_agreement(input_script: Script, previous: &Script) -> Result<(), TestCaseError> {
    let transaction = transaction(input_script);
    let verdict = verify_both(&transaction, INDEX, previous);
    let input = InputContext::new(&transaction, INDEX, previous, is_model).unwrap();
    let cache = SigCache::new([5; 32], 512);
    for use_of in [CacheUse::ReadWrite(&cache), CacheUse::Read(&cache)] {
        assert_eq!(verify_input(&input, use_of), verdict);
        let mut checks = Vec::new();
        let collected = collect_input(&input, &mut checks, use_of);
        // What the caller of collect_input does.
        let deferred = match collected {
            Ok(()) if verify_checks(&checks, use_of).is_some() => verify_input(&input, use_of),
            other => other,
        };
        assert_eq!(deferred, verdict);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn deferred_and_immediate_agree(
        input in vec(part(), 0..8),
        previous in vec(part(), 0..12),
        as_script_hash in any::<bool>(),
    ) {
        let code = build(&previous, &Script::default());
        if as_script_hash {
            let input = build(&input, &code);
            let redeem = ScriptBuilder::new().push(code.as_bytes()).build();
            let input = Script::from_bytes([input.as_bytes(), redeem.as_bytes()].concat());
            let previous = Script::pay_script_hash(&hash160(code.as_bytes()));
            check_agreement(input, &previous)?;
        } else {
            check_agreement(build(&input, &code), &code)?;
        }
    }

    #[test]
    fn multisigs_agree_with_any_signers(
        required in 0u8..4,
        keys in vec(1u8..5, 0..5),
        signers in vec(0u8..6, 0..4),
        negate in any::<bool>(),
    ) {
        let mut builder = ScriptBuilder::new().push_number(i64::from(required));
        for seed in &keys {
            builder = builder.push(&if *seed == 4 { vec![4; 65] } else { key(*seed) });
        }
        builder = builder.push_number(i64::try_from(keys.len()).unwrap()).op(Opcode::CHECKMULTISIG);
        let code = if negate { builder.op(Opcode::NOT).build() } else { builder.build() };
        let mut input = ScriptBuilder::new().push(&[]);
        for seed in &signers {
            input = match seed {
                0 => input.push(&[]),
                5 => input.push(&[0x30, 0x06, 2, 1, 1, 2, 1, 1, 1]),
                4 => input.push(&[7]),
                seed => input.push(&sign(*seed, &code, 1)),
            };
        }
        check_agreement(input.build(), &code)?;
    }

    #[test]
    fn random_bytes_never_panic(
        input in vec(any::<u8>(), 0..200),
        previous in vec(any::<u8>(), 0..200),
    ) {
        let (input, previous) = (Script::from_bytes(input), Script::from_bytes(previous));
        let _counts = (count_sigops(&input), count_p2sh_sigops(&input, &previous));
        check_agreement(input, &previous)?;
    }

    #[test]
    fn random_operations_never_panic(
        numbers in vec(prop_oneof![0x51u8..=0x60, Just(0x4f), Just(0)], 0..30),
        operations in vec(0x61u8..=0xb9, 0..60),
    ) {
        check_agreement(Script::from_bytes(numbers), &Script::from_bytes(operations))?;
    }
}
