//! Keeps the memory of the process to itself.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Forbids core dumps, and other programs of the same user to look into this process. To be called
/// first in `main`, before any secret is read.
///
/// # Errors
/// What the system said; the caller must then not go on to read secrets.
pub fn protect_memory() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}
