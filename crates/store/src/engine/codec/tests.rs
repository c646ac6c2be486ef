use super::*;

fn key(txid: u8, index: u32) -> Key {
    let mut key = [txid; 36];
    key[32..].copy_from_slice(&index.to_le_bytes());
    key
}

#[test]
fn entries_share_their_transaction_and_are_read_back() {
    let coins = [
        (key(1, 0), vec![7; 3]),
        (key(1, 300), vec![]),
        (key(2, 0), vec![9; 500]),
        (key(1, 1), vec![1; 20]),
    ];
    let mut list = vec![0xee; 10];
    let mut writer = EntryWriter::default();
    let mut places = Vec::new();
    for (key, value) in &coins {
        places.push(writer.push(&mut list, key, value, coin_digest(key, value)));
    }
    let list = &list[10..];
    let mut found = Vec::new();
    let mut bytes = 0;
    let well_formed = walk_entries(list, 10, |entry| {
        found.push((entry.at, entry.key, entry.value.to_vec()));
        bytes += u64::from(entry.bytes);
        Ok::<(), ()>(())
    });
    assert_eq!(well_formed, Ok(true));
    let expected: Vec<_> =
        places.iter().zip(&coins).map(|(at, (key, value))| (*at, *key, value.clone())).collect();
    assert_eq!(found, expected);
    // Three groups of 36 bytes; an empty value still takes 16 bytes.
    assert_eq!(bytes, list.len() as u64 - 3 * 36);
    assert_eq!(places[1] - places[0], 16);
    // No part of a list, and no list with another byte, is taken for the list.
    for len in 0..list.len() {
        let mut count = 0;
        let well_formed = walk_entries(&list[..len], 10, |_| {
            count += 1;
            Ok::<(), ()>(())
        });
        assert!(well_formed == Ok(false) || count < coins.len());
    }
}

#[test]
fn spent_coins_are_nine_bytes() {
    let mut out = Vec::new();
    Spent::push(&mut out, u64::MAX, (1 << 42) - 1);
    Spent::push(&mut out, 1 << 34, 64);
    assert_eq!(out.len(), 18);
    let spent: Vec<Spent> = spent_in(&out).collect();
    assert_eq!(spent[0], Spent { hash: u64::MAX << 34, position: (1 << 42) - 1 });
    assert_eq!(spent[1], Spent { hash: 1 << 34, position: 64 });
}

