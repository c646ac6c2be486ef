//! Work for miners, and their solutions.

use std::sync::Arc;

use mvs_consensus::header::Parent;
use mvs_primitives::hash::{MixHash, SealHash, TxId};
use tokio::sync::oneshot;

use super::{BlockReply, Owner, unix_now};
use crate::chain::command::raw_block;
use crate::chain::core::ChainError;
use crate::mempool::Tip;
use crate::mining::{Payout, Solution, StakeRequest, StakeTemplate, TemplateError, WorkTemplate};

impl Owner {
    pub(super) fn give_work(
        &mut self,
        payout: &Payout,
        reply: oneshot::Sender<Result<Arc<WorkTemplate>, TemplateError>>,
    ) -> Result<(), ChainError> {
        let trunk = self.core.trunk().clone();
        let tip = trunk.tip();
        let parent = Parent { hash: tip.hash, height: tip.height };
        let params = Arc::clone(&self.core.tools().params);
        let tip = Tip::new(&params, parent, &trunk, &trunk)?;
        let work = self.templates.work(&tip, &self.mempool, payout, unix_now());
        if let Ok(work) = &work {
            self.drop_refused(work.refused());
        }
        let _ = reply.send(work);
        Ok(())
    }

    pub(super) fn give_stake(
        &mut self,
        request: &StakeRequest,
        reply: oneshot::Sender<Result<StakeTemplate, TemplateError>>,
    ) -> Result<(), ChainError> {
        let trunk = self.core.trunk().clone();
        let tip = trunk.tip();
        let parent = Parent { hash: tip.hash, height: tip.height };
        let params = Arc::clone(&self.core.tools().params);
        let tip = Tip::new(&params, parent, &trunk, &trunk)?;
        let config = self.templates.config();
        let template = StakeTemplate::build(&tip, &self.mempool, config, request, unix_now());
        if let Ok(template) = &template {
            self.drop_refused(template.refused());
        }
        let _ = reply.send(template);
        Ok(())
    }

    fn drop_refused(&mut self, refused: &[TxId]) {
        for txid in refused {
            tracing::warn!(target: "chain", %txid, "removed from the pool: no block may hold it");
            let removed = self.mempool.remove(txid);
            self.tell_dropped(&removed);
        }
    }

    pub(super) fn take_solution(
        &mut self,
        work: SealHash,
        nonce: u64,
        mix_hash: MixHash,
        reply: BlockReply,
    ) -> Result<(), ChainError> {
        let tip = self.core.tip().hash;
        let solution = Solution { work, nonce, mix_hash };
        match self.templates.submit(tip, solution) {
            Ok(block) => {
                let block = raw_block(&block)
                    .ok_or_else(|| super::broken("a block of our own does not encode"))?;
                self.solutions.insert(block.hash(), solution);
                self.submit_block(block, reply)
            }
            Err(error) => {
                let _ = reply.send(Err(error.into()));
                Ok(())
            }
        }
    }
}
