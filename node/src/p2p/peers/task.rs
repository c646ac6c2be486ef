//! One peer's task: a socket on one side, its session in the middle, the node on the other.
//!
//! It owns its session and buffers; nobody else touches them. It waits in one place for: room in the
//! event queue, memory for a large message, bytes, room in the socket, the node's wishes, the time.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, mpsc, watch};
use tokio::time::sleep_until;

use super::manager::Note;
use crate::p2p::api::{Charge, CloseReason, Direction, NetworkEvent, PeerFacts, PeerId};
use crate::p2p::budget::share_kib;
use crate::p2p::message::Encoded;
use crate::p2p::network::{LiveNumbers, PeerControl, PeerLine, PeerLineEnd, Shared};
use crate::p2p::session::{Action, Session};

/// Bytes that are read at once.
const READ_BYTES: usize = 16 * 1024;
/// A wait of ours that is shorter changes nothing for the peer's clocks; else whoever gets many answers
/// could take forever over a message.
const EXCUSED: Duration = Duration::from_secs(1);
/// Pieces that are written at once.
const WRITE_SLICES: usize = 16;

type MemoryWait = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>;

/// What a task is made of.
pub(super) struct PeerTask {
    pub(super) id: PeerId,
    pub(super) direction: Direction,
    pub(super) stream: TcpStream,
    pub(super) session: Session,
    pub(super) line: PeerLine,
    pub(super) end: PeerLineEnd,
    pub(super) shared: Arc<Shared>,
    /// Bounded. When full, this peer is not read until there is room.
    pub(super) events: mpsc::Sender<NetworkEvent>,
    /// Bounded. When full, the task waits: the manager never waits for a peer.
    pub(super) notes: mpsc::Sender<Note>,
    pub(super) stop: watch::Receiver<bool>,
}

/// What changes while it runs.
struct Running {
    task: PeerTask,
    input: Box<[u8]>,
    /// The unread part of `input`.
    unread: std::ops::Range<usize>,
    event: Option<NetworkEvent>,
    share: Option<OwnedSemaphorePermit>,
    wait: Option<MemoryWait>,
    /// Since when nothing is read for a reason of ours.
    blocked_since: Option<Instant>,
    facts: Option<Arc<PeerFacts>>,
    queued_before: usize,
    sent_before: u64,
}

/// Why a turn of the loop began.
enum Turn {
    Room(Option<mpsc::OwnedPermit<NetworkEvent>>),
    Memory(Result<OwnedSemaphorePermit, AcquireError>),
    Readable(io::Result<()>),
    Writable(io::Result<()>),
    Send(Encoded),
    Control(PeerControl),
    Overrun,
    Time,
    Stop,
}

impl PeerTask {
    /// Runs until the connection ends, then tells the node and the manager.
    pub(super) async fn run(self) {
        let mut running = Running {
            task: self,
            input: vec![0; READ_BYTES].into(),
            unread: 0..0,
            event: None,
            share: None,
            wait: None,
            blocked_since: None,
            facts: None,
            queued_before: 0,
            sent_before: 0,
        };
        let (reason, ban) = loop {
            if let Some(end) = running.turn().await {
                break end;
            }
        };
        running.finish(reason, ban).await;
    }
}

impl Running {
    /// Does what can be done at once, then waits for one thing. Returns how it ended, if it did.
    async fn turn(&mut self) -> Option<(CloseReason, bool)> {
        let now = Instant::now();
        if let Some(end) = self.advance(now).await {
            return Some(end);
        }
        self.publish(now);

        let session = &self.task.session;
        let may_read = self.event.is_none() && self.wait.is_none() && session.wants_bytes(now);
        if may_read && !self.unread.is_empty() {
            return None; // advance goes on with it
        }
        let (wants_to_write, deadline) = (session.wants_to_write(), session.deadline(now));
        let has_event = self.event.is_some();
        let wait = self.wait.as_mut();
        let PeerTask { stream, end, events, stop, .. } = &mut self.task;
        let turn = tokio::select! {
            () = stopped(stop) => Turn::Stop,
            () = end.live.overrun.notified() => Turn::Overrun,
            Some(order) = end.control.recv() => Turn::Control(order),
            room = events.clone().reserve_owned(), if has_event => Turn::Room(room.ok()),
            memory = async { wait.expect("checked by the guard").await }, if wait.is_some() => {
                Turn::Memory(memory)
            }
            ready = stream.readable(), if may_read => Turn::Readable(ready),
            ready = stream.writable(), if wants_to_write => Turn::Writable(ready),
            Some(message) = end.sends.recv() => Turn::Send(message),
            () = sleep_until(deadline.into()) => Turn::Time,
        };
        self.on_turn(turn);
        None
    }

