//! Difficulty and run length of every header of a recorded chain. The rows of `difficulty.json` are
//! checked in `testnet/kit`.

use mvs_consensus::difficulty::required_bits;
use mvs_consensus::header_view::{HeaderChain, HeaderInfo, run_length};
use mvs_consensus::params::{Params, PowDifficulty};
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::header::BlockVersion;
use mvs_primitives::height::Height;
use mvs_primitives::time::Timestamp;
use serde_json::Value;

mod common;

use common::{Outcome, equal, run};

/// The rules of the recorded chain that decide its headers (reference-chain-pos/README.md).
fn reference_pos_headers() -> Params {
    let mut params = Params::mainnet();
    params.pos_enabled_height = 600;
    params.pow_difficulty = PowDifficulty::Retarget { min: Difficulty::from_u64(4_100) };
    params.stake.min_difficulty = Difficulty::from_u64(10_000);
    params.stake.run_limits_above = Height::new(700);
    params
}

/// Checks difficulty and run length of every header of a recorded chain, from height 1 on, given as
/// rows `[version, bits, timestamp]`.
fn check_headers(params: &Params, rows: &Value) -> Vec<Outcome> {
    let mut chain = HeaderChain::new();
    chain.push(&params.genesis.header);
    let check = |(row, height): (&Value, u32)| {
        let outcome = check_header(params, &mut chain, row, Height::new(height));
        (format!("height {height}: {row}"), outcome)
    };
    rows.as_array().map_or(&[][..], Vec::as_slice).iter().zip(1..).map(check).collect()
}

fn check_header(
    params: &Params,
    chain: &mut HeaderChain,
    row: &Value,
    height: Height,
) -> Result<(), String> {
    let number = |index: usize| {
        row[index].as_u64().and_then(|number| u32::try_from(number).ok()).ok_or("no number")
    };
    let version = BlockVersion::new(number(0)?);
    let timestamp = Timestamp::from_unix_secs(number(2)?);
    let bits = row[1].as_str().ok_or("no bits")?.parse().map_err(|_| "bad bits")?;
    let required = required_bits(params, chain, version, timestamp, height).unwrap();
    let run = run_length(chain, version, height).unwrap();
    chain.push(HeaderInfo { version, timestamp, bits });
    equal("bits", Some(bits), required)?;
    let max_run = if version == BlockVersion::POW {
        params.stake.max_pow_run
    } else {
        params.stake.max_pos_run
    };
    if height > params.stake.run_limits_above && run.is_some_and(|run| run > max_run) {
        return Err(format!("run of {run:?}, at most {max_run} allowed"));
    }
    Ok(())
}

#[test]
fn headers_of_the_recorded_stake_chain() {
    let params = reference_pos_headers();
    let json = include_str!("data/reference-pos-headers.json");
    run(json, |rows| check_headers(&params, rows), 1560);
}
