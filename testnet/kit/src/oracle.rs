//! A second, slow, plain statement of what may be created, moved and named: for tests only.
//!
//! It is written from chain.md alone and shares no code with the consensus crate, only the types of
//! `mvs-primitives`. It knows the development network below its stake height, as numbers in the
//! text. What it does not judge: seals and headers, sizes and signature operations, scripts other
//! than the key-hash family, and attenuation locks ([`Oracle::is_mine`] tells).

mod names;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

use mvs_primitives::attachment::Payload;
use mvs_primitives::block::Block;
use mvs_primitives::input::OutPoint;
use mvs_primitives::output::Output;
use mvs_primitives::script::{Pattern, PatternKind, ScriptBuilder, script_number};
use mvs_primitives::transaction::Transaction;

/// chain.md 6.3, bucket 0: what a block may create.
pub const SUBSIDY: u64 = 300_000_000;
/// chain.md 6.1, private network.
const MATURITY: u32 = 10;
/// chain.md 6.4, mainnet's periods: lock and rate.
const DEPOSITS: [(i64, u64); 5] = [
    (25_200, 95_890),
    (108_000, 666_666),
    (331_200, 3_200_000),
    (655_200, 8_000_000),
    (1_314_000, 20_000_000),
];

/// Why something is refused, for people.
pub type No = &'static str;

/// Says no unless a condition holds.
fn must(holds: bool, otherwise: No) -> Result<(), No> {
    if holds { Ok(()) } else { Err(otherwise) }
}

/// An unspent output.
#[derive(Debug, Clone)]
struct Unspent {
    output: Output,
    height: u32,
    is_coinbase: bool,
}

type Name = Vec<u8>;

/// What a block did to the amount of coin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accounts {
    /// Units that the rewards of its deposits created.
    pub rewards: u64,
    /// Units that its miner could have taken and did not.
    pub unclaimed: u64,
}

/// Everything that exists.
#[derive(Debug, Clone)]
pub struct Oracle {
    coins: BTreeMap<OutPoint, Unspent>,
    /// For each asset: height of the first record and the sum of all.
    assets: BTreeMap<Name, (u32, u128)>,
    /// Symbol and type, with the content of the last issue.
    certs: BTreeMap<(Name, u32), Name>,
    /// Identity to address text.
    homes: BTreeMap<Name, Name>,
    /// Address text to the identity that came last.
    guests: BTreeMap<Name, Name>,
    items: BTreeSet<Name>,
    /// Timestamps, genesis first.
    times: Vec<u32>,
}

/// Where a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Pool,
    Block,
}

impl Oracle {
    /// Begins with the genesis block, which it takes as given.
    pub fn new(genesis: &Block) -> Self {
        let blackhole = b"1111111111111111111114oLvT2".to_vec();
        let mut oracle = Self {
            coins: BTreeMap::new(),
            assets: BTreeMap::new(),
            certs: BTreeMap::new(),
            homes: BTreeMap::from([(b"BLACKHOLE".to_vec(), blackhole.clone())]),
            guests: BTreeMap::from([(blackhole, b"BLACKHOLE".to_vec())]),
            items: BTreeSet::new(),
            times: Vec::new(),
        };
        oracle.record(genesis);
        oracle
    }

    /// Returns all coin that exists, in units; what was burnt still counts.
    pub fn coin(&self) -> u128 {
        self.coins.values().map(|unspent| u128::from(unspent.output.value.units())).sum()
    }

    /// Returns the units of each asset that exist in unspent outputs.
    pub fn asset_units(&self) -> BTreeMap<Vec<u8>, u128> {
        let mut units = BTreeMap::new();
        for unspent in self.coins.values() {
            if let Some((symbol, quantity)) = rules::asset(&unspent.output) {
                *units.entry(symbol.to_vec()).or_default() += u128::from(quantity);
            }
        }
        units
    }

