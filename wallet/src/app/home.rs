//! Where things are: rules, keystore, node.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use etcetera::BaseStrategy as _;
use mvs_consensus::params::Params;
use mvs_consensus::params::chain_spec::ChainSpec;
use mvs_primitives::address::Address;
use mvs_primitives::script::Script;

use super::args::Settings;
use super::exit::Usage;
use crate::keys::derive::DeriveError;
use crate::keys::network::Network;
use crate::keys::path::Chain;
use crate::keys::private_key::PrivateKey;
use crate::keys::secret::Secret;
use crate::keystore::Keystore;
use crate::keystore::vault::{AccountRecord, AccountSource, Vault};
use crate::link::{Credentials, NodeLink};
use crate::password::Password;

/// The variable with the password of `--user`.
const PASSWORD: &str = "RPC_PASSWORD";
/// The node's file with the secret of the day.
const COOKIE_FILE: &str = ".cookie";
/// Name of the keystore in the wallet's folder.
const KEYSTORE_FILE: &str = "wallet.keys";

/// The settings, with what follows from them.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) params: Params,
    pub(super) network: Network,
    pub(super) is_json: bool,
    keystore: PathBuf,
    password_file: Option<PathBuf>,
    password_fd: Option<u32>,
    node: SocketAddr,
    node_dir: PathBuf,
    user: Option<String>,
}

impl Home {
    pub(super) fn new(settings: &Settings) -> anyhow::Result<Self> {
        let params = params(settings)?;
        let data = |program: &str| {
            let base = etcetera::choose_base_strategy().context("there is no folder for data")?;
            anyhow::Ok(base.data_dir().join(program).join(&params.name))
        };
        let keystore = match &settings.keystore {
            Some(path) => path.clone(),
            None => data("mvs-wallet")?.join(KEYSTORE_FILE),
        };
        let node_dir = match &settings.node_data_dir {
            Some(path) => path.clone(),
            None => data("mvs-node")?,
        };
        let (network, port) = match params.name.as_str() {
            "mainnet" => (Network::Mainnet, 8_820),
            "testnet" => (Network::Testnet, 18_820),
            _ => (Network::Private, 28_820),
        };
        if params.addresses != *network.address_format() {
            let text = "addresses of this chain have other version bytes than a wallet knows";
            return Err(Usage(text.to_owned()).into());
        }
        let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok(Self {
            node: settings.node.unwrap_or(usual),
            user: settings.user.clone(),
            password_file: settings.password_file.clone(),
            password_fd: settings.password_fd,
            is_json: settings.json,
            keystore,
            node_dir,
            network,
            params,
        })
    }

    /// Returns the node.
    pub(super) fn link(&self) -> anyhow::Result<NodeLink> {
        let credentials = match &self.user {
            None => Credentials::Cookie(self.node_dir.join(COOKIE_FILE)),
            Some(user) => {
                let password = std::env::var(PASSWORD)
                    .map_err(|_| Usage(format!("--user needs the variable {PASSWORD}")))?;
                Credentials::User(Secret::from_string(format!("{user}:{password}")))
            }
        };
        Ok(NodeLink::new(self.node, credentials))
    }

    /// Returns where the keystore is.
    pub(super) fn keystore_path(&self) -> &Path {
        &self.keystore
    }

    /// Makes the keystore's folder, for its owner alone.
    pub(super) fn make_folder(&self) -> anyhow::Result<()> {
        use std::os::unix::fs::DirBuilderExt as _;
        let Some(folder) = self.keystore.parent().filter(|path| !path.as_os_str().is_empty())
        else {
            return Ok(());
        };
        let mut builder = std::fs::DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))
    }

    fn given_password(&self) -> Option<Result<Password, crate::password::PasswordError>> {
        if let Some(path) = &self.password_file {
            return Some(Password::from_file(path));
        }
        self.password_fd.map(Password::from_descriptor)
    }

    /// Asks for the password of a new keystore.
    pub(super) fn new_password(&self) -> anyhow::Result<Password> {
        let asked = || Password::ask_twice("New password: ", "The same again: ");
        Ok(self.given_password().unwrap_or_else(asked)?)
    }

    /// Opens the keystore.
    pub(super) fn open(&self) -> anyhow::Result<Keystore> {
        // What is wrong with the file is told before anybody types a password.
        Keystore::inspect(&self.keystore)
            .with_context(|| format!("no wallet in {}", self.keystore.display()))?;
        let password = self.given_password().unwrap_or_else(|| Password::ask("Password: "))?;
        let keystore = Keystore::open(&self.keystore, &password)
            .with_context(|| format!("cannot open {}", self.keystore.display()))?;
        let found = keystore.vault().network;
        if found != self.network {
            let (found, wanted) = (found.name(), self.network.name());
            let text = format!("the wallet is for {found}, the command is for {wanted}");
            return Err(Usage(text).into());
        }
        Ok(keystore)
    }

    /// Reads an address of the chain.
    pub(super) fn address(&self, text: &str) -> anyhow::Result<Address> {
        Address::parse(text, &self.params.addresses)
            .with_context(|| format!("{text} is no address of {}", self.params.name))
    }

    /// Writes an address.
    pub(super) fn show(&self, address: &Address) -> String {
        address.to_text(&self.params.addresses)
    }

    /// Returns the key of an address, or of the wallet's first one. The keystore is closed again, so
    /// that other commands can be given meanwhile.
    pub(super) fn key(&self, wanted: Option<&str>) -> anyhow::Result<PrivateKey> {
        let wanted = wanted.map(|text| self.address(text)).transpose()?;
        let keystore = self.open()?;
        let found = find_key(keystore.vault(), wanted.as_ref())?;
        let key = found.ok_or_else(|| {
            let text = wanted.map_or_else(|| "an address".to_owned(), |one| self.show(&one));
            Usage(format!("the wallet has no key of {text}"))
        })?;
        if key.is_compressed() {
            return Ok(key);
        }
        Err(Usage("keys in the long form cannot stake".to_owned()).into())
    }
}

