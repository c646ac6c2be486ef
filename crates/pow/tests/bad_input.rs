//! Every kind of bad seal and of bad question is refused with its own error, on every code path.

#![allow(clippy::unwrap_used)] // a test may panic

#[path = "common/tested.rs"]
mod tested;

use ethnum::U256;
use mvs_pow::{
    Attempt, Backend, CacheSet, Epoch, LightCache, PowError, Work, hashimoto_light, quick_check,
    verify, verify_many,
};
use tested::tested;

/// A seal of block 7 that is good for difficulty 2, and the cache.
fn good() -> (LightCache, Work) {
    let cache = LightCache::build(Epoch::FIRST).unwrap();
    let seal_hash = [0x5a; 32];
    let difficulty = U256::new(2);
    (0..)
        .find_map(|nonce| {
            let seal = hashimoto_light(&cache, &Attempt { seal_hash, nonce });
            let work = Work::of_header(7, seal_hash, nonce, seal.mix_hash, difficulty).unwrap();
            (seal.final_hash[0] < 0x80).then(|| (cache.clone(), work))
        })
        .unwrap()
}

#[test]
fn bad_seals() {
    let (cache, good) = good();

    // A wrong mix nearly always spoils the final hash too. Of 64 wrong ones some pass for good at
    // this tiny difficulty; only the full check finds them out.
    let wrong_mixes: Vec<_> = (0..64)
        .map(|i| {
            let mut work = good;
            work.mix_hash[31] ^= i + 1;
            work
        })
        .collect();
    let passing = wrong_mixes.iter().filter(|work| quick_check(work).is_ok()).count();
    assert!((1..64).contains(&passing));

    // The right mix, but the result is above the boundary: by far, and by one.
    let hard = Work { boundary: [0; 32], ..good };
    let attempt = Attempt { seal_hash: good.seal_hash, nonce: good.nonce };
    let exact = Work { boundary: hashimoto_light(&cache, &attempt).final_hash, ..good };
    let below = U256::from_be_bytes(exact.boundary) - U256::ONE;
    let just_missed = Work { boundary: below.to_be_bytes(), ..good };

    for backend in tested() {
        let cache = cache.on(backend).unwrap();
        verify(&cache, &good).unwrap();
        verify(&cache, &exact).unwrap();
        for work in [&hard, &just_missed] {
            for error in [quick_check(work).unwrap_err(), verify(&cache, work).unwrap_err()] {
                assert_eq!(error.code(), "pow.seal.result_above_boundary");
                assert!(error.is_bad_seal());
            }
        }
        // The header was changed, or the nonce: the seal is that of something else.
        let other_header = Work { seal_hash: [0; 32], boundary: [0xff; 32], ..good };
        let other_nonce = Work { nonce: good.nonce + 1, boundary: [0xff; 32], ..good };
        for work in [other_header, other_nonce] {
            assert_eq!(verify(&cache, &work).unwrap_err().code(), "pow.seal.mix_mismatch");
        }
        for (work, verdict) in wrong_mixes.iter().zip(verify_many(&cache, &wrong_mixes)) {
            let error = verdict.unwrap_err();
            match quick_check(work) {
                Ok(()) => assert!(matches!(error, PowError::MixMismatch { computed, claimed }
                        if computed == good.mix_hash && claimed == work.mix_hash)),
                Err(_) => assert_eq!(error.code(), "pow.seal.result_above_boundary"),
            }
        }
        // Verdicts stay with their seals.
        let other_epoch = Work { epoch: Epoch::new(1).unwrap(), ..good };
        let mixed = [good, hard, other_header, other_epoch, good].repeat(9);
        let codes =
            ["", "pow.seal.result_above_boundary", "pow.seal.mix_mismatch", "pow.epoch.wrong"];
        for (i, verdict) in verify_many(&cache, &mixed).into_iter().enumerate() {
            assert_eq!(verdict.map_or_else(|e| e.code(), |()| ""), codes[i % 5 % 4]);
        }
    }
}

#[test]
fn epoch_out_of_range() {
    for height in [979_200_000, u64::MAX] {
        let work = Work::of_header(height, [0; 32], 0, [0; 32], U256::ONE);
        assert_eq!(work.unwrap_err().code(), "pow.epoch.out_of_range");
    }
    assert!(Work::of_header(979_199_999, [0; 32], 0, [0; 32], U256::ONE).is_ok());
    assert_eq!(Epoch::new(32_640).unwrap_err().code(), "pow.epoch.out_of_range");
}

#[test]
fn spam_is_refused_without_building_a_cache() {
    let set = CacheSet::new(2);
    let epoch = Epoch::LAST; // its cache would take 4 GB and minutes
    let spam = Work { epoch, seal_hash: [1; 32], nonce: 2, mix_hash: [3; 32], boundary: [0; 32] };
    for verdict in set.verify_many(&[spam; 40]) {
        assert_eq!(verdict.unwrap_err().code(), "pow.seal.result_above_boundary");
    }
    assert!(set.ready().is_empty());
}

#[test]
fn absent_code_paths_are_refused() {
    for backend in Backend::ALL.into_iter().filter(|backend| !backend.is_available()) {
        let error = CacheSet::on(backend, 1).unwrap_err();
        assert_eq!(error.code(), "pow.backend.unavailable");
    }
}
