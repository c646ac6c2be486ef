//! Headers, transactions, blocks, and the small formats they are made of.

use mvs_primitives::block::Block;
use mvs_primitives::encode::{CompactSize, Decode, Decoder, Encode, MAX_PAYLOAD_BYTES};
use mvs_primitives::hash::{MerkleRoot, TxId, sha256d};
use mvs_primitives::header::Header;
use mvs_primitives::input::{Input, OutPoint};
use mvs_primitives::merkle::{BranchError, MerkleBranch, compute_root};
use mvs_primitives::output::Output;
use mvs_primitives::script::{parse_script_number, script_number};
use mvs_primitives::sighash::{SighashType, signature_hash};
use mvs_primitives::transaction::Transaction;

use crate::round_trip;

pub(crate) fn header(data: &[u8]) {
    let Some(header) = round_trip::<Header>(data) else { return };
    assert_eq!(header.to_array(), header.to_bytes().as_slice());
    assert_eq!(header.hash().as_bytes(), &sha256d(&header.to_array()));
    let _ = header.seal_hash();
    let _ = header.stake_kernel(&OutPoint::NULL);
    let _ = header.bits.boundary();
}

pub(crate) fn transaction(data: &[u8]) {
    round_trip::<OutPoint>(data);
    round_trip::<Input>(data);
    round_trip::<Output>(data);
    let Some(transaction) = round_trip::<Transaction>(data) else { return };
    let mut decoder = Decoder::new(data, MAX_PAYLOAD_BYTES).expect("it fitted before");
    let (same, id) = Transaction::decode_with_id(&mut decoder).expect("it decoded before");
    assert_eq!(same, transaction);
    check_transaction(&transaction, &id);

    // Reading never panics, whatever is signed how.
    let script_code = transaction.outputs.first().map_or(data, |output| output.script.as_bytes());
    for sighash_type in [0, 1, 2, 3, 0x81, 0x83] {
        for index in [0, 1, transaction.inputs.len()] {
            signature_hash(&transaction, index, script_code, SighashType::from_byte(sighash_type));
        }
    }
}

fn check_transaction(transaction: &Transaction, id: &TxId) {
    assert_eq!(*id, transaction.txid());
    assert_eq!(id.as_bytes(), &sha256d(&transaction.to_bytes()));
    assert!(!transaction.is_coinbase() || transaction.inputs.len() == 1);
    let _ = transaction.is_coinstake(&mvs_primitives::address::AddressFormat::MAINNET);
    let _ = transaction.output_value();
    // Attachments have ceilings, so the nominal size is at most the size on the wire.
    assert!(transaction.nominal_size() <= transaction.encoded_len() as u64);
}

pub(crate) fn block(data: &[u8]) {
    round_trip::<Block>(data);
    match Block::decode_with_ids(data) {
        Ok((block, ids)) => {
            assert_eq!(Block::decode(data).as_ref(), Ok(&block));
            assert_eq!(ids, block.txids());
            for (transaction, id) in block.transactions.iter().zip(&ids) {
                check_transaction(transaction, id);
            }
            assert!(block.nominal_size() <= block.encoded_len() as u64);
            let _ = compute_root(&ids);
        }
        Err(error) => assert_eq!(Block::decode(data).err(), Some(error)),
    }
}

pub(crate) fn compact_size(data: &[u8]) {
    if let Some(size) = round_trip::<CompactSize>(data) {
        assert_eq!(CompactSize::len_of(size.value()), size.encoded_len());
    }
    for max in [4, 5, 8] {
        if let Ok(value) = parse_script_number(data, max, true) {
            assert_eq!(script_number(value), data, "a minimal number has one form");
        }
        if let Ok(value) = parse_script_number(data, max, false) {
            assert_eq!(parse_script_number(&script_number(value), max, true), Ok(value));
        }
    }
}

/// Input: number of leaves, index, then bytes that are (a) a branch from outside and (b) changes
/// to an honest branch.
pub(crate) fn merkle_branch(data: &[u8]) {
    if let Some(branch) = round_trip::<MerkleBranch>(data)
        && let Err(error) = branch.verify(&TxId::ZERO, &MerkleRoot::ZERO)
    {
        assert!(BranchError::CODES.contains(&error.code()));
    }
    let [count, index, changes @ ..] = data else { return };
    let leaves: Vec<TxId> = (0..*count).map(|n| TxId::from_bytes(sha256d(&[n]))).collect();
    let root = compute_root(&leaves);
    assert!(!root.is_malleated);
    let Some(branch) = MerkleBranch::of(&leaves, u32::from(*index)) else {
        return assert!(index >= count);
    };
    let leaf = leaves[usize::from(*index)];
    branch.verify(&leaf, &root.root).expect("an honest branch verifies");

    let honest = branch.to_bytes();
    let mut changed = honest.clone();
    for (byte, change) in changed.iter_mut().zip(changes) {
        *byte ^= change;
    }
    changed.extend(changes.iter().skip(honest.len()));
    if changed != honest
        && let Ok(branch) = MerkleBranch::decode(&changed)
        && branch.to_bytes() != honest
    {
        branch.verify(&leaf, &root.root).expect_err("a changed branch fails");
    }
}
