//! What the operator decides: defaults, a TOML file, the environment, flags; later ones win.
//!
//! Every setting is declared once, below. Its place in the file, its environment variable and its
//! flag derive from that one line: `max_inbound` in `[p2p]` is `p2p.max_inbound` in the file,
//! `MVSNODE_MAX_INBOUND` in the environment and `--max-inbound` on the command line. (No variable begins with `MVS_`: the
//! chain's first node on the same machine would be disturbed.)
//!
//! Rules of the chain are not settings: they come with the network, or from a chain spec on chains of
//! one's own.

mod effective;
mod error;
mod value;

use std::net::SocketAddr;
use std::path::PathBuf;

pub use effective::{Effective, Origin, Source};
pub use error::ConfigError;
pub use value::{Bytes, Setting};

use crate::rpc::Grant;

/// Prefix of the environment variables.
pub const ENV_PREFIX: &str = "MVSNODE_";

/// One setting, as file, environment and flags see it.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Section of the file.
    pub section: &'static str,
    /// Name in the section; no two sections have the same.
    pub key: &'static str,
    /// What it means, with its unit.
    pub doc: &'static str,
    /// What a value may be.
    pub expected: &'static str,
    /// It is yes or no: the flag needs no value, and `--no-` switches it off.
    pub is_switch: bool,
    /// Several values are allowed.
    pub is_list: bool,
    /// Sets it from text.
    pub set_text: fn(&mut Config, &str) -> Result<(), String>,
    /// Sets it from the file.
    pub set_toml: fn(&mut Config, &toml::Value) -> Result<(), String>,
    /// Returns it as the file would have it.
    pub show: fn(&Config) -> String,
}

impl Field {
    /// Returns the name in the file: `section.key`.
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }

    /// Returns the flag without its dashes.
    pub fn flag(&self) -> String {
        self.key.replace('_', "-")
    }

    /// Returns the environment variable.
    pub fn variable(&self) -> String {
        format!("{ENV_PREFIX}{}", self.key.to_ascii_uppercase())
    }
}

/// A section of the file.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub doc: &'static str,
}

