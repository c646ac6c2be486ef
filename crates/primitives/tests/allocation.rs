//! Decoding allocates in proportion to the bytes received, never to what they claim.
//!
//! For n bytes of input, however hostile, at most `PEAK * n` bytes are held at any moment and at most
//! `TOTAL * n` are asked for altogether, plus [`CONSTANT`]. The factors come from the types: the
//! worst item is a transaction of 10 bytes on the wire, which takes 56 in memory and 32 more for its
//! id, in lists that double as they grow (measured: 15.0 and 24.3). An output, at least 17 bytes on
//! the wire, is 80 in memory and up to 104 beside it for 10 bytes more of attachment.

#![allow(clippy::print_stdout)] // the measured factors, for `--nocapture`
#![allow(clippy::unwrap_used)] // a panic is how a test fails, in its helpers too
#![allow(unsafe_code)] // a global allocator cannot be written without

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use mvs_primitives::block::Block;
use mvs_primitives::encode::{CompactSize, Decode, Encode, MAX_PAYLOAD_BYTES};
use mvs_primitives::input::Input;
use mvs_primitives::output::Output;
use mvs_primitives::transaction::Transaction;

const PEAK: usize = 16;
const TOTAL: usize = 26;
const CONSTANT: usize = 1024;

struct Counting;

thread_local! {
    /// Bytes held now, most bytes held, bytes asked for.
    static COUNTS: Cell<(usize, usize, usize)> = const { Cell::new((0, 0, 0)) };
}

fn count(taken: usize, given_back: usize) {
    // The allocator also runs while a thread ends, when the cell is gone.
    let _ = COUNTS.try_with(|counts| {
        let (held, most, total) = counts.get();
        let held = held.saturating_add(taken);
        counts.set((held.saturating_sub(given_back), most.max(held), total.saturating_add(taken)));
    });
}

// SAFETY: every call is passed on to the system's allocator unchanged; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller keeps the contract, and it is the same one.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    // `realloc` is the provided one: it takes new memory before it gives back the old, which is the
    // worst case that a real one can have.
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Runs something and returns the most bytes it held and the bytes it asked for.
fn measure<T>(run: impl FnOnce() -> T) -> (T, usize, usize) {
    COUNTS.set((0, 0, 0));
    let value = run();
    let (_, most, total) = COUNTS.get();
    (value, most, total)
}

fn check<T: Decode>(name: &str, bytes: &[u8]) -> bool {
    let (result, most, total) = measure(|| T::decode(bytes));
    bounded(name, bytes.len(), most, total);
    result.is_ok()
}

fn bounded(name: &str, len: usize, most: usize, total: usize) {
    println!(
        "{name}: {len} bytes, peak {:.1}, total {:.1} per byte",
        most as f64 / len as f64,
        total as f64 / len as f64
    );
    assert!(most <= PEAK * len + CONSTANT, "{name}: {most} bytes held for {len}");
    assert!(total <= TOTAL * len + CONSTANT, "{name}: {total} bytes asked for {len}");
}

fn list(item: &[u8], budget: usize) -> Vec<u8> {
    let count = budget / item.len();
    [CompactSize::new(count as u64).to_bytes(), item.repeat(count)].concat()
}

const ROOM: usize = MAX_PAYLOAD_BYTES - 400;

fn transaction_of(inputs: &[u8], outputs: &[u8]) -> Vec<u8> {
    [&[4, 0, 0, 0], inputs, outputs, &[0; 4]].concat()
}

fn output_with(attachment: &[u8]) -> Vec<u8> {
    [&[0u8; 9], attachment].concat()
}

