use std::io::IoSlice;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mvs_primitives::encode::Decode;
use mvs_primitives::hash::{BlockHash, TxId};
use mvs_primitives::header::{HEADER_BYTES, Header};
use mvs_primitives::height::Height;

use super::limits::{LOW_WATER_BYTES, MAX_WAITING_REQUESTS};
use super::{
    Action, HANDSHAKE_TIMEOUT, Limits, MAX_PAUSE, PING_INTERVAL, PONG_TIMEOUT, PORTION_ITEMS,
    PORTION_TIMEOUT, READ_WINDOW, REPEAT_AFTER, REQUEST_HOLD, Random, Rate, SILENCE_TIMEOUT,
    SelfNonce, Session, SessionConfig,
};
use crate::p2p::api::{CloseReason, Direction, PeerFacts, PeerId, PeerMessage, Penalty, SendError};
use crate::p2p::codec::{Command, Frame, FrameReader, Magic};
use crate::p2p::message::{
    CompactBlock, HeaderEntry, Inventory, Locator, Message, NetAddress, RawBlock, RawTx, Services,
    Version,
};

const MAGIC: Magic = Magic::from_number(0x4d53_564d);
const OURS: Services = Services::NETWORK.with(Services::EXTENSIONS);

/// A session with a scripted other side, and time that moves when told.
struct Bench {
    session: Session,
    now: Instant,
    actions: Vec<Action>,
    out: Vec<Message>,
}

impl Bench {
    fn new(direction: Direction) -> Self {
        Self::with(direction, Limits::default())
    }

    fn with(direction: Direction, limits: Limits) -> Self {
        let mut random = Random::from_key((7, 7));
        let now = Instant::now();
        let config = SessionConfig {
            id: PeerId::new(1),
            magic: MAGIC,
            direction,
            remote: "8.8.8.8:5251".parse().unwrap(),
            external: None,
            own_height: Height::new(100),
            user_agent: "/mvs-node:test/".to_owned(),
            services: OURS,
            relay: true,
            wants_addresses: true,
            limits,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            unix_secs: 1_795_000_000,
            self_nonce: SelfNonce::new(&mut random),
            random,
        };
        let session = Session::new(config, now);
        Self { session, now, actions: Vec::new(), out: Vec::new() }
    }

    /// A session whose handshake is complete and whose first messages are written.
    fn open(direction: Direction, services: Services) -> Self {
        Self::open_with(direction, services, Limits::default())
    }

    fn open_with(direction: Direction, services: Services, limits: Limits) -> Self {
        let mut bench = Self::with(direction, limits);
        bench.hear(&version(services));
        bench.hear(&Message::Verack);
        bench.flush();
        assert!(bench.session.is_open());
        // Its first ping is answered, so that only what a test does counts.
        bench.answer_pings();
        bench.session.held_until = (services != OURS).then(|| bench.now + REQUEST_HOLD);
        bench.out.clear();
        bench.actions.clear();
        bench
    }

    fn hear(&mut self, message: &Message) {
        self.hear_bytes(&message.to_frame().to_bytes(MAGIC));
    }

    fn hear_bytes(&mut self, bytes: &[u8]) {
        let mut input = bytes;
        while !input.is_empty() {
            let before = input.len();
            self.session.receive(self.now, &mut input);
            self.collect();
            if input.len() == before {
                break; // closed or paused
            }
        }
    }

    fn collect(&mut self) {
        while let Some(action) = self.session.next_action() {
            self.actions.push(action);
        }
    }

    /// Writes all that waits.
    fn flush(&mut self) {
        let mut bytes = Vec::new();
        while self.session.wants_to_write() {
            let mut slices = [IoSlice::new(&[]); 8];
            let filled = self.session.slices(&mut slices);
            let piece: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect();
            self.session.wrote(self.now, piece.len());
            bytes.extend(piece);
        }
        let (mut reader, mut input) = (FrameReader::new(MAGIC), &bytes[..]);
        while let Some(frame) = reader.read(&mut input).unwrap() {
            self.out.push(Message::decode(&frame).unwrap());
        }
        self.collect();
    }

