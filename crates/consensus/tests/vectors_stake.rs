//! Kernel, weight and difficulty of real stake blocks. The rows of `difficulty.json` are checked in
//! `testnet/kit`.

use mvs_consensus::params::Params;
use mvs_consensus::stake::{kernel_meets, stake_weight};
use mvs_primitives::amount::Amount;
use mvs_primitives::encode::Decode;
use mvs_primitives::header::Header;
use mvs_primitives::input::OutPoint;
use serde_json::Value;

mod common;

use common::{Outcome, equal, number, run, text};

/// Checks kernel, weight and difficulty of real stake blocks.
fn check_kernels(rows: &Value) -> Vec<Outcome> {
    let rows = rows.as_array().map_or(&[][..], Vec::as_slice);
    rows.iter().map(|case| (format!("kernel {case}"), check_kernel(case))).collect()
}

fn check_kernel(case: &Value) -> Result<(), String> {
    let bytes = hex::decode(text(case, "header_hex")).map_err(|error| error.to_string())?;
    let header = Header::decode(&bytes).map_err(|error| error.to_string())?;
    equal("hash", header.hash().to_string(), text(case, "hash"))?;
    let stake: OutPoint =
        text(case, "stake_outpoint").parse().map_err(|error| format!("outpoint: {error}"))?;
    let kernel = header.stake_kernel(&stake);
    let mut shown = kernel;
    shown.reverse();
    equal("kernel", hex::encode(shown), text(case, "kernel_int_hex"))?;
    let weight = number(case, "weight")?;
    if let Some(value) = case["stake_value"].as_u64() {
        let found = stake_weight(&Params::mainnet().stake, Amount::from_units(value));
        equal("weight", found, weight)?;
    }
    equal("meets", kernel_meets(&kernel, weight, header.bits), true)?;
    equal("meets without weight", kernel_meets(&kernel, 1, header.bits), false)
}

#[test]
fn real_stake_blocks() {
    run(include_str!("data/stake-blocks.json"), check_kernels, 3);
}
