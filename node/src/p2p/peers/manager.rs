//! The task that owns addresses, bans and places.
//!
//! It never waits for a peer: peers wait for it. What it tells them goes through the handle, which
//! refuses rather than waits.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::dial::{Target, dial};
use super::evict::{Candidate, choose};
use super::task::PeerTask;
use super::{ADDRESSES_FILE, BANS_FILE, NetworkConfig};
use crate::p2p::addresses::{AddressBook, Group, canonical, is_public};
use crate::p2p::api::{CloseReason, Direction, NetworkEvent, PeerFacts, PeerId};
use crate::p2p::bans::{BanList, household};
use crate::p2p::message::{MAX_ADDRESSES, NetAddress, Services};
use crate::p2p::network::{ManagerCommand, PeerControl, PeerLine, Shared, peer_line};
use crate::p2p::session::{Random, SelfNonce, Session, SessionConfig};

/// Most notes of peers, dials and listeners that wait. When full they wait: a listener then leaves
/// connections to the system's queue.
const NOTE_QUEUE: usize = 256;
/// How often it looks whether anything is due.
const TICK: Duration = Duration::from_millis(250);
/// How often the address book is written; the bans with it. A crash loses that much of gossip.
const SAVE_EVERY: Duration = Duration::from_secs(600);
/// Connections that are being opened at once, so that a long list of dead addresses costs no more.
const MAX_DIALS: usize = 8;
/// Longest pause before a manual peer is tried again.
const MAX_RETRY: Duration = Duration::from_secs(30);
/// A manual peer that stayed this long starts again with the first pause.
const STABLE: Duration = Duration::from_secs(60);
/// Most manual peers.
const MAX_MANUAL: usize = 256;
/// Seeds are asked at most this often, and only while we lack peers.
const SEED_EVERY: Duration = Duration::from_secs(600);
/// Longest time to look a seed up.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);
/// Most addresses taken from one seed's name.
const MAX_SEED_ADDRESSES: usize = 64;
/// The same sample of the book is told to everybody for this long: asking often shows no more of it.
const SAMPLE_KEPT: Duration = Duration::from_secs(3600);
/// Tasks must end in this time after a stop; then they are dropped.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// What peers, dials and listeners tell the manager.
#[derive(Debug)]
pub(super) enum Note {
    /// Somebody connected to us.
    Accepted(TcpStream, SocketAddr),
    /// A dial ended.
    Dialed(Dial, std::io::Result<TcpStream>),
    /// A handshake is complete.
    Open(Arc<PeerFacts>),
    /// A peer told addresses.
    Addresses(PeerId, Vec<NetAddress>),
    /// A peer wants addresses.
    AddressesWanted(PeerId),
    /// Seeds were looked up.
    Seeds(Vec<SocketAddr>),
    /// A connection is gone.
    Closed { peer: PeerId, reason: CloseReason, ban: bool },
}

/// A connection that is being opened.
#[derive(Debug, Clone)]
pub(super) struct Dial {
    /// The address that counts for groups and duplicates; the proxy's for a seed behind one.
    address: SocketAddr,
    target: Target,
    direction: Direction,
    /// Opened only to see who answers.
    is_feeler: bool,
}

/// A connection with a task.
#[derive(Debug)]
struct Connection {
    address: SocketAddr,
    direction: Direction,
    since: Instant,
    line: PeerLine,
    is_open: bool,
    /// To be closed as soon as it is open.
    is_feeler: bool,
    /// Told to close; its place is free already.
    is_leaving: bool,
}

/// A peer that the operator named.
#[derive(Debug)]
struct Manual {
    next: Instant,
    pause: Duration,
    is_busy: bool,
}

