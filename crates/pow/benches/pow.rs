//! Speed against crate `ethash` 0.4.0 and against the machine's own memory, in one interleaved run.
//!
//! `cargo bench -p mvs-pow` prints `bench=NAME value=N unit=U reference=N ratio=R`, one line each;
//! `ratio` says how many times as fast ours is. An argument keeps only the benches whose name
//! contains it. All times are CPU times of the one thread that works, medians of several rounds in
//! which ours and the reference take turns, so that a busy machine disturbs both alike.
#![allow(clippy::print_stdout)] // printing is what a bench is for

use std::hint::black_box;

use mvs_pow::{Attempt, Backend, Epoch, LightCache, hashimoto_light_many};
use rustix::time::{ClockId, clock_gettime};

fn main() {
    let wanted = Wanted(std::env::args().skip(1).find(|argument| !argument.starts_with('-')));
    light(&wanted);
    caches(&wanted);
}

/// Which benches the command line asks for.
struct Wanted(Option<String>);

impl Wanted {
    fn wants(&self, name: &str) -> bool {
        self.0.as_ref().is_none_or(|part| name.contains(part.as_str()))
    }
}

/// CPU seconds of this thread.
fn cpu_secs() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Seconds for one unit of work, when `work` does this many.
fn time_of(units: usize, work: impl FnOnce()) -> f64 {
    let start = cpu_secs();
    work();
    (cpu_secs() - start) / units as f64
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

fn print_rate(name: &str, unit: &str, ours: f64, reference: f64) {
    let (value, base) = (1.0 / ours, 1.0 / reference);
    let ratio = reference / ours;
    println!("bench={name} value={value:.1} unit={unit}/s reference={base:.1} ratio={ratio:.2}");
}

/// A stream of numbers without pattern.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn attempts(&mut self, count: usize) -> Vec<Attempt> {
        let attempt = |_| Attempt {
            seal_hash: std::array::from_fn(|_| self.next() as u8),
            nonce: self.next(),
        };
        (0..count).map(attempt).collect()
    }
}

/// One hash of the reference crate.
fn reference_light(attempt: &Attempt, dataset_bytes: usize, cache: &[u8]) {
    let nonce = attempt.nonce.to_be_bytes().into();
    black_box(ethash::hashimoto_light(attempt.seal_hash.into(), nonce, dataset_bytes, cache));
}

/// Light hashes, alone and in batches, and single dataset pages.
fn light(wanted: &Wanted) {
    const ROUNDS: usize = 9;
    for epoch in [0, 333].map(|n| Epoch::new(n).expect("in range")) {
        let names: Vec<_> = Backend::available()
            .into_iter()
            .rev()
            .flat_map(|backend| [1, 8, 16, 32].map(|batch| (backend, batch)))
            .map(|(backend, batch)| {
                let name = format!("light_epoch{epoch}_batch{batch}_{backend}");
                (backend, batch, name)
            })
            .filter(|(_, _, name)| wanted.wants(name))
            .collect();
        let page_names: Vec<_> = Backend::available()
            .into_iter()
            .rev()
            .map(|backend| (backend, format!("page_epoch{epoch}_{backend}")))
            .filter(|(_, name)| wanted.wants(name))
            .collect();
        if names.is_empty() && page_names.is_empty() {
            continue;
        }
        let cache = LightCache::build(epoch).expect("memory");
        // The reference gets plain memory, as its users give it.
        let plain = cache.as_bytes().to_vec();
        let dataset_bytes = usize::try_from(epoch.dataset_bytes()).expect("64-bit machine");
        let mut numbers = Numbers(u64::from(epoch.number()));

        let mut reference = Vec::new();
        let mut ours = vec![Vec::new(); names.len()];
        for _ in 0..if names.is_empty() { 0 } else { ROUNDS } {
            let few = numbers.attempts(12);
            reference.push(time_of(few.len(), || {
                few.iter().for_each(|attempt| reference_light(attempt, dataset_bytes, &plain));
            }));
            for ((backend, batch, _), samples) in names.iter().zip(&mut ours) {
                let cache = cache.on(*backend).expect("available");
                let count = if *batch == 1 { 12 } else { 96 };
                let many = numbers.attempts(count);
                samples.push(time_of(count, || {
                    for batch in many.chunks(*batch) {
                        black_box(hashimoto_light_many(&cache, batch));
                    }
                }));
            }
        }
        for ((_, _, name), samples) in names.iter().zip(ours) {
            print_rate(name, "hash", median(samples), median(reference.clone()));
        }

        let mut reference = Vec::new();
        let mut ours = vec![Vec::new(); page_names.len()];
        for _ in 0..if page_names.is_empty() { 0 } else { ROUNDS } {
            let mut pages = |count| -> Vec<u32> {
                (0..count).map(|_| numbers.next() as u32 % epoch.dataset_items()).collect()
            };
            let few = pages(1000);
            reference.push(time_of(few.len(), || {
                for page in few {
                    for node in [2 * page, 2 * page + 1] {
                        black_box(ethash::calc_dataset_item(&plain, node as usize));
                    }
                }
            }));
            for ((backend, _), samples) in page_names.iter().zip(&mut ours) {
                let cache = cache.on(*backend).expect("available");
                let many = pages(4096);
                samples.push(time_of(many.len(), || {
                    black_box(cache.dataset_pages(&many).expect("in range"));
                }));
            }
        }
        for ((_, name), samples) in page_names.iter().zip(ours) {
            print_rate(name, "page", median(samples), median(reference.clone()));
        }
    }
}

/// Cache generation: one, and eight together.
fn caches(wanted: &Wanted) {
    const ROUNDS: usize = 3;
    let epochs: Vec<_> = (0..8).map(|n| Epoch::new(n).expect("in range")).collect();
    let names: Vec<_> = Backend::available()
        .into_iter()
        .rev()
        .flat_map(|backend| [1, 8].map(|count| (backend, count)))
        .map(|(backend, count)| (backend, count, format!("cache_build_{count}_{backend}")))
        .filter(|(_, _, name)| wanted.wants(name))
        .collect();
    let mut reference = Vec::new();
    let mut ours = vec![Vec::new(); names.len()];
    for _ in 0..if names.is_empty() { 0 } else { ROUNDS } {
        let bytes = usize::try_from(Epoch::FIRST.cache_bytes()).expect("64-bit machine");
        reference.push(time_of(1, || {
            let mut cache = vec![0; bytes];
            ethash::make_cache(&mut cache, Epoch::FIRST.seed().into());
            black_box(cache);
        }));
        for ((backend, count, _), samples) in names.iter().zip(&mut ours) {
            samples.push(time_of(*count, || {
                let epochs = &epochs[..*count];
                black_box(LightCache::build_many_on(*backend, epochs).expect("memory"));
            }));
        }
    }
    for ((_, _, name), samples) in names.iter().zip(ours) {
        print_rate(name, "cache", median(samples), median(reference.clone()));
    }
}
