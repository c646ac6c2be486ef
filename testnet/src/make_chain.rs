//! Chains from a seed, valid because consensus runs over every block before it is written.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, ensure};
use mvs_consensus::params::Params;
use mvs_consensus::params::chain_spec::ChainSpec;
use mvs_pow::CacheSet;
use mvs_primitives::amount::Amount;
use mvs_primitives::block::Block;
use mvs_primitives::encode::{Decode, Encode};
use mvs_primitives::height::Height;
use testkit::build::BlockDraft;
use testkit::chain::{FAR_FUTURE, MemoryChain};
use testkit::history::{History, census};

use crate::chain_file::Writer;
use crate::wire;

/// Blocks between two looks of consensus.
const BATCH: u32 = 256;
/// The most transactions of a block beside its coinbases.
const MAX_TRANSACTIONS: u64 = 8;
/// Gives the second branch another course than the first.
const OTHER_SEED: u64 = 0x6f74_6865_7200;

/// What to make.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Blocks above genesis.
    pub blocks: u32,
    /// The same seed gives the same bytes on every machine.
    pub seed: u64,
    /// Lengths of two branches above these blocks that compete with each other.
    pub branches: Option<(u32, u32)>,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// File.
    pub path: PathBuf,
    /// Height of the last block.
    pub height: u32,
    /// Its hash, as people write it.
    pub tip: String,
    /// Coins at the end, the genesis coin included.
    pub coins: usize,
    /// Their value.
    pub value: u64,
    /// Transactions that are no coinbases.
    pub transactions: u32,
    /// Bytes of the blocks.
    pub bytes: u64,
}

/// Returns the parameters of the chains that are made here.
///
/// # Panics
/// Never: the file is part of the program, and a test reads it.
pub fn params() -> Params {
    ChainSpec::parse(include_str!("../data/long-devnet.toml")).expect("a sound chain spec")
}

/// Makes the chain in `out` and, if there are branches, their blocks in `out` with `.one` and
/// `.two` behind the name.
///
/// # Errors
/// When a file cannot be written, or a block breaks a rule (which would be a mistake of ours).
pub fn make(plan: &Plan, out: &Path, mut progress: impl FnMut(u32)) -> Result<Vec<Made>> {
    let caches = Arc::new(CacheSet::new(1));
    let mut maker = Maker {
        history: History::on(params(), plan.seed, Arc::clone(&caches))
            .with_max_transactions(MAX_TRANSACTIONS),
        chain: MemoryChain::new(params(), caches),
    };
    let mut made = vec![maker.write(plan.blocks, out, &mut progress)?];
    if let Some((one, two)) = plan.branches {
        let mut rival = Maker {
            history: maker.history.fork(plan.seed ^ OTHER_SEED),
            chain: maker.chain.clone(),
        };
        made.push(maker.write(one, &behind(out, ".one"), &mut progress)?);
        made.push(rival.write(two, &behind(out, ".two"), &mut progress)?);
    }
    Ok(made)
}

/// Returns the path with something behind its name.
pub fn behind(path: &Path, what: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(what);
    PathBuf::from(name)
}

struct Maker {
    history: History,
    chain: MemoryChain,
}

impl Maker {
    fn write(&mut self, blocks: u32, path: &Path, progress: &mut dyn FnMut(u32)) -> Result<Made> {
        let mut writer = Writer::create(path)?;
        let (mut transactions, mut bytes, mut left) = (0, 0, blocks);
        while left > 0 {
            let batch = self.history.extend(left.min(BATCH));
            self.chain.append_all(&batch, FAR_FUTURE).map_err(|(index, refusal)| {
                let height = self.chain.tip().height.value();
                anyhow!("block {index} of the batch, above {height}: {refusal}")
            })?;
            for block in &batch {
                writer.add(block)?;
                bytes += block.len() as u64; // widening
            }
            transactions += count_transactions(&batch)?;
            left -= left.min(BATCH);
            progress(blocks - left);
        }
        writer.finish()?;
        let tip = self.chain.tip();
        ensure!(tip.height == self.history.height(), "history and chain have parted");
        let coins = self.chain.state().coins();
        let (count, value) = coins.fold((0, Amount::ZERO), |(count, value), (_, coin)| {
            (count + 1, value.checked_add(coin.output.value).unwrap_or(value))
        });
        Ok(Made {
            path: path.to_owned(),
            height: tip.height.value(),
            tip: tip.hash.to_string(),
            coins: count,
            value: value.units(),
            transactions,
            bytes,
        })
    }
}

fn count_transactions(blocks: &[Vec<u8>]) -> Result<u32> {
    let blocks = blocks.iter().map(|bytes| Block::decode(bytes)).collect::<Result<Vec<_>, _>>()?;
    Ok(census(&blocks).get("transactions").copied().unwrap_or_default())
}

/// Makes work blocks without transactions above a block of a chain. A number other than 0 makes
/// them differ from those of another call.
///
/// # Errors
/// When a block breaks a rule (which would be a mistake of ours).
pub fn empty_branch(
    chain: &MemoryChain,
    fork: Height,
    blocks: u32,
    number: u32,
) -> Result<Vec<Vec<u8>>> {
    let mut branch = chain.clone();
    while branch.tip().height > fork {
        branch.pop();
    }
    let mut made = Vec::new();
    for _ in 0..blocks {
        let miner = testkit::build::person::MINER.script();
        let mut draft = BlockDraft::on(&branch, miner, Vec::new());
        draft.transactions[0].locktime = number;
        let block = draft.seal(branch.caches()).to_bytes();
        branch.append(&block, FAR_FUTURE).context("an empty block")?;
        made.push(block);
    }
    Ok(made)
}

/// Returns the hash of a block as people write it.
pub fn tip_of(blocks: &[Vec<u8>]) -> Option<String> {
    Some(wire::display(&wire::block_hash(blocks.last()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain_file;

    #[test]
    fn the_same_seed_gives_the_same_chain() {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan { blocks: 30, seed: 5, branches: Some((3, 4)) };
        let [first, second] = ["a", "b"].map(|name| {
            let path = folder.path().join(name);
            let made = make(&plan, &path, |_| {}).unwrap();
            let files = made.iter().map(|made| std::fs::read(&made.path).unwrap());
            (files.collect::<Vec<_>>(), made)
        });
        assert_eq!(first.0, second.0);
        let heights: Vec<u32> = first.1.iter().map(|made| made.height).collect();
        assert_eq!(heights, [30, 33, 34]);
        let blocks = chain_file::read(&first.1[0].path).unwrap();
        assert_eq!(tip_of(&blocks).unwrap(), first.1[0].tip);
        let (one, two) = (&first.1[1], &first.1[2]);
        assert_ne!(one.tip, two.tip);
        let others = make(&Plan { seed: 6, ..plan }, &folder.path().join("c"), |_| {}).unwrap();
        assert_ne!(others[0].tip, first.1[0].tip);
    }
}
