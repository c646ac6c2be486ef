//! Recorded changes from one branch to another.

use mvs_primitives::height::Height;
use serde_json::Value;

use super::{Jobs, state};
use crate::chain::{FAR_FUTURE, MemoryChain, Moved};
use crate::vectors::report::{Case, Report};

/// Reads a list of blocks in hex.
fn branch(value: Option<&Value>) -> Option<Vec<Vec<u8>>> {
    value?.as_array()?.iter().map(|block| hex::decode(block.as_str()?).ok()).collect()
}

fn fork_of(chain: &MemoryChain) -> Height {
    chain.tip().height
}

/// Puts a branch on the chain, or says why not.
fn offer(chain: &mut MemoryChain, fork: Height, blocks: &[Vec<u8>], moves: bool, case: &mut Case) {
    match chain.offer_branch(fork, blocks, FAR_FUTURE) {
        Ok(Moved { moved, connected }) => case
            .that(moved == moves && connected == blocks.len(), || {
                format!("moved: {moved}, {connected} of {} blocks hold", blocks.len())
            }),
        Err(refusal) => case.fail(format!("{}: {refusal}", refusal.code())),
    }
}

/// `reorg.json`: two branches above the tip, and the state on each.
pub(super) fn collect_two_branches<'v>(
    name: &str,
    document: &'v Value,
    gaps: Option<&'v Value>,
    jobs: &mut Jobs<'v>,
) {
    let label = name.to_owned();
    let height = document.get("fork_height").and_then(Value::as_u64).unwrap_or(u64::MAX);
    let job = move |chain: &MemoryChain, report: &mut Report| {
        report.within(format!("{label}:"), |report| two_branches(chain, document, gaps, report));
    };
    jobs.add(height, Box::new(job));
}

fn two_branches(chain: &MemoryChain, document: &Value, gaps: Option<&Value>, report: &mut Report) {
    let fork = fork_of(chain);
    let branches = branch(document.get("branch_one")).zip(branch(document.get("branch_two")));
    let Some((one, two)) = branches else { return report.error("a branch is no list of blocks") };
    let mut moving = chain.clone();
    report.case("[branch one]", |case| offer(&mut moving, fork, &one, true, case));
    if let Some(expected) = document.get("state_on_branch_one") {
        report.within("[on branch one]".into(), |r| state::check(&moving, expected, gaps, r));
    }
    report.case("[branch two]", |case| offer(&mut moving, fork, &two, true, case));
    if let Some(expected) = document.get("state_after_reorganisation") {
        report.within("[after]".into(), |r| state::check(&moving, expected, gaps, r));
    }
    let mut straight = chain.clone();
    report.case("[straight]", |case| offer(&mut straight, fork, &two, true, case));
    if let Some(expected) = document.get("state_of_a_node_that_only_saw_branch_two") {
        report.within("[straight]".into(), |r| state::check(&straight, expected, gaps, r));
    }
    report.case("[equal]", |case| {
        case.that(moving.state() == straight.state(), || "the way to the branch shows".into());
    });
    report.case("[back]", |case| {
        // The lighter branch does not win the chain back.
        offer(&mut moving, fork, &one, false, case);
    });
}

/// `forks.json`: branches of two nodes that met.
pub(super) fn collect_forks<'v>(name: &str, document: &'v Value, jobs: &mut Jobs<'v>) {
    for (index, fork) in document.as_array().into_iter().flatten().enumerate() {
        let label = format!("{name}[{index}]");
        let height = fork.get("fork_height").and_then(Value::as_u64).unwrap_or(u64::MAX);
        let job = move |chain: &MemoryChain, report: &mut Report| {
            report.case(&label, |case| check_fork(chain, fork, case));
        };
        jobs.add(height, Box::new(job));
    }
}

fn check_fork(chain: &MemoryChain, fork: &Value, case: &mut Case) {
    let branches = branch(fork.get("losing_branch")).zip(branch(fork.get("winning_branch")));
    let Some((losing, winning)) = branches else { return case.fail("a branch is no list") };
    let height = fork_of(chain);
    let mut chain = chain.clone();
    let mut straight = chain.clone();
    offer(&mut chain, height, &losing, true, case);
    offer(&mut chain, height, &winning, true, case);
    offer(&mut chain, height, &losing, false, case);
    offer(&mut straight, height, &winning, true, case);
    case.that(chain.state() == straight.state(), || "the way to the branch shows".into());
    if let Some(best) = fork.get("reference_best_after").and_then(find_hash) {
        let found = chain.tip().hash.to_string();
        case.that(best == found, || format!("the tip is {found}, recorded is {best}"));
    }
}

/// Finds a block hash in a value of loose form.
fn find_hash(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.len() == 64 => Some(text.clone()),
        Value::Array(list) => list.iter().find_map(find_hash),
        Value::Object(map) => map.values().find_map(find_hash),
        _ => None,
    }
}

/// `siblings.json`: blocks on one parent, offered one after the other.
pub(super) fn collect_siblings<'v>(name: &str, document: &'v Value, jobs: &mut Jobs<'v>) {
    let label = name.to_owned();
    let height = document.get("parent_height").and_then(Value::as_u64).unwrap_or(u64::MAX);
    let job = move |chain: &MemoryChain, report: &mut Report| {
        let fork = fork_of(chain);
        let mut chain = chain.clone();
        let steps = document.get("steps").and_then(Value::as_array);
        if steps.is_none_or(Vec::is_empty) {
            report.within(label.clone(), |report| report.error("steps is no list of blocks"));
        }
        for (index, step) in steps.into_iter().flatten().enumerate() {
            report.case(&format!("{label}[{index}]"), |case| {
                let block = step.get("send").and_then(Value::as_str).map(hex::decode);
                let Some(Ok(block)) = block else { return case.fail("no block") };
                if let Err(refusal) = chain.offer_branch(fork, &[block], FAR_FUTURE) {
                    case.fail(format!("{}: {refusal}", refusal.code()));
                }
                let found = chain.tip().hash.to_string();
                let expected = step.get("tip_after").and_then(Value::as_str);
                case.that(expected == Some(&found), || format!("the tip is {found}"));
            });
        }
    };
    jobs.add(height, Box::new(job));
}
