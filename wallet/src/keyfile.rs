//! Backups of the network's existing wallets: the first node's `dumpkeyfile`, the light wallet's
//! `mvs_keystore.json` (wallet.md 6, 6.1).
//!
//! They protect the words badly: one round of MD5 turns the password into the key, and nothing shows
//! that a file was altered. Read them to move into a keystore; write them only for another program.

use mvs_primitives::address::Address;
use mvs_primitives::script::Script;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::keys::mnemonic::{Language, Mnemonic, MnemonicError};
use crate::keys::multisig::{Multisig, MultisigError};
use crate::keys::network::Network;
use crate::keys::public_key::PublicKey;
use crate::keys::secret::{RandomError, Secret};
use crate::password::Password;

mod cryptojs;

/// Largest file that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// Most addresses that a file may claim (wallet.md 2).
pub const MAX_INDEX: u32 = 0xf_ffff;

/// A file that could not be read or written. No text of it holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyfileError {
    /// More than a mebibyte.
    #[error("the file is too large to be a keyfile")]
    TooLarge,
    /// Not JSON with the fields of a keyfile.
    #[error("this is no keyfile: {what}")]
    Form {
        /// What is missing or wrong.
        what: &'static str,
    },
    /// A backup of the first node's oldest versions.
    #[error(
        "this is a backup of a very old kind (hexadecimal text); import its private keys or words"
    )]
    Legacy,
    /// Sealed in another way than known.
    #[error("the keyfile's algo is not aes")]
    Algorithm,
    /// The number of addresses is impossible.
    #[error("the keyfile claims {found} addresses; at most {MAX_INDEX} are possible")]
    Index {
        /// The number.
        found: u64,
    },
    /// The password does not open it, or it is damaged: such a file cannot tell.
    #[error("wrong password, or the keyfile is damaged")]
    WrongPassword,
    /// The password opened it, but the words in it are wrong.
    #[error("the keyfile's words are wrong: {0}")]
    Words(#[from] MnemonicError),
    /// A shared address in it is not possible.
    #[error("shared address {position} of the keyfile: {source}")]
    Multisig {
        /// Which, from 1.
        position: usize,
        /// Why.
        source: MultisigError,
    },
    /// A part of it is not valid.
    #[error("entry {position} of the keyfile's {list} is not valid")]
    Entry {
        /// `multisigs` or `scripts`.
        list: &'static str,
        /// Which, from 1.
        position: usize,
    },
    /// Existing wallets do not have the word list.
    #[error("existing wallets do not know the {0} word list")]
    Language(Language),
    /// The system's random generator failed.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl KeyfileError {
    /// Every code that [`KeyfileError::code`] can give.
    pub const CODES: [&'static str; 11] = [
        "keyfile.too_large",
        "keyfile.form",
        "keyfile.legacy",
        "keyfile.algorithm",
        "keyfile.index",
        "keyfile.wrong_password",
        "keyfile.words",
        "keyfile.multisig",
        "keyfile.entry",
        "keyfile.language",
        "keyfile.random",
    ];

    /// Returns the stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => Self::CODES[0],
            Self::Form { .. } => Self::CODES[1],
            Self::Legacy => Self::CODES[2],
            Self::Algorithm => Self::CODES[3],
            Self::Index { .. } => Self::CODES[4],
            Self::WrongPassword => Self::CODES[5],
            Self::Words(_) => Self::CODES[6],
            Self::Multisig { .. } => Self::CODES[7],
            Self::Entry { .. } => Self::CODES[8],
            Self::Language(_) => Self::CODES[9],
            Self::Random(_) => Self::CODES[10],
        }
    }
}

/// What a keyfile holds. Its addresses are `m/0` to `m/(index - 1)`; no passphrase.
#[derive(Debug)]
pub struct Keyfile {
    /// The words.
    pub words: Mnemonic,
    /// How many addresses the wallet had made. QUIRK: watched scripts are counted too.
    pub index: u32,
    /// Addresses shared with others.
    pub multisigs: Vec<KeyfileMultisig>,
    /// Watched scripts and addresses.
    pub scripts: Vec<KeyfileScript>,
}

/// An address shared with others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyfileMultisig {
    /// Keys and number of signatures.
    pub multisig: Multisig,
    /// Which of the keys is the wallet's own.
    pub own_key: PublicKey,
    /// What people call it.
    pub description: String,
}

/// A watched script or address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyfileScript {
    /// Its address.
    pub address: Address,
    /// The redeem script, if known.
    pub script: Option<Script>,
    /// What people call it.
    pub description: String,
}

/// The file as JSON. Nothing in it is secret but what `mnemonic` seals.
#[derive(Serialize, Deserialize)]
struct Json {
    #[serde(default)]
    version: String,
    algo: String,
    index: Number,
    mnemonic: String,
    #[serde(default)]
    multisigs: Option<Vec<JsonMultisig>>,
    #[serde(default)]
    scripts: Option<Vec<JsonScript>>,
}

/// A number, which some programs write as text.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Number {
    Number(u64),
    Text(String),
}

