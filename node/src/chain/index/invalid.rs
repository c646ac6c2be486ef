//! Which blocks broke a rule.

use std::collections::{HashSet, VecDeque};

use mvs_primitives::hash::BlockHash;

/// How many are remembered. Each took its maker a valid seal, so more than a few are a wonder.
const CAPACITY: usize = 20_000;

/// Hashes of invalid blocks and their descendants; the oldest are forgotten first, which costs no
/// more than judging them again.
#[derive(Debug, Default)]
pub struct InvalidBlocks {
    known: HashSet<BlockHash>,
    order: VecDeque<BlockHash>,
}

impl InvalidBlocks {
    /// Remembers one.
    pub fn insert(&mut self, hash: BlockHash) {
        if !self.known.insert(hash) {
            return;
        }
        self.order.push_back(hash);
        if self.order.len() > CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// Tells whether one is remembered.
    pub fn contains(&self, hash: &BlockHash) -> bool {
        self.known.contains(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::{CAPACITY, InvalidBlocks};
    use mvs_primitives::hash::BlockHash;

    #[test]
    fn forgets_the_oldest() {
        let hash = |n: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&(n as u64).to_le_bytes());
            BlockHash::from_bytes(bytes)
        };
        let mut invalid = InvalidBlocks::default();
        for n in 0..=CAPACITY {
            invalid.insert(hash(n));
            invalid.insert(hash(n));
        }
        assert!(!invalid.contains(&hash(0)));
        assert!(invalid.contains(&hash(1)) && invalid.contains(&hash(CAPACITY)));
    }
}
