//! Replays conversations of the C++ node: its messages decode, encode to the same bytes, and a session
//! in the place of either side gets along with them.

#![allow(clippy::unwrap_used, clippy::panic)] // a panic is how a test fails, in its helpers too

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::read::GzDecoder;
use mvs_node::p2p::api::{Direction, PeerFacts, PeerId, PeerMessage};
use mvs_node::p2p::codec::{Command, Frame, FrameReader, Magic};
use mvs_node::p2p::message::{HeaderEntry, Inventory, Locator, Message, RawBlock, Services};
use mvs_node::p2p::session::{
    Action, HANDSHAKE_TIMEOUT, Limits, Random, SelfNonce, Session, SessionConfig, locator_heights,
};
use mvs_primitives::block::Block;
use mvs_primitives::encode::{Decode, Encode as _};
use mvs_primitives::hash::{BlockHash, sha256};
use mvs_primitives::header::Header;
use mvs_primitives::height::Height;
use serde_json::Value;

const MAGIC: Magic = Magic::from_number(0x4d53_564d);

/// Chain A, from height 1.
struct ChainA(Vec<RawBlock>);

impl ChainA {
    fn load() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../testnet/kit/data/reference-chain/chain-a.bin.gz");
        let mut bytes = Vec::new();
        GzDecoder::new(File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
        let (mut rest, mut blocks) = (&bytes[..], Vec::new());
        while let Some((len, tail)) = rest.split_first_chunk() {
            let (block, tail) = tail.split_at(u32::from_le_bytes(*len) as usize);
            blocks.push(RawBlock::from_wire(Bytes::copy_from_slice(block)).unwrap());
            rest = tail;
        }
        blocks.sort_by_key(|block| block.header().number);
        blocks.retain(|block| block.header().number.value() > 0);
        Self(blocks)
    }

    fn at(&self, height: usize) -> &RawBlock {
        &self.0[height - 1]
    }
}

/// The first range `a..b` behind `heights ` in a note.
fn heights(note: &str) -> RangeInclusive<usize> {
    let text = note.split("heights ").nth(1).unwrap();
    let text = text.split([',', ' ']).next().unwrap();
    let (from, to) = text.split_once("..").unwrap();
    from.parse().unwrap()..=to.parse().unwrap()
}

#[derive(Debug, Clone)]
struct Step {
    connection: String,
    from_node: bool,
    command: Command,
    payload: Bytes,
    note: String,
}

impl Step {
    /// The bytes on the wire, with the faults that the note tells of.
    fn wire(&self) -> Vec<u8> {
        let Self { command, payload, note, .. } = self.clone();
        let mut bytes = Frame { command, payload }.to_bytes(MAGIC).to_vec();
        if note.contains("checksum 00000000") {
            bytes[20..24].fill(0);
        }
        if note.contains("announces length 1800004") {
            bytes[16..20].copy_from_slice(&1_800_004u32.to_le_bytes());
        }
        if note.starts_with("magic 74 6d 76 73") {
            bytes[..4].copy_from_slice(b"tmvs");
        }
        bytes
    }

    fn is_faulty(&self) -> bool {
        self.wire()
            != Frame { command: self.command, payload: self.payload.clone() }.to_bytes(MAGIC)
    }
}

/// A recording: its messages, and its events in words by connection.
struct Recording {
    name: String,
    steps: Vec<Step>,
    events: Vec<(String, String)>,
}

fn recordings() -> Vec<Recording> {
    let chain = ChainA::load();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/p2p");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    let mut all: Vec<_> = paths.iter().map(|path| recording(path, &chain)).collect();
    // One recording goes on where another ends: it needs that one's handshakes.
    let named = |all: &[Recording], name| all.iter().position(|r| r.name == name).unwrap();
    let first = named(&all, "server-transactions.json");
    let handshakes = all[first]
        .steps
        .iter()
        .filter(|step| step.command == Command::VERSION || step.command == Command::VERACK);
    let mut steps: Vec<_> = handshakes.cloned().collect();
    let second = named(&all, "server-announce-block.json");
    steps.append(&mut all[second].steps);
    all[second].steps = steps;
    all
}

fn recording(path: &Path, chain: &ChainA) -> Recording {
    let value: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let text = |step: &Value, key: &str| step[key].as_str().unwrap_or_default().to_owned();
    let (mut steps, mut events) = (Vec::new(), Vec::new());
    for step in value["steps"].as_array().unwrap() {
        let connection = text(step, "conn");
        if step.get("event").is_some() {
            events.push((connection, text(step, "event")));
            continue;
        }
        let mut name = [0; 12];
        let command = text(step, "command");
        name[..command.len()].copy_from_slice(command.as_bytes());
        let command = Command::from_wire(name).unwrap();
        let note = text(step, "note");
        let payload = match step.get("payload_hex") {
            Some(payload) => hex::decode(payload.as_str().unwrap()).unwrap().into(),
            None => rebuilt(step, command, &note, chain),
        };
        steps.push(Step { connection, from_node: step["dir"] == "out", command, payload, note });
    }
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    Recording { name, steps, events }
}

