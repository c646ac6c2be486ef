//! Logs and numbers.
//!
//! Logs go to standard error and to files that cannot grow without end. What a peer can trigger is
//! logged through a [`Gate`], so that nobody fills a disk with our own words. Numbers are written in
//! the text form of Prometheus; their table is in [`metrics`].

mod gate;
mod log_file;
pub mod metrics;

use std::io::IsTerminal;
use std::path::Path;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::writer::MakeWriterExt as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, reload};

pub use gate::Gate;
pub use log_file::LogFile;

/// Logs cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The filter is none.
    #[error("`log.log`: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The file cannot be opened.
    #[error("cannot open the log file {path}: {source}")]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Nothing is logged any more.
    #[error("logs have ended")]
    Gone,
    /// It was done before.
    #[error("logs are set up already")]
    Twice,
}

/// Changes what is logged while the program runs.
#[derive(Debug, Clone)]
pub struct LogControl(reload::Handle<Targets, Registry>);

impl LogControl {
    /// Takes another filter from now on.
    ///
    /// # Errors
    /// [`LogError::Filter`], or [`LogError::Gone`] when nothing is logged any more.
    pub fn set(&self, filter: &str) -> Result<(), LogError> {
        let filter: Targets = filter.parse()?;
        self.0.reload(filter).map_err(|_| LogError::Gone)
    }
}

#[cfg(test)]
impl LogControl {
    /// A control of logs that have ended.
    pub(crate) fn detached() -> Self {
        let (_, control) = reload::Layer::new(Targets::new());
        Self(control)
    }
}

/// Starts to log: to standard error, and to a file of at most so many bytes if one is given.
///
/// # Errors
/// [`LogError`].
pub fn start_logs(filter: &str, file: Option<(&Path, u64)>) -> Result<LogControl, LogError> {
    let filter: Targets = filter.parse()?;
    let (filter, control) = reload::Layer::new(filter);
    let file = match file {
        None => None,
        Some((path, bytes)) => {
            let open = LogFile::open(path, bytes)
                .map_err(|source| LogError::File { path: path.to_owned(), source })?;
            Some(open)
        }
    };
    // Colours would end up in the file as well.
    let is_coloured = std::io::stderr().is_terminal() && file.is_none();
    let lines = tracing_subscriber::fmt::layer().with_ansi(is_coloured);
    let registry = tracing_subscriber::registry().with(filter);
    let started = match file {
        Some(file) => registry.with(lines.with_writer(std::io::stderr.and(file))).try_init(),
        None => registry.with(lines.with_writer(std::io::stderr)).try_init(),
    };
    started.map_err(|_| LogError::Twice)?;
    Ok(LogControl(control))
}