macro_rules! settings {
    ($(
        $(#[doc = $section_doc:literal])+
        $section:ident: $struct:ident {
            $( $(#[doc = $doc:literal])+ $key:ident: $type:ty = $default:expr, )+
        }
    )+) => {
        $(
            $(#[doc = $section_doc])+
            #[derive(Debug, Clone, PartialEq, Eq)]
            pub struct $struct {
                $( $(#[doc = $doc])+ pub $key: $type, )+
            }

            impl Default for $struct {
                fn default() -> Self {
                    Self { $( $key: $default, )+ }
                }
            }
        )+

        /// Everything that the operator decides.
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct Config {
            $( $(#[doc = $section_doc])+ pub $section: $struct, )+
        }

        /// The sections, in the order in which they are shown.
        pub const SECTIONS: &[Section] = &[
            $( Section { name: stringify!($section), doc: concat!($($section_doc),+) }, )+
        ];

        /// The settings, in the order in which they are shown.
        pub const FIELDS: &[Field] = &[
            $( $( Field {
                section: stringify!($section),
                key: stringify!($key),
                doc: concat!($($doc, "\n"),+),
                expected: <$type as Setting>::EXPECTED,
                is_switch: <$type as Setting>::IS_SWITCH,
                is_list: <$type as Setting>::IS_LIST,
                set_text: |config, text| {
                    config.$section.$key = <$type as Setting>::parse(text)?;
                    Ok(())
                },
                set_toml: |config, value| {
                    config.$section.$key = <$type as Setting>::from_toml(value)?;
                    Ok(())
                },
                show: |config| config.$section.$key.to_toml(),
            }, )+ )+
        ];
    };
}

settings! {
    /// Which chain, and where it is kept.
    chain: ChainConfig {
        /// The network: "mainnet", "testnet" or "devnet".
        network: String = "mainnet".to_owned(),
        /// File with the rules of a chain of one's own; `network` is not looked at then.
        chain_spec: Option<PathBuf> = None,
        /// Folder for everything that the node keeps. By default one of the platform's convention,
        /// with the name of the network.
        data_dir: Option<PathBuf> = None,
        /// Whether transactions and addresses are kept in an index, which explorers and exchanges need. It
        /// is built at the next start, which takes a while on a long chain; once built it is kept.
        index: bool = false,
        /// How many blocks can be taken back in a reorganisation.
        undo_horizon: u32 = 10_000,
        /// Threads that verify seals, bodies and scripts; 0 takes one for each core.
        verify_threads: u32 = 0,
        /// Verified signatures that are remembered, 32 bytes each.
        signature_cache: u32 = 131_072,
    }
    /// Peers.
    p2p: P2pConfig {
        /// Addresses to listen on. By default every address of the machine, at the network's port;
        /// an empty list listens nowhere.
        listen: Option<Vec<SocketAddr>> = None,
        /// Address under which others reach this node, told to them.
        external: Option<SocketAddr> = None,
        /// The only peers to connect to, if there are any; no others are looked for then.
        connect: Vec<SocketAddr> = Vec::new(),
        /// Peers to stay connected to, beside others.
        add_peer: Vec<SocketAddr> = Vec::new(),
        /// Most peers that may connect to this node.
        max_inbound: u32 = 64,
        /// Peers that this node connects to by itself.
        max_outbound: u32 = 8,
        /// Whether the network's seed hosts are asked for peers.
        seeds: bool = true,
        /// A SOCKS5 proxy for all connections that this node opens.
        proxy: Option<SocketAddr> = None,
        /// Bytes that may be sent in a day before peers that want blocks 100 or more below the tip are sent
        /// away; 0 is no limit.
        max_upload: Bytes = Bytes::new(0),
        /// Whether loose transactions are taken from peers and passed on.
        relay: bool = true,
        /// Whether addresses of this machine and of private networks are kept and told.
        local_addresses: bool = false,
    }
    /// Transactions that wait for a block.
    mempool: MempoolSettings {
        /// Most memory for them.
        mempool_size: Bytes = Bytes::new(64 << 20),
        /// Hours after which one that no block took is dropped.
        mempool_expiry: u32 = 72,
        /// Whether they are kept from one run to the next.
        mempool_save: bool = true,
    }
    /// Blocks of one's own, on development networks.
    mining: MiningConfig {
        /// Address that is paid for blocks that the node mines by itself. Only on chains with a fixed
        /// small difficulty; real mining is done by other programs.
        mine: Option<String> = None,
        /// Milliseconds between two such blocks, at least.
        mine_interval_ms: u32 = 1_000,
        /// Address that work for other programs pays when they name none.
        payout: Option<String> = None,
        /// Asset that such work mines beside coin, on chains that let it.
        payout_asset: Option<String> = None,
    }
    /// Questions of other programs, and of `mvs-node cli`: JSON-RPC, WebSocket, metrics and health on one
    /// port.
    rpc: RpcConfig {
        /// Addresses to answer on. By default this machine alone, at port 8820 (mainnet), 18820 (testnet) or
        /// 28820 (others); an empty list answers nowhere.
        rpc_listen: Option<Vec<SocketAddr>> = None,
        /// Whether a file `.cookie` in the data folder lets whoever may read it do everything. It is made
        /// anew at each start.
        rpc_cookie: bool = true,
        /// File with users, each line made by `mvs-node rpc-user`.
        rpc_users: Option<PathBuf> = None,
        /// What callers without a password may do at `/rpc/v2` and `/rpc/v3`, for programs that were
        /// written for the chain's first node: "read", "mine" or "all"; nothing by default.
        rpc_guest: Option<Grant> = None,
        /// Names under which the node may be asked, beside localhost and bare addresses.
        rpc_hosts: Vec<String> = Vec::new(),
        /// Origins of web pages that may ask the node, as `https://example.org`.
        rpc_origins: Vec<String> = Vec::new(),
    }
    /// Logs, on standard error and in files in the data folder.
    log: LogConfig {
        /// What is logged: "error", "warn", "info", "debug", "trace", or a list such as
        /// "info,p2p=debug". The areas are chain, p2p, rpc, app and verdict.
        log: String = "info".to_owned(),
        /// Whether logs are also written to files.
        log_files: bool = true,
        /// Bytes at which a new file is begun; four are kept.
        log_file_size: Bytes = Bytes::new(16 << 20),
    }
    /// A second port with `/metrics`, `/healthy` and `/ready` alone, which are also on the RPC port.
    metrics: MetricsConfig {
        /// Address to answer on; a loopback address, or nothing to switch it off.
        metrics_listen: Option<SocketAddr> = None,
    }
}

#[cfg(test)]
mod tests;