/// Builds a payload that the recording only has a digest of.
fn rebuilt(step: &Value, command: Command, note: &str, chain: &ChainA) -> Bytes {
    let payload = match command {
        Command::HEADERS => Message::Headers(
            heights(note)
                .map(|height| HeaderEntry {
                    header: chain.at(height).header().clone(),
                    transaction_count: 0,
                })
                .collect(),
        )
        .payload(),
        Command::GETDATA => {
            let item = |height| Inventory::Block(chain.at(height).hash());
            Message::GetData(heights(note).map(item).collect()).payload()
        }
        Command::INV => {
            let item = |height| Inventory::Block(chain.at(height).hash());
            Message::Inv(heights(note).map(item).collect()).payload()
        }
        Command::BLOCK => {
            let height = note.split("height ").nth(1).unwrap();
            let height = height.split([',', ' ']).next().unwrap().parse().unwrap();
            chain.at(height).bytes().clone()
        }
        other => panic!("cannot rebuild {other}: {note}"),
    };
    assert_eq!(payload.len() as u64, step["payload_length"].as_u64().unwrap(), "{note}");
    assert_eq!(hex::encode(sha256(&payload)), step["payload_sha256"].as_str().unwrap(), "{note}");
    payload
}

#[test]
fn every_recorded_message_decodes_and_encodes_to_the_same_bytes() {
    let mut counts = BTreeMap::<String, usize>::new();
    for Recording { name, steps, .. } in recordings() {
        for step in &steps {
            let broken = step.is_faulty() || step.note.contains("trailing");
            let mut reader = FrameReader::new(MAGIC);
            let wire = step.wire();
            let frame = match reader.read(&mut &wire[..]) {
                Ok(frame) => frame.expect("a whole frame"),
                Err(error) => {
                    let expected = broken || matches!(step.payload.len(), 1 | 9);
                    assert!(expected, "{name}: {} {error}", step.command);
                    continue;
                }
            };
            assert!(!step.is_faulty(), "{name}: {}", step.note);
            match Message::decode(&frame) {
                Ok(message) => {
                    assert_eq!(message.command(), step.command);
                    assert_eq!(message.to_frame(), frame, "{name}: {message:?}");
                    let encoded = message.encode(MAGIC);
                    let (header, payload) = encoded.parts();
                    assert_eq!([&header[..], &payload[..]].concat(), wire);
                    check_content(&message);
                    *counts.entry(step.command.to_string()).or_default() += 1;
                }
                Err(error) => match step.command.as_str() {
                    "ping" => assert_eq!((error.code(), step.payload.len()), ("p2p.payload", 3)),
                    "foobar" => assert_eq!(error.code(), "p2p.unknown_command"),
                    other => panic!("{name}: {other}: {error}"),
                },
            }
        }
    }
    // A recording that loses its messages must not make this test pass.
    for (command, at_least) in [
        ("version", 60),
        ("getheaders", 60),
        ("headers", 37),
        ("block", 15),
        ("inv", 8),
        ("notfound", 3),
        ("tx", 5),
        ("getdata", 15),
        ("getblocks", 5),
        ("reject", 1),
        ("feefilter", 1),
        ("mempool", 20),
    ] {
        assert!(counts.get(command).is_some_and(|n| *n >= at_least), "{command}: {counts:?}");
    }
}

/// Blocks and transactions decode whole, and locators are ours.
fn check_content(message: &Message) {
    match message {
        Message::Block(block) => {
            let (whole, _) = block.decode().unwrap();
            assert_eq!(whole.header.hash(), block.hash());
        }
        Message::Tx(tx) => assert!(!tx.decode().unwrap().0.outputs.is_empty()),
        _ => {}
    }
}

/// A session in the place of one side of a recorded connection.
struct Replay {
    session: Session,
    now: Instant,
    facts: Option<PeerFacts>,
    delivered: Vec<PeerMessage>,
    closed: Option<(&'static str, bool)>,
    sent: Vec<Message>,
}

impl Replay {
    fn new(direction: Direction) -> Self {
        let mut random = Random::from_key((1, 2));
        let now = Instant::now();
        let config = SessionConfig {
            id: PeerId::new(1),
            magic: MAGIC,
            direction,
            remote: "127.0.0.1:5251".parse().unwrap(),
            external: None,
            own_height: Height::new(3166),
            user_agent: "/mvs-node:0.1.0/".to_owned(),
            services: Services::NETWORK.with(Services::EXTENSIONS),
            relay: true,
            wants_addresses: false,
            limits: Limits::default(),
            handshake_timeout: HANDSHAKE_TIMEOUT,
            unix_secs: 1_795_000_000,
            self_nonce: SelfNonce::new(&mut random),
            random,
        };
        Self {
            session: Session::new(config, now),
            now,
            facts: None,
            delivered: Vec::new(),
            closed: None,
            sent: Vec::new(),
        }
    }