/// Owner of all that peers share.
pub(super) struct Manager {
    config: NetworkConfig,
    shared: Arc<Shared>,
    events: mpsc::Sender<NetworkEvent>,
    book: AddressBook,
    bans: BanList,
    random: Random,
    self_nonce: SelfNonce,
    connections: HashMap<PeerId, Connection>,
    manual: HashMap<SocketAddr, Manual>,
    /// Addresses that are being dialled, and whether for one of the places of the address book.
    dials: HashMap<SocketAddr, bool>,
    tasks: JoinSet<()>,
    notes: mpsc::Sender<Note>,
    notes_end: Option<mpsc::Receiver<Note>>,
    stop: watch::Sender<bool>,
    sample: Option<(Instant, Vec<NetAddress>)>,
    next_seeding: Instant,
    next_feeler: Instant,
    next_save: Instant,
}

impl Manager {
    pub(super) fn new(
        config: NetworkConfig,
        shared: Arc<Shared>,
        events: mpsc::Sender<NetworkEvent>,
        book: AddressBook,
        bans: BanList,
        random: Random,
        self_nonce: SelfNonce,
    ) -> Self {
        let (notes, notes_end) = mpsc::channel(NOTE_QUEUE);
        let now = Instant::now();
        let next_feeler = now + config.feeler_every;
        let named = if config.connect.is_empty() { &config.add_peers } else { &config.connect };
        let manual =
            named.iter().map(|address| (canonical(*address), Manual::new(&config, now))).collect();
        Self {
            manual,
            config,
            shared,
            events,
            book,
            bans,
            random,
            self_nonce,
            connections: HashMap::new(),
            dials: HashMap::new(),
            tasks: JoinSet::new(),
            notes,
            notes_end: Some(notes_end),
            stop: watch::Sender::new(false),
            sample: None,
            next_seeding: now,
            next_feeler,
            next_save: now + SAVE_EVERY,
        }
    }

    /// Runs until it is told to stop, or all handles are gone.
    pub(super) async fn run(
        mut self,
        mut requests: mpsc::Receiver<ManagerCommand>,
        listeners: Vec<TcpListener>,
    ) {
        let Some(mut notes) = self.notes_end.take() else { return };
        for listener in listeners {
            self.tasks.spawn(accept(listener, self.notes.clone(), self.stop.subscribe()));
        }
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let done = loop {
            tokio::select! {
                Some(note) = notes.recv() => self.on_note(note),
                request = requests.recv() => match request {
                    Some(ManagerCommand::Stop(done)) => break Some(done),
                    Some(request) => self.on_request(request),
                    None => break None,
                },
                () = self.events.closed() => break None,
                Some(ended) = self.tasks.join_next() => if let Err(error) = ended {
                    tracing::error!(target: "p2p", %error, "a task of the network failed");
                },
                _ = ticks.tick() => self.on_tick(),
            }
        };
        self.finish(notes, requests, done).await;
    }

    async fn finish(
        mut self,
        mut notes: mpsc::Receiver<Note>,
        requests: mpsc::Receiver<ManagerCommand>,
        done: Option<oneshot::Sender<()>>,
    ) {
        drop(requests); // later requests are refused, later stops return at once
        self.stop.send_replace(true);
        let ended = timeout(STOP_TIMEOUT, async {
            loop {
                tokio::select! {
                    // Tasks wait for room for their last note.
                    Some(note) = notes.recv() => match note {
                        Note::Accepted(..) | Note::Dialed(..) => {} // no new ones
                        note => self.on_note(note),
                    },
                    ended = self.tasks.join_next() => if ended.is_none() { break },
                }
            }
        });
        if ended.await.is_err() {
            tracing::warn!(target: "p2p", tasks = self.tasks.len(), "tasks do not end, dropping them");
            self.tasks.shutdown().await;
        }
        self.save();
        if let Some(done) = done {
            // Nobody waits for the answer any more: fine.
            let _unheard = done.send(());
        }
    }

    // ---- notes -------------------------------------------------------------------------------

