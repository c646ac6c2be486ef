//! The handle through which the node speaks to its peers.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use mvs_primitives::height::Height;
use tokio::sync::{Notify, mpsc, oneshot};

use super::api::{
    ByteCounts, CloseReason, Merit, PeerFacts, PeerId, PeerStats, Penalty, SendError,
};
use super::budget::{Budgets, Memory};
use super::codec::{Frame, Magic};
use super::error::WireError;
use super::message::{Encoded, Message, NetAddress};

/// Most bytes that may wait for one peer, on their way to it or in its queue. One message is always
/// taken when nothing waits.
pub const MAX_QUEUED_BYTES: usize = 10 * 1024 * 1024;

/// Most messages that may be on their way from the node to one peer's task. The first node closes a
/// connection on which more than 500 wait (p2p.md 3, item 6).
pub const MAX_QUEUED_MESSAGES: usize = 400;

/// Most orders that may be on their way to one peer's task. When it is full the connection is closed.
const CONTROL_QUEUE: usize = 64;

/// Most requests that may wait for the task that owns addresses and bans. When it is full the request
/// is refused: it comes from an operator, who can repeat it.
const MANAGER_QUEUE: usize = 64;

/// The peers, to whom anything can be sent from any thread. Cheap to clone.
///
/// No method blocks; those that ask the owning task are `async`.
#[derive(Debug, Clone)]
pub struct Network {
    shared: Arc<Shared>,
}

/// What all clones of the handle and all tasks share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) magic: Magic,
    peers: RwLock<HashMap<PeerId, Link>>,
    next_id: AtomicU64,
    own_height: AtomicU32,
    /// Bytes of peers that are gone: received, sent.
    gone: Mutex<(ByteCounts, ByteCounts)>,
    pub(super) budgets: Budgets,
    manager: mpsc::Sender<ManagerCommand>,
}

/// One connected peer as the handle sees it.
#[derive(Debug, Clone)]
struct Link {
    facts: Arc<PeerFacts>,
    line: PeerLine,
}

/// The two channels into a peer's task, and what it publishes.
#[derive(Debug, Clone)]
pub(super) struct PeerLine {
    pub(super) sends: mpsc::Sender<Encoded>,
    pub(super) control: mpsc::Sender<PeerControl>,
    pub(super) live: Arc<Live>,
}

/// The other end of a [`PeerLine`].
#[derive(Debug)]
pub(super) struct PeerLineEnd {
    pub(super) sends: mpsc::Receiver<Encoded>,
    pub(super) control: mpsc::Receiver<PeerControl>,
    pub(super) live: Arc<Live>,
}

/// Makes the line of a new peer.
pub(super) fn peer_line() -> (PeerLine, PeerLineEnd) {
    let live = Arc::new(Live::default());
    let (send, sends) = mpsc::channel(MAX_QUEUED_MESSAGES);
    let (order, control) = mpsc::channel(CONTROL_QUEUE);
    let end = PeerLineEnd { sends, control, live: Arc::clone(&live) };
    (PeerLine { sends: send, control: order, live }, end)
}

/// What a peer's task publishes about itself.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// Bytes between the handle and the task.
    pub(super) on_the_way: AtomicUsize,
    /// Bytes in the session's queue.
    pub(super) queued: AtomicUsize,
    /// Rung when an order found no place in the control queue: the task closes the connection.
    pub(super) overrun: Notify,
    /// The rest, replaced as a whole by the task.
    numbers: Mutex<LiveNumbers>,
}

/// The changing part of [`PeerStats`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LiveNumbers {
    pub(super) received: ByteCounts,
    pub(super) sent: ByteCounts,
    pub(super) best_ping: Option<Duration>,
    pub(super) last_ping: Option<Duration>,
    pub(super) score: u32,
    pub(super) queued_messages: usize,
    pub(super) last_block: Option<Instant>,
    pub(super) last_tx: Option<Instant>,
}

impl Live {
    pub(super) fn publish(&self, numbers: LiveNumbers) {
        *lock(&self.numbers) = numbers;
    }

    pub(super) fn numbers(&self) -> LiveNumbers {
        *lock(&self.numbers)
    }
}

/// What the node tells one peer's task, beside what it sends.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerControl {
    /// Take points off; the text is the stable code of the offence.
    Penalise(Penalty, &'static str),
    /// Note something good.
    Merit(Merit),
    /// Close the connection.
    Close(CloseReason),
}

