//! The interface of the chain's first node: its recorded answers, its shapes, hostile requests.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is the failure")]
#![expect(clippy::print_stdout, reason = "tests tell how many recorded answers are equal")]

mod hostile;
mod node;
mod recorded;
mod requests;
mod shapes;
mod support;
mod verdicts;
#[path = "../nodes/world.rs"]
#[expect(dead_code, reason = "written for tests of several nodes")]
mod world;
