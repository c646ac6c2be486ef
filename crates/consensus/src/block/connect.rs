//! What a block does to the state (chain.md 8.3).

use std::collections::HashSet;
use std::sync::Arc;

use mvs_primitives::amount::Amount;
use mvs_primitives::attachment::Payload;
use mvs_primitives::input::OutPoint;

use super::check::CheckedBlock;
use super::delta::{MovedCoins, Registered, in_tx, move_coins, register};
use super::pending::{ConnectedBlock, PendingBlock};
use super::{reward, stake};
use crate::attachment::attenuation::AttenuationModel;
use crate::attachment::owner_of;
use crate::checkpoint::Vouched;
use crate::error::{BlockRuleError, Fault, Rejection, TxRuleError, broken, demand};
use crate::header_view::HeaderView;
use crate::params::{KnownBlock, Params};
use crate::script::{CacheUse, InputContext, count_p2sh_sigops, verify_input};
use crate::state::{CertKey, StateView};
use crate::tx::{Place, TxContext, TxKind, connect_tx};

/// Checks every rule on a block but the scripts of its inputs.
///
/// `headers` and `state` are those of the branch that ends in the block's parent.
///
/// # Errors
/// The first rule that is broken, or a fault of ours.
pub fn connect_block(
    params: &Params,
    headers: &dyn HeaderView,
    state: &dyn StateView,
    block: Arc<CheckedBlock>,
) -> Result<PendingBlock, Rejection<BlockRuleError>> {
    connect(params, headers, state, block, check_stake)
}

/// How the stake of a stake block is judged.
pub(super) type StakeCheck =
    fn(&Params, &dyn StateView, &CheckedBlock) -> Result<(), Rejection<BlockRuleError>>;

/// Every rule on a block but the scripts; `check_stake` judges its stake.
pub(super) fn connect(
    params: &Params,
    headers: &dyn HeaderView,
    state: &dyn StateView,
    block: Arc<CheckedBlock>,
    check_stake: StakeCheck,
) -> Result<PendingBlock, Rejection<BlockRuleError>> {
    check_txs_new(state, &block)?;
    reward::check_deposits(params, &block).map_err(broken)?;
    check_stake(params, state, &block)?;
    let coins = move_coins(state, &block)?;
    check_p2sh_sigops(params, &block, &coins).map_err(broken)?;
    let fees = connect_txs(params, headers, state, &block, &coins)?;
    reward::check_value(params, &block, fees).map_err(broken)?;
    reward::check_asset_reward(state, &block)?;
    check_unique(&block).map_err(broken)?;
    let Registered { delta, spent, supply_overflowed } = register(state, &block, coins)?;
    let fits = !supply_overflowed || !params.strictness.asset_sums;
    demand(fits, BlockRuleError::SupplyOverflow).map_err(broken)?;
    Ok(PendingBlock::new(block, spent, delta, fees))
}

/// Tells whether a block is connected by [`connect_checkpointed_block`]: an ancestor of a checkpoint
/// (chain.md 6.8), or one of the network's exceptions (chain.md 6.10).
pub fn is_vouched_for(params: &Params, vouched: &Vouched, block: &CheckedBlock) -> bool {
    let (height, hash) = (block.header().height(), block.header().hash());
    let is_exception = |known: &KnownBlock| known.height == height && known.hash == hash;
    vouched.covers(height, &hash) || params.exceptions.iter().any(is_exception)
}

/// Connects a block that a checkpoint or the network's list of exceptions vouches for: what it spends
/// must exist, nothing else is asked.
///
/// # Errors
/// A rule that is broken; a fault when nothing vouches for the block.
pub fn connect_checkpointed_block(
    params: &Params,
    vouched: &Vouched,
    state: &dyn StateView,
    block: Arc<CheckedBlock>,
) -> Result<ConnectedBlock, Rejection<BlockRuleError>> {
    if !is_vouched_for(params, vouched, &block) {
        return Err(Fault::Broken("a block without a voucher needs every check").into());
    }
    let coins = move_coins(state, &block)?;
    let fees = unchecked_fees(&block, &coins);
    let delta = register(state, &block, coins)?.delta;
    Ok(ConnectedBlock::checkpointed(block, delta, fees))
}

/// Connects the genesis block, which every node has from the start: nothing about it is checked.
///
/// # Errors
/// A fault when the network's genesis block is not of the form that a genesis block has.
pub fn connect_genesis(params: &Params) -> Result<ConnectedBlock, Fault> {
    let block = CheckedBlock::genesis(params);
    let state = crate::state::MemoryState::new();
    let wrong = |_| Fault::Broken("the network's genesis block spends or repeats something");
    let coins = move_coins(&state, &block).map_err(wrong)?;
    let delta = register(&state, &block, coins)?.delta;
    Ok(ConnectedBlock::checkpointed(Arc::new(block), delta, Amount::ZERO))
}

/// Sums what inputs exceed outputs by, for information.
fn unchecked_fees(block: &CheckedBlock, coins: &MovedCoins) -> Amount {
    let mut fees = Amount::ZERO;
    for (transaction, spent) in block.block().transactions.iter().zip(&coins.spent) {
        let inputs = Amount::checked_sum(spent.iter().map(|coin| coin.output.value));
        let fee = inputs.zip(transaction.output_value()).and_then(|(i, o)| i.checked_sub(o));
        fees = fee.and_then(|fee| fees.checked_add(fee)).unwrap_or(fees);
    }
    fees
}