/// A peer without a socket, in a [detached](Network::detached) network.
#[derive(Debug)]
pub struct DetachedPeer(PeerLineEnd);

impl DetachedPeer {
    /// Returns the next message that was sent to the peer, if there is one.
    ///
    /// # Errors
    /// [`WireError`] when the message does not decode: then it would not have at a real peer.
    pub fn next_message(&mut self) -> Result<Option<Message>, WireError> {
        let Ok(encoded) = self.0.sends.try_recv() else { return Ok(None) };
        self.0.live.on_the_way.fetch_sub(encoded.wire_len(), Ordering::Relaxed);
        let payload = encoded.parts().1.clone();
        Message::decode(&Frame { command: encoded.command(), payload }).map(Some)
    }

    /// Returns the next penalty, merit or order to close, if there is one.
    pub fn next_control(&mut self) -> Option<PeerControl> {
        self.0.control.try_recv().ok()
    }
}

/// What the node tells the task that owns addresses, bans and connections.
#[derive(Debug)]
pub(super) enum ManagerCommand {
    AddPeer(SocketAddr),
    RemovePeer(SocketAddr),
    Ban(IpAddr, Duration),
    Unban(IpAddr, oneshot::Sender<bool>),
    Bans(oneshot::Sender<Vec<Ban>>),
    Stop(oneshot::Sender<()>),
}

/// An address that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ban {
    /// The address. For IPv6 the ban holds for its /64, which is one household.
    pub ip: IpAddr,
    /// Until when, in Unix seconds.
    pub until_unix_secs: u64,
}

/// A request to the owning task that was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the network is stopping or has too many requests")]
pub struct NetworkBusy;

impl Network {
    /// Makes a handle and the receiver of what it asks of the manager.
    pub(super) fn new(
        magic: Magic,
        own_height: Height,
        budgets: Budgets,
    ) -> (Self, Arc<Shared>, mpsc::Receiver<ManagerCommand>) {
        let (manager, commands) = mpsc::channel(MANAGER_QUEUE);
        let shared = Arc::new(Shared {
            magic,
            peers: RwLock::default(),
            next_id: AtomicU64::new(1),
            own_height: AtomicU32::new(own_height.value()),
            gone: Mutex::default(),
            budgets,
            manager,
        });
        (Self { shared: Arc::clone(&shared) }, shared, commands)
    }

    /// Returns a network without sockets, whose peers are [`attach`](Self::attach)ed by hand: for
    /// tests of what stands above it. Requests to the manager are refused.
    pub fn detached(magic: Magic, own_height: Height) -> Self {
        Self::new(magic, own_height, Budgets::new(None, Instant::now())).0
    }

    /// Adds a peer to a [detached](Self::detached) network; returns what it would see.
    pub fn attach(&self, facts: PeerFacts) -> DetachedPeer {
        let (line, end) = peer_line();
        self.shared.insert(Arc::new(facts), line);
        DetachedPeer(end)
    }

    /// Removes a peer from a [detached](Self::detached) network.
    pub fn detach(&self, peer: PeerId) {
        self.shared.remove(peer);
    }

    /// Returns the magic of the network.
    pub fn magic(&self) -> Magic {
        self.shared.magic
    }

    /// Tells the peers of later handshakes how high our chain is. Call it for every new tip.
    pub fn set_height(&self, height: Height) {
        self.shared.own_height.store(height.value(), Ordering::Relaxed);
    }

    /// Sends a message to one peer.
    ///
    /// # Errors
    /// [`SendError`]; nothing was sent then.
    pub fn try_send(&self, peer: PeerId, message: &Message) -> Result<(), SendError> {
        let link = self.shared.link(peer).ok_or(SendError::Gone)?;
        link.try_send(message.encode(self.shared.magic))
    }

    /// Sends a message to every peer that `wanted` picks; it is encoded once. Returns how many took it:
    /// peers that do not understand it or whose queue is full are left out.
    pub fn broadcast(&self, message: &Message, wanted: impl Fn(&PeerFacts) -> bool) -> usize {
        let links = self.shared.links();
        let mut chosen = links.iter().filter(|link| wanted(&link.facts)).peekable();
        if chosen.peek().is_none() {
            return 0;
        }
        let encoded = message.encode(self.shared.magic);
        chosen.filter(|link| link.try_send(encoded.clone()).is_ok()).count()
    }

