//! The script engine from outside: every operation, every limit, every error, recorded spends, and
//! the promise that deferred and immediate verification agree.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests

mod cache;
mod limits;
mod locks;
mod operations;
mod properties;
mod recorded;
mod signatures;
mod support;
