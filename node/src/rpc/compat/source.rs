//! What the commands read and ask.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use mvs_consensus::params::Params;
use mvs_primitives::hash::{MixHash, SealHash, TxId};
use mvs_store::Snapshot;
use mvs_store::backing::Disk;

use crate::mempool::{LooseTx, Reject};
use crate::mining::WorkTemplate;
use crate::p2p::network::Ban;

/// The node does not answer now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// It stops, or has too much to do.
    #[error("the node is busy or stopping")]
    Busy,
    /// No address to pay was configured, so there is no work.
    #[error("no address to pay is configured")]
    NoPayee,
    /// There is no work, for the reason given.
    #[error("there is no work: {0}")]
    NoWork(String),
}

/// What is known about mining.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MiningView {
    /// The node itself mines.
    pub is_mining: bool,
    /// Seals that it tries in a second.
    pub hash_rate: u64,
    /// The address that blocks pay, as text; empty when none is configured.
    pub payment_address: String,
    /// The asset that is mined beside coin; empty when there is none.
    pub asset: String,
}

/// A node, as the commands see it. Methods may wait, but not forever.
pub trait Source {
    /// The disk of the store.
    type Disk: Disk;

    /// Returns the network.
    fn params(&self) -> &Params;

    /// Returns the chain as it is now.
    fn snapshot(&self) -> Snapshot<Self::Disk>;

    /// Returns at most `limit` loose transactions, parents first.
    ///
    /// # Errors
    /// [`Unavailable::Busy`].
    fn loose_txs(&self, limit: usize) -> Result<Vec<LooseTx>, Unavailable>;

    /// Returns a loose transaction.
    ///
    /// # Errors
    /// [`Unavailable::Busy`].
    fn loose_tx(&self, txid: TxId) -> Result<Option<LooseTx>, Unavailable>;

    /// Offers a transaction; the inner error says why it is refused.
    ///
    /// # Errors
    /// [`Unavailable::Busy`].
    fn submit_tx(&self, tx: LooseTx) -> Result<Result<TxId, Reject>, Unavailable>;

    /// Returns the addresses of the connected peers.
    fn peers(&self) -> Vec<SocketAddr>;

    /// Keeps a connection to an address.
    ///
    /// # Errors
    /// [`Unavailable::Busy`].
    fn add_peer(&self, address: SocketAddr) -> Result<(), Unavailable>;

    /// Refuses an address for a day.
    ///
    /// # Errors
    /// [`Unavailable::Busy`].
    fn ban(&self, ip: IpAddr) -> Result<(), Unavailable>;

    /// Returns the addresses that are refused.
    ///
    /// # Errors
    /// [`Unavailable::Busy`].
    fn bans(&self) -> Result<Vec<Ban>, Unavailable>;

    /// Returns what is known about mining.
    fn mining(&self) -> MiningView;

    /// Returns work for a miner.
    ///
    /// # Errors
    /// Why there is none.
    fn work(&self) -> Result<Arc<WorkTemplate>, Unavailable>;

    /// Hands in a solution; tells whether its block is on the chain now.
    ///
    /// # Errors
    /// [`Unavailable::Busy`].
    fn submit_work(
        &self,
        work: SealHash,
        nonce: u64,
        mix_hash: MixHash,
    ) -> Result<bool, Unavailable>;
}

/// A node of which only the chain may be read: nothing that waits is answered.
#[derive(Debug)]
pub(super) struct AtOnce<'a, S>(pub(super) &'a S);

impl<S: Source> Source for AtOnce<'_, S> {
    type Disk = S::Disk;

    fn params(&self) -> &Params {
        self.0.params()
    }

    fn snapshot(&self) -> Snapshot<S::Disk> {
        self.0.snapshot()
    }

    fn loose_txs(&self, _limit: usize) -> Result<Vec<LooseTx>, Unavailable> {
        Err(Unavailable::Busy)
    }

    fn loose_tx(&self, _txid: TxId) -> Result<Option<LooseTx>, Unavailable> {
        Err(Unavailable::Busy)
    }

    fn submit_tx(&self, _tx: LooseTx) -> Result<Result<TxId, Reject>, Unavailable> {
        Err(Unavailable::Busy)
    }

    fn peers(&self) -> Vec<SocketAddr> {
        self.0.peers()
    }

    fn add_peer(&self, _address: SocketAddr) -> Result<(), Unavailable> {
        Err(Unavailable::Busy)
    }

    fn ban(&self, _ip: IpAddr) -> Result<(), Unavailable> {
        Err(Unavailable::Busy)
    }

    fn bans(&self) -> Result<Vec<Ban>, Unavailable> {
        Err(Unavailable::Busy)
    }

    fn mining(&self) -> MiningView {
        self.0.mining()
    }

    fn work(&self) -> Result<Arc<WorkTemplate>, Unavailable> {
        Err(Unavailable::Busy)
    }

    fn submit_work(
        &self,
        _work: SealHash,
        _nonce: u64,
        _mix_hash: MixHash,
    ) -> Result<bool, Unavailable> {
        Err(Unavailable::Busy)
    }
}