    /// Tells how many more bytes may wait for a peer; 0 when it is gone.
    pub fn room(&self, peer: PeerId) -> usize {
        let waiting = self.shared.link(peer).map(|link| link.waiting());
        waiting.map_or(0, |waiting| MAX_QUEUED_BYTES.saturating_sub(waiting))
    }

    /// Takes points off a peer for something that only the node could judge. `code` is the stable code
    /// of the offence. At [`Penalty::LIMIT`] points it is banned.
    pub fn penalise(&self, peer: PeerId, penalty: Penalty, code: &'static str) {
        self.shared.control(peer, PeerControl::Penalise(penalty, code));
    }

    /// Notes something good about a peer.
    pub fn note_merit(&self, peer: PeerId, merit: Merit) {
        self.shared.control(peer, PeerControl::Merit(merit));
    }

    /// Closes a connection. The address may come back.
    pub fn disconnect(&self, peer: PeerId, reason: &'static str) {
        self.shared.control(peer, PeerControl::Close(CloseReason::Requested(reason)));
    }

    /// Tells whether the upload budget of the day is used up: then nobody is told the history of the
    /// chain any more.
    pub fn is_upload_used_up(&self) -> bool {
        self.shared.budgets.upload().is_used_up(Instant::now())
    }

    /// Closes the connection of a peer that wants more than the upload budget gives.
    pub fn close_for_upload(&self, peer: PeerId) {
        self.shared.control(peer, PeerControl::Close(CloseReason::UploadBudget));
    }

    /// Returns what is known of a connected peer.
    pub fn facts(&self, peer: PeerId) -> Option<Arc<PeerFacts>> {
        self.shared.link(peer).map(|link| link.facts)
    }

    /// Returns all connected peers and how they do, by rising id.
    pub fn peers(&self) -> Vec<PeerStats> {
        let mut peers: Vec<_> = self.shared.links().iter().map(Link::stats).collect();
        peers.sort_by_key(|peer| peer.facts.id);
        peers
    }

    /// Returns the number of connected peers.
    pub fn peer_count(&self) -> usize {
        self.shared.peer_count()
    }

    /// Returns all bytes received and sent since the start.
    pub fn totals(&self) -> (ByteCounts, ByteCounts) {
        let (mut received, mut sent) = *lock(&self.shared.gone);
        for link in self.shared.links() {
            let numbers = link.line.live.numbers();
            received.merge(&numbers.received);
            sent.merge(&numbers.sent);
        }
        (received, sent)
    }

    /// Returns how much memory large messages take.
    pub fn memory(&self) -> Memory {
        self.shared.budgets.memory()
    }

    /// Keeps a connection to an address from now on, with pauses that grow while it fails.
    ///
    /// # Errors
    /// [`NetworkBusy`].
    pub fn add_peer(&self, address: SocketAddr) -> Result<(), NetworkBusy> {
        self.shared.ask(ManagerCommand::AddPeer(address))
    }

    /// Ends what [`add_peer`](Self::add_peer) began, and the connection.
    ///
    /// # Errors
    /// [`NetworkBusy`].
    pub fn remove_peer(&self, address: SocketAddr) -> Result<(), NetworkBusy> {
        self.shared.ask(ManagerCommand::RemovePeer(address))
    }

    /// Refuses an address for so long, and closes its connections.
    ///
    /// # Errors
    /// [`NetworkBusy`].
    pub fn ban(&self, ip: IpAddr, how_long: Duration) -> Result<(), NetworkBusy> {
        self.shared.ask(ManagerCommand::Ban(ip, how_long))
    }

    /// Lets an address in again; tells whether it was banned.
    ///
    /// # Errors
    /// [`NetworkBusy`].
    pub async fn unban(&self, ip: IpAddr) -> Result<bool, NetworkBusy> {
        let (answer, receiver) = oneshot::channel();
        self.shared.ask(ManagerCommand::Unban(ip, answer))?;
        receiver.await.map_err(|_| NetworkBusy)
    }

    /// Returns the addresses that are refused.
    ///
    /// # Errors
    /// [`NetworkBusy`].
    pub async fn bans(&self) -> Result<Vec<Ban>, NetworkBusy> {
        let (answer, receiver) = oneshot::channel();
        self.shared.ask(ManagerCommand::Bans(answer))?;
        receiver.await.map_err(|_| NetworkBusy)
    }

