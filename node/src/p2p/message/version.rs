//! The first message of a conversation (p2p.md 5).

use std::net::SocketAddr;

use mvs_primitives::encode::{CompactSize, Decode, DecodeError, Decoder, Encode, Sink};
use mvs_primitives::height::Height;

use super::address::{put_socket, read_socket};

/// The protocol version that we announce: that of the first node (p2p.md 2). Higher ones are never
/// announced, since every message is parsed by the announced version.
pub const PROTOCOL_VERSION: u32 = 70012;

/// Peers that announce less are dropped after the handshake (p2p.md 2).
pub const MIN_PEER_VERSION: u32 = 31_402;

/// From this version on the relay flag is written (p2p.md 5).
const RELAY_VERSION: u32 = 70_001;

/// What a node offers: a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Services(u64);

impl Services {
    /// Serves blocks.
    pub const NETWORK: Self = Self(1);
    /// Understands our extensions: `feefilter`, 2000 headers in a message. Bit 27, of the range that
    /// Bitcoin leaves to experiments; the first node reads no bits at all.
    pub const EXTENSIONS: Self = Self(1 << 27);

    /// Wraps the bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Returns the bits.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Tells whether all bits of `other` are there.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns the bits of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Who a node is and what it has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version {
    /// Protocol version.
    pub value: u32,
    /// What the sender offers.
    pub services: Services,
    /// The sender's clock in Unix seconds.
    pub timestamp_unix_secs: u64,
    /// Services that the sender believes the receiver to have.
    pub receiver_services: Services,
    /// The receiver's address as the sender sees it.
    pub receiver: SocketAddr,
    /// The sender's services again.
    pub sender_services: Services,
    /// The sender's address by its own word; unspecified when it does not know.
    pub sender: SocketAddr,
    /// Random number by which a node recognises itself.
    pub nonce: u64,
    /// Name and version of the program, bytes as they came.
    pub user_agent: Vec<u8>,
    /// The sender's height when it connected. It never changes afterwards, and decides how many headers
    /// the first node serves and whether it announces blocks at all (p2p.md 7.1, 7.2).
    pub start_height: Height,
    /// Whether transactions may be announced to the sender; absent from old programs.
    pub relay: Option<bool>,
}

impl Version {
    /// Tells whether the sender wants transactions to be announced.
    pub fn wants_transactions(&self) -> bool {
        self.relay.unwrap_or(true)
    }

    /// Returns the user agent as at most 256 printable ASCII characters.
    pub fn user_agent_text(&self) -> String {
        let printable =
            |byte: &u8| if (b' '..=b'~').contains(byte) { char::from(*byte) } else { '?' };
        self.user_agent.iter().take(256).map(printable).collect()
    }
}

impl Decode for Version {
    const MIN_BYTES: usize = 4 + 8 + 8 + 26 + 26 + 8 + 1 + 4;

    fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let value = decoder.u32_le("protocol version")?;
        let services = Services::from_bits(decoder.u64_le("services")?);
        let timestamp_unix_secs = decoder.u64_le("timestamp")?;
        let receiver_services = Services::from_bits(decoder.u64_le("receiver services")?);
        let receiver = read_socket(decoder)?;
        let sender_services = Services::from_bits(decoder.u64_le("sender services")?);
        let sender = read_socket(decoder)?;
        let nonce = decoder.u64_le("nonce")?;
        let user_agent = decoder.var_bytes("user agent")?.to_vec();
        let start_height = Height::new(decoder.u32_le("start height")?);
        let relay = match decoder.remaining() {
            0 => None,
            _ if value < RELAY_VERSION => None,
            _ => Some(decoder.u8("relay")? != 0),
        };
        Ok(Self {
            value,
            services,
            timestamp_unix_secs,
            receiver_services,
            receiver,
            sender_services,
            sender,
            nonce,
            user_agent,
            start_height,
            relay,
        })
    }
}

impl Encode for Version {
    fn encode<S: Sink>(&self, sink: &mut S) {
        sink.put(&self.value.to_le_bytes());
        sink.put(&self.services.bits().to_le_bytes());
        sink.put(&self.timestamp_unix_secs.to_le_bytes());
        sink.put(&self.receiver_services.bits().to_le_bytes());
        put_socket(self.receiver, sink);
        sink.put(&self.sender_services.bits().to_le_bytes());
        put_socket(self.sender, sink);
        sink.put(&self.nonce.to_le_bytes());
        CompactSize::new(self.user_agent.len() as u64).encode(sink); // widening
        sink.put(&self.user_agent);
        sink.put(&self.start_height.value().to_le_bytes());
        if let Some(relay) = self.relay {
            sink.put(&[u8::from(relay)]);
        }
    }
}
