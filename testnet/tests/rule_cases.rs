//! The rule cases over a socket: the same verdicts as in process.
//!
//! Each block is announced by its header on the tip of a copy of its base chain and sent when the
//! node asks for it. "Accepted" is: the node's tip is that block. "Refused" is: the node then follows an
//! honest peer past it. A header that is refused is never asked for.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use mvs_primitives::encode::Encode;
use mvs_primitives::hash::sha256d;
use mvs_primitives::time::Timestamp;
use tempfile::TempDir;
use testkit::build::BlockDraft;
use testkit::build::person::MINER;
use testkit::cases::base::Base;
use testkit::cases::{Case, Offer};
use testkit::chain::FAR_FUTURE;
use testnet::chain_file;
use testnet::make_chain::empty_branch;
use testnet::node::{Network, Node, Program, Setup, loudly, program_or_skip};
use testnet::peer::{Introduction, Peer};
use testnet::scenario::{SYNC_LIMIT, alone, honest, pool_of};
use testnet::wire::{self, HEADER_BYTES, Hash, INV_TX, Incoming};

static CASES: LazyLock<Vec<Case>> = LazyLock::new(testkit::cases::all);

/// How long a verdict may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How long the node may take to ask for a block before an honest peer speaks up.
const ASK_LIMIT: Duration = Duration::from_secs(3);
/// One read of one of two peers.
const GLANCE: Duration = Duration::from_millis(10);
/// Cases that run at the same time.
const WORKERS: usize = 2;

/// Loose transactions that keep every rule and that the pool's policy refuses all the same, or may.
/// Names of cases, with the reason.
const REFUSED_BY_POLICY: &[(&str, &str)] = &[];

/// A base chain in the folder of a node.
struct Stage {
    base: Arc<Base>,
    network: Network,
    template: TempDir,
    /// What an honest peer has above the base chain.
    honest: Vec<Vec<u8>>,
}

impl Stage {
    fn prepare(program: &Program, base: &Arc<Base>) -> Result<Self> {
        let network = Network::of(base.params())?;
        let template = tempfile::tempdir()?;
        let file = template.path().join("blocks");
        chain_file::write(&file, &base.blocks())?;
        let data = template.path().join("data");
        let imported = program.import(&network, &data, &file, SYNC_LIMIT)?;
        let tip = base.chain().tip();
        ensure!(imported.tip == tip.hash.to_string(), "the base chain ends at {imported:?}");
        let honest = empty_branch(base.chain(), tip.height, 2, 9).unwrap_or_default();
        Ok(Self { base: Arc::clone(base), network, template, honest })
    }

    fn node(&self, program: &Program) -> Result<Node> {
        let mut node = Node::prepare(program, Setup::on(self.network.clone()))?;
        copy_folder(&self.template.path().join("data"), &node.data_dir())?;
        node.restart()?;
        let status = node.status()?;
        let tip = self.base.chain().tip().hash.to_string();
        ensure!(status.tip == tip, "starts at {status:?}, not at {tip}");
        Ok(node)
    }

