//! Speed against crate `ethash` 0.4.0 and against the machine's own memory, in one interleaved run.
//!
//! `cargo bench -p mvs-pow` prints `bench=NAME value=N unit=U reference=N ratio=R`, one line each;
//! `ratio` says how many times as fast ours is. An argument keeps only the benches whose name
//! contains it. All times are CPU times of the one thread that works, medians of several rounds in
//! which ours and the reference take turns, so that a busy machine disturbs both alike.
#![allow(clippy::print_stdout)] // printing is what a bench is for

use std::hint::black_box;
use std::sync::atomic::AtomicBool;

use mvs_pow::{
    Attempt, Backend, Build, Dataset, Effort, Epoch, Job, LightCache, hashimoto_light_many, search,
};
use rustix::time::{ClockId, clock_gettime};

fn main() {
    let wanted = Wanted(std::env::args().skip(1).find(|argument| !argument.starts_with('-')));
    light(&wanted);
    caches(&wanted);
    full(&wanted);
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

/// The dataset of epoch 0, the search over it, and what the memory itself allows.
fn full(wanted: &Wanted) {
    const ROUNDS: usize = 7;
    const NONCES: u64 = 100_000;
    if !["dataset_build", "search", "memory"].iter().any(|name| wanted.wants(name)) {
        return;
    }
    let cache = LightCache::build(Epoch::FIRST).expect("memory");
    let mut numbers = Numbers(1);

    // All of it on this one thread, against a stretch of the reference.
    let plain = cache.as_bytes().to_vec();
    let mut dataset = None;
    let pages = Epoch::FIRST.dataset_items() as usize;
    let ours = time_of(pages, || {
        dataset = Some(Dataset::build(&cache, &Build::on_threads(1)).expect("memory"));
    });
    let reference = (0..ROUNDS).map(|_| {
        let first = (numbers.next() % (1 << 23)) as usize;
        time_of(2000, || {
            for node in 2 * first..2 * first + 4000 {
                black_box(ethash::calc_dataset_item(&plain, node));
            }
        })
    });
    let reference = median(reference.collect());
    let best = Backend::best();
    print_rate(&format!("dataset_build_epoch0_{best}"), "page", ours, reference);
    let (all, reference) = (ours * pages as f64, reference * pages as f64);
    println!(
        "bench=dataset_build_epoch0_{best}_whole value={all:.1} unit=cpu_s reference={reference:.0} ratio={:.2}",
        reference / all
    );
    let Some(dataset) = dataset else { return };

    let plain = dataset.as_bytes().to_vec();
    let backends: Vec<_> = Backend::available().into_iter().rev().collect();
    let mut ours = vec![Vec::new(); backends.len()];
    let (mut reference, mut reads) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let few = numbers.attempts(2000);
        reference.push(time_of(few.len(), || {
            for attempt in &few {
                let nonce = attempt.nonce.to_be_bytes().into();
                let seal_hash = attempt.seal_hash.into();
                black_box(ethash::hashimoto_full(seal_hash, nonce, plain.len(), &plain));
            }
        }));
        reads.push(time_of(64 * 50_000, || {
            black_box(random_reads::<128>(dataset.as_bytes(), 64 * 50_000));
        }));
        for (backend, samples) in backends.iter().zip(&mut ours) {
            let dataset = dataset.on(*backend).expect("available");
            let nonces = if *backend == Backend::Portable { NONCES / 5 } else { NONCES };
            let job =
                Job { seal_hash: [7; 32], boundary: [0; 32], start: numbers.next(), count: nonces };
            samples.push(time_of(nonces as usize, || {
                let never = AtomicBool::new(false);
                black_box(search(&dataset, &job, &Effort::default(), &never));
            }));
        }
    }
    let (reference, bound) = (median(reference), 64.0 * median(reads));
    for (backend, samples) in backends.iter().zip(ours) {
        let ours = median(samples);
        print_rate(&format!("search_{backend}"), "hash", ours, reference);
        // Here the reference is the machine: 64 random reads of 128 bytes, and nothing else.
        print_rate(&format!("search_{backend}_of_memory_bound"), "hash", ours, bound);
    }
    memory(&cache, &dataset);
}

/// Random reads per second of the machine itself, from memory in pages as the library gets them.
fn memory(cache: &LightCache, dataset: &Dataset) {
    const READS: usize = 3_000_000;
    let epoch = Epoch::new(333).expect("in range");
    let large = LightCache::build(epoch).expect("memory");
    let print = |name: &str, time: f64| {
        println!("bench=memory_{name} value={:.0} unit=read/s reference=- ratio=-", 1.0 / time);
    };
    let sample = |read: &dyn Fn()| median((0..5).map(|_| time_of(READS, read)).collect());
    for (name, bytes) in [
        ("64B_of_16MiB", cache.as_bytes()),
        ("64B_of_58MiB", large.as_bytes()),
        ("64B_of_1GiB", dataset.as_bytes()),
    ] {
        print(name, sample(&|| _ = black_box(random_reads::<64>(bytes, READS))));
    }
    let bytes = dataset.as_bytes();
    print("128B_of_1GiB", sample(&|| _ = black_box(random_reads::<128>(bytes, READS))));
    let plain = bytes.to_vec();
    let time = sample(&|| _ = black_box(random_reads::<128>(&plain, READS)));
    print("128B_of_1GiB_plain_pages", time);
}

/// Reads items at random places that do not depend on what was read, asking for each a good while
/// ahead: as many at a time as the processor can have under way.
fn random_reads<const N: usize>(bytes: &[u8], reads: usize) -> u64 {
    const AHEAD: usize = 32;
    let items: &[[u8; N]] = bytes.as_chunks().0;
    let mut asked = [0; AHEAD];
    let mut sum = 0;
    let mut state = 1u64;
    for i in 0..reads {
        sum ^= items[asked[i % AHEAD]].chunks(64).fold(0, |sum, line| sum ^ line[0]);
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        // The high half, scaled to the number of items.
        let item = (((state >> 32) * items.len() as u64) >> 32) as usize;
        asked[i % AHEAD] = item;
        items[item].chunks(64).for_each(prefetch);
    }
    u64::from(sum)
}

#[allow(unsafe_code)] // an intrinsic; the library's own code has no use for this function
fn prefetch(line: &[u8]) {
    // SAFETY: every x86-64 processor has the instruction, and it reads nothing.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.as_ptr().cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}
