//! What header rules may see of the chain below a header.

use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::header::{BlockVersion, Header};
use mvs_primitives::height::Height;
use mvs_primitives::time::Timestamp;

use crate::error::Fault;

/// The parts of an accepted header that later headers' rules look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderInfo {
    /// Kind of seal.
    pub version: BlockVersion,
    /// When the block was made.
    pub timestamp: Timestamp,
    /// Difficulty.
    pub bits: Difficulty,
}

impl From<&Header> for HeaderInfo {
    fn from(header: &Header) -> Self {
        Self { version: header.version, timestamp: header.timestamp, bits: header.bits }
    }
}

/// The headers of one branch, by height: from the genesis block to the parent of the header that is
/// being judged.
///
/// Heights are positions in the branch, whatever number a header claims. A header that cannot be
/// read is a [`Fault`], never `None`: it says nothing about anybody's block.
pub trait HeaderView {
    /// Returns the header at a height; `None` above the branch's end.
    ///
    /// # Errors
    /// [`Fault`] when the headers cannot be read.
    fn header_at(&self, height: Height) -> Result<Option<HeaderInfo>, Fault>;

    /// Returns the highest header of a version at heights `lowest..=highest`.
    ///
    /// The body given here walks down and is right for every view. A view with an index should
    /// answer from it: on a chain without stake blocks the walk goes down to the start of the stake
    /// era, for every stake header that somebody offers.
    ///
    /// # Errors
    /// [`Fault`] when the headers cannot be read.
    fn last_of_version(
        &self,
        version: BlockVersion,
        highest: Height,
        lowest: Height,
    ) -> Result<Option<(Height, HeaderInfo)>, Fault> {
        let mut height = highest;
        while height >= lowest {
            match self.header_at(height)? {
                Some(header) if header.version == version => return Ok(Some((height, header))),
                _ => {
                    let Some(previous) = height.previous() else { break };
                    height = previous;
                }
            }
        }
        Ok(None)
    }
}

impl<V: HeaderView + ?Sized> HeaderView for &V {
    fn header_at(&self, height: Height) -> Result<Option<HeaderInfo>, Fault> {
        (**self).header_at(height)
    }

    fn last_of_version(
        &self,
        version: BlockVersion,
        highest: Height,
        lowest: Height,
    ) -> Result<Option<(Height, HeaderInfo)>, Fault> {
        (**self).last_of_version(version, highest, lowest)
    }
}

/// A branch in memory, with an index by version.
#[derive(Debug, Clone, Default)]
pub struct HeaderChain {
    headers: Vec<Indexed>,
}

#[derive(Debug, Clone, Copy)]
struct Indexed {
    header: HeaderInfo,
    /// For versions 1, 2 and 3: height of the last header of that version, this one included.
    last: [Option<Height>; 3],
}

impl HeaderChain {
    /// An empty branch.
    pub const fn new() -> Self {
        Self { headers: Vec::new() }
    }

    /// Appends the header of the next height; the first one is the genesis block's.
    ///
    /// # Panics
    /// When the branch already holds a header at every 32-bit height.
    pub fn push(&mut self, header: impl Into<HeaderInfo>) {
        let header = header.into();
        let height = Height::new(u32::try_from(self.headers.len()).expect("heights have 32 bits"));
        let mut last = self.headers.last().map_or([None; 3], |indexed| indexed.last);
        if let Some(slot) = Self::slot(header.version).and_then(|slot| last.get_mut(slot)) {
            *slot = Some(height);
        }
        self.headers.push(Indexed { header, last });
    }

    /// Cuts the branch so that `height` is its last header.
    pub fn truncate_to(&mut self, height: Height) {
        if let Ok(height) = usize::try_from(height.value()) {
            self.headers.truncate(height.saturating_add(1));
        }
    }

    /// Returns the height of the last header; `None` while the branch is empty.
    pub fn tip(&self) -> Option<Height> {
        let len = u32::try_from(self.headers.len()).ok()?;
        len.checked_sub(1).map(Height::new)
    }

    fn slot(version: BlockVersion) -> Option<usize> {
        match version {
            BlockVersion::POW => Some(0),
            BlockVersion::POS => Some(1),
            BlockVersion::DPOS => Some(2),
            _ => None,
        }
    }

    /// Returns the header at a height: what [`HeaderView::header_at`] says, without a fault.
    pub fn header(&self, height: Height) -> Option<HeaderInfo> {
        self.at(height).map(|indexed| indexed.header)
    }

    fn last(
        &self,
        version: BlockVersion,
        highest: Height,
        lowest: Height,
    ) -> Option<(Height, HeaderInfo)> {
        let start = self.tip()?.min(highest);
        let height = *self.at(start)?.last.get(Self::slot(version)?)?;
        let height = height.filter(|height| *height >= lowest)?;
        Some((height, self.header(height)?))
    }

    fn at(&self, height: Height) -> Option<&Indexed> {
        self.headers.get(usize::try_from(height.value()).ok()?)
    }
}