    fn on_turn(&mut self, turn: Turn) {
        let now = Instant::now();
        let session = &mut self.task.session;
        match turn {
            Turn::Room(Some(room)) => {
                if let Some(event) = self.event.take() {
                    room.send(event);
                }
            }
            // The node is gone: it is stopping.
            Turn::Room(None) | Turn::Stop => session.close(CloseReason::Stopping, false),
            Turn::Memory(share) => {
                self.wait = None;
                self.share = share.ok();
            }
            Turn::Readable(Ok(())) => self.read(),
            Turn::Writable(Ok(())) => self.write(now),
            Turn::Readable(Err(_)) | Turn::Writable(Err(_)) => session.end_of_stream(),
            Turn::Send(message) => {
                let mut next = Some(message);
                while let Some(message) = next {
                    let len = message.wire_len();
                    // An error here is a peer that is closing or far behind; its timers see to it.
                    let _refused = session.send(now, message);
                    // Counted here before it is no longer counted there.
                    self.task.end.live.queued.store(session.queued().1, Ordering::Relaxed);
                    self.task.end.live.on_the_way.fetch_sub(len, Ordering::Relaxed);
                    next = self.task.end.sends.try_recv().ok();
                }
            }
            Turn::Control(PeerControl::Penalise(penalty, code)) => {
                session.penalise(now, penalty, code);
            }
            Turn::Control(PeerControl::Merit(merit)) => session.note_merit(now, merit),
            Turn::Control(PeerControl::Close(reason)) => session.close(reason, false),
            Turn::Overrun => session.close(CloseReason::Misbehaved("p2p.overrun"), false),
            Turn::Time => {}
        }
    }

    /// Carries out actions and takes in what was read, until something has to be waited for.
    async fn advance(&mut self, now: Instant) -> Option<(CloseReason, bool)> {
        let is_blocked = self.event.is_some() || self.wait.is_some();
        if self.blocked_since.is_some_and(|since| now.duration_since(since) >= EXCUSED) {
            // Not reading was our fault: its clocks start again.
            self.task.session.excuse(now);
            self.blocked_since = None;
        }
        self.blocked_since = match self.blocked_since {
            _ if !is_blocked => None,
            None => Some(now),
            since => since,
        };
        self.task.session.tick(now);
        loop {
            while self.event.is_none()
                && let Some(action) = self.task.session.next_action()
            {
                if let Some(end) = self.act(action).await {
                    return Some(end);
                }
            }
            if self.event.is_some() || self.wait.is_some() {
                return None;
            }
            if self.task.session.frame_in_progress().is_none() {
                self.share = None; // of a frame that nobody wanted
            }
            let before = self.unread.len();
            if before == 0 || !self.task.session.wants_bytes(now) {
                return None;
            }
            let mut input = self.input.get(self.unread.clone()).unwrap_or_default();
            self.task.session.receive(now, &mut input);
            self.unread.start = self.unread.end.saturating_sub(input.len());
            self.ask_for_memory();
        }
    }

    /// Asks for a share of the memory pool when a large frame begins; gives it back when none is there.
    fn ask_for_memory(&mut self) {
        let Some((command, len)) = self.task.session.frame_in_progress() else { return };
        if self.share.is_some() {
            return;
        }
        if let Some(kib) = share_kib(command, len) {
            let pool = self.task.shared.budgets.pool(self.task.direction.is_outbound());
            self.wait = Some(Box::pin(pool.acquire_many_owned(kib)));
        }
    }