    fn on_note(&mut self, note: Note) {
        match note {
            Note::Accepted(stream, address) => self.on_accepted(stream, address),
            Note::Dialed(dial, result) => self.on_dialed(&dial, result),
            Note::Open(facts) => self.on_open(&facts),
            Note::Addresses(peer, addresses) => {
                if let Some(connection) = self.connections.get(&peer) {
                    let source = connection.address.ip();
                    self.book.add(&addresses, source, unix_secs());
                }
            }
            Note::AddressesWanted(peer) => self.tell_addresses(peer),
            Note::Seeds(addresses) => {
                let (now, seen_unix_secs) = (unix_secs(), unix_secs_u32());
                for address in addresses {
                    let services = Services::NETWORK;
                    let told = NetAddress { seen_unix_secs, services, address };
                    self.book.add(&[told], address.ip(), now);
                }
            }
            Note::Closed { peer, reason, ban } => self.on_closed(peer, &reason, ban),
        }
    }

    fn on_accepted(&mut self, stream: TcpStream, address: SocketAddr) {
        let refuse = |why: CloseReason| {
            tracing::debug!(target: "p2p", %address, %why, "refused");
        };
        if self.bans.is_banned(address.ip(), unix_secs()) {
            return refuse(CloseReason::Banned);
        }
        let home = household(address.ip());
        let of_ip = self.inbound().filter(|(_, c)| household(c.address.ip()) == home).count();
        if is_public(address.ip()) && of_ip >= self.config.max_inbound_per_ip {
            return refuse(CloseReason::Full);
        }
        // Those that are leaving may wait for the node to hear of it: there must not be many.
        if self.leaving() > self.config.max_inbound {
            return refuse(CloseReason::Full);
        }
        if self.inbound().count() >= self.config.max_inbound && !self.evict() {
            return refuse(CloseReason::Full);
        }
        if stream.set_nodelay(true).is_ok() {
            self.spawn_peer(stream, address, Direction::Inbound, false);
        }
    }

    /// Frees an inbound place; tells whether it could.
    fn evict(&mut self) -> bool {
        let candidates = self.inbound().map(|(id, connection)| {
            let numbers = connection.line.live.numbers();
            Candidate {
                id: *id,
                group: Group::of(connection.address),
                since: connection.since,
                is_open: connection.is_open,
                best_ping: numbers.best_ping,
                last_block: numbers.last_block,
                last_tx: numbers.last_tx,
            }
        });
        let Some(victim) = choose(candidates.collect()) else { return false };
        self.close(victim, CloseReason::Evicted);
        true
    }

    fn inbound(&self) -> impl Iterator<Item = (&PeerId, &Connection)> {
        self.connections.iter().filter(|(_, c)| c.direction == Direction::Inbound && !c.is_leaving)
    }

    /// Counts the evicted whose end the node has not taken note of; half-open ones just end.
    fn leaving(&self) -> usize {
        self.connections.values().filter(|c| c.is_leaving && c.is_open).count()
    }

    /// Tells a connection to close; its place is free from now on.
    fn close(&mut self, peer: PeerId, reason: CloseReason) {
        if let Some(connection) = self.connections.get_mut(&peer) {
            connection.is_leaving = true;
            if connection.line.control.try_send(PeerControl::Close(reason)).is_err() {
                connection.line.live.overrun.notify_one();
            }
        }
    }

    fn on_dialed(&mut self, dial: &Dial, result: std::io::Result<TcpStream>) {
        self.dials.remove(&dial.address);
        match result {
            Ok(stream) => self.spawn_peer(stream, dial.address, dial.direction, dial.is_feeler),
            Err(error) => {
                let address = dial.address;
                tracing::debug!(target: "p2p", %address, %error, "cannot connect");
                self.pause_manual(address, None);
            }
        }
    }

