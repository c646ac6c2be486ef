//! Stake blocks for owners who keep their keys to themselves.
//!
//! The node hands a template out and keeps it; what comes back is the time, the signed coinstake and
//! the signature of the block. What is found is judged like any other block.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use ethnum::U256;
use mvs_consensus::block::{check_staked_coin, deposit_window};
use mvs_consensus::difficulty::required_bits;
use mvs_consensus::error::StakeRuleError;
use mvs_consensus::header_view::{HeaderView as _, run_length};
use mvs_consensus::params::Params;
use mvs_consensus::stake::{min_stake_age, stake_weight};
use mvs_consensus::state::{Coin, StateView as _};
use mvs_primitives::address::Address;
use mvs_primitives::amount::Amount;
use mvs_primitives::block::BlockSig;
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::encode::{Decode as _, Encode as _};
use mvs_primitives::hash::{BlockHash, TxId, hash160};
use mvs_primitives::header::BlockVersion;
use mvs_primitives::height::Height;
use mvs_primitives::input::OutPoint;
use mvs_primitives::transaction::Transaction;
use mvs_rpc_api::error::{ErrorCode, RpcError};
use mvs_rpc_api::types::mining::BlockVerdict;
use mvs_rpc_api::types::stake::{
    SpentCoin, StakeCoin, StakeCoins, StakeDeposit, StakeNeeds, StakeStatus, StakeStatusParams,
    StakeSubmitParams, StakeTemplate, StakeTemplateParams,
};

use super::address::check_index;
use super::mining::{payout_script, verdict};
use super::{hash, unhex};
use crate::chain::command::raw_block;
use crate::chain::events::TipView;
use crate::mining::{self, MAX_STAKE_INPUTS, Payout, StakeRequest, TemplateError};
use crate::rpc::context::Context;
use crate::rpc::fault::{self, RpcResult};

/// Templates that are kept. Each is a block, whose transactions the pool shares.
const KEPT: usize = 64;
/// Unspent outputs of an address that are looked at for stakes.
const MOST_COINS: usize = 20_000;
/// Stakes that an answer names.
const MOST_SHOWN: usize = 1_000;
/// Deposits that an answer names.
const MOST_DEPOSITS: usize = 100;
/// Stakes that are tried until one makes a template: the pool may spend the others.
const TRIES: usize = 16;
/// Blocks that the search for stake blocks goes down at most.
const MOST_BLOCKS: u32 = 20_000;

/// Templates that may still come back signed, the oldest first.
#[derive(Debug, Default)]
pub(in crate::rpc) struct StakeTemplates(Mutex<VecDeque<(BlockHash, Arc<mining::StakeTemplate>)>>);

impl StakeTemplates {
    fn keep(&self, name: BlockHash, template: Arc<mining::StakeTemplate>) {
        // Nothing panics while it is held, and what is in it is whole at any time.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(other, _)| *other != name);
        kept.push_back((name, template));
        while kept.len() > KEPT {
            kept.pop_front();
        }
    }

    fn find(&self, name: &BlockHash) -> Option<Arc<mining::StakeTemplate>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(other, _)| other == name).map(|(_, template)| Arc::clone(template))
    }
}

/// A coin that may be staked.
struct Stake {
    outpoint: OutPoint,
    value: Amount,
    weight: u64,
    created: Height,
}

/// The plain coins of an address, by what staking makes of them.
#[derive(Default)]
struct Coins {
    mature: Vec<Stake>,
    young: (u32, u64),
    small: (u32, u64),
    has_more: bool,
}

