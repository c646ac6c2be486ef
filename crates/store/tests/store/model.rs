//! Chains to store, and what is then to be in the store.

use std::fmt::Debug;
use std::sync::{Arc, LazyLock};

use mvs_consensus::block::ConnectedBlock;
use mvs_consensus::header_view::{HeaderChain, HeaderView};
use mvs_consensus::params::Params;
use mvs_consensus::state::{Coin, MemoryState, StateView};
use mvs_pow::CacheSet;
use mvs_primitives::attachment::CertType;
use mvs_primitives::encode::Encode;
use mvs_primitives::header::BlockVersion;
use mvs_primitives::height::Height;
use mvs_primitives::input::OutPoint;
use mvs_store::backing::Disk;
use mvs_store::codec::encode_coin;
use mvs_store::engine::{CoinDigest, TableOptions};
use mvs_store::registry::{Histories, Registry};
use mvs_store::{Options, Snapshot, Store, StoreError};
use testkit::chain::{FAR_FUTURE, MemoryChain};
use testkit::history::History;
use xxhash_rust::xxh3::xxh3_128;

pub(crate) static CACHES: LazyLock<Arc<CacheSet>> = LazyLock::new(|| Arc::new(CacheSet::new(1)));

/// Small sizes, so that short chains see growth, checkpoints and cleaning.
pub(crate) fn options(undo_horizon: u32) -> Options {
    let mut options = Options::new(7, undo_horizon);
    options.block_file_bytes = 300 << 10;
    options.engine.segment_bytes = 256 << 10;
    options.engine.grow_bytes = 64 << 10;
    options.engine.checkpoint_bytes = 200 << 10;
    options.engine.clean_step_bytes = 64 << 10;
    options.engine.index = TableOptions { shard_bits: 3, first_line_bits: 1, load_percent: 75 };
    options.engine.background = false;
    options
}

pub(crate) fn genesis() -> ConnectedBlock {
    genesis_of(&Params::devnet())
}

pub(crate) fn genesis_of(params: &Params) -> ConnectedBlock {
    mvs_consensus::block::connect_genesis(params).unwrap()
}

/// What a chain did: took back some blocks, then appended some.
pub(crate) struct Step {
    pub(crate) undo: usize,
    pub(crate) apply: Vec<ConnectedBlock>,
}

/// A chain with its way there.
pub(crate) struct Story {
    pub(crate) steps: Vec<Step>,
    pub(crate) chain: MemoryChain,
}

fn append(chain: &mut MemoryChain, blocks: &[Vec<u8>]) {
    if let Err((index, refusal)) = chain.append_all(blocks, FAR_FUTURE) {
        panic!("block {index} after the tip: {}: {refusal}", refusal.code());
    }
}

impl Story {
    /// Makes a history: for each pair a stretch of blocks, then a reorganisation of a depth.
    pub(crate) fn new(seed: u64, script: &[(u32, u32)], last: u32) -> Self {
        let mut history = History::new(seed, Arc::clone(&CACHES));
        let mut chain = MemoryChain::new(Params::devnet(), Arc::clone(&CACHES));
        let mut steps = Vec::new();
        let grow = |chain: &mut MemoryChain, blocks: &[Vec<u8>], steps: &mut Vec<Step>| {
            let from = chain.blocks().len();
            append(chain, blocks);
            steps.push(Step { undo: 0, apply: chain.blocks()[from..].to_vec() });
        };
        for (stretch, depth) in script {
            grow(&mut chain, &history.extend(*stretch), &mut steps);
            let fork = chain.tip().height;
            let kept = chain.blocks().len();
            let mut rival = history.fork(seed ^ u64::from(*depth));
            grow(&mut chain, &history.extend(*depth), &mut steps);
            let branch = rival.extend(*depth + 1);
            let moved = chain.offer_branch(fork, &branch, FAR_FUTURE).unwrap();
            assert!(moved.moved);
            steps.push(Step { undo: *depth as usize, apply: chain.blocks()[kept..].to_vec() });
            history = rival;
        }
        grow(&mut chain, &history.extend(last), &mut steps);
        Self { steps, chain }
    }
}

/// About 2,000 blocks with reorganisations of 1, 10, 500 and 1 block.
pub(crate) static STORY: LazyLock<Story> =
    LazyLock::new(|| Story::new(0x4d56_5343, &[(400, 1), (200, 10), (200, 500), (0, 1)], 680));

/// About 300 blocks with reorganisations, for tests that open many stores.
pub(crate) static SHORT: LazyLock<Story> =
    LazyLock::new(|| Story::new(0x5117, &[(60, 1), (40, 12), (30, 25), (0, 2)], 100));

/// What is to be true after a block, as far as it is a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) coins: u64,
    pub(crate) coin_digest: CoinDigest,
    pub(crate) registry_digest: u128,
}

