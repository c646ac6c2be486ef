//! Random sequences of all that can happen to a pool, checked after each step against the slow way
//! of computing everything, against another pool that judges all anew, and against the chain that
//! must take the block made of it.

use std::collections::BTreeMap;

use mvs_consensus::error::Rejection;
use mvs_node::mempool::MempoolConfig;
use mvs_primitives::attachment::{CertStatus, CertType, DidStatus};
use mvs_primitives::input::OutPoint;
use mvs_primitives::output::Output;
use mvs_primitives::script::Script;
use mvs_primitives::transaction::Transaction;
use proptest::prelude::{ProptestConfig, any, proptest};
use testkit::build::person::{ALICE, BOB, CAROL, Person, bound};
use testkit::build::tx::TxDraft;
use testkit::history::Rng;

use super::check;
use super::support::{World, params, permissive};

const NAMES: [&str; 9] = ["A", "B", "C", "D", "E", "F", "G", "H", "I"];
const PEOPLE: [Person; 3] = [ALICE, BOB, CAROL];

struct Player {
    world: World,
    rng: Rng,
    /// Outputs that exist or existed, with whom they pay: coin alone.
    coins: Vec<OutPoint>,
    /// Outputs that carry something.
    things: Vec<OutPoint>,
    /// Everything that was ever made, to be offered again.
    made: Vec<Transaction>,
    counts: Counts,
    codes: BTreeMap<&'static str, usize>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    taken: usize,
    refused: usize,
    evicted: usize,
    removed: usize,
    confirmed: usize,
    returned: usize,
}

impl Player {
    fn new(seed: u64, config: MempoolConfig) -> Self {
        let mut world = World::with_params(params(), config, 200);
        let mut draft = TxDraft::new(4).spend(world.coins[0]);
        for person in PEOPLE {
            draft = draft.pay_all((0..16).map(|_| person.etp(2)));
        }
        let split = world.sign(draft.rest(ALICE));
        let mut coins: Vec<OutPoint> =
            (0..48).map(|index| OutPoint::new(split.txid(), index)).collect();
        world.mine(vec![split]);
        coins.extend(&world.coins[1..200]);
        let (things, made) = (Vec::new(), Vec::new());
        Self {
            world,
            rng: Rng::new(seed),
            coins,
            things,
            made,
            counts: Counts::default(),
            codes: BTreeMap::new(),
        }
    }

    /// Spends some outputs, perhaps spent ones, to whatever comes to mind.
    fn make(&mut self) -> Option<Transaction> {
        let rng = &mut self.rng;
        let mut draft = TxDraft::new(4);
        let mut total = 0;
        let mut used = Vec::new();
        let young = rng.chance(50);
        for _ in 0..rng.within(1, 3) {
            let from = if young { self.coins.len().saturating_sub(12) } else { 0 };
            let coin = self.coins[from + rng.index(self.coins.len() - from)];
            let Some(output) = self.world.find(&coin) else { continue };
            if used.contains(&coin) {
                continue;
            }
            used.push(coin);
            total += output.value.units();
            draft = match rng.below(10) {
                0 => draft.spend_at(coin, u32::try_from(rng.below(4)).unwrap()),
                1 => draft.spend_at(coin, 1 << 22),
                _ => draft.spend(coin),
            };
        }
        if rng.chance(25) && !self.things.is_empty() {
            let from = self.things.len().saturating_sub(8);
            let thing = self.things[from + rng.index(self.things.len() - from)];
            if self.world.find(&thing).is_some() {
                draft = draft.spend(thing);
            }
        }
        let fee = rng.within(10_000, 80_000);
        if total < 200_000 {
            return None;
        }
        let person = rng.pick(&PEOPLE);
        for _ in 0..rng.below(3) {
            draft = draft.pay(person.units(rng.within(1, total / 10)));
        }
        if rng.chance(45) {
            draft = draft.pay_all(things(rng, person));
        }
        if rng.chance(5) {
            draft = draft.locktime(u32::try_from(rng.below(30)).unwrap());
        }
        let transaction = self.world.sign(draft.rest_but(person, fee));
        for (index, output) in (0..).zip(&transaction.outputs) {
            let outpoint = OutPoint::new(transaction.txid(), index);
            let list = if output.is_etp() { &mut self.coins } else { &mut self.things };
            list.push(outpoint);
        }
        self.made.push(transaction.clone());
        Some(transaction)
    }

