//! Measures what the script engine costs beside the signatures themselves.
//!
//! Each line compares with a figure of the same run:
//! `bench=NAME value=N unit=UNIT reference=N ratio=N`.
#![allow(clippy::print_stdout)] // a bench talks to people

use std::hint::black_box;
use std::time::{Duration, Instant};

use mvs_consensus::script::{
    CacheUse, InputContext, SigCache, SigCheck, collect_input, verify_checks, verify_input,
};
use mvs_primitives::amount::Amount;
use mvs_primitives::encode::Encode;
use mvs_primitives::hash::{TxId, hash160};
use mvs_primitives::input::{Input, OutPoint};
use mvs_primitives::output::Output;
use mvs_primitives::script::{Opcode, Script, ScriptBuilder};
use mvs_primitives::sighash::{SighashType, signature_hash};
use mvs_primitives::transaction::Transaction;
use secp256k1::{Message, PublicKey, SecretKey, ecdsa};

fn main() {
    let ecdsa = ecdsa_micros();
    println!("bench=ecdsa_verify value={ecdsa:.3} unit=us reference={ecdsa:.3} ratio=1.000");
    let report = |name: &str, value: f64| {
        let ratio = value / ecdsa;
        println!("bench={name} value={value:.3} unit=us reference={ecdsa:.3} ratio={ratio:.4}");
    };

    let spend = KeyHashSpend::new();
    report(
        "p2pkh_all_but_ecdsa",
        spend.micros(|input, checks| {
            assert_eq!(collect_input(input, checks, CacheUse::Off), Ok(()));
        }),
    );
    report("p2pkh_sighash_alone", spend.micros_of_sighash());
    report(
        "p2pkh_verify_at_once",
        spend.micros(|input, _| {
            assert_eq!(verify_input(input, CacheUse::Off), Ok(()));
        }),
    );
    let cache = SigCache::new([7; 32], 1 << 16);
    report(
        "p2pkh_verify_cached",
        spend.micros(|input, _| {
            assert_eq!(verify_input(input, CacheUse::ReadWrite(&cache)), Ok(()));
        }),
    );

    large_transaction("hashing_20000_sigops", 0);
    large_transaction("hashing_20000_sigops_separated", 1);
}

/// Runs for a while and returns the microseconds of one round: the best of five.
fn best_micros(mut round: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let (start, mut rounds) = (Instant::now(), 0.0);
        while start.elapsed() < Duration::from_millis(200) {
            for _ in 0..16 {
                round();
            }
            rounds += 16.0;
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e6 / rounds);
    }
    best
}

fn secret() -> SecretKey {
    SecretKey::from_secret_bytes([7; 32]).expect("in range")
}

fn key() -> [u8; 33] {
    PublicKey::from_secret_key(&secret()).serialize()
}

/// One verification with the reading of key and signature, which every node must do.
fn ecdsa_micros() -> f64 {
    let message = Message::from_digest([9; 32]);
    let compact = ecdsa::sign(message, &secret()).serialize_compact();
    let key = key();
    best_micros(|| {
        let key = PublicKey::from_slice(black_box(&key)).expect("valid");
        let signature = ecdsa::Signature::from_compact(black_box(&compact)).expect("valid");
        ecdsa::verify(&signature, message, &key).expect("holds");
    })
}

/// A transaction of two inputs and two outputs.
struct KeyHashSpend {
    transaction: Transaction,
    previous: Script,
}

