//! What goes in and out of the engine.

use super::EngineError;

/// A coin's key: the transaction's id (32 bytes), then the output's number (little-endian u32).
pub type Key = [u8; 36];

/// Order-independent sum over all coins: the wrapping sum of `xxh3_128(key || value)`.
///
/// Equal for equal coin tables, whatever the store's seeds and history. It finds divergence and
/// corruption; it is **no** commitment against somebody who chooses coins to make sums meet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CoinDigest(u128);

impl CoinDigest {
    /// Of an empty table.
    pub const EMPTY: Self = Self(0);

    /// From its number, as [`CoinDigest::to_u128`] gave it.
    pub const fn from_u128(value: u128) -> Self {
        Self(value)
    }

    /// As a number.
    pub const fn to_u128(self) -> u128 {
        self.0
    }

    /// With one more coin, whose hash is `coin`.
    #[must_use]
    pub const fn plus(self, coin: u128) -> Self {
        Self(self.0.wrapping_add(coin))
    }

    /// With one coin fewer, whose hash is `coin`.
    #[must_use]
    pub const fn minus(self, coin: u128) -> Self {
        Self(self.0.wrapping_sub(coin))
    }
}

/// A block that the store holds as its last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tip {
    /// Its height.
    pub height: u32,
    /// Its hash.
    pub hash: [u8; 32],
    /// Of the coin table after it.
    pub digest: CoinDigest,
    /// Number of coins after it.
    pub coins: u64,
}

/// Where a block's bytes lie in the caller's files. Opaque to the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyRef {
    /// Number of the file.
    pub file: u32,
    /// Offset in it, in bytes.
    pub offset: u64,
    /// Length in bytes.
    pub bytes: u32,
    /// Checksum of the bytes.
    pub checksum: u64,
}

/// A coin that a block creates.
#[derive(Clone, Copy, Debug)]
pub struct NewCoin<'a> {
    /// Key; not that of a coin that exists.
    pub key: Key,
    /// Value, at most [`crate::layout::VALUE_BYTES_MAX`].
    pub value: &'a [u8],
}

/// A block to [`super::Batch::apply`].
#[derive(Clone, Copy, Debug)]
pub struct BlockEntry<'a> {
    /// One more than the tip's; anything in an empty store.
    pub height: u32,
    /// Its hash.
    pub hash: [u8; 32],
    /// Where its bytes are.
    pub body: BodyRef,
    /// Coins to remove, from [`super::Batch::find`].
    pub spent: &'a [Found],
    /// Coins to add.
    pub created: &'a [NewCoin<'a>],
    /// The caller's bytes, given back on replay and undo.
    pub extra: &'a [u8],
}

/// A coin that a look-up found: what spending it needs.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    pub(super) hash: u64,
    pub(super) position: u64,
    pub(super) digest: u128,
    /// The batch it came from; 0 for a snapshot's.
    pub(super) batch: u64,
    /// Whether the index held it when the batch began.
    pub(super) in_index: bool,
    pub(super) value_start: usize,
    pub(super) value_bytes: usize,
}

/// Answers of a batched look-up, reusable so that look-ups do not allocate.
#[derive(Debug, Default)]
pub struct Lookups {
    pub(super) found: Vec<Option<Found>>,
    pub(super) values: Vec<u8>,
    pub(super) pending: Vec<Pending>,
    /// Positions and numbers of the look-ups that read coins.
    pub(super) order: Vec<u64>,
}

/// A look-up between its steps.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pending {
    pub(super) hash: u64,
    /// The only candidate; 0 if there is none.
    pub(super) position: u64,
    /// There is more than one candidate: look again, slowly.
    pub(super) several: bool,
    pub(super) in_index: bool,
}

impl Lookups {
    /// With no answers yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of answers.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether there are no answers.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The handle of the key of this number; none if there is no such coin (or no such number).
    pub fn found(&self, index: usize) -> Option<Found> {
        self.found.get(index).copied().flatten()
    }

    /// The value of the key of this number; none if there is no such coin (or no such number).
    pub fn value(&self, index: usize) -> Option<&[u8]> {
        let found = self.found.get(index)?.as_ref()?;
        self.values.get(found.value_start..found.value_start.checked_add(found.value_bytes)?)
    }

