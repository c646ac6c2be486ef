//! Random (epoch, header, nonce) cases: every code path against crate `ethash`.

#![allow(clippy::unwrap_used)] // a test may panic

#[path = "common/tested.rs"]
mod tested;

use mvs_pow::{Attempt, Backend, Epoch, LightCache, Seal, hashimoto_light, hashimoto_light_many};
use tested::tested;

/// SplitMix64 from a fixed seed: a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn attempt(&mut self) -> Attempt {
        let seal_hash = std::array::from_fn(|_| self.next() as u8);
        Attempt { seal_hash, nonce: self.next() }
    }
}

fn reference(cache: &LightCache, attempt: &Attempt) -> Seal {
    let size = ethash::get_full_size(cache.epoch().number() as usize);
    let nonce = attempt.nonce.to_be_bytes().into();
    let (mix, result) =
        ethash::hashimoto_light(attempt.seal_hash.into(), nonce, size, cache.as_bytes());
    Seal { mix_hash: mix.0, final_hash: result.0 }
}

fn check(cases_per_epoch: usize, epochs: &[u64]) {
    let epochs: Vec<_> = epochs.iter().map(|number| Epoch::new(*number).unwrap()).collect();
    let mut random = Random(2026);
    for cache in LightCache::build_many(&epochs).unwrap() {
        let attempts: Vec<_> = (0..cases_per_epoch).map(|_| random.attempt()).collect();
        let expected: Vec<_> = attempts.iter().map(|a| reference(&cache, a)).collect();
        for backend in tested() {
            let cache = cache.on(backend).unwrap();
            assert_eq!(hashimoto_light_many(&cache, &attempts), expected, "{backend}");
            // Some alone: a path of its own.
            for (attempt, expected) in attempts.iter().zip(&expected).take(cases_per_epoch / 20) {
                assert_eq!(hashimoto_light(&cache, attempt), *expected, "{backend}");
            }
        }
    }
}

#[test]
fn caches_agree() {
    let epoch = Epoch::new(2).unwrap();
    let mut expected = vec![0; ethash::get_cache_size(2)];
    ethash::make_cache(&mut expected, ethash::get_seedhash(2));
    for backend in tested() {
        let cache = &LightCache::build_many_on(backend, &[epoch]).unwrap()[0];
        assert!(cache.as_bytes() == expected, "{backend}");
    }
}

#[test]
fn hashes_agree() {
    check(150, &[0, 1, 5, 11]);
}

/// Run it with `cargo test -p mvs-pow --release --test agree -- --ignored`.
#[test]
#[ignore = "ten thousand hashes of the reference crate take most of a minute"]
fn ten_thousand_hashes_agree() {
    check(1000, &[0, 1, 2, 3, 5, 8, 13, 21, 34, 55]);
}
