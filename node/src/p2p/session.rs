//! One peer as an automaton: bytes and the node's wishes in, bytes and actions out.
//!
//! No socket, no clock, no task: the caller reads and writes, passes the time, and carries out the
//! actions. So every history of a connection can be replayed in a test, and fuzzed.
//!
//! ```text
//! receive(bytes) --> frames --> handshake rules --> rates --> Action::{Connected, Deliver, ...}
//! send(message)  --> queue  --> slices() --> socket --> wrote(n)
//! tick(now) at deadline(): time-outs, pings, held requests
//! ```
//!
//! # Invariants
//! - At most one frame is taken in by one call of [`Session::receive`], none while actions wait or the
//!   peer is paused. So the actions that wait are few, whatever arrives.
//! - After [`Action::Close`] nothing is read, sent or delivered.
//! - A peer without our extensions is never sent a command that it may not know.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mvs_primitives::height::Height;

use super::api::{
    ByteCounts, CloseReason, Direction, Merit, PeerFacts, PeerId, PeerMessage, Penalty, SendError,
};
use super::codec::{Command, FRAME_HEADER_BYTES, Frame, FrameReader, Magic};
use super::error::{Severity, WireError};
use super::message::{
    Encoded, Inventory, MIN_PEER_VERSION, Message, NetAddress, PROTOCOL_VERSION, Services, Version,
};

mod bucket;
mod limits;
mod locator;
mod nonce;
mod outbox;
mod requests;

pub use bucket::{Bucket, Rate};
pub use limits::{
    FRAME_TIMEOUT, HANDSHAKE_TIMEOUT, LOW_WATER_BYTES, Limits, MAX_OUTBOX_BYTES,
    MAX_OUTBOX_MESSAGES, MAX_PAUSE, MAX_WAITING_REQUESTS, PING_INTERVAL, PONG_TIMEOUT,
    PORTION_ITEMS, PORTION_TIMEOUT, REPEAT_AFTER, REQUEST_HOLD, SILENCE_TIMEOUT,
    SLOWEST_BYTES_PER_SEC,
};
pub use locator::{locator_heights, max_locator_len};
pub use nonce::{Random, SelfNonce};
pub use outbox::{READ_WINDOW, READ_WINDOW_BYTES};

use limits::Buckets;
use outbox::Outbox;
use requests::{Expected, Serving};

/// What a session needs to know from the start.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// Names the connection.
    pub id: PeerId,
    /// The network.
    pub magic: Magic,
    /// Who opened the connection.
    pub direction: Direction,
    /// The remote end.
    pub remote: SocketAddr,
    /// Where others reach us, if we know and want to be reached.
    pub external: Option<SocketAddr>,
    /// Our height now.
    pub own_height: Height,
    /// Our program's name as `/name:version/`.
    pub user_agent: String,
    /// What we offer.
    pub services: Services,
    /// Whether we want transactions to be announced.
    pub relay: bool,
    /// Whether we want to be told addresses.
    pub wants_addresses: bool,
    /// Rates.
    pub limits: Limits,
    /// Longest time for the handshake.
    pub handshake_timeout: Duration,
    /// Unix seconds at the start.
    pub unix_secs: u64,
    /// Recognises our own nonces.
    pub self_nonce: SelfNonce,
    /// Numbers that the peer cannot foresee.
    pub random: Random,
}

/// What the caller has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The handshake is complete.
    Connected(PeerFacts),
    /// For the node.
    Deliver(PeerMessage),
    /// For the address book: usable ones only, as many as the rate allows.
    Addresses(Vec<NetAddress>),
    /// The peer wants addresses, to be sent like any message; comes at most once.
    AddressesWanted,
    /// Close the connection; the last action.
    Close {
        /// Why.
        reason: CloseReason,
        /// Whether the address is to be refused for a while.
        ban: bool,
    },
}

/// How far the handshake is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// Waiting for `version`, `verack`, or both.
    Handshake { version: Option<Box<Version>>, verack: bool },
    /// Complete.
    Open,
    /// An [`Action::Close`] was given.
    Closed,
}

/// A ping on its way.
#[derive(Debug, Clone, Copy)]
struct Ping {
    nonce: u64,
    sent: Instant,
    /// From when on the answer could have been read.
    late_since: Instant,
}