    /// Lets time pass, doing what is due on the way.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now = self.session.deadline(self.now).clamp(self.now, end);
            self.session.tick(self.now);
            self.collect();
            if self.closed().is_some() {
                break;
            }
            assert!(self.session.deadline(self.now) > self.now, "nothing is due twice");
        }
    }

    /// Lets time pass while the peer answers pings.
    fn pass_alive(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end && self.closed().is_none() {
            self.pass((end - self.now).min(Duration::from_secs(60)));
            self.flush();
            self.answer_pings();
        }
    }

    fn answer_pings(&mut self) {
        for message in std::mem::take(&mut self.out) {
            match message {
                Message::Ping(Some(nonce)) => self.hear(&Message::Pong(nonce)),
                other => self.out.push(other),
            }
        }
    }

    /// Writes all that waits, and does not look at it.
    fn discard(&mut self) {
        self.session.wrote(self.now, usize::MAX);
        self.collect();
    }

    fn closed(&self) -> Option<(CloseReason, bool)> {
        self.actions.iter().find_map(|action| match action {
            Action::Close { reason, ban } => Some((reason.clone(), *ban)),
            _ => None,
        })
    }

    fn delivered(&self) -> Vec<&PeerMessage> {
        let delivered = self.actions.iter().filter_map(|action| match action {
            Action::Deliver(message) => Some(message),
            _ => None,
        });
        delivered.collect()
    }

    fn facts(&self) -> Option<&PeerFacts> {
        self.actions.iter().find_map(|action| match action {
            Action::Connected(facts) => Some(facts),
            _ => None,
        })
    }

    fn send(&mut self, message: &Message) -> Result<(), SendError> {
        self.session.send(self.now, message.encode(MAGIC))
    }

    fn sent(&mut self, command: Command) -> usize {
        self.flush();
        self.out.iter().filter(|message| message.command() == command).count()
    }
}

fn version(services: Services) -> Message {
    Message::Version(Version {
        value: 70012,
        services,
        timestamp_unix_secs: 1_795_000_030,
        receiver_services: Services::NETWORK,
        receiver: "8.8.8.8:5251".parse().unwrap(),
        sender_services: services,
        sender: "[::]:0".parse().unwrap(),
        nonce: 5,
        user_agent: b"/metaverse:0.9.1/\x07".to_vec(),
        start_height: Height::new(99),
        relay: Some(false),
    })
}

fn items(count: u32) -> Vec<Inventory> {
    let id = |n: u32| {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&n.to_le_bytes());
        TxId::from_bytes(bytes)
    };
    (0..count).map(|n| Inventory::Tx(id(n))).collect()
}

fn header() -> Header {
    Header::decode(&[1; HEADER_BYTES]).unwrap()
}

fn block(len: usize) -> Message {
    Message::Block(RawBlock::from_wire(vec![0; len].into()).unwrap())
}

fn getheaders() -> Message {
    let hashes = vec![BlockHash::ZERO];
    Message::GetHeaders(Locator { version: 70012, hashes, stop: BlockHash::ZERO })
}

fn headers() -> Message {
    Message::Headers(vec![HeaderEntry { header: header(), transaction_count: 0 }])
}

// ---- handshake -----------------------------------------------------------------------------------

#[test]
fn both_sides_greet_at_once_and_in_any_order() {
    for direction in [Direction::Inbound, Direction::Outbound, Direction::Manual] {
        for verack_first in [false, true] {
            let mut bench = Bench::new(direction);
            assert_eq!(bench.sent(Command::VERSION), 1);
            let greeting = [version(OURS), Message::Verack];
            let [first, second] = if verack_first { [1, 0] } else { [0, 1] };
            bench.hear(&greeting[first]);
            assert!(!bench.session.is_open());
            assert_eq!(bench.send(&Message::MemPool), Err(SendError::Gone));
            bench.hear(&greeting[second]);
            let facts = bench.facts().unwrap().clone();
            assert_eq!((facts.version, facts.direction), (70012, direction));
            assert_eq!(facts.user_agent, "/metaverse:0.9.1/?");
            assert_eq!(
                (facts.start_height, facts.our_start_height),
                (Height::new(99), Height::new(100))
            );
            assert_eq!((facts.clock_offset_secs, facts.wants_transactions), (30, false));
            assert!(facts.has_extensions());
            assert_eq!((bench.sent(Command::VERACK), bench.sent(Command::PING)), (1, 1));
            // Addresses are asked of those whom we chose.
            assert_eq!(bench.sent(Command::GETADDR), usize::from(direction.is_outbound()));
        }
    }
}

