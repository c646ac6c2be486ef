//! The words that no name may hold.

use mvs_primitives::symbol::{SENSITIVE_WORDS, SymbolError, check_asset_symbol, check_mit_symbol};
use serde_json::Value;

use super::fields::get;
use super::report::{Case, Report};
use super::{Claim, Kind};

pub(super) const KIND: Kind = Kind { name: "symbols", detect, check };

const WORDS: &str = "sensitive_substrings";
const FORBIDDEN: &str = "forbidden_asset_symbols";

fn detect(value: &Value) -> Claim {
    match (get(value, WORDS).is_some(), get(value, FORBIDDEN).is_some()) {
        (true, true) => Claim::Members(&[WORDS, FORBIDDEN]),
        (true, false) => Claim::Members(&[WORDS]),
        (false, true) => Claim::Members(&[FORBIDDEN]),
        (false, false) => Claim::Nothing,
    }
}

fn check(value: &Value, report: &mut Report) {
    if get(value, WORDS).is_some() {
        report.case(&format!(".{WORDS}"), |case| check_words(&value[WORDS], case));
    }
    if get(value, FORBIDDEN).is_some() {
        report.case(&format!(".{FORBIDDEN}"), |case| check_forbidden(&value[FORBIDDEN], case));
    }
}

fn words<'v>(list: &'v Value, case: &mut Case) -> Vec<&'v str> {
    let words = list.as_array().and_then(|list| list.iter().map(Value::as_str).collect());
    words.unwrap_or_else(|| {
        case.fail("no list of words");
        Vec::new()
    })
}

fn check_words(list: &Value, case: &mut Case) {
    let words = words(list, case);
    for word in &words {
        case.that(SENSITIVE_WORDS.contains(word), || format!("{word} is missing in our list"));
        // Inside a longer name, in every kind of name that the list is used for.
        let name = format!("Q{word}Q");
        for found in [check_asset_symbol(name.as_bytes(), true), check_mit_symbol(name.as_bytes())]
        {
            case.that(matches!(found, Err(SymbolError::SensitiveWord(_))), || {
                format!("{name} must be refused, found {found:?}")
            });
        }
    }
    for word in SENSITIVE_WORDS {
        case.that(words.contains(word), || format!("{word} is in our list but not in this one"));
    }
}

/// An asset of such a name can never be spent; that consensus says so is checked there. Here: no new
/// asset can take the name.
fn check_forbidden(list: &Value, case: &mut Case) {
    for symbol in words(list, case) {
        let found = check_asset_symbol(symbol.as_bytes(), true);
        case.that(found.is_err(), || format!("{symbol} can be issued"));
    }
}
