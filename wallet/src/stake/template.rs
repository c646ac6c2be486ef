//! Reads a template and asks whether it does what its owner means.

use std::collections::HashSet;

use mvs_consensus::params::Params;
use mvs_consensus::stake::stake_weight;
use mvs_consensus::subsidy::block_subsidy;
use mvs_primitives::address::Address;
use mvs_primitives::amount::Amount;
use mvs_primitives::block::BlockSig;
use mvs_primitives::encode::Decode as _;
use mvs_primitives::hash::{BlockHash, MixHash, TxId};
use mvs_primitives::header::{BlockVersion, HEADER_BYTES, Header};
use mvs_primitives::input::{Input, OutPoint};
use mvs_primitives::merkle::compute_root;
use mvs_primitives::script::{Pattern, Script, parse_script_number};
use mvs_primitives::time::Timestamp;
use mvs_primitives::transaction::Transaction;
use mvs_rpc_api::types::stake::{StakeCoin, StakeTemplate};

use super::search::{Candidate, Found, Search};
use crate::assemble::{AssembleError, ProvenCoin, sign_inputs};
use crate::keys::private_key::PrivateKey;

/// Most inputs of a coinstake (chain.md 9.2.6).
const MAX_INPUTS: usize = 10;
/// Most transactions that a block of 1,800,000 bytes could hold.
const MAX_TRANSACTIONS: usize = 40_000;
/// Most stakes that are searched.
const MAX_CANDIDATES: usize = 1_000;
/// Versions of coinstakes.
const VERSIONS: std::ops::RangeInclusive<u32> = 1..=4;

/// What is wrong with a template. Whoever sends such a one is broken, or wants coin that is not his.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateFault {
    /// A field is not what it should be.
    #[error("the template's {what} is unreadable")]
    Unreadable {
        /// Which.
        what: &'static str,
    },
    /// The header is not that of a stake block on the named block.
    #[error("the template's header has the wrong {what}")]
    Header {
        /// Which field.
        what: &'static str,
    },
    /// The coinstake spends something else than was asked, or what is not the owner's.
    #[error("the coinstake's inputs are wrong: {what}")]
    Inputs {
        /// What is wrong.
        what: &'static str,
    },
    /// The coinstake does not give back what it spends.
    #[error("the coinstake's outputs are wrong: {what}")]
    Outputs {
        /// What is wrong.
        what: &'static str,
    },
    /// The coinbase does not pay whom it should.
    #[error("the coinbase is wrong: {what}")]
    Coinbase {
        /// What is wrong.
        what: &'static str,
    },
    /// A coin is not what the node says.
    #[error(transparent)]
    Coin(#[from] AssembleError),
}

impl TemplateFault {
    /// Every code that [`TemplateFault::code`] can give, beside those of coins.
    pub const CODES: [&'static str; 5] = [
        "stake_template.unreadable",
        "stake_template.header",
        "stake_template.inputs",
        "stake_template.outputs",
        "stake_template.coinbase",
    ];

    /// Returns the stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => Self::CODES[0],
            Self::Header { .. } => Self::CODES[1],
            Self::Inputs { .. } => Self::CODES[2],
            Self::Outputs { .. } => Self::CODES[3],
            Self::Coinbase { .. } => Self::CODES[4],
            Self::Coin(error) => error.code(),
        }
    }
}

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// The rules of the chain.
    pub params: &'a Params,
    /// Hash of the key that stakes.
    pub owner: [u8; 20],
    /// Whom subsidy and fees shall go to.
    pub payout: Script,
    /// Outputs to stake; the first is staked.
    pub inputs: &'a [OutPoint],
    /// The coins shall come back in two outputs.
    pub split: bool,
}

/// A template as the node says it, in our types.
#[derive(Debug, Clone)]
pub struct Template {
    name: BlockHash,
    header: Header,
    coinstake: Transaction,
    coinbase: Transaction,
    txids: Vec<TxId>,
    coins: Vec<(OutPoint, u32)>,
    candidates: Vec<Candidate>,
    last_secs: u32,
}

