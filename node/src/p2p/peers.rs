//! Connections: listening, dialling, one task for each peer, and one that owns the rest.
//!
//! ```text
//! listener --+
//! dials    --+--> manager (addresses, bans, places) --spawns--> peer task --> events to the node
//! peer tasks +        ^ notes                                     ^ sends, control
//!                     +---------- operator's requests             +-- Network handle
//! ```

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mvs_primitives::height::Height;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::addresses::AddressBook;
use super::api::NetworkEvent;
use super::bans::BanList;
use super::budget::Budgets;
use super::codec::Magic;
use super::network::Network;
use super::session::{HANDSHAKE_TIMEOUT, Limits, Random, SelfNonce};

mod dial;
mod evict;
mod manager;
mod task;

use manager::Manager;

/// Most events that wait for the node. When full, peers are not read; what they may hold of it in bytes
/// is bounded by [`Charge`](super::api::Charge).
pub const EVENT_QUEUE: usize = 512;

/// File of the address book in the data folder.
pub const ADDRESSES_FILE: &str = "addresses";
/// File of the bans in the data folder.
pub const BANS_FILE: &str = "bans";

/// What the operator decides.
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    /// First four bytes of every message.
    pub magic: Magic,
    /// Where to listen; nowhere when empty. An IPv6 address takes IPv6 only.
    pub listen: Vec<SocketAddr>,
    /// Where others reach us; told to them when it is set.
    pub external: Option<SocketAddr>,
    /// If not empty: the only peers to connect to. Neither addresses nor seeds are used then.
    pub connect: Vec<SocketAddr>,
    /// Peers to stay connected to beside others.
    pub add_peers: Vec<SocketAddr>,
    /// Most peers that may connect to us.
    pub max_inbound: usize,
    /// Most of these from one public IPv4 address, or one IPv6 /64.
    pub max_inbound_per_ip: usize,
    /// Peers that we connect to by the address book.
    pub max_outbound: usize,
    /// Hosts that tell about peers, as `host:port`. Nothing is looked up when it is empty.
    pub seeds: Vec<String>,
    /// A SOCKS5 proxy for all connections that we open; names are then resolved by it alone.
    pub proxy: Option<SocketAddr>,
    /// Bytes that may be uploaded in a day before those who want the chain's history are sent away.
    pub max_upload_bytes_per_day: Option<u64>,
    /// Where the address book and the bans are kept; nowhere when unset.
    pub data_dir: Option<PathBuf>,
    /// Name of the program as `/name:version/`.
    pub user_agent: String,
    /// Whether transactions are relayed.
    pub relay: bool,
    /// Whether addresses of this machine and of private networks are taken into the book.
    pub allow_local: bool,
    /// Whether addresses of this machine and of private networks can be banned by themselves; else
    /// they are only disconnected.
    pub ban_local: bool,
    /// How long a ban holds.
    pub ban_time: Duration,
    /// Longest time to open a connection (p2p.md 10: 5 s).
    pub connect_timeout: Duration,
    /// Longest time for a handshake.
    pub handshake_timeout: Duration,
    /// About how often an address of the book is tried beside the peers that we keep, to know whether
    /// somebody is there: half to one and a half times this, which nobody can foresee.
    pub feeler_every: Duration,
    /// First pause before a peer of [`connect`](Self::connect) or [`add_peers`](Self::add_peers) is
    /// tried again; doubles up to five minutes.
    pub retry: Duration,
    /// Rates of one peer.
    pub limits: Limits,
}

impl NetworkConfig {
    /// Returns a configuration that listens nowhere and connects to nobody.
    pub fn new(magic: Magic) -> Self {
        Self {
            magic,
            listen: Vec::new(),
            external: None,
            connect: Vec::new(),
            add_peers: Vec::new(),
            max_inbound: 64,
            max_inbound_per_ip: 4,
            max_outbound: 8,
            seeds: Vec::new(),
            proxy: None,
            max_upload_bytes_per_day: None,
            data_dir: None,
            user_agent: format!("/mvs-node:{}/", env!("CARGO_PKG_VERSION")),
            relay: true,
            allow_local: false,
            ban_local: false,
            ban_time: Duration::from_secs(24 * 3600),
            connect_timeout: Duration::from_secs(5),
            handshake_timeout: HANDSHAKE_TIMEOUT,
            feeler_every: Duration::from_secs(120),
            retry: Duration::from_secs(2),
            limits: Limits::default(),
        }
    }
}

/// The network could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A file in the data folder cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The system has no random numbers.
    #[error("no random numbers: {0}")]
    Random(#[from] getrandom::Error),
}

impl StartError {
    /// Returns the stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Listen { .. } => "p2p.start.listen",
            Self::Read { .. } => "p2p.start.read",
            Self::Random(_) => "p2p.start.random",
        }
    }
}

/// A network that runs.
#[derive(Debug)]
pub struct Started {
    /// The handle.
    pub network: Network,
    /// Events for the node. When this is dropped, peers are closed.
    pub events: mpsc::Receiver<NetworkEvent>,
    /// Where it listens, with the ports that the system chose for port 0.
    pub listening: Vec<SocketAddr>,
}

impl Network {
    /// Starts to listen and to connect, on the current tokio runtime.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(config: NetworkConfig, own_height: Height) -> Result<Started, StartError> {
        let mut random = Random::from_os()?;
        let mut listeners = Vec::new();
        for address in &config.listen {
            let listener = listen(*address)
                .map_err(|source| StartError::Listen { address: *address, source })?;
            listeners.push(listener);
        }
        let listening =
            listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        let (book, bans) = load(&config, &mut random)?;
        let budgets = Budgets::new(config.max_upload_bytes_per_day, Instant::now());
        let (network, shared, requests) = Self::new(config.magic, own_height, budgets);
        let (events, receiver) = mpsc::channel(EVENT_QUEUE);
        let self_nonce = SelfNonce::new(&mut random);
        let manager = Manager::new(config, shared, events, book, bans, random, self_nonce);
        tokio::spawn(manager.run(requests, listeners));
        Ok(Started { network, events: receiver, listening })
    }
}

/// Reads the address book and the bans, with a warning for what is damaged.
fn load(config: &NetworkConfig, random: &mut Random) -> Result<(AddressBook, BanList), StartError> {
    let book_random = Random::from_key((random.next_u64(), random.next_u64()));
    let Some(folder) = &config.data_dir else {
        return Ok((AddressBook::new(book_random, config.allow_local), BanList::default()));
    };
    let path = folder.join(ADDRESSES_FILE);
    let (book, damage) = AddressBook::load(&path, config.magic, book_random, config.allow_local)
        .map_err(|source| StartError::Read { path: path.clone(), source })?;
    if damage.is_any() {
        let (path, addresses) = (path.display(), book.len());
        tracing::warn!(target: "p2p", %path, ?damage, addresses, "address book is damaged");
    }
    let path = folder.join(BANS_FILE);
    let (bans, damaged) =
        BanList::load(&path).map_err(|source| StartError::Read { path: path.clone(), source })?;
    if damaged > 0 {
        tracing::warn!(target: "p2p", path = %path.display(), damaged, "ban list is damaged");
    }
    Ok((book, bans))
}

/// Opens a listener. IPv6 sockets take IPv6 only, so that both families can have the same port.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?; // a restart must not wait for old connections to fade
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(128)?; // what waits beyond is refused by the system
    TcpListener::from_std(socket.into())
}
