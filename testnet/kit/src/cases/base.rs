//! The chains on whose tips cases are offered.
//!
//! Two small networks, each with real seals of difficulty 2. One is in its work era and holds one of
//! everything; the other has come into its stake era.

use std::collections::HashMap;
use std::sync::Arc;

use mvs_consensus::params::genesis::GenesisFields;
use mvs_consensus::params::{DepositPeriod, Fork, KnownBlock, Params, PowDifficulty};
use mvs_consensus::state::StateView;
use mvs_pow::CacheSet;
use mvs_primitives::block::Block;
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::encode::Encode;
use mvs_primitives::height::Height;
use mvs_primitives::input::OutPoint;
use mvs_primitives::output::Output;
use mvs_primitives::transaction::Transaction;

use super::{script, stake};
use crate::build::person::{ALICE, BOB, CAROL, DAVE, FOUNDATION, MINER, Person, etp};
use crate::build::tx::TxDraft;
use crate::build::{BlockDraft, coinbase};
use crate::chain::{FAR_FUTURE, MemoryChain};

pub(super) mod things;

/// A chain with names for some of its outputs.
#[derive(Debug, Clone)]
pub struct Base {
    name: &'static str,
    chain: MemoryChain,
    coins: Arc<HashMap<String, OutPoint>>,
}

impl Base {
    /// Returns the name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the network.
    pub fn params(&self) -> &Params {
        self.chain.params()
    }

    /// Returns the blocks above the genesis block as bytes, in order.
    pub fn blocks(&self) -> Vec<Vec<u8>> {
        self.chain.blocks().iter().skip(1).map(|block| block.block().block().to_bytes()).collect()
    }

    /// Returns the chain.
    pub const fn chain(&self) -> &MemoryChain {
        &self.chain
    }

    pub(super) fn with_params(&self, params: Params) -> Self {
        Self { chain: self.chain.with_params(params), ..self.clone() }
    }

    /// Returns where a named output is.
    pub(super) fn coin(&self, name: &str) -> OutPoint {
        *self.coins.get(name).expect("the chain names this output")
    }

    /// Signs a transaction that spends outputs of the chain.
    pub(super) fn sign(&self, draft: TxDraft) -> Transaction {
        draft.sign(&|outpoint| find(&self.chain, outpoint))
    }

    /// Starts a work block.
    pub(super) fn draft(&self, transactions: Vec<Transaction>) -> BlockDraft {
        BlockDraft::on(&self.chain, MINER.script(), transactions)
    }

    /// Seals a work block.
    pub(super) fn seal(&self, draft: BlockDraft) -> Block {
        draft.seal(self.chain.caches())
    }

    /// Makes a work block of transactions.
    pub(super) fn block(&self, transactions: Vec<Transaction>) -> Block {
        self.seal(self.draft(transactions))
    }

    /// Returns the height of a block on the tip.
    pub(super) fn next_height(&self) -> Height {
        self.chain.tip().height.next().expect("the chain is short")
    }

    /// Makes a coinbase of the next block beside the first.
    pub(super) fn extra_coinbase(&self, output: Output) -> Transaction {
        coinbase(self.next_height(), vec![output])
    }
}

fn find(chain: &MemoryChain, outpoint: &OutPoint) -> Option<Output> {
    chain.state().coin(outpoint).expect("memory can be read").map(|coin| coin.output)
}

/// Every base chain.
#[derive(Debug)]
pub struct Bases {
    /// In the work era, with one of everything.
    pub work: Arc<Base>,
    /// In the stake era, before the first stake block.
    pub before_stake: Arc<Base>,
    /// Its tip is a stake block, and so is the block before.
    pub on_stake: Arc<Base>,
    /// In the stake era, some work blocks after a stake block.
    pub after_stake: Arc<Base>,
}

impl Bases {
    /// Builds them.
    pub fn build() -> Self {
        let caches = Arc::new(CacheSet::new(1));
        let (before_stake, on_stake, after_stake) = build_stake(Arc::clone(&caches));
        Self { work: build_work(caches), before_stake, on_stake, after_stake }
    }
}

/// The deposit of the second period is rewarded threefold, so that more coin than the money limit
/// comes into being and the limits on sums can be met.
const PERIODS: [DepositPeriod; 3] = [
    DepositPeriod { lock_height: 3, rate: 5_000_000 },
    DepositPeriod { lock_height: 4, rate: 300_000_000 },
    DepositPeriod { lock_height: 50, rate: 8_000_000 },
];

fn work_params() -> Params {
    let mut params = Params::devnet();
    params.name = "cases-work".to_owned();
    let mut genesis = GenesisFields::of(&params.genesis).expect("the network has one");
    genesis.key_hash = ALICE.key_hash();
    params.genesis = genesis.block();
    let hash = params.genesis.header.hash();
    params.checkpoints = vec![KnownBlock { height: Height::GENESIS, hash }];
    params.foundation = FOUNDATION.address();
    params.coinbase_maturity = 3;
    params.deposits = PERIODS.to_vec();
    params.pow_difficulty = PowDifficulty::Fixed(Difficulty::from_u64(2));
    params
}

