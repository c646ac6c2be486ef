//! What a node tells by itself, over a WebSocket.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address::AddressEntry;
use super::{params, shapes};

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// The latest tip; those between two may be left out.
    Tip,
    /// Every block that joins or leaves the chain, in order.
    Blocks,
    /// Transactions that enter the pool, or leave it.
    Mempool,
    /// What blocks do to an address; needs the index.
    Address,
}

params! {
    /// What shall be told.
    pub struct EventSubscribeParams {
        /// What.
        pub topic: Topic,
        ?
        /// The address, for that topic.
        pub address: String,
        /// The cursor of the last event that was seen; from now on when left out.
        pub cursor: String,
    }
    /// Which subscription.
    pub struct EventUnsubscribeParams {
        /// Its number.
        pub subscription: u32,
    }
}

shapes! {
    /// A subscription.
    pub struct Subscribed {
        /// Its number on this connection.
        pub subscription: u32,
        /// The place from which events are told.
        pub cursor: String,
    }
    /// An event, as the parameters of a notification `event`.
    pub struct Notification {
        /// Number of the subscription.
        pub subscription: u32,
        /// To go on behind this event later.
        pub cursor: String,
        /// What happened.
        pub event: Event,
    }
    /// A block.
    pub struct BlockRef {
        /// Height.
        pub height: u32,
        /// Hash.
        pub hash: String,
    }
    /// A block that joined the chain.
    pub struct ConnectedBlock {
        /// Height.
        pub height: u32,
        /// Hash.
        pub hash: String,
        /// Hash of its parent.
        pub previous: String,
        /// Time.
        pub timestamp: u32,
        /// Transactions.
        pub transactions: u32,
        /// Bytes on the wire.
        pub size: u32,
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// There is a new tip.
    Tip(BlockRef),
    /// A block joined the chain.
    Connected(ConnectedBlock),
    /// The tip left the chain.
    Disconnected(BlockRef),
    /// A transaction entered the pool.
    Added {
        /// Its id.
        txid: String,
    },
    /// A transaction left the pool, and not into a block.
    Removed {
        /// Its id.
        txid: String,
        /// Why.
        reason: String,
    },
    /// A block that joined the chain pays or spends from the address.
    Activity {
        /// Height of the block.
        height: u32,
        /// Hash of the block.
        hash: String,
        /// What it does.
        entries: Vec<AddressEntry>,
    },
    /// Events were lost; nothing more is told. Subscribe anew and start from the present state.
    Gap {
        /// Why.
        reason: String,
    },
}