    /// Hands over bytes, a few at a time, and does what the session says.
    fn feed(&mut self, wire: &[u8]) {
        for mut piece in wire.chunks(37) {
            while !piece.is_empty() && self.closed.is_none() {
                self.session.receive(self.now, &mut piece);
                self.act();
            }
        }
        self.now += Duration::from_millis(1);
    }

    fn act(&mut self) {
        while let Some(action) = self.session.next_action() {
            match action {
                Action::Connected(facts) => assert!(self.facts.replace(facts).is_none()),
                Action::Deliver(message) => {
                    // Answer requests so that the next portion comes.
                    if let PeerMessage::GetData(items) = &message {
                        let answer = Message::NotFound(items.clone()).encode(MAGIC);
                        self.session.send(self.now, answer).unwrap();
                    }
                    self.delivered.push(message);
                }
                Action::Addresses(_) | Action::AddressesWanted => {}
                Action::Close { reason, ban } => self.closed = Some((reason.code(), ban)),
            }
        }
        loop {
            let mut slices = [std::io::IoSlice::new(&[]); 8];
            let filled = self.session.slices(&mut slices);
            let bytes: Vec<u8> = slices[..filled].iter().flat_map(|s| s.to_vec()).collect();
            if bytes.is_empty() {
                break;
            }
            let mut reader = FrameReader::new(MAGIC);
            let (mut input, mut used) = (&bytes[..], 0);
            while let Some(frame) = reader.read(&mut input).unwrap() {
                self.sent.push(Message::decode(&frame).unwrap());
                used = bytes.len() - input.len();
            }
            self.session.wrote(self.now, used);
        }
    }
}

fn replay(steps: &[Step], connection: &str, as_node: bool) -> Replay {
    let mut replay = Replay::new(if as_node { Direction::Inbound } else { Direction::Outbound });
    let theirs = steps.iter().filter(|s| s.connection == connection && s.from_node != as_node);
    for step in theirs {
        replay.feed(&step.wire());
    }
    replay
}

fn connections(recording: &Recording) -> Vec<String> {
    let mut names: Vec<_> = recording.steps.iter().map(|step| step.connection.clone()).collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn a_session_gets_along_with_all_that_the_node_says() {
    let mut conversations = 0;
    for recording in recordings() {
        for connection in connections(&recording) {
            let what = format!("{} {connection}", recording.name);
            let replay = replay(&recording.steps, &connection, false);
            assert_eq!(replay.closed, None, "{what}");
            // The only oddity: its pongs answer the tester's pings, not ours.
            let answers = recording.steps.iter().filter(|s| {
                s.connection == connection && s.from_node && s.command == Command::PONG
            });
            assert_eq!(replay.session.score() as usize, answers.count(), "{what}");
            let facts = replay.facts.expect(&what);
            assert_eq!((facts.version, facts.has_extensions()), (70012, false));
            assert_eq!(facts.user_agent, "/metaverse:0.9.1/");
            // What the node said after the handshake arrives, all of it.
            let needs_the_node = |step: &&Step| {
                step.connection == connection
                    && step.from_node
                    && !["version", "verack", "ping", "pong"].contains(&step.command.as_str())
                    && step.payload != [0][..] // an empty inv says nothing
            };
            let said = recording.steps.iter().filter(needs_the_node).count();
            let data = replay.delivered.iter().filter(|m| matches!(m, PeerMessage::GetData(_)));
            let portions = data.clone().count();
            let items: usize =
                data.map(|m| if let PeerMessage::GetData(i) = m { i.len() } else { 0 }).sum();
            let requests = recording.steps.iter().filter(needs_the_node);
            let requests: Vec<_> = requests.filter(|s| s.command == Command::GETDATA).collect();
            let asked: usize = requests.iter().map(|s| s.payload.len() / 36).sum();
            assert_eq!(items, asked, "{what}");
            assert_eq!(replay.delivered.len() - portions, said - requests.len(), "{what}");
            // Nothing that it would not understand went out.
            assert!(replay.sent.iter().all(|message| message.command().is_common()), "{what}");
            let pongs = replay.sent.iter().filter(|m| matches!(m, Message::Pong(_))).count();
            let pings = recording.steps.iter().filter(|s| {
                s.connection == connection && s.from_node && s.command == Command::PING
            });
            assert_eq!(pongs, pings.count(), "{what}");
            conversations += 1;
        }
    }
    assert!(conversations >= 30, "{conversations}");
}

#[test]
fn a_session_in_the_place_of_the_node_closes_on_what_cannot_be_right() {
    // What the C++ node closes on, and what we make of it.
    let ours = [
        ("unknown command", None),
        ("feefilter", None),
        ("trailing byte after getaddr", Some("p2p.length")),
        ("trailing byte after ping", Some("p2p.length")),
        ("truncated ping", Some("p2p.payload")),
        ("bad checksum", Some("p2p.checksum")),
        ("announced length 1800004", Some("p2p.length")),
        ("sendheaders from a 70011 peer", None),
        ("pong with a wrong nonce", None),
        ("sendcmpct from a 70012 peer", None),
        ("version 31401", Some("p2p.close.obsolete")),
        ("wrong magic", Some("p2p.magic")),
    ];
    let mut seen = 0;
    for recording in recordings() {
        for connection in connections(&recording) {
            let case = recording
                .events
                .iter()
                .find_map(|(of, event)| event.strip_prefix("case: ").filter(|_| *of == connection));
            let known = case.and_then(|case| ours.iter().find(|(text, _)| case.starts_with(text)));
            let expected = known.and_then(|(_, code)| *code);
            seen += usize::from(known.is_some());
            let replay = replay(&recording.steps, &connection, true);
            let closed = replay.closed.map(|(code, _)| code);
            assert_eq!(closed, expected, "{} {connection} {case:?}", recording.name);
            if closed != Some("p2p.close.obsolete") {
                assert!(replay.facts.is_some());
            }
        }
    }
    assert_eq!(seen, ours.len());
}

#[test]
fn our_locators_are_those_of_the_node() {
    let chain = ChainA::load();
    let mut compared = 0;
    for recording in recordings().iter().filter(|r| r.name == "client-sync.json") {
        for step in recording.steps.iter().filter(|s| s.from_node) {
            if step.command != Command::GETHEADERS {
                continue;
            }
            let locator = Locator::decode(&step.payload).unwrap();
            let tip = locator.hashes.first().unwrap();
            let Some(tip) = chain.0.iter().find(|block| block.hash() == *tip) else { continue };
            let ours = locator_heights(tip.header().number);
            let (genesis, above) = ours.split_last().unwrap();
            assert_eq!(*genesis, Height::GENESIS);
            let hash = |height: &Height| chain.at(height.value() as usize).hash();
            let ours: Vec<BlockHash> = above.iter().map(hash).collect();
            assert_eq!(ours, locator.hashes[..locator.hashes.len() - 1]);
            compared += 1;
        }
    }
    assert!(compared >= 5, "{compared}");
}

#[test]
fn headers_of_the_chain_pass_as_they_are() {
    let chain = ChainA::load();
    assert_eq!(chain.0.len(), 3166);
    for block in &chain.0 {
        assert_eq!(Header::decode(&block.bytes()[..148]).unwrap().hash(), block.hash());
        let message = Message::Block(block.clone());
        assert_eq!(Message::decode(&message.to_frame()).unwrap(), message);
    }
}

/// Blocks of the real networks pass through the codec as they are.
#[test]
fn blocks_of_the_real_networks_pass_the_wire() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testnet/kit/data/blocks.json");
    let vectors: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let mut versions = Vec::new();
    for vector in vectors["vectors"].as_array().unwrap() {
        // Of some blocks the source gives fields only.
        let Some(hex) = vector["raw_block_hex"].as_str() else { continue };
        let bytes = hex::decode(hex).unwrap();
        let sent = Message::Block(RawBlock::from_wire(bytes.clone().into()).unwrap());
        let wire = sent.to_frame().to_bytes(MAGIC);
        let mut input = &wire[..];
        let frame = FrameReader::new(MAGIC).read(&mut input).unwrap().unwrap();
        assert!(input.is_empty());
        let Message::Block(block) = Message::decode(&frame).unwrap() else {
            panic!("another message")
        };
        assert_eq!(block.bytes(), &bytes);
        assert_eq!(block.hash().to_string(), vector["hash"].as_str().unwrap());
        assert_eq!(u64::from(block.header().number.value()), vector["height"].as_u64().unwrap());
        let (decoded, txids) = Block::decode_with_ids(block.bytes()).unwrap();
        assert_eq!(decoded.to_bytes(), bytes);
        let expected: Vec<&str> =
            vector["txids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
        let txids: Vec<String> = txids.iter().map(ToString::to_string).collect();
        assert_eq!(txids, expected);
        versions.push(decoded.header.version.number());
    }
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions, [1, 2], "blocks of work and of stake are among them");
}
