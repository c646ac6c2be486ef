//! The file: every byte of it changed, interrupted saves, hostile parameters.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use mvs_primitives::hash::sha256;

use super::header::{CHECKSUM_LEN, Header, offset};
use super::kdf::KdfParams;
use super::save::{self, Step, Target};
use super::vault::{
    AccountRecord, AccountSource, KeyRecord, MultisigRecord, ScriptRecord, SeedRecord, Vault,
};
use super::{Keystore, error::KeystoreError, kdf, seal};
use crate::keys::mnemonic::{Mnemonic, TextForm};
use crate::keys::multisig::Multisig;
use crate::keys::network::Network;
use crate::keys::path::Scheme;
use crate::keys::private_key::PrivateKey;
use crate::keys::secret::Secret;
use crate::password::Password;

/// A folder of its own for each test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("mvs-keystore-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("wallet.mvs")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn password(text: &str) -> Password {
    Password::new(text.to_owned()).unwrap()
}

fn key(n: u8) -> PrivateKey {
    PrivateKey::from_secret(Secret::copy_of(&[n; 32]), true).unwrap()
}

/// A vault with something of every kind.
fn vault() -> Vault {
    let words = Mnemonic::from_entropy(&[0x42; 32], Default::default()).unwrap();
    let mut vault = Vault::new(Network::Testnet, Some(1_270_000));
    vault.seeds.push(SeedRecord::from_words("main".to_owned(), &words, "more", TextForm::Composed));
    vault.seeds.push(SeedRecord {
        label: String::new(),
        words: None,
        seed: Secret::copy_of(&[9; 64]),
    });
    let watched = vault.seeds[1].master().unwrap().to_public();
    for (source, scheme) in [
        (AccountSource::Seed(0), Scheme::Direct),
        (AccountSource::Seed(0), Scheme::Bip44 { account: 7 }),
        (AccountSource::Watched(Box::new(watched)), Scheme::Direct),
    ] {
        let label = "an account".to_owned();
        vault.accounts.push(AccountRecord {
            label,
            source,
            scheme,
            next_receive: 3,
            next_change: 4,
        });
    }
    vault.keys.push(KeyRecord { label: "paper".to_owned(), key: key(5) });
    let keys = (1..=3).map(|n| key(n).public_key()).collect();
    let multisig = Multisig::new(2, keys).unwrap();
    let script = Some(multisig.redeem_script());
    let address = multisig.address();
    vault.scripts.push(ScriptRecord { label: "s".to_owned(), address, script });
    let own_key = key(2).public_key();
    vault.multisigs.push(MultisigRecord { label: "us".to_owned(), multisig, own_key });
    vault
}

const FLOOR: KdfParams = KdfParams::FLOOR;
const NONCE: [u8; 24] = [0x77; 24];

fn sealed() -> (Vec<u8>, Secret<[u8; 32]>) {
    let key = Secret::copy_of(&[0x55; 32]);
    (seal::seal_with(&vault(), FLOOR, [0x33; 32], NONCE, &key).unwrap(), key)
}

fn with_checksum(mut file: Vec<u8>) -> Vec<u8> {
    let end = file.len() - CHECKSUM_LEN;
    let checksum = sha256(&file[..end]);
    file[end..].copy_from_slice(&checksum);
    file
}

#[test]
fn a_vault_is_the_same_after_the_file() {
    let (file, key) = sealed();
    let header = Header::parse(&file).unwrap();
    let again = seal::open(&file, &header, &key).unwrap();
    assert_eq!(again.to_disk().unwrap().reveal(), vault().to_disk().unwrap().reveal());
    assert_eq!(again.accounts, vault().accounts);
    assert_eq!((again.network, again.birthday), (Network::Testnet, Some(1_270_000)));
    let words = again.seeds[0].words().unwrap();
    assert_eq!(words.reveal_entropy().reveal(), &[0x42; 32]);
    for account in &again.accounts {
        assert!(again.account_key(account).unwrap().is_some());
    }
    let lost = AccountRecord { source: AccountSource::Seed(9), ..again.accounts[0].clone() };
    assert_eq!(again.account_key(&lost).unwrap(), None);
}

#[test]
fn a_record_cut_or_longer_or_newer_is_refused() {
    let record = vault().to_disk().unwrap();
    for len in 0..record.reveal().len() {
        assert!(Vault::from_disk(&record.reveal()[..len]).is_err(), "{len}");
    }
    let longer = [record.reveal(), &[0]].concat();
    assert_eq!(Vault::from_disk(&longer).unwrap_err().code(), "record.trailing");
    let mut newer = record.reveal().to_vec();
    newer[0] = 2;
    assert_eq!(Vault::from_disk(&newer).unwrap_err().code(), "record.version");
    let mut many = Vault::new(Network::Mainnet, None).to_disk().unwrap().reveal().to_vec();
    many[8..12].fill(0xff);
    assert_eq!(Vault::from_disk(&many).unwrap_err().code(), "record.truncated");
    let mut long = Vault::new(Network::Mainnet, None);
    long.seeds.push(SeedRecord {
        label: "x".repeat(1025),
        words: None,
        seed: Secret::copy_of(&[9; 64]),
    });
    assert_eq!(long.to_disk().unwrap_err().code(), "record.too_long");
}

