//! Chains from a seed.
