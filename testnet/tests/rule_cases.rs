//! The rule cases over a socket: the same verdicts as in process.
//!
//! Each block is announced by its header on the tip of a copy of its base chain and sent when the
//! node asks for it. The code of the rule that spoke comes from the node's log, and its tip agrees.
//! Bad blocks of a base chain go to one node, one after the other, which then follows an honest peer
//! past them all. A header that is refused is never asked for.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::ffi::OsString;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use mvs_primitives::encode::{Decode, Encode};
use mvs_primitives::hash::sha256d;
use mvs_primitives::time::Timestamp;
use mvs_primitives::transaction::Transaction;
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
use testnet::scenario::{SYNC_LIMIT, alone, honest, offer};
use testnet::verdicts::{self, Verdict, Verdicts};
use testnet::wait::{Seen, until};
use testnet::wire::{self, HEADER_BYTES, INV_TX, Incoming};

static CASES: LazyLock<Vec<Case>> = LazyLock::new(testkit::cases::all);

/// How long a verdict may take.
const LIMIT: Duration = Duration::from_secs(30);
/// One read of a peer, before the log is read again.
const GLANCE: Duration = Duration::from_millis(10);
/// Cases that run at the same time.
const WORKERS: usize = 2;

/// Loose transactions that keep every rule and that the pool's policy refuses all the same: names of
/// cases, each with the code of the policy.
const REFUSED_BY_POLICY: &[(&str, &str)] = &[
    ("transaction-as-large-as-allowed", "pool.size"),
    ("odd-script-version-1-loose", "pool.output_form"),
    ("one-large-input-loose", "pool.dust"),
    // Their fee is the ordinary one; a registration asks for more (chain.md 6.7).
    ("asset-name-of-64-loose", "pool.special_fee"),
    ("asset-name-with-dot-loose", "pool.special_fee"),
    ("lower-case-in-version-1-loose", "pool.special_fee"),
    ("word-in-version-1-loose", "pool.special_fee"),
    ("identity-with-at-loose", "pool.special_fee"),
    ("issue-threshold-100-loose", "pool.special_fee"),
    ("issue-with-good-lock-model-loose", "pool.special_fee"),
    ("issue-beside-message-loose", "pool.special_fee"),
    ("reissuable-asset-with-cert-loose", "pool.special_fee"),
    ("asset-with-naming-cert-loose", "pool.special_fee"),
    ("identity-registered-loose", "pool.special_fee"),
    ("mining-cert-in-the-stake-era-loose", "pool.special_fee"),
    // Bare scripts, or a script hash with one behind it.
    ("script-true-loose", "pool.spent_form"),
    ("script-relative-lock-reached-loose", "pool.spent_form"),
    ("script-lock-time-reached-loose", "pool.spent_form"),
    ("script-hash-spent-loose", "pool.spent_form"),
];

/// Bad things on which another rule speaks first over the wire than in process: names of cases, each
/// with its code and the reason.
const SPOKEN_EARLIER: &[(&str, &str)] = &[
    // Headers are screened before any seal is looked at.
    ("epoch-beyond-ethash", "header.number"),
    // Policy asks for usual forms and sizes before anything costly is done; in a block each of these
    // breaks the rule of its case.
    ("transaction-too-large", "pool.size"),
    ("script-hash-spent-with-nop-loose", "pool.input_form"),
    ("script-ends-false-loose", "pool.spent_form"),
    ("script-script-of-10001-loose", "pool.spent_form"),
    ("script-push-of-521-loose", "pool.spent_form"),
    ("script-push-cut-short-loose", "pool.spent_form"),
    ("script-operations-202-loose", "pool.spent_form"),
    ("script-items-1001-loose", "pool.spent_form"),
    ("script-cat-loose", "pool.spent_form"),
    ("script-reserved-loose", "pool.spent_form"),
    ("script-dup-of-nothing-loose", "pool.spent_form"),
    ("script-from-empty-alt-stack-loose", "pool.spent_form"),
    ("script-endif-alone-loose", "pool.spent_form"),
    ("script-return-loose", "pool.spent_form"),
    ("script-verify-false-loose", "pool.spent_form"),
    ("script-equalverify-loose", "pool.spent_form"),
    ("script-numequalverify-loose", "pool.spent_form"),
    ("script-checksigverify-loose", "pool.spent_form"),
    ("script-checkmultisigverify-loose", "pool.spent_form"),
    ("script-number-of-5-bytes-loose", "pool.spent_form"),
    ("script-multisig-of-21-loose", "pool.spent_form"),
    ("script-more-signatures-than-keys-loose", "pool.spent_form"),
    ("script-signature-not-der-loose", "pool.spent_form"),
    ("script-lock-time-negative-loose", "pool.spent_form"),
    ("script-lock-time-not-reached-loose", "pool.spent_form"),
    ("script-relative-lock-negative-loose", "pool.spent_form"),
    ("script-relative-lock-not-reached-loose", "pool.spent_form"),
    ("script-no-attenuation-model-loose", "pool.spent_form"),
];