#[test]
fn any_changed_byte_is_refused() {
    let (file, _) = sealed();
    for position in 0..file.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut changed = file.clone();
            changed[position] ^= change;
            let expected = match position {
                0..offset::VERSION => "keystore.not_a_keystore",
                offset::VERSION..offset::KDF => "keystore.version",
                _ => "keystore.damaged",
            };
            let error = Header::parse(&changed).unwrap_err();
            assert_eq!(error.code(), expected, "byte {position}");
        }
    }
    for len in 0..file.len() {
        let error = Header::parse(&file[..len]).unwrap_err();
        let expected =
            if len < offset::VERSION { "keystore.not_a_keystore" } else { "keystore.damaged" };
        assert_eq!(error.code(), expected, "cut at {len}");
    }
    let longer = [&file[..], &[0]].concat();
    assert_eq!(Header::parse(&longer).unwrap_err().code(), "keystore.damaged");
}

/// Somebody who knows the format puts the checksum right again.
#[test]
fn any_changed_byte_is_refused_with_a_right_checksum() {
    let (file, key) = sealed();
    for position in offset::KDF..file.len() - CHECKSUM_LEN {
        let mut changed = file.clone();
        changed[position] ^= 0x01;
        let result = Header::parse(&with_checksum(changed.clone()))
            .and_then(|header| seal::open(&changed, &header, &key));
        let expected = match position {
            offset::KDF..offset::MEMORY => "keystore.algorithm",
            // 1 or 256 KiB more, or 256 passes more: in bounds, but not what was sealed.
            12 | 13 | 17 => "keystore.wrong_password",
            offset::MEMORY..offset::SALT => "keystore.parameters",
            offset::SEALED_LEN..offset::SEALED => "keystore.damaged",
            _ => "keystore.wrong_password",
        };
        assert_eq!(result.unwrap_err().code(), expected, "byte {position}");
    }
}

#[test]
fn hostile_parameters_are_refused_before_memory_is_taken() {
    let (file, _) = sealed();
    for (at, value) in [
        (offset::MEMORY, u32::MAX),
        (offset::MEMORY, KdfParams::MAX_MEMORY_KIB + 1),
        (offset::MEMORY, 8),
        (offset::PASSES, u32::MAX),
        (offset::PASSES, 1),
        (offset::LANES, 0),
        (offset::LANES, 1 << 20),
    ] {
        let mut hostile = file.clone();
        hostile[at..at + 4].copy_from_slice(&value.to_le_bytes());
        let error = Header::parse(&with_checksum(hostile)).unwrap_err();
        assert_eq!(error.code(), "keystore.parameters");
    }
    let hostile = KdfParams { memory_kib: u32::MAX, passes: 3, lanes: 1 };
    let refused = kdf::stretch(&password("p"), &[0; 32], hostile).unwrap_err();
    assert_eq!(refused.code(), "keystore.parameters");
}

#[test]
fn create_open_change_and_lock() {
    let folder = Folder::new();
    let path = folder.file();
    let mut keystore = Keystore::create_with(&path, &password("one"), vault(), FLOOR).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let locked = Keystore::open(&path, &password("one")).unwrap_err();
    assert!(matches!(locked, KeystoreError::Locked { .. }));
    keystore.vault_mut().birthday = Some(5);
    keystore.save().unwrap();
    let wrong = keystore.change_password_with(&password("x"), &password("two"), FLOOR);
    assert_eq!(wrong.unwrap_err().code(), "keystore.wrong_password");
    let before = fs::read(&path).unwrap();
    keystore.change_password_with(&password("one"), &password("two"), FLOOR).unwrap();
    let after = fs::read(&path).unwrap();
    assert_ne!(before[offset::SALT..offset::NONCE], after[offset::SALT..offset::NONCE]);
    keystore.save().unwrap();
    drop(keystore);

    assert_eq!(
        Keystore::open(&path, &password("one")).unwrap_err().code(),
        "keystore.wrong_password"
    );
    let opened = Keystore::open(&path, &password("two")).unwrap();
    assert_eq!(opened.vault().birthday, Some(5));
    assert_eq!(Keystore::inspect(&path).unwrap().params, opened.params());
    drop(opened);
    let there = Keystore::create_with(&path, &password("one"), vault(), FLOOR).unwrap_err();
    assert_eq!(there.code(), "keystore.exists");
    // Whoever gets past that check still does not overwrite.
    let bytes = fs::read(&path).unwrap();
    let error = save::write(&path, b"other", Target::New, &mut |_| Ok(())).unwrap_err();
    assert_eq!(error.code(), "keystore.exists");
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(Keystore::inspect(&folder.0).unwrap_err().code(), "keystore.not_a_keystore");
    assert_eq!(Keystore::inspect(&folder.0.join("none")).unwrap_err().code(), "keystore.io");
}

