//! Difficulty: the three retarget formulas, boundaries, observed headers, and the age and weight of
//! stakes.

use mvs_consensus::difficulty::{required_bits, retarget_v1, retarget_v2_pos, retarget_v2_pow};
use mvs_consensus::error::Fault;
use mvs_consensus::header_view::{HeaderInfo, HeaderView};
use mvs_consensus::params::{Params, PowDifficulty};
use mvs_consensus::stake::{min_stake_age, stake_weight};
use mvs_primitives::amount::Amount;
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::header::BlockVersion;
use mvs_primitives::height::Height;
use mvs_primitives::time::Timestamp;
use serde_json::Value;

use super::Kind;
use super::fields::{get, has_any, text, to_number};
use super::network::params;
use super::report::Case;
use super::rows::{CheckRow, Rows};

pub(super) const KIND: Kind = Kind {
    name: "difficulty",
    detect: |value| ROWS.claim(value),
    check: |value, report| ROWS.check(value, report),
};

const ROWS: Rows = Rows { lists: FORMULAS, row: row_check, in_list: check_retarget };

/// Lists whose rows look alike: only the name of the list tells the formula.
const FORMULAS: &[&str] = &["v1_pow", "v2_pow", "v2_pos"];
/// A row by itself may name its formula in one of these.
const FORMULA_KEYS: &[&str] = &["formula", "rule"];

/// A timestamp in the middle of the range, so that intervals may go either way from it.
const BASE_SECS: u32 = 1_500_000_000;

/// Tells what a row by itself is by its keys.
fn row_check(row: &Value) -> Option<CheckRow> {
    let has = |keys: &[&str]| keys.iter().all(|key| get(row, key).is_some());
    if has(&["prev_bits", "expected_bits"]) {
        Some(check_named_formula)
    } else if has(&["bits", "boundary_hex"]) && !has_any(row, &["header", "hash"]) {
        Some(check_boundary)
    } else if has(&["bits", "maturity_blocks"]) {
        Some(check_age)
    } else if has(&["stake_value_satoshi"]) && has_any(row, &["weight", "s"]) {
        Some(check_weight)
    } else if has(&["height", "version", "bits"]) && !has_any(row, &["hash", "prev", "merkle"]) {
        Some(check_observed)
    } else {
        None
    }
}

fn bits(row: &Value, key: &str, case: &mut Case) -> Option<Difficulty> {
    let bits = get(row, key).and_then(to_number).map(Difficulty::new);
    if bits.is_none() {
        case.fail(format!("{key} is no difficulty"));
    }
    bits
}

/// Reads seconds, which may be negative, as a timestamp that far from the base.
fn seconds(row: &Value, case: &mut Case) -> Option<Timestamp> {
    let found = ["interval_seconds", "timestamp_delta_current_minus_prev"]
        .iter()
        .find_map(|key| get(row, key)?.as_i64());
    let found = found.and_then(|seconds| i32::try_from(seconds).ok());
    if found.is_none() {
        case.fail("no interval in seconds of 32 bits");
    }
    Some(Timestamp::from_unix_secs(BASE_SECS.wrapping_add_signed(found?)))
}

fn check_named_formula(row: &Value, case: &mut Case) {
    let named = FORMULA_KEYS.iter().find_map(|key| text(row, key));
    let only_v1 = has_any(row, &["timestamp_delta_current_minus_prev"]).then_some("v1_pow");
    match named.or(only_v1) {
        Some(formula) => check_retarget(formula, row, case),
        None => case.fail("nothing says by which formula"),
    }
}