/// A block that fits no message: nobody gets as far as reading it, the connection is closed.
const TOO_LARGE: &str = "larger-than-a-message";
/// The words of the log then.
const TOO_LARGE_WORDS: &str = "protocol: p2p.length";

/// Returns the code that a node says over the wire.
fn code_of(case: &Case) -> Verdict {
    let earlier = SPOKEN_EARLIER.iter().find(|(name, _)| *name == case.name);
    earlier.map(|(_, code)| *code).or(case.code).map(str::to_owned)
}

/// Waits until the node closes the connection of somebody for a message that is too large.
fn expect_too_large(peer: &mut Peer, node: &Node) -> Result<()> {
    peer.until_closed(LIMIT)?;
    until("the reason in the log", LIMIT, || {
        let log = std::fs::read_to_string(node.log()).unwrap_or_default();
        Seen::so(log.contains(TOO_LARGE_WORDS), || "nothing".into())
    })
    .with_context(|| node.tail())
}

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
        let mut setup = Setup::on(self.network.clone());
        setup.more.extend(verdicts::ARGUMENTS.map(OsString::from));
        let mut node = Node::prepare(program, setup)?;
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
struct Found {
    /// The code of the rule that spoke.
    code: Verdict,
    /// The node asked for the block after it had seen its header.
    asked: bool,
}

/// Answers a request for a block, if one comes soon; tells whether the connection is over.
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

/// Announces a block by its header, as peers do, and waits for the verdict.
fn judge_block(node: &Node, verdicts: &mut Verdicts, stage: &Stage, bytes: &[u8]) -> Result<Found> {
    let hash = wire::display(&wire::block_hash(bytes));
    verdicts.skip()?;
    let mut giver = Peer::connect(node.address_v6(), &stage.introduction())?;
    giver.send("headers", &wire::headers([(&bytes[..HEADER_BYTES], 1)]))?;
    let end = Instant::now() + LIMIT;
    let (mut asked, mut over) = (false, false);
    loop {
        if let Some(code) = verdicts.take(&hash)? {
            return Ok(Found { code, asked });
        }
        ensure!(Instant::now() < end, "no verdict; asked: {asked}, over: {over}");
        if over {
            // The node closed the connection and has the line of its log still to write.
            std::thread::yield_now();
        } else {
            over = serve(&mut giver, &[bytes], &mut asked)?;
        }
    }
}

/// What should come of a case.
fn expected(case: &Case) -> Found {
    let code = code_of(case);
    let is_of_the_header = code
        .as_ref()
        .is_some_and(|code| code.starts_with("header.") || code.starts_with("not_yet."));
    Found { code, asked: !is_of_the_header }
}

/// An honest peer has more, and the node follows it.
fn follows_the_honest(node: &Node, stage: &Stage) -> Result<()> {
    let blocks: Vec<&[u8]> = stage.honest.iter().map(Vec::as_slice).collect();
    let Some(last) = blocks.last() else { return Ok(()) };
    let mut other = Peer::connect(node.address(), &stage.introduction())?;
    offer(&mut other, &blocks, LIMIT)?;
    node.wait_for_tip(&wire::display(&wire::block_hash(last)), LIMIT)?;
    Ok(())
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
    check: impl Fn(&T) -> Result<Vec<String>> + Sync,
) -> Vec<String> {
    let (next, complaints) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = check(item).unwrap_or_else(|error| vec![format!("{error:#}")]);
                    complaints.lock().unwrap().extend(found);
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
fn blocks_get_the_same_verdict_over_the_wire() {
    let name = "blocks_get_the_same_verdict_over_the_wire";
    let Some(program) = program_or_skip(name) else { return };
    let _alone = alone();
    let (stages, skipped) = stages(&program, |case| matches!(case.offer, Offer::Block(_)));
    report_skipped(&skipped);
    // Bad blocks change nothing, so those of a base chain share a node. A good one needs its own.
    let mut work: Vec<(&Stage, Vec<&Case>)> = Vec::new();
    for (stage, cases) in &stages {
        let (good, bad): (Vec<&Case>, Vec<&Case>) =
            cases.iter().partition(|case| case.code.is_none());
        work.push((stage, bad));
        work.extend(good.into_iter().map(|case| (stage, vec![case])));
    }
    let count: usize = work.iter().map(|(_, cases)| cases.len()).sum();
    let wrong = check_all(&work, |(stage, cases)| {
        let node = stage.node(&program)?;
        let mut verdicts = Verdicts::of(&node);
        let tip = stage.base.chain().tip().hash.to_string();
        let mut wrong = Vec::new();
        for case in cases {
            let Offer::Block(bytes) = &case.offer else { bail!("no block") };
            if case.name == TOO_LARGE {
                let mut peer = Peer::connect(node.address_v6(), &stage.introduction())?;
                // It may be closed before all of it is sent.
                let _sent = peer.send("block", bytes);
                expect_too_large(&mut peer, &node).context(case.name.clone())?;
                continue;
            }
            let found = judge_block(&node, &mut verdicts, stage, bytes)
                .with_context(|| format!("{} ({:?}); {}", case.name, case.code, node.tail()))?;
            let expected = expected(case);
            if found != expected {
                wrong.push(format!("{}: {found:?}, not {expected:?}", case.name));
            }
            let hash = wire::display(&wire::block_hash(bytes));
            let goal = if case.code.is_none() { &hash } else { &tip };
            node.wait_for_tip(goal, LIMIT)?;
        }
        if cases.iter().all(|case| case.code.is_some()) {
            follows_the_honest(&node, stage).context(stage.base.name())?;
        }
        Ok(wrong)
    });
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 150, "{count} cases");
}

