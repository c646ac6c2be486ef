//! Mines on the node's own templates: for development networks, whose difficulty is fixed and small.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context as _;
use mvs_consensus::params::{Params, PowDifficulty};
use mvs_pow::{CacheSet, Effort, Epoch, Job, boundary, search_light};
use mvs_primitives::address::Address;
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::hash::MixHash;
use mvs_primitives::script::Script;
use tokio::runtime::Handle;

use crate::chain::command::ChainHandle;
use crate::chain::stop::Stop;
use crate::config::MiningConfig;
use crate::mining::{Payout, WorkTemplate};

/// The greatest difficulty that a processor without a dataset finds at once.
const MAX_DIFFICULTY: u64 = 1_000;
/// Tries for one template. The chance that none fits is below 2^-1000.
const TRIES: u64 = 1 << 20;

/// A miner that has not begun yet.
#[derive(Debug)]
pub(super) struct Miner {
    payout: Payout,
    interval: Duration,
}

impl Miner {
    /// Reads the settings; `None` when nobody is to be paid.
    ///
    /// # Errors
    /// An address of another network, or a chain on which this makes no sense.
    pub(super) fn new(config: &MiningConfig, params: &Params) -> anyhow::Result<Option<Self>> {
        let Some(text) = &config.mine else { return Ok(None) };
        let most = Difficulty::from_u64(MAX_DIFFICULTY);
        let is_small = matches!(params.pow_difficulty, PowDifficulty::Fixed(bits) if bits <= most);
        anyhow::ensure!(
            is_small,
            "mine: only on chains with a fixed difficulty of at most {MAX_DIFFICULTY}; {} is none",
            params.name
        );
        let address = Address::parse(text, &params.addresses)
            .with_context(|| format!("mine: {text} is no address of {}", params.name))?;
        let Address::KeyHash(hash) = address else {
            anyhow::bail!("mine: {text} does not belong to one key");
        };
        let payout = Payout::to(Script::pay_key_hash(&hash));
        let interval = Duration::from_millis(config.mine_interval_ms.into());
        Ok(Some(Self { payout, interval }))
    }

    /// Starts its thread, which ends with the node.
    pub(super) fn start(
        self,
        runtime: Handle,
        chain: ChainHandle,
        stop: Stop,
    ) -> anyhow::Result<()> {
        std::thread::Builder::new()
            .name("mine".to_owned())
            .spawn(move || self.run(&runtime, &chain, &stop))
            .context("cannot start the miner's thread")?;
        Ok(())
    }

    fn run(&self, runtime: &Handle, chain: &ChainHandle, stop: &Stop) {
        let caches = CacheSet::new(1);
        while !stop.is_set() {
            runtime.block_on(async {
                tokio::select! {
                    () = tokio::time::sleep(self.interval) => {}
                    () = stop.wait() => {}
                }
            });
            let work = match runtime.block_on(chain.work(self.payout.clone())) {
                Ok(Ok(work)) => work,
                Ok(Err(error)) => {
                    tracing::debug!(target: "app", %error, "no work");
                    continue;
                }
                Err(_stopping) => return,
            };
            let Some((nonce, mix_hash)) = seal(&caches, &work) else { continue };
            let submitted = chain.submit_work(work.seal_hash(), nonce, mix_hash);
            match runtime.block_on(submitted) {
                Ok(Ok(verdict)) => {
                    tracing::debug!(target: "app", height = %work.height(), hash = %verdict.hash,
                        on_chain = verdict.is_on_chain, "mined");
                }
                Ok(Err(refusal)) => tracing::warn!(target: "app", %refusal, "mined in vain"),
                Err(_stopping) => return,
            }
        }
    }
}

fn seal(caches: &CacheSet, work: &WorkTemplate) -> Option<(u64, MixHash)> {
    let epoch = Epoch::of_block(u64::from(work.height().value())).ok()?;
    let cache = caches.get(epoch).ok()?;
    let job = Job {
        seal_hash: *work.seal_hash().as_bytes(),
        boundary: boundary(work.header().bits.value()),
        start: 0,
        count: TRIES,
    };
    let outcome = search_light(&cache, &job, &Effort::default(), &AtomicBool::new(false));
    let found = outcome.found.first()?;
    Some((found.nonce, MixHash::from_bytes(found.seal.mix_hash)))
}