    /// All handles, in the order of the keys.
    pub fn handles(&self) -> &[Option<Found>] {
        &self.found
    }
}

/// What [`super::Batch::undo`] took back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    /// Height of the block.
    pub height: u32,
    /// Its hash.
    pub hash: [u8; 32],
    /// Where its bytes are.
    pub body: BodyRef,
    /// The caller's bytes given with it.
    pub extra: Vec<u8>,
    /// The tip now.
    pub tip: Option<Tip>,
}

/// A block met on replay.
#[derive(Clone, Copy, Debug)]
pub struct ReplayedBlock<'a> {
    /// Its height.
    pub height: u32,
    /// Its hash.
    pub hash: [u8; 32],
    /// Where its bytes are.
    pub body: BodyRef,
    /// The caller's bytes given with it.
    pub extra: &'a [u8],
    /// The tip after it was applied, or after it was undone.
    pub tip: Option<Tip>,
}

/// The caller's part in opening: hears what the log holds beyond the last checkpoint.
///
/// Only whole batches are told. An error ends the opening.
pub trait Recovery {
    /// Whether the block's bytes are whole. Asked for each block before its batch is accepted; `false`
    /// ends the log before that batch.
    fn body_is_intact(&mut self, body: &BodyRef) -> Result<bool, EngineError>;

    /// Makes the bodies durable that [`Recovery::body_is_intact`] has found whole: the process before
    /// may have died before it could. Called once, before anything learns of a replayed batch.
    ///
    /// Those of the `last` batch are to be written over themselves before: their sync may have failed, and then the
    /// system takes for written what is not on the disk.
    fn sync_bodies(&mut self, last: &[BodyRef]) -> Result<(), EngineError>;

    /// The checkpoint from which replay starts, with the `aux` given to it.
    fn checkpoint(&mut self, tip: Option<Tip>, aux: &[u8]) -> Result<(), EngineError>;

    /// A block was applied after the checkpoint.
    fn applied(&mut self, block: &ReplayedBlock<'_>) -> Result<(), EngineError>;

    /// The tip was undone after the checkpoint.
    fn undone(&mut self, block: &ReplayedBlock<'_>) -> Result<(), EngineError>;
}

/// For callers that keep nothing of their own.
impl Recovery for () {
    fn body_is_intact(&mut self, _: &BodyRef) -> Result<bool, EngineError> {
        Ok(true)
    }

    fn sync_bodies(&mut self, _: &[BodyRef]) -> Result<(), EngineError> {
        Ok(())
    }

    fn checkpoint(&mut self, _: Option<Tip>, _: &[u8]) -> Result<(), EngineError> {
        Ok(())
    }

    fn applied(&mut self, _: &ReplayedBlock<'_>) -> Result<(), EngineError> {
        Ok(())
    }

    fn undone(&mut self, _: &ReplayedBlock<'_>) -> Result<(), EngineError> {
        Ok(())
    }
}

/// What opening found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Whether the store was made just now.
    pub created: bool,
    /// Whether it was closed cleanly before.
    pub clean: bool,
    /// Batches replayed from the log.
    pub batches: u64,
    /// Bytes of log replayed.
    pub replayed_bytes: u64,
}

/// Sizes and counts; see [`super::Engine::stats`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Coins in the index.
    pub coins: u64,
    /// Slots of the index.
    pub index_slots: u64,
    /// Bytes of the index on disk.
    pub index_bytes: u64,
    /// Segments of the log.
    pub segments: u64,
    /// Bytes taken by segments on disk.
    pub log_bytes: u64,
    /// Bytes of records in segments, the rest being space taken ahead.
    pub used_bytes: u64,
    /// Bytes of the log that are needed (live coins and those spent within the undo horizon), to
    /// the precision of the live maps.
    pub needed_bytes: u64,
    /// Bytes of log since the last checkpoint.
    pub since_checkpoint_bytes: u64,
    /// Checkpoints made durable in the life of the store.
    pub checkpoints: u64,
    /// Coins moved by cleaning since opening.
    pub moved_coins: u64,
    /// Segments removed since opening.
    pub removed_segments: u64,
    /// Spent coins that an undo put back from where cleaning had taken them, since opening.
    pub translated_coins: u64,
}
