//! The pool and the templates, over chains in memory.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is the failure")]

mod accept;
mod cases;
mod check;
mod history;
mod hostile;
mod persist;
mod random;
mod stake;
mod support;
mod template;
mod update;
