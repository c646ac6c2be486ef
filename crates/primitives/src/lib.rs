//! Chain data: what the bytes of the network mean.
//!
//! Amounts, heights, hashes, scripts as bytes, attachments, transactions, blocks, merkle trees,
//! addresses, signature hashes, and their wire encoding. Source: `chain.md` sections 1 to 5.
//!
//! This crate must not know rules that need a chain, a state or a clock; those are in
//! `mvs-consensus`. It does no I/O, starts no threads and holds no `unsafe`.
//!
//! ```text
//! bytes --decode--> Block { Header, [Transaction { [Input], [Output { Script, Attachment }] }] }
//!                     |        |           |                           |
//!                 merkle   seal hash   txid, sighash            pattern, address
//! ```
//!
//! Start reading in `encode` (how untrusted bytes are read), `attachment` (what makes this chain
//! different) and `script/pattern` (who owns an output).

pub mod address;
pub mod amount;
pub mod attachment;
pub mod block;
pub mod difficulty;
pub mod encode;
pub mod hash;
pub mod header;
pub mod height;
pub mod input;
pub mod json;
pub mod merkle;
pub mod output;
pub mod script;
pub mod sighash;
pub mod symbol;
pub mod text;
pub mod time;
pub mod transaction;
pub mod wif;
