//! Sets of caches. Building the real ones takes a while, so there are few of them.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::*;

fn epoch(number: u64) -> Epoch {
    Epoch::new(number).unwrap()
}

/// A set whose caches are small, and that counts how often each is built.
fn counting(capacity: usize, built: &'static AtomicUsize) -> CacheSet {
    let mut set = CacheSet::on(Backend::Portable, capacity).unwrap();
    set.generate = Box::new(move |isa, epochs| {
        built.fetch_add(epochs.len(), Ordering::Relaxed);
        thread::sleep(Duration::from_millis(5));
        let caches = epochs.iter().map(|e| LightCache::reduced_of(isa.backend(), *e, 13, 5));
        Ok(caches.collect())
    });
    set
}

fn leaked_counter() -> &'static AtomicUsize {
    Box::leak(Box::default())
}

#[test]
fn builds_once_for_many_threads() {
    let built = leaked_counter();
    let set = counting(2, built);
    let barrier = Barrier::new(8);
    thread::scope(|scope| {
        for i in 0..8 {
            let (set, barrier) = (&set, &barrier);
            scope.spawn(move || {
                barrier.wait();
                assert_eq!(set.get(epoch(i % 2)).unwrap().epoch(), epoch(i % 2));
            });
        }
    });
    assert_eq!(built.load(Ordering::Relaxed), 2);
}

#[test]
fn least_recently_used_gives_way() {
    let built = leaked_counter();
    let set = counting(2, built);
    for number in [1, 2, 1, 3] {
        set.get(epoch(number)).unwrap();
    }
    assert_eq!(set.ready(), [epoch(1), epoch(3)]);
    assert_eq!(built.load(Ordering::Relaxed), 3);
    set.prepare(&[epoch(3), epoch(4)]).unwrap();
    assert_eq!(set.ready(), [epoch(3), epoch(4)]);
    set.prepare(&[epoch(4), epoch(4), epoch(3), epoch(5)]).unwrap();
    assert_eq!(built.load(Ordering::Relaxed), 4, "nothing absent among the first two");
    assert_eq!(CacheSet::new(0).capacity(), 1);
}

#[test]
fn never_more_than_the_capacity_however_many_ask() {
    let built = leaked_counter();
    let set = counting(2, built);
    thread::scope(|scope| {
        for first in 0..4 {
            let set = &set;
            scope.spawn(move || {
                for i in 0..if cfg!(miri) { 2 } else { 10 } {
                    let number = (first * 3 + i) % 5;
                    if i % 3 == 2 {
                        set.prepare(&[epoch(number), epoch(number + 1)]).unwrap();
                    }
                    assert_eq!(set.get(epoch(number)).unwrap().epoch(), epoch(number));
                    assert!(set.lock().taken.len() <= 2);
                }
            });
        }
    });
    assert!(set.lock().taken.iter().all(|place| place.cache.is_some()));
}

#[test]
fn failure_and_panic_free_the_place() {
    static ATTEMPTS: AtomicUsize = AtomicUsize::new(0);
    let mut set = CacheSet::on(Backend::Portable, 1).unwrap();
    set.generate = Box::new(|isa, epochs| match ATTEMPTS.fetch_add(1, Ordering::Relaxed) {
        0 => Err(PowError::OutOfMemory { bytes: 1 }),
        1 => panic!("as asked"),
        _ => Ok(vec![LightCache::reduced_of(isa.backend(), epochs[0], 13, 5)]),
    });
    assert_eq!(set.get(Epoch::FIRST).unwrap_err().code(), "pow.memory.exhausted");
    thread::scope(|scope| {
        let waiting = (0..3).map(|_| scope.spawn(|| set.get(Epoch::FIRST))).collect::<Vec<_>>();
        let ended: Vec<_> = waiting.into_iter().map(|thread| thread.join().is_ok()).collect();
        assert_eq!(
            ended.iter().filter(|ok| !**ok).count(),
            1,
            "one panicked, the others got theirs"
        );
    });
    assert_eq!(set.ready(), [Epoch::FIRST]);
}

#[test]
#[cfg_attr(miri, ignore = "too many hashes")]
fn verifies_seals_of_many_epochs_in_order() {
    let built = leaked_counter();
    let set = counting(2, built);
    let works: Vec<_> = (0..20)
        .map(|i| {
            let epoch = epoch(i * 7 % 5);
            let cache = LightCache::reduced_of(Backend::Portable, epoch, 13, 5);
            let attempt = crate::Attempt { seal_hash: [i as u8; 32], nonce: i };
            let mut mix_hash = crate::hashimoto_light(&cache, &attempt).mix_hash;
            mix_hash[0] ^= u8::from(i % 4 == 1);
            let boundary = [if i % 4 == 2 { 0 } else { 0xff }; 32];
            Work { epoch, seal_hash: attempt.seal_hash, nonce: i, mix_hash, boundary }
        })
        .collect();
    let codes: Vec<_> = set
        .verify_many(&works)
        .into_iter()
        .map(|verdict| verdict.map_or_else(|e| e.code(), |()| "good"))
        .collect();
    let expected = ["good", "pow.seal.mix_mismatch", "pow.seal.result_above_boundary", "good"];
    for (code, expected) in codes.iter().zip(expected.iter().cycle()) {
        assert_eq!(code, expected);
    }
    assert!(set.verify_many(&[]).is_empty());

    let mut broken = CacheSet::on(Backend::Portable, 2).unwrap();
    broken.generate = Box::new(|_, _| Err(PowError::OutOfMemory { bytes: 5 }));
    let verdicts = broken.verify_many(&works);
    assert_eq!(verdicts.len(), works.len());
    assert_eq!(verdicts[0].as_ref().unwrap_err().code(), "pow.memory.exhausted");
}
