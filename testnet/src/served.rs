//! A tree of blocks that a scripted peer serves and follows. It judges nothing.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, Result};

use crate::wire::{HEADER_BYTES, Hash, Reader, block_hash};

const PREVIOUS: std::ops::Range<usize> = 4..36;
/// The low half of the 256-bit difficulty, big-endian (p2p.md 6).
const BITS_LOW: std::ops::Range<usize> = 88..104;

#[derive(Debug, Clone)]
struct Node {
    height: usize,
    previous: Hash,
    work: u128,
    bytes: Vec<u8>,
}

/// Blocks, and which of them are the main chain: the one with the most work, the first seen of equals.
#[derive(Debug, Clone)]
pub struct Served {
    nodes: HashMap<Hash, Node>,
    main: Vec<Hash>,
}

impl Served {
    /// Starts with a genesis block.
    ///
    /// # Panics
    /// When it is shorter than a header.
    pub fn new(genesis: &[u8]) -> Self {
        let hash = block_hash(genesis);
        let bytes = genesis.to_vec();
        let node = Node { height: 0, previous: [0; 32], work: bits(genesis), bytes };
        Self { nodes: HashMap::from([(hash, node)]), main: vec![hash] }
    }

    /// Starts with a genesis block and the blocks on it.
    ///
    /// # Errors
    /// When they do not connect.
    pub fn with<B: AsRef<[u8]>>(genesis: &[u8], blocks: &[B]) -> Result<Self> {
        let mut served = Self::new(genesis);
        for (index, block) in blocks.iter().enumerate() {
            served.add(block.as_ref()).with_context(|| format!("block {index}"))?;
        }
        Ok(served)
    }

    /// Adds a block; tells whether the main chain moved.
    ///
    /// # Errors
    /// When its parent is not there, or it is shorter than a header.
    pub fn add(&mut self, block: &[u8]) -> Result<bool> {
        let header = block.get(..HEADER_BYTES).context("shorter than a header")?;
        let previous: Hash = header[PREVIOUS].try_into()?;
        let hash = block_hash(block);
        if self.nodes.contains_key(&hash) {
            return Ok(false);
        }
        let parent = self.nodes.get(&previous).context("its parent is not there")?;
        let (height, work) = (parent.height + 1, parent.work.saturating_add(bits(block)));
        self.nodes.insert(hash, Node { height, previous, work, bytes: block.to_vec() });
        if work <= self.nodes[&self.tip()].work {
            return Ok(false);
        }
        self.main.truncate(height);
        if self.main.last() == Some(&previous) {
            self.main.push(hash);
            return Ok(true);
        }
        let mut branch = Vec::new();
        let mut at = hash;
        while self.main.get(self.nodes[&at].height) != Some(&at) {
            branch.push(at);
            at = self.nodes[&at].previous;
        }
        self.main.truncate(self.nodes[&at].height + 1);
        self.main.extend(branch.into_iter().rev());
        Ok(true)
    }

    /// Returns the hash of the last block.
    pub fn tip(&self) -> Hash {
        *self.main.last().expect("there is always the genesis block")
    }

    /// Returns the height of the last block.
    pub fn height(&self) -> u32 {
        u32::try_from(self.main.len() - 1).expect("chains of tests are short")
    }

    /// Returns the main chain, genesis first.
    pub fn main(&self) -> &[Hash] {
        &self.main
    }

    /// Returns whether a block is there.
    pub fn has(&self, hash: &Hash) -> bool {
        self.nodes.contains_key(hash)
    }

    /// Returns the last blocks of the branches beside the main chain.
    pub fn side_tips(&self) -> Vec<Hash> {
        let parents: HashSet<Hash> = self.nodes.values().map(|node| node.previous).collect();
        let tip = self.tip();
        self.nodes
            .keys()
            .filter(|hash| !parents.contains(*hash) && **hash != tip)
            .copied()
            .collect()
    }

    /// Returns a block.
    pub fn block(&self, hash: &Hash) -> Option<&[u8]> {
        self.nodes.get(hash).map(|node| node.bytes.as_slice())
    }

