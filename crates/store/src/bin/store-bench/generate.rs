//! Generates a workload file.
//!
//! Nothing but two bits for each coin is kept: which transaction a coin belongs to follows from the
//! first bits, its key and value follow from the seed and its place in the order of creation.
//!
//! - Fill: 10,000 creations a block, no spends, until the wanted number of coins live.
//! - Steady: 2,000 transactions a block, two spends each and one to five outputs, two on average.
//!   The age of a spent coin, counted in coins created since: 45 % log-uniform within the last 144
//!   blocks, 30 % log-uniform from there to the first coin, 25 % uniform over everything. A coin that
//!   is spent already gives way to the nearest older live one, or younger where there is none. As
//!   many coins are created as are spent, so the live set stays as it is.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::bitset::BitSet;
use crate::random::Random;
use crate::workload::{BLOCK_HEAD_LEN, HEADER_LEN, Header, KEY_LEN, Key, amount_of, coin_hash};

/// Creations in a fill block.
const FILL_CREATES: u64 = 10_000;

/// Transactions in a steady block; fewer where the live set is small.
const TRANSACTIONS: u64 = 2_000;

/// Spends in a transaction, and outputs on average.
const PER_TRANSACTION: u64 = 2;

/// The most outputs that a transaction has.
const MAX_OUTPUTS: u64 = 5;

/// How many blocks count as recent.
const RECENT_BLOCKS: u64 = 144;

/// The most coins and blocks that can be asked for, so that no sum here can overflow.
const MAX_TARGET: u64 = 1 << 32;
const MAX_STEADY_BLOCKS: u32 = 1 << 20;

/// One coin in four carries a long attachment.
const LONG_ATTACHMENT_ONE_IN: u64 = 4;

/// Identities and assets that the long attachments name.
const IDENTITIES: u64 = 20_000;
const ASSETS: u64 = 500;

/// Length of the longest value: height, amount, script, attachment.
const MAX_VALUE_LEN: usize = 4 + 8 + 25 + 70;

/// What to generate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Coins that live after the fill and ever after.
    pub(crate) target: u64,
    /// Blocks after the fill.
    pub(crate) steady_blocks: u32,
    /// Number of queries at the end.
    pub(crate) queries: u32,
    /// All else follows from this.
    pub(crate) seed: u64,
}

/// Writes the workload of a plan to a file and returns its header.
pub(crate) fn generate(path: &Path, plan: &Plan) -> Result<Header> {
    ensure!((1..=MAX_TARGET).contains(&plan.target), "a target between 1 and {MAX_TARGET}");
    ensure!(plan.steady_blocks <= MAX_STEADY_BLOCKS, "at most {MAX_STEADY_BLOCKS} steady blocks");
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    let mut file = BufWriter::with_capacity(1 << 20, file);
    file.write_all(&[0; HEADER_LEN])?;

    let mut chain = Chain::new(plan)?;
    for height in 0..chain.fill_blocks {
        let block = chain.fill_block(height)?;
        file.write_all(block)?;
    }
    for step in 0..plan.steady_blocks {
        let height = chain.fill_blocks.checked_add(step).context("too many blocks")?;
        let block = chain.steady_block(height)?;
        file.write_all(block)?;
    }

    let header = Header {
        seed: plan.seed,
        fill_blocks: chain.fill_blocks,
        steady_blocks: plan.steady_blocks,
        target: plan.target,
        live_end: chain.live_count,
        query_count: plan.queries,
        query_offset: file.stream_position()?,
    };
    let mut random = Random::of(plan.seed, Stream::Queries.number(0));
    for _ in 0..plan.queries {
        let (key, live) = chain.query(&mut random)?;
        file.write_all(&key)?;
        file.write_all(&[u8::from(live)])?;
    }
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&header.to_bytes())?;
    file.into_inner().context("writing the last bytes")?.sync_all()?;
    Ok(header)
}

/// What a stream of random numbers is for; each thing has its own.
#[derive(Debug, Clone, Copy)]
enum Stream {
    TransactionId,
    Value,
    Block,
    Queries,
    Identity,
    Asset,
}

impl Stream {
    /// Returns the number of the stream for the thing of the given number, below 2^56.
    fn number(self, thing: u64) -> u64 {
        let kind: u64 = match self {
            Self::TransactionId => 1,
            Self::Value => 2,
            Self::Block => 3,
            Self::Queries => 4,
            Self::Identity => 5,
            Self::Asset => 6,
        };
        kind << 56 | thing
    }
}

/// The state after the blocks so far. Coins are numbered in the order of their creation.
struct Chain<'a> {
    plan: &'a Plan,
    fill_blocks: u32,
    transactions: u64,
    /// Coins that exist or existed.
    created: u64,
    live: BitSet,
    live_count: u64,
    /// The coins that are the first of their transaction.
    first: BitSet,
    digest: u64,
    block: Vec<u8>,
    scratch: Vec<u8>,
}