impl Coins {
    /// Looks through the unspent outputs of an address.
    fn find(
        params: &Params,
        view: &TipView,
        owner: &Address,
        bits: Difficulty,
        height: Height,
    ) -> RpcResult<Self> {
        let (mut found, mut seen, mut after) = (Self::default(), 0usize, None);
        loop {
            let page = view
                .snapshot
                .address_unspent(owner, after, 1_000)
                .map_err(|error| fault::of_store(&error))?;
            seen = seen.saturating_add(page.coins.len());
            for (outpoint, coin) in &page.coins {
                found.sort_in(params, *outpoint, coin, bits, height);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
            if seen >= MOST_COINS {
                found.has_more = true;
                break;
            }
        }
        found
            .mature
            .sort_by_key(|stake| (std::cmp::Reverse(stake.weight), stake.created, stake.outpoint));
        Ok(found)
    }

    fn sort_in(
        &mut self,
        params: &Params,
        outpoint: OutPoint,
        coin: &Coin,
        bits: Difficulty,
        height: Height,
    ) {
        let value = coin.output.value;
        if !mining::can_stake(&coin.output) {
            return;
        }
        let add = |sum: &mut (u32, u64)| {
            *sum = (sum.0.saturating_add(1), sum.1.saturating_add(value.units()));
        };
        match check_staked_coin(params, coin, bits, height) {
            Ok(()) => {
                let (weight, created) = (stake_weight(&params.stake, value), coin.height);
                self.mature.push(Stake { outpoint, value, weight, created });
            }
            Err(StakeRuleError::Value { .. }) => add(&mut self.small),
            Err(_) => add(&mut self.young),
        }
    }

    fn weight(&self) -> u64 {
        self.mature.iter().fold(0, |sum, stake| sum.saturating_add(stake.weight))
    }

    fn shown(&self) -> RpcResult<StakeCoins> {
        let mature = u32::try_from(self.mature.len()).unwrap_or(u32::MAX);
        let value = Amount::checked_sum(self.mature.iter().map(|stake| stake.value));
        let value =
            value.ok_or_else(|| RpcError::new(ErrorCode::TooMuch, "a sum exceeds 64 bits"))?;
        Ok(StakeCoins {
            mature,
            mature_value: value.units(),
            weight: self.weight(),
            immature: self.young.0,
            immature_value: self.young.1,
            small: self.small.0,
            small_value: self.small.1,
            has_more: self.has_more,
        })
    }
}

/// The height above the tip, and the difficulty of a stake block there.
fn next(params: &Params, view: &TipView) -> RpcResult<(Height, Difficulty)> {
    let tip = view.tip.height;
    let height = tip.next().ok_or_else(|| fault::internal("fault", &"no height is left"))?;
    let header = view.snapshot.header_at(tip).map_err(|error| fault::of_fault(&error))?;
    let header = header.ok_or_else(|| fault::internal("fault", &"the tip has no header"))?;
    let bits = required_bits(params, &view.snapshot, BlockVersion::POS, header.timestamp, height)
        .map_err(|error| fault::of_fault(&error))?;
    Ok((height, bits.unwrap_or(params.stake.min_difficulty)))
}

/// Tells whether a stake block may come next, as far as era and runs go (chain.md 8.1.3).
fn is_open(params: &Params, view: &TipView, height: Height) -> RpcResult<bool> {
    if !params.pos_allowed || !params.is_pos_era(height) {
        return Ok(false);
    }
    if height <= params.stake.run_limits_above {
        return Ok(true);
    }
    let run = run_length(&view.snapshot, BlockVersion::POS, height);
    let run = run.map_err(|error| fault::of_fault(&error))?;
    Ok(run.is_none_or(|run| run <= params.stake.max_pos_run))
}

/// Estimates the weight of all who stake: a block of difficulty d takes d / weight seconds. Returns it
/// with the number of blocks that were looked at.
fn network_weight(view: &TipView, blocks: u32) -> RpcResult<(u64, u32)> {
    let tip = view.tip.height.value();
    let (mut sum, mut pending) = (U256::ZERO, U256::ZERO);
    let (mut counted, mut first, mut last) = (0u32, 0u32, None);
    for height in (tip.saturating_sub(MOST_BLOCKS)..=tip).rev() {
        let header = view.snapshot.header_at(Height::new(height));
        let Some(header) = header.map_err(|error| fault::of_fault(&error))? else { continue };
        if header.version != BlockVersion::POS {
            continue;
        }
        let time = header.timestamp.unix_secs();
        if last.is_none() {
            last = Some(time);
        } else {
            // The stake block above was found in the time since this one.
            sum = sum.saturating_add(pending);
            counted = counted.saturating_add(1);
        }
        (pending, first) = (header.bits.value(), time);
        if counted >= blocks {
            break;
        }
    }
    let seconds = U256::from(last.unwrap_or(first).saturating_sub(first).max(1));
    let weight = if counted == 0 { U256::ZERO } else { sum / seconds };
    Ok((u64::try_from(weight).unwrap_or(u64::MAX), counted))
}

/// Returns the seconds until a weight finds a block on the average: each second is one try.
fn expected_secs(bits: Difficulty, weight: u64) -> Option<u64> {
    let secs = bits.value().checked_div(U256::from(weight))?;
    Some(u64::try_from(secs).unwrap_or(u64::MAX).max(1))
}

/// A height of a window, cut to what heights can be.
fn cut(height: u64) -> u32 {
    u32::try_from(height).unwrap_or(u32::MAX)
}

pub(in crate::rpc) fn status(
    context: &Context,
    view: &TipView,
    params: &StakeStatusParams,
) -> RpcResult<StakeStatus> {
    let rules = &context.params;
    let owner = context.address(&params.address)?;
    let blocks = super::limit(params.blocks, 100, 1_000)?;
    let (height, bits) = next(rules, view)?;
    let at = u64::from(height.value());
    let (mut is_entitled, mut until, mut deposits) = (false, None, Vec::new());
    let all = view.snapshot.stake_deposits(&owner).map_err(|error| fault::of_fault(&error))?;
    for deposit in &all {
        let Some(window) = deposit_window(rules, deposit) else { continue };
        if *window.end() < at {
            continue;
        }
        is_entitled |= window.contains(&at);
        until = until.max(Some(cut(*window.end())));
        if deposits.len() < MOST_DEPOSITS {
            deposits.push(StakeDeposit {
                txid: deposit.outpoint.txid.to_string(),
                index: deposit.outpoint.index,
                value: deposit.value.units(),
                height: deposit.height.value(),
                first: cut(*window.start()),
                last: cut(*window.end()),
            });
        }
    }
    let coins = match check_index(view) {
        Ok(()) => Some(Coins::find(rules, view, &owner, bits, height)?),
        Err(_) => None,
    };
    let weight = coins.as_ref().map_or(0, Coins::weight);
    let (network_weight, blocks) =
        network_weight(view, cut(blocks.try_into().unwrap_or(u64::MAX)))?;
    Ok(StakeStatus {
        tip: view.tip.hash.to_string(),
        height: view.tip.height.value(),
        era_height: rules.pos_enabled_height,
        is_open: is_open(rules, view, height)?,
        is_synced: context.chain.status().is_synced,
        bits: bits.to_string(),
        is_entitled,
        entitled_until: until,
        deposits,
        coins: coins.as_ref().map(Coins::shown).transpose()?,
        needs: StakeNeeds {
            value: rules.stake.stake_min_value.units(),
            age: min_stake_age(&rules.stake, bits),
            deposit_value: rules.stake.deposit_min_value.units(),
            deposit_lock: rules.stake.deposit_min_lock,
            deposit_age: rules.stake.vote_maturity,
            deposit_gap: rules.stake.deposit_gap,
        },
        network_weight,
        blocks,
        expected_secs: if is_entitled { expected_secs(bits, weight) } else { None },
    })
}

/// Reads TXID:INDEX.
fn outpoint(text: &str) -> RpcResult<OutPoint> {
    let bad = || fault::bad(format!("inputs: {text} is not TXID:INDEX"));
    let (txid, index) = text.split_once(':').ok_or_else(bad)?;
    let txid: TxId = txid.parse().map_err(|_| bad())?;
    Ok(OutPoint::new(txid, index.parse().map_err(|_| bad())?))
}

fn public_key(text: &str) -> RpcResult<[u8; 33]> {
    let bytes = unhex("public_key", text)?;
    let key: [u8; 33] =
        bytes.try_into().map_err(|_| fault::bad("public_key: 33 bytes, compressed"))?;
    match key {
        [2 | 3, ..] => Ok(key),
        _ => Err(fault::bad("public_key: 33 bytes, compressed")),
    }
}

pub(in crate::rpc) async fn template(
    context: &Context,
    params: StakeTemplateParams,
) -> RpcResult<StakeTemplate> {
    let key = public_key(&params.public_key)?;
    let owner = Address::KeyHash(hash160(&key));
    let payout = match &params.payout {
        Some(text) => context.address(text)?,
        None => owner,
    };
    let request = |inputs| StakeRequest {
        key,
        inputs,
        split: params.split.unwrap_or(false),
        payout: Payout::to(payout_script(&payout)),
    };
    let (template, coins) = match &params.inputs {
        Some(texts) => {
            if texts.len() > MAX_STAKE_INPUTS {
                return Err(fault::bad(format!("inputs: at most {MAX_STAKE_INPUTS}")));
            }
            let inputs = texts.iter().map(|text| outpoint(text)).collect::<RpcResult<Vec<_>>>()?;
            (build(context, request(inputs)).await?, Vec::new())
        }
        None => choose(context, owner, request).await?,
    };
    let template = Arc::new(template);
    let shown = show(&template, &coins)?;
    context.stakes.keep(template.header().hash(), template);
    Ok(shown)
}

async fn build(context: &Context, request: StakeRequest) -> RpcResult<mining::StakeTemplate> {
    let template = context.chain.stake(request).await.map_err(fault::stopping)?;
    template.map_err(|error| fault::of_template(&error))
}

/// Makes a template of the heaviest coin that the pool does not spend.
async fn choose(
    context: &Context,
    owner: Address,
    request: impl Fn(Vec<OutPoint>) -> StakeRequest,
) -> RpcResult<(mining::StakeTemplate, Vec<Stake>)> {
    let rules = Arc::clone(&context.params);
    let coins = context
        .search(move |view| {
            check_index(view)?;
            let (height, bits) = next(&rules, view)?;
            Coins::find(&rules, view, &owner, bits, height)
        })
        .await?;
    let mut last = TemplateError::StakeMissing;
    for stake in coins.mature.iter().take(TRIES) {
        let built = context.chain.stake(request(vec![stake.outpoint])).await;
        match built.map_err(fault::stopping)? {
            Ok(template) => return Ok((template, coins.mature)),
            // Another coin may do.
            Err(error @ TemplateError::StakeMissing) => last = error,
            Err(error) => return Err(fault::of_template(&error)),
        }
    }
    if coins.mature.is_empty() {
        let text = "the address has no coin that may be staked now; see stake_status";
        return Err(RpcError::new(ErrorCode::NoWork, text).with_rule("template.stake_none"));
    }
    Err(fault::of_template(&last))
}

fn show(template: &mining::StakeTemplate, coins: &[Stake]) -> RpcResult<StakeTemplate> {
    let header = template.header();
    let coinstake = template.coinstake();
    let spent = coinstake.inputs.iter().zip(template.spent());
    let spent: Vec<SpentCoin> = spent
        .map(|(input, coin)| SpentCoin {
            txid: input.previous.txid.to_string(),
            index: input.previous.index,
            height: coin.height.value(),
            output: hex::encode(coin.output.to_bytes()),
        })
        .collect();
    let coins = match (coins, spent.first(), template.spent().first()) {
        ([], Some(first), Some(coin)) => vec![StakeCoin {
            txid: first.txid.clone(),
            index: first.index,
            value: coin.output.value.units(),
            weight: template.weight(),
        }],
        _ => coins.iter().take(MOST_SHOWN).map(Stake::shown).collect(),
    };
    let coinbase = template.transactions().first();
    let coinbase =
        coinbase.ok_or_else(|| fault::internal("fault", &"a template has no coinbase"))?;
    Ok(StakeTemplate {
        template: header.hash().to_string(),
        height: header.number.value(),
        previous: header.previous.to_string(),
        header: hex::encode(header.to_array()),
        bits: header.bits.to_string(),
        target: hex::encode(Difficulty::new(header.bits.boundary()).to_be_bytes()),
        weight: template.weight(),
        first_timestamp: header.timestamp.unix_secs(),
        last_timestamp: template.last_secs(),
        coinstake: hex::encode(coinstake.to_bytes()),
        spent,
        coinbase: hex::encode(coinbase.to_bytes()),
        txids: template.txids().iter().map(TxId::to_string).collect(),
        fees: template.fees().units(),
        coins,
    })
}

impl Stake {
    fn shown(&self) -> StakeCoin {
        StakeCoin {
            txid: self.outpoint.txid.to_string(),
            index: self.outpoint.index,
            value: self.value.units(),
            weight: self.weight,
        }
    }
}

pub(in crate::rpc) async fn submit(
    context: &Context,
    params: &StakeSubmitParams,
) -> RpcResult<BlockVerdict> {
    let name: BlockHash = hash("template", &params.template)?;
    let coinstake = Transaction::decode(&unhex("coinstake", &params.coinstake)?)
        .map_err(|error| fault::bad(format!("coinstake: {error}")))?;
    let signature: [u8; 64] = unhex("signature", &params.signature)?
        .try_into()
        .map_err(|_| fault::bad("signature: 64 bytes"))?;
    let template = context.stakes.find(&name).ok_or_else(|| {
        RpcError::new(ErrorCode::BlockRefused, format!("there is no stake template {name}"))
            .with_rule("work.unknown")
    })?;
    let timestamp = mvs_primitives::time::Timestamp::from_unix_secs(params.timestamp);
    let block = template.assemble(coinstake, timestamp).sign(BlockSig::from_bytes(signature));
    let block = raw_block(&block).ok_or_else(|| fault::bad("the block does not encode"))?;
    verdict(context.chain.submit_block(block).await.map_err(fault::stopping)?)
}

#[cfg(test)]
mod tests {
    use mvs_consensus::params::Params;
    use mvs_consensus::state::Coin;
    use mvs_primitives::amount::Amount;
    use mvs_primitives::difficulty::Difficulty;
    use mvs_primitives::hash::TxId;
    use mvs_primitives::height::Height;
    use mvs_primitives::input::OutPoint;
    use mvs_primitives::output::Output;
    use mvs_primitives::script::Script;

