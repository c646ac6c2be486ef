//! What was checked and what came out.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mvs_primitives::text::is_hazardous;

/// The outcome of a run, and the place in the input where it stands.
#[derive(Debug, Default)]
pub struct Report {
    passed: usize,
    failures: Vec<String>,
    errors: Vec<String>,
    path: Vec<String>,
    kind: &'static str,
}

impl Report {
    /// Returns how many vectors passed.
    pub const fn passed(&self) -> usize {
        self.passed
    }

    /// Returns one line for each vector that failed.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// Returns one line for each input that could not be used at all.
    pub fn errors(&self) -> &[String] {
        &self.errors
    }

    /// Checks one vector. It passes if `check` makes at least one check and no check fails; a panic
    /// is a failure. `label` is appended to the path, and may be empty.
    pub fn case(&mut self, label: &str, check: impl FnOnce(&mut Case)) {
        let mut case = Case::default();
        if catch_unwind(AssertUnwindSafe(|| check(&mut case))).is_err() {
            case.fail("the code under test panicked");
        }
        if case.problems.is_empty() && case.checks == 0 {
            case.fail("nothing in it could be checked");
        }
        if case.problems.is_empty() {
            self.passed += 1;
        } else {
            let problems = case.problems.join("; ");
            let path = self.within(label.to_owned(), |report| report.path());
            self.failed_at(path.trim_end_matches(':').to_owned(), &problems);
        }
    }

    /// Works one level deeper in the input; `step` is appended to the path.
    pub fn within<T>(&mut self, step: String, work: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step);
        let result = work(self);
        self.path.pop();
        result
    }

    /// Notes that the input at the current path cannot be used.
    pub fn error(&mut self, message: &str) {
        let line = format!("{}: {message}", self.path().trim_end_matches(':'));
        self.errors.push(one_line(&line));
    }

    /// Works for a kind. A panic outside a single vector leaves an unknown number unchecked.
    pub(super) fn of_kind(&mut self, kind: &'static str, work: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.kind, kind);
        let depth = self.path.len();
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_err() {
            self.path.truncate(depth);
            self.failed_at(self.path(), "the code under test panicked, the rest is not checked");
        }
        self.kind = outer;
    }

    pub(super) fn path(&self) -> String {
        self.path.concat().replacen(":.", ":", 1)
    }

    pub(super) fn failed_at(&mut self, path: String, message: &str) {
        let kind = if self.kind.is_empty() { String::new() } else { format!(" ({})", self.kind) };
        self.failures.push(one_line(&format!("{path}{kind}: {message}")));
    }
}

/// Names and values in vectors are not ours: one must not look like several lines of a report, nor
/// command the terminal.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hazardous(character) {
            line.extend(character.escape_unicode());
        } else {
            line.push(character);
        }
    }
    line
}

/// The checks of one vector.
#[derive(Debug, Default)]
pub struct Case {
    checks: usize,
    problems: Vec<String>,
}

impl Case {
    /// Counts a check, and notes a problem unless `holds`.
    pub fn that(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        self.checks += 1;
        if !holds {
            self.fail(problem());
        }
    }

    /// Notes a problem.
    pub fn fail(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    /// Makes checks whose problems are shown after `name`, such as that of a code path.
    pub(super) fn named(&mut self, name: &str, check: impl FnOnce(&mut Self)) {
        let before = self.problems.len();
        check(self);
        for problem in self.problems.iter_mut().skip(before) {
            *problem = format!("{name}: {problem}");
        }
    }
}