impl<'a> Chain<'a> {
    fn new(plan: &'a Plan) -> Result<Self> {
        let transactions = (plan.target / (4 * PER_TRANSACTION)).clamp(1, TRANSACTIONS);
        let coins = plan.target + u64::from(plan.steady_blocks) * transactions * PER_TRANSACTION;
        let coins = usize::try_from(coins)?;
        Ok(Self {
            plan,
            fill_blocks: u32::try_from(plan.target.div_ceil(FILL_CREATES))?,
            transactions,
            created: 0,
            live: BitSet::new(coins),
            live_count: 0,
            first: BitSet::new(coins),
            digest: 0,
            block: Vec::new(),
            scratch: Vec::new(),
        })
    }

    /// Makes a block that only creates.
    fn fill_block(&mut self, height: u32) -> Result<&[u8]> {
        let mut random = Random::of(self.plan.seed, Stream::Block.number(u64::from(height)));
        let creates = FILL_CREATES.min(self.plan.target - self.created);
        let mut sizes = Vec::new();
        let mut left = creates;
        while left > 0 {
            let outputs = draw_outputs(&mut random).min(left);
            sizes.push(outputs);
            left -= outputs;
        }
        self.begin();
        self.create(&sizes, height)?;
        self.end(height, 0, creates, 0)
    }

    /// Makes a block that spends as many coins as it creates.
    fn steady_block(&mut self, height: u32) -> Result<&[u8]> {
        let mut random = Random::of(self.plan.seed, Stream::Block.number(u64::from(height)));
        let coins = (self.transactions * PER_TRANSACTION).min(self.live_count);
        self.begin();
        let mut spent_amount: u64 = 0;
        for _ in 0..coins {
            let number = self.draw_spend(&mut random)?;
            let key = self.key(number)?;
            let (value, value_len) = self.value(number)?;
            let value = &value[..value_len];
            spent_amount = spent_amount.wrapping_add(amount_of(value)?);
            self.digest ^= coin_hash(&key, value, &mut self.scratch);
            self.live.remove(usize::try_from(number)?);
            self.live_count -= 1;
            self.block.extend_from_slice(&key);
        }
        let sizes = draw_sizes(&mut random, self.transactions, coins);
        self.create(&sizes, height)?;
        self.end(height, coins, coins, spent_amount)
    }

    /// Starts a block with room for what stands before its keys.
    fn begin(&mut self) {
        self.block.clear();
        self.block.resize(4 + BLOCK_HEAD_LEN, 0);
    }

    /// Adds transactions with the given numbers of outputs.
    fn create(&mut self, sizes: &[u64], height: u32) -> Result<()> {
        for &outputs in sizes.iter().filter(|outputs| **outputs > 0) {
            self.first.insert(usize::try_from(self.created)?);
            for _ in 0..outputs {
                let number = self.created;
                debug_assert_eq!(self.height_of(number)?, height);
                self.created += 1;
                let key = self.key(number)?;
                let (value, value_len) = self.value(number)?;
                let value = &value[..value_len];
                self.digest ^= coin_hash(&key, value, &mut self.scratch);
                self.live.insert(usize::try_from(number)?);
                self.live_count += 1;
                self.block.extend_from_slice(&key);
                self.block.extend_from_slice(&u16::try_from(value.len())?.to_le_bytes());
                self.block.extend_from_slice(value);
            }
        }
        Ok(())
    }

    /// Completes a block.
    fn end(&mut self, height: u32, spends: u64, creates: u64, spent_amount: u64) -> Result<&[u8]> {
        let len = u32::try_from(self.block.len() - 4)?;
        let mut head = Vec::with_capacity(4 + BLOCK_HEAD_LEN);
        head.extend_from_slice(&len.to_le_bytes());
        head.extend_from_slice(&height.to_le_bytes());
        head.extend_from_slice(&u32::try_from(spends)?.to_le_bytes());
        head.extend_from_slice(&u32::try_from(creates)?.to_le_bytes());
        head.extend_from_slice(&self.digest.to_le_bytes());
        head.extend_from_slice(&self.live_count.to_le_bytes());
        head.extend_from_slice(&spent_amount.to_le_bytes());
        self.block[..head.len()].copy_from_slice(&head);
        Ok(&self.block)
    }

    /// Draws a live coin by its age.
    fn draw_spend(&self, random: &mut Random) -> Result<u64> {
        let all = self.created;
        let recent = (RECENT_BLOCKS * self.transactions * PER_TRANSACTION).min(all);
        let age = match random.below(100) {
            0..45 => random.log_uniform(1, recent),
            45..75 => random.log_uniform(recent, all),
            _ => 1 + random.below(all),
        };
        let wanted = usize::try_from(all - age)?;
        let found = self.live.at_or_before(wanted).or_else(|| self.live.at_or_after(wanted));
        Ok(u64::try_from(found.context("no coin is live")?)?)
    }

