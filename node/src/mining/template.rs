//! Makes a block that lacks nothing but its seal.

use std::collections::HashSet;
use std::sync::Arc;

use mvs_consensus::block::{TemplateRejection, judge_template};
use mvs_consensus::difficulty::required_bits;
use mvs_consensus::error::{BlockRuleError, Fault, Rejection};
use mvs_consensus::header::{HeaderRejection, Parent};
use mvs_consensus::script::count_sigops;
use mvs_consensus::subsidy::block_subsidy;
use mvs_primitives::amount::{Amount, AssetAmount};
use mvs_primitives::block::{Block, BlockProof, BlockSig};
use mvs_primitives::encode::Encode;
use mvs_primitives::hash::{MerkleRoot, MixHash, SealHash, TxId};
use mvs_primitives::header::{BlockVersion, HEADER_BYTES, Header};
use mvs_primitives::height::Height;
use mvs_primitives::input::OutPoint;
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
        let draft = Draft::start(tip, config, payout, None, now_secs)?;
        let (built, refused) = draft.build(pool)?;
        Ok(Self {
            seal_hash: built.header.seal_hash(),
            header: built.header,
            parent: tip.block(),
            payout: payout.clone(),
            transactions: built.transactions,
            fees: built.fees,
            made_at_secs: now_secs,
            pool_changes: pool.changes(),
            refused,
        })
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

/// What is the same in all tries, for blocks of either kind.
pub(super) struct Draft<'a> {
    tip: &'a Tip<'a>,
    payout: &'a Payout,
    pub(super) header: Header,
    subsidy: Amount,
    minted: Option<AssetAmount>,
    now_secs: u64,
    room: (u64, u32, u32),
    min_rate: FeeRate,
    /// The coinstake of a stake block, with the room that its signatures will take.
    coinstake: Option<Arc<Transaction>>,
    /// What the coinstake spends.
    taken: HashSet<OutPoint>,
}

impl<'a> Draft<'a> {
    /// Starts a work block, or with a coinstake a stake block.
    pub(super) fn start(
        tip: &'a Tip<'a>,
        config: &TemplateConfig,
        payout: &'a Payout,
        coinstake: Option<Transaction>,
        now_secs: u64,
    ) -> Result<Self, TemplateError> {
        payout.check()?;
        let (params, height) = (tip.params(), tip.next_height());
        let version = if coinstake.is_some() { BlockVersion::POS } else { BlockVersion::POW };
        // The staker looks for a time himself, from the first on that is allowed.
        let from_secs = if coinstake.is_some() { 0 } else { now_secs };
        let header = start_header(tip, version, from_secs)?;
        let minted = match &payout.asset {
            Some(symbol) => coinbase::minable(tip.state(), symbol, height)?,
            None => None,
        };
        let spent = coinstake.iter().flat_map(|coinstake| &coinstake.inputs);
        let mut draft = Self {
            tip,
            payout,
            header,
            subsidy: block_subsidy(params, version, height),
            minted,
            now_secs,
            room: (0, 0, 0),
            min_rate: config.min_rate,
            taken: spent.map(|input| input.previous).collect(),
            coinstake: coinstake.map(Arc::new),
        };
        draft.room = draft.room_left(config);
        Ok(draft)
    }

    /// Chooses transactions and runs the rules, until they have nothing to say. Returns the block and
    /// the transactions of the pool that were left out because they break a rule.
    pub(super) fn build(&self, pool: &Mempool) -> Result<(Built, Vec<TxId>), TemplateError> {
        let mut refused = HashSet::new();
        for _ in 0..MAX_TRIES {
            let built = self.block(&self.choose(pool, &refused))?;
            match self.judge(&built)? {
                Judged::Good => return Ok((built, refused.into_iter().collect())),
                Judged::Bad(culprit) if refused.insert(culprit) => {}
                Judged::Bad(_) | Judged::SomethingBad => break,
            }
        }
        // Better an empty block than none.
        let built = self.block(&[])?;
        match self.judge(&built)? {
            Judged::Good => Ok((built, refused.into_iter().collect())),
            _ => Err(Fault::Broken("an empty block has an ordinary transaction").into()),
        }
    }

