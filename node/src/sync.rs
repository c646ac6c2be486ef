//! Headers first, then blocks: decides what to ask of whom.
