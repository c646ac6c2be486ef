//! Everything that can go wrong here, one variant per reason.

use std::path::PathBuf;

use crate::{Backend, Epoch};

/// Why a seal was refused, or why a cache or a dataset could not be had.
///
/// # Errors
/// Three families, told apart by [`PowError::code`]: `pow.seal.*` is the sender's fault, `pow.epoch.*`
/// and `pow.backend.*` the caller's, `pow.memory.*` and `pow.file.*` this machine's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PowError {
    /// The final hash, computed from the claimed mix hash, is above the boundary.
    #[error("final hash {} is above the boundary {}", Hex(found), Hex(boundary))]
    ResultAboveBoundary {
        /// The final hash, a big-endian number.
        found: [u8; 32],
        /// The largest final hash that the difficulty allows, a big-endian number.
        boundary: [u8; 32],
    },
    /// The recomputed mix hash differs from the claimed one.
    #[error("mix hash is {}, the seal claims {}", Hex(computed), Hex(claimed))]
    MixMismatch {
        /// The mix hash that the seal hash and the nonce lead to.
        computed: [u8; 32],
        /// The mix hash in the seal.
        claimed: [u8; 32],
    },
    /// The epoch lies beyond [`Epoch::LAST`].
    #[error("epoch {epoch} is beyond the last one, {}", Epoch::LAST.number())]
    EpochOutOfRange {
        /// The epoch asked for.
        epoch: u64,
    },
    /// No epoch up to [`Epoch::LAST`] has this seed.
    #[error("no epoch has the seed {}", Hex(seed))]
    UnknownSeed {
        /// The seed asked for.
        seed: [u8; 32],
    },
    /// A cache or dataset of one epoch was asked about a seal of another.
    #[error("epoch {found} where epoch {required} is needed")]
    WrongEpoch {
        /// The epoch of the cache, dataset or file at hand.
        found: u32,
        /// The epoch that the caller needs.
        required: u32,
    },
    /// This machine cannot run the code path that was asked for.
    #[error("this processor cannot run the {0} code path")]
    BackendUnavailable(Backend),
    /// The memory for a cache or a dataset could not be had.
    #[error("cannot allocate {bytes} bytes")]
    OutOfMemory {
        /// The size asked for.
        bytes: u64,
    },
    /// The caller's cancel flag was set before the work was done.
    #[error("cancelled")]
    Cancelled,
    /// No node of this page has a 32-bit index.
    #[error("page {page} has no 32-bit index")]
    PageOutOfRange {
        /// Index of the 128-byte page.
        page: u32,
    },
    /// A dataset item differs from what the light cache says it must be.
    #[error("dataset page {page} is wrong")]
    WrongPage {
        /// Index of the 128-byte page.
        page: u32,
    },
    /// The file does not begin as a dataset file of this program does.
    #[error(
        "{} is not a dataset file of this version; delete it, it will be built again",
        path.display()
    )]
    ForeignFile {
        /// The file.
        path: PathBuf,
    },
    /// The file is shorter or longer than its epoch's dataset.
    #[error(
        "{} has {found} bytes, needs {required}; delete it, it will be built again",
        path.display()
    )]
    WrongFileLength {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        found: u64,
        /// The size that its epoch needs, in bytes.
        required: u64,
    },
    /// The file's content does not match its checksum.
    #[error(
        "{} does not match its checksum; delete it, it will be built again",
        path.display()
    )]
    ChecksumMismatch {
        /// The file.
        path: PathBuf,
    },
    /// The disk (or the quota, or the allowed file size) is used up.
    #[error(
        "no space left for {}; make room or choose another directory for the datasets",
        path.display()
    )]
    DiskFull {
        /// The file being written.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Any other failure to read or write a dataset file.
    #[error("cannot read or write {}; see that it may be and that its disk works", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl PowError {
    /// The stable name of this error, for logs, reject messages and test cases.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ResultAboveBoundary { .. } => "pow.seal.result_above_boundary",
            Self::MixMismatch { .. } => "pow.seal.mix_mismatch",
            Self::EpochOutOfRange { .. } => "pow.epoch.out_of_range",
            Self::UnknownSeed { .. } => "pow.epoch.unknown_seed",
            Self::WrongEpoch { .. } => "pow.epoch.wrong",
            Self::BackendUnavailable(_) => "pow.backend.unavailable",
            Self::OutOfMemory { .. } => "pow.memory.exhausted",
            Self::Cancelled => "pow.cancelled",
            Self::PageOutOfRange { .. } => "pow.dataset.page_out_of_range",
            Self::WrongPage { .. } => "pow.dataset.wrong_page",
            Self::ForeignFile { .. } => "pow.file.foreign",
            Self::WrongFileLength { .. } => "pow.file.wrong_length",
            Self::ChecksumMismatch { .. } => "pow.file.checksum_mismatch",
            Self::DiskFull { .. } => "pow.file.disk_full",
            Self::Io { .. } => "pow.file.io",
        }
    }

    /// Whether the seal itself is bad, so that whoever sent it is to blame.
    pub fn is_bad_seal(&self) -> bool {
        matches!(self, Self::ResultAboveBoundary { .. } | Self::MixMismatch { .. })
    }
}

/// Shows 32 bytes in hexadecimal.
struct Hex<'a>(&'a [u8; 32]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
