//! Which branch is the chain, and how to move to another one (chain.md 8.4).

use std::sync::Arc;

use mvs_primitives::difficulty::{Difficulty, Work};

use crate::block::{
    CheckedBlock, ConnectedBlock, PendingBlock, connect_block, connect_checkpointed_block,
    is_vouched_for,
};
use crate::checkpoint::Vouched;
use crate::error::{BlockRuleError, Fault, Rejection};
use crate::header_view::HeaderView;
use crate::params::Params;
use crate::state::{Overlay, StateDelta, StateView};

/// Sums the difficulties of a stretch of blocks; work and stake blocks count alike.
pub fn work_of(bits: impl IntoIterator<Item = Difficulty>) -> Work {
    bits.into_iter().fold(Work::ZERO, Work::plus)
}

/// Tells whether a branch replaces the current blocks above the fork: only if it is strictly
/// heavier. Of two equal ones the first seen stays.
pub fn replaces(branch: Work, current: Work) -> bool {
    branch > current
}

/// How far a branch could be connected.
#[derive(Debug)]
pub struct BranchOutcome {
    /// The blocks that hold, lowest first.
    pub connected: Vec<ConnectedBlock>,
    /// Why the next one does not; `None` when all hold. The blocks before it may still be heavier
    /// than the current ones (the branch is cut there and weighed again).
    pub stopped: Option<BlockRuleError>,
}

/// Connects a branch on top of a fork, on an overlay: the state at the tip is only read.
///
/// `undone` are the changes of the current blocks above the fork, highest first. `headers` holds the
/// branch's headers up to the parent of its last block, `vouched` those that a checkpoint vouches
/// for. `finish` runs the scripts of a block, on whatever threads the caller has.
///
/// # Errors
/// A [`Fault`] of ours: then nothing is known about the branch.
pub fn connect_branch<V: StateView>(
    params: &Params,
    vouched: &Vouched,
    headers: &dyn HeaderView,
    tip: V,
    undone: &[&StateDelta],
    branch: &[Arc<CheckedBlock>],
    mut finish: impl FnMut(PendingBlock) -> Result<ConnectedBlock, Rejection<BlockRuleError>>,
) -> Result<BranchOutcome, Fault> {
    let mut state = Overlay::new(tip);
    for delta in undone {
        state.undo(delta);
    }
    let mut connected: Vec<ConnectedBlock> = Vec::with_capacity(branch.len());
    for block in branch {
        let outcome = if is_vouched_for(params, vouched, block) {
            connect_checkpointed_block(params, vouched, &state, Arc::clone(block))
        } else {
            connect_block(params, headers, &state, Arc::clone(block)).and_then(&mut finish)
        };
        match outcome {
            Ok(done) if Arc::ptr_eq(done.block(), block) => {
                state.apply(done.delta());
                connected.push(done);
            }
            Ok(_) => return Err(Fault::Broken("another block was finished")),
            Err(Rejection::Fault(fault)) => return Err(fault),
            Err(Rejection::Rule(rule)) => {
                return Ok(BranchOutcome { connected, stopped: Some(rule) });
            }
        }
    }
    Ok(BranchOutcome { connected, stopped: None })
}

#[cfg(test)]
mod tests {
    use mvs_primitives::difficulty::Difficulty;

    use super::{replaces, work_of};

    #[test]
    fn equal_work_does_not_replace() {
        let work = |bits: &[u64]| work_of(bits.iter().copied().map(Difficulty::from_u64));
        assert!(!replaces(work(&[10, 10]), work(&[20])));
        assert!(replaces(work(&[10, 11]), work(&[20])));
        assert!(!replaces(work(&[]), work(&[])));
    }
}
