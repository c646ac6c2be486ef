//! A peer with the habits of the first node, out of memory (p2p.md 7 to 9).
//!
//! It serves a tree of blocks, follows what others announce without judging it, and notes what the
//! first node would not forgive: [`FirstNode::complaints`] must be empty at the end of a scenario.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mvs_primitives::block::Block;
use mvs_primitives::encode::{Decode, Encode};
use mvs_primitives::hash::sha256d;

use crate::peer::{Introduction, PATIENCE};
use crate::served::{Served, previous_of};
use crate::wait::{Seen, Watched};
use crate::wire::{
    self, Hash, INV_BLOCK, INV_TX, Incoming, KNOWN_COMMANDS, Message, Version, Wire, Writer,
};

/// A batch of headers for a peer that was far behind when it connected, and for any other.
const BATCHES: (usize, usize) = (500, 10);
/// Who was further behind than this gets large batches.
const FAR_BEHIND: u32 = 2_000;
/// Blocks without a parent that it keeps (p2p.md 7.3).
const ORPHANS: usize = 5_000;
/// How often a connection looks whether the node stops.
const LOOK_UP: Duration = Duration::from_millis(100);

/// What the node is told to do differently.
#[derive(Debug, Clone)]
pub struct Habits {
    /// How it introduces itself; the height is set from its chain.
    pub introduction: Introduction,
    /// Its host pool: answers `getaddr`, half of it with empty entries. With none it stays silent.
    pub hosts: Vec<SocketAddr>,
    /// Fetches blocks that others announce.
    pub follows: bool,
    /// Asks for headers again when no block has come for so long; every fourth time also from the
    /// tips of its other branches (p2p.md 7.3).
    pub asks_again: Duration,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            introduction: Introduction::default(),
            hosts: Vec::new(),
            follows: true,
            asks_again: Duration::from_secs(100),
        }
    }
}

/// A connection as others see it.
#[derive(Debug)]
struct Channel {
    writer: Writer,
    theirs: Version,
    /// What came from there: not announced back.
    from_there: HashSet<Hash>,
}

#[derive(Debug)]
struct State {
    tree: Served,
    /// Blocks without a parent, by the parent they wait for (p2p.md 7.3).
    orphans: HashMap<Hash, Vec<Vec<u8>>>,
    orphan_hashes: HashSet<Hash>,
    transactions: HashMap<Hash, Vec<u8>>,
    channels: BTreeMap<u64, Channel>,
    next_channel: u64,
    complaints: Vec<String>,
    heard: BTreeMap<String, u64>,
    endings: u64,
}

#[derive(Debug)]
struct Shared {
    state: Watched<State>,
    habits: Habits,
    stops: AtomicBool,
}

/// A running node. Stops when dropped.
#[derive(Debug)]
pub struct FirstNode {
    shared: Arc<Shared>,
    address: SocketAddr,
    acceptor: Option<JoinHandle<()>>,
}

