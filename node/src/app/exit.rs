//! Exit codes.

use std::process::ExitCode;

use mvs_consensus::params::chain_spec::ChainSpecError;
use mvs_store::StoreError;
use mvs_store::engine::EngineError;

use super::cli::CliError;
use crate::chain::core::ChainError;
use crate::chain::import::ImportError;
use crate::config::ConfigError;
use crate::rpc::{AuthError, UserError};

/// How the program ends; see the table in [`crate::app`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0
    Done,
    /// 1
    Failed,
    /// 2
    Usage,
    /// 3
    InUse,
    /// 4
    Damaged,
    /// 5
    Disk,
    /// 6
    Wrong,
    /// 7
    Refused,
    /// 8
    Unreachable,
}

/// `check` found something wrong.
#[derive(Debug, thiserror::Error)]
#[error("{errors} things are wrong with the store")]
pub(super) struct CheckFailed {
    pub(super) errors: u64,
}

impl Exit {
    /// Finds the exit code of a failure.
    pub fn of(error: &anyhow::Error) -> Self {
        for cause in error.chain() {
            if let Some(error) = cause.downcast_ref::<StoreError>() {
                return Self::of_store(error);
            }
            if let Some(error) = cause.downcast_ref::<ChainError>() {
                return match error {
                    ChainError::Store(error) => Self::of_store(error),
                    ChainError::Fault(_) => Self::Failed,
                };
            }
            if let Some(error) = cause.downcast_ref::<ImportError>() {
                return match error {
                    ImportError::Chain(ChainError::Store(error)) => Self::of_store(error),
                    ImportError::Chain(_) | ImportError::Read(_) | ImportError::Stopped => {
                        Self::Failed
                    }
                    _ => Self::Wrong,
                };
            }
            if let Some(error) = cause.downcast_ref::<CliError>() {
                return match error {
                    CliError::Usage(_) => Self::Usage,
                    CliError::Refused(_) => Self::Refused,
                    CliError::Unreachable { .. } | CliError::Credentials { .. } => {
                        Self::Unreachable
                    }
                    CliError::Strange(_) => Self::Failed,
                };
            }
            if cause.is::<CheckFailed>() {
                return Self::Wrong;
            }
            let is_usage = cause.is::<ConfigError>()
                || cause.is::<ChainSpecError>()
                || cause.is::<UserError>()
                || matches!(cause.downcast_ref(), Some(AuthError::Nobody));
            if is_usage {
                return Self::Usage;
            }
        }
        Self::Failed
    }

    const fn of_store(error: &StoreError) -> Self {
        match error {
            StoreError::Engine(EngineError::Locked) => Self::InUse,
            StoreError::Engine(EngineError::Io { .. } | EngineError::NoSpace { .. }) => Self::Disk,
            StoreError::Cancelled => Self::Failed,
            _ => Self::Damaged,
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::InUse => 3,
            Self::Damaged => 4,
            Self::Disk => 5,
            Self::Wrong => 6,
            Self::Refused => 7,
            Self::Unreachable => 8,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