/// One peer.
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    phase: Phase,
    reader: FrameReader,
    actions: VecDeque<Action>,
    outbox: Outbox,
    buckets: Buckets,
    expected: Expected,
    serving: Serving,
    started: Instant,
    last_byte: Instant,
    frame_since: Option<Instant>,
    /// Set by the peer's version.
    peer_version: u32,
    extensions: bool,
    /// Requests that wait until the peer has finished its side of the handshake.
    held: VecDeque<Encoded>,
    held_until: Option<Instant>,
    /// The first `getheaders` and when it is repeated.
    repeat: Option<(Encoded, Instant)>,
    sent_getheaders: bool,
    ping: Option<Ping>,
    next_ping: Instant,
    best_ping: Option<Duration>,
    last_ping: Option<Duration>,
    score: u32,
    score_at: Instant,
    got_getaddr: bool,
    got_mempool: bool,
    congested: bool,
    received: ByteCounts,
    sent: ByteCounts,
    last_block: Option<Instant>,
    last_tx: Option<Instant>,
}

impl Session {
    /// Starts a conversation: our `version` waits to be written at once, in both directions.
    pub fn new(mut config: SessionConfig, now: Instant) -> Self {
        let nonce = config.self_nonce.fresh(&mut config.random);
        let unknown = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let version = Message::Version(Version {
            value: PROTOCOL_VERSION,
            services: config.services,
            timestamp_unix_secs: config.unix_secs,
            receiver_services: Services::NETWORK,
            receiver: config.remote,
            sender_services: config.services,
            sender: config.external.unwrap_or(unknown),
            nonce,
            user_agent: config.user_agent.clone().into_bytes(),
            start_height: config.own_height,
            relay: Some(config.relay),
        });
        let mut session = Self {
            phase: Phase::Handshake { version: None, verack: false },
            reader: FrameReader::new(config.magic),
            actions: VecDeque::new(),
            outbox: Outbox::new(now),
            buckets: Buckets::new(&config.limits, now),
            expected: Expected::default(),
            serving: Serving::default(),
            started: now,
            last_byte: now,
            frame_since: None,
            peer_version: 0,
            extensions: false,
            held: VecDeque::new(),
            held_until: None,
            repeat: None,
            sent_getheaders: false,
            ping: None,
            next_ping: now,
            best_ping: None,
            last_ping: None,
            score: 0,
            score_at: now,
            got_getaddr: false,
            got_mempool: false,
            congested: false,
            received: ByteCounts::default(),
            sent: ByteCounts::default(),
            last_block: None,
            last_tx: None,
            config,
        };
        session.post(&version, now);
        session
    }

    // ---- input -------------------------------------------------------------------------------

    /// Takes bytes from the front of `input`: at most one frame, none when [`wants_bytes`] says no.
    ///
    /// [`wants_bytes`]: Self::wants_bytes
    pub fn receive(&mut self, now: Instant, input: &mut &[u8]) {
        if input.is_empty() || !self.wants_bytes(now) {
            return;
        }
        self.last_byte = now;
        let read = self.reader.read(input);
        self.frame_since = match (self.reader.is_between_frames(), self.frame_since) {
            (true, _) => None,
            (false, None) => Some(now),
            (false, since) => since,
        };
        match read {
            Ok(None) => self.check_begun_frame(),
            Ok(Some(frame)) => self.on_frame(now, &frame),
            Err(error) => self.offended(now, &error),
        }
    }

    /// Tells whether [`receive`](Self::receive) would take anything.
    pub fn wants_bytes(&self, now: Instant) -> bool {
        self.phase != Phase::Closed
            && self.actions.is_empty()
            && self.buckets.paused_until(now).is_none()
    }

    /// Takes note that the peer closed its side.
    pub fn end_of_stream(&mut self) {
        self.close(CloseReason::Remote, false);
    }

