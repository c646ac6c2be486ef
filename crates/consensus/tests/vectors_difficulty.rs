//! `difficulty.json`: retarget formulas and boundaries. Its stake rows are in `vectors_stake.rs`.

use mvs_consensus::difficulty::{required_bits, retarget_v1, retarget_v2_pos, retarget_v2_pow};
use mvs_consensus::header_view::{HeaderChain, HeaderInfo, run_length};
use mvs_consensus::params::{Params, PowDifficulty};
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::header::BlockVersion;
use mvs_primitives::height::Height;
use mvs_primitives::time::Timestamp;
use serde_json::Value;

mod common;

use common::{Outcome, equal, list, run, text};

/// A timestamp in the middle of the range, so that vectors may go either way from it.
const BASE_SECS: u32 = 1_500_000_000;

/// Checks the rows under `retarget` and `boundary`.
fn check_difficulty(value: &Value) -> Vec<Outcome> {
    let retarget = |kind: &'static str| {
        list(&value["retarget"], kind).iter().enumerate().map(move |(index, case)| {
            (format!("{kind} {index}: {case}"), check_retarget(kind, case))
        })
    };
    ["v1_pow", "v2_pow", "v2_pos"]
        .into_iter()
        .flat_map(retarget)
        .chain(
            list(value, "boundary")
                .iter()
                .map(|case| (format!("boundary {case}"), check_boundary(case))),
        )
        .collect()
}

fn bits(case: &Value, key: &str) -> Result<Difficulty, String> {
    text(case, key).parse().map_err(|error| format!("{key}: {error}"))
}

fn seconds(case: &Value, key: &str) -> Result<Timestamp, String> {
    let delta = case[key].as_i64().and_then(|delta| i32::try_from(delta).ok());
    let delta = delta.ok_or_else(|| format!("{key} is no number"))?;
    Ok(Timestamp::from_unix_secs(BASE_SECS.wrapping_add_signed(delta)))
}

fn check_retarget(kind: &str, case: &Value) -> Result<(), String> {
    let network = text(case, "network");
    let params = Params::builtin(network).ok_or_else(|| format!("unknown network {network}"))?;
    let numbers = &params.retarget;
    let PowDifficulty::Retarget { min } = params.pow_difficulty else {
        return Err("fixed difficulty".to_owned());
    };
    let base = Timestamp::from_unix_secs(BASE_SECS);
    let info = |timestamp, bits| HeaderInfo { version: BlockVersion::POW, timestamp, bits };
    let last = bits(case, "prev_bits")?;
    let found = match kind {
        "v1_pow" => {
            let now = seconds(case, "timestamp_delta_current_minus_prev")?;
            retarget_v1(numbers, &info(base, last), now, min)
        }
        "v2_pow" => {
            let now = seconds(case, "interval_seconds")?;
            retarget_v2_pow(numbers, &info(base, last), now, min)
        }
        _ => {
            let last = info(seconds(case, "interval_seconds")?, last);
            retarget_v2_pos(numbers, &last, &info(base, last.bits), params.stake.min_difficulty)
        }
    };
    equal("bits", found, bits(case, "expected_bits")?)
}

fn check_boundary(case: &Value) -> Result<(), String> {
    let boundary = bits(case, "bits")?.boundary();
    equal("boundary", hex::encode(boundary.to_be_bytes()), text(case, "boundary_hex"))
}

#[test]
fn difficulty_vectors() {
    run(include_str!("data/difficulty.json"), check_difficulty, 54 + 132 + 132 + 12);
}

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
    let required = required_bits(params, chain, version, timestamp, height);
    let run = run_length(chain, version, height);
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