    /// Closes everything, writes addresses and bans, and returns when the last task has ended. Returns
    /// at once when it has stopped before.
    pub async fn stop(&self) {
        let (done, receiver) = oneshot::channel();
        if self.shared.manager.send(ManagerCommand::Stop(done)).await.is_ok() {
            // An error means that the manager is gone, which is what was asked for.
            let _gone = receiver.await;
        }
    }
}

impl Shared {
    pub(super) fn own_height(&self) -> Height {
        Height::new(self.own_height.load(Ordering::Relaxed))
    }

    pub(super) fn next_id(&self) -> PeerId {
        PeerId::new(self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn insert(&self, facts: Arc<PeerFacts>, line: PeerLine) {
        let link = Link { facts, line };
        self.peers.write().unwrap_or_else(PoisonError::into_inner).insert(link.facts.id, link);
    }

    pub(super) fn remove(&self, peer: PeerId) {
        let removed = self.peers.write().unwrap_or_else(PoisonError::into_inner).remove(&peer);
        if let Some(link) = removed {
            self.note_gone(&link.line.live);
        }
    }

    /// Keeps the byte counts of a connection that ended.
    pub(super) fn note_gone(&self, live: &Live) {
        let numbers = live.numbers();
        let mut gone = lock(&self.gone);
        gone.0.merge(&numbers.received);
        gone.1.merge(&numbers.sent);
    }

    pub(super) fn peer_count(&self) -> usize {
        self.peers.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn link(&self, peer: PeerId) -> Option<Link> {
        self.peers.read().unwrap_or_else(PoisonError::into_inner).get(&peer).cloned()
    }

    fn links(&self) -> Vec<Link> {
        self.peers.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Hands an order to a peer's task.
    pub(super) fn control(&self, peer: PeerId, order: PeerControl) {
        let Some(link) = self.link(peer) else { return };
        let is_merit = matches!(order, PeerControl::Merit(_));
        if let Err(mpsc::error::TrySendError::Full(_)) = link.line.control.try_send(order)
            && !is_merit
        {
            // So many penalties at once, or a task that does not get to them: no peer is worth that.
            link.line.live.overrun.notify_one();
        }
    }

    /// Answers a request for addresses. When its queue is full the peer goes without.
    pub(super) fn tell_addresses(&self, peer: PeerId, addresses: &[NetAddress]) {
        if let Some(link) = self.link(peer)
            && !addresses.is_empty()
        {
            let message = Message::Addr(addresses.to_vec()).encode(self.magic);
            let _refused = link.try_send(message).is_err();
        }
    }

    fn ask(&self, command: ManagerCommand) -> Result<(), NetworkBusy> {
        self.manager.try_send(command).map_err(|_| NetworkBusy)
    }
}

impl Link {
    fn waiting(&self) -> usize {
        let Live { on_the_way, queued, .. } = &*self.line.live;
        on_the_way.load(Ordering::Relaxed).saturating_add(queued.load(Ordering::Relaxed))
    }

    fn try_send(&self, encoded: Encoded) -> Result<(), SendError> {
        if !encoded.fits() {
            return Err(SendError::TooLarge);
        }
        if !encoded.command().is_common() && !self.facts.has_extensions() {
            return Err(SendError::NotUnderstood);
        }
        let waiting = self.waiting();
        let len = encoded.wire_len();
        if waiting > 0 && waiting.saturating_add(len) > MAX_QUEUED_BYTES {
            return Err(SendError::Full);
        }
        // Counted before it is handed over: the task counts it down when it takes it.
        self.line.live.on_the_way.fetch_add(len, Ordering::Relaxed);
        self.line.sends.try_send(encoded).map_err(|error| {
            self.line.live.on_the_way.fetch_sub(len, Ordering::Relaxed);
            match error {
                mpsc::error::TrySendError::Full(_) => SendError::Full,
                mpsc::error::TrySendError::Closed(_) => SendError::Gone,
            }
        })
    }

    fn stats(&self) -> PeerStats {
        let numbers = self.line.live.numbers();
        PeerStats {
            facts: Arc::clone(&self.facts),
            received: numbers.received,
            sent: numbers.sent,
            best_ping: numbers.best_ping,
            last_ping: numbers.last_ping,
            score: numbers.score,
            queued_messages: numbers.queued_messages,
            queued_bytes: self.waiting(),
            last_block: numbers.last_block,
            last_tx: numbers.last_tx,
        }
    }
}

/// Takes a lock whose holders only copy plain numbers, so that a panic leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
