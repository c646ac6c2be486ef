//! `stake run`: makes stake blocks until it is stopped.
//!
//! The node is asked for what stands on its tip; times are tried here; when one is found a fresh
//! template of that very coin is asked for, checked, signed and handed in. A node that is away is
//! waited for.

use std::collections::HashSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mvs_primitives::amount::Amount;
use mvs_primitives::input::OutPoint;
use mvs_primitives::script::Script;
use mvs_rpc_api::error::ErrorCode;
use mvs_rpc_api::types::control::ControlStatus;
use mvs_rpc_api::types::stake::StakeTemplateParams;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::amount;
use crate::app::args::RunOrder;
use crate::app::exit::Usage;
use crate::app::home::{Home, pay};
use crate::app::tell;
use crate::assemble::show;
use crate::keys::private_key::PrivateKey;
use crate::link::{LinkError, NodeLink};
use crate::stake::{Candidate, Found, Search, Template, TemplateFault, Wanted, can_stake};

/// The first and the longest pause while a node is away.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often a template is asked for although the tip did not move: coins come of age with blocks
/// only, but the node's pool may have changed its mind about one.
const REFRESH: Duration = Duration::from_secs(60);
/// Coins that are left out at most; no node means well that names more.
const MOST_ODD: usize = 10_000;

pub(super) async fn run(
    home: &Home,
    address: Option<&str>,
    order: &RunOrder,
) -> anyhow::Result<()> {
    let split_from = split_from(&order.split_from, home.params.stake.stake_min_value)?;
    let key = home.key(address)?;
    let owner = mvs_primitives::hash::hash160(&key.public_key_bytes());
    let payout = match &order.payout {
        Some(text) => home.address(text)?,
        None => key.address(),
    };
    let mut staker = Staker {
        link: home.link()?,
        split_from,
        odd: HashSet::new(),
        payout_text: home.show(&payout),
        payout: pay(&payout),
        home,
        key,
        owner,
        poll: Duration::from_millis(order.poll_ms),
    };
    let mut stop = Stop::new()?;
    let address = home.show(&staker.key.address());
    tell::note(&format!("staking for {address}, node {}", staker.link.address()));
    tokio::select! {
        done = staker.work(order.blocks) => done?,
        () = stop.wait() => {}
    }
    tell::note("stopped");
    Ok(())
}

/// Reads from which value on a coin is split: parts that are too small to be staked are no use.
fn split_from(text: &str, least: Amount) -> Result<Option<Amount>, Usage> {
    let from = amount::parse(text)?;
    if from.is_zero() {
        return Ok(None);
    }
    let two = Amount::from_units(least.units().saturating_mul(2));
    if from >= two {
        return Ok(Some(from));
    }
    let (least, two) = (amount::show(least.units()), amount::show(two.units()));
    Err(Usage(format!(
        "--split-from {text}: halves of less than {least} ETP cannot be staked; give {two} or more, \
         or 0 to split nothing"
    )))
}

/// Says why nothing is staked with a node now: what it builds would be on a tip that others have left
/// behind, or nobody would hear of it.
const fn not_ready(status: &ControlStatus, needs_peers: bool) -> Option<&'static str> {
    if !status.is_synced {
        return Some("the node has not caught up");
    }
    if needs_peers && status.peers == 0 {
        return Some("the node has no peers");
    }
    None
}

/// The last time that may be signed: what the node allows, whose clock goes on since it answered, and
/// never more than this machine's own clock allows.
fn last_secs(template_secs: u32, since_secs: u64, latest_secs: u32) -> u32 {
    let since = u32::try_from(since_secs).unwrap_or(u32::MAX);
    template_secs.saturating_add(since).min(latest_secs)
}

/// The last time that a node with this machine's clock would take.
fn latest_secs(limit_secs: u32) -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    u32::try_from(now.saturating_add(u64::from(limit_secs))).unwrap_or(u32::MAX)
}

/// Ctrl-C, or what systems send.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn new() -> std::io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

struct Staker<'a> {
    home: &'a Home,
    link: NodeLink,
    key: PrivateKey,
    owner: [u8; 20],
    payout: Script,
    payout_text: String,
    split_from: Option<Amount>,
    poll: Duration,
    /// Coins of the address that this wallet cannot sign for.
    odd: HashSet<OutPoint>,
}

/// Why a round ended without a block.
#[derive(Debug, thiserror::Error)]
enum Pause {
    /// The node cannot be asked now.
    #[error(transparent)]
    Away(LinkError),
    /// There is nothing to stake now.
    #[error("{0}")]
    Nothing(String),
    /// It is no use to work with the node now.
    #[error("{0}")]
    Unready(String),
    /// The tip moved, or what was found came too late.
    #[error("{0}")]
    Late(String),
}

/// What a round came to, but for a block.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Pause(#[from] Pause),
    /// The node lies, or will never answer: no use in going on.
    #[error(transparent)]
    Fatal(#[from] anyhow::Error),
}

