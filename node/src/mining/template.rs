//! Makes a block that lacks nothing but its seal.

use std::collections::HashSet;
use std::sync::Arc;

use mvs_consensus::block::{TemplateRejection, judge_template};
use mvs_consensus::difficulty::required_bits;
use mvs_consensus::error::{BlockRuleError, Fault, Rejection};
use mvs_consensus::header::{HeaderRejection, Parent};
use mvs_consensus::subsidy::block_subsidy;
use mvs_primitives::amount::{Amount, AssetAmount};
use mvs_primitives::block::{Block, BlockProof};
use mvs_primitives::encode::Encode;
use mvs_primitives::hash::{MerkleRoot, MixHash, SealHash, TxId};
use mvs_primitives::header::{BlockVersion, HEADER_BYTES, Header};
use mvs_primitives::height::Height;
use mvs_primitives::merkle::compute_root;
use mvs_primitives::time::Timestamp;
use mvs_primitives::transaction::Transaction;

use super::coinbase::{self, DEPOSIT_REWARD_ROOM, Payout};
use super::error::TemplateError;
use crate::mempool::{Entry, FeeRate, Mempool, Room, Tip};

/// The operator's choice of what his blocks hold and how often they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateConfig {
    /// Most bytes of a block; never more than the rules allow.
    pub max_block_bytes: u64,
    /// The least rate that is taken.
    pub min_rate: FeeRate,
    /// Seconds after which new transactions change the work. A new tip changes it at once.
    pub refresh_secs: u64,
    /// Seconds after which the work changes for its time alone: difficulty and time limits look at
    /// the timestamp.
    pub max_age_secs: u64,
    /// Templates that solutions are taken for.
    pub kept_templates: usize,
}

impl Default for TemplateConfig {
    fn default() -> Self {
        Self {
            max_block_bytes: 1_000_000,
            min_rate: FeeRate::ZERO,
            refresh_secs: 10,
            max_age_secs: 60,
            kept_templates: 16,
        }
    }
}

/// A block that lacks nothing but nonce and mix.
#[derive(Debug, Clone)]
pub struct WorkTemplate {
    header: Header,
    seal_hash: SealHash,
    parent: Parent,
    payout: Payout,
    transactions: Vec<Arc<Transaction>>,
    fees: Amount,
    made_at_secs: u64,
    pool_changes: u64,
    refused: Vec<TxId>,
}

impl WorkTemplate {
    /// Makes a template on the tip and runs the rules on it.
    ///
    /// Should a transaction of the pool break a rule after all, it is left out with all that depends
    /// on it and named by [`WorkTemplate::refused`]; if it cannot be found, the block stays empty.
    ///
    /// # Errors
    /// Why there is none: nobody may make such a block now, the payout is impossible, a fault.
    pub fn build(
        tip: &Tip<'_>,
        pool: &Mempool,
        config: &TemplateConfig,
        payout: &Payout,
        now_secs: u64,
    ) -> Result<Self, TemplateError> {
        payout.check()?;
        let draft = Draft::start(tip, config, payout, now_secs)?;
        let mut unwanted = HashSet::new();
        for _ in 0..MAX_TRIES {
            let chosen = draft.choose(pool, &unwanted);
            let block = draft.block(&chosen)?;
            match draft.judge(&block)? {
                None => return Ok(draft.finish(block, &chosen, pool, unwanted)),
                Some(culprit) if unwanted.insert(culprit) => {}
                Some(_) => break,
            }
        }
        // Better an empty block than none.
        let block = draft.block(&[])?;
        match draft.judge(&block)? {
            None => Ok(draft.finish(block, &[], pool, unwanted)),
            Some(_) => Err(Fault::Broken("an empty block has an ordinary transaction").into()),
        }
    }

    /// Returns the header; nonce and mix are zero.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the hash that is to be sealed: the name of this work.
    pub const fn seal_hash(&self) -> SealHash {
        self.seal_hash
    }

    /// Returns the height of the block.
    pub const fn height(&self) -> Height {
        self.header.number
    }

    /// Returns the block that it builds on.
    pub const fn parent(&self) -> Parent {
        self.parent
    }

    /// Returns whom it pays.
    pub const fn payout(&self) -> &Payout {
        &self.payout
    }

    /// Returns the transactions, coinbases first.
    pub fn transactions(&self) -> &[Arc<Transaction>] {
        &self.transactions
    }

