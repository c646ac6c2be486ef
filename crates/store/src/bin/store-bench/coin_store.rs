//! What a store must do to run a workload.

use anyhow::Result;

use crate::feed::Feed;
use crate::workload::Key;

/// Called for each key that was asked for: its place in the list, and the value if the coin is live.
pub(crate) type Found<'a> = &'a mut dyn FnMut(usize, Option<&[u8]>) -> Result<()>;

/// Called for each coin.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&Key, &[u8]) -> Result<()>;

/// A store of coins under test. Values go in and come out as the workload has them.
pub(crate) trait CoinStore {
    /// Returns the height of the last block applied.
    fn tip(&self) -> Result<Option<u32>>;

    /// Applies all blocks of the feed and commits them durably, at once.
    ///
    /// For each block: reads every spent coin (a missing one is an error), tells the feed the
    /// wrapping sum of their amounts, removes them, adds the created ones (one that is there already
    /// is an error), and keeps what is needed to undo the block.
    fn apply(&mut self, feed: &mut Feed<'_>) -> Result<()>;

    /// Looks coins up.
    fn find(&self, keys: &[Key], found: Found<'_>) -> Result<()>;

    /// Visits every coin, in any order.
    fn visit(&self, visit: Visit<'_>) -> Result<()>;

    /// Closes the store; what is committed stays.
    fn close(self: Box<Self>) -> Result<()>;
}