    fn spawn_peer(
        &mut self,
        stream: TcpStream,
        address: SocketAddr,
        direction: Direction,
        is_feeler: bool,
    ) {
        let now = Instant::now();
        let id = self.shared.next_id();
        let (line, end) = peer_line();
        let external = self.config.external;
        let session = Session::new(
            SessionConfig {
                id,
                magic: self.config.magic,
                direction,
                remote: address,
                external: external.filter(|own| self.config.allow_local || is_public(own.ip())),
                own_height: self.shared.own_height(),
                user_agent: self.config.user_agent.clone(),
                services: Services::NETWORK.with(Services::EXTENSIONS),
                relay: self.config.relay,
                wants_addresses: self.config.connect.is_empty(),
                limits: self.config.limits,
                handshake_timeout: self.config.handshake_timeout,
                unix_secs: unix_secs(),
                self_nonce: self.self_nonce,
                random: Random::from_key((self.random.next_u64(), self.random.next_u64())),
            },
            now,
        );
        let task = PeerTask {
            id,
            direction,
            stream,
            session,
            line: line.clone(),
            end,
            shared: Arc::clone(&self.shared),
            events: self.events.clone(),
            notes: self.notes.clone(),
            stop: self.stop.subscribe(),
        };
        let (is_open, is_leaving, since) = (false, false, now);
        let connection =
            Connection { address, direction, since, line, is_open, is_feeler, is_leaving };
        self.connections.insert(id, connection);
        self.tasks.spawn(task.run());
    }

    fn on_open(&mut self, facts: &PeerFacts) {
        if let Some(connection) = self.connections.get_mut(&facts.id) {
            connection.is_open = true;
        }
        let (id, address, direction) = (facts.id, facts.address, facts.direction);
        let agent = &facts.user_agent;
        tracing::debug!(target: "p2p", peer = %id, %address, ?direction, %agent, "connected");
        if direction.is_outbound() && Some(address) != self.config.proxy {
            self.book.connected(address, facts.services, unix_secs());
        }
        if self.connections.get(&id).is_some_and(|connection| connection.is_feeler) {
            self.close(id, CloseReason::Requested("somebody is there"));
        }
    }

    fn tell_addresses(&mut self, peer: PeerId) {
        let now = Instant::now();
        let fresh = |sample: &(Instant, Vec<NetAddress>)| {
            now.saturating_duration_since(sample.0) < SAMPLE_KEPT && !sample.1.is_empty()
        };
        if !self.sample.as_ref().is_some_and(fresh) {
            self.sample = Some((now, self.book.sample(MAX_ADDRESSES, unix_secs())));
        }
        if let Some((_, sample)) = &self.sample {
            self.shared.tell_addresses(peer, sample);
        }
    }

    fn on_closed(&mut self, peer: PeerId, reason: &CloseReason, ban: bool) {
        let Some(connection) = self.connections.remove(&peer) else { return };
        let Connection { address, direction, since, .. } = connection;
        if *reason == CloseReason::SelfConnection && direction.is_outbound() {
            self.book.remove(address);
            if direction == Direction::Manual {
                tracing::warn!(target: "p2p", %address, "this is the node itself");
            }
        }
        let lasted = since.elapsed();
        self.pause_manual(address, connection.is_open.then_some(lasted));
        let ip = address.ip();
        let may_ban = direction != Direction::Manual
            && Some(address) != self.config.proxy
            && (self.config.ban_local || is_public(ip));
        if ban && may_ban {
            self.ban(ip, self.config.ban_time);
        }
    }

    // ---- requests ----------------------------------------------------------------------------

    fn on_request(&mut self, request: ManagerCommand) {
        match request {
            ManagerCommand::AddPeer(address) => {
                let address = canonical(address);
                if self.manual.len() < MAX_MANUAL {
                    let manual = Manual::new(&self.config, Instant::now());
                    self.manual.entry(address).or_insert(manual);
                }
                self.dial_manual();
            }
            ManagerCommand::RemovePeer(address) => {
                let address = canonical(address);
                self.manual.remove(&address);
                let reason = CloseReason::Requested("removed by the operator");
                self.close_where(&reason, |c| {
                    c.address == address && c.direction == Direction::Manual
                });
            }
            ManagerCommand::Ban(ip, how_long) => self.ban(ip, how_long),
            ManagerCommand::Unban(ip, answer) => {
                let was = self.bans.unban(ip);
                let _unheard = answer.send(was);
            }
            ManagerCommand::Bans(answer) => {
                let _unheard = answer.send(self.bans.list(unix_secs()));
            }
            // Handled where the loop ends.
            ManagerCommand::Stop(_) => {}
        }
    }

