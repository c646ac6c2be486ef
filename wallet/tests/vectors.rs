//! Keys against published vectors and against another library.

#![allow(clippy::unwrap_used)] // a panic is how a test fails, in its helpers too

use hdwallet::traits::Serialize as _;
use hdwallet::{ExtendedPrivKey, ExtendedPubKey, KeyIndex};
use mvs_primitives::address::Address;
use mvs_wallet::keys::derive::{DeriveError, ExtendedPrivateKey, ExtendedPublicKey};
use mvs_wallet::keys::mnemonic::{Mnemonic, TextForm};
use mvs_wallet::keys::network::Network;
use mvs_wallet::keys::path::{Chain, ChildNumber, DerivationPath, Scheme};
use mvs_wallet::keys::private_key::PrivateKey;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use serde_json::Value;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

#[test]
fn bip32() {
    let vectors = json(include_str!("data/bip32.json"));
    let mut checked = 0;
    for vector in vectors.as_array().unwrap() {
        let seed = hex::decode(text(vector, "seed")).unwrap();
        let master = ExtendedPrivateKey::master(&seed).unwrap();
        for entry in vector["chains"].as_array().unwrap() {
            let path: DerivationPath = text(entry, "path").parse().unwrap();
            let private = master.derive_path(&path).unwrap();
            assert_eq!(private.reveal_text().reveal(), text(entry, "xprv"), "{path}");
            assert_eq!(private.to_public().to_text(), text(entry, "xpub"), "{path}");
            let again = ExtendedPrivateKey::parse(text(entry, "xprv")).unwrap();
            assert_eq!(again.to_public(), ExtendedPublicKey::parse(text(entry, "xpub")).unwrap());
            if let Some((last, above)) = path.steps().split_last() {
                let parent = master.derive(above).unwrap().to_public();
                match parent.child(*last) {
                    Ok(child) => assert_eq!(child, private.to_public()),
                    Err(error) => assert!(last.is_hardened(), "{error}"),
                }
            }
            checked += 1;
        }
    }
    assert_eq!(checked, 17);
}

#[test]
fn extended_keys_that_are_none_are_refused() {
    let master = ExtendedPrivateKey::master(&[1; 32]).unwrap();
    let private = base58ck::decode_check(master.reveal_text().reveal()).unwrap();
    let public = master.to_public().to_bytes().to_vec();
    let encode =
        |bytes: &[u8]| base58ck::Base58CkString::encode_unbounded(bytes).as_str().to_owned();
    let changed = |bytes: &[u8], change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.to_vec();
        change(&mut bytes);
        encode(&bytes)
    };
    let private_code = |text: &str| ExtendedPrivateKey::parse(text).unwrap_err().code();
    let public_code = |text: &str| ExtendedPublicKey::parse(text).unwrap_err().code();
    assert_eq!(private_code(&encode(&public)), "derive.kind");
    assert_eq!(public_code(&encode(&private)), "derive.kind");
    assert_eq!(private_code(&changed(&private, &|b| b[45] = 1)), "derive.content");
    assert_eq!(private_code(&changed(&private, &|b| b[46..].fill(0))), "derive.content");
    assert_eq!(private_code(&changed(&private, &|b| b[46..].fill(0xff))), "derive.content");
    // A master has no parent and no number.
    assert_eq!(private_code(&changed(&private, &|b| b[5] = 1)), "derive.content");
    assert_eq!(public_code(&changed(&public, &|b| b[12] = 1)), "derive.content");
    assert_eq!(public_code(&changed(&public, &|b| b[45] = 4)), "derive.content");
    assert_eq!(public_code(&changed(&public, &|b| b[45] = 0)), "derive.content");
    assert_eq!(public_code(&changed(&public, &|b| b.truncate(77))), "derive.form");
    assert_eq!(public_code("xpub"), "derive.form");
    assert_eq!(public_code(&"1".repeat(5000)), "derive.form");
    assert_eq!(public_code("0OIl"), "derive.form");
    let mut mistyped = master.to_public().to_text();
    mistyped.replace_range(20..21, if &mistyped[20..21] == "a" { "b" } else { "a" });
    assert_eq!(public_code(&mistyped), "derive.checksum");
    for len in [0, 15, 65] {
        let error = ExtendedPrivateKey::master(&vec![1; len]).unwrap_err();
        assert_eq!(error, DeriveError::SeedLength { found: len });
    }
    let mut key = master.to_public();
    for _ in 0..255 {
        key = key.child(ChildNumber::normal(0).unwrap()).unwrap();
    }
    assert_eq!(key.child(ChildNumber::normal(0).unwrap()), Err(DeriveError::TooDeep));
}

