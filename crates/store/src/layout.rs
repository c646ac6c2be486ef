//! Every size and offset on disk. All integers are little-endian and of fixed width.

/// The longest value of a coin, in bytes.
pub const VALUE_BYTES_MAX: usize = 1 << 20;
