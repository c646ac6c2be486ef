//! Messages in bytes (p2p.md 3 to 6). Our own code, apart from the node's.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mvs_primitives::hash::sha256d;

/// A hash in the order of the wire.
pub type Hash = [u8; 32];

/// Magic of the main network and of development networks, as bytes (p2p.md 1).
pub const MAGIC: [u8; 4] = *b"MVSM";

/// Bytes of a message before its payload.
pub const FRAME_BYTES: usize = 24;

/// The largest payload (p2p.md 3).
pub const MAX_PAYLOAD_BYTES: usize = 1_800_003;

/// Bytes of a block header (p2p.md 6).
pub const HEADER_BYTES: usize = 148;

/// Inventory type of a transaction.
pub const INV_TX: u32 = 1;
/// Inventory type of a block.
pub const INV_BLOCK: u32 = 2;

/// The commands that the first node dispatches at protocol 70012 (p2p.md 4). It drops a peer that
/// sends anything else.
pub const KNOWN_COMMANDS: [&str; 21] = [
    "version",
    "verack",
    "addr",
    "getaddr",
    "ping",
    "pong",
    "inv",
    "getdata",
    "notfound",
    "getblocks",
    "getheaders",
    "headers",
    "block",
    "tx",
    "mempool",
    "sendheaders",
    "reject",
    "filterload",
    "filteradd",
    "filterclear",
    "merkleblock",
];

/// How long a peer may refuse to take bytes before a writer gives up.
const WRITE_LIMIT: Duration = Duration::from_secs(30);

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Command without its padding.
    pub command: String,
    /// Payload.
    pub payload: Vec<u8>,
}

/// What came of an attempt to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A whole message.
    Message(Message),
    /// The other side ended the connection, orderly or not.
    Closed,
    /// The time is up.
    Nothing,
}

/// A connection that carries messages.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    magic: [u8; 4],
    buffer: Vec<u8>,
    received: u64,
}

impl Wire {
    /// Connects.
    ///
    /// # Errors
    /// When nobody accepts within the limit.
    pub fn dial(address: SocketAddr, magic: [u8; 4], limit: Duration) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, limit)
            .with_context(|| format!("cannot connect to {address}"))?;
        Self::over(stream, magic)
    }

    /// Takes over a connection.
    ///
    /// # Errors
    /// When the connection is gone already.
    pub fn over(stream: TcpStream, magic: [u8; 4]) -> Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE_LIMIT))?;
        Ok(Self { stream, magic, buffer: Vec::new(), received: 0 })
    }

    /// Sets how long the other side may refuse to take bytes before a send fails.
    ///
    /// # Errors
    /// When the limit is zero.
    pub fn set_write_limit(&self, limit: Duration) -> Result<()> {
        Ok(self.stream.set_write_timeout(Some(limit))?)
    }

    /// Returns a second handle that only writes.
    ///
    /// # Errors
    /// When the system has no handle left.
    pub fn writer(&self) -> Result<Writer> {
        Ok(Writer { stream: self.stream.try_clone()?, magic: self.magic })
    }

    /// Returns the bytes received so far.
    pub const fn received_bytes(&self) -> u64 {
        self.received
    }

    /// Sends a message.
    ///
    /// # Errors
    /// When the other side is gone or takes no bytes.
    pub fn send(&mut self, command: &str, payload: &[u8]) -> Result<()> {
        self.send_raw(&frame(self.magic, command, payload))
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the other side is gone or takes no bytes.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).context("cannot send")
    }

    /// Ends the connection.
    pub fn close(&self) {
        // It may be closed already, which is as good.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Reads the next message.
    ///
    /// # Errors
    /// When the bytes are no message of this network.
    pub fn read(&mut self, limit: Duration) -> Result<Incoming> {
        let end = Instant::now() + limit;
        loop {
            if let Some(message) = take_message(self.magic, &mut self.buffer)? {
                return Ok(Incoming::Message(message));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Incoming::Nothing);
            }
            self.stream.set_read_timeout(Some(left))?;
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(Incoming::Closed),
                Ok(length) => {
                    self.received += length as u64; // widening
                    self.buffer.extend_from_slice(&chunk[..length]);
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Ok(Incoming::Nothing),
                    ErrorKind::Interrupted => {}
                    _ => return Ok(Incoming::Closed),
                },
            }
        }
    }
}