fn unreadable(what: &'static str) -> TemplateFault {
    TemplateFault::Unreadable { what }
}

fn bytes(what: &'static str, text: &str) -> Result<Vec<u8>, TemplateFault> {
    hex::decode(text).map_err(|_| unreadable(what))
}

fn transaction(what: &'static str, text: &str) -> Result<Transaction, TemplateFault> {
    Transaction::decode(&bytes(what, text)?).map_err(|_| unreadable(what))
}

fn outpoint(what: &'static str, txid: &str, index: u32) -> Result<OutPoint, TemplateFault> {
    Ok(OutPoint::new(txid.parse().map_err(|_| unreadable(what))?, index))
}

impl Template {
    /// Reads a template and checks its header: everything that a search needs. `asked` are the outputs
    /// that were named, if any: no other may be spent, so that no more is ever proven.
    ///
    /// # Errors
    /// [`TemplateFault::Unreadable`], [`TemplateFault::Header`], [`TemplateFault::Inputs`].
    pub fn read(answer: &StakeTemplate, asked: Option<&[OutPoint]>) -> Result<Self, TemplateFault> {
        let raw: [u8; HEADER_BYTES] =
            bytes("header", &answer.header)?.try_into().map_err(|_| unreadable("header"))?;
        let header = Header::decode(&raw).map_err(|_| unreadable("header"))?;
        let wrong = |what| Err(TemplateFault::Header { what });
        if header.version != BlockVersion::POS {
            return wrong("version");
        }
        // Fields without a meaning in stake blocks: whoever fills them wants a certain hash signed.
        if header.nonce != 0 || header.mix_hash != MixHash::ZERO {
            return wrong("nonce or mix");
        }
        if header.number.value() != answer.height {
            return wrong("number");
        }
        if header.previous.to_string() != answer.previous {
            return wrong("parent");
        }
        if header.timestamp.unix_secs() != answer.first_timestamp {
            return wrong("time");
        }
        if answer.txids.len() > MAX_TRANSACTIONS || answer.coins.len() > MAX_CANDIDATES {
            return Err(unreadable("list"));
        }
        let txids: Result<Vec<TxId>, _> = answer.txids.iter().map(|text| text.parse()).collect();
        if answer.spent.len() > MAX_INPUTS {
            return Err(TemplateFault::Inputs { what: "their number" });
        }
        let coins = answer.spent.iter();
        let coins = coins.map(|coin| Ok((outpoint("coin", &coin.txid, coin.index)?, coin.height)));
        let coins = coins.collect::<Result<Vec<_>, TemplateFault>>()?;
        if asked.is_some_and(|asked| !coins.iter().map(|(coin, _)| coin).eq(asked)) {
            return Err(TemplateFault::Inputs { what: "they are not those that were named" });
        }
        let candidates = answer.coins.iter().map(candidate).collect::<Result<_, _>>()?;
        Ok(Self {
            name: answer.template.parse().map_err(|_| unreadable("name"))?,
            header,
            coinstake: transaction("coinstake", &answer.coinstake)?,
            coinbase: transaction("coinbase", &answer.coinbase)?,
            txids: txids.map_err(|_| unreadable("list of ids"))?,
            coins,
            candidates,
            last_secs: answer.last_timestamp,
        })
    }

    /// Returns the header; its merkle root is not that of the block.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Returns what may be staked under this header.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// Returns the last time that nodes would have taken when the template was made.
    pub const fn last_secs(&self) -> u32 {
        self.last_secs
    }

    /// Returns what the coinstake spends, with the heights at which the node says to find it.
    pub fn coins(&self) -> &[(OutPoint, u32)] {
        &self.coins
    }

