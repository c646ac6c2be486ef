use std::collections::HashMap;
use std::path::PathBuf;

use super::{Plan, generate};
use crate::random::Random;
use crate::workload::{Block, Header, Key, Reader, amount_of, coin_hash};

/// A file that is removed when the test ends.
pub(crate) struct TempFile(pub(crate) PathBuf);

impl TempFile {
    pub(crate) fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("store-bench-{}-{name}", std::process::id())))
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn plan(target: u64, steady_blocks: u32, seed: u64) -> Plan {
    Plan { target, steady_blocks, queries: 1_000, seed }
}

/// Replays a file on a map and checks all that its blocks and queries say. Returns the ages of the
/// coins spent: how many coins had been created since.
fn replay(file: &TempFile) -> (Header, Vec<u64>) {
    let mut reader = Reader::open(&file.0, 0).unwrap();
    let header = *reader.header();
    let mut live: HashMap<Key, (Vec<u8>, u64)> = HashMap::new();
    let (mut block, mut scratch) = (Block::default(), Vec::new());
    let (mut digest, mut created, mut ages) = (0, 0, Vec::new());
    while reader.read(&mut block).unwrap() {
        let mut amount: u64 = 0;
        let before = created;
        for key in block.spends() {
            let (value, number) = live.remove(key).expect("a spend finds its coin");
            amount = amount.wrapping_add(amount_of(&value).unwrap());
            digest ^= coin_hash(key, &value, &mut scratch);
            ages.push(before - number);
        }
        for (key, value) in block.creates() {
            assert!(value.len() == 45 || value.len() == 107);
            assert_eq!(value[..4], block.height.to_le_bytes());
            digest ^= coin_hash(key, value, &mut scratch);
            assert!(live.insert(*key, (value.to_vec(), created)).is_none(), "a key comes twice");
            created += 1;
        }
        assert_eq!(amount, block.spent_amount);
        assert_eq!(digest, block.digest_after);
        assert_eq!(live.len() as u64, block.live_after);
        if block.height >= header.fill_blocks {
            assert_eq!(block.live_after, header.target);
        } else {
            assert!(block.spends().is_empty());
        }
    }
    assert_eq!(live.len() as u64, header.live_end);
    let queries = reader.into_queries(u32::MAX).unwrap();
    assert_eq!(queries.len(), 1_000);
    assert!(queries.iter().all(|(key, is_live)| live.contains_key(key) == *is_live));
    let found = queries.iter().filter(|(_, is_live)| *is_live).count();
    assert!((700..950).contains(&found), "{found} of 1,000 queries find a coin");
    (header, ages)
}

#[test]
fn blocks_and_queries_agree_with_a_replay() {
    for (target, steady_blocks, seed) in [(60_000, 30, 1), (1, 3, 2), (25, 40, 3), (10_001, 9, 4)] {
        let file = TempFile::new(&format!("replay-{target}"));
        let written = generate(&file.0, &plan(target, steady_blocks, seed)).unwrap();
        let (header, _) = replay(&file);
        assert_eq!(written, header);
        assert_eq!(header.live_end, target);
        assert_eq!(u64::from(header.fill_blocks), target.div_ceil(10_000));
    }
}

#[test]
fn the_seed_decides_every_byte() {
    let bytes = |name, seed| {
        let file = TempFile::new(name);
        generate(&file.0, &plan(30_000, 5, seed)).unwrap();
        std::fs::read(&file.0).unwrap()
    };
    let first = bytes("seed-a", 9);
    assert!(first == bytes("seed-b", 9));
    assert!(first != bytes("seed-c", 10));
}

#[test]
fn half_of_the_spends_are_young_and_a_quarter_of_any_age() {
    let file = TempFile::new("ages");
    generate(&file.0, &plan(1_000_000, 20, 5)).unwrap();
    let (_, ages) = replay(&file);
    let share = |low: u64, high: u64| {
        let count = ages.iter().filter(|age| (low..high).contains(*age)).count();
        count as f64 / ages.len() as f64
    };
    // Recent means 144 blocks of 4,000 coins: 45 % and its part of the 25 % of any age.
    let recent = share(0, 576_000);
    let expected = 0.45 + 0.25 * 0.576 / 1.04;
    assert!((recent - expected).abs() < 0.03, "{recent} of the spends are recent");
    // The young end is log-uniform, though its youngest coins soon are spent.
    let young = share(0, 24_000);
    assert!((0.25..0.40).contains(&young), "{young} of the spends are of the last six blocks");
}

#[test]
fn a_damaged_file_is_refused_not_believed() {
    let file = TempFile::new("damaged");
    generate(&file.0, &plan(500, 4, 6)).unwrap();
    let good = std::fs::read(&file.0).unwrap();
    let mut random = Random::of(8, 0);
    let mut refused = 0;
    for _ in 0..300 {
        let mut bytes = good.clone();
        let at = usize::try_from(random.below(400)).unwrap();
        bytes[at] ^= 1 << random.below(8);
        bytes.truncate(good.len() - usize::try_from(random.below(3)).unwrap() * 1_000);
        std::fs::write(&file.0, &bytes).unwrap();
        let read = Reader::open(&file.0, 0).and_then(|mut reader| {
            let mut block = Block::default();
            while reader.read(&mut block)? {}
            reader.into_queries(u32::MAX)
        });
        refused += u32::from(read.is_err());
    }
    // Many a bit stands in a key or value, where the digests of a run would find it.
    assert!(refused > 150, "{refused} of 300 refused");
}
