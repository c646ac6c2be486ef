//! Builds blocks that a chain accepts, and seals them.

use std::sync::atomic::AtomicBool;

use mvs_consensus::difficulty::required_bits;
use mvs_consensus::header_view::HeaderView;
use mvs_consensus::params::Params;
use mvs_consensus::subsidy::block_subsidy;
use mvs_pow::{CacheSet, Effort, Epoch, Job, boundary, search_light};
use mvs_primitives::amount::Amount;
use mvs_primitives::block::{Block, BlockProof};
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::hash::{MerkleRoot, MixHash};
use mvs_primitives::header::{BlockVersion, Header};
use mvs_primitives::height::Height;
use mvs_primitives::input::{Input, OutPoint};
use mvs_primitives::merkle::compute_root;
use mvs_primitives::output::Output;
use mvs_primitives::script::{Script, ScriptBuilder, script_number};
use mvs_primitives::time::Timestamp;
use mvs_primitives::transaction::Transaction;

use crate::chain::MemoryChain;

pub mod person;
pub mod stake;
pub mod tx;

/// Makes a coinbase of the version that the reference's miner writes.
pub fn coinbase(height: Height, outputs: Vec<Output>) -> Transaction {
    let script = ScriptBuilder::new().push(&script_number(i64::from(height.value()))).build();
    let input = Input { previous: OutPoint::NULL, script, sequence: 0 };
    Transaction { version: 1, inputs: vec![input], outputs, locktime: 0 }
}

/// What a work block on the tip of a chain is made of.
#[derive(Debug, Clone)]
pub struct BlockDraft {
    /// The header; merkle root and seal are set by [`BlockDraft::seal`].
    pub header: Header,
    /// The transactions, coinbase first.
    pub transactions: Vec<Transaction>,
}

impl BlockDraft {
    /// Starts a block on the tip: a coinbase that pays the whole subsidy (no fees) to `script`, and
    /// the given transactions.
    ///
    /// # Panics
    /// When the chain is at the last 32-bit height.
    pub fn on(chain: &MemoryChain, script: Script, transactions: Vec<Transaction>) -> Self {
        let tip = chain.tip();
        let height = tip.height.next().expect("the chain is short");
        let subsidy = block_subsidy(chain.params(), BlockVersion::POW, height);
        let last = chain.headers().header(tip.height).expect("the tip has a header");
        let timestamp = Timestamp::from_unix_secs(
            last.timestamp.unix_secs() + chain.params().target_spacing_secs,
        );
        let mut all = vec![coinbase(height, vec![Output::etp(subsidy, script)])];
        all.extend(transactions);
        let mut draft = Self {
            header: Header {
                version: BlockVersion::POW,
                previous: tip.hash,
                merkle: MerkleRoot::ZERO,
                timestamp,
                bits: Difficulty::default(),
                nonce: 0,
                mix_hash: MixHash::ZERO,
                number: height,
            },
            transactions: all,
        };
        draft.set_bits(chain.params(), chain.headers());
        draft
    }

    /// Sets the difficulty that the rules demand for the header's version, time and height.
    ///
    /// # Panics
    /// When the view lacks the parent.
    pub fn set_bits(&mut self, params: &Params, view: &impl HeaderView) {
        let Header { version, timestamp, number, .. } = self.header;
        self.header.bits = required_bits(params, view, version, timestamp, number)
            .expect("the view can be read")
            .expect("the view holds the parent");
    }

    /// Adds to what the coinbase takes.
    ///
    /// # Panics
    /// When there is no coinbase or the sum does not fit.
    pub fn add_to_coinbase(&mut self, amount: Amount) {
        let value = &mut self.transactions[0].outputs[0].value;
        *value = value.checked_add(amount).expect("amounts of tests are small");
    }

    /// Sets the merkle root and returns the block, unsealed.
    pub fn unsealed(mut self) -> Block {
        let txids: Vec<_> = self.transactions.iter().map(Transaction::txid).collect();
        self.header.merkle = compute_root(&txids).root;
        Block { header: self.header, transactions: self.transactions, proof: BlockProof::None }
    }

    /// Sets the merkle root, finds a seal, and returns the block.
    pub fn seal(self, caches: &CacheSet) -> Block {
        let mut block = self.unsealed();
        seal_header(&mut block.header, caches);
        block
    }
}

/// Finds a seal for a header of a small difficulty.
///
/// # Panics
/// When there is none within 2^32 tries, or the header's number has no ethash epoch.
pub fn seal_header(header: &mut Header, caches: &CacheSet) {
    let epoch = Epoch::of_block(u64::from(header.number.value())).expect("a height of a test");
    let cache = caches.get(epoch).expect("there is memory for a cache");
    let job = Job {
        seal_hash: *header.seal_hash().as_bytes(),
        boundary: boundary(header.bits.value()),
        start: 0,
        count: 1 << 32,
    };
    let outcome = search_light(&cache, &job, &Effort::default(), &AtomicBool::new(false));
    let found = outcome.found.first().expect("the difficulty is small");
    header.nonce = found.nonce;
    header.mix_hash = MixHash::from_bytes(found.seal.mix_hash);
}