    /// Returns a header, and how many transactions the block has.
    pub fn header(&self, hash: &Hash) -> Option<(&[u8], u64)> {
        let (header, body) = self.block(hash)?.split_at_checked(HEADER_BYTES)?;
        let count = Reader::new(body).count(0).unwrap_or_default();
        Some((header, count as u64)) // widening
    }

    /// Returns the locator: eleven hashes from the tip down, then in doubling steps, then genesis.
    pub fn locator(&self) -> Vec<Hash> {
        let mut hashes = Vec::new();
        let (mut height, mut step) = (self.main.len() - 1, 1);
        while height > 0 {
            hashes.push(self.main[height]);
            if hashes.len() > 10 {
                step *= 2;
            }
            height = height.saturating_sub(step);
        }
        hashes.push(self.main[0]);
        hashes
    }

    /// Returns what follows the first hash of a locator that is on the main chain, else what
    /// follows genesis: at most `limit` hashes, up to `stop`.
    pub fn after(&self, locator: &[Hash], stop: &Hash, limit: usize) -> &[Hash] {
        let on_main = |hash: &Hash| {
            let height = self.nodes.get(hash)?.height;
            (self.main.get(height) == Some(hash)).then_some(height)
        };
        let from = locator.iter().find_map(on_main).unwrap_or(0) + 1;
        let end = on_main(stop).map_or(self.main.len(), |height| height + 1);
        let end = end.min(from + limit).min(self.main.len());
        self.main.get(from..end).unwrap_or_default()
    }
}

/// Returns the parent that a block names; zeros when it is too short to name one.
pub fn previous_of(block: &[u8]) -> Hash {
    block.get(PREVIOUS).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default()
}

fn bits(block: &[u8]) -> u128 {
    let low = block.get(BITS_LOW).and_then(|bytes| bytes.try_into().ok());
    low.map_or(0, u128::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(previous: Hash, bits: u8, number: u8) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES + 1];
        bytes[PREVIOUS].copy_from_slice(&previous);
        bytes[BITS_LOW.end - 1] = bits;
        bytes[144] = number;
        bytes[HEADER_BYTES] = 3;
        bytes
    }

    #[test]
    fn the_heaviest_branch_is_the_main_chain() {
        let genesis = block([0; 32], 1, 0);
        let [a, b] = [1, 2].map(|number| block(block_hash(&genesis), 10, number));
        let c = block(block_hash(&b), 10, 3);
        let mut served = Served::with(&genesis, &[&a]).unwrap();
        assert!(!served.add(&b).unwrap(), "equal work does not replace");
        assert_eq!(served.tip(), block_hash(&a));
        assert!(served.add(&c).unwrap());
        assert_eq!(served.main(), [&genesis, &b, &c].map(|block| block_hash(block)));
        assert_eq!(served.header(&served.tip()), Some((&c[..HEADER_BYTES], 3)));
        assert!(served.add(&block([9; 32], 1, 9)).is_err());
        let d = block(block_hash(&a), 30, 4);
        assert_eq!(served.side_tips(), [block_hash(&a)]);
        assert!(served.add(&d).unwrap(), "more work, though not longer");
        assert_eq!(served.side_tips(), [block_hash(&c)]);
        assert_eq!(served.main(), [&genesis, &a, &d].map(|block| block_hash(block)));
    }

    #[test]
    fn locators_are_those_of_the_first_node() {
        let mut blocks = vec![block([0; 32], 1, 0)];
        for number in 0..30 {
            blocks.push(block(block_hash(&blocks[number]), 1, 0));
        }
        let served = Served::with(&blocks[0], &blocks[1..]).unwrap();
        let heights: Vec<usize> = served
            .locator()
            .iter()
            .map(|hash| served.main().iter().position(|other| other == hash).unwrap())
            .collect();
        assert_eq!(heights, [30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 18, 14, 6, 0]);
        let main = served.main();
        assert_eq!(served.after(&[[7; 32], main[4]], &[0; 32], 3), &main[5..8]);
        assert_eq!(served.after(&[main[4]], &main[6], 9), &main[5..7]);
        assert_eq!(served.after(&[], &[0; 32], 2), &main[1..3]);
        assert!(served.after(&[main[30]], &[0; 32], 9).is_empty());
    }
}
