//! A memory limit for a store's process: a control group of version 1.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use rustix::fs::{Advice, fadvise};

/// Where the memory controller is mounted.
const CONTROLLER: &str = "/sys/fs/cgroup/memory";

/// A control group with a limit, removed in the end.
#[derive(Debug)]
pub struct Limit {
    group: PathBuf,
}

impl Limit {
    /// Makes a group of the given name.
    pub fn new(name: &str, mib: u64) -> Result<Self> {
        let group =
            Path::new(CONTROLLER).join(format!("store-peers-{}-{name}", std::process::id()));
        fs::create_dir(&group).with_context(|| format!("no control group {}", group.display()))?;
        let limit = Self { group };
        let bytes = (mib << 20).to_string();
        fs::write(limit.group.join("memory.limit_in_bytes"), bytes).context("no memory limit")?;
        Ok(limit)
    }

    /// Returns a command that runs a program inside the group.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("/bin/sh");
        let script = "echo $$ > \"$0\" && exec \"$@\"";
        command.arg("-c").arg(script).arg(self.group.join("cgroup.procs")).arg(program);
        command
    }

    /// Returns the most memory that the group has held, in bytes.
    pub fn peak_bytes(&self) -> Result<u64> {
        Ok(fs::read_to_string(self.group.join("memory.max_usage_in_bytes"))?.trim().parse()?)
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        // Pages that its process left in the cache keep a group busy.
        let _ = fs::write(self.group.join("memory.force_empty"), "0");
        if let Err(error) = fs::remove_dir(&self.group) {
            eprintln!("control group {} stays behind: {error}", self.group.display());
        }
    }
}

/// Drops a folder's pages from the page cache, so that what is read again counts for the reader.
pub fn forget(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            forget(&path)?;
        } else {
            let file = File::open(&path)?;
            file.sync_all()?;
            fadvise(&file, 0, None, Advice::DontNeed)?;
        }
    }
    Ok(())
}