/// Returns the script that pays an address.
pub(super) fn pay(address: &Address) -> Script {
    match address {
        Address::KeyHash(hash) => Script::pay_key_hash(hash),
        Address::ScriptHash(hash) => Script::pay_script_hash(hash),
        Address::Blackhole => Script::pay_blackhole(),
    }
}

fn params(settings: &Settings) -> anyhow::Result<Params> {
    if let Some(path) = &settings.chain_spec {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the chain spec {}", path.display()))?;
        return ChainSpec::parse(&text)
            .with_context(|| format!("the chain spec {} is wrong", path.display()));
    }
    let name = &settings.network;
    let text = format!("{name:?} is no network; there are mainnet, testnet and devnet");
    Ok(Params::builtin(name).ok_or(Usage(text))?)
}

/// Returns the addresses of an account that were given out.
pub(super) fn addresses_of(
    vault: &Vault,
    account: &AccountRecord,
) -> Result<Vec<Address>, DeriveError> {
    let Some(key) = vault.account_key(account)? else { return Ok(Vec::new()) };
    let mut addresses = Vec::new();
    for index in 0..account.next_receive {
        let Some(steps) = account.scheme.address_steps(Chain::Receive, index) else { break };
        addresses.push(key.derive(&steps)?.public_key().address());
    }
    Ok(addresses)
}

/// Finds the private key of an address; without one that of the first address there is.
fn find_key(vault: &Vault, wanted: Option<&Address>) -> Result<Option<PrivateKey>, DeriveError> {
    for account in &vault.accounts {
        let AccountSource::Seed(place) = &account.source else { continue };
        let seed = usize::try_from(*place).ok().and_then(|place| vault.seeds.get(place));
        let path = account.scheme.account_path(vault.network);
        let (Some(seed), Some(path)) = (seed, path) else { continue };
        // The public side is enough to look; only the key that is wanted is derived.
        let addresses = addresses_of(vault, account)?;
        let place = match wanted {
            Some(wanted) => addresses.iter().position(|address| address == wanted),
            None => (!addresses.is_empty()).then_some(0),
        };
        let index = place.and_then(|place| u32::try_from(place).ok());
        let steps = index.and_then(|index| account.scheme.address_steps(Chain::Receive, index));
        if let Some(steps) = steps {
            let top = seed.master()?.derive_path(&path)?;
            return Ok(Some(top.derive(&steps)?.into_private_key()));
        }
    }
    for record in &vault.keys {
        if wanted.is_none_or(|wanted| record.key.address() == *wanted) {
            let secret = Secret::copy_of(record.key.reveal_secret());
            return Ok(PrivateKey::from_secret(secret, record.key.is_compressed()).ok());
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::{addresses_of, find_key};
    use crate::keys::mnemonic::{Mnemonic, TextForm};
    use crate::keys::network::Network;
    use crate::keys::path::Scheme;
    use crate::keystore::vault::{AccountRecord, AccountSource, SeedRecord, Vault};

    #[test]
    fn each_address_has_its_key() {
        // wallet.md 2: the words of a vector, and its first addresses.
        let words = "lunar there win define minor shadow damage lounge bitter abstract sail alcohol \
            yellow left lift vapor tourist rent gloom sustain gym dry congress zero";
        let words = Mnemonic::parse(words, None).unwrap();
        let mut vault = Vault::new(Network::Mainnet, None);
        let seed = SeedRecord::from_words("main".to_owned(), &words, "", TextForm::Standard);
        vault.seeds.push(seed);
        vault.accounts.push(AccountRecord {
            label: "main".to_owned(),
            source: AccountSource::Seed(0),
            scheme: Scheme::Direct,
            next_receive: 3,
            next_change: 0,
        });
        let addresses = addresses_of(&vault, &vault.accounts[0]).unwrap();
        let format = Network::Mainnet.address_format();
        let texts: Vec<String> = addresses.iter().map(|one| one.to_text(format)).collect();
        assert_eq!(
            texts,
            [
                "MKXYH2MhpvA3GU7kMk8y3SoywGnyHEj5SB",
                "MV1HEd7A4bCnLXhxXLHgWB2rurtS7xVWJf",
                "MDc9rsRr5Ukgro4mu89G2Spdts5aACRJdb"
            ]
        );
        for address in &addresses {
            assert_eq!(find_key(&vault, Some(address)).unwrap().unwrap().address(), *address);
        }
        assert_eq!(find_key(&vault, None).unwrap().unwrap().address(), addresses[0]);
        let other = mvs_primitives::address::Address::KeyHash([1; 20]);
        assert!(find_key(&vault, Some(&other)).unwrap().is_none());
    }
}
