//! `new`, `restore`, `address`: the keystore and its addresses.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};

use serde_json::json;
use zeroize::Zeroizing;

use super::args::{AddressCommand, AddressOrder, NewOrder, RestoreOrder};
use super::exit::Usage;
use super::home::{Home, addresses_of};
use super::tell;
use crate::keys::mnemonic::{Language, Mnemonic, TextForm, WordCount};
use crate::keys::path::Scheme;
use crate::keystore::Keystore;
use crate::keystore::vault::{AccountRecord, AccountSource, SeedRecord, Vault};
use crate::password::Password;

/// What people call the wallet's first seed and account.
const LABEL: &str = "main";
/// The longest text of words that is read, in bytes.
const MOST_WORDS_BYTES: u64 = 4_096;
/// Addresses that a wallet has given out at most when it is restored.
const MOST_ADDRESSES: u32 = 100_000;

pub(super) fn new(home: &Home, order: &NewOrder) -> anyhow::Result<()> {
    let count = match order.words {
        12 => WordCount::Twelve,
        15 => WordCount::Fifteen,
        18 => WordCount::Eighteen,
        21 => WordCount::TwentyOne,
        24 => WordCount::TwentyFour,
        _ => return Err(Usage("--words is 12, 15, 18, 21 or 24".to_owned()).into()),
    };
    let language = Language::from_short_name(&order.language)
        .ok_or_else(|| Usage(format!("there is no word list {:?}", order.language)))?;
    refuse_existing(home)?;
    let words = Mnemonic::generate(count, language)?;
    let address = make(home, &words, "", 1)?;
    tell::note("Write these words down. Whoever has them has the coin; without them it is lost");
    tell::note("when the keystore is. They are not shown again.");
    show_words(home, words.reveal_sentence().reveal(), &address)?;
    Ok(())
}

/// Writes the words without a copy of them that outlives the call. Words hold nothing that JSON would
/// have to quote.
fn show_words(home: &Home, sentence: &str, address: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let (start, middle, end) = if home.is_json {
        ("{\"words\":\"", "\",\"address\":\"", "\"}\n")
    } else {
        ("words ", "\naddress ", "\n")
    };
    for part in [start, sentence, middle, address, end] {
        out.write_all(part.as_bytes())?;
    }
    out.flush()
}

pub(super) fn restore(home: &Home, order: &RestoreOrder) -> anyhow::Result<()> {
    if !(1..=MOST_ADDRESSES).contains(&order.addresses) {
        return Err(Usage(format!("--addresses: 1 to {MOST_ADDRESSES}")).into());
    }
    refuse_existing(home)?;
    let text = read_words()?;
    let words = Mnemonic::parse(&text, None)?;
    let address = if order.passphrase {
        let passphrase = Password::ask("Passphrase of the words: ")?;
        make(home, &words, passphrase.reveal(), order.addresses)?
    } else {
        make(home, &words, "", order.addresses)?
    };
    let path = home.keystore_path().display().to_string();
    tell::answer(home.is_json, &json!({"keystore": path, "address": address}))?;
    Ok(())
}

fn refuse_existing(home: &Home) -> anyhow::Result<()> {
    let path = home.keystore_path();
    if path.symlink_metadata().is_ok() {
        let text = format!("{} exists already and is not overwritten", path.display());
        return Err(Usage(text).into());
    }
    Ok(())
}

/// Reads words: a line that is typed unseen on a terminal, else all of standard input.
fn read_words() -> anyhow::Result<Zeroizing<String>> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        let mut err = std::io::stderr();
        write!(err, "The words, on one line (they can be seen while you type): ")?;
        err.flush()?;
        let mut line = Zeroizing::new(String::with_capacity(4_096));
        stdin.lock().take(MOST_WORDS_BYTES).read_line(&mut line)?;
        return Ok(line);
    }
    let mut text = Zeroizing::new(String::with_capacity(4_096));
    stdin.lock().take(MOST_WORDS_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// Writes a keystore; returns its first address.
fn make(home: &Home, words: &Mnemonic, passphrase: &str, addresses: u32) -> anyhow::Result<String> {
    let mut vault = Vault::new(home.network, None);
    let seed = SeedRecord::from_words(LABEL.to_owned(), words, passphrase, TextForm::Standard);
    vault.seeds.push(seed);
    let account = AccountRecord {
        label: LABEL.to_owned(),
        source: AccountSource::Seed(0),
        scheme: Scheme::Direct,
        next_receive: addresses,
        next_change: 0,
    };
    let first = addresses_of(&vault, &AccountRecord { next_receive: 1, ..account.clone() })?;
    let first = first.first().map(|address| home.show(address)).unwrap_or_default();
    vault.accounts.push(account);
    let password = home.new_password()?;
    home.make_folder()?;
    Keystore::create(home.keystore_path(), &password, vault)?;
    Ok(first)
}

pub(super) fn address(home: &Home, order: &AddressOrder) -> anyhow::Result<()> {
    let mut keystore = home.open()?;
    match order.command {
        AddressCommand::List => {
            let mut all = Vec::new();
            for account in &keystore.vault().accounts {
                let addresses = addresses_of(keystore.vault(), account)?;
                for (index, address) in addresses.iter().enumerate() {
                    let address = home.show(address);
                    all.push(json!({"address": address, "account": account.label, "index": index}));
                }
            }
            for record in &keystore.vault().keys {
                let address = home.show(&record.key.address());
                all.push(json!({"address": address, "key": record.label}));
            }
            tell::answer(home.is_json, &json!({ "addresses": all }))?;
        }
        AddressCommand::New => {
            let none = || Usage("the wallet has no account to give addresses out of".to_owned());
            let account = keystore.vault_mut().accounts.first_mut().ok_or_else(none)?;
            account.next_receive = account.next_receive.checked_add(1).ok_or_else(none)?;
            let account = account.clone();
            let addresses = addresses_of(keystore.vault(), &account)?;
            let address = addresses.last().map(|address| home.show(address)).ok_or_else(none)?;
            // Nobody hears of an address that the wallet could forget.
            keystore.save()?;
            tell::answer(home.is_json, &json!({ "address": address }))?;
        }
    }
    Ok(())
}
