//! The whole store against consensus' state in memory.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod attack;
mod chains;
mod crash;
mod damage;
mod index;
mod model;
mod repair;
