//! Messages: what the payload of a frame means (p2p.md 4 and 5).
//!
//! Blocks and transactions stay raw bytes until somebody needs more of them. Lists are bounded by
//! their own limits, and never allocate more than the bytes that are there can hold.

use bytes::Bytes;
use mvs_primitives::encode::{CompactSize, Decode, DecodeError, Decoder, Encode};
use mvs_primitives::hash::BlockHash;
use mvs_primitives::header::{HEADER_BYTES, Header};

use super::codec::{self, Command, FRAME_HEADER_BYTES, Frame, Magic};
use super::error::WireError;

mod address;
mod compact;
mod inventory;
mod raw;
mod reject;
mod version;

pub use address::NetAddress;
pub use compact::{BlockTransactions, CompactBlock, Prefilled, ShortIdKey, TransactionsRequest};
pub use inventory::Inventory;
pub use raw::{RawBlock, RawTx};
pub use reject::Reject;
pub use version::{MIN_PEER_VERSION, PROTOCOL_VERSION, Services, Version};

/// Most entries of an `addr` (p2p.md 9: the first node keeps and sends at most 1000).
pub const MAX_ADDRESSES: usize = 1000;
/// Most entries of `inv`, `getdata` and `notfound` (p2p.md 3: the payload limit is made of it).
pub const MAX_INVENTORY: usize = 50_000;
/// Most hashes of a locator. The first node sends 10 + log2(height) + 1, which 32-bit heights keep
/// below 44, and accepts hardly more (p2p.md 7.1).
pub const MAX_LOCATOR_HASHES: usize = 101;
/// Most headers that go to a peer without our extensions (p2p.md 7.1).
pub const MAX_HEADERS: usize = 500;
/// Most headers in one message between nodes that both announce our extensions.
pub const MAX_HEADERS_EXTENDED: usize = 2000;

/// Where to go on from: hashes of the sender's chain, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Locator {
    /// Protocol version of the sender; nobody reads it.
    pub version: u32,
    /// Known hashes, newest first. The first node wants the genesis block as the last one.
    pub hashes: Vec<BlockHash>,
    /// Where the answer ends at the latest; all zero for "as far as possible".
    pub stop: BlockHash,
}

/// A header as `headers` carries it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HeaderEntry {
    /// The header.
    pub header: Header,
    /// Number of transactions. The first node writes 0 in answers and the true count in
    /// announcements; it must not be relied upon (p2p.md 6).
    pub transaction_count: u32,
}

/// A message of the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// Opens the conversation.
    Version(Version),
    /// Answers [`Message::Version`].
    Verack,
    /// Asks for a sign of life; without a nonce from peers older than 60001.
    Ping(Option<u64>),
    /// Answers [`Message::Ping`] with its nonce.
    Pong(u64),
    /// Asks for addresses.
    GetAddr,
    /// Known addresses.
    Addr(Vec<NetAddress>),
    /// What the sender has.
    Inv(Vec<Inventory>),
    /// What the sender wants.
    GetData(Vec<Inventory>),
    /// What the sender was asked for and does not have. Never sent by the first node for transactions.
    NotFound(Vec<Inventory>),
    /// Asks for headers after a locator.
    GetHeaders(Locator),
    /// Asks for an [`Message::Inv`] of blocks after a locator.
    GetBlocks(Locator),
    /// Headers, asked for or announced.
    Headers(Vec<HeaderEntry>),
    /// A block.
    Block(RawBlock),
    /// A transaction.
    Tx(RawTx),
    /// Asks for the transactions that wait.
    MemPool,
    /// Asks for announcements by `headers`, which is the rule here anyway.
    SendHeaders,
    /// Says what was wrong; nobody acts on it.
    Reject(Reject),
    /// Ours: a block as short ids.
    CompactBlock(CompactBlock),
    /// Ours: asks for transactions of a compact block.
    GetBlockTransactions(TransactionsRequest),
    /// Ours: answers [`Message::GetBlockTransactions`].
    BlockTransactions(BlockTransactions),
    /// Ours: the least fee in units per 1000 bytes that is worth announcing to the sender.
    FeeFilter(u64),
    /// A command that exists and that no node of this network acts on (bloom filters, `sendcmpct`).
    Inert {
        /// The command.
        command: Command,
        /// Its payload, unread.
        payload: Bytes,
    },
}

