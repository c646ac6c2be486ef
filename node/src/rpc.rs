//! What programs ask of the node.

pub mod compat;
