//! Which blocks a checkpoint vouches for (chain.md 6.8).

use std::borrow::Borrow;

use mvs_primitives::hash::BlockHash;
use mvs_primitives::header::Header;
use mvs_primitives::height::Height;

use crate::params::Params;

/// Evidence that blocks are ancestors of a checkpoint (or the checkpoint itself).
///
/// A height below the checkpoint is not enough: anybody can build a cheap branch there. Only headers
/// that were walked back from the checkpoint's hash are vouched for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vouched {
    first: Height,
    hashes: Vec<BlockHash>,
}

impl Vouched {
    /// Nothing is vouched for: every block needs every check.
    pub const fn nothing() -> Self {
        Self { first: Height::GENESIS, hashes: Vec::new() }
    }

    /// Takes consecutive headers, the first of them at height `first`. `None` unless each names the
    /// one before it as its parent and the last one is a checkpoint of the network at its height.
    pub fn by_checkpoint<H: Borrow<Header>>(
        params: &Params,
        first: Height,
        headers: impl IntoIterator<Item = H>,
    ) -> Option<Self> {
        let mut hashes: Vec<BlockHash> = Vec::new();
        for header in headers {
            let header = header.borrow();
            if hashes.last().is_some_and(|parent| *parent != header.previous) {
                return None;
            }
            hashes.push(header.hash());
        }
        let above_first = u32::try_from(hashes.len()).ok()?.checked_sub(1)?;
        let last = Height::new(first.value().checked_add(above_first)?);
        (params.checkpoint_at(last) == hashes.last()).then_some(Self { first, hashes })
    }

    /// Tells whether the block at a height is vouched for.
    pub fn covers(&self, height: Height, hash: &BlockHash) -> bool {
        height
            .value()
            .checked_sub(self.first.value())
            .and_then(|offset| self.hashes.get(usize::try_from(offset).ok()?))
            == Some(hash)
    }
}
