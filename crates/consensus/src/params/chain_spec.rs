//! Chain specs: a chain of one's own as a TOML file.
//!
//! A file names the chain, may name a network to start from (`base`), and overrides what is to differ;
//! so it can be short. [`ChainSpec::to_toml`] prints every number there is, with its meaning.
//!
//! ```toml
//! name = "my-chain"
//! base = "devnet"
//! magic = 0x6e69616d
//! pos_enabled_height = 100
//! ```
//!
//! # What is left out
//! comes from the base, with these exceptions, each because the base's value would be wrong or
//! dangerous on another chain:
//! - `checkpoints` become the genesis block alone, `exceptions` and `seeds` nothing.
//! - When `pos_enabled_height` is given, heights that the base ties to its own move along:
//!   `version_4_required`, `sequence_locks_allowed`, `stake.run_limits_above`; and
//!   `pos_genesis.up_to` becomes 0.
//!
//! # Main and test network
//! A file cannot change them: the names are reserved for exactly their rules, and a chain with the
//! genesis block *and* the magic of one of them must have its rules too.

use toml::{Table, Value};

use super::{Fork, Params, PosGenesisRule};
pub(super) use fields::FIELDS;
use fields::{Field, SECTIONS};
use mvs_primitives::height::Height;

mod fields;
mod nearest;
mod values;

/// The networks whose rules no file may change.
const PUBLIC_NETWORKS: [&str; 2] = ["mainnet", "testnet"];

/// The base of a file that names none.
const DEFAULT_BASE: &str = "devnet";

/// Reads and writes chain specs.
#[derive(Debug)]
pub struct ChainSpec;

/// Why a chain spec is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainSpecError {
    /// Not TOML.
    #[error("line {line}: {message}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// What the TOML parser says.
        message: String,
    },
    /// A key that means nothing.
    #[error("unknown key `{key}`; did you mean `{nearest}`?")]
    UnknownKey {
        /// The key with its section.
        key: String,
        /// The valid key that looks most like it.
        nearest: String,
    },
    /// A key that must be there.
    #[error("`{key}` is missing")]
    Missing {
        /// The key with its section.
        key: String,
    },
    /// A value of the wrong kind, outside its range, or at odds with another one.
    #[error("`{field}` is {found}; expected {expected}")]
    Value {
        /// The key with its section.
        field: String,
        /// The value.
        found: String,
        /// What is allowed.
        expected: String,
    },
    /// A file with the name of a public network and other rules.
    #[error(
        "the name {name} belongs to the public network, whose `{field}` is {expected}, not {found}"
    )]
    Reserved {
        /// The name.
        name: String,
        /// The first field that differs.
        field: String,
        /// The value.
        found: String,
        /// The network's value.
        expected: String,
    },
    /// Genesis block and magic of a public network, but other rules.
    #[error(
        "genesis block and magic are those of {network}, but `{field}` is {found} and not \
         {expected}; give the chain a magic of its own"
    )]
    Impersonation {
        /// The public network.
        network: String,
        /// The first field that differs.
        field: String,
        /// The value.
        found: String,
        /// The network's value.
        expected: String,
    },
}

impl ChainSpecError {
    /// Every code that [`ChainSpecError::code`] can give.
    pub const CODES: [&'static str; 6] = [
        "chain_spec.syntax",
        "chain_spec.unknown_key",
        "chain_spec.missing",
        "chain_spec.value",
        "chain_spec.reserved",
        "chain_spec.impersonation",
    ];

    /// Returns the stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "chain_spec.syntax",
            Self::UnknownKey { .. } => "chain_spec.unknown_key",
            Self::Missing { .. } => "chain_spec.missing",
            Self::Value { .. } => "chain_spec.value",
            Self::Reserved { .. } => "chain_spec.reserved",
            Self::Impersonation { .. } => "chain_spec.impersonation",
        }
    }

    pub(super) fn value(
        field: impl Into<String>,
        found: impl ToString,
        expected: impl Into<String>,
    ) -> Self {
        Self::Value { field: field.into(), found: found.to_string(), expected: expected.into() }
    }
}

impl ChainSpec {
    /// Reads a chain spec and checks it.
    ///
    /// # Errors
    /// [`ChainSpecError`] names the first thing wrong.
    pub fn parse(text: &str) -> Result<Params, ChainSpecError> {
        let mut table: Table = text.parse().map_err(|error: toml::de::Error| {
            let start = error.span().map_or(0, |span| span.start);
            let before = text.get(..start).unwrap_or_default();
            ChainSpecError::Syntax {
                line: before.matches('\n').count().saturating_add(1),
                message: error.message().to_owned(),
            }
        })?;
        let missing = || ChainSpecError::Missing { key: "name".to_owned() };
        let name = values::name(table.get("name").ok_or_else(missing)?)
            .map_err(|expected| value_error("name", table.get("name"), expected))?;
        let base = base_of(&mut table, &name)?;
        let mut params = base.clone();
        expand_genesis(&mut table, &mut params)?;
        check_keys(&table)?;
        for field in FIELDS {
            if let Some(value) = field.value_in(&table) {
                (field.read)(&mut params, value)
                    .map_err(|expected| field.error(&params, Some(value), expected))?;
            }
        }
        fill_in(&table, &base, &mut params);
        params.validate()?;
        check_identity(&params)?;
        Ok(params)
    }

