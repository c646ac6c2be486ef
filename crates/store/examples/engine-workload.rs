//! Drives the engine alone with the shape of the UTXO workload, to see where its time goes.
//!
//! `engine-workload FOLDER COINS STEADY-BLOCKS [EVERY] [HORIZON]`: fills the store with 10,000 coins a block,
//! then spends and creates 4,000 a block, committing every so many blocks.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::time::{Duration, Instant};

use mvs_store::engine::{BlockEntry, BodyRef, Engine, Key, Lookups, NewCoin, Options};
use mvs_store::mmap::MapDisk;
use mvs_store::sim::SimRng;
use rustix::time::{ClockId, clock_gettime};

fn clock(id: ClockId) -> Duration {
    let time = clock_gettime(id);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// CPU and time of the store, without the generator's.
#[derive(Default)]
struct Meter {
    wall: Duration,
    cpu: Duration,
    worst: Duration,
    commits: Vec<Duration>,
}

struct World {
    rng: SimRng,
    live: Vec<u64>,
    next: u64,
    height: u32,
}

impl World {
    fn key(id: u64) -> Key {
        let mut key = [0; 36];
        let mut rng = SimRng::new(id / 2);
        for chunk in key[..32].chunks_exact_mut(8) {
            chunk.copy_from_slice(&rng.next_u64().to_le_bytes());
        }
        key[32] = (id % 2) as u8;
        key
    }

    fn value(id: u64, out: &mut Vec<u8>) {
        let small = std::env::var_os("COMPACT").is_some();
        let len = match (id.is_multiple_of(4), small) {
            (true, false) => 107,
            (false, false) => 45,
            (true, true) => 78,
            (false, true) => 30,
        };
        let mut rng = SimRng::new(!id);
        let start = out.len();
        while out.len() < start + len {
            out.extend(rng.next_u64().to_le_bytes());
        }
        out.truncate(start + len);
    }

    fn is_live(&self, id: u64) -> bool {
        self.live.get(id as usize / 64).is_some_and(|w| w >> (id % 64) & 1 != 0)
    }

    fn flip(&mut self, id: u64) {
        let word = id as usize / 64;
        if self.live.len() <= word {
            self.live.resize(word + 1, 0);
        }
        self.live[word] ^= 1 << (id % 64);
    }

    fn pick(&mut self) -> u64 {
        let recent = (144.0 * 4000.0_f64).min(self.next as f64);
        let all = self.next as f64;
        let u = (self.rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let age = match self.rng.below(100) {
            0..45 => recent.powf(u),
            45..75 => recent * (all / recent).powf(u),
            _ => all * u,
        };
        let mut id = self.next.saturating_sub(1 + age as u64);
        let mut up = id;
        while !self.is_live(id) {
            if id > 0 {
                id -= 1;
            } else {
                up += 1;
                if self.is_live(up) {
                    return up;
                }
            }
        }
        id
    }

    fn block(&mut self, spends: usize, creates: u64) -> (Vec<Key>, Vec<u64>) {
        let mut spent = Vec::with_capacity(spends);
        for _ in 0..spends {
            let id = self.pick();
            self.flip(id);
            spent.push(Self::key(id));
        }
        let created: Vec<u64> = (self.next..self.next + creates).collect();
        for &id in &created {
            self.flip(id);
        }
        self.next += creates;
        (spent, created)
    }
}

fn run(
    engine: &mut Engine<MapDisk>,
    world: &mut World,
    blocks: u64,
    spends: usize,
    creates: u64,
    every: u64,
) -> Meter {
    let mut meter = Meter::default();
    let start_cpu = clock(ClockId::ProcessCPUTime);
    let mut generator = Duration::ZERO;
    let mut out = Lookups::new();
    let mut done = 0;
    while done < blocks {
        let mut batch = engine.batch().unwrap();
        for _ in 0..every.min(blocks - done) {
            let mine = clock(ClockId::ThreadCPUTime);
            let (spent, created) = world.block(spends, creates);
            let mut values = Vec::new();
            let mut places = Vec::new();
            for &id in &created {
                let start = values.len();
                World::value(id, &mut values);
                places.push((World::key(id), start, values.len()));
            }
            let created: Vec<NewCoin<'_>> = places
                .iter()
                .map(|&(key, start, end)| NewCoin { key, value: &values[start..end] })
                .collect();
            generator += clock(ClockId::ThreadCPUTime) - mine;
            let t = Instant::now();
            batch.find(&spent, &mut out).unwrap();
            let found: Vec<_> = out.handles().iter().map(|f| f.unwrap()).collect();
            let mut hash = [0; 32];
            hash[..4].copy_from_slice(&world.height.to_le_bytes());
            batch
                .apply(&BlockEntry {
                    height: world.height,
                    hash,
                    body: BodyRef::default(),
                    spent: &found,
                    created: &created,
                    extra: &[],
                })
                .unwrap();
            meter.wall += t.elapsed();
            world.height += 1;
            done += 1;
        }
        let t = Instant::now();
        batch.commit(&[]).unwrap();
        if engine.checkpoint_due() {
            engine.checkpoint(Vec::new(), Box::new(|| Ok(()))).unwrap();
        }
        let took = t.elapsed();
        meter.wall += took;
        meter.worst = meter.worst.max(took);
        meter.commits.push(took);
    }
    meter.cpu = clock(ClockId::ProcessCPUTime) - start_cpu - generator;
    meter
}

fn anonymous() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status.lines().filter(|l| l.starts_with("RssAnon")).collect()
}

fn report(name: &str, blocks: u64, meter: &mut Meter, engine: &Engine<MapDisk>) {
    meter.commits.sort();
    let n = blocks as f64;
    println!(
        "{name}: {blocks} blocks, {:.1} blocks/s, wall {:.3} ms/block, cpu {:.3} ms/block, commit p50 {:.2} p99 {:.2} max {:.1} ms, {}",
        n / meter.wall.as_secs_f64(),
        meter.wall.as_secs_f64() * 1e3 / n,
        meter.cpu.as_secs_f64() * 1e3 / n,
        meter.commits[meter.commits.len() / 2].as_secs_f64() * 1e3,
        meter.commits[meter.commits.len() * 99 / 100].as_secs_f64() * 1e3,
        meter.worst.as_secs_f64() * 1e3,
        anonymous(),
    );
    println!("  {:?}", engine.stats());
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let number = |i: usize, default: u64| args.get(i).map_or(default, |a| a.parse().unwrap());
    let (coins, steady, every) = (number(2, 1_000_000), number(3, 300), number(4, 100));
    let options = Options { undo_horizon: number(5, 1000) as u32, ..Options::default() };
    let _ = std::fs::remove_dir_all(&args[1]);
    let disk = MapDisk::open(&args[1]).unwrap();
    let (mut engine, _) = Engine::open(disk.clone(), options.clone(), &mut ()).unwrap();
    let mut world = World { rng: SimRng::new(1), live: Vec::new(), next: 0, height: 0 };
    let mut meter = run(&mut engine, &mut world, coins / 10_000, 0, 10_000, every);
    report("fill", coins / 10_000, &mut meter, &engine);
    let part = (steady / 4).max(1);
    for i in 0..steady / part {
        let mut meter = run(&mut engine, &mut world, part, 4_000, 4_000, every);
        report(&format!("steady {i}"), part, &mut meter, &engine);
    }
    let mut meter = run(&mut engine, &mut world, 200, 4_000, 4_000, 1);
    report("tip", 200, &mut meter, &engine);

    let mut keys = Vec::new();
    while keys.len() < 200_000 {
        let id = world.rng.below(world.next);
        if keys.len() % 2 == 0 || world.is_live(id) {
            keys.push(World::key(id));
        }
    }
    let snapshot = engine.snapshot();
    let mut out = Lookups::new();
    for round in 0..2 {
        let t = Instant::now();
        let mut found = 0;
        for chunk in keys.chunks(4000) {
            snapshot.find(chunk, &mut out).unwrap();
            found += out.handles().iter().flatten().count();
        }
        println!("batched {round}: {:.2} M/s ({found})", 0.2 / t.elapsed().as_secs_f64());
        let mut times = Vec::with_capacity(keys.len());
        let all = Instant::now();
        for key in &keys {
            let t = Instant::now();
            snapshot.find(std::slice::from_ref(key), &mut out).unwrap();
            times.push(t.elapsed());
        }
        let all = all.elapsed();
        times.sort();
        println!(
            "single {round}: {:.2} M/s p50 {:?} p99 {:?}",
            0.2 / all.as_secs_f64(),
            times[times.len() / 2],
            times[times.len() * 99 / 100]
        );
    }
    drop(snapshot);
    let t = Instant::now();
    drop(engine);
    println!("drop {:?}", t.elapsed());
    for _ in 0..2 {
        let t = Instant::now();
        let (engine, opened) = Engine::open(disk.clone(), options.clone(), &mut ()).unwrap();
        println!("reopened in {:?} {opened:?} {}", t.elapsed(), anonymous());
        let t = Instant::now();
        engine.close(Vec::new(), Box::new(|| Ok(()))).unwrap();
        println!("closed in {:?}", t.elapsed());
    }
    let (engine, _) = Engine::open(disk, options, &mut ()).unwrap();
    if std::env::var_os("CHECK").is_some() {
        let t = Instant::now();
        engine.check(&mut |_, _| {}, &mut |error| println!("FOUND {error}")).unwrap();
        println!("checked in {:?}", t.elapsed());
    }
}