impl Number {
    fn value(&self) -> Option<u64> {
        match self {
            Self::Number(value) => Some(*value),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct JsonMultisig {
    m: Number,
    n: Number,
    s: String,
    #[serde(default)]
    d: String,
    k: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct JsonScript {
    address: String,
    #[serde(default)]
    script: String,
    #[serde(default)]
    description: String,
}

impl Keyfile {
    /// Reads a keyfile.
    ///
    /// # Errors
    /// [`KeyfileError`] tells what is wrong with file or password.
    pub fn open(text: &str, password: &Password, network: Network) -> Result<Self, KeyfileError> {
        let json = parse(text)?;
        let found = json.index.value().ok_or(KeyfileError::Form { what: "index is no number" })?;
        let index = u32::try_from(found).ok().filter(|index| *index <= MAX_INDEX);
        let index = index.ok_or(KeyfileError::Index { found })?;
        let multisigs = json.multisigs.unwrap_or_default();
        let multisigs = multisigs.iter().enumerate().map(|(at, entry)| entry.read(at + 1));
        let multisigs = multisigs.collect::<Result<_, _>>()?;
        let scripts = json.scripts.unwrap_or_default();
        let scripts = scripts.iter().enumerate().map(|(at, entry)| {
            entry.read(network).ok_or(KeyfileError::Entry { list: "scripts", position: at + 1 })
        });
        let scripts = scripts.collect::<Result<_, _>>()?;
        let plain = cryptojs::open(&json.mnemonic, password)?;
        let sentence = unquote(plain.reveal()).ok_or(KeyfileError::WrongPassword)?;
        let words = Mnemonic::parse(sentence.reveal(), None)?;
        Ok(Self { words, index, multisigs, scripts })
    }

    /// Writes a keyfile of version 0.2.1, which the first node and the light wallet read.
    ///
    /// The words must be used without a passphrase: the file has no place for one.
    ///
    /// # Errors
    /// [`KeyfileError::Language`] when existing wallets do not have the words' list,
    /// [`KeyfileError::Index`] when there are too many addresses.
    pub fn seal(&self, password: &Password, network: Network) -> Result<String, KeyfileError> {
        let language = self.words.language();
        if !language.is_known_to_existing_wallets() {
            return Err(KeyfileError::Language(language));
        }
        if self.index > MAX_INDEX {
            return Err(KeyfileError::Index { found: self.index.into() });
        }
        let sentence = self.words.reveal_sentence();
        let mut plain = Zeroizing::new(String::with_capacity(sentence.reveal().len() + 2));
        // No word has a quote or a backslash.
        plain.extend(["\"", sentence.reveal(), "\""]);
        let json = Json {
            version: "0.2.1".to_owned(),
            algo: "aes".to_owned(),
            index: Number::Number(self.index.into()),
            mnemonic: cryptojs::seal(&plain, password)?,
            multisigs: Some(self.multisigs.iter().map(JsonMultisig::from).collect()),
            scripts: Some(self.scripts.iter().map(|script| script.to_json(network)).collect()),
        };
        serde_json::to_string_pretty(&json)
            .map_err(|_| KeyfileError::Form { what: "it cannot be written" })
    }
}

fn parse(text: &str) -> Result<Json, KeyfileError> {
    if text.len() > MAX_BYTES {
        return Err(KeyfileError::TooLarge);
    }
    let text = text.trim();
    if text.len() >= 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(KeyfileError::Legacy);
    }
    // The parser's message quotes the file, so it is not passed on.
    let json: Json = serde_json::from_str(text)
        .map_err(|_| KeyfileError::Form { what: "it is not JSON with algo, index and mnemonic" })?;
    if json.algo == "aes" { Ok(json) } else { Err(KeyfileError::Algorithm) }
}

/// Takes the JSON string apart that the words are in.
fn unquote(plain: &[u8]) -> Option<Secret<str>> {
    let text = std::str::from_utf8(plain).ok()?;
    serde_json::from_str::<String>(text).ok().map(Secret::from_string)
}

impl JsonMultisig {
    fn read(&self, position: usize) -> Result<KeyfileMultisig, KeyfileError> {
        let entry = || KeyfileError::Entry { list: "multisigs", position };
        let key = |text: &String| PublicKey::from_hex(text).map_err(|_| entry());
        let required = self.m.value().and_then(|m| u8::try_from(m).ok()).ok_or_else(entry)?;
        let own_key = key(&self.s)?;
        let mut keys = self.k.iter().map(key).collect::<Result<Vec<_>, _>>()?;
        // The list holds all keys with the own one; be sure of it before an address is made.
        if !keys.contains(&own_key) {
            keys.push(own_key);
        }
        if self.n.value() != u64::try_from(keys.len()).ok() {
            return Err(entry());
        }
        let multisig = Multisig::new(required, keys)
            .map_err(|source| KeyfileError::Multisig { position, source })?;
        Ok(KeyfileMultisig { multisig, own_key, description: self.d.clone() })
    }
}

impl From<&KeyfileMultisig> for JsonMultisig {
    fn from(record: &KeyfileMultisig) -> Self {
        Self {
            m: Number::Number(record.multisig.required().into()),
            n: Number::Number(record.multisig.keys().len() as u64), // at most 15
            s: record.own_key.to_string(),
            d: record.description.clone(),
            k: record.multisig.keys().iter().map(ToString::to_string).collect(),
        }
    }
}

impl JsonScript {
    fn read(&self, network: Network) -> Option<KeyfileScript> {
        let address = Address::parse(&self.address, network.address_format()).ok()?;
        let script = match self.script.as_str() {
            "" => None,
            text => Some(Script::from_bytes(hex::decode(text).ok()?)),
        };
        Some(KeyfileScript { address, script, description: self.description.clone() })
    }
}

impl KeyfileScript {
    fn to_json(&self, network: Network) -> JsonScript {
        JsonScript {
            address: self.address.to_text(network.address_format()),
            script: self.script.as_ref().map(|s| hex::encode(s.as_bytes())).unwrap_or_default(),
            description: self.description.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
