//! Every size and offset on disk. All integers are little-endian and of fixed width.

/// The format that this program writes and reads.
pub const FORMAT_VERSION: u32 = 1;

/// The longest value of a coin, in bytes.
pub const VALUE_BYTES_MAX: usize = 1 << 20;

/// A line of the index or of another [`crate::engine::Table`]: eight words.
pub mod line {
    /// Slots in a line: words 1 to 7.
    pub const SLOTS: usize = 7;
    /// Word 0, bits 0 to 31: checksum of the line with these bits zero.
    pub const CHECKSUM_MASK: u64 = 0xffff_ffff;
    /// Word 0, bits 32 to 47: how many pairs lie in later lines because this one was full.
    pub const PASSED_SHIFT: u32 = 32;
    /// Of the count of passed pairs.
    pub const PASSED_MAX: u64 = 0xffff;
    /// A slot: bits 0 to 41 payload, bits 42 to 63 tag; 0 when empty.
    pub const PAYLOAD_BITS: u32 = 42;
    /// Bits of the tag: the hash's bits after those that choose the shard.
    pub const TAG_BITS: u32 = 22;
    /// A pair lies at most this many lines after its first choice.
    pub const DISTANCE_MAX: u64 = 15;
}
