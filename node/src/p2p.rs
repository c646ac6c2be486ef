//! Peers: wire, sessions, addresses, connections.
//!
//! ```text
//!  socket --bytes--> FrameReader --Frame--> Message --> Session --Action--> the node
//!    ^               (codec)               (message)   (no I/O, no clock)    |
//!    +------------------ outbound queue <-------------------------- Network --+
//!                                                        (peers: tokio tasks, addresses, bans)
//! ```
//!
//! This module must not know what a valid block or transaction is: it carries bytes whose frame,
//! counts and lengths are sound to whoever judges them, and drops peers that do not keep to the
//! protocol. Source: p2p.md.
//!
//! Start reading in [`api`] (what the rest of the node sees), [`session`] (what one peer may do) and
//! [`codec`] (how bytes become messages).

pub mod addresses;
pub mod api;
pub mod bans;
pub mod codec;
pub mod error;
mod files;
pub mod message;
pub mod network;
pub mod peers;
pub mod session;

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    /// Returns an empty folder for one test, below the build folder.
    pub(super) fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("mvs-p2p-{name}-{}", std::process::id()));
        // Left over from a process with the same number, if at all.
        let _gone = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        path
    }
}