fn bytes_of(case: &Case) -> &[u8] {
    match &case.offer {
        Offer::LooseTx(bytes) => bytes,
        _ => panic!("{} is no loose transaction", case.name),
    }
}

/// How a node names the transaction of a case: by its id, or, if the bytes are none, by their hash.
fn id_of(case: &Case) -> String {
    let bytes = bytes_of(case);
    Transaction::decode(bytes)
        .map_or_else(|_| wire::display(&sha256d(bytes)), |tx| tx.txid().to_string())
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
fn bad_loose_transactions_are_refused_over_the_wire() {
    let name = "bad_loose_transactions_are_refused_over_the_wire";
    let Some(program) = program_or_skip(name) else { return };
    let _alone = alone();
    let (stages, skipped) =
        stages(&program, |case| matches!(case.offer, Offer::LooseTx(_)) && case.code.is_some());
    let count: usize = stages.iter().map(|(_, cases)| cases.len()).sum();
    let wrong = check_all(&stages, |(stage, cases)| {
        let node = stage.node(&program)?;
        let mut verdicts = Verdicts::of(&node);
        let mut wrong = Vec::new();
        for case in cases {
            verdicts.skip()?;
            let mut peer = Peer::connect(node.address_v6(), &stage.introduction())?;
            offer_tx(&mut peer, bytes_of(case)).context(case.name.clone())?;
            let found = verdicts.wait(&id_of(case), LIMIT).context(case.name.clone())?;
            let expected = code_of(case);
            if found != expected {
                wrong.push(format!("{}: {found:?}, not {expected:?}", case.name));
            }
        }
        let status = node.status()?;
        ensure!(status.mempool == 0, "{}: {status:?}", stage.base.name());
        Ok(wrong)
    });
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 100, "{count} cases");
    report_skipped(&skipped);
}

#[test]
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
        let mut verdicts = Verdicts::of(&node);
        let mut peer = honest(&node, stage.base.params().magic.to_le_bytes())?;
        offer_tx(&mut peer, bytes_of(case)).context(case.name.clone())?;
        let found = verdicts.wait(&id_of(case), LIMIT).context(case.name.clone())?;
        let by_policy = REFUSED_BY_POLICY.iter().find(|(name, _)| *name == case.name);
        let expected = by_policy.map(|(_, code)| (*code).to_owned());
        let held = usize::from(expected.is_none());
        if found != expected {
            return Ok(vec![format!("(\"{}\", {found:?}), not {expected:?}", case.name)]);
        }
        node.wait_for("the pool", LIMIT, |status| status.mempool == held)?;
        Ok(Vec::new())
    });
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
    report_skipped(&skipped);
    let names: Vec<&str> = all.iter().map(|(_, case)| case.name.as_str()).collect();
    for (name, _) in REFUSED_BY_POLICY {
        assert!(names.contains(name), "{name} is no case");
    }
}

/// The clock cases, with the clock of this machine.
#[test]
fn a_block_from_the_future_is_kept_for_later() {
    let name = "a_block_from_the_future_is_kept_for_later";
    let Some(program) = program_or_skip(name) else { return };
    let _alone = alone();
    let case = CASES.iter().find(|case| case.name == "ahead-of-the-clock").unwrap();
    let stage = Stage::prepare(&program, &case.base).unwrap();
    let node = stage.node(&program).unwrap();
    let mut verdicts = Verdicts::of(&node);
    let chain = case.base.chain();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let block = |ahead: i64| {
        let mut draft = BlockDraft::on(chain, MINER.script(), Vec::new());
        let secs = u32::try_from(now.checked_add_signed(ahead).unwrap()).unwrap();
        draft.header.timestamp = Timestamp::from_unix_secs(secs);
        draft.set_bits(chain.params(), chain.headers());
        draft.seal(chain.caches()).to_bytes()
    };
    let early = judge_block(&node, &mut verdicts, &stage, &block(3_600)).unwrap();
    assert_eq!(early, Found { code: case.code.map(str::to_owned), asked: false });
    let now = judge_block(&node, &mut verdicts, &stage, &block(-5)).unwrap();
    assert_eq!(now, Found { code: None, asked: true });
}
