//! Spending locked assets (chain.md 7.8, transaction rule).

use std::collections::HashMap;

use mvs_primitives::amount::AssetAmount;
use mvs_primitives::input::OutPoint;
use mvs_primitives::output::Output;
use mvs_primitives::script::Pattern;
use mvs_primitives::transaction::Transaction;

use super::attenuation::AttenuationModel;
use crate::error::{TxRuleError, demand};
use crate::state::Coin;
use crate::tx::TxContext;

/// Returns the model text and the point of a locked output.
fn lock_of(output: &Output) -> Option<(&[u8], &[u8])> {
    match output.script.pattern() {
        Pattern::PayKeyHashWithAttenuationModel { model, point, .. } => Some((model, point)),
        _ => None,
    }
}

fn quantity_of(output: &Output) -> AssetAmount {
    output.attachment.asset().map_or(AssetAmount::ZERO, |(_, quantity)| quantity)
}

/// chain.md 7.8. QUIRK: locks on outputs are looked at only when a locked output is spent, so locks
/// can be put on free funds without any check.
pub(crate) fn check(
    context: &TxContext<'_>,
    transaction: &Transaction,
    spent: &[Coin],
) -> Result<(), TxRuleError> {
    if transaction.version < 4 {
        return Ok(());
    }
    let mut open: HashMap<[u8; 36], (usize, &Coin)> = transaction
        .inputs
        .iter()
        .zip(spent)
        .enumerate()
        .filter(|(_, (_, coin))| lock_of(&coin.output).is_some())
        .map(|(index, (input, coin))| (input.previous.to_array(), (index, coin)))
        .collect();
    if open.is_empty() {
        return Ok(());
    }
    for (index, output) in transaction.outputs.iter().enumerate() {
        if let Some((text, point)) = lock_of(output) {
            check_output(context, index, output, text, point, &mut open)?;
        }
    }
    let mut left: Vec<_> = open.into_values().collect();
    left.sort_unstable_by_key(|(index, _)| *index);
    for (input, coin) in left {
        let has_passed = lock_of(&coin.output)
            .and_then(|(text, _)| AttenuationModel::parse(text).ok())
            .and_then(|model| model.distance(None))
            .is_some_and(|blocks| blocks <= blocks_passed(context, coin));
        demand(has_passed, TxRuleError::AttenuationLocked { input })?;
    }
    Ok(())
}

fn blocks_passed(context: &TxContext<'_>, coin: &Coin) -> u64 {
    u64::from(context.tip.blocks_since(coin.height))
}

fn check_output(
    context: &TxContext<'_>,
    index: usize,
    output: &Output,
    text: &[u8],
    point: &[u8],
    open: &mut HashMap<[u8; 36], (usize, &Coin)>,
) -> Result<(), TxRuleError> {
    let bad_model = || TxRuleError::AttenuationModel { output: index };
    let quantity = quantity_of(output);
    let model = AttenuationModel::parse(text).map_err(|_| bad_model())?;
    model.check_running(quantity).map_err(|_| bad_model())?;
    let point: [u8; 36] = point.try_into().map_err(|_| bad_model())?;
    if point == OutPoint::NULL.to_array() {
        return model.check_initial(quantity).map_err(|_| bad_model());
    }
    let (_, coin) = open.remove(&point).ok_or_else(bad_model)?;
    let bad_rest = || TxRuleError::AttenuationRemainder { output: index };
    let (old_text, _) = lock_of(&coin.output).ok_or_else(bad_model)?;
    let old = AttenuationModel::parse(old_text).map_err(|_| bad_model())?;
    let early = || TxRuleError::AttenuationTooEarly { output: index };
    let run = old.distance(Some(&model)).ok_or_else(early)?;
    demand(run <= blocks_passed(context, coin), early())?;
    let before = quantity_of(&coin.output);
    let release = old.available(before, run).map_err(|_| bad_rest())?;
    let adds_up = release.available.checked_add(quantity) == Some(before);
    demand(adds_up && release.parameter.as_deref() == Some(text), bad_rest())
}
