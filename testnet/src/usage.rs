//! What a process uses, from the kernel's own counters.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

/// Clock ticks a second of `/proc/PID/stat`: 100 on every Linux of today (`sysconf(_SC_CLK_TCK)`).
const TICKS_PER_SEC: f64 = 100.0;
/// Bytes of a block of `st_blocks`, whatever the file system.
const DISK_BLOCK_BYTES: u64 = 512;

/// Memory of a process in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Resident now.
    pub resident: u64,
    /// The most that was resident since the last [`forget_peak`].
    pub peak: u64,
    /// Resident and not backed by a file.
    pub anonymous: u64,
}

/// Reads a process's memory.
///
/// # Errors
/// When the process is gone.
pub fn memory(pid: u32) -> Result<Memory> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| -> Result<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        Ok(kilobytes.with_context(|| format!("no {name} in the status of {pid}"))? * 1024)
    };
    Ok(Memory { resident: field("VmRSS:")?, peak: field("VmHWM:")?, anonymous: field("RssAnon:")? })
}

/// Starts the peak of a process's memory again from what is resident now.
///
/// # Errors
/// When the process is gone.
pub fn forget_peak(pid: u32) -> Result<()> {
    Ok(std::fs::write(format!("/proc/{pid}/clear_refs"), "5")?)
}

/// Returns the processor time that a process has used, all threads together.
///
/// # Errors
/// When the process is gone.
pub fn processor_time(pid: u32) -> Result<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in brackets may hold anything; what follows is numbers.
    let (_, numbers) = text.rsplit_once(')').context("a status line")?;
    let mut numbers = numbers.split_whitespace().skip(11);
    let mut ticks = || numbers.next().and_then(|n| n.parse::<u32>().ok()).context("a time");
    let ticks = f64::from(ticks()?) + f64::from(ticks()?);
    Ok(Duration::from_secs_f64(ticks / TICKS_PER_SEC))
}

/// Returns the bytes that a folder takes on the disk.
///
/// # Errors
/// When it cannot be read.
pub fn disk_bytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // A file may vanish while we count.
        let Ok(data) = entry.metadata() else { continue };
        bytes += if data.is_dir() {
            disk_bytes(&entry.path())?
        } else {
            data.blocks() * DISK_BLOCK_BYTES
        };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let pid = std::process::id();
        let memory = memory(pid).unwrap();
        assert!(memory.peak >= memory.resident && memory.resident >= memory.anonymous);
        assert!(memory.anonymous > 0);
        processor_time(pid).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), vec![1; 100_000]).unwrap();
        assert!(disk_bytes(folder.path()).unwrap() >= 100_000);
    }
}