#[test]
fn lists_of_the_smallest_items() {
    let input = [[7u8; 36].as_slice(), &[0, 1, 2, 3, 4]].concat();
    assert!(check::<Transaction>("inputs", &transaction_of(&list(&input, ROOM), &[0])));

    let plain = [1u8, 0, 0, 0];
    let bound = [207u8, 0, 0, 0];
    for (name, version, type_number, body) in [
        ("etp", plain, 0u8, &[][..]),
        ("bound etp", bound, 0, &[0, 0]),
        ("bound etp with names", bound, 0, &[1, b'a', 1, b'b']),
        ("detail", plain, 2, &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("transfer", plain, 2, &[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("message", plain, 3, &[1, b'a']),
        ("did", plain, 4, &[1, 0, 0, 0, 0, 0]),
        ("bound did", bound, 4, &[0, 0, 1, 0, 0, 0, 0, 0]),
        ("cert", plain, 5, &[0, 0, 0, 0, 0, 0, 0, 0]),
        ("bound cert", bound, 5, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("mit", plain, 6, &[2, 0, 0]),
        ("bound mit", bound, 6, &[0, 0, 2, 0, 0]),
        ("unknown", plain, 9, &[]),
    ] {
        let attachment = [&version[..], &[type_number, 0, 0, 0], body].concat();
        let outputs = list(&output_with(&attachment), ROOM);
        assert!(check::<Transaction>(name, &transaction_of(&[0], &outputs)), "{name}");
    }

    let block = [&[1u8, 0, 0, 0][..], &[0; 144], &list(&[0; 10], ROOM)].concat();
    assert!(check::<Block>("empty transactions", &block));
    let (result, most, total) = measure(|| Block::decode_with_ids(&block));
    assert!(result.is_ok());
    bounded("empty transactions with ids", block.len(), most, total);
}

#[test]
fn claims_beyond_the_input() {
    let huge = [
        &[0xfd, 0xff, 0xff][..],
        &[0xfe, 0xff, 0xff, 0xff, 0xff],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        &[0xff; 9],
    ];
    for count in huge {
        for filler in [0usize, 1, 100, 60_000] {
            let rest = vec![0u8; filler];
            let inputs = transaction_of(&[count, &rest].concat(), &[]);
            check::<Transaction>("input count", &inputs);
            let outputs = transaction_of(&[0], &[count, &rest].concat());
            check::<Transaction>("output count", &outputs);
            let script = [&[0u8; 8][..], count, &rest].concat();
            check::<Output>("output script", &script);
            let script = [&[1u8; 36][..], count, &rest].concat();
            check::<Input>("input script", &script);
            let text = output_with(&[&[1, 0, 0, 0, 3, 0, 0, 0], count, &rest].concat());
            check::<Output>("text", &text);
            let block = [&[2u8, 0, 0, 0][..], &[0; 144], count, &rest].concat();
            check::<Block>("transaction count", &block);
        }
    }
}

#[test]
fn one_large_thing() {
    let body = vec![b'x'; 1_000_000];
    let long = [&CompactSize::new(1_000_000).to_bytes()[..], &body].concat();
    let outputs = [&[1][..], &[0; 8], &long, &[1, 0, 0, 0, 0, 0, 0, 0]].concat();
    assert!(check::<Transaction>("script", &transaction_of(&[0], &outputs)));
    let message = [&[1][..], &output_with(&[1, 0, 0, 0, 3, 0, 0, 0]), &long].concat();
    assert!(check::<Transaction>("message", &transaction_of(&[0], &message)));
    let marked =
        [&CompactSize::new(1_000_000).to_bytes()[..], &[0x51], &vec![0xbb; 999_999]].concat();
    let outputs = [&[1][..], &[0; 8], &marked, &[1, 0, 0, 0, 0, 0, 0, 0]].concat();
    assert!(check::<Transaction>("opcode 0xbb", &transaction_of(&[0], &outputs)));
}

/// An ordinary block: what is asked for is what the decoded block needs, so each script is copied
/// once and no list grows.
#[test]
fn an_ordinary_block_is_copied_once() {
    // Signature and key hold byte 0xbb here and there, as random bytes do; as data it means nothing.
    let script = [&[72][..], &[0xbb; 72], &[33], &[0xbb; 33]].concat();
    let input = [&[7u8; 36][..], &[107], &script, &[0xff; 4]].concat();
    let output =
        [&[1u8; 8][..], &[25, 0x76, 0xa9, 20], &[5; 20], &[0x88, 0xac, 1, 0, 0, 0, 0, 0, 0, 0]]
            .concat();
    let inputs = [&[2][..], &input, &input].concat();
    let outputs = [&[2][..], &output, &output].concat();
    let transaction = transaction_of(&inputs, &outputs);
    let transactions = list(&transaction, 1_000_000 - 151);
    let block = [&[1u8, 0, 0, 0][..], &[0; 144], &transactions].concat();
    let count = 999_849 / transaction.len();

    let per_transaction =
        size_of::<Transaction>() + 2 * (size_of::<Input>() + 107) + 2 * (size_of::<Output>() + 25);
    let needed = count * per_transaction;
    let (decoded, most, total) = measure(|| Block::decode(&block).unwrap());
    println!(
        "{count} transactions: needed {needed}, peak {most}, total {total}; in memory: transaction {}, input {}, output {}",
        size_of::<Transaction>(),
        size_of::<Input>(),
        size_of::<Output>()
    );
    assert_eq!(decoded.transactions.len(), count);
    // The last transactions of a block cannot reserve their lists in full.
    assert!(total <= needed + 4096, "{total} bytes for {needed}");
    drop(decoded);

    // With ids: 32 bytes more for each transaction, in one list.
    let (_, _, with_ids) = measure(|| Block::decode_with_ids(&block).unwrap());
    assert!(with_ids <= needed + 4096 + 4 * 32 * count, "{with_ids} bytes");
}