impl FirstNode {
    /// Starts on a free port of the loopback interface.
    ///
    /// # Errors
    /// When there is no port.
    pub fn start(tree: Served, habits: Habits) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port")?;
        let address = listener.local_addr()?;
        let state = State {
            tree,
            orphans: HashMap::new(),
            orphan_hashes: HashSet::new(),
            transactions: HashMap::new(),
            channels: BTreeMap::new(),
            next_channel: 0,
            complaints: Vec::new(),
            heard: BTreeMap::new(),
            endings: 0,
        };
        let shared =
            Arc::new(Shared { state: Watched::new(state), habits, stops: AtomicBool::new(false) });
        let for_acceptor = Arc::clone(&shared);
        let acceptor = std::thread::Builder::new().name("first-node".into()).spawn(move || {
            for stream in listener.incoming().flatten() {
                if for_acceptor.stops.load(Ordering::Relaxed) {
                    return;
                }
                spawn_channel(&for_acceptor, stream);
            }
        })?;
        Ok(Self { shared, address, acceptor: Some(acceptor) })
    }

    /// Returns where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connects to another node.
    ///
    /// # Errors
    /// When nobody accepts.
    pub fn dial(&self, address: SocketAddr) -> Result<()> {
        spawn_channel(&self.shared, TcpStream::connect_timeout(&address, PATIENCE)?);
        Ok(())
    }

    /// Adds blocks as if it had mined them and announces them to every peer.
    ///
    /// # Errors
    /// When a block does not connect.
    pub fn mine<B: AsRef<[u8]>>(&self, blocks: &[B]) -> Result<()> {
        blocks.iter().try_for_each(|block| extend(&self.shared, None, block.as_ref()))
    }

    /// Takes a transaction into its pool and announces it.
    pub fn pool(&self, transaction: &[u8]) {
        let txid = sha256d(transaction);
        let payload = wire::inventory([(INV_TX, txid)]);
        self.shared.state.change(|state| {
            state.transactions.insert(txid, transaction.to_vec());
            for channel in state.channels.values_mut().filter(|channel| channel.theirs.relay) {
                // A connection that broke is noticed by its reader.
                let _ = channel.writer.send("inv", &payload);
            }
        });
    }

    /// Returns height and hash of its tip.
    pub fn tip(&self) -> (u32, Hash) {
        self.shared.state.look(|state| (state.tree.height(), state.tree.tip()))
    }

    /// Looks at its blocks.
    pub fn look<T>(&self, look: impl FnOnce(&Served) -> T) -> T {
        self.shared.state.look(|state| look(&state.tree))
    }

    /// Returns how many peers have finished the handshake.
    pub fn peers(&self) -> usize {
        self.shared.state.look(|state| state.channels.len())
    }

    /// Returns what others sent: how often each command.
    pub fn heard(&self) -> BTreeMap<String, u64> {
        self.shared.state.look(|state| state.heard.clone())
    }

    /// Returns what the first node would have dropped a peer for.
    pub fn complaints(&self) -> Vec<String> {
        self.shared.state.look(|state| state.complaints.clone())
    }

    /// Returns how many connections have ended.
    pub fn endings(&self) -> u64 {
        self.shared.state.look(|state| state.endings)
    }

    /// Returns the ids of the transactions that it knows.
    pub fn transactions(&self) -> HashSet<Hash> {
        self.shared.state.look(|state| state.transactions.keys().copied().collect())
    }

    /// Waits until its tip is this block.
    ///
    /// # Errors
    /// When it is not within the limit.
    pub fn wait_for_tip(&self, tip: &Hash, limit: Duration) -> Result<()> {
        self.shared.state.wait("the scripted node to follow", limit, |state| {
            Seen::so(state.tree.tip() == *tip, || format!("height {}", state.tree.height()))
        })
    }

    /// Waits for a number of peers.
    ///
    /// # Errors
    /// When there are fewer at the end.
    pub fn wait_for_peers(&self, count: usize, limit: Duration) -> Result<()> {
        self.shared.state.wait("peers of the scripted node", limit, |state| {
            Seen::so(state.channels.len() >= count, || format!("{} peers", state.channels.len()))
        })
    }

    /// Waits until it knows a transaction.
    ///
    /// # Errors
    /// When it does not within the limit.
    pub fn wait_for_transaction(&self, txid: &Hash, limit: Duration) -> Result<()> {
        self.shared.state.wait("a transaction at the scripted node", limit, |state| {
            Seen::so(state.transactions.contains_key(txid), || {
                format!("{} others", state.transactions.len())
            })
        })
    }
}

