//! Measurements. Each prints lines `bench=NAME value=N unit=U reference=N ratio=R`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mvs_consensus::header::check_headers;
use mvs_primitives::encode::{Decode, Encode};
use mvs_primitives::header::Header;
use mvs_primitives::height::Height;
use testkit::chain::MemoryChain;

use crate::make_chain::{self, Plan, empty_branch};
use crate::node::{Network, Node, Program, Setup};
use crate::peer::{Introduction, PATIENCE, Peer};
use crate::proxy::Proxy;
use crate::rpc_load;
use crate::scenario::{Recorded, Rivals, offer};
use crate::scripted::{FirstNode, Habits};
use crate::served::Served;
use crate::usage;
use crate::wait::{Seen, until};
use crate::wire;

/// How long one run may take.
const LIMIT: Duration = Duration::from_secs(1_800);

/// Blocks of the chain that the node must sync nearly as fast as it imports a file.
const LONG_BLOCKS: u32 = 20_000;
/// Its seed.
const LONG_SEED: u64 = 7;

/// What the first node needs on a chain of 2,766 blocks: blocks a second.
const FIRST_NODE_BLOCKS_PER_SEC: f64 = 220.0;
/// Seals that a node verifies together on one thread.
const HEADERS_AT_ONCE: usize = 64;
/// Processor time a block, in milliseconds.
const FIRST_NODE_CPU_MS: f64 = 4.4;
/// The most memory that we want, in bytes.
const MEMORY_GOAL: f64 = 150.0 * 1_048_576.0;
/// The most disk that we want, in bytes.
const DISK_GOAL: f64 = 20e6;
/// The most that a relay may add at the median, in milliseconds.
const RELAY_GOAL_MS: f64 = 20.0;
/// The most that an idle node may move a day, in bytes.
const IDLE_GOAL: f64 = 50.0 * 1_048_576.0;

/// One figure and what it is compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    reference: f64,
}

impl Figure {
    fn new(name: impl Into<String>, value: f64, unit: &'static str, reference: f64) -> Self {
        Self { name: name.into(), value, unit, reference }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, unit, reference } = self;
        let ratio = value / reference;
        write!(
            f,
            "bench={name} value={value:.3} unit={unit} reference={reference:.3} ratio={ratio:.4}"
        )
    }
}

/// Syncs a fresh node from another over the loopback interface, and compares with the import of the
/// same blocks from a file.
///
/// # Errors
/// When a node fails.
pub fn sync(program: &Program, chain: Option<&Path>) -> Result<Vec<Figure>> {
    let file = match chain {
        Some(file) => file.to_owned(),
        None => long_chain()?,
    };
    let chain = Recorded::of(make_chain::params(), file)?;
    let run = Run::of(program, &chain)?;
    let blocks = f64::from(run.blocks);
    let import_reference = FIRST_NODE_BLOCKS_PER_SEC;
    Ok(vec![
        Figure::new("import_long", run.import_rate, "blocks/s", import_reference),
        Figure::new("sync_long", blocks / run.took.as_secs_f64(), "blocks/s", run.import_rate),
        run.cpu("sync_long_cpu", run.processor),
        run.cpu("serve_long_cpu", run.serving),
        run.memory("sync_long_memory"),
    ])
}

/// The same on the chain that the first node recorded, compared with the first node.
///
/// # Errors
/// When a node fails.
pub fn reference(program: &Program) -> Result<Vec<Figure>> {
    let run = Run::of(program, &Recorded::chain_a()?)?;
    let rate = f64::from(run.blocks) / run.took.as_secs_f64();
    Ok(vec![
        Figure::new("import_reference", run.import_rate, "blocks/s", FIRST_NODE_BLOCKS_PER_SEC),
        Figure::new("sync_reference", rate, "blocks/s", FIRST_NODE_BLOCKS_PER_SEC),
        run.cpu("sync_reference_cpu", run.processor),
        run.cpu("serve_reference_cpu", run.serving),
        run.memory("sync_reference_memory"),
        Figure::new("sync_reference_disk", run.disk, "bytes", DISK_GOAL),
    ])
}

/// One import and one sync of a chain.
struct Run {
    blocks: u32,
    import_rate: f64,
    took: Duration,
    /// Processor time of the node that syncs.
    processor: Duration,
    /// That of the node that it syncs from.
    serving: Duration,
    peak: f64,
    disk: f64,
}

