//! Placeholder, replaced by the next commits.
fn main() {}