#[test]
fn creating_never_goes_below_the_starting_cost() {
    let folder = Folder::new();
    let keystore = Keystore::create(&folder.file(), &password("p"), vault()).unwrap();
    assert!(keystore.params().check().is_ok());
    assert!(keystore.params().memory_kib >= KdfParams::START.memory_kib);
    assert!(keystore.params().passes >= KdfParams::START.passes);
}

#[test]
fn two_wallets_with_one_password_share_no_bytes() {
    let folders = [Folder::new(), Folder::new()];
    let files = folders.each_ref().map(|folder| {
        Keystore::create_with(&folder.file(), &password("p"), vault(), FLOOR).unwrap();
        fs::read(folder.file()).unwrap()
    });
    // All but the length and what says how to read the file: salt, nonce, sealed part, checksum.
    let windows = |file: &[u8]| {
        let parts = [&file[offset::SALT..offset::SEALED_LEN], &file[offset::SEALED..]];
        parts.map(|part| part.windows(6).map(<[u8]>::to_vec).collect::<Vec<_>>()).concat()
    };
    let [one, two] = [windows(&files[0]), windows(&files[1])];
    let one: std::collections::HashSet<_> = one.into_iter().collect();
    assert!(two.iter().all(|window| !one.contains(window)));
    // No run of zeros: the padding is sealed as well.
    assert!(!one.contains([0; 6].as_slice()));
}

/// Stops a save before its n-th step: as an error of the disk, and as the end of the program, after
/// which nothing is cleaned up.
#[test]
fn a_save_interrupted_anywhere_leaves_old_or_new() {
    let (old, new) = (vec![1; 2000], vec![2; 1500]);
    let mut finished = 0;
    for as_crash in [false, true] {
        for stop_at in 0.. {
            let folder = Folder::new();
            let path = folder.file();
            save::write(&path, &old, Target::New, &mut |_| Ok(())).unwrap();
            let mut count = 0;
            let mut last = None;
            let mut before = |step: Step| {
                if count == stop_at {
                    last = Some(step);
                    assert!(!as_crash, "the end of the program");
                    return Err(io::Error::other("the disk is gone"));
                }
                count += 1;
                Ok(())
            };
            let run = std::panic::AssertUnwindSafe(|| {
                save::write(&path, &new, Target::Replace, &mut before)
            });
            let done = std::panic::catch_unwind(run).is_ok_and(|result| result.is_ok());
            let found = fs::read(&path).unwrap();
            match last {
                None | Some(Step::SyncFolder) => assert_eq!(found, new),
                Some(_) => assert_eq!(found, old),
            }
            assert_eq!(done, last.is_none());
            // Whatever was left behind, the next save works.
            save::write(&path, &new, Target::Replace, &mut |_| Ok(())).unwrap();
            assert_eq!(fs::read(&path).unwrap(), new);
            assert!(!save::temporary_of(&path).exists());
            if done {
                assert!(stop_at >= 11, "{stop_at} steps");
                finished += 1;
                break;
            }
        }
    }
    assert_eq!(finished, 2);
}

/// The example of the README, byte by byte: an empty vault of the main network, password `example`,
/// salt 00 to 1f, nonce 20 to 37.
#[test]
fn the_example_of_the_readme() {
    let salt = std::array::from_fn(|n| u8::try_from(n).unwrap());
    let nonce = std::array::from_fn(|n| u8::try_from(n + 0x20).unwrap());
    let key = kdf::stretch(&password("example"), &salt, FLOOR).unwrap();
    let vault = Vault::new(Network::Mainnet, Some(1_000_000));
    let file = seal::seal_with(&vault, FLOOR, salt, nonce, &key).unwrap();
    let readme = include_str!("../../README.md");
    let (_, block) = readme.split_once("<!-- example -->").unwrap();
    let block = block.split("```").nth(1).unwrap();
    let mut dump = String::new();
    for (number, row) in file.chunks(16).enumerate() {
        let digits: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
        dump += &format!("{:04x}  {}\n", number * 16, digits.join(" "));
    }
    assert!(block == format!("text\n{dump}"), "the example is now\n{dump}");
}
