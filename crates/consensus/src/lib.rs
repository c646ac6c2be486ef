//! Every rule of the chain as pure functions over read views.

pub mod attachment;
pub mod difficulty;
pub mod double;
pub mod header_view;
pub mod params;
pub mod stake;
pub mod subsidy;