impl Sums {
    pub(crate) fn of<D: Disk>(store: &Store<D>) -> Self {
        let tip = store.tip();
        Self {
            coins: tip.coins,
            coin_digest: tip.coin_digest,
            registry_digest: tip.registry_digest,
        }
    }
}

fn hash_coin(outpoint: &OutPoint, coin: &Coin) -> u128 {
    let mut bytes = outpoint.to_array().to_vec();
    encode_coin(coin, &mut bytes);
    xxh3_128(&bytes)
}

/// The model: a state in memory with its sums.
#[derive(Clone)]
pub(crate) struct Model {
    pub(crate) blocks: Vec<ConnectedBlock>,
    pub(crate) sums: Vec<Sums>,
    registries: Vec<Registry>,
}

impl Model {
    pub(crate) fn new(genesis: &ConnectedBlock) -> Self {
        let mut model = Self { blocks: Vec::new(), sums: Vec::new(), registries: Vec::new() };
        model.push(genesis);
        model
    }

    pub(crate) fn push(&mut self, block: &ConnectedBlock) {
        let mut registry = self.registries.last().cloned().unwrap_or_default();
        registry.apply(block.delta()).unwrap();
        let mut sums = self.sums.last().copied().unwrap_or(Sums {
            coins: 0,
            coin_digest: CoinDigest::EMPTY,
            registry_digest: 0,
        });
        for (outpoint, coin) in &block.delta().spent {
            sums.coins -= 1;
            sums.coin_digest = sums.coin_digest.minus(hash_coin(outpoint, coin));
        }
        for (outpoint, coin) in &block.delta().created {
            sums.coins += 1;
            sums.coin_digest = sums.coin_digest.plus(hash_coin(outpoint, coin));
        }
        sums.registry_digest = registry.digest();
        self.blocks.push(block.clone());
        self.sums.push(sums);
        self.registries.push(registry);
    }

    pub(crate) fn pop(&mut self) {
        self.blocks.pop();
        self.sums.pop();
        self.registries.pop();
    }

    pub(crate) fn now(&self) -> Sums {
        *self.sums.last().unwrap()
    }

    pub(crate) fn registry(&self) -> &Registry {
        self.registries.last().unwrap()
    }

    /// The state in memory, put together by consensus.
    pub(crate) fn state(&self) -> MemoryState {
        let mut state = MemoryState::new();
        for block in &self.blocks {
            state.apply(block.delta()).unwrap();
        }
        state
    }
}

/// Does a step's work in one batch.
pub(crate) fn commit<D: Disk>(store: &mut Store<D>, step: &Step) -> Result<(), StoreError> {
    let mut batch = store.batch()?;
    for _ in 0..step.undo {
        batch.undo()?;
    }
    for block in &step.apply {
        batch.apply(block)?;
    }
    batch.commit()?;
    Ok(())
}

/// Brings the model to where the step ends.
pub(crate) fn advance(model: &mut Model, step: &Step) {
    (0..step.undo).for_each(|_| model.pop());
    step.apply.iter().for_each(|block| model.push(block));
}

/// Does a step in one batch, and compares sums after each block.
pub(crate) fn play<D: Disk>(store: &mut Store<D>, model: &mut Model, step: &Step) {
    let mut batch = store.batch().unwrap();
    for _ in 0..step.undo {
        let undone = batch.undo().unwrap();
        let block = model.blocks.last().unwrap().block();
        assert_eq!(undone.block, block.block().to_bytes());
        assert_eq!(undone.info.hash, block.header().hash());
        model.pop();
        let tip = batch.tip().unwrap();
        assert_eq!(tip.coin_digest, model.now().coin_digest);
        assert_eq!(tip.registry_digest, model.now().registry_digest);
    }
    for block in &step.apply {
        let tip = batch.apply(block).unwrap();
        model.push(block);
        assert_eq!(tip.coin_digest, model.now().coin_digest);
        assert_eq!(tip.coins, model.now().coins);
    }
    batch.commit().unwrap();
    assert_eq!(Sums::of(store), model.now());
}

fn histories<'a, K: Ord + Debug + 'a, S: Debug + PartialEq + Clone + 'a>(
    ours: &Histories<K, S>,
    theirs: impl Iterator<Item = (&'a K, &'a [S])>,
) {
    let ours: Vec<(&K, Vec<S>)> =
        ours.iter().map(|(key, history)| (key, history.iter().cloned().collect())).collect();
    let theirs: Vec<(&K, Vec<S>)> = theirs.map(|(key, records)| (key, records.to_vec())).collect();
    assert_eq!(ours, theirs);
}

