//! What it costs to take transactions into the pool, and to make a block of a full one.
//!
//! Everything but signatures is measured by putting all signatures into the cache first, with the
//! time of the look-ups taken off again: the scripts run, the transaction is hashed for each input, and
//! nothing is verified. CPU time of this one thread, median of several rounds.
//!
//! * `accept`: 20,000 payments of two inputs and two outputs, from raw bytes to an entry. The
//!   reference is the goal of 5,000 a second.
//! * `accept_chains`: the same in chains of 20, so that each has ancestors.
//! * `bare_signatures`: what the signatures of these payments cost by themselves.
//! * `template`: a block of a pool with 50,000 payments in packages, the rules run on it included.
//!   The reference is one tenth of a second.
//! * `update_tip`: what a block with the best of these does to the pool.
#![expect(clippy::print_stdout, reason = "a bench talks to people")]

use std::hint::black_box;
use std::time::Instant;

use mvs_consensus::block::connect_genesis;
use mvs_consensus::header::Parent;
use mvs_consensus::header_view::HeaderChain;
use mvs_consensus::params::Params;
use mvs_consensus::script::{CacheUse, SigCache};
use mvs_consensus::state::{Coin, MemoryState, StateDelta};
use mvs_node::mempool::{BlockTxs, LooseTx, Mempool, MempoolConfig, Origin, Tip, TipChange};
use mvs_node::mining::{Payout, TemplateConfig, WorkTemplate};
use mvs_primitives::amount::Amount;
use mvs_primitives::encode::{Decoder, Encode};
use mvs_primitives::hash::{TxId, hash160};
use mvs_primitives::height::Height;
use mvs_primitives::input::{Input, OutPoint};
use mvs_primitives::output::Output;
use mvs_primitives::script::{Script, ScriptBuilder};
use mvs_primitives::sighash::{SighashType, signature_hash};
use mvs_primitives::transaction::Transaction;
use secp256k1::{Message, PublicKey, SecretKey, ecdsa};

const PAYMENTS: u32 = 20_000;
const IN_POOL: u32 = 50_000;
const CHAIN: u32 = 20;
const ROUNDS: usize = 5;
const KEYS: u32 = 64;
const NOW_SECS: u64 = 1_600_000_000;

fn main() {
    let line = |name: &str, value: f64, unit: &str, reference: f64| {
        let ratio = value / reference;
        println!(
            "bench={name} value={value:.3} unit={unit} reference={reference:.3} ratio={ratio:.4}"
        );
    };
    let bench = Bench::new();
    let apart = bench.payments(PAYMENTS, 1);
    let bare = bench.bare_secs(&apart);
    let look_up = median((0..ROUNDS).map(|_| bench.look_up_secs(&apart)));
    let accept = median((0..ROUNDS).map(|_| bench.accept_secs(&apart))) - look_up;
    line("accept", f64::from(PAYMENTS) / accept, "tx/s", 5_000.0);
    line("accept_one", accept / f64::from(PAYMENTS) * 1e6, "us", 200.0);
    line("bare_signatures_of_one", bare / f64::from(PAYMENTS) * 1e6, "us", 200.0);
    let chained = bench.payments(PAYMENTS, CHAIN);
    let accept = median((0..ROUNDS).map(|_| bench.accept_secs(&chained))) - look_up;
    line("accept_chains", f64::from(PAYMENTS) / accept, "tx/s", 5_000.0);
    drop((apart, chained));

    let many = bench.payments(IN_POOL, 5);
    let mut pool = Mempool::new(config());
    bench.fill(&mut pool, &many);
    let stats = pool.stats(NOW_SECS);
    let count = f64::from(IN_POOL);
    assert_eq!(stats.transactions, many.len());
    line(
        "usage_of_one",
        stats.usage_bytes as f64 / count,
        "bytes",
        stats.total.bytes as f64 / count,
    );
    let mut template = None;
    let times = (0..3 * ROUNDS).map(|_| cpu_secs(|| template = Some(bench.template(&pool))));
    line("template", median(times) * 1e3, "ms", 100.0);
    let template = template.expect("it was made");
    line("template_transactions", template.transactions().len() as f64, "tx", 1.0);
    line("update_tip", bench.update_secs(&mut pool, &template) * 1e3, "ms", 100.0);
}

