//! No secret shows in what is printed, and none in a core dump.

#![allow(clippy::unwrap_used)] // a panic is how a test fails, in its helpers too

use std::process::Command;

use mvs_wallet::keyfile::Keyfile;
use mvs_wallet::keys::derive::{ExtendedPrivateKey, ExtendedPublicKey};
use mvs_wallet::keys::message::MessageSignature;
use mvs_wallet::keys::mnemonic::{Language, Mnemonic, TextForm};
use mvs_wallet::keys::network::Network;
use mvs_wallet::keys::private_key::PrivateKey;
use mvs_wallet::keystore::vault::{KeyRecord, SeedRecord, Vault};
use mvs_wallet::password::Password;

const WORDS: &str = "legal winner thank year wave sausage worth useful legal winner thank yellow";

/// Everything that `scan` must not find.
struct Needles(Vec<String>);

impl Needles {
    fn scan(&self, printed: &str) {
        for needle in &self.0 {
            assert!(!printed.contains(needle.as_str()), "a secret is in {printed:?}");
        }
    }
}

/// The forms in which bytes are printed.
fn forms(bytes: &[u8]) -> Vec<String> {
    let list = format!("{:?}", &bytes[..8]);
    let pretty: Vec<String> = bytes[..4].iter().map(|byte| format!("{byte},")).collect();
    vec![
        hex::encode(&bytes[..8]),
        hex::encode_upper(&bytes[..8]),
        list.trim_matches(['[', ']']).to_owned(),
        pretty.join("\n"),
    ]
}

#[test]
fn nothing_that_is_printed_holds_a_secret() {
    let words = Mnemonic::parse(WORDS, None).unwrap();
    let seed = words.to_seed("passphrase!", TextForm::Standard);
    let master = ExtendedPrivateKey::master(seed.reveal()).unwrap();
    let xprv = master.reveal_text();
    let wif = master.private_key().reveal_wif(Network::Mainnet);
    let password = Password::new("correct horse".to_owned()).unwrap();
    let mut needles: Vec<String> = WORDS.split(' ').map(str::to_owned).collect();
    needles
        .extend(["passphrase!", "correct horse", xprv.reveal(), wif.reveal()].map(str::to_owned));
    needles.extend(forms(seed.reveal()));
    needles.extend(forms(words.reveal_entropy().reveal()));
    needles.extend(forms(master.private_key().reveal_secret()));
    let needles = Needles(needles);

    let mut vault = Vault::new(Network::Mainnet, None);
    let form = TextForm::Standard;
    vault.seeds.push(SeedRecord::from_words("label".to_owned(), &words, "passphrase!", form));
    let key = PrivateKey::from_wif(wif.reveal(), Network::Mainnet).unwrap();
    vault.keys.push(KeyRecord { label: "label".to_owned(), key });
    let parsed = Mnemonic::parse(WORDS, None).unwrap();
    let keyfile = Keyfile { words: parsed, index: 1, multisigs: Vec::new(), scripts: Vec::new() };
    let sealed = keyfile.seal(&password, Network::Mainnet).unwrap();
    for printed in [
        format!("{words:?} {words:#?} {seed:?} {master:?} {master:#?} {xprv:?} {wif:?}"),
        format!("{:?} {:#?}", master.private_key(), master.private_key()),
        format!("{password:?} {vault:?} {vault:#?} {keyfile:?} {sealed}"),
        format!("{:?}", vault.to_disk().unwrap()),
    ] {
        needles.scan(&printed);
    }

    let mut errors: Vec<String> = Vec::new();
    let mut error = |error: &dyn std::error::Error| errors.push(format!("{error} {error:?}"));
    for text in [
        WORDS.replace("yellow", "yelow"),
        WORDS.replace("yellow", "zoo"),
        format!("{WORDS} {WORDS} sausage"),
        WORDS.replace(' ', "  x "),
    ] {
        error(&Mnemonic::parse(&text, None).unwrap_err());
        error(&Mnemonic::parse(&text, Some(Language::Korean)).unwrap_err());
        let words = format!(r#"{{"algo":"aes","index":1,"mnemonic":"{text}"}}"#);
        error(&Keyfile::open(&words, &password, Network::Mainnet).unwrap_err());
    }
    error(&Mnemonic::parse(WORDS, Some(Language::French)).unwrap_err());
    for text in [xprv.reveal(), wif.reveal(), WORDS, &format!("{}1", xprv.reveal())] {
        error(&ExtendedPublicKey::parse(text).unwrap_err());
        error(&PrivateKey::from_wif(&format!("{text}x"), Network::Mainnet).unwrap_err());
        error(&ExtendedPrivateKey::parse(&format!("{text}x")).unwrap_err());
        error(&Keyfile::open(text, &password, Network::Mainnet).unwrap_err());
        error(&MessageSignature::parse(text).unwrap_err());
    }
    let other = Password::new("other".to_owned()).unwrap();
    error(&Keyfile::open(&sealed, &other, Network::Mainnet).unwrap_err());
    assert!(errors.len() > 30);
    errors.iter().for_each(|printed| needles.scan(printed));
}

/// The scan itself finds what it should.
#[test]
fn the_scan_can_fail() {
    let needles = Needles(forms(&[0xab; 32]));
    for printed in [format!("{:?}", [0xabu8; 32]), hex::encode([0xab; 32])] {
        assert!(std::panic::catch_unwind(|| needles.scan(&printed)).is_err());
    }
}

const CHILD: &str = "MVS_TEST_PROTECT";

/// Run by the test below in a process of its own, which it changes for good.
#[test]
fn child_protects_its_memory() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    mvs_wallet::process::protect_memory().unwrap();
    let limits = rustix::process::getrlimit(rustix::process::Resource::Core);
    assert_eq!((limits.current, limits.maximum), (Some(0), Some(0)));
    let dumpable = rustix::process::dumpable_behavior().unwrap();
    assert_eq!(dumpable, rustix::process::DumpableBehavior::NotDumpable);
    println!("protected");
}

#[test]
fn core_dumps_are_off() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_protects_its_memory", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("protected"));
}
