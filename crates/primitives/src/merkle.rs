//! The transaction tree of a block, and proofs that a transaction is in it (chain.md 2.3).

use bitcoin_hashes::sha256d as s256d;

use crate::encode::{CompactSize, Decode, DecodeError, Decoder, Encode, Sink};
use crate::hash::{MerkleRoot, TxId};

/// Hashes two nodes into their parent.
fn parent(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    s256d::Hash::hash_byte_chunks([left, right]).to_byte_array()
}

/// A root, and whether the list of leaves is ambiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComputedRoot {
    /// The root.
    pub root: MerkleRoot,
    /// Two equal nodes stand side by side where a tree of distinct transactions cannot have them:
    /// the same root also belongs to a shorter list (CVE-2012-2459). A block with such a list is
    /// not the block that the header means; the header may still be honest.
    pub is_malleated: bool,
}

/// Computes the root over transaction ids. No ids give the zero root.
///
/// While more than one node is left, an odd last one is paired with itself.
pub fn compute_root(leaves: &[TxId]) -> ComputedRoot {
    let mut level: Vec<[u8; 32]> = leaves.iter().map(|leaf| *leaf.as_bytes()).collect();
    let mut is_malleated = false;
    while level.len() > 1 {
        is_malleated |= level.chunks_exact(2).any(|pair| matches!(pair, [a, b] if a == b));
        level = next_level(&level);
    }
    let root = level.first().map_or(MerkleRoot::ZERO, |root| MerkleRoot::from_bytes(*root));
    ComputedRoot { root, is_malleated }
}

fn next_level(level: &[[u8; 32]]) -> Vec<[u8; 32]> {
    level
        .chunks(2)
        .map(|pair| match pair {
            [left, right] => parent(left, right),
            [last] => parent(last, last),
            _ => unreachable!("chunks of two hold one or two"),
        })
        .collect()
}

/// Proof that a transaction is one of a block's.
///
/// It holds nothing that the hashes do not prove: changing any part of a branch makes it fail. The
/// number of transactions in the block is not among its parts, because a root does not fix it.
///
/// An inner node cannot pass for a leaf (CVE-2017-12842): the bytes behind a node are 64, and a
/// transaction with an input and an output has at least 68 (4 + 1 + 41 + 1 + 17 + 4). Who is shown
/// the transaction itself must therefore refuse one without inputs or outputs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MerkleBranch {
    index: u32,
    siblings: Vec<[u8; 32]>,
}

/// What is wrong with a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BranchError {
    /// The position does not exist in a tree of that depth.
    #[error("no leaf {index} in a tree of {depth} levels")]
    Index {
        /// Position claimed.
        index: u32,
        /// Levels above the leaves.
        depth: usize,
    },
    /// More siblings than any tree has.
    #[error("{found} siblings, at most {max} are possible")]
    Depth {
        /// Siblings given.
        found: usize,
        /// Siblings possible.
        max: usize,
    },
    /// The branch describes a tree that no list of distinct leaves has: a right child equal to its
    /// left one, or something to the right of a node that was paired with itself.
    #[error("the sibling at level {level} contradicts the shape of the tree")]
    Sibling {
        /// Level above the leaves.
        level: usize,
    },
    /// The hashes lead elsewhere.
    #[error("the branch leads to another root")]
    Root,
}

impl BranchError {
    /// Every code that [`BranchError::code`] can give.
    pub const CODES: [&'static str; 4] =
        ["merkle.index", "merkle.depth", "merkle.sibling", "merkle.root"];

    /// Returns the stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Index { .. } => "merkle.index",
            Self::Depth { .. } => "merkle.depth",
            Self::Sibling { .. } => "merkle.sibling",
            Self::Root => "merkle.root",
        }
    }
}

/// The most levels above the leaves that a branch may have: positions are 32-bit numbers.
const MAX_DEPTH: usize = 31;

