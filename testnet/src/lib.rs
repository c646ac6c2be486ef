//! Networks of real node processes, and what judges them.
//!
//! ```text
//! tests/*.rs, bench     scenarios and measurements
//! node                  a process of the node: start, status, kill, stop, memory, processor time
//! wallet                a wallet's program beside a node: commands, and a staker that runs
//! scripted, peer        peers that we script: a first node from memory, or a hostile one
//! proxy                 between two nodes: delay, cut, count
//! rpc_load              asks a node by HTTP as fast as it answers
//! wire                  messages in bytes, our own code: no bug is shared with the node
//! make_chain            chains from a seed, valid because consensus runs over them
//! verdicts              why a node refused something, from its log
//! wait                  conditions with a deadline; nobody sleeps
//! ```
//!
//! The crate never links the node. Start reading in `node`, `scripted` and any file of `tests/`.

pub mod bench;
pub mod chain_file;
pub mod make_chain;
pub mod node;
pub mod peer;
pub mod proxy;
pub mod rpc_load;
pub mod scenario;
pub mod scripted;
pub mod served;
pub mod status;
pub mod transcript;
pub mod usage;
pub mod verdicts;
pub mod wait;
pub mod wallet;
pub mod wire;
