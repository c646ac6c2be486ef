//! Subsidies of blocks, observed and computed, and rewards of deposits.

use mvs_consensus::params::Params;
use mvs_consensus::subsidy::{block_subsidy, deposit_reward};
use mvs_primitives::amount::Amount;
use mvs_primitives::header::BlockVersion;
use mvs_primitives::height::Height;
use serde_json::Value;

use super::fields::{get, has_any, to_number};
use super::network::params;
use super::report::{Case, Report};
use super::{Claim, Kind};

pub(super) const KIND: Kind = Kind { name: "subsidy", detect, check };

/// Keys that hold a deposit's lock, and the network that has it.
const LOCKS: &[(&str, &str)] =
    &[("mainnet_lock_height", "mainnet"), ("testnet_lock_height", "testnet")];

fn detect(value: &Value) -> Claim {
    let has = |keys: &[&str]| keys.iter().all(|key| get(value, key).is_some());
    let is_block = has(&["height"]) && has_any(value, &["pow", "pos", "coinbase_value"])
        || has(&["height", "version", "computed"]);
    if (is_block && !has_any(value, &["hash", "header"])) || has(&["deposit_value", "reward"]) {
        Claim::Whole
    } else {
        Claim::Nothing
    }
}

fn check(value: &Value, report: &mut Report) {
    report.case("", |case| {
        if has_any(value, &["deposit_value"]) {
            check_deposit(value, case);
        } else {
            check_block(value, case);
        }
    });
}

fn number<T: TryFrom<u64>>(row: &Value, key: &str, case: &mut Case) -> Option<T> {
    let stated = get(row, key)?;
    let number = to_number(stated).and_then(|number| u64::try_from(number).ok());
    let number = number.and_then(|number| T::try_from(number).ok());
    if number.is_none() {
        case.fail(format!("{key} is no number in range: {stated}"));
    }
    number
}

fn check_block(row: &Value, case: &mut Case) {
    let Some(params) = params(row, case) else { return };
    let Some(height) = number(row, "height", case).map(Height::new) else { return };
    let subsidy = |version| block_subsidy(&params, version, height).units();
    case.number(row, "pow", subsidy(BlockVersion::POW));
    case.number(row, "pos", subsidy(BlockVersion::POS));
    let Some(version) = number(row, "version", case).map(BlockVersion::new) else { return };
    let subsidy = subsidy(version);
    case.number(row, "computed", subsidy);
    match number::<u64>(row, "fees", case) {
        Some(fees) => match subsidy.checked_add(fees) {
            Some(sum) => case.number(row, "coinbase_value", sum),
            None => case.fail("subsidy and fees do not fit 64 bits"),
        },
        // Whoever did not know the fees saw a coinbase that takes at least the subsidy.
        None => {
            if let Some(found) = number::<u64>(row, "coinbase_value", case) {
                case.that(found >= subsidy, || {
                    format!("coinbase_value {found} is below the subsidy, {subsidy}")
                });
            }
        }
    }
}

fn check_deposit(row: &Value, case: &mut Case) {
    let Some(value) = number(row, "deposit_value", case).map(Amount::from_units) else { return };
    for (key, network) in LOCKS {
        if let Some(params) = Params::builtin(network) {
            check_reward(row, key, &params, value, case);
        }
    }
    if has_any(row, &["lock_height"])
        && let Some(params) = params(row, case)
    {
        check_reward(row, "lock_height", &params, value, case);
    }
}

fn check_reward(row: &Value, key: &str, params: &Params, value: Amount, case: &mut Case) {
    let Some(lock) = number::<u32>(row, key, case) else { return };
    match deposit_reward(params, lock, value) {
        Some(reward) => case.number(row, "reward", reward.units()),
        None => case.fail(format!("{key}: {} has no such deposit", params.name)),
    }
}