#[test]
fn a_handshake_that_cannot_be_ends() {
    let mut late = Bench::new(Direction::Inbound);
    late.hear(&version(OURS));
    late.pass(HANDSHAKE_TIMEOUT - Duration::from_secs(1));
    assert_eq!(late.closed(), None);
    late.pass(Duration::from_secs(1));
    assert_eq!(late.closed(), Some((CloseReason::Timeout("handshake"), false)));

    let mut own = Bench::new(Direction::Inbound);
    own.flush();
    let greeting = own.out.remove(0);
    own.hear(&greeting);
    assert_eq!(own.closed(), Some((CloseReason::SelfConnection, false)));

    for (value, closed) in [(31_401, true), (31_402, false)] {
        let mut old = Bench::new(Direction::Inbound);
        let Message::Version(mut greeting) = version(OURS) else { unreachable!() };
        (greeting.value, greeting.relay) = (value, None);
        old.hear(&Message::Version(greeting));
        let reason = old.closed().map(|(reason, _)| reason);
        assert_eq!(reason, closed.then_some(CloseReason::Obsolete(value)));
    }

    for first in [getheaders(), Message::Pong(1), Message::Reject(reject())] {
        let mut hasty = Bench::new(Direction::Inbound);
        hasty.hear(&first);
        assert_eq!(hasty.closed().unwrap().0.code(), "p2p.handshake_order");
    }
    // A large message is refused by its header.
    let mut hasty = Bench::new(Direction::Inbound);
    hasty.hear_bytes(&block(1_000_000).to_frame().to_bytes(MAGIC)[..24]);
    assert_eq!(hasty.closed().unwrap().0.code(), "p2p.handshake_order");
    assert_eq!(hasty.session.held_bytes() - hasty.session.queued().1, 0);
}

fn reject() -> crate::p2p::message::Reject {
    crate::p2p::message::Reject {
        message: b"tx".to_vec(),
        code: 0x10,
        reason: b"no\n".to_vec(),
        hash: None,
    }
}

#[test]
fn repeated_greetings_cost_points() {
    let mut bench = Bench::new(Direction::Inbound);
    bench.hear(&version(OURS));
    for _ in 0..9 {
        bench.hear(&version(OURS));
    }
    assert_eq!(bench.closed(), None);
    bench.hear(&version(OURS));
    assert_eq!(bench.closed(), Some((CloseReason::Misbehaved("p2p.duplicate_version"), true)));

    let mut bench = Bench::open(Direction::Inbound, OURS);
    bench.hear(&version(OURS));
    bench.hear(&Message::Verack);
    assert_eq!((bench.session.score(), bench.closed()), (2, None));
    assert_eq!(bench.sent(Command::VERACK), 0);
}

// ---- time ----------------------------------------------------------------------------------------