/// The writing half of a connection.
#[derive(Debug)]
pub struct Writer {
    stream: TcpStream,
    magic: [u8; 4],
}

impl Writer {
    /// Sends a message.
    ///
    /// # Errors
    /// When the other side is gone or takes no bytes.
    pub fn send(&mut self, command: &str, payload: &[u8]) -> Result<()> {
        self.send_raw(&frame(self.magic, command, payload))
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the other side is gone or takes no bytes.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).context("cannot send")
    }

    /// Ends the connection.
    pub fn close(&self) {
        // It may be closed already, which is as good.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// Puts a payload into a frame.
pub fn frame(magic: [u8; 4], command: &str, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("payloads of tests are small");
    frame_as(magic, command, payload, length, checksum(payload))
}

/// The same with a length and a checksum that may be wrong.
pub fn frame_as(
    magic: [u8; 4],
    command: &str,
    payload: &[u8],
    length: u32,
    checksum: [u8; 4],
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FRAME_BYTES + payload.len());
    bytes.extend_from_slice(&magic);
    let mut padded = [0; 12];
    for (to, from) in padded.iter_mut().zip(command.bytes()) {
        *to = from;
    }
    bytes.extend_from_slice(&padded);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&checksum);
    bytes.extend_from_slice(payload);
    bytes
}

/// Returns the checksum of a payload.
pub fn checksum(payload: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = sha256d(payload);
    [a, b, c, d]
}

/// Takes the first whole message out of a buffer. As strict as the first node.
fn take_message(magic: [u8; 4], buffer: &mut Vec<u8>) -> Result<Option<Message>> {
    let Some((frame, rest)) = buffer.split_at_checked(FRAME_BYTES) else { return Ok(None) };
    ensure!(frame[..4] == magic, "magic {}", hex::encode(&frame[..4]));
    let padded = &frame[4..16];
    let end = padded.iter().position(|byte| *byte == 0).unwrap_or(padded.len());
    ensure!(padded[end..].iter().all(|byte| *byte == 0), "a command with bytes behind its end");
    let command = std::str::from_utf8(&padded[..end]).context("a command is no text")?.to_owned();
    let length = u32::from_le_bytes([frame[16], frame[17], frame[18], frame[19]]);
    let length = usize::try_from(length)?;
    ensure!(length <= MAX_PAYLOAD_BYTES, "{command} announces {length} bytes");
    let Some(payload) = rest.get(..length) else { return Ok(None) };
    ensure!(checksum(payload) == frame[20..24], "{command} with a wrong checksum");
    let payload = payload.to_vec();
    buffer.drain(..FRAME_BYTES + length);
    Ok(Some(Message { command, payload }))
}

/// Writes a count.
pub fn put_count(to: &mut Vec<u8>, count: u64) {
    match count {
        0..=0xfc => to.push(count as u8), // below 253
        0xfd..=0xffff => {
            to.push(0xfd);
            to.extend_from_slice(&(count as u16).to_le_bytes()); // below 2^16
        }
        0x1_0000..=0xffff_ffff => {
            to.push(0xfe);
            to.extend_from_slice(&(count as u32).to_le_bytes()); // below 2^32
        }
        _ => {
            to.push(0xff);
            to.extend_from_slice(&count.to_le_bytes());
        }
    }
}

/// Reads a payload from front to back.
#[derive(Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Starts at the front.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Takes bytes.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let Some((taken, rest)) = self.0.split_at_checked(count) else {
            bail!("{count} bytes wanted, {} left", self.0.len());
        };
        self.0 = rest;
        Ok(taken)
    }

    /// Takes an array.
    ///
    /// # Errors
    /// When there are fewer bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into()?)
    }

    /// Takes a count, which must fit into what is left at `each` bytes an item.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn count(&mut self, each: usize) -> Result<usize> {
        let count = match self.array::<1>()? {
            [0xfd] => u64::from(u16::from_le_bytes(self.array()?)),
            [0xfe] => u64::from(u32::from_le_bytes(self.array()?)),
            [0xff] => u64::from_le_bytes(self.array()?),
            [byte] => u64::from(byte),
        };
        let count = usize::try_from(count)?;
        let fits = count.checked_mul(each).is_some_and(|bytes| bytes <= self.0.len());
        ensure!(fits, "{count} items of {each} bytes in {} bytes", self.0.len());
        Ok(count)
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// When something is.
    pub fn end(&self) -> Result<()> {
        ensure!(self.0.is_empty(), "{} bytes behind the payload", self.0.len());
        Ok(())
    }
}

