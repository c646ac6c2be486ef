//! The running node as a [`Source`].

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use mvs_consensus::params::Params;
use mvs_primitives::hash::{MixHash, SealHash, TxId};
use mvs_store::Snapshot;
use mvs_store::mmap::MapDisk;

use super::source::{MiningView, Source, Unavailable};
use crate::chain::command::{BlockVerdict, ChainHandle, PageAsk, TxRefusal};
use crate::mempool::{LooseTx, Reject};
use crate::mining::{Payout, WorkTemplate};
use crate::p2p::network::{Ban, Network};

/// How long a command waits for the chain owner or the peers at most.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an address is refused.
const BAN_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Whom blocks pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payee {
    /// The script and what else the coinbase holds.
    pub payout: Payout,
    /// The address as text, as it was configured.
    pub address: String,
}

/// The running node. Cheap to clone.
///
/// Its methods block the calling thread for up to 30 seconds: they belong on a thread for blocking
/// work.
#[derive(Debug, Clone)]
pub struct NodeSource {
    params: Arc<Params>,
    chain: ChainHandle,
    network: Network,
    payee: Option<Payee>,
    is_mining: bool,
}

impl NodeSource {
    /// Puts the handles together. Without a payee there is no work; `is_mining` tells whether the
    /// node itself mines.
    pub const fn new(
        params: Arc<Params>,
        chain: ChainHandle,
        network: Network,
        payee: Option<Payee>,
        is_mining: bool,
    ) -> Self {
        Self { params, chain, network, payee, is_mining }
    }
}

/// Wakes a thread that is parked.
struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for an answer on this thread, whatever runtime it belongs to. The future must need no timers
/// and no sockets of a runtime: channels only.
fn wait<T>(future: impl Future<Output = T>) -> Result<T, Unavailable> {
    // Inside a task of the runtime its fairness budget would run out, with nobody to renew it.
    let mut future = pin!(tokio::task::coop::unconstrained(future));
    let waker = Waker::from(Arc::new(Parked(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut context) {
            return Ok(answer);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Unavailable::Busy);
        }
        std::thread::park_timeout(left);
    }
}

/// Waits for the chain owner; one that is gone is busy for good.
fn ask<T, E>(future: impl Future<Output = Result<T, E>>) -> Result<T, Unavailable> {
    wait(future)?.map_err(|_| Unavailable::Busy)
}

impl Source for NodeSource {
    type Disk = MapDisk;

    fn params(&self) -> &Params {
        &self.params
    }

    fn snapshot(&self) -> Snapshot<MapDisk> {
        self.chain.tip().snapshot.clone()
    }

    fn loose_txs(&self, limit: usize) -> Result<Vec<LooseTx>, Unavailable> {
        let chain = &self.chain;
        let page = ask(chain.pool_page(PageAsk { after: None, limit, is_full: true }))?;
        let entries = page.map(|page| page.entries).unwrap_or_default();
        Ok(entries.into_iter().map(|entry| entry.tx).collect())
    }

    fn loose_tx(&self, txid: TxId) -> Result<Option<LooseTx>, Unavailable> {
        ask(self.chain.loose_tx(txid))
    }

    fn submit_tx(&self, tx: LooseTx) -> Result<Result<TxId, Reject>, Unavailable> {
        match ask(self.chain.submit_tx(tx))? {
            Ok(txid) => Ok(Ok(txid)),
            Err(TxRefusal::Pool(reject)) => Ok(Err(reject)),
            Err(TxRefusal::Busy) => Err(Unavailable::Busy),
        }
    }

    fn peers(&self) -> Vec<SocketAddr> {
        self.network.peers().iter().map(|peer| peer.facts.address).collect()
    }

    fn add_peer(&self, address: SocketAddr) -> Result<(), Unavailable> {
        self.network.add_peer(address).map_err(|_| Unavailable::Busy)
    }

    fn ban(&self, ip: IpAddr) -> Result<(), Unavailable> {
        self.network.ban(ip, BAN_TIME).map_err(|_| Unavailable::Busy)
    }

    fn bans(&self) -> Result<Vec<Ban>, Unavailable> {
        ask(self.network.bans())
    }

    fn mining(&self) -> MiningView {
        let asset = self.payee.as_ref().and_then(|payee| payee.payout.asset.as_ref());
        MiningView {
            is_mining: self.is_mining,
            hash_rate: 0,
            payment_address: self.payee.as_ref().map_or_else(String::new, |p| p.address.clone()),
            asset: asset.map_or_else(String::new, ToString::to_string),
        }
    }

    fn work(&self) -> Result<Arc<WorkTemplate>, Unavailable> {
        let payee = self.payee.as_ref().ok_or(Unavailable::NoPayee)?;
        ask(self.chain.work(payee.payout.clone()))?
            .map_err(|error| Unavailable::NoWork(format!("{error} ({})", error.code())))
    }

    fn submit_work(
        &self,
        work: SealHash,
        nonce: u64,
        mix_hash: MixHash,
    ) -> Result<bool, Unavailable> {
        let answer = ask(self.chain.submit_work(work, nonce, mix_hash))?;
        Ok(matches!(answer, Ok(BlockVerdict { is_on_chain: true, .. })))
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::wait;

    #[test]
    fn an_answer_from_another_thread_wakes_the_waiting_one() {
        let (send, receive) = oneshot::channel();
        let thread = std::thread::spawn(move || send.send(7).unwrap());
        assert_eq!(wait(receive), Ok(Ok(7)));
        thread.join().unwrap();
        let (send, receive) = oneshot::channel::<u8>();
        drop(send);
        assert!(wait(receive).unwrap().is_err());
    }
}
