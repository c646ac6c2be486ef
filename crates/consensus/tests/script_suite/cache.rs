//! The memory of signatures that hold.

use mvs_consensus::script::{CacheUse, InputContext, SigCache, collect_input, verify_checks};
use mvs_primitives::hash::sha256;
use mvs_primitives::script::Script;

use crate::support::{INDEX, is_model, key, pushes, sign, transaction};

#[test]
fn remembers_and_stays_within_bounds() {
    let cache = SigCache::new([7; 32], 1000);
    assert_eq!(cache.capacity(), 1024);
    let entry = |number: u32| (sha256(&number.to_le_bytes()), [number.to_le_bytes()[0]; 64]);
    for number in 0..100_000 {
        let (sighash, signature) = entry(number);
        assert!(!cache.contains(&sighash, &[2; 33], &signature));
        cache.insert(&sighash, &[2; 33], &signature);
        assert!(cache.contains(&sighash, &[2; 33], &signature));
        assert!(!cache.contains(&sighash, &[3; 33], &signature));
        assert!(!cache.contains(&sighash, &[2; 33], &[signature[0] ^ 1; 64]));
    }
    let kept = (0..100_000)
        .filter(|number| {
            let (sighash, signature) = entry(*number);
            cache.contains(&sighash, &[2; 33], &signature)
        })
        .count();
    assert_eq!(kept, cache.capacity());
    assert_eq!(SigCache::new([0; 32], 0).capacity(), 512);
    assert!(!format!("{cache:?}").contains('7'));
}

#[test]
fn half_full_it_forgets_little() {
    let cache = SigCache::new([9; 32], 1 << 14);
    let sighash = |number: u32| sha256(&number.to_le_bytes());
    for number in 0..1 << 13 {
        cache.insert(&sighash(number), &[2; 33], &[1; 64]);
    }
    let kept = (0..1 << 13).filter(|n| cache.contains(&sighash(*n), &[2; 33], &[1; 64])).count();
    assert!(kept > 8000, "{kept}");
}

#[test]
fn only_what_holds_is_remembered_and_reading_adds_nothing() {
    let previous = Script::pay_public_key(&key(1));
    let checks_of = |seed| {
        let transaction = transaction(pushes(&[&sign(seed, &previous, 1)]));
        let input = InputContext::new(&transaction, INDEX, &previous, is_model).unwrap();
        let mut checks = Vec::new();
        collect_input(&input, &mut checks, CacheUse::Off).unwrap();
        checks
    };
    let cache = SigCache::new([1; 32], 512);
    for (seed, failure) in [(1, None), (2, Some(0)), (1, None), (2, Some(0))] {
        for use_of in [CacheUse::Read(&cache), CacheUse::ReadWrite(&cache), CacheUse::Off] {
            assert_eq!(verify_checks(&checks_of(seed), use_of), failure);
        }
    }
}

#[test]
fn threads_share_it() {
    // Far more room than entries, so that none is evicted whatever the order of the threads.
    let cache = SigCache::new([3; 32], 1 << 16);
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let cache = &cache;
            scope.spawn(move || {
                for number in 0..500u32 {
                    let sighash = sha256(&(number ^ (thread & 1)).to_le_bytes());
                    cache.insert(&sighash, &[2; 33], &[1; 64]);
                    let _known: bool = cache.contains(&sighash, &[2; 33], &[1; 64]);
                }
            });
        }
    });
    assert!(cache.contains(&sha256(&7u32.to_le_bytes()), &[2; 33], &[1; 64]));
}
