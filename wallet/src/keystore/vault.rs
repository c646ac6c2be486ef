//! What a keystore holds.

use std::fmt;

use mvs_primitives::address::Address;
use mvs_primitives::script::Script;

use crate::keys::derive::{DeriveError, ExtendedPrivateKey, ExtendedPublicKey};
use crate::keys::mnemonic::{Language, Mnemonic, TextForm};
use crate::keys::multisig::Multisig;
use crate::keys::network::Network;
use crate::keys::path::Scheme;
use crate::keys::private_key::PrivateKey;
use crate::keys::public_key::PublicKey;
use crate::keys::secret::Secret;
use crate::keystore::record::{Reader, RecordError, Writer};

/// The version of the record that is written.
const VERSION: u16 = 1;

/// The secrets of one wallet, and what is needed to find its coins again.
#[derive(Debug)]
pub struct Vault {
    /// The network that it is for.
    pub network: Network,
    /// Height of the chain when the wallet was made: nothing of it is in earlier blocks. `None`
    /// when unknown.
    pub birthday: Option<u32>,
    /// Seeds of trees of keys.
    pub seeds: Vec<SeedRecord>,
    /// Accounts in those trees, and watched ones.
    pub accounts: Vec<AccountRecord>,
    /// Single keys.
    pub keys: Vec<KeyRecord>,
    /// Addresses shared with others.
    pub multisigs: Vec<MultisigRecord>,
    /// Watched scripts and addresses.
    pub scripts: Vec<ScriptRecord>,
}

/// The seed of a tree of keys.
#[derive(Debug)]
pub struct SeedRecord {
    /// What people call it.
    pub label: String,
    /// The words that it comes from, to show them again; `None` if only the seed is known.
    pub words: Option<WordsRecord>,
    /// The 64 bytes.
    pub seed: Secret<[u8; 64]>,
}

/// The words behind a seed.
#[derive(Debug)]
pub struct WordsRecord {
    /// Their list.
    pub language: Language,
    /// What they stand for.
    pub entropy: Secret<[u8]>,
    /// Whether a passphrase was used: the words alone then restore another wallet. The passphrase
    /// itself is not kept.
    pub has_passphrase: bool,
    /// How they became bytes.
    pub form: TextForm,
}

impl SeedRecord {
    /// Makes the record of words.
    pub fn from_words(label: String, words: &Mnemonic, passphrase: &str, form: TextForm) -> Self {
        let words_record = WordsRecord {
            language: words.language(),
            entropy: words.reveal_entropy(),
            has_passphrase: !passphrase.is_empty(),
            form,
        };
        Self { label, words: Some(words_record), seed: words.to_seed(passphrase, form) }
    }

    /// Returns the master key.
    ///
    /// # Errors
    /// [`DeriveError::NoKey`] for one seed in 2^127.
    pub fn master(&self) -> Result<ExtendedPrivateKey, DeriveError> {
        ExtendedPrivateKey::master(self.seed.reveal())
    }

    /// Returns the words, if they are known.
    pub fn words(&self) -> Option<Mnemonic> {
        let words = self.words.as_ref()?;
        Mnemonic::from_entropy(words.entropy.reveal(), words.language).ok()
    }
}

/// Where an account's keys come from.
#[derive(Clone, PartialEq, Eq)]
pub enum AccountSource {
    /// The seed at this place of [`Vault::seeds`].
    Seed(u32),
    /// Elsewhere: the account is watched. The key is at the place that [`Scheme::account_path`] gives.
    Watched(Box<ExtendedPublicKey>),
}

impl fmt::Debug for AccountSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seed(index) => write!(f, "Seed({index})"),
            Self::Watched(key) => write!(f, "Watched({key:?})"),
        }
    }
}

/// An account: addresses that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRecord {
    /// What people call it.
    pub label: String,
    /// Where its keys come from.
    pub source: AccountSource,
    /// How its addresses lie in the tree.
    pub scheme: Scheme,
    /// The first receiving address that was never given out.
    pub next_receive: u32,
    /// The first change address that was never used.
    pub next_change: u32,
}

/// A single key.
#[derive(Debug)]
pub struct KeyRecord {
    /// What people call it.
    pub label: String,
    /// The key.
    pub key: PrivateKey,
}

