//! What a block shows without a state (chain.md 2.2 to 2.4, 8.1).

use std::collections::HashSet;
use std::sync::Arc;

use mvs_primitives::attachment::{CertStatus, CertType, Payload};
use mvs_primitives::block::{Block, BlockProof};
use mvs_primitives::hash::TxId;
use mvs_primitives::header::BlockVersion;
use mvs_primitives::height::Height;
use mvs_primitives::merkle::compute_root;
use mvs_primitives::output::Output;
use mvs_primitives::script::{Script, ScriptBuilder, script_number};
use mvs_primitives::transaction::Transaction;

use super::body::BlockBody;
use super::signature::check_signature;
use crate::attachment::cert::WITNESS_PREFIX;
use crate::error::{BlockRuleError, BodyMismatch, TxRuleError, demand};
use crate::header::PlacedHeader;
use crate::params::Params;
use crate::script::count_sigops;
use crate::tx::TxKind;

/// A block whose body fits its header and shows nothing wrong by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedBlock {
    header: PlacedHeader,
    body: BlockBody,
    kinds: Vec<TxKind>,
}

impl CheckedBlock {
    /// The genesis block, which is part of the network's definition and not checked.
    pub(super) fn genesis(params: &Params) -> Self {
        let body = BlockBody::from(params.genesis.clone());
        let kinds =
            body.block().transactions.iter().map(|tx| TxKind::of(tx, &params.addresses)).collect();
        Self { header: PlacedHeader::genesis(body.block().header.clone()), body, kinds }
    }

    /// Returns the header at its place.
    pub const fn header(&self) -> &PlacedHeader {
        &self.header
    }

    /// Returns the block.
    pub const fn block(&self) -> &Block {
        self.body.block()
    }

    /// Returns the ids of its transactions, in order.
    pub fn txids(&self) -> &[TxId] {
        self.body.txids()
    }

    /// Returns what each transaction is by its form, in order.
    pub fn kinds(&self) -> &[TxKind] {
        &self.kinds
    }

    /// Tells whether this is a stake block.
    pub fn is_stake(&self) -> bool {
        self.header.header().version == BlockVersion::POS
    }
}

/// Why a body is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyRejection {
    /// It is not the body that the header means: drop it, keep the header.
    #[error(transparent)]
    Mismatch(#[from] BodyMismatch),
    /// It is the right body, and it breaks a rule: the block is invalid.
    #[error(transparent)]
    Rule(#[from] BlockRuleError),
}

impl BodyRejection {
    /// Returns the stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Mismatch(mismatch) => mismatch.code(),
            Self::Rule(rule) => rule.code(),
        }
    }
}

/// Checks a body against its header and the rules that need no state.
///
/// # Errors
/// [`BodyRejection::Mismatch`] for a body that somebody else made up, [`BodyRejection::Rule`] for a
/// block that is invalid.
pub fn check_block(
    params: &Params,
    header: PlacedHeader,
    body: BlockBody,
) -> Result<Arc<CheckedBlock>, BodyRejection> {
    let checked = check_unsigned(params, header, body)?;
    // Last, because it is about the body's form and not its content: an invalid block is called so
    // even when somebody spoilt its signature on the way.
    check_signature(&checked.header, checked.block())?;
    Ok(Arc::new(checked))
}

/// Everything but the signature of a stake block.
pub(super) fn check_unsigned(
    params: &Params,
    header: PlacedHeader,
    body: BlockBody,
) -> Result<CheckedBlock, BodyRejection> {
    check_is_meant(&header, &body)?;
    let block = body.block();
    let size = block.nominal_size();
    let max = params.limits.block_bytes;
    demand(!block.transactions.is_empty(), BlockRuleError::NoTransactions)?;
    demand(size <= max, BlockRuleError::Size { found: size, max })?;
    let kinds: Vec<TxKind> =
        block.transactions.iter().map(|tx| TxKind::of(tx, &params.addresses)).collect();
    check_order(params, &header, block, &kinds)?;
    check_distinct(body.txids())?;
    check_distinct_inputs(&body, &kinds)?;
    check_sigops(params, block)?;
    Ok(CheckedBlock { header, body, kinds })
}

