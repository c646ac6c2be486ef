//! Blocks, transactions, outputs.

use mvs_consensus::state::StateView as _;
use mvs_primitives::block::Block;
use mvs_primitives::hash::{BlockHash, TxId};
use mvs_primitives::height::Height;
use mvs_primitives::input::OutPoint;
use mvs_primitives::transaction::Transaction;
use mvs_rpc_api::error::{ErrorCode, RpcError};
use mvs_rpc_api::types::chain::{
    Block as ShownBlock, BlockAnswer, BlockParams, BlockStatistics, ChainDigest, ChainTip,
    CoinAnswer, CoinParams, Header, Place, PlacedTransaction, ShowBlockParams, TransactionAnswer,
    TransactionParams, TransactionVerbosity, Transactions, Verbosity,
};
use mvs_rpc_api::types::transaction::{Output, Transaction as ShownTransaction};
use mvs_rpc_api::types::{AmountForm, BlockId};
use mvs_store::{BlockInfo, StoreError};

use super::hash;
use crate::chain::events::TipView;
use crate::rpc::context::Context;
use crate::rpc::fault::{self, RpcResult};
use crate::rpc::show;

pub(in crate::rpc) fn tip(context: &Context) -> RpcResult<ChainTip> {
    let (view, status) = (context.chain.tip(), context.chain.status());
    let tip = view.tip;
    let header = view.snapshot.header(tip.height).map_err(|error| fault::of_store(&error))?;
    Ok(ChainTip {
        height: tip.height.value(),
        hash: tip.hash.to_string(),
        timestamp: header.ok_or_else(|| lost(tip.height))?.timestamp.unix_secs(),
        work: tip.work.to_string(),
        headers: status.header_height.max(tip.height).value(),
        is_synced: status.is_synced,
    })
}

/// Finds a block of the chain; the tip when none is named.
pub(in crate::rpc) fn find(view: &TipView, block: Option<&BlockId>) -> RpcResult<BlockInfo> {
    let none = || RpcError::of(ErrorCode::BlockNotFound);
    let height = match block {
        None => view.tip.height,
        Some(BlockId::Height(height)) => Height::new(*height),
        Some(BlockId::Hash(text)) => {
            let hash: BlockHash = hash("block", text)?;
            let found = view.snapshot.height_of(&hash).map_err(|error| fault::of_store(&error))?;
            found.ok_or_else(none)?
        }
    };
    let info = view.snapshot.info(height).map_err(|error| fault::of_store(&error))?;
    info.ok_or_else(none)
}

/// What the chain must hold and the store does not: never "no such block".
fn lost(height: Height) -> RpcError {
    fault::of_store(&StoreError::Disagree { height, what: "a block of the chain is lost" })
}

fn confirmations(view: &TipView, height: Height) -> u32 {
    view.tip.height.blocks_since(height).saturating_add(1)
}

fn shown_header(view: &TipView, info: &BlockInfo) -> RpcResult<Header> {
    let next = match info.height.next() {
        Some(next) => view.snapshot.hash(next).map_err(|error| fault::of_store(&error))?,
        None => None,
    };
    let header = &info.header;
    Ok(Header {
        hash: info.hash.to_string(),
        height: info.height.value(),
        confirmations: confirmations(view, info.height),
        version: header.version.number(),
        previous: header.previous.to_string(),
        next: next.map(|next| next.to_string()),
        merkle: header.merkle.to_string(),
        timestamp: header.timestamp.unix_secs(),
        bits: header.bits.to_string(),
        nonce: show::nonce(header),
        mix_hash: header.mix_hash.to_string(),
        work: info.work.to_string(),
    })
}

pub(in crate::rpc) fn header(view: &TipView, params: &BlockParams) -> RpcResult<Header> {
    shown_header(view, &find(view, params.block.as_ref())?)
}

/// Reads the bytes of a block that the chain holds.
fn bytes(view: &TipView, height: Height) -> RpcResult<Vec<u8>> {
    let bytes = view.snapshot.block(height).map_err(|error| fault::of_store(&error))?;
    bytes.ok_or_else(|| lost(height))
}

fn decode(height: Height, bytes: &[u8]) -> RpcResult<(Block, Vec<TxId>)> {
    Block::decode_with_ids(bytes).map_err(|_| {
        fault::of_store(&StoreError::Disagree { height, what: "the bytes are no block" })
    })
}

pub(in crate::rpc) fn block(
    context: &Context,
    view: &TipView,
    params: &ShowBlockParams,
) -> RpcResult<BlockAnswer> {
    let info = find(view, params.block.as_ref())?;
    let bytes = bytes(view, info.height)?;
    let verbosity = params.verbosity.unwrap_or(Verbosity::Ids);
    if verbosity == Verbosity::Hex {
        return Ok(BlockAnswer::Hex(hex::encode(bytes)));
    }
    let (block, txids) = decode(info.height, &bytes)?;
    let transactions = if verbosity == Verbosity::Full {
        let all = block.transactions.iter().zip(&txids);
        let show = |(transaction, txid)| {
            let shown = show::transaction(transaction, txid, context.format());
            show::in_form(shown, view, params.amounts, ShownTransaction::into_decimal)
        };
        Transactions::Full(all.map(show).collect())
    } else {
        Transactions::Ids(txids.iter().map(TxId::to_string).collect())
    };
    let (signature, public_key) = show::proof(&block);
    let header = shown_header(view, &info)?;
    let size = info.block_bytes();
    let shown = ShownBlock { header, size, transactions, signature, public_key };
    Ok(BlockAnswer::Block(Box::new(shown)))
}