/// Compares everything that a snapshot says with the model.
pub(crate) fn assert_same<D: Disk>(
    snapshot: &Snapshot<D>,
    blocks: &[ConnectedBlock],
    state: &MemoryState,
) {
    let mut outpoints: Vec<OutPoint> = state.coins().map(|(outpoint, _)| *outpoint).collect();
    outpoints.sort_unstable();
    assert_eq!(snapshot.tip().coins, outpoints.len() as u64);
    for chunk in outpoints.chunks(500) {
        assert_eq!(snapshot.coins(chunk).unwrap(), state.coins_of(chunk));
    }
    // Coins that were there once.
    for block in blocks.iter().rev().take(50) {
        for (outpoint, _) in &block.delta().spent {
            assert_eq!(snapshot.coin(outpoint).unwrap(), state.coin(outpoint).unwrap());
        }
    }
    assert_names(snapshot, state);
    assert_headers(snapshot, blocks);
}

trait CoinsOf {
    fn coins_of(&self, outpoints: &[OutPoint]) -> Vec<Option<Coin>>;
}

impl CoinsOf for MemoryState {
    fn coins_of(&self, outpoints: &[OutPoint]) -> Vec<Option<Coin>> {
        StateView::coins(self, outpoints).unwrap()
    }
}

fn assert_names<D: Disk>(snapshot: &Snapshot<D>, state: &MemoryState) {
    let registry = snapshot.registry();
    histories(registry.assets(), state.assets());
    histories(registry.certs(), state.certs());
    histories(registry.dids(), state.dids());
    histories(registry.mits(), state.mits());
    assert_eq!(registry.deposit_count(), state.all_stake_deposits().count());
    for (symbol, records) in state.assets() {
        assert_eq!(snapshot.asset(symbol).unwrap().as_ref(), records.last());
    }
    for (key, records) in state.certs() {
        assert_eq!(snapshot.cert(key).unwrap().as_ref(), records.last());
        let prefix = &key.symbol.as_bytes()[..1];
        for cert_type in [key.cert_type, CertType::DOMAIN] {
            let theirs = state.certs_with_prefix(cert_type, prefix).unwrap();
            assert_eq!(snapshot.certs_with_prefix(cert_type, prefix).unwrap(), theirs);
        }
    }
    for (name, records) in state.dids() {
        assert_eq!(snapshot.did(name).unwrap().as_ref(), records.last());
        for record in records {
            let home = &record.address;
            assert_eq!(snapshot.did_of(home).unwrap(), state.did_of(home).unwrap());
            assert_eq!(snapshot.last_did_on(home).unwrap(), state.last_did_on(home).unwrap());
            let ours = snapshot.stake_deposits(home).unwrap();
            assert_eq!(ours, state.stake_deposits(home).unwrap());
        }
    }
    for (symbol, records) in state.mits() {
        assert_eq!(snapshot.mit(symbol).unwrap().as_ref(), records.last());
    }
    for (address, deposit) in state.all_stake_deposits() {
        assert!(snapshot.any_stake_deposit(address, &|found| found == deposit).unwrap());
    }
}

fn assert_headers<D: Disk>(snapshot: &Snapshot<D>, blocks: &[ConnectedBlock]) {
    let mut headers = HeaderChain::new();
    for block in blocks {
        let header = block.block().header();
        let height = header.height();
        headers.push(header.header());
        let info = snapshot.info(height).unwrap().unwrap();
        assert_eq!(info.header, *header.header());
        assert_eq!(info.fees, block.fees());
        assert_eq!(snapshot.hash(height).unwrap(), Some(header.hash()));
        assert_eq!(snapshot.height_of(&header.hash()).unwrap(), Some(height));
        assert_eq!(snapshot.header_at(height).unwrap(), headers.header_at(height).unwrap());
        assert_eq!(snapshot.block(height).unwrap(), Some(block.block().block().to_bytes()));
    }
    let top = headers.tip().unwrap();
    let above = top.next().unwrap();
    assert_eq!(snapshot.tip().height, top);
    assert_eq!(snapshot.header_at(above).unwrap(), None);
    assert_eq!(snapshot.block(above).unwrap(), None);
    let work =
        mvs_consensus::branch::work_of(blocks.iter().map(|b| b.block().header().header().bits));
    assert_eq!(snapshot.tip().work, work);
    for version in [BlockVersion::POW, BlockVersion::POS, BlockVersion::DPOS, BlockVersion::new(9)]
    {
        for highest in (0..=above.value()).step_by(7).map(Height::new) {
            for lowest in [Height::GENESIS, Height::new(1), Height::new(highest.value() / 2)] {
                let theirs = headers.last_of_version(version, highest, lowest).unwrap();
                assert_eq!(snapshot.last_of_version(version, highest, lowest).unwrap(), theirs);
            }
        }
    }
}

/// Demands that a check finds nothing.
pub(crate) fn assert_sound<D: Disk>(store: &Store<D>) {
    let mut found = Vec::new();
    let report = store.check(&mut |_| true, &mut |error| found.push(error.to_string())).unwrap();
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(report.errors, 0);
    assert_eq!(report.coins, store.tip().coins);
    assert_eq!(report.blocks, u64::from(store.tip().height.value()) + 1);
}