#[test]
fn pings_go_out_and_pongs_must_come() {
    let mut bench = Bench::open(Direction::Inbound, OURS);
    bench.pass_alive(Duration::from_secs(3600));
    assert_eq!(bench.closed(), None);
    let mut bench = Bench::open(Direction::Inbound, OURS);
    let start = bench.now;
    while bench.closed().is_none() {
        bench.pass(Duration::from_secs(10));
        bench.flush();
    }
    assert_eq!(bench.closed(), Some((CloseReason::Timeout("pong"), false)));
    assert_eq!(bench.now - start, PING_INTERVAL + PONG_TIMEOUT);

    let mut bench = Bench::new(Direction::Inbound);
    bench.hear(&version(OURS));
    bench.hear(&Message::Verack);
    bench.flush();
    let Some(Message::Ping(Some(nonce))) = bench.out.last().cloned() else { panic!("no ping") };
    bench.now += Duration::from_millis(70);
    bench.hear(&Message::Pong(nonce ^ 1));
    assert_eq!((bench.session.score(), bench.session.pings()), (1, (None, None)));
    bench.hear(&Message::Pong(nonce));
    let took = Some(Duration::from_millis(70));
    assert_eq!(bench.session.pings(), (took, took));
    bench.out.clear();
    bench.pass(PING_INTERVAL);
    assert_eq!(bench.sent(Command::PING), 1);
}

#[test]
fn pings_are_answered_with_and_without_a_nonce() {
    let mut bench = Bench::open(Direction::Inbound, OURS);
    bench.hear(&Message::Ping(Some(77)));
    bench.hear(&Message::Ping(None));
    bench.flush();
    assert_eq!(bench.out, [Message::Pong(77)]);
}

#[test]
fn silence_and_half_messages_end() {
    // An old peer without pongs is judged by silence alone.
    let mut bench = Bench::new(Direction::Inbound);
    let Message::Version(mut old) = version(Services::NETWORK) else { unreachable!() };
    (old.value, old.relay) = (60_000, None);
    bench.hear(&Message::Version(old));
    bench.hear(&Message::Verack);
    bench.flush();
    bench.pass(SILENCE_TIMEOUT - Duration::from_secs(1));
    assert_eq!(bench.closed(), None);
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.closed(), Some((CloseReason::Timeout("sign of life"), false)));

    // A large message may take its time, and no longer; drops of it do not help.
    let bytes = block(1_700_000).to_frame().to_bytes(MAGIC);
    let mut bench = Bench::open(Direction::Inbound, OURS);
    bench.send(&Message::GetData(vec![Inventory::Block(BlockHash::ZERO)])).unwrap();
    let mut seconds = 0;
    for piece in bytes.chunks(100) {
        bench.hear_bytes(piece);
        bench.pass_alive(Duration::from_secs(1));
        seconds += 1;
        if bench.closed().is_some() {
            break;
        }
    }
    assert_eq!(bench.closed(), Some((CloseReason::Timeout("rest of a message"), false)));
    assert!((200..300).contains(&seconds), "{seconds}");
}

#[test]
fn what_we_cause_ourselves_is_excused() {
    let mut bench = Bench::open(Direction::Inbound, OURS);
    bench.hear_bytes(&Message::Ping(Some(1)).to_frame().to_bytes(MAGIC)[..20]);
    for _ in 0..200 {
        bench.now += Duration::from_secs(10);
        bench.session.excuse(bench.now);
        bench.session.tick(bench.now);
        bench.flush();
    }
    assert_eq!(bench.closed(), None);
}

#[test]
fn a_peer_that_does_not_read_is_dropped() {
    let mut bench = Bench::open(Direction::Inbound, OURS);
    for _ in 0..4 {
        bench.send(&block(50_000)).unwrap();
    }
    bench.pass(READ_WINDOW - Duration::from_secs(1));
    assert_eq!(bench.closed(), None);
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.closed(), Some((CloseReason::SlowReader, false)));
    assert!(!bench.session.wants_to_write());

    // One that sends without reading cannot grow our queue: its pings are answered up to a bound.
    let mut bench = Bench::open(Direction::Inbound, OURS);
    let ping = Message::Ping(Some(1)).to_frame().to_bytes(MAGIC);
    for _ in 0..2000 {
        bench.hear_bytes(&ping);
    }
    assert_eq!(bench.closed(), Some((CloseReason::SlowReader, false)));
    assert!(bench.session.queued().0 <= super::MAX_OUTBOX_MESSAGES);
}

// ---- habits of the first node ------------------------------------------------------------------------

