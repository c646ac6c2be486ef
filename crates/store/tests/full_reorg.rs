//! A reorganisation of full blocks, with the optional index on, in one batch. Alone in its process, so that its memory
//! can be told: it grows with the changes of the batch, and by how much for each is what README says.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use std::sync::Arc;

use mvs_consensus::block::{ConnectedBlock, connect_genesis};
use mvs_consensus::params::{Params, PowDifficulty};
use mvs_pow::CacheSet;
use mvs_primitives::amount::Amount;
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::encode::Encode;
use mvs_primitives::hash::hash160;
use mvs_primitives::input::{Input, OutPoint};
use mvs_primitives::output::Output;
use mvs_primitives::script::{Script, ScriptBuilder};
use mvs_primitives::transaction::Transaction;
use mvs_store::mmap::MapDisk;
use mvs_store::{Options, Store};
use testkit::build::BlockDraft;
use testkit::chain::{FAR_FUTURE, MemoryChain};

/// The most anonymous memory for each change (a coin spent or created, applied or undone) of a batch, in bytes: the
/// bound in README.
const BYTES_PER_CHANGE: u64 = 64;

/// What is taken whatever the batch: buffers of a block, of the index, of the allocator.
const BASE_BYTES: u64 = 8 << 20;

const COINS_OF_BLOCK: usize = 3_000;
const COINS_OF_TX: usize = 100;

/// Coins that anybody can spend: an input needs no signature.
const ANYBODY: &[u8] = &[0x51];

fn pay() -> Script {
    Script::pay_script_hash(&hash160(ANYBODY))
}

fn spend(previous: OutPoint) -> Input {
    Input { previous, script: ScriptBuilder::new().push(ANYBODY).build(), sequence: u32::MAX }
}

fn transaction(inputs: Vec<Input>, outputs: usize, units: u64, mark: u64) -> Transaction {
    let mut outputs = vec![Output::etp(Amount::from_units(units), pay()); outputs];
    // Branches differ: of one more to nobody.
    outputs.push(Output::etp(
        Amount::ZERO,
        Script::null_data(&mark.to_le_bytes()).expect("eight bytes are short"),
    ));
    Transaction { version: 1, inputs, outputs, locktime: 0 }
}

/// A chain with the coins that the next block spends.
struct Branch {
    chain: MemoryChain,
    coins: Vec<OutPoint>,
    units: u64,
}

impl Clone for Branch {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), coins: self.coins.clone(), units: self.units }
    }
}

impl Branch {
    fn append(&mut self, transactions: Vec<Transaction>) {
        let block = BlockDraft::on(&self.chain, pay(), transactions).seal(self.chain.caches());
        let added = self.chain.append_all(&[block.to_bytes()], FAR_FUTURE);
        added.map_err(|(at, why)| format!("{at}: {why}")).unwrap();
    }

    /// Blocks that spend and make thousands of coins each.
    fn extend(&mut self, blocks: u64, mark: u64) {
        for block in 0..blocks {
            let mut coins = Vec::with_capacity(self.coins.len());
            let transactions: Vec<Transaction> = self
                .coins
                .chunks(COINS_OF_TX)
                .map(|chunk| {
                    let inputs: Vec<Input> = chunk.iter().map(|coin| spend(*coin)).collect();
                    transaction(inputs, chunk.len(), self.units, mark << 32 | block)
                })
                .collect();
            for transaction in &transactions {
                let txid = transaction.txid();
                coins.extend((0..).take(COINS_OF_TX).map(|index| OutPoint::new(txid, index)));
            }
            self.append(transactions);
            self.coins = coins;
        }
    }
}

fn changes(blocks: &[ConnectedBlock]) -> u64 {
    let of = |block: &ConnectedBlock| block.delta().spent.len() + block.delta().created.len();
    blocks.iter().map(|block| of(block) as u64).sum()
}

/// Anonymous memory of this process, in bytes.
fn anonymous_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

/// A stem whose tip has many coins to spend.
fn stem(params: Params) -> Branch {
    let chain = MemoryChain::new(params, Arc::new(CacheSet::new(1)));
    let mut branch = Branch { chain, coins: Vec::new(), units: 0 };
    branch.append(Vec::new());
    let coinbase = branch.chain.blocks()[1].block().txids()[0];
    let value = branch.chain.blocks()[1].block().block().transactions[0].outputs[0].value.units();
    while branch.chain.tip().height.value() <= branch.chain.params().coinbase_maturity {
        branch.append(Vec::new());
    }
    branch.units = value / COINS_OF_BLOCK as u64;
    let inputs = vec![spend(OutPoint::new(coinbase, 0))];
    let fan_out = transaction(inputs, COINS_OF_BLOCK, branch.units, 0);
    let txid = fan_out.txid();
    branch.append(vec![fan_out]);
    branch.coins = (0..).take(COINS_OF_BLOCK).map(|index| OutPoint::new(txid, index)).collect();
    branch
}

#[test]
fn memory_of_a_reorganisation_is_bounded_by_its_changes() {
    let factor: u64 =
        std::env::var("STORE_TEST_FACTOR").ok().and_then(|f| f.parse().ok()).unwrap_or(1);
    let depth = 12 * factor;
    let mut params = Params::devnet();
    params.pow_difficulty = PowDifficulty::Fixed(Difficulty::from_u64(1));
    params.fees.min_fee = Amount::ZERO;
    let genesis = connect_genesis(&params).unwrap();
    let mut branch = stem(params);
    let shared = branch.chain.blocks().len();
    let mut rival = branch.clone();
    branch.extend(depth, 1);
    rival.extend(depth + 1, 2);
    let (old, new) = (&branch.chain.blocks()[shared..], &rival.chain.blocks()[shared..]);

    let folder = std::env::temp_dir().join(format!("mvs-full-reorg-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let open = || Store::open(MapDisk::open(&folder).unwrap(), Options::new(7, 10_000), &genesis);
    let (mut store, _) = open().unwrap();
    store.build_index(&mut |_| true).unwrap();
    for block in &branch.chain.blocks()[1..] {
        let mut batch = store.batch().unwrap();
        batch.apply(block).unwrap();
        batch.commit().unwrap();
    }

    let before = anonymous_bytes();
    let mut most = 0;
    let mut see = || most = most.max(anonymous_bytes().saturating_sub(before));
    let mut batch = store.batch().unwrap();
    for expected in old.iter().rev() {
        assert_eq!(batch.undo().unwrap().info.hash, expected.block().header().hash());
        see();
    }
    for block in new {
        batch.apply(block).unwrap();
        see();
    }
    batch.commit().unwrap();
    see();
    let changes = changes(old) + changes(new);
    let per_change = most / changes;
    println!("{depth} blocks, {changes} changes: at most {most} bytes more, {per_change} a change");
    assert!(changes > depth * 2 * COINS_OF_BLOCK as u64);
    assert!(most <= BASE_BYTES + BYTES_PER_CHANGE * changes, "{most} bytes");

    assert_eq!(store.tip().hash, rival.chain.tip().hash);
    assert_eq!(store.tip().coins, rival.chain.state().coins().count() as u64);
    assert_eq!(store.snapshot().index_height(), store.tip().height.next());
    let mut found = Vec::new();
    store.check(&mut |_| true, &mut |error| found.push(error.to_string())).unwrap();
    assert_eq!(found, Vec::<String>::new());
    drop(store);
    assert_eq!(open().unwrap().0.tip().hash, rival.chain.tip().hash);
    std::fs::remove_dir_all(&folder).unwrap();
}
