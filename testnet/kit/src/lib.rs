//! What tests and tools share: the checks of vector files, builders of blocks and transactions, a
//! chain in memory, and a case for every rule.
//!
//! This crate sees all of ours, and no product crate may depend on it (unit tests included: the
//! cycle would give every type twice). It holds no rules of its own; where a check needs an
//! independent way to a result (BIP32, ECDSA), it uses a public library.
//!
//! Start reading in `vectors` and `cases`.

pub mod build;
pub mod cases;
pub mod chain;
pub mod history;
pub mod oracle;
pub mod people;
pub mod vectors;