impl Message {
    /// Reads the message of a frame.
    ///
    /// # Errors
    /// [`WireError::Payload`], [`WireError::TooMany`], or [`WireError::UnknownCommand`].
    pub fn decode(frame: &Frame) -> Result<Self, WireError> {
        let Frame { command, payload } = frame;
        let command = *command;
        let bytes = &payload[..];
        let at = |source| WireError::Payload { command, source };
        Ok(match command {
            Command::VERSION => Self::Version(Version::decode(bytes).map_err(at)?),
            Command::VERACK => empty(bytes, Self::Verack).map_err(at)?,
            Command::PING if bytes.is_empty() => Self::Ping(None),
            Command::PING => Self::Ping(Some(number(bytes, "ping nonce").map_err(at)?)),
            Command::PONG => Self::Pong(number(bytes, "pong nonce").map_err(at)?),
            Command::GETADDR => empty(bytes, Self::GetAddr).map_err(at)?,
            Command::ADDR => Self::Addr(list(command, bytes, MAX_ADDRESSES)?),
            Command::INV => Self::Inv(list(command, bytes, MAX_INVENTORY)?),
            Command::GETDATA => Self::GetData(list(command, bytes, MAX_INVENTORY)?),
            Command::NOTFOUND => Self::NotFound(list(command, bytes, MAX_INVENTORY)?),
            Command::GETHEADERS => Self::GetHeaders(locator(command, bytes)?),
            Command::GETBLOCKS => Self::GetBlocks(locator(command, bytes)?),
            Command::HEADERS => Self::Headers(list(command, bytes, MAX_HEADERS_EXTENDED)?),
            Command::BLOCK => Self::Block(RawBlock::from_wire(payload.clone()).map_err(at)?),
            Command::TX => Self::Tx(RawTx::from_wire(payload.clone()).map_err(at)?),
            Command::MEMPOOL => empty(bytes, Self::MemPool).map_err(at)?,
            Command::SENDHEADERS => empty(bytes, Self::SendHeaders).map_err(at)?,
            Command::REJECT => Self::Reject(Reject::decode(bytes).map_err(at)?),
            Command::CMPCTBLOCK => Self::CompactBlock(CompactBlock::decode(bytes).map_err(at)?),
            Command::GETBLOCKTXN => {
                Self::GetBlockTransactions(TransactionsRequest::decode(bytes).map_err(at)?)
            }
            Command::BLOCKTXN => {
                Self::BlockTransactions(BlockTransactions::decode(bytes).map_err(at)?)
            }
            Command::FEEFILTER => Self::FeeFilter(number(bytes, "fee rate").map_err(at)?),
            _ if command.max_payload().is_some() => {
                Self::Inert { command, payload: payload.clone() }
            }
            _ => return Err(WireError::UnknownCommand(command)),
        })
    }

    /// Returns the command.
    pub const fn command(&self) -> Command {
        match self {
            Self::Version(_) => Command::VERSION,
            Self::Verack => Command::VERACK,
            Self::Ping(_) => Command::PING,
            Self::Pong(_) => Command::PONG,
            Self::GetAddr => Command::GETADDR,
            Self::Addr(_) => Command::ADDR,
            Self::Inv(_) => Command::INV,
            Self::GetData(_) => Command::GETDATA,
            Self::NotFound(_) => Command::NOTFOUND,
            Self::GetHeaders(_) => Command::GETHEADERS,
            Self::GetBlocks(_) => Command::GETBLOCKS,
            Self::Headers(_) => Command::HEADERS,
            Self::Block(_) => Command::BLOCK,
            Self::Tx(_) => Command::TX,
            Self::MemPool => Command::MEMPOOL,
            Self::SendHeaders => Command::SENDHEADERS,
            Self::Reject(_) => Command::REJECT,
            Self::CompactBlock(_) => Command::CMPCTBLOCK,
            Self::GetBlockTransactions(_) => Command::GETBLOCKTXN,
            Self::BlockTransactions(_) => Command::BLOCKTXN,
            Self::FeeFilter(_) => Command::FEEFILTER,
            Self::Inert { command, .. } => *command,
        }
    }

    /// Returns the payload. Blocks and transactions are not copied.
    pub fn payload(&self) -> Bytes {
        match self {
            Self::Version(version) => version.to_bytes().into(),
            Self::Verack | Self::GetAddr | Self::MemPool | Self::SendHeaders | Self::Ping(None) => {
                Bytes::new()
            }
            Self::Ping(Some(nonce)) | Self::Pong(nonce) | Self::FeeFilter(nonce) => {
                Bytes::copy_from_slice(&nonce.to_le_bytes())
            }
            Self::Addr(items) => put_list(items),
            Self::Inv(items) | Self::GetData(items) | Self::NotFound(items) => put_list(items),
            Self::GetHeaders(locator) | Self::GetBlocks(locator) => locator.to_bytes().into(),
            Self::Headers(entries) => put_list(entries),
            Self::Block(block) => block.bytes().clone(),
            Self::Tx(tx) => tx.bytes().clone(),
            Self::Reject(reject) => reject.to_bytes().into(),
            Self::CompactBlock(block) => block.to_bytes().into(),
            Self::GetBlockTransactions(request) => request.to_bytes().into(),
            Self::BlockTransactions(answer) => answer.to_bytes().into(),
            Self::Inert { payload, .. } => payload.clone(),
        }
    }