impl Run {
    fn of(program: &Program, chain: &Recorded) -> Result<Self> {
        let network = chain.network()?;
        let mut source = Node::prepare(program, Setup::on(network.clone()))?;
        let imported = program.import(&network, &source.data_dir(), &chain.file, LIMIT)?;
        ensure!(imported.tip == chain.tip(), "the import ended at {imported:?}");
        source.restart()?;

        let setup = Setup::on(network).connect(source.address());
        let mut node = Node::prepare(program, setup)?;
        let before = source.processor_time()?;
        let start = Instant::now();
        node.restart()?;
        node.wait_for_tip(&chain.tip(), LIMIT)?;
        let took = start.elapsed();
        let processor = node.processor_time()?;
        let serving = source.processor_time()?.saturating_sub(before);
        let memory = node.memory()?;
        ensure!(node.stop()?.0.success(), "the node did not stop cleanly");
        Ok(Self {
            blocks: imported.height,
            import_rate: imported.blocks_per_second,
            took,
            processor,
            serving,
            peak: memory.peak as f64, // exact below 2^53
            disk: usage::disk_bytes(&node.data_dir())? as f64, // the same
        })
    }

    fn cpu(&self, name: &str, time: Duration) -> Figure {
        let value = time.as_secs_f64() * 1e3 / f64::from(self.blocks);
        Figure::new(name, value, "ms/block", FIRST_NODE_CPU_MS)
    }

    fn memory(&self, name: &str) -> Figure {
        Figure::new(name, self.peak, "bytes", MEMORY_GOAL)
    }
}

/// Measures the verification of headers on one core, as a synchronising node does it, against one
/// header at a time.
///
/// # Errors
/// When a header of the recorded chain is refused.
pub fn headers() -> Result<Vec<Figure>> {
    let chain = Recorded::chain_a()?;
    let headers = chain
        .blocks
        .iter()
        .take(512)
        .map(|block| Ok(Header::decode(block.get(..wire::HEADER_BYTES).context("no header")?)?))
        .collect::<Result<Vec<_>>>()?;
    let caches = mvs_pow::CacheSet::new(1);
    let rate = |at_once: usize| -> Result<f64> {
        let start = Instant::now();
        for part in headers.chunks(at_once) {
            for checked in check_headers(&chain.params, &caches, part.to_vec()) {
                checked.map_err(|error| anyhow::anyhow!("a recorded header: {error:?}"))?;
            }
        }
        Ok(headers.len() as f64 / start.elapsed().as_secs_f64()) // there are few
    };
    // The first run also makes the cache.
    let _warm = rate(HEADERS_AT_ONCE)?;
    let (mut many, mut one) = (0.0, 0.0);
    for _ in 0..3 {
        many = rate(HEADERS_AT_ONCE)?.max(many);
        one = rate(1)?.max(one);
    }
    Ok(vec![Figure::new("headers_per_core", many, "headers/s", one)])
}

/// Makes the long chain once and keeps it.
fn long_chain() -> Result<PathBuf> {
    let file = std::env::temp_dir().join(format!("mvs-testnet-{LONG_BLOCKS}-{LONG_SEED}.gz"));
    if !file.is_file() {
        let plan = Plan { blocks: LONG_BLOCKS, seed: LONG_SEED, branches: None };
        let unfinished = make_chain::behind(&file, ".part");
        make_chain::make(&plan, &unfinished, |_| {})?;
        std::fs::rename(unfinished, &file)?;
    }
    Ok(file)
}

/// Measures how much later the second of two nodes announces a block than the first.
///
/// # Errors
/// When a node fails.
pub fn relay(program: &Program, blocks: u32) -> Result<Vec<Figure>> {
    let params = make_chain::params();
    let chain = MemoryChain::new(params.clone(), std::sync::Arc::new(mvs_pow::CacheSet::new(1)));
    let made = empty_branch(&chain, Height::GENESIS, blocks, 0)?;
    let network = Network::of(&params)?;
    let near = Node::start(program, Setup::on(network.clone()))?;
    let far = Node::start(program, Setup::on(network).connect(near.address()))?;
    far.wait_for_peers(1, PATIENCE)?;
    let mut giver = Peer::connect(near.address(), &Introduction::default())?;
    let mut at_near = Peer::connect(near.address(), &Introduction::default())?;
    let at_far = Peer::connect(far.address(), &Introduction::default())?;
    for node in [&near, &far] {
        node.wait_for_peers(2, PATIENCE)?;
    }
    let (sender, seen) = std::sync::mpsc::channel();
    let listener = std::thread::spawn(move || listen(at_far, &sender));
    let mut added = Vec::new();
    for block in &made {
        offer(&mut giver, &[block], PATIENCE)?;
        let hash = wire::block_hash(block);
        hear(&mut at_near, &hash)?;
        let first = Instant::now();
        loop {
            let (heard, at): (wire::Hash, Instant) = seen.recv_timeout(PATIENCE)?;
            if heard == hash {
                added.push(at.saturating_duration_since(first).as_secs_f64() * 1e3);
                break;
            }
        }
    }
    drop(far);
    drop(near);
    if listener.join().is_err() {
        bail!("the listener failed");
    }
    added.sort_by(f64::total_cmp);
    let at = |part: usize| added.get(added.len() * part / 100).copied().context("no block");
    Ok(vec![
        Figure::new("relay_median", at(50)?, "ms", RELAY_GOAL_MS),
        Figure::new("relay_90th", at(90)?, "ms", RELAY_GOAL_MS),
    ])
}

