//! Every size and offset on disk. All integers are little-endian and of fixed width.

/// The format that this program writes and reads.
pub const FORMAT_VERSION: u32 = 2;

/// The longest value of a coin, in bytes: more than any message that brings a block. What counts towards
/// the limit of a block's size is less than its bytes, so that limit is no bound.
pub const VALUE_BYTES_MAX: usize = 1 << 21;

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
    /// A pair lies at most this many lines after its first choice. Most lie in the first line; the bound
    /// only matters where hashes crowd: 64 lines hold 448 pairs, five standard deviations more than
    /// fall on them at a load of 78 %, so a shard practically never doubles before its time.
    pub const DISTANCE_MAX: u64 = 63;
}

/// A position in the log: segment number and byte offset in one number of 42 bits.
pub mod position {
    /// Bits of the offset: a segment is at most 64 MiB long.
    pub const OFFSET_BITS: u32 = 26;
    /// Of the offset.
    pub const OFFSET_MASK: u64 = (1 << OFFSET_BITS) - 1;
    /// The last segment number.
    pub const SEGMENT_MAX: u16 = u16::MAX;
}

/// Segment files `log/NNNNNNNN.seg`: a header, then records without gaps. Bytes after the last record are
/// anything.
pub mod segment {
    /// The longest segment.
    pub const BYTES_MAX: u32 = 1 << 26;
    /// "mvs" and "seg", with a byte that no text has.
    pub const MAGIC: [u8; 8] = *b"mvs\x89seg\n";
    /// [`MAGIC`], 8 bytes.
    pub const AT_MAGIC: usize = 0;
    /// Format version, u32.
    pub const AT_VERSION: usize = AT_MAGIC + 8;
    /// Network, u32.
    pub const AT_NETWORK: usize = AT_VERSION + 4;
    /// The segment's own number, u32.
    pub const AT_NUMBER: usize = AT_NETWORK + 4;
    /// 0 block log, 1 cold log; u32.
    pub const AT_KIND: usize = AT_NUMBER + 4;
    /// Number of the segment before it of the same kind, or `u32::MAX`.
    pub const AT_BEFORE: usize = AT_KIND + 4;
    /// The most bytes that this segment will have, u32.
    pub const AT_CAPACITY: usize = AT_BEFORE + 4;
    /// Zeros.
    pub const AT_UNUSED: usize = AT_CAPACITY + 4;
    /// Checksum of the bytes before it, seeded with the store's salt; u64.
    pub const AT_CHECKSUM: usize = 56;
    /// Length of the header.
    pub const HEADER_BYTES: usize = AT_CHECKSUM + 8;
}

/// What every record begins with.
pub mod record {
    /// "rec" and a byte that no text has.
    pub const MAGIC: [u8; 4] = *b"rec\x89";
    /// [`MAGIC`], 4 bytes.
    pub const AT_MAGIC: usize = 0;
    /// Kind, u32: see the constants `KIND_...`.
    pub const AT_KIND: usize = AT_MAGIC + 4;
    /// Length of the record with this header, u32.
    pub const AT_BYTES: usize = AT_KIND + 4;
    /// Number of the record within its batch, u32. 0 in the cold log.
    pub const AT_NUMBER: usize = AT_BYTES + 4;
    /// Random number of the opening of the store that wrote it, u64.
    pub const AT_EPOCH: usize = AT_NUMBER + 4;
    /// Number of the batch, u64.
    pub const AT_BATCH: usize = AT_EPOCH + 8;
    /// Checksum of the record before it in the block log, u64. 0 in the cold log.
    pub const AT_BEFORE: usize = AT_BATCH + 8;
    /// Checksum, u64, seeded with the store's salt: of the header so far, then of the
    /// checksum of the bytes after the header.
    pub const AT_CHECKSUM: usize = AT_BEFORE + 8;
    /// Length of the header.
    pub const HEADER_BYTES: usize = AT_CHECKSUM + 8;

    /// A block was applied.
    pub const KIND_BLOCK: u32 = 1;
    /// The tip was undone.
    pub const KIND_UNDO: u32 = 2;
    /// Cleaning moved coins out of a segment.
    pub const KIND_MOVE: u32 = 3;
    /// The batch ends: all its records count.
    pub const KIND_COMMIT: u32 = 4;
    /// Coins moved to the cold log.
    pub const KIND_COLD: u32 = 5;

    /// A spent coin: the top 30 bits of its key's hash and its position (42 bits), in 72 bits.
    pub const SPENT_BYTES: usize = 9;
    /// The shortest coin entry; each starts in another unit of the live map.
    pub const ENTRY_BYTES_MIN: usize = 16;
    /// The longest coin entry without its value: checksum, three numbers of up to 5 bytes.
    pub const ENTRY_HEAD_MAX: usize = 4 + 3 * 5;
}

