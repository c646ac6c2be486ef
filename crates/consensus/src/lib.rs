//! Every rule of the chain as pure functions over read views.
//!
//! This crate must not know disks, sockets, clocks or threads: time comes as an argument, state
//! through [`state::StateView`], headers through [`header_view::HeaderView`].
//!
//! ```text
//! bytes --decode--> Header ------check_headers------> CheckedHeader   seal (a batch at a time)
//!                            ----accept_header------> PlacedHeader    parent, time, difficulty
//!          + body            ----check_block--------> CheckedBlock    merkle root, coinbases, sizes
//!          + state           ----connect_block------> PendingBlock    coins, assets, identities, fees
//!          + signatures      ----PendingBlock::run--> ConnectedBlock  what it changes, and its undo
//! ```
//!
//! The stages have private fields and are made only here, so a program that stores only
//! `ConnectedBlock`s cannot store an unverified block. There are no flags that skip a check; below a
//! checkpoint the path has another name ([`block::connect_checkpointed_block`]).
//!
//! The rules are listed, with code, source and height, in `RULES.md` ([`error::RULES`]). Start reading
//! in `block/connect.rs`, `tx/connect.rs` and `error/tx.rs`.

pub mod attachment;
pub mod block;
pub mod branch;
pub mod checkpoint;
pub mod difficulty;
pub mod double;
pub mod error;
pub mod header;
pub mod header_view;
pub mod params;
pub mod script;
pub mod stake;
pub mod state;
pub mod subsidy;
pub mod tx;