    /// Draws a key to ask for: eight of ten live, one spent, one that never was.
    fn query(&self, random: &mut Random) -> Result<(Key, bool)> {
        let number = random.below(self.created);
        let at = usize::try_from(number)?;
        match random.below(10) {
            0..8 => {
                let found = self.live.at_or_before(at).or_else(|| self.live.at_or_after(at));
                let found = found.context("no coin is live")?;
                Ok((self.key(u64::try_from(found)?)?, true))
            }
            8 => Ok((self.key(number)?, self.live.contains(at))),
            _ => {
                let mut key = [0; KEY_LEN];
                random.fill(&mut key[..32]);
                Ok((key, false))
            }
        }
    }

    /// Returns the key of a coin.
    fn key(&self, number: u64) -> Result<Key> {
        let first = self.first.at_or_before(usize::try_from(number)?);
        let first = u64::try_from(first.context("a coin without a transaction")?)?;
        let mut key = [0; KEY_LEN];
        Random::of(self.plan.seed, Stream::TransactionId.number(first)).fill(&mut key[..32]);
        key[32..].copy_from_slice(&u32::try_from(number - first)?.to_le_bytes());
        Ok(key)
    }

    /// Returns the height of the block that creates the coin.
    fn height_of(&self, number: u64) -> Result<u32> {
        let height = match number.checked_sub(self.plan.target) {
            None => number / FILL_CREATES,
            Some(steady) => {
                let coins = (self.transactions * PER_TRANSACTION).min(self.plan.target);
                u64::from(self.fill_blocks) + steady / coins
            }
        };
        Ok(u32::try_from(height)?)
    }

    /// Returns the value of a coin: height, amount, a script that pays a key's hash, an attachment.
    fn value(&self, number: u64) -> Result<([u8; MAX_VALUE_LEN], usize)> {
        let mut random = Random::of(self.plan.seed, Stream::Value.number(number));
        let mut value = Writer::default();
        value.put(&self.height_of(number)?.to_le_bytes());
        value.put(&random.log_uniform(10_000, 1_000_000_000_000).to_le_bytes());
        let mut script = *b"\x76\xa9\x14....................\x88\xac";
        random.fill(&mut script[3..23]);
        value.put(&script);
        if random.below(LONG_ATTACHMENT_ONE_IN) == 0 {
            self.put_asset_transfer(&mut value, &mut random);
        } else {
            value.put(&1_u32.to_le_bytes());
            value.put(&0_u32.to_le_bytes());
        }
        Ok((value.bytes, value.len))
    }

    /// Puts 70 bytes: an asset transfer between two identities (chain.md 3.3).
    fn put_asset_transfer(&self, value: &mut Writer, random: &mut Random) {
        let name = |stream: Stream, number: u64, name: &mut [u8], first: u8| {
            let mut random = Random::of(self.plan.seed, stream.number(number));
            for byte in name {
                *byte = first + u8::try_from(random.below(26)).unwrap_or(0);
            }
        };
        let (mut to, mut from, mut symbol) = ([0; 18], [0; 17], [0; 12]);
        name(Stream::Identity, 2 * random.below(IDENTITIES), &mut to, b'a');
        name(Stream::Identity, 2 * random.below(IDENTITIES) + 1, &mut from, b'a');
        name(Stream::Asset, random.below(ASSETS), &mut symbol, b'A');
        value.put(&207_u32.to_le_bytes());
        value.put(&2_u32.to_le_bytes());
        value.put(&[18]);
        value.put(&to);
        value.put(&[17]);
        value.put(&from);
        value.put(&2_u32.to_le_bytes());
        value.put(&[12]);
        value.put(&symbol);
        value.put(&random.log_uniform(1, 1_000_000_000_000).to_le_bytes());
    }
}

/// Bytes of a value so far.
struct Writer {
    bytes: [u8; MAX_VALUE_LEN],
    len: usize,
}

impl Default for Writer {
    fn default() -> Self {
        Self { bytes: [0; MAX_VALUE_LEN], len: 0 }
    }
}

impl Writer {
    fn put(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        self.bytes[self.len..end].copy_from_slice(bytes);
        self.len = end;
    }
}

/// Draws the number of outputs of a transaction: one to five, two on average.
fn draw_outputs(random: &mut Random) -> u64 {
    match random.below(20) {
        0..8 => 1,
        8..15 => 2,
        15..18 => 3,
        18 => 4,
        _ => MAX_OUTPUTS,
    }
}

/// Draws the numbers of outputs of a block's transactions, with the given sum.
fn draw_sizes(random: &mut Random, transactions: u64, sum: u64) -> Vec<u64> {
    let mut sizes: Vec<u64> = (0..transactions).map(|_| draw_outputs(random)).collect();
    let mut found: u64 = sizes.iter().sum();
    while found != sum {
        // The drawn index is below the length of the list.
        let at = usize::try_from(random.below(transactions)).unwrap_or(0);
        if found < sum && sizes[at] < MAX_OUTPUTS {
            sizes[at] += 1;
            found += 1;
        } else if found > sum && sizes[at] > u64::from(sum >= transactions) {
            sizes[at] -= 1;
            found -= 1;
        }
    }
    sizes
}

// The path is for `benches/store-peers`, which takes this file in by its path too.
#[cfg(test)]
#[path = "generate/tests.rs"]
pub(crate) mod tests;
