//! Is a seal good? One, or (ten times as fast each) many.

use ethnum::U256;

use crate::dataset::check_epoch;
use crate::hash::{Attempt, BATCH, final_hashes, light_mixes, seeds};
use crate::node::Node;
use crate::{Epoch, LightCache, PowError};

/// The largest final hash that a difficulty allows: floor((2^256 - 1) / difficulty), big-endian.
///
/// Difficulty 0 gives boundary 0, which no hash meets.
///
/// # Consensus
/// `chain.md` 1.4, since the first block. Other nodes of the family use 2^256 as the numerator; the
/// two differ by one when the difficulty is a power of two.
pub fn boundary(difficulty: U256) -> [u8; 32] {
    U256::MAX.checked_div(difficulty).unwrap_or(U256::ZERO).to_be_bytes()
}

/// A claimed seal and what it must satisfy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Work {
    /// The epoch of the block's height.
    pub epoch: Epoch,
    /// The hash of the header without its seal (spec `chain.md` section 1.3).
    pub seal_hash: [u8; 32],
    /// The claimed nonce, as a number.
    pub nonce: u64,
    /// The claimed mix hash.
    pub mix_hash: [u8; 32],
    /// The largest final hash allowed, big-endian; see [`boundary`].
    pub boundary: [u8; 32],
}

impl Work {
    /// The work that the header of this height claims.
    ///
    /// # Errors
    /// [`PowError::EpochOutOfRange`] for a height beyond the last epoch.
    pub fn of_header(
        height: u64,
        seal_hash: [u8; 32],
        nonce: u64,
        mix_hash: [u8; 32],
        difficulty: U256,
    ) -> Result<Self, PowError> {
        let epoch = Epoch::of_block(height)?;
        Ok(Self { epoch, seal_hash, nonce, mix_hash, boundary: boundary(difficulty) })
    }

    fn attempt(&self) -> Attempt {
        Attempt { seal_hash: self.seal_hash, nonce: self.nonce }
    }

    /// Whether this final hash is low enough.
    fn check_result(&self, final_hash: [u8; 32]) -> Result<(), PowError> {
        if final_hash <= self.boundary {
            return Ok(());
        }
        Err(PowError::ResultAboveBoundary { found: final_hash, boundary: self.boundary })
    }

    /// Whether the claimed mix is the right one.
    fn check_mix(&self, computed: [u8; 32]) -> Result<(), PowError> {
        if computed == self.mix_hash {
            return Ok(());
        }
        Err(PowError::MixMismatch { computed, claimed: self.mix_hash })
    }
}

/// Checks the final hash that follows from the claimed mix, with two Keccaks and no cache.
///
/// Whoever passes has spent about as many Keccaks as the difficulty says, but may still have invented
/// the mix: this stops cheap spam, and nothing more. The full checks begin with it.
///
/// # Errors
/// [`PowError::ResultAboveBoundary`].
pub fn quick_check(work: &Work) -> Result<(), PowError> {
    let mut message = [0; 96];
    let mut start = [0; 40];
    start[..32].copy_from_slice(&work.seal_hash);
    start[32..].copy_from_slice(&work.nonce.to_le_bytes());
    message[..64].copy_from_slice(&crate::keccak512(&start));
    message[64..].copy_from_slice(&work.mix_hash);
    work.check_result(crate::keccak256(&message))
}

/// Checks one seal in full.
///
/// # Errors
/// [`PowError::ResultAboveBoundary`] or [`PowError::MixMismatch`] for a bad seal,
/// [`PowError::WrongEpoch`] when the cache is of another epoch.
pub fn verify(cache: &LightCache, work: &Work) -> Result<(), PowError> {
    verify_many(cache, std::slice::from_ref(work)).remove(0)
}

/// Checks many seals of one epoch in full, up to 32 side by side. Gives one answer per seal, in order.
///
/// # Errors
/// Those of [`verify`], each in its place.
pub fn verify_many(cache: &LightCache, works: &[Work]) -> Vec<Result<(), PowError>> {
    let isa = cache.isa();
    let mut verdicts = Vec::with_capacity(works.len());
    let mut undecided: Vec<(usize, Node)> = Vec::new();
    for batch in works.chunks(BATCH) {
        let attempts: Vec<_> = batch.iter().map(Work::attempt).collect();
        let claimed: Vec<_> = batch.iter().map(|work| work.mix_hash).collect();
        let seeds = seeds(isa, &attempts);
        let results = final_hashes(isa, &seeds, &claimed);
        for ((work, seed), result) in batch.iter().zip(seeds).zip(results) {
            let verdict =
                check_epoch(cache.epoch(), work.epoch).and_then(|()| work.check_result(result));
            if verdict.is_ok() {
                undecided.push((verdicts.len(), seed));
            }
            verdicts.push(verdict);
        }
    }
    for batch in undecided.chunks(BATCH) {
        let seeds: Vec<_> = batch.iter().map(|(_, seed)| *seed).collect();
        for (mix, (i, _)) in light_mixes(cache, &seeds).into_iter().zip(batch) {
            verdicts[*i] = works[*i].check_mix(mix);
        }
    }
    verdicts
}