#[test]
fn requests_wait_for_the_first_node_and_are_repeated() {
    let mut bench = Bench::open(Direction::Outbound, Services::NETWORK);
    bench.send(&getheaders()).unwrap();
    bench.send(&Message::MemPool).unwrap();
    assert_eq!(bench.sent(Command::GETHEADERS), 0);
    assert_eq!(bench.session.queued().0, 2);
    bench.hear(&Message::Ping(Some(1)));
    assert_eq!((bench.sent(Command::GETHEADERS), bench.sent(Command::MEMPOOL)), (1, 1));

    // Unanswered, it is repeated once.
    bench.pass(REPEAT_AFTER - Duration::from_secs(1));
    assert_eq!(bench.sent(Command::GETHEADERS), 1);
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.sent(Command::GETHEADERS), 2);
    bench.pass_alive(Duration::from_secs(200));
    assert_eq!(bench.sent(Command::GETHEADERS), 2);

    // Without a sign it goes out after a while; answered, it is not repeated.
    let mut bench = Bench::open(Direction::Outbound, Services::NETWORK);
    bench.send(&getheaders()).unwrap();
    bench.pass(REQUEST_HOLD);
    assert_eq!(bench.sent(Command::GETHEADERS), 1);
    bench.hear(&headers());
    bench.pass_alive(REPEAT_AFTER * 2);
    assert_eq!(bench.sent(Command::GETHEADERS), 1);

    // Our own kind needs neither.
    let mut bench = Bench::open(Direction::Outbound, OURS);
    bench.send(&getheaders()).unwrap();
    assert_eq!(bench.sent(Command::GETHEADERS), 1);
    bench.pass_alive(REPEAT_AFTER * 2);
    assert_eq!(bench.sent(Command::GETHEADERS), 1);
}

#[test]
fn extensions_go_to_and_come_from_those_who_know_them() {
    let compact = || CompactBlock {
        header: header(),
        nonce: 1,
        short_ids: vec![[1; 6]],
        prefilled: Vec::new(),
        proof: mvs_primitives::block::BlockProof::None,
    };
    let mut first = Bench::open(Direction::Inbound, Services::NETWORK);
    let mut ours = Bench::open(Direction::Inbound, OURS);
    for message in [Message::FeeFilter(1), Message::CompactBlock(compact())] {
        assert_eq!(first.send(&message), Err(SendError::NotUnderstood));
        assert_eq!(ours.send(&message), Ok(()));
        first.hear(&message);
        ours.hear(&message);
    }
    assert_eq!((first.delivered().len(), ours.delivered().len()), (0, 2));
    assert_eq!(first.closed(), None);
    // Requests for compact blocks mean something to our kind only.
    let wanted = vec![Inventory::CompactBlock(BlockHash::ZERO)];
    first.hear(&Message::GetData(wanted.clone()));
    ours.hear(&Message::GetData(wanted.clone()));
    assert!(first.delivered().is_empty());
    assert_eq!(ours.delivered().last(), Some(&&PeerMessage::GetData(wanted)));
}

#[test]
fn messages_without_meaning_are_passed_over() {
    let mut bench = Bench::open(Direction::Inbound, Services::NETWORK);
    bench.hear(&Message::SendHeaders);
    bench.hear(&Message::Reject(reject()));
    let inert = |command| Message::Inert { command, payload: Bytes::from_static(&[1]) };
    bench.hear(&inert(Command::FILTERLOAD));
    bench.hear(&inert(Command::SENDCMPCT));
    bench.hear(&Message::Inv(Vec::new()));
    let other = Inventory::Other { kind: 3, hash: [1; 32] };
    bench.hear(&Message::Inv(vec![other]));
    bench.hear(&Message::GetData(vec![other]));
    bench.hear(&Message::Headers(Vec::new()));
    assert!(bench.actions.is_empty(), "{:?}", bench.actions);
    assert_eq!(bench.session.score(), 0);
    assert_eq!(reject().to_text(), "tx 0x10 no?");
}

