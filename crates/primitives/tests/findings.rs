//! Every defect that was found in this crate, as the smallest input that showed it.

#![allow(clippy::unwrap_used)] // a panic is how a test fails, in its helpers too

use mvs_primitives::encode::{Decode, Encode};
use mvs_primitives::hash::{MerkleRoot, TxId, sha256d};
use mvs_primitives::merkle::{MerkleBranch, compute_root};
use mvs_primitives::script::Script;

/// chain.md 3.4: a script whose last push is cut short is raw data and stays as it is, also when
/// opcode 0xbb comes first.
#[test]
fn a_leading_marker_before_a_cut_push_stays() {
    let raw = [0xbb, 0x4c, 0xff, 1];
    let wire = [&[4][..], &raw].concat();
    assert_eq!(Script::decode(&wire).unwrap().as_bytes(), raw);
    assert_eq!(Script::decode(&wire).unwrap().to_bytes(), wire);
}

/// A claimed leaf count above 2^31 made `verify` panic.
#[test]
fn a_branch_of_absurd_size_is_refused() {
    for (first, second) in [(0xffu8, 0u8), (0, 0xff), (0xff, 0xff), (0x80, 0), (1, 1)] {
        let mut wire = [[first; 4], [second; 4]].concat();
        wire.extend([7; 32 * 40]);
        if let Ok((branch, _)) = MerkleBranch::decode_prefix(&wire) {
            assert!(branch.verify(&TxId::ZERO, &MerkleRoot::ZERO).is_err());
        }
    }
}

/// A branch with another leaf count still verified, because no hash covers that number.
#[test]
fn every_changed_byte_of_a_branch_fails() {
    let leaves: Vec<_> = (0..5u8).map(|n| TxId::from_bytes(sha256d(&[n]))).collect();
    let root = compute_root(&leaves).root;
    for (index, leaf) in leaves.iter().enumerate() {
        let wire = MerkleBranch::of(&leaves, index as u32).unwrap().to_bytes();
        MerkleBranch::decode(&wire).unwrap().verify(leaf, &root).unwrap();
        for bit in 0..wire.len() * 8 {
            let mut changed = wire.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let verdict = MerkleBranch::decode(&changed).map(|b| b.verify(leaf, &root));
            assert!(!matches!(verdict, Ok(Ok(()))), "leaf {index}, bit {bit}");
        }
    }
}
