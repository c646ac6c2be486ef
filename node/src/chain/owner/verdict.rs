//! One line in the log for each verdict on something from outside, off by default: `--log
//! info,verdict=debug`. It shows operators and scenarios *why* something was refused, which the
//! protocol itself has no words for.

use std::fmt::Display;

/// A block joined the chain, or a loose transaction the pool.
pub(super) fn accepted(hash: &impl Display) {
    tracing::debug!(target: "verdict", %hash, "accepted");
}

/// A header, block or loose transaction was refused; the code is that of the rule.
pub(super) fn refused(hash: &impl Display, code: &'static str) {
    tracing::debug!(target: "verdict", %hash, code, "refused");
}
