//! A chain in memory with a pool beside it, as the chain owner of a node keeps them.

use std::sync::{Arc, LazyLock};

use mvs_consensus::block::ConnectedBlock;
use mvs_consensus::error::Rejection;
use mvs_consensus::params::genesis::GenesisFields;
use mvs_consensus::params::{KnownBlock, Params, PowDifficulty};
use mvs_consensus::script::{CacheUse, SigCache};
use mvs_consensus::state::StateView;
use mvs_node::mempool::{
    AcceptError, Admitted, BlockTxs, LooseTx, Mempool, MempoolConfig, Origin, PolicyConfig, Reject,
    Tip, TipChange, TipOutcome,
};
use mvs_pow::CacheSet;
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::encode::Encode;
use mvs_primitives::height::Height;
use mvs_primitives::input::OutPoint;
use mvs_primitives::output::Output;
use mvs_primitives::transaction::Transaction;
use testkit::build::BlockDraft;
use testkit::build::person::{ALICE, MINER};
use testkit::build::tx::TxDraft;
use testkit::chain::{FAR_FUTURE, MemoryChain};

static CACHES: LazyLock<Arc<CacheSet>> = LazyLock::new(|| Arc::new(CacheSet::new(1)));

/// What one coin of [`World::coins`] holds, in whole coins.
pub(crate) const COIN: u64 = 100;

/// The development network with Alice's genesis coin, and seals for free.
pub(crate) fn params() -> Params {
    let mut params = Params::devnet();
    params.name = "pool-test".to_owned();
    let mut genesis = GenesisFields::of(&params.genesis).expect("the network has one");
    genesis.key_hash = ALICE.key_hash();
    params.genesis = genesis.block();
    let hash = params.genesis.header.hash();
    params.checkpoints = vec![KnownBlock { height: Height::GENESIS, hash }];
    params.coinbase_maturity = 2;
    params.pow_difficulty = PowDifficulty::Fixed(Difficulty::from_u64(1));
    params
}

/// A pool that takes what the rules allow.
pub(crate) fn permissive() -> MempoolConfig {
    MempoolConfig { policy: PolicyConfig::PERMISSIVE, ..MempoolConfig::default() }
}

pub(crate) fn pool(config: MempoolConfig) -> Mempool {
    Mempool::new(config)
}

pub(crate) struct World {
    pub(crate) chain: MemoryChain,
    pub(crate) pool: Mempool,
    pub(crate) signatures: SigCache,
    pub(crate) now: u64,
    /// Coins of Alice, 100 each.
    pub(crate) coins: Vec<OutPoint>,
}

impl World {
    pub(crate) fn new(config: MempoolConfig) -> Self {
        Self::with_params(params(), config, 300)
    }

    pub(crate) fn with_params(params: Params, config: MempoolConfig, coins: u32) -> Self {
        let genesis = OutPoint::new(params.genesis.transactions[0].txid(), 0);
        let chain = MemoryChain::new(params, Arc::clone(&CACHES));
        let mut world = Self::on(chain, Mempool::new(config));
        world.mine_empty(2);
        let outputs = (0..coins).map(|_| ALICE.etp(COIN));
        let split = world.sign(TxDraft::new(1).spend(genesis).pay_all(outputs).rest(ALICE));
        let txid = split.txid();
        world.coins = (0..coins).map(|index| OutPoint::new(txid, index)).collect();
        world.mine(vec![split]);
        world
    }

    /// A chain and a pool as they are.
    pub(crate) fn on(chain: MemoryChain, pool: Mempool) -> Self {
        let signatures = SigCache::new([7; 32], 1 << 14);
        Self { chain, pool, signatures, now: 1_500_000_000, coins: Vec::new() }
    }