    use super::{Coins, expected_secs, outpoint, public_key};

    #[test]
    fn coins_are_sorted_by_what_staking_makes_of_them() {
        let params = Params::mainnet();
        let (bits, now) = (Difficulty::from_u64(1), Height::new(3_000_000));
        let mut coins = Coins::default();
        let mut sort = |index: u32, etp: u64, height: u32, script: Script| {
            let output = Output::etp(Amount::from_etp(etp).unwrap(), script);
            let height = Height::new(height);
            let coin = Coin { output, height, is_coinbase: false, open_locktime: 0 };
            coins.sort_in(&params, OutPoint::new(TxId::ZERO, index), &coin, bits, now);
        };
        let own = || Script::pay_key_hash(&[7; 20]);
        sort(0, 1_000, 2_000_000, own());
        sort(1, 999, 2_000_000, own());
        sort(2, 1_000, 2_999_999, own());
        // A valid stake, but no wallet signs for it: it is none of the three.
        sort(3, 5_000, 2_000_000, Script::pay_public_key(&[2; 33]));
        let mature: Vec<u32> = coins.mature.iter().map(|stake| stake.outpoint.index).collect();
        assert_eq!(mature, [0]);
        let units = |etp: u64| Amount::from_etp(etp).unwrap().units();
        assert_eq!((coins.small, coins.young), ((1, units(999)), (1, units(1_000))));
    }

    #[test]
    fn a_block_takes_difficulty_over_weight_seconds() {
        assert_eq!(expected_secs(Difficulty::from_u64(60_000), 30_000), Some(2));
        assert_eq!(expected_secs(Difficulty::from_u64(1), 30_000), Some(1));
        assert_eq!(expected_secs(Difficulty::from_u64(1), 0), None);
    }

    #[test]
    fn what_is_no_outpoint_or_key_is_refused() {
        let txid = "ab".repeat(32);
        assert_eq!(outpoint(&format!("{txid}:7")).unwrap().index, 7);
        for wrong in ["", ":", &txid, &format!("{txid}:-1"), &format!("{txid}:4294967296"), "ab:1"]
        {
            assert!(outpoint(wrong).is_err(), "{wrong}");
        }
        assert!(public_key(&format!("02{txid}")).is_ok());
        for wrong in ["", "02", &format!("04{txid}"), &format!("02{txid}00"), "xy"] {
            assert!(public_key(wrong).is_err(), "{wrong}");
        }
    }
}
