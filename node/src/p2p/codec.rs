//! Frames: the 24 bytes before every payload (p2p.md 3).
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | magic of the network |
//! | 4 | 12 | command, ASCII padded with zeros |
//! | 16 | 4 | payload length in bytes, u32 LE |
//! | 20 | 4 | first four bytes of `sha256d(payload)` |

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use mvs_primitives::encode::MAX_PAYLOAD_BYTES;
use mvs_primitives::hash::sha256d;

use super::api::TrafficClass;
use super::error::WireError;

mod reader;

pub use reader::{FrameReader, READ_AHEAD_BYTES};

/// Length of a frame's header in bytes.
pub const FRAME_HEADER_BYTES: usize = 24;

/// Largest payload of any frame in bytes: [`MAX_PAYLOAD_BYTES`] in the width of the length field.
pub const MAX_FRAME_PAYLOAD: u32 = MAX_PAYLOAD_BYTES as u32; // 1,800,003

/// The first four bytes of every frame on one network.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Magic([u8; 4]);

impl Magic {
    /// Makes the magic of the configured number; its little-endian bytes are on the wire.
    pub const fn from_number(number: u32) -> Self {
        Self(number.to_le_bytes())
    }

    /// Returns the bytes in wire order.
    pub const fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }
}

impl fmt::Debug for Magic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Magic({})", self.0.escape_ascii())
    }
}

/// The name of a message: up to twelve ASCII bytes, padded with zeros.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Command([u8; 12]);

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $max:expr;)*) => {
        impl Command {
            $($(#[$doc])* pub const $name: Self = Self::from_text($text);)*

            /// Every command of the protocol.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Returns the longest payload that the command can have in bytes, `None` for a command that
            /// the protocol does not know.
            pub const fn max_payload(self) -> Option<u32> {
                $(if self.is(Self::$name) { return Some($max); })*
                None
            }
        }
    };
}

/// An inventory list: a count and 50,000 items of 36 bytes, the largest payload there is.
const INVENTORY: u32 = MAX_FRAME_PAYLOAD;
/// A version, a count of at most 3 bytes, [`super::message::MAX_LOCATOR_HASHES`] hashes and a stop.
const LOCATOR: u32 = 4 + 1 + 32 * 101 + 32;

commands! {
    /// Opens a conversation.
    VERSION = "version", 1024;
    /// Answers `version`.
    VERACK = "verack", 0;
    /// Known addresses.
    ADDR = "addr", 3 + 30 * 1000;
    /// Asks for addresses.
    GETADDR = "getaddr", 0;
    /// Asks for a sign of life.
    PING = "ping", 8;
    /// Answers `ping`.
    PONG = "pong", 8;
    /// Names what the sender has.
    INV = "inv", INVENTORY;
    /// Asks for what `inv` named.
    GETDATA = "getdata", INVENTORY;
    /// Names what the sender does not have.
    NOTFOUND = "notfound", INVENTORY;
    /// Asks for block hashes.
    GETBLOCKS = "getblocks", LOCATOR;
    /// Asks for headers.
    GETHEADERS = "getheaders", LOCATOR;
    /// Headers, asked for or announced.
    HEADERS = "headers", 3 + 2000 * (148 + 5);
    /// A block.
    BLOCK = "block", MAX_FRAME_PAYLOAD;
    /// A transaction.
    TX = "tx", MAX_FRAME_PAYLOAD;
    /// Asks for the transactions that wait.
    MEMPOOL = "mempool", 0;
    /// Asks for announcements by `headers`.
    SENDHEADERS = "sendheaders", 0;
    /// Says what was wrong.
    REJECT = "reject", 512;
    /// Bloom filters: without meaning on this network.
    FILTERLOAD = "filterload", 9 + 36_000 + 9;
    /// Bloom filters: without meaning on this network.
    FILTERADD = "filteradd", 9 + 520;
    /// Bloom filters: without meaning on this network.
    FILTERCLEAR = "filterclear", 0;
    /// Bloom filters: without meaning on this network.
    MERKLEBLOCK = "merkleblock", MAX_FRAME_PAYLOAD;
    /// Ours: how block announcements may come.
    SENDCMPCT = "sendcmpct", 9;
    /// Ours: a block as short ids of its transactions.
    CMPCTBLOCK = "cmpctblock", MAX_FRAME_PAYLOAD;
    /// Ours: asks for the transactions that a compact block left open.
    GETBLOCKTXN = "getblocktxn", 32 + 3 + 3 * 50_000;
    /// Ours: answers `getblocktxn`.
    BLOCKTXN = "blocktxn", MAX_FRAME_PAYLOAD;
    /// Ours: the least fee rate that is worth announcing.
    FEEFILTER = "feefilter", 8;
}

impl Command {
    const fn from_text(text: &str) -> Self {
        let mut bytes = [0u8; 12];
        let text = text.as_bytes();
        let mut at = 0;
        while at < text.len() {
            bytes[at] = text[at]; // a longer name does not compile: this runs at compile time only
            at += 1;
        }
        Self(bytes)
    }

    const fn is(self, other: Self) -> bool {
        u128_of(self.0) == u128_of(other.0)
    }

    /// Reads the twelve bytes of a frame header.
    ///
    /// # Errors
    /// [`WireError::CommandText`] when they are not printable ASCII padded with zeros.
    pub fn from_wire(bytes: [u8; 12]) -> Result<Self, WireError> {
        let text_len = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        let (text, padding) = bytes.split_at(text_len);
        let sound = !text.is_empty()
            && text.iter().all(u8::is_ascii_graphic)
            && padding.iter().all(|byte| *byte == 0);
        if sound { Ok(Self(bytes)) } else { Err(WireError::CommandText(bytes)) }
    }

    /// Returns the twelve bytes of a frame header.
    pub const fn as_bytes(&self) -> &[u8; 12] {
        &self.0
    }

    /// Returns the name without padding.
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        self.0.get(..len).and_then(|text| str::from_utf8(text).ok()).unwrap_or("?")
    }

    /// Returns what bytes of this command are counted as.
    pub fn class(self) -> TrafficClass {
        match self {
            Self::HEADERS | Self::GETHEADERS | Self::GETBLOCKS => TrafficClass::Headers,
            Self::BLOCK | Self::CMPCTBLOCK | Self::GETBLOCKTXN | Self::BLOCKTXN => {
                TrafficClass::Blocks
            }
            Self::TX => TrafficClass::Transactions,
            Self::INV | Self::GETDATA | Self::NOTFOUND | Self::MEMPOOL => TrafficClass::Inventory,
            Self::ADDR | Self::GETADDR => TrafficClass::Addresses,
            _ => TrafficClass::Control,
        }
    }

    /// Tells whether a node that knows nothing of our extensions understands the command.
    ///
    /// The first node closes the connection on any other (p2p.md 3, items 3 and 4).
    pub fn is_common(self) -> bool {
        const OURS: [Command; 5] = [
            Command::SENDCMPCT,
            Command::CMPCTBLOCK,
            Command::GETBLOCKTXN,
            Command::BLOCKTXN,
            Command::FEEFILTER,
        ];
        self.max_payload().is_some() && !OURS.contains(&self)
    }
}

