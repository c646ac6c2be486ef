//! Exit codes.

use std::process::ExitCode;

use mvs_consensus::params::chain_spec::ChainSpecError;
use mvs_primitives::address::AddressError;
use mvs_primitives::hash::TxId;
use mvs_rpc_api::error::ErrorCode;

use crate::assemble::AssembleError;
use crate::keys::mnemonic::MnemonicError;
use crate::keystore::error::KeystoreError;
use crate::link::LinkError;
use crate::password::PasswordError;
use crate::stake::TemplateFault;

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
    Password,
    /// 6
    Lie,
    /// 7
    Refused,
    /// 8
    Unreachable,
    /// 9
    No,
}

/// The question makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Usage(pub(super) String);

/// The person at the terminal said no.
#[derive(Debug, thiserror::Error)]
#[error("nothing was signed")]
pub(super) struct Declined;

/// A transaction was handed in and no answer came. The code is none that programs take for a reason to
/// try again.
#[derive(Debug, thiserror::Error)]
#[error(
    "it is not known whether transaction {txid} was sent; look for it (mvs-node cli chain_transaction \
     {txid}) before you try again"
)]
pub(super) struct Unsure {
    /// Its id.
    pub(super) txid: TxId,
    /// What happened.
    pub(super) source: LinkError,
}

impl Exit {
    /// Finds the exit code of a failure.
    pub fn of(error: &anyhow::Error) -> Self {
        error.chain().find_map(Self::of_cause).unwrap_or(Self::Failed)
    }

    fn of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<Self> {
        if cause.is::<Unsure>() {
            return Some(Self::Failed);
        }
        if let Some(error) = cause.downcast_ref::<KeystoreError>() {
            return Some(Self::of_keystore(error));
        }
        if let Some(error) = cause.downcast_ref::<LinkError>() {
            return Some(Self::of_link(error));
        }
        if let Some(error) = cause.downcast_ref::<AssembleError>() {
            return Some(if error.is_lie() { Self::Lie } else { Self::Usage });
        }
        if cause.is::<TemplateFault>() {
            return Some(Self::Lie);
        }
        if cause.is::<PasswordError>() {
            return Some(Self::Password);
        }
        if cause.is::<Declined>() {
            return Some(Self::No);
        }
        let is_usage = cause.is::<Usage>()
            || cause.is::<ChainSpecError>()
            || cause.is::<AddressError>()
            || cause.is::<MnemonicError>();
        is_usage.then_some(Self::Usage)
    }

    fn of_keystore(error: &KeystoreError) -> Self {
        match error {
            KeystoreError::WrongPassword => Self::Password,
            KeystoreError::Locked { .. } => Self::InUse,
            KeystoreError::Exists { .. } => Self::Usage,
            KeystoreError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                Self::Damaged
            }
            KeystoreError::Io { .. }
            | KeystoreError::Random(_)
            | KeystoreError::Memory { .. }
            | KeystoreError::TooLarge { .. } => Self::Failed,
            _ => Self::Damaged,
        }
    }

    fn of_link(error: &LinkError) -> Self {
        match error {
            LinkError::Refused(refused) if refused.is(ErrorCode::Rights) => Self::Unreachable,
            LinkError::Refused(_) => Self::Refused,
            LinkError::Unreachable { .. } | LinkError::Credentials { .. } => Self::Unreachable,
            LinkError::Strange { .. } => Self::Lie,
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::InUse => 3,
            Self::Damaged => 4,
            Self::Password => 5,
            Self::Lie => 6,
            Self::Refused => 7,
            Self::Unreachable => 8,
            Self::No => 9,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::{Declined, Exit, Usage};
    use crate::keystore::error::KeystoreError;
    use anyhow::Context as _;

    #[test]
    fn causes_are_found_behind_context() {
        let of = |result: anyhow::Result<()>| Exit::of(&result.unwrap_err());
        assert_eq!(of(Err(Declined.into())), Exit::No);
        assert_eq!(of(Err(Usage("x".to_owned())).context("more")), Exit::Usage);
        assert_eq!(of(Err(KeystoreError::WrongPassword).context("more")), Exit::Password);
        assert_eq!(of(Err(anyhow::anyhow!("other"))), Exit::Failed);
    }
}
