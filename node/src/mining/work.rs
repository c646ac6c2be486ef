//! The templates that miners work on, and their solutions.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use mvs_primitives::block::Block;
use mvs_primitives::hash::{BlockHash, MixHash, SealHash};

use super::coinbase::Payout;
use super::error::{SubmitError, TemplateError};
use super::template::{TemplateConfig, WorkTemplate};
use crate::mempool::{Mempool, Tip};

/// Recent templates: the one to hand out, and those that solutions may still come for.
///
/// # Invariants
/// At most [`TemplateConfig::kept_templates`], the oldest leave first; solutions are remembered for
/// as long as their template.
#[derive(Debug)]
pub struct Templates {
    config: TemplateConfig,
    /// Oldest first.
    kept: VecDeque<Arc<WorkTemplate>>,
    solved: HashSet<Solution>,
}

/// A solution of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Solution {
    /// Name of the work.
    pub work: SealHash,
    /// The nonce.
    pub nonce: u64,
    /// The mix.
    pub mix_hash: MixHash,
}

/// Most solutions that are remembered, to tell a second submission of one from the first.
const MAX_SOLUTIONS: usize = 1_000;

impl Templates {
    /// Starts without templates.
    pub fn new(config: TemplateConfig) -> Self {
        Self { config, kept: VecDeque::new(), solved: HashSet::new() }
    }

    /// Returns the operator's choices.
    pub const fn config(&self) -> &TemplateConfig {
        &self.config
    }

    /// Returns work for a payout: the last template that was made for it, unless that is out of
    /// date. So the work changes at once with the tip, and at intervals with the pool.
    ///
    /// # Errors
    /// Why there is no work.
    pub fn work(
        &mut self,
        tip: &Tip<'_>,
        pool: &Mempool,
        payout: &Payout,
        now_secs: u64,
    ) -> Result<Arc<WorkTemplate>, TemplateError> {
        let last = self.kept.iter().rev().find(|template| template.payout() == payout);
        if let Some(last) = last
            && !last.is_outdated(tip, pool, &self.config, now_secs)
        {
            return Ok(Arc::clone(last));
        }
        let template = Arc::new(WorkTemplate::build(tip, pool, &self.config, payout, now_secs)?);
        self.keep(Arc::clone(&template));
        Ok(template)
    }

    fn keep(&mut self, template: Arc<WorkTemplate>) {
        self.kept.push_back(template);
        while self.kept.len() > self.config.kept_templates.max(1) {
            if let Some(gone) = self.kept.pop_front() {
                self.solved.retain(|solution| solution.work != gone.seal_hash());
            }
        }
    }

    /// Returns a template that is remembered.
    pub fn find(&self, work: &SealHash) -> Option<&Arc<WorkTemplate>> {
        self.kept.iter().rev().find(|template| template.seal_hash() == *work)
    }

    /// Makes the block of a solution, for the chain owner to judge like any other. `tip` is the
    /// present tip's hash.
    ///
    /// # Errors
    /// Why the solution is not taken.
    pub fn submit(&self, tip: BlockHash, solution: Solution) -> Result<Block, SubmitError> {
        let Solution { work, nonce, mix_hash } = solution;
        let template = self.find(&work).ok_or(SubmitError::UnknownWork(work))?;
        if self.solved.contains(&solution) {
            return Err(SubmitError::Duplicate);
        }
        if template.parent().hash != tip {
            return Err(SubmitError::Stale(work));
        }
        Ok(template.solve(nonce, mix_hash))
    }

    /// The block of a solution was taken in. Not before: one that could not be judged may come again.
    pub fn taken(&mut self, solution: Solution) {
        if self.find(&solution.work).is_none() {
            return;
        }
        if self.solved.len() >= MAX_SOLUTIONS {
            self.solved.clear();
        }
        self.solved.insert(solution);
    }
}