    /// Prints every number of a network as a chain spec with comments. [`ChainSpec::parse`] reads
    /// it back as the same network.
    ///
    /// # Errors
    /// [`ChainSpecError`] when the network cannot be described: a genesis block that is not of the
    /// usual form, or numbers that a file may not have.
    pub fn to_toml(params: &Params) -> Result<String, ChainSpecError> {
        params.validate()?;
        check_identity(params)?;
        let mut out = format!("# Chain spec of {}: every number of its rules.\n", params.name);
        for section in SECTIONS {
            if !section.name.is_empty() {
                out.push_str(&format!("\n# {}\n[{}]\n", section.doc, section.name));
            }
            for field in FIELDS.iter().filter(|field| field.section == section.name) {
                out.push('\n');
                for line in field.doc.split('\n') {
                    out.push_str(&format!("# {line}\n"));
                }
                out.push_str(&format!("{} = {}\n", field.key, (field.write)(params)));
            }
        }
        Ok(out)
    }
}

fn value_error(field: &str, found: Option<&Value>, expected: String) -> ChainSpecError {
    ChainSpecError::value(field, found.map(Value::to_string).unwrap_or_default(), expected)
}

/// Takes `base` out of the file. A file with the name of a built-in network starts from that one.
fn base_of(table: &mut Table, name: &str) -> Result<Params, ChainSpecError> {
    let Some(value) = table.remove("base") else {
        let base = Params::builtin(name).or_else(|| Params::builtin(DEFAULT_BASE));
        return base.ok_or_else(|| ChainSpecError::Missing { key: "base".to_owned() });
    };
    let expected = || "\"mainnet\", \"testnet\" or \"devnet\"".to_owned();
    value
        .as_str()
        .and_then(Params::builtin)
        .ok_or_else(|| value_error("base", Some(&value), expected()))
}

/// Turns `genesis = "mainnet"` into the network's genesis block.
fn expand_genesis(table: &mut Table, params: &mut Params) -> Result<(), ChainSpecError> {
    match table.get("genesis") {
        None | Some(Value::Table(_)) => Ok(()),
        Some(value) => {
            let network = value.as_str().and_then(Params::builtin).ok_or_else(|| {
                let expected = "\"mainnet\", \"testnet\", \"devnet\" or a table";
                value_error("genesis", Some(value), expected.to_owned())
            })?;
            params.genesis = network.genesis;
            table.remove("genesis");
            Ok(())
        }
    }
}

/// Refuses keys that mean nothing.
fn check_keys(table: &Table) -> Result<(), ChainSpecError> {
    let unknown = |key: String| {
        let nearest = nearest::nearest(&key, FIELDS.iter().map(Field::path).chain(["base".into()]));
        Err(ChainSpecError::UnknownKey { key, nearest })
    };
    for (key, value) in table {
        if FIELDS.iter().any(|field| field.section.is_empty() && field.key == key) {
            continue;
        }
        if !SECTIONS.iter().any(|section| !key.is_empty() && section.name == key) {
            return unknown(key.clone());
        }
        let Value::Table(section) = value else {
            return Err(value_error(key, Some(value), format!("a table [{key}]")));
        };
        let is_known =
            |inner: &String| FIELDS.iter().any(|field| field.section == key && field.key == inner);
        if let Some(inner) = section.keys().find(|inner| !is_known(inner)) {
            return unknown(format!("{key}.{inner}"));
        }
    }
    Ok(())
}

/// Gives fields that the file leaves out the values that the module's head promises.
fn fill_in(table: &Table, base: &Params, params: &mut Params) {
    let is_given = |section: &str, key: &str| {
        let fields = if section.is_empty() { Some(table) } else { table.get(section)?.as_table() };
        fields?.get(key)
    };
    let is_public = PUBLIC_NETWORKS.contains(&params.name.as_str());
    let genesis = params.genesis.header.hash();
    let own = |height| super::KnownBlock { height, hash: genesis };
    if !is_public && is_given("", "checkpoints").is_none() {
        params.checkpoints.clear();
    }
    if params.checkpoints.first().is_none_or(|first| first.height != Height::GENESIS) {
        params.checkpoints.insert(0, own(Height::GENESIS));
    }
    if !is_public && is_given("", "exceptions").is_none() {
        params.exceptions.clear();
    }
    if !is_public && is_given("", "seeds").is_none() {
        params.seeds.clear();
    }
    if params.pos_enabled_height != base.pos_enabled_height {
        let (old, new) = (base.pos_enabled_height, params.pos_enabled_height);
        if is_given("", "version_4_required").is_none()
            && base.version_4_required == Fork::From(old)
        {
            params.version_4_required = Fork::From(new);
        }
        if is_given("", "sequence_locks_allowed").is_none()
            && base.sequence_locks_allowed == Fork::From(old)
        {
            params.sequence_locks_allowed = Fork::From(new);
        }
        if is_given("stake", "run_limits_above").is_none() {
            let delay = base.stake.run_limits_above.value().saturating_sub(old);
            params.stake.run_limits_above = Height::new(new.saturating_add(delay));
        }
        if is_given("pos_genesis", "up_to").is_none() {
            params.pos_genesis.rule = PosGenesisRule::FirstInChain;
        }
    }
}

/// Refuses other rules under the name or the identity of a public network.
fn check_identity(params: &Params) -> Result<(), ChainSpecError> {
    for network in PUBLIC_NETWORKS.into_iter().filter_map(Params::builtin) {
        let difference = FIELDS
            .iter()
            .filter(|field| field.path() != "name")
            .map(|field| (field, (field.write)(params), (field.write)(&network)))
            .find(|(_, found, expected)| found != expected);
        let Some((field, found, expected)) = difference else { continue };
        let field = field.path();
        if params.name == network.name {
            return Err(ChainSpecError::Reserved { name: network.name, field, found, expected });
        }
        if params.magic == network.magic && params.genesis == network.genesis {
            let network = network.name;
            return Err(ChainSpecError::Impersonation { network, field, found, expected });
        }
    }
    Ok(())
}
