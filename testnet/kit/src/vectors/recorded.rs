//! Recorded chains: a folder with the blocks of a chain that another implementation made and
//! judged, the state in which it ends, and verdicts on good and bad blocks and transactions.
//!
//! Every block and every fact of the state is one vector, and so is every verdict. A verdict in which
//! we differ on purpose passes if the rule that speaks is one of [`NAMED_DIFFERENCES`] *and* the
//! recorded verdict comes out when that strictness is switched off.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mvs_consensus::params::{Params, Strictness};
use mvs_pow::CacheSet;
use mvs_primitives::height::Height;
use serde_json::Value;

use super::FolderKind;
use super::report::{Case, Report};
use super::source::{read_blocks, read_document};
use crate::chain::{FAR_FUTURE, MemoryChain};

mod params;
mod reorg;
mod state;
mod verdict;

pub(super) const KIND: FolderKind = FolderKind { name: "recorded chain", detect, check };

/// Rules that the reference does not ask, and the decision record that says why we do.
pub(super) const NAMED_DIFFERENCES: &[(&str, &str)] = &[
    ("block.extra_coinbase", "docs/decisions/0006"),
    ("header.number", "docs/decisions/0007"),
    ("tx.asset.not_conserved", "docs/decisions/0013"),
    ("decode.trailing", "docs/decisions/0002"),
];

pub(super) fn params_of(document: &Value) -> Result<Params, String> {
    params::from_document(document)
}

fn block_files(folder: &Path) -> Vec<PathBuf> {
    files(folder, |name| name.ends_with(".bin.gz") || name.ends_with(".bin"))
}

fn files(folder: &Path, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.file_name().is_some_and(|name| wanted(&name.to_string_lossy())))
        .collect();
    found.sort();
    found
}

/// Reads the parameters and the blocks of a recorded chain, lowest first, without judging anything.
///
/// # Errors
/// What is wrong with the folder.
pub fn recorded_chain(folder: &Path) -> Result<(Params, Vec<Vec<u8>>), String> {
    let params = match read_document(&folder.join("params.json")) {
        Ok(document) => params::from_document(&document)?,
        // A recorded chain without constants of its own is one of the private network.
        Err(_) => Params::devnet(),
    };
    let path = block_files(folder).into_iter().next().ok_or("there are no blocks")?;
    Ok((params, read_blocks(&path)?))
}

fn detect(folder: &Path) -> bool {
    !block_files(folder).is_empty()
}

/// What a folder holds, told by content.
#[derive(Default)]
struct Folder {
    params: Option<Value>,
    expected: Vec<(String, Value)>,
    verdicts: Vec<(String, Value)>,
    forks: Vec<(String, Value)>,
    siblings: Vec<(String, Value)>,
    reorgs: Vec<(String, Value)>,
}

impl Folder {
    /// Addresses of which the reference reports more than the UTXO set holds.
    fn gaps(&self) -> Option<&Value> {
        self.expected.iter().find_map(|(_, document)| document.get("known_index_gaps"))
    }
}

fn read_folder(folder: &Path, report: &mut Report) -> Folder {
    let mut found = Folder::default();
    for path in files(folder, |name| name.ends_with(".json") || name.ends_with(".json.gz")) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match read_document(&path) {
            Ok(document) => sort_document(name, document, &mut found, report),
            Err(error) => report.within(name, |report| report.error(&error)),
        }
    }
    found
}

/// What a document of a recorded chain is.
enum Part {
    Params,
    Verdicts,
    Reorg,
    Siblings,
    Forks,
    Expected,
}

impl Part {
    /// Tells by the content.
    fn of(document: &Value) -> Option<Self> {
        let has = |key: &str| document.get(key).is_some();
        let first_has = |key: &str| {
            document.as_array().and_then(|list| list.first()).is_some_and(|v| v.get(key).is_some())
        };
        if has("pos_enabled_height") && has("coinbase_maturity") {
            Some(Self::Params)
        } else if has("verdicts") || (first_has("accepted") && first_has("block")) {
            Some(Self::Verdicts)
        } else if has("branch_one") && has("branch_two") {
            Some(Self::Reorg)
        } else if has("steps") && has("parent_height") {
            Some(Self::Siblings)
        } else if first_has("winning_branch") {
            Some(Self::Forks)
        } else if has("tip") || has("tip_hash") {
            Some(Self::Expected)
        } else {
            None
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Params => "the constants",
            Self::Verdicts => "verdicts",
            Self::Reorg => "a reorganisation",
            Self::Siblings => "sibling blocks",
            Self::Forks => "forks",
            Self::Expected => "the end state",
        }
    }
}

/// Tells why a document cannot be checked by itself, if it is part of a recorded chain.
pub(super) fn misplaced(document: &Value) -> Option<String> {
    Part::of(document).map(|part| {
        format!(
            "{} of a recorded chain: there is nothing to check without its blocks; name the \
             folder that holds them (*.bin or *.bin.gz)",
            part.name()
        )
    })
}