    fn ban(&mut self, ip: IpAddr, how_long: Duration) {
        let now = unix_secs();
        self.bans.ban(ip, now.saturating_add(how_long.as_secs()));
        let mut bans = std::mem::take(&mut self.bans);
        self.close_where(&CloseReason::Banned, |c| {
            c.direction != Direction::Manual && bans.is_banned(c.address.ip(), now)
        });
        std::mem::swap(&mut self.bans, &mut bans);
    }

    fn close_where(&mut self, reason: &CloseReason, matches: impl Fn(&Connection) -> bool) {
        let which = self.connections.iter().filter(|(_, c)| !c.is_leaving && matches(c));
        let which: Vec<_> = which.map(|(id, _)| *id).collect();
        for peer in which {
            self.close(peer, reason.clone());
        }
    }

    // ---- time --------------------------------------------------------------------------------

    fn on_tick(&mut self) {
        self.dial_manual();
        if self.config.connect.is_empty() {
            self.dial_addresses();
            self.ask_seeds();
        }
        let now = Instant::now();
        if self.next_save <= now {
            self.next_save = now + SAVE_EVERY;
            self.save();
        }
    }

    fn dial_manual(&mut self) {
        let now = Instant::now();
        let known: HashSet<_> = self.connections.values().map(|c| c.address).collect();
        let due = self.manual.iter().filter(|(address, manual)| {
            !manual.is_busy && manual.next <= now && !known.contains(address)
        });
        let room = MAX_DIALS.saturating_sub(self.dials.len());
        let due: Vec<_> = due.map(|(address, _)| *address).take(room).collect();
        for address in due {
            if let Some(manual) = self.manual.get_mut(&address) {
                manual.is_busy = true;
            }
            let target = Target::Address(address);
            let direction = Direction::Manual;
            self.spawn_dial(Dial { address, target, direction, is_feeler: false });
        }
    }

    /// Ends the business with a manual peer: `lasted` is how long it was open, `None` if never.
    fn pause_manual(&mut self, address: SocketAddr, lasted: Option<Duration>) {
        let first = self.config.retry;
        if let Some(manual) = self.manual.get_mut(&address)
            && manual.is_busy
        {
            manual.is_busy = false;
            if lasted.is_some_and(|lasted| lasted >= STABLE) {
                manual.pause = first;
            }
            manual.next = Instant::now() + manual.pause;
            manual.pause = manual.pause.saturating_mul(2).min(MAX_RETRY);
        }
    }

    fn dial_addresses(&mut self) {
        let is_kept = |c: &&Connection| c.direction == Direction::Outbound && !c.is_feeler;
        let open = self.connections.values().filter(is_kept).count();
        let dialing = self.dials.values().filter(|of_book| **of_book).count();
        let wanted = self.config.max_outbound.saturating_sub(open + dialing);
        let room = MAX_DIALS.saturating_sub(self.dials.len());
        for _ in 0..wanted.min(room) {
            if !self.dial_from_book(false) {
                break;
            }
        }
        let now = Instant::now();
        if wanted == 0 && self.config.max_outbound > 0 && now >= self.next_feeler {
            let half = self.config.feeler_every / 2;
            let more = self.random.below(usize::try_from(half.as_millis()).unwrap_or(0) * 2);
            self.next_feeler = now + half + Duration::from_millis(more as u64); // widening
            self.dial_from_book(true);
        }
    }

    /// Dials an address of the book, if there is one worth it.
    fn dial_from_book(&mut self, is_feeler: bool) -> bool {
        // One peer for each group of addresses, so that no provider has them all.
        let dials = self.dials.keys().copied();
        let outbound = self.connections.values().filter(|c| c.direction.is_outbound());
        let groups: HashSet<_> = outbound.map(|c| c.address).chain(dials).map(Group::of).collect();
        let known: HashSet<_> = self.connections.values().map(|c| c.address).collect();
        let (bans, now, own) = (&self.bans, unix_secs(), self.config.external);
        let manual = &self.manual;
        let chosen = self.book.select(now, |address, group| {
            !groups.contains(&group)
                && !known.contains(&address)
                && !manual.contains_key(&address)
                && Some(address) != own
                && !bans.is_banned(address.ip(), now)
        });
        let Some(address) = chosen else { return false };
        self.book.attempt(address, now);
        let target = Target::Address(address);
        self.spawn_dial(Dial { address, target, direction: Direction::Outbound, is_feeler });
        true
    }

