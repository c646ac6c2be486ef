//! Merkle roots and branches: every leaf proves itself, nothing else does.

#![allow(clippy::unwrap_used)] // a panic is how a test fails, in its helpers too

mod common;

use mvs_primitives::encode::{Decode, Encode};
use mvs_primitives::hash::{MerkleRoot, TxId};
use mvs_primitives::merkle::{MerkleBranch, compute_root};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

fn flip<const N: usize>(bytes: &[u8; N], bit: usize) -> [u8; N] {
    let mut flipped = *bytes;
    flipped[bit / 8] ^= 1 << (bit % 8);
    flipped
}

fn verifies(wire: &[u8], leaf: &TxId, root: &MerkleRoot) -> bool {
    MerkleBranch::decode(wire).is_ok_and(|branch| branch.verify(leaf, root).is_ok())
}

/// All of it for every leaf of every small tree: 37 sizes.
#[test]
fn every_bit_of_every_branch_counts() {
    for count in 1..=37usize {
        let leaves = common::leaves(count);
        let root = compute_root(&leaves).root;
        for (index, leaf) in leaves.iter().enumerate() {
            let branch = MerkleBranch::of(&leaves, index as u32).unwrap();
            let wire = branch.to_bytes();
            assert_eq!(MerkleBranch::decode(&wire).as_ref(), Ok(&branch));
            assert!(verifies(&wire, leaf, &root));
            for bit in 0..wire.len() * 8 {
                let mut changed = wire.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert!(!verifies(&changed, leaf, &root), "{count}/{index}: bit {bit}");
            }
            for bit in 0..256 {
                let other = TxId::from_bytes(flip(leaf.as_bytes(), bit));
                assert!(!verifies(&wire, &other, &root));
                let other = MerkleRoot::from_bytes(flip(root.as_bytes(), bit));
                assert!(!verifies(&wire, leaf, &other));
            }
        }
        assert_eq!(MerkleBranch::of(&leaves, count as u32), None);
    }
}

#[test]
fn shorter_longer_and_misplaced_branches_fail() {
    for count in 1..=37usize {
        let leaves = common::leaves(count);
        let root = compute_root(&leaves).root;
        for (index, leaf) in leaves.iter().enumerate() {
            let wire = MerkleBranch::of(&leaves, index as u32).unwrap().to_bytes();
            let depth = wire[4];
            for other in (0..64u32).filter(|other| *other != index as u32) {
                let moved = [&other.to_le_bytes()[..], &wire[4..]].concat();
                assert!(!verifies(&moved, leaf, &root), "{count}/{index} as {other}");
            }
            if depth > 0 {
                let shorter = [&wire[..4], &[depth - 1], &wire[5..wire.len() - 32]].concat();
                assert!(!verifies(&shorter, leaf, &root));
            }
            for extra in [[0; 32], *root.as_bytes(), *leaf.as_bytes()] {
                let longer = [&wire[..4], &[depth + 1], &wire[5..], &extra].concat();
                assert!(!verifies(&longer, leaf, &root));
            }
            // A neighbour's branch.
            for (other, _) in leaves.iter().enumerate().filter(|(other, _)| *other != index) {
                let branch = MerkleBranch::of(&leaves, other as u32).unwrap();
                assert!(branch.verify(leaf, &root).is_err());
            }
        }
    }
}

/// CVE-2012-2459: at whatever level the last nodes are repeated, the root stays and the list is
/// told apart from the honest one, and no repeated leaf proves itself at its second place.
#[test]
fn repetition_at_every_level_is_told_apart() {
    let mut cases = 0;
    for count in 1..=70usize {
        let honest = common::leaves(count);
        let root = compute_root(&honest);
        assert!(!root.is_malleated);
        let mut tail = 1;
        while tail < count {
            // A node of `tail` leaves is last in a level of odd width: it is paired with itself.
            if count.is_multiple_of(tail) && (count / tail) % 2 == 1 {
                let mut repeated = honest.clone();
                repeated.extend_from_slice(&honest[count - tail..]);
                let other = compute_root(&repeated);
                assert_eq!(other.root, root.root, "{count}, tail {tail}");
                assert!(other.is_malleated, "{count}, tail {tail}");
                for (index, leaf) in repeated.iter().enumerate().skip(count) {
                    let branch = MerkleBranch::of(&repeated, index as u32).unwrap();
                    let error = branch.verify(leaf, &root.root).unwrap_err();
                    assert_eq!(error.code(), "merkle.sibling");
                }
                cases += 1;
            }
            tail *= 2;
        }
    }
    assert!(cases > 60, "{cases}");
}

proptest! {
    #[test]
    fn branches_of_large_trees(count in 1..3000usize, index in any::<proptest::sample::Index>(), change in any::<proptest::sample::Index>()) {
        let leaves = common::leaves(count);
        let index = index.index(count);
        let root = compute_root(&leaves);
        prop_assert!(!root.is_malleated);
        let wire = MerkleBranch::of(&leaves, index as u32).unwrap().to_bytes();
        prop_assert!(verifies(&wire, &leaves[index], &root.root));
        let mut changed = wire.clone();
        let bit = change.index(wire.len() * 8);
        changed[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!verifies(&changed, &leaves[index], &root.root));
    }

    #[test]
    fn any_two_lists_differ(count in 2..40usize, swap in any::<(u8, u8)>()) {
        let leaves = common::leaves(count);
        let (a, b) = (usize::from(swap.0) % count, usize::from(swap.1) % count);
        let mut other = leaves.clone();
        other.swap(a, b);
        prop_assert_eq!(compute_root(&leaves) == compute_root(&other), a == b);
        other[a] = other[b];
        if a != b {
            prop_assert!(compute_root(&leaves).root != compute_root(&other).root);
        }
    }
}
