//! Stake blocks: coinstake, kernel search, block signature (chain.md 9).

use mvs_consensus::difficulty::required_bits;
use mvs_consensus::stake::{kernel_meets, stake_weight};
use mvs_consensus::state::StateView;
use mvs_consensus::subsidy::block_subsidy;
use mvs_primitives::amount::Amount;
use mvs_primitives::block::{Block, BlockProof, BlockSig};
use mvs_primitives::hash::{MerkleRoot, MixHash};
use mvs_primitives::header::{BlockVersion, Header};
use mvs_primitives::input::OutPoint;
use mvs_primitives::merkle::compute_root;
use mvs_primitives::output::Output;
use mvs_primitives::time::Timestamp;
use mvs_primitives::transaction::Transaction;

use super::coinbase;
use super::person::{MINER, Person};
use super::tx::TxDraft;
use crate::chain::MemoryChain;

/// Which timestamp a stake block takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// The first whose kernel meets the target.
    Meets,
    /// The first whose kernel does not.
    Misses,
    /// The first there is.
    Any,
}

/// What a stake block on the tip of a chain is made of.
#[derive(Debug, Clone)]
pub struct StakeDraft {
    /// The header; merkle root and time are set by [`StakeDraft::finish`].
    pub header: Header,
    /// The transactions: coinbase, coinstake and others.
    pub transactions: Vec<Transaction>,
    /// Which timestamp to take.
    pub kernel: Kernel,
    staked: OutPoint,
    value: Amount,
    signer: Person,
}

impl StakeDraft {
    /// Starts a stake block: a coinbase with the whole subsidy, a coinstake that pays the staked
    /// output back less `fee` units, and the given transactions.
    ///
    /// # Panics
    /// When the chain lacks the staked output.
    pub fn on(
        chain: &MemoryChain,
        signer: Person,
        staked: OutPoint,
        fee: u64,
        transactions: Vec<Transaction>,
    ) -> Self {
        let tip = chain.tip();
        let height = tip.height.next().expect("the chain is short");
        let find =
            |outpoint: &OutPoint| chain.state().coin(outpoint).ok().flatten().map(|c| c.output);
        let value = find(&staked).expect("the staked output exists").value;
        let back = value.units().checked_sub(fee).expect("the stake holds the fee");
        let coinstake =
            TxDraft::new(1).spend(staked).pay(Output::null()).pay(signer.units(back)).sign(&find);
        let subsidy = block_subsidy(chain.params(), BlockVersion::POS, height);
        let first = coinbase(height, vec![Output::etp(subsidy, MINER.script())]);
        let mut all = vec![first, coinstake];
        all.extend(transactions);
        let last = chain.headers().header(tip.height).expect("the tip has a header");
        let bits = required_bits(
            chain.params(),
            chain.headers(),
            BlockVersion::POS,
            last.timestamp,
            height,
        )
        .expect("memory can be read")
        .expect("the chain has the parent");
        let header = Header {
            version: BlockVersion::POS,
            previous: tip.hash,
            merkle: MerkleRoot::ZERO,
            timestamp: last.timestamp,
            bits,
            nonce: 0,
            mix_hash: MixHash::ZERO,
            number: height,
        };
        Self { header, transactions: all, kernel: Kernel::Meets, staked, value, signer }
    }

    /// Finds a timestamp, sets the merkle root and signs.
    pub fn finish(mut self, chain: &MemoryChain) -> Block {
        let weight = stake_weight(&chain.params().stake, self.value);
        let start = self.header.timestamp.unix_secs() + 1;
        for secs in start.. {
            self.header.timestamp = Timestamp::from_unix_secs(secs);
            let kernel = self.header.stake_kernel(&self.staked);
            let meets = kernel_meets(&kernel, weight, self.header.bits);
            let wanted = match self.kernel {
                Kernel::Meets => meets,
                Kernel::Misses => !meets,
                Kernel::Any => true,
            };
            if wanted {
                break;
            }
        }
        let txids: Vec<_> = self.transactions.iter().map(Transaction::txid).collect();
        self.header.merkle = compute_root(&txids).root;
        let signature = self.signer.sign(*self.header.hash().as_bytes());
        let proof = BlockProof::Stake(BlockSig::from_compact(signature.serialize_compact()));
        Block { header: self.header, transactions: self.transactions, proof }
    }
}