    /// Asks whether the template does what was meant. `coins` are what its coinstake spends, proven.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(
        self,
        wanted: &Wanted<'_>,
        coins: Vec<ProvenCoin>,
    ) -> Result<CheckedTemplate, TemplateFault> {
        self.check_inputs(wanted, &coins)?;
        self.check_outputs(wanted, &coins)?;
        self.check_coinbase(wanted)?;
        let staked = coins.first().ok_or(TemplateFault::Inputs { what: "there is none" })?;
        let weight = stake_weight(&wanted.params.stake, staked.value());
        Ok(CheckedTemplate {
            name: self.name,
            header: self.header,
            coinstake: self.coinstake,
            txids: self.txids,
            coins,
            weight,
        })
    }

    fn check_inputs(&self, wanted: &Wanted<'_>, coins: &[ProvenCoin]) -> Result<(), TemplateFault> {
        let wrong = |what| Err(TemplateFault::Inputs { what });
        let inputs = &self.coinstake.inputs;
        if !(1..=MAX_INPUTS).contains(&inputs.len()) {
            return wrong("their number");
        }
        if !inputs.iter().map(|input| input.previous).eq(wanted.inputs.iter().copied()) {
            return wrong("they are not those that were named");
        }
        if !inputs.iter().map(|input| input.previous).eq(coins.iter().map(ProvenCoin::outpoint)) {
            return wrong("they are not proven");
        }
        let unique: HashSet<OutPoint> = inputs.iter().map(|input| input.previous).collect();
        if unique.len() != inputs.len() {
            return wrong("one stands twice");
        }
        for (input, coin) in inputs.iter().zip(coins) {
            if coin.output().script.address() != Some(Address::KeyHash(wanted.owner)) {
                return wrong("one is not the owner's");
            }
            if !coin.carries_only_etp() {
                return wrong("one carries more than ETP");
            }
            if !input.script.is_empty() || Some(input.sequence) != sequence_of(coin) {
                return wrong("a script or sequence is not as it should be");
            }
        }
        Ok(())
    }

    fn check_outputs(
        &self,
        wanted: &Wanted<'_>,
        coins: &[ProvenCoin],
    ) -> Result<(), TemplateFault> {
        let wrong = |what| Err(TemplateFault::Outputs { what });
        if !VERSIONS.contains(&self.coinstake.version) || self.coinstake.locktime != 0 {
            return wrong("version or lock time");
        }
        let Some((first, parts)) = self.coinstake.outputs.split_first() else {
            return wrong("there is none");
        };
        if !first.is_null() {
            return wrong("the first one is not empty");
        }
        if parts.len() != if wanted.split { 2 } else { 1 } {
            return wrong("their number");
        }
        let own = Script::pay_key_hash(&wanted.owner);
        let is_own = |output: &mvs_primitives::output::Output| {
            output.script == own && output.attachment == mvs_primitives::attachment::Attachment::ETP
        };
        if !parts.iter().all(is_own) {
            return wrong("one does not pay the owner");
        }
        let spent = Amount::checked_sum(coins.iter().map(ProvenCoin::value));
        let made = Amount::checked_sum(parts.iter().map(|output| output.value));
        let (Some(spent), Some(made)) = (spent, made) else { return wrong("a sum is too large") };
        if spent != made {
            return wrong("they are not worth what is spent");
        }
        let half = spent.units() / 2;
        if wanted.split && parts.iter().any(|part| part.value.units() < half) {
            return wrong("the parts are not halves");
        }
        Ok(())
    }

    fn check_coinbase(&self, wanted: &Wanted<'_>) -> Result<(), TemplateFault> {
        let wrong = |what| Err(TemplateFault::Coinbase { what });
        let [output] = self.coinbase.outputs.as_slice() else { return wrong("its outputs") };
        if !self.coinbase.is_coinbase() {
            return wrong("it is none");
        }
        if output.script != wanted.payout || !output.is_etp() {
            return wrong("it pays somebody else");
        }
        let subsidy = block_subsidy(wanted.params, BlockVersion::POS, self.header.number);
        if output.value < subsidy {
            return wrong("it pays less than the subsidy");
        }
        if self.txids.len() < 2 || self.txids.first() != Some(&self.coinbase.txid()) {
            return wrong("it does not stand first");
        }
        Ok(())
    }
}