#[test]
fn unknown_commands_are_passed_over_a_few_times() {
    let mut bench = Bench::open(Direction::Inbound, OURS);
    let command = Command::from_wire(*b"sendaddrv2\0\0").unwrap();
    let frame = Frame { command, payload: Bytes::new() }.to_bytes(MAGIC);
    for _ in 0..20 {
        bench.hear_bytes(&frame);
    }
    assert_eq!(bench.closed(), None);
    bench.hear_bytes(&frame);
    assert_eq!(bench.closed().unwrap().0.code(), "p2p.unknown_command");
}

// ---- addresses ---------------------------------------------------------------------------------------

fn address(text: &str) -> NetAddress {
    NetAddress { seen_unix_secs: 1, services: Services::NETWORK, address: text.parse().unwrap() }
}

#[test]
fn empty_addresses_are_filtered_and_floods_cut() {
    let mut bench = Bench::open(Direction::Outbound, Services::NETWORK);
    // As the first node answers: half of it empty (p2p.md 9).
    let answer =
        vec![address("[::]:0"), address("[::]:0"), address("8.8.8.8:5251"), address("9.9.9.9:1")];
    bench.hear(&Message::Addr(answer.clone()));
    assert_eq!(bench.actions, [Action::Addresses(answer[2..].to_vec())]);

    let mut taken = 0;
    for _ in 0..5 {
        bench.actions.clear();
        bench.hear(&Message::Addr(vec![address("8.8.8.8:5251"); 1000]));
        for action in &bench.actions {
            if let Action::Addresses(list) = action {
                taken += list.len();
            }
        }
    }
    assert_eq!((taken, bench.closed()), (998, None));
}

#[test]
fn addresses_are_told_once_and_to_those_who_came() {
    let mut inbound = Bench::open(Direction::Inbound, OURS);
    for _ in 0..3 {
        inbound.hear(&Message::GetAddr);
    }
    assert_eq!(inbound.actions, [Action::AddressesWanted]);
    let mut outbound = Bench::open(Direction::Outbound, OURS);
    outbound.hear(&Message::GetAddr);
    assert!(outbound.actions.is_empty());
}

#[test]
fn the_pool_is_told_once() {
    let mut bench = Bench::open(Direction::Inbound, OURS);
    bench.hear(&Message::MemPool);
    bench.hear(&Message::MemPool);
    assert_eq!(bench.delivered(), [&PeerMessage::MemPool]);
}

// ---- requests ------------------------------------------------------------------------------------------

#[test]
fn a_long_request_comes_in_portions() {
    let mut bench = Bench::open(Direction::Inbound, OURS);
    let wanted = items(20);
    bench.hear(&Message::GetData(wanted.clone()));
    let first = PeerMessage::GetData(wanted[..PORTION_ITEMS].to_vec());
    assert_eq!(bench.delivered(), [&first]);
    assert_eq!(bench.session.waiting_requests(), 12);

    // The next follows when all are answered, in whatever way.
    bench.send(&Message::NotFound(wanted[..5].to_vec())).unwrap();
    bench.collect();
    assert_eq!(bench.delivered().len(), 1);
    let tx = || Message::Tx(RawTx::from_wire(Bytes::from_static(&[0; 10])).unwrap());
    for _ in 0..3 {
        bench.send(&tx()).unwrap();
    }
    bench.collect();
    assert_eq!(bench.delivered().len(), 2);

    // Unanswered, it follows after a while.
    bench.pass(PORTION_TIMEOUT);
    assert_eq!(bench.delivered().len(), 3);
    assert_eq!(bench.session.waiting_requests(), 0);
}