fn sort_document(name: String, document: Value, found: &mut Folder, report: &mut Report) {
    match Part::of(&document) {
        Some(Part::Params) => found.params = Some(document),
        Some(Part::Verdicts) => found.verdicts.push((name, document)),
        Some(Part::Reorg) => found.reorgs.push((name, document)),
        Some(Part::Siblings) => found.siblings.push((name, document)),
        Some(Part::Forks) => found.forks.push((name, document)),
        Some(Part::Expected) => found.expected.push((name, document)),
        None => {
            report.within(name, |report| report.error("no known part of a recorded chain"));
        }
    }
}

fn check(folder: &Path, report: &mut Report) {
    let parts = read_folder(folder, report);
    let params = match &parts.params {
        // A recorded chain without constants of its own is one of the private network.
        None => Params::devnet(),
        Some(document) => match params::from_document(document) {
            Ok(params) => params,
            Err(error) => return report.error(&error),
        },
    };
    for path in block_files(folder) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match read_blocks(&path) {
            Ok(blocks) => report.within(format!("{name}:"), |report| {
                replay(&params, &blocks, &parts, report);
            }),
            Err(error) => report.within(name, |report| report.error(&error)),
        }
    }
}

/// Rebuilds the chain block by block; what is to be judged on an earlier block is judged when the
/// chain is there.
fn replay(params: &Params, blocks: &[Vec<u8>], parts: &Folder, report: &mut Report) {
    let mut chain = MemoryChain::new(params.clone(), Arc::new(CacheSet::new(2)));
    let mut jobs = Jobs::of(parts, blocks.len(), report);
    let mut done = 0usize;
    loop {
        jobs.run_at(&chain, report);
        let next = jobs.next_height().unwrap_or(blocks.len()).min(blocks.len());
        if done == blocks.len() {
            break;
        }
        let refused = chain.append_all(&blocks[done..next], FAR_FUTURE).err();
        let good = refused.as_ref().map_or(next - done, |(index, _)| *index);
        for height in done + 1..=done + good {
            report.case(&format!("[height {height}]"), |case| case.that(true, String::new));
        }
        if let Some((index, refusal)) = refused {
            let height = done + index + 1;
            report.case(&format!("[height {height}]"), |case| {
                case.fail(format!("{}: {refusal}", refusal.code()));
            });
            return report.error("the chain stops, the rest cannot be checked");
        }
        done = next;
    }
    for (name, document) in &parts.expected {
        let gaps = parts.gaps();
        report.within(format!("{name}:"), |report| state::check(&chain, document, gaps, report));
    }
    report.case("[undo]", |case| check_undo(&chain, case));
}

/// Takes the whole chain back: the state must be the empty one again.
fn check_undo(chain: &MemoryChain, case: &mut Case) {
    let fresh = MemoryChain::new(chain.params().clone(), Arc::clone(chain.caches()));
    let mut chain = chain.clone();
    while chain.tip().height > Height::GENESIS {
        chain.pop();
    }
    case.that(chain.state() == fresh.state(), || "undoing every block leaves something".into());
}

/// Something to judge when the chain has a certain height.
type Job<'v> = Box<dyn Fn(&MemoryChain, &mut Report) + 'v>;

/// What is to be judged, by height.
struct Jobs<'v>(BTreeMap<usize, Vec<Job<'v>>>);

impl<'v> Jobs<'v> {
    fn of(parts: &'v Folder, tip: usize, report: &mut Report) -> Self {
        let mut jobs = Self(BTreeMap::new());
        for (name, document) in &parts.verdicts {
            verdict::collect(name, document, &mut jobs, report);
        }
        for (name, document) in &parts.reorgs {
            reorg::collect_two_branches(name, document, parts.gaps(), &mut jobs);
        }
        for (name, document) in &parts.forks {
            reorg::collect_forks(name, document, &mut jobs);
        }
        for (name, document) in &parts.siblings {
            reorg::collect_siblings(name, document, &mut jobs);
        }
        for height in jobs.0.keys().filter(|height| **height > tip) {
            report.error(&format!("something is to be judged at height {height}, above the tip"));
        }
        jobs
    }

    fn add(&mut self, height: u64, job: Job<'v>) {
        let height = usize::try_from(height).unwrap_or(usize::MAX);
        self.0.entry(height).or_default().push(job);
    }

    fn next_height(&self) -> Option<usize> {
        self.0.keys().next().copied()
    }

    fn run_at(&mut self, chain: &MemoryChain, report: &mut Report) {
        let height = usize::try_from(chain.tip().height.value()).unwrap_or(usize::MAX);
        for job in self.0.remove(&height).unwrap_or_default() {
            job(chain, report);
        }
    }
}

/// The same chain judged without what we ask beyond the reference.
fn as_reference(chain: &MemoryChain) -> MemoryChain {
    let mut params = chain.params().clone();
    params.strictness = Strictness::REFERENCE;
    chain.with_params(params)
}