impl HeaderView for HeaderChain {
    fn header_at(&self, height: Height) -> Result<Option<HeaderInfo>, Fault> {
        Ok(self.header(height))
    }

    fn last_of_version(
        &self,
        version: BlockVersion,
        highest: Height,
        lowest: Height,
    ) -> Result<Option<(Height, HeaderInfo)>, Fault> {
        Ok(self.last(version, highest, lowest))
    }
}

/// Returns how many blocks ago the run of blocks of `version` would have begun if a block of that
/// version came at `height`: the height less that of the last earlier block of another version
/// (chain.md 8.1, rule 3). `None` when there is no such block at heights from 1 on: then the rule
/// sets no limit.
///
/// # Errors
/// [`Fault`] when the headers cannot be read.
pub fn run_length(
    view: &impl HeaderView,
    version: BlockVersion,
    height: Height,
) -> Result<Option<u32>, Fault> {
    let Some(parent) = height.previous() else { return Ok(None) };
    let mut best: Option<Height> = None;
    for other in [BlockVersion::POW, BlockVersion::POS, BlockVersion::DPOS] {
        if other == version {
            continue;
        }
        // Nothing below what is already found can change the answer.
        let lowest = best.unwrap_or(Height::new(1));
        if let Some((found, _)) = view.last_of_version(other, parent, lowest)? {
            best = Some(found);
        }
    }
    Ok(best.map(|last_other| height.blocks_since(last_other)))
}

/// Blocks whose timestamps make the median time (chain.md 7.3).
pub const MEDIAN_TIME_BLOCKS: u32 = 11;

/// Returns the median of the timestamps of the (at most) eleven blocks before `height`: element
/// `floor(n / 2)` of the ascending list (chain.md 7.3). `None` for the genesis block, and where one
/// of the blocks is above the branch's end.
///
/// # Errors
/// [`Fault`] when the headers cannot be read.
pub fn median_time_past(
    view: &impl HeaderView,
    height: Height,
) -> Result<Option<Timestamp>, Fault> {
    let first = height.value().saturating_sub(MEDIAN_TIME_BLOCKS);
    let mut times = Vec::with_capacity(11);
    for height in first..height.value() {
        let Some(header) = view.header_at(Height::new(height))? else { return Ok(None) };
        times.push(header.timestamp);
    }
    times.sort_unstable();
    Ok(times.get(times.len() / 2).copied())
}

#[cfg(test)]
mod tests {
    use super::{HeaderChain, HeaderInfo, HeaderView, median_time_past, run_length};
    use mvs_primitives::difficulty::Difficulty;
    use mvs_primitives::header::BlockVersion;
    use mvs_primitives::height::Height;
    use mvs_primitives::time::Timestamp;

    fn chain(versions: &[u32]) -> HeaderChain {
        let mut chain = HeaderChain::new();
        for (index, version) in versions.iter().enumerate() {
            chain.push(HeaderInfo {
                version: BlockVersion::new(*version),
                timestamp: Timestamp::from_unix_secs(100 - index as u32),
                bits: Difficulty::from_u64(1),
            });
        }
        chain
    }

    #[test]
    fn run_length_counts_from_the_last_other_block_above_genesis() {
        let at = |versions: &[u32], version| {
            run_length(&chain(versions), version, Height::new(versions.len() as u32)).unwrap()
        };
        assert_eq!(at(&[1, 1, 1], BlockVersion::POW), None);
        assert_eq!(at(&[2, 1, 1], BlockVersion::POW), None, "genesis is not looked at");
        assert_eq!(at(&[1, 2, 1, 1], BlockVersion::POW), Some(3));
        assert_eq!(at(&[1, 2, 1, 1], BlockVersion::POS), Some(1));
        assert_eq!(at(&[1, 2, 3, 1], BlockVersion::POW), Some(2));
        assert_eq!(at(&[1, 3, 2, 1], BlockVersion::POW), Some(2));
    }

    #[test]
    fn median_of_few_and_of_eleven() {
        let chain = chain(&[1; 20]);
        let median = |height| median_time_past(&chain, Height::new(height)).unwrap();
        assert_eq!(median(0), None);
        assert_eq!(median(1), Some(Timestamp::from_unix_secs(100)));
        assert_eq!(median(2), Some(Timestamp::from_unix_secs(100))); // of 99, 100: the second
        assert_eq!(median(11), Some(Timestamp::from_unix_secs(95)));
        assert_eq!(median(20), Some(Timestamp::from_unix_secs(86)));
        assert_eq!(median(21), None, "the parent is missing");
    }

    #[test]
    fn cutting_forgets_what_was_above() {
        let mut chain = chain(&[1, 2, 1]);
        chain.truncate_to(Height::new(0));
        let top = Height::new(9);
        let last = chain.last_of_version(BlockVersion::POS, top, Height::GENESIS).unwrap();
        assert_eq!(last, None);
        assert_eq!(chain.tip(), Some(Height::GENESIS));
    }
}