#[test]
fn portions_wait_until_the_peer_has_read() {
    let mut bench = Bench::open(Direction::Inbound, OURS);
    bench.hear(&Message::GetData(items(24)));
    for _ in 0..PORTION_ITEMS {
        bench.send(&block(200_000)).unwrap();
    }
    bench.pass(PORTION_TIMEOUT * 2);
    assert_eq!(bench.delivered().len(), 1);
    let waiting = bench.session.queued().1;
    bench.session.wrote(bench.now, waiting - LOW_WATER_BYTES - 1);
    bench.collect();
    assert_eq!(bench.delivered().len(), 1);
    bench.session.wrote(bench.now, 1);
    bench.collect();
    assert_eq!(bench.delivered().len(), 2);

    // When all queues together hold too much: one item, and only to a peer that has read everything.
    bench.session.set_congested(true);
    for _ in 0..PORTION_ITEMS {
        bench.send(&block(200)).unwrap();
    }
    bench.collect();
    assert_eq!(bench.delivered().len(), 2);
    bench.discard();
    assert_eq!(bench.delivered().len(), 3);
    assert!(matches!(bench.delivered()[2], PeerMessage::GetData(one) if one.len() == 1));
}

#[test]
fn requests_beyond_the_bound_end_the_connection() {
    let mut bench = Bench::open(Direction::Inbound, OURS);
    bench.hear(&Message::GetData(items(MAX_WAITING_REQUESTS as u32)));
    assert_eq!(bench.closed(), None);
    bench.hear(&Message::GetData(items(PORTION_ITEMS as u32 + 1)));
    assert_eq!(bench.closed().unwrap().0.code(), "p2p.request_flood");
}

#[test]
fn large_things_must_have_been_asked_for() {
    let tx = |len: usize| Message::Tx(RawTx::from_wire(vec![0; len].into()).unwrap());
    let cases = [
        (block(65_536), block(65_537), Inventory::Block(BlockHash::ZERO)),
        (tx(65_536), tx(65_537), items(1)[0]),
    ];
    for (small, large, item) in cases {
        let bytes = large.to_frame().to_bytes(MAGIC);
        let mut bench = Bench::open(Direction::Inbound, OURS);
        bench.hear(&small);
        assert_eq!((bench.delivered().len(), bench.closed()), (1, None));
        // The header is enough to refuse it, and so is the whole.
        for len in [24, bytes.len()] {
            let mut bench = Bench::open(Direction::Inbound, OURS);
            bench.hear_bytes(&bytes[..len]);
            assert_eq!(bench.closed().unwrap().0.code(), "p2p.unasked");
            assert_eq!(bench.session.frame_in_progress().is_some(), len == 24);
        }
        bench.send(&Message::GetData(vec![item])).unwrap();
        bench.hear(&large);
        assert_eq!((bench.delivered().len(), bench.closed()), (2, None));
    }
}

#[test]
fn blocks_that_were_asked_for_are_free() {
    let mut bench = Bench::open(Direction::Outbound, OURS);
    let wanted: Vec<_> = (0..50).map(|_| Inventory::Block(BlockHash::ZERO)).collect();
    bench.send(&Message::GetData(wanted)).unwrap();
    for _ in 0..50 {
        bench.hear(&block(200));
    }
    // Twenty more from the bucket, then points.
    for _ in 0..29 {
        bench.hear(&block(200));
    }
    assert_eq!((bench.delivered().len(), bench.session.score()), (70, 90));
    bench.hear(&block(200));
    assert_eq!(bench.closed(), Some((CloseReason::Misbehaved("p2p.unasked_block"), true)));
}

// ---- rates ---------------------------------------------------------------------------------------------

#[test]
fn what_is_over_a_rate_waits() {
    type Tighten = fn(&mut Limits);
    let cases: [(Tighten, Message); 5] = [
        (|l| l.messages = Rate::per_second(11, 1), Message::Ping(Some(1))), /* one was a pong */
        (|l| l.inventory = Rate::per_second(10, 1), Message::Inv(items(1))),
        (|l| l.header_requests = Rate::per_second(10, 1), getheaders()),
        (|l| l.announcements = Rate::per_second(10, 1), headers()),
        (
            |l| l.unasked_transactions = Rate::per_second(10, 1),
            Message::Tx(RawTx::from_wire(Bytes::from_static(&[0; 10])).unwrap()),
        ),
    ];
    for (limit, message) in cases {
        let mut limits = Limits::default();
        limit(&mut limits);
        let mut bench = Bench::open_with(Direction::Inbound, OURS, limits);
        let bytes = message.to_frame().to_bytes(MAGIC);
        let taken = |bench: &mut Bench| {
            let mut count = 0;
            while bench.session.wants_bytes(bench.now) {
                bench.session.receive(bench.now, &mut &bytes[..]);
                bench.flush();
                count += 1;
            }
            count
        };
        // The bucket, and the one message that goes below its bottom.
        assert_eq!(taken(&mut bench), 11, "{message:?}");
        assert_eq!(taken(&mut bench), 0);
        bench.pass(Duration::from_millis(999));
        assert_eq!(taken(&mut bench), 0);
        bench.pass(Duration::from_millis(1));
        assert_eq!(taken(&mut bench), 1);
        assert_eq!((bench.closed(), bench.session.score()), (None, 0));
    }
}