    fn offer(&mut self) {
        let again = self.rng.chance(20) && !self.made.is_empty();
        let transaction = if again {
            Some(self.made[self.rng.index(self.made.len())].clone())
        } else {
            self.make()
        };
        let Some(transaction) = transaction else { return };
        match self.world.offer(&transaction) {
            Ok(admitted) => {
                self.counts.taken += 1;
                self.counts.evicted += admitted.evicted.len();
            }
            Err(Rejection::Rule(reject)) => {
                self.counts.refused += 1;
                *self.codes.entry(reject.code()).or_default() += 1;
            }
            Err(Rejection::Fault(fault)) => panic!("{fault}"),
        }
    }

    /// Transactions that the next block can hold: some of the pool, parents first, perhaps with a
    /// rival of one of them.
    fn some_of_pool(&mut self) -> Vec<Transaction> {
        let mut chosen: Vec<Transaction> = Vec::new();
        let pool = &self.world.pool;
        for entry in pool.in_order() {
            let has = |txid| chosen.iter().any(|tx: &Transaction| tx.txid() == txid);
            if pool.parents(entry).into_iter().all(has) && self.rng.chance(50) {
                chosen.push(Transaction::clone(entry.transaction()));
            }
        }
        // Deposits need rewards, which only templates add.
        let is_deposit = |output: &Output| {
            let kind = output.script.pattern().kind();
            kind == mvs_primitives::script::PatternKind::PayKeyHashWithLockHeight
        };
        let plain = chosen.iter().all(|tx| !tx.outputs.iter().any(is_deposit));
        if plain { chosen } else { Vec::new() }
    }

    fn mine(&mut self) {
        let outcome = match self.rng.below(3) {
            0 => self.world.mine(Vec::new()),
            1 => {
                let transactions = self.some_of_pool();
                self.world.mine(transactions)
            }
            _ => {
                let template = check::template_connects(&self.world);
                let mut header = template.header().clone();
                testkit::build::seal_header(&mut header, self.world.chain.caches());
                let block = template.solve(header.nonce, header.mix_hash);
                self.world.append(&mvs_primitives::encode::Encode::to_bytes(&block))
            }
        };
        self.counts.confirmed += outcome.confirmed.len();
        self.counts.removed += outcome.removed.len();
    }

    /// A block that spends what the pool spends, otherwise.
    fn mine_rival(&mut self) {
        let Some(transaction) = self.make() else { return };
        let block = World::block(&self.world.chain, vec![transaction]);
        if self.world.chain.judge(&block, u64::MAX / 2).is_ok() {
            let outcome = self.world.append(&block);
            self.counts.removed += outcome.removed.len();
        }
    }

    fn reorganise(&mut self) {
        let blocks = self.world.chain.blocks();
        let depth = 1 + self.rng.index(4);
        // The first blocks hold the coins of everything.
        if blocks.len() < 6 + depth {
            return;
        }
        let kept: Vec<Vec<Transaction>> = blocks[blocks.len() - depth..]
            .iter()
            .map(|block| {
                let transactions = &block.block().block().transactions;
                transactions.iter().filter(|tx| !tx.is_coinbase()).cloned().collect()
            })
            .collect();
        let taken_back: Vec<_> = (0..depth).map(|_| self.world.chain.pop()).collect();
        let mut connected = Vec::new();
        for number in 0..=depth {
            // A part of what the old branch held, if it still makes a block.
            let mut transactions = kept.get(number).cloned().unwrap_or_default();
            transactions.retain(|_| self.rng.chance(60));
            let chain = &mut self.world.chain;
            let make = |transactions| {
                let mut draft = testkit::build::BlockDraft::on(chain, ALICE.script(), transactions);
                let secs = draft.header.timestamp.unix_secs() + 3;
                draft.header.timestamp = mvs_primitives::time::Timestamp::from_unix_secs(secs);
                mvs_primitives::encode::Encode::to_bytes(&draft.seal(chain.caches()))
            };
            let mut block = make(transactions);
            if chain.judge(&block, u64::MAX / 2).is_err() {
                block = make(Vec::new());
            }
            chain.append(&block, u64::MAX / 2).expect("the block is good");
            connected.push(chain.blocks().last().unwrap().clone());
        }
        let outcome = self.world.follow(&taken_back, &connected);
        self.counts.returned += outcome.returned.len();
        self.counts.removed += outcome.removed.len();
        self.counts.confirmed += outcome.confirmed.len();
    }

