//! The wire and the session of a peer.

use std::io::IoSlice;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use mvs_node::p2p::api::{Direction, Merit, PeerId, PeerMessage, Penalty};
use mvs_node::p2p::codec::{
    Command, Frame, FrameReader, MAX_FRAME_PAYLOAD, Magic, READ_AHEAD_BYTES,
};
use mvs_node::p2p::error::WireError;
use mvs_node::p2p::message::{
    Inventory, Locator, MAX_ADDRESSES, Message, NetAddress, RawBlock, RawTx, Services, Version,
};
use mvs_node::p2p::session::{
    Action, HANDSHAKE_TIMEOUT, Limits, MAX_OUTBOX_BYTES, MAX_OUTBOX_MESSAGES, MAX_WAITING_REQUESTS,
    PORTION_ITEMS, Random, Rate, SelfNonce, Session, SessionConfig,
};
use mvs_primitives::hash::{BlockHash, TxId};
use mvs_primitives::height::Height;

const MAGIC: Magic = Magic::from_number(0x4d53_564d);

/// A stream of bytes, once whole and once in pieces: the same frames, the same end, bounded memory;
/// and every message that decodes encodes to something that decodes to itself.
pub(crate) fn frames(data: &[u8]) {
    let Some((first, stream)) = data.split_first() else { return };
    let whole = read(stream, stream.len().max(1));
    let pieces = read(stream, usize::from(*first).max(1));
    assert_eq!(pieces.0, whole.0, "frames depend on the pieces");
    // A wrong magic shows by its first byte: what is told of it depends on what had arrived.
    let code = |end: &Option<WireError>| end.as_ref().map(WireError::code);
    assert_eq!(code(&pieces.1), code(&whole.1), "the end depends on the pieces");
    for frame in &whole.0 {
        match Message::decode(frame) {
            Ok(message) => {
                let again = message.to_frame();
                assert_eq!(again.command, frame.command);
                assert!(again.payload.len() <= frame.payload.len(), "longer than it was");
                assert_eq!(Message::decode(&again).as_ref(), Ok(&message));
                assert!(message.encode(MAGIC).fits());
            }
            Err(error) => refused(&error),
        }
    }
    if let Some(error) = &whole.1 {
        refused(error);
    }
}

fn refused(error: &WireError) {
    assert!(WireError::CODES.contains(&error.code()));
    assert!(error.to_string().len() < 250);
}

fn read(stream: &[u8], piece: usize) -> (Vec<Frame>, Option<WireError>) {
    let (mut reader, mut frames, mut arrived) = (FrameReader::new(MAGIC), Vec::new(), 0);
    for mut piece in stream.chunks(piece) {
        arrived += piece.len();
        while !piece.is_empty() {
            match reader.read(&mut piece) {
                Ok(frame) => frames.extend(frame),
                Err(error) => return (frames, Some(error)),
            }
            assert!(reader.held_bytes() <= 2 * arrived + READ_AHEAD_BYTES, "memory ahead of bytes");
        }
    }
    (frames, None)
}

/// An arbitrary history of one connection: what the peer sends, what the node wishes, how the socket
/// takes it, and how time passes.
pub(crate) fn session(data: &[u8]) {
    let mut input = Input(data);
    let flags = input.byte();
    let mut driver = Driver::new(flags);
    for _ in 0..400 {
        if input.0.is_empty() {
            break;
        }
        driver.step(&mut input);
        driver.check();
    }
}

/// The rest of the fuzzer's bytes; zeros at the end.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()]))
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let (bytes, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        bytes.to_vec()
    }
}

struct Driver {
    session: Session,
    now: Instant,
    limits: Limits,
    has_extensions: bool,
    is_connected: bool,
    is_closed: bool,
    asked_addresses: u32,
    asked_mempool: u32,
    wire: FrameReader,
}