#[test]
fn the_networks_addresses() {
    let vectors = json(include_str!("data/addresses.json"));
    let mut checked = 0;
    for vector in vectors["valid"].as_array().unwrap() {
        let networks = match text(vector, "network") {
            "mainnet" => vec![Network::Mainnet],
            "testnet" => vec![Network::Testnet],
            "private" => vec![Network::Private],
            _ => Network::ALL.to_vec(),
        };
        for network in networks {
            let address = Address::parse(text(vector, "address"), network.address_format());
            let address = address.unwrap();
            assert_eq!(address.to_text(network.address_format()), text(vector, "address"));
            checked += 1;
        }
    }
    for vector in vectors["invalid"].as_array().unwrap() {
        for network in Network::ALL {
            assert!(Address::parse(text(vector, "address"), network.address_format()).is_err());
        }
        checked += 1;
    }
    for vector in vectors["wif"].as_array().unwrap() {
        for network in Network::ALL {
            let key = PrivateKey::from_wif(text(vector, "wif"), network).unwrap();
            assert_eq!(hex::encode(key.reveal_secret()), text(vector, "secret_hex"));
            assert_eq!(key.public_key().to_string(), text(vector, "pubkey"));
            assert_eq!(key.reveal_wif(network).reveal(), text(vector, "wif"));
            let name = if network == Network::Testnet { "testnet" } else { "mainnet" };
            let address = text(vector, &format!("{name}_address"));
            assert_eq!(key.address().to_text(network.address_format()), address);
        }
        checked += 1;
    }
    let vectors = vectors["hd_bip39_empty_passphrase"].as_array().unwrap();
    let words = Mnemonic::parse(text(&vectors[0], "mnemonic"), None).unwrap();
    let seed = words.to_seed("", TextForm::Standard);
    let master = ExtendedPrivateKey::master(seed.reveal()).unwrap();
    for vector in vectors {
        let key = master.derive_path(&text(vector, "path").parse().unwrap()).unwrap();
        if let Some(xprv) = vector["xprv"].as_str() {
            assert_eq!(key.reveal_text().reveal(), xprv);
        }
        if let Some(address) = vector["mainnet_address"].as_str() {
            let format = Network::Mainnet.address_format();
            assert_eq!(key.private_key().address().to_text(format), address);
        }
        checked += 1;
    }
    // wallet.md 2, through the public side of the scheme of existing wallets.
    for (index, address) in [
        (0, "MKXYH2MhpvA3GU7kMk8y3SoywGnyHEj5SB"),
        (1, "MV1HEd7A4bCnLXhxXLHgWB2rurtS7xVWJf"),
        (2, "MDc9rsRr5Ukgro4mu89G2Spdts5aACRJdb"),
    ] {
        let steps = Scheme::Direct.address_steps(Chain::Receive, index).unwrap();
        let key = master.to_public().derive(&steps).unwrap();
        let format = Network::Mainnet.address_format();
        assert_eq!(key.public_key().address().to_text(format), address);
    }
    assert!(checked >= 26, "{checked} vectors");
}

proptest! {
    #[test]
    fn public_and_private_derivation_agree(
        seed in any::<[u8; 32]>(),
        above in proptest::collection::vec(any::<u32>(), 0..4),
        below in proptest::collection::vec(0u32..1 << 31, 0..4),
    ) {
        let steps = |numbers: &[u32]| -> Vec<_> {
            numbers.iter().map(|number| ChildNumber::from_u32(*number)).collect()
        };
        let account = ExtendedPrivateKey::master(&seed).unwrap().derive(&steps(&above)).unwrap();
        let private = account.derive(&steps(&below)).unwrap();
        let public = account.to_public().derive(&steps(&below)).unwrap();
        prop_assert_eq!(&private.to_public(), &public);
        let texts = (private.reveal_text(), public.to_text());
        let again = ExtendedPrivateKey::parse(texts.0.reveal()).unwrap();
        prop_assert!(again.reveal_text().reveal() == texts.0.reveal());
        prop_assert_eq!(&ExtendedPublicKey::parse(&texts.1).unwrap(), &public);
        prop_assert_eq!(&ExtendedPublicKey::from_bytes(&public.to_bytes()).unwrap(), &public);
    }

    #[test]
    fn hdwallet_derives_the_same_keys(
        seed in any::<[u8; 32]>(),
        numbers in proptest::collection::vec(any::<u32>(), 0..6),
    ) {
        let mut ours = ExtendedPrivateKey::master(&seed).unwrap();
        let mut theirs = ExtendedPrivKey::with_seed(&seed).unwrap();
        for number in numbers {
            ours = ours.child(ChildNumber::from_u32(number)).unwrap();
            theirs = theirs.derive_private_key(KeyIndex::from(number)).unwrap();
            prop_assert_eq!(ours.private_key().reveal_secret(), &theirs.private_key.secret_bytes());
            let public = ExtendedPubKey::from_private_key(&theirs);
            let serialized = public.serialize();
            let bytes = ours.to_public().to_bytes();
            prop_assert_eq!(&bytes[45..], &serialized[..33]);
            prop_assert_eq!(&bytes[13..45], &serialized[33..]);
        }
    }
}
