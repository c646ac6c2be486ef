//! The chain owner: the one thread that changes the chain.
//!
//! ```text
//! trunk    the connected chain, as the store answers for it
//! index    headers above and beside the trunk: fork choice, locators, invalid marks
//! intake   headers from peers, cheap checks first
//! journal  blocks that left the chain and changes of the pool, for subscribers
//! bodies   blocks that wait to be connected
//! core     connects blocks, reorganises, commits: the only writer of the store
//! owner    the thread around it: peers, pool, templates
//! verify   the threads that check seals, bodies and scripts
//! ```

pub mod bodies;
pub mod command;
pub mod core;
pub mod events;
pub mod import;
pub mod index;
pub mod intake;
pub mod journal;
pub mod owner;
pub mod stop;
pub mod trunk;
pub mod verify;

#[cfg(test)]
pub(crate) mod testing;
