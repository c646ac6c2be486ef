//! What every method may use.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mvs_consensus::params::Params;
use mvs_primitives::address::{Address, AddressFormat};
use mvs_rpc_api::error::{ErrorCode, RpcError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::compat::{Effort, Payee};
use super::fault::{self, RpcResult};
use super::hub::Hub;
use super::methods::stake::StakeTemplates;
use crate::chain::command::ChainHandle;
use crate::chain::events::TipView;
use crate::chain::stop::Stop;
use crate::p2p::network::Network;
use crate::telemetry::LogControl;

/// Questions that read the chain at a time; the others wait.
const READERS: usize = 32;
/// Questions that look through much (an address's or an asset's outputs, lists of names) at a time.
const SEARCHERS: usize = 2;
/// Questions that wait for the chain owner on a thread of their own at a time.
const ASKERS: usize = 64;
/// Questions about the whole pool at a time: each keeps the chain owner for as long as it takes to sort it.
const POOL_READERS: usize = 1;
/// Bodies that are answered at a time, over all connections; the others are told that the node is busy.
const BODIES: usize = 128;
/// How long a question waits for its turn.
const TURN: Duration = Duration::from_secs(5);

/// The parts of the node that are asked. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Context {
    /// The chain owner.
    pub chain: ChainHandle,
    /// The peers.
    pub network: Network,
    /// The rules of the chain.
    pub params: Arc<Params>,
    /// Ends the node.
    pub stop: Stop,
    /// Changes the logs.
    pub logs: LogControl,
    /// Whom work pays if nobody is named.
    pub payee: Option<Payee>,
    /// The node itself mines.
    pub is_mining: bool,
    /// Follows the chain for subscribers.
    pub hub: Hub,
    /// When the node started.
    pub started: Instant,
    /// Stake templates that may still come back signed.
    pub(in crate::rpc) stakes: Arc<StakeTemplates>,
    readers: Arc<Semaphore>,
    searchers: Arc<Semaphore>,
    askers: Arc<Semaphore>,
    pool_readers: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    guest_searchers: Arc<Semaphore>,
    guest_askers: Arc<Semaphore>,
}

impl Context {
    /// Puts the parts together.
    pub fn new(
        chain: ChainHandle,
        network: Network,
        params: Arc<Params>,
        stop: Stop,
        logs: LogControl,
        payee: Option<Payee>,
        is_mining: bool,
    ) -> Self {
        Self {
            hub: Hub::new(&chain),
            chain,
            network,
            params,
            stop,
            logs,
            payee,
            is_mining,
            started: Instant::now(),
            stakes: Arc::default(),
            readers: Arc::new(Semaphore::new(READERS)),
            searchers: Arc::new(Semaphore::new(SEARCHERS)),
            askers: Arc::new(Semaphore::new(ASKERS)),
            pool_readers: Arc::new(Semaphore::new(POOL_READERS)),
            bodies: Arc::new(Semaphore::new(BODIES)),
            guest_searchers: Arc::new(Semaphore::new(SEARCHERS / 2)),
            guest_askers: Arc::new(Semaphore::new(ASKERS / 2)),
        }
    }

    /// Returns how the network writes addresses.
    pub fn format(&self) -> &AddressFormat {
        &self.params.addresses
    }

    /// Reads an address.
    ///
    /// # Errors
    /// Invalid parameters.
    pub fn address(&self, text: &str) -> RpcResult<Address> {
        Address::parse(text, self.format()).map_err(|error| {
            fault::bad(format!("no address of {}: {error}", self.params.name))
                .with_rule(error.code())
        })
    }

    /// Looks at the chain as it is now, on a thread for blocking work.
    ///
    /// # Errors
    /// What `look` says, or that too much is being asked.
    pub async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&TipView) -> RpcResult<T> + Send + 'static,
    ) -> RpcResult<T> {
        let view = self.chain.tip();
        self.block_on(move || look(&view)).await
    }

    /// Looks at the chain as it is now, on this thread: for what reads one block at most.
    ///
    /// # Errors
    /// What `look` says.
    pub fn look<T>(&self, look: impl FnOnce(&TipView) -> RpcResult<T>) -> RpcResult<T> {
        look(&self.chain.tip())
    }

    #[cfg(test)]
    pub(super) fn take_all_turns(&self) -> tokio::sync::OwnedSemaphorePermit {
        let all = u32::try_from(READERS).expect("few");
        Arc::clone(&self.readers).try_acquire_many_owned(all).expect("nobody reads")
    }

    /// Looks through much of the chain as it is now, on a thread for blocking work.
    ///
    /// # Errors
    /// What `look` says, or that too much is being asked.
    pub async fn search<T: Send + 'static>(
        &self,
        look: impl FnOnce(&TipView) -> RpcResult<T> + Send + 'static,
    ) -> RpcResult<T> {
        let view = self.chain.tip();
        in_turn(&self.searchers, move || look(&view)).await
    }

    /// Does something that blocks, on a thread for that.
    ///
    /// # Errors
    /// What `work` says, or that too much is being asked.
    pub async fn block_on<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> RpcResult<T> + Send + 'static,
    ) -> RpcResult<T> {
        in_turn(&self.readers, work).await
    }

    /// Runs what blocks in the first node's interface: in the turn that fits what it does.
    ///
    /// # Errors
    /// What `work` says, or that too much is being asked.
    pub async fn compat_on<T: Send + 'static>(
        &self,
        is_guest: bool,
        effort: Effort,
        work: impl FnOnce() -> RpcResult<T> + Send + 'static,
    ) -> RpcResult<T> {
        let _pool = match effort {
            Effort::Pool => Some(self.pool_turn().await?),
            Effort::Asks | Effort::Searches => None,
        };
        // Guests wait for one another, and leave a place for those who are known.
        let _guest = match (is_guest, effort) {
            (true, Effort::Searches) => Some(turn(&self.guest_searchers).await?),
            (true, Effort::Asks | Effort::Pool) => Some(turn(&self.guest_askers).await?),
            (false, _) => None,
        };
        let turns = match effort {
            Effort::Searches => &self.searchers,
            Effort::Asks | Effort::Pool => &self.askers,
        };
        in_turn(turns, work).await
    }

    /// Waits for the turn to ask about the whole pool.
    ///
    /// # Errors
    /// That too much is being asked.
    pub async fn pool_turn(&self) -> RpcResult<OwnedSemaphorePermit> {
        turn(&self.pool_readers).await
    }

    /// Takes a place for a body that is to be answered; `None` when there is none.
    pub fn body_turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.bodies).try_acquire_owned().ok()
    }
}

async fn turn(turns: &Arc<Semaphore>) -> RpcResult<OwnedSemaphorePermit> {
    match tokio::time::timeout(TURN, Arc::clone(turns).acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(RpcError::of(ErrorCode::Busy)),
    }
}

async fn in_turn<T: Send + 'static>(
    turns: &Arc<Semaphore>,
    work: impl FnOnce() -> RpcResult<T> + Send + 'static,
) -> RpcResult<T> {
    let permit = turn(turns).await?;
    let done = tokio::task::spawn_blocking(move || {
        let done = work();
        // Held until the work ends, even when nobody waits for it any more.
        drop(permit);
        done
    });
    done.await.map_err(|error| fault::internal("rpc.panicked", &error))?
}
