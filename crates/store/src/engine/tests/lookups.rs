//! Look-ups of many keys at a time against single ones, in memory and when pages have to come from the disk.

use std::collections::BTreeSet;
use std::time::Duration;

use super::model::{Block, Model, Step, perform};
use super::*;
use crate::engine::codec::{offset_of, segment_of};
use crate::sim::SimDisk;

const PAGE: u64 = 4096;

fn key(number: u64) -> Key {
    let mut key = [0; 36];
    // Two outputs of each transaction.
    key[..8].copy_from_slice(&(number / 2).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    key[32] = (number % 2) as u8;
    key
}

fn coin(number: u64) -> (Key, Vec<u8>) {
    (key(number), vec![number as u8; (number % 90) as usize])
}

fn block(height: u32, spent: Vec<(Key, Vec<u8>)>, created: Vec<(Key, Vec<u8>)>) -> Block {
    Block { height, hash: [height as u8; 32], spent, created, extra: Vec::new() }
}

/// Makes look-ups from now on take pages for slow, or for fast.
fn set_pace(engine: &Engine<SimDisk>, is_slow: bool) {
    let pace = &engine.shared.pace;
    let time = if is_slow { Duration::from_secs(1) } else { Duration::ZERO };
    for _ in 0..64 {
        pace.index.note(1_000, time);
        pace.log.note(1_000, time);
    }
    assert_eq!((pace.index.is_slow(), pace.log.is_slow()), (is_slow, is_slow));
}

/// All that a handle says of a coin.
type Answer = Option<(u64, u64, u128, bool, Vec<u8>)>;

fn answers(out: &Lookups, len: usize) -> Vec<Answer> {
    assert_eq!(out.len(), len);
    (0..len)
        .map(|i| {
            let found = out.found(i)?;
            let value = out.value(i).unwrap().to_vec();
            Some((found.hash, found.position, found.digest, found.in_index, value))
        })
        .collect()
}

/// Many keys: there, gone, never there, twice.
fn many(rng: &mut SimRng, count: usize) -> Vec<Key> {
    let mut keys: Vec<Key> = (0..count).map(|_| key(rng.below(1_300))).collect();
    for _ in 0..count / 8 {
        let (from, to) = (rng.below(count as u64) as usize, rng.below(count as u64) as usize);
        keys[to] = keys[from];
    }
    keys
}

/// Compares look-ups of many keys with single ones and with the model; `ask` answers a list of keys.
fn compare(
    engine: &Engine<SimDisk>,
    model: &Model,
    rng: &mut SimRng,
    is_old: bool,
    ask: &dyn Fn(&[Key], &mut Lookups),
) {
    let disk = engine.disk();
    let mut out = Lookups::new();
    // Around a group, around a lot of tests, and several lots.
    for count in [31, 32, 33, 64, 127, 128, 129, 700] {
        let keys = many(rng, count);
        let singles: Vec<Answer> = keys
            .iter()
            .map(|key| {
                ask(&[*key], &mut out);
                answers(&out, 1).remove(0)
            })
            .collect();
        for (key, single) in keys.iter().zip(&singles) {
            assert_eq!(single.as_ref().map(|answer| &answer.4), model.coins.get(key));
        }
        assert!(singles.iter().any(Option::is_some) && singles.iter().any(Option::is_none));
        for is_slow in [false, true] {
            set_pace(engine, is_slow);
            disk.will_needed();
            ask(&keys, &mut out);
            assert_eq!(answers(&out, count), singles, "{count} keys, slow {is_slow}");
            let asked = disk.will_needed();
            if is_slow {
                assert_asked(engine, &singles, &asked, is_old);
            } else if count <= 128 {
                // In one lot the pace is asked before it is noted.
                assert_eq!(asked, []);
            }
        }
    }
}

/// A line of the index was asked for with each key, and the page of each coin; of an old snapshot's coins only of
/// those that the index still holds.
fn assert_asked(
    engine: &Engine<SimDisk>,
    found: &[Answer],
    asked: &[(String, u64, u64)],
    is_old: bool,
) {
    let sizes: BTreeMap<String, u64> = engine.disk().files().into_iter().collect();
    let lines = asked.iter().filter(|(name, ..)| name.starts_with("index/")).count();
    assert_eq!(lines, found.len(), "one line for each key");
    let mut pages = BTreeSet::new();
    for (name, offset, len) in asked {
        assert!(*len > 0 && offset < &sizes[name], "{name} {offset} {len}");
        if name.starts_with("log/") {
            assert_eq!(offset % PAGE, 0);
            pages.insert((name.clone(), offset / PAGE));
        }
    }
    let (mut hits, mut misses) = (0, 0);
    for (_, position, ..) in found.iter().flatten() {
        let name = log::Segment::<SimDisk>::log_name(segment_of(*position));
        let page = (name, u64::from(offset_of(*position)) / PAGE);
        *(if pages.contains(&page) { &mut hits } else { &mut misses }) += 1;
    }
    assert!(misses == 0 || is_old && misses < hits, "{misses} coins, {hits} others");
}

/// A store of 1,000 coins in several segments; half of them are old enough to be in earlier batches.
fn store() -> (Engine<SimDisk>, Model) {
    let options = Options {
        network_id: 7,
        undo_horizon: 3,
        segment_bytes: 16 << 10,
        grow_bytes: 4 << 10,
        index: TableOptions { shard_bits: 2, first_line_bits: 1, load_percent: 75 },
        background: false,
        ..Options::default()
    };
    let (mut engine, _) = Engine::open(SimDisk::new(1), options, &mut ()).unwrap();
    let mut model = Model::default();
    for height in 0..10 {
        let from = u64::from(height) * 100;
        let block = block(height, Vec::new(), (from..from + 100).map(coin).collect());
        let mut batch = engine.batch().unwrap();
        perform(&mut batch, &model, &[Step::Apply(block.clone())]).unwrap();
        batch.commit(&[]).unwrap();
        model.apply(&block);
    }
    (engine, model)
}

#[test]
fn many_keys_are_as_single_ones_inside_a_batch() {
    if cfg!(miri) {
        return;
    }
    for seed in 0..times(3, 0) {
        let (mut engine, mut model) = store();
        let mut rng = SimRng::new(seed);
        // Gone, gone and made again, made anew: the batch's word against the index's.
        let gone: Vec<_> = (0..1_000).filter(|n| n % 5 == 0).map(coin).collect();
        let again: Vec<_> = (0..1_000).filter(|n| n % 15 == 0).map(coin).collect();
        let blocks = [
            block(10, gone, (1_000..1_100).map(coin).collect()),
            block(11, (1_000..1_020).map(coin).collect(), again),
        ];
        let mut batch = engine.batch().unwrap();
        let steps: Vec<Step> = blocks.iter().cloned().map(Step::Apply).collect();
        perform(&mut batch, &model, &steps).unwrap();
        blocks.iter().for_each(|block| model.apply(block));
        compare(&*batch.engine, &model, &mut rng, false, &|keys, out| {
            batch.find(keys, out).unwrap()
        });
    }
}

#[test]
fn many_keys_are_as_single_ones_in_a_snapshot() {
    if cfg!(miri) {
        return;
    }
    for seed in 0..times(3, 0) {
        let (mut engine, model) = store();
        let mut rng = SimRng::new(seed);
        let old = engine.snapshot();
        let mut now = model.clone();
        for (height, first) in [(10, 0), (11, 3)] {
            let gone: Vec<_> = (0..1_000).filter(|n| n % 7 == first).map(coin).collect();
            // Some come back elsewhere: of one key an old and a new position.
            let mut made: Vec<_> = (1_000..1_100).map(|n| coin(n + 100 * first)).collect();
            if height == 11 {
                made = (0..1_000).filter(|n| n % 14 == 0).map(coin).collect();
            }
            let block = block(height, gone, made);
            let mut batch = engine.batch().unwrap();
            perform(&mut batch, &now, &[Step::Apply(block.clone())]).unwrap();
            batch.commit(&[]).unwrap();
            now.apply(&block);
        }
        let young = engine.snapshot();
        compare(&engine, &now, &mut rng, false, &|keys, out| young.find(keys, out).unwrap());
        compare(&engine, &model, &mut rng, true, &|keys, out| old.find(keys, out).unwrap());
    }
}