fn config() -> MempoolConfig {
    MempoolConfig { max_bytes: 1 << 30, ..MempoolConfig::default() }
}

fn median(times: impl Iterator<Item = f64>) -> f64 {
    let mut times: Vec<f64> = times.collect();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// CPU time of this thread; wall time where the system does not tell it.
fn cpu_secs(work: impl FnOnce()) -> f64 {
    let nanos = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    let before = nanos();
    let start = Instant::now();
    work();
    let wall = start.elapsed().as_secs_f64();
    match before.zip(nanos()) {
        Some((before, after)) => after.saturating_sub(before) as f64 * 1e-9, // far below 2^53
        None => wall,
    }
}

/// A signature as it is verified without a node around it.
struct BareCheck {
    hash: [u8; 32],
    key: u32,
    signature: [u8; 64],
}

struct Payments {
    raw: Vec<Vec<u8>>,
    checks: Vec<BareCheck>,
    /// All of their signatures.
    cache: SigCache,
}

impl Payments {
    fn len(&self) -> usize {
        self.raw.len()
    }
}

struct Bench {
    params: Params,
    headers: HeaderChain,
    state: MemoryState,
    keys: Vec<(SecretKey, [u8; 33], Script)>,
}

impl Bench {
    fn new() -> Self {
        let params = Params::devnet();
        let genesis = connect_genesis(&params).expect("the network has a genesis block");
        let mut headers = HeaderChain::new();
        headers.push(genesis.block().header().header());
        let mut state = MemoryState::new();
        state.apply(genesis.delta()).expect("it fits the empty state");
        let keys: Vec<_> = (1..=KEYS)
            .map(|number| {
                let mut bytes = [3; 32];
                bytes[..4].copy_from_slice(&number.to_le_bytes());
                let secret = SecretKey::from_secret_bytes(bytes).expect("in range");
                let key = PublicKey::from_secret_key(&secret).serialize();
                (secret, key, Script::pay_key_hash(&hash160(&key)))
            })
            .collect();
        let mut bench = Self { params, headers, state, keys };
        let coins = bench.coins(2 * IN_POOL);
        bench.state.apply(&coins).expect("the coins are new");
        bench
    }

    fn coins(&self, count: u32) -> StateDelta {
        let created = (0..count)
            .map(|number| {
                let coin = Coin {
                    output: self.pay(1_000_000_000, number),
                    height: Height::GENESIS,
                    is_coinbase: false,
                    open_locktime: 0,
                };
                (coin_of(number), coin)
            })
            .collect();
        StateDelta { created, ..StateDelta::default() }
    }

    fn key(&self, number: u32) -> &(SecretKey, [u8; 33], Script) {
        &self.keys[(number % KEYS) as usize]
    }

    fn pay(&self, units: u64, number: u32) -> Output {
        Output::etp(Amount::from_units(units), self.key(number).2.clone())
    }

    fn tip(&self) -> Tip<'_> {
        let block = Parent { hash: self.params.genesis.header.hash(), height: Height::GENESIS };
        Tip::new(&self.params, block, &self.headers, &self.state).expect("the tip is there")
    }

    /// Payments of two inputs and two outputs. In chains of this length the first input of each is
    /// an output of the one before.
    fn payments(&self, count: u32, chain: u32) -> Payments {
        let mut payments = Payments {
            raw: Vec::new(),
            checks: Vec::new(),
            cache: SigCache::new([7; 32], 1 << 18),
        };
        let mut last = TxId::ZERO;
        let mut value = 0;
        for number in 0..count {
            let is_first = number % chain == 0;
            let first = if is_first { coin_of(2 * number) } else { OutPoint::new(last, 0) };
            let sum = if is_first { 2_000_000_000 } else { value + 1_000_000_000 };
            let fee = 10_000 + 37 * u64::from(number % 1_009);
            value = sum - 100_000_000 - fee;
            let mut transaction = Transaction {
                version: 4,
                inputs: [first, coin_of(2 * number + 1)].map(Input::unsigned).to_vec(),
                outputs: vec![self.pay(value, 2 * number + 2), self.pay(100_000_000, number)],
                locktime: 0,
            };
            self.sign(&mut transaction, [2 * number, 2 * number + 1], &mut payments.checks);
            last = transaction.txid();
            payments.raw.push(transaction.to_bytes());
        }
        for check in &payments.checks {
            payments.cache.insert(&check.hash, &self.key(check.key).1, &check.signature);
        }
        payments
    }

    fn sign(&self, transaction: &mut Transaction, keys: [u32; 2], checks: &mut Vec<BareCheck>) {
        let scripts = (0..).zip(keys).map(|(index, number)| {
            let (secret, key, script) = self.key(number);
            let hash = signature_hash(transaction, index, script.as_bytes(), SighashType::ALL);
            let signature = ecdsa::sign(Message::from_digest(hash), secret);
            let compact = signature.serialize_compact();
            checks.push(BareCheck { hash, key: number, signature: compact });
            let der = [&signature.serialize_der()[..], &[1]].concat();
            ScriptBuilder::new().push(&der).push(key).build()
        });
        let scripts: Vec<Script> = scripts.collect();
        for (input, script) in transaction.inputs.iter_mut().zip(scripts) {
            input.script = script;
        }
    }

    fn fill(&self, pool: &mut Mempool, payments: &Payments) {
        let tip = self.tip();
        for raw in &payments.raw {
            let mut decoder = Decoder::new(raw, raw.len()).expect("it fits");
            let (transaction, txid) =
                Transaction::decode_with_id(&mut decoder).expect("it decodes");
            let tx = LooseTx::new(std::sync::Arc::new(transaction), txid);
            let cache = CacheUse::ReadWrite(&payments.cache);
            pool.accept(&tip, tx, Origin::Peer, cache, NOW_SECS).expect("it is good");
        }
    }

    fn accept_secs(&self, payments: &Payments) -> f64 {
        let mut pool = Mempool::new(config());
        let secs = cpu_secs(|| self.fill(&mut pool, payments));
        assert_eq!(black_box(pool).len(), payments.len());
        secs
    }

    /// Looks up each signature in the cache.
    fn look_up_secs(&self, payments: &Payments) -> f64 {
        cpu_secs(|| {
            let known = |check: &BareCheck| {
                let key = &self.key(check.key).1;
                payments.cache.contains(&check.hash, key, black_box(&check.signature))
            };
            assert!(payments.checks.iter().all(known));
        })
    }

    fn bare_secs(&self, payments: &Payments) -> f64 {
        cpu_secs(|| {
            for check in &payments.checks {
                let key = black_box(&self.key(check.key).1);
                let key = PublicKey::from_slice(key).expect("valid");
                let signature =
                    ecdsa::Signature::from_compact(black_box(&check.signature)).expect("valid");
                ecdsa::verify(&signature, Message::from_digest(check.hash), &key)
                    .expect("it holds");
            }
        })
    }

    fn template(&self, pool: &Mempool) -> WorkTemplate {
        let (config, payout) = (TemplateConfig::default(), Payout::to(self.keys[0].2.clone()));
        let template = WorkTemplate::build(&self.tip(), pool, &config, &payout, NOW_SECS)
            .expect("there is work");
        assert!(template.refused().is_empty());
        template
    }

    /// Tells the pool that a block holds what a template holds. The state stays as it was: nothing of
    /// what remains looks at it again.
    fn update_secs(&self, pool: &mut Mempool, template: &WorkTemplate) -> f64 {
        let tip = self.tip();
        // The first change after the start asks everything again; this is not that one.
        pool.update_tip(&tip, &TipChange::default(), NOW_SECS).expect("the state can be read");
        let transactions: Vec<Transaction> =
            template.transactions().iter().map(|tx| Transaction::clone(tx)).collect();
        let txids: Vec<TxId> = transactions.iter().map(Transaction::txid).collect();
        let block = BlockTxs {
            hash: template.header().hash(),
            height: template.height(),
            transactions: &transactions,
            txids: &txids,
        };
        let before = pool.len();
        let secs = cpu_secs(|| {
            let change = TipChange { disconnected: &[], connected: &[block] };
            let outcome = pool.update_tip(&tip, &change, NOW_SECS).expect("the state can be read");
            assert_eq!(outcome.confirmed.len(), transactions.len() - 1);
        });
        assert_eq!(pool.len(), before + 1 - transactions.len());
        secs
    }
}

fn coin_of(number: u32) -> OutPoint {
    let mut txid = [5; 32];
    txid[..4].copy_from_slice(&number.to_le_bytes());
    OutPoint::new(TxId::from_bytes(txid), number % 3)
}