    fn step(&mut self) {
        match self.rng.below(100) {
            0..70 => self.offer(),
            70..80 => self.mine(),
            80..84 => self.mine_rival(),
            84..92 => self.reorganise(),
            92..95 => {
                self.world.now += self.rng.below(400);
                self.counts.removed += self.world.pool.expire(self.world.now).len();
            }
            95..97 => {
                if !self.made.is_empty() {
                    let txid = self.made[self.rng.index(self.made.len())].txid();
                    self.counts.removed += self.world.pool.remove(&txid).len();
                }
            }
            _ => check::all_hold(&self.world),
        }
        check::consistent(&self.world);
    }
}

/// Something with a name or a lock; often refused, often rightly so.
fn things(rng: &mut Rng, person: Person) -> Vec<Output> {
    let name = rng.pick(&NAMES);
    let auto = |of| person.cert(name, of, CertStatus::AUTO_ISSUE, "alice");
    match rng.below(10) {
        0 => vec![person.did(name, DidStatus::Register)],
        1 => vec![person.did(name, DidStatus::Transfer)],
        2 => vec![person.issue(name, 100, 0, "alice"), auto(CertType::DOMAIN)],
        3 => vec![
            person.issue(name, 100, 127, "alice"),
            auto(CertType::DOMAIN),
            auto(CertType::ISSUE),
        ],
        4 => vec![person.new_mit(name)],
        5 => vec![person.cert(name, CertType::KYC, CertStatus::ISSUE, "alice")],
        6 => vec![person.asset(name, 100)],
        7 => vec![bound(person.units(100), name, "")],
        8 => {
            let script = Script::pay_key_hash_with_lock_height(25_200, &person.key_hash());
            vec![Output::etp(mvs_primitives::amount::Amount::from_units(1_000), script)]
        }
        _ => vec![person.message("hello")],
    }
}

fn play(seed: u64, steps: usize, config: MempoolConfig) -> (Counts, BTreeMap<&'static str, usize>) {
    let mut player = Player::new(seed, config);
    for _ in 0..steps {
        player.step();
    }
    check::all_hold(&player.world);
    check::template_connects(&player.world);
    (player.counts, player.codes)
}

fn small(max_bytes: usize) -> MempoolConfig {
    MempoolConfig { max_bytes, expiry_secs: 1_500, max_ancestors: 6, ..permissive() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_pool_is_consistent_whatever_happens(seed in any::<u64>(), steps in 50usize..250) {
        play(seed, steps, small(64 << 20));
    }

    #[test]
    fn so_is_one_that_is_always_full(seed in any::<u64>(), steps in 50usize..250) {
        play(seed, steps, small(20_000));
    }
}

/// The random walks above go where they should.
#[test]
fn everything_happens() {
    let (counts, codes) = play(4, 1_500, small(40_000));
    eprintln!("{counts:?} {codes:?}");
    assert!(codes.len() > 15, "{codes:?}");
    assert!(counts.taken > 200 && counts.refused > 100, "{counts:?}");
    assert!(counts.evicted > 10 && counts.removed > 20, "{counts:?}");
    assert!(counts.confirmed > 50 && counts.returned > 20, "{counts:?}");
}
