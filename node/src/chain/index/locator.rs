//! "What comes after these blocks?": asking and answering (p2p.md 7.1, 7.3).

use mvs_consensus::error::Fault;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::header::Header;
use mvs_primitives::height::Height;

use super::{BlockIndex, Standing};
use crate::chain::trunk::Trunk;

/// Most recent blocks that a locator names one by one.
const DENSE: u32 = 10;

/// The most entries of a locator that are looked at. The longest that an honest node makes has
/// `floor(log2(2^32)) + 12`.
pub(super) const LOCATOR_MAX: usize = 64;

/// Returns how many entries the chain's first node takes at a height: more, and it disconnects
/// (p2p.md 7.1).
pub fn locator_limit(height: Height) -> usize {
    // ilog2 is at most 31.
    usize::try_from(height.value().max(1).ilog2()).unwrap_or(31) + 12
}

/// Returns the heights that a locator names: the ten latest, then at doubling distances, at last the
/// genesis block. At most [`locator_limit`] of the lower of the two heights are named, since the
/// limit that counts is that of the node that answers.
pub fn locator_heights(tip: Height, peer: Height) -> Vec<Height> {
    let most = locator_limit(tip.min(peer));
    // A far lower peer gets wider steps rather than a disconnect.
    for factor in 2..=u32::MAX {
        let heights = heights_with(tip, factor);
        if heights.len() <= most {
            return heights;
        }
    }
    vec![Height::GENESIS]
}

fn heights_with(tip: Height, factor: u32) -> Vec<Height> {
    let mut heights = Vec::new();
    let (mut height, mut step) = (tip.value(), 1u32);
    while height > 0 {
        heights.push(Height::new(height));
        if heights.len() >= DENSE as usize {
            step = step.saturating_mul(factor);
        }
        height = height.saturating_sub(step);
    }
    heights.push(Height::GENESIS);
    heights
}

/// Returns a locator for the branch that ends in `end`, newest first, genesis last.
///
/// # Errors
/// [`Fault`] when the trunk cannot be read or `end` is not known.
pub fn locator(
    index: &BlockIndex,
    trunk: &impl Trunk,
    end: &BlockHash,
    peer: Height,
) -> Result<Vec<BlockHash>, Fault> {
    let path = index.path_to(end);
    let top = match (&path, index.standing(trunk, end)?) {
        (Some(path), _) => path.top(),
        (None, Standing::Trunk(height)) => height,
        (None, _) => return Err(Fault::Broken("a locator starts at an unknown block")),
    };
    let mut hashes = Vec::new();
    for height in locator_heights(top, peer) {
        let beside = path
            .as_ref()
            .filter(|path| height > path.fork)
            .and_then(|path| index.walk(path, height).next().map(|(_, known)| known.hash()));
        let hash = match beside {
            Some(hash) => Some(hash),
            None => trunk.hash_at(height)?,
        };
        hashes.push(hash.ok_or(Fault::Broken("a branch has a gap"))?);
    }
    Ok(hashes)
}

/// The answer to somebody's locator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadersAfter {
    /// The headers that follow, lowest first; never empty.
    Headers(Vec<Header>),
    /// Nothing is sent: the oldest block of the locator is none of ours, or nothing follows.
    Silence,
    /// The locator is longer than any honest node makes it.
    TooLong,
}

/// Answers `getheaders` as the chain's first node does: silence if the locator's oldest entry is
/// unknown; else what follows its first entry on our chain (or the genesis block), up to `stop`, the
/// stop included, and up to `most` headers (p2p.md 7.1).
///
/// # Errors
/// [`Fault`] when the trunk cannot be read.
pub fn headers_after(
    trunk: &impl Trunk,
    locator: &[BlockHash],
    stop: &BlockHash,
    most: usize,
) -> Result<HeadersAfter, Fault> {
    if locator.len() > LOCATOR_MAX {
        return Ok(HeadersAfter::TooLong);
    }
    if let Some(oldest) = locator.last()
        && trunk.height_of(oldest)?.is_none()
    {
        return Ok(HeadersAfter::Silence);
    }
    let mut start = Height::GENESIS;
    for hash in locator {
        if let Some(height) = trunk.height_of(hash)? {
            start = height;
            break;
        }
    }
    let stop = if *stop == BlockHash::ZERO { None } else { trunk.height_of(stop)? };
    let last = stop.unwrap_or(trunk.tip().height).min(trunk.tip().height);
    let mut headers = Vec::new();
    let mut height = start;
    while headers.len() < most && height < last {
        height = height.next().ok_or(Fault::Broken("heights have 32 bits"))?;
        let header = trunk.full_header(height)?;
        headers.push(header.ok_or(Fault::Broken("a connected block has no header"))?);
    }
    Ok(if headers.is_empty() { HeadersAfter::Silence } else { HeadersAfter::Headers(headers) })
}

#[cfg(test)]
mod tests {
    use super::{locator_heights, locator_limit};
    use mvs_primitives::height::Height;

    #[test]
    fn a_locator_ends_with_genesis_and_is_short() {
        for tip in (0..3_000).chain([9_999, 1 << 20, u32::MAX]) {
            let tip = Height::new(tip);
            let heights = locator_heights(tip, tip);
            assert!(heights.len() <= locator_limit(tip), "{tip}: {}", heights.len());
            assert_eq!(heights.first(), Some(&tip));
            assert_eq!(heights.last(), Some(&Height::GENESIS));
            assert!(heights.is_sorted_by(|a, b| a > b), "{tip}");
        }
    }

    #[test]
    fn a_lower_peer_gets_a_shorter_locator() {
        let heights = locator_heights(Height::new(2_000_000), Height::new(5));
        assert!(heights.len() <= locator_limit(Height::new(5)));
        assert_eq!(heights.last(), Some(&Height::GENESIS));
    }

    #[test]
    fn steps_are_those_of_the_first_node() {
        let heights: Vec<u32> =
            locator_heights(Height::new(100), Height::new(100)).iter().map(|h| h.value()).collect();
        assert_eq!(heights, [100, 99, 98, 97, 96, 95, 94, 93, 92, 91, 89, 85, 77, 61, 29, 0]);
    }
}
