//! The chain on disk.
//!
//! ```text
//! state layer: coins as values, registry, headers, blocks   knows the chain
//! engine:      log, index, commit, recovery, checkpoints    knows keys and bytes
//! ```

pub mod codec;
pub mod engine;
pub mod registry;
