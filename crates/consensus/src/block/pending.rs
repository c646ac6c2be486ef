//! A block that obeys every rule but, so far, the scripts; and one that obeys all.

use std::sync::Arc;

use mvs_primitives::amount::Amount;
use mvs_primitives::hash::BlockHash;

use super::check::CheckedBlock;
use crate::attachment::attenuation::AttenuationModel;
use crate::error::{BlockRuleError, Fault, Rejection, broken};
use crate::script::{CacheUse, InputContext, ScriptError, verify_input};
use crate::state::{Coin, StateDelta};
use crate::tx::TxKind;

/// One input whose scripts are to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptJob {
    index: usize,
    input: usize,
}

/// What the scripts of one input said. Only [`PendingBlock::run`] makes one.
#[derive(Debug)]
pub struct ScriptVerdict {
    job: ScriptJob,
    block: BlockHash,
    result: Result<(), ScriptError>,
}

/// A block whose scripts are still to be run.
///
/// The jobs are independent: run them on as many threads as there are, then hand all verdicts, in
/// the order of the jobs, to [`PendingBlock::finish`].
#[derive(Debug)]
pub struct PendingBlock {
    block: Arc<CheckedBlock>,
    spent: Vec<Vec<Coin>>,
    delta: StateDelta,
    fees: Amount,
}

impl PendingBlock {
    pub(super) const fn new(
        block: Arc<CheckedBlock>,
        spent: Vec<Vec<Coin>>,
        delta: StateDelta,
        fees: Amount,
    ) -> Self {
        Self { block, spent, delta, fees }
    }

    /// Returns the block.
    pub const fn block(&self) -> &Arc<CheckedBlock> {
        &self.block
    }

    /// Returns the fees that its transactions pay.
    pub(super) const fn fees(&self) -> Amount {
        self.fees
    }

    /// Returns the inputs whose scripts are to be run, in order.
    pub fn jobs(&self) -> Vec<ScriptJob> {
        self.block
            .kinds()
            .iter()
            .zip(&self.block.block().transactions)
            .enumerate()
            .filter(|(_, (kind, _))| **kind != TxKind::Coinbase)
            .flat_map(|(index, (_, transaction))| {
                (0..transaction.inputs.len()).map(move |input| ScriptJob { index, input })
            })
            .collect()
    }

    /// Runs the scripts of one input.
    pub fn run(&self, job: ScriptJob, cache: CacheUse<'_>) -> ScriptVerdict {
        ScriptVerdict { job, block: self.block.header().hash(), result: self.judge(job, cache) }
    }

    fn judge(&self, job: ScriptJob, cache: CacheUse<'_>) -> Result<(), ScriptError> {
        let context = self
            .block
            .block()
            .transactions
            .get(job.index)
            .zip(self.spent.get(job.index).and_then(|coins| coins.get(job.input)))
            .and_then(|(transaction, coin)| {
                InputContext::new(
                    transaction,
                    job.input,
                    &coin.output.script,
                    AttenuationModel::is_model,
                )
            });
        match context {
            Some(context) => verify_input(&context, cache),
            // Cannot be: jobs are made from this block. Refuse rather than wave through.
            None => Err(ScriptError::EvalFalse),
        }
    }

    /// Runs every job on this thread and finishes.
    ///
    /// # Errors
    /// [`BlockRuleError::Script`] for the first input whose scripts fail.
    pub fn finish_here(
        self,
        cache: CacheUse<'_>,
    ) -> Result<ConnectedBlock, Rejection<BlockRuleError>> {
        let verdicts = self.jobs().into_iter().map(|job| self.run(job, cache)).collect();
        self.finish(verdicts)
    }

    /// Takes the verdicts of all jobs, in the order of the jobs.
    ///
    /// # Errors
    /// [`BlockRuleError::Script`] for the first input whose scripts fail; a fault when the verdicts
    /// are not those of this block's jobs.
    pub fn finish(
        self,
        verdicts: Vec<ScriptVerdict>,
    ) -> Result<ConnectedBlock, Rejection<BlockRuleError>> {
        let jobs = self.jobs();
        let hash = self.block.header().hash();
        let is_complete = jobs.len() == verdicts.len()
            && jobs.iter().zip(&verdicts).all(|(job, v)| v.job == *job && v.block == hash);
        if !is_complete {
            return Err(Fault::Broken("script verdicts are not those of the block").into());
        }
        for ScriptVerdict { job, result, .. } in verdicts {
            result.map_err(|error| {
                broken(BlockRuleError::Script { index: job.index, input: job.input, error })
            })?;
        }
        Ok(ConnectedBlock { block: self.block, delta: self.delta, fees: self.fees })
    }
}

/// A block that obeys every rule, with what it changes. Only this crate makes one, so what takes it
/// (the store) cannot be given an unverified block.
#[derive(Debug, Clone)]
pub struct ConnectedBlock {
    block: Arc<CheckedBlock>,
    delta: StateDelta,
    fees: Amount,
}

impl ConnectedBlock {
    /// For the path below a checkpoint.
    pub(super) const fn checkpointed(
        block: Arc<CheckedBlock>,
        delta: StateDelta,
        fees: Amount,
    ) -> Self {
        Self { block, delta, fees }
    }

    /// Returns the block.
    pub const fn block(&self) -> &Arc<CheckedBlock> {
        &self.block
    }

    /// Returns what it changes, which is also what undoes it.
    pub const fn delta(&self) -> &StateDelta {
        &self.delta
    }

    /// Returns the fees that its transactions pay.
    pub const fn fees(&self) -> Amount {
        self.fees
    }
}
