//! Makes the model of a new lock from what a person states. A wallet's matter, not consensus.

use mvs_primitives::amount::AssetAmount;

use super::parse::Pairs;
use super::{AttenuationError, AttenuationModel, MAX_LISTED_UNLOCKS};

/// Completes the text of a new lock of `amount` and checks it.
///
/// `text` states everything but period number and blocks left, and for type 3 the lists:
/// `TYPE=1;LQ=9000;LP=60000;UN=3`. A text that begins with `PN=` is taken as complete.
///
/// Type 3 (chain.md 7.8, wallet formula): with `r = IR/100` the first quantity is
/// `trunc(LQ * (1+r)^(1-UN))`, each following one `trunc(sum so far * r)`, the last one the remainder;
/// periods are `LP/UN`, the last one the remainder.
///
/// # Errors
/// [`AttenuationError`] when the result would not be a valid new model.
pub fn make_initial(text: &[u8], amount: AssetAmount) -> Result<Vec<u8>, AttenuationError> {
    let parameter = if text.starts_with(b"PN=") { text.to_vec() } else { complete(text)? };
    AttenuationModel::parse(&parameter)?.check_initial(amount)?;
    Ok(parameter)
}

fn complete(text: &[u8]) -> Result<Vec<u8>, AttenuationError> {
    let stated = Pairs::split(text)?;
    let (blocks, unlocks) = (stated.needed(b"LP")?, stated.needed(b"UN")?);
    let period = blocks.checked_div(unlocks).ok_or(AttenuationError::Zero)?;
    let (periods, quantities) = (stated.numbers(b"UC")?, stated.numbers(b"UQ")?);
    let kind = stated.needed(b"TYPE")?;
    let first_period = match (kind, &periods) {
        (2, Some(periods)) => *periods.first().ok_or(AttenuationError::Keys)?,
        _ => period,
    };
    let mut parameter = format!("PN=0;LH={first_period};").into_bytes();
    parameter.extend_from_slice(text);
    if kind == 3 && periods.is_none() && quantities.is_none() {
        let (locked, rate_percent) = (stated.needed(b"LQ")?, stated.needed(b"IR")?);
        let (periods, quantities) = inflation_lists(locked, blocks, unlocks, rate_percent)?;
        let join = |list: Vec<u64>| list.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        let lists = format!(";UC={};UQ={}", join(periods), join(quantities));
        parameter.extend_from_slice(lists.as_bytes());
    }
    Ok(parameter)
}

/// Period lengths and quantities of type 3.
fn inflation_lists(
    locked: u64,
    blocks: u64,
    unlocks: u64,
    rate_percent: u64,
) -> Result<(Vec<u64>, Vec<u64>), AttenuationError> {
    if unlocks > MAX_LISTED_UNLOCKS {
        return Err(AttenuationError::TooManyUnlocks(unlocks));
    }
    let period = blocks.checked_div(unlocks).ok_or(AttenuationError::Zero)?;
    let (mut periods, mut quantities) = (Vec::new(), Vec::new());
    let (mut blocks_left, mut sum) = (blocks, 0u64);
    let rate = rate_percent as f64 / 100.0; // nearest double
    for index in 1..unlocks {
        periods.push(period);
        blocks_left = blocks_left.saturating_sub(period);
        // The casts to u64 truncate and saturate; the subtraction below refuses what is too much.
        let quantity = if index == 1 {
            (locked as f64 * (1.0 + rate).powf(1.0 - unlocks as f64)) as u64
        } else {
            (sum as f64 * rate) as u64
        };
        quantities.push(quantity);
        sum = sum.checked_add(quantity).ok_or(AttenuationError::Arithmetic)?;
    }
    periods.push(blocks_left);
    quantities.push(locked.checked_sub(sum).ok_or(AttenuationError::ListSum { total: locked })?);
    Ok((periods, quantities))
}
