//! Which instructions do the work, and the door to them.

use crate::PowError;
use crate::keccak::{RATE_256, RATE_512};
use crate::node::{FillJob, Mix, Node, Page, Table};
use crate::portable;
use crate::sponge::hash_many;
#[cfg(target_arch = "x86_64")]
use crate::{avx2, avx512};

#[cfg(test)]
#[path = "../tests/common/tested.rs"]
pub(crate) mod tested;

/// A code path. All give the same results; they differ in speed only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// Plain Rust, for every machine. The oracle for the others in tests.
    Portable,
    /// Four Keccak states and eight indices at a time.
    Avx2,
    /// Eight Keccak states and sixteen indices at a time.
    Avx512,
}

impl Backend {
    /// Every code path there is, slowest first.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// The code paths that this machine can run, slowest first.
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|backend| backend.is_available()).collect()
    }

    /// The fastest code path that this machine can run.
    pub fn best() -> Self {
        Isa::best().backend()
    }

    /// Whether this machine can run this code path.
    pub fn is_available(self) -> bool {
        Isa::new(self).is_ok()
    }

    /// The name used in test cases and reports: `portable`, `avx2`, `avx512`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// Keccak-256 of many messages. Neighbours of equal length are hashed together.
    ///
    /// # Errors
    /// [`PowError::BackendUnavailable`].
    pub fn keccak256_many(self, messages: &[&[u8]]) -> Result<Vec<[u8; 32]>, PowError> {
        Ok(hash_many(Isa::new(self)?, messages, RATE_256))
    }

    /// Keccak-512 of many messages. Neighbours of equal length are hashed together.
    ///
    /// # Errors
    /// [`PowError::BackendUnavailable`].
    pub fn keccak512_many(self, messages: &[&[u8]]) -> Result<Vec<[u8; 64]>, PowError> {
        Ok(hash_many(Isa::new(self)?, messages, RATE_512))
    }
}

impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A backend that this machine is known to have, with the proof that the SIMD kernels ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Isa {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Proof),
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Proof),
}

/// Calls the kernel of this name on the code path at hand.
macro_rules! dispatch {
    ($isa:expr, $name:ident ( $($argument:expr),* )) => {
        match $isa {
            Isa::Portable => portable::$name($($argument),*),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(proof) => proof.$name($($argument),*),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(proof) => proof.$name($($argument),*),
        }
    };
}

impl Isa {
    pub(crate) fn new(backend: Backend) -> Result<Self, PowError> {
        let isa = match backend {
            Backend::Portable => Some(Self::Portable),
            #[cfg(target_arch = "x86_64")]
            Backend::Avx2 => avx2::Proof::detect().map(Self::Avx2),
            #[cfg(target_arch = "x86_64")]
            Backend::Avx512 => avx512::Proof::detect().map(Self::Avx512),
            #[cfg(not(target_arch = "x86_64"))]
            Backend::Avx2 | Backend::Avx512 => None,
        };
        isa.ok_or(PowError::BackendUnavailable(backend))
    }

    pub(crate) fn best() -> Self {
        let fastest_first = Backend::ALL.into_iter().rev();
        fastest_first.flat_map(Self::new).next().unwrap_or(Self::Portable)
    }

    pub(crate) fn backend(self) -> Backend {
        match self {
            Self::Portable => Backend::Portable,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => Backend::Avx2,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => Backend::Avx512,
        }
    }

    /// Runs Keccak-f on every state.
    pub(crate) fn permute_many(self, states: &mut [[u64; 25]]) {
        dispatch!(self, permute_many(states));
    }

    /// Generates light caches, several at a time where the code path can.
    pub(crate) fn fill_caches(self, jobs: &mut [FillJob<'_>]) {
        dispatch!(self, fill_caches(jobs));
    }

    /// Computes the dataset nodes of these indices from the light cache.
    ///
    /// # Panics
    /// When the two slices differ in length.
    pub(crate) fn dataset_nodes(self, cache: Table<'_, Node>, indices: &[u32], out: &mut [Node]) {
        assert_eq!(indices.len(), out.len(), "one place per index");
        dispatch!(self, dataset_nodes(cache, indices, out));
    }

    /// Runs the 64 accesses of hashes with these seeds over the full dataset; gives the compressed
    /// mixes.
    ///
    /// # Panics
    /// When the two slices differ in length.
    pub(crate) fn full_mixes(self, dataset: Table<'_, Page>, seeds: &[Node], out: &mut [Mix]) {
        assert_eq!(seeds.len(), out.len(), "one place per seed");
        dispatch!(self, full_mixes(dataset, seeds, out));
    }
}