/// Payload of `version` (p2p.md 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Protocol number.
    pub value: u32,
    /// Service bits.
    pub services: u64,
    /// Clock in seconds.
    pub timestamp: u64,
    /// Not zero.
    pub nonce: u64,
    /// Name of the program.
    pub user_agent: String,
    /// Height of the sender.
    pub start_height: u32,
    /// Wants transactions.
    pub relay: bool,
}

impl Version {
    /// Returns the payload.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut to = Vec::new();
        to.extend_from_slice(&self.value.to_le_bytes());
        to.extend_from_slice(&self.services.to_le_bytes());
        to.extend_from_slice(&self.timestamp.to_le_bytes());
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        put_address(&mut to, 1, nowhere);
        put_address(&mut to, 1, nowhere);
        to.extend_from_slice(&self.nonce.to_le_bytes());
        put_count(&mut to, self.user_agent.len() as u64); // widening
        to.extend_from_slice(self.user_agent.as_bytes());
        to.extend_from_slice(&self.start_height.to_le_bytes());
        to.push(u8::from(self.relay));
        to
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(payload: &[u8]) -> Result<Self> {
        let mut from = Reader::new(payload);
        let value = u32::from_le_bytes(from.array()?);
        let services = u64::from_le_bytes(from.array()?);
        let timestamp = u64::from_le_bytes(from.array()?);
        from.take(2 * 26)?;
        let nonce = u64::from_le_bytes(from.array()?);
        let length = from.count(1)?;
        let user_agent = String::from_utf8(from.take(length)?.to_vec())?;
        let start_height = u32::from_le_bytes(from.array()?);
        let [relay] = from.array()?;
        from.end()?;
        let relay = relay != 0;
        Ok(Self { value, services, timestamp, nonce, user_agent, start_height, relay })
    }
}

fn put_address(to: &mut Vec<u8>, services: u64, address: SocketAddr) {
    let ip: Ipv6Addr = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    to.extend_from_slice(&services.to_le_bytes());
    to.extend_from_slice(&ip.octets());
    to.extend_from_slice(&address.port().to_be_bytes());
}

/// Payload of `addr`.
pub fn addr(timestamp: u32, addresses: &[SocketAddr]) -> Vec<u8> {
    let mut to = Vec::new();
    put_count(&mut to, addresses.len() as u64); // widening
    for address in addresses {
        to.extend_from_slice(&timestamp.to_le_bytes());
        put_address(&mut to, 1, *address);
    }
    to
}

/// Payload of `inv`, `getdata` and `notfound`.
pub fn inventory(items: impl IntoIterator<Item = (u32, Hash)>) -> Vec<u8> {
    let mut list = Vec::new();
    let mut count = 0;
    for (kind, hash) in items {
        count += 1;
        list.extend_from_slice(&kind.to_le_bytes());
        list.extend_from_slice(&hash);
    }
    let mut to = Vec::new();
    put_count(&mut to, count);
    to.append(&mut list);
    to
}

/// Reads `inv`, `getdata` or `notfound`.
///
/// # Errors
/// When the payload is none.
pub fn parse_inventory(payload: &[u8]) -> Result<Vec<(u32, Hash)>> {
    let mut from = Reader::new(payload);
    let count = from.count(36)?;
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        items.push((u32::from_le_bytes(from.array()?), from.array()?));
    }
    from.end()?;
    Ok(items)
}

/// Payload of `getheaders` and `getblocks`.
pub fn locator(hashes: &[Hash], stop: Hash) -> Vec<u8> {
    let mut to = 70_012u32.to_le_bytes().to_vec();
    put_count(&mut to, hashes.len() as u64); // widening
    hashes.iter().for_each(|hash| to.extend_from_slice(hash));
    to.extend_from_slice(&stop);
    to
}

