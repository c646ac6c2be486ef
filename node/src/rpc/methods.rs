//! What each method does. One file for each group.

pub(super) mod address;
pub(super) mod chain;
pub(super) mod control;
pub(super) mod mempool;
pub(super) mod mining;
pub(super) mod names;
pub(super) mod network;
pub(super) mod stake;

use super::fault::{self, RpcResult};

/// Reads a limit that may be left out.
fn limit(given: Option<u32>, usual: u32, most: u32) -> RpcResult<usize> {
    let limit = given.unwrap_or(usual);
    if limit == 0 || limit > most {
        return Err(fault::bad(format!("limit: 1 to {most}")));
    }
    // A u32 below a few thousand.
    Ok(usize::try_from(limit).unwrap_or(usize::MAX))
}

/// Reads bytes that are written as hex.
fn unhex(what: &str, text: &str) -> RpcResult<Vec<u8>> {
    hex::decode(text).map_err(|error| fault::bad(format!("{what}: {error}")))
}

/// Reads a hash.
fn hash<T: std::str::FromStr>(what: &str, text: &str) -> RpcResult<T>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| fault::bad(format!("{what}: {error}")))
}
