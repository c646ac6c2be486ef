//! Work for miners.

use bytes::Bytes;
use ethnum::U256;
use mvs_pow::Epoch;
use mvs_primitives::address::Address;
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::hash::{MixHash, SealHash};
use mvs_primitives::header::BlockVersion;
use mvs_primitives::height::Height;
use mvs_primitives::script::Script;
use mvs_primitives::text::Symbol;
use mvs_rpc_api::error::{ErrorCode, RpcError};
use mvs_rpc_api::types::mining::{
    BlockVerdict, MiningInfo, MiningInfoParams, MiningSubmitParams, MiningTemplate,
    MiningTemplateParams, RawBlockParams,
};

use super::{hash, unhex};
use crate::chain::command;
use crate::chain::events::TipView;
use crate::mining::{MAX_COINBASE_DATA_BYTES, Payout, WorkTemplate};
use crate::p2p::message::RawBlock;
use crate::rpc::context::Context;
use crate::rpc::fault::{self, RpcResult};

/// Returns the script that pays an address.
pub fn payout_script(address: &Address) -> Script {
    match address {
        Address::KeyHash(hash) => Script::pay_key_hash(hash),
        Address::ScriptHash(hash) => Script::pay_script_hash(hash),
        Address::Blackhole => Script::pay_blackhole(),
    }
}

pub(in crate::rpc) async fn template(
    context: &Context,
    params: MiningTemplateParams,
) -> RpcResult<MiningTemplate> {
    let mut payout = match &params.address {
        Some(text) => Payout::to(payout_script(&context.address(text)?)),
        None => context.payee.as_ref().map(|payee| payee.payout.clone()).ok_or_else(|| {
            RpcError::new(ErrorCode::NoPayout, "name an address, or configure one with --payout")
        })?,
    };
    let data = unhex("data", params.data.as_deref().unwrap_or_default())?;
    if data.len() > MAX_COINBASE_DATA_BYTES {
        return Err(fault::bad(format!("data: at most {MAX_COINBASE_DATA_BYTES} bytes")));
    }
    payout.data = data;
    let asset = params.asset.as_deref().map(Symbol::new).transpose();
    if let Some(asset) = asset.map_err(|error| fault::bad(format!("asset: {error}")))? {
        payout.asset = Some(asset);
    }
    let work = context.chain.work(payout).await.map_err(fault::stopping)?;
    let work = work.map_err(|error| fault::of_template(&error))?;
    show(&work)
}

fn show(work: &WorkTemplate) -> RpcResult<MiningTemplate> {
    let header = work.header();
    let height = work.height().value();
    let epoch = Epoch::of_block(u64::from(height));
    let epoch = epoch.map_err(|error| fault::internal("pow.epoch", &error))?;
    Ok(MiningTemplate {
        work: work.seal_hash().to_string(),
        seed: hex::encode(epoch.seed()),
        boundary: hex::encode(Difficulty::new(header.bits.boundary()).to_be_bytes()),
        height,
        previous: header.previous.to_string(),
        bits: header.bits.to_string(),
        timestamp: header.timestamp.unix_secs(),
        transactions: u32::try_from(work.transactions().len()).unwrap_or(u32::MAX),
        fees: work.fees().units(),
    })
}

pub(super) fn verdict(
    judged: Result<command::BlockVerdict, command::BlockRefusal>,
) -> RpcResult<BlockVerdict> {
    let command::BlockVerdict { hash, is_on_chain } =
        judged.map_err(|refusal| fault::of_block(&refusal))?;
    Ok(BlockVerdict { hash: hash.to_string(), is_on_chain })
}

pub(in crate::rpc) async fn submit(
    context: &Context,
    params: MiningSubmitParams,
) -> RpcResult<BlockVerdict> {
    let work: SealHash = hash("work", &params.work)?;
    let mix_hash: MixHash = hash("mix_hash", &params.mix_hash)?;
    let nonce = (params.nonce.len() == 16).then(|| u64::from_str_radix(&params.nonce, 16).ok());
    let nonce = nonce.flatten().ok_or_else(|| fault::bad("nonce: 16 hex digits"))?;
    let judged = context.chain.submit_work(work, nonce, mix_hash).await;
    verdict(judged.map_err(fault::stopping)?)
}

pub(in crate::rpc) async fn submit_block(
    context: &Context,
    params: RawBlockParams,
) -> RpcResult<BlockVerdict> {
    let bytes = Bytes::from(unhex("block", &params.block)?);
    let block =
        RawBlock::from_wire(bytes).map_err(|error| fault::bad(format!("block: {error}")))?;
    verdict(context.chain.submit_block(block).await.map_err(fault::stopping)?)
}

pub(in crate::rpc) async fn info(
    context: &Context,
    params: MiningInfoParams,
) -> RpcResult<MiningInfo> {
    let blocks = params.blocks.unwrap_or(120);
    if blocks == 0 || blocks > 10_000 {
        return Err(fault::bad("blocks: 1 to 10000"));
    }
    let status = context.chain.status();
    let (height, rate) =
        context.read(move |view| Ok((view.tip.height, hashrate(view, blocks)?))).await?;
    Ok(MiningInfo {
        height: height.value(),
        bits: rate.bits.to_string(),
        hashrate: rate.hashes_per_second,
        blocks: rate.blocks,
        mempool: u64::try_from(status.loose).unwrap_or(u64::MAX),
        is_synced: status.is_synced,
    })
}

struct Rate {
    bits: Difficulty,
    hashes_per_second: u64,
    blocks: u32,
}

/// Sums the difficulty of the latest work blocks, and divides by the time that they took. The lowest
/// of them only tells when the counting begins.
fn hashrate(view: &TipView, blocks: u32) -> RpcResult<Rate> {
    let lowest = view.tip.height.value().saturating_sub(blocks);
    let mut bits = None;
    let (mut work, mut counted) = (U256::ZERO, 0u32);
    let (mut last, mut first) = (0u32, 0u32);
    let mut pending = U256::ZERO;
    for height in (lowest..=view.tip.height.value()).rev() {
        let header = view.snapshot.header(Height::new(height));
        let Some(header) = header.map_err(|error| fault::of_store(&error))? else { continue };
        if header.version != BlockVersion::POW {
            continue;
        }
        let time = header.timestamp.unix_secs();
        if bits.is_none() {
            (bits, last) = (Some(header.bits), time);
        } else {
            // The block above was found in the time since this one.
            work = work.saturating_add(pending);
            counted = counted.saturating_add(1);
        }
        (pending, first) = (header.bits.value(), time);
    }
    let seconds = U256::from(last.saturating_sub(first).max(1));
    let rate = if counted == 0 { U256::ZERO } else { work / seconds };
    Ok(Rate {
        bits: bits.unwrap_or_else(|| Difficulty::from_u64(0)),
        hashes_per_second: u64::try_from(rate).unwrap_or(u64::MAX),
        blocks: counted,
    })
}
