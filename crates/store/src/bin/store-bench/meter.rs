//! What the process has used so far.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};

/// Returns the process's user and system time.
pub(crate) fn process_cpu() -> Duration {
    elapsed(ClockId::ProcessCPUTime)
}

/// Returns the user and system time of this thread.
pub(crate) fn thread_cpu() -> Duration {
    elapsed(ClockId::ThreadCPUTime)
}

fn elapsed(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    // Such clocks never stand before zero.
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
}

/// Returns the bytes that the process has caused to be written to storage. Pages of mapped files
/// count when they turn dirty.
pub(crate) fn written_bytes() -> Result<u64> {
    word_after(&fs::read_to_string("/proc/self/io")?, "write_bytes:")
}

/// Returns the process's anonymous memory in bytes.
pub(crate) fn anonymous_bytes() -> Result<u64> {
    Ok(word_after(&fs::read_to_string("/proc/self/status")?, "RssAnon:")? * 1024)
}

/// Returns the disk space that the files of a folder take, in bytes.
pub(crate) fn disk_bytes(folder: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A file may go while it is looked at: segments are removed in the background.
        let Ok(metadata) = entry.metadata() else { continue };
        sum += if metadata.is_dir() { disk_bytes(&entry.path())? } else { metadata.blocks() * 512 };
    }
    Ok(sum)
}

fn word_after(text: &str, name: &str) -> Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|rest| rest.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).with_context(|| format!("no {name} in /proc"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{anonymous_bytes, process_cpu, thread_cpu, word_after, written_bytes};

    #[test]
    fn reads_what_the_kernel_tells() {
        assert!(anonymous_bytes().unwrap() > 0);
        written_bytes().unwrap();
        assert!(process_cpu() > Duration::ZERO && thread_cpu() > Duration::ZERO);
    }

    #[test]
    fn finds_the_number_after_a_name() {
        let text = "rchar: 5\nwrite_bytes: 4096\nRssAnon:\t   12 kB\n";
        assert_eq!(word_after(text, "write_bytes:").unwrap(), 4096);
        assert_eq!(word_after(text, "RssAnon:").unwrap(), 12);
        assert!(word_after(text, "nothing:").is_err());
    }
}
