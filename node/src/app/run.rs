//! `run`: the node.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use mvs_consensus::params::Params;
use mvs_primitives::height::Height;
use mvs_store::StoreError;
use mvs_store::mmap::MapDisk;
use tokio::sync::mpsc;

use super::mine::Miner;
use super::progress::{Counter, Report as _, SyncProgress};
use super::rpc;
use super::setup::Setup;
use super::signals::{self, Awaited};
use super::web;
use crate::chain::command::{ChainHandle, Command};
use crate::chain::core::{ChainCore, ChainError};
use crate::chain::owner::{Owner, OwnerConfig};
use crate::chain::stop::Stop;
use crate::config::{Config, Effective};
use crate::mempool::MempoolConfig;
use crate::p2p::api::NetworkEvent;
use crate::p2p::codec::Magic;
use crate::p2p::network::Network;
use crate::p2p::peers::{NetworkConfig, Started};
use crate::rpc::Context;

/// How often the owner is told that time passes.
const TICK: Duration = Duration::from_millis(100);
/// How often progress is shown.
const PROGRESS: Duration = Duration::from_millis(500);
/// How long tasks may take to end after the owner has.
const LAST_WAIT: Duration = Duration::from_secs(2);
/// How long answers that are on their way may take when the node stops.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
/// The lowest block whose seal is verified.
const FIRST_SEALED: Height = Height::new(1);

pub(super) fn run(effective: &Effective) -> anyhow::Result<()> {
    let config = &effective.config;
    let setup = Setup::new(config)?;
    let logs = setup.start_logs(config)?;
    tracing::info!(target: "app", version = env!("CARGO_PKG_VERSION"), network = setup.params.name,
        data_dir = %setup.data_dir.display(), "starting");
    let miner = Miner::new(&config.mining, &setup.params)?;
    let payee = rpc::payee(&config.mining, &setup.params)?;
    if !setup.store_dir().exists() {
        // Making a store takes as long as making what the first seals need.
        setup.tools.prepare_seals(FIRST_SEALED);
    }
    let (mut core, report) = setup.open(config)?;
    tracing::info!(target: "app", height = %report.tip.height, tip = %report.tip.hash,
        clean = report.clean, replayed = report.replayed_commits, took = ?report.took, "chain open");
    if report.index_lost {
        tracing::warn!(target: "app", "the index of transactions and addresses is damaged and \
            not used; it must be built anew");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("net")
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let (stop, awaited) = (Stop::new(), Awaited::default());
    runtime.spawn(signals::watch(stop.clone(), awaited.clone()));
    if config.chain.index && !build_index(&mut core, &stop, &awaited)? {
        return Ok(core.close()?);
    }
    // A runtime of their own: whoever asks much waits for himself, and not the peers for him.
    let questions = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::thread::available_parallelism().map_or(2, usize::from).max(2))
        .thread_name("rpc")
        .enable_all()
        .build()
        .context("cannot start the runtime of the questions")?;
    let port = questions.block_on(rpc::Port::open(config, &setup))?;
    let network_config = network_config(config, &setup);
    let metrics = config.metrics.metrics_listen;
    let Started { network, events, listening } = {
        let _inside = runtime.enter();
        Network::start(network_config, core.tip().height)?
    };
    for address in &listening {
        tracing::info!(target: "app", %address, "listening for peers");
    }
    let (owner, chain) =
        Owner::new(core, owner_config(config, &setup), network.clone(), stop.clone());
    runtime.spawn(forward(events, chain.clone()));
    runtime.spawn(tick(chain.clone(), stop.clone()));
    let shown = runtime.spawn(show(chain.clone(), stop.clone()));
    {
        let _inside = questions.enter();
        let (chain, network) = (chain.clone(), network.clone());
        let params = Arc::clone(&setup.tools.params);
        let is_mining = config.mining.mine.is_some();
        port.serve(Context::new(chain, network, params, stop.clone(), logs, payee, is_mining));
    }
    if let Some(address) = metrics {
        let listener = runtime.block_on(web::listen(address))?;
        tracing::info!(target: "app", address = %listener.local_addr()?, "metrics");
        runtime.spawn(web::serve(listener, chain.clone(), network.clone(), stop.clone()));
    }
    if let Some(miner) = miner {
        miner.start(runtime.handle().clone(), chain.clone(), stop.clone())?;
    }
    drop(chain);
    awaited.set("the chain: the block that is being connected, the pool, the store");
    let thread = std::thread::Builder::new()
        .name("chain".to_owned())
        .spawn(move || owner.run())
        .context("cannot start the chain's thread")?;
    runtime.block_on(stop.wait());
    let ended = thread.join();
    awaited.set("the peers");
    runtime.block_on(async {
        let _ = tokio::time::timeout(LAST_WAIT, network.stop()).await;
        let _ = tokio::time::timeout(LAST_WAIT, shown).await;
    });
    questions.shutdown_timeout(LAST_ANSWERS);
    runtime.shutdown_timeout(LAST_WAIT);
    match ended {
        Ok(result) => result?,
        Err(_) => anyhow::bail!("the chain's thread panicked: this is a bug"),
    }
    tracing::info!(target: "app", "stopped");
    Ok(())
}

