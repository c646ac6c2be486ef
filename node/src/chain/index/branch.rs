//! A run of consecutive headers.

use std::collections::VecDeque;

use mvs_consensus::error::Fault;
use mvs_consensus::header::PlacedHeader;
use mvs_consensus::header_view::HeaderView;
use mvs_primitives::difficulty::Work;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::header::{BlockVersion, Header};
use mvs_primitives::height::Height;

use super::IndexedTip;

/// Names a branch. Numbers are never used twice.
pub(super) type BranchId = u64;

/// Where the parent of a branch's first header is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    /// On the connected chain.
    Trunk,
    /// In this branch.
    Branch(BranchId),
}

/// A header that is not connected.
#[derive(Debug, Clone)]
pub enum Known {
    /// Judged by the header rules.
    Placed(PlacedHeader),
    /// Came back from the connected chain; to connect its block again it must be placed again.
    Stored {
        /// The header.
        header: Header,
        /// Its hash.
        hash: BlockHash,
    },
}

impl Known {
    /// Returns the header.
    pub const fn header(&self) -> &Header {
        match self {
            Self::Placed(placed) => placed.header(),
            Self::Stored { header, .. } => header,
        }
    }

    /// Tells whether work or a judgement stands behind it: a header of a stake block costs nothing to
    /// make, and its stake is judged only when its block is connected.
    pub fn is_backed(&self) -> bool {
        match self {
            Self::Placed(placed) => placed.header().version == BlockVersion::POW,
            Self::Stored { .. } => true,
        }
    }

    /// Returns its hash.
    pub const fn hash(&self) -> BlockHash {
        match self {
            Self::Placed(placed) => placed.hash(),
            Self::Stored { hash, .. } => *hash,
        }
    }
}

/// Heights of the last header of versions 1, 2 and 3, plus one; 0 is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LastHeights([u32; 3]);

impl LastHeights {
    pub(super) fn of_trunk(trunk: &impl HeaderView, height: Height) -> Result<Self, Fault> {
        let mut last = Self::default();
        for version in [BlockVersion::POW, BlockVersion::POS, BlockVersion::DPOS] {
            let found = trunk.last_of_version(version, height, Height::GENESIS)?;
            if let Some((height, _)) = found {
                last.put(version, height);
            }
        }
        Ok(last)
    }

    pub(super) fn put(&mut self, version: BlockVersion, height: Height) {
        if let Some(slot) = Self::slot(version).and_then(|slot| self.0.get_mut(slot)) {
            *slot = height.value().saturating_add(1);
        }
    }

    pub(super) fn get(&self, version: BlockVersion) -> Option<Height> {
        let stored = *self.0.get(Self::slot(version)?)?;
        stored.checked_sub(1).map(Height::new)
    }

    const fn slot(version: BlockVersion) -> Option<usize> {
        match version {
            BlockVersion::POW => Some(0),
            BlockVersion::POS => Some(1),
            BlockVersion::DPOS => Some(2),
            _ => None,
        }
    }
}

/// Names those who can be told apart only with effort: a group of addresses.
pub type Source = u64;

/// Difficulties summed up to a header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sums {
    pub(super) work: Work,
    pub(super) backed_work: Work,
}

impl Sums {
    /// Those of the trunk, which was judged.
    pub(super) const fn judged(work: Work) -> Self {
        Self { work, backed_work: work }
    }

    /// Adds a header.
    pub(super) fn plus(self, known: &Known) -> Self {
        let bits = known.header().bits;
        let backed_work = match known.is_backed() {
            true => self.backed_work.plus(bits),
            false => self.backed_work,
        };
        Self { work: self.work.plus(bits), backed_work }
    }
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) known: Known,
    pub(super) work: Work,
    /// Of `work`, what is backed: all that the trunk has, and above it what cost somebody something.
    pub(super) backed_work: Work,
    pub(super) last: LastHeights,
    /// Entries of this branch that are backed, up to and including this one; those that joined the
    /// trunk since are counted still.
    pub(super) backed: u32,
    /// Order of arrival, for branches of equal work.
    pub(super) seen: u64,
}

#[derive(Debug)]
pub(super) struct Branch {
    pub(super) base: Base,
    /// Height of the first entry; never the genesis block's.
    pub(super) first: Height,
    pub(super) entries: VecDeque<Entry>,
    /// Who told it first; `None` is ourselves.
    pub(super) source: Option<Source>,
}

impl Branch {
    pub(super) const fn new(base: Base, first: Height, source: Option<Source>) -> Self {
        Self { base, first, entries: VecDeque::new(), source }
    }

    /// Tells whether nothing in it cost its maker anything.
    pub(super) fn is_free(&self) -> bool {
        self.top().is_none_or(|top| self.backed_up_to(top) == 0)
    }

    pub(super) fn at(&self, height: Height) -> Option<&Entry> {
        let offset = height.value().checked_sub(self.first.value())?;
        self.entries.get(usize::try_from(offset).ok()?)
    }

    pub(super) fn at_mut(&mut self, height: Height) -> Option<&mut Entry> {
        let offset = height.value().checked_sub(self.first.value())?;
        self.entries.get_mut(usize::try_from(offset).ok()?)
    }

    /// Height of the last entry; `None` while there is none.
    pub(super) fn top(&self) -> Option<Height> {
        let above = u32::try_from(self.entries.len()).ok()?.checked_sub(1)?;
        self.first.value().checked_add(above).map(Height::new)
    }

    /// Returns how many of the entries up to a height are backed.
    pub(super) fn backed_up_to(&self, height: Height) -> u32 {
        let (Some(first), Some(last)) = (self.entries.front(), self.at(height)) else { return 0 };
        let below = first.backed.saturating_sub(u32::from(first.known.is_backed()));
        last.backed.saturating_sub(below)
    }

    /// Adds an entry on top.
    pub(super) fn push(&mut self, known: Known, sums: Sums, last: LastHeights, seen: u64) {
        let below = self.entries.back().map_or(0, |entry| entry.backed);
        let backed = below.saturating_add(u32::from(known.is_backed()));
        let Sums { work, backed_work } = sums;
        self.entries.push_back(Entry { known, work, backed_work, last, backed, seen });
    }

    /// Of the work up to its end, what is backed.
    pub(super) fn backed_work(&self) -> Work {
        self.entries.back().map_or(Work::ZERO, |entry| entry.backed_work)
    }

    /// The last entry, and when it was seen.
    pub(super) fn end(&self) -> Option<(u64, IndexedTip)> {
        let entry = self.entries.back()?;
        let tip = IndexedTip { hash: entry.known.hash(), height: self.top()?, work: entry.work };
        Some((entry.seen, tip))
    }

    /// Takes off the entries from a height on.
    pub(super) fn cut(&mut self, from: Height) -> VecDeque<Entry> {
        let keep = from.value().saturating_sub(self.first.value());
        let keep = usize::try_from(keep).unwrap_or(usize::MAX).min(self.entries.len());
        self.entries.split_off(keep)
    }

    /// Takes off the entries up to a height.
    pub(super) fn pop_up_to(&mut self, up_to: Height) -> Vec<Entry> {
        let mut gone = Vec::new();
        while self.first <= up_to {
            let (Some(entry), Some(next)) = (self.entries.pop_front(), self.first.next()) else {
                break;
            };
            gone.push(entry);
            self.first = next;
        }
        gone
    }
}