/// chain.md 8.3.1, BIP-0030. An ordinary transaction with the id of an earlier one would spend the
/// same outputs and so fail anyway; only coinbases can repeat (docs/decisions/0009).
fn check_txs_new(
    state: &dyn StateView,
    block: &CheckedBlock,
) -> Result<(), Rejection<BlockRuleError>> {
    let coinbases = || {
        block
            .kinds()
            .iter()
            .zip(&block.block().transactions)
            .zip(block.txids())
            .filter(|((kind, _), _)| **kind == TxKind::Coinbase)
    };
    let outpoints: Vec<OutPoint> = coinbases()
        .flat_map(|((_, transaction), txid)| {
            (0u32..).zip(&transaction.outputs).map(|(index, _)| OutPoint::new(*txid, index))
        })
        .collect();
    let known = state.coins(&outpoints)?;
    match outpoints.iter().zip(known).find(|(_, coin)| coin.is_some()) {
        None => Ok(()),
        Some((outpoint, _)) => Err(broken(BlockRuleError::TxExists { txid: outpoint.txid })),
    }
}

/// chain.md 9.2, before anything else is fetched: a stake block's header costs its maker no work, so
/// what it may make us do must be little until its stake is known to be good.
fn check_stake(
    params: &Params,
    state: &dyn StateView,
    block: &CheckedBlock,
) -> Result<(), Rejection<BlockRuleError>> {
    if !block.is_stake() {
        return Ok(());
    }
    // A checked stake block has a coinstake with an input.
    let no_input = Fault::Broken("a stake block has no staked input");
    let coinstake = block.block().transactions.get(1);
    let Some((coinstake, input)) = coinstake.and_then(|tx| Some((tx, tx.inputs.first()?))) else {
        return Err(no_input.into());
    };
    // A coin that this very block creates is far too young, so the parent's state is all.
    let previous = input.previous;
    let missing = || in_tx(block, 1, TxRuleError::InputMissing { input: 0, previous });
    let staked = state.coin(&previous)?.ok_or_else(|| broken(missing()))?;
    stake::check_stake(params, state, block, &staked)
        .map_err(|error| error.map_rule(BlockRuleError::Stake))?;
    // Whoever stakes must own what he stakes: the scripts of this one input run at once.
    let context =
        InputContext::new(coinstake, 0, &staked.output.script, AttenuationModel::is_model)
            .ok_or(Fault::Broken("a coinstake has an input"))?;
    verify_input(&context, CacheUse::Off)
        .map_err(|error| broken(BlockRuleError::Script { index: 1, input: 0, error }))
}

/// chain.md 2.2 and 4.5, second count.
fn check_p2sh_sigops(
    params: &Params,
    block: &CheckedBlock,
    coins: &MovedCoins,
) -> Result<(), BlockRuleError> {
    let max = params.limits.block_sigops;
    let mut found = 0u64;
    for (index, (transaction, spent)) in
        block.block().transactions.iter().zip(&coins.spent).enumerate()
    {
        for (input, coin) in transaction.inputs.iter().zip(spent) {
            let sigops = count_p2sh_sigops(&input.script, &coin.output.script)
                .map_err(|_| BlockRuleError::RedeemScript { index })?;
            found += u64::from(sigops); // at most 20 for each byte of the block
        }
    }
    demand(found <= u64::from(max), BlockRuleError::P2shSigops { found, max })
}

/// chain.md 8.3.6; returns the sum of the fees.
fn connect_txs(
    params: &Params,
    headers: &dyn HeaderView,
    state: &dyn StateView,
    block: &CheckedBlock,
    coins: &MovedCoins,
) -> Result<Amount, Rejection<BlockRuleError>> {
    let placed = block.header();
    let tip = placed.height().previous().ok_or(Fault::Broken("the genesis block is given"))?;
    let context = TxContext {
        params,
        height: placed.height(),
        tip,
        block_time: placed.header().timestamp,
        median_time_past: placed.median_time_past(),
        headers,
        state,
        place: Place::Block,
    };
    let mut fees = Amount::ZERO;
    for (index, (transaction, spent)) in
        block.block().transactions.iter().zip(&coins.spent).enumerate()
    {
        let connected = connect_tx(&context, transaction, spent)
            .map_err(|error| error.map_rule(|rule| in_tx(block, index, rule)))?;
        fees = fees
            .checked_add(connected.fee)
            .filter(|fees| *fees <= params.max_money)
            .ok_or(broken(BlockRuleError::FeeSum))?;
    }
    Ok(fees)
}

/// chain.md 3.6: what a block may touch once.
fn check_unique(block: &CheckedBlock) -> Result<(), BlockRuleError> {
    let (mut assets, mut certs) = (HashSet::new(), HashSet::new());
    let (mut mits, mut dids, mut homes) = (HashSet::new(), HashSet::new(), HashSet::new());
    for (index, transaction) in block.block().transactions.iter().enumerate() {
        for output in &transaction.outputs {
            match &output.attachment.payload {
                Payload::AssetDetail(detail) if !detail.threshold.is_secondary() => {
                    let new = assets.insert(&detail.symbol);
                    demand(new, BlockRuleError::UniqueAsset { index })?;
                }
                Payload::Cert(cert) => {
                    let new = certs.insert(CertKey::of(cert));
                    demand(new, BlockRuleError::UniqueCert { index })?;
                }
                Payload::Mit(mit) => {
                    let new = mits.insert(&mit.symbol);
                    demand(new, BlockRuleError::UniqueMit { index })?;
                }
                Payload::Did(did) => {
                    let new = dids.insert(&did.symbol) && homes.insert(owner_of(output));
                    demand(new, BlockRuleError::UniqueDid { index })?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}