    /// Returns the units of each asset that were ever issued.
    pub fn issued_units(&self) -> BTreeMap<Vec<u8>, u128> {
        self.assets.iter().map(|(name, (_, units))| (name.clone(), *units)).collect()
    }

    /// Returns the outpoints of what is unspent, in order.
    pub fn unspent(&self) -> impl Iterator<Item = (&OutPoint, &Output)> {
        self.coins.iter().map(|(outpoint, unspent)| (outpoint, &unspent.output))
    }

    /// Returns an unspent output.
    pub fn output(&self, outpoint: &OutPoint) -> Option<&Output> {
        self.coins.get(outpoint).map(|unspent| &unspent.output)
    }

    /// Tells whether this oracle can judge a transaction: whatever it spends is unspent or unknown,
    /// has an ordinary lock, and nothing has an attenuation lock.
    pub fn is_mine(&self, transaction: &Transaction) -> bool {
        let kind = |output: &Output| output.script.pattern().kind();
        transaction.inputs.iter().all(|input| {
            self.output(&input.previous).is_none_or(|output| {
                matches!(
                    kind(output),
                    PatternKind::PayKeyHash
                        | PatternKind::PayKeyHashWithLockHeight
                        | PatternKind::PayBlackholeAddress
                        | PatternKind::NullData
                )
            })
        }) && !transaction
            .outputs
            .iter()
            .any(|output| kind(output) == PatternKind::PayKeyHashWithAttenuationModel)
    }

    /// Judges a loose transaction on the tip; returns its fee.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn judge(&self, transaction: &Transaction) -> Result<u64, No> {
        must(!is_coinbase(transaction), "a loose coinbase")?;
        self.judge_at(transaction, &BTreeMap::new(), Place::Pool)
    }

    /// Judges a block on the tip, without its header.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn judge_block(&self, block: &Block) -> Result<Accounts, No> {
        let height = self.next_height();
        let all = &block.transactions;
        must(all.first().is_some_and(is_coinbase), "no coinbase")?;
        let coinbases = all.iter().take_while(|tx| is_coinbase(tx)).count();
        must(all[coinbases..].iter().all(|tx| !is_coinbase(tx)), "a late coinbase")?;
        let mut seen = BTreeSet::new();
        must(all.iter().all(|tx| seen.insert(tx.txid())), "a transaction twice")?;

        // Outputs of the block itself can be spent in it, wherever they stand.
        let mut own = BTreeMap::new();
        for transaction in all {
            insert_outputs(&mut own, transaction, height);
        }
        let mut spent = BTreeSet::new();
        let mut fees = 0u64;
        for transaction in &all[coinbases..] {
            for input in &transaction.inputs {
                must(spent.insert(input.previous), "a coin spent twice")?;
            }
            fees += self.judge_at(transaction, &own, Place::Block)?;
        }
        for (index, transaction) in all[..coinbases].iter().enumerate() {
            self.judge_coinbase(transaction, index, height)?;
        }
        let rewards = check_rewards(&all[1..coinbases], &all[coinbases..])?;
        let taken: u128 =
            all[0].outputs.iter().map(|output| u128::from(output.value.units())).sum();
        let most = u128::from(SUBSIDY) + u128::from(fees);
        let unclaimed = most.checked_sub(taken).ok_or("the coinbase takes too much")?;
        rules::check_once_a_block(all)?;
        Ok(Accounts { rewards, unclaimed: u64::try_from(unclaimed).map_err(|_| "too much")? })
    }

    fn judge_coinbase(
        &self,
        transaction: &Transaction,
        index: usize,
        height: u32,
    ) -> Result<(), No> {
        must(transaction.version < 4, "a coinbase of version 4")?;
        let push = ScriptBuilder::new().push(&script_number(i64::from(height))).build();
        let script = transaction.inputs[0].script.as_bytes();
        must(script.starts_with(push.as_bytes()), "a coinbase without its height")?;
        let [first, rest @ ..] = transaction.outputs.as_slice() else {
            return Err("a coinbase without outputs");
        };
        must(matches!(first.attachment.payload, Payload::Etp), "a coinbase that pays no coin")?;
        match rest {
            [] => {}
            [minted] if index == 0 => {
                let Payload::AssetTransfer(minted) = &minted.attachment.payload else {
                    return Err("a second coinbase output that mints nothing");
                };
                let most = self.mintable(minted.symbol.as_bytes(), height);
                let most = most.ok_or("an asset that cannot be minted")?;
                must(minted.quantity.units() <= most, "too much is minted")?;
            }
            _ => return Err("too many coinbase outputs"),
        }
        rules::check_values(transaction)
    }

    /// chain.md 6.5.
    fn mintable(&self, symbol: &[u8], height: u32) -> Option<u64> {
        let (issued, _) = self.assets.get(symbol)?;
        let content = self.certs.get(&(symbol.to_vec(), 0x6000_0004))?;
        let content = std::str::from_utf8(content).ok()?;
        let number = |key: &str| {
            content.split(',').find_map(|item| item.strip_prefix(key)?.strip_prefix(':'))
        };
        let initial: f64 = number("initial")?.parse().ok()?;
        let interval: u32 = number("interval")?.parse().ok()?;
        let base: f64 = number("base")?.parse().ok()?;
        if *issued == 0 || *issued >= height {
            return Some(0);
        }
        let age = i32::try_from((height - issued) / interval).ok()?;
        Some((initial * base.powi(age)).round() as u64) // a small positive number
    }

    /// Adds a block that both sides accept.
    pub fn record(&mut self, block: &Block) {
        let height = self.next_height();
        for transaction in &block.transactions {
            insert_outputs(&mut self.coins, transaction, height);
        }
        for transaction in &block.transactions {
            for input in &transaction.inputs {
                self.coins.remove(&input.previous);
            }
            for output in &transaction.outputs {
                self.record_names(output, height);
            }
        }
        self.times.push(block.header.timestamp.unix_secs());
    }

    fn next_height(&self) -> u32 {
        u32::try_from(self.times.len()).expect("histories are short")
    }
}