    /// Returns the frame.
    pub fn to_frame(&self) -> Frame {
        Frame { command: self.command(), payload: self.payload() }
    }

    /// Encodes for sending, once for any number of peers.
    pub fn encode(&self, magic: Magic) -> Encoded {
        let payload = self.payload();
        let command = self.command();
        Encoded { header: codec::header(magic, command, &payload), command, payload }
    }
}

/// A message ready for the socket. Cloning does not copy the payload.
#[derive(Debug, Clone)]
pub struct Encoded {
    header: [u8; FRAME_HEADER_BYTES],
    command: Command,
    payload: Bytes,
}

impl Encoded {
    /// Returns the command.
    pub const fn command(&self) -> Command {
        self.command
    }

    /// Returns the header and the payload, in this order on the wire.
    pub const fn parts(&self) -> (&[u8; FRAME_HEADER_BYTES], &Bytes) {
        (&self.header, &self.payload)
    }

    /// Returns the length on the wire in bytes.
    pub const fn wire_len(&self) -> usize {
        FRAME_HEADER_BYTES + self.payload.len()
    }

    /// Tells whether the payload is as long as its command allows.
    pub fn fits(&self) -> bool {
        let max = self.command.max_payload().and_then(|max| usize::try_from(max).ok());
        max.is_some_and(|max| self.payload.len() <= max)
    }
}

/// Reads exactly one number.
fn number(bytes: &[u8], what: &'static str) -> Result<u64, DecodeError> {
    let mut decoder = Decoder::new(bytes, bytes.len())?;
    let number = decoder.u64_le(what)?;
    decoder.finish()?;
    Ok(number)
}

/// Returns `message` for an empty payload.
fn empty(bytes: &[u8], message: Message) -> Result<Message, DecodeError> {
    match bytes.len() {
        0 => Ok(message),
        remaining => Err(DecodeError::Trailing { remaining }),
    }
}

/// Reads exactly one counted list of at most `max` items.
fn list<T: Decode>(command: Command, bytes: &[u8], max: usize) -> Result<Vec<T>, WireError> {
    let at = |source| WireError::Payload { command, source };
    let mut decoder = Decoder::new(bytes, bytes.len()).map_err(at)?;
    let count = decoder.clone().compact_size("count").map_err(at)?;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count > max {
        return Err(WireError::TooMany { command, count, max });
    }
    let items = decoder.list("items", T::MIN_BYTES, T::decode_from).map_err(at)?;
    decoder.finish().map_err(at)?;
    Ok(items)
}

fn put_list<T: Encode>(items: &[T]) -> Bytes {
    let count = CompactSize::new(items.len() as u64); // widening
    let len = count.encoded_len() + items.iter().map(Encode::encoded_len).sum::<usize>();
    let mut bytes = Vec::with_capacity(len);
    count.encode(&mut bytes);
    for item in items {
        item.encode(&mut bytes);
    }
    bytes.into()
}

fn locator(command: Command, bytes: &[u8]) -> Result<Locator, WireError> {
    let locator =
        Locator::decode(bytes).map_err(|source| WireError::Payload { command, source })?;
    match locator.hashes.len() {
        count if count > MAX_LOCATOR_HASHES => {
            Err(WireError::TooMany { command, count, max: MAX_LOCATOR_HASHES })
        }
        _ => Ok(locator),
    }
}

impl Decode for Locator {
    const MIN_BYTES: usize = 4 + 1 + 32;

    fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let version = decoder.u32_le("locator version")?;
        let hashes = decoder
            .list("locator hashes", 32, |d| Ok(BlockHash::from_bytes(d.array("locator hash")?)))?;
        let stop = BlockHash::from_bytes(decoder.array("stop hash")?);
        Ok(Self { version, hashes, stop })
    }
}

impl Encode for Locator {
    fn encode<S: mvs_primitives::encode::Sink>(&self, sink: &mut S) {
        sink.put(&self.version.to_le_bytes());
        CompactSize::new(self.hashes.len() as u64).encode(sink); // widening
        for hash in &self.hashes {
            sink.put(hash.as_bytes());
        }
        sink.put(self.stop.as_bytes());
    }
}

impl Decode for HeaderEntry {
    const MIN_BYTES: usize = HEADER_BYTES + 1;

    fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let header = Header::decode_from(decoder)?;
        let count = decoder.compact_size("transaction count")?;
        let transaction_count = u32::try_from(count).map_err(|_| DecodeError::Count {
            what: "transactions",
            count,
            remaining: decoder.remaining(),
        })?;
        Ok(Self { header, transaction_count })
    }
}

impl Encode for HeaderEntry {
    fn encode<S: mvs_primitives::encode::Sink>(&self, sink: &mut S) {
        self.header.encode(sink);
        CompactSize::new(u64::from(self.transaction_count)).encode(sink);
    }
}