    /// What the rules and the operator leave beside header, count, signature, coinbase and coinstake.
    fn room_left(&self, config: &TemplateConfig) -> (u64, u32, u32) {
        let limits = &self.tip.params().limits;
        let coinbase = self.coinbase(Amount::ZERO);
        let mut taken = (HEADER_BYTES + MAX_COUNT_BYTES + SIGNATURE_BYTES) as u64; // widening
        let mut sigops = 0u32;
        for transaction in self.coinstake.iter().map(AsRef::as_ref).chain([&coinbase]) {
            // widening
            taken += transaction.nominal_size().max(transaction.encoded_len() as u64);
            for output in &transaction.outputs {
                sigops = sigops.saturating_add(count_sigops(&output.script));
            }
        }
        let bytes = limits.block_bytes.min(config.max_block_bytes).saturating_sub(taken);
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
            taken: &self.taken,
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
        transactions.extend(self.coinstake.clone());
        transactions.extend(rewards.into_iter().map(Arc::new));
        let mut txids: Vec<TxId> = transactions.iter().map(|tx| tx.txid()).collect();
        let ordinary_from = transactions.len();
        transactions.extend(ordinary().cloned());
        txids.extend(chosen.iter().map(|entry| entry.txid()));
        let header = Header { merkle: compute_root(&txids).root, ..self.header.clone() };
        Ok(Built { header, transactions, txids, ordinary_from, fees })
    }

    /// Runs the rules.
    fn judge(&self, built: &Built) -> Result<Judged, TemplateError> {
        let tip = self.tip;
        let transactions = built.transactions.iter().map(|tx| Transaction::clone(tx)).collect();
        let header = built.header.clone();
        let proof = match self.coinstake {
            Some(_) => BlockProof::Stake(BlockSig::from_bytes([0; SIGNATURE_BYTES])),
            None => BlockProof::None,
        };
        let judged = judge_template(
            tip.params(),
            tip.headers(),
            tip.state(),
            tip.block(),
            Block { header, transactions, proof },
            self.now_secs,
        );
        match judged {
            Ok(_) => Ok(Judged::Good),
            Err(
                TemplateRejection::Header(HeaderRejection::Fault(fault))
                | TemplateRejection::Block(Rejection::Fault(fault)),
            ) => Err(fault.into()),
            Err(error @ TemplateRejection::Header(_)) => Err(TemplateError::NotAllowed(error)),
            Err(error) if built.ordinary_from == built.txids.len() => {
                Err(TemplateError::Refused(error))
            }
            Err(error) => Ok(match culprit(&error).filter(|index| *index >= built.ordinary_from) {
                Some(index) => {
                    built.txids.get(index).map_or(Judged::SomethingBad, |txid| Judged::Bad(*txid))
                }
                None => Judged::SomethingBad,
            }),
        }
    }
}

/// What the rules say of a template.
enum Judged {
    Good,
    /// A transaction of the pool breaks a rule.
    Bad(TxId),
    /// The block breaks a rule, and it is not plain by which transaction.
    SomethingBad,
}

/// The longest count of transactions in bytes.
const MAX_COUNT_BYTES: usize = 9;

/// Bytes of a stake block's signature.
const SIGNATURE_BYTES: usize = 64;

/// A block without its seal.
pub(super) struct Built {
    pub(super) header: Header,
    pub(super) transactions: Vec<Arc<Transaction>>,
    pub(super) txids: Vec<TxId>,
    /// Where the transactions of the pool begin.
    ordinary_from: usize,
    pub(super) fees: Amount,
}

/// Starts the header of a block on the tip, with the difficulty that its time demands: that of the
/// clock, or of the tip where that is later.
fn start_header(
    tip: &Tip<'_>,
    version: BlockVersion,
    now_secs: u64,
) -> Result<Header, TemplateError> {
    // Time may not run back (chain.md 8.1.5); a clock beyond 32 bits is cut there.
    let now = u32::try_from(now_secs).unwrap_or(u32::MAX);
    let timestamp = Timestamp::from_unix_secs(now.max(tip.time().unix_secs()));
    let height = tip.next_height();
    let bits = required_bits(tip.params(), &tip.headers(), version, timestamp, height)?
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
        TemplateRejection::Block(Rejection::Rule(
            BlockRuleError::Tx { index, .. }
            | BlockRuleError::RedeemScript { index }
            | BlockRuleError::UniqueAsset { index }
            | BlockRuleError::UniqueCert { index }
            | BlockRuleError::UniqueMit { index }
            | BlockRuleError::UniqueDid { index },
        )) => Some(*index),
        _ => None,
    }
}
