//! `attenuation.json`: calls of the compiled reference functions, and public JavaScript tests.

use mvs_consensus::attachment::attenuation::{AttenuationModel, make_initial};
use mvs_primitives::amount::AssetAmount;
use serde_json::Value;

mod common;

use common::{Outcome, equal, list, number, run, text};

/// Checks all rows of the document.
fn check_attenuation(value: &Value) -> Vec<Outcome> {
    let recorded = &value["recorded_from_reference"];
    let rows = |from: &Value, key: &'static str, check: fn(&Value) -> Result<(), String>| {
        list(from, key)
            .iter()
            .map(|case| (format!("{key} {case}"), check(case)))
            .collect::<Vec<_>>()
    };
    [
        rows(value, "from_libraries", check_available),
        rows(value, "derived", check_available),
        rows(recorded, "format_ok", check_format),
        rows(recorded, "initial_check", check_initial),
        rows(recorded, "running_check", check_running),
        rows(recorded, "distance", check_distance),
        rows(recorded, "wallet_make_initial", check_make_initial),
    ]
    .concat()
}

fn model(text: &str) -> Result<AttenuationModel, String> {
    AttenuationModel::parse(text.as_bytes()).map_err(|error| error.to_string())
}

fn amount(case: &Value, key: &str) -> Result<AssetAmount, String> {
    number(case, key).map(AssetAmount::from_units)
}

fn is_ok(case: &Value) -> Option<bool> {
    case["ok"].as_bool()
}

fn check_available(case: &Value) -> Result<(), String> {
    let release = model(text(case, "model_param"))?
        .available(amount(case, "asset_amount")?, number(case, "diff_height")?)
        .map_err(|error| error.to_string())?;
    equal("available", release.available, amount(case, "available")?)?;
    let parameter = release.parameter.map(|text| String::from_utf8_lossy(&text).into_owned());
    equal("parameter", parameter.as_deref(), case["new_model_param"].as_str())
}

fn check_format(case: &Value) -> Result<(), String> {
    let model = model(text(case, "model_param"));
    equal(&format!("{model:?}"), Some(model.is_ok()), is_ok(case))
}

fn check_initial(case: &Value) -> Result<(), String> {
    let amount = amount(case, "amount")?;
    let result = AttenuationModel::parse(text(case, "model_param").as_bytes())
        .and_then(|model| model.check_initial(amount));
    equal(&format!("{result:?}"), Some(result.is_ok()), is_ok(case))
}

fn check_running(case: &Value) -> Result<(), String> {
    let amount = amount(case, "amount")?;
    let result = AttenuationModel::parse(text(case, "model_param").as_bytes())
        .and_then(|model| model.check_running(amount));
    equal(&format!("{result:?}"), Some(result.is_ok()), is_ok(case))
}

fn check_distance(case: &Value) -> Result<(), String> {
    let new = match text(case, "new") {
        "" => None,
        new => Some(model(new)?),
    };
    let distance = model(text(case, "old"))?.distance(new.as_ref());
    // The ancestor writes infinite as the largest number.
    equal("distance", distance.unwrap_or(u64::MAX), number(case, "distance")?)
}

fn check_make_initial(case: &Value) -> Result<(), String> {
    let result = make_initial(text(case, "input").as_bytes(), amount(case, "amount")?);
    equal(&format!("{result:?}"), Some(result.is_ok()), is_ok(case))?;
    let Ok(parameter) = result else { return Ok(()) };
    equal("result", String::from_utf8_lossy(&parameter), text(case, "result"))
}

#[test]
fn attenuation_vectors() {
    let count = 7 + 57 + 25 + 204 + 127 + 12 + 5;
    run(include_str!("data/attenuation.json"), check_attenuation, count);
}
