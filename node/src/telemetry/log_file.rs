//! A log file that is begun anew when it is full.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

/// Full files that are kept beside the present one: `node.log.1` is the latest.
const KEPT: u32 = 3;

/// A file of limited length. When it is full it is renamed and a new one is begun.
#[derive(Debug)]
pub struct LogFile {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    file: File,
    written: u64,
    most: u64,
}

impl LogFile {
    /// Opens the file, to go on at its end.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: &Path, most_bytes: u64) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let written = file.metadata()?.len();
        let most = most_bytes.max(1);
        Ok(Self { inner: Mutex::new(Inner { path: path.to_owned(), file, written, most }) })
    }
}

impl Inner {
    fn turn_over(&mut self) -> io::Result<()> {
        let numbered = |number: u32| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        for number in (1..KEPT).rev() {
            match fs::rename(numbered(number), numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, numbered(1))?;
        self.file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        self.written = 0;
        Ok(())
    }
}

/// One line being written.
#[derive(Debug)]
pub struct Line<'a>(MutexGuard<'a, Inner>);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let inner = &mut *self.0;
        let len = bytes.len() as u64; // widening
        if inner.written > 0 && inner.written.saturating_add(len) > inner.most {
            inner.turn_over()?;
        }
        inner.file.write_all(bytes)?;
        inner.written = inner.written.saturating_add(len);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.file.flush()
    }
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::LogFile;
    use std::io::Write as _;
    use tracing_subscriber::fmt::MakeWriter as _;

    #[test]
    fn files_are_few_and_short() {
        let folder = std::env::temp_dir().join(format!("mvs-node-log-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("node.log");
        for round in 0..3 {
            let log = LogFile::open(&path, 100).unwrap();
            for line in 0..20 {
                let line = format!("round {round} line {line:02} 0123456789\n");
                log.make_writer().write_all(line.as_bytes()).unwrap();
            }
        }
        let mut sizes: Vec<u64> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .collect();
        sizes.sort_unstable();
        assert_eq!(sizes.len(), 4, "{sizes:?}");
        assert!(sizes.iter().all(|size| *size <= 100), "{sizes:?}");
        let last = std::fs::read_to_string(&path).unwrap();
        assert!(last.ends_with("round 2 line 19 0123456789\n"), "{last}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
