//! A peer that a test speaks for, line by line.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use mvs_consensus::params::Params;
use mvs_node::p2p::codec::{FrameReader, Magic};
use mvs_node::p2p::message::{HeaderEntry, Message, PROTOCOL_VERSION, Services, Version};
use mvs_primitives::height::Height;

use super::world::feed;

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long one look for messages takes when none is there.
const LOOK: Duration = Duration::from_millis(20);
/// Headers in an answer.
const HEADERS: usize = 500;

/// A connection that looks like one of the first node.
pub(crate) struct Stranger {
    stream: TcpStream,
    magic: Magic,
    reader: FrameReader,
    input: Vec<u8>,
    pings: u64,
}

impl Stranger {
    /// Connects and shakes hands.
    pub(crate) fn connect(address: SocketAddr, start_height: u32) -> Self {
        let magic = Magic::from_number(Params::devnet().magic);
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LOOK)).unwrap();
        let own = stream.local_addr().unwrap();
        let (reader, input) = (FrameReader::new(magic), Vec::new());
        let mut peer = Self { stream, magic, reader, input, pings: 0 };
        peer.send(&Message::Version(Version {
            value: PROTOCOL_VERSION,
            services: Services::NETWORK,
            timestamp_unix_secs: 1,
            receiver_services: Services::NETWORK,
            receiver: address,
            sender_services: Services::NETWORK,
            sender: own,
            nonce: u64::from(own.port()) << 16 | 1,
            user_agent: b"/stranger:1/".to_vec(),
            start_height: Height::new(start_height),
            relay: Some(true),
        }));
        peer.send(&Message::Verack);
        peer.find("verack", |message| matches!(message, Message::Verack).then_some(()));
        peer
    }

    /// Sends a message.
    pub(crate) fn send(&mut self, message: &Message) {
        self.stream.write_all(&message.to_frame().to_bytes(self.magic)).unwrap();
    }

    /// Returns the next message that is no ping, if one comes soon. Panics when the connection ends.
    pub(crate) fn next(&mut self) -> Option<Message> {
        self.next_or_end().expect("the connection goes on")
    }

    /// The same; an error is the end of the connection.
    pub(crate) fn next_or_end(&mut self) -> Result<Option<Message>, ErrorKind> {
        loop {
            let mut input = &self.input[..];
            let frame = self.reader.read(&mut input).unwrap();
            let left = input.len();
            self.input.drain(..self.input.len() - left);
            if let Some(frame) = frame {
                match Message::decode(&frame).unwrap() {
                    Message::Ping(nonce) => self.send(&Message::Pong(nonce.unwrap_or_default())),
                    message => return Ok(Some(message)),
                }
                continue;
            }
            let mut more = vec![0; 4096];
            match self.stream.read(&mut more) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof),
                Ok(len) => self.input.extend_from_slice(&more[..len]),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(error.kind()),
            }
        }
    }

    /// Reads until a message fits; the others are dropped.
    pub(crate) fn find<T>(&mut self, what: &str, fits: impl Fn(&Message) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = self.next().and_then(|message| fits(&message)) {
                return found;
            }
            assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        }
    }

    /// Sends a ping and reads until its pong. Returns what came in between.
    pub(crate) fn settle(&mut self) -> Vec<Message> {
        self.pings += 1;
        let nonce = self.pings;
        self.send(&Message::Ping(Some(nonce)));
        let start = Instant::now();
        let mut between = Vec::new();
        loop {
            match self.next() {
                Some(Message::Pong(answer)) if answer == nonce => return between,
                Some(message) => between.push(message),
                None => assert!(start.elapsed() < PATIENCE, "no pong"),
            }
        }
    }

    /// Answers requests for headers out of a chain that begins with block 1.
    pub(crate) fn answer_headers(&mut self, blocks: &[Vec<u8>]) {
        for message in self.settle() {
            let Message::GetHeaders(locator) = message else { continue };
            let known = |hash| blocks.iter().position(|block| feed(block).hash() == hash);
            let from = locator.hashes.iter().find_map(|hash| known(*hash)).map_or(0, |at| at + 1);
            let entries: Vec<HeaderEntry> = blocks[from..]
                .iter()
                .take(HEADERS)
                .map(|block| HeaderEntry {
                    header: feed(block).header().clone(),
                    transaction_count: 1,
                })
                .collect();
            if !entries.is_empty() {
                self.send(&Message::Headers(entries));
            }
        }
    }
}
