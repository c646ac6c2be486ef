//! Looks for a time at which a stake meets the difficulty (chain.md 9.2.5).

use mvs_consensus::stake::kernel_meets;
use mvs_primitives::amount::Amount;
use mvs_primitives::header::Header;
use mvs_primitives::input::OutPoint;
use mvs_primitives::time::Timestamp;

/// Kernels that one step of a search looks at: some tens of milliseconds.
pub const SLICE: u32 = 1 << 16;

/// An output that may be staked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Where it is.
    pub outpoint: OutPoint,
    /// Its value.
    pub value: Amount,
    /// Its weight.
    pub weight: u64,
}

/// A time and the stake that meets the difficulty then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The time.
    pub timestamp: Timestamp,
    /// The stake.
    pub candidate: Candidate,
}

/// A search under one header. It goes on where it ended, as the clock allows later times.
#[derive(Debug, Clone)]
pub struct Search {
    header: Header,
    candidates: Vec<Candidate>,
    next_secs: u32,
}

impl Search {
    /// Starts at the time of a header.
    pub fn new(header: &Header, candidates: &[Candidate]) -> Self {
        let next_secs = header.timestamp.unix_secs();
        Self { header: header.clone(), candidates: candidates.to_vec(), next_secs }
    }

    /// Looks at one time and one stake.
    pub fn at(header: &Header, candidate: Candidate, timestamp: Timestamp) -> Option<Found> {
        let header = Header { timestamp, ..header.clone() };
        let kernel = header.stake_kernel(&candidate.outpoint);
        kernel_meets(&kernel, candidate.weight, header.bits)
            .then_some(Found { timestamp, candidate })
    }

    /// Returns the next time that is looked at.
    pub const fn next_secs(&self) -> u32 {
        self.next_secs
    }

    /// Looks on, up to a time and at about [`SLICE`] kernels at most; the earliest time wins, and at the
    /// same time the first stake. It goes on behind what was found: a time that turned out useless is
    /// not found again.
    pub fn step(&mut self, last_secs: u32) -> Option<Found> {
        let stakes = u32::try_from(self.candidates.len()).unwrap_or(u32::MAX).max(1);
        let slice_secs = (SLICE / stakes).max(1);
        let end = last_secs.min(self.next_secs.saturating_add(slice_secs - 1));
        while self.next_secs <= end {
            let timestamp = Timestamp::from_unix_secs(self.next_secs);
            // The last second of 32 bits is not looked at: time ends there.
            self.next_secs = self.next_secs.checked_add(1)?;
            let header = Header { timestamp, ..self.header.clone() };
            let meets = |candidate: &&Candidate| {
                let kernel = header.stake_kernel(&candidate.outpoint);
                kernel_meets(&kernel, candidate.weight, header.bits)
            };
            if let Some(candidate) = self.candidates.iter().find(meets).copied() {
                return Some(Found { timestamp, candidate });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use mvs_consensus::stake::kernel_meets;
    use mvs_primitives::amount::Amount;
    use mvs_primitives::difficulty::Difficulty;
    use mvs_primitives::hash::{BlockHash, MerkleRoot, MixHash, TxId};
    use mvs_primitives::header::{BlockVersion, Header};
    use mvs_primitives::height::Height;
    use mvs_primitives::input::OutPoint;
    use mvs_primitives::time::Timestamp;

    use super::{Candidate, SLICE, Search};

    fn header(secs: u32, bits: u64) -> Header {
        Header {
            version: BlockVersion::POS,
            previous: BlockHash::ZERO,
            merkle: MerkleRoot::ZERO,
            timestamp: Timestamp::from_unix_secs(secs),
            bits: Difficulty::from_u64(bits),
            nonce: 0,
            mix_hash: MixHash::ZERO,
            number: Height::new(9),
        }
    }

    fn candidate(index: u32) -> Candidate {
        let outpoint = OutPoint::new(TxId::ZERO, index);
        Candidate { outpoint, value: Amount::from_units(1), weight: 30_000 }
    }

    #[test]
    fn it_finds_what_a_plain_loop_finds() {
        let candidates = [candidate(0), candidate(1), candidate(2)];
        let header = header(1_000, 3_000_000);
        let mut search = Search::new(&header, &candidates);
        let mut found = Vec::new();
        while search.next_secs() <= 3_000 {
            found.extend(search.step(3_000));
        }
        let mut expected = Vec::new();
        for secs in 1_000..=3_000 {
            let at = Header { timestamp: Timestamp::from_unix_secs(secs), ..header.clone() };
            let first = candidates
                .iter()
                .find(|one| kernel_meets(&at.stake_kernel(&one.outpoint), one.weight, at.bits));
            expected.extend(first.map(|one| (secs, *one)));
        }
        let found: Vec<_> =
            found.iter().map(|one| (one.timestamp.unix_secs(), one.candidate)).collect();
        assert_eq!(found, expected);
        assert!(expected.len() > 10, "{}", expected.len());
    }

    #[test]
    fn it_goes_in_slices_and_ends_with_time() {
        let mut search = Search::new(&header(0, u64::MAX), &[candidate(0)]);
        assert_eq!(search.step(u32::MAX), None);
        assert_eq!(search.next_secs(), SLICE);
        let many: Vec<Candidate> = (0..1_000).map(candidate).collect();
        let mut search = Search::new(&header(0, u64::MAX), &many);
        assert_eq!(search.step(u32::MAX), None);
        assert_eq!(search.next_secs(), SLICE / 1_000);
        let mut search = Search::new(&header(u32::MAX - 1, u64::MAX), &[candidate(0)]);
        for _ in 0..3 {
            assert_eq!(search.step(u32::MAX), None);
        }
        assert_eq!(Search::new(&header(50, 1), &[candidate(0)]).step(49), None);
        assert!(Search::new(&header(50, 1), &[candidate(0)]).step(50).is_some());
    }
}
