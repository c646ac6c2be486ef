use std::collections::BTreeSet;

use super::*;
use crate::sim::{SimDisk, SimRng};

const TINY: TableOptions = TableOptions { shard_bits: 2, first_line_bits: 0, load_percent: 75 };

fn hash(n: u64) -> u64 {
    SimRng::new(n).next_u64()
}

fn pairs(table: &Table<SimDisk>) -> BTreeSet<(u64, u64)> {
    let mut all = BTreeSet::new();
    table
        .for_each(&mut |hash, payload| {
            assert!(all.insert((hash, payload)));
            Ok(())
        })
        .unwrap();
    all
}

fn model(set: &BTreeSet<u64>) -> BTreeSet<(u64, u64)> {
    // Two shard bits and 22 tag bits are kept.
    set.iter().map(|&n| (hash(n) >> 40 << 40, n)).collect()
}

fn assert_sound(table: &Table<SimDisk>) {
    table.check(&mut |error| panic!("{error}")).unwrap();
}

#[test]
fn grows_and_finds_everything() {
    let disk = SimDisk::new(0);
    let table = Table::create(&disk, "t", TINY, 7).unwrap();
    let count = if cfg!(miri) { 60 } else { 3000 };
    for n in 1..=count {
        table.insert(hash(n), n).unwrap();
    }
    assert_sound(&table);
    for n in 1..=count {
        assert_eq!(table.find(hash(n), |p| Ok(p == n)).unwrap(), Some(n));
    }
    assert_eq!(table.find(hash(count + 1), |p| Ok(p == count + 1)).unwrap(), None);
    for n in (1..=count).filter(|n| n % 3 != 0) {
        table.remove(hash(n), n).unwrap();
        assert!(table.remove(hash(n), n).is_err());
    }
    assert_sound(&table);
    let rest: BTreeSet<u64> = (1..=count).filter(|n| n % 3 == 0).collect();
    assert_eq!(pairs(&table), model(&rest));
    let state = table.state();
    assert_eq!(state.shards.iter().map(|s| s.1).sum::<u64>(), rest.len() as u64);
    let mut bytes = Vec::new();
    state.to_disk(&mut bytes);
    bytes.push(99);
    let mut reader = &bytes[..];
    assert_eq!(TableState::from_disk(&mut reader).unwrap(), state);
    assert_eq!(reader, [99]);
    assert_eq!(TableState::from_disk(&mut &bytes[..bytes.len() - 2]), None);
    let again = Table::open(&disk, "t", TINY, 7, &state).unwrap();
    assert_eq!(pairs(&again), model(&rest));
    // One file is left for each shard.
    assert_eq!(disk.list("t").unwrap().len(), 4);
    assert!(Table::open(&disk, "t", TINY, 8, &state).unwrap().find(1, |_| Ok(true)).is_err());
}

#[test]
fn equal_hashes_share_lines_and_come_apart() {
    let disk = SimDisk::new(0);
    let table = Table::create(&disk, "t", TINY, 7).unwrap();
    // More pairs of one hash than candidates that fit without allocating, across lines.
    for n in 1..=30 {
        table.insert(5 << 50, n).unwrap();
    }
    for n in 1..=30 {
        assert_eq!(table.find(5 << 50, |p| Ok(p == n)).unwrap(), Some(n));
    }
    assert_sound(&table);
}

#[test]
fn space_is_reserved_before_it_is_needed() {
    let disk = SimDisk::new(0);
    let table = Table::create(&disk, "t", TINY, 7).unwrap();
    disk.set_space(Some(disk.used()));
    assert!(matches!(table.reserve(&[20, 0, 0, 0]), Err(EngineError::NoSpace { .. })));
    assert_sound(&table);
    disk.heal();
    table.reserve(&[20; 4]).unwrap();
    let before = table.state();
    assert!(before.shards.iter().all(|s| s.0 >= 2));
    assert_sound(&table);
}

/// Any mixture of old and new lines, with a shard that grew, is put right by replaying net effects.
#[test]
fn replay_repairs_any_mixture() {
    let (rounds, count) = if cfg!(miri) { (2, 30) } else { (150, 300) };
    for seed in 0..rounds {
        let mut rng = SimRng::new(seed);
        let disk = SimDisk::new(0);
        let table = Table::create(&disk, "t", TINY, 7).unwrap();
        let mut set = BTreeSet::new();
        let mut next = 1;
        let mut step = |set: &mut BTreeSet<u64>, touched: &mut BTreeSet<u64>, grow: u64| {
            if rng.below(10) < grow || set.is_empty() {
                table.insert(hash(next), next).unwrap();
                set.insert(next);
                touched.insert(next);
                next += 1;
            } else {
                let nth = rng.below(set.len() as u64) as usize;
                let n = *set.iter().nth(nth).unwrap();
                table.remove(hash(n), n).unwrap();
                set.remove(&n);
                touched.insert(n);
            }
        };
        let mut touched = BTreeSet::new();
        for _ in 0..rng_count(seed, count) {
            step(&mut set, &mut touched, 8);
        }
        let state = table.state();
        let job = table.sync_job();
        touched.clear();
        // Changes go on while the checkpoint syncs.
        for _ in 0..count / 6 {
            step(&mut set, &mut touched, 5);
        }
        job().unwrap();
        table.remove_obsolete(&state).unwrap();
        for _ in 0..count / 2 {
            step(&mut set, &mut touched, 2 + seed % 7);
        }
        let image = disk.crash_image(seed);
        let again = Table::open(&image, "t", TINY, 7, &state).unwrap();
        let mut changes: Vec<Touched> = touched
            .iter()
            .map(|&n| Touched { hash: hash(n), payload: n, present: set.contains(&n) })
            .collect();
        again.replay(&mut changes).unwrap();
        assert_sound(&again);
        assert_eq!(pairs(&again), model(&set), "seed {seed}");
        again.replay(&mut changes).unwrap();
        assert_sound(&again);
        assert_eq!(pairs(&again), model(&set), "twice is as once");
    }
}

fn rng_count(seed: u64, count: u64) -> u64 {
    count / 2 + SimRng::new(seed ^ 99).below(count)
}

#[test]
fn damaged_byte_is_an_error_and_found() {
    let disk = SimDisk::new(0);
    let table = Table::create(&disk, "t", TINY, 7).unwrap();
    for n in 1..=10 {
        table.insert(hash(n), n).unwrap();
    }
    for (name, len) in disk.files() {
        for offset in (0..len).step_by(if cfg!(miri) { 61 } else { 1 }) {
            assert!(disk.corrupt(&name, offset, 0x10));
            let mut found = 0;
            table.check(&mut |_| found += 1).unwrap();
            let open = table
                .state()
                .shards
                .iter()
                .zip(0..)
                .any(|(s, n)| name == format!("t/{}", short_name(n, s.0)));
            assert_eq!(found > 0, open, "{name} {offset}");
            for n in 1..=10 {
                match table.find(hash(n), |p| Ok(p == n)) {
                    Ok(answer) => assert_eq!(answer, Some(n)),
                    Err(error) => assert_eq!(error.code(), "store.corrupt"),
                }
            }
            assert!(disk.corrupt(&name, offset, 0x10));
        }
    }
}
