//! `stake run`: makes stake blocks until it is stopped.
//!
//! The node is asked for what stands on its tip; times are tried here; when one is found a fresh
//! template of that very coin is asked for, checked, signed and handed in. A node that is away is
//! waited for.

use std::time::{Duration, Instant};

use mvs_primitives::amount::Amount;
use mvs_primitives::script::Script;
use mvs_rpc_api::error::ErrorCode;
use mvs_rpc_api::types::stake::StakeTemplateParams;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::amount;
use crate::app::args::RunOrder;
use crate::app::home::{Home, pay};
use crate::app::tell;
use crate::assemble::show;
use crate::keys::private_key::PrivateKey;
use crate::link::{LinkError, NodeLink};
use crate::stake::{Found, Search, Template, TemplateFault, Wanted};

/// The first and the longest pause while a node is away.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often a template is asked for although the tip did not move: coins come of age with blocks
/// only, but the node's pool may have changed its mind about one.
const REFRESH: Duration = Duration::from_secs(60);

pub(super) async fn run(
    home: &Home,
    address: Option<&str>,
    order: &RunOrder,
) -> anyhow::Result<()> {
    let split_from = amount::parse(&order.split_from)?;
    let key = home.key(address)?;
    let owner = mvs_primitives::hash::hash160(&key.public_key_bytes());
    let payout = match &order.payout {
        Some(text) => home.address(text)?,
        None => key.address(),
    };
    let staker = Staker {
        link: home.link()?,
        split_from: (!split_from.is_zero()).then_some(split_from),
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
    async fn work(&self, most: Option<u64>) -> anyhow::Result<()> {
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
    async fn round(&self) -> Result<(), RoundError> {
        let answer = self.link.stake_template(&self.ask(None, false)).await?;
        let (asked, template) = (Instant::now(), Template::read(&answer)?);
        let tip = template.header().previous.to_string();
        let mut search = Search::new(template.header(), template.candidates());
        let mut looked = Instant::now();
        loop {
            // The node's clock is that of the template and goes on since.
            let since = u32::try_from(asked.elapsed().as_secs()).unwrap_or(u32::MAX);
            let last_secs = template.last_secs().saturating_add(since);
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
                if self.link.tip().await?.hash != tip || asked.elapsed() >= REFRESH {
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
    async fn finish(&self, searched: &Template, found: Found) -> Result<(), RoundError> {
        let inputs = [found.candidate.outpoint];
        let split = self.split_from.is_some_and(|from| found.candidate.value >= from);
        let names = inputs.iter().map(show).collect();
        let answer = self.link.stake_template(&self.ask(Some(names), split)).await?;
        let template = Template::read(&answer)?;
        let (old, new) = (searched.header(), template.header());
        if (old.previous, old.bits, old.number) != (new.previous, new.bits, new.number) {
            return Err(Pause::Late(String::new()).into());
        }
        let mut coins = Vec::new();
        for (coin, height) in template.coins() {
            coins.push(self.link.prove(*coin, *height).await?.map_err(TemplateFault::from)?);
        }
        let wanted = Wanted {
            params: &self.home.params,
            owner: self.owner,
            payout: self.payout.clone(),
            inputs: &inputs,
            split,
        };
        let checked = template.check(&wanted, coins)?;
        // The weight that was searched with was the node's word; this one is ours.
        let real = checked.candidate();
        let holds =
            real.is_some_and(|real| Search::at(checked.header(), real, found.timestamp).is_some());
        if !holds {
            let text = "the node named a weight that the coin does not have";
            return Err(RoundError::Fatal(TemplateFault::Inputs { what: text }.into()));
        }
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
        if self.home.is_json {
            tell::answer(true, &block);
        } else {
            let side = if verdict.is_on_chain { "" } else { ", on a side branch" };
            let value = amount::show(found.candidate.value.units());
            let text = format!("block {height} {} with {value} ETP{side}", verdict.hash);
            tell::answer(false, &json!(text));
        }
        Ok(())
    }
}