    fn introduction(&self) -> Introduction {
        let height = self.base.chain().tip().height.value() + 2;
        Introduction::default().on(self.base.params().magic.to_le_bytes()).at(height)
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// What a node made of a block.
#[derive(Debug, PartialEq)]
struct Verdict {
    accepted: bool,
    /// The node asked for the block after it had seen its header.
    asked: bool,
}

/// Answers requests for blocks; tells whether the connection is over.
fn serve(peer: &mut Peer, blocks: &[&[u8]], asked: &mut bool) -> Result<bool> {
    match peer.next(GLANCE) {
        Ok(Incoming::Message(message)) if message.command == "getdata" => {
            for (_, hash) in wire::parse_inventory(&message.payload)? {
                if let Some(block) = blocks.iter().find(|block| wire::block_hash(block) == hash) {
                    *asked = true;
                    if peer.send("block", block).is_err() {
                        return Ok(true);
                    }
                }
            }
            Ok(false)
        }
        Ok(Incoming::Message(_) | Incoming::Nothing) => Ok(false),
        Ok(Incoming::Closed) | Err(_) => Ok(true),
    }
}

fn judge_block(program: &Program, stage: &Stage, bytes: &[u8]) -> Result<Verdict> {
    let node = stage.node(program)?;
    let hash = wire::display(&wire::block_hash(bytes));
    let mut giver = Peer::connect(node.address_v6(), &stage.introduction())?;
    giver.expect("getheaders")?;
    giver.send("headers", &wire::headers([(&bytes[..HEADER_BYTES], 1)]))?;
    let start = Instant::now();
    let (mut asked, mut over) = (false, false);
    while !asked && !over && start.elapsed() < ASK_LIMIT {
        over = serve(&mut giver, &[bytes], &mut asked)?;
    }
    let mut other = Peer::connect(node.address(), &stage.introduction())?;
    let blocks: Vec<&[u8]> = stage.honest.iter().map(Vec::as_slice).collect();
    let goal = blocks.last().map(|block| wire::display(&wire::block_hash(block)));
    other.expect("getheaders")?;
    // An accepted block shows at once; an honest branch would only hide it.
    let seen = || node.status().map(|status| status.tip);
    let end = Instant::now() + LIMIT;
    let mut spoken = false;
    loop {
        let tip = seen()?;
        if tip == hash {
            return Ok(Verdict { accepted: true, asked });
        }
        if spoken && (Some(&tip) == goal.as_ref() || goal.is_none()) {
            return Ok(Verdict { accepted: false, asked });
        }
        ensure!(Instant::now() < end, "no verdict; the tip is {tip}; asked: {asked}");
        if !over {
            over = serve(&mut giver, &[bytes], &mut asked)?;
        }
        let mut fetched = false;
        ensure!(!serve(&mut other, &blocks, &mut fetched)?, "the honest peer was dropped");
        // A bad block costs its giver the connection; whoever keeps it has been judged when the node
        // answers again.
        if !spoken && (over || giver.settle().is_err() || start.elapsed() > ASK_LIMIT) {
            if seen()? == hash {
                continue;
            }
            let entries = blocks.iter().map(|block| (&block[..HEADER_BYTES], 1));
            other.send("headers", &wire::headers(entries))?;
            spoken = true;
        }
    }
}

/// What should come of a case.
fn expected(code: Option<&str>) -> Verdict {
    let is_of_the_header =
        code.is_some_and(|code| code.starts_with("header.") || code.starts_with("not_yet."));
    Verdict { accepted: code.is_none(), asked: !is_of_the_header }
}

/// Sorts cases by their base chains.
fn stages<'c>(
    program: &Program,
    wanted: impl Fn(&Case) -> bool,
) -> (Vec<(Stage, Vec<&'c Case>)>, Vec<String>) {
    let mut found: Vec<(Stage, Vec<&Case>)> = Vec::new();
    let mut skipped = Vec::new();
    for case in CASES.iter().filter(|case| wanted(case)) {
        if case.now_secs != FAR_FUTURE {
            skipped.push(format!("{}: it needs a clock of its own", case.name));
            continue;
        }
        let same = |stage: &Stage| {
            stage.base.name() == case.base.name() && stage.base.params() == case.base.params()
        };
        if let Some((_, cases)) = found.iter_mut().find(|(stage, _)| same(stage)) {
            cases.push(case);
            continue;
        }
        match Stage::prepare(program, &case.base) {
            Ok(stage) => found.push((stage, vec![case])),
            Err(error) => {
                let first = format!("{error:#}").lines().next().unwrap_or_default().to_owned();
                skipped.push(format!("{}: no node joins its network: {first}", case.name));
            }
        }
    }
    (found, skipped)
}

/// Runs a check over many items on some threads and collects what it complains about.
fn check_all<T: Sync>(
    items: &[T],
    check: impl Fn(&T) -> Result<Option<String>> + Sync,
) -> Vec<String> {
    let (next, complaints) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let complaint = check(item).unwrap_or_else(|error| Some(format!("{error:#}")));
                    complaints.lock().unwrap().extend(complaint);
                }
            });
        }
    });
    complaints.into_inner().unwrap()
}