pub(in crate::rpc) async fn transaction(
    context: &Context,
    params: TransactionParams,
) -> RpcResult<TransactionAnswer> {
    let txid: TxId = hash("txid", &params.txid)?;
    let form = (params.verbosity.unwrap_or(TransactionVerbosity::Full), params.amounts);
    let look = |view: &TipView| in_chain(view, &txid, params.block.as_ref());
    let missing = match context.look(look) {
        Ok(Some((place, transaction))) => {
            return Ok(shown(context, &transaction, &txid, Some(place), form));
        }
        Ok(None) => RpcError::of(ErrorCode::TransactionNotFound),
        // It may still wait in the pool.
        Err(error) if error.is(ErrorCode::IndexMissing) || error.is(ErrorCode::IndexIncomplete) => {
            error
        }
        Err(error) => return Err(error),
    };
    if let Some(loose) = context.chain.loose_tx(txid).await.map_err(fault::stopping)? {
        return Ok(shown(context, loose.transaction(), &txid, None, form));
    }
    // A block may have taken it out of the pool since the chain was looked at.
    if missing.is(ErrorCode::TransactionNotFound)
        && let Some((place, transaction)) = context.look(look)?
    {
        return Ok(shown(context, &transaction, &txid, Some(place), form));
    }
    Err(missing)
}

fn shown(
    context: &Context,
    transaction: &Transaction,
    txid: &TxId,
    place: Option<Place>,
    (verbosity, amounts): (TransactionVerbosity, Option<AmountForm>),
) -> TransactionAnswer {
    use mvs_primitives::encode::Encode as _;
    if verbosity == TransactionVerbosity::Hex {
        return TransactionAnswer::Hex(hex::encode(transaction.to_bytes()));
    }
    let transaction = show::transaction(transaction, txid, context.format());
    let transaction =
        show::in_form(transaction, &context.chain.tip(), amounts, ShownTransaction::into_decimal);
    TransactionAnswer::Transaction(Box::new(PlacedTransaction { transaction, place }))
}

fn in_chain(
    view: &TipView,
    txid: &TxId,
    block: Option<&BlockId>,
) -> RpcResult<Option<(Place, Transaction)>> {
    let (height, number, transaction) = if block.is_some() {
        let info = find(view, block)?;
        let (block, txids) = decode(info.height, &bytes(view, info.height)?)?;
        let Some(number) = txids.iter().position(|one| one == txid) else { return Ok(None) };
        let mut transactions = block.transactions;
        (info.height, show::size(number), transactions.swap_remove(number))
    } else {
        super::address::check_index(view)?;
        let found = view.snapshot.transaction(txid).map_err(|error| fault::of_store(&error))?;
        let Some((place, transaction)) = found else { return Ok(None) };
        (place.height, place.number, transaction)
    };
    let hash = view.snapshot.hash(height).map_err(|error| fault::of_store(&error))?;
    let place = Place {
        height: height.value(),
        hash: hash.ok_or_else(|| lost(height))?.to_string(),
        number,
        confirmations: confirmations(view, height),
    };
    Ok(Some((place, transaction)))
}

pub(in crate::rpc) fn coin(
    context: &Context,
    view: &TipView,
    params: &CoinParams,
) -> RpcResult<CoinAnswer> {
    let outpoint = OutPoint::new(hash("txid", &params.txid)?, params.index);
    let coin = view.snapshot.coin(&outpoint).map_err(|error| fault::of_fault(&error))?;
    let coin = coin.ok_or_else(|| RpcError::of(ErrorCode::CoinNotFound))?;
    Ok(CoinAnswer {
        tip: view.tip.hash.to_string(),
        output: show::in_form(
            show::output(&coin.output, context.format()),
            view,
            params.amounts,
            Output::into_decimal,
        ),
        height: coin.height.value(),
        is_coinbase: coin.is_coinbase,
    })
}

pub(in crate::rpc) fn statistics(
    view: &TipView,
    params: &BlockParams,
) -> RpcResult<BlockStatistics> {
    let info = find(view, params.block.as_ref())?;
    let below = match info.height.previous() {
        Some(below) => view.snapshot.header(below).map_err(|error| fault::of_store(&error))?,
        None => None,
    };
    let time = info.header.timestamp.unix_secs();
    Ok(BlockStatistics {
        height: info.height.value(),
        hash: info.hash.to_string(),
        timestamp: time,
        interval_secs: below.map(|below| i64::from(time) - i64::from(below.timestamp.unix_secs())),
        transactions: info.transactions,
        size: info.block_bytes(),
        fees: info.fees.units(),
        bits: info.header.bits.to_string(),
        work: info.work.to_string(),
        coins: info.coins,
    })
}

pub(in crate::rpc) fn digest(view: &TipView, params: &BlockParams) -> RpcResult<ChainDigest> {
    let info = find(view, params.block.as_ref())?;
    Ok(ChainDigest {
        height: info.height.value(),
        hash: info.hash.to_string(),
        coins: info.coins,
        coin_digest: format!("{:032x}", info.coin_digest.to_u128()),
        registry_digest: format!("{:032x}", info.registry_digest),
    })
}