impl From<LinkError> for RoundError {
    fn from(error: LinkError) -> Self {
        let LinkError::Refused(refused) = &error else {
            return match error {
                LinkError::Strange { .. } => Self::Fatal(error.into()),
                away => Pause::Away(away).into(),
            };
        };
        let is = |code| refused.is(code);
        if is(ErrorCode::NoWork) {
            return Pause::Nothing(refused.to_string()).into();
        }
        if is(ErrorCode::BlockRefused)
            || is(ErrorCode::TransactionNotFound)
            || is(ErrorCode::BlockNotFound)
        {
            return Pause::Late(refused.to_string()).into();
        }
        if is(ErrorCode::InvalidParams)
            || is(ErrorCode::MethodNotFound)
            || is(ErrorCode::Rights)
            || is(ErrorCode::IndexMissing)
        {
            return Self::Fatal(error.into());
        }
        // Busy, starting, stopping, failed: it may be well again soon.
        Pause::Away(error).into()
    }
}

impl From<TemplateFault> for RoundError {
    fn from(fault: TemplateFault) -> Self {
        Self::Fatal(anyhow::Error::new(fault).context("the node's template is not signed"))
    }
}

impl Staker<'_> {
    async fn work(&mut self, most: Option<u64>) -> anyhow::Result<()> {
        let (mut found, mut pause, mut told) = (0u64, FIRST_PAUSE, String::new());
        let mut is_away = false;
        while most.is_none_or(|most| found < most) {
            let outcome = self.round().await;
            if is_away && !matches!(outcome, Err(RoundError::Pause(Pause::Away(_)))) {
                tell::note("the node answers again");
                (is_away, pause) = (false, FIRST_PAUSE);
            }
            match outcome {
                Ok(()) => {
                    found = found.saturating_add(1);
                }
                Err(RoundError::Fatal(error)) => return Err(error),
                Err(RoundError::Pause(Pause::Away(error))) => {
                    if !is_away {
                        tell::note(&format!("waiting for the node: {error}"));
                    }
                    is_away = true;
                    tokio::time::sleep(pause).await;
                    pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                }
                Err(RoundError::Pause(Pause::Nothing(text))) => {
                    // Said once, not with every look: runs of stake blocks end all the time.
                    if told != text {
                        tell::note(&format!("nothing to stake now: {text}"));
                        told = text;
                    }
                    tokio::time::sleep(self.poll).await;
                }
                Err(RoundError::Pause(Pause::Unready(text))) => {
                    if told != text {
                        tell::note(&format!("pausing: {text}"));
                        told = text;
                    }
                    tokio::time::sleep(self.poll).await;
                }
                Err(RoundError::Pause(Pause::Late(text))) if text.is_empty() => {}
                Err(RoundError::Pause(Pause::Late(text))) => {
                    tell::note(&format!("too late: {text}"));
                    // The same may be found again at once.
                    tokio::time::sleep(self.poll).await;
                }
            }
        }
        Ok(())
    }

    /// Works on one tip, until there is a block or a reason to begin anew.
    async fn round(&mut self) -> Result<(), RoundError> {
        let needs_peers = !self.home.params.seeds.is_empty();
        if let Some(text) = not_ready(&self.link.status().await?, needs_peers) {
            return Err(Pause::Unready(text.to_owned()).into());
        }
        let answer = self.link.stake_template(&self.ask(None, false)).await?;
        let (asked, template) = (Instant::now(), Template::read(&answer, None)?);
        let tip = template.header().previous.to_string();
        let limit = self.home.params.future_limit_secs(template.header().number);
        if template.header().timestamp.unix_secs() > latest_secs(limit) {
            let text = "this machine's clock is behind the chain's";
            return Err(Pause::Unready(text.to_owned()).into());
        }
        let candidates = template.candidates().iter().copied();
        let candidates: Vec<Candidate> =
            candidates.filter(|one| !self.odd.contains(&one.outpoint)).collect();
        if candidates.is_empty() {
            let text = "the node names no coin that this wallet can sign for";
            return Err(Pause::Nothing(text.to_owned()).into());
        }
        let mut search = Search::new(template.header(), &candidates);
        let mut looked = Instant::now();
        loop {
            let since = asked.elapsed().as_secs();
            let last_secs = last_secs(template.last_secs(), since, latest_secs(limit));
            if let Some(found) = search.step(last_secs) {
                return self.finish(&template, found).await;
            }
            if search.next_secs() > last_secs {
                tokio::time::sleep(self.poll).await;
            } else {
                // Signals are heard between two slices.
                tokio::task::yield_now().await;
            }
            if looked.elapsed() >= self.poll {
                looked = Instant::now();
                let now = self.link.tip().await?;
                if now.hash != tip || !now.is_synced || asked.elapsed() >= REFRESH {
                    return Err(Pause::Late(String::new()).into());
                }
            }
        }
    }

    fn ask(&self, inputs: Option<Vec<String>>, split: bool) -> StakeTemplateParams {
        StakeTemplateParams {
            public_key: self.key.public_key().to_string(),
            inputs,
            split: Some(split),
            payout: Some(self.payout_text.clone()),
        }
    }

    /// Makes the block of what was found.
    async fn finish(&mut self, searched: &Template, found: Found) -> Result<(), RoundError> {
        let inputs = [found.candidate.outpoint];
        let split = self.split_from.is_some_and(|from| found.candidate.value >= from);
        let names = inputs.iter().map(show).collect();
        let answer = self.link.stake_template(&self.ask(Some(names), split)).await?;
        let template = Template::read(&answer, Some(&inputs))?;
        let (old, new) = (searched.header(), template.header());
        if (old.previous, old.bits, old.number) != (new.previous, new.bits, new.number) {
            return Err(Pause::Late(String::new()).into());
        }
        let mut coins = Vec::new();
        for (coin, height) in template.coins() {
            coins.push(self.link.prove(*coin, *height).await?.map_err(TemplateFault::from)?);
        }
        if !coins.iter().all(can_stake) {
            return self.leave_out(found.candidate.outpoint);
        }
        let wanted = Wanted {
            params: &self.home.params,
            owner: self.owner,
            payout: self.payout.clone(),
            inputs: &inputs,
            split,
        };
        let checked = template.check(&wanted, coins)?;
        checked.confirm(&found)?;
        let height = checked.header().number.value();
        let signed = checked.sign(found.timestamp, &self.key).map_err(TemplateFault::from)?;
        let verdict = self.link.stake_submit(&signed).await?;
        let block = json!({
            "height": height,
            "hash": verdict.hash,
            "timestamp": found.timestamp.unix_secs(),
            "coin": show(&found.candidate.outpoint),
            "value": amount::show(found.candidate.value.units()),
            "on_chain": verdict.is_on_chain,
        });
        let told = if self.home.is_json {
            tell::answer(true, &block)
        } else {
            let side = if verdict.is_on_chain { "" } else { ", on a side branch" };
            let value = amount::show(found.candidate.value.units());
            let text = format!("block {height} {} with {value} ETP{side}", verdict.hash);
            tell::answer(false, &json!(text))
        };
        if let Err(error) = told {
            // The block is made all the same, and so may others be.
            tell::note(&format!("{error:#}"));
        }
        Ok(())
    }

    /// Stakes a coin no more: it exists, but is not one that this wallet signs for.
    fn leave_out(&mut self, coin: OutPoint) -> Result<(), RoundError> {
        if self.odd.len() >= MOST_ODD {
            let text = "too many coins that no wallet can sign for";
            return Err(TemplateFault::Inputs { what: text }.into());
        }
        tell::note(&format!("{} is no plain coin and is left out", show(&coin)));
        self.odd.insert(coin);
        Err(Pause::Late(String::new()).into())
    }
}

