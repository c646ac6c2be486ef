//! Signature operations: encodings, hash types, the code that is signed, and multisig.

use mvs_consensus::script::{CacheUse, InputContext, chunks, collect_input, verify_checks};
use mvs_primitives::hash::hash160;
use mvs_primitives::script::{Opcode, Script, ScriptBuilder};

use crate::support::{INDEX, asm, is_model, key, pushes, run, sign, transaction};

/// The order of the curve's group.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
    0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
];

fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let positive = |bytes: &[u8]| {
        let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len() - 1);
        let mut number = bytes[start..].to_vec();
        if number[0] >= 0x80 {
            number.insert(0, 0);
        }
        let mut field = vec![2, u8::try_from(number.len()).unwrap()];
        field.extend(number);
        field
    };
    let body = [positive(r), positive(s)].concat();
    [&[0x30, u8::try_from(body.len()).unwrap()], body.as_slice(), &[1]].concat()
}

fn number(field: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    let kept = &field[field.len().saturating_sub(32)..];
    bytes[32 - kept.len()..].copy_from_slice(kept);
    bytes
}

/// Splits a DER signature into r and s.
fn parts(signature: &[u8]) -> ([u8; 32], [u8; 32]) {
    let r_len = usize::from(signature[3]);
    let s_len = usize::from(signature[5 + r_len]);
    (number(&signature[4..4 + r_len]), number(&signature[6 + r_len..6 + r_len + s_len]))
}

