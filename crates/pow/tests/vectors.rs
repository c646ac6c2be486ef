//! Published vectors and the seals of real blocks, on every code path of this machine.

#![allow(clippy::unwrap_used)] // a test may panic

#[path = "common/tested.rs"]
mod tested;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use ethnum::U256;
use mvs_pow::{
    Attempt, Backend, Epoch, LightCache, Work, boundary, hashimoto_light, hashimoto_light_many,
    keccak256, keccak512, quick_check, trace_light, verify, verify_many,
};
use serde_json::Value;
use tested::tested;

fn load(name: &str) -> Value {
    let path = format!("{}/tests/data/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn ethash() -> &'static Value {
    static VECTORS: OnceLock<Value> = OnceLock::new();
    VECTORS.get_or_init(|| load("ethash"))
}

fn cases(kind: &str) -> &'static [Value] {
    let cases = ethash()[kind]["vectors"].as_array().unwrap();
    assert!(!cases.is_empty());
    cases
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    hex::decode(value.as_str().unwrap()).unwrap().try_into().unwrap()
}

fn epoch(value: &Value) -> Epoch {
    Epoch::new(number(value)).unwrap()
}

/// Caches of the epochs that several tests need, built together once.
fn cache(epoch: Epoch) -> &'static LightCache {
    static CACHES: OnceLock<BTreeMap<Epoch, LightCache>> = OnceLock::new();
    let caches = CACHES.get_or_init(|| {
        let mut epochs: Vec<_> = real_seals().iter().map(|(work, _)| work.epoch).collect();
        epochs.extend(
            cases("hashimoto").iter().map(|v| Epoch::of_block(number(&v["block_number"])).unwrap()),
        );
        epochs.extend(cases("dataset_items").iter().map(epoch_of));
        epochs.sort();
        epochs.dedup();
        let built = LightCache::build_many(&epochs).unwrap();
        epochs.into_iter().zip(built).collect()
    });
    &caches[&epoch]
}

fn epoch_of(case: &Value) -> Epoch {
    epoch(&case["epoch"])
}

#[test]
fn keccak() {
    for case in cases("keccak") {
        let length = usize::try_from(number(&case["n"])).unwrap();
        let message: Vec<u8> = (0..length).map(|i| i as u8).collect();
        let (short, long) = (bytes::<32>(&case["keccak256"]), bytes::<64>(&case["keccak512"]));
        assert_eq!(keccak256(&message), short);
        assert_eq!(keccak512(&message), long);
        for backend in tested() {
            for copies in [1, 3, 8, 11] {
                let messages = vec![&message[..]; copies];
                assert_eq!(backend.keccak256_many(&messages).unwrap(), vec![short; copies]);
                assert_eq!(backend.keccak512_many(&messages).unwrap(), vec![long; copies]);
            }
        }
    }
}

#[test]
fn keccak_of_mixed_lengths() {
    let data: Vec<u8> = (0..1000).map(|i| (i * 7) as u8).collect();
    let messages: Vec<&[u8]> =
        [0, 5, 5, 136, 136, 136, 137, 999, 999, 135, 72, 71].map(|n| &data[..n]).to_vec();
    for backend in tested() {
        let expected: Vec<_> = messages.iter().map(|m| keccak256(m)).collect();
        assert_eq!(backend.keccak256_many(&messages).unwrap(), expected);
        let expected: Vec<_> = messages.iter().map(|m| keccak512(m)).collect();
        assert_eq!(backend.keccak512_many(&messages).unwrap(), expected);
    }
}

#[test]
fn sizes() {
    for case in cases("sizes") {
        assert_eq!(epoch_of(case).cache_bytes(), number(&case["cache_bytes"]));
        assert_eq!(epoch_of(case).dataset_bytes(), number(&case["dataset_bytes"]));
    }
}

#[test]
fn epoch_seeds() {
    for case in cases("epoch_seeds") {
        let seed = bytes(&case["seed"]);
        assert_eq!(epoch_of(case).seed(), seed);
        assert_eq!(Epoch::from_seed(&seed).unwrap(), epoch_of(case));
    }
    assert_eq!(Epoch::from_seed(&[1; 32]).unwrap_err().code(), "pow.epoch.unknown_seed");
}

#[test]
fn light_cache_epoch_0() {
    for backend in tested() {
        let cache = &LightCache::build_many_on(backend, &[Epoch::FIRST]).unwrap()[0];
        let (first, last) =
            (cache.as_bytes().first_chunk::<64>(), cache.as_bytes().last_chunk::<64>());
        assert_eq!(first, Some(&bytes(&ethash()["light_cache"]["epoch0_first_item"])));
        assert_eq!(last, Some(&bytes(&ethash()["light_cache"]["epoch0_last_item"])));
    }
}

/// All of them together, as chain sync builds them: the epochs differ in size, so that the lanes of
/// the SIMD paths end at different times.
#[test]
fn light_caches() {
    let small = |case: &&Value| number(&case["epoch"]) < 200;
    check_light_caches(&cases("light_cache").iter().filter(small).collect::<Vec<_>>());
}

#[test]
#[ignore = "slow: the cache of epoch 2047 has 285 MB"]
fn light_caches_of_all_epochs() {
    check_light_caches(&cases("light_cache").iter().collect::<Vec<_>>());
}

