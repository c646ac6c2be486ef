//! Random operations on the store's engine, beside a map that does the same, on a disk that fails.

#![expect(clippy::panic, reason = "a panic is how a target tells of a finding")]

use std::collections::BTreeMap;

use mvs_store::engine::{
    Batch, BlockEntry, BodyRef, Engine, EngineError, Found, Key, Lookups, NewCoin, Options,
    TableOptions,
};
use mvs_store::sim::{CALLS, Fault, SimDisk};

/// More make a run slow and find nothing new.
const STEPS_MAX: usize = 300;

#[derive(Clone, Default, PartialEq, Eq)]
struct Block {
    hash: [u8; 32],
    spent: Vec<(Key, Vec<u8>)>,
    created: Vec<(Key, Vec<u8>)>,
}

#[derive(Clone, Default)]
struct Model {
    coins: BTreeMap<Key, Vec<u8>>,
    chain: Vec<Block>,
}

impl Model {
    fn apply(&mut self, block: Block) {
        for (key, _) in &block.spent {
            assert!(self.coins.remove(key).is_some());
        }
        self.coins.extend(block.created.iter().cloned());
        self.chain.push(block);
    }

    fn undo(&mut self) {
        let block = self.chain.pop().expect("the engine undid a block");
        for (key, _) in &block.created {
            assert!(self.coins.remove(key).is_some());
        }
        self.coins.extend(block.spent);
    }

    fn tip(&self) -> Option<([u8; 32], u64)> {
        Some((self.chain.last()?.hash, self.coins.len() as u64)) // widening
    }
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }
}

fn options(byte: u8) -> Options {
    Options {
        network_id: 7,
        undo_horizon: u32::from(byte & 3) * 2,
        segment_bytes: 1024 << (byte >> 2 & 1),
        grow_bytes: 256,
        checkpoint_bytes: 2048,
        index: TableOptions { shard_bits: byte >> 3 & 1, first_line_bits: 0, load_percent: 75 },
        waste_percent: 10,
        clean_step_bytes: 512 << (byte >> 4 & 3),
        snapshot_changes_max: 100,
        replay_changes_max: 20,
        background: false,
        write_ahead: true,
    }
}

/// The store under test, its disk, and what must be in it.
struct Session {
    disk: SimDisk,
    options: Options,
    /// As of the last batch whose commit has returned.
    model: Model,
    /// As of the batch whose commit failed: it may be there.
    begun: Option<Model>,
    /// A call may fail for no other reason than that it was told to.
    may_fail: bool,
    /// Blocks made so far: no two have the same hash.
    made: u64,
}

impl Session {
    fn open(&mut self) -> Engine<SimDisk> {
        let opened = Engine::open(self.disk.clone(), self.options.clone(), &mut ());
        let mut engine = match opened {
            Ok((engine, _)) => engine,
            Err(error) => {
                assert!(self.may_fail, "opening: {error}");
                self.heal();
                self.disk = self.disk.crash_image(self.made);
                let again = Engine::open(self.disk.clone(), self.options.clone(), &mut ());
                again.unwrap_or_else(|error| panic!("opening again: {error}")).0
            }
        };
        let tip = engine.tip().map(|tip| (tip.hash, tip.coins));
        if tip != self.model.tip()
            && let Some(begun) = self.begun.take()
        {
            self.model = begun;
        }
        self.begun = None;
        assert!(tip == self.model.tip(), "neither the last batch nor the one begun");
        self.heal();
        self.checkpoint(&mut engine);
        self.compare(&engine);
        engine
    }

    /// A checkpoint cut short is no damage; the next one takes its place.
    fn checkpoint(&self, engine: &mut Engine<SimDisk>) {
        for _ in 0..2 {
            engine.checkpoint(Vec::new(), Box::new(|| Ok(()))).expect("nothing fails");
        }
    }

    fn heal(&mut self) {
        self.disk.heal();
        self.may_fail = false;
    }

    fn compare(&self, engine: &Engine<SimDisk>) {
        let mut coins = BTreeMap::new();
        let visited = engine.for_each_coin(&mut |key, value| {
            assert!(coins.insert(*key, value.to_vec()).is_none(), "a coin twice");
            Ok(())
        });
        visited.expect("every coin can be read");
        assert!(coins == self.model.coins, "other coins");
        engine.check(&mut |_, _| {}, &mut |error| panic!("{error}")).expect("the disk reads");
    }

    /// A block from a few bytes: spends and creates a few coins of the state inside the batch.
    fn block(&mut self, model: &Model, shape: u8, pick: u8) -> Block {
        self.made += 1;
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&self.made.to_le_bytes());
        let len = model.coins.len().max(1);
        let spends = usize::from(shape & 3).min(model.coins.len());
        let start = usize::from(pick) % len;
        let spent = model.coins.iter().cycle().skip(start).take(spends);
        let spent = spent.map(|(key, value)| (*key, value.clone())).collect();
        let created = (0..u32::from(shape >> 2 & 3))
            .map(|index| {
                let mut key = [0; 36];
                key[..32].copy_from_slice(&hash);
                key[32..].copy_from_slice(&index.to_le_bytes());
                (key, vec![pick; usize::from(shape >> 4) * 9])
            })
            .collect();
        Block { hash, spent, created }
    }
}

