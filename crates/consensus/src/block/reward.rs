//! What coinbases may pay (chain.md 6.3 to 6.5, 8.3.2, 8.3.4, 8.3.5).

use mvs_primitives::amount::Amount;
use mvs_primitives::attachment::{CertType, Payload};
use mvs_primitives::output::Output;
use mvs_primitives::script::Pattern;

use super::check::CheckedBlock;
use crate::error::{BlockRuleError, Rejection, broken, demand};
use crate::params::Params;
use crate::state::{CertKey, StateView};
use crate::subsidy::{MiningSchedule, block_subsidy, deposit_reward};
use crate::tx::{TxKind, deposit_period};

/// chain.md 8.3.2: each deposit output is followed, at the front of the block, by a coinbase that
/// pays its reward, in the order of the deposits.
pub(super) fn check_deposits(params: &Params, block: &CheckedBlock) -> Result<(), BlockRuleError> {
    let transactions = &block.block().transactions;
    let first_reward = if block.is_stake() { 2 } else { 1 };
    let mut deposits = 0usize;
    for (transaction, kind) in transactions.iter().zip(block.kinds()) {
        if *kind == TxKind::Coinbase {
            continue;
        }
        for output in &transaction.outputs {
            let Pattern::PayKeyHashWithLockHeight { lock_height, key_hash } =
                output.script.pattern()
            else {
                continue;
            };
            let reward = transactions
                .get(first_reward + deposits)
                .and_then(|coinbase| coinbase.outputs.first());
            let fits = reward.is_some_and(|reward| {
                pays_reward(params, reward, lock_height, key_hash, output.value)
            });
            demand(fits, BlockRuleError::DepositReward { number: deposits })?;
            deposits += 1;
        }
    }
    // QUIRK (chain.md 2.4): the reference does not ask what other extra coinbases are for.
    let has_pos_genesis = block.is_stake()
        && block.header().is_before_stake()
        && block.kinds().get(2) == Some(&TxKind::Coinbase);
    let coinbases = block.kinds().iter().filter(|kind| **kind == TxKind::Coinbase).count()
        - 1 // the first one
        - usize::from(has_pos_genesis);
    demand(
        coinbases == deposits || !params.strictness.matched_extra_coinbases,
        BlockRuleError::ExtraCoinbase { coinbases, deposits },
    )
}

fn pays_reward(
    params: &Params,
    reward: &Output,
    lock_height: &[u8],
    key_hash: &[u8; 20],
    deposit: Amount,
) -> bool {
    let Some(lock) = deposit_period(params, lock_height) else { return false };
    let same_lock = matches!(
        reward.script.pattern(),
        Pattern::PayKeyHashWithLockHeight { lock_height: lock, key_hash: owner }
            if lock == lock_height && owner == key_hash
    );
    same_lock && Some(reward.value) == deposit_reward(params, lock, deposit)
}

/// chain.md 8.3.4: at most the subsidy and the fees; less is allowed.
pub(super) fn check_value(
    params: &Params,
    block: &CheckedBlock,
    fees: Amount,
) -> Result<(), BlockRuleError> {
    let header = block.header();
    let subsidy = block_subsidy(params, header.header().version, header.height());
    let max = subsidy.checked_add(fees).ok_or(BlockRuleError::FeeSum)?;
    let found = block
        .block()
        .transactions
        .first()
        .and_then(|coinbase| coinbase.output_value())
        .unwrap_or(Amount::from_units(u64::MAX));
    demand(found <= max, BlockRuleError::CoinbaseValue { found, max })
}

/// chain.md 8.3.5 and 6.5.
pub(super) fn check_asset_reward(
    state: &dyn StateView,
    block: &CheckedBlock,
) -> Result<(), Rejection<BlockRuleError>> {
    let Some(output) =
        block.block().transactions.first().and_then(|coinbase| coinbase.outputs.get(1))
    else {
        return Ok(());
    };
    let Payload::AssetTransfer(minted) = &output.attachment.payload else { return Ok(()) };
    let unknown = || broken(BlockRuleError::AssetRewardUnknown);
    let asset = state.asset(&minted.symbol)?.ok_or_else(unknown)?;
    let key = CertKey { symbol: minted.symbol.clone(), cert_type: CertType::MINING };
    let record = state.cert(&key)?.ok_or_else(unknown)?;
    let rule = record
        .cert
        .content()
        .and_then(|content| MiningSchedule::parse(content.as_bytes()).ok())
        .ok_or_else(unknown)?;
    let max = rule.limit(asset.issue_height, block.header().height()).units();
    let found = minted.quantity.units();
    demand(found <= max, BlockRuleError::AssetRewardAmount { found, max }).map_err(broken)
}
