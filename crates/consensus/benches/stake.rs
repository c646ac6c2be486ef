//! Measures what connecting a stake block costs beside a work block with the same payments.
//!
//! Both have a coinbase and some pay-to-key-hash payments of one input and two outputs; the stake
//! block has its coinstake too, its kernel, the check of the deposit and the block's signature. From
//! the bytes to what the block changes, scripts included, on one thread, CPU time. The work block's
//! seal is another matter and gets a line of its own: whoever follows the chain pays for it too. The
//! first line compares a stake block without payments with a work block of one payment: as many
//! transactions and inputs.
//!
//! In the last line the staker's address holds 10,000 locked outputs that entitle to nothing: anybody
//! can make these. `bench=NAME value=N unit=us reference=N ratio=N`, medians.
#![allow(clippy::print_stdout)] // a bench talks to people

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use mvs_consensus::block::{BlockBody, check_block, connect_block, connect_genesis};
use mvs_consensus::header::{CheckedHeader, Parent, accept_header, check_headers};
use mvs_consensus::header_view::HeaderChain;
use mvs_consensus::params::{Fork, Params, PowDifficulty};
use mvs_consensus::script::CacheUse;
use mvs_consensus::state::{Coin, MemoryState, StateDelta};
use mvs_consensus::subsidy::block_subsidy;
use mvs_pow::{Attempt, CacheSet, Epoch, hashimoto_light};
use mvs_primitives::amount::Amount;
use mvs_primitives::block::{Block, BlockProof, BlockSig};
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

const ROUNDS: usize = 15;
/// Payments of the larger blocks.
const MANY: u32 = 500;
/// Locked outputs that entitle to nothing.
const WORTHLESS: u32 = 10_000;
/// The coin that is staked, and the deposit; payments spend those below.
const STAKE: u32 = 1_000_000;
const DEPOSIT: u32 = 1_000_001;