fn report_skipped(skipped: &[String]) {
    for case in skipped {
        loudly(&format!("SKIPPED over the wire: {case}"));
    }
    // A few need a clock or a network that no file can describe; more would be a mistake.
    assert!(skipped.len() <= 6, "{} cases were left out", skipped.len());
}

#[test]
#[ignore = "minutes: cargo test -p testnet --test rule_cases -- --ignored --test-threads=1"]
fn blocks_get_the_same_verdict_over_the_wire() {
    let name = "blocks_get_the_same_verdict_over_the_wire";
    let Some(program) = program_or_skip(name) else { return };
    let _alone = alone();
    let (stages, skipped) = stages(&program, |case| matches!(case.offer, Offer::Block(_)));
    report_skipped(&skipped);
    let all: Vec<(&Stage, &Case)> = stages
        .iter()
        .flat_map(|(stage, cases)| cases.iter().map(move |case| (stage, *case)))
        .collect();
    let wrong = check_all(&all, |(stage, case)| {
        let Offer::Block(bytes) = &case.offer else { bail!("no block") };
        let found = judge_block(&program, stage, bytes)
            .with_context(|| format!("{} ({:?})", case.name, case.code))?;
        let expected = expected(case.code);
        Ok((found != expected)
            .then(|| format!("{} ({:?}): {found:?}, not {expected:?}", case.name, case.code)))
    });
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
    assert!(all.len() > 150, "{} cases", all.len());
}

fn bytes_of(case: &Case) -> &[u8] {
    match &case.offer {
        Offer::LooseTx(bytes) => bytes,
        _ => panic!("{} is no loose transaction", case.name),
    }
}

fn id_of(case: &Case) -> Hash {
    sha256d(bytes_of(case))
}

/// Sends a transaction as peers do: announces it and sends it when it is asked for.
fn offer_tx(peer: &mut Peer, bytes: &[u8]) -> Result<()> {
    let txid = sha256d(bytes);
    peer.send("inv", &wire::inventory([(INV_TX, txid)]))?;
    peer.find("a request for the transaction", LIMIT, |message| {
        let items = wire::parse_inventory(&message.payload).unwrap_or_default();
        (message.command == "getdata" && items.contains(&(INV_TX, txid))).then_some(())
    })?;
    peer.send("tx", bytes)
}

#[test]
#[ignore = "minutes: cargo test -p testnet --test rule_cases -- --ignored --test-threads=1"]
fn bad_loose_transactions_are_refused_over_the_wire() {
    let name = "bad_loose_transactions_are_refused_over_the_wire";
    let Some(program) = program_or_skip(name) else { return };
    let _alone = alone();
    let (stages, skipped) = stages(&program, |case| matches!(case.offer, Offer::LooseTx(_)));
    let mut count = 0;
    for (stage, cases) in &stages {
        let bad: Vec<&Case> = cases.iter().copied().filter(|case| case.code.is_some()).collect();
        let Some(good) = good_payment(stage) else { continue };
        let magic = stage.base.params().magic.to_le_bytes();
        let mut node = stage.node(&program).unwrap();
        for case in &bad {
            // Somebody who sends such things may be turned away for good.
            let mut peer = match Peer::connect(node.address_v6(), &stage.introduction()) {
                Ok(peer) => peer,
                Err(_) => {
                    node = stage.node(&program).unwrap();
                    Peer::connect(node.address_v6(), &stage.introduction()).unwrap()
                }
            };
            let _sent = peer.send("tx", bytes_of(case));
            let _answered = peer.settle();
            count += 1;
        }
        // When a good one has come through, the bad ones have been judged.
        let mut peer = honest(&node, magic).unwrap();
        offer_tx(&mut peer, &good).unwrap();
        node.wait_for("the good one", LIMIT, |status| status.mempool >= 1).unwrap();
        let pool = pool_of(&node, magic, 1).unwrap();
        let wrong: Vec<&str> = bad
            .iter()
            .filter(|case| pool.contains(&id_of(case)))
            .map(|case| case.name.as_str())
            .collect();
        assert!(wrong.is_empty(), "{}: accepted {wrong:?}", stage.base.name());
        assert_eq!(node.status().unwrap().mempool, 1, "{}", stage.base.name());
    }
    assert!(count > 100, "{count} cases");
    report_skipped(&skipped);
}