    /// Does what is due. Call it at [`deadline`](Self::deadline), or at any time.
    pub fn tick(&mut self, now: Instant) {
        if self.phase == Phase::Closed {
            return;
        }
        if let Some((_, what)) = self.timeouts().into_iter().flatten().find(|(at, _)| *at <= now) {
            return match what {
                TimedOut::Reader => self.close(CloseReason::SlowReader, false),
                TimedOut::Other(what) => self.close(CloseReason::Timeout(what), false),
            };
        }
        if self.phase != Phase::Open {
            return;
        }
        if self.held_until.is_some_and(|until| until <= now) {
            self.release_held(now);
        }
        if self.next_ping <= now {
            self.send_ping(now);
        }
        if let Some((message, at)) = &self.repeat
            && *at <= now
        {
            let message = message.clone();
            self.repeat = None;
            self.expected.sent(&message);
            self.push(message, now);
        }
        self.serve(now);
    }

    /// Starts the clocks again that measure what the peer sends: up to `now` it was our fault that
    /// nothing was read, because the node had no room for more.
    pub fn excuse(&mut self, now: Instant) {
        self.last_byte = now;
        self.frame_since = self.frame_since.map(|_| now);
        if let Some(ping) = &mut self.ping {
            ping.late_since = now;
        }
    }

    /// Returns when [`tick`](Self::tick) has something to do, or reading may go on.
    pub fn deadline(&self, now: Instant) -> Instant {
        let timeouts = self.timeouts().into_iter().flatten().map(|(at, _)| at);
        let open = (self.phase == Phase::Open).then_some(self.next_ping);
        let others = [
            open,
            self.held_until,
            self.repeat.as_ref().map(|(_, at)| *at),
            self.serving.due_at().filter(|_| self.has_drained()),
            self.buckets.paused_until(now),
        ];
        timeouts.chain(others.into_iter().flatten()).min().unwrap_or(now + PING_INTERVAL)
    }

    /// Takes a message of the node for the peer.
    ///
    /// # Errors
    /// [`SendError`]; nothing is sent then.
    pub fn send(&mut self, now: Instant, message: Encoded) -> Result<(), SendError> {
        if self.phase != Phase::Open {
            return Err(SendError::Gone);
        }
        if !message.fits() {
            return Err(SendError::TooLarge);
        }
        if !message.command().is_common() && !self.extensions {
            return Err(SendError::NotUnderstood);
        }
        let (messages, bytes) = self.queued();
        if messages >= MAX_OUTBOX_MESSAGES
            || bytes.saturating_add(message.wire_len()) > MAX_OUTBOX_BYTES
        {
            return Err(SendError::Full);
        }
        self.serving.answered(&message, now);
        if self.held_until.is_some() && is_request(message.command()) {
            self.held.push_back(message);
        } else {
            self.send_now(message, now);
        }
        self.serve(now);
        Ok(())
    }

    /// Takes points off; closes and bans at [`Penalty::LIMIT`].
    pub fn penalise(&mut self, now: Instant, penalty: Penalty, code: &'static str) {
        let minutes = now.saturating_duration_since(self.score_at).as_secs()
            / Penalty::FORGIVEN_EVERY.as_secs();
        if minutes > 0 {
            let forgiven = u32::try_from(minutes).unwrap_or(u32::MAX);
            self.score = self.score.saturating_sub(forgiven);
            self.score_at += Penalty::FORGIVEN_EVERY.saturating_mul(forgiven);
        }
        self.score = self.score.saturating_add(penalty.points());
        if self.score >= Penalty::LIMIT {
            self.close(CloseReason::Misbehaved(code), true);
        }
    }

    /// Notes something good.
    pub const fn note_merit(&mut self, now: Instant, merit: Merit) {
        match merit {
            Merit::Block => self.last_block = Some(now),
            Merit::Tx => self.last_tx = Some(now),
        }
    }

    /// Ends the conversation for a reason of ours.
    pub fn close(&mut self, reason: CloseReason, ban: bool) {
        if self.phase != Phase::Closed {
            self.phase = Phase::Closed;
            self.actions.push_back(Action::Close { reason, ban });
        }
    }

    /// Makes requests of this peer wait until it has read everything, one item at a time, because all
    /// queues together hold too much.
    pub const fn set_congested(&mut self, congested: bool) {
        self.congested = congested;
    }

    // ---- output ------------------------------------------------------------------------------