    /// Returns the fees that its coinbase collects.
    pub const fn fees(&self) -> Amount {
        self.fees
    }

    /// Returns when it was made, by the caller's clock.
    pub const fn made_at_secs(&self) -> u64 {
        self.made_at_secs
    }

    /// Returns the transactions of the pool that turned out to break a rule; the owner should
    /// remove them. Normally none.
    pub fn refused(&self) -> &[TxId] {
        &self.refused
    }

    /// Tells whether it is out of date: the tip moved, the pool changed some time ago, or its time is
    /// old.
    pub fn is_outdated(
        &self,
        tip: &Tip<'_>,
        pool: &Mempool,
        config: &TemplateConfig,
        now_secs: u64,
    ) -> bool {
        let age_secs = now_secs.saturating_sub(self.made_at_secs);
        self.parent != tip.block()
            || (age_secs >= config.refresh_secs && self.pool_changes != pool.changes())
            || age_secs >= config.max_age_secs
    }

    /// Makes the block of a solution. Whether the seal holds is for the chain to judge.
    pub fn solve(&self, nonce: u64, mix_hash: MixHash) -> Block {
        let header = Header { nonce, mix_hash, ..self.header.clone() };
        let transactions = self.transactions.iter().map(|tx| Transaction::clone(tx)).collect();
        Block { header, transactions, proof: BlockProof::None }
    }
}

/// How often a template is made anew without a transaction that breaks a rule.
const MAX_TRIES: u32 = 8;

/// What is the same in all tries.
struct Draft<'a> {
    tip: &'a Tip<'a>,
    payout: &'a Payout,
    header: Header,
    subsidy: Amount,
    minted: Option<AssetAmount>,
    now_secs: u64,
    room: (u64, u32, u32),
    min_rate: FeeRate,
}

impl<'a> Draft<'a> {
    fn start(
        tip: &'a Tip<'a>,
        config: &TemplateConfig,
        payout: &'a Payout,
        now_secs: u64,
    ) -> Result<Self, TemplateError> {
        let (params, height) = (tip.params(), tip.next_height());
        let version = BlockVersion::POW;
        let header = start_header(tip, version, now_secs)?;
        let minted = match &payout.asset {
            Some(symbol) => coinbase::minable(tip.state(), symbol, height)?,
            None => None,
        };
        let mut draft = Self {
            tip,
            payout,
            header,
            subsidy: block_subsidy(params, version, height),
            minted,
            now_secs,
            room: (0, 0, 0),
            min_rate: config.min_rate,
        };
        draft.room = draft.room_beside_coinbase(config);
        Ok(draft)
    }

    /// What the rules and the operator leave beside header, count and coinbase.
    fn room_beside_coinbase(&self, config: &TemplateConfig) -> (u64, u32, u32) {
        use mvs_consensus::script::count_sigops;
        let limits = &self.tip.params().limits;
        let coinbase = self.coinbase(Amount::ZERO);
        let taken = coinbase.nominal_size().max(coinbase.encoded_len() as u64) // widening
            + (HEADER_BYTES + MAX_COUNT_BYTES) as u64; // widening
        let bytes = limits.block_bytes.min(config.max_block_bytes).saturating_sub(taken);
        let sigops = coinbase.outputs.iter().map(|output| count_sigops(&output.script)).sum();
        (bytes, limits.block_sigops.saturating_sub(sigops), limits.block_sigops)
    }

    fn coinbase(&self, fees: Amount) -> Transaction {
        let value = self.subsidy.checked_add(fees).unwrap_or(self.subsidy); // less is allowed
        coinbase::first_coinbase(self.tip.next_height(), self.payout, value, self.minted)
    }

