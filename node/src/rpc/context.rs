//! What every method may use.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mvs_consensus::params::Params;
use mvs_primitives::address::{Address, AddressFormat};
use mvs_primitives::script::Script;
use mvs_rpc_api::error::{ErrorCode, RpcError};
use tokio::sync::Semaphore;

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
    pub payout: Option<Script>,
    /// Follows the chain for subscribers.
    pub hub: Hub,
    /// When the node started.
    pub started: Instant,
    /// Stake templates that may still come back signed.
    pub(in crate::rpc) stakes: Arc<StakeTemplates>,
    readers: Arc<Semaphore>,
}

impl Context {
    /// Puts the parts together, and starts to follow the chain. Must be called inside the runtime.
    pub fn new(
        chain: ChainHandle,
        network: Network,
        params: Arc<Params>,
        stop: Stop,
        logs: LogControl,
        payout: Option<Script>,
    ) -> Self {
        Self {
            hub: Hub::start(&chain, stop.clone()),
            chain,
            network,
            params,
            stop,
            logs,
            payout,
            started: Instant::now(),
            stakes: Arc::default(),
            readers: Arc::new(Semaphore::new(READERS)),
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

    /// Does something that blocks, on a thread for that.
    ///
    /// # Errors
    /// What `work` says, or that too much is being asked.
    pub async fn block_on<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> RpcResult<T> + Send + 'static,
    ) -> RpcResult<T> {
        let turn = Arc::clone(&self.readers).acquire_owned();
        let permit = match tokio::time::timeout(TURN, turn).await {
            Ok(Ok(permit)) => permit,
            _ => return Err(RpcError::of(ErrorCode::Busy)),
        };
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            // Held until the work ends, even when nobody waits for it any more.
            drop(permit);
            done
        });
        done.await.map_err(|error| fault::internal("rpc.panicked", &error))?
    }
}