/// Widens for a comparison at compile time.
const fn u128_of(bytes: [u8; 12]) -> u128 {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = bytes;
    u128::from_le_bytes([a, b, c, d, e, f, g, h, i, j, k, l, 0, 0, 0, 0])
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({self})")
    }
}

/// A command and its payload, with the checksum verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The command.
    pub command: Command,
    /// The payload.
    pub payload: Bytes,
}

impl Frame {
    /// Returns the bytes on the wire.
    ///
    /// The payload must not be longer than [`MAX_FRAME_PAYLOAD`]; whoever builds messages sees to it.
    pub fn to_bytes(&self, magic: Magic) -> Bytes {
        let mut out = BytesMut::with_capacity(FRAME_HEADER_BYTES + self.payload.len());
        out.put_slice(&header(magic, self.command, &self.payload));
        out.put_slice(&self.payload);
        out.freeze()
    }
}

/// Returns the frame header of a payload.
pub fn header(magic: Magic, command: Command, payload: &[u8]) -> [u8; FRAME_HEADER_BYTES] {
    debug_assert!(payload.len() <= MAX_PAYLOAD_BYTES, "{command}: {} bytes", payload.len());
    let len = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
    let sum = checksum(payload);
    let mut bytes = [0; FRAME_HEADER_BYTES];
    let parts = magic.0.iter().chain(&command.0).chain(&len).chain(&sum);
    for (place, byte) in bytes.iter_mut().zip(parts) {
        *place = *byte;
    }
    bytes
}

/// Computes the checksum of a payload.
pub fn checksum(payload: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = sha256d(payload);
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::{Command, Magic, checksum, header};

    #[test]
    fn a_header_has_its_places() {
        let bytes = header(Magic::from_number(0x4d53_564d), Command::VERACK, &[]);
        // p2p.md 3: the checksum of nothing.
        assert_eq!(hex::encode(bytes), "4d56534d76657261636b000000000000000000005df6e0e2");
        assert_eq!(checksum(&[]), [0x5d, 0xf6, 0xe0, 0xe2]);
    }

    #[test]
    fn command_text_is_checked() {
        assert_eq!(Command::from_wire(*b"version\0\0\0\0\0"), Ok(Command::VERSION));
        assert_eq!(Command::from_wire(*b"twelve_bytes").unwrap().as_str(), "twelve_bytes");
        for bad in [*b"\0\0\0\0\0\0\0\0\0\0\0\0", *b"ver\0ion\0\0\0\0\0", *b"ver\xffion\0\0\0\0\0"]
        {
            assert_eq!(Command::from_wire(bad).unwrap_err().code(), "p2p.command_text");
        }
    }

    #[test]
    fn only_common_commands_may_go_to_every_peer() {
        assert!(Command::GETHEADERS.is_common());
        assert!(!Command::FEEFILTER.is_common());
        assert!(!Command::from_wire(*b"alert\0\0\0\0\0\0\0").unwrap().is_common());
        assert_eq!(Command::ALL.len(), 26);
    }
}
