//! The whole store against consensus' state in memory.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

mod attack;
mod chains;
mod crash;
mod damage;
mod faults;
mod formats;
mod index;
mod kill;
mod model;
mod repair;