    async fn act(&mut self, action: Action) -> Option<(CloseReason, bool)> {
        let peer = self.task.id;
        match action {
            Action::Connected(facts) => {
                let facts = Arc::new(facts);
                self.facts = Some(Arc::clone(&facts));
                self.task.shared.insert(Arc::clone(&facts), self.task.line.clone());
                self.note(Note::Open(Arc::clone(&facts))).await;
                self.event = Some(NetworkEvent::Connected(facts));
            }
            Action::Deliver(message) => {
                // While a frame is coming in, the share is that frame's.
                let share = match self.task.session.frame_in_progress() {
                    None => self.share.take(),
                    Some(_) => None,
                };
                self.event =
                    Some(NetworkEvent::Message { peer, message, charge: Charge::of(share) });
            }
            Action::Addresses(addresses) => self.note(Note::Addresses(peer, addresses)).await,
            Action::AddressesWanted => self.note(Note::AddressesWanted(peer)).await,
            Action::Close { reason, ban } => return Some((reason, ban)),
        }
        None
    }

    fn read(&mut self) {
        match self.task.stream.try_read(&mut self.input) {
            Ok(0) => self.task.session.end_of_stream(),
            Ok(len) => self.unread = 0..len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.task.session.end_of_stream(),
        }
    }

    fn write(&mut self, now: Instant) {
        let mut slices = [IoSlice::new(&[]); WRITE_SLICES];
        let filled = self.task.session.slices(&mut slices);
        let written = self.task.stream.try_write_vectored(slices.get(..filled).unwrap_or_default());
        match written {
            Ok(len) => self.task.session.wrote(now, len),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.task.session.end_of_stream(),
        }
    }

    /// Tells others how this peer is doing.
    fn publish(&mut self, now: Instant) {
        let session = &mut self.task.session;
        let (queued_messages, queued_bytes) = session.queued();
        let congested = self.task.shared.budgets.requeue(self.queued_before, queued_bytes);
        self.queued_before = queued_bytes;
        session.set_congested(congested);
        let (received, sent) = session.bytes();
        let (received, sent) = (*received, *sent);
        self.task.shared.budgets.upload().note(now, sent.total().saturating_sub(self.sent_before));
        self.sent_before = sent.total();
        let (best_ping, last_ping) = session.pings();
        let (last_block, last_tx) = session.merits();
        let live = &self.task.end.live;
        live.queued.store(queued_bytes, Ordering::Relaxed);
        live.publish(LiveNumbers {
            received,
            sent,
            best_ping,
            last_ping,
            score: session.score(),
            queued_messages,
            last_block,
            last_tx,
        });
    }

    async fn note(&mut self, note: Note) {
        // An error means that the manager is gone: the stop token follows.
        let _stopping = self.task.notes.send(note).await;
    }

    async fn finish(mut self, reason: CloseReason, ban: bool) {
        self.publish(Instant::now());
        self.task.shared.budgets.requeue(self.queued_before, 0);
        tracing::debug!(target: "p2p", peer = %self.task.id, %reason, ban, "closed");
        if self.facts.is_none() {
            self.task.shared.note_gone(&self.task.end.live);
        } else {
            self.task.shared.remove(self.task.id);
            let peer = self.task.id;
            let disconnected = NetworkEvent::Disconnected { peer, reason: reason.clone() };
            // What was promised comes first: the order of events is part of the interface.
            let last = [self.event.take(), Some(disconnected)];
            for event in last.into_iter().flatten() {
                let stop = &mut self.task.stop;
                tokio::select! {
                    _sent = self.task.events.send(event) => {}
                    () = stopped(stop) => {}
                }
            }
        }
        self.note(Note::Closed { peer: self.task.id, reason, ban }).await;
    }
}

/// Waits for the stop token; a dropped token stops as well.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _dropped = stop.wait_for(|stop| *stop).await.is_err();
}
