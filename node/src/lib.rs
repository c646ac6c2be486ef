//! The full node as a library; the program is wired in `bin/mvs-node.rs`.

pub mod chain;
pub mod mempool;
pub mod mining;
pub mod p2p;
pub mod sync;
