//! The full node as a library; the program is wired in `bin/mvs-node.rs`.
//!
//! ```text
//! app ──▶ chain (owner) ──▶ store, consensus      config, telemetry
//!  │        │  ├─ sync (what to ask of whom)
//!  │        │  ├─ mempool, mining
//!  └──▶ p2p ┘
//! ```

pub mod app;
pub mod chain;
pub mod config;
pub mod mempool;
pub mod mining;
pub mod p2p;
pub mod rpc;
pub mod sync;
pub mod telemetry;
