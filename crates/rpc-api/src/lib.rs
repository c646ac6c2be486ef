//! The node's JSON-RPC as types: requests, answers, numbered errors, and the table of methods.
//!
//! ```text
//! bytes --envelope--> Request --Method::read--> Call --node--> Answer --envelope--> bytes
//!                                  |
//!        the table (methods) -----'--> /openrpc.json, help, the client's arguments
//! ```
//!
//! It knows JSON and nothing of chains: hashes and scripts are text here. Start reading in
//! [`methods`], [`envelope`] and [`error`].

pub mod envelope;
pub mod error;
mod introspect;
pub mod methods;
pub mod openrpc;
pub mod types;
