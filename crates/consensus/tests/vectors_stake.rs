//! `difficulty.json`, its rows `stake_maturity` and `stake_weight`.

use mvs_consensus::params::Params;
use mvs_consensus::stake::{min_stake_age, stake_weight};
use mvs_primitives::amount::Amount;
use serde_json::Value;

mod common;

use common::{Outcome, equal, list, number, number32, run, text};

/// Checks the rows `stake_maturity` and `stake_weight`.
fn check_stake(value: &Value) -> Vec<Outcome> {
    let rows = |key: &'static str, check: fn(&Value) -> Result<(), String>| {
        list(value, key).iter().map(move |case| (format!("{key} {case}"), check(case)))
    };
    rows("stake_maturity", check_age).chain(rows("stake_weight", check_weight)).collect()
}

fn check_age(case: &Value) -> Result<(), String> {
    let bits = text(case, "bits").parse().map_err(|error| format!("bits: {error}"))?;
    let age = min_stake_age(&Params::mainnet().stake, bits);
    equal("age", age, number32(case, "maturity_blocks")?)
}

fn check_weight(case: &Value) -> Result<(), String> {
    let value = Amount::from_units(number(case, "stake_value_satoshi")?);
    equal("weight", stake_weight(&Params::mainnet().stake, value), number(case, "weight")?)
}

#[test]
fn stake_vectors() {
    run(include_str!("data/difficulty.json"), check_stake, 9 + 11);
}
