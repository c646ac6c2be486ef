//! Peers, and fees.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{params, shapes};

params! {
    /// A peer to stay connected to, or not any more.
    pub struct NetworkAddParams {
        /// Address and port.
        pub address: String,
        ?
        /// Do the opposite: let it go.
        pub remove: bool,
    }
    /// Whom to keep out.
    pub struct NetworkBanParams {
        /// Address without port.
        pub ip: String,
        ?
        /// For how long; 86400 when left out, 0 lets it in again.
        pub seconds: u64,
    }
}

params! { optional
    /// How soon.
    pub struct FeeEstimateParams {
        /// Blocks within which a transaction shall be taken, 1 to 100; 2 when left out.
        pub blocks: u32,
    }
}

/// Who opened a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The peer.
    Inbound,
    /// This node.
    Outbound,
    /// This node, because its operator wanted it.
    Manual,
}

shapes! {
    /// Peers.
    pub struct NetworkPeers {
        /// The peers.
        pub peers: Vec<Peer>,
    }
    /// A peer.
    pub struct Peer {
        /// Number of the connection.
        pub id: u64,
        /// Address and port.
        pub address: String,
        /// Who opened the connection.
        pub direction: Direction,
        /// Protocol version.
        pub version: u32,
        /// Name of its program; anything can be claimed.
        pub user_agent: String,
        /// Height that it claimed when it connected.
        pub start_height: u32,
        /// Seconds since it connected.
        pub connected_secs: u64,
        /// Best round trip in microseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub best_ping_us: Option<u64>,
        /// Bytes from it.
        pub received: u64,
        /// Bytes to it.
        pub sent: u64,
        /// Penalty points.
        pub score: u32,
    }
    /// It was done.
    pub struct Done {
        /// Always true; what cannot be done is an error.
        pub done: bool,
    }
    /// Addresses that are kept out.
    pub struct NetworkBans {
        /// The addresses.
        pub bans: Vec<Ban>,
    }
    /// An address that is kept out.
    pub struct Ban {
        /// Address.
        pub ip: String,
        /// Until when.
        pub until: u64,
    }
    /// Bytes by what they were spent on.
    pub struct NetworkTraffic {
        /// From peers.
        pub received: Traffic,
        /// To peers.
        pub sent: Traffic,
    }
    /// Bytes of one direction.
    pub struct Traffic {
        /// Headers.
        pub headers: u64,
        /// Blocks.
        pub blocks: u64,
        /// Transactions.
        pub transactions: u64,
        /// Announcements.
        pub inventory: u64,
        /// Addresses.
        pub addresses: u64,
        /// Handshakes, pings and the rest.
        pub control: u64,
    }
    /// What a transaction should pay.
    pub struct FeeEstimate {
        /// Base units for a thousand bytes.
        pub rate: u64,
        /// The least that this node takes now.
        pub floor_rate: u64,
        /// Within how many blocks.
        pub blocks: u32,
        /// Bytes that wait and pay more.
        pub ahead_bytes: u64,
    }
}
