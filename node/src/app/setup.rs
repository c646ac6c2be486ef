//! From the configuration to an open chain.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use etcetera::BaseStrategy as _;
use mvs_consensus::params::Params;
use mvs_consensus::params::chain_spec::ChainSpec;
use mvs_consensus::script::SigCache;
use mvs_pow::CacheSet;
use mvs_store::mmap::MapDisk;
use mvs_store::{OpenReport, Options};

use crate::chain::core::{ChainCore, Tools};
use crate::chain::index::Limits;
use crate::chain::verify::VerifyPool;
use crate::config::{Config, ConfigError, Effective};
use crate::telemetry::{self, LogControl};

/// Light caches of ethash that are held: the present epoch, the next, and one that a side branch
/// needs.
const CACHES: usize = 3;

/// Name of the folder of the store inside the data folder.
const STORE: &str = "chain";

/// Prints the effective configuration.
pub(super) fn print_config(effective: &Effective) -> anyhow::Result<()> {
    say_text!(effective.to_toml());
    Ok(())
}

/// The configuration file that is read when none is named.
pub(super) fn usual_config_file() -> Option<PathBuf> {
    let base = etcetera::choose_base_strategy().ok()?;
    Some(base.config_dir().join("mvs-node").join("mvs-node.toml"))
}

/// The rules of the chain.
pub(super) fn params(config: &Config) -> anyhow::Result<Params> {
    if let Some(path) = &config.chain.chain_spec {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the chain spec {}", path.display()))?;
        return ChainSpec::parse(&text)
            .with_context(|| format!("the chain spec {} is wrong", path.display()));
    }
    let name = &config.chain.network;
    Params::builtin(name).ok_or_else(|| {
        ConfigError::Value {
            origin: "configuration".to_owned(),
            field: "chain.network".to_owned(),
            message: format!("{name:?} is no network"),
            expected: "mainnet, testnet or devnet",
        }
        .into()
    })
}

/// The folder for everything that the node keeps.
pub(super) fn data_dir(config: &Config, params: &Params) -> anyhow::Result<PathBuf> {
    if let Some(path) = &config.chain.data_dir {
        return Ok(path.clone());
    }
    let base = etcetera::choose_base_strategy()
        .context("this platform has no data folder; give one with --data-dir")?;
    Ok(base.data_dir().join("mvs-node").join(&params.name))
}

/// Folder, rules and threads.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) params: Params,
    pub(super) data_dir: PathBuf,
    pub(super) tools: Tools,
}

impl Setup {
    pub(super) fn new(config: &Config) -> anyhow::Result<Self> {
        let params = params(config)?;
        let data_dir = data_dir(config, &params)?;
        std::fs::create_dir_all(&data_dir)
            .with_context(|| format!("cannot make the data folder {}", data_dir.display()))?;
        let threads = match config.chain.verify_threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            some => usize::try_from(some).unwrap_or(1),
        };
        let mut salt = [0; 32];
        getrandom::fill(&mut salt)
            .map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
        let entries = usize::try_from(config.chain.signature_cache).unwrap_or(usize::MAX);
        let tools = Tools {
            params: Arc::new(params.clone()),
            caches: Arc::new(CacheSet::new(CACHES)),
            signatures: Arc::new(SigCache::new(salt, entries)),
            pool: Arc::new(VerifyPool::new(threads).context("cannot start threads")?),
        };
        Ok(Self { params, data_dir, tools })
    }

    pub(super) fn start_logs(&self, config: &Config) -> anyhow::Result<LogControl> {
        let path = self.data_dir.join("node.log");
        let file = config.log.log_files.then(|| (path.as_path(), config.log.log_file_size.get()));
        Ok(telemetry::start_logs(&config.log.log, file)?)
    }

    pub(super) fn store_dir(&self) -> PathBuf {
        self.data_dir.join(STORE)
    }

    pub(super) fn disk(&self) -> anyhow::Result<MapDisk> {
        let path = self.store_dir();
        MapDisk::open(&path).with_context(|| format!("cannot open the store {}", path.display()))
    }

    pub(super) fn options(&self, config: &Config) -> Options {
        Options::new(self.params.magic, config.chain.undo_horizon)
    }

    pub(super) fn limits(&self, config: &Config) -> Limits {
        Limits { depth: config.chain.undo_horizon, ..Limits::default() }
    }

    /// Opens the chain.
    pub(super) fn open(&self, config: &Config) -> anyhow::Result<(ChainCore<MapDisk>, OpenReport)> {
        let (disk, options) = (self.disk()?, self.options(config));
        let opened = ChainCore::open(disk, options, self.tools.clone(), self.limits(config));
        opened.with_context(|| format!("the store {} does not open", self.store_dir().display()))
    }
}