fn stake_params() -> Params {
    let mut params = work_params();
    params.name = "cases-stake".to_owned();
    params.pos_enabled_height = 6;
    params.version_4_required = Fork::From(6);
    params.sequence_locks_allowed = Fork::From(6);
    params.witness.max_secondary = 1;
    let stake = &mut params.stake;
    stake.min_difficulty = Difficulty::from_u64(200_000);
    stake.vote_maturity = 1;
    stake.deposit_min_lock = 100;
    stake.deposit_gap = 10;
    stake.min_age = 3;
    stake.run_limits_above = Height::new(6);
    params
}

/// Grows a chain and names what it holds.
pub(super) struct Builder {
    pub(super) chain: MemoryChain,
    pub(super) coins: HashMap<String, OutPoint>,
}

impl Builder {
    fn new(params: Params, caches: Arc<CacheSet>) -> Self {
        let genesis = OutPoint::new(params.genesis.transactions[0].txid(), 0);
        let chain = MemoryChain::new(params, caches);
        Self { chain, coins: HashMap::from([("genesis".to_owned(), genesis)]) }
    }

    pub(super) fn coin(&self, name: &str) -> OutPoint {
        *self.coins.get(name).expect("the chain names this output")
    }

    /// Signs a transaction and names its outputs; `""` names none.
    pub(super) fn sign(&mut self, draft: TxDraft, names: &[&str]) -> Transaction {
        let transaction = draft.sign(&|outpoint| find(&self.chain, outpoint));
        let txid = transaction.txid();
        for (name, index) in names.iter().zip(0..).filter(|(name, _)| !name.is_empty()) {
            self.coins.insert((*name).to_owned(), OutPoint::new(txid, index));
        }
        transaction
    }

    /// Appends a work block.
    pub(super) fn mine(&mut self, transactions: Vec<Transaction>) {
        let block = BlockDraft::on(&self.chain, MINER.script(), transactions);
        let block = block.seal(self.chain.caches());
        self.append(&block);
    }

    pub(super) fn append(&mut self, block: &Block) {
        self.chain.append(&block.to_bytes(), FAR_FUTURE).expect("a base chain keeps every rule");
    }

    /// Mines empty blocks up to a height.
    pub(super) fn mine_to(&mut self, height: u32) {
        while self.chain.tip().height.value() < height {
            self.mine(Vec::new());
        }
    }

    fn freeze(&self, name: &'static str) -> Arc<Base> {
        let (chain, coins) = (self.chain.clone(), Arc::new(self.coins.clone()));
        Arc::new(Base { name, chain, coins })
    }
}

/// Coins of 10,000 for everybody: `alice.0` to `alice.29`, `bob.0` and so on.
fn split(builder: &Builder) -> (TxDraft, Vec<String>) {
    let mut draft = TxDraft::new(1).spend(builder.coin("genesis"));
    let mut names = Vec::new();
    let people: [(&str, Person, usize); 5] = [
        ("alice", ALICE, 30),
        ("bob", BOB, 4),
        ("carol", CAROL, 4),
        ("dave", DAVE, 2),
        ("foundation", FOUNDATION, 3),
    ];
    for (name, person, count) in people {
        for number in 0..count {
            draft = draft.pay(person.etp(10_000));
            names.push(format!("{name}.{number}"));
        }
    }
    draft = draft.pay(ALICE.etp(999));
    names.push("alice.small".to_owned());
    (draft, names)
}

fn build_work(caches: Arc<CacheSet>) -> Arc<Base> {
    let mut builder = Builder::new(work_params(), caches);
    builder.mine_to(2);
    things::first_coins(&mut builder); // 3
    let mut transactions = script::zoo(&mut builder);
    transactions.extend(things::names(&mut builder));
    builder.mine(transactions); // 4
    let moved = things::shares(&mut builder);
    builder.mine(moved); // 5
    builder.mine_to(10);
    builder.freeze("work")
}

fn build_stake(caches: Arc<CacheSet>) -> (Arc<Base>, Arc<Base>, Arc<Base>) {
    let mut builder = Builder::new(stake_params(), caches);
    builder.mine_to(2);
    let (draft, names) = split(&builder);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let first = builder.sign(draft.rest(ALICE), &names);
    builder.mine(vec![first]); // 3
    builder.mine_to(6);
    let transactions = stake::deposits(&mut builder);
    builder.mine(transactions); // 7
    builder.mine_to(10);
    let before = builder.freeze("before stake");
    stake::first_stake_blocks(&mut builder); // 11, 12
    let on = builder.freeze("on stake");
    builder.mine_to(14);
    let witness = stake::secondary_witness(&mut builder);
    builder.mine(vec![witness]); // 15
    (before, on, builder.freeze("after stake"))
}

/// The value of the coins that [`split`] makes.
pub(super) fn coin_value() -> u64 {
    etp(10_000).units()
}
