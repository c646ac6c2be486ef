//! Peers: wire, sessions, addresses.