fn check_retarget(formula: &str, row: &Value, case: &mut Case) {
    let Some(params) = params(row, case) else { return };
    let (Some(last), Some(time)) = (bits(row, "prev_bits", case), seconds(row, case)) else {
        return;
    };
    let PowDifficulty::Retarget { min } = params.pow_difficulty else {
        return case.fail("the network's difficulty is fixed");
    };
    let numbers = &params.retarget;
    let base = HeaderInfo {
        version: BlockVersion::POW,
        timestamp: Timestamp::from_unix_secs(BASE_SECS),
        bits: last,
    };
    let found = match formula {
        "v1_pow" => retarget_v1(numbers, &base, time, min),
        "v2_pow" => retarget_v2_pow(numbers, &base, time, min),
        "v2_pos" => {
            let last = HeaderInfo { timestamp: time, ..base };
            retarget_v2_pos(numbers, &last, &base, params.stake.min_difficulty)
        }
        other => return case.fail(format!("unknown formula {other}")),
    };
    case.number(row, "expected_bits", found.value());
}

fn check_boundary(row: &Value, case: &mut Case) {
    if let Some(bits) = bits(row, "bits", case) {
        case.hex(row, "boundary_hex", &bits.boundary().to_be_bytes());
        case.equal(
            "boundary of the seal check",
            &hex::encode(bits.boundary().to_be_bytes()),
            &hex::encode(mvs_pow::boundary(bits.value())),
        );
    }
}

fn check_age(row: &Value, case: &mut Case) {
    if let Some(bits) = bits(row, "bits", case) {
        case.number(row, "maturity_blocks", min_stake_age(&Params::mainnet().stake, bits));
    }
}

fn check_weight(row: &Value, case: &mut Case) {
    let units = get(row, "stake_value_satoshi").and_then(to_number);
    let Some(units) = units.and_then(|units| u64::try_from(units).ok()) else {
        return case.fail("stake_value_satoshi is no amount");
    };
    check_stake_weight(row, "weight", Amount::from_units(units), case);
}

/// Compares a stake's weight, and `s`, of which it is the cube times a factor. Returns the weight.
pub(super) fn check_stake_weight(row: &Value, key: &str, value: Amount, case: &mut Case) -> u64 {
    let stake = Params::mainnet().stake;
    let weight = stake_weight(&stake, value);
    case.number(row, key, weight);
    let roots = 0..=u64::from(u64::BITS);
    match roots.into_iter().find(|s| s * s * s * stake.weight_factor == weight) {
        Some(s) => case.number(row, "s", s),
        None => case.fail(format!("{weight} is no cube times {}", stake.weight_factor)),
    }
    weight
}

/// The chain of which nothing is known but that all blocks are of another kind than the one asked
/// for.
struct NoneBefore(BlockVersion);

impl HeaderView for NoneBefore {
    fn header_at(&self, _: Height) -> Result<Option<HeaderInfo>, Fault> {
        let timestamp = Timestamp::from_unix_secs(BASE_SECS);
        Ok(Some(HeaderInfo { version: self.0, timestamp, bits: Difficulty::from_u64(1) }))
    }

    fn last_of_version(
        &self,
        _: BlockVersion,
        _: Height,
        _: Height,
    ) -> Result<Option<(Height, HeaderInfo)>, Fault> {
        Ok(None)
    }
}

/// A real header. Its difficulty follows from earlier ones; of those the vector may say that there
/// are none of its kind. Whatever they are, it is not below the least.
fn check_observed(row: &Value, case: &mut Case) {
    let Some(params) = params(row, case) else { return };
    let small = |key: &str| u32::try_from(get(row, key).and_then(to_number)?).ok();
    let (Some(height), Some(version)) = (small("height"), small("version")) else {
        return case.fail("height or version is no number of 32 bits");
    };
    let Some(found) = bits(row, "bits", case) else { return };
    let (height, version) = (Height::new(height), BlockVersion::new(version));
    let other = if version == BlockVersion::POS { BlockVersion::POW } else { BlockVersion::POS };
    let time = Timestamp::from_unix_secs(BASE_SECS);
    let Ok(Some(least)) = required_bits(&params, &NoneBefore(other), version, time, height) else {
        return case.fail(format!("no block of version {version:?} has a difficulty"));
    };
    let is_first = text(row, "meaning").is_some_and(|meaning| meaning.starts_with("first "));
    if is_first {
        case.number(row, "bits", least.value());
    } else {
        case.that(found >= least, || format!("bits {found} are below the least, {least}"));
    }
}
