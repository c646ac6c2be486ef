//! Which blocks a locator names, so that the first node answers it (p2p.md 7.1, 7.3 and 11.7).

use mvs_primitives::height::Height;

/// Returns the heights of a locator for a chain that ends at `tip`: the last ten and the tip, then
/// steps that double, then the genesis block.
///
/// The genesis block always stands at the end: the first node does not answer when it does not know
/// the last hash. The list never has more than floor(log2(tip)) + 12 entries, above which the first
/// node closes the connection.
pub fn locator_heights(tip: Height) -> Vec<Height> {
    let mut heights = Vec::new();
    let (mut height, mut step) = (tip.value(), 1u32);
    while height > 0 {
        heights.push(Height::new(height));
        if heights.len() > 10 {
            step = step.saturating_mul(2);
        }
        height = height.saturating_sub(step);
    }
    heights.push(Height::GENESIS);
    heights
}

/// Returns the most entries that a locator may have for the first node when its chain has this height.
pub fn max_locator_len(height: Height) -> usize {
    let log2 = height.value().max(1).ilog2();
    log2 as usize + 12 // at most 31 + 12
}

#[cfg(test)]
mod tests {
    use mvs_primitives::height::Height;

    use super::{locator_heights, max_locator_len};

    #[test]
    fn locators_are_those_that_the_first_node_takes() {
        for tip in (0..5000).chain([1 << 20, (1 << 31) - 1, 1 << 31, u32::MAX]) {
            let tip = Height::new(tip);
            let heights = locator_heights(tip);
            assert_eq!(heights.first(), Some(&tip));
            assert_eq!(heights.last(), Some(&Height::GENESIS));
            assert!(heights.is_sorted_by(|a, b| a > b), "{tip}");
            // The server may be a little lower than we are: half our height costs one entry.
            assert!(heights.len() <= max_locator_len(tip), "{tip}: {}", heights.len());
        }
    }
}
