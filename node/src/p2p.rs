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

pub mod api;
pub mod codec;
pub mod error;
pub mod message;
pub mod network;