/// A block record after the record header.
pub mod block {
    use super::record;
    /// Height, u32.
    pub const AT_HEIGHT: usize = record::HEADER_BYTES;
    /// 1 if the block has a parent in the store, else 0; u32.
    pub const AT_HAS_PARENT: usize = AT_HEIGHT + 4;
    /// Block hash, 32 bytes.
    pub const AT_HASH: usize = AT_HAS_PARENT + 4;
    /// Hash of the tip before, 32 bytes (zeros without).
    pub const AT_PARENT: usize = AT_HASH + 32;
    /// Digest of the coins before, u128.
    pub const AT_DIGEST_BEFORE: usize = AT_PARENT + 32;
    /// Digest of the coins after, u128.
    pub const AT_DIGEST_AFTER: usize = AT_DIGEST_BEFORE + 16;
    /// Number of coins before, u64.
    pub const AT_COINS_BEFORE: usize = AT_DIGEST_AFTER + 16;
    /// Body: file u32, bytes u32, offset u64, checksum u64.
    pub const AT_BODY: usize = AT_COINS_BEFORE + 8;
    /// Number of coins spent, u32.
    pub const AT_SPENT: usize = AT_BODY + 24;
    /// Number of coins created, u32.
    pub const AT_CREATED: usize = AT_SPENT + 4;
    /// Length of the created coins' entries, u32.
    pub const AT_CREATED_BYTES: usize = AT_CREATED + 4;
    /// Length of the caller's bytes, u32.
    pub const AT_EXTRA_BYTES: usize = AT_CREATED_BYTES + 4;
    /// The spent coins; then the created ones, then the caller's bytes.
    pub const AT_LISTS: usize = AT_EXTRA_BYTES + 4;
}

/// An undo record after the record header.
pub mod undo {
    use super::record;
    /// Position of the block record that it takes back, u64.
    pub const AT_BLOCK: usize = record::HEADER_BYTES;
    /// Number of coins put back, u32.
    pub const AT_RESTORED: usize = AT_BLOCK + 8;
    /// The coins put back, each as a spent coin is written.
    pub const AT_LIST: usize = AT_RESTORED + 4;
}

/// A move record after the record header.
pub mod moved {
    use super::record;
    /// Number of the segment that is cleaned, u32.
    pub const AT_VICTIM: usize = record::HEADER_BYTES;
    /// First offset of the records cleaned, u32.
    pub const AT_FROM: usize = AT_VICTIM + 4;
    /// Offset after the records cleaned, u32.
    pub const AT_TO: usize = AT_FROM + 4;
    /// Height of the tip, u32: once it is beyond undoing, the spent coins kept here are not needed.
    pub const AT_STAMP: usize = AT_TO + 4;
    /// Position of the cold record with the live coins, u64; 0 if there are none.
    pub const AT_COLD: usize = AT_STAMP + 4;
    /// Checksum of the cold record, u64.
    pub const AT_COLD_CHECKSUM: usize = AT_COLD + 8;
    /// Number of live coins, u32.
    pub const AT_LIVE: usize = AT_COLD_CHECKSUM + 8;
    /// Number of spent coins, u32.
    pub const AT_SPENT: usize = AT_LIVE + 4;
    /// Old offset (u32) of each live coin, then of each spent coin, then the spent coins' entries.
    pub const AT_LISTS: usize = AT_SPENT + 4;
}

/// A cold record after the record header.
pub mod cold {
    use super::record;
    /// Number of coins, u32.
    pub const AT_COUNT: usize = record::HEADER_BYTES;
    /// Their entries.
    pub const AT_LIST: usize = AT_COUNT + 4;
}

/// A commit record after the record header.
pub mod commit {
    use super::record;
    /// Number of records of the batch before this one, u32.
    pub const AT_RECORDS: usize = record::HEADER_BYTES;
    /// Blocks that can no longer be undone after this batch: the height of the last plus one, 0 for
    /// none; u64.
    pub const AT_FLOOR: usize = AT_RECORDS + 4;
    /// Number of the last batch that was durable when this record was written, u64. A log that ends before that
    /// batch is damaged, not torn.
    pub const AT_DURABLE: usize = AT_FLOOR + 8;
    /// Length of a commit record.
    pub const BYTES: usize = AT_DURABLE + 8;
}

/// Live maps `live/NNNNNNNN.map`: lines of 480 bits, one bit for 16 bytes of the segment.
pub mod live {
    /// Bytes of log for each bit.
    pub const UNIT_BYTES: u32 = 16;
    /// Bits in a line. Bit `b` is bit `32 + b` of the line's 512; the first 32 are the checksum.
    pub const LINE_BITS: u32 = 480;
    /// Where the bits begin within the line.
    pub const FIRST_BIT: u32 = 32;
}

/// Checkpoints `head-0` and `head-1`, written in turns.
pub mod head {
    /// "mvs" and "hed", with a byte that no text has.
    pub const MAGIC: [u8; 8] = *b"mvs\x89hed\n";
    /// [`MAGIC`], 8 bytes.
    pub const AT_MAGIC: usize = 0;
    /// Format version, u32.
    pub const AT_VERSION: usize = AT_MAGIC + 8;
    /// Network, u32.
    pub const AT_NETWORK: usize = AT_VERSION + 4;
    /// Number of the checkpoint, u64; the higher one of two counts.
    pub const AT_GENERATION: usize = AT_NETWORK + 4;
    /// Length of the body, u64.
    pub const AT_BODY_BYTES: usize = AT_GENERATION + 8;
    /// Checksum of the body, u64.
    pub const AT_BODY_CHECKSUM: usize = AT_BODY_BYTES + 8;
    /// Checksum of the header so far, u64.
    pub const AT_CHECKSUM: usize = AT_BODY_CHECKSUM + 8;
    /// Length of the header; the body follows.
    pub const HEADER_BYTES: usize = AT_CHECKSUM + 8;
    /// The longest body that is read.
    pub const BODY_BYTES_MAX: u64 = 1 << 32;
}