impl MerkleBranch {
    /// Makes the branch of the leaf at `index`; `None` when there is no such leaf.
    pub fn of(leaves: &[TxId], index: u32) -> Option<Self> {
        let mut position = usize::try_from(index).ok().filter(|index| *index < leaves.len())?;
        let mut level: Vec<[u8; 32]> = leaves.iter().map(|leaf| *leaf.as_bytes()).collect();
        let mut siblings = Vec::new();
        while level.len() > 1 {
            siblings.push(*level.get(position ^ 1).or_else(|| level.get(position))?);
            level = next_level(&level);
            position /= 2;
        }
        Some(Self { index, siblings })
    }

    /// Returns the position of the leaf.
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// Checks that the branch leads from `leaf` to `root`.
    ///
    /// # Errors
    /// [`BranchError`] when it does not.
    pub fn verify(&self, leaf: &TxId, root: &MerkleRoot) -> Result<(), BranchError> {
        let depth = self.siblings.len();
        if depth > MAX_DEPTH {
            return Err(BranchError::Depth { found: depth, max: MAX_DEPTH });
        }
        if self.index >> depth != 0 {
            return Err(BranchError::Index { index: self.index, depth });
        }
        let mut node = *leaf.as_bytes();
        let mut position = self.index;
        let mut is_last = false;
        for (level, sibling) in self.siblings.iter().enumerate() {
            let is_left = position.is_multiple_of(2);
            // Only the last node of a level is paired with itself, and its parents are last too.
            let paired_with_itself = *sibling == node;
            if (paired_with_itself && !is_left) || (is_last && is_left && !paired_with_itself) {
                return Err(BranchError::Sibling { level });
            }
            is_last |= paired_with_itself;
            node = if is_left { parent(&node, sibling) } else { parent(sibling, &node) };
            position /= 2;
        }
        if node == *root.as_bytes() { Ok(()) } else { Err(BranchError::Root) }
    }
}

impl Encode for MerkleBranch {
    /// Writes the index (u32 little endian) and the counted siblings, leaf upwards.
    fn encode<S: Sink>(&self, sink: &mut S) {
        sink.put(&self.index.to_le_bytes());
        CompactSize::new(self.siblings.len() as u64).encode(sink); // widening
        for sibling in &self.siblings {
            sink.put(sibling);
        }
    }
}

impl Decode for MerkleBranch {
    const MIN_BYTES: usize = 5;

    fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            index: decoder.u32_le("leaf index")?,
            siblings: decoder.list("merkle siblings", 32, |d| d.array("merkle sibling"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{MerkleBranch, compute_root};
    use crate::hash::{MerkleRoot, TxId, sha256d};

    fn leaves(count: u8) -> Vec<TxId> {
        (0..count).map(|n| TxId::from_bytes(sha256d(&[n]))).collect()
    }

    #[test]
    fn one_leaf_is_the_root_and_none_is_zero() {
        let one = leaves(1);
        assert_eq!(compute_root(&one).root.as_bytes(), one[0].as_bytes());
        assert_eq!(compute_root(&[]).root, MerkleRoot::ZERO);
    }

    #[test]
    fn duplicated_leaves_give_the_same_root_and_are_told_apart() {
        for count in [3u8, 5, 6, 7, 9, 11] {
            let honest = leaves(count);
            // The shortest tail whose repetition keeps the root: the odd part of the level that
            // first has an odd width.
            let width = usize::from(count);
            let tail = 1usize << width.trailing_zeros();
            let mut malleated = honest.clone();
            malleated.extend_from_slice(&honest[width - tail..]);
            let (a, b) = (compute_root(&honest), compute_root(&malleated));
            assert_eq!(a.root, b.root, "{count}");
            assert!(!a.is_malleated && b.is_malleated, "{count}");
        }
    }

    #[test]
    fn every_branch_of_small_trees_verifies() {
        for count in 1..40u8 {
            let leaves = leaves(count);
            let root = compute_root(&leaves).root;
            for (index, leaf) in leaves.iter().enumerate() {
                let branch = MerkleBranch::of(&leaves, index as u32).unwrap();
                branch.verify(leaf, &root).unwrap();
            }
            assert_eq!(MerkleBranch::of(&leaves, u32::from(count)), None);
        }
    }
}
