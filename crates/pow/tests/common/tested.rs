//! The code paths that tests run, for every test program of this crate.

use std::io::Write;
use std::sync::Once;

// The including module brings it into scope: its path differs between unit and integration tests.
use super::Backend;

/// The code paths of this machine. What it lacks is said once per test program, past the capture of
/// the test runner: an absent code path is not a tested one.
pub(crate) fn tested() -> Vec<Backend> {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        let mut missing = Backend::ALL.into_iter().filter(|backend| !backend.is_available());
        // A closed standard error is no reason to fail.
        let _ = missing.try_for_each(|backend| say(&mut std::io::stderr(), backend));
    });
    Backend::available()
}

fn say(out: &mut impl Write, missing: Backend) -> std::io::Result<()> {
    writeln!(out, "SKIPPED {missing}: this processor lacks it")
}

#[test]
fn what_is_skipped_is_said() {
    let mut said = Vec::new();
    say(&mut said, Backend::Avx512).unwrap();
    assert_eq!(said, b"SKIPPED avx512: this processor lacks it\n");
    assert!(tested().contains(&Backend::Portable));
}
