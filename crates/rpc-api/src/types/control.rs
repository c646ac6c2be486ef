//! The node itself.

use super::{params, shapes};

params! {
    /// What is logged.
    pub struct ControlLogParams {
        /// A filter, as in the configuration: "info", or "info,p2p=debug".
        pub filter: String,
    }
}

params! { optional
    /// About what.
    pub struct ControlHelpParams {
        /// Name of a method; all methods when left out.
        pub method: String,
    }
}

shapes! {
    /// The node.
    pub struct ControlStatus {
        /// Version of the program.
        pub version: String,
        /// Name of the network.
        pub network: String,
        /// Seconds since the start.
        pub uptime_secs: u64,
        /// Height of the connected chain.
        pub height: u32,
        /// Height of the heaviest header.
        pub headers: u32,
        /// The node has caught up with its peers.
        pub is_synced: bool,
        /// Blocks wait for room on the disk.
        pub is_disk_full: bool,
        /// Peers.
        pub peers: u32,
        /// Transactions that wait.
        pub mempool: u64,
        /// The index of transactions and addresses: the lowest height that it lacks; absent when none
        /// is kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub index_height: Option<u32>,
    }
}