impl Drop for FirstNode {
    fn drop(&mut self) {
        self.shared.stops.store(true, Ordering::Relaxed);
        self.shared.state.look(|state| state.channels.values().for_each(|c| c.writer.close()));
        // Wakes the acceptor, which then sees that it is to stop.
        let _ = TcpStream::connect_timeout(&self.address, PATIENCE);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn spawn_channel(shared: &Arc<Shared>, stream: TcpStream) {
    let shared = Arc::clone(shared);
    // The thread ends with its connection.
    std::thread::spawn(move || {
        if let Err(error) = run_channel(&shared, stream) {
            shared.state.change(|state| state.complaints.push(format!("{error:#}")));
        }
    });
}

/// Speaks with one peer until the connection ends. An error is something that the first node does
/// not forgive.
fn run_channel(shared: &Arc<Shared>, stream: TcpStream) -> Result<()> {
    let height = shared.state.look(|state| state.tree.height());
    let introduction = shared.habits.introduction.clone().at(height);
    let Ok(mut wire) = Wire::over(stream, introduction.magic) else { return Ok(()) };
    let Some(theirs) = shake(shared, &mut wire, &introduction)? else { return Ok(()) };
    let mut channel = Conversation { theirs, known_to_us: height, ..Conversation::default() };
    let writer = wire.writer()?;
    channel.id = shared.state.change(|state| {
        let id = state.next_channel;
        state.next_channel += 1;
        let theirs = channel.theirs.clone();
        state.channels.insert(id, Channel { writer, theirs, from_there: HashSet::new() });
        id
    });
    let end = channel.run(shared, &mut wire);
    wire.close();
    shared.state.change(|state| {
        state.channels.remove(&channel.id);
        state.endings += 1;
    });
    end.with_context(|| format!("peer {}", channel.theirs.user_agent))
}

fn shake(shared: &Shared, wire: &mut Wire, introduction: &Introduction) -> Result<Option<Version>> {
    let _sent = wire.send("version", &introduction.version());
    let (mut theirs, mut confirmed) = (None, false);
    while theirs.is_none() || !confirmed {
        match wire.read(PATIENCE)? {
            Incoming::Closed => return Ok(None),
            Incoming::Nothing => bail!("no handshake within {PATIENCE:?}"),
            Incoming::Message(message) => {
                note(shared, &message.command);
                match message.command.as_str() {
                    "version" => {
                        theirs = Some(Version::parse(&message.payload)?);
                        let _sent = wire.send("verack", b"");
                    }
                    "verack" => confirmed = true,
                    // Requests that come too early are lost.
                    other => ensure!(KNOWN_COMMANDS.contains(&other), "unknown command {other}"),
                }
            }
        }
    }
    Ok(theirs)
}

fn note(shared: &Shared, command: &str) {
    shared.state.change(|state| *state.heard.entry(command.to_owned()).or_default() += 1);
}

/// One conversation after the handshake.
#[derive(Debug)]
struct Conversation {
    id: u64,
    theirs: Version,
    /// Height for the limit of locators: that of the first node's last reorganisation.
    known_to_us: u32,
    answered_pool: bool,
    answered_hosts: bool,
    ping: u64,
    /// Blocks asked for and not come yet.
    pending: HashSet<Hash>,
    threshold: Option<Hash>,
}

impl Default for Conversation {
    fn default() -> Self {
        Self {
            id: 0,
            theirs: Version {
                value: 0,
                services: 0,
                timestamp: 0,
                nonce: 0,
                user_agent: String::new(),
                start_height: 0,
                relay: false,
            },
            known_to_us: 0,
            answered_pool: false,
            answered_hosts: false,
            ping: 0x5eed,
            pending: HashSet::new(),
            threshold: None,
        }
    }
}

impl Conversation {
    fn run(&mut self, shared: &Arc<Shared>, wire: &mut Wire) -> Result<()> {
        // What cannot be sent any more is noticed by the next read.
        let _sent = wire.send("ping", &self.ping.to_le_bytes());
        if !shared.habits.hosts.is_empty() {
            let _sent = wire.send("getaddr", b"");
        }
        self.ask_for_headers(shared);
        if self.theirs.relay {
            self.reply(shared, "mempool", b"");
        }
        let (mut asked, mut ticks) = (Instant::now(), 0u32);
        while !shared.stops.load(Ordering::Relaxed) {
            if asked.elapsed() >= shared.habits.asks_again {
                asked = Instant::now();
                self.pending.clear();
                self.ask_for_headers(shared);
                ticks += 1;
                if ticks.is_multiple_of(4) && shared.habits.follows {
                    for tip in shared.state.look(|state| state.tree.side_tips()) {
                        self.reply(shared, "getheaders", &wire::locator(&[tip], [0; 32]));
                    }
                }
            }
            match wire.read(LOOK_UP.min(shared.habits.asks_again))? {
                Incoming::Message(message) => {
                    note(shared, &message.command);
                    if message.command == "block" {
                        asked = Instant::now();
                    }
                    self.handle(shared, &message)
                        .with_context(|| format!("on {}", message.command))?;
                }
                Incoming::Closed => return Ok(()),
                Incoming::Nothing => {}
            }
        }
        Ok(())
    }

    fn reply(&self, shared: &Shared, command: &str, payload: &[u8]) {
        shared.state.change(|state| {
            if let Some(channel) = state.channels.get_mut(&self.id) {
                let _sent = channel.writer.send(command, payload);
            }
        });
    }

    fn ask_for_headers(&self, shared: &Shared) {
        if shared.habits.follows {
            let locator = shared.state.look(|state| state.tree.locator());
            self.reply(shared, "getheaders", &wire::locator(&locator, [0; 32]));
        }
    }

    fn handle(&mut self, shared: &Arc<Shared>, message: &Message) -> Result<()> {
        let payload = &message.payload;
        let empty = || -> Result<()> {
            ensure!(payload.is_empty(), "{} bytes where none belong", payload.len());
            Ok(())
        };
        match message.command.as_str() {
            "ping" => {
                ensure!(payload.len() == 8, "a nonce of {} bytes", payload.len());
                self.reply(shared, "pong", payload);
            }
            "pong" => ensure!(payload[..] == self.ping.to_le_bytes(), "a wrong nonce"),
            "getaddr" => {
                empty()?;
                self.give_hosts(shared);
            }
            "mempool" => {
                empty()?;
                self.give_pool(shared);
            }
            "sendheaders" | "verack" | "filterclear" => empty()?,
            "getheaders" => self.give_headers(shared, payload)?,
            "getblocks" => self.give_blocks(shared, payload)?,
            "getdata" => self.give_data(shared, payload)?,
            "headers" => self.take_headers(shared, payload)?,
            "inv" => self.take_inventory(shared, payload)?,
            "block" => self.take_block(shared, payload)?,
            "tx" => shared.state.change(|state| {
                state.transactions.insert(sha256d(payload), payload.clone());
            }),
            "notfound" => {
                for (_, hash) in wire::parse_inventory(payload)? {
                    self.pending.remove(&hash);
                }
            }
            other => ensure!(KNOWN_COMMANDS.contains(&other), "unknown command {other}"),
        }
        Ok(())
    }

    /// Half of the answer is empty entries (p2p.md 9).
    fn give_hosts(&mut self, shared: &Shared) {
        if self.answered_hosts || shared.habits.hosts.is_empty() {
            return;
        }
        self.answered_hosts = true;
        let hosts = &shared.habits.hosts;
        let empty = SocketAddr::from(([0u16; 8], 0));
        let mut all = vec![empty; hosts.len()];
        all.extend(hosts);
        self.reply(shared, "addr", &wire::addr(1_700_000_000, &all));
    }

    fn give_pool(&mut self, shared: &Shared) {
        if std::mem::replace(&mut self.answered_pool, true) {
            return;
        }
        let all = shared.state.look(|state| state.transactions.keys().copied().collect::<Vec<_>>());
        if !all.is_empty() {
            let items = all.into_iter().map(|txid| (INV_TX, txid));
            self.reply(shared, "inv", &wire::inventory(items));
        }
    }

    const fn batch(&self, own_height: u32) -> usize {
        if own_height.saturating_sub(self.theirs.start_height) > FAR_BEHIND {
            BATCHES.0
        } else {
            BATCHES.1
        }
    }

    fn give_headers(&self, shared: &Shared, payload: &[u8]) -> Result<()> {
        let (locator, stop) = wire::parse_locator(payload)?;
        // Without blocks the first node's own limit is a mishap that lets everything pass.
        let limit = self.known_to_us.checked_ilog2().map(|log| u64::from(log) + 12);
        let count = locator.len() as u64; // widening
        ensure!(limit.is_none_or(|limit| count <= limit), "a locator of {count}");
        let answer = shared.state.look(|state| {
            let tree = &state.tree;
            if locator.last().is_some_and(|last| !tree.has(last)) {
                return None;
            }
            let hashes = tree.after(&locator, &stop, self.batch(tree.height()));
            let entries = hashes.iter().filter_map(|hash| Some((tree.header(hash)?.0, 0)));
            (!hashes.is_empty()).then(|| wire::headers(entries))
        });
        if let Some(answer) = answer {
            self.reply(shared, "headers", &answer);
        }
        Ok(())
    }

    /// Like headers, but always answered, never again below what was given first, and counted from
    /// where the locator starts all the same.
    fn give_blocks(&mut self, shared: &Shared, payload: &[u8]) -> Result<()> {
        let (locator, stop) = wire::parse_locator(payload)?;
        let threshold = self.threshold;
        let hashes = shared.state.look(|state| {
            let tree = &state.tree;
            let hashes = tree.after(&locator, &stop, self.batch(tree.height()));
            let place = |hash: &Hash| tree.main().iter().position(|other| other == hash);
            let from = threshold.and_then(|first| place(&first)).map_or(0, |height| height + 1);
            let is_new = |hash: &&Hash| place(hash).is_some_and(|height| height >= from);
            hashes.iter().filter(is_new).copied().collect::<Vec<_>>()
        });
        if let Some(first) = hashes.first() {
            self.threshold = Some(*first);
        }
        let items = hashes.into_iter().map(|hash| (INV_BLOCK, hash));
        self.reply(shared, "inv", &wire::inventory(items));
        Ok(())
    }

    fn give_data(&self, shared: &Shared, payload: &[u8]) -> Result<()> {
        for (kind, hash) in wire::parse_inventory(payload)? {
            let (block, transaction) = shared.state.look(|state| {
                let block = state.tree.block(&hash).map(<[u8]>::to_vec);
                (block, state.transactions.get(&hash).cloned())
            });
            match (kind, block, transaction) {
                (INV_BLOCK, Some(block), _) => self.reply(shared, "block", &block),
                (INV_BLOCK, None, _) => {
                    self.reply(shared, "notfound", &wire::inventory([(kind, hash)]));
                }
                (INV_TX, _, Some(transaction)) => self.reply(shared, "tx", &transaction),
                (INV_TX, _, None) => {
                    // Unknown transactions get no answer.
                    if let Some(bytes) = shared.state.look(|state| mined(&state.tree, &hash)) {
                        self.reply(shared, "tx", &bytes);
                    }
                }
                // Nor do unknown kinds.
                _ => {}
            }
        }
        Ok(())
    }

    /// Asks for all the blocks that are not there, in one message.
    fn fetch(&mut self, shared: &Shared, hashes: impl IntoIterator<Item = Hash>) {
        if !shared.habits.follows {
            return;
        }
        let wanted: Vec<Hash> =
            shared.state.look(|state| hashes.into_iter().filter(|hash| !state.has(hash)).collect());
        let fresh: Vec<Hash> =
            wanted.into_iter().filter(|hash| self.pending.insert(*hash)).collect();
        if !fresh.is_empty() {
            let items = fresh.into_iter().map(|hash| (INV_BLOCK, hash));
            self.reply(shared, "getdata", &wire::inventory(items));
        }
    }

    fn take_headers(&mut self, shared: &Shared, payload: &[u8]) -> Result<()> {
        let hashes: Vec<Hash> =
            wire::parse_headers(payload)?.iter().map(|header| sha256d(header)).collect();
        shared.state.change(|state| {
            if let Some(channel) = state.channels.get_mut(&self.id) {
                channel.from_there.extend(&hashes);
            }
        });
        self.fetch(shared, hashes);
        Ok(())
    }

    fn take_inventory(&mut self, shared: &Shared, payload: &[u8]) -> Result<()> {
        let items = wire::parse_inventory(payload)?;
        let of =
            |wanted: u32| items.iter().filter(move |(kind, _)| *kind == wanted).map(|(_, h)| *h);
        let missing: Vec<Hash> = shared.state.look(|state| {
            of(INV_TX).filter(|txid| !state.transactions.contains_key(txid)).collect()
        });
        if !missing.is_empty() {
            let items = missing.into_iter().map(|txid| (INV_TX, txid));
            self.reply(shared, "getdata", &wire::inventory(items));
        }
        self.fetch(shared, of(INV_BLOCK).collect::<Vec<_>>());
        Ok(())
    }

    fn take_block(&mut self, shared: &Arc<Shared>, payload: &[u8]) -> Result<()> {
        ensure!(payload.len() > wire::HEADER_BYTES, "a block of {} bytes", payload.len());
        let hash = wire::block_hash(payload);
        let was_pending = self.pending.remove(&hash);
        if !shared.habits.follows {
            return Ok(());
        }
        shared.state.change(|state| {
            if let Some(channel) = state.channels.get_mut(&self.id) {
                channel.from_there.insert(hash);
            }
        });
        if extend(shared, Some(self.id), payload).is_err() {
            // An orphan waits, and its parents are asked for.
            shared.state.change(|state| state.keep_orphan(payload));
            let payload = wire::locator(&[hash], [0; 32]);
            self.reply(shared, "getheaders", &payload);
        }
        self.known_to_us = shared.state.look(|state| state.tree.height());
        if was_pending && self.pending.is_empty() {
            self.ask_for_headers(shared);
        }
        Ok(())
    }
}

/// Looks for a transaction in the blocks of the main chain.
fn mined(tree: &Served, txid: &Hash) -> Option<Vec<u8>> {
    tree.main().iter().find_map(|hash| {
        let block = Block::decode(tree.block(hash)?).ok()?;
        let found = block.transactions.iter().find(|tx| tx.txid().as_bytes() == txid)?;
        Some(found.to_bytes())
    })
}

impl State {
    fn has(&self, hash: &Hash) -> bool {
        self.tree.has(hash) || self.orphan_hashes.contains(hash)
    }

    fn keep_orphan(&mut self, block: &[u8]) {
        if self.orphan_hashes.len() < ORPHANS && self.orphan_hashes.insert(wire::block_hash(block))
        {
            self.orphans.entry(previous_of(block)).or_default().push(block.to_vec());
        }
    }

    /// Adds a block and the orphans that waited for it; tells whether the main chain moved.
    fn add(&mut self, block: &[u8]) -> Result<bool> {
        let mut moved = self.tree.add(block)?;
        let mut parents = vec![wire::block_hash(block)];
        while let Some(parent) = parents.pop() {
            for child in self.orphans.remove(&parent).unwrap_or_default() {
                let hash = wire::block_hash(&child);
                self.orphan_hashes.remove(&hash);
                moved |= self.tree.add(&child)?;
                parents.push(hash);
            }
        }
        Ok(moved)
    }
}

/// Adds a block and announces the new tip to everybody but who has it already.
fn extend(shared: &Arc<Shared>, from: Option<u64>, block: &[u8]) -> Result<()> {
    shared.state.change(|state| {
        if !state.add(block)? {
            return Ok(());
        }
        let tip = state.tree.tip();
        let entry = state.tree.header(&tip).context("the tip is there")?;
        let payload = wire::headers([entry]);
        for (id, channel) in &mut state.channels {
            if Some(*id) != from && !channel.from_there.contains(&tip) {
                let _sent = channel.writer.send("headers", &payload);
            }
        }
        Ok(())
    })
}
