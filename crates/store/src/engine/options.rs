//! Sizes and policies, with the values for production as defaults.

/// How a [`super::Engine`] is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Written into every file; a store of another network is refused.
    pub network_id: u32,
    /// Blocks below the tip that can be undone.
    pub undo_horizon: u32,
    /// Nominal length of a log segment, in bytes; a longer record gets a segment of its own. At most
    /// 64 MiB.
    pub segment_bytes: u32,
    /// Log space is taken from the disk in pieces of an eighth of the segment's length, but
    /// at least this many bytes.
    pub grow_bytes: u32,
    /// Bytes of log after which [`super::Engine::checkpoint_due`] says so.
    pub checkpoint_bytes: u64,
    /// The index.
    pub index: TableOptions,
    /// The share of the log, in percent, that may be bytes nobody needs before cleaning starts.
    pub waste_percent: u8,
    /// The most log bytes that one commit cleans beyond what the batch itself wrote.
    pub clean_step_bytes: u32,
    /// Changed coins kept for the sake of old snapshots, in all.
    pub snapshot_changes_max: usize,
    /// Changes of the index held in memory at a time while opening after a crash; more passes over the
    /// log are made if there are more. 16 bytes each, and half of that again.
    pub replay_changes_max: usize,
    /// Whether checkpoints and second syncs run in threads of their own. Off in tests that need the
    /// same order of calls each time.
    pub background: bool,
    /// The write-ahead rule: the index learns of a batch only after it is durable. Off **only** in
    /// the test that shows that the crash tests then fail.
    pub write_ahead: bool,
}

/// Shape of a [`super::Table`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableOptions {
    /// Shards are 2 to this power: 0 to 8.
    pub shard_bits: u8,
    /// A new shard has 2 to this power lines.
    pub first_line_bits: u8,
    /// A shard doubles when more than this share of its slots, in percent, is taken.
    pub load_percent: u8,
}

impl Default for TableOptions {
    fn default() -> Self {
        Self { shard_bits: 8, first_line_bits: 6, load_percent: 75 }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            network_id: 0,
            undo_horizon: 10_000,
            segment_bytes: 64 << 20,
            grow_bytes: 1 << 20,
            checkpoint_bytes: 128 << 20,
            index: TableOptions::default(),
            waste_percent: 20,
            clean_step_bytes: 128 << 10,
            snapshot_changes_max: 1 << 20,
            replay_changes_max: 1 << 20,
            background: true,
            write_ahead: true,
        }
    }
}
