//! Kinds whose vectors come in two ways: rows that tell by their keys what is checked, and lists of rows
//! that look alike, of which only the list's name tells it.

use serde_json::Value;

use super::Claim;
use super::fields::get;
use super::report::{Case, Report};

/// Checks one row.
pub(super) type CheckRow = fn(&Value, &mut Case);

/// A kind's rows and lists.
pub(super) struct Rows {
    /// Names of the lists.
    pub(super) lists: &'static [&'static str],
    /// How a row by itself is checked, if it is of this kind.
    pub(super) row: fn(&Value) -> Option<CheckRow>,
    /// Checks a row of the list of that name.
    pub(super) in_list: fn(&str, &Value, &mut Case),
}

impl Rows {
    /// What of a value is of this kind.
    pub(super) fn claim(&self, value: &Value) -> Claim {
        if self.lists.iter().any(|name| value.get(name).is_some_and(Value::is_array)) {
            Claim::Members(self.lists)
        } else if (self.row)(value).is_some() {
            Claim::Whole
        } else {
            Claim::Nothing
        }
    }

    /// Checks what was claimed.
    pub(super) fn check(&self, value: &Value, report: &mut Report) {
        if let Some(check) = (self.row)(value) {
            return report.case("", |case| check(value, case));
        }
        for name in self.lists {
            let rows = get(value, name).and_then(Value::as_array);
            for (index, row) in rows.into_iter().flatten().enumerate() {
                report.case(&format!(".{name}[{index}]"), |case| (self.in_list)(name, row, case));
            }
        }
    }
}