    pub(crate) fn tip(&self) -> Tip<'_> {
        tip_of(&self.chain)
    }

    /// A clock that fits the chain: that of its tip.
    pub(crate) fn clock(&self) -> u64 {
        u64::from(self.tip().time().unix_secs())
    }

    /// An output of the chain or of the pool.
    pub(crate) fn find(&self, outpoint: &OutPoint) -> Option<Output> {
        let loose = self.pool.get(&outpoint.txid).and_then(|entry| {
            entry.transaction().outputs.get(usize::try_from(outpoint.index).unwrap()).cloned()
        });
        let confirmed = || self.chain.state().coin(outpoint).unwrap().map(|coin| coin.output);
        loose.or_else(confirmed)
    }

    pub(crate) fn sign(&self, draft: TxDraft) -> Transaction {
        draft.sign(&|outpoint| self.find(outpoint))
    }

    /// Spends coins to Alice with a fee.
    pub(crate) fn pay(&self, inputs: &[OutPoint], outputs: usize, fee: u64) -> Transaction {
        let mut draft = TxDraft::new(4);
        for input in inputs {
            draft = draft.spend(*input);
        }
        let more = (1..outputs).map(|_| ALICE.units(1_000_000));
        self.sign(draft.pay_all(more).rest_but(ALICE, fee))
    }

    pub(crate) fn offer(&mut self, transaction: &Transaction) -> Result<Admitted, AcceptError> {
        self.offer_from(transaction, Origin::Peer)
    }

    pub(crate) fn offer_from(
        &mut self,
        transaction: &Transaction,
        origin: Origin,
    ) -> Result<Admitted, AcceptError> {
        let Self { chain, pool, signatures, now, .. } = self;
        let tx = LooseTx::from(transaction.clone());
        pool.accept(&tip_of(chain), tx, origin, CacheUse::ReadWrite(signatures), *now)
    }

    /// Offers what must be taken.
    pub(crate) fn take(&mut self, transaction: &Transaction) -> OutPoint {
        let admitted = self.offer(transaction).expect("the transaction is good");
        OutPoint::new(admitted.txid, 0)
    }

    /// Offers what must be refused.
    pub(crate) fn refused(&mut self, transaction: &Transaction) -> Reject {
        match self.offer(transaction) {
            Err(Rejection::Rule(reject)) => reject,
            other => panic!("expected a refusal, found {other:?}"),
        }
    }

    /// Makes a block of transactions on the tip, without telling anybody.
    pub(crate) fn block(chain: &MemoryChain, transactions: Vec<Transaction>) -> Vec<u8> {
        BlockDraft::on(chain, MINER.script(), transactions).seal(chain.caches()).to_bytes()
    }

    pub(crate) fn mine(&mut self, transactions: Vec<Transaction>) -> TipOutcome {
        let block = Self::block(&self.chain, transactions);
        self.append(&block)
    }

    pub(crate) fn append(&mut self, block: &[u8]) -> TipOutcome {
        self.chain.append(block, FAR_FUTURE).expect("the block is good");
        let connected = self.chain.blocks().last().expect("it was appended").clone();
        self.follow(&[], &[connected])
    }

    pub(crate) fn mine_empty(&mut self, blocks: u32) {
        for _ in 0..blocks {
            self.mine(Vec::new());
        }
    }

    /// Takes blocks back and appends others that `make` makes, one after the other.
    pub(crate) fn reorganise(&mut self, depth: usize, branch: Vec<Vec<Transaction>>) -> TipOutcome {
        let taken_back: Vec<ConnectedBlock> = (0..depth).map(|_| self.chain.pop()).collect();
        let mut connected = Vec::new();
        for (number, transactions) in branch.into_iter().enumerate() {
            let mut draft = BlockDraft::on(&self.chain, MINER.script(), transactions);
            // Another block than the one taken back, even when it holds the same.
            let secs = draft.header.timestamp.unix_secs() + 1 + u32::try_from(number).unwrap();
            draft.header.timestamp = mvs_primitives::time::Timestamp::from_unix_secs(secs);
            let bytes = draft.seal(self.chain.caches()).to_bytes();
            self.chain.append(&bytes, FAR_FUTURE).expect("the block is good");
            connected.push(self.chain.blocks().last().expect("it was appended").clone());
        }
        self.follow(&taken_back, &connected)
    }

    /// Takes blocks back and appends those of another branch.
    pub(crate) fn turn_to(&mut self, depth: usize, branch: &[Vec<u8>]) -> TipOutcome {
        let taken_back: Vec<ConnectedBlock> = (0..depth).map(|_| self.chain.pop()).collect();
        let mut connected = Vec::new();
        for block in branch {
            self.chain.append(block, FAR_FUTURE).expect("the block is good");
            connected.push(self.chain.blocks().last().expect("it was appended").clone());
        }
        self.follow(&taken_back, &connected)
    }

    pub(crate) fn follow(
        &mut self,
        taken_back: &[ConnectedBlock],
        connected: &[ConnectedBlock],
    ) -> TipOutcome {
        let look = |blocks: &[ConnectedBlock]| -> Vec<Arc<_>> {
            blocks.iter().map(|block| Arc::clone(block.block())).collect()
        };
        let (taken_back, connected) = (look(taken_back), look(connected));
        let taken_back: Vec<_> = taken_back.iter().map(|block| BlockTxs::of(block)).collect();
        let connected: Vec<_> = connected.iter().map(|block| BlockTxs::of(block)).collect();
        let change = TipChange { disconnected: &taken_back, connected: &connected };
        let Self { chain, pool, now, .. } = self;
        let outcome = pool.update_tip(&tip_of(chain), &change, *now).expect("memory can be read");
        super::check::consistent(self);
        outcome
    }
}

pub(crate) fn tip_of(chain: &MemoryChain) -> Tip<'_> {
    Tip::new(chain.params(), chain.tip(), chain.headers(), chain.state())
        .expect("the chain has a tip")
}
