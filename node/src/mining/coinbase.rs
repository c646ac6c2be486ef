//! Coinbases: subsidy and fees, asset rewards, rewards of deposits.

use mvs_consensus::error::Fault;
use mvs_consensus::params::Params;
use mvs_consensus::state::{CertKey, StateView};
use mvs_consensus::subsidy::{MiningSchedule, deposit_reward};
use mvs_primitives::amount::{Amount, AssetAmount};
use mvs_primitives::attachment::{AssetTransfer, Attachment, CertType, Payload};
use mvs_primitives::height::Height;
use mvs_primitives::input::{Input, OutPoint};
use mvs_primitives::output::Output;
use mvs_primitives::script::{Pattern, Script, ScriptBuilder, parse_script_number, script_number};
use mvs_primitives::text::Symbol;
use mvs_primitives::transaction::Transaction;

use super::error::TemplateError;

/// Most bytes of free data in a coinbase's input script.
pub const MAX_COINBASE_DATA_BYTES: usize = 64;

/// The version of the coinbases that the chain's first node makes (chain.md 3.2).
const COINBASE_VERSION: u32 = 1;

/// Whom a block pays, and what its coinbase says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payout {
    /// Script that subsidy and fees go to.
    pub script: Script,
    /// Data behind the height in the coinbase's input script; empty for none, at most
    /// [`MAX_COINBASE_DATA_BYTES`].
    pub data: Vec<u8>,
    /// An asset that is mined beside coin (chain.md 6.5).
    pub asset: Option<Symbol>,
}

impl Payout {
    /// Pays coin to a script and says nothing.
    pub const fn to(script: Script) -> Self {
        Self { script, data: Vec::new(), asset: None }
    }

    /// Asks what can be asked of it without a state.
    pub(super) const fn check(&self) -> Result<(), TemplateError> {
        let (found, max) = (self.data.len(), MAX_COINBASE_DATA_BYTES);
        if found > max { Err(TemplateError::CoinbaseData { found, max }) } else { Ok(()) }
    }
}

/// Makes a coinbase: height, then data, in its input script (chain.md 2.4.7).
fn coinbase(height: Height, data: &[u8], outputs: Vec<Output>) -> Transaction {
    let number = script_number(i64::from(height.value()));
    let script = ScriptBuilder::new().push(&number);
    let script = if data.is_empty() { script } else { script.push(data) };
    Transaction {
        version: COINBASE_VERSION,
        inputs: vec![Input { previous: OutPoint::NULL, script: script.build(), sequence: 0 }],
        outputs,
        locktime: 0,
    }
}

/// Makes the coinbase that stands first.
pub(super) fn first_coinbase(
    height: Height,
    payout: &Payout,
    value: Amount,
    minted: Option<AssetAmount>,
) -> Transaction {
    let mut outputs = vec![Output::etp(value, payout.script.clone())];
    if let (Some(symbol), Some(quantity)) = (&payout.asset, minted) {
        outputs.push(Output {
            value: Amount::ZERO,
            script: payout.script.clone(),
            attachment: Attachment::new(Payload::AssetTransfer(AssetTransfer {
                symbol: symbol.clone(),
                quantity,
            })),
        });
    }
    coinbase(height, &payout.data, outputs)
}

/// Returns how much of an asset the block at a height may create (chain.md 6.5); `None` for nothing
/// left.
pub(super) fn minable(
    state: &dyn StateView,
    symbol: &Symbol,
    height: Height,
) -> Result<Option<AssetAmount>, TemplateError> {
    let not_minable = || TemplateError::AssetNotMinable(symbol.to_string());
    let asset = state.asset(symbol)?.ok_or_else(not_minable)?;
    let key = CertKey { symbol: symbol.clone(), cert_type: CertType::MINING };
    let record = state.cert(&key)?.ok_or_else(not_minable)?;
    let schedule = record
        .cert
        .content()
        .and_then(|content| MiningSchedule::parse(content.as_bytes()).ok())
        .ok_or_else(not_minable)?;
    let limit = schedule.limit(asset.issue_height, height);
    Ok((!limit.is_zero()).then_some(limit))
}

/// Makes a coinbase for each deposit output of a block's transactions, in their order
/// (chain.md 6.4, 8.3.2).
pub(super) fn deposit_coinbases<'t>(
    params: &Params,
    height: Height,
    transactions: impl Iterator<Item = &'t Transaction>,
) -> Result<Vec<Transaction>, Fault> {
    let mut coinbases = Vec::new();
    for output in transactions.flat_map(|transaction| &transaction.outputs) {
        let Pattern::PayKeyHashWithLockHeight { lock_height, .. } = output.script.pattern() else {
            continue;
        };
        let reward = parse_script_number(lock_height, 4, true)
            .ok()
            .and_then(|lock| u32::try_from(lock).ok())
            .and_then(|lock| deposit_reward(params, lock, output.value))
            .ok_or(Fault::Broken("a deposit of the pool has no known period"))?;
        // The number makes two rewards of the same kind different transactions.
        let number = script_number(i64::try_from(coinbases.len()).unwrap_or(i64::MAX) + 1);
        let script = output.script.without_marker_memory();
        coinbases.push(coinbase(height, &number, vec![Output::etp(reward, script)]));
    }
    Ok(coinbases)
}

/// Bytes and signature operations that one of [`deposit_coinbases`] takes at most.
pub(super) const DEPOSIT_REWARD_ROOM: (u64, u32) = (160, 1);