    fn spawn_dial(&mut self, dial_this: Dial) {
        let is_of_book = dial_this.direction == Direction::Outbound && !dial_this.is_feeler;
        self.dials.insert(dial_this.address, is_of_book);
        let (notes, mut stop) = (self.notes.clone(), self.stop.subscribe());
        let (proxy, within) = (self.config.proxy, self.config.connect_timeout);
        self.tasks.spawn(async move {
            let result = tokio::select! {
                result = dial(&dial_this.target, proxy, within) => result,
                _ = stop.changed() => return,
            };
            // An error means that the manager is gone.
            let _stopping = notes.send(Note::Dialed(dial_this, result)).await;
        });
    }

    fn ask_seeds(&mut self) {
        let now = Instant::now();
        let has_peers = self.connections.values().any(|c| c.direction.is_outbound() && c.is_open);
        let is_idle = self.config.seeds.is_empty() || self.config.max_outbound == 0;
        if is_idle || has_peers || now < self.next_seeding {
            return;
        }
        self.next_seeding = now + SEED_EVERY;
        if let Some(proxy) = self.config.proxy {
            // The proxy resolves the name; the seed itself becomes a peer and is asked.
            let seed = self.config.seeds.get(self.random.below(self.config.seeds.len()));
            if let Some((host, port)) = seed.and_then(|seed| seed.rsplit_once(':'))
                && let Ok(port) = port.parse()
            {
                let target = Target::Name(host.to_owned(), port);
                let direction = Direction::Outbound;
                self.spawn_dial(Dial { address: proxy, target, direction, is_feeler: false });
            }
            return;
        }
        let (seeds, notes, mut stop) =
            (self.config.seeds.clone(), self.notes.clone(), self.stop.subscribe());
        self.tasks.spawn(async move {
            for seed in seeds {
                let looked_up = tokio::select! {
                    looked_up = timeout(LOOKUP_TIMEOUT, lookup_host(&seed)) => looked_up,
                    _ = stop.changed() => return,
                };
                if let Ok(Ok(addresses)) = looked_up {
                    let addresses = addresses.take(MAX_SEED_ADDRESSES).collect();
                    // An error means that the manager is gone.
                    let _stopping = notes.send(Note::Seeds(addresses)).await;
                }
            }
        });
    }

    fn save(&mut self) {
        let Some(folder) = self.config.data_dir.clone() else { return };
        let warn = |path: PathBuf, error: std::io::Error| {
            tracing::warn!(target: "p2p", path = %path.display(), %error, "cannot write");
        };
        let path = folder.join(ADDRESSES_FILE);
        if let Err(error) = self.book.save(&path, self.config.magic) {
            warn(path, error);
        }
        let path = folder.join(BANS_FILE);
        if let Err(error) = self.bans.save(&path, unix_secs()) {
            warn(path, error);
        }
    }
}

impl Manual {
    const fn new(config: &NetworkConfig, now: Instant) -> Self {
        Self { next: now, pause: config.retry, is_busy: false }
    }
}

/// Takes connections from a listener until the stop.
async fn accept(listener: TcpListener, notes: mpsc::Sender<Note>, mut stop: watch::Receiver<bool>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => return,
        };
        match accepted {
            Ok((stream, address)) => {
                let address = SocketAddr::new(address.ip().to_canonical(), address.port());
                if notes.send(Note::Accepted(stream, address)).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                // Out of file descriptors, most likely: it passes when connections close.
                tracing::debug!(target: "p2p", %error, "cannot accept");
                sleep(TICK).await;
            }
        }
    }
}

/// Returns the time in Unix seconds; 0 when the clock is before 1970.
fn unix_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn unix_secs_u32() -> u32 {
    u32::try_from(unix_secs()).unwrap_or(u32::MAX)
}
