//! Made-up histories: valid chains in which everything happens that can happen.
//!
//! A [`History`] makes block after block on the development network, sealed and signed, from a
//! seed: the same seed gives the same bytes on every machine. It keeps its own books of who holds
//! what and asks no rule, so a chain that it makes is a test of the rules. [`History::fork`] lets a
//! second history go its own way from the same tip: the two spend the same coins and register the
//! same names in different ways.
//!
//! What it holds: every kind of payment script, deposits with their rewards, relative locks, all
//! attachment types with issues, secondary issues, locks and partial releases, certificates of each
//! kind that can exist below the stake height, minted assets, identities and unique items.

mod assets;
mod book;
mod census;
mod coins;
mod maker;
mod names;
mod rng;

use std::sync::Arc;

use mvs_consensus::params::{Params, PowDifficulty};
use mvs_consensus::subsidy::{MiningSchedule, block_subsidy, deposit_reward};
use mvs_pow::CacheSet;
use mvs_primitives::amount::{Amount, AssetAmount};
use mvs_primitives::attachment::{AssetTransfer, Attachment, Payload};
use mvs_primitives::encode::Encode;
use mvs_primitives::hash::{BlockHash, MerkleRoot, MixHash};
use mvs_primitives::header::{BlockVersion, Header};
use mvs_primitives::height::Height;
use mvs_primitives::input::{Input, OutPoint};
use mvs_primitives::output::Output;
use mvs_primitives::script::{Pattern, ScriptBuilder, parse_script_number, script_number};
use mvs_primitives::time::Timestamp;
use mvs_primitives::transaction::Transaction;

pub use census::census;
pub use rng::Rng;

use self::assets::Right;
use self::book::{Book, Held, Lock};
use self::maker::Maker;
use crate::build::BlockDraft;
use crate::people::Person;

/// How many people a history has.
const PEOPLE: usize = 48;

/// The most transactions of a block beside its coinbases, unless said otherwise.
const MAX_TRANSACTIONS: u64 = 6;

/// What the generator can try to make. One of these at random; a kind that lacks what it needs
/// (nobody holds an asset yet) makes nothing.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Payment,
    FanOut,
    Chained,
    PayScript,
    SpendScript,
    Message,
    Burn,
    Relative,
    Deposit,
    Bound,
    Issue(Right, Option<u64>),
    IssueMore,
    MoveAsset,
    DropAsset,
    Release,
    IssueCert,
    IssueNaming,
    MoveCert,
    AllowMining,
    RegisterDid,
    MoveDid,
    RegisterMit,
    MoveMit,
}

/// How often each kind is tried.
const KINDS: &[(Kind, u64)] = &[
    (Kind::Payment, 20),
    (Kind::FanOut, 4),
    (Kind::Chained, 4),
    (Kind::PayScript, 6),
    (Kind::SpendScript, 6),
    (Kind::Message, 3),
    (Kind::Burn, 1),
    (Kind::Relative, 4),
    (Kind::Deposit, 2),
    (Kind::Bound, 4),
    (Kind::Issue(Right::NewDomain, None), 3),
    (Kind::Issue(Right::Domain, None), 2),
    (Kind::Issue(Right::Naming, None), 2),
    (Kind::Issue(Right::None, None), 2),
    (Kind::Issue(Right::NewDomain, Some(1)), 2),
    (Kind::Issue(Right::NewDomain, Some(2)), 2),
    (Kind::Issue(Right::Domain, Some(3)), 2),
    (Kind::IssueMore, 8),
    (Kind::MoveAsset, 14),
    (Kind::DropAsset, 1),
    (Kind::Release, 8),
    (Kind::IssueCert, 4),
    (Kind::IssueNaming, 3),
    (Kind::MoveCert, 5),
    (Kind::AllowMining, 1),
    (Kind::RegisterDid, 4),
    (Kind::MoveDid, 3),
    (Kind::RegisterMit, 3),
    (Kind::MoveMit, 4),
];

/// A chain in the making.
#[derive(Debug, Clone)]
pub struct History {
    params: Arc<Params>,
    caches: Arc<CacheSet>,
    people: Arc<[Person]>,
    rng: Rng,
    book: Book,
    tip: BlockHash,
    /// Timestamps, genesis first.
    times: Vec<u32>,
    max_transactions: u64,
}

impl History {
    /// Starts on the development network's genesis block, whose coins belong to nobody here.
    pub fn new(seed: u64, caches: Arc<CacheSet>) -> Self {
        Self::on(Params::devnet(), seed, caches)
    }

