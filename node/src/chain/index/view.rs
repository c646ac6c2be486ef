//! The headers of one branch, for the header rules.

use mvs_consensus::error::Fault;
use mvs_consensus::header_view::{HeaderInfo, HeaderView};
use mvs_primitives::header::BlockVersion;
use mvs_primitives::height::Height;

use super::branch::LastHeights;
use super::{BlockIndex, Path};
use crate::chain::trunk::Trunk;

/// The headers from the genesis block up to the end of a branch, and headers on top of it that are
/// being judged.
#[derive(Debug)]
pub struct BranchView<'a, T> {
    index: &'a BlockIndex,
    trunk: &'a T,
    path: Path,
    /// On top of the path.
    tentative: Vec<(HeaderInfo, LastHeights)>,
}

impl<'a, T: Trunk> BranchView<'a, T> {
    pub(super) const fn new(index: &'a BlockIndex, trunk: &'a T, path: Path) -> Self {
        Self { index, trunk, path, tentative: Vec::new() }
    }

    /// Returns the height of the last header.
    pub fn top(&self) -> Height {
        let above = u32::try_from(self.tentative.len()).unwrap_or(u32::MAX);
        Height::new(self.path.top().value().saturating_add(above))
    }

    /// Returns the last height that the branch shares with the trunk.
    pub const fn fork(&self) -> Height {
        self.path.fork
    }

    /// Adds a header on top.
    ///
    /// # Errors
    /// [`Fault`] when the headers below cannot be read.
    pub fn push(&mut self, header: impl Into<HeaderInfo>) -> Result<(), Fault> {
        let header = header.into();
        let mut last = self.last_at(self.top())?;
        if let Some(height) = self.top().next() {
            last.put(header.version, height);
            self.tentative.push((header, last));
        }
        Ok(())
    }

    fn tentative_at(&self, height: Height) -> Option<&(HeaderInfo, LastHeights)> {
        let above = height.value().checked_sub(self.path.top().value())?.checked_sub(1)?;
        self.tentative.get(usize::try_from(above).ok()?)
    }

    fn last_at(&self, height: Height) -> Result<LastHeights, Fault> {
        if let Some((_, last)) = self.tentative_at(height) {
            return Ok(*last);
        }
        match self.entry_at(height) {
            Some(entry) => Ok(entry.last),
            None => LastHeights::of_trunk(self.trunk, height.min(self.path.fork)),
        }
    }

    fn entry_at(&self, height: Height) -> Option<&super::Entry> {
        if height <= self.path.fork {
            return None;
        }
        let (id, ..) =
            self.path.runs.iter().rev().find(|(_, a, b)| *a <= height && height <= *b)?;
        self.index.branches.get(id)?.at(height)
    }
}

impl<T: Trunk> HeaderView for BranchView<'_, T> {
    fn header_at(&self, height: Height) -> Result<Option<HeaderInfo>, Fault> {
        if let Some((header, _)) = self.tentative_at(height) {
            return Ok(Some(*header));
        }
        if height <= self.path.fork {
            return self.trunk.header_at(height);
        }
        Ok(self.entry_at(height).map(|entry| entry.known.header().into()))
    }

    fn last_of_version(
        &self,
        version: BlockVersion,
        highest: Height,
        lowest: Height,
    ) -> Result<Option<(Height, HeaderInfo)>, Fault> {
        let start = self.top().min(highest);
        if start <= self.path.fork {
            return self.trunk.last_of_version(version, start, lowest);
        }
        let found = self.last_at(start)?.get(version).filter(|height| *height >= lowest);
        let Some(height) = found else { return Ok(None) };
        Ok(self.header_at(height)?.map(|header| (height, header)))
    }
}