impl KeyHashSpend {
    fn new() -> Self {
        let previous = Script::pay_key_hash(&hash160(&key()));
        let output = |units| Output::etp(Amount::from_units(units), previous.clone());
        let mut transaction = Transaction {
            version: 4,
            inputs: (0..2)
                .map(|index| Input::unsigned(OutPoint::new(TxId::from_bytes([1; 32]), index)))
                .collect(),
            outputs: vec![output(1), output(2)],
            locktime: 0,
        };
        for index in 0..2 {
            let hash = signature_hash(&transaction, index, previous.as_bytes(), SighashType::ALL);
            let signature = ecdsa::sign(Message::from_digest(hash), &secret()).serialize_der();
            let signature = [&signature[..], &[1]].concat();
            let script = ScriptBuilder::new().push(&signature).push(&key()).build();
            if let Some(input) = transaction.inputs.get_mut(index) {
                input.script = script;
            }
        }
        Self { transaction, previous }
    }

    fn input(&self) -> InputContext<'_> {
        InputContext::new(&self.transaction, 1, &self.previous, |_| false).expect("two inputs")
    }

    fn micros(&self, judge: impl Fn(&InputContext<'_>, &mut Vec<SigCheck>)) -> f64 {
        let mut checks = Vec::with_capacity(1);
        let micros = best_micros(|| {
            checks.clear();
            judge(black_box(&self.input()), &mut checks);
        });
        assert_eq!(verify_checks(&checks, CacheUse::Off), None);
        micros
    }

    fn micros_of_sighash(&self) -> f64 {
        best_micros(|| {
            let code = black_box(self.previous.as_bytes());
            black_box(signature_hash(&self.transaction, 1, code, SighashType::ALL));
        })
    }
}

/// The dearest transaction for its size: as many signature operations as a block may have, in
/// script-hash spends, in a transaction of nearly a million bytes. Prints the time for all inputs,
/// next to what it takes to hash the transaction once for each operation.
///
/// With separators each operation signs other code, so that no hash can be used twice.
fn large_transaction(name: &str, separators: usize) {
    const SIGOPS: usize = 20_000;
    // A well-formed signature that does not hold: it costs its attacker nothing.
    let signature = [0x30, 6, 2, 1, 1, 2, 1, 1, 1];
    // The limit of 201 operations, less the two at the end.
    let per_input = 199 / (3 + separators);
    let mut redeem = ScriptBuilder::new();
    for _ in 0..per_input {
        for _ in 0..separators {
            redeem = redeem.op(Opcode::CODESEPARATOR);
        }
        redeem = redeem.op(Opcode::DUP2).op(Opcode::CHECKSIG).op(Opcode::DROP);
    }
    let redeem = redeem.op(Opcode::DROP2).op(Opcode::OP_1).build();
    let previous = Script::pay_script_hash(&hash160(redeem.as_bytes()));
    let script = ScriptBuilder::new().push(&signature).push(&key()).push(redeem.as_bytes()).build();
    let inputs: Vec<Input> = (0..SIGOPS.div_ceil(per_input))
        .map(|index| Input {
            previous: OutPoint::new(
                TxId::from_bytes([1; 32]),
                u32::try_from(index).expect("few inputs"),
            ),
            script: script.clone(),
            sequence: 0,
        })
        .collect();
    let mut transaction = Transaction { version: 4, inputs, outputs: Vec::new(), locktime: 0 };
    let output = Output::etp(Amount::from_units(1), Script::pay_key_hash(&[1; 20]));
    let room = 999_000usize.saturating_sub(transaction.to_bytes().len());
    transaction.outputs = vec![output.clone(); room / output.to_bytes().len()];

    let start = Instant::now();
    for index in 0..transaction.inputs.len() {
        let input = InputContext::new(&transaction, index, &previous, |_| false)
            .expect("an index of the inputs");
        assert_eq!(verify_input(&input, CacheUse::Off), Ok(()));
    }
    let seconds = start.elapsed().as_secs_f64();
    let once = best_micros(|| {
        black_box(signature_hash(&transaction, 0, redeem.as_bytes(), SighashType::ALL));
    });
    let each = once * 1e-6 * 20_000.0;
    println!(
        "bench={name} value={seconds:.3} unit=s reference={each:.3} ratio={:.4}",
        seconds / each
    );
}