/// An address shared with others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultisigRecord {
    /// What people call it.
    pub label: String,
    /// Keys and number of signatures.
    pub multisig: Multisig,
    /// Which of the keys is the wallet's own.
    pub own_key: PublicKey,
}

/// A watched script or address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptRecord {
    /// What people call it.
    pub label: String,
    /// Its address.
    pub address: Address,
    /// The redeem script, if known.
    pub script: Option<Script>,
}

impl Vault {
    /// Returns an empty one.
    pub const fn new(network: Network, birthday: Option<u32>) -> Self {
        Self {
            network,
            birthday,
            seeds: Vec::new(),
            accounts: Vec::new(),
            keys: Vec::new(),
            multisigs: Vec::new(),
            scripts: Vec::new(),
        }
    }

    /// Returns the extended public key of an account; `None` when it names a seed that is not there.
    ///
    /// # Errors
    /// [`DeriveError`] when the tree has no key there.
    pub fn account_key(
        &self,
        account: &AccountRecord,
    ) -> Result<Option<ExtendedPublicKey>, DeriveError> {
        let index = match &account.source {
            AccountSource::Watched(key) => return Ok(Some((**key).clone())),
            AccountSource::Seed(index) => usize::try_from(*index).ok(),
        };
        let seed = index.and_then(|index| self.seeds.get(index));
        match (seed, account.scheme.account_path(self.network)) {
            (Some(seed), Some(path)) => Ok(Some(seed.master()?.derive_path(&path)?.to_public())),
            _ => Ok(None),
        }
    }

    /// Writes the record that is sealed.
    ///
    /// # Errors
    /// [`RecordError::TooLong`] when a label has more than 1024 bytes or a script more than 65,535.
    pub fn to_disk(&self) -> Result<Secret<[u8]>, RecordError> {
        Writer::run(|out| {
            out.u16(VERSION);
            out.u8(self.network.to_disk());
            out.u8(self.birthday.is_some().into());
            out.u32(self.birthday.unwrap_or_default());
            out.list(&self.seeds, "number of seeds", write_seed)?;
            out.list(&self.accounts, "number of accounts", write_account)?;
            out.list(&self.keys, "number of keys", |out, record| {
                out.text(&record.label, "label")?;
                out.u8(record.key.is_compressed().into());
                out.bytes(record.key.reveal_secret());
                Ok(())
            })?;
            out.list(&self.multisigs, "number of multisigs", |out, record| {
                out.text(&record.label, "label")?;
                out.u8(record.multisig.required());
                out.list(record.multisig.keys(), "number of keys", |out, key| {
                    out.bytes(key.as_bytes());
                    Ok(())
                })?;
                out.bytes(record.own_key.as_bytes());
                Ok(())
            })?;
            out.list(&self.scripts, "number of scripts", write_script)
        })
    }

    /// Reads the record.
    ///
    /// # Errors
    /// [`RecordError`] tells what does not fit.
    pub fn from_disk(record: &[u8]) -> Result<Self, RecordError> {
        let mut from = Reader::new(record);
        let found = from.u16()?;
        if found != VERSION {
            return Err(RecordError::Version { found });
        }
        let network = Network::from_disk(from.u8()?);
        let network = network.ok_or(RecordError::Content { what: "network" })?;
        let has_birthday = from.flag("birthday")?;
        let birthday = from.u32()?;
        let vault = Self {
            network,
            birthday: has_birthday.then_some(birthday),
            seeds: from.list(read_seed)?,
            accounts: from.list(read_account)?,
            keys: from.list(|from| {
                let label = from.text("label")?;
                let compressed = from.flag("kind of key")?;
                let secret = Secret::copy_of(from.array()?);
                let key = PrivateKey::from_secret(secret, compressed)
                    .map_err(|_| RecordError::Content { what: "private key" })?;
                Ok(KeyRecord { label, key })
            })?,
            multisigs: from.list(read_multisig)?,
            scripts: from.list(read_script)?,
        };
        from.finish()?;
        Ok(vault)
    }
}

fn write_seed(out: &mut Writer, record: &SeedRecord) -> Result<(), RecordError> {
    out.text(&record.label, "label")?;
    out.bytes(record.seed.reveal());
    out.u8(record.words.is_some().into());
    if let Some(words) = &record.words {
        out.u8(words.language.to_disk());
        out.short(words.entropy.reveal(), "entropy")?;
        out.u8(words.has_passphrase.into());
        out.u8(u8::from(words.form == TextForm::Composed));
    }
    Ok(())
}

