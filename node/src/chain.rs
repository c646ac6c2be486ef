//! The chain owner: the one thread that changes the chain.