/// One for all runs: reading the clock each time would make runs differ.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Driver {
    fn new(flags: u8) -> Self {
        let now = *START;
        let mut random = Random::from_key((1, u64::from(flags)));
        let direction = match flags & 3 {
            0 => Direction::Inbound,
            1 => Direction::Outbound,
            _ => Direction::Manual,
        };
        let extensions = if flags & 4 == 0 { Services::EXTENSIONS } else { Services::default() };
        // Small buckets, so that short histories reach their bottom.
        let limits = if flags & 8 == 0 {
            Limits::default()
        } else {
            Limits {
                messages: Rate::per_second(20, 5),
                inventory: Rate::per_second(20, 5),
                header_requests: Rate::per_second(3, 1),
                announcements: Rate::per_second(3, 1),
                ..Limits::default()
            }
        };
        let remote = ([8, 8, 8, 8], 5251).into();
        let config = SessionConfig {
            id: PeerId::new(1),
            magic: MAGIC,
            direction,
            remote,
            external: (flags & 16 == 0).then_some(remote),
            own_height: Height::new(100),
            user_agent: "/fuzz:1/".to_owned(),
            services: Services::NETWORK.with(extensions),
            relay: flags & 32 == 0,
            wants_addresses: flags & 64 == 0,
            limits,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            unix_secs: 1_795_000_000,
            self_nonce: SelfNonce::new(&mut random),
            random,
        };
        Self {
            session: Session::new(config, now),
            now,
            limits,
            has_extensions: false,
            is_connected: false,
            is_closed: false,
            asked_addresses: 0,
            asked_mempool: 0,
            wire: FrameReader::new(MAGIC),
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.byte() % 16 {
            0 => {
                let len = usize::from(input.byte());
                let bytes = input.bytes(len);
                self.hear(&bytes);
            }
            1 | 2 => {
                // A frame with a right header around arbitrary bytes.
                let which = usize::from(input.byte());
                let command = Command::ALL[which % Command::ALL.len()];
                let len = input.number() % 2048;
                let payload = input.bytes(len).into();
                self.hear(&Frame { command, payload }.to_bytes(MAGIC));
            }
            3 => {
                let message = message(input);
                self.hear(&message.to_frame().to_bytes(MAGIC));
            }
            4 => {
                let services = Services::from_bits(u64::from(input.byte()) << 20 | 1);
                self.hear(&version(services, input).to_frame().to_bytes(MAGIC));
            }
            5 => self.hear(&Message::Verack.to_frame().to_bytes(MAGIC)),
            6 => {
                self.now += Duration::from_millis(input.number() as u64);
                self.tick();
            }
            7 => {
                // To what is due next, however far: never into the same moment again.
                self.now = self.now.max(self.session.deadline(self.now));
                self.tick();
            }
            8 | 9 => {
                let message = message(input).encode(MAGIC);
                let is_common = message.command().is_common();
                let taken = self.session.send(self.now, message);
                assert!(taken.is_err() || self.is_connected && !self.is_closed);
                assert!(taken.is_err() || is_common || self.has_extensions);
                self.act();
            }
            10 => self.write(input.number()),
            11 => self.write(usize::MAX),
            12 => {
                let points = u32::from(input.byte());
                self.session.penalise(self.now, Penalty::of_points(points), "fuzz");
                self.act();
            }
            13 => self.session.set_congested(input.byte() & 1 == 0),
            14 => match input.byte() % 8 {
                0 => self.session.end_of_stream(),
                1..4 => self.session.excuse(self.now),
                4 => self.session.note_merit(self.now, Merit::Block),
                _ => self.session.note_merit(self.now, Merit::Tx),
            },
            _ => {
                let many = message(input).to_frame().to_bytes(MAGIC).repeat(20);
                self.hear(&many);
            }
        }
        self.act();
    }

    fn hear(&mut self, mut bytes: &[u8]) {
        loop {
            let before = bytes.len();
            self.session.receive(self.now, &mut bytes);
            self.act();
            if bytes.is_empty() {
                return;
            }
            if bytes.len() == before {
                assert!(!self.session.wants_bytes(self.now), "it could have gone on");
                return;
            }
        }
    }

    fn tick(&mut self) {
        self.session.tick(self.now);
        self.act();
        let is_idle = self.is_closed || self.session.deadline(self.now) > self.now;
        assert!(is_idle, "something is due again at once");
    }

    fn act(&mut self) {
        let mut count = 0;
        while let Some(action) = self.session.next_action() {
            count += 1;
            assert!(!self.is_closed, "{action:?} after the end");
            match action {
                Action::Connected(facts) => {
                    assert!(!self.is_connected, "connected twice");
                    self.is_connected = true;
                    self.has_extensions = facts.has_extensions();
                    assert!(facts.user_agent.len() <= 256);
                }
                Action::Close { .. } => self.is_closed = true,
                Action::Addresses(list) => {
                    assert!(self.is_connected && !list.is_empty() && list.len() <= MAX_ADDRESSES);
                    assert!(list.iter().all(NetAddress::is_usable));
                }
                Action::AddressesWanted => self.asked_addresses += 1,
                Action::Deliver(message) => self.delivered(&message),
            }
        }
        assert!(count <= 8, "{count} actions waited");
    }

    fn delivered(&mut self, message: &PeerMessage) {
        assert!(self.is_connected, "before the handshake");
        match message {
            PeerMessage::GetData(list) => {
                assert!(!list.is_empty() && list.len() <= PORTION_ITEMS);
            }
            PeerMessage::Inv(list) => {
                assert!(!list.is_empty() && list.len() <= self.limits.inventory.burst as usize);
            }
            PeerMessage::MemPool => self.asked_mempool += 1,
            PeerMessage::CompactBlock(_)
            | PeerMessage::GetBlockTransactions(_)
            | PeerMessage::BlockTransactions(_)
            | PeerMessage::FeeFilter(_) => assert!(self.has_extensions),
            _ => {}
        }
    }

    fn write(&mut self, most: usize) {
        let mut slices = [IoSlice::new(&[]); 4];
        let filled = self.session.slices(&mut slices);
        let bytes: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect();
        let written = bytes.len().min(most);
        // What goes out is frames, of commands that the peer knows.
        let mut rest = &bytes[..written];
        while !rest.is_empty() {
            let frame = self.wire.read(&mut rest).expect("we write sound frames");
            if let Some(frame) = frame {
                assert!(frame.command.is_common() || self.has_extensions, "{}", frame.command);
            }
        }
        self.session.wrote(self.now, written);
        self.act();
    }

    fn check(&self) {
        let (messages, bytes) = self.session.queued();
        assert!(messages <= MAX_OUTBOX_MESSAGES + 1, "{messages} messages wait");
        // The session's own answers may stand above what the node may send.
        assert!(bytes <= MAX_OUTBOX_BYTES + MAX_OUTBOX_MESSAGES * 64, "{bytes} bytes wait");
        assert!(self.session.held_bytes() <= bytes + 2 * MAX_FRAME_PAYLOAD as usize);
        assert!(self.session.waiting_requests() <= MAX_WAITING_REQUESTS);
        assert!(self.asked_addresses <= 1 && self.asked_mempool <= 1);
        assert!(!self.is_closed || !self.session.wants_bytes(self.now));
        assert!(!self.is_closed || !self.session.wants_to_write());
    }
}

