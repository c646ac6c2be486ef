//! A whole chain in memory: what a node does with blocks, without disk or network.

use std::sync::Arc;

use mvs_consensus::attachment::attenuation::AttenuationModel;
use mvs_consensus::block::{
    BlockBody, BodyRejection, CheckedBlock, ConnectedBlock, check_block, connect_block,
    connect_genesis,
};
use mvs_consensus::branch::{connect_branch, replaces, work_of};
use mvs_consensus::checkpoint::Vouched;
use mvs_consensus::error::{BlockRuleError, HeaderRuleError, Rejection, TxRuleError};
use mvs_consensus::header::{CheckedHeader, HeaderRejection, Parent, accept_header, check_headers};
use mvs_consensus::header_view::{HeaderChain, median_time_past};
use mvs_consensus::params::Params;
use mvs_consensus::script::{CacheUse, InputContext, ScriptError, verify_input};
use mvs_consensus::state::{Coin, MemoryState, StateDelta, StateView};
use mvs_consensus::tx::{ConnectedTx, Place, TxContext, check_tx, connect_tx};
use mvs_pow::CacheSet;
use mvs_primitives::encode::DecodeError;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::height::Height;
use mvs_primitives::time::Timestamp;
use mvs_primitives::transaction::Transaction;

/// Seals that are verified together when many blocks are appended.
const SEAL_BATCH: usize = 256;

/// A clock that no timestamp is ahead of.
pub const FAR_FUTURE: u64 = u64::MAX / 2;