fn candidate(coin: &StakeCoin) -> Result<Candidate, TemplateFault> {
    let outpoint = outpoint("stake", &coin.txid, coin.index)?;
    Ok(Candidate { outpoint, value: Amount::from_units(coin.value), weight: coin.weight })
}

/// Returns the sequence that an input needs; `None` for a script that is no stake of a key.
fn sequence_of(coin: &ProvenCoin) -> Option<u32> {
    match coin.output().script.pattern() {
        Pattern::PayKeyHash(_) | Pattern::PayKeyHashWithLockHeight { .. } => {
            Some(Input::FINAL_SEQUENCE)
        }
        Pattern::PayKeyHashWithSequenceLock { sequence, .. } => {
            u32::try_from(parse_script_number(sequence, 4, false).ok()?).ok()
        }
        _ => None,
    }
}

/// Tells whether a wallet can stake a coin: plain coin whose script it unlocks. Others may be valid
/// stakes, so a node that names one is no liar, but they cannot be signed for here.
pub fn can_stake(coin: &ProvenCoin) -> bool {
    coin.carries_only_etp() && sequence_of(coin).is_some()
}

/// A template that may be signed.
#[derive(Debug, Clone)]
pub struct CheckedTemplate {
    name: BlockHash,
    header: Header,
    coinstake: Transaction,
    txids: Vec<TxId>,
    coins: Vec<ProvenCoin>,
    weight: u64,
}

/// What a node lacks to make the block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedStake {
    /// Name of the template.
    pub template: BlockHash,
    /// The block's hash.
    pub hash: BlockHash,
    /// The signed coinstake.
    pub coinstake: Transaction,
    /// Time of the header.
    pub timestamp: Timestamp,
    /// Signature of the block.
    pub signature: BlockSig,
}

impl CheckedTemplate {
    /// Returns the header; its merkle root is not that of the block.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the staked output as a candidate, with the weight that its proven value has.
    pub fn candidate(&self) -> Option<Candidate> {
        let staked = self.coins.first()?;
        let (outpoint, value) = (staked.outpoint(), staked.value());
        Some(Candidate { outpoint, value, weight: self.weight })
    }

    /// Asks whether what was found holds for the coin as it is proven: value and weight were the node's
    /// word, and the value decided whether the coin is split.
    ///
    /// # Errors
    /// [`TemplateFault::Inputs`].
    pub fn confirm(&self, found: &Found) -> Result<(), TemplateFault> {
        let wrong = |what| Err(TemplateFault::Inputs { what });
        let Some(real) = self.candidate() else { return wrong("there is none") };
        if real.outpoint != found.candidate.outpoint {
            return wrong("they are not those that were named");
        }
        if real.value != found.candidate.value {
            return wrong("the node named a value that the coin does not have");
        }
        if Search::at(&self.header, real, found.timestamp).is_none() {
            return wrong("the node named a weight that the coin does not have");
        }
        Ok(())
    }

    /// Signs the coinstake, and the block with it.
    ///
    /// # Errors
    /// [`AssembleError`] when a coin is not the key's.
    pub fn sign(
        mut self,
        timestamp: Timestamp,
        key: &PrivateKey,
    ) -> Result<SignedStake, AssembleError> {
        sign_inputs(&mut self.coinstake, &self.coins, key)?;
        if let Some(second) = self.txids.get_mut(1) {
            *second = self.coinstake.txid();
        }
        let merkle = compute_root(&self.txids).root;
        let header = Header { merkle, timestamp, ..self.header };
        let hash = header.hash();
        let signature = BlockSig::from_compact(key.sign_compact(*hash.as_bytes()));
        let (template, coinstake) = (self.name, self.coinstake);
        Ok(SignedStake { template, hash, coinstake, timestamp, signature })
    }
}

#[cfg(test)]
mod tests;
