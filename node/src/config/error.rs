//! What can be wrong with a configuration.

use std::path::PathBuf;

/// A configuration that is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("{path}: {message}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        message: String,
    },
    /// A key of the file that means nothing.
    #[error("{path}: unknown key `{key}`; did you mean `{nearest}`?")]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// The key that looks most like it.
        nearest: String,
    },
    /// A variable that means nothing.
    #[error("unknown environment variable {name}; did you mean {nearest}?")]
    UnknownVariable {
        /// The variable.
        name: String,
        /// The variable that looks most like it.
        nearest: String,
    },
    /// A value that cannot be.
    #[error("{origin}: `{field}`: {message}; expected {expected}")]
    Value {
        /// Where it comes from.
        origin: String,
        /// Name of the setting.
        field: String,
        /// What is wrong.
        message: String,
        /// What is allowed.
        expected: &'static str,
    },
}

impl ConfigError {
    /// Returns the stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "config.read",
            Self::Syntax { .. } => "config.syntax",
            Self::UnknownKey { .. } => "config.unknown_key",
            Self::UnknownVariable { .. } => "config.unknown_variable",
            Self::Value { .. } => "config.value",
        }
    }
}