fn apply(batch: &mut Batch<'_, SimDisk>, model: &Model, block: &Block) -> Result<(), EngineError> {
    let keys: Vec<Key> = block.spent.iter().map(|(key, _)| *key).collect();
    let mut out = Lookups::new();
    batch.find(&keys, &mut out)?;
    let spent: Vec<Found> = (0..keys.len()).filter_map(|index| out.found(index)).collect();
    for (index, (_, value)) in block.spent.iter().enumerate() {
        assert_eq!(out.value(index), Some(&value[..]), "a coin of the model");
    }
    let created: Vec<NewCoin<'_>> =
        block.created.iter().map(|(key, value)| NewCoin { key: *key, value }).collect();
    let height = u32::try_from(model.chain.len()).expect("few blocks");
    batch.apply(&BlockEntry {
        height,
        hash: block.hash,
        body: BodyRef::default(),
        spent: &spent,
        created: &created,
        extra: &[1, 2],
    })?;
    Ok(())
}

/// How a batch ended.
enum End {
    Committed,
    Dropped,
    Failed(EngineError),
}

fn batch(
    session: &mut Session,
    engine: &mut Engine<SimDisk>,
    bytes: &mut Bytes<'_>,
    steps: &mut usize,
) -> End {
    let mut model = session.model.clone();
    let mut batch = match engine.batch() {
        Ok(batch) => batch,
        Err(error) => return End::Failed(error),
    };
    while let Some(byte) = bytes.next() {
        *steps += 1;
        match byte & 7 {
            0..=3 => {
                let Some(shape) = bytes.next() else { break };
                let block = session.block(&model, shape, byte >> 3);
                if let Err(error) = apply(&mut batch, &model, &block) {
                    return End::Failed(error);
                }
                model.apply(block);
            }
            4 => match batch.undo() {
                Ok(undone) => {
                    assert_eq!(Some(undone.hash), model.chain.last().map(|last| last.hash));
                    model.undo();
                }
                // The batch is only good for dropping now.
                Err(EngineError::BeyondHorizon) => return End::Dropped,
                Err(error) => return End::Failed(error),
            },
            5 => return End::Dropped,
            _ => {
                let tip = batch.tip().map(|tip| (tip.hash, tip.coins));
                assert!(tip == model.tip());
                return match batch.commit(&[]) {
                    Ok(_) => {
                        session.model = model;
                        End::Committed
                    }
                    Err(error) => {
                        let is_refused = matches!(error, EngineError::NoSpace { .. });
                        session.begun = (!is_refused).then_some(model);
                        End::Failed(error)
                    }
                };
            }
        }
    }
    End::Dropped
}

/// Each byte is an operation or says more about the last one: batches of blocks applied and undone,
/// committed and dropped; checkpoints; closing, dying, power cuts; faults; a full disk. The store is
/// at all times what the map is, and after a failure as it was or as it was to become.
pub(crate) fn ops(data: &[u8]) {
    let mut bytes = Bytes(data);
    let Some(first) = bytes.next() else { return };
    let mut session = Session {
        disk: SimDisk::new(u64::from(first)),
        options: options(first),
        model: Model::default(),
        begun: None,
        may_fail: false,
        made: 0,
    };
    let mut engine = session.open();
    let mut steps = 0;
    while steps < STEPS_MAX
        && let Some(byte) = bytes.next()
    {
        steps += 1;
        let more = byte >> 3;
        let failed = match byte & 7 {
            0..=3 => match batch(&mut session, &mut engine, &mut bytes, &mut steps) {
                End::Committed | End::Dropped => None,
                End::Failed(error) => Some(error),
            },
            4 => engine.checkpoint(Vec::new(), Box::new(|| Ok(()))).err(),
            5 => {
                let call = CALLS[usize::from(more) % CALLS.len()];
                let fault = [Fault::NoSpace, Fault::Io, Fault::Short];
                let fault = fault[usize::from(bytes.next().unwrap_or(0)) % 3];
                session.disk.fail(call, session.disk.calls(call) + u64::from(more >> 3), fault);
                session.may_fail = true;
                None
            }
            6 => {
                session.disk.set_space(Some(session.disk.used() + u64::from(more) * 64));
                session.may_fail = true;
                None
            }
            _ => {
                // A sync may fail while it closes.
                match if session.may_fail { 3 } else { more & 3 } {
                    0 => {
                        let closed = engine.close(Vec::new(), Box::new(|| Ok(())));
                        closed.expect("nothing is to fail");
                    }
                    1 => drop(engine),
                    2 => {
                        drop(engine);
                        session.disk = session.disk.kill_image();
                    }
                    _ => {
                        drop(engine);
                        session.disk = session.disk.crash_image(u64::from(more) ^ session.made);
                    }
                }
                engine = session.open();
                None
            }
        };
        if let Some(error) = failed {
            assert!(session.may_fail, "nothing was to fail: {error}");
            if matches!(error, EngineError::NoSpace { .. }) && engine.batch().is_ok() {
                session.heal();
                session.checkpoint(&mut engine);
                session.compare(&engine);
            } else {
                // Writing has ended. Whether the batch is there shows after the power went. (In the same
                // life of the kernel, what a failed sync forgot would still be shown.)
                drop(engine);
                session.disk = session.disk.crash_image(session.made);
                engine = session.open();
            }
        }
    }
    session.heal();
    drop(engine);
    session.disk = session.disk.crash_image(session.made);
    session.open();
}
