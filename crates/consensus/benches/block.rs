//! Measures what connecting a block costs beside the signatures themselves, and how it scales.
//!
//! The block has 2,000 transactions of two inputs and two outputs, all pay-to-key-hash, every key
//! another one. Four ways are run in turn, so that each meets the same noise, and the medians are
//! printed: `bench=NAME value=N unit=UNIT reference=N ratio=N`. Times of one thread are its CPU times,
//! where the system tells them; those of two threads are wall times.
//!
//! "Without signatures" is measured with a memory that holds all of them, less the time to look them
//! up there.
//!
//! With the argument `profile` it connects the block over and over without signature checks, for a
//! profiler to look at.
#![allow(clippy::print_stdout)] // a bench talks to people

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mvs_consensus::block::{
    BlockBody, CheckedBlock, PendingBlock, ScriptVerdict, check_block, connect_block,
    connect_genesis,
};
use mvs_consensus::header::{CheckedHeader, Parent, accept_header, check_headers};
use mvs_consensus::header_view::HeaderChain;
use mvs_consensus::params::{Params, PowDifficulty};
use mvs_consensus::script::{CacheUse, SigCache};
use mvs_consensus::state::{Coin, MemoryState, StateDelta};
use mvs_consensus::subsidy::block_subsidy;
use mvs_pow::{Attempt, CacheSet, Epoch, hashimoto_light};
use mvs_primitives::amount::Amount;
use mvs_primitives::block::{Block, BlockProof};
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::encode::Encode;
use mvs_primitives::hash::{MerkleRoot, MixHash, TxId, hash160};
use mvs_primitives::header::{BlockVersion, Header};
use mvs_primitives::height::Height;
use mvs_primitives::input::{Input, OutPoint};
use mvs_primitives::merkle::compute_root;
use mvs_primitives::output::Output;
use mvs_primitives::script::{Script, ScriptBuilder, script_number};
use mvs_primitives::sighash::{SighashType, signature_hash};
use mvs_primitives::transaction::Transaction;
use secp256k1::{Message, PublicKey, SecretKey, ecdsa};

const TRANSACTIONS: u32 = 2_000;
const INPUTS: u32 = 2;
const ROUNDS: usize = 15;