    /// Starts on another network that is in its work era and allows what the development network
    /// allows there.
    ///
    /// # Panics
    /// When the difficulty of its work blocks is not fixed.
    pub fn on(params: Params, seed: u64, caches: Arc<CacheSet>) -> Self {
        assert!(matches!(params.pow_difficulty, PowDifficulty::Fixed(_)), "a fixed difficulty");
        let genesis = &params.genesis.header;
        Self {
            tip: genesis.hash(),
            times: vec![genesis.timestamp.unix_secs()],
            people: Person::crowd("history", PEOPLE).into(),
            rng: Rng::new(seed),
            book: Book::default(),
            params: Arc::new(params),
            caches,
            max_transactions: MAX_TRANSACTIONS,
        }
    }

    /// Makes a chain of this many blocks above genesis.
    pub fn generate(seed: u64, blocks: u32, caches: Arc<CacheSet>) -> Vec<Vec<u8>> {
        Self::new(seed, caches).extend(blocks)
    }

    /// Sets how many transactions a block has at most, beside its coinbases.
    #[must_use]
    pub const fn with_max_transactions(mut self, transactions: u64) -> Self {
        self.max_transactions = transactions;
        self
    }

    /// Starts another history from the same tip and the same holdings, which goes its own way.
    #[must_use]
    pub fn fork(&self, seed: u64) -> Self {
        Self { rng: Rng::new(seed), ..self.clone() }
    }

    /// Returns the height of the last block made.
    ///
    /// # Panics
    /// Never: nobody makes 2^32 blocks.
    pub fn height(&self) -> Height {
        Height::new(u32::try_from(self.times.len() - 1).expect("histories are short"))
    }

    /// Returns the people, whose keys sign everything.
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// Makes more blocks.
    pub fn extend(&mut self, blocks: u32) -> Vec<Vec<u8>> {
        (0..blocks).map(|_| self.next_block()).collect()
    }

    /// Makes a block.
    ///
    /// # Panics
    /// When the network's numbers are such that no block can be made.
    pub fn next_block(&mut self) -> Vec<u8> {
        let height = self.height().next().expect("histories are short");
        self.book.ripen(height.value(), self.params.coinbase_maturity);
        let (ordinary, fees) = self.transactions(height);
        let mut transactions = self.coinbases(height, &ordinary, fees);
        transactions.extend(ordinary);
        self.book.settle(&self.people);

        let PowDifficulty::Fixed(bits) = self.params.pow_difficulty else {
            unreachable!("the difficulty is fixed, as `on` has checked")
        };
        let last = *self.times.last().expect("there is always the genesis block");
        // Time stands still now and then; it may not run back.
        let time = last + u32::try_from(self.rng.below(49)).expect("it is below 49");
        let header = Header {
            version: BlockVersion::POW,
            previous: self.tip,
            merkle: MerkleRoot::ZERO,
            timestamp: Timestamp::from_unix_secs(time),
            bits,
            nonce: 0,
            mix_hash: MixHash::ZERO,
            number: height,
        };
        let block = BlockDraft { header, transactions }.seal(&self.caches);
        self.tip = block.header.hash();
        self.times.push(time);
        block.to_bytes()
    }

    /// Median of the timestamps of the up to eleven last blocks (chain.md 7.3).
    fn median(&self) -> u32 {
        let mut last: Vec<u32> = self.times.iter().rev().take(11).copied().collect();
        last.sort_unstable();
        last[last.len() / 2]
    }

