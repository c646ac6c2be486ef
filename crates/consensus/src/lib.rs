//! Every rule of the chain as pure functions over read views.

pub mod params;
pub mod script;
