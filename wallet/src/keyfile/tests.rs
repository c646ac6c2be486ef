//! Both ways, a file made by another program's cipher, and each way of being wrong.

use super::{Keyfile, KeyfileError, KeyfileMultisig, KeyfileScript, MAX_INDEX};
use crate::keys::mnemonic::{Language, Mnemonic};
use crate::keys::multisig::Multisig;
use crate::keys::network::Network;
use crate::keys::private_key::PrivateKey;
use crate::keys::secret::Secret;
use crate::password::Password;
use mvs_primitives::address::Address;
use mvs_primitives::script::Script;

/// Sealed by the `openssl` program; `tests/data/README.md` has the command.
const SAMPLE: &str = include_str!("../../tests/data/keyfile.json");
const WORDS: &str = "lunar there win define minor shadow damage lounge bitter abstract sail alcohol \
                     yellow left lift vapor tourist rent gloom sustain gym dry congress zero";

fn password(text: &str) -> Password {
    Password::new(text.to_owned()).unwrap()
}

fn open(text: &str) -> Result<Keyfile, KeyfileError> {
    Keyfile::open(text, &password("Sample password 1"), Network::Mainnet)
}

#[test]
fn a_file_sealed_by_another_program_opens() {
    let file = open(SAMPLE).unwrap();
    assert_eq!(file.words.reveal_sentence().reveal(), WORDS);
    assert_eq!(file.index, 10);
    assert!(file.multisigs.is_empty() && file.scripts.is_empty());
    let wrong = Keyfile::open(SAMPLE, &password("sample password 1"), Network::Mainnet);
    assert_eq!(wrong.unwrap_err(), KeyfileError::WrongPassword);
}

#[test]
fn what_is_sealed_opens_again() {
    let key = |n| PrivateKey::from_secret(Secret::copy_of(&[n; 32]), true).unwrap().public_key();
    let multisig = Multisig::new(2, vec![key(1), key(2), key(3)]).unwrap();
    let script = multisig.redeem_script();
    let file = Keyfile {
        words: Mnemonic::parse(WORDS, None).unwrap(),
        index: 3,
        multisigs: vec![KeyfileMultisig {
            multisig: multisig.clone(),
            own_key: key(2),
            description: "the three of us".to_owned(),
        }],
        scripts: vec![
            KeyfileScript {
                address: multisig.address(),
                script: Some(Script::from_bytes(script.as_bytes())),
                description: String::new(),
            },
            KeyfileScript {
                address: Address::ScriptHash([9; 20]),
                script: None,
                description: "watched".to_owned(),
            },
        ],
    };
    for network in Network::ALL {
        let text = file.seal(&password("p"), network).unwrap();
        assert!(!text.contains("lunar"));
        let again = Keyfile::open(&text, &password("p"), network).unwrap();
        assert_eq!(again.words.reveal_sentence().reveal(), WORDS);
        assert_eq!(
            (again.index, &again.multisigs, &again.scripts),
            (3, &file.multisigs, &file.scripts)
        );
        assert_ne!(file.seal(&password("p"), network).unwrap(), text, "a fresh salt each time");
    }
}

#[test]
fn old_and_loose_forms_are_read() {
    let loose = SAMPLE.replace("\"index\": 10", "\"index\": \"10\"");
    assert_eq!(open(&loose).unwrap().index, 10);
    let null = SAMPLE
        .replace("\"multisigs\": []", "\"multisigs\": null")
        .replace(",\n  \"scripts\": []", "");
    assert_ne!(null, SAMPLE);
    assert!(open(&null).is_ok());
}

#[test]
fn each_way_of_being_wrong_is_told() {
    let code = |text: &str| open(text).unwrap_err().code();
    assert_eq!(code(""), "keyfile.form");
    assert_eq!(code("{}"), "keyfile.form");
    assert_eq!(code(&"ab".repeat(100)), "keyfile.legacy");
    assert_eq!(code(&" ".repeat(super::MAX_BYTES + 1)), "keyfile.too_large");
    assert_eq!(code(&SAMPLE.replace("\"aes\"", "\"des\"")), "keyfile.algorithm");
    let index = |index: &str| SAMPLE.replace("\"index\": 10", &format!("\"index\": {index}"));
    assert_eq!(code(&index("\"ten\"")), "keyfile.form");
    assert_eq!(code(&index("-1")), "keyfile.form");
    assert_eq!(code(&index(&(MAX_INDEX + 1).to_string())), "keyfile.index");
    assert_eq!(code(&index("18446744073709551615")), "keyfile.index");
    assert_eq!(code(&SAMPLE.replace("U2FsdGVkX1", "V2FsdGVkX1")), "keyfile.form");
    let with =
        |part: &str| SAMPLE.replace("\"multisigs\": []", &format!("\"multisigs\": [{part}]"));
    assert_eq!(code(&with(r#"{"m":1,"n":2,"s":"02","k":[]}"#)), "keyfile.entry");
    let key = "034593f54b073ed6a3728056d0f6595d614c717c639a9301761de7c8ef5d5fe1b4";
    let one = with(&format!(r#"{{"m":1,"n":1,"s":"{key}","k":["{key}"]}}"#));
    assert_eq!(code(&one), "keyfile.multisig");
    let script = SAMPLE.replace("\"scripts\": []", r#""scripts": [{"address":"x"}]"#);
    assert_eq!(code(&script), "keyfile.entry");

    let bad_words = |sentence: &str| {
        let plain = format!("\"{sentence}\"");
        let sealed = super::cryptojs::seal(&plain, &password("p")).unwrap();
        let text = format!(r#"{{"algo":"aes","index":1,"mnemonic":"{sealed}"}}"#);
        Keyfile::open(&text, &password("p"), Network::Mainnet).unwrap_err()
    };
    assert_eq!(bad_words("abandon abandon").code(), "keyfile.words");
    let italian = Keyfile {
        words: Mnemonic::from_entropy(&[1; 16], Language::Italian).unwrap(),
        index: 1,
        multisigs: Vec::new(),
        scripts: Vec::new(),
    };
    let refused = italian.seal(&password("p"), Network::Mainnet);
    assert_eq!(refused.unwrap_err(), KeyfileError::Language(Language::Italian));
}
