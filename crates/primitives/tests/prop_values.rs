//! Numbers, amounts, addresses, keys and names.

#![allow(clippy::unwrap_used)] // a panic is how a test fails, in its helpers too

mod common;

use mvs_primitives::address::{Address, AddressFormat};
use mvs_primitives::amount::{Amount, AssetAmount, UNITS_PER_ETP};
use mvs_primitives::block::BlockSig;
use mvs_primitives::hash::{MixHash, TxId};
use mvs_primitives::input::OutPoint;
use mvs_primitives::script::{PatternKind, Script, parse_script_number, script_number};
use mvs_primitives::symbol::{MAX_SYMBOL_BYTES, SENSITIVE_WORDS, check_asset_symbol, domain};
use mvs_primitives::wif::Wif;
use proptest::prelude::{any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy;

const NETWORKS: [AddressFormat; 2] = [AddressFormat::MAINNET, AddressFormat::TESTNET];

proptest! {
    #[test]
    fn script_numbers(value in any::<i64>(), shift in 0..63u32) {
        let value = value >> shift;
        let bytes = script_number(value);
        prop_assert_eq!(bytes.len() <= 8, value != i64::MIN && value.unsigned_abs() >> 63 == 0);
        if bytes.len() <= 8 {
            prop_assert_eq!(parse_script_number(&bytes, 8, true), Ok(value));
            prop_assert_eq!(parse_script_number(&bytes, 4, true).is_ok(), bytes.len() <= 4);
        }
        if bytes.len() < 8 && value > 0 {
            let padded = [&bytes[..], &[0]].concat();
            prop_assert_eq!(parse_script_number(&padded, 8, false), Ok(value));
            prop_assert!(parse_script_number(&padded, 8, true).is_err());
        }
    }

    #[test]
    fn script_number_bytes(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), 0..1u8, 0x7f..0x82u8], 0..10)) {
        for max in [4, 5, 8, 99] {
            match parse_script_number(&bytes, max, true) {
                Ok(value) => prop_assert_eq!(script_number(value), &bytes[..]),
                Err(_) => match parse_script_number(&bytes, max, false) {
                    Ok(value) => prop_assert!(script_number(value).len() < bytes.len()),
                    Err(_) => prop_assert!(bytes.len() > max.min(8)),
                },
            }
        }
    }

    #[test]
    fn amounts(a in any::<u64>(), b in any::<u64>(), shift in 0..64u32) {
        let (a, b) = (a >> shift, b);
        let (x, y) = (Amount::from_units(a), Amount::from_units(b));
        prop_assert_eq!(x.checked_add(y).map(Amount::units), a.checked_add(b));
        prop_assert_eq!(x.checked_add(y), y.checked_add(x));
        prop_assert_eq!(x.checked_sub(y).is_some(), x >= y);
        if let Some(sum) = x.checked_add(y) {
            prop_assert_eq!(sum.checked_sub(y), Some(x));
            prop_assert!(sum >= x && sum >= y);
        }
        prop_assert_eq!(Amount::checked_sum([x, y, Amount::ZERO]), x.checked_add(y));
        prop_assert_eq!(Amount::from_etp(a).map(Amount::units), a.checked_mul(UNITS_PER_ETP));
        let assets = [a, b].map(AssetAmount::from_units);
        prop_assert_eq!(AssetAmount::checked_sum(assets).map(AssetAmount::units), a.checked_add(b));
    }

    #[test]
    fn addresses_both_ways(hash in any::<[u8; 20]>(), place in any::<proptest::sample::Index>(), letter in any::<u8>()) {
        for format in &NETWORKS {
            for address in [Address::KeyHash(hash), Address::ScriptHash(hash), Address::Blackhole] {
                let text = address.to_text(format);
                prop_assert_eq!(Address::parse(&text, format), Ok(address));
                prop_assert!(address.is_text(&address.to_address_text(format), format));
                let mut bytes = text.clone().into_bytes();
                let at = place.index(bytes.len());
                bytes[at] = letter;
                if let Ok(typo) = String::from_utf8(bytes)
                    && typo != text
                {
                    prop_assert!(Address::parse(&typo, format).is_err());
                }
                let padded = format!("{text} ");
                prop_assert_eq!(Address::parse(&padded, format).unwrap_err().code(), "address.form");
            }
        }
        let main = Address::KeyHash(hash).to_text(&NETWORKS[0]);
        prop_assert_eq!(Address::parse(&main, &NETWORKS[1]).unwrap_err().code(), "address.version");
    }

    #[test]
    fn keys_both_ways(secret in any::<[u8; 32]>(), compressed in any::<bool>()) {
        for format in &NETWORKS {
            let key = Wif::new(secret, compressed);
            let text = key.reveal_text(format);
            prop_assert_eq!(Wif::parse(&text, format), Ok(key));
            prop_assert!(Address::parse(&text, format).is_err());
        }
    }

    #[test]
    fn outputs_pay_whom_they_were_built_for(hash in any::<[u8; 20]>(), n in any::<u32>(), model in proptest::collection::vec(any::<u8>(), 0..500)) {
        let owner = Some(Address::KeyHash(hash));
        for (script, kind) in [
            (Script::pay_key_hash(&hash), PatternKind::PayKeyHash),
            (Script::pay_key_hash_with_sequence_lock(n.max(1), &hash), PatternKind::PayKeyHashWithSequenceLock),
            (Script::pay_key_hash_with_lock_height(n.max(1), &hash), PatternKind::PayKeyHashWithLockHeight),
            (Script::pay_key_hash_with_attenuation(&model, &[9; 36], &hash), PatternKind::PayKeyHashWithAttenuationModel),
        ] {
            prop_assert_eq!(script.pattern().kind(), kind);
            prop_assert_eq!(script.address(), owner);
        }
    }

    #[test]
    fn hash_and_outpoint_text(bytes in any::<[u8; 32]>(), index in any::<u32>()) {
        let id = TxId::from_bytes(bytes);
        prop_assert_eq!(id.to_string().parse(), Ok(id));
        let mix = MixHash::from_bytes(bytes);
        prop_assert_eq!(mix.to_string().parse(), Ok(mix));
        let point = OutPoint::new(id, index);
        prop_assert_eq!(point.to_string().parse(), Ok(point));
        let signature = BlockSig::from_bytes([bytes, bytes].concat().try_into().unwrap());
        prop_assert_eq!(BlockSig::from_compact(signature.to_compact()), signature);
    }

    #[test]
    fn names(symbol in "[A-Z0-9.]{1,70}") {
        let bytes = symbol.as_bytes();
        let word = SENSITIVE_WORDS.iter().any(|word| symbol.contains(word));
        let fits = bytes.len() <= MAX_SYMBOL_BYTES;
        prop_assert_eq!(check_asset_symbol(bytes, false).is_ok(), fits);
        prop_assert_eq!(check_asset_symbol(bytes, true).is_ok(), fits && !word);
        prop_assert_eq!(domain(bytes), symbol.split('.').next().unwrap().as_bytes());
    }
}

#[test]
fn every_word_is_found_at_every_place() {
    for word in SENSITIVE_WORDS {
        for pad in 0..=MAX_SYMBOL_BYTES - word.len() {
            let symbol = format!("{}{word}", "Q".repeat(pad));
            assert_eq!(
                check_asset_symbol(symbol.as_bytes(), true).unwrap_err().code(),
                "symbol.sensitive_word",
                "{symbol}"
            );
        }
    }
}

#[test]
fn one_strategy_reaches_every_pattern() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let kinds: std::collections::HashSet<_> = (0..2000)
        .map(|_| common::script().new_tree(&mut runner).unwrap().current().pattern().kind().name())
        .collect();
    for kind in ["pay_key_hash", "pay_multisig", "null_data", "sign_public_key", "non_standard"] {
        assert!(kinds.contains(kind), "{kind} is never generated");
    }
}