/// The example of the format in the crate's README: a block of height 5 that spends one coin and creates
/// one, with the caller's bytes "hi".
#[test]
fn block_record_is_as_documented() {
    let before = Tip { height: 4, hash: [0xaa; 32], digest: CoinDigest::from_u128(1), coins: 3 };
    let body = BodyRef { file: 2, offset: 0x1000, bytes: 80, checksum: 0x0102_0304 };
    let mut buf = Vec::new();
    let head = BlockHead { height: 5, hash: &[0xbb; 32], body: &body, before: Some(before) };
    start_block(&mut buf, &head);
    Spent::push(&mut buf, 0x8000_0004_0000_0000, position_of(1, 0x40));
    let start = buf.len();
    let mut writer = EntryWriter::default();
    let coin = (key(0xcc, 1), [0x11; 9]);
    let digest = coin_digest(&coin.0, &coin.1);
    writer.push(&mut buf, &coin.0, &coin.1, digest);
    let created_bytes = buf.len() - start;
    buf.extend(b"hi");
    finish_block(&mut buf, CoinDigest::from_u128(2), 1, 1, created_bytes, 2);
    let header = RecordHeader {
        kind: record::KIND_BLOCK,
        bytes: buf.len() as u32,
        number: 0,
        epoch: 0x11,
        batch: 0x22,
        before: 0x33,
        checksum: 0,
    };
    let sum = seal(&mut buf, &header, 7);
    let hex: String = buf.iter().map(|byte| format!("{byte:02x}")).collect();
    let zeros = |n: usize| "00".repeat(n);
    let expected = [
        // Record header: magic, kind, bytes, number, epoch, batch, checksum before, checksum.
        "72656389",
        "01000000",
        "07010000",
        "00000000",
        "1100000000000000",
        "2200000000000000",
        "3300000000000000",
        &format!("{:016x}", sum.swap_bytes()),
        // Height, has parent, hash, parent, digest before, digest after, coins before.
        "05000000",
        "01000000",
        &"bb".repeat(32),
        &"aa".repeat(32),
        "01",
        &zeros(15),
        "02",
        &zeros(15),
        "0300000000000000",
        // Body: file, bytes, offset, checksum.
        "02000000",
        "50000000",
        "0010000000000000",
        "0403020100000000",
        // Counts and lengths: spent, created, bytes of created, bytes of extra.
        "01000000",
        "01000000",
        "34000000",
        "02000000",
        // Spent: position (segment 1, offset 64) in 42 bits, then the hash's top 30.
        "400000040004000080",
        // Created: txid, entries of the group; checksum, distance, output, length, value.
        &"cc".repeat(32),
        "01000000",
        &format!("{:08x}", (digest as u32).swap_bytes()),
        "24",
        "01",
        "09",
        &"11".repeat(9),
        // The caller's bytes.
        "6869",
    ]
    .concat();
    assert_eq!(hex, expected);
    assert!(is_whole(&buf, 7) && !is_whole(&buf, 8));
    let block = BlockRecord::from_disk(&buf).unwrap();
    assert_eq!((block.height, block.hash, block.before), (5, [0xbb; 32], Some(before)));
    assert_eq!(block.after.coins, 3);
    assert_eq!((block.body, block.extra), (body, &b"hi"[..]));
    for at in 0..buf.len() {
        buf[at] ^= 4;
        assert!(!is_whole(&buf, 7), "byte {at}");
        buf[at] ^= 4;
    }
    for len in 0..buf.len() {
        assert!(BlockRecord::from_disk(&buf[..len]).is_none());
    }
}

#[test]
fn small_records_are_read_back() {
    let mut buf = Vec::new();
    let restored = [Spent { hash: 3 << 34, position: 70 }, Spent { hash: 0, position: 90 }];
    write_undo(&mut buf, 1234, &restored);
    let undo = UndoRecord::from_disk(&buf).unwrap();
    assert_eq!(undo.block, 1234);
    assert_eq!(spent_in(undo.restored).collect::<Vec<_>>(), restored);
    assert!(UndoRecord::from_disk(&buf[..buf.len() - 1]).is_none());

    let live = [64_u32.to_le_bytes(), 99_u32.to_le_bytes()].concat();
    let moved = MoveRecord {
        victim: 3,
        from: 64,
        to: 4096,
        stamp: 8,
        cold: position_of(9, 64),
        cold_checksum: 5,
        live: &live,
        spent: &live[..4],
        entries: b"entries",
        entries_at: 0,
    };
    moved.to_disk(&mut buf);
    let again = MoveRecord::from_disk(&buf).unwrap();
    assert_eq!((again.victim, again.from, again.to, again.stamp), (3, 64, 4096, 8));
    assert_eq!(offsets_in(again.live).collect::<Vec<_>>(), [64, 99]);
    assert_eq!(offsets_in(again.spent).collect::<Vec<_>>(), [64]);
    assert_eq!((again.entries, again.entries_at as usize), (&b"entries"[..], buf.len() - 7));

    for floor in [None, Some(0), Some(u32::MAX)] {
        let commit = CommitRecord { records: 4, floor, durable: 1 << 40 | 3 };
        commit.to_disk(&mut buf);
        assert_eq!(CommitRecord::from_disk(&buf), Some(commit));
    }
    assert_eq!(CommitRecord::from_disk(&buf[1..]), None);
}
