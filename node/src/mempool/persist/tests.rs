use std::sync::Arc;

use mvs_primitives::amount::Amount;
use mvs_primitives::hash::{BlockHash, TxId};
use mvs_primitives::input::{Input, OutPoint};
use mvs_primitives::output::Output;
use mvs_primitives::script::Script;
use mvs_primitives::transaction::Transaction;

use super::{
    HEADER_BYTES, LoadWarning, Loaded, MARK, RECORD_HEAD_BYTES, checksum, head, parse, payload,
};
use crate::mempool::LooseTx;

const GENESIS: BlockHash = BlockHash::from_bytes([3; 32]);

/// A transaction whose script holds what is given.
fn transaction(number: u8, script: &[u8]) -> Transaction {
    Transaction {
        version: 4,
        inputs: vec![Input::unsigned(OutPoint::new(TxId::from_bytes([number; 32]), 1))],
        outputs: vec![Output::etp(Amount::from_units(5), Script::from_bytes(script))],
        locktime: 0,
    }
}

fn file(transactions: &[Transaction]) -> Vec<u8> {
    let mut bytes = head(&GENESIS).to_vec();
    for (transaction, time) in transactions.iter().zip(100..) {
        let payload = payload(time, transaction);
        bytes.extend(MARK);
        bytes.extend((payload.len() as u32).to_le_bytes());
        bytes.extend(checksum::<8>(&payload));
        bytes.extend(payload);
    }
    bytes
}

fn three() -> [Transaction; 3] {
    [transaction(1, &[1, 2]), transaction(2, MARK), transaction(3, &[])]
}

fn found(loaded: &Loaded) -> Vec<(u64, LooseTx)> {
    loaded.transactions.iter().map(|saved| (saved.first_seen_secs, saved.tx.clone())).collect()
}

fn expected(numbers: &[usize]) -> Vec<(u64, LooseTx)> {
    let all = three();
    numbers.iter().map(|n| (100 + *n as u64, LooseTx::from(all[*n].clone()))).collect()
}

#[test]
fn the_format_does_not_change_unnoticed() {
    let bytes = file(&three()[..1]);
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = concat!(
        "4d56534d504f4f4c01000000",
        "0303030303030303030303030303030303030303030303030303030303030303",
    );
    assert!(text.starts_with(expected), "{text}");
    assert_eq!(&text[2 * HEADER_BYTES..2 * HEADER_BYTES + 8], "4d505458");
    assert_eq!(&text[2 * (HEADER_BYTES + 16)..2 * (HEADER_BYTES + 24)], "6400000000000000");
}

#[test]
fn what_is_written_is_read() {
    let loaded = parse(&file(&three()), &GENESIS);
    assert_eq!(loaded.warnings, []);
    assert_eq!(found(&loaded), expected(&[0, 1, 2]));
    assert!(loaded.transactions.iter().all(|saved| {
        saved.tx.txid() == saved.tx.transaction().txid()
            && Arc::strong_count(saved.tx.transaction()) == 1
    }));
}

#[test]
fn heads_of_other_files() {
    let bytes = file(&three());
    let warning = |bytes: &[u8]| parse(bytes, &GENESIS).warnings;
    assert_eq!(parse(&bytes, &BlockHash::ZERO).warnings, [LoadWarning::Network]);
    assert_eq!(warning(b""), [LoadWarning::Head]);
    assert_eq!(
        warning(b"something else that is quite a bit longer than a head"),
        [LoadWarning::Head]
    );
    let mut newer = bytes;
    newer[8] = 2;
    assert_eq!(warning(&newer), [LoadWarning::Head], "the checksum covers the version");
    let sum = checksum::<4>(&newer[..44]);
    newer[44..48].copy_from_slice(&sum);
    assert_eq!(warning(&newer), [LoadWarning::Version { found: 2 }]);
}

#[test]
fn any_damage_costs_only_the_record_that_it_hits() {
    let clean = file(&three());
    let record = |number: usize| file(&three()[..number]).len();
    for position in HEADER_BYTES..clean.len() {
        for flip in [1u8, 0x80, 0xff] {
            let mut bytes = clean.clone();
            bytes[position] ^= flip;
            let loaded = parse(&bytes, &GENESIS);
            let hit = (0..3).find(|n| position < record(n + 1)).unwrap();
            let intact: Vec<usize> = (0..3).filter(|number| *number != hit).collect();
            assert_eq!(found(&loaded), expected(&intact), "byte {position} ^ {flip}");
            let bytes = record(hit + 1) - record(hit);
            let warning = LoadWarning::Damaged { offset: record(hit), bytes };
            assert_eq!(loaded.warnings, [warning], "byte {position} ^ {flip}");
        }
    }
}

#[test]
fn a_file_cut_anywhere_gives_the_whole_records_before() {
    let clean = file(&three());
    for len in HEADER_BYTES..clean.len() {
        let loaded = parse(&clean[..len], &GENESIS);
        let whole = (1..=3).filter(|n| file(&three()[..*n]).len() <= len).count();
        assert_eq!(loaded.transactions.len(), whole, "{len}");
        assert_eq!(loaded.warnings.is_empty(), len == file(&three()[..whole]).len(), "{len}");
    }
}

#[test]
fn marks_in_vain_are_tried_a_bounded_number_of_times() {
    let mut bytes = head(&GENESIS).to_vec();
    for _ in 0..50_000 {
        bytes.extend(MARK);
        bytes.extend([0xff; 4]);
    }
    let end = bytes.len();
    bytes.extend(&file(&three())[HEADER_BYTES..]);
    let loaded = parse(&bytes, &GENESIS);
    assert!(loaded.transactions.is_empty(), "given up long before {end}");
    assert_eq!(loaded.warnings.len(), 1);
}

#[test]
fn a_length_beyond_the_file_is_damage() {
    let mut bytes = file(&three()[..1]);
    bytes[HEADER_BYTES + 4..HEADER_BYTES + 8].copy_from_slice(&u32::MAX.to_le_bytes());
    let loaded = parse(&bytes, &GENESIS);
    assert!(loaded.transactions.is_empty());
    assert_eq!(loaded.warnings.len(), 1);
    assert!(RECORD_HEAD_BYTES < bytes.len());
}
