//! Searches over reduced datasets and caches.

use std::time::{Duration, Instant};

use super::*;
use crate::backend::tested::tested;
use crate::{Build, hashimoto_full, hashimoto_light_many};

const ITEMS: u32 = 1021;
const PAGES: u32 = 509;

fn cache(backend: Backend) -> LightCache {
    LightCache::reduced(backend, ITEMS, PAGES)
}

fn dataset(backend: Backend) -> Dataset {
    Dataset::build_prefix(&cache(backend), PAGES, &Build::on_threads(1)).unwrap()
}

static NEVER: AtomicBool = AtomicBool::new(false);

/// One nonce in eight is good.
fn job(start: u64, count: u64) -> Job {
    let mut boundary = [0xff; 32];
    boundary[0] = 0x1f;
    Job { seal_hash: [9; 32], boundary, start, count }
}

fn expected(job: &Job) -> Vec<Found> {
    let nonces: Vec<_> = (0..job.count).map(|i| job.start.wrapping_add(i)).collect();
    let attempts: Vec<_> =
        nonces.iter().map(|&nonce| Attempt { seal_hash: job.seal_hash, nonce }).collect();
    let seals = hashimoto_light_many(&cache(Backend::Portable), &attempts);
    let all = nonces.into_iter().zip(seals).map(|(nonce, seal)| Found { nonce, seal });
    all.filter(|found| found.seal.final_hash <= job.boundary).collect()
}

#[test]
#[cfg_attr(miri, ignore = "too many hashes")]
fn finds_every_good_nonce_on_every_path() {
    // The second range goes over the largest nonce.
    for job in [job(0, 100), job(u64::MAX - 40, 100), job(77, 1), job(78, 0)] {
        let expected = expected(&job);
        assert!(job.count < 100 || expected.len() > 3);
        for backend in tested() {
            for (threads, pinned) in [(0, false), (1, false), (1, true), (3, false), (3, true)] {
                let effort = Effort { threads, pinned, max_found: usize::MAX };
                let outcome = search(&dataset(backend), &job, &effort, &NEVER);
                assert_eq!(outcome, Outcome { found: expected.clone(), tried: job.count });
                let outcome = search_light(&cache(backend), &job, &effort, &NEVER);
                assert_eq!(outcome, Outcome { found: expected.clone(), tried: job.count });
            }
        }
    }
}

#[test]
fn finds_on_the_portable_path() {
    let job = Job { boundary: [0xff; 32], ..job(5, 1) };
    let cache = LightCache::reduced(Backend::Portable, 13, 5);
    let dataset = Dataset::build_prefix(&cache, 5, &Build::on_threads(1)).unwrap();
    let outcome = search(&dataset, &job, &Effort::default(), &NEVER);
    let seal = hashimoto_full(&dataset, &Attempt { seal_hash: job.seal_hash, nonce: 5 });
    assert_eq!(outcome, Outcome { found: vec![Found { nonce: 5, seal }], tried: 1 });
}

#[test]
#[cfg_attr(miri, ignore = "too many hashes")]
fn ends_when_enough_are_found() {
    let job = job(1000, u64::MAX);
    for threads in [1, 2] {
        let effort = Effort { threads, ..Effort::default() };
        let outcome = search(&dataset(Backend::best()), &job, &effort, &NEVER);
        assert!(!outcome.found.is_empty());
        assert!(outcome.tried < 10_000);
    }
    let effort = Effort { max_found: 0, ..Effort::default() };
    let outcome = search(&dataset(Backend::best()), &job, &effort, &NEVER);
    assert_eq!(outcome, Outcome::default());
}

#[test]
#[cfg_attr(miri, ignore = "too many hashes, and a clock")]
fn cancel_ends_it_within_50_ms() {
    let job = Job { boundary: [0; 32], ..job(0, u64::MAX) };
    let effort = Effort { threads: 2, pinned: true, max_found: 1 };
    for backend in tested() {
        let (cache, dataset) = (cache(backend), dataset(backend));
        for light in [false, true] {
            // The machine may be busy: one of a few tries must do.
            let prompt = (0..5).any(|_| {
                let cancel = AtomicBool::new(false);
                let (outcome, late) = std::thread::scope(|scope| {
                    let search = scope.spawn(|| match light {
                        false => search(&dataset, &job, &effort, &cancel),
                        true => search_light(&cache, &job, &effort, &cancel),
                    });
                    std::thread::sleep(Duration::from_millis(20));
                    cancel.store(true, Ordering::Relaxed);
                    let cancelled = Instant::now();
                    (search.join().unwrap(), cancelled.elapsed())
                });
                assert!(outcome.found.is_empty());
                late < Duration::from_millis(50)
            });
            assert!(prompt, "{backend}, light {light}");
        }
    }
}
