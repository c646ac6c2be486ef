//! The chain on disk.
//!
//! ```text
//! state layer: coins as values, registry, headers, blocks   knows the chain
//! engine:      log, index, commit, recovery, checkpoints    knows keys and bytes
//! ```

pub mod backing;
pub mod codec;
pub mod engine;
pub mod layout;
pub mod mmap;
pub mod registry;
pub mod sim;
