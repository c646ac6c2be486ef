//! A full block of two-in two-out payments: decode, and decode with all txids; ours beside crate
//! `bitcoin` on a Bitcoin block of the same size and shape.
//!
//! After criterion's own report the two are run in turn, round by round. The *fastest* round of each
//! makes the lines `bench=NAME value=N unit=MB/s reference=N ratio=R`: time is wall time, and on a
//! busy machine the median of one side can be mostly waiting for a processor. The medians are
//! printed below; where they tell another story than the fastest rounds, repeat on an idle machine.

use std::hint::black_box;
use std::time::Instant;

use bitcoin::consensus::{deserialize, serialize};
use criterion::{Criterion, Throughput};
use mvs_primitives::block::{Block, BlockProof};
use mvs_primitives::encode::{Decode, Encode};
use mvs_primitives::transaction::Transaction;

const TARGET_BYTES: usize = 1_000_000;
const ROUNDS: usize = 61;

/// Bytes that look random; the same on every run.
struct Noise(u64);

impl Noise {
    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len)
            .map(|_| {
                self.0 ^= self.0 << 13;
                self.0 ^= self.0 >> 7;
                self.0 ^= self.0 << 17;
                (self.0 >> 32) as u8
            })
            .collect()
    }
}

/// A transaction's bytes: two inputs with signature and key, two payments to a key hash.
/// `tail` follows each output script: the attachment here, nothing in Bitcoin.
fn transaction(noise: &mut Noise, tail: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1, 0, 0, 0, 2];
    for _ in 0..2 {
        bytes.extend(noise.bytes(32));
        bytes.extend([1, 0, 0, 0]);
        bytes.extend([107, 72]);
        bytes.extend(noise.bytes(72));
        bytes.extend([33, 2]);
        bytes.extend(noise.bytes(32));
        bytes.extend([0xff; 4]);
    }
    bytes.push(2);
    for value in [3u64, 5_000_000_000] {
        bytes.extend(value.to_le_bytes());
        bytes.extend([25, 0x76, 0xa9, 20]);
        bytes.extend(noise.bytes(20));
        bytes.extend([0x88, 0xac]);
        bytes.extend_from_slice(tail);
    }
    bytes.extend([0; 4]);
    bytes
}

/// A block's bytes: a header, then transactions up to the target size.
fn block(header: &[u8], tail: &[u8]) -> Vec<u8> {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let size = transaction(&mut noise, tail).len();
    let count = (TARGET_BYTES - header.len() - 3) / size;
    let mut bytes = header.to_vec();
    bytes.push(0xfd);
    bytes.extend((count as u16).to_le_bytes());
    for _ in 0..count {
        bytes.extend(transaction(&mut noise, tail));
    }
    bytes
}

fn ours() -> Vec<u8> {
    let mut header = [0u8; 148];
    header[0] = 1;
    let bytes = block(&header, &[1, 0, 0, 0, 0, 0, 0, 0]);
    let decoded = Block::decode(&bytes).expect("the block is well formed");
    assert_eq!(decoded.proof, BlockProof::None);
    assert_eq!(decoded.to_bytes(), bytes);
    bytes
}

fn theirs() -> Vec<u8> {
    let mut header = [0u8; 80];
    header[0] = 1;
    let bytes = block(&header, &[]);
    let decoded: bitcoin::Block = deserialize(&bytes).expect("the block is well formed");
    assert_eq!(serialize(&decoded), bytes);
    bytes
}

fn their_decode(bytes: &[u8]) -> bitcoin::Block {
    deserialize(black_box(bytes)).expect("the block is well formed")
}

fn their_decode_with_ids(bytes: &[u8]) -> (bitcoin::Block, Vec<bitcoin::Txid>) {
    let block = their_decode(bytes);
    let ids = block.txdata.iter().map(bitcoin::Transaction::compute_txid).collect();
    (block, ids)
}

/// MB/s of one run, after one that is not timed: the heap is then as this side left it, not as the
/// other did.
fn speed<T>(bytes: &[u8], run: impl Fn(&[u8]) -> T) -> f64 {
    drop(black_box(run(black_box(bytes))));
    let start = Instant::now();
    let value = black_box(run(black_box(bytes)));
    let seconds = start.elapsed().as_secs_f64();
    drop(value); // freeing is not part of decoding
    bytes.len() as f64 / 1e6 / seconds
}

/// Median and fastest.
fn summary(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[values.len() - 1])
}

/// Runs both in turn and prints the line.
fn compare<A, B>(
    name: &str,
    (our_bytes, our_run): (&[u8], impl Fn(&[u8]) -> A),
    (their_bytes, their_run): (&[u8], impl Fn(&[u8]) -> B),
) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(speed(our_bytes, &our_run));
        theirs.push(speed(their_bytes, &their_run));
    }
    let ((our_median, value), (their_median, reference)) = (summary(ours), summary(theirs));
    println!(
        "bench={name} value={value:.0} unit=MB/s reference={reference:.0} ratio={:.2}",
        value / reference
    );
    println!("  medians: {our_median:.0} and {their_median:.0} MB/s");
}

fn main() {
    let (our_block, their_block) = (ours(), theirs());
    println!("block: {} bytes; of bitcoin: {} bytes", our_block.len(), their_block.len());

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("block");
    group.sample_size(20).throughput(Throughput::Bytes(our_block.len() as u64));
    group.bench_function("decode", |b| b.iter(|| Block::decode(black_box(&our_block))));
    group.bench_function("decode bitcoin", |b| b.iter(|| their_decode(&their_block)));
    group.bench_function("decode with txids", |b| {
        b.iter(|| Block::decode_with_ids(black_box(&our_block)));
    });
    group.bench_function("decode with txids bitcoin", |b| {
        b.iter(|| their_decode_with_ids(&their_block));
    });
    group.finish();

    compare("block_decode", (&our_block, Block::decode), (&their_block, their_decode));
    compare(
        "block_decode_txids",
        (&our_block, Block::decode_with_ids),
        (&their_block, their_decode_with_ids),
    );
    // Both hash with the SHA instructions of the processor, found at run time: several hundred MB/s
    // without them, more than a thousand with them.
    compare(
        "sha256d",
        (&our_block, mvs_primitives::hash::sha256d),
        (&our_block, <bitcoin::hashes::sha256d::Hash as bitcoin::hashes::Hash>::hash),
    );
    let our_decoded = Block::decode(&our_block).expect("the block is well formed");
    let their_decoded = their_decode(&their_block);
    compare(
        "block_txids",
        (&our_block, |_: &[u8]| {
            our_decoded.transactions.iter().map(Transaction::txid).collect::<Vec<_>>()
        }),
        (&their_block, |_: &[u8]| {
            their_decoded.txdata.iter().map(bitcoin::Transaction::compute_txid).collect::<Vec<_>>()
        }),
    );
    compare(
        "block_encode",
        (&our_block, |_: &[u8]| our_decoded.to_bytes()),
        (&their_block, |_: &[u8]| serialize(&their_decoded)),
    );
}
