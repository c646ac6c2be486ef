//! Attenuation models: whether they parse, the checks of new and running ones, what they free, the
//! distance between two, and what a wallet makes of a stated one.

use mvs_consensus::attachment::attenuation::{AttenuationError, AttenuationModel, make_initial};
use mvs_primitives::amount::AssetAmount;
use serde_json::Value;

use super::Kind;
use super::fields::{get, has_any, to_number};
use super::report::Case;
use super::rows::{CheckRow, Rows};

pub(super) const KIND: Kind = Kind {
    name: "attenuation",
    detect: |value| ROWS.claim(value),
    check: |value, report| ROWS.check(value, report),
};

const ROWS: Rows = Rows { lists: VERDICTS, row: row_check, in_list: check_verdict };

/// Lists whose rows look alike: only the name of the list tells what was asked.
const VERDICTS: &[&str] = &["format_ok", "initial_check", "running_check"];

/// Tells what a row by itself is by its keys.
fn row_check(row: &Value) -> Option<CheckRow> {
    let has = |keys: &[&str]| keys.iter().all(|key| get(row, key).is_some());
    if has(&["model_param", "diff_height"]) {
        Some(check_available)
    } else if has(&["old", "distance"]) {
        Some(check_distance)
    } else if has(&["input", "amount"]) && has_any(row, &["ok", "result"]) {
        Some(check_make_initial)
    } else if has(&["model_param", "ok"]) {
        Some(check_lone_verdict)
    } else {
        None
    }
}

fn bytes<'v>(row: &'v Value, key: &str, case: &mut Case) -> Option<&'v [u8]> {
    let text = get(row, key).and_then(Value::as_str);
    if text.is_none() {
        case.fail(format!("{key} is missing or no text"));
    }
    text.map(str::as_bytes)
}

fn number(row: &Value, key: &str, case: &mut Case) -> Option<u64> {
    let number = get(row, key).and_then(to_number).and_then(|number| u64::try_from(number).ok());
    if number.is_none() {
        case.fail(format!("{key} is missing or no number of 64 bits"));
    }
    number
}

/// Compares a verdict; without `ok` in it, a vector is meant to be good.
fn verdict<T: std::fmt::Debug>(row: &Value, found: &Result<T, AttenuationError>, case: &mut Case) {
    let expected = get(row, "ok").map_or(Some(true), Value::as_bool);
    case.that(expected == Some(found.is_ok()), || {
        let found = found.as_ref().map_or_else(|e| format!("{e} [{}]", e.code()), |_| "ok".into());
        format!("ok: expected {expected:?}, found {found}")
    });
}

fn check_lone_verdict(row: &Value, case: &mut Case) {
    if has_any(row, &["amount"]) {
        return case.fail("nothing says whether it is a new model or a running one");
    }
    check_verdict("format_ok", row, case);
}

fn check_verdict(asked: &str, row: &Value, case: &mut Case) {
    let Some(text) = bytes(row, "model_param", case) else { return };
    let model = AttenuationModel::parse(text);
    if asked == "format_ok" {
        return verdict(row, &model, case);
    }
    let Some(amount) = number(row, "amount", case).map(AssetAmount::from_units) else { return };
    let found = model.and_then(|model| match asked {
        "initial_check" => model.check_initial(amount),
        _ => model.check_running(amount),
    });
    verdict(row, &found, case);
}

fn check_available(row: &Value, case: &mut Case) {
    let amount = number(row, "asset_amount", case).map(AssetAmount::from_units);
    let blocks = number(row, "diff_height", case);
    let (Some(text), Some(amount), Some(blocks)) =
        (bytes(row, "model_param", case), amount, blocks)
    else {
        return;
    };
    let release = AttenuationModel::parse(text).and_then(|model| model.available(amount, blocks));
    verdict(row, &release, case);
    let Ok(release) = release else { return };
    case.number(row, "available", release.available.units());
    // Null is an answer here: nothing stays locked.
    if let Some(expected) = row.get("new_model_param") {
        let found = release.parameter.map(|text| String::from_utf8_lossy(&text).into_owned());
        case.that(expected.as_str() == found.as_deref(), || {
            format!("new_model_param: expected {expected}, found {found:?}")
        });
    }
}

fn check_distance(row: &Value, case: &mut Case) {
    let Some(old) = bytes(row, "old", case) else { return };
    // Without a new model everything was spent.
    let new = get(row, "new").and_then(Value::as_str).unwrap_or_default();
    let new =
        if new.is_empty() { Ok(None) } else { AttenuationModel::parse(new.as_bytes()).map(Some) };
    let models = AttenuationModel::parse(old).and_then(|old| Ok((old, new?)));
    match models {
        // The ancestor writes infinite as the largest number.
        Ok((old, new)) => {
            case.number(row, "distance", old.distance(new.as_ref()).unwrap_or(u64::MAX));
        }
        Err(error) => case.fail(format!("a model does not parse: {error} [{}]", error.code())),
    }
}

fn check_make_initial(row: &Value, case: &mut Case) {
    let amount = number(row, "amount", case).map(AssetAmount::from_units);
    let (Some(input), Some(amount)) = (bytes(row, "input", case), amount) else { return };
    let made = make_initial(input, amount);
    verdict(row, &made, case);
    if let Ok(made) = made {
        case.text(row, "result", &String::from_utf8_lossy(&made));
    }
}
