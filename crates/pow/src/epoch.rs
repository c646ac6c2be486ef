//! Epochs: 30,000 blocks that share one cache and one dataset.

use std::sync::OnceLock;

use crate::PowError;
use crate::keccak::keccak256;

/// Blocks per epoch (spec `ethash.md` section 1).
pub const EPOCH_LENGTH: u64 = 30_000;

/// Bytes of one cache item and of one dataset node (spec `ethash.md` section 1).
pub const NODE_BYTES: usize = 64;

/// Bytes of one dataset page, the unit that a hash reads (spec `ethash.md` section 1).
pub const PAGE_BYTES: usize = 128;

/// Cache items at epoch 0 before the prime search, and their growth per epoch (spec section 2).
const CACHE_ITEMS_START: u32 = 1 << 18;
const CACHE_ITEMS_GROWTH: u32 = 1 << 11;

/// Dataset pages at epoch 0 before the prime search, and their growth per epoch (spec section 2).
const DATASET_ITEMS_START: u32 = 1 << 23;
const DATASET_ITEMS_GROWTH: u32 = 1 << 16;

/// The number of an epoch, never beyond [`Epoch::LAST`].
///
/// # Invariants
/// At most 32,639: the cache stays below 4 GiB, the dataset has fewer than 2^31 pages, and so every
/// index of an item, a node or a page fits 32 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u32);

impl Epoch {
    /// The first epoch, blocks 0 to 29,999.
    pub const FIRST: Self = Self(0);

    /// The last epoch whose sizes fit 32-bit index arithmetic; block 979,199,999 is its last.
    pub const LAST: Self = Self(32_639);

    /// The epoch of this number.
    ///
    /// # Errors
    /// [`PowError::EpochOutOfRange`] beyond [`Epoch::LAST`].
    pub fn new(number: u64) -> Result<Self, PowError> {
        match u32::try_from(number) {
            Ok(n) if n <= Self::LAST.0 => Ok(Self(n)),
            _ => Err(PowError::EpochOutOfRange { epoch: number }),
        }
    }

    /// The epoch that the block of this height belongs to.
    ///
    /// # Errors
    /// [`PowError::EpochOutOfRange`] beyond [`Epoch::LAST`].
    pub fn of_block(height: u64) -> Result<Self, PowError> {
        Self::new(height / EPOCH_LENGTH)
    }

    /// The epoch that has this seed. Pool protocols name epochs this way.
    ///
    /// The first call computes the seeds of all epochs (about 10 ms, 1 MiB), later ones search them.
    ///
    /// # Errors
    /// [`PowError::UnknownSeed`] when none up to [`Epoch::LAST`] has it.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, PowError> {
        match seeds().iter().zip(0..).find(|(known, _)| *known == seed) {
            Some((_, number)) => Ok(Self(number)),
            None => Err(PowError::UnknownSeed { seed: *seed }),
        }
    }

    /// The number of this epoch.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The epoch after this one.
    ///
    /// # Errors
    /// [`PowError::EpochOutOfRange`] after [`Epoch::LAST`].
    pub fn next(self) -> Result<Self, PowError> {
        Self::new(u64::from(self.0) + 1)
    }

    /// Height of the first block of this epoch.
    pub fn first_block(self) -> u64 {
        u64::from(self.0) * EPOCH_LENGTH
    }

    /// The seed: as many rounds of Keccak-256 over 32 zero bytes as the epoch's number says.
    pub fn seed(self) -> [u8; 32] {
        (0..self.0).fold([0; 32], |seed, _| keccak256(&seed))
    }

    /// Number of 64-byte items in the light cache, a prime.
    pub fn cache_items(self) -> u32 {
        largest_prime_up_to(CACHE_ITEMS_START + CACHE_ITEMS_GROWTH * self.0)
    }

    /// Size of the light cache in bytes.
    pub fn cache_bytes(self) -> u64 {
        u64::from(self.cache_items()) * NODE_BYTES as u64
    }

    /// Number of 128-byte pages in the full dataset, a prime.
    pub fn dataset_items(self) -> u32 {
        largest_prime_up_to(DATASET_ITEMS_START + DATASET_ITEMS_GROWTH * self.0)
    }

    /// Size of the full dataset in bytes.
    pub fn dataset_bytes(self) -> u64 {
        u64::from(self.dataset_items()) * PAGE_BYTES as u64
    }
}

impl std::fmt::Display for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The seeds of all epochs in order, computed once.
fn seeds() -> &'static [[u8; 32]] {
    static SEEDS: OnceLock<Vec<[u8; 32]>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        std::iter::successors(Some([0; 32]), |seed: &[u8; 32]| Some(keccak256(seed)))
            .take(Epoch::LAST.0 as usize + 1)
            .collect()
    })
}

/// The largest prime not above an even upper bound of at least 4.
fn largest_prime_up_to(bound: u32) -> u32 {
    let mut candidate = bound - 1;
    while !is_odd_prime(candidate) {
        candidate -= 2;
    }
    candidate
}

/// Whether an odd number above 1 is a prime.
fn is_odd_prime(n: u32) -> bool {
    let mut divisor = 3;
    while divisor <= n / divisor {
        if n.is_multiple_of(divisor) {
            return false;
        }
        divisor += 2;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_primes() {
        let primes: Vec<u32> = (3..60).step_by(2).filter(|&n| is_odd_prime(n)).collect();
        assert_eq!(primes, [3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59]);
        assert_eq!(largest_prime_up_to(4), 3);
        assert_eq!(largest_prime_up_to(1 << 18), 262_139);
    }

    #[test]
    fn limits() {
        assert_eq!(Epoch::of_block(29_999).unwrap(), Epoch::FIRST);
        assert_eq!(Epoch::of_block(30_000).unwrap().number(), 1);
        assert_eq!(Epoch::of_block(979_199_999).unwrap(), Epoch::LAST);
        for height in [979_200_000, u64::from(u32::MAX) * EPOCH_LENGTH, u64::MAX] {
            let error = Epoch::of_block(height).unwrap_err();
            assert_eq!(error.code(), "pow.epoch.out_of_range");
        }
        assert!(Epoch::LAST.next().is_err());
        assert!(Epoch::LAST.cache_bytes() < 1 << 32);
        assert!(Epoch::LAST.dataset_items() < 1 << 31);
    }
}
