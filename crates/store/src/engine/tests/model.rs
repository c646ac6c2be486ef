//! What the engine must do, done simply.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_128;

use super::*;
use crate::backing::Disk;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) height: u32,
    pub(super) hash: [u8; 32],
    pub(super) spent: Vec<(Key, Vec<u8>)>,
    pub(super) created: Vec<(Key, Vec<u8>)>,
    pub(super) extra: Vec<u8>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) coins: BTreeMap<Key, Vec<u8>>,
    pub(super) chain: Vec<Block>,
    /// Spent once: material for looking up in vain, and for creating again.
    pub(super) gone: Vec<(Key, Vec<u8>)>,
    /// As [`Engine::undo_floor`].
    pub(super) floor: Option<u32>,
}

impl Model {
    pub(super) fn tip(&self) -> Option<Tip> {
        let last = self.chain.last()?;
        let sum = self.coins.iter().fold(0_u128, |sum, (key, value)| {
            sum.wrapping_add(xxh3_128(&[&key[..], value].concat()))
        });
        Some(Tip {
            height: last.height,
            hash: last.hash,
            digest: CoinDigest::from_u128(sum),
            coins: self.coins.len() as u64,
        })
    }

    pub(super) fn apply(&mut self, block: &Block) {
        for (key, value) in &block.spent {
            assert_eq!(self.coins.remove(key).as_ref(), Some(value));
            self.gone.push((*key, value.clone()));
        }
        for (key, value) in &block.created {
            assert!(self.coins.insert(*key, value.clone()).is_none());
        }
        self.chain.push(block.clone());
    }

    fn undo(&mut self) -> Block {
        let block = self.chain.pop().unwrap();
        for (key, value) in &block.created {
            assert_eq!(self.coins.remove(key).as_ref(), Some(value));
        }
        for (key, value) in &block.spent {
            assert!(self.coins.insert(*key, value.clone()).is_none());
        }
        block
    }

    pub(super) fn can_undo(&self) -> bool {
        self.chain.last().is_some_and(|last| self.floor.is_none_or(|floor| last.height > floor))
    }

    pub(super) fn committed(&mut self, horizon: u32) {
        let below = self.chain.last().and_then(|last| {
            let first = self.floor.map_or(self.chain[0].height, |floor| floor + 1);
            let undoable = (last.height + 1).saturating_sub(first);
            (undoable > horizon).then(|| last.height - horizon)
        });
        self.floor = self.floor.max(below);
    }

    pub(super) fn random_block(&self, rng: &mut SimRng) -> Block {
        let height = self.chain.last().map_or(rng.below(2) as u32, |last| last.height + 1);
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&rng.next_u64().to_le_bytes());
        let mut left: Vec<_> = self.coins.iter().map(|(k, v)| (*k, v.clone())).collect();
        let mut spent = Vec::new();
        // Sizes swing, so that the table grows and segments empty.
        let wave = (height / 8).is_multiple_of(2);
        let spends = rng.below(if wave { 4 } else { 9 });
        for _ in 0..spends.min(left.len() as u64) {
            spent.push(left.swap_remove(rng.below(left.len() as u64) as usize));
        }
        let mut created: Vec<(Key, Vec<u8>)> = Vec::new();
        for _ in 0..rng.below(if wave { 5 } else { 3 }) {
            if rng.below(4) == 0 && !self.gone.is_empty() {
                let (key, value) = &self.gone[rng.below(self.gone.len() as u64) as usize];
                let exists = left.iter().chain(&created).any(|(other, _)| other == key);
                if !exists {
                    created.push((*key, value.clone()));
                    continue;
                }
            }
            let mut key = [0; 36];
            key[..8].copy_from_slice(&rng.next_u64().to_le_bytes());
            key[24..32].copy_from_slice(&rng.next_u64().to_le_bytes());
            for index in 0..1 + rng.below(3) as u32 {
                key[32..].copy_from_slice(&(index * 200).to_le_bytes());
                let len = [rng.below(12), rng.below(90), rng.below(300)][rng.below(3) as usize];
                let value = (0..len).map(|_| rng.next_u64() as u8).collect();
                created.push((key, value));
            }
        }
        let extra = (0..rng.below(20)).map(|_| rng.next_u64() as u8).collect();
        Block { height, hash, spent, created, extra }
    }
}

/// What one batch is to do.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Apply(Block),
    Undo,
}

/// A batch for the model, and the model after it.
pub(super) fn plan(model: &Model, horizon: u32, rng: &mut SimRng) -> (Vec<Step>, Model) {
    let mut after = model.clone();
    let mut steps = Vec::new();
    let undos = [0, 0, 0, 1, 2, 5][rng.below(6) as usize];
    for _ in 0..undos {
        // What the batch itself has applied can be undone at once, and so on.
        if after.can_undo() {
            after.undo();
            steps.push(Step::Undo);
        }
        if rng.below(6) == 0 {
            let block = after.random_block(rng);
            after.apply(&block);
            steps.push(Step::Apply(block));
        }
    }
    for _ in 0..1 + rng.below(4) {
        let block = after.random_block(rng);
        after.apply(&block);
        steps.push(Step::Apply(block));
    }
    after.committed(horizon);
    (steps, after)
}