/// Is this the body that the header means?
fn check_is_meant(header: &PlacedHeader, body: &BlockBody) -> Result<(), BodyMismatch> {
    let block = body.block();
    demand(block.header == *header.header(), BodyMismatch::Header)?;
    let form_fits = match block.proof {
        BlockProof::None => block.header.version == BlockVersion::POW,
        BlockProof::Stake(_) => block.header.version == BlockVersion::POS,
        BlockProof::Delegate(..) => false,
    };
    demand(form_fits, BodyMismatch::ProofForm)?;
    let computed = compute_root(body.txids());
    demand(computed.root == block.header.merkle, BodyMismatch::MerkleRoot)?;
    demand(!computed.is_malleated, BodyMismatch::Malleated)
}

/// chain.md 2.4.
fn check_order(
    params: &Params,
    header: &PlacedHeader,
    block: &Block,
    kinds: &[TxKind],
) -> Result<(), BlockRuleError> {
    let is_stake = block.header.version == BlockVersion::POS;
    let mut ordinary_seen = false;
    for (index, (transaction, kind)) in block.transactions.iter().zip(kinds).enumerate() {
        match kind {
            TxKind::Coinstake => {
                let allowed = is_stake && index == 1 && !ordinary_seen;
                demand(allowed, BlockRuleError::CoinstakePosition { index })?;
            }
            TxKind::Coinbase => {
                demand(!ordinary_seen, BlockRuleError::CoinbasePosition { index })?;
                check_coinbase(params, header, index, transaction)?;
            }
            TxKind::Ordinary => {
                demand(index > 0, BlockRuleError::CoinbaseMissing)?;
                ordinary_seen = true;
            }
        }
    }
    let has_coinstake = kinds.get(1) == Some(&TxKind::Coinstake);
    demand(!is_stake || has_coinstake, BlockRuleError::CoinstakeMissing)
}

fn check_coinbase(
    params: &Params,
    header: &PlacedHeader,
    index: usize,
    transaction: &Transaction,
) -> Result<(), BlockRuleError> {
    let outputs = transaction.outputs.as_slice();
    let starts_with_coin = outputs.first().is_some_and(Output::is_etp);
    demand(starts_with_coin, BlockRuleError::CoinbaseFirstOutput { index })?;
    let is_stake = header.header().version == BlockVersion::POS;
    if index == 2 && is_stake && header.is_before_stake() {
        return check_pos_genesis(params, outputs);
    }
    if index == 0 {
        let fits = match outputs {
            [_] => true,
            [_, second] => matches!(second.attachment.payload, Payload::AssetTransfer(_)),
            _ => false,
        };
        demand(fits, BlockRuleError::CoinbaseOutputs { outputs: outputs.len() })?;
    } else {
        let outputs = outputs.len();
        demand(outputs == 1, BlockRuleError::ExtraCoinbaseOutputs { index, outputs })?;
    }
    let names_height = transaction
        .inputs
        .first()
        .is_some_and(|input| input.script.as_bytes().starts_with(&height_push(header.height())));
    let height = header.height();
    demand(names_height, BlockRuleError::CoinbaseHeight { index, height })
}

/// The push that a coinbase script begins with: the height as a script number, never `OP_1` to
/// `OP_16` (chain.md 2.4.7).
pub(crate) fn height_push(height: Height) -> Vec<u8> {
    let push = ScriptBuilder::new().push(&script_number(i64::from(height.value()))).build();
    push.as_bytes().to_vec()
}