/// Any good loose transaction of the base chain.
fn good_payment(stage: &Stage) -> Option<Vec<u8>> {
    let is_plain = |case: &&Case| {
        case.code.is_none()
            && matches!(case.offer, Offer::LooseTx(_))
            && case.base.name() == stage.base.name()
            && case.judge_on(&stage.base)
            && !REFUSED_BY_POLICY.iter().any(|(name, _)| *name == case.name)
    };
    CASES.iter().find(is_plain).map(|case| bytes_of(case).to_vec())
}

trait JudgeOn {
    fn judge_on(&self, base: &Arc<Base>) -> bool;
}

impl JudgeOn for Case {
    /// Returns whether it keeps every rule of another network with the same chain.
    fn judge_on(&self, base: &Arc<Base>) -> bool {
        Case { base: Arc::clone(base), ..self.clone() }.judge().is_none()
    }
}

#[test]
#[ignore = "minutes: cargo test -p testnet --test rule_cases -- --ignored --test-threads=1"]
fn good_loose_transactions_wait_for_a_block() {
    let name = "good_loose_transactions_wait_for_a_block";
    let Some(program) = program_or_skip(name) else { return };
    let _alone = alone();
    let (stages, skipped) =
        stages(&program, |case| matches!(case.offer, Offer::LooseTx(_)) && case.code.is_none());
    let all: Vec<(&Stage, &Case)> = stages
        .iter()
        .flat_map(|(stage, cases)| cases.iter().map(move |case| (stage, *case)))
        .collect();
    let wrong = check_all(&all, |(stage, case)| {
        let node = stage.node(&program)?;
        let mut peer = honest(&node, stage.base.params().magic.to_le_bytes())?;
        offer_tx(&mut peer, bytes_of(case)).context(case.name.clone())?;
        peer.settle()?;
        let by_policy = REFUSED_BY_POLICY.iter().any(|(name, _)| *name == case.name);
        let limit = if by_policy { Duration::ZERO } else { ASK_LIMIT };
        let accepted = node.wait_for("the pool", limit, |status| status.mempool == 1).is_ok();
        Ok((accepted == by_policy).then(|| format!("{}: accepted {accepted}", case.name)))
    });
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
    report_skipped(&skipped);
}

/// The clock cases, with the clock of this machine.
#[test]
#[ignore = "minutes: cargo test -p testnet --test rule_cases -- --ignored --test-threads=1"]
fn a_block_from_the_future_is_kept_for_later() {
    let name = "a_block_from_the_future_is_kept_for_later";
    let Some(program) = program_or_skip(name) else { return };
    let _alone = alone();
    let case = CASES.iter().find(|case| case.name == "ahead-of-the-clock").unwrap();
    let stage = Stage::prepare(&program, &case.base).unwrap();
    let chain = case.base.chain();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let block = |ahead: i64| {
        let mut draft = BlockDraft::on(chain, MINER.script(), Vec::new());
        let secs = u32::try_from(now.checked_add_signed(ahead).unwrap()).unwrap();
        draft.header.timestamp = Timestamp::from_unix_secs(secs);
        draft.set_bits(chain.params(), chain.headers());
        draft.seal(chain.caches()).to_bytes()
    };
    let early = judge_block(&program, &stage, &block(3_600)).unwrap();
    assert_eq!(early, Verdict { accepted: false, asked: false });
    let now = judge_block(&program, &stage, &block(-5)).unwrap();
    assert_eq!(now, Verdict { accepted: true, asked: true });
}
