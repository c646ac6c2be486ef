//! The script engine from outside: every operation, every limit, every error, recorded spends, and
//! the promise that deferred and immediate verification agree.

mod cache;
mod limits;
mod locks;
mod operations;
mod properties;
mod recorded;
mod signatures;
mod support;