/// chain.md 9.3.
fn check_pos_genesis(params: &Params, outputs: &[Output]) -> Result<(), BlockRuleError> {
    let script = match params.foundation {
        mvs_primitives::address::Address::KeyHash(hash) => Script::pay_key_hash(&hash),
        mvs_primitives::address::Address::ScriptHash(hash) => Script::pay_script_hash(&hash),
        mvs_primitives::address::Address::Blackhole => Script::pay_blackhole(),
    };
    let pays_foundation = |output: &Output| output.script.as_bytes().starts_with(script.as_bytes());
    let wrong = |output| BlockRuleError::PosGenesis { output };
    let Some((first, certs)) = outputs.split_first() else { return Err(wrong(0)) };
    let reward = first.value == params.pos_genesis.reward && pays_foundation(first);
    demand(reward, wrong(0))?;
    let count = usize::try_from(params.pos_genesis.witness_certs).unwrap_or(usize::MAX);
    demand(certs.len() == count, wrong(outputs.len()))?;
    for (index, output) in certs.iter().enumerate() {
        let is_empty = output.value.is_zero() || !params.strictness.empty_genesis_certs;
        let fits = is_empty
            && pays_foundation(output)
            && match &output.attachment.payload {
                Payload::Cert(cert) => {
                    cert.cert_type() == CertType::WITNESS
                        && cert.status == CertStatus::AUTO_ISSUE
                        && params.foundation.is_text(&cert.address, &params.addresses)
                        && is_witness_number(cert.symbol.as_bytes(), count)
                }
                _ => false,
            };
        demand(fits, wrong(index + 1))?;
    }
    Ok(())
}

/// Tells whether a symbol is `MVS.WITNESS.` and a number from 1 to `count`, without leading zeros.
fn is_witness_number(symbol: &[u8], count: usize) -> bool {
    let Some(digits) = symbol.strip_prefix(WITNESS_PREFIX.as_bytes()) else { return false };
    (1..=count).any(|number| number.to_string().as_bytes() == digits)
}

/// chain.md 8.1.8.
fn check_distinct(txids: &[TxId]) -> Result<(), BlockRuleError> {
    let mut seen = HashSet::with_capacity(txids.len());
    match txids.iter().find(|txid| !seen.insert(**txid)) {
        None => Ok(()),
        Some(txid) => Err(BlockRuleError::DuplicateTx { txid: *txid }),
    }
}

/// chain.md 7.2.3, 8.3.3 (CVE-2018-17144). No state is needed to see it, and it must be seen before
/// any: a block that names one large coin over and over would be a way to fill our memory.
fn check_distinct_inputs(body: &BlockBody, kinds: &[TxKind]) -> Result<(), BlockRuleError> {
    let mut taken = HashSet::new();
    for (index, (transaction, kind)) in body.block().transactions.iter().zip(kinds).enumerate() {
        if *kind == TxKind::Coinbase {
            continue;
        }
        for (number, input) in transaction.inputs.iter().enumerate() {
            let previous = input.previous;
            if taken.insert(previous) {
                continue;
            }
            // Inside one transaction the rule has a name of its own.
            let inside = transaction.inputs.iter().take(number).any(|i| i.previous == previous);
            let txid = body.txids().get(index).copied().unwrap_or_default();
            return Err(if inside {
                let error = Box::new(TxRuleError::DuplicateInput { previous });
                BlockRuleError::Tx { index, txid, error }
            } else {
                BlockRuleError::DoubleSpend { index }
            });
        }
    }
    Ok(())
}

/// chain.md 8.1.9, first count. A coinbase's input script is data and counts nothing.
fn check_sigops(params: &Params, block: &Block) -> Result<(), BlockRuleError> {
    let max = params.limits.block_sigops;
    let mut found = 0u64;
    for transaction in &block.transactions {
        for input in &transaction.inputs {
            if !input.previous.is_null() {
                found += u64::from(count_sigops(&input.script)); // at most 20 for each byte
            }
        }
        for output in &transaction.outputs {
            found += u64::from(count_sigops(&output.script));
        }
    }
    demand(found <= u64::from(max), BlockRuleError::Sigops { found, max })
}