    /// Returns the next thing to do.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Fills `slices` with what is to be written next; returns how many were filled.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        if self.phase == Phase::Closed { 0 } else { self.outbox.slices(slices) }
    }

    /// Tells whether anything is to be written.
    pub fn wants_to_write(&self) -> bool {
        self.phase != Phase::Closed && self.outbox.bytes() > 0
    }

    /// Takes note of bytes that were written.
    pub fn wrote(&mut self, now: Instant, bytes: usize) {
        let sent = &mut self.sent;
        self.outbox.advance(bytes, now, |message| {
            sent.add(message.command().class(), message.wire_len() as u64); // widening
        });
        self.serve(now);
    }

    // ---- facts -------------------------------------------------------------------------------

    /// Returns the command and length of the frame that is coming in, once its header is there.
    pub fn frame_in_progress(&self) -> Option<(Command, u32)> {
        self.reader.in_progress()
    }

    /// Returns how much memory the session's bytes take: the frame coming in, what waits to go out.
    pub fn held_bytes(&self) -> usize {
        let held: usize = self.held.iter().map(Encoded::wire_len).sum();
        self.reader.held_bytes() + self.outbox.bytes() + held // bounded each
    }

    /// Returns the messages and bytes that wait to be written.
    pub fn queued(&self) -> (usize, usize) {
        let held: usize = self.held.iter().map(Encoded::wire_len).sum();
        (self.outbox.len() + self.held.len(), self.outbox.bytes() + held) // bounded each
    }

    /// Returns how many items the peer asked for and the node has not been told of.
    pub fn waiting_requests(&self) -> usize {
        self.serving.len()
    }

    /// Returns the bytes received and sent, by class.
    pub const fn bytes(&self) -> (&ByteCounts, &ByteCounts) {
        (&self.received, &self.sent)
    }

    /// Returns the best and the last round trip of a ping.
    pub const fn pings(&self) -> (Option<Duration>, Option<Duration>) {
        (self.best_ping, self.last_ping)
    }

    /// Returns the penalty points as of the last penalty.
    pub const fn score(&self) -> u32 {
        self.score
    }

    /// Returns when the peer last brought a block or a transaction that counted.
    pub const fn merits(&self) -> (Option<Instant>, Option<Instant>) {
        (self.last_block, self.last_tx)
    }

    /// Tells whether the handshake is complete and the conversation goes on.
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    // ---- frames ------------------------------------------------------------------------------

    /// Refuses a frame by its header when its payload would be of no use.
    fn check_begun_frame(&mut self) {
        if let (Phase::Handshake { .. }, Some((command, _))) =
            (&self.phase, self.reader.in_progress())
            && !is_handshake(command)
        {
            self.close_for_order(command);
        }
    }

    fn on_frame(&mut self, now: Instant, frame: &Frame) {
        let command = frame.command;
        let len = FRAME_HEADER_BYTES + frame.payload.len();
        self.received.add(command.class(), len as u64); // widening
        let message = match Message::decode(frame) {
            Ok(message) => message,
            Err(error) => return self.offended(now, &error),
        };
        match &self.phase {
            Phase::Closed => {}
            Phase::Handshake { .. } => self.on_handshake(now, message),
            Phase::Open => self.on_message(now, message),
        }
    }

    fn offended(&mut self, now: Instant, error: &WireError) {
        let severity = match error {
            WireError::UnknownCommand(_) if !self.is_open() => Severity::Disconnect,
            WireError::UnknownCommand(_) if !self.buckets.unknown_commands.take(now, 1) => {
                Severity::Disconnect
            }
            _ => error.severity(),
        };
        if severity == Severity::Ignore {
            self.buckets.messages.take(now, 1);
            return;
        }
        let (code, text) = (error.code(), error.to_string());
        self.close(CloseReason::Protocol { code, text }, severity == Severity::Ban);
    }

    fn close_for_order(&mut self, command: Command) {
        let text = format!("{command} before the handshake is complete");
        self.close(CloseReason::Protocol { code: "p2p.handshake_order", text }, false);
    }

    // ---- handshake ---------------------------------------------------------------------------

    fn on_handshake(&mut self, now: Instant, message: Message) {
        let Phase::Handshake { version, verack } = &mut self.phase else { return };
        match message {
            Message::Version(new) => {
                if version.is_some() {
                    return self.penalise(now, Penalty::WASTEFUL, "p2p.duplicate_version");
                }
                if self.config.self_nonce.is_ours(new.nonce) {
                    return self.close(CloseReason::SelfConnection, false);
                }
                if new.value < MIN_PEER_VERSION {
                    return self.close(CloseReason::Obsolete(new.value), false);
                }
                *version = Some(Box::new(new));
                self.post(&Message::Verack, now);
            }
            Message::Verack if *verack => {
                return self.penalise(now, Penalty::WASTEFUL, "p2p.duplicate_verack");
            }
            Message::Verack => *verack = true,
            other => return self.close_for_order(other.command()),
        }
        if let Phase::Handshake { version, verack: true } = &mut self.phase
            && let Some(version) = version.take()
        {
            self.open(now, &version);
        }
    }

    fn open(&mut self, now: Instant, version: &Version) {
        self.phase = Phase::Open;
        self.peer_version = version.value;
        self.extensions = version.services.has(Services::EXTENSIONS)
            && self.config.services.has(Services::EXTENSIONS);
        // Our own kind reads everything from its verack on.
        self.held_until = (!self.extensions).then(|| now + REQUEST_HOLD);
        let theirs = i64::try_from(version.timestamp_unix_secs).unwrap_or(i64::MAX);
        let ours = i64::try_from(self.config.unix_secs).unwrap_or(i64::MAX);
        let services = if self.extensions {
            version.services
        } else {
            Services::from_bits(version.services.bits() & !Services::EXTENSIONS.bits())
        };
        self.actions.push_back(Action::Connected(PeerFacts {
            id: self.config.id,
            address: self.config.remote,
            direction: self.config.direction,
            version: version.value,
            services,
            user_agent: version.user_agent_text(),
            start_height: version.start_height,
            our_start_height: self.config.own_height,
            wants_transactions: version.wants_transactions(),
            clock_offset_secs: theirs.saturating_sub(ours),
            connected_at: now,
        }));
        self.send_ping(now);
        if let Some(address) = self.config.external {
            let seen_unix_secs = u32::try_from(self.config.unix_secs).unwrap_or(u32::MAX);
            let own = NetAddress { seen_unix_secs, services: self.config.services, address };
            self.post(&Message::Addr(vec![own]), now);
        }
        // Asked of peers that we chose only: whoever connects to us may want to fill our book.
        if self.config.wants_addresses && self.config.direction.is_outbound() {
            self.post(&Message::GetAddr, now);
        }
    }

    // ---- messages ----------------------------------------------------------------------------

    fn on_message(&mut self, now: Instant, message: Message) {
        // The peer speaks, so its side of the handshake is complete.
        self.release_held(now);
        if !matches!(message, Message::Block(_) | Message::Tx(_) | Message::Headers(_)) {
            self.buckets.messages.take(now, 1);
        }
        match message {
            Message::Version(_) | Message::Verack => {
                self.penalise(now, Penalty::ANNOYING, "p2p.repeated_handshake");
            }
            Message::Ping(Some(nonce)) => self.post(&Message::Pong(nonce), now),
            // Before 60001 a ping only had to arrive.
            Message::Ping(None) => {}
            Message::Pong(nonce) => self.on_pong(now, nonce),
            Message::GetAddr => {
                // Answered once, and only to those who connected to us: whoever is asked by many
                // addresses could otherwise be mapped, and the node behind an outbound line found.
                if !std::mem::replace(&mut self.got_getaddr, true)
                    && self.config.direction == Direction::Inbound
                {
                    self.actions.push_back(Action::AddressesWanted);
                }
            }
            Message::Addr(addresses) => self.on_addresses(now, addresses),
            Message::Inv(items) => self.on_inventory(now, items),
            Message::GetData(items) => self.on_request(now, &items),
            Message::NotFound(items) => {
                self.expected.not_found(&items);
                self.deliver_items(items, PeerMessage::NotFound);
            }
            Message::GetHeaders(locator) => {
                self.buckets.header_requests.take(now, 1);
                self.deliver(PeerMessage::GetHeaders(locator));
            }
            Message::GetBlocks(locator) => {
                self.buckets.header_requests.take(now, 1);
                self.deliver(PeerMessage::GetBlocks(locator));
            }
            Message::Headers(entries) => {
                self.repeat = None;
                if !self.expected.take_headers() {
                    self.buckets.announcements.take(now, 1);
                }
                if !entries.is_empty() {
                    self.deliver(PeerMessage::Headers(entries));
                }
            }
            Message::Block(block) => {
                if self.expected.take_block() || self.buckets.unasked_blocks.take_up_to(now, 1) > 0
                {
                    self.deliver(PeerMessage::Block(block));
                } else {
                    self.penalise(now, Penalty::WASTEFUL, "p2p.unasked_block");
                }
            }
            Message::Tx(tx) => {
                if !self.expected.take_transaction() {
                    self.buckets.unasked_transactions.take(now, 1);
                }
                self.deliver(PeerMessage::Tx(tx));
            }
            Message::MemPool => {
                if !std::mem::replace(&mut self.got_mempool, true) {
                    self.deliver(PeerMessage::MemPool);
                }
            }
            // Announcements come by headers anyway; nobody acts on a reject.
            Message::SendHeaders | Message::Reject(_) | Message::Inert { .. } => {}
            Message::CompactBlock(block) => {
                self.expected.take_block();
                self.deliver_extension(now, Command::CMPCTBLOCK, PeerMessage::CompactBlock(block));
            }
            Message::GetBlockTransactions(request) => {
                let message = PeerMessage::GetBlockTransactions(request);
                self.deliver_extension(now, Command::GETBLOCKTXN, message);
            }
            Message::BlockTransactions(answer) => {
                self.expected.take_block();
                let message = PeerMessage::BlockTransactions(answer);
                self.deliver_extension(now, Command::BLOCKTXN, message);
            }
            Message::FeeFilter(rate) => {
                self.deliver_extension(now, Command::FEEFILTER, PeerMessage::FeeFilter(rate));
            }
        }
    }

    fn on_pong(&mut self, now: Instant, nonce: u64) {
        match self.ping {
            Some(ping) if ping.nonce == nonce => {
                let took = now.saturating_duration_since(ping.sent);
                self.last_ping = Some(took);
                self.best_ping = Some(self.best_ping.map_or(took, |best| best.min(took)));
                self.ping = None;
            }
            _ => self.penalise(now, Penalty::ANNOYING, "p2p.pong_nonce"),
        }
    }

    fn on_addresses(&mut self, now: Instant, mut addresses: Vec<NetAddress>) {
        // Half of what the first node sends is empty (p2p.md 9): filter before anything is counted.
        addresses.retain(NetAddress::is_usable);
        let wanted = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        let taken = self.buckets.addresses.take_up_to(now, wanted);
        addresses.truncate(usize::try_from(taken).unwrap_or(usize::MAX));
        if !addresses.is_empty() && self.config.wants_addresses {
            self.actions.push_back(Action::Addresses(addresses));
        }
    }

    fn on_inventory(&mut self, now: Instant, mut items: Vec<Inventory>) {
        let most = usize::try_from(self.config.limits.inventory.burst).unwrap_or(usize::MAX);
        items.truncate(most);
        self.buckets.inventory.take(now, u32::try_from(items.len()).unwrap_or(u32::MAX));
        if !self.config.relay {
            items.retain(|item| !matches!(item, Inventory::Tx(_)));
        }
        self.deliver_items(items, PeerMessage::Inv);
    }

    fn on_request(&mut self, now: Instant, items: &[Inventory]) {
        let known: Vec<_> = items.iter().copied().filter(|item| self.has_meaning(item)).collect();
        if self.serving.push(known.into_iter()) {
            self.serve(now);
        } else {
            let text = format!("more than {MAX_WAITING_REQUESTS} items wait");
            self.close(CloseReason::Protocol { code: "p2p.request_flood", text }, false);
        }
    }

    const fn has_meaning(&self, item: &Inventory) -> bool {
        match item {
            Inventory::Tx(_) | Inventory::Block(_) => true,
            Inventory::CompactBlock(_) => self.extensions,
            Inventory::Other { .. } => false,
        }
    }

    fn deliver_items(
        &mut self,
        mut items: Vec<Inventory>,
        message: fn(Vec<Inventory>) -> PeerMessage,
    ) {
        items.retain(|item| self.has_meaning(item));
        if !items.is_empty() {
            self.deliver(message(items));
        }
    }

    fn deliver_extension(&mut self, now: Instant, command: Command, message: PeerMessage) {
        if self.extensions {
            self.deliver(message);
        } else {
            self.offended(now, &WireError::UnknownCommand(command));
        }
    }

    fn deliver(&mut self, message: PeerMessage) {
        self.actions.push_back(Action::Deliver(message));
    }

    // ---- sending -----------------------------------------------------------------------------

    /// Hands the next portion of the peer's requests to the node when the last one is answered and
    /// mostly written.
    fn serve(&mut self, now: Instant) {
        if self.phase == Phase::Open
            && self.has_drained()
            && let Some(portion) = self.serving.next(now, self.congested)
        {
            self.deliver(PeerMessage::GetData(portion));
        }
    }

    /// Tells whether little enough waits to be written that more may be fetched.
    const fn has_drained(&self) -> bool {
        self.outbox.bytes() <= if self.congested { 0 } else { LOW_WATER_BYTES }
    }

    fn send_ping(&mut self, now: Instant) {
        self.next_ping = now + PING_INTERVAL;
        if self.ping.is_some() || self.peer_version < 60_001 {
            return; // without a nonce there is no pong
        }
        let nonce = self.config.random.next_u64();
        self.ping = Some(Ping { nonce, sent: now, late_since: now });
        self.post(&Message::Ping(Some(nonce)), now);
    }

    fn release_held(&mut self, now: Instant) {
        self.held_until = None;
        while let Some(message) = self.held.pop_front() {
            self.send_now(message, now);
        }
    }

    fn send_now(&mut self, message: Encoded, now: Instant) {
        self.expected.sent(&message);
        if message.command() == Command::GETHEADERS
            && !std::mem::replace(&mut self.sent_getheaders, true)
            && !self.extensions
        {
            self.repeat = Some((message.clone(), now + REPEAT_AFTER));
        }
        self.push(message, now);
    }

    /// Queues a message of the session's own.
    fn post(&mut self, message: &Message, now: Instant) {
        let encoded = message.encode(self.config.magic);
        self.push(encoded, now);
    }

    fn push(&mut self, message: Encoded, now: Instant) {
        if self.outbox.len() >= MAX_OUTBOX_MESSAGES {
            self.close(CloseReason::SlowReader, false);
        }
        if self.phase != Phase::Closed {
            self.outbox.push(message, now);
        }
    }

    // ---- time --------------------------------------------------------------------------------

    fn timeouts(&self) -> [Option<(Instant, TimedOut)>; 5] {
        let handshake = matches!(self.phase, Phase::Handshake { .. });
        let frame = self.frame_since.map(|since| {
            let len = self.reader.in_progress().map_or(0, |(_, len)| len);
            let extra = Duration::from_secs(u64::from(len / SLOWEST_BYTES_PER_SEC));
            since + FRAME_TIMEOUT + extra
        });
        let other = |at: Option<Instant>, what| at.map(|at| (at, TimedOut::Other(what)));
        [
            other(handshake.then(|| self.started + self.config.handshake_timeout), "handshake"),
            other(frame, "rest of a message"),
            other(self.ping.map(|ping| ping.late_since + PONG_TIMEOUT), "pong"),
            other(Some(self.last_byte + SILENCE_TIMEOUT), "sign of life"),
            self.outbox.stalled_at().map(|at| (at, TimedOut::Reader)),
        ]
    }
}

/// What did not happen in time.
#[derive(Debug, Clone, Copy)]
enum TimedOut {
    /// The peer did not read.
    Reader,
    /// The peer did not send this.
    Other(&'static str),
}

fn is_handshake(command: Command) -> bool {
    command == Command::VERSION || command == Command::VERACK
}

/// Messages that the first node loses when they arrive too early.
fn is_request(command: Command) -> bool {
    [
        Command::GETHEADERS,
        Command::GETBLOCKS,
        Command::GETDATA,
        Command::MEMPOOL,
        Command::INV,
        Command::HEADERS,
        Command::BLOCK,
        Command::TX,
    ]
    .contains(&command)
}