fn negated(s: &[u8; 32]) -> [u8; 32] {
    let mut result = [0; 32];
    let mut borrow = 0i16;
    for index in (0..32).rev() {
        let difference = i16::from(ORDER[index]) - i16::from(s[index]) - borrow;
        borrow = i16::from(difference < 0);
        result[index] = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    result
}

#[test]
fn the_families_of_key_hashes() {
    let hash = hash160(&key(1));
    let spend = |previous: &Script, extra: &[&[u8]]| {
        let signature = sign(1, previous, 1);
        let key = key(1);
        let mut items: Vec<&[u8]> = vec![&signature, &key];
        items.extend(extra);
        run(&pushes(&items), previous)
    };
    assert_eq!(spend(&Script::pay_key_hash(&hash), &[]), "ok");
    assert_eq!(spend(&Script::pay_key_hash(&hash160(&key(2))), &[]), "script.equal_verify");
    let deposit = Script::pay_key_hash_with_lock_height(25_200, &hash);
    assert_eq!(spend(&deposit, &[&[0x70, 0x62]]), "ok");
    assert_eq!(spend(&deposit, &[&[0x71, 0x62]]), "script.num_equal_verify");
    assert_eq!(spend(&Script::pay_key_hash_with_sequence_lock(10, &hash), &[]), "ok");
    let late = Script::pay_key_hash_with_sequence_lock(11, &hash);
    assert_eq!(spend(&late, &[]), "script.sequence_unsatisfied");
    let locked = |model: &[u8]| Script::pay_key_hash_with_attenuation(model, &[0; 36], &hash);
    assert_eq!(spend(&locked(b"PN=0;"), &[]), "ok");
    assert_eq!(spend(&locked(b"none"), &[]), "script.attenuation_model");
    let to_key = Script::pay_public_key(&key(1));
    assert_eq!(run(&pushes(&[&sign(1, &to_key, 1)]), &to_key), "ok");
    assert_eq!(run(&pushes(&[&sign(2, &to_key, 1)]), &to_key), "script.eval_false");
}

#[test]
fn standard_spends_are_deferred_and_found_out_later() {
    let hash = hash160(&key(1));
    let previous = Script::pay_key_hash(&hash);
    let collect = |seed| {
        let transaction = transaction(pushes(&[&sign(seed, &previous, 1), &key(1)]));
        let input = InputContext::new(&transaction, INDEX, &previous, is_model).unwrap();
        let mut checks = Vec::new();
        assert_eq!(collect_input(&input, &mut checks, CacheUse::Off), Ok(()));
        checks
    };
    let (good, bad) = (collect(1), collect(2));
    assert_eq!((good.len(), bad.len()), (1, 1));
    assert_eq!(verify_checks(&good, CacheUse::Off), None);
    let row: Vec<_> = good.iter().chain(&good).chain(&bad).chain(&good).cloned().collect();
    assert_eq!(verify_checks(&row, CacheUse::Off), Some(2));
    let parts: Vec<_> = chunks(&row, 3).map(|(first, part)| (first, part.len())).collect();
    assert_eq!(parts, [(0, 3), (3, 1)]);
    assert_eq!(chunks(&row, 0).count(), 4);
    assert_eq!(chunks(&[], 8).count(), 0);
}

#[test]
fn hash_types() {
    let previous = Script::pay_public_key(&key(1));
    for sighash_type in [0, 1, 2, 3, 4, 0x1f, 0x41, 0x81, 0x82, 0x83, 0xff] {
        let mut signature = sign(1, &previous, sighash_type);
        assert_eq!(run(&pushes(&[&signature]), &previous), "ok", "{sighash_type:x}");
        *signature.last_mut().unwrap() ^= 0x20;
        assert_eq!(run(&pushes(&[&signature]), &previous), "script.eval_false", "{sighash_type:x}");
    }
}

#[test]
fn encodings_of_signatures() {
    let previous = Script::pay_public_key(&key(1));
    let good = sign(1, &previous, 1);
    let (r, s) = parts(&good);
    let outcome = |signature: &[u8]| run(&pushes(&[signature]), &previous);
    assert_eq!(der(&r, &s), good);
    assert_eq!(outcome(&der(&r, &negated(&s))), "ok"); // s need not be low
    assert_eq!(outcome(&der(&r, &[0])), "script.eval_false");
    assert_eq!(outcome(&der(&[0], &s)), "script.eval_false");
    assert_eq!(outcome(&der(&ORDER, &s)), "script.eval_false");
    assert_eq!(outcome(&der(&r, &ORDER)), "script.eval_false");
    assert_eq!(outcome(&der(&[0x7f; 33], &[0x7f; 33])), "script.eval_false");
    assert_eq!(outcome(&[]), "script.eval_false");
    assert_eq!(outcome(&[1]), "script.sig_der");
    assert_eq!(outcome(&good[..good.len() - 1]), "script.sig_der");
    let mut padded = good.clone();
    padded[1] += 1;
    padded[3] += 1;
    padded.insert(4, 0);
    assert_eq!(outcome(&padded), "script.sig_der");
}

#[test]
fn forms_of_keys() {
    let point = secp256k1::PublicKey::from_secret_key(&crate::support::secret(1));
    let full = point.serialize_uncompressed();
    let mut hybrid = full;
    hybrid[0] = 6 | (full[64] & 1);
    let mut wrong_hybrid = hybrid;
    wrong_hybrid[0] ^= 1;
    let mut off_curve = full;
    off_curve[64] ^= 1;
    for (key, expected) in [
        (&point.serialize()[..], "ok"),
        (&full, "ok"),
        (&hybrid, "ok"),
        (&wrong_hybrid, "script.eval_false"),
        (&off_curve, "script.eval_false"),
        (&full[..33], "script.eval_false"),
        (&full[..64], "script.eval_false"),
        (&[5; 33], "script.eval_false"),
        (&[2; 65], "script.eval_false"),
        (&[], "script.eval_false"),
    ] {
        let previous = Script::pay_public_key(key);
        assert_eq!(run(&pushes(&[&sign(1, &previous, 1)]), &previous), expected, "{key:02x?}");
    }
}

#[test]
fn code_separators_cut_what_is_signed() {
    let text = |prefix: &str| asm(&format!("{prefix} [{}] checksig", hex::encode(key(1))));
    let rest = text("");
    let cut = text("nop codeseparator");
    assert_eq!(run(&pushes(&[&sign(1, &rest, 1)]), &cut), "ok");
    assert_eq!(run(&pushes(&[&sign(1, &cut, 1)]), &cut), "script.eval_false");
    // Not executed, it cuts nothing; but it is never hashed.
    let skipped = text("zero if codeseparator endif");
    let hashed = text("zero if endif");
    assert_eq!(run(&pushes(&[&sign(1, &skipped, 1)]), &skipped), "ok");
    assert_eq!(run(&pushes(&[&sign(1, &hashed, 1)]), &skipped), "ok");
    assert_eq!(run(&pushes(&[&sign(1, &rest, 1)]), &skipped), "script.eval_false");
    // Each script has code of its own: one in the input script has no effect on the other.
    let input = Script::from_bytes(
        [pushes(&[&sign(1, &rest, 1)]).as_bytes(), &[Opcode::CODESEPARATOR.byte()]].concat(),
    );
    assert_eq!(run(&input, &rest), "ok");
}

#[test]
fn signatures_inside_the_code_are_left_out() {
    let tail = asm(&format!("drop [{}] checksig", hex::encode(key(1))));
    let signature = sign(1, &tail, 1);
    let with = |push: Script, signature: &[u8]| {
        let previous = Script::from_bytes([push.as_bytes(), tail.as_bytes()].concat());
        run(&pushes(&[signature]), &previous)
    };
    assert_eq!(with(pushes(&[&signature]), &signature), "ok");
    assert_eq!(with(pushes(&[&signature, &signature]), &signature), "ok");
    // Only the shortest form of the push is found.
    let long = ScriptBuilder::new().push_data2(&signature).build();
    assert_eq!(with(long, &signature), "script.eval_false");
    // Bytes inside another push are no push.
    let inner = pushes(&[pushes(&[&signature]).as_bytes()]);
    assert_eq!(with(inner, &signature), "script.eval_false");

    // All signatures of a multisig are left out before the first is looked at.
    let (a, b) = (hex::encode(key(1)), hex::encode(key(2)));
    let tail = asm(&format!("2drop 2 [{a}] [{b}] 2 checkmultisig"));
    let (one, two) = (sign(1, &tail, 1), sign(2, &tail, 1));
    let inside = pushes(&[&one, &two]);
    let previous = Script::from_bytes([inside.as_bytes(), tail.as_bytes()].concat());
    assert_eq!(run(&pushes(&[&[], &one, &two]), &previous), "ok");
}

/// A script hash of m-of-n, and what its spend by some signers gives.
fn multisig(required: u8, keys: &[u8], signers: &[u8]) -> &'static str {
    let keys: Vec<_> = keys.iter().map(|seed| key(*seed)).collect();
    let redeem = Script::pay_multisig(required, &keys).unwrap();
    let signatures: Vec<_> = signers.iter().map(|seed| sign(*seed, &redeem, 1)).collect();
    let mut items: Vec<&[u8]> = vec![&[]];
    items.extend(signatures.iter().map(Vec::as_slice));
    let bare = run(&pushes(&items), &redeem);
    items.push(redeem.as_bytes());
    let hashed = run(&pushes(&items), &Script::pay_script_hash(&hash160(redeem.as_bytes())));
    assert_eq!(bare, hashed);
    hashed
}