    fn transactions(&mut self, height: Height) -> (Vec<Transaction>, u64) {
        let median = self.median();
        let count = self.rng.within(0, self.max_transactions);
        let mut maker = Maker {
            people: &self.people,
            format: &self.params.addresses,
            book: &mut self.book,
            rng: &mut self.rng,
            height: height.value(),
            times: &self.times,
            median,
            fees: 0,
            done: Vec::new(),
        };
        let total = KINDS.iter().map(|(_, weight)| weight).sum();
        let locks: Vec<u32> = self.params.deposits.iter().map(|d| d.lock_height).collect();
        for _ in 0..count {
            let mut ticket = maker.rng.below(total);
            let kind = KINDS.iter().find(|(_, weight)| {
                let wins = ticket < *weight;
                ticket = ticket.saturating_sub(*weight);
                wins
            });
            let (kind, _) = kind.expect("the ticket is below the sum of the weights");
            // A kind that lacks what it needs makes nothing.
            let _made = match *kind {
                Kind::Payment => maker.payment(),
                Kind::FanOut => maker.fan_out(),
                Kind::Chained => maker.chained(),
                Kind::PayScript => maker.pay_script(),
                Kind::SpendScript => maker.spend_script(),
                Kind::Message => maker.message(),
                Kind::Burn => maker.burn(),
                Kind::Relative => maker.relative(),
                Kind::Deposit => maker.deposit(&locks),
                Kind::Bound => maker.bound(),
                Kind::Issue(right, locked) => maker.issue(right, locked),
                Kind::IssueMore => maker.issue_more(),
                Kind::MoveAsset => maker.move_asset(),
                Kind::DropAsset => maker.drop_asset(),
                Kind::Release => maker.release(),
                Kind::IssueCert => maker.issue_cert(),
                Kind::IssueNaming => maker.issue_naming(),
                Kind::MoveCert => maker.move_cert(),
                Kind::AllowMining => maker.allow_mining(),
                Kind::RegisterDid => maker.register_did(),
                Kind::MoveDid => maker.move_did(),
                Kind::RegisterMit => maker.register_mit(),
                Kind::MoveMit => maker.move_mit(),
            };
        }
        (maker.done, maker.fees)
    }

    /// The first coinbase and the rewards of the block's deposits.
    fn coinbases(
        &mut self,
        height: Height,
        ordinary: &[Transaction],
        fees: u64,
    ) -> Vec<Transaction> {
        let subsidy = block_subsidy(&self.params, BlockVersion::POW, height).units();
        // A miner may leave something unclaimed.
        let unclaimed = if self.rng.chance(10) { self.rng.within(0, fees + 1_000) } else { 0 };
        let person = self.rng.index(self.people.len());
        let value = Amount::from_units(subsidy + fees - unclaimed);
        let mut outputs = vec![Output::etp(value, self.people[person].pay())];
        if !self.book.mines.is_empty() && self.rng.chance(50) {
            outputs.push(self.minted(height, person));
        }
        let mut all = vec![coinbase(height, 0, outputs.clone())];
        let txid = all[0].txid();
        for (index, output) in (0u32..).zip(outputs) {
            let lock = Lock::Key(person);
            let outpoint = OutPoint::new(txid, index);
            self.book.immature.push_back(Held { outpoint, output, lock, height: height.value() });
        }
        for output in ordinary.iter().flat_map(|transaction| &transaction.outputs) {
            if let Pattern::PayKeyHashWithLockHeight { lock_height, .. } = output.script.pattern() {
                let lock = parse_script_number(lock_height, 4, true)
                    .ok()
                    .and_then(|lock| u32::try_from(lock).ok())
                    .expect("this generator made it");
                let reward = deposit_reward(&self.params, lock, output.value)
                    .expect("the lock is one of the network's");
                let output = Output::etp(reward, output.script.clone());
                all.push(coinbase(height, all.len(), vec![output]));
            }
        }
        all
    }

    /// A reward in an asset that has a mining certificate (chain.md 6.5).
    fn minted(&mut self, height: Height, person: usize) -> Output {
        let symbol = self.book.mines[self.rng.index(self.book.mines.len())].clone();
        let schedule = MiningSchedule::parse(assets::MINING_CONTENT.as_bytes())
            .expect("the content is well formed");
        let issued = Height::new(self.book.issued[&symbol].height);
        let limit = schedule.limit(issued, height).units();
        let units = if self.rng.chance(50) { limit } else { self.rng.within(0, limit) };
        let quantity = AssetAmount::from_units(units);
        let transfer = Payload::AssetTransfer(AssetTransfer { symbol, quantity });
        Output {
            value: Amount::ZERO,
            script: self.people[person].pay(),
            attachment: Attachment::new(transfer),
        }
    }
}

/// A coinbase; the number keeps two rewards of a block apart.
fn coinbase(height: Height, number: usize, outputs: Vec<Output>) -> Transaction {
    let number = i64::try_from(number).expect("a block has few coinbases");
    let script = ScriptBuilder::new()
        .push(&script_number(i64::from(height.value())))
        .push(&script_number(number))
        .build();
    let input = Input { previous: OutPoint::NULL, script, sequence: 0 };
    Transaction { version: 1, inputs: vec![input], outputs, locktime: 0 }
}