/// Reads `getheaders` or `getblocks`: the locator and the stop hash.
///
/// # Errors
/// When the payload is none.
pub fn parse_locator(payload: &[u8]) -> Result<(Vec<Hash>, Hash)> {
    let mut from = Reader::new(payload);
    from.take(4)?;
    let count = from.count(32)?;
    let hashes = (0..count).map(|_| from.array()).collect::<Result<_>>()?;
    let stop = from.array()?;
    from.end()?;
    Ok((hashes, stop))
}

/// Payload of `headers`: each header with a count of transactions.
pub fn headers<'a>(entries: impl IntoIterator<Item = (&'a [u8], u64)>) -> Vec<u8> {
    let mut list = Vec::new();
    let mut count = 0;
    for (header, transactions) in entries {
        count += 1;
        list.extend_from_slice(header);
        put_count(&mut list, transactions);
    }
    let mut to = Vec::new();
    put_count(&mut to, count);
    to.append(&mut list);
    to
}

/// Reads `headers`.
///
/// # Errors
/// When the payload is none.
pub fn parse_headers(payload: &[u8]) -> Result<Vec<[u8; HEADER_BYTES]>> {
    let mut from = Reader::new(payload);
    let count = from.count(HEADER_BYTES + 1)?;
    let mut headers = Vec::with_capacity(count);
    for _ in 0..count {
        headers.push(from.array()?);
        from.count(0)?;
    }
    from.end()?;
    Ok(headers)
}

/// Returns the hash of the header that a block starts with.
///
/// # Panics
/// When there are fewer bytes than a header has.
pub fn block_hash(block: &[u8]) -> Hash {
    sha256d(block.get(..HEADER_BYTES).expect("a block starts with a header"))
}

/// Returns a hash as people write it.
pub fn display(hash: &Hash) -> String {
    hex::encode(hash.iter().rev().copied().collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_those_of_the_network() {
        let bytes = frame(MAGIC, "verack", b"");
        assert_eq!(hex::encode(&bytes), "4d56534d76657261636b000000000000000000005df6e0e2");
        let mut buffer = bytes.clone();
        buffer.extend_from_slice(&bytes[..20]);
        let message = take_message(MAGIC, &mut buffer).unwrap().unwrap();
        assert_eq!((message.command.as_str(), message.payload.len()), ("verack", 0));
        assert_eq!(take_message(MAGIC, &mut buffer).unwrap(), None);
        assert_eq!(buffer.len(), 20);
        buffer[0] ^= 1;
        buffer.extend_from_slice(&bytes[20..]);
        assert!(take_message(MAGIC, &mut buffer).is_err());
    }

    #[test]
    fn payloads_are_read_back() {
        let version = Version {
            value: 70_012,
            services: 1,
            timestamp: 9,
            nonce: 8,
            user_agent: "/metaverse:0.9.1/".into(),
            start_height: 7,
            relay: true,
        };
        assert_eq!(Version::parse(&version.to_bytes()).unwrap(), version);
        let items = vec![(INV_TX, [1; 32]), (INV_BLOCK, [2; 32])];
        assert_eq!(parse_inventory(&inventory(items.clone())).unwrap(), items);
        let hashes = vec![[3; 32], [4; 32]];
        let read = parse_locator(&locator(&hashes, [0; 32])).unwrap();
        assert_eq!(read, (hashes, [0; 32]));
        let header = [5; HEADER_BYTES];
        let payload = headers([(&header[..], 0), (&header[..], 300)]);
        assert_eq!(parse_headers(&payload).unwrap(), vec![header; 2]);
    }

    #[test]
    fn counts_are_believed_only_if_they_fit() {
        for (count, length) in [(0xfc, 1), (0xfd, 3), (0xffff, 3), (0x1_0000, 5), (1 << 32, 9)] {
            let mut bytes = Vec::new();
            put_count(&mut bytes, count);
            assert_eq!(bytes.len(), length);
            assert!(Reader::new(&bytes).count(1).is_err());
            assert_eq!(Reader::new(&bytes).count(0).unwrap() as u64, count);
        }
    }
}