fn version(services: Services, input: &mut Input<'_>) -> Message {
    let unknown = ([0, 0, 0, 0], 0).into();
    let value = if input.byte() & 1 == 0 { 70012 } else { 31_300 + u32::from(input.byte()) };
    Message::Version(Version {
        value,
        services,
        timestamp_unix_secs: u64::MAX >> (input.byte() & 63),
        receiver_services: services,
        receiver: unknown,
        sender_services: services,
        sender: unknown,
        nonce: 77,
        user_agent: vec![b'x'; usize::from(input.byte())],
        start_height: Height::new(5),
        relay: (value >= 70_001).then_some(true),
    })
}

/// A sound message of a kind and size that the input chooses.
fn message(input: &mut Input<'_>) -> Message {
    let (kind, size) = (input.byte(), input.number());
    let item = |n: usize| {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&(n as u64).to_le_bytes());
        match n % 4 {
            0 => Inventory::Tx(TxId::from_bytes(hash)),
            1 => Inventory::Other { kind: 3, hash },
            2 => Inventory::CompactBlock(BlockHash::from_bytes(hash)),
            _ => Inventory::Block(BlockHash::from_bytes(hash)),
        }
    };
    let items = || (0..size % 10_000).map(item).collect();
    let raw = |least: usize| vec![0; least + size].into();
    let locator =
        || Locator { version: 0, hashes: vec![BlockHash::ZERO; size % 102], stop: BlockHash::ZERO };
    match kind % 16 {
        0 => Message::Inv(items()),
        1 => Message::GetData(items()),
        2 => Message::NotFound(items()),
        3 => Message::GetHeaders(locator()),
        4 => Message::GetBlocks(locator()),
        5 => Message::Block(RawBlock::from_wire(raw(149)).expect("a header and a count")),
        6 => Message::Tx(RawTx::from_wire(raw(10)).expect("long enough")),
        7 => Message::MemPool,
        8 => Message::GetAddr,
        9 => {
            let address = |n: usize| NetAddress {
                seen_unix_secs: 1,
                services: Services::NETWORK,
                // Every other one is empty.
                address: ([8, 8, 1, 1], if n.is_multiple_of(2) { 0 } else { 5251 }).into(),
            };
            Message::Addr((0..size % 1001).map(address).collect())
        }
        10 => Message::Ping(Some(size as u64)),
        11 => Message::Ping(None),
        12 => Message::Pong(size as u64),
        13 => Message::FeeFilter(size as u64),
        14 => Message::Headers(Vec::new()),
        _ => Message::SendHeaders,
    }
}