/// Notes when blocks are announced, until the node is gone.
fn listen(mut peer: Peer, to: &std::sync::mpsc::Sender<(wire::Hash, Instant)>) {
    loop {
        let next = peer.find("headers", LIMIT, |message| {
            (message.command == "headers").then(|| wire::parse_headers(&message.payload))
        });
        let Ok(Ok(headers)) = next else { return };
        for header in headers {
            if to.send((wire::block_hash(&header), Instant::now())).is_err() {
                return;
            }
        }
    }
}

fn hear(peer: &mut Peer, hash: &wire::Hash) -> Result<()> {
    peer.find("an announcement", PATIENCE, |message| {
        let headers = wire::parse_headers(&message.payload).unwrap_or_default();
        let is_it = |header: &[u8; wire::HEADER_BYTES]| wire::block_hash(header) == *hash;
        (message.command == "headers" && headers.iter().any(is_it)).then_some(())
    })
}

/// Measures a reorganisation of this depth over the wire, with all its checks.
///
/// # Errors
/// When a node fails or ends in another state.
pub fn reorganisation(program: &Program, depth: u32) -> Result<Vec<Figure>> {
    let rivals = Rivals::make(depth)?;
    let took = rivals.play(program, LIMIT)?;
    let rate = f64::from(depth) / took.as_secs_f64();
    Ok(vec![Figure::new(
        format!("reorganisation_{depth}"),
        rate,
        "blocks/s",
        FIRST_NODE_BLOCKS_PER_SEC,
    )])
}

/// The most that 99 of 100 answers may take, in milliseconds.
const ANSWER_GOAL_MS: f64 = 5.0;
/// Connections that ask at a time.
const ASKERS: usize = 4;
/// Different questions of a kind.
const QUESTIONS: usize = 1_000;
/// Blocks that are handed in while questions are asked.
const LATE_BLOCKS: usize = 500;