/// Why a block or transaction was refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The bytes are none.
    #[error("garbage: {0}")]
    Garbage(#[from] DecodeError),
    /// The header.
    #[error("header: {0}")]
    Header(#[from] HeaderRejection),
    /// The body, by itself.
    #[error("body: {0}")]
    Body(#[from] BodyRejection),
    /// The block, in the state.
    #[error("block: {0}")]
    Block(#[from] Rejection<BlockRuleError>),
    /// A loose transaction.
    #[error("transaction: {0}")]
    Tx(#[from] Rejection<TxRuleError>),
    /// A loose transaction's scripts.
    #[error("script of input {0}: {1}")]
    Script(usize, ScriptError),
}

impl Refusal {
    /// Returns the stable code of what is wrong; `fault` for our own failures.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Garbage(error) => error.code(),
            Self::Header(error) => error.code(),
            Self::Body(error) => error.code(),
            Self::Block(Rejection::Rule(rule)) => rule.code(),
            Self::Tx(Rejection::Rule(rule)) => rule.code(),
            Self::Script(_, error) => error.code(),
            Self::Block(Rejection::Fault(_)) | Self::Tx(Rejection::Fault(_)) => "fault",
        }
    }
}

impl From<Rejection<HeaderRuleError>> for Refusal {
    fn from(rejection: Rejection<HeaderRuleError>) -> Self {
        Self::Header(match rejection {
            Rejection::Rule(rule) => HeaderRejection::Rule(rule),
            Rejection::Fault(fault) => HeaderRejection::Fault(fault),
        })
    }
}

/// A chain in memory.
#[derive(Debug)]
pub struct MemoryChain {
    params: Arc<Params>,
    caches: Arc<CacheSet>,
    headers: HeaderChain,
    blocks: Vec<ConnectedBlock>,
    state: MemoryState,
}

impl Clone for MemoryChain {
    /// The copy shares parameters and ethash caches with the original.
    fn clone(&self) -> Self {
        Self {
            params: Arc::clone(&self.params),
            caches: Arc::clone(&self.caches),
            headers: self.headers.clone(),
            blocks: self.blocks.clone(),
            state: self.state.clone(),
        }
    }
}

impl MemoryChain {
    /// Starts with the network's genesis block.
    ///
    /// # Panics
    /// When the network's genesis block is unusable.
    pub fn new(params: Params, caches: Arc<CacheSet>) -> Self {
        let genesis = connect_genesis(&params).expect("the network has a genesis block");
        let mut state = MemoryState::new();
        state.apply(genesis.delta()).expect("the first change fits the empty state");
        let mut headers = HeaderChain::new();
        headers.push(genesis.block().header().header());
        Self { params: Arc::new(params), caches, headers, blocks: vec![genesis], state }
    }

    /// Returns the same chain under other parameters.
    #[must_use]
    pub fn with_params(&self, params: Params) -> Self {
        Self { params: Arc::new(params), ..self.clone() }
    }

    /// Returns the network's parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Returns the ethash caches, to share with another chain.
    pub const fn caches(&self) -> &Arc<CacheSet> {
        &self.caches
    }

    /// Returns the state at the tip.
    pub const fn state(&self) -> &MemoryState {
        &self.state
    }

    /// Returns the headers up to the tip.
    pub const fn headers(&self) -> &HeaderChain {
        &self.headers
    }

    /// Returns the blocks, genesis first.
    pub fn blocks(&self) -> &[ConnectedBlock] {
        &self.blocks
    }

    /// Returns height and hash of the tip.
    ///
    /// # Panics
    /// Never: there is always the genesis block.
    pub fn tip(&self) -> Parent {
        let tip = self.blocks.last().expect("there is always the genesis block").block().header();
        Parent { hash: tip.hash(), height: tip.height() }
    }

    /// Judges a block on the tip without appending it.
    ///
    /// # Errors
    /// Why the block is refused.
    pub fn judge(&self, bytes: &[u8], now_secs: u64) -> Result<ConnectedBlock, Refusal> {
        let body = BlockBody::decode(bytes)?;
        let header = self.check_seals(vec![body.block().header.clone()]).remove(0)?;
        self.connect(header, body, now_secs)
    }

    fn check_seals(
        &self,
        headers: Vec<mvs_primitives::header::Header>,
    ) -> Vec<Result<CheckedHeader, Rejection<HeaderRuleError>>> {
        check_headers(&self.params, &self.caches, headers)
    }

    fn connect(
        &self,
        header: CheckedHeader,
        body: BlockBody,
        now_secs: u64,
    ) -> Result<ConnectedBlock, Refusal> {
        let placed = accept_header(&self.params, &self.headers, self.tip(), header, now_secs)?;
        let block = check_block(&self.params, placed, body)?;
        let pending = connect_block(&self.params, &self.headers, &self.state, block)?;
        Ok(pending.finish_here(CacheUse::Off)?)
    }

    /// Appends a block.
    ///
    /// # Errors
    /// Why the block is refused; the chain is unchanged then.
    pub fn append(&mut self, bytes: &[u8], now_secs: u64) -> Result<(), Refusal> {
        let block = self.judge(bytes, now_secs)?;
        self.push(block);
        Ok(())
    }

    /// Appends many blocks; seals are verified in batches.
    ///
    /// # Errors
    /// Index of the first block that is refused, and why; the blocks before it are appended.
    pub fn append_all<B: AsRef<[u8]>>(
        &mut self,
        blocks: &[B],
        now_secs: u64,
    ) -> Result<(), (usize, Refusal)> {
        for (batch, start) in blocks.chunks(SEAL_BATCH).zip((0..).step_by(SEAL_BATCH)) {
            let bodies = batch.iter().map(|bytes| BlockBody::decode(bytes.as_ref()));
            let mut decoded = Vec::with_capacity(batch.len());
            let mut garbage = None;
            for (index, body) in bodies.enumerate() {
                match body {
                    Ok(body) => decoded.push(body),
                    Err(error) => {
                        garbage = Some((start + index, Refusal::from(error)));
                        break;
                    }
                }
            }
            let headers = decoded.iter().map(|body| body.block().header.clone()).collect();
            let checked = self.check_seals(headers);
            for (index, (body, header)) in decoded.into_iter().zip(checked).enumerate() {
                let at = |error| (start + index, error);
                let header = header.map_err(|error| at(error.into()))?;
                let block = self.connect(header, body, now_secs).map_err(at)?;
                self.push(block);
            }
            if let Some(refused) = garbage {
                return Err(refused);
            }
        }
        Ok(())
    }

    fn push(&mut self, block: ConnectedBlock) {
        self.state.apply(block.delta()).expect("a connected block fits the state it connects to");
        self.headers.push(block.block().header().header());
        self.blocks.push(block);
    }

    /// Takes the tip back and returns it.
    ///
    /// # Panics
    /// When only the genesis block is left.
    pub fn pop(&mut self) -> ConnectedBlock {
        assert!(self.blocks.len() > 1, "the genesis block stays");
        let block = self.blocks.pop().expect("there are two blocks");
        self.state.undo(block.delta()).expect("the last block can be taken back");
        self.headers.truncate_to(self.tip().height);
        block
    }

    /// Offers a branch that starts above `fork`; moves to it if it is heavier than the current
    /// blocks above the fork. Tells whether the chain moved, and how many blocks of the branch hold.
    ///
    /// # Errors
    /// Why the first block that does not hold is refused, if the chain did not move.
    ///
    /// # Panics
    /// When `fork` is above the tip.
    pub fn offer_branch<B: AsRef<[u8]>>(
        &mut self,
        fork: Height,
        branch: &[B],
        now_secs: u64,
    ) -> Result<Moved, Refusal> {
        let kept = usize::try_from(fork.value()).expect("heights fit") + 1;
        assert!(kept <= self.blocks.len(), "the fork is on the chain");
        let (placed, mut refusal) = self.place_branch(kept, branch, now_secs);
        let undone: Vec<&StateDelta> =
            self.blocks[kept..].iter().rev().map(ConnectedBlock::delta).collect();
        let mut headers = self.headers.clone();
        headers.truncate_to(fork);
        for block in &placed {
            headers.push(block.header().header());
        }
        let outcome = connect_branch(
            &self.params,
            &Vouched::nothing(),
            &headers,
            &self.state,
            &undone,
            &placed,
            |pending| pending.finish_here(CacheUse::Off),
        )
        .map_err(Rejection::<BlockRuleError>::Fault)?;
        if let Some(stopped) = outcome.stopped {
            refusal = Some(Rejection::Rule(stopped).into());
        }
        let bits = |block: &ConnectedBlock| block.block().header().header().bits;
        let new = work_of(outcome.connected.iter().map(bits));
        let current = work_of(self.blocks[kept..].iter().map(bits));
        if replaces(new, current) {
            while self.blocks.len() > kept {
                self.pop();
            }
            let connected = outcome.connected.len();
            outcome.connected.into_iter().for_each(|block| self.push(block));
            return Ok(Moved { moved: true, connected });
        }
        match refusal {
            Some(refusal) => Err(refusal),
            None => Ok(Moved { moved: false, connected: outcome.connected.len() }),
        }
    }

    /// Takes a branch as far as no state is needed.
    fn place_branch<B: AsRef<[u8]>>(
        &self,
        kept: usize,
        branch: &[B],
        now_secs: u64,
    ) -> (Vec<Arc<CheckedBlock>>, Option<Refusal>) {
        let base = self.blocks[kept - 1].block().header();
        let mut parent = Parent { hash: base.hash(), height: base.height() };
        let mut headers = self.headers.clone();
        headers.truncate_to(parent.height);
        let mut placed = Vec::with_capacity(branch.len());
        for bytes in branch {
            match self.place(bytes.as_ref(), parent, &headers, now_secs) {
                Ok(block) => {
                    parent =
                        Parent { hash: block.header().hash(), height: block.header().height() };
                    headers.push(block.header().header());
                    placed.push(block);
                }
                Err(refusal) => return (placed, Some(refusal)),
            }
        }
        (placed, None)
    }

    fn place(
        &self,
        bytes: &[u8],
        parent: Parent,
        headers: &HeaderChain,
        now_secs: u64,
    ) -> Result<Arc<CheckedBlock>, Refusal> {
        let body = BlockBody::decode(bytes)?;
        let header = self.check_seals(vec![body.block().header.clone()]).remove(0)?;
        let header = accept_header(&self.params, headers, parent, header, now_secs)?;
        Ok(check_block(&self.params, header, body)?)
    }

    /// Judges a loose transaction on the tip, as a pool would that holds nothing else.
    ///
    /// # Errors
    /// Why the transaction is refused.
    pub fn judge_loose(&self, transaction: &Transaction) -> Result<ConnectedTx, Refusal> {
        let tip = self.tip();
        let height = tip.height.next().expect("the chain is short");
        let context = TxContext {
            params: &self.params,
            height,
            tip: tip.height,
            block_time: self.time_of(tip.height),
            median_time_past: median_time_past(&self.headers, height)
                .map_err(Rejection::Fault::<TxRuleError>)?
                .expect("the chain has all headers")
                .unix_secs(),
            headers: &self.headers,
            state: &self.state,
            place: Place::Pool,
        };
        // What needs no coins comes first, so that a bad transaction cannot make us fetch any.
        let spent = if transaction.is_coinbase() {
            Vec::new()
        } else {
            check_tx(&self.params, tip.height, transaction).map_err(Rejection::Rule)?;
            self.spent_by(transaction)?
        };
        let connected = connect_tx(&context, transaction, &spent)?;
        for (index, coin) in spent.iter().enumerate() {
            let input = InputContext::new(
                transaction,
                index,
                &coin.output.script,
                AttenuationModel::is_model,
            )
            .expect("there is a coin for each input");
            verify_input(&input, CacheUse::Off).map_err(|error| Refusal::Script(index, error))?;
        }
        Ok(connected)
    }

    fn time_of(&self, height: Height) -> Timestamp {
        self.headers.header(height).expect("the chain has all headers").timestamp
    }

    fn spent_by(&self, transaction: &Transaction) -> Result<Vec<Coin>, Refusal> {
        let mut spent = Vec::with_capacity(transaction.inputs.len());
        for (input, number) in transaction.inputs.iter().zip(0..) {
            let previous = input.previous;
            let coin = self.state.coin(&previous).map_err(Rejection::<TxRuleError>::Fault)?;
            let missing = TxRuleError::InputMissing { input: number, previous };
            spent.push(coin.ok_or(Rejection::Rule(missing))?);
        }
        Ok(spent)
    }

    /// Returns the hash of the block at a height.
    pub fn hash_at(&self, height: Height) -> Option<BlockHash> {
        let index = usize::try_from(height.value()).ok()?;
        self.blocks.get(index).map(|block| block.block().header().hash())
    }
}

/// What became of a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// The chain is now on the branch.
    pub moved: bool,
    /// How many of its blocks hold.
    pub connected: usize,
}
