//! Measures what the script engine costs beside the signatures themselves.

fn main() {}