/// Measures answers a second on the recorded chain: each question in the first node's shapes and in
/// our own, then the first ones again while blocks connect.
///
/// # Errors
/// When the node fails or answers with an error.
pub fn rpc(program: &Program, time: Duration) -> Result<Vec<Figure>> {
    let chain = Recorded::chain_a()?;
    let early = chain.blocks.len().saturating_sub(LATE_BLOCKS);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("early");
    crate::chain_file::write(&file, chain.blocks.get(..early).context("a short chain")?)?;
    let mut setup = Setup::on(chain.network()?);
    setup.rpc = true;
    setup.more.push("--index".into());
    let mut node = Node::prepare(program, setup)?;
    program.import(&chain.network()?, &node.data_dir(), &file, LIMIT)?;
    node.restart()?;
    let authorization = rpc_load::authorization(&node.data_dir())?;

    let step = (early / QUESTIONS).max(1);
    let heights: Vec<usize> = (1..=early).step_by(step).collect();
    let mut txids = Vec::new();
    for height in &heights {
        let block = chain.blocks.get(*height - 1).context("a block")?;
        let block = mvs_primitives::block::Block::decode(block)?;
        txids.extend(block.transactions.last().map(|tx| tx.txid().to_string()));
    }
    let all = |method: &str, params: &[String]| -> Vec<String> {
        let body = |params: &String| {
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":[{params}]}}"#)
        };
        params.iter().map(body).collect()
    };
    let none = vec![String::new()];
    let texts: Vec<String> = heights.iter().map(|height| format!("\"{height}\"")).collect();
    let numbers: Vec<String> = heights.iter().map(|height| format!("{height},\"full\"")).collect();
    let txids: Vec<String> = txids.iter().map(|txid| format!("\"{txid}\"")).collect();
    let questions = [
        ("getheight", "/rpc/v2", all("getheight", &none), 11_000.0),
        ("getblock", "/rpc/v2", all("getblock", &texts), 5_700.0),
        ("gettx", "/rpc/v2", all("gettx", &txids), 4_000.0),
        ("chain_tip", "/rpc", all("chain_tip", &none), 11_000.0),
        ("chain_block", "/rpc", all("chain_block", &numbers), 5_700.0),
        ("chain_transaction", "/rpc", all("chain_transaction", &txids), 4_000.0),
    ];
    let mut figures = Vec::new();
    let mut measure = |name: &str, path: &str, bodies: &[String], first: f64| -> Result<()> {
        let load = rpc_load::load(node.rpc(), path, &authorization, ASKERS, bodies, time)?;
        figures.push(Figure::new(format!("rpc_{name}"), load.rate, "answers/s", first));
        figures.push(Figure::new(format!("rpc_{name}_p99"), load.p99_ms, "ms", ANSWER_GOAL_MS));
        Ok(())
    };
    for (name, path, bodies, first) in &questions {
        measure(name, path, bodies, *first)?;
    }
    let late = chain.blocks.get(early..).context("a short chain")?;
    let mut giver = rpc_load::Asker::connect(node.rpc(), "/rpc", &authorization)?;
    // One block at a time, all of them while the three questions are asked.
    let pause = time * 3 / u32::try_from(late.len() + 1)?;
    std::thread::scope(|scope| -> Result<()> {
        let hands_in = scope.spawn(move || -> Result<()> {
            for block in late {
                let start = Instant::now();
                let block = hex::encode(block);
                let body = format!(
                    r#"{{"jsonrpc":"2.0","id":1,"method":"mining_submit_block","params":["{block}"]}}"#
                );
                let answer = giver.ask(&body)?;
                let is_on = answer.windows(18).any(|part| part == b"\"is_on_chain\":true");
                ensure!(is_on, "{}", String::from_utf8_lossy(answer));
                std::thread::sleep(pause.saturating_sub(start.elapsed()));
            }
            Ok(())
        });
        for (name, path, bodies, first) in questions.iter().take(3) {
            measure(&format!("{name}_while_connecting"), path, bodies, *first)?;
        }
        hands_in.join().unwrap_or_else(|_| bail!("the giver failed"))
    })?;
    node.wait_for_tip(&chain.tip(), PATIENCE)?;
    Ok(figures)
}

/// Measures what an idle node with eight peers moves.
///
/// # Errors
/// When a node fails.
pub fn idle(program: &Program, window: Duration) -> Result<Vec<Figure>> {
    let bytes = idle_bytes(program, window)?;
    let a_day = bytes as f64 * 86_400.0 / window.as_secs_f64(); // exact below 2^53
    Ok(vec![Figure::new("idle_day", a_day, "bytes/day", IDLE_GOAL)])
}

/// Returns the bytes that a node with eight peers moves in a time in which nothing happens.
///
/// # Errors
/// When a node fails.
pub fn idle_bytes(program: &Program, window: Duration) -> Result<u64> {
    let params = make_chain::params();
    let node = Node::start(program, Setup::on(Network::of(&params)?))?;
    let proxy = Proxy::start(node.address())?;
    let genesis = params.genesis.to_bytes();
    let peers: Vec<FirstNode> = (0..8)
        .map(|_| {
            let peer = FirstNode::start(Served::new(&genesis), Habits::default())?;
            peer.dial(proxy.address())?;
            Ok(peer)
        })
        .collect::<Result<_>>()?;
    node.wait_for_peers(peers.len(), PATIENCE)?;
    let moved = || proxy.bytes().0 + proxy.bytes().1;
    // The introductions are over when nothing has moved for two seconds.
    let (mut last, mut since) = (moved(), Instant::now());
    until("the introductions to end", PATIENCE, || {
        if moved() != last {
            (last, since) = (moved(), Instant::now());
        }
        Seen::so(since.elapsed() >= Duration::from_secs(2), || format!("{last} bytes"))
    })?;
    let end = Instant::now() + window;
    until("the window to pass", window * 2, || {
        Seen::so(Instant::now() >= end, || format!("{} bytes", moved() - last))
    })?;
    ensure!(node.status()?.peers == peers.len(), "peers were lost");
    Ok(moved() - last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_one_line() {
        let line = Figure::new("sync", 4400.0, "blocks/s", 220.0).to_string();
        let wanted = "bench=sync value=4400.000 unit=blocks/s reference=220.000 ratio=20.0000";
        assert_eq!(line, wanted);
    }
}
