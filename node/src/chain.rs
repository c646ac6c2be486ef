//! The chain owner: the one thread that changes the chain.
//!
//! ```text
//! trunk   the connected chain, as the store answers for it
//! index   headers above and beside the trunk: fork choice, locators, invalid marks
//! intake  headers from peers, cheap checks first
//! ```

pub mod index;
pub mod intake;
pub mod trunk;

#[cfg(test)]
pub(crate) mod testing;