#[test]
fn multisigs() {
    assert_eq!(multisig(1, &[1], &[1]), "ok");
    assert_eq!(multisig(1, &[1, 2, 3], &[2]), "ok");
    for signers in [[1, 2], [1, 3], [2, 3]] {
        assert_eq!(multisig(2, &[1, 2, 3], &signers), "ok");
    }
    assert_eq!(multisig(2, &[1, 2, 3], &[2, 1]), "script.eval_false");
    assert_eq!(multisig(2, &[1, 2, 3], &[1, 1]), "script.eval_false");
    assert_eq!(multisig(2, &[1, 2, 3], &[1, 4]), "script.eval_false");
    assert_eq!(multisig(2, &[1, 1, 2], &[1, 1]), "ok");
    let all: Vec<u8> = (1..=15).collect();
    assert_eq!(multisig(15, &all, &all), "ok");
}

#[test]
fn the_item_too_many_may_be_anything() {
    let redeem = Script::pay_multisig(1, &[key(1)]).unwrap();
    let signature = sign(1, &redeem, 1);
    assert_eq!(run(&pushes(&[&[1, 2, 3], &signature]), &redeem), "ok");
    assert_eq!(run(&pushes(&[&signature]), &redeem), "script.stack_underflow");
}

#[test]
fn a_malformed_signature_counts_only_when_it_is_reached() {
    let check = |signatures: &str| {
        let (a, b) = (hex::encode(key(1)), hex::encode(key(2)));
        let text = format!("2 [{a}] [{b}] 2 checkmultisig not");
        let signature = hex::encode(sign(1, &asm(&text), 1));
        run(&asm(&signatures.replace("GOOD1", &format!("[{signature}]"))), &asm(&text))
    };
    assert_eq!(check("zero [07] zero"), "ok"); // the last comes first and ends it
    assert_eq!(check("zero zero [07]"), "script.sig_der");
    assert_eq!(check("zero [07] GOOD1"), "ok"); // does not hold for the last key
}

#[test]
fn a_failed_check_need_not_fail_the_script() {
    let a = hex::encode(key(1));
    let text = format!("[{a}] checksig if zero else 1 endif");
    let bad = sign(2, &asm(&text), 1);
    let good = sign(1, &asm(&text), 1);
    assert_eq!(run(&pushes(&[&bad]), &asm(&text)), "ok");
    assert_eq!(run(&pushes(&[&good]), &asm(&text)), "script.eval_false");
}