fn read_seed(from: &mut Reader<'_>) -> Result<SeedRecord, RecordError> {
    let label = from.text("label")?;
    let seed = Secret::copy_of(from.array()?);
    let words = if from.flag("kind of seed")? {
        let language = Language::from_disk(from.u8()?);
        let language = language.ok_or(RecordError::Content { what: "word list" })?;
        let entropy = Secret::copy_of_slice(from.short()?);
        if Mnemonic::from_entropy(entropy.reveal(), language).is_err() {
            return Err(RecordError::Content { what: "entropy" });
        }
        let has_passphrase = from.flag("passphrase")?;
        let is_composed = from.flag("text form")?;
        let form = if is_composed { TextForm::Composed } else { TextForm::Standard };
        Some(WordsRecord { language, entropy, has_passphrase, form })
    } else {
        None
    };
    Ok(SeedRecord { label, words, seed })
}

fn write_account(out: &mut Writer, record: &AccountRecord) -> Result<(), RecordError> {
    out.text(&record.label, "label")?;
    match &record.source {
        AccountSource::Seed(index) => {
            out.u8(0);
            out.u32(*index);
        }
        AccountSource::Watched(key) => {
            out.u8(1);
            out.bytes(&key.to_bytes());
        }
    }
    match record.scheme {
        Scheme::Direct => out.u8(0),
        Scheme::Bip44 { account } => {
            out.u8(1);
            out.u32(account);
        }
    }
    out.u32(record.next_receive);
    out.u32(record.next_change);
    Ok(())
}

fn read_account(from: &mut Reader<'_>) -> Result<AccountRecord, RecordError> {
    let label = from.text("label")?;
    let source = if from.flag("kind of account")? {
        let key = ExtendedPublicKey::from_bytes(from.array()?);
        let key = key.map_err(|_| RecordError::Content { what: "extended public key" })?;
        AccountSource::Watched(Box::new(key))
    } else {
        AccountSource::Seed(from.u32()?)
    };
    let scheme =
        if from.flag("scheme")? { Scheme::Bip44 { account: from.u32()? } } else { Scheme::Direct };
    Ok(AccountRecord { label, source, scheme, next_receive: from.u32()?, next_change: from.u32()? })
}

fn read_multisig(from: &mut Reader<'_>) -> Result<MultisigRecord, RecordError> {
    let label = from.text("label")?;
    let required = from.u8()?;
    let read_key = |from: &mut Reader<'_>| {
        PublicKey::from_bytes(*from.array()?)
            .map_err(|_| RecordError::Content { what: "public key" })
    };
    let keys = from.list(read_key)?;
    let multisig = Multisig::new(required, keys.clone())
        .map_err(|_| RecordError::Content { what: "multisig" })?;
    if multisig.keys() != keys {
        return Err(RecordError::Content { what: "order of keys" });
    }
    Ok(MultisigRecord { label, multisig, own_key: read_key(from)? })
}

fn write_script(out: &mut Writer, record: &ScriptRecord) -> Result<(), RecordError> {
    out.text(&record.label, "label")?;
    match &record.address {
        Address::KeyHash(hash) => {
            out.u8(0);
            out.bytes(hash);
        }
        Address::ScriptHash(hash) => {
            out.u8(1);
            out.bytes(hash);
        }
        Address::Blackhole => out.u8(2),
    }
    out.u8(record.script.is_some().into());
    match &record.script {
        Some(script) => out.short(script.as_bytes(), "script"),
        None => Ok(()),
    }
}

fn read_script(from: &mut Reader<'_>) -> Result<ScriptRecord, RecordError> {
    let label = from.text("label")?;
    let address = match from.u8()? {
        0 => Address::KeyHash(*from.array()?),
        1 => Address::ScriptHash(*from.array()?),
        2 => Address::Blackhole,
        _ => return Err(RecordError::Content { what: "kind of address" }),
    };
    let script = if from.flag("script")? { Some(Script::from_bytes(from.short()?)) } else { None };
    Ok(ScriptRecord { label, address, script })
}