/// Does the steps in a batch that is not committed yet.
pub(super) fn perform<D: Disk>(
    batch: &mut Batch<'_, D>,
    model: &Model,
    steps: &[Step],
) -> Result<(), EngineError> {
    let mut model = model.clone();
    let mut out = Lookups::new();
    for step in steps {
        match step {
            Step::Apply(block) => {
                let keys: Vec<Key> = block.spent.iter().map(|(key, _)| *key).collect();
                batch.find(&keys, &mut out)?;
                let mut spent = Vec::new();
                for (i, (_, value)) in block.spent.iter().enumerate() {
                    assert_eq!(out.value(i), Some(&value[..]));
                    spent.push(out.found(i).unwrap());
                }
                let created: Vec<NewCoin<'_>> =
                    block.created.iter().map(|(key, value)| NewCoin { key: *key, value }).collect();
                let tip = batch.apply(&BlockEntry {
                    height: block.height,
                    hash: block.hash,
                    body: BodyRef { file: 1, offset: 2, bytes: block.height, checksum: 4 },
                    spent: &spent,
                    created: &created,
                    extra: &block.extra,
                })?;
                model.apply(block);
                assert_eq!(Some(tip), model.tip());
            }
            Step::Undo => {
                let undone = batch.undo()?;
                let block = model.undo();
                assert_eq!((undone.height, undone.hash), (block.height, block.hash));
                assert_eq!((undone.extra, undone.body.bytes), (block.extra, block.height));
                assert_eq!(undone.tip, model.tip());
            }
        }
        assert_eq!(batch.tip(), model.tip());
    }
    let keys: Vec<Key> =
        model.coins.keys().chain(model.gone.iter().map(|g| &g.0)).copied().collect();
    batch.find(&keys, &mut out)?;
    for (i, key) in keys.iter().enumerate() {
        assert_eq!(out.value(i), model.coins.get(key).map(|v| &v[..]));
    }
    Ok(())
}

/// The caller's part: remembers the chain in `aux` and in what replay tells.
#[derive(Debug, Default)]
pub(super) struct Chain(pub(super) Vec<[u8; 32]>);

impl Chain {
    pub(super) fn of(model: &Model) -> Self {
        Self(model.chain.iter().map(|block| block.hash).collect())
    }

    pub(super) fn aux(&self) -> Vec<u8> {
        self.0.concat()
    }
}

impl Recovery for Chain {
    fn body_is_intact(&mut self, body: &BodyRef) -> Result<bool, EngineError> {
        assert_eq!(body.checksum, 4);
        Ok(true)
    }

    fn sync_bodies(&mut self, _: &[BodyRef]) -> Result<(), EngineError> {
        Ok(())
    }

    fn checkpoint(&mut self, tip: Option<Tip>, aux: &[u8]) -> Result<(), EngineError> {
        self.0 = aux.chunks(32).map(|hash| hash.try_into().unwrap()).collect();
        assert_eq!(self.0.last().copied(), tip.map(|tip| tip.hash));
        Ok(())
    }

    fn applied(&mut self, block: &ReplayedBlock<'_>) -> Result<(), EngineError> {
        assert_eq!(block.tip.map(|tip| tip.hash), Some(block.hash));
        self.0.push(block.hash);
        Ok(())
    }

    fn undone(&mut self, block: &ReplayedBlock<'_>) -> Result<(), EngineError> {
        assert_eq!(self.0.pop(), Some(block.hash));
        assert_eq!(block.tip.map(|tip| tip.hash), self.0.last().copied());
        Ok(())
    }
}

pub(super) fn nothing() -> SyncJob {
    Box::new(|| Ok(()))
}

/// All coins of the engine.
pub(super) fn coins_of<D: Disk>(engine: &Engine<D>) -> BTreeMap<Key, Vec<u8>> {
    let mut coins = BTreeMap::new();
    engine
        .for_each_coin(&mut |key, value| {
            assert!(coins.insert(*key, value.to_vec()).is_none(), "a coin twice");
            Ok(())
        })
        .unwrap();
    coins
}

pub(super) fn assert_sound<D: Disk>(engine: &Engine<D>) {
    engine.check(&mut |_, _| {}, &mut |error| panic!("check: {error}")).unwrap();
}

/// The engine holds exactly the model.
pub(super) fn assert_same<D: Disk>(engine: &Engine<D>, model: &Model) {
    assert_eq!(engine.tip(), model.tip());
    assert_eq!(engine.undo_floor(), model.floor);
    assert!(coins_of(engine) == model.coins, "coins differ");
    assert_snapshot(&engine.snapshot(), model);
}

pub(super) fn assert_snapshot<D: Disk>(snapshot: &CoinSnapshot<D>, model: &Model) {
    assert_eq!(snapshot.tip(), model.tip());
    let mut out = Lookups::new();
    let keys: Vec<Key> =
        model.coins.keys().chain(model.gone.iter().map(|g| &g.0)).copied().collect();
    snapshot.find(&keys, &mut out).unwrap();
    for (i, key) in keys.iter().enumerate() {
        assert_eq!(out.value(i), model.coins.get(key).map(|v| &v[..]), "coin {i}");
    }
}
