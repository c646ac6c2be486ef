//! What people type: addresses, keys, names, hashes.

use mvs_primitives::address::{Address, AddressError, AddressFormat};
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::hash::{SealHash, TxId};
use mvs_primitives::input::OutPoint;
use mvs_primitives::symbol::{
    SymbolError, check_asset_symbol, check_did_name, check_mit_symbol, domain,
};
use mvs_primitives::text::Text;
use mvs_primitives::wif::Wif;

use crate::round_trip;

/// Any text, and the first bytes as an address or key to print.
pub(crate) fn address(data: &[u8]) {
    for format in [&AddressFormat::MAINNET, &AddressFormat::TESTNET] {
        print_and_read(data, format);
        names(data, format);
        if let Ok(text) = std::str::from_utf8(data) {
            read_and_print(text, format);
        }
    }
    if let Some(text) = round_trip::<Text>(data) {
        assert!(!text.as_bytes().contains(&0));
        assert!(text.to_string().len() <= 4 * text.len());
        assert!(!text.to_string().contains(|c: char| c.is_ascii_control()));
    }
    assert_eq!(Text::new(data).is_ok(), !data.contains(&0));
}

fn print_and_read(data: &[u8], format: &AddressFormat) {
    if let Some(hash) = data.first_chunk::<20>() {
        for address in [Address::KeyHash(*hash), Address::ScriptHash(*hash)] {
            assert_eq!(Address::parse(&address.to_text(format), format), Ok(address));
        }
    }
    if let Some(secret) = data.first_chunk::<32>() {
        for compressed in [true, false] {
            let key = Wif::new(*secret, compressed);
            assert_eq!(Wif::parse(&key.reveal_text(format), format), Ok(key));
        }
    }
}

fn read_and_print(text: &str, format: &AddressFormat) {
    match Address::parse(text, format) {
        Ok(address) => assert_eq!(address.to_text(format), text),
        Err(error) => assert!(AddressError::CODES.contains(&error.code())),
    }
    match Wif::parse(text, format) {
        Ok(key) => assert_eq!(key.reveal_text(format), text),
        Err(error) => assert!(AddressError::CODES.contains(&error.code())),
    }
    if let Ok(id) = text.parse::<TxId>() {
        assert_eq!(id.to_string(), text.to_ascii_lowercase());
    }
    if let Ok(hash) = text.parse::<SealHash>() {
        assert_eq!(hash.to_string(), text.to_ascii_lowercase());
    }
    match text.parse::<OutPoint>() {
        Ok(point) => assert_eq!(point.to_string().parse(), Ok(point)),
        Err(error) => assert!(error.to_string().len() < 1200),
    }
    if let Ok(difficulty) = text.parse::<Difficulty>() {
        assert_eq!(difficulty.to_string().parse(), Ok(difficulty));
    }
}

fn names(data: &[u8], format: &AddressFormat) {
    for result in [
        check_asset_symbol(data, true),
        check_asset_symbol(data, false),
        check_mit_symbol(data),
        check_did_name(data, true, format),
        check_did_name(data, false, format),
    ] {
        match result {
            Ok(()) => assert!(data.is_ascii() && (1..=64).contains(&data.len())),
            Err(error) => assert!(SymbolError::CODES.contains(&error.code())),
        }
    }
    assert!(check_asset_symbol(data, false).is_ok() || check_asset_symbol(data, true).is_err());
    assert!(data.starts_with(domain(data)));
}