#[cfg(test)]
mod tests {
    use mvs_primitives::amount::Amount;
    use mvs_rpc_api::types::control::ControlStatus;
    use serde_json::json;

    use super::{last_secs, latest_secs, not_ready, split_from};

    #[test]
    fn what_is_split_can_be_staked_afterwards() {
        let least = Amount::from_etp(1_000).unwrap();
        let of = |text: &str| split_from(text, least).map_err(|error| error.0);
        assert_eq!(of("0"), Ok(None));
        assert_eq!(of("0.0"), Ok(None));
        assert_eq!(of("2000"), Ok(Amount::from_etp(2_000)));
        for small in ["1999.99999999", "1", "0.00000001"] {
            let error = of(small).unwrap_err();
            assert!(error.contains("2000.00000000") && error.contains(small), "{error}");
        }
        assert!(of("x").is_err());
        assert!(split_from("1", Amount::from_units(u64::MAX)).is_err());
    }

    #[test]
    fn a_node_that_is_behind_or_alone_is_waited_for() {
        let text = |is_synced: bool, peers: u32, needs_peers: bool| {
            let status: ControlStatus = serde_json::from_value(json!({
                "version": "", "network": "", "uptime_secs": 1, "height": 1, "headers": 1,
                "is_synced": is_synced, "is_disk_full": false, "peers": peers, "mempool": 0,
            }))
            .unwrap();
            not_ready(&status, needs_peers)
        };
        assert_eq!(text(true, 1, true), None);
        assert_eq!(text(true, 0, false), None, "a chain without seeds");
        assert_eq!(text(true, 0, true), Some("the node has no peers"));
        for (peers, needs_peers) in [(0, false), (0, true), (7, true)] {
            assert_eq!(text(false, peers, needs_peers), Some("the node has not caught up"));
        }
    }

    #[test]
    fn no_time_is_signed_that_this_clock_forbids() {
        assert_eq!(last_secs(1_000, 5, 2_000), 1_005);
        assert_eq!(last_secs(1_000, 5, 1_003), 1_003);
        assert_eq!(last_secs(u32::MAX, u64::MAX, 1_003), 1_003);
        assert_eq!(last_secs(1_000, u64::MAX, u32::MAX), u32::MAX);
        assert!(latest_secs(38) >= latest_secs(0));
        assert_eq!(latest_secs(u32::MAX), u32::MAX);
    }
}
