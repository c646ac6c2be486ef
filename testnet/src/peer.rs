//! One end of a conversation, scripted line by line.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};

use crate::wire::{Incoming, MAGIC, Message, Version, Wire};

/// How long a peer waits for an answer if a test says nothing else. Generous: the machine may be
/// building at the same time.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What a peer says about itself.
#[derive(Debug, Clone)]
pub struct Introduction {
    /// Magic of the network.
    pub magic: [u8; 4],
    /// Protocol number.
    pub protocol: u32,
    /// Name of the program.
    pub user_agent: String,
    /// Height that it claims.
    pub start_height: u32,
    /// Wants transactions.
    pub relay: bool,
}

impl Default for Introduction {
    /// As the first node, version 0.9.1, with an empty chain.
    fn default() -> Self {
        Self {
            magic: MAGIC,
            protocol: 70_012,
            user_agent: "/metaverse:0.9.1/".into(),
            start_height: 0,
            relay: true,
        }
    }
}

impl Introduction {
    /// Returns the same with a height.
    #[must_use]
    pub const fn at(mut self, start_height: u32) -> Self {
        self.start_height = start_height;
        self
    }

    /// Returns the same on another network.
    #[must_use]
    pub const fn on(mut self, magic: [u8; 4]) -> Self {
        self.magic = magic;
        self
    }

    /// Returns the payload of the `version` message.
    pub fn version(&self) -> Vec<u8> {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Version {
            value: self.protocol,
            services: 1,
            timestamp: clock.as_secs(),
            nonce: u64::from(clock.subsec_nanos()) << 8 | 1,
            user_agent: self.user_agent.clone(),
            start_height: self.start_height,
            relay: self.relay,
        }
        .to_bytes()
    }
}

/// A peer after the handshake. Pings are answered whenever it reads.
#[derive(Debug)]
pub struct Peer {
    /// The connection.
    pub wire: Wire,
    /// What the other side said about itself.
    pub theirs: Version,
}

impl Peer {
    /// Connects and shakes hands.
    ///
    /// # Errors
    /// When nobody accepts, or the other side does not finish the handshake.
    pub fn connect(address: SocketAddr, introduction: &Introduction) -> Result<Self> {
        Self::shake(Wire::dial(address, introduction.magic, PATIENCE)?, introduction)
    }

    /// Shakes hands over an accepted connection.
    ///
    /// # Errors
    /// When the other side does not finish the handshake.
    pub fn accept(stream: TcpStream, introduction: &Introduction) -> Result<Self> {
        Self::shake(Wire::over(stream, introduction.magic)?, introduction)
    }

    /// Both sides send `version` at once and answer the other's with `verack`.
    fn shake(mut wire: Wire, introduction: &Introduction) -> Result<Self> {
        wire.send("version", &introduction.version())?;
        let (mut theirs, mut confirmed) = (None, false);
        let end = Instant::now() + PATIENCE;
        loop {
            if let (Some(theirs), true) = (&theirs, confirmed) {
                return Ok(Self { wire, theirs: Version::clone(theirs) });
            }
            match wire.read(end.saturating_duration_since(Instant::now()))? {
                Incoming::Message(message) => match message.command.as_str() {
                    "version" => {
                        theirs = Some(Version::parse(&message.payload)?);
                        wire.send("verack", b"")?;
                    }
                    "verack" => confirmed = true,
                    other => bail!("{other} before the end of the handshake"),
                },
                Incoming::Closed => bail!("closed during the handshake"),
                Incoming::Nothing => bail!("no handshake within {PATIENCE:?}"),
            }
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// When the other side is gone.
    pub fn send(&mut self, command: &str, payload: &[u8]) -> Result<()> {
        self.wire.send(command, payload)
    }

    /// Reads the next message that is no ping.
    ///
    /// # Errors
    /// When the other side sends what is no message.
    pub fn next(&mut self, limit: Duration) -> Result<Incoming> {
        let end = Instant::now() + limit;
        loop {
            match self.wire.read(end.saturating_duration_since(Instant::now()))? {
                Incoming::Message(message) if message.command == "ping" => {
                    if self.wire.send("pong", &message.payload).is_err() {
                        return Ok(Incoming::Closed);
                    }
                }
                other => return Ok(other),
            }
        }
    }

    /// Reads until a message fits; the others are dropped.
    ///
    /// # Errors
    /// When the other side ends the connection or the time is up.
    pub fn find<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut fits: impl FnMut(&Message) -> Option<T>,
    ) -> Result<T> {
        let end = Instant::now() + limit;
        let mut others: Vec<String> = Vec::new();
        loop {
            match self.next(end.saturating_duration_since(Instant::now()))? {
                Incoming::Message(message) => match fits(&message) {
                    Some(found) => return Ok(found),
                    None => others.push(message.command),
                },
                Incoming::Closed => bail!("closed while waiting for {what}; came: {others:?}"),
                Incoming::Nothing => bail!("no {what} within {limit:?}; came: {others:?}"),
            }
        }
    }

    /// Reads until a command comes and returns its payload.
    ///
    /// # Errors
    /// When the other side ends the connection or the time is up.
    pub fn expect(&mut self, command: &str) -> Result<Vec<u8>> {
        self.find(command, PATIENCE, |message| {
            (message.command == command).then(|| message.payload.clone())
        })
    }

    /// Sends a ping and reads until its pong: what was sent before has been looked at by then.
    /// Returns the messages that came in between.
    ///
    /// # Errors
    /// When the other side ends the connection or the time is up.
    pub fn settle(&mut self) -> Result<Vec<Message>> {
        let nonce = self.wire.received_bytes().wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
        self.send("ping", &nonce)?;
        let mut between = Vec::new();
        self.find("pong", PATIENCE, |message| {
            if message.command == "pong" && message.payload == nonce {
                return Some(());
            }
            between.push(message.clone());
            None
        })?;
        Ok(between)
    }

    /// Reads until the other side ends the connection; what came before the end.
    ///
    /// # Errors
    /// When it does not within the limit.
    pub fn until_closed(&mut self, limit: Duration) -> Result<Vec<Message>> {
        let end = Instant::now() + limit;
        let mut before = Vec::new();
        loop {
            match self.next(end.saturating_duration_since(Instant::now()))? {
                Incoming::Message(message) => before.push(message),
                Incoming::Closed => return Ok(before),
                Incoming::Nothing => bail!("still connected after {limit:?}"),
            }
        }
    }
}