/// chain.md 2.4: one input, and it is null.
fn is_coinbase(transaction: &Transaction) -> bool {
    transaction.inputs.len() == 1 && is_null(&transaction.inputs[0].previous)
}

fn is_null(outpoint: &OutPoint) -> bool {
    outpoint.to_array()[..32] == [0; 32] && outpoint.index == u32::MAX
}

fn insert_outputs(coins: &mut BTreeMap<OutPoint, Unspent>, transaction: &Transaction, height: u32) {
    let (txid, is_coinbase) = (transaction.txid(), is_coinbase(transaction));
    for (index, output) in (0u32..).zip(&transaction.outputs) {
        let unspent = Unspent { output: output.clone(), height, is_coinbase };
        coins.insert(OutPoint::new(txid, index), unspent);
    }
}

/// chain.md 6.4 and 8.3.2, and one reward for each deposit (2.4, QUIRK). Returns the sum.
fn check_rewards(rewards: &[Transaction], ordinary: &[Transaction]) -> Result<u64, No> {
    let mut deposits = Vec::new();
    for output in ordinary.iter().flat_map(|transaction| &transaction.outputs) {
        if matches!(output.script.pattern(), Pattern::PayKeyHashWithLockHeight { .. }) {
            deposits.push(output);
        }
    }
    must(deposits.len() == rewards.len(), "deposits and rewards differ in number")?;
    let mut sum = 0;
    for (deposit, reward) in deposits.iter().zip(rewards) {
        let (_, rate) = rules::deposit_of(deposit).ok_or("an unknown deposit")?;
        let exact = (rate as f64 / 100_000_000.0 * deposit.value.units() as f64) as u64;
        must(reward.outputs[0].value.units() == exact, "a wrong reward")?;
        must(reward.outputs[0].script == deposit.script, "a reward for somebody else")?;
        sum += exact;
    }
    Ok(sum)
}