/// Brings the index of transactions and addresses to the tip; `false` when the node is to stop.
fn build_index(
    core: &mut ChainCore<MapDisk>,
    stop: &Stop,
    awaited: &Awaited,
) -> anyhow::Result<bool> {
    awaited.set("the index: the part that is being written");
    let mut counter = Counter::new("index", None);
    let built = core.build_index(&mut |progress| {
        counter.set(progress.done);
        !stop.is_set()
    });
    counter.finish();
    match built {
        Ok(()) => Ok(true),
        Err(ChainError::Store(StoreError::Cancelled)) => Ok(false),
        Err(error) => Err(error).context("the index cannot be built"),
    }
}

fn network_config(config: &Config, setup: &Setup) -> NetworkConfig {
    let (p2p, params): (_, &Params) = (&config.p2p, &setup.params);
    let everywhere = || {
        let port = params.p2p_port;
        vec![
            SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port),
            SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port),
        ]
    };
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let mut network = NetworkConfig::new(Magic::from_number(params.magic));
    network.listen = p2p.listen.clone().unwrap_or_else(everywhere);
    network.external = p2p.external;
    network.connect = p2p.connect.clone();
    network.add_peers = p2p.add_peer.clone();
    network.max_inbound = count(p2p.max_inbound);
    network.max_outbound = count(p2p.max_outbound);
    network.seeds = if p2p.seeds { params.seeds.clone() } else { Vec::new() };
    network.proxy = p2p.proxy;
    network.max_upload_bytes_per_day = Some(p2p.max_upload.get()).filter(|most| *most > 0);
    network.data_dir = Some(setup.data_dir.clone());
    network.relay = p2p.relay;
    network.allow_local = p2p.local_addresses;
    network
}

fn owner_config(config: &Config, setup: &Setup) -> OwnerConfig {
    let mempool = &config.mempool;
    OwnerConfig {
        mempool: MempoolConfig {
            max_bytes: mempool.mempool_size.as_usize(),
            expiry_secs: u64::from(mempool.mempool_expiry) * 3_600,
            ..MempoolConfig::default()
        },
        journal_file: Some(setup.data_dir.join("stale-blocks.dat")),
        pool_file: mempool.mempool_save.then(|| setup.data_dir.join("mempool.dat")),
        relay: config.p2p.relay,
        // On a public network a node alone knows nothing of the chain.
        synced_without_peers: setup.params.seeds.is_empty(),
        ..OwnerConfig::default()
    }
}

/// Hands what peers say to the owner. While its queue is full, peers are not read.
async fn forward(mut events: mpsc::Receiver<NetworkEvent>, chain: ChainHandle) {
    while let Some(event) = events.recv().await {
        if chain.send(Command::Network(event)).await.is_err() {
            return;
        }
    }
}

async fn tick(chain: ChainHandle, stop: Stop) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = interval.tick() => {
                // If there is no room it is awake.
                chain.try_send(Command::Tick);
            }
            () = stop.wait() => {
                chain.try_send(Command::Tick);
                return;
            }
        }
    }
}

async fn show(chain: ChainHandle, stop: Stop) {
    let mut progress = SyncProgress::new(Instant::now());
    let mut interval = tokio::time::interval(PROGRESS);
    while !stop.is_set() {
        tokio::select! {
            _ = interval.tick() => progress.note(&chain.status(), Instant::now()),
            () = stop.wait() => {}
        }
    }
    progress.finish();
}