fn check_light_caches(cases: &[&Value]) {
    let epochs: Vec<_> = cases.iter().map(|case| epoch_of(case)).collect();
    for backend in tested() {
        let caches = LightCache::build_many_on(backend, &epochs).unwrap();
        for (case, cache) in cases.iter().zip(caches) {
            assert_eq!(cache.epoch(), epoch_of(case));
            assert_eq!(keccak256(cache.as_bytes()), bytes(&case["keccak256_of_cache"]));
        }
    }
}

#[test]
fn dataset_items() {
    for backend in tested() {
        let (mut pages, mut expected) = (Vec::new(), Vec::new());
        for case in cases("dataset_items") {
            let page = u32::try_from(number(&case["index128"])).unwrap();
            let halves = [bytes::<64>(&case["half0"]), bytes(&case["half1"])].concat();
            let cache = cache(epoch_of(case)).on(backend).unwrap();
            assert_eq!(cache.dataset_page(page).unwrap()[..], halves, "{backend} page {page}");
            pages.push(page);
            expected.push(<[u8; 128]>::try_from(halves).unwrap());
        }
        let cache = cache(epoch_of(&cases("dataset_items")[0])).on(backend).unwrap();
        // Repeated to reach the kernels' full width and an odd rest.
        let many = pages.repeat(7);
        assert_eq!(cache.dataset_pages(&many).unwrap(), expected.repeat(7), "{backend}");
        assert!(cache.dataset_page(1 << 31).is_err());
    }
}

#[test]
fn hashimoto() {
    for backend in tested() {
        for case in cases("hashimoto") {
            let epoch = Epoch::of_block(number(&case["block_number"])).unwrap();
            let cache = cache(epoch).on(backend).unwrap();
            let nonce = u64::from_be_bytes(bytes(&case["nonce"]));
            let attempt = Attempt { seal_hash: bytes(&case["header_hash"]), nonce };
            let seal = hashimoto_light(&cache, &attempt);
            assert_eq!(seal.mix_hash, bytes(&case["mix_hash"]));
            assert_eq!(seal.final_hash, bytes(&case["final_hash"]));
            assert_eq!(hashimoto_light_many(&cache, &[attempt; 5]), [seal; 5]);
        }
    }
}

#[test]
fn trace() {
    let case = &ethash()["trace"];
    let nonce = u64::from_be_bytes(bytes(&case["nonce"]));
    let attempt = Attempt { seal_hash: bytes(&case["header_hash"]), nonce };
    let epoch = Epoch::of_block(number(&case["block_number"])).unwrap();
    for backend in tested() {
        let trace = trace_light(&cache(epoch).on(backend).unwrap(), &attempt);
        assert_eq!(trace.seed512, bytes(&case["seed512"]));
        assert_eq!(serde_json::json!(trace.page_indices), case["page_indices"]);
        assert_eq!(trace.mixes[0], bytes(&case["mix_after_access_0"]));
        assert_eq!(trace.mixes[63], bytes(&case["mix_after_access_63"]));
        assert_eq!(trace.seal.mix_hash, bytes(&case["mix_hash"]));
        assert_eq!(trace.seal.final_hash, bytes(&case["final_hash"]));
    }
}

#[test]
fn boundaries() {
    for case in cases("difficulty_boundary") {
        let difficulty = U256::from_be_bytes(bytes(&case["difficulty"]));
        assert_eq!(boundary(difficulty), bytes::<32>(&case["boundary_mvs"]));
    }
}

/// The version-1 blocks among the real ones: what they claim, and their final hash.
fn real_seals() -> Vec<(Work, [u8; 32])> {
    let blocks = load("blocks");
    let with_seal = blocks["vectors"].as_array().unwrap().iter().filter(|b| !b["ethash"].is_null());
    with_seal
        .map(|block| {
            let (header, ethash) = (&block["header"], &block["ethash"]);
            let decimal = |value: &Value| value.as_str().unwrap().parse::<u64>().unwrap();
            let difficulty = U256::from_str_radix(header["bits"].as_str().unwrap(), 10).unwrap();
            let preimage = hex::decode(ethash["seal_preimage_hex"].as_str().unwrap()).unwrap();
            let seal_hash = keccak256(&preimage);
            assert_eq!(seal_hash, bytes(&ethash["seal_hash"]));
            assert_eq!(boundary(difficulty), bytes(&block["boundary_hex"]));
            let (height, nonce) = (number(&block["height"]), decimal(&header["nonce"]));
            let mix_hash = bytes(&header["mixhash"]);
            let work = Work::of_header(height, seal_hash, nonce, mix_hash, difficulty).unwrap();
            (work, bytes(&ethash["final_hash"]))
        })
        .collect()
}

#[test]
fn real_blocks() {
    assert_eq!(real_seals().len(), 5);
    for backend in tested() {
        for (work, final_hash) in real_seals() {
            let cache = cache(work.epoch).on(backend).unwrap();
            quick_check(&work).unwrap();
            verify(&cache, &work).unwrap();
            assert!(verify_many(&cache, &[work; 33]).iter().all(Result::is_ok));
            let attempt = Attempt { seal_hash: work.seal_hash, nonce: work.nonce };
            assert_eq!(hashimoto_light(&cache, &attempt).final_hash, final_hash);
        }
    }
}
