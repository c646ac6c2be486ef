//! Addresses on the wire.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use mvs_primitives::encode::{Decode, DecodeError, Decoder, Encode, Sink};

use super::Services;

/// An entry of `addr`: 30 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NetAddress {
    /// When somebody last saw it, in Unix seconds; by the sender's word.
    pub seen_unix_secs: u32,
    /// What it offers; by the sender's word.
    pub services: Services,
    /// Where it listens. An IPv4 address is kept as one, whatever form was on the wire.
    pub address: SocketAddr,
}

impl NetAddress {
    /// Tells whether the entry can be an address at all. Half of what the first node sends cannot:
    /// it fills its answers with `[::]:0` (p2p.md 9).
    pub fn is_usable(&self) -> bool {
        self.address.port() != 0
            && !self.address.ip().is_unspecified()
            && !self.address.ip().is_multicast()
    }
}

/// Reads 16 bytes of address and a big-endian port.
pub(super) fn read_socket(decoder: &mut Decoder<'_>) -> Result<SocketAddr, DecodeError> {
    let ip = Ipv6Addr::from(decoder.array::<16>("ip")?).to_canonical();
    let port = u16::from_be_bytes(decoder.array("port")?);
    Ok(SocketAddr::new(ip, port))
}

/// Writes 16 bytes of address and a big-endian port.
pub(super) fn put_socket<S: Sink>(address: SocketAddr, sink: &mut S) {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    sink.put(&ip.octets());
    sink.put(&address.port().to_be_bytes());
}

impl Decode for NetAddress {
    const MIN_BYTES: usize = 4 + 8 + 16 + 2;

    fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            seen_unix_secs: decoder.u32_le("address timestamp")?,
            services: Services::from_bits(decoder.u64_le("address services")?),
            address: read_socket(decoder)?,
        })
    }
}

impl Encode for NetAddress {
    fn encode<S: Sink>(&self, sink: &mut S) {
        sink.put(&self.seen_unix_secs.to_le_bytes());
        sink.put(&self.services.bits().to_le_bytes());
        put_socket(self.address, sink);
    }
}
