//! Transactions that wait for a block.

use std::sync::Arc;

use mvs_primitives::encode::Decode as _;
use mvs_primitives::hash::TxId;
use mvs_primitives::transaction;
use mvs_rpc_api::error::{ErrorCode, RpcError};
use mvs_rpc_api::types::mempool::{
    ListVerbosity, MempoolEntries, MempoolEntry, MempoolEntryParams, MempoolList,
    MempoolListParams, MempoolSummary, MempoolVerdict, RawTransactionParams, Submitted,
};

use mvs_rpc_api::types::transaction::Transaction;

use super::{hash, limit, unhex};
use crate::chain::command::{PageAsk, PoolEntry, TxRefusal};
use crate::mempool::{FeeRate, LooseTx};
use crate::rpc::context::Context;
use crate::rpc::fault::{self, RpcResult};
use crate::rpc::show;

/// Base units for a thousand bytes, rounded up: whoever pays this pays enough.
pub(super) fn per_thousand(rate: FeeRate) -> u64 {
    rate.units_per_million_bytes().div_ceil(1_000)
}

fn summary(entry: &PoolEntry) -> MempoolSummary {
    MempoolSummary {
        txid: entry.tx.txid().to_string(),
        fee: entry.fee.units(),
        bytes: entry.bytes,
        rate: entry.rate.units_per_million_bytes() / 1_000,
        first_seen: entry.first_seen_secs,
        entered_at: entry.entered_at.value(),
        ancestors: entry.ancestors,
        descendants: entry.descendants,
    }
}

pub(in crate::rpc) async fn list(
    context: &Context,
    params: MempoolListParams,
) -> RpcResult<MempoolList> {
    let after = params.after.as_deref().map(|text| hash::<TxId>("after", text)).transpose()?;
    let limit = limit(params.limit, 1_000, 1_000)?;
    let is_full = params.verbosity == Some(ListVerbosity::Full);
    let ask = PageAsk { after, limit, is_full };
    let _turn = context.pool_turn().await?;
    let page = context.chain.pool_page(ask).await.map_err(fault::stopping)?;
    let page = page.ok_or_else(|| RpcError::of(ErrorCode::TransactionNotFound))?;
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let ids: Vec<String> = page.ids.iter().map(TxId::to_string).collect();
    Ok(MempoolList {
        count: count(page.stats.transactions),
        bytes: page.stats.total.bytes,
        fees: page.stats.total.fees.units(),
        usage_bytes: count(page.stats.usage_bytes),
        max_bytes: count(page.stats.max_bytes),
        floor_rate: per_thousand(page.stats.floor),
        changes: page.stats.changes,
        next: page.last.filter(|_| page.has_more).map(|txid| txid.to_string()),
        entries: match is_full {
            true => MempoolEntries::Full(page.entries.iter().map(summary).collect()),
            false => MempoolEntries::Ids(ids),
        },
    })
}

pub(in crate::rpc) async fn entry(
    context: &Context,
    params: MempoolEntryParams,
) -> RpcResult<MempoolEntry> {
    let txid = hash("txid", &params.txid)?;
    let found = context.chain.pool_entry(txid).await.map_err(fault::stopping)?;
    let found = found.ok_or_else(|| RpcError::of(ErrorCode::TransactionNotFound))?;
    Ok(MempoolEntry {
        summary: summary(&found),
        parents: found.parents.iter().map(TxId::to_string).collect(),
        children: found.children.iter().map(TxId::to_string).collect(),
        transaction: show::in_form(
            show::transaction(found.tx.transaction(), &txid, context.format()),
            &context.chain.tip(),
            params.amounts,
            Transaction::into_decimal,
        ),
    })
}

fn read(params: &RawTransactionParams) -> RpcResult<LooseTx> {
    let bytes = unhex("transaction", &params.transaction)?;
    let transaction = transaction::Transaction::decode(&bytes)
        .map_err(|error| fault::bad(format!("transaction: {error}")).with_rule(error.code()))?;
    let txid = transaction.txid();
    Ok(LooseTx::new(Arc::new(transaction), txid))
}

pub(in crate::rpc) async fn test(
    context: &Context,
    params: RawTransactionParams,
) -> RpcResult<MempoolVerdict> {
    let tx = read(&params)?;
    let txid = tx.txid().to_string();
    match context.chain.test_tx(tx).await.map_err(fault::stopping)? {
        Ok((fee, bytes)) => Ok(MempoolVerdict {
            txid,
            is_accepted: true,
            fee: Some(fee.units()),
            bytes: Some(bytes),
            rule: None,
            reason: None,
            holds: None,
        }),
        Err(TxRefusal::Pool(reject)) => Ok(MempoolVerdict {
            txid,
            is_accepted: false,
            fee: None,
            bytes: None,
            rule: Some(reject.code().to_owned()),
            reason: Some(reject.to_string()),
            holds: Some(reject.holds().name().to_owned()),
        }),
        Err(refusal) => Err(fault::of_tx(&refusal)),
    }
}

pub(in crate::rpc) async fn submit(
    context: &Context,
    params: RawTransactionParams,
) -> RpcResult<Submitted> {
    let tx = read(&params)?;
    match context.chain.submit_tx(tx).await.map_err(fault::stopping)? {
        Ok(txid) => Ok(Submitted { txid: txid.to_string() }),
        Err(refusal) => Err(fault::of_tx(&refusal)),
    }
}