fn main() {
    let bench = Bench::new();
    if std::env::args().any(|argument| argument == "profile") {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(10) {
            bench.connect(CacheUse::Read(&bench.signatures));
        }
        return;
    }
    let mut times: [Vec<f64>; 8] = Default::default();
    for _ in 0..ROUNDS {
        let taken = [
            cpu_secs(|| bench.verify_bare(0..bench.checks.len())),
            cpu_secs(|| bench.connect(CacheUse::Off)),
            cpu_secs(|| bench.connect(CacheUse::Read(&bench.signatures))),
            cpu_secs(|| bench.look_up()),
            wall_secs(|| bench.verify_bare(0..bench.checks.len())),
            wall_secs(|| bench.verify_bare_on_two_threads()),
            bench.scripts_secs(1),
            bench.scripts_secs(2),
        ];
        times.iter_mut().zip(taken).for_each(|(list, secs)| list.push(secs));
    }
    let [bare, full, remembered, look_up, bare_one, bare_two, one, two] = times.map(median);
    let without = remembered - look_up;
    let line = |name: &str, value: f64, unit: &str, reference: f64| {
        let ratio = value / reference;
        println!(
            "bench={name} value={value:.3} unit={unit} reference={reference:.3} ratio={ratio:.4}"
        );
    };
    let milli = 1e3;
    line("bare_signatures", bare * milli, "ms", bare * milli);
    line("connect", full * milli, "ms", bare * milli);
    line("connect_without_signatures", without * milli, "ms", bare * milli);
    line("all_but_signatures_of_connect", without * milli, "ms", full * milli);
    line("blocks_per_second", 1.0 / full, "1/s", 1.0 / bare);
    line("blocks_per_second_without_signatures", 1.0 / without, "1/s", 1.0 / bare);
    // The reference is how much faster two threads are at nothing but signatures, just now.
    line("speedup_of_two_threads", one / two, "x", bare_one / bare_two);
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn wall_secs(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// CPU time of this thread; wall time where the system does not tell it.
fn cpu_secs(work: impl FnOnce()) -> f64 {
    let nanos = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    let before = nanos();
    let wall = wall_secs(work);
    match before.zip(nanos()) {
        Some((before, after)) => after.saturating_sub(before) as f64 * 1e-9, // far below 2^53
        None => wall,
    }
}

/// A signature as it is verified without a node around it.
struct BareCheck {
    hash: [u8; 32],
    key: [u8; 33],
    signature: [u8; 64],
}

struct Bench {
    params: Params,
    headers: HeaderChain,
    state: MemoryState,
    bytes: Vec<u8>,
    header: CheckedHeader,
    checks: Vec<BareCheck>,
    /// All of the block's signatures.
    signatures: SigCache,
}

impl Bench {
    fn new() -> Self {
        let mut params = Params::devnet();
        params.pow_difficulty = PowDifficulty::Fixed(Difficulty::from_u64(1));
        let genesis = connect_genesis(&params).expect("the network has a genesis block");
        let mut headers = HeaderChain::new();
        headers.push(genesis.block().header().header());
        let mut state = MemoryState::new();
        state.apply(genesis.delta()).expect("it fits the empty state");
        state.apply(&coins()).expect("the coins are new");

        let mut checks = Vec::new();
        let mut transactions = vec![coinbase(&params)];
        transactions.extend((0..TRANSACTIONS).map(|number| spend(number, &mut checks)));
        let caches = CacheSet::new(1);
        let block = seal(&params, transactions, &caches);
        let signatures = SigCache::new([7; 32], 1 << 16);
        for check in &checks {
            signatures.insert(&check.hash, &check.key, &check.signature);
        }
        let bytes = block.to_bytes();
        let header =
            check_headers(&params, &caches, vec![block.header]).remove(0).expect("it is sealed");
        Self { params, headers, state, bytes, header, checks, signatures }
    }

    /// From the bytes to the state after the block. The seal is another matter.
    fn connect(&self, cache: CacheUse<'_>) {
        let connected = self.pending().finish_here(cache).expect("its scripts hold");
        assert_eq!(black_box(connected).delta().created.len(), 2 * 2_000 + 1);
    }

    fn pending(&self) -> PendingBlock {
        connect_block(&self.params, &self.headers, &self.state, self.checked())
            .expect("it obeys every rule")
    }

    fn checked(&self) -> Arc<CheckedBlock> {
        let genesis = self.params.genesis.header.hash();
        let parent = Parent { hash: genesis, height: Height::GENESIS };
        let body = BlockBody::decode(black_box(&self.bytes)).expect("it decodes");
        let header = accept_header(
            &self.params,
            &self.headers,
            parent,
            self.header.clone(),
            u64::from(u32::MAX),
        )
        .expect("it follows the genesis block");
        check_block(&self.params, header, body).expect("the body fits")
    }

    /// Looks up each signature in the memory.
    fn look_up(&self) {
        let known = |check: &BareCheck| {
            self.signatures.contains(&check.hash, &check.key, black_box(&check.signature))
        };
        assert!(self.checks.iter().all(known));
    }

    /// Wall time of the scripts of the block, on one thread or two.
    fn scripts_secs(&self, threads: usize) -> f64 {
        let pending = self.pending();
        let jobs = pending.jobs();
        let run = |part: &[_]| -> Vec<ScriptVerdict> {
            part.iter().map(|job| pending.run(*job, CacheUse::Off)).collect()
        };
        let (first, second) = jobs.split_at(jobs.len() / threads);
        let mut verdicts = Vec::new();
        let secs = wall_secs(|| {
            std::thread::scope(|scope| {
                let other = (threads > 1).then(|| scope.spawn(|| run(second)));
                verdicts = run(first);
                if let Some(other) = other {
                    verdicts.extend(other.join().expect("no script panics"));
                }
            });
        });
        pending.finish(verdicts).expect("its scripts hold");
        secs
    }

    fn verify_bare(&self, which: std::ops::Range<usize>) {
        for check in self.checks.get(which).unwrap_or_default() {
            let key = PublicKey::from_slice(black_box(&check.key)).expect("valid");
            let signature =
                ecdsa::Signature::from_compact(black_box(&check.signature)).expect("valid");
            ecdsa::verify(&signature, Message::from_digest(check.hash), &key).expect("it holds");
        }
    }

    fn verify_bare_on_two_threads(&self) {
        let (half, all) = (self.checks.len() / 2, self.checks.len());
        std::thread::scope(|scope| {
            scope.spawn(|| self.verify_bare(half..all));
            self.verify_bare(0..half);
        });
    }
}

/// Another key for each coin.
fn secret(coin: u32) -> SecretKey {
    let mut bytes = [3; 32];
    bytes[..4].copy_from_slice(&coin.to_le_bytes());
    SecretKey::from_secret_bytes(bytes).expect("in range")
}

fn key(coin: u32) -> [u8; 33] {
    PublicKey::from_secret_key(&secret(coin)).serialize()
}

fn outpoint(coin: u32) -> OutPoint {
    let mut txid = [5; 32];
    txid[..4].copy_from_slice(&coin.to_le_bytes());
    OutPoint::new(TxId::from_bytes(txid), coin % 3)
}

fn pay(units: u64, coin: u32) -> Output {
    Output::etp(Amount::from_units(units), Script::pay_key_hash(&hash160(&key(coin))))
}

fn coins() -> StateDelta {
    let created = (0..TRANSACTIONS * INPUTS)
        .map(|number| {
            let coin = Coin {
                output: pay(100_000_000, number),
                height: Height::GENESIS,
                is_coinbase: false,
                open_locktime: 0,
            };
            (outpoint(number), coin)
        })
        .collect();
    StateDelta { created, ..StateDelta::default() }
}

fn coinbase(params: &Params) -> Transaction {
    let height = Height::new(1);
    let script = ScriptBuilder::new().push(&script_number(1)).push(b"bench").build();
    Transaction {
        version: 1,
        inputs: vec![Input { previous: OutPoint::NULL, script, sequence: 0 }],
        outputs: vec![Output::etp(
            block_subsidy(params, BlockVersion::POW, height),
            Script::pay_key_hash(&[1; 20]),
        )],
        locktime: 0,
    }
}

/// Spends two coins to two others' addresses.
fn spend(number: u32, checks: &mut Vec<BareCheck>) -> Transaction {
    let coins = number * INPUTS..(number + 1) * INPUTS;
    let mut transaction = Transaction {
        version: 4,
        inputs: coins.clone().map(|coin| Input::unsigned(outpoint(coin))).collect(),
        outputs: vec![pay(150_000_000, number), pay(49_990_000, number + 1)],
        locktime: 0,
    };
    let scripts: Vec<Script> = coins
        .zip(0..)
        .map(|(coin, index)| {
            let previous = Script::pay_key_hash(&hash160(&key(coin)));
            let hash = signature_hash(&transaction, index, previous.as_bytes(), SighashType::ALL);
            let signature = ecdsa::sign(Message::from_digest(hash), &secret(coin));
            let compact = signature.serialize_compact();
            checks.push(BareCheck { hash, key: key(coin), signature: compact });
            let der = [&signature.serialize_der()[..], &[1]].concat();
            ScriptBuilder::new().push(&der).push(&key(coin)).build()
        })
        .collect();
    for (input, script) in transaction.inputs.iter_mut().zip(scripts) {
        input.script = script;
    }
    transaction
}

fn seal(params: &Params, transactions: Vec<Transaction>, caches: &CacheSet) -> Block {
    let txids: Vec<TxId> = transactions.iter().map(Transaction::txid).collect();
    let genesis = &params.genesis.header;
    let mut header = Header {
        version: BlockVersion::POW,
        previous: genesis.hash(),
        merkle: MerkleRoot::ZERO,
        timestamp: genesis.timestamp,
        bits: Difficulty::from_u64(1),
        nonce: 0,
        mix_hash: MixHash::ZERO,
        number: Height::new(1),
    };
    header.merkle = compute_root(&txids).root;
    // With difficulty 1 every nonce will do.
    let cache = caches.get(Epoch::FIRST).expect("16 MiB are there");
    let attempt = Attempt { seal_hash: *header.seal_hash().as_bytes(), nonce: 0 };
    header.mix_hash = MixHash::from_bytes(hashimoto_light(&cache, &attempt).mix_hash);
    Block { header, transactions, proof: BlockProof::None }
}