#[test]
fn answers_are_not_counted_as_haste() {
    let limits = Limits { announcements: Rate::per_second(1, 1), ..Limits::default() };
    let mut bench = Bench::open_with(Direction::Outbound, OURS, limits);
    for _ in 0..20 {
        bench.send(&getheaders()).unwrap();
        bench.hear(&headers());
    }
    assert_eq!(bench.delivered().len(), 20);
    assert!(bench.session.wants_bytes(bench.now));
}

#[test]
fn a_huge_inventory_is_cut_and_paid_for() {
    let limits = Limits { inventory: Rate::per_second(1000, 100), ..Limits::default() };
    let mut bench = Bench::open_with(Direction::Inbound, OURS, limits);
    bench.hear(&Message::Inv(items(10)));
    bench.hear(&Message::Inv(items(50_000)));
    let sizes: Vec<_> = bench
        .delivered()
        .iter()
        .map(|message| if let PeerMessage::Inv(list) = message { list.len() } else { 0 })
        .collect();
    assert_eq!(sizes, [10, 1000]);
    assert!(!bench.session.wants_bytes(bench.now));
    bench.pass(MAX_PAUSE);
    assert!(bench.session.wants_bytes(bench.now));
}

#[test]
fn points_are_forgiven_with_time() {
    let mut bench = Bench::open(Direction::Inbound, OURS);
    for _ in 0..9 {
        bench.session.penalise(bench.now, Penalty::WASTEFUL, "test");
    }
    bench.pass_alive(Penalty::FORGIVEN_EVERY * 30);
    bench.session.penalise(bench.now, Penalty::of_points(39), "test");
    assert_eq!((bench.session.score(), bench.closed()), (99, None));
    bench.session.penalise(bench.now, Penalty::ANNOYING, "test");
    bench.collect();
    assert_eq!(bench.closed(), Some((CloseReason::Misbehaved("test"), true)));
}

#[test]
fn nothing_happens_after_the_end() {
    let mut bench = Bench::open(Direction::Inbound, OURS);
    bench.send(&block(1000)).unwrap();
    bench.session.close(CloseReason::Requested("test"), false);
    bench.session.close(CloseReason::Remote, true);
    bench.session.end_of_stream();
    bench.collect();
    assert_eq!(bench.actions.len(), 1);
    bench.hear(&Message::Inv(items(1)));
    bench.session.tick(bench.now + Duration::from_secs(10_000));
    bench.session.penalise(bench.now, Penalty::BAN, "test");
    assert_eq!(bench.send(&Message::MemPool), Err(SendError::Gone));
    bench.flush();
    assert_eq!((bench.actions.len(), bench.out.len()), (1, 0));
}

#[test]
fn what_is_too_long_is_not_sent() {
    let mut bench = Bench::open(Direction::Inbound, OURS);
    assert_eq!(bench.send(&Message::Inv(items(50_000))), Ok(()));
    assert_eq!(bench.send(&Message::Inv(items(50_001))), Err(SendError::TooLarge));
    let most = super::MAX_OUTBOX_BYTES / 1_800_100;
    for _ in 0..most - 1 {
        bench.send(&Message::Inv(items(50_000))).unwrap();
    }
    assert_eq!(bench.send(&Message::Inv(items(50_000))), Err(SendError::Full));
}