    fn choose<'p>(&self, pool: &'p Mempool, unwanted: &HashSet<TxId>) -> Vec<&'p Entry> {
        let (bytes, sigops, p2sh_sigops) = self.room;
        pool.select(&Room {
            bytes,
            sigops,
            p2sh_sigops,
            min_rate: self.min_rate,
            deposit_reward: DEPOSIT_REWARD_ROOM,
            taken: &HashSet::new(),
            unwanted,
        })
    }

    fn block(&self, chosen: &[&Entry]) -> Result<Built, TemplateError> {
        let fees = Amount::checked_sum(chosen.iter().map(|entry| entry.fee()))
            .ok_or(Fault::Broken("fees of the pool exceed 64 bits"))?;
        let ordinary = || chosen.iter().map(|entry| entry.transaction());
        let rewards = coinbase::deposit_coinbases(
            self.tip.params(),
            self.tip.next_height(),
            ordinary().map(AsRef::as_ref),
        )?;
        let mut transactions = vec![Arc::new(self.coinbase(fees))];
        transactions.extend(rewards.into_iter().map(Arc::new));
        let mut txids: Vec<TxId> = transactions.iter().map(|tx| tx.txid()).collect();
        transactions.extend(ordinary().cloned());
        txids.extend(chosen.iter().map(|entry| entry.txid()));
        let header = Header { merkle: compute_root(&txids).root, ..self.header.clone() };
        Ok(Built { header, transactions, txids, fees })
    }

    /// Runs the rules; `Some` names an ordinary transaction that breaks one.
    fn judge(&self, built: &Built) -> Result<Option<TxId>, TemplateError> {
        let tip = self.tip;
        let transactions = built.transactions.iter().map(|tx| Transaction::clone(tx)).collect();
        let header = built.header.clone();
        let block = Block { header, transactions, proof: BlockProof::None };
        let judged = judge_template(
            tip.params(),
            tip.headers(),
            tip.state(),
            tip.block(),
            block,
            self.now_secs,
        );
        match judged {
            Ok(_) => Ok(None),
            Err(
                TemplateRejection::Header(HeaderRejection::Fault(fault))
                | TemplateRejection::Block(Rejection::Fault(fault)),
            ) => Err(fault.into()),
            Err(error @ TemplateRejection::Header(_)) => Err(TemplateError::NotAllowed(error)),
            Err(error) => match culprit(&error).and_then(|index| built.txids.get(index)) {
                Some(txid) => Ok(Some(*txid)),
                None if built.txids.len() > 1 => Ok(Some(TxId::ZERO)),
                None => Err(TemplateError::Refused(error)),
            },
        }
    }

    fn finish(
        &self,
        built: Built,
        chosen: &[&Entry],
        pool: &Mempool,
        unwanted: HashSet<TxId>,
    ) -> WorkTemplate {
        debug_assert!(built.txids.len() > chosen.len());
        let refused = unwanted.into_iter().filter(|txid| *txid != TxId::ZERO).collect();
        WorkTemplate {
            seal_hash: built.header.seal_hash(),
            header: built.header,
            parent: self.tip.block(),
            payout: self.payout.clone(),
            transactions: built.transactions,
            fees: built.fees,
            made_at_secs: self.now_secs,
            pool_changes: pool.changes(),
            refused,
        }
    }
}

/// The longest count of transactions in bytes.
const MAX_COUNT_BYTES: usize = 9;

struct Built {
    header: Header,
    transactions: Vec<Arc<Transaction>>,
    txids: Vec<TxId>,
    fees: Amount,
}

/// Starts the header of a block on the tip, with the difficulty that its time demands.
pub(super) fn start_header(
    tip: &Tip<'_>,
    version: BlockVersion,
    now_secs: u64,
) -> Result<Header, TemplateError> {
    // Time may not run back (chain.md 8.1.5); a clock beyond 32 bits is cut there.
    let now = u32::try_from(now_secs).unwrap_or(u32::MAX);
    let timestamp = Timestamp::from_unix_secs(now.max(tip.time().unix_secs()));
    let height = tip.next_height();
    let bits = required_bits(tip.params(), &tip.headers(), version, timestamp, height)
        .ok_or(Fault::Broken("the tip's header is missing"))?;
    Ok(Header {
        version,
        previous: tip.block().hash,
        merkle: MerkleRoot::ZERO,
        timestamp,
        bits,
        nonce: 0,
        mix_hash: MixHash::ZERO,
        number: height,
    })
}

/// Returns the transaction that breaks a rule, where the rule names one that is not a coinbase.
const fn culprit(error: &TemplateRejection) -> Option<usize> {
    match error {
        TemplateRejection::Block(Rejection::Rule(rule)) => match rule {
            BlockRuleError::Tx { index, .. }
            | BlockRuleError::RedeemScript { index }
            | BlockRuleError::UniqueAsset { index }
            | BlockRuleError::UniqueCert { index }
            | BlockRuleError::UniqueMit { index }
            | BlockRuleError::UniqueDid { index } => Some(*index),
            _ => None,
        },
        _ => None,
    }
}