fn main() {
    let params = params();
    let caches = CacheSet::new(1);
    let few = Scene::new(&params, 0);
    let crowded = Scene::new(&params, WORTHLESS);
    let payments = |count: u32| (0..count).map(payment).collect::<Vec<_>>();
    let work = |count| Sealed::new(&params, &caches, work_block(&params, &caches, payments(count)));
    let stake = |count| Sealed::new(&params, &caches, stake_block(&params, payments(count)));
    let (work_0, work_1, work_many) = (work(0), work(1), work(MANY));
    let (stake_0, stake_many) = (stake(0), stake(MANY));
    // Systems count CPU time in ticks of milliseconds, so small things are timed many times over.
    let often =
        |times: u32, work: &dyn Fn()| micros(|| (0..times).for_each(|_| work())) / f64::from(times);
    let mut times: [Vec<f64>; 7] = Default::default();
    for _ in 0..ROUNDS {
        let taken = [
            often(50_000, &|| few.connect(&params, &work_0)),
            often(2_000, &|| few.connect(&params, &work_1)),
            often(1_000, &|| few.connect(&params, &stake_0)),
            often(1_000, &|| crowded.connect(&params, &stake_0)),
            often(10, &|| few.connect(&params, &work_many)),
            often(10, &|| few.connect(&params, &stake_many)),
            often(500, &|| {
                let headers = vec![work_0.block.header.clone()];
                assert!(black_box(check_headers(&params, &caches, headers)).remove(0).is_ok());
            }),
        ];
        times.iter_mut().zip(taken).for_each(|(list, time)| list.push(time));
    }
    let [work_0, work_1, stake_0, crowded, work_many, stake_many, seal] = times.map(median);
    let line = |name: &str, value: f64, reference: f64| {
        let ratio = value / reference;
        println!("bench={name} value={value:.1} unit=us reference={reference:.1} ratio={ratio:.3}");
    };
    line("stake_connect", stake_0, work_1);
    line("stake_connect_beside_empty", stake_0, work_0);
    line("stake_connect_with_seal", stake_0, work_0 + seal);
    line("stake_connect_500_payments", stake_many, work_many);
    line("stake_connect_10000_worthless_deposits", crowded, stake_0);
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// CPU time of this thread; wall time where the system does not tell it.
fn micros(work: impl FnOnce()) -> f64 {
    let nanos = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    let (before, start) = (nanos(), Instant::now());
    work();
    match before.zip(nanos()) {
        Some((before, after)) => after.saturating_sub(before) as f64 * 1e-3, // far below 2^53
        None => start.elapsed().as_secs_f64() * 1e6,
    }
}

/// The stake era begins at once, and everything is old enough.
fn params() -> Params {
    let mut params = Params::devnet();
    params.pow_difficulty = PowDifficulty::Fixed(Difficulty::from_u64(1));
    params.pos_enabled_height = 1;
    params.version_4_required = Fork::From(1);
    params.sequence_locks_allowed = Fork::From(1);
    params.stake.min_difficulty = Difficulty::from_u64(1);
    params.stake.vote_maturity = 0;
    params.stake.min_age = 0;
    params
}

/// A block with its checked header.
struct Sealed {
    block: Block,
    bytes: Vec<u8>,
    header: CheckedHeader,
}

impl Sealed {
    fn new(params: &Params, caches: &CacheSet, block: Block) -> Self {
        let headers = vec![block.header.clone()];
        let header = check_headers(params, caches, headers).remove(0).expect("it is sealed");
        Self { bytes: block.to_bytes(), block, header }
    }
}

struct Scene {
    headers: HeaderChain,
    state: MemoryState,
}

impl Scene {
    fn new(params: &Params, worthless: u32) -> Self {
        let genesis = connect_genesis(params).expect("the network has a genesis block");
        let mut headers = HeaderChain::new();
        headers.push(genesis.block().header().header());
        let mut state = MemoryState::new();
        state.apply(genesis.delta()).expect("it fits the empty state");
        let plain = |number| (outpoint(number), coin(pay(100_000_000, number)));
        let mut created: Vec<(OutPoint, Coin)> = (0..MANY).map(plain).collect();
        created.push((outpoint(STAKE), coin(stake_output())));
        created.push((outpoint(DEPOSIT), coin(locked(100_000_000_000, 24_000))));
        let small = |number| (outpoint(2_000_000 + number), coin(locked(1, 24_000)));
        created.extend((0..worthless).map(small));
        let delta = StateDelta { created: created.into_iter().collect(), ..StateDelta::default() };
        state.apply(&delta).expect("the coins are new");
        Self { headers, state }
    }

    /// From the bytes to the state after the block.
    fn connect(&self, params: &Params, sealed: &Sealed) {
        let genesis = params.genesis.header.hash();
        let parent = Parent { hash: genesis, height: Height::GENESIS };
        let body = BlockBody::decode(black_box(&sealed.bytes)).expect("it decodes");
        let (header, now) = (sealed.header.clone(), u64::from(u32::MAX));
        let header = accept_header(params, &self.headers, parent, header, now);
        let header = header.expect("it follows the genesis block");
        let checked = check_block(params, header, body).expect("the body fits");
        let pending = connect_block(params, &self.headers, &self.state, Arc::clone(&checked));
        let pending = pending.expect("it obeys every rule");
        black_box(pending.finish_here(CacheUse::Off).expect("its scripts hold"));
    }
}

fn secret(number: u32) -> SecretKey {
    let mut bytes = [3; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    SecretKey::from_secret_bytes(bytes).expect("in range")
}

fn key(number: u32) -> [u8; 33] {
    PublicKey::from_secret_key(&secret(number)).serialize()
}

fn outpoint(number: u32) -> OutPoint {
    let mut txid = [5; 32];
    txid[..4].copy_from_slice(&number.to_le_bytes());
    OutPoint::new(TxId::from_bytes(txid), number % 3)
}

fn pay(units: u64, number: u32) -> Output {
    Output::etp(Amount::from_units(units), Script::pay_key_hash(&hash160(&key(number))))
}

fn stake_output() -> Output {
    pay(150_000_000_000, STAKE)
}

/// An output that is locked on the staker's address.
fn locked(units: u64, blocks: u32) -> Output {
    let script = Script::pay_key_hash_with_sequence_lock(blocks, &hash160(&key(STAKE)));
    Output::etp(Amount::from_units(units), script)
}

fn coin(output: Output) -> Coin {
    Coin { output, height: Height::GENESIS, is_coinbase: false, open_locktime: 0 }
}

fn coinbase(params: &Params, version: BlockVersion) -> Transaction {
    let height = Height::new(1);
    let script = ScriptBuilder::new().push(&script_number(1)).push(b"bench").build();
    let subsidy = block_subsidy(params, version, height);
    Transaction {
        version: 1,
        inputs: vec![Input { previous: OutPoint::NULL, script, sequence: 0 }],
        outputs: vec![Output::etp(subsidy, Script::pay_key_hash(&[1; 20]))],
        locktime: 0,
    }
}

/// Signs the only input.
fn sign(mut transaction: Transaction, spent: &Output, number: u32) -> Transaction {
    let hash = signature_hash(&transaction, 0, spent.script.as_bytes(), SighashType::ALL);
    let signature = ecdsa::sign(Message::from_digest(hash), &secret(number));
    let der = [&signature.serialize_der()[..], &[1]].concat();
    transaction.inputs[0].script = ScriptBuilder::new().push(&der).push(&key(number)).build();
    transaction
}

fn payment(number: u32) -> Transaction {
    let transaction = Transaction {
        version: 4,
        inputs: vec![Input::unsigned(outpoint(number))],
        outputs: vec![pay(60_000_000, number), pay(39_990_000, number + 1)],
        locktime: 0,
    };
    sign(transaction, &pay(100_000_000, number), number)
}

fn header(params: &Params, version: BlockVersion, transactions: &[Transaction]) -> Header {
    let txids: Vec<TxId> = transactions.iter().map(Transaction::txid).collect();
    let genesis = &params.genesis.header;
    Header {
        version,
        previous: genesis.hash(),
        merkle: if txids.is_empty() { MerkleRoot::ZERO } else { compute_root(&txids).root },
        timestamp: genesis.timestamp,
        bits: Difficulty::from_u64(1),
        nonce: 0,
        mix_hash: MixHash::ZERO,
        number: Height::new(1),
    }
}

fn work_block(params: &Params, caches: &CacheSet, payments: Vec<Transaction>) -> Block {
    let mut transactions = vec![coinbase(params, BlockVersion::POW)];
    transactions.extend(payments);
    let mut header = header(params, BlockVersion::POW, &transactions);
    // With difficulty 1 every nonce will do.
    let cache = caches.get(Epoch::FIRST).expect("16 MiB are there");
    let attempt = Attempt { seal_hash: *header.seal_hash().as_bytes(), nonce: 0 };
    header.mix_hash = MixHash::from_bytes(hashimoto_light(&cache, &attempt).mix_hash);
    Block { header, transactions, proof: BlockProof::None }
}

fn stake_block(params: &Params, payments: Vec<Transaction>) -> Block {
    let coinstake = Transaction {
        version: 2,
        inputs: vec![Input::unsigned(outpoint(STAKE))],
        outputs: vec![Output::null(), stake_output()],
        locktime: 0,
    };
    let coinstake = sign(coinstake, &stake_output(), STAKE);
    let mut transactions = vec![coinbase(params, BlockVersion::POS), coinstake];
    transactions.extend(payments);
    // At difficulty 1 every kernel will do.
    let header = header(params, BlockVersion::POS, &transactions);
    let message = Message::from_digest(*header.hash().as_bytes());
    let signature = ecdsa::sign(message, &secret(STAKE)).serialize_compact();
    let proof = BlockProof::Stake(BlockSig::from_compact(signature));
    Block { header, transactions, proof }
}
